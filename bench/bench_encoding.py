"""Windows of a genome, and sequences in memory, to numbers: 20,000 a call, and 256 that fit a cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import dnafast
import simulated
from peers import numpy_lookup_peer
from yardstick import Limits, cases, load, note, open_genome

LENGTH = 1000
COUNTS = [256, simulated.call_size()]
DTYPES = ["uint8", "float32"]
THREADS = simulated.thread_counts()
SAMPLE = 500  # windows whose answers are compared

IN_A_LOOP = ["bionumpy", "py2bit", "pyfaidx", "pysam"]
OF_GENOME = ["genvarloader", "numpy_compare", "numpy_lookup", *IN_A_LOOP]


def upper(letters: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return letters & 0xDF


@pytest.fixture(params=COUNTS, ids=lambda count: f"{count}windows")
def windows(request: Any) -> simulated.Windows:
    return simulated.random_windows(request.param, LENGTH)


@pytest.fixture
def letters(plain: numpy_lookup_peer.Genome, windows: simulated.Windows) -> NDArray[np.uint8]:
    """(N, L), upper case"""
    return upper(plain.letters(windows))


@pytest.fixture
def codes(letters: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(SAMPLE, L): what is right"""
    return numpy_lookup_peer.codes(letters[:SAMPLE])


