"""Effects against an oracle that pairs by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from dnafast.probe.effects import FACTORS, Contrast, contrasts, effect, effects
from dnafast.probe.factorial import AS_USUAL, EXTRAS, FACTORIAL


def table(gain, folds=4, treatments=FACTORIAL, n_train=300, n_test=100):
    """Rows whose AUROC is what `gain` says of a row."""
    rows = []
    for fold in range(folds):
        for treatment in treatments:
            row = {**treatment.row(), "fold": fold, "seed": 0, "n_train": n_train, "n_test": n_test}
            rows.append(row | {"auroc": gain(row)})
    return rows


def test_an_effect_is_the_mean_of_paired_differences_with_the_corrected_interval():
    generator = np.random.default_rng(0)
    rows = table(lambda row: generator.random())
    found = effect(rows, Contrast("pooling", "attention", "last", {"cell": ("rnn", "gru")}))
    means = []
    for fold in range(4):
        differences = []
        for cell, convolution, clipping in itertools.product(("rnn", "gru"), (False, True), (False, True)):
            both = [
                row["auroc"]
                for pooling in ("attention", "last")
                for row in rows
                if row["fold"] == fold and row["pooling"] == pooling and row["cell"] == cell
                and row["convolution"] == convolution and row["clipping"] == clipping
            ]  # fmt: skip
            differences.append(both[0] - both[1])
        means.append(np.mean(differences))
    deviation = math.sqrt((1 / 4 + 100 / 300) * np.var(means, ddof=1))
    reach = stats.t.ppf(0.975, 3) * deviation
    assert (found.n_pairs, found.n_folds) == (8, 4)
    assert found.difference == pytest.approx(np.mean(means))
    assert (found.low, found.high) == (pytest.approx(np.mean(means) - reach), pytest.approx(np.mean(means) + reach))


def test_what_is_held_fixed_does_not_leak_into_an_effect():
    worst = {"direction": "backward", "start": "torch", "layer_norm": False, "rate": 3}
    rows = table(
        lambda row: (
            0.6 + 0.1 * (row["cell"] == "lstm") - 0.3 * any(row[name] == value for name, value in worst.items())
        ),
        treatments=(*FACTORIAL, *EXTRAS),
    )
    found = effect(rows, Contrast("cell", "lstm", "rnn"))
    assert found.difference == pytest.approx(0.1)
    assert found.n_pairs == 12
    assert effect(rows, Contrast("rate", 3, 1, {"cell": ("rnn",)})).difference == pytest.approx(-0.3)
    assert effect(rows, Contrast("cell", "lstm", "rnn", {"clipping": (True,)})).n_pairs == 6


@pytest.mark.parametrize(("shift", "verdict"), [(0.2, "higher"), (-0.2, "lower"), (0.0, "undetermined")])
def test_verdicts(shift, verdict):
    generator = np.random.default_rng(1)
    rows = table(lambda row: 0.7 + shift * row["convolution"] + 0.02 * generator.standard_normal())
    assert effect(rows, Contrast("convolution", True, False)).verdict == verdict


def test_a_pair_that_a_fold_lacks_counts_in_none():
    rows = table(lambda row: 0.5 + 0.1 * row["clipping"] + 0.2 * (row["cell"] == "gru") * row["clipping"])
    lost = next(
        row for row in rows if row["fold"] == 2 and row["cell"] == "gru" and row["clipping"] and row["convolution"]
    )
    lost["auroc"] = None
    found = effect(rows, Contrast("clipping", True, False))
    assert found.n_pairs == 23
    assert found.difference == pytest.approx(0.1 + 0.2 * 5 / 23)


def test_one_fold_has_no_interval_and_no_rows_no_effect():
    found = effect(table(lambda row: 0.5 + 0.1 * row["clipping"], folds=1), Contrast("clipping", True, False))
    assert (found.low, found.high, found.verdict) == (None, None, "undetermined")
    assert effects([]) == []


def test_every_contrast_is_told_by_the_whole_and_has_a_name_of_its_own():
    rows = table(lambda row: 0.5, treatments=(*FACTORIAL, *EXTRAS))
    found = effects(rows)
    assert len(found) == len(contrasts())
    assert len({(one.contrast.name, one.contrast.among) for one in found}) == len(found)
    assert {row["factor"] for row in (one.row() for one in found)} == set(FACTORS)


def test_the_factorial_holds_every_combination_once():
    assert len(set(FACTORIAL)) == len(FACTORIAL) == 48
    assert not set(FACTORIAL) & set(EXTRAS)
    everything = (*FACTORIAL, *EXTRAS)
    assert len({one.id for one in everything}) == len(set(everything)) == len(everything)
    assert all(getattr(one, name) == value for one in FACTORIAL for name, value in AS_USUAL.items())
