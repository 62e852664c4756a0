"""Pictures of a probe: reach of gradients, effects, gradient norms, planted motifs, attention by position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from dnafast.probe.answers import far
from dnafast.probe.results import ProbeResults
from dnafast.report import canvas
from dnafast.report.families import colour

Row = dict[str, Any]

_COLOURS = {"none": "floor-0", "rnn": "convolutional-0", "gru": "hybrid-0", "lstm": "recurrent-0"}
_MARKS = {"none": "D", "rnn": "s", "gru": "^", "lstm": "o"}
_NAMES = {"none": "none", "rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
_DASHED = (3, 1.5)
_LEAST = 1e-14  # below it no line is followed any further
# Of promoters that run from 60 bases before the start of transcription to 20 behind it.
PROMOTER_LENGTH, _START = 81, 60
_BOXES = {"\N{MINUS SIGN}35": _START - 35, "\N{MINUS SIGN}10": _START - 10}
RULES = {
    "both": "A before B, or one motif twice",
    "order": "A before B, or B before A",
    "exact_spacing": "exact spacing, or up to 4 off",
    "loose_spacing": "spacing within 2, or 5 to 8 off",
    "hold": "which of four motifs came first",
}
"""What the classes are, as above a panel."""


def reach_of_states(results: ProbeResults, name: str) -> Markup | None:
    """Draw |dh_T/ds_(T-d)| by distance, before and after training, and at one distance by epoch."""
    rows = [row for row in results.reach if row["of"] == "state"]
    distance = far(results)
    if not rows or distance is None:
        return None
    last = max(row["epoch"] for row in rows)
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH, 3.1)
        before, after, through = made.subplots(1, 3, sharey=True)
        _lines(before, [row for row in rows if row["epoch"] == 0], "distance", band=True)
        ended = _ended(rows)
        _lines(after, ended, "distance", band=True)
        _lines(through, [row for row in rows if row["distance"] == distance], "epoch", band=False)
        before.set(title="before training", xlabel="distance d (bases)", ylabel="|∂h(T) / ∂s(T \N{MINUS SIGN} d)|")
        after.set(title="after training", xlabel="distance d (bases)")
        through.set(title=f"d = {distance}, through training", xlabel="epoch", xlim=(0, max(last, 1)))
        before.set_yscale("log")
        before.set_ylim(bottom=max(min(row["norm"] for row in rows) / 3, _LEAST))
        _by_decades(before.yaxis)
        through.xaxis.set_major_locator(MaxNLocator(integer=True))
        for axes in (before, after, through):
            canvas.grid(axes)
            axes.axhline(1, color=colour("muted"), lw=0.8, dashes=(1, 2))
        _legend(made, {row["cell"] for row in rows}, [("orthogonal start", ()), ("torch's start", _DASHED)])
        return canvas.to_svg(made, name, "Norm of the gradient of the last state by distance, for each cell and start")


def _ended(rows: Sequence[Row]) -> list[Row]:
    """Those of each run's last epoch."""
    last: dict[Any, int] = {}
    for row in rows:
        run = row["cell"], row["start"], row["seed"]
        last[run] = max(last.get(run, 0), row["epoch"])
    return [row for row in rows if row["epoch"] == last[row["cell"], row["start"], row["seed"]]]


def _lines(axes: Axes, rows: Sequence[Row], across: str, *, band: bool) -> None:
    """A line for each cell and start: the geometric mean over seeds; a band from the lowest to the highest quantile."""
    for cell, start in dict.fromkeys((row["cell"], row["start"]) for row in rows):
        own = [row for row in rows if (row["cell"], row["start"]) == (cell, start)]
        places = sorted({row[across] for row in own})
        at = [[row for row in own if row[across] == place] for place in places]
        mean = [float(np.exp(np.mean(np.log([row["norm"] for row in some])))) for some in at]
        paint = colour(_COLOURS[cell])
        dashes: dict[str, Any] = {"dashes": _DASHED} if start == "torch" else {}
        axes.plot(places, mean, color=paint, **dashes)
        if band:
            low, high = ([f(row[key] for row in some) for some in at] for f, key in ((min, "low"), (max, "high")))
            axes.fill_between(places, low, high, color=paint, alpha=0.12, lw=0)


