"""
Native half of dnafast's data path.
"""
from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import os
import typing
import typing_extensions
__all__: list[str] = ['BlockPool', 'Encoding', 'FastaConverter', 'FormatError', 'Genome', 'Prefetcher', 'composition', 'encode_letters', 'encode_windows', 'expand_labels', 'instruction_set', 'keyed', 'label_dense', 'label_sparse', 'pack_letters', 'pack_sequences', 'permutation', 'philox4x32', 'sample_negatives', 'shuffle_array', 'shuffle_list']
class FormatError(ValueError):
    """
    A file that is not what it should be.
    """
class Genome:
    """
    The contigs of a genome, in memory or mapped from a file.
    """
    @staticmethod
    def open_twobit(path: os.PathLike | str | bytes) -> Genome:
        ...
    def contigs(self) -> list:
        """
        Names and lengths, in order.
        """
    def copy_packed(self, first: typing.SupportsInt | typing.SupportsIndex, out: numpy.ndarray) -> None:
        """
        Fill out with packed bases from byte `first` on, as .2bit stores them; each contig begins a byte.
        """
    def fetch(self, contig: typing.SupportsInt | typing.SupportsIndex, start: typing.SupportsInt | typing.SupportsIndex, length: typing.SupportsInt | typing.SupportsIndex) -> str:
        ...
    def masked_blocks(self, contig: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.int64]:
        ...
    def unknown_blocks(self, contig: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.int64]:
        ...
class FastaConverter:
    """
    Turns FASTA text into a .2bit file.
    """
    def __init__(self, source: os.PathLike | str | bytes, target: os.PathLike | str | bytes, threads: typing.SupportsInt | typing.SupportsIndex, offset_limit: typing.SupportsInt | typing.SupportsIndex = 4294967295) -> None:
        ...
    def feed(self, text: typing_extensions.Buffer) -> None:
        """
        Take the next stretch of text, cut anywhere.
        """
    def finish(self) -> int:
        """
        Write what is left; the number of IUPAC letters taken as N.
        """
class Encoding:
    """
    How base codes become a row of numbers.
    """
    @staticmethod
    def base_codes() -> Encoding:
        ...
    @staticmethod
    def kmer_counts(k: typing.SupportsInt | typing.SupportsIndex, canonical: bool) -> Encoding:
        ...
    @staticmethod
    def kmers(k: typing.SupportsInt | typing.SupportsIndex, stride: typing.SupportsInt | typing.SupportsIndex, canonical: bool, dtype: str) -> Encoding:
        ...
    @staticmethod
    def one_hot(channels_last: bool, dtype: str, order: typing.SupportsInt | typing.SupportsIndex, unknown: typing.SupportsFloat | typing.SupportsIndex) -> Encoding:
        ...
    def shape(self, length: typing.SupportsInt | typing.SupportsIndex) -> tuple:
        """
        Shape of one encoded window.
        """
