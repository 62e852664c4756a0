"""Splits by contig, by stretch of a contig, and folds of either."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from dnafast.regions import Regions, inside_mask, overlap_mask, subtract
from dnafast.splitting.folds import k_folds
from dnafast.splitting.parts import PARTS, Split, clipped, counts, megabases, part_of
from dnafast.windowing import Windows, check_jitter

_STRETCH = re.compile(r"(?P<contig>.+):(?P<start>[\d,]*)-(?P<end>[\d,]*)")
# Whole contigs are cut where they would give a part less, training less, or any part more than so much of its share.
_SMALLEST, _SMALLEST_TRAIN, _LARGEST = 0.25, 0.85, 1.5
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
    *,
    jitter: int = 0,
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
    jitter: int = 0,
) -> list[Split]: ...
def split(
    windows: Windows,
    test: Sequence[str] | None = None,
    valid: Sequence[str] | None = None,
    folds: int | None = None,
    seed: int = 0,
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    genome: HasContigs | None = None,
    *,
    jitter: int = 0,
) -> Split | list[Split]:
    """Split windows (the positives) by the piece of genome that they lie on.

    Parts that are not asked for by name are filled in the order of the genome, train, valid, test, as near to
    `fractions` of the windows as may be: with whole contigs where these come near (training gets 0.85 of its share or
    more, no part more than 1.5 times its own), else (few contigs, or a chromosome beside its plasmids) in stretches
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
        jitter: bases that a loader may move a window to either side; no draw reaches into another part.

    Returns:
        A `Split`, or a list of k. Their intervals cover the contigs that hold windows.

    Raises:
        TypeError: a jitter that is no integer.
        ValueError: a negative jitter, a contig that is unknown, a stretch that cannot be read, parts that overlap, a
            part without windows, fewer than three folds, or folds together with `test` or `valid`.
    """
    if jitter := check_jitter(jitter, windows.length):
        windows = replace(windows, start=windows.start - jitter, length=windows.length + 2 * jitter)
    weight = np.ones(len(windows))
    if folds is None:
        return split_in_order(windows, weight, test, valid, fractions, genome)
    if test is not None or valid is not None:
        raise ValueError("folds cannot be combined with test or valid: folds choose these themselves")
    check_folds(folds)
    return k_folds(windows, folds, seed, contig_lengths(windows, genome))


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
    lengths = contig_lengths(windows, genome)
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
    if intervals and not inside_mask(inside, rest).any():
        held = " and ".join(
            f"{name} ({texts if isinstance(texts, str) else ', '.join(texts)})"
            for name, texts in named.items()
            if texts is not None
        )
        raise ValueError(
            f"{held} leave{'s' if len(intervals) == 1 else ''} nothing to train on: the windows lie on "
            f"{_shown(whole, lengths)}; name fewer of these places"
        )
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


def check_folds(folds: int) -> None:
    """ValueError unless train, valid and test can be different folds."""
    if folds < 3:
        raise ValueError(f"folds must be at least 3 (train, valid and test differ), not {folds}")


def check_fractions(fractions: Sequence[float]) -> tuple[float, ...]:
    """The fractions of train, valid and test; ValueError unless they are positive and sum to one."""
    numbers = np.asarray(fractions)
    fits = numbers.shape == (3,) and numbers.dtype.kind in "iuf"
    if not (fits and (numbers > 0).all() and abs(numbers.sum() - 1) <= 1e-6):  # nan is neither
        raise ValueError(
            f"fractions must be three positive numbers for train, valid, test that sum to 1, not {fractions}"
        )
    return tuple(numbers.tolist())


def contig_lengths(windows: Windows, genome: HasContigs | None) -> NDArray[np.int64]:
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
        count = f"{len(inside)} window{'s' if len(inside) != 1 else ''}"
        raise ValueError(f"{count} cannot be split into {len(parts)} parts ({', '.join(parts)})")
    order = np.lexsort((inside.start, inside.contig))
    contig, start, end = inside.contig[order], inside.start[order], inside.end[order]
    span = int(end.max()) + 2
    axis_start, behind = start + contig.astype(np.int64) * span, end + contig.astype(np.int64) * span
    behind = np.maximum.accumulate(behind)
    weight = weight[order] if weight.sum() > 0 else np.ones(order.size)
    done = np.cumsum(weight) / weight.sum()  # share of the weight before a border in front of row i + 1
    rows = _contig_borders(np.flatnonzero(np.diff(contig)) + 1, done, share, parts)
    if rows is None:
        rows = _gap_borders(np.flatnonzero(behind[:-1] <= axis_start[1:]) + 1, done, share)
    borders: list[tuple[int, int]] = []
    for row in rows:
        if contig[row] != contig[row - 1]:
            borders.append((int(contig[row]), 0))
        else:
            border = (behind[row - 1] + axis_start[row]) // 2 if behind[row - 1] <= axis_start[row] else axis_start[row]
            borders.append((int(contig[row]), int(border - int(contig[row]) * span)))
    return borders


def _contig_borders(
    candidates: NDArray[np.int64], done: NDArray[np.float64], share: NDArray[np.float64], parts: Sequence[str]
) -> list[int] | None:
    """First rows of the parts but the first, each the first of a contig.

    None where contigs are too few or too unequal for parts of about the sizes wanted.
    """
    rows: list[int] = []
    for parts_left, target in zip(range(len(share) - 1, 0, -1), np.cumsum(share), strict=False):
        # Each of the parts that follow the border needs a contig.
        here = candidates[: candidates.size - parts_left + 1]
        if not here.size:
            return None
        rows.append(int(here[np.argmin(abs(done[here - 1] - target))]))
        candidates = candidates[candidates > rows[-1]]
    got = np.diff([0.0, *done[np.array(rows) - 1], 1.0])
    least = np.where(np.array(parts) == "train", _SMALLEST_TRAIN, _SMALLEST)
    return None if ((got < least * share) | (got > _LARGEST * share)).any() else rows


def _gap_borders(gaps: NDArray[np.int64], done: NDArray[np.float64], share: NDArray[np.float64]) -> list[int]:
    """First rows of the parts but the first, behind a gap between windows where there is one near."""
    rows: list[int] = []
    for parts_left, target in zip(range(len(share) - 1, 0, -1), np.cumsum(share), strict=False):
        lowest, highest = (rows[-1] if rows else 0) + 1, done.size - parts_left
        here = gaps[(gaps >= lowest) & (gaps <= highest)]
        here = here[abs(done[here - 1] - target) <= _GAP_SEARCH]
        if not here.size:  # windows overlap all along: those across the border are dropped
            here = np.clip([int(np.searchsorted(done, target)) + 1], lowest, highest)
        rows.append(int(here[np.argmin(abs(done[here - 1] - target))]))
    return rows


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
