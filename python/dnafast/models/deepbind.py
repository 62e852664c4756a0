"""DeepBind: one layer of motif detectors, the best match of each, a small fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from dnafast.models.config import ModelConfig
from dnafast.models.layers import Network, convolution_flops, first_input, linear_flops
from dnafast.nn import Conv1d


@dataclass(frozen=True, kw_only=True)
class DeepBindConfig(ModelConfig):
    """Options of DeepBind.

    Attributes:
        filters: motif detectors.
        kernel_size: bases a detector sees.
        pooling: "max" is the best match of each detector, "max_mean" that and the mean over positions beside it.
        hidden: width of the fully connected layer.
        dropout: on the pooled detectors.
    """

    implementations: ClassVar[tuple[str, ...]] = ("torch", "native")

    widths: ClassVar[Mapping[str, int]] = {"filters": 1, "hidden": 1}

    filters: int = 128
    kernel_size: int = 24
    pooling: Literal["max", "max_mean"] = "max"
    hidden: int = 32
    dropout: float = 0.25

    @property
    def minimum_length(self) -> int:
        """The kernel's size."""
        return self.kernel_size

    @property
    def pooled_features(self) -> int:
        """Numbers per sequence after pooling."""
        return self.filters * (2 if self.pooling == "max_mean" else 1)

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        positions = self.padded_length - self.kernel_size + 1
        return convolution_flops(4, self.filters, self.kernel_size, positions) + linear_flops(
            self.pooled_features, self.hidden, self.n_tasks
        )


class DeepBind(Network):
    """Convolution -> ReLU -> global pooling -> fully connected -> head.

    After B. Alipanahi, A. Delong, M. T. Weirauch, B. J. Frey, "Predicting the sequence specificities of DNA- and
    RNA-binding proteins by deep learning", Nature Biotechnology 33 (2015): detectors of 24 bases (published: 16 of
    them and one protein; here 128, as whole regulatory regions hold many), max or max and mean pooling, one hidden
    layer of 32, dropout from {0, 0.25, 0.5}. Detectors stay inside the sequence, the published ones overhang it; the
    published start was searched anew for each protein, this one is torch's.
    """

    def __init__(self, config: DeepBindConfig) -> None:
        super().__init__(config)
        self.with_mean = config.pooling == "max_mean"
        # Native, ReLU and pooling are the layer's. Parameters are the same: a state_dict and a seed fit either.
        self.motifs: nn.Conv1d
        if self.native:
            self.motifs = Conv1d(4, config.filters, config.kernel_size, relu=True, pool=0 if self.with_mean else -1)
        else:
            self.motifs = nn.Conv1d(4, config.filters, config.kernel_size)
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(config.pooled_features, config.hidden)
        self.head = nn.Linear(config.hidden, config.n_tasks)

    def forward(self, x: Tensor) -> Tensor:
        """One-hot (N, 4, L) or base codes uint8 (N, L), native: codes only -> logits (N, T)."""
        match = self.motifs(first_input(x, self.native, self.minimum_length, self.head.weight.dtype))  # (N, 128, L')
        if not self.native:
            match = torch.relu(match)
        if self.with_mean:
            match = torch.cat([match.amax(dim=2), match.mean(dim=2)], dim=1)
        elif not self.native:
            match = match.amax(dim=2)
        motif_NC = self.dropout(match)  # (N, 128)
        return self.head(torch.relu(self.hidden(motif_NC)))  # (N, 32) -> (N, T)
