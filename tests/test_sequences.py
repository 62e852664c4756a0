"""FASTA files and tables of ready-made sequences, and the coordinates in their headers."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dnafast
from dnafast.sequences import SequenceTable, read_fasta, read_table, require_two_classes

needs_data = pytest.mark.skipif("DNAFAST_TEST_DATA" not in os.environ, reason="DNAFAST_TEST_DATA names no real data")


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def letters_of(table: SequenceTable) -> list[str]:
    return [row.tobytes().decode() for row in table.letters]


def test_fasta(tmp_path):
    text = ">one  two\nACgt\nnN\n\n>x\nRYACGT\n"
    for name, content in {"a.fa": text, "b.fa": text.replace("\n", "\r\n"), "c.fa": text.rstrip()}.items():
        table = read_fasta(write(tmp_path / name, content))
        assert letters_of(table) == ["ACGTNN", "NNACGT"]
        assert table.names == ("one  two", "x")
        assert table.report == {"iupac_as_n": 2}
        assert table.coordinates is table.labels is table.split is None
        assert (len(table), table.length, table.note) == (2, 6, "")
    zipped = tmp_path / "a.fa.gz"
    zipped.write_bytes(gzip.compress(text[:10].encode()) + gzip.compress(text[10:].encode()))
    assert letters_of(dnafast.read_fasta(zipped)) == letters_of(dnafast.read_fasta(zipped)) == ["ACGTNN", "NNACGT"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.fa is empty"),
        ("ACGT\n", r"a.fa, line 1: a header \('>'\) must come first, not 'ACGT'"),
        ("\n@read\nACGT\n", "line 2: a header"),
        (">a\nACGT\n>b\nACG\n", "line 4: this sequence has 3 bases, the first one has 4"),
        (">a\n\n>b\nACG\n", "line 2: the sequence is missing"),
        (">a\nACG\n>b\n", "line 4: the sequence is missing"),
        (">a\nACGT\n>b\nAC1T\n", "line 4: '1' at base 3 of this sequence is no base"),
        (">a\nAC-T\n", "line 2: '-' at base 3"),
        (">a\nACGU\n", "line 2: 'U' at base 4"),
        (">a\nAC GT\n", "line 2: ' ' at base 3"),
        (">a\nACGÄ\n", "at base 4"),
    ],
)
def test_fasta_errors(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_fasta(write(tmp_path / "a.fa", text))


def test_missing_and_truncated_files(tmp_path):
    for read in (read_fasta, read_table):
        with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.fa"):
            read(tmp_path / "none.fa")
        path = tmp_path / "cut.gz"
        path.write_bytes(gzip.compress(b">a\nACGT\n" * 99)[:-10])
        with pytest.raises(ValueError, match=r"cut\.gz: .* it is truncated"):
            read(path)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["chr1:10-14", "chr2:0-4(-)"], [("chr1", 10, 14, 0), ("chr2", 0, 4, -1)]),
        (["p|NC_1.3:5-9(+)|sigma70", "n|NC_1.3:6-10(.)"], [("NC_1.3", 5, 9, 1), ("NC_1.3", 6, 10, 0)]),
        (["name::chr1:1-5(-)", "x=chr1:2-6;y"], [("chr1", 1, 5, -1), ("chr1", 2, 6, 0)]),
        (["chr1:11-14", "chr1:1-4"], [("chr1", 10, 14, 0), ("chr1", 0, 4, 0)]),  # samtools: 1-based, closed
        (["chr1:10-14", "chr1:11-14"], None),
        (["chr1:10-14", "b"], None),
        (["chr1:10-15", "chr1:10-15"], None),
        (["a", "b"], None),
    ],
)
def test_coordinates_in_headers(tmp_path, headers, expected):
    table = read_fasta(write(tmp_path / "a.fa", "".join(f">{h}\nACGT\n" for h in headers)))
    if expected is None:
        assert table.coordinates is None
        assert table.note.endswith("not used") == (":" in headers[0])
        return
    found = table.coordinates
    assert [
        (found.contigs[c], s, e, strand)
        for c, s, e, strand in zip(found.contig, found.start, found.end, found.strand, strict=True)
    ] == expected
    assert "1-based" in table.note if headers[0] == "chr1:11-14" else "0-based" in table.note


dna = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.text("ACGTNacgtn", min_size=n, max_size=n), min_size=1, max_size=6)
)


@settings(max_examples=80, deadline=None)
@given(dna, st.integers(1, 13), st.sampled_from(["\n", "\r\n"]))
def test_fasta_that_is_written_is_read(tmp_path_factory, sequences, width, newline):
    lines = []
    for index, sequence in enumerate(sequences):
        lines += [f">{index}", *(sequence[i : i + width] for i in range(0, len(sequence), width))]
    path = tmp_path_factory.mktemp("fasta") / "a.fa"
    path.write_bytes(newline.join(lines).encode())
    table = read_fasta(path)
    assert letters_of(table) == [sequence.upper() for sequence in sequences]
    assert table.names == tuple(map(str, range(len(sequences))))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=50) | st.text(">ACGT\n,\t01\"'", max_size=50).map(str.encode))
def test_any_bytes_give_a_table_or_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "a.txt"
    path.write_bytes(content)
    for read in (read_fasta, read_table):
        try:
            message = read(path).path
        except ValueError as error:
            message = str(error)
        assert str(path) in message
        assert "\n" not in message


# ---------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("text", "split", "names"),
    [
        ("sequence,label\nACGT,1\nacgn,0\n", None, ("0", "1")),
        ("Seq,Class\r\nACGT,1\r\nacgn,0\r\n", None, ("0", "1")),
        ("dna\twhat\ty\nACGT\tx\t1\n\nacgn\ty\t0\n", None, ("0", "1")),
        (
            "split,label,name,sequence\ntrain,1,chr1:0-4,ACGT\ntest,0,chr1:4-8,ACGN",
            ("train", "test"),
            ("chr1:0-4", "chr1:4-8"),
        ),
        ('"sequence","label"\n"ACGT","1"\n"ACGN","0"\n', None, ("0", "1")),
    ],
)
def test_tables(tmp_path, text, split, names):
    plain, zipped = write(tmp_path / "t.csv", text), tmp_path / "t.csv.gz"
    zipped.write_bytes(gzip.compress(text.encode()))
    for path in (plain, zipped):
        table = read_table(path)
        assert letters_of(table) == ["ACGT", "ACGN"]
        assert table.labels.tolist() == [1, 0]
        assert table.labels.dtype == np.int8
        assert table.split == split
        assert table.names == names
        assert (table.coordinates is not None) == (split is not None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv is empty"),
        ("sequence\nACGT\n", "line 1: a table needs the columns sequence and label"),
        ("sequence,label\n", "has a header but no row"),
        ("ACGT,1\nACGT,0\n", "line 1: the header is missing"),
        ("sequence,label\nACGT,1\nACGT,2\n", "line 3: label '2' is neither 0 nor 1"),
        ("sequence,label\nACGT,\n", "line 2: label '' is neither"),
        ("sequence,label\nACGT\n", "line 2: 1 column, but the header has 2"),
        ("sequence,label\nACGT,1\n\nACG,1\n", "line 4: this sequence has 3 bases"),
        ("sequence,label\nAC*T,1\n", r"line 2: '\*' at base 3"),
        ("sequence,label\n,1\n", "line 2: the sequence is missing"),
        ("#contig\tstart\tend\tlabel\na\t1\t2\t1\n", "t.csv is a table of windows .* add --fasta GENOME"),
        ("split,sequence,label\ntrain,ACGT,1\n\n ,ACGT,1\n", "line 4: the split is missing: train, valid or test"),
        ("group,sequence,label\n1,ACGT,1\n,ACGT,1\n", "line 3: the group is missing: rows of one group are kept"),
        ("sequence,label,Label\nACGT,1,0\n", "line 1: the header names 'label' and 'label': which?"),
        ("\nseq,sequence,label\nACGT,ACGT,1\n", "line 2: the header names 'seq' and 'sequence': which?"),
        ("My promoters\nsequence,label\nACGT,1\n", "line 1: 'My promoters' is not a header with columns sequence and"),
        ("\na,b\nx,ACGT,1\n", r"line 2: 'a,b' is not a header .* \(it has 2 columns, line 3 has 3 columns\)"),
    ],
)
def test_table_errors(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        dnafast.read_table(write(tmp_path / "t.csv", text))


@pytest.mark.parametrize(("cells", "numbers"), [("7 7 -2", [7, 7, -2]), ("b a b", [0, 1, 0]), ("1 1.5 1", [0, 1, 0])])
def test_groups_of_a_table(tmp_path, cells, numbers):
    rows = "".join(f"ACGT,1,{cell}\n" for cell in cells.split())
    table = dnafast.read_table(write(tmp_path / "t.csv", "\nsequence,label,group\n" + rows))
    assert table.group.tolist() == numbers
    assert table.lines == (3, 4, 5)


def test_two_files_of_one_class_each(tmp_path):
    positives = read_fasta(write(tmp_path / "p.fa", ">b:1-5\nACGT\n>a:1-5\nACGR\n"))
    negatives = read_fasta(write(tmp_path / "n.fa", ">a:9-13\nGGGG\n"))
    both = SequenceTable.from_classes(positives, negatives)
    assert both.labels.tolist() == [1, 1, 0]
    assert letters_of(both) == ["ACGT", "ACGN", "GGGG"]
    assert both.names == ("b:1-5", "a:1-5", "a:9-13")
    assert both.report == {"iupac_as_n": 1}
    assert [both.coordinates.contigs[c] for c in both.coordinates.contig] == ["b", "a", "a"]
    bare = read_fasta(write(tmp_path / "m.fa", ">x\nGGGG\n"))
    assert SequenceTable.from_classes(positives, bare).coordinates is None
    longer = read_fasta(write(tmp_path / "l.fa", ">x\nGGGGG\n"))
    with pytest.raises(ValueError, match=r"p\.fa have 4 bases, those of .*l\.fa 5"):
        SequenceTable.from_classes(positives, longer)


def test_two_classes_are_required():
    require_two_classes(np.array([0, 1, -1], np.int8), "t.csv")
    with pytest.raises(ValueError, match=r"t\.csv holds one class only \(all 3 labels are 1\)"):
        require_two_classes(np.ones(3, np.int8), "t.csv")
    with pytest.raises(ValueError, match="it has no label"):
        require_two_classes(np.array([], np.int8), "t.csv")


# ---------------------------------------------------------------- real data


@needs_data
def test_promoters_lie_where_their_headers_say():
    pysam = pytest.importorskip("pysam")
    data = Path(os.environ["DNAFAST_TEST_DATA"])
    folder = data / "sequences/ecoli_promoter_81bp"
    table = SequenceTable.from_classes(read_fasta(folder / "positive.fa.gz"), read_fasta(folder / "negative.fa.gz"))
    assert np.bincount(table.labels).tolist() == [1_980, 1_992]
    where = table.coordinates
    complement = bytes.maketrans(b"ACGT", b"TGCA")
    with pysam.FastaFile(str(data / "genomes/ecoli_k12_mg1655.fa.gz")) as genome:
        for row in range(len(table)):
            found = genome.fetch(genome.references[0], where.start[row], where.end[row]).upper().encode()
            if where.strand[row] < 0:
                found = found.translate(complement)[::-1]
            assert found == table.letters[row].tobytes()


@needs_data
def test_real_sequences():
    folder = Path(os.environ["DNAFAST_TEST_DATA"]) / "sequences"
    assert read_fasta(folder / "nanog_h1_200bp/pos_train.fa.gz").coordinates is not None
    assert read_fasta(folder / "chip_ctcf_pu1_100bp/pu1.fa.gz").coordinates is not None
    assert read_fasta(folder / "arabidopsis_promoter_251bp/tata.fa.gz").coordinates is None
    table = read_table(folder / "gue_tf_0_101bp/test.csv.gz")
    assert np.bincount(table.labels).tolist() == [500, 500]
    with pytest.raises(ValueError, match=r"line \d+: label '2' is neither 0 nor 1"):
        read_table(folder / "gue_splice_400bp/dev.csv.gz")
    with pytest.raises(ValueError, match="line 4: this sequence has 255 bases, the first one has 267"):
        read_fasta(folder / "k562_dhs_noble2005/dhs.fa.gz")
