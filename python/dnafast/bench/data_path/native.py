"""The jobs as dnafast does them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dnafast.bench.data_path.jobs import SAMPLE, SOUND, STEP_SECONDS, Done, Work, encodings, lengths
from dnafast.bench.data_path.workload import Workload, cached_in
from dnafast.bench.measure import consume
from dnafast.encoding import BaseCodes, OneHot, encode
from dnafast.genome import Genome
from dnafast.loader import Loader
from dnafast.negatives import Negatives, sample_negatives
from dnafast.records import checksum
from dnafast.regions import read_bed
from dnafast.sequences import read_fasta
from dnafast.threads import limit
from dnafast.windowing import Windows, windows


class Dnafast:
    """This package."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload

    def work(self, job: str, threads: int) -> Work:
        """The job of this name, with so many threads."""
        limit(threads)  # cutting windows has no argument for it
        if job in encodings(self.workload.length):
            return self._encode(job, threads)
        makers: dict[str, Callable[[int], Work]] = {
            "first_open": self._first_open,
            "reopen": self._reopen,
            "read_sequences": self._read_sequences,
            "read_peaks": self._read_peaks,
            "cut_windows": self._cut_windows,
            "negatives": self._negatives,
            "epoch": lambda threads: self._epoch(threads, 0.0),
            "epoch_beside_model": lambda threads: self._epoch(threads, STEP_SECONDS),
        }
        return makers[job](threads)

    @property
    def _path(self) -> Path:
        assert self.workload.genome is not None, "jobs on a genome are for workloads with one"
        return self.workload.genome

    @cached_property
    def _genome(self) -> Genome:
        with cached_in(self.workload.folder / "cache"):
            return Genome(self._path)

    @cached_property
    def _windows(self) -> Windows:
        return self.workload.windows("used")

    def _first_open(self, threads: int) -> Work:
        """Conversion into an empty cache, until it is on the disk."""
        empty = self.workload.folder / "first_open"

        def open_first() -> Genome:
            with cached_in(empty):
                return Genome(self._path, threads=threads)

        def action(n: int) -> Done:
            open_first()
            return Done(opens=1, bases=self.workload.bases)

        return Work(
            answer=lambda: lengths(open_first().contigs),
            action=action,
            before=lambda: shutil.rmtree(empty, ignore_errors=True),
        )

    def _reopen(self, threads: int) -> Work:
        def reopen() -> Genome:
            with cached_in(self.workload.folder / "cache"):
                return Genome(self._path)

        def action(n: int) -> Done:
            reopen()
            return Done(opens=1)

        return Work(answer=lambda: lengths(reopen().contigs), action=action)

    def _read_sequences(self, threads: int) -> Work:
        def action(n: int) -> Done:
            tables = [read_fasta(path) for path in self.workload.sequences]
            return Done(windows=sum(map(len, tables)), bases=sum(table.letters.size for table in tables))

        def answer() -> str:
            return checksum(*(encode(read_fasta(path).letters, BaseCodes()) for path in self.workload.sequences))

        return Work(answer=answer, action=action)

    def _read_peaks(self, threads: int) -> Work:
        workload = self.workload

        def answer() -> str:
            tables = [read_bed(path, columns=workload.bed_columns) for path in workload.peaks]
            return checksum(
                *(
                    column
                    for table in tables
                    for column in (np.array(table.contigs, dtype=object)[table.contig], table.start, table.end)
                )
            )

        def action(n: int) -> Done:
            return Done(regions=sum(len(read_bed(path, columns=workload.bed_columns)) for path in workload.peaks))

        return Work(answer=answer, action=action)

    def _cut_windows(self, threads: int) -> Work:
        regions, workload = self.workload.regions(), self.workload

        def cut(n: int) -> tuple[int, Windows]:
            chosen = regions[workload.region_rows(n, of=len(regions))]
            return len(chosen), windows(chosen, workload.length, self._genome, max_n=workload.max_n)

        def answer() -> str:
            _, table = cut(SAMPLE)
            return checksum(np.array(table.contigs, dtype=object)[table.contig], table.start)

        def action(n: int) -> Done:
            n_regions, table = cut(n)
            return Done(regions=n_regions, windows=len(table), bases=len(table) * workload.length)

        return Work(answer=answer, action=action, most=len(regions))

    def _negatives(self, threads: int) -> Work:
        """Rivals check what was drawn; the answer says what should come of that."""
        opened, regions, workload = self.workload.windows("open"), self.workload.regions(), self.workload

        def draw() -> Negatives:
            return sample_negatives(
                self._genome, opened, method=workload.method, ratio=workload.ratio, exclude=regions,
                max_n=workload.max_n, threads=threads,
            )  # fmt: skip

        def answer() -> str:
            workload.save_windows("drawn", draw())
            return SOUND

        def action(n: int) -> Done:
            count = len(draw())
            return Done(windows=count, bases=count * workload.length)

        return Work(answer=answer, action=action)

    def _encode(self, name: str, threads: int) -> Work:
        """One batch after the other into a buffer that is kept."""
        encoding, size = encodings(self.workload.length)[name], self.workload.batch_size
        if self.workload.genome is None:
            letters = self.workload.letters()
            batches: list[Any] = [letters[first : first + size] for first in range(0, len(letters), size)]

            def fill(batch: Any, out: Any) -> None:
                encode(batch, encoding, out=out, threads=threads)
        else:
            table, genome = self._windows, self._genome
            batches = [table[first : first + size] for first in range(0, len(table), size)]

            def fill(batch: Any, out: Any) -> None:
                genome.encode(batch, encoding, out=out, threads=threads)

        out = encoding.allocate(min(size, len(batches[0])), self.workload.length)

        def action(n: int) -> Done:
            for batch in batches[:n]:
                fill(batch, out[: len(batch)])
            count = sum(map(len, batches[:n]))
            return Done(windows=count, bases=count * self.workload.length)

        def answer() -> str:
            fill(batches[0], out)
            return checksum(out)

        return Work(answer=answer, action=action, most=len(batches))

    def _epoch(self, threads: int, step_seconds: float) -> Work:
        workload = self.workload
        if workload.genome is None:
            genome = Genome.from_sequences(workload.letters())
            count = len(genome.contigs)
            table = Windows.from_arrays(tuple(genome.contigs), np.arange(count), np.zeros(count), workload.length)
        else:
            genome, table = self._genome, self._windows

        def over(chosen: Windows, shuffle: bool) -> Loader:
            return Loader(
                genome,
                chosen,
                encoding=OneHot("NCL", "float32"),
                batch_size=workload.batch_size,
                threads=threads,
                shuffle=shuffle,
            )

        @cache
        def loader(n: int) -> Loader:
            # Kept from epoch to epoch, as in training, and with it the memory of its batches.
            return over(table[workload.epoch_rows(n, of=len(table))], shuffle=True)

        def action(n: int) -> Done:
            batches = loader(n)
            consumed = consume(batches, step_seconds)
            count = len(batches.windows)
            return Done(
                windows=count,
                bases=count * workload.length,
                batches=consumed.batches,
                wait_share=consumed.waited_seconds / consumed.wall_seconds if step_seconds else None,
            )

        return Work(
            answer=lambda: checksum(np.asarray(next(iter(over(table[: workload.batch_size], shuffle=False))).x)),
            action=action,
            most=-(-len(table) // workload.batch_size),
        )
