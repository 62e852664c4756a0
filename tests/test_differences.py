"""What the page says of differences between models, from scores made up to be better, equal or worse."""

import dataclasses

import numpy as np
import pytest

from dnafast.records import write_npz
from dnafast.report.differences import compare, table
from dnafast.report.results import Dataset, Entry, Results, Run
from dnafast.statistics import nadeau_bengio

N = 600


def noisy(labels, strength: float, seed: int):
    """Scores within [0, 1] that tell the classes apart by so much."""
    noise = np.random.default_rng(seed).normal(size=len(labels))
    return 1 / (1 + np.exp(-(strength * labels + noise)))


def bench(
    folder, strengths: dict[str, float], folds: int = 1, seeds: int = 2, state: str = "converged", n_train: int = 4 * N
) -> Results:
    entries = []
    for model, strength in strengths.items():
        runs = []
        for fold in range(folds):
            labels = np.random.default_rng(100 + fold).integers(0, 2, N).astype(np.int8)
            for seed in range(1 if model.endswith("logistic") else seeds):
                name = f"{model}-{fold}-{seed}"
                # Models are right and wrong on the same rows, but for a little noise of their own.
                common, own = noisy(labels, strength, fold), noisy(labels, strength, 1000 * (fold + 1) + seed)
                scores = 0.9 * common + 0.1 * own
                groups = np.arange(N) // 4
                write_npz(
                    folder / "runs" / name / "scores.npz",
                    row=np.arange(N), labels=labels[:, None], probabilities=scores[:, None], group=groups,
                )  # fmt: skip
                cells = {"run_id": name, "task": "t", "fold": fold, "seed": seed, "n_train": n_train, "auroc": 0.8}
                cells |= {"status": "finished", "training_state": state, "model": model}
                runs.append(Run({key: str(value) for key, value in cells.items()}))
        entries.append(Entry(model, "scikit-learn" if model.endswith("logistic") else "torch", tuple(runs)))
    return Results(folder, {}, (Dataset("d", {}, ("t",), tuple(entries), ()),))


STRENGTHS = {"kmer_logistic": 1.0, "lstm": 1.0, "danq": 1.6, "basset": 1.59, "gru": 0.5}


def readings(results: Results) -> dict[str, str]:
    return {one.entry.model: one.reading for one in compare(results, results.datasets[0], "t")}


@pytest.mark.parametrize("folds", [1, 5])
def test_better_equal_and_worse_networks(tmp_path, folds):
    results = bench(tmp_path, STRENGTHS, folds)
    found = readings(results)
    assert found["danq"].startswith("better than the best linear model")
    assert "as good as the best" in found["basset"]
    assert found["lstm"] == found["gru"] == "no better than a linear model"
    rows = table(compare(results, results.datasets[0], "t"))
    assert [row.label for row in rows] == ["lstm", "danq", "basset", "gru"]
    assert all(" to " in row.cells[0].detail for row in rows)


def test_an_interval_over_folds_is_that_of_nadeau_and_bengio(tmp_path):
    results = bench(tmp_path, STRENGTHS, folds=4)
    (danq,) = [one for one in compare(results, results.datasets[0], "t") if one.entry.model == "danq"]
    from sklearn.metrics import roc_auc_score

    def figure(model: str, fold: int) -> float:
        files = sorted((tmp_path / "runs").glob(f"{model}-{fold}-*/scores.npz"))
        loaded = [np.load(file) for file in files]
        return float(np.mean([roc_auc_score(one["labels"][:, 0], one["probabilities"][:, 0]) for one in loaded]))

    wanted = nadeau_bengio([figure("danq", fold) - figure("kmer_logistic", fold) for fold in range(4)], 4 * N, N)
    assert dataclasses.astuple(danq.above_floor) == pytest.approx(dataclasses.astuple(wanted))


def test_a_sample_of_the_training_part_makes_no_interval_wider(tmp_path, monkeypatch):
    monkeypatch.setattr("dnafast.report.differences.bootstrap", None)  # folds need none
    found = []
    for n_train in (N // 10, 2 * N):
        results = bench(tmp_path / str(n_train), STRENGTHS, folds=4, n_train=n_train)
        found.append([one.above_floor for one in compare(results, results.datasets[0], "t")])
    assert found[0] == found[1]


def test_one_run_names_no_winner(tmp_path):
    found = readings(bench(tmp_path, STRENGTHS, seeds=1))
    assert all("one seed and one split" in text for model, text in found.items() if model in ("danq", "basset"))


def test_what_is_not_trained_to_its_end_is_not_called_worse(tmp_path):
    strengths = {"kmer_logistic": 0.2, "danq": 2.0, "lstm": 1.0}
    found = readings(bench(tmp_path, strengths, state="budget_ended"))
    assert found["lstm"] == "better than the best linear model; not trained to its end"
    assert "worse than the best" in readings(bench(tmp_path, strengths))["lstm"]


def test_without_floors_or_scores_nothing_is_said(tmp_path):
    results = bench(tmp_path, {"lstm": 1.0})
    assert compare(results, results.datasets[0], "t") == []
    results = bench(tmp_path, STRENGTHS)
    next((tmp_path / "runs").glob("gru-*/scores.npz")).unlink()
    assert compare(results, results.datasets[0], "t") == []
