"""Data sets from a table of windows that a bench has written: the very same windows, labels and parts again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dnafast.bench.dataset import Dataset, Flow
from dnafast.bench.measure import Meter
from dnafast.bench.options import BenchOptions
from dnafast.genome import Genome
from dnafast.regions import map_contigs
from dnafast.splitting import PARTS
from dnafast.windowing import Windows

_COLUMNS = ("#contig", "start", "end", "strand", "split", "group", "source")
_STRANDS = {"+": 1, "-": -1, ".": 0}


def from_windows(options: BenchOptions, fasta: Path, table: Path, meter: Meter) -> Dataset:
    """Read ``dataset.bed.gz`` and open the genome its windows lie on.

    Raises:
        ValueError: the table is none of a bench, or does not fit the genome.
    """
    with meter.phase("index", "data"):
        genome = Genome(fasta, threads=options.threads)
    with meter.phase("window", "data"):
        rows = _read(table)
        contig = map_contigs(rows["#contig"].tolist(), list(genome.contigs))
        if (contig < 0).any():
            name = rows["#contig"].iloc[int(np.argmax(contig < 0))]
            raise ValueError(f"{table}: contig {name!r} is not in {fasta}: it was made with another genome")
        start, end = rows["start"].to_numpy(np.int64), rows["end"].to_numpy(np.int64)
        lengths = np.unique(end - start)
        if len(lengths) != 1 or lengths[0] < 1:
            raise ValueError(f"{table}: windows have lengths {lengths[:3].tolist()}, but networks need one length")
        past = end > np.array(list(genome.contigs.values()), dtype=np.int64)[contig]
        if past.any() or (start < 0).any():
            line = int(np.argmax(past | (start < 0))) + 2
            raise ValueError(f"{table}, line {line}: the window does not lie on its contig in {fasta}")
        strand = rows["strand"].map(_STRANDS)
        if strand.isna().any():
            raise ValueError(f"{table}, line {int(np.argmax(strand.isna())) + 2}: strand must be +, - or .")
        names = [name for name in rows.columns if name == "label" or name.startswith("label_")]
        labels = rows[names].to_numpy(np.int8)
        windows = Windows.from_arrays(
            list(genome.contigs), contig, start, int(lengths[0]), strand=strand.to_numpy(np.int8)
        )
        part = rows["split"].to_numpy(dtype=object)
    flow = Flow()
    for one in PARTS:
        flow.add("used", int((part == one).sum()), "window", one)
    stem = table.name.split(".")[0]
    stranded = bool((windows.strand != 0).all()) if options.strand == "auto" else options.strand == "stranded"
    return Dataset(
        name=stem,
        kind="genome",
        genome=genome,
        windows=windows,
        labels=labels,
        tasks=tuple(stem if name == "label" else name.removeprefix("label_") for name in names),
        part=part,
        group=rows["group"].to_numpy(np.int64),
        source=rows["source"].to_numpy(dtype=object),
        stranded=stranded,
        simulated=False,
        flow=flow,
        split=f"as given in {table.name}",
    )


def _read(table: Path) -> pd.DataFrame:
    """The rows of a table of windows, its columns checked."""
    if not table.exists():
        raise ValueError(f"--table {table}: there is no such file")
    rows = pd.read_csv(table, sep="\t", dtype={"#contig": str, "strand": str, "split": str, "source": str})
    missing = [name for name in _COLUMNS if name not in rows.columns]
    if missing or not any(name.startswith("label") for name in rows.columns):
        raise ValueError(
            f"--table {table} lacks the column {missing[0] if missing else 'label'!r}: with --fasta it must be a "
            "dataset.bed.gz that a bench has written"
        )
    strange = ~rows["split"].isin(PARTS)
    if strange.any():
        at = int(np.argmax(strange))
        raise ValueError(f"{table}, line {at + 2}: split {rows['split'].iloc[at]!r} must be one of {', '.join(PARTS)}")
    return rows
