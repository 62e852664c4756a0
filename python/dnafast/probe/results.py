"""What a probe has found, as tables in a folder: written by the probe, read by the report."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dnafast.probe import factorial, pairs, reach
from dnafast.probe.effects import EFFECT_COLUMNS, effects
from dnafast.probe.factorial import FactorialRun
from dnafast.probe.jobs import Job
from dnafast.probe.networks import Row
from dnafast.probe.pairs import PairRun
from dnafast.probe.reach import ReachRun
from dnafast.records import write_csv, write_json

ABOUT_NAME = "probe.json"
INPUT_COLUMNS = ("cell", "pooling", "convolution", "fold", "seed", "position", "norm", "low", "high")
"""Of input_reach.csv: |dlogit/dinput| of the trained networks of the factorial that were clipped, as `reach.COLUMNS`
has it, but by position in the sequence."""
_COLUMNS = {
    "factorial": factorial.COLUMNS,
    "effects": EFFECT_COLUMNS,
    "reach": reach.COLUMNS,
    "input_reach": INPUT_COLUMNS,
    "attention": factorial.ATTENTION_COLUMNS,
    "pairs": pairs.COLUMNS,
}
FILES = (ABOUT_NAME, *(f"{name}.csv" for name in _COLUMNS))
"""What `ProbeResults.save` writes."""


@dataclass(frozen=True)
class ProbeResults:
    """The tables of a probe; each is a list of rows in plain values.

    Attributes:
        about: of what and how: data (name, description, length, simulated), sizes, runs (how many were asked for, how
            many are here).
        factorial, effects, reach, input_reach, attention, pairs: as the columns of their modules say.
    """

    about: Mapping[str, Any]
    factorial: list[Row] = field(default_factory=list)
    effects: list[Row] = field(default_factory=list)
    reach: list[Row] = field(default_factory=list)
    input_reach: list[Row] = field(default_factory=list)
    attention: list[Row] = field(default_factory=list)
    pairs: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, about: Mapping[str, Any], done: Iterable[tuple[Job, Mapping[str, Any]]]) -> ProbeResults:
        """The tables that finished runs make, in an order that does not depend on which ended first."""
        found = cls(about)
        for job, result in sorted(done, key=lambda one: one[0].id):
            if isinstance(job, FactorialRun):
                row = result["row"]
                found.factorial.append(row)
                found.attention.extend(factorial.attention_rows(row, result["attention"]))
                found.input_reach.extend(_input_rows(row, result["input_reach"]))
            elif isinstance(job, ReachRun):
                found.reach.extend(result["rows"])
            elif isinstance(job, PairRun):
                found.pairs.extend(result["rows"])
        found.effects.extend(one.row() for one in effects(found.factorial))
        return found

    def save(self, folder: Path) -> None:
        """Write probe.json and one CSV file a table, each whole or not at all."""
        for name, columns in _COLUMNS.items():
            write_csv(folder / f"{name}.csv", getattr(self, name), columns)
        write_json(folder / ABOUT_NAME, self.about)

    @classmethod
    def load(cls, folder: str | Path) -> ProbeResults:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no probe in the folder.
            ValueError: a file is not what `save` writes.
        """
        folder = Path(folder)
        tables = {name: _read(folder / f"{name}.csv", columns) for name, columns in _COLUMNS.items()}
        path = folder / ABOUT_NAME
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(
                f"{path} is damaged ({error}): run the probe again, which takes up its finished runs"
            ) from None
        return cls(about, **tables)

    def effect(self, contrast: str, among: str) -> Row | None:
        """The line of effects.csv with that contrast and those networks."""
        return next((row for row in self.effects if (row["contrast"], row["among"]) == (contrast, among)), None)


def _input_rows(row: Row, summaries: list[list[float]]) -> list[Row]:
    if not row["clipping"] or any(row[name] != value for name, value in factorial.AS_USUAL.items()):
        return []
    of_run = {name: row[name] for name in ("cell", "pooling", "convolution", "fold", "seed")}
    return [
        {**of_run, "position": position, "norm": norm, "low": low, "high": high}
        for position, (norm, low, high) in enumerate(summaries)
    ]


def _read(path: Path, columns: tuple[str, ...]) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != columns:
            raise ValueError(f"{path} has not the columns of this version: run the probe again into a new folder")
        return [{name: _value(cell) for name, cell in row.items()} for row in reader]


def _value(cell: str) -> Any:
    """A cell as it was before `write_csv`: empty is None."""
    words: dict[str, Any] = {"": None, "true": True, "false": False}
    if cell in words:
        return words[cell]
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            pass
    return cell
