"""Networks are rescaled by width alone until they meet at one size."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from dnafast import models
from dnafast.models import Specification, count_parameters, matched, parse


def config(text: str, length: int = 81, n_tasks: int = 1) -> models.ModelConfig:
    return parse(text).config(length, n_tasks)


@pytest.mark.parametrize("name", models.names())
def test_scaled_changes_widths_alone(name: str) -> None:
    before = config(name, 200)
    assert before.widths
    assert before.scaled(1.0) == before
    for factor in (0.001, 0.37, 2.5):
        after = before.scaled(factor)
        for option in before.options():
            old, new = getattr(before, option), getattr(after, option)
            if option not in before.widths:
                assert new == old, option
                continue
            multiple = before.widths[option]
            for one, other in zip(*((v if isinstance(v, tuple) else (v,)) for v in (old, new)), strict=True):
                assert other % multiple == 0
                assert abs(other - max(multiple, one * factor)) <= multiple / 2
        # It can be built, and has as many parameters as the count says.
        if factor < 1:
            model = models.module_class(after).from_config(after)
            assert sum(parameter.numel() for parameter in model.parameters()) == count_parameters(after)


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_factors_that_mean_nothing(factor: float) -> None:
    with pytest.raises(ValueError, match=r"factor=.* must be above 0 and finite"):
        config("lstm").scaled(factor)


def test_counting_draws_nothing_and_needs_no_memory() -> None:
    before = torch.get_rng_state()
    assert count_parameters(config("danq", 1000, 919)) == 46_929_039
    assert count_parameters(config("lstm[hidden=200000]")) > 10**11
    assert torch.equal(torch.get_rng_state(), before)


def sizes(configs: list[models.ModelConfig], by: str) -> list[Any]:
    return [count_parameters(one) if by == "params" else one.flops() for one in configs]


@pytest.mark.parametrize("by", ["params", "flops"])
def test_all_networks_meet_at_the_median(by: Any) -> None:
    configs = [config(name) for name in models.names()]
    target = sorted(sizes(configs, by))[len(configs) // 2]
    if len(configs) % 2 == 0:
        target = (target * sorted(sizes(configs, by))[len(configs) // 2 - 1]) ** 0.5
    found = matched(configs, by)
    for before, after, size in zip(configs, found, sizes(found, by), strict=True):
        assert abs(size - target) <= 0.1 * target
        changed = {option for option in before.options() if getattr(before, option) != getattr(after, option)}
        assert changed <= before.widths.keys()


@pytest.mark.parametrize("by", ["params", "flops"])
@pytest.mark.parametrize("text", ["lstm", "swap[core=rnn]", "deepbind", "multiscale_cnn", "promoter_lstm"])
def test_no_factor_comes_nearer(text: str, by: Any) -> None:
    before, target = config(text), 50_000.0 if by == "params" else 1e6
    (found,) = matched([before], by, target, tolerance=1.0)

    def distance(one: models.ModelConfig) -> float:
        return abs(math.log(sizes([one], by)[0] / target))

    every = min(distance(before.scaled(2 ** (step / 100))) for step in range(-600, 400, 3))
    assert distance(found) <= every + 1e-9


def test_what_is_near_already_stays() -> None:
    before = config("lstm")
    assert matched([before], "params") == [before]
    assert matched([before], "params", float(count_parameters(before))) == [before]


def test_an_odd_and_an_even_number_of_networks() -> None:
    small, middle, large = (config(f"lstm[hidden={hidden}]") for hidden in (16, 64, 256))
    assert matched([large, small, middle], "params") == [middle] * 3
    mean = (count_parameters(small) * count_parameters(large)) ** 0.5
    for found in matched([small, large], "params"):
        assert count_parameters(found) == pytest.approx(mean, rel=0.05)


def test_what_comes_no_nearer_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"^kmer_cnn has 4,1\d\d parameters at the nearest, where networks are to meet at 1,000"
    ):
        matched([config("lstm"), config("kmer_cnn")], "params", 1000)
    found = matched([config("kmer_cnn")], "params", 1000, tolerance=10.0)[0]
    assert found.embedding_dim == 1


def test_of_users_networks(tmp_path: Path) -> None:
    source = """
from torch import nn
class Net(nn.Module):
    def __init__(self, length, n_tasks, width=8):
        super().__init__()
        self.layer = nn.GRU(4, width)
        self.head = nn.Linear(width, n_tasks)
"""
    (tmp_path / "my.py").write_text(source)
    mine = config(f"{tmp_path}/my.py:Net[width=9]")
    count = 3 * 9 * (4 + 9 + 2) + 10
    assert count_parameters(mine) == count
    other = config(f"{tmp_path}/my.py:Net")  # of the same length, and not the same
    assert count_parameters(other) == 3 * 8 * (4 + 8 + 2) + 9
    assert matched([mine, config("lstm")], "params", count)[0] is mine
    assert matched([mine, other], "params", count, tolerance=0.5) == [mine, other] != [mine, mine]
    with pytest.raises(ValueError, match=rf"my\.py:Net has {count} parameters and no widths that can be rescaled"):
        matched([mine], "params", 10_000)
    with pytest.raises(ValueError, match=r"nobody knows the operations of .*my\.py:Net: give it a method flops"):
        matched([mine], "flops")
    assert Specification.of(mine) == parse(f"{tmp_path}/my.py:Net[width=9]:torch")


def test_what_was_matched_has_a_specification() -> None:
    found = matched([config("promoter_lstm[use_cnn=false]", n_tasks=2)], "params", 40_000)[0]
    specification = Specification.of(found)
    assert specification.label.startswith("promoter_lstm[hidden_dim=")
    assert specification.config(81, 2) == found
    assert parse(specification.label) == dataclasses.replace(specification, implementation=None)
