"""The packed genome in a device's memory, where windows are decoded and encoded: by Triton, or by torch operations.

Nothing but coordinates crosses the bus. The torch operations run on the CPU too, and what comes out is, byte for byte,
what the native half gives.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import threading
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dnafast.encoding import BaseCodes, Encoding, KmerCounts, Kmers, OneHot
from dnafast.genome import Genome, WindowTable

UNKNOWN = 4  # the code of what is no A C G T

# Bytes copied to the device at a time: the host never holds the packed genome twice.
_PIECE = 1 << 24
# Contigs stand this many bytes apart on one axis: more than the longest contig and, on each side, the longest window.
_AXIS_SHIFT = 32


class DeviceGenome:
    """A genome packed in the memory of a device, 0.25 byte a base.

    Attributes:
        genome: the genome.
        device: where its bases are.
        nbytes: memory held there.

    Args:
        genome: any genome.
        device: "cpu", "cuda" or one of several, such as "cuda:1".

    Raises:
        ValueError: a device of another kind.
        MemoryError: the device has too little memory for the packed genome.
    """

    def __init__(self, genome: Genome, device: str | torch.device) -> None:
        self.genome = genome
        self.device = _resolve(device)
        self._process = os.getpid()
        sizes = np.fromiter(genome.contigs.values(), np.int64, len(genome.contigs))
        n_bytes = (sizes + 3) // 4
        first_bytes = 1 + np.cumsum(n_bytes) - n_bytes
        self._packed = self._upload_packed(1 + int(n_bytes.sum()) + 1)
        borders = _borders(genome, sizes)
        starts, known = _runs_of_bytes(borders)
        self._contigs = torch.from_numpy(np.stack([sizes, first_bytes], 1)).to(self.device)
        self._run_starts = torch.from_numpy(starts).to(self.device)
        self._run_known = torch.from_numpy(known).to(self.device)
        self._words = torch.from_numpy(_words()).to(self.device)
        self._borders = torch.from_numpy(borders).to(self.device)

    @classmethod
    def shared(cls, genome: Genome, device: str | torch.device) -> DeviceGenome:
        """The packed form of this genome that somebody holds on this device already, or a new one.

        Raises:
            ValueError, MemoryError: see the class.
        """
        key = (genome, str(_resolve(device)))
        with _lock:
            held = _held.get(key)
            if held is None:
                held = _held[key] = cls(genome, device)
            return held

    @property
    def nbytes(self) -> int:
        """Memory held on the device, in bytes."""
        tensors = (self._packed, self._contigs, self._run_starts, self._run_known, self._words, self._borders)
        return sum(tensor.nbytes for tensor in tensors)

    def __reduce__(self) -> tuple[type[DeviceGenome], tuple[Genome, str]]:
        return DeviceGenome, (self.genome, str(self.device))

    def __repr__(self) -> str:
        return f"DeviceGenome({self.genome!r}, '{self.device}')"

    def encode(self, windows: WindowTable, encoding: Encoding) -> Tensor:
        """Encodes windows; those on strand -1 come out reverse-complemented, bases outside the contig as unknown.

        Args:
            windows: N windows of L bases; their coordinates are copied to the device.
            encoding: what to make of them.

        Returns:
            (N, \\*encoding.shape(L)) on the device.

        Raises:
            TypeError: an encoding of another package.
            ValueError: windows on a contig that the genome lacks, or too short for the encoding.
        """
        contig, start, strand = self.genome._columns(windows)
        if contig.size and not (contig.min() >= 0 and contig.max() < len(self.genome.contigs)):
            raise ValueError(f"windows.contig holds a number outside 0 to {len(self.genome.contigs) - 1}")
        there = [torch.tensor(column, device=self.device) for column in (contig, start, strand)]
        return self.decode(there[0], there[1], there[2], int(windows.length), encoding)

    def codes(self, contig: Tensor, start: Tensor, strand: Tensor, length: int) -> Tensor:
        """Base codes of windows, A C G T = 0 1 2 3 and anything else 4, uint8 (B, L): see `decode`."""
        return self.decode(contig, start, strand, length, BaseCodes())

    def decode(self, contig: Tensor, start: Tensor, strand: Tensor, length: int, encoding: Encoding) -> Tensor:
        """Encodes windows whose coordinates are on the device; on a GPU with Triton in one kernel where one has it.

        Nothing waits for the device, and so the contigs' numbers are not checked.

        Args:
            contig: whole numbers (B,) on the device: the contig, in the genome's order.
            start: int64 (B,): first base, 0-based; windows may lie outside the contig.
            strand: whole numbers (B,): -1 reads the reverse complement, 0 and 1 read forward.
            length: bases a window, L.
            encoding: what to make of them.

        Returns:
            (B, \\*encoding.shape(L)) on the device.

        Raises:
            TypeError: an encoding of another package.
            ValueError: length is less than 1, or too short for the encoding.
            RuntimeError: the genome is on a GPU and this process was forked from the one that put it there.
        """
        if length < 1:
            raise ValueError(f"length={length} must be at least 1")
        if self.device.type != "cpu" and os.getpid() != self._process:
            raise RuntimeError(
                f"the genome on {self.device} was put there by the process that this one was forked from, "
                "and a forked process cannot use CUDA: start it with 'spawn', or use device='cpu' in it"
            )
        if self.device.type == "cuda" and has_triton():
            from dnafast import device_triton

            columns = (self._packed, self._contigs, self._borders, _AXIS_SHIFT + 2, contig, start, strand, length)
            if isinstance(encoding, OneHot) and encoding.order == 1:
                return device_triton.decode(*columns, encoding)
            return encode_codes(device_triton.decode(*columns, BaseCodes()), encoding)
        return encode_codes(self._codes_by_torch(contig, start, strand, length), encoding)

    def _codes_by_torch(self, contig: Tensor, start: Tensor, strand: Tensor, length: int) -> Tensor:
        contig = contig.long()
        size, first_byte = self._contigs[contig].unbind(1)
        start = torch.minimum(start.clamp(min=-length), size)  # outside is outside, however far
        # A window is read byte by byte in the direction of its strand. Its first base is the skip-th of its first byte.
        reverse = strand < 0
        first_base = torch.where(reverse, start + (length - 1), start)
        skip = torch.where(reverse, ~first_base, first_base) & 3
        step = torch.where(reverse, -1, 1)
        n_words = -(-length // 4)
        count = torch.arange(n_words + 1, device=self.device)
        place = (first_base >> 2)[:, None] + step[:, None] * count  # (B, W + 1): byte of the contig, or outside it
        run = torch.searchsorted(self._run_starts, place + (contig << _AXIS_SHIFT)[:, None], right=True)
        address = (place + first_byte[:, None]).clamp_(0, len(self._packed) - 1)
        words = self._words[self._run_known[run] | torch.where(reverse, 256, 0)[:, None] | self._packed[address]]
        # A word holds four codes, the first in its low byte: two in a row hold the four that begin at any of them.
        pairs = words[:, :-1] | words[:, 1:] << 32
        aligned = (pairs >> (8 * skip)[:, None]).to(torch.int32)  # (B, W)
        return aligned.view(torch.uint8)[:, :length].contiguous()

    def _upload_packed(self, size: int) -> Tensor:
        """The packed bases of all contigs on the device, each contig from a byte of its own, padded on both sides."""
        try:
            packed = torch.empty(size, dtype=torch.uint8, device=self.device)
        except torch.OutOfMemoryError:
            free = torch.cuda.mem_get_info(self.device)[0]
            raise MemoryError(
                f"the packed genome takes {size} bytes and device='{self.device}' has {free} free: load batches "
                f"with device='cpu' and pin=True, and move each with .to('{self.device}', non_blocking=True)"
            ) from None
        packed[[0, -1]] = 0
        buffer = np.empty(min(_PIECE, size), np.uint8)
        for first in range(1, size - 1, _PIECE):
            piece = buffer[: size - 1 - first]
            self.genome._native.copy_packed(first - 1, piece)
            packed[first : first + len(piece)].copy_(torch.from_numpy(piece))
        return packed


@lru_cache(maxsize=1)
def has_triton() -> bool:
    """Whether Triton is installed, as it is beside torch for CUDA, with the C compiler that its launcher needs."""
    compilers = (os.environ.get("CC", ""), "gcc", "clang", "cc")
    return importlib.util.find_spec("triton") is not None and any(map(shutil.which, filter(None, compilers)))


_held: WeakValueDictionary[tuple[Genome, str], DeviceGenome] = WeakValueDictionary()
_lock = threading.Lock()


def _resolve(device: str | torch.device) -> torch.device:
    """The device with its number, so that one device has one name."""
    device = torch.device(device)
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type != "cuda":
        raise ValueError(f"device={str(device)!r} must be 'cpu' or 'cuda'")
    return torch.device("cuda", torch.cuda.current_device() if device.index is None else device.index)


def _borders(genome: Genome, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where known bases begin and end, in turn and ascending, on an axis that holds all contigs."""
    blocks = [genome.unknown_blocks(name) for name in genome.contigs]
    offsets = np.arange(len(sizes), dtype=np.int64) << (_AXIS_SHIFT + 2)
    shifts = np.repeat(offsets, [2 * len(block) for block in blocks])
    inner = np.concatenate([np.empty(0, np.int64), *(block.ravel() for block in blocks)]) + shifts
    # Each is a change; two in one place, as where N stands at an end of the contig, are none.
    places, changes = np.unique(np.concatenate([offsets, offsets + sizes, inner]), return_counts=True)
    borders: NDArray[np.int64] = places[changes % 2 == 1]
    return borders


