"""UCSC .2bit files: those of others, damaged ones, and ours in the hands of others."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import py2bit
import pytest

import dnafast
import oracle
from dnafast import _core
from dnafast.genome import FormatError
from test_genome import NASTY, check_letters


def pack(letters: str) -> bytes:
    codes = [{"T": 0, "C": 1, "A": 2, "G": 3}.get(letter.upper(), 0) for letter in letters]
    codes += [0] * (-len(codes) % 4)
    return bytes(a << 6 | b << 4 | c << 2 | d for a, b, c, d in zip(*[iter(codes)] * 4, strict=True))


def twobit_bytes(sequences: Mapping[str, str], version: int = 0, order: str = "<", gap: int = 0) -> bytes:
    """A .2bit file, written the slow, obvious way; gap bytes are left between the index and the sequences."""
    records = []
    for letters in sequences.values():
        words = [len(letters)]
        for flags in ([c not in "ACGTacgt" for c in letters], [c.islower() for c in letters]):
            blocks = oracle.blocks(flags)
            words += [len(blocks), *(start for start, _ in blocks), *(end - start for start, end in blocks)]
        words.append(0)
        records.append(struct.pack(f"{order}{len(words)}I", *words) + pack(letters))
    offset_form = order + ("Q" if version == 1 else "I")
    offset = 16 + gap + sum(1 + len(name.encode()) + struct.calcsize(offset_form) for name in sequences)
    index = b""
    for name, record in zip(sequences, records, strict=True):
        index += bytes([len(name.encode())]) + name.encode() + struct.pack(offset_form, offset)
        offset += len(record)
    header = struct.pack(order + "4I", 0x1A412743, version, len(sequences), 0)
    return header + index + bytes(gap) + b"".join(records)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_versions_and_byte_orders(tmp_path: Path, version: int, order: str) -> None:
    path = tmp_path / "genome.2bit"
    path.write_bytes(twobit_bytes(NASTY, version, order))
    genome = dnafast.Genome(path)
    check_letters(genome, NASTY)
    assert genome.report == {"iupac_as_n": None}
    assert not list((tmp_path / "cache").glob("*")), "a .2bit needs no cache"


def test_what_lies_under_n_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "genome.2bit"
    data = twobit_bytes({"x": "ACNNNNGT"})
    path.write_bytes(data[:-2] + bytes([data[-2] | 0b1111, data[-1] | 0b11110000]))
    genome = dnafast.Genome(path)
    assert genome.fetch("x", 0, 8) == "ACNNNNGT"
    assert genome.composition(oracle.window_table(["x"], [(0, 0, 1)], 8)).tolist() == [[2, 4, 0]]


def test_index_offset_past_4_gib(tmp_path: Path) -> None:
    path = tmp_path / "large.2bit"
    letters = "ACGTNacgtA"
    data = twobit_bytes({"far": letters}, version=1)
    index_end = 16 + 1 + 3 + 8
    far = 5 << 30
    with path.open("wb") as file:  # a hole: no room is taken on the disk
        file.write(data[: index_end - 8] + struct.pack("<Q", far))
        file.seek(far)
        file.write(data[index_end:])
    assert dnafast.Genome(path).fetch("far", 0, 10) == letters


def test_read_by_py2bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    sequences = {f"contig{i}": oracle.patchy_letters(rng, n) for i, n in enumerate([1, 2, 3, 4, 5, 1000, 1001, 4096])}
    convert(tmp_path, sequences)
    twobit = py2bit.open(str(tmp_path / "out.2bit"), storeMasked=True)
    assert twobit.chroms() == {name: len(letters) for name, letters in sequences.items()}
    for name, letters in sequences.items():
        assert twobit.sequence(name, 0, len(letters)) == letters.replace("n", "N")
    twobit.close()


def convert(folder: Path, sequences: Mapping[str, str], offset_limit: int = 2**32 - 1) -> Path:
    target = folder / "out.2bit"
    converter = _core.FastaConverter("memory", str(target), 2, offset_limit)
    converter.feed("".join(f">{name}\n{letters}\n" for name, letters in sequences.items()).encode())
    converter.finish()
    return target


@pytest.mark.parametrize("offset_limit", [2**32 - 1, 70_000, 0])
def test_index_wider_than_the_room_left_for_it(tmp_path: Path, offset_limit: int) -> None:
    sequences = {f"contig{i:0200d}": "ACGT" * (i % 7) + "n" for i in range(1000)}
    path = convert(tmp_path, sequences, offset_limit)
    assert path.read_bytes()[4] == (offset_limit < 2**32 - 1)
    genome = dnafast.Genome(path)
    assert {name: genome.fetch(name, 0, length) for name, length in genome.contigs.items()} == sequences


def test_version_1_only_where_needed(tmp_path: Path) -> None:
    path = convert(tmp_path, {"a": "ACGT", "b": "GGGG"}, offset_limit=65536)
    assert path.read_bytes()[4] == 1
    check_letters(dnafast.Genome(path), {"a": "ACGT", "b": "GGGG"})


def test_names_in_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / "genome.2bit"
    path.write_bytes(twobit_bytes({"a": "ACGT"}).replace(b"\x01a", b"\x01\xff"))
    genome = dnafast.Genome(path)
    (name,) = genome.contigs
    assert genome.fetch(name, 0, 4) == "ACGT"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match=r"contig '\\xff'"):
        dnafast.Genome(path)


@pytest.mark.parametrize("gap", [0, 1, 4096])
def test_files_of_others(tmp_path: Path, gap: int) -> None:
    """A file that we did not write, read by us and by another reader: the same letters from both."""
    rng = np.random.default_rng(14)
    sequences = {f"contig{i}": oracle.patchy_letters(rng, n) for i, n in enumerate([1, 2, 3, 4, 5, 63, 1000, 4097])}
    path = tmp_path / "genome.2bit"
    path.write_bytes(twobit_bytes(sequences, gap=gap))
    genome = dnafast.Genome(path)
    twobit = py2bit.open(str(path), storeMasked=True)
    assert dict(genome.contigs) == twobit.chroms()
    for name, letters in sequences.items():
        for start, end in ((0, len(letters)), *np.sort(rng.integers(0, len(letters) + 1, (20, 2)), 1).tolist()):
            if start < end:
                assert genome.fetch(name, start, end).replace("n", "N") == twobit.sequence(name, start, end)
        blocks = twobit.hardMaskedBlocks(name)
        assert genome.unknown_blocks(name).tolist() == [list(block) for block in blocks]
        assert genome.masked_blocks(name).tolist() == [list(block) for block in twobit.softMaskedBlocks(name)]
    twobit.close()


def test_real_genome_equals_py2bit(tmp_path: Path, data_folder: Path, cache_folder: Path) -> None:
    genome = dnafast.Genome(data_folder / "genomes" / "hg38_chr1_0-6.5Mb.fa.gz")
    (path,) = cache_folder.glob("*.2bit")
    twobit = py2bit.open(str(path), storeMasked=True)
    for name, length in genome.contigs.items():
        assert twobit.sequence(name, 0, length) == genome.fetch(name, 0, length)
    twobit.close()
