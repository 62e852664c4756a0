"""From the options to the workload: the same steps that a bench of networks takes, up to the table of windows."""

from __future__ import annotations

import gzip
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dnafast.bench.data_path.workload import Workload, cached_in
from dnafast.bench.dataset import Flow, unique_names
from dnafast.bench.from_peaks import DEFAULT_LENGTH, read_excluded, used_contigs
from dnafast.bench.options import BenchOptions
from dnafast.encoding import BaseCodes
from dnafast.genome import Genome
from dnafast.negatives import sample_negatives
from dnafast.records import checksum, write_text
from dnafast.regions import Regions, read_bed
from dnafast.regions.placing import place
from dnafast.sequences import SequenceTable, read_fasta
from dnafast.synthetic import fasta_text, narrowpeak_text, simulate_genome
from dnafast.windowing import Windows, windows

_SEED = 1
_SIMULATED_SITES, _QUICK_SITES = 5_800, 120  # open regions: 25 million bases, or half a million
_MOST_WINDOWS, _MOST_QUICK_WINDOWS = 20_000, 1_000
MOST_IN_MEMORY = 500_000_000
"""Bases of the largest genome of which letters are kept, inflated in a file or in memory."""
_BATCH, _BATCH_BYTES = 256, 64 << 20


@dataclass(frozen=True)
class Prepared:
    """A workload, and what the report says about it."""

    workload: Workload
    name: str
    facts: dict[str, str]
    notes: tuple[str, ...]
    checksum: str


def prepare(options: BenchOptions, folder: Path) -> Prepared:
    """Read the data and write the workload into a folder.

    Raises:
        ValueError, OSError: a user's mistake, in one sentence.
    """
    if options.positives and options.negatives:
        return _sequences(options, options.positives, options.negatives, folder)
    if options.fasta:
        return _genome(options, options.fasta, folder)
    made = simulate_genome(
        _SEED, n_positives=_QUICK_SITES if options.quick else _SIMULATED_SITES, length=DEFAULT_LENGTH
    )
    longest = min(map(len, made.contigs.values())) // 10
    if options.length is not None and options.length > longest:
        raise ValueError(f"--length {options.length} is too long for simulated data: at most {longest}")
    fasta, peaks = folder / "simulated.fa", folder / "simulated.narrowPeak"
    write_text(fasta, fasta_text(made.contigs))
    write_text(peaks, narrowpeak_text(made.peaks))
    return _genome(options, fasta, folder, (peaks,))


