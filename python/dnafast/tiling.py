"""Windows of one length laid over a genome at even steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dnafast.genome import Genome
from dnafast.regions import Regions, map_contigs, merge
from dnafast.regions.placing import check_outside, place
from dnafast.regions.table import check_regions
from dnafast.regions.text import counted
from dnafast.windowing import LONGEST, Windows, check_length, check_names, check_policies, chosen_contigs

# What became of the tiles that were left out, by the step that counts them.
_LOSSES = {
    "excluded": "touch regions to exclude",
    "edge": "reach over an end",
    "N": "with too many unknown bases (N)",
}


def tiles(
    genome: Genome,
    length: int,
    stride: int,
    regions: Regions | None = None,
    *,
    edge: Literal["drop", "pad", "error"] = "drop",
    max_n: float = 0.0,
    outside: Literal["error", "drop"] = "error",
    exclude: Regions | None = None,
    contigs: Sequence[str] | None = None,
) -> Windows:
    """Lay windows of one length over a genome, or over regions of it, one every `stride` bases.

    The first tile begins where its contig begins, and tiles go on until the contig's end is reached; the last one may
    reach over it. Regions that overlap or touch are taken together, and each stretch that they cover is laid with
    tiles from its own beginning, none of which leaves it: no tile comes twice.

    Args:
        genome: where to lay them.
        length: bases in each tile.
        stride: bases from the start of one tile to that of the next; less than `length` makes them overlap.
        regions: where to lay them; on whole contigs by default.
        edge: what to do with a tile that reaches beyond its contig: drop it, keep it (the bases beyond read N), or
            raise. A tile that would leave a stretch of `regions` within the contig is always left out.
        max_n: largest fraction of unknown bases in a tile; by default, as for `windows`, none, so that no tile lies in
            a gap of the assembly or touches one. Bases beyond the contig do not count.
        outside: what to do when half of the regions or more do not lie on the genome, see `dnafast.regions.locate`.
        exclude: regions that no tile may touch; say, the assembly's blacklist.
        contigs: names of the contigs to use; all of them by default.

    Returns:
        Windows in the order of the genome, strand 0, `source` -1. In `flow`: tiles `laid`, of these left out as
        `excluded`, at an `edge`, for unknown bases (`N`), and `used`; with `regions`, also the `regions_outside` the
        genome.

    Raises:
        TypeError: a length or stride that is no integer, or `contigs` that is one string.
        ValueError: an argument that makes no sense, a tile beyond the contig's end (edge="error"), half of the regions
            not on the genome, or no tile left.
    """
    length, stride = check_length(length), _check_stride(stride)
    check_policies(edge, max_n)
    check_outside(outside)
    check_regions("regions", regions)
    check_regions("exclude", exclude)
    check_names(contigs)
    names, sizes = tuple(genome.contigs), np.array(list(genome.contigs.values()), dtype=np.int64)
    where, begin, end, n_outside = _stretches(genome, regions, outside, chosen_contigs(contigs, genome.contigs))

    # A tile follows where it begins inside the stretch and holds a base that the one before it does not.
    span = end - begin
    laid = 1 + np.minimum(-(-np.maximum(span - length, 0) // stride), (span - 1) // stride)
    start = _every_start(begin, laid, stride)
    contig = np.repeat(where, laid)
    last = np.cumsum(laid) - 1
    over = start[last] + length > end
    over_contig = over & (end == sizes[where])
    if edge == "error" and over_contig.any():
        first = int(np.argmax(over_contig))
        at = start[last[first]]
        raise ValueError(
            f"tile {names[where[first]]}:{at}-{at + length} reaches beyond its contig of {end[first]} bases; "
            "edge='drop' leaves such tiles out, edge='pad' fills them with N"
        )

    keep = np.ones(start.size, dtype=np.bool_)
    left = [start.size]  # tiles that each step leaves
    bounds = np.searchsorted(contig, np.arange(sizes.size + 1, dtype=np.int32)).tolist()
    for index, blocks in [] if exclude is None else _covered_blocks(exclude, names):
        here = slice(bounds[index], bounds[index + 1])
        keep[here] &= ~_touching(start[here], length, blocks)
    left.append(int(np.count_nonzero(keep)))
    keep[last[over & ~over_contig if edge == "pad" else over]] = False
    left.append(int(np.count_nonzero(keep)))
    most = math.floor(max_n * length + 1e-9)  # 0.29 * 100 is 28.999999999999996
    for index in np.unique(where).tolist() if most < length else []:
        here = slice(bounds[index], bounds[index + 1])
        _drop_unknown(keep[here], start[here], length, genome.unknown_blocks(names[index]), most)
    left.append(int(np.count_nonzero(keep)))
    flow = {"laid": start.size, **dict(zip(_LOSSES, (-np.diff(left)).tolist(), strict=True)), "used": left[-1]}
    if regions is not None:
        flow["regions_outside"] = n_outside
    if not flow["used"] and (regions is None or len(regions)):
        raise ValueError(_why_none(flow, length, span, regions))
    if flow["used"] < flow["laid"]:
        contig, start = contig[keep], start[keep]
    return Windows.from_arrays(names, contig, start, length, flow=flow)


def _check_stride(stride: int) -> int:
    if isinstance(stride, bool) or not isinstance(stride, int | np.integer):
        raise TypeError(f"stride must be an integer (bases from one tile to the next), not {stride!r}")
    if not 1 <= stride <= LONGEST:
        raise ValueError(f"stride must lie between 1 and 2**31 - 1 = {LONGEST}, but is {stride}")
    return int(stride)


def _stretches(
    genome: Genome, regions: Regions | None, outside: Literal["error", "drop"], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], int]:
    """Where to lay tiles, in genome order: contig, begin and end; and how many regions lie off the genome."""
    if regions is None:
        end = np.array(list(genome.contigs.values()), dtype=np.int64)
        contig, begin, n_outside = np.arange(end.size, dtype=np.int32), np.zeros_like(end), 0
    else:
        located, counts, _ = place(regions, genome.contigs, outside)
        covered = merge(located)
        contig, begin, end = covered.contig, covered.start, covered.end
        n_outside = counts["unknown_contig"] + counts["past_end"]
    used = chosen[contig] & (begin < end)
    return contig[used], begin[used], end[used], n_outside


def _every_start(begin: NDArray[np.int64], laid: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Starts of all tiles, int64 (tiles,), from where each stretch begins and how many are laid there."""
    # Differences, added up in place: there are millions of tiles.
    start = np.full(int(laid.sum()), stride, dtype=np.int64)
    if begin.size:
        last = begin + (laid - 1) * stride
        start[np.cumsum(laid) - laid] = begin - np.concatenate(([0], last[:-1]))
    return np.cumsum(start, out=start)


