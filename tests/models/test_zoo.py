"""Every network and implementation keeps the same contract."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dnafast import BaseCodes, Kmers, OneHot, contract, encode, models
from dnafast.models.layers import recurrent_flops

ENTRIES = [(name, implementation) for name in models.names() for implementation in models.implementations(name)]
RECURRENT = ("rnn", "lstm", "gru", "birnn", "bilstm", "bigru")

# Widths of the published networks, reduced so that a step takes milliseconds.
SMALL: dict[str, dict[str, Any]] = {
    "deepsea": {"filters": (32, 32, 32), "hidden": 32},
    "basset": {"filters": (32, 32, 32), "hidden": (32, 32)},
    "danq": {"filters": 32, "hidden": 32, "fc_hidden": 32},
    "kmer_cnn": {"embedding_dim": 16, "filters": 32},
    "kmer_rnn": {"embedding_dim": 16, "hidden": 32},
    "multiscale_cnn": {"filters": 8},
    "deepbind": {"filters": 32},
    "swap": {"width": 32, "hidden": 32},
    **{name: {"hidden": 32} for name in RECURRENT},
}
LENGTH = 60


def small(name: str, implementation: str = "torch", *, seed: int = 0, **options: Any) -> models.Network:
    torch.manual_seed(seed)
    options = {"length": LENGTH, "n_tasks": 2, **SMALL.get(name, {}), **options}
    return models.build(name, implementation=implementation, **options)


def random_codes(n: int, length: int = LENGTH, seed: int = 0) -> Tensor:
    """Base codes with an N now and then."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 4, (n, length), generator=generator, dtype=torch.uint8)
    return codes.masked_fill(torch.rand(n, length, generator=generator) < 0.03, 4)


def encoded(codes: Tensor, encoding: Any) -> Tensor:
    """What the data path gives the network for these base codes."""
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)[codes.numpy()]
    return torch.from_numpy(np.asarray(encode(letters, encoding)))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Steps of milliseconds gain nothing from a second thread and lose much beside busy neighbours."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=ENTRIES, ids=lambda entry: "-".join(entry))
def entry(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.mark.parametrize("promise", contract.PROMISES)
def test_promises(entry: tuple[str, str], promise: str) -> None:
    """Shapes, gradients, TorchScript, save and load, a tiny fit and the others, each with its own sentence."""

    def build(length: int, n_tasks: int) -> models.Network:
        name, implementation = entry
        options = SMALL.get(name, {})
        return models.build(name, length=length, n_tasks=n_tasks, implementation=implementation, **options)

    length = 30 if promise == "planted motif" else LENGTH
    contract.PROMISES[promise](contract.Subject(build, length, 2, 0))


def test_its_configuration_says_what_was_asked_for(entry: tuple[str, str]) -> None:
    model = small(*entry, n_tasks=3).eval()
    assert model(random_codes(5)).shape == (5, 3)
    assert dataclasses.is_dataclass(model.config)
    assert (model.config.length, model.config.n_tasks, model.config.implementation) == (LENGTH, 3, entry[1])


def test_double_precision(entry: tuple[str, str]) -> None:
    model, codes = small(*entry).eval(), random_codes(3)
    single = model(codes)
    double = model.double()(codes)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single, rtol=1e-4, atol=1e-5)


def test_base_codes_equal_the_encoding(entry: tuple[str, str]) -> None:
    model, codes = small(*entry).eval(), random_codes(4)
    x = encoded(codes, model.config.encoding)
    torch.testing.assert_close(model(x), model(codes), rtol=0, atol=0)


def test_encoding_is_what_the_implementation_eats(entry: tuple[str, str]) -> None:
    name, implementation = entry
    expected = BaseCodes() if implementation == "native" else OneHot("NCL", "float32")
    assert small(*entry).config.encoding == (Kmers(6) if name.startswith("kmer_") else expected)


def test_scripted_takes_base_codes_too(entry: tuple[str, str]) -> None:
    model, codes = small(*entry).eval(), random_codes(4)
    torch.testing.assert_close(torch.jit.script(model)(codes), model(codes), rtol=0, atol=1e-6)


