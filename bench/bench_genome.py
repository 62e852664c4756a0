"""Opening a genome, first and again, from the page cache and from the disk; composition of windows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dnafast
import simulated
from peers import numpy_lookup_peer
from yardstick import Limits, drop_from_page_cache, load, note, remove

THREADS = simulated.thread_counts()
RIVALS = ["bionumpy", "genvarloader", "pyfaidx", "pysam"]
WARMTH = ["warm", "cold"]
ROUNDS = 1 if simulated.quick else 5


@pytest.fixture(params=WARMTH)
def cold(request: Any) -> bool:
    """Whether files are read from the disk rather than from the page cache."""
    if request.param == "cold" and not hasattr(os, "posix_fadvise"):
        pytest.skip("this system has no posix_fadvise: files cannot be dropped from the page cache")
    return request.param == "cold"


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """A cache of the test's own, for what the session's genome has mapped stays in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAFAST_CACHE", str(tmp_path / "cache"))
        yield tmp_path / "cache"


@pytest.fixture(scope="module")
def compressed(fasta: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The genome as bgzip."""
    pysam = pytest.importorskip("pysam")
    path = tmp_path_factory.mktemp("bgzip") / "genome.fa.gz"
    pysam.tabix_compress(str(fasta), str(path))
    return path


def warmth(cold: bool) -> str:
    return "from the disk" if cold else "from the page cache"


def check(opened: Any, plain: numpy_lookup_peer.Genome) -> None:
    """That a rival's genome has the contigs, and the letters of a few windows."""
    assert opened.contig_lengths() == simulated.contig_lengths()
    windows = simulated.random_windows(8, 1000)
    np.testing.assert_array_equal(opened.letters(opened.prepare(windows)) & 0xDF, plain.letters(windows) & 0xDF)


class TestFirstOpen:
    """A plain FASTA is opened for the first time. pyfaidx, pysam and bionumpy only write an index, no base."""

    def note(self, benchmark: Any, cold: bool, *what: Any, threads: int = 1) -> None:
        job = f"first open of a plain FASTA of {simulated.genome_size() // 10**6} Mb, {warmth(cold)}, fsync included"
        note(benchmark, job, *what, threads=threads, bases=simulated.genome_size())

    @pytest.mark.parametrize("threads", THREADS)
    def test_ours(self, benchmark: Any, fasta: Path, cache: Path, cold: bool, threads: int) -> None:
        def forget() -> None:
            remove([cache])
            if cold:
                drop_from_page_cache([fasta])

        self.note(benchmark, cold, "ours", "dnafast", threads=threads)
        result = benchmark.pedantic(dnafast.Genome, (fasta,), {"threads": threads}, setup=forget, rounds=ROUNDS)
        assert result.contigs == simulated.contig_lengths()

    @pytest.mark.parametrize("rival", RIVALS)
    def test_rival(self, benchmark: Any, fasta: Path, plain: numpy_lookup_peer.Genome, cold: bool, rival: str) -> None:
        peer = load(rival)

        def forget() -> None:
            remove(peer.left_beside(fasta))
            if cold:
                drop_from_page_cache([fasta])

        self.note(benchmark, cold, "rival" if rival == "genvarloader" else "index", rival)
        check(benchmark.pedantic(peer.Genome, (fasta,), setup=forget, rounds=min(ROUNDS, 3)), plain)

    @pytest.mark.parametrize("threads", THREADS)
    def test_limit(self, benchmark: Any, fasta: Path, tmp_path: Path, cold: bool, threads: int) -> None:
        def forget() -> None:
            remove([tmp_path / "quarter"])
            if cold:
                drop_from_page_cache([fasta])

        self.note(benchmark, cold, "limit", "read all, write a quarter", threads=threads)
        with Limits(threads) as limits:
            benchmark.pedantic(limits.read_and_keep_quarter, (fasta, tmp_path / "quarter"), setup=forget, rounds=ROUNDS)


class TestFirstOpenOfBgzip:
    """The same, compressed. Elsewhere only an index is written."""

    def note(self, benchmark: Any, *what: Any, threads: int = 1) -> None:
        job = f"first open of a bgzip FASTA of {simulated.genome_size() // 10**6} Mb, fsync included"
        note(benchmark, job, *what, threads=threads, bases=simulated.genome_size())

    @pytest.mark.parametrize("threads", THREADS)
    def test_ours(self, benchmark: Any, compressed: Path, cache: Path, threads: int) -> None:
        self.note(benchmark, "ours", "dnafast", threads=threads)
        result = benchmark.pedantic(
            dnafast.Genome,
            (compressed,),
            {"threads": threads},
            setup=lambda: remove([cache]),
            rounds=min(ROUNDS, 3),
        )
        assert result.contigs == simulated.contig_lengths()

    @pytest.mark.parametrize("rival", ["genvarloader", "pysam"])
    def test_rival(self, benchmark: Any, compressed: Path, plain: numpy_lookup_peer.Genome, rival: str) -> None:
        peer = load(rival)
        self.note(benchmark, "rival" if rival == "genvarloader" else "index", rival)
        opened = benchmark.pedantic(
            peer.Genome,
            (compressed,),
            setup=lambda: remove(peer.left_beside(compressed)),
            rounds=min(ROUNDS, 2),
        )
        check(opened, plain)


class TestOpenAgain:
    """Opened before: until the contigs are known, and until a first batch of 256 windows is there as one-hot uint8."""

    def note(self, benchmark: Any, *what: Any) -> None:
        note(benchmark, f"open a genome of {simulated.genome_size() // 10**6} Mb again", *what)

    def test_ours(self, benchmark: Any, fasta: Path, genome: dnafast.Genome) -> None:
        self.note(benchmark, "ours", "dnafast")
        assert benchmark(dnafast.Genome, fasta).contigs == genome.contigs

    @pytest.mark.parametrize("rival", ["py2bit", *RIVALS])
    def test_rival(
        self, benchmark: Any, fasta: Path, twobit: Path, plain: numpy_lookup_peer.Genome, rival: str
    ) -> None:
        self.note(benchmark, "rival", rival)
        check(benchmark(load(rival).Genome, twobit if rival == "py2bit" else fasta), plain)


class TestFirstBatch:
    @pytest.fixture
    def windows(self) -> simulated.Windows:
        return simulated.random_windows(256, 1000)

    @pytest.fixture
    def expected(self, plain: numpy_lookup_peer.Genome, windows: simulated.Windows) -> Any:
        return numpy_lookup_peer.one_hot(plain.letters(windows), np.empty((256, 4, 1000), np.uint8))

    def note(self, benchmark: Any, cold: bool, *what: Any) -> None:
        note(benchmark, f"open again and encode 256 windows of 1 kb, {warmth(cold)}", *what)

    def test_ours(self, benchmark: Any, fasta: Path, cache: Path, windows: Any, expected: Any, cold: bool) -> None:
        out = np.empty_like(expected)

        def run() -> None:
            dnafast.Genome(fasta).encode(windows, dnafast.OneHot("NCL", "uint8"), out=out)

        run()
        np.testing.assert_array_equal(out, expected)
        setup = (lambda: drop_from_page_cache([fasta, cache])) if cold else None
        self.note(benchmark, cold, "ours", "dnafast")
        benchmark.pedantic(run, setup=setup, rounds=ROUNDS)

    @pytest.mark.parametrize("rival", ["genvarloader", "pyfaidx", "pysam", "tangermeme"])
    def test_rival(self, benchmark: Any, fasta: Path, windows: Any, expected: Any, cold: bool, rival: str) -> None:
        peer = load(rival)
        out = np.empty_like(expected)

        def run() -> Any:
            peer_genome = peer.Genome(fasta)
            return peer_genome.one_hot(peer_genome.prepare(windows), out)

        np.testing.assert_array_equal(run(), expected)
        files = [fasta, *(path for path in peer.left_beside(fasta) if path.exists())]
        setup = (lambda: drop_from_page_cache(files)) if cold else None
        self.note(benchmark, cold, "rival", rival)
        benchmark.pedantic(run, setup=setup, rounds=ROUNDS)


@pytest.mark.parametrize("threads", THREADS)
def test_composition(benchmark: Any, genome: dnafast.Genome, threads: int) -> None:
    windows = simulated.random_windows(simulated.call_size(), 1000)
    name = windows.contigs[windows.contig[5]]
    letters = genome.fetch(name, int(windows.start[5]), int(windows.start[5]) + 1000)
    expected = [sum(c in "GCgc" for c in letters), 0, sum(c.islower() for c in letters)]
    np.testing.assert_array_equal(genome.composition(windows, threads=threads)[5], expected)
    job = f"G+C, N and masked bases of {len(windows.start):,} windows of 1 kb"
    note(benchmark, job, "ours", "dnafast", threads=threads, bases=1000 * len(windows.start))
    benchmark(genome.composition, windows, threads=threads)
