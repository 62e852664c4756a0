"""Damaged .2bit files: refused with a reason, or read within their bounds, whatever their bytes."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import dnafast
import oracle
from dnafast.genome import FormatError
from test_twobit import twobit_bytes

TRIALS = int(os.environ.get("DNAFAST_FUZZ_TRIALS", "3000"))
PAGE = 4096
SEQUENCES = {"a": "ACGTNNacgtNNACG" * 3, "bb": "", "ccc": "TTNacgA", "d": "ac" * 40, "last": "GATTACA" * 9}


def damaged(**changes: int) -> bytes:
    """A small file with the word at an offset changed."""
    data = bytearray(twobit_bytes({"a": "ACGTNNACgt", "b": "ACGT"}))
    for offset, value in changes.items():
        struct.pack_into("<I", data, int(offset[1:]), value)
    return bytes(data)


# Header 0-16; index entries at 16 ("a") and 22 ("b"), offsets at 18 and 24; record a at 28: size 28, N blocks 32, 36,
# 40; mask blocks 44, 48, 52; reserved 56; bases 60-63.
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends within the header"),
        (b"ACGT", "no .2bit file"),
        (damaged(_4=2), "version 2 of .2bit is not known"),
        (damaged(_8=3), "ends within|stands twice|no proper name"),
        (damaged(_8=0xFFFFFFFF), "ends within|stands twice|no proper name"),
        (damaged(_18=0xFFFFFF), "index puts contig 'a' past the end"),
        (damaged(_28=0xFFFFFFFF), "ends within contig 'a'"),
        (damaged(_32=0xFFFFFFFF), "ends within contig 'a'"),
        (damaged(_36=9), "contig 'a', N blocks, block 0: 9-11"),
        (damaged(_40=0xFFFFFFFF), "N blocks, block 0: 4-4294967299"),
        (damaged(_44=0x40000000), "ends within contig 'a'"),
        (twobit_bytes({"a": "ACGT"}).replace(b"\x01a", b"\x00a"), "no proper name"),
        (twobit_bytes({"a": "ACGT", "b": "A"}).replace(b"\x01b", b"\x01a"), "contig 'a' stands twice"),
        (twobit_bytes({"a": "ACGT" * 9})[:-1], "ends within contig 'a'"),
    ],
)
def test_damaged_files(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "damaged.2bit"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=f"damaged.2bit: .*({message})"):
        dnafast.Genome(path)


@pytest.mark.parametrize(("offset", "value"), [("_48", 9), ("_52", 100)])
def test_damaged_mask_blocks(tmp_path: Path, offset: str, value: int) -> None:
    path = tmp_path / "damaged.2bit"
    path.write_bytes(damaged(**{offset: value}))
    genome = dnafast.Genome(path)
    for _ in range(2):
        with pytest.raises(FormatError, match=r"damaged.2bit: contig 'a', mask blocks, block 0"):
            genome.masked_blocks("a")


def to_page_end(sequences: dict[str, str], version: int = 0, order: str = "<") -> bytes:
    """A file that ends where its last page does: behind the mapping lies nothing that may be read."""
    return twobit_bytes(sequences, version, order, -len(twobit_bytes(sequences, version)) % PAGE)


def read_all(path: Path) -> None:
    """Everything that reads bases or blocks. Raises FormatError, or keeps to what the file says of itself."""
    genome = dnafast.Genome(path)
    assert sum(genome.contigs.values()) <= 4 * path.stat().st_size
    rows = []
    for number, length in enumerate(genome.contigs.values()):
        # The first and the last bases, and what lies beyond.
        rows += [(number, start, strand) for start in (-3, 5, length - 20, length - 1) for strand in (1, -1)]
    windows = oracle.window_table(list(genome.contigs), rows, 40)
    genome.encode(windows, dnafast.OneHot(), threads=1)
    genome.composition(windows, threads=1)
    for name, length in genome.contigs.items():
        for blocks in (genome.unknown_blocks(name), genome.masked_blocks(name)):
            edges = blocks.ravel()
            assert (np.diff(edges) >= 0).all()
            assert not edges.size or 0 <= edges[0] <= edges[-1] <= length
        assert len(genome.fetch(name, length // 2, length)) == length - length // 2


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_any_cut_is_noticed(tmp_path: Path, version: int, order: str) -> None:
    sound = twobit_bytes(SEQUENCES, version, order)
    path = tmp_path / "damaged.2bit"
    for kept in range(len(sound)):
        path.unlink(missing_ok=True)
        path.write_bytes(sound[:kept])
        with pytest.raises(FormatError, match=r"damaged\.2bit: "):
            dnafast.Genome(path)
    path.write_bytes(sound)
    read_all(path)


def index_of(count: int, size: int, offsets: list[int], version: int = 0) -> bytes:
    """Header and index; names are numbers of `size` digits."""
    form = "<Q" if version else "<I"
    entries = (b"%c%0*d" % (size, size, i) + struct.pack(form, offset) for i, offset in enumerate(offsets))
    return struct.pack("<4I", 0x1A412743, version, count, 0) + b"".join(entries)


def record(length: int, unknown: list[tuple[int, int]], masked: list[tuple[int, int]], packed: bytes) -> bytes:
    """A record with blocks as (start, size)."""
    words = [length]
    for blocks in (unknown, masked):
        words += [len(blocks), *(start for start, _ in blocks), *(size for _, size in blocks)]
    return struct.pack(f"<{len(words) + 1}I", *words, 0) + packed


ONE = 16 + 2 + 4  # where the record of a file with one contig, named by one digit, begins
MOST = 2**32 - 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        # Counts that no file could hold.
        (index_of(MOST, 1, []), "ends within the index"),
        (index_of(1, 1, [ONE]) + struct.pack("<2I", 4, MOST), "ends within contig '0'"),
        (index_of(1, 1, [ONE]) + struct.pack("<3I", 4, 0, MOST), "ends within contig '0'"),
        (index_of(1, 1, [ONE]) + struct.pack("<2I", 4, 2**31) + bytes(64), "ends within contig '0'"),
        (index_of(1, 1, [ONE]) + record(MOST, [], [], b"    "), "ends within contig '0'"),
        # Offsets past the end, in the header, and of 64 bits.
        (index_of(1, 1, [MOST]), "puts contig '0' past the end"),
        (index_of(1, 1, [0]), "ends within contig '0'"),
        (index_of(1, 1, [2**63], 1), "puts contig '0' past the end"),
        (index_of(1, 1, [2**64 - 4], 1), "puts contig '0' past the end"),
        (index_of(1, 1, [26], 1) + record(4, [], [], b"")[:-2], "ends within contig '0'"),
        # Blocks past the end of the contig, over its end, over the end of 32 bits, out of order, one over the other.
        (index_of(1, 1, [ONE]) + record(4, [(4, 1)], [], b" "), "N blocks, block 0: 4-5 does not follow"),
        (index_of(1, 1, [ONE]) + record(4, [(2, 3)], [], b" "), "N blocks, block 0: 2-5 does not follow"),
        (index_of(1, 1, [ONE]) + record(4, [(2, MOST)], [], b" "), "block 0: 2-4294967297 does not follow"),
        (index_of(1, 1, [ONE]) + record(4, [(2, 1), (0, 1)], [], b" "), "N blocks, block 1: 0-1 does not follow"),
        (index_of(1, 1, [ONE]) + record(4, [(0, 3), (2, 1)], [], b" "), "N blocks, block 1: 2-3 does not follow"),
        # Two contigs, one record: with a large one, this way to fill the memory from a small file.
        (index_of(2, 1, [28, 28]) + record(64, [(i, 1) for i in range(0, 64, 2)], [], bytes(16)), "'1' overlaps"),
    ],
)
def test_hostile_files(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "damaged.2bit"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=f"damaged.2bit: .*{message}"):
        dnafast.Genome(path)


@pytest.mark.parametrize(
    "blocks", [[(4, 1)], [(0, 5)], [(2, MOST)], [(2, 1), (0, 1)], [(0, 3), (2, 1)], [(MOST, MOST)]]
)
def test_hostile_masks(tmp_path: Path, blocks: list[tuple[int, int]]) -> None:
    path = tmp_path / "damaged.2bit"
    path.write_bytes(index_of(1, 1, [ONE]) + record(4, [], blocks, b" "))
    genome = dnafast.Genome(path)
    windows = oracle.window_table(["0"], [(0, 0, 1)], 4)
    readers: list[Callable[[], object]] = [
        lambda: genome.masked_blocks("0"),
        lambda: genome.fetch("0", 0, 4),
        lambda: genome.composition(windows, threads=2),
    ]
    for read in readers:
        with pytest.raises(FormatError, match=r"mask blocks, block [01]: .* does not follow"):
            read()
    assert genome.encode(windows, dnafast.BaseCodes()).shape == (1, 4)


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """An index that sends each of 60,000 contigs to one large table of blocks: refused before the tables are copied."""
    resource = pytest.importorskip("resource")
    count, blocks = 60_000, 100_000
    start = 16 + count * (1 + 6 + 4)
    large = record(2 * blocks, [(2 * i, 1) for i in range(blocks)], [], bytes(blocks // 2))
    path = tmp_path / "damaged.2bit"
    path.write_bytes(index_of(count, 6, [start] * count) + large)
    code = """
