"""Networks over words: their table, random or learnt beforehand, and what only they have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dnafast import BaseCodes, Kmers, encode, models
from dnafast.models import parse
from dnafast.models.kmer_embedding import LEARNT_SPREAD
from dnafast.vectors import KmerVectors

NAMES = ("kmer_cnn", "kmer_rnn")


def built(name: str, length: int = 60, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return models.build(name, length=length, **options)


def random_codes(n: int, length: int = 60, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 4, (n, length), generator=generator, dtype=torch.uint8)
    return codes.masked_fill(torch.rand(n, length, generator=generator) < 0.03, 4)


def encoded(codes: Tensor, encoding: Any) -> Tensor:
    return torch.from_numpy(np.asarray(encode(np.frombuffer(b"ACGTN", np.uint8)[codes.numpy()], encoding)))


def write_vectors(path: Path, k: int = 3, dimensions: int = 5, seed: int = 0) -> KmerVectors:
    values = 3 + 2 * np.random.default_rng(seed).normal(size=(4**k, dimensions))
    values[7] = 0  # a word that was never seen
    vectors = KmerVectors(k, values.astype(np.float32))
    vectors.save(path)
    return vectors


@pytest.mark.parametrize("name", NAMES)
def test_sequences_that_hold_no_word_are_given_as_base_codes(name: str) -> None:
    assert built(name, length=5).config.encoding == BaseCodes()
    assert built(name, length=6).config.encoding == Kmers(6)
    assert built(name, length=3, k=3).config.encoding == Kmers(3)


@pytest.mark.parametrize("name", NAMES)
def test_words_with_n_stay_zero_and_the_others_start_small(name: str) -> None:
    model = built(name)
    assert model.embedding.weight.shape == (4**6 + 1, 32)
    assert not model.embedding.weight[-1].any()
    assert model.embedding.weight[:-1].std().item() == pytest.approx(0.05, rel=0.02)
    model(random_codes(4)).sum().backward()
    assert model.embedding.weight.grad[:-1].any()
    assert not model.embedding.weight.grad[-1].any()


@pytest.mark.parametrize("name", NAMES)
def test_vectors_learnt_beforehand_are_the_start(name: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    vectors = write_vectors(path).vectors.astype(np.float64)
    model = built(name, k=3, embedding_dim=5, embedding=str(path))
    weight = model.embedding.weight.detach().numpy()
    seen = np.arange(64) != 7
    centred = vectors - vectors[seen].mean(axis=0)
    np.testing.assert_allclose(weight[:-1][seen], centred[seen] * (LEARNT_SPREAD / centred[seen].std()), rtol=1e-5)
    assert not weight[7].any()
    assert not weight[-1].any()
    # All else starts as it does beside a random table.
    random = built(name, k=3, embedding_dim=5)
    for (key, value), other in zip(model.state_dict().items(), random.state_dict().values(), strict=True):
        assert torch.equal(value, other) == (key != "embedding.weight"), key
    # The table is trained like the rest.
    model(random_codes(16)).sum().backward()
    assert model.embedding.weight.grad.any()


def test_vectors_that_are_all_alike_say_nothing(tmp_path: Path) -> None:
    KmerVectors(1, np.ones((4, 2), np.float32)).save(tmp_path / "v.txt")
    model = built("kmer_rnn", k=1, embedding_dim=2, embedding=str(tmp_path / "v.txt"))
    assert not model.embedding.weight.any()


def test_a_file_is_read_again_once_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    write_vectors(path)
    options = {"k": 3, "embedding_dim": 5, "embedding": path}
    first = built("kmer_cnn", **options)
    assert first.config.embedding == str(path)
    write_vectors(path, seed=1)
    os.utime(path, ns=(1, 1))
    assert not torch.equal(built("kmer_cnn", **options).embedding.weight, first.embedding.weight)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 9}, "k=9 must be at most 8"),
        ({"embedding": ""}, "embedding='' must be a text"),
        ({"embedding": 3}, "embedding=3 must be a text"),
        ({"embedding": "none.txt"}, "embedding='none.txt' must be random or a file of vectors, and there is no such"),
        ({"k": 3, "embedding_dim": 4, "embedding": "{path}"}, "embedding_dim=4, but embedding=.* has 5 numbers per"),
        ({"k": 4, "embedding_dim": 5, "embedding": "{path}"}, "k=4, but embedding=.* has words of 3 bases"),
        ({"embedding": "{damaged}"}, "damaged.txt, line 2: 'AN' is no word of 2 bases"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_fit_is_refused(name: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_vectors(tmp_path / "vectors.txt")
    (tmp_path / "damaged.txt").write_text("16 1\nAN 3\n")
    paths = {"{path}": tmp_path / "vectors.txt", "{damaged}": tmp_path / "damaged.txt"}
    given = {key: paths.get(value, value) if isinstance(value, str) else value for key, value in options.items()}
    with pytest.raises(ValueError, match=message):
        built(name, **given)


def test_a_specification_names_the_file_and_knows_its_content(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    write_vectors(path)
    text = f"kmer_cnn[k=3,embedding_dim=5,embedding={path}]"
    found = parse(text)
    assert found.label == text
    assert parse("kmer_cnn[embedding=random]") == parse("kmer_cnn")
    saved = found.as_json()
    assert saved["options"]["embedding"] == str(path)
    assert parse("kmer_cnn").as_json()["source_checksum"] is None
    write_vectors(path, seed=1)
    os.utime(path, ns=(1, 1))
    assert parse(text).as_json()["source_checksum"] != saved["source_checksum"]
    path.unlink()
    with pytest.raises(ValueError, match="and there is no such file"):
        parse(text)
    # A trained network has its own table.
    assert type(found).from_json(saved) == parse("kmer_cnn[k=3,embedding_dim=5]")


@pytest.mark.parametrize("name", NAMES)
def test_matching_leaves_the_vectors_as_they_are(name: str, tmp_path: Path) -> None:
    write_vectors(tmp_path / "vectors.txt")
    config = built(name, k=3, embedding_dim=5, embedding=tmp_path / "vectors.txt", hidden=8).config
    doubled = config.scaled(2.0)
    assert (doubled.embedding, doubled.embedding_dim, doubled.hidden) == (config.embedding, 5, 2 * config.hidden)
    [met] = models.matched([config], "params", target=4 * models.count_parameters(config))
    assert (met.embedding, met.embedding_dim) == (config.embedding, 5)


@pytest.mark.parametrize("stride", [1, 2, 5, 6, 7])
@pytest.mark.parametrize("length", [4, 6, 7, 60, 81])
def test_words_are_read_at_a_stride(stride: int, length: int) -> None:
    model, codes = built("kmer_rnn", length=length, stride=stride).eval(), random_codes(3, length)
    words = model.embedding.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    seen: list[Tensor] = []
    logits = model(codes)
    words.remove()
    assert seen[0].shape == (3, model.config.positions)
    if length >= 6:
        expected = encoded(codes, Kmers(6))[:, ::stride]
        assert torch.equal(seen[0], expected)
        assert model.config.encoding == Kmers(6, stride)
    torch.testing.assert_close(model(encoded(codes, model.config.encoding)), logits, rtol=0, atol=0)
    if (length, stride) == (60, 7):
        torch.testing.assert_close(torch.jit.script(model)(codes), logits, rtol=0, atol=1e-6)


def test_eighty_one_bases_are_76_words_or_13_side_by_side() -> None:
    assert built("kmer_rnn", length=81).config.positions == 76
    assert built("kmer_rnn", length=81, stride=6).config.positions == 13


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_layers_are_what_the_options_say(cell: str, bidirectional: bool, pooling: str) -> None:
    options = {"cell": cell, "bidirectional": bidirectional, "pooling": pooling}
    model = built("kmer_rnn", hidden=8, layers=2, stride=3, **options).eval()
    codes = random_codes(3)
    state, last = model.recurrent(model.embedding(encoded(codes, Kmers(6, 3))))
    hidden = last[0] if isinstance(last, tuple) else last
    directions = 2 if bidirectional else 1
    assert type(model.recurrent) is {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
    assert state.shape == (3, 19, 8 * directions)
    expected = {
        "mean": lambda: state.mean(1),
        "max": lambda: state.max(1).values,
        "last": lambda: torch.cat(list(hidden[-directions:]), dim=1),
        "attention": lambda: model.pooling(state),
    }[pooling]()
    torch.testing.assert_close(model(codes), model.head(expected))
    if cell != "lstm":  # which torch's counter does not see into
        with FlopCounterMode(display=False) as counter:
            model(codes[:1])
        assert model.config.flops() == counter.get_total_flops()


def test_four_numbers_per_word_are_not_taken_for_one_hot() -> None:
    weight = built("kmer_rnn", embedding_dim=4).recurrent.weight_ih_l0
    assert weight.abs().max() <= (6 / (4 + 64)) ** 0.5  # Glorot's bound


@pytest.mark.parametrize("name", NAMES)
def test_other_input_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be k-mer ids"):
        built(name)(torch.zeros(2, 4, 60))