def _runs_of_bytes(borders: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Runs of bytes in which the same of the four bases are known.

    Args:
        borders: where known bases begin and end, in turn and ascending.

    Returns:
        Byte at which each run begins, int64 (R,), and for what lies before the first and for each run, int64 (R + 1,),
        the known bases: bits 9 to 12, the first base in the lowest.
    """
    starts = np.unique(np.concatenate([borders >> 2, (borders >> 2) + 1]))
    bases = 4 * starts[:, None] + np.arange(4)
    known = (np.searchsorted(borders, bases, side="right") & 1) << np.arange(9, 13)
    return starts, np.concatenate([[0], known.sum(1)]).astype(np.int64)


def _words() -> NDArray[np.int64]:
    """Four codes in reading order, the first in the low byte, int64 (16 * 2 * 256,).

    By the known bases (4 bits), the strand (1 bit: the reverse complement) and the packed byte (8 bits).
    """
    packed_order = np.array([3, 1, 0, 2])  # T C A G
    bases = packed_order[(np.arange(256)[:, None] >> np.array([6, 4, 2, 0])) & 3]
    known = (np.arange(16)[:, None] >> np.arange(4)) & 1 == 1
    strands = [np.where(known[:, None], bases, UNKNOWN), np.where(known[:, None, ::-1], 3 - bases[:, ::-1], UNKNOWN)]
    codes = np.stack(strands, 1)  # (16, 2, 256, 4)
    words: NDArray[np.int64] = (codes.astype(np.int64) << np.arange(0, 32, 8)).sum(-1).ravel()
    return words


def encode_codes(codes: Tensor, encoding: Any) -> Tensor:
    """Encodes base codes by torch operations, on the device where they are.

    Args:
        codes: uint8 (B, L), none above 4.
        encoding: `BaseCodes`, `OneHot`, `Kmers` or `KmerCounts`.

    Returns:
        (B, \\*encoding.shape(L)); for `BaseCodes` the codes themselves.

    Raises:
        TypeError: another encoding.
        ValueError: L is shorter than a word of the encoding.
    """
    if not isinstance(encoding, BaseCodes | OneHot | Kmers | KmerCounts):
        raise TypeError(f"encoding={encoding!r} is not known on a device: use BaseCodes, OneHot, Kmers or KmerCounts")
    shape = encoding.shape(codes.shape[1])
    if isinstance(encoding, BaseCodes):
        return codes
    dtype: torch.dtype = getattr(torch, encoding.dtype)
    if isinstance(encoding, OneHot):
        return _one_hot(codes, encoding, dtype)
    if isinstance(encoding, Kmers):
        return _word_ids(codes, encoding.k, encoding.stride, encoding.canonical, dtype)
    return _count_words(codes, encoding, shape[0])


def _one_hot(codes: Tensor, encoding: OneHot, dtype: torch.dtype) -> Tensor:
    words = 4**encoding.order
    ids = codes if encoding.order == 1 else _word_ids(codes, encoding.order, 1, False, torch.int32)
    channels = torch.arange(words, dtype=ids.dtype, device=ids.device)
    if encoding.layout == "NCL":
        ids, channels = ids[:, None, :], channels[:, None]
    else:
        ids = ids[:, :, None]
    x = (ids == channels).to(dtype)
    if encoding.unknown:
        x.masked_fill_(ids == words, encoding.unknown)
    return x


def _word_ids(codes: Tensor, k: int, stride: int, canonical: bool, dtype: torch.dtype) -> Tensor:
    """Ids of words of k bases, (B, (L - k) // stride + 1): 4**k where a base is unknown."""
    letters = codes.unfold(1, k, stride).unbind(-1)
    ids = _joined(letters, dtype)
    if canonical:
        # Complements are 3 - code.
        ids = torch.minimum(ids, 4**k - 1 - _joined(letters[::-1], dtype))
    return ids.masked_fill_((codes == UNKNOWN).unfold(1, k, stride).any(-1), 4**k)


def _joined(letters: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
    """Numbers to base 4, the first letter most significant; where letters are unknown some other number that fits."""
    ids = letters[0].to(dtype)
    for letter in letters[1:]:
        ids = torch.add(letter, ids, alpha=4)
    return ids


def _count_words(codes: Tensor, encoding: KmerCounts, n_columns: int) -> Tensor:
    columns = _count_columns(encoding.k, encoding.canonical, codes.device)
    ids = columns[_word_ids(codes, encoding.k, 1, False, torch.int64)]
    counts = torch.zeros((len(codes), n_columns + 1), dtype=torch.int32, device=codes.device)
    counts.scatter_add_(1, ids, torch.ones_like(ids, dtype=torch.int32))
    return counts[:, :n_columns].contiguous().view(torch.uint32)


@lru_cache(maxsize=16)
def _count_columns(k: int, canonical: bool, device: torch.device) -> Tensor:
    """The column of each word of k bases and, as the last, of words that are not counted; int64 (4**k + 1,)."""
    words = torch.arange(4**k, device=device)
    shifts = torch.arange(2 * (k - 1), -1, -2, device=device)
    kept = _word_ids(((words[:, None] >> shifts) & 3).to(torch.uint8), k, 1, canonical, torch.int64)[:, 0]
    unique, columns = torch.unique(kept, return_inverse=True)
    return torch.cat([columns, columns.new_tensor([len(unique)])])


def named_device(name: str) -> torch.device:
    """The device that a name means; "auto" is the first GPU where there is one, else the CPU.

    Raises:
        ValueError: another name, or a GPU that torch does not see.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if not re.fullmatch("cpu|cuda(:[0-9]{1,6})?", name):
        raise ValueError(f"device {name!r} must be auto, cpu, cuda or cuda:N")
    there = torch.cuda.device_count()
    if kind == "cuda" and int(number or 0) >= there:
        raise ValueError(f"device {name!r}: torch sees {there} GPUs here; use cpu")
    return torch.device(name)
