"""How long a bench will take, and how much of the data fits into the time there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from dnafast.bench.runs import Run
from dnafast.train import masked_loss

# Validation and test cost a forward pass; timed on a batch of this many sequences.
_SCORING_BATCH = 256
# Floors, start-up, figures of cost and the report: seconds a run beside its training.
_SECONDS_BESIDE = 1.0


# A second thread must bring this much to be taken: it is lost, and more, when a neighbour comes.
_WORTH_A_THREAD = 1.15


@dataclass(frozen=True)
class Estimate:
    """Seconds that a run takes at most (early stopping may end it sooner), with the threads that were fastest."""

    run: Run
    step_seconds: float
    scoring_seconds: float
    """For one sequence, forward pass only."""

    def seconds(self, n_train: int | None = None) -> float:
        """Longest duration with `n_train` training sequences (all there are by default)."""
        data, config = self.run.dataset, self.run.train
        n_train = len(data.rows("train")) if n_train is None else n_train
        steps_per_epoch = max(1, n_train // config.batch_size)
        budget = config.budget(steps_per_epoch)
        evaluations = -(-budget // (config.evaluate_every or steps_per_epoch))
        strands = 1 if data.stranded else 2
        scored = strands * ((evaluations + 1) * len(data.rows("valid")) + len(data.rows("test")))
        return budget * self.step_seconds + scored * self.scoring_seconds + _SECONDS_BESIDE


def estimate(run: Run, timed_steps: int) -> Estimate:
    """Time a few training steps and a forward pass of a network, with one thread and with all that may be used.

    Recurrent networks of usual size gain little from a second thread and lose much by it beside a busy process; which
    it is here, only a measurement tells. The floors are taken to cost nothing.
    """
    if run.contestant.is_floor:
        return Estimate(run, 0.0, 0.0)
    single = _timed(run.with_torch_threads(1), timed_steps)
    if run.resources.torch_threads == 1 or run.resources.device != "cpu":
        return single
    several = _timed(run, timed_steps)
    return several if several.step_seconds * _WORTH_A_THREAD < single.step_seconds else single


def _timed(run: Run, timed_steps: int) -> Estimate:
    torch.set_num_threads(run.resources.torch_threads)
    device = run.resources.device
    model = run.build().to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    batch = next(iter(run.loader("train", model.config.encoding)))
    x = batch.x[: run.train.batch_size].to(device)
    y = batch.y[: run.train.batch_size].to(device, torch.float32)

    def step() -> None:
        optimizer.zero_grad()
        masked_loss(model(x), y).backward()
        optimizer.step()

    def score() -> None:
        with torch.inference_mode():
            model(batch.x[:_SCORING_BATCH].to(device))

    step()
    step_seconds = _seconds(step, timed_steps, device)
    model.eval()
    scoring_seconds = _seconds(score, 1, device) / min(_SCORING_BATCH, len(batch.x))
    return Estimate(run, step_seconds, scoring_seconds)


def most_train(estimates: Sequence[Estimate], seconds: float) -> int | None:
    """Largest number of training sequences for which all runs fit into `seconds`; None where all there are fit.

    Raises:
        ValueError: not even one batch an epoch fits.
    """
    if sum(one.seconds() for one in estimates) <= seconds:
        return None
    batch_size = estimates[0].run.train.batch_size
    batches = max(len(one.run.dataset.rows("train")) for one in estimates) // batch_size
    # Cost grows with the number of batches, so the largest that fits is found by halving.
    low, high = 0, batches
    while low < high:
        middle = (low + high + 1) // 2
        total = sum(one.seconds(min(middle * batch_size, len(one.run.dataset.rows("train")))) for one in estimates)
        low, high = (middle, high) if total <= seconds else (low, middle - 1)
    if not low:
        least = sum(one.seconds(batch_size) for one in estimates) / 60
        raise ValueError(
            f"--max-minutes {seconds / 60:g} is too short: with one batch of {batch_size} an epoch the runs would take "
            f"{least:.1f} minutes; name fewer --models or allow more time (0: no bound)"
        )
    return low * batch_size


def _seconds(action: Callable[[], None], times: int, device: str) -> float:
    """Mean wall time of an action."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    for _ in range(times):
        action()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) / times
