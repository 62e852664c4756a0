"""The generator against its paper, and the permutation against a plain one."""

from __future__ import annotations

import numpy as np
import pytest

from dnafast import _core

MASK = 0xFFFFFFFF


def philox(counter: tuple[int, ...], key: tuple[int, ...]) -> list[int]:
    """Philox4x32-10, word by word as in section 4.3 of Salmon et al. 2011."""
    left0, right0, left1, right1 = counter
    key0, key1 = key
    for _ in range(10):
        product0, product1 = 0xD2511F53 * left0, 0xCD9E8D57 * left1
        left0, right0, left1, right1 = (
            (product1 >> 32) ^ right0 ^ key0,
            product1 & MASK,
            (product0 >> 32) ^ right1 ^ key1,
            product0 & MASK,
        )
        key0, key1 = (key0 + 0x9E3779B9) & MASK, (key1 + 0xBB67AE85) & MASK
    return [left0, right0, left1, right1]


def keyed(seed: int, epoch: int, index: int, purpose: int) -> int:
    words = philox((index & MASK, index >> 32, epoch & MASK, purpose), (seed & MASK, seed >> 32))
    return words[0] | words[1] << 32


def mix(value: int) -> int:
    mask = (1 << 64) - 1
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & mask
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & mask
    return value ^ value >> 33


def permuted(index: int, size: int, seed: int, epoch: int, purpose: int) -> int:
    bits = max(1, (size - 1).bit_length())
    low_bits = (bits + 1) // 2
    keys = [keyed(seed, epoch, number, purpose) for number in range(8)]
    while True:
        low, high = index & ((1 << low_bits) - 1), index >> low_bits
        for number in range(0, 8, 2):
            high ^= mix(low ^ keys[number]) & ((1 << (bits - low_bits)) - 1)
            low ^= mix(high ^ keys[number + 1]) & ((1 << low_bits) - 1)
        index = high << low_bits | low
        if index < size:
            return index


# The known answers that the authors publish with their implementation, Random123.
@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((MASK, MASK, MASK, MASK), (MASK, MASK), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, ...], answer: tuple[int, ...]
) -> None:
    assert philox(counter, key) == list(answer)
    assert _core.philox4x32(list(counter), list(key)) == list(answer)


def test_keyed_equals_the_plain_generator() -> None:
    random = np.random.default_rng(1)
    for _ in range(200):
        seed, epoch, index = (int(value) for value in random.integers(0, 1 << 63, 3))
        purpose = int(random.integers(1, 8))
        assert _core.keyed(seed, epoch, index, purpose) == keyed(seed, epoch, index, purpose)


def test_draws_are_even_and_differ_by_each_argument() -> None:
    draws = np.array([_core.keyed(3, 0, index, 2) for index in range(20000)], dtype=np.uint64)
    counts = np.bincount((draws >> np.uint64(60)).astype(int), minlength=16)
    # Chi-square with 15 degrees of freedom: above 50 once in 100,000.
    assert ((counts - 1250) ** 2 / 1250).sum() < 50
    arguments = [(0, 0, 0, 1), (1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1), (0, 0, 0, 2)]
    assert len({_core.keyed(*four) for four in arguments}) == len(arguments)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 100, 1023, 1024, 1025, 50021])
def test_permutation_holds_every_number_once(size: int) -> None:
    order = _core.permutation(size, 5, 1, 1)
    assert np.array_equal(np.sort(order), np.arange(size))


def test_permutation_equals_the_plain_one() -> None:
    seed = 12345678901234567890
    for size in (1, 2, 3, 6, 17, 300, 1 << 20):
        order = _core.permutation(size, seed, 3, 4)
        for index in (0, 1 % size, size // 2, size - 1):
            assert order[index] == permuted(index, size, seed, 3, 4)


def test_permutations_of_few_are_all_as_likely() -> None:
    draws = 6000
    seen: dict[tuple[int, ...], int] = {}
    for epoch in range(draws):
        order = tuple(_core.permutation(4, 9, epoch, 1).tolist())
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 24
    expected = draws / 24
    # Chi-square with 23 degrees of freedom: above 60 once in 50,000.
    assert sum((count - expected) ** 2 / expected for count in seen.values()) < 60


def test_permutation_carries_no_order_over() -> None:
    order = _core.permutation(100_000, 0, 0, 1)
    assert abs(np.corrcoef(order, np.arange(order.size))[0, 1]) < 0.02
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 0.02
    assert not np.array_equal(order, _core.permutation(100_000, 0, 1, 1))
