"""Basset: three convolutions and two fully connected layers, all batch-normalised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from dnafast.models.config import ModelConfig
from dnafast.models.layers import (
    Network,
    convolution_flops,
    first_input,
    flatten_positions,
    linear_flops,
    stage_minimum,
    stage_positions,
    takes_norm,
    with_norm,
)
from dnafast.nn import Conv1d

STAGES = ((19, 3), (11, 4), (7, 4))  # (kernel, pool)


@dataclass(frozen=True, kw_only=True)
class BassetConfig(ModelConfig):
    """Options of Basset; the defaults are the published ones.

    Attributes:
        filters: channels of the three convolutions.
        hidden: widths of the two fully connected layers.
        dropout: after each fully connected layer.
    """

    implementations: ClassVar[tuple[str, ...]] = ("torch", "native")

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

    __constants__ = ("native",)  # so that TorchScript leaves out what does not happen
    if TYPE_CHECKING:  # TorchScript has no such type
        features: Any

    def __init__(self, config: BassetConfig) -> None:
        super().__init__(config)
        self.positions = config.positions
        # Shapes at 600 bases in the comments.
        features: list[nn.Module] = []
        inputs, convolution = 4, Conv1d if self.native else nn.Conv1d
        for outputs, (kernel, pool) in zip(config.filters, STAGES, strict=True):
            features += [
                convolution(inputs, outputs, kernel),  # (N, 300, 582), (N, 200, 184), (N, 200, 40)
                nn.BatchNorm1d(outputs),
                nn.ReLU(),
                nn.MaxPool1d(pool),  # (N, 300, 194), (N, 200, 46), (N, 200, 10)
            ]
            inputs, convolution = outputs, nn.Conv1d
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
        """One-hot (N, 4, L) or base codes uint8 (N, L), native: codes only -> logits (N, T)."""
        bases = first_input(x, self.native, self.minimum_length, self.head.weight.dtype)
        feature_NCL = self._native_features(bases) if self.native else self.features(bases)
        flat = flatten_positions(feature_NCL, self.positions)
        return self.head(self.hidden(flat))

    def _native_features(self, codes_NL: Tensor) -> Tensor:
        """(N, L) -> (N, C, L'); in evaluation mode convolution, batch norm, ReLU and pooling are one native call."""
        convolution, norm = self.features[0], self.features[1]
        native = convolution.is_for_operator(codes_NL.size(0), codes_NL.size(1))
        if self.training or not native or not takes_norm(convolution.weight):
            return self.features(codes_NL)
        weight, bias = with_norm(
            convolution.weight,
            convolution.bias,
            norm.weight,
            norm.bias,
            norm.running_mean,
            norm.running_var,
            self.features[1].eps,
        )
        x_NCL = convolution.of_codes(codes_NL, weight, bias, True, 3)
        for i, layer in enumerate(self.features):
            if i > 3:
                x_NCL = layer(x_NCL)
        return x_NCL
