"""Data sets from a genome and peak files: open windows around summits, closed ones sampled."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dnafast.bench.dataset import Dataset, Flow, genome_blocks, unique_names
from dnafast.bench.measure import Meter
from dnafast.bench.options import BenchOptions
from dnafast.bench.pieces import Pieces
from dnafast.bench.strand import resolve_strand
from dnafast.bench.tiles import lay_tiles
from dnafast.genome import Genome
from dnafast.labelling import union_sites
from dnafast.negatives import sample_negatives
from dnafast.regions import Regions, default_contigs, locate, read_bed
from dnafast.regions.text import counted
from dnafast.splitting import PARTS, split
from dnafast.windowing import Windows, losses, windows

DEFAULT_LENGTH = 600


def from_peaks(options: BenchOptions, fasta: Path, meter: Meter) -> Dataset:
    """Windows of a genome, one task for each peak file (or one for all with `--pool`).

    Raises:
        ValueError: a file is not what it should be, or no window is left.
    """
    with meter.phase("index", scope="data"):
        genome = Genome(fasta, threads=options.threads)
    with meter.phase("window", scope="data"):
        return _from_genome(options, genome, fasta)


def _from_genome(options: BenchOptions, genome: Genome, fasta: Path) -> Dataset:
    flow = Flow()
    named = unique_names(options.peaks)
    columns = options.columns if options.columns == "auto" else int(options.columns)
    peaks = {name: read_bed(path, columns=columns) for name, path in named}
    contigs = used_contigs(options, genome)
    excluded = read_excluded(options.exclude, genome, flow)
    if len(peaks) > 1 and options.pool:
        peaks = {"pooled": Regions.concatenate(list(peaks.values()))}
    length = options.length or DEFAULT_LENGTH
    if len(peaks) == 1:
        ((_, regions),) = peaks.items()
        positives = windows(
            regions,
            length,
            genome,
            max_n=options.max_n,
            outside=options.outside,
            exclude=excluded,
            contigs=contigs,
        )
        labels = np.ones((len(positives), 1), dtype=np.int8)
    else:
        positives, labels = union_sites(
            peaks,
            length,
            genome,
            max_n=options.max_n,
            outside=options.outside,
            exclude=excluded,
            contigs=contigs,
        )
    flow.add_all(positives.flow, kind="open")
    if len(positives) < len(PARTS):
        raise ValueError(
            f"{counted(len(positives), 'open window')} cannot be split into training, validation and test: of "
            f"{counted(positives.flow['read'], 'region')} read, {losses(positives.flow) or 'all are used'}"
        )

    pieces = split_windows(options, positives, genome)
    whole = [locate(regions, genome.contigs, outside="drop")[0] for regions in peaks.values()]
    barred = [*whole, *([excluded] if excluded is not None else [])]
    tables, label_rows, names, sources = [], [], [], []
    notes: list[str] = []
    for number, name in enumerate(pieces.names):
        rows = pieces.rows(name)
        if not len(rows):
            raise ValueError(
                f"the {name} part has no open window ({pieces.description}): name other contigs or stretches "
                "with --test and --valid"
            )
        flow.add("used", len(rows), "open", name)
        closed, note = _closed(options, genome, positives[rows], barred, pieces.intervals[name], name, number)
        flow.add("used", len(closed), "closed", name)
        notes += note
        tables += [positives[rows], closed]
        label_rows += [labels[rows], np.zeros((len(closed), labels.shape[1]), dtype=np.int8)]
        names += [name] * (len(rows) + len(closed))
        sources += ["peak"] * len(rows) + [options.sample] * len(closed)
    dropped = int((pieces.piece == "dropped").sum())
    if dropped:
        flow.add("border between parts", dropped, "open")

    table = Windows.concatenate(tables)
    part_column, fold_of = pieces.columns(np.array(names, dtype=object))
    group, block = genome_blocks(table, part_column == "test")
    stranded = resolve_strand(options, table)
    if not stranded:
        # Strands that mean nothing are not kept, so that the table that is written says how it was used.
        table = replace(table, strand=np.zeros(len(table), dtype=np.int8))
    notes.append(f"Intervals come from a bootstrap over stretches of {block:,} bases.")
    notes += _genome_notes(options, genome)
    laid = None
    if "genome" in options.test_on:
        laid = lay_tiles(genome, pieces, whole, length, excluded=excluded, max_n=options.max_n)
        notes.append(laid.note())
    return Dataset(
        name=_name(options, fasta, list(peaks)),
        kind="genome",
        genome=genome,
        windows=table,
        labels=np.concatenate(label_rows),
        tasks=tuple(peaks),
        part=part_column,
        group=group,
        source=np.array(sources, dtype=object),
        stranded=stranded,
        simulated=False,
        flow=flow,
        split=f"positives: {pieces.description}",
        fold_of=fold_of,
        tiles=laid,
        notes=tuple(notes),
    )


def split_windows(options: BenchOptions, positives: Windows, genome: Genome) -> Pieces:
    """The parts of the positives, or their folds."""
    if options.folds:
        return Pieces.of(split(positives, folds=options.folds, genome=genome))
    return Pieces.of(split(positives, test=options.test or None, valid=options.valid or None, genome=genome))


def _closed(
    options: BenchOptions,
    genome: Genome,
    positives: Windows,
    barred: Sequence[Regions],
    within: Regions,
    name: str,
    seed: int,
) -> tuple[Windows, list[str]]:
    """Closed windows of one piece, from that piece's own stretches, and a note where the genome had too few."""
    with warnings.catch_warnings():
        # The shortfall is told in the report and in the flow.
        warnings.filterwarnings("ignore", category=UserWarning, module="dnafast")
        closed = sample_negatives(
            genome,
            positives,
            method=options.sample,
            ratio=options.ratio,
            exclude=list(barred),
            within=within,
            max_n=options.max_n,
            seed=seed,
            threads=options.threads,
        )
    wanted = int(closed.shortfall["wanted"].sum() - closed.shortfall["found"].sum())
    if not wanted:
        return closed, []
    where = closed.shortfall_in_words()
    return closed, [
        f"The {name} part has {wanted:,} closed windows fewer than wanted: its stretches hold no more"
        f"{f', short in {where}' if where else ''}."
    ]


