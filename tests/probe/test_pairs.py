"""Planted pairs follow their rules, tell nothing by composition, and every run is asked what fits."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import dnafast
from dnafast import synthetic
from dnafast.models.floors import GCLogistic, KmerLogistic
from dnafast.probe import pairs
from dnafast.probe.config import full, quick

A, B = "-35 box", "-10 box"
CASES = [("both", 8), ("both", 60), ("order", 20), ("exact_spacing", 8), ("loose_spacing", 40)]
CASES += [("both", 75), ("hold", 46), ("hold", 88)]


def planted(made):
    """[(motif, start, end), …] of every row, by position."""
    rows = [[] for _ in range(len(made))]
    for row, motif, start, end in zip(made.sites.row, made.sites.motif, made.sites.start, made.sites.end, strict=True):
        rows[row].append((motif, start, end))
    return rows


@pytest.mark.parametrize(("rule", "distance"), CASES)
def test_sites_and_labels_follow_the_rule(rule, distance):
    made = synthetic.simulate_pairs(rule, distance, 1, n=400)
    assert made.letters.shape == (400, 101)
    assert made.labels.sum() == 200
    gaps = {0: set(), 1: set()}
    for row, (label, sites) in enumerate(zip(made.labels, planted(made), strict=True)):
        names = [name for name, _, _ in sites]
        assert made.kinds[row] == " ".join("A" if name == A else "B" for name in names)
        assert all(later[1] >= before[2] for before, later in itertools.pairwise(sites))
        if rule == "hold":
            assert sorted(names) == sorted([A, A, B, B])
            assert names[0] == (A if label else B)
            assert sites[0][2] == 101 - distance
            assert all(later[1] - before[2] >= 7 for before, later in itertools.pairwise(sites))
            continue
        gaps[int(label)].add(sites[1][1] - sites[0][2])
        if rule == "both":
            assert (names == [A, B]) == bool(label)
            assert (names[0] == names[1]) == (not label)
        elif rule == "order":
            assert names == ([A, B] if label else [B, A])
        else:
            assert names == [A, B]
    if rule in ("both", "order"):
        assert gaps == {0: {distance}, 1: {distance}}
    elif rule == "exact_spacing":
        assert gaps[1] == {distance}
        assert gaps[0] == {distance + off for off in (-4, -3, -2, -1, 1, 2, 3, 4)}
    elif rule == "loose_spacing":
        assert gaps[1] == {distance + off for off in range(-2, 3)}
        assert gaps[0] == {distance + off for off in (-8, -7, -6, -5, 5, 6, 7, 8)}


@pytest.mark.parametrize(("rule", "distance"), CASES)
def test_both_motifs_are_equally_frequent_in_both_classes(rule, distance):
    made = synthetic.simulate_pairs(rule, distance, 2, n=400)
    for motif in (A, B):
        held = np.bincount(made.sites.row[made.sites.motif == motif], minlength=400)
        assert held[made.labels == 1].sum() == held[made.labels == 0].sum()


@pytest.mark.parametrize(("rule", "distance"), CASES)
@pytest.mark.parametrize("floor", [GCLogistic, KmerLogistic])
def test_composition_and_words_tell_nothing(rule, distance, floor):
    train, valid, test = (
        (dnafast.encode(made.letters, dnafast.BaseCodes()), made.labels)
        for made in (
            synthetic.simulate_pairs(rule, distance, seed, n=n) for seed, n in ((0, 1500), (1, 500), (2, 1500))
        )
    )
    fitted = floor().fit(*train, *valid, stranded=True)
    # The standard error of an AUROC of one half on 750 + 750 sequences is 0.015.
    assert abs(roc_auc_score(test[1], fitted.predict(test[0])) - 0.5) < 0.06


def test_a_draw_is_a_function_of_its_arguments():
    one, same, other = (synthetic.simulate_pairs("order", 20, seed, n=50) for seed in (3, 3, 4))
    assert np.array_equal(one.letters, same.letters)
    assert np.array_equal(one.labels, same.labels)
    assert not np.array_equal(one.letters, other.letters)


@pytest.mark.parametrize(
    ("rule", "distance", "n", "length", "message"),
    [
        ("beside", 8, 10, 101, "must be one of both, order"),
        ("both", 76, 10, 101, "distance=76 must be 0 to 75"),
        ("exact_spacing", 3, 10, 101, "distance=3 must be 4 to 71"),
        ("hold", 45, 10, 101, "distance=45 must be 46 to 88"),
        ("order", 8, 1, 101, "n=1 must be at least 2"),
        ("order", 8, 10, 25, "in sequences of 25 bases"),
    ],
)
def test_what_does_not_fit_is_refused(rule, distance, n, length, message):
    with pytest.raises(ValueError, match=message):
        synthetic.simulate_pairs(rule, distance, 0, n=n, length=length)


@pytest.mark.parametrize("rule", synthetic.RULES)
def test_the_outermost_distances_fit(rule):
    for distance in synthetic.distances(rule):
        made = synthetic.simulate_pairs(rule, distance, 0, n=200)
        assert made.sites.start.min() >= 7
        assert made.sites.end.max() <= 101 - 7


def test_runs_have_names_of_their_own_and_parts_that_do_not_meet():
    runs = pairs.runs(full())
    assert len({run.id for run in runs}) == len(runs)
    assert {run.rule for run in runs} == set(synthetic.RULES)
    parts = pairs.runs(quick())[0].parts()
    letters = np.concatenate([parts.train.letters, parts.valid.letters, parts.test.letters])
    assert len(np.unique(letters, axis=0)) == len(letters) == 64 + 8 + 8


def test_a_run_is_tested_at_its_own_distance_and_at_the_others_and_gives_the_same_again():
    run = next(one for one in pairs.runs(quick()) if one.rule == "hold" and one.distance == 88)
    result = run.perform()
    assert [set(row) for row in result["rows"]] == [set(pairs.COLUMNS)] * 2
    assert [(row["distance"], row["tested_distance"]) for row in result["rows"]] == [(88, 88), (88, 46)]
    own, other = result["rows"]
    assert own["accuracy"] == result["outcome"]["accuracy"]
    # Eight other sequences: all figures alike would mean that the same were scored.
    assert own["log_loss"] != other["log_loss"]
    assert own["training_state"] in ("converged", "budget_ended", "at_chance")
    assert run.perform()["rows"] == result["rows"]
