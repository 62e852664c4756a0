"""Operators and layers on the CPU against every other way to run them, in one run: the model rows of the yardsticks.

    python bench/operators.py [--jobs LSTM GRU …] [--lengths 81 600 1000] [--threads 1 2] [--out FOLDER]

Convolution, recurrent layers over base codes and PromoterLSTM, to predict and to train (forward and backward), against
torch (eager in float32 and bfloat16, ``torch.compile``, TorchScript) and ONNX Runtime on one-hot that is ready-made.
Each gets its batch in pieces of 16, 64, 256 or 512, whichever is fastest for it (``torch.compile`` 256); medians, of
calls that take turns.
Differences are the largest to float64, those of gradients as a share of the largest one. torch's threads wait by the
policy that is set: ``OMP_WAIT_POLICY=ACTIVE`` may suit rivals better on quiet cores. Writes ``operators.csv`` and
``operators.md`` into the folder (``bench/results``).
"""

from __future__ import annotations

import argparse
import copy
import io
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dnafast import threads

threads.set_spin_policy()  # before torch is loaded

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from dnafast import models, ops  # noqa: E402
from dnafast.records import write_csv, write_text  # noqa: E402

RESULTS = Path(__file__).parent / "results"
BATCH = 512
PIECES = (16, 64, 256, 512)
COMPILED_PIECES = (256,)  # each size is compiled by itself
CHECKED = 16  # sequences whose answers are compared with float64
SECONDS = 0.6  # of measuring, for one entrant, at the least
TURNS = 5
MODES = ("predict", "train")
Row = dict[str, Any]
Forward = Callable[[Tensor], Tensor]


class ConvolutionInTorch(nn.Module):
    """128 filters of 24 bases, ReLU, maximum of all positions, on one-hot (N, L, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(4, 128, 24)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, 4) -> (N, 128)."""
        return torch.relu(self.layer(x.transpose(1, 2))).amax(-1)


class RecurrentInTorch(nn.Module):
    """One layer of 64 units on one-hot (N, L, 4)."""

    def __init__(self, kind: type[nn.RNNBase], bidirectional: bool) -> None:
        super().__init__()
        self.layer = kind(4, 64, batch_first=True, bidirectional=bidirectional)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, 4) -> (N, L, 64 or 128)."""
        output: Tensor = self.layer(x)[0]
        return output


class PromoterInTorch(nn.Module):
    """PromoterLSTM of the paper, dropout off, on one-hot (N, L, 4)."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.layer = models.build("promoter_lstm", length=length, dropout=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, 4) -> (N, 1)."""
        output: Tensor = self.layer(x.transpose(1, 2))
        return output


def convolve(module: ConvolutionInTorch, codes: Tensor) -> Tensor:
    """The same by the operator."""
    return ops.conv1d(codes, module.layer.weight, module.layer.bias, relu=True, pool=-1)


def recur(operator: Any, module: RecurrentInTorch, codes: Tensor) -> Tensor:
    """The same by an operator."""
    output: Tensor = operator(codes, module.layer._flat_weights, bidirectional=module.layer.bidirectional)[0]
    return output


def promote(natives: dict[nn.Module, nn.Module], module: PromoterInTorch, codes: Tensor) -> Tensor:
    """The same by the native implementation, on the same parameters."""
    if module not in natives:
        config = module.layer.config
        native = models.build("promoter_lstm", length=config.length, dropout=0.0, implementation="native")
        for name, parameter in module.layer.named_parameters():
            owner, _, last = name.rpartition(".")
            setattr(native.get_submodule(owner), last, parameter)
        natives[module] = native
    output: Tensor = natives[module](codes)
    return output


@dataclass(frozen=True)
class Job:
    """What is to be done, by torch and by us, and the only length, if any."""

    build: Callable[[int], nn.Module]
    native: Callable[[Any, Tensor], Tensor]
    length: int | None = None


JOBS = {
    "conv 128 x 24, ReLU, global max": Job(lambda _: ConvolutionInTorch(), convolve),
    "RNN 64": Job(lambda _: RecurrentInTorch(nn.RNN, False), partial(recur, ops.rnn)),
    "GRU 64": Job(lambda _: RecurrentInTorch(nn.GRU, False), partial(recur, ops.gru)),
    "LSTM 64": Job(lambda _: RecurrentInTorch(nn.LSTM, False), partial(recur, ops.lstm)),
    "BiLSTM 64": Job(lambda _: RecurrentInTorch(nn.LSTM, True), partial(recur, ops.lstm)),
    "PromoterLSTM": Job(PromoterInTorch, partial(promote, {}), length=81),
}


