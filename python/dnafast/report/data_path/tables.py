"""The table of a data path as rows of cells."""

from __future__ import annotations

from dataclasses import dataclass

from dnafast.report import numbers
from dnafast.report.columns import Column
from dnafast.report.data_path.results import MEASURED, STATUSES, DataPathResults, Row, label
from dnafast.report.tables import NOT_MEASURED, Cell

COLUMNS = (
    Column("timed", "Timed", "", "What a round held: bases, regions, windows or batches of windows. Fewer than there "
           "are where all would take long, the same again where they take no time.", numbers.count),
    Column("wall_seconds", "Wall time", "s", "Median time of a round, with the fastest and the slowest below.",
           numbers.amount),
    Column("bases_per_second", "Bases", "per s", "Bases a second: of the genome, or of the windows.", numbers.scaled),
    Column("items_per_second", "Windows", "per s", "Windows a second; regions a second where peaks are read or cut; "
           "openings a second where a genome is opened again.", numbers.scaled),
    Column("times_as_long", "Times as long", "", "How many times as long the same takes as with dnafast in one "
           "thread; rivals have one.", numbers.amount),
    Column("cpu_seconds", "CPU time", "s", "Processor time of a round, user and system, all threads of the process; "
           "below it, those for a gigabase.", numbers.amount),
    Column("peak_rss_bytes", "Peak memory", "MB", "Largest resident memory of the contender's process during the job "
           "(1 MB = 10⁶ bytes), with what was resident before it below. Pages of a mapped file count.",
           numbers.megabytes),
    Column("wait_share", "Waiting", "", "Share of the time in which the consumer waited for the next batch.",
           numbers.percent),
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A contender's line; `missing` stands in place of the cells where there are no figures."""

    label: str
    cells: tuple[Cell, ...] = ()
    missing: str = ""
    is_alarming: bool = False


def lines(results: DataPathResults, job: str) -> list[Line]:
    """Return the lines of a job."""
    return [_line(row) for row in results.of(job)]


def _line(row: Row) -> Line:
    if row["status"] != MEASURED:
        reason = f": {row['error']}" if row.get("error") else ""
        return Line(label(row), (), f"{STATUSES[row['status']]}{reason}", row["status"] == "other_answer")
    return Line(label(row), tuple(_cell(row, column) for column in COLUMNS))


def _cell(row: Row, column: Column) -> Cell:
    if column.key == "timed":
        return Cell(*_timed(row))
    key = column.key
    if key == "items_per_second":
        key = items(row)
    value = row[key]
    if value is None:
        return Cell(numbers.EMPTY, title=NOT_MEASURED)
    detail = ""
    if key == "wall_seconds" and row["rounds"] > 1:
        detail = f"{numbers.amount(row['wall_seconds_fastest'])}–{numbers.amount(row['wall_seconds_slowest'])}"
    elif key == "cpu_seconds" and row["cpu_seconds_per_gigabase"] is not None:
        detail = f"{numbers.amount(row['cpu_seconds_per_gigabase'])} s a Gbase"
    elif key == "peak_rss_bytes":
        detail = f"{numbers.megabytes(row['start_rss_bytes'])} before"
    elif key == "wall_seconds":
        detail = "one round"
    return Cell(column.write(value), detail, f"{value:.6g}")


def _timed(row: Row) -> tuple[str, str]:
    """What a round held, in words, and its second line."""
    if row["n_batches"] is not None:
        return _counted(row["n_batches"], "batch"), _counted(row["n_windows"], "window")
    if row["n_regions"] is not None:
        cut = row["n_windows"]
        return _counted(row["n_regions"], "region"), "" if cut is None else _counted(cut, "window")
    if row["n_windows"] is not None:
        return _counted(row["n_windows"], "window"), ""
    if row["n_bases"] is not None:
        return f"{numbers.scaled(row['n_bases'])}bases", ""
    return _counted(row["n_opens"], "opening"), ""


def _counted(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def items(row: Row) -> str:
    """The column that says how many windows, regions or openings there were a second."""
    if row["n_regions"] is not None:
        return "regions_per_second"
    return "opens_per_second" if row["n_bases"] is None else "windows_per_second"
