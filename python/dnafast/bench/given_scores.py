"""Scores of another tool for the same test part, from a table."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnafast.bench.dataset import Dataset
from dnafast.regions.text import counted, read_bytes

_PLACE = ("contig", "start", "end")


class GivenScores(NamedTuple):
    """What another tool says."""

    valid: NDArray[np.float64] | None
    """(n_valid, T); None where the file does not hold every row of the validation part."""
    test: NDArray[np.float64]
    """(n_test, T)."""
    are_probabilities: bool
    """Whether all lie in [0, 1]; else their order means something, and `valid` and `test` hold shares of ranks."""


def named_scores(specifications: Sequence[str]) -> list[tuple[str, Path]]:
    """Names and paths of `NAME=FILE`.

    Raises:
        ValueError: one without a name, or two of one name.
    """
    named: list[tuple[str, Path]] = []
    for specification in specifications:
        name, separator, path = specification.partition("=")
        if not (separator and name and path):
            raise ValueError(f"--scores {specification!r} must be NAME=FILE: under which name is the tool shown?")
        if name in dict(named):
            raise ValueError(f"--scores names {name!r} twice")
        named.append((name, Path(path)))
    return named


def read_scores(path: Path, data: Dataset) -> GivenScores:
    """Read a table of scores and match it to the rows of a data set.

    The table is tab- or comma-separated with a header line, plain or gzip. Windows of a genome are matched by the
    columns contig (or #contig), start and end, sequences by the column sequence; the scores are in a column for each
    task, named like it, as ``dnafast predict`` writes them, or with one task in a column score. Rows of other parts may
    be there.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing, a score is no number, a row of the test part is missing, or one is there twice:
            the file, the line and the row.
    """
    found: dict[str, tuple[float, ...]] = {}
    first_line: dict[str, int] = {}
    copies: dict[str, int] = {}
    keys = _keys(data)
    for key in keys:
        copies[key] = copies.get(key, 0) + 1
    seen: dict[str, int] = {}
    for line, key, scores in _rows(path, data):
        if key not in copies:
            continue
        seen[key] = seen.get(key, 0) + 1
        if key in found and (seen[key] > copies[key] or found[key] != scores):
            raise ValueError(f"{path}, line {line}: {_shown(key)} is there twice (first in line {first_line[key]})")
        found.setdefault(key, scores)
        first_line.setdefault(key, line)
    test = [keys[row] for row in data.rows("test")]
    missing = [key for key in test if key not in found]
    if missing:
        raise ValueError(
            f"{path} lacks {len(missing):,} of the {len(test):,} rows of the test part, the first of them "
            f"{_shown(missing[0])}; dataset.{'bed' if data.kind == 'genome' else 'csv'}.gz of a bench lists them all"
        )
    valid = [keys[row] for row in data.rows("valid")]
    on_test = np.array([found[key] for key in test])
    on_valid = np.array([found[key] for key in valid]) if all(key in found for key in valid) else None
    both = on_test if on_valid is None else np.concatenate([on_test, on_valid])
    if ((both >= 0) & (both <= 1)).all():
        return GivenScores(on_valid, on_test, True)
    ranks = np.stack([np.unique(column, return_inverse=True)[1].reshape(-1) for column in both.T], axis=1)
    shares = ranks / np.maximum(ranks.max(axis=0), 1)
    return GivenScores(None if on_valid is None else shares[len(on_test) :], shares[: len(on_test)], False)


def _keys(data: Dataset) -> list[str]:
    """What each row of the data is found by."""
    if data.kind == "genome":
        contigs = data.windows.contigs
        return [
            f"{contigs[contig]}:{start}-{end}"
            for contig, start, end in zip(data.windows.contig, data.windows.start, data.windows.end, strict=True)
        ]
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)[data.codes(np.arange(len(data.windows)))]
    return [row.tobytes().decode() for row in letters]


def _rows(path: Path, data: Dataset) -> Iterator[tuple[int, str, tuple[float, ...]]]:
    """Line, key and scores of every row of the table."""
    lines = read_bytes(path).decode().splitlines()
    if not lines:
        raise ValueError(f"{path} is empty: a header line and a row for each window or sequence are wanted")
    delimiter = "\t" if "\t" in lines[0] else ","
    header = [name.strip().removeprefix("#") for name in lines[0].split(delimiter)]
    wanted = list(_PLACE) if data.kind == "genome" else ["sequence"]
    # One task needs no name, but has one in a table of dnafast predict.
    tasks = ["score"] if len(data.tasks) == 1 and data.tasks[0] not in header else list(data.tasks)
    for name in (*wanted, *tasks):
        if name not in header:
            raise ValueError(f"{path}, line 1: the column {name!r} is missing (there are {', '.join(header)})")
        if header.count(name) > 1:
            raise ValueError(f"{path}, line 1: there are two columns {name!r}")
    at = [header.index(name) for name in wanted]
    scores_at = [header.index(name) for name in tasks]
    for number, cells in _cells(path, lines, delimiter):
        if len(cells) != len(header):
            count = counted(len(cells), "column")
            raise ValueError(f"{path}, line {number}: {count}, but the header has {len(header)}")
        place = [cells[index].strip() for index in at]
        key = "{}:{}-{}".format(*place) if data.kind == "genome" else _letters(place[0])
        yield number, key, tuple(_number(path, number, tasks[i], cells[index]) for i, index in enumerate(scores_at))


def _cells(path: Path, lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Numbers and cells of the lines after the header that are not blank."""
    reader = csv.reader(lines[1:], delimiter=delimiter)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num + 1, cells
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num + 1}: {error}") from None


def _letters(sequence: str) -> str:
    return "".join(letter if letter in "ACGT" else "N" for letter in sequence.upper())


def _number(path: Path, line: int, name: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{path}, line {line}: {name} {cell!r} is no finite number")
    return value


def _shown(key: str) -> str:
    return key if len(key) <= 60 else f"{key[:57]}..."
