"""The training loop: it learns, stops by its rules, says how it ended, and does the same thing twice."""

import contextlib
import math
from typing import NamedTuple

import pytest
import torch
from torch import nn

from dnafast import evaluate
from dnafast.train import DivergedError, TrainConfig, masked_loss, train


class Batch(NamedTuple):
    x: torch.Tensor
    y: torch.Tensor
    index: torch.Tensor
    strand: torch.Tensor


class Batches:
    """A loader as small as can be: order drawn from the epoch alone."""

    def __init__(self, x, y, batch_size=32, shuffle=False):
        self.x, self.y, self.batch_size, self.shuffle = x, y, batch_size, shuffle
        self.epoch = 0
        self.epochs_asked = []
        self.wait_seconds = 0.0

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def set_epoch(self, epoch):
        self.epoch = epoch
        self.epochs_asked.append(epoch)

    def __iter__(self):
        order = torch.arange(len(self.x))
        if self.shuffle:
            order = torch.randperm(len(self.x), generator=torch.Generator().manual_seed(self.epoch))
        for rows in order.split(self.batch_size):
            yield Batch(self.x[rows], self.y[rows], rows, torch.ones(len(rows), dtype=torch.int8))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw(n, seed=0, noise=0.5, tasks=1):
    """Points whose first features decide the labels, up to noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=generator)
    y = (x[:, :tasks] + noise * torch.randn(n, tasks, generator=generator) > 0).to(torch.int8)
    return x, y.squeeze(1) if tasks == 1 else y


def loaders(noise=0.5, tasks=1):
    return Batches(*draw(320, 0, noise, tasks), shuffle=True), [Batches(*draw(200, 1, noise, tasks), batch_size=64)]


def net(tasks=1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, tasks))


def test_it_learns_and_keeps_the_best_weights():
    model = net()
    training, validation = loaders()
    result = train(model, training, validation, TrainConfig(max_epochs=12, learning_rate=1e-2), seed=1)
    assert result.steps == 120
    assert result.epochs == 12
    assert result.sequences == 12 * 320
    assert training.epochs_asked == list(range(12))
    assert [row["epoch"] for row in result.history] == list(range(1, 13))
    assert [row["step"] for row in result.history] == list(range(10, 121, 10))
    assert list(result.history[0]) == [
        "epoch", "step", "train_loss", "valid_loss", "valid_auroc", "learning_rate", "seconds",
    ]  # fmt: skip
    best = min(result.history, key=lambda row: row["valid_loss"])
    assert best["valid_auroc"] > 0.9
    assert (result.best_epoch, result.best_step) == (best["epoch"], best["step"])
    assert evaluate.score(model, validation).log_loss == best["valid_loss"]
    assert not model.training
    assert 0 < result.evaluation_seconds < result.seconds
    assert 0 < result.data_wait_seconds < result.seconds


def test_the_same_seed_gives_the_same_weights_and_leaves_the_random_state_alone():
    runs = []
    for seed in (5, 5, 6):
        model = net()
        torch.manual_seed(99 + len(runs))
        state = torch.get_rng_state()
        result = train(model, *loaders(), TrainConfig(max_epochs=3), seed=seed)
        assert torch.equal(state, torch.get_rng_state())
        losses = [(row["train_loss"], row["valid_loss"]) for row in result.history]
        runs.append((losses, [tensor.clone() for tensor in model.state_dict().values()]))
    assert runs[0][0] == runs[1][0]
    assert all(torch.equal(a, b) for a, b in zip(runs[0][1], runs[1][1], strict=True))
    assert runs[0][0] != runs[2][0]


def test_noise_ends_at_chance_and_is_given_the_whole_budget():
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(320, 6, generator=generator), torch.randint(0, 2, (320,), generator=generator)
    validation = [Batches(torch.randn(200, 6, generator=generator), torch.randint(0, 2, (200,), generator=generator))]
    result = train(net(), Batches(x, y), validation, TrainConfig(max_epochs=12, patience=2), seed=0)
    assert result.training_state == "at_chance"
    assert result.epochs == 12


def test_patience_ends_a_run_that_overfits():
    training = Batches(*draw(32, 0), batch_size=8)
    result = train(net(), training, loaders()[1], TrainConfig(max_epochs=300, learning_rate=3e-2, patience=3), seed=0)
    assert result.training_state == "converged"
    assert result.steps < 300 * 4
    assert result.epochs - result.best_epoch == 3


def test_a_levelled_off_run_has_converged_and_a_short_one_has_not():
    config = {"learning_rate": 1e-2, "patience": 1000}
    long = train(net(), *loaders(), TrainConfig(max_epochs=40, **config), seed=0)
    assert long.training_state == "converged"
    assert long.epochs == 40
    short = train(net(), *loaders(), TrainConfig(max_steps=20, evaluate_every=5, **config), seed=0)
    assert short.training_state == "budget_ended"
    once = train(net(), *loaders(), TrainConfig(max_epochs=40, evaluate_every=1000, **config), seed=0)
    assert [row["step"] for row in once.history] == [400]
    assert once.training_state == "budget_ended"  # one look cannot tell whether it has levelled off


def test_budget_in_steps_ends_within_an_epoch_and_is_evaluated():
    result = train(net(), *loaders(), TrainConfig(max_steps=17, evaluate_every=7), seed=0)
    assert [row["step"] for row in result.history] == [7, 14, 17]
    assert [row["epoch"] for row in result.history] == [1, 2, 2]
    assert (result.steps, result.epochs) == (17, 2)


def test_budget_in_seconds_ends_at_the_next_step():
    result = train(net(), *loaders(), TrainConfig(max_seconds=1e-9), seed=0)
    assert result.steps == 1
    assert len(result.history) == 1


def test_the_budget_is_the_smaller_one():
    assert TrainConfig(max_epochs=3).budget(10) == 30
    assert TrainConfig(max_epochs=3, max_steps=50).budget(10) == 30
    assert TrainConfig(max_epochs=3, max_steps=20).budget(10) == 20


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_learning_rate_rises_then_falls(schedule):
    config = TrainConfig(learning_rate=2.0, schedule=schedule, warmup=0.1, final_learning_rate=0.25)
    rates = [config.learning_rate_at(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(2 / 11)
    assert rates[:11] == sorted(set(rates[:11]))
    assert rates[10] == max(rates) == 2.0
    if schedule == "constant":
        assert set(rates[10:]) == {2.0}
    else:
        assert rates[10:] == sorted(set(rates[10:]), reverse=True)
        assert rates[55] == pytest.approx(2.0 * (0.25 + 0.75 / 2))
        assert config.learning_rate_at(100, 100) == pytest.approx(0.5)
    assert config.learning_rate_at(199, 100_000) < 2.0 == config.learning_rate_at(200, 100_000)
    assert TrainConfig(warmup=0.0).learning_rate_at(0, 1) == 1e-3


def test_history_has_the_learning_rate_of_its_last_step():
    config = TrainConfig(max_steps=20, evaluate_every=5)
    result = train(net(), *loaders(), config, seed=0)
    assert [row["learning_rate"] for row in result.history] == [
        config.learning_rate_at(step, 20) for step in (4, 9, 14, 19)
    ]


def test_loss_leaves_out_unknown_labels():
    logits = torch.tensor([[1.0, 2.0], [3.0, -4.0]], requires_grad=True)
    labels = torch.tensor([[1.0, -1.0], [0.0, -1.0]])
    loss = masked_loss(logits, labels)
    assert loss.item() == pytest.approx((math.log1p(math.exp(-1)) + math.log1p(math.exp(3))) / 2)
    loss.backward()
    assert logits.grad[:, 1].tolist() == [0, 0]
    assert masked_loss(logits, torch.full((2, 2), -1.0)).item() == 0
    with pytest.raises(ValueError, match=r"\(2, 2\) for labels of shape \(2, 1\)"):
        masked_loss(logits, labels[:, :1])


def test_unknown_labels_change_nothing_but_their_own_task():
    training, validation = loaders(tasks=2)
    training.y[:, 1] = -1
    model = net(tasks=2)
    before = model[3].weight.detach().clone()
    result = train(model, training, validation, TrainConfig(max_epochs=2, weight_decay=0.0), seed=0)
    assert torch.equal(model[3].weight[1], before[1])
    assert not torch.equal(model[3].weight[0], before[0])
    assert result.history[-1]["valid_auroc"] < 1


@pytest.mark.parametrize("bad_step", [1, 5, 16, 23])
def test_a_loss_that_is_no_number_names_its_step(bad_step):
    class Breaks(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 1)
            self.steps = 0

        def forward(self, x):
            self.steps += self.training
            return self.layer(x) * (math.nan if self.training and self.steps >= bad_step else 1.0)

    training, validation = loaders()
    with pytest.raises(DivergedError, match=f"training loss is no finite number at step {bad_step}:") as caught:
        train(Breaks(), training, validation, TrainConfig(evaluate_every=1000), seed=0)
    assert caught.value.step == bad_step


def test_a_validation_loss_that_is_no_number_is_named():
    training, validation = loaders()
    validation[0].x[3] = math.inf
    with pytest.raises(DivergedError, match="validation log loss is no finite number at step 10"):
        train(net(), training, validation, TrainConfig(), seed=0)


def test_gradients_are_clipped():
    steps = {}
    for clip in (1e-9, 1.0):
        model = nn.Linear(6, 1)
        with torch.no_grad():
            model.weight.zero_()
        config = TrainConfig(max_steps=1, clip_norm=clip, learning_rate=1.0, warmup=0.0, weight_decay=0.0)
        train(model, *loaders(), config, seed=0)
        steps[clip] = model.weight.abs().max().item()
    # Adam's first step is about the learning rate, unless the gradient is of the size of its epsilon.
    assert steps[1.0] > 0.9
    assert steps[1e-9] < 0.5


def test_biases_are_not_decayed():
    config = TrainConfig(max_steps=10, learning_rate=0.1, weight_decay=1.0, warmup=0.0, schedule="constant")
    training, validation = loaders()
    training.y = torch.full((320,), -1)  # no gradient: only decay moves anything
    model = nn.Linear(6, 1)
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    train(model, training, validation, config, seed=0)
    assert torch.equal(model.bias, bias)
    torch.testing.assert_close(model.weight, weight * 0.9**10)


def test_frozen_parameters_stay():
    model = net()
    model[0].weight.requires_grad_(False)
    before = model[0].weight.clone()
    train(model, *loaders(), TrainConfig(max_epochs=1), seed=0)
    assert torch.equal(model[0].weight, before)


def test_every_phase_is_metered_and_none_is_nested():
    class Meter:
        def __init__(self):
            self.calls = {}
            self.open = False

        @contextlib.contextmanager
        def phase(self, name, scope="model"):
            assert not self.open
            self.open = True
            self.calls[name] = self.calls.get(name, 0) + 1
            yield
            self.open = False

    meter = Meter()
    train(net(), *loaders(), TrainConfig(max_epochs=2), seed=0, meter=meter)
    steps = dict.fromkeys(("transfer", "forward", "backward", "optimizer"), 20)
    assert meter.calls == {"data_wait": 21, **steps, "evaluation": 2}  # one wait finds the first epoch at its end


def test_progress_is_told_of_steps_and_evaluations():
    told = []
    result = train(net(), *loaders(), TrainConfig(max_steps=45, evaluate_every=20), seed=0, progress=told.append)
    assert [update.step for update in told] == [16, 20, 32, 40, 45]
    assert all(update.budget == 45 for update in told)
    assert [update.evaluation for update in told if update.evaluation] == result.history
    assert all(math.isfinite(update.train_loss) for update in told)


def test_train_loss_of_a_row_is_the_mean_since_the_last_one():
    class Watching(nn.Module):
        """A model that never changes: its losses are known."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 1)

        def forward(self, x):
            return self.layer(x) * 0

    result = train(Watching(), *loaders(), TrainConfig(max_steps=25, evaluate_every=10), seed=0)
    assert [row["train_loss"] for row in result.history] == pytest.approx([math.log(2)] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 0),
        ("max_epochs", 0),
        ("max_steps", 0),
        ("max_seconds", 0.0),
        ("learning_rate", -1.0),
        ("learning_rate", math.nan),
        ("clip_norm", math.inf),
        ("warmup", 1.5),
        ("weight_decay", -0.1),
        ("patience", 0),
        ("evaluate_every", 0),
        ("schedule", "step"),
    ],
)
def test_impossible_settings_are_named(field, value):
    with pytest.raises(ValueError, match=f"{field}={value}|{field}={value!r}"):
        TrainConfig(**{field: value})


def test_nothing_to_train_on_is_an_error():
    training, validation = loaders()
    empty = Batches(training.x[:0], training.y[:0])
    with pytest.raises(ValueError, match="no batch to train on"):
        train(net(), empty, validation, TrainConfig(), seed=0)
    with pytest.raises(ValueError, match="at least one"):
        train(net(), training, [], TrainConfig(), seed=0)
    validation[0].y = torch.full_like(validation[0].y, -1)
    with pytest.raises(ValueError, match="no labelled row"):
        train(net(), training, validation, TrainConfig(), seed=0)
