"""Simulated data: a genome with open and closed regions, and a set of promoters, drawn from written rules."""

from dnafast.synthetic.files import fasta_text, narrowpeak_text
from dnafast.synthetic.genome import (
    DECOYS,
    POSITIVES,
    QUICK_DECOYS,
    QUICK_POSITIVES,
    WINDOW,
    SimulatedGenome,
    SimulatedRegions,
    simulate_genome,
)
from dnafast.synthetic.motifs import BOX_10, BOX_35, FACTORS, Motif
from dnafast.synthetic.planting import Sites
from dnafast.synthetic.promoters import (
    PROMOTER_LENGTH,
    PROMOTERS,
    QUICK_PROMOTERS,
    SimulatedSequences,
    simulate_promoters,
)

__all__ = [
    "BOX_10",
    "BOX_35",
    "DECOYS",
    "FACTORS",
    "POSITIVES",
    "PROMOTERS",
    "PROMOTER_LENGTH",
    "QUICK_DECOYS",
    "QUICK_POSITIVES",
    "QUICK_PROMOTERS",
    "WINDOW",
    "Motif",
    "SimulatedGenome",
    "SimulatedRegions",
    "SimulatedSequences",
    "Sites",
    "fasta_text",
    "narrowpeak_text",
    "simulate_genome",
    "simulate_promoters",
]
