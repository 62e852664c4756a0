"""The training loop: steps, looks at the validation part, rules for stopping, a state that can be taken up again."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from dnafast import evaluate
from dnafast.metrics import mean_auroc
from dnafast.train.checkpoint import CheckpointFile, fingerprint, versions
from dnafast.train.config import TrainConfig
from dnafast.train.data import SeenLabels, check_classes, check_loaders
from dnafast.train.errors import DivergedError, OutOfMemoryError, is_out_of_memory
from dnafast.train.loss import masked_loss
from dnafast.train.optimizer import bound_weights, make_optimizer
from dnafast.train.precision import resolve_precision
from dnafast.train.progress import Best, Progress, Steps
from dnafast.train.stream import Stream, random_state, set_random_state

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


class TrainResult(NamedTuple):
    """How a run went; the model itself holds the weights of the best evaluation."""

    history: list[dict[str, Any]]
    """One row an evaluation: epoch, step, train_loss (mean since the last one), valid_loss, valid_auroc (mean over
    tasks), learning_rate (of the last step), gradient_norm and mean_gradient_norm (the largest and the mean since the
    last evaluation, before clipping), seconds (since the start)."""
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
    """Wall time of it all; of a run that was taken up again, that of its parts."""
    evaluation_seconds: float
    """Wall time of the looks at the validation part, a share of ``seconds``."""
    data_wait_seconds: float
    """Wall time in which the training loop waited for its next batch, a share of ``seconds``."""
    precision: str
    """Numbers of the forward and backward pass: float32 or bfloat16."""
    resumed_at: int
    """Step of the checkpoint that this call went on from, 0 where there was none: a meter saw the steps after it."""


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
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    data_checksum: str = "",
) -> TrainResult:
    """Train a model in place; it ends on the device, in evaluation mode, with the weights of the best epoch.

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

    With a ``checkpoint``, a run that was killed goes on where the file was written, and ends with the weights and the
    history (but for its seconds) of one that was not. The file stays at the end: the caller removes it
    (``checkpoint.unlink(missing_ok=True)``) once it has recorded the result.

    Args:
        model: gives logits (B, T) for the batches' ``x``.
        train_loader: epoch e (from 0) is iterated after ``set_epoch(e)``. To go on in mid-epoch its ``state_dict`` (of
            plain values) is loaded again where it has one, as `dnafast.Loader` does; else batches are passed over.
        valid_loaders: views of the validation part as `dnafast.evaluate.score` takes them.
        config: the rules.
        device: where to train.
        seed: of the model's own draws (dropout); the loader's are its own.
        meter: phases data_wait (scope "data"), transfer, forward, backward, optimizer, evaluation and checkpoint, never
            nested.
        progress: called every few steps and after each evaluation.
        checkpoint: file for the state of the run; None: none is kept.
        checkpoint_seconds: wall time between two writes; more where a write takes above a twentieth of it.
        data_checksum: of the data, such as `dnafast.records.checksum`, so that a checkpoint of other data is known.

    Raises:
        ValueError: no batch to train on, a label other than 1, 0 and -1, a class missing in training or validation, a
            batch size above the number of training sequences, or a checkpoint of another model, configuration, seed,
            data or version.
        DivergedError: the loss of a step, or of the validation part, is NaN or infinite.
        OutOfMemoryError: the memory of the machine or the GPU does not suffice; says which batch size to try.
    """
    device = torch.device(device)
    if len(train_loader) < 1:
        raise ValueError("train_loader has no batch to train on")
    check_loaders(train_loader, valid_loaders)
    run = _Run(model, train_loader, valid_loaders, config, device, meter or _Unmetered(), progress)
    if checkpoint is not None:
        identity = {
            "model": fingerprint(model),
            "train": config,
            "seed": seed,
            "data": data_checksum,
            "batches": [len(train_loader), *(len(loader) for loader in valid_loaders)],
            "device": device.type,
            "precision": run.precision,
            "versions": versions(),
        }
        run.checkpoint = CheckpointFile(Path(checkpoint), checkpoint_seconds, identity)
    with _seeded(seed, device):
        return run.through()


class _Run:
    """The state of one training run."""

    checkpoint: CheckpointFile | None = None

    def __init__(
        self,
        model: nn.Module,
        train_loader: Batches,
        valid_loaders: Sequence[Batches],
        config: TrainConfig,
        device: torch.device,
        meter: Meter,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.model = model
        self.valid_loaders = valid_loaders
        self.config = config
        self.device = device
        self.meter = meter
        self.progress = progress
        self.budget = config.budget(len(train_loader))
        self.evaluate_every = config.evaluate_every or len(train_loader)
        self.precision = resolve_precision(model, config, device)
        self.stream = Stream(train_loader, device)
        self.step = self.sequences = self.resumed_at = 0
        self.steps = Steps()
        self.history: list[dict[str, Any]] = []
        self.best = Best()
        self.seen_labels = None if hasattr(train_loader, "labels") else SeenLabels()
        self.evaluation_seconds = self.data_wait_seconds = 0.0
        self.started = time.perf_counter()
        self.doing, self.rows = "moving the model to the device", config.batch_size

    def through(self) -> TrainResult:
        """Train until the budget, the time or the patience ends."""
        try:
            self._begin()
            self._loop()
            self.best.restore(self.model)
        except DivergedError as error:
            error.history = self.history
            raise
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemoryError(self.doing, self.rows) from error
        self.model.eval()
        return TrainResult(
            history=self.history,
            training_state=self._state(),
            best_epoch=self.best.epoch,
            best_step=self.best.step,
            epochs=self.stream.epoch,
            steps=self.step,
            sequences=self.sequences,
            seconds=self._seconds(),
            evaluation_seconds=self.evaluation_seconds,
            data_wait_seconds=self.data_wait_seconds,
            precision=self.precision,
            resumed_at=self.resumed_at,
        )

    def _begin(self) -> None:
        self.model.to(self.device).train()
        self.trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = make_optimizer(self.model, self.config, self.device)
        state = self.checkpoint.load() if self.checkpoint else None
        if state is not None:
            self.load_state_dict(state)

    def _loop(self) -> None:
        ended = False
        for batches in self.stream.epochs():
            while not ended and (batch := self._next(batches)) is not None:
                self._advance(batch)
                out_of_time = self.config.max_seconds is not None and self._seconds() >= self.config.max_seconds
                ended = self.step == self.budget or out_of_time
                if ended or self.step % self.evaluate_every == 0:
                    self._evaluate()
                    ended = ended or self._out_of_patience()
                elif self.step % _STEPS_PER_LOOK == 0:
                    self._report(self.steps.look())
                if self.checkpoint and not ended and self.checkpoint.is_due():
                    self._save()
            if self.seen_labels and self.stream.ended:
                self.seen_labels.check()
                self.seen_labels = None
            if ended:
                return

    def _next(self, batches: Iterator[Any]) -> Any:
        before = time.perf_counter()
        with self.meter.phase("data_wait", "data"):
            batch = next(batches, None)
        self.data_wait_seconds += time.perf_counter() - before
        return batch

    def _advance(self, batch: Any) -> None:
        """One optimiser step."""
        self.doing, self.rows = "training", len(batch.x)
        with self.meter.phase("transfer"):
            x = batch.x.to(self.device, non_blocking=True)
            y = evaluate.label_table(batch.y, self.device)
            if self.seen_labels:
                self.seen_labels.add(y)
        with self.meter.phase("forward"):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
                logits = self.model(x)
            loss = masked_loss(logits.float() if self.precision == "bfloat16" else logits, y)
        with self.meter.phase("backward"):
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
        with self.meter.phase("optimizer"):
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.learning_rate_at(self.step, self.budget)
            gradient_norm = self._clip()
            self.optimizer.step()
            if self.config.max_norm is not None:
                bound_weights(self.trained, self.config.max_norm)
        self.step += 1
        self.sequences += y.shape[0]
        self.steps.add(loss.detach(), gradient_norm)

    def _clip(self) -> Tensor:
        """Shorten the gradient, if it is to be; its norm before."""
        if self.config.clip_norm is not None:
            return nn.utils.clip_grad_norm_(self.trained, self.config.clip_norm)
        return nn.utils.get_total_norm([one.grad for one in self.trained if one.grad is not None])

    def _evaluate(self) -> None:
        """Look at the validation part, and keep the weights if they are the best so far."""
        # First, so that a diverged run names the step it happened at rather than this one.
        recent_loss = self.steps.look()
        before = time.perf_counter()
        self.doing = "scoring the validation part"
        self.rows = max([getattr(loader, "batch_size", self.rows) for loader in self.valid_loaders], default=1)
        with self.meter.phase("evaluation"):
            scores = evaluate.score(self.model, self.valid_loaders, self.device)
            if not self.history:
                check_classes((scores.labels == 1).sum(axis=0), (scores.labels == 0).sum(axis=0), "validation")
            loss = scores.log_loss
            if not math.isfinite(loss):
                raise DivergedError(self.step, "validation log loss")
            epoch = self.stream.epoch
            self.best.consider(loss, scores, self.step, epoch, self.model)
            since = self.steps.since_last_evaluation()
            row = {
                "epoch": epoch,
                "step": self.step,
                "train_loss": since["train_loss"],
                "valid_loss": loss,
                "valid_auroc": float(mean_auroc(scores.labels, scores.logits)),
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "gradient_norm": since["gradient_norm"],
                "mean_gradient_norm": since["mean_gradient_norm"],
            }
        self.evaluation_seconds += time.perf_counter() - before
        self.history.append({**row, "seconds": self._seconds()})
        self._report(recent_loss, self.history[-1])

    def _report(self, recent_loss: float, evaluation: dict[str, Any] | None = None) -> None:
        if self.progress is not None:
            self.progress(Progress(self.step, self.budget, self.stream.epoch, recent_loss, evaluation))

    def _save(self) -> None:
        assert self.checkpoint, "asked only where there is one"
        self.steps.look()
        with self.meter.phase("checkpoint"):
            self.checkpoint.save(self.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on, in plain values and tensors."""
        return {
            "counts": {name: getattr(self, name) for name in _COUNTS},
            "seconds": self._seconds(),
            "history": self.history,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best.state_dict(),
            "steps": self.steps.state_dict(),
            "stream": self.stream.state_dict(),
            "random": random_state(self.device),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        Raises:
            ValueError: the loader has another stream.
        """
        self.stream.load_state_dict(state["stream"])
        for name in _COUNTS:
            setattr(self, name, state["counts"][name])
        self.resumed_at = self.step
        self.started -= state["seconds"]
        self.history = state["history"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best.load_state_dict(state["best"])
        self.steps.load_state_dict(state["steps"])
        self.seen_labels = None
        set_random_state(state["random"], self.device)

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


# Numbers of a run that are kept as they are.
_COUNTS = ("step", "sequences", "evaluation_seconds", "data_wait_seconds")


class _Unmetered:
    """The meter of those who want none."""

    def phase(self, name: str, scope: str = "model") -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext()


@contextlib.contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside, and put its random state back afterwards."""
    devices = []
    if device.type == "cuda":
        devices.append(torch.cuda.current_device() if device.index is None else device.index)
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
