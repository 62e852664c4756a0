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
    waiting = list(runs)
    tuned: dict[str, Tuned | Exception | None] = {}
    under_way: dict[Future[Any], Run | str] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=threads.set_spin_policy) as pool:
        try:
            while waiting or under_way:
                while len(under_way) < processes and (following := _following(waiting, tuned)) is not None:
                    run, found = following
                    checksum = checksums[run.dataset.name]
                    if isinstance(found, _Missing):
                        tuned[tuning_id(run)] = None
                        under_way[_submitted(pool, _search, run, checksum, out)] = tuning_id(run)
                    else:
                        waiting.remove(run)
                        under_way[_submitted(pool, _perform, run, checksum, out, found)] = run
                for one in wait(under_way, return_when=FIRST_COMPLETED).done:
                    what, result = under_way.pop(one), _result(one)
                    if isinstance(what, str):
                        tuned[what] = result
                    else:
                        yield what, failed(what, result) if isinstance(result, Exception) else result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


class _Missing:
    """A learning rate that nobody has looked for yet."""


def _following(
    waiting: Sequence[Run], tuned: Mapping[str, Tuned | Exception | None]
) -> tuple[Run, Tuned | Exception | _Missing | None] | None:
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


def _submitted(pool: ProcessPoolExecutor, what: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """What a pool will give, or has given where none of its processes is left."""
    try:
        return pool.submit(what, *arguments)
    except BrokenProcessPool as error:
        broken: Future[Any] = Future()
        broken.set_exception(error)
        return broken


def _result(future: Future[Any]) -> Any:
    try:
        return future.result()
    except BrokenProcessPool as error:
        return _killed(error)


def _killed(error: BrokenProcessPool) -> RuntimeError:
    return RuntimeError("its process, or one beside it, was killed, perhaps for lack of memory: use fewer --processes")
