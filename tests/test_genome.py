from __future__ import annotations

import pickle

import numpy as np
import pytest

import dnafast
import oracle
from dnafast.genome import FormatError

THREADS = (1, 2, 7)
NASTY = {
    "patchy": "ACGTNNNNacgtnnRYKacgtACGTACGGTC" * 5,
    "one": "G",
    "empty": "",
    "three": "acT",
    "unknown": "N" * 67,
    "lower": "acgt" * 17,
    "odd": "TTGCATG" * 11,
    "last": "ACGTA",
}


def check_letters(genome: dnafast.Genome, sequences: dict[str, str]) -> None:
    assert dict(genome.contigs) == {name: len(letters) for name, letters in sequences.items()}
    for name, letters in sequences.items():
        expected = "".join(c if c in "ACGTacgt" else "n" if c.islower() else "N" for c in letters)
        assert genome.fetch(name, 0, len(letters)) == expected
        assert genome.unknown_blocks(name).tolist() == oracle.blocks([c not in "ACGTacgt" for c in letters])
        assert genome.masked_blocks(name).tolist() == oracle.blocks([c.islower() for c in letters])


@pytest.mark.parametrize("threads", THREADS)
def test_sequences_in_memory(threads: int) -> None:
    genome = dnafast.Genome.from_sequences(list(NASTY.values()), list(NASTY), threads=threads)
    check_letters(genome, NASTY)
    assert genome.path is None
    assert genome.report == {"iupac_as_n": sum(c.upper() in oracle.IUPAC for s in NASTY.values() for c in s)}


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 63, 64, 65, 127, 129, 1000, 16383, 16384, 16385, 40001])
def test_any_length(length: int) -> None:
    letters = oracle.patchy_letters(np.random.default_rng(length), length)
    check_letters(dnafast.Genome.from_sequences([letters.encode()], ["x"]), {"x": letters})


def test_array_of_letters() -> None:
    rng = np.random.default_rng(1)
    letters = rng.choice(np.frombuffer(b"ACGTNacgtn", np.uint8), (23, 37))
    genome = dnafast.Genome.from_sequences(letters)
    check_letters(genome, {str(i): row.tobytes().decode() for i, row in enumerate(letters)})


def test_names_default_to_numbers() -> None:
    assert list(dnafast.Genome.from_sequences(["A", "C"]).contigs) == ["0", "1"]


def test_contigs_are_read_only() -> None:
    with pytest.raises(TypeError):
        dnafast.Genome.from_sequences(["A"]).contigs["0"] = 2  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((["ACGT", "AC-T"],), ValueError, r"sequences\[1\] \('1'\), position 2: '-' is no nucleotide letter"),
        ((["ACGT", "é"],), ValueError, r"position 0: the byte 0xC3 is no nucleotide letter"),
        ((["ACGT", 3],), TypeError, r"sequences\[1\] must be str or bytes, not int"),
        (("ACGT",), TypeError, "must be a list"),
        ((["A"], ["x", "y"]), ValueError, "names has 2 entries for 1 sequences"),
        ((["A", "C"], ["x", "x"]), ValueError, "names holds 'x' twice"),
        ((np.zeros((2, 2), np.int32),), TypeError, "must be uint8 letters"),
    ],
)
def test_bad_sequences(arguments: tuple[object, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dnafast.Genome.from_sequences(*arguments)  # type: ignore[arg-type]


def nasty_windows(length: int, rng: np.random.Generator, count: int = 301) -> oracle.WindowTable:
    names = list(NASTY)
    rows = []
    for i, letters in enumerate(NASTY.values()):
        # Over both ends, all outside, the last base, the very first.
        for start in (-length, -length - 5, -length + 1, -1, 0, len(letters) - 1, len(letters), len(letters) - length):
            rows += [(i, start, 1), (i, start, -1), (i, start, 0)]
    for _ in range(count):
        i = int(rng.integers(len(names)))
        rows.append((i, int(rng.integers(-length, len(NASTY[names[i]]) + length)), int(rng.choice([-1, 0, 1]))))
    rows += [(0, -(2**63), 1), (0, 2**63 - 1, -1), (0, 2**63 - length, 1)]
    return oracle.window_table(names, rows, length)


@pytest.mark.parametrize("length", [1, 2, 4, 5, 33, 100])
def test_windows_equal_the_oracle(length: int) -> None:
    genome = dnafast.Genome.from_sequences(list(NASTY.values()), list(NASTY))
    windows = nasty_windows(length, np.random.default_rng(length))
    letters = [
        oracle.window_letters(NASTY, windows.contigs[c], int(s), length, int(d))
        for c, s, d in zip(windows.contig, windows.start, windows.strand, strict=True)
    ]
    expected = np.array([oracle.base_codes(row) for row in letters])
    # Reverse complements are upper case in the oracle; composition is of the window as it lies in the genome.
    forward = [
        oracle.window_letters(NASTY, windows.contigs[c], int(s), length, 1)
        for c, s in zip(windows.contig, windows.start, strict=True)
    ]
    composition = np.array([oracle.composition(row) for row in forward])
    for threads in THREADS:
        np.testing.assert_array_equal(genome.encode(windows, dnafast.BaseCodes(), threads=threads), expected)
        result = genome.composition(windows, threads=threads)
        assert result.dtype == np.uint32
        np.testing.assert_array_equal(result, composition)


def test_contigs_are_matched_by_name() -> None:
    genome = dnafast.Genome.from_sequences(["AAAA", "CCCC", "GGGG"], ["a", "c", "g"])
    windows = oracle.window_table(["g", "unused", "a"], [(2, 0, 1), (0, 1, 1)], 2)
    assert genome.encode(windows, dnafast.BaseCodes()).tolist() == [[0, 0], [2, 2]]
    with pytest.raises(ValueError, match="contig 'unused', which the genome lacks; it has a, c, g"):
        genome.encode(oracle.window_table(["g", "unused"], [(1, 0, 1)], 2), dnafast.BaseCodes())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, 0, 1), r"windows.contig\[0\]=1 is no contig's number"),
        ((-1, 0, 1), r"windows.contig\[0\]=-1 is no contig's number"),
        ((0, 0, 2), r"windows.strand\[0\]=2 must be 1, -1 or 0"),
    ],
)
def test_bad_windows(row: tuple[int, int, int], message: str) -> None:
    genome = dnafast.Genome.from_sequences(["ACGT"])
    windows = oracle.window_table(["0"], [row], 2)
    with pytest.raises(ValueError, match=message):
        genome.encode(windows, dnafast.BaseCodes())
    with pytest.raises(ValueError, match=message):
        genome.composition(windows)


