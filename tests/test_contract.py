"""Broken networks are told apart in plain words, and what is whole is not called broken."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dnafast import contract, models
from dnafast.contract import Finding, check
from dnafast.models import parse

HEAD = """
import torch
from torch import nn
from torch.nn import functional
from dnafast import BaseCodes, Kmers, KmerCounts, OneHot

"""
# A small convolutional network in which one line is replaced.
NET = """
class Net(nn.Module):
    # attributes

    def __init__(self, length, n_tasks):
        super().__init__()
        self.n_tasks = n_tasks
        self.convolution = nn.Conv1d(4, 16, 9, padding=4)
        self.head = nn.Linear(16, n_tasks)
        # more

    def forward(self, x):
        feature = torch.relu(self.convolution(x)).amax(2)
        # before
        logits = self.head(feature)
        return logits
"""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def findings(tmp_path: Path) -> Callable[..., dict[str, Finding]]:
    """What the contract says of the network with some lines replaced, by promise."""

    def run(replaced: dict[str, str], length: int = 40, n_tasks: int = 2, net: str = NET) -> dict[str, Finding]:
        source = net
        for line, other in replaced.items():
            assert line in source
            source = source.replace(line, other)
        (tmp_path / "my.py").write_text(HEAD + textwrap.dedent(source))
        found = check(parse(f"{tmp_path}/my.py:Net").build, length=length, n_tasks=n_tasks)
        return {finding.promise: finding for finding in found}

    return run


def test_a_whole_network_keeps_all(findings: Any) -> None:
    found = findings({})
    assert list(found) == list(contract.PROMISES)
    assert [finding for finding in found.values() if finding.state != "kept"] == []
    assert f"all 4 parameters ({16 * 4 * 9 + 16 + 16 * 2 + 2} numbers)" in found["gradients"].sentence


@pytest.mark.parametrize(
    ("replaced", "promise", "sentence"),
    [
        (
            {"return logits": "return logits[:, 0]"},
            "shapes",
            r"forward gives logits of shape \(5,\) for 5 sequences and 2 tasks, not \(5, 2\)",
        ),
        (
            {"return logits": "return logits.unsqueeze(2)"},
            "shapes",
            r"forward gives logits of shape \(5, 2, 1\) for 5 sequences and 2 tasks",
        ),
        (
            {"return logits": "return logits.squeeze()"},
            "shapes",
            r"forward gives logits of shape \(2,\) for 1 sequence and 2 tasks, not \(1, 2\)",
        ),
        (
            {"return logits": "return logits if self.n_tasks > 1 else logits[:, 0]"},
            "shapes",
            r"forward gives logits of shape \(5,\) for 5 sequences and 1 task, not \(5, 1\)",
        ),
        ({"return logits": "return logits, feature"}, "shapes", "forward gives a tuple for 5 sequences and 2 tasks"),
        ({"return logits": "return logits.double()"}, "shapes", "forward gives logits of float64, not float32"),
        (
            {"return logits": "return torch.log(logits - 1000)"},
            "shapes",
            "10 of 10 logits for 5 sequences and 2 tasks are NaN or infinite",
        ),
        (
            {"# before": "feature = feature / x.sum(dim=(1, 2), keepdim=True)[:, 0]"},
            "shapes",
            r"\d of 4 logits for 2 sequences of N alone and 2 tasks are NaN or infinite",
        ),
        (
            {"# before": "feature = feature @ self.head.weight"},
            "shapes",
            r"it breaks off: .*my\.py, line 20: RuntimeError: .*mat1 and mat2 shapes cannot be multiplied",
        ),
        (
            {"# before": "feature = functional.dropout(feature, 0.5)"},
            "repeatable",
            r"the same batch gets logits that are up to 0\.\d+ off the second time",
        ),
        (
            {"# before": "feature = feature - feature.mean(0)"},
            "batch mates",
            r"a sequence's logits depend on its batch: alone they are up to 0\.\d+ off \(at most 1e-05\)",
        ),
        (
            {"# before": "feature = feature + torch.linspace(0, 1, len(x))[:, None]"},
            "batch mates",
            "a sequence's logits depend on its batch: alone they are up to",
        ),
        (
            {"# more": "self.unused = nn.Linear(3, 3)"},
            "gradients",
            r"^unused\.weight \(and 1 more\) gets no gradient in training: nothing in forward uses it",
        ),
        (
            {"# more": "self.scale = nn.Parameter(torch.ones(1))", "# before": "feature = feature + 0 * self.scale"},
            "gradients",
            "scale gets a gradient of 0 in three steps: it does not change the logits",
        ),
        (
            {
                "# more": "self.scale = nn.Parameter(torch.zeros(1))",
                "# before": "feature = feature + torch.sqrt(self.scale)",
            },
            "training",
            "the gradient of scale is no finite number at step 1 of training",
        ),
        (
            {"# more": "self.convolution.bias.requires_grad_(False)"},
            "gradients",
            r"convolution\.bias requires no gradient and would stay as it is",
        ),
        (
            {"# more": "self.plain = [nn.Linear(16, 16)]", "# before": "feature = self.plain[0](feature)"},
            "save and load",
            r"a fresh network with the saved weights gives logits up to 0\.\d+ off",
        ),
        (
            {
                "# attributes": "strand_blind = True",
                "self.convolution(x)": "self.convolution(x.mean((1, 2), keepdim=True).expand_as(x))",
            },
            "planted motif",
            r"it has at most \d\d% right \(chance is 50 %\) after 300 steps at learning rates of 0.003 and 0.0003",
        ),
        (
            {"# more": "import os; nn.init.constant_(self.head.bias, int.from_bytes(os.urandom(4), 'big') / 2**32)"},
            "same seed",
            r"two trainings of three steps from one seed give logits up to 0\.\d+ apart",
        ),
        (
            {"# before": "if self.training: raise OSError('disk')"},
            "training",
            r"it breaks off: .*my\.py, line 20: OSError: disk",
        ),
        (
            {"return logits": "return logits if not self.training else logits / (x.sum() - x.sum())"},
            "training",
            "the loss is (inf|nan) at step 1 of training",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_what_is_broken(findings: Any, replaced: dict[str, str], promise: str, sentence: str) -> None:
    found = findings(replaced)
    assert found[promise].state == "broken"
    assert re.search(sentence, found[promise].sentence), found[promise].sentence
    before = list(contract.PROMISES)[: list(contract.PROMISES).index(promise)]
    assert all(found[name].state != "broken" for name in before)
    assert all("\n" not in finding.sentence for finding in found.values())
    if promise in ("shapes", "repeatable", "training"):
        assert list(found)[-1] == promise


def test_a_network_without_parameters(findings: Any) -> None:
    net = """
    class Net(nn.Module):
        def __init__(self, length, n_tasks):
            super().__init__()
            self.layers = [nn.Linear(4, n_tasks)]
        def forward(self, x):
            return self.layers[0](x.mean(2))
    """
    found = findings({}, net=textwrap.dedent(net))
    assert found["training"].state == "broken"
    assert found["training"].sentence.startswith("it has no parameters to train: layers in a plain list")


def test_strand_blind_networks_may_say_so(findings: Any) -> None:
    found = findings(
        {
            "# attributes": "strand_blind = True",
            "feature = torch.relu": "x = x + x.flip((1, 2))\n        feature = torch.relu",
        }
    )
    assert found["strands"] == Finding("strands", "kept", "strand-blind, as it says")


def test_what_cannot_be_scripted_is_noted(findings: Any) -> None:
    found = findings({"# before": "feature = getattr(torch, 'rel' + 'u')(feature)"})
    assert found["scripted"].state == "noted"
    assert found["scripted"].sentence.startswith("it cannot be scripted: ")
    assert {finding.state for name, finding in found.items() if name != "scripted"} == {"kept"}


def test_a_head_that_starts_at_zero_is_whole(findings: Any) -> None:
    found = findings({"# more": "nn.init.zeros_(self.head.weight); nn.init.zeros_(self.head.bias)"})
    assert {finding.state for finding in found.values()} == {"kept"}


@pytest.mark.parametrize("encoding", ["BaseCodes()", "Kmers(3)", "KmerCounts(2)", "OneHot('NLC', 'float32')"])
def test_other_encodings(findings: Any, encoding: str) -> None:
    net = f"""
    class Net(nn.Module):
        encoding = {encoding}
        def __init__(self, length, n_tasks):
            super().__init__()
            self.embedding = nn.Embedding(65, 16)
            self.counts = nn.Linear({{'KmerCounts(2)': 16}}.get("{encoding}", 4), 16)
            self.convolution = nn.Conv1d(16, 16, 8)
            self.head = nn.Linear(16, n_tasks)
            if "{encoding}" in ("BaseCodes()", "Kmers(3)"):
                del self.counts
            else:
                del self.embedding
                if "{encoding}" == "KmerCounts(2)":
                    del self.convolution
        def forward(self, x):
            if hasattr(self, "embedding"):
                x = self.embedding(x.long())
            else:
                x = self.counts(x.float())
            if hasattr(self, "convolution"):
                x = torch.relu(self.convolution(x.transpose(1, 2))).amax(2)
            return self.head(torch.relu(x))
    """
    found = findings({}, net=textwrap.dedent(net))
    broken = {name for name, finding in found.items() if finding.state == "broken"}
    # Sixteen counts of pairs do not tell a motif in 40 bases.
    assert broken <= ({"planted motif"} if encoding == "KmerCounts(2)" else set())


def test_short_and_long_sequences(findings: Any) -> None:
    assert findings({}, length=5)["planted motif"].state == "noted"
    assert findings({}, length=8)["planted motif"].state == "kept"
    assert findings({}, length=301)["planted motif"].state == "kept"


def test_findings_are_told_as_they_are_made_and_random_state_is_put_back() -> None:
    told: list[Finding] = []
    before = torch.get_rng_state()
    found = check(parse("deepbind[filters=16]").build, length=40, told_of=told.append)
    assert told == found
    assert torch.equal(torch.get_rng_state(), before)
    assert {finding.state for finding in found} == {"kept"}


@pytest.mark.parametrize("when", ["# more", "# before"])
def test_too_little_memory_is_no_finding(findings: Any, when: str) -> None:
    with pytest.raises(
        (MemoryError, ValueError), match=r"out of memory with sequences of 40 bases|can't allocate memory"
    ):
        findings({when: "torch.empty(2**60)"})


@pytest.mark.parametrize(
    ("text", "length", "n_tasks", "message"),
    [
        ("lstm", 0, 1, "length=0 and n_tasks=1 must be at least 1"),
        ("lstm", 10, 0, "n_tasks=0 must be at least 1"),
    ],
)
def test_what_is_refused(text: str, length: int, n_tasks: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(parse(text).build, length=length, n_tasks=n_tasks)


def test_a_network_that_cannot_be_built_is_no_finding(tmp_path: Path) -> None:
    source = "raise ValueError('too short')\n        super().__init__()"
    (tmp_path / "my.py").write_text(HEAD + NET.replace("super().__init__()", source))
    with pytest.raises(ValueError, match=r"my\.py, line 12: ValueError: too short, while Net.length=9, n_tasks=1"):
        check(parse(f"{tmp_path}/my.py:Net").build, length=9)


def test_sequences_shorter_than_a_word(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(HEAD + NET.replace("# attributes", "encoding = Kmers(6)"))
    with pytest.raises(ValueError, match="5"):
        check(parse(f"{tmp_path}/my.py:Net").build, length=5)


def test_the_zoo_is_told_strands_apart() -> None:
    for name in models.names():
        assert models.config_class(name)(length=100).strand_blind is False
