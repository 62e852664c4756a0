"""What a bench left in its folder, read back: data sets, models, runs, and their averages."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnafast.records import read_json_object
from dnafast.report.families import family_of, place_of

# Every other column of runs.csv is a number or empty.
TEXT_COLUMNS = frozenset(
    {"dataset", "run_id", "task", "model", "implementation", "encoding", "training_state", "device", "status", "error"}
)

# Words for a run that ended as it should; a run without any status did too, unless it has an error.
_FINISHED = frozenset({"", "ok", "done", "finished", "complete", "completed"})


def number(text: str | None) -> float | None:
    """Return the number that a cell holds, or None where it is empty or not finite."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Run:
    """One row of ``runs.csv``: one run, scored on one task."""

    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return a column as it stands; empty where it is missing."""
        return (self.cells.get(column) or "").strip()

    def number(self, column: str) -> float | None:
        """Return a column as a number, None where it is empty."""
        return number(self.cells.get(column))

    @property
    def finished(self) -> bool:
        """Whether the run came to its end: no error, and a status that says so or a figure that shows it."""
        ended = self.text("status").lower() in _FINISHED or self.number("auroc") is not None
        return ended and not self.text("error")

    @property
    def which(self) -> str:
        """Seed, fold and size of the training part in words, as far as there are some."""
        words = [f"{word} {self.text(word)}" for word in ("seed", "fold") if self.text(word)]
        if self.text("train_size"):
            words.append(f"{self.text('train_size')} training windows")
        return ", ".join(words)

    def to_json(self) -> dict[str, Any]:
        """Return the row with numbers as numbers and empty figures as null."""
        row: dict[str, Any] = {}
        for column in self.cells:
            if column in TEXT_COLUMNS:
                row[column] = self.text(column)
            else:
                value = self.number(column)
                row[column] = int(value) if value is not None and value.is_integer() and abs(value) < 2**53 else value
        return row


@dataclass(frozen=True)
class Estimate:
    """The mean of a figure over runs, each run's value, and the interval that covers them (None where unknown)."""

    mean: float
    values: tuple[float, ...]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Entry:
    """One model in one implementation on one data set: its runs over tasks, seeds and folds."""

    model: str
    implementation: str
    runs: tuple[Run, ...]

    @property
    def family(self) -> str:
        """Recurrent, convolutional, hybrid, other or floor."""
        return family_of(self.model)

    @property
    def label(self) -> str:
        """The model's name; the native implementation says so."""
        return f"{self.model} (native)" if self.implementation == "native" else self.model

    @property
    def finished(self) -> tuple[Run, ...]:
        """Rows of runs that came to their end, over all tasks."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def failed(self) -> tuple[Run, ...]:
        """Runs that did not end as they should, each once however many tasks it has."""
        return tuple({run.text("run_id") or id(run): run for run in self.runs if not run.finished}.values())

    def on(self, task: str) -> tuple[Run, ...]:
        """Return the finished runs on a task."""
        return tuple(run for run in self.finished if run.text("task") == task)

    def draws(self) -> set[tuple[str, str]]:
        """Return seed and fold of each run that came to its end."""
        return {(run.text("seed"), run.text("fold")) for run in self.finished}

    def at(self, draws: Collection[tuple[str, str]]) -> tuple[Run, ...]:
        """Return the finished rows of these seeds and folds, over all tasks."""
        return tuple(run for run in self.finished if (run.text("seed"), run.text("fold")) in draws)

    def states(self, task: str | None = None) -> list[str]:
        """Return the training state of each finished run, on one task or, once per run, over all."""
        runs = self.finished if task is None else self.on(task)
        found = {(run.text("run_id") or id(run), run.text("training_state")) for run in runs}
        return sorted(state for _, state in found)

    def converged(self, task: str | None = None) -> bool:
        """Whether no finished run says that it ended before it converged."""
        return all(state in ("converged", "") for state in self.states(task))


@dataclass(frozen=True)
class Dataset:
    """One data set: what ``data.json`` tells of it, its models and its time by phase.

    ``entries`` hold the runs on the whole training part; ``sized`` those and the runs on fewer training windows.
    """

    name: str
    about: Mapping[str, Any]
    tasks: tuple[str, ...]
    entries: tuple[Entry, ...]
    phases: tuple[Mapping[str, str], ...]
    sized: tuple[Entry, ...] = ()

    @property
    def floors(self) -> tuple[Entry, ...]:
        """The logistic regressions."""
        return tuple(entry for entry in self.entries if entry.family == "floor")

    @property
    def networks(self) -> tuple[Entry, ...]:
        """Everything else."""
        return tuple(entry for entry in self.entries if entry.family != "floor")

    @property
    def finished(self) -> bool:
        """Whether any run came to its end."""
        return any(entry.finished for entry in self.entries)

    @property
    def has_floors(self) -> bool:
        """Whether a floor came to its end, so that there is something to beat."""
        return any(entry.finished for entry in self.floors)


@dataclass(frozen=True)
class Results:
    """The folder of a bench."""

    folder: Path
    config: Mapping[str, Any]
    datasets: tuple[Dataset, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every row of ``runs.csv``."""
        return tuple(run for dataset in self.datasets for entry in dataset.entries for run in entry.runs)

    @property
    def has_floors(self) -> bool:
        """Whether a floor came to its end on any data set."""
        return any(dataset.has_floors for dataset in self.datasets)

    @property
    def searches(self) -> tuple[Mapping[str, Any], ...]:
        """What the searches for learning rates have asked and found, as they wrote it down."""
        found = (read_json_object(path) for path in sorted((self.folder / "runs").glob("*-tuning/tuning.json")))
        return tuple(search for search in found if search is not None and search.keys() >= {"asked", "found"})

    def history(self, run: Run) -> dict[str, NDArray[np.float64]]:
        """Return a run's ``history.csv`` as columns (n_epochs,), NaN where empty; no column if there is no file."""
        path = self.folder / "runs" / run.text("run_id") / "history.csv"
        if not run.text("run_id") or not path.is_file():
            return {}
        rows = _read_csv(path)
        columns = rows[0].keys() if rows else ()
        return {column: np.array([_or_nan(number(row[column])) for row in rows]) for column in columns}

    def scores(self, run: Run, task_index: int) -> tuple[NDArray[np.int8], NDArray[np.float64]] | None:
        """Return labels (n,) and probabilities (n,) of a run on a task, without unlabelled rows; None if not kept."""
        path = self.folder / "runs" / run.text("run_id") / "scores.npz"
        if not run.text("run_id") or not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as arrays:
            labels, probabilities = np.atleast_2d(arrays["labels"].T).T, np.atleast_2d(arrays["probabilities"].T).T
        if task_index >= labels.shape[1]:
            return None
        labelled = labels[:, task_index] >= 0
        return labels[labelled, task_index], probabilities[labelled, task_index].astype(np.float64)

    def test_scores(self, run: Run, task_index: int) -> Scored | None:
        """Return what a run says of its test part on a task, unlabelled rows included; None if it was not all kept."""
        path = self.folder / "runs" / run.text("run_id") / "scores.npz"
        if not run.text("run_id") or not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as arrays:
            if "group" not in arrays or task_index >= np.atleast_2d(arrays["labels"].T).shape[0]:
                return None
            labels, probabilities = (np.atleast_2d(arrays[name].T)[task_index] for name in ("labels", "probabilities"))
            return Scored(labels, probabilities.astype(np.float64), arrays["group"])


