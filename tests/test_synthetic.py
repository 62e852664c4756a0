"""The simulated data are what they say: planted sites lie where the truth says, and composition fools nobody."""

from __future__ import annotations

import gzip
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from dnafast import synthetic
from dnafast.synthetic import SimulatedGenome, SimulatedSequences, Sites
from dnafast.synthetic.background import HUMAN_GC_POOR, HUMAN_GC_RICH, human_tables, isochores, markov_chains

CODE = np.full(256, 255, np.uint8)
CODE[np.frombuffer(b"ACGT", np.uint8)] = np.arange(4)


@pytest.fixture(scope="module")
def genome() -> SimulatedGenome:
    return synthetic.simulate_genome(seed=1)


@pytest.fixture(scope="module")
def promoters() -> SimulatedSequences:
    return synthetic.simulate_promoters(seed=1)


def parts(genome: SimulatedGenome) -> list[synthetic.SimulatedRegions]:
    return [genome.peaks, genome.decoys]


def windows(genome: SimulatedGenome, regions: synthetic.SimulatedRegions) -> NDArray[np.uint8]:
    """Codes (N, window) around the summits."""
    starts = regions.summit - genome.window // 2
    return np.stack(
        [
            CODE[genome.contigs[name][start : start + genome.window]]
            for name, start in zip(regions.contig, starts, strict=True)
        ]
    )


def kinds_of_sites(sites: Sites, rows: int) -> list[list[str]]:
    """The names planted in each row, in order of position."""
    names: list[list[str]] = [[] for _ in range(rows)]
    for row, motif in zip(sites.row, sites.motif, strict=True):
        names[row].append(motif)
    return names


