"""Wall, CPU and GPU time by phase."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dnafast.bench.measure.gpu import is_gpu

if TYPE_CHECKING:
    import torch

PHASE_COLUMNS = (
    "scope",
    "phase",
    "wall_seconds",
    "cpu_user_seconds",
    "cpu_system_seconds",
    "gpu_seconds",
    "calls",
    "share",
)
"""Columns of the rows that `Meter.rows` gives."""

# Event pairs kept before their times are summed; summing waits for the GPU, so it is done seldom.
_EVENTS_KEPT = 512


class Meter:
    """Adds up wall, CPU and GPU time by phase.

    CPU time is that of the whole process, for torch computes in threads of its own. Native data threads, which run
    beside the model, tell their time by their own clocks: pass it as ``data_cpu_seconds`` to have it taken off, and
    `add` it under the scope "data". Measured on a shared x86-64 server, a phase costs 2.4 microseconds, 3.8 with a
    loader's clock to read: a training step has five, less than one per cent of two milliseconds. Phases are not nested.

    Args:
        device: GPU time is taken by events where this is a CUDA device.
        scope: of the phases opened without one.
        data_cpu_seconds: tells the CPU time, user and system, that data threads have used so far.
    """

    def __init__(
        self,
        device: str | torch.device = "cpu",
        *,
        scope: str = "model",
        data_cpu_seconds: Callable[[], float] | None = None,
    ) -> None:
        self._has_gpu = is_gpu(device)
        self._scope = scope
        self._data_cpu_seconds = data_cpu_seconds
        self._phases: dict[tuple[str, str], _Phase] = {}

    def phase(self, name: str, scope: str | None = None) -> _Phase:
        """Context manager whose inside is timed under this name."""
        key = (self._scope if scope is None else scope, name)
        found = self._phases.get(key)
        if found is None:
            found = self._phases[key] = _Phase(self._has_gpu, self._data_cpu_seconds)
        return found

    def add(
        self, scope: str, phase: str, wall: float | None, cpu_user: float = 0.0, cpu_system: float = 0.0, calls: int = 1
    ) -> None:
        """Add seconds measured elsewhere, such as by the clocks of native threads.

        `wall` is None for work that goes on beside or within other phases: its row then has no wall time and no share.
        """
        entry = self.phase(phase, scope)
        entry.has_wall = wall is not None
        entry.wall += wall or 0.0
        entry.cpu_user += cpu_user
        entry.cpu_system += cpu_system
        entry.calls += calls

    def rows(self) -> list[dict[str, Any]]:
        """One row a phase in order of first use, its keys `PHASE_COLUMNS`.

        ``share`` is that of the wall time of all phases in its scope; ``gpu_seconds`` is None without a GPU.
        """
        totals: dict[str, float] = {}
        for (scope, _), entry in self._phases.items():
            totals[scope] = totals.get(scope, 0.0) + entry.wall
        return [
            {
                "scope": scope,
                "phase": name,
                "wall_seconds": entry.wall if entry.has_wall else None,
                "cpu_user_seconds": max(0.0, entry.cpu_user),
                "cpu_system_seconds": entry.cpu_system,
                "gpu_seconds": entry.gpu_seconds(),
                "calls": entry.calls,
                "share": entry.wall / totals[scope] if entry.has_wall and totals[scope] > 0 else None,
            }
            for (scope, name), entry in self._phases.items()
        ]


class _Phase:
    """The running sums of one phase; as a context manager it adds to them."""

    __slots__ = (
        "_before",
        "_data_before",
        "_data_cpu_seconds",
        "_events",
        "_gpu",
        "_has_gpu",
        "_start",
        "_started",
        "calls",
        "cpu_system",
        "cpu_user",
        "has_wall",
        "wall",
    )

    def __init__(self, has_gpu: bool, data_cpu_seconds: Callable[[], float] | None) -> None:
        self.wall = self.cpu_user = self.cpu_system = self._gpu = 0.0
        self.calls = 0
        self.has_wall = True
        self._has_gpu = has_gpu
        self._data_cpu_seconds = data_cpu_seconds
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def __enter__(self) -> Self:
        if self._has_gpu:
            self._start = _recorded_event()
        if self._data_cpu_seconds is not None:
            self._data_before = self._data_cpu_seconds()
        self._before = resource.getrusage(resource.RUSAGE_SELF)
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.wall += time.perf_counter() - self._started
        after, before = resource.getrusage(resource.RUSAGE_SELF), self._before
        self.cpu_user += after.ru_utime - before.ru_utime
        self.cpu_system += after.ru_stime - before.ru_stime
        self.calls += 1
        if self._data_cpu_seconds is not None:
            self.cpu_user -= self._data_cpu_seconds() - self._data_before
        if self._has_gpu:
            self._events.append((self._start, _recorded_event()))
            if len(self._events) >= _EVENTS_KEPT:
                self._sum_events()

    def gpu_seconds(self) -> float | None:
        """Time on the GPU between the events of all calls; None without a GPU."""
        if not self._has_gpu:
            return None
        self._sum_events()
        return self._gpu

    def _sum_events(self) -> None:
        if self._events:
            self._events[-1][1].synchronize()
            self._gpu += sum(start.elapsed_time(end) for start, end in self._events) / 1000
            self._events.clear()


def _recorded_event() -> torch.cuda.Event:
    import torch

    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event
