"""What several networks share: their input, pooling over positions, recurrent stacks, lengths and operations.

Shape letters, here and in every network: N sequences, L positions, C channels, H features per position, T tasks.
Base codes: A C G T are 0 1 2 3, anything else 4 (a literal below, as TorchScript takes no global numbers).
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dnafast.models.config import ModelConfig, Pooling
from dnafast.nn import Conv1d
from dnafast.ops._one_hot import one_hot

_BASES = 4  # channels of one-hot input


class Network(nn.Module):
    """A module that carries its configuration; takes what ``config.encoding`` makes, gives logits (N, T)."""

    # TorchScript need not understand the configuration: forward uses plain attributes.
    __jit_ignored_attributes__ = ("config",)

    config: ModelConfig

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.native = config.implementation == "native"
        self.minimum_length = config.minimum_length
        self.padded_length = config.padded_length

    @classmethod
    def from_config(cls, config: ModelConfig) -> Network:
        """The network that a configuration describes."""
        return cls(config)


def pad_positions(x: Tensor, minimum: int, value: float) -> Tensor:
    """Pad the last dimension on both sides to a minimum; the odd one goes to the right."""
    missing = minimum - x.size(-1)
    if missing <= 0:
        return x
    return functional.pad(x, [missing // 2, missing - missing // 2], value=value)


def one_hot_input(x: Tensor, minimum_length: int, dtype: torch.dtype) -> Tensor:
    """One-hot floats (N, 4, L) from one-hot (N, 4, L) of any type or base codes uint8 (N, L), padded with N.

    Raises:
        ValueError: the input is neither.
    """
    if x.dim() == 2 and x.dtype == torch.uint8:
        x = one_hot(x, dtype)
    elif x.dim() != 3 or x.size(1) != 4:
        raise ValueError(f"input of shape {x.shape} must be one-hot (N, 4, L) or base codes uint8 (N, L)")
    return pad_positions(x.to(dtype), minimum_length, 0.0)


def base_code_input(x: Tensor, minimum_length: int) -> Tensor:
    """Base codes uint8 (N, L), padded with N.

    Raises:
        ValueError: the input is something else.
    """
    if x.dim() != 2 or x.dtype != torch.uint8:
        raise ValueError(f"input of shape {x.shape} must be base codes uint8 (N, L)")
    return pad_positions(x, minimum_length, 4.0)


def first_input(x: Tensor, native: bool, minimum_length: int, dtype: torch.dtype) -> Tensor:
    """What the first layer reads, padded with N: base codes where it is native, else one-hot.

    Raises:
        ValueError: the input is neither; native, it is no base codes.
    """
    if native:
        return base_code_input(x, minimum_length)
    return one_hot_input(x, minimum_length, dtype)


def kmer_input(x: Tensor, k: int, minimum_length: int, stride: int = 1) -> Tensor:
    """K-mer ids int64 (N, (L - k) // stride + 1) from ids (int32, int64) or base codes uint8 (N, L), padded with N.

    The first base is the most significant digit; a k-mer that holds an unknown base has the id 4**k.

    Raises:
        ValueError: the input is neither.
    """
    if x.dim() != 2 or x.is_floating_point():
        raise ValueError(f"input of shape {x.shape} must be k-mer ids (N, words) or base codes uint8 (N, L)")
    if x.dtype != torch.uint8:
        return pad_positions(x.to(torch.int64), (minimum_length - k) // stride + 1, float(4**k))
    codes = pad_positions(x, minimum_length, 4.0).to(torch.int64)
    positions = codes.size(1) - k + 1
    ids = torch.zeros_like(codes[:, 0:positions:stride])
    unknown = torch.zeros_like(ids, dtype=torch.bool)
    for offset in range(k):
        digit = codes[:, offset : offset + positions : stride]
        ids = ids * 4 + digit
        unknown = unknown | (digit >= 4)
    return ids.masked_fill(unknown, 4**k)


def flatten_positions(x_NCL: Tensor, positions: int) -> Tensor:
    """(N, C, L) -> (N, C * L) for a fully connected layer that was built for so many positions.

    Raises:
        ValueError: the sequences are longer or shorter than those the network was built for.
    """
    if x_NCL.size(2) != positions:
        raise ValueError(
            f"sequences give {x_NCL.size(2)} positions before the fully connected layers, which were built for "
            f"{positions}: this network takes sequences of the length it was built with"
        )
    return x_NCL.flatten(1)


class SamePadConv1d(nn.Conv1d):
    """Convolution whose output has as many positions as its input, for even kernels too (stride 1)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size)
        self.overhang = (kernel_size - 1) // 2
        self.even = kernel_size % 2 == 0

    def forward(self, x_NCL: Tensor) -> Tensor:
        """(N, C, L) -> (N, C', L)."""
        if self.even:  # one more on the right
            x_NCL = functional.pad(x_NCL, [0, 1])
        return functional.conv1d(x_NCL, self.weight, self.bias, padding=self.overhang)


