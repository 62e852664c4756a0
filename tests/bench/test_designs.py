"""What a comparison can be made of: folds, sizes, tuned rates, users' networks, vectors, tiles, processes."""

import json
import os

import numpy as np
import pandas as pd
import pytest
import torch

from dnafast.bench.main import main
from dnafast.bench.runs import Resources
from dnafast.metrics import auroc, recall_at_fdr
from dnafast.pretrain import skip_gram
from tables import rows, scores_of


def test_folds_test_every_sequence_once(unsplit, tmp_path):
    out = tmp_path / "out"
    models = ["--models", "kmer_logistic", "deepbind:native"]
    assert main(["--table", str(unsplit), "--quick", *models, "--folds", "4", "--out", str(out)]) == 0
    table = rows(out / "runs.csv")
    assert [(row["model"], row["fold"]) for row in table] == [
        (model, str(fold)) for model in ("kmer_logistic", "deepbind") for fold in range(4)
    ]
    tested = [np.load(out / "runs" / row["run_id"] / "scores.npz")["row"] for row in table[:4]]
    assert np.sort(np.concatenate(tested)).tolist() == list(range(240))
    (about,) = json.loads((out / "data.json").read_text())
    assert about["folds"] == 4
    assert "4 folds of groups that share words" in about["split"]
    assert [row["part"] for row in about["parts"]] == [f"fold {number}" for number in range(1, 5)]
    # The table that is written gives the same folds again.
    again = tmp_path / "again"
    data = ["--table", str(out / "dataset.csv.gz"), "--quick", "--models", "kmer_logistic", "--out", str(again)]
    assert main(data) == 0
    assert [row["auroc"] for row in rows(again / "runs.csv")] == [row["auroc"] for row in table[:4]]


def test_smaller_training_parts_lie_in_larger_ones_and_have_rows_of_their_own(table, tmp_path, capsys):
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--models", "kmer_logistic", "deepbind:native", "--out", str(out)]
    assert main([*data, "--train-sizes", "32", "64"]) == 0
    found = [(row["model"], row["train_size"], row["n_train"]) for row in rows(out / "runs.csv")]
    sizes = [("", "120"), ("32", "32"), ("64", "64")]
    assert found == [(model, *size) for model in ("kmer_logistic", "deepbind") for size in sizes]
    with pytest.raises(SystemExit):
        main([*data, "--train-sizes", "many"])
    capsys.readouterr()
    assert main([*data, "--train-sizes", "120"]) == 2
    assert "--train-sizes 120 must be below the 120 windows" in capsys.readouterr().err


def test_several_processes_give_the_same_figures(table, tmp_path):
    models = ["--models", "kmer_logistic", "gru[hidden=8]:torch", "deepbind:native"]
    data = ["--table", str(table), "--quick", "--seeds", "2", "--threads", "2", *models]
    found = []
    for processes in ("1", "2"):
        out = tmp_path / processes
        assert main([*data, "--processes", processes, "--out", str(out)]) == 0
        names = ("model", "seed", "learning_rate", "auroc", "log_loss")
        found.append([[row[name] for name in names] for row in rows(out / "runs.csv")])
    assert found[0] == found[1]
    assert len(found[0]) == 5


def test_a_process_that_is_killed_is_a_row_and_the_bench_ends(table, tmp_path):
    (tmp_path / "killed.py").write_text(
        NETWORK.replace("        super()", "        import os\n        os._exit(1)\n        super()")
    )
    # It is built here once to be looked at, so that only its run dies.
    text = (tmp_path / "killed.py").read_text().replace("os._exit(1)", "os.getpid() == %d or os._exit(1)")
    (tmp_path / "killed.py").write_text(text % os.getpid())
    (tmp_path / "sound.py").write_text(NETWORK)
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--tune", "0", "--threads", "2", "--processes", "2", "--out", str(out)]
    networks = [f"{tmp_path}/{name}.py:Net" for name in ("killed", "sound")]
    assert main([*data, "--models", *networks, "--seeds", "2"]) == 1
    found = {(row["model"], row["seed"]): row for row in rows(out / "runs.csv")}
    # Two runs at a time: the killed ones are done when the others begin, in processes of their own.
    assert [found["sound.py:Net", seed]["status"] for seed in "01"] == ["finished", "finished"]
    assert all("was killed, perhaps for lack of memory" in found["killed.py:Net", seed]["error"] for seed in "01")
    assert (out / "report.html").exists()


