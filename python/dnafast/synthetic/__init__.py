"""Simulated data: a genome with open and closed regions, and a set of promoters, drawn from written rules."""

from dnafast.synthetic.files import fasta_text, narrowpeak_text
from dnafast.synthetic.genome import (
    CLOSED_SHARES,
    DECOYS,
    OPEN_SHARES,
    POSITIVES,
    QUICK_DECOYS,
    QUICK_POSITIVES,
    WINDOW,
    SimulatedGenome,
    SimulatedRegions,
    simulate_genome,
)
from dnafast.synthetic.motifs import BOX_10, BOX_35, FACTORS, SIGMA_54, Motif
from dnafast.synthetic.pairs import PAIR_LENGTH, RULES, distances, simulate_pairs
from dnafast.synthetic.planting import Sites
from dnafast.synthetic.promoters import (
    NEGATIVE_SHARES,
    PROMOTER_LENGTH,
    PROMOTER_SHARES,
    PROMOTERS,
    QUICK_PROMOTERS,
    SimulatedSequences,
    simulate_promoters,
)

__all__ = [
    "BOX_10",
    "BOX_35",
    "CLOSED_SHARES",
    "DECOYS",
    "FACTORS",
    "NEGATIVE_SHARES",
    "OPEN_SHARES",
    "PAIR_LENGTH",
    "POSITIVES",
    "PROMOTERS",
    "PROMOTER_LENGTH",
    "PROMOTER_SHARES",
    "QUICK_DECOYS",
    "QUICK_POSITIVES",
    "QUICK_PROMOTERS",
    "RULES",
    "SIGMA_54",
    "WINDOW",
    "Motif",
    "SimulatedGenome",
    "SimulatedRegions",
    "SimulatedSequences",
    "Sites",
    "distances",
    "fasta_text",
    "narrowpeak_text",
    "simulate_genome",
    "simulate_pairs",
    "simulate_promoters",
]
