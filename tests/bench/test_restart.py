"""A bench that is started again on files that were damaged since: one sentence, or the runs are done again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dnafast.bench.finished import sound_record
from dnafast.bench.main import main

RUN = Path("runs") / "t-deepbind-torch-seed0"
FLOOR = Path("runs") / "t-gc_logistic-scikit-learn-seed0"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with a table and, in `out`, the bench on it."""
    folder = tmp_path_factory.mktemp("restart")
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[np.random.default_rng(0).integers(0, 4, (120, 40))]
    parts = ("train", "train", "valid", "test")
    rows = [f"{row.tobytes().decode()},{i // 4 % 2},{parts[i % 4]}\n" for i, row in enumerate(letters)]
    (folder / "t.csv").write_text("sequence,label,split\n" + "".join(rows))
    assert main(arguments(folder)) == 0
    return folder


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    shutil.copytree(finished, tmp_path / "copy")
    return tmp_path / "copy"


def arguments(folder: Path) -> list[str]:
    table, out = str(folder / "t.csv"), str(folder / "out")
    return ["--table", table, "--quick", "--models", "gc_logistic", "deepbind:torch", "--out", out]


def edited(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


CONTENTS = ["[]", "null", '"x"', "5", "", "{", "[" * 100_000]


@pytest.mark.parametrize("content", [*CONTENTS, '{"a": 1}'])
def test_a_damaged_configuration_is_one_sentence_and_overwrite_helps(content, copy, capsys):
    (copy / "out" / "config.json").write_text(content)
    assert main(arguments(copy)) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "config.json is damaged" in message
    assert "--overwrite" in message
    if content == "[]":
        assert main([*arguments(copy), "--overwrite"]) == 0
        assert "deepbind" in (copy / "out" / "runs.csv").read_text()


@pytest.mark.parametrize("name", ["version", "options", "starts", "max_train", "torch_threads"])
def test_a_configuration_with_a_wrong_value_is_one_sentence(name, copy, capsys):
    edited(copy / "out" / "config.json", lambda config: config.update({name: ["wrong", 1.5]}))
    assert main(arguments(copy)) == 2
    assert "config.json is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("content", CONTENTS)
def test_a_damaged_record_is_none(content, copy):
    assert sound_record(copy / "out" / FLOOR) is not None
    (copy / "out" / FLOOR / "record.json").write_text(content)
    assert sound_record(copy / "out" / FLOOR) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(config=[]),
        lambda record: record["result"].clear(),
        lambda record: record["result"].update(rows=[]),
        lambda record: record["result"].update(rows=[5]),
        lambda record: record["result"]["rows"][0].update(strange=1),
        lambda record: record["result"]["rows"][0].update(auroc=[]),
        lambda record: record["result"]["rows"][0].update(dataset="other"),
        lambda record: record["result"].update(phases=None),
        lambda record: record["result"].update(files={}),
    ],
)
def test_a_record_of_another_shape_is_none(change, copy):
    edited(copy / "out" / FLOOR / "record.json", change)
    assert sound_record(copy / "out" / FLOOR) is None


@pytest.mark.parametrize("name", ["scores.npz", "history.csv", "weights.safetensors", "model.json"])
@pytest.mark.parametrize("how", ["missing", "empty", "cut", "damaged"])
def test_a_run_with_a_damaged_file_has_no_sound_record(name, how, copy):
    assert sound_record(copy / "out" / RUN) is not None
    path = copy / "out" / RUN / name
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": content[:-7], "damaged": content[:-7] + b"1234567"}.get(how, b""))
    if how == "missing":
        path.unlink()
    assert sound_record(copy / "out" / RUN) is None


def test_damaged_runs_are_done_again(copy, capsys):
    (copy / "out" / FLOOR / "record.json").write_text("[]")
    (copy / "out" / RUN / "weights.safetensors").unlink()
    assert main(arguments(copy)) == 0
    printed = capsys.readouterr().out
    assert printed.count("its record or one of its files is damaged, so it is done again") == 2
    assert main(arguments(copy)) == 0
    assert capsys.readouterr().out.count("done earlier") == 2


def test_a_damaged_run_that_is_not_asked_for_is_left_out_and_named(copy, capsys):
    (copy / "out" / RUN / "weights.safetensors").unlink()
    asked = [one for one in arguments(copy) if one != "deepbind:torch"]
    assert main(asked) == 0
    assert f"{RUN.name}: its record or one of its files is damaged, so it is left out" in capsys.readouterr().out
    assert "deepbind" not in (copy / "out" / "runs.csv").read_text()


def test_overwriting_removes_nothing_but_what_a_bench_has_left(copy):
    own = [copy / "out" / "notes.txt", copy / "out" / "runs" / "notes.txt", copy / "out" / RUN / "notes.txt"]
    for path in own:
        path.write_text("mine")
    asked = [one for one in arguments(copy) if one != "deepbind:torch"]
    assert main([*asked, "--overwrite"]) == 0
    assert all(path.read_text() == "mine" for path in own)
    assert not (copy / "out" / RUN / "weights.safetensors").exists()
