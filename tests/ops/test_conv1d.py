"""conv1d over base codes equals torch on one-hot: every option, every way to run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import dnafast
from dnafast import ops
from dnafast.ops.conv1d import backward_of_maxima, reference_backward, reference_forward
from op_contract import TOLERANCE, Arguments, OperatorContract, quiet_opcheck, random_codes


def one_hot(codes: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, L) -> (N, 4, L), made the obvious way."""
    return F.one_hot(codes.long(), 5)[..., :4].transpose(1, 2).to(dtype)


def oracle(
    codes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    relu: bool = False,
    pool: int = 0,
) -> Tensor:
    output = F.conv1d(one_hot(codes, weight.dtype), weight, bias, stride, padding, dilation)
    if relu:
        output = F.relu(output)
    if pool == -1:
        return F.max_pool1d(output, output.shape[2])[..., 0]
    return F.max_pool1d(output, pool) if pool else output


class Layer(nn.Module):
    """The operator as a layer, for scripting, export and compile."""

    def __init__(self, weight: Tensor, bias: Tensor | None, options: dict[str, Any]):
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        self.stride: int = options["stride"]
        self.padding: int = options["padding"]
        self.dilation: int = options["dilation"]
        self.relu: bool = options["relu"]
        self.pool: int = options["pool"]

    def forward(self, codes: Tensor) -> Tensor:
        return torch.ops.dnafast.conv1d(
            codes, self.weight, self.bias, self.stride, self.padding, self.dilation, self.relu, self.pool
        )


class TestConv1dContract(OperatorContract):
    name = "conv1d"
    cases: ClassVar[list[dict[str, Any]]] = [
        {},
        {"bias": False},
        {"relu": True, "pool": -1},
        {"relu": True, "pool": 3, "padding": 2},
        {"stride": 2, "dilation": 3, "padding": 5},
    ]

    def arguments(self, dtype: torch.dtype, **case: Any) -> Arguments:
        case = dict(case)
        bias = torch.randn(5, dtype=dtype, requires_grad=True) if case.pop("bias", True) else None
        options = {"stride": 1, "padding": 0, "dilation": 1, "relu": False, "pool": 0, **case}
        return {
            "codes": random_codes(3, 23),
            "weight": torch.randn(5, 4, 6, dtype=dtype, requires_grad=True),
            "bias": bias,
            **options,
        }

    def expected(self, arguments: Arguments) -> Tensor:
        return oracle(**arguments)

    def module(self, arguments: Arguments) -> nn.Module:
        return Layer(arguments["weight"], arguments["bias"], arguments)


