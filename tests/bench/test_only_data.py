"""``--only data``: what it leaves, that answers are compared before they are timed, and what it refuses."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dnafast import Genome
from dnafast.bench.data_path import run
from dnafast.bench.data_path.jobs import JOBS
from dnafast.bench.data_path.run import COLUMNS
from dnafast.bench.data_path.worker import Worker
from dnafast.bench.main import main
from dnafast.report.data_path import DataPathResults

FILES = {"config.json", "data_path.csv", "report.html", "summary.md"}
NASTY = "<b>$x$ & y"
FETCHERS = [name for name in ("pysam", "pyfaidx") if importlib.util.find_spec(name)]


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "data_path.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def letters(length: int, seed: int) -> str:
    return np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(seed).integers(0, 4, length)].tobytes().decode()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A genome with lower case, IUPAC and N, peaks on both strands beside and upon one another, and two classes."""
    folder = tmp_path_factory.mktemp("files")
    texts = {}
    for number, contig in enumerate(("chr1", "chr2", "chr3")):
        text = letters(30_000 + number, number)
        texts[contig] = f"{text[:9_000].lower()}{'N' * 700}R{text[9_701:]}"
    (folder / "genome.fa").write_text(
        "".join(f">{name} {NASTY}\n" + "\n".join(text[i : i + 61] for i in range(0, len(text), 61)) + "\n"
                for name, text in texts.items())
    )  # fmt: skip
    peaks = [
        f"{contig}\t{start}\t{start + 150 + start % 7}\tpeak\t{start % 11}\t{'+-'[start % 2]}"
        for contig in texts
        for start in (0, 8_950, *range(1_000, 29_000, 333), *range(1_020, 29_000, 999), 29_840)
    ]
    (folder / "peaks.bed").write_text("track name=x\n" + "\n".join(peaks) + "\n")
    for name, first in (("pos", 100), ("neg", 500)):
        records = (f">{name}{i}\n{letters(60, first + i)}\n" for i in range(80))
        (folder / f"{name}.fa").write_text("".join(records).replace("ACGT", "acgN"))
    return folder


def genome_arguments(files: Path, out: Path) -> list[str]:
    data = ["--fasta", str(files / "genome.fa"), "--peaks", str(files / "peaks.bed"), "--length", "100"]
    return ["--only", "data", "--quick", *data, "--max-n", "0.02", "--out", str(out)]


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAFAST_CACHE", str(folder / "cache"))
        before = content(files)
        assert main(genome_arguments(files, folder / "out")) == 0
        assert content(files) == before, "indices are not written beside the user's files"
        assert not list((folder / "cache").iterdir()), "the temporary folder is gone"
    return folder / "out"


def test_every_promised_file_is_there(finished):
    assert {path.name for path in finished.iterdir()} == FILES


def test_there_is_a_row_for_each_job_and_contender(finished):
    table = rows(finished)
    assert tuple(table[0]) == COLUMNS
    jobs = [job.name for job in JOBS if job.has_genome]
    assert list(dict.fromkeys(row["job"] for row in table)) == jobs
    assert {row["contender"] for row in table} >= {"dnafast", "numpy", "pandas", *FETCHERS}
    for row in table:
        rivals = {"read_peaks": {"pandas"}}.get(row["job"], {"numpy", *FETCHERS} - ({"numpy"} & {row["job"]}))
        if row["job"] == "reopen":
            rivals = set(FETCHERS)
        assert row["status"] == "measured", row
        assert set(row["agrees_with"].split()) == ({"dnafast"} | rivals) - {row["contender"]}
        assert float(row["wall_seconds_fastest"]) <= float(row["wall_seconds"]) <= float(row["wall_seconds_slowest"])
        assert float(row["wall_seconds"]) > 0
        assert float(row["peak_rss_bytes"]) > 1e7


def test_rates_are_counts_over_seconds(finished):
    for row in rows(finished):
        for name in ("opens", "regions", "windows", "bases", "batches"):
            if row[f"n_{name}"]:
                rate = int(row[f"n_{name}"]) / float(row["wall_seconds"])
                assert float(row[f"{name}_per_second"]) == pytest.approx(rate)
            else:
                assert row[f"{name}_per_second"] == ""
        assert (row["wait_share"] != "") == (row["job"] == "epoch_beside_model")


