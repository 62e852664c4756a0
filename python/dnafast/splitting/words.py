"""Which sequences share a word of k bases on either strand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WORDS_AT_ONCE = 1 << 24  # bounds the memory: 16 million words of 8 bytes, and as many numbers of records
_PACKED = 32  # bases that fit in 64 bits

Words = NDArray[np.uint64]


def groups_by_shared_words(letters: NDArray[np.uint8], word: int) -> NDArray[np.int64]:
    """Group N sequences that share a word, directly or through others.

    Words of up to 32 bases are compared exactly, longer ones by a 64-bit hash (among 50 million different words, the
    chance that any two are taken for one another is below one in 10,000). Words with a letter other than A C G T do
    not count.

    Args:
        letters: uint8 (N, L), upper-case letters.
        word: k, from 1 to 64 bases.

    Returns:
        int64 (N,), the number of each sequence's group, groups numbered in the order of their first sequence.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, length = letters.shape
    per_row = length - word + 1
    if per_row < 1:
        return np.arange(n)
    passes = -(-n * per_row // _WORDS_AT_ONCE)
    rows_at_once = max(_WORDS_AT_ONCE // per_row, 1)
    left, right = [], []
    # Each pass looks at the words whose hash leaves one remainder, of all sequences.
    for remainder in range(passes):
        words, records = [], []
        for begin in range(0, n, rows_at_once):
            found, record = _canonical_words(letters[begin : begin + rows_at_once], word)
            if passes > 1:
                mine = _mixed(found) % np.uint64(passes) == np.uint64(remainder)
                found, record = found[mine], record[mine]
            words.append(found)
            records.append(record + begin)
        one, other = _neighbours(np.concatenate(words), np.concatenate(records))
        left.append(one)
        right.append(other)
    one, other = np.concatenate(left), np.concatenate(right)
    graph = coo_array((np.ones(one.size, dtype=np.bool_), (one, other)), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    _, first, group = np.unique(group, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[group]


def _neighbours(words: Words, records: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of different records that share a word; chained, so that k records give k - 1 pairs."""
    order = np.argsort(words, kind="stable")
    words, records = words[order], records[order]
    shared = (words[1:] == words[:-1]) & (records[1:] != records[:-1])
    return records[:-1][shared], records[1:][shared]


def _canonical_words(letters: NDArray[np.uint8], word: int) -> tuple[Words, NDArray[np.int64]]:
    """All words without N, as the smaller of the two strands' numbers, and the row that each came from."""
    code = np.full(256, 4, dtype=np.uint8)
    code[np.frombuffer(b"ACGT", np.uint8)] = np.arange(4)
    codes = code[letters]
    unknown = codes > 3
    before = np.zeros((codes.shape[0], codes.shape[1] + 1), dtype=np.int32)
    np.cumsum(unknown, axis=1, out=before[:, 1:])
    known = before[:, word:] == before[:, :-word]
    base = (codes & 3).astype(np.uint64)
    head = min(word, _PACKED)
    forward, reverse = _packed(base, head)
    if word > _PACKED:
        # A word is its first 32 bases and the rest, on either strand read in that strand's direction.
        tail = word - _PACKED
        tail_forward, tail_reverse = _packed(base, tail)
        n_words = base.shape[1] - word + 1
        forward = _joined(forward[:, :n_words], tail_forward[:, _PACKED : _PACKED + n_words])
        reverse = _joined(reverse[:, tail : tail + n_words], tail_reverse[:, :n_words])
    row = np.broadcast_to(np.arange(len(letters))[:, None], known.shape)
    return np.minimum(forward, reverse)[known], row[known]


def _packed(base: Words, word: int) -> tuple[Words, Words]:
    """Every word of a row as a number of two bits a base, (N, L - word + 1), and its reverse complement."""
    forward = reverse = None
    size, one, one_reverse = 1, base, np.uint64(3) - base
    done = 0
    # Words of 1, 2, 4, ... bases by doubling; those in the binary form of `word` are put together on the way.
    while True:
        if word & size:
            if forward is None or reverse is None:
                forward, reverse = one, one_reverse
            else:
                n_words = one.shape[1] - done
                shift, done_shift = np.uint64(2 * size), np.uint64(2 * done)
                forward = (forward[:, :n_words] << shift) | one[:, done:]
                reverse = (one_reverse[:, done:] << done_shift) | reverse[:, :n_words]
            done += size
        if done == word:
            assert forward is not None
            assert reverse is not None
            return forward, reverse
        n_words = one.shape[1] - size
        shift = np.uint64(2 * size)
        one, one_reverse = (
            (one[:, :n_words] << shift) | one[:, size:],
            (one_reverse[:, size:] << shift) | one_reverse[:, :n_words],
        )
        size *= 2


def _mixed(words: Words) -> Words:
    """The finaliser of SplitMix64: a bijection under which every bit depends on every bit."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _joined(head: Words, tail: Words) -> Words:
    return _mixed(_mixed(head + np.uint64(0x9E3779B97F4A7C15)) + tail)
