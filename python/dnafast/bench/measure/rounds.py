"""An action timed again and again, and batches taken one after the other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Rounds(NamedTuple):
    """What one round of an action took, of several."""

    rounds: int
    """How many were timed."""
    wall_seconds: float
    """Median."""
    fastest_seconds: float
    slowest_seconds: float
    cpu_seconds: float
    """Median of the processor time, user and system, of all threads of this process."""


def rounds_of(
    action: Callable[[], object],
    *,
    before: Callable[[], object] | None = None,
    seconds: float = 0.5,
    fewest: int = 3,
    most: int = 25,
) -> Rounds:
    """Time an action again and again.

    Rounds end when ``seconds`` are spent and there were ``fewest``, or at ``most``; an action that takes ten times as
    long is timed once.

    Args:
        action: what is timed.
        before: done before each round, outside the clocks.
        seconds: to spend on rounds.
        fewest: rounds to make the median of.
        most: rounds to stop at.
    """
    walls: list[float] = []
    cpus: list[float] = []
    while len(walls) < most:
        if before is not None:
            before()
        cpu, started = time.process_time(), time.perf_counter()
        action()
        walls.append(time.perf_counter() - started)
        cpus.append(time.process_time() - cpu)
        if sum(walls) >= seconds and (len(walls) >= fewest or sum(walls) >= 10 * seconds):
            break
    return Rounds(len(walls), statistics.median(walls), min(walls), max(walls), statistics.median(cpus))


def seconds_of(action: Callable[[], object]) -> float:
    """Wall time of an action, once."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


class Consumed(NamedTuple):
    """What taking batches took."""

    batches: int
    wall_seconds: float
    waited_seconds: float


def consume(batches: Iterable[object], step_seconds: float = 0.0) -> Consumed:
    """Take batches one after the other, and after each leave the processors alone for as long as a model on a GPU."""
    started = time.perf_counter()
    waited, count = 0.0, 0
    asked = started
    for _ in batches:
        waited += time.perf_counter() - asked
        count += 1
        if step_seconds:
            time.sleep(step_seconds)
        asked = time.perf_counter()
    ended = time.perf_counter()
    return Consumed(count, ended - started, waited + ended - asked)
