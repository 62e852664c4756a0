"""Splits by contig, by stretch of a contig, and folds of either."""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping, Sequence
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from dnafast.regions import Regions, inside_mask, overlap_mask, subtract
from dnafast.splitting.parts import BLOCK, PARTS, Split, clipped, counts, megabases, part_of
from dnafast.windowing import Windows

_STRETCH = re.compile(r"(?P<contig>.+):(?P<start>[\d,]*)-(?P<end>[\d,]*)")
_GAP_SEARCH = 0.05  # a border may move by this share of the rows to fall between two windows


class HasContigs(Protocol):
    """What a split needs of a genome."""

    @property
    def contigs(self) -> Mapping[str, int]:
        """Contigs, name to length."""


@overload
def split(
    windows: Windows,
    test: Sequence[str] | None = None,
    valid: Sequence[str] | None = None,
    folds: None = None,
    seed: int = 0,
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    genome: HasContigs | None = None,
) -> Split: ...
@overload
def split(
    windows: Windows,
    test: Sequence[str] | None = None,
    valid: Sequence[str] | None = None,
    *,
    folds: int,
    seed: int = 0,
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    genome: HasContigs | None = None,
) -> list[Split]: ...
def split(
    windows: Windows,
    test: Sequence[str] | None = None,
    valid: Sequence[str] | None = None,
    folds: int | None = None,
    seed: int = 0,
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    genome: HasContigs | None = None,
) -> Split | list[Split]:
    """Split windows (the positives) by the piece of genome that they lie on.

    Parts that are not asked for by name are filled in the order of the genome, train, valid, test, as near to
    `fractions` of the windows as may be: with whole contigs where there are enough that hold windows, else in stretches
    whose borders fall between windows where they can. Windows that lie across a border are dropped.

    Args:
        windows: N windows.
        test, valid: contigs ("chr8") or stretches of them, 0-based and half-open: "chr1:120000000-" (to the end),
            "chr1:-5000000", "chr1:1000000-2000000".
        folds: k instead: k splits, whose test parts are k sets of contigs (or of 1-Mb blocks, where fewer than k
            contigs hold windows) with about equally many windows; the valid part of each is the next one's test part.
        seed: of the folds; the split without folds does not depend on it.
        fractions: of train, valid and test.
        genome: gives the lengths of the contigs; without it a contig ends with its last window.

    Returns:
        A `Split`, or a list of k. Their intervals cover the contigs that hold windows.

    Raises:
        ValueError: a contig that is unknown, a stretch that cannot be read, parts that overlap, a part without
            windows, fewer than three folds, or folds together with `test` or `valid`.
    """
    weight = np.ones(len(windows))
    if folds is None:
        return split_in_order(windows, weight, test, valid, fractions, genome)
    if test is not None or valid is not None:
        raise ValueError("folds cannot be combined with test or valid: folds choose these themselves")
    if folds < 3:
        raise ValueError(f"folds must be at least 3 (train, valid and test differ), not {folds}")
    return _folds(windows, folds, seed, _lengths(windows, genome))


def split_in_order(
    windows: Windows,
    weight: NDArray[np.float64],
    test: Sequence[str] | None,
    valid: Sequence[str] | None,
    fractions: Sequence[float],
    genome: HasContigs | None,
) -> Split:
    """`split` without folds, with fractions of the sum of `weight` (N,), not of the number of windows."""
    wanted = dict(zip(PARTS, check_fractions(fractions), strict=True))
    lengths = _lengths(windows, genome)
    whole = _whole_contigs(windows, lengths)
    named = {"test": test, "valid": valid}
    intervals: dict[str, Regions] = {}
    for name, texts in named.items():
        if texts is not None:
            intervals[name] = _stretches(name, texts, windows.contigs, lengths)
    if len(intervals) == 2:
        both = overlap_mask(intervals["test"], intervals["valid"])
        if both.any():
            raise ValueError(f"test and valid overlap: {_shown(intervals['test'][both], lengths)} is in both")
    rest = whole
    for stretches in intervals.values():
        rest = subtract(rest, stretches)
    inside = clipped(windows, lengths)
    missing = [name for name in PARTS if name not in intervals]
    rows = np.flatnonzero(inside_mask(inside, rest))
    share = np.array([wanted[name] for name in missing])
    borders = _borders(inside[rows], weight[rows], share / share.sum(), missing)
    intervals.update(_between(rest, borders, missing))
    part = part_of(inside, intervals)
    for name in PARTS:
        if not (part == name).any():
            asked = f": no window lies on {_shown(intervals[name], lengths)}" if name not in missing else ""
            raise ValueError(f"the {name} part has no window{asked}; the windows lie on {_shown(whole, lengths)}")
    ordered = {name: intervals[name] for name in PARTS}
    places = "; ".join(f"{name} = {_shown(stretches, lengths)}" for name, stretches in ordered.items())
    return Split(part, ordered, f"{counts(part)}; {places}", megabases(windows))


