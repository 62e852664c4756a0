"""The options of ``python -m dnafast.bench``: flag, help text and default are one thing, written here once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from dnafast.threads import resolve_threads, usable_cpus


def unset(default: str, metavar: str) -> Any:
    """Help for an option whose default depends: what happens without it, and what to write for its value."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {default})", metavar=metavar)


@dataclass(frozen=True)
class BenchOptions:
    """Compare recurrent and convolutional networks on DNA: how good is each, and what does it cost?

    Without data options: a demonstration on simulated data (a genome with open regions, and promoters), nothing to
    download. With --fasta and --peaks, with --positives and --negatives, or with --table: your own data. The result
    is a folder with report.html, summary.md, runs.csv and every score.
    """

    # -- your data ---------------------------------------------------------------------------------------------------
    fasta: Annotated[Path | None, unset("none", "FILE")] = None
    """Genome: FASTA (plain, gzip or bgzip) or .2bit. Goes with --peaks, or with --table of windows."""
    peaks: Annotated[tuple[str, ...], unset("none", "[NAME=]FILE ...")] = ()
    """Peak files (narrowPeak, broadPeak or BED; plain or gzip). Several files are several tasks of one network."""
    pool: bool = False
    """Take the peak files as one task (replicates) instead of one task a file: of peaks closer than half a window, the
    strongest keeps its window."""
    positives: Annotated[Path | None, unset("none", "FILE")] = None
    """FASTA with the sequences of class 1, all of one length. Goes with --negatives."""
    negatives: Annotated[Path | None, unset("none", "FILE")] = None
    """FASTA with the sequences of class 0, as long as those of class 1."""
    table: Annotated[Path | None, unset("none", "FILE")] = None
    """CSV or TSV with columns sequence, label and, optionally, split; with --fasta, a dataset.bed.gz of a bench."""

    # -- from peaks to windows ---------------------------------------------------------------------------------------
    length: Annotated[int | None, unset("600; networks on simulated data: 120", "BASES")] = None
    """Length of the windows around the summits."""
    sample: Literal["gc", "random"] = "gc"
    """How closed windows are drawn: gc matches the GC distribution of the open ones, random takes any."""
    ratio: float = 1.0
    """Closed windows for each open one, in training, validation and test alike."""
    exclude: Annotated[tuple[Path, ...], unset("none", "FILE ...")] = ()
    """BED files of regions to keep out of both classes, such as the ENCODE blacklist."""
    contigs: Annotated[tuple[str, ...], unset("all but alternative, random, unplaced, decoy, M and Y", "NAME ...")] = ()
    """Contigs to use."""
    outside: Literal["error", "drop"] = "error"
    """When half of a peak file or more lies on contigs the genome lacks, or past an end: stop, or take what is left."""
    columns: Literal["auto", "3", "4", "5", "6"] = "auto"
    """Columns of the peak files to read; 3 for BED files whose later columns mean something else."""
    max_n: float = 0.0
    """Largest share of N in a window."""

    # -- split -------------------------------------------------------------------------------------------------------
    test: Annotated[tuple[str, ...], unset("the last fifth of the positives", "PLACE ...")] = ()
    """Test part: contigs, or stretches such as chr1:120000000-."""
    valid: Annotated[tuple[str, ...], unset("a tenth of the positives", "PLACE ...")] = ()
    """Validation part, likewise."""
    folds: Annotated[int | None, unset("one split", "K")] = None
    """K test parts in turn, each trained and scored anew: contigs, stretches, or groups of sequences that share words,
    with about equally many positives in each. The fold after the test part is for validation."""
    test_on: Annotated[
        tuple[Literal["matched", "genome"], ...], tyro.conf.arg(help_behavior_hint="(default: matched genome)")
    ] = ("matched", "genome")
    """What the test part is: matched takes its open windows and as many closed ones (--ratio); genome takes tiles of
    all of its stretches besides, at their natural prevalence (at most 20,000 of them, at random)."""
    strand: Literal["auto", "stranded", "unstranded"] = "auto"
    """Unstranded: trained on both strands, answers averaged. auto: stranded where every window has a strand."""

    # -- what is compared, and how long ------------------------------------------------------------------------------
    only: Annotated[Literal["data"] | None, unset("everything", "data")] = None
    """data: train nothing; measure how fast the data path is on this machine, beside numpy, pysam and pyfaidx."""
    probe: bool = False
    """Instead of a comparison: why do recurrent networks fail? Takes PromoterLSTM apart on the given sequences of two
    classes, or on simulated promoters; follows gradients back; plants motifs. About an hour on two quiet processors,
    with as many runs at a time as --threads, each in one. Stopped and started again, it goes on."""
    models: Annotated[tuple[str, ...], unset("all", "NAME[[OPTION=VALUE,...]][:IMPLEMENTATION] ...")] = ()
    """What to compare. Networks: rnn, lstm, gru, birnn, bilstm, bigru, kmer_rnn, deepbind, kmer_cnn, multiscale_cnn,
    deepsea, basset, danq, promoter_lstm, swap. Floors: gc_logistic, kmer_logistic, onehot_logistic. deepbind means both
    of its implementations; deepbind:torch and deepbind:native choose one. Options of a network stand in brackets:
    'promoter_lstm[use_cnn=false,pooling_strategy=last]', 'kmer_cnn[embedding=vectors.txt]' (see dnafast pretrain). A
    network of your own is FILE.py:CLASS (see dnafast check)."""
    scores: Annotated[tuple[str, ...], unset("none", "NAME=FILE ...")] = ()
    """Predictions of other tools for the same test part: a table with contig, start, end (or sequence) and score."""
    seeds: Annotated[tuple[int, ...], unset("1", "N ...")] = (1,)
    """How many seeds (one number), or the very seeds (two or more numbers)."""
    epochs: Annotated[int | None, unset("30; simulated data: 240 steps", "N")] = None
    """Longest training, in passes over the training part; early stopping may end it sooner."""
    recipe: Literal["equal", "published"] = "equal"
    """equal: all networks are trained alike; published: each with the optimiser, rate and batch size of its paper."""
    tune: Annotated[int, tyro.conf.arg(metavar="N")] = 3
    """Learning rates that are tried for every network, a short run each, judged on the validation part: 0.0003, 0.001
    and 0.003 with 3; 0 takes that of --learning-rate, or the recipe's."""
    pretrain: Annotated[Literal["train", "genome"] | None, unset("random starts alone", "train|genome")] = None
    """Learn vectors of k-mers without labels (skip-gram, as dna2vec), from all training windows, whatever --train-sizes
    says, or from the contigs of --fasta that are used, the test part included, and compare each network over k-mers
    that starts from them with the one that starts at random."""
    match: Annotated[Literal["params", "flops"] | None, unset("widths as they are", "params|flops")] = None
    """Rescale the widths of all networks so that they meet at as many parameters, or operations a sequence: the median
    of those they have."""
    train_sizes: Annotated[tuple[int, ...], unset("none", "N ...")] = ()
    """Sizes of the training part to compare at besides all of it: how much data each network needs."""
    batch_size: Annotated[int | None, unset("64; simulated data: 48; --only data: 256", "N")] = None
    """Windows in a step."""
    learning_rate: Annotated[float | None, unset("found for each network, see --tune", "RATE")] = None
    """Largest learning rate of the schedule, for every network alike."""
    max_minutes: float = 60.0
    """Bound on the whole bench, kept by training on fewer windows where the estimate is longer; 0: no bound. Runs that
    are added to a folder are trained on as many windows as those in it: on them it is no bound."""
    max_train: Annotated[int | None, unset("all", "N")] = None
    """Most training windows; a random sample of the part, stated in the report."""
    quick: bool = False
    """Smoke test in about a minute: everything runs, and the figures mean nothing."""
    plan: bool = False
    """Prepare the data, time a few steps of every network, print the plan and stop."""

    # -- where and with what -----------------------------------------------------------------------------------------
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("dnafast-out")
    """Folder for the results. Finished runs found there are kept and only missing ones are done."""
    overwrite: bool = False
    """Replace the results of another bench in the folder."""
    device: Annotated[str, tyro.conf.arg(metavar="auto|cpu|cuda|cuda:N")] = "auto"
    """Where the networks run; auto takes the first GPU where there is one."""
    threads: Annotated[int | None, unset("all this process may use", "N")] = None
    """Processors to use."""
    processes: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """Runs at a time, each in a process of its own with its share of the processors. Quality is the same; times and
    throughput are then those of a machine that does other things as well."""

    @property
    def resolved_seeds(self) -> tuple[int, ...]:
        """The seeds themselves: 0, 1, … where only their number was given."""
        return tuple(range(self.seeds[0])) if len(self.seeds) == 1 else self.seeds

    @property
    def simulated(self) -> bool:
        """Whether no data were given, so that the demonstration's are simulated."""
        return not (self.fasta or self.peaks or self.positives or self.negatives or self.table)

    def as_json(self) -> dict[str, object]:
        """Plain values under the names of the flags, for config.json."""

        def plain(value: object) -> object:
            if isinstance(value, Path):
                return str(value)
            if isinstance(value, tuple):
                return [plain(item) for item in value]
            return value

        return {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}


DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(BenchOptions)}


def check(options: BenchOptions) -> None:
    """Refuse combinations that mean nothing.

    Raises:
        ValueError: one sentence that names the flag, its value and what would be right.
    """
    if options.peaks and not options.fasta:
        raise ValueError("--peaks needs the genome they lie on: add --fasta GENOME.fa")
    if options.fasta and not (options.peaks or options.table):
        raise ValueError(f"--fasta {options.fasta} needs --peaks FILE (or --table of windows): which regions are open?")
    if (options.positives is None) != (options.negatives is None):
        given, missing = ("--positives", "--negatives") if options.positives else ("--negatives", "--positives")
        raise ValueError(f"{given} needs {missing} as well: two FASTA files, one for each class")
    kinds = [
        name
        for name, given in (("--peaks", options.peaks), ("--positives", options.positives), ("--table", options.table))
        if given
    ]
    if options.probe:
        _check_probe(options)
    _check_that_options_apply(options)
    if len(kinds) > 1:
        raise ValueError(f"{' and '.join(kinds)} are different kinds of data: give one of them")
    if options.positives and options.fasta:
        raise ValueError("--fasta goes with --peaks or --table, not with --positives and --negatives")
    _check_numbers(options)
    if options.scores and options.simulated:
        raise ValueError(f"--scores {options.scores[0]} has no effect with simulated data: give the tool's own data")
    if not 1 <= options.processes <= resolve_threads(options.threads):
        raise ValueError(
            f"--processes {options.processes} must be at least 1 and at most {resolve_threads(options.threads)}, the "
            "processors that may be used"
        )
    if len(set(options.train_sizes)) < len(options.train_sizes) or min(options.train_sizes, default=2) < 2:
        raise ValueError(f"--train-sizes {' '.join(map(str, options.train_sizes))} must be distinct and 2 or more")
    if options.pretrain == "genome" and not options.fasta:
        raise ValueError("--pretrain genome needs a genome: add --fasta GENOME.fa, or learn from the training windows")
    for name in ("learning_rate", "tune", "batch_size"):
        if options.recipe == "published" and getattr(options, name) != DEFAULTS[name]:
            raise ValueError(f"--{name.replace('_', '-')} has no effect with --recipe published: leave it out")
    if options.learning_rate is not None and options.tune not in (0, DEFAULTS["tune"]):
        raise ValueError(f"--tune {options.tune} looks for the rate that --learning-rate {options.learning_rate} gives")
    if "matched" not in options.test_on:
        raise ValueError(f"--test-on {' '.join(options.test_on)} must hold matched: genome comes on top of it")
    if options.folds and (options.test or options.valid):
        given = "--test" if options.test else "--valid"
        raise ValueError(f"--folds {options.folds} chooses every part in turn: leave {given} out")
    if not options.seeds:
        raise ValueError("--seeds needs a number: how many seeds, or the very seeds")
    if len(options.seeds) == 1 and options.seeds[0] < 1:
        raise ValueError(f"--seeds {options.seeds[0]} must be at least 1: how many seeds")
    if len(options.seeds) == 1 and options.seeds[0] > _MOST_SEEDS:
        raise ValueError(
            f"--seeds {options.seeds[0]} would be that many runs of each network; give at most {_MOST_SEEDS}, or two "
            "or more numbers to name the very seeds"
        )
    if len(set(options.seeds)) != len(options.seeds) or min(options.seeds) < 0 or max(options.seeds) >= 2**63:
        raise ValueError(f"--seeds {' '.join(map(str, options.seeds))} must be distinct, not negative and below 2**63")


