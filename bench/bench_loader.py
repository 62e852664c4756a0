"""An epoch of shuffled windows of 1000 bases: the loader, loops over numpy and pyfaidx, DataLoaders.

A count of threads takes in the consumer's: with one, batches are made in it; with two, a thread or worker is beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import simulated
from dnafast import BaseCodes, Genome, Loader, OneHot, Windows
from peers import numpy_compare_peer, numpy_lookup_peer
from yardstick import load, note

LENGTH = 1000
BATCH = 256
# About 20,000 windows, as float32 80 MB of x in five batches.
BATCHES = 8 if simulated.quick else 78
ENCODINGS = {"one-hot float32": OneHot("NCL", "float32"), "one-hot uint8": OneHot("NCL"), "base codes": BaseCodes()}
ROUNDS = 1 if simulated.quick else 5


@pytest.fixture(scope="module")
def windows() -> Windows:
    table = simulated.random_windows(BATCH * BATCHES, LENGTH)
    strand = np.random.default_rng(1).choice([1, -1], len(table.start))
    return Windows.from_arrays(table.contigs, table.contig, table.start, LENGTH, strand=strand)


@pytest.fixture(scope="module")
def codes(plain: numpy_lookup_peer.Genome, windows: Windows) -> NDArray[np.uint8]:
    """(N, L): what is right"""
    forward = numpy_lookup_peer.codes(plain.letters(windows))
    return np.where(windows.strand[:, None] > 0, forward, 3 - forward[:, ::-1])


def one_hot(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.eye(4, dtype=np.uint8)[codes].transpose(0, 2, 1)


class PyfaidxDataset:
    """A window is fetched as a plain string, the fastest way pyfaidx has, and compared with each base."""

    def __init__(self, fasta: Path, windows: Windows) -> None:
        self.fasta = str(fasta)
        self.windows = windows
        self.open: Any = None

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        if self.open is None:
            import pyfaidx

            self.open = pyfaidx.Fasta(self.fasta, as_raw=True, sequence_always_upper=False, rebuild=False)
        start = int(self.windows.start[row])
        text = self.open[self.windows.contigs[self.windows.contig[row]]][start : start + LENGTH]
        letters = np.frombuffer(text.encode(), np.uint8)[None]
        strand = self.windows.strand[row : row + 1]
        return numpy_compare_peer.one_hot_on_strands(letters, strand, np.empty((1, 4, LENGTH), np.float32))[0]


@pytest.fixture
def dataset(fasta: Path, windows: Windows, codes: NDArray[np.uint8]) -> PyfaidxDataset:
    pytest.importorskip("pyfaidx")
    dataset = PyfaidxDataset(fasta, windows)
    assert np.array_equal(np.stack([dataset[row] for row in range(BATCH)]), one_hot(codes[:BATCH]))
    dataset.open = None  # each worker opens the file itself
    return dataset


def run(benchmark: Any, batches: Callable[[], Iterable[Any]], rounds: int, warmup_rounds: int = 1) -> None:
    """Times an epoch; one number of each batch is looked at."""

    def epoch() -> int:
        return sum(int(batch.shape[0]) + 0 * int(batch.ravel()[0]) for batch in batches())

    assert benchmark.pedantic(epoch, rounds=min(rounds, ROUNDS), warmup_rounds=warmup_rounds) == BATCH * BATCHES


def describe(benchmark: Any, encoding: str, *what: Any, threads: int = 1) -> None:
    job = f"an epoch of {BATCHES} shuffled batches of {BATCH} × 1 kb as {encoding}"
    note(benchmark, job, *what, threads=threads, bases=BATCH * BATCHES * LENGTH)


@pytest.mark.parametrize("threads", simulated.thread_counts())
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_loader(
    benchmark: Any, genome: Genome, windows: Windows, codes: NDArray[np.uint8], encoding: str, threads: int
) -> None:
    loader = Loader(genome, windows, encoding=ENCODINGS[encoding], batch_size=BATCH, threads=threads - 1)
    first = next(iter(loader))
    expected = codes[np.asarray(first.index)]
    assert np.array_equal(first.x, expected if encoding == "base codes" else one_hot(expected))
    describe(benchmark, encoding, "ours", "dnafast", threads=threads)
    run(benchmark, lambda: (batch.x for batch in loader), rounds=5)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_numpy_loop(
    benchmark: Any,
    plain: numpy_lookup_peer.Genome,
    windows: Windows,
    codes: NDArray[np.uint8],
    encoding: str,
) -> None:
    """Letters in memory, each batch in memory of its own; letters stand for base codes."""
    dtype = np.float32 if encoding == "one-hot float32" else np.uint8
    offsets = np.cumsum([0, *(len(plain.contigs[name]) for name in windows.contigs)])
    text = np.concatenate([plain.contigs[name] for name in windows.contigs])
    places = np.lib.stride_tricks.sliding_window_view(text, LENGTH)
    starts = offsets[windows.contig] + windows.start

    def encode(rows: NDArray[np.int64]) -> NDArray[Any]:
        letters, strand = places[starts[rows]], windows.strand[rows]
        if encoding == "base codes":
            return numpy_compare_peer.on_strands(letters, strand)
        return numpy_compare_peer.one_hot_on_strands(letters, strand, np.empty((len(rows), 4, LENGTH), dtype))

    def batches() -> Iterable[Any]:
        order = np.random.default_rng(0).permutation(len(starts))
        return (encode(order[first : first + BATCH]) for first in range(0, len(order), BATCH))

    x = encode(np.arange(BATCH))
    if encoding == "base codes":
        assert np.array_equal(numpy_lookup_peer.codes(x), codes[:BATCH])
    else:
        assert np.array_equal(x, one_hot(codes[:BATCH]))
    describe(benchmark, encoding, "rival", "numpy_compare")
    run(benchmark, batches, rounds=5)


def test_pyfaidx_loop(benchmark: Any, dataset: PyfaidxDataset) -> None:
    def batches() -> Iterable[Any]:
        order = np.random.default_rng(0).permutation(len(dataset))
        for first in range(0, len(order), BATCH):
            yield np.stack([dataset[row] for row in order[first : first + BATCH]])

    describe(benchmark, "one-hot float32", "rival", "pyfaidx loop")
    run(benchmark, batches, rounds=2, warmup_rounds=0)


@pytest.mark.parametrize("threads", simulated.thread_counts())
def test_torch_dataloader(benchmark: Any, dataset: PyfaidxDataset, threads: int) -> None:
    torch = pytest.importorskip("torch")
    workers = threads - 1
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=lambda rows: torch.from_numpy(np.stack(rows)),
    )
    describe(benchmark, "one-hot float32", "rival", "torch DataLoader over pyfaidx", threads=threads)
    run(benchmark, lambda: loader, rounds=2, warmup_rounds=min(workers, 1))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_genvarloader(benchmark: Any, fasta: Path, windows: Windows, codes: NDArray[np.uint8], encoding: str) -> None:
    """Its batches are too small for its threads; letters stand for base codes."""
    peer = load("genvarloader")
    x = next(iter(peer.batches(fasta, windows, BATCH, encoding, shuffle=False))).numpy()
    found = numpy_lookup_peer.codes(x) if encoding == "base codes" else x
    assert np.array_equal(found, codes[:BATCH] if encoding == "base codes" else one_hot(codes[:BATCH]))
    loader = peer.batches(fasta, windows, BATCH, encoding)
    describe(benchmark, encoding, "rival", "GenVarLoader")
    run(benchmark, lambda: loader, rounds=3)
