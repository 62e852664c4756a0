"""Networks of equal size: widths rescaled until parameters or operations meet."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Literal

import torch

from dnafast import models
from dnafast.models.config import ModelConfig
from dnafast.models.user import UserConfig

TOLERANCE = 0.1
_OCTAVES = 12  # the widest search, from 1/4096 to 4096 times the widths
_HALVINGS = 24  # of it: fine enough for widths of some hundred thousand


def count_parameters(config: ModelConfig) -> int:
    """Trained numbers of the network that a configuration describes; no memory is taken and nothing is drawn."""
    if isinstance(config, UserConfig):
        return sum(parameter.numel() for parameter in config.network.parameters())
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = models.module_class(config).from_config(config)
    return sum(parameter.numel() for parameter in network.parameters())


def matched(
    configs: Sequence[ModelConfig],
    by: Literal["params", "flops"],
    target: float | None = None,
    tolerance: float = TOLERANCE,
) -> list[ModelConfig]:
    """The configurations with their widths rescaled, so that networks meet at one size; kernels and depth stay.

    All widths of a network change by one factor and are rounded; the factor is taken whose size has the smallest ratio
    to the target. A comparison must not be called one on equal terms where it is none: a network that comes no nearer
    than the tolerance is an error, as is a user's network of another size, whose widths nobody knows.

    Args:
        configs: what is compared.
        by: "params", trained numbers, or "flops", operations of one sequence's forward pass.
        target: that many; None takes the median of the configurations as they are, of an even number of them the
            geometric mean of the middle two.
        tolerance: largest share by which a size may differ from the target.

    Raises:
        ValueError: a network cannot come near enough (the sentence says how near), or nobody knows its operations.
    """
    size = functools.cache(count_parameters if by == "params" else _flops)
    if target is None:
        target = math.exp(statistics.median(math.log(size(config)) for config in configs))
    nearest = [_nearest(config, size, target) for config in configs]
    for before, after in zip(configs, nearest, strict=True):
        reached = size(after)
        if abs(reached - target) > tolerance * target:
            unit = "parameters" if by == "params" else "operations a sequence"
            why = "at the nearest" if before.widths else "and no widths that can be rescaled"
            raise ValueError(
                f"{models.name_of(before)} has {reached:,} {unit} {why}, where networks are to meet at {target:,.0f} "
                f"with a difference of at most {tolerance:.0%}: leave it out, or choose another target"
            )
    return nearest


def _flops(config: ModelConfig) -> int:
    flops = config.flops()
    if flops is None:
        raise ValueError(f"nobody knows the operations of {models.name_of(config)}: give it a method flops()")
    return flops


def _nearest(config: ModelConfig, size: Callable[[ModelConfig], int], target: float) -> ModelConfig:
    """The rescaled configuration whose size has the smallest ratio to the target, itself where it is as near."""
    if not config.widths:
        return config
    low, high = -float(_OCTAVES), float(_OCTAVES)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if size(config.scaled(2.0**middle)) < target:
            low = middle
        else:
            high = middle
    candidates = (config, config.scaled(2.0**low), config.scaled(2.0**high))
    return min(candidates, key=lambda candidate: abs(math.log(size(candidate) / target)))
