"""The demonstration's data: a simulated genome and simulated promoters (`dnafast.synthetic` says by which rules)."""

from __future__ import annotations

import numpy as np

from dnafast.bench.dataset import Dataset, Flow, genome_blocks
from dnafast.bench.from_peaks import split_windows
from dnafast.bench.from_sequences import assemble
from dnafast.bench.measure import Meter
from dnafast.bench.options import BenchOptions
from dnafast.bench.tiles import lay_tiles
from dnafast.genome import Genome
from dnafast.negatives import sample_negatives
from dnafast.recipes import Recipe
from dnafast.regions import Regions
from dnafast.splitting import part_of
from dnafast.synthetic import WINDOW, SimulatedRegions, simulate_genome, simulate_promoters
from dnafast.windowing import Windows, windows

# Not the seed that the simulation was designed with.
_SEED = 1
# The demonstration is to be quick, and its genome is small.
_MOST_TILES = 2000


def simulated(options: BenchOptions, recipe: Recipe, meter: Meter) -> list[Dataset]:
    """Open regions of a simulated genome, and simulated promoters."""
    return [_open_regions(options, recipe, meter), _promoters(options, recipe, meter)]


def _open_regions(options: BenchOptions, recipe: Recipe, meter: Meter) -> Dataset:
    """Windows around the peaks against decoys (the same motifs, wrongly arranged) and plain background."""
    made = simulate_genome(_SEED, n_positives=recipe.genome_sites, length=options.length or WINDOW)
    with meter.phase("index", "data"):
        genome = Genome.from_sequences([row.tobytes() for row in made.contigs.values()], names=list(made.contigs))
    with meter.phase("window", "data"):
        peaks, decoys = _regions(made.peaks), _regions(made.decoys)
        positives = windows(peaks, length=made.window, genome=genome)
        near_misses = windows(decoys, length=made.window, genome=genome)
        pieces = split_windows(options, positives, genome)
        decoy_pieces = part_of(_as_regions(near_misses), pieces.intervals)
        flow = Flow()
        flow.add_all(positives.flow, kind="open")
        flow.add_all(near_misses.flow, kind="closed, decoy")
        tables, labels, names, sources = [], [], [], []
        for number, name in enumerate(pieces.names):
            opened = positives[pieces.rows(name)]
            # As many closed windows as open ones: decoys first, background for the rest.
            closed = near_misses[np.flatnonzero(decoy_pieces == name)[: len(opened) - 1]]
            background = sample_negatives(
                genome,
                opened,
                method="gc",
                ratio=1 - len(closed) / len(opened),
                exclude=[peaks, decoys],
                within=pieces.intervals[name],
                seed=number,
                threads=options.threads,
            )
            kinds = (
                ("peak", "open", opened),
                ("decoy", "closed, decoy", closed),
                ("gc", "closed, background", background),
            )
            for source, kind, rows in kinds:
                flow.add("used", len(rows), kind, name)
                tables.append(rows)
                labels += [int(source == "peak")] * len(rows)
                names += [name] * len(rows)
                sources += [source] * len(rows)
        table = Windows.concatenate(tables)
        part_column, fold_of = pieces.columns(np.array(names, dtype=object))
        group, block = genome_blocks(table, part_column == "test")
        laid = (
            lay_tiles(genome, pieces, [peaks], made.window, most=_MOST_TILES) if "genome" in options.test_on else None
        )
    notes = [f"Intervals come from a bootstrap over stretches of {block:,} bases."]
    return Dataset(
        name="simulated_open_regions",
        kind="genome",
        genome=genome,
        windows=table,
        labels=np.array(labels, dtype=np.int8)[:, None],
        tasks=("simulated open regions",),
        part=part_column,
        group=group,
        source=np.array(sources, dtype=object),
        stranded=False,
        simulated=True,
        flow=flow,
        split=f"positives: {pieces.description}",
        fold_of=fold_of,
        tiles=laid,
        notes=(*notes, laid.note()) if laid is not None else tuple(notes),
    )


def _promoters(options: BenchOptions, recipe: Recipe, meter: Meter) -> Dataset:
    made = simulate_promoters(_SEED, n=2 * recipe.promoters)
    flow = Flow()
    for kind in dict.fromkeys(made.kinds):
        flow.add("read", int((made.kinds == kind).sum()), kind)
    return assemble(
        options,
        meter,
        name="simulated_promoters",
        task="simulated promoters",
        letters=made.letters,
        labels=made.labels,
        source=made.kinds,
        flow=flow,
        simulated=True,
    )


def _as_regions(table: Windows) -> Regions:
    return Regions.from_arrays(table.contigs, table.contig, table.start, table.end)


def _regions(simulated_regions: SimulatedRegions) -> Regions:
    names = tuple(dict.fromkeys(simulated_regions.contig))
    index = {name: number for number, name in enumerate(names)}
    return Regions.from_arrays(
        names,
        np.array([index[name] for name in simulated_regions.contig], dtype=np.int32),
        simulated_regions.start,
        simulated_regions.end,
        strand=simulated_regions.strand,
        signal=simulated_regions.signal,
        summit=simulated_regions.summit,
    )
