"""Windows decoded from the packed genome in a device's memory: on a GPU, or by torch on the CPU where there is none.

In a group: the device path, the native encoder into a reused buffer, and a memset of as many bytes on the device.
Answers are compared before anything is timed. On the CPU the native encoder is what is used, and these figures tell
what the same steps cost as torch operations; for a GPU there is more in ``bench/gpu.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import dnafast
import simulated

torch = pytest.importorskip("torch")

from dnafast.device import DeviceGenome  # noqa: E402

LENGTH = 1000
COUNTS = [256, 20_000]
ENCODINGS = [
    dnafast.BaseCodes(),
    dnafast.OneHot("NCL", "float32"),
    dnafast.OneHot("NCL", "bfloat16"),
    dnafast.Kmers(6, dtype="int32"),
]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def finished(run: Callable[[], Any]) -> Callable[[], Any]:
    """The same, until the device is done."""

    def wait() -> Any:
        result = run()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return result

    return wait


def throughput(benchmark: Any, count: int) -> None:
    """Gbase a second, from the median."""
    benchmark.extra_info["device"] = DEVICE
    benchmark.extra_info["torch_threads"] = torch.get_num_threads()
    if benchmark.stats is not None:
        benchmark.extra_info["gbase_per_second"] = round(count * LENGTH / benchmark.stats.stats.median / 1e9, 3)


def name_group(benchmark: Any, count: int, encoding: Any) -> None:
    benchmark.group = f"{encoding}, {count} windows"


@pytest.fixture(scope="module")
def held(genome: dnafast.Genome) -> DeviceGenome:
    return DeviceGenome(genome, DEVICE)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_on_the_device(
    benchmark: Any, genome: dnafast.Genome, held: DeviceGenome, count: int, encoding: dnafast.OneHot
) -> None:
    name_group(benchmark, count, encoding)
    windows = simulated.random_windows(count, LENGTH)
    assert torch.equal(held.encode(windows, encoding).cpu(), torch.as_tensor(genome.encode(windows, encoding)))
    benchmark.pedantic(finished(lambda: held.encode(windows, encoding)), rounds=7, warmup_rounds=2)
    throughput(benchmark, count)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("threads", [1, 2])
def test_native(benchmark: Any, genome: dnafast.Genome, count: int, encoding: dnafast.OneHot, threads: int) -> None:
    name_group(benchmark, count, encoding)
    windows = simulated.random_windows(count, LENGTH)
    out = encoding.allocate(count, LENGTH)
    benchmark.pedantic(lambda: genome.encode(windows, encoding, out=out, threads=threads), rounds=7, warmup_rounds=2)
    throughput(benchmark, count)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_memset(benchmark: Any, count: int, encoding: dnafast.OneHot) -> None:
    name_group(benchmark, count, encoding)
    x = torch.empty((count, *encoding.shape(LENGTH)), dtype=getattr(torch, encoding.dtype), device=DEVICE)
    benchmark.pedantic(finished(x.zero_), rounds=7, warmup_rounds=2)
    throughput(benchmark, count)
