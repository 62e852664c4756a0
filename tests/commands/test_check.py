"""`dnafast check`: a line a promise, and the exit code says whether one is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnafast import cli, contract
from dnafast.commands.check import main

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, length, n_tasks, width: int = 16, shift: float = 0.0):
        super().__init__()
        self.convolution = nn.Conv1d(4, width, 9, padding=4)
        self.head = nn.Linear(width, n_tasks)
        self.shift = shift

    def forward(self, x):
        logits = self.head(torch.relu(self.convolution(x)).amax(2))
        return logits + self.shift * logits.mean(0)
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "my.py").write_text(NET)
    return f"{tmp_path}/my.py:Net"


def test_a_whole_network(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", f"{net}[width=12]", "--length", "40", "--n-tasks", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].split(maxsplit=1) for line in lines[:-1]] == [
        ["kept", promise] for promise in contract.PROMISES
    ]
    assert lines[0] == "kept    shapes: finite float32 logits (N, 3) for sequences of 40 bases"
    assert lines[-1] == f"my.py:Net[width=12] breaks none of {len(contract.PROMISES)} promises"


def test_a_broken_network(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{net}[shift=1]", "--length", "40"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("broken  batch mates: a sequence's logits depend on its batch") for line in lines)
    assert lines[-1].startswith(
        f"my.py:Net[shift=1.0] breaks 1 of {len(contract.PROMISES)} promises tried: batch mates"
    )


def test_a_network_of_the_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deepbind[filters=16]:native", "--length", "30"]) == 0
    assert "deepbind[filters=16] breaks none" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dang"], "dnafast: no model is called 'dang', did you mean 'danq'"),
        (["absent.py:Net"], "dnafast: absent.py, the file of Net, does not exist"),
        (["lstm", "--length", "0"], "dnafast: --length 0 must be at least 1 and at most 1,000,000"),
        (["lstm", "--n-tasks", "-3"], "dnafast: --n-tasks -3 must be at least 1"),
    ],
)
def test_unusable_input(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(message)
    assert output.err.count("\n") == 1


def test_a_network_that_breaks_off_when_it_is_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.py").write_text(NET.replace("self.shift = shift", "raise RuntimeError('no')"))
    assert main([f"{tmp_path}/my.py:Net"]) == 2
    assert "my.py, line 10: RuntimeError: no, while Net(length=200, n_tasks=1) was built" in capsys.readouterr().err


def test_help_names_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    help_text = capsys.readouterr().out
    assert "dnafast check" in help_text
    assert "FILE.py:CLASS|NAME" in help_text
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
