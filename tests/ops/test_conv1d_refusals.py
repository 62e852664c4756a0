"""What conv1d over base codes refuses, and in which words."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from dnafast import ops
from dnafast.ops.conv1d import reference_backward, reference_forward
from op_contract import REFUSAL, random_codes

CODES, WEIGHT, BIAS = torch.zeros(2, 30, dtype=torch.uint8), torch.zeros(3, 4, 5), torch.zeros(3)
BAD = [
    ((CODES + 7, WEIGHT), {}, "codes[0, 0] is 7: expected base codes 0 to 3 (A C G T) or 4 (unknown)"),
    ((CODES.int(), WEIGHT), {}, "codes has dtype int32: expected uint8 base codes"),
    ((CODES[0], WEIGHT), {}, "codes has shape (30,): expected (sequences, length)"),
    ((CODES[:, :4], WEIGHT), {}, "codes has length 4 with padding 0: expected at least 5 for a weight of width 5"),
    ((CODES, WEIGHT), {"dilation": 9}, "codes has length 30 with padding 0: expected at least 37"),
    ((CODES, WEIGHT.half()), {}, "weight has dtype float16: expected float32, float64 or bfloat16"),
    ((CODES, WEIGHT[:, :3]), {}, "weight has shape (3, 3, 5): expected (channels, 4, width), none of them 0"),
    ((CODES, WEIGHT[0]), {}, "weight has shape (4, 5): expected (channels, 4, width), none of them 0"),
    ((CODES, WEIGHT[:0]), {}, "weight has shape (0, 4, 5): expected (channels, 4, width), none of them 0"),
    ((CODES, WEIGHT, BIAS.double()), {}, "bias has dtype float64: expected that of weight, float32"),
    ((CODES, WEIGHT.bfloat16(), BIAS), {}, "bias has dtype float32: expected that of weight, bfloat16"),
    ((CODES, WEIGHT, BIAS[:2]), {}, "bias has shape (2,): expected (3,), one value a channel"),
    ((CODES, WEIGHT), {"stride": 0}, "stride=0: expected at least 1"),
    ((CODES, WEIGHT), {"padding": -1}, "padding=-1: expected at least 0"),
    ((CODES, WEIGHT), {"dilation": 0}, "dilation=0: expected at least 1"),
    ((CODES, WEIGHT), {"pool": -2}, "pool=-2: expected at least -1"),
    ((CODES, WEIGHT), {"pool": 27}, "pool=27: expected at most 26, the number of positions of the convolution"),
]


@pytest.mark.parametrize(("values", "options", "message"), BAD, ids=[message[:40] for *_, message in BAD])
@pytest.mark.parametrize("kernel", ["native", "composition"])
def test_bad_arguments_are_told_in_one_sentence(
    values: tuple[Tensor, ...], options: dict[str, int], message: str, kernel: str
) -> None:
    if kernel == "composition" and "codes[" in message:
        pytest.skip("the composition counts codes above 4 as unknown")
    function = torch.ops.dnafast.conv1d_forward if kernel == "native" else reference_forward
    codes, weight, bias = (*values, None)[:3]
    numbers = {"stride": 1, "padding": 0, "dilation": 1, "pool": 0, **options}
    with pytest.raises(REFUSAL if kernel == "native" else ValueError, match=f"^{re.escape(message)}"):
        function(codes, weight, bias, **numbers, relu=False, track=False)


def test_the_first_bad_code_is_named() -> None:
    codes = random_codes(700, 100)
    codes[650, 3] = codes[650, 4] = codes[690, 0] = 255
    with pytest.raises(ValueError, match=r"^codes\[650, 3\] is 255: "):
        ops.conv1d(codes, torch.randn(70, 4, 9))


def test_a_refusal_is_a_value_error_in_inference_mode_too() -> None:
    with torch.inference_mode(), pytest.raises(ValueError, match=r"^codes\[0, 0\] is 5: "):
        ops.conv1d(torch.full((3, 30), 5, dtype=torch.uint8), WEIGHT)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="is 7"):
        ops.conv1d(CODES + 7, WEIGHT)
    with pytest.raises(RuntimeError, match="Expected a value of type 'int'") as caught:
        ops.conv1d(CODES, WEIGHT, stride=2**70)
    assert caught.type is RuntimeError


def test_another_device_is_told() -> None:
    with pytest.raises(ValueError, match="codes is on cpu: expected the device of weight, meta"):
        ops.conv1d(CODES, WEIGHT.to("meta"))


@pytest.mark.parametrize("kernel", ["native", "composition"])
@pytest.mark.parametrize("argument", ["gradient", "codes", "output", "positions"])
def test_a_backward_argument_on_another_device_is_told(argument: str, kernel: str) -> None:
    function = torch.ops.dnafast.conv1d_backward if kernel == "native" else reference_backward
    output, positions = torch.ops.dnafast.conv1d_forward(CODES, WEIGHT, None, 1, 0, 1, True, 2, True)
    arguments = {"gradient": output, "codes": CODES, "weight": WEIGHT, "output": output, "positions": positions}
    arguments[argument] = arguments[argument].to("meta")
    with pytest.raises(
        REFUSAL if kernel == "native" else ValueError,
        match=f"^{argument} is on meta: expected the device of weight, cpu",
    ):
        function(**arguments, stride=1, padding=0, dilation=1, relu=True, pool=2)


@pytest.mark.parametrize("kernel", ["native", "composition"])
@pytest.mark.parametrize("argument", ["gradient", "output"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_backward_argument_of_another_type_is_told(dtype: torch.dtype, argument: str, kernel: str) -> None:
    function = torch.ops.dnafast.conv1d_backward if kernel == "native" else reference_backward
    weight = WEIGHT.to(dtype)
    output, positions = torch.ops.dnafast.conv1d_forward(CODES, weight, None, 1, 0, 1, True, 2, True)
    arguments = {"gradient": output, "codes": CODES, "weight": weight, "output": output, "positions": positions}
    other = torch.bfloat16 if dtype == torch.float32 else torch.float32
    arguments[argument] = arguments[argument].to(other)
    names = (str(kind).removeprefix("torch.") for kind in (other, dtype))
    with pytest.raises(
        REFUSAL if kernel == "native" else ValueError,
        match="^{} has dtype {}: expected that of weight, {}".format(argument, *names),
    ):
        function(**arguments, stride=1, padding=0, dilation=1, relu=True, pool=2)


@pytest.mark.parametrize("argument", ["codes", "weight", "bias"])
def test_a_tensor_without_memory_is_refused(argument: str) -> None:
    arguments = {"codes": CODES.clone(), "weight": WEIGHT.clone(), "bias": BIAS.clone()}
    arguments[argument].untyped_storage().resize_(0)
    with pytest.raises(
        ValueError, match=rf"^{argument} has shape \(.*\) but memory for 0 of \d+ elements: its storage"
    ):
        ops.conv1d(**arguments)


def test_a_view_needs_memory_up_to_its_last_element() -> None:
    codes = torch.zeros(4, 61, dtype=torch.uint8)
    view = codes[1:, 1::2]
    codes.untyped_storage().resize_(4 * 61)
    ops.conv1d(view, WEIGHT)
    codes.untyped_storage().resize_(4 * 61 - 2)
    with pytest.raises(ValueError, match=r"^codes has shape \(3, 30\) but memory for 242 of 243 elements"):
        ops.conv1d(view, WEIGHT)


@pytest.mark.parametrize("argument", ["weight", "bias"])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_forward_mode_is_refused(argument: str, requires_grad: bool) -> None:
    arguments = {"weight": WEIGHT, "bias": BIAS}

    def function(value: Tensor) -> Tensor:
        return ops.conv1d(CODES, **{**arguments, argument: value})

    value = arguments[argument].clone().requires_grad_(requires_grad)
    message = r"^dnafast::conv1d can be differentiated once, in reverse mode, not in forward mode: take gradients with"
    with pytest.raises(RuntimeError, match=message):
        torch.func.jvp(function, (value,), (torch.ones_like(value),))
    with forward_ad.dual_level(), pytest.raises(RuntimeError, match=message):
        function(forward_ad.make_dual(value, torch.ones_like(value)))
    with forward_ad.dual_level():
        assert torch.equal(function(value), ops.conv1d(CODES, **arguments))


def test_positions_of_another_call_are_refused() -> None:
    gradient, positions = torch.ones(2, 3), torch.full((2, 3), 26, dtype=torch.int32)
    with pytest.raises(REFUSAL, match="positions holds 26 for output 0: expected what conv1d_forward returned"):
        torch.ops.dnafast.conv1d_backward(gradient, CODES, WEIGHT, gradient, positions, 1, 0, 1, False, -1)
