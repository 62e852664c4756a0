"""The jobs of the data path: what there is to do between a file and a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dnafast.encoding import BaseCodes, Kmers, OneHot
from dnafast.records import checksum

Encoding = BaseCodes | Kmers | OneHot

STEP_SECONDS = 0.005
"""What a step of the model takes beside which waiting is measured."""
SAMPLE = 256
"""Regions that every contender cuts to compare."""
SOUND = "sound: no window touches an open region, holds too many N, comes twice or is one too many of its G+C"
"""What is to be found in the closed windows that were drawn."""
_LONGEST_WORD = 6


@dataclass(frozen=True)
class Job:
    """One thing to do, the same for every contender.

    Attributes:
        name: as in data_path.csv.
        title: as on the page.
        rate: the column of data_path.csv that says how fast it goes.
        has_threads: whether dnafast makes use of several threads; it is then timed with one and with all.
        has_genome, has_sequences: for which kind of data there is such a job.
    """

    name: str
    title: str
    rate: str = "bases_per_second"
    has_threads: bool = True
    has_genome: bool = True
    has_sequences: bool = True


JOBS = (
    Job("first_open", "First open", has_sequences=False),
    Job("reopen", "Open again", "opens_per_second", has_threads=False, has_sequences=False),
    Job("read_sequences", "Read both files", "windows_per_second", has_threads=False, has_genome=False),
    Job("read_peaks", "Read the peaks", "regions_per_second", has_threads=False, has_sequences=False),
    Job("cut_windows", "Cut windows", "regions_per_second", has_sequences=False),
    Job("negatives", "Closed windows", "windows_per_second", has_sequences=False),
    Job("one_hot_uint8", "One-hot, uint8"),
    Job("one_hot_float32", "One-hot, float32"),
    Job("base_codes", "Base codes, uint8"),
    Job("kmer_ids", "k-mer ids, int32"),
    Job("epoch", "Epoch of batches", "batches_per_second"),
    Job("epoch_beside_model", "Epoch beside a model", "batches_per_second"),
)


def encodings(length: int) -> dict[str, Encoding]:
    """The encoding of each job that encodes, for windows of so many bases."""
    return {
        "one_hot_uint8": OneHot("NCL", "uint8"),
        "one_hot_float32": OneHot("NCL", "float32"),
        "base_codes": BaseCodes(),
        "kmer_ids": Kmers(min(_LONGEST_WORD, length), dtype="int32"),
    }


@dataclass(frozen=True)
class Done:
    """What a round of a job has done; None where a job has no such thing."""

    opens: int | None = None
    regions: int | None = None
    windows: int | None = None
    bases: int | None = None
    batches: int | None = None
    wait_share: float | None = None
    """Share of the time in which the consumer waited for a batch."""


@dataclass(frozen=True)
class Work:
    """A job in the hands of a contender.

    Attributes:
        answer: does a small part of it, the same for all, and returns what came out as a text to compare.
        action: does the first n pieces of it.
        most: all the pieces there are.
        before: done before each round, outside the clocks.
    """

    answer: Callable[[], str]
    action: Callable[[int], Done]
    most: int = 1
    before: Callable[[], object] | None = None


def lengths(contigs: Mapping[str, int]) -> str:
    """Names and lengths of contigs, in their order, as a text to compare."""
    names = np.array(list(contigs), dtype=object)
    return checksum(names, np.array(list(contigs.values()), dtype=np.int64))
