"""What the operators rnn, gru and lstm share: the layer in plain torch, its backward pass, shapes, autograd.

Letters of shapes: N sequences, L length, C input features, G gates, H hidden units, D directions, S stretches of
positions between two kept states.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from dnafast.ops._library import told
from dnafast.ops._one_hot import one_hot

# cuDNN puts the weights in a row at each call: there is nothing that a caller of the operators could do about it. Said
# once, for a filter around each call would be another thread's too.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")

#: Gates of each cell that the operators know.
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}

#: Positions from one kept state to the next, as in csrc/ops/cpu/recurrent.hpp.
_STRETCH = 8

# ---- several layers from the operator for one ----


def stacked(
    cell: str,
    input: Tensor,
    weights: Sequence[Tensor],
    h0: Tensor | None,
    c0: Tensor | None,
    layers: int,
    bidirectional: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Run the layers of :func:`dnafast.ops.lstm`, :func:`~dnafast.ops.gru` or :func:`~dnafast.ops.rnn`.

    Returns:
        Output (N, L, D * H), h_n (layers * D, N, H), and c_n like it for an lstm, else None.

    Raises:
        ValueError: an argument that does not fit.
        TypeError: what is no tensor or whole number.
    """
    directions = 2 if bidirectional else 1
    _check_arguments(input, weights, h0, c0, layers, directions)
    x = input
    each = len(weights) // (layers * directions)
    states: list[tuple[Tensor, ...]] = []
    for layer in range(layers):
        first = layer * directions
        of_layer = [weights[(first + d) * each : (first + d + 1) * each] for d in range(directions)]
        # One direction is a view: nothing is copied.
        joined = [parts[0].unsqueeze(0) if directions == 1 else torch.stack(parts) for parts in _zipped(of_layer)]
        weight_ih, weight_hh, bias_ih, bias_hh = (*joined, None, None)[:4]
        h = None if h0 is None else h0[first : first + directions]
        c = None if c0 is None else c0[first : first + directions]
        arguments = (x, weight_ih, weight_hh, bias_ih, bias_hh, h)
        try:
            if cell == "lstm":
                x, *state = torch.ops.dnafast.lstm(*arguments, c)
            elif cell == "gru":
                x, *state = torch.ops.dnafast.gru(*arguments)
            else:
                x, *state = torch.ops.dnafast.rnn(*arguments, cell == "rnn_relu")
        except RuntimeError as error:
            raise told(error) from None
        states.append(tuple(state))
    h_n, *c_n = (parts[0] if layers == 1 else torch.cat(parts) for parts in zip(*states, strict=True))
    return x, h_n, c_n[0] if c_n else None


def _zipped(of_layer: list[Sequence[Tensor]]) -> list[tuple[Tensor, ...]]:
    for parts in zip(*of_layer, strict=True):
        if any(part.shape != parts[0].shape for part in parts):
            shapes = " and ".join(str(tuple(part.shape)) for part in parts)
            raise ValueError(f"weights of the two directions of a layer have shapes {shapes}: expected the same")
    return list(zip(*of_layer, strict=True))


def _check_arguments(
    input: Tensor, weights: Sequence[Tensor], h0: Tensor | None, c0: Tensor | None, layers: int, directions: int
) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"input must be a torch tensor, not {type(input).__name__}")
    if not hasattr(layers, "__index__"):
        raise TypeError(f"layers={layers!r} must be a whole number")
    if layers < 1:
        raise ValueError(f"layers={layers}: expected at least 1")
    if not isinstance(weights, Sequence):
        raise TypeError(f"weights must be a list of torch tensors, not {type(weights).__name__}")
    for i, weight in enumerate(weights):
        if not isinstance(weight, Tensor):
            raise TypeError(f"weights[{i}] must be a torch tensor, not {type(weight).__name__}")
    places = layers * directions
    if len(weights) not in (2 * places, 4 * places):
        raise ValueError(
            f"weights has {len(weights)} tensors: expected {4 * places}, or {2 * places} without biases, for layers="
            f"{layers} and bidirectional={directions == 2}"
        )
    for name, state in (("h0", h0), ("c0", c0)):
        if state is None:
            continue
        if not isinstance(state, Tensor):
            raise TypeError(f"{name} must be a torch tensor, not {type(state).__name__}")
        if state.dim() != 3 or state.shape[0] != places:
            raise ValueError(
                f"{name} has shape {tuple(state.shape)}: expected ({places}, sequences, hidden), for layers={layers} "
                f"and bidirectional={directions == 2}"
            )


# ---- the same in plain torch: the reference, and what runs on CUDA ----


