"""A simulated genome with open and closed regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dnafast.synthetic.background import LETTERS, complement, human_tables, isochores, markov_chains
from dnafast.synthetic.motifs import FACTORS
from dnafast.synthetic.planting import Planter, Sites, shares_to_kinds

WINDOW = 160
"""Length in base pairs of the windows that hold all that was planted in a region: the length to train on."""
POSITIVES = 3000
DECOYS = 1800
QUICK_POSITIVES = 300
QUICK_DECOYS = 180

OPEN_SHARES = {"anchor": 0.4, "pair": 0.6}
CLOSED_SHARES = {"swapped": 0.6, "twice": 0.4}
ANCHOR = "REST"
FIRST, SECOND = "SPI1", "CEBPB"
GAPS = (30, 70)
AFFINITY = 1.5
_BLOCK = 1000
_PITCH = 4


@dataclass(frozen=True, eq=False)
class SimulatedRegions:
    """Regions sorted by contig and start, 0-based and half-open.

    Attributes:
        contig: (N,) str objects.
        start: (N,) int64.
        end: (N,) int64.
        summit: (N,) int64, absolute: centre of the window that holds the region's sites.
        signal: (N,) float64, height of the peak; 0 in closed regions.
        strand: (N,) int8, 0 throughout: open chromatin has no strand.
        kind: (N,) str objects, what was planted.
        orientation: (N,) int8, the strand, +1 or -1, on which the sites were laid out.
        sites: what lies where; ``row`` counts regions, positions are those of the contig.
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


@dataclass(frozen=True, eq=False)
class SimulatedGenome:
    """Contigs as letters, the open regions (peaks) and the closed regions that look like them (decoys)."""

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
    """Simulate a genome with peaks."""
    if n_decoys is None:
        n_decoys = round(n_positives * DECOYS / POSITIVES)
    for name, value, least in (("n_positives", n_positives, 1), ("n_decoys", n_decoys, 0), ("n_contigs", n_contigs, 1)):
        if value < least:
            raise ValueError(f"{name}={value} must be at least {least}")
    shortest = FACTORS[FIRST].width * 2 + GAPS[1]
    if length < shortest:
        raise ValueError(f"length={length} must be at least {shortest}, the room that two sites and their gap need")
    generator = np.random.default_rng(np.random.SeedSequence([seed, 0x67656E]))
    n = n_positives + n_decoys
    opened = np.zeros(n, bool)
    opened[generator.permutation(n)[:n_positives]] = True
    kind = np.empty(n, object)
    kind[opened] = shares_to_kinds(OPEN_SHARES, n_positives, generator)
    kind[~opened] = shares_to_kinds(CLOSED_SHARES, n_decoys, generator)

    pitch = _PITCH * length
    per_contig = -(-n // n_contigs)
    contig_length = -(-(per_contig + 1) * pitch // _BLOCK) * _BLOCK
    blocks = contig_length // _BLOCK
    weights = np.concatenate([isochores(blocks, generator) for _ in range(n_contigs)])
    codes = markov_chains(human_tables(weights), _BLOCK, generator).reshape(n_contigs, contig_length)

    contig = np.arange(n) * n_contigs // n
    slot = np.arange(n) - np.searchsorted(contig, np.arange(n_contigs))[contig]
    window_start = pitch // 2 + slot * pitch + generator.integers(0, pitch - 2 * length + 1, n)
    columns = window_start[:, None] + np.arange(length)
    planter = Planter(codes[contig[:, None], columns], generator, AFFINITY)
    _lay_out(planter, kind)
    orientation = np.where(generator.random(n) < 0.5, 1, -1).astype(np.int8)
    windows = planter.codes
    windows[orientation < 0] = complement(windows[orientation < 0])
    codes[contig[:, None], columns] = windows

    planted = planter.sites()
    turned = orientation[planted.row] < 0
    start = np.where(turned, length - planted.end, planted.start) + window_start[planted.row]
    sites = Sites(
        planted.row, planted.motif, start, start + planted.end - planted.start, orientation[planted.row]
    ).sorted()

    names = [f"sim{number + 1}" for number in range(n_contigs)]
    summit = window_start + length // 2
    left = generator.integers(length // 2, int(0.9 * length), n)
    right = generator.integers(length // 2, int(0.9 * length), n)
    signal = np.where(opened, np.round(np.exp(generator.normal(2.0, 0.6, n)), 2), 0.0)
    table = SimulatedRegions(
        contig=np.array(names, dtype=object)[contig],
        start=summit - left,
        end=summit + right,
        summit=summit,
        signal=signal,
        strand=np.zeros(n, np.int8),
        kind=kind,
        orientation=orientation,
        sites=sites,
    )
    letters = {name: LETTERS[row] for name, row in zip(names, codes, strict=True)}
    return SimulatedGenome(letters, _part(table, opened), _part(table, ~opened), length)


def _lay_out(planter: Planter, kind: NDArray[np.object_]) -> None:
    """Plant in each row what its kind says."""
    anchor, first, second = FACTORS[ANCHOR], FACTORS[FIRST], FACTORS[SECOND]

    def gaps(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return planter.generator.integers(GAPS[0], GAPS[1] + 1, len(rows))

    rows = np.flatnonzero(kind == "anchor")
    planter.anywhere(anchor, rows)
    rows = np.flatnonzero(kind == "pair")
    planter.pair(first, second, rows, gaps(rows))
    rows = np.flatnonzero(kind == "swapped")
    planter.pair(second, first, rows, gaps(rows))
    rows = np.flatnonzero(kind == "twice")
    for motif, half in ((first, rows[::2]), (second, rows[1::2])):
        planter.pair(motif, motif, half, gaps(half))


def _part(table: SimulatedRegions, chosen: NDArray[np.bool_]) -> SimulatedRegions:
    """The chosen rows, their sites renumbered."""
    new_row = np.cumsum(chosen) - 1
    sites = table.sites
    kept = chosen[sites.row]
    return SimulatedRegions(
        *(
            getattr(table, name)[chosen]
            for name in ("contig", "start", "end", "summit", "signal", "strand", "kind", "orientation")
        ),
        sites=Sites(
            new_row[sites.row[kept]], sites.motif[kept], sites.start[kept], sites.end[kept], sites.strand[kept]
        ),
    )
