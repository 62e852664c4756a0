"""Vectors of k-mers, and the word2vec text format that they are kept in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from dnafast.arguments import check_whole
from dnafast.records import write_text
from dnafast.regions.text import counted, read_bytes

LONGEST_WORD = 8  # 65,536 vectors
_BASES = "ACGT"


@dataclass(frozen=True, eq=False)
class KmerVectors:
    """A vector for each word of k bases.

    Attributes:
        k: bases per word, 1 to 8.
        vectors: float32 (4**k, D); row i is the word of id i, as `dnafast.Kmers` numbers them: the first base is the
            most significant digit, A C G T are 0 to 3.

    Raises:
        ValueError: a k out of range, vectors of another shape, or numbers that are not finite.
    """

    k: int
    vectors: NDArray[np.float32]

    def __post_init__(self) -> None:
        k = check_whole("k", self.k)
        if not 1 <= k <= LONGEST_WORD:
            raise ValueError(f"k={k} must be at least 1 and at most {LONGEST_WORD}")
        vectors = np.ascontiguousarray(self.vectors, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != 4**k or not vectors.shape[1]:
            raise ValueError(f"vectors of shape {vectors.shape} must be (4**k, D) = ({4**k}, D)")
        if not np.isfinite(vectors).all():
            row = int(np.argmin(np.isfinite(vectors).all(axis=1)))
            raise ValueError(f"the vector of {word_of(row, k)} holds a number that is not finite")
        object.__setattr__(self, "k", k)
        object.__setattr__(self, "vectors", vectors)

    @property
    def dimensions(self) -> int:
        """Numbers per word, D."""
        return int(self.vectors.shape[1])

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        """The vector (D,) of a word.

        Raises:
            ValueError: it is no word of k bases.
        """
        vector: NDArray[np.float32] = self.vectors[self._id(word)]
        return vector

    def nearest(self, word: str, count: int = 10) -> list[tuple[str, float]]:
        """The other words whose vectors point most nearly the same way, with their cosines, nearest first.

        A vector of zeros points nowhere: its cosine with any other is 0.

        Raises:
            ValueError: it is no word of k bases, or count is less than 1.
        """
        row, count = self._id(word), check_whole("count", count)
        if count < 1:
            raise ValueError(f"count={count} must be at least 1")
        vectors = self.vectors.astype(np.float64)
        length = np.linalg.norm(vectors, axis=1)
        length[length == 0] = 1
        cosine = (vectors @ vectors[row]) / (length * length[row])
        order = [other for other in np.argsort(-cosine, kind="stable").tolist() if other != row]
        return [(word_of(other, self.k), float(cosine[other])) for other in order[:count]]

    def save(self, path: str | PathLike[str]) -> None:
        """Write them in word2vec's text format: "4096 32", then "AAAAAA 0.1 -0.2 ..." for each word.

        Numbers are the shortest that read back to the same float32. The file is whole or absent.
        """
        lines = [f"{len(self.vectors)} {self.dimensions}\n"]
        for row, vector in enumerate(self.vectors):
            lines.append(f"{word_of(row, self.k)} {' '.join(map(str, vector))}\n")
        write_text(str(path), "".join(lines))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> KmerVectors:
        """Read a file in word2vec's text format, plain or gzip, with all words of one length in any order.

        Raises:
            FileNotFoundError: no such file.
            ValueError: one sentence with file and line: a first line other than "words dimensions", a word that is no
                k-mer of the first word's length or stands twice, a row of another number of numbers, a number that is
                none or not finite, or words that are missing.
        """
        lines = _lines(path)
        number, cells = next(lines)
        n_words, dimensions = _header(path, number, cells)
        k, rows = 0, dict[int, int]()
        vectors = np.empty((0, dimensions), dtype=np.float32)
        for number, (word, *cells) in lines:
            if not rows:
                k = len(word)
                if k > LONGEST_WORD:
                    raise ValueError(f"{path}, line {number}: {word[:40]!r} is no word of 1 to {LONGEST_WORD} bases")
                if set(word) <= set(_BASES) and n_words > 4**k:
                    raise ValueError(f"{path}, line 1: {n_words} words, but of {k} bases there are {4**k}")
            row = id_of(word, k)
            if row is None:
                raise ValueError(
                    f"{path}, line {number}: {word[:40]!r} is no word of {counted(k, 'base')} A, C, G or T"
                )
            if row in rows:
                raise ValueError(f"{path}, line {number}: {word} stands in line {rows[row]} already")
            if len(cells) != dimensions:
                raise ValueError(
                    f"{path}, line {number}: {word} has {counted(len(cells), 'number')}, but line 1 says {dimensions}"
                )
            if not rows:
                vectors = np.zeros((4**k, dimensions), dtype=np.float32)
            rows[row] = number
            vectors[row] = _finite(path, number, cells)
        if not rows:
            raise ValueError(f"{path} has no word after its first line")
        if len(rows) < 4**k:
            missing = next(row for row in range(4**k) if row not in rows)
            raise ValueError(
                f"{path}: {word_of(missing, k)} is missing ({4**k - len(rows)} of the {4**k} words of {k} bases are)"
            )
        if n_words != 4**k:
            raise ValueError(f"{path}, line 1: {counted(n_words, 'word')}, but {4**k} follow")
        return cls(k, vectors)

    def _id(self, word: str) -> int:
        row = id_of(word, self.k) if isinstance(word, str) else None
        if row is None:
            raise ValueError(f"word={word!r} must be {counted(self.k, 'base')} A, C, G or T")
        return row


def word_of(row: int, k: int) -> str:
    """The word of k bases of an id below 4**k."""
    return "".join(_BASES[(row >> 2 * digit) & 3] for digit in reversed(range(k)))


def id_of(word: str, k: int) -> int | None:
    """The id of a word of k bases; None for what is no such word."""
    if len(word) != k or not set(word) <= set(_BASES):
        return None
    row = 0
    for base in word:
        row = row * 4 + _BASES.index(base)
    return row


def reverse_complements(k: int) -> NDArray[np.int64]:
    """The id of the reverse complement of each word of k bases, int64 (4**k,)."""
    rows = np.arange(4**k, dtype=np.int64)
    turned = np.zeros_like(rows)
    for _ in range(k):
        turned = turned * 4 + (3 - rows % 4)
        rows //= 4
    return turned


def _lines(path: str | PathLike[str]) -> Iterator[tuple[int, list[str]]]:
    """Numbers, from 1, and cells of the lines that are not blank; there is at least one."""
    for number, line in enumerate(read_bytes(path).decode().split("\n"), start=1):
        if cells := line.split():
            yield number, cells


def _header(path: str | PathLike[str], number: int, cells: list[str]) -> tuple[int, int]:
    """How many words and dimensions the first line says there are."""
    whole = [int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 10 else 0 for cell in cells]
    if len(whole) != 2 or min(whole) < 1:
        shown = " ".join(cells)
        raise ValueError(
            f"{path}, line {number}: {shown[:40]!r} must be two numbers, of words and of dimensions, as in '4096 32'"
        )
    return whole[0], whole[1]


def _finite(path: str | PathLike[str], number: int, cells: list[str]) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):
            values = np.array(cells, dtype=np.float64).astype(np.float32)
    except ValueError:
        wrong = next(cell for cell in cells if not _is_number(cell))
        raise ValueError(f"{path}, line {number}: {wrong[:40]!r} is no number") from None
    if not np.isfinite(values).all():
        wrong = cells[int(np.argmin(np.isfinite(values)))]
        raise ValueError(f"{path}, line {number}: {wrong[:40]} is no finite number of 32 bits")
    return values


def _is_number(cell: str) -> bool:
    try:
        np.float64(cell)
    except ValueError:
        return False
    return True
