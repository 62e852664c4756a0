"""``dnafast pretrain``: vectors of k-mers learnt from sequence without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from dnafast.bench.failure import carry_out
from dnafast.bench.options import check_arguments, unset
from dnafast.encoding import BaseCodes, encode
from dnafast.genome import Genome
from dnafast.pretrain import skip_gram
from dnafast.records import check_writable_file
from dnafast.regions import Regions, default_contigs, locate, merge, read_bed, whole_contigs
from dnafast.sequences import read_table
from dnafast.windowing import chosen_contigs


@dataclass(frozen=True)
class PretrainOptions:
    """Learn vectors of k-mers by skip-gram (word2vec, dna2vec), for 'kmer_cnn[embedding=FILE]' and 'kmer_rnn'.

    From a genome (--fasta), or from --sequences or the training part of a --table alone. Both strands are read, and
    the same seed gives the same file.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """Where the vectors go, in word2vec's text format."""
    fasta: Annotated[Path | None, unset("none", "FILE")] = None
    """Genome: FASTA (plain, gzip or bgzip) or .2bit."""
    contigs: Annotated[tuple[str, ...], unset("all but alternative, random, unplaced, decoy, M and Y", "NAME ...")] = ()
    """Contigs of the genome to read: leave out those of the test part, and nothing of it is seen."""
    bed: Annotated[Path | None, unset("all of the genome", "FILE")] = None
    """Regions of the genome to read, such as the training windows."""
    sequences: Annotated[Path | None, unset("none", "FILE")] = None
    """FASTA with sequences, of any lengths, in place of a genome."""
    table: Annotated[Path | None, unset("none", "FILE")] = None
    """CSV or TSV with columns sequence, label and, optionally, split: then those of train alone are read."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"], metavar="BASES")] = 6
    """Bases per word, at most 7."""
    dimensions: Annotated[int, tyro.conf.arg(metavar="N")] = 32
    """Numbers per word; those of 'embedding_dim' of the network that reads them."""
    window: Annotated[int, tyro.conf.arg(metavar="WORDS")] = 10
    """Farthest distance of a word and its context."""
    negative: Annotated[int, tyro.conf.arg(metavar="N")] = 5
    """Weight of the noise: the negatives for each pair of words."""
    epochs: Annotated[int, tyro.conf.arg(metavar="N")] = 300
    """Passes over the counted pairs of words."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Of the start."""
    threads: Annotated[int | None, unset("all this process may use", "N")] = None
    """Processors to use; they do not change the vectors."""


def main(arguments: list[str], program: str = "dnafast pretrain") -> int:
    """Learn vectors and write them.

    Returns:
        0 where the file was written; 2 for unusable input, with one sentence on standard error and nothing written; 130
        after Ctrl-C.
    """
    options = tyro.cli(PretrainOptions, args=arguments, prog=program)

    def work() -> list[str]:
        check_arguments(arguments)
        check(options)
        return [pretrain(options)]

    return carry_out(work)


def check(options: PretrainOptions) -> None:
    """Refuse combinations that mean nothing.

    Raises:
        ValueError, OSError: one sentence that names the option and what would be right.
    """
    sources = [name for name in ("fasta", "sequences", "table") if getattr(options, name)]
    if len(sources) != 1:
        given = " and ".join(f"--{name}" for name in sources)
        reason = f"{given} are different sources" if sources else "there is nothing to learn from"
        raise ValueError(f"{reason}: give one of --fasta GENOME, --sequences FILE and --table FILE")
    for name in ("contigs", "bed"):
        if getattr(options, name) and not options.fasta:
            raise ValueError(f"--{name} lies on a genome: it goes with --fasta, not with --{sources[0]}")
    for field in fields(options):
        path = getattr(options, field.name)
        if field.name != "out" and isinstance(path, Path) and path.resolve() == options.out.resolve():
            raise ValueError(f"--out {options.out} is the file of --{field.name}: choose another")
    check_writable_file(options.out)


def pretrain(options: PretrainOptions) -> str:
    """Learn vectors and write them; returns what was done, in a sentence.

    Raises:
        ValueError, OSError, MemoryError: unusable input, or no room.
    """
    source: Genome | NDArray[np.uint8]
    within: Regions | None = None
    if options.table:
        source, what = _training_rows(options.table)
    else:
        source = Genome(options.fasta or options.sequences or "", threads=options.threads)
        what = str(options.fasta or options.sequences)
        if options.fasta:
            within = _places(source, options.contigs, options.bed)
    vectors = skip_gram(
        source,
        options.k,
        within=within,
        dimensions=options.dimensions,
        window=options.window,
        negative=options.negative,
        epochs=options.epochs,
        seed=options.seed,
        threads=options.threads,
    )
    vectors.save(options.out)
    absent = int((~vectors.vectors.any(axis=1)).sum())
    note = f" ({absent:,} of them do not occur there and are zero)" if absent else ""
    return (
        f"{options.out}: {len(vectors.vectors):,} words of {options.k} bases, {options.dimensions} numbers each, from "
        f"both strands of {what}{note}"
    )


def _training_rows(path: Path) -> tuple[NDArray[np.uint8], str]:
    table = read_table(path)
    letters, what = table.letters, str(path)
    if table.split is not None:
        letters = letters[np.array([part == "train" for part in table.split])]
        what = f"the training part of {path}"
        if not len(letters):
            raise ValueError(f"{path}: no row has split train")
    codes: NDArray[np.uint8] = encode(letters, BaseCodes())
    return codes, what


def _places(genome: Genome, contigs: Sequence[str], bed: Path | None) -> Regions:
    """The stretches of a genome to read."""
    chosen_contigs(contigs, genome.contigs)  # refuses names that the genome lacks
    names = list(genome.contigs)
    chosen = whole_contigs(genome.contigs, contigs or default_contigs(names) or names)
    if bed is None:
        return chosen
    regions, _ = locate(read_bed(bed), genome.contigs)
    if contigs:
        regions = regions[np.isin(regions.contig, chosen.contig)]
    return merge(regions)