def _genome(options: BenchOptions, fasta: Path, folder: Path, peaks: tuple[Path, ...] = ()) -> Prepared:
    peaks = peaks or tuple(path for _, path in unique_names(options.peaks))
    with cached_in(folder / "cache"):
        genome = Genome(fasta, threads=options.threads)
    columns = options.columns if options.columns == "auto" else int(options.columns)
    tables = [read_bed(path, columns=columns) for path in peaks]
    regions = tables[0] if len(tables) == 1 else Regions.concatenate(tables)
    contigs, excluded = used_contigs(options, genome), read_excluded(options.exclude, genome, Flow())
    length = options.length or DEFAULT_LENGTH
    opened = windows(
        regions,
        length,
        genome,
        max_n=options.max_n,
        outside=options.outside,
        exclude=excluded,
        contigs=contigs,
    )
    barred = [regions, *([excluded] if excluded is not None else [])]
    with warnings.catch_warnings():
        # What the genome could not supply is told in the facts.
        warnings.filterwarnings("ignore", category=UserWarning, module="dnafast")
        closed = sample_negatives(
            genome, opened, method=options.sample, ratio=options.ratio, exclude=barred, max_n=options.max_n,
            threads=options.threads,
        )  # fmt: skip
    located, _, source = place(regions, genome.contigs, options.outside)
    on_used = np.isin(np.array(located.contigs, dtype=object), contigs)[located.contig]
    located, source = located[on_used], source[on_used]
    bases = sum(genome.contigs.values())
    plain, notes = _plain(fasta.absolute(), folder, bases)
    if len(peaks) > 1:
        notes.append("The regions of all peak files count as one table.")
    workload = Workload(
        folder=folder,
        genome=fasta.absolute(),
        plain_genome=plain,
        is_twobit=genome.report["iupac_as_n"] is None,  # a .2bit file does not tell
        peaks=tuple(path.absolute() for path in peaks),
        columns=options.columns,
        sequences=(),
        length=length,
        batch_size=options.batch_size or _fitting_batch(length),
        max_n=options.max_n,
        method=options.sample,
        ratio=options.ratio,
        bases=bases,
        kept_region=int(np.flatnonzero(source == opened.source[0])[0]),
        quick=options.quick,
    )
    used = _shuffled(options, Windows.concatenate([opened, closed]))
    workload.save()
    workload.save_regions(located)
    workload.save_windows("open", opened)
    workload.save_windows("used", used)
    names = ", ".join(path.name for path in peaks)
    flow = ", ".join(f"{step.replace('_', ' ')} {count:,}" for step, count in opened.flow.items() if count)
    facts = {
        "Genome": f"{fasta.name}: {workload.bases:,} bases, contigs: {len(genome.contigs):,}",
        "Peaks": f"{names} ({flow})",
        "Windows": f"{len(used):,} of {length:,} bases, in random order: "
        f"{len(opened):,} open and {len(closed):,} closed ones"
        + (f", of which {len(used):,} were drawn" if len(used) < len(opened) + len(closed) else ""),
    }
    codes = genome.encode(used, BaseCodes(), threads=options.threads)
    return Prepared(workload, f"{fasta.name} with {names}", facts, tuple(notes), checksum(codes, used.strand))


def _shuffled(options: BenchOptions, table: Windows) -> Windows:
    """The windows in random order, as batches take them; no more than are needed to tell the speed."""
    most = _MOST_QUICK_WINDOWS if options.quick else _MOST_WINDOWS
    return table[np.random.default_rng(_SEED).permutation(len(table))[:most]]


def _plain(fasta: Path, folder: Path, bases: int) -> tuple[Path, list[str]]:
    """The genome without compression, and what is to be said about it."""
    with fasta.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return fasta, []
    if bases > MOST_IN_MEMORY:
        return fasta, [
            "The FASTA is compressed: rivals inflate a block for every window, and would be faster on a plain copy."
        ]
    plain = folder / "plain" / fasta.name.removesuffix(".gz")
    plain.parent.mkdir()
    with gzip.open(fasta) as packed, plain.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked, 1 << 20)
    return plain, ["The FASTA is compressed: rivals fetch windows from a plain copy, which suits them better."]


def _sequences(options: BenchOptions, positives: Path, negatives: Path, folder: Path) -> Prepared:
    opened, closed = read_fasta(positives), read_fasta(negatives)
    table = SequenceTable.from_classes(opened, closed)
    letters = table.letters
    order = np.random.default_rng(_SEED).permutation(len(letters))
    used = letters[order[: _MOST_QUICK_WINDOWS if options.quick else _MOST_WINDOWS]]
    workload = Workload(
        folder=folder,
        genome=None,
        plain_genome=None,
        is_twobit=False,
        peaks=(),
        columns="auto",
        sequences=(positives.absolute(), negatives.absolute()),
        length=table.length,
        batch_size=options.batch_size or _fitting_batch(table.length),
        max_n=1.0,
        method="",
        ratio=0.0,
        bases=letters.size,
        kept_region=0,
        quick=options.quick,
    )
    workload.save()
    workload.save_letters(used)
    facts = {
        "Sequences": f"{positives.name}: {len(opened):,}; {negatives.name}: {len(closed):,}; "
        f"of {table.length:,} bases each",
        "Encoded": f"{len(used):,}, in random order, from memory",
    }
    return Prepared(workload, f"{positives.name} and {negatives.name}", facts, (), checksum(used))


def _fitting_batch(length: int) -> int:
    """Windows in a batch: fewer where they are long, so that a batch of floats stays small."""
    return max(1, min(_BATCH, _BATCH_BYTES // (16 * length)))
