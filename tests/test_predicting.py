"""Windows piece by piece, logits of both strands, and probabilities for another share of positives."""

import math

import numpy as np
import pytest
import torch

import dnafast
from dnafast import models
from dnafast.encoding import BaseCodes
from dnafast.predicting import Stretches, logits, probabilities, slices
from dnafast.train import OutOfMemoryError


def a_genome(seed=0, sizes=(950, 61, 60, 59, 400)):
    random = np.random.default_rng(seed)
    sequences = ["".join(random.choice(list("ACGTN"), size, p=[0.24, 0.24, 0.24, 0.24, 0.04])) for size in sizes]
    return dnafast.Genome.from_sequences(sequences, names=[f"c{number}" for number in range(len(sizes))])


def over(genome, length, stride):
    sizes = np.array(list(genome.contigs.values()))
    every = np.arange(len(sizes), dtype=np.int32)
    return Stretches(tuple(genome.contigs), every, np.zeros_like(sizes), sizes, length, stride)


def rows_of(table):
    return [(table.contigs[c], s, s + table.length) for c, s in zip(table.contig, table.start.tolist(), strict=True)]


@pytest.mark.parametrize("length", [1, 60, 61])
@pytest.mark.parametrize("stride", [1, 7, 100])
@pytest.mark.parametrize("rows", [1, 13, 10_000])
def test_windows_come_piece_by_piece(length, stride, rows):
    genome = a_genome()
    expected = [
        (name, start, start + length)
        for name, size in genome.contigs.items()
        for start in range(0, size - length + 1, stride)
    ]
    stretches = over(genome, length, stride)
    pieces = list(stretches.pieces(rows))
    assert [row for piece in pieces for row in rows_of(piece)] == expected
    assert len(stretches) == len(expected)
    assert all(len(piece) == rows for piece in pieces[:-1])


def test_no_table_of_all_windows_is_ever_made():
    sizes = np.array([4 * 10**9, 10**12])
    endless = Stretches(("a", "b"), np.arange(2, dtype=np.int32), np.zeros_like(sizes), sizes, 100, 1)
    assert len(endless) == sizes.sum() - 198
    first = next(endless.pieces(10))
    assert rows_of(first)[-1] == ("a", 9, 109)


def test_a_table_of_windows_in_slices():
    table = dnafast.tiles(a_genome(), length=20, stride=5, max_n=1.0)
    pieces = list(slices(table, 7))
    assert [row for piece in pieces for row in rows_of(piece)] == rows_of(table)


@pytest.mark.parametrize("name", ["deepbind", "kmer_cnn"])
@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_logits_are_those_of_the_network_on_each_strand(name, batch_size):
    genome = a_genome()
    torch.manual_seed(0)
    network = models.build(name, length=50, n_tasks=2).eval()
    table = dnafast.tiles(genome, length=50, stride=31, max_n=1.0)
    codes = torch.from_numpy(genome.encode(table, BaseCodes()))
    complement = torch.tensor([3, 2, 1, 0, 4], dtype=torch.uint8)
    with torch.inference_mode():
        forward = network(codes).double().numpy()
        backward = network(complement[codes.flip(1).long()]).double().numpy()
    options = {"batch_size": batch_size, "threads": 1}
    encoding = network.config.encoding
    stranded = logits(network, genome, table, encoding, stranded=True, **options)
    np.testing.assert_allclose(stranded, forward, rtol=1e-5, atol=1e-6)
    unstranded = logits(network, genome, table, encoding, stranded=False, **options)
    np.testing.assert_allclose(unstranded, (forward + backward) / 2, rtol=1e-5, atol=1e-6)


def test_too_little_memory_names_the_batch_size():
    class Full(torch.nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("CUDA out of memory")

    genome = a_genome()
    table = dnafast.tiles(genome, length=50, stride=31, max_n=1.0)
    with pytest.raises(OutOfMemoryError, match="while predicting in batches of 256: try batch_size=128"):
        logits(Full(), genome, table, BaseCodes(), stranded=True)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_logit_that_is_no_number_names_its_window(wrong):
    class Breaks(torch.nn.Module):
        def forward(self, x):
            scores = torch.zeros(len(x), 2)
            scores[2, 1] = wrong
            return scores

    genome = a_genome()
    table = dnafast.tiles(genome, length=50, stride=31, max_n=1.0)
    contig, start = table.contigs[table.contig[2]], table.start[2]
    with pytest.raises(ValueError, match=rf"gives \[0.0, {wrong}\] for {contig}:{start}-{start + 50}, which is no"):
        logits(Breaks(), genome, table, BaseCodes(), stranded=True)


def test_probabilities_are_corrected_as_by_hand():
    # Trained on as many positives as negatives and sure by 9 to 1; with 1 positive in 100 the odds are 9 / 99.
    score = np.array([[math.log(9)]])
    assert probabilities(score)[0, 0] == pytest.approx(0.9)
    assert probabilities(score, [0.5], prior=0.01)[0, 0] == pytest.approx(9 / 99 / (1 + 9 / 99))
    # Trained on 1 in 5: odds 1/4 there, 1/99 here, so odds shrink by 4/99.
    assert probabilities(score, [0.2], prior=0.01)[0, 0] == pytest.approx((9 * 4 / 99) / (1 + 9 * 4 / 99))
    assert probabilities(score, [0.3], prior=0.3)[0, 0] == pytest.approx(0.9)
    two = probabilities(np.array([[0.0, 0.0]]), [0.5, 0.25], prior=0.5)
    np.testing.assert_allclose(two, [[0.5, 0.75]])


def test_corrected_probabilities_are_those_of_bayes():
    """On counts: a classifier's posterior for each value of one feature, drawn with one prior and used with another."""
    given_positive, given_negative = np.array([0.6, 0.3, 0.1]), np.array([0.1, 0.2, 0.7])

    def posterior(share):
        joint = share * given_positive
        return joint / (joint + (1 - share) * given_negative)

    score = np.log(posterior(0.5) / (1 - posterior(0.5)))[:, None]
    np.testing.assert_allclose(probabilities(score, [0.5], prior=0.03)[:, 0], posterior(0.03))


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, 2.0, math.nan])
def test_a_prior_that_is_no_share_is_refused(prior):
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        probabilities(np.zeros((1, 1)), [0.5], prior=prior)
    with pytest.raises(ValueError, match="the model saw one class only"):
        probabilities(np.zeros((1, 1)), [1.0], prior=0.5)
