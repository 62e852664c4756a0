"""What a GPU makes of it: decoding, convolution, recurrent layers, training steps and the loader, checked, then timed.

    python bench/gpu.py [FOLDER]

Rivals are torch's own: cuDNN through torch.nn on one-hot that is ready-made, in float32 (with TF32, as torch has it by
default for convolutions and recurrent layers, and without) and in bfloat16. Each row is the median of device times
between two events after a warm-up, with half the interquartile range; differences are the largest to float64. Writes
``gpu.csv`` and ``gpu.md`` into the folder, ``bench/results`` by default.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dnafast import threads

threads.set_spin_policy()  # before torch is loaded

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import dnafast  # noqa: E402
import simulated  # noqa: E402
from dnafast import models, ops  # noqa: E402
from dnafast.device import DeviceGenome, encode_codes  # noqa: E402
from dnafast.ops.conv1d import reference_backward, reference_forward  # noqa: E402
from dnafast.records import write_csv, write_text  # noqa: E402
from dnafast.train import masked_loss  # noqa: E402

RESULTS = Path(__file__).parent / "results"
BATCH = 512
HIDDEN = 64
CHECKED = 16  # sequences whose answers are compared with float64
RECURRENT: dict[str, tuple[type[nn.RNNBase], Any]] = {
    "RNN": (nn.RNN, ops.rnn),
    "GRU": (nn.GRU, ops.gru),
    "LSTM": (nn.LSTM, ops.lstm),
}
CONVOLUTIONS = (
    # channels, width, length, options: DeepBind's, DeepSEA's, DanQ's, and one without pooling.
    (128, 24, 1000, {"relu": True, "pool": -1}),
    (320, 8, 1000, {"relu": True, "pool": 4}),
    (320, 26, 1000, {"relu": True, "pool": 13}),
    (128, 24, 1000, {"relu": True, "pool": 0}),
)
ENCODINGS = {
    "bfloat16 one-hot": dnafast.OneHot("NCL", "bfloat16"),
    "float32 one-hot": dnafast.OneHot("NCL", "float32"),
    "base codes": dnafast.BaseCodes(),
}
Row = dict[str, Any]


def milliseconds(run: Callable[[], Any], budget: float = 0.3) -> tuple[float, float]:
    """Median and half the interquartile range of the device's time for one call."""
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    repeats = int(min(200, max(7, budget / (time.perf_counter() - start))))
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    for begin, end in events:
        begin.record()
        run()
        end.record()
    torch.cuda.synchronize()
    low, middle, high = np.percentile([begin.elapsed_time(end) for begin, end in events], [25, 50, 75])
    return float(middle), float(high - low) / 2


def row(job: str, mode: str, who: str, run: Callable[[], Any], sequences: int, difference: float | None = None) -> Row:
    """Times one entrant, and tells it."""
    torch.cuda.reset_peak_memory_stats()
    median, spread = milliseconds(run)
    print(f"{job:44} {mode:8} {who:36} {median:9.3f} ms  ±{spread:.3f}  {difference or 0:.1e}", flush=True)
    return {
        "job": job,
        "mode": mode,
        "implementation": who,
        "milliseconds": round(median, 4),
        "spread": round(spread, 4),
        "sequences_per_second": round(sequences / median * 1e3),
        "largest_difference": difference,
        "peak_mib": round(torch.cuda.max_memory_allocated() / 2**20, 1),
    }


@contextlib.contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let cuDNN round float32 factors to ten bits, or not."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def one_hot(codes: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, L) -> (N, 4, L)."""
    return encode_codes(codes, dnafast.OneHot("NCL", "float32")).to(dtype)


