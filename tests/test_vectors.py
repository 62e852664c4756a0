import gzip
import itertools
import random

import numpy as np
import pytest

from dnafast import Kmers, encode
from dnafast.vectors import KmerVectors, id_of, reverse_complements, word_of


def random_vectors(k=2, dimensions=3, seed=0):
    return KmerVectors(k, np.random.default_rng(seed).normal(size=(4**k, dimensions)).astype(np.float32))


def test_words_are_numbered_as_the_encoding_numbers_them():
    for k in (1, 2, 3):
        words = ["".join(word) for word in itertools.product("ACGT", repeat=k)]
        assert [word_of(row, k) for row in range(4**k)] == words
        assert [id_of(word, k) for word in words] == list(range(4**k))
        assert encode(words, Kmers(k))[:, 0].tolist() == list(range(4**k))
        turned = [word[::-1].translate(str.maketrans("ACGT", "TGCA")) for word in words]
        assert reverse_complements(k).tolist() == encode(turned, Kmers(k))[:, 0].tolist()
    for word in ("", "A", "ACG", "AN", "ac", "A "):
        assert id_of(word, 2) is None


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.txt.gz"])
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path, name):
    vectors = random_vectors(3, 5)
    vectors.vectors[3] = [0, -0.0, 1e-45, 3.4028235e38, 0.1]
    path = tmp_path / "vectors.txt"
    vectors.save(path)
    text = path.read_text()
    assert text.startswith("64 5\nAAA ")
    assert text.count("\n") == 65
    assert "\nAAT 0.0 -0.0 1e-45 3.4028235e+38 0.1\n" in text
    if name.endswith(".gz"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()))
    loaded = KmerVectors.load(path)
    assert (loaded.k, loaded.dimensions) == (3, 5)
    assert loaded.vectors.tobytes() == vectors.vectors.tobytes()


def test_words_may_come_in_any_order_and_lines_end_in_a_blank(tmp_path):
    vectors = random_vectors()
    vectors.save(tmp_path / "a.txt")
    header, *rows = (tmp_path / "a.txt").read_text().splitlines()
    random.Random(1).shuffle(rows)
    (tmp_path / "b.txt").write_text(" \r\n".join([header, *rows]) + " \r\n\n")
    assert (KmerVectors.load(tmp_path / "b.txt").vectors == vectors.vectors).all()


def test_gensim_reads_the_file(tmp_path):
    models = pytest.importorskip("gensim.models", reason="gensim is not installed")
    vectors = random_vectors(3, 4)
    vectors.save(tmp_path / "vectors.txt")
    read = models.KeyedVectors.load_word2vec_format(tmp_path / "vectors.txt")
    assert all((read[word_of(row, 3)] == vectors.vectors[row]).all() for row in range(64))
    expected = read.most_similar("ACG", topn=5)
    found = vectors.nearest("ACG", 5)
    assert [word for word, _ in found] == [word for word, _ in expected]
    np.testing.assert_allclose([cosine for _, cosine in found], [cosine for _, cosine in expected], atol=1e-6)
    read.save_word2vec_format(tmp_path / "theirs.txt")
    assert (KmerVectors.load(tmp_path / "theirs.txt").vectors == vectors.vectors).all()


def test_nearest_are_those_of_the_largest_cosine():
    vectors = random_vectors(2, 3)
    vectors.vectors[5] = 0
    a = vectors.vectors.astype(np.float64)
    cosines = {
        word_of(row, 2): a[row] @ a[1] / max(1e-30, np.linalg.norm(a[row]) * np.linalg.norm(a[1]))
        for row in range(16)
        if row != 1
    }
    found = vectors.nearest("AC", 100)
    assert [word for word, _ in found] == sorted(cosines, key=cosines.__getitem__, reverse=True)
    assert dict(found) == pytest.approx(cosines, abs=1e-12)
    assert vectors.nearest("AC", 2) == found[:2]
    assert {cosine for _, cosine in vectors.nearest("CC", 3)} == {0.0}
    assert (vectors["AC"] == vectors.vectors[1]).all()


