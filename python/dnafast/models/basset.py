"""Basset: three convolutions and two fully connected layers, all batch-normalised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from dnafast.models.config import ModelConfig
from dnafast.models.layers import (
    Network,
    convolution_flops,
    flatten_positions,
    linear_flops,
    one_hot_input,
    stage_minimum,
    stage_positions,
)

STAGES = ((19, 3), (11, 4), (7, 4))  # (kernel, pool)


@dataclass(frozen=True, kw_only=True)
class BassetConfig(ModelConfig):
    """Options of Basset; the defaults are the published ones.

    Attributes:
        filters: channels of the three convolutions.
        hidden: widths of the two fully connected layers.
        dropout: after each fully connected layer.
    """

    widths: ClassVar[Mapping[str, int]] = {"filters": 1, "hidden": 1}

    filters: tuple[int, int, int] = (300, 200, 200)
    hidden: tuple[int, int] = (1000, 1000)
    dropout: float = 0.3

    @property
    def minimum_length(self) -> int:
        """The sequence that leaves one position after the last pooling."""
        return stage_minimum(STAGES)

    @property
    def positions(self) -> int:
        """Positions after the last pooling."""
        return stage_positions(self.padded_length, STAGES)[-1][1]

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        positions = stage_positions(self.padded_length, STAGES)
        convolutions = sum(
            convolution_flops(inputs, outputs, kernel, convolved)
            for inputs, outputs, (kernel, _), (convolved, _) in zip(
                (4, *self.filters[:2]), self.filters, STAGES, positions, strict=True
            )
        )
        return convolutions + linear_flops(self.filters[2] * self.positions, *self.hidden, self.n_tasks)


class Basset(Network):
    """Three convolutions -> two fully connected layers -> head.

    After D. R. Kelley, J. Snoek, J. L. Rinn, "Basset: learning the regulatory code of the accessible genome with deep
    convolutional neural networks", Genome Research 26 (2016): 600 bases, 164 tasks, no padding. Torch starts layers as
    the published Lua did. Trains with at least two sequences a batch, as batch norm has nothing to compare one with.
    """

    def __init__(self, config: BassetConfig) -> None:
        super().__init__(config)
        self.positions = config.positions
        # Shapes at 600 bases in the comments.
        features: list[nn.Module] = []
        inputs = 4
        for outputs, (kernel, pool) in zip(config.filters, STAGES, strict=True):
            features += [
                nn.Conv1d(inputs, outputs, kernel),  # (N, 300, 582), (N, 200, 184), (N, 200, 40)
                nn.BatchNorm1d(outputs),
                nn.ReLU(),
                nn.MaxPool1d(pool),  # (N, 300, 194), (N, 200, 46), (N, 200, 10)
            ]
            inputs = outputs
        self.features = nn.Sequential(*features)
        hidden: list[nn.Module] = []
        inputs = config.filters[2] * config.positions
        for outputs in config.hidden:
            hidden += [
                nn.Linear(inputs, outputs),  # 2,000 -> 1,000 -> 1,000
                nn.BatchNorm1d(outputs),
                nn.ReLU(),
                nn.Dropout(config.dropout),
            ]
            inputs = outputs
        self.hidden = nn.Sequential(*hidden)
        self.head = nn.Linear(inputs, config.n_tasks)

    def forward(self, x: Tensor) -> Tensor:
        """One-hot (N, 4, L) or base codes uint8 (N, L) -> logits (N, T)."""
        x_NCL = one_hot_input(x, self.minimum_length, self.head.weight.dtype)
        flat = flatten_positions(self.features(x_NCL), self.positions)
        return self.head(self.hidden(flat))
