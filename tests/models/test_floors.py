"""The logistic floors, against counting by hand and against what they cannot know."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from dnafast import KmerCounts, encode
from dnafast.models.floors import FLOORS, GCLogistic, KmerLogistic, OneHotLogistic

LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)


def reverse_complement(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    flipped = codes[:, ::-1]
    return np.where(flipped < 4, 3 - flipped, flipped).astype(np.uint8)


def planted(n: int, length: int, seed: int, *, at: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Random sequences, class 1 with GATAAG somewhere or at one position, a few N."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (n, length), dtype=np.uint8)
    labels = (np.arange(n) % 2).astype(np.int8)
    for row in np.flatnonzero(labels):
        begin = random.integers(0, length - 5) if at is None else at
        codes[row, begin : begin + 6] = [2, 0, 3, 0, 0, 2]
    codes[random.random(codes.shape) < 0.01] = 4
    return codes, labels


@functools.cache
def fitted(name: str, stranded: bool = True, **options: Any) -> Any:
    return FLOORS[name]().fit(*planted(400, 50, 0, **options), *planted(200, 50, 1, **options), stranded=stranded)


@pytest.mark.parametrize("stranded", [True, False])
def test_each_floor_learns_its_own_signal(stranded: bool) -> None:
    codes, labels = planted(400, 50, 2)
    assert roc_auc_score(labels, fitted("kmer_logistic", stranded).predict(codes)) > 0.9
    codes, labels = planted(400, 50, 2, at=20)
    assert roc_auc_score(labels, fitted("onehot_logistic", stranded, at=20).predict(codes)) > 0.9
    random = np.random.default_rng(0)
    codes = (random.random((600, 50)) * np.where(np.arange(600) % 2, 3.2, 4)[:, None]).astype(np.uint8)
    labels = (np.arange(600) % 2).astype(np.int8)  # class 1 has fewer T
    floor = GCLogistic().fit(codes[:300], labels[:300], codes[300:], labels[300:], stranded)
    gc = np.isin(codes, [1, 2]).mean(1)
    assert roc_auc_score(labels, floor.predict(codes)) == roc_auc_score(labels, gc)


@pytest.mark.parametrize("name", FLOORS)
def test_without_strand_both_strands_are_one(name: str) -> None:
    codes, _ = planted(50, 50, 3)
    unstranded = fitted(name, stranded=False)
    np.testing.assert_allclose(unstranded.predict(codes), unstranded.predict(reverse_complement(codes)))
    if name != "gc_logistic":
        stranded = fitted(name, stranded=True)
        assert np.abs(stranded.predict(codes) - stranded.predict(reverse_complement(codes))).max() > 1e-3


def test_number_of_parameters() -> None:
    counts = {(name, stranded): fitted(name, stranded).n_parameters for name in FLOORS for stranded in (True, False)}
    assert counts == {
        ("gc_logistic", True): 2,
        ("gc_logistic", False): 2,
        ("kmer_logistic", True): 4097,
        ("kmer_logistic", False): 2081,
        ("onehot_logistic", True): 201,
        ("onehot_logistic", False): 101,
    }


@pytest.mark.parametrize("stranded", [True, False])
def test_words_are_counted_as_the_encoding_counts_them(stranded: bool) -> None:
    codes, _ = planted(30, 40, 4)
    floor = KmerLogistic()
    floor._stranded = stranded
    counted = floor._features(codes).toarray()
    np.testing.assert_array_equal(counted, encode(LETTERS[codes], KmerCounts(6, canonical=not stranded)))
    by_hand = Counter()
    for begin in range(35):
        word = "".join("ACGTN"[code] for code in codes[0, begin : begin + 6])
        if "N" not in word:
            other = word.translate(str.maketrans("ACGT", "TGCA"))[::-1]
            by_hand[word if stranded else min(word, other)] += 1
    words = ["".join(letters) for letters in itertools.product("ACGT", repeat=6)]
    if not stranded:
        words = [word for word in words if word <= word.translate(str.maketrans("ACGT", "TGCA"))[::-1]]
    assert {words[column]: counted[0, column] for column in np.flatnonzero(counted[0])} == dict(by_hand)


def test_folded_positions_equal_a_fit_on_both_strands() -> None:
    codes, labels = planted(200, 11, 5, at=2)
    floor = OneHotLogistic()
    floor._stranded = True
    plain = floor._features(codes).toarray()
    other = floor._features(reverse_complement(codes)).toarray()
    floor._stranded = False
    folded = floor._features(codes).toarray()
    both = LogisticRegression(tol=1e-8, C=1.0).fit(np.concatenate([plain, other]), np.tile(labels, 2))
    # Twice the sequences and, for tied weights, twice the penalty: the same balance.
    one = LogisticRegression(tol=1e-8, C=1.0).fit(folded, labels)
    np.testing.assert_allclose(both.decision_function(plain), one.decision_function(folded), atol=1e-3)


def test_probabilities_are_calibrated_on_validation() -> None:
    floor = fitted("kmer_logistic")
    codes, labels = planted(400, 50, 6)
    probability = floor.predict(codes)
    assert probability.shape == (400,)
    assert probability.dtype == np.float64
    assert ((probability >= 0) & (probability <= 1)).all()
    logits = np.log(probability / (1 - probability))
    best = min(log_loss(labels, 1 / (1 + np.exp(-slope * logits))) for slope in (0.25, 0.5, 1, 2, 4))
    assert log_loss(labels, probability) < best + 0.05


@pytest.mark.parametrize("name", FLOORS)
def test_noise_stays_near_one_half(name: str) -> None:
    random = np.random.default_rng(7)
    codes, labels = random.integers(0, 5, (300, 30), dtype=np.uint8), random.integers(0, 2, 300)
    parts = codes[:150], labels[:150], codes[150:], labels[150:]
    fresh = random.integers(0, 5, (500, 30), dtype=np.uint8)
    probability = FLOORS[name]().fit(*parts, stranded=True).predict(fresh)
    assert np.abs(probability - 0.5).max() < 0.4
    np.testing.assert_array_equal(FLOORS[name]().fit(*parts, stranded=True).predict(fresh), probability)


@pytest.mark.parametrize("name", FLOORS)
def test_odd_sequences(name: str) -> None:
    random = np.random.default_rng(8)
    labels = np.arange(20) % 2
    for codes in (
        np.full((20, 30), 4),
        random.integers(0, 4, (20, 3)),
        np.zeros((20, 30)),
        random.integers(0, 5, (20, 1)),
    ):
        codes = codes.astype(np.uint8)
        probability = FLOORS[name]().fit(codes, labels, codes, labels, stranded=False).predict(codes)
        assert np.isfinite(probability).all()


def test_what_cannot_be_fitted_is_refused() -> None:
    codes, labels = planted(20, 30, 9)
    with pytest.raises(ValueError, match=r"^labels hold the classes \[0\], a logistic regression needs both 0 and 1"):
        GCLogistic().fit(codes, np.zeros(20, dtype=np.int8), codes, labels, stranded=True)
    with pytest.raises(ValueError, match=r"^valid_labels hold the classes \[-1, 0, 1\]"):
        GCLogistic().fit(codes, labels, codes, np.r_[[-1], labels[1:]], stranded=True)
    with pytest.raises(ValueError, match=r"labels have the shape \(20, 1\), their 20 sequences need \(20,\)"):
        GCLogistic().fit(codes, labels[:, None], codes, labels, stranded=True)
    with pytest.raises(ValueError, match="sequences of 29 bases, fitted were 30"):
        GCLogistic().fit(codes, labels, codes, labels, stranded=True).predict(codes[:, 1:])
