"""Windows of one length over a genome, cut from regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnafast.regions import common_contigs

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
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
        object.__setattr__(self, "length", int(self.length))
        contig = np.ascontiguousarray(self.contig, dtype=np.int32).reshape(-1)
        object.__setattr__(self, "contig", contig)
        for name, dtype in (("start", np.int64), ("strand", np.int8), ("source", np.int64)):
            values = np.asarray(getattr(self, name), dtype=dtype)
            if values.ndim and values.shape != contig.shape:
                raise ValueError(f"{name} has shape {values.shape}, but contig has {contig.size} rows")
            object.__setattr__(self, name, np.ascontiguousarray(np.broadcast_to(values, contig.shape)))
        if self.length < 1:
            raise ValueError(f"length must be at least 1, not {self.length}")
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
        """Make a table from arrays of one length N (or scalars)."""
        return cls(
            contigs=tuple(contigs),
            contig=np.asarray(contig, dtype=np.int32),
            start=np.asarray(start, dtype=np.int64),
            strand=np.asarray(strand, dtype=np.int8),
            length=length,
            source=np.asarray(source, dtype=np.int64),
            flow=dict(flow or {}),
        )

    @property
    def end(self) -> NDArray[np.int64]:
        """int64 (N,), exclusive."""
        return self.start + self.length

    def __len__(self) -> int:
        return int(self.contig.size)

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
