"""The training loop: it learns, stops by its rules, says how it ended, and does the same thing twice."""

import contextlib
import math
import pickle

import pytest
import torch
from torch import nn

from dnafast import evaluate
from dnafast.train import DivergedError, OutOfMemoryError, TrainConfig, masked_loss, train
from toy_training import Batches, draw, loaders, net


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
        "epoch", "step", "train_loss", "valid_loss", "valid_auroc", "learning_rate",
        "gradient_norm", "mean_gradient_norm", "seconds",
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


def test_gradients_are_clipped_unless_told_otherwise():
    moved = {}
    for clip_norm in (1e-9, 1e9, None):
        model = nn.Linear(6, 1)
        with torch.no_grad():
            model.weight.zero_()
        config = TrainConfig(max_steps=1, clip_norm=clip_norm, learning_rate=1.0, warmup=0.0, weight_decay=0.0)
        train(model, *loaders(), config, seed=0)
        moved[clip_norm] = model.weight.abs().max().item()
    # Adam's first step is about the learning rate, unless the gradient is of the size of its epsilon.
    assert moved[1e-9] < 0.5
    assert moved[1e9] == moved[None] > 0.9


def test_gradient_norms_are_those_before_clipping():
    """Against gradients that are taken by hand from a model whose steps are too small to move it."""
    training, validation = loaders()
    model = net().eval()
    norms = []
    for batch in training:
        model.zero_grad()
        masked_loss(model(batch.x), batch.y[:, None].float()).backward()
        norms.append(math.sqrt(sum(float(one.grad.double().square().sum()) for one in model.parameters())))
    for clip_norm in (None, 1e-3):
        config = TrainConfig(max_steps=10, evaluate_every=5, learning_rate=1e-12, clip_norm=clip_norm)
        rows = train(_without_dropout(net()), Batches(training.x, training.y, shuffle=True), validation, config, seed=0)
        for row, part in zip(rows.history, (norms[:5], norms[5:]), strict=True):
            assert row["gradient_norm"] == pytest.approx(max(part), rel=1e-5)
            assert row["mean_gradient_norm"] == pytest.approx(sum(part) / 5, rel=1e-5)


def _without_dropout(model):
    model[2] = nn.Identity()
    return model


def test_a_diverged_run_tells_what_came_before():
    class Breaks(nn.Linear):
        def forward(self, x):
            self.steps = getattr(self, "steps", 0) + self.training
            return super().forward(x) * (math.nan if self.training and self.steps > 25 else 1.0)

    with pytest.raises(DivergedError, match="step 26") as caught:
        train(Breaks(6, 1), *loaders(), TrainConfig(max_epochs=12), seed=0)
    assert [row["step"] for row in caught.value.history] == [10, 20]


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


def test_nothing_to_train_on_is_an_error():
    training, validation = loaders()
    empty = Batches(training.x[:0], training.y[:0])
    with pytest.raises(ValueError, match="no batch to train on"):
        train(net(), empty, validation, TrainConfig(), seed=0)
    with pytest.raises(ValueError, match="at least one"):
        train(net(), training, [], TrainConfig(), seed=0)


class Full(nn.Module):
    """A model whose memory is full in one of its modes."""

    def __init__(self, error, in_training):
        super().__init__()
        self.layer = nn.Linear(6, 1)
        self.error, self.in_training = error, in_training

    def forward(self, x):
        if self.training == self.in_training:
            raise self.error
        return self.layer(x)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_too_little_memory_says_which_batch_size_to_try(error):
    training, validation = loaders()
    with pytest.raises(OutOfMemoryError, match="while training in batches of 32: try batch_size=16") as caught:
        train(Full(error, in_training=True), training, validation, TrainConfig(), seed=0)
    assert caught.value.batch_size == 16
    with pytest.raises(OutOfMemoryError, match="while scoring the validation part in batches of 64"):
        train(Full(error, in_training=False), training, validation, TrainConfig(), seed=0)
    with pytest.raises(OutOfMemoryError, match="in batches of 1: the model is too large"):
        train(Full(error, in_training=True), Batches(*draw(4), batch_size=1), validation, TrainConfig(), seed=0)


def test_errors_reach_another_process_whole():
    diverged, out_of_memory = DivergedError(3, "training loss"), OutOfMemoryError("training", 64)
    diverged.history = [{"step": 1}]
    for error in (diverged, out_of_memory):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_memory_that_the_machine_does_not_have():
    class Greedy(nn.Linear):
        def forward(self, x):
            return super().forward(x) + torch.empty(1 << 60)[:1]

    with pytest.raises(OutOfMemoryError, match="try batch_size=16"):
        train(Greedy(6, 1), *loaders(), TrainConfig(), seed=0)


def test_other_errors_pass_as_they_are():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train(nn.Linear(5, 1), *loaders(), TrainConfig(), seed=0)
