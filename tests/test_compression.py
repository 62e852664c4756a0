"""Compressed FASTA and BED: whole, cut off, damaged, and with something behind."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam
import pytest

import dnafast
import oracle
from dnafast.compression import inflate, read_ahead
from dnafast.genome import FormatError
from test_genome import NASTY, check_letters

WriteFasta = Callable[..., Path]


@pytest.mark.parametrize("form", ["gzip", "bgzip", "members", "padded", "mixed"])
def test_compressed(tmp_path: Path, write_fasta: WriteFasta, form: str) -> None:
    rng = np.random.default_rng(2)
    sequences = {**NASTY, "long": oracle.random_letters(rng, 300_000)}
    plain = write_fasta(sequences)
    text = plain.read_bytes()
    path = tmp_path / "genome.fa.gz"
    if form == "bgzip":
        pysam.tabix_compress(str(plain), str(path))
    elif form == "mixed":
        first, second = tmp_path / "first", tmp_path / "first.gz"
        first.write_bytes(text[:200_000])
        pysam.tabix_compress(str(first), str(second))
        path.write_bytes(second.read_bytes() + gzip.compress(text[200_000:]))
    elif form == "members":
        path.write_bytes(b"".join(gzip.compress(text[i : i + 777]) for i in range(0, len(text), 777)))
    else:
        path.write_bytes(gzip.compress(text) + (b"\0" * 512 if form == "padded" else b""))
    for threads in (1, 3):
        for entry in Path(os.environ["DNAFAST_CACHE"]).iterdir():
            entry.unlink()
        check_letters(dnafast.Genome(path, threads=threads), sequences)


@pytest.mark.parametrize("form", ["gzip", "bgzip"])
@pytest.mark.parametrize("kept", [3, 11, 17, 30, 1000, 30_000, -1, -8, -28, -29])
def test_truncated_gzip(tmp_path: Path, cache_folder: Path, write_fasta: WriteFasta, form: str, kept: int) -> None:
    plain = write_fasta({"a": oracle.random_letters(np.random.default_rng(1), 200_000)})
    path = tmp_path / "genome.fa.gz"
    if form == "bgzip":
        pysam.tabix_compress(str(plain), str(path))
    else:
        path.write_bytes(gzip.compress(plain.read_bytes()))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FormatError, match=r"genome.fa.gz: the compressed file ends too early; it is truncated"):
        dnafast.Genome(path)
    assert not list(cache_folder.iterdir())


@pytest.mark.parametrize("form", ["gzip", "bgzip"])
def test_damaged_gzip(tmp_path: Path, write_fasta: WriteFasta, form: str) -> None:
    plain = write_fasta({"a": oracle.random_letters(np.random.default_rng(1), 200_000)})
    path = tmp_path / "genome.fa.gz"
    if form == "bgzip":
        pysam.tabix_compress(str(plain), str(path))
    else:
        path.write_bytes(gzip.compress(plain.read_bytes()))
    data = bytearray(path.read_bytes())
    data[20_000:20_010] = bytes(10)
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"genome.fa.gz: the compressed data is damaged \("):
        dnafast.Genome(path)


def compress(data: bytes, form: str, folder: Path) -> bytes:
    if form == "gzip":
        return gzip.compress(data)
    plain, packed = folder / "plain", folder / "packed.gz"
    plain.write_bytes(data)
    pysam.tabix_compress(str(plain), str(packed), force=True)
    return packed.read_bytes()


def text_of(path: Path, data: bytes, threads: int = 1) -> bytes:
    path.write_bytes(data)
    return b"".join(inflate(path, threads))


@pytest.mark.parametrize("form", ["gzip", "bgzip"])
@pytest.mark.parametrize("garbage", [b"m", b"more", b">a\nACGT\n", bytes(20) + b"x", b"\x1f\x8c" + bytes(40)])
def test_what_follows_compressed_data_is_told(tmp_path: Path, form: str, garbage: bytes) -> None:
    sound = compress(b">a\nACGT\n", form, tmp_path)
    for name, read in (("genome.fa.gz", dnafast.Genome), ("genes.bed.gz", dnafast.read_bed)):
        path = tmp_path / name
        path.write_bytes(sound + garbage)
        with pytest.raises(FormatError, match=rf"{name}: the compressed data is damaged \(something that is no gzip"):
            read(path)


@pytest.mark.parametrize("form", ["gzip", "bgzip"])
def test_zeros_may_follow(tmp_path: Path, form: str) -> None:
    """Archives pad to whole records; gzip itself passes over the zeros."""
    sound = compress(b">a\nACGT\n", form, tmp_path)
    for count in (1, 17, 18, 5000):
        assert text_of(tmp_path / "a.gz", sound + bytes(count)) == b">a\nACGT\n"


def test_bgzip_without_its_end_block(tmp_path: Path) -> None:
    """Cut at the border of a block every block is whole: only the missing end tells, whatever fills its place."""
    whole = compress(b">a\n" + b"ACGT" * 40_000, "bgzip", tmp_path)
    for rest in (b"", bytes(1), bytes(28), bytes(5000), b"garbage"):
        with pytest.raises(FormatError, match="ends too early; it is truncated"):
            text_of(tmp_path / "a.gz", whole[:-28] + rest)
    # More blocks, or ordinary gzip, may follow an end block or go without one: several files put together.
    assert text_of(tmp_path / "a.gz", whole + whole) == 2 * (b">a\n" + b"ACGT" * 40_000)
    assert text_of(tmp_path / "a.gz", whole[:-28] + gzip.compress(b"\nA")) == b">a\n" + b"ACGT" * 40_000 + b"\nA"
    plain = tmp_path / "peaks"
    plain.write_text("chr1\t1\t5\n" * 9000)
    path = tmp_path / "peaks.bed.gz"
    pysam.tabix_compress(str(plain), str(path))
    assert len(dnafast.read_bed(path)) == 9000
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(FormatError, match=r"peaks.bed.gz: .* truncated"):
        dnafast.read_bed(path)


@pytest.mark.parametrize("form", ["gzip", "bgzip"])
def test_any_cut_is_noticed(tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(3)
    sound = compress(oracle.random_letters(rng, 70_000).encode(), form, tmp_path)
    places = {*range(2, 60), *range(len(sound) - 60, len(sound)), *map(int, rng.integers(60, len(sound), 60))}
    for kept in sorted(places):
        with pytest.raises(FormatError, match="truncated"):
            text_of(tmp_path / "a.gz", sound[:kept])


@pytest.mark.parametrize("form", ["gzip", "bgzip"])
def test_any_damage_is_noticed_or_harmless(tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(4)
    text = oracle.random_letters(rng, 1500).encode()
    sound = compress(text, form, tmp_path)
    noticed = 0
    for trial in range(1200):
        data = bytearray(sound)
        for place in (
            rng.integers(2, len(data), int(rng.integers(1, 4))) if trial >= len(sound) else [trial % len(sound)]
        ):
            data[place] ^= int(rng.integers(1, 256))
        if not data.startswith(b"\x1f\x8b"):
            continue
        try:
            found = text_of(tmp_path / "a.gz", bytes(data), threads=1 + trial % 2)
        except FormatError:
            noticed += 1
        else:
            assert found == text, data
    assert noticed > 1000


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 5000])
def test_read_ahead(tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(1).bytes(1000)
    path = tmp_path / "data"
    path.write_bytes(data)
    assert b"".join(bytes(piece) for piece in read_ahead(path, size)) == data
    path.write_bytes(b"")
    assert list(read_ahead(path, size)) == []