def used_contigs(options: BenchOptions, genome: Genome) -> list[str]:
    """Contigs to use.

    Raises:
        ValueError: `--contigs` names one the genome lacks.
    """
    if not options.contigs:
        return default_contigs(genome.contigs) or list(genome.contigs)
    for name in options.contigs:
        if name not in genome.contigs:
            shown = ", ".join(list(genome.contigs)[:5])
            raise ValueError(f"--contigs {name!r} is not in {genome.path}, which has {shown}, …")
    return list(options.contigs)


def read_excluded(paths: Sequence[Path], genome: Genome, flow: Flow) -> Regions | None:
    """Regions to keep out, those that lie elsewhere counted.

    Raises:
        ValueError: none of a file's regions lies on the genome.
    """
    located = []
    for path in paths:
        regions = read_bed(path, columns=3)
        there, counts = locate(regions, genome.contigs, outside="drop")
        if not len(there):
            locate(regions, genome.contigs, outside="error")
        flow.add_all(counts, f"--exclude {path.name}")
        located.append(there)
    return Regions.concatenate(located) if located else None


def _genome_notes(options: BenchOptions, genome: Genome) -> list[str]:
    notes = []
    foreign = genome.report.get("iupac_as_n")
    if foreign:
        notes.append(f"{foreign:,} IUPAC letters other than ACGT in the genome count as N.")
    if not options.exclude:
        notes.append("No blacklist was applied (--exclude).")
    return notes


def _name(options: BenchOptions, fasta: Path, tasks: Sequence[str]) -> str:
    return tasks[0] if len(tasks) == 1 else fasta.name.split(".")[0]
