"""The table of a data path on the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dnafast.report import numbers
from dnafast.report.data_path import wording
from dnafast.report.data_path.results import MEASURED, OURS, DataPathResults, Row
from dnafast.report.data_path.tables import items

_LEGEND = (
    "times: as long as dnafast with one thread, for the same; rivals have one. ×2: threads. windows/s: regions/s where "
    "peaks are read or cut, openings/s where a genome is opened again. CPU s/Gb: processor seconds for a gigabase. MB: "
    "peak memory of the process. wait: share of the time spent waiting for batches."
)


def data_path_table(results: DataPathResults) -> Group:
    """Return what a terminal shows: a line for each job and contender."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("job", no_wrap=True)
    table.add_column("contender", no_wrap=True)
    for heading in ("bases/s", "windows/s", "times", "CPU s\n/Gb", "MB", "wait"):
        table.add_column(heading, justify="right", no_wrap=True)
    for job in results.jobs:
        table.add_section()
        title = job["title"]
        for row in results.of(job["name"]):
            if row["status"] == MEASURED:
                table.add_row(title, _contender(row), *_figures(row))
                title = ""
    shown: list[RenderableType] = [Text(wording.first_line(results), style="bold"), Text(), table]
    shown += [Text(sentence, style="dim") for sentence in (_LEGEND, *results.silent)]
    shown += [Text(sentence) for sentence in wording.highlights(results)]
    shown.append(Text(wording.overview(results), style="bold red" if results.complaints else "bold"))
    return Group(*shown)


def _contender(row: Row) -> Text:
    if row["contender"] != OURS:
        return Text(row["contender"])
    return Text(f"{OURS} ×{row['threads']}", style="bold")


def _figures(row: Row) -> tuple[str, ...]:
    return (
        numbers.scaled(row["bases_per_second"]),
        numbers.scaled(row[items(row)]),
        numbers.amount(row["times_as_long"]),
        numbers.amount(row["cpu_seconds_per_gigabase"]),
        numbers.megabytes(row["peak_rss_bytes"]),
        numbers.percent(row["wait_share"]),
    )
