"""Sequences in memory with the part that each plays, and their batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dnafast.encoding import OneHot
from dnafast.genome import Genome
from dnafast.loader import Loader
from dnafast.records import checksum
from dnafast.regions import Regions
from dnafast.splitting import fold_sequences
from dnafast.windowing import Windows

SCORING_BATCH = 256


@dataclass(frozen=True, eq=False)
class Sequences:
    """N labelled sequences of one length L.

    Attributes:
        letters: uint8 (N, L), upper-case A C G T N.
        labels: int8 (N,), 1 or 0.
    """

    letters: NDArray[np.uint8]
    labels: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: NDArray[np.int64]) -> Sequences:
        return Sequences(self.letters[rows], self.labels[rows])

    @property
    def length(self) -> int:
        """Bases in each sequence."""
        return int(self.letters.shape[1])

    def batches(self, batch_size: int, *, shuffle: bool, seed: int = 0) -> Loader:
        """One-hot batches, encoded where they are asked for; the last, smaller one of a shuffled epoch is left out."""
        names = [str(row) for row in range(len(self))]
        return Loader(
            Genome.from_sequences(self.letters, names, threads=1),
            Windows.from_arrays(names, np.arange(len(self)), np.zeros(len(self)), self.length, strand=1),
            self.labels,
            encoding=OneHot("NCL", "float32"),
            batch_size=min(batch_size, len(self)),
            shuffle=shuffle,
            seed=seed,
            threads=0,
            drop_last=shuffle,
        )


@dataclass(frozen=True, eq=False)
class Parts:
    """What one run trains on, chooses its weights on, and is judged on."""

    train: Sequences
    valid: Sequences
    test: Sequences

    def checksum(self) -> str:
        """Of all letters and labels."""
        return checksum(
            *(array for part in (self.train, self.valid, self.test) for array in (part.letters, part.labels))
        )


@dataclass(frozen=True, eq=False)
class Folds:
    """Sequences whose test part is each of several sets in turn.

    Attributes:
        name: of the data, for people.
        sequences: all of them.
        part: str (K, N), the part of every sequence in each of K folds.
        description: how the folds were made.
        simulated: whether nobody has measured these sequences.
    """

    name: str
    sequences: Sequences
    part: NDArray[np.str_]
    description: str
    simulated: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        letters: NDArray[np.uint8],
        labels: NDArray[np.int8],
        coordinates: Regions | None,
        folds: int,
        *,
        simulated: bool = False,
    ) -> Folds:
        """Folds of genome blocks where coordinates are known, else of groups that share words.

        Raises:
            ValueError: the sequences do not make so many folds.
        """
        splits = fold_sequences(letters, coordinates, labels, folds=folds)
        description = splits[0].description.replace(f"fold 1 of {folds}", f"{folds} folds").partition(": train")[0]
        return cls(name, Sequences(letters, labels), np.array([one.part for one in splits]), description, simulated)

    def __len__(self) -> int:
        return len(self.part)

    def parts(self, fold: int, max_train: int, max_scored: int | None = None) -> Parts:
        """The parts of one fold.

        Args:
            fold: which, from 0.
            max_train: training sequences at most: always the same ones, at random.
            max_scored: likewise of the validation part, and of the test part; None: all.
        """
        most = {"train": max_train, "valid": max_scored, "test": max_scored}
        chosen = {}
        for number, (name, limit) in enumerate(most.items()):
            rows = np.flatnonzero(self.part[fold] == name)
            if limit is not None and len(rows) > limit:
                rows = np.sort(np.random.default_rng([fold, number, limit]).choice(rows, limit, replace=False))
            chosen[name] = self.sequences[rows]
        return Parts(**chosen)
