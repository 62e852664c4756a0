"""Opening a genome, first and again; composition of windows."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dnafast
import simulated


@pytest.mark.benchmark(group="open plain FASTA for the first time, 100 Mb")
@pytest.mark.parametrize("threads", [1, 2])
def test_first_open(benchmark: Callable[..., Any], fasta: Path, tmp_path: Path, threads: int) -> None:
    """Conversion, fsync included."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAFAST_CACHE", str(tmp_path))

        def empty_cache() -> None:
            for entry in tmp_path.iterdir():
                entry.unlink()

        result = benchmark.pedantic(dnafast.Genome, (fasta,), {"threads": threads}, setup=empty_cache, rounds=5)
    assert result.contigs == {"chr1": simulated.GENOME_SIZE}


@pytest.mark.benchmark(group="open plain FASTA for the first time, 100 Mb")
@pytest.mark.parametrize("rival", ["pyfaidx", "pysam"])
def test_first_open_elsewhere(benchmark: Callable[..., Any], fasta: Path, rival: str) -> None:
    """Only an index is made: no base is converted."""
    pytest.importorskip(rival)
    peer = importlib.import_module(f"peers.{rival}_peer")
    index = Path(f"{fasta}.fai")
    benchmark.pedantic(peer.Genome, (fasta,), setup=lambda: index.unlink(missing_ok=True), rounds=3)


@pytest.mark.benchmark(group="open bgzip FASTA for the first time, 100 Mb")
@pytest.mark.parametrize("threads", [1, 2])
def test_first_open_of_bgzip(benchmark: Callable[..., Any], fasta: Path, tmp_path: Path, threads: int) -> None:
    pysam = pytest.importorskip("pysam")
    compressed = tmp_path / "genome.fa.gz"
    pysam.tabix_compress(str(fasta), str(compressed))
    cache = tmp_path / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAFAST_CACHE", str(cache))

        def empty_cache() -> None:
            subprocess.run(["rm", "-rf", str(cache)], check=True)

        benchmark.pedantic(dnafast.Genome, (compressed,), {"threads": threads}, setup=empty_cache, rounds=2)


@pytest.mark.benchmark(group="open again")
def test_open_again(benchmark: Callable[..., Any], fasta: Path, genome: dnafast.Genome) -> None:
    assert benchmark(dnafast.Genome, fasta).contigs == genome.contigs


@pytest.mark.benchmark(group="open again")
@pytest.mark.parametrize("rival", ["pyfaidx", "pysam"])
def test_open_again_elsewhere(benchmark: Callable[..., Any], fasta: Path, rival: str) -> None:
    pytest.importorskip(rival)
    benchmark(importlib.import_module(f"peers.{rival}_peer").Genome, fasta)


@pytest.mark.benchmark(group="G+C, N and masked bases of 20,000 windows of 1 kb")
@pytest.mark.parametrize("threads", [1, 2])
def test_composition(benchmark: Callable[..., Any], genome: dnafast.Genome, threads: int) -> None:
    windows = simulated.random_windows(20_000, 1000)
    letters = genome.fetch("chr1", int(windows.start[5]), int(windows.start[5]) + 1000)
    expected = [sum(c in "GCgc" for c in letters), 0, sum(c.islower() for c in letters)]
    result = benchmark(genome.composition, windows, threads=threads)
    np.testing.assert_array_equal(result[5], expected)
