"""Convolutions of several widths side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dnafast.models.config import ModelConfig
from dnafast.models.layers import (
    Network,
    SamePadConv1d,
    convolution_flops,
    first_input,
    linear_flops,
    one_hot_input,
    takes_norm,
    with_norm,
)
from dnafast.nn import Conv1d


@dataclass(frozen=True, kw_only=True)
class MultiscaleCNNConfig(ModelConfig):
    """Options of the multi-scale CNN.

    Attributes:
        kernel_sizes: widths of the parallel convolutions.
        filters: channels of each of them.
        blocks: such groups on top of each other.
        pool: max pooling between blocks.
        hidden: width of the fully connected layer.
        dropout: before the fully connected layer.
    """

    implementations: ClassVar[tuple[str, ...]] = ("torch", "native")

    widths: ClassVar[Mapping[str, int]] = {"filters": 1, "hidden": 1}

    kernel_sizes: tuple[int, ...] = (3, 7, 11, 19)
    filters: int = 32
    blocks: int = 2
    pool: int = 4
    hidden: int = 64
    dropout: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.kernel_sizes:
            raise ValueError("kernel_sizes=() must hold at least one width")

    @property
    def channels(self) -> int:
        """Channels of a whole block."""
        return self.filters * len(self.kernel_sizes)

    @property
    def minimum_length(self) -> int:
        """The sequence that leaves one position after all pooling."""
        return self.pool ** (self.blocks - 1)

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        inputs, positions, total = 4, self.padded_length, 0
        for _ in range(self.blocks):
            total += convolution_flops(inputs, self.filters, sum(self.kernel_sizes), positions)
            inputs, positions = self.channels, positions // self.pool
        return total + linear_flops(self.channels, self.hidden, self.n_tasks)


class MultiscaleBlock(nn.Module):
    """Parallel convolutions, concatenated, batch norm, ReLU."""

    def __init__(self, inputs: int, config: MultiscaleCNNConfig) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(SamePadConv1d(inputs, config.filters, size) for size in config.kernel_sizes)
        self.norm = nn.BatchNorm1d(config.channels)

    def forward(self, x_NCL: Tensor) -> Tensor:
        """(N, C, L) -> (N, C', L)."""
        scales = [convolution(x_NCL) for convolution in self.convolutions]
        return torch.relu(self.norm(torch.cat(scales, dim=1)))


class NativeMultiscaleBlock(nn.Module):
    """The first block and the pooling behind it, from base codes; in evaluation mode one native call a width."""

    if TYPE_CHECKING:  # TorchScript has no such type
        convolutions: Any
        norm: Any

    def __init__(self, config: MultiscaleCNNConfig, pool: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            Conv1d(4, config.filters, size, padding="same") for size in config.kernel_sizes
        )
        self.norm = nn.BatchNorm1d(config.channels)
        self.filters = config.filters
        self.pool = pool

    def forward(self, codes_NL: Tensor) -> Tensor:
        """(N, L) -> (N, C, L // pool)."""
        native = self.convolutions[0].is_for_operator(codes_NL.size(0), codes_NL.size(1))
        if self.training or not native or not takes_norm(self.convolutions[0].weight):
            # What torch reads is made once for all widths.
            x = codes_NL if native else one_hot_input(codes_NL, 1, self.norm.weight.dtype)
            scales = [convolution(x) for convolution in self.convolutions]
            return functional.max_pool1d(torch.relu(self.norm(torch.cat(scales, dim=1))), self.pool)
        norm = self.norm
        pool = self.pool if self.pool > 1 else 0
        scales = []
        for i, convolution in enumerate(self.convolutions):
            first, last = i * self.filters, (i + 1) * self.filters
            weight, bias = with_norm(
                convolution.weight,
                convolution.bias,
                norm.weight[first:last],
                norm.bias[first:last],
                norm.running_mean[first:last],
                norm.running_var[first:last],
                norm.eps,
            )
            scales.append(convolution.of_codes(codes_NL, weight, bias, True, pool))
        return torch.cat(scales, dim=1)


class MultiscaleCNN(Network):
    """Blocks of parallel convolutions -> global max -> fully connected -> head.

    Parallel kernels after C. Szegedy et al., "Going deeper with convolutions" (2015), as wide as motifs are; no
    published network for DNA has these sizes.
    """

    def __init__(self, config: MultiscaleCNNConfig) -> None:
        super().__init__(config)
        pool = config.pool if config.blocks > 1 else 1
        blocks: list[nn.Module] = [NativeMultiscaleBlock(config, pool) if self.native else MultiscaleBlock(4, config)]
        for i in range(config.blocks - 1):
            pooling = nn.Identity() if self.native and i == 0 else nn.MaxPool1d(config.pool)
            blocks += [pooling, MultiscaleBlock(config.channels, config)]
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(config.channels, config.hidden)
        self.head = nn.Linear(config.hidden, config.n_tasks)

    def forward(self, x: Tensor) -> Tensor:
        """One-hot (N, 4, L) or base codes uint8 (N, L), native: codes only -> logits (N, T)."""
        bases = first_input(x, self.native, self.minimum_length, self.head.weight.dtype)
        feature_NC = self.blocks(bases).amax(dim=2)  # (N, 128)
        return self.head(torch.relu(self.hidden(self.dropout(feature_NC))))  # (N, 64) -> (N, T)
