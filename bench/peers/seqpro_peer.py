"""SeqPro: kernels compiled by numba over sequences in memory."""

from __future__ import annotations

import numba
import numpy as np
import seqpro
from numpy.typing import NDArray


def one_hot(letters: NDArray[np.uint8], threads: int) -> NDArray[np.uint8]:
    """(N, L, 4) in memory of its own; letters are in upper case"""
    numba.set_num_threads(threads)
    return seqpro.ohe(letters.view("S1"), seqpro.DNA)
