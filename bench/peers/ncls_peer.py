"""ncls: the nested containment list under pyranges, contig by contig."""

from __future__ import annotations

import itertools

import numpy as np
from ncls import NCLS
from numpy.typing import NDArray

from peers import numpy_overlap_peer


def label(tiles, peaks, positive: float, negative: float) -> NDArray[np.int8]:
    """int8 (N, T); the tiles lie in the order of the genome, and the peaks are on the same contigs."""
    bounds = np.searchsorted(tiles.contig, np.arange(len(tiles.contigs) + 1))
    end = tiles.end
    lists = [NCLS(tiles.start[a:b], end[a:b], np.arange(a, b)) for a, b in itertools.pairwise(bounds)]

    def pairs(table):
        found = []
        for contig, tree in enumerate(lists):
            here = np.flatnonzero(table.contig == contig)
            peak, row = tree.all_overlaps_both(table.start[here], table.end[here], here)
            found.append((row, peak))
        # Empty ones come as floating point.
        return (np.concatenate(column).astype(np.int64) for column in zip(*found, strict=True))

    return numpy_overlap_peer.label_pairs(tiles, peaks, pairs, positive, negative)
