"""Windows that stand for closed chromatin: drawn from a genome beside the positive ones."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dnafast import _core
from dnafast.genome import Genome
from dnafast.random import check_seed
from dnafast.regions import Regions, map_contigs
from dnafast.regions.table import check_regions
from dnafast.threads import resolve_threads
from dnafast.windowing import Windows

if TYPE_CHECKING:
    import pandas

METHODS = ("random", "gc")

LARGEST_RATIO = 1_000_000

# Percent of G+C in one bin; the native half counts in bins of this width.
GC_BIN_PERCENT = 2

Columns = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, eq=False, repr=False)
class Negatives(Windows):
    """Windows drawn by `sample_negatives`, in the order of the genome.

    Attributes:
        shortfall: what the genome could not supply: a row for each kind of window of which fewer were found than
            wanted, with the columns contig, gc_bin (lower edge in percent; bins are 2 % wide), wanted and found.
            Windows taken from another contig in place of the one named count as found. Where the method matches
            nothing, contig is "*" and gc_bin is -1. Empty where nothing is missing.
        flow: "wanted", "found", and of these "from_other_contigs": windows in place of some that their own contig did
            not hold.
    """

    shortfall: pandas.DataFrame = None  # type: ignore[assignment]  # fields of Windows have defaults before it

    def shortfall_in_words(self, most: int = 3) -> str:
        """Where windows are missing, the largest gaps first: ``chr1 at 40-42 % G+C (2 of 9 found)``.

        Empty where nothing is missing, or where the method matches nothing that could be named.

        Args:
            most: gaps to name; the others are counted.
        """
        rows = self.shortfall.loc[self.shortfall["gc_bin"] >= 0]
        rows = rows.loc[(rows["found"] - rows["wanted"]).sort_values(kind="stable").index]
        named = [
            f"{contig} at {gc_bin}-{min(100, gc_bin + GC_BIN_PERCENT)} % G+C ({found:,} of {wanted:,} found)"
            for contig, gc_bin, wanted, found in rows.head(most).itertuples(index=False)
        ]
        more = len(rows) - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")


def sample_negatives(
    genome: Genome,
    positives: Windows,
    *,
    method: str = "gc",
    ratio: float = 1.0,
    exclude: Regions | Sequence[Regions] | None = None,
    within: Regions | None = None,
    max_n: float = 0.0,
    seed: int = 0,
    threads: int | None = None,
) -> Negatives:
    """Draw windows of the positives' length that touch neither a positive window nor an excluded region.

    No window is drawn twice, though two may overlap; strands come in the positives' proportions. The result is the same
    for any number of threads. Where the genome does not hold enough, all there is comes back, with a warning and a
    table of what is missing.

    Args:
        genome: where to draw from.
        positives: windows (N,) to stay clear of, and to match.
        method: "random" takes every allowed place with the same chance; "gc" gives each contig as many windows of each
            2-% bin of G+C (among the known bases) as it has positives, times `ratio`. What a contig cannot supply, for
            instance because `within` leaves it out, comes from the same bin on others.
        ratio: windows to draw for each positive one, at most a million.
        exclude: regions to stay clear of, whole: the peaks themselves (a positive window is only a part of its peak)
            and blacklists. Rows on contigs that the genome lacks exclude nothing.
        within: regions to stay inside; those that overlap or touch count as one.
        max_n: highest fraction of unknown bases in a window.
        seed: 0 to 2^64 - 1.
        threads: None for every usable processor.

    Returns:
        Up to `ratio` times N windows, `source` -1, sorted by contig and start.

    Raises:
        ValueError: an unknown method, an argument out of range, no positives, or regions of which none lies on a contig
            of the genome.

    Warns:
        UserWarning: fewer windows were found than wanted.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is not known: choose one of {', '.join(map(repr, METHODS))}")
    given: Any = ratio
    if isinstance(given, bool) or not isinstance(given, numbers.Real):
        raise TypeError(f"ratio={ratio!r} must be a number: windows to draw for each positive one")
    if not 0 < ratio <= LARGEST_RATIO:
        raise ValueError(f"ratio={ratio!r} must be a number above 0, at most {LARGEST_RATIO:,}")
    if not 0 <= max_n <= 1:
        raise ValueError(f"max_n={max_n!r} must lie between 0 and 1: it is a fraction of the window")
    if len(positives) == 0:
        raise ValueError("positives holds no window: there is nothing to match")
    contig, start, strand = genome._columns(positives)
    drawn = _core.sample_negatives(
        genome=genome._native,
        contig=contig,
        start=start,
        strand=strand,
        length=positives.length,
        excluded=_columns(_as_list(exclude), genome, "exclude"),
        within=None if within is None else _columns([within], genome, "within"),
        match_gc=method == "gc",
        ratio=float(ratio),
        # The product may end just below a whole number: 0.29 * 100 is 28.999999999999996.
        max_unknown=math.floor(max_n * positives.length + 1e-9),
        seed=check_seed(seed),
        threads=resolve_threads(threads),
    )
    found = len(drawn["contig"])
    negatives = Negatives(
        contigs=tuple(genome.contigs),
        contig=drawn["contig"],
        start=drawn["start"],
        strand=drawn["strand"],
        length=positives.length,
        flow={"wanted": drawn["wanted"], "found": found, "from_other_contigs": drawn["from_other_contigs"]},
        shortfall=_shortfall(drawn, tuple(genome.contigs)),
    )
    if found < drawn["wanted"]:
        where = negatives.shortfall_in_words()
        warnings.warn(
            f"the genome holds {found} of the {drawn['wanted']} negatives wanted (method={method!r})"
            f"{f', short in {where}' if where else ''}: the table .shortfall says which are missing",
            UserWarning,
            stacklevel=2,
        )
    return negatives


def _as_list(exclude: Regions | Sequence[Regions] | None) -> list[Regions]:
    if exclude is None:
        return []
    return [exclude] if isinstance(exclude, Regions) else list(exclude)


def _columns(tables: list[Regions], genome: Genome, argument: str) -> Columns:
    """Contig (index into the genome's), start and end of all rows that lie on the genome."""
    names = tuple(genome.contigs)
    contig, start, end = [np.empty(0, np.int32)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for table in tables:
        check_regions(argument, table)
        mapped = map_contigs(table.contigs, names)[table.contig] if len(table) else np.empty(0, np.int32)
        known = mapped >= 0
        if len(table) and not known.any():
            raise ValueError(
                f"{argument}: no region of {table.path or 'the table'} lies on a contig of the genome: "
                f"regions name {_some(table.contigs)}, the genome {_some(names)}"
            )
        contig.append(mapped[known])
        start.append(table.start[known])
        end.append(table.end[known])
    return np.concatenate(contig), np.concatenate(start), np.concatenate(end)


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (", …" if len(names) > 3 else "")


def _shortfall(drawn: dict[str, NDArray[np.int64]], contigs: tuple[str, ...]) -> pandas.DataFrame:
    import pandas

    # Index -1 is the last name: the one for windows of any contig.
    names = np.array([*contigs, "*"], dtype=object)
    gc_bin = drawn["shortfall_bin"]
    return pandas.DataFrame(
        {
            "contig": names[drawn["shortfall_contig"]],
            "gc_bin": np.where(gc_bin < 0, -1, gc_bin * GC_BIN_PERCENT),
            "wanted": drawn["shortfall_wanted"],
            "found": drawn["shortfall_found"],
        }
    )
