"""An epoch of shuffled windows of 1000 bases: the loader, torch's DataLoader over pyfaidx, and GenVarLoader's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import simulated
from dnafast import BaseCodes, Genome, Loader, OneHot, Windows
from peers import numpy_lookup_peer
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
    """What people write: a window is fetched, turned and looked up in a table."""

    def __init__(self, fasta: Path, windows: Windows) -> None:
        self.fasta = str(fasta)
        self.windows = windows
        self.open: Any = None
        self.table = np.zeros((256, 4), np.float32)
        for channel, letter in enumerate(b"ACGT"):
            self.table[letter, channel] = 1

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        if self.open is None:
            import pyfaidx

            self.open = pyfaidx.Fasta(self.fasta, sequence_always_upper=True, rebuild=False)
        start = int(self.windows.start[row])
        sequence = self.open[self.windows.contigs[self.windows.contig[row]]][start : start + LENGTH]
        text = (-sequence if self.windows.strand[row] < 0 else sequence).seq
        return np.ascontiguousarray(self.table[np.frombuffer(text.encode(), np.uint8)].T)


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
    loader = Loader(genome, windows, encoding=ENCODINGS[encoding], batch_size=BATCH, threads=threads)
    first = next(iter(loader))
    expected = codes[np.asarray(first.index)]
    assert np.array_equal(first.x, expected if encoding == "base codes" else one_hot(expected))
    describe(benchmark, encoding, "ours", "dnafast", threads=threads)
    run(benchmark, lambda: (batch.x for batch in loader), rounds=5)


def test_pyfaidx_loop(benchmark: Any, dataset: PyfaidxDataset) -> None:
    def batches() -> Iterable[Any]:
        order = np.random.default_rng(0).permutation(len(dataset))
        for first in range(0, len(order), BATCH):
            yield np.stack([dataset[row] for row in order[first : first + BATCH]])

    describe(benchmark, "one-hot float32", "rival", "pyfaidx loop")
    run(benchmark, batches, rounds=2, warmup_rounds=0)


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_dataloader(benchmark: Any, dataset: PyfaidxDataset, workers: int) -> None:
    torch = pytest.importorskip("torch")
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=lambda rows: torch.from_numpy(np.stack(rows)),
    )
    describe(benchmark, "one-hot float32", "rival", "torch DataLoader over pyfaidx", threads=max(1, workers))
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
