"""Who takes part: networks with an implementation each, and the floors they have to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dnafast import models
from dnafast.models import floors
from dnafast.models.config import suggestion

FLOOR_IMPLEMENTATION = "scikit-learn"


@dataclass(frozen=True)
class Contestant:
    """A network, or a floor, in one implementation."""

    name: str
    implementation: str

    @property
    def is_floor(self) -> bool:
        """Whether it is a linear model that the networks have to beat."""
        return self.implementation == FLOOR_IMPLEMENTATION


def contestants(selection: Sequence[str] = ()) -> list[Contestant]:
    """Who is meant by `--models`: floors first, then the networks in the order of the zoo.

    Args:
        selection: NAME (every implementation of it) or NAME:IMPLEMENTATION; empty for all there are.

    Raises:
        ValueError: an unknown name or implementation, or one that is named twice.
    """
    everyone = [Contestant(name, FLOOR_IMPLEMENTATION) for name in floors.FLOORS]
    everyone += [
        Contestant(name, implementation) for name in models.names() for implementation in models.implementations(name)
    ]
    if not selection:
        return everyone
    chosen: list[Contestant] = []
    known = list(dict.fromkeys(contestant.name for contestant in everyone))
    for wish in selection:
        name, _, implementation = wish.partition(":")
        found = [one for one in everyone if one.name == name and implementation in ("", one.implementation)]
        if not found:
            if name not in known:
                raise ValueError(f"--models {wish!r} is unknown{suggestion(name, known)}: there are {', '.join(known)}")
            there = ", ".join(one.implementation for one in everyone if one.name == name)
            raise ValueError(f"--models {wish!r}: {name} has no implementation {implementation!r}, only {there}")
        if any(one in chosen for one in found):
            raise ValueError(f"--models names {wish!r} twice")
        chosen += found
    return sorted(chosen, key=everyone.index)
