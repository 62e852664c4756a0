"""Pictures of cost: quality against time with the Pareto front, and where the time of a run goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dnafast.report import canvas, numbers
from dnafast.report.families import MARKERS, PALETTE, SHORT_TITLES, colour
from dnafast.report.results import Dataset, Entry, best_floor, cost, estimate, mean_over_tasks, number

# Column of runs.csv -> what the axis says.
COSTS = {
    "train_seconds": "training time (seconds, log scale)",
    "latency_ms": "time for one sequence (milliseconds, log scale)",
}

ROW_HEIGHT = 0.19  # inches of a bar and the gap below it

SCOPES = {"data": "Data path", "model": "Model"}

# Each phase has a colour and a hatch of its own, the same for every data set; the place is that of its colour.
PHASES = {
    "data": ("index", "window", "encode", "data_wait"),
    "model": ("transfer", "forward", "backward", "optimizer", "evaluation", "fit"),
}
_HATCHES = ("", "//////", "", "......", "\\\\\\\\\\\\", "", "xxxxxx")


def cost_against_quality(dataset: Dataset, name: str) -> Markup | None:
    """Draw mean AUROC against training time and latency, with the Pareto front; None for fewer than two models."""
    points = {column: _points(dataset, column) for column in COSTS}
    drawn = [column for column in COSTS if len(points[column]) > 1]
    if not drawn:
        return None
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH * (len(drawn) + 0.25) / 2.25, 4.7)
        panels = made.subplots(1, len(drawn), squeeze=False, sharey=True)[0]
        best = _mean_best_floor(dataset)
        for axes, column in zip(panels, drawn, strict=True):
            _scatter(axes, points[column], COSTS[column])
            if best is not None:
                axes.axhline(best, color=colour("floor-0"), lw=1, dashes=(4, 2), zorder=1)
        several = len(dataset.tasks) > 1
        panels[0].set_ylabel(f"AUROC, mean over {len(dataset.tasks)} tasks" if several else "AUROC")
        families = dict.fromkeys(entry.family for column in drawn for entry, _, _ in points[column])
        ink = colour("ink")
        made.legend(
            handles=[
                *(
                    Line2D([], [], color=colour(f"{family}-0"), marker=MARKERS[family], markersize=4.6, lw=0,
                           label=SHORT_TITLES[family])
                    for family in families
                ),
                Line2D([], [], color=ink, marker="o", mfc="none", markersize=4.6, lw=0, label="not converged"),
                Line2D([], [], color=colour("muted"), lw=1, label="Pareto front"),
                *([] if best is None else [canvas.floor_line("best floor")]),
            ],
            loc="outside lower center",
            ncols=8 if len(drawn) > 1 else 4,
        )  # fmt: skip
        made.draw_without_rendering()
        for axes, column in zip(panels, drawn, strict=True):
            _label(made, axes, points[column], best)
        return canvas.to_svg(made, name, f"Cost against quality on {dataset.name}")


Point = tuple[Entry, float, float]


def _points(dataset: Dataset, column: str) -> list[Point]:
    found = [(entry, cost(entry, column), mean_over_tasks(entry, "auroc")) for entry in dataset.entries]
    return [(entry, x, y) for entry, x, y in found if x is not None and x > 0 and y is not None]


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in cost without losing in quality, by rising cost.

    A model that is told from chance neither on the validation part nor on the test part is no choice and stays out.
    """
    front: list[Point] = []
    for entry, x, y in sorted(points, key=lambda point: (point[1], -point[2])):
        if _told_from_chance(entry) and (not front or y > front[-1][2]):
            front.append((entry, x, y))
    return front


def _told_from_chance(entry: Entry) -> bool:
    """Whether validation says so, or the intervals on the test part do, which validation may be too small for."""
    if "at_chance" not in entry.states():
        return True
    tasks = dict.fromkeys(run.text("task") for run in entry.finished)
    lows = [found.low for task in tasks if (found := estimate(entry.on(task), "auroc")) and found.low is not None]
    return bool(lows) and float(np.mean(lows)) > 0.5