def test_a_rate_is_searched_once_for_all_seeds_and_found_again(table, tmp_path):
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--models", "deepbind[filters=16]", "--out", str(out)]
    assert main([*data, "--tune", "2", "--seeds", "2"]) == 0
    (search,) = (out / "runs").glob("*-tuning/tuning.json")
    found = json.loads(search.read_text())["found"]
    assert sorted(found["losses"]) == ["0.0003", "0.001"]
    rates = {float(row["learning_rate"]) for row in rows(out / "runs.csv")}
    assert rates == {found["learning_rate"]}
    assert {float(row["tune_seconds"]) for row in rows(out / "runs.csv")} == {found["seconds"]}
    before = search.stat().st_mtime_ns
    assert main([*data, "--tune", "2", "--seeds", "3"]) == 0
    assert search.stat().st_mtime_ns == before
    assert len(rows(out / "runs.csv")) == 6  # of both implementations, from one search


def test_rates_that_diverge_are_named_and_their_time_counts(table, tmp_path, monkeypatch):
    from dnafast.bench import tuning
    from dnafast.train import DivergedError

    def diverging(*arguments, **keywords):
        raise DivergedError(3, "training loss")

    monkeypatch.setattr(tuning, "train", diverging)
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--models", "deepbind[filters=16]:native", "--out", str(out)]
    assert main([*data, "--tune", "2"]) == 0
    (search,) = (out / "runs").glob("*-tuning/tuning.json")
    found = json.loads(search.read_text())["found"]
    assert found["losses"] == {"0.0003": None, "0.001": None}
    assert (found["told_from_chance"], found["learning_rate"]) == (False, 1e-3)
    assert found["seconds"] > 0


def test_a_restart_takes_no_more_threads_than_it_may(table, tmp_path):
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--tune", "0", "--threads", "2", "--out", str(out)]
    assert main([*data, "--models", "gru[hidden=8]:torch"]) == 0
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(config | {"torch_threads": {"t/gru[hidden=8]/torch": 7}}))
    assert main([*data, "--models", "gru[hidden=8]:torch", "--seeds", "2"]) == 0
    assert [row["threads"] for row in rows(out / "runs.csv")] == ["2", "2"]


def test_a_run_takes_its_gpu_in_whatever_process_it_is(monkeypatch):
    taken: list[int] = []
    monkeypatch.setattr("torch.cuda.set_device", taken.append)
    for device in ("cpu", "cuda", "cuda:1"):
        Resources(device, 0, torch.get_num_threads()).take()
    assert taken == [1]


def test_networks_meet_at_one_number_of_parameters(table, tmp_path, capsys):
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--out", str(out)]
    assert main([*data, "--models", "gru:torch", "deepbind", "multiscale_cnn[filters=8]", "--match", "params"]) == 0
    found = {(row["model"].partition("[")[0], row["implementation"]): row for row in rows(out / "runs.csv")}
    sizes = [int(row["n_parameters"]) for row in found.values()]
    assert max(sizes) < 1.2 * min(sizes)
    assert found["deepbind", "torch"]["model"] == found["deepbind", "native"]["model"]
    assert "hidden=" in found["gru", "torch"]["model"] or "filters=" in found["deepbind", "torch"]["model"]
    (tmp_path / "my.py").write_text(NETWORK)
    own = [
        *data[:3],
        "--out",
        str(tmp_path / "other"),
        "--models",
        "gru:torch",
        "gru[layers=2]:torch",
        f"{tmp_path}/my.py:Net",
    ]
    assert main([*own, "--match", "params"]) == 2
    assert "--match params: " in capsys.readouterr().err


@pytest.mark.parametrize("folds", [(), ("--folds", "3")])
def test_networks_over_words_start_from_vectors_and_at_random(folds, table, unsplit, tmp_path, capsys):
    out = tmp_path / "out"
    data = ["--table", str(unsplit if folds else table), "--quick", "--pretrain", "train", "--out", str(out), *folds]
    assert main([*data, "--models", "kmer_cnn[k=3,filters=8]", "gc_logistic"]) == 0
    found = {row["model"]: row for row in rows(out / "runs.csv")}
    assert list(found) == ["gc_logistic", "kmer_cnn[k=3,filters=8]", "kmer_cnn[k=3,filters=8,embedding=train]"]
    first, second = (found[name] for name in list(found)[1:])
    assert first["n_parameters"] == second["n_parameters"]
    assert first["log_loss"] != second["log_loss"]
    assert len(list((out / "vectors").iterdir())) == (3 if folds else 1)
    # What is saved predicts without the vectors that it started from.
    options = json.loads((out / "runs" / second["run_id"] / "model.json").read_text())["specification"]["options"]
    assert options == {"k": 3, "filters": 8}
    assert main([*data, "--models", "gc_logistic", "--overwrite"]) == 2
    assert "--pretrain train has no effect" in capsys.readouterr().err
    without = [one for one in data if one not in ("--pretrain", "train")]
    assert main([*without, "--models", "gc_logistic", "--overwrite"]) == 0
    assert not (out / "vectors").exists()


