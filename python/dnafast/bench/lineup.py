"""Which runs there are: recipe, resources, and every contestant on every data set, fold, size and seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from dnafast import contract, models, recipes, threads
from dnafast.bench.contestants import Contestant
from dnafast.bench.dataset import Dataset
from dnafast.bench.given_scores import read_scores
from dnafast.bench.options import DEFAULTS, BenchOptions
from dnafast.bench.runs import Resources, Run, Tuning
from dnafast.bench.tuning import rates
from dnafast.bench.vectors import with_vectors


def recipe_of(options: BenchOptions) -> recipes.Recipe:
    """Sizes and budgets, with what the options change about them."""
    recipe = recipes.demonstration() if options.simulated else recipes.own_data()
    if options.quick:
        recipe = recipes.quick(recipe)
    changes: dict[str, Any] = {"batch_size": options.batch_size, "learning_rate": options.learning_rate}
    if options.epochs is not None:
        changes |= {"max_epochs": options.epochs, "max_steps": None}
    given = {name: value for name, value in changes.items() if value is not None or name == "max_steps"}
    return replace(recipe, train=replace(recipe.train, **given))


def runs_of(
    options: BenchOptions,
    recipe: recipes.Recipe,
    resources: Resources,
    who: Sequence[Contestant],
    prepared: Sequence[Dataset],
) -> list[Run]:
    """Every run: data sets, contestants, sizes of the training part, folds and seeds."""
    tuning = Tuning(rates(options.tune), recipe.tuned_share) if _tunes(options) else None
    found = []
    for dataset in prepared:
        for one in with_vectors(options, _matched(options, who, dataset)):
            config = recipe.train
            if options.recipe == "published" and one.specification is not None:
                config = recipes.published(one.specification.name, config, len(dataset.tasks))
            # Floors are fitted to convergence and scores are what they are: neither has a seed to vary.
            seeds = options.resolved_seeds if one.is_network else options.resolved_seeds[:1]
            # The whole training part comes first, for the tables.
            sizes = (None,) if one.scores is not None else (None, *sorted(options.train_sizes, reverse=True))
            found += [
                Run(dataset, one, seed, config, resources, recipe.bootstrap_draws, fold, size, tuning, options.recipe)
                for size in sizes
                for fold in range(dataset.folds)
                for seed in seeds
            ]
    return found


def _matched(options: BenchOptions, who: Sequence[Contestant], dataset: Dataset) -> list[Contestant]:
    """The contestants with widths at which the networks meet, where `--match` asks for that."""
    # A network in two implementations is one.
    networks = {one.name: one.specification for one in who if one.specification is not None}
    if options.match is None or not networks:
        return list(who)
    length, n_tasks = dataset.windows.length, len(dataset.tasks)
    try:
        configs = models.matched([one.config(length, n_tasks) for one in networks.values()], options.match)
    except ValueError as error:
        raise ValueError(f"--match {options.match}: {error}") from None
    found = dict(zip(networks, configs, strict=True))
    return [one.with_config(found[one.name]) if one.is_network else one for one in who]


def _tunes(options: BenchOptions) -> bool:
    return bool(options.tune) and options.learning_rate is None and options.recipe == "equal"


def check_users_networks(who: Sequence[Contestant], dataset: Dataset) -> None:
    """Try on networks that are not dnafast's own what every network promises, before anything is compared.

    Raises:
        ValueError: a promise is broken; with the first of them, and the command that shows all.
    """
    length, n_tasks = dataset.windows.length, len(dataset.tasks)
    for one in who:
        if one.specification is None or not one.specification.is_user:
            continue
        findings = contract.check(one.specification.build, length=length, n_tasks=n_tasks)
        broken = [finding for finding in findings if finding.state == "broken"]
        if broken:
            raise ValueError(
                f"{one.name} breaks {len(broken)} of {len(findings)} promises, the first of them {broken[0].promise} "
                f"({broken[0].sentence}): 'dnafast check' shows all"
            )


def check_scores(who: Sequence[Contestant], dataset: Dataset) -> None:
    """Read every file of scores once, so that what is wrong with it is said before anything is trained."""
    for one in who:
        if one.scores is not None:
            for fold in range(dataset.folds):
                read_scores(one.scores, dataset.at(fold))


def check_sizes(options: BenchOptions, prepared: Sequence[Dataset]) -> None:
    """Refuse a batch that is more than the training part, and sizes of that part that are all of it or lack a class."""
    for dataset in prepared:
        there = min(len(dataset.at(fold).rows("train")) for fold in range(dataset.folds))
        if options.batch_size is not None and options.batch_size > there:
            raise ValueError(
                f"--batch-size {options.batch_size} is more than the {there:,} windows that the training part of "
                f"{dataset.name} has"
            )
        for size in options.train_sizes:
            if size >= there:
                raise ValueError(
                    f"--train-sizes {size} must be below the {there:,} windows that the training part of "
                    f"{dataset.name} has, which are trained on as well"
                )
            _check_classes(dataset, size, f"--train-sizes {size} is so small")
        if dataset.most_train is not None:
            _check_classes(dataset, None, f"{dataset.most_train:,} training windows of each fold are so few")


def _check_classes(dataset: Dataset, size: int | None, what: str) -> None:
    """Refuse training parts, one for each fold, of which one lacks a class of a task."""
    for fold in range(dataset.folds):
        data = dataset.at(fold, size)
        labels = data.labels[data.rows("train")]
        both = (labels == 1).any(axis=0) & (labels == 0).any(axis=0)
        if not both.all():
            in_fold = f" in fold {fold + 1}" if dataset.folds > 1 else ""
            raise ValueError(
                f"{what} that a class of {data.tasks[int(np.argmin(both))]} is missing{in_fold}: give more"
            )


def check_that_networks_take_part(options: BenchOptions, who: Sequence[Contestant]) -> None:
    """Refuse options of networks where there is none, and of several where there is one.

    Raises:
        ValueError: names the option.
    """
    networks = {one.name for one in who if one.is_network}
    if len(networks) == 1 and options.match is not None:
        raise ValueError(
            f"--match {options.match} has no effect with one network ({networks.pop()}): leave it out, or name another"
        )
    if networks:
        return
    for name in ("epochs", "batch_size", "learning_rate", "recipe", "tune", "match", "seeds"):
        given = getattr(options, name)
        if given != DEFAULTS[name]:
            floors = ", ".join(one.name for one in who)
            shown = " ".join(map(str, given)) if isinstance(given, tuple) else given
            raise ValueError(
                f"--{name.replace('_', '-')} {shown} has no effect with floors alone ({floors}): leave it out, or name "
                "a network"
            )


def resources_of(options: BenchOptions) -> Resources:
    """Device and threads.

    Raises:
        ValueError: the device does not exist.
    """
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if not re.fullmatch("cpu|cuda(:[0-9]{1,6})?", device):
        raise ValueError(f"--device {options.device!r} must be auto, cpu, cuda or cuda:N")
    if kind == "cuda":
        there = torch.cuda.device_count()
        if int(number or 0) >= there:
            raise ValueError(f"--device {options.device!r}: torch sees {there} GPUs here; use --device cpu")
    data_threads, torch_threads = threads.shares(max(1, threads.resolve_threads(options.threads) // options.processes))
    return Resources(device, data_threads, torch_threads)
