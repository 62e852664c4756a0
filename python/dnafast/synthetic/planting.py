"""Write binding sites into background sequence and remember where."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dnafast.synthetic.motifs import Motif


@dataclass(frozen=True, eq=False)
class Sites:
    """Planted sites, one row each.

    Attributes:
        row: (S,) int64, the region or sequence that holds the site.
        motif: (S,) str objects, name of the motif.
        start: (S,) int64, first base, 0-based, in the coordinates of the holder's owner (contig or sequence).
        end: (S,) int64, behind the last base.
        strand: (S,) int8, +1 or -1: the strand on which the motif reads as its matrix says.
    """

    row: NDArray[np.int64]
    motif: NDArray[np.object_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    strand: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.row)

    def sorted(self) -> Sites:
        """By row, then start."""
        order = np.lexsort((self.start, self.row))
        return Sites(self.row[order], self.motif[order], self.start[order], self.end[order], self.strand[order])


@dataclass(eq=False)
class Planter:
    """Writes sites into sequences in place, all on the forward strand.

    Attributes:
        codes: (n, length) codes 0-3.
        generator: source of randomness.
        affinity: how near to the consensus sites are, see `Motif.draw`.
    """

    codes: NDArray[np.uint8]
    generator: np.random.Generator
    affinity: float
    _planted: list[tuple[NDArray[np.int64], str, NDArray[np.int64], int]] = field(default_factory=list)

    def plant(self, motif: Motif, rows: NDArray[np.int64], starts: NDArray[np.int64]) -> None:
        """One site of the motif in each of the rows, from these positions on."""
        sites = motif.draw(len(rows), self.generator, self.affinity)
        self.codes[rows[:, None], starts[:, None] + np.arange(motif.width)] = sites
        self._planted.append((rows, motif.name, starts, motif.width))

    def anywhere(self, motif: Motif, rows: NDArray[np.int64]) -> None:
        """One site in each of the rows, every position as likely as any other."""
        starts = self.generator.integers(0, self.codes.shape[1] - motif.width + 1, len(rows))
        self.plant(motif, rows, starts)

    def pair(self, first: Motif, second: Motif, rows: NDArray[np.int64], gaps: NDArray[np.int64]) -> None:
        """Two sites with so many bases between them; the whole lies anywhere in the row."""
        free = self.codes.shape[1] - first.width - second.width - gaps
        starts = self.generator.integers(0, free + 1)
        self.plant(first, rows, starts)
        self.plant(second, rows, starts + first.width + gaps)

    def sites(self) -> Sites:
        """All that was planted, in the coordinates of the rows."""
        if not self._planted:
            none = np.empty(0, np.int64)
            return Sites(none, np.empty(0, object), none, none, np.empty(0, np.int8))
        row = np.concatenate([rows for rows, _, _, _ in self._planted])
        start = np.concatenate([starts for _, _, starts, _ in self._planted])
        width = np.concatenate([np.full(len(rows), width) for rows, _, _, width in self._planted])
        motif = np.concatenate([np.full(len(rows), name, dtype=object) for rows, name, _, _ in self._planted])
        return Sites(row, motif, start, start + width, np.ones(len(row), np.int8)).sorted()


def shares_to_kinds(shares: dict[str, float], n: int, generator: np.random.Generator) -> NDArray[np.object_]:
    """``n`` kinds in random order, their numbers in the given shares to within one."""
    names = list(shares)
    borders = np.round(np.cumsum([0.0, *shares.values()]) / sum(shares.values()) * n).astype(int)
    kinds = np.repeat(np.array(names, dtype=object), np.diff(borders))
    return generator.permutation(kinds)
