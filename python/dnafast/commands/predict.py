"""``dnafast predict``: a trained network over a genome, its regions, or sequences."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro

from dnafast import threads
from dnafast.bench.options import check_arguments
from dnafast.commands.failure import USER_ERRORS, fail
from dnafast.genome import Genome
from dnafast.regions import Regions, default_contigs, merge, read_bed
from dnafast.regions.placing import place
from dnafast.regions.text import counted
from dnafast.tracks import Writer, file_format, open_writer
from dnafast.windowing import Windows, centres, chosen_contigs

if TYPE_CHECKING:
    # They load torch, which --help does without.
    from dnafast.predicting import Stretches
    from dnafast.saved import SavedModel


def _unset(default: str, metavar: str) -> Any:
    return tyro.conf.arg(help_behavior_hint=f"(default: {default})", metavar=metavar)


@dataclass(frozen=True)
class PredictOptions:
    """Predict with a network that 'dnafast train' or a bench has left.

    Over a genome (--fasta) in steps of --stride, at the regions of --bed, or for --sequences. A network that was
    trained on both strands gives the average of both.
    """

    run: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Folder of 'dnafast train', or of a network's run in a bench (runs/...)."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """Where predictions go: .tsv (contig, start, end, strand and a column of probabilities for each task), .bedGraph or
    .bw (bigWig; needs pyBigWig)."""
    fasta: Annotated[Path | None, _unset("none", "FILE")] = None
    """Genome: FASTA (plain, gzip or bgzip) or .2bit."""
    bed: Annotated[Path | None, _unset("none", "FILE")] = None
    """Regions of the genome: one window around the summit, or else the centre, of each, on its strand. With --stride:
    windows that lie in them, however many there are."""
    sequences: Annotated[Path | None, _unset("none", "FILE")] = None
    """FASTA with sequences in place of a genome, each at least as long as those of the training: the middle of each is
    read, or with --stride all windows that lie in it."""
    stride: Annotated[int | None, _unset("over a genome: the length of a window", "BASES")] = None
    """Bases from one window to the next. In a track each window stands for as many bases in its middle."""
    contigs: Annotated[
        tuple[str, ...], _unset("all but alternative, random, unplaced, decoy, M and Y", "NAME ...")
    ] = ()
    """Contigs of the genome to use."""
    outside: Literal["error", "drop"] = "error"
    """When half of the regions or more lie on contigs the genome lacks, or past an end: stop, or take what is left."""
    columns: Literal["auto", "3", "4", "5", "6"] = "auto"
    """Columns of the regions to read; 3 for BED files whose later columns mean something else."""
    max_n: float = 0.0
    """Largest share of N in a window of the genome that is laid by steps; others are left out."""
    strand: Literal["forward", "reverse", "both"] = "forward"
    """Strand that windows are read on where the network is stranded and no --bed says it; both gives two rows."""
    prior: Annotated[float | None, _unset("as in training", "SHARE")] = None
    """True share of positives where the network is used: probabilities are corrected for it (Saerens et al. 2002)."""
    task: Annotated[str | None, _unset("all", "NAME")] = None
    """Task to write; a track of a network with several tasks needs one."""
    batch_size: int = 256
    """Windows in a batch."""
    device: Annotated[str, tyro.conf.arg(metavar="auto|cpu|cuda|cuda:N")] = "auto"
    """Where the network runs; auto takes the first GPU where there is one."""
    threads: Annotated[int | None, _unset("all this process may use", "N")] = None
    """Processors to use."""


def main(arguments: list[str], program: str = "dnafast predict") -> int:
    """Predict.

    Returns:
        0 where the file was written; 2 for unusable input, with one sentence on standard error and nothing written; 130
        after Ctrl-C.
    """
    options = tyro.cli(Annotated[PredictOptions, tyro.conf.FlagCreatePairsOff], args=arguments, prog=program)
    try:
        check_arguments(arguments)
        check(options)
        for line in predict(options):
            print(line)
    except USER_ERRORS as error:
        return fail(error)
    except KeyboardInterrupt:
        print("\ndnafast: stopped; nothing was written.", file=sys.stderr)
        return 130
    return 0


def check(options: PredictOptions) -> None:
    """Refuse combinations that mean nothing.

    Raises:
        ValueError: one sentence that names the option, its value and what would be right.
    """
    if (options.fasta is None) == (options.sequences is None):
        raise ValueError("give either --fasta GENOME.fa or --sequences FILE.fa: where are the bases?")
    if options.bed and options.sequences:
        raise ValueError("--bed lies on a genome: it goes with --fasta, not with --sequences")
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    idle = {
        "without --bed": () if options.bed else ("outside", "columns"),
        "with --sequences": ("contigs", "max_n") if options.sequences else (),
        "with --bed unless there is --stride": ("max_n", "strand") if options.bed and not options.stride else (),
    }
    for what, names in idle.items():
        for name in names:
            if getattr(options, name) != defaults[name]:
                raise ValueError(f"--{name.replace('_', '-')} has no effect {what}: leave it out")
    for name in ("stride", "batch_size", "threads"):
        value = getattr(options, name)
        if value is not None and not 1 <= value <= _MOST:
            raise ValueError(f"--{name.replace('_', '-')} {value} must be at least 1 and at most {_MOST}")
    if not 0 <= options.max_n <= 1:
        raise ValueError(f"--max-n {options.max_n} must lie between 0 and 1")
    if options.prior is not None and not 0 < options.prior < 1:
        raise ValueError(f"--prior {options.prior} must lie between 0 and 1: the true share of positives")
    for name in ("fasta", "bed", "sequences"):
        path = getattr(options, name)
        if path is not None and path.resolve() == options.out.resolve():
            raise ValueError(f"--out {options.out} is the file of --{name}: choose another")
    if options.strand == "both" and file_format(options.out) != "tsv":
        raise ValueError(f"--strand both gives two values for each place, and {options.out} holds one: write .tsv")


_MOST = 2**31 - 1


@dataclass(frozen=True)
class Plan:
    """Windows to score, and how they stand in a track.

    Attributes:
        pieces: the windows, piece by piece.
        n: how many there are.
        width: bases in the middle of a window that it stands for in a track.
        max_n: largest share of N; 1 for any.
        notes: what was left out, in words.
    """

    pieces: Iterator[Windows]
    n: int
    width: int
    max_n: float
    notes: tuple[str, ...] = ()


def predict(options: PredictOptions) -> list[str]:
    """Write the file; returns what was done, in lines.

    Raises:
        ValueError, OSError: a user's mistake, in one sentence.
    """
    # After the options have been read, so that --help answers at once.
    import torch

    from dnafast.device import named_device
    from dnafast.predicting import logits, probabilities, shift
    from dnafast.saved import SavedModel

    kind = file_format(options.out)
    saved = SavedModel.load(options.run)
    tasks = _tasks(options, saved)
    if options.prior is not None:
        shift(saved.prevalence, options.prior)
    if options.strand != "forward" and not saved.stranded:
        raise ValueError(f"--strand {options.strand} has no effect: the network of {options.run} reads both strands")
    device = named_device(options.device)
    data_threads, torch_threads = threads.shares(options.threads)
    torch.set_num_threads(torch_threads)
    network = saved.network(options.run).to(device)
    genome = Genome(options.fasta or options.sequences or "", threads=options.threads)
    plan = _plan(options, saved, genome, sorted_and_apart=kind != "tsv")
    if not plan.n:
        raise ValueError(f"there is no window of {saved.length} bases to score{_because(plan.notes)}")
    columns = [saved.tasks.index(task) for task in tasks]
    thresholds = _moved_thresholds(saved, options.prior)[columns]
    called = np.zeros(len(columns), dtype=np.int64)
    written = 0
    with open_writer(options.out, tasks, genome.contigs) as writer, _progress(plan.n) as advance:
        for piece in plan.pieces:
            kept = _known(piece, genome, plan.max_n)
            if len(kept):
                scores = logits(
                    network,
                    genome,
                    kept,
                    network.config.encoding,
                    stranded=saved.stranded,
                    batch_size=options.batch_size,
                    device=device,
                    threads=data_threads,
                )
                values = probabilities(scores, saved.prevalence, options.prior)[:, columns]
                _write(writer, kept, values, genome, plan.width if kind != "tsv" else saved.length, saved.stranded)
                called += (values >= thresholds).sum(axis=0)
                written += len(kept)
            advance(len(piece))
        if not written:
            raise ValueError(
                f"every window of {saved.length} bases holds more N than --max-n {options.max_n}: nothing was written"
            )
    return _summary(options, plan, tasks, thresholds, called, written)


def _tasks(options: PredictOptions, saved: SavedModel) -> tuple[str, ...]:
    if options.task is None:
        return saved.tasks
    if options.task not in saved.tasks:
        raise ValueError(f"--task {options.task!r} is none of the network's: {', '.join(saved.tasks)}")
    return (options.task,)


def _plan(options: PredictOptions, saved: SavedModel, genome: Genome, sorted_and_apart: bool) -> Plan:
    """What is scored.

    Raises:
        ValueError: contigs or regions that the genome lacks, sequences shorter than the network's, or windows that a
            track cannot hold.
    """
    from dnafast.predicting import slices

    if options.bed and not options.stride:
        windows, notes = _around_regions(options, saved, genome)
        if sorted_and_apart:
            windows = _sorted_and_apart(windows, genome, options.out)
        return Plan(slices(windows), len(windows), saved.length, 1.0, notes)
    stretches, notes = _stretches(options, saved, genome)
    width = min(stretches.stride, saved.length)
    is_sequences = options.sequences is not None
    if is_sequences and not options.stride:
        width = saved.length
    pieces = stretches.pieces()
    if saved.stranded:
        pieces = _on_strands(pieces, options.strand)
    n = len(stretches) * (2 if options.strand == "both" else 1)
    return Plan(pieces, n, width, 1.0 if is_sequences else options.max_n, notes)


def _around_regions(options: PredictOptions, saved: SavedModel, genome: Genome) -> tuple[Windows, tuple[str, ...]]:
    """One window for each region, in their order; beyond a contig's end they read N."""
    assert options.bed is not None, "asked only with --bed"
    regions = read_bed(options.bed, columns=options.columns if options.columns == "auto" else int(options.columns))
    located, counts, source = place(regions, genome.contigs, options.outside)
    located, kept = _on_contigs(options, genome, located)
    source = source[kept]
    notes = (*_outside(counts), *_left_out(int((~kept).sum()), "region", "on other contigs"))
    centre, _ = centres(located, "summit")
    strand = located.strand if saved.stranded else np.zeros(len(located), dtype=np.int8)
    table = Windows(located.contigs, located.contig, centre - saved.length // 2, strand, saved.length, source)
    return table, notes


def _stretches(options: PredictOptions, saved: SavedModel, genome: Genome) -> tuple[Stretches, tuple[str, ...]]:
    """Windows by steps: over sequences, regions or contigs."""
    from dnafast.predicting import Stretches

    names, sizes = tuple(genome.contigs), np.array(list(genome.contigs.values()), dtype=np.int64)
    length, stride = saved.length, options.stride or saved.length
    every = np.arange(len(names), dtype=np.int32)
    if options.sequences:
        short = np.flatnonzero(sizes < length)
        if len(short):
            raise ValueError(
                f"{options.sequences}: {names[short[0]]} has {sizes[short[0]]} bases, but the network takes {length} "
                f"({len(short):,} of {len(names):,} sequences are too short)"
            )
        if options.stride:
            return Stretches(names, every, np.zeros_like(sizes), sizes, length, stride), ()
        begin = (sizes - length) // 2
        return Stretches(names, every, begin, begin + length, length, length), ()
    if options.bed:
        regions = read_bed(options.bed, columns=options.columns if options.columns == "auto" else int(options.columns))
        located, counts, _ = place(regions, genome.contigs, options.outside)
        located, kept = _on_contigs(options, genome, located)
        covered = merge(located)
        notes = (*_outside(counts), *_left_out(int((~kept).sum()), "region", "on other contigs"))
        n_short = int((covered.end - covered.start < length).sum())
        notes = (*notes, *_left_out(n_short, "stretch", f"shorter than {length} bases"))
        return Stretches(names, covered.contig, covered.start, covered.end, length, stride), notes
    used = every[chosen_contigs(list(options.contigs) or default_contigs(names) or names, genome.contigs)]
    notes = _left_out(int((sizes[used] < length).sum()), "contig", f"shorter than {length} bases")
    return Stretches(names, used, np.zeros(len(used), dtype=np.int64), sizes[used], length, stride), notes


def _on_contigs(options: PredictOptions, genome: Genome, located: Regions) -> tuple[Regions, Any]:
    """Regions on the contigs that are asked for, and which these are, bool (N,)."""
    kept = np.ones(len(located), dtype=np.bool_)
    if options.contigs:
        kept = chosen_contigs(options.contigs, genome.contigs)[located.contig]
    return located[kept], kept


def _outside(counts: dict[str, int]) -> tuple[str, ...]:
    return _left_out(counts["unknown_contig"] + counts["past_end"], "region", "not on the genome")


def _left_out(count: int, noun: str, why: str) -> tuple[str, ...]:
    """What was left out in words, nothing where nothing was."""
    several = "es" if noun.endswith("ch") else "s"
    return (f"{count:,} {noun}{several if count != 1 else ''} {why} left out",) if count else ()


def _on_strands(pieces: Iterator[Windows], strand: str) -> Iterator[Windows]:
    """The same windows on the strand that is asked for, or one after the other on both."""
    signs = {"forward": [1], "reverse": [-1], "both": [1, -1]}[strand]
    for piece in pieces:
        rows = np.repeat(np.arange(len(piece)), len(signs))
        yield replace(piece[rows], strand=np.tile(np.array(signs, dtype=np.int8), len(piece)))


def _sorted_and_apart(windows: Windows, genome: Genome, out: Path) -> Windows:
    """Windows in the order of the genome.

    Raises:
        ValueError: two overlap, of which a track can hold one.
    """
    windows = windows[np.lexsort((windows.start, windows.contig))]
    sizes = np.array(list(genome.contigs.values()), dtype=np.int64)
    start, end = np.maximum(windows.start, 0), np.minimum(windows.end, sizes[windows.contig])
    overlap = (windows.contig[1:] == windows.contig[:-1]) & (start[1:] < end[:-1])
    if overlap.any():
        row = int(np.argmax(overlap)) + 1
        place_of_it = f"{windows.contigs[windows.contig[row]]}:{start[row]}-{end[row]}"
        raise ValueError(
            f"{int(overlap.sum()):,} windows around the regions overlap the one before ({place_of_it}), and {out} "
            "holds one value for each base: write .tsv, or give --stride"
        )
    return windows


def _known(windows: Windows, genome: Genome, max_n: float) -> Windows:
    """Those with at most so large a share of N."""
    if max_n >= 1:
        return windows
    unknown = genome.composition(windows)[:, 1]
    return windows[np.flatnonzero(unknown <= max_n * windows.length)]


def _write(writer: Writer, windows: Windows, values: Any, genome: Genome, width: int, stranded: bool) -> None:
    """Hand windows to the writer, as far as they lie on their contigs."""
    names = np.array(windows.contigs, dtype=object)[windows.contig]
    sizes = np.array(list(genome.contigs.values()), dtype=np.int64)[windows.contig]
    start = windows.start + (windows.length - width) // 2
    # An unstranded region is read forward by a stranded network.
    strand = np.where(windows.strand == 0, 1, windows.strand) if stranded else np.zeros_like(windows.strand)
    writer.write(names.tolist(), np.maximum(start, 0), np.minimum(start + width, sizes), strand, values)


def _moved_thresholds(saved: SavedModel, prior: float | None) -> Any:
    """Thresholds (T,) where probabilities are corrected: the same windows are called."""
    from dnafast.predicting import probabilities

    thresholds = np.array(saved.thresholds)
    if prior is None:
        return thresholds
    with np.errstate(divide="ignore"):
        scores = np.log(thresholds) - np.log1p(-thresholds)
    return probabilities(scores[None], saved.prevalence, prior)[0]


def _summary(
    options: PredictOptions, plan: Plan, tasks: Sequence[str], thresholds: Any, called: Any, written: int
) -> list[str]:
    notes = list(plan.notes)
    if written < plan.n:
        notes.append(f"{plan.n - written:,} hold more N than --max-n {options.max_n:g}")
    lines = [f"{options.out}: {counted(written, 'window')}{_because(notes)}"]
    for task, threshold, count in zip(tasks, thresholds.tolist(), called.tolist(), strict=True):
        lines.append(f"  {task}: {count:,} at or above the threshold {threshold:.4g} of the validation part")
    return lines


def _because(notes: Sequence[str]) -> str:
    return f" ({'; '.join(notes)})" if notes else ""


class _progress:
    """A bar on a terminal, nothing elsewhere; gives the function that moves it."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("windows", total=total)

    def __enter__(self) -> Any:
        self._bar.start()
        return lambda count: self._bar.advance(self._task, count)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
