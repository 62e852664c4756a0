"""Vanilla recurrent layers over base codes or dense input; one-hot is never built."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dnafast.ops._autocast import register_autocast
from dnafast.ops.recurrent import checked_sizes, differentiable, reference, stacked


def rnn(
    input: Tensor,
    weights: Sequence[Tensor],
    h0: Tensor | None = None,
    *,
    layers: int = 1,
    bidirectional: bool = False,
    relu: bool = False,
) -> tuple[Tensor, Tensor]:
    """``torch.nn.RNN(batch_first=True)`` (Elman 1990), from base codes or dense input.

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or ReLU of it.

    Differentiable once in all floating arguments, in reverse mode. From bfloat16 weights the processor, where it can
    (AVX512_BF16, and an even number of hidden units), multiplies in bfloat16, forward and backward, while sums
    stay in float32; elsewhere all is computed in float32. Autocast to bfloat16 on the CPU makes weights and dense input
    such; any other computes in float32.

    Args:
        input: base codes uint8 (N, L), A C G T = 0 1 2 3, unknown = 4, which adds nothing but the biases (C = 4), or
            dense (N, L, C) of the weights' dtype. On CUDA codes above 4 count as unknown instead of being refused.
        weights: for each layer, and in it for each direction, weight_ih (H, C), weight_hh (H, H) and, unless there
            are none anywhere, bias_ih (H,) and bias_hh (H,): ``torch.nn.RNN``'s ``_flat_weights``, names and
            order. From the second layer on C is D * H. float32, float64 or bfloat16.
        h0: initial state (layers * D, N, H), D directions; None for zeros.
        layers: how many, each on the output of the one before.
        bidirectional: a second direction reads each sequence from its end; D is 2.
        relu: ReLU in place of tanh.

    Returns:
        Output (N, L, D * H) and h_n (layers * D, N, H).

    Raises:
        ValueError: a dtype, shape, device or number that does not fit, or a code above 4.
        TypeError: what is no tensor or whole number.
        RuntimeError: forward-mode differentiation, or, from the backward pass, a second derivative.
    """
    output, h_n, _ = stacked(_cell(relu), input, weights, h0, None, layers, bidirectional)
    return output, h_n


def _cell(relu: bool) -> str:
    return "rnn_relu" if relu else "rnn_tanh"


# ---- the operator of one layer, wherever it runs ----


def _rnn_cuda(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    h0: Tensor | None = None,
    relu: bool = False,
) -> tuple[Tensor, Tensor]:
    """torch's own layer, which has derivatives of its own."""
    return reference(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, None, _cell(relu))[:2]


for _key in ("CUDA", "AutogradCUDA"):
    torch.library.impl("dnafast::rnn", _key)(_rnn_cuda)


@torch.library.register_fake("dnafast::rnn")
def _rnn_fake(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    h0: Tensor | None = None,
    relu: bool = False,
) -> tuple[Tensor, Tensor]:
    n, length, d, h = checked_sizes(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, None, _cell(relu))
    state = weight_ih.new_empty(d, n, h)
    return weight_ih.new_empty(n, length, d * h), state


@torch.library.impl("dnafast::rnn", "Autograd")
def _rnn_autograd(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    h0: Tensor | None = None,
    relu: bool = False,
) -> tuple[Tensor, Tensor]:
    return differentiable("rnn", input, weight_ih, weight_hh, bias_ih, bias_hh, h0, None, _cell(relu))[:2]


register_autocast("rnn")
