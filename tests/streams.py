"""What the tests of the loader share: a genome, windows, and batches as values that compare."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnafast import Genome, Loader, SparseLabels, Windows
from dnafast.loader import Batch

TASKS = Path("/proc/self/task")

needs_proc = pytest.mark.skipif(not TASKS.is_dir(), reason="counts threads through /proc")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform cannot fork")


def make_genome() -> Genome:
    random = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGTacgtN", np.uint8)
    sizes = (4000, 3000, 500)
    return Genome.from_sequences([random.choice(letters, size).tobytes() for size in sizes], ["a", "b", "c"])


def make_windows(genome: Genome, n: int, length: int = 60, seed: int = 1) -> Windows:
    """Windows anywhere, some of them over an end of their contig."""
    random = np.random.default_rng(seed)
    contig = random.integers(0, len(genome.contigs), n)
    sizes = np.array(list(genome.contigs.values()))[contig]
    start = random.integers(-length // 2, sizes - length // 2)
    start[::7] = 0
    start[1::7] = (sizes - length)[1::7]
    return Windows.from_arrays(tuple(genome.contigs), contig, start, length, strand=random.choice([1, -1, 0], n))


def make_loader(n: int = 75, **options: Any) -> Loader:
    """A loader with everything in it that a batch may hold; the same in every process."""
    genome = make_genome()
    labels = np.random.default_rng(2).normal(size=(n, 3)).astype(np.float32)
    settings = {"batch_size": 8, "seed": 3, "jitter": 4, "reverse_complement": "random", **options}
    return Loader(genome, make_windows(genome, n), labels, **settings)


def as_numpy(part: Any) -> Any:
    return part if part is None or isinstance(part, np.ndarray) else part.numpy()


def content(batches: Any) -> list[tuple[Any, ...]]:
    """Batches as plain values that compare."""
    return [
        tuple(None if part is None else (as_numpy(part).shape, as_numpy(part).tobytes()) for part in batch)
        for batch in batches
    ]


def digests(batches: Iterable[Any]) -> list[str]:
    """A checksum a batch, short enough to print."""
    return [hashlib.sha256(repr(batch).encode()).hexdigest()[:16] for batch in content(batches)]


def rows(batches: Iterable[Batch]) -> list[int]:
    return [int(row) for batch in batches for row in batch.index]


def native_threads() -> int:
    """Threads of this process, whoever made them."""
    return len(list(TASKS.iterdir()))


def settles_at(count: int) -> bool:
    """Whether that many threads are left; one that was joined may be listed for a moment more."""
    deadline = time.monotonic() + 5
    while native_threads() != count and time.monotonic() < deadline:
        time.sleep(0.001)
    return native_threads() == count


def collect(loader: Loader, iterator: Iterator[Batch] | None, pipe: Any) -> None:
    pipe.send(content(loader if iterator is None else iterator))
    pipe.close()


def in_forked_child(loader: Loader, iterator: Iterator[Batch] | None = None) -> Any:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=collect, args=(loader, iterator, sender))
    child.start()
    sender.close()
    found = receiver.recv()
    child.join(timeout=30)
    assert child.exitcode == 0
    return found


def sparse_labels(n: int, tasks: int) -> SparseLabels:
    """Some rows without a cell, some full."""
    random = np.random.default_rng(5)
    cells = random.random((n, tasks)) < np.linspace(0, 1, n)[:, None]
    indptr = np.concatenate(([0], np.cumsum(cells.sum(axis=1))))
    return SparseLabels(indptr, np.nonzero(cells)[1], random.choice([1, -1], int(indptr[-1])), tasks)
