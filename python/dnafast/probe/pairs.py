"""Is memory overwritten? Accuracy on planted motifs by the distance over which one of them must be remembered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dnafast import synthetic
from dnafast.probe.config import ProbeConfig
from dnafast.probe.networks import Row, Treatment, fit, judged
from dnafast.probe.parts import Parts, Sequences
from dnafast.train import TrainConfig

REMEMBERING = tuple(
    # At three times the rate: what is planted is learnt late, and then at once.
    replace(one, rate=3)
    for one in (
        Treatment("rnn", "last", start="torch"),
        Treatment("rnn", "last"),
        Treatment("gru", "last"),
        Treatment("lstm", "last"),
        Treatment("rnn", "attention"),
        Treatment("lstm", "attention"),
        Treatment("none", "attention"),
    )
)
"""Who is asked: a convolution finds the motifs for each of them, so that remembering is what they differ in."""
COLUMNS = (
    *("rule", "distance", "tested_distance", "cell", "pooling", "start", "seed"),
    *("accuracy", "auroc", "auprc", "log_loss"),
    *("training_state", "steps", "best_step", "gradient_norm", "n_train", "n_test"),
)
"""Of pairs.csv. A network is trained at one distance and tested at that and at the others: where it fails at a distance
that it was trained for, it may be that no gradient taught it; where it fails further away than it was trained for, what
it had learnt to keep was lost on the way."""


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
            "tested_distances": distances_of(self.rule, self.sizes),
            "treatment": self.treatment,
            "seed": self.seed,
            "hidden_dim": self.sizes.hidden_dim,
            "sequences": self.sizes.pair_sequences,
            "train": self._training(),
        }

    def _training(self) -> TrainConfig:
        most = self.sizes.pair_steps
        training = self.treatment.training(self.sizes)
        # Patience for half of the budget: what is planted is learnt at once after a long time of hardly anything.
        return replace(training, max_steps=most, evaluate_every=max(1, most // 20), patience=10)

    def checksum(self) -> str:
        """Of nothing: no data come in from outside."""
        return ""

    def parts(self) -> Parts:
        """Sequences of the rule at its distance, drawn apart for each part."""
        n = self.sizes.pair_sequences
        return Parts(
            self._drawn(0, n, self.distance), self._drawn(1, n // 8, self.distance), self._tests(self.distance)
        )

    def _tests(self, distance: int) -> Sequences:
        return self._drawn(2, self.sizes.pair_sequences // 8, distance)

    def _drawn(self, part: int, n: int, distance: int) -> Sequences:
        # Seeds of parts and runs never meet.
        made = synthetic.simulate_pairs(self.rule, distance, 3 * self.seed + part, n=n)
        return Sequences(made.letters, made.labels)

    def perform(self) -> dict[str, Any]:
        """Train at one distance and judge at all; ``rows`` are those of pairs.csv, ``outcome`` that of `fit`."""
        # No dropout: most sequences come up once or twice, so there is little to fit too closely.
        model = self.treatment.build(self.sizes.hidden_dim, self.seed, dropout=0.0)
        outcome = fit(model, self.parts(), self._training(), self.seed)
        row: Row = {"rule": self.rule, "distance": self.distance, "seed": self.seed}
        row |= {name: getattr(self.treatment, name) for name in ("cell", "pooling", "start")}
        row |= {name: outcome.get(name) for name in COLUMNS if name not in (*row, "tested_distance")}
        rows = [row | {"tested_distance": self.distance}]
        if outcome["training_state"] != "diverged":
            rows += [
                row | {"tested_distance": other} | judged(model, self._tests(other))
                for other in distances_of(self.rule, self.sizes)
                if other != self.distance
            ]
        return {"rows": rows, "outcome": outcome}


def distances_of(rule: str, sizes: ProbeConfig) -> tuple[int, ...]:
    """The distances of a rule."""
    return sizes.hold_distances if rule == "hold" else sizes.distances


def runs(sizes: ProbeConfig) -> list[PairRun]:
    """All of them."""
    return [
        PairRun(rule, distance, treatment, seed, sizes)
        for seed in sizes.pair_seeds
        for rule in synthetic.RULES
        for distance in distances_of(rule, sizes)
        for treatment in REMEMBERING
    ]