def _mean_best_floor(dataset: Dataset) -> float | None:
    best = [found.mean for task in dataset.tasks if (found := best_floor(dataset, task)) is not None]
    return float(np.mean(best)) if best else None


def _scatter(axes: Axes, points: Sequence[Point], label: str) -> None:
    axes.set_xscale("log")
    canvas.grid(axes)
    front = pareto_front(points)
    axes.step([x for _, x, _ in front], [y for _, _, y in front], where="post", color=colour("muted"), lw=1, zorder=1.5)
    for entry, x, y in points:
        paint = colour(f"{entry.family}-0")
        axes.plot(
            x,
            y,
            MARKERS[entry.family],
            markersize=5.2,
            markeredgecolor=paint,
            markeredgewidth=1.1,
            markerfacecolor=paint if entry.converged() else colour("paper"),
            zorder=3,
        )
    # Names stand to the right of their points.
    low, high = min(x for _, x, _ in points), max(x for _, x, _ in points)
    axes.set_xlim(low / 1.5, high * (high / low) ** 0.1 * 1.5)
    if high < 30 * low:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.margins(y=0.09)
    axes.set_xlabel(label)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: numbers.amount(value).rstrip("0").rstrip(".")
                                                 if value < 10 else numbers.amount(value)))  # fmt: skip
    axes.xaxis.set_minor_formatter(NullFormatter())


def _label(made: Figure, axes: Axes, points: Sequence[Point], floor: float | None) -> None:
    """Write each name beside its point where it covers neither another name nor a point, nearest place first."""
    scale = made.dpi / 72
    size = canvas.FONT_SIZE - 0.8
    panel = axes.get_window_extent()
    centres = axes.transData.transform([(x, y) for _, x, y in points])
    reach = 4.0 * scale
    taken = [(x - reach, y - reach, x + reach, y + reach) for x, y in centres]
    lines = _front_boxes(axes, points)
    if floor is not None:
        height = axes.transData.transform((1.0, floor))[1]
        lines.append((panel.x0, height - 1, panel.x1, height + 1))
    rings = [(dx, dy) for far in (0.0, 9.0, 18.0, 27.0) for dx, dy in
             ((6 + far / 3, far / 2), (-6 - far / 3, far / 2), (6 + far / 3, -far), (-6 - far / 3, -far),
              (0, 8 + far), (0, -9 - far), (6 + far / 3, far))]  # fmt: skip
    for (entry, x, y), (across, up) in sorted(zip(points, centres, strict=True), key=lambda item: -item[1][1]):
        width, height = 0.56 * size * len(entry.label) * scale, size * 1.15 * scale
        best, fewest = (6.0, 0.0), np.inf
        for dx, dy in rings:
            left = across + dx * scale - (0 if dx > 0 else width if dx < 0 else width / 2)
            box = (left, up + dy * scale - height / 2, left + width, up + dy * scale + height / 2)
            # A name across a line is bad, across another name worse, outside the panel worst.
            hits = sum(_overlap(box, other) for other in taken) + 0.4 * any(_overlap(box, line) for line in lines)
            hits += 10 * (box[0] < panel.x0 or box[2] > panel.x1 or box[1] < panel.y0 or box[3] > panel.y1)
            if hits < fewest:
                best, fewest, chosen = (dx, dy), hits, box
            if not hits:
                break
        taken.append(chosen)
        far = np.hypot(*best) > 14
        axes.annotate(
            entry.label,
            (x, y),
            xytext=best,
            textcoords="offset points",
            ha="left" if best[0] > 0 else "right" if best[0] < 0 else "center",
            va="center",
            fontsize=size,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": colour("muted"), "shrinkB": 3} if far else None,
            annotation_clip=False,
        )


def _front_boxes(axes: Axes, points: Sequence[Point]) -> list[tuple[float, ...]]:
    """Return the flat and the upright pieces of the Pareto front as boxes in the coordinates of the picture."""
    corners = axes.transData.transform([(x, y) for _, x, y in pareto_front(points)] or np.empty((0, 2)))
    boxes: list[tuple[float, ...]] = []
    for (left, low), (right, high) in pairwise(corners):
        boxes += [(left, low - 1, right, low + 1), (right - 1, low, right + 1, high)]
    return boxes


