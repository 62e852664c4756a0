"""What the operators of one layer behind rnn, gru and lstm must do, every way to run them, and the oracle for them.

A subclass of the class below (named ``Test…``) says which cell it is.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnafast.ops.recurrent import GATES, reference
from op_contract import Arguments, OperatorContract, quiet_opcheck, random_codes

PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def one_hot(codes: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, L) -> (N, L, 4), made the obvious way."""
    return F.one_hot(codes.long(), 5)[..., :4].to(dtype)


def oracle_cell(cell: str, gates_x: Tensor, gates_h: Tensor, h: Tensor, c: Tensor, relu: bool) -> tuple[Tensor, Tensor]:
    """One step by the formulas of the papers, in torch's order of gates."""
    if cell == "rnn":
        return (gates_x + gates_h).relu() if relu else (gates_x + gates_h).tanh(), c
    if cell == "gru":
        (xr, xz, xn), (hr, hz, hn) = gates_x.chunk(3, 1), gates_h.chunk(3, 1)
        z = torch.sigmoid(xz + hz)
        return (1 - z) * torch.tanh(xn + torch.sigmoid(xr + hr) * hn) + z * h, c
    i, f, g, o = (gates_x + gates_h).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def oracle(
    cell: str,
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    h0: Tensor | None = None,
    c0: Tensor | None = None,
    relu: bool = False,
) -> tuple[Tensor, ...]:
    """One layer, position by position."""
    x = one_hot(input, weight_ih.dtype) if input.dtype == torch.uint8 else input
    hidden = weight_hh.shape[2]
    outputs, h_n, c_n = [], [], []
    for d in range(weight_hh.shape[0]):
        h = x.new_zeros(len(x), hidden) if h0 is None else h0[d]
        c = x.new_zeros(len(x), hidden) if c0 is None else c0[d]
        states = []
        for position in reversed(range(x.shape[1])) if d else range(x.shape[1]):
            gates_x = F.linear(x[:, position], weight_ih[d], None if bias_ih is None else bias_ih[d])
            gates_h = F.linear(h, weight_hh[d], None if bias_hh is None else bias_hh[d])
            h, c = oracle_cell(cell, gates_x, gates_h, h, c, relu)
            states.append(h)
        outputs.append(torch.stack(states[::-1] if d else states, 1))
        h_n.append(h)
        c_n.append(c)
    result = (torch.cat(outputs, 2), torch.stack(h_n))
    return (*result, torch.stack(c_n)) if cell == "lstm" else result


