"""Plain recurrent networks over one-hot sequence: RNN, LSTM, GRU, in one or both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from dnafast.models.config import ModelConfig, Pooling
from dnafast.models.layers import (
    Network,
    first_input,
    keras_start,
    linear_flops,
    pooling_flops,
    position_pooling,
    recurrent_flops,
)
from dnafast.nn import GRU, LSTM, RNN

CELLS: dict[str, dict[str, Any]] = {
    "torch": {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU},
    "native": {"rnn": RNN, "lstm": LSTM, "gru": GRU},
}
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig(ModelConfig):
    """Options of the recurrent networks.

    Attributes:
        hidden: features of the state, per direction.
        layers: recurrent layers on top of each other.
        pooling: how the states of all positions become one vector. Attention is the default: it starts close to the
            mean over positions, so that every position gets a gradient from the first step, and learns where to look.
            On E. coli promoters of 81 bases (one seed, torch's start) it and the mean gave LSTM, GRU and BiLSTM a
            test AUROC of .835 to .845, "max" and "last" (of a backward pass: position 0) .825 to .839.
        dropout: before the head, and between layers where there are several.
    """

    cell: ClassVar[str]
    directions: ClassVar[int] = 1

    implementations: ClassVar[tuple[str, ...]] = ("torch", "native")

    widths: ClassVar[Mapping[str, int]] = {"hidden": 1}

    hidden: int = 64
    layers: int = 1
    pooling: Pooling = "attention"
    dropout: float = 0.0

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        features = self.directions * self.hidden
        return (
            recurrent_flops(GATES[self.cell], 4, self.hidden, self.layers, self.directions, self.length)
            + pooling_flops(self.pooling, features, self.length)
            + linear_flops(features, self.n_tasks)
        )


class RNNConfig(RecurrentConfig):
    """Vanilla RNN (tanh), left to right."""

    cell = "rnn"


class LSTMConfig(RecurrentConfig):
    """LSTM, left to right."""

    cell = "lstm"


class GRUConfig(RecurrentConfig):
    """GRU, left to right."""

    cell = "gru"


class BiRNNConfig(RNNConfig):
    """Vanilla RNN (tanh) in both directions."""

    directions = 2


class BiLSTMConfig(LSTMConfig):
    """LSTM in both directions."""

    directions = 2


class BiGRUConfig(GRUConfig):
    """GRU in both directions."""

    directions = 2


class Recurrent(Network):
    """One-hot sequence -> recurrent layers -> pooling over positions -> linear head.

    Cells: J. L. Elman, "Finding structure in time" (1990); S. Hochreiter, J. Schmidhuber, "Long short-term memory"
    (1997), with the forget gate of F. A. Gers et al. (2000); K. Cho et al., "Learning phrase representations using RNN
    encoder-decoder" (2014). Both directions: M. Schuster, K. K. Paliwal, "Bidirectional recurrent neural networks"
    (1997).
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        features = config.directions * config.hidden
        self.recurrent = CELLS[config.implementation][config.cell](
            input_size=4,
            hidden_size=config.hidden,
            num_layers=config.layers,
            batch_first=True,
            bidirectional=config.directions == 2,
            # Between layers: a single one has no between, and torch warns.
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        keras_start(self.recurrent)
        self.pooling = position_pooling(config.pooling, config.hidden, features)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(features, config.n_tasks)

    def forward(self, x: Tensor) -> Tensor:
        """One-hot (N, 4, L) or base codes uint8 (N, L), native: codes only -> logits (N, T)."""
        bases = first_input(x, self.native, self.minimum_length, self.head.weight.dtype)
        state_NLH, _ = self.recurrent(bases if self.native else bases.transpose(1, 2))
        return self.head(self.dropout(self.pooling(state_NLH)))
