"""Scores of other tools in a comparison."""

import numpy as np
import pytest

from dnafast.bench.main import main
from dnafast.metrics import auroc
from tables import rows, scores_of


def test_scores_of_another_tool_stand_in_the_tables(table, tmp_path):
    path = scores_of(table, tmp_path)
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--models", "gc_logistic", "--out", str(out)]
    assert main([*data, "--scores", f"tool={path}"]) == 0
    row = rows(out / "runs.csv")[-1]
    saved = np.load(out / "runs" / row["run_id"] / "scores.npz")
    assert (row["model"], row["implementation"]) == ("tool", "scores")
    assert float(row["auroc"]) == pytest.approx(auroc(saved["labels"][:, 0], saved["probabilities"][:, 0]))
    assert float(row["mcc"]) > 0.5
    assert "tool" in (out / "report.html").read_text()


def test_a_table_of_predict_is_taken_as_it_is(table, tmp_path):
    path = scores_of(table, tmp_path)
    path.write_text(path.read_text().replace("sequence\tscore", f"sequence\t{table.stem}"))
    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--models", "gc_logistic", "--out", str(out)]
    assert main([*data, "--scores", f"tool={path}"]) == 0
    assert float(rows(out / "runs.csv")[-1]["auroc"]) > 0.9


def test_scores_that_are_no_probabilities_are_ranked(table, tmp_path):
    def logit(line: str) -> str:
        sequence, score = line.split("\t")
        return f"{sequence}\t{10 * float(score) - 20}"

    out = tmp_path / "out"
    data = ["--table", str(table), "--quick", "--models", "gc_logistic", "--out", str(out)]
    assert main([*data, "--scores", f"tool={scores_of(table, tmp_path, logit)}"]) == 0
    row = rows(out / "runs.csv")[-1]
    assert row["log_loss"] == row["brier"] == row["ece"] == row["threshold"] == ""
    assert float(row["auroc"]) > 0.9


def once(change):
    """Change the third row alone."""
    count = iter(range(10**6))
    return lambda line: change(line) if next(count) == 2 else line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (once(lambda line: ""), ["lacks 1 of the 60 rows of the test part"]),
        (once(lambda line: f"{line}\n{line}"), ["line 5", "is there twice (first in line 4)"]),
        (once(lambda line: line + "x"), ["line 4", "is no finite number"]),
        (once(lambda line: line + "\t1"), ["line 4", "3 columns, but the header has 2"]),
        (once(lambda line: line.partition("\t")[0]), ["line 4", "1 column, but the header has 2"]),
        (once(lambda line: line + 140_000 * "1"), ["line 4", "field larger than field limit"]),
    ],
)
def test_bad_scores(change, words, tmp_path, capsys):
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[np.random.default_rng(1).integers(0, 4, (240, 40))]
    parts = ("test", "train", "valid", "train")
    text = [f"{row.tobytes().decode()},{i // 4 % 2},{parts[i % 4]}" for i, row in enumerate(letters)]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["sequence,label,split", *text]) + "\n")
    path = scores_of(table, tmp_path, change)
    data = ["--table", str(table), "--quick", "--models", "gc_logistic", "--out", str(tmp_path / "out")]
    assert main([*data, "--scores", f"tool={path}"]) == 2
    message = capsys.readouterr().err
    for word in words:
        assert word in message
    assert not (tmp_path / "out").exists()
