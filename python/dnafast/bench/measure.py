"""Seconds, bytes and joules of a run: measured here and nowhere else.

Where a counter does not exist its figure is None: nothing is guessed.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import psutil
import pynvml
import torch
from torch import Tensor, nn

from dnafast import __version__, _core
from dnafast.threads import usable_cpus

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
# A high-water mark that was just reset is the present size, up to what other threads did meanwhile.
_RESET_SLACK_BYTES = 32 << 20


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
        self._has_gpu = torch.device(device).type == "cuda"
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
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


class _Sampler:
    """Calls a function again and again in a thread of its own, until it is stopped."""

    def __init__(self, sample: Callable[[], None], interval: float) -> None:
        self._sample = sample
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dnafast-sampler", daemon=True)

    def start(self) -> None:
        self._sample()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._sample()


class Memory:
    """Resident memory of this process between entry and exit.

    The peak is the kernel's own high-water mark where it can be reset (Linux), so no spike is missed; elsewhere the
    highest sample. Peaks count what was resident before, torch and the data included.
    """

    def __init__(self, interval: float = 0.05) -> None:
        """Seconds between samples; nothing starts before entry."""
        self._interval = interval
        self._process = psutil.Process()
        self._samples: list[int] = []
        self.peak_rss_bytes: int | None = None
        """Highest resident size; None before exit."""
        self.mean_rss_bytes: int | None = None
        """Mean of the samples; None before exit."""
        self.peak_is_sampled: bool | None = None
        """True where the system kept no high-water mark of its own."""

    def __enter__(self) -> Self:
        self.peak_is_sampled = not _reset_high_water_mark()
        self._samples.clear()
        self._sampler = _Sampler(lambda: self._samples.append(self._process.memory_info().rss), self._interval)
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sampler.stop()
        highest = max(self._samples)
        self.mean_rss_bytes = round(statistics.fmean(self._samples))
        self.peak_rss_bytes = highest if self.peak_is_sampled else max(highest, _status_bytes("VmHWM"))


def _reset_high_water_mark() -> bool:
    """Set the kernel's peak to the present resident size; False where that does not work."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status_bytes("VmHWM") - _status_bytes("VmRSS") <= _RESET_SLACK_BYTES
    except (OSError, KeyError):
        return False


def _status_bytes(name: str) -> int:
    """A size in /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    raise KeyError(name)


class GpuMonitor:
    """Load, energy and memory of a GPU between entry and exit; every figure stays None on another device.

    Load and energy come from NVML and are those of the whole card, other users included; memory is this process's, as
    torch counts it.
    """

    def __init__(self, device: str | torch.device, interval: float = 0.1) -> None:
        """Device of the run, and seconds between samples; nothing starts before entry."""
        self._device = torch.device(device)
        self._interval = interval
        self.gpu_utilization: float | None = None
        """Mean share of time, 0 to 1, in which a kernel ran."""
        self.gpu_energy_joules: float | None = None
        """Energy by the card's own counter."""
        self.gpu_peak_bytes: int | None = None
        """Most memory allocated in tensors."""
        self.gpu_reserved_bytes: int | None = None
        """Most memory that torch reserved."""

    def __enter__(self) -> Self:
        self._handle: Any = None
        self._loads: list[float] = []
        if self._device.type != "cuda":
            return self
        torch.cuda.reset_peak_memory_stats(self._device)
        self._handle = _nvml_handle(self._device)
        if self._handle is not None:
            self._energy_before = self._energy()
            self._sampler = _Sampler(self._sample, self._interval)
            self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._device.type != "cuda":
            return
        torch.cuda.synchronize(self._device)
        self.gpu_peak_bytes = torch.cuda.max_memory_allocated(self._device)
        self.gpu_reserved_bytes = torch.cuda.max_memory_reserved(self._device)
        if self._handle is None:
            return
        self._sampler.stop()
        energy = self._energy()
        if energy is not None and self._energy_before is not None:
            self.gpu_energy_joules = energy - self._energy_before
        if self._loads:
            self.gpu_utilization = statistics.fmean(self._loads)
        pynvml.nvmlShutdown()

    def _sample(self) -> None:
        try:
            self._loads.append(pynvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100)
        except pynvml.NVMLError:
            return  # not every card tells its load, nor always

    def _energy(self) -> float | None:
        """Joules since the driver was loaded; None where the card does not count them."""
        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
        except pynvml.NVMLError:
            return None


def _nvml_handle(device: torch.device) -> Any:
    """NVML's handle of a CUDA device, by identity since the two number cards differently; None where there is none."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
    except pynvml.NVMLError:
        pynvml.nvmlShutdown()
        return None


class Speed(NamedTuple):
    """How fast a model predicts."""

    latency_ms: float
    """Median time of one sequence alone, in milliseconds."""
    sequences_per_second: float
    """Throughput at the best batch size."""
    batch_size: int
    """That batch size."""


def latency_and_throughput(
    model: nn.Module,
    make_input: Callable[[int], Tensor],
    *,
    device: str | torch.device = "cpu",
    seconds: float = 0.5,
    batch_sizes: Sequence[int] = (16, 64, 256, 1024),
) -> Speed:
    """Time predictions in short loops, the input being on the device already.

    A third of the time goes to single sequences, the rest to ever larger batches; a batch that would not fit into the
    time left is not tried. Each size gets an untimed run first. A model that needs longer than ``seconds`` for two
    sequences still makes two runs.

    Args:
        model: put into evaluation mode meanwhile, and back.
        make_input: gives the model's input for so many sequences.
        device: where the model and its input are.
        seconds: about how long all this may take.
        batch_sizes: sizes to try, rising.
    """
    device = torch.device(device)
    deadline = time.perf_counter() + seconds
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            latency = _seconds_per_run(model, make_input(1), device, time.perf_counter() + seconds / 3)
            best = Speed(latency * 1000, 1 / latency, 1)
            for tried, size in enumerate(batch_sizes):
                left = deadline - time.perf_counter()
                if 2 * size / best.sequences_per_second > left:
                    break
                share = left / (len(batch_sizes) - tried)
                run_seconds = _seconds_per_run(model, make_input(size), device, time.perf_counter() + share)
                if size / run_seconds > best.sequences_per_second:
                    best = Speed(best.latency_ms, size / run_seconds, size)
    finally:
        model.train(was_training)
    return best


def _seconds_per_run(model: nn.Module, x: Tensor, device: torch.device, until: float) -> float:
    """Median time of a forward pass, after one that is not counted."""
    times = []
    for _ in range(1001):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        before = time.perf_counter()
        model(x)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        after = time.perf_counter()
        times.append(after - before)
        if len(times) > 1 and after >= until:
            break
    return statistics.median(times[1:])


def machine() -> dict[str, Any]:
    """What the figures were measured on: processor, memory, versions, thread policy and GPU, in plain JSON kinds."""
    has_gpu = torch.cuda.is_available()
    return {
        "cpu": _cpu_name(),
        "cpus_usable": usable_cpus(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "dnafast": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "instruction_set": _core.instruction_set(),
        "torch_instruction_set": torch.backends.cpu.get_cpu_capability(),
        "torch_threads": torch.get_num_threads(),
        "thread_policy": {
            name: os.environ[name]
            for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "DNAFAST_THREADS")
            if name in os.environ
        },
        "gpu": torch.cuda.get_device_name() if has_gpu else None,
        "cuda": torch.version.cuda if has_gpu else None,
    }


def _cpu_name() -> str:
    """The processor's name as the system tells it, or at least its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
