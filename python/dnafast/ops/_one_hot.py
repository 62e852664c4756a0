"""One-hot of base codes, for layers that have nothing faster."""

from __future__ import annotations

import torch
from torch import Tensor


def one_hot(codes: Tensor, dtype: torch.dtype) -> Tensor:
    """Base codes uint8 (N, L) -> (N, 4, L); zeros for whatever is no base."""
    bases = torch.arange(4, dtype=torch.uint8, device=codes.device)
    return (codes.unsqueeze(1) == bases.unsqueeze(1)).to(dtype)