def check_fractions(fractions: Sequence[float]) -> tuple[float, ...]:
    """The fractions of train, valid and test; ValueError unless they are positive and sum to one."""
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            f"fractions must be three positive numbers for train, valid, test that sum to 1, not {fractions}"
        )
    return tuple(fractions)


def _lengths(windows: Windows, genome: HasContigs | None) -> NDArray[np.int64]:
    """Length of each of the windows' contigs, int64 (C,); where nobody knows it, the end of its last window."""
    if len(windows) == 0:
        raise ValueError("there is no window to split")
    last = np.zeros(len(windows.contigs), dtype=np.int64)
    np.maximum.at(last, windows.contig, windows.end)
    if genome is None:
        return last
    missing = [windows.contigs[at] for at in np.flatnonzero(last) if windows.contigs[at] not in genome.contigs]
    if missing:
        raise ValueError(f"the windows lie on contig {missing[0]!r}, which the genome lacks")
    return np.array([genome.contigs.get(name, 0) for name in windows.contigs], dtype=np.int64)


def _whole_contigs(windows: Windows, lengths: NDArray[np.int64]) -> Regions:
    used = np.unique(windows.contig)
    return Regions.from_arrays(windows.contigs, used, np.zeros(used.size), lengths[used])


def _stretches(part: str, texts: Sequence[str], contigs: Sequence[str], lengths: NDArray[np.int64]) -> Regions:
    """What `test` or `valid` names."""
    if isinstance(texts, str):
        texts = [texts]
    if not texts:
        raise ValueError(f"{part} is empty: at least one contig or stretch is wanted")
    position = {name: index for index, name in enumerate(contigs)}
    rows = []
    for text in texts:
        name, start, end = text, "", ""
        if text not in position and (match := _STRETCH.fullmatch(text)):
            name, start, end = match["contig"], match["start"].replace(",", ""), match["end"].replace(",", "")
        if name not in position:
            known = ", ".join(contigs[:5]) + (f" and {len(contigs) - 5} more" if len(contigs) > 5 else "")
            raise ValueError(
                f"{part} {text!r} is no contig of the genome and no stretch like 'chr1:1000000-2000000' of one; "
                f"its contigs are {known}"
            )
        index = position[name]
        length = int(lengths[index])
        first, behind = int(start or 0), min(int(end or length), length)
        # A contig without windows and without a genome has no known length; the empty part is reported later.
        if first >= behind and length:
            raise ValueError(f"{part} {text!r} holds no base: {name} has {length} bases")
        rows.append((index, min(first, behind), behind))
    index_column, start_column, end_column = zip(*rows, strict=True)
    return Regions.from_arrays(contigs, index_column, start_column, end_column)


