"""Sequences of two motifs whose class lies in how the sites stand to one another, never in which of them are there.

``A`` is the -35 box, ``B`` the -10 box, both so strong that they are hardly ever mistaken: what is hard is to remember.
In both classes both motifs are equally frequent, on a background that knows nothing of the class, so that G+C and short
words tell nothing.

Rules, with the distance d between the two sites, which lie anywhere:

- ``both``: class 1 is A before B, class 0 one motif twice (A A or B B): the second site alone tells half of class 0,
  and for the rest the first one has to be known d bases later;
- ``order``: class 1 is A before B, class 0 B before A;
- ``exact_spacing``: A before B in both; d bases between them in class 1, 1 to 4 fewer or more in class 0;
- ``loose_spacing``: the same with d - 2 to d + 2 in class 1, and 5 to 8 fewer or more in class 0;
- ``hold``: two sites of each, the first of which decides: A in class 1, B in class 0. It ends d bases before the end of
  the sequence, and the other three lie anywhere behind it: what was read first must outlast what comes after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dnafast.synthetic.background import BACTERIAL_PROMOTERS, LETTERS, markov_chains
from dnafast.synthetic.motifs import BOX_10, BOX_35
from dnafast.synthetic.planting import Planter, seeded
from dnafast.synthetic.promoters import BOX_AFFINITY, SimulatedSequences

_A, _B = BOX_35.strong(BOX_AFFINITY), BOX_10.strong(BOX_AFFINITY)
_WIDTH = _A.width  # and that of B
_HELD_OVER = 3  # sites behind the one that is to be held
APART = 7
"""Bases at least between sites to hold, and from any site to an end: a word that is cut off there would tell which one
lies at the edge, and a word that spans two which one comes first."""

PAIR_LENGTH = 101

# By rule: how far a spacing may be from d in class 1, and the least and most that it is off in class 0.
_SPACINGS = {"exact_spacing": (0, 1, 4), "loose_spacing": (2, 5, 8)}


def simulate_pairs(rule: str, distance: int, seed: int = 0, *, n: int, length: int = PAIR_LENGTH) -> SimulatedSequences:
    """Sequences by one of the `RULES`, half of each class; a pure function of its arguments.

    Args:
        rule: its name.
        distance: d, in bases.
        seed: 0 or more.
        n: sequences.
        length: bases of each.

    Raises:
        ValueError: no such rule, a distance that does not fit the rule or the length (`distances`), or fewer than two
            sequences.
    """
    if rule not in RULES:
        raise ValueError(f"rule={rule!r} must be one of {', '.join(RULES)}")
    least, most = distances(rule, length)
    if not least <= distance <= most:
        raise ValueError(f"distance={distance} must be {least} to {most} for {rule} in sequences of {length} bases")
    if n < 2:
        raise ValueError(f"n={n} must be at least 2, a sequence of each class")
    generator = seeded(seed, f"{rule} {distance}")
    labels = generator.permutation(np.arange(n) % 2).astype(np.int8)
    tables = np.broadcast_to(BACTERIAL_PROMOTERS, (n, 4, 4))
    planter = Planter(markov_chains(tables, length, generator), generator)
    is_a, starts = RULES[rule](planter, labels, distance, rule)
    for site in range(is_a.shape[1]):
        for motif, rows in ((_A, np.flatnonzero(is_a[:, site])), (_B, np.flatnonzero(~is_a[:, site]))):
            planter.at(motif, rows, starts[rows, site])
    kinds = np.array([" ".join("A" if one else "B" for one in row) for row in is_a], dtype=object)
    return SimulatedSequences(LETTERS[planter.codes], labels, kinds, planter.sites())


def distances(rule: str, length: int = PAIR_LENGTH) -> tuple[int, int]:
    """The least and the largest distance of a rule in sequences of that length."""
    room = length - APART - _WIDTH
    if rule == "hold":
        return APART + _HELD_OVER * (_WIDTH + APART), room
    off = _SPACINGS[rule][2] if rule in _SPACINGS else 0
    return off, room - APART - _WIDTH - off


Plan = tuple[NDArray[np.bool_], NDArray[np.int64]]
"""Whether each site (n, S) is A, else B; and where it starts (n, S)."""


def _both(planter: Planter, labels: NDArray[np.int8], distance: int, rule: str) -> Plan:
    twice_a = np.empty(len(labels), dtype=np.bool_)
    for label in (0, 1):
        # A twice as often as B twice, to within one.
        twice_a[labels == label] = planter.generator.permutation(np.arange((labels == label).sum()) % 2 == 0)
    return _pair(planter, twice_a | (labels == 1), twice_a & (labels == 0), np.full(len(labels), distance))


def _order(planter: Planter, labels: NDArray[np.int8], distance: int, rule: str) -> Plan:
    return _pair(planter, labels == 1, labels == 0, np.full(len(labels), distance))


def _spacing(planter: Planter, labels: NDArray[np.int8], distance: int, rule: str) -> Plan:
    within, least, most = _SPACINGS[rule]
    n, generator = len(labels), planter.generator
    right = generator.integers(-within, within, n, endpoint=True)
    wrong = generator.integers(least, most, n, endpoint=True) * generator.choice([-1, 1], n)
    first = np.ones(n, dtype=np.bool_)
    return _pair(planter, first, ~first, distance + np.where(labels == 1, right, wrong))


def _pair(planter: Planter, first: NDArray[np.bool_], second: NDArray[np.bool_], gaps: NDArray[np.int64]) -> Plan:
    """Two sites with so many bases between; the whole lies anywhere."""
    room = planter.codes.shape[1] - 2 * APART - 2 * _WIDTH - gaps
    starts = APART + planter.generator.integers(0, room, endpoint=True)
    return np.stack([first, second], axis=1), np.stack([starts, starts + _WIDTH + gaps], axis=1)


def _hold(planter: Planter, labels: NDArray[np.int8], distance: int, rule: str) -> Plan:
    """The first site where it has to be; in the bases behind it the other three, their order and gaps by chance."""
    n, generator = len(labels), planter.generator
    first = labels == 1
    slack = distance - distances(rule, planter.codes.shape[1])[0]
    gaps = np.sort(generator.integers(0, slack, (n, _HELD_OVER), endpoint=True), axis=1)
    begin = planter.codes.shape[1] - distance
    # Two of each in all: behind the first, one of its own kind and two of the other.
    own = generator.integers(0, _HELD_OVER, n)[:, None] == np.arange(_HELD_OVER)
    behind = begin + APART + np.arange(_HELD_OVER) * (_WIDTH + APART) + gaps
    is_a = np.column_stack([first, np.where(own, first[:, None], ~first[:, None])])
    return is_a, np.column_stack([np.full(n, begin - _WIDTH), behind])


RULES: Mapping[str, Callable[[Planter, NDArray[np.int8], int, str], Plan]] = MappingProxyType({
    "both": _both, "order": _order, "exact_spacing": _spacing, "loose_spacing": _spacing, "hold": _hold,
})  # fmt: skip
"""By name."""
