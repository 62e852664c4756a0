"""What operators make of their arguments under autocast."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor


def register_autocast(name: str) -> None:
    """Make arguments bfloat16 where autocast on the CPU does, and float32 under any other autocast."""
    for key, device in (("AutocastCPU", "cpu"), ("AutocastCUDA", "cuda")):
        torch.library.impl(f"dnafast::{name}", key)(partial(_cast, name, device))


def _cast(name: str, device: str, *arguments: Any) -> Any:
    narrow = device == "cpu" and torch.get_autocast_dtype("cpu") == torch.bfloat16
    dtype = torch.bfloat16 if narrow else torch.float32
    numbers = (torch.float32, torch.bfloat16, torch.float16)
    values = [v.to(dtype) if isinstance(v, Tensor) and v.dtype in numbers else v for v in arguments]
    with torch.autocast(device, enabled=False):
        return getattr(torch.ops.dnafast, name)(*values)
