"""``dnafast train``: a folder that predicts, goes on after a stop, and says what it refuses."""

import contextlib
import dataclasses
import io
import json
import re
import shutil

import numpy as np
import pytest

from dnafast.bench.options import BenchOptions
from dnafast.bench.tuning import Tuned
from dnafast.cli import main
from dnafast.saved import SavedModel
from dnafast.train.checkpoint import CheckpointFile

MODEL = "deepbind[filters=8,kernel_size=7,hidden=4]"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sequences with a planted word or without it."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[random.integers(0, 4, (240, 40))].copy()
    labels = np.arange(240) // 4 % 2
    letters[labels == 1, 10:18] = np.frombuffer(b"TGACTCAG", dtype=np.uint8)
    parts = ("train", "train", "valid", "test")
    rows = [f"{row.tobytes().decode()},{labels[i]},{parts[i % 4]}\n" for i, row in enumerate(letters)]
    (folder / "motif.csv").write_text("sequence,label,split\n" + "".join(rows))
    return folder / "motif.csv"


def train(data, out, *arguments, model=MODEL):
    given = ["--table", str(data), "--model", model, "--out", str(out), "--threads", "1", *map(str, arguments)]
    return main(["train", *given])


FAST = ("--tune", 0, "--epochs", 3, "--batch-size", 16, "--learning-rate", 0.01)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The folder of a training, and what it printed."""
    out, printed = tmp_path_factory.mktemp("trained") / "run", io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert train(data, out, *FAST) == 0
    return out, printed.getvalue()


def test_it_leaves_a_network_that_predicts(data, trained, tmp_path):
    out, printed = trained
    assert "motif, train: 60 positives, 60 negatives" in printed
    row = json.loads((out / "record.json").read_text())["result"]["rows"][0]
    for name, label in (("auroc", "AUROC"), ("auprc", "AUPRC")):
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        assert low <= row[name] <= high
        assert f"{label} {row[name]:.3f} (95 % {low:.3f} to {high:.3f})" in printed
    assert sorted(path.name for path in out.iterdir()) == [
        "history.csv", "model.json", "record.json", "scores.npz", "weights.safetensors",
    ]  # fmt: skip
    saved = SavedModel.load(out)
    assert (saved.length, saved.tasks, saved.stranded, saved.prevalence) == (40, ("motif",), True, (0.5,))
    assert saved.specification.label == MODEL
    assert saved.train["learning_rate"] == 0.01
    assert saved.train["batch_size"] == 16
    assert "gradient_norm" in (out / "history.csv").read_text().splitlines()[0]

    # The scores of the test part are those that predicting its sequences gives.
    rows = [line.split(",") for line in data.read_text().splitlines()[1:]]
    test = [row[0] for row in rows if row[2] == "test"]
    (tmp_path / "test.fa").write_text("".join(f">{i}\n{letters}\n" for i, letters in enumerate(test)))
    arguments = ["--run", str(out), "--sequences", str(tmp_path / "test.fa"), "--out", str(tmp_path / "x.tsv")]
    assert main(["predict", *arguments]) == 0
    predicted = [float(line.split("\t")[4]) for line in (tmp_path / "x.tsv").read_text().splitlines()[1:]]
    with np.load(out / "scores.npz") as scores:
        np.testing.assert_allclose(predicted, scores["probabilities"][:, 0], rtol=1e-4)


def test_a_second_start_finds_it_trained_and_other_settings_are_refused(data, trained, tmp_path, capsys):
    out = tmp_path / "copy"
    shutil.copytree(trained[0], out)
    figures = trained[1].splitlines()[-1]
    before = (out / "weights.safetensors").read_bytes()
    assert train(data, out, *FAST) == 0
    assert capsys.readouterr().out.splitlines() == [f"{out}: trained earlier", figures]
    assert train(data, out, *FAST, "--seed", 1) == 2
    message = capsys.readouterr().err
    assert "holds a finished run that differs in seed (0 there, 1 now), started with --seed 0 there and" in message
    assert "--overwrite" in message
    assert train(data, out, *FAST, "--seed", 1, "--overwrite") == 0
    assert (out / "weights.safetensors").read_bytes() != before


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json", "history.csv"])
def test_a_finished_training_with_a_damaged_file_is_told(name, data, trained, tmp_path, capsys):
    out = tmp_path / "copy"
    shutil.copytree(trained[0], out)
    (out / name).write_bytes((out / name).read_bytes()[:-1])
    assert train(data, out, *FAST) == 2
    assert "holds a finished training, but a file of it is damaged: --overwrite trains anew" in capsys.readouterr().err
    (out / name).unlink()
    assert train(data, out, *FAST) == 2
    assert "--overwrite trains anew" in capsys.readouterr().err
    assert train(data, out, *FAST, "--overwrite") == 0
    assert (out / name).exists()


def test_a_training_that_was_stopped_goes_on_and_ends_as_one_that_was_not(data, trained, tmp_path, capsys, monkeypatch):
    saves = []
    save = CheckpointFile.save

    def save_and_stop(self, state):
        save(self, state)
        saves.append(state["counts"]["step"])
        if len(saves) == 11:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointFile, "is_due", lambda self: True)
        patched.setattr(CheckpointFile, "save", save_and_stop)
        assert train(data, tmp_path / "broken", *FAST) == 130
    assert "'dnafast train' with the same options goes on" in capsys.readouterr().err
    assert saves[-1] == 11
    assert [path.name[:11] for path in (tmp_path / "broken").iterdir()] == ["checkpoint-"]
    assert train(data, tmp_path / "broken", *FAST) == 0
    for name in ("weights.safetensors", "scores.npz"):
        assert (tmp_path / "broken" / name).read_bytes() == (trained[0] / name).read_bytes(), name
    assert not list((tmp_path / "broken").glob("checkpoint*"))


def test_the_learning_rate_is_looked_for_by_default(data, tmp_path):
    assert train(data, tmp_path / "run", "--epochs", 2, "--tune", 2) == 0
    found = json.loads((tmp_path / "run" / "tuning.json").read_text())["found"]
    assert set(found["losses"]) == {"0.001", "0.0003"}
    assert SavedModel.load(tmp_path / "run").train["learning_rate"] == found["learning_rate"]


def test_a_search_that_tells_no_rate_from_chance_is_said(data, tmp_path, capsys, monkeypatch):
    found = Tuned(1e-3, {"0.001": 0.69}, told_from_chance=False, seconds=1.0)
    monkeypatch.setattr("dnafast.bench.tuning.tune", lambda *arguments: found)
    assert train(data, tmp_path / "run", "--epochs", 1) == 0
    said = "learning rate 0.001 (the usual one: no short run of the search was told from chance)"
    assert said in capsys.readouterr().out


def test_precision_and_published_recipe_reach_the_training(data, tmp_path):
    out = tmp_path / "run"
    assert train(data, out, "--epochs", 1, "--recipe", "published", "--precision", "bfloat16") == 0
    how = SavedModel.load(out).train
    assert (how["precision"], how["optimizer"], how["nesterov"], how["batch_size"]) == ("bfloat16", "sgd", True, 64)


def test_auto_is_settled_once_for_search_and_training_and_told(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("dnafast.train.resolve_precision", lambda model, config, device: "bfloat16")
    out = tmp_path / "run"
    assert train(data, out, "--epochs", 1, "--tune", 2, "--precision", "auto") == 0
    assert " s in bfloat16" in capsys.readouterr().out
    assert SavedModel.load(out).train["precision"] == "bfloat16"


def test_a_genome_with_peaks(tmp_path, write_fasta):
    random = np.random.default_rng(0)
    contigs = {f"c{number}": "".join(random.choice(list("ACGT"), 6000)) for number in (1, 2, 3)}
    genome = write_fasta(contigs)
    peaks = tmp_path / "k.bed"
    peaks.write_text("".join(f"{name}\t{start}\t{start + 60}\n" for name in contigs for start in range(100, 5900, 300)))
    arguments = ["--fasta", str(genome), "--peaks", f"a={peaks}", "--length", "60", "--test", "c2", "--valid", "c3"]
    given = [*arguments, "--model", MODEL, "--out", str(tmp_path / "run"), "--tune", "0", "--epochs", "1"]
    assert main(["train", *given]) == 0
    assert not SavedModel.load(tmp_path / "run").stranded
    assert (
        main(["predict", "--run", str(tmp_path / "run"), "--fasta", str(genome), "--out", str(tmp_path / "x.tsv")]) == 0
    )
    assert len((tmp_path / "x.tsv").read_text().splitlines()) == 301


@pytest.mark.parametrize(
    ("arguments", "model", "message"),
    [
        ((), "danqq", "--model 'danqq' is unknown, did you mean 'danq'?"),
        (
            (),
            "deepbind[filter=3]",
            "--model 'deepbind[filter=3]': deepbind has no option 'filter', did you mean 'filters'?",
        ),
        ((), "gc_logistic", "--model gc_logistic is a floor, which a bench fits: name a network"),
        (
            ("--batch-size", "500"),
            MODEL,
            "--batch-size 500 is more than the 120 windows that",
        ),
        (("--seed", "-1"), MODEL, "--seed -1 must not be negative"),
        (("--fasta", "g.fa", "--peaks", "p.bed"), MODEL, "are different kinds of data"),
        (("--seed", "1", "--seed", "2"), MODEL, "--seed is given twice"),
        (("--learning-rate", "0"), MODEL, "--learning-rate 0.0 must be above 0"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(arguments, model, message, data, tmp_path, capsys):
    assert train(data, tmp_path / "run", *arguments, model=model) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_there_must_be_data_and_a_folder_of_its_own(data, tmp_path, capsys):
    assert main(["train", "--model", MODEL, "--out", str(tmp_path / "run")]) == 2
    assert "there are no data: give --fasta and --peaks" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("mine")
    assert train(data, tmp_path, *FAST) == 2
    assert "is a folder with other files in it (notes.txt)" in capsys.readouterr().err


def test_a_diverged_training_has_failed(data, tmp_path, capsys):
    assert train(data, tmp_path / "run", "--tune", 0, "--learning-rate", 1e30, "--epochs", 3) == 1
    assert "training failed: the " in capsys.readouterr().err


NETWORK = """
import torch

