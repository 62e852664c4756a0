"""A run that is killed goes on where it was, and ends as one that was not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import dnafast
from dnafast.train import TrainConfig, train
from toy_training import Batches, draw, loaders, net

CONFIG = TrainConfig(max_epochs=4, evaluate_every=7, learning_rate=1e-2)


class StopError(Exception):
    """What a test stops a run with."""


class Stopping:
    """A progress callback that breaks off at a step."""

    def __init__(self, step):
        self.step = step

    def __call__(self, progress):
        if progress.step >= self.step:
            raise StopError


class Interrupted(Batches):
    """Batches that end with an error after so many over all epochs."""

    def __init__(self, *arguments, after, **options):
        super().__init__(*arguments, **options)
        self.left = after

    def __iter__(self):
        for batch in super().__iter__():
            if not self.left:
                raise StopError
            self.left -= 1
            yield batch


def outcome(model, result):
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in result.history]
    counts = (result.steps, result.epochs, result.sequences, result.best_step, result.best_epoch, result.training_state)
    return rows, counts, [tensor.clone() for tensor in model.state_dict().values()]


def assert_same(a, b):
    assert a[:2] == b[:2]
    assert all(torch.equal(one, other) for one, other in zip(a[2], b[2], strict=True))


@pytest.mark.parametrize("after", [1, 7, 10, 11, 29, 39])  # in an epoch, at an evaluation, at an epoch's end
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_a_run_that_was_broken_off_ends_as_one_that_was_not(after, optimizer, tmp_path):
    config = TrainConfig(
        max_epochs=4, evaluate_every=7, optimizer=optimizer, momentum=0.5 * (optimizer != "adamw"), learning_rate=1e-2
    )
    unbroken = net()
    expected = outcome(unbroken, train(unbroken, *loaders(), config, seed=3))
    path = tmp_path / "checkpoint"
    training = Interrupted(*draw(320, 0), shuffle=True, after=after)
    options = {"seed": 3, "checkpoint": path, "checkpoint_seconds": 0.0}
    with pytest.raises(StopError):
        _train_at_every_step(net(), training, loaders()[1], config, **options)
    model = net()
    with torch.no_grad():
        model[0].weight.zero_()  # what it began with is not asked for any more
    result = train(model, *loaders(), config, **options)
    assert result.resumed_at == after
    assert_same(outcome(model, result), expected)
    assert path.exists()


def _train_at_every_step(*arguments, **options):
    """Train with a checkpoint after each step, however long it takes to write."""
    from dnafast.train import checkpoint

    before, checkpoint._LARGEST_SHARE = checkpoint._LARGEST_SHARE, float("inf")
    try:
        return train(*arguments, **options)
    finally:
        checkpoint._LARGEST_SHARE = before


CHILD = """
import sys
import torch
sys.path.insert(0, sys.argv[2])
torch.set_num_threads(1)
from train.test_checkpoint import killed_run
killed_run(sys.argv[1])
"""


def genome_loaders():
    """Shuffled and strand-augmented batches of dnafast's own loader, 13 an epoch."""
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[np.random.default_rng(0).integers(0, 4, 12_000)]
    genome = dnafast.Genome.from_sequences([letters.tobytes()], names=["one"])
    windows = dnafast.tiles(genome, length=40, stride=40)
    labels = np.random.default_rng(1).integers(0, 2, len(windows))
    rows = np.arange(len(windows))
    training = dnafast.Loader(
        genome, windows[rows[:200]], labels[:200], batch_size=16, seed=1, jitter=3, reverse_complement="random",
        threads=1,
    )  # fmt: skip
    return training, [dnafast.Loader(genome, windows[rows[200:]], labels[200:], shuffle=False, threads=1)]


def convolution():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(4, 8, 5), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.AdaptiveMaxPool1d(1), nn.Flatten(),
        nn.Linear(8, 1),
    )  # fmt: skip


KILL_AT = 22  # of 39 steps, in the second epoch


def killed_run(path):
    """Train with checkpoints, and kill this very process in mid-epoch."""

    class Fatal(nn.Sequential):
        def forward(self, x):
            if self.training:
                self.steps = getattr(self, "steps", 0) + 1
                if self.steps > KILL_AT:
                    os.kill(os.getpid(), signal.SIGKILL)
            return super().forward(x)

    model = Fatal(*convolution())
    model.__class__.__qualname__ = "Sequential"
    model.__class__.__name__ = "Sequential"
    options = {"seed": 2, "checkpoint": path, "checkpoint_seconds": 0.0, "data_checksum": "these"}
    _train_at_every_step(model, *genome_loaders(), TrainConfig(max_epochs=3), **options)


def test_a_run_killed_in_mid_epoch_ends_as_one_that_was_not(tmp_path):
    model = convolution()
    expected = outcome(model, train(model, *genome_loaders(), TrainConfig(max_epochs=3), seed=2))
    path = tmp_path / "run" / "checkpoint"
    tests = str(Path(__file__).parent.parent)
    killed = subprocess.run([sys.executable, "-c", CHILD, str(path), tests], check=False, cwd=tests)
    assert killed.returncode == -signal.SIGKILL
    model = convolution()
    options = {"seed": 2, "checkpoint": path, "data_checksum": "these"}
    result = train(model, *genome_loaders(), TrainConfig(max_epochs=3), **options)
    assert result.resumed_at == KILL_AT
    assert_same(outcome(model, result), expected)
    assert [one.name for one in path.parent.iterdir()] == ["checkpoint"]


