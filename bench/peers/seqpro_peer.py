"""SeqPro: k-let shuffling in Rust, on all processors."""

from __future__ import annotations

import numpy as np
import seqpro
from numpy.typing import NDArray


def shuffle(letters: NDArray[np.uint8], k: int, seed: int) -> NDArray[np.uint8]:
    """(N, L)"""
    return seqpro.k_shuffle(letters.view("S1"), k, seqpro.DNA, length_axis=1, seed=seed).view(np.uint8)
