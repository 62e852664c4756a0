"""Tiles of 200 bases over a genome of human size, gaps left out, against a plain loop over contigs in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import simulated
from dnafast import tiles
from yardstick import note

LENGTH = 200


@pytest.fixture(scope="module")
def outline(pytestconfig: pytest.Config) -> simulated.Outline:
    return simulated.Outline(30_000_000 if pytestconfig.getoption("benchmark_disable") else 3_100_000_000)


def with_numpy(outline: simulated.Outline) -> list[NDArray[np.int64]]:
    """Starts on each contig: all of them, then without those that a block of N begins before and ends behind."""
    starts = []
    for name, size in outline.contigs.items():
        blocks = outline.unknown_blocks(name)
        start = np.arange(0, size - LENGTH + 1, LENGTH)
        begun = np.searchsorted(blocks[:, 0], start + LENGTH, side="left")
        ended = np.searchsorted(blocks[:, 1], start, side="right")
        starts.append(start[begun == ended])
    return starts


def describe(benchmark: Any, outline: simulated.Outline, *what: Any) -> None:
    size = sum(outline.contigs.values())
    note(benchmark, f"tiles of {LENGTH} bases over {size / 1e9:.2g} Gb", *what)


def test_tiles(benchmark: Any, outline: Any) -> None:
    describe(benchmark, outline, "ours", "dnafast")
    laid = benchmark.pedantic(tiles, (outline, LENGTH, LENGTH), rounds=5, warmup_rounds=1)
    np.testing.assert_array_equal(laid.start, np.concatenate(with_numpy(outline)))
    assert laid.flow["laid"] == sum(-(-size // LENGTH) for size in outline.contigs.values())


def test_tiles_by_numpy(benchmark: Any, outline: Any) -> None:
    describe(benchmark, outline, "rival", "numpy")
    starts = benchmark.pedantic(with_numpy, (outline,), rounds=5, warmup_rounds=1)
    np.testing.assert_array_equal(np.concatenate(starts), tiles(outline, LENGTH, LENGTH).start)
