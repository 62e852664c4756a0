"""Windows from regions: centres, edges, N, crowds and the count of every step, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

import dnafast
from dnafast.regions import Regions
from dnafast.windowing import Windows, windows


class PlainGenome:
    """What windows need of a genome, over strings."""

    def __init__(self, **sequences: str) -> None:
        self.sequences = sequences
        self.contigs = {name: len(sequence) for name, sequence in sequences.items()}

    def composition(self, windows, threads=None):
        assert list(windows.contigs) == list(self.contigs)
        rows = []
        for contig, start in zip(windows.contig, windows.start, strict=True):
            sequence = self.sequences[windows.contigs[contig]]
            letters = [sequence[p] if 0 <= p < len(sequence) else "N" for p in range(start, start + windows.length)]
            rows.append(
                [sum(x in "GCgc" for x in letters), sum(x in "Nn" for x in letters), sum(map(str.islower, letters))]
            )
        return np.array(rows, dtype=np.uint32).reshape(-1, 3)


GENOME = PlainGenome(a="A" * 60 + "N" * 10 + "C" * 130, b="G" * 100)


def peaks(*rows, **columns):
    """Rows of (contig, start, end)."""
    contigs = list(dict.fromkeys(row[0] for row in rows))
    return Regions.from_arrays(
        contigs, [contigs.index(r[0]) for r in rows], [r[1] for r in rows], [r[2] for r in rows], **columns
    )


def test_centre_convention_and_missing_summits():
    regions = peaks(("b", 40, 50), ("a", 100, 121), ("b", 70, 80), summit=[42, -1, 79], strand=[1, 0, -1])
    cut = windows(regions, 10, GENOME)
    assert cut.contigs == ("a", "b")
    assert cut.contig.tolist() == [1, 0, 1]
    assert cut.start.tolist() == [37, 105, 74]  # 110 is the centre of 100-121
    assert cut.strand.tolist() == [1, 0, -1]
    assert cut.source.tolist() == [0, 1, 2]
    assert cut.flow["summit_missing"] == 1
    assert windows(regions, 11, GENOME).start.tolist() == [37, 105, 74]  # the odd base lies behind
    centred = windows(regions, 10, GENOME, at="centre")
    assert centred.start.tolist() == [40, 105, 70]
    assert centred.flow["summit_missing"] == 0


def test_edges():
    regions = peaks(("b", 0, 9), ("b", 15, 16), ("b", 96, 97), ("b", 5, 6), ("b", 95, 96), ("b", 50, 51))
    cut = windows(regions, 4, GENOME)
    assert cut.flow["edge"] == 0
    cut = windows(regions, 10, GENOME)
    assert cut.source.tolist() == [1, 3, 4, 5]
    assert cut.start.tolist() == [10, 0, 90, 45]
    assert cut.flow["edge"] == 2
    drop = windows(regions, 10, GENOME, at="centre", edge="drop", jitter=1)
    assert drop.start.tolist() == [10, 45]
    assert drop.flow["edge"] == 4
    with pytest.raises(ValueError, match=r"window b:-1-9 \(row 0 .* beyond its contig of 100 bases"):
        windows(regions, 10, GENOME, edge="error")


def test_padded_windows_are_kept_and_their_padding_is_not_counted_as_n():
    regions = peaks(("b", 0, 3), ("b", 99, 100), ("a", 0, 2))
    cut = windows(regions, 20, GENOME, edge="pad")
    assert cut.start.tolist() == [-9, 89, -9]
    assert cut.flow["edge"] == cut.flow["N"] == 0


def test_unknown_bases_and_jitter():
    regions = peaks(("a", 50, 51), ("a", 55, 56), ("a", 90, 91))
    assert windows(regions, 10, GENOME).source.tolist() == [0, 1, 2]
    assert windows(regions, 12, GENOME).flow["N"] == 1
    # Moved by up to five, the first may reach base 60, which is unknown.
    assert windows(regions, 10, GENOME, jitter=5).source.tolist() == [0, 2]
    assert windows(regions, 10, GENOME, jitter=6).source.tolist() == [2]
    assert windows(regions, 10, GENOME, jitter=6, max_n=0.1).source.tolist() == [0, 2]
    assert windows(regions, 10, GENOME, jitter=20, max_n=1.0).source.tolist() == [0, 1, 2]


def test_the_strongest_of_a_crowd_stays():
    regions = peaks(
        *[("b", p, p + 1) for p in (40, 44, 48, 52, 70, 70)],
        signal=[1, 5, 7, 1, 3, 3],
        score=[0, 0, 0, 0, 1, 2],
    )
    assert windows(regions, 10, GENOME).source.tolist() == [0, 2, 5]  # 40 and 48 are apart, 44 and 52 too near 48
    assert windows(regions, 8, GENOME).source.tolist() == [0, 1, 2, 3, 5]  # exactly half a window is not closer
    ties = peaks(("b", 50, 51), ("b", 50, 51))
    assert windows(ties, 10, GENOME).source.tolist() == [0]


@pytest.mark.parametrize("seed", range(30))
def test_every_step_equals_brute_force(seed):
    rng = np.random.default_rng(seed)
    n, length, jitter = int(rng.integers(1, 40)), int(rng.integers(1, 14)), int(rng.integers(0, 3))
    max_n, edge = float(rng.choice([0, 0.25, 1])), str(rng.choice(["drop", "pad"]))
    sequences = {c: "".join(rng.choice(list("ACGTN"), int(rng.integers(40, 90)), p=[0.23] * 4 + [0.08])) for c in "xyz"}
    genome = PlainGenome(**sequences)
    start = rng.integers(0, 60, n)
    end = start + rng.integers(1, 12, n)
    regions = Regions.from_arrays(
        ["q", "z", "y", "x"],
        rng.integers(0, 4, n),
        start,
        end,
        summit=np.where(rng.random(n) < 0.7, rng.integers(start, end), -1),
        signal=np.where(rng.random(n) < 0.8, rng.integers(0, 4, n), np.nan),
        score=rng.integers(0, 3, n),
    )
    exclude = peaks(("x", 20, 24), ("y", 5, 6))
    flow = dict.fromkeys(("read", "outside", "other_contigs", "excluded", "edge", "N", "duplicate", "used"), 0)
    flow["summit_missing"] = 0
    flow["read"] = n
    candidates = []
    for row in range(n):
        name = regions.contigs[regions.contig[row]]
        if name not in sequences or regions.end[row] > len(sequences[name]):
            flow["outside"] += 1
            continue
        if name == "z":
            flow["other_contigs"] += 1
            continue
        flow["summit_missing"] += regions.summit[row] < 0
        centre = int(regions.summit[row] if regions.summit[row] >= 0 else (regions.start[row] + regions.end[row]) // 2)
        first = centre - length // 2
        reached = range(first - jitter, first + length + jitter)
        on_contig = [p for p in reached if 0 <= p < len(sequences[name])]
        if any({"x": 20 <= p < 24, "y": p == 5}[name] for p in on_contig):
            flow["excluded"] += 1
        elif edge == "drop" and len(on_contig) < len(reached):
            flow["edge"] += 1
        elif sum(sequences[name][p] == "N" for p in on_contig) > max_n * length and max_n < 1:
            flow["N"] += 1
        else:
            strength = (float(np.nan_to_num(regions.signal[row], nan=-np.inf)), regions.score[row], -row)
            candidates.append((strength, name, centre, row, first))
    kept = []
    for candidate in sorted(candidates, reverse=True):
        if all(candidate[1] != k[1] or 2 * abs(candidate[2] - k[2]) >= length for k in kept):
            kept.append(candidate)
        else:
            flow["duplicate"] += 1
    flow["used"] = len(kept)
    expected = sorted((row, name, first) for _, name, _, row, first in kept)

    def cut():
        return windows(
            regions,
            length,
            genome,
            edge=edge,
            jitter=jitter,
            max_n=max_n,
            outside="drop",
            exclude=exclude,
            contigs=["y", "x"],
        )

    if not kept:
        with pytest.raises(ValueError, match=f"no window is left of the {n} region"):
            cut()
        return
    table = cut()
    assert table.flow == flow
    assert list(zip(table.source, [table.contigs[c] for c in table.contig], table.start, strict=True)) == expected
    assert sum(v for k, v in table.flow.items() if k not in ("read", "summit_missing")) == n


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length must be at least 1, not 0"),
        ({"at": "middle"}, "at must be 'summit' or 'centre', not 'middle'"),
        ({"edge": "clip"}, "edge must be"),
        ({"jitter": -1}, "jitter must not be negative"),
        ({"max_n": 2}, "max_n must be a fraction"),
        ({"contigs": ["c"]}, "contigs names 'c', but the genome has a, b"),
        ({"length": 2**31}, r"length must be at most 2\*\*31 - 1 = 2147483647, not 2147483648"),
        ({"length": 10**30}, "length must be at most"),
        ({"length": 2**31 - 1, "jitter": 1}, "length 2147483647 with jitter 1 to either side must be at most"),
        ({"length": 101}, "no window is left of the 1 region of the table: 1 too near an end of their contig$"),
        ({"contigs": ["a"]}, "no window is left of the 1 region of the table: 1 on contigs that are not used$"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        windows(peaks(("b", 50, 51)), **{"length": 10, "genome": GENOME, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 1.5}, r"length must be an integer \(bases in a window\), not 1\.5"),
        ({"length": "600"}, "length must be an integer .*, not '600'"),
        ({"length": None}, "length must be an integer .*, not None"),
        ({"length": True}, "length must be an integer"),
        ({"jitter": 0.5}, r"jitter must be an integer \(bases\), not 0\.5"),
        ({"contigs": "b"}, r"contigs must be a list of names, not one string: write \['b'\]"),
    ],
)
def test_errors_of_type(options, message):
    with pytest.raises(TypeError, match=message):
        windows(peaks(("b", 50, 51)), **{"length": 10, "genome": GENOME, **options})
    if "length" in options:
        with pytest.raises(TypeError, match=message):
            Windows(("x",), np.zeros(1), 0, 0, options["length"])


def test_regions_off_the_genome_are_told_in_words():
    with pytest.raises(ValueError, match="no window is left of the 2 regions of the table: 2 lie on contigs that the"):
        windows(peaks(("q", 50, 51), ("b", 150, 151)), 10, GENOME, outside="drop")
    with pytest.raises(ValueError, match="outside must be 'error' or 'drop', not 'x'"):
        windows(peaks(("a", 50, 51)), 10, GENOME, outside="x")


def test_repr():
    many = Windows.from_arrays(["x", "y", "z"], np.arange(2000) % 2, 0, 600)
    assert repr(many) == "Windows(2000 windows of 600 bases on 2 contigs)"
    assert repr(many[[0]]) == "Windows(1 window of 600 bases on 1 contig)"
    assert repr(many[[]]) == "Windows(0 windows of 600 bases on 0 contigs)"


def test_no_regions_give_no_windows():
    assert len(dnafast.windows(peaks(), 10, GENOME)) == len(dnafast.windows(peaks(), 10, GENOME)) == 0


def test_table_of_windows():
    a = Windows(("x", "y"), np.array([0, 1]), np.array([5, 6]), 1, 10, flow={"used": 2})
    b = Windows.from_arrays(["y"], [0], [7], 10, strand=-1, source=3, flow={"used": 1})
    both = Windows.concatenate([a, b])
    assert both.contig.tolist() == [0, 1, 1]
    assert both.end.tolist() == [15, 16, 17]
    assert both.strand.tolist() == [1, 1, -1]
    assert both.source.tolist() == [-1, -1, 3]
    assert both.flow == {"used": 3}
    assert both.start.dtype == np.int64
    assert both.strand.dtype == np.int8
    assert both[both.strand < 0].to_pandas().to_dict("list") == {
        "contig": ["y"], "start": [7], "end": [17], "strand": ["-"], "source": [3]
    }  # fmt: skip
    assert len(both[[]]) == 0
    with pytest.raises(ValueError, match=r"must have one length, not \[9, 10\]"):
        Windows.concatenate([a, Windows(("x",), np.zeros(1), 0, 0, 9)])
    with pytest.raises(ValueError, match="start has shape"):
        Windows(("x",), np.zeros(1), np.zeros(2), 0, 9)
    with pytest.raises(ValueError, match="contig must be an index"):
        Windows(("x",), np.ones(1), 0, 0, 9)
