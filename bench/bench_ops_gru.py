"""gru of 64 units over base codes against torch.nn.GRU on one-hot, in float32 and bfloat16, and ONNX Runtime.

Run: ``python -m pytest bench/bench_ops_gru.py --benchmark-only --benchmark-group-by=group``.
Answers are compared before anything is timed; recurrent_race.py says how rivals are run.
"""

from __future__ import annotations

from typing import Any

import pytest

from recurrent_race import race, skip_unless_it_can


@pytest.mark.parametrize("implementation", ["native", "native bfloat16", "torch", "torch bfloat16", "onnxruntime"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("length", [81, 600])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", ["predict", "train"])
def test_gru(benchmark: Any, mode: str, threads: int, length: int, bidirectional: bool, implementation: str) -> None:
    skip_unless_it_can(implementation, mode)
    race(benchmark, "gru", mode, threads, length, implementation, bidirectional)
