"""bioframe: overlaps of two DataFrames."""

from __future__ import annotations

import bioframe
import numpy as np
import pandas
from numpy.typing import NDArray

from peers import numpy_overlap_peer


def _frame(table) -> pandas.DataFrame:
    chrom = pandas.Categorical.from_codes(table.contig, list(table.contigs))
    return pandas.DataFrame({"chrom": chrom, "start": table.start, "end": table.end})


def label(tiles, peaks, positive: float, negative: float) -> NDArray[np.int8]:
    """int8 (N, T)"""
    frame = _frame(tiles)

    def pairs(table):
        found = bioframe.overlap(
            frame, _frame(table), how="inner", return_index=True, return_input=False, suffixes=("", "_")
        )
        return found["index"].to_numpy(np.int64), found["index_"].to_numpy(np.int64)

    return numpy_overlap_peer.label_pairs(tiles, peaks, pairs, positive, negative)