_MOST_SEEDS = 100
_MOST_RATES = 7
_MOST_THREADS = 1024
# The least and the most that each can be. The most are far above any use: above them something overflows, or a slip of
# the finger fills the memory.
_BOUNDS = {
    "length": (1, 100_000_000),
    "folds": (3, 50),
    "epochs": (1, 1_000_000),
    "batch_size": (2, 1_000_000),
    "max_train": (2, 1_000_000_000_000),
    "threads": (1, _MOST_THREADS),
    "tune": (0, _MOST_RATES),
}


def _check_numbers(options: BenchOptions) -> None:
    """Refuse numbers that mean nothing, or that no machine can serve."""
    for name, (least, most) in _BOUNDS.items():
        value = getattr(options, name)
        flag = f"--{name.replace('_', '-')} {value}"
        if value is not None and value < least:
            raise ValueError(f"{flag} must be at least {least}")
        if value is not None and value > most:
            there = f" (this process may use {usable_cpus()} processors)" if name == "threads" else ""
            raise ValueError(f"{flag} must be at most {most}{there}")
    if not 0 < options.ratio <= _LARGEST_RATIO:
        raise ValueError(f"--ratio {options.ratio} must be above 0 and at most {_LARGEST_RATIO}")
    if not 0 <= options.max_n <= 1:
        raise ValueError(f"--max-n {options.max_n} must lie between 0 and 1")
    if not 0 <= options.max_minutes < math.inf:
        raise ValueError(f"--max-minutes {options.max_minutes} must be 0 (no bound) or more")
    if options.learning_rate is not None and not 0 < options.learning_rate < math.inf:
        raise ValueError(f"--learning-rate {options.learning_rate} must be above 0 and finite")