def effect_intervals(results: ProbeResults, name: str) -> Markup | None:
    """Draw what each part changes, a row a contrast: main effects above, effects within one cell below."""
    rows = [row for row in results.effects if row["difference"] is not None]
    if not rows:
        return None
    ends = [row[key] for row in rows for key in ("difference", "low", "high") if row[key] is not None]
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH, 0.165 * len(rows) + 0.9)
        axes = made.subplots()
        canvas.grid(axes, "x")
        axes.axvline(0, color=colour("ink"), lw=0.8)
        for place, row in enumerate(rows):
            paint = colour({"higher": "hybrid-0", "lower": "failure"}.get(row["verdict"], "muted"))
            if row["low"] is not None:
                axes.plot([row["low"], row["high"]], [place, place], color=paint, lw=1.6)
            hollow = row["verdict"] == "undetermined"
            axes.plot(
                row["difference"], place, "o", color=paint, markersize=4.2, mfc=colour("paper") if hollow else paint
            )
        axes.set_yticks(
            range(len(rows)), [f"{row['contrast']} ({row['among']})".replace(" - ", " \N{MINUS SIGN} ") for row in rows]
        )
        axes.tick_params(axis="y", length=0)
        margin = 0.04 * (max(ends) - min(ends) or 1)
        axes.set(xlim=(min(ends) - margin, max(ends) + margin), ylim=(len(rows) - 0.4, -0.6))
        axes.set_xlabel("change of AUROC, with its interval over folds")
        return canvas.to_svg(made, name, "Change of AUROC by each part of the network, with intervals")


def gradient_norms(results: ProbeResults, name: str) -> Markup | None:
    """Draw the largest gradient norm of every run of the factorial against its mean norm, unclipped and clipped."""
    rows = [row for row in results.factorial if row["gradient_norm"] is not None]
    if not rows:
        return None
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH, 3.0)
        panels = made.subplots(1, 2, sharex=True, sharey=True)
        for axes, clipping in zip(panels, (False, True), strict=True):
            canvas.grid(axes)
            own = [row for row in rows if row["clipping"] == clipping]
            for cell in _COLOURS:
                for diverged in (False, True):
                    some = [
                        row for row in own
                        if row["cell"] == cell and (row["training_state"] == "diverged") == diverged
                    ]  # fmt: skip
                    axes.plot(
                        [row["mean_gradient_norm"] for row in some],
                        [row["gradient_norm"] for row in some],
                        "x" if diverged else _MARKS[cell],
                        color=colour(_COLOURS[cell]),
                        markersize=4,
                        mfc="none",
                        lw=0,
                    )
            lost = sum(row["training_state"] == "diverged" for row in results.factorial if row["clipping"] == clipping)
            axes.set(xscale="log", yscale="log", xlabel="mean gradient norm of a run, before clipping")
            _by_decades(axes.xaxis)
            _by_decades(axes.yaxis)
            axes.set_title(f"{'clipped' if clipping else 'not clipped'} ({lost} of its runs diverged)")
        panels[0].set_ylabel("largest gradient norm")
        _legend(made, {row["cell"] for row in rows}, [], marks=True)
        return canvas.to_svg(made, name, "Largest against mean gradient norm of every run, with and without clipping")


def pair_accuracy(results: ProbeResults, name: str) -> Markup | None:
    """Draw accuracy against distance, a panel a rule, a line a network."""
    rows = [row for row in results.pairs if row["accuracy"] is not None and row["tested_distance"] == row["distance"]]
    rules = [rule for rule in RULES if any(row["rule"] == rule for row in rows)]
    if not rows:
        return None
    columns = min(3, len(rules))
    lines = -(-len(rules) // columns)
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH, 2.5 * lines + 0.4)
        panels = made.subplots(lines, columns, squeeze=False, sharey=True)
        for axes in panels.flat[len(rules) :]:
            axes.set_visible(False)
        for axes, rule in zip(panels.flat, rules, strict=False):
            canvas.grid(axes)
            axes.axhline(0.5, color=colour("muted"), lw=0.8, dashes=(1, 2))
            own = [row for row in rows if row["rule"] == rule]
            for cell, pooling, start in dict.fromkeys((row["cell"], row["pooling"], row["start"]) for row in own):
                some = [row for row in own if (row["cell"], row["pooling"], row["start"]) == (cell, pooling, start)]
                _accuracies(axes, some, cell, attention=pooling == "attention", torch_start=start == "torch")
            axes.set(title=RULES[rule], ylim=(0.42, 1.03))
            axes.set_xlabel("bases behind the first motif" if rule == "hold" else "bases between the motifs")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for axes in panels[:, 0]:
            axes.set_ylabel("accuracy")
        looks = [("last state", ()), ("last state, torch's start", _DASHED), ("attention (hollow)", (1, 1))]
        _legend(made, {row["cell"] for row in rows}, looks, marks=True)
        return canvas.to_svg(made, name, "Accuracy on planted motifs against their distance, for each network")


