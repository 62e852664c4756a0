"""Binding sites of real factors as matrices of base frequencies, and how a site is drawn from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dnafast.synthetic.background import LETTERS


@dataclass(frozen=True, eq=False)
class Motif:
    """What a factor likes to bind: one row per position, its frequencies of A, C, G and T."""

    name: str
    source: str
    frequencies: NDArray[np.float64]  # (width, 4), rows sum to 1

    @property
    def width(self) -> int:
        """Length of a site in base pairs."""
        return int(self.frequencies.shape[0])

    @property
    def consensus(self) -> str:
        """The most frequent base of each position."""
        return bytes(LETTERS[self.frequencies.argmax(1)]).decode()

    @property
    def information(self) -> float:
        """Information against equal base frequencies, in bits."""
        present = np.where(self.frequencies > 0, self.frequencies, 1.0)
        return float((present * np.log2(present)).sum() + 2 * self.width)

    def draw(self, n: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Draw ``n`` sites, every base with its frequency: codes 0-3, shape (n, width), forward strand."""
        borders = np.cumsum(self.frequencies, axis=1)[:, :3]
        draws = generator.random((n, self.width))
        codes: NDArray[np.uint8] = (draws[:, :, None] >= borders).sum(2).astype(np.uint8)
        return codes

    def scores(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Log2 odds of sites against equal base frequencies.

        Args:
            codes: (n, width) codes 0-3, read on the strand of the motif.

        Returns:
            (n,) bits; 0.001 is added to each frequency so that no base is impossible.
        """
        odds = np.log2((self.frequencies + 0.001) / (1.004 * 0.25))
        bits: NDArray[np.float64] = odds[np.arange(self.width), codes].sum(1)
        return bits

    def strong(self, affinity: float) -> Motif:
        """The strong ones among the sites: frequencies raised to the power of ``affinity`` and rescaled.

        1 changes nothing; the larger the number, the nearer the sites are to the consensus.
        """
        weights = self.frequencies**affinity
        return Motif(self.name, self.source, weights / weights.sum(1, keepdims=True))


def _motif(name: str, source: str, percent: str) -> Motif:
    """A motif from percentages: one line for each of A, C, G and T, one number for each position."""
    counts = np.array([[float(number) for number in line.split()] for line in percent.strip().splitlines()]).T
    return Motif(name, source, counts / counts.sum(1, keepdims=True))


# Percentages as in the named JASPAR 2024 matrix.
_FACTORS = (
    _motif(
        "CTCF",
        "JASPAR MA0139.2",
        """
        31  6  1 81  4 12 93  1 37  6  1  6 11 41  9
         5 88 99  1 58 47  1  0  0  1  0  1 81  1 53
        49  2  0  7 37  5  4 99 62 55 98 85  1 56 34
        15  4  0 10  1 36  2  0  1 37  1  8  7  2  4
        """,
    ),
    _motif(
        "REST",
        "JASPAR MA0138.3",
        """
         4  5 91  2  8 98  0  2 57 14  2  1 88  1 98  3 13 23 13 11
        17 86  2  3 61  0 99 92 13 23  0  0  7 80  0  1 63  2 59 70
         9  3  6 95 20  1  1  1 10  8 97 98  2 15  1 96 11 43 20  2
        70  7  2  1 11  1  0  4 20 55  0  1  3  5  1  1 12 32  8 16
        """,
    ),
    _motif(
        "NRF1",
        "JASPAR MA0506.3",
        """
        10  6  3  3  2  1 34  1  1  1  2  3
        57 14  3 93  2 93 43  5  2 95  5 66
        26  7 93  3 94  4 20  4 97  2 88  8
         7 73  1  2  2  2  3 91  1  2  6 22
        """,
    ),
    _motif(
        "SPI1",
        "JASPAR MA0080.7",
        """
        63 78 77  8 86  4  2 97 95  7 16  9 22
         7  5  2 12  2  1  1  1  1  7  4  6 11
        22 10 10 76  9 94 96  1  2 85  5 79 55
         9  6 11  4  3  1  1  1  3  1 75  5 12
        """,
    ),
    _motif(
        "FOS::JUN",
        "JASPAR MA0099.4",
        """
        59  0  1 82  8  1  3 99  2
        11  1  0 13 18  0 96  0 31
        26  0 82  0 69  0  0  0 10
         4 99 17  4  5 99  0  0 57
        """,
    ),
    _motif(
        "TEAD4",
        "JASPAR MA0809.3",
        """
        78 10 96  1  3  2  2 79
         3 85  1  1  2 93 96  5
        14  4  2  1  3  2  0  2
         4  1  1 96 92  3  2 14
        """,
    ),
    _motif(
        "CEBPB",
        "JASPAR MA0466.4",
        """
        72  0  0 15  0  1  2 99 100  0
         6  0  0  0 99  0 83  1   0 23
        22  0  1 83  0 99  0  0   0  6
         0 99 99  2  1  0 15  0   0 71
        """,
    ),
    _motif(
        "GATA1",
        "JASPAR MA0035.5",
        """
         6  2 69 94  3  4 10
        87  1  1  2  1 92  4
         4  1  1  1  1  2  1
         4 96 29  3 94  3 84
        """,
    ),
    _motif(
        "SP1",
        "JASPAR MA0079.5",
        """
         0   0   0   0 27   0  0 25 16
         0   0   0   0 73   0  9  5  0
        95 100 100 100  0 100 91 66 84
         5   0   0   0  0   0  0  3  0
        """,
    ),
)

FACTORS: Mapping[str, Motif] = MappingProxyType({motif.name: motif for motif in _FACTORS})


def _consensus(name: str, source: str, shares: str) -> Motif:
    """A motif from bases and the percentage of each, "T69 T79 …"; the other three bases share the rest evenly."""
    named = shares.split()
    rows = np.empty((len(named), 4))
    for position, word in enumerate(named):
        share = int(word[1:]) / 100
        rows[position] = (1 - share) / 3
        rows[position, "ACGT".index(word[0])] = share
    return Motif(name, source, rows)


BOX_35 = _consensus("-35 box", "Lisser and Margalit 1993", "T69 T79 G61 A56 C54 A54")
BOX_10 = _consensus("-10 box", "Lisser and Margalit 1993", "T77 A76 T60 A61 A56 T82")
# TGGCACG, four bases of any kind, TTGCA; GG and GC hardly vary. Shares rounded.
SIGMA_54 = _consensus(
    "sigma 54", "after Barrios et al. 1999", "T85 G97 G97 C85 A80 C85 G75 A25 A25 A25 A25 T75 T80 G97 C97 A75"
)

__all__ = ["BOX_10", "BOX_35", "FACTORS", "SIGMA_54", "Motif"]
