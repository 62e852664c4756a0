"""What a probe says to its questions, in plain sentences made of its figures and of nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dnafast.probe.factorial import AS_USUAL
from dnafast.probe.networks import Row
from dnafast.probe.results import ProbeResults

VANISHED = 1e-3
"""A gradient that comes to less than this of what it was has vanished, as far as any step of training is concerned."""
EXPLODED = 10.0
"""A gradient norm that many times its mean over the run is an explosion."""
LEARNT, CHANCE = 0.75, 0.6
"""Accuracies, where guessing gives one half: from the first on a rule is learnt, below the second it is not."""
CELLS = {"none": "no recurrence", "rnn": "the vanilla RNN", "gru": "the GRU", "lstm": "the LSTM"}
_MINUS = "\N{MINUS SIGN}"
_ALL_RECURRENT = "cell=rnn|gru|lstm"
_NOTHING = "was not measured"


def answers(results: ProbeResults) -> list[str]:
    """Five sentences: vanishing, explosion, overwritten memory, the gate, and what earns most.

    Each begins with its verdict. It says "undetermined" where an interval holds 0, seeds disagree, or nothing was
    learnt; an interval is one over folds (`dnafast.probe.effects.effect`).
    """
    return [_vanishing(results), _explosion(results), _memory(results), _gate(results), _parts(results)]


def far(results: ProbeResults) -> int | None:
    """The distance at which vanishing is judged: three quarters of the way back."""
    longest = max((row["distance"] for row in results.reach), default=0)
    return round(0.75 * longest) or None


def reach_at(results: ProbeResults, cell: str, start: str, distance: int, *, trained: bool) -> list[float]:
    """|dh_T/ds_(T-d)| of each seed, before training or after its last epoch."""
    rows = [
        row
        for row in results.reach
        if (row["cell"], row["start"], row["of"], row["distance"]) == (cell, start, "state", distance)
    ]
    last = {row["seed"]: max(one["epoch"] for one in rows if one["seed"] == row["seed"]) for row in rows}
    return [row["norm"] for row in rows if row["epoch"] == (last[row["seed"]] if trained else 0)]


def _vanishing(results: ProbeResults) -> str:
    distance = far(results)
    if distance is None:
        return f"Do gradients vanish? It {_NOTHING}."
    untrained, trained = (
        {
            (cell, start): reach_at(results, cell, start, distance, trained=trained)
            for cell in ("rnn", "gru", "lstm")
            for start in ("torch", "keras")
        }
        for trained in (False, True)
    )
    if not untrained["rnn", "torch"]:
        return f"Do gradients vanish? It {_NOTHING}."
    words = {True: "vanish", False: "do not vanish", None: "vanish with some seeds"}
    before, after = (words[_vanishes(norms["rnn", "torch"])] for norms in (untrained, trained))
    lead = f"In the vanilla RNN gradients {before} before training and {after} after it"
    others = [
        f"{CELLS[cell]} {_norm(untrained[cell, start])} and {_norm(trained[cell, start])}"
        for cell, start in (("gru", "keras"), ("lstm", "keras"))
        if untrained[cell, start]
    ]
    orthogonal = ""
    if untrained["rnn", "keras"]:
        both = f"{_norm(untrained['rnn', 'keras'])} and {_norm(trained['rnn', 'keras'])}"
        orthogonal = f" ({both} from an orthogonal start; {', '.join(others)})"
    return (
        f"{lead}: of a change of the state {distance} bases back, its last state keeps "
        f"{_norm(untrained['rnn', 'torch'])} before and {_norm(trained['rnn', 'torch'])} after training from torch's "
        f"start{orthogonal}; where the last state is read, an orthogonal start changes its AUROC by "
        f"{_effect(results, 'start: keras - torch', 'cell=rnn, pooling=last, direction=forward|backward')}."
    )


def _vanishes(norms: Sequence[float]) -> bool | None:
    if max(norms) < VANISHED:
        return True
    return False if min(norms) >= VANISHED else None


def _explosion(results: ProbeResults) -> str:
    unclipped = [row for row in results.factorial if not row["clipping"]]
    ratios = {
        cell: [
            row["gradient_norm"] / row["mean_gradient_norm"]
            for row in unclipped
            if row["cell"] == cell and row["gradient_norm"] is not None
        ]
        for cell in CELLS
    }
    if not ratios["rnn"]:
        return f"Do gradients explode? It {_NOTHING}."
    share = float(np.mean([ratio > EXPLODED for ratio in ratios["rnn"]]))
    often = "often " if share > 0.5 else "at times " if share else "do not "
    median = {cell: _times(np.median(one)) for cell, one in ratios.items() if one}
    of_others = "".join(f", {median[cell]} in {CELLS[cell]}" for cell in ("gru", "lstm") if cell in median)
    diverged = sum(row["training_state"] == "diverged" for row in unclipped)
    return (
        f"Gradients {often}explode in the vanilla RNN without clipping: the largest of a run is, in the median, "
        f"{median['rnn']} times its mean, and up to {_times(max(ratios['rnn']))} times{of_others}; {diverged} of "
        f"{len(unclipped)} unclipped runs diverged, and clipping changes the RNN's AUROC by "
        f"{_effect(results, 'clipping: yes - no', 'cell=rnn')}, at three times the learning rate by "
        f"{_effect(results, 'clipping: yes - no', 'cell=rnn, rate=3')}."
    )


def _memory(results: ProbeResults) -> str:
    rows = [row for row in results.pairs if row["rule"] == "hold" and row["pooling"] == "last"]
    rows = [row for row in rows if row["start"] == "keras"]
    near = min((row["distance"] for row in rows), default=0)
    distant = max((row["tested_distance"] for row in rows), default=0)
    if near == distant:
        return f"Is memory overwritten? It {_NOTHING}."

    def accuracies(cell: str, trained_at: int, tested_at: int) -> list[float]:
        wanted = (cell, trained_at, tested_at)
        return [row["accuracy"] for row in rows if (row["cell"], row["distance"], row["tested_distance"]) == wanted]

    cells = [cell for cell in CELLS if accuracies(cell, near, near) and accuracies(cell, near, distant)]
    verdict = _forgets(accuracies("rnn", near, near), accuracies("rnn", near, distant)) if "rnn" in cells else None
    lead = {
        True: "The memory of the vanilla RNN is overwritten",
        False: "The memory of the vanilla RNN is not overwritten",
        None: "Whether the memory of the vanilla RNN is overwritten is undetermined",
    }[verdict]
    kept = ", ".join(
        f"{_mean(accuracies(cell, near, near))} and {_mean(accuracies(cell, near, distant))} with {CELLS[cell]}"
        for cell in cells
    )
    learnt = ", ".join(
        f"{_mean(accuracies(cell, distant, distant))} with {CELLS[cell]}"
        for cell in cells
        if accuracies(cell, distant, distant)
    )
    also = f"; trained at {distant} bases, {learnt}" if learnt else ""
    return (
        f"{lead}: trained to tell from the last state which of four planted motifs came first, {near} bases before the "
        f"end, networks are right {near} and {distant} bases after it at a rate of {kept}{also}."
    )


def _forgets(near: Sequence[float], distant: Sequence[float]) -> bool | None:
    """Whether what is learnt near by is lost far away, in every seed; None: it is not learnt, or seeds disagree."""
    if min(near) < LEARNT:
        return None
    if max(distant) < CHANCE:
        return True
    return False if min(distant) >= LEARNT else None


def _gate(results: ProbeResults) -> str:
    equal, bare = "clipping=yes, pooling=attention, convolution=yes", "clipping=yes, pooling=last, convolution=no"
    row = results.effect("cell: lstm - rnn", equal)
    if row is None:
        return f"Does the gate matter? It {_NOTHING}."
    lead = {
        "higher": "The gate matters",
        "lower": "The gate does harm",
        "undetermined": "Whether the gate matters is undetermined",
    }[row["verdict"]]
    changes = [
        " and ".join(f"{_effect(results, f'cell: {cell} - rnn', among)} with {CELLS[cell]}" for cell in ("lstm", "gru"))
        for among in (equal, bare)
    ]
    return (
        f"{lead} once clipping, attention and convolution are there: in place of the vanilla RNN AUROC changes by "
        f"{changes[0]}; clipped, but read from the last state and without the convolution, by {changes[1]}."
    )


_BLAMED = {
    **{"cell": "rnn", "pooling": "last", "convolution": False, "clipping": False},
    **{"start": "torch", "layer_norm": False, "direction": "forward", "rate": 1},
}
_REMEDIED = {"pooling": "attention", "convolution": True, "clipping": True, **AS_USUAL}


def _parts(results: ProbeResults) -> str:
    candidates = (
        ("attention instead of the last state", "pooling: attention - last", _ALL_RECURRENT),
        ("the convolution", "convolution: yes - no", _ALL_RECURRENT),
        ("the LSTM instead of the RNN", "cell: lstm - rnn", "all"),
        ("layer norm in the RNN", "layer_norm: yes - no", "cell=rnn, clipping=yes"),
        ("clipping", "clipping: yes - no", _ALL_RECURRENT),
    )
    found = [(words, row) for words, name, among in candidates if (row := results.effect(name, among)) is not None]
    if not found:
        return f"Which part earns most? It {_NOTHING}."
    found.sort(key=lambda one: -one[1]["difference"])
    words, row = found[0]
    lead = (
        f"Of the parts, {words} earns most" if row["verdict"] == "higher" else "Which part earns most is undetermined"
    )
    wholes = (
        ("all that was blamed", _BLAMED),
        ("every remedy", {"cell": "lstm", **_REMEDIED}),
        ("every remedy but the gate", {"cell": "rnn", **_REMEDIED}),
        ("every remedy but recurrence", {"cell": "none", **_REMEDIED}),
    )
    reached = [f"{mean:.3f} with {name}" for name, wanted in wholes if (mean := _auroc(results.factorial, wanted))]
    changes = ", ".join(f"{_difference(one)} with {name}" for name, one in found)
    return f"{lead}: all else equal AUROC changes by {changes}; it is {', '.join(reached)}."


def _auroc(rows: Iterable[Row], wanted: dict[str, Any]) -> float | None:
    values = [row["auroc"] for row in rows if all(row[name] == value for name, value in wanted.items())]
    return float(np.mean(values)) if values else None


def _effect(results: ProbeResults, contrast: str, among: str) -> str:
    row = results.effect(contrast, among)
    return _difference(row) if row is not None else "an amount that was not measured"


def _difference(row: Row) -> str:
    """Such as ``+0.021 (+0.010 to +0.032)``."""
    if row["low"] is None:
        return f"{_signed(row['difference'])} (one fold: no interval)"
    text = f"{_signed(row['difference'])} ({_signed(row['low'])} to {_signed(row['high'])})"
    return text if row["verdict"] != "undetermined" else f"{text[:-1]}, undetermined)"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", _MINUS)


def _norm(values: Sequence[float]) -> str:
    """The geometric mean of norms, with two digits."""
    mean = math.exp(float(np.mean(np.log(values))))
    return f"{mean:.2g}".replace("-", _MINUS)


def _times(ratio: Any) -> str:
    return f"{float(ratio):.2g}" if ratio < 100 else f"{float(ratio):,.0f}"


def _mean(values: Sequence[float]) -> str:
    return f"{float(np.mean(values)):.2f}"
