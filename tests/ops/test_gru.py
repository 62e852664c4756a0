"""gru over base codes or dense input equals torch.nn.GRU: every option, every way to run."""

from __future__ import annotations

from recurrent_contract import RecurrentContract, two_threads
from recurrent_operator_contract import RecurrentOperatorContract

__all__ = ["two_threads"]


class TestGRUOperator(RecurrentOperatorContract):
    name = "gru"


class TestGRU(RecurrentContract):
    cell = "gru"
