"""Random draws are made in the native half; what their seed may be is said here."""

from __future__ import annotations

import operator


def check_seed(seed: int) -> int:
    """The seed as a plain int.

    Raises:
        ValueError: it is no whole number that fits 64 bits.
    """
    try:
        value = operator.index(seed)
    except TypeError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise ValueError(f"seed={seed!r} must be a whole number from 0 to 2^64 - 1")
    return value