def entrants(job: Job, module: nn.Module, codes: Tensor, x: Tensor, mode: str) -> Iterator[tuple[str, nn.Module, Any]]:
    """Name, the module whose gradients count, and a function that makes what is timed and its input."""
    yield "dnafast", module, lambda: (partial(job.native, module), codes)
    in_bfloat16 = copy.deepcopy(module).bfloat16()
    yield "dnafast, bfloat16", in_bfloat16, lambda: (partial(job.native, in_bfloat16), codes)
    yield "torch", module, lambda: (module, x)
    yield "torch, bfloat16", in_bfloat16, lambda: (in_bfloat16, x.bfloat16())
    yield "torch.compile", module, lambda: (torch.compile(module), x)
    yield "TorchScript", module, lambda: (torch.jit.script(module), x)
    if mode == "predict":
        yield "ONNX Runtime", module, lambda: (onnxruntime(module, x), x)


def onnxruntime(module: nn.Module, x: Tensor) -> Forward:
    """The module as ONNX Runtime runs it, with torch's number of threads."""
    import onnxruntime as runtime

    file = io.BytesIO()
    torch.onnx.export(module, (x[:2],), file, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "sequences"}})
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = runtime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda values: torch.from_numpy(session.run(None, {"x": values.numpy()})[0])


def run(forward: Forward, module: nn.Module, x: Tensor, gradient: Tensor | None, piece: int) -> Tensor:
    """A batch in pieces; with a gradient, forward and backward. The output of the last piece."""
    if gradient is None:
        with torch.no_grad():
            for values in x.split(piece):
                output = forward(values)
        return output
    module.zero_grad(set_to_none=True)
    for values, of_output in zip(x.split(piece), gradient.split(piece), strict=True):
        output = forward(values)
        output.backward(of_output.to(output.dtype))
    return output.detach()


def by_turns(calls: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Seconds of each call, sorted; all take turns, so that a change of the machine's speed meets them alike.

    The first call of a turn does not count: threads of the one before may still spin, and its memory may be in the way.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    begin = time.perf_counter()
    turns = 0
    while turns < TURNS or time.perf_counter() - begin < SECONDS * len(calls):
        turns += 1
        for name, call in calls.items():
            call()
            until = time.perf_counter() + SECONDS / TURNS
            start = 0.0
            while start < until:
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)
    return {name: sorted(found) for name, found in times.items()}


def fastest_piece(call: Callable[[int], Any], pieces: Sequence[int]) -> int:
    """The size of pieces that a batch takes least time in: the slowest of three calls, after one that does not count.

    The slowest, for memory of large pieces comes fresh from the system, at times in several times the time.
    """
    found: dict[int, float] = {}
    for piece in pieces:
        call(piece)
        found[piece] = 0.0
        for _ in range(3):
            start = time.perf_counter()
            call(piece)
            found[piece] = max(found[piece], time.perf_counter() - start)
            if found[piece] > 1.5 * min(found.values()):
                break
    return min(found, key=lambda piece: found[piece])


