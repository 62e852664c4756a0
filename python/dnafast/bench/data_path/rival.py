"""The jobs as people do them without this package: letters are fetched, then compared with each base by numpy.

A rival knows how to open a genome and fetch letters; what becomes of the letters is the same for all of them.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnafast.bench.data_path import closed, lookup
from dnafast.bench.data_path.jobs import SAMPLE, STEP_SECONDS, Done, Work, encodings, lengths
from dnafast.bench.data_path.workload import Workload
from dnafast.bench.measure import consume
from dnafast.records import checksum
from dnafast.windowing import Windows

GENOME_JOBS = frozenset(
    ("first_open", "reopen", "cut_windows", "negatives", "one_hot_uint8", "one_hot_float32", "base_codes", "kmer_ids",
     "epoch", "epoch_beside_model")
)  # fmt: skip


class Rival(ABC):
    """Somebody else's package.

    Attributes:
        package: what must be installed.
    """

    package: str

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.module: Any = importlib.import_module(self.package)

    @classmethod
    @abstractmethod
    def does(cls, job: str, workload: Workload) -> bool:
        """Whether it has such a job with these data."""

    @abstractmethod
    def work(self, job: str, threads: int) -> Work:
        """The job of this name; rivals have one thread."""


class Fetcher(Rival):
    """Windows of a genome by fetching letters.

    Attributes:
        genome_jobs, sequence_jobs: names of the jobs that it can do.
        reads_twobit: whether its genomes are .2bit files; else they are FASTA files.
    """

    genome_jobs: frozenset[str] = GENOME_JOBS
    sequence_jobs: frozenset[str] = frozenset()
    reads_twobit = False

    @classmethod
    def does(cls, job: str, workload: Workload) -> bool:
        """By kind of data, and by format of the genome."""
        if workload.genome is None:
            return job in cls.sequence_jobs
        return job in cls.genome_jobs and workload.is_twobit == cls.reads_twobit

    @abstractmethod
    def opened(self, path: Path) -> Any:
        """A newly opened genome; an index is written beside it where it has none."""

    @abstractmethod
    def contigs(self, genome: Any) -> Mapping[str, int]:
        """Names and lengths of the contigs of an open genome."""

    @abstractmethod
    def fetch(self, contig: str, start: int, end: int) -> str:
        """Letters of the genome."""

    def read_sequences(self, path: Path) -> NDArray[np.uint8]:
        """Letters of a FASTA file of sequences of one length, (N, L)."""
        raise NotImplementedError(f"{self.package} has no such job")

    @cached_property
    def genome(self) -> Any:
        """The genome that windows are fetched from, open."""
        assert self.workload.plain_genome is not None, "jobs on a genome are for workloads with one"
        return self.opened(self.link(self.workload.plain_genome))

    def link(self, path: Path) -> Path:
        """A file of the user's in a folder of this rival's own, for indices are written beside it."""
        link = self.workload.folder / self.package / path.name
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(path)
        return link

    def work(self, job: str, threads: int) -> Work:
        """The job of this name; rivals have one thread."""
        if job in encodings(self.workload.length):
            return self._encode(job)
        makers: dict[str, Callable[[], Work]] = {
            "first_open": self._first_open,
            "reopen": self._reopen,
            "read_sequences": self._read_sequences,
            "cut_windows": self._cut_windows,
            "negatives": self._negatives,
            "epoch": lambda: self._epoch(0.0),
            "epoch_beside_model": lambda: self._epoch(STEP_SECONDS),
        }
        return makers[job]()

    def letters(self, contigs: list[str], starts: list[int]) -> NDArray[np.uint8]:
        """Letters of windows, (N, L)."""
        length = self.workload.length
        rows = [self.fetch(contig, start, start + length) for contig, start in zip(contigs, starts, strict=True)]
        return np.frombuffer("".join(rows).encode(), np.uint8).reshape(len(rows), length)

    def _first_open(self) -> Work:
        link = self._given()

        def action(n: int) -> Done:
            self.opened(link)
            return Done(opens=1, bases=self.workload.bases)

        return Work(
            answer=lambda: lengths(self.contigs(self.opened(link))), action=action, before=lambda: forget_index(link)
        )

    def _reopen(self) -> Work:
        link = self._given()

        def action(n: int) -> Done:
            self.opened(link)
            return Done(opens=1)

        return Work(answer=lambda: lengths(self.contigs(self.opened(link))), action=action)

    def _given(self) -> Path:
        """The genome as it was given, compressed or not."""
        assert self.workload.genome is not None, "jobs on a genome are for workloads with one"
        return self.link(self.workload.genome)

    def _read_sequences(self) -> Work:
        def action(n: int) -> Done:
            tables = [self.read_sequences(path) for path in self.workload.sequences]
            return Done(windows=sum(map(len, tables)), bases=sum(table.size for table in tables))

        def answer() -> str:
            return checksum(*(lookup.codes(self.read_sequences(path)) for path in self.workload.sequences))

        return Work(answer=answer, action=action)

    def _cut_windows(self) -> Work:
        """A window around each summit, those at an edge or with too many N left out, crowds thinned."""
        regions, workload = self.workload.regions(), self.workload
        sizes = self.contigs(self.genome)

        def cut(n: int) -> tuple[int, list[tuple[str, int]]]:
            chosen = regions[workload.region_rows(n, of=len(regions))]
            centre = np.where(chosen.summit >= 0, chosen.summit, (chosen.start + chosen.end) // 2)
            kept = []
            for row in range(len(chosen)):
                contig = chosen.contigs[chosen.contig[row]]
                start = int(centre[row]) - workload.length // 2
                if start < 0 or start + workload.length > sizes[contig]:
                    continue
                letters = self.fetch(contig, start, start + workload.length).upper()
                if workload.length - sum(map(letters.count, "ACGT")) <= workload.max_n * workload.length:
                    kept.append(row)
            strength = [np.nan_to_num(column, nan=-np.inf) for column in (chosen.signal, chosen.score)]
            thinned = closed.thinned(kept, chosen.contig, centre, strength, workload.length)
            found = [(chosen.contigs[chosen.contig[row]], int(centre[row]) - workload.length // 2) for row in thinned]
            return len(chosen), found

        def answer() -> str:
            _, found = cut(SAMPLE)
            names, starts = zip(*found, strict=True)
            return checksum(np.array(names, dtype=object), np.array(starts, dtype=np.int64))

        def action(n: int) -> Done:
            n_regions, found = cut(n)
            return Done(regions=n_regions, windows=len(found), bases=len(found) * workload.length)

        return Work(answer=answer, action=action, most=len(regions))

    def _negatives(self) -> Work:
        """Random places, taken where their G+C is still wanted."""
        drawer = closed.Drawer(self.workload, self.letters, self.contigs(self.genome))

        def action(n: int) -> Done:
            found = drawer.draw(n)
            return Done(windows=found, bases=found * self.workload.length)

        return Work(answer=lambda: drawer.verdict(self.workload.windows("drawn")), action=action, most=drawer.wanted)

    @cached_property
    def _windows(self) -> Windows:
        return self.workload.windows("used")

    def _batches(self, encoder: lookup.Encoder, n: int, rows: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
        """The first n batches of these rows, encoded into the same memory."""
        size, table = self.workload.batch_size, self._windows
        names = np.array(table.contigs, dtype=object)
        for first in range(0, min(len(rows), n * size), size):
            batch = rows[first : first + size]
            letters = self.letters(names[table.contig[batch]].tolist(), table.start[batch].tolist())
            yield encoder(letters, table.strand[batch])

    def _row_count(self) -> int:
        return len(self._windows)

    def _encoder(self, name: str) -> lookup.Encoder:
        return lookup.Encoder(name, min(self.workload.batch_size, self._row_count()), self.workload.length)

    def _encode(self, name: str) -> Work:
        rows, encoder = np.arange(self._row_count()), self._encoder(name)

        def action(n: int) -> Done:
            count = sum(len(batch) for batch in self._batches(encoder, n, rows))
            return Done(windows=count, bases=count * self.workload.length)

        return Work(
            answer=lambda: checksum(next(self._batches(encoder, 1, rows))),
            action=action,
            most=-(-len(rows) // self.workload.batch_size),
        )

    def _epoch(self, step_seconds: float) -> Work:
        """A loop that fetches and encodes a batch when it is asked for."""
        rows, encoder = np.arange(self._row_count()), self._encoder("one_hot_float32")
        size = self.workload.batch_size

        @cache
        def chosen(n: int) -> NDArray[np.int64]:
            return self.workload.epoch_rows(n, of=len(rows))

        def action(n: int) -> Done:
            order = np.random.default_rng(0).permutation(chosen(n))
            consumed = consume(self._batches(encoder, n, order), step_seconds)
            return Done(
                windows=len(order),
                bases=len(order) * self.workload.length,
                batches=consumed.batches,
                wait_share=consumed.waited_seconds / consumed.wall_seconds if step_seconds else None,
            )

        return Work(
            answer=lambda: checksum(next(self._batches(encoder, 1, rows))),
            action=action,
            most=-(-len(rows) // size),
        )


def forget_index(path: Path) -> None:
    """Remove what pysam and pyfaidx write beside a FASTA."""
    for suffix in (".fai", ".gzi"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
