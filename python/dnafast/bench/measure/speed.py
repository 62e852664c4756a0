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
    """Median time of one sequence alone, in milliseconds."""
    sequences_per_second: float
    """Throughput at the best batch size."""
    batch_size: int
    """That batch size."""


def latency_and_throughput(
    model: nn.Module,
    make_input: Callable[[int], Tensor],
    *,
    device: str | torch.device = "cpu",
    seconds: float = 0.5,
    batch_sizes: Sequence[int] = (16, 64, 256, 1024),
) -> Speed:
    """Time predictions in short loops, the input being on the device already.

    A third of the time goes to single sequences, the rest to ever larger batches; a batch that would not fit into the
    time left is not tried. Each size gets an untimed run first. A model that needs longer than ``seconds`` for two
    sequences still makes two runs.

    Args:
        model: put into evaluation mode meanwhile, and back.
        make_input: gives the model's input for so many sequences.
        device: where the model and its input are.
        seconds: about how long all this may take.
        batch_sizes: sizes to try, rising.
    """
    import torch

    deadline = time.perf_counter() + seconds
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            latency = _seconds_per_run(model, make_input(1), device, time.perf_counter() + seconds / 3)
            best = Speed(latency * 1000, 1 / latency, 1)
            for tried, size in enumerate(batch_sizes):
                left = deadline - time.perf_counter()
                if 2 * size / best.sequences_per_second > left:
                    break
                share = left / (len(batch_sizes) - tried)
                run_seconds = _seconds_per_run(model, make_input(size), device, time.perf_counter() + share)
                if size / run_seconds > best.sequences_per_second:
                    best = Speed(best.latency_ms, size / run_seconds, size)
    finally:
        model.train(was_training)
    return best


def _seconds_per_run(model: nn.Module, x: Tensor, device: str | torch.device, until: float) -> float:
    """Median time of a forward pass, after one that is not counted."""
    import torch

    on_gpu = is_gpu(device)
    times = []
    for _ in range(1001):
        if on_gpu:
            torch.cuda.synchronize(device)
        before = time.perf_counter()
        model(x)
        if on_gpu:
            torch.cuda.synchronize(device)
        after = time.perf_counter()
        times.append(after - before)
        if len(times) > 1 and after >= until:
            break
    return statistics.median(times[1:])
