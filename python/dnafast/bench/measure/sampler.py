"""A look at some figure now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Sampler:
    """Calls a function again and again in a thread of its own, until it is stopped."""

    def __init__(self, sample: Callable[[], None], interval: float) -> None:
        self._sample = sample
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dnafast-sampler", daemon=True)

    def start(self) -> None:
        """Take the first sample and begin."""
        self._sample()
        self._thread.start()

    def stop(self) -> None:
        """End, after a last sample."""
        self._stop.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._sample()
