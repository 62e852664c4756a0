"""Runs that are pure functions of their configuration: each is done once, several at a time, and found again."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Protocol

import torch

from dnafast.records import Record, finished_run, plain
from dnafast.workers import workers


class Job(Protocol):
    """What is asked of a run. It can be pickled, and the same one gives the same result anywhere."""

    @property
    def id(self) -> str:
        """Its name, and that of its folder."""

    def config(self) -> dict[str, Any]:
        """What decides the result, besides the data."""

    def checksum(self) -> str:
        """Of the data."""

    def perform(self) -> dict[str, Any]:
        """Do it; the result holds plain values."""


def finished(jobs: Sequence[Job], folder: Path) -> dict[str, dict[str, Any]]:
    """The results of those that are done, by name.

    Raises:
        ValueError: one has another configuration, other data or another version.
    """
    records = {job.id: finished_run(folder / job.id, job.config(), job.checksum()) for job in jobs}
    return {name: record.result for name, record in records.items() if record is not None}


def carry_out(
    jobs: Sequence[Job], folder: Path, *, processes: int = 1, overwrite: bool = False
) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Do jobs, each in one thread, and give each with its result: finished ones first, the others as they end.

    A result is written as soon as it is there, whole or not at all, so that a start after a kill does the rest.

    Args:
        jobs: what to do, with distinct names.
        folder: each leaves ``record.json`` in the folder of its name.
        processes: jobs at a time; above one each has a process of its own.
        overwrite: do all anew.

    Raises:
        ValueError: before any begins, as `finished`.
        RuntimeError: a process was killed.
    """
    found = {} if overwrite else finished(jobs, folder)
    missing = [job for job in jobs if job.id not in found]
    for job in jobs:
        if job.id in found:
            yield job, found[job.id]
    if processes == 1 or len(missing) < 2:
        for job in missing:
            yield job, _done(job, folder)
        return
    with workers(processes) as pool:
        running = {pool.submit(_done, job, folder): job for job in missing}
        try:
            for one in as_completed(running):
                yield running[one], one.result()
        except BrokenProcessPool:
            raise RuntimeError(
                "the process of a run was killed, perhaps for lack of memory: start again with fewer --processes"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _done(job: Job, folder: Path) -> dict[str, Any]:
    """The result of one job, on disk before it is given."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums of several threads differ from those of one in their last digits
    try:
        result = plain(job.perform())
    finally:
        torch.set_num_threads(before)
    Record(job.id, plain(job.config()), job.checksum(), result).save(folder / job.id)
    return dict(result)
