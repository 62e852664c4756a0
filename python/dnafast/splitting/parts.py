"""What a split is: the part of every row, and the stretches of genome that belong to each part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnafast.regions import Regions, inside_mask
from dnafast.windowing import Windows

PARTS = ("train", "valid", "test")
_SYNONYMS = {"training": "train", "val": "valid", "dev": "valid", "validation": "valid", "testing": "test"}
BLOCK = 1_000_000  # bases: rows this close are not independent of one another


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of N rows.

    Attributes:
        part: str (N,), "train", "valid", "test" or "dropped".
        intervals: each part's own stretches of the genome, within which its negatives are drawn; empty for sequences
            without coordinates.
        description: how the rows were split, for people.
        group: int64 (N,), rows with one number are not independent: one megabase of the genome, or one group of
            sequences that share words.
        warnings: what is odd about the split.
    """

    part: NDArray[np.str_]
    intervals: dict[str, Regions]
    description: str
    group: NDArray[np.int64]
    warnings: tuple[str, ...] = field(default=())

    def indices(self, part: str) -> NDArray[np.int64]:
        """The rows of a part, ascending, int64.

        Raises:
            ValueError: `part` is none of "train", "valid", "test", "dropped".
        """
        if part not in (*PARTS, "dropped"):
            raise ValueError(f"part must be one of {', '.join(PARTS)}, dropped, not {part!r}")
        return np.flatnonzero(self.part == part)

    @classmethod
    def from_column(
        cls,
        values: Sequence[str],
        group: ArrayLike | None = None,
        *,
        path: str = "the table",
        lines: Sequence[int] = (),
    ) -> Split:
        """A split that a table's column gives: train, valid (also val, dev, validation), test or dropped.

        Args:
            values: the part of each of N rows.
            group: int64 (N,), see the attribute; each row its own by default.
            path, lines: where the rows stand, for messages.

        Raises:
            ValueError: another value, with its line or row, or a part without rows.
        """
        lowered = [str(value).strip().lower() for value in values]
        part = np.array([_SYNONYMS.get(value, value) for value in lowered], dtype="<U7")
        unknown = ~np.isin(part, (*PARTS, "dropped"))
        if unknown.any():
            row = int(np.argmax(unknown))
            place = f"line {lines[row]}" if lines else f"row {row}"
            raise ValueError(f"{path}, {place}: split {values[row]!r} is none of {', '.join(PARTS)}")
        require_parts(part, f"the split column of {path}")
        rows = np.arange(len(part)) if group is None else np.asarray(group, dtype=np.int64)
        return cls(part, {}, f"as the split column says: {counts(part)}", rows)


def require_parts(part: NDArray[np.str_], source: str) -> None:
    """Raise ValueError unless every part has rows."""
    for name in PARTS:
        if not (part == name).any():
            raise ValueError(f"{source} leaves no row for the {name} part")


def counts(part: NDArray[np.str_]) -> str:
    """Rows of each part, and their share of those that were not dropped, as a phrase."""
    used = max(int((part != "dropped").sum()), 1)
    phrases = [f"{name} {(part == name).sum():,} ({100 * (part == name).sum() / used:.1f} %)" for name in PARTS]
    dropped = int((part == "dropped").sum())
    return ", ".join(phrases) + (f", dropped {dropped:,}" if dropped else "")


def clipped(windows: Windows, lengths: NDArray[np.int64]) -> Regions:
    """The part of each window that lies on its contig."""
    length = lengths[windows.contig]
    start = np.clip(windows.start, 0, length)
    return Regions.from_arrays(windows.contigs, windows.contig, start, np.clip(windows.end, start, length))


def part_of(inside: Regions, intervals: dict[str, Regions]) -> NDArray[np.str_]:
    """The part whose intervals hold a region from end to end, else "dropped"; str (N,)."""
    part = np.full(len(inside), "dropped", dtype="<U7")
    for name, stretches in intervals.items():
        part[inside_mask(inside, stretches)] = name
    return part


def megabases(windows: Windows) -> NDArray[np.int64]:
    """The same number for windows that start in one megabase of a contig, int64 (N,)."""
    block = np.maximum(windows.start, 0) // BLOCK
    number: NDArray[np.int64] = windows.contig.astype(np.int64) * (int(block.max(initial=0)) + 1) + block
    return number
