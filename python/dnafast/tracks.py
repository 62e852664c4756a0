"""Where predictions go: a table of windows, or a track along the genome.

Each writer takes windows and their probabilities piece by piece; the file appears under its name when all are in it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dnafast.records import atomic_file

SUFFIXES = {".tsv": "tsv", ".bedgraph": "bedgraph", ".bdg": "bedgraph", ".bw": "bigwig", ".bigwig": "bigwig"}
_STRANDS = {1: "+", -1: "-", 0: "."}


class Writer(ABC):
    """Takes predictions in the order of the genome's contigs, or for a table in any."""

    @abstractmethod
    def write(self, names: Sequence[str], start: Any, end: Any, strand: Any, values: NDArray[np.float64]) -> None:
        """Add N windows.

        Args:
            names: (N,), the contigs.
            start, end: int64 (N,), 0-based and half-open.
            strand: int8 (N,), +1, -1 or 0.
            values: (N, T) probabilities.
        """


def file_format(path: str | Path) -> str:
    """Format that a file's name asks for: "tsv", "bedgraph" or "bigwig".

    Raises:
        ValueError: an unknown suffix, or bigWig without the package that writes it.
    """
    suffix = Path(path).suffix
    kind = SUFFIXES.get(suffix.lower())
    if kind is None:
        raise ValueError(f"{path} ends in {suffix or 'nothing'!r}: it must end in .tsv, .bedGraph or .bw (bigWig)")
    if kind == "bigwig" and importlib.util.find_spec("pyBigWig") is None:
        raise ValueError(
            f"{path}: bigWig needs the package pyBigWig, which is not installed: pip install 'dnafast[bigwig]', or "
            "write .bedGraph"
        )
    return kind


@contextlib.contextmanager
def open_writer(path: str | Path, tasks: Sequence[str], contigs: Mapping[str, int]) -> Iterator[Writer]:
    """A writer of the format that the file's name asks for; the file is whole or absent.

    Args:
        path: the file.
        tasks: T names of columns; a track holds one.
        contigs: names and lengths, for bigWig.

    Raises:
        ValueError: as `file_format`, or several tasks for a track.
    """
    path = Path(path)
    kind = file_format(path)
    if kind != "tsv" and len(tasks) != 1:
        raise ValueError(f"{path} holds one task, and there are {', '.join(tasks)}: choose one, or write .tsv")
    if kind == "bigwig":
        with _bigwig(path, contigs) as writer:
            yield writer
        return
    with atomic_file(path) as file:
        yield Table(file, tasks) if kind == "tsv" else BedGraph(file)


class Table(Writer):
    """Tab-separated: contig, start, end, strand and a column of probabilities for each task, under a header line."""

    def __init__(self, file: IO[bytes], tasks: Sequence[str]) -> None:
        self._file = file
        self._line = "%s\t%d\t%d\t%s" + "\t%.6g" * len(tasks)
        self._file.write(("\t".join(["contig", "start", "end", "strand", *tasks]) + "\n").encode())

    def write(self, names: Sequence[str], start: Any, end: Any, strand: Any, values: NDArray[np.float64]) -> None:
        """Add N windows."""
        signs = [_STRANDS[one] for one in strand.tolist()]
        rows = zip(names, start.tolist(), end.tolist(), signs, *values.T.tolist(), strict=True)
        self._file.write("".join([self._line % row + "\n" for row in rows]).encode())


class BedGraph(Writer):
    """Contig, start, end and value, for genome browsers."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, names: Sequence[str], start: Any, end: Any, strand: Any, values: NDArray[np.float64]) -> None:
        """Add N windows."""
        rows = zip(names, start.tolist(), end.tolist(), values[:, 0].tolist(), strict=True)
        self._file.write(
            "".join([f"{name}\t{begin}\t{end}\t{value:.6g}\n" for name, begin, end, value in rows]).encode()
        )


class BigWig(Writer):
    """The binary form of a bedGraph, which browsers read in part."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def write(self, names: Sequence[str], start: Any, end: Any, strand: Any, values: NDArray[np.float64]) -> None:
        """Add N windows."""
        self._handle.addEntries(list(names), start.tolist(), ends=end.tolist(), values=values[:, 0].tolist())


@contextlib.contextmanager
def _bigwig(path: Path, contigs: Mapping[str, int]) -> Iterator[BigWig]:
    """A bigWig under a temporary name, moved to its own at the end."""
    import pyBigWig

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        handle = pyBigWig.open(str(temporary), "w")
        try:
            handle.addHeader(list(contigs.items()))
            yield BigWig(handle)
        finally:
            handle.close()
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
