"""Simulated bacterial promoters of 81 base pairs, and sequences that only look like them.

**Background.** First-order Markov chains with the dinucleotide frequencies of E. coli promoters, for both classes.

**Promoters**, one strand, anywhere in the sequence:

- ``sigma 54``: a single element, TGGCACG, four bases of any kind, TTGCA;
- ``sigma 70``: the -35 box TTGACA and, 16 to 18 bases behind it, the -10 box TATAAT.

**Others** hold the same letters in a wrong arrangement:

- ``empty``: background alone;
- ``scrambled``: the letters of a sigma 54 element in random order;
- ``spacing``: -35 and -10 box with 8 to 12 or 22 to 26 bases between them;
- ``swapped``: -10 box first, -35 box behind it, 16 to 18 bases between them;
- ``twice``: the -35 box twice, or the -10 box twice, at the same distance.

Composition and short words see little of it; both boxes and their spacer measure 28 to 30 bases, beyond a filter of 24.

**Strength.** Boxes and element are drawn from their base frequencies raised to powers (`Motif.strong`; `BOX_AFFINITY`,
`SIGMA_54_AFFINITY`): average promoters of E. coli keep only about eight of the twelve bases of both boxes, and a
demonstration is to end within minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dnafast.synthetic.background import BACTERIAL_PROMOTERS, LETTERS, markov_chains
from dnafast.synthetic.motifs import BOX_10, BOX_35, SIGMA_54
from dnafast.synthetic.planting import Planter, Sites, kinds_by_share, seeded

PROMOTER_LENGTH = 81
PROMOTERS = 4000
"""Sequences of the demonstration, half of them promoters."""
QUICK_PROMOTERS = 600
"""The same for a smoke test."""

PROMOTER_SHARES = MappingProxyType({"sigma 54": 0.4, "sigma 70": 0.6})
NEGATIVE_SHARES = MappingProxyType({"empty": 0.3, "scrambled": 0.15, "spacing": 0.2, "swapped": 0.2, "twice": 0.15})
SPACERS = MappingProxyType({16: 0.25, 17: 0.5, 18: 0.25})
WRONG_SPACERS = (8, 9, 10, 11, 12, 22, 23, 24, 25, 26)
BOX_AFFINITY, SIGMA_54_AFFINITY = 5.0, 1.5


@dataclass(frozen=True, eq=False)
class SimulatedSequences:
    """Sequences of one length, read on the strand that is given.

    Attributes:
        letters: (N, L) uint8, upper-case A, C, G, T.
        labels: (N,) int8, 1 for a promoter.
        kinds: (N,) str objects, what was planted.
        sites: where; ``row`` counts sequences.
    """

    letters: NDArray[np.uint8]
    labels: NDArray[np.int8]
    kinds: NDArray[np.object_]
    sites: Sites

    def __len__(self) -> int:
        return len(self.labels)

    def named(self, label: int) -> dict[str, NDArray[np.uint8]]:
        """The letters of one class by name (row and kind), as `fasta_text` takes them."""
        rows = np.flatnonzero(self.labels == label)
        return {f"sequence_{row}_{str(self.kinds[row]).replace(' ', '_')}": self.letters[row] for row in rows}


def simulate_promoters(seed: int = 0, *, n: int = PROMOTERS, length: int = PROMOTER_LENGTH) -> SimulatedSequences:
    """Simulate promoters and sequences that look like them, half and half; a pure function of its arguments.

    Args:
        seed: 0 or more.
        n: sequences.
        length: base pairs of each.

    Raises:
        ValueError: a number is too small, or the sequence too short for two boxes and their spacer.
    """
    if n < 2:
        raise ValueError(f"n={n} must be at least 2, one promoter and one other sequence")
    shortest = BOX_35.width + max(WRONG_SPACERS) + BOX_10.width
    if length < shortest:
        raise ValueError(f"length={length} must be at least {shortest}, the room that two boxes and their spacer need")
    generator = seeded(seed, "promoters")
    labels = generator.permutation(np.arange(n) % 2).astype(np.int8)
    kinds = np.empty(n, object)
    for label, shares in ((1, PROMOTER_SHARES), (0, NEGATIVE_SHARES)):
        of_class = labels == label
        kinds[of_class] = kinds_by_share(shares, int(of_class.sum()), generator)
    tables = np.broadcast_to(BACTERIAL_PROMOTERS, (n, 4, 4))
    planter = Planter(markov_chains(tables, length, generator), generator)
    _lay_out(planter, kinds)
    return SimulatedSequences(LETTERS[planter.codes], labels, kinds, planter.sites())


def _lay_out(planter: Planter, kinds: NDArray[np.object_]) -> None:
    """Plant in each row what its kind says."""
    sigma_54 = SIGMA_54.strong(SIGMA_54_AFFINITY)
    box_35, box_10 = BOX_35.strong(BOX_AFFINITY), BOX_10.strong(BOX_AFFINITY)
    rows = {kind: np.flatnonzero(kinds == kind) for kind in (*PROMOTER_SHARES, *NEGATIVE_SHARES)}
    spacers = planter.generator.choice(list(SPACERS), len(kinds), p=list(SPACERS.values()))
    wrong = planter.generator.choice(WRONG_SPACERS, len(kinds))
    planter.anywhere(sigma_54, rows["sigma 54"])
    planter.scrambled(sigma_54, rows["scrambled"])
    planter.pair(box_35, box_10, rows["sigma 70"], spacers)
    planter.pair(box_35, box_10, rows["spacing"], wrong)
    planter.pair(box_10, box_35, rows["swapped"], spacers)
    planter.pair(box_35, box_35, rows["twice"][::2], spacers)
    planter.pair(box_10, box_10, rows["twice"][1::2], spacers)
