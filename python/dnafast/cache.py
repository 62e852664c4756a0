"""Converted genomes: each FASTA is turned into a .2bit file once and found again.

An entry is known by the FASTA's absolute path, size and time of modification. A FASTA that was changed while both of
these stayed the same (its time put back by hand, say) is not noticed: touch it, or remove the entry.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dnafast import _core
from dnafast._core import FormatError
from dnafast.compression import inflate, read_ahead

# Raised where what is cached changes in content, so that older entries are made anew.
_FORMAT = 1


class CacheWarning(UserWarning):
    """A converted genome was in the cache but could not be used, and is made anew."""


class CacheEntry:
    """The converted form of one FASTA file: a .2bit file and beside it a JSON file that tells where it is from.

    The names of both carry the path, size and time of modification, so that an entry never changes: processes that
    convert at the same time write the same under temporary names, and the last rename wins.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self.origin: dict[str, int | str] = {"format": _FORMAT, "path": str(source.resolve()), **_state(source)}
        self.folder = cache_folder()
        place = hashlib.sha256(str(source.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        state = hashlib.sha256(json.dumps(self.origin, sort_keys=True).encode()).hexdigest()[:16]
        self.family = f"{source.name[:64]}.{place}."
        self.twobit = self.folder / f"{self.family}{state}.2bit"
        self.sidecar = self.twobit.with_suffix(".json")

    def open(self) -> tuple[_core.Genome, int] | None:
        """The native genome and its number of IUPAC letters; None where there is none, or none that is sound.

        Warns:
            CacheWarning: what is there is damaged.
        """
        try:
            record = self._record()
            size = self.twobit.stat().st_size
            if size != record["twobit_size"]:
                raise FormatError(f"{self.twobit} has {size} bytes, {record['twobit_size']} were written")
            return _core.Genome.open_twobit(self.twobit), int(record["iupac_as_n"])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            self._warn(str(error))
            return None

    def make(self, *, compressed: bool, threads: int) -> None:
        """Converts the source.

        Raises:
            FormatError: the source is no FASTA.
            OSError: the source cannot be read or changes meanwhile, or the cache cannot be written.

        Warns:
            CacheWarning: an entry of another version of dnafast is replaced.
        """
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{self.family}{uuid.uuid4().hex}.tmp"
        try:
            iupac = self._convert(temporary, compressed, threads)
            self._check_unchanged()
            with self._writing():
                record = {"origin": self.origin, "twobit_size": temporary.stat().st_size, "iupac_as_n": iupac}
                temporary.replace(self.twobit)
                temporary.write_text(json.dumps(record, indent=1), "utf-8")
                _sync(temporary)
                temporary.replace(self.sidecar)
                _sync(self.folder)
        finally:
            with suppress(OSError):  # already gone, or in a folder that takes no change at all
                temporary.unlink()
        if self._remove_outdated():
            self._warn("the entry of another version of dnafast is of no use to this one")

    def _record(self) -> dict[str, Any]:
        """What the JSON file says. Raises FileNotFoundError where it is absent and ValueError where it is unsound."""
        try:
            record = json.loads(self.sidecar.read_text("utf-8"))
            sound = record["origin"] == self.origin and {"twobit_size", "iupac_as_n"} <= record.keys()
        except (ValueError, KeyError, TypeError, AttributeError):
            sound = False
        if not sound:
            raise FormatError(f"{self.sidecar} is damaged")
        return dict(record)

    def _convert(self, target: Path, compressed: bool, threads: int) -> int:
        with self._writing():
            converter = _core.FastaConverter(self.source, target, threads)
        for text in inflate(self.source, threads) if compressed else read_ahead(self.source):
            with self._writing():
                converter.feed(text)
        with self._writing():
            return converter.finish()

    def _check_unchanged(self) -> None:
        try:
            now = _state(self.source)
        except OSError:
            now = {}
        if any(self.origin[name] != now.get(name) for name in ("size", "mtime_ns")):
            raise OSError(
                f"'{self.source}' changed while it was read; open it again when nothing writes to it any more"
            )

    def _remove_outdated(self) -> bool:
        """Removes entries of the same file as it was before, and what a killed process left: they are large.

        Returns:
            Whether one of them was for the file as it is now, by another version of dnafast.
        """
        other_version = False
        yesterday = time.time() - 86_400
        for path in self.folder.glob("*"):
            if not path.name.startswith(self.family) or path in (self.twobit, self.sidecar):
                continue
            with suppress(OSError):  # another process may be at it too, or the folder be another user's
                other_version |= path.suffix == ".json" and self._is_of_another_version(path)
                if path.suffix != ".tmp" or path.stat().st_mtime < yesterday:
                    path.unlink()
        return other_version

    def _is_of_another_version(self, sidecar: Path) -> bool:
        """Whether it belongs to the source as it is now and differs in the format alone."""
        with suppress(ValueError, KeyError, TypeError):
            origin = json.loads(sidecar.read_text("utf-8"))["origin"]
            return bool({**origin, "format": _FORMAT} == self.origin)
        return False

    def _warn(self, what: str) -> None:
        # As if from the line that opens the genome: through Genome.__init__ and the method that found out.
        warnings.warn(f"{what}: '{self.source}' is converted anew", CacheWarning, stacklevel=4)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Around what writes: an error within tells what could not be written, and the way out."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(
                f"'{self.source}' cannot be converted into the cache folder '{self.folder}' ({reason}); "
                "set DNAFAST_CACHE to a folder that can be written and has room"
            ) from None


def cache_folder() -> Path:
    """Where converted genomes are kept: ``DNAFAST_CACHE``, else ``dnafast`` in the user's cache directory.

    Raises:
        OSError: neither is there.
    """
    chosen = os.environ.get("DNAFAST_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    if base and sys.platform != "darwin":
        return Path(base) / "dnafast"
    try:
        home = Path.home()
    except RuntimeError:
        raise OSError(
            "this user has no home folder to keep converted genomes in; set DNAFAST_CACHE to a folder that can be "
            "written"
        ) from None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "dnafast"


def _state(path: Path) -> dict[str, int | str]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _sync(path: Path) -> None:
    """Makes sure that a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
