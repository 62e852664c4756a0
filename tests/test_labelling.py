"""Labels by overlap and the union of sites, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

import dnafast
from dnafast.labelling import label, merge_centres, union_sites
from dnafast.regions import Regions
from dnafast.windowing import Windows


class OpenGenome:
    """Contigs without unknown bases."""

    def __init__(self, **lengths: int) -> None:
        self.contigs = lengths

    def composition(self, windows, threads=None):
        return np.zeros((len(windows), 3), dtype=np.uint32)


def overlap(start, end, peak_start, peak_end):
    shared = min(end, peak_end) - max(start, peak_start)
    return max(shared, 0) / min(end - start, peak_end - peak_start)


def random_peaks(rng, n, contigs=("b", "a"), longest=60):
    start = rng.integers(0, 300, n)
    width = np.maximum(rng.integers(1, longest, n) ** rng.integers(1, 3, n) // longest + 1, 1)
    return Regions.from_arrays(contigs, rng.integers(0, len(contigs), n), start, start + width)


@pytest.mark.parametrize("seed", range(40))
def test_labels_equal_brute_force(seed, monkeypatch):
    if seed % 2:
        monkeypatch.setattr("dnafast.labelling._PAIRS_AT_ONCE", 3)
    rng = np.random.default_rng(seed)
    n, length = int(rng.integers(0, 30)), int(rng.integers(1, 40))
    windows = Windows.from_arrays(["a", "b", "c"], rng.integers(0, 3, n), rng.integers(-20, 320, n), length)
    tables = [random_peaks(rng, int(rng.integers(0, 30)), longest=int(rng.integers(2, 200))) for _ in range(3)]
    negative, positive = sorted(rng.choice([0.0, 0.1, 0.25, 0.5, 0.75, 1.0], 2, replace=False))
    expected = np.zeros((n, 3), dtype=np.int8)
    for row in range(n):
        for task, table in enumerate(tables):
            best = max(
                (
                    overlap(windows.start[row], windows.end[row], s, e)
                    for c, s, e in zip(table.contig, table.start, table.end, strict=True)
                    if table.contigs[c] == windows.contigs[windows.contig[row]]
                ),
                default=0,
            )
            expected[row, task] = 1 if best >= positive else -1 if best > negative else 0
    found = label(windows, tables, positive, negative)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, expected)


def test_one_table_is_one_task_and_thresholds_are_checked():
    windows = Windows.from_arrays(["a"], [0, 0, 0, 0], [0, 5, 6, 10], 10)
    peaks = Regions.from_arrays(["a"], [0], [0], [10])
    assert dnafast.label(windows, peaks).tolist() == dnafast.label(windows, [peaks]).tolist() == [[1], [1], [-1], [0]]
    for positive, negative in [(0.0, 0.0), (0.5, 0.6), (1.5, 0.0), (0.5, -0.1)]:
        with pytest.raises(ValueError, match="thresholds must be"):
            label(windows, peaks, positive, negative)


def merge_slowly(position, length):
    """Basset's way: the nearest pair, the left one of several, until all are half a window apart."""
    sites = [(p, 1, p) for p in position]  # sum, count, rounded mean
    while len(sites) > 1:
        gaps = [sites[i + 1][2] - sites[i][2] for i in range(len(sites) - 1)]
        i = int(np.argmin(gaps))
        if 2 * gaps[i] >= length:
            break
        total, count = sites[i][0] + sites[i + 1][0], sites[i][1] + sites[i + 1][1]
        sites[i : i + 2] = [(total, count, (2 * total + count) // (2 * count))]
    return np.repeat(np.arange(len(sites)), [s[1] for s in sites]), [s[2] for s in sites]


@pytest.mark.parametrize("seed", range(60))
def test_merging_equals_brute_force(seed):
    rng = np.random.default_rng(seed)
    position = np.sort(rng.integers(0, int(rng.integers(5, 600)), int(rng.integers(0, 60))))
    length = int(rng.integers(1, 50))
    site, where = merge_centres(position, length)
    expected_site, expected = merge_slowly(position.tolist(), length)
    assert site.tolist() == expected_site.tolist()
    assert where.tolist() == expected
    assert (2 * np.diff(where) >= length).all()


def test_union_of_two_files():
    one = Regions.from_arrays(["x"], [0, 0, 0], [100, 300, 995], [120, 340, 1000], summit=[110, 310, 997], strand=1)
    two = Regions.from_arrays(["x", "y"], [0, 1, 0], [112, 50, 500], [128, 60, 501], strand=[1, -1, 0])
    sites, labels = union_sites({"one": one, "two": two}, 40, OpenGenome(y=100, x=1000))
    assert [sites.contigs[c] for c in sites.contig] == ["y", "x", "x", "x"]
    assert (sites.start + 20).tolist() == [55, 115, 310, 500]
    assert labels.tolist() == [[0, 1], [1, 1], [1, 0], [0, 1]]
    assert sites.strand.tolist() == [-1, 1, 1, 0]
    assert sites.source.tolist() == [4, 0, 1, 5]  # rows of both tables, one under the other
    assert sites.flow == {
        "read": 6, "outside": 0, "other_contigs": 0, "excluded": 0, "edge": 1, "N": 0, "duplicate": 1, "used": 4,
        "summit_missing": 3, "unlabelled": 0,
    }  # fmt: skip


def test_union_counts_regions_off_the_genome_and_sites_that_miss_their_peaks():
    # Summit at the peak's far end: less than half of the window, and of the peak, is in the other.
    spread = Regions.from_arrays(["x"], [0, 0, 0, 0], [100, 118, 136, 154], [101, 119, 137, 155])
    far = Regions.from_arrays(["x", "q", "x"], [0, 1, 0], [400, 1, 600], [440, 2, 610])
    sites, labels = union_sites({"s": spread, "f": far}, 40, OpenGenome(x=1000))
    assert sites.flow["outside"] == 1
    assert len(sites) == len(labels) == sites.flow["used"]
    assert (labels == 1).any(axis=1).all()
    counted = {k: v for k, v in sites.flow.items() if k not in ("read", "summit_missing")}
    assert sum(counted.values()) == sites.flow["read"] == 7


def test_union_errors():
    with pytest.raises(ValueError, match="peaks is empty"):
        union_sites({}, 40, OpenGenome(x=1000))
    table = Regions.from_arrays(["x"], [0], [100], [120])
    edge = Regions.from_arrays(["x"], [0], [0], [2])
    with pytest.raises(ValueError, match="task 'b' has no site left"):
        union_sites({"a": table, "b": edge}, 40, OpenGenome(x=1000))
    with pytest.raises(ValueError, match=r"1 of 1 regions .* lie on contigs that the genome lacks"):
        union_sites({"a": table}, 40, OpenGenome(chrx=1000))
    with pytest.raises(TypeError, match=r"length must be an integer .*, not '40'"):
        union_sites({"a": table}, "40", OpenGenome(x=1000))
    with pytest.raises(TypeError, match="contigs must be a list of names"):
        union_sites({"a": table}, 40, OpenGenome(x=1000), contigs="x")
