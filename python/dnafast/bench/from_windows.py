"""Data sets from a table of windows that a bench has written: the very same windows, labels and parts again."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dnafast.bench.dataset import Dataset, Flow
from dnafast.bench.measure import Meter
from dnafast.bench.options import BenchOptions
from dnafast.bench.pieces import folds_of
from dnafast.bench.strand import resolve_strand
from dnafast.genome import Genome
from dnafast.regions import map_contigs
from dnafast.regions.text import read_bytes
from dnafast.splitting import PARTS
from dnafast.windowing import Windows

_COLUMNS = ("#contig", "start", "end", "strand", "split", "group", "source")
_STRANDS = {"+": 1, "-": -1, ".": 0}
_LABELS = {"1": 1, "0": 0, "-1": -1}
_INTEGER = re.compile(r"-?[0-9]{1,18}")  # so many digits fit an int64


def from_windows(options: BenchOptions, fasta: Path, table: Path, meter: Meter) -> Dataset:
    """Read ``dataset.bed.gz`` and open the genome its windows lie on.

    Raises:
        ValueError: the table is none of a bench, a cell of it is not what it should be, it does not fit the genome,
            or `--strand stranded` is asked for and windows have no strand.
    """
    with meter.phase("index", "data"):
        genome = Genome(fasta, threads=options.threads)
    with meter.phase("window", "data"):
        rows = _read(table)
        contig = map_contigs(rows["#contig"].tolist(), list(genome.contigs))
        _refuse(
            table,
            rows,
            contig < 0,
            lambda row: f"contig {row['#contig']!r} is not in {fasta}: the table was made with another genome",
        )
        start, end = _integers(table, rows, "start"), _integers(table, rows, "end")
        length = int(end[0] - start[0])
        _refuse(table, rows, end <= start, lambda row: f"start {row['start']} does not lie before end {row['end']}")
        _refuse(
            table,
            rows,
            end - start != length,
            lambda row: (
                f"this window has {int(row['end']) - int(row['start'])} bases, the first one has {length}, but "
                "networks need one length"
            ),
        )
        past = end > np.array(list(genome.contigs.values()), dtype=np.int64)[contig]
        _refuse(
            table,
            rows,
            past | (start < 0),
            lambda row: (
                f"the window {row['start']}-{row['end']} does not lie on its contig {row['#contig']} of "
                f"{genome.contigs[row['#contig']]} bases in {fasta}"
            ),
        )
        _refuse(table, rows, ~rows["strand"].isin(_STRANDS), lambda row: f"strand {row['strand']!r} must be +, - or .")
        names = _label_columns(rows)
        labels = np.stack([_labels(table, rows, name) for name in names], axis=1)
        strand = rows["strand"].map(_STRANDS).to_numpy(np.int8)
        windows = Windows.from_arrays(list(genome.contigs), contig, start, length, strand=strand)
        stranded = resolve_strand(options, windows)
        group = _integers(table, rows, "group")
        part = rows["split"].to_numpy(dtype=object)
        fold_of = folds_of(_integers(table, rows, "fold"), part) if "fold" in rows else None
    flow = Flow()
    for one in PARTS:
        flow.add("used", int((part == one).sum()), "window", one)
    stem = table.name.split(".")[0]
    return Dataset(
        name=stem,
        kind="genome",
        genome=genome,
        windows=windows,
        labels=labels,
        tasks=tuple(stem if name == "label" else name.removeprefix("label_") for name in names),
        part=part,
        group=group,
        source=rows["source"].to_numpy(dtype=object),
        stranded=stranded,
        simulated=False,
        flow=flow,
        split=f"as given in {table.name}",
        fold_of=fold_of,
    )


def _read(table: Path) -> pd.DataFrame:
    """The cells of a table of windows as text, indexed by their lines in the file; columns and parts are checked.

    Not by pandas itself, which fills up short rows and forgets where in the file a row was.
    """
    if not table.exists():
        raise ValueError(f"--table {table}: there is no such file")
    reader = csv.reader(io.StringIO(read_bytes(table).decode(), newline=""), delimiter="\t")
    header: list[str] = []
    cells: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if not row:
                continue
            if not header:
                header = row
                _check_header(table, header)
                continue
            if len(row) != len(header):
                raise ValueError(
                    f"{table}, line {reader.line_num}: {len(row)} column{'s' if len(row) > 1 else ''}, but the header "
                    f"has {len(header)}: is the file cut off or edited?"
                )
            cells.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{table}, line {reader.line_num}: {error}") from None
    if not cells:
        raise ValueError(f"--table {table} holds no window")
    rows = pd.DataFrame(cells, columns=header, index=lines, dtype=object)
    _refuse(
        table, rows, ~rows["split"].isin(PARTS), lambda row: f"split {row['split']!r} must be one of {', '.join(PARTS)}"
    )
    return rows


def _check_header(table: Path, header: Sequence[str]) -> None:
    missing = [name for name in _COLUMNS if name not in header]
    if not any(map(_is_label, header)):
        missing.append("label")
    if missing:
        raise ValueError(
            f"--table {table} lacks the column {missing[0]!r}: with --fasta it must be a dataset.bed.gz that a bench "
            "has written"
        )
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise ValueError(f"--table {table} has more than one column {twice!r}")


def _is_label(name: str) -> bool:
    return name == "label" or name.startswith("label_")


def _label_columns(rows: pd.DataFrame) -> list[str]:
    return [name for name in rows.columns if _is_label(name)]


def _refuse(table: Path, rows: pd.DataFrame, wrong: ArrayLike, message: Callable[[Mapping[str, str]], str]) -> None:
    """Raise for the first row that is wrong."""
    mask = np.asarray(wrong, dtype=np.bool_)
    if mask.any():
        at = int(np.argmax(mask))
        row = dict(zip(rows.columns, rows.iloc[at], strict=True))
        raise ValueError(f"{table}, line {rows.index[at]}: {message(row)}")


def _integers(table: Path, rows: pd.DataFrame, column: str) -> NDArray[np.int64]:
    """A column as integers, int64 (N,)."""
    fits = [_INTEGER.fullmatch(cell) is not None for cell in rows[column]]
    _refuse(table, rows, ~np.array(fits), lambda row: f"{column} {row[column]!r} must be an integer")
    return rows[column].to_numpy().astype(np.int64)


def _labels(table: Path, rows: pd.DataFrame, column: str) -> NDArray[np.int8]:
    """A column of labels, int8 (N,)."""
    _refuse(table, rows, ~rows[column].isin(_LABELS), lambda row: f"{column} {row[column]!r} must be 1, 0 or -1")
    return np.array([_LABELS[cell] for cell in rows[column]], dtype=np.int8)
