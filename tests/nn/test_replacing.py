"""A model's layers are exchanged where they stand, and nothing else about it changes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import dnafast
from dnafast.nn import Conv1d, replace


class Subclassed(nn.Conv1d):
    """Somebody's own."""


class Net(nn.Module):
    """One-hot (N, 4, L) or whatever its first layer reads -> (N, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(4, 70, 9, padding="same"), nn.ReLU(), nn.MaxPool1d(2))
        self.second = nn.Conv1d(70, 8, 3)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x)).amax(2))


def random_codes(n: int = 5) -> Tensor:
    return torch.randint(0, 5, (n, 30), generator=torch.Generator().manual_seed(n), dtype=torch.uint8)


def one_hot(codes: Tensor) -> Tensor:
    return nn.functional.one_hot(codes.long(), 5)[..., :4].transpose(1, 2).float()


def test_same_model_same_numbers_same_parameters() -> None:
    torch.manual_seed(0)
    model = Net()
    before = copy.deepcopy(model)
    layer, parameters = model.first[0], list(model.parameters())
    told: list[str] = []
    assert replace(model, told_of=told.append) is model
    assert told == ["first.0 is now dnafast.nn.Conv1d(4, 70, kernel_size=(9,), stride=(1,), padding=same)"]
    assert model.first[0] is layer
    assert type(layer) is Conv1d
    assert type(model.second) is nn.Conv1d
    assert all(one is other for one, other in zip(parameters, model.parameters(), strict=True))
    codes = random_codes()
    expected = before(one_hot(codes))
    for x in (one_hot(codes), codes):
        torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-5)
    before.load_state_dict(model.state_dict())
    torch.testing.assert_close(torch.jit.script(model)(codes), expected, rtol=1e-5, atol=1e-5)


def test_an_optimiser_goes_on_and_both_train_alike() -> None:
    torch.manual_seed(0)
    models = [Net(), Net()]
    models[1].load_state_dict(models[0].state_dict())
    optimisers = [torch.optim.SGD(model.parameters(), 0.1, momentum=0.9) for model in models]
    for step in range(4):
        if step == 2:
            replace(models[0])
        for model, optimiser in zip(models, optimisers, strict=True):
            optimiser.zero_grad()
            model(one_hot(random_codes(step + 2))).square().sum().backward()
            optimiser.step()
    torch.testing.assert_close(models[0].state_dict(), models[1].state_dict(), rtol=1e-4, atol=1e-5)


def test_hooks_and_shared_layers_stay() -> None:
    layer, calls = nn.Conv1d(4, 3, 2), []
    layer.register_forward_hook(lambda *_: calls.append(1))
    model = nn.ModuleList([layer, layer])
    told: list[str] = []
    replace(model, told_of=told.append)
    assert model[0] is model[1] is layer
    assert len(told) == 1
    model[0](random_codes())
    assert calls == [1]


def test_a_single_layer_and_a_second_time() -> None:
    layer, told = nn.Conv1d(4, 3, 2), []
    assert replace(layer, told_of=told.append) is layer
    assert told == ["the model is now dnafast.nn.Conv1d(4, 3, kernel_size=(2,), stride=(1,))"]
    assert replace(layer, told_of=told.append) is layer
    assert len(told) == 1


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(5, 3, 2),
        nn.Conv1d(4, 4, 2, groups=2),
        nn.Conv1d(4, 3, 2, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 3, 2),
        nn.LazyConv1d(3, 2),
        Subclassed(4, 3, 2),
        nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 3, 2)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_has_another_meaning_is_left_alone(layer: nn.Module) -> None:
    kind = type(layer)
    replace(layer, told_of=lambda sentence: pytest.fail(sentence))
    assert type(layer) is kind


@pytest.mark.parametrize("name", dnafast.models.names())
def test_networks_of_the_zoo_keep_their_numbers(name: str) -> None:
    torch.manual_seed(0)
    model = dnafast.models.build(name, length=81).eval()
    codes = random_codes().repeat(1, 3)[:, :81]
    expected = model(codes)
    torch.testing.assert_close(replace(model)(codes), expected, rtol=1e-4, atol=1e-5)


def test_other_things_are_refused() -> None:
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, not dict"):
        replace({})
