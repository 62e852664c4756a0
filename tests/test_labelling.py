"""Labels by overlap, dense and sparse, and the union of sites, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

import dnafast
from dnafast.labelling import SparseLabels, label, merge_centres, union_sites
from dnafast.regions import Regions
from dnafast.windowing import Windows, losses


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


def brute_force(windows, tables, positive, negative):
    """Every window with every peak."""
    expected = np.zeros((len(windows), len(tables)), dtype=np.int8)
    ends = windows.end
    for row in range(len(windows)):
        for task, table in enumerate(tables):
            best = max(
                (
                    overlap(int(windows.start[row]), int(ends[row]), int(s), int(e))
                    for c, s, e in zip(table.contig, table.start, table.end, strict=True)
                    if s < e and table.contigs[c] == windows.contigs[windows.contig[row]]
                ),
                default=0,
            )
            expected[row, task] = 1 if best >= positive else -1 if best > negative else 0
    return expected


def assert_labels(windows, tables, positive=0.5, negative=0.0, expected=None):
    """Dense and sparse labels, for several numbers of threads, equal what is expected."""
    expected = brute_force(windows, tables, positive, negative) if expected is None else expected
    for threads in (1, 2, 7):
        dense = label(windows, tables, positive, negative, threads=threads)
        assert dense.dtype == np.int8
        np.testing.assert_array_equal(dense, expected)
        sparse = label(windows, tables, positive, negative, sparse=True, threads=threads)
        assert len(sparse.data) == np.count_nonzero(expected)
        assert (sparse.data != 0).all()
        assert sparse.shape == expected.shape
        np.testing.assert_array_equal(sparse.to_dense(threads=threads), expected)
        for row in range(len(windows)):
            tasks = sparse.indices[sparse.indptr[row] : sparse.indptr[row + 1]]
            assert (np.diff(tasks) > 0).all()


@pytest.mark.parametrize("seed", range(60))
def test_labels_equal_brute_force(seed):
    rng = np.random.default_rng(seed)
    n, length = int(rng.integers(0, 30)), int(rng.integers(1, 40))
    windows = Windows.from_arrays(["a", "b", "c"], rng.integers(0, 3, n), rng.integers(-20, 320, n), length)
    tables = [random_peaks(rng, int(rng.integers(0, 30)), longest=int(rng.integers(2, 200))) for _ in range(3)]
    negative, positive = sorted(rng.choice([0.0, 0.1, 0.25, 0.5, 0.75, 1.0], 2, replace=seed % 2 == 0))
    assert_labels(windows, tables, max(positive, 0.1), negative)


@pytest.mark.parametrize("seed", range(10))
def test_tiles_with_gaps_equal_brute_force(seed):
    # In order, evenly apart but for what is missing: what the search for the first window of a peak is made for.
    rng = np.random.default_rng(seed)
    length, stride = int(rng.integers(1, 20)), int(rng.integers(1, 20))
    start = np.arange(0, 400, stride)[rng.random(-(-400 // stride)) < 0.7]
    windows = Windows.from_arrays(["b", "a"], np.repeat([0, 1], start.size), np.tile(start, 2), length)
    tables = [random_peaks(rng, 40, longest=int(rng.integers(2, 60))) for _ in range(2)]
    assert_labels(windows, tables, 0.5, 0.1)
    assert_labels(windows[rng.permutation(len(windows))], tables, 0.5, 0.1)


def test_many_tasks_and_windows_equal_brute_force():
    # More than one block of rows for a thread, and blocks that begin within a stretch.
    rng = np.random.default_rng(1)
    windows = Windows.from_arrays(["a"], np.zeros(1500), np.arange(1500) * 3, 7)
    tables = [Regions.from_arrays(["a"], [0, 0], [p, p + 40], [p + 5, p + 900]) for p in rng.integers(0, 3600, 300)]
    expected = np.zeros((1500, 300), dtype=np.int8)
    for task, table in enumerate(tables):
        shared = [
            np.maximum(np.minimum(windows.end, e) - np.maximum(windows.start, s), 0) / min(7, e - s)
            for s, e in zip(table.start, table.end, strict=True)
        ]
        best = np.maximum(*shared)
        expected[:, task] = np.where(best >= 0.6, 1, np.where(best > 0.2, -1, 0))
    assert_labels(windows, tables, 0.6, 0.2, expected)


@pytest.mark.parametrize("length", [1, 3, 5, 7, 10, 49, 98, 107, 161])
@pytest.mark.parametrize("threshold", [0.5, 0.29, 1 / 3, 0.1, 0.7, 1e-300, 1.0])
def test_thresholds_met_exactly(length, threshold):
    # Every overlap from all to none, of a peak as long as the window and of a longer one: as the division rounds.
    windows = Windows.from_arrays(["a"], np.zeros(length + 3), np.arange(200, 203 + length), length)
    for start in (200, 0):
        peaks = Regions.from_arrays(["a"], [0], [start], [200 + length])
        assert_labels(windows, [peaks], threshold, 0.0)
        assert_labels(windows, [peaks], threshold, threshold)
        assert_labels(windows, [peaks], 1.0, threshold)


def test_half_of_odd_sizes():
    windows = Windows.from_arrays(["a"], [0] * 4, [0, 1, 2, 3], 5)
    peak = Regions.from_arrays(["a"], [0], [0], [5])
    assert label(windows, peak, 0.5, 0.4).ravel().tolist() == [1, 1, 1, 0]  # 3 of 5 do, 2 of 5 are 0.4 and no more
    assert label(windows, peak, 0.61, 0.4).ravel().tolist() == [1, 1, -1, 0]
    even = Windows.from_arrays(["a"], [0] * 2, [2, 3], 4)
    assert label(even, Regions.from_arrays(["a"], [0], [0], [4])).ravel().tolist() == [1, -1]


def test_nothing_to_label_with_or_on():
    empty = Regions.from_arrays(["a"], [], [], [])
    windows = Windows.from_arrays(["a"], [0, 0], [0, 5], 5)
    none = Windows.from_arrays(["a"], [], [], 5)
    peaks = Regions.from_arrays(["a"], [0], [0], [5])
    assert_labels(windows, [empty, peaks], expected=np.array([[0, 1], [0, 0]], dtype=np.int8))
    assert_labels(windows, [], expected=np.zeros((2, 0), np.int8))
    assert_labels(none, [peaks, empty], expected=np.zeros((0, 2), np.int8))
    assert_labels(none, [], expected=np.zeros((0, 0), np.int8))
    assert_labels(Windows.from_arrays([], [], [], 5), [peaks], expected=np.zeros((0, 1), np.int8))
    no_bases = Regions.from_arrays(["a", "a"], [0, 0], [2, 7], [2, 7])
    assert_labels(windows, [no_bases], expected=np.zeros((2, 1), np.int8))
    assert label(windows, []).shape == (2, 0)


def test_contigs_are_matched_by_name():
    windows = Windows.from_arrays(["x", "y", "x"], [0, 1, 2], [10, 10, 10], 5)  # a name that comes twice
    elsewhere = Regions.from_arrays(["q", "y"], [0, 0], [10, 0], [15, 500])
    here = Regions.from_arrays(["q", "x"], [1], [10], [15])
    assert_labels(windows, [elsewhere, here], expected=np.array([[0, 1], [0, 0], [0, 1]], dtype=np.int8))


def test_one_base():
    windows = Windows.from_arrays(["a"], [0] * 4, [9, 10, 11, 12], 1)
    peaks = Regions.from_arrays(["a"], [0, 0], [10, 10], [11, 12])
    assert_labels(windows, [peaks], expected=np.array([[0], [1], [1], [0]], dtype=np.int8))
    wide = Windows.from_arrays(["a"], [0] * 3, [5, 11, 1], 6)
    assert_labels(wide, [Regions.from_arrays(["a"], [0], [10], [11])], expected=np.array([[1], [0], [0]], np.int8))


@pytest.mark.parametrize("base", [2**31 - 120, 2**32 - 120, 2**40])
def test_far_coordinates(base):
    windows = Windows.from_arrays(["a"], np.zeros(200), base + np.arange(200), 100)
    peaks = Regions.from_arrays(["a"], [0, 0], [base + 60, 0], [base + 190, 5])
    assert_labels(windows, [peaks], 0.5, 0.1)
    assert_labels(windows[::-1], [peaks], 0.5, 0.1)


def test_coordinates_at_the_ends_of_int64():
    ends = np.iinfo(np.int64)
    windows = Windows.from_arrays(["a"], [0] * 4, [ends.min, ends.max, -5, 0], 2**31 - 1)
    whole = Regions.from_arrays(["a"], [0], [0], [ends.max])
    assert label(windows, whole).ravel().tolist() == [0, 0, 1, 1]


def test_labels_cost_no_pairs():
    # Each of 50,000 nested peaks overlaps each of 50,000 windows: the pairs would take minutes.
    n = 50_000
    windows = Windows.from_arrays(["a"], np.zeros(n), 10**6 + np.arange(n), 5 * 10**5)
    peaks = Regions.from_arrays(["a"], np.zeros(n), 10**6 - np.arange(n), 2 * 10**6 + np.arange(n))
    assert (label(windows, [peaks, peaks]) == 1).all()


def sparse_example(seed=0, n=57, tasks=5):
    rng = np.random.default_rng(seed)
    windows = Windows.from_arrays(["a", "b"], rng.integers(0, 2, n), rng.integers(0, 300, n), 20)
    tables = [random_peaks(rng, int(rng.integers(0, 9))) for _ in range(tasks)]
    return label(windows, tables), label(windows, tables, sparse=True)


def test_sparse_labels_tell_what_they_hold():
    dense, sparse = sparse_example()
    assert sparse.shape == dense.shape == (57, 5)
    assert len(sparse) == 57
    assert sparse.dtype == np.int8
    assert sparse.density == np.count_nonzero(dense) / dense.size
    assert sparse.positives.tolist() == (dense == 1).sum(axis=0).tolist()
    assert sparse.ambiguous.tolist() == (dense == -1).sum(axis=0).tolist()
    assert sparse.nbytes == 8 * 58 + 5 * np.count_nonzero(dense)
    assert repr(sparse) == f"SparseLabels(57 x 5, {sparse.density:.2%} of the cells are not 0)"
    windows = Windows.from_arrays(["a"], [], [], 5)
    assert label(windows, [], sparse=True).density == 0


def test_sparse_labels_are_those_of_scipy():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    dense, sparse = sparse_example()
    array = scipy_sparse.csr_array((sparse.data, sparse.indices, sparse.indptr), shape=sparse.shape)
    np.testing.assert_array_equal(array.toarray(), dense)
    assert array.has_canonical_format


@pytest.mark.parametrize(
    "rows",
    [slice(None), slice(5, 40, 3), slice(9, 9), [3, 3, 56, -1], [], 4, np.arange(57)[::-1], np.arange(57) % 3 == 0],
)
def test_rows_of_sparse_labels(rows):
    dense, sparse = sparse_example()
    expected = np.atleast_2d(dense[np.array([], int) if isinstance(rows, list) and not rows else rows])
    np.testing.assert_array_equal(sparse.to_dense(rows), expected)
    part = sparse[rows]
    assert part.shape == expected.shape
    np.testing.assert_array_equal(part.to_dense(), expected)


def test_wrong_rows_and_wrong_sparse_labels_are_told():
    sparse = sparse_example()[1]
    for wrong in ([57], [-58], np.ones(56, dtype=bool)):
        with pytest.raises(IndexError):
            sparse.to_dense(wrong)
        with pytest.raises(IndexError):
            sparse[wrong]
    ok = {"indptr": [0, 1, 1], "indices": [2], "data": [1], "tasks": 3}
    assert SparseLabels(**ok).to_dense().tolist() == [[0, 0, 1], [0, 0, 0]]
    for change, message in (
        ({"indices": [3]}, "indices must lie between 0 and 2, the last of the 3 tasks"),
        ({"indices": [-1]}, "indices must lie between 0 and 2"),
        ({"indices": []}, "indices has 0 cells, but data has 1"),
        ({"tasks": -1}, "tasks=-1 must not be negative"),
        ({"indptr": [0, 2, 1]}, "indptr must rise from 0 to the number of cells, which is 1"),
        ({"indptr": [0, 0]}, "indptr must rise"),
        ({"indptr": [1, 1]}, "indptr must rise"),
        ({"indptr": []}, "indptr must rise"),
    ):
        with pytest.raises(ValueError, match=message):
            SparseLabels(**{**ok, **change})


@pytest.mark.parametrize(("name", "value"), [("indices", 99), ("indices", -1), ("indptr", 10**9), ("indptr", -1)])
def test_arrays_that_are_changed_later_are_no_crash(name, value):
    sparse = sparse_example()[1]
    getattr(sparse, name)[1] = value
    with pytest.raises(ValueError, match="labels: row"):
        sparse.to_dense()


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
    # Those that were merged have no stronger one, and are told in words that hold for both.
    assert losses(sites.flow) == "1 too near an end of their contig, 1 closer than half a window to another"


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
    with pytest.raises(ValueError, match="outside must be 'error' or 'drop', not 'x'"):
        union_sites({"a": table}, 40, OpenGenome(x=1000), outside="x")
    with pytest.raises(TypeError, match=r"length must be an integer .*, not '40'"):
        union_sites({"a": table}, "40", OpenGenome(x=1000))
    with pytest.raises(TypeError, match="contigs must be a list of names"):
        union_sites({"a": table}, 40, OpenGenome(x=1000), contigs="x")
