"""The loader's stream against one put together row by row."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dnafast import BaseCodes, Genome, KmerCounts, Kmers, Loader, OneHot, Windows, _core
from dnafast.loader import Batch
from streams import as_numpy, content, make_windows, rows

SHUFFLE, JITTER, STRAND = 1, 2, 3


def expected_rows(
    genome: Genome, windows: Windows, seed: int, epoch: int, jitter: int, reverse_complement: str
) -> tuple[Windows, NDArray[np.int8]]:
    """Where each row of the table is read in this epoch, and on which strand."""
    start, reverse = windows.start.copy(), windows.strand < 0
    sizes = list(genome.contigs.values())
    for row in range(len(windows)):
        if jitter:
            draw = _core.keyed(seed, epoch, row, JITTER) * (2 * jitter + 1) >> 64
            lowest = min(0, int(windows.start[row]))
            highest = max(sizes[windows.contig[row]] - windows.length, int(windows.start[row]))
            start[row] = min(max(int(windows.start[row]) + draw - jitter, lowest), highest)
        if reverse_complement == "always" or (
            reverse_complement == "random" and _core.keyed(seed, epoch, row, STRAND) >> 63
        ):
            reverse[row] ^= True
    strand = np.where(reverse, -1, 1).astype(np.int8)
    return Windows.from_arrays(windows.contigs, windows.contig, start, windows.length, strand=strand), strand


@pytest.mark.parametrize("encoding", [OneHot(), OneHot("NLC", "uint8"), BaseCodes(), Kmers(4), KmerCounts(2)])
@pytest.mark.parametrize("reverse_complement", ["never", "random", "always"])
@pytest.mark.parametrize("jitter", [0, 25])
def test_stream_equals_the_plain_one(genome: Genome, encoding: Any, reverse_complement: str, jitter: int) -> None:
    windows = make_windows(genome, 101)
    labels = np.random.default_rng(2).normal(size=(101, 3)).astype(np.float32)
    loader = Loader(
        genome, windows, labels, encoding=encoding, batch_size=16, seed=9, jitter=jitter, threads=2,
        reverse_complement=reverse_complement,
    )  # fmt: skip
    for epoch in range(2):
        assert loader.epoch == epoch
        order = _core.permutation(101, 9, epoch, SHUFFLE)
        read, strand = expected_rows(genome, windows, 9, epoch, jitter, reverse_complement)
        x = as_numpy(genome.encode(read, encoding))
        batches = list(loader)
        assert [len(batch.index) for batch in batches] == [16] * 6 + [5]
        assert len(batches) == len(loader)
        for number, batch in enumerate(batches):
            here = order[number * 16 : number * 16 + 16]
            assert np.array_equal(batch.index, here)
            assert np.array_equal(batch.x, x[here])
            assert np.array_equal(batch.y, labels[here])
            assert np.array_equal(batch.strand, strand[here])


def test_jitter_is_even_and_stays_inside() -> None:
    genome = Genome.from_sequences(["ACGT" * 5000])
    n = 18000
    windows = Windows.from_arrays(("0",), np.zeros(n), np.arange(1000, 1000 + n), 4)
    loader = Loader(genome, windows, encoding=BaseCodes(), batch_size=n, shuffle=False, jitter=1)
    (batch,) = loader
    # The first base tells by how much a window was shifted: one of -1, 0, 1.
    shift = (np.asarray(batch.x)[:, 0].astype(int) - windows.start + 1) % 4 - 1
    assert abs(np.bincount(shift + 1, minlength=3) - n / 3).max() < 250
    edge = Windows.from_arrays(("0",), np.zeros(50), np.repeat([0, 19996], 25), 4)
    (batch,) = Loader(genome, edge, encoding=BaseCodes(), jitter=10**9)
    assert (np.asarray(batch.x) < 4).all()


@pytest.mark.parametrize("n", [1, 5, 64, 65, 1000])
def test_same_bytes_for_any_number_of_threads(genome: Genome, n: int) -> None:
    windows = make_windows(genome, n, length=400)
    streams = []
    for threads, prefetch in ((0, 4), (1, 1), (2, 4), (7, 3), (7, 100)):
        loader = Loader(
            genome, windows, np.arange(n), batch_size=64, jitter=7, reverse_complement="random",
            threads=threads, prefetch=prefetch,
        )  # fmt: skip
        streams.append(content(loader) + content(loader))
    assert all(stream == streams[0] for stream in streams[1:])


def test_large_batches_are_filled_by_several_threads(genome: Genome) -> None:
    # More than one piece a batch: 600 windows of 2000 bases are 19 MB as float32.
    windows = make_windows(genome, 600, length=2000)
    one, seven = (Loader(genome, windows, batch_size=600, threads=threads, seed=4) for threads in (1, 7))
    assert content(one) == content(seven)


def test_unshuffled_stream_is_the_table(genome: Genome) -> None:
    windows = make_windows(genome, 50)
    loader = Loader(genome, windows, batch_size=8, shuffle=False)
    batches = list(loader)
    assert rows(batches) == list(range(50))
    assert batches[0].y is None
    assert np.array_equal(np.concatenate([batch.x for batch in batches]), genome.encode(windows, OneHot()))


def test_epochs_differ_and_can_be_set(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 50), batch_size=8)
    first, second = rows(list(loader)), rows(list(loader))
    assert first != second
    assert sorted(first) == sorted(second) == list(range(50))
    loader.set_epoch(0)
    assert rows(list(loader)) == first
    assert loader.epoch == 1


def test_batches_are_fresh(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 100), batch_size=8, threads=3)
    kept = []
    for batch in loader:
        kept.append((batch, content([batch])))
    for _ in range(3):
        for batch in loader:
            as_numpy(batch.x)[:] = 7
    assert all(content([batch]) == before for batch, before in kept)


def test_a_view_keeps_its_memory(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 64), batch_size=8, prefetch=1)
    views = [batch.x[0] for batch in loader]
    before = [as_numpy(view).copy() for view in views]
    for _ in range(5):
        list(loader)
    gc.collect()
    assert all(np.array_equal(as_numpy(view), old) for view, old in zip(views, before, strict=True))


def test_bfloat16_is_a_tensor(genome: Genome) -> None:
    torch = pytest.importorskip("torch")
    windows = make_windows(genome, 10)
    encoding = OneHot("NCL", "bfloat16")
    (batch,) = Loader(genome, windows, encoding=encoding, shuffle=False)
    assert batch.x.dtype == torch.bfloat16
    assert torch.equal(batch.x, genome.encode(windows, encoding))


def test_two_loops_at_once(genome: Genome) -> None:
    windows = make_windows(genome, 50)
    loader, plain = Loader(genome, windows, batch_size=8), Loader(genome, windows, batch_size=8)
    expected = content(plain)
    pairs = list(zip(loader, loader, strict=True))
    assert content([left for left, _ in pairs]) == expected
    assert content([right for _, right in pairs]) == expected


def test_loops_in_several_threads(genome: Genome) -> None:
    windows = make_windows(genome, 300)
    expected = content(Loader(genome, windows, batch_size=8))
    found: list[Any] = []
    consumers = [
        threading.Thread(target=lambda: found.append(content(Loader(genome, windows, batch_size=8, threads=2))))
        for _ in range(4)
    ]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join()
    assert found == [expected] * 4


def test_meters(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 400, length=300), batch_size=64, threads=2)
    assert (loader.wait_seconds, loader.cpu_seconds) == (0.0, 0.0)
    running = iter(loader)
    next(running)
    assert loader.wait_seconds > 0
    assert loader.cpu_seconds > 0
    list(running)
    first = loader.cpu_seconds
    list(loader)
    assert loader.cpu_seconds > first
    loader.reset_counters()
    assert (loader.wait_seconds, loader.cpu_seconds) == (0.0, 0.0)


def test_batches_go_to_the_device(genome: Genome) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    windows = make_windows(genome, 100)
    expected = content(Loader(genome, windows, np.arange(100), batch_size=16))
    for pin in (False, True):
        batches = list(Loader(genome, windows, np.arange(100), batch_size=16, device="cuda", pin=pin))
        assert all(part.device.type == "cuda" for batch in batches for part in batch)
        assert content(Batch(*(part.cpu() for part in batch)) for batch in batches) == expected
