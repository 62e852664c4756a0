"""Is memory overwritten? Accuracy on planted motifs by the distance over which one of them must be remembered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dnafast import synthetic
from dnafast.probe.config import ProbeConfig
from dnafast.probe.networks import Row, Treatment, fit
from dnafast.probe.parts import Parts, Sequences
from dnafast.train import TrainConfig

REMEMBERING = (
    Treatment("rnn", "last", start="torch"),
    Treatment("rnn", "last"),
    Treatment("gru", "last"),
    Treatment("lstm", "last"),
    Treatment("rnn", "attention"),
    Treatment("lstm", "attention"),
    Treatment("none", "attention"),
)
"""Who is asked: a convolution finds the motifs for each of them, so that remembering is what they differ in."""
COLUMNS = (
    *("rule", "distance", "cell", "pooling", "start", "seed", "accuracy", "auroc", "log_loss", "training_state"),
    *("steps", "best_step", "gradient_norm", "n_train", "n_test"),
)
"""Of pairs.csv."""


@dataclass(frozen=True)
class PairRun:
    """One network on sequences of one rule and distance: a pure function of these."""

    rule: str
    distance: int
    treatment: Treatment
    seed: int
    sizes: ProbeConfig

    @property
    def id(self) -> str:
        """Name of the run and of its folder."""
        return f"pairs-{self.rule}-{self.distance}-{self.treatment.id}-seed{self.seed}"

    def config(self) -> dict[str, Any]:
        """What decides the result; the sequences follow from it."""
        return {
            "rule": self.rule,
            "distance": self.distance,
            "treatment": self.treatment,
            "seed": self.seed,
            "hidden_dim": self.sizes.hidden_dim,
            "sequences": self.sizes.pair_sequences,
            "train": self._training(),
        }

    def _training(self) -> TrainConfig:
        most = self.sizes.pair_steps
        return replace(self.treatment.training(self.sizes), max_steps=most, evaluate_every=max(1, most // 20))

    def checksum(self) -> str:
        """Of nothing: no data come in from outside."""
        return ""

    def parts(self) -> Parts:
        """Sequences of the rule, drawn apart for each part."""
        n = self.sizes.pair_sequences
        parts = []
        for number, size in enumerate((n, n // 8, n // 8)):
            # Seeds of parts and runs never meet.
            made = synthetic.simulate_pairs(self.rule, self.distance, 3 * self.seed + number, n=size)
            parts.append(Sequences(made.letters, made.labels))
        return Parts(*parts)

    def perform(self) -> dict[str, Any]:
        """Train and judge; ``row`` is that of pairs.csv."""
        row: Row = {"rule": self.rule, "distance": self.distance, "seed": self.seed}
        row |= {name: getattr(self.treatment, name) for name in ("cell", "pooling", "start")}
        # No dropout: most sequences come up once or twice, so there is little to fit too closely.
        model = self.treatment.build(self.sizes.hidden_dim, self.seed, dropout=0.0)
        found = fit(model, self.parts(), self._training(), self.seed)
        return {"row": row | {name: found.get(name) for name in COLUMNS if name not in row}}


def runs(sizes: ProbeConfig) -> list[PairRun]:
    """All of them."""
    return [
        PairRun(rule, distance, treatment, seed, sizes)
        for seed in sizes.pair_seeds
        for rule in synthetic.RULES
        for distance in (sizes.hold_distances if rule == "hold" else sizes.distances)
        for treatment in REMEMBERING
    ]
