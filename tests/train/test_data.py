"""Labels that nothing can be learnt from are refused before, or as, they are read."""

import numpy as np
import pytest
import torch
from torch import nn

import dnafast
from dnafast.labelling import SparseLabels
from dnafast.train import TrainConfig, train
from toy_training import Batches, loaders, net


def table_loaders(train_labels, valid_labels, batch_size=8):
    """Loaders of dnafast, which show their labels, over one made-up contig."""
    genome = dnafast.Genome.from_sequences(["ACGTTGCA" * 40], names=["one"])

    def loader(labels, batch_size):
        windows = dnafast.tiles(genome, length=8, stride=8)[np.arange(len(labels))]
        return dnafast.Loader(genome, windows, labels, batch_size=batch_size)

    return loader(train_labels, batch_size), [loader(valid_labels, 8)]


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(32, 1))


GOOD = np.arange(20) % 2


def test_good_labels_are_taken():
    assert train(linear(), *table_loaders(GOOD, GOOD), TrainConfig(max_steps=1), seed=0).steps == 1
    assert train(linear(), *table_loaders(GOOD == 1, GOOD.astype(float)), TrainConfig(max_steps=1), seed=0).steps == 1


@pytest.mark.parametrize(
    ("train_labels", "valid_labels", "message"),
    [
        (GOOD * 2, GOOD, "a label of the training part is 2: labels must be 1, 0 or -1"),
        (GOOD, GOOD / 2, r"a label of the validation part is 0\.5"),
        (GOOD.astype(np.uint8) * 255, GOOD, "a label of the training part is 255"),
        (np.ones(20), GOOD, r"the training part lacks a class \(20 positives and 0 negatives\)"),
        (GOOD, np.zeros(20), r"the validation part lacks a class \(0 positives and 20 negatives\)"),
        (GOOD, np.full(20, -1), "the validation part has no labelled row"),
        (np.stack([np.ones(20), np.zeros(20)], axis=1), GOOD, "no task of the training part has both classes"),
        (GOOD, None, "the loader of the validation part has no labels"),
    ],
)
def test_label_tables_are_looked_at_before_anything_is_trained(train_labels, valid_labels, message):
    good_valid = GOOD if valid_labels is None else valid_labels
    training, validation = table_loaders(train_labels, good_valid)
    if valid_labels is None:
        validation[0].labels = None
    with pytest.raises(ValueError, match=message):
        train(linear(), training, validation, TrainConfig(), seed=0)


def test_sparse_labels_are_looked_at_too():
    good = SparseLabels(np.arange(21) // 2, np.zeros(10, np.int32), np.ones(10, np.int8), 1)
    assert train(linear(), *table_loaders(good, good), TrainConfig(max_steps=1), seed=0).steps == 1
    none = SparseLabels(np.zeros(21, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int8), 1)
    with pytest.raises(ValueError, match=r"lacks a class \(0 positives and 20 negatives\)"):
        train(linear(), *table_loaders(none, good), TrainConfig(), seed=0)
    strange = SparseLabels(np.arange(21) // 2, np.zeros(10, np.int32), np.full(10, 3, np.int8), 1)
    with pytest.raises(ValueError, match="a label of the training part is 3"):
        train(linear(), *table_loaders(strange, good), TrainConfig(), seed=0)


def test_a_batch_is_no_larger_than_the_data():
    with pytest.raises(ValueError, match="batch_size=21 is more than the 20 training sequences: choose at most 20"):
        train(linear(), *table_loaders(GOOD, GOOD, batch_size=21), TrainConfig(), seed=0)
    assert train(linear(), *table_loaders(GOOD, GOOD, batch_size=20), TrainConfig(max_steps=1), seed=0).steps == 1


def test_labels_of_other_loaders_are_looked_at_as_they_are_read():
    training, validation = loaders()
    training.y[70] = 3
    with pytest.raises(ValueError, match="a label of the training part is 3"):
        train(net(), training, validation, TrainConfig(), seed=0)
    training.y[:] = 1
    with pytest.raises(ValueError, match="the training part lacks a class"):
        train(net(), training, validation, TrainConfig(), seed=0)
    assert train(net(), training, validation, TrainConfig(max_steps=5), seed=0).steps == 5  # not all were seen
    training, validation = loaders()
    validation[0].y[:] = 0
    with pytest.raises(ValueError, match="the validation part lacks a class"):
        train(net(), training, validation, TrainConfig(), seed=0)
    validation[0].y = torch.full_like(validation[0].y, -1)
    with pytest.raises(ValueError, match="the validation part has no labelled row"):
        train(net(), training, validation, TrainConfig(), seed=0)
    validation[0].y[3] = 7
    with pytest.raises(ValueError, match="a loader gave the label 7"):
        train(net(), training, validation, TrainConfig(), seed=0)


def test_a_task_of_one_class_does_not_stop_the_others():
    training, validation = loaders(tasks=2)
    training.y[:, 1] = validation[0].y[:, 1] = 0
    assert train(net(tasks=2), training, validation, TrainConfig(max_epochs=1), seed=0).epochs == 1
    assert isinstance(validation[0], Batches)
