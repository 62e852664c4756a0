"""What a bench compares networks on: windows over a genome with labels, parts and the flow that led to them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnafast.bench.tiles import Tiles
from dnafast.encoding import BaseCodes
from dnafast.genome import Genome
from dnafast.metrics import chance_auroc
from dnafast.records import checksum, write_bytes
from dnafast.splitting import PARTS, part_names
from dnafast.windowing import Windows

# Bootstrap draws whole stretches of the genome, since neighbouring windows are not independent (1 Mb);
# with fewer blocks than this in the test part an interval means little, so blocks are made smaller.
BLOCK_BASES = 1_000_000
_FEWEST = 30
# Where even an AUROC as high as this on the validation part could be chance, the page warns of it.
_CHANCE_TO_WARN_OF = 0.65
FEWEST_BLOCKS = 20
_PIECE = 1 << 16  # windows whose bases are held at once


@dataclass
class Flow:
    """How many regions, windows or sequences each step read, left out and used."""

    rows: list[dict[str, object]] = field(default_factory=list)

    def add(self, step: str, count: int, kind: str = "", part: str = "") -> None:
        """Count one step; `kind` is the class or file, `part` is train, valid, test or empty."""
        self.rows.append({"step": step, "class": kind, "part": part, "count": int(count)})

    def add_all(self, counts: Mapping[str, int], kind: str = "", part: str = "") -> None:
        """Count several steps at once."""
        for step, count in counts.items():
            self.add(step, count, kind, part)

    def lines(self) -> list[str]:
        """What was left out before the parts were made and what is in each part, one line for each class."""
        lines = []
        for kind in dict.fromkeys(str(row["class"]) for row in self.rows if row["count"]):
            own = [row for row in self.rows if row["class"] == kind and row["count"]]
            whole = ", ".join(f"{row['step']} {row['count']:,}" for row in own if not row["part"])
            parts = ", ".join(f"{row['part']} {row['count']:,}" for row in own if row["part"] and row["step"] == "used")
            lines.append(f"{kind}: " + "; in parts: ".join(filter(None, (whole, parts))))
        return lines


@dataclass(frozen=True, eq=False)
class Dataset:
    """N windows of one length with T tasks.

    Attributes:
        name: short name, used in file names and in the report.
        kind: windows of a genome, or sequences that came ready-made (each its own contig).
        genome: where the bases are.
        windows: the table of windows (N rows).
        labels: int8 (N, T): 1, 0, or -1 where a window counts for neither.
        tasks: T names.
        part: (N,) "train", "valid", "test", or "unused" where a run trains on fewer rows than there are.
        group: int64 (N,): what the bootstrap draws as a whole (a stretch of genome, a group of related sequences).
        source: (N,) how each row came here, such as "peak" or "gc".
        stranded: whether the strand of a window means something; else networks see both and answers are averaged.
        simulated: whether the data were made up.
        flow, split, notes, warnings: what the report says about how the data came to be.
        fold_of: int64 (N,) the fold in whose test part each row stands; None where there is one split.
        fold: whose parts `part` shows.
        most_train: rows of the training part of a fold that are used at most.
        tiles: of the stretches that are tested on, for figures at natural prevalence.
    """

    name: str
    kind: Literal["genome", "sequences"]
    genome: Genome
    windows: Windows
    labels: NDArray[np.int8]
    tasks: tuple[str, ...]
    part: NDArray[np.object_]
    group: NDArray[np.int64]
    source: NDArray[np.object_]
    stranded: bool
    simulated: bool
    flow: Flow
    split: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fold_of: NDArray[np.int64] | None = None
    fold: int = 0
    most_train: int | None = None
    tiles: Tiles | None = None
    _views: dict[tuple[int, int | None], Dataset] = field(default_factory=dict, init=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """What goes to another process: views are made there anew."""
        return vars(self) | {"_views": {}}

    @property
    def folds(self) -> int:
        """How many splits there are."""
        return 1 if self.fold_of is None else int(self.fold_of.max()) + 1

    def at(self, fold: int, size: int | None = None) -> Dataset:
        """The same rows with the parts of a fold, and at most `size` of them in training.

        A smaller training part is a subset of a larger one. Runs that see the same share what is made here: there may
        be hundreds, and a million rows.
        """
        if (fold, size) not in self._views:
            self._views[fold, size] = self._at(fold, size)
        return self._views[fold, size]

    def _at(self, fold: int, size: int | None) -> Dataset:
        part = self.part
        if self.fold_of is not None:
            names = part_names(self.fold_of, fold, self.folds)
            # Not by astype, which makes a text of its own for each row.
            part = np.array(PARTS, dtype=object)[np.argmax([names == name for name in PARTS], axis=0)]
        train = np.flatnonzero(part == "train")
        sizes = [one for one in (size, self.most_train, len(train)) if one is not None]
        if (size := min(sizes)) < len(train):
            part = part.copy()
            part[np.random.default_rng(fold).permutation(train)[size:]] = "unused"
        return replace(self, part=part, fold=fold)

    @property
    def largest_train(self) -> int:
        """Rows in the training part, or in the largest of those of the folds."""
        if self.fold_of is None:
            return len(self.rows("train"))
        sizes = np.bincount(self.fold_of)
        # But for those of test and validation, which are neighbours.
        return int((sizes.sum() - sizes - np.roll(sizes, -1)).max())

    def rows(self, part: str) -> NDArray[np.int64]:
        """Rows of one part, ascending."""
        return np.flatnonzero(self.part == part)

    def codes(self, rows: NDArray[np.int64], threads: int | None = None) -> NDArray[np.uint8]:
        """Base codes (len(rows), L)."""
        return np.asarray(self.genome.encode(self.windows[rows], BaseCodes(), threads=threads))

    def checksum(self) -> str:
        """Checksum of all that training and scoring depend on: bases, labels, parts."""
        bases = self._bases(self.windows)
        parts = np.array([PARTS.index(part) for part in self.part], dtype=np.int8)
        folds = () if self.fold_of is None else (self.fold_of,)
        tiles = () if self.tiles is None else (self._bases(self.tiles.windows), self.tiles.fold, self.tiles.labels)
        return checksum(bases, self.windows.strand, self.labels, parts, self.group, *folds, *tiles)

    def _bases(self, windows: Windows) -> str:
        """Checksum of the bases of windows, read piece by piece."""
        pieces = (windows[first : first + _PIECE] for first in range(0, len(windows), _PIECE))
        return checksum(*(checksum(np.asarray(self.genome.encode(piece, BaseCodes()))) for piece in pieces))

    def limited(self, most_train: int | None, seed: int = 0) -> Dataset:
        """The same data with at most `most_train` training rows, drawn at random; other parts stay whole.

        Raises:
            ValueError: so few that a class is missing.
        """
        train = self.rows("train")
        if most_train is None or self.largest_train <= most_train:
            return self
        if self.fold_of is not None and most_train == self.most_train:
            return self
        if self.fold_of is not None:
            # Each fold trains on other rows, so none of them goes.
            note = (
                f"Trained on {most_train:,} windows of each fold's training part, of which the largest has "
                f"{self.largest_train:,} (at random)."
            )
            return replace(self, most_train=most_train, notes=(*self.notes, note))
        kept_train = np.random.default_rng(seed).choice(train, size=most_train, replace=False)
        kept = np.sort(np.concatenate([kept_train, np.flatnonzero(self.part != "train")]))
        note = f"Trained on {most_train:,} of {len(train):,} training windows (a random sample)."
        return replace(
            self,
            windows=self.windows[kept],
            labels=self.labels[kept],
            part=self.part[kept],
            group=self.group[kept],
            source=self.source[kept],
            notes=(*self.notes, note),
        ).check()

    def part_counts(self) -> list[dict[str, object]]:
        """Positives, negatives and unlabelled rows of each task in each part, or fold."""
        counts: list[dict[str, object]] = []
        pieces = [(part, self.rows(part)) for part in PARTS]
        if self.fold_of is not None:
            pieces = [(f"fold {fold + 1}", np.flatnonzero(self.fold_of == fold)) for fold in range(self.folds)]
        for column, task in enumerate(self.tasks):
            for part, rows in pieces:
                labels = self.labels[rows, column]
                counts.append(
                    {
                        "task": task,
                        "part": part,
                        "positives": int((labels == 1).sum()),
                        "negatives": int((labels == 0).sum()),
                        "unlabelled": int((labels < 0).sum()),
                    }
                )
        return counts

    def check(self) -> Dataset:
        """Refuse data on which nothing can be learnt or scored; the same data, warnings about small parts added.

        Raises:
            ValueError: a part is empty, or has one class only.
        """
        counts = self.part_counts()
        for row in counts:
            if not row["positives"] or not row["negatives"]:
                missing = "positives" if not row["positives"] else "negatives"
                raise ValueError(
                    f"the {self._part_in_words(row)} of task {row['task']!r} has no {missing} "
                    f"({row['positives']} positives, {row['negatives']} negatives): both classes are needed in "
                    "training, validation and test"
                )
        small = [
            f"The {self._part_in_words(row)} of {row['task']} has {row['positives']} positives and "
            f"{row['negatives']} negatives: too few for its figures to say much."
            for row in counts
            if self._scored(row, "test") and min(int(str(row[key])) for key in ("positives", "negatives")) < _FEWEST
        ]
        return replace(self, warnings=tuple(dict.fromkeys((*self.warnings, *small, *self._blind_validation()))))

    def _scored(self, row: Mapping[str, object], part: str) -> bool:
        """Whether a row of the counts is of this part: with folds, each of them is once."""
        return self.fold_of is not None or row["part"] == part

    def _part_in_words(self, row: Mapping[str, object]) -> str:
        return f"{row['part']} part" if self.fold_of is None else str(row["part"])

    def _blind_validation(self) -> list[str]:
        """A warning where the validation part is too small to tell what a network has learnt from chance."""
        counts = [
            (int(str(row["positives"])), int(str(row["negatives"])))
            for row in self.part_counts()
            if self._scored(row, "valid")
        ]
        reach = float(np.mean([chance_auroc(*count) for count in counts]))
        if reach <= _CHANCE_TO_WARN_OF:
            return []
        fewest = f"{min(positives for positives, _ in counts):,} positives"
        fewest += f" and {min(negatives for _, negatives in counts):,} negatives"
        of_tasks = " in its smallest task" if len(counts) > 1 else ""
        told = f"an AUROC up to {reach:.2f} there may be chance" if reach < 1 else "any AUROC there may be chance"
        return [
            f"The validation part has {fewest}{of_tasks}: {told}. A network that is not told from chance on it "
            "(at_chance) may have learnt all the same; its figures on the test part say more."
        ]

    def as_json(self) -> dict[str, object]:
        """What the report needs to know about the data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "folds": self.folds,
            "tasks": list(self.tasks),
            "length": self.windows.length,
            "stranded": self.stranded,
            "simulated": self.simulated,
            "flow": self.flow.rows,
            "parts": self.part_counts(),
            "split": self.split,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }

    def write(self, folder: Path) -> Path:
        """Write every row, so that `--table` can run exactly these again.

        Windows of a genome become ``dataset.bed.gz`` (tab-separated with a header line), sequences
        ``dataset.csv.gz``; a simulated genome is written as ``genome.fa.gz``. Returns the path of the table.
        """
        if self.simulated and self.kind == "genome":
            records = (f">{name}\n{self.genome.fetch(name, 0, size)}\n" for name, size in self.genome.contigs.items())
            write_bytes(folder / "genome.fa.gz", _compressed("".join(records)))
        windows = self.windows
        columns: dict[str, object] = {}
        if self.kind == "genome":
            columns["#contig"] = np.array(windows.contigs, dtype=object)[windows.contig]
            columns |= {"start": windows.start, "end": windows.end}
            columns["name"] = np.arange(len(windows))
            columns["score"] = 0
            columns["strand"] = np.array([".", "+", "-"], dtype=object)[windows.strand]
        else:
            letters = np.frombuffer(b"ACGTN", dtype=np.uint8)[self.codes(np.arange(len(windows)))]
            columns["sequence"] = [row.tobytes().decode() for row in letters]
        fold = 0 if self.fold_of is None else self.fold_of
        columns |= {"split": self.part, "fold": fold, "group": self.group, "source": self.source}
        if len(self.tasks) == 1:
            columns["label"] = self.labels[:, 0]
        else:
            columns |= {f"label_{task}": self.labels[:, column] for column, task in enumerate(self.tasks)}
        if self.tiles is not None:
            self.tiles.write(folder / "tiles.bed.gz", self.tasks)
        separator, name = ("\t", "dataset.bed.gz") if self.kind == "genome" else (",", "dataset.csv.gz")
        write_bytes(folder / name, _compressed(pd.DataFrame(columns).to_csv(index=False, sep=separator)))
        return folder / name


