"""How a run is going: the losses of its steps, its best evaluation, what a callback is told."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dnafast.evaluate import Scores
from dnafast.metrics import at_chance, constant_log_loss
from dnafast.train.errors import DivergedError


class Progress(NamedTuple):
    """What the progress callback is told."""

    step: int
    """Optimiser steps done."""
    budget: int
    """Optimiser steps at most."""
    epoch: int
    """Epoch under way, from 1."""
    train_loss: float
    """Mean over the steps since the last call."""
    evaluation: dict[str, Any] | None
    """The newest row of the history where an evaluation has just been made, else None."""


class Steps:
    """Losses and gradient norms of the steps: left on the device, and looked at now and then."""

    def __init__(self) -> None:
        self._unseen: list[tuple[Tensor, Tensor]] = []
        self._seen = 0
        self._losses: list[float] = []  # since the last evaluation, as are the norms
        self._norms: list[float] = []

    def add(self, loss: Tensor, gradient_norm: Tensor) -> None:
        """One step's loss and the norm of its gradient before it was clipped."""
        self._unseen.append((loss, gradient_norm))

    def look(self) -> float:
        """Mean loss of the steps since the last look, NaN where there are none.

        Raises:
            DivergedError: one of them is NaN or infinite.
        """
        if not self._unseen:
            return math.nan
        losses, norms = (torch.stack(column).tolist() for column in zip(*self._unseen, strict=True))
        for number, value in enumerate(losses, start=self._seen + 1):
            if not math.isfinite(value):
                raise DivergedError(number, "training loss")
        self._seen += len(losses)
        self._unseen.clear()
        self._losses += losses
        self._norms += norms
        return float(np.mean(losses))

    def since_last_evaluation(self) -> dict[str, float]:
        """Columns of the history about the steps looked at since the last call."""
        columns = {
            "train_loss": float(np.mean(self._losses)),
            "gradient_norm": float(np.max(self._norms)),
            "mean_gradient_norm": float(np.mean(self._norms)),
        }
        self._losses.clear()
        self._norms.clear()
        return columns

    def state_dict(self) -> dict[str, Any]:
        """All of it in plain values; call `look` before."""
        return {"seen": self._seen, "losses": list(self._losses), "norms": list(self._norms)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._seen, self._losses, self._norms = state["seen"], list(state["losses"]), list(state["norms"])


class Best:
    """The evaluation with the lowest validation log loss, and a copy of its weights."""

    def __init__(self) -> None:
        self.loss = math.inf
        self.constant_loss = math.nan
        self.step = self.epoch = self.evaluations_since = 0
        self.at_chance = True
        self.weights: dict[str, Tensor] = {}

    def consider(self, loss: float, scores: Scores, step: int, epoch: int, model: nn.Module) -> None:
        """Keep the weights of this evaluation if its loss is the lowest so far."""
        if loss >= self.loss:
            # Patience starts with the first sign of life, so evaluations at chance are not counted.
            self.evaluations_since += not self.at_chance
            return
        self.loss, self.step, self.epoch, self.evaluations_since = loss, step, epoch, 0
        self.at_chance = at_chance(scores.labels, scores.probabilities)
        self.constant_loss = float(constant_log_loss(scores.labels))
        self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def restore(self, model: nn.Module) -> None:
        """Give the model the weights of the best evaluation."""
        model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """All of it, in plain values and tensors."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        vars(self).update(state)
