"""A simulated genome: peaks over open regions, and closed regions that only look like them.

**Background.** Contigs are first-order Markov chains with human dinucleotide frequencies, CG depleted, whose G+C
content drifts along the contig as isochores do. Open and closed regions share it.

**Open regions** (peaks) hold, anywhere in the window around the summit and on either strand, one of

- ``anchor``: a single site of CTCF;
- ``pair``: a site of SPI1 (PU.1), then 30 to 60 bases of background, then a site of CEBPB. Both factors open chromatin
  in myeloid cells together.

**Closed regions** (decoys) hold the same letters in a wrong arrangement:

- ``swapped``: CEBPB first, SPI1 behind it, at the same distances;
- ``twice``: SPI1 and SPI1, or CEBPB and CEBPB, at the same distances;
- ``scrambled``: the letters of a CTCF site in random order.

So a linear model of G+C content or of short words sees little: only CTCF, and that there is more than background. One
site is within the reach of any network that finds motifs. To tell a pair from the same two sites swapped, a network
must relate what lies 30 to 60 bases apart, beyond a filter of 24 bases and the reach of a maximum over all positions.

**Strength.** Sites are drawn from the base frequencies of their JASPAR matrices, raised to powers (`Motif.strong`;
`ANCHOR_AFFINITY` for CTCF, `PAIR_AFFINITY` for the others) so that they are as clear as strong sites are: a
demonstration is to end within minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dnafast.synthetic.background import LETTERS, complement, human_tables, isochores, markov_chains
from dnafast.synthetic.motifs import FACTORS
from dnafast.synthetic.planting import Planter, Sites, kinds_by_share, seeded

WINDOW = 120
"""Base pairs of the window around each summit that holds all of the region's sites: the length to train on."""
POSITIVES, DECOYS = 2000, 1600
"""Open and closed regions of the demonstration; random background fills the negatives up to the positives."""
QUICK_POSITIVES, QUICK_DECOYS = 300, 240
"""The same for a smoke test."""

OPEN_SHARES = MappingProxyType({"anchor": 0.4, "pair": 0.6})
CLOSED_SHARES = MappingProxyType({"swapped": 0.45, "twice": 0.3, "scrambled": 0.25})
ANCHOR, FIRST, SECOND = "CTCF", "SPI1", "CEBPB"
ANCHOR_AFFINITY, PAIR_AFFINITY = 1.5, 3.0
SHORTEST_GAP, LONGEST_GAP = 30, 60
"""Bases between the two sites of a pair."""

_BLOCK = 1000  # base pairs of one G+C content
_PITCH = 4  # windows per region: room for peaks wider than the window, and for random negatives between them


@dataclass(frozen=True, eq=False)
class SimulatedRegions:
    """Regions sorted by contig and start, 0-based and half-open.

    Attributes:
        contig: (N,) str objects.
        start: (N,) int64.
        end: (N,) int64; start to end holds the window and a little more.
        summit: (N,) int64, absolute: the window of length L begins at summit - L // 2.
        signal: (N,) float64, height of the peak; 0 in closed regions.
        strand: (N,) int8, 0 throughout: open chromatin has no strand.
        kind: (N,) str objects, what was planted.
        orientation: (N,) int8, the strand, +1 or -1, on which it was planted.
        sites: where; ``row`` counts these regions, positions are those of the contig.
    """

    contig: NDArray[np.object_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    summit: NDArray[np.int64]
    signal: NDArray[np.float64]
    strand: NDArray[np.int8]
    kind: NDArray[np.object_]
    orientation: NDArray[np.int8]
    sites: Sites

    def __len__(self) -> int:
        return len(self.start)

    def subset(self, chosen: NDArray[np.bool_]) -> SimulatedRegions:
        """The regions where ``chosen`` (N,) is true."""
        columns = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "sites"}
        columns = {name: column[chosen] for name, column in columns.items()}
        return SimulatedRegions(**columns, sites=self.sites.of_rows(chosen))


@dataclass(frozen=True, eq=False)
class SimulatedGenome:
    """What `simulate_genome` returns.

    Attributes:
        contigs: letters A, C, G, T as uint8, by name.
        peaks: the open regions, label 1.
        decoys: the closed regions that look like them, label 0.
        window: base pairs around each summit that hold all planted sites.
    """

    contigs: dict[str, NDArray[np.uint8]]
    peaks: SimulatedRegions
    decoys: SimulatedRegions
    window: int


