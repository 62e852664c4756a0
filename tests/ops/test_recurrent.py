"""What rnn, gru and lstm share: every instruction set gives torch's answer."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dnafast import ops

SCRIPT = """
import torch
from dnafast import ops
print(ops.instruction_set())
torch.manual_seed(5)
for cell in ("RNN", "GRU", "LSTM"):
    for sequences, hidden, features in ((1, 7, 0), (53, 64, 0), (100, 33, 5)):
        layer = getattr(torch.nn, cell)(features or 4, hidden, batch_first=True, bidirectional=True)
        codes = torch.randint(0, 5, (sequences, 21), dtype=torch.uint8)
        one_hot = torch.nn.functional.one_hot(codes.long(), 5)[..., :4].float()
        x = torch.randn(sequences, 21, features) if features else codes
        actual = getattr(ops, cell.lower())(x, layer._flat_weights, bidirectional=True)[0]
        expected = layer(x if features else one_hot)[0]
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
        gradient = torch.randn_like(actual)
        ours, theirs = (torch.autograd.grad(output, layer._flat_weights, gradient) for output in (actual, expected))
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * max(1, other.abs().max().item()))
"""


@pytest.mark.parametrize("instruction_set", ["baseline", "avx2", "avx512"])
def test_every_instruction_set_gives_the_answer(instruction_set: str) -> None:
    order = ["baseline", "avx2", "avx512"]
    environment = {**os.environ, "DNAFAST_ISA": instruction_set}
    result = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    if result.returncode and "this processor offers at most" in result.stderr:
        assert order.index(instruction_set) > order.index(ops.instruction_set()) or "DNAFAST_ISA" in os.environ
        pytest.skip(f"this processor has no {instruction_set}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == instruction_set