def test_any_implementation_takes_the_weights_of_any_other(entry: tuple[str, str]) -> None:
    model, codes = small(*entry).eval(), random_codes(4)
    for implementation in models.implementations(entry[0]):
        other = small(entry[0], implementation, seed=1).eval()
        assert not torch.allclose(other(codes), model(codes))
        other.load_state_dict(model.state_dict())
        torch.testing.assert_close(other(codes), model(codes), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [1, 3, 5, 7, 22])
def test_short_sequences_are_padded_with_n(entry: tuple[str, str], length: int) -> None:
    model, codes = small(*entry, length=length).eval(), random_codes(3, length)
    missing = max(0, model.config.minimum_length - length)
    padded = nn.functional.pad(codes, [missing // 2, missing - missing // 2], value=4)
    assert padded.shape[1] == model.config.padded_length
    logits = model(codes)
    torch.testing.assert_close(logits, model(padded), rtol=0, atol=0)
    torch.testing.assert_close(logits, model(encoded(codes, model.config.encoding)), rtol=0, atol=0)


def test_minimum_length_is_the_shortest_possible(entry: tuple[str, str]) -> None:
    model = small(*entry).eval()
    model.minimum_length = 1
    shortest = model.config.minimum_length
    if shortest > 1:
        flat = small(*entry, length=1).eval()
        assert flat(random_codes(2, shortest)).shape == (2, 2)
        for module in flat.modules():
            if hasattr(module, "minimum_length"):
                module.minimum_length = 1
        with pytest.raises((RuntimeError, ValueError, IndexError)):
            flat(random_codes(2, shortest - 1))


def test_flops_agree_with_the_counter_of_torch(entry: tuple[str, str]) -> None:
    name, implementation = entry
    if implementation == "native":
        # The operator is no convolution to the counter; the architecture is the same.
        assert small(name, implementation).config.flops() == small(name).config.flops()
        return
    model = small(name).eval()
    with FlopCounterMode(display=False) as counter:
        model(random_codes(1))
    # The counter does not see into an LSTM on the CPU: its part is reckoned by hand.
    lstm = 0
    for module in model.modules():
        if isinstance(module, nn.LSTM):
            positions = getattr(model.config, "positions", LENGTH)
            directions = 2 if module.bidirectional else 1
            inputs = module.input_size
            for _ in range(module.num_layers):
                lstm += positions * directions * 8 * module.hidden_size * (inputs + module.hidden_size)
                inputs = directions * module.hidden_size
    assert model.config.flops() == counter.get_total_flops() + lstm


def test_flops_of_recurrent_layers_by_hand() -> None:
    # One step of a bidirectional GRU of two features over three inputs: 2 directions, 3 gates, 2 x (3 + 2) products.
    assert recurrent_flops(3, 3, 2, layers=1, directions=2, positions=1) == 2 * 3 * 2 * (3 + 2) * 2
    # The second layer reads both directions of the first.
    second = 2 * 3 * 2 * (4 + 2) * 2
    assert recurrent_flops(3, 3, 2, layers=2, directions=2, positions=5) == 5 * (120 + second)


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_recurrent_pooling(name: str, pooling: str) -> None:
    model = small(name, pooling=pooling, layers=2).eval()
    codes = random_codes(3)
    state, last = model.recurrent(model_input(codes))
    hidden = last[0] if isinstance(last, tuple) else last
    expected = {
        "mean": state.mean(1),
        "max": state.max(1).values,
        # What torch itself calls the final state of each direction of the last layer.
        "last": torch.cat(list(hidden[-model.config.directions :]), dim=1),
    }
    if pooling == "attention":
        weight = torch.softmax(state @ model.pooling.score.weight[0], dim=1)
        expected["attention"] = torch.einsum("nl,nlh->nh", weight, state)
    torch.testing.assert_close(model(codes), model.head(expected[pooling]))


def model_input(codes: Tensor) -> Tensor:
    return (codes.unsqueeze(2) == torch.arange(4, dtype=torch.uint8)).float()


def test_deepbind_can_pool_the_mean_beside_the_maximum() -> None:
    codes = random_codes(4)
    plain, native = (small("deepbind", kind, pooling="max_mean").eval() for kind in ("torch", "native"))
    assert plain.hidden.in_features == 64
    torch.testing.assert_close(native(codes), plain(codes), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.jit.script(native)(codes), plain(codes), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [*RECURRENT, "danq", "promoter_lstm"])
def test_recurrent_layers_start_orthogonal_and_remembering(name: str) -> None:
    recurrent = small(name).recurrent
    hidden = recurrent.hidden_size
    for gate in recurrent.weight_hh_l0.split(hidden):
        torch.testing.assert_close(gate @ gate.T, torch.eye(hidden), rtol=0, atol=1e-5)
    bias = recurrent.bias_ih_l0 + recurrent.bias_hh_l0
    forget = slice(hidden, 2 * hidden) if recurrent.mode == "LSTM" else slice(0, 0)
    assert (bias[forget] == 1).all()
    assert bias.sum() == bias[forget].sum()


def test_longer_sequences_than_built_for() -> None:
    codes = random_codes(2, 200)
    for name in models.names():
        model = small(name, length=180).eval()
        if name in ("deepsea", "basset", "danq"):
            with pytest.raises(ValueError, match="takes sequences of the length it was built with"):
                model(random_codes(2, 400))
        else:
            assert model(codes).shape == (2, 2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bilsm", {}, "no model is called 'bilsm', did you mean 'bilstm'.*deepbind"),
        ("lstm", {"hiden": 3}, "lstm has no option 'hiden', did you mean 'hidden'.*pooling"),
        ("lstm", {"hidden": 0}, "hidden=0 must be a whole number of at least 1"),
        ("lstm", {"hidden": 2.5}, "hidden=2.5 must be a whole number"),
        ("lstm", {"hidden": True}, "hidden=True must be a whole number"),
        ("lstm", {"dropout": 1.0}, "dropout=1.0 must be a probability"),
        ("lstm", {"pooling": "maxx"}, "pooling='maxx' must be one of last, mean, max, attention, did you mean 'max'"),
        ("lstm", {"length": 0}, "length=0 must be"),
        ("lstm", {"implementation": "natve"}, "implementation='natve' must be one of torch"),
        ("deepbind", {"implementation": "natve"}, "one of torch, native, did you mean 'native'"),
        ("deepsea", {"filters": (1, 2)}, r"filters=\(1, 2\) must hold 3 numbers"),
        ("deepsea", {"filters": 3}, "filters=3 must be a tuple"),
        ("danq", {"dropout": (0.1, 2)}, r"dropout\[1\]=2 must be a probability"),
        ("promoter_lstm", {"use_cnn": "no"}, "use_cnn='no' must be True or False"),
        ("multiscale_cnn", {"kernel_sizes": ()}, "kernel_sizes=.* must hold at least one"),
    ],
)
def test_what_does_not_exist_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.build(name, **{"length": 81, **options})


def test_unknown_names_are_refused_everywhere() -> None:
    with pytest.raises(ValueError, match="no model is called 'transformer'"):
        models.implementations("transformer")


@pytest.mark.parametrize(
    ("name", "implementation", "x", "message"),
    [
        ("lstm", "torch", torch.zeros(2, 60, 4), "must be one-hot"),
        ("lstm", "torch", torch.zeros(2, 60, dtype=torch.int64), "must be one-hot"),
        ("deepbind", "native", torch.zeros(2, 4, 60), "must be base codes"),
    ],
)
def test_other_input_is_refused(name: str, implementation: str, x: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(name, implementation)(x)


def test_configurations_compare_and_cannot_change() -> None:
    config = models.build("promoter_lstm", length=np.int64(81), fc_hidden_dims=[8, 4]).config
    assert config == models.build("promoter_lstm", length=81, fc_hidden_dims=(8, 4)).config
    assert type(config.length) is int
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.length = 3
