"""Convolution over base codes, fused with bias, ReLU and max pooling; one-hot is never built.

Letters of shapes: N sequences, L length, C channels, K kernel width, P positions of the convolution.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual
from torch.nn import functional as F

from dnafast.device import has_triton
from dnafast.ops._autocast import register_autocast
from dnafast.ops._library import told
from dnafast.ops._one_hot import one_hot

# ---- the public function ----


def conv1d(
    codes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    relu: bool = False,
    pool: int = 0,
) -> Tensor:
    """``torch.nn.functional.conv1d`` of one-hot sequences, straight from their base codes.

    Differentiable once in ``weight`` and ``bias``, in reverse mode. With weights in bfloat16, as of autocast on the CPU
    to it, sums and maxima are those of float32, and what comes out is rounded; any other autocast is float32.

    Args:
        codes: uint8 (N, L), A C G T = 0 1 2 3, unknown = 4, which adds nothing. On CUDA, where a look at every value
            would halt the stream, codes above 4 count as unknown instead of being refused.
        weight: float32, float64 or bfloat16 (C, 4, K).
        bias: (C,), dtype of weight; None for none.
        stride: positions from one window to the next.
        padding: unknown bases put at either end.
        dilation: bases from one row of the kernel to the next.
        relu: apply ReLU, before the pooling.
        pool: 0 for none; p > 0 for the maximum of every p positions (width and stride p, what is left over is dropped);
            -1 for the maximum of all positions.

    Returns:
        (N, C, P) with P = (L + 2 * padding - dilation * (K - 1) - 1) // stride + 1; (N, C, P // p) with ``pool=p``;
        (N, C) with ``pool=-1``.

    Raises:
        ValueError: a dtype, shape, device or number that does not fit, a code above 4, or sequences shorter than the
            kernel.
        TypeError: what is no tensor or whole number.
        RuntimeError: forward-mode differentiation, or, from the backward pass, a second derivative.
    """
    for name, tensor in (("codes", codes), ("weight", weight), ("bias", bias)):
        if not isinstance(tensor, Tensor) and not (name == "bias" and tensor is None):
            raise TypeError(f"{name} must be a torch tensor, not {type(tensor).__name__}")
    for name, number in (("stride", stride), ("padding", padding), ("dilation", dilation), ("pool", pool)):
        if not hasattr(number, "__index__"):
            raise TypeError(f"{name}={number!r} must be a whole number")
    try:
        output: Tensor = torch.ops.dnafast.conv1d(codes, weight, bias, stride, padding, dilation, relu, pool)
    except RuntimeError as error:
        raise told(error) from None
    return output


# ---- the same in plain torch: the reference, and what runs on CUDA without Triton ----


def reference_forward(
    codes: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    dilation: int,
    relu: bool,
    pool: int,
    track: bool,
) -> tuple[Tensor, Tensor]:
    """What ``torch.ops.dnafast.conv1d_forward`` computes: the output, and the positions of the maxima where tracked.

    Raises:
        ValueError: as :func:`conv1d`, except for the values of the codes.
    """
    sizes = _output_sizes(codes, weight, bias, stride, padding, dilation, pool)
    none = weight.new_empty(0, dtype=torch.int32)
    if codes.shape[0] == 0:
        return weight.new_empty(sizes), weight.new_empty(sizes, dtype=torch.int32) if track and pool else none
    dtype, wide = weight.dtype, _wide(weight)
    output = F.conv1d(
        one_hot(codes, wide.dtype), wide, None if bias is None else _wide(bias), stride, padding, dilation
    )
    if relu:
        output = output.relu()
    if pool == 0:
        return output.to(dtype), none
    window = output.shape[2] if pool == -1 else pool
    output, positions = F.max_pool1d(output, window, return_indices=True)
    return output.reshape(sizes).to(dtype), positions.to(torch.int32).reshape(sizes) if track else none


def reference_backward(
    gradient: Tensor,
    codes: Tensor,
    weight: Tensor,
    output: Tensor,
    positions: Tensor,
    stride: int,
    padding: int,
    dilation: int,
    relu: bool,
    pool: int,
) -> tuple[Tensor, Tensor]:
    """What ``torch.ops.dnafast.conv1d_backward`` computes: the gradients of weight (C, 4, K) and bias (C,).

    Raises:
        ValueError: arguments on different devices or of different types.
    """
    _check_gradient(gradient, codes, weight, output, positions)
    if codes.shape[0] == 0:
        return torch.zeros_like(weight), weight.new_zeros(weight.shape[0])
    dtype, weight, gradient = weight.dtype, _wide(weight), _wide(gradient)
    if relu:
        gradient = gradient.masked_fill(output <= 0, 0)
    if pool:
        n, c = gradient.shape[:2]
        full = gradient.new_zeros(n, c, _positions(codes, weight, stride, padding, dilation))
        gradient = full.scatter_(2, positions.reshape(n, c, -1).long(), gradient.reshape(n, c, -1))
    _, weight_gradient, bias_gradient = torch.ops.aten.convolution_backward(
        gradient.contiguous(),
        one_hot(codes, weight.dtype),
        weight,
        [weight.shape[0]],
        [stride],
        [padding],
        [dilation],
        False,
        [0],
        1,
        [False, True, True],
    )
    return weight_gradient.to(dtype), bias_gradient.to(dtype)


def backward_of_maxima(
    gradient: Tensor, codes: Tensor, weight: Tensor, positions: Tensor, stride: int, padding: int, dilation: int
) -> tuple[Tensor, Tensor]:
    """The gradients of weight (C, 4, K) and bias (C,) where every channel keeps one position, by what stands there.

    Args:
        gradient: of the maxima (N, C), zero where ReLU was.
        positions: of the maxima, int32 (N, C).
    """
    n, c = gradient.shape
    reach = dilation * torch.arange(weight.shape[2], device=codes.device)
    places = positions.long()[:, :, None] * stride + reach  # (N, C, K) in the padded sequence
    letters = F.pad(codes, (padding, padding), value=4).gather(1, places.view(n, -1)).view(n, c, -1)
    values = gradient[:, :, None]
    of_bases = [torch.where(letters == base, values, 0).sum(0) for base in range(4)]
    return torch.stack(of_bases, 1), gradient.sum(0)


def _forward_cuda(
    codes: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    dilation: int,
    relu: bool,
    pool: int,
    track: bool,
) -> tuple[Tensor, Tensor]:
    options = (stride, padding, dilation)
    sizes = _output_sizes(codes, weight, bias, *options, pool)
    if codes.shape[0] and weight.dtype == torch.float32 and has_triton():
        from dnafast.ops import conv1d_triton

        positions = _positions(codes, weight, *options)
        return conv1d_triton.forward(codes, weight, bias, *options, relu, pool, track, sizes, positions)
    return reference_forward(codes, weight, bias, *options, relu, pool, track)


def _backward_cuda(
    gradient: Tensor,
    codes: Tensor,
    weight: Tensor,
    output: Tensor,
    positions: Tensor,
    stride: int,
    padding: int,
    dilation: int,
    relu: bool,
    pool: int,
) -> tuple[Tensor, Tensor]:
    if pool == -1 and codes.shape[0]:
        _check_gradient(gradient, codes, weight, output, positions)
        masked = gradient.masked_fill(output <= 0, 0) if relu else gradient
        return backward_of_maxima(masked, codes, weight, positions, stride, padding, dilation)
    return reference_backward(gradient, codes, weight, output, positions, stride, padding, dilation, relu, pool)


torch.library.impl("dnafast::conv1d_forward", "CUDA")(_forward_cuda)
torch.library.impl("dnafast::conv1d_backward", "CUDA")(_backward_cuda)


@torch.library.impl("dnafast::conv1d", "CUDA")
def _conv1d_cuda(
    codes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    relu: bool = False,
    pool: int = 0,
) -> Tensor:
    return _forward_cuda(codes, weight, bias, stride, padding, dilation, relu, pool, False)[0]


# ---- shapes without values: fake kernels for torch.compile and torch.export ----


def _positions(codes: Tensor, weight: Tensor, stride: int, padding: int, dilation: int) -> int:
    return (codes.shape[1] + 2 * padding - dilation * (weight.shape[2] - 1) - 1) // stride + 1


def _output_sizes(
    codes: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, dilation: int, pool: int
) -> tuple[int, ...]:
    """Shape of the output; the checks that the CPU kernel does in C++, for every other device."""
    _check_devices(weight, codes=codes, bias=bias)
    if codes.dtype != torch.uint8:
        raise ValueError(f"codes has dtype {_name(codes.dtype)}: expected uint8 base codes")
    if codes.dim() != 2:
        raise ValueError(f"codes has shape {tuple(codes.shape)}: expected (sequences, length)")
    if weight.dtype not in (torch.float32, torch.float64, torch.bfloat16):
        raise ValueError(f"weight has dtype {_name(weight.dtype)}: expected float32, float64 or bfloat16")
    if weight.dim() != 3 or weight.shape[1] != 4 or weight.shape[0] < 1 or weight.shape[2] < 1:
        raise ValueError(f"weight has shape {tuple(weight.shape)}: expected (channels, 4, width), none of them 0")
    if bias is not None and bias.dtype != weight.dtype:
        raise ValueError(f"bias has dtype {_name(bias.dtype)}: expected that of weight, {_name(weight.dtype)}")
    if bias is not None and (bias.dim() != 1 or bias.shape[0] != weight.shape[0]):
        raise ValueError(f"bias has shape {tuple(bias.shape)}: expected ({weight.shape[0]},), one value a channel")
    for name, value, least in (
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
        ("pool", pool, -1),
    ):
        if value < least:
            raise ValueError(f"{name}={value}: expected at least {least}")
    reach = dilation * (weight.shape[2] - 1) + 1
    if codes.shape[1] + 2 * padding < reach:
        raise ValueError(
            f"codes has length {codes.shape[1]} with padding {padding}: expected at least {reach} for a weight of "
            f"width {weight.shape[2]} and dilation {dilation}"
        )
    positions = _positions(codes, weight, stride, padding, dilation)
    if pool > 0 and pool > positions:
        raise ValueError(f"pool={pool}: expected at most {positions}, the number of positions of the convolution")
    if pool == -1:
        return codes.shape[0], weight.shape[0]
    return codes.shape[0], weight.shape[0], positions // max(pool, 1)


def _check_devices(weight: Tensor, **others: Tensor | None) -> None:
    for name, tensor in others.items():
        if tensor is not None and tensor.device != weight.device:
            raise ValueError(f"{name} is on {tensor.device}: expected the device of weight, {weight.device}")


def _check_gradient(gradient: Tensor, codes: Tensor, weight: Tensor, output: Tensor, positions: Tensor) -> None:
    _check_devices(weight, gradient=gradient, codes=codes, output=output, positions=positions)
    for name, tensor in (("gradient", gradient), ("output", output)):
        if tensor.dtype != weight.dtype:
            raise ValueError(f"{name} has dtype {_name(tensor.dtype)}: expected that of weight, {_name(weight.dtype)}")


def _wide(tensor: Tensor) -> Tensor:
    """What is computed with: sums and maxima of bfloat16 are those of float32, as on the CPU."""
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@torch.library.register_fake("dnafast::conv1d")
def _conv1d_fake(
    codes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    relu: bool = False,
    pool: int = 0,
) -> Tensor:
    return weight.new_empty(_output_sizes(codes, weight, bias, stride, padding, dilation, pool))


@torch.library.register_fake("dnafast::conv1d_forward")
def _forward_fake(
    codes: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    dilation: int,
    relu: bool,
    pool: int,
    track: bool,
) -> tuple[Tensor, Tensor]:
    sizes = _output_sizes(codes, weight, bias, stride, padding, dilation, pool)
    return weight.new_empty(sizes), weight.new_empty(sizes if track and pool else (0,), dtype=torch.int32)


@torch.library.register_fake("dnafast::conv1d_backward")
def _backward_fake(
    gradient: Tensor,
    codes: Tensor,
    weight: Tensor,
    output: Tensor,
    positions: Tensor,
    stride: int,
    padding: int,
    dilation: int,
    relu: bool,
    pool: int,
) -> tuple[Tensor, Tensor]:
    _check_gradient(gradient, codes, weight, output, positions)
    return weight.new_empty(weight.shape), weight.new_empty(weight.shape[0])


# ---- autograd and autocast ----

_ONCE = "dnafast::conv1d can be differentiated once, in reverse mode"


@torch.library.impl("dnafast::conv1d", "Autograd")
def _conv1d_autograd(
    codes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    relu: bool = False,
    pool: int = 0,
) -> Tensor:
    """The public operator, seen by autograd, is its forward pass; positions are kept only where they will be needed."""
    for tensor in (weight, bias):
        if tensor is not None and unpack_dual(tensor).tangent is not None:
            raise RuntimeError(f"{_ONCE}, not in forward mode: take gradients with backward() or torch.autograd.grad")
    track = torch.is_grad_enabled() and (weight.requires_grad or (bias is not None and bias.requires_grad))
    options = (stride, padding, dilation, relu, pool)
    try:
        output: Tensor = torch.ops.dnafast.conv1d_forward(codes, weight, bias, *options, track)[0]
    except RuntimeError as error:
        raise told(error) from None
    return output


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    codes, weight, bias, stride, padding, dilation, relu, pool, _ = inputs
    values, positions = output
    ctx.mark_non_differentiable(positions)
    ctx.save_for_backward(codes, weight, values, positions)
    ctx.has_bias = bias is not None
    ctx.options = (stride, padding, dilation, relu, pool)


def _backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    codes, weight, values, positions = ctx.saved_tensors
    weight_gradient, bias_gradient = torch.ops.dnafast.conv1d_backward(
        gradient, codes, weight, values, positions, *ctx.options
    )
    return None, weight_gradient, bias_gradient if ctx.has_bias else None, None, None, None, None, None, None


def _backward_of_backward(ctx: Any, *gradients: Tensor) -> None:
    raise RuntimeError(f"{_ONCE}: leave out create_graph=True, or use torch.nn.functional.conv1d on one-hot sequences")


torch.library.register_autograd("dnafast::conv1d_forward", _backward, setup_context=_setup_context)
torch.library.register_autograd("dnafast::conv1d_backward", _backward_of_backward)
register_autocast("conv1d")
