"""The learning rate of each network, found by short runs that only the validation part judges."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dnafast.bench.finished import TUNING_NAME
from dnafast.bench.runs import Run, Tuning
from dnafast.records import plain, read_json_object, run_id, write_json
from dnafast.train import DivergedError, Progress, train

# No run that is compared begins with this seed: the weights that a rate was chosen with are not those it is used for.
_SEED = 2**31 - 1
# From the usual rate outwards, as many as are asked for.
_RATES = (1e-3, 3e-4, 3e-3, 1e-4, 1e-2, 3e-5, 3e-2)


def rates(count: int) -> tuple[float, ...]:
    """So many learning rates around 0.001, half a decade apart, ascending."""
    return tuple(sorted(_RATES[:count]))


@dataclass(frozen=True)
class Tuned:
    """What the short runs of one network on one data set and fold found."""

    learning_rate: float
    """The one with the lowest validation log loss; that of the recipe where no short run was better than chance."""
    losses: dict[str, float | None]
    """Lowest validation log loss of each rate; None where the run diverged."""
    told_from_chance: bool
    """Whether any short run was; where none was, their losses say nothing."""
    seconds: float
    """Wall time of all of them."""


def tuning_id(run: Run) -> str:
    """Name of the search that a run's learning rate comes from.

    Seeds, sizes and implementations of a network share it: these have the same weights and numbers.
    """
    fold = run.fold if run.dataset.folds > 1 else None
    return f"{run_id(run.dataset.name, run.contestant.name, None, None, fold)}-tuning"


def tuned_earlier(run: Run, checksum: str, folder: Path) -> Tuned | None:
    """What an earlier start has found, if it was asked the same of the same data."""
    content = read_json_object(folder / TUNING_NAME)
    if content is None or content.get("asked") != plain(_asked(run, checksum)):
        return None
    try:
        return Tuned(**content["found"])
    except (KeyError, TypeError):
        return None


def tune(run: Run, checksum: str, folder: Path, progress: Callable[[Progress], None] | None = None) -> Tuned:
    """Try each learning rate and write down what was found into `folder`.

    The short runs see the whole training part of the fold, whatever the size of the run; the schedule is constant, so
    that a short run is the beginning of a long one.

    Args:
        run: any run of the network on this data set and fold, with a `Tuning`.
        checksum: of the data.
        folder: for the result; made where it is missing.
        progress: called every few steps.
    """
    assert run.tuning is not None, "a run that is tuned"
    run.resources.take()
    short = replace(run, contestant=run.contestant.fastest(), seed=_SEED, size=None)
    losses: dict[str, float | None] = {}
    seconds, told = 0.0, False
    for rate in run.tuning.rates:
        losses[str(rate)], spent, told_here = _try(short, rate, run.tuning, progress)
        seconds, told = seconds + spent, told or told_here
    finished = {rate: loss for rate, loss in losses.items() if loss is not None}
    best = float(min(finished, key=lambda rate: finished[rate])) if told and finished else run.train.learning_rate
    found = Tuned(best, losses, told, seconds)
    write_json(folder / TUNING_NAME, {"asked": _asked(run, checksum), "found": asdict(found)})
    return found


def _try(
    run: Run, rate: float, tuning: Tuning, progress: Callable[[Progress], None] | None
) -> tuple[float | None, float, bool]:
    """Lowest validation log loss, seconds, and whether the short run was better than chance."""
    model = run.build()
    encoding = model.config.encoding
    loader, valid = run.training_loader(encoding), run.scoring_loaders("valid", encoding)
    steps = max(1, math.ceil(tuning.share * run.train.budget(len(loader))))
    config = replace(
        run.train,
        learning_rate=rate,
        max_steps=steps,
        max_epochs=math.ceil(steps / len(loader)),
        schedule="constant",
        # The end is what is judged, and the way there only where it is long.
        evaluate_every=max(1, steps // 2),
    )
    began = time.perf_counter()
    try:
        result = train(model, loader, valid, config, device=run.resources.device, seed=run.seed, progress=progress)
    except DivergedError:
        return None, time.perf_counter() - began, False
    lowest = min(float(row["valid_loss"]) for row in result.history)
    return lowest, result.seconds, result.training_state != "at_chance"


def _asked(run: Run, checksum: str) -> dict[str, Any]:
    """What decides the outcome of a search."""
    shared = {**run.shared_config(), "train": run.train, "source": run.contestant.source}
    shared["vectors"] = run.contestant.vectors
    return {**shared, "model": run.contestant.name, "fold": run.fold, "data": checksum}
