"""Convolutions over the embeddings of overlapping k-mers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dnafast.models.kmer_embedding import KmerConfig, kmer_embedding
from dnafast.models.layers import Network, SamePadConv1d, convolution_flops, kmer_input, linear_flops


@dataclass(frozen=True, kw_only=True)
class KmerCNNConfig(KmerConfig):
    """Options of the k-mer CNN.

    Attributes:
        k, embedding_dim, embedding: see `KmerConfig`.
        filters: channels of every convolution.
        kernel_size: words that a convolution sees.
        blocks: convolutions, each with batch norm and ReLU.
        pool: max pooling between blocks.
        hidden: width of the fully connected layer.
        dropout: before the fully connected layer.
    """

    widths: ClassVar[Mapping[str, int]] = {"embedding_dim": 1, "filters": 1, "hidden": 1}

    filters: int = 64
    kernel_size: int = 7
    blocks: int = 2
    pool: int = 4
    hidden: int = 64
    dropout: float = 0.3

    @property
    def minimum_length(self) -> int:
        """The sequence whose words leave one position after all pooling."""
        return self.pool ** (self.blocks - 1) + self.k - 1

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        positions = self.padded_length - self.k + 1
        inputs, total = self.embedding_dim, 0
        for _ in range(self.blocks):
            total += convolution_flops(inputs, self.filters, self.kernel_size, positions)
            inputs, positions = self.filters, positions // self.pool
        return total + linear_flops(self.filters, self.hidden, self.n_tasks)


class KmerCNN(Network):
    """K-mer ids -> embedding -> convolution blocks -> global max -> fully connected -> head.

    Words that hold an N share one row of the table, which is zero and stays so, like an N in one-hot.
    """

    def __init__(self, config: KmerCNNConfig) -> None:
        super().__init__(config)
        self.k = config.k
        self.embedding = kmer_embedding(config)
        blocks: list[nn.Module] = []
        inputs = config.embedding_dim
        for block in range(config.blocks):
            if block > 0:
                blocks.append(nn.MaxPool1d(config.pool))
            blocks += [
                SamePadConv1d(inputs, config.filters, config.kernel_size),
                nn.BatchNorm1d(config.filters),
                nn.ReLU(),
            ]
            inputs = config.filters
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(config.filters, config.hidden)
        self.head = nn.Linear(config.hidden, config.n_tasks)

    def forward(self, x: Tensor) -> Tensor:
        """K-mer ids (N, L - k + 1) or base codes uint8 (N, L) -> logits (N, T)."""
        word_NLC = self.embedding(kmer_input(x, self.k, self.minimum_length))  # (N, L - 5, 32)
        feature_NC = self.blocks(word_NLC.transpose(1, 2)).amax(dim=2)  # (N, 64)
        return self.head(torch.relu(self.hidden(self.dropout(feature_NC))))  # (N, 64) -> (N, T)
