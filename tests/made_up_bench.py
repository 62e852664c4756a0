"""What a bench leaves, made up: two data sets, three tasks, every family, each kind of failure; and its page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from dnafast.records import write_csv, write_json, write_npz
from dnafast.report import write_report

NASTY = "<script>alert('$x$ & | \"y\"')</script>"

# Model -> (signal, parameters, training seconds per run, training state).
MODELS = {
    "rnn": (0.05, 4_673, 31.0, "at_chance"),
    "birnn": (1.0, 9_281, 58.0, "budget_ended"),
    "lstm": (2.0, 17_729, 49.0, "converged"),
    "bilstm": (2.3, 35_393, 92.0, "converged"),
    "gru": (2.1, 13_377, 44.0, "converged"),
    "bigru": (2.35, 26_689, 85.0, "converged"),
    "deepbind": (1.7, 16_577, 6.1, "converged"),
    "kmer_cnn": (1.45, 160_321, 9.0, "converged"),
    "multiscale_cnn": (1.9, 88_193, 14.0, "converged"),
    "deepsea": (1.95, 42_000_123, 150.0, "budget_ended"),
    "basset": (2.2, 4_001_064, 66.0, "converged"),
    "danq": (2.4, 33_000_000, 140.0, "budget_ended"),
    "promoter_lstm": (2.45, 176_449, 77.0, "converged"),
    "gc_logistic": (0.5, 2, 0.1, "converged"),
    "kmer_logistic": (1.5, 2_081, 1.4, "converged"),
    "onehot_logistic": (0.9, 801, 0.8, "converged"),
}
FLOORS = ("gc_logistic", "kmer_logistic", "onehot_logistic")


def write_bench(
    out: Path,
    *,
    models: tuple[str, ...] = tuple(MODELS),
    datasets: dict[str, tuple[str, ...]] | None = None,
    seeds: int = 2,
    simulated: bool = True,
    quick: bool = False,
    gpu: bool = False,
    broken: tuple[str, ...] = ("deepsea",),
    n_test: int = 1500,
) -> Path:
    """Write what a bench leaves in its folder; ``broken`` models fail on their last seed."""
    generator = np.random.default_rng(7)
    datasets = datasets or {
        "simulated genome": ("open in A", "open in B", "open in C"),
        "simulated promoters": ("promoter",),
    }
    out.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, Any]] = []
    phases: list[dict[str, Any]] = []
    for dataset, tasks in datasets.items():
        labels = (generator.random((n_test, len(tasks))) < np.linspace(0.5, 0.28, len(tasks))).astype(np.int8)
        labels[generator.random(labels.shape) < 0.02] = -1
        for model in models:
            for implementation in ("torch", "native") if model == "deepbind" else ("torch",):
                implementation = "scikit-learn" if model in FLOORS else implementation
                for seed in range(1 if model in FLOORS else seeds):
                    run_id = f"{dataset}-{model}-{implementation}-seed{seed}".replace(" ", "_").replace("/", "_")
                    row = {
                        "dataset": dataset,
                        "run_id": run_id,
                        "model": model,
                        "implementation": implementation,
                        "seed": seed,
                        "device": "cpu",
                        "threads": 2,
                    }
                    if model in broken and seed == seeds - 1:
                        error = f"RuntimeError: [enforce fail] <b>cannot</b> allocate 12884901888 bytes for {model}"
                        runs += [{**row, "task": task, "status": "failed", "error": error} for task in tasks]
                        continue
                    runs += _run(out, row, model, tasks, labels, generator, gpu=gpu)
                    phases += _phases(row, MODELS[model][2] * (0.4 if implementation == "native" else 1.0))
    write_csv(out / "runs.csv", runs)
    write_csv(out / "phases.csv", phases)
    write_json(out / "data.json", [_about(name, tasks, simulated) for name, tasks in datasets.items()])
    write_json(
        out / "config.json",
        {
            "simulated": simulated,
            "quick": quick,
            "command": "python -m dnafast.bench --seeds 2 --out demo",
            "versions": {
                "dnafast": "0.1.0",
                "python": "3.11.9",
                "torch": "2.13.0",
                "numpy": "2.4.1",
                "scikit-learn": "1.8.0",
            },
            "machine": {
                "system": "Linux x86-64",
                "processor": "Some CPU @ 2.40 GHz",
                "usable_cpus": 2,
                "memory_bytes": 8_200_000_000,
                "gpu": None,
            },
            "checksums": {"genome.2bit": "3f5a" * 8, "peaks_a.narrowPeak.gz": "99cd" * 8},
            "models": list(models),
            "seeds": list(range(seeds)),
            "max_minutes": 60,
            "train": {"batch_size": 64, "learning_rate": 0.001},
        },
    )
    return out


def _run(
    out: Path, row: dict[str, Any], model: str, tasks: tuple[str, ...], labels: Any, generator: Any, *, gpu: bool
) -> list[dict[str, Any]]:
    signal, parameters, seconds, state = MODELS[model]
    strength = max(0.0, signal + generator.normal(0, 0.08))
    probabilities = 1 / (1 + np.exp(-strength * (labels - 0.5) - generator.normal(0, 1.0, labels.shape)))
    folder = out / "runs" / row["run_id"]
    write_npz(
        folder / "scores.npz", row=np.arange(len(labels)), labels=labels, probabilities=probabilities.astype(np.float32)
    )
    if model not in FLOORS:
        epochs = np.arange(1, 13)
        floor = 0.7 - 0.12 * signal
        history = [
            {
                "epoch": epoch,
                "step": 40 * epoch,
                "train_loss": floor + (0.7 - floor) * np.exp(-epoch / 3) - 0.01 * epoch * signal / 2,
                "valid_loss": floor + (0.7 - floor) * np.exp(-epoch / 3) + 0.002 * epoch + generator.normal(0, 0.006),
                "valid_auroc": 0.5 + 0.17 * signal * (1 - np.exp(-epoch / 3)),
                "learning_rate": 1e-3,
                "seconds": seconds * epoch / 12,
            }
            for epoch in map(int, epochs)
        ]
        write_csv(folder / "history.csv", history)
    rows = []
    for index, task in enumerate(tasks):
        known = labels[:, index] >= 0
        truth, scores = labels[known, index], probabilities[known, index]
        auroc, auprc = roc_auc_score(truth, scores), average_precision_score(truth, scores)
        rows.append(
            {
                **row,
                "task": task,
                "encoding": "k-mers 6" if "kmer" in model else "one-hot",
                "fold": "",
                "n_train": 8000,
                "n_test": int(known.sum()),
                "accuracy": 0.5 + auroc / 3,
                "balanced_accuracy": 0.49 + auroc / 3,
                "auroc": auroc,
                "auroc_low": auroc - 0.016,
                "auroc_high": auroc + 0.015,
                "auprc": auprc,
                "auprc_low": auprc - 0.02,
                "auprc_high": auprc + 0.018,
                "f1": auroc - 0.1,
                "mcc": 2 * auroc - 1.15,
                "sensitivity": auroc - 0.05,
                "specificity": auroc - 0.03,
                "log_loss": log_loss(truth, scores),
                "brier": 0.2,
                "ece": 0.031,
                "threshold": 0.47,
                "prevalence": truth.mean(),
                "training_state": state,
                "padded_to": 600 if model == "basset" else None,
                "learning_rate": None if model in FLOORS else 1e-3,
                "best_epoch": None if model in FLOORS else 7,
                "n_parameters": parameters,
                "flops_per_sequence": parameters * 37.0,
                "epochs": None if model in FLOORS else 12,
                "train_seconds": seconds * (0.4 if row["implementation"] == "native" else 1.0),
                "data_wait_seconds": None if model in FLOORS else seconds / 60,
                "train_sequences_per_second": 96000 / seconds,
                "predict_sequences_per_second": 310000 / seconds,
                "latency_ms": 0.3 + seconds / 20,
                "cpu_user_seconds": seconds * 1.7,
                "cpu_system_seconds": seconds / 30,
                "peak_rss_bytes": 4.1e8 + parameters * 12,
                "gpu_peak_bytes": 1.5e9 if gpu else None,
                "status": "finished",
            }
        )
    return rows


def _phases(row: dict[str, Any], seconds: float) -> list[dict[str, Any]]:
    shares = {
        ("data", "index"): 0.004,
        ("data", "window"): 0.002,
        ("data", "encode"): 0.02,
        ("data", "transfer"): 0.001,
        ("model", "forward"): 0.31,
        ("model", "backward"): 0.48,
        ("model", "optimiser"): 0.06,
        ("model", "evaluation"): 0.15,
    }
    return [
        {
            **{key: row[key] for key in ("run_id", "dataset", "model", "implementation", "seed")},
            "scope": scope,
            "phase": phase,
            "wall_seconds": share * seconds,
            "cpu_user_seconds": 1.8 * share * seconds,
            "cpu_system_seconds": 0.05 * share * seconds,
            "calls": 480,
            "share": share,
        }
        for (scope, phase), share in shares.items()
    ]


def _about(name: str, tasks: tuple[str, ...], simulated: bool) -> dict[str, Any]:
    genome = "genome" in name
    steps = {"read": 5210, "outside": 4, "excluded": 120, "N": 7, "edge": 2, "duplicate": 310, "used": 4767}
    flow = [{"step": step, "class": "positive", "part": "", "count": count} for step, count in steps.items()]
    flow += [
        {"step": "used", "class": kind, "part": part, "count": 900}
        for kind in ("positive", "negative")
        for part in ("train", "valid", "test")
    ]
    return {
        "name": name,
        "kind": "genome" if genome else "sequences",
        "tasks": list(tasks),
        "length": 200 if genome else 81,
        "stranded": not genome,
        "simulated": simulated,
        "flow": flow if genome else flow[:1] + flow[6:7],
        "parts": [
            {"task": task, "part": part, "positives": count, "negatives": count + 13, "unlabelled": 40 if genome else 0}
            for task in tasks
            for part, count in (("train", 3300), ("valid", 480), ("test", 950))
        ],
        "split": "by contig: test chrS4; valid chrS3; train chrS1, chrS2",
        "notes": ["Negatives: matched in GC, drawn in each part at ratio 1."],
        "warnings": ["No blacklist was applied."] if genome else [],
    }


class Page(HTMLParser):
    """What a reader sees of a page, and what a browser would load for it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self._hidden = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden += tag in ("style", "title")
        for name, value in attrs:
            if name in ("src", "href", "data", "srcset", "action", "poster") and not (value or "").startswith("#"):
                self.loads.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.words.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return "\n".join(self.words)


def reported(out: Path, **options: Any) -> Page:
    write_bench(out, **options)
    write_report(out)
    return Page(out / "report.html")
