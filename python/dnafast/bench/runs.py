"""One run: a network or a floor, trained on one data set with one seed, scored once on its test part."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dnafast import metrics, models
from dnafast.bench import measure
from dnafast.bench.contestants import Contestant
from dnafast.bench.dataset import Dataset
from dnafast.bench.measure import GpuMonitor, Memory, Meter, fastest_speed
from dnafast.encoding import BaseCodes
from dnafast.evaluate import predict, save_weights
from dnafast.loader import Loader
from dnafast.models import Network
from dnafast.models.floors import FLOORS
from dnafast.records import run_id, write_csv, write_npz
from dnafast.splitting import PARTS
from dnafast.train import Progress, TrainConfig, train

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
    *("mean_rss_bytes", "rss_rise_bytes"),
)
PHASE_COLUMNS = ("run_id", "dataset", "model", "implementation", "seed", *measure.PHASE_COLUMNS)
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


@dataclass(frozen=True)
class Run:
    """Which run: a pure function of these, the data and the training configuration."""

    dataset: Dataset
    contestant: Contestant
    seed: int
    train: TrainConfig
    resources: Resources
    draws: int
    """Of the bootstrap behind each interval."""

    @property
    def id(self) -> str:
        """Name of the run and of its folder."""
        return run_id(self.dataset.name, self.contestant.name, self.contestant.implementation, self.seed)

    def with_torch_threads(self, threads: int) -> Run:
        """The same run with so many threads for torch."""
        return replace(self, resources=replace(self.resources, torch_threads=threads))

    def build(self) -> Network:
        """The network with the fresh weights of this run's seed."""
        torch.manual_seed(self.seed)
        return models.build(
            self.contestant.name,
            length=self.dataset.windows.length,
            n_tasks=len(self.dataset.tasks),
            implementation=self.contestant.implementation,
        )

    def loader(self, part: str, encoding: Any, *, strand: str = "never", shuffle: bool = False) -> Loader:
        """Batches of one part; `strand` as `reverse_complement` of the loader."""
        dataset, rows = self.dataset, self.dataset.rows(part)
        return Loader(
            dataset.genome,
            dataset.windows[rows],
            dataset.labels[rows],
            encoding=encoding,
            # Scoring has no gradients to keep: larger batches cost less.
            batch_size=min(self.train.batch_size, len(rows)) if shuffle else 256,
            shuffle=shuffle,
            seed=self.seed,
            reverse_complement=strand,
            device=self.resources.device,
            pin=self.resources.device.startswith("cuda"),
            # A last batch of one sequence would leave batch normalisation nothing to normalise.
            drop_last=shuffle and len(rows) > self.train.batch_size,
            threads=self.resources.data_threads,
        )

    def scoring_loaders(self, part: str, encoding: Any) -> list[Loader]:
        """One loader, or one for each strand where the strand means nothing."""
        strands = ("never",) if self.dataset.stranded else ("never", "always")
        return [self.loader(part, encoding, strand=strand) for strand in strands]

    def config(self) -> Row:
        """What decides the outcome, in plain values; a finished run is reused only where all of it agrees."""
        identity = {
            "model": self.contestant.name,
            "implementation": self.contestant.implementation,
            "seed": self.seed,
        }
        return identity | self.shared_config()

    def shared_config(self) -> Row:
        """The part of it that runs on one data set must have in common to be compared."""
        return {
            "dataset": self.dataset.name,
            "tasks": self.dataset.tasks,
            "stranded": self.dataset.stranded,
            "train": self.train,
            "draws": self.draws,
            "device": self.resources.device,
        }

    def base_row(self) -> Row:
        """The columns that are known before anything is run."""
        return {
            "model": self.contestant.name,
            "implementation": self.contestant.implementation,
            "seed": self.seed,
            "fold": 0,
            "n_train": len(self.dataset.rows("train")),
            "n_test": len(self.dataset.rows("test")),
            "device": "cpu" if self.contestant.is_floor else self.resources.device,
            "threads": self.resources.threads,
            "dataset": self.dataset.name,
            "run_id": self.id,
        }


