"""Arguments that make no sense, and what the loader does without torch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from dnafast import Genome, Kmers, Loader, OneHot, Windows
from dnafast import loader as loader_module
from streams import content, make_windows, sparse_labels


def test_arrays_without_torch(genome: Genome, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = make_windows(genome, 30)
    expected = content(Loader(genome, windows, np.arange(30), batch_size=8))
    monkeypatch.setattr(loader_module, "_import_torch", lambda: None)
    loader = Loader(genome, windows, np.arange(30), batch_size=8)
    batches = list(loader)
    assert all(isinstance(part, np.ndarray) for batch in batches for part in batch)
    assert content(batches) == expected
    for options in ({"device": "cuda"}, {"pin": True}, {"encoding": OneHot("NCL", "bfloat16")}):
        with pytest.raises(ValueError, match="need torch, which is not installed"):
            Loader(genome, windows, **options)


def test_importing_the_loader_does_not_import_torch() -> None:
    code = "import sys, dnafast.loader; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0 must be a whole number from 1"),
        ({"batch_size": 2.5}, r"batch_size=2\.5 must be a whole number"),
        ({"prefetch": 0}, "prefetch=0"),
        ({"jitter": -1}, "jitter=-1 must be a whole number from 0"),
        ({"seed": 2**64}, f"seed={2**64}"),
        ({"threads": -1}, "threads=-1 must be at least 0"),
        ({"reverse_complement": "sometimes"}, "'sometimes' is not known: choose one of 'never', 'random', 'always'"),
        ({"labels": np.zeros(9)}, r"labels has shape \(9,\): it must be \(N,\) or \(N, T\) for the 10 windows"),
        ({"labels": np.zeros((10, 1, 1))}, "labels has shape"),
        ({"labels": sparse_labels(9, 2)}, r"labels has shape \(9, 2\): it must have a row for each of the 10 windows"),
        ({"labels": [0.0] * 8 + [np.nan] * 2}, r"labels\[8\] holds nan, which is no label"),
        ({"labels": np.full((10, 2), [0, np.nan]).astype(np.float16)}, r"labels\[0\] holds nan"),
        ({"labels": ["open"] * 10}, "labels are of type <U4: they must be numbers"),
        ({"rank": 2, "world_size": 2}, "rank=2 must be below world_size=2"),
        ({"rank": 1}, "rank=1 must be below world_size=1"),
        ({"world_size": 0, "rank": 0}, "world_size=0"),
        ({"world_size": 11, "rank": 0}, "leave some of 11 ranks without a row"),
        ({"world_size": 3, "rank": 0, "batch_size": 1}, "leave some of 3 ranks without a row"),
        ({"drop_last": True}, "drop_last=True leaves no batch"),
        ({"encoding": Kmers(12)}, "12"),
    ],
)
def test_impossible_arguments_are_named(genome: Genome, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Loader(genome, make_windows(genome, 10, length=11), **options)


def test_impossible_devices_are_named(genome: Genome) -> None:
    torch = pytest.importorskip("torch")
    windows = make_windows(genome, 10)
    for device in ("nowhere", "meta"):
        with pytest.raises(ValueError, match=f"device='{device}'"):
            Loader(genome, windows, device=device)
    if not torch.cuda.is_available():
        for options in ({"device": "cuda"}, {"pin": True}):
            with pytest.raises(ValueError, match="torch finds no CUDA device here"):
                Loader(genome, windows, **options)


def test_windows_are_needed_and_must_lie_on_the_genome(genome: Genome) -> None:
    with pytest.raises(ValueError, match="windows holds no window"):
        Loader(genome, make_windows(genome, 10)[:0])
    with pytest.raises(ValueError, match="'chrZ'"):
        Loader(genome, Windows.from_arrays(("chrZ",), [0], [0], 10))
