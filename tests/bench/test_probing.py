"""``--probe``: what it leaves, that it goes on where it was stopped, and what it refuses."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from rich.console import Console

from dnafast import synthetic
from dnafast.bench.main import main
from dnafast.bench.options import parse
from dnafast.bench.probing import Probe
from dnafast.probe import factorial, pairs, reach
from dnafast.probe.networks import Treatment
from dnafast.probe.results import FILES

FEW = tuple(
    Treatment(cell, pooling, convolution)
    for cell in ("none", "rnn", "lstm")
    for pooling in ("last", "attention")
    for convolution in (False, True)
)


@pytest.fixture(scope="module")
def few():
    """The whole with few networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factorial, "FACTORIAL", FEW)
        patch.setattr(reach, "FOLLOWED", reach.FOLLOWED[:1])
        patch.setattr(pairs, "REMEMBERING", pairs.REMEMBERING[1:2])
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Promoters whose headers place them in a genome, and others."""
    folder = tmp_path_factory.mktemp("probe")
    made = synthetic.simulate_promoters(5, n=240)
    generator = np.random.default_rng(0)
    starts = 500 * generator.permutation(len(made))
    for label, name in ((1, "positive.fa"), (0, "negative.fa")):
        rows = np.flatnonzero(made.labels == label)
        records = [
            f">p|c1:{starts[row]}-{starts[row] + 81}(+)\n{made.letters[row].tobytes().decode()}\n" for row in rows
        ]
        (folder / name).write_text("".join(records))
    return folder


def arguments(files, *more):
    given = ["--positives", str(files / "positive.fa"), "--negatives", str(files / "negative.fa")]
    return ["--probe", "--quick", "--threads", "1", *given, "--out", str(files / "out"), *more]


@pytest.fixture(scope="module")
def out(files, few):
    assert main(arguments(files)) == 0
    return files / "out"


def test_the_folder_holds_tables_page_and_summary(out):
    assert {path.name for path in out.iterdir()} == {*FILES, "config.json", "report.html", "summary.md", "runs"}
    with (out / "factorial.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * len(FEW)
    assert {row["fold"] for row in rows} == {"0", "1", "2"}
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 5
    assert "genome" not in page.split("<h1>")[0]
    assert "Where networks look" in page
    assert ">\N{MINUS SIGN}35<" in page
    assert (out / "summary.md").read_text().count("\n1. ") == 1
    about = json.loads((out / "probe.json").read_text())
    assert "blocks of" in about["data"]["description"]
    assert about["runs"] == len(list((out / "runs").glob("*/record.json")))


def test_a_probe_that_was_stopped_goes_on(out, files, few):
    before = {path: path.read_bytes() for path in out.glob("*.csv")}
    kept = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/record.json")}
    lost = next(path for path in kept if path.parent.name.startswith("rnn-last-conv"))
    lost.unlink()
    (out / "probe.json").unlink()
    assert main(arguments(files)) == 0
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items() if path != lost)
    after = {path: path.read_bytes() for path in out.glob("*.csv")}
    # Only how long the run took may differ.
    assert all(after[path] == content for path, content in before.items() if path.name != "factorial.csv")


def test_a_folder_holds_a_probe_or_a_comparison(out, files, few, capsys, tmp_path):
    given = [argument for argument in arguments(files) if argument != "--probe"]
    assert main([*given, "--models", "gc_logistic"]) == 2
    assert "holds a probe: choose another folder" in capsys.readouterr().err
    assert main([*given[:-1], str(tmp_path / "other"), "--models", "gc_logistic"]) == 0
    capsys.readouterr()
    assert main([*arguments(files)[:-1], str(tmp_path / "other")]) == 2
    assert "holds a comparison of networks" in capsys.readouterr().err


def test_without_data_promoters_are_simulated(tmp_path):
    options = parse(["--probe", "--quick", "--out", str(tmp_path / "out")])
    probe = Probe.prepare(options, Console(quiet=True))
    assert probe.folds.simulated
    assert (len(probe.folds), len(probe.folds.sequences)) == (3, synthetic.QUICK_PROMOTERS)
    assert probe.earlier == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--models", "rnn"], "--models has no effect with --probe"),
        (["--folds", "4"], "--folds has no effect with --probe"),
        (["--epochs", "3"], "--epochs has no effect with --probe"),
        (["--only", "data"], "--only has no effect with --probe"),
    ],
)
def test_options_of_a_comparison_are_refused(files, capsys, more, message):
    assert main(arguments(files, *more)) == 2
    assert message in capsys.readouterr().err


def test_a_finished_run_of_other_data_is_refused(out, files, few, capsys, tmp_path):
    (tmp_path / "positive.fa").write_text((files / "positive.fa").read_text())
    lines = (files / "negative.fa").read_text().splitlines()
    (tmp_path / "negative.fa").write_text("\n".join([*lines[2:], lines[0], lines[1][::-1]]) + "\n")
    given = arguments(tmp_path)
    assert main([*given[:-1], str(out)]) == 2
    assert "differs in the data" in capsys.readouterr().err
