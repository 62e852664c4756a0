"""How training breaks off."""

from __future__ import annotations

from typing import Any

import torch

# How torch, oneDNN, cuDNN and cuBLAS say that memory is lacking where they raise a mere RuntimeError.
_SIGNS = ("allocate memory", "out of memory", "ALLOC_FAILED", "bad_alloc", "bad allocation")


class DivergedError(ArithmeticError):
    """The loss is no number any more; ``step`` says since when, ``history`` holds the evaluations before."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"the {what} is no finite number at step {step}: try a lower learning rate")
        self.what = what
        self.step = step
        self.history: list[dict[str, Any]] = []

    # An exception is made again of its message alone, and what another process cannot read takes its pool down.
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.step, self.what), {"history": self.history}


class OutOfMemoryError(MemoryError):
    """The memory did not suffice; ``batch_size`` is what to try, None where one sequence at a time is too much."""

    def __init__(self, what: str, rows: int) -> None:
        self.what, self.rows = what, rows
        self.batch_size = rows // 2 or None
        remedy = (
            f"try batch_size={self.batch_size}"
            if self.batch_size
            else "the model is too large, or its sequences too long"
        )
        super().__init__(f"out of memory while {what} in batches of {rows}: {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.rows)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory is lacking, on the CPU or on a GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)
