"""``dnafast train``: one network, trained on the data of a command line and left ready to predict."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Fixed

from dnafast import threads
from dnafast.bench import options as bench_options
from dnafast.bench.failure import USER_ERRORS, fail
from dnafast.bench.finished import CHECKPOINT_STEM, RUN_FILES, TUNING_NAME, remove_checkpoints, save, sound_record
from dnafast.bench.folder import options_that_differ
from dnafast.bench.options import unset
from dnafast.records import RECORD_NAME, Record, check_writable_folder, finished_run

if TYPE_CHECKING:
    # They load torch, which --help does without.
    from dnafast.bench.dataset import Dataset
    from dnafast.bench.runs import Row, Run


@dataclass(frozen=True, kw_only=True)
class TrainOptions(bench_options.BenchOptions):
    """Train one network and leave it ready for 'dnafast predict'.

    Data are given as to the bench: --fasta with --peaks, --positives with --negatives, or --table. The folder then
    holds model.json and weights.safetensors, the history of the training and the scores of the test part. A training
    that was stopped goes on where it was when the same command is given again.
    """

    model: Annotated[str, tyro.conf.arg(metavar="NAME[[OPTION=VALUE,...]][:IMPLEMENTATION]")]
    """The network: danq, 'promoter_lstm[use_cnn=false,pooling_strategy=last]', deepbind:native, or FILE.py:CLASS (one
    of your own)."""
    seed: int = 0
    """Of the weights to begin with, the order of batches and dropout."""
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    """Numbers of the forward and backward pass; auto takes bfloat16 where it is known to be faster."""
    length: Annotated[int | None, unset("600", "BASES")] = None
    """Length of the windows around the summits."""
    epochs: Annotated[int | None, unset("30", "N")] = None
    """Longest training, in passes over the training part; early stopping may end it sooner."""
    batch_size: Annotated[int | None, unset("64", "N")] = None
    """Windows in a step."""
    learning_rate: Annotated[float | None, unset("found, see --tune", "RATE")] = None
    """Largest learning rate of the schedule."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("dnafast-model")
    """Folder for the network."""
    overwrite: bool = False
    """Replace the network that an earlier training left in the folder."""

    # What makes sense for several networks only.
    only: Fixed[Literal["data"] | None] = None
    models: Fixed[tuple[str, ...]] = ()
    scores: Fixed[tuple[str, ...]] = ()
    seeds: Fixed[tuple[int, ...]] = (1,)
    folds: Fixed[int | None] = None
    pretrain: Fixed[Literal["train", "genome"] | None] = None
    match: Fixed[Literal["params", "flops"] | None] = None
    train_sizes: Fixed[tuple[int, ...]] = ()
    max_minutes: Fixed[float] = 60.0
    quick: Fixed[bool] = False
    plan: Fixed[bool] = False
    probe: Fixed[bool] = False
    processes: Fixed[int] = 1


def main(arguments: list[str], program: str = "dnafast train") -> int:
    """Train a network.

    Returns:
        0 where it is trained; 1 where training failed (a loss that is no number, a network that breaks off); 2 for
        unusable input or too little memory, with one sentence on standard error; 130 after Ctrl-C (started again, it
        goes on).
    """
    # tyro's markers wrap the class, which mypy takes for no type.
    command: Any = tyro.conf.SuppressFixed[tyro.conf.FlagCreatePairsOff[TrainOptions]]
    options: TrainOptions = tyro.cli(command, args=arguments, prog=program)
    try:
        bench_options.check_arguments(arguments)
        check(options)
        for line in train(options):
            print(line)
    except (ArithmeticError, RuntimeError) as error:
        print(f"dnafast: training failed: {error}", file=sys.stderr)
        return 1
    except USER_ERRORS as error:
        return fail(error)
    except KeyboardInterrupt:
        print(f"\ndnafast: stopped; '{program}' with the same options goes on.", file=sys.stderr)
        return 130
    return 0


def check(options: TrainOptions) -> None:
    """Refuse combinations that mean nothing.

    Raises:
        ValueError, OSError: one sentence that names the option, its value and what would be right.
    """
    if options.simulated:
        raise ValueError("there are no data: give --fasta and --peaks, --positives and --negatives, or --table")
    bench_options.check(options)
    if not 0 <= options.seed < 2**63:
        raise ValueError(f"--seed {options.seed} must not be negative, and below 2**63")
    out = check_writable_folder(options.out)
    strange = [path.name for path in sorted(out.iterdir()) if not _is_ours(path)] if out.is_dir() else []
    if strange:
        raise ValueError(f"--out {out} is a folder with other files in it ({strange[0]}): choose a new or empty one")


def _is_ours(path: Path) -> bool:
    """Whether a training leaves a file of this name; a kill in the middle of a write leaves one that begins so."""
    name = path.name.removeprefix(".")
    ours = (RECORD_NAME, TUNING_NAME, *RUN_FILES)
    return name.startswith(CHECKPOINT_STEM) or any(name == one or name.startswith(f"{one}.") for one in ours)