def same(a: object, b: object) -> bool:
    """Two results hold the same arrays."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return a == b


@pytest.mark.parametrize(
    "simulate",
    [
        lambda seed: synthetic.simulate_genome(seed, n_positives=60, n_decoys=40),
        lambda seed: synthetic.simulate_promoters(seed, n=50),
    ],
)
def test_pure_function_of_seed(simulate) -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert same(simulate(3), simulate(3))
    assert not same(simulate(3), simulate(4))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_counts_and_order(genome: SimulatedGenome) -> None:
    assert (len(genome.peaks), len(genome.decoys)) == (synthetic.POSITIVES, synthetic.DECOYS)
    assert len(genome.contigs) == 10
    for regions in parts(genome):
        names = [int(name[3:]) for name in regions.contig]
        assert set(names) == set(range(1, 11))
        assert (np.lexsort((regions.start, names)) == np.arange(len(regions))).all()
        assert (regions.start >= 0).all()
        lengths = np.array([len(genome.contigs[name]) for name in regions.contig])
        assert (regions.end <= lengths).all()
        half = genome.window // 2
        assert (regions.start <= regions.summit - half).all()
        assert (regions.end >= regions.summit - half + genome.window).all()
        assert (regions.strand == 0).all()
        assert set(np.unique(regions.orientation)) == {-1, 1}
    # Every contig has its share of both, so that a split by contig leaves no part without.
    counts = np.unique(genome.peaks.contig, return_counts=True)[1]
    assert counts.min() > 0.8 * counts.mean()
    assert (genome.peaks.signal > 0).all()
    assert (genome.decoys.signal == 0).all()


def intervals(genome: SimulatedGenome, contig: str) -> NDArray[np.int64]:
    """Starts and ends (N, 2) of all regions on a contig, sorted."""
    rows = [np.stack([regions.start, regions.end], 1)[regions.contig == contig] for regions in parts(genome)]
    return np.sort(np.concatenate(rows), axis=0)


def test_no_region_touches_another(genome: SimulatedGenome) -> None:
    for name, letters in genome.contigs.items():
        start, end = intervals(genome, name).T
        assert (end[:-1] < start[1:]).all()
        # Random negatives find room: the bench fills up with windows that overlap no region.
        between = np.r_[start, len(letters)] - np.r_[0, end]
        assert (between >= genome.window).mean() > 0.9


def test_sites_lie_where_the_truth_says(genome: SimulatedGenome) -> None:
    for regions in parts(genome):
        sites = regions.sites
        half = genome.window // 2
        assert (sites.start >= regions.summit[sites.row] - half).all()
        assert (sites.end <= regions.summit[sites.row] - half + genome.window).all()
        assert (sites.strand == regions.orientation[sites.row]).all()
        for name in set(sites.motif) & set(synthetic.FACTORS):
            motif = synthetic.FACTORS[name]
            chosen = np.flatnonzero(sites.motif == name)
            assert (sites.end - sites.start == motif.width)[chosen].all()
            here = np.stack(
                [CODE[genome.contigs[regions.contig[sites.row[i]]][sites.start[i] : sites.end[i]]] for i in chosen]
            )
            turned = sites.strand[chosen] < 0
            here[turned] = 3 - here[turned][:, ::-1]
            expected = motif.information
            assert motif.scores(here).mean() > 0.8 * expected
            if name != "CEBPB":  # a palindrome; the others say little when they are read on the wrong strand
                assert motif.scores(3 - here[:, ::-1]).mean() < 0


def test_grammar_of_open_and_closed_regions(genome: SimulatedGenome) -> None:
    first, second, anchor = "SPI1", "CEBPB", "CTCF"
    allowed = {
        "anchor": {(anchor,)},
        "pair": {(first, second)},
        "swapped": {(second, first)},
        "twice": {(first, first), (second, second)},
        "scrambled": {(f"scrambled {anchor}",)},
    }
    for regions in parts(genome):
        names = kinds_of_sites(regions.sites, len(regions))
        for row in range(len(regions)):
            reading = names[row] if regions.orientation[row] > 0 else names[row][::-1]
            assert tuple(reading) in allowed[regions.kind[row]]
    assert set(genome.peaks.kind) == {"anchor", "pair"}
    assert set(genome.decoys.kind) == {"swapped", "twice", "scrambled"}


def test_pairs_lie_beyond_a_filter_of_24(genome: SimulatedGenome) -> None:
    for regions in parts(genome):
        sites = regions.sites
        partner = np.flatnonzero(sites.row[1:] == sites.row[:-1])
        gaps = sites.start[partner + 1] - sites.end[partner]
        assert gaps.min() >= 30
        assert gaps.max() <= 100
        assert len(np.unique(gaps)) > 20


def test_shares_of_kinds(genome: SimulatedGenome, promoters: SimulatedSequences) -> None:
    for kinds, shares in (
        (genome.peaks.kind, synthetic.OPEN_SHARES),
        (genome.decoys.kind, synthetic.CLOSED_SHARES),
        (promoters.kinds[promoters.labels == 1], synthetic.PROMOTER_SHARES),
        (promoters.kinds[promoters.labels == 0], synthetic.NEGATIVE_SHARES),
    ):
        assert sum(shares.values()) == pytest.approx(1)
        for kind, share in shares.items():
            assert (kinds == kind).sum() == pytest.approx(share * len(kinds), abs=1)


def test_promoter_boxes(promoters: SimulatedSequences) -> None:
    assert promoters.letters.shape == (synthetic.PROMOTERS, synthetic.PROMOTER_LENGTH)
    assert promoters.letters.dtype == np.uint8
    assert (promoters.labels == 1).sum() == synthetic.PROMOTERS // 2
    sites = promoters.sites
    names = kinds_of_sites(sites, len(promoters))
    gaps = np.full(len(promoters), -1)
    partner = np.flatnonzero(sites.row[1:] == sites.row[:-1])
    gaps[sites.row[partner]] = sites.start[partner + 1] - sites.end[partner]
    upstream, downstream = synthetic.BOX_35, synthetic.BOX_10
    allowed = {
        "sigma 54": [["sigma 54"]],
        "scrambled": [["scrambled sigma 54"]],
        "sigma 70": [[upstream.name, downstream.name]],
        "spacing": [[upstream.name, downstream.name]],
        "swapped": [[downstream.name, upstream.name]],
        "twice": [[upstream.name] * 2, [downstream.name] * 2],
        "empty": [[]],
    }
    for row, kind in enumerate(promoters.kinds):
        assert names[row] in allowed[kind]
        if kind in ("sigma 70", "swapped", "twice"):
            assert gaps[row] in (16, 17, 18)
        elif kind == "spacing":
            assert gaps[row] not in range(13, 22)
    codes = CODE[promoters.letters]
    for box in (upstream, downstream):
        chosen = np.flatnonzero(sites.motif == box.name)
        here = np.stack([codes[sites.row[i], sites.start[i] : sites.end[i]] for i in chosen])
        assert (here == box.frequencies.argmax(1)).mean() > 0.9


def test_dinucleotides_of_the_background() -> None:
    generator = np.random.default_rng(0)
    for weight, table in ((0.0, HUMAN_GC_POOR), (1.0, HUMAN_GC_RICH)):
        codes = markov_chains(human_tables(np.full(2000, weight)), 500, generator)
        found = np.bincount((codes[:, :-1] * 4 + codes[:, 1:]).ravel(), minlength=16).reshape(4, 4)
        assert found / found.sum() == pytest.approx(table / table.sum(), abs=0.001)


def test_genome_looks_human(genome: SimulatedGenome) -> None:
    codes = CODE[np.concatenate(list(genome.contigs.values()))]
    assert codes.max() == 3
    found = np.bincount(codes[:-1].astype(int) * 4 + codes[1:], minlength=16).reshape(4, 4) / (len(codes) - 1)
    base = found.sum(1)
    assert 0.40 < base[1] + base[2] < 0.47  # chromosome 1 of hg38: 0.42
    assert 0.2 < found[1, 2] / (base[1] * base[2]) < 0.4  # CG is depleted
    assert found == pytest.approx(found[::-1, ::-1].T, abs=0.002)  # both strands alike
    blocks = np.isin(codes[: len(codes) // 20000 * 20000].reshape(-1, 20000), (1, 2)).mean(1)
    assert 0.02 < blocks.std() < 0.1  # isochores


def test_isochores_drift() -> None:
    level = isochores(5000, np.random.default_rng(0))
    assert level.min() >= 0
    assert level.max() <= 1
    assert np.corrcoef(level[:-1], level[1:])[0, 1] > 0.9


def counts(codes: NDArray[np.uint8], k: int, both_strands: bool) -> NDArray[np.float64]:
    place = 4 ** np.arange(k)[::-1]
    words = np.lib.stride_tricks.sliding_window_view(codes, k, axis=1) @ place
    if both_strands:
        other = np.lib.stride_tricks.sliding_window_view(3 - codes, k, axis=1)[..., ::-1] @ place
        words = np.minimum(words, other)
    table = np.zeros((len(codes), 4**k))
    np.add.at(table, (np.arange(len(codes))[:, None], words), 1)
    return table


def linear_auroc(features: NDArray[np.float64], labels: NDArray[np.int_]) -> float:
    train = np.arange(len(labels)) % 3 > 0
    model = LogisticRegression(C=0.01, max_iter=300).fit(features[train], labels[train])
    return float(roc_auc_score(labels[~train], model.decision_function(features[~train])))


def genome_windows_and_labels(genome: SimulatedGenome) -> tuple[NDArray[np.uint8], NDArray[np.int_]]:
    """Peaks, decoys and, up to as many negatives as positives, random background from between them."""
    found = [windows(genome, regions) for regions in parts(genome)]
    missing = len(genome.peaks) - len(genome.decoys)
    background: list[NDArray[np.uint8]] = []
    for name, letters in genome.contigs.items():
        start, end = intervals(genome, name).T
        free = end[:-1][start[1:] - end[:-1] >= genome.window]
        background.extend(CODE[letters[begin : begin + genome.window]] for begin in free)
    chosen = np.random.default_rng(0).permutation(len(background))[:missing]
    codes = np.concatenate([*found, np.stack(background)[chosen]])
    labels = (np.arange(len(codes)) < len(genome.peaks)).astype(int)
    order = np.random.default_rng(1).permutation(len(codes))
    return codes[order], labels[order]


def test_composition_fools_nobody(genome: SimulatedGenome, promoters: SimulatedSequences) -> None:
    for codes, labels, both_strands in (
        (*genome_windows_and_labels(genome), True),
        (CODE[promoters.letters], promoters.labels.astype(int), False),
    ):
        gc = np.isin(codes, (1, 2)).mean(1)
        assert 0.42 < roc_auc_score(labels, gc) < 0.58
        assert linear_auroc(counts(codes, 4, both_strands), labels) < 0.75


def test_files_read_back(genome: SimulatedGenome) -> None:
    name, letters = next(iter(genome.contigs.items()))
    text = synthetic.fasta_text({name: letters[:130], "two": letters[:3]})
    lines = text.splitlines()
    assert lines[0] == f">{name}"
    assert [len(line) for line in lines] == [len(name) + 1, 60, 60, 10, 4, 3]
    assert "".join(lines[1:4]).encode() == letters[:130].tobytes()
    assert text.endswith("\n")
    rows = [line.split("\t") for line in synthetic.narrowpeak_text(genome.peaks).splitlines()]
    assert len(rows) == len(genome.peaks)
    assert all(len(row) == 10 for row in rows)
    assert [int(row[1]) + int(row[9]) for row in rows] == genome.peaks.summit.tolist()
    assert all(int(row[1]) < int(row[2]) and 0 <= int(row[4]) <= 1000 and row[5] == "." for row in rows)
    assert [float(row[6]) for row in rows] == pytest.approx(genome.peaks.signal)


def test_promoters_as_fasta(promoters: SimulatedSequences) -> None:
    text = synthetic.fasta_text(promoters.named(label=1))
    headers = [line for line in text.splitlines() if line.startswith(">")]
    assert len(headers) == len(set(headers)) == (promoters.labels == 1).sum()


@pytest.mark.parametrize("length", [99, 120, 200])
def test_other_sizes(length: int) -> None:
    genome = synthetic.simulate_genome(5, n_positives=7, n_decoys=0, length=length, n_contigs=3)
    assert genome.window == length
    assert len(genome.peaks) == 7
    assert len(genome.decoys) == len(genome.decoys.sites) == 0
    assert windows(genome, genome.peaks).shape == (7, length)
    assert synthetic.simulate_promoters(5, n=2, length=60).letters.shape == (2, 60)


@pytest.mark.parametrize(
    ("simulate", "message"),
    [
        (lambda: synthetic.simulate_genome(n_positives=0), "n_positives=0 must be at least 1"),
        (lambda: synthetic.simulate_genome(n_decoys=-1), "n_decoys=-1 must be at least 0"),
        (lambda: synthetic.simulate_genome(n_contigs=0), "n_contigs=0 must be at least 1"),
        (lambda: synthetic.simulate_genome(seed=-1), "seed=-1 must be at least 0"),
        (lambda: synthetic.simulate_genome(length=80), "length=80 must be at least"),
        (lambda: synthetic.simulate_promoters(n=1), "n=1 must be at least 2"),
        (lambda: synthetic.simulate_promoters(length=30), "length=30 must be at least"),
        (lambda: synthetic.fasta_text({}, width=0), "width=0 must be at least 1"),
    ],
)
def test_impossible_sizes(simulate, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        simulate()


def test_demonstration_is_quick_to_make() -> None:
    begun = time.process_time()
    synthetic.simulate_genome()
    synthetic.simulate_promoters()
    assert time.process_time() - begun < 3


def test_matrices_are_those_of_jaspar() -> None:
    folder = os.environ.get("DNAFAST_TEST_DATA")
    if not folder:
        pytest.skip("DNAFAST_TEST_DATA names no folder with the JASPAR matrices")
    path = Path(folder) / "motifs" / "JASPAR2024_CORE_vertebrates_nonredundant.meme.gz"
    with gzip.open(path, "rt") as file:
        entries = dict(re.findall(r"^MOTIF (\S+).*?\n(?:.*\n)*?letter.*\n((?:[ \t]*[\d.].*\n)+)", file.read(), re.M))
    for motif in synthetic.FACTORS.values():
        rows = entries[motif.source.removeprefix("JASPAR ")].strip().splitlines()
        published = np.array([[float(number) for number in row.split()] for row in rows])
        assert motif.frequencies == pytest.approx(published / published.sum(1, keepdims=True), abs=0.02)
        assert len(motif.consensus) == motif.width