def _overlap(box: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def phases(dataset: Dataset, name: str) -> Markup | None:
    """Draw the time of a run by phase, data path and model apart; None where no phase was measured."""
    rows: dict[tuple[str, str], dict[tuple[str, str], list[float]]] = {}
    for row in dataset.phases:
        if (seconds := number(row.get("wall_seconds"))) is not None:
            key = row.get("model", ""), row.get("implementation", "")
            rows.setdefault(key, {}).setdefault((row.get("scope", ""), row.get("phase", "")), []).append(seconds)
    entries = [entry for entry in dataset.entries if (entry.model, entry.implementation) in rows]
    scopes = [scope for scope in SCOPES if any(kind == scope for found in rows.values() for kind, _ in found)]
    if not entries or not scopes:
        return None
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH, ROW_HEIGHT * len(entries) + 1.2)
        panels = made.subplots(1, len(scopes), squeeze=False, sharey=True)[0]
        for axes, scope in zip(panels, scopes, strict=True):
            named = _bars(axes, scope, [rows[entry.model, entry.implementation] for entry in entries])
            axes.set_title(SCOPES[scope])
            made.legend(
                handles=named,
                loc="outside lower left" if axes is panels[0] else "outside lower right",
                ncols=4,
                handlelength=1.6,
            )
        panels[0].set_yticks(range(len(entries)), [entry.label for entry in entries])
        for tick, entry in zip(panels[0].get_yticklabels(), entries, strict=True):
            tick.set_color(colour(f"{entry.family}-0"))
        panels[0].set_ylim(len(entries) - 0.4, -0.6)
        return canvas.to_svg(made, name, f"Wall time by phase on {dataset.name}")


def _bars(axes: Axes, scope: str, found: Sequence[Mapping[tuple[str, str], Sequence[float]]]) -> list[Patch]:
    """Draw the bars of one scope and return what its legend names."""
    there = dict.fromkeys(phase for row in found for kind, phase in row if kind == scope)
    names = [phase for phase in PHASES[scope] if phase in there]
    names += [phase for phase in there if phase not in names]
    looks = {phase: _phase_look(scope, phase) for phase in names}
    left = np.zeros(len(found))
    for phase in names:
        seconds = np.array([np.mean(row.get((scope, phase), [0.0])) for row in found])
        axes.barh(range(len(found)), seconds, 0.66, left, linewidth=0.4, **looks[phase])
        left += seconds
    for row, total in enumerate(left):
        axes.annotate(numbers.amount(total) if total else numbers.EMPTY, (total, row), xytext=(3, 0),
                      textcoords="offset points", va="center", fontsize=canvas.FONT_SIZE - 1,
                      color=colour("muted"))  # fmt: skip
    canvas.grid(axes, "x")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, (left.max() or 1.0) * 1.12)
    axes.set_xlabel("wall seconds per run")
    return [Patch(label=phase, linewidth=0.4, **looks[phase]) for phase in names]


def _phase_look(scope: str, phase: str) -> dict[str, Any]:
    """Colour and hatch of a phase; one that is not known here shares the last ones."""
    colours = sum(name.startswith(f"{scope}-") for name in PALETTE)
    place = PHASES[scope].index(phase) if phase in PHASES[scope] else colours - 1
    return {"facecolor": colour(f"{scope}-{place}"), "edgecolor": colour("paper"), "hatch": _HATCHES[place]}


def side_by_side(dataset: Dataset) -> list[tuple[Entry, Entry]]:
    """Return the models that ran in two implementations with a seed and fold in common: (torch, native)."""
    by_model: dict[str, dict[str, Entry]] = {}
    for entry in dataset.entries:
        if estimate(entry.finished, "auroc") is not None:
            by_model.setdefault(entry.model, {})[entry.implementation] = entry
    both = [(found["torch"], found["native"]) for found in by_model.values() if {"torch", "native"} <= found.keys()]
    return [(plain, native) for plain, native in both if plain.draws() & native.draws()]
