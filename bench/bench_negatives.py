"""20,000 GC-matched and random negatives of 1000 bases from a genome of 120 million."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import simulated
from dnafast import Genome, Windows, sample_negatives
from yardstick import Limits, load, note

SIZE = 6_000_000 if simulated.quick else 120_000_000
CONTIGS = 6
LENGTH = 1000
STRETCH = 5000
POSITIVES = SIZE // 6000
THREADS = simulated.thread_counts()
ROUNDS = 1 if simulated.quick else 5


@pytest.fixture(scope="module")
def letters() -> list[NDArray[np.uint8]]:
    """Stretches of 5 kb that differ in G+C as those of a mammal do."""
    random = np.random.default_rng(0)
    contigs = []
    for _ in range(CONTIGS):
        stretches = SIZE // CONTIGS // STRETCH
        gc = np.clip(random.normal(0.41, 0.06, stretches), 0.2, 0.8)
        threshold = np.repeat((gc * 256).astype(np.uint8), STRETCH)
        bits = random.integers(0, 256, threshold.size, dtype=np.uint8)
        second = random.integers(0, 2, threshold.size, dtype=np.uint8)
        contigs.append(np.frombuffer(b"ATCG", np.uint8)[(bits < threshold) * np.uint8(2) + second])
    return contigs


@pytest.fixture(scope="module")
def fasta(letters: list[NDArray[np.uint8]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("negatives") / "genome.fa"
    with path.open("wb") as file:
        for number, contig in enumerate(letters):
            file.write(f">chr{number + 1}\n".encode())
            simulated.write_lines(file, contig)
    return path


@pytest.fixture(scope="module")
def genome(fasta: Path, cache_folder: Path) -> Genome:
    return Genome(fasta)


@pytest.fixture(scope="module")
def positives(genome: Genome) -> Windows:
    """Windows richer in G+C than the genome, as open chromatin is."""
    random = np.random.default_rng(1)
    n = 20 * POSITIVES
    start = random.integers(0, SIZE // CONTIGS - LENGTH, n)
    windows = Windows.from_arrays(tuple(genome.contigs), random.integers(0, CONTIGS, n), start, LENGTH)
    gc = genome.composition(windows)[:, 0] / LENGTH
    chance = np.exp((gc - 0.41) * 12)
    return windows[np.sort(random.choice(n, POSITIVES, replace=False, p=chance / chance.sum()))]


def with_numpy(letters: list[NDArray[np.uint8]], positives: Windows) -> NDArray[np.int64]:
    """Random places until every bin is full, none twice: G+C by running sums, what touches a positive left out."""
    random = np.random.default_rng(0)
    offset = np.cumsum([0, *map(len, letters)])
    text = np.concatenate(letters)
    sums = np.concatenate([[0], np.cumsum((text == ord("G")) | (text == ord("C")), dtype=np.int32)])
    blocked = np.zeros(len(text) + 1, np.int32)
    start = positives.start + offset[positives.contig]
    np.add.at(blocked, start, 1)
    np.add.at(blocked, start + LENGTH, -1)
    free = np.concatenate([[0], np.cumsum(np.cumsum(blocked[:-1]) > 0, dtype=np.int32)])
    wanted = np.bincount((sums[start + LENGTH] - sums[start]) * 50 // LENGTH, minlength=51)
    used = np.zeros(len(text), bool)
    found: list[NDArray[np.int64]] = []
    for _ in range(50):
        tried = random.integers(0, len(text) - LENGTH, 10 * POSITIVES)
        tried = tried[np.sort(np.unique(tried, return_index=True)[1])]
        tried = tried[~used[tried]]
        contig = np.searchsorted(offset, tried, side="right")
        tried = tried[(tried + LENGTH <= offset[contig]) & (free[tried + LENGTH] == free[tried])]
        bins = (sums[tried + LENGTH] - sums[tried]) * 50 // LENGTH
        for one in np.flatnonzero(wanted):
            taken = tried[bins == one][: wanted[one]]
            wanted[one] -= len(taken)
            used[taken] = True
            found.append(taken)
        if not wanted.any():
            break
    return np.concatenate(found)


def describe(benchmark: Any, method: str, *what: Any, threads: int = 1) -> None:
    note(benchmark, f"{POSITIVES:,} {method} negatives of 1 kb from {SIZE // 10**6} Mb", *what, threads=threads)


@pytest.mark.filterwarnings("ignore:the genome holds:UserWarning")
@pytest.mark.parametrize("threads", THREADS)
def test_gc_matched(benchmark: Any, fasta: Path, positives: Windows, threads: int) -> None:
    """Reopening the genome included, as elsewhere."""
    describe(benchmark, "GC-matched", "ours", "dnafast", threads=threads)
    negatives = benchmark.pedantic(
        lambda: sample_negatives(Genome(fasta), positives, threads=threads), rounds=ROUNDS, warmup_rounds=1
    )
    check_matched(Genome(fasta), negatives, positives)


@pytest.mark.parametrize("threads", THREADS)
def test_gc_matched_by_tangermeme(
    benchmark: Any, fasta: Path, genome: Genome, positives: Windows, threads: int
) -> None:
    """It chooses among tiles; a bin that is used up takes from its neighbours."""
    peer = load("tangermeme")
    describe(benchmark, "GC-matched", "rival", "tangermeme", threads=threads)
    found = benchmark.pedantic(peer.matching_negatives, (fasta, positives, threads), rounds=min(ROUNDS, 3))
    assert len(found) == POSITIVES
    contig = np.array([list(genome.contigs).index(name) for name in found.chrom])
    negatives = Windows.from_arrays(tuple(genome.contigs), contig, found.start.to_numpy(), LENGTH)
    assert abs(bins_of(genome, negatives) - bins_of(genome, positives)).sum() < 0.2 * POSITIVES


def test_gc_matched_by_numpy(
    benchmark: Any, letters: list[NDArray[np.uint8]], genome: Genome, positives: Windows
) -> None:
    describe(benchmark, "GC-matched", "rival", "numpy, letters in memory")
    found = benchmark.pedantic(with_numpy, (letters, positives), rounds=min(ROUNDS, 2))
    contig, start = np.divmod(found, SIZE // CONTIGS)
    check_matched(genome, Windows.from_arrays(tuple(genome.contigs), contig, start, LENGTH), positives)


@pytest.mark.parametrize("threads", THREADS)
def test_gc_matched_limit(benchmark: Any, letters: list[NDArray[np.uint8]], threads: int) -> None:
    text = np.concatenate(letters)
    describe(benchmark, "GC-matched", "limit", "one pass over the letters", threads=threads)
    with Limits(threads) as limits:
        benchmark(limits.look_through, text)


@pytest.mark.parametrize("threads", THREADS)
def test_random(benchmark: Any, genome: Genome, positives: Windows, threads: int) -> None:
    describe(benchmark, "random", "ours", "dnafast", threads=threads)
    negatives = benchmark.pedantic(
        sample_negatives, (genome, positives), {"method": "random", "threads": threads}, rounds=ROUNDS, warmup_rounds=1
    )
    assert len(negatives) == POSITIVES
    check_places(negatives, positives)


def check_places(negatives: Windows, positives: Windows) -> None:
    """No window twice, and none that touches a positive one."""
    place = negatives.contig.astype(np.int64) * SIZE + negatives.start
    assert len(np.unique(place)) == len(place)
    # Of the positives in order only the first that ends behind a window's start can be the one that it touches.
    taken = np.append(np.sort(positives.contig.astype(np.int64) * SIZE + positives.start), CONTIGS * SIZE)
    assert (taken[np.searchsorted(taken, place - LENGTH, side="right")] >= place + LENGTH).all()


def check_matched(genome: Genome, negatives: Windows, positives: Windows) -> None:
    """The same, and each bin of G+C as full as that of the positives, but for what the genome lacks."""
    check_places(negatives, positives)
    # The richest bins may be used up by the positives themselves.
    assert len(negatives) >= 0.999 * POSITIVES
    assert abs(bins_of(genome, negatives) - bins_of(genome, positives)).sum() == POSITIVES - len(negatives)


def bins_of(genome: Genome, windows: Windows) -> NDArray[np.int64]:
    return np.bincount(genome.composition(windows)[:, 0].astype(np.int64) * 50 // LENGTH, minlength=51)
