"""Write binding sites into background sequence and remember where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dnafast.synthetic.motifs import Motif


@dataclass(frozen=True, eq=False)
class Sites:
    """Planted sites, one row each, sorted by holder and start.

    Attributes:
        row: (S,) int64, the region or sequence that holds the site.
        motif: (S,) str objects, name of the motif; "scrambled …" for its letters in random order.
        start: (S,) int64, first base, 0-based.
        end: (S,) int64, behind the last base.
        strand: (S,) int8, +1 or -1: the strand on which the site reads as the motif's matrix says.
    """

    row: NDArray[np.int64]
    motif: NDArray[np.object_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    strand: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Sites:
        return Sites(self.row[index], self.motif[index], self.start[index], self.end[index], self.strand[index])

    def ordered(self) -> Sites:
        """Sorted by holder and start."""
        return self[np.lexsort((self.start, self.row))]

    def of_rows(self, chosen: NDArray[np.bool_]) -> Sites:
        """The sites of the chosen holders, which are counted anew."""
        kept = self[chosen[self.row]]
        return replace(kept, row=(np.cumsum(chosen) - 1)[kept.row])

    def placed(self, begins: NDArray[np.int64], length: int, orientation: NDArray[np.int8]) -> Sites:
        """The sites after their holders, (n,) windows of ``length``, were turned and put where they begin."""
        turned = orientation[self.row] < 0
        start = np.where(turned, length - self.end, self.start) + begins[self.row]
        return replace(
            self, start=start, end=start + self.end - self.start, strand=self.strand * orientation[self.row]
        ).ordered()


class Planter:
    """Writes sites into sequences in place, all on the forward strand.

    Args:
        codes: (n, length) codes 0-3.
        generator: source of randomness.
    """

    def __init__(self, codes: NDArray[np.uint8], generator: np.random.Generator) -> None:
        self.codes = codes
        self.generator = generator
        self._planted: list[Sites] = []

    def anywhere(self, motif: Motif, rows: NDArray[np.int64]) -> None:
        """One site in each of the rows, every position as likely as any other."""
        self._write(motif.draw(len(rows), self.generator), motif.name, rows, self._anywhere(motif.width, len(rows)))

    def at(self, motif: Motif, rows: NDArray[np.int64], starts: NDArray[np.int64]) -> None:
        """One site in each of the rows, where it is said to start."""
        self._write(motif.draw(len(rows), self.generator), motif.name, rows, starts)

    def scrambled(self, motif: Motif, rows: NDArray[np.int64]) -> None:
        """The letters of a site in random order, anywhere in the row: its composition without its meaning."""
        letters = self.generator.permuted(motif.draw(len(rows), self.generator), axis=1)
        self._write(letters, f"scrambled {motif.name}", rows, self._anywhere(motif.width, len(rows)))

    def pair(self, first: Motif, second: Motif, rows: NDArray[np.int64], gaps: NDArray[np.int64]) -> None:
        """Two sites in each of the rows with ``gaps[row]`` bases between them; the whole lies anywhere."""
        between = gaps[rows]
        starts = self._anywhere(first.width + between + second.width, len(rows))
        self._write(first.draw(len(rows), self.generator), first.name, rows, starts)
        self._write(second.draw(len(rows), self.generator), second.name, rows, starts + first.width + between)

    def sites(self) -> Sites:
        """All that was planted, in the coordinates of the rows."""
        columns = ("row", "motif", "start", "end", "strand")
        return Sites(*(np.concatenate([getattr(part, name) for part in self._planted]) for name in columns)).ordered()

    def _anywhere(self, width: int | NDArray[np.int64], n: int) -> NDArray[np.int64]:
        return self.generator.integers(0, self.codes.shape[1] - width + 1, n)

    def _write(self, sites: NDArray[np.uint8], name: str, rows: NDArray[np.int64], starts: NDArray[np.int64]) -> None:
        n, width = sites.shape
        self.codes[rows[:, None], starts[:, None] + np.arange(width)] = sites
        self._planted.append(
            Sites(rows, np.full(n, name, dtype=object), starts, starts + width, np.ones(n, dtype=np.int8))
        )


def kinds_by_share(shares: Mapping[str, float], n: int, generator: np.random.Generator) -> NDArray[np.object_]:
    """``n`` kinds in random order, each as often as its share says, to within one."""
    borders = np.round(np.cumsum([0.0, *shares.values()]) * n).astype(int)
    return generator.permutation(np.repeat(np.array(list(shares), dtype=object), np.diff(borders)))


def seeded(seed: int, purpose: str) -> np.random.Generator:
    """A generator of its own for each seed and purpose.

    Raises:
        ValueError: the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"seed={seed} must be at least 0")
    return np.random.default_rng([seed, *purpose.encode()])
