"""Layers with the constructors, outputs and ``state_dict`` of ``torch.nn`` that take base codes as well.

    layer = dnafast.nn.Conv1d(4, 128, 24, relu=True, pool=-1)   # a torch.nn.Conv1d, with what mostly follows it
    model = dnafast.nn.replace(model)                           # the layers of a model of your own, exchanged in place

Where the native operators are slower than torch, a layer calls torch.
"""

from dnafast.nn.conv1d import Conv1d
from dnafast.nn.recurrent import GRU, LSTM, RNN
from dnafast.nn.replacing import replace

__all__ = ["GRU", "LSTM", "RNN", "Conv1d", "replace"]