@pytest.fixture
def written(tmp_path):
    """The checkpoint of a run that was broken off, and the options to go on with."""
    path = tmp_path / "checkpoint"
    options = {"seed": 3, "checkpoint": path, "checkpoint_seconds": 0.0, "data_checksum": "a"}
    with pytest.raises(StopError):
        _train_at_every_step(net(), *loaders(), CONFIG, progress=Stopping(16), **options)
    return options


def wider():
    return nn.Sequential(nn.Linear(6, 17), nn.ReLU(), nn.Dropout(0.2), nn.Linear(17, 1))


def other_activation():
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 1))


@pytest.mark.parametrize(
    ("model", "config", "changes", "message"),
    [
        (wider, CONFIG, {}, r"model.tensors.0.weight \('torch.float32 \(16, 6\)' there, .*\(17, 6\)' now\)"),
        (other_activation, CONFIG, {}, r"model.layers"),
        (
            net,
            TrainConfig(max_epochs=5, evaluate_every=7, learning_rate=1e-2),
            {},
            r"train.max_epochs \(4 there, 5 now",
        ),
        (net, CONFIG, {"seed": 4}, r"seed \(3 there, 4 now\)"),
        (net, CONFIG, {"data_checksum": "b"}, r"data \('a' there, 'b' now\)"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(model, config, changes, message, written):
    with pytest.raises(ValueError, match=f"is the checkpoint of another run, which differs in {message}") as caught:
        train(model(), *loaders(), config, **(written | changes))
    assert "remove it to begin anew" in str(caught.value)


def test_a_checkpoint_of_another_version_is_refused(written, monkeypatch):
    monkeypatch.setattr("dnafast.train.checkpoint.__version__", "99.0")
    with pytest.raises(ValueError, match=r"versions.dnafast \('.*' there, '99.0' now\)"):
        train(net(), *loaders(), CONFIG, **written)


def test_a_checkpoint_of_another_stream_is_refused(tmp_path):
    options = {"seed": 3, "checkpoint": tmp_path / "checkpoint", "checkpoint_seconds": 0.0}
    training, validation = genome_loaders()
    with pytest.raises(StopError):
        _train_at_every_step(convolution(), training, validation, TrainConfig(), progress=Stopping(16), **options)
    training.seed = 9
    with pytest.raises(ValueError, match="the state is of another stream: seed is 1 there, 9 here"):
        train(convolution(), training, validation, TrainConfig(), **options)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_file_that_is_no_checkpoint_is_refused(content, written):
    path = written["checkpoint"]
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(ValueError, match="is no checkpoint of a training run: remove it to begin anew"):
        train(net(), *loaders(), CONFIG, **written)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="is no checkpoint of a training run"):
        train(net(), *loaders(), CONFIG, **written)


def test_batches_drawn_from_the_global_random_state_are_drawn_again(tmp_path):
    class Drawing(Batches):
        """As a DataLoader does: an order from torch's global random state, at the start of each epoch."""

        def __iter__(self):
            order = torch.randperm(len(self.x))
            for rows in order.split(self.batch_size):
                yield next(iter(Batches(self.x[rows], self.y[rows], self.batch_size)))

    def training():
        return Drawing(*draw(320, 0))

    expected_model = net()
    expected = outcome(expected_model, train(expected_model, training(), loaders()[1], CONFIG, seed=3))
    options = {"seed": 3, "checkpoint": tmp_path / "checkpoint", "checkpoint_seconds": 0.0}
    with pytest.raises(StopError):
        _train_at_every_step(net(), training(), loaders()[1], CONFIG, progress=Stopping(16), **options)
    model = net()
    result = train(model, training(), loaders()[1], CONFIG, **options)
    assert result.resumed_at == 15
    assert_same(outcome(model, result), expected)


def test_checkpoints_are_written_as_seldom_as_asked(tmp_path):
    path = tmp_path / "checkpoint"
    train(net(), *loaders(), CONFIG, seed=0, checkpoint=path, checkpoint_seconds=3600.0)
    assert not path.exists()


def test_what_a_kill_in_the_middle_of_a_write_leaves_is_removed(written):
    left = written["checkpoint"].with_name(".checkpoint.abcd1234")
    left.write_bytes(b"half")
    assert train(net(), *loaders(), CONFIG, **written).resumed_at == 15
    assert not left.exists()


def test_seconds_add_up_over_the_parts_of_a_run(written):
    state = torch.load(written["checkpoint"], weights_only=True)
    state["state"]["seconds"] = 1000.0
    torch.save(state, written["checkpoint"])
    result = train(net(), *loaders(), CONFIG, **written)
    assert 1000 < result.seconds < 1100
    assert result.history[-1]["seconds"] > 1000
