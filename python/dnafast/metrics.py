"""How good predictions are: numbers for one run and task, over a whole test set.

Labels are 1 (positive), 0 (negative) and -1 (unknown: left out everywhere). A figure that the labels leave undefined,
such as the AUROC of one class, is NaN: never an exception, never a warning.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sklearn_metrics

from dnafast.ranking import Ranked, bootstrap, known_rows

METRIC_COLUMNS = (
    "accuracy",
    "balanced_accuracy",
    "auroc",
    "auprc",
    "f1",
    "mcc",
    "sensitivity",
    "specificity",
    "log_loss",
    "brier",
    "ece",
    "threshold",
    "prevalence",
)
"""The columns that `classification_metrics` fills, in the order of runs.csv."""

CALIBRATION_BINS = 15
"""Bins of the expected calibration error, as in Guo et al. 2017."""

CHANCE_Z = 3.0
"""Standard errors above chance that count as better: three, because the best of many evaluations is what is asked."""


def classification_metrics(labels: ArrayLike, probabilities: ArrayLike, threshold: float | None) -> dict[str, float]:
    """Every figure of `METRIC_COLUMNS` for one task.

    A row is called positive where its probability is at least ``threshold``. With one class only, ``auroc``, ``auprc``,
    ``balanced_accuracy`` and ``mcc`` are NaN; ``sensitivity`` needs positives, ``specificity`` needs negatives, ``f1``
    needs a positive among labels or calls; with no labelled row all but ``threshold`` are NaN. ``auprc`` is the average
    precision (no interpolation), ``ece`` is `expected_calibration_error`.

    Args:
        labels: (n,) of 1, 0 and -1; rows of -1 are left out.
        probabilities: (n,) within [0, 1].
        threshold: the cut, usually `best_threshold` of the validation part; without one, the figures that need it are
            NaN.

    Raises:
        ValueError: shapes differ, a label is none of -1, 0, 1, or a probability lies outside [0, 1].
    """
    known, scores = known_rows(labels, probabilities)
    figures = dict.fromkeys(METRIC_COLUMNS, float("nan"))
    if threshold is not None:
        figures["threshold"] = float(threshold)
    if known.size == 0:
        return figures
    if threshold is not None:
        figures |= _figures_of_calls(known, (scores >= threshold).astype(np.int8))
    figures["log_loss"] = float(sklearn_metrics.log_loss(known, scores, labels=[0, 1]))
    figures["brier"] = float(np.mean((scores - known) ** 2))
    figures["ece"] = expected_calibration_error(known, scores)
    figures["prevalence"] = float(known.mean())
    if (known == 1).any() and (known == 0).any():
        figures["auroc"] = float(sklearn_metrics.roc_auc_score(known, scores))
        figures["auprc"] = float(sklearn_metrics.average_precision_score(known, scores))
    return figures


def _figures_of_calls(known: NDArray[Any], called: NDArray[np.int8]) -> dict[str, float]:
    """The figures that depend on a threshold, where they are defined."""
    figures = {
        "accuracy": float(sklearn_metrics.accuracy_score(known, called)),
        "f1": float(sklearn_metrics.f1_score(known, called, zero_division=np.nan)),
    }
    has_positives, has_negatives = bool((known == 1).any()), bool((known == 0).any())
    if has_positives:
        figures["sensitivity"] = float(sklearn_metrics.recall_score(known, called, pos_label=1))
    if has_negatives:
        figures["specificity"] = float(sklearn_metrics.recall_score(known, called, pos_label=0))
    if has_positives and has_negatives:
        figures["balanced_accuracy"] = (figures["sensitivity"] + figures["specificity"]) / 2
        figures["mcc"] = float(sklearn_metrics.matthews_corrcoef(known, called))
    return figures


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error (Guo et al. 2017) of the probability of class 1.

    [0, 1] is cut into bins of equal width, closed on the right (the first holds 0 too); in each, the mean probability
    is compared with the share of positives, and the absolute differences are averaged with the bins' sizes as weights.

    Args:
        labels: (n,) of 1, 0 and -1.
        probabilities: (n,) within [0, 1].
        bins: number of bins.

    Raises:
        ValueError: as `classification_metrics`.
    """
    known, scores = known_rows(labels, probabilities)
    if known.size == 0:
        return float("nan")
    bin_of_row = np.clip(np.ceil(scores * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of_row, weights=scores - known, minlength=bins)
    return float(np.abs(gaps).sum() / known.size)


def best_threshold(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The cut with the highest Matthews correlation.

    Every cut between two neighbouring distinct probabilities is tried; the threshold lies half-way between the two.
    Among equal ones the nearest to 0.5 is taken, and 0.5 itself where no cut has a positive correlation (one class,
    constant scores).

    Args:
        labels: (n,) of 1, 0 and -1, of the validation part.
        probabilities: (n,) within [0, 1].

    Raises:
        ValueError: as `classification_metrics`.
    """
    known, scores = known_rows(labels, probabilities)
    order = np.argsort(scores, kind="stable")
    known, scores = known[order], scores[order]
    cuts = np.flatnonzero(scores[1:] > scores[:-1]) + 1  # rows from a cut on are called positive
    if cuts.size == 0:
        return 0.5
    positives_below = np.cumsum(known, dtype=np.float64)[cuts - 1]
    n, n_positives = float(known.size), float(known.sum())
    n_called = n - cuts
    # The correlation of two binary columns: covariance over the product of their standard deviations.
    covariance = n * (n_positives - positives_below) - n_called * n_positives
    spread = np.sqrt(n_positives * (n - n_positives)) * np.sqrt(n_called * (n - n_called))
    correlation = np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 0)
    highest = correlation.max()
    if highest <= 0:
        return 0.5
    low, high = scores[cuts - 1], scores[cuts]
    middle = low + (high - low) / 2
    thresholds = np.where(middle > low, middle, high)  # neighbouring doubles have no number between them
    best = np.flatnonzero(correlation >= highest * (1 - 1e-12))
    return float(thresholds[best[np.argmin(np.abs(thresholds[best] - 0.5))]])


def narrow_sites(labels: ArrayLike, share: float = 0.25) -> NDArray[np.bool_]:
    """Rows that are open somewhere, and in few tasks: what tells cell types apart.

    Sites that are open everywhere are easy and many; a network that knows these alone scores high on every task and
    knows nothing of any cell type.

    Args:
        labels: (n, T) of 1, 0 and -1.
        share: of the tasks, in at most which a row is 1.

    Returns:
        (n,): whether a row is 1 in at least one and at most ``share`` of the tasks.
    """
    table = np.asarray(labels)
    opened = np.count_nonzero(table == 1, axis=1)
    narrow: NDArray[np.bool_] = (opened >= 1) & (opened <= share * table.shape[1])
    return narrow


def recall_at_fdr(labels: ArrayLike, scores: ArrayLike, rate: float) -> float:
    """Largest share of the positives that can be called with at most this share of the calls wrong.

    Args:
        labels: (n,) of 1, 0 and -1; rows of -1 are left out.
        scores: (n,) within [0, 1]; rows of one score are called together.
        rate: false discovery rate, wrong calls among all calls, in [0, 1).

    Returns:
        The recall; 0 where no cut keeps to the rate, NaN without positives.

    Raises:
        ValueError: a rate outside [0, 1), or arrays that do not fit together.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"rate={rate} must lie in [0, 1)")
    known, found = known_rows(labels, scores)
    if not (known == 1).any():
        return float("nan")
    order = np.argsort(-found, kind="stable")
    right = np.cumsum(known[order] == 1)
    calls = np.arange(1, known.size + 1)
    is_cut = np.append(np.diff(found[order]) != 0, True)
    keeps = is_cut & (calls - right <= rate * calls)
    return float(right[keeps].max(initial=0) / right[-1])


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve by ranks, ties counted half; NaN where a class is missing.

    Args:
        labels: (n,) of 1, 0 and -1.
        scores: (n,) finite numbers on any scale.
    """
    known, kept = known_rows(labels, scores, any_scale=True)
    ranked = Ranked(known, kept)
    return float(ranked.auroc(np.ones((1, known.size)))[0])


def mean_auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean of `auroc` over the tasks that have both classes; NaN where none has.

    Args:
        labels: (n, T) of 1, 0 and -1.
        scores: (n, T) finite numbers.
    """
    areas = np.array([auroc(task, score) for task, score in _task_columns(labels, scores)])
    defined = areas[~np.isnan(areas)]
    return float(defined.mean()) if defined.size else float("nan")


def at_chance(labels: ArrayLike, probabilities: ArrayLike) -> bool:
    """Whether predictions are no better than chance.

    Two signs of life are looked for, and one is enough. The log loss is lower than that of the best constant (each
    task's own share of positives) by more than `CHANCE_Z` standard errors of the difference, paired by row. Or the
    AUROC, averaged over tasks, exceeds what chance may reach (`chance_auroc`, averaged over tasks: they are taken as
    fully correlated, which is cautious, and rows as independent).

    Few rows cannot tell a model that has learnt from one that has not: this then is what the rows say, not the model.

    Args:
        labels: (n, T) of 1, 0 and -1.
        probabilities: (n, T) within [0, 1].
    """
    columns = list(_task_columns(labels, probabilities))
    gains = np.zeros(columns[0][0].size if columns else 0)
    labelled = np.zeros(gains.size, dtype=bool)
    excess, reach = [], []
    for task_labels, task_probabilities in columns:
        known, scores = known_rows(task_labels, task_probabilities)
        mask = task_labels >= 0
        labelled |= mask
        n_positives, n_negatives = int(known.sum()), int(known.size - known.sum())
        if not (n_positives and n_negatives):
            continue
        constant = np.full(known.size, n_positives / known.size)
        gains[mask] += _log_losses(known, constant) - _log_losses(known, scores)
        excess.append(auroc(known, scores) - 0.5)
        reach.append(chance_auroc(n_positives, n_negatives) - 0.5)
    if not excess:
        return True
    if np.mean(excess) > np.mean(reach):
        return False
    gains = gains[labelled]
    standard_error = gains.std() / np.sqrt(gains.size)
    return not gains.mean() > CHANCE_Z * standard_error


def chance_auroc(n_positives: int, n_negatives: int) -> float:
    """The AUROC up to which predictions are not told from chance on so many rows.

    It lies `CHANCE_Z` standard deviations of the rank statistic under chance, sqrt((p + q + 1) / (12 p q)) for p
    positives and q negatives, above 0.5; with very few rows it is above 1.

    Raises:
        ValueError: a class has no row.
    """
    if n_positives < 1 or n_negatives < 1:
        raise ValueError(f"n_positives={n_positives} and n_negatives={n_negatives} must be at least 1")
    deviation = ((n_positives + n_negatives + 1) / (12 * n_positives * n_negatives)) ** 0.5
    return 0.5 + CHANCE_Z * float(deviation)


def constant_log_loss(labels: ArrayLike) -> float:
    """Log loss, over all labelled cells, of predicting each task's own share of positives.

    Args:
        labels: (n, T) of 1, 0 and -1.

    Returns:
        nats per labelled cell; NaN where nothing is labelled.
    """
    total, cells = 0.0, 0
    for column, _ in _task_columns(labels, labels):
        known = column[column >= 0].astype(np.float64)
        if known.size:
            total += float(_log_losses(known, np.full(known.size, known.mean())).sum())
            cells += known.size
    return total / cells if cells else float("nan")


def bootstrap_interval(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike,
    metric: Literal["auroc", "auprc"] = "auroc",
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of AUROC or AUPRC, whole groups drawn with replacement.

    Neighbouring windows and related sequences are no independent witnesses; drawing their groups (genome blocks,
    clusters of sequences) keeps the interval from being too narrow. Draws that hold one class are left out.

    Args:
        labels: (n,) of 1, 0 and -1.
        probabilities: (n,) within [0, 1].
        groups: (n,) the group of each row, integers or strings.
        metric: ``"auroc"`` or ``"auprc"`` (average precision).
        draws: number of draws.
        seed: same seed, same interval.
        level: share of the draws between the two ends.

    Returns:
        (low, high); both NaN with one class, one group, or fewer than half of the draws defined.

    Raises:
        ValueError: an unknown metric, draws below 1, a level outside (0, 1), or arrays that do not fit together.
    """
    if not 0 < level < 1:
        raise ValueError(f"level={level} must lie between 0 and 1")
    [figures] = bootstrap(labels, [probabilities], groups, metric, draws, seed)
    figures = figures[~np.isnan(figures)]
    if figures.size * 2 < draws:
        return float("nan"), float("nan")
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _log_losses(labels: NDArray[Any], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log loss of each row, its probabilities kept off 0 and 1 by one machine epsilon (as scikit-learn does)."""
    epsilon = np.finfo(np.float64).eps
    clipped = np.clip(probabilities, epsilon, 1 - epsilon)
    losses: NDArray[np.float64] = -np.log(np.where(labels == 1, clipped, 1 - clipped))
    return losses


def _task_columns(labels: ArrayLike, scores: ArrayLike) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """The tasks of two (n, T) tables, column by column."""
    label_table, score_table = np.asarray(labels), np.asarray(scores)
    if label_table.ndim != 2 or label_table.shape != score_table.shape:
        raise ValueError(
            f"labels of shape {label_table.shape} and scores of shape {score_table.shape} must be (n, T) alike"
        )
    return list(zip(label_table.T, score_table.T, strict=True))
