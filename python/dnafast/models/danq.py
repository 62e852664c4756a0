"""DanQ: one convolution, a bidirectional LSTM over its matches, a large fully connected layer."""

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
    keras_start,
    linear_flops,
    recurrent_flops,
    stage_minimum,
    stage_positions,
)
from dnafast.nn import LSTM

KERNEL = 26
POOL = 13
STAGES = ((KERNEL, POOL),)
KERNEL_BOUND = 0.05  # of the convolution's start


@dataclass(frozen=True, kw_only=True)
class DanQConfig(ModelConfig):
    """Options of DanQ; the defaults are the published ones.

    Attributes:
        filters: channels of the convolution.
        hidden: features of the LSTM, per direction.
        fc_hidden: width of the fully connected layer.
        dropout: after the pooling and after the LSTM.
    """

    implementations: ClassVar[tuple[str, ...]] = ("torch", "native")

    widths: ClassVar[Mapping[str, int]] = {"filters": 1, "hidden": 1, "fc_hidden": 1}

    filters: int = 320
    hidden: int = 320
    fc_hidden: int = 925
    dropout: tuple[float, float] = (0.2, 0.5)

    @property
    def minimum_length(self) -> int:
        """The sequence that leaves one position after the pooling."""
        return stage_minimum(STAGES)

    @property
    def positions(self) -> int:
        """Positions after the pooling."""
        return stage_positions(self.padded_length, STAGES)[-1][1]

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        return (
            convolution_flops(4, self.filters, KERNEL, self.padded_length - KERNEL + 1)
            + recurrent_flops(4, self.filters, self.hidden, 1, 2, self.positions)
            + linear_flops(2 * self.hidden * self.positions, self.fc_hidden, self.n_tasks)
        )


class DanQ(Network):
    """Convolution -> bidirectional LSTM -> fully connected over all its steps -> head.

    After D. Quang, X. Xie, "DanQ: a hybrid convolutional and recurrent deep neural network for quantifying the
    function of DNA sequences", Nucleic Acids Research 44 (2016): 1,000 bases, 919 tasks. The LSTM runs along the
    sequence and all of its steps are flattened. It starts as the published script does by the defaults of its Keras:
    kernels uniform within 0.05, fully connected layers and LSTM Glorot uniform, the recurrence orthogonal, biases 0 and
    1 at the forget gates. Torch's LSTM has two biases per gate, hence 2,560 more parameters.
    """

    def __init__(self, config: DanQConfig) -> None:
        super().__init__(config)
        self.positions = config.positions
        # Shapes at 1,000 bases in the comments.
        convolution, *after = first_convolution(config, config.filters, KERNEL, pool=POOL)
        self.features = nn.Sequential(
            convolution,  # (N, 320, 975)
            *after,  # (N, 320, 75)
            nn.Dropout(config.dropout[0]),
        )
        lstm = LSTM if self.native else nn.LSTM
        self.recurrent = lstm(config.filters, config.hidden, batch_first=True, bidirectional=True)  # (N, 75, 640)
        keras_start(self.recurrent)
        self.dropout = nn.Dropout(config.dropout[1])
        self.hidden = nn.Linear(2 * config.hidden * config.positions, config.fc_hidden)  # 48,000 -> 925
        self.head = nn.Linear(config.fc_hidden, config.n_tasks)
        assert isinstance(convolution, nn.Conv1d)
        nn.init.uniform_(convolution.weight, -KERNEL_BOUND, KERNEL_BOUND)
        for dense in (self.hidden, self.head):
            nn.init.xavier_uniform_(dense.weight)
        for layer in (convolution, self.hidden, self.head):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """One-hot (N, 4, L) or base codes uint8 (N, L), native: codes only -> logits (N, T)."""
        match_NCL = self.features(first_input(x, self.native, self.minimum_length, self.head.weight.dtype))
        state_NLH, _ = self.recurrent(match_NCL.transpose(1, 2))
        flat = flatten_positions(self.dropout(state_NLH).transpose(1, 2), self.positions)
        return self.head(torch.relu(self.hidden(flat)))