def decoding(genome: dnafast.Genome) -> Iterator[Row]:
    """Windows of a packed genome in the device's memory, to one-hot and codes there."""
    held = DeviceGenome(genome, "cuda")
    for count in (BATCH, 20_000):
        windows = random_windows(count)
        places = [torch.as_tensor(column, device="cuda") for column in genome._columns(windows)]
        for name, encoding in ENCODINGS.items():
            job = f"decode {count:,} windows of 1000 to {name}"
            expected = torch.as_tensor(genome.encode(windows, encoding, out=encoding.allocate(count, 1000)))
            entrants: dict[str, Callable[[], Tensor]] = {
                "dnafast": partial(held.decode, *places, 1000, encoding),
                "torch operations": partial(in_torch, held, places, encoding),
                "encoder on the CPU, pinned, copied": copying(genome, windows, encoding, count),
            }
            for who, run in entrants.items():
                if not torch.equal(run().cpu(), expected):
                    raise AssertionError(f"{job}: {who} gives other bytes")
                yield row(job, "", who, run, count)
            yield row(job, "", "memset", entrants["dnafast"]().zero_, count)


def random_windows(count: int) -> dnafast.Windows:
    """1000 bases each, on both strands."""
    table = simulated.random_windows(count, 1000)
    strand = np.where(np.arange(count) % 2, 1, -1).astype(np.int8)
    return dnafast.Windows.from_arrays(table.contigs, table.contig, table.start, 1000, strand=strand)


def in_torch(held: DeviceGenome, places: list[Tensor], encoding: Any) -> Tensor:
    """What is done on a GPU without Triton."""
    return encode_codes(held._codes_by_torch(*places, 1000), encoding)


def copying(genome: dnafast.Genome, windows: dnafast.Windows, encoding: Any, count: int) -> Callable[[], Tensor]:
    """The way of a loader without a genome on the device: a batch is encoded while the one before is copied."""
    pinned = torch.empty((count, *encoding.shape(1000)), dtype=getattr(torch, encoding.dtype), pin_memory=True)

    def run() -> Tensor:
        genome.encode(windows, encoding, out=pinned)
        return pinned.to("cuda", non_blocking=True)

    return run


def convolution() -> Iterator[Row]:
    """conv1d over codes against cuDNN on one-hot, forward, and forward and backward."""
    for channels, width, length, options in CONVOLUTIONS:
        torch.manual_seed(0)
        job = f"conv {channels} x {width}, ReLU, pool {options['pool']}, L {length}"
        codes = torch.randint(0, 4, (BATCH, length), dtype=torch.uint8)
        layer = nn.Conv1d(4, channels, width)
        weight, bias = layer.weight.detach(), layer.bias.detach()
        expected = ops.conv1d(codes[:CHECKED], weight.double(), bias.double(), **options)
        codes, weight, bias = codes.cuda(), weight.cuda(), bias.cuda()
        x, narrow = one_hot(codes, torch.float32), one_hot(codes, torch.bfloat16)
        gradient = torch.randn(BATCH, *expected.shape[1:], device="cuda")
        fused, cudnn = partial(ops.conv1d, **options), partial(by_cudnn, pool=options["pool"])
        for who, forward, values, coarse in (
            ("dnafast, from codes", fused, codes, False),
            ("torch operations, from codes", partial(composed, pool=options["pool"]), codes, True),
            ("cuDNN, TF32", cudnn, x, True),
            ("cuDNN, float32", cudnn, x, False),
            ("cuDNN, bfloat16", cudnn, narrow, False),
        ):
            dtype = values.dtype if values.is_floating_point() else torch.float32
            factors = weight.to(dtype), bias.to(dtype)
            with tf32(coarse), torch.no_grad():
                answer = forward(values[:CHECKED], *factors).double().cpu()
                difference = float((answer - expected).abs().max())
                yield row(job, "predict", who, partial(forward, values, *factors), BATCH, difference)
            if forward.func is composed:
                continue
            with tf32(coarse):
                trained = [factor.detach().clone().requires_grad_() for factor in factors]
                step = partial(gradients, forward, values, trained, trained, gradient)
                difference = gradient_difference(step(), codes, weight, bias, gradient, options)
                yield row(job, "train", who, step, BATCH, difference)


