"""Reading BED and its kin, the contig-name check, and the sweeps against brute force."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pandas
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dnafast
from dnafast.regions import (
    Regions,
    default_contigs,
    inside_mask,
    locate,
    merge,
    overlap_mask,
    read_bed,
    subtract,
    whole_contigs,
)

NARROW = "chr1\t100\t200\tpeak_1\t866\t.\t1.5\t2.25\t0.5\t70\nchr2\t5\t15\t.\t.\t-\t3\t-1\t-1\t-1\n"


def write(path: Path, text: str, newline: str = "\n") -> Path:
    path.write_bytes(text.replace("\n", newline).encode())
    return path


# ---------------------------------------------------------------- reading


def test_narrow_peak_columns(tmp_path):
    regions = read_bed(write(tmp_path / "a.narrowPeak", NARROW))
    assert regions.contigs == ("chr1", "chr2")
    assert regions.contig.tolist() == [0, 1]
    assert regions.start.tolist() == [100, 5]
    assert regions.end.tolist() == [200, 15]
    assert regions.name.tolist() == ["peak_1", ""]
    assert regions.strand.tolist() == [0, -1]
    assert regions.signal.tolist() == [1.5, 3.0]
    assert regions.summit.tolist() == [170, -1]
    np.testing.assert_array_equal(regions.score, [866, np.nan])
    assert regions.path == str(tmp_path / "a.narrowPeak")


@pytest.mark.parametrize(
    ("name", "line", "signal", "summit"),
    [
        ("ENCFF001.bed", "1\t1\t9\tn\t0\t+\t1.5\t2\t3\t4", 1.5, 5),  # ten columns say narrowPeak, whatever the name
        ("a.bed", "1\t1\t9\tn\t0\t+\t1.5\t2\t3", 1.5, -1),  # broadPeak
        ("a.broadPeak", "1\t1\t9\tn\t0\t+\t1\t2\t3", 1.0, -1),
        ("a.bed", "1\t1\t9\tn\t0\t+\t1\t9\t0", np.nan, -1),  # BED9, itemRgb 0
        ("a.bed", "1\t1\t9\tn\t0\t+\t1\t9\t255,0,0", np.nan, -1),
        ("a.bed", "1\t1\t9\tn\t0\t+\t1\t9\t255,0,0\t1\t8\t0", np.nan, -1),  # BED12
        ("a.bed", "1\t1\t9\tn\t0\t+\t1\t9\t255,0,0\t1", np.nan, -1),  # BED10
    ],
)
def test_layout_is_told_from_the_columns(tmp_path, name, line, signal, summit):
    regions = read_bed(write(tmp_path / name, line + "\n"))
    np.testing.assert_array_equal(regions.signal, [signal])
    assert regions.summit.tolist() == [summit]
    assert regions.strand.tolist() == [1]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("compression", ["plain", "gzip", "two members"])
def test_compression_line_ends_and_lines_to_skip(tmp_path, newline, compression):
    text = "browser position chr1\ntrack type=narrowPeak name=x\n# c\n\n   \ntrack1\t1\t2\nb 3   7\n\nc\t5\t9"
    data = text.replace("\n", newline).encode()
    if compression == "gzip":
        data = gzip.compress(data)
    elif compression == "two members":  # as in bgzip
        data = gzip.compress(data[:40]) + gzip.compress(data[40:])
    path = tmp_path / "a.bed"
    path.write_bytes(data)
    regions = read_bed(path)
    assert regions.contigs == ("track1", "b", "c")
    assert regions.start.tolist() == [1, 3, 5]
    assert regions.end.tolist() == [2, 7, 9]


TEXTS = {
    "BED12": "chr1 100 200 one 5 + 110 190 255,0,0 2 10,20 0,80\nchr2 5 15 two 6 - 5 15 0 1 10 0",
    "narrowPeak": "chr1 100 200 peak_1 866 . 1.5 2.25 0.5 70\nchr2 5 15 . . - 3 -1 -1 -1",
    "broadPeak": "chr1 100 200 b 7 . 1.5 2.5 -1\nchr2 5 15 . 0 + 3 2 1.5",
    "hotspot": "chr1 100 200 14.5 8 0 id 1 2 3 4 5 6\nchr2 5 15 15 7 0 id 1 2 3 4 5 6",
}
FORMATS = {name: [line.split() for line in text.splitlines()] for name, text in TEXTS.items()}
FORMATS.update({f"BED{n}": [row[:n] for row in FORMATS["BED12"]] for n in range(3, 12)})


@pytest.mark.parametrize("compression", ["plain", "gzip", "bgzip"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_in_every_wrapping(tmp_path, form, newline, compression):
    rows = FORMATS[form]
    path = tmp_path / "regions"
    path.write_bytes(newline.join(["#gz", *("\t".join(row) for row in rows)]).encode())
    if compression == "gzip":
        path.write_bytes(gzip.compress(path.read_bytes()))
    elif compression == "bgzip":
        pysam.tabix_compress(str(path), str(tmp_path / "packed"))
        path = tmp_path / "packed"
    regions = read_bed(path, columns=3 if form == "hotspot" else "auto")
    assert [regions.contigs[i] for i in regions.contig] == ["chr1", "chr2"]
    assert (regions.start.tolist(), regions.end.tolist()) == ([100, 5], [200, 15])
    width = 3 if form == "hotspot" else len(rows[0])
    empty = ["", ""]
    assert regions.name.tolist() == (empty if width < 4 else [row[3].removeprefix(".") for row in rows])
    expected_score = [np.nan, np.nan] if width < 5 else [float(row[4].replace(".", "nan")) for row in rows]
    np.testing.assert_array_equal(regions.score, expected_score)
    strands = {"+": 1, "-": -1, ".": 0}
    assert regions.strand.tolist() == ([0, 0] if width < 6 else [strands[row[5]] for row in rows])
    peaks = form.endswith("Peak")
    np.testing.assert_array_equal(regions.signal, [1.5, 3] if peaks else [np.nan, np.nan])
    assert regions.summit.tolist() == ([170, -1] if form == "narrowPeak" else [-1, -1])


def test_columns_reads_only_so_many(tmp_path):
    path = write(tmp_path / "hotspot.bed", "chr1\t1\t9\t14.5\t8\t0\tx\nchr1\t2\t9\t15\t7\t0\n")
    with pytest.raises(ValueError, match=r"hotspot.bed, line 2: 6 columns, but line 1 has 7"):
        read_bed(path)
    path = write(tmp_path / "hotspot.bed", "chr1\t1\t9\t14.5\t8\t0\tx\nchr1\t2\t9\t15\t7\t0\ty\n")
    with pytest.raises(ValueError, match=r"hotspot.bed, line 1: strand '0' is none of .* --columns 3 .columns=3.$"):
        read_bed(path)
    three, four, five = (read_bed(path, columns=k) for k in (3, 4, 5))
    assert three.name.tolist() == ["", ""]
    assert four.name.tolist() == ["14.5", "15"]
    assert np.isnan(four.score).all()
    assert five.score.tolist() == [8.0, 7.0]
    with pytest.raises(ValueError, match=r"line 1: strand '0' is none of '\+', '-', '\.'$"):
        read_bed(path, columns=6)
    with pytest.raises(ValueError, match="line 1: 7 columns, but at least 10 columns"):
        read_bed(path, columns="narrowPeak")
    with pytest.raises(ValueError, match="columns must be one of 'auto', 3, 4"):
        read_bed(path, columns=7)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t5", "2 columns, but at least 3 columns"),
        ("chr1", "1 column, but at least 3"),
        ("chr1\tx\t9", "start 'x' is not an integer"),
        ("chr1\t1\t9.5", "end '9.5' is not an integer"),
        ("chr1\t\t9", "start '' is not an integer"),
        ("chr1\t-\t9", "start '-' is not an integer"),
        ("chr1\t1_0\t90", "start '1_0' is not an integer"),
        ("chr1\t1\t9999999999999999999", "end '9999999999999999999' is too large"),
        ("chr1\t100000000000000000000\t9", "start '100000000000000000000' is too large"),
        ("chr1\t1\t99999999999999999999x", "end '99999999999999999999x' is not an integer"),
        ("chr1\t5\t6\tn\tnan", "score 'nan' is not a number .'.' stands for an absent one"),
        ("chr1\t5\t9\tn\t0\t.\tNaN\t1\t1\t1", "signal 'NaN' is not a number"),
        ("chr1\t-5\t9", "start -5 is negative"),
        ("chr1\t9\t5", "start 9 lies after end 5"),
        ("chr1\t5\t5", "start and end are both 5"),
        ("\t5\t6", "the name of the contig is missing"),
        ("chr1\t5\t6\tn\tabc", "score 'abc' is not a number"),
        ("chr1\t5\t6\tn\t", "score '' is not a number"),
        ("chr1\t5\t6\tn\t0\t*", r"strand '\*' is none of"),
        ("chr1\t5\t6\tn\t0\t", "strand '' is none of"),
        ("chr1\t5\t9\tn\t0\t.\t1\t1\t1\t4", "summit 4 lies outside the peak of 4 bases"),
        ("chr1\t5\t9\tn\t0\t.\t1\t1\t1\t-2", "summit -2 lies outside"),
        ("chr1\t5\t9\tn\t0\t.\tx\t1\t1\t1", "signal 'x' is not a number"),
        ("chr1\t5\t9\tn\t0\t.\t1\t1\t1\t1.5", "summit '1.5' is not an integer"),
    ],
)
def test_errors_name_file_line_and_value(tmp_path, line, message):
    good = {3: "c\t1\t2", 5: "c\t1\t2\t.\t1", 6: "c\t1\t2\t.\t1\t+", 10: "c\t1\t2\t.\t1\t+\t1\t1\t1\t0"}
    lead = good.get(line.count("\t") + 1, good[3])
    path = write(tmp_path / "a.narrowPeak", f"#\n{lead}\n{line}\n{lead}\n")
    with pytest.raises(ValueError, match=rf"a\.narrowPeak, line 3: {message}"):
        read_bed(path)


def test_unreadable_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.bed"):
        read_bed(tmp_path / "none.bed")
    with pytest.raises(ValueError, match="is a folder"):
        read_bed(tmp_path)
    whole = gzip.compress(NARROW.encode() * 50)
    for content, message in [
        (b"", "is empty"),
        (gzip.compress(b"\n \n"), "is empty"),
        (b"# only\ntrack x\n", "holds no region"),
        (whole[:-20], "it is truncated"),
        (b"\x1f\x8b" + b"x" * 30, "compressed data is damaged"),
        (b"chr1\t1\t\x00", "binary file"),
        (b"chr1\t1\t2\nchr\xff\t1\t2\n", "line 2: byte 0xff is no UTF-8"),
    ]:
        path = tmp_path / "bad.bed"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_bed(path)


field = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n\0\x0b\x0c\x1c\x1d\x1e\x85"), max_size=6)
interval = st.tuples(
    st.sampled_from(["chr1", "chrX", "1", "contig.7", "NC_1|é"]), st.integers(0, 10**12), st.integers(1, 10**6)
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(interval, field, st.sampled_from("+-."), st.floats(0, 1e6)), min_size=1, max_size=8),
    st.integers(3, 6),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_what_is_written_is_read(tmp_path_factory, rows, width, newline, last_line_ends):
    lines = [
        "\t".join([contig, str(start), str(start + size), name, repr(score), strand][:width])
        for (contig, start, size), name, strand, score in rows
    ]
    path = tmp_path_factory.mktemp("bed") / "a.bed"
    path.write_bytes((newline.join(lines) + newline * last_line_ends).encode())
    regions = read_bed(path)
    assert [regions.contigs[i] for i in regions.contig] == [contig for (contig, _, _), *_ in rows]
    assert regions.start.tolist() == [start for (_, start, _), *_ in rows]
    assert regions.end.tolist() == [start + size for (_, start, size), *_ in rows]
    if width > 3:
        assert regions.name.tolist() == ["" if name == "." else name for _, name, *_ in rows]
    if width > 4:
        assert regions.score.tolist() == [score for *_, score in rows]
    if width > 5:
        assert regions.strand.tolist() == [{"+": 1, "-": -1, ".": 0}[strand] for *_, strand, _ in rows]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text("chr1\t 0-9.+#\n\r", max_size=60).map(str.encode))
def test_any_bytes_give_regions_or_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bed") / "a.bed"
    path.write_bytes(content)
    try:
        regions = read_bed(path)
    except ValueError as error:
        message = str(error)
    else:
        message = str(path)
        assert (regions.start < regions.end).all()
        assert (regions.start >= 0).all()
    assert str(path) in message
    assert "\n" not in message


# ---------------------------------------------------------------- the table


def test_public_name_can_be_called_twice(tmp_path):
    path = write(tmp_path / "a.bed", "a\t1\t2\n")
    assert len(dnafast.read_bed(path)) == len(dnafast.read_bed(path)) == 1


def test_to_pandas_and_back(tmp_path):
    regions = read_bed(write(tmp_path / "a.narrowPeak", NARROW))
    frame = regions.to_pandas()
    assert frame.columns.tolist() == ["contig", "start", "end", "name", "score", "strand", "signal", "summit"]
    again = Regions.from_pandas(frame)
    pandas.testing.assert_frame_equal(again.to_pandas(), frame)
    ucsc = pandas.DataFrame({"chrom": ["1"], "chromStart": [3], "chromEnd": [4], "strand": [-1]})
    assert Regions.from_pandas(ucsc).strand.tolist() == [-1]
    with pytest.raises(ValueError, match="no column 'end'"):
        Regions.from_pandas(frame.drop(columns="end"))
    with pytest.raises(ValueError, match=r"strand holds '\*'"):
        Regions.from_pandas(frame.assign(strand="*"))


def test_rows_and_concatenation():
    a = Regions.from_arrays(["x", "y"], [0, 1, 1], [1, 2, 3], [4, 5, 6], strand=[1, 0, -1], name=["i", "j", "k"])
    b = Regions.from_arrays(["y", "z"], [0, 1], [7, 8], [9, 10])
    both = Regions.concatenate([a, b])
    assert both.contigs == ("x", "y", "z")
    assert both.contig.tolist() == [0, 1, 1, 1, 2]
    assert both.name.tolist() == ["i", "j", "k", "", ""]
    assert a[[True, False, True]].name.tolist() == ["i", "k"]
    assert a[[2, 0]].start.tolist() == [3, 1]
    assert a[1:].start.tolist() == [2, 3]
    assert a[1].start.tolist() == [2]
    assert len(a[[]]) == len(a[:0]) == len(Regions.concatenate([])) == 0
    assert a[:0].to_pandas().shape == (0, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"contig": [1], "start": [1], "end": [2]}, "contig must be an index"),
        ({"contig": [0], "start": [-1], "end": [2]}, "start must not be negative: row 0 is a:-1-2"),
        ({"contig": [0], "start": [3], "end": [2]}, "end must not lie before start"),
        ({"contig": [0], "start": [1], "end": [2], "strand": 2}, "strand must be"),
        ({"contig": [0], "start": [1, 2], "end": [2]}, "start has shape"),
    ],
)
def test_invalid_tables(arguments, message):
    with pytest.raises(ValueError, match=message):
        Regions.from_arrays(["a"], **arguments)


# ---------------------------------------------------------------- regions and genome


def test_repr(tmp_path):
    path = write(tmp_path / "a.bed", "chr1\t1\t2\nchr2\t1\t2\n")
    assert repr(read_bed(path)) == f"Regions(2 regions on 2 contigs, from {path})"
    assert repr(Regions.from_arrays(["a"], [0], [1], [2])) == "Regions(1 region on 1 contig)"


def test_locate_drops_the_few_and_counts_them():
    regions = Regions.from_arrays(["b", "a", "q"], [0, 1, 1, 2, 0], [0, 5, 5, 1, 1], [10, 20, 21, 2, 2])
    located, counts = locate(regions, {"a": 20, "b": 10})
    assert counts == {"read": 5, "unknown_contig": 1, "past_end": 1, "kept": 3}
    assert located.contigs == ("a", "b")
    assert located.contig.tolist() == [1, 0, 1]
    assert located.start.tolist() == [0, 5, 1]


def test_locate_refuses_another_naming_style():
    regions = Regions.from_arrays(["chr1", "chr2"], [0, 1], [1, 1], [2, 2], path="x.bed")
    with pytest.raises(
        ValueError, match=r"2 of 2 .*x\.bed.*'chr1', 'chr2'.*genome has '1', '2', '3' and 1 more.*--outside drop"
    ):
        locate(regions, {"1": 9, "2": 9, "3": 9, "4": 9})
    for here, there in (("1", "chr1"), ("chr1", "1"), ("chrM", "MT"), ("MT", "chrM")):
        twins = Regions.from_arrays(["q", here], [0, 1, 1], [1, 1, 1], [2, 2, 2])
        with pytest.raises(ValueError, match=rf"'{here}' here is probably '{there}' there: rename the contigs of one"):
            locate(twins, {there: 9})
    with pytest.raises(ValueError, match="the genome has 'x'; use a genome of the same assembly, or drop"):
        locate(regions, {"x": 9})
    assert locate(regions, {"1": 9}, outside="drop")[1]["kept"] == 0
    half = Regions.from_arrays(["a", "b"], [0, 1], [1, 1], [2, 2])
    with pytest.raises(ValueError, match="1 of 2 regions"):
        locate(half, {"a": 5})
    with pytest.raises(
        ValueError, match=r"2 of 2 regions .* past the end of their contig: a:1-2 for one, where the genome's a has 1"
    ):
        locate(half, {"a": 1, "b": 1})
    with pytest.raises(ValueError, match="outside must be"):
        locate(half, {"a": 5}, outside="keep")
    assert len(locate(half[:0], {"a": 5})[0]) == 0


def test_default_contigs():
    kept = ["chr1", "chrX", "1", "22", "X", "chrI", "NC_000913.3", "scaffold_12", "2L", "chr2_hap"]
    left_out = [
        *(
            "chr1_KI270706v1_random",
            "chr6_GL000250v2_alt",
            "chr1_KN196472v1_fix",
            "chrUn_GL000195v1",
            "HLA-A*01:01:01:01",
        ),
        *("chrUn_KN707606v1_decoy", "hs37d5", "chrEBV", "NC_007605", "chrM", "MT", "chrMT", "chrY", "Y", "GL000192.1"),
    ]
    assert default_contigs([*left_out, *kept]) == kept


# ---------------------------------------------------------------- sweeps, against sets of positions


def random_regions(rng, n, contigs=3, size=40):
    start = rng.integers(0, size, n)
    return Regions.from_arrays(
        [f"c{i}" for i in rng.permutation(contigs)],
        rng.integers(0, contigs, n),
        start,
        start + rng.integers(0, 8, n),
        summit=np.where(rng.random(n) < 0.5, start, -1),
    )


def bases(regions):
    return [
        {(regions.contigs[c], p) for p in range(s, e)}
        for c, s, e in zip(regions.contig, regions.start, regions.end, strict=True)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_sweeps_equal_brute_force(seed):
    rng = np.random.default_rng(seed)
    a, b = random_regions(rng, int(rng.integers(0, 25))), random_regions(rng, int(rng.integers(0, 12)), contigs=4)
    covered = set().union(*bases(b))
    assert overlap_mask(a, b).tolist() == [bool(row & covered) for row in bases(a)]
    assert inside_mask(a, b).tolist() == [bool(row) and row <= covered for row in bases(a)]

    merged = merge(b)
    assert set().union(*bases(merged)) == covered
    assert sum(map(len, bases(merged))) == len(covered)
    assert not any(
        merged.contig[i] == merged.contig[i - 1] and merged.start[i] <= merged.end[i - 1] for i in range(1, len(merged))
    )

    pieces = subtract(a, b)
    expected = sorted(position for row in bases(a) for position in row - covered)
    assert sorted(position for row in bases(pieces) for position in row) == expected
    for piece in range(len(pieces)):
        if pieces.summit[piece] >= 0:
            assert pieces.start[piece] <= pieces.summit[piece] < pieces.end[piece]


# ---------------------------------------------------------------- real files


@pytest.mark.skipif("DNAFAST_TEST_DATA" not in os.environ, reason="DNAFAST_TEST_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("file", "columns", "n"),
    [
        ("peaks/hg19/GM12878_DNase.hotspot.bed.gz", 3, 122_423),
        ("peaks/hg19/A549_DNase.conservative.narrowPeak.gz", "auto", 107_400),
        ("peaks/hg38/HepG2_DNase.chr1_windows.bed.gz", "auto", 1_574),
        ("peaks/sacCer3/atac_hmmratac.narrowPeak.gz", "auto", 1_605),
    ],
)
def test_real_files_equal_line_by_line_reading(file, columns, n):
    path = Path(os.environ["DNAFAST_TEST_DATA"]) / file
    regions = read_bed(path, columns=columns)
    with gzip.open(path, "rt") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines if not line.startswith(("track", "#"))]
    assert len(regions) == len(rows) == n
    assert [regions.contigs[i] for i in regions.contig] == [row[0] for row in rows]
    assert regions.start.tolist() == [int(row[1]) for row in rows]
    assert regions.end.tolist() == [int(row[2]) for row in rows]
    if columns == "auto" and len(rows[0]) == 10:
        assert regions.summit.tolist() == [int(row[1]) + int(row[9]) for row in rows]
        assert regions.signal.tolist() == [float(row[6]) for row in rows]


@pytest.mark.skipif("DNAFAST_TEST_DATA" not in os.environ, reason="DNAFAST_TEST_DATA names no folder of real data")
def test_real_hotspot_file_needs_columns():
    with pytest.raises(ValueError, match=r"line 1: strand '0' .*columns=3"):
        read_bed(Path(os.environ["DNAFAST_TEST_DATA"]) / "peaks/hg19/GM12878_DNase.hotspot.bed.gz")


def test_whole_contigs_come_in_the_order_of_the_genome():
    found = whole_contigs({"chr1": 50, "chrM": 7, "chr2": 30}, ["chr2", "chr1", "chr9"])
    assert [found.contigs[contig] for contig in found.contig] == ["chr1", "chr2"]
    assert (found.start.tolist(), found.end.tolist()) == ([0, 0], [50, 30])
    assert len(whole_contigs({"chr1": 50}, [])) == 0