class Scored(NamedTuple):
    """A run's scores of its test part on one task."""

    labels: NDArray[np.int8]
    probabilities: NDArray[np.float64]
    groups: NDArray[np.int64]


def estimate(runs: Sequence[Run], column: str) -> Estimate | None:
    """Return the mean of a column over runs with all values; None where no run has the figure.

    The interval of a fold spans those of its runs (``<column>_low``, ``<column>_high``), from the lowest low to the
    highest high: it covers the chance in the test part and the spread over seeds, and is wider than either. Folds are
    tested on different windows, so that the chances in them are independent: the distances from the mean of each fold
    to its ends add up as squares, and that of the mean over K folds is the root of the sum over K. What the folds'
    training parts share is not in it.
    """
    folds: dict[str, list[Run]] = {}
    for run in runs:
        if run.number(column) is not None:
            folds.setdefault(run.text("fold"), []).append(run)
    found = [_of_one_fold(of_fold, column) for of_fold in folds.values()]
    if len(found) <= 1:
        return found[0] if found else None
    mean = float(np.mean([one.mean for one in found]))
    values = tuple(one.mean for one in found)
    below = [one.mean - one.low for one in found if one.low is not None]
    above = [one.high - one.mean for one in found if one.high is not None]
    if len(below) < len(found) or len(above) < len(found):
        return Estimate(mean, values)
    return Estimate(mean, values, mean - math.hypot(*below) / len(found), mean + math.hypot(*above) / len(found))


