"""``torch.nn.RNN``, ``LSTM`` and ``GRU`` over base codes or dense input.

Letters of shapes: N sequences, L length, C input features, H hidden units, D directions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

import dnafast.ops  # noqa: F401  (loads torch.ops.dnafast)
from dnafast.nn.bases import one_hot

_LSTM_LIMITS = ("narrow", "fewest_narrow", "middling", "fewest_middling", "fewest_wide", "fewest_bfloat16", "widest")


def _joined(weights: list[Tensor], layer: int, directions: int, biases: bool) -> list[Tensor]:
    """weight_ih (D, G * H, C), weight_hh, and bias_ih and bias_hh where there are, of one layer."""
    each = 4 if biases else 2
    joined: list[Tensor] = []
    for part in range(each):
        first = weights[layer * directions * each + part]
        if directions == 1:
            joined.append(first.unsqueeze(0))  # a view: nothing is copied
        else:
            joined.append(torch.stack([first, weights[layer * directions * each + each + part]]))
    return joined


def _dense(layer_input: Tensor, dtype: torch.dtype) -> Tensor:
    """What torch's layer reads: one-hot (N, L, 4) of base codes (N, L), other input as it is."""
    if layer_input.dtype == torch.uint8 and layer_input.dim() == 2:
        return one_hot(layer_input, dtype).transpose(1, 2)
    return layer_input


def _check_state(name: str, state: Tensor, weight: Tensor, places: int) -> None:
    if state.dim() == 3 and state.size(0) != places:
        raise ValueError(
            f"{name} has shape {state.shape}: expected ({places}, sequences, {weight.size(1)}), (layers * directions, "
            "sequences, hidden)"
        )


def _is_packed(input: Any) -> bool:
    return isinstance(input, PackedSequence)


def _check_codes(input: Tensor, input_size: int) -> None:
    if input.dtype == torch.uint8 and input.dim() == 2 and input_size != 4:
        raise ValueError(
            f"input of shape {input.shape} holds base codes: this layer has {input_size} input features, and needs 4 "
            "to read them"
        )


def _has_its_numbers(tensor: Tensor) -> bool:
    """Whether the operator is for them. Of one type they must be all, unless autocast makes them so."""
    return tensor.dtype == torch.float32 or tensor.dtype == torch.bfloat16


def _autocast_dtype(weight: Tensor) -> torch.dtype | None:
    """What autocast on the CPU makes of a layer that the operator could run."""
    if weight.device.type != "cpu" or not _has_its_numbers(weight) or not torch.is_autocast_enabled("cpu"):
        return None
    return torch.get_autocast_dtype("cpu")


def _typed_as_by_the_operator(output: Tensor, weight: Tensor) -> Tensor:
    """What torch computed: its GRU leaves float32 under autocast, and the type must not depend on who was called."""
    return output.to(torch.bfloat16) if _autocast_dtype(weight) == torch.bfloat16 else output


def _is_for_operator(
    input: Tensor, hx: Tensor | None, weight: Tensor, batch_first: bool, lacks: bool, fewest: int
) -> bool:
    """Whether the operator has what is asked for, and is faster at it than torch."""
    if not _has_its_numbers(weight) or weight.device.type != "cpu" or lacks:
        return False
    codes = input.dtype == torch.uint8 and input.dim() == 2
    if not codes and (input.dim() != 3 or not _has_its_numbers(input)):
        return False
    if hx is not None and (hx.dim() != 3 or not _has_its_numbers(hx)):
        return False
    return input.size(0 if batch_first else 1) >= fewest


class _Recurrent(nn.RNNBase):
    """What the three layers share."""

    if TYPE_CHECKING:
        _flat_weights: list[Any]

    def _weights(self) -> list[Tensor]:
        """As they are now: torch's list of them is older where a parametrization or functional_call gives others."""
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            return [getattr(self, name) for name in self._flat_weights_names]
        return self._flat_weights


