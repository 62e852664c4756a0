"""Data sets from sequences that come ready-made: two FASTA files, or a table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dnafast.bench.dataset import Dataset, Flow, genome_blocks
from dnafast.bench.measure import Meter
from dnafast.bench.options import BenchOptions
from dnafast.bench.pieces import Pieces, folds_of
from dnafast.genome import Genome
from dnafast.regions import Regions
from dnafast.sequences import SequenceTable, read_fasta, read_table, require_two_classes
from dnafast.splitting import Split, fold_sequences, split_sequences
from dnafast.windowing import Windows


def from_fasta(options: BenchOptions, positives: Path, negatives: Path, meter: Meter) -> Dataset:
    """A data set of one task from a FASTA file for each class.

    Raises:
        ValueError: the files do not hold sequences of one length.
    """
    with meter.phase("index", "data"):
        opened, closed = read_fasta(positives), read_fasta(negatives)
        table = SequenceTable.from_classes(opened, closed)
    labels = table.labels
    assert labels is not None, "classes become labels"
    flow = Flow()
    flow.add("read", len(opened), "positive")
    flow.add("read", len(closed), "negative")
    name = positives.resolve().parent.name if positives.name.startswith("pos") else positives.name.split(".")[0]
    return assemble(
        options,
        meter,
        name=name,
        task=name,
        letters=table.letters,
        labels=labels,
        source=np.where(labels == 1, "positive", "negative").astype(object),
        flow=flow,
        coordinates=table.coordinates,
        notes=[*_notes(opened), *_notes(closed)],
    )


def from_table(options: BenchOptions, path: Path, meter: Meter) -> Dataset:
    """A data set of one task from a table of sequences, labels and, where it has one, their parts."""
    with meter.phase("index", "data"):
        table = read_table(path)
    labels = table.labels
    assert labels is not None, "read_table always gives labels"
    require_two_classes(labels, str(path))
    source = np.where(labels == 1, "positive", "negative").astype(object)
    flow = Flow()
    for kind in ("positive", "negative"):
        flow.add("read", int((source == kind).sum()), kind)
    name = path.name.split(".")[0]
    return assemble(
        options,
        meter,
        name=name,
        task=name,
        letters=table.letters,
        labels=labels,
        source=source,
        flow=flow,
        coordinates=table.coordinates,
        given=table if table.split is not None else None,
        notes=_notes(table),
    )


def _notes(table: SequenceTable) -> list[str]:
    """What was odd about the sequences, for the page."""
    notes = [f"{table.path}: {table.note}"] if table.note else []
    foreign = table.report.get("iupac_as_n")
    if foreign:
        notes.append(f"{table.path}: {foreign:,} IUPAC letters other than ACGT count as N.")
    return notes


def assemble(
    options: BenchOptions,
    meter: Meter,
    *,
    name: str,
    task: str,
    letters: NDArray[np.uint8],
    labels: NDArray[np.int8],
    source: NDArray[np.object_],
    flow: Flow,
    coordinates: Regions | None = None,
    given: SequenceTable | None = None,
    notes: Sequence[str] = (),
    simulated: bool = False,
) -> Dataset:
    """Sequences as a data set: each a contig of its own, parts as given or by coordinates or shared words.

    Args:
        letters: uint8 (N, L).
        labels: int8 (N,), 1 or 0.
        source: (N,) how each came here.
        flow: what was read.
        coordinates: where on a genome each lies, if that is known.
        given: the table whose columns split and group say which rows belong to which part, and together.
    """
    n, length = letters.shape
    with meter.phase("window", "data"):
        names = [str(number) for number in range(n)]
        genome = Genome.from_sequences(letters, names=names)
        stranded = options.strand != "unstranded"
        table = Windows.from_arrays(names, np.arange(n), np.zeros(n), length, strand=1 if stranded else 0)
        if given is not None and (options.test or options.valid):
            raise ValueError(f"--test and --valid have no effect: {name} has a split column; leave them out")
        if given is not None and options.folds:
            raise ValueError(f"--folds has no effect: {name} has a split column; leave one of them out")
        split = _split(options, letters, labels, coordinates) if given is None else Pieces.of(_given(given))
        dropped = int((split.piece == "dropped").sum())
        if dropped:
            flow.add("border between parts", dropped)
        for kind in dict.fromkeys(source):
            for one in split.names:
                flow.add("used", int(((split.piece == one) & (source == kind)).sum()), kind, one)
        kept = split.piece != "dropped"
        part, fold_of = split.columns(split.piece[kept])
        if given is not None and given.fold is not None:
            fold_of = folds_of(given.fold[kept], part)
        if given is not None:
            group, unit = split.group, "sequences" if given.group is None else "the groups of the table"
        elif coordinates is None:
            group, unit = split.group, "groups of sequences that share words"
        else:
            placed = Windows.from_arrays(coordinates.contigs, coordinates.contig, coordinates.start, length)
            tested = np.zeros(n, dtype=np.bool_)
            tested[kept] = part == "test"
            group, block = genome_blocks(placed, tested)
            unit = f"stretches of {block:,} bases"
    return Dataset(
        name=name,
        kind="sequences",
        genome=genome,
        windows=table[kept],
        labels=labels[kept, None],
        tasks=(task,),
        part=part,
        group=group[kept],
        source=source[kept],
        stranded=stranded,
        simulated=simulated,
        flow=flow,
        split=split.description,
        fold_of=fold_of,
        notes=(*notes, f"Intervals come from a bootstrap over {unit}."),
        warnings=(*split.warnings, *_repeats(letters[kept], labels[kept], part)),
    )


def _repeats(letters: NDArray[np.uint8], labels: NDArray[np.int8], part: NDArray[np.object_]) -> list[str]:
    """Sequences that stand in both classes, or in training and test, as warnings."""
    _, same = np.unique(letters, axis=0, return_inverse=True)
    same = np.asarray(same).reshape(-1)
    both = np.intersect1d(same[labels == 1], same[labels == 0])
    leaked = np.isin(same[part == "test"], same[part == "train"])
    found = []
    if len(both):
        found.append(f"{len(both):,} sequences stand in both classes.")
    if leaked.any():
        counts = f"{int(leaked.sum()):,} of {len(leaked):,}"
        found.append(f"{counts} test sequences stand in training as well: scores are too good.")
    return found


def _given(table: SequenceTable) -> Split:
    """The split that the table's own columns give."""
    assert table.split is not None, "asked for where there is one"
    return Split.from_column(table.split, table.group, path=table.path, lines=table.lines)


def _split(
    options: BenchOptions, letters: NDArray[np.uint8], labels: NDArray[np.int8], coordinates: Regions | None
) -> Pieces:
    with warnings.catch_warnings():
        # What is odd about the split stands in its warnings, which the report shows.
        warnings.simplefilter("ignore", UserWarning)
        if options.folds:
            return Pieces.of(fold_sequences(letters, coordinates, labels, folds=options.folds))
        return Pieces.of(
            split_sequences(letters, coordinates, labels, test=options.test or None, valid=options.valid or None)
        )
