"""Scores at natural prevalence: tiles of the whole test part, however few of them are open.

As many closed windows as open ones make a test set that says which network ranks better; how many of its calls would be
right along a genome, only the genome says (on real DNase-seq an AUPRC of .75 at 1:1 was .145 genome-wide).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dnafast.bench.runs import SCORING_BATCH, Row, Run
from dnafast.encoding import BaseCodes
from dnafast.evaluate import predict
from dnafast.loader import Loader
from dnafast.metrics import classification_metrics, recall_at_fdr
from dnafast.records import write_npz

SCORES_NAME = "genome_scores.npz"
# Floors take codes whole; so many at a time keeps their counts of words small.
_FLOOR_BATCH = 4096


def network_scores(run: Run, model: nn.Module, encoding: Any, folder: Path) -> dict[str, Row]:
    """A network's figures on the tiles of the test part, by task; nothing where there are none."""
    tiles = run.dataset.tiles
    if tiles is None:
        return {}
    rows = tiles.rows(run.fold)
    loaders = [
        Loader(
            run.dataset.genome,
            tiles.windows[rows],
            tiles.labels[rows],
            encoding=encoding,
            batch_size=SCORING_BATCH,
            shuffle=False,
            reverse_complement=strand,
            device=run.resources.device,
            pin=run.resources.device.startswith("cuda"),
            threads=run.resources.data_threads,
        )
        for strand in run.strands
    ]
    return _figures(run, rows, predict(model, loaders, run.resources.device), folder)


def floor_scores(
    run: Run, probabilities: Callable[[NDArray[np.uint8]], NDArray[np.float64]], folder: Path
) -> dict[str, Row]:
    """A floor's figures on the same tiles."""
    tiles = run.dataset.tiles
    if tiles is None:
        return {}
    rows = tiles.rows(run.fold)
    found = [
        probabilities(
            np.asarray(run.dataset.genome.encode(tiles.windows[part], BaseCodes(), threads=run.resources.threads))
        )
        for part in np.array_split(rows, max(1, -(-len(rows) // _FLOOR_BATCH)))
    ]
    return _figures(run, rows, np.concatenate(found), folder)


def _figures(run: Run, rows: NDArray[np.int64], probabilities: NDArray[np.float64], folder: Path) -> dict[str, Row]:
    assert run.dataset.tiles is not None, "asked for where there are some"
    labels = run.dataset.tiles.labels[rows]
    write_npz(folder / SCORES_NAME, row=rows, labels=labels, probabilities=probabilities.astype(np.float32))
    figures: dict[str, Row] = {}
    for column, task in enumerate(run.dataset.tasks):
        truth, scores = labels[:, column], probabilities[:, column]
        ranked = classification_metrics(truth, scores, threshold=0.5)
        figures[task] = {
            "genome_n": int((truth >= 0).sum()),
            **{f"genome_{name}": ranked[name] for name in ("prevalence", "auroc", "auprc")},
            **{f"genome_recall_at_fdr_{rate}": recall_at_fdr(truth, scores, rate / 100) for rate in (10, 50)},
        }
    return figures
