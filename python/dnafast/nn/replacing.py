"""The layers of a model exchanged for those of this package, in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import nn

from dnafast.nn.conv1d import Conv1d
from dnafast.nn.recurrent import GRU, LSTM, RNN

Model = TypeVar("Model", bound=nn.Module)

_RECURRENT: dict[type[nn.Module], type[nn.Module]] = {nn.LSTM: LSTM, nn.GRU: GRU, nn.RNN: RNN}


def replace(model: Model, told_of: Callable[[str], None] | None = None) -> Model:
    """Exchange layers of a model for the native ones that there are, in place.

    A layer stays the same object, with its parameters, buffers, hooks and place: optimisers, ``state_dict`` and
    attributes that hold it go on as before, and so do its numbers, up to rounding. Those that read one-hot then take
    base codes uint8 (N, L) besides.

    Exchanged are convolutions of four input channels, one group and padding by zeros, and recurrent layers without
    projections. Layers of subclasses, and those that were parametrised, are left alone, as somebody has given them
    another meaning.

    Args:
        model: a model of your own, or one layer.
        told_of: called with a sentence for each layer that is exchanged, such as ``print``.

    Returns:
        The model itself.

    Raises:
        TypeError: it is no ``torch.nn.Module``.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    for name, module in model.named_modules():
        if type(module) is nn.Conv1d and Conv1d.can_replace(module):
            Conv1d.take_over(module)
        elif type(module) in _RECURRENT and not module.proj_size:
            module.__class__ = _RECURRENT[type(module)]
        else:
            continue
        if told_of is not None:
            told_of(f"{name or 'the model'} is now dnafast.nn.{module}")
    return model
