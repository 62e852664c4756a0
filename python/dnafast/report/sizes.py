"""How quality grows with the training part: curves, and where a network passes the linear models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from dnafast.report import canvas, numbers
from dnafast.report.families import MARKERS, colour
from dnafast.report.results import Dataset, Entry, estimate

Curve = Mapping[float, float]
"""Size of the training part -> mean AUROC over tasks, folds and seeds."""


def curve(entry: Entry, tasks: Sequence[str]) -> Curve:
    """Return a model's AUROC by the size of its training part, ascending."""
    sizes: dict[str, list[float]] = {}
    for run in entry.finished:
        if (trained_on := run.number("n_train")) is not None:
            sizes.setdefault(run.text("train_size"), []).append(trained_on)
    found: dict[float, float] = {}
    for size, n_train in sizes.items():
        rows = [run for run in entry.finished if run.text("train_size") == size]
        values = [
            value.mean
            for task in tasks
            if (value := estimate([run for run in rows if run.text("task") == task], "auroc")) is not None
        ]
        if values:
            found[float(np.mean(n_train))] = float(np.mean(values))
    return dict(sorted(found.items()))


def best_of_floors(dataset: Dataset) -> Curve:
    """Return the AUROC of the best floor at each size."""
    best: dict[float, float] = {}
    for entry in dataset.sized:
        if entry.family == "floor":
            for size, value in curve(entry, dataset.tasks).items():
                best[size] = max(value, best.get(size, -math.inf))
    return dict(sorted(best.items()))


def passes(below: Curve, above: Curve) -> tuple[float, float, float] | None:
    """Return where the second curve passes the first for good: the sizes before and after, and a point between.

    Between two sizes both are taken to be straight over the logarithm of the size. None where the second is above at
    all sizes that both have, or not at the last of them.
    """
    sizes = sorted(below.keys() & above.keys())
    lead = [above[size] - below[size] for size in sizes]
    if len(sizes) < 2 or lead[-1] <= 0 or min(lead) > 0:
        return None
    last = max(place for place, value in enumerate(lead) if value <= 0)
    before, after = sizes[last], sizes[last + 1]
    share = -lead[last] / (lead[last + 1] - lead[last])
    return before, after, math.exp(math.log(before) + share * (math.log(after) - math.log(before)))


def sentences(dataset: Dataset) -> list[str]:
    """Return for every network how it lies to the best floor as the training part grows, in words."""
    floors = best_of_floors(dataset)
    told = []
    for entry in dataset.sized:
        if entry.family == "floor":
            continue
        own = curve(entry, dataset.tasks)
        shared = sorted(own.keys() & floors.keys())
        if len(shared) < 2:
            continue
        point = passes(floors, own)
        if point is not None:
            before, after, crossing = point
            words = (
                f"passes the best floor between {numbers.count(before)} and {numbers.count(after)} training windows "
                f"(at about {_rounded(crossing)})"
            )
        elif own[shared[-1]] > floors[shared[-1]]:
            words = f"lies above the best floor from {numbers.count(shared[0])} training windows on"
        else:
            words = f"does not pass the best floor by {numbers.count(shared[-1])} training windows"
        told.append(f"{entry.label} {words}.")
    return told


def by_size(dataset: Dataset, name: str) -> Markup | None:
    """Draw AUROC by the size of the training part, a panel per network; None where there is one size."""
    networks = [entry for entry in dataset.sized if entry.family != "floor" and len(curve(entry, dataset.tasks)) > 1]
    if not networks:
        return None
    floors = best_of_floors(dataset)
    columns = min(5, len(networks))
    lines = -(-len(networks) // columns)
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH * max(columns, 2) / 5, 1.6 * lines + 0.6)
        panels = made.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for axes in panels.flat[len(networks) :]:
            axes.set_visible(False)
        for axes, entry in zip(panels.flat, networks, strict=False):
            _panel(axes, entry, curve(entry, dataset.tasks), floors)
        for axes in panels[:, 0]:
            axes.set_ylabel("AUROC")
        for axes in panels.flat[max(0, len(networks) - columns) : len(networks)]:
            axes.set_xlabel("training windows")
            axes.xaxis.set_tick_params(labelbottom=True)
        made.legend(
            handles=[
                Line2D([], [], color=colour("ink"), marker="o", markersize=3.6, lw=1.2, label="network"),
                *(
                    [
                        canvas.floor_line("best floor"),
                        Line2D([], [], color=colour("muted"), lw=0.8, dashes=(1, 2), label="where it passes the floor"),
                    ]
                    if floors
                    else []
                ),
            ],
            loc="outside lower center",
            ncols=3,
        )
        return canvas.to_svg(made, name, f"AUROC by the size of the training part on {dataset.name}")


def _panel(axes: Axes, entry: Entry, own: Curve, floors: Curve) -> None:
    paint = colour(f"{entry.family}-0")
    canvas.grid(axes, "y")
    axes.set_xscale("log")
    axes.set_title(canvas.shortened(entry.label, 24), fontsize=canvas.FONT_SIZE - 0.5, color=paint)
    if floors:
        axes.plot(list(floors), list(floors.values()), color=colour("floor-0"), lw=1, dashes=(4, 2))
    axes.plot(list(own), list(own.values()), color=paint, lw=1.2, marker=MARKERS[entry.family], markersize=3.6)
    point = passes(floors, own)
    if point is not None:
        axes.axvline(point[2], color=colour("muted"), lw=0.8, dashes=(1, 2))
    axes.set_xticks(list(own), [numbers.count(size) if size < 1000 else numbers.scaled(size) for size in own])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()


def _rounded(value: float) -> str:
    """Two digits: between two sizes no more is known."""
    digits = 1 - math.floor(math.log10(value))
    return numbers.count(round(value, digits))
