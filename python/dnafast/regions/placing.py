"""Do regions and a genome belong together? Contigs by name, and their ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dnafast.regions.table import Regions, map_contigs

# Alternative and unplaced sequence, decoys, viruses, the mitochondrion and Y, in the names of UCSC, Ensembl and NCBI.
# GL000192.1 and KI270302.1 are Ensembl's names of what UCSC calls chrUn_* and *_random.
_SET_ASIDE = re.compile(
    r".*(_alt|_random|_fix|_decoy)|chrUn.*|HLA.*|hs37d5|decoy.*|(GL000|KI270)\d+(\.\d+)?|"
    r"(chr)?(EBV|Y|M|MT|Mt|mt|Mito)|NC_007605.*|NC_012920.*|mitochondrion",
)


def whole_contigs(genome: Mapping[str, int], names: Iterable[str]) -> Regions:
    """These contigs of a genome from end to end, in the genome's order.

    Args:
        genome: contigs, name to length.
        names: those to take; names that the genome lacks are passed over.
    """
    wanted = set(names)
    contig = np.array([number for number, name in enumerate(genome) if name in wanted], dtype=np.int32)
    end = np.array([length for name, length in genome.items() if name in wanted], dtype=np.int64)
    return Regions.from_arrays(tuple(genome), contig, np.zeros_like(end), end)


def default_contigs(contigs: Iterable[str]) -> list[str]:
    """The contigs that are used unless others are asked for, in their order.

    Left out are `_alt`, `_random` and `_fix` contigs, `chrUn*`, `HLA*`, decoys, the Epstein-Barr virus, the
    mitochondrion and Y.
    """
    return [name for name in contigs if not _SET_ASIDE.fullmatch(name)]


def locate(
    regions: Regions, contigs: Mapping[str, int], outside: Literal["error", "drop"] = "error"
) -> tuple[Regions, dict[str, int]]:
    """Place regions on the contigs of a genome; those that do not lie on it are dropped and counted.

    Args:
        regions: N regions.
        contigs: the genome's contigs, name to length.
        outside: "error" raises when half of the regions or more would be dropped; "drop" never does.

    Returns:
        The regions that lie on the genome, in their order, with `contigs` those of the genome in its order; and the
        counts `read`, `unknown_contig`, `past_end` and `kept`.

    Raises:
        ValueError: half of the regions or more lie on contigs that the genome lacks, or past an end; shows the names
            of contigs on both sides.
    """
    kept, counts, _ = place(regions, contigs, outside)
    return kept, counts


def check_outside(outside: str) -> None:
    """Raise ValueError for a policy of regions off the genome that there is not."""
    if outside not in ("error", "drop"):
        raise ValueError(f"outside must be 'error' or 'drop', not {outside!r}")


def place(
    regions: Regions, contigs: Mapping[str, int], outside: str
) -> tuple[Regions, dict[str, int], NDArray[np.int64]]:
    """`locate`, with the rows that were kept as a third value, int64 (kept,)."""
    check_outside(outside)
    index = map_contigs(regions.contigs, list(contigs))
    contig = index[regions.contig] if len(regions) else np.empty(0, np.int32)
    unknown = contig < 0
    length = np.array([*contigs.values(), 0], dtype=np.int64)
    past_end = ~unknown & (regions.end > length[contig])
    n_unknown, n_past_end = int(unknown.sum()), int(past_end.sum())
    if outside == "error" and 2 * (n_unknown + n_past_end) >= len(regions) > 0:
        source = regions.path or "the table"
        remedy = "use a genome of the same assembly"
        if n_unknown >= n_past_end:
            missing = [name for name, at in zip(regions.contigs, index, strict=True) if at < 0]
            reason = (
                f"{n_unknown} of {len(regions)} regions of {source} lie on contigs that the genome lacks: the regions "
                f"have {_examples(missing)}, the genome has {_examples(contigs)}"
            )
            twin = _twin(missing, contigs)
            if twin is not None:
                remedy = (
                    f"{twin[0]!r} here is probably {twin[1]!r} there: rename the contigs of one of the files, use a "
                    "genome with the same names"
                )
        else:
            row = int(np.argmax(past_end))
            name = regions.contigs[regions.contig[row]]
            reason = (
                f"{n_past_end} of {len(regions)} regions of {source} reach past the end of their contig: "
                f"{name}:{regions.start[row]}-{regions.end[row]} for one, where the genome's {name} has "
                f"{contigs[name]} bases"
            )
        raise ValueError(f'{reason}; {remedy}, or drop such regions with --outside drop (outside="drop")')
    rows = np.flatnonzero(~unknown & ~past_end)
    kept = replace(regions[rows], contigs=tuple(contigs), contig=contig[rows])
    counts = {"read": len(regions), "unknown_contig": n_unknown, "past_end": n_past_end, "kept": len(kept)}
    return kept, counts, rows


def _twin(names: Iterable[str], contigs: Mapping[str, int]) -> tuple[str, str] | None:
    """The first name that is a contig's but for a "chr" in front, and that contig."""
    for name in names:
        bare = name.removeprefix("chr")
        # UCSC's chrM is MT elsewhere.
        for other in (bare, f"chr{name}", *(("MT",) if bare == "M" else ("chrM",) if bare == "MT" else ())):
            if other != name and other in contigs:
                return name, other
    return None


def _examples(names: Iterable[str], shown: int = 3) -> str:
    every = list(names)
    more = len(every) - shown
    return ", ".join(map(repr, every[:shown])) + (f" and {more} more" if more > 0 else "")
