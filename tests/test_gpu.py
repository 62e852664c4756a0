"""On a GPU: operators, layers and networks give what they give on the CPU, and every network of the zoo trains."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dnafast
from dnafast import models, ops
from dnafast import nn as dnn
from dnafast.train import TrainConfig, train
from toy_training import Batches

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
    pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores"),  # torch.compile would have it allowed
]

OPERATORS: dict[str, Any] = {"rnn": ops.rnn, "gru": ops.gru, "lstm": ops.lstm}
TORCH: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
NATIVE: dict[str, type[nn.RNNBase]] = {"rnn": dnn.RNN, "gru": dnn.GRU, "lstm": dnn.LSTM}
PAIRS = [(name, way) for name in models.names() for way in models.implementations(name)]


@pytest.fixture(autouse=True)
def whole_float32() -> Iterator[None]:
    """No TF32, whose ten bits would hide what is to be compared."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    yield
    torch.backends.cudnn.allow_tf32 = before


def to_gpu(value: Any) -> Any:
    return value.detach().cuda().requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value


def assert_near(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    actual, expected = actual.detach().cpu(), expected.detach()
    scale = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("features", [0, 5])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", OPERATORS)
def test_recurrent_operators(cell: str, bias: bool, features: int, layers: int, bidirectional: bool) -> None:
    layer = TORCH[cell](features or 4, 24, layers, bias=bias, bidirectional=bidirectional)
    x = torch.randint(0, 5, (7, 33), dtype=torch.uint8) if features == 0 else torch.randn(7, 33, features)
    h0 = torch.randn(layers * (1 + bidirectional), 7, 24, requires_grad=True)
    gradient = torch.randn(7, 33, 24 * (1 + bidirectional))
    results = []
    for move in (lambda value: value, to_gpu):
        weights = [move(weight) for weight in layer._flat_weights]
        state = move(h0)
        outputs = OPERATORS[cell](move(x), weights, state, layers=layers, bidirectional=bidirectional)
        asked = [*weights, state]
        results.append((*outputs, *torch.autograd.grad(outputs[0], asked, move(gradient))))
    for on_cpu, on_gpu in zip(*results, strict=True):
        assert on_gpu.device.type == "cuda"
        assert_near(on_gpu, on_cpu)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("cell", OPERATORS)
def test_recurrent_operators_in_every_precision(cell: str, dtype: torch.dtype) -> None:
    weights = [weight.detach() for weight in TORCH[cell](4, 16)._flat_weights]
    codes = torch.randint(0, 5, (5, 20), dtype=torch.uint8)
    expected = OPERATORS[cell](codes, weights)[0]
    actual = OPERATORS[cell](codes.cuda(), [weight.cuda().to(dtype) for weight in weights])[0]
    assert actual.dtype == dtype
    assert_near(actual.float(), expected, 0.03 if dtype == torch.bfloat16 else 1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"relu": True, "pool": -1},
        {"relu": True, "pool": 3, "padding": 4},
        {"stride": 2, "dilation": 3, "pool": -1},
        {"bias": False, "pool": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize(("channels", "width", "length"), [(9, 5, 40), (128, 24, 203), (300, 19, 97)])
def test_convolution(channels: int, width: int, length: int, options: dict[str, Any]) -> None:
    options = dict(options)
    codes = torch.randint(0, 5, (11, length), dtype=torch.uint8)
    weight = torch.randn(channels, 4, width, requires_grad=True)
    bias = torch.randn(channels, requires_grad=True) if options.pop("bias", True) else None
    results = []
    for move in (lambda value: value, to_gpu):
        parts = [move(part) for part in (weight, bias) if part is not None]
        output = ops.conv1d(move(codes), *parts, **options)
        torch.manual_seed(1)
        gradient = move(torch.randn(output.shape))
        with torch.no_grad():
            alone = ops.conv1d(move(codes), *parts, **options)
        results.append((output, alone, *torch.autograd.grad(output, parts, gradient)))
    for on_cpu, on_gpu in zip(*results, strict=True):
        assert_near(on_gpu, on_cpu, 2e-5)


def test_convolution_is_one_kernel_where_there_is_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    conv1d_triton = pytest.importorskip("dnafast.ops.conv1d_triton")
    calls, forward = [], conv1d_triton.forward
    monkeypatch.setattr(conv1d_triton, "forward", lambda *arguments: calls.append(1) or forward(*arguments))
    codes, weight = torch.randint(0, 5, (11, 90), dtype=torch.uint8), torch.randn(70, 4, 9)
    # Neither is contiguous: each second row, and one number for all.
    for bias in (torch.randn(70, 2)[:, 1], torch.randn(1).expand(70)):
        there = ops.conv1d(codes.cuda()[:, ::2], weight.cuda(), bias.cuda())
        assert_near(there, ops.conv1d(codes[:, ::2], weight, bias), 2e-5)
    assert len(calls) == 2


def test_long_sequences_have_many_tiles() -> None:
    codes, weight = torch.randint(0, 5, (1, 70_000 * 64), dtype=torch.uint8), torch.randn(16, 4, 3)
    assert_near(ops.conv1d(codes.cuda(), weight.cuda()), ops.conv1d(codes, weight), 2e-5)


def test_operands_on_two_devices_are_named() -> None:
    codes, layer = torch.zeros(2, 9, dtype=torch.uint8), nn.GRU(4, 3).cuda()
    with pytest.raises(ValueError, match=re.escape("input is on cpu: expected the device of weight_ih, cuda:0")):
        ops.gru(codes, layer._flat_weights)
    with pytest.raises(ValueError, match=re.escape("codes is on cpu: expected the device of weight, cuda:0")):
        ops.conv1d(codes, torch.randn(2, 4, 3).cuda())


@pytest.mark.parametrize("cell", NATIVE)
def test_layers(cell: str) -> None:
    layer = NATIVE[cell](4, 16, 2, batch_first=True, bidirectional=True).eval()
    codes = torch.randint(0, 5, (6, 50), dtype=torch.uint8)
    expected = layer(codes)
    actual = copy.deepcopy(layer).cuda()(codes.cuda())
    assert_near(actual[0], expected[0])
    for one, other in zip(*(state if cell == "lstm" else (state,) for state in (actual[1], expected[1])), strict=True):
        assert_near(one, other)


@pytest.mark.parametrize("fewest", [0, 10**9])
@pytest.mark.parametrize("pool", [0, 4, -1])
def test_convolution_layer(pool: int, fewest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fewest_sequences_on_cuda", "fewest_predicting_on_cuda", "fewest_training_on_cuda"):
        monkeypatch.setattr(dnn.Conv1d, name, fewest)
    layer = dnn.Conv1d(4, 20, 8, padding="same", relu=True, pool=pool)
    codes = torch.randint(0, 5, (6, 50), dtype=torch.uint8)
    there = copy.deepcopy(layer).cuda()
    assert there.is_for_operator(6, 50) == (fewest == 0)
    expected, actual = layer(codes), there(codes.cuda())
    assert_near(actual, expected)
    gradient = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, [layer.weight, layer.bias], gradient)
    found = torch.autograd.grad(actual, [there.weight, there.bias], gradient.cuda())
    for one, other in zip(found, wanted, strict=True):
        assert_near(one, other)
    with torch.no_grad():
        assert_near(torch.jit.script(there)(codes.cuda()), expected)


@pytest.mark.parametrize("cell", OPERATORS)
def test_compiled(cell: str) -> None:
    weights = [weight.detach().cuda() for weight in TORCH[cell](4, 16)._flat_weights]
    codes = torch.randint(0, 5, (5, 20), dtype=torch.uint8, device="cuda")

    def run(codes: Tensor) -> Tensor:
        output: Tensor = OPERATORS[cell](codes, weights)[0]
        return output * 2

    assert_near(torch.compile(run, fullgraph=True)(codes), run(codes).cpu())


def test_convolution_compiled_and_under_autocast() -> None:
    weight, bias = torch.randn(16, 4, 7, device="cuda"), torch.randn(16, device="cuda")
    codes = torch.randint(0, 5, (5, 40), dtype=torch.uint8, device="cuda")

    def run(codes: Tensor) -> Tensor:
        return ops.conv1d(codes, weight, bias, relu=True, pool=-1) * 2

    expected = run(codes)
    assert_near(torch.compile(run, fullgraph=True)(codes), expected.cpu())
    weight, bias = weight.bfloat16(), bias.bfloat16()
    with torch.autocast("cuda", torch.bfloat16):
        under = run(codes)
    assert under.dtype == torch.float32
    assert_near(under, expected.cpu(), 0.05)


def sequences(n: int, length: int) -> list[str]:
    return ["".join("ACGT"[base] for base in row) for row in torch.randint(0, 4, (n, length)).tolist()]


@pytest.mark.parametrize(("name", "implementation"), PAIRS, ids=[" ".join(pair) for pair in PAIRS])
def test_network_scores_as_on_the_cpu(name: str, implementation: str) -> None:
    model = models.build(name, length=200, n_tasks=3, implementation=implementation).eval()
    x = torch.as_tensor(dnafast.encode(sequences(9, max(200, model.config.minimum_length)), model.config.encoding))
    with torch.no_grad():
        expected = model(x)
        assert_near(model.cuda()(x.cuda()), expected)


@pytest.mark.parametrize(("name", "implementation"), PAIRS, ids=[" ".join(pair) for pair in PAIRS])
def test_network_trains(name: str, implementation: str) -> None:
    model = models.build(name, length=100, implementation=implementation)
    length = max(100, model.config.minimum_length)
    letters = sequences(512, length)
    # A word in the middle decides, which a convolution finds, and what reads in turn soon too.
    y = torch.arange(512).remainder(2).to(torch.int8)
    middle = length // 2
    letters = [row[:middle] + "A" * 20 + row[middle + 20 :] if y[i] else row for i, row in enumerate(letters)]
    x = torch.as_tensor(dnafast.encode(letters, model.config.encoding))
    config = TrainConfig(max_epochs=12, batch_size=32, learning_rate=3e-3)
    result = train(
        model,
        Batches(x[:384], y[:384], shuffle=True),
        [Batches(x[384:], y[384:])],
        config,
        device="cuda",
        seed=0,
    )
    assert all(parameter.device.type == "cuda" for parameter in model.parameters())
    assert result.history[-1]["train_loss"] < 0.9 * result.history[0]["train_loss"]
    assert result.history[result.best_epoch - 1]["valid_auroc"] > 0.8
