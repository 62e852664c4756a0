"""Labels of windows from peak files, and the union of the sites of several of them."""

from __future__ import annotations

import heapq
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnafast import _core
from dnafast.regions import Regions, common_contigs, map_contigs
from dnafast.regions.columns import whole_column
from dnafast.regions.placing import place
from dnafast.threads import resolve_threads
from dnafast.windowing import GenomeLike, Windows, centres, check_length, check_names, windows


@dataclass(frozen=True, eq=False, repr=False)
class SparseLabels:
    """Labels int8 (N, T) of which only the cells other than 0 are kept, as compressed sparse rows.

    The arrays are those of `scipy.sparse.csr_array((data, indices, indptr), shape=shape)`. Memory is 5 bytes for each
    cell that is not 0 and 8 for each row.

    Attributes:
        indptr: int64 (N + 1,): the cells of row i are those from indptr[i] to indptr[i + 1].
        indices: int32 (cells,), the task of each cell, ascending in a row.
        data: int8 (cells,), its label.
        tasks: T.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.int8]
    tasks: int

    def __post_init__(self) -> None:
        for name, dtype in (("indptr", np.int64), ("indices", np.int32), ("data", np.int8)):
            values = whole_column(name, getattr(self, name), dtype)
            object.__setattr__(self, name, np.ascontiguousarray(values).reshape(-1))
        object.__setattr__(self, "tasks", operator.index(self.tasks))
        if self.tasks < 0:
            raise ValueError(f"tasks={self.tasks} must not be negative")
        cells = self.data.size
        if self.indices.size != cells:
            raise ValueError(f"indices has {self.indices.size} cells, but data has {cells}")
        if cells and not 0 <= self.indices.min() <= self.indices.max() < self.tasks:
            raise ValueError(f"indices must lie between 0 and {self.tasks - 1}, the last of the {self.tasks} tasks")
        indptr = self.indptr
        if not indptr.size or indptr[0] != 0 or indptr[-1] != cells or (indptr[1:] < indptr[:-1]).any():
            raise ValueError(f"indptr must rise from 0 to the number of cells, which is {cells}")

    def __len__(self) -> int:
        return int(self.indptr.size) - 1

    def __repr__(self) -> str:
        return f"SparseLabels({len(self)} x {self.tasks}, {self.density:.2%} of the cells are not 0)"

    def __getitem__(self, rows: slice | ArrayLike) -> SparseLabels:
        """The rows of a slice, a mask (N,) or an array of indices, as a table."""
        row = self._numbers(rows)
        begin = self.indptr[row]
        count = self.indptr[row + 1] - begin
        indptr = np.concatenate(([0], np.cumsum(count)))
        cells = np.repeat(begin - indptr[:-1], count) + np.arange(indptr[-1])
        return SparseLabels(indptr, self.indices[cells], self.data[cells], self.tasks)

    def _numbers(self, rows: slice | ArrayLike) -> NDArray[np.int64]:
        index: Any = rows if isinstance(rows, slice) else np.atleast_1d(np.asarray(rows))
        if not isinstance(index, slice) and index.size == 0:
            index = index.astype(np.int64)
        return np.ascontiguousarray(np.arange(len(self))[index])

    @property
    def shape(self) -> tuple[int, int]:
        """(N, T)."""
        return len(self), self.tasks

    @property
    def dtype(self) -> np.dtype[np.int8]:
        """int8."""
        return self.data.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.indptr.nbytes + self.indices.nbytes + self.data.nbytes

    @property
    def density(self) -> float:
        """Share of the cells that are not 0; 0 where there is no cell at all."""
        return self.data.size / max(len(self) * self.tasks, 1)

    @property
    def positives(self) -> NDArray[np.int64]:
        """Windows labelled 1, int64 (T,)."""
        return np.bincount(self.indices[self.data == 1], minlength=self.tasks)

    @property
    def ambiguous(self) -> NDArray[np.int64]:
        """Windows labelled -1, int64 (T,)."""
        return np.bincount(self.indices[self.data == -1], minlength=self.tasks)

    def to_dense(self, rows: slice | ArrayLike | None = None, threads: int | None = None) -> NDArray[np.int8]:
        """Labels of all rows, or of those of a slice, a mask (N,) or an array of indices; int8 (rows, T)."""
        row = self._numbers(slice(None) if rows is None else rows)
        out = np.empty((row.size, self.tasks), dtype=np.int8)
        _core.expand_labels(labels=self.columns, rows=row, out=out, threads=resolve_threads(threads))
        return out

    @property
    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int8], int]:
        """What the native half takes: indptr, indices, data, tasks."""
        return self.indptr, self.indices, self.data, self.tasks


@overload
def label(
    windows: Windows,
    peaks: Regions | Sequence[Regions],
    positive: float = ...,
    negative: float = ...,
    sparse: Literal[False] = ...,
    threads: int | None = ...,
) -> NDArray[np.int8]: ...
@overload
def label(
    windows: Windows,
    peaks: Regions | Sequence[Regions],
    positive: float = ...,
    negative: float = ...,
    *,
    sparse: Literal[True],
    threads: int | None = ...,
) -> SparseLabels: ...
def label(
    windows: Windows,
    peaks: Regions | Sequence[Regions],
    positive: float = 0.5,
    negative: float = 0.0,
    sparse: bool = False,
    threads: int | None = None,
) -> NDArray[np.int8] | SparseLabels:
    """Label windows by how far peaks overlap them.

    The overlap of a window and a peak is the number of bases that they share, as a fraction of the shorter of the
    two; that of a window is the largest over the peaks of one table. Time and memory grow with the windows, the peaks
    and the result, however the peaks overlap one another.

    Args:
        windows: N windows, in any order; in that of the genome, as `tiles` lays them, they need not be sorted first.
        peaks: one table, or T of them, a task each. Contigs are matched by name.
        positive: label 1 from this overlap on.
        negative: label 0 up to this overlap, and wherever nothing overlaps.
        sparse: keep only the labels that are not 0: of ten million tiles and a hundred peak files, a few per cent.
        threads: None for every usable processor.

    Returns:
        int8 (N, T), or `SparseLabels` of this shape: 1, 0, or -1 (ambiguous) between the thresholds.

    Raises:
        ValueError: thresholds that are not 0 <= negative <= positive <= 1 with positive above 0.
    """
    if not (0 <= negative <= positive <= 1 and positive > 0):
        raise ValueError(f"thresholds must be 0 <= negative <= positive <= 1, not {negative} and {positive}")
    tables = [peaks] if isinstance(peaks, Regions) else list(peaks)
    contigs, (contig,) = common_contigs([(windows.contigs, windows.contig)])
    options: dict[str, Any] = {
        "contig": contig,
        "start": windows.start,
        "length": windows.length,
        "contigs": len(contigs),
        "tables": [(table.contig, table.start, table.end, map_contigs(table.contigs, contigs)) for table in tables],
        "positive": positive,
        "negative": negative,
        "threads": resolve_threads(threads),
    }
    if sparse:
        indptr, indices, data = _core.label_sparse(**options)
        return SparseLabels(indptr, indices, data, len(tables))
    labels = np.zeros((len(windows), len(tables)), dtype=np.int8)
    _core.label_dense(**options, out=labels)
    return labels


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
        `duplicate` counts the peaks without a site of their own, as they are merged into another's, and `unlabelled`
        the sites that fall short of `positive` for every task and are left out.

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
