"""Scores come out in row order and weights come back as they were."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from dnafast.evaluate import load_weights, predict, save_weights, score


class Batch(NamedTuple):
    x: torch.Tensor
    y: torch.Tensor
    index: torch.Tensor
    strand: torch.Tensor


class Batches:
    """Rows in a given order, written into one buffer again and again, as a native loader may do."""

    def __init__(self, x, y, order=None, batch_size=4):
        self.x, self.y = x, y
        self.order = torch.arange(len(x)) if order is None else torch.as_tensor(order)
        self.batch_size = batch_size

    def __iter__(self):
        buffers = Batch(
            *(torch.empty(self.batch_size, *part.shape[1:], dtype=part.dtype) for part in (self.x, self.y, self.order)),
            torch.ones(self.batch_size, dtype=torch.int8),
        )
        for begin in range(0, len(self.order), self.batch_size):
            rows = self.order[begin : begin + self.batch_size]
            batch = Batch(*(buffer[: len(rows)] for buffer in buffers))
            batch.x.copy_(self.x[rows])
            batch.y.copy_(self.y[rows])
            batch.index.copy_(rows)
            yield batch


class Sum(nn.Module):
    """Logit = sum of the features, so that answers are known."""

    def forward(self, x):
        return x.sum(dim=1, keepdim=True)


@pytest.fixture
def table():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(10, 3, generator=generator)
    return x, (x.sum(dim=1) > 0).to(torch.int8)


def test_scores_are_in_row_order_whatever_the_batches(table):
    x, y = table
    expected = x.sum(dim=1, keepdim=True).double().numpy()
    for order in (None, list(range(9, -1, -1)), [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]):
        scores = score(Sum(), [Batches(x, y, order)])
        np.testing.assert_array_equal(scores.logits, expected)
        np.testing.assert_array_equal(scores.labels[:, 0], y.numpy())
        assert scores.labels.dtype == np.int8
    probabilities = predict(Sum(), [Batches(x, y)])
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-expected)))


def test_two_views_are_averaged_as_log_odds(table):
    x, y = table
    scores = score(Sum(), [Batches(x, y), Batches(3 * x, y, batch_size=3)])
    np.testing.assert_allclose(scores.logits, 2 * x.sum(dim=1, keepdim=True).numpy(), rtol=1e-6)


def test_log_loss_is_exact_for_sure_models_and_leaves_out_unknown_labels(table):
    x = torch.tensor([[1000.0], [-1000.0], [1000.0], [0.0], [5.0]])
    y = torch.tensor([1, 0, 0, 1, -1], dtype=torch.int8)
    assert score(Sum(), [Batches(x, y)]).log_loss == pytest.approx((1000 + np.log(2)) / 4)
    assert np.isnan(score(Sum(), [Batches(x, torch.full((5,), -1))]).log_loss)


def test_the_model_is_put_back_as_it_was(table):
    model = nn.Sequential(nn.Dropout(0.9), Sum())
    first = predict(model, [Batches(*table)])
    assert model.training
    assert model[0].training
    np.testing.assert_array_equal(first, predict(model, [Batches(*table)]))
    predict(model.eval(), [Batches(*table)])
    assert not model.training
    with pytest.raises(ValueError, match="no batch"):
        predict(model.train(), [Batches(table[0][:0], table[1][:0])])
    assert model.training


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 1, 2, 3, 3, 5, 6, 7, 8, 9], [1, 2]])
def test_every_row_must_come_once(table, order):
    x, y = table
    wrong = Batches(x, y, order if len(order) > 2 else [1, 2])
    if order == [0, 1, 2]:
        wrong.x, wrong.y = x[:3], y[:3]
        assert predict(Sum(), [wrong]).shape == (3, 1)
    else:
        with pytest.raises(ValueError, match="once each"):
            predict(Sum(), [wrong])


def test_views_of_different_tables_and_none_at_all_are_refused(table):
    x, y = table
    with pytest.raises(ValueError, match="different labels"):
        predict(Sum(), [Batches(x, y), Batches(x, 1 - y)])
    with pytest.raises(ValueError, match="at least one"):
        predict(Sum(), [])
    with pytest.raises(ValueError, match=r"\(10, 1\) for labels of shape \(10, 2\)"):
        predict(Sum(), [Batches(x, torch.stack([y, y], dim=1))])


def net(width=5):
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 1))


def test_weights_come_back_with_their_buffers(tmp_path):
    path = tmp_path / "run" / "weights.safetensors"
    model = net()
    model(torch.randn(8, 3))  # moves the running averages
    save_weights(model, path)
    other = net()
    load_weights(other, path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_tied_weights_are_saved_too(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    save_weights(model, tmp_path / "weights")
    load_weights(model, tmp_path / "weights")


def test_weights_that_do_not_fit_are_refused_and_nothing_changes(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(net(), path)
    wider = net(6)
    before = {name: tensor.clone() for name, tensor in wider.state_dict().items()}
    with pytest.raises(
        ValueError, match=r"it has 0.weight as torch.float32 \(5, 3\) where .* \(6, 3\) \(and \d more\)"
    ):
        load_weights(wider, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in wider.state_dict().items())
    with pytest.raises(ValueError, match="does not fit Linear: it lacks weight"):
        load_weights(nn.Linear(3, 1), path)
    with pytest.raises(ValueError, match="which the model lacks"):
        load_weights(net()[:2], path)
    with pytest.raises(ValueError, match=r"torch\.float32 .* torch\.float64"):
        load_weights(net().double(), path)


def test_files_that_are_no_weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    with pytest.raises(FileNotFoundError, match=path.name):
        load_weights(net(), path)
    path.write_bytes(b"not weights")
    with pytest.raises(ValueError, match="is no safetensors file"):
        load_weights(net(), path)
