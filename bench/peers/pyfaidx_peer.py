"""pyfaidx: an indexed FASTA, a window at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyfaidx
from numpy.typing import NDArray

from peers import numpy_lookup_peer


class Genome:
    def __init__(self, path: Path) -> None:
        # The fastest way there is: plain strings, upper case not asked for.
        self.fasta = pyfaidx.Fasta(str(path), as_raw=True, sequence_always_upper=False)

    def letters(self, windows) -> NDArray[np.uint8]:
        """(N, L)"""
        rows = [
            self.fasta[windows.contigs[contig]][start : start + windows.length]
            for contig, start in zip(windows.contig.tolist(), windows.start.tolist(), strict=True)
        ]
        return np.frombuffer("".join(rows).encode(), np.uint8).reshape(len(rows), windows.length)

    def one_hot(self, windows, out: NDArray[np.generic]) -> None:
        numpy_lookup_peer.one_hot(self.letters(windows), out)
