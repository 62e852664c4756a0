"""20,000 GC-matched negatives of 1000 bases from a genome of 120 million, against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dnafast import Genome, Windows, sample_negatives

SIZE = 120_000_000
CONTIGS = 6
LENGTH = 1000
STRETCH = 5000
POSITIVES = 20_000


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
def genome(letters: list[NDArray[np.uint8]]) -> Genome:
    return Genome.from_sequences([contig.tobytes() for contig in letters])


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
    """Random starts until every bin is full: G+C by running sums, what touches a positive left out."""
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
    found: list[NDArray[np.int64]] = []
    for _ in range(50):
        tried = random.integers(0, len(text) - LENGTH, 200_000)
        contig = np.searchsorted(offset, tried, side="right")
        tried = tried[(tried + LENGTH <= offset[contig]) & (free[tried + LENGTH] == free[tried])]
        bins = (sums[tried + LENGTH] - sums[tried]) * 50 // LENGTH
        for one in np.flatnonzero(wanted):
            taken = tried[bins == one][: wanted[one]]
            wanted[one] -= len(taken)
            found.append(taken)
        if not wanted.any():
            break
    return np.concatenate(found)


@pytest.mark.filterwarnings("ignore:the genome holds:UserWarning")
@pytest.mark.benchmark(group="gc-matched negatives, 20,000 of 1 kb from 120 Mb")
@pytest.mark.parametrize("threads", [1, 2])
def bench_gc_matched(benchmark: Any, genome: Genome, positives: Windows, threads: int) -> None:
    negatives = benchmark.pedantic(
        sample_negatives, (genome, positives), {"threads": threads}, rounds=7, warmup_rounds=1
    )
    # The richest bins may be used up by the positives themselves.
    assert len(negatives) > 0.999 * POSITIVES
    assert abs(bins_of(genome, negatives) - bins_of(genome, positives)).sum() == POSITIVES - len(negatives)


@pytest.mark.benchmark(group="gc-matched negatives, 20,000 of 1 kb from 120 Mb")
def bench_gc_matched_numpy(benchmark: Any, letters: list[NDArray[np.uint8]], positives: Windows) -> None:
    found = benchmark.pedantic(with_numpy, (letters, positives), rounds=2)
    assert len(found) > 0.99 * POSITIVES


@pytest.mark.benchmark(group="random negatives, 20,000 of 1 kb from 120 Mb")
@pytest.mark.parametrize("threads", [1, 2])
def bench_random(benchmark: Any, genome: Genome, positives: Windows, threads: int) -> None:
    negatives = benchmark.pedantic(
        sample_negatives, (genome, positives), {"method": "random", "threads": threads}, rounds=7, warmup_rounds=1
    )
    assert len(negatives) == POSITIVES


def bins_of(genome: Genome, windows: Windows) -> NDArray[np.int64]:
    return np.bincount(genome.composition(windows)[:, 0].astype(np.int64) * 50 // LENGTH, minlength=51)
