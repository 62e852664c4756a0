"""Labels on their way through the loader, dense and sparse."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from dnafast import Genome, Loader
from dnafast import loader as loader_module
from dnafast.loader import Batch
from streams import as_numpy, content, in_forked_child, make_windows, needs_fork, sparse_labels


@pytest.mark.parametrize(
    "labels", [np.arange(30) % 2 == 0, np.arange(30, dtype=np.int8), np.ones((30, 4)), list(range(30))]
)
def test_labels_keep_their_type(genome: Genome, labels: Any) -> None:
    loader = Loader(genome, make_windows(genome, 30), labels, batch_size=7)
    array = np.asarray(labels)
    for batch in loader:
        y = as_numpy(batch.y)
        assert y.dtype == array.dtype
        assert np.array_equal(y, array[as_numpy(batch.index)])


@pytest.mark.parametrize("threads", [0, 1, 2, 7])
@pytest.mark.parametrize("tasks", [0, 1, 70])
def test_sparse_labels_are_expanded(genome: Genome, threads: int, tasks: int) -> None:
    windows, sparse = make_windows(genome, 101), sparse_labels(101, tasks)
    dense = Loader(genome, windows, sparse.to_dense(), batch_size=16, threads=1)
    loader = Loader(genome, windows, sparse, batch_size=16, threads=threads)
    for _ in range(2):
        batches = list(loader)
        assert all(as_numpy(batch.y).dtype == np.int8 for batch in batches)
        assert content(batches) == content(dense)


def test_sparse_labels_on_ranks_restored_and_without_torch(genome: Genome, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, sparse = make_windows(genome, 60), sparse_labels(60, 3)
    whole, half = ({"batch_size": 8, "jitter": 2, "shuffle": True}, {"batch_size": 4, "jitter": 2, "shuffle": True})
    expected = content(Loader(genome, windows, sparse.to_dense(), **whole))
    ranks = [list(Loader(genome, windows, sparse, rank=rank, world_size=2, **half)) for rank in (0, 1)]
    together = [
        Batch(*(np.concatenate([as_numpy(part) for part in parts]) for parts in zip(*step, strict=True)))
        for step in zip(*ranks, strict=True)
    ]
    assert content(together) == expected
    restored = pickle.loads(pickle.dumps(Loader(genome, windows, sparse, **whole)))
    assert content(restored) == expected
    monkeypatch.setattr(loader_module, "_import_torch", lambda: None)
    batches = list(Loader(genome, windows, sparse, **whole))
    assert all(isinstance(batch.y, np.ndarray) for batch in batches)
    assert content(batches) == expected


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_sparse_labels_in_a_forked_child(genome: Genome) -> None:
    windows, sparse = make_windows(genome, 100), sparse_labels(100, 3)
    loader = Loader(genome, windows, sparse, batch_size=8, threads=2)
    assert in_forked_child(loader) == content(Loader(genome, windows, sparse.to_dense(), batch_size=8))


@pytest.mark.parametrize("threads", [0, 2])
def test_sparse_labels_that_are_changed_later_are_no_crash(genome: Genome, threads: int) -> None:
    sparse = sparse_labels(60, 3)
    loader = Loader(genome, make_windows(genome, 60), sparse, threads=threads)
    sparse.indices[-1] = 3
    with pytest.raises(ValueError, match="labels: row 59 names task 3 of 3"):
        list(loader)