def _compressed(text: str) -> bytes:
    """Gzip without a time stamp, so that the same data give the same bytes."""
    return gzip.compress(text.encode(), mtime=0)


def genome_blocks(windows: Windows, test: NDArray[np.bool_]) -> tuple[NDArray[np.int64], int]:
    """Number each window's stretch of genome.

    Returns the numbers (N,) and the size of a stretch: 1 Mb, or smaller where the test part would otherwise fall into
    fewer than twenty.
    """
    size = BLOCK_BASES
    centre = windows.start + windows.length // 2
    while True:
        _, blocks = np.unique(
            np.stack([windows.contig.astype(np.int64), centre // size], axis=1), axis=0, return_inverse=True
        )
        blocks = np.asarray(blocks).reshape(-1).astype(np.int64)
        if len(np.unique(blocks[test])) >= FEWEST_BLOCKS or size <= 10 * windows.length:
            return blocks, size
        size //= 2


def unique_names(specifications: Iterable[str]) -> list[tuple[str, Path]]:
    """Names and paths of `NAME=FILE` or `FILE` (named by the part of the file name before its first dot).

    Raises:
        ValueError: two files have one name.
    """
    named: list[tuple[str, Path]] = []
    for specification in specifications:
        name, separator, path = specification.partition("=")
        if not separator:
            name, path = Path(specification).name.split(".")[0], specification
        if not name or not path:
            raise ValueError(f"--peaks {specification!r} must be FILE or NAME=FILE")
        if name in dict(named):
            raise ValueError(
                f"--peaks {specification!r}: the name {name!r} is taken already, give another as NAME=FILE"
            )
        named.append((name, Path(path)))
    return named
