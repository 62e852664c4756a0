"""Processes of a bench end with the one that began them."""

import os
import signal
import subprocess
import sys
import time

import pytest

BEGIN = """
import os, time
from dnafast.workers import workers

if __name__ == "__main__":
    pool = workers(2)
    pids = set()
    while len(pids) < 2:
        pids |= {future.result() for future in [pool.submit(os.getpid) for _ in range(4)]}
    print(*pids, flush=True)
    pool.submit(time.sleep, 60)
    time.sleep(60)
"""


@pytest.fixture
def begun(tmp_path):
    """A process that has begun two others, one of them busy, and their numbers."""
    (tmp_path / "begin.py").write_text(BEGIN)
    command = [sys.executable, str(tmp_path / "begin.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        yield process, [int(pid) for pid in process.stdout.readline().split()]
        process.kill()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout[:1] not in "Z"


def test_a_kill_leaves_no_process(begun):
    process, pids = begun
    assert len(pids) == 2
    assert all(map(is_alive, pids))
    process.kill()
    process.wait()
    until = time.monotonic() + 20
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(is_alive, pids))


def test_an_interrupt_is_for_the_process_that_began_them(begun):
    _, pids = begun
    for pid in pids:
        os.kill(pid, signal.SIGINT)
    time.sleep(0.3)
    assert all(map(is_alive, pids))
