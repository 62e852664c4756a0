"""The rivals. Their packages are loaded in the process that measures them and nowhere else."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnafast.bench.data_path import lookup
from dnafast.bench.data_path.jobs import Done, Work, encodings
from dnafast.bench.data_path.rival import GENOME_JOBS, Fetcher, Rival, forget_index
from dnafast.bench.data_path.workload import Workload
from dnafast.records import checksum


class Numpy(Fetcher):
    """The whole FASTA in memory as letters."""

    package = "numpy"
    genome_jobs = GENOME_JOBS - {"reopen"}  # every time is the first
    sequence_jobs = frozenset(("read_sequences", *encodings(1), "epoch", "epoch_beside_model"))

    def opened(self, path: Path) -> dict[str, NDArray[np.uint8]]:
        """Letters of each contig."""
        genome = {}
        for record in records(path):
            header, _, text = record.partition(b"\n")
            letters = text.replace(b"\n", b"").replace(b"\r", b"")
            genome[header.split()[0].decode()] = np.frombuffer(letters, np.uint8)
        return genome

    def contigs(self, genome: Mapping[str, NDArray[np.uint8]]) -> Mapping[str, int]:
        """Names and lengths."""
        return {name: len(letters) for name, letters in genome.items()}

    def fetch(self, contig: str, start: int, end: int) -> str:
        """A slice."""
        return self.genome[contig][start:end].tobytes().decode()

    def letters(self, contigs: list[str], starts: list[int]) -> NDArray[np.uint8]:
        """Slices put together: for the few windows of a batch that lie on a contig, indexing takes longer."""
        length, genome = self.workload.length, self.genome
        slices = [genome[contig][start : start + length] for contig, start in zip(contigs, starts, strict=True)]
        return np.concatenate(slices).reshape(len(slices), length)

    def read_sequences(self, path: Path) -> NDArray[np.uint8]:
        """Records split at their headers."""
        texts = (record.partition(b"\n")[2] for record in records(path))
        return as_rows([text.replace(b"\n", b"").replace(b"\r", b"") for text in texts])

    def _batches(self, encoder: lookup.Encoder, n: int, rows: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
        if self.workload.genome is not None:
            yield from super()._batches(encoder, n, rows)
            return
        size, letters = self.workload.batch_size, self._sequences
        for first in range(0, min(len(rows), n * size), size):
            batch = rows[first : first + size]
            yield encoder(letters[batch], np.ones(len(batch), np.int8))

    def _row_count(self) -> int:
        return len(self._sequences) if self.workload.genome is None else super()._row_count()

    @cached_property
    def _sequences(self) -> NDArray[np.uint8]:
        return self.workload.letters()


class Pysam(Fetcher):
    """htslib's indexed FASTA, a window at a time."""

    package = "pysam"
    sequence_jobs = frozenset(("read_sequences",))

    def opened(self, path: Path) -> Any:
        """The file, and its index where it lacks one."""
        return self.module.FastaFile(str(path))

    def contigs(self, genome: Any) -> Mapping[str, int]:
        """Names and lengths."""
        return dict(zip(genome.references, genome.lengths, strict=True))

    def fetch(self, contig: str, start: int, end: int) -> str:
        """Letters of the genome."""
        return str(self.genome.fetch(contig, start, end))

    def read_sequences(self, path: Path) -> NDArray[np.uint8]:
        """Record by record."""
        with self.module.FastxFile(str(path)) as file:
            return as_rows([record.sequence.encode() for record in file])


class Pyfaidx(Fetcher):
    """An indexed FASTA in Python, a window at a time."""

    package = "pyfaidx"
    sequence_jobs = frozenset(("read_sequences",))

    def opened(self, path: Path) -> Any:
        """The file, and its index where it lacks one; plain strings, the fastest way there is."""
        return self.module.Fasta(str(path), as_raw=True)

    def contigs(self, genome: Any) -> Mapping[str, int]:
        """Names and lengths."""
        return {name: len(genome[name]) for name in genome.keys()}  # noqa: SIM118  # it iterates over records

    def fetch(self, contig: str, start: int, end: int) -> str:
        """Letters of the genome."""
        return str(self.genome[contig][start:end])

    def read_sequences(self, path: Path) -> NDArray[np.uint8]:
        """By index, as it reads no other way."""
        link = self.link(path)
        forget_index(link)
        with self.module.Fasta(str(link), as_raw=True) as genome:
            return as_rows([genome[name][:].encode() for name in genome.keys()])  # noqa: SIM118


class Py2bit(Fetcher):
    """A .2bit file, a window at a time."""

    package = "py2bit"
    reads_twobit = True
    genome_jobs = GENOME_JOBS - {"first_open"}  # there is nothing to be made first

    def opened(self, path: Path) -> Any:
        """The file."""
        return self.module.open(str(path))

    def contigs(self, genome: Any) -> Mapping[str, int]:
        """Names and lengths."""
        found: Mapping[str, int] = genome.chroms()
        return found

    def fetch(self, contig: str, start: int, end: int) -> str:
        """Letters of the genome."""
        return str(self.genome.sequence(contig, start, end))


class Pandas(Rival):
    """Tables of regions."""

    package = "pandas"

    @classmethod
    def does(cls, job: str, workload: Workload) -> bool:
        """Peaks are the same with every kind of genome."""
        return job == "read_peaks" and workload.genome is not None

    def work(self, job: str, threads: int) -> Work:
        """Reading the peaks."""

        def tables() -> list[Any]:
            return [self._read(path) for path in self.workload.peaks]

        def answer() -> str:
            columns = (column for table in tables() for column in table)
            return checksum(*columns)

        return Work(answer=answer, action=lambda n: Done(regions=sum(len(table[1]) for table in tables())))

    def _read(self, path: Path) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
        text = content(path)
        lines = iter(text.split(b"\n", 100))
        skipped = sum(1 for _ in iter(lambda: next(lines, b"").startswith((b"#", b"track", b"browser")), False))
        table = self.module.read_csv(io.BytesIO(text), sep="\t", header=None, skiprows=skipped, dtype={0: str})
        return table[0].to_numpy(object), table[1].to_numpy(np.int64), table[2].to_numpy(np.int64)


RIVALS: dict[str, type[Rival]] = {rival.package: rival for rival in (Numpy, Pandas, Pysam, Pyfaidx, Py2bit)}


def content(path: Path) -> bytes:
    """The bytes of a file, inflated."""
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def records(path: Path) -> list[bytes]:
    """The records of a FASTA file, from header to header."""
    return (b"\n" + content(path)).split(b"\n>")[1:]


def as_rows(sequences: list[bytes]) -> NDArray[np.uint8]:
    """Sequences of one length as letters (N, L)."""
    return np.frombuffer(b"".join(sequences), np.uint8).reshape(len(sequences), -1)
