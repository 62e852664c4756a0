"""numpy: the windows that each peak overlaps by two binary searches, then every such pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def label(tiles, peaks, positive: float, negative: float) -> NDArray[np.int8]:
    """int8 (N, T); the tiles lie in the order of the genome, and the peaks are on the same contigs."""
    longest = int(tiles.end.max()) + max(int(table.end.max()) for table in peaks)
    start = tiles.start + tiles.contig.astype(np.int64) * longest
    labels = np.zeros((len(tiles), len(peaks)), np.int8)
    for task, table in enumerate(peaks):
        offset = table.contig.astype(np.int64) * longest
        first = np.searchsorted(start, table.start + offset - tiles.length, side="right")
        count = np.searchsorted(start, table.end + offset, side="left") - first
        peak = np.repeat(np.arange(len(table)), count)
        row = np.arange(peak.size) - np.repeat(np.cumsum(count) - count, count) + first[peak]
        fraction = shares(tiles, table, row, peak)
        best = np.zeros(len(tiles))
        np.maximum.at(best, row, fraction)
        labels[:, task] = np.where(best >= positive, 1, np.where(best > negative, -1, 0))
    return labels


def shares(tiles, table, row: NDArray[np.int64], peak: NDArray[np.int64]) -> NDArray[np.float64]:
    """Overlap of pairs on one contig: shared bases over the shorter of tile and peak."""
    end = np.minimum(tiles.start[row] + tiles.length, table.end[peak])
    shared = end - np.maximum(tiles.start[row], table.start[peak])
    return np.maximum(shared, 0) / np.minimum(table.end[peak] - table.start[peak], tiles.length)


def label_pairs(tiles, peaks, pairs, positive: float, negative: float) -> NDArray[np.int8]:
    """Labels from a rival's overlapping pairs: `pairs(table)` gives rows of the tiles and of the table."""
    labels = np.zeros((len(tiles), len(peaks)), np.int8)
    for task, table in enumerate(peaks):
        row, peak = pairs(table)
        best = np.zeros(len(tiles))
        np.maximum.at(best, row, shares(tiles, table, row, peak))
        labels[:, task] = np.where(best >= positive, 1, np.where(best > negative, -1, 0))
    return labels
