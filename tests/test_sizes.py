"""Curves over the size of the training part, and where one passes another."""

import math

import pytest

from dnafast.report.results import Dataset, Entry, Run, estimate
from dnafast.report.sizes import best_of_floors, by_size, curve, passes, sentences


def run(model: str, size: str, n_train: int, auroc: float, seed: int = 0, fold: int = 0, task: str = "t") -> Run:
    figures = {"auroc": auroc, "auroc_low": auroc - 0.03, "auroc_high": auroc + 0.04}
    cells = {
        "model": model,
        "task": task,
        "train_size": size,
        "n_train": n_train,
        "seed": seed,
        "fold": fold,
        **figures,
    }
    return Run({"status": "finished", "run_id": f"{model}{size}{seed}{fold}", **{k: str(v) for k, v in cells.items()}})


def dataset(*entries: Entry) -> Dataset:
    return Dataset("d", {}, ("t",), entries, (), sized=entries)


FLOOR = Entry("kmer_logistic", "scikit-learn", (
    run("kmer_logistic", "", 4000, 0.80), run("kmer_logistic", "1000", 1000, 0.78),
))  # fmt: skip


def network(at_all: float, at_thousand: float) -> Entry:
    rows = (run("lstm", "", 4000, at_all + 0.01), run("lstm", "", 4000, at_all - 0.01, seed=1))
    return Entry("lstm", "torch", (*rows, run("lstm", "1000", 1000, at_thousand)))


def test_a_curve_is_a_mean_over_seeds_and_rises_with_the_size():
    assert curve(network(0.9, 0.7), ("t",)) == {1000: pytest.approx(0.7), 4000: pytest.approx(0.9)}


def test_the_best_floor_may_be_another_one_at_each_size():
    other = Entry("gc_logistic", "scikit-learn", (run("gc_logistic", "1000", 1000, 0.79),))
    assert best_of_floors(dataset(FLOOR, other)) == {1000: 0.79, 4000: 0.80}


def test_where_a_curve_passes_another():
    below, above = {1000.0: 0.78, 4000.0: 0.80}, {1000.0: 0.72, 4000.0: 0.86}
    assert passes(below, above) == (1000, 4000, pytest.approx(2000))  # half way in logarithms
    assert passes(above, below) is None
    assert passes(below, {1000.0: 0.9, 4000.0: 0.9}) is None
    assert passes({1000.0: 0.5}, {1000.0: 0.6}) is None
    # It passes for good only after the last size at which it was below.
    wavy = {500.0: 0.9, 1000.0: 0.7, 2000.0: 0.9}
    before, after, at = passes({500.0: 0.8, 1000.0: 0.8, 2000.0: 0.8}, wavy)
    assert (before, after) == (1000, 2000)
    assert at == pytest.approx(1000 * math.sqrt(2))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (network(0.86, 0.72), "lstm passes the best floor between 1,000 and 4,000 training windows (at about 2,000)."),
        (network(0.86, 0.80), "lstm lies above the best floor from 1,000 training windows on."),
        (network(0.75, 0.72), "lstm does not pass the best floor by 4,000 training windows."),
    ],
)
def test_the_crossing_in_words(entry, words):
    assert sentences(dataset(FLOOR, entry)) == [words]
    picture = by_size(dataset(FLOOR, entry), "s1")
    assert "<svg" in picture
    assert "where it passes the floor" in picture
    assert "floor" not in by_size(dataset(entry), "s1")


def test_one_size_has_no_picture():
    entry = Entry("lstm", "torch", (run("lstm", "", 4000, 0.9),))
    assert by_size(dataset(FLOOR, entry), "s1") is None


def test_folds_are_independent_and_seeds_are_not():
    seeds = [run("lstm", "", 4000, 0.9, seed=0), run("lstm", "", 4000, 0.8, seed=1)]
    found = estimate(seeds, "auroc")
    assert (found.mean, found.low, found.high) == (pytest.approx(0.85), pytest.approx(0.77), pytest.approx(0.94))
    folds = [run("lstm", "", 4000, 0.9, fold=fold) for fold in range(4)]
    found = estimate(folds, "auroc")
    assert found.mean == pytest.approx(0.9)
    # Four tests of the same accuracy halve the distance to the ends.
    assert (found.low, found.high) == (pytest.approx(0.9 - 0.015), pytest.approx(0.9 + 0.02))
    assert found.values == pytest.approx([0.9] * 4)
