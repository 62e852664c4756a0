"""Genomes: FASTA or UCSC .2bit, held as a memory-mapped .2bit.

A .2bit file opens as it is. A FASTA file, plain, gzip or bgzip, is converted once into the cache: the folder
``DNAFAST_CACHE``, else ``dnafast`` in the user's cache directory. It is found again by absolute path, size and time of
modification.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import uuid
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from dnafast import _core
from dnafast._core import FormatError as FormatError
from dnafast.threads import resolve_threads

# Raised where what is cached changes in content, so that older entries are made anew.
_CACHE_FORMAT = 1
_TWOBIT_SIGNATURES = (b"\x43\x27\x41\x1a", b"\x1a\x41\x27\x43")
_GZIP_SIGNATURE = b"\x1f\x8b"
_OTHER_COMPRESSIONS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PK\x03\x04": "zip",
}
_READ_SIZE = 1 << 20
_INFLATE_SIZE = 4 << 20
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


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
        OSError: the cache cannot be written.
    """

    path: Path | None
    contigs: Mapping[str, int]
    report: dict[str, int | None]

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None) -> None:
        self.path = Path(path)
        threads = resolve_threads(threads)
        if not self.path.exists():
            raise FileNotFoundError(f"genome file '{self.path}' does not exist")
        if not self.path.is_file():
            raise ValueError(f"'{self.path}' is no file; a genome is a FASTA or .2bit file")
        with self.path.open("rb") as file:
            start = file.read(8)
        if start.startswith(_TWOBIT_SIGNATURES) or self.path.suffix == ".2bit":
            self._adopt(_core.Genome.open_twobit(str(self.path)), None)
            return
        for signature, name in _OTHER_COMPRESSIONS.items():
            if start.startswith(signature):
                raise FormatError(f"{self.path}: the file is compressed by {name}; use plain, gzip or bgzip FASTA")
        entry = _CacheEntry(self.path)
        opened = entry.open()
        if opened is None:
            entry.make(compressed=start.startswith(_GZIP_SIGNATURE), threads=threads)
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
        labels = [str(index) for index in range(len(sequences))] if names is None else list(names)
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

    def __reduce__(self) -> tuple[Callable[..., Genome], tuple[Any, ...]]:
        if self.path is not None:
            return Genome, (self.path,)
        letters = [self.fetch(name, 0, length) for name, length in self.contigs.items()]
        return Genome.from_sequences, (letters, self._names)

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
            TypeError: out has elements of another type.
            ValueError: an out of another shape, or windows on a contig that the genome lacks.
        """
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
            ValueError: the genome has no such contig, or end lies before start.
        """
        number = self._number(contig)
        if end < start:
            raise ValueError(f"end={end} lies before start={start}")
        return self._native.fetch(number, start, end - start)

    def _number(self, contig: str) -> int:
        try:
            return self._numbers[contig]
        except KeyError:
            raise ValueError(f"the genome has no contig '{contig}'; {self._name_examples()}") from None

    def _name_examples(self) -> str:
        shown = ", ".join(self._names[:5])
        return f"it has {shown}" + (f" and {len(self._names) - 5} more" if len(self._names) > 5 else "")

    def _columns(self, windows: WindowTable) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int8]]:
        """The window table's columns as the native half takes them, contigs numbered as in this genome."""
        contig = np.ascontiguousarray(windows.contig, np.int32)
        start = np.ascontiguousarray(windows.start, np.int64)
        strand = np.ascontiguousarray(windows.strand, np.int8)
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


class _CacheEntry:
    """The converted form of one FASTA file: a .2bit file and beside it a JSON file that tells where it is from.

    The names of both carry the path, size and time of modification, so that an entry never changes: processes that
    convert at the same time write the same under temporary names, and the last rename wins.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        status = source.stat()
        path = str(source.resolve())
        self.origin: dict[str, int | str] = {
            "format": _CACHE_FORMAT,
            "path": path,
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
        }
        self.folder = cache_folder()
        place = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        state = hashlib.sha256(json.dumps(self.origin, sort_keys=True).encode()).hexdigest()[:16]
        self.family = f"{source.name[:64]}.{place}."
        self.twobit = self.folder / f"{self.family}{state}.2bit"
        self.sidecar = self.twobit.with_suffix(".json")

    def open(self) -> tuple[_core.Genome, int] | None:
        """The native genome and its number of IUPAC letters; None where there is no sound entry."""
        try:
            record = json.loads(self.sidecar.read_text("utf-8"))
            if record["origin"] != self.origin or self.twobit.stat().st_size != record["twobit_size"]:
                return None
            return _core.Genome.open_twobit(str(self.twobit)), int(record["iupac_as_n"])
        except (OSError, ValueError, KeyError, TypeError):
            # Absent, cut off or of another version: it is made anew, and what is wrong shows there.
            return None

    def make(self, *, compressed: bool, threads: int) -> None:
        """Converts the source."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._cannot_write(error) from None
        temporary = self.folder / f"{self.family}{uuid.uuid4().hex}.tmp"
        try:
            iupac = self._convert(temporary, compressed, threads)
            record = {"origin": self.origin, "twobit_size": temporary.stat().st_size, "iupac_as_n": iupac}
            temporary.replace(self.twobit)
            temporary.write_text(json.dumps(record, indent=1), "utf-8")
            _sync(temporary)
            temporary.replace(self.sidecar)
            _sync(self.folder)
        except OSError as error:
            raise self._cannot_write(error) from None
        finally:
            temporary.unlink(missing_ok=True)
        self._remove_outdated()

    def _convert(self, target: Path, compressed: bool, threads: int) -> int:
        converter = _core.FastaConverter(str(self.source), str(target), threads)
        if compressed:
            for text in inflate(self.source, threads):
                converter.feed(text)
        else:
            converter.feed_file()
        return converter.finish()

    def _remove_outdated(self) -> None:
        """Removes entries of the same file as it was before, and what a killed process left: they are large."""
        yesterday = time.time() - 86_400
        for path in self.folder.glob("*"):
            if not path.name.startswith(self.family) or path in (self.twobit, self.sidecar):
                continue
            with suppress(FileNotFoundError):  # another process may be at it too
                if path.suffix != ".tmp" or path.stat().st_mtime < yesterday:
                    path.unlink()

    def _cannot_write(self, error: OSError) -> OSError:
        return OSError(
            f"'{self.source}' cannot be converted into the cache folder '{self.folder}' ({error.strerror or error}); "
            "set DNAFAST_CACHE to a folder that can be written"
        )


