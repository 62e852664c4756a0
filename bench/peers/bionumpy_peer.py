"""bionumpy: arrays of encoded letters."""

from __future__ import annotations

from pathlib import Path

import bionumpy
import numpy as np
from bionumpy.datatypes import Interval
from bionumpy.encodings.string_encodings import StringEncoding
from numpy.typing import NDArray

from peers import numpy_compare_peer


def left_beside(path: Path) -> list[Path]:
    """What opening a FASTA leaves there."""
    return [Path(f"{path}.fai")]


class Genome:
    def __init__(self, path: Path) -> None:
        self.fasta = bionumpy.open_indexed(str(path))

    def contig_lengths(self) -> dict[str, int]:
        # Its own get_contig_lengths() gives the length of a line.
        return {name: int(row["rlen"]) for name, row in self.fasta._index.items()}

    def prepare(self, windows):
        """Its intervals; contigs encoded as numbers take its faster way."""
        contig = bionumpy.EncodedArray(windows.contig.astype(int), StringEncoding(list(windows.contigs)))
        return Interval(contig, windows.start, windows.start + windows.length)

    def letters(self, table) -> NDArray[np.uint8]:
        """(N, L), lower case as in the file"""
        return self.fasta.get_interval_sequences(table).ravel().raw().reshape(len(table), -1)

    def one_hot(self, table, out: NDArray[np.generic]) -> NDArray[np.generic]:
        """(N, 4, L)"""
        return numpy_compare_peer.one_hot(self.letters(table), out)


def encoded(base_codes: NDArray[np.uint8]):
    """Base codes (N, L), all known, in its own form."""
    return bionumpy.EncodedArray(base_codes, bionumpy.DNAEncoding)


def kmers(sequences, k: int) -> NDArray[np.int64]:
    """(N, L - k + 1): the first base least significant, unlike ours"""
    return bionumpy.get_kmers(sequences, k).raw()
