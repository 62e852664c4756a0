"""The bench from prepared data to the finished folder: which runs there are, which are done, and what they leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import dnafast
from dnafast import recipes, threads, train
from dnafast.bench.contestants import Contestant, contestants
from dnafast.bench.dataset import Dataset
from dnafast.bench.datasets import datasets
from dnafast.bench.finished import damaged_runs, sound_record
from dnafast.bench.folder import (
    check_finished_runs,
    check_folder,
    earlier_decisions,
    outcomes_of_others,
    remove_earlier,
    starts,
)
from dnafast.bench.lineup import (
    check_scores,
    check_sizes,
    check_that_networks_take_part,
    check_users_networks,
    recipe_of,
    resources_of,
    runs_of,
)
from dnafast.bench.machine import machine
from dnafast.bench.measure import Meter
from dnafast.bench.options import BenchOptions
from dnafast.bench.plan import entry, estimates, planned_limit, print_estimates
from dnafast.bench.runs import PHASE_COLUMNS, RUN_COLUMNS, Outcome, Resources, Row, Run
from dnafast.bench.schedule import carry_out
from dnafast.bench.vectors import learn_vectors, vectors_path
from dnafast.records import RECORD_NAME, write_csv, write_json
from dnafast.report import terminal_table, write_report
from dnafast.report.columns import STATES


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
    """Threads that each contestant was found to be fastest with, by `entry`."""
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
        who = contestants(options.models, options.scores)
        check_that_networks_take_part(options, who)
        resources = resources_of(options)
        check_folder(options, [one.file for one in who if one.file is not None])
        threads.limit(options.threads)
        recipe = recipe_of(options)
        meter = Meter(device="cpu")
        prepared = datasets(options, recipe, meter)
        if options.max_train:
            prepared = [_with_room_to_spare(dataset, options.max_train) for dataset in prepared]
        for dataset in prepared:
            console.print(_describe(dataset), soft_wrap=True)
            check_scores(who, dataset)
        check_users_networks(who, prepared[0])

        def runs_on(limited: Sequence[Dataset], torch_threads: dict[str, int]) -> tuple[Run, ...]:
            found = runs_of(options, recipe, resources, who, limited)
            # An earlier start may have had more threads for a run: fewer processes at a time, for one.
            most = resources.torch_threads
            return tuple(run.with_torch_threads(min(most, torch_threads.get(entry(run), most))) for run in found)

        limit = asked_limit = options.max_train or (recipes.QUICK_TRAIN if options.quick else None)
        torch_threads: dict[str, int] = {}
        is_too_long = False
        earlier = earlier_decisions(options)
        if earlier is not None:
            limit, torch_threads = earlier["max_train"], dict(earlier["torch_threads"])
        whole, prepared = prepared, [dataset.limited(limit) for dataset in prepared]
        check_sizes(options, prepared)
        runs = runs_on(prepared, torch_threads)
        if recipe.timed_steps:
            untimed = [run for run in runs if options.plan or entry(run) not in torch_threads]
            found = estimates(untimed, recipe.timed_steps, console)
            for one in found:
                torch_threads.setdefault(entry(one.run), one.run.resources.torch_threads)
            if found:
                seconds = print_estimates(options, found, console)
                is_too_long = bool(options.max_minutes) and seconds > 60 * options.max_minutes
                # What an earlier start has trained on stays: runs of one folder are to be compared.
                if earlier is None:
                    fitting = planned_limit(options, found, console)
                    limit = limit if fitting is None else fitting
        elif options.plan:
            console.print(f"{len(runs)} runs; a quick bench is not timed beforehand.")
        if earlier is not None and (is_too_long or limit != asked_limit):
            console.print(_kept_limit(options, limit), soft_wrap=True)
        # Of the whole part, as a restart draws them that knows the limit beforehand.
        prepared = [dataset.limited(limit) for dataset in whole]
        check_sizes(options, prepared)
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
            check_finished_runs(options, experiment.runs, checksums)
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
        missing = self._not_done_earlier(outcomes)
        missing = [replace(run, vectors=vectors_path(out, run)) for run in missing]
        for path in learn_vectors(out, missing, self.options):
            self.console.print(f"Vectors of k-mers from {self.options.pretrain}: {path}", soft_wrap=True)
        self._write_tables(outcomes)
        with self._progress() as progress:
            done = len(self.runs) - len(missing)
            for run, outcome in carry_out(missing, out, self.checksums, self.options.processes, _watching(progress)):
                done += 1
                outcomes.append(outcome)
                progress.console.print(f"{done}/{len(self.runs)} {_line(run, outcome)}", soft_wrap=True)
                self._write_tables(outcomes)
        write_report(out)
        self.console.print(terminal_table(out))
        broken = [row for outcome in outcomes for row in outcome.rows if row["status"] == "failed"]
        for row in broken:
            self.console.print(f"failed: {row['run_id']}: {row['error']}", style="red", soft_wrap=True)
        self.console.print(f"Report: {out / 'report.html'}", soft_wrap=True)
        return 1 if broken else 0

    def _not_done_earlier(self, outcomes: list[Outcome]) -> list[Run]:
        """Runs still to be done; what an earlier start has left of the others is added to `outcomes`."""
        missing = []
        for run in self.runs:
            folder = self.options.out / "runs" / run.id
            # That its settings and data are those of now has been checked when the bench was prepared.
            record = sound_record(folder)
            if record is not None:
                self.console.print(f"{run.id}: done earlier", soft_wrap=True)
                outcomes.append(Outcome(record.result["rows"], record.result["phases"]))
                continue
            if (folder / RECORD_NAME).exists():
                self.console.print(
                    f"{run.id}: its record or one of its files is damaged, so it is done again", soft_wrap=True
                )
                (folder / RECORD_NAME).unlink()
            missing.append(run)
        return missing

    def _place(self, outcome: Outcome) -> tuple[Any, ...]:
        """Where a run stands in the tables: by data set, contestant, size, fold and seed, whichever was done first."""
        row = outcome.rows[0]
        names = [dataset.name for dataset in self.datasets]
        who = Contestant(str(row["model"]), str(row["implementation"]))
        size = row.get("train_size")
        return names.index(row["dataset"]), who.place, size is not None, size or 0, row["fold"], row["seed"]

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


def _watching(progress: Progress) -> Callable[[str], Callable[[train.Progress], None]]:
    """What shows on the terminal how far the run is that is under way."""
    task = progress.add_task("", total=None)

    def watch(name: str) -> Callable[[train.Progress], None]:
        progress.reset(task, description=name, total=None)

        def advance(state: train.Progress) -> None:
            progress.update(task, completed=state.step, total=state.budget)

        return advance

    return watch


def _with_room_to_spare(dataset: Dataset, max_train: int) -> Dataset:
    """The data set, with a note where `--max-train` allows more than there is."""
    there = dataset.largest_train
    if there >= max_train:
        return dataset
    note = f"--max-train {max_train:,} is no bound here: the training part has {there:,} windows."
    return replace(dataset, notes=(*dataset.notes, note))


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
    if not row["training_state"]:
        return f"{run.id}: AUROC {areas} (scores as given)"
    state = STATES[str(row["training_state"])]
    return f"{run.id}: AUROC {areas} ({state}, {row['train_seconds']:.1f} s)"
