"""Runs carried out, one after the other or several at a time, each after the search for its learning rate."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from dnafast import threads
from dnafast.bench.execution import execute
from dnafast.bench.finished import save
from dnafast.bench.runs import Outcome, Run, failed
from dnafast.bench.tuning import Tuned, tune, tuned_earlier, tuning_id
from dnafast.train import DivergedError, Progress

# What can go wrong inside one run without making the others pointless: torch's errors are RuntimeErrors.
RUN_ERRORS = (RuntimeError, ValueError, MemoryError, DivergedError)
Watch = Callable[[str], "Callable[[Progress], None] | None"]


def carry_out(
    runs: Sequence[Run], out: Path, checksums: Mapping[str, str], processes: int, watch: Watch
) -> Iterator[tuple[Run, Outcome]]:
    """Do runs and give each with what it leaves, as soon as it is finished.

    Args:
        runs: what to do, in this order.
        out: the folder of the bench; each run has its own in it.
        checksums: of each data set, by name.
        processes: runs at a time; above one each runs in a process of its own.
        watch: called with a name when something begins that can be watched; gives what is called every few steps.
    """
    if processes > 1:
        yield from _side_by_side(runs, out, checksums, processes)
        return
    tuned: dict[str, Tuned | Exception] = {}
    for run in runs:
        checksum = checksums[run.dataset.name]
        found = None
        if _wants_search(run):
            name = tuning_id(run)
            if name not in tuned:
                tuned[name] = _search(run, checksum, out, watch(name))
            found = tuned[name]
        yield run, _perform(run, checksum, out, found, watch(run.id))


def _wants_search(run: Run) -> bool:
    return run.tuning is not None and run.contestant.is_network


def _search(
    run: Run, checksum: str, out: Path, progress: Callable[[Progress], None] | None = None
) -> Tuned | Exception:
    """The learning rate of a network, or what went wrong."""
    folder = out / "runs" / tuning_id(run)
    found = tuned_earlier(run, checksum, folder)
    if found is not None:
        return found
    try:
        return tune(run, checksum, folder, progress)
    except RUN_ERRORS as error:
        return error


def _perform(
    run: Run,
    checksum: str,
    out: Path,
    tuned: Tuned | Exception | None,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """One run from its start to its record, or the rows that say why there is none."""
    if isinstance(tuned, Exception):
        return failed(run, tuned)
    folder = out / "runs" / run.id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        outcome = execute(run, folder, checksum, tuned, progress)
    except RUN_ERRORS as error:
        return failed(run, error)
    save(run, outcome, checksum, folder)
    return outcome


def _side_by_side(
    runs: Sequence[Run], out: Path, checksums: Mapping[str, str], processes: int
) -> Iterator[tuple[Run, Outcome]]:
    """Several processes, begun anew rather than forked: torch's threads do not survive a fork."""
    waiting: dict[str, list[Run]] = {}
    for run in runs:
        if _wants_search(run):
            waiting.setdefault(tuning_id(run), []).append(run)
    searching: dict[Future[Tuned | Exception], str] = {}
    running: dict[Future[Outcome], Run] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=threads.set_spin_policy) as pool:
        begun: set[str] = set()
        for run in runs:
            checksum = checksums[run.dataset.name]
            if not _wants_search(run):
                running[pool.submit(_perform, run, checksum, out, None)] = run
            elif (name := tuning_id(run)) not in begun:
                begun.add(name)
                searching[pool.submit(_search, run, checksum, out)] = name
        try:
            while searching or running:
                under_way: list[Future[Any]] = [*searching, *running]
                for one in wait(under_way, return_when=FIRST_COMPLETED).done:
                    if one in searching:
                        found = _result(one)
                        for run in waiting[searching.pop(one)]:
                            try:
                                running[pool.submit(_perform, run, checksums[run.dataset.name], out, found)] = run
                            except BrokenProcessPool as error:
                                yield run, failed(run, _killed(error))
                    else:
                        run = running.pop(one)
                        outcome = _result(one)
                        yield run, failed(run, outcome) if isinstance(outcome, Exception) else outcome
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _result(future: Future[Any]) -> Any:
    try:
        return future.result()
    except BrokenProcessPool as error:
        return _killed(error)


def _killed(error: BrokenProcessPool) -> RuntimeError:
    return RuntimeError("its process, or one beside it, was killed, perhaps for lack of memory: use fewer --processes")
