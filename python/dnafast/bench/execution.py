"""Runs done: a network trained or a floor fitted, scored once on its test part, and measured."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dnafast import metrics
from dnafast.bench import genome_wide, measure
from dnafast.bench.finished import CHECKPOINT_STEM
from dnafast.bench.given_scores import read_scores
from dnafast.bench.measure import GpuMonitor, Memory, Meter, fastest_speed
from dnafast.bench.runs import Outcome, Row, Run
from dnafast.bench.tuning import Tuned
from dnafast.encoding import BaseCodes
from dnafast.evaluate import predict
from dnafast.models.floors import FLOORS
from dnafast.ranking import bounded_draws
from dnafast.records import checksum, plain, write_csv, write_npz
from dnafast.saved import SavedModel
from dnafast.splitting import PARTS
from dnafast.train import Progress, train


def execute(
    run: Run,
    folder: Path,
    data_checksum: str,
    tuned: Tuned | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Train, score and measure one run; writes its scores, history and model into `folder`.

    While a network is trained its state is kept there as well: a run that is killed goes on where it was, and gives
    what it would have given.

    Args:
        run: what to do.
        folder: for the run's files; there already.
        data_checksum: of the data.
        tuned: the learning rate that short runs have found; None where none was looked for.
        progress: called every few steps while a network is trained.
    """
    run.resources.take()
    if run.contestant.is_floor:
        return _execute_floor(run, folder)
    if run.contestant.scores is not None:
        return _enter_scores(run, folder)
    return _execute_network(run, folder, data_checksum, tuned, progress)


