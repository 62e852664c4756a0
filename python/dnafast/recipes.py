"""What a bench does besides its data: sizes and budgets that belong together, each recipe a function of nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

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
    tuned_share: float = 1 / 8
    """Of the training budget, that each short run of the search for a learning rate gets."""


def own_data() -> Recipe:
    """For a user's data: trained until validation says stop, within thirty passes."""
    # At a constant learning rate early stopping says when a network has learnt what it can. Where the rate falls to
    # nothing over the budget, every loss levels off, that of a network that is not done as well.
    train = TrainConfig(max_epochs=30, patience=5, schedule="constant")
    return Recipe("own data", train, 0, 0, timed_steps=2)


def demonstration() -> Recipe:
    """Simulated data in five to ten minutes on two cores."""
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
    return Recipe(
        "demonstration", train, synthetic.POSITIVES, synthetic.PROMOTERS // 2, timed_steps=1, tuned_share=1 / 10
    )


def quick(recipe: Recipe) -> Recipe:
    """Smoke test of a recipe: everything runs once, the figures mean nothing."""
    train = replace(recipe.train, max_steps=None, evaluate_every=None, max_epochs=1)
    sizes = synthetic.QUICK_POSITIVES, synthetic.QUICK_PROMOTERS // 2
    return Recipe("quick", train, *sizes, timed_steps=0, bootstrap_draws=100)


QUICK_TRAIN = 256
"""Most training windows of a quick bench, so that a user's large data pass through it in a minute as well."""


@dataclass(frozen=True)
class Published:
    """How the authors of a network trained it."""

    changes: dict[str, Any]
    """Fields of `TrainConfig` that they set."""
    source: str
    """Where that is said, and what of it is left out."""
    rate_of_tasks: int | None = None
    """Tasks over whose mean loss the learning rate was set, where it depends on their number."""


# Authors who name no schedule, warm-up or clipping had none.
_PLAIN = {"schedule": "constant", "warmup": 0.0, "clip_norm": None}

PUBLISHED = {
    "deepbind": Published(
        {
            **_PLAIN,
            "optimizer": "sgd",
            "learning_rate": 5e-3,
            "momentum": 0.97,
            "nesterov": True,
            "weight_decay": 0.0,
            "batch_size": 64,
        },
        "Alipanahi et al. 2015 and the trainer of their code: SGD with Nesterov momentum in batches of 64. They drew "
        "the rate from 0.0005 to 0.05 (log-uniform) and the momentum from 0.95 to 0.99 anew for each data set and kept "
        "the best draw; here both are the middle of their ranges. Weight decay, drawn as well, is left out.",
    ),
    "deepsea": Published(
        {
            **_PLAIN,
            "optimizer": "sgd",
            "learning_rate": 1.0,
            "momentum": 0.9,
            "weight_decay": 1e-6,
            "max_norm": 0.9,
            "batch_size": 16,
        },
        "Zhou & Troyanskaya 2015, supplement, and the options of their training code: SGD with momentum 0.9, rate 1, "
        "batches of 16, L2 penalty 5e-7 (a decay of 1e-6), kernels no longer than 0.9. Left out: the fall of the rate "
        "by 8e-7 a step, and the L1 penalty of 1e-8 on the last hidden layer, which is 0 in the code. The rate is that "
        "of a mean over 919 tasks, 1/919 for each, and with T tasks here T/919: with 1 for a single task it stays at "
        "chance (E. coli promoters: AUROC 0.50; with 1/919, on fewer sequences, 0.84).",
        rate_of_tasks=919,
    ),
    "basset": Published(
        {
            **_PLAIN,
            "optimizer": "rmsprop",
            "learning_rate": 2e-3,
            "smoothing": 0.98,
            "weight_decay": 0.0,
            "max_norm": 7.0,
            "batch_size": 128,
        },
        "Kelley et al. 2016, parameters of the published network, and their code: RMSprop, rate 0.002, squared "
        "gradients smoothed by 0.98 (which they call momentum), weights into a unit no longer than 7, batches of 128.",
    ),
    "danq": Published(
        {
            **_PLAIN,
            "optimizer": "rmsprop",
            "learning_rate": 1e-3,
            "smoothing": 0.9,
            "weight_decay": 0.0,
            "batch_size": 100,
        },
        "Quang & Xie 2016 and their code: RMSprop in batches of 100, with the defaults of Keras then (rate 0.001, "
        "smoothing 0.9).",
    ),
}
"""The networks of papers that say how they were trained. The others have none to go by: rnn to bigru, kmer_cnn and
multiscale_cnn are families rather than publications, and for promoter_lstm no paper is known."""


def published(model_name: str, train: TrainConfig, n_tasks: int | None = None) -> TrainConfig:
    """The same training with the optimiser that a network's authors used; `PUBLISHED` says by whom.

    Optimiser, rate, momentum, weight decay, bound on weights, batch size and schedule are theirs. Budget, evaluations
    and the rule for stopping stay, so that networks are still compared on equal terms; a network that nobody published
    keeps all.

    Args:
        model_name: one of `dnafast.models.names`.
        train: what to change.
        n_tasks: tasks of the data, so that a plain gradient step is as long for each task as it was for the authors';
            None: their rate as it stands.
    """
    if model_name not in PUBLISHED:
        return train
    found = PUBLISHED[model_name]
    # Of another optimiser, what stood there has no meaning.
    plain = replace(train, optimizer="adamw", momentum=0.0, nesterov=False, smoothing=None, max_norm=None)
    changed = replace(plain, **found.changes)
    if n_tasks is None or found.rate_of_tasks is None:
        return changed
    return replace(changed, learning_rate=changed.learning_rate * min(1.0, n_tasks / found.rate_of_tasks))
