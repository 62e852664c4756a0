"""Labels of windows from peak files, and the union of the sites of several of them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dnafast.regions import Intervals, Regions, common_contigs
from dnafast.regions.placing import place
from dnafast.windowing import GenomeLike, Windows, centres, check_length, check_names, windows

_PAIRS_AT_ONCE = 1 << 21  # pairs of window and peak that are looked at together: bounds the memory


def label(
    windows: Windows, peaks: Regions | Sequence[Regions], positive: float = 0.5, negative: float = 0.0
) -> NDArray[np.int8]:
    """Label windows by how far peaks overlap them.

    The overlap of a window and a peak is the number of bases that they share, as a fraction of the shorter of the
    two; that of a window is the largest over the peaks of one table.

    Args:
        windows: N windows.
        peaks: one table, or T of them, a task each. Contigs are matched by name.
        positive: label 1 from this overlap on.
        negative: label 0 up to this overlap, and wherever nothing overlaps.

    Returns:
        int8 (N, T): 1, 0, or -1 (ambiguous) between the thresholds.

    Raises:
        ValueError: thresholds that are not 0 <= negative <= positive <= 1 with positive above 0.
    """
    if not (0 <= negative <= positive <= 1 and positive > 0):
        raise ValueError(f"thresholds must be 0 <= negative <= positive <= 1, not {negative} and {positive}")
    tables = [peaks] if isinstance(peaks, Regions) else list(peaks)
    labels = np.zeros((len(windows), len(tables)), dtype=np.int8)
    for task, table in enumerate(tables):
        overlap = largest_overlap(windows, table)
        labels[:, task] = np.where(overlap >= positive, 1, np.where(overlap > negative, -1, 0))
    return labels


def largest_overlap(windows: Windows, peaks: Regions) -> NDArray[np.float64]:
    """Per window, the largest share of the shorter of window and peak that both have, float64 (N,)."""
    _, (window_contig, peak_contig) = common_contigs([(t.contigs, t.contig) for t in (windows, peaks)])
    largest = np.zeros(len(windows))
    lowest = min(int(windows.start.min(initial=0)), 0)
    span = max(_furthest(windows), _furthest(peaks)) - lowest + windows.length + 2
    window_start = windows.start - lowest + window_contig.astype(np.int64) * span
    peak_start = peaks.start - lowest + peak_contig.astype(np.int64) * span
    size = peaks.end - peaks.start
    # Windows in order keep the binary searches in cache; a peak given twice adds nothing.
    order = np.argsort(window_start, kind="stable")
    start = window_start[order]
    best = np.zeros(start.size)
    by_start = np.lexsort((size, peak_start))
    peak_start, size = peak_start[by_start], size[by_start]
    new = (size > 0) & ((np.diff(peak_start, prepend=-1) != 0) | (np.diff(size, prepend=-1) != 0))
    peak_start, size = peak_start[new], size[new]
    # Peaks of like size are swept together: among those at most `reach` long, the ones that overlap a window start
    # within `reach` before it, so one long peak does not widen the search for all.
    magnitude = np.frexp(size.astype(np.float64))[1]
    for power in np.unique(magnitude):
        these = magnitude == power
        begin, width = peak_start[these], size[these]
        reach = int(width.max())
        first = np.searchsorted(begin, start - reach, side="right")
        behind = np.searchsorted(begin, start + windows.length, side="left")
        _sweep(start, windows.length, begin, width, first, behind, best)
    largest[order] = best
    return largest


def _furthest(intervals: Intervals) -> int:
    return int(intervals.end.max(initial=0))


def _sweep(
    start: NDArray[np.int64],
    length: int,
    begin: NDArray[np.int64],
    width: NDArray[np.int64],
    first: NDArray[np.int64],
    behind: NDArray[np.int64],
    best: NDArray[np.float64],
) -> None:
    """Raise `best` of each window to its overlap with the peaks first..behind."""
    count = behind - first
    rows = np.flatnonzero(count > 0)
    total = np.cumsum(count[rows])
    cuts = np.searchsorted(total, np.arange(0, total[-1] if rows.size else 0, _PAIRS_AT_ONCE)[1:])
    for part in np.split(rows, np.unique(cuts)):
        n = count[part]
        offset = np.cumsum(n) - n
        row = np.repeat(part, n)
        peak = np.arange(row.size) - np.repeat(offset, n) + first[row]
        shared = np.minimum(start[row] + length, begin[peak] + width[peak]) - np.maximum(start[row], begin[peak])
        fraction = np.maximum(shared, 0) / np.minimum(width[peak], length)
        if part.size:
            best[part] = np.maximum(best[part], np.maximum.reduceat(fraction, offset))


def union_sites(
    peaks: Mapping[str, Regions],
    length: int,
    genome: GenomeLike,
    at: Literal["summit", "centre"] = "summit",
    edge: Literal["drop", "pad", "error"] = "drop",
    jitter: int = 0,
    max_n: float = 0.0,
    outside: Literal["error", "drop"] = "error",
    *,
    exclude: Regions | None = None,
    contigs: Sequence[str] | None = None,
    positive: float = 0.5,
    negative: float | None = None,
) -> tuple[Windows, NDArray[np.int8]]:
    """Several peak files as several tasks on the union of their sites (the way of Basset, Kelley et al. 2016).

    The nearest two centres are merged, into the mean of all centres that went into them, until none lie closer than
    half a window; a window is cut around each that remains. Its label is 1 for a task where one of that task's peaks
    overlaps it by `positive` of the shorter of the two, else 0.

    Args:
        peaks: T tables of peaks by the name of the task; with one table the sites are merged all the same.
        length, genome, at, edge, jitter, max_n, outside, exclude, contigs: as for `dnafast.windows`.
        positive, negative: as for `dnafast.label`; `negative` is `positive` by default, so that no label is -1.

    Returns:
        N windows and int8 (N, T) labels, tasks in the order of `peaks`. Windows have strand 0 unless all that merged
        had one strand; `source` is the row of the (first) peak in the tables put under one another. In `flow`,
        `duplicate` counts the peaks that went into another's site and `unlabelled` the sites that fall short of
        `positive` for every task and are left out.

    Raises:
        TypeError: a length that is no integer, or `contigs` that is one string.
        ValueError: no table, a task without a site, or what `dnafast.windows` raises.
    """
    if not peaks:
        raise ValueError("peaks is empty: at least one table of peaks is wanted")
    length = check_length(length)
    check_names(contigs)
    placed, sources, first_row = [], [], 0
    read = off_genome = 0
    for table in peaks.values():
        located, counts, rows = place(table, genome.contigs, outside)
        placed.append(located)
        sources.append(rows + first_row)
        first_row += len(table)
        read += counts["read"]
        off_genome += counts["unknown_contig"] + counts["past_end"]
    every = Regions.concatenate(placed)
    centre, summit_missing = centres(every, at)
    sites, first_peak = _merged_sites(every, centre, length)
    cut = windows(sites, length, genome, "summit", edge, jitter, max_n, exclude=exclude, contigs=contigs)
    labels = label(cut, placed, positive, positive if negative is None else negative)
    labelled = (labels == 1).any(axis=1)
    for name, column in zip(peaks, labels.T, strict=True):
        if not (column == 1).any():
            raise ValueError(
                f"task {name!r} has no site left: none of its peaks overlaps a usable window by {positive}"
            )
    flow = {**cut.flow, "read": read, "outside": off_genome, "summit_missing": summit_missing}
    flow["duplicate"] += len(every) - len(sites)
    flow["unlabelled"] = int((~labelled).sum())
    flow["used"] = int(labelled.sum())
    kept = cut[labelled]
    return replace(kept, source=np.concatenate(sources)[first_peak[kept.source]], flow=flow), labels[labelled]


def _merged_sites(peaks: Regions, centre: NDArray[np.int64], length: int) -> tuple[Regions, NDArray[np.int64]]:
    """Sites, a base each, and the first peak of each site, int64 (sites,)."""
    order = np.lexsort((centre, peaks.contig))
    span = int(centre.max(initial=0)) + length
    position = centre[order] + peaks.contig[order].astype(np.int64) * span
    site, site_position = merge_centres(position, length)
    contig = site_position // span
    start = site_position - contig * span
    # Peaks of one site lie side by side in this order.
    begins = np.flatnonzero(np.diff(site, prepend=-1))
    strand = peaks.strand[order]
    if begins.size:
        lowest, highest = np.minimum.reduceat(strand, begins), np.maximum.reduceat(strand, begins)
        strand, order = np.where(lowest == highest, lowest, 0), np.minimum.reduceat(order, begins)
    return Regions.from_arrays(peaks.contigs, contig, start, start + 1, strand=strand, summit=start), order


def merge_centres(position: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Merge the two nearest positions, the left ones first, until none lie closer than half of `length`.

    A merged position is the mean of all that went into it, rounded.

    Args:
        position: int64 (P,), ascending.
        length: twice the distance that keeps positions apart.

    Returns:
        int64 (P,), the site that each position went into, ascending; int64 (sites,), where the sites are.
    """
    close = 2 * np.diff(position) < length
    merged = position.copy()
    opens = np.ones(position.size, dtype=np.bool_)
    # Only runs of positions with small gaps can merge, each run for itself: a mean stays inside its run.
    run_begins = np.flatnonzero(close & ~np.concatenate(([False], close))[:-1])
    run_ends = np.flatnonzero(close & ~np.concatenate((close, [False]))[1:]) + 2
    for begin, end in zip(run_begins.tolist(), run_ends.tolist(), strict=True):
        for left, right, mean in _merge_run(position[begin:end].tolist(), length):
            merged[begin + left] = mean
            opens[begin + left + 1 : begin + right] = False
    return np.cumsum(opens) - 1, merged[opens]


def _merge_run(position: list[int], length: int) -> list[tuple[int, int, int]]:
    """The sites of one run of positions: first position, the one behind the last, rounded mean."""
    n = len(position)
    total, behind, mean = position.copy(), list(range(1, n + 1)), position.copy()
    before = list(range(-1, n - 1))  # where the site to the left begins
    alive = [True] * n
    gaps = [(position[i + 1] - position[i], i, i + 1) for i in range(n - 1)]
    heapq.heapify(gaps)
    while gaps and 2 * gaps[0][0] < length:
        gap, left, right = heapq.heappop(gaps)
        if not (alive[left] and alive[right] and behind[left] == right and mean[right] - mean[left] == gap):
            continue  # one of the two was merged since
        alive[right] = False
        total[left] += total[right]
        behind[left] = behind[right]
        count = behind[left] - left
        mean[left] = (2 * total[left] + count) // (2 * count)
        if behind[left] < n:
            before[behind[left]] = left
            heapq.heappush(gaps, (mean[behind[left]] - mean[left], left, behind[left]))
        if left > 0:
            heapq.heappush(gaps, (mean[left] - mean[before[left]], before[left], left))
    return [(i, behind[i], mean[i]) for i in range(n) if alive[i]]
