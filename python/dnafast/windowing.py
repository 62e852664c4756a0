"""Windows of one length over a genome, cut from regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnafast.regions import Regions, common_contigs, overlap_mask
from dnafast.regions.columns import whole_column
from dnafast.regions.placing import place
from dnafast.regions.table import check_regions
from dnafast.regions.text import counted

if TYPE_CHECKING:
    import pandas


LONGEST = 2**31 - 1  # bases: the native half counts positions within a window in 32 bits


def check_length(length: int) -> int:
    """The length of a window as a plain int.

    Raises:
        TypeError: it is no integer.
        ValueError: it is less than 1, or more than 2**31 - 1.
    """
    if isinstance(length, bool) or not isinstance(length, int | np.integer):
        raise TypeError(f"length must be an integer (bases in a window), not {length!r}")
    if length < 1:
        raise ValueError(f"length must be at least 1, not {length}")
    if length > LONGEST:
        raise ValueError(f"length must be at most 2**31 - 1 = {LONGEST}, not {length}")
    return int(length)


def check_names(contigs: Sequence[str] | None) -> None:
    """Raise TypeError for one string in place of a list of contigs' names."""
    if isinstance(contigs, str):
        raise TypeError(f"contigs must be a list of names, not one string: write [{contigs!r}]")


def chosen_contigs(contigs: Sequence[str] | None, genome: Mapping[str, int]) -> NDArray[np.bool_]:
    """Which of the genome's contigs are named, all of them for None; bool (contigs,).

    Raises:
        ValueError: a name that the genome lacks.
    """
    if contigs is None:
        return np.ones(len(genome), dtype=np.bool_)
    missing = [name for name in contigs if name not in genome]
    if missing:
        raise ValueError(f"contigs names {missing[0]!r}, but the genome has {_shown(list(genome))}")
    named = set(contigs)
    return np.fromiter((name in named for name in genome), np.bool_, len(genome))


