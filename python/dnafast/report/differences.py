"""Which differences are real: every network against the best linear model and against the best network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnafast.ranking import area, bootstrap, bounded_draws
from dnafast.report import numbers
from dnafast.report.results import Dataset, Entry, Results
from dnafast.report.tables import Cell, Row
from dnafast.statistics import MARGINS, Difference, as_good_as_best, holm, nadeau_bengio, of_draws

_DRAWS = 1000
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Compared:
    """One network on one task.

    Attributes:
        entry: which network.
        above_floor: its AUROC less that of the best floor.
        p: of that difference, adjusted for the number of networks (Holm).
        below_best: AUROC of the best network less its own; None for the best one itself.
        reading: what the two allow to say.
    """

    entry: Entry
    above_floor: Difference
    p: float
    below_best: Difference | None
    reading: str


class _Fold(NamedTuple):
    """AUROC of every model on one test part: as it is (E,), and as the bootstrap draws it (E, draws), if it does."""

    figures: NDArray[np.float64]
    drawn: NDArray[np.float64]
    n_train: int
    n_test: int
    groups: int


def compare(results: Results, dataset: Dataset, task: str) -> list[Compared]:
    """Return the networks of a task with their differences; empty where scores were not kept, or there is no floor.

    A model is the mean over its seeds. With one split, intervals come from a bootstrap over stretches of genome or
    groups of sequences that draws all models alike; with folds, from the differences of the folds (Nadeau & Bengio
    2003).
    """
    index = dataset.tasks.index(task)
    folds = sorted({run.text("fold") for entry in dataset.entries for run in entry.on(task)})
    entries = [entry for entry in dataset.entries if {run.text("fold") for run in entry.on(task)} == set(folds)]
    floors = [place for place, entry in enumerate(entries) if entry.family == "floor"]
    networks = [place for place, entry in enumerate(entries) if entry.family != "floor"]
    if not floors or not networks:
        return []
    found = [_fold(results, entries, task, index, fold, is_drawn=len(folds) == 1) for fold in folds]
    if any(one is None for one in found):
        return []
    scored = [one for one in found if one is not None]
    means = np.mean([one.figures for one in scored], axis=0)
    if not np.isfinite(means).all():
        return []
    floor = max(floors, key=lambda place: means[place])
    best = max(networks, key=lambda place: means[place])
    above = {place: _difference(scored, place, floor) for place in networks}
    adjusted = dict(zip(networks, holm([above[place].p for place in networks]), strict=True))
    alone = max(len(entries[place].on(task)) for place in networks) == 1
    compared = []
    for place in networks:
        below = None if place == best else _difference(scored, best, place)
        reading = _reading(entries[place], task, above[place], float(adjusted[place]), below, scored, alone)
        compared.append(Compared(entries[place], above[place], float(adjusted[place]), below, reading))
    return compared


def table(compared: Sequence[Compared]) -> list[Row]:
    """Return the rows of the page."""
    rows = []
    for one in compared:
        cells = [_cell(one.above_floor), Cell(numbers.quality(one.p) if one.p >= 0.001 else "< 0.001")]
        cells.append(Cell("the highest") if one.below_best is None else _cell(one.below_best))
        rows.append(Row(one.entry.label, cells=(*cells, Cell(one.reading))))
    return rows


def _fold(
    results: Results, entries: Sequence[Entry], task: str, index: int, fold: str, *, is_drawn: bool
) -> _Fold | None:
    scorings, owners = [], []
    first = None
    for owner, entry in enumerate(entries):
        for run in entry.on(task):
            if run.text("fold") != fold:
                continue
            scored = results.test_scores(run, index)
            if scored is None:
                return None
            first = first or (scored, run)
            if not np.array_equal(scored.labels, first[0].labels):
                return None
            scorings.append(scored.probabilities)
            owners.append(owner)
    if first is None:
        return None
    labels, groups = first[0].labels, first[0].groups
    drawn = np.empty((len(scorings), 0))
    if is_drawn:
        draws = bounded_draws(_DRAWS, len(labels) * len(scorings))
        drawn = bootstrap(labels, scorings, groups, "auroc", draws, seed=int(fold or 0))
    figures = np.array([area(labels, scores, "auroc") for scores in scorings])
    mine = [np.array(owners) == owner for owner in range(len(entries))]
    return _Fold(
        np.array([figures[rows].mean() for rows in mine]),
        np.stack([drawn[rows].mean(axis=0) for rows in mine]),
        int(first[1].number("n_train") or 1),
        len(labels),
        len(np.unique(groups[labels >= 0])),
    )


def _difference(folds: Sequence[_Fold], first: int, second: int) -> Difference:
    of_folds = [float(one.figures[first] - one.figures[second]) for one in folds]
    if len(folds) > 1:
        n_train, n_test = (int(np.mean([getattr(one, size) for one in folds])) for size in ("n_train", "n_test"))
        # Where runs see a sample of it, what counts is the training part: samples overlap less than parts, not more.
        return nadeau_bengio(of_folds, max(n_train, (len(folds) - 2) * n_test), n_test)
    return of_draws(of_folds[0], folds[0].drawn[first] - folds[0].drawn[second])


def _reading(
    entry: Entry,
    task: str,
    above: Difference,
    p: float,
    below: Difference | None,
    folds: Sequence[_Fold],
    alone: bool,
) -> str:
    """What can be said of a network, and what cannot."""
    if not above.low > 0:
        if not entry.converged(task):
            return "no better than a linear model so far, and not trained to its end"
        return "no better than a linear model"
    words = "better than the best linear model" if p <= _SIGNIFICANT else "perhaps better than the best linear model"
    if alone:
        return f"{words}; one seed and one split say nothing of the best network"
    if below is None:
        return words
    verdict = as_good_as_best(below, MARGINS["auroc"], n=folds[0].groups if len(folds) == 1 else None)
    if verdict.verdict == "as good":
        return f"{words}; as good as the best"
    if not entry.converged(task):
        return f"{words}; not trained to its end"
    if verdict.verdict == "worse":
        return f"{words}; worse than the best"
    more = "" if verdict.needed is None else f" ({numbers.count(verdict.needed)} more test groups would decide)"
    return f"{words}; whether as good as the best is undetermined{more}"


def _cell(of: Difference) -> Cell:
    shown = numbers.quality(of.difference)
    interval = "" if math.isnan(of.low) else f"{numbers.quality(of.low)} to {numbers.quality(of.high)}"
    return Cell(shown if of.difference < 0 else f"+{shown}", interval)
