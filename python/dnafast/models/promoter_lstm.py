"""PromoterLSTM: a convolution in front of an LSTM, layer norm and attention pooling behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, kw_only=True)
class PromoterLSTMConfig(ModelConfig):
    """Options of PromoterLSTM.

    Attributes:
        hidden_dim: features of the LSTM, per direction, and channels of the convolution.
        num_layers: LSTM layers on top of each other.
        bidirectional: read the sequence in both directions.
        fc_hidden_dims: widths of the fully connected layers, none for a linear head.
        dropout: between LSTM layers, after pooling and after each fully connected layer.
        use_cnn: put the convolution in front; without it the LSTM reads the bases.
        cnn_kernel_size: bases that the convolution sees.
        use_layer_norm: normalise the LSTM's output at each position.
        pooling_strategy: how the states of all positions become one vector; "last" of a backward pass is position 0.
    """

    hidden_dim: int = 64
    num_layers: int = 2
    bidirectional: bool = True
    fc_hidden_dims: tuple[int, ...] = (64,)
    dropout: float = 0.3
    use_cnn: bool = True
    cnn_kernel_size: int = 7
    use_layer_norm: bool = True
    pooling_strategy: Pooling = "attention"

    @property
    def directions(self) -> int:
        """Reading directions."""
        return 2 if self.bidirectional else 1

    @property
    def features(self) -> int:
        """Features per position after the LSTM."""
        return self.directions * self.hidden_dim

    @property
    def lstm_inputs(self) -> int:
        """Channels that the LSTM reads."""
        return self.hidden_dim if self.use_cnn else 4

    def flops(self) -> int:
        """Operations of one sequence's forward pass."""
        convolution = convolution_flops(4, self.hidden_dim, self.cnn_kernel_size, self.length) if self.use_cnn else 0
        return (
            convolution
            + recurrent_flops(4, self.lstm_inputs, self.hidden_dim, self.num_layers, self.directions, self.length)
            + pooling_flops(self.pooling_strategy, self.features, self.length)
            + linear_flops(self.features, *self.fc_hidden_dims, self.n_tasks)
        )


class PromoterLSTM(Network):
    """Convolution -> LSTM -> layer norm -> pooling over positions -> fully connected -> head.

    Arguments and defaults are those of :class:`PromoterLSTMConfig`; ``length`` serves the count of operations, any
    length is taken.

    Raises:
        ValueError: an option is out of its range.
    """

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
        )
        super().__init__(config)
        # Shapes with the default options in the comments.
        self.convolution: nn.Module = nn.Identity()
        if config.use_cnn:
            self.convolution = nn.Sequential(
                SamePadConv1d(4, config.hidden_dim, config.cnn_kernel_size),  # (N, 64, L)
                nn.ReLU(),
            )
        self.recurrent = nn.LSTM(
            config.lstm_inputs,
            config.hidden_dim,
            num_layers=config.num_layers,
            batch_first=True,
            bidirectional=config.bidirectional,
            # Between layers: a single one has no between, and torch warns.
            dropout=config.dropout if config.num_layers > 1 else 0.0,
        )  # (N, L, 128)
        keras_start(self.recurrent)
        self.norm = nn.LayerNorm(config.features) if config.use_layer_norm else nn.Identity()
        self.pooling = position_pooling(config.pooling_strategy, config.hidden_dim, config.features)  # (N, 128)
        hidden: list[nn.Module] = [nn.Dropout(config.dropout)]
        inputs = config.features
        for outputs in config.fc_hidden_dims:
            hidden += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(config.dropout)]  # (N, 64)
            inputs = outputs
        self.hidden = nn.Sequential(*hidden)
        self.head = nn.Linear(inputs, config.n_tasks)

    @classmethod
    def from_config(cls, config: ModelConfig) -> PromoterLSTM:
        """The network that a configuration describes."""
        options = {name: getattr(config, name) for name in config.options()}
        return cls(**options, n_tasks=config.n_tasks, length=config.length)

    def forward(self, x: Tensor) -> Tensor:
        """One-hot (N, 4, L) or base codes uint8 (N, L) -> logits (N, T)."""
        x_NCL = one_hot_input(x, self.minimum_length, self.head.weight.dtype)
        state_NLH, _ = self.recurrent(self.convolution(x_NCL).transpose(1, 2))
        return self.head(self.hidden(self.pooling(self.norm(state_NLH))))
