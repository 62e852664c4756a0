"""What the tests of the loader share: a genome, windows, and batches as values that compare."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dnafast import Genome, Loader, Windows
from dnafast.loader import Batch

TASKS = Path("/proc/self/task")


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