def test_columns_of_unequal_length() -> None:
    genome = dnafast.Genome.from_sequences(["ACGT"])
    windows = oracle.window_table(["0"], [(0, 0, 1)], 2)._replace(start=np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="must be of one length"):
        genome.composition(windows)


def test_fetch() -> None:
    genome = dnafast.Genome.from_sequences(["ACgtN"], ["x"])
    assert genome.fetch("x", -2, 7) == "NNACgtNNN"
    assert genome.fetch("x", 2, 2) == ""
    with pytest.raises(ValueError, match="end=1 lies before start=2"):
        genome.fetch("x", 2, 1)
    with pytest.raises(ValueError, match="no contig 'y'; it has x"):
        genome.fetch("y", 0, 1)
    for start, end in ((0, 2**62), (-(2**62), 0), (0, 2**80)):
        with pytest.raises(ValueError, match=f"start={start} and end={end} must lie between"):
            genome.fetch("x", start, end)


def test_numbers_that_are_no_contig_are_told_not_followed() -> None:
    native = dnafast.Genome.from_sequences(["ACGT"])._native
    for read in (native.unknown_blocks, native.masked_blocks, lambda contig: native.fetch(contig, 0, 3)):
        with pytest.raises(IndexError, match="contig 1 is none"):
            read(1)
    with pytest.raises(ValueError, match="length must not be negative"):
        native.fetch(0, 0, -1)


@pytest.mark.parametrize("length", [0, -1, -(2**40)])
def test_windows_without_bases(length: int) -> None:
    genome = dnafast.Genome.from_sequences(["ACGT"])
    windows = oracle.window_table(["0"], [(0, 0, 1)], length)
    for encoding in (dnafast.BaseCodes(), dnafast.OneHot(), dnafast.Kmers(3), dnafast.KmerCounts(3)):
        with pytest.raises(ValueError, match=rf"length={length} must be at least [13]"):
            genome.encode(windows, encoding)
    with pytest.raises(ValueError, match="length"):
        dnafast.Windows.from_arrays(("0",), [0], [0], length)


def test_windows_longer_than_the_contig() -> None:
    genome = dnafast.Genome.from_sequences(["ACGT"])
    windows = oracle.window_table(["0"], [(0, -3, 1), (0, 0, -1)], 10)
    assert genome.encode(windows, dnafast.BaseCodes()).tolist() == [
        [4, 4, 4, 0, 1, 2, 3, 4, 4, 4],
        [4, 4, 4, 4, 4, 4, 0, 1, 2, 3],
    ]
    assert genome.composition(windows).tolist() == [[2, 6, 0]] * 2
    (kmers,) = genome.encode(oracle.window_table(["0"], [(0, -3, 1)], 10), dnafast.Kmers(4))
    assert kmers.tolist() == [256, 256, 256, 27, 256, 256, 256]


def test_columns_between_the_multiples_of_their_elements() -> None:
    genome = dnafast.Genome.from_sequences(["ACGTACGT"])
    windows = oracle.window_table(["0"], [(0, 2, 1), (0, 3, 1)], 3)
    memory = np.zeros(17, np.uint8)
    start = memory[1:].view(np.int64)
    start[:] = [2, 3]
    assert not start.flags.aligned
    assert genome.encode(windows._replace(start=start), dnafast.BaseCodes()).tolist() == [[2, 3, 0], [3, 0, 1]]


def test_no_windows() -> None:
    genome = dnafast.Genome.from_sequences(["ACGT"])
    windows = oracle.window_table(["0"], [], 10)
    assert genome.encode(windows, dnafast.OneHot()).shape == (0, 4, 10)
    assert genome.composition(windows).shape == (0, 3)


def test_pickle_of_a_genome_in_memory() -> None:
    genome = pickle.loads(pickle.dumps(dnafast.Genome.from_sequences(list(NASTY.values()), list(NASTY))))
    assert genome.fetch("three", 0, 3) == "acT"
    assert pickle.loads(pickle.dumps(dnafast.Genome.from_sequences(["ACGR"]))).report == {"iupac_as_n": 1}


def test_format_error_is_a_value_error() -> None:
    assert issubclass(FormatError, ValueError)
