"""An epoch of shuffled windows of 1000 bases: the loader, a pyfaidx loop, and a torch DataLoader over it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dnafast import BaseCodes, Genome, Loader, OneHot, Windows

SIZE = 20_000_000
LENGTH = 1000
BATCH = 256
BATCHES = 78  # about 20,000 windows, 80 MB of x in four batches on their way and one in use

pyfaidx = pytest.importorskip("pyfaidx")


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    lines = np.full((SIZE // 50, 51), ord("\n"), np.uint8)
    lines[:, :50] = random.choice(np.frombuffer(b"ACGT", np.uint8), (SIZE // 50, 50))
    path = tmp_path_factory.mktemp("loader") / "genome.fa"
    path.write_bytes(b">chr1\n" + lines.tobytes())
    return path


@pytest.fixture(scope="module")
def genome(fasta: Path, tmp_path_factory: pytest.TempPathFactory) -> Genome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAFAST_CACHE", str(tmp_path_factory.mktemp("cache")))
        return Genome(fasta)


@pytest.fixture(scope="module")
def windows() -> Windows:
    random = np.random.default_rng(1)
    n = BATCH * BATCHES
    strand = random.choice([1, -1], n)
    return Windows.from_arrays(("chr1",), np.zeros(n), random.integers(0, SIZE - LENGTH, n), LENGTH, strand=strand)


@pytest.fixture(scope="module")
def expected(genome: Genome, windows: Windows) -> NDArray[np.float32]:
    """Rows of x added up, as a check on every adapter."""
    return np.asarray(genome.encode(windows, OneHot("NCL", "float32"))[:BATCH])


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
            self.open = pyfaidx.Fasta(self.fasta, sequence_always_upper=True, rebuild=False)
        start = int(self.windows.start[row])
        sequence = self.open["chr1"][start : start + LENGTH]
        text = (-sequence if self.windows.strand[row] < 0 else sequence).seq
        return np.ascontiguousarray(self.table[np.frombuffer(text.encode(), np.uint8)].T)


def consume(batches: Iterable[Any]) -> int:
    """Runs an epoch; one number of each batch is looked at."""
    return sum(int(batch[0].shape[0]) + 0 * int(batch[0].ravel()[0]) for batch in batches)


def note_rate(benchmark: Any) -> None:
    benchmark.extra_info["batches_per_second"] = round(BATCHES / benchmark.stats.stats.median)


GROUP = "an epoch of 78 batches of 256 x 1 kb"


@pytest.mark.benchmark(group=GROUP)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("encoding", [OneHot("NCL", "float32"), OneHot("NCL", "uint8"), BaseCodes()], ids=str)
def bench_loader(
    benchmark: Any, genome: Genome, windows: Windows, expected: NDArray[np.float32], encoding: Any, threads: int
) -> None:
    loader = Loader(genome, windows, encoding=encoding, batch_size=BATCH, threads=threads)
    if encoding == OneHot("NCL", "float32"):
        plain = next(iter(Loader(genome, windows, batch_size=BATCH, shuffle=False)))
        assert np.array_equal(plain.x, expected)
    consumed = benchmark.pedantic(lambda: consume(loader), rounds=9, warmup_rounds=1)
    assert consumed == len(windows)
    note_rate(benchmark)


@pytest.mark.benchmark(group=GROUP)
def bench_pyfaidx_loop(benchmark: Any, fasta: Path, windows: Windows, expected: NDArray[np.float32]) -> None:
    dataset = PyfaidxDataset(fasta, windows)
    assert np.array_equal(np.stack([dataset[row] for row in range(BATCH)]), expected)

    def batches() -> Iterable[Any]:
        order = np.random.default_rng(0).permutation(len(dataset))
        for first in range(0, len(order), BATCH):
            yield (np.stack([dataset[row] for row in order[first : first + BATCH]]),)

    assert benchmark.pedantic(lambda: consume(batches()), rounds=2) == len(windows)
    note_rate(benchmark)


@pytest.mark.benchmark(group=GROUP)
@pytest.mark.parametrize("workers", [0, 2])
def bench_torch_dataloader(
    benchmark: Any, fasta: Path, windows: Windows, expected: NDArray[np.float32], workers: int
) -> None:
    torch = pytest.importorskip("torch")
    dataset = PyfaidxDataset(fasta, windows)
    assert np.array_equal(np.stack([dataset[row] for row in range(BATCH)]), expected)
    dataset.open = None  # each worker opens the file itself
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=lambda rows: (torch.from_numpy(np.stack(rows)),),
    )
    assert benchmark.pedantic(lambda: consume(loader), rounds=2, warmup_rounds=min(workers, 1)) == len(windows)
    note_rate(benchmark)