class BlockPool:
    """
    Memory for batches, used again.
    """
    def __init__(self, bytes: typing.SupportsInt | typing.SupportsIndex, kept: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def take(self, bytes: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.uint8]:
        ...
class Prefetcher:
    """
    Fills the batches of one epoch on its own threads; without an encoding, x is int64 (rows, 2): contig and start.
    """
    def __init__(self, genome: Genome, contig: numpy.ndarray, start: numpy.ndarray, strand: numpy.ndarray, length: typing.SupportsInt | typing.SupportsIndex, encoding: Encoding | None, labels: numpy.ndarray | None, sparse_labels: tuple | None, shuffle: bool, seed: typing.SupportsInt | typing.SupportsIndex, epoch: typing.SupportsInt | typing.SupportsIndex, jitter: typing.SupportsInt | typing.SupportsIndex, reverse_complement: str, threads: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
    def stop(self) -> None:
        """
        End the threads.
        """
    def submit(self, first: typing.SupportsInt | typing.SupportsIndex, rows: typing.SupportsInt | typing.SupportsIndex, x: numpy.ndarray, y: numpy.ndarray | None, index: numpy.ndarray, strand: numpy.ndarray) -> None:
        """
        Queue rows [first, first + rows) of the stream.
        """
    def wait(self) -> float:
        """
        Wait for the oldest batch; the seconds it took.
        """
    @property
    def cpu_seconds(self) -> float:
        """
        Processor time spent on filling.
        """
def composition(genome: Genome, contig: numpy.ndarray, start: numpy.ndarray, strand: numpy.ndarray, length: typing.SupportsInt | typing.SupportsIndex, threads: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.uint32]:
    """
    G and C, unknown and masked bases of each window.
    """
def encode_letters(letters: numpy.ndarray, encoding: Encoding, out: numpy.ndarray, threads: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Encode letters, uint8 (N, L), into the rows of out.
    """
def encode_windows(genome: Genome, contig: numpy.ndarray, start: numpy.ndarray, strand: numpy.ndarray, length: typing.SupportsInt | typing.SupportsIndex, encoding: Encoding, out: numpy.ndarray, threads: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Encode windows into the rows of out.
    """
def expand_labels(labels: tuple, rows: numpy.ndarray, out: numpy.ndarray, threads: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Write rows of sparse labels into out, int8 (len(rows), T).
    """
def instruction_set() -> str:
    """
    Name of the instruction set in use: the best there is, or the one that DNAFAST_ISA names.
    """
def keyed(seed: typing.SupportsInt | typing.SupportsIndex, epoch: typing.SupportsInt | typing.SupportsIndex, index: typing.SupportsInt | typing.SupportsIndex, purpose: typing.SupportsInt | typing.SupportsIndex) -> int:
    """
    64 random bits.
    """
def label_dense(contig: numpy.ndarray, start: numpy.ndarray, length: typing.SupportsInt | typing.SupportsIndex, contigs: typing.SupportsInt | typing.SupportsIndex, tables: collections.abc.Sequence[tuple], positive: typing.SupportsFloat | typing.SupportsIndex, negative: typing.SupportsFloat | typing.SupportsIndex, out: numpy.ndarray, threads: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Write the labels that are not 0 into out, int8 (N, T), which holds zeros.
    """
def label_sparse(contig: numpy.ndarray, start: numpy.ndarray, length: typing.SupportsInt | typing.SupportsIndex, contigs: typing.SupportsInt | typing.SupportsIndex, tables: collections.abc.Sequence[tuple], positive: typing.SupportsFloat | typing.SupportsIndex, negative: typing.SupportsFloat | typing.SupportsIndex, threads: typing.SupportsInt | typing.SupportsIndex) -> tuple:
    """
    The labels that are not 0, as compressed sparse rows: indptr, indices, data.
    """
def pack_letters(letters: numpy.ndarray, names: collections.abc.Sequence[str], threads: typing.SupportsInt | typing.SupportsIndex) -> tuple[Genome, int]:
    ...
def pack_sequences(sequences: list, names: collections.abc.Sequence[str], threads: typing.SupportsInt | typing.SupportsIndex) -> tuple[Genome, int]:
    ...
def permutation(size: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex, epoch: typing.SupportsInt | typing.SupportsIndex, purpose: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.int64]:
    """
    The order in which a stream of this size comes.
    """
def philox4x32(counter: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"], key: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"]) -> typing.Annotated[list[int], "FixedSize(4)"]:
    """
    Four words of Philox4x32-10.
    """
def sample_negatives(genome: Genome, contig: numpy.ndarray, start: numpy.ndarray, strand: numpy.ndarray, length: typing.SupportsInt | typing.SupportsIndex, excluded: tuple, within: tuple | None, match_gc: bool, ratio: typing.SupportsFloat | typing.SupportsIndex, max_unknown: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex, threads: typing.SupportsInt | typing.SupportsIndex) -> dict:
    """
    Windows that touch neither the given ones nor what is excluded, as columns, with what is missing.
    """
def shuffle_array(sequences: numpy.ndarray, codes: bool, out: numpy.ndarray, k: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex, threads: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Shuffle the rows of an array of letters or base codes into out, keeping the counts of all words of k.
    """
def shuffle_list(sequences: list, k: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex, threads: typing.SupportsInt | typing.SupportsIndex) -> list:
    """
    The same for str and bytes.
    """
__version__: str = '0.1.0'
