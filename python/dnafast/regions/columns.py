"""Columns of tables: whole numbers in the type that the native half reads, none of them changed on the way."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


def whole_column(
    argument: str, values: ArrayLike, dtype: DTypeLike, least: int | None = None, most: int | None = None
) -> NDArray[Any]:
    """Values as whole numbers of a type, the array itself where it has that type already.

    Args:
        argument: what the values are called, for messages.
        values: numbers, of any shape; floating-point ones are taken where they are whole.
        dtype: the integer type wanted.
        least, most: the range allowed; that of the type by default.

    Raises:
        TypeError: values that are no numbers.
        ValueError: a number that is not whole or out of range, with its row.
    """
    array = np.asarray(values)
    if array.dtype.kind == "O":
        array = _from_objects(argument, array)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{argument} is of type {array.dtype}: it must hold whole numbers")
    limits = np.iinfo(dtype)
    lowest, highest = int(limits.min if least is None else least), int(limits.max if most is None else most)
    if array.dtype.kind == "f":
        # The bounds are exact in float64 but for 2**63 - 1, hence the strict comparison with the number behind it.
        wrong = ~((np.rint(array) == array) & (array >= lowest) & (array < float(highest + 1)))
    elif array.size and (int(array.min()) < lowest or int(array.max()) > highest):
        wrong = np.fromiter((not lowest <= int(value) <= highest for value in array.flat), np.bool_, array.size)
    else:
        wrong = np.zeros(0, np.bool_)
    if wrong.any():
        row = int(np.argmax(wrong))
        _refuse(argument, array.reshape(-1)[row], row if array.ndim else None, lowest, highest)
    return array.astype(dtype, copy=False)


def _from_objects(argument: str, array: NDArray[Any]) -> NDArray[Any]:
    """Python's own numbers, which have no bound, as int64; floats among them stay what they are."""
    for row, value in enumerate(array.flat):
        try:
            fits = -(2**63) <= operator.index(value) < 2**63
        except TypeError:
            fits = isinstance(value, float) and value.is_integer() and abs(value) < 2**63
        if not fits:
            _refuse(argument, value, row if array.ndim else None, -(2**63), 2**63 - 1)
    return np.array([int(value) for value in array.flat], np.int64).reshape(array.shape)


def _refuse(argument: str, value: object, row: int | None, least: int, most: int) -> None:
    where = argument if row is None else f"{argument}[{row}]"
    raise ValueError(f"{where} is {value}: it must be a whole number from {least} to {most}")
