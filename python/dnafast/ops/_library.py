"""Loads the native operator library, once."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

_NAME = "libdnafast_ops.dylib" if sys.platform == "darwin" else "libdnafast_ops.so"


def library_path() -> Path:
    """Where the operator library lies: beside the package, or in one of its folders where it is installed editable.

    C++ programs load this file before they load an exported model.

    Raises:
        ImportError: the library is missing.
    """
    import dnafast

    for folder in dnafast.__path__:
        path = Path(folder) / _NAME
        if path.is_file():
            return path
    raise ImportError(
        f"dnafast's operator library {_NAME} is missing from {' and '.join(dnafast.__path__)}: "
        "reinstall the package with 'pip install --force-reinstall --no-deps .' from its folder"
    )


torch.ops.load_library(library_path())


def told(error: RuntimeError) -> Exception:
    """An error of an operator as its docstring has it: torch 2.15 hands on what was refused as RuntimeError."""
    return ValueError(str(error)) if str(error) == torch.ops.dnafast.last_refusal() else error
