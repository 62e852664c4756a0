"""Arguments of a wrong type, told in one sentence that names the argument, its value and what would be right."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Any


def check_whole(argument: str, value: Any) -> int:
    """The value as a plain int; TypeError where it is no whole number."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{argument}={value!r} must be a whole number") from None


def check_path(argument: str, value: str | os.PathLike[str]) -> Path:
    """The value as a path; TypeError where it is none."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{argument}={value!r} must be the path of a file: a str or a pathlib.Path")
    return Path(value)


def check_encoding(encoding: Any) -> None:
    """Raise TypeError for what is no encoding, or the class of one in place of an object."""
    if isinstance(encoding, type) or not hasattr(encoding, "native"):
        raise TypeError(f"encoding={encoding!r} must be an encoding, such as OneHot(), BaseCodes() or Kmers(6)")
