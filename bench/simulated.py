"""A random genome, windows of it and peaks on it, the same in each run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnafast import Regions
from dnafast.threads import usable_cpus

LINE = 60
LARGEST_CONTIG = 200_000_000

# Set by conftest where each benchmark runs once, for its answer alone.
quick = False


class Windows(NamedTuple):
    """What the genome and the rivals need of a window table."""

    contigs: tuple[str, ...]
    contig: NDArray[np.int32]
    start: NDArray[np.int64]
    strand: NDArray[np.int8]
    length: int


def genome_size() -> int:
    """Bases of the genome: ``DNAFAST_BENCH_BASES``, else 100 million."""
    return int(os.environ.get("DNAFAST_BENCH_BASES") or (4_000_000 if quick else 100_000_000))


def call_size() -> int:
    """Windows a call that fits no cache."""
    return 2_000 if quick else 20_000


def thread_counts() -> list[int]:
    """1 and 2, and on by doubling to what the machine has."""
    counts = [1, 2]
    while 2 * counts[-1] <= usable_cpus():
        counts.append(2 * counts[-1])
    return counts


def contig_lengths() -> dict[str, int]:
    """Contigs of one length, as few as may be."""
    size = genome_size()
    number = -(-size // LARGEST_CONTIG)
    return {f"chr{index + 1}": size // number for index in range(number)}


def random_windows(count: int, length: int, strand: int = 1) -> Windows:
    contigs = contig_lengths()
    rng = np.random.default_rng(7)
    return Windows(
        tuple(contigs),
        rng.integers(0, len(contigs), count, np.int32),
        rng.integers(0, min(contigs.values()) - length, count),
        np.full(count, strand, np.int8),
        length,
    )


def write_fasta(path: Path) -> None:
    """Random bases, half of them soft-masked in stretches of 300 on average."""
    rng = np.random.default_rng(1)
    with path.open("wb") as file:
        for name, length in contig_lengths().items():
            letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, length, np.uint8)]
            borders = np.cumsum(rng.integers(50, 550, length // 300))
            masked = np.zeros(length, np.uint8)
            masked[borders[borders < length]] = 1
            letters |= (np.cumsum(masked, dtype=np.uint8) & 1) << 5
            file.write(f">{name}\n".encode())
            write_lines(file, letters)


def write_lines(file: BinaryIO, letters: NDArray[np.uint8]) -> None:
    """The letters of a contig, in lines of 60."""
    whole = letters[: len(letters) // LINE * LINE].reshape(-1, LINE)
    np.concatenate([whole, np.full((len(whole), 1), ord("\n"), np.uint8)], axis=1).tofile(file)
    if whole.size < len(letters):
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
