"""How a model is trained: one frozen table of numbers, checked when it is made."""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass
from typing import Literal

Schedule = Literal["cosine", "linear", "constant", "one_cycle"]
Optimizer = Literal["adamw", "sgd", "rmsprop"]
Precision = Literal["float32", "bfloat16", "auto"]

# One cycle, after L. N. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large
# learning rates" (2018), in the proportions that became usual: where the rise begins, and the share of steps it takes.
_CYCLE_BEGINS_AT = 1 / 25
_CYCLE_RISES_FOR = 0.3


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained. One budget in optimiser steps and one rule for stopping serve all models alike.

    Raises:
        ValueError: a number out of its range, or one that the optimiser has no use for.
    """

    batch_size: int = 64
    """Sequences in a batch; read by whoever makes the loaders."""
    max_epochs: int = 30
    """Passes over the training part at most."""
    max_steps: int | None = None
    """Optimiser steps at most; None: as many as the epochs hold."""
    max_seconds: float | None = None
    """Stop at the first step after this many seconds, evaluations included; None: no limit. The steps are the budget
    and this the emergency brake: where it acts, the outcome depends on how fast the machine was."""
    optimizer: Optimizer = "adamw"
    """AdamW (Loshchilov & Hutter 2019), stochastic gradient descent, or RMSprop (Tieleman & Hinton 2012)."""
    learning_rate: float = 1e-3
    """Highest learning rate, reached after the warm-up."""
    momentum: float = 0.0
    """Share of the last step that the next one keeps, of sgd and rmsprop; adamw has its own."""
    nesterov: bool = False
    """Take the gradient of sgd ahead of the momentum (Nesterov's way)."""
    smoothing: float | None = None
    """Share of the running mean of squared gradients that rmsprop keeps at each step; None: 0.99."""
    warmup: float = 0.05
    """Share of the budget, at most 200 steps, over which the learning rate rises linearly from nothing. A one-cycle
    schedule has its own rise instead."""
    schedule: Schedule = "cosine"
    """Course of the learning rate from the warm-up to the end of the budget. one_cycle (Smith & Topin 2018) rises from
    a twenty-fifth over the first 30 % of the budget and falls for the rest, both along half a cosine."""
    final_learning_rate: float = 0.01
    """Share of the highest learning rate that cosine, linear and one-cycle schedules end at."""
    weight_decay: float = 0.01
    """Weight decay, for weights only: biases and normalisation are left alone. Decoupled with adamw, with the others
    added to the gradient (L2)."""
    max_norm: float | None = None
    """Longest that the weights into one unit (a filter, a row of a matrix) may be after a step; None: any length."""
    clip_norm: float | None = 1.0
    """Largest norm of the gradient over all parameters; longer gradients are shortened to it. None: they are not."""
    precision: Precision = "float32"
    """Numbers of the forward and backward pass in training; weights and evaluations are float32 always. bfloat16 is
    torch's autocast; auto is that where it is known to be faster (`dnafast.train.resolve_precision`)."""
    evaluate_every: int | None = None
    """Steps between two looks at the validation part; None: after each epoch. There is always one at the end."""
    patience: int = 6
    """Stop after this many evaluations in a row without a lower validation log loss. They are counted only once the
    model has been better than chance: a slow starter may use the whole budget."""
    tolerance: float = 0.02
    """A run at a constant learning rate whose budget ended has converged if the last quarter of its steps brought less
    than this share of all that it gained in validation log loss over the best constant."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_epochs", "patience"):
            self._require(name, getattr(self, name) >= 1, "be at least 1")
        for name in ("max_steps", "evaluate_every"):
            value = getattr(self, name)
            self._require(name, value is None or value >= 1, "be None or at least 1")
        self._require("max_seconds", self.max_seconds is None or self.max_seconds > 0, "be None or above 0")
        self._require("learning_rate", 0 < self.learning_rate < math.inf, "be above 0 and finite")
        for name in ("clip_norm", "max_norm"):
            value = getattr(self, name)
            self._require(name, value is None or 0 < value < math.inf, "be None, or above 0 and finite")
        for name in ("warmup", "final_learning_rate", "tolerance"):
            self._require(name, 0 <= getattr(self, name) <= 1, "lie in [0, 1]")
        self._require("weight_decay", 0 <= self.weight_decay < math.inf, "be 0 or more and finite")
        self._require("momentum", 0 <= self.momentum < 1, "lie in [0, 1)")
        self._require("smoothing", self.smoothing is None or 0 < self.smoothing < 1, "be None or lie in (0, 1)")
        for name, choices in (("schedule", Schedule), ("optimizer", Optimizer), ("precision", Precision)):
            words = typing.get_args(choices)
            self._require(name, getattr(self, name) in words, f"be one of {', '.join(words)}")
        self._require("momentum", not self.momentum or self.optimizer != "adamw", "be 0 with adamw, which has its own")
        self._require("nesterov", not self.nesterov or self.momentum > 0, "be False where there is no momentum")
        self._require("nesterov", not self.nesterov or self.optimizer == "sgd", "be False but with sgd")
        self._require("smoothing", self.smoothing is None or self.optimizer == "rmsprop", "be None but with rmsprop")

    def _require(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise ValueError(f"{name}={getattr(self, name)!r} must {wanted}")

    def budget(self, steps_per_epoch: int) -> int:
        """Optimiser steps that a run may take."""
        steps = self.max_epochs * steps_per_epoch
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def learning_rate_at(self, step: int, budget: int) -> float:
        """Learning rate of a step, counted from 0, in a run of this budget."""
        one_cycle = self.schedule == "one_cycle"
        rising_steps = round(_CYCLE_RISES_FOR * budget) if one_cycle else min(200, round(self.warmup * budget))
        if step < rising_steps:
            if one_cycle:
                return self.learning_rate * _eased(_CYCLE_BEGINS_AT, 1.0, step / rising_steps)
            return self.learning_rate * (step + 1) / (rising_steps + 1)
        if self.schedule == "constant":
            return self.learning_rate
        progress = (step - rising_steps) / max(1, budget - rising_steps)
        if self.schedule == "linear":
            return self.learning_rate * (1 + (self.final_learning_rate - 1) * progress)
        return self.learning_rate * _eased(1.0, self.final_learning_rate, progress)


def _eased(begin: float, end: float, progress: float) -> float:
    """From one number to the other along half a cosine."""
    return end + (begin - end) * (1 + math.cos(math.pi * progress)) / 2
