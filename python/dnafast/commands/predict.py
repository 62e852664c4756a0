"""``dnafast predict``: a trained network over a genome, its regions, or sequences."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro

from dnafast import threads
from dnafast.bench.failure import carry_out
from dnafast.bench.options import check_arguments, unset
from dnafast.commands.predict_windows import Plan, plan_of
from dnafast.genome import Genome
from dnafast.records import check_writable_file
from dnafast.regions.text import counted
from dnafast.tracks import Writer, file_format, open_writer
from dnafast.windowing import Windows

if TYPE_CHECKING:
    # They load torch, which --help does without.
    from dnafast.saved import SavedModel


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
    fasta: Annotated[Path | None, unset("none", "FILE")] = None
    """Genome: FASTA (plain, gzip or bgzip) or .2bit."""
    bed: Annotated[Path | None, unset("none", "FILE")] = None
    """Regions of the genome: one window, as long as those of the training, around the summit, or else the centre, of
    each, on its strand; a row holds the place of the window, not of the region. With --stride: windows that lie in
    them, however many there are."""
    sequences: Annotated[Path | None, unset("none", "FILE")] = None
    """FASTA with sequences in place of a genome, each at least as long as those of the training: the middle of each is
    read, or with --stride all windows that lie in it."""
    stride: Annotated[int | None, unset("over a genome: the length of a window", "BASES")] = None
    """Bases from one window to the next. In a track each window stands for as many bases in its middle."""
    contigs: Annotated[tuple[str, ...], unset("all but alternative, random, unplaced, decoy, M and Y", "NAME ...")] = ()
    """Contigs of the genome to use."""
    outside: Literal["error", "drop"] = "error"
    """When half of the regions or more lie on contigs the genome lacks, or past an end: stop, or take what is left."""
    columns: Literal["auto", "3", "4", "5", "6"] = "auto"
    """Columns of the regions to read; 3 for BED files whose later columns mean something else."""
    max_n: float = 0.0
    """Largest share of N in a window of the genome that is laid by steps; others are left out."""
    strand: Literal["forward", "reverse", "both"] = "forward"
    """Strand that windows are read on where the network is stranded and no --bed says it; both gives two rows."""
    prior: Annotated[float | None, unset("as in training", "SHARE")] = None
    """True share of positives where the network is used: probabilities are corrected for it (Saerens et al. 2002), and
    the threshold with them, so that the same windows are called."""
    task: Annotated[str | None, unset("all", "NAME")] = None
    """Task to write; a track of a network with several tasks needs one."""
    batch_size: int = 256
    """Windows in a batch."""
    device: Annotated[str, tyro.conf.arg(metavar="auto|cpu|cuda|cuda:N")] = "auto"
    """Where the network runs; auto takes the first GPU where there is one."""
    threads: Annotated[int | None, unset("all this process may use", "N")] = None
    """Processors to use."""


def main(arguments: list[str], program: str = "dnafast predict") -> int:
    """Predict.

    Returns:
        0 where the file was written; 2 for unusable input, with one sentence on standard error and nothing written; 130
        after Ctrl-C.
    """
    options = tyro.cli(Annotated[PredictOptions, tyro.conf.FlagCreatePairsOff], args=arguments, prog=program)

    def work() -> list[str]:
        check_arguments(arguments)
        check(options)
        return predict(options)

    return carry_out(work)


def check(options: PredictOptions) -> None:
    """Refuse combinations that mean nothing.

    Raises:
        ValueError, OSError: one sentence that names the option, its value and what would be right.
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
    check_writable_file(options.out)


_MOST = 2**31 - 1


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
    plan = plan_of(options, saved, genome, sorted_and_apart=kind != "tsv")
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
    chosen = np.array(saved.thresholds)[columns]
    return _summary(options, plan, tasks, chosen, thresholds, called, written)


def _tasks(options: PredictOptions, saved: SavedModel) -> tuple[str, ...]:
    if options.task is None:
        return saved.tasks
    if options.task not in saved.tasks:
        raise ValueError(f"--task {options.task!r} is none of the network's: {', '.join(saved.tasks)}")
    return (options.task,)


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
    options: PredictOptions, plan: Plan, tasks: Sequence[str], chosen: Any, thresholds: Any, called: Any, written: int
) -> list[str]:
    """What was done, in lines; `chosen` are the thresholds (T,) of the validation part, `thresholds` those applied."""
    notes = list(plan.notes)
    if written < plan.n:
        notes.append(f"{plan.n - written:,} hold more N than --max-n {options.max_n:g}")
    lines = [f"{options.out}: {counted(written, 'window')}{_because(notes)}"]
    for task, first, moved, count in zip(tasks, chosen.tolist(), thresholds.tolist(), called.tolist(), strict=True):
        where = f"the threshold {first:.4g} of the validation part"
        if options.prior is not None:
            where = f"{moved:.4g}, to which --prior {options.prior:g} moves {where} (the same windows are called)"
        lines.append(f"  {task}: {count:,} at or above {where}")
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
