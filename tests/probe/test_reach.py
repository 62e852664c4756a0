"""The reach of gradients against Jacobians that autograd takes one by one, and against the product written by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from dnafast.models import PromoterLSTM
from dnafast.probe.reach import horizon, input_reach, state_reach, summarised, what_the_recurrence_reads

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def recurrent(cell, inputs=4, hidden=5, seed=0):
    torch.manual_seed(seed)
    return CELLS[cell](inputs, hidden, batch_first=True).double()


def brute_force(layer, inputs, distance):
    """Spectral norm of dh_T/ds_(T-d) of one sequence (L, C), by torch's Jacobian of a function of the state alone."""
    is_lstm, hidden, begin = isinstance(layer, nn.LSTM), layer.hidden_size, len(inputs) - distance
    zero = torch.zeros(1, 1, hidden, dtype=inputs.dtype)
    with torch.no_grad():
        _, state = layer(inputs[None, :begin], (zero, zero) if is_lstm else zero)

    def last(flat):
        parts = flat.view(-1, 1, 1, hidden).unbind()
        return layer(inputs[None, begin:], parts if is_lstm else parts[0])[0][0, -1]

    flat = torch.cat([part.flatten() for part in (state if is_lstm else [state])])
    return torch.linalg.matrix_norm(torch.autograd.functional.jacobian(last, flat), ord=2).item()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("sequences", "length"), [(1, 2), (3, 9)])
def test_state_reach_is_the_norm_of_the_jacobian(cell, sequences, length):
    layer = recurrent(cell)
    inputs = torch.randn(sequences, length, 4, dtype=torch.float64)
    found = state_reach(layer, inputs)
    assert found.shape == (sequences, length)
    np.testing.assert_allclose(found[:, 0], 1)
    for row in range(sequences):
        wanted = [brute_force(layer, inputs[row], distance) for distance in range(1, length)]
        np.testing.assert_allclose(found[row, 1:], wanted, rtol=1e-9)


def test_state_reach_of_a_vanilla_rnn_is_the_product_of_its_steps():
    layer = recurrent("rnn", hidden=4)
    inputs = torch.randn(1, 12, 4, dtype=torch.float64)
    states = layer(inputs)[0][0].detach()
    product, wanted = torch.eye(4, dtype=torch.float64), [1.0]
    for position in range(11, 0, -1):
        product = product @ torch.diag(1 - states[position] ** 2) @ layer.weight_hh_l0.detach()
        wanted.append(torch.linalg.matrix_norm(product, ord=2).item())
    np.testing.assert_allclose(state_reach(layer, inputs)[0], wanted, rtol=1e-10)


def test_an_orthogonal_recurrence_without_input_keeps_the_gradient_and_a_small_one_loses_it():
    layer = recurrent("rnn", hidden=6)
    nothing = torch.zeros(2, 40, 4, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        nn.init.orthogonal_(layer.weight_hh_l0)
    np.testing.assert_allclose(state_reach(layer, nothing), 1)
    with torch.no_grad():
        layer.weight_hh_l0 *= 0.5
    np.testing.assert_allclose(state_reach(layer, nothing), np.tile(0.5 ** np.arange(40), (2, 1)))


def test_one_position_is_the_state_itself_and_frozen_weights_have_a_reach_too():
    layer = recurrent("gru").requires_grad_(False)
    np.testing.assert_array_equal(state_reach(layer, torch.randn(2, 1, 4, dtype=torch.float64)), [[1.0], [1.0]])
    with torch.no_grad():
        assert (state_reach(layer, torch.randn(2, 5, 4, dtype=torch.float64)) > 0).all()


@pytest.mark.parametrize("options", [{"num_layers": 2}, {"bidirectional": True}])
def test_more_than_one_chain_is_refused(options):
    with pytest.raises(ValueError, match="one layer and one direction"):
        state_reach(nn.GRU(4, 3, batch_first=True, **options), torch.zeros(1, 3, 4))
    with pytest.raises(ValueError, match="no position"):
        state_reach(nn.GRU(4, 3, batch_first=True), torch.zeros(1, 0, 4))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_input_reach_is_the_gradient_by_finite_differences_and_leaves_the_model_as_it_was(direction):
    torch.manual_seed(0)
    model = PromoterLSTM(
        4, 1, bidirectional=False, fc_hidden_dims=[3], pooling_strategy="last", cell="rnn", direction=direction
    ).double()
    model.train()
    x = torch.eye(4, dtype=torch.float64)[torch.randint(0, 4, (2, 7))].transpose(1, 2)
    found = input_reach(model, x)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    wanted = np.zeros((2, 4, 7))
    for channel in range(4):
        for position in range(7):
            change = torch.zeros_like(x)
            change[:, channel, position] = 1e-6
            with torch.no_grad():
                wanted[:, channel, position] = ((model(x + change) - model(x - change)) / 2e-6)[:, 0].numpy()
    np.testing.assert_allclose(found, np.linalg.norm(wanted, axis=1), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("use_cnn", [False, True])
def test_what_the_recurrence_reads_is_what_the_network_gives_it(direction, use_cnn):
    model = PromoterLSTM(4, 1, bidirectional=False, use_cnn=use_cnn, direction=direction).eval()
    x = torch.eye(4)[torch.randint(0, 4, (2, 9))].transpose(1, 2)
    seen = []
    model.recurrent.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model(x)
    torch.testing.assert_close(what_the_recurrence_reads(model, x), seen[0])


def test_summaries_are_geometric_and_survive_a_zero():
    found = summarised(np.array([[1.0, 4.0], [1.0, 1.0], [1.0, 0.25]]))
    np.testing.assert_allclose(found[0], [1, 1, 1])
    np.testing.assert_allclose(found[1], [1, 4.0**-0.8, 4.0**0.8])
    assert all(np.isfinite(summarised(np.array([[0.0], [1.0]]))[0]))


def test_the_horizon_is_the_last_distance_before_the_first_small_norm():
    assert horizon([1, 0.5, 0.02, 0.009, 0.5]) == 2
    assert horizon([1, 1, 1]) == 2
    assert horizon([0.001]) == -1
