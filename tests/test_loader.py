"""The loader's stream against one put together row by row."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dnafast import BaseCodes, Genome, KmerCounts, Kmers, Loader, OneHot, SparseLabels, Windows, _core
from dnafast import loader as loader_module
from dnafast.loader import Batch

SHUFFLE, JITTER, STRAND = 1, 2, 3

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform cannot fork")


@pytest.fixture(scope="module")
def genome() -> Genome:
    random = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGTacgtN", np.uint8)
    sizes = (4000, 3000, 500)
    return Genome.from_sequences([random.choice(letters, size).tobytes() for size in sizes], ["a", "b", "c"])


def make_windows(genome: Genome, n: int, length: int = 60, seed: int = 1) -> Windows:
    """Windows anywhere, some of them over an end of their contig."""
    random = np.random.default_rng(seed)
    contig = random.integers(0, len(genome.contigs), n)
    sizes = np.array(list(genome.contigs.values()))[contig]
    start = random.integers(-length // 2, sizes - length // 2)
    start[::7] = 0
    start[1::7] = (sizes - length)[1::7]
    return Windows.from_arrays(tuple(genome.contigs), contig, start, length, strand=random.choice([1, -1, 0], n))


def as_numpy(part: Any) -> Any:
    return part if part is None or isinstance(part, np.ndarray) else part.numpy()


def content(batches: Any) -> list[tuple[Any, ...]]:
    """Batches as plain values that compare."""
    return [
        tuple(None if part is None else (as_numpy(part).shape, as_numpy(part).tobytes()) for part in batch)
        for batch in batches
    ]


def rows(batches: list[Batch]) -> list[int]:
    return [int(row) for batch in batches for row in batch.index]


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


@pytest.mark.parametrize(
    "labels", [np.arange(30) % 2 == 0, np.arange(30, dtype=np.int8), np.ones((30, 4)), list(range(30))]
)
def test_labels_keep_their_type(genome: Genome, labels: Any) -> None:
    loader = Loader(genome, make_windows(genome, 30), labels, batch_size=7)
    array = np.asarray(labels)
    for batch in loader:
        y = as_numpy(batch.y)
        assert y.dtype == array.dtype
        assert np.array_equal(y, array[as_numpy(batch.index)])


def sparse_labels(n: int, tasks: int) -> SparseLabels:
    """Some rows without a cell, some full."""
    random = np.random.default_rng(5)
    cells = random.random((n, tasks)) < np.linspace(0, 1, n)[:, None]
    indptr = np.concatenate(([0], np.cumsum(cells.sum(axis=1))))
    return SparseLabels(indptr, np.nonzero(cells)[1], random.choice([1, -1], int(indptr[-1])), tasks)


@pytest.mark.parametrize("threads", [0, 1, 2, 7])
@pytest.mark.parametrize("tasks", [0, 1, 70])
def test_sparse_labels_are_expanded(genome: Genome, threads: int, tasks: int) -> None:
    windows, sparse = make_windows(genome, 101), sparse_labels(101, tasks)
    dense = Loader(genome, windows, sparse.to_dense(), batch_size=16, threads=1)
    loader = Loader(genome, windows, sparse, batch_size=16, threads=threads)
    for _ in range(2):
        batches = list(loader)
        assert all(as_numpy(batch.y).dtype == np.int8 for batch in batches)
        assert content(batches) == content(dense)


def test_sparse_labels_on_ranks_restored_and_without_torch(genome: Genome, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, sparse = make_windows(genome, 60), sparse_labels(60, 3)
    whole, half = ({"batch_size": 8, "jitter": 2, "shuffle": True}, {"batch_size": 4, "jitter": 2, "shuffle": True})
    expected = content(Loader(genome, windows, sparse.to_dense(), **whole))
    ranks = [list(Loader(genome, windows, sparse, rank=rank, world_size=2, **half)) for rank in (0, 1)]
    together = [
        Batch(*(np.concatenate([as_numpy(part) for part in parts]) for parts in zip(*step, strict=True)))
        for step in zip(*ranks, strict=True)
    ]
    assert content(together) == expected
    restored = pickle.loads(pickle.dumps(Loader(genome, windows, sparse, **whole)))
    assert content(restored) == expected
    monkeypatch.setattr(loader_module, "_import_torch", lambda: None)
    batches = list(Loader(genome, windows, sparse, **whole))
    assert all(isinstance(batch.y, np.ndarray) for batch in batches)
    assert content(batches) == expected


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_sparse_labels_in_a_forked_child(genome: Genome) -> None:
    windows, sparse = make_windows(genome, 100), sparse_labels(100, 3)
    loader = Loader(genome, windows, sparse, batch_size=8, threads=2)
    assert in_forked_child(loader) == content(Loader(genome, windows, sparse.to_dense(), batch_size=8))


@pytest.mark.parametrize("threads", [0, 2])
def test_sparse_labels_that_are_changed_later_are_no_crash(genome: Genome, threads: int) -> None:
    sparse = sparse_labels(60, 3)
    loader = Loader(genome, make_windows(genome, 60), sparse, threads=threads)
    sparse.indices[-1] = 3
    with pytest.raises(ValueError, match="labels: row 59 names task 3 of 3"):
        list(loader)


def test_bfloat16_is_a_tensor(genome: Genome) -> None:
    torch = pytest.importorskip("torch")
    windows = make_windows(genome, 10)
    encoding = OneHot("NCL", "bfloat16")
    (batch,) = Loader(genome, windows, encoding=encoding, shuffle=False)
    assert batch.x.dtype == torch.bfloat16
    assert torch.equal(batch.x, genome.encode(windows, encoding))


# Ranks


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("n", [24, 25, 31, 47, 48, 49, 160])
@pytest.mark.parametrize("batch_size", [2, 3, 16])
@pytest.mark.parametrize("drop_last", [False, True])
def test_ranks_share_one_stream(genome: Genome, world_size: int, n: int, batch_size: int, drop_last: bool) -> None:
    windows = make_windows(genome, n, length=10)
    options: dict[str, Any] = {
        "encoding": BaseCodes(),
        "threads": 1,
        "seed": 3,
        "reverse_complement": "random",
        "jitter": 3,
    }
    if drop_last and n < batch_size * world_size:
        with pytest.raises(ValueError, match="drop_last=True leaves no batch"):
            Loader(genome, windows, batch_size=batch_size, world_size=world_size, rank=0, drop_last=True, **options)
        return
    (whole,) = Loader(genome, windows, batch_size=10**6, **options)
    ranks = [
        list(
            Loader(
                genome, windows, batch_size=batch_size, rank=rank, world_size=world_size, drop_last=drop_last, **options
            )
        )
        for rank in range(world_size)
    ]
    steps = {len(batches) for batches in ranks}
    assert len(steps) == 1
    together = [batch for step in zip(*ranks, strict=True) for batch in step]
    kept = n // (batch_size * world_size) * batch_size * world_size if drop_last else n
    assert all(1 <= len(batch.index) <= batch_size for batch in together)
    assert rows(together) == rows([whole])[:kept]
    assert np.array_equal(np.concatenate([batch.x for batch in together]), whole.x[:kept])
    if drop_last:
        assert {len(batch.index) for batch in together} == {batch_size}


def test_ranks_of_torch_distributed_are_found(genome: Genome, tmp_path: Any) -> None:
    distributed = pytest.importorskip("torch.distributed")
    windows = make_windows(genome, 10)
    assert (Loader(genome, windows).rank, Loader(genome, windows).world_size) == (0, 1)
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        assert (Loader(genome, windows).rank, Loader(genome, windows).world_size) == (0, 1)
        assert Loader(genome, windows, rank=1, world_size=2).rank == 1
    finally:
        distributed.destroy_process_group()


# State


@pytest.mark.parametrize("stop", [0, 1, 3, 6, 7, 9, 14])
def test_resumes_after_any_step(genome: Genome, stop: int) -> None:
    windows = make_windows(genome, 50)
    options: dict[str, Any] = {"batch_size": 8, "jitter": 4, "reverse_complement": "random", "seed": 5}
    loader = Loader(genome, windows, **options)
    stream = content(loader) + content(loader)
    loader = Loader(genome, windows, **options)
    state, seen = loader.state_dict(), 0
    while seen < stop:
        for _ in loader:
            seen += 1
            if seen == stop:
                state = loader.state_dict()
                break
    resumed = Loader(genome, windows, **options)
    resumed.load_state_dict(pickle.loads(pickle.dumps(state)))
    assert resumed.state_dict() == state
    rest: list[Any] = []
    while len(rest) < 14 - stop:
        rest += content(resumed)
    assert rest == stream[stop:]


def test_a_state_of_another_stream_is_refused(genome: Genome) -> None:
    state = Loader(genome, make_windows(genome, 50), seed=1).state_dict()
    with pytest.raises(ValueError, match="another stream: seed is 1 there, 2 here"):
        Loader(genome, make_windows(genome, 50), seed=2).load_state_dict(state)
    with pytest.raises(ValueError, match="n_windows is 50 there, 51 here"):
        Loader(genome, make_windows(genome, 51), seed=1).load_state_dict(state)
    with pytest.raises(ValueError, match="step=99 must be below"):
        Loader(genome, make_windows(genome, 50), seed=1).load_state_dict({**state, "step": 99})


def test_leaving_early_begins_the_epoch_anew(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 50), batch_size=8)
    first = next(iter(loader))
    again = next(iter(loader))
    assert content([first]) == content([again])
    assert loader.epoch == 0
    assert len(list(loader)) == 7


# Threads, processes, interruptions


TASKS = Path("/proc/self/task")


def native_threads() -> int:
    return len(list(TASKS.iterdir()))


def settles_at(count: int) -> bool:
    """Whether that many threads are left; one that was joined may be listed for a moment more."""
    deadline = time.monotonic() + 5
    while native_threads() != count and time.monotonic() < deadline:
        time.sleep(0.001)
    return native_threads() == count


needs_proc = pytest.mark.skipif(not TASKS.is_dir(), reason="counts threads through /proc")


@needs_proc
def test_threads_end_with_the_loop(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 500), batch_size=8, threads=5)
    before = native_threads()
    list(loader)
    assert settles_at(before)
    for batch in loader:
        assert native_threads() == before + 5
        del batch
        break
    assert settles_at(before)
    with contextlib.suppress(RuntimeError):
        for _ in loader:
            raise RuntimeError("the consumer fails")
    assert settles_at(before)
    list(loader)
    assert settles_at(before)


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


class Interrupted(Exception):
    pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the platform has no timers")
def test_a_signal_ends_a_wait() -> None:
    def interrupt(*_: Any) -> None:
        raise Interrupted

    # A batch that takes seconds.
    genome = Genome.from_sequences(["ACGTTGCA" * 250_000])
    windows = Windows.from_arrays(("0",), np.zeros(8000), np.zeros(8000), 2_000_000)
    loader = Loader(genome, windows, encoding=KmerCounts(3), batch_size=8000, threads=1)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    began = time.monotonic()
    try:
        with pytest.raises(Interrupted):
            list(loader)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 5
    assert loader.cpu_seconds > 0.05


def collect(loader: Loader, iterator: Iterator[Batch] | None, pipe: Any) -> None:
    pipe.send(content(loader if iterator is None else iterator))
    pipe.close()


def in_forked_child(loader: Loader, iterator: Iterator[Batch] | None = None) -> Any:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=collect, args=(loader, iterator, sender))
    child.start()
    sender.close()
    found = receiver.recv()
    child.join(timeout=30)
    assert child.exitcode == 0
    return found


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_runs_in_a_forked_child(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 200), batch_size=8, threads=3, jitter=2)
    expected = content(loader)
    loader.set_epoch(0)
    assert in_forked_child(loader) == expected
    running = iter(loader)
    seen = content([next(running), next(running)])
    # The child goes on with its copy of the loop; the parent's is none the worse.
    assert seen + in_forked_child(loader, running) == expected
    assert seen + content(running) == expected


def test_runs_in_a_fresh_process(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 40), np.arange(40), batch_size=8, jitter=2)
    code = "[(b.index.tolist(), b.y.tolist(), b.x.tolist()) for b in loader]"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(eval, (code, {"loader": loader}))
    assert found == [(batch.index.tolist(), batch.y.tolist(), batch.x.tolist()) for batch in loader]


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*worker processes.*:UserWarning")
def test_workers_of_a_torch_dataloader_share_the_stream(genome: Genome) -> None:
    data = pytest.importorskip("torch.utils.data")

    class Stream(data.IterableDataset):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[Batch]:
            return iter(loader)

    loader = Loader(genome, make_windows(genome, 75), np.arange(75), batch_size=8, threads=1, jitter=2)
    expected = content(loader)
    for workers in (0, 1, 3):
        loader.set_epoch(0)
        batches = data.DataLoader(
            Stream(), batch_size=None, num_workers=workers, multiprocessing_context="fork" if workers else None
        )
        assert content(Batch(*batch) for batch in batches) == expected


# Without torch, meters, arguments


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
