"""Each option of PromoterLSTM changes what it says it changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

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
        {"cell": "gru"},
        {"cell": "rnn", "num_layers": 1},
        {"bidirectional": False, "direction": "backward"},
        {"start": "torch"},
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


def small(seed: int = 0, **options: Any) -> PromoterLSTM:
    torch.manual_seed(seed)
    return PromoterLSTM(**{"hidden_dim": 8, "num_layers": 1, "fc_hidden_dims": [8], **options}).eval()


def codes(n: int = 3) -> Tensor:
    return torch.randint(0, 5, (n, 30), generator=torch.Generator().manual_seed(4), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"cell": "gru"}, "recurrent"),
        ({"cell": "rnn"}, "recurrent"),
        ({"cell": "none", "bidirectional": False}, "recurrent"),
        ({"start": "torch"}, "recurrent"),
        ({"direction": "backward"}, ""),
        ({"pooling_strategy": "mean"}, "pooling"),
        ({"pooling_strategy": "last"}, "pooling"),
    ],
    ids=str,
)
def test_an_option_changes_nothing_but_what_it_names(options: dict[str, Any], changed: str) -> None:
    base = small(bidirectional=False)
    other = small(**{"bidirectional": False, **options})
    before, after = base.state_dict(), other.state_dict()
    kept = [name for name in before if not name.startswith(changed or "no such")]
    assert kept == [name for name in after if not name.startswith(changed or "no such")]
    # Pooling and recurrence are drawn last and in this order: what no option names is equal bit for bit.
    unnamed = [name for name in kept if not (changed == "pooling" and name.startswith("recurrent"))]
    assert all(torch.equal(before[name], after[name]) for name in unnamed)
    assert not torch.allclose(base(codes()), other(codes()), atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "kind", "gates"), [("lstm", nn.LSTM, 4), ("gru", nn.GRU, 3), ("rnn", nn.RNN, 1), ("none", nn.Identity, 0)]
)
@pytest.mark.parametrize("use_cnn", [True, False])
def test_cells(cell: Any, kind: type[nn.Module], gates: int, use_cnn: bool) -> None:
    model = small(cell=cell, use_cnn=use_cnn, bidirectional=cell != "none")
    assert type(model.recurrent) is kind
    inputs = 8 if use_cnn else 4
    parameters = sum(parameter.numel() for parameter in model.recurrent.parameters())
    assert parameters == 2 * gates * 8 * (inputs + 8 + 2)
    torch.testing.assert_close(torch.jit.script(model)(codes()), model(codes()), rtol=0, atol=1e-6)
    model.train()(codes()).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval()
    with FlopCounterMode(display=False) as counter:
        model(codes(1))
    # The counter does not see into an LSTM on the CPU.
    lstm = 30 * 2 * 8 * 8 * (inputs + 8) if cell == "lstm" else 0
    config = build(
        "promoter_lstm", **{name: getattr(model.config, name) for name in model.config.options()}, length=30
    ).config
    assert config.flops() == counter.get_total_flops() + lstm


@pytest.mark.parametrize("use_cnn", [True, False])
def test_without_a_cell_the_layers_behind_see_what_it_would_read(use_cnn: bool) -> None:
    model = small(cell="none", use_cnn=use_cnn, pooling_strategy="mean", use_layer_norm=False)
    x = (codes().unsqueeze(1) == torch.arange(4, dtype=torch.uint8)[:, None]).float()
    feature = torch.relu(model.convolution[0](x)) if use_cnn else x
    torch.testing.assert_close(model(codes()), model.head(model.hidden(feature.mean(2))))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "none"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_backward_is_forward_over_the_sequence_turned_round(cell: Any, pooling: Any) -> None:
    options: dict[str, Any] = {"cell": cell, "pooling_strategy": pooling, "bidirectional": False, "use_cnn": False}
    forward, backward = small(**options), small(**options, direction="backward")
    assert forward.config.flops() == backward.config.flops()
    turned = codes().flip([1])
    torch.testing.assert_close(backward(turned), forward(codes()))
    torch.testing.assert_close(torch.jit.script(backward)(turned), forward(codes()))
    if cell != "none" or pooling == "last":
        assert not torch.allclose(backward(codes()), forward(codes()), atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_starts(cell: Any) -> None:
    for start in ("keras", "torch"):
        recurrent = small(cell=cell, start=start).recurrent
        orthogonal = [
            torch.allclose(gate @ gate.T, torch.eye(8), atol=1e-5) for gate in recurrent.weight_hh_l0.split(8)
        ]
        assert all(orthogonal) if start == "keras" else not any(orthogonal)
        if start == "torch":
            largest = max(parameter.abs().max().item() for parameter in recurrent.parameters())
            assert 0.9 / 8**0.5 < largest <= 1 / 8**0.5
            assert recurrent.bias_ih_l0.abs().min() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "lstmm"}, "cell='lstmm' must be one of lstm, gru, rnn, none, did you mean 'lstm'"),
        ({"direction": "backward"}, "direction='backward' needs bidirectional=False"),
        (
            {"implementation": "native", "use_cnn": False, "cell": "none"},
            "implementation='native' needs use_cnn=True or a cell: nothing else is native",
        ),
        ({"start": "zeros"}, "start='zeros' must be one of keras, torch"),
    ],
)
def test_what_does_not_exist_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PromoterLSTM(**options)
