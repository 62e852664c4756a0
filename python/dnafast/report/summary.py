"""The report without pictures: a summary to read, and one for programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dnafast.report import wording
from dnafast.report.columns import COST, QUALITY
from dnafast.report.results import Dataset, Estimate, Results, estimate
from dnafast.report.tables import Row, results_table, state

_SHOWN = ("auroc", "auprc", "prevalence", "mcc", "log_loss")
_COSTS = ("train_seconds", "predict_sequences_per_second", "latency_ms", "peak_rss_bytes")
_AVERAGED = (
    "auroc", "auprc", "mcc", "accuracy", "log_loss", "ece", "train_seconds", "predict_sequences_per_second",
    "latency_ms", "peak_rss_bytes",
)  # fmt: skip


def summary_markdown(results: Results) -> str:
    """Return the figures as Markdown: a table per data set and task, failed runs with their error."""
    lines = [wording.first_line(results), "", "# Recurrent, convolutional, or both?", "", wording.overview(results)]
    lines += ["", wording.no_winner(results)]
    if not any(dataset.finished for dataset in results.datasets):
        lines += ["", f"**{wording.NO_RUN}**"]
    for dataset in results.datasets:
        lines += ["", f"## {escaped(dataset.name)}", ""]
        if dataset.about.get("split"):
            lines.append(f"Split: {escaped(str(dataset.about['split']))}  ")
        lines.append(f"Strand: {wording.strand_policy(dataset)}")
        remarks = [*(dataset.about.get("warnings") or ()), *(dataset.about.get("notes") or ())]
        lines += ["", *(f"- {escaped(str(remark))}" for remark in remarks)] if remarks else []
        for task in dataset.tasks if dataset.entries else ():
            lines += ["", f"### {escaped(task or 'All models')}", "", *_table(dataset, task)]
    if commands := wording.commands(results):
        lines += ["", "Repeat with:", "", *(f"    {command}" for command in commands)]
        if remark := wording.on_repeating(results):
            lines += ["", escaped(remark)]
    return "\n".join(lines) + "\n"


def _table(dataset: Dataset, task: str) -> list[str]:
    known = {column.key: column for column in (*QUALITY, *COST)}
    columns = [known[key] for key in (*_SHOWN, *_COSTS)]
    headings = [f"{column.heading} ({column.unit})" if column.unit else column.heading for column in columns]
    headings.insert(len(_SHOWN), "Training state")
    lines = [f"| Model | {' | '.join(headings)} |", f"|:--|{'--:|' * len(headings)}"]
    failures = []
    for group in results_table(dataset, task, columns, state_after=_SHOWN[-1]):
        for row in group.rows:
            if row.error:
                failures.append(f"- {escaped(_named(row))}: {escaped(row.error)}")
                continue
            cells = [
                f"{cell.text} ({first})" if (first := cell.detail.split("\n")[0]) else cell.text for cell in row.cells
            ]
            lines.append(f"| {escaped(_named(row))} | {' | '.join(map(escaped, cells))} |")
    return [*lines, *(["", "Did not finish:", "", *failures] if failures else [])]


def _named(row: Row) -> str:
    extra = [note for note in row.notes if note.startswith(("padded", "seed"))] + ([row.mark] if row.mark else [])
    return f"{row.label} ({', '.join(extra)})" if extra else row.label


def escaped(text: str) -> str:
    """Return a text in which Markdown finds nothing to mark up."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))


def summary_json(results: Results) -> dict[str, Any]:
    """Return the report as plain data: every run as in ``runs.csv`` and the means that the page shows."""
    return {
        "first_line": wording.first_line(results),
        "simulated": bool(results.config.get("simulated")),
        "quick": bool(results.config.get("quick")),
        "overview": wording.overview(results),
        "command": " && ".join(wording.commands(results)),
        "datasets": [_dataset(dataset) for dataset in results.datasets],
        "runs": [{**run.to_json(), "finished": run.finished} for run in results.runs],
    }


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "tasks": [task for task in dataset.tasks if task],
        "models": [
            {
                "model": entry.model,
                "implementation": entry.implementation,
                "family": entry.family,
                "task": task,
                "n_runs": len(entry.on(task)),
                "n_failed": len(entry.failed),
                "training_state": state(entry, task),
                **{column: _averaged(estimate(entry.on(task), column)) for column in _AVERAGED},
            }
            for entry in dataset.entries
            for task in dataset.tasks
        ],
    }


def _averaged(found: Estimate | None) -> dict[str, float | Sequence[float] | None] | None:
    if found is None:
        return None
    return {"mean": found.mean, "values": found.values, "low": found.low, "high": found.high}
