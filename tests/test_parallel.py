"""Threads of the native half: kept, shared, and safe across a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import dnafast
import oracle


def make() -> tuple[dnafast.Genome, oracle.WindowTable, np.ndarray]:
    rng = np.random.default_rng(9)
    genome = dnafast.Genome.from_sequences([oracle.patchy_letters(rng, 10_003) for _ in range(3)])
    rows = [(int(rng.integers(3)), int(rng.integers(-50, 10_000)), int(rng.choice([-1, 1]))) for _ in range(1003)]
    windows = oracle.window_table(list(genome.contigs), rows, 101)
    return genome, windows, genome.encode(windows, dnafast.OneHot(), threads=1)


def test_same_bytes_for_any_number_of_threads() -> None:
    genome, windows, expected = make()
    for threads in (2, 3, 7, 64):
        np.testing.assert_array_equal(genome.encode(windows, dnafast.OneHot(), threads=threads), expected)


def test_callers_at_once() -> None:
    genome, windows, expected = make()
    wrong = []

    def work() -> None:
        for _ in range(20):
            if not np.array_equal(genome.encode(windows, dnafast.OneHot(), threads=3), expected):
                wrong.append(1)

    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_errors_in_threads_reach_the_caller() -> None:
    for threads in (1, 2, 7):
        with pytest.raises(ValueError, match=r"sequences\[611\] .*position 2: '!'"):
            dnafast.Genome.from_sequences(["ACGT"] * 611 + ["AC!T"] + ["ACGT"] * 400, threads=threads)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_forked_children_make_their_own_threads() -> None:
    # In a process of its own: forking one that runs other threads is warned about, and rightly so.
    code = """
import os, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import dnafast, oracle
genome = dnafast.Genome.from_sequences(["ACGTNacg" * 100] * 50)
windows = oracle.window_table(list(genome.contigs), [(i, 3, 1) for i in range(50)], 77)
expected = genome.encode(windows, dnafast.OneHot(), threads=4)
for _ in range(5):
    child = os.fork()
    if child == 0:
        same = np.array_equal(genome.encode(windows, dnafast.OneHot(), threads=4), expected)
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
assert np.array_equal(genome.encode(windows, dnafast.OneHot(), threads=4), expected)
"""
    folder = os.path.dirname(__file__)  # noqa: PTH120
    environment = {**os.environ, "DNAFAST_FORCE_PARALLEL": "1"}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, folder], env=environment, timeout=60, check=False
    )
    assert result.returncode == 0


@pytest.mark.parametrize("threads", [0, -1])
def test_number_of_threads_is_checked(threads: int) -> None:
    with pytest.raises(ValueError, match=f"threads={threads} must be at least 1"):
        dnafast.encode(["ACGT"], dnafast.BaseCodes(), threads=threads)
