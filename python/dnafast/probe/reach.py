"""How far back a gradient reaches: from the last state to earlier states, and from the answer to each base."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dnafast.models import PromoterLSTM
from dnafast.models.layers import one_hot_input
from dnafast.models.promoter_lstm import Cell, Start
from dnafast.probe.config import ProbeConfig
from dnafast.probe.networks import Row, Treatment, fit
from dnafast.probe.parts import Folds, Parts, Sequences
from dnafast.train import Progress

_CELLS: tuple[Cell, ...] = ("rnn", "gru", "lstm")
_STARTS: tuple[Start, ...] = ("torch", "keras")
FOLLOWED = tuple(Treatment(cell, "last", convolution=False, start=start) for cell in _CELLS for start in _STARTS)
"""Whose reach is followed: the answer is read from the last state, and nothing comes in between."""
COLUMNS = ("cell", "start", "seed", "epoch", "step", "of", "distance", "norm", "low", "high")
"""Of reach.csv. ``of`` is "state" (|dh_T/ds_(T-d)|) or "input" (|dlogit/dx_(T-d)|), ``distance`` the d; ``norm`` the
geometric mean over sequences, ``low`` and ``high`` the 10 % and 90 % quantiles over them."""
_SPREAD = (0.1, 0.9)


def state_reach(recurrent: nn.RNNBase, inputs_NLC: Tensor) -> NDArray[np.float64]:
    """Norm of the Jacobian of the last hidden state with respect to the state d positions before, |dh_T/ds_(T-d)|.

    The norm is the spectral one (the largest singular value), exact: how much the most favourable small change of the
    state d positions ago changes the last one. Where it falls exponentially with d gradients vanish, where it grows
    they explode (Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013). The state s of an LSTM is (h, c),
    as what it is to remember lies in c; of the others it is h.

    Args:
        recurrent: one layer in one direction, batch first, in the numbers of the inputs; float64 is advised, as
            products of many small factors leave the range of float32.
        inputs_NLC: (N, L, C), in the order of reading.

    Returns:
        (N, L): column d is the distance d; 1 at d = 0.

    Raises:
        ValueError: several layers, both directions, or no position.
    """
    if recurrent.num_layers != 1 or recurrent.bidirectional:
        raise ValueError("recurrent must have one layer and one direction: what is to be followed is one chain")
    sequences, length, _ = inputs_NLC.shape
    if length == 0:
        raise ValueError(f"inputs of shape {tuple(inputs_NLC.shape)} hold no position")
    hidden = recurrent.hidden_size
    # A copy of each sequence for each unit of h_T: one backward pass then gives every row of every Jacobian.
    copies = inputs_NLC.detach().repeat_interleave(hidden, dim=0)
    with torch.enable_grad():
        state = torch.zeros(1, len(copies), hidden, dtype=copies.dtype, device=copies.device, requires_grad=True)
        is_lstm = recurrent.mode == "LSTM"
        current: Any = (state, torch.zeros_like(state)) if is_lstm else state
        chain: list[tuple[Tensor, ...]] = []
        for position in range(length):
            _, current = recurrent(copies[:, position : position + 1], current)
            chain.append(tuple(current) if is_lstm else (current,))
        last = chain[-1][0].view(sequences, hidden, hidden)
        earlier = [part for states in chain[:-1] for part in states]
        units = torch.diagonal(last, dim1=1, dim2=2).sum()
        gradients = torch.autograd.grad(units, earlier) if earlier else ()
    parts = 2 if is_lstm else 1
    norms = [torch.ones(sequences, dtype=copies.dtype)]
    for position in range(length - 2, -1, -1):
        of_state = gradients[position * parts : (position + 1) * parts]
        jacobian = torch.cat([one.view(sequences, hidden, hidden) for one in of_state], dim=2)  # (N, H, H or 2 H)
        norms.append(torch.linalg.matrix_norm(jacobian, ord=2).cpu())
    return torch.stack(norms, dim=1).double().numpy()


def input_reach(model: nn.Module, x_N4L: Tensor) -> NDArray[np.float64]:
    """Norm of the gradient of a network's first logit with respect to the four channels of each base.

    Args:
        model: takes one-hot (N, 4, L), gives logits (N, T); in evaluation mode meanwhile, as it was afterwards.
        x_N4L: in the numbers of the model.

    Returns:
        (N, L), positions as in the sequence.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.enable_grad():
            x = x_N4L.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(model(x)[:, 0].sum(), x)
    finally:
        model.train(was_training)
    return torch.linalg.vector_norm(gradient, dim=1).double().cpu().numpy()


