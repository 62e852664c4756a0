"""The output folder: what is in it already, what of that still holds, and what may be removed."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dnafast
from dnafast.bench.options import BenchOptions
from dnafast.records import (
    RECORD_NAME,
    Record,
    check_writable_folder,
    config_differences,
    finished_run,
    plain,
)

if TYPE_CHECKING:
    # Runs load torch, which measuring the data path does without.
    from dnafast.bench.runs import Outcome, Row, Run

DATA_PATH_TABLE = "data_path.csv"
"""What ``--only data`` leaves, and a comparison of networks does not."""
_CONFIG = "config.json"
# What a bench leaves in its folder; --overwrite removes these and nothing else. The configuration goes last: it says
# that the folder is a bench's, for as long as anything of the bench is there.
_FILES = (
    *("report.html", "summary.md", "summary.json", "runs.csv", "phases.csv", "data.json"),
    *("dataset.bed.gz", "dataset.csv.gz", "genome.fa.gz", DATA_PATH_TABLE, _CONFIG),
)
# Options that do not change what a run gives.
_PASSING = ("plan", "overwrite", "models", "seeds", "out", "max_minutes")


def check_folder(options: BenchOptions) -> None:
    """Refuse a folder that cannot be written, or that holds something else than a bench.

    Raises:
        ValueError, OSError: names the folder.
    """
    out = check_writable_folder(options.out)
    if out.is_dir() and not (out / _CONFIG).exists() and any(out.iterdir()):
        raise ValueError(f"--out {out} is a folder with other files in it: choose a new or empty one")
    if options.overwrite or not (out / _CONFIG).exists():
        return
    # Networks can be added to a comparison; a measurement of the data path is one whole.
    has_data_path = (out / DATA_PATH_TABLE).exists()
    if options.only == "data" or has_data_path:
        what = "a measurement of the data path" if has_data_path else "a comparison of networks"
        raise ValueError(f"--out {out} holds {what}: choose another folder, or replace it with --overwrite")


def earlier_decisions(options: BenchOptions) -> Row | None:
    """What an earlier bench with the same options in the folder decided, so that a restart decides alike.

    None where none of its runs has finished: nothing then is to be compared with what it decided.
    """
    path = options.out / _CONFIG
    if options.overwrite or not path.exists() or not _records(options.out):
        return None
    with contextlib.suppress(ValueError, KeyError):
        earlier = json.loads(path.read_text())
        there, now = (
            {name: value for name, value in of.items() if name not in _PASSING}
            for of in (earlier["options"], options.as_json())
        )
        if there == now and earlier["version"] == dnafast.__version__:
            return {"max_train": earlier["max_train"], "torch_threads": earlier["torch_threads"]}
    return None


def check_finished_runs(out: Path, runs: Sequence[Run], checksums: Mapping[str, str]) -> None:
    """Refuse a folder whose finished runs could not stand in one table with these.

    Raises:
        ValueError: names the run, what differs, and `--overwrite`.
    """
    for run in runs:
        finished_run(out / "runs" / run.id, run.config(), checksums[run.dataset.name])
    shared = {run.dataset.name: run.shared_config() for run in runs}
    for record in _records(out):
        name = str(record.config.get("dataset"))
        config = plain(shared.get(name))
        if config is None:
            differences = [f"the data set ({name} there, {' and '.join(shared)} now)"]
        else:
            differences = config_differences({key: record.config.get(key) for key in config}, config)
            if not differences and record.data_checksum != checksums[name]:
                differences.append("the data")
        if record.version != dnafast.__version__:
            differences.append(f"the version of dnafast ({record.version} there, {dnafast.__version__} now)")
        if differences:
            raise ValueError(
                f"{out / 'runs' / record.run_id} holds a finished run that differs in {', '.join(differences)}: "
                "choose another --out, or replace the results there with --overwrite"
            )


def outcomes_of_others(out: Path, runs: Sequence[Run]) -> list[Outcome]:
    """Finished runs on the same data that this command line does not ask for: they stay in the tables."""
    from dnafast.bench.runs import Outcome

    asked = {run.id for run in runs}
    return [
        Outcome(record.result["rows"], record.result["phases"])
        for record in _records(out)
        if record.run_id not in asked
    ]


def starts(out: Path, command: Sequence[str], runs: Sequence[Run]) -> list[Row]:
    """The command lines that make what the folder holds, one after the other, each with what it asked for.

    An earlier one stays where it left finished runs that this one does not ask for. Call before config.json is
    replaced.
    """
    asked = {run.id for run in runs}
    finished = {record.run_id for record in _records(out)}
    kept: list[Row] = []
    with contextlib.suppress(OSError, ValueError, KeyError):
        earlier = json.loads((out / _CONFIG).read_text())["starts"]
        kept = [start for start in earlier if (finished - asked) & set(start["runs"])]
    models = [f"{run.contestant.name}:{run.contestant.implementation}" for run in runs]
    begun = {
        "command": list(command),
        "models": list(dict.fromkeys(models)),
        "seeds": list(dict.fromkeys(run.seed for run in runs)),
        "runs": [run.id for run in runs],
    }
    return [*kept, begun]


def remove_earlier(out: Path) -> None:
    """Remove what an earlier bench left."""
    if not (out / _CONFIG).exists():
        return
    if (out / "runs").is_dir():
        shutil.rmtree(out / "runs")
    for name in _FILES:
        (out / name).unlink(missing_ok=True)


def _records(out: Path) -> list[Record]:
    found = (Record.load(path.parent) for path in sorted((out / "runs").glob(f"*/{RECORD_NAME}")))
    return [record for record in found if record is not None]