def _execute_network(
    run: Run,
    folder: Path,
    data_checksum: str,
    tuned: Tuned | None,
    progress: Callable[[Progress], None] | None,
) -> Outcome:
    data, device = run.data, run.resources.device
    config = run.train if tuned is None else replace(run.train, learning_rate=tuned.learning_rate)
    load_training()
    with Memory() as memory, GpuMonitor(device) as gpu:
        model = run.build()
        encoding = model.config.encoding
        train_loader = run.training_loader(encoding)
        valid_loaders = run.scoring_loaders("valid", encoding)
        test_loaders = run.scoring_loaders("test", encoding)
        loaders = [train_loader, *valid_loaders, *test_loaders]
        meter = Meter(device, data_cpu_seconds=lambda: sum(loader.cpu_seconds for loader in loaders))
        result = train(
            model,
            train_loader,
            valid_loaders,
            config,
            device=device,
            seed=run.seed,
            meter=meter,
            progress=progress,
            checkpoint=_checkpoint({**run.config(), "train": config, "data": data_checksum}, folder),
            data_checksum=data_checksum,
        )
        with meter.phase("evaluation"):
            valid_probabilities = predict(model, valid_loaders, device)
            test_probabilities = predict(model, test_loaders, device)
        scoring = [sum(len(loader) for loader in part) for part in (valid_loaders, test_loaders)]
        batches = result.steps + (len(result.history) + 1) * scoring[0] + scoring[1]
        # Encoding goes on beside the model or within data_wait and evaluation: it has no wall time of its own.
        meter.add("data", "encode", None, sum(loader.cpu_seconds for loader in loaders), calls=batches)
    test_rows = data.rows("test")

    def example(n: int) -> torch.Tensor:
        """Input of n test sequences, repeated where there are fewer."""
        encoded = data.genome.encode(data.windows[np.resize(test_rows, n)], encoding)
        return torch.as_tensor(encoded).to(device)

    speed = fastest_speed(model, example, (1, run.resources.torch_threads), device=device)
    minimum_length = model.config.minimum_length
    common: Row = {
        **run.base_row(),
        "encoding": encoding_name(encoding),
        "training_state": result.training_state,
        "padded_to": minimum_length if minimum_length > data.windows.length else None,
        "learning_rate": config.learning_rate,
        "tune_seconds": None if tuned is None else tuned.seconds,
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
    write_csv(folder / "history.csv", result.history)
    on_tiles = genome_wide.network_scores(run, model, encoding, folder)
    outcome = _outcome(run, folder, common, meter, valid_probabilities, test_probabilities, on_tiles)
    if result.resumed_at:
        # The meter has seen the steps after the kill alone.
        for row in outcome.rows:
            row |= dict.fromkeys(("cpu_user_seconds", "cpu_system_seconds", "gpu_energy_joules"))
    train_labels = data.labels[data.rows("train")]
    SavedModel(
        specification=run.contestant.trained_specification,
        length=data.windows.length,
        tasks=data.tasks,
        stranded=data.stranded,
        thresholds=tuple(row["threshold"] for row in outcome.rows),
        prevalence=tuple(float((column == 1).sum() / (column >= 0).sum()) for column in train_labels.T),
        train=config,
        data_checksum=data_checksum,
        seed=run.seed,
        encoding=encoding_name(encoding),
    ).save(folder, model)
    return outcome


def _checkpoint(asked: Row, folder: Path) -> Path:
    """Where the state of a run under way is kept; that of other settings, data or learning rates is removed."""
    path = folder / f"{CHECKPOINT_STEM}{checksum(json.dumps(plain(asked), sort_keys=True))[:8]}.pt"
    for other in folder.glob(f"{CHECKPOINT_STEM}*"):
        if other != path:
            other.unlink()
    return path


@functools.cache
def load_training() -> None:
    """Let torch load what it loads only when something is trained, 85 MB that the first network would answer for."""
    layer = torch.nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    layer(torch.ones(1, 1)).sum().backward()
    optimizer.step()


def _execute_floor(run: Run, folder: Path) -> Outcome:
    data = run.data
    meter = Meter()
    with Memory() as memory:
        with meter.phase("encode", "data"):
            codes = {part: data.codes(data.rows(part), run.resources.threads) for part in PARTS}
        labels = {part: data.labels[data.rows(part)] for part in PARTS}
        fitted = []
        for task in range(len(data.tasks)):
            known = {part: labels[part][:, task] >= 0 for part in ("train", "valid")}
            with meter.phase("fit"):
                floor = FLOORS[run.contestant.name]().fit(
                    codes["train"][known["train"]],
                    labels["train"][known["train"], task],
                    codes["valid"][known["valid"]],
                    labels["valid"][known["valid"], task],
                    stranded=data.stranded,
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
    on_tiles = genome_wide.floor_scores(run, probabilities, folder)
    return _outcome(run, folder, common, meter, valid_probabilities, test_probabilities, on_tiles)


def _enter_scores(run: Run, folder: Path) -> Outcome:
    """Another tool's predictions of the same test part."""
    assert run.contestant.scores is not None, "asked for where there are some"
    given = read_scores(run.contestant.scores, run.data)
    common: Row = {**run.base_row(), "training_state": "", "threads": None, "device": None, "n_train": None}
    outcome = _outcome(run, folder, common, Meter(), given.valid, given.test, {})
    if not given.are_probabilities:
        # Ranks in their place say nothing of how sure the tool is.
        for row in outcome.rows:
            row |= dict.fromkeys(("log_loss", "brier", "ece", "threshold"))
    return outcome


def _outcome(
    run: Run,
    folder: Path,
    common: Row,
    meter: Meter,
    valid_probabilities: NDArray[np.float64] | None,
    test_probabilities: NDArray[np.float64],
    on_tiles: dict[str, Row],
) -> Outcome:
    """Score each task over the whole test part, at the threshold that the validation part chose."""
    data = run.data
    test_rows = data.rows("test")
    group = data.group[test_rows]
    valid_labels, test_labels = (data.labels[data.rows(part)] for part in ("valid", "test"))
    write_npz(folder / "scores.npz", row=test_rows, labels=test_labels, probabilities=test_probabilities, group=group)
    phases = meter.rows()
    spent = {name: sum(phase[name] for phase in phases) for name in ("cpu_user_seconds", "cpu_system_seconds")}
    narrow = metrics.narrow_sites(test_labels)
    draws = bounded_draws(run.draws, test_labels.size)
    rows = []
    for column, task in enumerate(data.tasks):
        truth, scores = test_labels[:, column], test_probabilities[:, column]
        row = {**common, **(spent if phases else {}), "task": task, "status": "finished"}
        threshold = None
        if valid_probabilities is not None:
            threshold = metrics.best_threshold(valid_labels[:, column], valid_probabilities[:, column])
        row |= metrics.classification_metrics(truth, scores, threshold)
        for metric in ("auroc", "auprc"):
            low, high = metrics.bootstrap_interval(truth, scores, group, metric=metric, draws=draws)
            row |= {f"{metric}_low": low, f"{metric}_high": high}
        if narrow.any():
            row["n_narrow"] = int((truth[narrow] >= 0).sum())
            row["auroc_narrow"] = metrics.auroc(truth[narrow], scores[narrow])
        rows.append(row | on_tiles.get(task, {}))
    identity = {
        "run_id": run.id,
        "dataset": data.name,
        "model": run.contestant.name,
        "implementation": run.contestant.implementation,
        "seed": run.seed,
        "fold": run.fold,
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
