"""How many threads, and how they wait: decided here and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

from dnafast.arguments import check_whole

# torch's OpenMP threads spin at barriers, of which a recurrent net has several a position. Milliseconds for a training
# step of an RNN with 64 units on 64 sequences of 81 bases, 2 threads on 2 cores, by GOMP_SPINCOUNT:
#     spin count             0    300   1000   3000  10000  default
#     quiet                 38     22      8      8      7        -
#     beside 3 processes    26     60    101    255    674     7922
# (1 thread: 11 and 30.) A thousand keeps the speed of quiet cores and bounds the loss on busy ones; where one thread is
# faster still, `dnafast.bench.plan` finds out and takes one.
SPIN_COUNT = "1000"
_POLICY_VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


MOST_THREADS = 4096  # more is a slip: no machine has them, and each takes memory


def set_spin_policy() -> None:
    """Let OpenMP threads spin briefly, then sleep; call before torch is loaded.

    Leaves the environment alone where the user has set ``GOMP_SPINCOUNT`` or ``OMP_WAIT_POLICY``.
    """
    if not any(name in os.environ for name in _POLICY_VARIABLES):
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT


def usable_cpus() -> int:
    """Number of processors this process may use: affinity and, on Linux, the control group's quota."""
    if hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    else:
        cpus = os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(cpus, quota) if quota else cpus)


def resolve_threads(threads: int | None, least: int = 1) -> int:
    """Number of threads for the native data path.

    Args:
        threads: an explicit number, or None for ``DNAFAST_THREADS``, else every usable processor.
        least: the lowest explicit number that makes sense to the caller.

    Raises:
        TypeError: threads is no whole number.
        ValueError: the number is below the least, above 4096 or ``DNAFAST_THREADS`` is no number of at least 1.
    """
    if threads is None:
        text = os.environ.get("DNAFAST_THREADS")
        if text is None:
            return usable_cpus()
        try:
            threads = int(text)
        except ValueError:
            raise ValueError(f"DNAFAST_THREADS={text!r} is no whole number") from None
        if not 1 <= threads <= MOST_THREADS:
            raise ValueError(f"DNAFAST_THREADS={text!r} must be at least 1 and at most {MOST_THREADS}")
        return threads
    threads = check_whole("threads", threads)
    if threads < least:
        raise ValueError(f"threads={threads} must be at least {least}")
    if threads > MOST_THREADS:
        raise ValueError(f"threads={threads} must be at most {MOST_THREADS}")
    return threads


def limit(threads: int | None) -> None:
    """Let this process's data path use so many threads wherever no other number is given; None changes nothing."""
    if threads is not None:
        os.environ["DNAFAST_THREADS"] = str(resolve_threads(threads))


def shares(threads: int | None) -> tuple[int, int]:
    """Threads for the data path and for torch, together no more than may be used.

    With few processors the data path gets none of its own (0): a batch is then encoded where it is asked for, which
    takes microseconds, while a thread taken from torch would slow every step.

    Args:
        threads: in all, or None for every usable processor.

    Raises:
        ValueError: the number is below 1.
    """
    total = resolve_threads(threads)
    data = 0 if total < 4 else max(1, total // 8)
    return data, total - data


def _cgroup_quota() -> int | None:
    """Processors' worth of time the control group allows (version 2), rounded up; None where there is no limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    if quota == "max":
        return None
    return max(1, -(-int(quota) // int(period)))
