"""lstm over base codes or dense input equals torch.nn.LSTM: every option, every way to run."""

from __future__ import annotations

from recurrent_contract import RecurrentContract, RecurrentOperatorContract, two_threads

__all__ = ["two_threads"]


class TestLSTMOperator(RecurrentOperatorContract):
    name = "lstm"


class TestLSTM(RecurrentContract):
    cell = "lstm"
