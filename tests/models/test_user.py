"""A user's own class is asked what the networks of the zoo are asked, and its mistakes are told with file and line."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dnafast import BaseCodes, KmerCounts, Kmers, OneHot, encode
from dnafast.models import Network, parse

HEAD = "import torch\nfrom torch import nn\nfrom dnafast import BaseCodes, KmerCounts, Kmers, OneHot\n"
SIMPLE = """
    class Net(nn.Module):
        {attributes}
        def __init__(self, length, n_tasks):
            super().__init__()
            self.head = nn.Linear(4, n_tasks)

        def forward(self, x):
            return self.head(x.mean(2))
"""


@pytest.fixture
def built(tmp_path: Path) -> Callable[..., Network]:
    """Write a file and build the class Net of it."""

    def build(source: str, length: int = 20, n_tasks: int = 2, options: str = "") -> Network:
        (tmp_path / "my.py").write_text(HEAD + textwrap.dedent(source))
        return parse(f"{tmp_path}/my.py:Net{options}").build(length, n_tasks)

    return build


def test_without_attributes(built: Any) -> None:
    model = built(SIMPLE.format(attributes="pass"))
    assert model.config.encoding == OneHot("NCL", "float32")
    assert (model.config.length, model.config.n_tasks, model.config.minimum_length) == (20, 2, 1)
    assert model.config.flops() == 2 * 4 * 2
    assert model.training
    torch.testing.assert_close(torch.jit.script(model)(torch.ones(3, 4, 20)), model(torch.ones(3, 4, 20)))


def test_its_own_attributes(built: Any) -> None:
    model = built(SIMPLE.format(attributes="encoding = BaseCodes(); minimum_length = 3; flops = lambda self: 17"))
    assert model.config.encoding == BaseCodes()
    assert model.config.minimum_length == 3
    assert model.config.flops() == 17


@pytest.mark.parametrize(
    ("encoding", "length"),
    [
        (OneHot("NCL", "float32"), 4),
        (OneHot("NLC", "float32", unknown=0.25), 4),
        (OneHot("NCL", "float32", order=2), 5),
        (BaseCodes(), 1),
        (Kmers(3), 4),
        (KmerCounts(2), 4),
        (Kmers(2, stride=2), 9),
    ],
    ids=repr,
)
def test_short_sequences_are_padded_as_if_with_n(built: Any, encoding: Any, length: int) -> None:
    source = f"""
        class Net(nn.Module):
            encoding = {encoding!r}
            minimum_length = 9
            def __init__(self, length, n_tasks):
                super().__init__()
            def forward(self, x):
                return x
    """
    model = built(source, length=length)
    letters = ["ACGTACGTA"[:length], "TTNGCATTC"[:length]]
    missing = 9 - length
    padded = ["N" * (missing // 2) + word + "N" * (missing - missing // 2) for word in letters]
    seen = model(torch.as_tensor(encode(letters, encoding)))
    torch.testing.assert_close(seen, torch.as_tensor(encode(padded, encoding)), rtol=0, atol=0)


@pytest.mark.parametrize(
    "layer",
    [
        "nn.LSTM(4, 8, batch_first=True)",
        "nn.GRU(4, 8)",
        "nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)",
        "nn.MultiheadAttention(4, 2, batch_first=True)",
    ],
)
def test_operations_that_torch_miscounts_are_not_told(built: Any, layer: str) -> None:
    call = "self.layer(x, x, x)" if "Multihead" in layer else "self.layer(x)"
    source = f"""
        class Net(nn.Module):
            def __init__(self, length, n_tasks):
                super().__init__()
                self.layer = {layer}
            def forward(self, x):
                x = x.transpose(1, 2)
                y = {call}
                return (y[0] if isinstance(y, tuple) else y).mean(1)[:, :2]
    """
    model = built(source)
    flops = model.config.flops()
    if "LSTM" in layer or "GRU" in layer:
        assert flops is None
    else:  # None, or all of it: at least the projections of queries, keys, values and the output, and the attention
        projections = 4 * 2 * 4 * 4 * 20
        assert flops is None or flops >= projections + 2 * 2 * 4 * 20 * 20


def test_convolutions_are_counted(built: Any) -> None:
    source = """
        class Net(nn.Module):
            def __init__(self, length, n_tasks):
                super().__init__()
                self.layers = nn.Sequential(nn.Conv1d(4, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5))
                self.head = nn.Linear(8, n_tasks)
            def forward(self, x):
                return self.head(self.layers(x).amax(2))
    """
    model = built(source)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert model.config.flops() == 2 * 4 * 8 * 3 * 18 + 2 * 8 * 2
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_an_own_operator_is_not_counted(built: Any) -> None:
    source = """
        import dnafast.ops
        class Net(nn.Module):
            encoding = BaseCodes()
            def __init__(self, length, n_tasks):
                super().__init__()
                self.convolution = nn.Conv1d(4, 2, 3)
            def forward(self, x):
                layer = self.convolution
                return torch.ops.dnafast.conv1d(x, layer.weight, layer.bias, 1, 0, 1, True, -1)
    """
    model = built(source)
    assert model(torch.zeros(3, 20, dtype=torch.uint8)).shape == (3, 2)
    assert model.config.flops() is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class Net(nn.Module)\n    pass", "my.py, line 4: SyntaxError"),
        ("width = 3\nheight = wdth\nclass Net(nn.Module): pass", "my.py, line 5: NameError: name 'wdth'"),
        ("import no_such_package", "my.py, line 4: ModuleNotFoundError: No module named 'no_such_package'"),
        ("open('/no/such/file')", "my.py, line 4: FileNotFoundError"),
        ("a = 1\0", "my.py: (SyntaxError|ValueError): source code string cannot contain null bytes"),
        ("raise SystemExit(3)", "my.py, line 4: SystemExit: 3"),
        ("class Network(nn.Module): pass", r"Net is not there, did you mean 'Network'\? \(networks in it: Network\)"),
        ("class Net: pass", r"Net is no torch.nn.Module \(networks in it: none\)"),
        (
            "class Net(nn.Module):\n    def __init__(self, length): pass",
            r"my.py, line 4: the constructor of Net does not take n_tasks: it is called as Net\(length=..., n_tasks=",
        ),
        (
            "class Net(nn.Module):\n    def __init__(self, length, n_tasks, width): pass",
            r"needs its option width: write .*my.py:Net\[width=...\]",
        ),
        (
            "class Net(nn.Module):\n    def __init__(self, length, n_tasks):\n        self.head = nn.Linear(1, 2)",
            "my.py, line 6: AttributeError: cannot assign module before Module.__init__.* while Net.length=20",
        ),
        (
            "class Net(nn.Module):\n    def __init__(self, length, n_tasks):\n        exit(5)",
            "my.py, line 6: SystemExit: 5, while Net.length=20",
        ),
        (SIMPLE.format(attributes="flops = 12"), r"my.py, line \d+: Net.flops=12 must be a method that gives"),
        (
            SIMPLE.format(attributes="flops = lambda self: 'many'"),
            r"my.py, line \d+: Net.flops\(\) gives 'many' and must give a whole number",
        ),
        (SIMPLE.format(attributes="flops = lambda self: -1"), r"Net.flops\(\) gives -1 and must give a whole number"),
        (
            SIMPLE.format(attributes="flops = lambda self: self.none"),
            r"my.py, line 6: AttributeError: .*'none', while Net.flops\(\) was asked for",
        ),
        (SIMPLE.format(attributes="encoding = OneHot"), r"my.py, line \d+: Net.encoding=.* must be an encoding"),
        (SIMPLE.format(attributes="minimum_length = 0"), "Net.minimum_length=0 must be a whole number of at least 1"),
        (SIMPLE.format(attributes="strand_blind = 1"), "Net.strand_blind=1 must be True or False"),
        (
            SIMPLE.format(attributes="encoding = Kmers(2, stride=2); minimum_length = 30"),
            "minimum_length=30 needs padding, which words at a stride do not have",
        ),
    ],
)
def test_mistakes_in_the_file(built: Any, source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        built(source)
    assert "\n" not in str(caught.value)


def test_a_file_may_import_its_neighbour(built: Any, tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_my.py").write_text("WIDTH = 5\n")
    source = """
        from neighbour_of_my import WIDTH
        class Net(nn.Module):
            def __init__(self, length, n_tasks, **options):
                super().__init__()
                self.width, self.options = WIDTH, options
    """
    model = built(source, options="[b=0.5,a=2x3]")
    assert model.network.width == 5
    assert model.network.options == {"a": (2, 3), "b": 0.5}
    assert isinstance(model, nn.Module)
