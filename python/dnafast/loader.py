"""From windows to batches: shuffled, shifted, read on either strand, encoded ahead by native threads.

A draw depends on the seed, the epoch and the window's row alone, so that the stream of batches is the same for any
number of threads or worker processes, and the batches of several ranks together are those of one.
"""

from __future__ import annotations

import importlib.util
import math
import operator
import os
import sys
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnafast import _core
from dnafast.arguments import check_encoding
from dnafast.encoding import BaseCodes, KmerCounts, Kmers, OneHot
from dnafast.genome import Genome
from dnafast.labelling import SparseLabels
from dnafast.ranks import Share, found_place
from dnafast.threads import resolve_threads
from dnafast.windowing import Windows

REVERSE_COMPLEMENT = ("never", "random", "always")
DEFAULT_ENCODING = OneHot("NCL", "float32")

Encoding = BaseCodes | OneHot | Kmers | KmerCounts


class Batch(NamedTuple):
    """One batch of B windows: torch tensors where torch is installed, else numpy arrays.

    Attributes:
        x: (B, …), the encoded windows.
        y: (B,) or (B, T), the rows' labels in the type they were given, or None.
        index: int64 (B,), rows of the window table.
        strand: int8 (B,), +1 or -1: the strand that was read.
    """

    x: Any
    y: Any
    index: Any
    strand: Any


@dataclass(frozen=True, slots=True)
class _Buffers:
    """The arrays of a batch on its way, and the position in the stream of its first row."""

    first: int
    x: NDArray[np.uint8]
    y: NDArray[Any] | None
    index: NDArray[np.int64]
    strand: NDArray[np.int8]


