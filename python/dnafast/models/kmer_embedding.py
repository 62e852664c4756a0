"""The first layer of networks that read words: a vector for each k-mer, random or learnt beforehand."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dnafast.encoding import BaseCodes, Encoding, Kmers
from dnafast.models.config import ModelConfig
from dnafast.vectors import LONGEST_WORD, KmerVectors

RANDOM = "random"

# Standard deviation of the random start. Torch's 1 is so far above what a step changes that words keep their random
# vectors and the network learns sequences by heart: on E. coli promoters test AUROC .77, from .05 it was .86.
EMBEDDING_SPREAD = 0.05

# That of vectors learnt beforehand, about what skip-gram gives them. They are no noise that has to be forgotten: what
# harms a random start (GRU, E. coli promoters, validation AUROC .852, .826 and .791 from .05, .3 and 1) does them no
# harm (.852, .851, .850). Validation log loss after 2,000 training sequences, mean of three seeds, learning rate 1e-3,
# from .05, from .3 (CNN: .4) and from 1: on E. coli promoters CNN .511, .494, .494 and GRU .485, .483, .482; on
# transcription factor sites (GUE tf/0) CNN .518, .510, .509 and GRU .526, .508, .501.
LEARNT_SPREAD = 0.3


@dataclass(frozen=True, kw_only=True)
class KmerConfig(ModelConfig):
    """What the options of networks over k-mers have in common.

    Attributes:
        k: bases per word, at most 8.
        embedding_dim: numbers per word.
        embedding: "random", or the path of vectors for all words of k bases in word2vec's text format, such as
            `dnafast.pretrain` makes. They are brought to a mean of zero and one spread, and training goes on from
            them. Of 2,000 training sequences (three seeds, validation AUROC, random against learnt from the genome)
            the CNN gained: .817 to .847 on E. coli promoters, .797 to .834 on transcription factor sites. Vectors from
            the training sequences alone did nearly as well (.849, .831), the same vectors dealt to the wrong words did
            not (.811). The GRU gained nothing on the first (.852, .851) and little on the second (.823, .831).
    """

    k: int = 6
    embedding_dim: int = 32
    embedding: str = RANDOM

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k > LONGEST_WORD:
            raise ValueError(f"k={self.k} must be at most {LONGEST_WORD}")
        if self.embedding == RANDOM:
            return
        vectors = load_vectors(self.embedding)
        if vectors.k != self.k:
            raise ValueError(f"k={self.k}, but embedding={self.embedding!r} has words of {vectors.k} bases")
        if vectors.dimensions != self.embedding_dim:
            raise ValueError(
                f"embedding_dim={self.embedding_dim}, but embedding={self.embedding!r} has {vectors.dimensions} "
                "numbers per word"
            )

    @property
    def starts_at_random(self) -> bool:
        """Whether no vectors were learnt beforehand."""
        return self.embedding == RANDOM

    @property
    def encoding(self) -> Encoding:
        """K-mer ids int64 (N, L - k + 1); base codes, which the network pads, where a sequence holds no word."""
        return Kmers(self.k) if self.length >= self.k else BaseCodes()

    def scaled(self, factor: float) -> Self:
        """The same network with all its widths times a factor; vectors learnt beforehand keep their numbers per word.

        Raises:
            ValueError: the factor is not above 0 and finite.
        """
        if self.embedding == RANDOM:
            return super().scaled(factor)
        scaled = dataclasses.replace(self, embedding=RANDOM).scaled(factor)
        return dataclasses.replace(scaled, embedding=self.embedding, embedding_dim=self.embedding_dim)


def kmer_embedding(config: KmerConfig) -> nn.Embedding:
    """The table of words: ids (N, M) -> vectors (N, M, D). The last row, of words with an N, is zero and stays so."""
    unknown_word = 4**config.k
    embedding = nn.Embedding(unknown_word + 1, config.embedding_dim, padding_idx=unknown_word)
    with torch.no_grad():
        embedding.weight.mul_(EMBEDDING_SPREAD)
        if config.embedding != RANDOM:
            vectors = _brought_to_spread(load_vectors(config.embedding).vectors)
            embedding.weight[:unknown_word] = torch.from_numpy(vectors)
    return embedding


def load_vectors(path: str) -> KmerVectors:
    """The vectors of a file, read once as long as it does not change.

    Raises:
        ValueError: there is no such file, or its content is not sound.
    """
    try:
        state = Path(path).stat()
        return _loaded(path, state.st_mtime_ns, state.st_size)
    except FileNotFoundError:
        raise ValueError(
            f"embedding={path!r} must be {RANDOM} or a file of vectors, and there is no such file"
        ) from None


@functools.lru_cache(maxsize=4)
def _loaded(path: str, modified: int, size: int) -> KmerVectors:
    return KmerVectors.load(path)


def _brought_to_spread(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (4**k, D) with a mean of zero and `LEARNT_SPREAD`; those of words that were never seen stay zero."""
    seen = (vectors != 0).any(axis=1)
    centred = np.where(seen[:, None], vectors - vectors[seen].mean(axis=0, dtype=np.float64), 0.0)
    spread = centred[seen].std()
    return (centred * (LEARNT_SPREAD / spread if spread > 0 else 0.0)).astype(np.float32)
