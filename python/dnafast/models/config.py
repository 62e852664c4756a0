"""What every network's configuration has in common: length, tasks, checked options, encoding, operations."""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
import os
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from dnafast.encoding import BaseCodes, Encoding, OneHot

MOST_LAYERS = 100  # of recurrence: each position of each waits for the one before

Pooling = Literal["last", "mean", "max", "attention"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig(ABC):
    """Length, tasks and options of one network.

    The annotation of a field is its rule: ``int`` is a whole number of at least 1, ``float`` a dropout probability in
    [0, 1), ``str`` any text, ``Literal`` one of its words; tuples hold several of these. Lists are taken as tuples,
    paths as texts.

    Attributes:
        length: bases per sequence.
        n_tasks: number of logits per sequence.
        implementation: "torch", or another of ``implementations``: same ``state_dict``, same numbers.
        widths: fields that say how many channels or features a layer has, with the number that each is a multiple of.

    Raises:
        ValueError: a field breaks its rule.
    """

    implementations: ClassVar[tuple[str, ...]] = ("torch",)
    widths: ClassVar[Mapping[str, int]] = {}

    length: int
    n_tasks: int = 1
    implementation: str = "torch"

    def __post_init__(self) -> None:
        rules = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            if field.name == "implementation":
                checked = _checked_choice("implementation", self.implementation, self.implementations)
            else:
                checked = _checked(field.name, getattr(self, field.name), rules[field.name])
            object.__setattr__(self, field.name, checked)

    @property
    def encoding(self) -> Encoding:
        """The encoding whose batches the network takes; base codes uint8 (N, L) it takes besides."""
        return OneHot("NCL", "float32") if self.implementation == "torch" else BaseCodes()

    @property
    def minimum_length(self) -> int:
        """Shortest sequence in bases the layers can take; shorter ones are padded with N on both sides to it."""
        return 1

    @property
    def padded_length(self) -> int:
        """Bases per sequence that the layers see."""
        return max(self.length, self.minimum_length)

    @property
    def strand_blind(self) -> bool:
        """Whether a sequence and its reverse complement always get the same logits; no network of the zoo does that."""
        return False

    @abstractmethod
    def flops(self) -> int | None:
        """Floating-point operations of one sequence's forward pass, a multiply-add being two.

        Matrix products and convolutions only, as torch's own counter has it: no biases, activations or pooling. It is
        a property of the architecture, whichever implementation computes it. None, of a user's network alone, where
        nobody can tell.
        """

    def scaled(self, factor: float) -> Self:
        """The same network with all its widths times a factor, rounded, each at least the number it is a multiple of.

        Raises:
            ValueError: the factor is not above 0 and finite.
        """
        if not 0 < factor < math.inf:
            raise ValueError(f"factor={factor!r} must be above 0 and finite")

        def rescaled(width: Any, multiple: int) -> Any:
            if isinstance(width, tuple):
                return tuple(rescaled(one, multiple) for one in width)
            return max(1, round(width * factor / multiple)) * multiple

        changed = {name: rescaled(getattr(self, name), multiple) for name, multiple in self.widths.items()}
        return dataclasses.replace(self, **changed)

    @classmethod
    def options(cls) -> tuple[str, ...]:
        """Names of the fields besides length, n_tasks and implementation."""
        return tuple(
            field.name for field in dataclasses.fields(cls) if field.name not in ("length", "n_tasks", "implementation")
        )


def suggestion(value: object, known: Iterable[str]) -> str:
    """The close match among known names as a clause for an error message, or nothing."""
    close = difflib.get_close_matches(str(value), list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _checked(name: str, value: Any, rule: Any) -> Any:
    """The value in its plain Python type, or ValueError."""
    if rule is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name}={value!r} must be True or False")
        return value
    if rule is int:
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name}={value!r} must be a whole number of at least 1")
        most = MOST_LAYERS if name in ("layers", "num_layers") else 2**31 - 1
        if int(value) > most:
            raise ValueError(f"{name}={value!r} must be at most {most}")
        return int(value)
    if rule is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise ValueError(f"{name}={value!r} must be a probability of at least 0 and below 1")
        return float(value)
    if rule is str:
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(text, str) or not text:
            raise ValueError(f"{name}={value!r} must be a text")
        return text
    if typing.get_origin(rule) is Literal:
        return _checked_choice(name, value, typing.get_args(rule))
    return _checked_tuple(name, value, typing.get_args(rule))


def _checked_choice(name: str, value: Any, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(choices)}{suggestion(value, choices)}")
    return value


def _checked_tuple(name: str, value: Any, rules: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, (tuple, list)):
        raise ValueError(f"{name}={value!r} must be a tuple of numbers")
    if rules[-1] is Ellipsis:
        rules = (rules[0],) * len(value)
    if len(value) != len(rules):
        raise ValueError(f"{name}={value!r} must hold {len(rules)} numbers")
    return tuple(_checked(f"{name}[{i}]", item, rule) for i, (item, rule) in enumerate(zip(value, rules, strict=True)))
