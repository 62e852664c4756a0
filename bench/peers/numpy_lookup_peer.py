"""numpy: the genome as letters in memory, windows by fancy indexing, one-hot by look-up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CODES = np.full(256, 4, np.uint8)
for _code, _letter in enumerate("ACGT"):
    _CODES[[ord(_letter), ord(_letter.lower())]] = _code
_ROWS = np.eye(5, 4, dtype=np.uint8)


class Genome:
    def __init__(self, path: Path) -> None:
        self.contigs = []
        for record in path.read_bytes().split(b">")[1:]:
            letters = np.frombuffer(record[record.index(b"\n") + 1 :], np.uint8)
            self.contigs.append(letters[letters != ord("\n")])

    def letters(self, windows) -> NDArray[np.uint8]:
        """(N, L)"""
        if len(self.contigs) != 1:
            raise ValueError("one contig is enough to compare with")
        return self.contigs[0][windows.start[:, None] + np.arange(windows.length)]

    def one_hot(self, windows, out: NDArray[np.generic]) -> None:
        one_hot(self.letters(windows), out)


def codes(letters: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, L)"""
    return _CODES[letters]


def one_hot(letters: NDArray[np.uint8], out: NDArray[np.generic]) -> None:
    """Fills out (N, 4, L)."""
    np.copyto(out, _ROWS.astype(out.dtype)[codes(letters)].transpose(0, 2, 1))


def kmers(letters: NDArray[np.uint8], k: int, out: NDArray[np.int32]) -> None:
    """Fills out (N, L - k + 1); letters are all known."""
    base_codes = codes(letters).astype(np.int32)
    positions = out.shape[1]
    out[...] = 0
    for j in range(k):
        out *= 4
        out += base_codes[:, j : j + positions]