@dataclass(frozen=True, eq=False, repr=False)
class Windows:
    """A table of N windows of one length; scalars given for start, strand or source are spread over all rows.

    Attributes:
        contigs: names of the contigs.
        contig: int32 (N,), index into `contigs`.
        start: int64 (N,), 0-based; may be negative or reach past the contig's end (edge="pad"), where bases read N.
        strand: int8 (N,), +1, -1 or 0; 0 (unstranded) is read like +1.
        length: bases in each window.
        source: int64 (N,), the row of the regions that a window was cut from, -1 where there is none.
        flow: how many regions each step read, left out and used, by the name of the step.
    """

    contigs: tuple[str, ...]
    contig: NDArray[np.int32]
    start: NDArray[np.int64]
    strand: NDArray[np.int8]
    length: int
    source: NDArray[np.int64] = field(default_factory=lambda: np.array(-1, dtype=np.int64))
    flow: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "contigs", tuple(self.contigs))
        object.__setattr__(self, "length", check_length(self.length))
        contig = np.ascontiguousarray(whole_column("contig", self.contig, np.int32)).reshape(-1)
        object.__setattr__(self, "contig", contig)
        for name, dtype, least, most in (
            ("start", np.int64, None, None),
            ("strand", np.int8, -1, 1),
            ("source", np.int64, None, None),
        ):
            values = whole_column(name, getattr(self, name), dtype, least, most)
            if values.ndim and values.shape != contig.shape:
                raise ValueError(f"{name} has shape {values.shape}, but contig has {contig.size} rows")
            object.__setattr__(self, name, np.ascontiguousarray(np.broadcast_to(values, contig.shape)))
        if contig.size and (contig.min() < 0 or contig.max() >= len(self.contigs)):
            raise ValueError(f"contig must be an index into the {len(self.contigs)} names of contigs")

    @classmethod
    def from_arrays(
        cls,
        contigs: Sequence[str],
        contig: ArrayLike,
        start: ArrayLike,
        length: int,
        *,
        strand: ArrayLike = 0,
        source: ArrayLike = -1,
        flow: dict[str, int] | None = None,
    ) -> Windows:
        """Make a table from arrays of one length N (or scalars).

        Raises:
            TypeError: a column that holds no numbers, or a length that is no integer.
            ValueError: a column of another length, a number that is not whole or out of range, an index without a
                contig, or a strand other than +1, -1, 0.
        """
        return cls(
            contigs=tuple(contigs),
            contig=np.asarray(contig),
            start=np.asarray(start),
            strand=np.asarray(strand),
            length=length,
            source=np.asarray(source),
            flow=dict(flow or {}),
        )

    @property
    def end(self) -> NDArray[np.int64]:
        """int64 (N,), exclusive."""
        return self.start + self.length

    def __len__(self) -> int:
        return int(self.contig.size)

    def __repr__(self) -> str:
        used = counted(np.unique(self.contig).size, "contig")
        rows, bases = counted(len(self), "window"), counted(self.length, "base")
        return f"{type(self).__name__}({rows} of {bases} on {used})"

    def __getitem__(self, rows: slice | ArrayLike) -> Windows:
        """The rows of a slice, a mask (N,) or an array of indices, as a table; `flow` stays that of the whole."""
        index: Any = rows if isinstance(rows, slice) else np.atleast_1d(np.asarray(rows))
        if not isinstance(index, slice) and index.size == 0:
            index = index.astype(np.int64)
        return replace(
            self,
            contig=self.contig[index],
            start=self.start[index],
            strand=self.strand[index],
            source=self.source[index],
        )

    @staticmethod
    def concatenate(tables: Sequence[Windows]) -> Windows:
        """Put tables of one length under one another; contigs in the order of their first appearance, flows added.

        Raises:
            ValueError: no table, or tables of different lengths.
        """
        lengths = sorted({table.length for table in tables})
        if len(lengths) != 1:
            raise ValueError(f"windows to concatenate must have one length, not {lengths}")
        contigs, indices = common_contigs([(table.contigs, table.contig) for table in tables])
        flow: dict[str, int] = {}
        for table in tables:
            for step, count in table.flow.items():
                flow[step] = flow.get(step, 0) + count
        return Windows(
            contigs=contigs,
            contig=np.concatenate(indices),
            start=np.concatenate([table.start for table in tables]),
            strand=np.concatenate([table.strand for table in tables]),
            length=lengths[0],
            source=np.concatenate([table.source for table in tables]),
            flow=flow,
        )

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a DataFrame with the columns contig, start, end, strand ("+", "-", ".") and source."""
        import pandas

        return pandas.DataFrame(
            {
                "contig": np.array(self.contigs, dtype=object)[self.contig] if len(self) else np.empty(0, object),
                "start": self.start,
                "end": self.end,
                "strand": np.array([".", "+", "-"], dtype=object)[self.strand],
                "source": self.source,
            }
        )


class GenomeLike(Protocol):
    """What windows need of a genome."""

    @property
    def contigs(self) -> Mapping[str, int]:
        """Contigs, name to length, in order."""

    def composition(self, windows: Windows, threads: int | None = None) -> NDArray[np.uint32]:
        """Per window: G+C, unknown (N and beyond the contig) and soft-masked bases, uint32 (N, 3)."""


# What became of the regions that were left out, by the step that counts them.
_LOSSES = {
    "outside": "lie on contigs that the genome lacks or past an end",
    "other_contigs": "on contigs that are not used",
    "excluded": "touch regions to exclude",
    "edge": "too near an end of their contig",
    "N": "with too many unknown bases (N)",
    "duplicate": "closer than half a window to another",
}


def windows(
    regions: Regions,
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
) -> Windows:
    """Cut one window out of each region, in the order of the regions.

    A window with centre c starts at c - length // 2, so it holds as many bases before c as from c on, or one more
    from c on where the length is odd. The centre is the summit, or (start + end) // 2.

    Args:
        regions: R regions; their strands become those of the windows.
        length: bases in each window.
        genome: a `Genome` (its `contigs` and `composition` are used).
        at: "summit", or "centre"; a region without a summit is cut at its centre and counted (`summit_missing`).
        edge: what to do with a window that reaches beyond its contig: drop it, keep it (the bases beyond read N), or
            raise. With `jitter`, a window counts as wide as jitter can move it.
        jitter: bases that a loader may move a window to either side; every such draw keeps to `edge` and `max_n`.
        max_n: largest fraction of unknown bases in a window. Bases beyond the contig do not count here.
        outside: what to do when half of the regions or more do not lie on the genome, see `dnafast.regions.locate`.
        exclude: regions that no window may touch, jitter included; say, the assembly's blacklist.
        contigs: names of the contigs to use; all of them by default.

    Returns:
        Windows with `contigs` those of the genome, `source` the row in `regions`, and `flow`: regions `read`, left
        out as `outside` the genome, on `other_contigs`, `excluded`, at an `edge`, for unknown bases (`N`) and as a
        `duplicate` of a stronger one (summits closer than half a window: the larger signal wins, then the larger
        score, then the first), `used`, and those in `summit_missing`.

    Raises:
        TypeError: a length or jitter that is no integer, or `contigs` that is one string.
        ValueError: an argument that makes no sense, a region beyond the edge (edge="error"), half of the regions not
            on the genome, or no window left.
    """
    _check_options(length, at, edge, jitter, max_n)
    check_regions("regions", regions)
    check_regions("exclude", exclude)
    check_names(contigs)
    flow = dict.fromkeys(
        ("read", "outside", "other_contigs", "excluded", "edge", "N", "duplicate", "used", "summit_missing"), 0
    )
    flow["read"] = len(regions)
    located, counts, source = place(regions, genome.contigs, outside)
    flow["outside"] = counts["unknown_contig"] + counts["past_end"]
    if contigs is not None:
        chosen = chosen_contigs(contigs, genome.contigs)[located.contig]
        flow["other_contigs"] = int((~chosen).sum())
        located, source = located[chosen], source[chosen]
    centre, flow["summit_missing"] = centres(located, at)
    table = Windows(located.contigs, located.contig, centre - length // 2, located.strand, length, source)

    steps: dict[str, Callable[[NDArray[np.int64]], NDArray[np.bool_]]] = {
        "excluded": lambda rows: _untouched(table[rows], exclude, jitter),
        "edge": lambda rows: _inside(table[rows], genome, edge, jitter),
        "N": lambda rows: _known(table[rows], genome, jitter, max_n),
        "duplicate": lambda rows: strongest(located[rows], centre[rows], length),
    }
    rows = np.arange(len(table))
    for step, keep in steps.items():
        kept = rows[keep(rows)]
        flow[step] = rows.size - kept.size
        rows = kept
    flow["used"] = rows.size
    if len(regions) and not rows.size:
        raise ValueError(
            f"no window is left of the {counted(len(regions), 'region')} of {regions.path or 'the table'}: "
            f"{losses(flow)}"
        )
    return replace(table[rows], flow=flow)


def losses(flow: Mapping[str, int]) -> str:
    """How many regions each step of a flow left out, and why; empty where none was."""
    return ", ".join(f"{flow[step]} {reason}" for step, reason in _LOSSES.items() if flow.get(step))


def _check_options(length: int, at: str, edge: str, jitter: int, max_n: float) -> None:
    check_length(length)
    if at not in ("summit", "centre"):
        raise ValueError(f"at must be 'summit' or 'centre', not {at!r}")
    check_policies(edge, max_n)
    check_jitter(jitter, length)


def check_jitter(jitter: int, length: int) -> int:
    """The jitter of windows of a length as a plain int.

    Raises:
        TypeError: it is no integer.
        ValueError: it is negative, or windows that it widens have more than 2**31 - 1 bases.
    """
    if isinstance(jitter, bool) or not isinstance(jitter, int | np.integer):
        raise TypeError(f"jitter must be an integer (bases), not {jitter!r}")
    if jitter < 0:
        raise ValueError(f"jitter must not be negative, but is {jitter}")
    if length + 2 * int(jitter) > LONGEST:
        raise ValueError(f"length {length} with jitter {jitter} to either side must be at most {LONGEST} bases")
    return int(jitter)


def check_policies(edge: str, max_n: float) -> None:
    """Raise ValueError for policies of the contig's edge and of unknown bases that there are not."""
    if edge not in ("drop", "pad", "error"):
        raise ValueError(f"edge must be 'drop', 'pad' or 'error', not {edge!r}")
    if not 0 <= max_n <= 1:
        raise ValueError(f"max_n must be a fraction from 0 to 1, not {max_n}")


