"""py2bit: a .2bit file, a window at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import py2bit
from numpy.typing import NDArray

from peers import numpy_compare_peer


class Genome:
    def __init__(self, path: Path) -> None:
        self.twobit = py2bit.open(str(path))

    def contig_lengths(self) -> dict[str, int]:
        return dict(self.twobit.chroms())

    def prepare(self, windows):
        """Names, starts and ends as plain Python."""
        names = [windows.contigs[number] for number in windows.contig.tolist()]
        return names, windows.start.tolist(), (windows.start + windows.length).tolist()

    def letters(self, table) -> NDArray[np.uint8]:
        """(N, L), upper case"""
        rows = [self.twobit.sequence(*window) for window in zip(*table, strict=True)]
        return np.frombuffer("".join(rows).encode(), np.uint8).reshape(len(rows), -1)

    def one_hot(self, table, out: NDArray[np.generic]) -> NDArray[np.generic]:
        """(N, 4, L)"""
        return numpy_compare_peer.one_hot(self.letters(table), out)
