"""Ready-made sequences of one length: FASTA files of one class each, or a table of sequences and labels."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from dnafast.regions import Regions
from dnafast.regions.text import counted, read_bytes

# The contig may not hold what sets fields of a header apart; the strand may be missing.
_INTERVAL = re.compile(r"([^\s:|;,=()\[\]]+):(\d{1,18})-(\d{1,18})(?:\(([+.-])\))?(?![\w.])")
_SEQUENCE_COLUMNS, _LABEL_COLUMNS = ("sequence", "seq"), ("label", "class")
_KNOWN_COLUMNS = frozenset((*_SEQUENCE_COLUMNS, *_LABEL_COLUMNS))

# Letters become upper-case A C G T N: 0 marks what is no base, and _AMBIGUOUS the other IUPAC letters.
_AMBIGUOUS = b"RYSWKMBDHVryswkmbdhv"
_LETTERS = np.zeros(256, dtype=np.uint8)
for _from, _to in ((b"ACGTNacgtn", b"ACGTNACGTN"), (_AMBIGUOUS, b"N" * len(_AMBIGUOUS))):
    _LETTERS[np.frombuffer(_from, np.uint8)] = np.frombuffer(_to, np.uint8)


@dataclass(frozen=True, eq=False)
class SequenceTable:
    """N sequences of one length L.

    Attributes:
        letters: uint8 (N, L), upper-case A C G T N.
        names: the headers, or the table's column `name`.
        coordinates: where the sequences lie, 0-based and half-open, when every header says so; else None.
        path: the file, or the files.
        report: `iupac_as_n`, the number of IUPAC letters other than A C G T N that are read as N.
        note: how the coordinates were understood, or why they are not used.
        labels: int8 (N,), 0 or 1; None for a FASTA file.
        split: the column `split` of a table; None without one.
        group: int64 (N,), the column `group` of a table: rows of one value have one number; None without one.
        fold: int64 (N,), the column `fold` of a table; None without one.
        lines: where in the file the rows of a table stand, from 1; empty for FASTA.
    """

    letters: NDArray[np.uint8]
    names: tuple[str, ...]
    coordinates: Regions | None
    path: str
    report: dict[str, int] = field(default_factory=dict)
    note: str = ""
    labels: NDArray[np.int8] | None = None
    split: tuple[str, ...] | None = None
    group: NDArray[np.int64] | None = None
    fold: NDArray[np.int64] | None = None
    lines: tuple[int, ...] = ()

    def __len__(self) -> int:
        return int(self.letters.shape[0])

    @property
    def length(self) -> int:
        """Bases in each sequence."""
        return int(self.letters.shape[1])

    @classmethod
    def from_classes(cls, positives: SequenceTable, negatives: SequenceTable) -> SequenceTable:
        """Positives (label 1) and negatives (label 0) as one table, in this order.

        Raises:
            ValueError: sequences of different lengths.
        """
        if positives.length != negatives.length:
            raise ValueError(
                f"the sequences of {positives.path} have {positives.length} bases, those of {negatives.path} "
                f"{negatives.length}, but all must have one length"
            )
        both = (positives, negatives)
        coordinates = [table.coordinates for table in both if table.coordinates is not None]
        notes = [f"{table.path}: {table.note}" for table in both if table.note]
        return cls(
            letters=np.concatenate([table.letters for table in both]),
            names=positives.names + negatives.names,
            coordinates=Regions.concatenate(coordinates) if len(coordinates) == 2 else None,
            path=f"{positives.path}, {negatives.path}",
            report={key: positives.report[key] + negatives.report.get(key, 0) for key in positives.report},
            note="; ".join(notes),
            labels=np.repeat(np.array([1, 0], dtype=np.int8), [len(positives), len(negatives)]),
        )


def read_fasta(path: str | PathLike[str]) -> SequenceTable:
    """Read sequences of one length from a FASTA file, plain, gzip or bgzip.

    Coordinates are taken from headers that hold `contig:start-end` or `contig:start-end(strand)` anywhere, if all do:
    as 0-based and half-open where end - start is the length of the sequence (bedtools), as 1-based and closed where it
    is one less (samtools); other intervals are not used, and `note` says so.

    Raises:
        FileNotFoundError: no such file.
        ValueError: one sentence with file, line and value: an empty file, no header, a header without sequence,
            sequences of different lengths, a letter that is no base, or broken compression.
    """
    names: list[str] = []
    sequences: list[bytes] = []
    lines: list[int] = []  # where the sequences begin, for messages
    pieces: list[bytes] = []
    content = read_bytes(path).replace(b"\r\n", b"\n")
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.startswith(b">"):
            if names:
                sequences.append(b"".join(pieces))
                pieces.clear()
            names.append(line[1:].decode().strip())
            lines.append(number + 1)
        elif line := line.strip():
            if not names:
                raise ValueError(f"{path}, line {number}: a header ('>') must come first, not {_shortened(line)}")
            pieces.append(line)
    sequences.append(b"".join(pieces))
    letters, ambiguous = _as_letters(path, sequences, lines)
    coordinates, note = _coordinates(names, letters.shape[1], str(path))
    return SequenceTable(letters, tuple(names), coordinates, str(path), {"iupac_as_n": ambiguous}, note)


def read_table(path: str | PathLike[str]) -> SequenceTable:
    """Read a table of sequences and labels, comma- or tab-separated with a header line, plain or gzip.

    Columns are found by name: `sequence` (or `seq`), `label` (or `class`), and optionally `split`, `group`, `fold` and
    `name`; without these names the first column is the sequence and the last one the label. Other columns are not
    read. Coordinates are taken from `name` as `read_fasta` takes them from headers.

    Raises:
        FileNotFoundError: no such file.
        ValueError: one sentence with file, line and value: an empty file, a table of windows, no second column, a
            column that stands twice, a row with another number of columns, an empty cell in the column split, group
            or fold, a fold that is no number, sequences of different lengths, a letter that is no base, a label other
            than 0 and 1, or broken compression.
    """
    text = read_bytes(path).decode()
    header_line = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in header_line else ",")
    header: list[str] = []
    header_number = 1
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header, header_number = [cell.strip().lower() for cell in row], reader.line_num
                if header[0] == "#contig":
                    raise ValueError(
                        f"{path} is a table of windows ({header[0]!r} comes first), not of sequences: add --fasta "
                        "GENOME, the genome that they lie on"
                    )
                continue
            if len(row) != len(header):
                count = counted(len(row), "column")
                if _KNOWN_COLUMNS.intersection(header):
                    raise ValueError(f"{path}, line {reader.line_num}: {count}, but the header has {len(header)}")
                shown = _shortened(header_line.strip().encode())
                raise ValueError(
                    f"{path}, line {header_number}: {shown} is not a header with columns sequence and label (it has "
                    f"{counted(len(header), 'column')}, line {reader.line_num} has {count})"
                )
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from None
    for one_of in (_SEQUENCE_COLUMNS, _LABEL_COLUMNS, ("split",), ("group",), ("fold",), ("name",)):
        meant = [column for column in header if column in one_of]
        if len(meant) > 1:
            raise ValueError(f"{path}, line {header_number}: the header names {' and '.join(map(repr, meant))}: which?")
    if len(header) < 2:
        raise ValueError(
            f"{path}, line 1: a table needs the columns sequence and label, separated by commas or tabs, but its "
            f"header is {_shortened(header_line.strip().encode())}"
        )
    if not _KNOWN_COLUMNS.intersection(header) and set(header[0]) <= set("acgtn"):
        raise ValueError(f"{path}, line 1: the header is missing: it names the columns, as in 'sequence,label'")
    if not rows:
        raise ValueError(f"{path} has a header but no row")
    sequence_column = _column(header, _SEQUENCE_COLUMNS, 0)
    label_column = _column(header, _LABEL_COLUMNS, len(header) - 1)
    letters, ambiguous = _as_letters(path, [row[sequence_column].strip().encode() for row in rows], lines)
    labels = np.empty(len(rows), dtype=np.int8)
    for index, (row, line) in enumerate(zip(rows, lines, strict=True)):
        value = row[label_column].strip()
        if value not in ("0", "1"):
            raise ValueError(f"{path}, line {line}: label {value!r} is neither 0 nor 1 (two classes are compared)")
        labels[index] = value == "1"
    split = _cells(path, "split", header, rows, lines, "train, valid or test is wanted")
    group = _cells(path, "group", header, rows, lines, "rows of one group are kept together")
    fold = _cells(path, "fold", header, rows, lines, "the number of the fold in whose test part the row stands")
    names = [row[header.index("name")].strip() for row in rows] if "name" in header else []
    coordinates, note = _coordinates(names, letters.shape[1], str(path)) if names else (None, "")
    return SequenceTable(
        letters,
        tuple(names) or tuple(map(str, range(len(rows)))),
        coordinates,
        str(path),
        {"iupac_as_n": ambiguous},
        note,
        labels,
        split,
        None if group is None else _numbered(group),
        None if fold is None else _whole_numbers(path, "fold", fold, lines),
        tuple(lines),
    )


def _cells(
    path: str | PathLike[str],
    name: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    lines: Sequence[int],
    wanted: str,
) -> tuple[str, ...] | None:
    """The cells of a column that may be absent but has no gaps."""
    if name not in header:
        return None
    column = header.index(name)
    cells = tuple(row[column].strip() for row in rows)
    if "" in cells:
        raise ValueError(f"{path}, line {lines[cells.index('')]}: the {name} is missing: {wanted}")
    return cells


def _numbered(values: Sequence[str]) -> NDArray[np.int64]:
    """The same number for the same text: whole numbers as they are, words in the order of their appearance."""
    try:
        return np.array([int(value) for value in values], dtype=np.int64)
    except (ValueError, OverflowError):
        numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
        return np.array([numbers[value] for value in values], dtype=np.int64)


def _whole_numbers(
    path: str | PathLike[str], name: str, cells: Sequence[str], lines: Sequence[int]
) -> NDArray[np.int64]:
    for cell, line in zip(cells, lines, strict=True):
        if not (cell.isascii() and cell.isdigit() and len(cell) <= 9):
            raise ValueError(f"{path}, line {line}: {name} {cell!r} must be a whole number")
    return np.array(cells, dtype=np.int64)


def require_two_classes(labels: NDArray[np.int8], source: str) -> None:
    """Raise ValueError unless both 0 and 1 are among the labels (N,) that `source` gave."""
    present = set(np.unique(labels[labels >= 0]).tolist())
    if present != {0, 1}:
        only = f"all {len(labels)} labels are {present.pop()}" if present else "it has no label"
        raise ValueError(f"{source} holds one class only ({only}), but both 0 and 1 are needed")


def _column(header: Sequence[str], names: Sequence[str], otherwise: int) -> int:
    return next((header.index(name) for name in names if name in header), otherwise)


def _shortened(text: bytes) -> str:
    shown = text.decode()
    return repr(shown if len(shown) <= 40 else shown[:40] + "…")


def _as_letters(
    path: str | PathLike[str], sequences: Sequence[bytes], lines: Sequence[int]
) -> tuple[NDArray[np.uint8], int]:
    """Sequences as upper-case letters (N, L), and how many IUPAC letters became N."""
    length = len(sequences[0])
    for sequence, line in zip(sequences, lines, strict=True):
        if not sequence:
            raise ValueError(f"{path}, line {line}: the sequence is missing")
        if len(sequence) != length:
            raise ValueError(
                f"{path}, line {line}: this sequence has {len(sequence)} bases, the first one has {length}, but all "
                "must have one length"
            )
    raw = np.frombuffer(b"".join(sequences), dtype=np.uint8).reshape(len(sequences), length)
    letters = _LETTERS[raw]
    wrong = letters == 0
    if wrong.any():
        row, column = divmod(int(np.argmax(wrong)), length)
        letter = bytes([raw[row, column]]).decode("latin-1")
        raise ValueError(f"{path}, line {lines[row]}: {letter!r} at base {column + 1} of this sequence is no base")
    ambiguous = int((letters == ord("N")).sum() - np.isin(raw, np.frombuffer(b"Nn", np.uint8)).sum())
    return letters, ambiguous


def _coordinates(names: Sequence[str], length: int, path: str) -> tuple[Regions | None, str]:
    """The intervals in the headers, where all have one of the right length, and a note about them."""
    found = [_INTERVAL.search(name) for name in names]
    matches = [match for match in found if match is not None]
    if len(matches) < len(names):
        return None, f"{len(matches)} of {len(names)} headers hold coordinates: not used" if matches else ""
    start = np.array([int(match[2]) for match in matches], dtype=np.int64)
    end = np.array([int(match[3]) for match in matches], dtype=np.int64)
    closed = bool((end - start == length - 1).all() and start.min() > 0)
    if not closed and (end - start != length).any():
        row = int(np.argmax(end - start != length))
        return None, (
            f"the headers hold coordinates, but {matches[row][0]} spans {end[row] - start[row]} bases where the "
            f"sequence has {length}: not used"
        )
    contigs = {match[1]: 0 for match in matches}
    position = {name: index for index, name in enumerate(contigs)}
    regions = Regions.from_arrays(
        tuple(contigs),
        [position[match[1]] for match in matches],
        start - closed,
        end,
        name=np.array(names, dtype=object),
        strand=[{"+": 1, "-": -1}.get(match[4], 0) for match in matches],
        path=path,
    )
    how = "1-based and closed (samtools)" if closed else "0-based and half-open (bedtools)"
    return regions, f"coordinates of the headers, read as {how}"
