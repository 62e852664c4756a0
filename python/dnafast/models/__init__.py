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

# A new network is one file and one line here.
MODELS: dict[str, tuple[type[ModelConfig], type[Network]]] = {
    "rnn": (RNNConfig, Recurrent),
    "lstm": (LSTMConfig, Recurrent),
    "gru": (GRUConfig, Recurrent),
    "birnn": (BiRNNConfig, Recurrent),
    "bilstm": (BiLSTMConfig, Recurrent),
    "bigru": (BiGRUConfig, Recurrent),
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
    "implementations",
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


# Last: a specification asks for the networks above.
from dnafast.models.specification import Specification, parse  # noqa: E402
