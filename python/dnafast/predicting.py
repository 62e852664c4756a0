"""Predictions of a trained network over windows that come piece by piece, in memory that does not grow with a genome.

Shape letters: N windows of a piece, T tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from dnafast.genome import Genome
from dnafast.loader import Loader
from dnafast.train.errors import OutOfMemoryError, is_out_of_memory
from dnafast.windowing import Windows

PIECE = 1 << 16
"""Windows in a piece: a few megabytes of tables, and enough for threads to be busy."""


@dataclass(frozen=True)
class Stretches:
    """Windows of one length at even steps over S stretches of contigs, made piece by piece.

    The first window of a stretch begins where the stretch does; none leaves it, so that up to a step of bases at its
    end may be in none.

    Attributes:
        contigs: names of the contigs.
        contig: int32 (S,), index into `contigs`.
        begin, end: int64 (S,), 0-based and half-open.
        length: bases in a window.
        stride: bases from the start of one window to that of the next.
    """

    contigs: tuple[str, ...]
    contig: NDArray[np.int32]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    length: int
    stride: int

    @property
    def counts(self) -> NDArray[np.int64]:
        """Windows in each stretch, int64 (S,)."""
        room = self.end - self.begin - self.length
        return np.where(room < 0, 0, room // self.stride + 1)

    def __len__(self) -> int:
        return int(self.counts.sum())

    def pieces(self, rows: int = PIECE) -> Iterator[Windows]:
        """All windows on strand 0 in the order of the stretches, so many at a time."""
        counts = self.counts
        after = np.cumsum(counts)
        for first in range(0, len(self), rows):
            number = np.arange(first, min(first + rows, int(after[-1])))
            stretch = np.searchsorted(after, number, side="right")
            within = number - (after[stretch] - counts[stretch])
            start = self.begin[stretch] + self.stride * within
            yield Windows.from_arrays(self.contigs, self.contig[stretch], start, self.length)


def slices(windows: Windows, rows: int = PIECE) -> Iterator[Windows]:
    """A table of windows, so many rows at a time."""
    for first in range(0, len(windows), rows):
        yield windows[first : first + rows]


@torch.inference_mode()
def logits(
    network: nn.Module,
    genome: Genome,
    windows: Windows,
    encoding: Any,
    *,
    stranded: bool,
    batch_size: int = 256,
    device: str | torch.device = "cpu",
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Logits (N, T) of a network for windows, in their order.

    Args:
        network: on the device, in evaluation mode.
        genome: where the windows lie.
        windows: N of them.
        encoding: what the network eats, such as its ``config.encoding``.
        stranded: whether a window is read on its own strand alone; else the logits of both strands are averaged, as
            `dnafast.evaluate.score` does.
        batch_size: windows in a batch.
        device: where the network is.
        threads: for the data path; None for every usable processor.

    Raises:
        OutOfMemoryError: says which batch size to try.
        ValueError: a logit is no finite number; names the first window that has one.
    """
    device = torch.device(device)
    views = []
    try:
        for strand in ("never",) if stranded else ("never", "always"):
            loader = Loader(
                genome,
                windows,
                encoding=encoding,
                batch_size=batch_size,
                shuffle=False,
                reverse_complement=strand,
                device=device,
                pin=device.type == "cuda",
                threads=threads,
            )
            # Nothing is fetched from the device before this line, so that it never waits for the host.
            view = torch.cat([network(batch.x.to(device, non_blocking=True)) for batch in loader])
            views.append(view.to(torch.float64).cpu().numpy())
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError("predicting", batch_size) from error
    found: NDArray[np.float64] = np.mean(views, axis=0)
    wrong = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(wrong):
        row = int(wrong[0])
        where = f"{windows.contigs[windows.contig[row]]}:{windows.start[row]}-{windows.end[row]}"
        raise ValueError(f"the network gives {found[row].tolist()} for {where}, which is no finite number")
    return found


def probabilities(
    logits: NDArray[np.float64], trained_on: Sequence[float] = (), prior: float | None = None
) -> NDArray[np.float64]:
    """Probabilities (N, T) of logits, corrected for the share of positives where the model is used.

    A model that was trained on a share p of positives and is used where the share is q gives odds that are too high by
    [p / (1 - p)] / [q / (1 - q)]; what tells the classes apart stays as it is (Saerens, Latinne & Decaestecker 2002,
    "Adjusting the outputs of a classifier to new a priori probabilities", Neural Computation 14).

    Args:
        logits: (N, T).
        trained_on: (T,), share of positives in training; needed with a prior.
        prior: share of positives where the model is used; None: as in training.

    Raises:
        ValueError: the prior, or a share of training, does not lie in (0, 1).
    """
    if prior is not None:
        logits = logits + shift(trained_on, prior)
    return torch.sigmoid(torch.from_numpy(logits)).numpy()


def shift(trained_on: ArrayLike, prior: float) -> NDArray[np.float64]:
    """What to add to the logits (N, T) of a model for another share of positives, (T,); see `probabilities`.

    Raises:
        ValueError: the prior, or a share of training, does not lie in (0, 1).
    """
    shares = np.asarray(trained_on, dtype=np.float64)
    if not 0 < prior < 1:
        raise ValueError(f"prior={prior} must lie between 0 and 1: the share of positives where the model is used")
    if not ((shares > 0) & (shares < 1)).all():
        raise ValueError(f"trained_on={shares.tolist()} must lie between 0 and 1: the model saw one class only")
    return np.log(prior / (1 - prior)) - np.log(shares / (1 - shares))