def first_convolution(
    config: ModelConfig, channels: int, kernel_size: int, *, same: bool = False, pool: int = 1
) -> list[nn.Module]:
    """Convolution over the bases, ReLU and, where pool is above 1, max pooling: three layers, or two.

    Native, one layer does it all from base codes and those after it do nothing: each has the place that it has in
    torch, so that a ``state_dict`` fits both.

    Args:
        config: of the network; says which implementation.
        channels: of the convolution.
        kernel_size: bases that it sees.
        same: pad, so that there are as many positions as bases.
        pool: positions of which the largest value is taken; 1 for no pooling.
    """
    if config.implementation == "native":
        pooled = pool if pool > 1 else 0
        convolution = Conv1d(4, channels, kernel_size, padding="same" if same else 0, relu=True, pool=pooled)
        return [convolution, nn.Identity(), *([nn.Identity()] if pool > 1 else [])]
    plain = SamePadConv1d(4, channels, kernel_size) if same else nn.Conv1d(4, channels, kernel_size)
    return [plain, nn.ReLU(), *([nn.MaxPool1d(pool)] if pool > 1 else [])]


def takes_norm(weight: Tensor) -> bool:
    """Whether a convolution's weights can take in a batch norm: not where what comes of it is rounded to bfloat16."""
    rounded = weight.dtype == torch.bfloat16
    if not torch.jit.is_scripting():  # type: ignore[attr-defined]
        rounded = rounded or torch.is_autocast_enabled(weight.device.type)
    return not rounded


def with_norm(
    weight: Tensor,
    bias: Tensor | None,
    norm_weight: Tensor,
    norm_bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    eps: float,
) -> tuple[Tensor, Tensor]:
    """Weight (C, C', K) and bias (C,) of the convolution that does what one and the batch norm behind it do.

    That is so in evaluation mode, where batch norm subtracts a mean and divides by the root of a variance that are
    given, (C,) each.
    """
    scale = norm_weight * torch.rsqrt(variance + eps)
    centre = -mean if bias is None else bias - mean
    return weight * scale.unsqueeze(1).unsqueeze(2), centre * scale + norm_bias


class LastPooling(nn.Module):
    """The state after the whole sequence: the last position of a forward pass, position 0 of a backward pass."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden

    def forward(self, x_NLH: Tensor) -> Tensor:
        """(N, L, H) -> (N, H)."""
        return torch.cat([x_NLH[:, -1, : self.hidden], x_NLH[:, 0, self.hidden :]], dim=1)


class MeanPooling(nn.Module):
    """The mean over positions."""

    def forward(self, x_NLH: Tensor) -> Tensor:
        """(N, L, H) -> (N, H)."""
        return x_NLH.mean(dim=1)


class MaxPooling(nn.Module):
    """The largest value of each feature over positions."""

    def forward(self, x_NLH: Tensor) -> Tensor:
        """(N, L, H) -> (N, H)."""
        return x_NLH.amax(dim=1)


class AttentionPooling(nn.Module):
    """The mean over positions, weighted by the softmax of one learnt linear score without bias."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.score = nn.Linear(features, 1, bias=False)

    def forward(self, x_NLH: Tensor) -> Tensor:
        """(N, L, H) -> (N, H)."""
        weight_NL1 = torch.softmax(self.score(x_NLH), dim=1)
        return torch.bmm(weight_NL1.transpose(1, 2), x_NLH).squeeze(1)


