"""bfloat16 where it was asked for or is known to pay, float32 elsewhere, and evaluations in float32 always."""

import pytest
import torch
from torch import nn

from dnafast import evaluate, models, ops
from dnafast.train import TrainConfig, resolve_precision, train
from toy_training import loaders, net


@pytest.fixture
def has_bfloat16(monkeypatch):
    def set_to(able):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able}, raising=False)

    set_to(True)
    return set_to


class Watching(nn.Sequential):
    """Tells the type of the numbers that its layers gave, in training and in evaluation."""

    def forward(self, x):
        logits = super().forward(x)
        vars(self).setdefault("seen", {})[self.training] = logits.dtype
        return logits


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_training_is_in_what_was_asked_for_and_scoring_in_float32(precision, dtype):
    torch.manual_seed(0)
    model = Watching(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
    training, validation = loaders()
    result = train(
        model, training, validation, TrainConfig(precision=precision, max_epochs=12, learning_rate=1e-2), seed=0
    )
    assert result.precision == precision
    assert model.seen == {True: dtype, False: torch.float32}
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    best = min(result.history, key=lambda row: row["valid_loss"])
    assert best["valid_auroc"] > 0.88
    assert evaluate.score(model, validation).log_loss == best["valid_loss"]


@pytest.mark.parametrize(
    ("name", "length", "expected"),
    [
        ("deepbind", 600, "bfloat16"),
        ("deepbind", 81, "float32"),  # too little work for the casts
        ("lstm", 600, "bfloat16"),
        ("promoter_lstm", 81, "bfloat16"),
        ("gru", 600, "float32"),  # no fast kernel
        ("rnn", 600, "float32"),
        ("multiscale_cnn", 81, "bfloat16"),
    ],
)
def test_auto_takes_bfloat16_where_it_was_measured_to_pay(name, length, expected, has_bfloat16):
    model = models.build(name, length=length)
    assert resolve_precision(model, TrainConfig(precision="auto"), "cpu") == expected
    assert resolve_precision(model, TrainConfig(), "cpu") == "float32"
    assert resolve_precision(model, TrainConfig(precision="bfloat16"), "cpu") == "bfloat16"
    has_bfloat16(False)
    assert resolve_precision(model, TrainConfig(precision="auto"), "cpu") == "float32"


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "danq"])
def test_auto_takes_bfloat16_for_native_layers_where_these_multiply_it(name, has_bfloat16, monkeypatch):
    native = models.build(name, length=600, implementation="native")
    monkeypatch.setattr(ops, "multiplies_bfloat16", lambda: True)
    assert resolve_precision(native, TrainConfig(precision="auto"), "cpu") == "bfloat16"
    monkeypatch.setattr(ops, "multiplies_bfloat16", lambda: False)
    assert resolve_precision(native, TrainConfig(precision="auto"), "cpu") == "float32"


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("deepbind", {}, "float32"),
        ("basset", {}, "bfloat16"),
        ("danq", {}, "bfloat16"),
        ("swap", {"core": "attention"}, "bfloat16"),
        ("swap", {"core": "dilated"}, "bfloat16"),
    ],
)
def test_auto_leaves_a_native_convolution_over_bases_alone_in_float32(
    name, options, expected, has_bfloat16, monkeypatch
):
    monkeypatch.setattr(ops, "multiplies_bfloat16", lambda: True)
    native = models.build(name, length=600, implementation="native", **options)
    assert resolve_precision(native, TrainConfig(precision="auto"), "cpu") == expected


def test_auto_is_float32_for_models_without_configuration(has_bfloat16):
    config = TrainConfig(precision="auto", batch_size=4096)
    assert resolve_precision(net(), config, "cpu") == "float32"
    assert resolve_precision(models.build("deepbind", length=81), config, "cpu") == "bfloat16"  # a batch large enough