def _of_one_fold(runs: Sequence[Run], column: str) -> Estimate:
    values = [value for run in runs if (value := run.number(column)) is not None]
    lows = [value for run in runs if (value := run.number(f"{column}_low")) is not None]
    highs = [value for run in runs if (value := run.number(f"{column}_high")) is not None]
    bounds = (min(lows), max(highs)) if lows and highs else (None, None)
    return Estimate(float(np.mean(values)), tuple(values), *bounds)


def mean_over_tasks(entry: Entry, column: str) -> float | None:
    """Return the mean over runs and tasks of a figure of quality."""
    found = estimate(entry.finished, column)
    return None if found is None else found.mean


def cost(entry: Entry, column: str) -> float | None:
    """Return what a model costs for all tasks together, as a mean over seeds and folds.

    A network's rows repeat its one figure for every task; a floor is fitted once per task, so differing figures of
    one seed and fold add up.
    """
    per_run: dict[tuple[str, str], set[float]] = {}
    for run in entry.finished:
        if (value := run.number(column)) is not None:
            per_run.setdefault((run.text("seed"), run.text("fold")), set()).add(value)
    return float(np.mean([sum(values) for values in per_run.values()])) if per_run else None


def best_floor(dataset: Dataset, task: str) -> Estimate | None:
    """Return the AUROC of the best floor on a task."""
    found = [value for entry in dataset.floors if (value := estimate(entry.on(task), "auroc")) is not None]
    return max(found, key=lambda value: value.mean, default=None)


def read_results(folder: Path) -> Results:
    """Read the folder of a bench.

    Raises:
        FileNotFoundError: one of ``config.json``, ``data.json`` or ``runs.csv`` is missing.
        ValueError: one of them cannot be read.
    """
    config = _read_json(folder / "config.json")
    about = _read_json(folder / "data.json")
    if not isinstance(config, dict) or not isinstance(about, list):
        raise ValueError(f"{folder}: config.json must hold an object and data.json a list of data sets")
    runs = [Run(row) for row in _read_csv(folder / "runs.csv")]
    phases_path = folder / "phases.csv"
    phases = _read_csv(phases_path) if phases_path.is_file() else []
    described = {str(dataset.get("name", "")): dataset for dataset in about}
    names = list(dict.fromkeys([*described, *(run.text("dataset") for run in runs)]))
    datasets = tuple(_dataset(name, described.get(name, {}), runs, phases, alone=len(names) == 1) for name in names)
    return Results(folder, config, datasets)


def _dataset(
    name: str, about: Mapping[str, Any], runs: Iterable[Run], phases: Iterable[Mapping[str, str]], *, alone: bool
) -> Dataset:
    own = [run for run in runs if alone or run.text("dataset") == name]
    tasks = dict.fromkeys([*map(str, about.get("tasks") or ()), *(run.text("task") for run in own)])
    return Dataset(
        name=name,
        about=about,
        tasks=tuple(task for task in tasks if task) or ("",),
        entries=_entries([run for run in own if not run.text("train_size")]),
        sized=_entries(own) if any(run.text("train_size") for run in own) else (),
        phases=tuple(row for row in phases if alone or row.get("dataset", "") == name),
    )


def _entries(runs: Iterable[Run]) -> tuple[Entry, ...]:
    """Runs by model and implementation, in the order of the page."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.text("model"), run.text("implementation")), []).append(run)
    entries = [Entry(model, implementation, tuple(rows)) for (model, implementation), rows in groups.items()]
    # "torch" comes before "native", so that the plain version is read first.
    entries.sort(key=lambda entry: (*place_of(entry.model), entry.implementation == "native", entry.implementation))
    return tuple(entries)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_existing(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: line {error.lineno} is not valid JSON ({error.msg})") from None


def _read_csv(path: Path) -> list[dict[str, str]]:
    with _existing(path).open(encoding="utf-8", newline="") as lines:
        return [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(lines)]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: the report is made from the folder that a bench has written")
    return path


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
