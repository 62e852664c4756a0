"""One training loop for every model: the same batches, the same budget, the same rules for stopping.

Shape letters: n rows of the validation part, T tasks, B rows of a batch.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from dnafast import evaluate
from dnafast.metrics import at_chance, constant_log_loss, mean_auroc

TrainingState = Literal["converged", "budget_ended", "at_chance"]

# Losses stay on the device for this many steps before they are looked at: a look makes a GPU wait.
_STEPS_PER_LOOK = 16


class Batches(Protocol):
    """What is asked of a loader: an epoch that can be chosen, of known length, with ``x``, ``y`` and ``index``."""

    def __iter__(self) -> Iterator[Any]:
        """Batches of one epoch."""

    def __len__(self) -> int:
        """Batches an epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration runs."""


class Meter(Protocol):
    """What is asked of a meter: a context manager around each phase."""

    def phase(self, name: str, scope: str = "model") -> contextlib.AbstractContextManager[object]:
        """Time what runs inside under this name; the scope is "model" or "data"."""


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


class DivergedError(ArithmeticError):
    """The loss is no number any more; ``step`` says since when."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"the {what} is no finite number at step {step}: try a lower learning rate")
        self.step = step


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained. One budget in optimiser steps and one rule for stopping serve all models alike."""

    batch_size: int = 64
    """Sequences in a batch; read by whoever makes the loaders."""
    max_epochs: int = 30
    """Passes over the training part at most."""
    max_steps: int | None = None
    """Optimiser steps at most; None: as many as the epochs hold."""
    max_seconds: float | None = None
    """Stop at the first step after this many seconds, evaluations included; None: no limit. The steps are the budget
    and this the emergency brake: where it acts, the outcome depends on how fast the machine was."""
    learning_rate: float = 1e-3
    """Highest learning rate, reached after the warm-up."""
    warmup: float = 0.05
    """Share of the budget, at most 200 steps, over which the learning rate rises linearly from nothing."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Course of the learning rate from the warm-up to the end of the budget."""
    final_learning_rate: float = 0.01
    """Share of the highest learning rate that cosine and linear schedules end at."""
    weight_decay: float = 0.01
    """Decoupled weight decay of AdamW, for weights only: biases and normalisation are left alone."""
    clip_norm: float = 1.0
    """Largest norm of the gradient over all parameters; longer gradients are shortened to it."""
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
        for name in ("learning_rate", "clip_norm"):
            self._require(name, 0 < getattr(self, name) < math.inf, "be above 0 and finite")
        for name in ("warmup", "final_learning_rate", "tolerance"):
            self._require(name, 0 <= getattr(self, name) <= 1, "lie in [0, 1]")
        self._require("weight_decay", 0 <= self.weight_decay < math.inf, "be 0 or more and finite")
        schedules = ("cosine", "linear", "constant")
        self._require("schedule", self.schedule in schedules, f"be one of {', '.join(schedules)}")

    def _require(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise ValueError(f"{name}={getattr(self, name)!r} must {wanted}")

    def budget(self, steps_per_epoch: int) -> int:
        """Optimiser steps that a run may take."""
        steps = self.max_epochs * steps_per_epoch
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def learning_rate_at(self, step: int, budget: int) -> float:
        """Learning rate of a step, counted from 0, in a run of this budget."""
        warmup_steps = min(200, round(self.warmup * budget))
        if step < warmup_steps:
            return self.learning_rate * (step + 1) / (warmup_steps + 1)
        if self.schedule == "constant":
            return self.learning_rate
        progress = (step - warmup_steps) / max(1, budget - warmup_steps)
        falling = (1 + math.cos(math.pi * progress)) / 2 if self.schedule == "cosine" else 1 - progress
        return self.learning_rate * (self.final_learning_rate + (1 - self.final_learning_rate) * falling)


class TrainResult(NamedTuple):
    """How a run went; the model itself holds the weights of the best evaluation."""

    history: list[dict[str, Any]]
    """One row an evaluation: epoch, step, train_loss (mean since the last one), valid_loss, valid_auroc (mean over
    tasks), learning_rate (of the last step), seconds (since the start)."""
    training_state: TrainingState
    best_epoch: int
    """Epoch, from 1, that the weights are of."""
    best_step: int
    """Optimiser steps that the weights had seen."""
    epochs: int
    """Epochs begun."""
    steps: int
    """Optimiser steps taken."""
    sequences: int
    """Sequences trained on, repeats counted."""
    seconds: float
    """Wall time of it all."""
    evaluation_seconds: float
    """Wall time of the looks at the validation part, a share of ``seconds``."""
    data_wait_seconds: float
    """Wall time in which the training loop waited for its next batch, a share of ``seconds``."""


def train(
    model: nn.Module,
    train_loader: Batches,
    valid_loaders: Sequence[Batches],
    config: TrainConfig,
    *,
    device: str | torch.device = "cpu",
    seed: int,
    meter: Meter | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> TrainResult:
    """Train a model in place with AdamW; it ends on the device, in evaluation mode, with the weights of the best epoch.

    The loss is the binary cross-entropy of the logits, averaged over the labelled cells of a batch; labels of -1 count
    nowhere. The best evaluation is that of the lowest validation log loss. The same seed, batches, threads and machine
    give the same weights bit for bit on the CPU; some CUDA kernels add in any order. The global random state is put
    back.

    ``training_state`` is

    - ``at_chance`` if even the best weights predict the validation part no better than chance
      (`dnafast.metrics.at_chance`: neither its log loss nor its AUROC by three standard errors), be it that the model
      learnt nothing or that the part is too small to show it;
    - else ``converged`` if patience ended the run; or, where the learning rate stays constant, if in the last quarter
      of the steps taken the lowest validation log loss fell by at most ``config.tolerance`` of (log loss of the best
      constant - lowest validation log loss); or, where it falls, if that lowest loss came before the last quarter;
    - else ``budget_ended``.

    Args:
        model: gives logits (B, T) for the batches' ``x``.
        train_loader: epoch e (from 0) is iterated after ``set_epoch(e)``.
        valid_loaders: views of the validation part as `dnafast.evaluate.score` takes them.
        config: the rules.
        device: where to train.
        seed: of the model's own draws (dropout); the loader's are its own.
        meter: phases data_wait (scope "data"), transfer, forward, backward, optimizer and evaluation, never nested.
        progress: called every few steps and after each evaluation.

    Raises:
        ValueError: no batch to train on, or no labelled row to validate on.
        DivergedError: the loss of a step, or of the validation part, is NaN or infinite.
    """
    device = torch.device(device)
    if len(train_loader) < 1:
        raise ValueError("train_loader has no batch to train on")
    with _seeded(seed, device):
        run = _Run(model.to(device), valid_loaders, config, device, len(train_loader), meter or _Unmetered(), progress)
        return run.through(train_loader)


class _Run:
    """The state of one training run."""

    def __init__(
        self,
        model: nn.Module,
        valid_loaders: Sequence[Batches],
        config: TrainConfig,
        device: torch.device,
        steps_per_epoch: int,
        meter: Meter,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.model = model
        self.valid_loaders = valid_loaders
        self.config = config
        self.device = device
        self.meter = meter
        self.progress = progress
        self.budget = config.budget(steps_per_epoch)
        self.evaluate_every = config.evaluate_every or steps_per_epoch
        self.optimizer = _optimizer(model, config, device)
        self.step = self.epoch = self.sequences = 0
        self.losses = _Losses()
        self.history: list[dict[str, Any]] = []
        self.best = _Best()
        self.evaluation_seconds = self.data_wait_seconds = 0.0
        self.started = time.perf_counter()

    def through(self, train_loader: Batches) -> TrainResult:
        """Train until the budget, the time or the patience ends."""
        self.model.train()
        ended = False
        for epoch in itertools.count():
            self.epoch = epoch + 1
            train_loader.set_epoch(epoch)
            batches = iter(train_loader)
            steps_before = self.step
            while not ended and (batch := self._next(batches)) is not None:
                self._advance(batch)
                out_of_time = self.config.max_seconds is not None and self._seconds() >= self.config.max_seconds
                ended = self.step == self.budget or out_of_time
                if ended or self.step % self.evaluate_every == 0:
                    self._evaluate()
                    ended = ended or self._out_of_patience()
                elif self.step % _STEPS_PER_LOOK == 0:
                    self._report(self.losses.look())
            if ended:
                break
            if self.step == steps_before:
                raise ValueError(f"train_loader gave no batch in epoch {epoch}")
        self.best.restore(self.model)
        self.model.eval()
        return TrainResult(
            history=self.history,
            training_state=self._state(),
            best_epoch=self.best.epoch,
            best_step=self.best.step,
            epochs=self.epoch,
            steps=self.step,
            sequences=self.sequences,
            seconds=self._seconds(),
            evaluation_seconds=self.evaluation_seconds,
            data_wait_seconds=self.data_wait_seconds,
        )

    def _next(self, batches: Iterator[Any]) -> Any:
        before = time.perf_counter()
        with self.meter.phase("data_wait", "data"):
            batch = next(batches, None)
        self.data_wait_seconds += time.perf_counter() - before
        return batch

    def _advance(self, batch: Any) -> None:
        """One optimiser step."""
        with self.meter.phase("transfer"):
            x = batch.x.to(self.device, non_blocking=True)
            y = evaluate.label_table(batch.y, self.device)
        with self.meter.phase("forward"):
            loss = masked_loss(self.model(x), y)
        with self.meter.phase("backward"):
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
        with self.meter.phase("optimizer"):
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.learning_rate_at(self.step, self.budget)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
            self.optimizer.step()
        self.step += 1
        self.sequences += y.shape[0]
        self.losses.add(loss.detach())

    def _evaluate(self) -> None:
        """Look at the validation part, and keep the weights if they are the best so far."""
        # First, so that a diverged run names the step it happened at rather than this one.
        recent_loss = self.losses.look()
        before = time.perf_counter()
        with self.meter.phase("evaluation"):
            scores = evaluate.score(self.model, self.valid_loaders, self.device)
            if not (scores.labels >= 0).any():
                raise ValueError("valid_loaders have no labelled row, and the validation part chooses the weights")
            loss = scores.log_loss
            if not math.isfinite(loss):
                raise DivergedError(self.step, "validation log loss")
            self.best.consider(loss, scores, self.step, self.epoch, self.model)
            row = {
                "epoch": self.epoch,
                "step": self.step,
                "train_loss": self.losses.mean_since_last_evaluation(),
                "valid_loss": loss,
                "valid_auroc": mean_auroc(scores.labels, scores.logits),
                "learning_rate": self.optimizer.param_groups[0]["lr"],
            }
        self.evaluation_seconds += time.perf_counter() - before
        self.history.append({**row, "seconds": self._seconds()})
        self._report(recent_loss, self.history[-1])

    def _report(self, recent_loss: float, evaluation: dict[str, Any] | None = None) -> None:
        if self.progress is not None:
            self.progress(Progress(self.step, self.budget, self.epoch, recent_loss, evaluation))

    def _out_of_patience(self) -> bool:
        return self.best.evaluations_since >= self.config.patience

    def _state(self) -> TrainingState:
        if self.best.at_chance:
            return "at_chance"
        if self._out_of_patience() or self._levelled_off():
            return "converged"
        return "budget_ended"

    def _levelled_off(self) -> bool:
        if self.config.schedule != "constant":
            # Every loss levels off where the learning rate goes to nothing; that it got worse again is a sign.
            return self.best.step <= 0.75 * self.step
        before = [row["valid_loss"] for row in self.history if row["step"] <= 0.75 * self.step]
        if not before:
            return False
        gained = max(0.0, self.best.constant_loss - self.best.loss)
        return min(before) - self.best.loss <= self.config.tolerance * gained

    def _seconds(self) -> float:
        return time.perf_counter() - self.started


class _Best:
    """The evaluation with the lowest validation log loss, and a copy of its weights."""

    def __init__(self) -> None:
        self.loss = math.inf
        self.constant_loss = math.nan
        self.step = self.epoch = self.evaluations_since = 0
        self.at_chance = True
        self._weights: dict[str, Tensor] = {}

    def consider(self, loss: float, scores: evaluate.Scores, step: int, epoch: int, model: nn.Module) -> None:
        if loss >= self.loss:
            # Patience starts with the first sign of life, so evaluations at chance are not counted.
            self.evaluations_since += not self.at_chance
            return
        self.loss, self.step, self.epoch, self.evaluations_since = loss, step, epoch, 0
        self.at_chance = at_chance(scores.labels, scores.probabilities)
        self.constant_loss = constant_log_loss(scores.labels)
        self._weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def restore(self, model: nn.Module) -> None:
        model.load_state_dict(self._weights)


class _Losses:
    """Losses of the steps: left on the device, and looked at now and then."""

    def __init__(self) -> None:
        self._unseen: list[Tensor] = []
        self._steps_seen = 0
        self._since_last_evaluation: list[float] = []

    def add(self, loss: Tensor) -> None:
        self._unseen.append(loss)

    def look(self) -> float:
        """Mean of the steps since the last look, NaN where there are none.

        Raises:
            DivergedError: one of them is NaN or infinite.
        """
        if not self._unseen:
            return math.nan
        values = torch.stack(self._unseen).tolist()
        for number, value in enumerate(values, start=self._steps_seen + 1):
            if not math.isfinite(value):
                raise DivergedError(number, "training loss")
        self._steps_seen += len(values)
        self._unseen.clear()
        self._since_last_evaluation += values
        return float(np.mean(values))

    def mean_since_last_evaluation(self) -> float:
        """Mean of the losses looked at since the last call."""
        mean = float(np.mean(self._since_last_evaluation))
        self._since_last_evaluation.clear()
        return mean


class _Unmetered:
    """The meter of those who want none."""

    def phase(self, name: str, scope: str = "model") -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext()


def masked_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross-entropy over the labelled cells, 0 where there is none.

    Args:
        logits: (B, T).
        labels: (B, T) of 1, 0 and -1, floating point.

    Raises:
        ValueError: the shapes differ.
    """
    if logits.shape != labels.shape:
        raise ValueError(
            f"the model gives logits of shape {tuple(logits.shape)} for labels of shape {tuple(labels.shape)}"
        )
    known = (labels >= 0).to(logits.dtype)
    total = nn.functional.binary_cross_entropy_with_logits(logits, labels.clamp(min=0), weight=known, reduction="sum")
    return total / known.sum().clamp(min=1)


def _optimizer(model: nn.Module, config: TrainConfig, device: torch.device) -> torch.optim.AdamW:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    # One pass over memory in place of ten: measured 3.3 against 32 ms a step for 5 million parameters on one core.
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=device.type in ("cpu", "cuda"))


@contextlib.contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside, and put its random state back afterwards."""
    devices = []
    if device.type == "cuda":
        devices.append(torch.cuda.current_device() if device.index is None else device.index)
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
