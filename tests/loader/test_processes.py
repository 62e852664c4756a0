"""The loader in worker processes, forked and fresh, and its end on Ctrl-C, on errors and with the interpreter."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnafast import Genome, KmerCounts, Loader, Windows
from dnafast import loader as loader_module
from streams import (
    content,
    in_forked_child,
    make_loader,
    make_windows,
    native_threads,
    needs_fork,
    needs_proc,
    settles_at,
)

TESTS = Path(__file__).parent.parent

# torch warns of more workers than processors, and Python of forking a process that runs threads.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*worker processes.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


@pytest.mark.parametrize("threads", [0, 1, 2, 7])
@pytest.mark.parametrize("prefetch", [1, 5])
def test_same_bytes_for_any_number_of_threads(threads: int, prefetch: int) -> None:
    expected = content(make_loader(threads=1))
    loader = make_loader(threads=threads, prefetch=prefetch)
    assert content(loader) == expected
    later = make_loader(threads=1)
    later.set_epoch(1)
    assert content(loader) == content(later) != expected


@needs_fork
@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.parametrize("workers", [0, 1, 4])
def test_same_bytes_for_any_number_of_workers(context: str, workers: int) -> None:
    pytest.importorskip("torch")
    from torch_streams import in_workers

    expected = content(make_loader())
    for threads in (0, 2) if context == "fork" else (1,):
        assert content(in_workers(make_loader(threads=threads), workers, context)) == expected


@needs_fork
def test_epochs_in_workers() -> None:
    pytest.importorskip("torch")
    from torch_streams import in_workers

    plain = make_loader()
    epochs = [content(plain) for _ in range(3)]
    loader = make_loader(threads=1)
    batches = in_workers(loader, 3)
    assert content(batches) == epochs[0]
    assert content(batches) == epochs[0], "the workers' copies are new, and this loader has not moved"
    for epoch in (1, 2):
        loader.set_epoch(epoch)
        assert content(batches) == epochs[epoch]
    lasting = in_workers(make_loader(threads=1), 3, persistent_workers=True)
    assert [content(lasting) for _ in range(3)] == epochs


@needs_fork
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("had", [1, 4, 9, 10])
def test_resumes_in_workers(workers: int, had: int) -> None:
    pytest.importorskip("torch")
    from torch_streams import in_workers

    plain = make_loader()
    stream = content(plain) + content(plain)
    loader = make_loader(threads=1)
    running = iter(in_workers(loader, workers))
    seen = [batch for _, batch in zip(range(had), running, strict=False)]
    assert content(seen) == stream[:had]
    state = loader.state_dict(had)
    del running
    resumed = make_loader(threads=2)
    resumed.load_state_dict(state)
    rest = content(in_workers(resumed, workers))
    if had == 10:
        assert state["epoch"] == 1
        assert rest == stream[10:]
    else:
        assert rest == stream[had:10]


def run(code: str, *, send: signal.Signals | None = None) -> subprocess.CompletedProcess[str]:
    """Runs code in a process group of its own; sends it a signal, as a terminal does, once it prints a line."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
    # A shell that starts this suite in the background has the signal ignored, which children would inherit.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", heard + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        begun = ""
        if send is not None:
            assert process.stdout is not None
            begun = process.stdout.readline()
            os.killpg(process.pid, send)
        out, errors = process.communicate(timeout=60)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # no process of the group is left
    return subprocess.CompletedProcess(code, process.returncode, begun + out, errors)


@pytest.mark.parametrize("threads", [0, 3])
def test_ctrl_c_ends_the_process(threads: int) -> None:
    code = f"""
from streams import make_loader
loader = make_loader(3000, threads={threads})
batches = 0
while True:
    for batch in loader:
        batches += 1
        if batches == 3:
            print("running", flush=True)
"""
    result = run(code, send=signal.SIGINT)
    assert result.returncode == -signal.SIGINT
    assert result.stderr.splitlines()[-1] == "KeyboardInterrupt"


@needs_fork
def test_ctrl_c_ends_the_workers_too() -> None:
    pytest.importorskip("torch")
    code = """
from streams import make_loader
from torch_streams import in_workers
loader = make_loader(3000, threads=2)
batches = 0
while True:
    for batch in in_workers(loader, 2):
        batches += 1
        if batches == 3:
            print("running", flush=True)
"""
    result = run(code, send=signal.SIGINT)
    assert result.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in result.stderr


