"""The bench from prepared data to the finished folder: which runs there are, which are done, and what they leave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import dnafast
from dnafast import recipes, threads
from dnafast.bench.contestants import Contestant, contestants
from dnafast.bench.dataset import Dataset
from dnafast.bench.datasets import datasets
from dnafast.bench.finished import damaged_runs, save, sound_record
from dnafast.bench.folder import (
    check_finished_runs,
    check_folder,
    earlier_decisions,
    outcomes_of_others,
    remove_earlier,
    starts,
)
from dnafast.bench.machine import machine
from dnafast.bench.measure import Meter
from dnafast.bench.options import BenchOptions
from dnafast.bench.plan import Estimate, estimate, most_train
from dnafast.bench.runs import PHASE_COLUMNS, RUN_COLUMNS, Outcome, Resources, Row, Run, execute, failed
from dnafast.records import RECORD_NAME, write_csv, write_json
from dnafast.report import terminal_table, write_report
from dnafast.report.columns import STATES
from dnafast.train import DivergedError

# What can go wrong inside one run without making the others pointless: torch's errors are RuntimeErrors.
_RUN_ERRORS = (RuntimeError, ValueError, MemoryError, DivergedError)


@dataclass(frozen=True)
class Experiment:
    """Everything that is decided before the first run."""

    options: BenchOptions
    recipe: recipes.Recipe
    resources: Resources
    datasets: tuple[Dataset, ...]
    checksums: dict[str, str]
    runs: tuple[Run, ...]
    max_train: int | None
    torch_threads: dict[str, int]
    """Threads that each contestant was found to be fastest with, by `_entry`."""
    meter: Meter
    console: Console
    arguments: tuple[str, ...]
    """The command line, to be run again."""

    @classmethod
    def prepare(cls, options: BenchOptions, console: Console, arguments: Sequence[str] = ()) -> Experiment:
        """Read the data, decide on the runs and show the plan; writes nothing.

        Raises:
            ValueError, OSError: a user's mistake, in one sentence.
        """
        who = contestants(options.models)
        _check_that_networks_take_part(options, who)
        resources = _resources(options)
        check_folder(options)
        threads.limit(options.threads)
        recipe = _recipe(options)
        meter = Meter(device="cpu")
        prepared = datasets(options, recipe, meter)
        if options.max_train:
            prepared = [_with_room_to_spare(dataset, options.max_train) for dataset in prepared]
        for dataset in prepared:
            console.print(_describe(dataset), soft_wrap=True)

        def runs_on(limited: Sequence[Dataset], torch_threads: dict[str, int]) -> tuple[Run, ...]:
            return tuple(
                Run(dataset, one, seed, recipe.train, resources, recipe.bootstrap_draws).with_torch_threads(
                    torch_threads.get(_entry(dataset, one), resources.torch_threads)
                )
                for dataset in limited
                for one in who
                # A floor is fitted to convergence: it has no seed to vary.
                for seed in (options.resolved_seeds[:1] if one.is_floor else options.resolved_seeds)
            )

        limit = asked_limit = options.max_train or (recipes.QUICK_TRAIN if options.quick else None)
        torch_threads: dict[str, int] = {}
        is_too_long = False
        earlier = earlier_decisions(options)
        if earlier is not None:
            limit, torch_threads = earlier["max_train"], dict(earlier["torch_threads"])
        prepared = [dataset.limited(limit) for dataset in prepared]
        runs = runs_on(prepared, torch_threads)
        if recipe.timed_steps:
            untimed = [run for run in runs if options.plan or _entry(run.dataset, run.contestant) not in torch_threads]
            estimates = _estimates(untimed, recipe.timed_steps, console)
            for one in estimates:
                entry = _entry(one.run.dataset, one.run.contestant)
                torch_threads.setdefault(entry, one.run.resources.torch_threads)
            if estimates:
                seconds = _print_estimate(options, estimates, console)
                is_too_long = bool(options.max_minutes) and seconds > 60 * options.max_minutes
                # What an earlier start has trained on stays: runs of one folder are to be compared.
                if earlier is None:
                    fitting = _planned_limit(options, estimates, console)
                    limit = limit if fitting is None else fitting
        elif options.plan:
            console.print(f"{len(runs)} runs; a quick bench is not timed beforehand.")
        if earlier is not None and (is_too_long or limit != asked_limit):
            console.print(_kept_limit(options, limit), soft_wrap=True)
        prepared = [dataset.limited(limit) for dataset in prepared]
        checksums = {dataset.name: dataset.checksum() for dataset in prepared}
        experiment = cls(
            options=options,
            recipe=recipe,
            resources=resources,
            datasets=tuple(prepared),
            checksums=checksums,
            runs=runs_on(prepared, torch_threads),
            max_train=limit,
            torch_threads=torch_threads,
            meter=meter,
            console=console,
            arguments=tuple(arguments),
        )
        if not options.overwrite:
            check_finished_runs(options.out, experiment.runs, checksums)
        return experiment

    def run(self) -> int:
        """Do every run that is not done yet, and write the report.

        Returns:
            0 where every run finished, 1 where one failed.
        """
        out = self.options.out
        if self.options.overwrite:
            remove_earlier(out)
        out.mkdir(parents=True, exist_ok=True)
        command = ["python", "-m", "dnafast.bench", *self.arguments]
        self._write_config(starts(out, command, self.runs))
        write_json(out / "data.json", [dataset.as_json() for dataset in self.datasets])
        for dataset in self.datasets:
            dataset.write(out)
        outcomes = outcomes_of_others(out, self.runs)
        for name in sorted(set(damaged_runs(out)) - {run.id for run in self.runs}):
            self.console.print(
                f"{name}: its record or one of its files is damaged, so it is left out; ask for it to do it again",
                soft_wrap=True,
            )
        with self._progress() as progress:
            for number, run in enumerate(self.runs, start=1):
                outcome = self._one(run, f"{number}/{len(self.runs)}", progress)
                outcomes.append(outcome)
                self._write_tables(outcomes)
        write_report(out)
        self.console.print(terminal_table(out))
        broken = [row for outcome in outcomes for row in outcome.rows if row["status"] == "failed"]
        for row in broken:
            self.console.print(f"failed: {row['run_id']}: {row['error']}", style="red", soft_wrap=True)
        self.console.print(f"Report: {out / 'report.html'}", soft_wrap=True)
        return 1 if broken else 0

    def _one(self, run: Run, number: str, progress: Progress) -> Outcome:
        """One run, or its record from an earlier bench."""
        folder = self.options.out / "runs" / run.id
        checksum = self.checksums[run.dataset.name]
        # That its settings and data are those of now has been checked when the bench was prepared.
        record = sound_record(folder)
        if record is not None:
            progress.console.print(f"{number} {run.id}: done earlier", soft_wrap=True)
            return Outcome(record.result["rows"], record.result["phases"])
        if (folder / RECORD_NAME).exists():
            progress.console.print(
                f"{number} {run.id}: its record or one of its files is damaged, so it is done again", soft_wrap=True
            )
            (folder / RECORD_NAME).unlink()
        task = progress.add_task(f"{number} {run.id}", total=None)

        def advance(state: Any) -> None:
            progress.update(task, completed=state.step, total=state.budget)

        try:
            folder.mkdir(parents=True, exist_ok=True)
            outcome = execute(run, folder, advance)
        except _RUN_ERRORS as error:
            outcome = failed(run, error)
        else:
            save(run, outcome, checksum, folder)
        finally:
            progress.remove_task(task)
        progress.console.print(f"{number} {_line(run, outcome)}", soft_wrap=True)
        return outcome

    def _place(self, outcome: Outcome) -> tuple[int, int, int]:
        """Where a run stands in the tables: by data set, contestant and seed, whichever was done first."""
        row = outcome.rows[0]
        names = [dataset.name for dataset in self.datasets]
        contestant = Contestant(str(row["model"]), str(row["implementation"]))
        return names.index(row["dataset"]), contestants().index(contestant), int(row["seed"])

    def _write_tables(self, outcomes: Sequence[Outcome]) -> None:
        out = self.options.out
        outcomes = sorted(outcomes, key=self._place)
        write_csv(out / "runs.csv", [row for outcome in outcomes for row in outcome.rows], RUN_COLUMNS)
        phases = [row for outcome in outcomes for row in outcome.phases]
        write_csv(out / "phases.csv", [*self.meter.rows(), *phases], PHASE_COLUMNS)

    def _write_config(self, begun: Sequence[Row]) -> None:
        """Everything needed to know what was done, and to do it again; `begun` are the command lines so far."""
        models, seeds = ([one for start in begun for one in start[name]] for name in ("models", "seeds"))
        config = {
            "simulated": self.options.simulated,
            "quick": self.options.quick,
            "command": begun[-1]["command"],
            "starts": begun,
            "options": self.options.as_json(),
            "recipe": self.recipe,
            "train": self.runs[0].train,
            "max_train": self.max_train,
            "torch_threads": self.torch_threads,
            "models": list(dict.fromkeys(models)),
            "seeds": sorted(set(seeds)),
            "resources": self.resources,
            "machine": machine(),
            "version": dnafast.__version__,
            "checksums": self.checksums,
        }
        write_json(self.options.out / "config.json", config)

    def _progress(self) -> Progress:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps"),
        )
        return Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True)


def _recipe(options: BenchOptions) -> recipes.Recipe:
    """Sizes and budgets, with what the options change about them."""
    recipe = recipes.demonstration() if options.simulated else recipes.own_data()
    if options.quick:
        recipe = recipes.quick(recipe)
    changes: dict[str, Any] = {"batch_size": options.batch_size, "learning_rate": options.learning_rate}
    if options.epochs is not None:
        changes |= {"max_epochs": options.epochs, "max_steps": None}
    given = {name: value for name, value in changes.items() if value is not None or name == "max_steps"}
    return replace(recipe, train=replace(recipe.train, **given))


def _check_that_networks_take_part(options: BenchOptions, who: Sequence[Contestant]) -> None:
    """Refuse options of training where nothing is trained by steps.

    Raises:
        ValueError: names the option.
    """
    if not all(one.is_floor for one in who):
        return
    for name in ("epochs", "batch_size", "learning_rate"):
        if getattr(options, name) is not None:
            floors = ", ".join(one.name for one in who)
            flag = f"--{name.replace('_', '-')} {getattr(options, name)}"
            raise ValueError(f"{flag} has no effect with floors alone ({floors}): leave it out, or name a network")


def _with_room_to_spare(dataset: Dataset, max_train: int) -> Dataset:
    """The data set, with a note where `--max-train` allows more than there is."""
    there = len(dataset.rows("train"))
    if there >= max_train:
        return dataset
    note = f"--max-train {max_train:,} is no bound here: the training part has {there:,} windows."
    return replace(dataset, notes=(*dataset.notes, note))


def _resources(options: BenchOptions) -> Resources:
    """Device and threads.

    Raises:
        ValueError: the device does not exist.
    """
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if not re.fullmatch("cpu|cuda(:[0-9]{1,6})?", device):
        raise ValueError(f"--device {options.device!r} must be auto, cpu, cuda or cuda:N")
    if kind == "cuda":
        there = torch.cuda.device_count()
        if int(number or 0) >= there:
            raise ValueError(f"--device {options.device!r}: torch sees {there} GPUs here; use --device cpu")
        # Events and streams are those of the current device.
        torch.cuda.set_device(int(number or 0))
    data_threads, torch_threads = threads.shares(options.threads)
    return Resources(device, data_threads, torch_threads)


def _entry(dataset: Dataset, contestant: Contestant) -> str:
    """A contestant on a data set, as a key in config.json."""
    return f"{dataset.name}/{contestant.name}/{contestant.implementation}"


def _estimates(runs: Sequence[Run], timed_steps: int, console: Console) -> list[Estimate]:
    """How long each run takes at most; seeds of one network are timed once."""
    timed: dict[str, Estimate] = {}
    estimates = []
    with console.status("timing a few steps of every network"):
        for run in runs:
            key = _entry(run.dataset, run.contestant)
            if key not in timed:
                try:
                    timed[key] = estimate(run, timed_steps)
                except _RUN_ERRORS:
                    # The run itself will say what is wrong, in its row.
                    timed[key] = Estimate(run, 0.0, 0.0)
            estimates.append(replace(timed[key], run=replace(run, resources=timed[key].run.resources)))
    return estimates


def _print_estimate(options: BenchOptions, estimates: Sequence[Estimate], console: Console) -> float:
    """How many seconds the runs take at most; printed, with `--plan` for each of them."""
    total = sum(one.seconds() for one in estimates)
    if options.plan:
        for one in estimates:
            threads_used = one.run.resources.torch_threads
            console.print(
                f"  {one.run.id}: at most {one.seconds():.0f} s "
                f"({1e3 * one.step_seconds:.1f} ms a step, torch threads: {threads_used})",
                soft_wrap=True,
            )
    console.print(f"{len(estimates)} runs, at most {total / 60:.1f} minutes (early stopping may end them sooner).")
    return total


def _planned_limit(options: BenchOptions, estimates: Sequence[Estimate], console: Console) -> int | None:
    """Most training windows for which the bench ends within `--max-minutes`, if it would not."""
    if not options.max_minutes:
        return None
    fitting = most_train(estimates, 60 * options.max_minutes)
    if fitting is not None:
        bound = f"That is more than --max-minutes {options.max_minutes:g}"
        console.print(f"{bound}: networks are trained on {fitting:,} windows at most.", soft_wrap=True)
    return fitting


def _kept_limit(options: BenchOptions, limit: int | None) -> str:
    """What is said where an earlier start in the folder has decided how much is trained on."""
    how_much = "all training windows" if limit is None else f"{limit:,} windows at most"
    return (
        f"Networks are trained on {how_much}, as the earlier runs in {options.out} were: runs of one "
        f"folder are to be compared, so --max-minutes {options.max_minutes:g} is no bound on these. Another --out, or "
        "--overwrite, decides anew."
    )


def _describe(dataset: Dataset) -> str:
    """A data set in one line for each task."""
    strand = "stranded" if dataset.stranded else "both strands"
    size = f"{len(dataset.windows):,} sequences of {dataset.windows.length} bases"
    lines = [f"{dataset.name}: {size}, {strand}; {dataset.split}"]
    counts = dataset.part_counts()
    for task in dataset.tasks:
        sizes = ", ".join(
            f"{row['part']} {row['positives']:,} + {row['negatives']:,}" for row in counts if row["task"] == task
        )
        lines.append(f"  {task}: positives + negatives in {sizes}")
    lines += [f"  {line}" for line in dataset.flow.lines()]
    return "\n".join([*lines, *(f"  {note}" for note in (*dataset.notes, *dataset.warnings))])


def _line(run: Run, outcome: Outcome) -> str:
    """A finished run in one line."""
    row = outcome.rows[0]
    if row["status"] == "failed":
        return f"{run.id}: failed: {row['error']}"
    areas = ", ".join(f"{one['auroc']:.3f}" for one in outcome.rows)
    state = STATES[str(row["training_state"])]
    return f"{run.id}: AUROC {areas} ({state}, {row['train_seconds']:.1f} s)"