class Net(torch.nn.Module):
    def __init__(self, length, n_tasks):
        super().__init__()
        self.convolution = torch.nn.Conv1d(4, 4, 7)
        self.head = torch.nn.Linear(4, n_tasks)

    def forward(self, x):
        return self.head(self.convolution(x).amax(dim=2))
"""


def test_a_network_that_is_too_large_is_told(data, tmp_path, capsys, monkeypatch):
    def full(run):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 96000000000 bytes")

    monkeypatch.setattr("dnafast.bench.runs.Run.build", full)
    assert train(data, tmp_path / "run", *FAST) == 2
    printed = capsys.readouterr().err
    assert "out of memory: a smaller network or shorter sequences are needed (RuntimeError: Default" in printed
    assert printed.count("\n") == 1


def test_a_network_of_ones_own_keeps_its_promises_before_it_is_trained(data, tmp_path, capsys):
    (tmp_path / "my.py").write_text(NETWORK.replace("amax(dim=2)", "amax(dim=2)[0]"))
    assert train(data, tmp_path / "run", *FAST, model=f"{tmp_path}/my.py:Net") == 2
    printed = capsys.readouterr().err
    assert "my.py:Net breaks 1 of 1 promises, the first of them shapes" in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_network_of_ones_own_that_breaks_off_has_failed(data, tmp_path, capsys):
    # The batches of the contract have other sizes than the validation part with its 60 sequences.
    breaking = NETWORK.replace("        return", "        if len(x) == 60:\n            {}['no']\n        return")
    (tmp_path / "my.py").write_text(breaking)
    assert train(data, tmp_path / "run", *FAST, model=f"{tmp_path}/my.py:Net") == 1
    assert capsys.readouterr().err == f"dnafast: training failed: {tmp_path}/my.py, line 12: KeyError: 'no'\n"


# Options of the bench that one network's training takes; what a bench gets anew belongs here or among the fixed ones.
TAKEN = {
    *("fasta", "peaks", "pool", "positives", "negatives", "table", "length", "sample", "ratio", "exclude", "contigs"),
    *("outside", "columns", "max_n", "test", "valid", "test_on", "strand", "epochs", "recipe", "tune", "batch_size"),
    *("learning_rate", "max_train", "out", "overwrite", "device", "threads"),
}


def test_options_of_a_comparison_are_not_offered(data, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        train(data, tmp_path / "run", "--seeds", 3)
    assert ended.value.code == 2
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    for field in dataclasses.fields(BenchOptions):
        assert (f"--{field.name.replace('_', '-')}" in shown) == (field.name in TAKEN), field.name
