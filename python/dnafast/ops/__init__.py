"""Native operators over base codes; ``torch.ops.dnafast`` behind plain functions.

Importing this package loads the operator library and registers its autograd, ``torch.compile`` and CUDA halves.
"""

from dnafast.ops._library import library_path, told
from dnafast.ops.conv1d import conv1d
from dnafast.ops.gru import gru
from dnafast.ops.lstm import lstm
from dnafast.ops.rnn import rnn

__all__ = ["conv1d", "gru", "instruction_set", "library_path", "lstm", "multiplies_bfloat16", "rnn"]


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


def multiplies_bfloat16() -> bool:
    """Whether recurrent operators multiply bfloat16 as such: the processor has AVX512_BF16, and nothing forbids it.

    Raises:
        ValueError: as `instruction_set`.
    """
    import torch

    try:
        does: bool = torch.ops.dnafast.multiplies_bfloat16()
    except RuntimeError as error:
        raise told(error) from None
    return does
