"""The state of a run under way, in a file that is whole or absent and holds no code."""

from __future__ import annotations

import hashlib
import pickle
import time
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from dnafast import __version__
from dnafast.records import atomic_file, config_differences, plain

# A checkpoint may take this share of the time: where writing is slow, it is done less often than asked for.
_LARGEST_SHARE = 0.05
_KEYS = {"identity", "state"}


class CheckpointFile:
    """Where a run keeps its state, and how often.

    Args:
        path: the file.
        seconds: wall time between two writes.
        identity: what the run is, in plain values: a file is taken up only where all of it agrees.
    """

    def __init__(self, path: Path, seconds: float, identity: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.seconds = seconds
        self.identity = plain(identity)
        self._wait = seconds
        self._written = time.perf_counter()

    def load(self) -> dict[str, Any] | None:
        """The state in the file, tensors on the CPU; None where there is no file.

        Raises:
            ValueError: the file is no checkpoint, or one of another run; the message says what differs.
        """
        self._remove_unfinished()
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            content = self._read(file)
        if not isinstance(content, dict) or content.keys() != _KEYS:
            raise ValueError(f"{self.path} is no checkpoint of a training run: remove it to begin anew")
        differences = config_differences(content["identity"], self.identity)
        if differences:
            raise ValueError(
                f"{self.path} is the checkpoint of another run, which differs in {', '.join(differences)}: "
                "remove it to begin anew"
            )
        state: dict[str, Any] = content["state"]
        return state

    def is_due(self) -> bool:
        """Whether it is time to write."""
        return time.perf_counter() - self._written >= self._wait

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state over what was there before."""
        began = time.perf_counter()
        with atomic_file(self.path) as file:
            torch.save({"identity": self.identity, "state": dict(state)}, file)
        self._written = time.perf_counter()
        self._wait = max(self.seconds, (self._written - began) / _LARGEST_SHARE)

    def _read(self, file: IO[bytes]) -> Any:
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(f"{self.path} is no checkpoint of a training run: remove it to begin anew") from error

    def _remove_unfinished(self) -> None:
        """Remove what a kill in the middle of a write left behind."""
        for path in self.path.parent.glob(f".{self.path.name}.*"):
            path.unlink(missing_ok=True)


def fingerprint(model: nn.Module) -> dict[str, Any]:
    """What a model is, weights aside, in plain values: its class, configuration, layers and parameters."""
    config = getattr(model, "config", None)
    shapes = {name: f"{tensor.dtype} {tuple(tensor.shape)}" for name, tensor in model.state_dict().items()}
    return {
        "class": type(model).__qualname__,
        "config": plain(asdict(config)) if is_dataclass(config) and not isinstance(config, type) else None,
        "tensors": shapes,
        "trained": [name for name, parameter in model.named_parameters() if parameter.requires_grad],
        # What has no weights: activations, dropout, pooling.
        "layers": hashlib.blake2b(repr(model).encode(), digest_size=8).hexdigest(),
    }


def versions() -> dict[str, str]:
    """Of what decides the numbers."""
    return {"dnafast": __version__, "torch": str(torch.__version__)}
