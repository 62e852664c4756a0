"""Tiles over a genome and over regions of it: edges, N and the count of every step, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

import dnafast
from dnafast.genome import Genome
from dnafast.regions import Regions
from dnafast.tiling import tiles


def genome_of(**sequences: str) -> Genome:
    return Genome.from_sequences(list(sequences.values()), list(sequences))


def regions_of(*rows):
    """Rows of (contig, start, end)."""
    contigs = list(dict.fromkeys(row[0] for row in rows))
    return Regions.from_arrays(contigs, [contigs.index(r[0]) for r in rows], [r[1] for r in rows], [r[2] for r in rows])


def places(table):
    return [(table.contigs[c], s) for c, s in zip(table.contig.tolist(), table.start.tolist(), strict=True)]


PLAIN = genome_of(b="A" * 25, a="C" * 10, c="G" * 4)


def test_tiles_of_whole_contigs_in_the_order_of_the_genome():
    laid = dnafast.tiles(PLAIN, 5, 10)
    assert laid.contigs == ("b", "a", "c")
    assert places(laid) == [("b", 0), ("b", 10), ("b", 20), ("a", 0)]
    assert (laid.contig.dtype, laid.start.dtype, laid.strand.dtype) == (np.int32, np.int64, np.int8)
    assert not laid.strand.any()
    assert laid.source.tolist() == [-1] * 4
    assert laid.end.tolist() == [5, 15, 25, 5]
    assert laid.flow == {"laid": 5, "excluded": 0, "edge": 1, "N": 0, "used": 4}


def test_edges():
    assert places(tiles(PLAIN, 10, 10, contigs=["b"])) == [("b", 0), ("b", 10)]
    assert places(tiles(PLAIN, 10, 10, contigs=["b"], edge="pad")) == [("b", 0), ("b", 10), ("b", 20)]
    # Once the end is reached, tiles that begin later would hold nothing new.
    assert places(tiles(PLAIN, 8, 3, contigs=["a"], edge="pad")) == [("a", 0), ("a", 3)]
    assert places(tiles(PLAIN, 7, 3, contigs=["a"], edge="error")) == [("a", 0), ("a", 3)]
    assert places(tiles(PLAIN, 100, 1, edge="pad")) == [("b", 0), ("a", 0), ("c", 0)]
    with pytest.raises(ValueError, match=r"tile b:20-30 reaches beyond its contig of 25 bases; edge='drop' leaves"):
        tiles(PLAIN, 10, 10, edge="error")


def test_tiles_never_leave_regions_and_never_come_twice():
    regions = regions_of(("a", 2, 6), ("b", 12, 18), ("b", 3, 9), ("b", 8, 12), ("a", 2, 6), ("b", 20, 25))
    laid = tiles(PLAIN, 4, 4, regions)
    assert places(laid) == [("b", 3), ("b", 7), ("b", 11), ("b", 20), ("a", 2)]  # 3 to 18 is one stretch
    assert laid.flow == {"laid": 7, "excluded": 0, "edge": 2, "N": 0, "used": 5, "regions_outside": 0}
    # Of the tiles that do not fit, only the one at the contig's end may be padded.
    assert places(tiles(PLAIN, 4, 4, regions, edge="pad")) == [
        ("b", 3), ("b", 7), ("b", 11), ("b", 20), ("b", 24), ("a", 2)
    ]  # fmt: skip
    with pytest.raises(ValueError, match="tile b:24-28 reaches beyond its contig of 25 bases"):
        tiles(PLAIN, 4, 4, regions, edge="error")
    none = tiles(PLAIN, 4, 4, regions_of())
    assert len(none) == none.flow["laid"] == 0


def test_regions_off_the_genome_are_counted():
    regions = regions_of(("b", 0, 5), ("b", 5, 10), ("q", 0, 5), ("a", 0, 10))
    assert tiles(PLAIN, 5, 5, regions).flow["regions_outside"] == 1
    with pytest.raises(ValueError, match=r"lie on contigs that the genome lacks"):
        tiles(PLAIN, 5, 5, regions_of(("q", 0, 5)))
    with pytest.raises(ValueError, match="there is nothing to lay tiles on"):
        tiles(PLAIN, 5, 5, regions_of(("q", 0, 5)), outside="drop")
    for regions in (None, regions_of(("b", 0, 5))):
        with pytest.raises(ValueError, match="outside must be 'error' or 'drop', not 'x'"):
            tiles(PLAIN, 5, 5, regions, outside="x")


def test_unknown_bases_leave_tiles_out():
    genome = genome_of(x="A" * 10 + "N" * 10 + "C" * 3 + "N" + "G" * 16)
    assert tiles(genome, 5, 5).start.tolist() == [0, 5, 25, 30, 35]
    assert tiles(genome, 5, 5).flow == {"laid": 8, "excluded": 0, "edge": 0, "N": 3, "used": 5}
    assert tiles(genome, 5, 5, max_n=0.2).start.tolist() == [0, 5, 20, 25, 30, 35]
    assert tiles(genome, 5, 5, max_n=1.0).start.tolist() == list(range(0, 40, 5))
    # Bases beyond the contig read N, but are no reason to leave a tile out.
    assert tiles(genome, 15, 15, max_n=0, edge="pad").start.tolist() == [30]
    # 0.29 * 100 is less than 29 in floating point.
    assert len(tiles(genome_of(y="N" * 29 + "A" * 71), 100, 1, max_n=0.29)) == 1


@pytest.mark.parametrize("seed", range(60))
def test_tiles_equal_brute_force(seed):
    rng = np.random.default_rng(seed)
    length, stride = int(rng.integers(1, 20)), int(rng.integers(1, 25))
    max_n, edge = float(rng.choice([0, 0.1, 0.5, 1])), str(rng.choice(["drop", "pad"]))
    sequences = {c: "".join(rng.choice(list("ACGTN"), int(rng.integers(1, 90)), p=[0.24] * 4 + [0.04])) for c in "zxyw"}
    names = list(sequences)

    def table(n, longest):
        contig = rng.integers(0, 4, n)
        size = np.array([len(sequences[names[c]]) for c in contig], dtype=np.int64)
        start = rng.integers(0, size)
        return Regions.from_arrays(names, contig, start, np.minimum(start + rng.integers(1, longest, n), size))

    regions = table(int(rng.integers(1, 8)), 40) if seed % 3 else None
    exclude = table(int(rng.integers(0, 4)), 8) if seed % 2 else None
    chosen = list(rng.permutation(names)[: int(rng.integers(1, 5))])
    expected, flow = [], dict.fromkeys(("laid", "excluded", "edge", "N", "used"), 0)
    for name, sequence in sequences.items():
        if name not in chosen:
            continue
        covered = np.zeros(len(sequence) + 1, dtype=bool)
        covered[:-1] = regions is None
        if regions is not None:
            for c, s, e in zip(regions.contig, regions.start, regions.end, strict=True):
                if names[c] == name:
                    covered[s:e] = True
        position = 0
        while position < len(sequence):
            if not covered[position]:
                position += 1
                continue
            behind = position + int(np.argmin(covered[position:]))
            for start in range(position, behind, stride):
                if start > position and start - stride + length >= behind:
                    break
                flow["laid"] += 1
                if exclude is not None and any(
                    names[c] == name and s < start + length and start < e
                    for c, s, e in zip(exclude.contig, exclude.start, exclude.end, strict=True)
                ):
                    flow["excluded"] += 1
                elif start + length > behind and (edge == "drop" or behind < len(sequence)):
                    flow["edge"] += 1
                elif sequence[start : start + length].count("N") > max_n * length:
                    flow["N"] += 1
                else:
                    flow["used"] += 1
                    expected.append((name, start))
            position = behind
    if regions is not None:
        flow["regions_outside"] = 0
    options = {"edge": edge, "max_n": max_n, "exclude": exclude, "contigs": chosen}
    if not expected:
        with pytest.raises(ValueError, match=r"no tile is left|longer than every|nothing to lay"):
            tiles(genome_of(**sequences), length, stride, regions, **options)
        return
    laid = tiles(genome_of(**sequences), length, stride, regions, **options)
    assert places(laid) == expected
    assert laid.flow == flow
    assert len(set(places(laid))) == len(laid)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length must be at least 1, not 0"),
        ({"length": 2**31}, "length must be at most"),
        ({"length": 26}, "length 26 is longer than every contig that is used: the longest has 25 bases$"),
        ({"length": 11, "contigs": ["c", "a"]}, "length 11 is longer than every contig that is used: the longest has"),
        ({"regions": regions_of(("b", 1, 5), ("b", 7, 8))}, "length 5 is longer than every stretch of the regions of"),
        ({"stride": 0}, "stride must lie between 1 and 2"),
        ({"stride": -5}, "stride must lie between 1 and 2"),
        ({"stride": 2**31}, "stride must lie between 1 and 2"),
        ({"edge": "clip"}, "edge must be 'drop', 'pad' or 'error', not 'clip'"),
        ({"max_n": -0.1}, "max_n must be a fraction from 0 to 1"),
        ({"contigs": ["q"]}, "contigs names 'q', but the genome has b, a, c"),
        ({"contigs": []}, "there is nothing to lay tiles on"),
        (
            {"exclude": regions_of(("b", 0, 25), ("a", 0, 10)), "length": 6},
            "no tile is left of 8 tiles: 7 touch regions to exclude, 1 reach over an end$",
        ),
    ],
)
def test_wrong_options_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        tiles(PLAIN, **{"length": 5, "stride": 5, **options})


@pytest.mark.parametrize("wrong", [True, "5", 5.0, None])
def test_length_and_stride_are_integers(wrong):
    with pytest.raises(TypeError, match="stride must be an integer"):
        tiles(PLAIN, 5, wrong)
    with pytest.raises(TypeError, match="length must be an integer"):
        tiles(PLAIN, wrong, 5)
    with pytest.raises(TypeError, match="contigs must be a list of names"):
        tiles(PLAIN, 5, 5, contigs="b")


def test_integers_of_numpy_will_do():
    assert len(tiles(PLAIN, np.int32(5), np.uint8(5))) == 7


def test_ten_thousand_contigs():
    genome = Genome.from_sequences(["ACGTA", "NNNNN"] * 5000)
    laid = tiles(genome, 2, 2)
    assert laid.flow == {"laid": 30000, "excluded": 0, "edge": 5000 * 2, "N": 10000, "used": 10000}
    assert laid.contig[:4].tolist() == [0, 0, 2, 2]
