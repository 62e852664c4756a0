"""How large a probe is: two recipes, each a function of nothing."""

from __future__ import annotations

from dataclasses import dataclass

from dnafast.train import TrainConfig

# At a constant rate every network that goes on learning shows it. Clipping is each run's own.
_TRAIN = TrainConfig(
    batch_size=64,
    max_epochs=1000,
    max_steps=1000,
    evaluate_every=50,
    patience=6,
    learning_rate=1e-3,
    schedule="constant",
    clip_norm=None,
)


@dataclass(frozen=True)
class ProbeConfig:
    """Sizes of a probe, and the training that all of its networks get alike.

    Raises:
        ValueError: a number is out of its range.
    """

    name: str = "full"
    train: TrainConfig = _TRAIN
    """One budget in steps for every run of the factorial."""
    clip_norm: float = 1.0
    """Largest norm of the gradient in the runs that are clipped."""
    hidden_dim: int = 32
    """Features of the recurrent layer, and channels of the convolution."""
    folds: int = 5
    """Test parts in turn of the sequences that are given."""
    seeds: tuple[int, ...] = (0,)
    """Of a network's weights, the order of its batches and its dropout."""
    max_train: int = 2000
    """Training sequences at most, a random sample of the training part."""
    max_scored: int | None = None
    """Sequences of the validation and of the test part at most, likewise; None: all."""
    has_extras: bool = True
    """Besides the factorial, exchange what it holds fixed for some of its cells."""
    reach_sequences: int = 16
    """Sequences over which the reach of gradients is averaged."""
    reach_seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the networks whose reach is followed."""
    distances: tuple[int, ...] = (8, 32, 67)
    """Bases between two planted motifs."""
    hold_distances: tuple[int, ...] = (46, 67, 88)
    """Bases behind a planted motif that is to be held."""
    pair_sequences: int = 16000
    """Sequences with planted motifs to train on; an eighth as many to validate, and as many again to test."""
    pair_steps: int = 1500
    """Optimiser steps on them."""
    pair_seeds: tuple[int, ...] = (0, 1)
    """Of the sequences, and of the networks trained on them."""

    def __post_init__(self) -> None:
        least = {"folds": 3, "hidden_dim": 1, "max_train": 2, "reach_sequences": 1, "pair_sequences": 8}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {bound}")
        for name in ("seeds", "reach_seeds", "distances", "hold_distances", "pair_seeds"):
            if not getattr(self, name):
                raise ValueError(f"{name} must hold a number")


def full() -> ProbeConfig:
    """About an hour on two quiet cores: 95 networks in five folds, and planted motifs at three distances."""
    return ProbeConfig()


def quick() -> ProbeConfig:
    """Smoke test: everything runs on a little, and the figures mean nothing."""
    return ProbeConfig(
        name="quick",
        train=TrainConfig(
            batch_size=16, max_steps=2, evaluate_every=1, learning_rate=1e-3, schedule="constant", clip_norm=None
        ),
        hidden_dim=4,
        folds=3,
        max_train=64,
        max_scored=64,
        has_extras=False,
        reach_sequences=2,
        reach_seeds=(0,),
        distances=(8, 40),
        hold_distances=(46, 88),
        pair_sequences=64,
        pair_steps=2,
        pair_seeds=(0,),
    )
