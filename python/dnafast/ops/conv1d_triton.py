"""Convolution over base codes on a GPU as one Triton kernel, with bias, ReLU and max pooling inside.

One-hot is made in registers, a tile at a time, and multiplied on the tensor cores. A float32 weight is the sum of three
bfloat16 numbers, and zeros and ones are exact: three products with sums in float32 give what float32 gives, be TF32
allowed or not (weights beyond bfloat16's largest number, infinite ones among them, give NaN). What cuDNN takes on
one-hot stands beside it in ``bench/results/gpu.md``.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

# Positions a program, and weights (four a base) a product. Of the tiles of 32 to 128 positions and channels with four
# and eight warps that were tried on an H100, these were fastest, or next to it, for all layers tried.
_POSITIONS = 64
_WEIGHTS = tl.constexpr(32)


@triton.jit
def _split(weight, parts, n_channels, width4, n_weights, CHANNELS: tl.constexpr, WEIGHTS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Float32 (C, 4, K) -> three bfloat16 (K * 4, C) that sum to it, rows beyond K * 4 zero."""
    row = tl.program_id(0) * WEIGHTS + tl.arange(0, WEIGHTS)[:, None]
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    inside = (row < width4) & (channel < n_channels)
    rest = tl.load(weight + channel * width4 + (row % 4) * (width4 // 4) + row // 4, mask=inside, other=0.0)
    address = parts + row * n_channels + channel
    for part in tl.static_range(3):
        rounded = rest.to(tl.bfloat16)
        tl.store(address + part * n_weights * n_channels, rounded, mask=channel < n_channels)
        rest -= rounded.to(tl.float32)


@triton.jit
def _convolve(  # type: ignore[no-untyped-def]
    codes,
    parts,
    bias,
    output,
    where,
    length,
    n_channels,
    width4,
    n_weights,
    n_positions,
    n_outputs,
    stride,
    padding,
    dilation,
    pool,
    HAS_BIAS: tl.constexpr,
    RELU: tl.constexpr,
    WHOLE: tl.constexpr,
    TRACK: tl.constexpr,
    POSITIONS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WEIGHTS: tl.constexpr,
):
    """One tile of outputs of one sequence: (positions or pooled positions, channels).

    WHOLE pools all positions, tile after tile; else a row is one pooled position, whose positions follow in turn.
    """
    tiles = 1 if WHOLE else tl.cdiv(n_outputs, POSITIONS)
    sequence = (tl.program_id(0) // tiles).to(tl.int64)
    row = tl.arange(0, POSITIONS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    codes += sequence * length
    best = tl.full((POSITIONS, CHANNELS), float("-inf"), tl.float32)
    at = tl.zeros((POSITIONS, CHANNELS), tl.int32)
    first = tl.program_id(0) % tiles * POSITIONS
    turns = tl.cdiv(n_positions, POSITIONS) if WHOLE else pool
    for turn in range(turns):
        position = turn * POSITIONS + row if WHOLE else (first + row) * pool + turn
        begin = position * stride - padding
        sums = tl.zeros((POSITIONS, CHANNELS), tl.float32)
        for lowest in range(0, n_weights, WEIGHTS):
            weight = lowest + tl.arange(0, WEIGHTS)
            place = begin[:, None] + (weight // 4)[None, :] * dilation
            inside = (place >= 0) & (place < length) & (weight < width4)[None, :]
            code = tl.load(codes + place, mask=inside, other=4)
            one_hot = (code == (weight % 4)[None, :]).to(tl.bfloat16)
            address = parts + weight[:, None] * n_channels + channel[None, :]
            is_channel = (channel < n_channels)[None, :]
            for part in tl.static_range(3):
                factor = tl.load(address + part * n_weights * n_channels, mask=is_channel, other=0.0)
                sums = tl.dot(one_hot, factor, sums)
        # A NaN is the largest, as in torch.
        better = (sums > best) | (sums != sums)
        if WHOLE:
            better = better & (position < n_positions)[:, None]
        best = tl.where(better, sums, best)
        if TRACK:
            at = tl.where(better, turn, at)
    if WHOLE:
        is_nan = tl.max((best != best).to(tl.int32), axis=0) > 0
        peak = tl.max(tl.where(best != best, float("-inf"), best), axis=0)
        peak = tl.where(is_nan, float("nan"), peak)
        if HAS_BIAS:
            peak += tl.load(bias + channel, mask=channel < n_channels, other=0.0)
        if RELU:
            peak = tl.where(peak < 0, 0.0, peak)
        tl.store(output + sequence * n_channels + channel, peak, mask=channel < n_channels)
        if TRACK:
            highest = (best == tl.max(tl.where(best != best, float("-inf"), best), axis=0)[None, :]) & (best == best)
            highest = tl.where(is_nan[None, :], best != best, highest)
            found = tl.where(highest, at * POSITIONS + row[:, None], 2147483647)
            tl.store(where + sequence * n_channels + channel, tl.min(found, axis=0), mask=channel < n_channels)
    else:
        outputs = first + row
        if HAS_BIAS:
            best += tl.load(bias + channel, mask=channel < n_channels, other=0.0)[None, :]
        if RELU:
            best = tl.where(best < 0, 0.0, best)
        inside = (outputs < n_outputs)[:, None] & (channel < n_channels)[None, :]
        address = (sequence * n_channels + channel)[None, :] * n_outputs + outputs[:, None]
        tl.store(output + address, best, mask=inside)
        if TRACK:
            tl.store(where + address, (outputs[:, None] * pool + at), mask=inside)


def forward(
    codes: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    dilation: int,
    relu: bool,
    pool: int,
    track: bool,
    sizes: tuple[int, ...],
    positions: int,
) -> tuple[Tensor, Tensor]:
    """What ``torch.ops.dnafast.conv1d_forward`` computes in float32, its arguments checked and none of them empty.

    Args:
        sizes: of the output.
        positions: of the convolution, before pooling.
    """
    codes, weight = codes.contiguous(), weight.contiguous()
    bias = None if bias is None else bias.contiguous()
    n, length = codes.shape
    c, width4 = weight.shape[0], 4 * weight.shape[2]
    n_weights = triton.cdiv(width4, _WEIGHTS.value) * _WEIGHTS.value
    output = weight.new_empty(sizes)
    where = weight.new_empty(sizes if track and pool else (0,), dtype=torch.int32)
    parts = weight.new_empty((3, n_weights, c), dtype=torch.bfloat16)
    channels = 128 if c % 128 == 0 else min(64, max(16, triton.next_power_of_2(c)))
    blocks = triton.cdiv(c, channels)
    outputs = 1 if pool == -1 else sizes[2]
    with torch.cuda.device(weight.device):
        _split[(n_weights // _WEIGHTS.value, blocks)](
            weight, parts, c, width4, n_weights, CHANNELS=channels, WEIGHTS=_WEIGHTS
        )
        # Tiles lie along the first axis, which alone may be longer than 65,535.
        _convolve[(n * (1 if pool == -1 else triton.cdiv(outputs, _POSITIONS)), blocks)](
            codes,
            parts,
            bias,
            output,
            where,
            length,
            c,
            width4,
            n_weights,
            positions,
            outputs,
            stride,
            padding,
            dilation,
            max(pool, 1),
            HAS_BIAS=bias is not None,
            RELU=relu,
            WHOLE=pool == -1,
            TRACK=track and pool != 0,
            POSITIONS=_POSITIONS,
            CHANNELS=channels,
            WEIGHTS=_WEIGHTS,
            num_warps=4,
        )
    return output, where
