"""How a command tells of a mistake in its input."""

from __future__ import annotations

import sys

USER_ERRORS = (ValueError, OSError, MemoryError)
"""What a user's input can raise; anything else is our mistake and keeps its traceback."""


def fail(error: Exception) -> int:
    """Print a user's mistake as one sentence; returns the exit code."""
    message = str(error)
    if type(error) is MemoryError:
        message = f"there is not enough memory for this{f' ({message})' if message else ''}"
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    print(f"dnafast: {message}", file=sys.stderr)
    return 2
