"""The networks that are taken apart: PromoterLSTM with its parts exchanged, and training one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dnafast import evaluate
from dnafast.metrics import classification_metrics
from dnafast.models import PromoterLSTM
from dnafast.models.config import Pooling
from dnafast.models.layers import AttentionPooling
from dnafast.models.promoter_lstm import Cell, Direction, PromoterLSTMConfig, Start
from dnafast.probe.config import ProbeConfig
from dnafast.probe.parts import SCORING_BATCH, Parts, Sequences
from dnafast.train import DivergedError, Progress, TrainConfig, train

Row = dict[str, Any]

DIVERGED_AUROC = 0.5
"""What a run counts that ends without a finite loss: nobody could use its network."""


@dataclass(frozen=True)
class Treatment:
    """How one network is built and trained; as it stands, the one that the second work of design section 1 arrived at.

    Attributes:
        cell: what recurs, or none.
        pooling: how the states of all positions become one vector.
        convolution: whether the recurrent layer reads a convolution or the bases.
        clipping: whether long gradients are shortened.
        direction: from which end the sequence is read.
        start: of the recurrent weights: "keras" has an orthogonal recurrence, "torch" is uniform within 1 / √hidden.
        layer_norm: whether the recurrent states are normalised before pooling.
        rate: the learning rate, in multiples of the configuration's.
    """

    cell: Cell = "lstm"
    pooling: Pooling = "attention"
    convolution: bool = True
    clipping: bool = True
    direction: Direction = "forward"
    start: Start = "keras"
    layer_norm: bool = True
    rate: int = 1

    @property
    def id(self) -> str:
        """A name for folders, such as ``rnn-last-noconv-noclip``; what is as usual is left unsaid."""
        words = [self.cell, self.pooling, "conv" if self.convolution else "noconv"]
        words.append("clip" if self.clipping else "noclip")
        words += [word for word in (self.direction, self.start) if word in ("backward", "torch")]
        words += [] if self.layer_norm else ["nonorm"]
        return "-".join([*words, *([] if self.rate == 1 else [f"rate{self.rate}"])])

    def row(self) -> Row:
        """Its columns in the tables."""
        return asdict(self)

    def build(self, hidden_dim: int, seed: int, dropout: float = PromoterLSTMConfig.dropout) -> PromoterLSTM:
        """The network with the fresh weights of a seed; torch's random state is put back."""
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            return PromoterLSTM(
                hidden_dim=hidden_dim,
                num_layers=1,
                bidirectional=False,
                fc_hidden_dims=[hidden_dim],
                dropout=dropout,
                use_cnn=self.convolution,
                use_layer_norm=self.layer_norm,
                pooling_strategy=self.pooling,
                cell=self.cell,
                direction=self.direction,
                start=self.start,
            )

    def training(self, config: ProbeConfig) -> TrainConfig:
        """How it is trained."""
        clip_norm = config.clip_norm if self.clipping else None
        return replace(config.train, clip_norm=clip_norm, learning_rate=self.rate * config.train.learning_rate)


def fit(
    model: PromoterLSTM,
    parts: Parts,
    config: TrainConfig,
    seed: int,
    watch: Callable[[Progress], None] | None = None,
) -> Row:
    """Train a network and judge it once on the test part.

    Returns:
        n_train, n_test, auroc, auprc, accuracy and log_loss (at the threshold of one half), training_state (also
        "diverged"), steps, best_step, gradient_norm (the largest of any step, before clipping), mean_gradient_norm
        (over the steps), seconds, diverged_step (None: it did not). A run that diverges has an AUROC of
        `DIVERGED_AUROC`, and the gradient norms of the evaluations before.
    """
    sizes: Row = {"n_train": len(parts.train), "n_test": len(parts.test)}
    try:
        result = train(
            model,
            parts.train.batches(config.batch_size, shuffle=True, seed=seed),
            [parts.valid.batches(SCORING_BATCH, shuffle=False)],
            config,
            seed=seed,
            progress=watch,
        )
    except DivergedError as error:
        row = sizes | {"auroc": DIVERGED_AUROC, "training_state": "diverged", "steps": error.step}
        return row | _gradient_norms(error.history) | {"diverged_step": error.step}
    return (
        sizes
        | judged(model, parts.test)
        | {"training_state": result.training_state, "steps": result.steps, "best_step": result.best_step}
        | _gradient_norms(result.history)
        | {"seconds": result.seconds, "diverged_step": None}
    )


def judged(model: PromoterLSTM, sequences: Sequences) -> Row:
    """auroc, auprc, accuracy and log_loss of a network on sequences, at the threshold of one half."""
    scores = evaluate.score(model, [sequences.batches(SCORING_BATCH, shuffle=False)])
    figures = classification_metrics(scores.labels[:, 0], scores.probabilities[:, 0], 0.5)
    return {name: figures[name] for name in ("auroc", "auprc", "accuracy", "log_loss")}


def _gradient_norms(history: Sequence[Row]) -> Row:
    if not history:
        return {"gradient_norm": None, "mean_gradient_norm": None}
    steps = np.diff([0, *(row["step"] for row in history)])
    mean = np.average([row["mean_gradient_norm"] for row in history], weights=steps)
    return {"gradient_norm": max(row["gradient_norm"] for row in history), "mean_gradient_norm": float(mean)}


@torch.no_grad()
def attention_weights(model: PromoterLSTM, sequences: Sequences) -> NDArray[np.float64]:
    """The weight of each position in attention pooling, (N, L), each row of which sums to 1.

    Raises:
        ValueError: the network pools in another way.
    """
    if not isinstance(model.pooling, AttentionPooling):
        raise ValueError(f"a network with {type(model.pooling).__name__} has no weights of its positions")
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor]) -> None:
        seen.append(torch.softmax(module.score(inputs[0]), dim=1)[:, :, 0])  # type: ignore[operator]

    was_training = model.training
    handle = model.pooling.register_forward_pre_hook(keep)
    try:
        model.eval()
        for batch in sequences.batches(SCORING_BATCH, shuffle=False):
            model(batch.x)
    finally:
        handle.remove()
        model.train(was_training)
    return torch.cat(seen).double().numpy()
