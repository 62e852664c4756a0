"""How bases become numbers: small objects that fill a buffer.

Base codes are A C G T = 0 1 2 3, anything else 4. ``Genome.encode`` takes an encoding for windows of a genome,
:func:`encode` for sequences in memory.
"""

from __future__ import annotations

import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dnafast import _core
from dnafast.arguments import check_encoding
from dnafast.threads import resolve_threads


class Encoding(ABC):
    """What all encodings share: the shape and type of their rows, and buffers for them."""

    dtype: str

    @abstractmethod
    def _make_native(self) -> _core.Encoding:
        """Checks the options and makes the native form."""

    @cached_property
    def _native(self) -> _core.Encoding:
        return self._make_native()

    def __post_init__(self) -> None:
        _ = self._native  # options are checked where they are given

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_native"}

    def native(self) -> _core.Encoding:
        """The form that the native half takes."""
        return self._native

    def shape(self, length: int) -> tuple[int, ...]:
        """Shape of one encoded window of ``length`` bases.

        Raises:
            ValueError: the length is 0 or shorter than a word of the encoding.
        """
        return self._native.shape(length)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """Type of the elements in numpy; bfloat16, which numpy lacks, is stored as uint16."""
        return np.dtype("uint16" if self.dtype == "bfloat16" else self.dtype)

    def allocate(self, count: int, length: int) -> Any:
        """A new buffer for ``count`` windows: a numpy array, for bfloat16 a torch tensor.

        Raises:
            ModuleNotFoundError: bfloat16 without torch.
        """
        shape = (count, *self.shape(length))
        if self.dtype == "bfloat16":
            torch = importlib.import_module("torch")
            return torch.empty(shape, dtype=torch.bfloat16)
        return np.empty(shape, self.numpy_dtype)

    def rows(self, out: Any, count: int, length: int) -> NDArray[Any]:
        """The memory of ``out``, an array or CPU tensor for ``count`` windows, as a numpy array; nothing is copied.

        Raises:
            TypeError: out is neither, or its elements are of another type.
            ValueError: out has another shape, is not C-contiguous, aligned and writable, or is not on the CPU.
        """
        array = self._array_of(out)
        shape = (count, *self.shape(length))
        if array.shape != shape:
            raise ValueError(f"out has shape {array.shape}; {shape} is needed")
        if not array.flags.c_contiguous:
            raise ValueError("out must be C-contiguous")
        if not array.flags.aligned:
            raise ValueError("out must be aligned: its elements begin between the multiples of their size")
        if not array.flags.writeable:
            raise ValueError("out must be writable")
        return array

    def _array_of(self, out: Any) -> NDArray[Any]:
        if isinstance(out, np.ndarray):
            if self.dtype == "bfloat16":
                raise TypeError("out must be a torch tensor where dtype is bfloat16, which numpy lacks")
            if out.dtype != self.numpy_dtype:
                raise TypeError(f"out has elements of {out.dtype}; {self.dtype} is needed")
            return out
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(out, torch.Tensor):
            raise TypeError(f"out must be a numpy array or a torch tensor, not {type(out).__name__}")
        if out.dtype != getattr(torch, self.dtype):
            raise TypeError(f"out has elements of {str(out.dtype).removeprefix('torch.')}; {self.dtype} is needed")
        if out.device.type != "cpu":
            raise ValueError(f"out is on device {out.device}; it must be on the CPU")
        if out.layout != torch.strided or out.is_neg():
            raise ValueError("out must be a plain dense tensor, neither sparse nor a view that negates")
        if not out.is_contiguous():
            raise ValueError("out must be C-contiguous")
        tensor = out.detach()
        # torch lets go of a tensor's memory and keeps its shape where asked to; numpy would bring memory of its own.
        if tensor.untyped_storage().nbytes() < tensor.element_size() * (tensor.storage_offset() + tensor.numel()):
            raise ValueError("out has a shape but no memory: its storage was resized")
        if self.dtype == "bfloat16":
            tensor = tensor.view(torch.uint16)
        array: NDArray[Any] = tensor.numpy()
        return array


@dataclass(frozen=True)
class BaseCodes(Encoding):
    """Base codes, uint8 (N, L): A C G T = 0 1 2 3, anything else 4."""

    @property
    def dtype(self) -> str:  # type: ignore[override]
        """Type of the elements."""
        return "uint8"

    def _make_native(self) -> _core.Encoding:
        return _core.Encoding.base_codes()


