"""A process for each contender, so that its memory is its own: it answers or times one job after the other.

Started as ``python -m dnafast.bench.data_path.worker CONTENDER FOLDER``; a line of JSON in is a question, a line of
JSON out the reply.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from dnafast.bench.data_path.jobs import Done, Work
from dnafast.bench.data_path.workload import Workload
from dnafast.bench.measure import Memory, resident_bytes, rounds_of, seconds_of

# Rounds of all contenders take about as long, so that a busy neighbour, who gets the processor for some milliseconds at
# a time, hinders all alike.
_SECONDS, _SECONDS_A_ROUND = 0.4, 0.12
_LONGEST_ERROR = 200

Row = dict[str, Any]


class WorkerError(Exception):
    """A contender could not do a job; the message says why."""


class Worker:
    """The parent's end of a contender's process."""

    def __init__(self, contender: str, folder: Path) -> None:
        self.contender = contender
        self._errors = (folder / f"{contender}.stderr").open("w+b")
        self._process = subprocess.Popen(
            # -P: what lies in the folder where the user is must not stand in for a module.
            [sys.executable, "-P", "-m", "dnafast.bench.data_path.worker", contender, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def answer(self, job: str, threads: int) -> str:
        """What comes out of a small part of the job, as a text.

        Raises:
            WorkerError: it cannot be done.
        """
        return str(self._ask("answer", job, threads)["answer"])

    def timed(self, job: str, threads: int) -> Row:
        """Figures of the job by columns of data_path.csv.

        Raises:
            WorkerError: it cannot be done.
        """
        return self._ask("timed", job, threads)

    @property
    def is_alive(self) -> bool:
        """Whether the process still answers."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _ask(self, question: str, job: str, threads: int) -> Row:
        line = ""
        try:
            print(json.dumps([question, job, threads]), file=_pipe(self._process.stdin), flush=True)
            line = _pipe(self._process.stdout).readline()
        except BrokenPipeError:
            pass
        if not line:
            raise WorkerError(f"its process ended with exit code {self._process.wait()}{self._last_words()}")
        reply: Row = json.loads(line)
        if "error" in reply:
            raise WorkerError(reply["error"])
        return reply

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1][:_LONGEST_ERROR]}" if lines else ""


def _pipe(end: IO[str] | None) -> IO[str]:
    assert end is not None, "both pipes were asked for"
    return end


def timed(work: Work, quick: bool) -> Row:
    """Time a job on as many pieces as fit into a round, or all of them again and again; and watch the memory."""
    gc.collect()
    before = resident_bytes()
    done: list[Done] = []
    with Memory() as memory:
        pieces, passes = _fitting(work, quick)

        def a_round() -> None:
            for _ in range(passes):
                done.append(work.action(pieces))

        rounds = rounds_of(
            a_round,
            before=work.before,
            seconds=0.0 if quick else _SECONDS,
            fewest=1 if quick else 3,
        )
    last = done[-1]
    shares = [one.wait_share for one in done if one.wait_share is not None]
    counts = {
        name: None if (count := getattr(last, name)) is None else passes * count
        for name in ("opens", "regions", "windows", "bases", "batches")
    }
    rates = {
        f"{name}_per_second": None if count is None else count / rounds.wall_seconds for name, count in counts.items()
    }
    return {
        **{f"n_{name}": count for name, count in counts.items()},
        "rounds": rounds.rounds,
        "wall_seconds": rounds.wall_seconds,
        "wall_seconds_fastest": rounds.fastest_seconds,
        "wall_seconds_slowest": rounds.slowest_seconds,
        "cpu_seconds": rounds.cpu_seconds,
        "cpu_seconds_per_gigabase": 1e9 * rounds.cpu_seconds / counts["bases"] if counts["bases"] else None,
        **rates,
        "wait_share": statistics.median(shares) if shares else None,
        "start_rss_bytes": before,
        "peak_rss_bytes": memory.peak_rss_bytes,
        "peak_rss_is_sampled": memory.peak_is_sampled,
    }


def _fitting(work: Work, quick: bool) -> tuple[int, int]:
    """How many pieces of a job to do in a round, and how often; a few are done untimed first, to warm up."""
    few = max(1, work.most // 100)
    if quick:
        return min(work.most, 16), 1
    if work.before is not None:
        # What starts from nothing cannot be done twice in a round.
        return work.most, 1
    work.action(few)
    # The lesser of two: a neighbour may have had the processor.
    share = _SECONDS_A_ROUND / min(seconds_of(lambda: work.action(few)) for _ in range(2))
    pieces = min(work.most, max(few, int(few * share)))
    if pieces < work.most:
        return pieces, 1
    return pieces, max(1, int(_SECONDS_A_ROUND / min(seconds_of(lambda: work.action(pieces)) for _ in range(2))))


def _serve(contender: str, folder: Path) -> None:
    # The parent ends this process; Ctrl-C goes to both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a rival prints must not get among the replies.
    with os.fdopen(os.dup(1), "w") as replies:
        os.dup2(2, 1)
        workload = Workload.load(folder)
        made: Any = None
        for line in sys.stdin:
            question, job, threads = json.loads(line)
            try:
                if made is None:
                    made = _contender(contender, workload)
                work = made.work(job, threads)
                reply: Row = {"answer": work.answer()} if question == "answer" else timed(work, workload.quick)
            except Exception as error:  # whatever a rival raises is a row of the table, not the end of the bench
                first_line = (str(error).strip().splitlines() or [""])[0]
                reply = {"error": f"{type(error).__name__}: {first_line}"[:_LONGEST_ERROR]}
            print(json.dumps(reply), file=replies, flush=True)


def _contender(name: str, workload: Workload) -> Any:
    # Imported here, so that a rival's process does not load dnafast's half.
    if name == "dnafast":
        from dnafast.bench.data_path.native import Dnafast

        return Dnafast(workload)
    from dnafast.bench.data_path.rivals import RIVALS

    return RIVALS[name](workload)


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]))
