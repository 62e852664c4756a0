"""Regions of a genome: reading them, placing them on a genome's contigs, and the sweeps over them."""

from dnafast.regions.bed import read_bed
from dnafast.regions.placing import default_contigs, locate, whole_contigs
from dnafast.regions.sweeps import inside_mask, merge, overlap_mask, subtract
from dnafast.regions.table import Intervals, Regions, common_contigs, map_contigs

__all__ = [
    "Intervals",
    "Regions",
    "common_contigs",
    "default_contigs",
    "inside_mask",
    "locate",
    "map_contigs",
    "merge",
    "overlap_mask",
    "read_bed",
    "subtract",
    "whole_contigs",
]