def position_pooling(pooling: Pooling, hidden: int, features: int) -> nn.Module:
    """The layer (N, L, H) -> (N, H) of that name.

    Args:
        pooling: its name.
        hidden: how many of the features a forward pass has made; those after them are of a backward pass.
        features: of all directions.
    """
    if pooling == "last":
        return LastPooling(hidden)
    if pooling == "mean":
        return MeanPooling()
    if pooling == "max":
        return MaxPooling()
    return AttentionPooling(features)


def keras_start(recurrent: nn.RNNBase, *, reads_bases: bool = True) -> None:
    """Start a recurrent stack as Keras does, gate by gate, but for weights that read bases.

    Inputs are Glorot uniform, recurrence is orthogonal, biases are zero but for one at the LSTM's forget gate, so that
    a state survives many positions from the first step on. Against torch's start, LSTMs fitted a planted motif in a
    third to two thirds of the steps, with any pooling. All cells start alike, so that they differ in the cell alone.
    Torch keeps the gates stacked in one matrix (LSTM: i, f, g, o) and has two biases per gate.

    Of four one-hot inputs one is on: a unit's input is a single weight, not a sum of four, and drawn from U(-√3, √3) it
    has the variance of 1 that LeCun et al. (1998, Efficient BackProp) ask for. On simulated sets a bidirectional LSTM
    then reached a validation AUROC of .98 and .83 in 300 steps, where it stayed at .55 and .64 with Glorot's.

    Args:
        recurrent: the stack.
        reads_bases: whether its four inputs, where it has four, are one-hot bases.
    """
    hidden = recurrent.hidden_size
    with torch.no_grad():
        for name, parameter in recurrent.named_parameters():
            if name.startswith("bias"):
                parameter.zero_()
                if name.startswith("bias_ih") and recurrent.mode == "LSTM":
                    parameter[hidden : 2 * hidden] = 1.0
                continue
            for gate in parameter.split(hidden):
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(gate)
                elif name.startswith("weight_ih_l0") and reads_bases and recurrent.input_size == _BASES:
                    nn.init.uniform_(gate, -math.sqrt(3), math.sqrt(3))
                else:
                    nn.init.xavier_uniform_(gate)


def stage_positions(length: int, stages: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Positions after the unpadded convolution and after the pooling of each (kernel, pool) stage."""
    positions = []
    for kernel, pool in stages:
        convolved = length - kernel + 1
        length = convolved // pool
        positions.append((convolved, length))
    return positions


def stage_minimum(stages: tuple[tuple[int, int], ...]) -> int:
    """Shortest sequence that leaves one position after all (kernel, pool) stages."""
    needed = 1
    for kernel, pool in reversed(stages):
        needed = needed * pool + kernel - 1
    return needed


def convolution_flops(inputs: int, outputs: int, kernel: int, positions: int) -> int:
    """Operations of a convolution that gives so many positions."""
    return 2 * inputs * outputs * kernel * positions


def linear_flops(*widths: int) -> int:
    """Operations of fully connected layers between these widths."""
    return sum(2 * inputs * outputs for inputs, outputs in itertools.pairwise(widths))


def recurrent_flops(gates: int, inputs: int, hidden: int, layers: int, directions: int, positions: int) -> int:
    """Operations of the matrix products of a recurrent stack; gates is 1 (RNN), 3 (GRU) or 4 (LSTM)."""
    per_position = 0
    for _ in range(layers):
        per_position += directions * 2 * gates * hidden * (inputs + hidden)
        inputs = directions * hidden
    return per_position * positions


def pooling_flops(pooling: Pooling, features: int, positions: int) -> int:
    """Operations of pooling over positions: only attention has matrix products (scores, weighted mean)."""
    return 2 * linear_flops(features, 1) * positions if pooling == "attention" else 0
