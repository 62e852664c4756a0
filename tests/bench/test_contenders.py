"""Contenders of ``--only data``, one by one: their answers, their windows, their processes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dnafast import BaseCodes, Genome, Regions, Windows
from dnafast.bench.data_path import closed, lookup, native, rival, rivals
from dnafast.bench.data_path.jobs import SOUND, encodings
from dnafast.bench.data_path.worker import Worker, WorkerError
from dnafast.bench.data_path.workload import Workload
from dnafast.bench.measure import Consumed
from dnafast.windowing import strongest
from oracle import random_letters


@pytest.fixture
def workload(tmp_path) -> Workload:
    """Two contigs; one open region on the first, and its window."""
    made = Workload(
        folder=tmp_path,
        genome=tmp_path / "genome.fa",
        plain_genome=tmp_path / "genome.fa",
        is_twobit=False,
        peaks=(),
        columns="auto",
        sequences=(),
        length=10,
        batch_size=4,
        max_n=0.1,
        method="gc",
        ratio=1.0,
        bases=200,
        kept_region=0,
        quick=True,
    )
    made.save_regions(Regions.from_arrays(("a",), [0], [20], [60]))
    made.save_windows("open", Windows.from_arrays(("a",), [0], [36], 10))
    return made


def test_an_epoch_takes_the_same_windows_from_all_contenders(tmp_path, workload, monkeypatch):
    (tmp_path / "genome.fa").write_text(f">a\n{random_letters(np.random.default_rng(1), 5_000, 'ACGT')}\n")
    workload.save_windows("used", Windows.from_arrays(("a",), np.zeros(400), np.arange(400) * 12, 10))
    monkeypatch.setenv("DNAFAST_THREADS", "1")  # given back afterwards, as a contender sets it
    touched = []

    def seen(batches, step_seconds):
        touched.append(sorted(row.tobytes() for batch in batches for row in np.asarray(getattr(batch, "x", batch))))
        return Consumed(len(touched[-1]), 1.0, 0.0)

    for module in (native, rival):
        monkeypatch.setattr(module, "consume", seen)
    for contender in (native.Dnafast(workload), rivals.Numpy(workload)):
        contender.work("epoch", 1).action(3)
    ours, theirs = touched
    assert len(ours) == 3 * workload.batch_size
    assert ours == theirs


def test_a_worker_tells_what_a_job_raised_and_works_on(workload):
    workload.save()
    worker = Worker("numpy", workload.folder)
    try:
        with pytest.raises(WorkerError, match="KeyError"):
            worker.answer("no such job", 1)
        assert worker.is_alive
        with pytest.raises(WorkerError, match="FileNotFoundError"):
            worker.timed("base_codes", 1)
        worker._process.kill()
        with pytest.raises(WorkerError, match="exit code -9"):
            worker.answer("base_codes", 1)
        assert not worker.is_alive
    finally:
        worker.close()


@pytest.mark.parametrize("length", [1, 5, 6, 61])
def test_comparing_letters_gives_what_encoding_gives(length):
    generator = np.random.default_rng(length)
    table = np.frombuffer(b"ACGTNacgtnRYxx-", np.uint8)[generator.integers(0, 15, (40, length))]
    strand = generator.choice(np.array([1, 0, -1], np.int8), 40)
    plain = np.where(np.isin(table, np.frombuffer(b"ACGTacgt", np.uint8)), table, ord("N")).astype(np.uint8)
    genome = Genome.from_sequences(plain)
    windows = Windows.from_arrays(tuple(genome.contigs), np.arange(40), np.zeros(40), length, strand=strand)
    for job, encoding in encodings(length).items():
        encoder = lookup.Encoder(job, 40, length)
        expected = genome.encode(windows, encoding)
        table.flags.writeable = False
        for n in (40, 7, 40, 1):
            found = encoder(table[:n], strand[:n])
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected[:n])
        assert np.shares_memory(found, encoder(table, strand)), "rivals fill one buffer again and again, too"
    np.testing.assert_array_equal(lookup.codes(table), genome.encode(replace(windows, strand=abs(strand)), BaseCodes()))
    text = [row.tobytes().decode().upper() for row in table]
    strong, unknown = lookup.composition(table)
    np.testing.assert_array_equal(strong, [row.count("G") + row.count("C") for row in text])
    np.testing.assert_array_equal(unknown, [length - sum(map(row.count, "ACGT")) for row in text])


@pytest.mark.parametrize("length", [1, 2, 99, 100])
def test_thinning_is_that_of_windowing(length):
    generator = np.random.default_rng(length)
    n = 300
    regions = Regions.from_arrays(
        ("a", "b"), generator.integers(0, 2, n), np.arange(n), np.arange(n) + 1,
        signal=generator.choice([np.nan, 1.0, 2.0], n), score=generator.choice([np.nan, 1.0], n),
    )  # fmt: skip
    centre = generator.integers(0, 2_000, n)
    strength = [np.nan_to_num(column, nan=-np.inf) for column in (regions.signal, regions.score)]
    found = closed.thinned(range(n), regions.contig, centre, strength, length)
    np.testing.assert_array_equal(found, np.flatnonzero(strongest(regions, centre, length)))


def drawer(workload: Workload) -> closed.Drawer:
    genome = {"a": "ACGT" * 25, "b": "ACGTACGTAC" + "A" * 40 + "NN" + "C" * 48}

    def fetched(contigs, starts):
        rows = [genome[contig][start : start + 10] for contig, start in zip(contigs, starts, strict=True)]
        return np.frombuffer("".join(rows).encode(), np.uint8).reshape(len(rows), 10)

    return closed.Drawer(workload, fetched, {"a": 100, "b": 100})


@pytest.mark.parametrize(
    ("contig", "start", "verdict"),
    [
        ([0], [60], SOUND),
        ([0], [10], SOUND),
        ([1], [0], SOUND),
        ([], [], SOUND),
        ([0], [59], "touches"),
        ([0], [11], "touches"),
        ([0], [40], "touches"),
        ([1, 1], [0, 0], "twice"),
        ([1], [45], "too many N"),
        ([1], [60], "more windows of some G+C"),
        ([0, 1], [60, 0], "more windows of some G+C"),
    ],
)
def test_faults_in_closed_windows_are_found(workload, contig, start, verdict):
    drawn = Windows.from_arrays(("a", "b"), contig, start, 10)
    assert verdict in drawer(workload).verdict(drawn)


def test_a_rival_draws_no_more_than_is_wanted(workload):
    assert drawer(workload).wanted == 1
    assert drawer(workload).draw(1) == 1