# Sizes at which other paths open: words of one to four bases, several blocks of channels, a last block that is not
# full, windows wider than a tile, more sequences than a group.
SHAPES = [
    # sequences, length, channels, width, options
    (1, 1, 1, 1, {}),
    (2, 9, 3, 9, {}),
    (40, 120, 37, 24, {}),
    (40, 120, 37, 24, {"relu": True, "pool": -1}),
    (40, 120, 37, 24, {"relu": True, "pool": 4}),
    (40, 400, 16, 19, {"pool": 80}),
    (300, 150, 33, 4, {"dilation": 7, "padding": 3, "pool": 13}),
    (100, 211, 64, 11, {"stride": 3, "padding": 5, "relu": True}),
    (64, 300, 8, 40, {"padding": 20, "dilation": 2, "stride": 2, "pool": 2}),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("unknown", ["none", "some", "all"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_torch_on_one_hot(shape: tuple[Any, ...], unknown: str, dtype: torch.dtype) -> None:
    sequences, length, channels, width, options = shape
    torch.manual_seed(1)
    codes = random_codes(sequences, length, 4)
    if unknown == "all":
        codes.fill_(4)
    elif unknown == "some":
        codes[::3, length // 3 : length // 3 + 2] = 4
    weight = torch.randn(channels, 4, width, dtype=dtype, requires_grad=True)
    bias = torch.randn(channels, dtype=dtype, requires_grad=True)
    assert_like_oracle(codes, weight, bias, options)


def assert_like_oracle(codes: Tensor, weight: Tensor, bias: Tensor, options: dict[str, Any]) -> None:
    actual, expected = ops.conv1d(codes, weight, bias, **options), oracle(codes, weight, bias, **options)
    tolerance = TOLERANCE[weight.dtype]
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)
    gradient = torch.randn_like(expected)
    for one, other in zip(
        torch.autograd.grad(actual, (weight, bias), gradient),
        torch.autograd.grad(expected, (weight, bias), gradient),
        strict=True,
    ):
        # Sums of thousands of terms: compare with the largest of them.
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * max(1.0, other.abs().max().item()))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("pool", [0, 5, -1])
def test_threads_agree(pool: int, two_threads: None) -> None:
    torch.manual_seed(2)
    codes, weight = random_codes(203, 150), torch.randn(70, 4, 15, requires_grad=True)
    outputs, gradients = [], []
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        outputs.append(ops.conv1d(codes, weight, pool=pool))
        gradients.append(torch.autograd.grad(outputs[-1].sum(), weight)[0])
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(gradients[1], gradients[2])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-3)


def test_called_twice_and_still_a_function() -> None:
    codes, weight = random_codes(2, 30), torch.randn(3, 4, 5)
    assert torch.equal(dnafast.ops.conv1d(codes, weight), dnafast.ops.conv1d(codes, weight))


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bfloat16_is_float32_rounded(shape: tuple[Any, ...], unknown: bool) -> None:
    sequences, length, channels, width, options = shape
    torch.manual_seed(7)
    codes = random_codes(sequences, length, 5 if unknown else 4)
    weight = torch.randn(channels, 4, width).bfloat16().requires_grad_()
    bias = torch.randn(channels).bfloat16().requires_grad_()
    actual, expected = (ops.conv1d(codes, w, b, **options) for w, b in ((weight, bias), (weight.float(), bias.float())))
    assert actual.dtype == torch.bfloat16
    assert torch.equal(actual, expected.bfloat16())
    gradient = torch.randn(actual.shape).bfloat16()
    for one, other in zip(
        torch.autograd.grad(actual, (weight, bias), gradient),
        torch.autograd.grad(expected, (weight, bias), gradient.float()),
        strict=True,
    ):
        assert one.dtype == torch.bfloat16
        assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("pool", [0, 2, -1])
def test_empty_batch(pool: int, dtype: torch.dtype) -> None:
    weight, bias = (
        torch.randn(3, 4, 5, dtype=dtype, requires_grad=True),
        torch.randn(3, dtype=dtype, requires_grad=True),
    )
    codes = torch.zeros(0, 30, dtype=torch.uint8)
    output = ops.conv1d(codes, weight, bias, pool=pool)
    assert output.shape == {0: (0, 3, 26), 2: (0, 3, 13), -1: (0, 3)}[pool]
    for gradient, of in zip(torch.autograd.grad(output.sum(), (weight, bias)), (weight, bias), strict=True):
        assert torch.equal(gradient, torch.zeros_like(of))


def test_unknown_windows_give_exactly_the_bias() -> None:
    bias = torch.randn(7)
    output = ops.conv1d(torch.full((2, 40), 4, dtype=torch.uint8), torch.randn(7, 4, 9), bias)
    assert torch.equal(output, bias.view(1, 7, 1).expand(2, 7, 32))


def test_ties_go_to_the_first_position() -> None:
    codes = torch.zeros(1, 50, dtype=torch.uint8)
    output, positions = torch.ops.dnafast.conv1d_forward(codes, torch.ones(2, 4, 3), None, 1, 0, 1, True, -1, True)
    assert torch.equal(output, torch.full((1, 2), 3.0))
    assert torch.equal(positions, torch.zeros(1, 2, dtype=torch.int32))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [1, 6, 11, 24, 29, 32, 40])
