"""Letters to numbers by look-up tables of numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnafast.bench.data_path.jobs import encodings

_CODES = np.full(256, 4, np.uint8)
for _code, _letter in enumerate("ACGT"):
    _CODES[[ord(_letter), ord(_letter.lower())]] = _code
_COMPLEMENT = np.array([3, 2, 1, 0, 4], np.uint8)
_CHANNELS = {dtype: np.eye(5, 4, dtype=dtype) for dtype in ("uint8", "float32")}


def codes(letters: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Base codes (N, L) of letters (N, L)."""
    return _CODES[letters]


def encoded(job: str, letters: NDArray[np.uint8], strand: NDArray[np.int8], length: int) -> NDArray[Any]:
    """What the job of this name makes of letters (N, L) on strands (N,)."""
    found = codes(letters)
    backward = strand < 0
    if backward.any():
        found[backward] = _COMPLEMENT[found[backward, ::-1]]
    if job == "base_codes":
        return found
    if job == "kmer_ids":
        return _words(found, int(encodings(length)[job].k))  # type: ignore[union-attr]
    dtype = job.removeprefix("one_hot_")
    return np.ascontiguousarray(_CHANNELS[dtype][found].transpose(0, 2, 1))


def _words(found: NDArray[np.uint8], k: int) -> NDArray[np.int32]:
    positions = found.shape[1] - k + 1
    ids = np.zeros((len(found), positions), np.int32)
    unknown = np.zeros(ids.shape, np.bool_)
    for place in range(k):
        letters = found[:, place : place + positions]
        ids *= 4
        ids += letters
        unknown |= letters == 4
    ids[unknown] = 4**k
    return ids
