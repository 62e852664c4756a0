"""Pictures of quality: AUROC with intervals, ROC and precision-recall curves, learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from dnafast.report import canvas, numbers
from dnafast.report.families import FAMILIES, MARKERS, SHORT_TITLES, TITLES, colour
from dnafast.report.results import Dataset, Entry, Results, Run, best_floor, estimate

PANELS_PER_ROW = 3
_DASHES = ((), (4, 1.5), (1, 1), (4, 1.5, 1, 1.5))
_TRAINING = (2, 1.2)
_POINTS_OF_A_CURVE = 400


def auroc_dots(dataset: Dataset, tasks: Sequence[str], name: str) -> Markup:
    """Draw AUROC with its interval, a row per model and a panel per task; the floors run through as lines."""
    rows, labels, headings = _rows(dataset.entries)
    columns = 2 if len(tasks) == 4 else min(PANELS_PER_ROW, len(tasks))
    lines = -(-len(tasks) // columns)
    height = 0.17 * (max(rows.values()) + 1) + 0.55
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH if columns > 1 else 7.4, height * lines + 0.45)
        panels = made.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for axes in panels.flat[len(tasks) :]:
            axes.set_visible(False)
        ends = [0.5]
        for axes, task in zip(panels.flat, tasks, strict=False):
            ends += _dots(axes, dataset, task, rows)
            axes.set_title(canvas.shortened(task, 40))
            axes.xaxis.set_tick_params(labelbottom=True)
        margin = 0.03 * (max(ends) - min(ends) or 1)
        panels[0, 0].set_xlim(max(0.0, min(ends) - margin), min(1.0, max(ends)) + margin)
        panels[0, 0].set_ylim(max(rows.values()) + 0.7, -0.9)
        for axes in panels[:, 0]:
            axes.set_yticks([*rows.values(), *headings.values()])
            axes.set_yticklabels([*labels, *(SHORT_TITLES[family].capitalize() for family in headings)])
            for tick, family in zip(axes.get_yticklabels()[len(rows) :], headings, strict=True):
                tick.set(fontweight="bold", color=colour(f"{family}-0"))
        for axes in panels.flat[len(tasks) - columns : len(tasks)]:
            axes.set_xlabel("AUROC on the test part")
        made.legend(
            handles=[
                Line2D([], [], color=colour("ink"), marker="o", markersize=4, lw=1.4, label="mean and interval"),
                Line2D([], [], color=colour("ink"), marker="|", markersize=5, lw=0, label="each run"),
                Line2D([], [], color=colour("ink"), marker="o", mfc="none", markersize=4, lw=0, label="not converged"),
                *([canvas.floor_line("floors (band: interval of the best)")] if dataset.has_floors else []),
                Line2D([], [], color=colour("muted"), lw=0.8, dashes=(1, 2), label="chance"),
            ],
            loc="outside lower center",
            ncols=5,
        )
        beside = "intervals and floors" if dataset.has_floors else "intervals"
        return canvas.to_svg(made, name, f"AUROC of every model on {dataset.name}, with {beside}")


def _rows(entries: Sequence[Entry]) -> tuple[dict[tuple[str, str], int], list[str], dict[str, int]]:
    """Return the row of each entry, its label, and the row of each family's heading."""
    rows: dict[tuple[str, str], int] = {}
    headings: dict[str, int] = {}
    position = 0
    for entry in entries:
        if entry.family not in headings:
            headings[entry.family] = position
            position += 1
        rows[entry.model, entry.implementation] = position
        position += 1
    return rows, [entry.label for entry in entries], headings


def _dots(axes: Axes, dataset: Dataset, task: str, rows: dict[tuple[str, str], int]) -> list[float]:
    """Draw one panel and return every AUROC in it."""
    ends: list[float] = []
    canvas.grid(axes, "x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.axvline(0.5, color=colour("muted"), lw=0.8, dashes=(1, 2))
    best = best_floor(dataset, task)
    if best is not None and best.low is not None and best.high is not None:
        axes.axvspan(best.low, best.high, color=colour("band"), lw=0, zorder=0.5)
    for entry in dataset.entries:
        row = rows[entry.model, entry.implementation]
        found = estimate(entry.on(task), "auroc")
        if found is None:
            what = "failed" if entry.failed else "no figure"
            # In the coordinates of the panel's width, since nothing says where it would lie.
            axes.text(0.01, row, what, transform=axes.get_yaxis_transform(), va="center", color=colour("failure"))
            continue
        paint = colour(f"{entry.family}-0")
        if entry.family == "floor":
            axes.axvline(found.mean, color=paint, lw=1, dashes=(4, 2), zorder=1)
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [row, row], color=paint, lw=1.6)
            ends += [found.low, found.high]
        if len(found.values) > 1:
            axes.plot(found.values, [row] * len(found.values), "|", color=paint, markersize=6, markeredgewidth=0.8)
        axes.plot(
            found.mean,
            row,
            MARKERS[entry.family],
            markersize=4.6,
            markeredgecolor=paint,
            markeredgewidth=1.1,
            markerfacecolor=paint if entry.converged(task) else colour("paper"),
            zorder=3,
        )
        ends += found.values
    return ends


