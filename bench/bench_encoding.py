"""Windows of a genome to numbers: 20,000 of 1 kb into a reused buffer, and a batch of 256 that fits the cache."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dnafast
import simulated
from peers import numpy_lookup_peer

LENGTH = 1000
COUNTS = [256, 20_000]
DTYPES = ["uint8", "float32"]
RIVALS = ["numpy_lookup", "pysam", "pyfaidx"]


def rival_genome(rival: str, fasta: Path) -> Any:
    if rival != "numpy_lookup":
        pytest.importorskip(rival)
    return importlib.import_module(f"peers.{rival}_peer").Genome(fasta)


def throughput(benchmark: Any, count: int) -> None:
    """Gbase a second, from the median."""
    if benchmark.stats is not None:
        benchmark.extra_info["gbase_per_second"] = round(count * LENGTH / benchmark.stats.stats.median / 1e9, 3)


def expected_codes(fasta: Path, windows: simulated.Windows) -> np.ndarray:
    part = windows._replace(contig=windows.contig[:50], start=windows.start[:50], strand=windows.strand[:50])
    return numpy_lookup_peer.codes(numpy_lookup_peer.Genome(fasta).letters(part))


def time_ours(
    benchmark: Callable[..., Any], genome: dnafast.Genome, windows: simulated.Windows, encoding: Any, threads: int
) -> np.ndarray:
    out = encoding.allocate(len(windows.start), LENGTH)
    benchmark(genome.encode, windows, encoding, out=out, threads=threads)
    throughput(benchmark, len(windows.start))
    return out


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_one_hot(benchmark: Any, genome: dnafast.Genome, fasta: Path, count: int, dtype: Any, threads: int) -> None:
    benchmark.group = f"one-hot NCL {dtype}, {count} windows"
    windows = simulated.random_windows(count, LENGTH)
    out = time_ours(benchmark, genome, windows, dnafast.OneHot("NCL", dtype), threads)
    np.testing.assert_array_equal(out[:50].argmax(axis=1), expected_codes(fasta, windows))
    assert (out.sum(axis=1) == 1).all()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rival", RIVALS)
def test_one_hot_elsewhere(benchmark: Any, fasta: Path, count: int, dtype: str, rival: str) -> None:
    benchmark.group = f"one-hot NCL {dtype}, {count} windows"
    windows = simulated.random_windows(count, LENGTH)
    peer = rival_genome(rival, fasta)
    out = np.empty((count, 4, LENGTH), dtype)
    peer.one_hot(windows, out)
    np.testing.assert_array_equal(out[:50].argmax(axis=1), expected_codes(fasta, windows))
    benchmark.pedantic(peer.one_hot, (windows, out), rounds=3)
    throughput(benchmark, count)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("strand", [1, -1])
@pytest.mark.parametrize("threads", [1, 2])
def test_base_codes(benchmark: Any, genome: dnafast.Genome, fasta: Path, count: int, strand: int, threads: int) -> None:
    benchmark.group = f"base codes, strand {strand}, {count} windows"
    windows = simulated.random_windows(count, LENGTH, strand)
    out = time_ours(benchmark, genome, windows, dnafast.BaseCodes(), threads)
    expected = expected_codes(fasta, windows)
    np.testing.assert_array_equal(out[:50], expected if strand > 0 else 3 - expected[:, ::-1])


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("threads", [1, 2])
def test_kmers(benchmark: Any, genome: dnafast.Genome, fasta: Path, count: int, threads: int) -> None:
    benchmark.group = f"6-mer ids int32, {count} windows"
    windows = simulated.random_windows(count, LENGTH)
    out = time_ours(benchmark, genome, windows, dnafast.Kmers(6, dtype="int32"), threads)
    codes = expected_codes(fasta, windows)
    expected = np.empty((50, LENGTH - 5), np.int32)
    numpy_lookup_peer.kmers(np.frombuffer(b"ACGT", np.uint8)[codes], 6, expected)
    np.testing.assert_array_equal(out[:50], expected)


@pytest.mark.parametrize("count", COUNTS)
def test_kmers_elsewhere(benchmark: Any, fasta: Path, count: int) -> None:
    """The letters are there already; only the ids are timed."""
    benchmark.group = f"6-mer ids int32, {count} windows"
    letters = numpy_lookup_peer.Genome(fasta).letters(simulated.random_windows(count, LENGTH))
    out = np.empty((count, LENGTH - 5), np.int32)
    benchmark.pedantic(numpy_lookup_peer.kmers, (letters, 6, out), rounds=3)
    throughput(benchmark, count)
