"""A text names a network: of the zoo with its options, or of a user's file."""

from __future__ import annotations

import dataclasses
import random
import typing
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from dnafast import models
from dnafast.models import Specification, parse

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, length, n_tasks, width: int = 8, rate: float = 0.1, deep: bool = False, sizes=(3, 5), word="a"):
        super().__init__()
        self.options = width, rate, deep, sizes, word
        self.convolution = nn.Conv1d(4, width, 3)
        self.head = nn.Linear(width, n_tasks)

    def forward(self, x):
        return self.head(torch.relu(self.convolution(x)).amax(2))
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "my.py").write_text(NET)
    return f"{tmp_path}/my.py:Net"


@pytest.mark.parametrize(
    ("text", "name", "options", "implementation", "label"),
    [
        ("danq", "danq", {}, None, "danq"),
        ("deepbind:native", "deepbind", {}, "native", "deepbind"),
        ("deepbind[]:torch", "deepbind", {}, "torch", "deepbind"),
        (
            " promoter_lstm[pooling_strategy=last, use_cnn=false]:torch ",
            "promoter_lstm",
            {"use_cnn": False, "pooling_strategy": "last"},
            "torch",
            "promoter_lstm[use_cnn=false,pooling_strategy=last]",
        ),
        ("promoter_lstm[use_cnn=True,dropout=0.30]", "promoter_lstm", {}, None, "promoter_lstm"),
        (
            "promoter_lstm[fc_hidden_dims=none]",
            "promoter_lstm",
            {"fc_hidden_dims": ()},
            None,
            "promoter_lstm[fc_hidden_dims=none]",
        ),
        (
            "promoter_lstm[fc_hidden_dims=32]",
            "promoter_lstm",
            {"fc_hidden_dims": (32,)},
            None,
            "promoter_lstm[fc_hidden_dims=32]",
        ),
        (
            "basset[dropout=1e-1,filters=30x20x10]",
            "basset",
            {"filters": (30, 20, 10), "dropout": 0.1},
            None,
            "basset[filters=30x20x10,dropout=0.1]",
        ),
        ("danq[dropout=0.1x0.25]", "danq", {"dropout": (0.1, 0.25)}, None, "danq[dropout=0.1x0.25]"),
    ],
)
def test_what_a_text_means(
    text: str, name: str, options: dict[str, Any], implementation: str | None, label: str
) -> None:
    found = parse(text)
    assert found == Specification(name, tuple(options.items()), implementation)
    assert found.options == tuple(options.items())
    assert found.label == label
    assert parse(label) == dataclasses.replace(found, implementation=None)
    assert Specification.from_json(found.as_json()) == found


def some_value(rule: Any, draw: random.Random) -> Any:
    """A value that an annotation allows."""
    if rule is bool:
        return draw.random() < 0.5
    if rule is int:
        return draw.randint(1, 8)
    if rule is float:
        return draw.choice([0.0, 0.25, 1 / 3, 1e-7])
    if typing.get_origin(rule) is Literal:
        return draw.choice(typing.get_args(rule))
    items = typing.get_args(rule)
    items = (items[0],) * draw.randint(1, 3) if items[-1] is Ellipsis else items
    return tuple(some_value(item, draw) for item in items)


@pytest.mark.parametrize("name", models.names())
def test_any_order_and_any_defaults_give_one_label_that_means_the_same(name: str) -> None:
    draw = random.Random(name)
    kind = models.config_class(name)
    rules = typing.get_type_hints(kind)
    for _ in range(20):
        options = {
            option: some_value(rules[option], draw)
            for option in kind.options()
            if rules[option] is not str and draw.random() < 0.5
        }
        shuffled = list(options.items())
        draw.shuffle(shuffled)
        try:
            found = Specification(name, tuple(shuffled))
        except ValueError:
            continue  # options that do not go together
        assert parse(found.label) == found == Specification.from_json(found.as_json())
        full = {option: getattr(kind(length=9, **options), option) for option in kind.options()}
        assert Specification(name, tuple(full.items())) == found
        with torch.device("meta"):
            model = found.build(9, 2)
        assert model.config == kind(length=9, n_tasks=2, **options)


