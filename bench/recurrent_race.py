"""Recurrent layers over base codes against torch.nn on one-hot, in bfloat16 too, and ONNX Runtime.

torch's threads wait by spinning, more or less by policy, and rivals run under the one that is set: repeat the benchmark
with ``OMP_WAIT_POLICY=ACTIVE`` and ``PASSIVE`` and with another ``GOMP_SPINCOUNT`` for their best. Each gets the batch
in pieces of the size that suits it best, its input ready-made; ours starts from the codes.
"""

from __future__ import annotations

import copy
import io
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dnafast import ops

BATCH = 512
PIECES = (64, 256, 512)
HIDDEN = 64

LAYERS: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

Forward = Callable[[Tensor], Tensor]


class Contest:
    """Random sequences of one length as codes and one-hot, and one layer."""

    def __init__(self, cell: str, batch: int, length: int, bidirectional: bool, train: bool):
        torch.manual_seed(0)
        self.cell = cell
        self.codes = torch.randint(0, 4, (batch, length), dtype=torch.uint8)
        self.one_hot = nn.functional.one_hot(self.codes.long(), 4).float()
        self.layer = LAYERS[cell](4, HIDDEN, batch_first=True, bidirectional=bidirectional)
        self.layer.requires_grad_(train)
        self.gradient = torch.randn(batch, length, HIDDEN * (1 + bidirectional))
        self.train = train

    def native(self, codes: Tensor) -> Tensor:
        weights = self.layer._flat_weights
        output: Tensor = getattr(ops, self.cell)(codes, weights, bidirectional=self.layer.bidirectional)[0]
        return output

    def in_torch(self, one_hot: Tensor) -> Tensor:
        output: Tensor = self.layer(one_hot)[0]
        return output

    def onnxruntime(self, threads: int) -> Forward:
        runtime = pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx")
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                self.layer,
                (self.one_hot[:2],),
                file,
                dynamo=False,
                input_names=["x"],
                dynamic_axes={"x": {0: "sequences"}},
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        session = runtime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
        return lambda one_hot: torch.from_numpy(session.run(None, {"x": one_hot.numpy()})[0])

    def entrant(self, implementation: str, threads: int) -> tuple[Forward, Tensor]:
        """What is timed, and its input."""
        if implementation == "native":
            return self.native, self.codes
        if implementation == "onnxruntime":
            return self.onnxruntime(threads), self.one_hot
        if implementation.endswith("bfloat16"):
            self.layer = copy.deepcopy(self.layer).to(torch.bfloat16)
            if implementation == "native bfloat16":
                return self.native, self.codes
            return self.in_torch, self.one_hot.bfloat16()
        return self.in_torch, self.one_hot

    def run(self, forward: Forward, x: Tensor, piece: int) -> tuple[Tensor, ...]:
        """The outputs; in training the gradients of the weights with them."""
        self.layer.zero_grad()
        outputs = []
        for values, gradient in zip(x.split(piece), self.gradient.split(piece), strict=True):
            output = forward(values)
            if self.train:
                output.backward(gradient.to(output.dtype))
            outputs.append(output.detach())
        gradients = [parameter.grad for parameter in self.layer.parameters() if parameter.grad is not None]
        return torch.cat(outputs), *gradients


def race(
    benchmark: Any, cell: str, mode: str, threads: int, length: int, implementation: str, bidirectional: bool = False
) -> None:
    """Compare the answers, then time one entrant; of a few sequences where nothing is timed."""
    batch = 32 if benchmark.disabled else BATCH
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        contest = Contest(cell, batch, length, bidirectional, train=mode == "train")
        with torch.set_grad_enabled(contest.train):
            expected = contest.run(contest.in_torch, contest.one_hot, 256)
            forward, x = contest.entrant(implementation, threads)
            # Gradients in bfloat16 are sums of thousands of terms of two digits.
            tolerance = 0.2 if implementation.endswith("bfloat16") else 1e-4
            for part, answer in zip(contest.run(forward, x, batch), expected, strict=True):
                scale = max(1.0, answer.abs().max().item())
                torch.testing.assert_close(part.float(), answer, rtol=0, atol=tolerance * scale)
            piece = batch if benchmark.disabled else best_piece(lambda size: contest.run(forward, x, size))
            benchmark.group = f"{mode}, L {length}, {threads} threads"
            benchmark.pedantic(lambda: contest.run(forward, x, piece), rounds=5, warmup_rounds=1)
    finally:
        torch.set_num_threads(before)
    if benchmark.stats is not None:
        benchmark.extra_info.update(
            batch=batch,
            piece=piece,
            threads=threads,
            torch=torch.__version__,
            instruction_set=ops.instruction_set(),
            sequences_per_second=round(batch / benchmark.stats.stats.median),
        )


def best_piece(run: Callable[[int], Any]) -> int:
    def seconds(piece: int) -> float:
        start = time.perf_counter()
        run(piece)
        return time.perf_counter() - start

    return min(PIECES, key=seconds)


def skip_unless_it_can(implementation: str, mode: str) -> None:
    if implementation == "onnxruntime" and mode == "train":
        pytest.skip("ONNX Runtime is not for training")
