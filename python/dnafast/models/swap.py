"""One stem, one head, and what lies between them exchanged: the matched comparison of recurrence and convolution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from dnafast.models.config import ModelConfig
from dnafast.models.layers import (
    AttentionPooling,
    MaxPooling,
    Network,
    convolution_flops,
    first_convolution,
    first_input,
    flatten_positions,
    keras_start,
    linear_flops,
    pooling_flops,
    recurrent_flops,
)
from dnafast.models.recurrent import CELLS, GATES
from dnafast.nn import Conv1d

Core = Literal["none", "rnn", "gru", "lstm", "bilstm", "dilated", "attention"]

DILATIONS = (1, 2, 4, 8)
ATTENTION_HEADS = 4


@dataclass(frozen=True, kw_only=True)
class SwapConfig(ModelConfig):
    """Options of the network with exchangeable parts.

    Attributes:
        stem: "conv" is a convolution over the bases, ReLU and max pooling; "none" gives each base a vector and looks at
            no neighbour.
        core: what relates distant positions: nothing; a recurrent stack from left to right, or ("bilstm") one of half
            the width in each direction; four residual blocks of dilated convolutions; transformer encoder layers with
            the position added as sines.
        head: "flatten" has a weight for each feature at each position; "global" takes the largest value of each feature
            over positions, "attention" a learnt weighted mean.
        width: features per position, of the stem and of whatever core, so that the head is the same for all. A multiple
            of four, which halves and attention heads divide.
        layers: of the core: recurrent or encoder layers, or groups of four dilated blocks.
        kernel_size: bases that the stem's convolution sees.
        pool: max pooling of the stem.
        hidden: width of the fully connected layer.
        dropout: after the stem, within the core between or inside its layers, and before the fully connected layer.
    """

    implementations: ClassVar[tuple[str, ...]] = ("torch", "native")

    widths: ClassVar[Mapping[str, int]] = {"width": ATTENTION_HEADS, "hidden": 1}

    stem: Literal["conv", "none"] = "conv"
    core: Core = "lstm"
    head: Literal["flatten", "global", "attention"] = "global"
    width: int = 64
    layers: int = 1
    kernel_size: int = 15
    pool: int = 4
    hidden: int = 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % ATTENTION_HEADS:
            raise ValueError(f"width={self.width} must be a multiple of {ATTENTION_HEADS}")

    @property
    def minimum_length(self) -> int:
        """The sequence that leaves one position after the stem."""
        return self.pool if self.stem == "conv" else 1

    @property
    def positions(self) -> int:
        """Positions after the stem."""
        return self.padded_length // self.minimum_length

    @property
    def head_inputs(self) -> int:
        """Numbers per sequence that the fully connected layer reads."""
        return self.width * (self.positions if self.head == "flatten" else 1)

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        kernel = self.kernel_size if self.stem == "conv" else 1
        return (
            convolution_flops(4, self.width, kernel, self.padded_length)
            + self._core_flops()
            + (pooling_flops("attention", self.width, self.positions) if self.head == "attention" else 0)
            + linear_flops(self.head_inputs, self.hidden, self.n_tasks)
        )

    def _core_flops(self) -> int:
        width, positions = self.width, self.positions
        if self.core in GATES:
            return recurrent_flops(GATES[self.core], width, width, self.layers, 1, positions)
        if self.core == "bilstm":
            return recurrent_flops(GATES["lstm"], width, width // 2, self.layers, 2, positions)
        if self.core == "dilated":
            block = convolution_flops(width, width // 2, 3, positions) + convolution_flops(
                width // 2, width, 1, positions
            )
            return self.layers * len(DILATIONS) * block
        if self.core == "attention":
            # Of each position: queries, keys, values and output, scores and weighted mean, the two layers behind.
            attention = 4 * linear_flops(width, width) + linear_flops(positions, width, positions)
            return self.layers * positions * (attention + linear_flops(width, 2 * width, width))
        return 0


class RecurrentCore(nn.Module):
    """A recurrent stack whose directions together have the width of its input."""

    def __init__(self, config: SwapConfig) -> None:
        super().__init__()
        both = config.core == "bilstm"
        self.recurrent = CELLS[config.implementation]["lstm" if both else config.core](
            config.width,
            config.width // 2 if both else config.width,
            num_layers=config.layers,
            batch_first=True,
            bidirectional=both,
            # Between layers: a single one has no between, and torch warns.
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        keras_start(self.recurrent)

    def forward(self, x_NLC: Tensor) -> Tensor:
        """(N, L, C) -> (N, L, C)."""
        state_NLC, _ = self.recurrent(x_NLC)
        return state_NLC


class DilatedBlock(nn.Module):
    """x + 1 × 1 convolution of a dilated one of half the width, each after batch norm and ReLU."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width // 2, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm1d(width // 2),
            nn.ReLU(),
            nn.Conv1d(width // 2, width, 1),
            nn.Dropout(dropout),
        )

    def forward(self, x_NCL: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, L)."""
        return x_NCL + self.layers(x_NCL)


class DilatedCore(nn.Module):
    """Groups of four residual blocks that see further and further: 31 positions a group."""

    def __init__(self, config: SwapConfig) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                DilatedBlock(config.width, dilation, config.dropout)
                for _ in range(config.layers)
                for dilation in DILATIONS
            )
        )

    def forward(self, x_NLC: Tensor) -> Tensor:
        """(N, L, C) -> (N, L, C)."""
        return self.blocks(x_NLC.transpose(1, 2)).transpose(1, 2)


class AttentionCore(nn.Module):
    """Sines of the position added, then transformer encoder layers, each normalised before it adds to its input."""

    def __init__(self, config: SwapConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    config.width,
                    ATTENTION_HEADS,
                    dim_feedforward=2 * config.width,
                    dropout=config.dropout,
                    batch_first=True,
                    norm_first=True,
                )
                for _ in range(config.layers)
            )
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x_NLC: Tensor) -> Tensor:
        """(N, L, C) -> (N, L, C)."""
        return self.norm(self.layers(x_NLC + position_sines(x_NLC)))


def position_sines(x_NLC: Tensor) -> Tensor:
    """Sines, then cosines of the position at wavelengths from 2 π to 20,000 π positions: (L, C) for (N, L, C)."""
    half = x_NLC.size(2) // 2
    exact = torch.float64 if x_NLC.dtype == torch.float64 else torch.float32  # bfloat16 has no 257
    step = torch.arange(half, device=x_NLC.device, dtype=exact) / half
    position = torch.arange(x_NLC.size(1), device=x_NLC.device, dtype=exact)
    angle = position.unsqueeze(1) * torch.exp(-math.log(10_000.0) * step)
    return torch.cat([torch.sin(angle), torch.cos(angle)], dim=1).to(x_NLC.dtype)


class Swap(Network):
    """Stem -> core -> head, where the core is exchanged and nothing else.

    Stem and head of a seed start with the same weights whatever the core, and a core of the default width has about
    33,000 parameters (vanilla RNN 8,000, GRU and BiLSTM 25,000), so that a difference is the core's. With an LSTM it is
    DanQ (Quang and Xie 2016) made small. Dilated blocks are those of Basenji (D. R. Kelley et al., "Sequential
    regulatory activity prediction across chromosomes with convolutional neural networks", Genome Research 28, 2018),
    added to their input as its successors have them; encoder layers those of A. Vaswani et al., "Attention is all you
    need" (2017), normalised first (R. Xiong et al., 2020: no warm-up needed).
    """

    def __init__(self, config: SwapConfig) -> None:
        super().__init__(config)
        self.positions = config.positions
        # Shapes with the default options in the comments.
        if config.stem == "conv":
            self.stem = nn.Sequential(
                # (N, 64, L), (N, 64, L), (N, 64, L / 4)
                *first_convolution(config, config.width, config.kernel_size, same=True, pool=config.pool),
                nn.Dropout(config.dropout),
            )
        else:
            base_vectors = (Conv1d if self.native else nn.Conv1d)(4, config.width, 1)  # (N, 64, L)
            # Of unit variance, as cores expect their input: of four one-hot channels one is on.
            nn.init.uniform_(base_vectors.weight, -math.sqrt(3), math.sqrt(3))
            self.stem = nn.Sequential(base_vectors, nn.Dropout(config.dropout))
        self.flatten = config.head == "flatten"
        self.pooling: nn.Module = nn.Identity()
        if config.head == "global":
            self.pooling = MaxPooling()
        elif config.head == "attention":
            self.pooling = AttentionPooling(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(config.head_inputs, config.hidden)
        self.head = nn.Linear(config.hidden, config.n_tasks)
        # Last: what stands around the core has drawn its weights.
        self.core: nn.Module = nn.Identity()
        if config.core == "dilated":
            self.core = DilatedCore(config)
        elif config.core == "attention":
            self.core = AttentionCore(config)
        elif config.core != "none":
            self.core = RecurrentCore(config)

    def forward(self, x: Tensor) -> Tensor:
        """One-hot (N, 4, L) or base codes uint8 (N, L), native: codes only -> logits (N, T)."""
        stem_NCL = self.stem(first_input(x, self.native, self.minimum_length, self.head.weight.dtype))
        feature_NLC = self.core(stem_NCL.transpose(1, 2))  # (N, L / 4, 64)
        if self.flatten:
            pooled = flatten_positions(feature_NLC.transpose(1, 2), self.positions)
        else:
            pooled = self.pooling(feature_NLC)  # (N, 64)
        return self.head(torch.relu(self.hidden(self.dropout(pooled))))
