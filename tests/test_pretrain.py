import numpy as np
import pytest

from dnafast import Genome, Kmers, Regions, encode, pretrain, windows
from dnafast.pretrain import count_pairs, fit, skip_gram
from dnafast.vectors import reverse_complements, word_of


def random_letters(n, length, seed=0, unknown=0.02):
    generator = np.random.default_rng(seed)
    letters = np.frombuffer(b"ACGT", np.uint8)[generator.integers(0, 4, (n, length))]
    letters[generator.random((n, length)) < unknown] = ord("N")
    return letters


def codes_of(letters):
    table = np.full(256, 4, np.uint8)
    table[np.frombuffer(b"ACGT", np.uint8)] = range(4)
    return table[letters]


def counted_one_by_one(rows, k, window):
    """Pairs of both strands as anyone would count them."""
    pairs = np.zeros((4**k, 4**k))
    for row in rows:
        text = row.tobytes().decode()
        for strand in (text, text[::-1].translate(str.maketrans("ACGT", "TGCA"))):
            words = [strand[i : i + k] for i in range(len(strand) - k + 1)]
            ids = [None if "N" in word else int("".join(str("ACGT".index(base)) for base in word), 4) for word in words]
            for i, word in enumerate(ids):
                for j in range(max(0, i - window), min(len(ids), i + window + 1)):
                    if i != j and word is not None and ids[j] is not None:
                        pairs[word, ids[j]] += window - abs(i - j) + 1
    return pairs


def pairs_seen(monkeypatch, *arguments, **options):
    """The table of pairs that a call makes."""
    seen = []

    def stand_in(pairs, dimensions, *_):
        seen.append(pairs)
        return np.zeros((len(pairs), dimensions), np.float32), None

    monkeypatch.setattr(pretrain, "fit", stand_in)
    skip_gram(*arguments, **options)
    return seen[0]


@pytest.mark.parametrize("piece", [1 << 20, 13, 5, 1])
@pytest.mark.parametrize(("k", "window"), [(1, 1), (2, 3), (3, 10), (2, 60)])
def test_pairs_equal_those_counted_one_by_one(monkeypatch, piece, k, window):
    monkeypatch.setattr(pretrain, "_PIECE_WORDS", piece)
    letters = random_letters(7, 41, seed=k)
    expected = counted_one_by_one(letters, k, window)
    assert (pairs_seen(monkeypatch, codes_of(letters), k, window=window) == expected).all()
    # The same sequences, and one more of another length that holds no word, as the contigs of a genome.
    genome = Genome.from_sequences([*(row.tobytes() for row in letters), b"N" * 30, b"A" * (k - 1)])
    assert (pairs_seen(monkeypatch, genome, k, window=window) == expected).all()
    turned = reverse_complements(k)
    assert (expected == expected.T).all()
    assert (expected == expected[turned][:, turned]).all()


@pytest.mark.parametrize("piece", [1 << 20, 7])
def test_only_the_places_within_are_read_and_once_each(monkeypatch, piece):
    monkeypatch.setattr(pretrain, "_PIECE_WORDS", piece)
    letters = random_letters(2, 120, seed=5)
    genome = Genome.from_sequences([row.tobytes() for row in letters], names=["one", "two"])
    regions = Regions.from_arrays(["two", "one"], [0, 0, 1, 1], [10, 30, 90, 5], [40, 70, 200, 6], strand=[1, -1, 0, 1])
    rows = [letters[1, 10:70], letters[0, 90:]]
    expected = counted_one_by_one(rows, 2, 4)
    assert (pairs_seen(monkeypatch, genome, 2, within=regions, window=4) == expected).all()
    cut = windows(regions[:1], length=20, genome=genome, at="centre", max_n=1.0)
    expected = counted_one_by_one([letters[1, 15:35]], 2, 4)
    assert (pairs_seen(monkeypatch, genome, 2, within=cut, window=4) == expected).all()


def test_the_vectors_maximise_the_sum():
    """With as many dimensions as words the best scores are known: Levy & Goldberg (2014), equation 7, this noise."""
    generator = np.random.default_rng(0)
    pairs = generator.integers(1, 50, (16, 16)).astype(np.float32)
    pairs += pairs.T
    words, contexts = fit(pairs, dimensions=16, negative=3, epochs=1500, seed=0, threads=1)
    totals = pairs.sum(axis=1)
    noise = totals**0.75 / (totals**0.75).sum()
    expected = np.log(pairs / (3 * np.outer(totals, noise)))
    np.testing.assert_allclose(words @ contexts.T, expected, atol=0.02)


