"""Differences and their intervals, against plain loops, other software and numbers worked out by hand."""

import itertools
import math

import numpy as np
import pytest
from sklearn import metrics as oracle

from dnafast.ranking import bounded_draws
from dnafast.statistics import (
    MARGINS,
    Difference,
    as_good_as_best,
    delong,
    folds_needed,
    holm,
    nadeau_bengio,
    paired_bootstrap,
    wilcoxon,
)


def sample(n=120, seed=0, decimals=None):
    """Labels and two scorings that share half of their noise."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, n).astype(np.int8)
    shared = generator.normal(size=n)
    both = []
    for signal in (1.2, 0.8):
        scores = 1 / (1 + np.exp(-(signal * (labels - 0.5) + shared + generator.normal(size=n))))
        both.append(scores if decimals is None else scores.round(decimals))
    return labels, *both


def is_nothing(of):
    return all(math.isnan(value) for value in (of.low, of.high, of.p))


# -- folds -----------------------------------------------------------------------------------------------------------


def test_folds_by_hand():
    of = nadeau_bengio([0.01, 0.03, 0.02, 0.04], n_train=300, n_test=100)
    # s^2 = 0.0005 / 3; the error is the root of (1/4 + 1/3) s^2; t of 3 degrees of freedom at 97.5 % is 3.18245.
    error = math.sqrt((1 / 4 + 1 / 3) * 0.0005 / 3)
    assert of.difference == pytest.approx(0.025)
    assert of.high - 0.025 == pytest.approx(3.182446 * error, rel=1e-6)
    assert of.low == pytest.approx(0.05 - of.high)
    # At the level 1 - p the interval touches 0.
    assert nadeau_bengio([0.01, 0.03, 0.02, 0.04], 300, 100, level=1 - of.p).low == pytest.approx(0, abs=1e-12)
    assert nadeau_bengio([-0.01, -0.03, -0.02, -0.04], 300, 100).high == pytest.approx(-of.low)


def test_folds_that_cannot_tell():
    assert is_nothing(nadeau_bengio([0.1], 10, 10))
    assert nadeau_bengio([0.1], 10, 10).difference == 0.1
    assert nadeau_bengio([0.0, 0.0], 10, 10) == Difference(0.0, 0.0, 0.0, 1.0)
    assert nadeau_bengio([0.5, 0.5], 10, 10) == Difference(0.5, 0.5, 0.5, 0.0)


@pytest.mark.parametrize(
    ("differences", "arguments", "message"),
    [
        ([], {}, r"differences=\[\] must be one finite number or more"),
        ([0.1, math.nan], {}, "differences=.*nan.* must be one finite number or more"),
        ([[0.1]], {}, "must be one finite number"),
        ([0.1, 0.2], {"n_train": 0}, "n_train=0 and n_test=1 must be at least 1"),
        ([0.1, 0.2], {"level": 1.0}, "level=1.0 must lie between 0 and 1"),
    ],
)
def test_folds_refuse(differences, arguments, message):
    with pytest.raises(ValueError, match=message):
        nadeau_bengio(differences, **{"n_train": 4, "n_test": 1, **arguments})


# -- bootstrap -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("metric", ["auroc", "auprc"])
def test_bootstrap_equals_a_plain_loop(metric, decimals):
    labels, a, b = sample(decimals=decimals)
    labels[::17] = -1
    groups = np.arange(120) // 7
    area = oracle.roc_auc_score if metric == "auroc" else oracle.average_precision_score
    known = labels >= 0
    names = np.unique(groups[known])
    generator = np.random.default_rng(5)
    values = []
    for _ in range(60):
        drawn = names[generator.integers(0, names.size, names.size)]
        rows = np.concatenate([np.flatnonzero(known & (groups == name)) for name in drawn])
        values.append(area(labels[rows], a[rows]) - area(labels[rows], b[rows]))
    of = paired_bootstrap(labels, a, b, groups, metric, draws=60, seed=5, level=0.9)
    assert of.difference == pytest.approx(area(labels[known], a[known]) - area(labels[known], b[known]))
    np.testing.assert_allclose((of.low, of.high), np.quantile(values, [0.05, 0.95]), rtol=1e-9)
    beyond = min(sum(value <= 0 for value in values), sum(value >= 0 for value in values))
    assert of.p == pytest.approx(min(1, 2 * (beyond + 1) / 61))
    assert paired_bootstrap(labels, a, b, groups, metric, draws=60, seed=6, level=0.9) != of
    other_way = paired_bootstrap(labels, b, a, groups, metric, draws=60, seed=5, level=0.9)
    np.testing.assert_allclose((other_way.low, other_way.high), (-of.high, -of.low), rtol=1e-9)


def test_pairing_makes_the_interval_narrower():
    labels, a, b = sample(n=400, seed=3)
    paired = paired_bootstrap(labels, a, b, np.arange(400), draws=300)
    apart = paired_bootstrap(
        np.concatenate([labels, np.full(400, -1)]), np.append(a, a), np.append(b, b), np.arange(800), draws=300
    )
    assert apart == paired  # unknown rows are left out of the draws too
    from dnafast.metrics import bootstrap_interval

    unpaired = [bootstrap_interval(labels, scores, np.arange(400), draws=300) for scores in (a, b)]
    assert paired.high - paired.low < 0.9 * math.hypot(*(high - low for low, high in unpaired))


def test_bootstrap_that_cannot_tell():
    labels, a, b = sample(n=30)
    assert is_nothing(paired_bootstrap(labels, a, b, np.zeros(30)))
    assert not math.isnan(paired_bootstrap(labels, a, b, np.zeros(30)).difference)
    assert math.isnan(paired_bootstrap(np.ones(30), a, b, np.arange(30)).difference)
    same = paired_bootstrap(labels, a, a, np.arange(30), draws=50)
    assert same == Difference(0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "mcc"}, "metric='mcc' must be 'auroc' or 'auprc'"),
        ({"draws": 0}, "draws=0 must be at least 1"),
        ({"level": 0.0}, "level=0.0 must lie between 0 and 1"),
        ({"groups": [1, 2]}, r"groups of shape \(2,\) must have one entry for each of 30 labels"),
        ({"scores_b": np.full(30, 2.0)}, "the score of row 0 is 2.0 and must lie in"),
    ],
)
def test_bootstrap_refuses(arguments, message):
    labels, a, b = sample(n=30)
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(**{"labels": labels, "scores_a": a, "scores_b": b, "groups": np.arange(30), **arguments})


# -- DeLong ----------------------------------------------------------------------------------------------------------


def delong_by_pairs(labels, a, b):
    """DeLong et al. (1988) as it is written: every pair of a positive and a negative."""
    placed = []
    for scores in (a, b):
        x, y = scores[labels == 1], scores[labels == 0]
        placed.append((x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None]))
    areas = [one.mean() for one in placed]
    of_positives = np.cov([one.mean(axis=1) for one in placed]) / len(placed[0])
    of_negatives = np.cov([one.mean(axis=0) for one in placed]) / placed[0].shape[1]
    covariance = of_positives + of_negatives
    return areas[0] - areas[1], math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize(("n", "seed"), [(8, 1), (41, 2), (300, 3)])
def test_delong_equals_all_pairs(n, seed, decimals):
    labels, a, b = sample(n, seed, decimals)
    difference, error = delong_by_pairs(labels, a, b)
    of = delong(labels, a, b)
    assert of.difference == pytest.approx(difference, abs=1e-12)
    assert (of.high - of.low) / 2 == pytest.approx(1.959964 * error, rel=1e-6)
    assert of.p == pytest.approx(math.erfc(abs(difference) / error / math.sqrt(2)), rel=1e-9)
    # Any scale, either way round, unknown rows among them.
    again = delong(np.append(labels, -1), np.append(100 * a - 7, np.nan), np.append(100 * b - 7, 0))
    assert again.low == pytest.approx(of.low)
    assert delong(labels, b, a).high == pytest.approx(-of.low)
    assert delong(labels, a, b, level=0.5).high - difference == pytest.approx(0.6744898 * error, rel=1e-6)


def test_delong_agrees_with_the_bootstrap_over_rows():
    labels, a, b = sample(1000, 4)
    one, other = delong(labels, a, b), paired_bootstrap(labels, a, b, np.arange(1000), draws=1000)
    assert one.difference == pytest.approx(other.difference)
    assert (one.high - one.low) == pytest.approx(other.high - other.low, rel=0.1)


def test_delong_that_cannot_tell():
    scores = np.array([0.1, 0.4, 0.3, 0.8])
    assert math.isnan(delong([1, 1, 1, 1], scores, scores).difference)
    assert is_nothing(delong([1, 0, 0, 0], scores, -scores))
    assert delong([1, 0, 0, 0], scores, -scores).difference == -1
    assert delong([0, 1, 0, 1], scores, scores) == Difference(0.0, 0.0, 0.0, 1.0)
    assert delong([0, 1, 0, 1], scores, -scores) == Difference(1.0, 1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="the score of row 1 is nan and must be finite"):
        delong([0, 1, 0, 1], scores, [0, math.nan, 0, 0])


# -- several data sets, several comparisons --------------------------------------------------------------------------


@pytest.mark.parametrize("n", [6, 9])
def test_wilcoxon_equals_all_signs(n):
    values = np.random.default_rng(n).normal(0.4, 1, n)
    ranks = np.argsort(np.argsort(abs(values))) + 1
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product((0, 1), repeat=n)]
    seen = ranks[values > 0].sum()
    tail = min(np.mean([one <= seen for one in sums]), np.mean([one >= seen for one in sums]))
    assert wilcoxon(values) == pytest.approx(min(1, 2 * tail))


def test_wilcoxon_needs_six_data_sets():
    assert wilcoxon([1, 2, 3, 4, 5, 6]) == 1 / 32
    assert wilcoxon([0] * 6) == 1
    # Two that count half on each side leave six, all of one sign; scipy's normal approximation is near.
    assert 0.01 < wilcoxon([0, 0, 1, 2, 3, 4, 5, 6]) < 0.05
    assert wilcoxon([0, 0, 1, 2, 3, 4, 5, -6]) > 0.05
    with pytest.raises(ValueError, match="differences of 5 data sets must be of at least 6"):
        wilcoxon([1, 2, 3, 4, 5])
    with pytest.raises(ValueError, match="must be one finite number or more"):
        wilcoxon([1, 2, 3, 4, 5, math.inf])


def rejected_one_by_one(p_values, level):
    """Holm's procedure as it is written: from the smallest on, until one is too large."""
    rejected = set()
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for step, index in enumerate(order):
        if p_values[index] > level / (len(p_values) - step):
            break
        rejected.add(index)
    return rejected


