"""What all contenders work on, as files that each process reads for itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnafast.records import write_json
from dnafast.regions import Regions
from dnafast.windowing import Windows

_REGION_COLUMNS = ("contig", "start", "end", "score", "strand", "signal", "summit")
_WINDOW_COLUMNS = ("contig", "start", "strand")


@dataclass(frozen=True)
class Workload:
    """Paths and sizes; the tables are beside it in `folder`.

    Attributes:
        folder: temporary, private to this measurement.
        genome: FASTA or .2bit; None where there are sequences.
        plain_genome: the same without compression, where that is to be had.
        is_twobit: whether the genome is a .2bit file.
        peaks: files of regions.
        columns: how they are read, as for `read_bed`.
        sequences: FASTA files of both classes, or none.
        length: bases in a window.
        batch_size: windows in a batch.
        max_n: largest share of N in a window.
        method, ratio: how closed windows are drawn.
        bases: of the genome, or of all sequences.
        kept_region: row of a region that becomes a window, whichever others are there.
        quick: few windows and one round.
    """

    folder: Path
    genome: Path | None
    plain_genome: Path | None
    is_twobit: bool
    peaks: tuple[Path, ...]
    columns: str
    sequences: tuple[Path, ...]
    length: int
    batch_size: int
    max_n: float
    method: str
    ratio: float
    bases: int
    kept_region: int
    quick: bool

    @property
    def bed_columns(self) -> str | int:
        """The argument of `read_bed`."""
        return self.columns if self.columns == "auto" else int(self.columns)

    def save(self) -> None:
        """Write the paths and sizes."""
        write_json(self.folder / "workload.json", {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, folder: Path) -> Workload:
        """Read what `save` wrote."""
        values: dict[str, Any] = json.loads((folder / "workload.json").read_text(encoding="utf-8"))
        values["folder"] = Path(values["folder"])
        for name in ("genome", "plain_genome"):
            values[name] = None if values[name] is None else Path(values[name])
        for name in ("peaks", "sequences"):
            values[name] = tuple(map(Path, values[name]))
        return cls(**values)

    def save_regions(self, regions: Regions) -> None:
        """Keep the regions that lie on the genome."""
        columns = {name: getattr(regions, name) for name in _REGION_COLUMNS}
        np.savez(self.folder / "regions.npz", contigs=np.array(regions.contigs), **columns)

    def regions(self) -> Regions:
        """The regions that lie on the genome, R rows."""
        with np.load(self.folder / "regions.npz", allow_pickle=False) as table:
            columns = {name: table[name] for name in _REGION_COLUMNS}
            return Regions.from_arrays(table["contigs"].tolist(), **columns)

    def save_windows(self, name: str, windows: Windows) -> None:
        """Keep a table of windows under a name."""
        columns = {column: getattr(windows, column) for column in _WINDOW_COLUMNS}
        np.savez(self.folder / f"{name}.npz", contigs=np.array(windows.contigs), **columns)

    def windows(self, name: str) -> Windows:
        """A table of windows: "open", "drawn" (by dnafast, to be checked), or "used": those that are encoded."""
        with np.load(self.folder / f"{name}.npz", allow_pickle=False) as table:
            columns = {column: table[column] for column in _WINDOW_COLUMNS}
            return Windows.from_arrays(table["contigs"].tolist(), length=self.length, **columns)

    def save_letters(self, letters: NDArray[np.uint8]) -> None:
        """Keep sequences, uint8 (N, L)."""
        np.save(self.folder / "letters.npy", letters)

    def letters(self) -> NDArray[np.uint8]:
        """The sequences, uint8 (N, L) upper-case A C G T N."""
        letters: NDArray[np.uint8] = np.load(self.folder / "letters.npy", allow_pickle=False)
        return letters

    def region_rows(self, count: int, of: int) -> NDArray[np.int64]:
        """So many of R rows of the regions, spread evenly; the one that surely becomes a window is among them."""
        spread = np.linspace(0, of - 1, min(count, of)).astype(np.int64)
        return np.unique(np.append(spread, self.kept_region))

    def epoch_rows(self, batches: int, of: int) -> NDArray[np.int64]:
        """Rows of so many batches, drawn from all N windows, so that every contender touches the same places."""
        return np.random.default_rng(0).permutation(of)[: batches * self.batch_size]


@contextmanager
def cached_in(folder: Path) -> Iterator[None]:
    """Genomes are converted into this folder meanwhile."""
    before = os.environ.get("DNAFAST_CACHE")
    os.environ["DNAFAST_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["DNAFAST_CACHE"]
        else:
            os.environ["DNAFAST_CACHE"] = before
