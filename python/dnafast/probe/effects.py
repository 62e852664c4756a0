"""What a part of the network changes, all else equal, with an interval over folds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from dnafast.probe.factorial import AS_USUAL
from dnafast.probe.networks import Row
from dnafast.statistics import nadeau_bengio

FACTORS = ("cell", "pooling", "convolution", "clipping", "direction", "start", "layer_norm", "rate")

Verdict = Literal["higher", "lower", "undetermined"]


@dataclass(frozen=True)
class Contrast:
    """One level of a factor against another, where the other factors are as ``where`` says, or anything.

    Attributes:
        factor: one of `FACTORS`.
        level, base: the difference is that of the level minus that of the base.
        where: factor -> the levels that count.
    """

    factor: str
    level: Any
    base: Any
    where: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Such as ``pooling: attention - last``."""
        return f"{self.factor}: {_word(self.level)} - {_word(self.base)}"

    @property
    def among(self) -> str:
        """The networks it is measured on, such as ``cell=rnn``."""
        said = [f"{name}={'|'.join(map(_word, levels))}" for name, levels in self.where.items()]
        return ", ".join(said) or "all"


@dataclass(frozen=True)
class Effect:
    """A difference in a column of the runs, such as AUROC.

    Attributes:
        contrast: what was exchanged.
        difference: mean over folds of the mean paired difference.
        low, high: ends of its interval; None where there are fewer than two folds.
        n_pairs: pairs of networks, each with the same other factors and seed, in every fold.
        n_folds: folds.
    """

    contrast: Contrast
    difference: float
    low: float | None
    high: float | None
    n_pairs: int
    n_folds: int

    @property
    def verdict(self) -> Verdict:
        """Whether the interval leaves 0 out, and on which side."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "undetermined"
        return "higher" if self.low > 0 else "lower"

    def row(self) -> Row:
        """Its line in effects.csv."""
        return {
            "factor": self.contrast.factor,
            "contrast": self.contrast.name,
            "among": self.contrast.among,
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "verdict": self.verdict,
            "n_pairs": self.n_pairs,
            "n_folds": self.n_folds,
        }


EFFECT_COLUMNS = ("factor", "contrast", "among", "difference", "low", "high", "verdict", "n_pairs", "n_folds")
"""Of effects.csv."""


def effect(rows: Sequence[Row], contrast: Contrast, column: str = "auroc") -> Effect | None:
    """The mean difference that a contrast makes, from networks that differ in nothing else.

    Within each fold the differences of all pairs (one for each combination of the other factors, and seed) are
    averaged. Folds share most of their training sequences, so the spread of the K averages alone would be too
    optimistic: the variance of their mean is taken as (1/K + n_test/n_train) s² (Nadeau & Bengio 2003, "Inference for
    the generalization error"), and the interval from Student's t with K - 1 degrees of freedom.

    The interval speaks of other training sets of this size and from this genome, and of the learning rate, budget and
    width at hand; not of other data.

    Args:
        rows: as in factorial.csv.
        contrast: what to compare; factors it leaves open are as in the factorial where they are not named.
        column: which figure; a run without it is left out together with its partner.

    Returns:
        None where no pair is there.
    """
    others = [name for name in FACTORS if name != contrast.factor]
    fixed = {name: (value,) for name, value in AS_USUAL.items() if name != contrast.factor} | dict(contrast.where)
    found: dict[tuple[Any, ...], dict[int, float]] = defaultdict(dict)
    sizes: dict[int, tuple[int, int]] = {}
    for row in rows:
        side = row[contrast.factor]
        if side not in (contrast.level, contrast.base) or row.get(column) is None:
            continue
        if any(row[name] not in levels for name, levels in fixed.items()):
            continue
        key = (row["fold"], row["seed"], *(row[name] for name in others))
        found[key][1 if side == contrast.level else -1] = float(row[column])
        sizes[row["fold"]] = row["n_test"], row["n_train"]
    by_fold: dict[int, dict[tuple[Any, ...], float]] = defaultdict(dict)
    for (fold, *pair), sides in found.items():
        if len(sides) == 2:
            by_fold[fold][tuple(pair)] = sides[1] - sides[-1]
    # Only pairs that every fold has, or folds would differ in what they compare.
    shared = set.intersection(*(set(pairs) for pairs in by_fold.values())) if by_fold else set()
    if not shared:
        return None
    means = np.array([np.mean([pairs[key] for key in shared]) for pairs in by_fold.values()])
    n_test, n_train = (round(float(np.mean([sizes[fold][part] for fold in by_fold]))) for part in (0, 1))
    of = nadeau_bengio(means, n_train, n_test)
    low, high = (None if math.isnan(end) else end for end in (of.low, of.high))
    return Effect(contrast, of.difference, low, high, len(shared), len(means))


RECURRENT = ("rnn", "gru", "lstm")


def contrasts() -> list[Contrast]:
    """All that are reported: main effects, then effects within cells, then those of the extras."""
    cells = ("none", *RECURRENT)
    pairs = [(cells[b], cells[a]) for b in range(len(cells)) for a in range(b)]
    recurrent = {"cell": RECURRENT}
    found = [Contrast("cell", level, base) for level, base in pairs]
    poolings = (("mean", "last"), ("attention", "last"), ("attention", "mean"))
    found += [Contrast("pooling", level, base, recurrent) for level, base in poolings]
    found += [Contrast("convolution", True, False, recurrent), Contrast("clipping", True, False, recurrent)]
    for cell in cells:
        where = {"cell": (cell,)}
        found += [Contrast("pooling", level, base, where) for level, base in poolings[:2]]
        found += [Contrast("convolution", True, False, where), Contrast("clipping", True, False, where)]
    # With clipping, pooling and convolution equal: does the gate matter?
    equal: list[dict[str, tuple[Any, ...]]] = [
        {"clipping": (True,)},
        {"clipping": (True,), "pooling": ("last",)},
        {"clipping": (False,)},
    ]
    equal += [{"clipping": (True,), "pooling": ("attention",), "convolution": (True,)}]
    equal += [{"clipping": (True,), "pooling": ("last",), "convolution": (False,)}]
    for where in equal:
        found += [Contrast("cell", level, "rnn", where) for level in ("gru", "lstm")]
    vanilla: dict[str, tuple[Any, ...]] = {"cell": ("rnn",)}
    for chosen in (vanilla, vanilla | {"pooling": ("last",)}):
        found.append(Contrast("direction", "backward", "forward", chosen | {"start": ("keras", "torch")}))
        found.append(Contrast("start", "keras", "torch", chosen | {"direction": ("forward", "backward")}))
    for cell in ("rnn", "lstm"):
        found.append(Contrast("layer_norm", True, False, {"cell": (cell,), "clipping": (True,)}))
        found.append(Contrast("rate", 3, 1, {"cell": (cell,)}))
    found.append(Contrast("clipping", True, False, {"cell": ("rnn",), "rate": (3,)}))
    return found


def effects(rows: Sequence[Row], column: str = "auroc") -> list[Effect]:
    """Every contrast that the rows can tell."""
    return [found for contrast in contrasts() if (found := effect(rows, contrast, column)) is not None]


def _word(level: Any) -> str:
    return {True: "yes", False: "no"}[level] if isinstance(level, bool) else str(level)
