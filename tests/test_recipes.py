"""Recipes are whole configurations, and those of papers are the papers'."""

import pytest

from dnafast import models, recipes
from dnafast.train import TrainConfig


def test_published_recipes_are_those_of_the_papers():
    train = TrainConfig(max_epochs=7, patience=3, evaluate_every=50, max_steps=900)
    danq = recipes.published("danq", train)
    assert danq == TrainConfig(
        max_epochs=7, patience=3, evaluate_every=50, max_steps=900, optimizer="rmsprop", learning_rate=1e-3,
        smoothing=0.9, weight_decay=0.0, batch_size=100, schedule="constant", warmup=0.0, clip_norm=None,
    )  # fmt: skip
    basset = recipes.published("basset", train)
    assert (basset.optimizer, basset.learning_rate, basset.smoothing) == ("rmsprop", 2e-3, 0.98)
    assert (basset.max_norm, basset.batch_size) == (7.0, 128)
    deepsea = recipes.published("deepsea", train)
    assert (deepsea.optimizer, deepsea.learning_rate, deepsea.momentum, deepsea.nesterov) == ("sgd", 1.0, 0.9, False)
    assert (deepsea.max_norm, deepsea.batch_size, deepsea.weight_decay) == (0.9, 16, 1e-6)
    deepbind = recipes.published("deepbind", train)
    assert (deepbind.optimizer, deepbind.nesterov, deepbind.batch_size) == ("sgd", True, 64)


@pytest.mark.parametrize("name", models.names())
def test_budget_and_stopping_stay_as_they_are(name):
    train = TrainConfig(max_epochs=7, patience=3, evaluate_every=50, tolerance=0.1, precision="auto")
    changed = recipes.published(name, train)
    kept = ("max_epochs", "max_steps", "max_seconds", "patience", "evaluate_every", "tolerance", "precision")
    assert all(getattr(changed, one) == getattr(train, one) for one in kept)
    assert (changed != train) == (name in recipes.PUBLISHED)


def test_a_recipe_replaces_that_of_another_optimiser():
    sgd = TrainConfig(optimizer="sgd", momentum=0.9, nesterov=True, max_norm=1.0)
    assert recipes.published("danq", sgd).momentum == 0.0
    assert recipes.published("deepsea", recipes.published("basset", sgd)) == recipes.published("deepsea", TrainConfig())


def test_every_source_names_a_year():
    assert set(recipes.PUBLISHED) <= set(models.names())
    assert all(" 201" in one.source for one in recipes.PUBLISHED.values())


def test_a_rate_for_the_mean_of_many_tasks_is_that_of_each():
    train = TrainConfig()
    assert recipes.published("deepsea", train, 919).learning_rate == 1.0
    assert recipes.published("deepsea", train, 1).learning_rate == pytest.approx(1 / 919)
    assert recipes.published("deepsea", train, 5000).learning_rate == 1.0
    assert recipes.published("danq", train, 1) == recipes.published("danq", train)  # scales its steps by itself
