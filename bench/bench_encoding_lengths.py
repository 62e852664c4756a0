"""Windows of 81 to 100,000 bases to numbers, 20 million bases a call at each length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dnafast
import simulated
from peers import numpy_lookup_peer
from yardstick import Limits, cases, note, open_genome

LENGTHS = [81, 200, 1000, 10_000, 100_000]
BASES = 1000 * simulated.call_size()
THREADS = simulated.thread_counts()[:2]
SAMPLE = 100_000  # bases whose answers are compared


@pytest.fixture(params=LENGTHS)
def windows(request: Any) -> simulated.Windows:
    return simulated.random_windows(BASES // request.param, request.param)


@pytest.fixture
def codes(plain: numpy_lookup_peer.Genome, windows: simulated.Windows) -> Any:
    """What is right for the first windows."""
    count = -(-SAMPLE // windows.length)
    some = windows._replace(contig=windows.contig[:count], start=windows.start[:count], strand=windows.strand[:count])
    return numpy_lookup_peer.codes(plain.letters(some))


def describe(benchmark: Any, windows: simulated.Windows, to: str, *what: Any, threads: int) -> None:
    job = f"{len(windows.start):,} windows of {windows.length:,} bases → {to}"
    note(benchmark, job, *what, threads=threads, bases=len(windows.start) * windows.length)


@pytest.mark.parametrize("threads", THREADS)
def test_one_hot(benchmark: Any, genome: dnafast.Genome, windows: Any, codes: Any, threads: int) -> None:
    encoding = dnafast.OneHot("NCL", "uint8")
    out = encoding.allocate(len(windows.start), windows.length)
    genome.encode(windows, encoding, out=out, threads=threads)
    np.testing.assert_array_equal(out[: len(codes)].argmax(axis=1), codes)
    describe(benchmark, windows, "one-hot uint8", "ours", "dnafast", threads=threads)
    benchmark(genome.encode, windows, encoding, out=out, threads=threads)


@pytest.mark.parametrize(("rival", "threads"), cases("numpy_compare", "tangermeme", most=THREADS[-1]))
def test_one_hot_elsewhere(benchmark: Any, fasta: Any, windows: Any, codes: Any, rival: str, threads: int) -> None:
    peer = open_genome(rival, fasta)
    table, out = peer.prepare(windows), np.empty((len(windows.start), 4, windows.length), np.uint8)
    more = {"threads": threads} if threads > 1 else {}
    np.testing.assert_array_equal(peer.one_hot(table, out, **more)[: len(codes)].argmax(axis=1), codes)
    describe(benchmark, windows, "one-hot uint8", "rival", rival, threads=threads)
    benchmark(peer.one_hot, table, out, **more)


@pytest.mark.parametrize("threads", THREADS)
def test_one_hot_limit(benchmark: Any, windows: Any, threads: int) -> None:
    out = np.empty((len(windows.start), 4, windows.length), np.uint8)
    describe(benchmark, windows, "one-hot uint8", "limit", "memset", threads=threads)
    with Limits(threads) as limits:
        benchmark(limits.fill, out)
    assert out.all()


@pytest.mark.parametrize("threads", THREADS)
def test_codes(benchmark: Any, genome: dnafast.Genome, windows: Any, codes: Any, threads: int) -> None:
    out = np.empty((len(windows.start), windows.length), np.uint8)
    genome.encode(windows, dnafast.BaseCodes(), out=out, threads=threads)
    np.testing.assert_array_equal(out[: len(codes)], codes)
    describe(benchmark, windows, "base codes or letters", "ours", "dnafast", threads=threads)
    benchmark(genome.encode, windows, dnafast.BaseCodes(), out=out, threads=threads)


@pytest.mark.parametrize(("rival", "threads"), cases("genvarloader", "numpy_compare", "pysam", most=THREADS[-1]))
def test_codes_elsewhere(benchmark: Any, fasta: Any, windows: Any, codes: Any, rival: str, threads: int) -> None:
    peer = open_genome(rival, fasta)
    table = peer.prepare(windows)
    more = {"threads": threads} if threads > 1 else {}
    np.testing.assert_array_equal(numpy_lookup_peer.codes(peer.letters(table, **more)[: len(codes)]), codes)
    name = rival.removesuffix("_compare")
    describe(benchmark, windows, "base codes or letters", "rival", name, threads=threads)
    benchmark(peer.letters, table, **more)


@pytest.mark.parametrize("threads", THREADS)
def test_codes_limit(benchmark: Any, windows: Any, threads: int) -> None:
    source, out = np.ones((2, len(windows.start), windows.length), np.uint8)
    describe(benchmark, windows, "base codes or letters", "limit", "memmove", threads=threads)
    with Limits(threads) as limits:
        benchmark(limits.copy, source, out)
