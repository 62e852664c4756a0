"""How many threads, and how they wait."""

import os
import subprocess
import sys

import pytest

from dnafast import threads


def test_usable_cpus_is_at_most_what_the_system_has():
    assert 1 <= threads.usable_cpus() <= (os.cpu_count() or 1)


def test_an_explicit_number_is_taken_and_nothing_below_the_least():
    assert threads.resolve_threads(3) == 3
    assert threads.resolve_threads(0, least=0) == 0
    with pytest.raises(ValueError, match="threads=0 must be at least 1"):
        threads.resolve_threads(0)


def test_the_environment_decides_where_nothing_is_given(monkeypatch):
    monkeypatch.setenv("DNAFAST_THREADS", "5")
    assert threads.resolve_threads(None) == 5
    for wrong in ("many", "0"):
        monkeypatch.setenv("DNAFAST_THREADS", wrong)
        with pytest.raises(ValueError, match=f"DNAFAST_THREADS='{wrong}'"):
            threads.resolve_threads(None)
    monkeypatch.delenv("DNAFAST_THREADS")
    assert threads.resolve_threads(None) == threads.usable_cpus()


@pytest.mark.parametrize("total", [1, 2, 3, 4, 8, 64])
def test_shares_never_exceed_the_whole(total):
    data, torch = threads.shares(total)
    assert torch >= 1
    assert data + torch == total


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, threads.SPIN_COUNT), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, None)],
)
def test_the_spin_policy_is_set_before_torch_loads_unless_the_user_set_one(environment, expected):
    code = (
        "import os, sys; import dnafast.threads as t; t.set_spin_policy(); assert 'torch' not in sys.modules;"
        "print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    run = subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(expected)


def test_the_command_line_sets_the_policy_before_torch():
    code = (
        "import sys, runpy; sys.argv = ['bench', '--version-of-nothing']\n"
        "try: runpy.run_module('dnafast.bench', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "import os; assert 'torch' not in sys.modules; print(os.environ['GOMP_SPINCOUNT'])"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    run = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith(threads.SPIN_COUNT)
