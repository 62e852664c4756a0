"""Regions of a genome: a column table of intervals. Coordinates are 0-based and half-open throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnafast.regions.columns import whole_column
from dnafast.regions.text import counted

if TYPE_CHECKING:
    import pandas


class Intervals(Protocol):
    """What the sweeps read of a table: `Regions`, and windows of one length, have it."""

    @property
    def contigs(self) -> tuple[str, ...]:
        """Names of the contigs."""

    @property
    def contig(self) -> NDArray[np.int32]:
        """int32 (N,), index into `contigs`."""

    @property
    def start(self) -> NDArray[np.int64]:
        """int64 (N,), 0-based."""

    @property
    def end(self) -> NDArray[np.int64]:
        """int64 (N,), exclusive."""


@dataclass(frozen=True, eq=False, repr=False)
class Regions:
    """A table of N intervals; columns are arrays of one length, contigs are indices into `contigs`.

    Attributes:
        contigs: names of the contigs, in the order of their first appearance.
        contig: int32 (N,), index into `contigs`.
        start: int64 (N,), 0-based.
        end: int64 (N,), exclusive.
        name: object (N,) of str, "" where the file gives none.
        score: float64 (N,), NaN where absent.
        strand: int8 (N,), +1, -1, or 0 for unstranded.
        signal: float64 (N,), NaN where absent.
        summit: int64 (N,), absolute position of the summit, -1 where absent.
        path: the file that the table came from, for messages.
    """

    contigs: tuple[str, ...]
    contig: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    name: NDArray[np.object_]
    score: NDArray[np.float64]
    strand: NDArray[np.int8]
    signal: NDArray[np.float64]
    summit: NDArray[np.int64]
    path: str | None = None

    @classmethod
    def from_arrays(
        cls,
        contigs: Sequence[str],
        contig: ArrayLike,
        start: ArrayLike,
        end: ArrayLike,
        *,
        name: Sequence[str] | NDArray[np.object_] | None = None,
        score: ArrayLike | None = None,
        strand: ArrayLike | None = None,
        signal: ArrayLike | None = None,
        summit: ArrayLike | None = None,
        path: str | None = None,
    ) -> Regions:
        """Make a table from arrays of one length N (or scalars for the optional columns).

        Raises:
            TypeError: a column of whole numbers that holds no numbers.
            ValueError: a column of another length, a number that is not whole or out of range, an index without a
                contig, a negative start, an end before the start, or a strand other than +1, -1, 0.
        """
        return cls(
            contigs=tuple(contigs),
            contig=np.asarray(contig),
            start=np.asarray(start),
            end=np.asarray(end),
            name=np.asarray("" if name is None else name, dtype=object),
            score=np.asarray(np.nan if score is None else score, dtype=np.float64),
            strand=np.asarray(0 if strand is None else strand),
            signal=np.asarray(np.nan if signal is None else signal, dtype=np.float64),
            summit=np.asarray(-1 if summit is None else summit),
            path=path,
        )

    def __post_init__(self) -> None:
        object.__setattr__(self, "contigs", tuple(self.contigs))
        n = np.size(self.contig)
        for name, dtype in _COLUMN_TYPES.items():
            values: Any = getattr(self, name)
            if np.issubdtype(dtype, np.integer):
                values = whole_column(name, values, dtype)
            array = np.asarray(values, dtype=dtype)
            if name == "contig":
                array = array.reshape(-1)
            if array.ndim == 0:
                array = np.full(n, array[()], dtype=dtype)
            if array.shape != (n,):
                raise ValueError(f"{name} has shape {array.shape}, but contig has {n} rows")
            object.__setattr__(self, name, np.ascontiguousarray(array))
        if len(self) == 0:
            return
        if self.contig.min() < 0 or self.contig.max() >= len(self.contigs):
            raise ValueError(f"contig must be an index into the {len(self.contigs)} names of contigs")
        for wrong, message in (
            (self.start < 0, "start must not be negative"),
            (self.end < self.start, "end must not lie before start"),
            ((self.strand < -1) | (self.strand > 1), "strand must be +1, -1 or 0"),
        ):
            if wrong.any():
                row = int(np.argmax(wrong))
                raise ValueError(
                    f"{message}: row {row} is {self.contigs[self.contig[row]]}:{self.start[row]}-{self.end[row]}, "
                    f"strand {self.strand[row]}"
                )

    def __len__(self) -> int:
        return int(self.contig.size)

    def __repr__(self) -> str:
        rows, used = counted(len(self), "region"), counted(np.unique(self.contig).size, "contig")
        return f"Regions({rows} on {used}{f', from {self.path}' if self.path else ''})"

    def __getitem__(self, rows: slice | ArrayLike) -> Regions:
        """The rows of a slice, a mask (N,) or an array of indices, as a table."""
        index: Any = rows if isinstance(rows, slice) else np.atleast_1d(np.asarray(rows))
        if not isinstance(index, slice) and index.size == 0:
            index = index.astype(np.int64)
        return replace(self, **{name: getattr(self, name)[index] for name in _COLUMNS})

    @staticmethod
    def concatenate(tables: Sequence[Regions]) -> Regions:
        """Put tables under one another; contigs keep the order of their first appearance."""
        contigs, indices = common_contigs([(table.contigs, table.contig) for table in tables])
        columns: dict[str, Any] = {}
        for name in _COLUMNS[1:]:
            columns[name] = np.concatenate([getattr(table, name) for table in tables] or [[]])
        paths = {table.path for table in tables}
        columns["path"] = paths.pop() if len(paths) == 1 else None
        return Regions.from_arrays(contigs, np.concatenate([*indices, np.empty(0, np.int32)]), **columns)

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a DataFrame with the columns contig, start, end, name, score, strand, signal, summit.

        Strand is "+", "-" or "." as in BED.
        """
        import pandas

        return pandas.DataFrame(
            {
                "contig": np.array(self.contigs, dtype=object)[self.contig] if len(self) else np.empty(0, object),
                "start": self.start,
                "end": self.end,
                "name": self.name,
                "score": self.score,
                "strand": np.array([".", "+", "-"], dtype=object)[self.strand],
                "signal": self.signal,
                "summit": self.summit,
            }
        )

    @classmethod
    def from_pandas(cls, frame: pandas.DataFrame) -> Regions:
        """Make a table from a DataFrame with contig, start and end (or chrom, chromStart, chromEnd).

        The columns name, score, strand ("+", "-", "." or +1, -1, 0), signal and summit (absolute) are optional.

        Raises:
            ValueError: contig, start or end is missing, or a value does not fit.
        """
        import pandas

        columns = {}
        for wanted, *others in (("contig", "chrom"), ("start", "chromStart"), ("end", "chromEnd")):
            found = next((name for name in (wanted, *others) if name in frame.columns), None)
            if found is None:
                raise ValueError(
                    f"the DataFrame has no column {wanted!r}: its columns are {list(map(str, frame.columns))}"
                )
            columns[wanted] = frame[found]
        contig, contigs = pandas.factorize(columns["contig"].astype(str))
        optional: dict[str, Any] = {}
        for name in ("name", "score", "signal", "summit"):
            if name in frame.columns:
                optional[name] = frame[name].to_numpy()
        if "strand" in frame.columns:
            strand = frame["strand"].map({"+": 1, "-": -1, ".": 0, 1: 1, -1: -1, 0: 0})
            if strand.isna().any():
                wrong = frame["strand"][strand.isna()].iloc[0]
                raise ValueError(f"strand holds {wrong!r}: it must be '+', '-', '.' or 1, -1, 0")
            optional["strand"] = strand.to_numpy()
        return cls.from_arrays(
            [str(name) for name in contigs], contig, columns["start"].to_numpy(), columns["end"].to_numpy(), **optional
        )


