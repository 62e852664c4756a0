"""Splits: no window, and no word, in two parts."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

import dnafast
from dnafast.regions import Regions
from dnafast.splitting import PARTS, Split, fold_sequences, split, split_sequences
from dnafast.splitting.words import groups_by_shared_words
from dnafast.windowing import Windows


class Lengths:
    def __init__(self, **contigs: int) -> None:
        self.contigs = contigs


def random_windows(rng, n, contigs, longest=5_000_000, length=200):
    names = [f"chr{i + 1}" for i in range(contigs)]
    return Windows.from_arrays(names, rng.integers(0, contigs, n), rng.integers(0, longest - length, n), length)


def check(windows, parts, lengths):
    """Every window is in the part whose interval holds it, or in none; the intervals of parts are disjoint."""
    assert set(parts.intervals) == set(PARTS)
    stretches = [
        (name, table.contigs[c], s, e)
        for name, table in parts.intervals.items()
        for c, s, e in zip(table.contig, table.start, table.end, strict=True)
    ]
    for one, other in itertools.combinations(stretches, 2):
        assert one[1] != other[1] or one[3] <= other[2] or other[3] <= one[2]
    for part, contig, start, end in zip(parts.part, windows.contig, windows.start, windows.end, strict=True):
        name = windows.contigs[contig]
        start, end = max(start, 0), min(end, lengths[name])
        covered = dict.fromkeys(PARTS, 0)
        for holder, c, s, e in stretches:
            covered[holder] += max(0, min(e, end) - max(s, start)) if c == name else 0
        holders = [p for p in PARTS if covered[p] == end - start]
        assert [part] == (holders or ["dropped"])


@pytest.mark.parametrize("contigs", [1, 2, 3, 4, 5, 20])
@pytest.mark.parametrize("seed", range(4))
def test_default_split(contigs, seed):
    rng = np.random.default_rng(seed)
    windows = random_windows(rng, 400, contigs)
    genome = Lengths(**dict.fromkeys(windows.contigs, 5000000))
    parts = split(windows, genome=genome)
    check(windows, parts, genome.contigs)
    by_contig = contigs == 20  # few contigs of one size cannot give 70, 10 and 20 %
    whole = all((t.start == 0).all() and (t.end == 5_000_000).all() for t in parts.intervals.values())
    assert whole == by_contig
    share = [parts.indices(p).size / 400 for p in PARTS]
    np.testing.assert_allclose(share, [0.7, 0.1, 0.2], atol=0.05 if by_contig else 0.03)
    assert sum((t.end - t.start).sum() for t in parts.intervals.values()) == 5_000_000 * contigs
    for p in PARTS:
        assert f"{p} {parts.indices(p).size} " in parts.description
    assert split(windows, genome=genome, seed=9).part.tolist() == parts.part.tolist()


def test_blocks_have_their_borders_in_gaps():
    windows = Windows.from_arrays(["c"], np.zeros(100), np.arange(100) * 100, 100)
    parts = split(windows)
    assert [parts.indices(p).tolist() for p in PARTS] == [[*range(70)], [*range(70, 80)], [*range(80, 100)]]
    overlapping = Windows.from_arrays(["c"], np.zeros(100), np.arange(100) * 100, 150)
    parts = split(overlapping)
    check(overlapping, parts, {"c": 10_050})
    assert 1 <= parts.indices("dropped").size <= 4


def test_parts_by_name():
    rng = np.random.default_rng(0)
    windows = random_windows(rng, 500, 4)
    genome = Lengths(**dict.fromkeys(windows.contigs, 5000000), chrM=100)
    parts = dnafast.split(windows, test=["chr2"], valid=["chr3", "chr4:4,000,000-"], genome=genome)
    assert (
        dnafast.split(windows, test="chr2", valid=["chr3", "chr4:4000000-"], genome=genome).part.tolist()
        == parts.part.tolist()
    )
    check(windows, parts, genome.contigs)
    assert "train = chr1, chr4:0-4000000; valid = chr3, chr4:4000000-5000000; test = chr2" in parts.description
    only_test = split(windows, test=["chr1:-2500000"], genome=genome)
    check(windows, only_test, genome.contigs)
    assert only_test.intervals["test"].end.tolist() == [2_500_000]
    n_train, n_valid = (only_test.indices(p).size for p in ("train", "valid"))
    assert n_train > n_valid > 0
    only_valid = split(windows, valid=["chr1"], genome=genome)
    check(windows, only_valid, genome.contigs)
    one_contig = random_windows(rng, 300, 1)
    parts = split(one_contig, test=["chr1:4000000-"])
    check(one_contig, parts, {"chr1": int(one_contig.end.max())})
    assert abs(parts.indices("valid").size / 240 - 1 / 8) < 0.06


def test_contig_names_with_colons_and_padded_windows():
    windows = Windows.from_arrays(["HLA:1-2", "b", "c"], [0, 1, 2, 2], [-5, 90, 0, 50], 20)
    parts = split(windows, test=["HLA:1-2"], valid=["b"], genome=Lengths(**{"HLA:1-2": 100, "b": 100, "c": 100}))
    assert parts.part.tolist() == ["test", "valid", "train", "train"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": ["chr9"]}, "test 'chr9' is no contig of the genome and no stretch .* contigs are chr1, chr2, chr3"),
        ({"test": ["chr1:x-"]}, "test 'chr1:x-' is no contig"),
        ({"valid": ["chr1:5-5"]}, "valid 'chr1:5-5' holds no base: chr1 has"),
        ({"test": ["chr1:900000000-"]}, "holds no base"),
        ({"test": []}, "test is empty"),
        ({"test": ["chr1"], "valid": ["chr1:5-900"]}, "test and valid overlap: chr1 is in both"),
        ({"test": ["chr1:0-1"]}, "the test part has no window: no window lies on chr1:0-1"),
        ({"test": ["chr1", "chr2", "chr3:10-"]}, r"test \(chr1, chr2, chr3:10-\) leaves nothing to train on"),
        ({"test": ["chr1", "chr2", "chr3"]}, r"test \(chr1, chr2, chr3\) leaves nothing to train on: .* name fewer"),
        ({"valid": ["chr1", "chr2", "chr3"]}, r"valid \(chr1, chr2, chr3\) leaves nothing to train on"),
        ({"test": ["chr1", "chr2"]}, "1 window cannot be split into 2 parts"),
        (
            {"test": "chr1", "valid": ["chr2", "chr3"]},
            r"test \(chr1\) and valid \(chr2, chr3\) leave nothing to train on",
        ),
        ({"folds": 2}, "folds must be at least 3"),
        ({"folds": 3, "test": ["chr1"]}, "folds cannot be combined"),
        ({"fractions": (0.5, 0.5, 0.5)}, "fractions must be three positive numbers"),
        ({"fractions": (0.8, 0.0, 0.2)}, "fractions must be three positive numbers"),
        ({"fractions": (np.nan, 0.5, 0.5)}, r"fractions must be three positive numbers .*, not \(nan, 0.5, 0.5\)"),
        ({"fractions": (np.inf, 0.5, 0.5)}, "fractions must be three positive numbers"),
        ({"fractions": 0.5}, "fractions must be three positive numbers"),
        ({"fractions": ("a", "b", "c")}, "fractions must be three positive numbers"),
        ({"jitter": -5}, "jitter must not be negative, but is -5"),
        ({"jitter": 2**31}, "with jitter 2147483648 to either side must be at most"),
        ({"genome": Lengths(chr1=10)}, "the windows lie on contig 'chr2', which the genome lacks"),
    ],
)
def test_errors(options, message):
    windows = Windows.from_arrays(["chr1", "chr2", "chr3"], [0, 1, 2], [100, 100, 100], 10)
    with pytest.raises(ValueError, match=message):
        split(windows, **options)


def test_a_jitter_is_a_whole_number():
    with pytest.raises(TypeError, match="jitter must be an integer"):
        split(Windows.from_arrays(["a"], [0], [0], 10), jitter=1.5)


def test_too_few_windows():
    with pytest.raises(ValueError, match="there is no window to split"):
        split(Windows.from_arrays(["a"], [], [], 10))
    with pytest.raises(ValueError, match="2 windows cannot be split into 3 parts"):
        split(Windows.from_arrays(["a"], [0, 0], [0, 100], 10))
    with pytest.raises(ValueError, match="too few or too close together for 3 folds"):
        split(Windows.from_arrays(["a"], [0, 0, 0], [0, 10, 20], 10), folds=3)


@pytest.mark.parametrize(("contigs", "folds"), [(8, 3), (5, 5), (1, 4), (2, 3)])
def test_folds(contigs, folds):
    windows = random_windows(np.random.default_rng(3), 600, contigs, longest=20_000_000)
    genome = Lengths(**dict.fromkeys(windows.contigs, 20000000))
    results = split(windows, folds=folds, seed=1, genome=genome)
    assert len(results) == folds
    for k, parts in enumerate(results):
        check(windows, parts, genome.contigs)
        assert f"fold {k + 1} of {folds}" in parts.description
        assert abs(parts.indices("test").size - 600 / folds) < (100 if contigs == 8 else 45)
        following = results[(k + 1) % folds]
        held = parts.intervals["valid"].to_pandas(), following.intervals["test"].to_pandas()
        assert held[0].equals(held[1])
    tested = np.concatenate([parts.indices("test") for parts in results])
    assert np.unique(tested).size == tested.size >= 590
    again = split(windows, folds=folds, seed=1, genome=genome)
    assert all((a.part == b.part).all() for a, b in zip(results, again, strict=True))
    other = split(windows, folds=folds, seed=2, genome=genome)
    assert contigs == folds or any((a.part != b.part).any() for a, b in zip(results, other, strict=True))


@pytest.mark.parametrize("placed", [True, False])
def test_folds_of_sequences(placed):
    rng = np.random.default_rng(7)
    genome = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, 400_000)]
    start = np.sort(rng.integers(0, 400_000 - 60, 300))
    letters = np.stack([genome[at : at + 60] for at in start])
    labels = (rng.random(300) < 0.4).astype(np.int8)
    coordinates = Regions.from_arrays(["c"], np.zeros(300), start, start + 60) if placed else None
    splits = fold_sequences(letters, coordinates, labels, folds=4)
    tested = np.concatenate([one.indices("test") for one in splits])
    assert np.unique(tested).size == tested.size >= 295
    for k, one in enumerate(splits):
        assert (one.indices("valid") == splits[(k + 1) % 4].indices("test")).all()
        positives = labels[one.indices("test")].sum()
        assert abs(positives - labels.sum() / 4) < (15 if placed else 3)
        overlap = np.abs(start[one.indices("test")][:, None] - start[one.indices("train")][None, :]) < 15
        assert placed or not overlap.any()
    again = fold_sequences(letters, coordinates, labels, folds=4)
    assert all((a.part == b.part).all() for a, b in zip(splits, again, strict=True))
    with pytest.raises(ValueError, match="folds must be at least 3"):
        fold_sequences(letters, coordinates, labels, folds=2)


def test_too_few_groups_for_folds():
    letters = np.frombuffer(b"ACGTTGCATTGCCAGT" * 4, np.uint8).reshape(4, 16)
    with pytest.raises(ValueError, match=r"4 sequences form only 1 groups .* too few for 3 folds"):
        fold_sequences(letters, None, folds=3)


def test_small_genomes_get_smaller_blocks():
    windows = random_windows(np.random.default_rng(3), 300, 1, longest=900_000, length=50)
    results = split(windows, folds=5)
    assert "blocks of 31,250 bases" in results[0].description  # at least four for each fold
    check(windows, results[0], {"chr1": int(windows.end.max())})


def test_groups_are_megabases():
    windows = Windows.from_arrays(["a", "b"], [0, 0, 0, 1], [5, 999_999, 1_000_000, 5], 10)
    group = split(random_windows(np.random.default_rng(0), 50, 3)).group
    assert group.shape == (50,)
    from dnafast.splitting.parts import megabases

    first, second, third, fourth = megabases(windows)
    assert first == second
    assert len({int(first), int(third), int(fourth)}) == 3


def test_split_column():
    parts = Split.from_column(["train", "val", "TEST", "dropped", "dev"])
    assert parts.part.tolist() == ["train", "valid", "test", "dropped", "valid"]
    assert parts.indices("valid").tolist() == [1, 4]
    with pytest.raises(ValueError, match=r"the table, row 1: split 'x' is none of train, valid, test"):
        Split.from_column(["train", "x"])
    with pytest.raises(ValueError, match=r"t\.csv, line 4: split 'x'"):
        Split.from_column(["train", "x"], path="t.csv", lines=[2, 4])
    with pytest.raises(ValueError, match=r"the split column of t\.csv leaves no row for the valid part"):
        Split.from_column(["train", "test"], path="t.csv")
    with pytest.raises(ValueError, match="part must be one of"):
        parts.indices("training")


# ---------------------------------------------------------------- sequences

COMPLEMENT = bytes.maketrans(b"ACGTN", b"TGCAN")


def words_of(sequence: bytes, k: int) -> set[bytes]:
    both = (sequence, sequence.translate(COMPLEMENT)[::-1])
    every = {strand[i : i + k] for strand in both for i in range(len(strand) - k + 1)}
    return {word for word in every if b"N" not in word}


def slow_groups(letters, k):
    rows = [words_of(row.tobytes(), k) for row in letters]
    group = list(range(len(rows)))
    for i, j in itertools.combinations(range(len(rows)), 2):
        if rows[i] & rows[j]:
            old, new = group[j], group[i]
            group = [new if g == old else g for g in group]
    first = {g: rank for rank, g in enumerate(dict.fromkeys(group))}
    return [first[g] for g in group]


def related_sequences(rng, n, length, copied):
    """Random sequences, some of which hold a stretch of another, on either strand; some N."""
    rows = [rng.choice(np.frombuffer(b"ACGT", np.uint8), length).tobytes() for _ in range(n)]
    for _ in range(n):
        i, j = rng.integers(0, n, 2)
        at, to = rng.integers(0, length - copied + 1, 2)
        piece = rows[i][at : at + copied]
        if rng.random() < 0.5:
            piece = piece.translate(COMPLEMENT)[::-1]
        if rng.random() < 0.2:
            piece = piece[: copied // 2] + b"N" + piece[copied // 2 + 1 :]
        rows[j] = rows[j][:to] + piece + rows[j][to + copied :]
    return np.frombuffer(b"".join(rows), np.uint8).reshape(n, length)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("word", [1, 3, 7, 12, 20, 31, 32, 33, 40])
def test_groups_equal_brute_force(seed, word, monkeypatch):
    if seed % 2:
        monkeypatch.setattr("dnafast.splitting.words._WORDS_AT_ONCE", 50)  # several passes, a few rows at once
    rng = np.random.default_rng(seed)
    copied = word + int(rng.integers(-1, 2)) if word > 1 else 1
    letters = related_sequences(rng, int(rng.integers(1, 14)), word + int(rng.integers(1, 30)), max(copied, 1))
    assert groups_by_shared_words(letters, word).tolist() == slow_groups(letters, word)


def test_sequences_shorter_than_the_word_are_alone():
    assert groups_by_shared_words(np.full((3, 4), ord("A"), np.uint8), 5).tolist() == [0, 1, 2]


def test_shared_words_stay_in_one_part_and_classes_stay_balanced():
    rng = np.random.default_rng(1)
    letters = related_sequences(rng, 600, 81, 30)
    labels = (rng.random(600) < 0.3).astype(int)
    parts = dnafast.split_sequences(letters, None, labels, seed=3)
    assert (dnafast.split_sequences(letters, None, labels, seed=3).part == parts.part).all()
    assert (dnafast.split_sequences(letters, None, labels, seed=4).part != parts.part).any()
    words = {p: set().union(*(words_of(letters[i].tobytes(), 20) for i in parts.indices(p))) for p in PARTS}
    for one, other in itertools.combinations(PARTS, 2):
        assert not words[one] & words[other]
    for p, fraction in zip(PARTS, (0.7, 0.1, 0.2), strict=True):
        for label in (0, 1):
            assert abs(((parts.part == p) & (labels == label)).sum() / (labels == label).sum() - fraction) < 0.03
    assert parts.intervals == {}
    assert not parts.warnings
    assert "shared words of 20 bases" in parts.description


def test_one_large_group_warns():
    letters = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(0).integers(0, 4, (40, 40))].copy()
    letters[:25, 5:20] = letters[0, 5:20]
    with pytest.warns(UserWarning, match=r"2\d of 40 sequences hang together through shared words of 10 bases"):
        parts = split_sequences(letters, None, fractions=(0.6, 0.2, 0.2))
    assert len(parts.warnings) == 1
    assert len(set(parts.part[:25].tolist())) == 1


def test_copies_of_one_sequence_cannot_be_split():
    letters = np.tile(np.frombuffer(b"ACGTACGGTTCA", np.uint8), (9, 1))
    with pytest.raises(ValueError, match=r"all 9 sequences are linked through shared words of 3 bases .* column split"):
        split_sequences(letters, None)
    letters = np.frombuffer(b"ACG", np.uint8)[np.random.default_rng(0).integers(0, 3, (200, 4))]
    with pytest.raises(ValueError, match="all 200 sequences are linked through shared words of 1 base "):
        split_sequences(letters, None)
    letters = np.repeat(np.frombuffer(b"ACGTACGGTTCAAAAAAAAAAAAA", np.uint8).reshape(2, 12), 9, axis=0)
    with pytest.raises(ValueError, match="18 sequences form only 2 groups through shared words of 3 bases"):
        split_sequences(letters, None)


def test_coordinates_keep_overlapping_records_together():
    rng = np.random.default_rng(2)
    start = np.sort(rng.integers(0, 40_000, 200))
    order = rng.permutation(200)
    coordinates = Regions.from_arrays(
        ["c"], np.zeros(200), start[order], start[order] + 81, strand=rng.choice([-1, 1], 200)
    )
    labels = rng.integers(0, 2, 200)
    letters = np.full((200, 81), ord("A"), np.uint8)
    parts = split_sequences(letters, coordinates, labels)
    for i, j in itertools.combinations(range(200), 2):
        if abs(coordinates.start[i] - coordinates.start[j]) < 81 and "dropped" not in parts.part[[i, j]]:
            assert parts.part[i] == parts.part[j]
    positives = (labels == 1).sum()
    for p, fraction in zip(PARTS, (0.7, 0.1, 0.2), strict=True):
        assert abs(((parts.part == p) & (labels == 1)).sum() / positives - fraction) < 0.06
    assert parts.indices("dropped").size <= 4
    named = split_sequences(letters, coordinates, labels, test=["c:30000-"])
    assert (coordinates.start[named.indices("test")] >= 30_000).all()


def test_contigs_of_headers_are_taken_in_natural_order():
    coordinates = Regions.from_arrays(
        ["chr10", "chr2", "chrX", "chr1"], np.arange(40) % 4, np.arange(40) * 50, np.arange(40) * 50 + 10
    )
    parts = split_sequences(np.full((40, 10), ord("C"), np.uint8), coordinates, fractions=(0.5, 0.25, 0.25))
    assert "train = chr1, chr2; valid = chr10; test = chrX" in parts.description
    assert parts.part[:4].tolist() == ["valid", "train", "test", "train"]


def test_errors_of_sequences():
    letters = np.full((4, 40), ord("A"), np.uint8)
    with pytest.raises(ValueError, match="test and valid name stretches"):
        split_sequences(letters, None, test=["chr1"])
    with pytest.raises(ValueError, match=r"labels has shape \(3,\)"):
        split_sequences(letters, None, [0, 1, 0])
    with pytest.raises(ValueError, match="coordinates has 1 rows"):
        split_sequences(letters, Regions.from_arrays(["a"], [0], [0], [40]))
    with pytest.raises(ValueError, match="no sequence to split"):
        split_sequences(letters[:0], None)


def test_fifty_thousand_promoters_take_seconds():
    letters = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(0).integers(0, 4, (50_000, 81))]
    begin = time.process_time()
    split_sequences(letters, None)
    assert time.process_time() - begin < 20


@pytest.mark.parametrize(
    ("sizes", "whole"),
    [
        ([70, 10, 20], True),
        ([60, 15, 25], True),  # 0.857, 1.5 and 1.25 of the shares
        ([59, 15, 26], False),  # too little to train on
        ([64, 16, 20], False),  # more than 1.5 times the share of valid
        ([61, 8, 31], False),  # and of test
        ([78, 2, 20], False),  # too little to choose by
        ([75, 3, 22], True),
    ],
)
def test_whole_contigs_must_come_near_to_the_shares(sizes, whole):
    contig = np.repeat([0, 1, 2], sizes)
    windows = Windows.from_arrays(["a", "b", "c"], contig, np.concatenate([np.arange(n) * 100 for n in sizes]), 50)
    genome = Lengths(a=10_000, b=10_000, c=10_000)
    parts = split(windows, genome=genome)
    check(windows, parts, genome.contigs)
    assert [parts.indices(p).size for p in PARTS] == (sizes if whole else [70, 10, 20])
    assert ("train = a; valid = b; test = c" in parts.description) == whole


def test_a_chromosome_beside_its_plasmids_is_cut():
    contig = np.repeat([0, 1, 2], [980, 12, 8])
    windows = Windows.from_arrays(["chromosome", "p1", "p2"], contig, np.arange(1000) * 1000, 50)
    genome = Lengths(chromosome=1_000_000, p1=1_000_000, p2=1_000_000)
    parts = split(windows, genome=genome)
    check(windows, parts, genome.contigs)
    assert [parts.indices(p).size for p in PARTS] == [700, 100, 200]


def test_jitter_keeps_draws_out_of_other_parts():
    windows = Windows.from_arrays(["c"], np.zeros(100), np.arange(100) * 100, 90)
    genome = Lengths(c=10_000)
    assert split(windows, genome=genome, jitter=5).indices("dropped").size == 0
    parts = split(windows, genome=genome, jitter=20)
    for name in PARTS:
        rows = parts.indices(name)
        assert (windows.start[rows] - 20 >= parts.intervals[name].start.min() - 20 * (rows == 0)).all()
        assert (windows.end[rows] + 20 <= parts.intervals[name].end.max() + 20 * (rows == 99)).all()
    assert 1 <= parts.indices("dropped").size <= 4
