"""From the options to the data sets of a bench."""

from __future__ import annotations

from dnafast.bench.dataset import Dataset
from dnafast.bench.from_peaks import from_peaks
from dnafast.bench.from_sequences import from_fasta, from_table
from dnafast.bench.from_windows import from_windows
from dnafast.bench.measure import Meter
from dnafast.bench.options import BenchOptions
from dnafast.bench.simulated import simulated
from dnafast.recipes import Recipe


def datasets(options: BenchOptions, recipe: Recipe, meter: Meter) -> list[Dataset]:
    """The data sets to compare networks on, each checked to hold both classes in every part.

    Raises:
        ValueError, OSError: a user's mistake, in one sentence.
    """
    if options.fasta and options.table:
        found = [from_windows(options, options.fasta, options.table, meter)]
    elif options.fasta:
        found = [from_peaks(options, options.fasta, meter)]
    elif options.positives and options.negatives:
        found = [from_fasta(options, options.positives, options.negatives, meter)]
    elif options.table:
        found = [from_table(options, options.table, meter)]
    else:
        found = simulated(options, recipe, meter)
    return [dataset.check() for dataset in found]
