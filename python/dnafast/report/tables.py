"""The tables of the page as rows of cells, ready to be laid out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnafast.report import numbers
from dnafast.report.columns import GENOME, MEANS, STATES, Column
from dnafast.report.cost_figures import side_by_side
from dnafast.report.families import FAMILIES, TITLES, place_of
from dnafast.report.results import Dataset, Entry, Estimate, Results, best_floor, estimate, number

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Cell:
    """Text, a smaller second line, and the exact figure for the pointer."""

    text: str
    detail: str = ""
    title: str = ""


@dataclass(frozen=True)
class Row:
    """A model's line in a table; ``error`` stands in place of the cells of a run that did not finish."""

    label: str
    notes: tuple[str, ...] = ()
    mark: str = ""
    cells: tuple[Cell, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Group:
    """The rows of one family."""

    family: str
    title: str
    rows: tuple[Row, ...]


def results_table(
    dataset: Dataset, task: str, columns: Sequence[Column], *, state_after: str | None = None
) -> list[Group]:
    """Return the rows of a task by family; the training state follows the column ``state_after``."""
    floor = best_floor(dataset, task)
    groups = []
    for family in FAMILIES:
        rows: list[Row] = []
        for entry in dataset.entries:
            if entry.family == family:
                if entry.finished:
                    rows.append(_row(entry, task, columns, floor, state_after))
                rows += _failures(entry)
        if rows:
            groups.append(Group(family, TITLES[family], tuple(rows)))
    return groups


def genome_table(dataset: Dataset, task: str) -> list[Group]:
    """Return the figures at natural prevalence; empty where nobody asked for them."""
    if not any(run.number("genome_n") for entry in dataset.entries for run in entry.on(task)):
        return []
    return results_table(dataset, task, GENOME)


def means_table(dataset: Dataset) -> list[Row]:
    """Return the means over tasks, where there are several."""
    if len(dataset.tasks) < 2:
        return []
    rows = []
    for entry in dataset.entries:
        cells = []
        for column in MEANS:
            figures = (estimate(entry.on(task), column.key) for task in dataset.tasks)
            known = [figure.mean for figure in figures if figure is not None]
            cells.append(Cell(column.write(float(np.mean(known)) if known else None)))
        rows.append(Row(entry.label, cells=tuple(cells)))
    return rows


def search_table(results: Results, dataset: Dataset) -> dict[str, Any] | None:
    """Return the rates that were tried for each network, and what the short runs gave; None where there were none."""
    found = [search for search in results.searches if search["asked"]["dataset"] == dataset.name]
    if not found:
        return None
    rates = sorted({rate for search in found for rate in search["found"]["losses"]}, key=float)
    rows = []
    for search in found:
        losses, taken = search["found"]["losses"], search["found"]["learning_rate"]
        cells = [Cell(numbers.quality(losses.get(rate)) if rate in losses else numbers.EMPTY) for rate in rates]
        note = "" if search["found"]["told_from_chance"] else "none told from chance"
        fold = f"fold {search['asked']['fold'] + 1}" if dataset.about.get("folds", 1) > 1 else ""
        notes = tuple(filter(None, (fold, note)))
        rows.append(Row(search["asked"]["model"], notes, cells=(*cells, Cell(f"{taken:g}"))))
    rows.sort(key=lambda row: place_of(row.label))
    return {"rates": rates, "rows": rows}


def _row(entry: Entry, task: str, columns: Sequence[Column], floor: Estimate | None, state_after: str | None) -> Row:
    runs = entry.on(task)
    cells = []
    for column in columns:
        cells.append(measured(estimate(runs, column.key), column))
        if column.key == state_after:
            cells.append(Cell(state(entry, task) or numbers.EMPTY))
    padded = {run.text("padded_to") for run in runs} - {""}
    encodings = dict.fromkeys(run.text("encoding") for run in runs if run.text("encoding"))
    notes = (*encodings, *(f"padded to {numbers.count(number(length))}" for length in sorted(padded)))
    # The mark compares intervals of AUROC: beside other figures it would speak of what is not there.
    has_interval = any(column.key == "auroc" for column in columns)
    return Row(entry.label, notes, mark(entry, task, floor) if has_interval else "", tuple(cells))


def _failures(entry: Entry) -> list[Row]:
    rows = []
    for run in entry.failed:
        status = run.text("status") or "failed"
        reason = " ".join(run.text("error").split()) or "no reason was recorded"
        rows.append(Row(entry.label, (run.which,) if run.which else (), error=f"{status}: {reason}"))
    return rows


def measured(found: Estimate | None, column: Column) -> Cell:
    """Return the cell of a figure: the mean, its interval, and each run's value where there are several."""
    if found is None:
        return Cell(numbers.EMPTY, title=NOT_MEASURED)
    details = [numbers.interval(found.low, found.high)] if column.with_interval else []
    if column.with_interval and len(found.values) > 1:
        each = [numbers.quality(value) for value in found.values]
        details += [" · ".join(each[place : place + 2]) for place in range(0, len(each), 2)]
    title = " · ".join(f"{value:.6g}" for value in found.values)
    return Cell(column.write(found.mean), "\n".join(filter(None, details)), title)


def state(entry: Entry, task: str) -> str:
    """Return how the runs of a model ended on a task, in words."""
    counted = Counter(found for found in entry.states(task) if found)
    if len(counted) == 1:
        return STATES.get(next(iter(counted)), next(iter(counted)))
    total = counted.total()
    return "; ".join(f"{count} of {total} {STATES.get(found, found)}" for found, count in counted.items())


def mark(entry: Entry, task: str, floor: Estimate | None) -> str:
    """Return how a network's interval lies to that of the best floor, where something must be said.

    A run that did not converge is never called worse: its training state says what there is to say.
    """
    found = estimate(entry.on(task), "auroc")
    if entry.family == "floor" or floor is None or found is None:
        return ""
    low, high = (found.mean if end is None else end for end in (found.low, found.high))
    floor_low, floor_high = (floor.mean if end is None else end for end in (floor.low, floor.high))
    if low > floor_high:
        return ""
    if high >= floor_low:
        return "overlaps the best floor"
    return "below the best floor" if entry.converged(task) else ""


def flow_table(dataset: Dataset) -> tuple[list[str], list[tuple[str, str, list[Cell]]]]:
    """Return the steps of the flow of regions, and for each class and part its counts."""
    usual = ("read", "outside", "excluded", "N", "edge", "duplicate", "used")
    flow: Sequence[Mapping[str, Any]] = dataset.about.get("flow") or ()
    found = list(dict.fromkeys(str(item.get("step", "")) for item in flow))
    steps = sorted(found, key=lambda step: usual.index(step) if step in usual else len(usual) - 1.5)
    counts: dict[tuple[str, str], dict[str, float]] = {}
    for item in flow:
        row = counts.setdefault((str(item.get("class") or ""), str(item.get("part") or "")), {})
        step, value = str(item.get("step", "")), number(str(item.get("count")))
        if value is not None:
            row[step] = row.get(step, 0) + value
    rows = [
        (kind or "all", part or "all", [_counted(row.get(step)) for step in steps])
        for (kind, part), row in counts.items()
    ]
    return steps, rows


def parts_table(dataset: Dataset) -> list[tuple[str, str, list[Cell]]]:
    """Return task, part, and the counts of positives, negatives, unlabelled and the share of positives."""
    rows = []
    for item in dataset.about.get("parts") or ():
        counts = [number(str(item.get(key))) for key in ("positives", "negatives", "unlabelled")]
        positives, negatives = counts[0], counts[1]
        labelled = (positives or 0) + (negatives or 0)
        share = Cell(numbers.percent(positives / labelled) if positives is not None and labelled else numbers.EMPTY)
        rows.append((str(item.get("task", "")), str(item.get("part", "")), [*map(_counted, counts), share]))
    return rows


def _counted(value: float | None) -> Cell:
    return Cell(numbers.count(value), title=NOT_MEASURED if value is None else "")


def implementations_table(dataset: Dataset, columns: Sequence[Column]) -> list[Row]:
    """Return two rows for every model that ran in torch and native, with the ratio of each cost below the second.

    Both are means over the seeds and folds that the two have in common, so that only the implementation differs.
    """
    rows = []
    for plain, native in side_by_side(dataset):
        common = plain.draws() & native.draws()
        of_plain, of_native = plain.at(common), native.at(common)
        first = [estimate(of_plain, column.key) for column in columns]
        second = [estimate(of_native, column.key) for column in columns]
        n_runs = f"{len(common)} run{'' if len(common) == 1 else 's'} each"
        rows.append(Row(plain.model, ("torch", n_runs), cells=tuple(map(_plain, first, columns))))
        cells = [
            Cell(_plain(found, column).text, _ratio(before, found, column), _plain(found, column).title)
            for before, found, column in zip(first, second, columns, strict=True)
        ]
        rows.append(Row(native.model, ("native", n_runs), cells=tuple(cells)))
    return rows


def _plain(found: Estimate | None, column: Column) -> Cell:
    return Cell(column.write(found.mean)) if found else Cell(numbers.EMPTY, title=NOT_MEASURED)


def _ratio(before: Estimate | None, after: Estimate | None, column: Column) -> str:
    if before is None or after is None or column.write is numbers.quality or not before.mean:
        return ""
    return f"× {numbers.amount(after.mean / before.mean)}"


def phase_table(dataset: Dataset) -> tuple[list[tuple[str, str]], list[Row]]:
    """Return (scope, phase) columns, and per model the mean wall seconds with the processor seconds below."""
    found: dict[tuple[str, str], dict[tuple[str, str], list[Mapping[str, str]]]] = {}
    columns: dict[tuple[str, str], None] = {}
    for row in dataset.phases:
        phase = row.get("scope", ""), row.get("phase", "")
        columns[phase] = None
        model = row.get("model", ""), row.get("implementation", "")
        found.setdefault(model, {}).setdefault(phase, []).append(row)
    ordered = sorted(columns, key=lambda phase: phase[0] != "data")
    rows = []
    for entry in dataset.entries:
        if (own := found.get((entry.model, entry.implementation))) is not None:
            rows.append(Row(entry.label, cells=tuple(_phase(own.get(phase, ())) for phase in ordered)))
    return ordered, rows


def _phase(rows: Sequence[Mapping[str, str]]) -> Cell:
    walls = [value for row in rows if (value := number(row.get("wall_seconds"))) is not None]
    if not walls:
        return Cell(numbers.EMPTY, title=NOT_MEASURED)
    busy = [
        user + (number(row.get("cpu_system_seconds")) or 0.0)
        for row in rows
        if (user := number(row.get("cpu_user_seconds"))) is not None
    ]
    return Cell(numbers.amount(float(np.mean(walls))), f"CPU {numbers.amount(float(np.mean(busy)))}" if busy else "")
