"""Simulated bacterial promoters of 81 base pairs, and sequences that only look like them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dnafast.synthetic.background import BACTERIAL_PROMOTERS, LETTERS, markov_chains
from dnafast.synthetic.motifs import BOX_10, BOX_35
from dnafast.synthetic.planting import Planter, Sites, shares_to_kinds

PROMOTER_LENGTH = 81
PROMOTERS = 6000
QUICK_PROMOTERS = 600

NEGATIVE_SHARES = {"empty": 0.4, "spacing": 0.2, "swapped": 0.2, "twice": 0.2}
SPACINGS = (16, 17, 18)
SPACING_SHARES = (0.25, 0.5, 0.25)
WRONG_SPACINGS = (*range(8, 13), *range(22, 27))
BOX_AFFINITY = 2.5


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


def simulate_promoters(seed: int = 0, *, n: int = PROMOTERS, length: int = PROMOTER_LENGTH) -> SimulatedSequences:
    """Simulate promoters (half of the sequences) and decoys."""
    if n < 2:
        raise ValueError(f"n={n} must be at least 2, one promoter and one other sequence")
    shortest = BOX_35.width + WRONG_SPACINGS[-1] + BOX_10.width
    if length < shortest:
        raise ValueError(f"length={length} must be at least {shortest}, the room that two boxes and their spacer need")
    generator = np.random.default_rng(np.random.SeedSequence([seed, 0x70726F]))
    labels = generator.permutation(np.arange(n) % 2).astype(np.int8)
    kinds = np.full(n, "promoter", dtype=object)
    kinds[labels == 0] = shares_to_kinds(NEGATIVE_SHARES, int((labels == 0).sum()), generator)
    tables = np.broadcast_to(BACTERIAL_PROMOTERS, (n, 4, 4))
    planter = Planter(markov_chains(tables, length, generator), generator, BOX_AFFINITY)

    def spacers(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return generator.choice(np.array(SPACINGS), len(rows), p=SPACING_SHARES)

    rows = np.flatnonzero(kinds == "promoter")
    planter.pair(BOX_35, BOX_10, rows, spacers(rows))
    rows = np.flatnonzero(kinds == "spacing")
    planter.pair(BOX_35, BOX_10, rows, generator.choice(np.array(WRONG_SPACINGS), len(rows)))
    rows = np.flatnonzero(kinds == "swapped")
    planter.pair(BOX_10, BOX_35, rows, spacers(rows))
    rows = np.flatnonzero(kinds == "twice")
    for box, half in ((BOX_35, rows[::2]), (BOX_10, rows[1::2])):
        planter.pair(box, box, half, spacers(half))
    return SimulatedSequences(LETTERS[planter.codes], labels, kinds, planter.sites())
