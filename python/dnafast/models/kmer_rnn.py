"""Recurrent layers over the embeddings of k-mers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from dnafast.encoding import BaseCodes, Encoding, Kmers
from dnafast.models.config import Pooling
from dnafast.models.kmer_embedding import KmerConfig, kmer_embedding
from dnafast.models.layers import (
    Network,
    keras_start,
    kmer_input,
    linear_flops,
    pooling_flops,
    position_pooling,
    recurrent_flops,
)
from dnafast.models.recurrent import CELLS, GATES


@dataclass(frozen=True, kw_only=True)
class KmerRNNConfig(KmerConfig):
    """Options of the recurrent networks over k-mers.

    Attributes:
        k, embedding_dim, embedding: see `KmerConfig`.
        stride: bases from one word to the next: 81 bases are 76 words of six at stride 1, and 13 side by side at
            stride 6, so that a state has fewer steps to last. A rest at the end that holds no word is not read.
        cell: of the recurrent layers.
        bidirectional: both directions, or left to right.
        hidden: features of the state, per direction.
        layers: recurrent layers on top of each other.
        pooling: how the states of all words become one vector, see `dnafast.models.recurrent.RecurrentConfig`.
        dropout: before the head, and between layers where there are several.
    """

    implementations: ClassVar[tuple[str, ...]] = ("torch", "native")

    widths: ClassVar[Mapping[str, int]] = {"embedding_dim": 1, "hidden": 1}

    stride: int = 1
    cell: Literal["rnn", "gru", "lstm"] = "gru"
    bidirectional: bool = True
    hidden: int = 64
    layers: int = 1
    pooling: Pooling = "attention"
    dropout: float = 0.0

    @property
    def encoding(self) -> Encoding:
        """K-mer ids int64 (N, (L - k) // stride + 1); base codes, which the network pads, where there is no word."""
        return Kmers(self.k, self.stride) if self.length >= self.k else BaseCodes()

    @property
    def minimum_length(self) -> int:
        """A word."""
        return self.k

    @property
    def positions(self) -> int:
        """Words that the recurrent layers read."""
        return (self.padded_length - self.k) // self.stride + 1

    @property
    def directions(self) -> int:
        """Of reading: 1 or 2."""
        return 2 if self.bidirectional else 1

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        features = self.directions * self.hidden
        return (
            recurrent_flops(
                GATES[self.cell], self.embedding_dim, self.hidden, self.layers, self.directions, self.positions
            )
            + pooling_flops(self.pooling, features, self.positions)
            + linear_flops(features, self.n_tasks)
        )


class KmerRNN(Network):
    """K-mer ids -> embedding -> recurrent layers -> pooling over words -> linear head.

    Words that hold an N share one row of the table, which is zero and stays so, like an N in one-hot.
    """

    def __init__(self, config: KmerRNNConfig) -> None:
        super().__init__(config)
        self.k, self.stride = config.k, config.stride
        features = config.directions * config.hidden
        self.embedding = kmer_embedding(config)
        self.recurrent = CELLS[config.implementation][config.cell](
            input_size=config.embedding_dim,
            hidden_size=config.hidden,
            num_layers=config.layers,
            batch_first=True,
            bidirectional=config.bidirectional,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        keras_start(self.recurrent, reads_bases=False)
        self.pooling = position_pooling(config.pooling, config.hidden, features)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(features, config.n_tasks)

    def forward(self, x: Tensor) -> Tensor:
        """K-mer ids (N, (L - k) // stride + 1) or base codes uint8 (N, L) -> logits (N, T)."""
        word_NLC = self.embedding(kmer_input(x, self.k, self.minimum_length, self.stride))
        state_NLH, _ = self.recurrent(word_NLC)
        return self.head(self.dropout(self.pooling(state_NLH)))
