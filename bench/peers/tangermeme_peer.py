"""tangermeme: all windows in one call, the FASTA mapped into memory anew each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import torch
from numpy.typing import NDArray
from tangermeme.io import extract_loci
from tangermeme.match import extract_matching_loci


def left_beside(path: Path) -> list[Path]:
    """What opening a FASTA leaves there."""
    return [Path(f"{path}.fai")]


def _table(windows) -> pandas.DataFrame:
    return pandas.DataFrame(
        {
            "chrom": np.array(windows.contigs, dtype=object)[windows.contig],
            "start": windows.start,
            "end": windows.start + windows.length,
        }
    )


class Genome:
    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self, windows):
        """Its table of loci, and their length."""
        return _table(windows), windows.length

    def one_hot(self, table, out: NDArray[np.generic], threads: int = 1) -> NDArray[np.generic]:
        """(N, 4, L) in memory of its own"""
        loci, length = table
        rows = extract_loci(loci, str(self.path), in_window=length, n_jobs=threads)
        if out.dtype == np.uint8:
            return rows.numpy().view(np.uint8)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return rows.float().numpy()
        finally:
            torch.set_num_threads(before)


def matching_negatives(path: Path, positives, threads: int) -> pandas.DataFrame:
    """Tiles of the genome with the G+C of the positives: chrom, start, end."""
    return extract_matching_loci(
        _table(positives),
        str(path),
        in_window=positives.length,
        out_window=positives.length,
        random_state=0,
        n_jobs=threads,
    )