def _covered_blocks(regions: Regions, names: tuple[str, ...]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """What regions cover of each contig: its index among the names, and int64 (B, 2), ascending and apart."""
    covered = merge(regions)
    index = map_contigs(covered.contigs, names)
    blocks = np.stack([covered.start, covered.end], axis=1)
    for number, here in zip(*np.unique(covered.contig, return_index=True), strict=True):
        if index[number] >= 0:
            yield int(index[number]), blocks[here : np.searchsorted(covered.contig, number, side="right")]


def _touching(start: NDArray[np.int64], length: int, blocks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the tiles on one contig, ascending, share a base with a block, bool (tiles,)."""
    touched = np.zeros(start.size, dtype=np.bool_)
    first = np.searchsorted(start, blocks[:, 0] - length, side="right")
    behind = np.searchsorted(start, blocks[:, 1], side="left")
    for at, stop in zip(first.tolist(), behind.tolist(), strict=True):
        touched[at:stop] = True
    return touched


def _drop_unknown(
    keep: NDArray[np.bool_], start: NDArray[np.int64], length: int, blocks: NDArray[np.int64], most: int
) -> None:
    """Clear `keep` of the tiles on one contig that hold more than `most` bases of its unknown blocks."""
    if not blocks.size:
        return
    touched = _touching(start, length, blocks)
    if most == 0:
        keep &= ~touched
        return
    rows = np.flatnonzero(touched & keep)
    within = np.concatenate(([0], np.cumsum(blocks[:, 1] - blocks[:, 0])))
    block_end = np.concatenate(([0], blocks[:, 1]))

    def before(position: NDArray[np.int64]) -> NDArray[np.int64]:
        """Unknown bases in front of each position."""
        begun = np.searchsorted(blocks[:, 0], position, side="left")
        count: NDArray[np.int64] = within[begun] - np.maximum(block_end[begun] - position, 0)
        return count

    keep[rows] = before(start[rows] + length) - before(start[rows]) <= most


def _why_none(flow: dict[str, int], length: int, span: NDArray[np.int64], regions: Regions | None) -> str:
    if span.size and span.max() < length:
        what = "contig that is used" if regions is None else f"stretch of the regions of {regions.path or 'the table'}"
        return f"length {length} is longer than every {what}: the longest has {span.max()} bases"
    if not flow["laid"]:
        return "there is nothing to lay tiles on: no region, or no base, lies on a contig that is used"
    losses = ", ".join(f"{flow[step]} {reason}" for step, reason in _LOSSES.items() if flow[step])
    return f"no tile is left of {counted(flow['laid'], 'tile')}: {losses}"
