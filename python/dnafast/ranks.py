"""How a stream is dealt out to the ranks of a training run, step by step."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """One rank's part of a stream of n rows.

    Every rank has as many steps as the others and at least one row in each; step by step, the ranks' rows one after the
    other are the stream.

    Raises:
        ValueError: too few rows to give each rank one in every step.
    """

    n: int
    batch_size: int
    rank: int
    world_size: int
    drop_last: bool

    def __post_init__(self) -> None:
        if self.drop_last:
            if self.n < self._together:
                raise ValueError(
                    f"drop_last=True leaves no batch: there are {self.n} windows, batch_size={self.batch_size} "
                    f"times world_size={self.world_size} is {self._together}"
                )
        # The last step must hold a row for each rank, or the one before it must be able to lend some.
        elif self.n < self.world_size or (self.batch_size == 1 and self.n % self.world_size):
            raise ValueError(
                f"{self.n} windows in batches of {self.batch_size} leave some of {self.world_size} ranks without a row "
                "in the last step: use fewer ranks, or drop_last=True"
            )

    @property
    def _together(self) -> int:
        return self.batch_size * self.world_size

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.n // self._together if self.drop_last else -(-self.n // self._together)

    def stretch(self, step: int) -> tuple[int, int]:
        """First position of this rank's batch in the stream, and its rows."""
        start, end = self._boundary(step), self._boundary(step + 1)
        first = start + (end - start) * self.rank // self.world_size
        last = start + (end - start) * (self.rank + 1) // self.world_size
        return first, last - first

    def _boundary(self, step: int) -> int:
        """Position in the stream at which a step begins, all ranks together."""
        if self.drop_last or step < self.steps - 1:
            return step * self._together
        if step == self.steps:
            return self.n
        return min(step * self._together, self.n - self.world_size)


def found_place() -> tuple[int, int] | None:
    """This process's rank and the number of ranks in torch.distributed, or None where that is not initialised."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed.get_rank(), distributed.get_world_size()
