"""numpy: the Euler walk, a step of all sequences at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from peers import numpy_lookup_peer


def shuffle(letters: NDArray[np.uint8], k: int, seed: int) -> NDArray[np.uint8]:
    """(N, L); letters are all known. As many trees of last exits are drawn as it takes for one to reach the end."""
    random = np.random.default_rng(seed)
    codes = numpy_lookup_peer.codes(letters)
    n, length = codes.shape
    nodes = 4 ** (k - 1)
    node = words(codes, k - 1)
    counts = np.bincount(
        (((np.arange(n)[:, None] * nodes + node[:, :-1]) * 4) + codes[:, k - 1 :]).ravel(), minlength=n * nodes * 4
    ).reshape(n, nodes, 4)
    last_exits = draw_last_exits(counts, node[:, -1], random)
    reserved = counts.any(2) & (np.arange(nodes) != node[:, -1:])
    row, place = np.nonzero(reserved)
    counts[row, place, last_exits[row, place]] -= 1
    rows, here = np.arange(n), node[:, 0]
    for i in range(k - 1, length):
        left = counts[rows, here].cumsum(1)
        letter = (left[:, :3] <= (random.random(n) * left[:, 3]).astype(np.int64)[:, None]).sum(1)
        letter = np.where(left[:, 3] > 0, letter, last_exits[rows, here])
        counts[rows, here, letter] -= 1
        codes[:, i] = letter
        here = (here * 4 + letter) % nodes
    return np.frombuffer(b"ACGT", np.uint8)[codes]


def words(codes: NDArray[np.uint8], k: int) -> NDArray[np.int64]:
    """(N, L - k + 1)"""
    result = np.zeros((len(codes), codes.shape[1] - k + 1), np.int64)
    for i in range(k):
        result = result * 4 + codes[:, i : i + result.shape[1]]
    return result


def draw_last_exits(
    counts: NDArray[np.int64], last_node: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """(N, nodes)"""
    n, nodes, _ = counts.shape
    result = np.zeros((n, nodes), np.int64)
    waiting = np.arange(n)
    while len(waiting):
        sums = counts[waiting].cumsum(2)
        exits = (sums[:, :, :3] <= (random.random(sums.shape[:2]) * sums[:, :, 3])[:, :, None]).sum(2)
        result[waiting] = exits
        end = last_node[waiting, None]
        onward = np.where(sums[:, :, 3] > 0, (np.arange(nodes) * 4 + exits) % nodes, end)
        np.put_along_axis(onward, end, end, axis=1)
        for _ in range(nodes.bit_length()):
            onward = np.take_along_axis(onward, onward, axis=1)
        waiting = waiting[(onward != end).any(1)]
    return result
