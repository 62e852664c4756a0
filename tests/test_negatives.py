"""Negatives against what a plain reading of the genome's letters allows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas
import pytest
from numpy.typing import NDArray

from dnafast import BaseCodes, Genome, Regions, Windows, sample_negatives
from dnafast.negatives import Negatives


def draw(*arguments: Any, **options: Any) -> Negatives:
    """Negatives where a shortfall is expected, or does not matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return sample_negatives(*arguments, **options)


def random_letters(random: np.random.Generator, n: int, gc: float = 0.45, unknown: float = 0.0) -> NDArray[np.uint8]:
    """Letters in stretches of varying G+C, lower case here and there, N in blocks."""
    letters = np.empty(n, np.uint8)
    for start in range(0, n, 1500):
        size = min(1500, n - start)
        here = np.clip(gc + random.normal(0, 0.12), 0.02, 0.98)
        share = [(1 - here) / 2, here / 2, here / 2, (1 - here) / 2]
        letters[start : start + size] = random.choice(np.frombuffer(b"ACGT", np.uint8), size, p=share)
    letters[random.random(n) < 0.3] |= 0x20
    blocks = int(unknown * n / 50)
    for start in random.integers(0, n, blocks):
        letters[start : start + int(random.integers(1, 100))] = ord("N")
    return letters


def table(genome: Genome, intervals: list[tuple[int, int, int]]) -> Regions:
    contig, start, end = zip(*intervals, strict=True)
    return Regions.from_arrays(tuple(genome.contigs), contig, start, end)