def what_the_recurrence_reads(model: PromoterLSTM, x_N4L: Tensor) -> Tensor:
    """Input of a network's recurrent layer, (N, L, C), in the order of reading."""
    read: Tensor = model.convolution(one_hot_input(x_N4L, model.minimum_length, x_N4L.dtype)).transpose(1, 2)
    return read.flip([1]) if model.backward else read


def summarised(norms: NDArray[np.float64]) -> list[tuple[float, float, float]]:
    """Geometric mean over sequences, and the 10 % and 90 % quantiles, of each column of (N, L).

    A norm of 0 counts as the smallest positive float64, so that one such sequence does not hide the others.
    """
    logs = np.log(np.maximum(norms, np.finfo(np.float64).tiny))
    low, high = np.quantile(logs, _SPREAD, axis=0)
    return [(float(m), float(a), float(b)) for m, a, b in zip(*np.exp([logs.mean(axis=0), low, high]), strict=True)]


def horizon(norms: Sequence[float], least: float = 0.01) -> int:
    """The largest distance up to which every norm, by distance from 0 on, is at least so much."""
    for distance, norm in enumerate(norms):
        if norm < least:
            return distance - 1
    return len(norms) - 1


def measured(model: PromoterLSTM, sequences: Sequences) -> dict[str, list[tuple[float, float, float]]]:
    """`summarised` reach by distance, of a network that reads one layer: from its last state, and from its answer.

    The distance of a base is counted from the end at which reading ends.
    """
    exact = copy.deepcopy(model).double().eval()
    batch = next(iter(sequences.batches(len(sequences), shuffle=False)))
    x = batch.x.double()
    by_position = input_reach(exact, x)
    return {
        "state": summarised(state_reach(exact.recurrent, what_the_recurrence_reads(exact, x))),  # type: ignore[arg-type]
        "input": summarised(by_position if exact.backward else by_position[:, ::-1]),
    }


@dataclass(frozen=True, eq=False)
class ReachRun:
    """One network whose reach is followed through training on the first fold: a pure function of these."""

    treatment: Treatment
    seed: int
    folds: Folds
    sizes: ProbeConfig

    @property
    def id(self) -> str:
        """Name of the run and of its folder."""
        return f"reach-{self.treatment.id}-seed{self.seed}"

    def config(self) -> dict[str, Any]:
        """What decides the result."""
        return {
            "treatment": self.treatment,
            "seed": self.seed,
            "hidden_dim": self.sizes.hidden_dim,
            "sequences": self.sizes.reach_sequences,
            "train": self._training(),
        }

    def _training(self) -> Any:
        # A look at the reach after each epoch, to the end of the budget.
        training = self.treatment.training(self.sizes)
        return replace(training, evaluate_every=None, patience=training.max_epochs)

    def checksum(self) -> str:
        """Of the parts of its fold."""
        return self._parts().checksum()

    def _parts(self) -> Parts:
        return self.folds.parts(0, self.sizes.max_train, self.sizes.max_scored)

    def perform(self) -> dict[str, Any]:
        """Measure before training and after each epoch; ``rows`` are those of reach.csv."""
        parts = self._parts()
        model = self.treatment.build(self.sizes.hidden_dim, self.seed)
        chosen = np.random.default_rng(self.seed).permutation(len(parts.valid))[: self.sizes.reach_sequences]
        looked_at = parts.valid[chosen]
        rows: list[Row] = []

        def look(epoch: int, step: int) -> None:
            where = {"cell": self.treatment.cell, "start": self.treatment.start, "seed": self.seed}
            for of, norms in measured(model, looked_at).items():
                rows.extend(
                    {**where, "epoch": epoch, "step": step, "of": of, "distance": distance}
                    | {"norm": norm, "low": low, "high": high}
                    for distance, (norm, low, high) in enumerate(norms)
                )

        def watch(progress: Progress) -> None:
            if progress.evaluation is not None:
                look(progress.evaluation["epoch"], progress.step)

        look(0, 0)
        outcome = fit(model, parts, self._training(), self.seed, watch)
        return {"rows": rows, "outcome": outcome}


def runs(folds: Folds, sizes: ProbeConfig) -> list[ReachRun]:
    """All of them."""
    return [ReachRun(treatment, seed, folds, sizes) for seed in sizes.reach_seeds for treatment in FOLLOWED]
