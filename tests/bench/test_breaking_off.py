"""A bench that breaks off, and what it does when it is started again."""

import contextlib
import json

import pytest

from dnafast.bench.main import main
from tables import rows


@pytest.fixture
def breaking_off(monkeypatch):
    """A context in which training is stopped after an evaluation, with its state written."""
    from dnafast.bench import execution

    def broken_off(*arguments, progress, **keywords):
        def stop(state):
            progress(state)
            if state.evaluation is not None and state.step >= 3:
                raise KeyboardInterrupt

        return training(*arguments, progress=stop, checkpoint_seconds=0, **keywords)

    @contextlib.contextmanager
    def context():
        with monkeypatch.context() as patch:
            patch.setattr(execution, "train", broken_off)
            yield

    training = execution.train
    return context


STOPPED = ["--tune", "0", "--epochs", "3", "--models", "gru[hidden=8,dropout=0.2]:torch", "--batch-size", "50"]


def test_a_bench_that_breaks_off_goes_on_where_it_was(table, tmp_path, breaking_off):
    data = ["--table", str(table), *STOPPED]
    unbroken, out = tmp_path / "unbroken", tmp_path / "out"
    assert main([*data, "--out", str(unbroken)]) == 0
    with breaking_off():
        assert main([*data, "--out", str(out)]) == 130
    (run,) = (out / "runs").iterdir()
    (state,) = run.iterdir()
    assert state.name.startswith("checkpoint-")
    assert main([*data, "--out", str(out)]) == 0
    assert not state.exists()
    for name in ("scores.npz", "weights.safetensors"):
        assert (run / name).read_bytes() == (unbroken / "runs" / run.name / name).read_bytes()
    (row,) = rows(out / "runs.csv")
    assert row["cpu_user_seconds"] == ""  # nobody has metered the steps before
    assert row["auroc"] == rows(unbroken / "runs.csv")[0]["auroc"]


@pytest.mark.parametrize("folds", [(), ("--folds", "3")])
def test_a_restart_trains_on_the_windows_that_fitted_into_the_time(folds, table, unsplit, tmp_path, monkeypatch):
    out = tmp_path / "out"
    data = ["--table", str(unsplit if folds else table), *STOPPED[:4], *folds, "--max-train", "64", "--out", str(out)]
    with monkeypatch.context() as patch:
        patch.setattr("dnafast.bench.plan.most_train", lambda *arguments: 50)
        assert main([*data, "--models", "gc_logistic", "gru[hidden=8]:torch"]) == 0
    before = (out / "runs.csv").read_text()
    assert {row["n_train"] for row in rows(out / "runs.csv")} == {"50"}
    assert main([*data, "--models", "gc_logistic", "gru[hidden=8]:torch"]) == 0
    assert (out / "runs.csv").read_text() == before
    assert main([*data, "--models", "kmer_cnn[k=2,filters=4]", "--pretrain", "train"]) == 0
    assert {row["n_train"] for row in rows(out / "runs.csv")} == {"50"}
    (about,) = json.loads((out / "data.json").read_text())
    assert sum(note.startswith("Trained on ") for note in about["notes"]) == 1


def test_a_bench_that_broke_off_begins_anew_on_other_data(table, tmp_path, breaking_off):
    out = tmp_path / "out"
    data = ["--table", str(table), *STOPPED, "--out", str(out)]
    with breaking_off():
        assert main([*data, "--max-train", "100"]) == 130
    assert main([*data, "--max-train", "110"]) == 0
    (row,) = rows(out / "runs.csv")
    assert (row["status"], row["n_train"]) == ("finished", "110")
    assert row["cpu_user_seconds"] != ""  # every step is of this start


def test_the_state_of_other_settings_is_not_taken_up(table, tmp_path):
    data = ["--table", str(table), "--quick", "--models", "deepbind:native", "--out", str(tmp_path / "out")]
    run = tmp_path / "out" / "runs" / "t-deepbind-native-seed0"
    run.mkdir(parents=True)
    (run / "checkpoint-01234567.pt").write_bytes(b"of another time")
    (tmp_path / "out" / "config.json").write_text("{}")
    assert main([*data, "--overwrite"]) == 2  # a folder that no bench has made
    (tmp_path / "out" / "config.json").unlink()
    (run / "checkpoint-01234567.pt").rename(tmp_path / "kept.pt")
    run.rmdir()
    run.parent.rmdir()
    assert main([*data, "--tune", "0"]) == 0
    (run / "record.json").unlink()
    (tmp_path / "kept.pt").rename(run / "checkpoint-01234567.pt")
    assert main([*data, "--tune", "0"]) == 0
    assert not list(run.glob("checkpoint-*"))