def test_times_as_long_is_beside_dnafast_with_one_thread(finished):
    for job in (job for job in JOBS if job.has_genome):
        table = [row for row in rows(finished) if row["job"] == job.name]
        (base,) = (row for row in table if row["contender"] == "dnafast" and row["threads"] == "1")
        assert float(base["times_as_long"]) == 1
        for row in table:
            if float(row[job.rate]):
                assert float(row["times_as_long"]) == pytest.approx(float(base[job.rate]) / float(row[job.rate]))


def test_more_threads_are_not_what_rivals_are_compared_with():
    job = next(job for job in JOBS if job.name == "first_open")
    table = [
        {"job": job.name, "contender": name, "threads": threads, "status": "measured", job.rate: rate}
        for name, threads, rate in (("dnafast", 1, 6.0), ("dnafast", 2, 12.0), ("numpy", 1, 2.0), ("pysam", 1, None))
    ]
    compared = run._compared(table, job)
    assert [row["times_as_long"] for row in compared] == [1, 0.5, 3, None]
    results = DataPathResults({"jobs": [{"name": job.name, "title": job.title, "rate": job.rate}]}, compared)
    assert results.fastest(job.name, "dnafast")["threads"] == 1
    assert results.fastest(job.name)["contender"] == "numpy"
    assert {row["times_as_long"] for row in run._compared(table[1:], job)} == {None}


def test_the_configuration_tells_where_and_with_what(finished):
    config = json.loads((finished / "config.json").read_text())
    assert config["options"]["only"] == "data"
    assert config["machine"]["instruction_set"]
    assert config["threads"] >= 1
    assert set(config["versions"]) >= {"dnafast", "numpy", *FETCHERS}
    assert config["checksums"]["windows"]


def test_the_page_is_one_file_that_loads_nothing_and_shows_all(finished):
    page = (finished / "report.html").read_text()
    assert "figures mean nothing" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "src=" not in page
    assert page.count("<svg") == 2
    for job in JOBS:
        assert (job.title in page) == job.has_genome
    for name in ("numpy", "pandas", *FETCHERS):
        assert name in page
    summary = (finished / "summary.md").read_text()
    assert summary.count("\n| ") == 1 + len(rows(finished))


def test_a_folder_with_results_is_left_alone(finished, files, capsys):
    before = content(finished)
    assert main(genome_arguments(files, finished)) == 2
    assert "--overwrite" in capsys.readouterr().err
    networks = [argument for argument in genome_arguments(files, finished) if argument not in ("--only", "data")]
    assert main(networks) == 2
    message = capsys.readouterr().err
    assert "a measurement of the data path" in message
    assert message.count("\n") == 1
    assert content(finished) == before


@pytest.fixture
def only_encode(monkeypatch):
    """One job, so that a bench ends soon."""
    monkeypatch.setattr(run, "JOBS", tuple(job for job in JOBS if job.name == "one_hot_uint8"))


