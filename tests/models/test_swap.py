"""The core is exchanged and nothing else."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from dnafast.models import build
from dnafast.models.swap import position_sines

CORES = ("none", "rnn", "gru", "lstm", "bilstm", "dilated", "attention")


def swap(length: int = 40, **options: Any) -> Any:
    torch.manual_seed(0)
    return build("swap", length=length, **{"width": 16, "hidden": 8, "kernel_size": 5, **options}).eval()


def codes(n: int, length: int = 40) -> Tensor:
    return torch.randint(0, 5, (n, length), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.mark.parametrize("stem", ["conv", "none"])
@pytest.mark.parametrize("head", ["flatten", "global", "attention"])
def test_stem_and_head_are_the_same_whatever_the_core(stem: str, head: str) -> None:
    weights = []
    for core in CORES:
        state = swap(stem=stem, head=head, core=core, n_tasks=2).state_dict()
        weights.append({name: tensor for name, tensor in state.items() if not name.startswith("core.")})
    for other in weights[1:]:
        assert other.keys() == weights[0].keys()
        assert all(torch.equal(other[name], weights[0][name]) for name in other)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_core_is_what_it_says(core: str, layers: int) -> None:
    model = swap(core=core, layers=layers, dropout=0.25)
    kinds = [type(module) for module in model.core.modules()]
    recurrent = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM, "bilstm": nn.LSTM}
    if core in recurrent:
        layer = model.core.recurrent
        assert type(layer) is recurrent[core]
        assert layer.bidirectional == (core == "bilstm")
        assert layer.num_layers == layers
        assert layer.hidden_size == (8 if core == "bilstm" else 16)
        assert layer.dropout == (0.25 if layers > 1 else 0.0)
    elif core == "dilated":
        dilations = [m.dilation[0] for m in model.core.modules() if isinstance(m, nn.Conv1d) and m.kernel_size == (3,)]
        assert dilations == [1, 2, 4, 8] * layers
    elif core == "attention":
        assert kinds.count(nn.TransformerEncoderLayer) == layers
    else:
        assert kinds == [nn.Identity]
    x = torch.randn(2, 10, 16)
    assert model.core(x).shape == x.shape


@pytest.mark.parametrize(
    ("core", "sees"),
    [
        ("none", range(20, 21)),
        ("rnn", range(20, 40)),  # outputs at and after the position
        ("gru", range(20, 40)),
        ("lstm", range(20, 40)),
        ("bilstm", range(40)),
        ("dilated", range(5, 36)),  # 31 positions
        ("attention", range(40)),
    ],
)
def test_how_far_a_core_sees(core: str, sees: range) -> None:
    model = swap(core=core).double()
    x = torch.randn(1, 40, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    changed = x.clone()
    changed[0, 20, 3] += 1.0
    moved = (model.core(changed) - model.core(x))[0].abs().sum(1) > 0
    assert moved.nonzero().flatten().tolist() == list(sees)


def test_attention_tells_positions_apart() -> None:
    model = swap(core="attention", stem="none", head="global")
    motif_first, motif_last = torch.zeros(1, 40, dtype=torch.uint8), torch.zeros(1, 40, dtype=torch.uint8)
    motif_first[0, :3], motif_last[0, -3:] = 2, 2
    assert not torch.allclose(model(motif_first), model(motif_last), atol=1e-5)


def test_sines_by_hand() -> None:
    sines = position_sines(torch.zeros(2, 7, 6))
    assert sines.shape == (7, 6)
    for position in range(7):
        for i in range(3):
            angle = position / 10_000 ** (i / 3)
            assert sines[position, i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert sines[position, 3 + i].item() == pytest.approx(math.cos(angle), abs=1e-6)
    long = torch.zeros(1, 600, 6)  # bfloat16 holds no 257
    assert torch.equal(position_sines(long.bfloat16()), position_sines(long).bfloat16())


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    "options", [{}, {"stem": "none"}, {"head": "flatten", "layers": 2}, {"head": "attention", "pool": 3}], ids=str
)
def test_flops_agree_with_the_counter_of_torch(core: str, options: dict[str, Any]) -> None:
    model = swap(core=core, length=41, n_tasks=3, **options)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(codes(1, 41))
    uncounted = 0
    if core in ("lstm", "bilstm"):  # which the counter does not see into on the CPU
        layer = model.core.recurrent
        directions = 2 if core == "bilstm" else 1
        step = directions * 8 * layer.hidden_size * (16 + layer.hidden_size)
        uncounted = step * layer.num_layers * model.config.positions
    assert model.config.flops() == counter.get_total_flops() + uncounted


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("options", [{"head": "flatten"}, {"stem": "none", "head": "attention"}], ids=str)
def test_any_combination_runs_scripted_and_alone(core: str, options: dict[str, Any]) -> None:
    model, x = swap(core=core, n_tasks=2, **options), codes(5)
    logits = model(x)
    assert logits.shape == (5, 2)
    torch.testing.assert_close(torch.jit.script(model)(x), logits, rtol=0, atol=1e-6)
    torch.testing.assert_close(model(x[2:3]), logits[2:3], rtol=0, atol=1e-5)
    with torch.no_grad():  # where torch takes a fused path
        torch.testing.assert_close(model(x), logits, rtol=0, atol=1e-5)
    model.train()(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_heads_by_hand() -> None:
    x = codes(3)
    for head in ("flatten", "global", "attention"):
        model = swap(core="none", head=head)
        feature = model.stem((x.unsqueeze(1) == torch.arange(4, dtype=torch.uint8)[:, None]).float())  # (N, C, L)
        assert feature.shape == (3, 16, 10)
        if head == "flatten":
            pooled = feature.flatten(1)
        elif head == "global":
            pooled = feature.amax(2)
        else:
            weight = torch.softmax(model.pooling.score.weight[0] @ feature, dim=1)
            pooled = torch.einsum("ncl,nl->nc", feature, weight)
        torch.testing.assert_close(model(x), model.head(torch.relu(model.hidden(pooled))))


def test_a_stem_of_none_looks_at_single_bases_with_unit_variance() -> None:
    model = swap(stem="none", width=64)
    assert model.config.positions == 40
    assert model.stem[0].weight.shape == (64, 4, 1)
    assert model.stem[0].weight.var().item() == pytest.approx(1.0, abs=0.2)


def test_cores_of_the_default_width_are_of_one_size() -> None:
    def size(core: str) -> int:
        return sum(parameter.numel() for parameter in build("swap", length=81, core=core).core.parameters())

    assert size("lstm") == 4 * 64 * (64 + 64 + 2)
    for core in ("dilated", "attention"):
        assert abs(size(core) / size("lstm") - 1) < 0.03


@pytest.mark.parametrize("width", [2, 6, 33])
def test_widths_that_do_not_divide_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match=f"width={width} must be a multiple of 4"):
        build("swap", length=81, width=width)
