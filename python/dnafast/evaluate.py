"""What a model says about a part of the data, in row order, and its weights on disk.

Shape letters: n rows of the window table, T tasks, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn

from dnafast.records import write_bytes


class Scores(NamedTuple):
    """Labels and logits of every row, in row order."""

    labels: NDArray[np.int8]
    """(n, T) of 1, 0 and -1."""
    logits: NDArray[np.float64]
    """(n, T), averaged over the loaders."""

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, T) probabilities of class 1."""
        return torch.sigmoid(torch.from_numpy(self.logits)).numpy()

    @property
    def log_loss(self) -> float:
        """Mean log loss over the labelled cells in nats, from the logits: exact however sure the model is.

        NaN where no cell is labelled, or where a logit is no finite number.
        """
        known = self.labels >= 0
        logits, labels = self.logits[known], self.labels[known]
        if logits.size == 0 or not np.isfinite(logits).all():
            return float("nan")
        return float(np.mean(np.logaddexp(0, logits) - labels * logits))


def score(model: nn.Module, loaders: Sequence[Iterable[Any]], device: str | torch.device = "cpu") -> Scores:
    """Run a model over every row once per loader.

    Several loaders are several views of the same rows, such as the forward and the reverse strand: their logits are
    averaged, which is an average of log odds. The model is in evaluation mode meanwhile and as it was afterwards.

    Args:
        model: gives logits (B, T) for the batches' ``x``.
        loaders: each yields batches with ``x``, ``y`` ((B,) or (B, T) of 1, 0, -1) and ``index``, and covers every row
            exactly once (``drop_last=False``, one rank); the order does not matter.
        device: where the model is.

    Raises:
        ValueError: no loader, no row, a row missing or seen twice, a label other than 1, 0 and -1, or logits and labels
            of different shape.
    """
    if not loaders:
        raise ValueError("loaders is empty and must hold at least one loader")
    was_training = model.training
    model.eval()
    try:
        views = [_score_once(model, loader, torch.device(device)) for loader in loaders]
    finally:
        model.train(was_training)
    labels = views[0].labels
    for view in views[1:]:
        if not np.array_equal(view.labels, labels):
            raise ValueError("the loaders carry different labels and must show the same rows of the same table")
    return Scores(labels, np.mean([view.logits for view in views], axis=0))


def predict(
    model: nn.Module, loaders: Sequence[Iterable[Any]], device: str | torch.device = "cpu"
) -> NDArray[np.float64]:
    """Probabilities (n, T) of class 1 in row order; `score` without the labels."""
    return score(model, loaders, device).probabilities


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write the model's parameters and buffers as safetensors: the file is whole or absent, and holds no code."""
    # Copies, because safetensors refuses tensors that share memory, and tied weights do.
    state = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(path, safetensors.torch.save(state))


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Fill a model with weights that `save_weights` wrote; the model is untouched where they do not fit.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no safetensors file, or its names, shapes or types are not the model's.
    """
    try:
        stored = safetensors.torch.load(Path(path).read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from error
    state = model.state_dict()
    problems = [f"lacks {name}" for name in state if name not in stored]
    problems += [f"has {name}, which the model lacks" for name in stored if name not in state]
    for name in state:
        if name not in stored:
            continue
        wanted, found = state[name], stored[name]
        if wanted.shape != found.shape or wanted.dtype != found.dtype:
            problems.append(
                f"has {name} as {found.dtype} {tuple(found.shape)} where the model has "
                f"{wanted.dtype} {tuple(wanted.shape)}"
            )
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ValueError(f"{path} does not fit {type(model).__name__}: it {problems[0]}{more}")
    model.load_state_dict(stored)


def label_table(y: Tensor, device: torch.device) -> Tensor:
    """Labels (B,) or (B, T) of any type as float32 (B, T) on the device."""
    return y.reshape(y.shape[0], -1).to(device, torch.float32, non_blocking=True)


@torch.inference_mode()
def _score_once(model: nn.Module, loader: Iterable[Any], device: torch.device) -> Scores:
    logits, labels, index = [], [], []
    for batch in loader:
        logits.append(model(batch.x.to(device, non_blocking=True)))
        labels.append(batch.y.reshape(batch.y.shape[0], -1).clone())  # copies: a loader may use its buffers again
        index.append(batch.index.clone())
    if not index:
        raise ValueError("a loader has no batch to score")
    rows = torch.cat(index).cpu().numpy()
    n = rows.size
    if not np.array_equal(np.sort(rows), np.arange(n)):
        raise ValueError(f"a loader gave {n} rows that are not 0 to {n - 1} once each: it must cover its whole table")
    # Nothing is fetched from the device before this line, so that it never waits for the host.
    logits_of_batches = torch.cat(logits).to(torch.float64).cpu().numpy()
    labels_of_batches = _label_bytes(torch.cat(labels).cpu().numpy())
    if logits_of_batches.shape != labels_of_batches.shape:
        raise ValueError(
            f"the model gives logits of shape {logits_of_batches.shape} for labels of shape {labels_of_batches.shape}"
        )
    ordered = Scores(np.empty_like(labels_of_batches), np.empty_like(logits_of_batches))
    ordered.labels[rows] = labels_of_batches
    ordered.logits[rows] = logits_of_batches
    return ordered


def _label_bytes(labels: NDArray[Any]) -> NDArray[np.int8]:
    """Labels of any type as int8.

    Raises:
        ValueError: one is none of 1, 0 and -1.
    """
    strange = (labels != 1) & (labels != 0) & (labels != -1)
    if strange.any():
        raise ValueError(f"a loader gave the label {labels[strange][0]}: labels must be 1, 0 or -1 (unknown)")
    return labels.astype(np.int8)
