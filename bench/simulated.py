"""A random genome, windows of it and peaks on it, the same in each run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnafast import Regions

GENOME_SIZE = 100_000_000
LINE = 60


class Windows(NamedTuple):
    """What the genome and the rivals need of a window table."""

    contigs: tuple[str, ...]
    contig: NDArray[np.int32]
    start: NDArray[np.int64]
    strand: NDArray[np.int8]
    length: int


def random_windows(count: int, length: int, strand: int = 1) -> Windows:
    rng = np.random.default_rng(7)
    return Windows(
        ("chr1",),
        np.zeros(count, np.int32),
        rng.integers(0, GENOME_SIZE - length, count),
        np.full(count, strand, np.int8),
        length,
    )


def write_fasta(path: Path) -> None:
    """100 Mb of random bases in one contig, half of them soft-masked in stretches of 300 on average."""
    rng = np.random.default_rng(1)
    letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, GENOME_SIZE, np.uint8)]
    borders = np.cumsum(rng.integers(50, 550, GENOME_SIZE // 300))
    masked = np.zeros(GENOME_SIZE, np.uint8)
    masked[borders[borders < GENOME_SIZE]] = 1
    letters |= (np.cumsum(masked, dtype=np.uint8) & 1) << 5
    whole = letters[: GENOME_SIZE // LINE * LINE].reshape(-1, LINE)
    with path.open("wb") as file:
        file.write(b">chr1\n")
        np.concatenate([whole, np.full((len(whole), 1), ord("\n"), np.uint8)], axis=1).tofile(file)
        file.write(letters[whole.size :].tobytes() + b"\n")


class Outline:
    """What tiles need of a genome, without its bases: 24 contigs, a twentieth of each in eight gaps."""

    def __init__(self, bases: int) -> None:
        share = np.linspace(5, 1, 24)
        sizes = (share * bases / share.sum()).astype(np.int64).tolist()
        self.contigs: dict[str, int] = {f"chr{number}": size for number, size in enumerate(sizes, 1)}

    def unknown_blocks(self, contig: str) -> NDArray[np.int64]:
        start = np.arange(8) * (self.contigs[contig] // 8)
        return np.stack([start, start + self.contigs[contig] // 160], axis=1)


def random_peaks(outline: Outline, count: int, seed: int) -> Regions:
    """Peaks of 150 to 1000 bases anywhere, in no order."""
    rng = np.random.default_rng(seed)
    sizes = np.array(list(outline.contigs.values()))
    contig = rng.choice(sizes.size, count, p=sizes / sizes.sum())
    start = rng.integers(0, sizes[contig] - 1000)
    return Regions.from_arrays(tuple(outline.contigs), contig, start, start + rng.integers(150, 1000, count))
