"""The columns of the tables: what stands above each, how its figures are written and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dnafast.report import numbers


@dataclass(frozen=True)
class Column:
    """A column of ``runs.csv`` as the page shows it."""

    key: str
    heading: str
    unit: str
    meaning: str
    write: Callable[[float | None], str] = numbers.quality
    with_interval: bool = False


QUALITY = (
    Column(
        "auroc", "AUROC", "", "Area under the ROC curve: the chance that a positive sequence scores above a negative "
        "one. 0.5 is guessing, 1 is perfect; it does not depend on the share of positives.", with_interval=True,
    ),
    Column(
        "auprc", "AUPRC", "", "Area under the precision-recall curve (average precision). Guessing reaches the "
        "prevalence, so read the two together.", with_interval=True,
    ),
    Column("prevalence", "Prevalence", "", "Share of positives in the test part."),
    Column("mcc", "MCC", "", "Matthews correlation of prediction and label at the threshold chosen on the validation "
           "part; 0 is guessing."),
    Column("accuracy", "Accuracy", "", "Share of right predictions at that threshold. With few positives, always "
           "saying no scores high."),
    Column("log_loss", "Log loss", "", "Mean negative logarithm of the probability given to the true class; lower is "
           "better, 0.693 is a coin."),
    Column("ece", "ECE", "", "Expected calibration error: how far stated probabilities lie from observed shares; lower "
           "is better."),
)  # fmt: skip

COST = (
    Column("n_parameters", "Parameters", "", "Numbers that training sets.", numbers.scaled),
    Column("flops_per_sequence", "FLOPs", "per sequence", "Floating-point operations of one forward pass of one "
           "sequence, by formula.", numbers.scaled),
    Column("train_seconds", "Training", "s", "Wall time of the training, validation passes included.", numbers.amount),
    Column("predict_sequences_per_second", "Prediction", "sequences/s", "Throughput of the forward pass at the best of "
           "the batch sizes 1, 16, 64, 256 and 1024 (the largest only where there was time for it), with one of "
           "torch's threads or with those of the run, whichever is faster; linear models: both parts that are scored, "
           "encoding included.", numbers.amount),
    Column("latency_ms", "Latency", "ms", "Time for a batch of one sequence, a median, with one of torch's threads or "
           "with those of the run, whichever is faster.", numbers.amount),
    Column("peak_rss_bytes", "Peak memory", "MB", "Largest resident memory of the process during the run: "
           "Python, torch and the data included, which every run has alike (1 MB = 10⁶ bytes).", numbers.megabytes),
)  # fmt: skip

GENOME = (
    Column("genome_auprc", "AUPRC", "genome", "Average precision over the tiles of the whole test part, at their "
           "natural prevalence. Guessing reaches the prevalence."),
    Column("genome_prevalence", "Prevalence", "genome", "Share of open tiles among those that are open or closed."),
    Column("genome_recall_at_fdr_10", "Recall at 10 % FDR", "genome", "Largest share of the open tiles that can be "
           "called with at most 10 % of the calls wrong."),
    Column("genome_recall_at_fdr_50", "Recall at 50 % FDR", "genome", "The same with at most half of the calls wrong."),
    Column("genome_auroc", "AUROC", "genome", "Area under the ROC curve over the same tiles."),
    Column("genome_n", "Tiles", "", "Tiles of the test part that are open or closed in this task; one that a peak "
           "covers by less than half is neither and does not count.", numbers.count),
)  # fmt: skip

MEANS = (
    Column("auroc", "AUROC", "mean over tasks", "Mean over the tasks in which it is defined."),
    Column("auprc", "AUPRC", "mean over tasks", "Mean over the tasks in which it is defined."),
    Column("prevalence", "Prevalence", "mean over tasks", "Mean share of positives."),
    Column(
        "auroc_narrow",
        "AUROC, narrow sites",
        "mean over tasks",
        "Among sites that are open in at least one and at "
        "most a quarter of the tasks: those open in this task against those open in others. What tells cell types "
        "apart, and not open from closed.",
    ),
)

GPU = (
    Column("gpu_peak_bytes", "GPU memory", "MB", "Largest memory allocated on the GPU.", numbers.megabytes),
    Column("gpu_utilization", "GPU use", "", "Mean share of time in which the GPU was busy.", numbers.amount),
    Column("gpu_energy_joules", "GPU energy", "J", "Energy the GPU drew during the run.", numbers.amount),
)

MORE = (
    Column("balanced_accuracy", "Balanced accuracy", "", "Mean of sensitivity and specificity."),
    Column("f1", "F1", "", "Harmonic mean of precision and sensitivity at the threshold."),
    Column("sensitivity", "Sensitivity", "", "Share of positives found at the threshold (recall)."),
    Column("specificity", "Specificity", "", "Share of negatives left alone at the threshold."),
    Column("brier", "Brier", "", "Mean squared difference of probability and label; lower is better."),
    Column("threshold", "Threshold", "", "Probability above which a sequence is called positive: the highest MCC on "
           "the validation part."),
    Column("learning_rate", "Learning rate", "", "Largest step size of the optimiser, found by short runs on the "
           "validation part (--tune) or given.", numbers.amount),
    Column("tune_seconds", "Search", "s", "Wall time of the short runs that found the learning rate, once for all "
           "seeds.", numbers.amount),
    Column("best_epoch", "Best epoch", "", "The epoch whose weights were kept, chosen on the validation part.",
           numbers.amount),
    Column("epochs", "Epochs", "", "Epochs trained.", numbers.amount),
    Column("n_train", "Trained on", "sequences", "Windows or sequences in the training part.", numbers.count),
    Column("n_test", "Tested on", "sequences", "Windows or sequences in the test part with a label for this task.",
           numbers.count),
    Column("train_sequences_per_second", "Training rate", "sequences/s", "Sequences per second of training.",
           numbers.amount),
    Column("cpu_user_seconds", "CPU user", "s", "Processor time in the program, all threads together.", numbers.amount),
    Column("cpu_system_seconds", "CPU system", "s", "Processor time in the operating system.", numbers.amount),
    Column("data_wait_seconds", "Waited for data", "s", "Time in which the model stood still because the next batch "
           "was not ready.", numbers.amount),
    Column("mean_rss_bytes", "Mean memory", "MB", "Mean resident memory of the process during the run.",
           numbers.megabytes),
    Column("rss_rise_bytes", "Memory rise", "MB", "How far the peak rose above what was resident when the run began: "
           "what the run itself took.", numbers.megabytes),
    Column("threads", "Threads", "", "Processor threads the run was given.", numbers.count),
)  # fmt: skip

TERMS = (
    ("Interval", "95 % bootstrap interval over blocks of the genome (groups of sequences), of a thousand draws, or "
     "fewer (a hundred at least) where windows and tasks are many. With several seeds it runs from the lowest lower "
     "end to the highest upper end; with several folds, whose test parts are independent, the "
     "distances of their ends from their means are added as squares."),
    ("Training state", "“Converged”: the validation loss stopped falling. “Budget ended before it converged”: "
     "it was still falling, and more steps might give another figure. “Not told from chance on validation”: on the "
     "validation part, neither log loss nor AUROC was better than chance by three standard errors. Either the network "
     "learned nothing, or the part is too small to show it (a warning above says where that may be); the interval on "
     "the test part tells."),
    ("Padded to", "The architecture needs longer sequences; these were padded with N on both sides."),
    ("Native", "The same model on this package's own operators: same weights, same figures, other cost."),
    ("Pareto front", "Models that no cheaper model equals in AUROC. A model that is told from chance neither on "
     "the validation part nor by its interval on the test part stays off it."),
    ("Data path", "Everything before the model: index, windows, encoding, transfer."),
    ("Test part", "Scored once, after every choice was made on the validation part."),
)  # fmt: skip

TERMS_OF_FLOORS = (
    (
        "Floor",
        "Logistic regression on GC content, 6-mer counts or bases by position. A network that does not beat the "
        "best floor has found nothing that a linear model misses.",
    ),
    (
        "Overlaps the best floor",
        "The model's AUROC interval and that of the best floor share values: on this test part "
        "the two cannot be told apart by their intervals.",
    ),
)

# What became of regions, windows or sequences: the steps of the flow.
STEPS = {
    "read": "in the file",
    "unknown_contig": "left out, on contigs that the genome lacks",
    "past_end": "left out, past the end of their contig",
    "outside": "left out, on contigs that the genome lacks or past an end",
    "other_contigs": "left out, on contigs that are not used (--contigs)",
    "excluded": "left out, the window touches an excluded region",
    "edge": "left out, the window reaches over the contig's end",
    "N": "left out, too many N",
    "duplicate": "no window of its own, closer than half a window to another: of one task the stronger one's stays, of "
    "several tasks the two share one around the mean of their centres",
    "unlabelled": "left out, a site that no file labels",
    "border between parts": "left out, across the border of two parts",
    "summit_missing": "no summit, so that the window lies around the centre (not left out)",
    "kept": "regions to be kept out of both classes that lie on the genome",
    "used": "windows or sequences that are left",
}

STATES = {
    "converged": "converged",
    "budget_ended": "budget ended before it converged",
    "at_chance": "not told from chance on validation",
}
