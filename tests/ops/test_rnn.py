"""rnn over base codes or dense input equals torch.nn.RNN: every option, every way to run."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from op_contract import random_codes
from recurrent_contract import RecurrentContract, two_threads
from recurrent_operator_contract import RecurrentOperatorContract

__all__ = ["two_threads"]


class TestRNNOperator(RecurrentOperatorContract):
    name = "rnn"
    cases: ClassVar[list[dict[str, Any]]] = [*RecurrentOperatorContract.cases, {"relu": True, "directions": 2}]


class TestRNN(RecurrentContract):
    cell = "rnn"

    def test_relu(self) -> None:
        torch.manual_seed(8)
        layer = self.layer(0, 33, nonlinearity="relu", bidirectional=True, num_layers=2)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.mul_(0.5)  # a state that is not squashed must not grow
        x = random_codes(50, 29)
        self.assert_alike(self.run(x, layer, relu=True), self.expect(x, layer), list(layer.parameters()), torch.float32)
