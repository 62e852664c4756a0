"""The table on the terminal at the end of a bench."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dnafast.report import numbers, wording
from dnafast.report.results import Dataset, Entry, Estimate, best_floor, cost, estimate, read_results
from dnafast.report.tables import mark

_SIGNS = {"budget_ended": "†", "at_chance": "‡"}
_SIDES = "+ above, ~ overlapping, − below the best floor  "
_STATES = (
    "† budget ended before it converged  ‡ not told from chance on validation  ! a run did not finish. No winner is "
    "named."
)
_COLOURS = {
    "recurrent": "blue",
    "convolutional": "yellow",
    "hybrid": "green",
    "other": "magenta",
    "floor": "bright_black",
}


def terminal_table(out: Path) -> Group:
    """Return what a terminal shows of the folder of a bench: a table per data set, with intervals and floors.

    Raises:
        FileNotFoundError: ``config.json``, ``data.json`` or ``runs.csv`` is missing.
        ValueError: one of them cannot be read.
    """
    results = read_results(Path(out))
    shown: list[RenderableType] = [Text(wording.first_line(results), style="bold")]
    if not any(dataset.finished for dataset in results.datasets):
        shown.append(Text(wording.NO_RUN, style="bold red"))
    for dataset in results.datasets:
        if dataset.entries:
            shown += [Text(), _table(dataset), *_failures(dataset)]
    sides, unsaid = (_SIDES, "") if results.has_floors else ("", f" {wording.NO_FLOOR}")
    shown.append(Text(f"AUROC with its 95 % interval. {sides}{_STATES}{unsaid}", style="dim"))
    return Group(*shown)


def _table(dataset: Dataset) -> Table:
    table = Table(
        title=Text(dataset.name), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1),
        pad_edge=False,
    )  # fmt: skip
    table.add_column("model", no_wrap=True)
    for task in dataset.tasks:
        table.add_column(Text(task or "AUROC"), no_wrap=True)
    for heading in ("train s", "seq/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    family = ""
    for entry in dataset.entries:
        if family and entry.family != family:
            table.add_section()
        family = entry.family
        signs = "".join(sign for state, sign in _SIGNS.items() if state in entry.states()) + "!" * bool(entry.failed)
        table.add_row(
            Text(f"{entry.label} {signs}", style=_COLOURS[family]),
            *(_figure(dataset, entry, task) for task in dataset.tasks),
            numbers.amount(cost(entry, "train_seconds")),
            numbers.scaled(found.mean if (found := estimate(entry.finished, "predict_sequences_per_second")) else None),
        )
    return table


def _figure(dataset: Dataset, entry: Entry, task: str) -> Text:
    found = estimate(entry.on(task), "auroc")
    if found is None:
        return Text(numbers.EMPTY)
    text = Text(numbers.quality(found.mean))
    if found.low is not None and found.high is not None:
        text.append(f" {found.low:.2f}–{found.high:.2f}".replace("0.", "."), style="dim")
    text.append(_side(entry, task, best_floor(dataset, task)))
    return text


def _side(entry: Entry, task: str, floor: Estimate | None) -> str:
    """On which side of the best floor: nothing is said of a floor, nor of a worse network that did not converge."""
    said = mark(entry, task, floor)
    if said:
        return "~" if said.startswith("overlaps") else "−"
    found = estimate(entry.on(task), "auroc")
    if entry.family == "floor" or found is None or found.low is None or floor is None:
        return ""
    return "+" if found.low > (floor.mean if floor.high is None else floor.high) else ""


def _failures(dataset: Dataset) -> list[Text]:
    lines = []
    for entry in dataset.entries:
        for run in entry.failed:
            which = f", {run.which}" if run.which else ""
            reason = " ".join(run.text("error").split()) or "no reason was recorded"
            lines.append(Text(f"{entry.label}{which} did not finish: {reason}", style="red"))
    return lines
