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
    """narrowPeak: ten columns, the last the summit counted from the start; the name is kind and row number."""
    score = np.minimum(1000, np.round(50 * regions.signal)).astype(int)
    symbol = {1: "+", -1: "-", 0: "."}
    return "".join(
        f"{regions.contig[row]}\t{regions.start[row]}\t{regions.end[row]}\t{regions.kind[row]}_{row + 1}\t{score[row]}\t"
        f"{symbol[int(regions.strand[row])]}\t{regions.signal[row]:g}\t-1\t-1\t{regions.summit[row] - regions.start[row]}\n"
        for row in range(len(regions))
    )
