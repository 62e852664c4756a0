"""Rows in the order of their scores: areas under curves, for the rows as they are and as a bootstrap draws them.

Labels are 1 (positive), 0 (negative) and -1 (unknown: left out everywhere).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Area = Literal["auroc", "auprc"]

# Rows x draws that the bootstrap holds at once; its arrays of doubles then fit in a second-level cache.
_BOOTSTRAP_CELLS = 1 << 17
# Draws times rows times scorings that take about a minute on one core.
_MOST_CELLS = 2_000_000_000
_FEWEST_DRAWS = 100


def bootstrap(
    labels: ArrayLike, scorings: Sequence[ArrayLike], groups: ArrayLike, metric: Area, draws: int, seed: int
) -> NDArray[np.float64]:
    """An area under curves of several scorings of the same rows, whole groups drawn with replacement.

    Args:
        labels: (n,) of 1, 0 and -1.
        scorings: S times (n,) within [0, 1]; all are drawn alike.
        groups: (n,) the group of each row, integers or strings.
        metric: "auroc" or "auprc" (average precision).
        draws: number of draws.
        seed: same seed, same draws.

    Returns:
        (S, draws); NaN in draws that hold one class, and in all where there are fewer than two groups.

    Raises:
        ValueError: an unknown metric, draws below 1, or arrays that do not fit together.
    """
    if metric not in ("auroc", "auprc"):
        raise ValueError(f"metric={metric!r} must be 'auroc' or 'auprc'")
    if draws < 1:
        raise ValueError(f"draws={draws} must be at least 1")
    group_of_row = np.asarray(groups)
    ranked = [Ranked(*known_rows(labels, scores)) for scores in scorings]
    mask = np.asarray(labels) >= 0
    if group_of_row.shape != mask.shape:
        raise ValueError(f"groups of shape {group_of_row.shape} must have one entry for each of {mask.size} labels")
    values = np.full((len(ranked), draws), np.nan)
    names, group_of_row = np.unique(group_of_row[mask], return_inverse=True)
    if names.size < 2:
        return values
    groups_of_ranks = [group_of_row[one.order] for one in ranked]
    generator = np.random.default_rng(seed)
    chunk = max(1, _BOOTSTRAP_CELLS // group_of_row.size)
    for begin in range(0, draws, chunk):
        n = min(chunk, draws - begin)
        drawn = generator.integers(0, names.size, size=(n, names.size))
        drawn += np.arange(n)[:, None] * names.size
        counts = np.bincount(drawn.ravel(), minlength=n * names.size).reshape(n, names.size).astype(np.float64)
        for row, one, group_of_rank in zip(values, ranked, groups_of_ranks, strict=True):
            row[begin : begin + n] = one.area(metric, counts[:, group_of_rank])
    return values


def area(labels: ArrayLike, scores: ArrayLike, metric: Area) -> float:
    """An area under a curve of all rows; NaN where a class is missing.

    Args:
        labels: (n,) of 1, 0 and -1.
        scores: (n,) within [0, 1].
        metric: "auroc" or "auprc".
    """
    known, kept = known_rows(labels, scores)
    return float(Ranked(known, kept).area(metric, np.ones((1, known.size)))[0])


def bounded_draws(draws: int, cells: int) -> int:
    """So many draws, or fewer where there are many rows times scorings: they would take longer than the training.

    Args:
        draws: at most.
        cells: rows times scorings that each draw is made of.
    """
    return min(draws, max(_FEWEST_DRAWS, _MOST_CELLS // max(1, cells)))


class Ranked:
    """Rows sorted by falling score, so that curves for many weightings of them are a few running sums."""

    def __init__(self, labels: NDArray[np.int8], scores: NDArray[np.float64]) -> None:
        self.order = np.argsort(-scores, kind="stable")
        self._positive = (labels[self.order] == 1).astype(np.float64)
        ordered = scores[self.order]
        is_last_of_tie = np.ones(ordered.size, dtype=bool)
        is_last_of_tie[:-1] = ordered[1:] < ordered[:-1]
        # None where no two scores are equal: the running sums then are the curve as they stand.
        self._last = None if is_last_of_tie.all() else np.flatnonzero(is_last_of_tie)

    def _curve(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight of true and of all positives down to each distinct score; both (draws, distinct scores)."""
        true = np.cumsum(weights * self._positive, axis=1)
        called = np.cumsum(weights, axis=1)
        if self._last is not None:
            true, called = true[:, self._last], called[:, self._last]
        return true, called

    def area(self, metric: Area, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(draws, n) weights in rank order -> (draws,); NaN where a class has no weight."""
        return self.auroc(weights) if metric == "auroc" else self.average_precision(weights)

    def auroc(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(draws, n) weights in rank order -> (draws,); NaN where a class has no weight."""
        if self.order.size == 0:
            return np.full(weights.shape[0], np.nan)
        true, called = self._curve(weights)
        false = called - true
        # Trapezoids over the false positives; the first one starts in the origin.
        area = 0.5 * false[:, 0] * true[:, 0]
        area += 0.5 * np.einsum("ij,ij->i", np.diff(false, axis=1), true[:, 1:] + true[:, :-1])
        return _divide(area, true[:, -1] * false[:, -1])

    def average_precision(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(draws, n) weights in rank order -> (draws,); NaN where a class has no weight."""
        true, called = self._curve(weights)
        precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
        area = precision[:, 0] * true[:, 0]
        area += np.einsum("ij,ij->i", precision[:, 1:], np.diff(true, axis=1))
        both_classes = (true[:, -1] > 0) & (called[:, -1] > true[:, -1])
        return _divide(area, np.where(both_classes, true[:, -1], 0))


def _divide(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def known_rows(
    labels: ArrayLike, scores: ArrayLike, *, any_scale: bool = False
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Checked labels and scores of the labelled rows."""
    label_array, score_array = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if label_array.ndim != 1 or label_array.shape != score_array.shape:
        raise ValueError(
            f"labels of shape {label_array.shape} and scores of shape {score_array.shape} must be (n,) alike"
        )
    strange = ~np.isin(label_array, (-1, 0, 1))
    if strange.any():
        row = int(np.argmax(strange))
        raise ValueError(f"labels[{row}] is {label_array[row]} and must be 1, 0 or -1")
    mask = label_array >= 0
    known = score_array[mask]
    outside = ~np.isfinite(known) if any_scale else ~((known >= 0) & (known <= 1))
    if outside.any():
        row = int(np.flatnonzero(mask)[np.argmax(outside)])
        wanted = "be finite" if any_scale else "lie in [0, 1]"
        raise ValueError(f"the score of row {row} is {score_array[row]} and must {wanted}")
    return label_array[mask].astype(np.int8), known
