"""From genome to batch at memory speed, native operators for DNA, and a fair comparison of networks.

Names are loaded on first use: ``import dnafast`` imports neither torch nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

try:
    from dnafast._core import __version__
except ModuleNotFoundError as error:
    if error.name != "dnafast._core":
        raise
    raise ModuleNotFoundError(
        "dnafast's compiled half is missing: install the package with 'pip install .' from its folder, "
        "and start Python somewhere else than in python/",
        name=error.name,
    ) from None

if TYPE_CHECKING:
    from dnafast import export as export
    from dnafast import models as models
    from dnafast import nn as nn
    from dnafast import ops as ops
    from dnafast import pretrain as pretrain
    from dnafast.device import DeviceGenome as DeviceGenome
    from dnafast.encoding import BaseCodes as BaseCodes
    from dnafast.encoding import KmerCounts as KmerCounts
    from dnafast.encoding import Kmers as Kmers
    from dnafast.encoding import OneHot as OneHot
    from dnafast.encoding import encode as encode
    from dnafast.genome import Genome as Genome
    from dnafast.labelling import SparseLabels as SparseLabels
    from dnafast.labelling import label as label
    from dnafast.labelling import union_sites as union_sites
    from dnafast.loader import Batch as Batch
    from dnafast.loader import Loader as Loader
    from dnafast.negatives import sample_negatives as sample_negatives
    from dnafast.regions import Regions as Regions
    from dnafast.regions import read_bed as read_bed
    from dnafast.sequences import SequenceTable as SequenceTable
    from dnafast.sequences import read_fasta as read_fasta
    from dnafast.sequences import read_table as read_table
    from dnafast.shuffling import shuffle as shuffle
    from dnafast.splitting import Split as Split
    from dnafast.splitting import split as split
    from dnafast.splitting import split_sequences as split_sequences
    from dnafast.tiling import tiles as tiles
    from dnafast.windowing import Windows as Windows
    from dnafast.windowing import windows as windows

# Public name -> the module it lives in; None stands for a module of that very name.
_PUBLIC = {
    "BaseCodes": "encoding",
    "Batch": "loader",
    "DeviceGenome": "device",
    "Genome": "genome",
    "KmerCounts": "encoding",
    "Kmers": "encoding",
    "Loader": "loader",
    "OneHot": "encoding",
    "Regions": "regions",
    "SequenceTable": "sequences",
    "SparseLabels": "labelling",
    "Split": "splitting",
    "Windows": "windowing",
    "encode": "encoding",
    "export": None,
    "label": "labelling",
    "models": None,
    "nn": None,
    "ops": None,
    "pretrain": None,
    "read_bed": "regions",
    "read_fasta": "sequences",
    "read_table": "sequences",
    "sample_negatives": "negatives",
    "shuffle": "shuffling",
    "split": "splitting",
    "split_sequences": "splitting",
    "tiles": "tiling",
    "union_sites": "labelling",
    "windows": "windowing",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'dnafast' has no attribute {name!r}")
    home = _PUBLIC[name]
    if home is None:
        return importlib.import_module(f"dnafast.{name}")
    value = getattr(importlib.import_module(f"dnafast.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
