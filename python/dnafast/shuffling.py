"""Sequences in random order that keep how often each word occurs: what is left of a motif when only words remain."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from dnafast import _core
from dnafast.random import check_seed
from dnafast.threads import resolve_threads

LARGEST_K = 6

# Base codes are 0 to 4, which no letter is.
LARGEST_CODE = 4

Text = TypeVar("Text", str, bytes, str | bytes)


@overload
def shuffle(sequences: Sequence[Text], k: int = 2, seed: int = 0, *, threads: int | None = None) -> list[Text]: ...


@overload
def shuffle(
    sequences: NDArray[np.uint8], k: int = 2, seed: int = 0, *, threads: int | None = None
) -> NDArray[np.uint8]: ...


def shuffle(
    sequences: Sequence[str | bytes] | NDArray[np.uint8],
    k: int = 2,
    seed: int = 0,
    *,
    threads: int | None = None,
) -> list[Any] | NDArray[np.uint8]:
    """Shuffle each sequence such that every word of k bases occurs as often as before.

    Exact, not on average, and even: of all sequences with the same words, for k > 1 those that begin and end with the
    same k - 1 bases, each is as likely. (The ends are no choice: they follow from the words, except where a sequence
    ends as it begins.) Words of fewer than k bases occur as often as before, too.

    A sequence is shuffled by its place among the others, the seed and k alone: the same for any number of threads, and
    whatever the others are. Other seeds give independent shuffles.

    Args:
        sequences: N str or bytes of any lengths; or an array uint8 (N, L), of letters or of base codes (0 to 4). IUPAC
            letters other than A C G T count as N, an unknown base, which is a fifth one in the words. Case is soft mask
            and belongs to a place in a genome, not to a base: it does not count.
        k: bases a word, 1 to 6. 1 keeps the composition, 2 the dinucleotides.
        seed: 0 to 2^64 - 1.
        threads: None for every usable processor.

    Returns:
        As many sequences of the same type, in the same order: a list, of str for str and of bytes for bytes, or a new
        array. Letters come as A C G T N, upper case. Sequences shorter than k stay as they are.

    Raises:
        TypeError: sequences are of another type.
        ValueError: k or seed out of range, or a sequence with something else than a nucleotide in it.
    """
    k = _check_k(k)
    seed = check_seed(seed)
    threads = resolve_threads(threads)
    if isinstance(sequences, np.ndarray):
        if sequences.dtype != np.uint8 or sequences.ndim != 2:
            raise TypeError(
                f"sequences must be uint8 letters or base codes of shape (N, L), not {sequences.dtype} of shape "
                f"{sequences.shape}"
            )
        rows = np.ascontiguousarray(sequences)
        out = np.empty_like(rows, subok=False)
        codes = rows.size > 0 and int(rows[0, 0]) <= LARGEST_CODE
        _core.shuffle_array(rows, codes, out, k, seed, threads)
        return out
    if isinstance(sequences, str | bytes):
        raise TypeError("sequences must be a list of sequences, not a single one")
    return _core.shuffle_list(list(sequences), k, seed, threads)


def _check_k(k: int) -> int:
    try:
        value = operator.index(k)
    except TypeError:
        value = 0
    if not 1 <= value <= LARGEST_K:
        raise ValueError(f"k={k!r} must be a whole number from 1 to {LARGEST_K}")
    return value
