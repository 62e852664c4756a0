"""Processes that do runs beside one another, and never outlive the one that began them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor

from dnafast import threads


def workers(processes: int) -> ProcessPoolExecutor:
    """So many processes, begun anew rather than forked: torch's threads do not survive a fork."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_begin)


def _begin() -> None:
    threads.set_spin_policy()
    # Ctrl-C reaches every process of a terminal; the one that began them ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that began it is gone: its pipes would keep it waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a process of a pool has one"
    parent.join()
    os._exit(1)
