"""Text: the bytes of a file, plain or compressed, and counts in words."""

from __future__ import annotations

from os import PathLike

from dnafast.arguments import check_path
from dnafast.compression import GZIP_SIGNATURE, inflate
from dnafast.threads import resolve_threads


def read_bytes(path: str | PathLike[str]) -> bytes:
    """The content of a plain, gzip or bgzip text file, told apart by its first two bytes.

    Raises:
        TypeError: path is none.
        FileNotFoundError: no such file.
        ValueError: a folder, an empty file, broken or cut-off compression, or bytes that are no UTF-8 text.
    """
    file = check_path("path", path)
    if file.is_dir():
        raise ValueError(f"{path} is a folder, not a file")
    if not file.exists():
        raise FileNotFoundError(f"there is no file {path}")
    content = file.read_bytes()
    if content.startswith(GZIP_SIGNATURE):
        content = b"".join(inflate(file, resolve_threads(None)))
    content = content.removeprefix(b"\xef\xbb\xbf")  # the byte order mark of some spreadsheets
    if not content.strip():
        raise ValueError(f"{path} is empty")
    if b"\0" in content:
        raise ValueError(f"{path} is a binary file, but text (plain, gzip or bgzip) is wanted")
    if not content.isascii():
        try:
            content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ValueError(f"{path}, line {line}: byte 0x{content[error.start]:02x} is no UTF-8 text") from None
    return content


def counted(count: int, noun: str) -> str:
    """A count and its noun, "1 window" or "2000 windows"."""
    return f"{count} {noun}{'s' if count != 1 else ''}"
