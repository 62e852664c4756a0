"""Figures of a run, against scikit-learn, plain loops and numbers worked out by hand."""

import math

import numpy as np
import pytest
from sklearn import metrics as oracle

from dnafast.metrics import (
    METRIC_COLUMNS,
    at_chance,
    auroc,
    best_threshold,
    bootstrap_interval,
    chance_auroc,
    classification_metrics,
    constant_log_loss,
    expected_calibration_error,
    mean_auroc,
    narrow_sites,
    recall_at_fdr,
)


def sample(n=301, seed=0, decimals=None, signal=1.0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, n).astype(np.int8)
    probabilities = 1 / (1 + np.exp(-(generator.normal(size=n) + signal * (labels - 0.5))))
    return labels, probabilities if decimals is None else probabilities.round(decimals)


def test_figures_worked_out_by_hand():
    labels = [1, 1, 1, 0, 0, 0, 0, -1]
    probabilities = [0.9, 0.8, 0.3, 0.7, 0.2, 0.1, 0.0, 1.0]
    figures = classification_metrics(labels, probabilities, 0.5)
    assert tuple(figures) == METRIC_COLUMNS
    assert figures["accuracy"] == pytest.approx(5 / 7)
    assert figures["sensitivity"] == pytest.approx(2 / 3)
    assert figures["specificity"] == pytest.approx(3 / 4)
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert figures["f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert figures["mcc"] == pytest.approx((2 * 3 - 1 * 1) / math.sqrt(3 * 3 * 4 * 4))
    assert figures["auroc"] == pytest.approx(11 / 12)  # of 12 pairs, one is the wrong way round
    assert figures["auprc"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert figures["prevalence"] == pytest.approx(3 / 7)
    assert figures["threshold"] == 0.5
    assert figures["brier"] == pytest.approx((0.01 + 0.04 + 0.49 + 0.49 + 0.04 + 0.01) / 7)
    # 0.0 with probability 0 costs nothing.
    assert figures["log_loss"] == pytest.approx(-(np.log([0.9, 0.8, 0.3, 0.3, 0.8, 0.9]).sum()) / 7)


def test_a_probability_at_the_threshold_is_called_positive():
    assert classification_metrics([1, 0], [0.5, 0.25], 0.5)["accuracy"] == 1


@pytest.mark.parametrize("decimals", [None, 1])
def test_figures_equal_scikit_learn(decimals):
    labels, probabilities = sample(decimals=decimals)
    figures = classification_metrics(labels, probabilities, 0.4)
    called = probabilities >= 0.4
    assert figures["balanced_accuracy"] == pytest.approx(oracle.balanced_accuracy_score(labels, called))
    assert figures["brier"] == pytest.approx(oracle.brier_score_loss(labels, probabilities))
    assert auroc(labels, probabilities) == pytest.approx(oracle.roc_auc_score(labels, probabilities))


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_gives_nan_for_what_is_undefined(value):
    figures = classification_metrics([value] * 4 + [-1], [0.2, 0.4, 0.6, 0.8, 0.5], 0.5)
    undefined = {name for name, figure in figures.items() if math.isnan(figure)}
    missing = "sensitivity" if value == 0 else "specificity"
    assert undefined == {"auroc", "auprc", "balanced_accuracy", "mcc", missing}
    assert figures["accuracy"] == 0.5
    assert math.isnan(auroc([value] * 3, [1.0, 2.0, 3.0]))
    for metric in ("auroc", "auprc"):
        interval = bootstrap_interval([value] * 4, [0.1, 0.2, 0.3, 0.4], [0, 1, 2, 3], metric=metric)
        assert all(math.isnan(end) for end in interval)


def test_f1_is_undefined_without_any_positive():
    assert math.isnan(classification_metrics([0, 0], [0.1, 0.2], 0.5)["f1"])
    assert classification_metrics([0, 1], [0.1, 0.2], 0.5)["f1"] == 0


@pytest.mark.parametrize("labels", [[], [-1, -1]])
def test_no_labelled_row_gives_nan_but_for_the_threshold(labels):
    figures = classification_metrics(labels, [0.5] * len(labels), 0.3)
    assert figures.pop("threshold") == 0.3
    assert all(math.isnan(figure) for figure in figures.values())
    assert math.isnan(constant_log_loss(np.array(labels).reshape(-1, 1)))


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 2], [0.1, 0.2], r"labels\[1\] is 2"),
        ([0, 1], [0.1, 1.5], "row 1 is 1.5"),
        ([-1, 1], [0.1, float("nan")], "row 1 is nan"),
        ([0, 1], [0.1], "must be"),
    ],
)
def test_impossible_input_is_an_error(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        classification_metrics(labels, probabilities, 0.5)


def test_calibration_error_by_hand_and_by_loop():
    # Bins of width 1/15: 0.06 and 0.05 share the first, 0.95 lies in the last.
    assert expected_calibration_error([0, 1, 1], [0.06, 0.05, 0.95]) == pytest.approx((abs(0.11 - 1) + 0.05) / 3)
    assert expected_calibration_error([0, 1], [0.0, 1.0]) == 0
    labels, probabilities = sample(seed=3)
    expected = 0.0
    for i in range(15):
        inside = (probabilities > i / 15) & (probabilities <= (i + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(probabilities[inside].mean() - labels[inside].mean())
    assert expected_calibration_error(labels, probabilities) == pytest.approx(expected)


@pytest.mark.parametrize("decimals", [None, 1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_threshold_has_the_highest_correlation_of_all(decimals, seed):
    labels, probabilities = sample(seed=seed, decimals=decimals)
    threshold = best_threshold(labels, probabilities)
    highest = max(oracle.matthews_corrcoef(labels, probabilities >= cut) for cut in np.unique(probabilities))
    assert oracle.matthews_corrcoef(labels, probabilities >= threshold) == pytest.approx(highest)
    assert threshold not in probabilities


def test_threshold_lies_between_scores_and_ignores_unknown_labels():
    assert best_threshold([0, 0, 1, 1, -1, -1], [0.1, 0.2, 0.6, 0.8, 0.3, 0.5]) == pytest.approx(0.4)
    below = np.nextafter(0.7, 0)
    assert best_threshold([0, 1], [below, 0.7]) == 0.7


@pytest.mark.parametrize(
    ("labels", "probabilities"), [([1, 1], [0.1, 0.9]), ([0, 1], [0.3, 0.3]), ([1, 0], [0.1, 0.9]), ([], [])]
)
def test_threshold_is_one_half_where_no_cut_helps(labels, probabilities):
    assert best_threshold(labels, probabilities) == 0.5


def test_mean_auroc_skips_tasks_with_one_class():
    labels = np.array([[1, 1, 0], [0, 1, 0], [-1, 1, 1]])
    scores = np.array([[3.0, 1.0, 9.0], [2.0, 2.0, 1.0], [9.0, 3.0, 5.0]])
    assert mean_auroc(labels, scores) == pytest.approx((1 + 0.5) / 2)
    assert math.isnan(mean_auroc(np.ones((3, 2)), np.ones((3, 2))))


@pytest.mark.parametrize("metric", ["auroc", "auprc"])
@pytest.mark.parametrize("decimals", [None, 1])
def test_bootstrap_equals_a_plain_loop(metric, decimals):
    labels, probabilities = sample(n=120, seed=5, decimals=decimals)
    groups = np.arange(120) // 7
    function = oracle.roc_auc_score if metric == "auroc" else oracle.average_precision_score
    generator = np.random.default_rng(11)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    values = []
    for _ in range(50):
        rows = np.concatenate([members[i] for i in generator.integers(0, len(members), len(members))])
        values.append(function(labels[rows], probabilities[rows]))
    expected = np.quantile(values, [0.025, 0.975])
    low, high = bootstrap_interval(labels, probabilities, groups, metric=metric, draws=50, seed=11)
    assert (low, high) == pytest.approx(tuple(expected))
    assert bootstrap_interval(labels, probabilities, groups, metric=metric, draws=50, seed=12) != (low, high)


def test_bootstrap_takes_names_of_groups_and_leaves_out_unknown_labels():
    labels, probabilities = sample(n=60)
    groups = np.array([f"chr1:{i // 6:02d}" for i in range(60)])
    named = bootstrap_interval(labels, probabilities, groups, draws=30)
    assert named == bootstrap_interval(labels, probabilities, np.arange(60) // 6, draws=30)
    labels, probabilities = np.append(labels, -1), np.append(probabilities, 0.5)
    assert bootstrap_interval(labels, probabilities, np.append(groups, "chr2:00"), draws=30) == named


def test_bootstrap_over_groups_is_wider_than_over_rows():
    labels, probabilities = sample(n=50, seed=1)
    copies = np.repeat(np.arange(50), 20)
    labels, probabilities = labels[copies], probabilities[copies]
    low, high = bootstrap_interval(labels, probabilities, copies)
    narrow_low, narrow_high = bootstrap_interval(labels, probabilities, np.arange(labels.size))
    assert low < auroc(labels, probabilities) < high
    assert high - low > 3 * (narrow_high - narrow_low)


def test_bootstrap_needs_two_groups_and_sensible_arguments():
    labels, probabilities = sample(n=20)
    assert all(math.isnan(end) for end in bootstrap_interval(labels, probabilities, np.zeros(20)))
    for arguments in ({"metric": "f1"}, {"draws": 0}, {"level": 95}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            bootstrap_interval(labels, probabilities, np.arange(20), **arguments)
    with pytest.raises(ValueError, match="groups"):
        bootstrap_interval(labels, probabilities, np.arange(19))


def test_bootstrap_draws_are_the_same_however_they_are_chunked(monkeypatch):
    labels, probabilities = sample(n=200)
    whole = bootstrap_interval(labels, probabilities, np.arange(200), draws=40)
    monkeypatch.setattr("dnafast.ranking._BOOTSTRAP_CELLS", 600)
    assert bootstrap_interval(labels, probabilities, np.arange(200), draws=40) == whole


def test_chance_is_told_from_signal():
    labels, probabilities = sample(n=2000, signal=0.0)
    assert at_chance(labels[:, None], probabilities[:, None])
    assert at_chance(labels[:, None], np.full((2000, 1), 0.5))
    labels, probabilities = sample(n=2000, signal=0.5)
    assert not at_chance(labels[:, None], probabilities[:, None])
    # A right order at absurd probabilities is no chance either: its log loss is bad, its ranks are not.
    assert not at_chance(labels[:, None], probabilities[:, None] ** 50)
    assert at_chance(np.ones((9, 1)), np.ones((9, 1)))


def test_a_constant_is_at_chance_whatever_its_value():
    labels = (np.arange(1000) < 100).astype(np.int8)[:, None]
    for constant in (0.0, 0.1, 0.11, 0.9):
        assert at_chance(labels, np.full((1000, 1), constant))


def test_chance_seldom_passes_its_bound():
    generator = np.random.default_rng(2)
    labels = np.repeat([1, 0], [30, 50])
    areas = np.array([auroc(labels, generator.random(80)) for _ in range(1000)])
    assert chance_auroc(30, 50) == pytest.approx(0.5 + 3 * areas.std(), abs=0.02)
    assert (areas > chance_auroc(30, 50)).sum() <= 8
    assert chance_auroc(1, 1) > 1
    with pytest.raises(ValueError, match="n_negatives=0"):
        chance_auroc(3, 0)


def test_constant_log_loss_is_the_entropy():
    labels = np.array([[1, -1], [0, 1], [0, 1], [0, -1]])
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert constant_log_loss(labels) == pytest.approx(4 * entropy / 6)


def test_recall_at_fdr_by_trying_every_cut():
    rng = np.random.default_rng(4)
    for trial in range(200):
        n = int(rng.integers(1, 30))
        labels = rng.integers(-1, 2, n)
        scores = rng.integers(0, 6, n) / 5 if trial % 2 else rng.random(n)
        known, at = labels[labels >= 0], scores[labels >= 0]
        for rate in (0.0, 0.1, 0.5):
            wanted = [
                (known[at >= cut] == 1).sum() / (known == 1).sum()
                for cut in at
                if (known == 1).any() and (known[at >= cut] == 0).mean() <= rate
            ]
            found = recall_at_fdr(labels, scores, rate)
            if not (known == 1).any():
                assert np.isnan(found)
            else:
                assert found == pytest.approx(max(wanted, default=0.0))
    with pytest.raises(ValueError, match=r"rate=1.0 must lie in \[0, 1\)"):
        recall_at_fdr([1], [0.5], 1.0)


def test_without_a_threshold_only_the_figures_of_calls_are_missing():
    labels, scores = [1, 0, 1, 0], [0.9, 0.2, 0.4, 0.6]
    whole = classification_metrics(labels, scores, 0.5)
    part = classification_metrics(labels, scores, None)
    missing = {"accuracy", "balanced_accuracy", "f1", "mcc", "sensitivity", "specificity", "threshold"}
    assert {name for name, value in part.items() if np.isnan(value)} == missing
    assert all(part[name] == whole[name] for name in whole.keys() - missing)


def test_narrow_sites_are_open_in_few_tasks():
    labels = np.array([[0] * 8, [1] + [0] * 7, [1, 1] + [-1] * 6, [1, 1, 1] + [0] * 5, [1] * 8])
    assert narrow_sites(labels).tolist() == [False, True, True, False, False]
    assert not narrow_sites(labels[:, :3]).any()  # a quarter of three tasks is none
