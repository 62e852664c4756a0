"""The networks are built as their treatments say, and trained and judged by one rule."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from dnafast.probe.config import ProbeConfig, full, quick
from dnafast.probe.factorial import EXTRAS, FACTORIAL
from dnafast.probe.networks import Treatment, attention_weights, fit
from dnafast.probe.parts import Folds, Parts, Sequences

LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)


def random_sequences(n, length=20, seed=0):
    generator = np.random.default_rng(seed)
    return Sequences(LETTERS[generator.integers(0, 4, (n, length))], (np.arange(n) % 2).astype(np.int8))


def parts(n=48, seed=0):
    return Parts(*(random_sequences(n, seed=3 * seed + part) for part in range(3)))


@pytest.mark.parametrize("treatment", [*FACTORIAL, *EXTRAS], ids=lambda one: one.id)
def test_a_treatment_is_what_is_built(treatment):
    before = torch.get_rng_state()
    model = treatment.build(6, 1)
    config = model.config
    assert (config.cell, config.pooling_strategy, config.use_cnn) == (
        treatment.cell,
        treatment.pooling,
        treatment.convolution,
    )
    assert (config.direction, config.start, config.use_layer_norm) == (
        treatment.direction,
        treatment.start,
        treatment.layer_norm,
    )
    assert (config.directions, config.num_layers, config.hidden_dim) == (1, 1, 6)
    assert torch.equal(torch.get_rng_state(), before)
    again = treatment.build(6, 1).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())


def test_clipping_and_rate_reach_the_training():
    sizes = full()
    assert Treatment(clipping=True).training(sizes).clip_norm == sizes.clip_norm == 1.0
    assert Treatment(clipping=False).training(sizes) == sizes.train
    assert Treatment(rate=3).training(sizes).learning_rate == 3 * sizes.train.learning_rate


def test_the_row_of_a_run():
    train = replace(quick().train, max_steps=6, evaluate_every=2)
    norms = []
    model = Treatment("rnn", "last").build(4, 0)
    row = fit(model, parts(), train, 0, lambda progress: norms.append(progress.evaluation))
    norms = [one for one in norms if one is not None]
    assert (row["n_train"], row["n_test"], row["steps"], row["diverged_step"]) == (48, 48, 6, None)
    assert row["training_state"] in ("converged", "budget_ended", "at_chance")
    assert row["gradient_norm"] == max(one["gradient_norm"] for one in norms)
    assert row["mean_gradient_norm"] == pytest.approx(np.mean([one["mean_gradient_norm"] for one in norms]))
    assert 0 <= row["auroc"] <= 1
    again = fit(Treatment("rnn", "last").build(4, 0), parts(), train, 0)
    assert {**row, "seconds": 0} == {**again, "seconds": 0}


def test_a_run_that_diverges_counts_as_chance():
    train = replace(quick().train, learning_rate=1e38, warmup=0.0, max_steps=8, evaluate_every=8)
    row = fit(Treatment("rnn", "mean").build(4, 0), parts(), train, 0)
    assert (row["training_state"], row["auroc"]) == ("diverged", 0.5)
    assert 1 <= row["diverged_step"] <= 8
    assert row["gradient_norm"] is None


def test_attention_weights_are_those_the_network_uses():
    model = Treatment("gru", "attention").build(5, 0)
    sequences = random_sequences(7)
    found = attention_weights(model, sequences)
    assert found.shape == (7, 20)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    with torch.no_grad():
        model.eval()
        x = next(iter(sequences.batches(7, shuffle=False))).x
        states = model.norm(model.recurrent(model.convolution(x).transpose(1, 2))[0])
        pooled = torch.einsum("nl,nlh->nh", torch.from_numpy(found).float(), states)
        torch.testing.assert_close(model.head(model.hidden(pooled)), model(x))
    with pytest.raises(ValueError, match="MeanPooling has no weights"):
        attention_weights(Treatment("gru", "mean").build(5, 0), sequences)


def test_folds_test_every_sequence_once_and_train_on_the_same_sample_each_time():
    whole = random_sequences(90, length=60)
    folds = Folds.of("random", whole.letters, whole.labels, None, 3)
    assert len(folds) == 3
    assert np.array_equal((folds.part == "test").sum(axis=0), np.ones(90))
    cut, again = folds.parts(1, 10), folds.parts(1, 10)
    assert len(cut.train) == 10
    assert cut.checksum() == again.checksum() != folds.parts(1, 11).checksum()
    rows = {part: {one.tobytes() for one in getattr(cut, part).letters} for part in ("train", "valid", "test")}
    assert not rows["train"] & rows["valid"]
    assert not rows["train"] & rows["test"]
    assert not rows["valid"] & rows["test"]


@pytest.mark.parametrize(("name", "value"), [("folds", 2), ("hidden_dim", 0), ("seeds", ()), ("distances", ())])
def test_a_size_out_of_its_range_is_refused(name, value):
    assert name in {field.name for field in fields(ProbeConfig)}
    with pytest.raises(ValueError, match=name):
        ProbeConfig(**{name: value})
