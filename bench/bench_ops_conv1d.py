"""conv1d over base codes against torch on one-hot: 128 kernels of width 24, ReLU, global maximum.

Run: ``python -m pytest bench/bench_ops_conv1d.py --benchmark-only --benchmark-group-by=group``.
Each rival gets the batch in pieces of the size that suits it best (tried before the clock starts), its input ready-made
in float32; ours starts from the codes. Answers are compared before anything is timed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dnafast.threads import set_spin_policy

set_spin_policy()

import torch  # noqa: E402  (the policy must be set before torch is loaded)
from torch import Tensor  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from dnafast import ops  # noqa: E402

CHANNELS, WIDTH = 128, 24
BATCH = 256
PIECES = (16, 64, 256)

Forward = Callable[[Tensor, Tensor, Tensor], Tensor]


def native(codes: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return ops.conv1d(codes, weight, bias, relu=True, pool=-1)


def in_torch(one_hot: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv1d(one_hot, weight, bias).relu().amax(2)


class Problem:
    """Random sequences of one length, as codes and as one-hot, and random kernels."""

    def __init__(self, length: int, train: bool):
        torch.manual_seed(0)
        self.codes = torch.randint(0, 4, (BATCH, length), dtype=torch.uint8)
        self.one_hot = F.one_hot(self.codes.long(), 4).transpose(1, 2).float().contiguous()
        self.weight = torch.randn(CHANNELS, 4, WIDTH, requires_grad=train)
        self.bias = torch.randn(CHANNELS, requires_grad=train)
        self.gradient = torch.randn(BATCH, CHANNELS)
        self.train = train

    def run(self, forward: Forward, x: Tensor, piece: int) -> tuple[Tensor, ...]:
        """The output; in training the gradients of weight and bias with it."""
        self.weight.grad = self.bias.grad = None
        outputs = []
        for values, gradient in zip(x.split(piece), self.gradient.split(piece), strict=True):
            output = forward(values, self.weight, self.bias)
            if self.train:
                output.backward(gradient)
            outputs.append(output.detach())
        whole = torch.cat(outputs)
        if self.weight.grad is None or self.bias.grad is None:
            return (whole,)
        return whole, self.weight.grad, self.bias.grad


def forward_of(implementation: str) -> Forward:
    if implementation == "native":
        return native
    if implementation == "torch":
        return in_torch
    if shutil.which("c++") is None:
        pytest.skip("torch.compile needs a C++ compiler on this machine")
    torch.compiler.reset()
    return torch.compile(in_torch, dynamic=False)


def best_piece(run: Callable[[int], Any]) -> int:
    def seconds(piece: int) -> float:
        run(piece)
        start = time.perf_counter()
        run(piece)
        return time.perf_counter() - start

    return min(PIECES, key=seconds)


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("implementation", ["native", "torch", "compile"])
@pytest.mark.parametrize("length", [81, 200, 1000])
@pytest.mark.parametrize("threads", [1, 2], indirect=True)
@pytest.mark.parametrize("mode", ["predict", "train"])
def test_conv1d(benchmark: Any, mode: str, threads: int, length: int, implementation: str) -> None:
    problem = Problem(length, train=mode == "train")
    forward = forward_of(implementation)
    x = problem.codes if implementation == "native" else problem.one_hot

    with torch.set_grad_enabled(problem.train):
        expected = problem.run(in_torch, problem.one_hot, 16)
        for part, answer in zip(problem.run(forward, x, BATCH), expected, strict=True):
            torch.testing.assert_close(part, answer, rtol=1e-4, atol=1e-4)
        piece = best_piece(lambda size: problem.run(forward, x, size))

        benchmark.group = f"{mode}, L {length}, {threads} threads"
        benchmark.pedantic(lambda: problem.run(forward, x, piece), rounds=7, warmup_rounds=1)
    if benchmark.stats is not None:
        benchmark.extra_info.update(
            batch=BATCH,
            piece=piece,
            threads=threads,
            torch=torch.__version__,
            instruction_set=ops.instruction_set(),
            sequences_per_second=round(BATCH / benchmark.stats.stats.median),
        )