def reference(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    cell: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer by torch's own operators (cuDNN on CUDA), differentiable: output, h_n, and c_n, empty but for an lstm.

    Raises:
        ValueError: as the operators do, except for the values of the codes.
    """
    n, _, d, h = checked_sizes(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, cell)
    none = weight_hh.new_empty(0)
    if n == 0:
        empty = weight_hh.new_empty(d, n, h)
        return weight_hh.new_empty(n, input.shape[1], d * h), empty, empty.clone() if cell == "lstm" else none
    x = one_hot(input, weight_ih.dtype).transpose(1, 2) if input.dtype == torch.uint8 else input
    zeros = x.new_zeros(d, n, h)
    h0 = zeros if h0 is None else h0.contiguous()
    parts = [weight_ih, weight_hh] if bias_ih is None or bias_hh is None else [weight_ih, weight_hh, bias_ih, bias_hh]
    weights = [part[direction].contiguous() for direction in range(d) for part in parts]
    trains = torch.is_grad_enabled()  # cuDNN differentiates only what was said to be training
    options = (weights, len(parts) == 4, 1, 0.0, trains, d == 2, True)
    if cell == "lstm":
        output, h_n, c_n = torch.lstm(x, [h0, zeros if c0 is None else c0.contiguous()], *options)
        return output, h_n, c_n
    function = {"gru": torch.gru, "rnn_tanh": torch.rnn_tanh, "rnn_relu": torch.rnn_relu}[cell]
    output, h_n = function(x, h0, *options)
    return output, h_n, none


# ---- shapes without values: fake kernels for torch.compile and torch.export ----


def checked_sizes(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    cell: str,
) -> tuple[int, int, int, int]:
    """N, L, D, H; the checks that the CPU kernel does in C++, for every other device.

    Raises:
        ValueError: a dtype, shape or device does not fit.
    """
    _check_devices(weight_ih, input=input, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh, h0=h0, c0=c0)
    gates = GATES[cell]
    if weight_ih.dtype not in (torch.float32, torch.float64, torch.bfloat16):
        raise ValueError(f"weight_ih has dtype {_name(weight_ih.dtype)}: expected float32, float64 or bfloat16")
    _check_dtype("weight_hh", weight_hh, weight_ih)
    if (
        weight_hh.dim() != 3
        or weight_hh.shape[0] not in (1, 2)
        or weight_hh.shape[2] < 1
        or weight_hh.shape[1] != gates * weight_hh.shape[2]
    ):
        raise ValueError(
            f"weight_hh has shape {tuple(weight_hh.shape)}: expected (directions, {gates} * hidden, hidden), one or "
            "two directions"
        )
    d, rows, h = weight_hh.shape
    if input.dtype == torch.uint8:
        if input.dim() != 2:
            raise ValueError(f"input has shape {tuple(input.shape)}: expected (sequences, length) of base codes uint8")
        c = 4
    else:
        if input.dtype != weight_ih.dtype:
            raise ValueError(
                f"input has dtype {_name(input.dtype)}: expected uint8 base codes or that of weight_ih, "
                f"{_name(weight_ih.dtype)}"
            )
        if input.dim() != 3 or input.shape[2] < 1:
            raise ValueError(
                f"input has shape {tuple(input.shape)}: expected (sequences, length, features), at least one feature"
            )
        c = input.shape[2]
    n, length = input.shape[:2]
    if length < 1:
        raise ValueError(f"input has shape {tuple(input.shape)}: expected a length of at least 1")
    _check_sizes("weight_ih", weight_ih, (d, rows, c), "(directions, gates * hidden, inputs)")
    if (bias_ih is None) != (bias_hh is None):
        raise ValueError(f"{'bias_ih' if bias_ih is None else 'bias_hh'} is missing: expected both biases or none")
    for name, bias in (("bias_ih", bias_ih), ("bias_hh", bias_hh)):
        if bias is not None:
            _check_dtype(name, bias, weight_ih)
            _check_sizes(name, bias, (d, rows), "(directions, gates * hidden)")
    for name, state in (("h0", h0), ("c0", c0)):
        if state is not None:
            _check_dtype(name, state, weight_ih)
            _check_sizes(name, state, (d, n, h), "(directions, sequences, hidden)")
    return n, length, d, h


def _check_sizes(name: str, tensor: Tensor, sizes: tuple[int, ...], meaning: str) -> None:
    if tensor.dim() != len(sizes) or any(size != wanted for size, wanted in zip(tensor.shape, sizes, strict=True)):
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}: expected {tuple(sizes)}, {meaning}")


def _check_dtype(name: str, tensor: Tensor, weight_ih: Tensor) -> None:
    if tensor.dtype != weight_ih.dtype:
        raise ValueError(
            f"{name} has dtype {_name(tensor.dtype)}: expected that of weight_ih, {_name(weight_ih.dtype)}"
        )


def _check_devices(weight_ih: Tensor, **others: Tensor | None) -> None:
    for name, tensor in others.items():
        if tensor is not None and tensor.device != weight_ih.device:
            raise ValueError(f"{name} is on {tensor.device}: expected the device of weight_ih, {weight_ih.device}")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@torch.library.register_fake("dnafast::recurrent_forward")
def _forward_fake(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    cell: str,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    n, length, d, h = checked_sizes(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, cell)
    has_c = cell == "lstm"
    kept = (d, (length + _STRETCH - 1) // _STRETCH, 1 + has_c, h, n) if keep else (0,)
    wide = torch.float32 if weight_ih.dtype == torch.bfloat16 else weight_ih.dtype
    return (
        weight_ih.new_empty(n, length, d * h),
        weight_ih.new_empty(d, n, h),
        weight_ih.new_empty((d, n, h) if has_c else (0,)),
        weight_ih.new_empty(kept, dtype=wide),
    )


@torch.library.register_fake("dnafast::recurrent_backward")
def _backward_fake(
    output_gradient: Tensor | None,
    h_n_gradient: Tensor | None,
    c_n_gradient: Tensor | None,
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    kept: Tensor,
    cell: str,
    input_gradient: bool,
) -> tuple[Tensor, ...]:
    _check_devices(
        weight_ih, output_gradient=output_gradient, h_n_gradient=h_n_gradient, c_n_gradient=c_n_gradient, kept=kept
    )
    n, _, d, h = checked_sizes(input, weight_ih, weight_hh, bias_ih, bias_hh, None, None, cell)
    rows = weight_hh.shape[1]
    wanted = input_gradient and input.dtype != torch.uint8
    return (
        weight_ih.new_empty(input.shape if wanted else (0,)),
        weight_ih.new_empty(weight_ih.shape),
        weight_ih.new_empty(weight_hh.shape),
        weight_ih.new_empty(d, rows),
        weight_ih.new_empty(d, rows),
        weight_ih.new_empty(d, n, h),
        weight_ih.new_empty((d, n, h) if cell == "lstm" else (0,)),
    )


# ---- autograd ----


def differentiable(
    name: str,
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    cell: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """A public operator as autograd sees it; states are kept only where they will be needed.

    Raises:
        RuntimeError: forward-mode differentiation.
    """
    tensors = (input, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0)
    for tensor in tensors:
        if tensor is not None and tensor.is_floating_point() and unpack_dual(tensor).tangent is not None:
            raise RuntimeError(
                f"dnafast::{name} can be differentiated once, in reverse mode, not in forward mode: take gradients "
                "with backward() or torch.autograd.grad"
            )
    keep = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
    try:
        output, h_n, c_n, _ = torch.ops.dnafast.recurrent_forward(*tensors, cell, keep)
    except RuntimeError as error:
        raise told(error) from None
    return output, h_n, c_n


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    input, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, cell, _ = inputs
    _, _, c_n, kept = output
    ctx.mark_non_differentiable(*((kept,) if cell == "lstm" else (c_n, kept)))
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(input, weight_ih, weight_hh, bias_ih, bias_hh, kept)
    ctx.cell = cell
    ctx.has = (bias_ih is not None, h0 is not None, c0 is not None)


def _backward(
    ctx: Any, output_gradient: Tensor | None, h_n_gradient: Tensor | None, c_n_gradient: Tensor | None, _: Tensor | None
) -> tuple[Tensor | None, ...]:
    input, *weights, kept = ctx.saved_tensors
    has_bias, has_h0, has_c0 = ctx.has
    wanted = ctx.needs_input_grad[0]
    if ctx.cell != "lstm":
        c_n_gradient = None
    of_input, of_weight_ih, of_weight_hh, of_bias_ih, of_bias_hh, of_h0, of_c0 = torch.ops.dnafast.recurrent_backward(
        output_gradient, h_n_gradient, c_n_gradient, input, *weights, kept, ctx.cell, wanted
    )
    return (
        of_input if wanted else None,
        of_weight_ih,
        of_weight_hh,
        of_bias_ih if has_bias else None,
        of_bias_hh if has_bias else None,
        of_h0 if has_h0 else None,
        of_c0 if has_c0 else None,
        None,
        None,
    )


def _backward_of_backward(ctx: Any, *gradients: Tensor) -> None:
    raise RuntimeError(
        "dnafast's recurrent operators can be differentiated once, in reverse mode: leave out create_graph=True, or "
        "use the layers of torch.nn"
    )


torch.library.register_autograd("dnafast::recurrent_forward", _backward, setup_context=_setup_context)
torch.library.register_autograd("dnafast::recurrent_backward", _backward_of_backward)