import resource, sys, dnafast
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    dnafast.Genome(sys.argv[1])
except ValueError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, str(error)[-60:])
"""
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    grown, message = result.stdout.split(maxsplit=1)
    assert "overlaps another one" in message
    assert int(grown) * resource.getpagesize() // PAGE < 100_000


def damage(rng: np.random.Generator, sound: bytes) -> bytes:
    """Some of the ways in which files come to harm, one or a few at a time."""
    data = bytearray(sound)
    words = (0, 1, 4, len(sound), len(sound) - 1, 2**31 - 1, 2**31, MOST - 3, MOST)
    for _ in range(int(rng.integers(1, 4))):
        # Most of a file that ends with its page is a gap: what matters lies before and behind it.
        place = int(rng.choice([rng.integers(len(data) + 1), rng.integers(80), -rng.integers(500)])) % (len(data) or 1)
        size = int(rng.integers(1, 40))
        match rng.integers(7):
            case 0:  # single bytes
                for i in rng.integers(place, place + size, 3):
                    if i < len(data):
                        data[i] = int(rng.integers(256))
            case 1:  # a whole number
                data[place : place + 4] = struct.pack("<I", int(rng.choice(words)))[: len(data) - place]
            case 2:  # a stretch of noise, of zeros, or of ones
                data[place : place + size] = rng.choice([rng.bytes(size), bytes(size), b"\xff" * size])
            case 3:  # the end gone
                del data[place:]
            case 4:  # a stretch gone
                del data[place : place + size]
            case 5:  # a stretch too much
                data[place:place] = rng.bytes(size)
            case 6:  # a stretch in another's place
                other = int(rng.integers(len(data) + 1))
                data[place : place + size] = data[other : other + size]
    return bytes(data)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_any_damage_is_noticed_or_harmless(tmp_path: Path, version: int, order: str) -> None:
    """DNAFAST_FUZZ_TRIALS sets the number of damaged files, for longer runs."""
    rng = np.random.default_rng([5, version, ord(order)])
    sounds = [twobit_bytes(SEQUENCES, version, order), to_page_end(SEQUENCES, version, order)]
    path = tmp_path / "damaged.2bit"
    opened = refused = 0
    for trial in range(TRIALS // 4):
        data = damage(rng, sounds[trial % 2])
        path.unlink(missing_ok=True)  # a new file: one that is written over is flushed to the disk each time
        path.write_bytes(data)
        try:
            read_all(path)
        except FormatError:
            refused += 1
        else:
            opened += 1
    assert opened > TRIALS // 100
    assert refused > TRIALS // 100


def test_a_file_that_is_cut_short_while_it_is_open(tmp_path: Path) -> None:
    """A mapped file without its end is deadly to read: it is looked at first, by everything that reads."""
    length = 3 * PAGE * 4
    rng = np.random.default_rng(1)
    path = tmp_path / "genome.2bit"
    path.write_bytes(twobit_bytes({"a": oracle.patchy_letters(rng, length)}))
    windows = dnafast.Windows.from_arrays(("a",), [0] * 64, np.arange(64) * (length // 64), 100)
    genome = dnafast.Genome(path)
    running = iter(dnafast.Loader(genome, windows, batch_size=4, threads=2, prefetch=1))
    next(running)
    os.truncate(path, 100)
    readers: list[Callable[[], object]] = [
        lambda: genome.fetch("a", length - 10, length),
        lambda: genome.encode(windows, dnafast.OneHot()),
        lambda: genome.composition(windows),
        lambda: genome.masked_blocks("a"),
        lambda: dnafast.sample_negatives(genome, windows, max_n=0.5),
        lambda: list(running),
        lambda: next(iter(dnafast.Loader(genome, windows, threads=0))),
    ]
    for read in readers:
        with pytest.raises(FormatError, match=r"genome.2bit: the file has become shorter than the \d+ bytes"):
            read()
    assert genome.contigs == {"a": length}
    with pytest.raises(FormatError, match="ends within"):
        dnafast.Genome(path)
