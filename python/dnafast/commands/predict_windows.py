"""Which windows ``dnafast predict`` scores: around regions, over stretches of a genome, or within sequences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dnafast.genome import Genome
from dnafast.regions import Regions, default_contigs, merge, read_bed
from dnafast.regions.placing import place
from dnafast.windowing import Windows, centres, chosen_contigs

if TYPE_CHECKING:
    # They load torch, which --help does without.
    from dnafast.commands.predict import PredictOptions
    from dnafast.predicting import Stretches
    from dnafast.saved import SavedModel


@dataclass(frozen=True)
class Plan:
    """Windows to score, and how they stand in a track.

    Attributes:
        pieces: the windows, piece by piece.
        n: how many there are.
        width: bases in the middle of a window that it stands for in a track.
        max_n: largest share of N; 1 for any.
        notes: what was left out or reads N, in words.
    """

    pieces: Iterator[Windows]
    n: int
    width: int
    max_n: float
    notes: tuple[str, ...] = ()


def plan_of(options: PredictOptions, saved: SavedModel, genome: Genome, sorted_and_apart: bool) -> Plan:
    """What is scored.

    Raises:
        ValueError: contigs or regions that the genome lacks, sequences shorter than the network's, or windows that a
            track cannot hold.
    """
    from dnafast.predicting import slices

    if options.bed and not options.stride:
        windows, notes = _around_regions(options, saved, genome)
        if sorted_and_apart:
            windows = _sorted_and_apart(windows, genome, options.out)
        return Plan(slices(windows), len(windows), saved.length, 1.0, notes)
    stretches, notes = _stretches(options, saved, genome)
    width = min(stretches.stride, saved.length)
    is_sequences = options.sequences is not None
    if is_sequences and not options.stride:
        width = saved.length
    pieces = stretches.pieces()
    if saved.stranded:
        pieces = _on_strands(pieces, options.strand)
    n = len(stretches) * (2 if options.strand == "both" else 1)
    return Plan(pieces, n, width, 1.0 if is_sequences else options.max_n, notes)


def _around_regions(options: PredictOptions, saved: SavedModel, genome: Genome) -> tuple[Windows, tuple[str, ...]]:
    """One window for each region, in their order; beyond a contig's end they read N, which is told."""
    assert options.bed is not None, "asked only with --bed"
    regions = read_bed(options.bed, columns=options.columns if options.columns == "auto" else int(options.columns))
    located, counts, source = place(regions, genome.contigs, options.outside)
    located, kept = _on_contigs(options, genome, located)
    source = source[kept]
    notes = (*_outside(counts), *_left_out(int((~kept).sum()), "region", "on other contigs"))
    centre, _ = centres(located, "summit")
    strand = located.strand if saved.stranded else np.zeros(len(located), dtype=np.int8)
    table = Windows(located.contigs, located.contig, centre - saved.length // 2, strand, saved.length, source)
    sizes = np.array(list(genome.contigs.values()), dtype=np.int64)[table.contig]
    n_over = int(((table.start < 0) | (table.end > sizes)).sum())
    if n_over:
        they = "reach over an end of their contig and read N there, and their rows end"
        it = "reaches over an end of its contig and reads N there, and its row ends"
        notes = (*notes, f"{n_over:,} {it if n_over == 1 else they} where the contig does")
    return table, notes


def _stretches(options: PredictOptions, saved: SavedModel, genome: Genome) -> tuple[Stretches, tuple[str, ...]]:
    """Windows by steps: over sequences, regions or contigs."""
    from dnafast.predicting import Stretches

    names, sizes = tuple(genome.contigs), np.array(list(genome.contigs.values()), dtype=np.int64)
    length, stride = saved.length, options.stride or saved.length
    every = np.arange(len(names), dtype=np.int32)
    if options.sequences:
        short = np.flatnonzero(sizes < length)
        if len(short):
            raise ValueError(
                f"{options.sequences}: {names[short[0]]} has {sizes[short[0]]} bases, but the network takes {length} "
                f"({len(short):,} of {len(names):,} sequences are too short)"
            )
        if options.stride:
            return Stretches(names, every, np.zeros_like(sizes), sizes, length, stride), ()
        begin = (sizes - length) // 2
        return Stretches(names, every, begin, begin + length, length, length), ()
    if options.bed:
        regions = read_bed(options.bed, columns=options.columns if options.columns == "auto" else int(options.columns))
        located, counts, _ = place(regions, genome.contigs, options.outside)
        located, kept = _on_contigs(options, genome, located)
        covered = merge(located)
        notes = (*_outside(counts), *_left_out(int((~kept).sum()), "region", "on other contigs"))
        n_short = int((covered.end - covered.start < length).sum())
        notes = (*notes, *_left_out(n_short, "stretch", f"shorter than {length} bases"))
        return Stretches(names, covered.contig, covered.start, covered.end, length, stride), notes
    used = every[chosen_contigs(list(options.contigs) or default_contigs(names) or names, genome.contigs)]
    notes = _left_out(int((sizes[used] < length).sum()), "contig", f"shorter than {length} bases")
    return Stretches(names, used, np.zeros(len(used), dtype=np.int64), sizes[used], length, stride), notes


def _on_contigs(options: PredictOptions, genome: Genome, located: Regions) -> tuple[Regions, Any]:
    """Regions on the contigs that are asked for, and which these are, bool (N,)."""
    kept = np.ones(len(located), dtype=np.bool_)
    if options.contigs:
        kept = chosen_contigs(options.contigs, genome.contigs)[located.contig]
    return located[kept], kept


def _outside(counts: dict[str, int]) -> tuple[str, ...]:
    return _left_out(counts["unknown_contig"] + counts["past_end"], "region", "not on the genome")


def _left_out(count: int, noun: str, why: str) -> tuple[str, ...]:
    """What was left out in words, nothing where nothing was."""
    several = "es" if noun.endswith("ch") else "s"
    return (f"{count:,} {noun}{several if count != 1 else ''} {why} left out",) if count else ()


def _on_strands(pieces: Iterator[Windows], strand: str) -> Iterator[Windows]:
    """The same windows on the strand that is asked for, or one after the other on both."""
    signs = {"forward": [1], "reverse": [-1], "both": [1, -1]}[strand]
    for piece in pieces:
        rows = np.repeat(np.arange(len(piece)), len(signs))
        yield replace(piece[rows], strand=np.tile(np.array(signs, dtype=np.int8), len(piece)))


def _sorted_and_apart(windows: Windows, genome: Genome, out: Path) -> Windows:
    """Windows in the order of the genome.

    Raises:
        ValueError: two overlap, of which a track can hold one.
    """
    windows = windows[np.lexsort((windows.start, windows.contig))]
    sizes = np.array(list(genome.contigs.values()), dtype=np.int64)
    start, end = np.maximum(windows.start, 0), np.minimum(windows.end, sizes[windows.contig])
    overlap = (windows.contig[1:] == windows.contig[:-1]) & (start[1:] < end[:-1])
    if overlap.any():
        row = int(np.argmax(overlap)) + 1
        place_of_it = f"{windows.contigs[windows.contig[row]]}:{start[row]}-{end[row]}"
        raise ValueError(
            f"{int(overlap.sum()):,} windows around the regions overlap the one before ({place_of_it}), and {out} "
            "holds one value for each base: write .tsv, or give --stride"
        )
    return windows
