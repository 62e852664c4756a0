"""Which part of PromoterLSTM earns what: every combination of its parts over folds of the same sequences."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from dnafast.models.config import Pooling
from dnafast.models.layers import one_hot_input
from dnafast.models.promoter_lstm import Cell, Direction, Start
from dnafast.probe.config import ProbeConfig
from dnafast.probe.networks import Row, Treatment, attention_weights, fit
from dnafast.probe.parts import Folds, Parts
from dnafast.probe.reach import input_reach, summarised

_CELLS: tuple[Cell, ...] = ("none", "rnn", "gru", "lstm")
_POOLINGS: tuple[Pooling, ...] = ("last", "mean", "attention")
FACTORIAL = tuple(
    Treatment(cell, pooling, convolution, clipping)
    for cell, pooling, convolution, clipping in itertools.product(_CELLS, _POOLINGS, (False, True), (False, True))
)
"""Cell x pooling x convolution x clipping: 48 networks."""
AS_USUAL = {"direction": "forward", "start": "keras", "layer_norm": True, "rate": 1}
"""What the factorial holds fixed."""

_CLIPPED = tuple(one for one in FACTORIAL if one.clipping)
_OTHER_READINGS: tuple[tuple[Direction, Start], ...] = (
    ("backward", "keras"),
    ("forward", "torch"),
    ("backward", "torch"),
)
EXTRAS = (
    # The vanilla RNN read from either end, and from torch's start instead of an orthogonal one (Saxe et al. 2014 give
    # reasons for it in deep linear networks, Le et al. 2015 for the identity in recurrent ones).
    *(
        replace(one, direction=direction, start=start)
        for one in _CLIPPED
        if one.cell == "rnn"
        for direction, start in _OTHER_READINGS
    ),
    *(replace(one, layer_norm=False) for one in _CLIPPED if one.cell in ("rnn", "lstm")),
    # Whether an RNN fails can hang on the learning rate alone.
    *(
        replace(one, rate=3)
        for one in FACTORIAL
        if one.cell in ("rnn", "lstm") and one.pooling in ("last", "attention")
    ),
    # All that was blamed at once: the network that the work of design section 1 found to fail.
    Treatment("rnn", "last", convolution=False, clipping=False, start="torch", layer_norm=False),
)
"""Networks besides, clipped but for the last: what the factorial holds fixed, exchanged for some of its cells."""

COLUMNS = (
    *("cell", "pooling", "convolution", "clipping", "direction", "start", "layer_norm", "rate"),
    *("fold", "seed", "n_train", "n_test", "auroc", "auprc", "accuracy", "log_loss"),
    *("training_state", "steps", "best_step"),
    *("gradient_norm", "mean_gradient_norm", "diverged_step", "seconds", "n_parameters"),
)
"""Of factorial.csv."""
ATTENTION_COLUMNS = ("cell", "convolution", "clipping", "fold", "seed", "label", "position", "weight")
"""Of attention.csv: a row for each position of the mean over the test sequences of a class."""


@dataclass(frozen=True, eq=False)
class FactorialRun:
    """One network of the factorial on one fold: a pure function of these."""

    treatment: Treatment
    fold: int
    seed: int
    folds: Folds
    sizes: ProbeConfig

    @property
    def id(self) -> str:
        """Name of the run and of its folder."""
        return f"{self.treatment.id}-seed{self.seed}-fold{self.fold}"

    def config(self) -> dict[str, Any]:
        """What decides the result."""
        return {
            "treatment": self.treatment,
            "fold": self.fold,
            "seed": self.seed,
            "hidden_dim": self.sizes.hidden_dim,
            "train": self.treatment.training(self.sizes),
        }

    def checksum(self) -> str:
        """Of the parts of its fold."""
        return self._parts().checksum()

    def _parts(self) -> Parts:
        return self.folds.parts(self.fold, self.sizes.max_train, self.sizes.max_scored)

    def perform(self) -> dict[str, Any]:
        """Train and judge.

        Returns:
            ``row``, that of factorial.csv; ``attention``, the mean weights (L,) of each class, where there is any;
            ``input_reach``, the `dnafast.probe.reach.summarised` |dlogit/dinput| of each position (L,).
        """
        parts = self._parts()
        model = self.treatment.build(self.sizes.hidden_dim, self.seed)
        row = {**self.treatment.row(), "fold": self.fold, "seed": self.seed}
        row |= fit(model, parts, self.treatment.training(self.sizes), self.seed)
        row["n_parameters"] = sum(parameter.numel() for parameter in model.parameters())
        if row["training_state"] == "diverged":
            return {"row": row, "attention": [], "input_reach": []}
        attention = []
        if self.treatment.pooling == "attention":
            weights = attention_weights(model, parts.test)
            attention = [weights[parts.test.labels == label].mean(axis=0) for label in (0, 1)]
        x = one_hot_input(next(iter(parts.test.batches(len(parts.test), shuffle=False))).x, 1, torch.float64)
        reach = summarised(input_reach(copy.deepcopy(model).double(), x))
        return {"row": row, "attention": attention, "input_reach": reach}


def runs(folds: Folds, sizes: ProbeConfig) -> list[FactorialRun]:
    """All of them, fold by fold, so that a probe that is stopped early has whole folds."""
    return [
        FactorialRun(treatment, fold, seed, folds, sizes)
        for fold in range(len(folds))
        for seed in sizes.seeds
        for treatment in (*FACTORIAL, *(EXTRAS if sizes.has_extras else ()))
    ]


def attention_rows(row: Row, attention: Sequence[Sequence[float]]) -> list[Row]:
    """The rows of attention.csv that one run gives; those of the factorial alone are kept."""
    if not attention or any(row[name] != value for name, value in AS_USUAL.items()):
        return []
    of_run = {name: row[name] for name in ("cell", "convolution", "clipping", "fold", "seed")}
    return [
        {**of_run, "label": label, "position": position, "weight": weight}
        for label, weights in enumerate(attention)
        for position, weight in enumerate(weights)
    ]
