"""Optimisers take the steps of their papers, and bounds on weights hold."""

import pytest
import torch
from torch import nn

from dnafast.train import TrainConfig, make_optimizer, train
from toy_training import loaders, net


def steps_by_hand(config, gradients, weight):
    """A single weight's way, by the rule as its paper has it."""
    velocity = square = 0.0
    alpha = 0.99 if config.smoothing is None else config.smoothing
    for gradient in gradients:
        gradient = gradient + config.weight_decay * weight
        if config.optimizer == "rmsprop":
            square = alpha * square + (1 - alpha) * gradient**2
            gradient = gradient / (square**0.5 + 1e-8)
        velocity = config.momentum * velocity + gradient
        ahead = gradient + config.momentum * velocity if config.nesterov else velocity
        weight -= config.learning_rate * ahead
    return weight


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(optimizer="sgd", learning_rate=0.1, weight_decay=0.0),
        TrainConfig(optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.3),
        TrainConfig(optimizer="sgd", learning_rate=0.1, momentum=0.9, nesterov=True),
        TrainConfig(optimizer="rmsprop", learning_rate=0.1),
        TrainConfig(optimizer="rmsprop", learning_rate=0.1, smoothing=0.9, momentum=0.5),
    ],
)
def test_steps_are_those_of_the_rule(config):
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.7)
    optimizer = make_optimizer(model, config)
    gradients = [0.5, -1.0, 2.0, 0.1]
    for gradient in gradients:
        model.weight.grad = torch.tensor([[gradient]])
        optimizer.step()
    assert model.weight.item() == pytest.approx(steps_by_hand(config, gradients, 0.7), rel=1e-5)


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 1e-2), ("sgd", 0.3), ("rmsprop", 1e-2)])
def test_each_optimiser_learns(optimizer, rate):
    result = train(net(), *loaders(), TrainConfig(optimizer=optimizer, learning_rate=rate, max_epochs=8), seed=0)
    assert max(row["valid_auroc"] for row in result.history) > 0.88


def test_biases_are_not_decayed():
    model = nn.Linear(6, 1)
    optimizer = make_optimizer(model, TrainConfig(learning_rate=0.1, weight_decay=1.0))
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    for _ in range(10):
        model.weight.grad, model.bias.grad = torch.zeros(1, 6), torch.zeros(1)
        optimizer.step()
    assert torch.equal(model.bias, bias)
    torch.testing.assert_close(model.weight.detach(), weight * 0.9**10)


def test_weights_into_a_unit_are_kept_short():
    def longest(max_norm):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Conv1d(2, 4, 3), nn.Flatten(), nn.Linear(4, 1))
        config = TrainConfig(max_epochs=2, learning_rate=0.1, max_norm=max_norm)
        train(model, *loaders(), config, seed=0)
        return [float(layer.weight.detach().flatten(1).norm(dim=1).max()) for layer in (model[1], model[3])]

    free, bound = longest(None), longest(0.5)
    assert min(free) > 0.6
    assert max(bound) == pytest.approx(0.5, abs=1e-6)
