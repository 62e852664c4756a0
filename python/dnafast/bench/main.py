"""The command line of the bench: options in, folder with the report out, exit code back."""

from __future__ import annotations

import sys

from rich.console import Console

from dnafast.bench import options as bench_options

# What a user's input can raise while options are read and data prepared; anything else is our mistake and keeps its
# traceback.
_USER_ERRORS = (ValueError, OSError)


def main(arguments: list[str] | None = None, program: str = "python -m dnafast.bench") -> int:
    """Run the bench.

    Returns:
        0 where every run finished; 1 where a run failed (its row in runs.csv says why); 2 for unusable input, with one
        sentence on standard error and nothing written; 130 after Ctrl-C (started again, the bench goes on).
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = bench_options.parse(arguments, program)
    console = Console(highlight=False)
    try:
        bench_options.check(options)
        # Torch is imported here, after the command line has been read, so that --help answers at once.
        from dnafast.bench.experiment import Experiment

        experiment = Experiment.prepare(options, console, arguments)
    except _USER_ERRORS as error:
        return _fail(error)
    except KeyboardInterrupt:
        return _interrupted(program)
    if options.plan:
        return 0
    try:
        return experiment.run()
    except OSError as error:
        # A full disk, say: what was finished before is whole, and the rest can follow.
        return _fail(error)
    except KeyboardInterrupt:
        return _interrupted(program)


def _fail(error: Exception) -> int:
    """Print a user's mistake as one sentence."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    print(f"dnafast: {message}", file=sys.stderr)
    return 2


def _interrupted(program: str) -> int:
    print(
        f"\ndnafast: stopped; finished runs are kept, and '{program}' with the same options goes on.", file=sys.stderr
    )
    return 130
