"""Pieces of the data that share no base: the three parts, or folds that become parts in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dnafast.regions import Regions
from dnafast.splitting import PARTS, Split, part_names


@dataclass(frozen=True, eq=False)
class Pieces:
    """The piece of each of N rows.

    Attributes:
        names: train, valid and test, or fold 1 to fold K.
        piece: (N,) the name of each row's piece, or "dropped".
        intervals: each piece's own stretches of the genome; empty for sequences without coordinates.
        description: how the rows were split, for people.
        group: int64 (N,), rows with one number are not independent.
        warnings: what is odd about the split.
    """

    names: tuple[str, ...]
    piece: NDArray[np.object_]
    intervals: dict[str, Regions]
    description: str
    group: NDArray[np.int64]
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, split: Split | Sequence[Split]) -> Pieces:
        """The parts of one split, or the test parts of several, which are its folds."""
        if isinstance(split, Split):
            return cls(
                PARTS, split.part.astype(object), split.intervals, split.description, split.group, split.warnings
            )
        names = tuple(f"fold {number}" for number in range(1, len(split) + 1))
        piece = np.full(len(split[0].part), "dropped", dtype=object)
        for name, one in zip(names, split, strict=True):
            piece[one.part == "test"] = name
        intervals = {
            name: one.intervals["test"] for name, one in zip(names, split, strict=True) if "test" in one.intervals
        }
        sizes = ", ".join(f"{int((piece == name).sum()):,}" for name in names)
        how = split[0].description.partition(f"fold 1 of {len(split)}, ")
        return cls(
            names,
            piece,
            intervals,
            f"{how[0]}{len(split)} folds of {how[2].partition(':')[0]} ({sizes})",
            split[0].group,
            split[0].warnings,
        )

    def rows(self, name: str) -> NDArray[np.int64]:
        """Rows of a piece, ascending."""
        return np.flatnonzero(self.piece == name)

    def columns(self, piece: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.int64] | None]:
        """The parts (M,) of M rows whose pieces these are, and with folds the fold (M,) of each, from 0.

        With folds, the parts are those of the first: it is the test part, the second one is for validation.
        """
        if self.names == PARTS:
            return piece, None
        fold = np.array([self.names.index(name) for name in piece], dtype=np.int64)
        return part_names(fold, 0, len(self.names)).astype(object), fold


def folds_of(fold: NDArray[np.int64], part: NDArray[np.object_]) -> NDArray[np.int64] | None:
    """The folds (N,) that a table of a bench gives its rows, from 0; None where there is one only.

    Args:
        fold: the column fold.
        part: the column split, which must be that of the first fold.

    Raises:
        ValueError: fewer than three folds, numbers that are not 0 to K - 1, or parts that are not those of fold 0.
    """
    found = np.unique(fold)
    if found.size <= 1:
        return None
    if found.size < 3 or not np.array_equal(found, np.arange(found.size)):
        shown = ", ".join(map(str, found[:5]))
        raise ValueError(f"the column fold holds {shown}: folds must be 0 to K - 1, three at least")
    if not np.array_equal(part_names(fold, 0, found.size), part.astype(str)):
        raise ValueError(
            "the column split is not that of the first fold: fold 0 must be test, fold 1 valid, others train"
        )
    return fold
