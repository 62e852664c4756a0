"""dnafast.nn.RNN, LSTM and GRU are torch's, whatever they read and whoever computes it."""

from __future__ import annotations

import copy
import inspect
import io
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from dnafast.nn import GRU, LSTM, RNN, recurrent, replace

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")

CELLS = [(LSTM, nn.LSTM), (GRU, nn.GRU), (RNN, nn.RNN)]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"num_layers": 2, "bidirectional": True},
    {"bidirectional": True, "batch_first": False, "bias": False},
    {"num_layers": 3, "dropout": 0.5},
]
MANY = 40  # sequences, for the operator; one is left to torch where that is an LSTM


def random_codes(n: int, length: int = 11) -> Tensor:
    return torch.randint(0, 5, (n, length), generator=torch.Generator().manual_seed(n), dtype=torch.uint8)


def one_hot(codes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    return nn.functional.one_hot(codes.long(), 5)[..., :4].to(dtype)


def pair(cell: Any, inputs: int = 4, hidden: int = 7, **options: Any) -> tuple[Any, Any]:
    """A layer and torch's, with the same weights."""
    torch.manual_seed(0)
    options = {"batch_first": True, **options}
    layer, plain = cell[0](inputs, hidden, **options), cell[1](inputs, hidden, **options)
    layer.load_state_dict(plain.state_dict())
    return layer.eval(), plain.eval()


def flat(result: Any) -> list[Tensor]:
    output, state = result
    return [output, *(state if isinstance(state, tuple) else (state,))]


def assert_close(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    for one, other in zip(flat(found), flat(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def assert_near(found: Any, expected: Any) -> None:
    for one, other in zip(flat(found), flat(expected), strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0, atol=2e-2)


@pytest.fixture
def operator_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether each call went to the operator."""
    calls: list[bool] = []
    decide = recurrent._is_for_operator

    def noted(*arguments: Any) -> bool:
        calls.append(decide(*arguments))
        return calls[-1]

    monkeypatch.setattr(recurrent, "_is_for_operator", noted)
    return calls


@pytest.mark.parametrize("n", [1, MANY])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_outputs_states_and_gradients_are_those_of_torch(cell: Any, options: dict[str, Any], n: int) -> None:
    layer, plain = pair(cell, **options)
    codes = random_codes(n)
    if not layer.batch_first:
        codes = codes.T
    places = layer.num_layers * (2 if layer.bidirectional else 1)
    state = torch.randn(places, n, 7)
    first = (state, torch.randn(places, n, 7)) if cell[0] is LSTM else state
    for given in (None, first):
        expected = plain(one_hot(codes), given)
        gradient = [torch.randn_like(part) for part in flat(expected)]
        wanted = torch.autograd.grad(flat(expected), list(plain.parameters()), gradient)
        for x in (codes, one_hot(codes)):
            found = layer(x, given)
            assert_close(found, expected)
            gradients = torch.autograd.grad(flat(found), list(layer.parameters()), gradient)
            torch.testing.assert_close(gradients, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_dense_input_and_its_gradient(cell: Any, operator_calls: list[bool]) -> None:
    layer, plain = pair(cell, inputs=5)
    x = torch.randn(MANY, 9, 5, requires_grad=True)
    assert_close(layer(x), plain(x))
    assert operator_calls == [True]
    gradients = [torch.autograd.grad(module(x)[0].square().sum(), x)[0] for module in (layer, plain)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_a_relu_cell() -> None:
    layer, plain = pair((RNN, nn.RNN), nonlinearity="relu")
    codes = random_codes(MANY)
    assert_close(layer(codes), plain(one_hot(codes)))
    assert_close(torch.jit.script(layer)(codes), plain(one_hot(codes)))
    assert_close(torch.jit.script(layer.double())(codes), plain.double()(one_hot(codes, torch.float64)))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_dropout_is_between_layers_and_in_training_alone(cell: Any) -> None:
    layer, _ = pair(cell, num_layers=2, dropout=0.5)
    codes = random_codes(MANY)
    assert torch.equal(layer(codes)[0], layer(codes)[0])
    layer.train()
    assert not torch.equal(layer(codes)[0], layer(codes)[0])
    single = pair(cell)[0].train()
    assert torch.equal(single(codes)[0], single(codes)[0])
    layer.dropout = 0.999999
    # Nothing is left of the first layer: what all sequences have in common.
    torch.testing.assert_close(layer(codes)[0], layer(codes)[0][:1].expand(MANY, -1, -1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_what_the_operator_lacks_is_torchs(cell: Any, operator_calls: list[bool]) -> None:
    layer, plain = pair(cell)
    codes = random_codes(MANY)
    packed = pack_sequence(list(one_hot(codes)))
    found, expected = layer(packed)[0], plain(packed)[0]
    assert isinstance(found, PackedSequence)
    torch.testing.assert_close(found.data, expected.data)
    assert_close(layer(one_hot(codes)[0]), plain(one_hot(codes)[0]))  # unbatched
    layer, plain = layer.double(), plain.double()
    assert_close(layer(codes), plain(one_hot(codes, torch.float64)))
    assert not any(operator_calls)
    if cell[0] is LSTM:
        layer, plain = pair(cell, proj_size=3)
        assert_close(layer(codes), plain(one_hot(codes)))
        assert not any(operator_calls)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_bfloat16(cell: Any, operator_calls: list[bool]) -> None:
    layer, plain = pair(cell, hidden=8, num_layers=2)
    codes = random_codes(MANY)
    expected = plain(one_hot(codes))
    with torch.autocast("cpu", torch.bfloat16):
        for x in (codes, one_hot(codes), one_hot(codes).bfloat16()):
            assert layer(x)[0].dtype == torch.bfloat16
            assert_near(layer(x), expected)
    layer = layer.bfloat16()
    for x in (codes, one_hot(codes).bfloat16()):
        assert_near(layer(x), expected)
    assert all(operator_calls)
    with pytest.raises(ValueError, match="input has dtype float32: expected uint8 base codes or that of weight_ih"):
        layer(one_hot(codes))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_under_autocast_the_type_does_not_depend_on_who_is_called(cell: Any, operator_calls: list[bool]) -> None:
    layer = cell[0](4, 128, batch_first=True)
    codes = random_codes(64)
    with torch.autocast("cpu", torch.bfloat16):
        assert {part.dtype for n in (3, 64) for part in flat(layer(codes[:n]))} == {torch.bfloat16}
        torch.compiler.reset()
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        for one, other in zip(flat(compiled(codes)), flat(layer(codes)), strict=True):
            assert torch.equal(one, other)
    assert operator_calls[:2] == [False, True]
    with torch.autocast("cpu", torch.float16):
        if cell[0] is not LSTM:  # which torch cannot, on some processors
            assert layer(codes)[0].dtype in (torch.float16, torch.float32)
            assert not operator_calls[-1]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_weights_that_are_given_for_a_call(cell: Any, operator_calls: list[bool]) -> None:
    layer, plain = pair(cell, num_layers=2)
    codes = random_codes(MANY)
    weights = {name: torch.rand_like(value, requires_grad=True) - 0.5 for name, value in layer.state_dict().items()}
    found = torch.func.functional_call(layer, weights, (codes,))
    expected = torch.func.functional_call(plain, weights, (one_hot(codes),))
    assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found[0].sum(), list(weights.values())),
        torch.autograd.grad(expected[0].sum(), list(weights.values())),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert_close(layer(codes), plain(one_hot(codes)))  # its own again
    assert operator_calls == [True, True]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_parametrized_weights(cell: Any, operator_calls: list[bool]) -> None:
    layer, plain = pair(cell)
    for one in (layer, plain):
        nn.utils.parametrizations.weight_norm(one, "weight_hh_l0")
    codes = random_codes(MANY)
    assert_close(layer(codes), plain(one_hot(codes)))
    for network, x in ((layer, codes), (plain, one_hot(codes))):
        with torch.no_grad():
            network.parametrizations.weight_hh_l0.original0.mul_(3)
        network(x)[0].sum().backward()
    assert_close(layer(codes), plain(one_hot(codes)))
    for name in ("original0", "original1"):
        one, other = (getattr(network.parametrizations.weight_hh_l0, name).grad for network in (layer, plain))
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert all(operator_calls)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_states_of_another_number_of_layers(cell: Any) -> None:
    layer, _ = pair(cell)
    fits, more = torch.zeros(1, MANY, 7), torch.zeros(2, MANY, 7)
    codes = random_codes(MANY)
    for state in ((more, more), (fits, more)) if cell[0] is LSTM else (more,):
        with pytest.raises(ValueError, match=r"hx has shape .*\b2, 40, 7.*: expected \(1, sequences, 7\), \(layers"):
            layer(codes, state)


def test_projections_in_a_script() -> None:
    layer, plain = pair((LSTM, nn.LSTM), proj_size=3)
    codes = random_codes(MANY)
    assert_close(torch.jit.script(layer)(codes), plain(one_hot(codes)))


@pytest.mark.parametrize(
    ("cell", "hidden", "n", "trains", "native"),
    [
        (LSTM, 7, 7, True, False),
        (LSTM, 7, 8, True, True),
        (LSTM, 33, 15, True, False),
        (LSTM, 33, 16, True, True),
        (LSTM, 65, 31, False, False),
        (LSTM, 65, 32, False, True),
        (LSTM, 321, 64, False, False),
        (GRU, 7, 1, True, True),
        (GRU, 101, 3, True, False),
        (GRU, 101, 4, True, True),
        (RNN, 7, 1, False, True),
        (RNN, 101, 3, False, False),
    ],
)
def test_torch_is_called_where_the_operator_is_no_gain(
    cell: Any, hidden: int, n: int, trains: bool, native: bool, operator_calls: list[bool]
) -> None:
    layer = cell(4, hidden, batch_first=True)
    with torch.set_grad_enabled(trains):
        layer(random_codes(n))
    assert operator_calls == [native]


@pytest.mark.parametrize(("hidden", "fewest"), [(8, 16), (64, 16), (65, 64)])
def test_in_bfloat16_torchs_lstm_is_faster_as_well(hidden: int, fewest: int, operator_calls: list[bool]) -> None:
    layer = LSTM(4, hidden, batch_first=True)
    half = copy.deepcopy(layer).bfloat16()
    for n in (fewest - 1, fewest):
        half(random_codes(n))
        with torch.autocast("cpu", torch.bfloat16):
            layer(random_codes(n))
    assert operator_calls == [False, False, True, True]


@pytest.mark.parametrize("options", OPTIONS[:4], ids=str)
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_every_way_to_run(cell: Any, options: dict[str, Any]) -> None:
    layer, plain = pair(cell, **options)
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(layer), file)
    file.seek(0)
    loaded = torch.jit.load(file)
    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for n in (1, MANY):
        codes = random_codes(n) if layer.batch_first else random_codes(n).T
        expected = plain(one_hot(codes))
        for x in (codes, one_hot(codes)):
            assert_close(loaded(x), expected)
            if n == MANY:
                assert_close(compiled(x), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's list of weights
        program = torch.export.export(layer, (codes,))
    assert "dnafast." in program.graph_module.code
    assert_close(program.module()(codes), expected)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_replaced_where_it_stands(cell: Any) -> None:
    _, plain = pair(cell, num_layers=2)
    model = nn.ModuleList([copy.deepcopy(plain), cell[1](4, 3)])
    told: list[str] = []
    replace(model, told_of=told.append)
    assert [type(layer) for layer in model] == [cell[0], cell[0]]
    assert told[0] == f"0 is now dnafast.nn.{cell[0].__name__}(4, 7, num_layers=2, batch_first=True)"
    codes = random_codes(MANY)
    for x in (codes, one_hot(codes)):
        assert_close(model[0](x), plain(one_hot(codes)))
    assert list(model[0].state_dict()) == list(plain.state_dict())


def test_projections_are_left_alone() -> None:
    layer = nn.LSTM(4, 5, proj_size=2)
    assert type(replace(layer)) is nn.LSTM


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
def test_the_constructor_is_torchs(cell: Any) -> None:
    torch.manual_seed(3)
    plain = cell[1](4, 5, 2)
    torch.manual_seed(3)
    layer = cell[0](4, 5, 2)
    torch.testing.assert_close(layer.state_dict(), plain.state_dict(), rtol=0, atol=0)
    assert repr(layer) == repr(plain)
    assert inspect.signature(cell[0]).parameters.keys() >= {"input_size", "hidden_size", "num_layers", "bidirectional"}
    assert_close(copy.deepcopy(layer)(one_hot(random_codes(3))), plain(one_hot(random_codes(3))))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[0].__name__)
@pytest.mark.parametrize(
    ("inputs", "codes", "message"),
    [
        (5, random_codes(MANY), "this layer has 5 input features, and needs 4 to read them"),
        (4, random_codes(MANY) + 5, "expected base codes 0 to 3 (A C G T) or 4 (unknown)"),
        (4, random_codes(1) + 5, "expected base codes 0 to 3 (A C G T) or 4 (unknown)"),
    ],
)
def test_bad_input_is_told_in_one_sentence(cell: Any, inputs: int, codes: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        cell[0](inputs, 7, batch_first=True)(codes)
    assert "\n" not in str(caught.value)