def test_implementations_and_what_is_built() -> None:
    assert parse("deepbind").implementations == ("torch", "native")
    assert parse("kmer_cnn").implementations == ("torch",)
    assert parse("deepbind").build(30).config.implementation == "torch"
    model = parse("deepbind[filters=5]:native").build(length=30, n_tasks=3)
    assert (model.config.implementation, model.config.filters, model.config.n_tasks) == ("native", 5, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dang", "no model is called 'dang', did you mean 'danq'"),
        ("", "'' names no model: write NAME"),
        ("danq[hidden=3", "names no model: write NAME"),
        ("danq[hidden=[3]]", "names no model: write NAME"),
        ("danq[hiden=3]", "danq has no option 'hiden', did you mean 'hidden'"),
        ("danq[length=3]", "danq has no option 'length'"),
        ("danq[hidden]", "has the option 'hidden', which must be key=value"),
        ("danq[hidden=3,]", "has the option '', which must be key=value"),
        ("danq[hidden=3,hidden=4]", "has the option hidden twice"),
        ("danq[hidden=wide]", "danq: hidden='wide' must be a whole number"),
        ("danq[hidden=0]", "danq: hidden=0 must be a whole number of at least 1"),
        ("danq[dropout=0.1]", "danq: dropout=.* must hold 2 numbers"),
        ("danq[dropout=0.1xa]", r"danq: dropout\[1\]='a' must be a probability"),
        ("danq[dropout=0.1x0.2x0.3]", "danq: dropout=.* must hold 2 numbers"),
        ("promoter_lstm[use_cnn=no]", "promoter_lstm: use_cnn='no' must be True or False"),
        ("promoter_lstm[pooling_strategy=lst]", "must be one of last, .*did you mean 'last'"),
        ("deepbind:natve", "deepbind has no implementation 'natve', did you mean 'native'"),
        ("my.py", "'my.py' names a file and no class of it: write my.py:CLASS"),
        ("my.py:", "'my.py:' names a file and no class of it: write my.py:CLASS"),
        ("my.py[width=3]:Net", "names a file and no class"),
        ("absent/my.py:Net", r"absent/my.py, the file of Net, does not exist"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_a_class_of_a_users_file(net: str) -> None:
    found = parse(f"{net}[deep=true,width=3]")
    assert found == Specification(net, (("width", 3), ("deep", True)))
    assert found.label == "my.py:Net[width=3,deep=true]"
    assert parse(f"{net}[sizes=7x9,word=b,rate=1]").options == (("rate", 1.0), ("sizes", (7, 9)), ("word", "b"))
    assert parse(f"{net}[width=8,sizes=3x5]") == parse(net)
    assert parse(f"{net}[width=3]:torch").implementation == "torch"
    model = found.build(20, 2)
    assert model.network.options == (3, 0.1, True, (3, 5), "a")
    assert model(torch.zeros(5, 4, 20)).shape == (5, 2)


def test_a_users_file_is_known_by_its_bytes(net: str, tmp_path: Path) -> None:
    saved = parse(f"{net}[width=3]").as_json()
    assert Specification.from_json(saved) == parse(f"{net}[width=3]")
    assert saved["source_checksum"] != parse("danq").as_json()["source_checksum"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "my.py").write_text(NET + "# changed\n")
    there = parse(f"{other}/my.py:Net[width=3]")
    assert there.label == parse(f"{net}[width=3]").label
    assert there.as_json()["source_checksum"] != saved["source_checksum"]
    with pytest.raises(ValueError, match=r"my\.py has changed since this model was saved"):
        Specification.from_json({**saved, "name": there.name})
    (other / "never_run.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(ValueError, match=r"never_run\.py has changed since this model was saved"):
        Specification.from_json({**saved, "name": f"{other}/never_run.py:Net"})
    with pytest.raises(ValueError, match="lacks options"):
        Specification.from_json({key: value for key, value in saved.items() if key != "options"})


@pytest.mark.parametrize(
    ("parameter", "word", "value"),
    [
        ("a: bool = False", "true", True),
        ("a: int = 1", "3", 3),
        ("a: float = 1.0", "3", 3.0),
        ("a: str = ''", "3", "3"),
        ("a: str = ''", "none", "none"),
        ("a: int | None = None", "3", 3),
        ("a: int | None = 1", "none", None),
        ("a: typing.Optional[float] = None", "3", 3.0),
        ("a: typing.Literal['max', 'mean'] = 'max'", "mean", "mean"),
        ("a: typing.Literal[3, 5] = 3", "5", 5),
        ("a: tuple[int, ...] = (1,)", "3", (3,)),
        ("a: tuple[int, float] = (1, 1.0)", "3x5", (3, 5.0)),
        ("a: list[float] = [1.0]", "3x5", (3.0, 5.0)),
        ("a: tuple[bool, ...] = ()", "truexfalse", (True, False)),
        ("a: tuple[int, ...] = (1,)", "none", ()),
        ("a=(1, 2)", "3x5x7", (3, 5, 7)),
        ("a=[1, 2]", "3", (3,)),
        ("a=True", "false", False),
        ("a=1.0", "3", 3.0),
        ("a=None", "3", 3),
        ("a=None", "0.5", 0.5),
        ("a=None", "3x0.5", (3, 0.5)),
        ("a=None", "max", "max"),
        ("*, a", "true", True),
        ("**a", "3", {"a": 3}),
    ],
)
def test_values_of_a_users_options(tmp_path: Path, parameter: str, word: str, value: Any) -> None:
    source = f"""
import typing
from torch import nn

class Net(nn.Module):
    def __init__(self, length, n_tasks, {parameter}):
        super().__init__()
        self.a = a
"""
    (tmp_path / "my.py").write_text(source)
    found = parse(f"{tmp_path}/my.py:Net[a={word}]")
    built = found.build(9).network.a
    assert (built, type(built)) == (value, type(value))
    assert Specification.from_json(found.as_json()) == found


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ("[wdth=3]", r"has no option 'wdth', did you mean 'width'\? \(options: width, rate, deep, sizes, word\)"),
        ("[width=wide]", "width='wide' must be a whole number"),
        ("[deep=3]", "deep='3' must be true or false"),
        ("[length=3]", "length comes from the data and is no option"),
        (":native", "no implementation 'native'"),
        ("x", r"my.py: Netx is not there, did you mean 'Net'\? \(networks in it: Net\)"),
    ],
)
def test_what_is_refused_of_a_users_class(net: str, tail: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(net + tail)
