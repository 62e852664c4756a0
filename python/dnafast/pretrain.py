"""Vectors of k-mers learnt from sequence without labels: skip-gram with negative sampling, on counts of pairs.

word2vec (Mikolov et al. 2013, arXiv:1310.4546) and dna2vec (Ng 2017, arXiv:1701.06279), which applied it to k-mers, go
through the sequence pair by pair and draw negatives at random. What they climb is, in expectation, a sum over pairs of
words (Levy & Goldberg 2014, "Neural word embedding as implicit matrix factorization"):

    sum over w, c of  n(w, c) log sigmoid(w . c) + negative n(w) p(c) log sigmoid(-w . c)

for n(w, c) times that word c stood within the window of word w, and p the noise, n(c) to the power of 3/4. There are
few enough words of six bases to count all their pairs once and to climb this sum itself: nothing is left to chance but
the start, the time does not grow with epochs times bases, and threads cannot change the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dnafast.arguments import check_whole
from dnafast.encoding import Kmers, encode
from dnafast.genome import Genome
from dnafast.random import check_seed
from dnafast.regions import Regions, merge
from dnafast.threads import resolve_threads
from dnafast.vectors import KmerVectors, reverse_complements
from dnafast.windowing import Windows

LONGEST_WORD = 7  # 268 million pairs, in 3.3 GB; of words of 6 bases, 17 million in 0.2 GB
_MOST = {"dimensions": 10_000, "window": 10_000}  # far above any use: beyond, a slip of the finger takes days
_NOISE_POWER = 0.75
_LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)

_PIECE_WORDS = 1 << 20  # counted at once
_BLOCK_CELLS = 1 << 21  # pairs whose scores are held at once, by each thread

_LEARNING_RATE = 0.1
_MOMENTS = (0.9, 0.999)  # of Adam (Kingma & Ba 2015)


def skip_gram(
    source: Genome | NDArray[np.uint8],
    k: int = 6,
    *,
    within: Regions | Windows | None = None,
    dimensions: int = 32,
    window: int = 10,
    negative: int = 5,
    epochs: int = 300,
    seed: int = 0,
    threads: int | None = None,
) -> KmerVectors:
    """Learn vectors of k-mers, such that words that stand near the same words come to lie near one another.

    Words follow each other at every base, and both strands are read; a word with an unknown base is none. Nearer words
    count more, as where word2vec draws the width of each window anew: n words away, (window - n + 1) / window.

    Args:
        source: a genome, or base codes uint8 (N, L).
        k: bases per word, at most 7.
        within: of a genome, the places to read, such as the windows of the training part: each base of them once,
            however many overlap; no pair of words reaches from one place into another. None for all of it.
        dimensions: numbers per word, D.
        window: farthest distance, in words, of a word and its context.
        negative: weight of the noise, which in word2vec is the number of negatives that are drawn for each pair.
        epochs: passes over the table of pairs, each a step of Adam; the rate falls linearly to nothing.
        seed: of the start.
        threads: None for every usable processor. The vectors are the same for any number.

    Returns:
        A vector for each of the 4**k words. That of a word which does not occur is zero.

    Raises:
        TypeError: a source or `within` of another type.
        ValueError: a number out of range, codes above 4, `within` without a genome or off it, or no pair of words.
        MemoryError: the table of pairs, 4**k squared, does not fit.
    """
    numbers = {"k": k, "dimensions": dimensions, "window": window, "negative": negative, "epochs": epochs}
    for name, value in numbers.items():
        numbers[name] = check_whole(name, value)
        if numbers[name] < 1:
            raise ValueError(f"{name}={value} must be at least 1")
        if numbers[name] > _MOST.get(name, numbers[name]):
            raise ValueError(f"{name}={value} must be at most {_MOST[name]}")
    k, window = numbers["k"], numbers["window"]
    if k > LONGEST_WORD:
        raise ValueError(f"k={k} must be at most {LONGEST_WORD}: all pairs of words are counted")
    seed, threads = check_seed(seed), resolve_threads(threads)
    pairs = count_pairs(_words(source, k, within, window, threads), k, window)
    vectors, _ = fit(pairs, numbers["dimensions"], numbers["negative"], numbers["epochs"], seed, threads)
    return KmerVectors(k, vectors)


def count_pairs(batches: Iterable[NDArray[np.int64]], k: int, window: int) -> NDArray[np.float32]:
    """How often each word of k bases stands within the window of each other, on either strand.

    Args:
        batches: k-mer ids (n, M) as `dnafast.Kmers` makes them, of one strand. Of a row longer than a piece (2**20
            words) only pairs that begin in the first piece count: the next row begins behind it.
        k: bases per word.
        window: words; a distance of n counts window - n + 1 times.

    Returns:
        float32 (4**k, 4**k), symmetric.

    Raises:
        ValueError: there is no pair.
    """
    n_words = 4**k
    followed = np.zeros(n_words * n_words, dtype=np.int64)
    for ids in batches:
        known = ids < n_words
        if not known.any():
            continue
        row = ids * n_words
        for distance in range(1, min(window, ids.shape[1] - 1) + 1):
            first = slice(0, min(_PIECE_WORDS, ids.shape[1] - distance))
            second = slice(distance, first.stop + distance)
            both = known[:, first] & known[:, second]
            np.add.at(followed, (row[:, first] + ids[:, second])[both], window - distance + 1)
    if not followed.any():
        raise ValueError(f"source holds no two words of {k} known bases within {window} of each other")
    return _both_ways(followed.reshape(n_words, n_words), reverse_complements(k))


def _words(
    source: Genome | NDArray[np.uint8], k: int, within: Regions | Windows | None, window: int, threads: int
) -> Iterator[NDArray[np.int64]]:
    """K-mer ids (n, M), batch by batch; pairs are counted whose first word is among the first _PIECE_WORDS of a row."""
    if isinstance(source, Genome):
        if within is not None and not isinstance(within, Regions | Windows):
            raise TypeError(f"within must be regions or windows, not {type(within).__name__}")
        return _words_of_genome(source, k, within, window, threads)
    if not isinstance(source, np.ndarray) or source.dtype != np.uint8 or source.ndim != 2:
        kind = f"{source.dtype} {source.shape}" if isinstance(source, np.ndarray) else type(source).__name__
        raise TypeError(f"source must be a genome or base codes uint8 (N, L), not {kind}")
    if within is not None:
        raise ValueError("within goes with a genome: leave it out, or give the rows to be read alone")
    if source.size and source.max() > 4:
        raise ValueError(
            f"source holds {source.max()}, but base codes are 0 to 4: dnafast.encode(sequences, BaseCodes()) makes them"
        )
    return _words_of_codes(source, k, window, threads)


def _words_of_codes(codes: NDArray[np.uint8], k: int, window: int, threads: int) -> Iterator[NDArray[np.int64]]:
    length = codes.shape[1]
    step = max(1, _PIECE_WORDS // max(1, length))
    for begin in range(0, length - k + 1, _PIECE_WORDS):
        end = min(length, begin + _PIECE_WORDS + window + k - 1)
        for row in range(0, len(codes), step):
            yield encode(_LETTERS[codes[row : row + step, begin:end]], Kmers(k), threads=threads)


def _words_of_genome(
    genome: Genome, k: int, within: Regions | Windows | None, window: int, threads: int
) -> Iterator[NDArray[np.int64]]:
    sizes = np.array(list(genome.contigs.values()), dtype=np.int64)
    whole = Regions.from_arrays(tuple(genome.contigs), np.arange(len(sizes)), np.zeros_like(sizes), sizes)
    stretches = whole if within is None else merge(within)
    missing = [name for name in stretches.contigs if name not in genome.contigs]
    if missing:
        raise ValueError(f"within names the contig {missing[0]!r}, which the genome lacks")
    end = np.minimum(stretches.end, [genome.contigs[stretches.contigs[contig]] for contig in stretches.contig])
    n_pieces = np.maximum(0, -(-(end - stretches.start - k + 1) // _PIECE_WORDS))
    row = np.repeat(np.arange(len(stretches)), n_pieces)
    number = np.arange(len(row)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    contig, start = stretches.contig[row], stretches.start[row] + number * _PIECE_WORDS
    lengths = np.minimum(end[row] - start, _PIECE_WORDS + window + k - 1)
    for length in np.unique(lengths).tolist():
        of_length = np.flatnonzero(lengths == length)
        step = max(1, _PIECE_WORDS // length)
        for begin in range(0, len(of_length), step):
            chosen = of_length[begin : begin + step]
            windows = Windows.from_arrays(stretches.contigs, contig[chosen], start[chosen], length)
            yield genome.encode(windows, Kmers(k), threads=threads)


def _both_ways(followed: NDArray[np.int64], turned: NDArray[np.int64]) -> NDArray[np.float32]:
    """From how often one word followed another to how often they stood together, either way and on either strand."""
    pairs = np.empty(followed.shape, dtype=np.float32)
    for rows in _blocks(len(followed)):
        reverse = turned[rows]
        pairs[rows] = followed[rows] + followed[:, rows].T
        pairs[rows] += followed[reverse][:, turned] + followed[:, reverse][turned].T
    return pairs


def fit(
    pairs: NDArray[np.float32], dimensions: int, negative: int, epochs: int, seed: int, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The vectors that maximise the sum in this module's docstring.

    Args:
        pairs: float32 (V, V), n(w, c), with a pair somewhere.
        dimensions: D.
        negative: weight of the noise.
        epochs: steps.
        seed: of the start.
        threads: how many share a step; they do not change the result.

    Returns:
        Vectors of the words and of the contexts, float32 (V, D) each. A word that is in no pair is zero.
    """
    n_words = len(pairs)
    totals = pairs.sum(axis=1, dtype=np.float64)
    noise = totals**_NOISE_POWER
    noise_of_context = (negative * noise / noise.sum()).astype(np.float32)
    count_of_word = totals.astype(np.float32)[:, None]
    # Neither the number of words nor that of bases then decides how long gradients are.
    scale = np.float32(n_words / totals.sum())
    # The start of word2vec.
    start = np.random.default_rng(seed).random((n_words, dimensions), dtype=np.float32)
    words = (start - np.float32(0.5)) / np.float32(dimensions)
    words[totals == 0] = 0
    contexts = np.zeros_like(words)

    def gradients(rows: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        slope = count_of_word[rows] * noise_of_context
        slope += pairs[rows]
        with np.errstate(over="ignore"):  # infinite odds are a probability of 0
            slope /= 1 + np.exp(-(words[rows] @ contexts.T))
        slope -= pairs[rows]
        slope *= scale
        return slope @ contexts, slope.T @ words[rows]

    blocks = _blocks(n_words)
    of_words, of_contexts = _Adam(words), _Adam(contexts)
    # A product's sums depend on how many threads share it: each product has one, and blocks are added in their order.
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        for epoch in range(epochs):
            results = list(pool.map(gradients, blocks))
            rate = _LEARNING_RATE * (1 - epoch / epochs)
            of_words.step(np.concatenate([block for block, _ in results]), rate)
            of_contexts.step(sum((shared for _, shared in results), np.zeros_like(contexts)), rate)
    return words, contexts


class _Adam:
    """Steps of Adam down a gradient, in place."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self._values, self._steps = values, 0
        self._mean, self._square = np.zeros_like(values), np.zeros_like(values)

    def step(self, gradient: NDArray[np.float32], rate: float) -> None:
        self._steps += 1
        keep, keep_square = _MOMENTS
        self._mean += (1 - keep) * (gradient - self._mean)
        self._square += (1 - keep_square) * (gradient * gradient - self._square)
        size = np.sqrt(self._square / (1 - keep_square**self._steps)) + 1e-8
        self._values -= rate / (1 - keep**self._steps) * self._mean / size


def _blocks(n_words: int) -> list[slice]:
    step = max(1, _BLOCK_CELLS // n_words)
    return [slice(begin, min(begin + step, n_words)) for begin in range(0, n_words, step)]