NETWORK = """
import torch

class Net(torch.nn.Module):
    def __init__(self, length: int, n_tasks: int, width: int = 4):
        super().__init__()
        self.convolution = torch.nn.Conv1d(4, width, 7)
        self.head = torch.nn.Linear(width, n_tasks)

    def forward(self, x):
        return self.head(self.convolution(x).amax(dim=2))
"""


def test_a_network_of_ones_own_takes_part(table, tmp_path):
    (tmp_path / "my.py").write_text(NETWORK)
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--out", str(out), "--models"]
    assert main([*data, f"{tmp_path}/my.py:Net[width=6]", "gc_logistic"]) == 0
    own = rows(out / "runs.csv")[1]
    assert (own["model"], own["implementation"], own["status"]) == ("my.py:Net[width=6]", "torch", "finished")
    assert int(own["n_parameters"]) == 4 * 6 * 7 + 6 + 6 + 1


def test_a_network_of_ones_own_that_breaks_a_promise_is_not_compared(table, tmp_path, capsys):
    (tmp_path / "my.py").write_text(NETWORK.replace("amax(dim=2)", "amax(dim=2) - x.mean()"))
    data = ["--table", str(table), "--quick", "--out", str(tmp_path / "out"), "--models", f"{tmp_path}/my.py:Net"]
    assert main(data) == 2
    message = capsys.readouterr().err
    assert "my.py:Net breaks 1 of 10 promises, the first of them batch mates" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("tune", ["0", "2"])
def test_a_network_of_ones_own_that_breaks_off_is_a_row(tune, table, tmp_path):
    path = tmp_path / "my.py"
    # The batches of the contract have other sizes than the validation part with its 60 sequences.
    breaking = NETWORK.replace("        return", "        if len(x) == 60:\n            {}['no']\n        return")
    path.write_text(breaking)
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--tune", tune, "--out", str(out)]
    assert main([*data, "--models", "gc_logistic", f"{path}:Net"]) == 1
    line = next(number for number, text in enumerate(breaking.splitlines(), start=1) if "['no']" in text)
    assert [row["error"] for row in rows(out / "runs.csv")] == ["", f"{path}, line {line}: KeyError: 'no'"]
    assert (out / "report.html").exists()


