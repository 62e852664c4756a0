"""FASTA as it comes and its conversion."""

from __future__ import annotations

import gzip
import itertools
import pickle
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import py2bit
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


@given(st.binary(max_size=80) | st.text(">abACGTn- \t\r\n\0é", max_size=80).map(str.encode), st.integers(1, 90))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_a_genome_or_one_sentence(tmp_path: Path, data: bytes, cut: int) -> None:
    target = tmp_path / "genome.2bit"
    target.unlink(missing_ok=True)
    converter = _core.FastaConverter("source.fa", target, 2)
    try:
        converter.feed(data[:cut])
        converter.feed(memoryview(data)[cut:])
        converter.finish()
    except FormatError as error:
        message = str(error)
    else:
        genome = dnafast.Genome(target)
        assert sum(genome.contigs.values()) <= len(data)
        headers = [line[1:] for line in data.split(b"\n") if line.startswith(b">")]
        names = [re.split(rb"[ \t\r]", header)[0] for header in headers]
        assert list(genome.contigs) == [name.decode("utf-8", "surrogateescape") for name in names]
        message = "source.fa"
    assert "source.fa" in message
    assert "\n" not in message


def converted(tmp_path: Path, *pieces: bytes) -> str:
    """What becomes of text that comes in pieces: the genome's letters, or what is wrong."""
    target = tmp_path / "genome.2bit"
    target.unlink(missing_ok=True)
    converter = _core.FastaConverter("source.fa", target, 2)
    try:
        for piece in pieces:
            converter.feed(piece)
        converter.finish()
    except FormatError as error:
        return str(error)
    genome = dnafast.Genome(target)
    return genome.fetch("a", 0, genome.contigs["a"])


@pytest.mark.parametrize(
    "text", [b">a\nAC GT\n", b">a\nACGT \t\nAC  ", b">a\nAC\r\nGT\r", b">a\n \nAC\rGT\n", b"  >a\nA\n"]
)
def test_blanks_mean_the_same_wherever_text_is_cut(tmp_path: Path, text: bytes) -> None:
    expected = converted(tmp_path, text)
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            assert converted(tmp_path, text[:first], text[first:second], text[second:]) == expected


@pytest.mark.parametrize("blank", [2**20 - 1, 2**20, 2**20 + 1])
def test_a_blank_within_a_long_line_is_refused_wherever_it_stands(tmp_path: Path, blank: int) -> None:
    """A thread parses 1 MiB at a time."""
    text = bytearray(b">a\n" + b"A" * (3 << 20))
    text[blank] = ord(" ")
    assert converted(tmp_path, bytes(text)) == "source.fa, line 2: the byte 0x20 is no nucleotide letter"


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
        (b">a\nAC\n>b\0c\nAC\n", "genome.fa, line 3: a zero byte in the name of a contig"),
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


def test_very_many_contigs(write_fasta: WriteFasta, cache_folder: Path) -> None:
    rng = np.random.default_rng(12)
    letters = oracle.patchy_letters(rng, 5000)
    starts, sizes = rng.integers(0, 4900, 100_000), rng.integers(0, 60, 100_000)
    sequences = {f"scaffold_{i}": letters[s : s + n] for i, (s, n) in enumerate(zip(starts, sizes, strict=True))}
    path = write_fasta(sequences)
    genome = dnafast.Genome(path)
    again = dnafast.Genome(path)
    assert dict(genome.contigs) == dict(again.contigs) == {name: len(text) for name, text in sequences.items()}
    chosen = rng.integers(0, 100_000, 1000)
    names = list(sequences)
    rows = [(int(i), int(rng.integers(-5, 50)), int(rng.choice([-1, 1]))) for i in chosen]
    windows = oracle.window_table(names, rows, 20)
    expected = [oracle.base_codes(oracle.window_letters(sequences, names[i], s, 20, d)) for i, s, d in rows]
    for opened in (genome, again):
        np.testing.assert_array_equal(opened.encode(windows, dnafast.BaseCodes()), expected)
    twobit = py2bit.open(str(next(cache_folder.glob("*.2bit"))))
    assert twobit.chroms() == dict(genome.contigs)
    twobit.close()
    regions = dnafast.Regions.from_arrays(names, np.arange(100_000), np.zeros(100_000), sizes)
    cut = dnafast.windows(regions, length=10, genome=genome, at="centre", max_n=1.0)
    assert cut.flow["used"] == len(cut) == (sizes >= 10).sum()


def test_pickle_opens_the_file_again(write_fasta: WriteFasta, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_fasta(NASTY)
    monkeypatch.chdir(path.parent)
    pickled = pickle.dumps(dnafast.Genome(path.name))
    monkeypatch.chdir("/")
    check_letters(pickle.loads(pickled), NASTY)


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