def test_holm_rejects_what_the_procedure_rejects():
    generator = np.random.default_rng(0)
    for _ in range(200):
        p_values = (generator.random(generator.integers(1, 8)) ** 3).round(2).tolist()
        adjusted = holm(p_values)
        assert ((adjusted >= p_values) & (adjusted <= 1)).all()
        for level in (0.013, 0.051, 0.2007):
            assert set(np.flatnonzero(adjusted <= level)) == rejected_one_by_one(p_values, level)


def test_holm_leaves_out_what_is_no_comparison():
    np.testing.assert_allclose(holm([0.01, math.nan, 0.04, 0.03]), [0.03, math.nan, 0.06, 0.06])
    assert holm([]).shape == (0,)
    with pytest.raises(ValueError, match=r"p_values=\[1.2\] must be \(m,\) within \[0, 1\]"):
        holm([1.2])


# -- as good as the best ---------------------------------------------------------------------------------------------


def scaled(of, factor):
    return Difference(
        of.difference,
        of.difference - (of.difference - of.low) * factor,
        of.difference + (of.high - of.difference) * factor,
        0,
    )


@pytest.mark.parametrize(
    ("difference", "low", "high", "verdict"),
    [
        (0.0, -0.004, 0.004, "as good"),
        (-0.02, -0.04, -0.001, "as good"),
        (0.003, 0.002, 0.0049, "as good"),  # significant, and smaller than anyone cares for
        (0.02, 0.001, 0.03, "worse"),
        (0.02, -0.001, 0.03, "undetermined"),
        (0.001, -0.004, 0.005, "undetermined"),  # the end lies on the margin
        (0.02, 0.0, 0.03, "undetermined"),
        (-0.01, -0.05, 0.04, "undetermined"),
    ],
)
def test_verdicts(difference, low, high, verdict):
    of = Difference(difference, low, high, 0.5)
    found = as_good_as_best(of, MARGINS["auroc"], n=40)
    assert found.verdict == verdict
    assert as_good_as_best(of, MARGINS["auroc"]).needed == (None if verdict == "undetermined" else 0)
    if verdict != "undetermined":
        assert found.needed == 0
        return
    # So many more decide it, and one fewer does not.
    assert found.needed is not None
    assert found.needed >= 1
    enough = scaled(of, math.sqrt(40 / (40 + found.needed)))
    assert as_good_as_best(enough, MARGINS["auroc"]).verdict != "undetermined"
    if found.needed > 1:
        before = scaled(of, math.sqrt(40 / (40 + found.needed - 1)) * (1 + 1e-12))
        assert as_good_as_best(before, MARGINS["auroc"]).verdict == "undetermined"


