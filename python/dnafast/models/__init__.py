"""The networks, each a configuration and a module, and how to build one by name.

    model = dnafast.models.build("danq", length=1000, n_tasks=919)
    model.config.encoding      # what it takes
    model.config.flops()       # operations per sequence

The linear models to beat are in :mod:`dnafast.models.floors`.
"""

from __future__ import annotations

from typing import Any

from dnafast.models.basset import Basset, BassetConfig
from dnafast.models.config import ModelConfig, suggestion
from dnafast.models.danq import DanQ, DanQConfig
from dnafast.models.deepbind import DeepBind, DeepBindConfig
from dnafast.models.deepsea import DeepSEA, DeepSEAConfig
from dnafast.models.kmer_cnn import KmerCNN, KmerCNNConfig
from dnafast.models.kmer_rnn import KmerRNN, KmerRNNConfig
from dnafast.models.layers import Network
from dnafast.models.multiscale_cnn import MultiscaleCNN, MultiscaleCNNConfig
from dnafast.models.promoter_lstm import PromoterLSTM, PromoterLSTMConfig
from dnafast.models.recurrent import (
    BiGRUConfig,
    BiLSTMConfig,
    BiRNNConfig,
    GRUConfig,
    LSTMConfig,
    Recurrent,
    RNNConfig,
)
from dnafast.models.swap import Swap, SwapConfig
from dnafast.models.user import UserConfig

# A new network is one file and one line here.
MODELS: dict[str, tuple[type[ModelConfig], type[Network]]] = {
    "rnn": (RNNConfig, Recurrent),
    "lstm": (LSTMConfig, Recurrent),
    "gru": (GRUConfig, Recurrent),
    "birnn": (BiRNNConfig, Recurrent),
    "bilstm": (BiLSTMConfig, Recurrent),
    "bigru": (BiGRUConfig, Recurrent),
    "kmer_rnn": (KmerRNNConfig, KmerRNN),
    "deepbind": (DeepBindConfig, DeepBind),
    "kmer_cnn": (KmerCNNConfig, KmerCNN),
    "multiscale_cnn": (MultiscaleCNNConfig, MultiscaleCNN),
    "deepsea": (DeepSEAConfig, DeepSEA),
    "basset": (BassetConfig, Basset),
    "danq": (DanQConfig, DanQ),
    "promoter_lstm": (PromoterLSTMConfig, PromoterLSTM),
    "swap": (SwapConfig, Swap),
}

__all__ = [
    "MODELS",
    "ModelConfig",
    "Network",
    "PromoterLSTM",
    "Specification",
    "build",
    "config_class",
    "count_parameters",
    "implementations",
    "matched",
    "module_class",
    "name_of",
    "names",
    "parse",
]


def names() -> tuple[str, ...]:
    """Names of all networks."""
    return tuple(MODELS)


def implementations(name: str) -> tuple[str, ...]:
    """Implementations of a network, "torch" first.

    Raises:
        ValueError: no network has that name.
    """
    return _entry(name)[0].implementations


def config_class(name: str) -> type[ModelConfig]:
    """The configuration of a network.

    Raises:
        ValueError: no network has that name.
    """
    return _entry(name)[0]


def name_of(config: ModelConfig) -> str:
    """The name of the network that a configuration describes; "path/my.py:Net" for one of a user's file."""
    return config.name if isinstance(config, UserConfig) else _row(config)[0]


def module_class(config: ModelConfig) -> type[Network]:
    """The module that a configuration of the zoo describes."""
    return _row(config)[1]


def build(name: str, *, length: int, n_tasks: int = 1, implementation: str = "torch", **options: Any) -> Network:
    """A network with fresh weights from torch's random state.

    Args:
        name: one of :func:`names`.
        length: bases per sequence.
        n_tasks: logits per sequence.
        implementation: one of :func:`implementations`.
        options: fields of the network's configuration.

    Raises:
        ValueError: the name, an option or its value does not exist; the message lists what does.
    """
    config_class, module_class = _entry(name)
    known = config_class.options()
    for option in options:
        if option not in known:
            raise ValueError(
                f"{name} has no option {option!r}{suggestion(option, known)} (options: {', '.join(known)})"
            )
    config = config_class(length=length, n_tasks=n_tasks, implementation=implementation, **options)
    return module_class.from_config(config)


def _entry(name: str) -> tuple[type[ModelConfig], type[Network]]:
    if name not in MODELS:
        raise ValueError(f"no model is called {name!r}{suggestion(name, MODELS)} (models: {', '.join(MODELS)})")
    return MODELS[name]


def _row(config: ModelConfig) -> tuple[str, type[Network]]:
    return next((name, module) for name, (kind, module) in MODELS.items() if kind is type(config))


# Last: these ask for the networks above.
from dnafast.models.matching import count_parameters, matched  # noqa: E402
from dnafast.models.specification import Specification, parse  # noqa: E402
