"""Pictures of a data path: how many times as long, and bases a second, processor time and memory side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dnafast.report import canvas, numbers
from dnafast.report.data_path.results import OURS, DataPathResults, Row, label
from dnafast.report.families import colour

# Contender -> colour and mark; dnafast with one thread is the hollow one.
_MARKS = {
    OURS: ("recurrent-0", "o"),
    "numpy": ("floor-0", "D"),
    "pandas": ("other-0", "P"),
    "pysam": ("convolutional-0", "s"),
    "pyfaidx": ("hybrid-0", "^"),
    "py2bit": ("other-0", "X"),
}
_ROW_HEIGHT = 0.27  # inches of a job


def times_as_long(results: DataPathResults, name: str) -> Markup | None:
    """Draw every job by how many times as long it takes as with dnafast in one thread."""
    rows = [row for row in results.measured if row["times_as_long"] is not None]
    if not rows:
        return None
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH, _ROW_HEIGHT * len({row["job"] for row in rows}) + 1.0)
        axes = made.subplots()
        _dots(axes, results, rows, lambda row: row["times_as_long"])
        _by_decades(axes)
        axes.axvline(1, color=colour("recurrent-0"), lw=0.8, zorder=1)
        axes.set_xlabel("times as long as dnafast with one thread, for the same work (log scale)")
        _legend(made, rows)
        return canvas.to_svg(made, name, "How many times as long each contender takes as dnafast with one thread")


def amounts(results: DataPathResults, name: str) -> Markup | None:
    """Draw bases a second, processor time for each base and peak memory of the jobs that handle bases."""
    rows = [row for row in results.measured if row["bases_per_second"]]
    if not rows:
        return None
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH, _ROW_HEIGHT * len({row["job"] for row in rows}) + 1.0)
        panels = made.subplots(1, 3, sharey=True)
        shown: Sequence[tuple[str, Callable[[Row], float]]] = (
            ("bases per second (log scale)", lambda row: row["bases_per_second"]),
            ("CPU seconds per gigabase (log scale)", lambda row: row["cpu_seconds_per_gigabase"]),
            ("peak memory (MB)", lambda row: row["peak_rss_bytes"] / 1e6),
        )
        for axes, (words, figure) in zip(panels, shown, strict=True):
            _dots(axes, results, rows, figure)
            axes.set_xlabel(words)
            if "log" in words:
                _by_decades(axes)
            else:
                axes.set_xlim(left=0)
        _legend(made, rows)
        return canvas.to_svg(made, name, "Bases per second, processor time and peak memory by job and contender")


def _dots(axes: Axes, results: DataPathResults, rows: Sequence[Row], figure: Callable[[Row], float]) -> None:
    """A line for each job, a mark for each contender."""
    titles = {job["name"]: job["title"] for job in results.jobs}
    places = {job: place for place, job in enumerate(dict.fromkeys(row["job"] for row in rows))}
    most = max(row["threads"] for row in rows)
    for row in rows:
        value = figure(row)
        if value > 0:
            axes.plot(value, places[row["job"]], zorder=3, **_style(row["contender"], row["threads"] == most))
    axes.set_yticks(range(len(places)), [titles[job] for job in places])
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    canvas.grid(axes)


def _by_decades(axes: Axes) -> None:
    """A logarithmic scale with a line at each power of ten."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _rounded(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _rounded(value: float) -> str:
    """A power of ten without the digits after it."""
    return f"{value:g}" if value < 1 else numbers.scaled(value).replace(".00", "").replace("10.0", "10")


def _style(contender: str, has_all_threads: bool) -> dict[str, Any]:
    variable, mark = _MARKS[contender]
    hollow = contender == OURS and not has_all_threads
    return {
        "color": colour(variable),
        "marker": mark,
        "markersize": 4.8,
        "lw": 0,
        "mfc": colour("paper") if hollow else colour(variable),
    }


def _legend(made: Figure, rows: Sequence[Row]) -> None:
    most = max(row["threads"] for row in rows)
    named = {label(row): _style(row["contender"], row["threads"] == most) for row in rows}
    made.legend(
        handles=[Line2D([], [], label=words, **style) for words, style in named.items()],
        loc="outside lower center",
        ncols=len(named),
    )