def test_the_wider_margin_of_imbalanced_data():
    of = Difference(0.001, -0.004, 0.007, 0.6)
    assert as_good_as_best(of, MARGINS["auprc"]).verdict == "as good"
    assert as_good_as_best(of, MARGINS["auroc"]).verdict == "undetermined"


def test_what_no_number_decides():
    assert as_good_as_best(Difference(0.1, math.nan, math.nan, math.nan), 0.005, 10) == as_good_as_best(
        Difference(math.nan, math.nan, math.nan, math.nan), 0.005
    )
    # Exactly on both borders at once is out of reach: the difference is the margin, which is no more than 0.
    assert as_good_as_best(Difference(1e-12, -0.5, 0.5, 1), 1e-12, 10).needed is None
    for margin in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"margin=.* must be above 0"):
            as_good_as_best(Difference(0, 0, 0, 1), margin)
    with pytest.raises(ValueError, match="n=0 must be at least 1"):
        as_good_as_best(Difference(0, -1, 1, 1), 0.005, 0)


@pytest.mark.parametrize("differences", [[0.001, 0.004, -0.003], [0.02, 0.05, -0.01, 0.03], [-0.01, 0.02]])
def test_so_many_folds_decide(differences):
    needed = folds_needed(differences, 0.005)
    assert needed is not None
    mean, spread = np.mean(differences), np.std(differences, ddof=1)
    verdicts = []
    for folds in (needed - 1, needed):
        # Any differences of that mean and spread.
        shape = np.resize([1.0, -1.0], folds)
        shape -= shape.mean()
        values = mean + shape / shape.std(ddof=1) * spread
        of = nadeau_bengio(values, n_train=folds - 1, n_test=1)
        verdicts.append(as_good_as_best(of, 0.005).verdict)
    assert verdicts[0] == "undetermined"
    assert verdicts[1] != "undetermined"


def test_folds_that_no_number_of_decides():
    assert folds_needed([0.004999, 0.005001], 0.005) == 2
    assert folds_needed([1.0, -0.999], 0.005) is None
    with pytest.raises(ValueError, match="differences of one fold have no spread"):
        folds_needed([0.1], 0.005)


@pytest.mark.parametrize(
    ("draws", "cells", "bounded"),
    [(1000, 1, 1000), (1000, 2_000_000, 1000), (1000, 4_000_000, 500), (1000, 45_000_000, 100), (50, 10**9, 50)],
)
def test_many_rows_and_tasks_are_drawn_less_often(draws, cells, bounded):
    assert bounded_draws(draws, cells) == bounded
