"""How fast a model predicts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dnafast.bench.measure.gpu import is_gpu

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Speed(NamedTuple):
    """How fast a model predicts."""

    latency_ms: float
    """Median time of one sequence alone, in milliseconds, over three stretches of time."""
    sequences_per_second: float
    """Throughput at the best batch size."""
    batch_size: int
    """That batch size."""


def fastest_speed(
    model: nn.Module,
    make_input: Callable[[int], Tensor],
    threads: Sequence[int],
    *,
    device: str | torch.device = "cpu",
    seconds: float = 0.5,
) -> Speed:
    """`latency_and_throughput` with each of these numbers of torch's threads: the lowest latency, the best throughput.

    A recurrent network meets its threads at every position, and beside a busy process each meeting may cost more than
    the work between two: a single sequence on two threads was then seen to take 90 times as long as on one. The number
    that is faster here is only known once both are tried. Torch keeps the number it had.

    Args:
        model, make_input, device, seconds: as for `latency_and_throughput`, the time for each number of threads.
        threads: numbers to try; on a GPU they change nothing and the first alone is tried.
    """
    import torch

    before = torch.get_num_threads()
    found = []
    try:
        for number in threads[:1] if is_gpu(device) else dict.fromkeys(threads):
            torch.set_num_threads(number)
            found.append(latency_and_throughput(model, make_input, device=device, seconds=seconds))
    finally:
        torch.set_num_threads(before)
    best = max(found, key=lambda speed: speed.sequences_per_second)
    return best._replace(latency_ms=min(speed.latency_ms for speed in found))


def latency_and_throughput(
    model: nn.Module,
    make_input: Callable[[int], Tensor],
    *,
    device: str | torch.device = "cpu",
    seconds: float = 0.5,
    batch_sizes: Sequence[int] = (16, 64, 256, 1024),
    always: int = 256,
) -> Speed:
    """Time predictions in short loops, the input being on the device already.

    A third of the time goes to single sequences, in three stretches before, among and after the batches, so that a
    neighbour that wakes up for a moment does not decide their median. The rest goes to ever larger batches. How much a
    larger batch gains is not known before it is tried, so sizes up to ``always`` (what scoring uses anyway) are tried
    however slow the model is; a still larger one only where the time that the two sizes before it took, drawn out as a
    straight line, says that it fits. Each size gets an untimed run first.

    Args:
        model: put into evaluation mode meanwhile, and back.
        make_input: gives the model's input for so many sequences.
        device: where the model and its input are.
        seconds: about how long all this may take; a slow model takes two runs of each size up to ``always``.
        batch_sizes: sizes to try, rising.
        always: largest size that is tried even where the time is spent.
    """
    import torch

    deadline = time.perf_counter() + seconds
    was_training = model.training
    model.eval()
    alone: list[float] = []
    timed: list[tuple[int, float]] = []

    def single() -> None:
        until = time.perf_counter() + seconds / 9
        alone.extend(_times(model, make_input(1), device, until, fewest=_FEWEST_ALONE))

    try:
        with torch.inference_mode():
            single()
            timed.append((1, statistics.median(alone)))
            for tried, size in enumerate(batch_sizes):
                # The last stretch of single sequences is still to come.
                left = deadline - time.perf_counter() - seconds / 9
                if size > always and 2 * _expected(timed, size) > left:
                    break
                until = time.perf_counter() + left / (len(batch_sizes) - tried)
                timed.append((size, statistics.median(_times(model, make_input(size), device, until))))
                if tried == len(batch_sizes) // 2:
                    single()
            single()
    finally:
        model.train(was_training)
    latency = statistics.median(alone)
    size, run_seconds = min([(1, latency), *timed[1:]], key=lambda pair: pair[1] / pair[0])
    return Speed(latency * 1000, size / run_seconds, size)


# Runs of a single sequence in each stretch of time.
_FEWEST_ALONE = 3


def _expected(timed: Sequence[tuple[int, float]], size: int) -> float:
    """Seconds for a batch of `size`, on the straight line through the last two sizes that were timed."""
    if len(timed) < 2:
        return size * timed[-1][1] / timed[-1][0]
    (small, short), (large, long) = timed[-2:]
    return long + (size - large) * max(0.0, long - short) / (large - small)


def _times(model: nn.Module, x: Tensor, device: str | torch.device, until: float, fewest: int = 1) -> list[float]:
    """Times of forward passes, after one that is not counted: `fewest`, and more until the time is spent."""
    import torch

    on_gpu = is_gpu(device)
    times = []
    for _ in range(_MOST_RUNS + 1):
        if on_gpu:
            torch.cuda.synchronize(device)
        before = time.perf_counter()
        model(x)
        if on_gpu:
            torch.cuda.synchronize(device)
        after = time.perf_counter()
        times.append(after - before)
        if len(times) > fewest and after >= until:
            break
    return times[1:]


_MOST_RUNS = 1000