_COLUMN_TYPES: dict[str, Any] = {
    "contig": np.int32,
    "start": np.int64,
    "end": np.int64,
    "name": np.object_,
    "score": np.float64,
    "strand": np.int8,
    "signal": np.float64,
    "summit": np.int64,
}
_COLUMNS = tuple(_COLUMN_TYPES)


def check_regions(argument: str, value: Any) -> None:
    """Raise TypeError for what is neither a table of regions nor None."""
    if value is not None and not isinstance(value, Regions):
        remedy = "put tables together with Regions.concatenate" if isinstance(value, list | tuple) else "see read_bed"
        raise TypeError(f"{argument} must be a table of Regions, not {type(value).__name__}: {remedy}")


def common_contigs(
    tables: Sequence[tuple[Sequence[str], NDArray[np.int32]]],
) -> tuple[tuple[str, ...], list[NDArray[np.int32]]]:
    """One list of contigs for several tables, and each table's indices into it."""
    position: dict[str, int] = {}
    indices = []
    for contigs, contig in tables:
        mapped = np.array([position.setdefault(name, len(position)) for name in contigs], dtype=np.int32)
        indices.append(mapped[contig] if contig.size else np.empty(0, np.int32))
    return tuple(position), indices


def map_contigs(contigs: Sequence[str], onto: Mapping[str, int] | Sequence[str]) -> NDArray[np.int32]:
    """Index of each name of `contigs` in `onto`, -1 where it is missing; int32 (len(contigs),)."""
    position = {name: index for index, name in enumerate(onto)}
    return np.array([position.get(name, -1) for name in contigs], dtype=np.int32)
