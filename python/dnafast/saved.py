"""A trained network on disk, with all that it takes to predict with it elsewhere.

A folder holds ``weights.safetensors`` and, written last, ``model.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from dnafast import __version__
from dnafast.evaluate import load_weights, save_weights
from dnafast.models import Network, Specification
from dnafast.records import checksum_file, write_json
from dnafast.train.errors import is_out_of_memory

MODEL_NAME = "model.json"
WEIGHTS_NAME = "weights.safetensors"


@dataclass(frozen=True)
class SavedModel:
    """What a trained network is and how it was trained, weights aside.

    Attributes:
        specification: which network, with its options and implementation.
        length: bases per sequence.
        tasks: T names, in the order of the logits.
        stranded: whether the strand of a sequence means something; else the answers of both strands are averaged.
        thresholds: (T,), probability from which on a task is called positive.
        prevalence: (T,), share of positives among the labelled training sequences.
        train: how it was trained, a `dnafast.train.TrainConfig` or its plain values.
        data_checksum: of the data it was trained on.
        seed: of its weights and of training.
        encoding: what the network eats, for the reader: the network itself decides.
        weights_checksum: of the file of weights; filled by `save`.
        version: of dnafast that trained it.

    Raises:
        ValueError: thresholds or prevalence are not one number for each task, or lie outside [0, 1].
    """

    specification: Specification
    length: int
    tasks: tuple[str, ...]
    stranded: bool
    thresholds: tuple[float, ...]
    prevalence: tuple[float, ...]
    train: Any = field(default_factory=dict)
    data_checksum: str = ""
    seed: int = 0
    encoding: str = ""
    weights_checksum: str = ""
    version: str = __version__

    def __post_init__(self) -> None:
        for name in ("thresholds", "prevalence"):
            values = tuple(float(value) for value in getattr(self, name))
            object.__setattr__(self, name, values)
            if len(values) != len(self.tasks) or not all(0 <= value <= 1 for value in values):
                raise ValueError(f"{name}={values} must be a number in [0, 1] for each of the {len(self.tasks)} tasks")

    def save(self, folder: str | Path, model: nn.Module) -> None:
        """Write the weights of the network and then this, each whole or absent.

        Args:
            folder: made where it is not there.
            model: the network, trained.
        """
        weights = Path(folder) / WEIGHTS_NAME
        save_weights(model, weights)
        values = {name: value for name, value in vars(self).items() if name != "specification"}
        written = {
            "specification": self.specification.as_json(),
            **values,
            "weights_checksum": checksum_file(weights),
        }
        write_json(Path(folder) / MODEL_NAME, written)

    @classmethod
    def load(cls, folder: str | Path) -> SavedModel:
        """What `save` wrote; `network` then gives the network itself.

        Raises:
            FileNotFoundError: the folder holds no saved model.
            ValueError: the file is damaged, or was written by another version of dnafast.
        """
        path = Path(folder) / MODEL_NAME
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} holds no {MODEL_NAME}: name the folder of 'dnafast train', or that of one network's run in "
                "a bench (runs/...)"
            )
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        if not isinstance(content, dict) or not all(
            name in content and holds(content[name]) for name, holds in _NEEDED.items()
        ):
            raise ValueError(f"{path} is damaged: it does not hold what a saved model must")
        if content["version"] != __version__:
            raise ValueError(
                f"{path} was written by dnafast {content['version']}, and this is {__version__}: install that version, "
                "or train the model anew"
            )
        values = {name: value for name, value in content.items() if name in cls.__dataclass_fields__}
        values |= {name: tuple(content[name]) for name in ("tasks", "thresholds", "prevalence")}
        try:
            return cls(**(values | {"specification": Specification.from_json(content["specification"])}))
        except (ValueError, TypeError, FileNotFoundError) as error:
            raise ValueError(f"{path}: {error}") from error

    def network(self, folder: str | Path) -> Network:
        """The network with its weights, in evaluation mode, on the CPU.

        Raises:
            FileNotFoundError: the weights are not there.
            ValueError: they are not those that were saved with this, or do not fit the network.
            MemoryError: there is no room for the network.
        """
        weights = Path(folder) / WEIGHTS_NAME
        if checksum_file(weights) != self.weights_checksum:
            raise ValueError(f"{weights} is not the file that {MODEL_NAME} was saved with: it is another's, or damaged")
        try:
            network = self.specification.build(length=self.length, n_tasks=len(self.tasks))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise MemoryError(f"{self.specification.label} of {folder}") from error
        load_weights(network, weights)
        network.eval()
        return network


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _is_shares(value: object) -> bool:
    return isinstance(value, list) and all(type(one) in (int, float) and math.isfinite(one) for one in value)


_NEEDED = {
    "specification": lambda value: isinstance(value, Mapping),
    "length": lambda value: type(value) is int and value > 0,
    "tasks": _is_texts,
    "stranded": lambda value: isinstance(value, bool),
    "thresholds": _is_shares,
    "prevalence": _is_shares,
    "weights_checksum": lambda value: isinstance(value, str),
    "version": lambda value: isinstance(value, str),
}