def test_files_of_contestants_must_lie_elsewhere(table, tmp_path, capsys):
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--out", str(out)]
    assert main([*data, "--models", "kmer_cnn[k=2,filters=4]", "--pretrain", "train"]) == 0
    (vectors,) = (out / "vectors").iterdir()
    (out / "my.py").write_text(NETWORK)
    for asked in (
        ["--models", f"kmer_cnn[k=2,filters=4,embedding={vectors}]"],
        ["--models", f"{out}/my.py:Net"],
        ["--models", "gc_logistic", "--scores", f"tool={scores_of(table, out)}"],
    ):
        capsys.readouterr()
        assert main([*data, *asked, "--overwrite"]) == 2
        assert f"lies in --out {out}, whose files are replaced" in capsys.readouterr().err
    assert vectors.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scores", "x.tsv"], "--scores 'x.tsv' must be NAME=FILE"),
        (["--scores", "x=no.tsv"], "there is no such file"),
        (["--folds", "2"], "--folds 2 must be at least 3"),
        (["--folds", "3"], "--folds has no effect: t has a split column"),
        (["--pretrain", "genome"], "--pretrain genome needs a genome"),
        (
            ["--pretrain", "train", "--models", "kmer_cnn[k=8]"],
            "--pretrain train: kmer_cnn[k=8] reads words of 8 bases, and vectors are learnt of 7 at most",
        ),
        (["--batch-size", "121"], "--batch-size 121 is more than the 120 windows that the training part of t has"),
        (["--tune", "9"], "--tune 9 must be at most 7"),
        (["--processes", "1000"], "--processes 1000 must be at least 1 and at most"),
        (["--recipe", "published", "--learning-rate", "0.1"], "--learning-rate has no effect with --recipe published"),
        (["--learning-rate", "0.1", "--tune", "5"], "--tune 5 looks for the rate that --learning-rate 0.1 gives"),
        (["--models", "gc_logistic", "--seeds", "3"], "--seeds 3 has no effect with floors alone (gc_logistic)"),
        (["--models", "gc_logistic", "--match", "params"], "--match params has no effect with floors alone"),
        (["--models", "gc_logistic", "--tune", "5"], "--tune 5 has no effect with floors alone"),
        (
            ["--models", "lstm", "gc_logistic", "--match", "flops"],
            "--match flops has no effect with one network (lstm)",
        ),
        (["--models", "lstm[hiden=3]"], "lstm has no option 'hiden', did you mean 'hidden'"),
        (["--models", "kmer_logistic[k=3]"], "kmer_logistic has no options"),
        (["--models", "lstm", "lstm[hidden=64]"], "--models names 'lstm[hidden=64]' twice"),
        (["--models", "no.py:Net"], "no.py"),
        (["--test-on", "genome", "matched"], "--test-on has no effect with --table"),
    ],
)
def test_bad_designs(arguments, words, table, tmp_path, capsys):
    assert main(["--table", str(table), *arguments, "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_vectors_of_a_genome_are_learnt_from_the_contigs_that_are_used(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    text = []
    for name in ("chr1", "chr2", "chr3", "chrUn_x", "chrM"):
        letters = np.frombuffer(b"ACGT", dtype=np.uint8)[generator.integers(0, 4, 20_000)]
        text.append(f">{name}\n{letters.tobytes().decode()}\n")
    (tmp_path / "g.fa").write_text("".join(text))
    peaks = [f"{name}\t{at}\t{at + 100}\n" for name in ("chr1", "chr2", "chr3") for at in range(500, 19_000, 1500)]
    (tmp_path / "p.bed").write_text("".join(peaks))
    data = ["--fasta", str(tmp_path / "g.fa"), "--peaks", str(tmp_path / "p.bed"), "--length", "100", "--quick"]
    read = []

    def noted(source, k, *, within, **keywords):
        read.append([within.contigs[contig] for contig in within.contig])
        return skip_gram(source, k, within=within, **keywords)

    monkeypatch.setattr("dnafast.bench.vectors.skip_gram", noted)
    models = ["--test-on", "matched", "--pretrain", "genome", "--models", "kmer_cnn[k=2,filters=4]"]
    assert main([*data, *models, "--out", str(tmp_path / "all")]) == 0
    assert read == [["chr1", "chr2", "chr3"]]


def test_figures_at_natural_prevalence_are_those_of_all_tiles(tmp_path):
    generator = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[generator.integers(0, 4, 120_000)]
    peaks = []
    for start in range(1000, 118_000, 900):
        letters[start + 40 : start + 52] = np.frombuffer(b"TGACTCATTGCA", dtype=np.uint8)
        peaks.append(f"chr1\t{start}\t{start + 100}\tp\t0\t.\t5\t-1\t-1\t50\n")
    (tmp_path / "g.fa").write_text(f">chr1\n{letters.tobytes().decode()}\n")
    (tmp_path / "p.narrowPeak").write_text("".join(peaks))
    data = ["--fasta", str(tmp_path / "g.fa"), "--peaks", str(tmp_path / "p.narrowPeak"), "--length", "100"]
    out = tmp_path / "out"
    models = ["--models", "kmer_logistic", "deepbind:native"]
    assert main([*data, *models, "--quick", "--folds", "3", "--out", str(out)]) == 0
    table = rows(out / "runs.csv")
    for row in table:
        saved = np.load(out / "runs" / row["run_id"] / "genome_scores.npz")
        labels, scores = saved["labels"][:, 0], saved["probabilities"][:, 0]
        assert int(row["genome_n"]) == (labels >= 0).sum()
        assert float(row["genome_prevalence"]) == pytest.approx((labels == 1).sum() / (labels >= 0).sum())
        assert float(row["genome_auroc"]) == pytest.approx(auroc(labels, scores), abs=1e-6)
        assert float(row["genome_recall_at_fdr_50"]) == pytest.approx(recall_at_fdr(labels, scores, 0.5), abs=1e-6)
        assert float(row["genome_prevalence"]) < 0.2 < float(row["prevalence"])
    n_labelled = sum(int(row["genome_n"]) for row in table[:3])
    assert n_labelled > 900
    # Peaks and tiles of 100 bases: at most starts a peak lies across two tiles, and covers one by less than half.
    laid = pd.read_csv(out / "tiles.bed.gz", sep="\t")
    (task,) = [name for name in laid if name.startswith("label_")]
    neither, n_open = (laid[task] == -1).sum(), (laid[task] == 1).sum()
    assert len(laid) - neither == n_labelled > len(laid) - n_labelled > 0
    (note,) = [note for note in json.loads((out / "data.json").read_text())[0]["notes"] if "Genome-wide" in note]
    assert f"over {len(laid):,} tiles of the test part, less {neither:,} that a peak covers by less than half" in note
    assert f"of the rest {100 * n_open / n_labelled:.2g} % are open" in note
    matched = tmp_path / "matched"
    assert main([*data, *models[:2], "--quick", "--test-on", "matched", "--out", str(matched)]) == 0
    assert rows(matched / "runs.csv")[0]["genome_auprc"] == ""
    assert not (matched / "tiles.bed.gz").exists()
