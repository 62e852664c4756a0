"""``--only data``: the data path of this machine, job by job, beside the rivals."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.status import Status

import dnafast
from dnafast.bench.data_path.jobs import JOBS, SOUND, STEP_SECONDS, Job
from dnafast.bench.data_path.prepare import MOST_IN_MEMORY, Prepared, prepare
from dnafast.bench.data_path.rivals import RIVALS
from dnafast.bench.data_path.worker import Row, Worker, WorkerError
from dnafast.bench.folder import DATA_PATH_TABLE, check_folder, remove_earlier
from dnafast.bench.machine import machine
from dnafast.bench.options import BenchOptions
from dnafast.cache import cache_folder
from dnafast.records import plain, write_csv, write_json, write_text
from dnafast.report.data_path import DataPathResults, data_path_page, data_path_summary, data_path_table
from dnafast.threads import limit, resolve_threads

COLUMNS = (
    "job", "contender", "version", "threads", "status", "error", "agrees_with",
    "n_opens", "n_regions", "n_windows", "n_bases", "n_batches",
    "rounds", "wall_seconds", "wall_seconds_fastest", "wall_seconds_slowest", "cpu_seconds",
    "cpu_seconds_per_gigabase",
    "opens_per_second", "regions_per_second", "windows_per_second", "bases_per_second", "batches_per_second",
    "times_as_long", "wait_share", "start_rss_bytes", "peak_rss_bytes", "peak_rss_is_sampled",
)  # fmt: skip
"""Columns of data_path.csv.