@pytest.mark.parametrize("word", ["A", "ACG", "AN", "ac", 3])
def test_what_is_no_word_has_no_neighbours(word):
    with pytest.raises(ValueError, match=r"word=.* must be 2 bases A, C, G or T"):
        random_vectors().nearest(word)


ROWS = ["AA 0.1 1", "AC 0.2 2", "AG 3 3", "AT 4 4"] + [f"{a}{b} 5 6" for a in "CGT" for b in "ACGT"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["AA 0.1 1"], "line 1: 'AA 0.1 1' must be two numbers, of words and of dimensions, as in '4096 32'"),
        (["16 2.5", *ROWS], "line 1: '16 2.5' must be two numbers"),
        (["16 0", *ROWS], "line 1: '16 0' must be two numbers"),
        (["16", *ROWS], "line 1: '16' must be two numbers"),
        (["16 2"], "has no word after its first line"),
        (["17 2", *ROWS], "line 1: 17 words, but of 2 bases there are 16"),
        (["15 2", *ROWS], "line 1: 15 words, but 16 follow"),
        (["16 2", *ROWS[:3], "", "AN 1 2"], "line 6: 'AN' is no word of 2 bases A, C, G or T"),
        (["16 2", *ROWS[:3], "aa 1 2"], "line 5: 'aa' is no word of 2 bases"),
        (["16 2", *ROWS[:3], "ACG 1 2"], "line 5: 'ACG' is no word of 2 bases"),
        (["16 2", "</s> 0 0", *ROWS], "line 2: '</s>' is no word of 4 bases"),
        (["16 2", "ACGTACGTA 0 0"], "line 2: 'ACGTACGTA' is no word of 1 to 8 bases"),
        (["16 2", *ROWS[:3], "AC 1 2"], "line 5: AC stands in line 3 already"),
        (["16 2", *ROWS[:3], "AT 1"], "line 5: AT has 1 number, but line 1 says 2"),
        (["16 999999999", *ROWS[:3]], "line 2: AA has 2 numbers, but line 1 says 999999999"),
        (["16 2", *ROWS[:3], "AT 1 2 3"], "line 5: AT has 3 numbers, but line 1 says 2"),
        (["16 2", *ROWS[:3], "AT 1 x"], "line 5: 'x' is no number"),
        (["16 2", *ROWS[:3], "AT 1 nan"], "line 5: nan is no finite number of 32 bits"),
        (["16 2", *ROWS[:3], "AT -inf 1"], "line 5: -inf is no finite number"),
        (["16 2", *ROWS[:3], "AT 1e39 1"], "line 5: 1e39 is no finite number"),
        (["16 2", *ROWS[:3], *ROWS[4:]], r": AT is missing \(1 of the 16 words of 2 bases are\)"),
    ],
)
def test_a_damaged_file_is_told_with_its_line(tmp_path, lines, message):
    path = tmp_path / "vectors.txt"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=f"vectors.txt.*{message}") as error:
        KmerVectors.load(path)
    assert "\n" not in str(error.value)


def test_the_same_lines_undamaged_are_read(tmp_path):
    (tmp_path / "vectors.txt").write_text("\n".join(["16 2", *ROWS]))
    assert KmerVectors.load(tmp_path / "vectors.txt")["AC"].tolist() == [np.float32(0.2), 2]


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        KmerVectors.load(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(ValueError, match=r"empty\.txt is empty"):
        KmerVectors.load(tmp_path / "empty.txt")


@pytest.mark.parametrize(
    ("k", "vectors", "message"),
    [
        (0, np.zeros((1, 2)), "k=0 must be at least 1 and at most 8"),
        (9, np.zeros((1, 2)), "k=9 must be at least 1 and at most 8"),
        (2, np.zeros((15, 2)), r"vectors of shape \(15, 2\) must be \(4\*\*k, D\) = \(16, D\)"),
        (2, np.zeros(16), r"vectors of shape \(16,\) must be"),
        (2, np.zeros((16, 0)), r"vectors of shape \(16, 0\) must be"),
        (1, [[0.0], [1.0], [np.nan], [np.inf]], "the vector of G holds a number that is not finite"),
    ],
)
def test_vectors_are_checked(k, vectors, message):
    with pytest.raises(ValueError, match=message):
        KmerVectors(k, np.array(vectors))
