"""Peak memory, each job in a process of its own: streaming 5 million windows, opening, encoding, negatives.

Reported are the process's peak resident memory, and its rise from the beginning of the job: by then all is imported,
and the window table is there. Pages of mapped files count as resident, though the system takes them back at need.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simulated
from yardstick import load, note, open_genome, remove

LENGTH = 1000
BATCH = 256
WINDOWS = int(os.environ.get("DNAFAST_BENCH_WINDOWS") or (20_000 if simulated.quick else 5_000_000))
FEWER = WINDOWS // 100  # for the loops


def start_of_peak() -> int:
    """Bytes that are resident; the peak counts from here on, where the system can forget an earlier one."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return status_bytes("VmRSS")
    except OSError:
        return peak_bytes()


def peak_bytes() -> int:
    try:
        return status_bytes("VmHWM")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")


def random_windows(count: int) -> Any:
    from dnafast import Windows

    table = simulated.random_windows(count, LENGTH)
    return Windows.from_arrays(table.contigs, table.contig, table.start, LENGTH)


# A job is prepared, unmeasured, by its imports and input, and gives what is measured.


def stream(fasta: Path, count: int, encoding: str) -> Callable[[], int]:
    import dnafast

    form = {"base codes": dnafast.BaseCodes(), "one-hot uint8": dnafast.OneHot()}[encoding]
    windows = random_windows(count)
    dnafast.Loader(dnafast.Genome(fasta), windows[:1])  # loads torch where there is one

    def job() -> int:
        loader = dnafast.Loader(dnafast.Genome(fasta), windows, encoding=form, batch_size=BATCH, threads=1)
        return sum(len(batch.index) for batch in loader)

    return job


def loop(fasta: Path, count: int, rival: str) -> Callable[[], int]:
    genome = open_genome(rival, fasta)
    windows = simulated.random_windows(count, LENGTH)

    def job() -> int:
        out = np.empty((BATCH, 4, LENGTH), np.uint8)
        seen = 0
        for first in range(0, count, BATCH):
            part = slice(first, min(first + BATCH, count))
            some = windows._replace(**{name: getattr(windows, name)[part] for name in ("contig", "start", "strand")})
            seen += len(genome.one_hot(genome.prepare(some), out[: len(some.start)]))
        return seen

    return job


def first_open(fasta: Path, count: int, opener: str) -> Callable[[], int]:
    if opener == "dnafast":
        import dnafast

        return lambda: len(dnafast.Genome(fasta).contigs)
    peer = load(opener)
    remove(peer.left_beside(fasta))

    def job() -> int:
        peer.Genome(fasta)
        return len(simulated.contig_lengths())

    return job


def encode(fasta: Path, count: int, encoding: str) -> Callable[[], int]:
    import dnafast

    windows = random_windows(count)
    return lambda: len(dnafast.Genome(fasta).encode(windows, dnafast.OneHot("NCL", "uint8")))


def negatives(fasta: Path, count: int, method: str) -> Callable[[], int]:
    import dnafast

    windows = random_windows(count)
    return lambda: len(dnafast.sample_negatives(dnafast.Genome(fasta), windows, method=method))


JOBS = {job.__name__: job for job in (stream, loop, first_open, encode, negatives)}


def measure(job: str, fasta: str, count: str, which: str) -> dict[str, float]:
    """Runs a job in this process."""
    prepared = JOBS[job](Path(fasta), int(count), which)
    before = start_of_peak()
    started = time.perf_counter()
    result = prepared()
    return {
        "seconds": time.perf_counter() - started,
        "before_bytes": before,
        "peak_bytes": peak_bytes(),
        "result": result,
    }


def in_child(benchmark: Any, job: str, role: str, *what: Any) -> dict[str, float]:
    """Runs a job in a child process and notes what it took."""
    command = [sys.executable, __file__, *map(str, what)]
    environment = os.environ | {"DNAFAST_BENCH_BASES": str(simulated.genome_size())}
    note(benchmark, f"memory: {job}", role, what[3] if role == "rival" else "dnafast", windows=what[2])

    def child() -> dict[str, float]:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return figures

    figures = benchmark.pedantic(child, rounds=1)
    benchmark.extra_info.update(figures)
    return figures


STREAM = "stream 1-kb windows as "


@pytest.mark.parametrize("encoding", ["base codes", "one-hot uint8"])
@pytest.mark.parametrize("count", [FEWER, WINDOWS])
def test_stream(benchmark: Any, fasta: Path, genome: Any, count: int, encoding: str) -> None:
    """The loader needs memory for batches on their way, and maps the genome: as much for any number of windows."""
    figures = in_child(benchmark, STREAM + encoding, "ours", "stream", fasta, count, encoding)
    assert figures["result"] == count
    rise = figures["peak_bytes"] - figures["before_bytes"]
    assert rise < simulated.genome_size() / 4 + (48 << 20)


@pytest.mark.parametrize("rival", ["pyfaidx", "pysam"])
def test_loop(benchmark: Any, fasta: Path, rival: str) -> None:
    load(rival)
    figures = in_child(benchmark, STREAM + "one-hot uint8", "rival", "loop", fasta, FEWER, rival)
    assert figures["result"] == FEWER


@pytest.mark.parametrize("opener", ["dnafast", "genvarloader", "pysam"])
def test_first_open(benchmark: Any, fasta: Path, tmp_path: Path, opener: str) -> None:
    if opener != "dnafast":
        load(opener)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAFAST_CACHE", str(tmp_path))
        role = "ours" if opener == "dnafast" else "rival"
        job = f"first open of a plain FASTA of {simulated.genome_size() // 10**6} Mb"
        figures = in_child(benchmark, job, role, "first_open", fasta, 0, opener)
    assert figures["result"] == len(simulated.contig_lengths())


def test_encode(benchmark: Any, fasta: Path, genome: Any) -> None:
    count = simulated.call_size()
    job = "encode 1-kb windows as one-hot uint8 into a new buffer"
    assert in_child(benchmark, job, "ours", "encode", fasta, count, "one-hot uint8")["result"] == count


def test_negatives(benchmark: Any, fasta: Path, genome: Any) -> None:
    count = min(20_000, simulated.genome_size() // 10_000)
    job = f"GC-matched negatives of 1 kb from {simulated.genome_size() // 10**6} Mb"
    assert in_child(benchmark, job, "ours", "negatives", fasta, count, "gc")["result"] > 0.99 * count


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
