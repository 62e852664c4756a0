"""Genomes: FASTA or UCSC .2bit, held as a memory-mapped .2bit.

A .2bit file opens as it is. A FASTA file, plain, gzip or bgzip, is converted once into the cache: the folder
``DNAFAST_CACHE``, else ``dnafast`` in the user's cache directory. It is found again by absolute path, size and time of
modification (see `dnafast.cache`).

The .2bit file stays mapped while a genome is open. Replace it by renaming another onto it, never by writing over it: a
file that becomes shorter is noticed by the next read, but not by one that is under way.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dnafast import _core
from dnafast._core import FormatError as FormatError
from dnafast.arguments import check_encoding, check_path, check_whole
from dnafast.cache import CacheEntry
from dnafast.compression import GZIP_SIGNATURE
from dnafast.threads import resolve_threads

_FARTHEST = 1 << 40  # from where no window reaches a contig, which has at most 2^32 - 1 bases
_TWOBIT_SIGNATURES = (b"\x43\x27\x41\x1a", b"\x1a\x41\x27\x43")
_OTHER_COMPRESSIONS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PK\x03\x04": "zip",
}


class WindowTable(Protocol):
    """What a genome needs of a window table: N windows of one length."""

    @property
    def contigs(self) -> tuple[str, ...]:
        """Names to which ``contig`` refers."""

    @property
    def contig(self) -> NDArray[np.int32]:
        """Number of the contig, (N,)."""

    @property
    def start(self) -> NDArray[np.int64]:
        """First base, 0-based, (N,); windows may reach past either end of the contig."""

    @property
    def strand(self) -> NDArray[np.int8]:
        """Direction, (N,): -1 comes out reverse-complemented, 1 and 0 as it stands."""

    @property
    def length(self) -> int:
        """Bases a window."""


class WindowEncoding(Protocol):
    """What a genome needs of an encoding."""

    def native(self) -> _core.Encoding:
        """The native form."""

    def allocate(self, count: int, length: int) -> Any:
        """A new buffer."""

    def rows(self, out: Any, count: int, length: int) -> NDArray[Any]:
        """The memory of a buffer, checked."""


class Genome:
    """The contigs of a genome, read-only and cheap to open again.

    Attributes:
        path: the file given; None for sequences in memory.
        contigs: names to lengths, in the file's order; read-only.
        report: what reading noticed: ``iupac_as_n``, the number of IUPAC letters other than A C G T N that were taken
            as N (None for a .2bit file, which does not tell).

    Args:
        path: FASTA, plain, gzip or bgzip, or .2bit.
        threads: for the conversion of a FASTA; None for every usable processor.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not sound; the message names it, and line and value where there is one.
        OSError: the file changes while it is read, or the cache cannot be written.

    Warns:
        CacheWarning: a converted genome in the cache was damaged or of another version, and is made anew.
    """

    path: Path | None
    contigs: Mapping[str, int]
    report: dict[str, int | None]

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None) -> None:
        self.path = check_path("path", path)
        self._absolute_path = self.path.absolute()
        threads = resolve_threads(threads)
        if not self.path.exists():
            raise FileNotFoundError(f"genome file '{self.path}' does not exist")
        if not self.path.is_file():
            raise ValueError(f"'{self.path}' is no file; a genome is a FASTA or .2bit file")
        with self.path.open("rb") as file:
            start = file.read(8)
        if start.startswith(_TWOBIT_SIGNATURES) or self.path.suffix == ".2bit":
            self._adopt(_core.Genome.open_twobit(self.path), None)
            return
        for signature, name in _OTHER_COMPRESSIONS.items():
            if start.startswith(signature):
                raise FormatError(f"{self.path}: the file is compressed by {name}; use plain, gzip or bgzip FASTA")
        entry = CacheEntry(self.path)
        opened = entry.open()
        if opened is None:
            entry.make(compressed=start.startswith(GZIP_SIGNATURE), threads=threads)
            opened = entry.open()
        if opened is None:
            raise OSError(f"'{entry.twobit}' vanished while '{self.path}' was opened; try again")
        self._adopt(*opened)

    @classmethod
    def from_sequences(
        cls,
        sequences: Sequence[str | bytes] | NDArray[np.uint8],
        names: Sequence[str] | None = None,
        *,
        threads: int | None = None,
    ) -> Genome:
        """A genome in memory, a contig a sequence.

        Args:
            sequences: str or bytes of any lengths, or letters as a uint8 array (N, L).
            names: of the contigs; None for "0", "1", ...
            threads: None for every usable processor.

        Raises:
            TypeError: sequences are of another type.
            ValueError: a letter that is no nucleotide, names of another number, or one of them twice.
        """
        if isinstance(sequences, str | bytes):
            raise TypeError("sequences must be a list of sequences, not a single one")
        if isinstance(names, str):
            raise TypeError(f"names must be a list of names, not one string: {names!r}")
        labels = [str(index) for index in range(len(sequences))] if names is None else list(names)
        for index, label in enumerate(labels):
            if not isinstance(label, str):
                raise TypeError(f"names[{index}]={label!r} must be a str")
        if len(labels) != len(sequences):
            raise ValueError(f"names has {len(labels)} entries for {len(sequences)} sequences")
        if len(set(labels)) != len(labels):
            seen: set[str] = set()
            twice = next(name for name in labels if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise ValueError(f"names holds '{twice}' twice")
        if isinstance(sequences, np.ndarray):
            if sequences.dtype != np.uint8 or sequences.ndim != 2:
                raise TypeError(
                    f"sequences must be uint8 letters of shape (N, L), not {sequences.dtype} of shape {sequences.shape}"
                )
            packed = _core.pack_letters(np.ascontiguousarray(sequences), labels, resolve_threads(threads))
        else:
            packed = _core.pack_sequences(list(sequences), labels, resolve_threads(threads))
        genome = cls.__new__(cls)
        genome.path = None
        genome._adopt(*packed)
        return genome

    def _adopt(self, native: _core.Genome, iupac: int | None) -> None:
        self._native = native
        self.contigs = MappingProxyType(dict(native.contigs()))
        self._names = tuple(self.contigs)
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self.report = {"iupac_as_n": iupac}

    def __repr__(self) -> str:
        origin = "in memory" if self.path is None else f"'{self.path}'"
        return f"Genome({origin}, {len(self.contigs)} contigs, {sum(self.contigs.values())} bases)"

    def __reduce__(
        self,
    ) -> tuple[Callable[..., Genome], tuple[Any, ...]] | tuple[Callable[..., Genome], tuple[Any, ...], dict[str, Any]]:
        if self.path is not None:
            # Whoever opens it again may stand in another folder.
            return Genome, (self._absolute_path,)
        letters = [self.fetch(name, 0, length) for name, length in self.contigs.items()]
        return Genome.from_sequences, (letters, self._names), {"report": self.report}

    def encode(
        self, windows: WindowTable, encoding: WindowEncoding, out: Any = None, threads: int | None = None
    ) -> Any:
        """Encodes windows; those on strand -1 come out reverse-complemented, bases outside the contig as unknown.

        Args:
            windows: N windows of L bases.
            encoding: what to make of them.
            out: buffer (N, \\*encoding.shape(L)) to fill: a C-contiguous array or CPU tensor; None makes one.
            threads: None for every usable processor. The bytes are the same for any number.

        Returns:
            ``out``, or the buffer made.

        Raises:
            TypeError: out has elements of another type, or windows or encoding are none.
            ValueError: an out of another shape, not C-contiguous, writable and aligned, or in the windows' own memory;
                windows on a contig that the genome lacks; or the .2bit file was cut short since it was opened.
        """
        check_encoding(encoding)
        contig, start, strand = self._columns(windows)
        count, length = len(contig), int(windows.length)
        if out is None:
            out = encoding.allocate(count, length)
        rows = encoding.rows(out, count, length)
        _core.encode_windows(
            self._native, contig, start, strand, length, encoding.native(), rows, resolve_threads(threads)
        )
        return out

    def composition(self, windows: WindowTable, threads: int | None = None) -> NDArray[np.uint32]:
        """Bases of each window by kind, uint32 (N, 3): G and C; unknown (N or outside the contig); soft-masked.

        Raises:
            ValueError: windows on a contig that the genome lacks.
        """
        contig, start, strand = self._columns(windows)
        length = int(windows.length)
        if not 0 <= length < 2**32:
            raise ValueError(f"windows.length={length} must lie between 0 and 4294967295")
        return _core.composition(self._native, contig, start, strand, length, resolve_threads(threads))

    def unknown_blocks(self, contig: str) -> NDArray[np.int64]:
        """Stretches of N of a contig, int64 (B, 2): start and end, ascending.

        Raises:
            ValueError: the genome has no such contig.
        """
        return self._native.unknown_blocks(self._number(contig))

    def masked_blocks(self, contig: str) -> NDArray[np.int64]:
        """Soft-masked (lower-case) stretches of a contig, int64 (B, 2): start and end, ascending.

        Raises:
            ValueError: the genome has no such contig.
        """
        return self._native.masked_blocks(self._number(contig))

    def fetch(self, contig: str, start: int, end: int) -> str:
        """Letters A C G T N from start to end (0-based, half-open): lower case where masked, N outside the contig.

        Raises:
            TypeError: contig is no str, or start or end no whole number.
            ValueError: the genome has no such contig, or end lies before start, or either is far from any contig; or
                the .2bit file was cut short since it was opened.
        """
        number = self._number(contig)
        start, end = check_whole("start", start), check_whole("end", end)
        if end < start:
            raise ValueError(f"end={end} lies before start={start}")
        if start < -_FARTHEST or end > _FARTHEST:
            raise ValueError(f"start={start} and end={end} must lie between {-_FARTHEST} and {_FARTHEST}")
        return self._native.fetch(number, start, end - start)

    def _number(self, contig: str) -> int:
        if not isinstance(contig, str):
            raise TypeError(f"contig={contig!r} must be the name of a contig, a str")
        try:
            return self._numbers[contig]
        except KeyError:
            raise ValueError(f"the genome has no contig '{contig}'; {self._name_examples()}") from None

    def _name_examples(self) -> str:
        shown = ", ".join(self._names[:5])
        return f"it has {shown}" + (f" and {len(self._names) - 5} more" if len(self._names) > 5 else "")

    def _columns(self, windows: WindowTable) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int8]]:
        """The window table's columns as the native half takes them, contigs numbered as in this genome."""
        if not hasattr(windows, "length"):
            raise TypeError(f"windows must be a table of windows, not {type(windows).__name__}: cut or lay them first")
        contig = _column(windows.contig, np.int32)
        start = _column(windows.start, np.int64)
        strand = _column(windows.strand, np.int8)
        names = tuple(windows.contigs)
        if names != self._names:
            if contig.size and not (contig.min() >= 0 and contig.max() < len(names)):
                raise ValueError(f"windows.contig holds a number outside 0 to {len(names) - 1}")
            numbers = np.array([self._numbers.get(name, -1) for name in names], np.int32)
            mapped = numbers[contig] if contig.size else contig
            if (mapped < 0).any():
                missing = names[contig[np.argmax(mapped < 0)]]
                raise ValueError(f"windows lie on contig '{missing}', which the genome lacks; {self._name_examples()}")
            contig = mapped
        return contig, start, strand


def _column(values: Any, dtype: Any) -> NDArray[Any]:
    array = np.ascontiguousarray(values, dtype)
    return array if array.flags.aligned else array.copy()
