"""How a command tells of a mistake in its input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

USER_ERRORS = (ValueError, OSError, MemoryError)
"""What a user's input can raise; anything else is our mistake and keeps its traceback."""


def carry_out(work: Callable[[], Iterable[str]]) -> int:
    """Print the lines of what a command does, which writes all of its result or nothing.

    Returns:
        0 where it was done; 2 for unusable input, with one sentence on standard error; 130 after Ctrl-C.
    """
    try:
        for line in work():
            print(line)
    except USER_ERRORS as error:
        return fail(error)
    except KeyboardInterrupt:
        print("\ndnafast: stopped; nothing was written.", file=sys.stderr)
        return 130
    return 0


def fail(error: Exception, way_out: str = "") -> int:
    """Print a user's mistake as one sentence; returns the exit code.

    Args:
        error: one of `USER_ERRORS`.
        way_out: what helps where memory is short.
    """
    message = str(error)
    if type(error) is MemoryError:
        needed = f" ({message})" if message else ""
        message = f"there is not enough memory for this{needed}{f': {way_out}' if way_out else ''}"
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    print(f"dnafast: {message}", file=sys.stderr)
    return 2
