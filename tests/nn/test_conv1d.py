"""dnafast.nn.Conv1d is torch.nn.Conv1d, whatever it reads and whoever computes it."""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dnafast
from dnafast.nn import Conv1d

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

# Narrow layers leave one-hot to torch, wide ones turn it back into codes.
ARGUMENTS: list[dict[str, Any]] = [
    {"out_channels": 5, "kernel_size": 7},
    {"out_channels": 70, "kernel_size": 8},
    {"out_channels": 70, "kernel_size": 8, "padding": "same"},
    {"out_channels": 70, "kernel_size": 8, "padding": "same", "dilation": 3, "bias": False},
    {"out_channels": 70, "kernel_size": (8,), "padding": "valid", "stride": (2,)},
    {"out_channels": 70, "kernel_size": 8, "padding": 4, "stride": 3, "dilation": 2},
    {"out_channels": 70, "kernel_size": 8, "padding": 4, "padding_mode": "circular"},
]
FUSED = [(False, 0), (True, 0), (False, 3), (True, 3), (True, -1)]


def random_codes(n: int, length: int = 40, letters: int = 5) -> Tensor:
    return torch.randint(0, letters, (n, length), generator=torch.Generator().manual_seed(n), dtype=torch.uint8)


def one_hot(codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    return nn.functional.one_hot(codes.long(), 5)[..., :4].transpose(1, 2).to(dtype)


def pair(relu: bool = False, pool: int = 0, **arguments: Any) -> tuple[Conv1d, nn.Module]:
    """A layer and what it must equal, with the same weights."""
    torch.manual_seed(0)
    plain = nn.Conv1d(4, **arguments)
    layer = Conv1d(4, **arguments, relu=relu, pool=pool)
    layer.load_state_dict(plain.state_dict())
    pooling = {0: nn.Identity(), -1: nn.AdaptiveMaxPool1d(1)}
    after = [nn.ReLU() if relu else nn.Identity(), pooling[pool] if pool in pooling else nn.MaxPool1d(pool)]
    return layer, nn.Sequential(plain, *after, nn.Flatten() if pool == -1 else nn.Identity())


@pytest.fixture
def operator_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Numbers of sequences that the operator was called with."""
    calls: list[int] = []
    operator = Conv1d.of_codes

    def counted(self: Conv1d, codes: Tensor, *values: Any) -> Tensor:
        calls.append(len(codes))
        return operator(self, codes, *values)

    monkeypatch.setattr(Conv1d, "of_codes", counted)
    return calls


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
@pytest.mark.parametrize(("relu", "pool"), FUSED)
@pytest.mark.parametrize("n", [0, 1, 6])
def test_outputs_and_gradients_are_those_of_torch(arguments: dict[str, Any], relu: bool, pool: int, n: int) -> None:
    layer, plain = pair(relu, pool, **arguments)
    codes = random_codes(n)
    if n == 0 and (pool == -1 or arguments.get("padding_mode")):
        pytest.skip("torch has no such layers for no sequences")
    expected = plain(one_hot(codes))
    gradient = torch.randn(expected.shape)
    expected_gradients = torch.autograd.grad(expected, list(plain.parameters()), gradient)
    for x in (codes, one_hot(codes), one_hot(codes, torch.uint8), one_hot(codes, torch.int64)):
        output = layer(x)
        torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
        gradients = torch.autograd.grad(output, list(layer.parameters()), gradient)
        torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-4)


def test_groups_and_other_channels_are_torchs() -> None:
    torch.manual_seed(0)
    for channels, groups in ((4, 2), (6, 1)):
        plain, layer = nn.Conv1d(channels, 8, 3, groups=groups), Conv1d(channels, 8, 3, groups=groups)
        layer.load_state_dict(plain.state_dict())
        x = torch.randn(3, channels, 20)
        assert torch.equal(layer(x), plain(x))
        assert torch.equal(layer(x[0]), plain(x[0]))
    codes = random_codes(3)
    grouped = Conv1d(4, 8, 3, groups=2)
    assert torch.equal(grouped(codes), grouped(one_hot(codes)))


@pytest.mark.parametrize("changed", ["soft", "two bases", "negative", "half", "nan"])
def test_what_is_not_quite_one_hot_is_not_taken_for_it(changed: str, operator_calls: list[int]) -> None:
    layer, plain = pair(out_channels=70, kernel_size=8)
    x = one_hot(random_codes(4, letters=4))
    layer(x)
    assert operator_calls == [4]
    value, place = {"soft": 0.25, "two bases": 1.0, "negative": -1.0, "half": 1.5, "nan": float("nan")}[changed], 17
    x[2, :, place] = value
    torch.testing.assert_close(layer(x), plain(x), equal_nan=True)
    assert operator_calls == [4]


def test_torch_is_called_where_the_operator_is_no_gain(operator_calls: list[int]) -> None:
    layer = Conv1d(4, 70, 8)
    layer(random_codes(1))
    layer(random_codes(2, 40)[:1])
    assert operator_calls == []
    layer(random_codes(1, 500))
    assert operator_calls == []
    with torch.no_grad():
        layer(random_codes(1, 500))
    layer(random_codes(2))
    assert operator_calls == [1, 2]
    # Narrow: one-hot is left to torch, codes are not.
    narrow = Conv1d(4, 8, 8)
    narrow(one_hot(random_codes(2)))
    assert operator_calls == [1, 2]
    narrow(random_codes(2))
    assert operator_calls == [1, 2, 2]


def test_gradients_of_the_input_are_torchs() -> None:
    layer, plain = pair(out_channels=70, kernel_size=8)
    x = one_hot(random_codes(4)).requires_grad_()
    gradients = [torch.autograd.grad(module(x).square().sum(), x)[0] for module in (layer, plain)]
    assert torch.equal(*gradients)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_precisions(dtype: torch.dtype) -> None:
    layer, plain = pair(out_channels=70, kernel_size=8)
    layer, plain, codes = layer.to(dtype), plain.to(dtype), random_codes(4)
    expected = plain(one_hot(codes, dtype))
    for x in (codes, one_hot(codes, dtype)):
        assert layer(x).dtype == dtype
        torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("n", [1, 4])
def test_autocast_gives_the_type_that_torch_gives(dtype: torch.dtype, n: int, operator_calls: list[int]) -> None:
    layer, plain = pair(out_channels=70, kernel_size=8)
    codes = random_codes(n)
    with torch.autocast("cpu", dtype):
        expected = plain(one_hot(codes))
        for x in (codes, one_hot(codes)):
            output = layer(x)
            assert output.dtype == expected.dtype == dtype
            torch.testing.assert_close(output, expected)
            gradients = torch.autograd.grad(output.float().square().sum(), list(layer.parameters()))
            others = torch.autograd.grad(expected.float().square().sum(), list(plain.parameters()), retain_graph=True)
            for one, other in zip(gradients, others, strict=True):
                assert one.dtype == torch.float32
                torch.testing.assert_close(one, other, rtol=0, atol=2e-2 * other.abs().max().item())
    assert operator_calls == ([4, 4] if dtype == torch.bfloat16 and n == 4 else [])


def test_compiled_and_exported_layers_heed_autocast() -> None:
    layer, _ = pair(out_channels=70, kernel_size=8)
    codes = random_codes(4)

    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, codes: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return self.layer(codes)

    exact = layer(codes)
    rounded = Cast()(codes)
    assert rounded.dtype == torch.bfloat16
    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(compiled(codes), rounded)
            with torch.autocast("cpu", enabled=False):
                assert torch.equal(layer(codes), exact)
        assert torch.equal(compiled(codes), exact)
    assert torch.equal(torch.export.export(Cast(), (codes,)).module()(codes), rounded)


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_every_way_to_run(arguments: dict[str, Any]) -> None:
    layer, plain = pair(True, 2, **arguments)
    codes = random_codes(5)
    expected = plain(one_hot(codes))
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(layer), file)
    file.seek(0)
    loaded = torch.jit.load(file)
    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for x in (codes, one_hot(codes)):
        program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim.AUTO},)).module()
        for run in (loaded, compiled, program):
            torch.testing.assert_close(run(x), expected, rtol=1e-5, atol=1e-5)
    operator = arguments.get("padding_mode", "zeros") == "zeros"
    graph = torch.export.export(layer, (codes,)).graph_module.code
    assert ("dnafast.conv1d" in graph) == operator


def test_weights_go_both_ways_and_copies_are_equal() -> None:
    layer, plain = pair(out_channels=5, kernel_size=7)
    assert list(layer.state_dict()) == ["weight", "bias"]
    other = nn.Conv1d(4, 5, 7)
    other.load_state_dict(layer.state_dict())
    codes = random_codes(3)
    assert torch.equal(other(one_hot(codes)), plain(one_hot(codes)))
    assert torch.equal(copy.deepcopy(layer)(codes), layer(codes))


def test_the_same_seed_starts_it_as_torch_does() -> None:
    torch.manual_seed(3)
    plain = nn.Conv1d(4, 5, 7)
    torch.manual_seed(3)
    assert torch.equal(Conv1d(4, 5, 7).weight, plain.weight)


def test_it_says_what_it_is() -> None:
    assert repr(Conv1d(4, 5, 7)) == "Conv1d(4, 5, kernel_size=(7,), stride=(1,))"
    assert repr(Conv1d(4, 5, 7, relu=True, pool=-1)).endswith("stride=(1,), relu=True, pool=-1)")
    assert dnafast.nn.Conv1d is Conv1d


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv1d(4, 5, 7, pool=-2), "pool=-2 must be 0 (none), a number of positions, or -1 (all of them)"),
        (lambda: Conv1d(4, 5, 7, pool=1.5), "pool=1.5 must be 0"),
        (lambda: Conv1d(4, 5, 7, pool=True), "pool=True must be 0"),
        (lambda: Conv1d(6, 5, 7)(random_codes(3)), "this layer has 6 input channels, and needs 4 to read them"),
        (lambda: Conv1d(4, 5, 7)(random_codes(3) + 5), "expected base codes 0 to 3 (A C G T) or 4 (unknown)"),
        (lambda: Conv1d(4, 5, 7)(random_codes(1) + 5), "expected base codes 0 to 3 (A C G T) or 4 (unknown)"),
        (lambda: Conv1d(4, 5, 7)(random_codes(3, 6)), "codes has length 6 with padding 0: expected at least 7"),
        (lambda: Conv1d(4, 5, 7, pool=35)(random_codes(3)), "pool=35: expected at most 34"),
    ],
)
def test_bad_input_is_told_in_one_sentence(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        make()
    assert "\n" not in str(caught.value)
