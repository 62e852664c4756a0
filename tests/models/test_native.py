"""Networks with native layers: the same network, read from base codes."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dnafast import models

NATIVE = [name for name in models.names() if "native" in models.implementations(name)]
OPTIONS: dict[str, dict[str, Any]] = {
    "basset": {"filters": (32, 8, 8), "hidden": (8, 8)},
    "danq": {"filters": 32, "hidden": 8, "fc_hidden": 8},
    "deepbind": {"filters": 32, "hidden": 8},
    "deepsea": {"filters": (32, 8, 8), "hidden": 8},
    "multiscale_cnn": {"filters": 8, "hidden": 8, "kernel_sizes": (3, 8, 19)},
    "kmer_rnn": {"embedding_dim": 8, "hidden": 8},
    "promoter_lstm": {"hidden_dim": 8, "fc_hidden_dims": (8,)},
    "swap": {"width": 16, "hidden": 8},
    **{name: {"hidden": 8} for name in ("rnn", "lstm", "gru", "birnn", "bilstm", "bigru")},
}
OTHERS = [
    ("multiscale_cnn", {"blocks": 1}),
    ("multiscale_cnn", {"pool": 1}),
    ("swap", {"stem": "none", "core": "dilated"}),
    ("swap", {"pool": 1, "kernel_size": 8}),
    ("swap", {"core": "none", "head": "flatten"}),
    ("swap", {"core": "bilstm", "layers": 2}),
    ("swap", {"core": "gru"}),
    ("deepbind", {"pooling": "max_mean"}),
    ("bigru", {"layers": 2, "pooling": "last"}),
    ("kmer_rnn", {"stride": 3, "cell": "lstm"}),
    ("promoter_lstm", {"use_cnn": False}),
    ("promoter_lstm", {"use_cnn": False, "bidirectional": False, "direction": "backward", "pooling_strategy": "last"}),
    ("promoter_lstm", {"cell": "none", "cnn_kernel_size": 8}),
]
CASES = [*((name, {}) for name in NATIVE), *OTHERS]
LENGTH = 120


def pair(name: str, options: dict[str, Any]) -> list[models.Network]:
    """The network in torch and native, from one seed and without dropout."""
    networks = []
    for implementation in ("torch", "native"):
        torch.manual_seed(0)
        given = {**OPTIONS[name], **options}
        network = models.build(name, length=LENGTH, n_tasks=2, implementation=implementation, **given)
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            if isinstance(module, nn.RNNBase):
                module.dropout = 0.0
        networks.append(network)
    return networks


def random_codes(n: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 5, (n, LENGTH), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_these_have_one() -> None:
    assert sorted(OPTIONS) == sorted(NATIVE)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_both_train_alike_and_agree_before_and_after(name: str, options: dict[str, Any]) -> None:
    plain, native = networks = pair(name, options)
    assert list(plain.state_dict()) == list(native.state_dict())
    torch.testing.assert_close(native.state_dict(), plain.state_dict(), rtol=0, atol=0)
    for network in networks:
        network.double()  # batch norm over few sequences makes much of a little
    optimisers = [torch.optim.SGD(network.parameters(), 0.05) for network in networks]
    for step in range(3):
        gradients = []
        for network, optimiser in zip(networks, optimisers, strict=True):
            optimiser.zero_grad()
            network(random_codes(6, step)).square().sum().backward()
            gradients.append([parameter.grad.clone() for parameter in network.parameters()])
            optimiser.step()
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)
    # Running means of batch norm have moved.
    native.load_state_dict(plain.state_dict())
    for network in networks:
        network.float().eval()
    for codes in (random_codes(17), random_codes(1), random_codes(0)[:0] if name == "deepbind" else random_codes(2)):
        torch.testing.assert_close(native(codes), plain(codes), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_gradients_in_evaluation_mode(name: str, options: dict[str, Any]) -> None:
    plain, native = pair(name, options)
    native.load_state_dict(plain.state_dict())
    gradients = []
    for network in (plain, native):
        network.eval()
        network(random_codes(12)).square().sum().backward()
        gradients.append({name: parameter.grad for name, parameter in network.named_parameters()})
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NATIVE)
def test_exported_and_autocast(name: str) -> None:
    plain, native = pair(name, {})
    native.load_state_dict(plain.state_dict())
    plain.eval()
    native.eval()
    codes = random_codes(12)
    expected = plain(codes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's recurrent layers
        program = torch.export.export(native, (codes,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    assert "dnafast." in program.graph_module.code
    torch.testing.assert_close(program.module()(codes), expected, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        found = native(codes)
    torch.testing.assert_close(found.float(), expected, rtol=5e-2, atol=5e-2)
    half = native.bfloat16()
    torch.testing.assert_close(half(codes), plain.bfloat16()(codes), rtol=1e-1, atol=1e-1)


@pytest.mark.parametrize("name", ["basset", "multiscale_cnn"])
def test_batch_norm_is_not_put_into_weights_that_are_rounded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, native = pair(name, {})
    native.eval()
    codes = random_codes(12)

    def refused(*_: Any) -> None:
        raise AssertionError("folded")

    monkeypatch.setattr(f"dnafast.models.{name}.with_norm", refused)
    with pytest.raises(AssertionError, match="folded"):
        native(codes)
    with torch.autocast("cpu", torch.bfloat16):
        assert native(codes).dtype == torch.bfloat16
    assert native.bfloat16()(codes).dtype == torch.bfloat16


@pytest.mark.parametrize("name", NATIVE)
def test_compiled_without_a_break(name: str) -> None:
    _, native = pair(name, {})
    native.eval()
    codes = random_codes(12)
    torch.compiler.reset()
    compiled = torch.compile(native, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(codes), native(codes), rtol=1e-5, atol=1e-5)