def check_one_hot(out: NDArray[Any], codes: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(out[: len(codes)], np.eye(4, dtype=np.uint8)[codes].transpose(0, 2, 1))
    assert np.count_nonzero(out) == out.size // 4


class TestOneHot:
    """Windows of a FASTA to one-hot, channels first."""

    def note(self, benchmark: Any, windows: simulated.Windows, dtype: str, *what: Any, threads: int) -> None:
        job = f"1-kb windows of a FASTA → one-hot {dtype}, {len(windows.start):,} a call"
        note(benchmark, job, *what, threads=threads, bases=len(windows.start) * LENGTH)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("threads", THREADS)
    def test_ours(
        self, benchmark: Any, genome: dnafast.Genome, windows: Any, codes: Any, dtype: Any, threads: int
    ) -> None:
        encoding = dnafast.OneHot("NCL", dtype)
        out = encoding.allocate(len(windows.start), LENGTH)
        genome.encode(windows, encoding, out=out, threads=threads)
        check_one_hot(out, codes)
        self.note(benchmark, windows, dtype, "ours", "dnafast", threads=threads)
        benchmark(genome.encode, windows, encoding, out=out, threads=threads)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize(("rival", "threads"), cases("tangermeme", *OF_GENOME))
    def test_rival(
        self, benchmark: Any, fasta: Any, twobit: Any, windows: Any, codes: Any, dtype: str, rival: str, threads: int
    ) -> None:
        peer = open_genome(rival, fasta, twobit)
        table, out = peer.prepare(windows), np.empty((len(windows.start), 4, LENGTH), dtype)
        more = {"threads": threads} if threads > 1 else {}
        check_one_hot(peer.one_hot(table, out, **more), codes)
        self.note(benchmark, windows, dtype, "rival", rival, threads=threads)
        benchmark(peer.one_hot, table, out, **more)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("threads", THREADS)
    def test_limit(self, benchmark: Any, windows: Any, dtype: str, threads: int) -> None:
        out = np.empty((len(windows.start), 4, LENGTH), dtype)
        self.note(benchmark, windows, dtype, "limit", "memset", threads=threads)
        with Limits(threads) as limits:
            benchmark(limits.fill, out)
        assert out.view(np.uint8).all()


class TestCodes:
    """Windows of a FASTA to base codes; to letters elsewhere."""

    def note(self, benchmark: Any, windows: simulated.Windows, *what: Any, threads: int) -> None:
        job = f"1-kb windows of a FASTA → base codes or letters, {len(windows.start):,} a call"
        note(benchmark, job, *what, threads=threads, bases=len(windows.start) * LENGTH)

    @pytest.mark.parametrize("threads", THREADS)
    def test_ours(self, benchmark: Any, genome: dnafast.Genome, windows: Any, codes: Any, threads: int) -> None:
        out = np.empty((len(windows.start), LENGTH), np.uint8)
        genome.encode(windows, dnafast.BaseCodes(), out=out, threads=threads)
        np.testing.assert_array_equal(out[:SAMPLE], codes)
        self.note(benchmark, windows, "ours", "dnafast", threads=threads)
        benchmark(genome.encode, windows, dnafast.BaseCodes(), out=out, threads=threads)

    @pytest.mark.parametrize("threads", THREADS)
    def test_reverse_strand(
        self, benchmark: Any, genome: dnafast.Genome, windows: Any, codes: Any, threads: int
    ) -> None:
        windows = windows._replace(strand=-windows.strand)
        out = np.empty((len(windows.start), LENGTH), np.uint8)
        genome.encode(windows, dnafast.BaseCodes(), out=out, threads=threads)
        np.testing.assert_array_equal(out[:SAMPLE], 3 - codes[:, ::-1])
        bases = len(windows.start) * LENGTH
        job = f"the same on strand -1, {len(windows.start):,} a call"
        note(benchmark, job, "ours", "dnafast", threads=threads, bases=bases)
        benchmark(genome.encode, windows, dnafast.BaseCodes(), out=out, threads=threads)

    @pytest.mark.parametrize(("rival", "threads"), cases(*(rival for rival in OF_GENOME if rival != "numpy_lookup")))
    def test_rival(
        self, benchmark: Any, fasta: Any, twobit: Any, windows: Any, codes: Any, rival: str, threads: int
    ) -> None:
        peer = open_genome(rival, fasta, twobit)
        table = peer.prepare(windows)
        more = {"threads": threads} if threads > 1 else {}
        np.testing.assert_array_equal(numpy_lookup_peer.codes(peer.letters(table, **more)[:SAMPLE]), codes)
        self.note(benchmark, windows, "rival", rival.removesuffix("_compare"), threads=threads)
        benchmark(peer.letters, table, **more)

    @pytest.mark.parametrize("threads", THREADS)
    def test_limit(self, benchmark: Any, windows: Any, letters: Any, threads: int) -> None:
        out = np.empty_like(letters)
        self.note(benchmark, windows, "limit", "memmove", threads=threads)
        with Limits(threads) as limits:
            benchmark(limits.copy, letters, out)
        assert np.array_equal(letters, out)


class TestKmers:
    """Ids of 6-mers: ours from the genome, elsewhere from sequences in memory, for bionumpy encoded already."""

    def note(self, benchmark: Any, windows: simulated.Windows, *what: Any, threads: int) -> None:
        job = f"1-kb windows → 6-mer ids int32, {len(windows.start):,} a call"
        note(benchmark, job, *what, threads=threads, bases=len(windows.start) * LENGTH)

    @staticmethod
    def expected(codes: NDArray[np.uint8]) -> NDArray[np.int32]:
        places = np.lib.stride_tricks.sliding_window_view(codes, 6, axis=1)
        return (places @ (4 ** np.arange(5, -1, -1))).astype(np.int32)

    @pytest.mark.parametrize("threads", THREADS)
    def test_ours(self, benchmark: Any, genome: dnafast.Genome, windows: Any, codes: Any, threads: int) -> None:
        encoding = dnafast.Kmers(6, dtype="int32")
        out = encoding.allocate(len(windows.start), LENGTH)
        genome.encode(windows, encoding, out=out, threads=threads)
        np.testing.assert_array_equal(out[:SAMPLE], self.expected(codes))
        self.note(benchmark, windows, "ours", "dnafast", threads=threads)
        benchmark(genome.encode, windows, encoding, out=out, threads=threads)

    def test_numpy(self, benchmark: Any, windows: Any, letters: Any, codes: Any) -> None:
        out = np.empty((len(letters), LENGTH - 5), np.int32)
        numpy_lookup_peer.kmers(letters, 6, out)
        np.testing.assert_array_equal(out[:SAMPLE], self.expected(codes))
        self.note(benchmark, windows, "rival", "numpy_lookup", threads=1)
        benchmark(numpy_lookup_peer.kmers, letters, 6, out)

    def test_bionumpy(self, benchmark: Any, windows: Any, letters: Any, codes: Any) -> None:
        peer = load("bionumpy")
        # Turned round and back, its ids are ours.
        turned = peer.kmers(peer.encoded(np.ascontiguousarray(codes[:, ::-1])), 6)[:, ::-1]
        np.testing.assert_array_equal(turned, self.expected(codes))
        sequences = peer.encoded(numpy_lookup_peer.codes(letters))
        self.note(benchmark, windows, "rival", "bionumpy", threads=1)
        benchmark(peer.kmers, sequences, 6)

    @pytest.mark.parametrize("threads", THREADS)
    def test_limit(self, benchmark: Any, windows: Any, threads: int) -> None:
        out = np.empty((len(windows.start), LENGTH - 5), np.int32)
        self.note(benchmark, windows, "limit", "memset", threads=threads)
        with Limits(threads) as limits:
            benchmark(limits.fill, out)
        assert out.all()


class TestSequencesInMemory:
    """Letters (N, L) to one-hot uint8: channels last for SeqPro, first for numpy; ours is timed with both."""

    def note(self, benchmark: Any, windows: simulated.Windows, layout: str, *what: Any, threads: int) -> None:
        job = f"1-kb sequences in memory → one-hot uint8 {layout}, {len(windows.start):,} a call"
        note(benchmark, job, *what, threads=threads, bases=len(windows.start) * LENGTH)

    @pytest.mark.parametrize("layout", ["NCL", "NLC"])
    @pytest.mark.parametrize("threads", THREADS)
    def test_ours(self, benchmark: Any, windows: Any, letters: Any, codes: Any, layout: Any, threads: int) -> None:
        encoding = dnafast.OneHot(layout, "uint8")
        out = encoding.allocate(len(letters), LENGTH)
        dnafast.encode(letters, encoding, out=out, threads=threads)
        check_one_hot(out if layout == "NCL" else out.transpose(0, 2, 1), codes)
        self.note(benchmark, windows, layout, "ours", "dnafast", threads=threads)
        benchmark(dnafast.encode, letters, encoding, out=out, threads=threads)

    @pytest.mark.parametrize(("rival", "threads"), cases("seqpro"))
    def test_channels_last(
        self, benchmark: Any, windows: Any, letters: Any, codes: Any, rival: str, threads: int
    ) -> None:
        peer = load(rival)
        check_one_hot(peer.one_hot(letters, threads).transpose(0, 2, 1), codes)
        self.note(benchmark, windows, "NLC", "rival", rival, threads=threads)
        benchmark(peer.one_hot, letters, threads)

    @pytest.mark.parametrize("rival", ["numpy_compare", "numpy_lookup"])
    def test_channels_first(self, benchmark: Any, windows: Any, letters: Any, codes: Any, rival: str) -> None:
        peer, out = load(rival), np.empty((len(letters), 4, LENGTH), np.uint8)
        check_one_hot(peer.one_hot(letters, out), codes)
        self.note(benchmark, windows, "NCL", "rival", rival, threads=1)
        benchmark(peer.one_hot, letters, out)

    @pytest.mark.parametrize("layout", ["NCL", "NLC"])
    @pytest.mark.parametrize("threads", THREADS)
    def test_limit(self, benchmark: Any, windows: Any, layout: str, threads: int) -> None:
        out = np.empty((len(windows.start), 4, LENGTH), np.uint8)
        self.note(benchmark, windows, layout, "limit", "memset", threads=threads)
        with Limits(threads) as limits:
            benchmark(limits.fill, out)
        assert out.all()
