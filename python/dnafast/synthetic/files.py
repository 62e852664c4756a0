"""Simulated data as the text of the files that users know."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dnafast.synthetic.genome import SimulatedRegions


def fasta_text(sequences: Mapping[str, NDArray[np.uint8]], width: int = 60) -> str:
    """FASTA: a header and lines of ``width`` letters for each (name, uint8 letters)."""
    if width < 1:
        raise ValueError(f"width={width} must be at least 1")
    lines: list[str] = []
    for name, letters in sequences.items():
        text = letters.tobytes().decode("ascii")
        lines.append(f">{name}")
        lines.extend(text[begin : begin + width] for begin in range(0, len(text), width))
    return "\n".join([*lines, ""])


def narrowpeak_text(regions: SimulatedRegions) -> str:
    """narrowPeak: ten columns, the name is the kind and the row, the last column the summit counted from the start."""
    symbols = {1: "+", -1: "-", 0: "."}
    lines: list[str] = []
    for row in range(len(regions)):
        start, signal = int(regions.start[row]), float(regions.signal[row])
        columns = (
            regions.contig[row],
            start,
            regions.end[row],
            f"{regions.kind[row]}_{row}",
            min(1000, round(50 * signal)),
            symbols[int(regions.strand[row])],
            f"{signal:g}",
            -1,  # no p-value
            -1,  # no q-value
            regions.summit[row] - start,
        )
        lines.append("\t".join(map(str, columns)))
    return "\n".join([*lines, ""])
