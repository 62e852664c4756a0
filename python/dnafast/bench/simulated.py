"""The demonstration's data: a simulated genome and simulated promoters (`dnafast.synthetic` says by which rules)."""

from __future__ import annotations

import numpy as np

from dnafast.bench.dataset import Dataset, Flow, genome_blocks
from dnafast.bench.from_sequences import assemble
from dnafast.bench.measure import Meter
from dnafast.bench.options import BenchOptions
from dnafast.genome import Genome
from dnafast.negatives import sample_negatives
from dnafast.recipes import Recipe
from dnafast.regions import Regions
from dnafast.splitting import PARTS, part_of, split
from dnafast.synthetic import WINDOW, SimulatedRegions, simulate_genome, simulate_promoters
from dnafast.windowing import Windows, windows

# Not the seed that the simulation was designed with.
_SEED = 1


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
        parts = split(positives, test=options.test or None, valid=options.valid or None, genome=genome)
        decoy_parts = part_of(_as_regions(near_misses), parts.intervals)
        flow = Flow()
        flow.add_all(positives.flow, kind="open")
        flow.add_all(near_misses.flow, kind="closed, decoy")
        tables, labels, names, sources = [], [], [], []
        for part in PARTS:
            opened = positives[parts.indices(part)]
            # As many closed windows as open ones: decoys first, background for the rest.
            closed = near_misses[np.flatnonzero(decoy_parts == part)[: len(opened) - 1]]
            background = sample_negatives(
                genome,
                opened,
                method="gc",
                ratio=1 - len(closed) / len(opened),
                exclude=[peaks, decoys],
                within=parts.intervals[part],
                seed=PARTS.index(part),
                threads=options.threads,
            )
            kinds = (
                ("peak", "open", opened),
                ("decoy", "closed, decoy", closed),
                ("gc", "closed, background", background),
            )
            for source, kind, rows in kinds:
                flow.add("used", len(rows), kind, part)
                tables.append(rows)
                labels += [int(source == "peak")] * len(rows)
                names += [part] * len(rows)
                sources += [source] * len(rows)
        table = Windows.concatenate(tables)
        part_column = np.array(names, dtype=object)
        group, block = genome_blocks(table, part_column == "test")
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
        split=f"positives: {parts.description}",
        notes=(f"Intervals come from a bootstrap over stretches of {block:,} bases.",),
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