@pytest.mark.parametrize("period", [1, 5, 37])
def test_repeats_tie_at_the_first_position(period: int, width: int, dtype: torch.dtype) -> None:
    # Enough sequences for long words and windows long enough for chains of them; whole numbers, so that ties are exact.
    torch.manual_seed(6)
    codes = random_codes(60, period, 4).repeat(1, 400 // period + 1)[:, :400]
    codes[::4, 200] = 4
    weight = torch.randint(-3, 4, (18, 4, width)).to(dtype)
    options = [1, 2, 1, False]
    for pool in (-1, 90):
        native = torch.ops.dnafast.conv1d_forward(codes, weight, None, *options, pool, True)
        composed = reference_forward(codes, weight, None, *options, pool, True)
        assert torch.equal(native[0], composed[0])
        assert torch.equal(native[1], composed[1])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("options", [{}, {"pool": -1}, {"relu": True, "pool": 4}], ids=str)
def test_weights_that_are_no_numbers_show(value: float, options: dict[str, Any]) -> None:
    torch.manual_seed(3)
    codes, weight = random_codes(20, 60, 4), torch.randn(20, 4, 8)
    weight[3, 1, 2], weight[17, 2, 2] = value, -value
    bias = torch.randn(20)
    # Infinity times the zeros of one-hot is no number either: the sum of rows is the answer that makes sense.
    rows = weight.permute(2, 1, 0)
    windows = codes.unfold(1, 8, 1).long()
    output = sum((rows[k][windows[..., k]] for k in range(8)), start=bias).transpose(1, 2)
    if options.get("relu"):
        output = F.relu(output)
    if "pool" in options:
        output = F.max_pool1d(output, output.shape[2] if options["pool"] == -1 else options["pool"])
    expected = output[..., 0] if options.get("pool") == -1 else output
    actual = ops.conv1d(codes, weight, bias, **options)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5, equal_nan=True)
    narrow, wide = (
        ops.conv1d(codes, weight.bfloat16().to(dtype), None, **options) for dtype in (torch.bfloat16, torch.float32)
    )
    torch.testing.assert_close(narrow, wide.bfloat16(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("case", [*TestConv1dContract.cases, {"pool": -1, "padding": 7}], ids=str)
@pytest.mark.parametrize("sequences", [0, 4])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_composition_for_cuda_equals_the_kernel(dtype: torch.dtype, case: dict[str, Any], sequences: int) -> None:
    torch.manual_seed(4)
    arguments = TestConv1dContract().arguments(dtype, **case)
    codes, weight, bias = random_codes(sequences, 23), arguments["weight"].detach(), arguments["bias"]
    options = [arguments[name] for name in ("stride", "padding", "dilation", "relu", "pool")]
    bias = None if bias is None else bias.detach()
    native = torch.ops.dnafast.conv1d_forward(codes, weight, bias, *options, True)
    composed = reference_forward(codes, weight, bias, *options, True)
    assert [(part.shape, part.dtype) for part in native] == [(part.shape, part.dtype) for part in composed]
    torch.testing.assert_close(native[0], composed[0])
    if native[1].numel():
        # Where ReLU clips a whole window, each calls another position the first, and no gradient goes there.
        counts = native[0] > 0 if arguments["relu"] else torch.ones_like(native[1], dtype=torch.bool)
        assert torch.equal(native[1][counts], composed[1][counts])
    gradient = torch.randn_like(native[0])
    for one, other in zip(
        torch.ops.dnafast.conv1d_backward(gradient, codes, weight, *native, *options),
        reference_backward(gradient, codes, weight, *composed, *options),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 5, 3), (3, 9, 1)])
def test_gradients_from_the_places_of_maxima(stride: int, padding: int, dilation: int, relu: bool) -> None:
    torch.manual_seed(6)
    codes, weight, bias = random_codes(9, 40, 5), torch.randn(7, 4, 6).double(), torch.randn(7).double() - 3
    options = (stride, padding, dilation, relu, -1)
    output, positions = reference_forward(codes, weight, bias, *options, True)
    gradient = torch.randn_like(output)
    expected = reference_backward(gradient, codes, weight, output, positions, *options)
    if relu:
        gradient = gradient * (output > 0)
    actual = backward_of_maxima(gradient, codes, weight, positions, stride, padding, dilation)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other)


@quiet_opcheck
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("case", TestConv1dContract.cases, ids=str)
def test_opcheck_of_forward_and_backward(case: dict[str, Any], dtype: torch.dtype) -> None:
    arguments = TestConv1dContract().arguments(dtype, **case)
    values = [arguments[name] for name in ("codes", "weight", "bias")]
    options = [arguments[name] for name in ("stride", "padding", "dilation", "relu", "pool")]
    torch.library.opcheck(torch.ops.dnafast.conv1d_forward.default, (*values, *options, True))
    output, positions = torch.ops.dnafast.conv1d_forward(*values, *options, True)
    torch.library.opcheck(
        torch.ops.dnafast.conv1d_backward.default,
        (torch.randn_like(output), values[0], values[1].detach(), output.detach(), positions, *options),
    )