def train(options: TrainOptions) -> list[str]:
    """Train the network, or find it trained; returns what came out, in lines.

    Raises:
        ValueError, OSError, MemoryError: a user's mistake, in one sentence.
        DivergedError: a loss is no number.
        RuntimeError: a user's network breaks off.
    """
    # After the options have been read, so that --help answers at once.
    from dnafast.bench.execution import execute
    from dnafast.bench.schedule import run_errors, told_of
    from dnafast.bench.tuning import tune, tuned_earlier
    from dnafast.train.errors import is_out_of_memory

    threads.limit(options.threads)
    run = _run(options)
    checksum = run.dataset.checksum()
    folder = options.out
    if options.overwrite:
        _remove(folder)
    record = finished_run(folder, run.config(), checksum, options=_differing_options(options))
    if record is not None:
        if sound_record(folder, run.id) is None:
            raise ValueError(
                f"{folder} holds a finished training, but a file of it is damaged: --overwrite trains anew"
            )
        return [f"{folder}: trained earlier", *map(_figures, record.result["rows"])]
    for line in _description(run.dataset):
        print(line, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _Progress() as progress:
            tuned = None
            if run.tuning is not None:
                tuned = tuned_earlier(run, checksum, folder)
                tuned = tuned or tune(run, checksum, folder, progress.named("learning rate"))
            outcome = execute(run, folder, checksum, tuned, progress.named("training"))
    except (*USER_ERRORS, ArithmeticError):
        raise
    except run_errors(run) as error:
        if is_out_of_memory(error):
            raise MemoryError(told_of(run, error).removeprefix("MemoryError: ")) from error
        raise RuntimeError(told_of(run, error)) from error
    save(run, outcome, checksum, folder, options.as_json())
    first = outcome.rows[0]
    ended = f"{first['training_state']}, best epoch {first['best_epoch']} of {first['epochs']}"
    rate = f"learning rate {first['learning_rate']:g}"
    if tuned is not None and not tuned.told_from_chance:
        rate += " (the usual one: no short run of the search was told from chance)"
    took = f"{first['train_seconds']:.1f} s in {run.train.precision}"
    return [f"{folder}: {ended}, {rate}, {took}", *map(_figures, outcome.rows)]


def _differing_options(options: TrainOptions) -> str:
    """Which options an earlier training in the folder was given otherwise, in words."""
    earlier = Record.load(options.out)
    there = earlier.result.get("options") if earlier is not None else None
    return options_that_differ(there, options) if isinstance(there, dict) else ""


def _run(options: TrainOptions) -> Run:
    """The one run that is asked for, as a bench would do it."""
    from dnafast.bench.contestants import contestants
    from dnafast.bench.datasets import datasets
    from dnafast.bench.lineup import check_sizes, check_users_networks, recipe_of, resources_of, runs_of
    from dnafast.bench.measure import Meter
    from dnafast.train import resolve_precision

    try:
        who = contestants((options.model,))
    except ValueError as error:
        # It speaks of the option of a bench.
        raise ValueError(str(error).replace("--models", "--model", 1)) from None
    if not who[0].is_network:
        raise ValueError(f"--model {options.model} is a floor, which a bench fits: name a network")
    recipe = recipe_of(options)
    recipe = replace(recipe, train=replace(recipe.train, precision=options.precision))
    resources = resources_of(options)
    dataset = datasets(options, recipe, Meter("cpu"))[0].limited(options.max_train)
    check_sizes(options, [dataset])
    check_users_networks(who, dataset)
    # A network in several implementations is trained in the one that comes first.
    run = runs_of(options, recipe, resources, who[:1], [dataset])[0]
    run = replace(run, seed=options.seed)
    if options.precision != "auto":
        return run
    # Once, for the search of the learning rate as well, which may take another implementation of the network.
    precision = resolve_precision(run.build(), run.train, resources.device)
    return replace(run, train=replace(run.train, precision=precision))


def _remove(folder: Path) -> None:
    """Remove what an earlier training left, and nothing else."""
    # The record goes first: without it, nothing is finished.
    for name in (RECORD_NAME, TUNING_NAME, *RUN_FILES):
        (folder / name).unlink(missing_ok=True)
    remove_checkpoints(folder)


def _description(dataset: Dataset) -> list[str]:
    """The data in a line for each task and part, and what is to be known about them."""
    strand = "stranded" if dataset.stranded else "both strands"
    lines = [f"{dataset.name}: {len(dataset.windows):,} sequences of {dataset.windows.length} bases, {strand}"]
    for row in dataset.part_counts():
        lines.append(f"  {row['task']}, {row['part']}: {row['positives']:,} positives, {row['negatives']:,} negatives")
    return [*lines, *(f"  {note}" for note in (*dataset.notes, *dataset.warnings))]


def _figures(row: Row) -> str:
    """How good the network is on the test part, for one task, with 95 % intervals where there are some."""
    known = [(name, label) for name, label in _SHOWN.items() if row.get(name) is not None]
    shown = [f"{label} {row[name]:.3f}{_interval(row, name)}" for name, label in known]
    return f"  {row['task']}: {', '.join(shown)}"


def _interval(row: Row, name: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if low is None or high is None or not math.isfinite(low + high):
        return ""
    return f" (95 % {low:.3f} to {high:.3f})"


_SHOWN = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mcc": "MCC",
    "log_loss": "log loss",
    "threshold": "threshold",
    "genome_auprc": "AUPRC along the genome",
}


class _Progress:
    """Bars on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bars = Progress(console=console, transient=True, disable=not console.is_terminal)

    def named(self, name: str) -> Any:
        """What is called every few steps of something with a name."""
        bar = self._bars.add_task(name, total=None)
        return lambda state: self._bars.update(bar, completed=state.step, total=state.budget)

    def __enter__(self) -> _Progress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
