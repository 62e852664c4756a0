"""Closed windows and crowded ones in plain numpy: how rivals draw and thin, and how what was drawn is checked."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dnafast.bench.data_path import lookup
from dnafast.bench.data_path.jobs import SOUND
from dnafast.bench.data_path.workload import Workload
from dnafast.regions import Intervals
from dnafast.windowing import Windows

_BINS = 51  # of 2 % G+C
_TRIES_A_WINDOW = 20
_AT_ONCE = 256
_MOST_LOOKED_AT = 10_000  # windows whose letters are fetched for a figure that all of them would give

Spans = tuple[NDArray[np.int64], NDArray[np.int64]]
Letters = Callable[[list[str], list[int]], NDArray[np.uint8]]


def thinned(
    rows: Sequence[int],
    contig: NDArray[np.int32],
    centre: NDArray[np.int64],
    strength: Sequence[NDArray[np.float64]],
    length: int,
) -> list[int]:
    """The rows that stay where, of windows whose centres lie closer than half a window, the strongest does."""
    taken: dict[int, list[int]] = {}
    kept = []
    for row in sorted(rows, key=lambda row: (*(-column[row] for column in strength), row)):
        there, here = taken.setdefault(int(contig[row]), []), int(centre[row])
        at = bisect_left(there, here)
        if all(2 * abs(other - here) >= length for other in there[max(0, at - 1) : at + 1]):
            insort(there, here)
            kept.append(row)
    return sorted(kept)


class Drawer:
    """Draws windows at random that touch no open region, as many of each G+C as there are open ones.

    Args:
        workload: says how many, and beside what.
        letters: fetches windows, as letters (N, L).
        contigs: names and lengths of the genome's contigs.
    """

    def __init__(self, workload: Workload, letters: Letters, contigs: Mapping[str, int]) -> None:
        self._workload = workload
        self._regions = workload.regions()
        self._letters = letters
        self._names = list(contigs)
        self._numbers = {name: number for number, name in enumerate(contigs)}
        self._sizes = np.array(list(contigs.values()), dtype=np.int64)
        self._open = workload.windows("open")
        self.wanted = max(1, round(workload.ratio * len(self._open)))
        """Windows to draw."""
        self._barred: dict[int, Spans] = {}
        self._shares = self._wanted_shares()

    def draw(self, n: int) -> int:
        """Try for n windows; returns how many were found before patience ended."""
        length = self._workload.length
        random = np.random.default_rng(0)
        room = np.maximum(0, self._sizes - length + 1)
        ends = np.cumsum(room)
        left = n * self._shares
        found = 0
        for _ in range(-(-_TRIES_A_WINDOW * n // _AT_ONCE)):
            place = random.integers(0, ends[-1], _AT_ONCE)
            contig = np.searchsorted(ends, place, side="right")
            start = place - (ends - room)[contig]
            free = ~self._touches(contig, start)
            contig, start = contig[free], start[free]
            bins, clean = self._bins(contig, start)
            for one in bins[clean]:
                if left[one] > 0 and found < n:
                    left[one] -= 1
                    found += 1
            if found == n:
                break
        return found

    def verdict(self, drawn: Windows) -> str:
        """What a plain look finds in windows that were drawn."""
        contig = self._numbered(drawn)
        if self._touches(contig, drawn.start).any():
            return "a window touches an open region"
        if len(set(zip(contig.tolist(), drawn.start.tolist(), strict=True))) < len(drawn):
            return "a window comes twice"
        looked_at = _spread(len(drawn))
        bins, clean = self._bins(contig[looked_at], drawn.start[looked_at])
        if not clean.all():
            return "a window holds too many N"
        if self._workload.method == "gc" and max(len(drawn), len(self._open)) <= _MOST_LOOKED_AT:
            # Matched on each contig and rounded up there, so no bin of the genome may hold more than these together.
            most = np.zeros(_BINS, np.int64)
            for one in np.unique(self._open.contig):
                counts = np.bincount(self._open_bins[self._open.contig == one], minlength=_BINS)
                most += np.ceil(self._workload.ratio * counts - 1e-9).astype(np.int64)
            if (np.bincount(bins, minlength=_BINS) > most).any():
                return "there are more windows of some G+C than wanted"
        return SOUND

    @cached_property
    def _open_bins(self) -> NDArray[np.int64]:
        """Bins of the open windows, or of ten thousand of them."""
        rows = _spread(len(self._open))
        return self._bins(self._numbered(self._open)[rows], self._open.start[rows])[0]

    def _numbered(self, table: Intervals) -> NDArray[np.int64]:
        """The contig of each row by its number in the genome."""
        return np.array([self._numbers[name] for name in table.contigs], dtype=np.int64)[table.contig]

    def _wanted_shares(self) -> NDArray[np.float64]:
        """How much of what is drawn each bin may have."""
        if self._workload.method != "gc":
            return np.ones(_BINS)
        return np.bincount(self._open_bins, minlength=_BINS) / len(self._open_bins)

    def _bins(self, contig: NDArray[np.int64], start: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Bin of G+C of each window, and whether it has few enough N."""
        bins, clean = np.zeros(len(start), np.int64), np.zeros(len(start), np.bool_)
        for first in range(0, len(start), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            letters = self._letters([self._names[one] for one in contig[rows]], start[rows].tolist())
            strong, unknown = lookup.composition(letters)
            bins[rows] = strong * 50 // np.maximum(1, self._workload.length - unknown)
            clean[rows] = unknown <= self._workload.max_n * self._workload.length
        return bins, clean

    def _open_on(self, contig: int) -> Spans:
        """Starts of the open regions and windows on a contig, ascending, and the farthest end so far."""
        if contig not in self._barred:
            tables: tuple[Intervals, ...] = (self._regions, self._open)
            on_it = [self._numbered(table) == contig for table in tables]
            start = np.concatenate([table.start[rows] for table, rows in zip(tables, on_it, strict=True)])
            end = np.concatenate([table.end[rows] for table, rows in zip(tables, on_it, strict=True)])
            order = np.argsort(start, kind="stable")
            self._barred[contig] = start[order], np.maximum.accumulate(end[order])
        return self._barred[contig]

    def _touches(self, contig: NDArray[np.int64], start: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether windows overlap what is open."""
        touches = np.zeros(len(start), np.bool_)
        for one in np.unique(contig):
            rows = np.flatnonzero(contig == one)
            begin, end = self._open_on(int(one))
            before = np.searchsorted(begin, start[rows] + self._workload.length, side="left")
            touches[rows] = (before > 0) & (end[np.maximum(0, before - 1)] > start[rows] if len(end) else False)
        return touches


def _spread(count: int) -> NDArray[np.int64]:
    """All of so many rows, or ten thousand of them."""
    return np.linspace(0, count - 1, min(count, _MOST_LOOKED_AT)).astype(np.int64)
