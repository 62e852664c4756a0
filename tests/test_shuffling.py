"""Shuffled sequences: the same words as before, the same draws as a plain walk, and every possible result as likely."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dnafast
import oracle
from test_random import philox

LETTER, LAST_EXIT = 8, 9
PACKED_LENGTH = 0x7FFF


def plain(sequence: str) -> str:
    """As a shuffle has it: A C G T N, upper case."""
    return "".join(letter if letter in "ACGT" else "N" for letter in sequence.upper())


def words(sequence: str, k: int) -> Counter[str]:
    return Counter(sequence[i : i + k] for i in range(len(sequence) - k + 1))


class Draws:
    """The numbers of one row for one purpose, in order, of so many bits each."""

    def __init__(self, seed: int, row: int, purpose: int, bits: int, at_once: int) -> None:
        self.bits, self.redrawn = bits, 0
        self.numbers = self.all_numbers(seed, row, purpose, at_once)

    def all_numbers(self, seed: int, row: int, purpose: int, at_once: int) -> Iterator[int]:
        for first in range(0, 1 << 32, at_once):
            blocks = [
                philox((row & 0xFFFFFFFF, row >> 32, block, purpose), (seed & 0xFFFFFFFF, seed >> 32))
                for block in range(first, first + at_once)
            ]
            for word in np.array(blocks).T.ravel().tolist():
                for shift in range(0, 32, self.bits):
                    yield word >> shift & ((1 << self.bits) - 1)

    def below(self, n: int, spare: Draws) -> int:
        """A number below n, each as likely."""
        draw = next(self.numbers)
        while draw * n % (1 << self.bits) < (1 << self.bits) % n:
            draw = next(spare.numbers)
            self.redrawn += 1
        return draw * n >> self.bits


def shuffled(sequence: str, k: int, seed: int, row: int) -> tuple[str, int]:
    """The shuffle by plain lists, and how many letters were drawn again."""
    sequence = plain(sequence)
    if len(sequence) < k:
        return sequence, 0
    bits = 16 if "N" not in sequence and len(sequence) <= PACKED_LENGTH else 32
    draws, spare = Draws(seed, row, LETTER, bits, 16), Draws(seed, row, LAST_EXIT, bits, 1)
    exits: dict[str, list[str]] = {}
    for i in range(len(sequence) - k + 1):
        exits.setdefault(sequence[i : i + k - 1], []).append(sequence[i + k - 1])
    for letters in exits.values():
        letters.sort(key="ACGTN".index)
    last_node = sequence[len(sequence) - k + 1 :]
    last_exit: dict[str, str] = {}
    for start in sorted(exits, key=lambda node: [*map("ACGTN".index, node)]):
        path = {}
        node = start
        while node != last_node and node not in last_exit:
            path[node] = exits[node][spare.below(len(exits[node]), spare)]
            node = (node + path[node])[1:]
        node = start
        while node != last_node and node not in last_exit:
            last_exit[node] = path[node]
            node = (node + path[node])[1:]
    for node, letter in last_exit.items():
        exits[node].remove(letter)
    result = sequence[: k - 1]
    draws.redrawn = 0
    while len(result) < len(sequence):
        node = result[len(result) - k + 1 :]
        if exits.get(node):
            result += exits[node].pop(draws.below(len(exits[node]), spare))
        else:
            next(draws.numbers)
            result += last_exit[node]
    return result, draws.redrawn


def all_shuffles(sequence: str, k: int) -> list[str]:
    """Every sequence with the same words that begins as this one does."""
    found = [(sequence[: k - 1], words(sequence, k))]
    for _ in range(len(sequence) - k + 1):
        found = [
            (start + word[-1], left - Counter([word]))
            for start, left in found
            for word in left
            if word[:-1] == start[len(start) - k + 1 :]
        ]
    return [start for start, _ in found]


NASTY = [
    "",
    "A",
    "n",
    "AC",
    "ACG",
    "acgtn",
    "A" * 50,
    "N" * 50,
    "AT" * 40 + "A",
    "A" * 40 + "C" + "A" * 40,
    "AAAACCCCGGGGTTTTN",
    "ACGTRYKMacgtrykm" * 9,
]


@pytest.mark.parametrize("k", range(1, 7))
def test_equals_the_plain_walk(k: int) -> None:
    rng = np.random.default_rng(k)
    rows = [*NASTY, *(oracle.random_letters(rng, length) for length in (1, k - 1, k, k + 1, 81, 200, 1500, 4000))]
    rows += [oracle.patchy_letters(rng, length) for length in (5, 60, 700, 1300)]
    rows += [oracle.random_letters(rng, length, "AAAAAAAC") for length in (100, 1024, 1025)]
    seed = 0xFEDCBA9876543210
    expected = [shuffled(sequence, k, seed, row)[0] for row, sequence in enumerate(rows)]
    for threads in (1, 2, 7):
        assert dnafast.shuffle(rows, k, seed, threads=threads) == expected
    assert [words(row, k) for row in expected] == [words(plain(row), k) for row in rows]


@pytest.mark.parametrize(("k", "length"), [(1, 20_000), (2, PACKED_LENGTH), (2, PACKED_LENGTH + 1), (3, 40_000)])
def test_long_sequences_equal_the_plain_walk(k: int, length: int) -> None:
    row = oracle.random_letters(np.random.default_rng(length), length, "ACGT")
    expected, redrawn = shuffled(row, k, 3, 0)
    assert dnafast.shuffle([row], k, 3) == [expected]
    assert words(expected, k) == words(row, k)
    assert (redrawn > 0) == (length <= PACKED_LENGTH)


@given(
    rows=st.lists(st.text("ACGTacgtNnRyx", max_size=60), max_size=20),
    k=st.integers(1, 6),
    seed=st.integers(0, 2**64 - 1),
    threads=st.sampled_from([1, 2, 7]),
)
def test_words_and_ends_stay(rows: list[str], k: int, seed: int, threads: int) -> None:
    result = dnafast.shuffle(rows, k, seed, threads=threads)
    assert len(result) == len(rows)
    for before, after in zip(map(plain, rows), result, strict=True):
        for size in range(1, k + 1):
            assert words(after, size) == words(before, size)
        assert after[: k - 1] == before[: k - 1]
        assert after[len(after) - k + 1 :] == before[len(before) - k + 1 :]
        if len(before) <= k:
            assert after == before


@pytest.mark.parametrize(
    ("sequence", "k"),
    [
        ("AACCGTTA", 1),
        ("NAACGT", 1),
        # Far from even where last exits are drawn among letters instead of edges, or kept.
        ("ACAACGACACGAG", 2),
        ("AGCAAGCACGA", 2),  # ends as it begins
        ("NANCACNCACA", 2),
        ("CAGNAGGNGACN", 2),
        ("CCCAACACACACACCA", 3),
        ("NANNANANNAANNNNN", 3),
        ("AACCCACCAAACCACAACCACAAA", 4),
    ],
)
@pytest.mark.parametrize("keyed_by", ["row", "seed"])
def test_all_shuffles_are_as_likely(sequence: str, k: int, keyed_by: str) -> None:
    possible = all_shuffles(sequence, k)
    assert len(possible) == len(set(possible)) > 5
    draws = 40 * len(possible)
    if keyed_by == "row":
        counts = Counter(dnafast.shuffle([sequence] * draws, k, seed=1))
    else:
        counts = Counter(dnafast.shuffle([sequence], k, seed)[0] for seed in range(draws))
    assert set(counts) <= set(possible)
    freedom = len(possible) - 1
    # Five standard deviations of chi-square above its mean; the draws are the same in every run.
    assert sum((counts[one] - 40) ** 2 / 40 for one in possible) < freedom + 5 * (2 * freedom) ** 0.5


def test_a_row_depends_on_its_place_alone() -> None:
    rng = np.random.default_rng(5)
    rows = [oracle.patchy_letters(rng, length) for length in rng.integers(0, 300, 103)]
    result = dnafast.shuffle(rows)
    assert dnafast.shuffle(rows) == result
    assert dnafast.shuffle(rows[:40]) == result[:40]
    assert dnafast.shuffle(["A" * 9] * 40 + rows[40:])[40:] == result[40:]
    assert dnafast.shuffle(rows, seed=1) != result
    same = dnafast.shuffle([rows[-1]] * 50)
    assert len(set(same)) > 40
    assert same[3] == dnafast.shuffle([rows[-1]] * 4)[3]


def test_texts_and_arrays_agree() -> None:
    rng = np.random.default_rng(6)
    rows = [oracle.patchy_letters(rng, 77) for _ in range(31)]
    result = dnafast.shuffle(rows, 3, 4)
    assert dnafast.shuffle(tuple(row.encode() for row in rows), 3, 4) == [row.encode() for row in result]
    letters = np.array([list(row.encode()) for row in rows], np.uint8)
    before = letters.copy()
    expected = np.array([list(row.encode()) for row in result], np.uint8)
    for array in (letters, np.asfortranarray(letters), np.repeat(letters, 2, axis=0)[::2]):
        shuffled_array = dnafast.shuffle(array, 3, 4)
        assert shuffled_array.dtype == np.uint8
        np.testing.assert_array_equal(shuffled_array, expected)
    np.testing.assert_array_equal(letters, before)
    codes = dnafast.encode(rows, dnafast.BaseCodes())
    np.testing.assert_array_equal(dnafast.shuffle(codes, 3, 4), dnafast.encode(result, dnafast.BaseCodes()))


def test_kinds_of_text_may_be_mixed() -> None:
    assert dnafast.shuffle(["a", b"a", "", b""]) == ["A", b"A", "", b""]
    assert chr(97) == "a"
    assert dnafast.shuffle(iter(["acg"]), 3) == ["ACG"]  # type: ignore[call-overload]


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0), (2, 1)])
def test_empty_arrays(shape: tuple[int, int]) -> None:
    assert dnafast.shuffle(np.full(shape, ord("C"), np.uint8)).shape == shape
    assert dnafast.shuffle([]) == []


def test_seeds_may_be_numpy_integers() -> None:
    rows = ["ACGTTGCATGCCGATCGATTAGC"]
    assert dnafast.shuffle(rows, np.int64(2), np.uint64(7)) == dnafast.shuffle(rows, 2, 7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("ACGT",), TypeError, "sequences must be a list of sequences, not a single one"),
        ((["ACGT", 5],), TypeError, r"sequences\[1\] must be str or bytes, not int"),
        ((np.zeros((3, 4), np.int64),), TypeError, r"letters or base codes of shape \(N, L\), not int64 of shape"),
        ((np.zeros(4, np.uint8),), TypeError, r"not uint8 of shape \(4,\)"),
        ((["ACGT"], 0), ValueError, "k=0 must be a whole number from 1 to 6"),
        ((["ACGT"], 7), ValueError, "k=7 must be"),
        ((["ACGT"], 2.0), ValueError, r"k=2\.0 must be"),
        ((["ACGT"], 2, -1), ValueError, r"seed=-1 must be a whole number from 0 to 2\^64 - 1"),
        ((["ACGT"], 2, 2**64), ValueError, "seed=18446744073709551616 must be"),
        ((["ACGT"], 2, None), ValueError, "seed=None must be"),
        ((["ACGT", "ACEGT"],), ValueError, r"sequences\[1\], position 2: 'E' is no nucleotide letter"),
        ((["E"],), ValueError, r"sequences\[0\], position 0: 'E' is no nucleotide letter"),
        (([b"AC GT\n"],), ValueError, r"position 2: the byte 0x20 is no nucleotide letter"),
        ((["ACGTé"],), ValueError, r"position 4: the byte 0xC3 is no nucleotide letter"),
        ((np.array([[65, 67], [65, 3]], np.uint8),), ValueError, r"sequences\[1\], position 1: the byte 0x03"),
        ((np.array([[0, 1], [65, 5]], np.uint8),), ValueError, r"sequences\[1\], position 0: 65 is no base code"),
    ],
)
def test_bad_arguments(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dnafast.shuffle(*arguments)


def test_the_first_wrong_sequence_is_named() -> None:
    rows = ["ACGT"] * 100
    rows[37] = "AC!T"
    rows[38] = "ACG?" * 20
    rows[90] = "-"
    for threads in (1, 2, 7):
        with pytest.raises(ValueError, match=r"sequences\[37\], position 2: '!' is no nucleotide letter"):
            dnafast.shuffle(rows, threads=threads)


def test_bad_threads() -> None:
    with pytest.raises(ValueError, match="threads=0 must be at least 1"):
        dnafast.shuffle(["ACGT"], threads=0)


CHECKSUM = """
import zlib
import numpy as np
import dnafast
letters = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(1).integers(0, 4, (40, 1100))].copy()
letters[30:, 500] = ord("n")
print(zlib.crc32(b"".join(dnafast.shuffle(letters, k).tobytes() for k in (1, 2, 3))))
"""


def test_same_bytes_for_any_instruction_set() -> None:
    def checksum(**environment: str) -> str:
        command = [sys.executable, "-c", CHECKSUM]
        return subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True).stdout

    assert checksum() == checksum(DNAFAST_ISA="baseline")
