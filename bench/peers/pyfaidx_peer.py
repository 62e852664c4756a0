"""pyfaidx: an indexed FASTA, a window at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyfaidx
from numpy.typing import NDArray

from peers import numpy_compare_peer


def left_beside(path: Path) -> list[Path]:
    """What opening a FASTA leaves there."""
    return [Path(f"{path}.fai")]


class Genome:
    def __init__(self, path: Path) -> None:
        # The fastest way there is: plain strings, upper case not asked for.
        self.fasta = pyfaidx.Fasta(str(path), as_raw=True, sequence_always_upper=False)

    def contig_lengths(self) -> dict[str, int]:
        return {name: len(self.fasta[name]) for name in self.fasta.keys()}  # noqa: SIM118

    def prepare(self, windows):
        """Names, starts and ends as plain Python."""
        names = [windows.contigs[number] for number in windows.contig.tolist()]
        return names, windows.start.tolist(), (windows.start + windows.length).tolist()

    def letters(self, table) -> NDArray[np.uint8]:
        """(N, L), lower case as in the file"""
        rows = [self.fasta[name][start:end] for name, start, end in zip(*table, strict=True)]
        return np.frombuffer("".join(rows).encode(), np.uint8).reshape(len(rows), -1)

    def one_hot(self, table, out: NDArray[np.generic]) -> NDArray[np.generic]:
        """(N, 4, L)"""
        return numpy_compare_peer.one_hot(self.letters(table), out)
