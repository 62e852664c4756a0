"""SeqPro: one-hot compiled by numba, k-let shuffling in Rust, over sequences in memory."""

from __future__ import annotations

import numba
import numpy as np
import seqpro
from numpy.typing import NDArray


def one_hot(letters: NDArray[np.uint8], threads: int) -> NDArray[np.uint8]:
    """(N, L, 4) in memory of its own; letters are in upper case"""
    numba.set_num_threads(threads)
    return seqpro.ohe(letters.view("S1"), seqpro.DNA)


def shuffle(letters: NDArray[np.uint8], k: int, seed: int) -> NDArray[np.uint8]:
    """(N, L), on all processors"""
    return seqpro.k_shuffle(letters.view("S1"), k, seqpro.DNA, length_axis=1, seed=seed).view(np.uint8)