class _Curve(NamedTuple):
    """A model's chosen run on a task with its labelled scores."""

    entry: Entry
    run: Run
    labels: NDArray[np.int8]
    probabilities: NDArray[np.float64]


def curves(results: Results, dataset: Dataset, task: str, name: str) -> Markup | None:
    """Draw ROC and precision-recall curves, a column per family and the floors in each; None without saved scores."""
    drawn = [curve for entry in dataset.entries if (curve := _median(results, dataset, entry, task)) is not None]
    if not drawn:
        return None
    by_family = {family: [curve for curve in drawn if curve.entry.family == family] for family in FAMILIES}
    floors = by_family.pop("floor")
    columns = {family: [*own, *floors] for family, own in by_family.items() if own} or {"floor": floors}
    legend = 0.155 * (max(map(len, columns.values())) + 2)  # inches of one line for each curve, heading and chance
    with canvas.drawing():
        if len(columns) == 1:
            made = canvas.figure(canvas.WIDTH, max(3.2, legend))
            panels = made.subplots(1, 3).reshape(3, 1)
        else:
            made = canvas.figure(canvas.WIDTH * (len(columns) + 0.3) / 3.3, 2 * 2.75 + legend)
            panels = made.subplots(3, len(columns), squeeze=False, height_ratios=[2.75, 2.75, legend])
        for (roc, recall, words), (family, shown) in zip(panels.T, columns.items(), strict=True):
            roc.set_title(TITLES[family].split(" (")[0])
            _curve_panels(roc, recall, words, shown)
        panels[0, 0].set_ylabel("true positive rate")
        panels[1, 0].set_ylabel("precision")
        return canvas.to_svg(made, name, f"ROC and precision-recall curves on {dataset.name}, {task}")


def _curve_panels(roc: Axes, recall: Axes, words: Axes, shown: Sequence[_Curve]) -> None:
    """Draw the curves of one column, and name them with their figures in the panel below."""
    space = "\N{NO-BREAK SPACE}"  # others run together in SVG
    handles = [Line2D([], [], lw=0, label=f"{space}AUROC{4 * space}AUPRC")]
    places: dict[str, int] = {}
    for entry, run, labels, probabilities in shown:
        place = places[entry.family] = places.get(entry.family, -1) + 1
        look = _look(entry, place)
        false_positive, true_positive, _ = roc_curve(labels, probabilities)
        roc.plot(*_thinned(false_positive, true_positive), **look)
        precision, sensitivity, _ = precision_recall_curve(labels, probabilities)
        # Before the first positive is found there is no precision to speak of; (0, 1) is only added by convention.
        found = sensitivity[::-1] > 0
        recall.plot(*_thinned(sensitivity[::-1][found], precision[::-1][found]), **look)
        figures = [numbers.quality(run.number(column)) for column in ("auroc", "auprc")]
        handles.append(Line2D([], [], label=(2 * space).join([*figures, entry.label]), **look))
    prevalence = float(np.mean(shown[0].labels))
    chance: dict[str, Any] = {"color": colour("muted"), "lw": 0.8, "dashes": (1, 2)}
    roc.plot([0, 1], [0, 1], **chance)
    recall.axhline(prevalence, **chance)
    handles.append(Line2D([], [], label=f"chance; prevalence {numbers.quality(prevalence)}", **chance))
    for axes, across in ((roc, "false positive rate"), (recall, "recall")):
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel=across)
        canvas.grid(axes)
    words.axis("off")
    words.legend(handles=handles, loc="upper left", borderaxespad=0, labelspacing=0.25, handlelength=2.6)


