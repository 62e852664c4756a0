"""A dataset that the worker processes of a torch DataLoader can unpickle by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from dnafast import Loader
from dnafast.loader import Batch


class Stream(IterableDataset):  # type: ignore[type-arg]
    """The way to a DataLoader that the loader's docstring names."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.loader)


def in_workers(loader: Loader, workers: int, context: str = "fork", **options: Any) -> DataLoader[Any]:
    options = {"multiprocessing_context": context, **options} if workers else options
    return DataLoader(Stream(loader), batch_size=None, num_workers=workers, **options)
