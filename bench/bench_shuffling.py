"""20,000 sequences shuffled, the counts of their words kept: ours, SeqPro and numpy."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import dnafast

COUNT = 20_000
LENGTHS = [81, 1000]
KS = [1, 2, 3]


@pytest.fixture(params=LENGTHS, scope="module")
def letters(request: pytest.FixtureRequest) -> NDArray[np.uint8]:
    return np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(0).integers(0, 4, (COUNT, request.param))]


def check(before: NDArray[np.uint8], after: NDArray[np.uint8], k: int) -> None:
    """As many of each word in each sequence, and most letters elsewhere."""
    counts = dnafast.KmerCounts(k)
    np.testing.assert_array_equal(dnafast.encode(after, counts), dnafast.encode(before, counts))
    assert (before != after).mean() > 0.6


def name_group(benchmark: Any, letters: NDArray[np.uint8], k: int) -> None:
    benchmark.group = f"shuffle, k = {k}, {COUNT} of {letters.shape[1]} bases"


def throughput(benchmark: Any, letters: NDArray[np.uint8]) -> None:
    """Gbase a second, from the median."""
    if benchmark.stats is not None:
        benchmark.extra_info["gbase_per_second"] = round(letters.size / benchmark.stats.stats.median / 1e9, 3)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("threads", [1, 2])
def test_shuffle(benchmark: Any, letters: NDArray[np.uint8], k: int, threads: int) -> None:
    name_group(benchmark, letters, k)
    check(letters, dnafast.shuffle(letters, k, seed=1, threads=threads), k)
    benchmark.pedantic(dnafast.shuffle, (letters, k), {"seed": 1, "threads": threads}, rounds=11, warmup_rounds=1)
    throughput(benchmark, letters)


@pytest.mark.parametrize("k", [2])
@pytest.mark.parametrize("threads", [1, 2])
def test_shuffle_texts(benchmark: Any, letters: NDArray[np.uint8], k: int, threads: int) -> None:
    """A list of str instead of an array."""
    name_group(benchmark, letters, k)
    texts = [row.tobytes().decode() for row in letters]
    shuffled = dnafast.shuffle(texts, k, seed=1, threads=threads)
    assert "".join(shuffled).encode() == dnafast.shuffle(letters, k, seed=1).tobytes()
    benchmark.pedantic(dnafast.shuffle, (texts, k), {"seed": 1, "threads": threads}, rounds=11, warmup_rounds=1)
    throughput(benchmark, letters)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("rival", ["seqpro", "numpy_walk"])
def test_shuffle_elsewhere(benchmark: Any, letters: NDArray[np.uint8], k: int, rival: str) -> None:
    name_group(benchmark, letters, k)
    if rival == "seqpro":
        pytest.importorskip(rival)
    peer = importlib.import_module(f"peers.{rival}_peer")
    check(letters, peer.shuffle(letters, k, 1), k)
    benchmark.pedantic(peer.shuffle, (letters, k, 1), rounds=3)
    throughput(benchmark, letters)
