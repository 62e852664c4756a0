"""numpy as it is mostly written: the genome as letters in memory, codes and one-hot by look-up."""

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
        self.contigs = {}
        for record in path.read_bytes().split(b">")[1:]:
            header, _, text = record.partition(b"\n")
            letters = np.frombuffer(text, np.uint8)
            self.contigs[header.decode()] = letters[letters != ord("\n")]

    def prepare(self, windows):
        return windows

    def letters(self, windows) -> NDArray[np.uint8]:
        """(N, L), lower case as in the file"""
        out = np.empty((len(windows.start), windows.length), np.uint8)
        for number, name in enumerate(windows.contigs):
            here = windows.contig == number
            places = np.lib.stride_tricks.sliding_window_view(self.contigs[name], windows.length)
            if here.all():
                return places[windows.start]
            out[here] = places[windows.start[here]]
        return out

    def one_hot(self, windows, out: NDArray[np.generic]) -> NDArray[np.generic]:
        return one_hot(self.letters(windows), out)


def codes(letters: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, L)"""
    return _CODES[letters]


def one_hot(letters: NDArray[np.uint8], out: NDArray[np.generic]) -> NDArray[np.generic]:
    """(N, 4, L)"""
    np.copyto(out, _ROWS.astype(out.dtype)[codes(letters)].transpose(0, 2, 1))
    return out


def kmers(letters: NDArray[np.uint8], k: int, out: NDArray[np.int32]) -> NDArray[np.int32]:
    """(N, L - k + 1); letters are all known."""
    base_codes = codes(letters).astype(np.int32)
    positions = out.shape[1]
    out[...] = 0
    for j in range(k):
        out *= 4
        out += base_codes[:, j : j + positions]
    return out
