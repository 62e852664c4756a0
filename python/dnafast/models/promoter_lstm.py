"""PromoterLSTM: a convolution in front of an LSTM, layer norm and attention pooling behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from dnafast.models.config import ModelConfig, Pooling
from dnafast.models.layers import (
    Network,
    SamePadConv1d,
    convolution_flops,
    keras_start,
    linear_flops,
    one_hot_input,
    pooling_flops,
    position_pooling,
    recurrent_flops,
)
from dnafast.models.recurrent import CELLS, GATES

Cell = Literal["lstm", "gru", "rnn", "none"]
Direction = Literal["forward", "backward"]
Start = Literal["keras", "torch"]


@dataclass(frozen=True, kw_only=True)
class PromoterLSTMConfig(ModelConfig):
    """Options of PromoterLSTM.

    Attributes:
        hidden_dim: features of the recurrent layers, per direction, and channels of the convolution.
        num_layers: recurrent layers on top of each other.
        bidirectional: read the sequence in both directions.
        fc_hidden_dims: widths of the fully connected layers, none for a linear head.
        dropout: between recurrent layers, after pooling and after each fully connected layer.
        use_cnn: put the convolution in front; without it the recurrent layers read the bases.
        cnn_kernel_size: bases that the convolution sees.
        use_layer_norm: normalise the recurrent output at each position.
        pooling_strategy: how the states of all positions become one vector; "last" of a backward pass is position 0.
        cell: LSTM, GRU, vanilla RNN (tanh), or none: then norm and pooling see what the recurrent layers would read,
            and num_layers, bidirectional and start have nothing to act on.
        direction: from which end a network of one direction reads; what "last" means follows it.
        start: of the recurrent layers: "keras" is that of all networks here (orthogonal recurrence, a forget gate that
            remembers, inputs scaled to what they read), "torch" leaves torch's (all uniform within 1 / √hidden_dim).
    """

    widths: ClassVar[Mapping[str, int]] = {"hidden_dim": 1, "fc_hidden_dims": 1}

    hidden_dim: int = 64
    num_layers: int = 2
    bidirectional: bool = True
    fc_hidden_dims: tuple[int, ...] = (64,)
    dropout: float = 0.3
    use_cnn: bool = True
    cnn_kernel_size: int = 7
    use_layer_norm: bool = True
    pooling_strategy: Pooling = "attention"
    cell: Cell = "lstm"
    direction: Direction = "forward"
    start: Start = "keras"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.direction == "backward" and self.directions == 2:
            raise ValueError("direction='backward' needs bidirectional=False: in both directions there is no other one")

    @property
    def directions(self) -> int:
        """Reading directions."""
        return 2 if self.bidirectional and self.cell != "none" else 1

    @property
    def features(self) -> int:
        """Features per position after the recurrent layers."""
        return self.recurrent_inputs if self.cell == "none" else self.directions * self.hidden_dim

    @property
    def recurrent_inputs(self) -> int:
        """Channels that the recurrent layers read."""
        return self.hidden_dim if self.use_cnn else 4

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        convolution = convolution_flops(4, self.hidden_dim, self.cnn_kernel_size, self.length) if self.use_cnn else 0
        recurrent = 0
        if self.cell != "none":
            gates, inputs = GATES[self.cell], self.recurrent_inputs
            recurrent = recurrent_flops(gates, inputs, self.hidden_dim, self.num_layers, self.directions, self.length)
        return (
            convolution
            + recurrent
            + pooling_flops(self.pooling_strategy, self.features, self.length)
            + linear_flops(self.features, *self.fc_hidden_dims, self.n_tasks)
        )


class PromoterLSTM(Network):
    """Convolution -> LSTM -> layer norm -> pooling over positions -> fully connected -> head.

    The convolution takes less than a twentieth of the time, and a native one was no gain: there is none.
    Arguments and defaults are those of :class:`PromoterLSTMConfig`; ``length`` serves the count of operations, any
    length is taken. What the options cell, direction, start and pooling_strategy do not name starts from a seed with
    the same weights whatever they are, as long as its shape is the same.

    Raises:
        ValueError: an option is out of its range.
    """

    __constants__ = ("backward", "recurs")  # so that TorchScript leaves out what does not happen

    def __init__(
        self,
        hidden_dim: int = PromoterLSTMConfig.hidden_dim,
        num_layers: int = PromoterLSTMConfig.num_layers,
        bidirectional: bool = PromoterLSTMConfig.bidirectional,
        fc_hidden_dims: Sequence[int] = PromoterLSTMConfig.fc_hidden_dims,
        dropout: float = PromoterLSTMConfig.dropout,
        use_cnn: bool = PromoterLSTMConfig.use_cnn,
        cnn_kernel_size: int = PromoterLSTMConfig.cnn_kernel_size,
        use_layer_norm: bool = PromoterLSTMConfig.use_layer_norm,
        pooling_strategy: Pooling = PromoterLSTMConfig.pooling_strategy,
        n_tasks: int = PromoterLSTMConfig.n_tasks,
        *,
        cell: Cell = PromoterLSTMConfig.cell,
        direction: Direction = PromoterLSTMConfig.direction,
        start: Start = PromoterLSTMConfig.start,
        length: int = 81,
    ) -> None:
        config = PromoterLSTMConfig(
            length=length,
            n_tasks=n_tasks,
            hidden_dim=hidden_dim,
            num_layers=num_layers,
            bidirectional=bidirectional,
            fc_hidden_dims=tuple(fc_hidden_dims),
            dropout=dropout,
            use_cnn=use_cnn,
            cnn_kernel_size=cnn_kernel_size,
            use_layer_norm=use_layer_norm,
            pooling_strategy=pooling_strategy,
            cell=cell,
            direction=direction,
            start=start,
        )
        super().__init__(config)
        # Shapes with the default options in the comments.
        self.convolution: nn.Module = nn.Identity()
        if config.use_cnn:
            self.convolution = nn.Sequential(
                SamePadConv1d(4, config.hidden_dim, config.cnn_kernel_size),  # (N, 64, L)
                nn.ReLU(),
            )
        self.norm = nn.LayerNorm(config.features) if config.use_layer_norm else nn.Identity()
        hidden: list[nn.Module] = [nn.Dropout(config.dropout)]
        inputs = config.features
        for outputs in config.fc_hidden_dims:
            hidden += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(config.dropout)]  # (N, 64)
            inputs = outputs
        self.hidden = nn.Sequential(*hidden)
        self.head = nn.Linear(inputs, config.n_tasks)
        # Last, as these are exchanged: what stands around them has drawn its weights.
        self.backward = config.direction == "backward"
        read_forward = 0 if self.backward else config.features // config.directions
        self.pooling = position_pooling(config.pooling_strategy, read_forward, config.features)  # (N, 128)
        self.recurs = config.cell != "none"
        self.recurrent: nn.Module = nn.Identity()
        if config.cell != "none":
            self.recurrent = CELLS[config.cell](
                config.recurrent_inputs,
                config.hidden_dim,
                num_layers=config.num_layers,
                batch_first=True,
                bidirectional=config.bidirectional,
                # Between layers: a single one has no between, and torch warns.
                dropout=config.dropout if config.num_layers > 1 else 0.0,
            )  # (N, L, 128)
            if config.start == "keras":
                keras_start(self.recurrent)

    @classmethod
    def from_config(cls, config: ModelConfig) -> PromoterLSTM:
        """The network that a configuration describes."""
        options = {name: getattr(config, name) for name in config.options()}
        return cls(**options, n_tasks=config.n_tasks, length=config.length)

    def forward(self, x: Tensor) -> Tensor:
        """One-hot (N, 4, L) or base codes uint8 (N, L) -> logits (N, T)."""
        x_NCL = one_hot_input(x, self.minimum_length, self.head.weight.dtype)
        state_NLH = self.convolution(x_NCL).transpose(1, 2)
        if self.recurs:
            if self.backward:
                state_NLH, _ = self.recurrent(state_NLH.flip([1]))
                state_NLH = state_NLH.flip([1])
            else:
                state_NLH, _ = self.recurrent(state_NLH)
        return self.head(self.hidden(self.pooling(self.norm(state_NLH))))
