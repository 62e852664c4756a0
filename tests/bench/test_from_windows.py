"""Tables of windows: what the bench wrote is read back, and what is wrong with a cell is one sentence."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dnafast.bench.dataset import Dataset
from dnafast.bench.from_windows import from_windows
from dnafast.bench.measure import Meter
from dnafast.bench.options import BenchOptions

HEADER = "#contig\tstart\tend\tname\tscore\tstrand\tsplit\tfold\tgroup\tsource\tlabel"
ROWS = [
    "a\t0\t10\t0\t0\t+\ttrain\t0\t3\tpeak\t1",
    "b\t5\t15\t1\t0\t-\tvalid\t0\t4\tgc\t0",
    "a\t20\t30\t2\t0\t+\ttest\t0\t-5\tgc\t-1",
]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Dataset]:
    """A function that reads a table of these lines on a genome of the contigs a and b."""
    fasta = tmp_path / "genome.fa"
    fasta.write_text(">a\n" + "ACGTT" * 8 + "\n>b\n" + "GATTC" * 4 + "\n")

    def from_lines(*lines: str, end: str = "\n", **options: object) -> Dataset:
        table = tmp_path / "t.bed.gz"
        table.write_bytes(gzip.compress((end.join(lines) + end).encode()))
        return from_windows(BenchOptions(**options), fasta, table, Meter())

    return from_lines


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_column_comes_back(read, end):
    data = read(HEADER, *ROWS, end=end)
    assert data.windows.to_pandas()[["contig", "start", "end", "strand"]].to_numpy().tolist() == [
        ["a", 0, 10, "+"],
        ["b", 5, 15, "-"],
        ["a", 20, 30, "+"],
    ]
    assert data.labels.dtype == np.int8
    assert data.labels.tolist() == [[1], [0], [-1]]
    assert data.part.tolist() == ["train", "valid", "test"]
    assert data.group.tolist() == [3, 4, -5]
    assert data.source.tolist() == ["peak", "gc", "gc"]
    assert data.tasks == ("t",)
    assert data.stranded


def test_what_is_written_is_read(read, tmp_path):
    two = [HEADER + "_x\tlabel_y", *(f"{row}\t{label}" for row, label in zip(ROWS, "101", strict=True))]
    data = read(*two)
    assert data.tasks == ("x", "y")
    again = from_windows(BenchOptions(), tmp_path / "genome.fa", data.write(tmp_path), Meter())
    assert again.labels.tolist() == data.labels.tolist() == [[1, 1], [0, 0], [-1, 1]]
    assert again.tasks == data.tasks
    assert again.checksum() == data.checksum()
    assert again.source.tolist() == data.source.tolist()


def test_strand(read):
    some = [ROWS[0], ROWS[1].replace("\t-\t", "\t.\t"), ROWS[2]]
    assert not read(HEADER, *some).stranded
    assert not read(HEADER, *ROWS, strand="unstranded").stranded
    with pytest.raises(ValueError, match=r"^--strand stranded: 1 of 3 windows have no strand"):
        read(HEADER, *some, strand="stranded")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a\t0\t10\t0\t0\t+\ttrain\t0\t3\tpeak\t7", "label '7' must be 1, 0 or -1$"),
        ("a\t0\t10\t0\t0\t+\ttrain\t0\t3\tpeak\tyes", "label 'yes' must be 1, 0 or -1$"),
        ("a\t0\t10\t0\t0\t+\ttrain\t0\t3\tpeak\t", "label '' must be 1, 0 or -1$"),
        ("a\tx\t10\t0\t0\t+\ttrain\t0\t3\tpeak\t1", "start 'x' must be an integer$"),
        ("a\t0\t10.5\t0\t0\t+\ttrain\t0\t3\tpeak\t1", "end '10.5' must be an integer$"),
        ("a\t0\t99999999999999999999\t0\t0\t+\ttrain\t0\t3\tpeak\t1", "end '9+' must be an integer$"),
        ("a\t0\t10\t0\t0\t+\ttrain\t0\tg\tpeak\t1", "group 'g' must be an integer$"),
        ("a\t0\t12\t0\t0\t+\ttrain\t0\t3\tpeak\t1", "this window has 12 bases, the first one has 10"),
        ("a\t5\t5\t0\t0\t+\ttrain\t0\t3\tpeak\t1", "start 5 does not lie before end 5"),
        ("a\t35\t45\t0\t0\t+\ttrain\t0\t3\tpeak\t1", "35-45 does not lie on its contig a of 40 bases"),
        ("a\t-1\t9\t0\t0\t+\ttrain\t0\t3\tpeak\t1", "-1-9 does not lie on its contig a of 40 bases"),
        ("c\t0\t10\t0\t0\t+\ttrain\t0\t3\tpeak\t1", "contig 'c' is not in .*genome.fa"),
        ("a\t0\t10\t0\t0\t*\ttrain\t0\t3\tpeak\t1", r"strand '\*' must be"),
        ("a\t0\t10\t0\t0\t+\tdev\t0\t3\tpeak\t1", "split 'dev' must be one of train, valid, test"),
        ("a\t0\t10\t0\t0", "5 columns, but the header has 11"),
        ("a", "1 column, but the header has 11"),
        ("a\t0\t10\t0\t0\t+\ttrain\t0\t3\tpeak\t1\t1", "12 columns, but the header has 11"),
    ],
)
def test_errors_name_file_line_and_value(read, row, message):
    # The blank line counts: lines are those that an editor shows.
    with pytest.raises(ValueError, match=rf"t\.bed\.gz, line 4: .*{message}"):
        read(HEADER, ROWS[0], "", row, *ROWS[1:])


def test_errors_of_the_whole_table(read):
    with pytest.raises(ValueError, match=r"t\.bed\.gz holds no window"):
        read(HEADER)
    with pytest.raises(ValueError, match="lacks the column 'label'"):
        read(HEADER.replace("label", "labels"), *ROWS)
    with pytest.raises(ValueError, match="lacks the column '#contig'"):
        read("sequence,label", "ACGT,1")
    with pytest.raises(ValueError, match="more than one column 'label'"):
        read(HEADER + "\tlabel", ROWS[0] + "\t1")
