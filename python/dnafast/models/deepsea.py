"""DeepSEA: three wide convolutions and a large fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dnafast.models.config import ModelConfig
from dnafast.models.layers import (
    Network,
    convolution_flops,
    first_convolution,
    first_input,
    flatten_positions,
    linear_flops,
    stage_minimum,
    stage_positions,
)

KERNEL = 8
STAGES = ((KERNEL, 4), (KERNEL, 4), (KERNEL, 1))  # (kernel, pool)


@dataclass(frozen=True, kw_only=True)
class DeepSEAConfig(ModelConfig):
    """Options of DeepSEA; the defaults are the published ones.

    Attributes:
        filters: channels of the three convolutions.
        hidden: width of the fully connected layer.
        dropout: after each of the three convolutions.
    """

    implementations: ClassVar[tuple[str, ...]] = ("torch", "native")

    widths: ClassVar[Mapping[str, int]] = {"filters": 1, "hidden": 1}

    filters: tuple[int, int, int] = (320, 480, 960)
    hidden: int = 925
    dropout: tuple[float, float, float] = (0.2, 0.2, 0.5)

    @property
    def minimum_length(self) -> int:
        """The sequence that leaves one position after the last convolution."""
        return stage_minimum(STAGES)

    @property
    def positions(self) -> int:
        """Positions after the last convolution."""
        return stage_positions(self.padded_length, STAGES)[-1][1]

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        positions = stage_positions(self.padded_length, STAGES)
        convolutions = sum(
            convolution_flops(inputs, outputs, KERNEL, convolved)
            for inputs, outputs, (convolved, _) in zip((4, *self.filters[:2]), self.filters, positions, strict=True)
        )
        return convolutions + linear_flops(self.filters[2] * self.positions, self.hidden, self.n_tasks)


class DeepSEA(Network):
    """Three convolutions -> fully connected -> head.

    After J. Zhou, O. G. Troyanskaya, "Predicting effects of noncoding variants with deep learning-based sequence
    model", Nature Methods 12 (2015): 1,000 bases, 919 tasks, kernels of 8, ReLU, pooling by 4. Torch starts layers as
    the published Lua did: uniform within one over the square root of what a unit reads. Native, its first convolution
    is, which is little of the whole: 2 to 7 % less time in predicting and 4 to 15 % in training, on one thread.
    """

    def __init__(self, config: DeepSEAConfig) -> None:
        super().__init__(config)
        first, second, third = config.filters
        self.positions = config.positions
        # Positions at 1,000 bases in the comments.
        self.features = nn.Sequential(
            *first_convolution(config, first, KERNEL, pool=4),  # (N, 320, 993), (N, 320, 993), (N, 320, 248)
            nn.Dropout(config.dropout[0]),
            nn.Conv1d(first, second, KERNEL),  # (N, 480, 241)
            nn.ReLU(),
            nn.MaxPool1d(4),  # (N, 480, 60)
            nn.Dropout(config.dropout[1]),
            nn.Conv1d(second, third, KERNEL),  # (N, 960, 53)
            nn.ReLU(),
            nn.Dropout(config.dropout[2]),
        )
        self.hidden = nn.Linear(third * config.positions, config.hidden)  # 50,880 -> 925
        self.head = nn.Linear(config.hidden, config.n_tasks)

    def forward(self, x: Tensor) -> Tensor:
        """One-hot (N, 4, L) or base codes uint8 (N, L), native: codes only -> logits (N, T)."""
        feature_NCL = self.features(first_input(x, self.native, self.minimum_length, self.head.weight.dtype))
        flat = flatten_positions(feature_NCL, self.positions)
        return self.head(torch.relu(self.hidden(flat)))