@dataclass
class Plain:
    """Every start of every contig: whether a window may lie there, and its bin; by looking at each."""

    allowed: list[NDArray[np.bool_]]
    bins: list[NDArray[np.int64]]

    @classmethod
    def read(
        cls,
        letters: list[NDArray[np.uint8]],
        length: int,
        forbidden: list[tuple[int, int, int]],
        within: list[tuple[int, int, int]] | None,
        max_n: float,
    ) -> Plain:
        allowed, bins = [], []
        for contig, text in enumerate(letters):
            upper = text & 0xDF
            unknown = windowed(~np.isin(upper, np.frombuffer(b"ACGT", np.uint8)), length)
            gc = windowed(np.isin(upper, np.frombuffer(b"CG", np.uint8)), length)
            blocked = np.zeros(len(text), bool)
            for other, start, end in forbidden:
                if other == contig:
                    blocked[max(start, 0) : max(end, 0)] = True
            free = (unknown <= max_n * length) & (windowed(blocked, length) == 0)
            if within is not None:
                inside = np.zeros(len(text), bool)
                for other, start, end in within:
                    if other == contig:
                        inside[start:end] = True
                free &= windowed(inside, length) == length
            allowed.append(free)
            known = np.maximum(length - unknown, 1)
            bins.append(np.minimum(gc * 50 // known, 49))
        return cls(allowed, bins)

    def places(self) -> set[tuple[int, int]]:
        return {(contig, int(start)) for contig, free in enumerate(self.allowed) for start in np.flatnonzero(free)}

    def supply(self) -> NDArray[np.int64]:
        """Allowed starts of each (contig, bin)."""
        return np.array(
            [np.bincount(bins[free], minlength=50) for free, bins in zip(self.allowed, self.bins, strict=True)]
        )

    def drawn(self, windows: Windows) -> NDArray[np.int64]:
        counts = np.zeros((len(self.bins), 50), np.int64)
        for contig, start in zip(windows.contig, windows.start, strict=True):
            counts[contig, self.bins[contig][start]] += 1
        return counts


def windowed(flags: NDArray[np.bool_], length: int) -> NDArray[np.int64]:
    """Number of flags in the window at each start."""
    if len(flags) < length:
        return np.empty(0, np.int64)
    sums = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(sums[length:] - sums[:-length], dtype=np.int64)


def places(windows: Windows) -> list[tuple[int, int]]:
    return list(zip(windows.contig.tolist(), windows.start.tolist(), strict=True))


@dataclass
class Case:
    """A genome with positives, peaks around them, a blacklist and intervals to stay in."""

    genome: Genome
    letters: list[NDArray[np.uint8]]
    positives: Windows
    peaks: list[tuple[int, int, int]]
    blacklist: list[tuple[int, int, int]]
    within: list[tuple[int, int, int]]

    def plain(self, within: bool, max_n: float) -> Plain:
        length = self.positives.length
        own = [(contig, start, start + length) for contig, start in places(self.positives)]
        return Plain.read(
            self.letters, length, own + self.peaks + self.blacklist, self.within if within else None, max_n
        )

    def exclude(self) -> list[Regions]:
        return [table(self.genome, self.peaks), table(self.genome, self.blacklist)]


def make_case(seed: int, *, scale: int = 1, length: int | None = None, unknown: float = 0.05) -> Case:
    random = np.random.default_rng(seed)
    sizes = [int(size) for size in random.integers(3000, 12000, 3)] + [40, 1]
    sizes[0] *= scale
    letters = [random_letters(random, size, unknown=unknown) for size in sizes]
    genome = Genome.from_sequences([text.tobytes() for text in letters], ["one", "two", "three", "short", "one base"])
    length = int(random.integers(41, 200)) if length is None else length
    contig = np.sort(random.integers(0, 3, 40))
    start = np.array([random.integers(-length // 3, sizes[c] - length // 2) for c in contig])
    strand = random.choice([1, -1, 0], 40, p=[0.5, 0.3, 0.2])
    positives = Windows.from_arrays(tuple(genome.contigs), contig, start, length, strand=strand)
    peaks = [
        (int(c), max(0, int(s) - 70), min(sizes[c], int(s) + length + 33)) for c, s in zip(contig, start, strict=True)
    ]
    blacklist = [(0, 0, 300), (1, 1000, 1000), (1, 500, 99999999), (2, sizes[2] - 1, sizes[2])]
    within = [(0, 0, sizes[0] // 2), (0, sizes[0] // 2, sizes[0] - 5), (2, 100, 2000), (2, 1500, 2500), (3, 0, 40)]
    return Case(genome, letters, positives, peaks, blacklist, within)


def check_guarantees(case: Case, negatives: Negatives, plain: Plain) -> None:
    drawn = places(negatives)
    assert drawn == sorted(set(drawn)), "sorted, none twice"
    assert set(drawn) <= plain.places()
    assert negatives.length == case.positives.length
    assert (negatives.source == -1).all()
    shares = [(case.positives.strand == strand).mean() for strand in (1, -1, 0)]
    for strand, share in zip((1, -1, 0), shares, strict=True):
        assert abs((negatives.strand == strand).sum() - share * len(negatives)) <= 1
    assert negatives.flow["found"] == len(negatives)
    missing = (negatives.shortfall["wanted"] - negatives.shortfall["found"]).sum()
    assert missing == negatives.flow["wanted"] - negatives.flow["found"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("max_n", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("method", ["random", "gc"])
def test_draws_only_what_is_allowed(seed: int, within: bool, max_n: float, method: str) -> None:
    case = make_case(seed)
    plain = case.plain(within, max_n)
    regions = table(case.genome, case.within) if within else None
    for ratio in (0.4, 3.0):
        negatives = draw(
            case.genome, case.positives, method=method, ratio=ratio, exclude=case.exclude(), within=regions, max_n=max_n
        )
        check_guarantees(case, negatives, plain)
        assert negatives.flow["wanted"] == int(np.floor(ratio * 40 + 0.5))


# The second scale has more allowed places than are tried one by one: there the pass over the genome finds the rest.
@pytest.mark.parametrize("scale", [1, 40])
@pytest.mark.parametrize("max_n", [0.0, 0.08])
def test_random_finds_every_place_there_is(scale: int, max_n: float) -> None:
    case = make_case(7, scale=scale, length=60)
    plain = case.plain(False, max_n)
    everything = plain.places()
    with pytest.warns(UserWarning, match="the genome holds"):
        negatives = sample_negatives(
            case.genome, case.positives, method="random", ratio=20000, exclude=case.exclude(), max_n=max_n
        )
    assert set(places(negatives)) == everything
    assert negatives.shortfall.values.tolist() == [["*", -1, 800000, len(everything)]]


@pytest.mark.parametrize("scale", [1, 40])
@pytest.mark.parametrize("max_n", [0.0, 0.08, 1.0])
@pytest.mark.parametrize("ratio", [1.0, 30.0, 3000.0])
def test_gc_quotas_are_filled_as_far_as_the_genome_goes(scale: int, max_n: float, ratio: float) -> None:
    case = make_case(11, scale=scale, length=80)
    plain = case.plain(False, max_n)
    negatives = draw(case.genome, case.positives, ratio=ratio, exclude=case.exclude(), max_n=max_n)
    check_guarantees(case, negatives, plain)
    supply, drawn = plain.supply(), plain.drawn(negatives)
    wanted = np.zeros_like(supply)
    for contig, start in places(case.positives):
        text = case.letters[contig][max(start, 0) : start + 80] & 0xDF
        known = np.isin(text, np.frombuffer(b"ACGT", np.uint8)).sum()
        gc = np.isin(text, np.frombuffer(b"CG", np.uint8)).sum()
        wanted[contig, min(gc * 50 // known, 49) if known else 0] += int(ratio)
    # Each bin holds as many as it has positives, or all there are.
    assert np.array_equal(drawn.sum(axis=0), np.minimum(wanted.sum(axis=0), supply.sum(axis=0)))
    # Each contig gives its own share of them first.
    assert (drawn >= np.minimum(wanted, supply)).all()
    lacking = negatives.shortfall
    assert (lacking["found"] < lacking["wanted"]).all()
    for gc_bin, rows in lacking.groupby("gc_bin"):
        short = wanted[:, gc_bin // 2].sum() - supply[:, gc_bin // 2].sum()
        assert (rows["wanted"] - rows["found"]).sum() == short


def test_contigs_keep_their_proportions_where_they_can() -> None:
    random = np.random.default_rng(3)
    letters = [random_letters(random, 60000) for _ in range(3)]
    genome = Genome.from_sequences([text.tobytes() for text in letters])
    contig = np.repeat([0, 1, 2], [60, 30, 10])
    start = random.integers(0, 59900, 100)
    positives = Windows.from_arrays(tuple(genome.contigs), contig, start, 100)
    negatives = sample_negatives(genome, positives, ratio=2.0)
    assert np.bincount(negatives.contig).tolist() == [120, 60, 20]
    assert negatives.flow["from_other_contigs"] == 0
    inside = Regions.from_arrays(tuple(genome.contigs), [1], [0], [60000])
    confined = draw(genome, positives, within=inside)
    assert set(confined.contig.tolist()) == {1}
    plain = Plain.read(letters, 100, [], None, 0.0)
    in_bins = plain.drawn(positives).sum(axis=0) - plain.drawn(confined).sum(axis=0)
    assert (in_bins >= 0).all()
    assert in_bins.sum() == 100 - len(confined)


def test_ratios_round_within_one_in_every_bin() -> None:
    random = np.random.default_rng(4)
    letters = [random_letters(random, 80000) for _ in range(2)]
    genome = Genome.from_sequences([text.tobytes() for text in letters])
    positives = Windows.from_arrays(
        tuple(genome.contigs), random.integers(0, 2, 333), random.integers(0, 79900, 333), 100
    )
    plain = Plain.read(letters, 100, [], None, 0.0)
    for ratio in (0.3, 1.7):
        negatives = sample_negatives(genome, positives, ratio=ratio)
        assert len(negatives) == int(np.floor(ratio * 333 + 0.5))
        difference = plain.drawn(negatives).sum(axis=0) - ratio * plain.drawn(positives).sum(axis=0)
        assert abs(difference).max() <= 1


@pytest.mark.parametrize("method", ["random", "gc"])
@pytest.mark.parametrize("scale", [1, 40])
def test_same_result_for_any_number_of_threads(method: str, scale: int) -> None:
    case = make_case(5, scale=scale, length=50)
    results = [
        draw(
            case.genome, case.positives, method=method, ratio=40.0, max_n=0.05, exclude=case.exclude(), threads=threads
        )
        for threads in (1, 2, 7)
    ]
    for other in results[1:]:
        assert places(other) == places(results[0])
        assert np.array_equal(other.strand, results[0].strand)
        assert other.shortfall.equals(results[0].shortfall)


def test_the_seed_decides() -> None:
    case = make_case(6)
    options = {"ratio": 0.5, "method": "random", "max_n": 1.0}
    first = draw(case.genome, case.positives, seed=1, **options)
    assert places(first) == places(draw(case.genome, case.positives, seed=1, **options))
    assert places(first) != places(draw(case.genome, case.positives, seed=2, **options))
    assert places(first) != places(draw(case.genome, case.positives, seed=2**64 - 1, **options))


def test_random_is_even_over_the_genome() -> None:
    random = np.random.default_rng(8)
    genome = Genome.from_sequences([random_letters(random, 50000).tobytes(), random_letters(random, 150000).tobytes()])
    positives = Windows.from_arrays(tuple(genome.contigs), [0, 1], [0, 0], 20)
    starts = []
    for seed in range(10):
        negatives = sample_negatives(genome, positives, method="random", ratio=2000, seed=seed)
        starts.append(negatives.start + negatives.contig * 50000)
    counts = np.bincount(np.concatenate(starts) * 20 // 200000, minlength=20)
    # Chi-square with 19 degrees of freedom: above 55 once in 50,000.
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 55


def test_rare_windows_are_found_by_the_pass_over_the_genome() -> None:
    random = np.random.default_rng(9)
    text = random.choice(np.frombuffer(b"ACGT", np.uint8), 1_000_000, p=[0.35, 0.15, 0.15, 0.35])
    islands = [200_000, 500_003, 800_001]
    for island in islands:
        text[island : island + 600] = random.choice(np.frombuffer(b"CG", np.uint8), 600)
    genome = Genome.from_sequences([text.tobytes()])
    positives = Windows.from_arrays(("0",), np.zeros(1, int), [islands[0] + 200], 200)
    negatives = draw(genome, positives, ratio=5000, exclude=Regions.from_arrays(("0",), [0], [199_000], [201_000]))
    plain = Plain.read([text], 200, [(0, 199_000, 201_000)], None, 0.0)
    assert len(negatives) == plain.supply()[0, 49]
    assert negatives.shortfall.values.tolist() == [["0", 98, 5000, len(negatives)]]
    found = f"{len(negatives):,} of 5,000 found"
    assert negatives.shortfall_in_words() == f"0 at 98-100 % G+C ({found})"
    with pytest.warns(UserWarning, match=r"short in 0 at 98-100 % G\+C"):
        sample_negatives(genome, positives, ratio=5000)


def test_the_largest_gaps_are_named_first_and_the_others_counted() -> None:
    missing = pandas.DataFrame(
        {"contig": ["a", "b", "c"], "gc_bin": [40, 42, 44], "wanted": [5, 9, 3000], "found": [3, 1, 2999]}
    )
    negatives = Negatives(("a",), np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), 10, shortfall=missing)
    assert (
        negatives.shortfall_in_words(2) == "b at 42-44 % G+C (1 of 9 found), a at 40-42 % G+C (3 of 5 found) and 1 more"
    )
    assert replace(negatives, shortfall=missing.assign(gc_bin=-1)).shortfall_in_words() == ""


def test_long_stretches_of_n_are_passed_over() -> None:
    random = np.random.default_rng(10)
    text = np.full(3_000_000, ord("N"), np.uint8)
    for start in (0, 700_000, 2_900_000):
        text[start : start + 100_000] = random_letters(random, 100_000, unknown=0.02)
    genome = Genome.from_sequences([text.tobytes()])
    positives = Windows.from_arrays(("0",), np.zeros(40, int), random.integers(0, 90_000, 40), 120)
    own = [(0, start, start + 120) for _, start in places(positives)]
    for max_n in (0.0, 0.3, 1.0):
        plain = Plain.read([text], 120, own, None, max_n)
        negatives = draw(genome, positives, ratio=1000, max_n=max_n)
        assert set(places(negatives)) <= plain.places()
        read = Plain.read([text], 120, [], None, 1.0)
        wanted = 1000 * read.drawn(positives).sum(axis=0)
        assert np.array_equal(plain.drawn(negatives).sum(axis=0), np.minimum(wanted, plain.supply().sum(axis=0)))


def test_a_genome_with_no_room_gives_none() -> None:
    genome = Genome.from_sequences(["ACGT" * 25, "ACG"])
    positives = Windows.from_arrays(("0", "1"), [0], [30], 50)
    for method in ("random", "gc"):
        with pytest.warns(UserWarning, match=r"holds 0 of the 1 negatives wanted .*\.shortfall"):
            negatives = sample_negatives(genome, positives, method=method)
        assert len(negatives) == 0
        assert len(negatives.shortfall) == 1


def test_what_lies_under_unknown_bases_does_not_count() -> None:
    # Positives outside the genome, or all N, are of bin 0, as are windows of A and T.
    genome = Genome.from_sequences(["N" * 100 + "AT" * 100 + "GC" * 100])
    positives = Windows.from_arrays(("0",), [0, 0], [-100, 0], 40)
    negatives = sample_negatives(genome, positives)
    assert ((negatives.start >= 100) & (negatives.start + 40 <= 301)).all()


def test_the_result_is_a_window_table() -> None:
    case = make_case(2)
    negatives = draw(case.genome, case.positives, max_n=1.0)
    assert isinstance(negatives, Windows)
    assert len(negatives[:3]) == 3
    both = Windows.concatenate([case.positives, negatives])
    assert len(both) == len(case.positives) + len(negatives)
    assert case.genome.encode(negatives[:2], BaseCodes()).shape == (2, negatives.length)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "shuffled"}, r"method='shuffled' is not known: choose one of 'random', 'gc'"),
        ({"ratio": 0.0}, r"ratio=0\.0 must be a number above 0"),
        *(({"ratio": ratio}, f"ratio={ratio} must be") for ratio in (float("nan"), float("inf"), 1000001)),
        *(({"ratio": ratio}, r"must be a number above 0, at most 1,000,000") for ratio in (1e18, 1e19, 1e300)),
        ({"max_n": 1.5}, r"max_n=1\.5 must lie between 0 and 1"),
        ({"max_n": -0.1}, r"max_n=-0\.1"),
        ({"seed": -1}, r"seed=-1 must be a whole number"),
        ({"seed": 0.5}, r"seed=0\.5"),
        ({"threads": 0}, r"threads=0 must be at least 1"),
    ],
)
def test_impossible_arguments_are_named(options: dict[str, Any], message: str) -> None:
    case = make_case(1)
    with pytest.raises(ValueError, match=message):
        sample_negatives(case.genome, case.positives, **options)


def test_a_ratio_is_a_number_and_the_largest_takes_all_there_is() -> None:
    case = make_case(1)
    with pytest.raises(TypeError, match="ratio='2' must be a number"):
        sample_negatives(case.genome, case.positives, ratio="2")  # type: ignore[arg-type]
    most, fewer = (draw(case.genome, case.positives, ratio=ratio, method="random") for ratio in (1e6, 1e5))
    assert len(most) == len(fewer) > 0


def test_regions_of_another_genome_are_refused() -> None:
    case = make_case(1)
    alien = Regions.from_arrays(("chr1", "chr2"), [0, 1], [0, 0], [10, 10], path="blacklist.bed")
    message = r"{}: no region of blacklist\.bed lies on a contig of the genome: regions name 'chr1', 'chr2', the genome"
    with pytest.raises(ValueError, match=message.format("exclude")):
        sample_negatives(case.genome, case.positives, exclude=alien)
    with pytest.raises(ValueError, match=message.format("within")):
        sample_negatives(case.genome, case.positives, within=alien)
    some = Regions.from_arrays(("chr1", "one"), [0, 1], [0, 0], [10, 5000])
    negatives = draw(case.genome, case.positives, exclude=some, max_n=1.0)
    assert not ((negatives.contig == 0) & (negatives.start < 5000)).any()


def test_positives_are_needed_and_must_lie_on_the_genome() -> None:
    case = make_case(1)
    with pytest.raises(ValueError, match="positives holds no window"):
        sample_negatives(case.genome, case.positives[:0])
    elsewhere = Windows.from_arrays(("chrZ",), [0], [0], 10)
    with pytest.raises(ValueError, match="'chrZ'"):
        sample_negatives(case.genome, elsewhere)
