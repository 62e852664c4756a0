"""What the benchmarks share: rivals and their threads, limits of the memory, the notes that bench/table.py reads."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import simulated

THREADED = ("genvarloader", "seqpro", "tangermeme")


def note(
    benchmark: Any, job: str, role: str, name: str, *, threads: int = 1, bases: int | None = None, **more: Any
) -> None:
    """Says who does which job, and over how many bases a call.

    The role is "ours", "rival", "limit", or "index" for a rival that has less to do: it writes an index and no base.

    To be called before the benchmark runs, for its group is the job.
    """
    benchmark.group = job
    benchmark.extra_info.update(job=job, role=role, name=name, threads=threads, bases=bases, **more)


def cases(*rivals: str, most: int | None = None) -> list[tuple[str, int]]:
    """Rivals with the numbers of threads they can be given, at most so many."""
    counts = [count for count in simulated.thread_counts() if most is None or count <= most]
    return [(rival, count) for rival in rivals for count in counts if count == 1 or rival in THREADED]


def load(rival: str) -> Any:
    """The adapter of a rival; skips where that is not installed."""
    if not rival.startswith("numpy_"):
        pytest.importorskip(rival)
    return importlib.import_module(f"peers.{rival}_peer")


def open_genome(rival: str, fasta: Path, twobit: Path | None = None) -> Any:
    """A genome opened by a rival, ready for many windows."""
    genome = load(rival).Genome(twobit if rival == "py2bit" else fasta)
    if hasattr(genome, "load"):
        genome.load()
    return genome


def remove(paths: Iterable[Path]) -> None:
    """Removes files and folders that are there."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def drop_from_page_cache(paths: Iterable[Path]) -> None:
    """Makes the next reading of files one from the disk, as far as the system lets a user do so."""
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # what is not written yet would stay
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


class Limits:
    """What memory and disk allow: no job that fills a buffer can be faster. Threads share the work in equal parts."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads)

    def __enter__(self) -> Limits:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def _share(self, work: Callable[[int, int], Any], size: int) -> None:
        """Calls work(start, length) for each thread's part."""
        if self.threads == 1:
            work(0, size)
            return
        part = -(-size // self.threads)
        starts = range(0, size, part)
        # ctypes, numpy and os let go of the interpreter meanwhile.
        list(self._pool.map(work, starts, [min(part, size - start) for start in starts]))

    def fill(self, out: NDArray[Any]) -> None:
        """memset."""
        address = out.ctypes.data
        self._share(lambda start, length: ctypes.memset(address + start, 1, length), out.nbytes)

    def copy(self, source: NDArray[Any], out: NDArray[Any]) -> None:
        """memmove."""
        target, origin = out.ctypes.data, source.ctypes.data
        self._share(lambda start, length: ctypes.memmove(target + start, origin + start, length), out.nbytes)

    def look_through(self, letters: NDArray[np.uint8]) -> None:
        """The greatest of all bytes: one pass."""
        self._share(lambda start, length: letters[start : start + length].max(), letters.size)

    def read_and_keep_quarter(self, source: Path, target: Path) -> None:
        """Reads a file and writes a quarter of its size, fsync included: what a conversion to 2 bits moves."""
        size = source.stat().st_size
        descriptor = os.open(source, os.O_RDONLY)
        try:
            self._share(lambda start, length: _read_part(descriptor, start, length), size)
        finally:
            os.close(descriptor)
        with target.open("wb") as file:
            file.write(bytes(size // 4))
            file.flush()
            os.fsync(file.fileno())


def _read_part(descriptor: int, start: int, length: int) -> None:
    piece = 1 << 20
    for place in range(start, start + length, piece):
        os.pread(descriptor, min(piece, start + length - place), place)