@dataclass(frozen=True)
class OneHot(Encoding):
    """One-hot words of ``order`` bases: (N, 4**order, L - order + 1), or with the channels last.

    Channels are in the order A C G T (for words: first base most significant). A word that holds an unknown base has
    ``unknown`` in all channels.

    Args:
        layout: "NCL", channels before positions, or "NLC".
        dtype: "uint8", "float32" or "bfloat16".
        order: bases a word, 1 to 8.
        unknown: 0, or 4**-order for the float types.

    Raises:
        ValueError: an option is none of these.
    """

    layout: Literal["NCL", "NLC"] = "NCL"
    dtype: Literal["uint8", "float32", "bfloat16"] = "uint8"
    order: int = 1
    unknown: float = 0.0

    def _make_native(self) -> _core.Encoding:
        _check_choice("layout", self.layout, ("NCL", "NLC"))
        _check_choice("dtype", self.dtype, ("uint8", "float32", "bfloat16"))
        _check_whole("order", self.order)
        return _core.Encoding.one_hot(self.layout == "NLC", self.dtype, self.order, float(self.unknown))


@dataclass(frozen=True)
class Kmers(Encoding):
    """Ids of words of k bases, (N, (L - k) // stride + 1): the first base most significant, 4**k where one is unknown.

    Args:
        k: bases a word; at most 31, for int32 15.
        stride: bases from one word to the next.
        canonical: the lesser of the id and that of the reverse complement.
        dtype: "int64" or "int32".

    Raises:
        ValueError: an option is out of range.
    """

    k: int
    stride: int = 1
    canonical: bool = False
    dtype: Literal["int64", "int32"] = "int64"

    def _make_native(self) -> _core.Encoding:
        _check_choice("dtype", self.dtype, ("int64", "int32"))
        _check_whole("k", self.k)
        _check_whole("stride", self.stride)
        return _core.Encoding.kmers(self.k, self.stride, bool(self.canonical), self.dtype)


@dataclass(frozen=True)
class KmerCounts(Encoding):
    """How often each word of k bases occurs, uint32 (N, 4**k); words with an unknown base are not counted.

    Args:
        k: bases a word, 1 to 8.
        canonical: count a word and its reverse complement as one; columns in ascending order of the lesser id.

    Raises:
        ValueError: k is out of range.
    """

    k: int
    canonical: bool = False

    @property
    def dtype(self) -> str:  # type: ignore[override]
        """Type of the elements."""
        return "uint32"

    def _make_native(self) -> _core.Encoding:
        _check_whole("k", self.k)
        return _core.Encoding.kmer_counts(self.k, bool(self.canonical))


def encode(
    sequences: Sequence[str | bytes] | NDArray[np.uint8],
    encoding: Encoding,
    out: Any = None,
    threads: int | None = None,
) -> Any:
    """Encodes sequences of one length that are in memory.

    Args:
        sequences: str or bytes, or letters as a uint8 array (N, L). What is not A C G T in either case is unknown.
        encoding: what to make of them.
        out: buffer (N, \\*encoding.shape(L)) to fill: a C-contiguous array or CPU tensor; None makes one.
        threads: None for every usable processor.

    Returns:
        ``out``, or the buffer made.

    Raises:
        TypeError: sequences, encoding or out are of another type.
        ValueError: sequences of unequal length, or an out of another shape, not C-contiguous, writable and aligned, or
            in the sequences' own memory.
    """
    check_encoding(encoding)
    letters = _letters(sequences)
    count, length = letters.shape
    if out is None:
        out = encoding.allocate(count, length)
    _core.encode_letters(letters, encoding.native(), encoding.rows(out, count, length), resolve_threads(threads))
    return out


def _letters(sequences: Sequence[str | bytes] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The sequences as letters, uint8 (N, L)."""
    if isinstance(sequences, np.ndarray):
        if sequences.dtype != np.uint8 or sequences.ndim != 2:
            raise TypeError(
                f"sequences must be uint8 letters of shape (N, L), not {sequences.dtype} of shape {sequences.shape}"
            )
        return np.ascontiguousarray(sequences)
    if isinstance(sequences, str | bytes):
        raise TypeError("sequences must be a list of sequences, not a single one")
    rows: list[bytes] = []
    for index, sequence in enumerate(sequences):
        if isinstance(sequence, str):
            # One byte a character, so that positions stay; what is not ASCII becomes a letter that is unknown.
            sequence = sequence.encode("ascii", "replace")
        elif not isinstance(sequence, bytes):
            raise TypeError(f"sequences[{index}] must be str or bytes, not {type(sequence).__name__}")
        if rows and len(sequence) != len(rows[0]):
            raise ValueError(
                f"sequences[{index}] has {len(sequence)} bases, those before it {len(rows[0])}; "
                "sequences encoded together must be of one length"
            )
        rows.append(sequence)
    if not rows:
        raise ValueError("sequences is empty: give at least one, or an array (0, L)")
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), len(rows[0]))


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(choices)}")


def _check_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}={value!r} must be a whole number")
    if abs(int(value)) >= 2**31:
        raise ValueError(f"{name}={value} is out of range")
