"""The sentences of the report: its first line, what was compared, and what the figures do not say."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from dnafast.report.results import Dataset, Results

NO_FLOOR = "No floor has finished: whether a network finds more than a linear model is left open."

NO_GPU = "No GPU columns: no run found a GPU counter on this machine, and nothing is guessed."

NO_RUN = "No run has finished: there is no figure to show."


def first_line(results: Results) -> str:
    """Return the line that the page begins with: whether the data are real and the figures mean anything."""
    simulated = [dataset.name for dataset in results.datasets if dataset.about.get("simulated")]
    sentences = []
    if results.config.get("simulated") or (simulated and len(simulated) == len(results.datasets)):
        sentences.append(
            "Simulated data: a program made the sequences and their labels, so nothing here speaks about a real genome."
        )
    elif simulated:
        sentences.append(f"Simulated data in part: {', '.join(simulated)} came from a program, the others did not.")
    if results.config.get("quick"):
        sentences.append("Quick run: the figures mean nothing; they only show that every stage works.")
    if not sentences:
        names = ", ".join(dataset.name for dataset in results.datasets) or "no data set"
        sentences.append(f"Measured on {names}.")
    return " ".join(sentences)


def no_winner(results: Results) -> str:
    """Return what the figures do not say."""
    with_floors = " and with the floors, the linear models to beat" if results.has_floors else ""
    said = (
        f"No winner is named. Each figure comes with its interval{with_floors}; whether two networks differ needs "
        "several seeds and folds, not two intervals that happen to lie apart. A run whose budget ended before it "
        "converged is no evidence against its architecture."
    )
    return said if results.has_floors else f"{said} {NO_FLOOR}"


def overview(results: Results) -> str:
    """Return in one sentence how much was compared and how much of it finished."""
    runs: dict[tuple[str, ...], bool] = {}
    for run in results.runs:
        key = tuple(run.text(column) for column in ("dataset", "run_id", "model", "implementation", "seed", "fold"))
        runs[key] = runs.get(key, True) and run.finished
    models = {entry.model for dataset in results.datasets for entry in dataset.networks}
    floors = {entry.model for dataset in results.datasets for entry in dataset.floors}
    seeds = {run.text("seed") for run in results.runs} - {""}
    failed = sum(not finished for finished in runs.values())
    parts = [
        _counted(len(models), "network"),
        *([_counted(len(floors), "floor")] if floors else []),
        _counted(len(results.datasets), "data set"),
        _counted(sum(len(dataset.tasks) for dataset in results.datasets), "task"),
        _counted(len(seeds), "seed"),
    ]
    ended = f"{len(runs) - failed} of {_counted(len(runs), 'run')} finished"
    return f"{', '.join(parts)}; {ended}{f', {failed} did not' if failed else ''}."


def strand_policy(dataset: Dataset) -> str:
    """Return how the strand was treated."""
    stranded = dataset.about.get("stranded")
    if stranded is None:
        return "not recorded"
    if stranded:
        return "stranded: every sequence is read as given"
    return "ignored for all: either strand in training, the mean of both strands at test"


def commands(results: Results) -> list[str]:
    """Return the command lines that, one after the other, make what the folder holds."""
    starts = results.config.get("starts") or [results.config]
    return [line for start in starts if (line := command_line(start))]


def on_repeating(results: Results) -> str:
    """Return what the command lines alone do not say about doing it all again."""
    config = results.config
    sentences = []
    made = {run.text("run_id") for run in results.runs}
    missing = {run for start in config.get("starts") or () for run in start["runs"]} - made
    if missing:
        sentences.append(f"{_counted(len(missing), 'run')} that they ask for had not been made when this was written.")
    limit, options = config.get("max_train"), config.get("options") or {}
    if limit and not config.get("quick") and options.get("max_train") is None:
        sentences.append(
            f"--max-minutes was kept by training on {limit:,} windows at most. On another day or machine that may be "
            f"another number: --max-train {limit} --max-minutes 0 trains on the same windows again."
        )
    return " ".join(sentences)


def data_threads(results: Results) -> str:
    """Return how the time of the data path lies to that of the model, by the threads it had."""
    threads = (results.config.get("resources") or {}).get("data_threads")
    if threads is None:
        return ""
    if threads:
        beside = "Encoding goes on in threads of its own while the model computes"
        return f"{beside}: it has processor time only, and data_wait is how long the model stood still for it."
    return (
        "With these few processors the data path had no thread of its own: batches are encoded where they are asked "
        "for, so that a network's encoding lies within data_wait and evaluation, and has processor time only."
    )


def command_line(config: Mapping[str, Any]) -> str:
    """Return the command line that a configuration holds."""
    given = config.get("command", "")
    return shlex.join(map(str, given)) if isinstance(given, list | tuple) else str(given)


def flattened(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted name, text) for everything in a nested configuration."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flattened(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        for place, inner in enumerate(value):
            yield from flattened(inner, f"{prefix}.{place}" if prefix else str(place))
    else:
        yield prefix, _as_text(value)


def _as_text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_as_text, value)) or "–"
    return str(value)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
