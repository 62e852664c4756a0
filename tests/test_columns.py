"""Columns of tables: whole numbers arrive as they are, and nothing else arrives."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from dnafast import SparseLabels, Windows
from dnafast.regions import Regions
from dnafast.regions.columns import whole_column

INTEGERS = [np.int8, np.int32, np.int64]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("given", [np.int8, np.int16, np.int64, np.uint8, np.uint64, np.float32, np.float64, object])
def test_equals_python_on_the_ends_of_every_type(given: Any, dtype: Any) -> None:
    limits = np.iinfo(dtype)
    edges = {0, 1, -1, 127, 128, 255, *(int(end) + step for end in (limits.min, limits.max) for step in (-1, 0, 1))}
    for edge in sorted(edges):
        try:
            values = np.array([0, edge], given)
        except OverflowError:
            continue  # the type that is given does not hold it
        value = int(values[1])  # floats round
        if limits.min <= value <= limits.max:
            column = whole_column("start", values, dtype)
            assert column.dtype == dtype
            assert column.tolist() == [0, value]
        else:
            with pytest.raises(ValueError, match=r"^start\[1\] is .*: it must be a whole number from "):
                whole_column("start", values, dtype)


def test_what_has_the_type_is_not_copied() -> None:
    values = np.arange(7)
    assert whole_column("start", values, np.int64) is values
    assert whole_column("start", [], np.int64).shape == (0,)
    assert whole_column("start", np.array([[3.0]]), np.int64).tolist() == [[3]]


WRONG: list[tuple[str, Any, str]] = [
    ("start", [0, np.nan], "start[1] is nan"),
    ("start", [0, np.inf], "start[1] is inf"),
    ("start", [1.7, 0], "start[0] is 1.7"),
    ("start", np.array([0, 2**64 - 1], np.uint64), "start[1] is 18446744073709551615"),
    ("start", [0, 2**70], f"start[1] is {2**70}"),
    ("start", [0, None], "start[1] is None"),
    ("start", 2.0**63, "start is 9.22"),
    ("contig", [0, 2**32], "contig[1] is 4294967296"),
    ("strand", [0, 255], "strand[1] is 255"),
    ("strand", [0, -257], "strand[1] is -257"),
]


@pytest.mark.parametrize(("name", "values", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_tables_refuse_numbers_that_a_cast_would_change(name: str, values: Any, message: str) -> None:
    columns = {"contig": [0, 0], "start": [5, 6], name: values}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}.*: it must be a whole number from -"):
        Windows.from_arrays(("chr1",), **columns, length=10)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}.*: it must be a whole number from -"):
        Regions.from_arrays(("chr1",), **columns, end=[2**62] * 2)


@pytest.mark.parametrize("strand", [2, -2, 127, -128])
def test_a_strand_is_one_of_three(strand: int) -> None:
    with pytest.raises(ValueError, match=rf"^strand\[0\] is {strand}: it must be a whole number from -1 to 1"):
        Windows.from_arrays(("chr1",), [0], [5], 10, strand=[strand])
    with pytest.raises(ValueError, match=r"^strand must be \+1, -1 or 0: row 0 is chr1:5-6"):
        Regions.from_arrays(("chr1",), [0], [5], [6], strand=np.array([strand], np.int8))


def test_letters_are_no_numbers() -> None:
    with pytest.raises(TypeError, match=r"^start is of type <U4: it must hold whole numbers"):
        Windows.from_arrays(("chr1",), [0], ["1000"], 10)


def test_regions_made_directly_are_checked_too() -> None:
    good = Regions.from_arrays(("chr1",), [0, 0], [5, 6], [9, 9])
    columns = {name: getattr(good, name) for name in ("contig", "end", "name", "score", "strand", "signal", "summit")}
    with pytest.raises(ValueError, match=r"^end must not lie before start: row 1 is chr1:10-9"):
        Regions(contigs=("chr1",), start=np.array([5, 10]), **columns)


@pytest.mark.parametrize(
    ("indptr", "indices", "data", "message"),
    [
        ([0, 1], [0], [200], r"data\[0\] is 200"),
        ([0, 1], [0.5], [1], r"indices\[0\] is 0\.5"),
        ([0, np.nan], [0], [1], r"indptr\[1\] is nan"),
    ],
)
def test_sparse_labels_refuse_them_as_well(indptr: Any, indices: Any, data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}: it must be a whole number"):
        SparseLabels(indptr, indices, data, 1)
