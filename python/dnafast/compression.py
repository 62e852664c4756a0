"""Text as files hold it, plain, gzip or bgzip: read and inflated ahead of whoever takes it.

What ends too early, is damaged or goes on as something else is told, not passed over.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from isal import igzip_lib, isal_zlib

from dnafast._core import FormatError

# Typed in isal as an instance.
_InflateError: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]
GZIP_SIGNATURE = b"\x1f\x8b"
_READ_SIZE = 1 << 20
_INFLATE_SIZE = 4 << 20
# Two of these, and what is made of them, stay in the second-level cache: a plain FASTA of 100 Mb opened in 59 ms where
# pieces of 8 MiB took 75 (medians of 40 by turns, two threads); of 2 and 16 MiB it was slower as well.
_PLAIN_SIZE = 4 << 20
_BGZIP_HEADER_SIZE = 18
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def read_ahead(path: Path, size: int = _PLAIN_SIZE) -> Iterator[memoryview]:
    """The bytes of a file, piece by piece; each holds only until the next is asked for.

    Read, not mapped: a mapped file that another process cuts short takes this one down with it.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as file, ThreadPoolExecutor(1) as pool:
        current, other = bytearray(size), bytearray(size)
        ahead = pool.submit(file.readinto, current)
        while count := ahead.result():
            ahead = pool.submit(file.readinto, other)
            yield memoryview(current)[:count]
            current, other = other, current


def inflate(path: Path, threads: int) -> Iterator[bytes]:
    """The text of a gzip or bgzip file, piece by piece; blocks of bgzip are inflated side by side.

    Raises:
        FormatError: the file is truncated or damaged.
    """
    with path.open("rb") as file, ThreadPoolExecutor(threads) as pool:
        # Inflating lets go of the interpreter, so that threads help, and the consumer works meanwhile.
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
    """Lists of whole bgzip blocks, up to where the file ends or goes on as something else."""
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
        if len(held) >= _BGZIP_HEADER_SIZE and not _bgzip_block_size(held, 0):
            break
    if _bgzip_block_size(held, 0) or (last and last != _BGZIP_END and not held.startswith(GZIP_SIGNATURE)):
        raise _truncated(path)
    file.seek(-len(held), os.SEEK_CUR)


def _bgzip_block_size(data: bytes, position: int) -> int:
    """Size of the block that begins here; 0 where none does, or too little of it is there to tell."""
    header = data[position : position + _BGZIP_HEADER_SIZE]
    # Written by all bgzip implementations: one extra field of six bytes, "BC" and the size less one.
    if len(header) < _BGZIP_HEADER_SIZE or header[:4] != b"\x1f\x8b\x08\x04" or header[10:16] != b"\x06\x00BC\x02\x00":
        return 0
    return int.from_bytes(header[16:18], "little") + 1


def _inflate_blocks(blocks: list[bytes], path: Path) -> bytes:
    texts = []
    for block in blocks:
        inflater = isal_zlib.decompressobj(wbits=31)
        try:
            texts.append(inflater.decompress(block))
        except _InflateError as error:
            raise _damaged(path, str(error)) from None
        # A block's size stands in its header, which no checksum covers: too large a one would swallow its neighbours.
        if not inflater.eof or inflater.unused_data:
            raise _damaged(path, "a block's size is not what its header says")
    return b"".join(texts)


def _inflate_members(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The text of ordinary gzip members, one after the other."""
    inflater = None
    while data := file.read(_READ_SIZE):
        while data:
            if inflater is None or inflater.eof:
                data = data.lstrip(b"\0")  # padding, as gzip itself allows
                if not data:
                    break
                if data[:2] != GZIP_SIGNATURE[: len(data)]:
                    raise _damaged(path, "something that is no gzip follows it")
                inflater = isal_zlib.decompressobj(wbits=31)
            try:
                text = inflater.decompress(data, _INFLATE_SIZE)
            except _InflateError as error:
                raise _damaged(path, str(error)) from None
            data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            if text:
                yield text
    if inflater is not None and not inflater.eof:
        raise _truncated(path)


def _truncated(path: Path) -> FormatError:
    return FormatError(f"{path}: the compressed file ends too early; it is truncated, download or compress it again")


def _damaged(path: Path, what: str) -> FormatError:
    return FormatError(f"{path}: the compressed data is damaged ({what}); download or compress it again")