def _shown(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def centres(regions: Regions, at: str) -> tuple[NDArray[np.int64], int]:
    """Where windows are centred, int64 (N,), and how many regions were to be cut at a summit but have none."""
    middle = (regions.start + regions.end) // 2
    if at == "centre":
        return middle, 0
    missing = regions.summit < 0
    return np.where(missing, middle, regions.summit), int(missing.sum())


def _widened(table: Windows, jitter: int) -> Windows:
    return replace(table, start=table.start - jitter, length=table.length + 2 * jitter) if jitter else table


def _untouched(table: Windows, exclude: Regions | None, jitter: int) -> NDArray[np.bool_]:
    if exclude is None:
        return np.ones(len(table), dtype=np.bool_)
    return ~overlap_mask(_widened(table, jitter), exclude)


def _inside(table: Windows, genome: GenomeLike, edge: str, jitter: int) -> NDArray[np.bool_]:
    wide = _widened(table, jitter)
    contig_length = np.array(list(genome.contigs.values()), dtype=np.int64)[wide.contig]
    inside = (wide.start >= 0) & (wide.end <= contig_length)
    if edge == "error" and not inside.all():
        row = int(np.argmin(inside))
        raise ValueError(
            f"window {wide.contigs[wide.contig[row]]}:{wide.start[row]}-{wide.end[row]} (row {wide.source[row]} of the "
            f"regions, jitter {jitter}) reaches beyond its contig of {contig_length[row]} bases; "
            "edge='drop' leaves such windows out, edge='pad' fills them with N"
        )
    return np.ones(len(table), dtype=np.bool_) if edge == "pad" else inside


def _known(table: Windows, genome: GenomeLike, jitter: int, max_n: float) -> NDArray[np.bool_]:
    if max_n >= 1:
        return np.ones(len(table), dtype=np.bool_)
    # What the widened window holds is never less than what a draw can hold.
    wide = _widened(table, jitter)
    contig_length = np.array(list(genome.contigs.values()), dtype=np.int64)[wide.contig]
    beyond = np.minimum(np.maximum(-wide.start, 0) + np.maximum(wide.end - contig_length, 0), wide.length)
    unknown = genome.composition(wide)[:, 1].astype(np.int64) - beyond
    known: NDArray[np.bool_] = unknown <= max_n * table.length
    return known


def strongest(regions: Regions, centre: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
    """Thin out crowds: going from the strongest region down, keep each whose centre has no kept one too near.

    Too near is closer than half of `length`, on the same contig. Stronger is the larger signal, then the larger
    score, then the earlier row.

    Returns:
        bool (N,), the regions to keep.
    """
    order = np.lexsort((centre, regions.contig))
    # One axis on which different contigs are farther apart than a window.
    apart = int(centre.max(initial=0)) - int(centre.min(initial=0)) + length
    position = (centre + regions.contig.astype(np.int64) * apart)[order]
    reach = (length - 1) // 2  # the largest whole distance that is below half of the length
    first = np.searchsorted(position, position - reach, side="left")
    behind = np.searchsorted(position, position + reach, side="right")
    alive = np.ones(len(regions), dtype=np.bool_)
    signal = np.nan_to_num(regions.signal, nan=-np.inf)[order]
    score = np.nan_to_num(regions.score, nan=-np.inf)[order]
    crowded = np.flatnonzero(behind - first > 1)
    by_strength = crowded[np.lexsort((order[crowded], -score[crowded], -signal[crowded]))]
    for at in by_strength.tolist():
        if alive[at]:
            alive[first[at] : behind[at]] = False
            alive[at] = True
    keep = np.empty(len(regions), dtype=np.bool_)
    keep[order] = alive
    return keep
