"""The output folder: what is in it already, what of that still holds, and what may be removed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dnafast
from dnafast.bench.finished import RUN_FILES, TUNING_NAME, VECTORS, remove_checkpoints, sound_record, sound_records
from dnafast.bench.options import BenchOptions
from dnafast.records import (
    RECORD_NAME,
    check_writable_folder,
    config_differences,
    finished_run,
    plain,
    read_json_object,
)

if TYPE_CHECKING:
    # Runs load torch, which measuring the data path does without.
    from dnafast.bench.runs import Outcome, Row, Run

DATA_PATH_TABLE = "data_path.csv"
"""What ``--only data`` leaves, and a comparison of networks does not."""
PROBE_FILES = (
    *("probe.json", "factorial.csv", "effects.csv", "reach.csv", "input_reach.csv", "attention.csv", "pairs.csv"),
)
"""What ``--probe`` leaves beside its page and its runs."""
_CONFIG = "config.json"
# What a bench leaves in its folder; --overwrite removes these and nothing else. The configuration goes last: it says
# that the folder is a bench's, for as long as anything of the bench is there.
_FILES = (
    *("report.html", "summary.md", "summary.json", "runs.csv", "phases.csv", "data.json"),
    *("dataset.bed.gz", "dataset.csv.gz", "genome.fa.gz", "tiles.bed.gz", DATA_PATH_TABLE, *PROBE_FILES, _CONFIG),
)
# What only a configuration of ours has, all together; where it is damaged, how the tables begin tells as well.
_OWN_KEYS = frozenset({"version", "checksums", "options", "command", "machine"})
_OWN_TABLES = {"runs.csv": b"task,model,implementation,encoding,", DATA_PATH_TABLE: b"job,contender,version,"}
# Options that do not change what a run gives.
_PASSING = (
    *("plan", "overwrite", "models", "pretrain", "match", "scores", "seeds", "train_sizes", "processes", "out"),
    "max_minutes",
)


def check_folder(options: BenchOptions, files: Sequence[Path] = ()) -> None:
    """Refuse a folder that cannot be written, or that holds something else than a bench.

    Args:
        options: with the folder, and most of the files that are read.
        files: what else is read.

    Raises:
        ValueError, OSError: names the folder.
    """
    out = check_writable_folder(options.out)
    _check_that_inputs_lie_elsewhere(options, files)
    if out.is_dir() and not _is_ours(out) and any(out.iterdir()):
        raise ValueError(f"--out {out} is a folder with other files in it: choose a new or empty one")
    if options.overwrite or not (out / _CONFIG).exists():
        return
    # Networks can be added to a comparison, and a probe goes on; a measurement of the data path is one whole.
    there = _what_is_in(out)
    if options.only == "data" or there != (_PROBE if options.probe else _COMPARISON):
        raise ValueError(f"--out {out} holds {there}: choose another folder, or replace it with --overwrite")
    if not options.probe:
        _earlier_configuration(out)


_COMPARISON, _PROBE = "a comparison of networks", "a probe"


def _what_is_in(out: Path) -> str:
    """What the bench in a folder is, in words."""
    if (out / DATA_PATH_TABLE).exists():
        return "a measurement of the data path"
    options = (read_json_object(out / _CONFIG) or {}).get("options")
    is_probe = isinstance(options, dict) and options.get("probe") is True
    return _PROBE if is_probe or (out / PROBE_FILES[0]).exists() else _COMPARISON


def _check_that_inputs_lie_elsewhere(options: BenchOptions, files: Sequence[Path]) -> None:
    """Refuse to read what the results, or --overwrite, would replace.

    Raises:
        ValueError: names the file.
    """
    out = options.out
    given = [(f"--{name} ", getattr(options, name)) for name in ("fasta", "positives", "negatives", "table")]
    given += [("--peaks ", Path(one.partition("=")[2] or one)) for one in options.peaks]
    given += [("--exclude ", path) for path in options.exclude]
    given += [("", path) for path in files]
    for name, path in given:
        # A link counts where it lies and where it leads.
        if path is not None and (
            path.resolve().is_relative_to(out.resolve()) or out.absolute() in path.absolute().parents
        ):
            raise ValueError(f"{name}{path} lies in --out {out}, whose files are replaced: choose another --out")


def _is_ours(out: Path) -> bool:
    """Whether a bench has written this folder, damaged since or not."""
    path = out / _CONFIG
    if not path.is_file():
        return False
    with contextlib.suppress(ValueError, RecursionError):
        config = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(config, dict) and config.keys() >= _OWN_KEYS:
            return True
    for name, beginning in _OWN_TABLES.items():
        if (out / name).is_file():
            with (out / name).open("rb") as table:
                if table.read(len(beginning)) == beginning:
                    return True
    return False


def earlier_decisions(options: BenchOptions) -> Row | None:
    """What an earlier bench with the same options in the folder decided, so that a restart decides alike.

    None where none of its runs has finished: nothing then is to be compared with what it decided.
    """
    if options.overwrite or not sound_records(options.out):
        return None
    earlier = _earlier_configuration(options.out)
    if earlier is None:
        return None
    there, now = (
        {name: value for name, value in of.items() if name not in _PASSING}
        for of in (earlier["options"], options.as_json())
    )
    if there == now and earlier["version"] == dnafast.__version__:
        return {"max_train": earlier["max_train"], "torch_threads": earlier["torch_threads"]}
    return None


def _earlier_configuration(out: Path) -> Row | None:
    """The configuration of the comparison in a folder; None where there is none.

    Raises:
        ValueError: it is damaged: names the file, and `--overwrite`.
    """
    path = out / _CONFIG
    if not path.exists():
        return None
    config: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        config = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(config, dict) or not all(holds(config.get(name)) for name, holds in _NEEDED.items()):
        raise ValueError(f"{path} is damaged: choose another --out, or replace the results there with --overwrite")
    return config


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_threads(value: object) -> bool:
    return isinstance(value, dict) and all(type(number) is int and number > 0 for number in value.values())


def _is_start(value: object) -> bool:
    """Whether this is what `starts` makes."""
    return (
        isinstance(value, dict)
        and all(_is_texts(value.get(name)) for name in ("command", "models", "runs"))
        and isinstance(value.get("seeds"), list)
        and all(type(seed) is int for seed in value["seeds"])
    )


# What is read of an earlier configuration, each with what it must be.
_NEEDED: dict[str, Callable[[object], bool]] = {
    "version": lambda value: isinstance(value, str),
    "options": lambda value: isinstance(value, dict),
    "starts": lambda value: isinstance(value, list) and all(map(_is_start, value)),
    "max_train": lambda value: value is None or (type(value) is int and value > 0),
    "torch_threads": _is_threads,
}


def options_that_differ(there: Mapping[str, object], options: BenchOptions) -> str:
    """What two command lines differ in, as far as it can change what a run gives, to go on a sentence.

    Args:
        there: plain values by name, as `BenchOptions.as_json` gives them.
        options: those of now.
    """
    now = options.as_json()
    names = [name for name in now if name in there and there[name] != now[name] and name not in (*_PASSING, "threads")]
    old, new = (", ".join(_as_given(name, of[name]) for name in names) for of in (there, now))
    return f", started with {old} there and {new} now" if names else ""


def _as_given(name: str, value: object) -> str:
    """An option as a command line has it."""
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is False or value == []:
        return f"no {flag}"
    if value is True:
        return flag
    return f"{flag} {' '.join(map(str, value)) if isinstance(value, list) else value}"


def check_finished_runs(options: BenchOptions, runs: Sequence[Run], checksums: Mapping[str, str]) -> None:
    """Refuse a folder whose finished runs could not stand in one table with these.

    Raises:
        ValueError: names the run, what differs, the options that differ, and `--overwrite`.
    """
    out = options.out
    earlier = _earlier_configuration(out)
    asked = options_that_differ(earlier["options"], options) if earlier is not None else ""
    for run in runs:
        if sound_record(out / "runs" / run.id) is not None:
            finished_run(out / "runs" / run.id, run.config(), checksums[run.dataset.name], options=asked)
    shared = {run.dataset.name: run.shared_config() for run in runs}
    for record in sound_records(out):
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
                f"{out / 'runs' / record.run_id} holds a finished run that differs in {', '.join(differences)}{asked}: "
                "choose another --out, or replace the results there with --overwrite"
            )


def outcomes_of_others(out: Path, runs: Sequence[Run]) -> list[Outcome]:
    """Finished runs on the same data that this command line does not ask for: they stay in the tables."""
    from dnafast.bench.runs import Outcome

    asked = {run.id for run in runs}
    return [
        Outcome(record.result["rows"], record.result["phases"])
        for record in sound_records(out)
        if record.run_id not in asked
    ]


def starts(out: Path, command: Sequence[str], runs: Sequence[Run]) -> list[Row]:
    """The command lines that make what the folder holds, one after the other, each with what it asked for.

    An earlier one stays where it left finished runs that this one does not ask for. Call before config.json is
    replaced.
    """
    asked = {run.id for run in runs}
    finished = {record.run_id for record in sound_records(out)}
    kept: list[Row] = []
    earlier = _earlier_configuration(out)
    if earlier is not None:
        kept = [start for start in earlier["starts"] if (finished - asked) & set(start["runs"])]
    models = [f"{run.contestant.name}:{run.contestant.implementation}" for run in runs]
    begun = {
        "command": list(command),
        "models": list(dict.fromkeys(models)),
        "seeds": list(dict.fromkeys(run.seed for run in runs)),
        "runs": [run.id for run in runs],
    }
    return [*kept, begun]


def remove_earlier(out: Path) -> None:
    """Remove what an earlier bench left, and nothing else."""
    if not _is_ours(out):
        return
    runs = out / "runs"
    for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
        # The record goes first: without it, a run is not finished.
        for name in (RECORD_NAME, TUNING_NAME, *RUN_FILES):
            if folder.is_dir():
                (folder / name).unlink(missing_ok=True)
        remove_checkpoints(folder)
        _remove_if_empty(folder)
    _remove_if_empty(runs)
    for path in (out / VECTORS).glob("*-fold*.txt"):
        path.unlink()
    _remove_if_empty(out / VECTORS)
    for name in _FILES:
        (out / name).unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