def cache_folder() -> Path:
    """Where converted genomes are kept: ``DNAFAST_CACHE``, else ``dnafast`` in the user's cache directory."""
    chosen = os.environ.get("DNAFAST_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "dnafast"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dnafast"


def _sync(path: Path) -> None:
    """Makes sure that a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def inflate(path: Path, threads: int) -> Iterator[bytes]:
    """The text of a gzip or bgzip file, piece by piece; blocks of bgzip are inflated side by side.

    Raises:
        FormatError: the file is truncated or damaged.
    """
    with path.open("rb") as file, ThreadPoolExecutor(threads) as pool:
        # zlib lets go of the interpreter, so that threads help, and the consumer works meanwhile.
        pending: deque[Future[bytes]] = deque()
        for batch in _bgzip_batches(file, path):
            pending.append(pool.submit(_inflate_blocks, batch, path))
            if len(pending) > 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
        members = _inflate_members(file, path)
        ahead = pool.submit(next, members, None)
        while (text := ahead.result()) is not None:
            ahead = pool.submit(next, members, None)
            yield text


def _bgzip_batches(file: BinaryIO, path: Path) -> Iterator[list[bytes]]:
    """Lists of whole bgzip blocks, up to where the file ends or goes on as another kind of gzip."""
    held = b""
    last = b""
    while chunk := file.read(_READ_SIZE):
        held += chunk
        blocks: list[bytes] = []
        position = 0
        while size := _bgzip_block_size(held, position):
            if position + size > len(held):
                break
            blocks.append(held[position : position + size])
            position += size
        if blocks:
            last = blocks[-1]
            yield blocks
        held = held[position:]
        if len(held) >= 18 and not _bgzip_block_size(held, 0):
            file.seek(-len(held), os.SEEK_CUR)
            return
    if held:
        raise _truncated(path)
    if last and last != _BGZIP_END:
        raise _truncated(path)


def _bgzip_block_size(data: bytes, position: int) -> int:
    """Size of the block that begins here; 0 where none does, or too little of it is there to tell."""
    header = data[position : position + 18]
    # Written by all bgzip implementations: one extra field of six bytes, "BC" and the size less one.
    if len(header) < 18 or header[:4] != b"\x1f\x8b\x08\x04" or header[10:16] != b"\x06\x00BC\x02\x00":
        return 0
    return int.from_bytes(header[16:18], "little") + 1


def _inflate_blocks(blocks: list[bytes], path: Path) -> bytes:
    try:
        return b"".join(zlib.decompress(block, wbits=31, bufsize=1 << 16) for block in blocks)
    except zlib.error as error:
        raise _damaged(path, error) from None


def _inflate_members(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The text of ordinary gzip members, one after the other."""
    inflater = zlib.decompressobj(wbits=31)
    begun = False
    while data := file.read(_READ_SIZE):
        while data:
            if inflater.eof:
                data = data.lstrip(b"\0")  # padding, as gzip itself allows
                if not data:
                    break
                inflater = zlib.decompressobj(wbits=31)
            try:
                text = inflater.decompress(data, _INFLATE_SIZE)
            except zlib.error as error:
                raise _damaged(path, error) from None
            begun = True
            data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            if text:
                yield text
    if begun and not inflater.eof:
        raise _truncated(path)


def _truncated(path: Path) -> FormatError:
    return FormatError(f"{path}: the compressed file ends too early; it is truncated, download or compress it again")


def _damaged(path: Path, error: zlib.error) -> FormatError:
    return FormatError(f"{path}: the compressed data is damaged ({error}); download or compress it again")
