"""Folds of contigs or of blocks, balanced by the windows in them."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from dnafast.regions import Regions
from dnafast.splitting.parts import BLOCK, PARTS, Split, clipped, counts, megabases, part_of
from dnafast.windowing import Windows

_BLOCKS_PER_FOLD = 4


def k_folds(
    windows: Windows,
    folds: int,
    seed: int,
    lengths: NDArray[np.int64],
    counted: NDArray[np.bool_] | None = None,
) -> list[Split]:
    """Splits whose test parts are `folds` sets of contigs, or of blocks, with about equally many windows.

    `lengths` are those of the windows' contigs, int64 (C,); `counted` (N,) says which windows the sets hold equally
    many of, by default all.
    """
    inside = clipped(windows, lengths)
    used = np.unique(windows.contig)
    if used.size >= folds:
        units, unit = "contigs", windows.contig.astype(np.int64)
        stretches = Regions.from_arrays(windows.contigs, np.arange(lengths.size), np.zeros(lengths.size), lengths)
    else:
        stretches, unit, size = _blocks(inside, folds, windows.length, used, lengths)
        units = f"blocks of {size:,} bases"
    present = np.bincount(unit, minlength=len(stretches))
    held = present if counted is None else np.bincount(unit[counted], minlength=len(stretches))
    fold = _balanced(held, folds, seed)
    if units == "contigs":
        fold[present == 0] = -1  # like everywhere, contigs without windows are in no part
    result = []
    for test in range(folds):
        role = part_names(fold, test, folds)
        intervals = {name: stretches[role == name] for name in PARTS}
        part = part_of(inside, intervals)
        text = f"fold {test + 1} of {folds}, {units}: {counts(part)}"
        result.append(Split(part, intervals, text, megabases(windows)))
    return result


def part_names(fold: NDArray[np.int64], test: int, folds: int) -> NDArray[np.str_]:
    """The part of each item when one fold is the test part, str (N,), from its fold, int64 (N,); below 0: dropped."""
    names = np.full(fold.shape, "train", dtype="<U7")
    names[fold == (test + 1) % folds] = "valid"
    names[fold == test] = "test"
    names[fold < 0] = "dropped"
    return names


def _blocks(
    inside: Regions, folds: int, window_length: int, used: NDArray[np.int32], lengths: NDArray[np.int64]
) -> tuple[Regions, NDArray[np.int64], int]:
    """Blocks of the used contigs, the block of each window, and their size: 1 Mb, or less where there are too few."""
    size = BLOCK
    while True:
        per_contig = np.zeros(lengths.size, dtype=np.int64)
        per_contig[used] = -(-lengths[used] // size)
        first = np.cumsum(per_contig) - per_contig
        unit = first[inside.contig] + inside.start // size
        there = np.unique(unit).size
        # Several to a fold, so that folds can be made equal; none so small that most windows lie on a border.
        if there >= _BLOCKS_PER_FOLD * folds or size // 2 < 10 * window_length:
            break
        size //= 2
    if there < folds:
        raise ValueError(
            f"the windows are too few or too close together for {folds} folds: "
            f"they lie in fewer than {folds} blocks of {size:,} bases"
        )
    contig = np.repeat(np.arange(lengths.size), per_contig)
    start = (np.arange(contig.size) - first[contig]) * size
    end = np.minimum(start + size, lengths[contig])
    return Regions.from_arrays(inside.contigs, contig, start, end), unit, size


def _balanced(held: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each unit, int64: the fullest units first, each to the fold that holds least."""
    shuffled = np.random.default_rng(seed).permutation(held.size)
    order = shuffled[np.argsort(-held[shuffled], kind="stable")]
    fold = np.full(held.size, -1, dtype=np.int64)
    loads = [(0, k) for k in range(folds)]
    for unit in order[held[order] > 0].tolist():
        load, k = heapq.heappop(loads)
        fold[unit] = k
        heapq.heappush(loads, (load + int(held[unit]), k))
    # A unit without windows goes with the one before it, which makes for fewer borders.
    known = np.flatnonzero(fold >= 0)
    nearest = known[np.maximum(np.searchsorted(known, np.arange(held.size), side="right") - 1, 0)]
    return fold[nearest]