`threads` are the contender's: rivals have one. `times_as_long` is the rate of dnafast with one thread over that of the
row, by bases, or by the openings, regions, windows or batches that the job counts; below 1 where dnafast has several.
Rates are counts over `wall_seconds`, the median round.
"""

_OURS = "dnafast"
_STALE_SECONDS = 86_400
_ROOM = "measuring-"


@dataclass(frozen=True)
class DataPath:
    """Everything that is decided before the first measurement."""

    options: BenchOptions
    console: Console
    arguments: tuple[str, ...]
    room: ExitStack
    """Holds the temporary folder."""
    prepared: Prepared
    load_average: float
    """Processes that wanted a processor in the minute before."""
    workers: dict[str, Worker] = field(default_factory=dict)

    @classmethod
    def prepare(cls, options: BenchOptions, console: Console, arguments: Sequence[str] = ()) -> DataPath:
        """Read the data into a temporary folder; writes no result.

        Raises:
            ValueError, OSError: a user's mistake, in one sentence.
        """
        check_folder(options)
        limit(options.threads)
        with ExitStack() as room:
            folder = Path(room.enter_context(tempfile.TemporaryDirectory(prefix=_ROOM, dir=_place())))
            with console.status("reading the data"):
                prepared = prepare(options, folder)
            for name, fact in prepared.facts.items():
                console.print(f"{name}: {fact}", soft_wrap=True)
            return cls(options, console, tuple(arguments), room.pop_all(), prepared, os.getloadavg()[0])

    def run(self) -> int:
        """Measure, and write the folder.

        Returns:
            0 where all answers agree and dnafast did every job, else 1.
        """
        with self.room:
            try:
                rows = self._measured()
            finally:
                for worker in self.workers.values():
                    worker.close()
            results = DataPathResults(plain(self._config()), plain(rows))
        # All is made before the first file is written, so that a failure leaves what was there.
        page, summary = data_path_page(results), data_path_summary(results)
        out = self.options.out
        if self.options.overwrite:
            remove_earlier(out)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "config.json", results.config)
        write_csv(out / DATA_PATH_TABLE, rows, COLUMNS)
        write_text(out / "summary.md", summary)
        write_text(out / "report.html", page)
        self.console.print(data_path_table(results))
        self.console.print(f"Report: {out / 'report.html'}", soft_wrap=True)
        return 1 if results.complaints else 0

    def _measured(self) -> list[Row]:
        """A row for each job and contender."""
        workload = self.prepared.workload
        jobs = [job for job in JOBS if self._applies(job)]
        rows: list[Row] = []
        with self.console.status("measuring") as status:
            for number, job in enumerate(jobs, start=1):
                entries = [(_OURS, threads) for threads in self._threads(job)]
                entries += [(name, 1) for name, rival in RIVALS.items() if rival.does(job.name, workload)]
                rows += self._job(job, entries, f"{number}/{len(jobs)} {job.title}", status)
        return rows

    def _applies(self, job: Job) -> bool:
        workload = self.prepared.workload
        if workload.genome is None:
            return job.has_sequences
        # A .2bit file opens as it is.
        return job.has_genome and not (workload.is_twobit and job.name == "first_open")

    def _threads(self, job: Job) -> list[int]:
        most = resolve_threads(self.options.threads)
        return sorted({1, most}) if job.has_threads else [1]

    def _job(self, job: Job, entries: Sequence[tuple[str, int]], title: str, status: Status) -> list[Row]:
        """Compare the answers of all, then time those that give dnafast's."""
        rows: dict[tuple[str, int], Row] = {}
        answers: dict[tuple[str, int], str] = {}
        for entry in entries:
            name, threads = entry
            status.update(f"{title}: does {name} find the same?")
            rows[entry] = {"job": job.name, "contender": name, "version": _version(name), "threads": threads}
            reason = self._reason_to_leave_out(name)
            if reason:
                rows[entry] |= reason
                continue
            try:
                answers[entry] = self._worker(name).answer(job.name, threads)
            except WorkerError as error:
                rows[entry] |= self._failed(name, error)
        ours = next((answers[entry] for entry in entries if entry[0] == _OURS and entry in answers), None)
        for entry, answer in answers.items():
            name, threads = entry
            if ours is not None and answer != ours:
                what = answer if ours == SOUND else f"not what {_OURS} found"
                rows[entry] |= {"status": "other_answer", "error": what}
                continue
            status.update(f"{title}: {name}{f', threads: {threads}' if name == _OURS else ''}")
            same = [other for (other, _), found in answers.items() if found == answer and other != name]
            try:
                rows[entry] |= self._worker(name).timed(job.name, threads)
                rows[entry] |= {"status": "measured", "agrees_with": " ".join(dict.fromkeys(same))}
            except WorkerError as error:
                rows[entry] |= self._failed(name, error)
        return _compared(list(rows.values()), job)

    def _reason_to_leave_out(self, name: str) -> Row | None:
        if name == _OURS:
            return None
        if not is_installed(name):
            return {"status": "not_installed", "error": f"pip install {name} to compare with it"}
        if name == "numpy" and self.prepared.workload.bases > MOST_IN_MEMORY:
            return {"status": "left_out", "error": "the genome's letters would fill the memory"}
        return None

    def _worker(self, name: str) -> Worker:
        if name not in self.workers:
            self.workers[name] = Worker(name, self.prepared.workload.folder)
        return self.workers[name]

    def _failed(self, name: str, error: WorkerError) -> Row:
        if not self.workers[name].is_alive:
            self.workers.pop(name).close()
        return {"status": "failed", "error": str(error)}

    def _config(self) -> Row:
        """Everything needed to know what was measured, and to measure it again."""
        rivals = [name for name in RIVALS if is_installed(name)]
        prepared = self.prepared
        return {
            "only": "data",
            "simulated": self.options.simulated,
            "quick": self.options.quick,
            "command": ["python", "-m", "dnafast.bench", *self.arguments],
            "options": self.options.as_json(),
            "name": prepared.name,
            "data": prepared.facts,
            "notes": prepared.notes,
            "length": prepared.workload.length,
            "batch_size": prepared.workload.batch_size,
            "threads": resolve_threads(self.options.threads),
            "step_seconds": STEP_SECONDS,
            "load_average": self.load_average,
            "cache": cache_folder(),
            "jobs": [asdict(job) for job in JOBS if self._applies(job)],
            "machine": machine(),
            "versions": {_OURS: dnafast.__version__, **{name: _version(name) for name in (*rivals, "torch")}},
            "version": dnafast.__version__,
            "checksums": {"windows": prepared.checksum},
        }


def _place() -> Path:
    """Where the temporary folder is made: in the cache, for that disk is what opening a genome writes to.

    Raises:
        OSError: nothing can be written there.
    """
    place = cache_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        for left in place.glob(f"{_ROOM}*"):
            # What a killed bench has left; it may be large.
            if left.stat().st_mtime < time.time() - _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_ROOM, dir=place):
            pass
    except OSError as error:
        raise OSError(
            f"the cache folder '{place}' cannot be written ({error.strerror or error}); set DNAFAST_CACHE to a folder "
            "that can be written"
        ) from None
    return place


def is_installed(name: str) -> bool:
    """Whether a rival can be measured here."""
    return importlib.util.find_spec(name) is not None


def _version(name: str) -> str | None:
    try:
        return dnafast.__version__ if name == _OURS else importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _compared(rows: Sequence[Row], job: Job) -> list[Row]:
    """Whole rows, with how many times as long each takes for the same as dnafast with one thread, as rivals have."""
    rows = [dict.fromkeys(COLUMNS) | row for row in rows]
    base = next((row[job.rate] for row in rows if row["contender"] == _OURS and row["threads"] == 1), None)
    return [row | {"times_as_long": base / row[job.rate] if base and row[job.rate] else None} for row in rows]
