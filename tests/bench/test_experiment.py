"""The bench from the command line to the folder: what it leaves, and what it does when it is started again."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from dnafast.bench.main import main
from dnafast.bench.runs import PHASE_COLUMNS, RUN_COLUMNS
from tables import rows

FILES = ("report.html", "summary.md", "summary.json", "runs.csv", "phases.csv", "config.json", "data.json")
MODELS = ["--models", "gc_logistic", "deepbind", "rnn:torch"]


@pytest.fixture(scope="module")
def genome_files(tmp_path_factory) -> Path:
    """A genome of two contigs whose peaks hold a word that the rest of it lacks, and two files of peaks."""
    folder = tmp_path_factory.mktemp("genome")
    generator = np.random.default_rng(0)
    bases = np.frombuffer(b"ACGT", dtype=np.uint8)
    tables: dict[str, list[str]] = {"one": [], "two": []}
    text = []
    for contig in ("chr1", "chr2", "chr3"):
        letters = bases[generator.integers(0, 4, 60_000)]
        for number, start in enumerate(range(1_000, 58_000, 700)):
            letters[start + 40 : start + 52] = np.frombuffer(b"TGACTCATTGCA", dtype=np.uint8)
            tables["one" if number % 3 else "two"].append(f"{contig}\t{start}\t{start + 100}\tp\t0\t.\t5\t-1\t-1\t50")
        text.append(f">{contig}\n{letters.tobytes().decode()}\n")
    (folder / "genome.fa").write_text("".join(text))
    for name, lines in tables.items():
        (folder / f"{name}.narrowPeak").write_text("\n".join(lines) + "\n")
    return folder


def genome_arguments(files: Path, out: Path) -> list[str]:
    peaks = [str(files / "one.narrowPeak"), f"second={files / 'two.narrowPeak'}"]
    data = ["--fasta", str(files / "genome.fa"), "--peaks", *peaks, "--length", "100"]
    return [*data, "--quick", "--out", str(out), *MODELS]


@pytest.fixture(scope="module")
def finished(genome_files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bench") / "out"
    assert main(genome_arguments(genome_files, out)) == 0
    return out


def test_every_promised_file_is_there(finished):
    assert {path.name for path in finished.iterdir()} == {*FILES, "dataset.bed.gz", "tiles.bed.gz", "runs"}
    for run in (finished / "runs").iterdir():
        if run.name.endswith("-tuning"):
            assert {path.name for path in run.iterdir()} == {"tuning.json"}
            continue
        expected = {"record.json", "scores.npz", "genome_scores.npz"}
        if "logistic" not in run.name:
            expected |= {"history.csv", "weights.safetensors", "model.json"}
        assert {path.name for path in run.iterdir()} == expected


def test_runs_have_a_row_for_each_task_with_every_column(finished):
    table = rows(finished / "runs.csv")
    assert tuple(table[0]) == RUN_COLUMNS
    models = [(row["model"], row["implementation"]) for row in table if row["task"] == "one"]
    assert models == [("gc_logistic", "scikit-learn"), ("rnn", "torch"), ("deepbind", "torch"), ("deepbind", "native")]
    assert {row["task"] for row in table} == {"one", "second"}
    for row in table:
        assert row["status"] == "finished"
        assert 0 <= float(row["auroc_low"]) <= float(row["auroc"]) <= float(row["auroc_high"]) <= 1
        assert float(row["peak_rss_bytes"]) > 1e7
        assert row["gpu_energy_joules"] == ""


def test_metrics_are_those_of_the_saved_scores(finished):
    from sklearn.metrics import average_precision_score, roc_auc_score

    for row in rows(finished / "runs.csv"):
        scores = np.load(finished / "runs" / row["run_id"] / "scores.npz", allow_pickle=False)
        column = ["one", "second"].index(row["task"])
        labels, probabilities = scores["labels"][:, column], scores["probabilities"][:, column]
        assert float(row["auroc"]) == pytest.approx(roc_auc_score(labels, probabilities), abs=1e-12)
        assert float(row["auprc"]) == pytest.approx(average_precision_score(labels, probabilities), abs=1e-12)


def test_native_and_torch_agree(finished):
    scores = [
        np.load(finished / "runs" / f"genome-deepbind-{kind}-seed0" / "scores.npz")["probabilities"]
        for kind in ("torch", "native")
    ]
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_phases_tell_data_from_model(finished):
    table = rows(finished / "phases.csv")
    assert tuple(table[0]) == PHASE_COLUMNS
    of_rnn = {row["phase"]: row["scope"] for row in table if row["model"] == "rnn"}
    assert of_rnn == {
        "data_wait": "data",
        "encode": "data",
        "transfer": "model",
        "forward": "model",
        "backward": "model",
        "optimizer": "model",
        "evaluation": "model",
    }
    assert {row["phase"] for row in table if not row["model"]} == {"index", "window"}


def test_parts_share_no_base_and_closed_windows_touch_no_peak(finished, genome_files):
    with gzip.open(finished / "dataset.bed.gz", "rt") as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    peaks = [
        (fields[0], int(fields[1]), int(fields[2]))
        for name in ("one", "two")
        for fields in (line.split("\t") for line in (genome_files / f"{name}.narrowPeak").read_text().splitlines())
    ]
    part_of_base: dict[tuple[str, int], str] = {}
    for row in table:
        start, end = int(row["start"]), int(row["end"])
        for base in range(start, end):
            assert part_of_base.setdefault((row["#contig"], base), row["split"]) == row["split"]
        if row["source"] == "gc":
            assert not any(c == row["#contig"] and s < end and start < e for c, s, e in peaks)


def test_the_split_says_what_it_counts(finished):
    (about,) = json.loads((finished / "data.json").read_text())
    positives = {row["part"]: row["count"] for row in about["flow"] if row["part"] and row["class"] == "open"}
    assert about["split"].startswith(f"positives: train {positives['train']} (")


def test_the_page_says_that_quick_figures_mean_nothing(finished):
    assert "figures mean nothing" in (finished / "report.html").read_text()
    assert not json.loads((finished / "config.json").read_text())["simulated"]


def test_started_again_it_does_only_what_is_missing(finished, genome_files, capsys):
    kept = finished / "runs" / "genome-rnn-torch-seed0" / "record.json"
    again = finished / "runs" / "genome-deepbind-torch-seed0" / "record.json"
    before, old = kept.stat().st_mtime_ns, rows(finished / "runs.csv")
    again.unlink()
    assert main(genome_arguments(genome_files, finished)) == 0
    assert "genome-rnn-torch-seed0: done earlier" in capsys.readouterr().out
    assert kept.stat().st_mtime_ns == before
    assert again.exists()
    scores = ("auroc", "auprc", "log_loss", "threshold", "mcc")
    assert [[row[name] for name in scores] for row in rows(finished / "runs.csv")] == [
        [row[name] for name in scores] for row in old
    ], "the same seed gives the same scores"


def test_other_settings_in_the_same_folder_are_refused(finished, genome_files, capsys, monkeypatch):
    assert main([*genome_arguments(genome_files, finished), "--learning-rate", "0.01"]) == 2
    message = capsys.readouterr().err
    assert "differs in train.learning_rate (0.001 there, 0.01 now), tuning (" in message
    assert "now), started with no --learning-rate there and --learning-rate 0.01 now: choose another --out" in message
    assert "--overwrite" in message
    assert main([*genome_arguments(genome_files, finished), "--ratio", "2"]) == 2
    assert "differs in the data, started with --ratio 1.0 there and --ratio 2.0 now: " in capsys.readouterr().err
    monkeypatch.setattr("dnafast.threads.limit", lambda threads: None)  # it would outlast this test
    length = genome_arguments(genome_files, finished)
    length[length.index("--length") + 1] = "90"
    assert main([*length, "--threads", "1"]) == 2
    message = capsys.readouterr().err
    assert "differs in length (100 there, 90 now), started with --length 100 there and --length 90 now" in message
    assert (finished / "report.html").exists()


def test_runs_with_other_budgets_never_share_a_table(finished, genome_files, capsys):
    arguments = genome_arguments(genome_files, finished)[: -len(MODELS)]
    assert main([*arguments, "--models", "lstm", "--epochs", "2"]) == 2
    message = capsys.readouterr().err
    assert "differs in train.max_epochs (1 there, 2 now), started with no --epochs there and --epochs 2 now" in message
    assert "--overwrite" in message
    renamed = [argument.replace("second=", "other=") for argument in arguments]
    assert main([*renamed, "--models", "lstm"]) == 2
    message = capsys.readouterr().err
    assert "differs in tasks (['one', 'second'] there, ['one', 'other'] now), started with --peaks " in message


def test_more_networks_join_those_that_are_done(finished, genome_files):
    arguments = genome_arguments(genome_files, finished)[: -len(MODELS)]
    assert main([*arguments, "--models", "kmer_logistic"]) == 0
    models = {row["model"] for row in rows(finished / "runs.csv")}
    assert models == {"gc_logistic", "rnn", "deepbind", "kmer_logistic"}
    # What the folder tells of itself is of all that it holds, not of the last start.
    config = json.loads((finished / "config.json").read_text())
    assert [start["command"][-1] for start in config["starts"]] == ["rnn:torch", "kmer_logistic"]
    assert {name.partition(":")[0] for name in config["models"]} == models
    assert {run for start in config["starts"] for run in start["runs"]} == {
        row["run_id"] for row in rows(finished / "runs.csv")
    }
    page = (finished / "report.html").read_text()
    assert "The commands that, one after the other, repeat this bench" in page
    assert "--models gc_logistic deepbind rnn:torch" in page
    assert "--models kmer_logistic" in page
    # A start that asks for everything stands for all of them.
    assert main([*arguments, *MODELS, "kmer_logistic"]) == 0
    assert len(json.loads((finished / "config.json").read_text())["starts"]) == 1


def test_what_is_added_is_trained_on_as_much_as_what_is_there(genome_files, tmp_path, monkeypatch, capsys):
    from dnafast.bench import plan

    arguments = [argument for argument in genome_arguments(genome_files, tmp_path / "out") if argument != "--quick"]
    arguments = [*arguments[: -len(MODELS)], "--epochs", "1", "--models"]
    monkeypatch.setattr(plan, "most_train", lambda estimates, seconds, processes: 128)
    assert main([*arguments, "deepbind:torch"]) == 0
    first = capsys.readouterr().out
    assert "networks are trained on 128 windows at most" in first
    assert "as the earlier runs" not in first
    monkeypatch.setattr(plan, "most_train", lambda estimates, seconds, processes: 64)
    assert main([*arguments, "deepbind:native", "--max-minutes", "7"]) == 0
    added = capsys.readouterr().out
    assert "networks are trained on" not in added
    assert "Networks are trained on 128 windows at most, as the earlier runs" in added
    assert "--max-minutes 7 is no bound" in added
    assert {row["n_train"] for row in rows(tmp_path / "out" / "runs.csv")} == {"128"}
    assert "--max-train 128 --max-minutes 0" in (tmp_path / "out" / "report.html").read_text()


def test_the_recorded_command_can_be_run_again(finished):
    command = json.loads((finished / "config.json").read_text())["command"]
    assert command[:3] == ["python", "-m", "dnafast.bench"]
    assert "--quick" in command


@pytest.mark.parametrize("seed", range(4))
def test_the_quick_simulation_prepares_whatever_the_draw(seed, monkeypatch):
    from dnafast import recipes
    from dnafast.bench import simulated
    from dnafast.bench.measure import Meter
    from dnafast.bench.options import BenchOptions

    monkeypatch.setattr(simulated, "_SEED", seed)
    recipe = recipes.quick(recipes.demonstration())
    for dataset in simulated.simulated(BenchOptions(), recipe, Meter()):
        for row in dataset.check().part_counts():
            assert row["positives"] == row["negatives"] > 0


def test_the_table_of_windows_runs_exactly_these_again(finished, genome_files, tmp_path):
    out = tmp_path / "again"
    data = ["--fasta", str(genome_files / "genome.fa"), "--table", str(finished / "dataset.bed.gz")]
    assert main([*data, "--quick", "--out", str(out), *MODELS]) == 0
    was, now = ([row for row in rows(of / "runs.csv") if row["model"] in MODELS] for of in (finished, out))
    assert [row["task"] for row in now] == [row["task"] for row in was]
    for name in ("auroc", "auprc", "log_loss", "n_train", "n_test"):
        assert [row[name] for row in now] == [row[name] for row in was], name


def test_a_plan_writes_nothing(genome_files, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [argument for argument in genome_arguments(genome_files, out) if argument != "--quick"]
    assert main([*arguments, "--plan"]) == 0
    assert "ms a step" in capsys.readouterr().out
    assert not out.exists()


def test_a_quick_plan_says_that_it_is_not_timed(genome_files, tmp_path, capsys):
    assert main([*genome_arguments(genome_files, tmp_path / "out"), "--plan", "--max-train", "5000"]) == 0
    printed = capsys.readouterr().out
    assert "4 runs; a quick bench is not timed beforehand." in printed
    assert "--max-train 5,000 is no bound here: the training part has" in printed


def test_the_help_names_every_network_and_floor(capsys):
    from dnafast.bench.contestants import contestants

    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for contestant in contestants():
        assert contestant.name in shown, contestant


def test_time_is_kept_by_training_on_less(genome_files, tmp_path, capsys):
    arguments = [argument for argument in genome_arguments(genome_files, tmp_path / "out") if argument != "--quick"]
    assert main([*arguments, "--plan", "--max-minutes", "0.02"]) == 2
    assert "--max-minutes 0.02 is too short" in capsys.readouterr().err


def test_a_run_that_breaks_is_a_row_and_the_others_go_on(genome_files, tmp_path, monkeypatch, capsys):
    from dnafast.bench import schedule

    execute = schedule.execute

    def break_rnn(run, *arguments):
        if run.contestant.name == "rnn":
            raise RuntimeError("out of\nmemory")
        return execute(run, *arguments)

    monkeypatch.setattr(schedule, "execute", break_rnn)
    out = tmp_path / "out"
    assert main(genome_arguments(genome_files, out)) == 1
    table = rows(out / "runs.csv")
    broken = [row for row in table if row["model"] == "rnn"]
    assert {(row["status"], row["error"]) for row in broken} == {("failed", "RuntimeError: out of memory")}
    assert sum(row["status"] == "finished" for row in table) == len(table) - 2
    assert "out of memory" in (out / "report.html").read_text()


def test_sequences_of_two_classes(tmp_path):
    generator = np.random.default_rng(3)
    for name in ("positive", "negative"):
        letters = np.frombuffer(b"ACGT", dtype=np.uint8)[generator.integers(0, 4, (150, 60))]
        if name == "positive":
            letters[:, 20:26] = np.frombuffer(b"TATAAT", dtype=np.uint8)
        records = (f">{i}\n{row.tobytes().decode()}\n" for i, row in enumerate(letters))
        (tmp_path / f"{name}.fa").write_text("".join(records))
    data = ["--positives", str(tmp_path / "positive.fa"), "--negatives", str(tmp_path / "negative.fa")]
    out = tmp_path / "out"
    assert main([*data, "--models", "onehot_logistic", "deepsea:torch", "--quick", "--out", str(out)]) == 0
    table = {row["model"]: row for row in rows(out / "runs.csv")}
    assert float(table["onehot_logistic"]["auroc"]) > 0.95
    assert int(table["deepsea"]["padded_to"]) > 60
    with gzip.open(out / "dataset.csv.gz", "rt") as file:
        header = next(csv.reader(file))
    assert header == ["sequence", "split", "fold", "group", "source", "label"]
    again = tmp_path / "again"
    arguments = ["--table", str(out / "dataset.csv.gz"), "--models", "onehot_logistic", "--quick", "--out", str(again)]
    assert main(arguments) == 0
    (row,) = rows(again / "runs.csv")
    assert float(row["auroc"]) == pytest.approx(float(table["onehot_logistic"]["auroc"]), abs=1e-6)
