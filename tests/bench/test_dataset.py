"""A data set's own words about itself: what is too small to say much."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from dnafast.bench.dataset import Dataset, Flow
from dnafast.bench.lineup import check_sizes
from dnafast.bench.options import BenchOptions
from dnafast.bench.tiles import Tiles
from dnafast.genome import Genome
from dnafast.windowing import Windows


def dataset_of(valid: int, n_tasks: int = 1, train: int = 40, test: int = 80) -> Dataset:
    """Windows of which every second is a positive, in parts of these sizes."""
    n = train + valid + test
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[np.random.default_rng(0).integers(0, 4, (n, 20))]
    names = [str(row) for row in range(n)]
    labels = np.repeat((np.arange(n) % 2).astype(np.int8)[:, None], n_tasks, axis=1)
    part = np.array(["train"] * train + ["valid"] * valid + ["test"] * test, dtype=object)
    return Dataset(
        name="made",
        kind="sequences",
        genome=Genome.from_sequences(letters, names=names),
        windows=Windows.from_arrays(names, np.arange(n), np.zeros(n), 20),
        labels=labels,
        tasks=tuple(f"task{number}" for number in range(n_tasks)),
        part=part,
        group=np.arange(n),
        source=np.full(n, "made", dtype=object),
        stranded=True,
        simulated=True,
        flow=Flow(),
        split="",
    )


@pytest.mark.parametrize("n_tasks", [1, 3])
def test_a_validation_part_that_cannot_tell_learning_from_chance_is_warned_of(n_tasks):
    (warning,) = dataset_of(valid=30, n_tasks=n_tasks).check().warnings
    # 0.5 + 3 sqrt(31 / (12 * 15 * 15))
    assert warning.startswith("The validation part has 15 positives and 15 negatives")
    assert "an AUROC up to 0.82 there may be chance" in warning
    assert ("smallest task" in warning) == (n_tasks > 1)
    assert dataset_of(valid=300, n_tasks=n_tasks).check().warnings == ()


def test_the_flow_names_every_class_and_what_is_in_each_part():
    flow = Flow()
    flow.add_all({"read": 2_000, "edge": 0, "used": 1_900}, "open")
    for kind, counts in (("open", (1_400, 200, 300)), ("closed, background", (7, 0, 9))):
        for part, count in zip(("train", "valid", "test"), counts, strict=True):
            flow.add("used", count, kind, part)
    assert flow.lines() == [
        "open: read 2,000, used 1,900; in parts: train 1,400, valid 200, test 300",
        "closed, background: train 7, test 9",
    ]


def test_runs_share_what_they_see_of_the_data():
    dataset = dataset_of(valid=30)
    folds = replace(dataset, fold_of=np.arange(150) % 3)
    assert folds.at(1, 20) is folds.at(1, 20)
    assert folds.at(1).part.tolist() == [{0: "train", 1: "test", 2: "valid"}[row % 3] for row in range(150)]
    assert len({id(part) for part in folds.at(1).part}) == 3
    # Another process makes its own.
    folds = replace(folds, genome=None)
    folds.at(2)
    assert len(pickle.dumps(folds)) == len(pickle.dumps(replace(folds)))


def test_the_checksum_holds_the_bases_of_tiles():
    dataset = dataset_of(valid=30)

    def with_tiles(first: int) -> str:
        laid = Tiles(dataset.windows[np.arange(first, first + 5)], np.ones((5, 1), np.int8), np.zeros(5, np.int64), 5)
        return replace(dataset, tiles=laid).checksum()

    # All begin at the first base of a contig of their own.
    assert len({dataset.checksum(), with_tiles(0), with_tiles(5)}) == 3
    assert with_tiles(5) == with_tiles(5)


def test_every_fold_trains_on_so_many_windows_at_most():
    folds = replace(dataset_of(valid=30), fold_of=np.repeat([0, 1, 2, 3], [20, 80, 40, 10]))
    sizes = [len(folds.at(fold).rows("train")) for fold in range(4)]
    assert folds.largest_train == max(sizes) == 120
    assert sizes[0] == 50
    limited = folds.limited(60)
    assert [len(limited.at(fold).rows("train")) for fold in range(4)] == [min(size, 60) for size in sizes]
    assert limited.notes == (
        "Trained on 60 windows of each fold's training part, of which the largest has 120 (at random).",
    )
    assert folds.limited(120) is folds
    assert dataset_of(valid=30).largest_train == 40


def test_folds_that_train_on_one_class_are_refused():
    labels = np.array([[1], [0], [1], [1]] * 30, dtype=np.int8)
    folds = replace(dataset_of(valid=30, train=30, test=60), labels=labels, fold_of=np.arange(120) // 4 % 3)
    for size in range(2, 9):
        missing = [
            len(np.unique(part.labels[part.rows("train")])) < 2 for part in (folds.at(k, size) for k in range(3))
        ]
        if any(missing):
            with pytest.raises(
                ValueError, match=f"--train-sizes {size} is so small .* in fold {missing.index(True) + 1}"
            ):
                check_sizes(BenchOptions(train_sizes=(size,)), [folds])
            with pytest.raises(ValueError, match=f"{size} training windows of each fold are so few"):
                check_sizes(BenchOptions(), [folds.limited(size)])
        else:
            check_sizes(BenchOptions(train_sizes=(size,)), [folds])
            check_sizes(BenchOptions(), [folds.limited(size)])


def test_warnings_are_given_once():
    dataset = dataset_of(valid=2, train=200)
    assert "any AUROC there may be chance" in dataset.check().warnings[0]
    assert dataset.check().limited(100).warnings == dataset.check().warnings
