"""How long a bench will take, and how much of the data fits into the time there is."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from rich.console import Console

from dnafast.bench.options import BenchOptions
from dnafast.bench.runs import SCORING_BATCH, Run
from dnafast.bench.schedule import run_errors
from dnafast.bench.tuning import tuning_id
from dnafast.splitting import PARTS
from dnafast.train import masked_loss

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
    searches: bool = False
    """Whether the search for the learning rate is counted here; other seeds of the network share it."""

    def seconds(self, n_train: int | None = None) -> float:
        """Longest duration with `n_train` training sequences (all there are by default)."""
        config = self.run.train
        whole, n_valid, n_test, n_tiles = self.sizes
        n_train = whole if n_train is None else n_train
        steps_per_epoch = max(1, n_train // config.batch_size)
        budget = config.budget(steps_per_epoch)
        evaluations = -(-budget // (config.evaluate_every or steps_per_epoch))
        scored = (evaluations + 1) * n_valid + n_test + n_tiles
        if self.searches and self.run.tuning is not None:
            shorts = len(self.run.tuning.rates)
            budget += shorts * math.ceil(self.run.tuning.share * budget)
            scored += 2 * shorts * n_valid
        return budget * self.step_seconds + len(self.run.strands) * scored * self.scoring_seconds + _SECONDS_BESIDE

    @functools.cached_property
    def sizes(self) -> tuple[int, int, int, int]:
        """Rows in each part, and tiles: counted once, since the time is asked for many times."""
        data = self.run.data
        train, valid, test = (len(data.rows(part)) for part in PARTS)
        return train, valid, test, 0 if data.tiles is None else len(data.tiles.rows(self.run.fold))


def entry(run: Run) -> str:
    """A contestant on a data set, as a key in config.json."""
    return f"{run.dataset.name}/{run.contestant.name}/{run.contestant.implementation}"


def estimates(runs: Sequence[Run], timed_steps: int, console: Console) -> list[Estimate]:
    """How long each run takes at most; seeds, folds and sizes of one network are timed once."""
    timed: dict[str, Estimate] = {}
    found = []
    searched: set[str] = set()
    with console.status("timing a few steps of every network"):
        for run in runs:
            key = entry(run)
            if key not in timed:
                try:
                    timed[key] = estimate(run, timed_steps)
                except OSError:
                    raise
                except run_errors(run):
                    # The run itself will say what is wrong, in its row.
                    timed[key] = Estimate(run, 0.0, 0.0)
            searches = run.tuning is not None and run.contestant.is_network and tuning_id(run) not in searched
            if searches:
                searched.add(tuning_id(run))
            with_threads = run.with_torch_threads(timed[key].run.resources.torch_threads)
            found.append(replace(timed[key], run=with_threads, searches=searches))
    return found


def estimate(run: Run, timed_steps: int) -> Estimate:
    """Time a few training steps and a forward pass of a network, with one thread and with all that may be used.

    Recurrent networks of usual size gain little from a second thread and lose much by it beside a busy process; which
    it is here, only a measurement tells. Floors and scores of other tools are taken to cost nothing.
    """
    if not run.contestant.is_network:
        return Estimate(run, 0.0, 0.0)
    single = _timed(run.with_torch_threads(1), timed_steps)
    if run.resources.torch_threads == 1 or run.resources.device != "cpu":
        return single
    several = _timed(run, timed_steps)
    return several if several.step_seconds * _WORTH_A_THREAD < single.step_seconds else single


def _timed(run: Run, timed_steps: int) -> Estimate:
    run.resources.take()
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
            model(batch.x[:SCORING_BATCH].to(device))

    step()
    step_seconds = _seconds(step, timed_steps, device)
    model.eval()
    scoring_seconds = _seconds(score, 1, device) / min(SCORING_BATCH, len(batch.x))
    return Estimate(run, step_seconds, scoring_seconds)


def print_estimates(options: BenchOptions, found: Sequence[Estimate], console: Console) -> float:
    """How many seconds the runs take at most; printed, with `--plan` for each of them."""
    total = sum(one.seconds() for one in found) / options.processes
    if options.plan:
        for one in found:
            threads_used = one.run.resources.torch_threads
            search = ", search for its learning rate included" if one.searches else ""
            console.print(
                f"  {one.run.id}: at most {one.seconds():.0f} s "
                f"({1e3 * one.step_seconds:.1f} ms a step, torch threads: {threads_used}{search})",
                soft_wrap=True,
            )
    at_a_time = f", {options.processes} at a time" if options.processes > 1 else ""
    console.print(
        f"{len(found)} runs{at_a_time}, at most {total / 60:.1f} minutes (early stopping may end them sooner)."
    )
    return total


def planned_limit(options: BenchOptions, found: Sequence[Estimate], console: Console) -> int | None:
    """Most training windows for which the bench ends within `--max-minutes`, if it would not."""
    if not options.max_minutes:
        return None
    fitting = most_train(found, 60 * options.max_minutes, options.processes)
    if fitting is not None:
        bound = f"That is more than --max-minutes {options.max_minutes:g}"
        console.print(f"{bound}: networks are trained on {fitting:,} windows at most.", soft_wrap=True)
    return fitting


def most_train(found: Sequence[Estimate], seconds: float, processes: int = 1) -> int | None:
    """Largest number of training sequences for which all runs fit into `seconds`; None where all there are fit.

    Raises:
        ValueError: not even one batch an epoch fits.
    """
    if sum(one.seconds() for one in found) <= processes * seconds:
        return None
    batch_size = found[0].run.train.batch_size
    sizes = [one.sizes[0] for one in found]
    # Cost grows with the number of batches, so the largest that fits is found by halving.
    low, high = 0, max(sizes) // batch_size
    while low < high:
        middle = (low + high + 1) // 2
        total = sum(one.seconds(min(middle * batch_size, size)) for one, size in zip(found, sizes, strict=True))
        low, high = (middle, high) if total <= processes * seconds else (low, middle - 1)
    if not low:
        least = sum(one.seconds(batch_size) for one in found) / processes / 60
        raise ValueError(
            f"--max-minutes {seconds / 60:g} is too short: with one batch of {batch_size} an epoch the runs would take "
            f"{least:.2g} minutes; name fewer --models or allow more time (0: no bound)"
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
