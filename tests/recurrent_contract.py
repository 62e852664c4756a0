"""What the functions rnn, gru and lstm must do: equal the layers of torch.nn, on random and nasty input.

A subclass of the class below (named ``Test…``) says which cell it is.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from dnafast import ops
from dnafast.ops.recurrent import reference
from op_contract import REFUSAL, TOLERANCE, random_codes, strided
from recurrent_operator_contract import PARTS, one_hot

LAYERS: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

# Sizes about those of a tile (12, 24, 48 sequences by instruction set), a stretch (8) and a vector.
SHAPES = [
    # sequences, length, features (0: base codes), hidden, options
    (1, 1, 0, 1, {}),
    (1, 9, 0, 64, {}),
    (47, 8, 0, 7, {}),
    (48, 17, 0, 64, {}),
    (49, 16, 0, 65, {"bias": False}),
    (130, 33, 0, 64, {"bidirectional": True}),
    (5, 20, 0, 100, {"num_layers": 2, "bidirectional": True, "state": True}),
    (33, 7, 1, 3, {"state": True}),
    (20, 24, 37, 17, {"bidirectional": True, "state": True, "bias": False}),
    (70, 13, 64, 64, {"num_layers": 3}),
]


class RecurrentContract:
    """The public function against ``torch.nn``."""

    #: rnn, gru or lstm.
    cell: str

    def layer(self, features: int, hidden: int, dtype: torch.dtype = torch.float32, **options: Any) -> nn.RNNBase:
        layer = LAYERS[self.cell](features or 4, hidden, batch_first=True, **options).to(dtype)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.mul_(1.5)
        return layer

    def run(self, input: Tensor, layer: nn.RNNBase, *states: Tensor | None, **options: Any) -> tuple[Tensor, ...]:
        function = getattr(ops, self.cell)
        return function(
            input, layer._flat_weights, *states, layers=layer.num_layers, bidirectional=layer.bidirectional, **options
        )

    def expect(self, x: Tensor, layer: nn.RNNBase, *states: Tensor) -> tuple[Tensor, ...]:
        if input_is_codes := x.dtype == torch.uint8:
            x = one_hot(x, layer.weight_ih_l0.dtype)
        assert x.dim() == 3 or input_is_codes
        state = (states if self.cell == "lstm" else states[0]) if states else None
        output, state_n = layer(x, state)
        return (output, *state_n) if self.cell == "lstm" else (output, state_n)

    def states(self, layer: nn.RNNBase, sequences: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
        places = layer.num_layers * (1 + layer.bidirectional)
        return tuple(
            torch.randn(places, sequences, layer.hidden_size, dtype=dtype, requires_grad=True)
            for _ in range(1 + (self.cell == "lstm"))
        )

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_equals_torch(self, shape: tuple[Any, ...], dtype: torch.dtype) -> None:
        sequences, length, features, hidden, options = shape
        torch.manual_seed(3)
        options = dict(options)
        given = options.pop("state", False)
        layer = self.layer(features, hidden, dtype, **options)
        if features:
            x = torch.randn(sequences, length, features, dtype=dtype, requires_grad=True)
        else:
            x = random_codes(sequences, length)
        states = self.states(layer, sequences, dtype) if given else ()
        leaves = [*layer.parameters(), *states, *([x] if features else [])]
        actual, expected = self.run(x, layer, *states), self.expect(x, layer, *states)
        self.assert_alike(actual, expected, leaves, dtype)

    def assert_alike(
        self, actual: tuple[Tensor, ...], expected: tuple[Tensor, ...], leaves: list[Tensor], dtype: torch.dtype
    ) -> None:
        tolerance = TOLERANCE[dtype]
        for one, other in zip(actual, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
        gradients = [torch.randn_like(output) for output in expected]
        for one, other in zip(
            torch.autograd.grad(actual, leaves, gradients),
            torch.autograd.grad(expected, leaves, gradients),
            strict=True,
        ):
            # Sums of many terms: compare with the largest of them.
            torch.testing.assert_close(one, other, rtol=0, atol=tolerance * max(1.0, other.abs().max().item()))

    def test_a_gradient_of_each_output_alone(self) -> None:
        layer = self.layer(0, 6)
        x = random_codes(5, 19)
        for i in range(3 if self.cell == "lstm" else 2):
            actual, expected = self.run(x, layer)[i], self.expect(x, layer)[i]
            self.assert_alike((actual,), (expected,), list(layer.parameters()), torch.float32)

    def test_only_the_last_weight_wants_a_gradient(self) -> None:
        layer = self.layer(3, 6)
        x = torch.randn(5, 19, 3)
        for parameter in list(layer.parameters())[:-1]:
            parameter.requires_grad_(False)
        leaves = list(layer.parameters())[-1:]
        self.assert_alike(self.run(x, layer), self.expect(x, layer), leaves, torch.float32)

    def test_all_unknown_is_the_bias_alone(self) -> None:
        layer = self.layer(0, 9)
        x = torch.full((2, 30), 4, dtype=torch.uint8)
        with torch.no_grad():
            zeroed = self.layer(0, 9)
            zeroed.load_state_dict(layer.state_dict())
            zeroed.weight_ih_l0.zero_()
            for one, other in zip(self.run(x, layer), self.run(x, zeroed), strict=True):
                assert torch.equal(one, other)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_a_sequence_does_not_depend_on_its_mates(self, dtype: torch.dtype) -> None:
        layer = self.layer(0, 20, dtype, bidirectional=True)
        x = random_codes(101, 15)
        with torch.no_grad():
            whole, alone = self.run(x, layer)[0], self.run(x[77:78], layer)[0]
        assert torch.equal(whole[77:78], alone)

    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
    def test_threads_agree(self, dtype: torch.dtype, tolerance: float, two_threads: None) -> None:
        layer = self.layer(0, 24, dtype, bidirectional=True)
        x = random_codes(203, 50)
        outputs, gradients = [], []
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            outputs.append(self.run(x, layer)[0])
            gradients.append(torch.autograd.grad(outputs[-1].sum(), list(layer.parameters())))
        assert torch.equal(outputs[0], outputs[1])
        for first, second, third in zip(*gradients, strict=True):
            assert torch.equal(second, third)
            torch.testing.assert_close(first, second, rtol=1e-4, atol=tolerance * first.abs().max().item())

    def test_saturated_gates(self) -> None:
        layer = self.layer(0, 10)
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                if not name.startswith("weight_hh"):  # which would make the states chaotic
                    parameter.mul_(300)
        x = random_codes(20, 25)
        with torch.no_grad():
            for one, other in zip(self.run(x, layer), self.expect(x, layer), strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_what_is_no_number_stays_with_its_sequence(self, dtype: torch.dtype) -> None:
        layer = self.layer(3, 10, dtype)
        x = torch.randn(20, 12, 3, dtype=dtype)
        x[3, 5, 1] = float("nan")
        with torch.no_grad():
            output = self.run(x, layer)[0]
        assert output[3, 5:].isnan().all()
        assert not output[3, :5].isnan().any()
        assert not output[torch.arange(20) != 3].isnan().any()

    @pytest.mark.parametrize("hidden", [7, 14, 64, 100])
    @pytest.mark.parametrize("features", [0, 5])
    def test_bfloat16(self, features: int, hidden: int) -> None:
        torch.manual_seed(4)
        layer = self.layer(features, hidden, bidirectional=True, num_layers=2).bfloat16()
        x = torch.randn(70, 19, 5).bfloat16() if features else random_codes(70, 19)
        states = [state.detach().bfloat16() for state in self.states(layer, 70, torch.float32)]
        with torch.no_grad():
            actual = self.run(x, layer, *states)
            wide = [state.float() for state in states]
            expected = self.expect(x.float() if features else x, layer.float(), *wide)
        for one, other in zip(actual, expected, strict=True):
            assert one.dtype == torch.bfloat16
            torch.testing.assert_close(one.float(), other, rtol=0, atol=0.1)
            assert (one.float() - other).abs().mean() < 0.01

    @pytest.mark.parametrize("layers", [1, 2])
    @pytest.mark.parametrize("hidden", [7, 14, 64])
    @pytest.mark.parametrize("features", [0, 4, 5, 6, 70])
    def test_bfloat16_gradients(self, features: int, hidden: int, layers: int) -> None:
        torch.manual_seed(5)
        for sequences, length, bidirectional in ((1, 1, True), (17, 8, False), (48, 9, False), (97, 19, True)):
            layer = self.layer(features, hidden, bidirectional=bidirectional, num_layers=layers).bfloat16()
            x = torch.randn(sequences, length, features) if features else random_codes(sequences, length)
            leaves = [*self.states(layer, sequences, torch.bfloat16)]
            if features:
                x = x.bfloat16().requires_grad_()
                leaves.append(x)
            exact = copy.deepcopy(layer).double()
            wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
            outputs = self.run(x, layer, *leaves[: len(leaves) - bool(features)])
            expected = self.expect(wide[-1] if features else x, exact, *wide[: len(wide) - bool(features)])
            weights = [torch.randn_like(output) for output in outputs]
            found = torch.autograd.grad(outputs, [*leaves, *layer.parameters()], weights)
            gradients = torch.autograd.grad(expected, [*wide, *exact.parameters()], [w.double() for w in weights])
            for one, other in zip([*outputs, *found], [*expected, *gradients], strict=True):
                assert one.dtype == torch.bfloat16
                # Products are right to three digits; of a sum that took a wrong one, not even the first would be.
                assert (one.double() - other).norm() <= 0.02 * other.norm()

    @pytest.mark.parametrize("features", [0, 6])
    def test_bfloat16_gradients_of_each_output_alone(self, features: int) -> None:
        torch.manual_seed(6)
        layer = self.layer(features, 6, bidirectional=True).bfloat16()
        exact = copy.deepcopy(layer).double()
        # A view that begins between two pairs.
        x = torch.randn(5 * 19 * features + 1).bfloat16()[1:].view(5, 19, 6) if features else random_codes(5, 19)
        for i in range(3 if self.cell == "lstm" else 2):
            output, expected = self.run(x, layer)[i], self.expect(x.double() if features else x, exact)[i]
            weights = torch.randn(output.numel() + 1).bfloat16()[1:].view(output.shape)
            found = torch.autograd.grad(output, list(layer.parameters()), weights)
            gradients = torch.autograd.grad(expected, list(exact.parameters()), weights.double())
            for one, other in zip(found, gradients, strict=True):
                assert (one.double() - other).norm() <= 0.02 * other.norm()

    def test_strided_arguments(self) -> None:
        layer = self.layer(5, 12)
        x = torch.randn(7, 5, 18).transpose(1, 2)
        states = self.states(layer, 7, torch.float32)
        loose = [strided(state) for state in states]
        with torch.no_grad():
            for one, other in zip(self.run(x, layer, *loose), self.run(x.contiguous(), layer, *states), strict=True):
                assert torch.equal(one, other)

    @pytest.mark.parametrize("features", [0, 3])
    def test_empty_batch(self, features: int) -> None:
        layer = self.layer(features, 6, bidirectional=True)
        x = torch.zeros(0, 30, 3, requires_grad=True) if features else torch.zeros(0, 30, dtype=torch.uint8)
        output, h_n, *c_n = self.run(x, layer)
        assert output.shape == (0, 30, 12)
        assert all(state.shape == (2, 0, 6) for state in (h_n, *c_n))
        for gradient in torch.autograd.grad(output.sum(), list(layer.parameters())):
            assert not gradient.any()

    def test_the_function_compiles_whole(self) -> None:
        layer = self.layer(0, 6, bidirectional=True, num_layers=2)
        x = random_codes(3, 20)
        torch.compiler.reset()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            compiled = torch.compile(
                lambda x, weights: getattr(ops, self.cell)(x, weights, layers=2, bidirectional=True),
                fullgraph=True,
                backend="aot_eager",
            )
            for one, other in zip(compiled(x, list(layer.parameters())), self.run(x, layer), strict=True):
                assert torch.equal(one, other)

    def test_shapes_alone(self) -> None:
        layer = self.layer(0, 6, bidirectional=True)
        x = random_codes(3, 20)
        outputs = self.run(x, layer)
        for one, other in zip(self.run(x.to("meta"), layer.to("meta")), outputs, strict=True):
            assert one.shape == other.shape

    def test_second_derivatives_are_refused(self) -> None:
        layer = self.layer(0, 6)
        weights = list(layer.parameters())
        loss = self.run(random_codes(3, 20), layer)[0].square().sum()
        gradients = torch.autograd.grad(loss, weights, create_graph=True)
        with pytest.raises(RuntimeError, match=r"can be differentiated once, in reverse mode: leave out create_graph"):
            torch.autograd.grad(gradients[0].square().sum(), weights)

    def test_forward_mode_is_refused(self) -> None:
        layer = self.layer(3, 6)
        x = torch.randn(2, 9, 3)
        message = rf"^dnafast::{self.cell} can be differentiated once, in reverse mode, not in forward mode: take"
        with forward_ad.dual_level(), pytest.raises(RuntimeError, match=message):
            self.run(forward_ad.make_dual(x, torch.ones_like(x)), layer)

    def test_bad_arguments_are_told_in_one_sentence(self) -> None:
        gates = {"rnn": 1, "gru": 3, "lstm": 4}[self.cell]
        layer = self.layer(0, 6)
        w_ih, w_hh, b_ih, b_hh = (parameter.detach() for parameter in layer.parameters())
        codes, whole = random_codes(2, 9), [w_ih, w_hh, b_ih, b_hh]
        rows = f"expected (1, {gates * 6}, "
        bad: list[tuple[Tensor, list[Tensor], dict[str, Any], str]] = [
            (codes + 5, whole, {}, "input[0, 0] is "),
            (codes.int(), whole, {}, "input has dtype int32: expected uint8 base codes or that of weight_ih, float32"),
            (codes[0], whole, {}, "input has shape (9,): expected (sequences, length) of base codes uint8"),
            (codes[:, :0], whole, {}, "input has shape (2, 0): expected a length of at least 1"),
            (torch.randn(2, 9), whole, {}, "input has shape (2, 9): expected (sequences, length, features), at least"),
            (torch.randn(2, 9, 0), whole, {}, "input has shape (2, 9, 0): expected (sequences, length, features)"),
            (torch.randn(2, 9, 3), whole, {}, f"weight_ih has shape (1, {gates * 6}, 4): {rows}3), (directions, gates"),
            (
                codes,
                [w.half() for w in whole],
                {},
                "weight_ih has dtype float16: expected float32, float64 or bfloat16",
            ),
            (codes, [w_ih, w_hh.double(), b_ih, b_hh], {}, "weight_hh has dtype float64: expected that of weight_ih"),
            (codes, [w_ih, w_hh[:-1], b_ih, b_hh], {}, f"weight_hh has shape (1, {gates * 6 - 1}, 6): expected (dir"),
            (codes, [w_ih, w_hh[0], b_ih, b_hh], {}, "weight_hh has shape (1, 6): expected (directions, "),
            (codes, [w_ih[:-1], w_hh, b_ih, b_hh], {}, f"weight_ih has shape (1, {gates * 6 - 1}, 4): {rows}4)"),
            (codes, [w_ih, w_hh, b_ih[:-1], b_hh], {}, f"bias_ih has shape (1, {gates * 6 - 1}): expected (1, "),
            (codes, [w_ih, w_hh, b_ih, b_hh.double()], {}, "bias_hh has dtype float64: expected that of weight_ih"),
            (codes, whole[:3], {}, "weights has 3 tensors: expected 4, or 2 without biases, for layers=1 and bidir"),
            (codes, whole, {"layers": 0}, "layers=0: expected at least 1"),
            (codes, whole, {"bidirectional": True, "layers": 2}, "weights has 4 tensors: expected 16, or 8 without"),
            (
                codes,
                whole,
                {"h0": torch.zeros(2, 2, 6)},
                "h0 has shape (2, 2, 6): expected (1, sequences, hidden), for",
            ),
            (
                codes,
                whole,
                {"h0": torch.zeros(1, 3, 6)},
                "h0 has shape (1, 3, 6): expected (1, 2, 6), (directions, seq",
            ),
            (codes, whole, {"h0": torch.zeros(1, 2, 6).double()}, "h0 has dtype float64: expected that of weight_ih"),
            (
                codes,
                [*whole, w_ih[:1], *whole[1:]],
                {"bidirectional": True},
                f"weights of the two directions of a layer have shapes ({gates * 6}, 4) and (1, 4): expected the same",
            ),
        ]
        function = getattr(ops, self.cell)
        for input, weights, options, message in bad:
            with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
                function(input, weights, **options)

    def test_the_composition_tells_the_same(self) -> None:
        gates = {"rnn": 1, "gru": 3, "lstm": 4}[self.cell]
        layer = self.layer(0, 6)
        whole = [parameter.detach().unsqueeze(0) for parameter in layer.parameters()]
        codes, state = random_codes(2, 9), torch.zeros(1, 2, 6)
        cell = {"rnn": "rnn_tanh"}.get(self.cell, self.cell)
        meta = torch.device("meta")
        for input, weights, h0 in [
            (codes.int(), whole, None),
            (codes[0], whole, None),
            (codes[:, :0], whole, None),
            (torch.randn(2, 9), whole, None),
            (torch.randn(2, 9, 3), whole, None),
            (codes, [whole[0], whole[1].double(), *whole[2:]], None),
            (codes, [whole[0], whole[1][:, :-1], *whole[2:]], None),
            (codes, [whole[0], whole[1], None, whole[3]], None),
            (codes, [*whole[:2], whole[2][:, : gates * 6 - 1], whole[3]], None),
            (codes, whole, state[:, :1]),
            (codes, whole, state.double()),
        ]:
            with pytest.raises(REFUSAL) as native:
                torch.ops.dnafast.recurrent_forward(input, *weights, h0, None, cell, False)
            with pytest.raises(ValueError) as composed:
                reference(input, *weights, h0, None, cell)
            assert str(composed.value) == str(native.value)
        with pytest.raises(ValueError, match="input is on cpu: expected the device of weight_ih, meta"):
            getattr(ops, self.cell)(codes, [weight[0].to(meta) for weight in whole])

    def test_the_first_bad_code_is_named(self) -> None:
        layer = self.layer(0, 6)
        codes = torch.zeros(700, 40, dtype=torch.uint8)
        codes[650, 3] = codes[650, 4] = codes[690, 0] = 255
        with pytest.raises(ValueError, match=r"^input\[650, 3\] is 255: expected base codes 0 to 3"):
            self.run(codes, layer)

    def test_what_is_no_tensor_is_told(self) -> None:
        layer = self.layer(0, 6)
        function = getattr(ops, self.cell)
        codes, weights = random_codes(2, 9), layer._flat_weights
        for arguments, options, message in [
            ((codes.numpy(), weights), {}, "input must be a torch tensor, not ndarray"),
            ((codes, weights[0]), {}, "weights must be a list of torch tensors, not Parameter"),
            ((codes, [1, *weights[1:]]), {}, r"weights\[0\] must be a torch tensor, not int"),
            ((codes, weights, 3), {}, "h0 must be a torch tensor, not int"),
            ((codes, weights), {"layers": 1.5}, r"layers=1\.5 must be a whole number"),
        ]:
            with pytest.raises(TypeError, match=f"^{message}"):
                function(*arguments, **options)

    def test_a_tensor_without_memory_is_refused(self) -> None:
        layer = self.layer(0, 6)
        for i in range(4):
            weights = [weight.detach().unsqueeze(0).clone() for weight in layer._flat_weights]
            weights[i].untyped_storage().resize_(0)
            with pytest.raises(ValueError, match=rf"^{PARTS[i]} has shape \(.*\) but memory for 0 of \d+ elements"):
                getattr(torch.ops.dnafast, self.cell)(random_codes(2, 9), *weights)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
