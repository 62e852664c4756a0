"""Letters to numbers by numpy at its best: all letters are compared with one base after the other, into a kept buffer.

Comparing is what numpy does in vectors; a table looked up by letters takes twice as long for base codes, and one of
rows of channels, to be transposed, some eighty times as long for one-hot.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnafast.bench.data_path.jobs import encodings

_BASES = b"ACGT"
_UPPER = 0xDF  # clears the bit that makes a letter lower case
_COMPLEMENT = np.arange(256, dtype=np.uint8)
_COMPLEMENT[list(b"ACGT")] = list(b"TGCA")


class Encoder:
    """Encodes batch after batch into memory of its own.

    Args:
        job: name of a job that encodes.
        rows: windows in the largest batch.
        length: bases in a window.
    """

    def __init__(self, job: str, rows: int, length: int) -> None:
        encoding = encodings(length)[job]
        self._job = job
        self._out = np.asarray(encoding.allocate(rows, length))
        self._upper = np.empty((rows, length), np.uint8)
        self._is_base = np.empty((rows, length), np.bool_)
        if job == "kmer_ids":
            self._k: int = encoding.k  # type: ignore[union-attr]
            self._codes = np.empty((rows, length), np.uint8)
            # Words of six bases and what stands for an unknown one fit.
            self._words = np.empty(self._out.shape, np.uint16)
            self._unknown = np.empty(self._out.shape, np.bool_)

    def __call__(self, letters: NDArray[np.uint8], strand: NDArray[np.int8]) -> NDArray[Any]:
        """What the job makes of letters (N, L) on strands (N,); the next call overwrites it."""
        n = len(letters)
        upper, is_base, out = self._upper[:n], self._is_base[:n], self._out[:n]
        np.bitwise_and(letters, _UPPER, out=upper)
        backward = strand < 0
        if backward.any():
            upper[backward] = _COMPLEMENT[upper[backward, ::-1]]
        if self._job == "base_codes":
            _codes(upper, is_base, out)
        elif self._job == "kmer_ids":
            _codes(upper, is_base, self._codes[:n])
            self._spell(self._codes[:n], is_base, out)
        elif out.dtype == np.uint8:
            channels = out.view(np.bool_)
            for channel, base in enumerate(_BASES):
                np.equal(upper, base, out=channels[:, channel])
        else:
            for channel, base in enumerate(_BASES):
                np.copyto(out[:, channel], np.equal(upper, base, out=is_base))
        return out

    def _spell(self, codes: NDArray[np.uint8], is_unknown: NDArray[np.bool_], out: NDArray[np.int32]) -> None:
        """Ids (N, L - k + 1) of words of base codes (N, L)."""
        positions = out.shape[1]
        words, unknown = self._words[: len(out)], self._unknown[: len(out)]
        np.equal(codes, 4, out=is_unknown)
        words.fill(0)
        unknown.fill(False)
        for place in range(self._k):
            words *= 4
            words += codes[:, place : place + positions]
            unknown |= is_unknown[:, place : place + positions]
        np.copyto(out, words)
        np.copyto(out, 4**self._k, where=unknown)


def codes(letters: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Base codes (N, L) of letters (N, L), in new memory."""
    out = np.empty_like(letters)
    _codes(letters & np.uint8(_UPPER), np.empty(letters.shape, np.bool_), out)
    return out


def composition(letters: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many of the letters (N, L) of each window are G or C, and how many are no base."""
    upper = letters & _UPPER
    a, c, g, t = (np.count_nonzero(upper == base, axis=1) for base in _BASES)
    return c + g, letters.shape[1] - (a + c + g + t)


def _codes(upper: NDArray[np.uint8], is_base: NDArray[np.bool_], out: NDArray[np.uint8]) -> None:
    """Base codes of upper-case letters: 4, less what the base that was found lacks of it."""
    less = is_base.view(np.uint8)
    out.fill(4)
    for code, base in enumerate(_BASES):
        np.equal(upper, base, out=is_base)
        np.multiply(less, 4 - code, out=less)
        np.subtract(out, less, out=out)
