"""Finished runs: saved with checksums of their files, and taken up again only where all is as it was left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnafast.records import RECORD_NAME, Record, checksum_file, plain

if TYPE_CHECKING:
    # Runs load torch, which measuring the data path does without.
    from dnafast.bench.runs import Outcome, Run

RUN_FILES = ("scores.npz", "history.csv", "weights.safetensors", "model.json", "genome_scores.npz")
"""What a run leaves beside its record; floors leave the scores alone."""
CHECKPOINT_STEM = "checkpoint-"
"""How the file begins that holds the state of a run under way."""
VECTORS = "vectors"
"""The folder of vectors of k-mers beside that of the runs."""
TUNING_NAME = "tuning.json"
"""What the search for a learning rate leaves in its folder beside those of the runs."""


def save(
    run: Run, outcome: Outcome, data_checksum: str, folder: Path, options: Mapping[str, object] | None = None
) -> None:
    """Write the record of a run, as its last file: its presence says that the run is finished.

    The options of a run that stands alone, plain values by name, are kept in it.
    """
    result = {"rows": outcome.rows, "phases": outcome.phases, "files": _checksums(folder)}
    if options is not None:
        result["options"] = options
    Record(run.id, plain(run.config()), data_checksum, plain(result)).save(folder)
    remove_checkpoints(folder)


def remove_checkpoints(folder: Path) -> None:
    """Remove the state of a run that is no longer under way."""
    for path in folder.glob(f"{CHECKPOINT_STEM}*"):
        path.unlink()


def sound_record(folder: Path, run_id: str | None = None) -> Record | None:
    """The record of a finished run; None where there is none, or where it or a file of the run is damaged.

    Args:
        folder: of the run.
        run_id: its name; that of the folder by default.
    """
    try:
        record = Record.load(folder)
    except ValueError:
        return None
    return record if record is not None and _is_sound(record, folder, run_id or folder.name) else None


def sound_records(out: Path) -> list[Record]:
    """Those of all runs in the folder of a bench."""
    found = (sound_record(path.parent) for path in _paths(out))
    return [record for record in found if record is not None]


def damaged_runs(out: Path) -> list[str]:
    """Names of the runs in the folder of a bench that were finished, and no longer are what they were."""
    return [path.parent.name for path in _paths(out) if sound_record(path.parent) is None]


def _paths(out: Path) -> list[Path]:
    return sorted((out / "runs").glob(f"*/{RECORD_NAME}"))


def _checksums(folder: Path) -> dict[str, str]:
    return {name: checksum_file(folder / name) for name in RUN_FILES if (folder / name).is_file()}


def _is_sound(record: Record, folder: Path, run_id: str) -> bool:
    """Whether the tables can be made of a record, and the files are those it was saved with."""
    from dnafast.bench.runs import PHASE_COLUMNS, RUN_COLUMNS

    identity = {name: record.config.get(name) for name in ("dataset", "model", "implementation", "seed")}
    identity["run_id"] = run_id
    if record.run_id != run_id or not isinstance(identity["seed"], int):
        return False
    if not all(isinstance(identity[name], str) for name in ("dataset", "model", "implementation")):
        return False
    rows, phases = record.result.get("rows"), record.result.get("phases")
    if not _is_table(rows, RUN_COLUMNS, identity) or not _is_table(phases, PHASE_COLUMNS, identity):
        return False
    tasks = [row.get("task") for row in rows]  # type: ignore[union-attr]
    if tasks != record.config.get("tasks") or any(row.get("status") != "finished" for row in rows):  # type: ignore[union-attr]
        return False
    files = record.result.get("files")
    return isinstance(files, dict) and RUN_FILES[0] in files and files == _checksums(folder)


def _is_table(rows: Any, columns: tuple[str, ...], identity: Mapping[str, Any]) -> bool:
    """Whether these are rows of plain values in known columns, all of one run."""
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(
            isinstance(row, dict)
            and row.keys() <= set(columns)
            and all(value is None or isinstance(value, str | int | float) for value in row.values())
            and all(row.get(name) == value for name, value in identity.items())
            for row in rows
        )
    )
