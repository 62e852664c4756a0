"""Reading BED, narrowPeak and broadPeak, column by column on the bytes of the whole file."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dnafast.regions.table import Regions
from dnafast.regions.text import read_bytes

Positions = NDArray[np.int64]

_TAB, _NEWLINE, _RETURN, _MINUS, _ZERO, _HASH = b"\t\n\r-0#"
_LONGEST_INTEGER = 18  # decimal digits that fit an int64 whatever they are
_LAYOUTS = ("auto", 3, 4, 5, 6, "narrowPeak", "broadPeak")


def read_bed(path: str | PathLike[str], columns: str | int = "auto") -> Regions:
    """Read BED3 to BED12, narrowPeak or broadPeak: plain, gzip or bgzip.

    Comment, `track`, `browser` and blank lines are skipped. Columns are separated by tabs, or by runs of spaces on
    lines without a tab. "." stands for an absent name, score or strand. Ten columns whose last four are three numbers
    and an integer are a narrowPeak; nine whose last three are numbers, not all of them whole, are a broadPeak; of
    other files, columns after the sixth are not read.

    Args:
        path: the file.
        columns: "auto"; 3, 4, 5 or 6 to read only so many columns as BED (for files whose further columns mean
            something else); "narrowPeak" or "broadPeak" to insist on one.

    Raises:
        FileNotFoundError: no such file.
        ValueError: one sentence with the file, the line and the value: too few or differing numbers of columns, a
            start or end that is no integer, a negative start, an end that is not greater than the start, a score or
            signal that is no number (nan is none), a strand other than + - ., a summit outside its peak; or a file
            without regions.
    """
    given: Any = columns
    if isinstance(given, np.integer):
        columns = given = int(given)
    if isinstance(given, float) or given not in _LAYOUTS:
        raise ValueError(f"columns must be one of {', '.join(map(repr, _LAYOUTS))}, not {columns!r}")
    table = _Lines(path, read_bytes(path))
    width = columns if isinstance(columns, int) else {"narrowPeak": 10, "broadPeak": 9}.get(columns, 3)
    first = int(table.count[0])
    for wrong, wanted in (
        (table.count < width, f"at least {width} columns (tab-separated) are wanted here"),
        ((table.count != first) & isinstance(columns, str), f"line {table.number[0]} has {first}"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            table.fail(row, f"{table.count[row]} column{'s' if table.count[row] > 1 else ''}, but {wanted}")
    layout = _layout(table, Path(path).name.lower()) if columns == "auto" else columns
    width = layout if isinstance(layout, int) else 6

    start = table.integers(1, "start")
    end = table.integers(2, "end")
    table.refuse(start < 0, lambda row: f"start {start[row]} is negative")
    table.refuse(end < start, lambda row: f"start {start[row]} lies after end {end[row]}")
    table.refuse(end == start, lambda row: f"start and end are both {start[row]}: the region is empty")
    contig, contigs = table.categories(0)
    if "" in contigs:
        table.fail(int(np.argmax(contig == contigs.index(""))), "the name of the contig is missing")
    signal = summit = None
    if isinstance(layout, str):
        signal = table.numbers(6, "signal")
        table.numbers(7, "p-value", allow_nan=True)
        table.numbers(8, "q-value", allow_nan=True)
    if layout == "narrowPeak":
        offset = table.integers(9, "summit")
        table.refuse(
            (offset < -1) | (offset >= end - start),
            lambda row: f"summit {offset[row]} lies outside the peak of {end[row] - start[row]} bases",
        )
        summit = np.where(offset < 0, -1, start + offset)
    return Regions.from_arrays(
        contigs,
        contig,
        start,
        end,
        name=table.texts(3) if width > 3 else None,
        score=table.numbers(4, "score") if width > 4 else None,
        strand=_strand(table, columns) if width > 5 else None,
        signal=signal,
        summit=summit,
        path=str(path),
    )


def _layout(table: _Lines, name: str) -> str | int:
    """What the columns mean, by the number of columns, the first row and the file's name."""
    width = int(table.count[0])
    rest = [table.text(0, column) for column in range(6, min(width, 10))]
    if width == 10 and ("narrowpeak" in name or (all(map(_is_number, rest[:3])) and _is_integer(rest[3]))):
        return "narrowPeak"
    if width == 9 and (
        "broadpeak" in name or (all(map(_is_number, rest)) and not all(value.isdigit() for value in rest))
    ):
        return "broadPeak"
    return min(width, 6)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_integer(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit()


def _strand(table: _Lines, columns: str | int) -> NDArray[np.int8]:
    begin, end = table.bounds(5)
    code = np.where(end - begin == 1, table.letter_at(begin), 0)
    strand: NDArray[np.int8] = (code == ord("+")).astype(np.int8) - (code == ord("-")).astype(np.int8)

    def message(row: int) -> str:
        remedy = (
            "if column 6 means something else, read fewer with --columns 3 (columns=3)" if columns == "auto" else ""
        )
        return f"strand {table.text(row, 5)!r} is none of '+', '-', '.'" + (f"; {remedy}" if remedy else "")

    table.refuse((strand == 0) & (code != ord(".")), message)
    return strand


class _Lines:
    """The data lines of a file and where their fields begin and end."""

    def __init__(self, path: str | PathLike[str], content: bytes) -> None:
        self.path = path
        self._split(content)
        data = self._data_lines()
        spaced = data[self._tab_counts(data) == 0]
        if spaced.size:
            # Rare: fields set apart by spaces. Rewritten with tabs, line for line, so that numbers of lines hold.
            lines = self.content.split(b"\n")
            for index in spaced.tolist():
                lines[index] = b"\t".join(lines[index].split())
            self._split(b"\n".join(lines))
        if not data.size:
            raise ValueError(f"{path} holds no region: every line is blank, a comment, a track or a browser line")
        self.number: Positions = data + 1
        self.begin: Positions = self.line_begin[data]
        self.end: Positions = self.line_end[data]
        self.first_tab: Positions = np.searchsorted(self.tabs, self.begin)
        self.count: Positions = self._tab_counts(data) + 1

    def _split(self, content: bytes) -> None:
        self.content = content
        self.letters = np.frombuffer(content, np.uint8)
        self.tabs: Positions = np.flatnonzero(self.letters == _TAB)
        newlines = np.flatnonzero(self.letters == _NEWLINE)
        self.line_begin: Positions = np.concatenate(([0], newlines + 1))
        end = np.concatenate((newlines, [len(content)]))
        self.line_end: Positions = end - ((end > self.line_begin) & (self.letters[end - 1] == _RETURN))

    def _tab_counts(self, lines: Positions) -> Positions:
        first = np.searchsorted(self.tabs, self.line_begin[lines])
        behind: Positions = np.searchsorted(self.tabs, self.line_end[lines])
        return behind - first

    def _data_lines(self) -> Positions:
        """Indices of the lines that are not blank, no comment and no `track` or `browser` line."""
        lead = np.where(self.line_end > self.line_begin, self.letter_at(self.line_begin), _HASH)
        data = lead != _HASH
        for index in np.flatnonzero(np.isin(lead, np.frombuffer(b"tb \t", np.uint8))):
            words = self.content[self.line_begin[index] : self.line_end[index]].split(None, 1)
            data[index] = bool(words) and words[0] not in (b"track", b"browser")
        return np.flatnonzero(data)

    def letter_at(self, begin: Positions) -> NDArray[np.uint8]:
        """The byte at each position; any byte for a position at the end of the file."""
        return self.letters[np.minimum(begin, self.letters.size - 1)]

    def fail(self, row: int, message: str) -> NoReturn:
        raise ValueError(f"{self.path}, line {self.number[row]}: {message}")

    def refuse(self, wrong: NDArray[np.bool_], message: Callable[[int], str]) -> None:
        """Raise for the first row that is wrong."""
        if wrong.any():
            row = int(np.argmax(wrong))
            self.fail(row, message(row))

    def bounds(self, column: int) -> tuple[Positions, Positions]:
        """Where the fields of one column begin and end in the file, int64 (rows,) each."""
        begin = self.begin if column == 0 else self.tabs[self.first_tab + column - 1] + 1
        last = self.count == column + 1
        next_tab = np.minimum(self.first_tab + column, max(self.tabs.size - 1, 0))
        return begin, np.where(last, self.end, self.tabs[next_tab])

    def text(self, row: int, column: int) -> str:
        begin, end = self.bounds(column)
        return self.content[begin[row] : end[row]].decode()

    def texts(self, column: int) -> NDArray[np.object_]:
        """Text of one column, object (rows,), "" where it is "."."""
        begin, end = self.bounds(column)
        values = np.full(begin.size, "", dtype=object)
        filled = np.flatnonzero((end - begin > 1) | (self.letter_at(begin) != ord(".")))
        pairs = zip(begin[filled].tolist(), end[filled].tolist(), strict=True)
        values[filled] = [self.content[a:b].decode() for a, b in pairs]
        return values

    def categories(self, column: int) -> tuple[NDArray[np.int32], list[str]]:
        """Index of each text among the different ones, int32 (rows,), and these in the order of their appearance."""
        begin, end = self.bounds(column)
        position: dict[bytes, int] = {}
        content = self.content
        indices = [
            position.setdefault(content[a:b], len(position)) for a, b in zip(begin.tolist(), end.tolist(), strict=True)
        ]
        return np.array(indices, dtype=np.int32), [name.decode() for name in position]

    def integers(self, column: int, label: str) -> Positions:
        """One column as integers, int64 (rows,)."""
        begin, end = self.bounds(column)
        negative = (end > begin) & (self.letter_at(begin) == _MINUS)
        digits = end - begin - negative
        wrong = (digits < 1) | (digits > _LONGEST_INTEGER)
        value = np.zeros(begin.size, dtype=np.int64)
        for place in range(int(digits[~wrong].max(initial=0))):
            here = digits > place
            digit = self.letters[end - 1 - place].astype(np.int64) - _ZERO
            wrong |= here & ((digit < 0) | (digit > 9))
            value += np.where(here & ~wrong, digit, 0) * 10**place

        def message(row: int) -> str:
            text = self.text(row, column)
            return f"{label} {text!r} is {'too large' if _is_integer(text) else 'not an integer'}"

        self.refuse(wrong, message)
        return np.where(negative, -value, value)

    def numbers(self, column: int, label: str, *, allow_nan: bool = False) -> NDArray[np.float64]:
        """One column as numbers, float64 (rows,), NaN where it is "."."""
        begin, end = self.bounds(column)
        size = end - begin
        absent = (size == 1) & (self.letter_at(begin) == ord("."))
        widest = int(size.max())
        # Fields are copied side by side into fixed-width bytes, which numpy turns into numbers in one go.
        if widest <= 32 and size.min() > 0:
            place = np.arange(widest)
            letters = self.letter_at(begin[:, None] + place)
            packed = np.where(place < size[:, None], letters, 0).astype(np.uint8)
            packed[absent, 0] = _ZERO
            try:
                value = np.ascontiguousarray(packed).view(f"S{widest}").reshape(-1).astype(np.float64)
            except ValueError:
                value = self._numbers_one_by_one(column, label, absent)
        else:
            value = self._numbers_one_by_one(column, label, absent)
        self.refuse(
            np.isnan(value) & (not allow_nan),
            lambda row: f"{label} {self.text(row, column)!r} is not a number ('.' stands for an absent one)",
        )
        value[absent] = np.nan
        return value

    def _numbers_one_by_one(self, column: int, label: str, absent: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The slow way, taken when a field is no number or very long: finds the row to name."""
        begin, end = self.bounds(column)
        value = np.zeros(begin.size)
        for row in np.flatnonzero(~absent).tolist():
            text = self.content[begin[row] : end[row]]
            try:
                value[row] = float(text)
            except ValueError:
                self.fail(row, f"{label} {text.decode()!r} is not a number")
        return value
