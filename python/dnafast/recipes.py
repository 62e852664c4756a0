"""What a bench does besides its data: sizes and budgets that belong together, each recipe a function of nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dnafast import synthetic
from dnafast.train import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """Training budget, the same for every network, and the sizes of the simulated data."""

    name: str
    train: TrainConfig
    genome_sites: int
    """Open windows of the simulated genome, over all parts."""
    promoters: int
    """Simulated promoters, over all parts; as many sequences that are none."""
    timed_steps: int
    """Steps that are timed to estimate how long a network takes; 0: no estimate."""
    bootstrap_draws: int = 1000
    """Draws behind each interval."""


def own_data() -> Recipe:
    """For a user's data: trained until validation says stop, within thirty passes."""
    # At a constant learning rate early stopping says when a network has learnt what it can. Where the rate falls to
    # nothing over the budget, every loss levels off, that of a network that is not done as well.
    train = TrainConfig(max_epochs=30, patience=5, schedule="constant")
    return Recipe("own data", train, 0, 0, timed_steps=2)


def demonstration() -> Recipe:
    """Simulated data in about five minutes on two cores."""
    # Every network gets the same steps: enough for gated recurrent ones to learn what a single site says.
    train = TrainConfig(
        batch_size=48,
        max_steps=240,
        max_epochs=100,
        evaluate_every=30,
        patience=8,
        learning_rate=3e-3,
        schedule="constant",
    )
    return Recipe("demonstration", train, synthetic.POSITIVES, synthetic.PROMOTERS // 2, timed_steps=1)


def quick(recipe: Recipe) -> Recipe:
    """Smoke test of a recipe: everything runs once, the figures mean nothing."""
    train = replace(recipe.train, max_steps=None, evaluate_every=None, max_epochs=1)
    sizes = synthetic.QUICK_POSITIVES, synthetic.QUICK_PROMOTERS // 2
    return Recipe("quick", train, *sizes, timed_steps=0, bootstrap_draws=100)


QUICK_TRAIN = 256
"""Most training windows of a quick bench, so that a user's large data pass through it in a minute as well."""
