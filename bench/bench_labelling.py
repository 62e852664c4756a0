"""Tiles of 200 bases labelled by many peak files: dense and sparse, seconds and memory, against pairs of intervals.

At full size (10 million tiles, 100 files of 100,000 peaks) where times are taken; with --benchmark-disable, when only
the answers are looked at, a hundredth of it.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the child process, which runs this file

import simulated
from dnafast import Regions, SparseLabels, Windows, label, tiles
from yardstick import note

LENGTH = 200
POSITIVE, NEGATIVE = 0.5, 0.1
RIVALS = ["numpy_overlap", "ncls", "bioframe"]


class Size(NamedTuple):
    tiles: int
    files: int
    peaks: int

    def __str__(self) -> str:
        return f"{self.tiles:,} tiles labelled by {self.files} files of {self.peaks:,} peaks"


CHECKED = Size(20_000, 3, 2000)
SMALL = Size(100_000, 10, 1000)
RIVALRY = Size(1_000_000, 10, 100_000)
FULL = Size(10_000_000, 100, 100_000)


def simulate(size: Size) -> tuple[Windows, list[Regions]]:
    outline = simulated.Outline(round(size.tiles * LENGTH / 0.9))
    laid: Any = tiles(outline, LENGTH, LENGTH)[: size.tiles]  # type: ignore[arg-type]
    assert len(laid) == size.tiles
    return laid, [simulated.random_peaks(outline, size.peaks, seed) for seed in range(size.files)]


def is_timed(config: pytest.Config) -> bool:
    return not config.getoption("benchmark_disable")


@pytest.fixture(scope="module")
def full(pytestconfig: pytest.Config) -> tuple[Size, Windows, list[Regions]]:
    size = FULL if is_timed(pytestconfig) else SMALL
    return size, *simulate(size)


@pytest.fixture(scope="module")
def rivalry(pytestconfig: pytest.Config) -> tuple[Size, Windows, list[Regions]]:
    size = RIVALRY if is_timed(pytestconfig) else SMALL
    return size, *simulate(size)


def peer(rival: str) -> Any:
    if rival != "numpy_overlap":
        pytest.importorskip(rival)
    return importlib.import_module(f"peers.{rival}_peer")


def check(laid: Windows, peaks: list[Regions], found: np.ndarray) -> None:
    """Every tenth tile of the beginning, against each peak in turn."""
    for row in range(0, 1000, 10):
        start, end = int(laid.start[row]), int(laid.end[row])
        for task, table in enumerate(peaks[:3]):
            shared = np.minimum(table.end, end) - np.maximum(table.start, start)
            share = np.where(table.contig == laid.contig[row], shared / np.minimum(table.end - table.start, LENGTH), 0)
            expected = 1 if share.max() >= POSITIVE else -1 if share.max() > NEGATIVE else 0
            assert found[row, task] == expected


@pytest.mark.parametrize("threads", simulated.thread_counts())
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_label(benchmark: Any, full: tuple[Size, Windows, list[Regions]], sparse: bool, threads: int) -> None:
    size, laid, peaks = full
    note(benchmark, f"{size}, {'sparse' if sparse else 'dense'}", "ours", "dnafast", threads=threads)
    options: Any = {"positive": POSITIVE, "negative": NEGATIVE, "sparse": sparse, "threads": threads}
    found = benchmark.pedantic(label, (laid, peaks), options, rounds=3)
    beginning = found.to_dense(slice(1000)) if isinstance(found, SparseLabels) else found[:1000]
    check(laid, peaks, beginning)
    benchmark.extra_info["result_mb"] = round(found.nbytes / 1e6)
    del found, beginning
    if threads != 2:
        return
    before, peak = memory(size, sparse)
    benchmark.extra_info |= {"tables_mb": round(before / 1e6), "added_peak_rss_mb": round((peak - before) / 1e6)}


@pytest.mark.parametrize("threads", simulated.thread_counts())
def test_label_ours(benchmark: Any, rivalry: tuple[Size, Windows, list[Regions]], threads: int) -> None:
    size, laid, peaks = rivalry
    note(benchmark, str(size), "ours", "dnafast", threads=threads)
    found = benchmark.pedantic(label, (laid, peaks, POSITIVE, NEGATIVE), {"threads": threads}, rounds=5)
    check(laid, peaks, found)


@pytest.mark.filterwarnings("ignore")  # not ours to mend
@pytest.mark.parametrize("rival", RIVALS)
def test_label_elsewhere(benchmark: Any, rivalry: tuple[Size, Windows, list[Regions]], rival: str) -> None:
    module = peer(rival)
    laid, peaks = simulate(CHECKED)
    expected = label(laid, peaks, POSITIVE, NEGATIVE)
    np.testing.assert_array_equal(module.label(laid, peaks, POSITIVE, NEGATIVE), expected)
    size, laid, peaks = rivalry
    note(benchmark, str(size), "rival", rival)
    found = benchmark.pedantic(module.label, (laid, peaks, POSITIVE, NEGATIVE), rounds=2)
    np.testing.assert_array_equal(found, label(laid, peaks, POSITIVE, NEGATIVE))


def memory(size: Size, sparse: bool) -> tuple[int, int]:
    """Resident bytes of a process of its own before it labels, and their peak while it does."""
    form = "sparse" if sparse else "dense"
    command = [sys.executable, __file__, form, *map(str, size)]
    child = subprocess.run(command, check=True, capture_output=True, text=True)
    before, peak = map(int, child.stdout.split())
    return before, peak


if __name__ == "__main__":
    from dnafast.bench.measure import Memory

    laid, peaks = simulate(Size(*map(int, sys.argv[2:])))
    options: Any = {"sparse": sys.argv[1] == "sparse"}
    with Memory() as at_rest:
        pass
    with Memory() as labelling:
        result = label(laid, peaks, POSITIVE, NEGATIVE, **options)
    print(at_rest.peak_rss_bytes, labelling.peak_rss_bytes)
