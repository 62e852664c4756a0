"""The table of settings: budgets, schedules, and what it refuses."""

import math

import pytest

from dnafast.train import TrainConfig


def test_the_budget_is_the_smaller_one():
    assert TrainConfig(max_epochs=3).budget(10) == 30
    assert TrainConfig(max_epochs=3, max_steps=50).budget(10) == 30
    assert TrainConfig(max_epochs=3, max_steps=20).budget(10) == 20


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_learning_rate_rises_then_falls(schedule):
    config = TrainConfig(learning_rate=2.0, schedule=schedule, warmup=0.1, final_learning_rate=0.25)
    rates = [config.learning_rate_at(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(2 / 11)
    assert rates[:11] == sorted(set(rates[:11]))
    assert rates[10] == max(rates) == 2.0
    if schedule == "constant":
        assert set(rates[10:]) == {2.0}
    else:
        assert rates[10:] == sorted(set(rates[10:]), reverse=True)
        assert rates[55] == pytest.approx(2.0 * (0.25 + 0.75 / 2))
        assert config.learning_rate_at(100, 100) == pytest.approx(0.5)
    assert config.learning_rate_at(199, 100_000) < 2.0 == config.learning_rate_at(200, 100_000)
    assert TrainConfig(warmup=0.0).learning_rate_at(0, 1) == 1e-3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 0),
        ("max_epochs", 0),
        ("max_steps", 0),
        ("max_seconds", 0.0),
        ("learning_rate", -1.0),
        ("learning_rate", math.nan),
        ("clip_norm", math.inf),
        ("clip_norm", 0.0),
        ("max_norm", -1.0),
        ("warmup", 1.5),
        ("weight_decay", -0.1),
        ("patience", 0),
        ("evaluate_every", 0),
        ("schedule", "step"),
        ("optimizer", "adam"),
        ("precision", "float16"),
        ("momentum", 0.9),
        ("momentum", 1.0),
        ("nesterov", True),
        ("smoothing", 0.9),
    ],
)
def test_impossible_settings_are_named(field, value):
    with pytest.raises(ValueError, match=f"{field}={value}|{field}={value!r}"):
        TrainConfig(**{field: value})


def test_settings_of_one_optimiser_are_taken_by_it_alone():
    TrainConfig(optimizer="sgd", momentum=0.9, nesterov=True)
    TrainConfig(optimizer="rmsprop", momentum=0.9, smoothing=0.9)
    with pytest.raises(ValueError, match="nesterov=True must be False but with sgd"):
        TrainConfig(optimizer="rmsprop", momentum=0.9, nesterov=True)
    with pytest.raises(ValueError, match="must be None but with rmsprop"):
        TrainConfig(optimizer="sgd", smoothing=0.9)


@pytest.mark.parametrize("budget", [10, 99, 1000])
def test_one_cycle_rises_for_three_tenths_and_falls_for_the_rest(budget):
    config = TrainConfig(learning_rate=2.0, schedule="one_cycle", final_learning_rate=0.1)
    rates = [config.learning_rate_at(step, budget) for step in range(budget + 1)]
    top = round(0.3 * budget)
    assert rates[0] == pytest.approx(2 / 25)
    assert rates[top] == 2.0
    assert rates[: top + 1] == sorted(set(rates[: top + 1]))
    assert rates[top:] == sorted(set(rates[top:]), reverse=True)
    assert rates[-1] == pytest.approx(0.2)
    assert TrainConfig(schedule="one_cycle").learning_rate_at(0, 1) == 1e-3


def test_one_cycle_is_that_of_torch():
    import torch

    config = TrainConfig(learning_rate=0.5, schedule="one_cycle", final_learning_rate=1e-4 / 25)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    # Torch counts the rise to its step 0.3 n - 1, ours to 0.3 n: the shares of 100 of ours are those of 101 of torch.
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=101, pct_start=31 / 101)
    for step in range(100):
        assert config.learning_rate_at(step, 100) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6), step
        optimizer.step()
        theirs.step()