def _accuracies(axes: Axes, rows: Sequence[Row], cell: str, *, attention: bool, torch_start: bool) -> None:
    """The mean over seeds as a line, every seed as a mark."""
    places = sorted({row["distance"] for row in rows})
    mean = [float(np.mean([row["accuracy"] for row in rows if row["distance"] == place])) for place in places]
    paint = colour(_COLOURS[cell])
    dashes: dict[str, Any] = {"dashes": (1, 1)} if attention else {"dashes": _DASHED} if torch_start else {}
    axes.plot(places, mean, color=paint, **dashes)
    axes.plot(
        [row["distance"] for row in rows],
        [row["accuracy"] for row in rows],
        _MARKS[cell],
        color=paint,
        markersize=3.4,
        mfc=colour("paper") if attention else paint,
        lw=0,
    )


def by_position(results: ProbeResults, name: str) -> Markup | None:
    """Draw the mean attention of each position by class, and |dlogit/dinput| read from the last state or by attention.

    The boxes of a promoter are marked where sequences are real and 81 bases long.
    """
    attention = [row for row in results.attention if row["clipping"] and row["convolution"]]
    inputs = [row for row in results.input_reach if row["convolution"]]
    if not attention or not inputs:
        return None
    length = max(row["position"] for row in attention) + 1
    data = results.about["data"]
    marked = length == PROMOTER_LENGTH and not data["simulated"]
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH, 5.2)
        panels = made.subplots(2, 2, sharex=True, sharey="row")
        for axes, label in zip(panels[0], (1, 0), strict=True):
            own = [row for row in attention if row["label"] == label]
            _profiles(axes, own, "weight", np.mean)
            axes.set_title("attention, class 1" if label else "attention, class 0")
            axes.axhline(1 / length, color=colour("muted"), lw=0.8, dashes=(1, 2))
        for axes, pooling in zip(panels[1], ("last", "attention"), strict=True):
            _profiles(axes, [row for row in inputs if row["pooling"] == pooling], "norm", _geometric)
            axes.set_title("gradient, read from the last state" if pooling == "last" else "gradient, read by attention")
            axes.set_yscale("log")
            _by_decades(axes.yaxis)
            axes.set_xlabel("position (start of transcription is +1)" if marked else "position (base)")
        panels[0, 0].set_ylabel("mean weight")
        panels[1, 0].set_ylabel("|∂logit / ∂base|")
        for axes in panels.flat:
            canvas.grid(axes, "y")
            if marked:
                for box, place in _BOXES.items():
                    axes.axvline(place, color=colour("ink"), lw=0.7, dashes=(2, 2), zorder=0.5)
                    axes.text(place, 1.0, box, transform=axes.get_xaxis_transform(), ha="center", va="top")
                axes.set_xticks(
                    [0, 20, 40, 60, 80], ["\N{MINUS SIGN}60", "\N{MINUS SIGN}40", "\N{MINUS SIGN}20", "+1", "+21"]
                )
        _legend(made, {row["cell"] for row in [*attention, *inputs]}, [])
        return canvas.to_svg(made, name, "Attention and gradient of the answer by position, for each cell")


def _profiles(axes: Axes, rows: Sequence[Row], key: str, over_runs: Callable[[list[float]], Any]) -> None:
    for cell in _COLOURS:
        own = [row for row in rows if row["cell"] == cell]
        places = sorted({row["position"] for row in own})
        values = [float(over_runs([row[key] for row in own if row["position"] == place])) for place in places]
        axes.plot(places, values, color=colour(_COLOURS[cell]))


def _by_decades(axis: Axis) -> None:
    """Ticks at powers of ten, in letters that the page can draw."""
    axis.set_major_locator(LogLocator(base=10, numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "\N{MINUS SIGN}")))
    axis.set_minor_formatter(NullFormatter())


def _geometric(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(np.maximum(values, np.finfo(np.float64).tiny)))))


def _legend(
    made: Figure, cells: set[str], looks: Sequence[tuple[str, tuple[float, ...]]], *, marks: bool = False
) -> None:
    handles = [
        Line2D([], [], color=colour(paint), label=_NAMES[cell], marker=_MARKS[cell] if marks else "", markersize=4)
        for cell, paint in _COLOURS.items()
        if cell in cells
    ]
    handles += [
        Line2D([], [], color=colour("ink"), label=words, **({"dashes": dashes} if dashes else {}))  # type: ignore[arg-type]
        for words, dashes in looks
    ]
    made.legend(handles=handles, loc="outside lower center", ncols=len(handles))