def measure(name: str, mode: str, length: int, n_threads: int) -> Iterator[Row]:
    """All entrants of one job, checked and timed."""
    torch.set_num_threads(n_threads)
    torch.manual_seed(0)
    job = JOBS[name]
    module = job.build(length)
    codes = torch.randint(0, 4, (BATCH, length), dtype=torch.uint8)
    x = nn.functional.one_hot(codes.long(), 4).float()
    wide = copy.deepcopy(module).double()
    answer = wide(x[:CHECKED].double())
    of_answer = torch.randn_like(answer)
    answer.backward(of_answer)
    exact = [parameter.grad for parameter in wide.parameters()]
    gradient = torch.randn(BATCH, *answer.shape[1:]) if mode == "train" else None
    rows: dict[str, Row] = {}
    calls: dict[str, Callable[[], Any]] = {}
    for who, counted, make in entrants(job, module, codes, x, mode):
        try:
            forward, values = make()
            few = None if gradient is None else of_answer.float()
            output = run(forward, counted, values[:CHECKED], few, CHECKED).double()
            if gradient is None:
                difference = float((output - answer).abs().max())
            else:
                found = [parameter.grad for parameter in counted.parameters()]
                largest = max(float(one.abs().max()) for one in exact)
                difference = max(float((a - b).abs().max()) for a, b in zip(found, exact, strict=True)) / largest
            call = partial(run, forward, counted, values, gradient)
            piece = fastest_piece(call, PIECES if who != "torch.compile" else COMPILED_PIECES)
        except Exception as error:
            print(f"{name}, L {length}, {mode}, {n_threads} threads: {who}: {str(error).splitlines()[0][:150]}")
            continue
        calls[who] = partial(call, piece)
        rows[who] = {
            "job": name,
            "length": length,
            "mode": mode,
            "threads": n_threads,
            "implementation": who,
            "piece": piece,
            "largest_difference": difference,
        }
    for who, times in by_turns(calls).items():
        median, quarter = times[len(times) // 2], len(times) // 4
        rows[who]["sequences_per_second"] = round(BATCH / median)
        rows[who]["spread_percent"] = round(50 * (times[-1 - quarter] - times[quarter]) / median, 1)
        rows[who]["calls"] = len(times)
        yield rows[who]


def table(rows: list[Row], load: tuple[float, float]) -> str:
    """The page: a row for each job, a column for each entrant."""
    names = list(dict.fromkeys(row["implementation"] for row in rows))
    policy = {name: value for name, value in os.environ.items() if name.startswith(("GOMP_", "OMP_"))}
    lines = [
        "# Operators on the CPU",
        "",
        f"Sequences a second, medians of calls that take turns; batches of {BATCH} in pieces of {PIECES}, as suits "
        "each best; in brackets the largest difference to float64 (of gradients: as a share of the largest). "
        f"{threads.usable_cpus()} processors, "
        f"{ops.instruction_set()}, torch {torch.__version__}, {policy}; load average {load[0]:.1f}, "
        f"{load[1]:.1f} at the end. "
        "The last column is ours in float32 against the best of the others, on as many threads or fewer, bfloat16 left "
        "out and with it. Made by "
        "`python bench/operators.py`; spreads and pieces are in [operators.csv](operators.csv).",
        "",
        f"| job | L | mode | threads | {' | '.join(names)} | ratio |",
        "|:--|--:|:--|--:|" + "--:|" * (len(names) + 1),
    ]
    cases = dict.fromkeys((row["job"], row["length"], row["mode"], row["threads"]) for row in rows)
    for case in cases:
        found = {
            row["implementation"]: row
            for row in rows
            if (row["job"], row["length"], row["mode"], row["threads"]) == case
        }
        cells = [
            f"{found[name]['sequences_per_second']:,} ({found[name]['largest_difference']:.0e})"
            if name in found
            else "–"
            for name in names
        ]
        rivals = [
            (row["implementation"], row["sequences_per_second"])
            for row in rows
            if (row["job"], row["length"], row["mode"]) == case[:3]
            and row["threads"] <= case[3]
            and not row["implementation"].startswith("dnafast")
        ]
        whole = max(speed for name, speed in rivals if "bfloat16" not in name)
        ours = found["dnafast"]["sequences_per_second"]
        ratio = f"{ours / whole:.1f} / {ours / max(speed for _, speed in rivals):.1f}"
        lines.append(f"| {' | '.join(map(str, case))} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run it all, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--lengths", nargs="+", type=int, default=[81, 600, 1000])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    before = os.getloadavg()[0]
    rows: list[Row] = []
    for name in options.jobs:
        lengths = options.lengths if JOBS[name].length is None else [JOBS[name].length]
        for length in lengths:
            for mode in MODES:
                for n_threads in options.threads:
                    for row in measure(name, mode, length, n_threads):
                        rows.append(row)
                        print(*row.values(), sep=", ", flush=True)
                        write_csv(options.out / "operators.csv", rows)
                torch.compiler.reset()
    write_text(options.out / "operators.md", table(rows, (before, os.getloadavg()[0])))


if __name__ == "__main__":
    sys.exit(main())