def test_a_comparison_of_networks_is_not_mixed_with_this(files, tmp_path, only_encode, capsys):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "runs.csv").write_text("task,model,implementation,encoding,seed\n")
    (tmp_path / "mine.txt").write_text("keep\n")
    assert main(genome_arguments(files, tmp_path)) == 2
    assert "a comparison of networks" in capsys.readouterr().err
    assert main([*genome_arguments(files, tmp_path), "--overwrite"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "mine.txt"}


def test_sequences_are_read_and_encoded_from_memory(files, tmp_path):
    out = tmp_path / "out"
    data = ["--positives", str(files / "pos.fa"), "--negatives", str(files / "neg.fa")]
    assert main(["--only", "data", "--quick", *data, "--out", str(out)]) == 0
    table = rows(out)
    assert list(dict.fromkeys(row["job"] for row in table)) == [job.name for job in JOBS if job.has_sequences]
    assert {row["status"] for row in table} == {"measured"}
    assert {row["contender"] for row in table if row["job"] == "read_sequences"} == {"dnafast", "numpy", *FETCHERS}


def test_a_twobit_genome_meets_those_who_read_it(files, tmp_path, cache_folder, monkeypatch):
    pytest.importorskip("py2bit")
    Genome(files / "genome.fa")
    (made,) = cache_folder.glob("*.2bit")
    kept = ("reopen", "cut_windows", "negatives", "base_codes")
    monkeypatch.setattr(run, "JOBS", tuple(job for job in JOBS if job.name in ("first_open", *kept)))
    arguments = genome_arguments(files, tmp_path / "out")
    arguments[arguments.index("--fasta") + 1] = str(made)
    assert main(arguments) == 0
    table = rows(tmp_path / "out")
    assert list(dict.fromkeys(row["job"] for row in table)) == list(kept)
    assert {row["contender"] for row in table} == {"dnafast", "py2bit"}
    assert {row["status"] for row in table} == {"measured"}


def test_simulated_data_need_nothing(tmp_path, only_encode):
    assert main(["--only", "data", "--quick", "--out", str(tmp_path / "out"), "--length", "90"]) == 0
    assert json.loads((tmp_path / "out" / "config.json").read_text())["simulated"]
    assert "Simulated genome" in (tmp_path / "out" / "report.html").read_text()


def test_a_rival_that_is_not_installed_is_a_row_that_says_so(files, tmp_path, only_encode, monkeypatch):
    monkeypatch.setattr(run, "is_installed", lambda name: name != "pysam")
    assert main(genome_arguments(files, tmp_path / "out")) == 0
    row = next(row for row in rows(tmp_path / "out") if row["contender"] == "pysam")
    assert (row["status"], row["wall_seconds"]) == ("not_installed", "")
    assert "pip install pysam" in row["error"]
    assert "Not installed: pysam" in (tmp_path / "out" / "report.html").read_text()


def test_without_any_rival_nothing_is_said_to_agree(files, tmp_path, only_encode, monkeypatch):
    monkeypatch.setattr(run, "is_installed", lambda name: False)
    assert main(genome_arguments(files, tmp_path / "out")) == 0
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert "nothing was compared" in summary
    assert "agree" not in summary


def test_another_answer_is_not_timed_and_ends_with_1(files, tmp_path, only_encode, monkeypatch, capsys):
    asked = Worker.answer

    def answer(self, job, threads):
        return "something else" if self.contender == "numpy" else asked(self, job, threads)

    monkeypatch.setattr(Worker, "answer", answer)
    assert main(genome_arguments(files, tmp_path / "out")) == 1
    row = next(row for row in rows(tmp_path / "out") if row["contender"] == "numpy")
    assert (row["status"], row["wall_seconds"]) == ("other_answer", "")
    assert "not what dnafast found" in (tmp_path / "out" / "report.html").read_text()
    assert "Something is wrong" in capsys.readouterr().out


def test_a_rival_whose_process_dies_is_a_row_and_the_others_go_on(files, tmp_path, only_encode, monkeypatch):
    asked = Worker.timed

    def timed(self, job, threads):
        if self.contender == "numpy":
            self._process.kill()
        return asked(self, job, threads)

    monkeypatch.setattr(Worker, "timed", timed)
    assert main(genome_arguments(files, tmp_path / "out")) == 0
    table = {row["contender"]: row for row in rows(tmp_path / "out")}
    assert table["numpy"]["status"] == "failed"
    assert "exit code -9" in table["numpy"]["error"]
    assert table["dnafast"]["status"] == "measured"


def test_ctrl_c_leaves_nothing(files, tmp_path, cache_folder, monkeypatch, capsys):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(run.DataPath, "_measured", interrupted)
    assert main(genome_arguments(files, tmp_path / "out")) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert not list(cache_folder.iterdir())


def test_a_page_that_cannot_be_made_leaves_no_half_of_a_folder(files, tmp_path, only_encode, monkeypatch):
    def broken(results):
        raise RuntimeError("no page")

    monkeypatch.setattr(run, "data_path_page", broken)
    with pytest.raises(RuntimeError, match="no page"):
        main(genome_arguments(files, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_what_a_killed_bench_left_is_removed_after_a_day(files, tmp_path, cache_folder, only_encode, monkeypatch):
    for name in ("measuring-old", "other"):
        (cache_folder / name).mkdir(parents=True)
    monkeypatch.setattr(run, "_STALE_SECONDS", -10)
    assert main(genome_arguments(files, tmp_path / "out")) == 0
    assert [path.name for path in cache_folder.iterdir()] == ["other"]


BAD = {
    "no such genome": (["--fasta", "{}/none.fa", "--peaks", "{}/peaks.bed"], ["none.fa"]),
    "no such peaks": (["--fasta", "{}/genome.fa", "--peaks", "{}/none.bed"], ["none.bed"]),
    "genome without peaks": (["--fasta", "{}/genome.fa"], ["--peaks"]),
    "not a FASTA": (["--fasta", "{}/peaks.bed", "--peaks", "{}/peaks.bed"], ["peaks.bed", "line 1"]),
    "a table": (["--table", "{}/peaks.bed"], ["--table", "--only data"]),
    "a model": (["--models", "lstm"], ["--models", "--only data"]),
    "seeds": (["--seeds", "3"], ["--seeds", "--only data"]),
    "epochs": (["--epochs", "3"], ["--epochs", "--only data"]),
    "a plan": (["--plan"], ["--plan", "--only data"]),
    "a device": (["--device", "cuda"], ["--device", "--only data"]),
    "parts": (["--test", "chr1"], ["--test", "--only data"]),
    "pooling": (["--fasta", "{}/genome.fa", "--peaks", "{}/peaks.bed", "--pool"], ["--pool", "--only data"]),
    "an option of peaks without peaks": (["--max-n", "0.5"], ["--max-n", "simulated data"]),
    "a length for sequences": (
        ["--positives", "{}/pos.fa", "--negatives", "{}/neg.fa", "--length", "9"],
        ["--length", "--positives"],
    ),
    "a length beyond what is simulated": (["--length", "1000000"], ["--length 1000000", "at most"]),
    "no threads": (["--threads", "0"], ["--threads 0"]),
    "output is a file": (["--out", "{}/peaks.bed"], ["peaks.bed", "not a folder"]),
    "output is somebody's folder": (["--out", "{}"], ["other files"]),
}


@pytest.mark.parametrize("case", BAD)
def test_one_sentence_exit_code_2_and_nothing_left_behind(case, files, tmp_path, cache_folder, capsys):
    arguments, words = BAD[case]
    arguments = ["--only", "data", "--quick", *(argument.replace("{}", str(files)) for argument in arguments)]
    if "--out" not in arguments:
        arguments += ["--out", str(tmp_path / "out")]
    before = content(files)
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("dnafast: ")
    assert message.count("\n") == 1, message
    for word in words:
        assert word in message
    assert content(files) == before
    assert not (tmp_path / "out").exists()
    assert not list(cache_folder.glob("measuring-*"))


def test_peaks_of_another_genome(files, tmp_path, capsys):
    (tmp_path / "other.bed").write_text("1\t500\t700\n2\t500\t700\n")
    arguments = genome_arguments(files, tmp_path / "out")
    arguments[arguments.index("--peaks") + 1] = str(tmp_path / "other.bed")
    assert main(arguments) == 2
    assert "--outside drop" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_cache_that_cannot_be_written(files, tmp_path, monkeypatch, capsys):
    (tmp_path / "taken").write_text("a file\n")
    monkeypatch.setenv("DNAFAST_CACHE", str(tmp_path / "taken"))
    assert main(genome_arguments(files, tmp_path / "out")) == 2
    message = capsys.readouterr().err
    assert "DNAFAST_CACHE" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_only_something_else_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--only", "model"])
    assert ended.value.code == 2
    assert "--only" in capsys.readouterr().err


def test_torch_is_not_loaded():
    names = ("main", "data_path.run", "data_path.native", "data_path.rivals", "data_path.worker")
    code = f"import sys, {', '.join(f'dnafast.bench.{name}' for name in names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