@needs_proc
@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ValueError"])
def test_no_thread_outlives_what_ends_the_loop(error: str) -> None:
    """The consumer goes on after the error: what it was reading has no thread left, and reads the same again."""
    code = f"""
import signal
from streams import content, make_loader, native_threads, settles_at
loader = make_loader(3000, threads=3)
expected = content(make_loader(3000, threads=1))
before = native_threads()
for _ in range(3):
    try:
        for number, batch in enumerate(loader):
            assert native_threads() == before + 3
            if number == 2:
                if {error} is KeyboardInterrupt:
                    signal.raise_signal(signal.SIGINT)
                raise {error}
    except {error}:
        pass
    assert settles_at(before)
assert content(loader) == expected
print("sound")
"""
    result = run(code)
    assert (result.stdout, result.returncode) == ("sound\n", 0), result.stderr


@pytest.mark.parametrize(
    ("threads", "ending", "status"),
    [
        (3, "sys.exit(3)", 3),
        (3, "raise RuntimeError", 1),
        (3, "os._exit(4)", 4),
        (3, "os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        (3, "", 0),
        (0, "", 0),
    ],
)
def test_the_interpreter_ends_with_a_loop_unfinished(threads: int, ending: str, status: int) -> None:
    code = f"""
import os, signal, sys, threading
from streams import make_loader
running = [iter(make_loader(3000, threads={threads})) for _ in range(4)]
first = [next(batches) for batches in running]
{ending}
"""
    assert run(code).returncode == status


@needs_proc
def test_an_error_in_a_thread_reaches_the_consumer() -> None:
    loader = make_loader(1000, threads=3)
    before = native_threads()
    batches = iter(loader)
    next(batches)
    loader.windows.contig[:] = 1 << 28  # the caller's own memory: nobody can keep him from writing there
    with pytest.raises(ValueError, match=r"windows.contig\[\d+\]=268435456 was changed while windows were read"):
        list(batches)
    assert list(batches) == []
    assert settles_at(before)


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("value", [10**8, 2, -1])
@pytest.mark.parametrize("places", [False, True])
def test_a_table_that_is_written_into_is_told(
    genome: Genome, threads: int, value: int, places: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if places:  # as for a GPU, which is given coordinates
        monkeypatch.setattr(loader_module, "_holds_genome", lambda device: True)
        monkeypatch.setattr(Loader, "_decode", lambda self, places, strand: places)
    contig = np.zeros(160, np.int32)
    windows = Windows.from_arrays(tuple(genome.contigs), contig, np.zeros(160), 100)
    batches = iter(Loader(genome, windows, batch_size=16, threads=threads, prefetch=2))
    next(batches)
    contig[:] = value if value < 2 else value + len(genome.contigs)
    with pytest.raises(ValueError, match=r"windows.contig\[\d+\]=-?\d+ was changed while windows were read"):
        list(batches)


@needs_proc
def test_threads_end_with_the_loop(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 500), batch_size=8, threads=5)
    before = native_threads()
    list(loader)
    assert settles_at(before)
    for batch in loader:
        assert native_threads() == before + 5
        del batch
        break
    assert settles_at(before)
    with contextlib.suppress(RuntimeError):
        for _ in loader:
            raise RuntimeError("the consumer fails")
    assert settles_at(before)
    list(loader)
    assert settles_at(before)


class Interrupted(Exception):
    pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the platform has no timers")
def test_a_signal_ends_a_wait() -> None:
    def interrupt(*_: Any) -> None:
        raise Interrupted

    # A batch that takes seconds.
    genome = Genome.from_sequences(["ACGTTGCA" * 250_000])
    windows = Windows.from_arrays(("0",), np.zeros(8000), np.zeros(8000), 2_000_000)
    loader = Loader(genome, windows, encoding=KmerCounts(3), batch_size=8000, threads=1)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    began = time.monotonic()
    try:
        with pytest.raises(Interrupted):
            list(loader)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 5
    assert loader.cpu_seconds > 0.05


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_runs_in_a_forked_child(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 200), batch_size=8, threads=3, jitter=2)
    expected = content(loader)
    loader.set_epoch(0)
    assert in_forked_child(loader) == expected
    running = iter(loader)
    seen = content([next(running), next(running)])
    # The child goes on with its copy of the loop; the parent's is none the worse.
    assert seen + in_forked_child(loader, running) == expected
    assert seen + content(running) == expected


def test_runs_in_a_fresh_process(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 40), np.arange(40), batch_size=8, jitter=2)
    code = "[(b.index.tolist(), b.y.tolist(), b.x.tolist()) for b in loader]"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(eval, (code, {"loader": loader}))
    assert found == [(batch.index.tolist(), batch.y.tolist(), batch.x.tolist()) for batch in loader]