_LARGEST_RATIO = 1000
_OF_PEAKS = ("test_on", "pool", "length", "sample", "ratio", "exclude", "contigs", "outside", "columns", "max_n")
_OF_NETWORKS = (
    *("scores", "recipe", "tune", "pretrain", "match", "train_sizes", "processes", "pool", "test", "valid", "folds"),
    *("test_on", "strand", "models", "seeds", "epochs", "learning_rate", "max_minutes", "max_train", "plan", "device"),
)
# Options that would do nothing, by the kind of data.
_IDLE = {
    "--positives and --negatives": _OF_PEAKS,
    "--table": _OF_PEAKS,
    "--fasta and --table": (*_OF_PEAKS, "test", "valid", "folds"),
    "simulated data": (*(name for name in _OF_PEAKS if name not in ("length", "test_on")), "test", "valid", "strand"),
}
# Where nothing is trained, closed windows of simulated data are drawn as those of a genome are.
_DRAWN = ("sample", "ratio")


def _check_that_options_apply(options: BenchOptions) -> None:
    """Refuse options that would do nothing to the data at hand."""
    only_data = options.only == "data"
    if only_data:
        if options.table:
            raise ValueError(
                "--table has no effect with --only data, which takes --fasta and --peaks, --positives and --negatives, "
                "or no data: leave it out"
            )
        _refuse(options, _OF_NETWORKS, "--only data")
    if options.peaks:
        if len(options.peaks) == 1:
            _refuse(options, ("pool",), "one peak file")
        return
    kind = "simulated data"
    if options.positives:
        kind = "--positives and --negatives"
    elif options.table:
        kind = "--fasta and --table" if options.fasta else "--table"
    idle = _IDLE[kind]
    if only_data and options.simulated:
        idle = tuple(name for name in idle if name not in _DRAWN)
    _refuse(options, idle, kind)
    too_long = options.length is not None and options.length > _LONGEST_SIMULATED
    if options.simulated and not only_data and too_long:
        raise ValueError(f"--length {options.length} is too long for simulated data: at most {_LONGEST_SIMULATED}")


# What a probe takes of a command line; its sizes are a recipe of its own.
_OF_PROBES = ("probe", "positives", "negatives", "quick", "out", "overwrite", "threads")


def _check_probe(options: BenchOptions) -> None:
    """Refuse options that a probe has no use for."""
    _refuse(options, [name for name in DEFAULTS if name not in _OF_PROBES], "--probe")


def _refuse(options: BenchOptions, names: Sequence[str], what: str) -> None:
    """Raise for the first of these options that was given."""
    for name in names:
        if getattr(options, name) != DEFAULTS[name]:
            raise ValueError(f"--{name.replace('_', '-')} has no effect with {what}: leave it out")


_LONGEST_SIMULATED = 200
Command = Annotated[BenchOptions, tyro.conf.FlagCreatePairsOff]


def parse(arguments: list[str] | None = None, program: str = "python -m dnafast.bench") -> BenchOptions:
    """Options from a command line; ``--help`` and unknown flags end the process as argparse does (exit code 2)."""
    return tyro.cli(Command, args=arguments, prog=program)


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse what a command line says and `BenchOptions` cannot show any more.

    Raises:
        ValueError: an option given twice, of which the first would be lost; one without any value; or a value that is
            no UTF-8 text, as the results are that name it.
    """
    seen: set[str] = set()
    for argument, following in zip(arguments, [*arguments[1:], "--"], strict=True):
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode(errors="backslashreplace").decode()
            raise ValueError(f"'{shown}' is no UTF-8 text, and the results have to name it: rename it") from None
        if not argument.startswith("--"):
            continue
        flag, has_value, _ = argument.partition("=")
        flag = flag.replace("_", "-")
        field = next(
            (one for one in dataclasses.fields(BenchOptions) if f"--{one.name.replace('_', '-')}" == flag), None
        )
        if flag in seen:
            several = field is not None and isinstance(field.default, tuple)
            raise ValueError(
                f"{flag} is given twice: give it once{', with all its values after it' if several else ''}"
            )
        seen.add(flag)
        if field is not None and not isinstance(field.default, bool) and not has_value and following.startswith("--"):
            raise ValueError(f"{flag} has no value: give one after it, or leave {flag} out")