def simulate_genome(
    seed: int = 0,
    *,
    n_positives: int = POSITIVES,
    n_decoys: int | None = None,
    length: int = WINDOW,
    n_contigs: int = 10,
) -> SimulatedGenome:
    """Simulate a genome with peaks and decoys; a pure function of its arguments.

    Regions lie in random order, equally many on each of the contigs sim1, sim2, …, so that contigs can be kept back for
    validation and test. No two regions overlap, and more than half of the genome is plain background.

    Args:
        seed: 0 or more.
        n_positives: open regions.
        n_decoys: closed regions; None: in the proportion of the demonstration (`DECOYS` to `POSITIVES`).
        length: base pairs of the window around each summit.
        n_contigs: contigs, of equal length.

    Raises:
        ValueError: a number is too small, or the window too short for a pair of sites.
    """
    if n_decoys is None:
        n_decoys = round(n_positives * DECOYS / POSITIVES)
    for name, value, least in (("n_positives", n_positives, 1), ("n_decoys", n_decoys, 0), ("n_contigs", n_contigs, 1)):
        if value < least:
            raise ValueError(f"{name}={value} must be at least {least}")
    shortest = 2 * max(FACTORS[FIRST].width, FACTORS[SECOND].width) + LONGEST_GAP
    if length < shortest:
        raise ValueError(f"length={length} must be at least {shortest}, the room that two sites and their gap need")
    generator = seeded(seed, "genome")
    n = n_positives + n_decoys
    is_open = generator.permutation(n) < n_positives
    kind = np.empty(n, object)
    kind[is_open] = kinds_by_share(OPEN_SHARES, n_positives, generator)
    kind[~is_open] = kinds_by_share(CLOSED_SHARES, n_decoys, generator)

    # Each region has a stretch of the contig, its pitch, to itself; the window lies somewhere inside it.
    contig = np.arange(n) * n_contigs // n
    place = np.arange(n) - np.searchsorted(contig, np.arange(n_contigs))[contig]
    pitch = _PITCH * length
    codes = _background(n_contigs, (place.max() + 1) * pitch, generator)
    window_start = place * pitch + generator.integers(length, pitch - 2 * length + 1, n)
    cells = contig[:, None], window_start[:, None] + np.arange(length)

    planter = Planter(codes[cells], generator)
    _lay_out(planter, kind)
    orientation = np.where(generator.random(n) < 0.5, 1, -1).astype(np.int8)
    codes[cells] = np.where(orientation[:, None] > 0, planter.codes, complement(planter.codes))

    names = np.array([f"sim{number + 1}" for number in range(n_contigs)], dtype=object)
    summit = window_start + length // 2
    regions = SimulatedRegions(
        contig=names[contig],
        start=window_start - generator.integers(0, length // 2, n),
        end=window_start + length + generator.integers(0, length // 2, n),
        summit=summit,
        signal=np.where(is_open, np.round(np.exp(generator.normal(2.0, 0.6, n)), 2), 0.0),
        strand=np.zeros(n, np.int8),
        kind=kind,
        orientation=orientation,
        sites=planter.sites().placed(window_start, length, orientation),
    )
    letters = {name: LETTERS[row] for name, row in zip(names, codes, strict=True)}
    return SimulatedGenome(letters, regions.subset(is_open), regions.subset(~is_open), length)


def _background(n_contigs: int, length: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Contigs without meaning: codes (n_contigs, length)."""
    blocks = -(-length // _BLOCK)
    weights = np.concatenate([isochores(blocks, generator) for _ in range(n_contigs)])
    chains = markov_chains(human_tables(weights), _BLOCK, generator)
    return chains.reshape(n_contigs, blocks * _BLOCK)[:, :length].copy()


def _lay_out(planter: Planter, kind: NDArray[np.object_]) -> None:
    """Plant in each row what its kind says."""
    anchor = FACTORS[ANCHOR].strong(ANCHOR_AFFINITY)
    first, second = FACTORS[FIRST].strong(PAIR_AFFINITY), FACTORS[SECOND].strong(PAIR_AFFINITY)
    rows = {name: np.flatnonzero(kind == name) for name in (*OPEN_SHARES, *CLOSED_SHARES)}
    gaps = planter.generator.integers(SHORTEST_GAP, LONGEST_GAP + 1, len(kind))
    planter.anywhere(anchor, rows["anchor"])
    planter.scrambled(anchor, rows["scrambled"])
    planter.pair(first, second, rows["pair"], gaps)
    planter.pair(second, first, rows["swapped"], gaps)
    planter.pair(first, first, rows["twice"][::2], gaps)
    planter.pair(second, second, rows["twice"][1::2], gaps)
