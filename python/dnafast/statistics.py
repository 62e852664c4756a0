"""Whether one network is better than another, and how sure that is: differences with intervals, and what they allow.

    of = paired_bootstrap(labels, scores_of_best, scores_of_other, groups)     # over stretches of genome, one test part
    of = nadeau_bengio(differences_of_folds, n_train, n_test)                  # over folds
    of = delong(labels, scores_of_best, scores_of_other)                       # two named runs, independent rows
    as_good_as_best(of, MARGINS["auroc"], n=len(set(groups)))

Labels are 1 (positive), 0 (negative) and -1 (unknown: left out). What the data leave undefined is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from dnafast.ranking import Area, area, bootstrap, known_rows

MARGINS = {"auroc": 0.005, "auprc": 0.01}
"""How much worse than the best still counts as good."""

FEWEST_DATA_SETS = 6
"""Below six, no outcome of a signed-rank test reaches 5 %: the smallest two-sided p of five is 1/16."""

_MOST = 10**9  # more than this many of anything is none that can be had


@dataclass(frozen=True)
class Difference:
    """How much higher the first of two is, with an interval.

    Attributes:
        difference: first - second; of the rows as they are, or the mean over folds.
        low: lower end of the interval.
        high: upper end.
        p: two-sided, that there is no difference.
    """

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Verdict:
    """What an interval of (best - model) allows to say.

    Attributes:
        verdict: "as good", "worse" or "undetermined".
        needed: how many more of what the interval was taken over would decide, were the difference what it is; 0 where
            it is decided, None where no number would.
    """

    verdict: Literal["as good", "worse", "undetermined"]
    needed: int | None


def nadeau_bengio(differences: ArrayLike, n_train: int, n_test: int, level: float = 0.95) -> Difference:
    """Mean difference over folds or repeated splits, allowing for training parts that overlap.

    The variance of the mean is (1 / J + n_test / n_train) s^2 for J differences of sample variance s^2, in a t
    distribution of J - 1 degrees of freedom: the corrected resampled t-test of C. Nadeau and Y. Bengio, "Inference for
    the generalization error", Machine Learning 52 (2003), 239-281. Without the second term, those of five folds would
    be two thirds as wide.

    Args:
        differences: (J,) finite numbers; each the mean over the seeds of its fold.
        n_train: rows in the training part of a fold.
        n_test: rows in its test part.
        level: of the interval.

    Returns:
        NaN but for the difference with a single fold.

    Raises:
        ValueError: no difference, one that is not finite, a part without rows, or a level outside (0, 1).
    """
    values = _finite("differences", differences)
    if n_train < 1 or n_test < 1:
        raise ValueError(f"n_train={n_train} and n_test={n_test} must be at least 1")
    _check_level(level)
    mean = float(values.mean())
    if values.size < 2:
        return Difference(mean, math.nan, math.nan, math.nan)
    error = math.sqrt((1 / values.size + n_test / n_train) * float(values.var(ddof=1)))
    reach = float(stats.t.ppf((1 + level) / 2, values.size - 1)) * error
    return Difference(mean, mean - reach, mean + reach, _two_sided(mean, error, stats.t(values.size - 1)))


def paired_bootstrap(
    labels: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    groups: ArrayLike,
    metric: Area = "auroc",
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """Difference of two scorings of the same rows, with a percentile interval over whole groups drawn with replacement.

    Both are drawn alike, so that what is hard in a stretch of genome is hard for both (Efron & Tibshirani 1993, "An
    Introduction to the Bootstrap"). p is twice the share of draws on the other side of 0, draw and data counted once
    more (Davison & Hinkley 1997): it is never below 2 / (draws + 1).

    Args:
        labels: (n,) of 1, 0 and -1.
        scores_a: (n,) within [0, 1].
        scores_b: (n,) within [0, 1].
        groups: (n,) the group of each row: a block of genome, a cluster of sequences.
        metric: "auroc" or "auprc".
        draws: number of draws; those that hold one class are left out.
        seed: same seed, same interval.
        level: share of the draws within the interval.

    Returns:
        NaN but for the difference with one group, or with fewer than half of the draws defined.

    Raises:
        ValueError: an unknown metric, draws below 1, a level outside (0, 1), or arrays that do not fit together.
    """
    _check_level(level)
    drawn = bootstrap(labels, (scores_a, scores_b), groups, metric, draws, seed)
    difference = area(labels, scores_a, metric) - area(labels, scores_b, metric)
    return of_draws(difference, drawn[0] - drawn[1], level)


def of_draws(difference: float, drawn: ArrayLike, level: float = 0.95) -> Difference:
    """A difference with the percentile interval and the p of `paired_bootstrap`, from what was drawn.

    Args:
        difference: of the rows as they are.
        drawn: (draws,) of a bootstrap, NaN where one is undefined.
        level: share of the draws within the interval.
    """
    values = np.asarray(drawn, dtype=np.float64)
    draws = values.size
    values = values[~np.isnan(values)]
    if not values.size or values.size * 2 < draws:
        return Difference(difference, math.nan, math.nan, math.nan)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    beyond = min(np.count_nonzero(values <= 0), np.count_nonzero(values >= 0))
    return Difference(difference, float(low), float(high), min(1.0, 2 * (int(beyond) + 1) / (values.size + 1)))


def delong(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, level: float = 0.95) -> Difference:
    """Difference of two AUROCs on the same independent rows, by their covariance.

    After E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, "Comparing the areas under two or more correlated
    receiver operating characteristic curves", Biometrics 44 (1988), 837-845, by the ranks of X. Sun and W. Xu, IEEE
    Signal Processing Letters 21 (2014), 1389-1393. Neighbours on a genome are not independent: for them there is
    `paired_bootstrap`.

    Args:
        labels: (n,) of 1, 0 and -1.
        scores_a: (n,) finite numbers on any scale.
        scores_b: (n,) likewise.
        level: of the interval.

    Returns:
        NaN but for the difference with fewer than two rows of a class; all NaN where a class is missing.

    Raises:
        ValueError: a level outside (0, 1), or arrays that do not fit together.
    """
    _check_level(level)
    known, first = known_rows(labels, scores_a, any_scale=True)
    _, second = known_rows(labels, scores_b, any_scale=True)
    positive = known == 1
    n_positives, n_negatives = int(positive.sum()), int((~positive).sum())
    if not (n_positives and n_negatives):
        return Difference(math.nan, math.nan, math.nan, math.nan)
    of_positives, of_negatives = [], []
    for scores in (first, second):
        ranks = stats.rankdata(scores)
        # Share of the other class that a row is placed on the right side of, ties half.
        of_positives.append((ranks[positive] - stats.rankdata(scores[positive])) / n_negatives)
        of_negatives.append(1 - (ranks[~positive] - stats.rankdata(scores[~positive])) / n_positives)
    placed_higher = of_positives[0] - of_positives[1]
    difference = float(placed_higher.mean())
    if min(n_positives, n_negatives) < 2:
        return Difference(difference, math.nan, math.nan, math.nan)
    variance = placed_higher.var(ddof=1) / n_positives + (of_negatives[0] - of_negatives[1]).var(ddof=1) / n_negatives
    error = math.sqrt(float(variance))
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    return Difference(difference, difference - reach, difference + reach, _two_sided(difference, error, stats.norm()))


def wilcoxon(differences: ArrayLike) -> float:
    """Two-sided p of the signed-rank test over independent data sets.

    After F. Wilcoxon (1945), in the form that J. Demsar recommends ("Statistical comparisons of classifiers over
    multiple data sets", JMLR 7 (2006), 1-30): data sets without a difference count half on each side.

    Args:
        differences: (D,) finite numbers, one for each data set, not for each fold or seed of one.

    Raises:
        ValueError: fewer than six data sets, which cannot reach 5 %, or a number that is not finite.
    """
    values = _finite("differences", differences)
    if values.size < FEWEST_DATA_SETS:
        raise ValueError(
            f"differences of {values.size} data sets must be of at least {FEWEST_DATA_SETS}: with fewer, no outcome of "
            "the test is significant"
        )
    if not values.any():
        return 1.0
    return float(stats.wilcoxon(values, zero_method="zsplit").pvalue)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """p values of m comparisons, adjusted so that the chance of any false one is kept (Holm 1979).

    Args:
        p_values: (m,) within [0, 1]; NaN is no comparison and stays.

    Returns:
        (m,): those at or below 5 % are significant together at 5 %.

    Raises:
        ValueError: a number outside [0, 1].
    """
    values = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(values)
    if values.ndim != 1 or not ((values[known] >= 0) & (values[known] <= 1)).all():
        raise ValueError(f"p_values={values.tolist()} must be (m,) within [0, 1]")
    adjusted = np.full(values.shape, np.nan)
    order = np.flatnonzero(known)[np.argsort(values[known], kind="stable")]
    steps = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * steps))
    return adjusted


def as_good_as_best(of: Difference, margin: float, n: int | None = None) -> Verdict:
    """Whether a model is as good as the best, for an interval of (best - model); both its ends are asked at its level.

    As good: the upper end lies below the margin (of equivalence, as in trials: a difference that could be told, but is
    smaller than anyone cares for, is none). Worse: else, the lower end lies above 0. Undetermined: neither, or no
    interval.

    How many more would decide: an interval over n independent units (sequences, or better their groups; seeds) shrinks
    as sqrt(n). With the difference d where it is, its upper half h reaches below the margin with n (h / (margin - d))^2
    units if d lies below it, its lower half l above 0 with n (l / d)^2 if d is above 0; the lesser counts. It is an
    estimate, as uncertain as d. Folds are not independent: `folds_needed`.

    Args:
        of: best - model.
        margin: above 0, see `MARGINS`.
        n: units that the interval was taken over; without them, `needed` of what is undetermined is None.

    Raises:
        ValueError: a margin that is not above 0, or n below 1.
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"margin={margin} must be above 0")
    if n is not None and n < 1:
        raise ValueError(f"n={n} must be at least 1")
    if of.high < margin:
        return Verdict("as good", 0)
    if of.low > 0:
        return Verdict("worse", 0)
    if n is None or math.isnan(of.low) or math.isnan(of.high):
        return Verdict("undetermined", None)
    gaps = ((of.high - of.difference, margin - of.difference), (of.difference - of.low, of.difference))
    enough = [n * (half / gap) ** 2 for half, gap in gaps if gap > 0 and half >= 0]
    # Strictly inside: at that very number an end would lie on the border.
    fewest = min((math.floor(count) + 1 for count in enough if count < _MOST), default=None)
    return Verdict("undetermined", None if fewest is None else max(1, fewest - n))


def folds_needed(differences: ArrayLike, margin: float, level: float = 0.95) -> int | None:
    """How many folds of cross-validation would decide whether a model is as good as the best, or worse.

    The interval is that of `nadeau_bengio`. In J folds n_test / n_train is 1 / (J - 1): with the mean d and the
    variance s^2 of the differences where they are, J folds reach t(J - 1) s sqrt(1 / J + 1 / (J - 1)) to either side. s
    grows as test parts shrink, which is left out: the number is a lower bound.

    Args:
        differences: (J,) of best - model, two or more.
        margin: above 0, see `MARGINS`.
        level: of the interval.

    Returns:
        Folds in all, at least 2; None where a thousand would not do.

    Raises:
        ValueError: fewer than two differences, one that is not finite, or a margin or level out of range.
    """
    values = _finite("differences", differences)
    if values.size < 2:
        raise ValueError("differences of one fold have no spread: give two or more")
    if not 0 < margin < math.inf:
        raise ValueError(f"margin={margin} must be above 0")
    _check_level(level)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    folds = np.arange(2, 1001)
    reach = stats.t.ppf((1 + level) / 2, folds - 1) * spread * np.sqrt(1 / folds + 1 / (folds - 1))
    decided = (mean + reach < margin) | (mean - reach > 0)
    return int(folds[np.argmax(decided)]) if decided.any() else None


def _two_sided(difference: float, error: float, distribution: Any) -> float:
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * distribution.sf(abs(difference) / error))


def _finite(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"{name}={array.tolist()} must be one finite number or more")
    return array


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level={level} must lie between 0 and 1")
