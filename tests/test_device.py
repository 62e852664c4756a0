"""Windows decoded on a device from the packed genome there, against plain Python, the native half and its batches.

All of it runs on the CPU, and on a GPU too where there is one.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import struct
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import oracle  # noqa: E402  (torch is needed first)
from dnafast import BaseCodes, Genome, KmerCounts, Kmers, Loader, OneHot, Windows  # noqa: E402
from dnafast import device as device_module  # noqa: E402
from dnafast import loader as loader_module  # noqa: E402
from dnafast.device import DeviceGenome, encode_codes  # noqa: E402
from dnafast.loader import Batch  # noqa: E402
from streams import content, make_windows, needs_fork, rows  # noqa: E402
from test_encoding import ENCODINGS  # noqa: E402
from test_genome import NASTY  # noqa: E402
from test_twobit import pack  # noqa: E402

LENGTHS = (1, 2, 3, 4, 5, 8, 13, 31)


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    return name


@pytest.fixture(scope="module")
def genome() -> Genome:
    """Three contigs with many N, as in the tests of the loader."""
    random = np.random.default_rng(0)
    letters, sizes = np.frombuffer(b"ACGTacgtN", np.uint8), (4000, 3000, 500)
    return Genome.from_sequences([random.choice(letters, size).tobytes() for size in sizes], ["a", "b", "c"])


def everywhere(genome: Genome, length: int) -> Windows:
    """Windows that begin at every base of every contig and before and behind it, on both strands."""
    table = [
        (number, start, strand)
        for number, size in enumerate(genome.contigs.values())
        for start in range(-length - 5, size + 6)
        for strand in (1, -1, 0)
    ]
    contig, start, strand = np.array(table).T
    return Windows.from_arrays(tuple(genome.contigs), contig, start, length, strand=strand)


def same(found: Any, expected: Any) -> bool:
    """Whether a tensor on any device holds the bytes of an array or CPU tensor."""
    expected = torch.as_tensor(expected)
    return found.dtype == expected.dtype and found.is_contiguous() and torch.equal(found.cpu(), expected)


# Codes


@pytest.mark.parametrize("length", LENGTHS)
def test_codes_of_windows_everywhere(device: str, length: int) -> None:
    genome = Genome.from_sequences(list(NASTY.values()), list(NASTY))
    windows = everywhere(genome, length)
    found = DeviceGenome(genome, device).encode(windows, BaseCodes())
    assert found.device.type == device
    assert same(found, genome.encode(windows, BaseCodes()))
    names = tuple(NASTY)
    for row in range(0, len(windows), 7):
        place = names[windows.contig[row]], int(windows.start[row]), length, int(windows.strand[row])
        letters = oracle.window_letters(NASTY, *place)
        assert found[row].tolist() == oracle.base_codes(letters).tolist()


@given(data=st.data())
def test_codes_of_any_window(data: st.DataObject) -> None:
    sequences = data.draw(st.lists(st.text("ACGTNacgtnR", max_size=40), min_size=1, max_size=5))
    length = data.draw(st.integers(1, 50))
    number, start = st.integers(0, len(sequences) - 1), st.integers(-60, 60) | st.integers(-(2**63), 2**63 - 1)
    table = data.draw(st.lists(st.tuples(number, start, st.sampled_from([1, -1, 0])), max_size=10))
    genome = Genome.from_sequences(sequences)
    windows = oracle.window_table(tuple(genome.contigs), table, length)
    assert same(DeviceGenome(genome, "cpu").encode(windows, BaseCodes()), genome.encode(windows, BaseCodes()))


def test_windows_far_outside_are_unknown(device: str, genome: Genome) -> None:
    # 2**34 bases away is where the code keeps the neighbouring contig.
    starts = (-(2**63), -(2**62), -(2**35), -(2**34), -60, 4000, 2**32, 2**34, 2**35, 2**62, 2**63 - 1)
    table = [(contig, start, strand) for contig in range(3) for start in starts for strand in (1, -1)]
    windows = oracle.window_table(tuple(genome.contigs), table, 60)
    assert (DeviceGenome(genome, device).encode(windows, BaseCodes()) == 4).all()


def test_hundreds_of_contigs_of_all_sizes(device: str) -> None:
    random = np.random.default_rng(5)
    sequences = [oracle.patchy_letters(random, int(size)) for size in random.integers(0, 70, 700)]
    genome = Genome.from_sequences(sequences)
    contig = random.integers(0, 700, 20_000)
    windows = Windows.from_arrays(
        tuple(genome.contigs), contig, random.integers(-80, 80, 20_000), 37, strand=random.choice([1, -1, 0], 20_000)
    )
    assert same(DeviceGenome(genome, device).encode(windows, BaseCodes()), genome.encode(windows, BaseCodes()))
    last = Windows.from_arrays(tuple(genome.contigs), [699, 699], len(sequences[-1]) - 1, 1, strand=[1, -1])
    assert same(DeviceGenome(genome, device).encode(last, BaseCodes()), genome.encode(last, BaseCodes()))


def test_packed_bytes_are_those_of_a_twobit_file() -> None:
    sequences = ["GATTACA", "", "C", "ACGTACGT" * 9 + "TG", "", "AC"]
    native = Genome.from_sequences(sequences)._native
    expected = b"".join(pack(letters) for letters in sequences)
    for first in range(len(expected) + 1):
        for size in range(len(expected) + 1 - first):
            out = np.full(size, 255, np.uint8)
            native.copy_packed(first, out)
            assert out.tobytes() == expected[first : first + size]
    with pytest.raises(ValueError, match="out reaches 2 bytes past the packed genome's end"):
        native.copy_packed(len(expected) - 1, np.empty(3, np.uint8))
    with pytest.raises(ValueError, match="past the packed genome's end"):
        native.copy_packed(10**6, np.empty(3, np.uint8))
    with pytest.raises(ValueError, match="out must be writable"):
        native.copy_packed(0, np.frombuffer(b"abc", np.uint8))


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_the_genome_goes_over_in_pieces(monkeypatch: pytest.MonkeyPatch, genome: Genome, piece: int) -> None:
    monkeypatch.setattr(device_module, "_PIECE", piece)
    windows = make_windows(genome, 500)
    assert same(DeviceGenome(genome, "cpu").encode(windows, BaseCodes()), genome.encode(windows, BaseCodes()))


def test_n_blocks_that_touch_or_are_empty(tmp_path: Path) -> None:
    # As other writers might leave them; ours never does.
    blocks = [(0, 2), (2, 0), (2, 1), (5, 0), (9, 1), (10, 3), (16, 4)]
    packed = bytes(range(77, 82))
    words = [20, len(blocks), *(start for start, _ in blocks), *(size for _, size in blocks), 0, 0]
    path = tmp_path / "odd.2bit"
    header = struct.pack("<4IB1sI", 0x1A412743, 0, 1, 0, 1, b"x", 22)
    path.write_bytes(header + struct.pack(f"<{len(words)}I", *words) + packed)
    genome = Genome(path)
    assert genome.fetch("x", 0, 20).count("N") == 11
    for length in LENGTHS:
        windows = everywhere(genome, length)
        assert same(DeviceGenome(genome, "cpu").encode(windows, BaseCodes()), genome.encode(windows, BaseCodes()))


def test_a_genome_in_a_file(device: str, write_fasta: Callable[..., Path]) -> None:
    random = np.random.default_rng(8)
    genome = Genome(write_fasta({name: oracle.patchy_letters(random, 5000 + size) for size, name in enumerate("abc")}))
    held = DeviceGenome(genome, device)
    windows = make_windows(genome, 3000, length=201)
    assert same(held.encode(windows, BaseCodes()), genome.encode(windows, BaseCodes()))
    assert repr(held).startswith(f"DeviceGenome(Genome('{genome.path}', 3 contigs, 15003 bases), '{device}")


def test_it_takes_a_quarter_of_a_byte_a_base() -> None:
    genome = Genome.from_sequences(["ACGT" * 500_000 + "N" * 1000, "GATTACA" * 100_000])
    assert 0 <= DeviceGenome(genome, "cpu").nbytes - 2_701_000 / 4 < 70_000


# Encodings


@pytest.mark.parametrize("encoding", [*ENCODINGS, KmerCounts(8, canonical=True), OneHot("NCL", "float32", 5)], ids=str)
def test_encodings_are_those_of_the_native_half(device: str, genome: Genome, encoding: Any) -> None:
    held = DeviceGenome.shared(genome, device)
    for length in (31, 60):
        windows = make_windows(genome, 60, length=length)
        assert same(held.encode(windows, encoding), genome.encode(windows, encoding))


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_words_of_nothing_but_one_base(encoding: Any) -> None:
    genome = Genome.from_sequences([letter * 40 for letter in "ACGTN"])
    windows = Windows.from_arrays(tuple(genome.contigs), range(5), 0, 40)
    assert same(DeviceGenome(genome, "cpu").encode(windows, encoding), genome.encode(windows, encoding))


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_no_windows(genome: Genome, encoding: Any) -> None:
    none = make_windows(genome, 10)[:0]
    assert same(DeviceGenome.shared(genome, "cpu").encode(none, encoding), genome.encode(none, encoding))


def test_no_contigs() -> None:
    genome = Genome.from_sequences([])
    none = oracle.window_table((), [], 5)
    assert DeviceGenome(genome, "cpu").encode(none, BaseCodes()).shape == (0, 5)


def test_windows_of_another_table_are_found_by_name(genome: Genome) -> None:
    windows = Windows.from_arrays(("c", "a"), [0, 1, 1], [10, 20, 3990], 30)
    assert same(DeviceGenome(genome, "cpu").encode(windows, BaseCodes()), genome.encode(windows, BaseCodes()))


# Errors


def test_impossible_arguments_are_named(genome: Genome) -> None:
    held = DeviceGenome.shared(genome, "cpu")
    windows = make_windows(genome, 10, length=11)
    with pytest.raises(ValueError, match="length=11 must be at least 12 for this encoding"):
        held.encode(windows, Kmers(12))
    with pytest.raises(TypeError, match="encoding='one-hot' is not known on a device"):
        held.encode(windows, "one-hot")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'chrZ'"):
        held.encode(Windows.from_arrays(("chrZ",), [0], [0], 10), BaseCodes())
    for number in (-1, 3):
        with pytest.raises(ValueError, match=r"windows\.contig holds a number outside 0 to 2"):
            held.encode(oracle.window_table(("a", "b", "c"), [(number, 0, 1)], 10), BaseCodes())
    one = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(ValueError, match="length=0 must be at least 1"):
        held.codes(one, one, one, 0)
    with pytest.raises(ValueError, match="device='meta' must be 'cpu' or 'cuda'"):
        DeviceGenome(genome, "meta")


def test_too_little_memory_names_the_way_out(genome: Genome, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("a page of advice")

    monkeypatch.setattr(torch, "empty", refuse)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 2000))
    with pytest.raises(MemoryError) as error:
        DeviceGenome(genome, "cpu")
    assert str(error.value) == (
        "the packed genome takes 1877 bytes and device='cpu' has 1000 free: "
        "load batches with device='cpu' and pin=True, and move each with .to('cpu', non_blocking=True)"
    )


def test_another_process_cannot_use_the_gpu(genome: Genome, monkeypatch: pytest.MonkeyPatch) -> None:
    held = DeviceGenome(genome, "cpu")
    held.device = torch.device("cuda", 0)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    one = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="a forked process cannot use CUDA"):
        held.codes(one, one, one, 5)


# One for all


def test_a_genome_is_held_once_and_let_go(device: str) -> None:
    genome, other = Genome.from_sequences(["ACGT"]), Genome.from_sequences(["ACGT"])
    first = DeviceGenome.shared(genome, device)
    assert DeviceGenome.shared(genome, torch.device(device)) is first
    assert DeviceGenome.shared(other, device) is not first
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None


def test_it_is_pickled_as_the_genome_it_is_of(device: str, genome: Genome) -> None:
    held = DeviceGenome(genome, device)
    copy = pickle.loads(pickle.dumps(held))
    assert (copy.device, copy.nbytes) == (held.device, held.nbytes)
    windows = make_windows(genome, 50)
    assert same(copy.encode(windows, BaseCodes()), genome.encode(windows, BaseCodes()))


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Loader]:
    """Makes loaders that decode as they do for a GPU, on the CPU."""

    def make(*arguments: Any, **options: Any) -> Loader:
        with monkeypatch.context() as patch:
            patch.setattr(loader_module, "_holds_genome", lambda _: True)
            return Loader(*arguments, **options)

    return make


def test_loaders_share_the_genome(genome: Genome, on_device: Callable[..., Loader]) -> None:
    loaders = [on_device(genome, make_windows(genome, 20, seed=seed)) for seed in range(3)]
    for loader in loaders:
        list(loader)
    assert loaders[0]._held is loaders[1]._held is loaders[2]._held is not None


# Batches


@pytest.mark.parametrize("encoding", [OneHot(), OneHot("NLC", "bfloat16", 2), BaseCodes(), Kmers(4, 3), KmerCounts(2)])
@pytest.mark.parametrize("reverse_complement", ["never", "random", "always"])
@pytest.mark.parametrize("jitter", [0, 25])
def test_batches_are_those_of_the_cpu(
    genome: Genome, on_device: Callable[..., Loader], encoding: Any, reverse_complement: str, jitter: int
) -> None:
    windows = make_windows(genome, 101)
    options: dict[str, Any] = {
        "labels": np.random.default_rng(2).normal(size=(101, 3)),
        "encoding": encoding,
        "batch_size": 16,
        "seed": 9,
        "jitter": jitter,
        "reverse_complement": reverse_complement,
    }
    plain, there = Loader(genome, windows, **options), on_device(genome, windows, **options)
    for _ in range(2):
        assert contents(there) == contents(plain)


def contents(batches: Any) -> list[tuple[Any, ...]]:
    """`content`, also where numpy lacks the type."""
    return content(batch._replace(x=batch.x.view(torch.uint8)) for batch in batches)


@pytest.mark.parametrize("threads", [0, 1, 7])
@pytest.mark.parametrize("shuffle", [True, False])
def test_large_batches_are_the_same_for_any_number_of_threads(
    genome: Genome, on_device: Callable[..., Loader], threads: int, shuffle: bool
) -> None:
    windows = make_windows(genome, 40_000, length=5)  # more than two pieces of work
    options: dict[str, Any] = {"encoding": BaseCodes(), "batch_size": 39_000, "jitter": 3, "shuffle": shuffle}
    plain = Loader(genome, windows, threads=2, **options)
    assert content(on_device(genome, windows, threads=threads, **options)) == content(plain)


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_the_stream_of_the_cpu(genome: Genome, on_device: Callable[..., Loader], world_size: int) -> None:
    windows = make_windows(genome, 49)
    options: dict[str, Any] = {"encoding": BaseCodes(), "batch_size": 4, "jitter": 3, "reverse_complement": "random"}
    for rank in range(world_size):
        place = {"rank": rank, "world_size": world_size}
        assert content(on_device(genome, windows, **options, **place)) == content(
            Loader(genome, windows, **options, **place)
        )


def test_a_stream_goes_on_elsewhere(genome: Genome, on_device: Callable[..., Loader]) -> None:
    windows = make_windows(genome, 50)
    plain = Loader(genome, windows, batch_size=8, jitter=2)
    expected = content(plain)
    plain.set_epoch(0)
    running = iter(plain)
    seen = content([next(running), next(running)])
    there = on_device(genome, windows, batch_size=8, jitter=2)
    there.load_state_dict(plain.state_dict())
    assert seen + content(there) == expected


def test_only_coordinates_cross_the_bus(genome: Genome, on_device: Callable[..., Loader]) -> None:
    windows = make_windows(genome, 100, length=400)
    loader = on_device(genome, windows, np.arange(100, dtype=np.int8), batch_size=32)
    filled = []
    finish = loader._finish

    def watch(buffers: Any) -> Batch:
        filled.append(buffers)
        return finish(buffers)

    loader._finish = watch  # type: ignore[method-assign]
    assert sorted(rows(list(loader))) == list(range(100))
    for buffers in filled:
        n = len(buffers.index)
        sizes = [part.nbytes for part in (buffers.x, buffers.y, buffers.index, buffers.strand)]
        assert sizes == [16 * n, n, 8 * n, n]
        contig, start = buffers.x.view(np.int64).reshape(n, 2).T
        assert np.array_equal(contig, windows.contig[buffers.index])
        assert np.array_equal(start, windows.start[buffers.index])


def test_a_loader_is_pickled_without_the_genome_on_the_device(genome: Genome, on_device: Callable[..., Loader]) -> None:
    loader = on_device(genome, make_windows(genome, 20), batch_size=8)
    expected = content(loader)
    copy = pickle.loads(pickle.dumps(loader))
    assert copy._held is None
    copy.set_epoch(0)
    assert content(copy) == expected
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        loader.set_epoch(0)
        found = pool.apply(eval, ("[b.x.tolist() for b in loader]", {"loader": loader}))
    loader.set_epoch(0)
    assert found == [batch.x.tolist() for batch in loader]


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*worker processes.*:UserWarning")
def test_workers_share_the_stream(genome: Genome, on_device: Callable[..., Loader]) -> None:
    class Stream(torch.utils.data.IterableDataset):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[Batch]:
            return iter(loader)

    loader = on_device(genome, make_windows(genome, 75), np.arange(75), batch_size=8, threads=1, jitter=2)
    expected = content(loader)
    for workers in (0, 1, 3):
        loader.set_epoch(0)
        context = "fork" if workers else None
        batches = torch.utils.data.DataLoader(
            Stream(), batch_size=None, num_workers=workers, multiprocessing_context=context
        )
        assert content(Batch(*batch) for batch in batches) == expected


def test_workers_are_refused_for_a_gpu(genome: Genome, monkeypatch: pytest.MonkeyPatch) -> None:
    class Worker:
        id, num_workers = 0, 2

    loader = Loader(genome, make_windows(genome, 20))
    loader.device = torch.device("cuda")
    monkeypatch.setattr(torch.utils.data, "get_worker_info", Worker)
    with pytest.raises(RuntimeError, match="device='cuda' in a worker process of a DataLoader: use num_workers=0"):
        next(iter(loader))


@pytest.mark.parametrize("pin", [False, True])
@pytest.mark.parametrize("encoding", [OneHot(), OneHot("NLC", "bfloat16", 2), BaseCodes(), Kmers(4, 3), KmerCounts(2)])
def test_batches_of_a_gpu(genome: Genome, pin: bool, encoding: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    windows = make_windows(genome, 1000)
    options: dict[str, Any] = {"labels": np.arange(1000), "encoding": encoding, "batch_size": 64, "jitter": 5}
    plain = Loader(genome, windows, **options)
    there = Loader(genome, windows, **options, device="cuda", pin=pin)
    for _ in range(2):
        batches = list(there)
        assert all(part.device.type == "cuda" for batch in batches for part in batch)
        assert contents(Batch(*(part.cpu() for part in batch)) for batch in batches) == contents(plain)


def test_codes_are_encoded_where_they_are() -> None:
    codes = torch.tensor([[0, 1, 2, 3, 4, 0]], dtype=torch.uint8)
    assert encode_codes(codes, Kmers(2)).tolist() == [[1, 6, 11, 16, 16]]
    assert encode_codes(codes, BaseCodes()) is codes
