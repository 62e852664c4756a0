"""Pictures of quality: AUROC with intervals, ROC and precision-recall curves, learning curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from dnafast.report import canvas, numbers
from dnafast.report.families import FAMILIES, MARKERS, SHORT_TITLES, TITLES, colour
from dnafast.report.results import Dataset, Entry, Results, Run, best_floor, estimate

PANELS_PER_ROW = 3
_DASHES = ((), (4, 1.5), (1, 1), (4, 1.5, 1, 1.5))
_POINTS_OF_A_CURVE = 400


def auroc_dots(dataset: Dataset, tasks: Sequence[str], name: str) -> Markup:
    """Draw AUROC with its interval, a row per model and a panel per task; the floors run through as lines."""
    rows, labels, headings = _rows(dataset.entries)
    columns = min(PANELS_PER_ROW, len(tasks))
    lines = -(-len(tasks) // columns)
    height = 0.17 * (max(rows.values()) + 1) + 0.75
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH if columns > 1 else 7.4, height * lines)
        panels = made.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for axes in panels.flat[len(tasks) :]:
            axes.set_visible(False)
        ends = [0.5]
        for axes, task in zip(panels.flat, tasks, strict=False):
            ends += _dots(axes, dataset, task, rows)
            axes.set_title(task)
            axes.xaxis.set_tick_params(labelbottom=True)
        margin = 0.03 * (max(ends) - min(ends) or 1)
        panels[0, 0].set_xlim(max(0.0, min(ends) - margin), min(1.0, max(ends) + margin))
        panels[0, 0].set_ylim(max(rows.values()) + 0.7, -0.9)
        for axes in panels[:, 0]:
            axes.set_yticks([*rows.values(), *headings.values()])
            axes.set_yticklabels([*labels, *(SHORT_TITLES[family].capitalize() for family in headings)])
            for tick, family in zip(axes.get_yticklabels()[len(rows) :], headings, strict=True):
                tick.set(fontweight="bold", color=colour(f"{family}-0"))
        for axes in panels[-1]:
            axes.set_xlabel("AUROC on the test part")
        made.legend(
            handles=[
                Line2D([], [], color=colour("ink"), marker="o", markersize=4, lw=1.4, label="mean and interval"),
                Line2D([], [], color=colour("ink"), marker="|", markersize=5, lw=0, label="each run"),
                Line2D([], [], color=colour("ink"), marker="o", mfc="none", markersize=4, lw=0, label="not converged"),
                Line2D([], [], color=colour("floor-0"), lw=1, dashes=(4, 2), label="floors (band: interval of the best)"),
                Line2D([], [], color=colour("muted"), lw=0.8, dashes=(1, 2), label="chance"),
            ],
            loc="outside lower center",
            ncols=5,
        )
        return canvas.to_svg(made, name, f"AUROC of every model on {dataset.name}, with intervals and floors")


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
            markerfacecolor=paint if converged(entry) else colour("paper"),
            zorder=3,
        )
        ends += found.values
    return ends


def converged(entry: Entry) -> bool:
    """Whether no finished run of a model says that it ended before it converged."""
    return all(state in ("converged", "") for state in entry.states())


def curves(results: Results, dataset: Dataset, task: str, name: str) -> Markup | None:
    """Draw ROC and precision-recall curves, a column per family and the floors in each; None without saved scores."""
    drawn = [(entry, run, scores) for entry in dataset.entries if (found := _median(results, dataset, entry, task))
             for run, scores in (found,)]  # fmt: skip
    if not drawn:
        return None
    families = [family for family in FAMILIES if family != "floor" and any(e.family == family for e, _, _ in drawn)]
    families = families or ["floor"]
    most = max(sum(entry.family in (family, "floor") for entry, _, _ in drawn) for family in families)
    prevalence = float(np.mean(drawn[0][2][0]))
    legend = 0.155 * (most + 2)
    with canvas.drawing():
        made = canvas.figure(canvas.WIDTH * (len(families) + 0.3) / 3.3, 2 * 2.75 + legend)
        panels = made.subplots(3, len(families), squeeze=False, height_ratios=[2.75, 2.75, legend])
        for column, family in enumerate(families):
            roc, recall, words = panels[:, column]
            roc.set_title(TITLES[family].split(" (")[0])
            handles = [Line2D([], [], lw=0, label=" AUROC    AUPRC".replace(" ", "\N{NO-BREAK SPACE}"))]
            own = [item for item in drawn if item[0].family == family]
            floors = [item for item in drawn if item[0].family == "floor" and family != "floor"]
            for place, (entry, run, (labels, probabilities)) in enumerate(own + floors):
                place = place if place < len(own) else place - len(own)
                look = _look(entry, place)
                false_positive, true_positive, _ = roc_curve(labels, probabilities)
                roc.plot(*_thinned(false_positive, true_positive), **look)
                precision, sensitivity, _ = precision_recall_curve(labels, probabilities)
                # Precision before the first positive is found is noise, and the added point (0, 1) is nobody's figure.
                found = sensitivity[::-1] > 0
                recall.plot(*_thinned(sensitivity[::-1][found], precision[::-1][found]), **look)
                figures = (2 * "\N{NO-BREAK SPACE}").join(numbers.quality(run.number(column_)) for column_ in ("auroc", "auprc"))
                handles.append(Line2D([], [], label=f"{figures}\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}{entry.label}", **look))
            roc.plot([0, 1], [0, 1], color=colour("muted"), lw=0.8, dashes=(1, 2))
            recall.axhline(prevalence, color=colour("muted"), lw=0.8, dashes=(1, 2))
            dots = {"color": colour("muted"), "lw": 0.8, "dashes": (1, 2)}
            handles.append(Line2D([], [], label=f"chance; prevalence {numbers.quality(prevalence)}", **dots))
            for axes, across, up in (
                (roc, "false positive rate", "true positive rate"),
                (recall, "recall", "precision"),
            ):
                axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel=across, ylabel=up if column == 0 else "")
                canvas.grid(axes)
            words.axis("off")
            words.legend(handles=handles, loc="upper left", borderaxespad=0, labelspacing=0.25, handlelength=2.6)
        return canvas.to_svg(made, name, f"ROC and precision-recall curves on {dataset.name}, {task}")


def _median(
    results: Results, dataset: Dataset, entry: Entry, task: str
) -> tuple[Run, tuple[NDArray[np.int8], NDArray[np.float64]]] | None:
    """Return the run of median AUROC (the lower of two) with its scores, where both classes are there."""
    runs = [run for run in entry.on(task) if run.number("auroc") is not None]
    runs.sort(key=lambda run: run.number("auroc") or 0.0)
    for run in runs[(len(runs) - 1) // 2 :]:
        scores = results.scores(run, dataset.tasks.index(task))
        if scores is not None and 0 < scores[0].sum() < len(scores[0]) and np.isfinite(scores[1]).all():
            return run, scores
    return None


def _look(entry: Entry, place: int) -> dict[str, object]:
    if entry.family == "floor":
        return {"color": colour(f"floor-{place % 3}"), "lw": 1.0, "dashes": ((5, 2), (2.5, 1.5), (1, 1))[place % 3]}
    dashes = _DASHES[place // 3 % len(_DASHES)]
    look: dict[str, object] = {"color": colour(f"{entry.family}-{place % 3}"), "lw": 1.3}
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
        if (kept := [columns for run in _once(entry) if len((columns := results.history(run)).get("epoch", ()))])
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
        lowest, highest = 1.0, 0.0
        for axes, (entry, kept) in zip(panels.flat, histories, strict=False):
            paint = colour(f"{entry.family}-0")
            canvas.grid(axes, "y")
            axes.set_title(entry.label, fontsize=canvas.FONT_SIZE - 0.5, color=paint)
            for columns_ in kept:
                epochs = columns_["epoch"]
                for column, dashes in (("train_loss", (2, 1.2)), ("valid_loss", (None, None))):
                    values = columns_.get(column)
                    if values is None:
                        continue
                    axes.plot(epochs, values, color=paint, lw=1.1, dashes=dashes, marker="." if len(epochs) == 1 else "")
                    finite = values[np.isfinite(values)]
                    lowest, highest = min(lowest, *finite, 1.0), max(highest, *finite, 0.0)
                if (valid := columns_.get("valid_loss")) is not None and np.isfinite(valid).any():
                    chosen = int(np.nanargmin(valid))
                    axes.plot(epochs[chosen], valid[chosen], "o", color=paint, markersize=3.2)
            if best is not None:
                axes.axhline(best, color=colour("floor-0"), lw=1, dashes=(4, 2))
            axes.xaxis.get_major_locator().set_params(integer=True, nbins=4)
        # A run that blows up must not flatten the others.
        panels[0, 0].set_ylim(max(0.0, lowest - 0.05), min(highest + 0.05, 1.4))
        for axes in panels[:, 0]:
            axes.set_ylabel("log loss")
        for axes in panels.flat[max(0, len(histories) - columns) : len(histories)]:
            axes.set_xlabel("epoch")
        ink = colour("ink")
        made.legend(
            handles=[
                Line2D([], [], color=ink, lw=1.1, dashes=(2, 1.2), label="training"),
                Line2D([], [], color=ink, lw=1.1, label="validation"),
                Line2D([], [], color=ink, lw=0, marker="o", markersize=3.2, label="lowest validation loss"),
                Line2D([], [], color=colour("floor-0"), lw=1, dashes=(4, 2), label="best floor, on the test part"),
            ],
            loc="outside lower center",
            ncols=4,
        )
        return canvas.to_svg(made, name, f"Learning curves on {dataset.name}")


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
