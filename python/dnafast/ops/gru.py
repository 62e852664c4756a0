"""GRU layers over base codes or dense input; one-hot is never built."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dnafast.ops._autocast import register_autocast
from dnafast.ops.recurrent import checked_sizes, differentiable, reference, stacked


def gru(
    input: Tensor,
    weights: Sequence[Tensor],
    h0: Tensor | None = None,
    *,
    layers: int = 1,
    bidirectional: bool = False,
) -> tuple[Tensor, Tensor]:
    """``torch.nn.GRU(batch_first=True)`` (Cho et al. 2014), from base codes or dense input.

    Gates: r, z = sigmoid of W_ih x + b_ih + W_hh h + b_hh; n = tanh(W_in x + b_in + r (W_hn h + b_hn));
    h' = (1 - z) n + z h.

    Differentiable once in all floating arguments, in reverse mode. From bfloat16 weights the processor, where it can
    (AVX512_BF16, and an even number of hidden units), multiplies in bfloat16, forward and backward, while sums
    stay in float32; elsewhere all is computed in float32. Autocast to bfloat16 on the CPU makes weights and dense input
    such; any other computes in float32.

    Args:
        input: base codes uint8 (N, L), A C G T = 0 1 2 3, unknown = 4, which adds nothing but the biases (C = 4), or
            dense (N, L, C) of the weights' dtype. On CUDA codes above 4 count as unknown instead of being refused.
        weights: for each layer, and in it for each direction, weight_ih (3H, C), weight_hh (3H, H) and, unless there
            are none anywhere, bias_ih (3H,) and bias_hh (3H,): ``torch.nn.GRU``'s ``_flat_weights``, names and
            order of gates r, z, n. From the second layer on C is D * H. float32, float64 or bfloat16.
        h0: initial state (layers * D, N, H), D directions; None for zeros.
        layers: how many, each on the output of the one before.
        bidirectional: a second direction reads each sequence from its end; D is 2.

    Returns:
        Output (N, L, D * H) and h_n (layers * D, N, H).

    Raises:
        ValueError: a dtype, shape, device or number that does not fit, or a code above 4.
        TypeError: what is no tensor or whole number.
        RuntimeError: forward-mode differentiation, or, from the backward pass, a second derivative.
    """
    output, h_n, _ = stacked("gru", input, weights, h0, None, layers, bidirectional)
    return output, h_n


# ---- the operator of one layer, wherever it runs ----


def _gru_cuda(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    h0: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """torch's own layer, which has derivatives of its own."""
    return reference(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, None, "gru")[:2]


for _key in ("CUDA", "AutogradCUDA"):
    torch.library.impl("dnafast::gru", _key)(_gru_cuda)


@torch.library.register_fake("dnafast::gru")
def _gru_fake(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    h0: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    n, length, d, h = checked_sizes(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, None, "gru")
    state = weight_ih.new_empty(d, n, h)
    return weight_ih.new_empty(n, length, d * h), state


@torch.library.impl("dnafast::gru", "Autograd")
def _gru_autograd(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    h0: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    return differentiable("gru", input, weight_ih, weight_hh, bias_ih, bias_hh, h0, None, "gru")[:2]


register_autocast("gru")
