"""Tiles of the stretches that are tested on, labelled by the peaks."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnafast.bench.pieces import Pieces
from dnafast.genome import Genome
from dnafast.labelling import label
from dnafast.records import write_bytes
from dnafast.regions import Regions
from dnafast.splitting import PARTS
from dnafast.tiling import tiles
from dnafast.windowing import Windows

# A random sample of the tiles has their prevalence, and so many tell it to a few per cent.
MOST_TILES = 20_000


@dataclass(frozen=True, eq=False)
class Tiles:
    """M tiles of one length.

    Attributes:
        windows: where they lie.
        labels: int8 (M, T): 1 where a peak covers half of the shorter of the two, 0 where none touches, -1 between.
        fold: int64 (M,): the fold in whose test part each lies; 0 where there is one split.
        laid: how many there were before the sample was drawn.
    """

    windows: Windows
    labels: NDArray[np.int8]
    fold: NDArray[np.int64]
    laid: int

    def rows(self, fold: int) -> NDArray[np.int64]:
        """Tiles of the test part of a fold, ascending."""
        return np.flatnonzero(self.fold == fold)

    def note(self) -> str:
        """What the page says of them; with several tasks, a number for each."""
        n_labelled = (self.labels >= 0).sum(axis=0)
        n_open = (self.labels == 1).sum(axis=0)
        shares = ", ".join(f"{100 * share:.2g} %" for share in n_open / np.maximum(n_labelled, 1))
        neither = ", ".join(f"{count:,}" for count in len(self.windows) - n_labelled)
        how_many = (
            f"{len(self.windows):,}"
            if self.laid == len(self.windows)
            else (f"{len(self.windows):,} of {self.laid:,} (a random sample)")
        )
        return (
            f"Genome-wide figures are over {how_many} tiles of the test part, less {neither} that a peak covers by "
            f"less than half, so that they are neither open nor closed; of the rest {shares} are open."
        )

    def write(self, path: Path, tasks: Sequence[str]) -> None:
        """Write them as a table: contig, start, end, fold and a column of labels for each task."""
        columns: dict[str, object] = {"#contig": np.array(self.windows.contigs, dtype=object)[self.windows.contig]}
        columns |= {"start": self.windows.start, "end": self.windows.end, "fold": self.fold}
        columns |= {f"label_{task}": self.labels[:, column] for column, task in enumerate(tasks)}
        table = pd.DataFrame(columns).to_csv(index=False, sep="\t")
        write_bytes(path, gzip.compress(table.encode(), mtime=0))


def lay_tiles(
    genome: Genome,
    pieces: Pieces,
    peaks: Sequence[Regions],
    length: int,
    *,
    excluded: Regions | None = None,
    max_n: float = 0.0,
    most: int = MOST_TILES,
) -> Tiles:
    """Tiles of the test part, or of each fold, side by side; a random sample where there are more than `most`.

    Args:
        genome: where they lie.
        pieces: the parts or folds, with their stretches of the genome.
        peaks: a table for each task.
        length: bases in a tile, and from one to the next.
        excluded: regions that no tile may touch.
        max_n: largest share of N in a tile.
        most: tiles of a part at most.

    Raises:
        ValueError: a test part has no tile.
    """
    names = ("test",) if pieces.names == PARTS else pieces.names
    tables, folds, laid = [], [], 0
    for fold, name in enumerate(names):
        found = tiles(genome, length, length, pieces.intervals[name], exclude=excluded, max_n=max_n)
        laid += len(found)
        if len(found) > most:
            kept = np.sort(np.random.default_rng(fold).choice(len(found), size=most, replace=False))
            found = found[kept]
        tables.append(found)
        folds.append(np.full(len(found), fold, dtype=np.int64))
    windows = Windows.concatenate(tables)
    return Tiles(windows, label(windows, list(peaks)), np.concatenate(folds), laid)
