"""FASTA as it comes, its conversion and the cache."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import pickle
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyfaidx
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dnafast
import oracle
from dnafast import _core
from dnafast.genome import FormatError
from test_genome import NASTY, check_letters

WriteFasta = Callable[..., Path]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last_end", [True, False])
@pytest.mark.parametrize("width", [1, 7, 60, 10_000])
def test_line_forms(write_fasta: WriteFasta, end: str, last_end: bool, width: int) -> None:
    genome = dnafast.Genome(write_fasta(NASTY, end=end, last_end=last_end, width=width))
    check_letters(genome, NASTY)
    assert genome.report == {"iupac_as_n": sum(c.upper() in oracle.IUPAC for s in NASTY.values() for c in s)}


def test_blank_lines_descriptions_and_trailing_space(tmp_path: Path) -> None:
    path = tmp_path / "genome.fa"
    path.write_bytes(b"\n  \n>a first one\nAC\n\nGT \n\t\n>b\tsecond\n>c\r\n\r\nacg\r\n\n")
    check_letters(dnafast.Genome(path), {"a": "ACGT", "b": "", "c": "acg"})


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


@given(
    text=st.lists(st.sampled_from(["ACGT", "acgt", "N", "nNr", "\n", "\r\n", "\n>a b\n", "\n>c\n"]), max_size=40),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_text_cut_anywhere_reads_the_same(tmp_path: Path, text: list[str], cuts: list[int]) -> None:
    data = (">first\n" + "".join(text)).encode()
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in itertools.pairwise(bounds)]
    results = []
    for number, parts in enumerate(([data], pieces, [data[i : i + 1] for i in range(len(data))])):
        target = tmp_path / f"{number}.2bit"
        target.unlink(missing_ok=True)
        converter = _core.FastaConverter("memory", str(target), 1 + number)
        try:
            for part in parts:
                converter.feed(part)
            results.append((converter.finish(), target.read_bytes()))
        except FormatError as error:
            results.append((-1, str(error).encode()))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("width", [60, 61, 5_000_000, 10**9])
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_pieces_of_a_large_file(write_fasta: WriteFasta, width: int, threads: int) -> None:
    """Larger than what one thread parses at a time, with lines shorter and longer than that."""
    rng = np.random.default_rng(8)
    block = oracle.patchy_letters(rng, 10_007)
    sequences = {"a": block * 500 + "ACG", "b": "", "c": block * 310 + "n", "d": "A"}
    path = write_fasta(sequences, width=width)
    check_letters_quickly(dnafast.Genome(path, threads=threads), sequences)


def check_letters_quickly(genome: dnafast.Genome, sequences: dict[str, str]) -> None:
    assert dict(genome.contigs) == {name: len(letters) for name, letters in sequences.items()}
    for name, letters in sequences.items():
        assert genome.fetch(name, 0, len(letters)) == letters


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "genome.fa: the file is empty"),
        (b"\n\n \n", "genome.fa: the file is empty"),
        (b"ACGT\n", "genome.fa, line 1: sequence stands before the first header"),
        (b"hello world\n", "genome.fa, line 1: 'e' is no nucleotide letter, and no header stands before it"),
        (b">a\nAC\n>\nAC\n", "genome.fa, line 3: a header without a name after '>'"),
        (b">a\nAC\n> b\nAC\n", "genome.fa, line 3: a header without a name after '>'"),
        (b">a\nAC\n>b\nAC\n>a\nGG\n", "genome.fa, line 5: contig 'a' is there already, from line 1"),
        (b">a\nAC\nA-T\n", "genome.fa, line 3: '-' is no nucleotide letter"),
        (b">a\nAC\n\nACE\n", "genome.fa, line 4: 'E' is no nucleotide letter"),
        (b">a\nAC GT\n", "genome.fa, line 2: the byte 0x20 is no nucleotide letter"),
        (b">a\nAC\xc3\xa9T\n", "genome.fa, line 2: the byte 0xC3 is no nucleotide letter"),
        (b">a\nAC>T\n", "genome.fa, line 2: '>' is no nucleotide letter"),
        (b">" + b"x" * 256 + b"\nAC\n", "genome.fa, line 1: a contig name of 256 bytes"),
        (b">a\rACGT\r>b\rGG\r", "genome.fa, line 1: a carriage return within the line"),
    ],
)
def test_bad_text(tmp_path: Path, cache_folder: Path, text: bytes, message: str) -> None:
    for name, data in (("genome.fa", text), ("genome.fa.gz", gzip.compress(text))):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(FormatError) as raised:
            dnafast.Genome(path)
        assert message.replace("genome.fa", str(path)) in str(raised.value)
        assert "\n" not in str(raised.value)
        assert not list(cache_folder.iterdir()), "nothing half-written stays behind"


def test_line_of_a_bad_letter_far_into_a_file(write_fasta: WriteFasta) -> None:
    letters = "ACGTN" * 1_400_000
    path = write_fasta({"a": letters[:-3] + "!" + letters[:100]}, width=70)
    line = 2 + (len(letters) - 3) // 70
    for threads in (1, 2):
        with pytest.raises(FormatError, match=f"line {line}: '!' is no nucleotide letter"):
            dnafast.Genome(path, threads=threads)


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


def test_garbage_after_gzip(tmp_path: Path) -> None:
    path = tmp_path / "genome.fa.gz"
    path.write_bytes(gzip.compress(b">a\nACGT\n") + b"more")
    with pytest.raises(FormatError, match=r"damaged|truncated"):
        dnafast.Genome(path)


@pytest.mark.parametrize(("start", "name"), [(b"BZh91", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"PK\x03\x04", "zip")])
def test_other_compressions(tmp_path: Path, start: bytes, name: str) -> None:
    path = tmp_path / "genome.fa"
    path.write_bytes(start + bytes(100))
    with pytest.raises(FormatError, match=f"compressed by {name}; use plain, gzip or bgzip"):
        dnafast.Genome(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"genome file '.*absent.fa' does not exist"):
        dnafast.Genome(tmp_path / "absent.fa")
    with pytest.raises(ValueError, match="is no file"):
        dnafast.Genome(tmp_path)


def test_cache_is_used(write_fasta: WriteFasta, cache_folder: Path) -> None:
    path = write_fasta(NASTY)
    first = dnafast.Genome(path)
    entries = {entry: entry.stat().st_mtime_ns for entry in cache_folder.iterdir()}
    assert sorted(entry.suffix for entry in entries) == [".2bit", ".json"]
    second = dnafast.Genome(path)
    assert {entry: entry.stat().st_mtime_ns for entry in cache_folder.iterdir()} == entries
    assert second.report == first.report
    check_letters(second, NASTY)
    record = json.loads(next(cache_folder.glob("*.json")).read_text())
    assert record["iupac_as_n"] == first.report["iupac_as_n"]


def test_a_changed_file_is_converted_anew(write_fasta: WriteFasta, cache_folder: Path) -> None:
    path = write_fasta({"a": "ACGT"})
    old = dnafast.Genome(path)
    (twobit,) = cache_folder.glob("*.2bit")
    family = ".".join(twobit.name.split(".")[:-2])
    left_behind, in_progress = cache_folder / f"{family}.0.tmp", cache_folder / f"{family}.1.tmp"
    for temporary in (left_behind, in_progress):
        temporary.write_text("")
    os.utime(left_behind, ns=(1, 1))
    write_fasta({"a": "TTTT"})
    os.utime(path, ns=(1, 1))
    assert dnafast.Genome(path).fetch("a", 0, 4) == "TTTT"
    assert old.fetch("a", 0, 4) == "ACGT", "what is open stays as it was"
    assert in_progress.exists()
    assert len(list(cache_folder.iterdir())) == 3, "the outdated entry is gone"


def test_files_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for folder, letters in (("x", "ACGT"), ("y", "GGGG")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "genome.fa").write_text(f">a\n{letters}\n")
        os.utime(tmp_path / folder / "genome.fa", ns=(5, 5))
    assert dnafast.Genome(tmp_path / "x" / "genome.fa").fetch("a", 0, 4) == "ACGT"
    assert dnafast.Genome(tmp_path / "y" / "genome.fa").fetch("a", 0, 4) == "GGGG"
    assert dnafast.Genome(tmp_path / "x" / "genome.fa").fetch("a", 0, 4) == "ACGT"


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "no_json", "no_twobit", "bad_json", "old_format"])
def test_an_unsound_entry_is_made_anew(write_fasta: WriteFasta, cache_folder: Path, damage: str) -> None:
    path = write_fasta(NASTY)
    dnafast.Genome(path)
    (twobit,) = cache_folder.glob("*.2bit")
    (sidecar,) = cache_folder.glob("*.json")
    if damage == "truncated":
        twobit.write_bytes(twobit.read_bytes()[:-1])
    elif damage == "flipped":
        twobit.write_bytes(bytes([twobit.read_bytes()[0] ^ 1]) + twobit.read_bytes()[1:])
    elif damage == "empty":
        twobit.write_bytes(b"")
    elif damage == "no_json":
        sidecar.unlink()
    elif damage == "no_twobit":
        twobit.unlink()
    elif damage == "bad_json":
        sidecar.write_text(sidecar.read_text()[:20])
    else:
        record = json.loads(sidecar.read_text())
        record["origin"]["format"] = 0
        sidecar.write_text(json.dumps(record))
    check_letters(dnafast.Genome(path), NASTY)
    assert len(list(cache_folder.iterdir())) == 2


def test_cache_that_cannot_be_written(tmp_path: Path, write_fasta: WriteFasta, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("DNAFAST_CACHE", str(blocked / "cache"))
    with pytest.raises(OSError, match=r"into the cache folder '.*file/cache'.*set DNAFAST_CACHE to"):
        dnafast.Genome(write_fasta(NASTY))


def test_default_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dnafast.genome import cache_folder

    monkeypatch.delenv("DNAFAST_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dnafast"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "dnafast"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "dnafast"


def test_processes_that_convert_at_once(write_fasta: WriteFasta, cache_folder: Path) -> None:
    path = write_fasta({"a": "ACGTTGCA" * 400_000})
    code = f"import dnafast; g = dnafast.Genome({str(path)!r}); assert g.fetch('a', 8, 16) == 'ACGTTGCA'"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert sorted(entry.suffix for entry in cache_folder.iterdir()) == [".2bit", ".json"]


def test_reopening_is_fast(write_fasta: WriteFasta) -> None:
    path = write_fasta({f"contig{i}": "ACGTn" * 20 + "acgtC" * 2000 for i in range(500)})
    dnafast.Genome(path)
    seconds = []
    for _ in range(9):
        begin = time.perf_counter()
        dnafast.Genome(path)
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 0.01


def test_pickle_opens_the_file_again(write_fasta: WriteFasta) -> None:
    genome = pickle.loads(pickle.dumps(dnafast.Genome(write_fasta(NASTY))))
    check_letters(genome, NASTY)


def test_equals_pyfaidx_and_pysam(write_fasta: WriteFasta) -> None:
    rng = np.random.default_rng(6)
    sequences = {f"contig{i}": oracle.patchy_letters(rng, n) for i, n in enumerate([1, 59, 60, 61, 1000, 12_345])}
    path = write_fasta(sequences)
    genome = dnafast.Genome(path)
    with pyfaidx.Fasta(str(path)) as faidx, pysam.FastaFile(str(path)) as fasta:
        for name, letters in sequences.items():
            for _ in range(20):
                start, end = np.sort(rng.integers(0, len(letters) + 1, 2))
                ours = genome.fetch(name, int(start), int(end))
                assert ours == fasta.fetch(name, start, end)
                assert ours == (faidx[name][int(start) : int(end)].seq if end > start else "")


def test_real_genomes_equal_pysam(data_folder: Path) -> None:
    for name in ("sacCer3.fa.gz", "hg19_windows.fa.gz"):
        genome = dnafast.Genome(data_folder / "genomes" / name)
        with pysam.FastaFile(str(data_folder / "genomes" / name)) as fasta:
            assert dict(genome.contigs) == dict(zip(fasta.references, fasta.lengths, strict=True))
            for contig, length in genome.contigs.items():
                ours, theirs = genome.fetch(contig, 0, length), fasta.fetch(contig)
                assert zlib.crc32(ours.encode()) == zlib.crc32(theirs.encode()), contig