def _median(results: Results, dataset: Dataset, entry: Entry, task: str) -> _Curve | None:
    """Return the run of median AUROC (the lower of two) that has scores of both classes."""
    runs = [run for run in entry.on(task) if run.number("auroc") is not None]
    runs.sort(key=lambda run: run.number("auroc") or 0.0)
    for run in runs[(len(runs) - 1) // 2 :]:
        scores = results.scores(run, dataset.tasks.index(task))
        if scores is not None and 0 < scores[0].sum() < len(scores[0]) and np.isfinite(scores[1]).all():
            return _Curve(entry, run, *scores)
    return None


def _look(entry: Entry, place: int) -> dict[str, Any]:
    if entry.family == "floor":
        return {"color": colour(f"floor-{place % 3}"), "lw": 1.0, "dashes": ((5, 2), (2.5, 1.5), (1, 1))[place % 3]}
    dashes = _DASHES[place // 3 % len(_DASHES)]
    look: dict[str, Any] = {"color": colour(f"{entry.family}-{place % 3}"), "lw": 1.3}
    return {**look, "dashes": dashes} if dashes else look


def _thinned(across: NDArray[np.float64], up: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a curve with at most a few hundred of its points, evenly along its length."""
    if len(across) <= _POINTS_OF_A_CURVE:
        return across, up
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(across), np.diff(up)))])
    kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], _POINTS_OF_A_CURVE)).clip(0, len(across) - 1))
    return across[kept], up[kept]


def learning(results: Results, dataset: Dataset, name: str) -> Markup | None:
    """Draw training and validation loss by epoch, a panel per network; None where no history was kept."""
    histories = [
        (entry, kept)
        for entry in dataset.networks
        if (kept := [found for run in _once(entry) if len((found := results.history(run)).get("epoch", ()))])
    ]
    if not histories:
        return None
    best = _mean_best_log_loss(dataset)
    columns = min(6, len(histories))
    lines = -(-len(histories) // columns)
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH * max(columns, 2) / 6, 1.45 * lines + 0.6)
        panels = made.subplots(lines, columns, squeeze=False, sharey=True)
        for axes in panels.flat[len(histories) :]:
            axes.set_visible(False)
        losses: list[float] = []
        for axes, (entry, kept) in zip(panels.flat, histories, strict=False):
            losses += _learning_panel(axes, entry, kept)
            if best is not None:
                axes.axhline(best, color=colour("floor-0"), lw=1, dashes=(4, 2))
        losses += [] if best is None else [best]
        # A run that blows up must not flatten the others.
        panels[0, 0].set_ylim(max(0.0, min(losses, default=0.0) - 0.05), min(max(losses, default=1.0) + 0.05, 1.4))
        for axes in panels[:, 0]:
            axes.set_ylabel("log loss")
        for axes in panels.flat[max(0, len(histories) - columns) : len(histories)]:
            axes.set_xlabel("epoch")
        ink = colour("ink")
        once = any(len(found["epoch"]) == 1 for _, kept in histories for found in kept)
        hollow = " (hollow dot: evaluated once)" if once else ""
        made.legend(
            handles=[
                Line2D([], [], color=ink, lw=1.1, dashes=_TRAINING, label=f"training{hollow}"),
                Line2D([], [], color=ink, lw=1.1, label="validation"),
                Line2D([], [], color=ink, lw=0, marker="o", markersize=3.2, label="lowest validation loss"),
                *([] if best is None else [canvas.floor_line("best floor, on the test part")]),
            ],
            loc="outside lower center",
            ncols=4 if columns > 3 else 2,
        )
        return canvas.to_svg(made, name, f"Learning curves on {dataset.name}")


def _learning_panel(axes: Axes, entry: Entry, histories: Sequence[dict[str, NDArray[np.float64]]]) -> list[float]:
    """Draw the losses of one network, each run a line, and return them all."""
    paint = colour(f"{entry.family}-0")
    canvas.grid(axes, "y")
    axes.set_title(entry.label, fontsize=canvas.FONT_SIZE - 0.5, color=paint)
    drawn: list[float] = []
    for history in histories:
        epochs = history["epoch"]
        look: dict[str, Any] = {"color": paint, "lw": 1.1}
        if (training := history.get("train_loss")) is not None:
            # A single evaluation is no line; the validation loss has its dot below.
            marker: dict[str, Any] = (
                {"marker": "o", "markersize": 3.2, "mfc": colour("paper")} if len(epochs) == 1 else {}
            )
            axes.plot(epochs, training, dashes=_TRAINING, **look, **marker)
            drawn += training[np.isfinite(training)].tolist()
        if (validation := history.get("valid_loss")) is not None and np.isfinite(validation).any():
            axes.plot(epochs, validation, **look)
            drawn += validation[np.isfinite(validation)].tolist()
            chosen = int(np.nanargmin(validation))
            axes.plot(epochs[chosen], validation[chosen], "o", color=paint, markersize=3.2)
    last = max(float(history["epoch"].max()) for history in histories)
    if last <= 1:
        # Too narrow for whole numbers of its own.
        axes.set(xlim=(0, 2), xticks=[1])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return drawn


def _once(entry: Entry) -> list[Run]:
    """Return each run once, whatever the number of its tasks; failed ones too, as far as they came."""
    return list({run.text("run_id"): run for run in entry.runs}.values())


def _mean_best_log_loss(dataset: Dataset) -> float | None:
    """Return the best floor's log loss as a mean over tasks: what a network's loss over all tasks compares with."""
    best = [
        min(found)
        for task in dataset.tasks
        if (found := [value.mean for floor in dataset.floors if (value := estimate(floor.on(task), "log_loss"))])
    ]
    return float(np.mean(best)) if best else None
