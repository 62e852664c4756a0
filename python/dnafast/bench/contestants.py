"""Who takes part: networks with an implementation each, the floors they have to beat, and scores of other tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from dnafast import models
from dnafast.bench.given_scores import named_scores
from dnafast.models import ModelConfig, Network, Specification, floors
from dnafast.models.config import suggestion
from dnafast.records import checksum_file

FLOOR_IMPLEMENTATION = "scikit-learn"
SCORES_IMPLEMENTATION = "scores"


@dataclass(frozen=True)
class Contestant:
    """A network or a floor in one implementation, or another tool's scores.

    Attributes:
        name: how it is called in tables: a network with the options that are not the defaults.
        implementation: of a network; "scikit-learn" for a floor, "scores" for another tool.
        specification: which network it is.
        scores: the file of another tool's scores.
        vectors: what the vectors of k-mers are learnt from that the network starts with; None for its own start.
    """

    name: str
    implementation: str
    specification: Specification | None = field(default=None, compare=False)
    scores: Path | None = field(default=None, compare=False)
    vectors: Literal["train", "genome"] | None = None

    @property
    def is_floor(self) -> bool:
        """Whether it is a linear model that the networks have to beat."""
        return self.implementation == FLOOR_IMPLEMENTATION

    @property
    def is_network(self) -> bool:
        """Whether it is trained by steps."""
        return self.specification is not None

    @property
    def source(self) -> str | None:
        """Checksum of what it is made of, where that is a file of the user's."""
        if self.scores is not None:
            return checksum_file(self.scores)
        return None if self.specification is None else self.specification.as_json()["source_checksum"]

    @property
    def file(self) -> Path | None:
        """The user's file that it is made of: scores, a class, or vectors of k-mers."""
        if self.scores is not None or self.specification is None:
            return self.scores
        if self.specification.is_user:
            return Path(self.specification.name.rpartition(":")[0])
        embedding = dict(self.specification.options).get("embedding")
        return None if embedding is None else Path(embedding)

    def with_config(self, config: ModelConfig) -> Contestant:
        """The same network in the same implementation, with the options of another configuration."""
        specification = replace(Specification.of(config), implementation=self.implementation)
        return replace(self, name=specification.label, specification=specification)

    def fastest(self) -> Contestant:
        """The same network in its fastest implementation."""
        if self.specification is None:
            return self
        implementation = self.specification.implementations[-1]
        specification = replace(self.specification, implementation=implementation)
        return replace(self, implementation=implementation, specification=specification)

    def from_vectors(self, source: Literal["train", "genome"]) -> Contestant:
        """The same network, started from vectors of k-mers that are learnt before the runs."""
        assert self.specification is not None, "a network"
        options = ",".join([option for option in self.name.partition("[")[2].rstrip("]").split(",") if option])
        name = f"{self.specification.name}[{options + ',' if options else ''}embedding={source}]"
        return replace(self, name=name, vectors=source)

    def build(self, length: int, n_tasks: int, vectors: Path | None = None) -> Network:
        """The network with fresh weights from torch's random state, or with these vectors of k-mers."""
        assert self.specification is not None, "a network"
        specification = self.specification
        if vectors is not None:
            specification = replace(specification, options=(*specification.options, ("embedding", str(vectors))))
        return specification.build(length=length, n_tasks=n_tasks)

    @property
    def trained_specification(self) -> Specification:
        """What is needed beside the weights, which hold whatever vectors the network has started from."""
        assert self.specification is not None, "a network"
        options = tuple(pair for pair in self.specification.options if pair[0] != "embedding")
        return self.specification if self.specification.is_user else replace(self.specification, options=options)

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it stands among others: floors, networks in the order of the zoo, users' networks, other tools."""
        if self.is_floor:
            return 0, list(floors.FLOORS).index(self.name), "", ""
        base = self.name.partition("[")[0]
        if self.implementation == SCORES_IMPLEMENTATION:
            return 3, 0, self.name, ""
        if base in models.names():
            # Without the bracket, so that more options come after fewer.
            return (
                1,
                models.names().index(base),
                self.name.rstrip("]"),
                self.implementation != "torch",
                self.implementation,
            )
        return 2, 0, self.name, self.implementation


# Of these little is native: beside torch they would take its time again to show about the same figures.
_MOSTLY_TORCH = ("multiscale_cnn", "deepsea", "basset", "danq")
_EVERYONE = (*floors.FLOORS, *(f"{name}:torch" if name in _MOSTLY_TORCH else name for name in models.names()))


def contestants(selection: Sequence[str] = (), scores: Sequence[str] = ()) -> list[Contestant]:
    """Who is meant by `--models` and `--scores`: floors, networks in the order of the zoo, users' networks, scores.

    Args:
        selection: floors by name, networks as `dnafast.models.parse` reads them (every implementation, where none is
            named); empty for all floors and all networks with their defaults, natively only where that costs less.
        scores: other tools, NAME=FILE each.

    Raises:
        ValueError: an unknown name, option or implementation, or one that is named twice.
        FileNotFoundError: a file of scores that is not there.
    """
    chosen: list[Contestant] = []
    for wish in selection or _EVERYONE:
        found = [Contestant(wish, FLOOR_IMPLEMENTATION)] if wish in floors.FLOORS else _networks(wish)
        if any(one in chosen for one in found):
            raise ValueError(f"--models names {wish!r} twice")
        chosen += found
    for name, path in named_scores(scores):
        if name in floors.FLOORS or any(one.name == name for one in chosen):
            raise ValueError(f"--scores {name}={path}: there is a model of that name, choose another")
        if not path.is_file():
            raise FileNotFoundError(f"--scores {name}={path}: there is no such file")
        chosen.append(Contestant(name, SCORES_IMPLEMENTATION, scores=path))
    return sorted(chosen, key=lambda one: one.place)


def _networks(wish: str) -> list[Contestant]:
    """A network in each implementation that is meant."""
    base = wish.partition("[")[0].partition(":")[0]
    known = (*floors.FLOORS, *models.names())
    if not base.endswith(".py") and base not in known:
        raise ValueError(f"--models {wish!r} is unknown{suggestion(base, known)}: there are {', '.join(known)}")
    if base in floors.FLOORS:
        raise ValueError(f"--models {wish!r}: {base} has no options and one implementation, write {base}")
    try:
        specification = models.parse(wish)
    except ValueError as error:
        raise ValueError(f"--models {wish!r}: {error}") from None
    implementations = (
        specification.implementations if specification.implementation is None else (specification.implementation,)
    )
    return [
        Contestant(specification.label, one, specification=replace(specification, implementation=one))
        for one in implementations
    ]
