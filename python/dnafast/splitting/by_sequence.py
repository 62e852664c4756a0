"""Splits of ready-made sequences, by the coordinates in their headers or by the words that they share."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnafast.regions import Regions
from dnafast.splitting.by_genome import check_folds, check_fractions, contig_lengths, split_in_order
from dnafast.splitting.folds import k_folds, part_names
from dnafast.splitting.parts import PARTS, Split, counts, require_parts
from dnafast.splitting.words import groups_by_shared_words
from dnafast.windowing import Windows


def split_sequences(
    letters: NDArray[np.uint8],
    coordinates: Regions | None,
    labels: ArrayLike | None = None,
    seed: int = 0,
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    test: Sequence[str] | None = None,
    valid: Sequence[str] | None = None,
) -> Split:
    """Split sequences so that no part has seen a piece of another.

    With coordinates, parts are stretches of the genome as in `dnafast.split`, with the fractions those of the
    positives; records that overlap, on either strand, stay together, and those across a border are dropped. Without,
    records that share a word of min(40, L // 4) bases on either strand, directly or through others, form a group, and
    groups are dealt out so that every part has about its fraction of each class. Words that hold an N do not count.

    Args:
        letters: uint8 (N, L), upper-case letters.
        coordinates: N regions, or None.
        labels: int (N,), the classes; None counts all sequences as one class.
        seed: of the order in which groups are dealt out; coordinates leave nothing to chance.
        fractions: of train, valid and test.
        test, valid: contigs or stretches, as for `dnafast.split`; need coordinates.

    Returns:
        A `Split`; `group` is the group of records, or the megabase.

    Raises:
        TypeError: letters of another type or number of dimensions.
        ValueError: shapes that do not match, `test` or `valid` without coordinates, or a part without records.

    Warns:
        UserWarning: one group holds more than half of the records.
    """
    classes = _checked_classes(letters, labels)
    n, length = letters.shape
    if coordinates is not None:
        _check_coordinates(coordinates, n)
        positive = classes > 0
        weight = positive.astype(np.float64) if positive.any() else np.ones(n)
        whole = split_in_order(_in_natural_order(coordinates, length), weight, test, valid, fractions, None)
        return replace(whole, description=f"by the coordinates in the headers: {whole.description}")
    if test is not None or valid is not None:
        raise ValueError("test and valid name stretches of a genome, but the sequences have no coordinates")
    word = max(min(40, length // 4), 1)
    group = groups_by_shared_words(letters, word)
    part = np.array(PARTS, dtype="<U7")[_deal_out(group, classes, check_fractions(fractions), seed)]
    sizes = np.bincount(group)
    if sizes.size < len(PARTS):
        words = f"shared words of {word} base{'s' if word > 1 else ''} on either strand"
        linked = (
            f"all {n:,} sequences are linked through {words}"
            if sizes.size == 1
            else f"the {n:,} sequences form only {sizes.size} groups through {words}"
        )
        raise ValueError(
            f"{linked}, so no split into three parts keeps pieces of one out of another; a table with a column split "
            "(train, valid, test) can say which sequence belongs where"
        )
    remarks: tuple[str, ...] = ()
    if 2 * sizes.max() > n:
        remarks = (
            f"{sizes.max():,} of {n:,} sequences hang together through shared words of {word} bases and stay in one "
            "part, so the parts cannot have the sizes asked for: many are copies or hold one repeat, or they are so "
            "short that words are shared by chance",
        )
        warnings.warn(remarks[0], UserWarning, stacklevel=2)
    require_parts(part, f"splitting {n:,} sequences in {sizes.size:,} groups that share words of {word} bases")
    text = f"by shared words of {word} bases on either strand ({sizes.size:,} groups, the largest of {sizes.max():,})"
    return Split(part, {}, f"{text}: {counts(part)}", group, remarks)


def fold_sequences(
    letters: NDArray[np.uint8],
    coordinates: Regions | None,
    labels: ArrayLike | None = None,
    *,
    folds: int,
    seed: int = 0,
) -> list[Split]:
    """k splits of sequences, whose test parts are k sets that share no piece; the valid part is the next one's test.

    Args:
        letters, coordinates, labels: as for `split_sequences`.
        folds: k, at least 3.
        seed: of the order in which blocks or groups are dealt out.

    Returns:
        k `Split`: with coordinates of contigs or blocks with about equally many positives, as `dnafast.split` makes
        them; without, of groups that share words, each set with about equally many of each class.

    Raises:
        TypeError, ValueError: as for `split_sequences`; fewer than three folds, or fewer groups than folds.
    """
    classes = _checked_classes(letters, labels)
    n, length = letters.shape
    check_folds(folds)
    if coordinates is not None:
        _check_coordinates(coordinates, n)
        placed = _in_natural_order(coordinates, length)
        positive = classes > 0
        made = k_folds(placed, folds, seed, contig_lengths(placed, None), positive if positive.any() else None)
        return [replace(one, description=f"by the coordinates in the headers: {one.description}") for one in made]
    word = max(min(40, length // 4), 1)
    group = groups_by_shared_words(letters, word)
    n_groups = int(group.max()) + 1
    if n_groups < folds:
        raise ValueError(
            f"the {n:,} sequences form only {n_groups} groups through shared words of {word} bases on either strand: "
            f"too few for {folds} folds"
        )
    fold = _deal_out(group, classes, [1 / folds] * folds, seed)
    splits = []
    for test in range(folds):
        part = part_names(fold, test, folds)
        require_parts(part, f"fold {test + 1} of {folds}")
        splits.append(Split(part, {}, f"fold {test + 1} of {folds}, groups that share words: {counts(part)}", group))
    return splits


def _checked_classes(letters: NDArray[np.uint8], labels: ArrayLike | None) -> NDArray[np.int64]:
    """The class of every sequence, int64 (N,)."""
    if not isinstance(letters, np.ndarray) or letters.dtype != np.uint8 or letters.ndim != 2:
        given = f"{letters.dtype} {letters.shape}" if isinstance(letters, np.ndarray) else type(letters).__name__
        raise TypeError(f"letters must be an array of letters, uint8 (N, L), not {given}")
    n = letters.shape[0]
    if n == 0:
        raise ValueError("there is no sequence to split")
    classes = np.zeros(n, dtype=np.int64) if labels is None else np.asarray(labels, dtype=np.int64)
    if classes.shape != (n,):
        raise ValueError(f"labels has shape {classes.shape}, but letters has {n} rows")
    return classes


def _check_coordinates(coordinates: Regions, n: int) -> None:
    if len(coordinates) != n:
        raise ValueError(f"coordinates has {len(coordinates)} rows, but letters has {n}")


def _in_natural_order(coordinates: Regions, length: int) -> Windows:
    """Records as windows, contigs sorted chr1, chr2, ..., chr10: headers name them in any order."""

    def key(index: int) -> list[tuple[int, str]]:
        pieces = re.split(r"(\d+)", coordinates.contigs[index])
        return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in pieces]

    order = sorted(range(len(coordinates.contigs)), key=key)
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order))
    contigs = [coordinates.contigs[index] for index in order]
    return Windows.from_arrays(contigs, rank[coordinates.contig], coordinates.start, length, strand=coordinates.strand)


def _deal_out(
    group: NDArray[np.int64], classes: NDArray[np.int64], fractions: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """The set of every record, int64 (N,): the largest groups first, each to the set that lacks its classes most."""
    _, kind = np.unique(classes, return_inverse=True)
    n_groups, n_kinds = int(group.max()) + 1, int(kind.max()) + 1
    held = np.bincount(group * n_kinds + kind, minlength=n_groups * n_kinds).reshape(n_groups, n_kinds)
    shuffled = np.random.default_rng(seed).permutation(n_groups)
    order = shuffled[np.argsort(-held.sum(axis=1)[shuffled], kind="stable")]
    target = [[fraction * count for count in held.sum(axis=0).tolist()] for fraction in fractions]
    lacking = [list(row) for row in target]
    chosen = np.empty(n_groups, dtype=np.int64)
    for index in order.tolist():
        kinds = [(at, count) for at, count in enumerate(held[index].tolist()) if count]
        need = [
            sum(count * short[at] / whole[at] for at, count in kinds)
            for short, whole in zip(lacking, target, strict=True)
        ]
        best = need.index(max(need))
        chosen[index] = best
        for at, count in kinds:
            lacking[best][at] -= count
    return chosen[group]