class Loader:
    """Yields the batches of one epoch, then goes on to the next epoch.

    Leaving the loop before the epoch's last batch ends its threads; the next loop begins the same epoch anew. The table
    of windows and the labels are kept as they are, not copied per thread: memory beyond them does not grow with the
    number of windows.

    In a worker process of `torch.utils.data.DataLoader` (`batch_size=None`, over an `IterableDataset` whose `__iter__`
    returns `iter(loader)`) the workers share the steps in turn, so that the DataLoader's stream is that of one process.
    Each worker has a copy of the loader with threads of its own, and this one does not move on: call `set_epoch` before
    each epoch (persistent workers go on by themselves), and `state_dict(step)` with the steps that were had.

    Lightning's Trainer takes a loader as it is, saves its state in its checkpoints, and needs no
    `use_distributed_sampler=False`: that flag concerns DataLoaders, and the ranks are found here.

    Args:
        genome: where the windows lie.
        windows: table of N windows.
        labels: (N,) or (N, T), numbers or truth values of any type, or `SparseLabels`, of which a batch's rows are
            expanded as it is filled; None for batches without y.
        encoding: how a window becomes numbers.
        batch_size: windows in a batch, of each rank.
        shuffle: a new order each epoch; else that of the table.
        seed: 0 to 2^64 - 1.
        jitter: each window is shifted by a whole number drawn evenly from [-jitter, jitter]; at an end of the contig
            the shift stops, so that no window leaves it (or, cut with edge="pad", gets further out than it was).
        reverse_complement: "never" reads the window's own strand (unstranded: forward), "always" the opposite one,
            "random" either, by a draw.
        device: where the batches are. With "cuda" the packed genome is in the GPU's memory, 0.25 byte a base, once for
            all loaders over it, and windows are decoded there: coordinates are copied, never bases.
        pin: fill page-locked memory, which a GPU copies from without waiting.
        prefetch: batches that are filled ahead.
        threads: native threads; None for every usable processor, 0 to encode a batch in the calling thread, when it is
            asked for: with few processors that disturbs the model less than a thread of its own.
        rank, world_size: this process's part of the stream. By default those of `torch.distributed` where it is
            initialised by the time that the stream begins, else 0 of 1. Every rank has as many steps as the others;
            step by step, the ranks' batches one after the other are those of a single process with world_size times
            the batch size, but that the last two steps are divided so that every rank has a row in each.
        drop_last: leave out the last, smaller batch.

    Raises:
        ValueError: an argument out of range, no windows, labels of another length or with nan among them, or too few
            windows to give each rank a row in every step.
        MemoryError: when the loop begins, the GPU lacks the memory for the packed genome.
    """

    def __init__(
        self,
        genome: Genome,
        windows: Windows,
        labels: ArrayLike | SparseLabels | None = None,
        *,
        encoding: Encoding = DEFAULT_ENCODING,
        batch_size: int = 256,
        shuffle: bool = True,
        seed: int = 0,
        jitter: int = 0,
        reverse_complement: str = "never",
        device: Any = "cpu",
        pin: bool = False,
        prefetch: int = 4,
        threads: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        drop_last: bool = False,
    ) -> None:
        if len(windows) == 0:
            raise ValueError("windows holds no window: there is nothing to load")
        if reverse_complement not in REVERSE_COMPLEMENT:
            raise ValueError(
                f"reverse_complement={reverse_complement!r} is not known: "
                f"choose one of {', '.join(map(repr, REVERSE_COMPLEMENT))}"
            )
        self.genome = genome
        self.windows = windows
        self.labels = _check_labels(labels, len(windows))
        check_encoding(encoding)
        self.encoding = encoding
        self.batch_size = _check_whole("batch_size", batch_size, 1)
        self.shuffle = bool(shuffle)
        self.seed = _check_whole("seed", seed, 0, 2**64 - 1)
        self.jitter = _check_whole("jitter", jitter, 0, 2**31 - 1)
        self.reverse_complement = reverse_complement
        self.prefetch = _check_whole("prefetch", prefetch, 1)
        self.threads = resolve_threads(threads, least=0)
        self._given_place = (rank, world_size)
        self.rank, self.world_size = _place_among_ranks(rank, world_size)
        self.drop_last = bool(drop_last)
        self.device = device
        self.pin = bool(pin)
        self._torch = _import_torch()
        self._check_device()
        self._columns = genome._columns(windows)
        self._share = self._make_share()
        self._row_shape: tuple[int, ...] = tuple(encoding.shape(windows.length))
        self._row_dtype = np.dtype(encoding.numpy_dtype)
        self._decodes_there = _holds_genome(self.device)
        if self._decodes_there:
            self._row_shape, self._row_dtype = (2,), np.dtype(np.int64)  # contig and start
        self._row_bytes = math.prod(self._row_shape) * self._row_dtype.itemsize
        self._epoch = 0
        self._step = 0  # steps of the epoch that the consumer has had
        self._resume = 0  # step at which the next loop begins
        self._start_meters()

    def _start_meters(self) -> None:
        # Batches in the consumer's hands and on their way, and one being exchanged.
        rows = min(self.batch_size, len(self.windows))
        steps = -(-len(self.windows) // rows)
        self._pool = _core.BlockPool(bytes=rows * self._row_bytes, kept=min(self.prefetch, steps) + 2)
        self._waited = 0.0
        self._cpu_ended = 0.0
        self._cpu_before = 0.0
        self._prefetchers: set[Any] = set()
        self._held: Any = None  # the genome on the device, from the first loop on

    def __getstate__(self) -> dict[str, Any]:
        """Without what belongs to this process: threads, memory and meters."""
        self._find_ranks()
        state = self.__dict__.copy()
        for name in ("_torch", "_pool", "_waited", "_cpu_ended", "_cpu_before", "_prefetchers", "_held"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._torch = _import_torch()
        self._start_meters()

    def __len__(self) -> int:
        """Batches in an epoch, on this rank."""
        self._find_ranks()
        return self._share.steps

    @property
    def epoch(self) -> int:
        """The epoch that the next loop runs, or that is running."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Make the next loop run this epoch, from its beginning."""
        self._epoch = _check_whole("epoch", epoch, 0)
        self._step = self._resume = 0

    def state_dict(self, step: int | None = None) -> dict[str, Any]:
        """Where the stream stands, in plain numbers: after the last batch that was yielded.

        After an epoch's last batch this is the beginning of the next. The state of one rank is that of all.

        Args:
            step: how many batches of the epoch were had; None where this loader yielded them. The copies in worker
                processes of a DataLoader do not tell theirs.

        Raises:
            ValueError: step is more than an epoch has.
        """
        self._find_ranks()
        step = self._step if step is None else _check_whole("step", step, 0, self._share.steps)
        epoch, step = (self._epoch, step) if step < self._share.steps else (self._epoch + 1, 0)
        return {"epoch": epoch, "step": step, **self._fingerprint()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make the next loop go on where `state_dict` was taken.

        Raises:
            ValueError: the state is that of another stream: other windows, seed, batch size, order or ranks.
        """
        self._find_ranks()
        for name, value in self._fingerprint().items():
            if name not in state or state[name] != value:
                raise ValueError(f"the state is of another stream: {name} is {state.get(name)!r} there, {value!r} here")
        epoch = _check_whole("epoch", state["epoch"], 0)
        step = _check_whole("step", state["step"], 0)
        if step >= self._share.steps:
            raise ValueError(f"step={step} must be below the {self._share.steps} steps of an epoch")
        self._epoch = epoch
        self._step = self._resume = step

    def _fingerprint(self) -> dict[str, Any]:
        names = ("seed", "batch_size", "shuffle", "drop_last", "world_size", "jitter", "reverse_complement")
        windows = {"n_windows": len(self.windows), "length": self.windows.length, "windows": self._windows_checksum}
        return {**windows, "encoding": repr(self.encoding), **{name: getattr(self, name) for name in names}}

    @cached_property
    def _windows_checksum(self) -> int:
        checksum = 0
        for column in self._columns:
            checksum = zlib.crc32(column.data, checksum)
        return checksum

    @property
    def wait_seconds(self) -> float:
        """Time that the consumer spent waiting for batches since the last `reset_counters`."""
        return self._waited

    @property
    def cpu_seconds(self) -> float:
        """Processor time spent on encoding since the last `reset_counters`, by their own clocks."""
        return self._cpu_total() - self._cpu_before

    def reset_counters(self) -> None:
        """Set `wait_seconds` and `cpu_seconds` to 0."""
        self._waited = 0.0
        self._cpu_before = self._cpu_total()

    def _cpu_total(self) -> float:
        return self._cpu_ended + float(sum(prefetcher.cpu_seconds for prefetcher in self._prefetchers))

    def __iter__(self) -> Iterator[Batch]:
        self._find_ranks()
        if self._step == self._share.steps:
            # The loop before had the epoch's last batch, and is kept by someone who did not ask for more.
            self.set_epoch(self._epoch + 1)
        epoch, first_step = self._epoch, self._resume
        self._step, self._resume = first_step, 0
        worker, workers = self._place_among_workers()
        steps = iter(range(first_step + worker, self._share.steps, workers))
        queue: deque[tuple[int, _Buffers]] = deque()
        process = os.getpid()
        prefetcher = self._start(epoch)
        ended = False
        try:
            for step in steps:
                self._submit(prefetcher, queue, step)
                if len(queue) == (self.prefetch if self.threads else 1):
                    break
            while queue:
                if os.getpid() != process:
                    # Forked in mid-epoch: the threads stayed with the parent.
                    process = os.getpid()
                    prefetcher = self._start(epoch)
                    for _, buffers in queue:
                        self._queue(prefetcher, buffers)
                self._waited += prefetcher.wait()
                step, buffers = queue.popleft()
                # The freed place is filled before the consumer goes to work on this batch.
                following = next(steps, None)
                if following is not None:
                    self._submit(prefetcher, queue, following)
                batch = self._finish(buffers)
                del buffers
                if self._epoch == epoch:
                    self._step = step + 1
                yield batch
                del batch
            ended = True
        finally:
            prefetcher.stop()
            self._cpu_ended += prefetcher.cpu_seconds
            self._prefetchers.discard(prefetcher)
            if self._epoch == epoch and (ended or self._step == self._share.steps):
                self.set_epoch(epoch + 1)

    def _start(self, epoch: int) -> Any:
        contig, start, strand = self._columns
        prefetcher = _core.Prefetcher(
            genome=self.genome._native,
            contig=contig,
            start=start,
            strand=strand,
            length=self.windows.length,
            encoding=None if self._decodes_there else self.encoding.native(),
            labels=None if isinstance(self.labels, SparseLabels) else self.labels,
            sparse_labels=self.labels.columns if isinstance(self.labels, SparseLabels) else None,
            shuffle=self.shuffle,
            seed=self.seed,
            epoch=epoch,
            jitter=self.jitter,
            reverse_complement=self.reverse_complement,
            threads=self.threads,
        )
        self._prefetchers.add(prefetcher)
        return prefetcher

    def _submit(self, prefetcher: Any, queue: deque[tuple[int, _Buffers]], step: int) -> None:
        first, rows = self._share.stretch(step)
        buffers = _Buffers(
            first=first,
            x=self._empty_rows(rows),
            y=None if self.labels is None else self._empty((rows, *self.labels.shape[1:]), self.labels.dtype),
            index=self._empty((rows,), np.dtype(np.int64)),
            strand=self._empty((rows,), np.dtype(np.int8)),
        )
        self._queue(prefetcher, buffers)
        queue.append((step, buffers))

    @staticmethod
    def _queue(prefetcher: Any, buffers: _Buffers) -> None:
        prefetcher.submit(
            first=buffers.first,
            rows=len(buffers.index),
            x=buffers.x,
            y=buffers.y,
            index=buffers.index,
            strand=buffers.strand,
        )

    def _empty_rows(self, rows: int) -> NDArray[np.uint8]:
        if self.pin:
            return self._empty((rows * self._row_bytes,), np.dtype(np.uint8))
        block: NDArray[np.uint8] = self._pool.take(rows * self._row_bytes)
        return block

    def _empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        if not self.pin:
            return np.empty(shape, dtype)
        memory = self._torch.empty(math.prod(shape) * dtype.itemsize, dtype=self._torch.uint8, pin_memory=True)
        pinned: NDArray[Any] = memory.numpy().view(dtype).reshape(shape)
        return pinned

    def _finish(self, buffers: _Buffers) -> Batch:
        rows = len(buffers.index)
        x = buffers.x.view(self._row_dtype).reshape(rows, *self._row_shape)
        if self._torch is None:
            return Batch(x, buffers.y, buffers.index, buffers.strand)
        x = self._torch.from_numpy(x)
        if self._row_dtype == np.uint16:
            x = x.view(self._torch.bfloat16)
        y = None if buffers.y is None else self._torch.from_numpy(buffers.y)
        batch = Batch(x, y, self._torch.from_numpy(buffers.index), self._torch.from_numpy(buffers.strand))
        if self.device.type != "cpu":
            batch = Batch(*(part if part is None else part.to(self.device, non_blocking=self.pin) for part in batch))
        return batch._replace(x=self._decode(batch.x, batch.strand)) if self._decodes_there else batch

    def _decode(self, places: Any, strand: Any) -> Any:
        """The encoded windows, made on the device from their coordinates, int64 (B, 2)."""
        from dnafast import device

        if self._held is None:
            self._held = device.DeviceGenome.shared(self.genome, self.device)
        return self._held.decode(places[:, 0], places[:, 1], strand, self.windows.length, self.encoding)

    def _find_ranks(self) -> None:
        """Takes this process's place where torch.distributed was initialised since the loader was made, as Trainers do.

        A worker process of a DataLoader may know of no ranks: there the place stays that of the process it came from.
        """
        if None in self._given_place and found_place() is not None:
            self.rank, self.world_size = _place_among_ranks(*self._given_place)
            self._share = self._make_share()

    def _make_share(self) -> Share:
        return Share(len(self.windows), self.batch_size, self.rank, self.world_size, self.drop_last)

    def _check_device(self) -> None:
        if self._torch is None:
            if self.device != "cpu" or self.pin or _is_bfloat16(self.encoding):
                raise ValueError(
                    f"device={self.device!r}, pin={self.pin} and {self.encoding!r}: "
                    "devices, pinned memory and bfloat16 need torch, which is not installed"
                )
            return
        try:
            self.device = self._torch.device(self.device)
        except RuntimeError as error:
            raise ValueError(f"device={self.device!r} is not known to torch: {str(error).splitlines()[0]}") from None
        has_cuda = self._torch.cuda.is_available()
        if self.device.type not in ("cpu", "cuda"):
            raise ValueError(f"device={str(self.device)!r} must be 'cpu' or 'cuda'")
        if not has_cuda and (self.pin or self.device.type == "cuda"):
            raise ValueError(f"device={str(self.device)!r}, pin={self.pin}: torch finds no CUDA device here")

    def _place_among_workers(self) -> tuple[int, int]:
        """Number of this worker process of a torch DataLoader, and how many there are; 0 of 1 elsewhere."""
        data = sys.modules.get("torch.utils.data")
        info = data.get_worker_info() if data is not None else None
        if info is not None and self.device.type != "cpu":
            raise RuntimeError(
                f"device={str(self.device)!r} in a worker process of a DataLoader: use num_workers=0, since the loader "
                "fills batches ahead by itself, or device='cpu'"
            )
        return (0, 1) if info is None else (info.id, info.num_workers)


def _holds_genome(device: Any) -> bool:
    """Whether the packed genome is kept on the device and windows are decoded there; without torch it is "cpu"."""
    return getattr(device, "type", "cpu") != "cpu"


def _import_torch() -> Any:
    """The torch module, or None where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch


def _place_among_ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """The place that was given, the one that torch.distributed knows in its stead, or 0 of 1."""
    found_rank, found_world_size = found_place() or (0, 1)
    world_size = _check_whole("world_size", found_world_size if world_size is None else world_size, 1)
    rank = _check_whole("rank", found_rank if rank is None else rank, 0)
    if rank >= world_size:
        raise ValueError(f"rank={rank} must be below world_size={world_size}")
    return rank, world_size


def _check_whole(argument: str, value: Any, least: int, most: int = 2**62) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if not least <= number <= most:
        raise ValueError(f"{argument}={value!r} must be a whole number from {least} to {most}")
    return number


def _check_labels(labels: ArrayLike | SparseLabels | None, n: int) -> NDArray[Any] | SparseLabels | None:
    if labels is None:
        return None
    if isinstance(labels, SparseLabels):
        if len(labels) != n:
            raise ValueError(f"labels has shape {labels.shape}: it must have a row for each of the {n} windows")
        return labels
    array = np.asarray(labels)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"labels are of type {array.dtype}: they must be numbers or truth values")
    if array.ndim not in (1, 2) or len(array) != n:
        raise ValueError(f"labels has shape {array.shape}: it must be (N,) or (N, T) for the {n} windows")
    if array.dtype.kind == "f" and array.size and np.isnan(array.min()):  # the least of numbers and nan is nan
        row = int(np.argmax(np.isnan(array).reshape(n, -1).any(axis=1)))
        raise ValueError(f"labels[{row}] holds nan, which is no label: leave such windows out")
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _is_bfloat16(encoding: Encoding) -> bool:
    return getattr(encoding, "dtype", None) == "bfloat16"
