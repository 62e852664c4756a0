"""What a run leaves on disk: files that are whole or absent, checksums, and records that let a bench resume."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dnafast import __version__

RECORD_NAME = "record.json"
"""Name of the record within a run's folder."""

_DIGEST_BYTES = 16
_LONGEST_NAME = 120
_SAFE_NAME = re.compile(r"[A-Za-z0-9._-]+")


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when it is whole and on disk.

    Bytes go to a temporary name in the same folder; at the end they are flushed to disk and renamed over ``path``. If
    the block raises, the temporary file is removed and whatever stood at ``path`` stays.

    Args:
        path: final name; missing parent folders are made.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())  # mkstemp makes it private to the user
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            # A full disk, of which the system does not say where it is.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    _sync_folder(path.parent)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes as `atomic_file` does."""
    with atomic_file(path) as file:
        file.write(content)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text as `atomic_file` does; line ends stay as they are."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write strict JSON as `atomic_file` does.

    Dataclasses become objects, arrays and tuples lists, paths strings; NaN and infinities become null.

    Raises:
        TypeError: a value of another kind.
    """
    write_text(path, json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json_object(path: str | Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is no file, or none that holds one."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write a table as `atomic_file` does; None and NaN become empty cells, numbers keep every digit.

    Args:
        path: the file.
        rows: one mapping a row; a column that a row lacks is empty.
        columns: names and their order; None for those of the rows, in order of appearance.

    Raises:
        ValueError: a row has a column that ``columns`` lacks.
    """
    table = list(rows)
    if columns is None:
        columns = list(dict.fromkeys(name for row in table for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    known = set(columns)
    for number, row in enumerate(table, start=1):
        strange = [name for name in row if name not in known]
        if strange:
            raise ValueError(f"row {number} for {path} has the column {strange[0]!r}, which is none of {list(columns)}")
        writer.writerow([_cell(row.get(name)) for name in columns])
    write_text(path, text.getvalue())


def write_npz(path: str | Path, **arrays: NDArray[Any]) -> None:
    """Write compressed arrays as `atomic_file` does, without pickle.

    Raises:
        ValueError: an array of Python objects.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"array {name!r} for {path} holds Python objects, which are not stored")
    with atomic_file(path) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def plain(value: Any) -> Any:
    """The same value in the kinds that JSON knows: dict, list, str, int, float, bool and None.

    Raises:
        TypeError: a value that has no such form.
    """
    if isinstance(value, np.ndarray | np.generic):  # first, for numpy's float64 is a float too
        return plain(value.tolist())
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{value!r} of type {type(value).__name__} has no form in JSON")


def check_writable_file(path: Path) -> None:
    """Check that a file can be written, over one that is there or in a folder that need not exist yet.

    Raises:
        ValueError: it is a folder.
        NotADirectoryError, PermissionError: as `check_writable_folder`, of its folder.
    """
    if path.is_dir():
        raise ValueError(f"--out {path} is a folder: name a file")
    check_writable_folder(path.parent)


def check_writable_folder(path: str | Path) -> Path:
    """Check that files can be written into a folder, which need not exist yet; nothing is left behind.

    Raises:
        NotADirectoryError: it, or the first part of it that exists, is no folder.
        PermissionError: nothing can be written there.
    """
    path = Path(path)
    nearest = path
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        what = "is" if nearest == path else f"cannot be made, because {nearest} is"
        raise NotADirectoryError(f"the output folder {path} {what} not a folder: choose another place")
    try:
        # Only a try tells: permission bits say nothing about read-only disks, quotas or the super-user.
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        where = "" if nearest == path else f" (its parent {nearest} exists)"
        raise PermissionError(f"the output folder {path}{where} cannot be written: {error.strerror}") from error
    return path


def checksum(*parts: NDArray[Any] | str | bytes | None) -> str:
    """BLAKE2b checksum (32 hex digits) of arrays and texts, their types, shapes and order included.

    Raises:
        TypeError: an array of Python objects that are not all strings.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        if isinstance(part, np.ndarray):
            if part.dtype.hasobject:
                _update(digest, f"texts{part.shape}", "\0".join(part.ravel().tolist()).encode())
            else:
                _update(digest, f"{part.dtype.str}{part.shape}", np.ascontiguousarray(part).tobytes())
        elif isinstance(part, str):
            _update(digest, "text", part.encode())
        else:
            _update(digest, "none" if part is None else "bytes", part or b"")
    return digest.hexdigest()


def checksum_file(path: str | Path) -> str:
    """BLAKE2b checksum (32 hex digits) of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).hexdigest()


def run_id(
    dataset: str,
    model: str,
    implementation: str | None,
    seed: int | None,
    fold: int | None = None,
    size: int | None = None,
) -> str:
    """Name of a run and its folder, such as ``k562-danq-torch-seed0``; ``-fold2-train1000`` where there are several.

    Characters that a folder's name should not hold become ``_``; such a name also gets a few digits of its checksum, so
    that two names never become one.
    """
    words = [dataset, model] if implementation is None else [dataset, model, implementation]
    words += [
        f"{word}{value}" for word, value in (("seed", seed), ("fold", fold), ("train", size)) if value is not None
    ]
    name = "-".join(words)
    if _SAFE_NAME.fullmatch(name) and not name.startswith(".") and len(name) <= _LONGEST_NAME:
        return name
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', name).lstrip('.')[:_LONGEST_NAME]}-{checksum(name)[:8]}"


@dataclass(frozen=True)
class Record:
    """A finished run: what it was asked, on what, by which version, and what came out."""

    run_id: str
    config: dict[str, Any]
    """Everything that decides the outcome, in plain JSON kinds."""
    data_checksum: str
    result: dict[str, Any] = field(default_factory=dict)
    """Whatever the bench wants to have again when it resumes."""
    version: str = __version__
    """Version of dnafast that made it."""

    def save(self, folder: str | Path) -> None:
        """Write ``record.json`` into the run's folder, as its last file: its presence says that the run is finished."""
        write_json(Path(folder) / RECORD_NAME, self)

    @classmethod
    def load(cls, folder: str | Path) -> Record | None:
        """The record of a run's folder, or None where the run has not finished.

        Raises:
            ValueError: the file is no record.
        """
        path = Path(folder) / RECORD_NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is no record of a run: {error}; --overwrite starts anew") from error
        kinds = {"run_id": str, "config": dict, "data_checksum": str, "result": dict, "version": str}
        if (
            not isinstance(content, dict)
            or content.keys() != kinds.keys()
            or not all(isinstance(content[name], kind) for name, kind in kinds.items())
        ):
            has = ", ".join(f"{name} ({kind.__name__})" for name, kind in kinds.items())
            raise ValueError(f"{path} is no record of a run: it must have {has}; --overwrite starts anew")
        return cls(**content)


def finished_run(
    folder: str | Path,
    config: Any,
    data_checksum: str,
    *,
    overwrite: bool = False,
    version: str = __version__,
    options: str = "",
) -> Record | None:
    """The record of a run that need not be repeated; None where there is none, or where it is to be overwritten.

    Args:
        folder: the run's folder.
        config: what would be run now, as given to `Record`; compared in its JSON form.
        data_checksum: of the data it would run on.
        overwrite: do not look; the caller runs again and replaces the files.
        version: of dnafast.
        options: what differs in the command lines, for the error.

    Raises:
        ValueError: a finished run is there, but of another configuration, other data or another version.
    """
    if overwrite:
        return None
    record = Record.load(folder)
    if record is None:
        return None
    differences = config_differences(record.config, plain(config))
    # Other settings often mean other data, or more or fewer of them: those are what the user can put right.
    if not differences and record.data_checksum != data_checksum:
        differences.append("the data")
    if record.version != version:
        differences.append(f"the version of dnafast ({record.version} there, {version} now)")
    if differences:
        raise ValueError(
            f"{folder} holds a finished run that differs in {', '.join(differences)}{options}: "
            "choose another --out, or replace it with --overwrite"
        )
    return record


def config_differences(there: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Keys of two plain configurations whose values differ, with the values: ``train.max_epochs (30 there, 5 now)``."""
    absent = object()
    found = []
    for key in dict.fromkeys([*there, *now]):
        old, new = there.get(key, absent), now.get(key, absent)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += config_differences(old, new, f"{prefix}{key}.")
        elif old != new:
            old_text, new_text = ("absent" if value is absent else repr(value) for value in (old, new))
            found.append(f"{prefix}{key} ({old_text} there, {new_text} now)")
    return found


def _cell(value: Any) -> Any:
    """One cell of a table: text, or a number with every digit."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value


def _update(digest: Any, kind: str, content: bytes) -> None:
    """Add a part with its kind and length, so that parts cannot run into each other."""
    digest.update(f"{kind}:{len(content)};".encode())
    digest.update(content)


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename last: the folder's entry, too, has to reach the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