def _borders(
    inside: Regions, weight: NDArray[np.float64], share: NDArray[np.float64], parts: Sequence[str]
) -> list[tuple[int, int]]:
    """Where one part ends and the next begins, as (contig, position), one fewer than parts."""
    if len(parts) == 1:
        return []
    if len(inside) < len(parts):
        raise ValueError(f"{len(inside)} windows cannot be split into {len(parts)} parts ({', '.join(parts)})")
    order = np.lexsort((inside.start, inside.contig))
    contig, start, end = inside.contig[order], inside.start[order], inside.end[order]
    span = int(end.max()) + 2
    axis_start, behind = start + contig.astype(np.int64) * span, end + contig.astype(np.int64) * span
    behind = np.maximum.accumulate(behind)
    weight = weight[order] if weight.sum() > 0 else np.ones(order.size)
    done = np.cumsum(weight) / weight.sum()  # share of the weight before a border in front of row i + 1
    new_contig = np.flatnonzero(np.diff(contig)) + 1
    by_contig = new_contig.size >= len(parts) - 1
    gaps = new_contig if by_contig else np.flatnonzero(behind[:-1] <= axis_start[1:]) + 1
    borders: list[tuple[int, int]] = []
    lowest = 1
    for count_left, target in zip(range(len(parts) - 2, -1, -1), np.cumsum(share)[:-1], strict=True):
        # Leave a row, or a contig, for each of the parts that follow.
        if by_contig:
            candidates = gaps[gaps >= lowest]
            candidates = candidates[: candidates.size - count_left]
        else:
            highest = order.size - 1 - count_left
            candidates = gaps[(gaps >= lowest) & (gaps <= highest)]
            candidates = candidates[abs(done[candidates - 1] - target) <= _GAP_SEARCH]
            if not candidates.size:  # windows overlap all along: those across the border are dropped
                candidates = np.clip([int(np.searchsorted(done, target)) + 1], lowest, highest)
        row = int(candidates[np.argmin(abs(done[candidates - 1] - target))])
        lowest = row + 1
        if contig[row] != contig[row - 1]:
            borders.append((int(contig[row]), 0))
        else:
            border = (behind[row - 1] + axis_start[row]) // 2 if behind[row - 1] <= axis_start[row] else axis_start[row]
            borders.append((int(contig[row]), int(border - int(contig[row]) * span)))
    return borders


def _between(stretches: Regions, borders: Sequence[tuple[int, int]], parts: Sequence[str]) -> dict[str, Regions]:
    """Deal the stretches out to parts, in the order of the genome, cut at the borders."""
    result = {}
    limits = [(-1, 0), *borders, (len(stretches.contigs), 0)]
    for part, (low_contig, low), (high_contig, high) in zip(parts, limits[:-1], limits[1:], strict=True):
        contig = stretches.contig
        start = np.where(contig == low_contig, np.maximum(stretches.start, low), stretches.start)
        end = np.where(contig == high_contig, np.minimum(stretches.end, high), stretches.end)
        rows = (contig >= low_contig) & (contig <= high_contig) & (start < end)
        result[part] = Regions.from_arrays(stretches.contigs, contig[rows], start[rows], end[rows])
    return result


def _shown(stretches: Regions, lengths: NDArray[np.int64], most: int = 8) -> str:
    """Stretches as text; whole contigs by their name."""
    texts = []
    for contig, start, end in zip(stretches.contig[:most], stretches.start, stretches.end, strict=False):
        name = stretches.contigs[contig]
        texts.append(name if start == 0 and end == lengths[contig] else f"{name}:{start}-{end}")
    return ", ".join(texts) + (f" and {len(stretches) - most} more" if len(stretches) > most else "")


def _folds(windows: Windows, folds: int, seed: int, lengths: NDArray[np.int64]) -> list[Split]:
    inside = clipped(windows, lengths)
    used = np.unique(windows.contig)
    if used.size >= folds:
        units, unit = "contigs", windows.contig.astype(np.int64)
        stretches = Regions.from_arrays(windows.contigs, np.arange(lengths.size), np.zeros(lengths.size), lengths)
    else:
        stretches, unit, size = _blocks(inside, folds, windows.length, used, lengths)
        units = f"blocks of {size:,} bases"
    held = np.bincount(unit, minlength=len(stretches))
    fold = _balanced(held, folds, seed)
    if units == "contigs":
        fold[held == 0] = -1  # like everywhere, contigs without windows are in no part
    result = []
    for test in range(folds):
        number = {"valid": (test + 1) % folds, "test": test}
        chosen = {"train": (fold >= 0) & ~np.isin(fold, list(number.values()))}
        chosen.update({name: fold == k for name, k in number.items()})
        intervals = {name: stretches[chosen[name]] for name in PARTS}
        part = part_of(inside, intervals)
        text = f"fold {test + 1} of {folds}, {units}: {counts(part)}"
        result.append(Split(part, intervals, text, megabases(windows)))
    return result


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
        if np.unique(unit).size >= folds:
            break
        size //= 2
        if size < 10 * window_length:
            raise ValueError(
                f"the windows are too few or too close together for {folds} folds: "
                f"they lie in fewer than {folds} blocks of {2 * size:,} bases"
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
