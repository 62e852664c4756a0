"""Which numbers the forward and backward pass are made of."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from dnafast.train.config import TrainConfig

# Operations of one training step's forward pass above which "auto" takes bfloat16. Measured on one core of an AMD EPYC
# with AVX-512 BF16, as float32 over bfloat16 time of a whole step: in batches of 64, 1.1 to 2.3 for all 29 networks and
# lengths (81, 200, 600 bases) above it, such as DeepBind at 600 bases (0.9e9 operations) 2.0, Basset 1.5, DanQ 1.4 and
# LSTM 1.7; in batches of 16 and 4, 1.0 to 1.35; but DeepBind at 81 bases (0.1e9) 0.75, for weights are cast each step.
# Of native layers 1.1 to 2.2 in batches of 64 for all 31 above it, in batches of 16 1.06 to 1.5.
_FEWEST_OPERATIONS_CPU = 3e8
# Nobody has measured it on a GPU yet: high enough for the products, not the launches, to fill the time.
_FEWEST_OPERATIONS_CUDA = 2e10


def resolve_precision(
    model: nn.Module, config: TrainConfig, device: str | torch.device
) -> Literal["float32", "bfloat16"]:
    """What ``config.precision`` means for a model on a device; a rule, so that the same run is the same everywhere.

    "auto" is bfloat16 where all of this holds, else float32:

    - the processor multiplies bfloat16 by itself (AVX-512 BF16 or AMX, for native layers AVX-512 BF16; a GPU of compute
      capability 8 or more);
    - on the CPU, the model holds no `torch.nn.RNN` or `torch.nn.GRU` (measured 0.8 to 1.0 of the speed; torch has fast
      kernels for LSTM alone; those of `dnafast.nn` are faster);
    - of native layers on the CPU, one is more than a convolution over bases (measured 0.7 to 1.0 of the speed, for
      that adds up float32 in any case);
    - on a GPU, the model's layers are torch's;
    - a step is work enough for the casts to pay: batch size times ``model.config.flops()``, for which the model must
      have a configuration.

    Raises:
        ValueError: bfloat16 was asked for and the device has none.
    """
    device = torch.device(device)
    has_bfloat16 = _multiplies_bfloat16(device)
    if config.precision == "bfloat16" and device.type == "cuda" and not has_bfloat16:
        raise ValueError(f"precision='bfloat16': {torch.cuda.get_device_name(device)} has none, use float32")
    if config.precision != "auto":
        return config.precision
    described = getattr(model, "config", None)
    flops = getattr(described, "flops", None)
    if not has_bfloat16 or flops is None:
        return "float32"
    native = getattr(described, "implementation", "torch") != "torch"
    if device.type == "cpu":
        slow = any(isinstance(module, nn.RNN | nn.GRU) for module in model.modules())
        if native:
            from dnafast import ops  # which loads the operator library; here it is loaded

            slow = slow or not any(map(_multiplies, model.modules())) or not ops.multiplies_bfloat16()
        fewest = _FEWEST_OPERATIONS_CPU
    else:
        slow = native
        fewest = _FEWEST_OPERATIONS_CUDA
    return "float32" if slow or config.batch_size * flops() < fewest else "bfloat16"


def _multiplies(module: nn.Module) -> bool:
    """Whether a layer of a native model gains by bfloat16: a convolution over bases adds up float32 in any case."""
    from dnafast.nn import Conv1d

    over_bases = isinstance(module, Conv1d) and module.fits_operator
    return isinstance(module, nn.RNNBase | nn.Conv1d | nn.MultiheadAttention) and not over_bases


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Which the oldest torch that is supported may lack.
    able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(able.get("avx512_bf16") or able.get("amx_bf16"))
