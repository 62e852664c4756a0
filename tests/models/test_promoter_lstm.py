"""Each option of PromoterLSTM changes what it says it changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dnafast.models import PromoterLSTM, build


def test_defaults_by_hand_and_by_name_are_one() -> None:
    torch.manual_seed(0)
    by_hand = PromoterLSTM(
        hidden_dim=64,
        num_layers=2,
        bidirectional=True,
        fc_hidden_dims=[64],
        dropout=0.3,
        use_cnn=True,
        cnn_kernel_size=7,
        use_layer_norm=True,
        pooling_strategy="attention",
        n_tasks=1,
    )
    torch.manual_seed(0)
    by_name = build("promoter_lstm", length=81)
    assert by_hand.config == by_name.config == PromoterLSTM().config
    for a, b in zip(by_hand.parameters(), by_name.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_dim": 16},
        {"num_layers": 1},
        {"num_layers": 3},
        {"bidirectional": False},
        {"fc_hidden_dims": []},
        {"fc_hidden_dims": [32, 16]},
        {"dropout": 0.0},
        {"use_cnn": False},
        {"cnn_kernel_size": 8},
        {"cnn_kernel_size": 1},
        {"use_layer_norm": False},
        {"pooling_strategy": "last"},
        {"pooling_strategy": "mean"},
        {"pooling_strategy": "max"},
        {"n_tasks": 4},
    ],
    ids=str,
)
def test_every_option_is_real(options: dict[str, Any]) -> None:
    model = PromoterLSTM(**options)
    config = model.config
    assert model.recurrent.hidden_size == config.hidden_dim
    assert model.recurrent.num_layers == config.num_layers
    assert model.recurrent.bidirectional == config.bidirectional
    assert model.recurrent.input_size == (config.hidden_dim if config.use_cnn else 4)
    kinds = [type(module).__name__ for module in model.modules()]
    assert kinds.count("SamePadConv1d") == int(config.use_cnn)
    assert kinds.count("LayerNorm") == int(config.use_layer_norm)
    assert type(model.pooling).__name__.lower() == f"{config.pooling_strategy}pooling"
    widths = [module.out_features for module in [*model.hidden, model.head] if isinstance(module, nn.Linear)]
    assert widths == [*config.fc_hidden_dims, config.n_tasks]
    dropouts = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    assert dropouts == [config.dropout] * (1 + len(config.fc_hidden_dims))
    assert model.recurrent.dropout == (config.dropout if config.num_layers > 1 else 0.0)
    if config.use_cnn:
        assert model.convolution[0].kernel_size == (config.cnn_kernel_size,)

    codes = torch.randint(0, 5, (3, 81), dtype=torch.uint8)
    model.eval()
    logits = model(codes)
    assert logits.shape == (3, config.n_tasks)
    torch.testing.assert_close(torch.jit.script(model)(codes), logits, rtol=0, atol=1e-6)


def test_convolution_keeps_positions_aligned() -> None:
    for kernel_size in (1, 2, 7, 8):
        model = PromoterLSTM(cnn_kernel_size=kernel_size)
        x = torch.zeros(1, 4, 20)
        x[0, 0, 10] = 1.0
        convolution = model.convolution[0]
        response = (convolution(x) - convolution(torch.zeros_like(x)))[0].abs().sum(0).nonzero().flatten()
        assert response.tolist() == list(range(10 - kernel_size // 2, 10 + (kernel_size - 1) // 2 + 1))


def test_the_gradient_reaches_every_position() -> None:
    model = PromoterLSTM()
    x = torch.rand(2, 4, 81, requires_grad=True)
    model(x).sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().sum(dim=(0, 1)) > 0).all()
