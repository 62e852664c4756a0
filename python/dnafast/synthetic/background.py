"""Sequence without meaning: first-order Markov chains with the dinucleotide frequencies of real genomes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)

# Dinucleotides per thousand, rows first base, columns second, both strands together. The two human tables were counted
# in blocks of 100 kb of chromosome 1 (hg38): blocks below 38 % and above 50 % G+C. CG is depleted in both.
HUMAN_GC_POOR = np.array([
    [110.1, 49.8, 66.9, 88.8],
    [69.9, 41.7, 5.9, 66.9],
    [58.3, 34.6, 41.7, 49.8],
    [77.3, 58.3, 69.9, 110.1],
])  # fmt: skip
HUMAN_GC_RICH = np.array([
    [50.9, 51.0, 76.9, 38.0],
    [79.8, 97.1, 29.6, 76.9],
    [59.7, 75.4, 97.1, 51.0],
    [26.4, 59.7, 79.8, 50.9],
])  # fmt: skip
# One strand, as transcribed: promoters of E. coli K-12, 60 bases before to 20 behind the start of transcription.
BACTERIAL_PROMOTERS = np.array([
    [100.0, 53.7, 46.1, 89.3],
    [63.2, 42.8, 47.8, 53.6],
    [55.7, 56.5, 41.7, 51.3],
    [70.5, 54.3, 69.7, 103.8],
])  # fmt: skip


def complement(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reverse complement of codes 0-3 along the last axis."""
    return 3 - codes[..., ::-1]


def markov_chains(dinucleotides: NDArray[np.float64], length: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Independent chains, each with its own table.

    Args:
        dinucleotides: (n, 4, 4) frequencies, any scale.
        length: letters in each chain.
        generator: source of randomness.

    Returns:
        Codes 0-3, shape (n, length); the first letter is drawn from the table's base frequencies.
    """
    n = len(dinucleotides)
    first = dinucleotides.sum(2)
    start = np.cumsum(first / first.sum(1, keepdims=True), axis=1)[:, :3].astype(np.float32)
    borders = np.cumsum(dinucleotides / dinucleotides.sum(2, keepdims=True), axis=2)[:, :, :3].astype(np.float32)
    codes = np.empty((length, n), np.uint8)  # position first: every step writes one contiguous row
    draws = generator.random((length, n), dtype=np.float32)
    codes[0] = (draws[0][:, None] >= start).sum(1)
    chain = np.arange(n)
    for position in range(1, length):
        codes[position] = (draws[position][:, None] >= borders[chain, codes[position - 1]]).sum(1)
    return np.ascontiguousarray(codes.T)


def isochores(n_blocks: int, generator: np.random.Generator, persistence: float = 0.97) -> NDArray[np.float64]:
    """How GC-rich each block of a contig is, drifting slowly along it as the isochores of mammals do.

    Returns:
        (n_blocks,) weights between 0 (the GC-poor table) and 1 (the GC-rich one), mean about 1/3.
    """
    level = np.empty(n_blocks)
    noise = generator.standard_normal(n_blocks)
    value = noise[0]
    for block in range(n_blocks):
        value = persistence * value + (1 - persistence**2) ** 0.5 * noise[block]
        level[block] = value
    weights: NDArray[np.float64] = 1 / (1 + np.exp(0.9 - 1.1 * level))
    return weights


def human_tables(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dinucleotide tables (n, 4, 4) between the GC-poor and the GC-rich human one, by weights (n,) from 0 to 1."""
    share = weights[:, None, None]
    tables: NDArray[np.float64] = (1 - share) * HUMAN_GC_POOR + share * HUMAN_GC_RICH
    return tables
