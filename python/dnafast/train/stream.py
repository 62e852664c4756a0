"""The batches of the training part, one epoch after the other, and where a run stands in them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


class Stream:
    """Epochs of a loader, counted from 1, with a state that can be taken up in the middle of one.

    Args:
        loader: as `dnafast.train.Batches`; with ``state_dict`` and ``load_state_dict`` in plain values where it has
            them, else batches that were had are drawn again and passed over.
        device: whose random state batches may be drawn from, beside that of the CPU.
    """

    def __init__(self, loader: Any, device: torch.device) -> None:
        self.loader = loader
        self.device = device
        self.epoch = 0
        self.passed = 0  # batches of the epoch that were had
        self._random_state = random_state(device)  # as the epoch began
        self._keeps_state = hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict")
        self._loaded = False

    def epochs(self) -> Iterator[Iterator[Any]]:
        """The rest of the epoch under way, if a state was loaded, then every epoch that follows, without end.

        Raises:
            ValueError: an epoch without a batch.
        """
        if self._loaded:
            yield self._counted(self._rest())
        while True:
            self.epoch, self.passed = self.epoch + 1, 0
            self._random_state = random_state(self.device)
            self.loader.set_epoch(self.epoch - 1)
            yield self._counted(iter(self.loader))
            if not self.passed:
                raise ValueError(f"train_loader gave no batch in epoch {self.epoch - 1}")

    @property
    def ended(self) -> bool:
        """Whether all batches of the epoch were had."""
        return self.passed >= len(self.loader)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands: after the last batch that was had."""
        return {
            "epoch": self.epoch,
            "passed": self.passed,
            "random": self._random_state,
            "loader": self.loader.state_dict() if self._keeps_state else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        Raises:
            ValueError: the loader has another stream.
        """
        self.epoch, self.passed, self._random_state = state["epoch"], state["passed"], state["random"]
        if self._keeps_state:
            self.loader.load_state_dict(state["loader"])
        self._loaded = True

    def _rest(self) -> Iterator[Any]:
        if self.ended:
            return iter(())
        if self._keeps_state:
            return iter(self.loader)
        now = random_state(self.device)
        set_random_state(self._random_state, self.device)
        self.loader.set_epoch(self.epoch - 1)
        batches = iter(self.loader)
        for _ in itertools.islice(batches, self.passed):
            pass
        set_random_state(now, self.device)
        return batches

    def _counted(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            self.passed += 1
            yield batch


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Torch's global random state, that of the device included."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Put back what `random_state` gave."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