def test_second_derivatives_are_refused() -> None:
    codes, bias = random_codes(3, 20), torch.randn(5, requires_grad=True)
    weight = torch.randn(5, 4, 6, requires_grad=True)
    loss = ops.conv1d(codes, weight, bias, relu=True, pool=-1).square().sum()
    gradients = torch.autograd.grad(loss, (weight, bias), create_graph=True)
    torch.testing.assert_close(gradients, torch.autograd.grad(oracle_loss(codes, weight, bias), (weight, bias)))
    for gradient in gradients:
        with pytest.raises(
            RuntimeError, match=r"^dnafast::conv1d can be differentiated once, in reverse mode: leave out"
        ):
            torch.autograd.grad(gradient.square().sum(), weight, retain_graph=True)
    with pytest.raises(RuntimeError, match=r"^dnafast::conv1d can be differentiated once"):
        torch.autograd.functional.hessian(lambda value: ops.conv1d(codes, value).square().sum(), weight.detach())


def oracle_loss(codes: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return oracle(codes, weight, bias, relu=True, pool=-1).square().sum()


ISA_SCRIPT = """
import torch
from dnafast import ops
print(ops.instruction_set())
torch.manual_seed(5)
codes = torch.randint(0, 5, (30, 190), dtype=torch.uint8)
codes[:15].clamp_(max=3)
for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12), (torch.bfloat16, 1e-2)):
    weight = torch.randn(21, 4, 13, dtype=dtype, requires_grad=True)
    computed = torch.float64 if dtype == torch.float64 else torch.float32
    one_hot = torch.nn.functional.one_hot(codes.long(), 5)[..., :4].transpose(1, 2).to(computed)
    for pool, relu in ((0, False), (0, True), (3, False), (3, True), (-1, False), (-1, True)):
        dense = torch.nn.functional.conv1d(one_hot, weight.to(computed))
        dense = dense.relu() if relu else dense
        expected = torch.nn.functional.max_pool1d(dense, {0: 1, 3: 3, -1: 178}[pool])
        actual = ops.conv1d(codes, weight, relu=relu, pool=pool)
        expected = expected.reshape(actual.shape).to(dtype)
        torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)
        gradient = torch.randn_like(actual)
        ours, theirs = (torch.autograd.grad(output, weight, gradient)[0] for output in (actual, expected))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * theirs.abs().max().item())
# Every number of outputs, up to more than a tile, and of channels, up to more than a vector.
for count in range(1, 70):
    channels = count % 19 + 1
    codes = torch.randint(0, 4, (2, count + 2), dtype=torch.uint8)
    narrow = torch.randn(channels, 4, 3).bfloat16().requires_grad_()
    outputs = [ops.conv1d(codes, weight, relu=True) for weight in (narrow, narrow.float())]
    assert torch.equal(outputs[0], outputs[1].bfloat16())
    gradient = torch.randn(outputs[0].shape).bfloat16()
    ours, theirs = (torch.autograd.grad(output, narrow, gradient.to(output.dtype))[0] for output in outputs)
    assert torch.equal(ours, theirs)
"""


def run_with(instruction_set: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DNAFAST_ISA": instruction_set}
    return subprocess.run([sys.executable, "-c", ISA_SCRIPT], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("instruction_set", ["baseline", "avx2", "avx512"])
def test_every_instruction_set_gives_the_answer(instruction_set: str) -> None:
    order = ["baseline", "avx2", "avx512"]
    result = run_with(instruction_set)
    if result.returncode and "this processor offers at most" in result.stderr:
        assert order.index(instruction_set) > order.index(ops.instruction_set()) or "DNAFAST_ISA" in os.environ
        pytest.skip(f"this processor has no {instruction_set}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == instruction_set


def test_an_unknown_instruction_set_is_an_error() -> None:
    result = run_with("avx3")
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1] == ("ValueError: DNAFAST_ISA=avx3: expected baseline, avx2 or avx512")


def test_a_missing_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnafast, "__path__", ["/nowhere"])
    with pytest.raises(ImportError, match="is missing from /nowhere: reinstall the package with 'pip install"):
        ops.library_path()
