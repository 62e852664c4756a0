"""GenVarLoader: a reference kept as letters in its own cache; one-hot by SeqPro, as its guide shows."""

from __future__ import annotations

from pathlib import Path

import genvarloader
import numpy as np
import polars
import seqpro
import torch
from genvarloader._threads import parallel_policy
from loguru import logger
from numpy.typing import NDArray

logger.disable("genvarloader")  # it reports each conversion


def left_beside(path: Path) -> list[Path]:
    """What opening a FASTA leaves there."""
    return [Path(f"{path}.gvlfa"), Path(f"{path}.fai")]


class Genome:
    def __init__(self, path: Path) -> None:
        # Mapped, this opens a hundred times faster than read into memory.
        self.path = path
        self.reference = genvarloader.Reference.from_path(path, in_memory=False)

    def load(self) -> None:
        """Into memory, which is faster for many windows."""
        self.reference = genvarloader.Reference.from_path(self.path)

    def contig_lengths(self) -> dict[str, int]:
        return dict(zip(self.reference.contigs, np.diff(self.reference.offsets).tolist(), strict=True))

    def prepare(self, windows):
        """Contigs by its numbers, starts and ends."""
        numbers = self.reference.c_map.c_idxs(np.array(windows.contigs))
        return numbers[windows.contig], windows.start, windows.start + windows.length

    def letters(self, table, threads: int = 1) -> NDArray[np.uint8]:
        """(N, L), upper case"""
        # A reference has no option for it: its pool has a thread a processor, and is used from a megabyte on.
        with parallel_policy("auto" if threads > 1 else False):
            letters = self.reference.fetch(*table).data
        return letters.view(np.uint8).reshape(len(table[0]), -1)

    def one_hot(self, table, out: NDArray[np.generic], threads: int = 1) -> NDArray[np.generic]:
        """(N, L, 4) in memory of its own, shown as (N, 4, L): the channels come last here"""
        rows = seqpro.ohe(self.letters(table, threads).view("S1"), seqpro.DNA)
        return rows.astype(out.dtype, copy=False).transpose(0, 2, 1)


def batches(path: Path, windows, batch_size: int, encoding: str, shuffle: bool = True):
    """Its torch DataLoader: a batch is (B, L) of letters or (B, 4, L), channels last in memory."""
    bed = polars.DataFrame(
        {
            "chrom": np.array(windows.contigs)[windows.contig],
            "chromStart": windows.start,
            "chromEnd": windows.start + windows.length,
            "strand": np.where(windows.strand < 0, "-", "+"),
        }
    )
    data = genvarloader.RefDataset(genvarloader.Reference.from_path(path), bed).with_len(windows.length)

    def encode(letters):
        if encoding == "base codes":
            return torch.from_numpy(letters.view(np.uint8))
        rows = torch.from_numpy(seqpro.ohe(letters, seqpro.DNA)).transpose(1, 2)
        return rows.float() if encoding == "one-hot float32" else rows

    return data.to_dataloader(batch_size=batch_size, shuffle=shuffle, transform=encode)
