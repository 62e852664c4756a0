"""``--probe``: why recurrent networks fail, on sequences of two classes or on simulated promoters."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import dnafast
from dnafast import synthetic
from dnafast.bench.folder import check_folder, remove_earlier
from dnafast.bench.machine import machine
from dnafast.bench.options import BenchOptions
from dnafast.probe import factorial, pairs, reach
from dnafast.probe.answers import answers
from dnafast.probe.config import ProbeConfig, full, quick
from dnafast.probe.jobs import Job, carry_out, finished
from dnafast.probe.parts import Folds
from dnafast.probe.results import ProbeResults
from dnafast.records import checksum, plain, write_json, write_text
from dnafast.report.probe import probe_page, probe_summary
from dnafast.sequences import SequenceTable, read_fasta
from dnafast.threads import resolve_threads

_SEED = 1  # of the simulated promoters, as in a comparison


@dataclass(frozen=True)
class Probe:
    """Everything that is decided before the first run."""

    options: BenchOptions
    console: Console
    arguments: tuple[str, ...]
    sizes: ProbeConfig
    folds: Folds
    jobs: tuple[Job, ...]
    earlier: int
    """Runs that were finished before."""

    @classmethod
    def prepare(cls, options: BenchOptions, console: Console, arguments: Sequence[str] = ()) -> Probe:
        """Read the data and lay out the runs; writes nothing.

        Raises:
            ValueError, OSError: a user's mistake, in one sentence.
        """
        check_folder(options)
        sizes = quick() if options.quick else full()
        folds = _folds(options, sizes)
        jobs: tuple[Job, ...] = (*reach.runs(folds, sizes), *factorial.runs(folds, sizes), *pairs.runs(sizes))
        earlier = 0 if options.overwrite else len(finished(jobs, options.out / "runs"))
        counted = f"{len(folds.sequences):,} sequences of {folds.sequences.length} bases"
        console.print(f"{folds.name}: {counted}, {folds.description}", soft_wrap=True)
        console.print(f"{len(jobs):,} runs, {earlier:,} of them finished earlier", soft_wrap=True)
        return cls(options, console, tuple(arguments), sizes, folds, jobs, earlier)

    def run(self) -> int:
        """Do every run that is not done yet, and write the folder.

        Returns:
            0; a run that diverges is a result like any other.
        """
        out = self.options.out
        if self.options.overwrite:
            remove_earlier(out)
        # First of all, for it says whose folder this is.
        write_json(out / "config.json", self._config())
        done = self._carried_out()
        config = plain(self._config())
        results = ProbeResults.of(plain(self._about()), done)
        # All is made before the first file is written, so that a failure leaves what was there.
        page, summary = probe_page(results, config), probe_summary(results, config)
        results.save(out)
        write_text(out / "summary.md", summary)
        write_text(out / "report.html", page)
        for sentence in answers(results):
            self.console.print(f"- {sentence}", soft_wrap=True)
        self.console.print(f"Report: {out / 'report.html'}", soft_wrap=True)
        return 0

    def _carried_out(self) -> list[tuple[Job, Mapping[str, Any]]]:
        done: list[tuple[Job, Mapping[str, Any]]] = []
        processes = resolve_threads(self.options.threads)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task("probing", total=len(self.jobs))
            for job, result in carry_out(self.jobs, self.options.out / "runs", processes=processes):
                done.append((job, result))
                progress.update(task, advance=1)
                if len(done) > self.earlier:
                    progress.console.print(f"{len(done)}/{len(self.jobs)} {_line(job, result)}", soft_wrap=True)
        return done

    def _about(self) -> dict[str, Any]:
        sequences = self.folds.sequences
        return {
            "data": {
                "name": self.folds.name,
                "description": self.folds.description,
                "sequences": len(sequences),
                "length": sequences.length,
                "simulated": self.folds.simulated,
            },
            "sizes": self.sizes,
            "quick": self.options.quick,
            "runs": len(self.jobs),
        }

    def _config(self) -> dict[str, Any]:
        """Everything needed to know what was measured, and to measure it again."""
        sequences = self.folds.sequences
        return {
            **self._about(),
            "command": ["python", "-m", "dnafast.bench", *self.arguments],
            "options": self.options.as_json(),
            "machine": machine(),
            "version": dnafast.__version__,
            "checksums": {self.folds.name: checksum(sequences.letters, sequences.labels, self.folds.part)},
        }


def _line(job: Job, result: Mapping[str, Any]) -> str:
    """One finished run, for the terminal."""
    row = result["row"] if "row" in result else result["outcome"]
    return f"{job.id}: AUROC {row['auroc']:.3f}, {row['training_state'].replace('_', ' ')}"


def _folds(options: BenchOptions, sizes: ProbeConfig) -> Folds:
    """The sequences that were given, or simulated ones, in folds."""
    with warnings.catch_warnings():
        # What is odd about the folds does not stop a probe, which compares networks on the same ones.
        warnings.simplefilter("ignore", UserWarning)
        if options.positives is None or options.negatives is None:
            made = synthetic.simulate_promoters(
                _SEED, n=synthetic.QUICK_PROMOTERS if options.quick else synthetic.PROMOTERS
            )
            return Folds.of("simulated promoters", made.letters, made.labels, None, sizes.folds, simulated=True)
        table = SequenceTable.from_classes(read_fasta(options.positives), read_fasta(options.negatives))
        assert table.labels is not None, "classes become labels"
        parent, stem = options.positives.resolve().parent.name, options.positives.name.split(".")[0]
        name = parent if stem.startswith("pos") else stem
        return Folds.of(name, table.letters, table.labels, table.coordinates, sizes.folds)