class LSTM(_Recurrent):
    """``torch.nn.LSTM`` with the same arguments, outputs and ``state_dict``, which reads base codes too.

    Base codes are uint8 (N, L), or (L, N) without ``batch_first``; an unknown base adds nothing but the biases. Torch
    is called for what the operator does not have (projections, packed and unbatched sequences, float64 and float16,
    CUDA) or does more slowly (few sequences, very wide layers). Under autocast to bfloat16 what comes out is bfloat16,
    whoever was called; autocast to float16 is torch's.
    """

    # Sequences from which on the operator is faster, to predict and to train; it computes 16 at once, and one costs as
    # much as 16. Measured on one and two threads of a shared x86-64 server with AVX-512 BF16, torch 2.13, hidden 16 to
    # 320, L 81 and 600. In bfloat16, where both are faster, it takes more. GRU and RNN, below, were always faster, in
    # bfloat16 too, but for one or two sequences of wide layers.
    narrow = 32  # hidden units up to which the fewest are enough
    fewest_narrow = 8
    middling = 64
    fewest_middling = 16
    fewest_wide = 32
    fewest_bfloat16 = 64  # of wide ones; of others as many as of middling ones
    widest = 320  # hidden units above which torch is not slower, for any number of sequences
    __constants__ = [*nn.LSTM.__constants__, *_LSTM_LIMITS]  # noqa: RUF012

    # torch.compile refuses whatever is a torch.nn.LSTM: this is not, and takes from it what makes one.
    check_forward_args = nn.LSTM.check_forward_args  # type: ignore[assignment]
    get_expected_cell_size = nn.LSTM.get_expected_cell_size
    permute_hidden = nn.LSTM.permute_hidden  # type: ignore[assignment]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device,
            dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Base codes uint8 (N, L) or what ``torch.nn.LSTM`` takes -> output (N, L, D * H), (h_n, c_n).

        Raises:
            ValueError: codes for a layer of other than four input features, a code above 4, or shapes that do not fit.
        """
        if not torch.jit.is_scripting() and _is_packed(input):  # type: ignore[attr-defined]
            return cast("Any", nn.LSTM).forward(self, input, hx)
        _check_codes(input, self.input_size)
        weights = self._weights()
        weight = weights[0]
        bfloat16 = weight.dtype == torch.bfloat16
        lacks = self.proj_size > 0 or self.hidden_size > self.widest
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            autocast_dtype = _autocast_dtype(weight)
            bfloat16 = bfloat16 or autocast_dtype == torch.bfloat16
            lacks = lacks or autocast_dtype == torch.float16
        if self.hidden_size > self.middling:
            fewest = self.fewest_bfloat16 if bfloat16 else self.fewest_wide
        elif self.hidden_size > self.narrow or bfloat16:
            fewest = self.fewest_middling
        else:
            fewest = self.fewest_narrow
        state = None if hx is None else hx[0]
        if not _is_for_operator(input, state, weight, self.batch_first, lacks, fewest):
            return self._in_torch(input, hx)
        x = input if self.batch_first else input.transpose(0, 1)
        directions = 2 if self.bidirectional else 1
        if hx is not None:
            for each in hx:
                _check_state("a state of hx", each, weights[1], self.num_layers * directions)
        h_n: list[Tensor] = []
        c_n: list[Tensor] = []
        for layer in range(self.num_layers):
            parts = _joined(weights, layer, directions, self.bias)
            bias_ih: Tensor | None = None
            bias_hh: Tensor | None = None
            h_0: Tensor | None = None
            c_0: Tensor | None = None
            if self.bias:
                bias_ih, bias_hh = parts[2], parts[3]
            if hx is not None:
                first, last = layer * directions, (layer + 1) * directions
                h_0, c_0 = hx[0][first:last], hx[1][first:last]
            if layer > 0 and self.dropout > 0.0:
                x = functional.dropout(x, self.dropout, self.training)
            x, h, c = torch.ops.dnafast.lstm(x, parts[0], parts[1], bias_ih, bias_hh, h_0, c_0)
            h_n.append(h)
            c_n.append(c)
        return x if self.batch_first else x.transpose(0, 1), (torch.cat(h_n), torch.cat(c_n))

    def _in_torch(self, input: Tensor, hx: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        weight = self._flat_weights[0]
        x = _dense(input, weight.dtype)
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            found, (h_n, c_n) = cast("Any", nn.LSTM).forward(self, x, hx)
            of_cell = (_typed_as_by_the_operator(h_n, weight), _typed_as_by_the_operator(c_n, weight))
            return _typed_as_by_the_operator(found, weight), of_cell
        places = self.num_layers * (2 if self.bidirectional else 1)
        n = x.size(0 if self.batch_first else 1)
        out = self.proj_size if self.proj_size > 0 else self.hidden_size
        if hx is None:
            zeros = torch.zeros([places, n, out], dtype=weight.dtype, device=weight.device)
            hx = (zeros, torch.zeros([places, n, self.hidden_size], dtype=weight.dtype, device=weight.device))
        output, h, c = torch.lstm(
            x, [hx[0], hx[1]], self._flat_weights, self.bias, self.num_layers, float(self.dropout), self.training,
            self.bidirectional, self.batch_first,
        )  # fmt: skip
        return output, (h, c)


class _OneState(_Recurrent):
    """What GRU and RNN share: the way to the operator and to torch, each of which the cell itself calls."""

    narrow = 100  # hidden units up to which one sequence is enough
    fewest_wide = 4

    if TYPE_CHECKING:  # of the cell

        def _operator(
            self, x: Tensor, parts: list[Tensor], bias_ih: Tensor | None, bias_hh: Tensor | None, h_0: Tensor | None
        ) -> tuple[Tensor, Tensor]: ...

        def _scripted(self, x: Tensor, hx: Tensor) -> tuple[Tensor, Tensor]: ...

        def _of_torch(self, input: Any, hx: Tensor | None) -> tuple[Any, Tensor]: ...

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Base codes uint8 (N, L) or what torch's layer takes -> output (N, L, D * H), h_n.

        Raises:
            ValueError: codes for a layer of other than four input features, a code above 4, or shapes that do not fit.
        """
        if not torch.jit.is_scripting() and _is_packed(input):  # type: ignore[attr-defined]
            return self._of_torch(input, hx)
        _check_codes(input, self.input_size)
        fewest = 1 if self.hidden_size <= self.narrow else self.fewest_wide
        weights = self._weights()
        lacks = False
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            lacks = _autocast_dtype(weights[0]) == torch.float16
        if not _is_for_operator(input, hx, weights[0], self.batch_first, lacks, fewest):
            return self._in_torch(input, hx)
        x = input if self.batch_first else input.transpose(0, 1)
        directions = 2 if self.bidirectional else 1
        if hx is not None:
            _check_state("hx", hx, weights[1], self.num_layers * directions)
        h_n: list[Tensor] = []
        for layer in range(self.num_layers):
            parts = _joined(weights, layer, directions, self.bias)
            bias_ih: Tensor | None = None
            bias_hh: Tensor | None = None
            h_0: Tensor | None = None
            if self.bias:
                bias_ih, bias_hh = parts[2], parts[3]
            if hx is not None:
                h_0 = hx[layer * directions : (layer + 1) * directions]
            if layer > 0 and self.dropout > 0.0:
                x = functional.dropout(x, self.dropout, self.training)
            x, h = self._operator(x, parts, bias_ih, bias_hh, h_0)
            h_n.append(h)
        return x if self.batch_first else x.transpose(0, 1), torch.cat(h_n)

    def _in_torch(self, input: Tensor, hx: Tensor | None) -> tuple[Tensor, Tensor]:
        weight = self._flat_weights[0]
        x = _dense(input, weight.dtype)
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            output, h_n = self._of_torch(x, hx)
            return _typed_as_by_the_operator(output, weight), _typed_as_by_the_operator(h_n, weight)
        if hx is None:
            places = self.num_layers * (2 if self.bidirectional else 1)
            n = x.size(0 if self.batch_first else 1)
            hx = torch.zeros([places, n, self.hidden_size], dtype=weight.dtype, device=weight.device)
        return self._scripted(x, hx)


