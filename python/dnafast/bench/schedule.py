"""Runs carried out, one after the other or several at a time, each after the search for its learning rate."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from dnafast.bench.execution import execute
from dnafast.bench.finished import save
from dnafast.bench.runs import Outcome, Run, failed, told
from dnafast.bench.tuning import Tuned, tune, tuned_earlier, tuning_id
from dnafast.models import user
from dnafast.train import DivergedError, OutOfMemoryError, Progress
from dnafast.train.errors import is_out_of_memory
from dnafast.workers import workers

# What can go wrong inside one run without making the others pointless: torch's errors are RuntimeErrors.
_RUN_ERRORS = (RuntimeError, ValueError, MemoryError, DivergedError)
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
    tuned: dict[str, Tuned | str] = {}
    for run in runs:
        checksum = checksums[run.dataset.name]
        found = None
        if _wants_search(run):
            name = tuning_id(run)
            if name not in tuned:
                tuned[name] = _search(run, checksum, out, watch(name))
            found = tuned[name]
        yield run, _perform(run, checksum, out, found, watch(run.id))


def run_errors(run: Run) -> tuple[type[BaseException], ...]:
    """What can go wrong inside a run without making the others pointless: a user's network may raise anything."""
    return (Exception, SystemExit) if _user_file(run) else _RUN_ERRORS


def told_of(run: Run, error: BaseException) -> str:
    """What went wrong in a run, in one line; in a user's network with its file and line."""
    path = _user_file(run)
    if is_out_of_memory(error) and not isinstance(error, OutOfMemoryError):
        # Of a batch that is too large, training itself tells; this is the network, or the data.
        return f"MemoryError: out of memory: a smaller network or shorter sequences are needed ({told(error)})"
    if path is None or isinstance(error, MemoryError | DivergedError):
        return told(error)
    return user.told(error, path)


def _user_file(run: Run) -> Path | None:
    """The file that a user's network is written in."""
    specification = run.contestant.specification
    if specification is None or not specification.is_user:
        return None
    return Path(specification.name.rpartition(":")[0])


def _wants_search(run: Run) -> bool:
    return run.tuning is not None and run.contestant.is_network


def _search(run: Run, checksum: str, out: Path, progress: Callable[[Progress], None] | None = None) -> Tuned | str:
    """The learning rate of a network, or what went wrong: in words, since not every exception can be sent on."""
    folder = out / "runs" / tuning_id(run)
    found = tuned_earlier(run, checksum, folder)
    if found is not None:
        return found
    try:
        return tune(run, checksum, folder, progress)
    except OSError:
        raise
    except run_errors(run) as error:
        return told_of(run, error)


def _perform(
    run: Run,
    checksum: str,
    out: Path,
    tuned: Tuned | str | None,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """One run from its start to its record, or the rows that say why there is none."""
    if isinstance(tuned, str):
        return failed(run, tuned)
    folder = out / "runs" / run.id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        outcome = execute(run, folder, checksum, tuned, progress)
    except OSError:
        raise
    except run_errors(run) as error:
        return failed(run, told_of(run, error))
    save(run, outcome, checksum, folder)
    return outcome


def _side_by_side(
    runs: Sequence[Run], out: Path, checksums: Mapping[str, str], processes: int
) -> Iterator[tuple[Run, Outcome]]:
    """Several processes; where one is killed, the runs that were under way have failed and the others go on."""
    waiting = list(runs)
    tuned: dict[str, Tuned | str | None] = {}
    while waiting:
        yield from _in_one_pool(waiting, tuned, out, checksums, processes)


def _in_one_pool(
    waiting: list[Run],
    tuned: dict[str, Tuned | str | None],
    out: Path,
    checksums: Mapping[str, str],
    processes: int,
) -> Iterator[tuple[Run, Outcome]]:
    """Do what waits, and take it out of the list, until all is done or a process was killed: that ends a pool."""
    under_way: dict[Future[Any], Run | str] = {}
    is_broken = False
    with workers(processes) as pool:
        try:
            while under_way or (waiting and not is_broken):
                while not is_broken and len(under_way) < processes:
                    following = _following(waiting, tuned)
                    if following is None:
                        break
                    run, found = following
                    checksum = checksums[run.dataset.name]
                    try:
                        if isinstance(found, _Missing):
                            under_way[pool.submit(_search, run, checksum, out)] = tuning_id(run)
                            tuned[tuning_id(run)] = None
                        else:
                            under_way[pool.submit(_perform, run, checksum, out, found)] = run
                            waiting.remove(run)
                    except BrokenProcessPool:
                        is_broken = True
                for one in wait(under_way, return_when=FIRST_COMPLETED).done:
                    what = under_way.pop(one)
                    try:
                        result = one.result()
                    except BrokenProcessPool:
                        is_broken, result = True, _KILLED
                    if isinstance(what, str):
                        tuned[what] = result
                    else:
                        yield what, failed(what, result) if isinstance(result, str) else result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


_KILLED = "its process, or one beside it, was killed, perhaps for lack of memory: use fewer --processes"


class _Missing:
    """A learning rate that nobody has looked for yet."""


def _following(
    waiting: Sequence[Run], tuned: Mapping[str, Tuned | str | None]
) -> tuple[Run, Tuned | str | _Missing | None] | None:
    """The first run that can begin, with its learning rate, or whose search can; None where all wait for searches."""
    for run in waiting:
        if not _wants_search(run):
            return run, None
        name = tuning_id(run)
        if name not in tuned:
            return run, _Missing()
        if (found := tuned[name]) is not None:
            return run, found
    return None