def flat(outputs: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([output.flatten() for output in outputs])


class Layer(nn.Module):
    """An operator as a layer, for scripting, export and compile."""

    def __init__(self, arguments: Arguments):
        super().__init__()
        for name in (*PARTS, "h0", "c0"):
            value = arguments.get(name)
            setattr(self, name, None if value is None else nn.Parameter(value.detach().clone()))


class RNNLayer(Layer):
    def __init__(self, arguments: Arguments):
        super().__init__(arguments)
        self.relu: bool = arguments["relu"]

    def forward(self, x: Tensor) -> Tensor:
        output, h_n = torch.ops.dnafast.rnn(
            x, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.h0, self.relu
        )
        return torch.cat([output.flatten(), h_n.flatten()])


class GRULayer(Layer):
    def forward(self, x: Tensor) -> Tensor:
        output, h_n = torch.ops.dnafast.gru(x, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.h0)
        return torch.cat([output.flatten(), h_n.flatten()])


class LSTMLayer(Layer):
    def forward(self, x: Tensor) -> Tensor:
        output, h_n, c_n = torch.ops.dnafast.lstm(
            x, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.h0, self.c0
        )
        return torch.cat([output.flatten(), h_n.flatten(), c_n.flatten()])


MODULES: dict[str, type[Layer]] = {"rnn": RNNLayer, "gru": GRULayer, "lstm": LSTMLayer}


class RecurrentOperatorContract(OperatorContract):
    """The operator of one layer: every way to run."""

    cases: ClassVar[list[dict[str, Any]]] = [
        {},
        {"hidden": 6, "bias": False, "state": True},
        {"hidden": 6, "features": 3, "directions": 2, "state": True},
    ]

    def arguments(
        self,
        dtype: torch.dtype,
        hidden: int = 5,
        features: int = 0,
        directions: int = 1,
        bias: bool = True,
        state: bool = False,
        relu: bool = False,
    ) -> Arguments:
        n, length = 3, 11
        rows = GATES[self.name if self.name != "rnn" else "rnn_tanh"] * hidden

        def leaf(*sizes: int) -> Tensor:
            return torch.randn(*sizes, dtype=dtype).mul(0.6).requires_grad_()

        arguments: Arguments = {
            "input": leaf(n, length, features) if features else random_codes(n, length),
            "weight_ih": leaf(directions, rows, features or 4),
            "weight_hh": leaf(directions, rows, hidden),
            "bias_ih": leaf(directions, rows) if bias else None,
            "bias_hh": leaf(directions, rows) if bias else None,
            "h0": leaf(directions, n, hidden) if state else None,
        }
        if self.name == "lstm":
            arguments["c0"] = leaf(directions, n, hidden) if state else None
        if self.name == "rnn":
            arguments["relu"] = relu
        return arguments

    def call(self, arguments: Arguments) -> Tensor:
        return flat(self.operator()(**arguments))

    def expected(self, arguments: Arguments) -> Tensor:
        return flat(oracle(self.name, **arguments))

    def module(self, arguments: Arguments) -> nn.Module:
        return MODULES[self.name](arguments)

    def test_bfloat16_of_an_odd_number_of_units_is_computed_in_float32(self) -> None:
        for arguments in (self.arguments(torch.float32, **{**case, "hidden": 5}) for case in self.cases):
            narrow = {
                name: value.detach().bfloat16().requires_grad_()
                if isinstance(value, Tensor) and value.dtype != torch.uint8
                else value
                for name, value in arguments.items()
            }
            wide = {
                name: value.detach().float().requires_grad_()
                if isinstance(value, Tensor) and value.dtype != torch.uint8
                else value
                for name, value in narrow.items()
            }
            actual, expected = self.call(narrow), self.call(wide)
            assert actual.dtype == torch.bfloat16
            assert torch.equal(actual, expected.bfloat16())
            with torch.no_grad():
                without = self.call(narrow)
            assert without.dtype == torch.bfloat16
            torch.testing.assert_close(without.float(), expected, rtol=0, atol=0.02)
            plain = {name: value.detach() if isinstance(value, Tensor) else value for name, value in narrow.items()}
            with torch.inference_mode():
                assert torch.equal(self.call(plain), without)
            for gradient, other in zip(
                torch.autograd.grad(actual.float().sum(), [narrow["weight_hh"]]),
                torch.autograd.grad(expected.sum(), [wide["weight_hh"]]),
                strict=True,
            ):
                assert torch.equal(gradient, other.bfloat16())

    @quiet_opcheck
    def test_backward_opcheck(self) -> None:
        for arguments in (list(self.each(dtype))[-1] for dtype in self.dtypes):
            cell = {"rnn": "rnn_relu" if arguments.get("relu") else "rnn_tanh"}.get(self.name, self.name)
            values = [arguments.get(name) for name in ("input", *PARTS, "h0", "c0")]
            plain = [value if value is None else value.detach() for value in values]
            output, _, c_n, kept = torch.ops.dnafast.recurrent_forward(*plain, cell, True)
            gradients = (torch.randn_like(output), None, torch.randn_like(c_n) if self.name == "lstm" else None)
            torch.library.opcheck(
                torch.ops.dnafast.recurrent_backward.default, (*gradients, *plain[:5], kept, cell, True)
            )
            torch.library.opcheck(torch.ops.dnafast.recurrent_forward.default, (*values, cell, True))

    def test_the_composition_is_the_same(self) -> None:
        for arguments in self.each():
            cell = {"rnn": "rnn_relu" if arguments.get("relu") else "rnn_tanh"}.get(self.name, self.name)
            outputs = reference(*(arguments.get(name) for name in ("input", *PARTS, "h0", "c0")), cell)
            self.assert_equal(flat(outputs), self.expected(arguments), torch.float32)
