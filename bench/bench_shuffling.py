"""20,000 sequences shuffled, the counts of their words kept: ours, SeqPro and numpy."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import dnafast
import simulated
from dnafast.threads import usable_cpus
from yardstick import load, note

COUNT = simulated.call_size()
# Rayon's, which has no other switch and reads it once.
RAYON_THREADS = int(os.environ.get("RAYON_NUM_THREADS") or 0) or usable_cpus()
LENGTHS = [81, 1000]
WORDS = {1: "mono", 2: "di", 3: "tri"}


@pytest.fixture(params=LENGTHS, scope="module")
def letters(request: pytest.FixtureRequest) -> NDArray[np.uint8]:
    return np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(0).integers(0, 4, (COUNT, request.param))]


def check(before: NDArray[np.uint8], after: NDArray[np.uint8], k: int) -> None:
    """As many of each word in each sequence, and most letters elsewhere."""
    counts = dnafast.KmerCounts(k)
    np.testing.assert_array_equal(dnafast.encode(after, counts), dnafast.encode(before, counts))
    assert (before != after).mean() > 0.6


def describe(benchmark: Any, letters: NDArray[np.uint8], k: int, *what: Any, form: str = "", threads: int = 1) -> None:
    length = "1 kb" if letters.shape[1] == 1000 else f"{letters.shape[1]} bases"
    job = f"{COUNT:,} {WORDS[k]}nucleotide shuffles of {length}{form}"
    note(benchmark, job, *what, threads=threads, bases=letters.size)


@pytest.mark.parametrize("k", WORDS)
@pytest.mark.parametrize("threads", simulated.thread_counts())
def test_shuffle(benchmark: Any, letters: NDArray[np.uint8], k: int, threads: int) -> None:
    describe(benchmark, letters, k, "ours", "dnafast", threads=threads)
    check(letters, dnafast.shuffle(letters, k, seed=1, threads=threads), k)
    benchmark.pedantic(dnafast.shuffle, (letters, k), {"seed": 1, "threads": threads}, rounds=11, warmup_rounds=1)


@pytest.mark.parametrize("k", [2])
@pytest.mark.parametrize("threads", simulated.thread_counts())
def test_shuffle_texts(benchmark: Any, letters: NDArray[np.uint8], k: int, threads: int) -> None:
    """A list of str instead of an array."""
    describe(benchmark, letters, k, "ours", "dnafast", form=" as str", threads=threads)
    texts = [row.tobytes().decode() for row in letters]
    shuffled = dnafast.shuffle(texts, k, seed=1, threads=threads)
    assert "".join(shuffled).encode() == dnafast.shuffle(letters, k, seed=1).tobytes()
    benchmark.pedantic(dnafast.shuffle, (texts, k), {"seed": 1, "threads": threads}, rounds=11, warmup_rounds=1)


@pytest.mark.parametrize("k", WORDS)
@pytest.mark.parametrize("rival", ["seqpro", "numpy_walk"])
def test_shuffle_elsewhere(benchmark: Any, letters: NDArray[np.uint8], k: int, rival: str) -> None:
    describe(benchmark, letters, k, "rival", rival, threads=RAYON_THREADS if rival == "seqpro" else 1)
    peer = load(rival)
    check(letters, peer.shuffle(letters, k, 1), k)
    benchmark.pedantic(peer.shuffle, (letters, k, 1), rounds=3)
