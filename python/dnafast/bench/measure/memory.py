"""Resident memory of this process."""

from __future__ import annotations

import ctypes
import gc
import statistics
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from dnafast.bench.measure.sampler import Sampler

# A high-water mark that was just reset is the present size, up to what other threads did meanwhile.
_RESET_SLACK_BYTES = 32 << 20


class Memory:
    """Resident memory of this process between entry and exit.

    The peak is the kernel's own high-water mark where it can be reset (Linux), so no spike is missed; elsewhere the
    highest sample. Peaks count what was resident before, torch and the data included. What the heap keeps of memory
    that was freed before entry is given back to the system first (`release`), so that the order of what is measured
    in one process matters little.
    """

    def __init__(self, interval: float = 0.05) -> None:
        """Seconds between samples; nothing starts before entry."""
        self._interval = interval
        self._process = psutil.Process()
        self._samples: list[int] = []
        self.peak_rss_bytes: int | None = None
        """Highest resident size; None before exit."""
        self.start_rss_bytes: int | None = None
        """Resident size at entry."""
        self.mean_rss_bytes: int | None = None
        """Mean of the samples; None before exit."""
        self.peak_is_sampled: bool | None = None
        """True where the system kept no high-water mark of its own."""

    def __enter__(self) -> Self:
        release()
        self.peak_is_sampled = not _reset_high_water_mark()
        self.start_rss_bytes = resident_bytes()
        self._samples.clear()
        self._sampler = Sampler(lambda: self._samples.append(self._process.memory_info().rss), self._interval)
        self._sampler.start()
        return self

    @property
    def rise_bytes(self) -> int | None:
        """How far the peak lies above the size at entry; None before exit."""
        if self.peak_rss_bytes is None or self.start_rss_bytes is None:
            return None
        return max(0, self.peak_rss_bytes - self.start_rss_bytes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sampler.stop()
        highest = max(self._samples)
        self.mean_rss_bytes = round(statistics.fmean(self._samples))
        self.peak_rss_bytes = highest if self.peak_is_sampled else max(highest, _status_bytes("VmHWM"))


def release() -> None:
    """Give memory that nobody uses back to the system: unreachable objects, and what the C library's heap keeps.

    The heap is trimmed where the C library can do so (glibc); elsewhere it keeps what it likes.
    """
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return
    trim(0)


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


def resident_bytes() -> int:
    """Resident memory of this process now."""
    return int(psutil.Process().memory_info().rss)
