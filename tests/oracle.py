"""Slow, obvious answers to compare with: plain Python and numpy, one base after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CODES = {letter: code for code, letter in enumerate("ACGT")}
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}
IUPAC = "RYSWKMBDHVUX"


class WindowTable(NamedTuple):
    """The least that the genome asks of a window table."""

    contigs: tuple[str, ...]
    contig: NDArray[np.int32]
    start: NDArray[np.int64]
    strand: NDArray[np.int8]
    length: int


def window_table(contigs: Sequence[str], rows: Sequence[tuple[int, int, int]], length: int) -> WindowTable:
    """A window table from rows of (number of the contig, start, strand)."""
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return WindowTable(
        tuple(contigs),
        columns[:, 0].astype(np.int32),
        columns[:, 1].copy(),
        columns[:, 2].astype(np.int8),
        length,
    )


def random_letters(rng: np.random.Generator, length: int, alphabet: str = "ACGTacgt") -> str:
    return "".join(rng.choice(list(alphabet), length)) if length else ""


def patchy_letters(rng: np.random.Generator, length: int) -> str:
    """Letters with stretches of N and of lower case, as genomes have them."""
    letters = list(random_letters(rng, length, "ACGT"))
    for change in (str.lower, lambda _: "N", str.lower, lambda _: "n"):
        if length:
            start = int(rng.integers(0, length))
            for i in range(start, min(length, start + int(rng.integers(1, 1 + length // 3 + 1)))):
                letters[i] = change(letters[i])
    return "".join(letters)


def reverse_complement(letters: str) -> str:
    return "".join(COMPLEMENT.get(letter.upper(), "N") for letter in reversed(letters))


def window_letters(sequences: Mapping[str, str], contig: str, start: int, length: int, strand: int) -> str:
    """Letters of a window; N outside the contig; reverse-complemented on strand -1."""
    sequence = sequences[contig]
    letters = "".join(sequence[i] if 0 <= i < len(sequence) else "N" for i in range(start, start + length))
    return reverse_complement(letters) if strand < 0 else letters


def base_codes(letters: str) -> NDArray[np.uint8]:
    return np.array([CODES.get(letter.upper(), 4) for letter in letters], np.uint8)


def kmers(letters: str, k: int, stride: int = 1, canonical: bool = False) -> NDArray[np.int64]:
    ids = []
    for i in range(0, len(letters) - k + 1, stride):
        word = letters[i : i + k].upper()
        candidates = [word, reverse_complement(word)] if canonical else [word]
        if all(letter in CODES for letter in word):
            ids.append(min(sum(CODES[letter] * 4 ** (k - 1 - j) for j, letter in enumerate(w)) for w in candidates))
        else:
            ids.append(4**k)
    return np.array(ids, np.int64)


def one_hot(letters: str, order: int = 1, unknown: float = 0.0) -> NDArray[np.float64]:
    """(4**order, positions)"""
    ids = kmers(letters, order)
    result = np.zeros((4**order, len(ids)))
    for position, word in enumerate(ids):
        if word < 4**order:
            result[word, position] = 1
        else:
            result[:, position] = unknown
    return result


def kmer_counts(letters: str, k: int, canonical: bool = False) -> NDArray[np.int64]:
    counts = np.zeros(4**k + 1, np.int64)
    for word in kmers(letters, k, canonical=canonical):
        counts[word] += 1
    if not canonical:
        return counts[:-1]
    words = ["".join("ACGT"[(word >> (2 * (k - 1 - j))) & 3] for j in range(k)) for word in range(4**k)]
    kept = sorted({int(kmers(word, k, canonical=True)[0]) for word in words})
    return counts[kept]


def composition(letters: str) -> list[int]:
    """G and C, unknown, lower case; letters outside a contig are upper case."""
    return [
        sum(letter in "GCgc" for letter in letters),
        sum(letter.upper() not in CODES for letter in letters),
        sum(letter.islower() for letter in letters),
    ]


def blocks(flags: Sequence[bool]) -> list[list[int]]:
    """Stretches where flags is true: start and end."""
    result: list[list[int]] = []
    for i, flag in enumerate(flags):
        if flag and result and result[-1][1] == i:
            result[-1][1] = i + 1
        elif flag:
            result.append([i, i + 1])
    return result
