"""One run: which network on which data with which seed, and what it leaves in the tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from dnafast.bench import measure
from dnafast.bench.contestants import Contestant
from dnafast.bench.dataset import Dataset
from dnafast.loader import Loader
from dnafast.models import Network
from dnafast.records import run_id
from dnafast.train import TrainConfig

# Columns of runs.csv: the figures of a run, then what the report needs besides.
RUN_COLUMNS = (
    *("task", "model", "implementation", "encoding", "seed", "fold", "n_train", "n_test"),
    *("accuracy", "balanced_accuracy", "auroc", "auprc", "f1", "mcc", "sensitivity", "specificity"),
    *("log_loss", "brier", "ece", "threshold", "prevalence", "training_state", "padded_to", "learning_rate"),
    *("best_epoch", "n_parameters", "flops_per_sequence", "epochs", "train_seconds", "data_wait_seconds"),
    *("train_sequences_per_second", "predict_sequences_per_second", "latency_ms"),
    *("cpu_user_seconds", "cpu_system_seconds", "peak_rss_bytes", "gpu_peak_bytes", "gpu_utilization"),
    *("gpu_energy_joules", "device", "threads", "status", "error"),
    *("dataset", "run_id", "auroc_low", "auroc_high", "auprc_low", "auprc_high"),
    *("mean_rss_bytes", "rss_rise_bytes", "train_size", "tune_seconds"),
    *("genome_n", "genome_prevalence", "genome_auroc", "genome_auprc"),
    *("genome_recall_at_fdr_10", "genome_recall_at_fdr_50", "n_narrow", "auroc_narrow"),
)
PHASE_COLUMNS = ("run_id", "dataset", "model", "implementation", "seed", "fold", *measure.PHASE_COLUMNS)
Row = dict[str, Any]


@dataclass(frozen=True)
class Resources:
    """What a run may use."""

    device: str
    data_threads: int
    torch_threads: int

    @property
    def threads(self) -> int:
        """Threads in all."""
        return self.data_threads + self.torch_threads

    def take(self) -> None:
        """Let torch use these in this process: so many threads, and the GPU as the current one.

        Events and streams are those of the current device.
        """
        torch.set_num_threads(self.torch_threads)
        if self.device.startswith("cuda:"):
            torch.cuda.set_device(int(self.device.partition(":")[2]))


@dataclass(frozen=True)
class Tuning:
    """How the learning rate of a network is chosen: a short run with each, judged on the validation part."""

    rates: tuple[float, ...]
    """Learning rates to try."""
    share: float
    """Of the budget in steps, that each of the short runs gets."""


@dataclass(frozen=True)
class Run:
    """Which run: a pure function of these, the data and the training configuration."""

    dataset: Dataset
    """The whole data; `data` is what this run sees of them."""
    contestant: Contestant
    seed: int
    train: TrainConfig
    resources: Resources
    draws: int
    """Of the bootstrap behind each interval; fewer where rows and tasks are many."""
    fold: int = 0
    size: int | None = None
    """Training sequences at most; None: all of the training part."""
    tuning: Tuning | None = None
    """None: the learning rate of `train` is taken."""
    recipe: Literal["equal", "published"] = "equal"
    """Whether all networks are trained alike, or each as its paper says."""
    vectors: Path | None = None
    """File of the vectors of k-mers that the network starts from."""

    @property
    def data(self) -> Dataset:
        """The data with the parts of this run."""
        return self.dataset.at(self.fold, self.size)

    @property
    def id(self) -> str:
        """Name of the run and of its folder."""
        return run_id(
            self.dataset.name,
            self.contestant.name,
            self.contestant.implementation,
            self.seed,
            self.fold if self.dataset.folds > 1 else None,
            self.size,
        )

    def with_torch_threads(self, threads: int) -> Run:
        """The same run with so many threads for torch."""
        return replace(self, resources=replace(self.resources, torch_threads=threads))

    def build(self) -> Network:
        """The network with the fresh weights of this run's seed."""
        torch.manual_seed(self.seed)
        return self.contestant.build(self.dataset.windows.length, len(self.dataset.tasks), self.vectors)

    def loader(self, part: str, encoding: Any, *, strand: str = "never", shuffle: bool = False) -> Loader:
        """Batches of one part; `strand` as `reverse_complement` of the loader."""
        data = self.data
        rows = data.rows(part)
        return Loader(
            data.genome,
            data.windows[rows],
            data.labels[rows],
            encoding=encoding,
            # Scoring has no gradients to keep: larger batches cost less.
            batch_size=min(self.train.batch_size, len(rows)) if shuffle else SCORING_BATCH,
            shuffle=shuffle,
            seed=self.seed,
            reverse_complement=strand,
            device=self.resources.device,
            pin=self.resources.device.startswith("cuda"),
            # A last batch of one sequence would leave batch normalisation nothing to normalise.
            drop_last=shuffle and len(rows) > self.train.batch_size,
            threads=self.resources.data_threads,
        )

    def training_loader(self, encoding: Any) -> Loader:
        """Shuffled batches of the training part, from either strand where the strand means nothing."""
        return self.loader("train", encoding, strand="never" if self.dataset.stranded else "random", shuffle=True)

    def scoring_loaders(self, part: str, encoding: Any) -> list[Loader]:
        """One loader, or one for each strand where the strand means nothing."""
        return [self.loader(part, encoding, strand=strand) for strand in self.strands]

    @property
    def strands(self) -> tuple[str, ...]:
        """Views of a sequence whose answers are averaged, as `reverse_complement` of a loader."""
        return ("never",) if self.dataset.stranded else ("never", "always")

    def config(self) -> Row:
        """What decides the outcome, in plain values; a finished run is reused only where all of it agrees."""
        return {
            **self.shared_config(),
            "model": self.contestant.name,
            "implementation": self.contestant.implementation,
            "source": self.contestant.source,
            "vectors": self.contestant.vectors,
            "seed": self.seed,
            "fold": self.fold,
            "train_size": self.size,
            "train": self.train,
        }

    def shared_config(self) -> Row:
        """The part of it that runs on one data set must have in common to be compared."""
        shared = {
            "dataset": self.dataset.name,
            "tasks": self.dataset.tasks,
            "length": self.dataset.windows.length,
            "stranded": self.dataset.stranded,
            "recipe": self.recipe,
            "train": self.train,
            "tuning": self.tuning,
            "draws": self.draws,
            "most_train": self.dataset.most_train,
            "device": self.resources.device,
        }
        if self.recipe == "published":
            del shared["train"]  # each network has its own
        return shared

    def base_row(self) -> Row:
        """The columns that are known before anything is run."""
        data = self.data
        return {
            "model": self.contestant.name,
            "implementation": self.contestant.implementation,
            "seed": self.seed,
            "fold": self.fold,
            "train_size": self.size,
            "n_train": len(data.rows("train")),
            "n_test": len(data.rows("test")),
            "device": self.resources.device if self.contestant.is_network else "cpu",
            "threads": self.resources.threads,
            "dataset": self.dataset.name,
            "run_id": self.id,
        }


SCORING_BATCH = 256


@dataclass(frozen=True)
class Outcome:
    """What a run leaves in runs.csv and phases.csv."""

    rows: list[Row]
    phases: list[Row]


def told(error: BaseException) -> str:
    """What went wrong, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def failed(run: Run, message: str) -> Outcome:
    """The rows of a run that broke off."""
    rows = [{**run.base_row(), "task": task, "status": "failed", "error": message} for task in run.dataset.tasks]
    return Outcome(rows, [])
