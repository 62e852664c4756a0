"""The networks of papers have the published layers, in their order and size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dnafast import models


def on_meta(name: str, length: int, n_tasks: int) -> models.Network:
    # The meta device has shapes and no numbers: 50 million weights cost nothing.
    with torch.device("meta"):
        return models.build(name, length=length, n_tasks=n_tasks)


@pytest.mark.parametrize(
    ("name", "length", "n_tasks", "parameters"),
    [
        ("deepsea", 1000, 919, 52_843_119),
        ("basset", 600, 164, 4_135_064),
        ("danq", 1000, 919, 46_929_039),
        ("promoter_lstm", 81, 1, 176_449),
        ("deepbind", 1000, 1, 128 * 4 * 24 + 128 + 128 * 32 + 32 + 32 + 1),
        ("lstm", 600, 1, 4 * 64 * (4 + 64 + 2) + 64 + 64 + 1),
        ("bigru", 600, 2, 2 * 3 * 64 * (4 + 64 + 2) + 128 + 2 * (128 + 1)),
    ],
)
def test_parameters(name: str, length: int, n_tasks: int, parameters: int) -> None:
    model = on_meta(name, length, n_tasks)
    assert model.config.padded_length == length
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    if name == "danq":  # the published LSTM has one bias per gate
        second = sum(value.numel() for key, value in model.named_parameters() if key.startswith("recurrent.bias_hh"))
        assert parameters - second == 46_926_479


# Each layer with what it gives for one sequence; ReLU that is no layer of its own is not seen.
LAYERS: dict[tuple[str, int, int], list[tuple[str, Any, tuple[int, ...]]]] = {
    ("deepsea", 1000, 919): [
        ("Conv1d", 8, (320, 993)),
        ("ReLU", None, (320, 993)),
        ("MaxPool1d", 4, (320, 248)),
        ("Dropout", 0.2, (320, 248)),
        ("Conv1d", 8, (480, 241)),
        ("ReLU", None, (480, 241)),
        ("MaxPool1d", 4, (480, 60)),
        ("Dropout", 0.2, (480, 60)),
        ("Conv1d", 8, (960, 53)),
        ("ReLU", None, (960, 53)),
        ("Dropout", 0.5, (960, 53)),
        ("Linear", 50_880, (925,)),
        ("Linear", 925, (919,)),
    ],
    ("basset", 600, 164): [
        ("Conv1d", 19, (300, 582)),
        ("BatchNorm1d", 300, (300, 582)),
        ("ReLU", None, (300, 582)),
        ("MaxPool1d", 3, (300, 194)),
        ("Conv1d", 11, (200, 184)),
        ("BatchNorm1d", 200, (200, 184)),
        ("ReLU", None, (200, 184)),
        ("MaxPool1d", 4, (200, 46)),
        ("Conv1d", 7, (200, 40)),
        ("BatchNorm1d", 200, (200, 40)),
        ("ReLU", None, (200, 40)),
        ("MaxPool1d", 4, (200, 10)),
        ("Linear", 2000, (1000,)),
        ("BatchNorm1d", 1000, (1000,)),
        ("ReLU", None, (1000,)),
        ("Dropout", 0.3, (1000,)),
        ("Linear", 1000, (1000,)),
        ("BatchNorm1d", 1000, (1000,)),
        ("ReLU", None, (1000,)),
        ("Dropout", 0.3, (1000,)),
        ("Linear", 1000, (164,)),
    ],
    ("danq", 1000, 919): [
        ("Conv1d", 26, (320, 975)),
        ("ReLU", None, (320, 975)),
        ("MaxPool1d", 13, (320, 75)),
        ("Dropout", 0.2, (320, 75)),
        ("LSTM", 320, (75, 640)),  # along the sequence, all of its steps
        ("Dropout", 0.5, (75, 640)),
        ("Linear", 48_000, (925,)),
        ("Linear", 925, (919,)),
    ],
    ("deepbind", 101, 1): [
        ("Conv1d", 24, (128, 78)),
        ("Dropout", 0.25, (128,)),
        ("Linear", 128, (32,)),
        ("Linear", 32, (1,)),
    ],
    ("promoter_lstm", 81, 1): [
        ("SamePadConv1d", 7, (64, 81)),
        ("ReLU", None, (64, 81)),
        ("LSTM", 64, (81, 128)),
        ("LayerNorm", (128,), (81, 128)),
        ("Linear", 128, (81, 1)),  # the score of each position
        ("AttentionPooling", None, (128,)),
        ("Dropout", 0.3, (128,)),
        ("Linear", 128, (64,)),
        ("ReLU", None, (64,)),
        ("Dropout", 0.3, (64,)),
        ("Linear", 64, (1,)),
    ],
}


def size_of(module: nn.Module) -> Any:
    """The kernel, pool, share or width of a layer."""
    for name in ("kernel_size", "p", "num_features", "normalized_shape", "in_features", "input_size"):
        size = getattr(module, name, None)
        if size is not None:
            return size[0] if name == "kernel_size" and isinstance(size, tuple) else size
    return None


@pytest.mark.parametrize(("name", "length", "n_tasks"), LAYERS, ids=lambda value: str(value))
def test_layers(name: str, length: int, n_tasks: int) -> None:
    model = on_meta(name, length, n_tasks).eval()
    seen: list[tuple[str, Any, tuple[int, ...]]] = []

    def note(module: nn.Module, _: Any, output: Any) -> None:
        output = output[0] if isinstance(output, tuple) else output
        seen.append((type(module).__name__, size_of(module), tuple(output.shape[1:])))

    for module in model.modules():
        if module is not model and not isinstance(module, nn.Sequential):
            module.register_forward_hook(note)
    model(torch.zeros(2, 4, length, device="meta"))
    assert seen == LAYERS[name, length, n_tasks]


def test_danq_starts_as_its_script_does() -> None:
    torch.manual_seed(0)
    model = models.build("danq", length=200, n_tasks=3, hidden=16, fc_hidden=40)
    convolution = model.features[0]
    assert 0.049 < convolution.weight.abs().max() <= 0.05
    for layer in (model.hidden, model.head):
        bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert 0.95 * bound < layer.weight.abs().max() <= bound
    assert not any(layer.bias.any() for layer in (convolution, model.hidden, model.head))


@pytest.mark.parametrize(("name", "length"), [("deepsea", 200), ("basset", 200)])
def test_lua_started_within_one_over_the_root_of_the_inputs(name: str, length: int) -> None:
    model = models.build(name, length=length, n_tasks=3)
    for layer in model.modules():
        if isinstance(layer, nn.Conv1d | nn.Linear):
            bound = layer.weight[0].numel() ** -0.5
            for tensor in (layer.weight, layer.bias):
                assert tensor.abs().max() <= bound
            assert layer.weight.abs().max() > 0.95 * bound