class GRU(_OneState):
    """``torch.nn.GRU`` with the same arguments, outputs and ``state_dict``, which reads base codes too; see `LSTM`."""

    __constants__ = [*nn.GRU.__constants__, "narrow", "fewest_wide"]  # noqa: RUF012

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )

    def _of_torch(self, input: Any, hx: Tensor | None) -> tuple[Any, Tensor]:
        return cast("Any", nn.GRU).forward(self, input, hx)

    def _operator(
        self, x: Tensor, parts: list[Tensor], bias_ih: Tensor | None, bias_hh: Tensor | None, h_0: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        return torch.ops.dnafast.gru(x, parts[0], parts[1], bias_ih, bias_hh, h_0)

    def _scripted(self, x: Tensor, hx: Tensor) -> tuple[Tensor, Tensor]:
        return torch.gru(
            x, hx, self._flat_weights, self.bias, self.num_layers, float(self.dropout), self.training,
            self.bidirectional, self.batch_first,
        )  # fmt: skip


class RNN(_OneState):
    """``torch.nn.RNN`` with the same arguments, outputs and ``state_dict``, which reads base codes too; see `LSTM`."""

    __constants__ = [*nn.RNN.__constants__, "narrow", "fewest_wide"]  # noqa: RUF012

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity={nonlinearity!r} must be 'tanh' or 'relu'")
        self.nonlinearity = nonlinearity
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )

    def _of_torch(self, input: Any, hx: Tensor | None) -> tuple[Any, Tensor]:
        return cast("Any", nn.RNN).forward(self, input, hx)

    def _operator(
        self, x: Tensor, parts: list[Tensor], bias_ih: Tensor | None, bias_hh: Tensor | None, h_0: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        return torch.ops.dnafast.rnn(x, parts[0], parts[1], bias_ih, bias_hh, h_0, self.mode == "RNN_RELU")

    def _scripted(self, x: Tensor, hx: Tensor) -> tuple[Tensor, Tensor]:
        if self.mode == "RNN_RELU":
            return torch.rnn_relu(
                x, hx, self._flat_weights, self.bias, self.num_layers, float(self.dropout), self.training,
                self.bidirectional, self.batch_first,
            )  # fmt: skip
        return torch.rnn_tanh(
            x, hx, self._flat_weights, self.bias, self.num_layers, float(self.dropout), self.training,
            self.bidirectional, self.batch_first,
        )  # fmt: skip
