"""Native operators over base codes; ``torch.ops.dnafast`` behind plain functions.

Importing this package loads the operator library and registers its autograd, ``torch.compile`` and CUDA halves.
"""

from dnafast.ops._library import library_path, told
from dnafast.ops.conv1d import conv1d
from dnafast.ops.gru import gru
from dnafast.ops.lstm import lstm
from dnafast.ops.rnn import rnn

__all__ = ["conv1d", "gru", "instruction_set", "library_path", "lstm", "rnn"]


def instruction_set() -> str:
    """Name of the instruction set that the operators run with: baseline, avx2 or avx512.

    The best that the processor offers; the environment variable ``DNAFAST_ISA`` forces another, before the first call.

    Raises:
        ValueError: ``DNAFAST_ISA`` is unknown or beyond this processor.
    """
    import torch

    try:
        name: str = torch.ops.dnafast.instruction_set()
    except RuntimeError as error:
        raise told(error) from None
    return name