@dataclass(frozen=True)
class Outcome:
    """What a run leaves in runs.csv and phases.csv."""

    rows: list[Row]
    phases: list[Row]


def execute(run: Run, folder: Path, progress: Callable[[Progress], None] | None = None) -> Outcome:
    """Train, score and measure one run; writes its scores, history and weights into `folder`.

    Args:
        run: what to do.
        folder: for the run's files; there already.
        progress: called every few steps while a network is trained.
    """
    torch.set_num_threads(run.resources.torch_threads)
    if run.contestant.is_floor:
        return _execute_floor(run, folder)
    return _execute_network(run, folder, progress)


def failed(run: Run, error: Exception) -> Outcome:
    """The rows of a run that broke off."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    rows = [{**run.base_row(), "task": task, "status": "failed", "error": message} for task in run.dataset.tasks]
    return Outcome(rows, [])


def _execute_network(run: Run, folder: Path, progress: Callable[[Progress], None] | None) -> Outcome:
    dataset, device = run.dataset, run.resources.device
    load_training()
    with Memory() as memory, GpuMonitor(device) as gpu:
        model = run.build()
        encoding = model.config.encoding
        strand = "never" if dataset.stranded else "random"
        train_loader = run.loader("train", encoding, strand=strand, shuffle=True)
        valid_loaders = run.scoring_loaders("valid", encoding)
        test_loaders = run.scoring_loaders("test", encoding)
        loaders = [train_loader, *valid_loaders, *test_loaders]
        meter = Meter(device, data_cpu_seconds=lambda: sum(loader.cpu_seconds for loader in loaders))
        result = train(
            model, train_loader, valid_loaders, run.train, device=device, seed=run.seed, meter=meter, progress=progress
        )
        with meter.phase("evaluation"):
            valid_probabilities = predict(model, valid_loaders, device)
            test_probabilities = predict(model, test_loaders, device)
        scoring = [sum(len(loader) for loader in part) for part in (valid_loaders, test_loaders)]
        batches = result.steps + (len(result.history) + 1) * scoring[0] + scoring[1]
        # Encoding goes on beside the model or within data_wait and evaluation: it has no wall time of its own.
        meter.add("data", "encode", None, sum(loader.cpu_seconds for loader in loaders), calls=batches)
    test_rows = dataset.rows("test")

    def example(n: int) -> torch.Tensor:
        """Input of n test sequences, repeated where there are fewer."""
        encoded = dataset.genome.encode(dataset.windows[np.resize(test_rows, n)], encoding)
        return torch.as_tensor(encoded).to(device)

    speed = fastest_speed(model, example, (1, run.resources.torch_threads), device=device)
    minimum_length = model.config.minimum_length
    common: Row = {
        **run.base_row(),
        "encoding": encoding_name(encoding),
        "training_state": result.training_state,
        "padded_to": minimum_length if minimum_length > dataset.windows.length else None,
        "learning_rate": run.train.learning_rate,
        "best_epoch": result.best_epoch,
        "n_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "flops_per_sequence": model.config.flops(),
        "epochs": result.epochs,
        "train_seconds": result.seconds,
        "data_wait_seconds": result.data_wait_seconds,
        "train_sequences_per_second": result.sequences / (result.seconds - result.evaluation_seconds),
        "predict_sequences_per_second": speed.sequences_per_second,
        "latency_ms": speed.latency_ms,
        **_memory_row(memory),
        "gpu_peak_bytes": gpu.gpu_peak_bytes,
        "gpu_utilization": gpu.gpu_utilization,
        "gpu_energy_joules": gpu.gpu_energy_joules,
    }
    save_weights(model, folder / "weights.safetensors")
    write_csv(folder / "history.csv", result.history)
    return _outcome(run, folder, common, meter, valid_probabilities, test_probabilities)


@functools.cache
def load_training() -> None:
    """Let torch load what it loads only when something is trained, 85 MB that the first network would answer for."""
    layer = torch.nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    layer(torch.ones(1, 1)).sum().backward()
    optimizer.step()


def _execute_floor(run: Run, folder: Path) -> Outcome:
    dataset = run.dataset
    meter = Meter()
    with Memory() as memory:
        with meter.phase("encode", "data"):
            codes = {part: dataset.codes(dataset.rows(part), run.resources.threads) for part in PARTS}
        labels = {part: dataset.labels[dataset.rows(part)] for part in PARTS}
        fitted = []
        for task in range(len(dataset.tasks)):
            known = {part: labels[part][:, task] >= 0 for part in ("train", "valid")}
            with meter.phase("fit"):
                floor = FLOORS[run.contestant.name]().fit(
                    codes["train"][known["train"]],
                    labels["train"][known["train"], task],
                    codes["valid"][known["valid"]],
                    labels["valid"][known["valid"], task],
                    stranded=dataset.stranded,
                )
            fitted.append(floor)

        def probabilities(part_codes: NDArray[np.uint8]) -> NDArray[np.float64]:
            return np.stack([floor.predict(part_codes) for floor in fitted], axis=1)

        with meter.phase("evaluation"):
            valid_probabilities, test_probabilities = probabilities(codes["valid"]), probabilities(codes["test"])
    # Outside the meter, as that of the networks is.
    single = codes["test"][:1]
    alone = measure.rounds_of(lambda: probabilities(single), seconds=0.1, fewest=5)
    timed = {row["phase"]: row for row in meter.rows()}
    scored = len(codes["valid"]) + len(codes["test"])
    common: Row = {
        **run.base_row(),
        "encoding": encoding_name(BaseCodes()),
        "training_state": "converged",
        "n_parameters": sum(floor.n_parameters for floor in fitted),
        "train_seconds": timed["fit"]["wall_seconds"],
        "predict_sequences_per_second": scored / timed["evaluation"]["wall_seconds"],
        "latency_ms": 1e3 * alone.wall_seconds,
        **_memory_row(memory),
    }
    return _outcome(run, folder, common, meter, valid_probabilities, test_probabilities)


def _outcome(
    run: Run,
    folder: Path,
    common: Row,
    meter: Meter,
    valid_probabilities: NDArray[np.float64],
    test_probabilities: NDArray[np.float64],
) -> Outcome:
    """Score each task over the whole test part, at the threshold that the validation part chose."""
    dataset = run.dataset
    test_rows = dataset.rows("test")
    group = dataset.group[test_rows]
    valid_labels, test_labels = (dataset.labels[dataset.rows(part)] for part in ("valid", "test"))
    write_npz(folder / "scores.npz", row=test_rows, labels=test_labels, probabilities=test_probabilities)
    phases = meter.rows()
    spent = {name: sum(phase[name] for phase in phases) for name in ("cpu_user_seconds", "cpu_system_seconds")}
    rows = []
    for column, task in enumerate(dataset.tasks):
        truth, scores = test_labels[:, column], test_probabilities[:, column]
        threshold = metrics.best_threshold(valid_labels[:, column], valid_probabilities[:, column])
        row = {**common, **spent, "task": task, "status": "finished"}
        row |= metrics.classification_metrics(truth, scores, threshold)
        for metric in ("auroc", "auprc"):
            low, high = metrics.bootstrap_interval(truth, scores, group, metric=metric, draws=run.draws)
            row |= {f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    identity = {
        "run_id": run.id,
        "dataset": dataset.name,
        "model": run.contestant.name,
        "implementation": run.contestant.implementation,
        "seed": run.seed,
    }
    return Outcome(rows, [{**identity, **phase} for phase in phases])


def _memory_row(memory: Memory) -> Row:
    return {
        "peak_rss_bytes": memory.peak_rss_bytes,
        "mean_rss_bytes": memory.mean_rss_bytes,
        "rss_rise_bytes": memory.rise_bytes,
    }


def encoding_name(encoding: object) -> str:
    """Name of an encoding in the tables."""
    return type(encoding).__name__