def by_cudnn(x: Tensor, weight: Tensor, bias: Tensor, pool: int) -> Tensor:
    """What people write today."""
    output = F.relu(F.conv1d(x, weight, bias))
    return output.amax(-1) if pool == -1 else F.max_pool1d(output, pool) if pool else output


def composed(codes: Tensor, weight: Tensor, bias: Tensor, pool: int) -> Tensor:
    """What is done on a GPU without Triton."""
    return reference_forward(codes, weight, bias, 1, 0, 1, True, pool, False)[0]


def gradients(
    forward: Callable[..., Tensor], x: Tensor, arguments: list[Tensor], weights: list[Tensor], gradient: Tensor
) -> tuple[Tensor, ...]:
    """Forward and backward."""
    output = forward(x, *arguments)
    return torch.autograd.grad(output, weights, gradient.to(output.dtype))


def gradient_difference(
    found: tuple[Tensor, ...], codes: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor, options: dict[str, Any]
) -> float:
    """Largest difference to float64, as a share of the largest gradient."""
    wide = weight.double(), bias.double()
    kept = reference_forward(codes, *wide, 1, 0, 1, options["relu"], options["pool"], True)
    exact = reference_backward(gradient.double(), codes, wide[0], *kept, 1, 0, 1, options["relu"], options["pool"])
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in zip(found, exact, strict=True))


def recurrent() -> Iterator[Row]:
    """rnn, gru and lstm of 64 units over codes against cuDNN on one-hot."""
    cases = [(cell, 600, False) for cell in RECURRENT] + [("LSTM", 600, True), ("LSTM", 81, False)]
    for cell, length, bidirectional in cases:
        torch.manual_seed(0)
        job = f"{'Bi' if bidirectional else ''}{cell} {HIDDEN}, L {length}"
        kind, operator = RECURRENT[cell]
        layer = kind(4, HIDDEN, batch_first=True, bidirectional=bidirectional)
        codes = torch.randint(0, 4, (BATCH, length), dtype=torch.uint8)
        expected = layer.double()(one_hot(codes[:CHECKED], torch.float64).transpose(1, 2))[0].detach()
        layer, codes = layer.float().cuda(), codes.cuda()
        x = one_hot(codes, torch.float32).transpose(1, 2).contiguous()
        gradient = torch.randn(BATCH, length, HIDDEN * (1 + bidirectional), device="cuda")
        weights = layer._flat_weights

        ours, cudnn = partial(by_operator, operator, weights, bidirectional), partial(by_layer, layer)
        for who, forward, values, coarse, autocast in (
            ("dnafast, from codes, TF32", ours, codes, True, False),
            ("dnafast, from codes, float32", ours, codes, False, False),
            ("cuDNN, TF32", cudnn, x, True, False),
            ("cuDNN, float32", cudnn, x, False, False),
            ("cuDNN, bfloat16", cudnn, x, True, True),
        ):
            with tf32(coarse), torch.autocast("cuda", torch.bfloat16, enabled=autocast):
                with torch.no_grad():
                    answer = forward(values[:CHECKED]).double().cpu()
                    difference = float((answer - expected).abs().max())
                    yield row(job, "predict", who, partial(forward, values), BATCH, difference)
                step = partial(gradients, forward, values, [], weights, gradient)
                yield row(job, "train", who, step, BATCH)


def by_operator(operator: Any, weights: list[Tensor], bidirectional: bool, codes: Tensor) -> Tensor:
    """The operator over base codes."""
    output: Tensor = operator(codes, weights, bidirectional=bidirectional)[0]
    return output


def by_layer(layer: nn.Module, x: Tensor) -> Tensor:
    """torch's layer on one-hot."""
    output: Tensor = layer(x)[0]
    return output