def corpus(seed=0, n=400, length=80):
    """Sequences of which each is made of one of two alphabets of words, each with two words that stand for another."""
    generator = np.random.default_rng(seed)
    topics = [["ACCA", "ACTA", "GGAG", "GAAG"], ["CTTC", "CATC", "TGTT", "TCGT"]]
    rows = []
    for index in range(n):
        chosen = generator.choice(topics[index % 2], length // 4)
        rows.append(np.frombuffer("".join(chosen).encode(), np.uint8))
    return codes_of(np.array(rows))


def test_words_that_share_their_context_come_out_nearer():
    vectors = skip_gram(corpus(), k=4, dimensions=8, window=8, seed=1)
    inside = [("ACCA", "GGAG"), ("ACTA", "GAAG"), ("CTTC", "TGTT"), ("CATC", "TCGT")]
    across = [("ACCA", "TGTT"), ("ACTA", "TCGT"), ("CTTC", "GGAG"), ("CATC", "GAAG")]
    cosines = {word: dict(vectors.nearest(word, 256)) for word, _ in inside}
    assert min(cosines[a][b] for a, b in inside) > max(cosines[a][b] for a, b in across) + 0.3


def test_both_strands_are_read_so_reverse_complements_have_like_neighbours():
    vectors = skip_gram(corpus(), k=4, dimensions=8, window=8)
    cosine = dict(vectors.nearest("TGGT", 256))  # of ACCA
    assert cosine["CTCC"] > cosine["AACA"] + 0.3  # of GGAG, which stands near ACCA, and of TGTT, which does not


def test_training_twice_gives_the_same_bytes_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(pretrain, "_BLOCK_CELLS", 5 * 64)  # several blocks, the last one shorter
    codes = corpus()
    first = skip_gram(codes, k=3, epochs=20, seed=3, threads=1).vectors
    for threads in (1, 2, 5):
        assert skip_gram(codes, k=3, epochs=20, seed=3, threads=threads).vectors.tobytes() == first.tobytes()
    assert (skip_gram(codes, k=3, epochs=20, seed=4).vectors != first).any()


def test_blocks_do_not_change_what_is_learnt(monkeypatch):
    codes = corpus()
    whole = skip_gram(codes, k=3, epochs=20).vectors
    monkeypatch.setattr(pretrain, "_BLOCK_CELLS", 5 * 64)
    np.testing.assert_allclose(skip_gram(codes, k=3, epochs=20).vectors, whole, rtol=1e-3, atol=1e-4)


def test_words_that_never_occur_are_zero():
    codes = np.tile(np.array([0, 1, 0, 1, 4, 0, 1, 0, 1], np.uint8), (3, 1))
    vectors = skip_gram(codes, k=2, dimensions=4, epochs=5)
    assert {word_of(row, 2) for row in np.flatnonzero(vectors.vectors.any(axis=1))} == {"AC", "CA", "GT", "TG"}


GENOME = Genome.from_sequences(["ACGTACGTACGT"], names=["one"])
CODES = np.zeros((2, 20), np.uint8)


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        (CODES, {"k": 8}, ValueError, "k=8 must be at most 7: all pairs of words are counted"),
        (CODES, {"k": 0}, ValueError, "k=0 must be at least 1"),
        (CODES, {"k": 2.5}, TypeError, "k=2.5 must be a whole number"),
        (CODES, {"dimensions": 0}, ValueError, "dimensions=0 must be at least 1"),
        (CODES, {"window": 0}, ValueError, "window=0 must be at least 1"),
        (CODES, {"window": 10_001}, ValueError, "window=10001 must be at most 10000"),
        (CODES, {"dimensions": 10_001}, ValueError, "dimensions=10001 must be at most 10000"),
        (CODES, {"negative": 0}, ValueError, "negative=0 must be at least 1"),
        (CODES, {"epochs": 0}, ValueError, "epochs=0 must be at least 1"),
        (CODES, {"seed": -1}, ValueError, "seed=-1 must be"),
        (CODES, {"threads": 0}, ValueError, "threads=0 must be at least 1"),
        (CODES + 65, {}, ValueError, "source holds 65, but base codes are 0 to 4"),
        (CODES[0], {}, TypeError, r"source must be a genome or base codes uint8 \(N, L\), not uint8 \(20,\)"),
        (CODES.astype(int), {}, TypeError, "source must be a genome or base codes"),
        (["ACGT"], {}, TypeError, "source must be a genome or base codes .* not list"),
        (CODES, {"within": Regions.from_arrays(["one"], [0], [0], [9])}, ValueError, "within goes with a genome"),
        (GENOME, {"within": "one"}, TypeError, "within must be regions or windows, not str"),
        (GENOME, {"within": Regions.from_arrays(["two"], [0], [0], [9])}, ValueError, "contig 'two', which the genome"),
        (GENOME, {"within": Regions.from_arrays(["one"], [0], [0], [6])}, ValueError, "no two words of 6 known bases"),
        (CODES + 4, {}, ValueError, "source holds no two words of 6 known bases within 10 of each other"),
        (CODES[:, :3], {}, ValueError, "source holds no two words"),
        (CODES[:0], {}, ValueError, "source holds no two words"),
    ],
)
def test_what_makes_no_sense_is_refused(source, options, error, message):
    with pytest.raises(error, match=message):
        skip_gram(source, **options)


def test_ids_of_one_strand_are_what_is_counted():
    letters = random_letters(3, 30, unknown=0)
    pairs = count_pairs([encode(letters, Kmers(2))], 2, 5)
    assert (pairs == counted_one_by_one(letters, 2, 5)).all()
