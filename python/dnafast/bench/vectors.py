"""Vectors of k-mers learnt before the runs that start from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dnafast.bench.contestants import Contestant
from dnafast.bench.finished import VECTORS
from dnafast.bench.from_peaks import used_contigs
from dnafast.bench.options import BenchOptions
from dnafast.bench.runs import Run
from dnafast.genome import Genome
from dnafast.models.kmer_embedding import KmerConfig
from dnafast.pretrain import LONGEST_WORD, skip_gram
from dnafast.regions import Regions, whole_contigs
from dnafast.windowing import Windows


def with_vectors(options: BenchOptions, who: Sequence[Contestant]) -> list[Contestant]:
    """The contestants, and beside each network over k-mers with a random start one that starts from vectors.

    Raises:
        ValueError: there is no such network, or one with longer words than can be learnt.
    """
    if options.pretrain is None:
        return list(who)
    pairs = [(one, one.from_vectors(options.pretrain) if _starts_at_random(one) else None) for one in who]
    if all(added is None for _, added in pairs):
        raise ValueError(
            f"--pretrain {options.pretrain} has no effect: none of the networks reads k-mers from a random start (name "
            "kmer_cnn or kmer_rnn)"
        )
    for one, added in pairs:
        if added is not None and (words := _config(one).k) > LONGEST_WORD:
            raise ValueError(
                f"--pretrain {options.pretrain}: {one.name} reads words of {words} bases, and vectors are learnt of "
                f"{LONGEST_WORD} at most"
            )
    return [one for pair in pairs for one in pair if one is not None]


def vectors_path(out: Path, run: Run) -> Path | None:
    """Where the vectors lie that a run starts from; seeds and sizes share them."""
    if run.contestant.vectors is None:
        return None
    config = _config(run.contestant)
    return out / VECTORS / f"{run.dataset.name}-fold{run.fold}-{config.k}-{config.embedding_dim}.txt"


def learn_vectors(out: Path, runs: Sequence[Run], options: BenchOptions) -> list[Path]:
    """Learn the vectors that these runs start from, the same whenever they are learnt, and write them."""
    wanted = {path: run for run in runs if (path := vectors_path(out, run)) is not None}
    for path, run in wanted.items():
        config, data = _config(run.contestant), run.dataset.at(run.fold)
        rows = data.rows("train")
        source: Genome | NDArray[np.uint8] = data.genome
        within: Regions | Windows | None = None
        if run.contestant.vectors == "genome":
            within = whole_contigs(data.genome.contigs, used_contigs(options, data.genome))
        elif data.kind == "genome":
            within = data.windows[rows]
        else:
            source = np.ascontiguousarray(data.codes(rows))
        skip_gram(source, config.k, within=within, dimensions=config.embedding_dim, threads=options.threads).save(path)
    return list(wanted)


def _starts_at_random(one: Contestant) -> bool:
    config = None if one.specification is None or one.specification.is_user else one.specification.config(100)
    return isinstance(config, KmerConfig) and config.starts_at_random


def _config(one: Contestant, length: int = 100, n_tasks: int = 1) -> KmerConfig:
    """The configuration of a network over k-mers."""
    assert one.specification is not None, "a network"
    config = one.specification.config(length, n_tasks)
    assert isinstance(config, KmerConfig), "a network over k-mers"
    return config
