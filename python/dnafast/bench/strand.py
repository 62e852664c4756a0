"""Whether the strand of windows counts."""

from __future__ import annotations

from dnafast.bench.options import BenchOptions
from dnafast.windowing import Windows


def resolve_strand(options: BenchOptions, windows: Windows) -> bool:
    """Whether the strand of windows means something: as `--strand` says, or where all of them have one ("auto").

    Raises:
        ValueError: `--strand stranded`, but a window has no strand.
    """
    without = int((windows.strand == 0).sum())
    if options.strand == "auto":
        return without == 0
    if options.strand == "stranded" and without:
        raise ValueError(
            f"--strand stranded: {without:,} of {len(windows):,} windows have no strand to be read in; use "
            "--strand unstranded, or give every region a strand"
        )
    return options.strand == "stranded"
