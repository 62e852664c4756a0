"""One-hot from base codes and back, as layers need it.

Letters of shapes: N sequences, L length.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dnafast.ops._one_hot import one_hot as one_hot_of_any


def one_hot(codes: Tensor, dtype: torch.dtype) -> Tensor:
    """Base codes uint8 (N, L) -> one-hot (N, 4, L); an unknown base is four zeros.

    Raises:
        ValueError: a code is above 4; on the CPU alone, as a look at every value would halt a GPU's stream.
    """
    if codes.device.type == "cpu" and codes.numel() > 0 and not torch.compiler.is_compiling():
        largest = int(codes.max())
        if largest > 4:
            raise ValueError(f"codes hold {largest}: expected base codes 0 to 3 (A C G T) or 4 (unknown)")
    return one_hot_of_any(codes, dtype)


def codes_of_one_hot(x: Tensor) -> Tensor | None:
    """Base codes uint8 (N, L) of one-hot (N, 4, L); None where it holds anything else than 0, 1 and at most one 1."""
    bits = x.to(torch.uint8)
    if not torch.equal(bits.to(x.dtype), x):
        return None
    known = bits.sum(1, dtype=torch.uint8)
    if not bool((known <= 1).all()):
        return None
    return bits[:, 1] + 2 * bits[:, 2] + 3 * bits[:, 3] + 4 * (1 - known)