def zoo(length: int = 600, batch: int = 256) -> Iterator[Row]:
    """A step of training (forward, loss, backward, clipping, AdamW) of every network in every implementation."""
    codes = torch.randint(0, 4, (batch, length), dtype=torch.uint8)
    letters = np.frombuffer(b"ACGT", np.uint8)[codes.numpy()]
    y = torch.randint(0, 2, (batch, 1), device="cuda").float()
    for name in models.names():
        for implementation in models.implementations(name):
            torch.manual_seed(0)
            model = models.build(name, length=length, implementation=implementation).cuda().train()
            x = torch.as_tensor(dnafast.encode(letters, model.config.encoding)).cuda()
            optimizer = torch.optim.AdamW(model.parameters(), fused=True)

            step = partial(training_step, model, x, y, optimizer)
            yield row(f"training step, L {length}, batch {batch}", name, implementation, step, batch)
            del model, optimizer


def training_step(model: nn.Module, x: Tensor, y: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """As dnafast.train does it."""
    optimizer.zero_grad(set_to_none=True)
    masked_loss(model(x), y).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def loading(genome: dnafast.Genome) -> Iterator[Row]:
    """An epoch of shuffled batches of one-hot, ready on the device."""
    count = 200_000
    windows = random_windows(count)
    for who, options in (
        ("dnafast, decoded on the device", {"device": "cuda"}),
        ("dnafast, encoded on the CPU, pinned", {"pin": True}),
    ):
        for dtype in ("float32", "bfloat16"):
            encoding = dnafast.OneHot("NCL", dtype)
            loader = dnafast.Loader(genome, windows, encoding=encoding, batch_size=BATCH, shuffle=True, **options)

            times = []
            for _ in range(4):
                torch.cuda.synchronize()
                start = time.perf_counter()
                for batch in loader:
                    batch.x.to("cuda", non_blocking=True)
                torch.cuda.synchronize()
                times.append(1e3 * (time.perf_counter() - start))
            median = float(np.median(times[1:]))
            print(f"loader {dtype} {who}: {count / median * 1e3:.0f} windows a second", flush=True)
            yield {
                "job": f"epoch of {count} windows of 1000, {dtype}",
                "mode": "",
                "implementation": who,
                "milliseconds": round(median, 2),
                "spread": round((max(times[1:]) - min(times[1:])) / 2, 2),
                "sequences_per_second": round(count / median * 1e3),
            }


def table(rows: list[Row]) -> str:
    """The page."""
    properties = torch.cuda.get_device_properties(0)
    lines = [
        "# On a GPU",
        "",
        f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB; torch {torch.__version__}, CUDA "
        f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}; dnafast {dnafast.__version__}. Made by "
        f"`python bench/gpu.py`; batches of {BATCH} unless said otherwise. Medians of device time, ± half the "
        "interquartile range; differences are the largest to float64 (of gradients: as a share of the largest one).",
    ]
    jobs = list(dict.fromkeys(entry["job"] for entry in rows))
    for job in jobs:
        lines += ["", f"**{job}**", "", "| mode | implementation | ms | sequences/s | difference | peak MiB |"]
        lines.append("|:--|:--|--:|--:|--:|--:|")
        for entry in (entry for entry in rows if entry["job"] == job):
            difference = entry.get("largest_difference")
            lines.append(
                f"| {entry['mode']} | {entry['implementation']} | {entry['milliseconds']:.3f} ± {entry['spread']:.3f} "
                f"| {entry['sequences_per_second']:,} | {'' if difference is None else f'{difference:.0e}'} "
                f"| {entry.get('peak_mib', '')} |"
            )
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Run it all, and write the page."""
    if len(arguments) > 1 or arguments[:1] in (["-h"], ["--help"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not torch.cuda.is_available():
        print("bench/gpu.py: torch finds no CUDA device here", file=sys.stderr)
        return 2
    folder = Path(arguments[0]) if arguments else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        fasta = Path(scratch) / "genome.fa"
        simulated.write_fasta(fasta)
        genome = dnafast.Genome(fasta)
        for job in (partial(decoding, genome), convolution, recurrent, zoo, partial(loading, genome)):
            for entry in job():
                rows.append(entry)
                write_csv(folder / "gpu.csv", rows)
    write_text(folder / "gpu.md", table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
