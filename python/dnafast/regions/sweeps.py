"""Merging, subtracting and overlapping intervals by sorted sweeps; strands do not matter here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dnafast.regions.table import Intervals, Regions, common_contigs

Positions = NDArray[np.int64]


def merge(regions: Intervals) -> Regions:
    """The stretches that regions cover, sorted by contig and start; those that overlap or touch become one.

    Contigs keep their order; empty regions vanish; names, scores, strands and summits are gone.
    """
    [bounds], span = _on_one_axis([regions])
    start, end = _merged(*bounds)
    contig = start // span
    return Regions.from_arrays(
        regions.contigs, contig, start - contig * span, end - contig * span, path=getattr(regions, "path", None)
    )


def overlap_mask(regions: Intervals, others: Intervals) -> NDArray[np.bool_]:
    """Which of N regions (or windows) share at least one base with any of the others, bool (N,)."""
    ((start, end), other), _ = _on_one_axis([regions, others])
    other_start, other_end = _merged(*other)
    first = np.searchsorted(other_end, start, side="right")
    behind = np.searchsorted(other_start, end, side="left")
    return (behind > first) & (start < end)


def inside_mask(regions: Intervals, others: Intervals) -> NDArray[np.bool_]:
    """Which of N regions (or windows) the others, taken together, cover from end to end, bool (N,)."""
    ((start, end), other), _ = _on_one_axis([regions, others])
    other_start, other_end = _merged(*other)
    if not other_start.size:
        return np.zeros(start.size, dtype=np.bool_)
    at = np.searchsorted(other_start, start, side="right") - 1
    return (at >= 0) & (end <= other_end[at]) & (start < end)


def subtract(regions: Regions, others: Intervals) -> Regions:
    """The pieces of regions that none of the others covers, in the order of the regions.

    A piece keeps its region's name, score, strand and signal, and its summit where that lies inside the piece.
    """
    ((start, end), other), _ = _on_one_axis([regions, others])
    other_start, other_end = _merged(*other)
    first = np.searchsorted(other_end, start, side="right")
    behind = np.maximum(np.searchsorted(other_start, end, side="left"), first)
    # Each of the k stretches cut out of a region leaves k + 1 candidate pieces between them, some of them empty.
    pieces = behind - first + 1
    row = np.repeat(np.arange(len(regions)), pieces)
    which = np.arange(row.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    padded_start, padded_end = np.append(other_start, 0), np.append(other_end, 0)
    piece_start = np.where(which == 0, start[row], padded_end[first[row] + which - 1])
    piece_end = np.where(which == pieces[row] - 1, end[row], padded_start[first[row] + which])
    filled = piece_start < piece_end
    row = row[filled]
    offset = (start - regions.start)[row]
    piece = regions[row]
    new_start, new_end = piece_start[filled] - offset, piece_end[filled] - offset
    inside = (piece.summit >= new_start) & (piece.summit < new_end)
    return replace(piece, start=new_start, end=new_end, summit=np.where(inside, piece.summit, -1))


def _on_one_axis(tables: list[Intervals]) -> tuple[list[tuple[Positions, Positions]], int]:
    """Starts and ends of several tables on one axis, contigs laid end to end `span` apart."""
    _, indices = common_contigs([(table.contigs, table.contig) for table in tables])
    # The gap of two keeps intervals that end a contig apart from those that start the next.
    span = max((int(table.end.max(initial=0)) for table in tables), default=0) + 2
    axis = []
    for table, contig in zip(tables, indices, strict=True):
        offset = contig.astype(np.int64) * span
        start = np.maximum(table.start, 0)
        axis.append((start + offset, np.maximum(table.end, start) + offset))
    return axis, span


def _merged(start: Positions, end: Positions) -> tuple[Positions, Positions]:
    filled = start < end
    start, end = start[filled], end[filled]
    if not start.size:
        return start, end
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum.accumulate(end[order])
    opens = np.concatenate(([True], start[1:] > end[:-1]))
    closes = np.concatenate((opens[1:], [True]))
    return start[opens], end[closes]
