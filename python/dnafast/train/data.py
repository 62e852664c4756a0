"""Whether a model can be trained on these labels at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dnafast.labelling import SparseLabels


def check_loaders(train_loader: Any, valid_loaders: Sequence[Any]) -> None:
    """Refuse loaders whose label table (`dnafast.Loader` shows it) nothing can be learnt from.

    Loaders that show none are watched while they are read (`SeenLabels`, `dnafast.evaluate.score`).

    Raises:
        ValueError: a label other than 1, 0 and -1, or none at all; a part in which no task has both classes; or a
            batch size above the number of training sequences.
    """
    for part, loader in (("training", train_loader), *(("validation", one) for one in valid_loaders)):
        if not hasattr(loader, "labels"):
            continue
        labels = loader.labels
        if labels is None:
            raise ValueError(f"the loader of the {part} part has no labels")
        positives, negatives = _class_counts(labels, part)
        check_classes(positives, negatives, part)
        rows, batch_size = len(labels), getattr(loader, "batch_size", 0)
        if part == "training" and batch_size > rows:
            raise ValueError(
                f"batch_size={batch_size} is more than the {rows} training sequences: choose at most {rows}"
            )


def check_classes(positives: NDArray[np.int64], negatives: NDArray[np.int64], part: str) -> None:
    """Refuse a part in which no task has both classes.

    Args:
        positives: (T,), how many there are.
        negatives: (T,), likewise.
        part: "training" or "validation".

    Raises:
        ValueError: names what is missing.
    """
    if (np.minimum(positives, negatives) > 0).any():
        return
    counts = f"{int(positives.sum())} positives and {int(negatives.sum())} negatives"
    if not positives.sum() + negatives.sum():
        raise ValueError(f"the {part} part has no labelled row: labels of 1 and 0 are needed")
    where = "no task of the" if len(positives) > 1 else "the"
    has = "has both classes" if len(positives) > 1 else "lacks a class"
    raise ValueError(f"{where} {part} part {has} ({counts}): labels of 1 and of 0 are needed")


class SeenLabels:
    """The labels of one epoch, batch by batch, of a loader that does not show its table."""

    def __init__(self) -> None:
        self._positives = self._negatives = np.zeros(0, dtype=np.int64)

    def add(self, y: Tensor) -> None:
        """Count a batch's labels (B,) or (B, T).

        Raises:
            ValueError: a label other than 1, 0 and -1.
        """
        table = y.reshape(y.shape[0], -1).to(torch.float32)
        positives, negatives, unknown = ((table == value).sum(dim=0) for value in (1, 0, -1))
        if int((positives + negatives + unknown).sum()) != table.numel():
            strange = table[(table != 1) & (table != 0) & (table != -1)][0]
            raise ValueError(f"a label of the training part is {strange.item()}: labels must be 1, 0 or -1 (unknown)")
        counted = torch.stack([positives, negatives]).cpu().numpy()
        if not self._positives.size:
            self._positives, self._negatives = counted
        else:
            self._positives, self._negatives = self._positives + counted[0], self._negatives + counted[1]

    def check(self) -> None:
        """Refuse them as `check_classes` does."""
        check_classes(self._positives, self._negatives, "training")


def _class_counts(labels: NDArray[Any] | SparseLabels, part: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positives and negatives of each task, (T,) each."""
    if isinstance(labels, SparseLabels):
        _check_values(labels.data, part)
        positives, unknown = (
            np.bincount(labels.indices[labels.data == value], minlength=labels.tasks) for value in (1, -1)
        )
        return positives, len(labels) - positives - unknown
    _check_values(labels, part)
    table = labels.reshape(len(labels), -1)
    return (table == 1).sum(axis=0), (table == 0).sum(axis=0)


def _check_values(labels: NDArray[Any], part: str) -> None:
    strange = (labels != 1) & (labels != 0) & (labels != -1)
    if strange.any():
        value = labels[strange][0]
        raise ValueError(f"a label of the {part} part is {value}: labels must be 1, 0 or -1 (unknown)")
