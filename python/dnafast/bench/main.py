"""The command line of the bench: options in, folder with the report out, exit code back."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from dnafast.bench import options as bench_options
from dnafast.bench.failure import USER_ERRORS, fail

if TYPE_CHECKING:
    from dnafast.bench.data_path.run import DataPath
    from dnafast.bench.experiment import Experiment
    from dnafast.bench.probing import Probe

_WHERE_MEMORY_IS_SHORT = "use fewer or shorter windows, or a larger machine"


def main(arguments: list[str] | None = None, program: str = "python -m dnafast.bench") -> int:
    """Run the bench.

    Returns:
        0 where every run finished; 1 where one failed (its row in runs.csv or data_path.csv says why); 2 for unusable
        input, with one sentence on standard error and nothing written; 130 after Ctrl-C (started again, a comparison
        goes on).
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal or a pipe that cannot show a letter shows a question mark in its place.
        sys.stdout.reconfigure(errors="replace")
    options = bench_options.parse(arguments, program)
    # What users name (files, tasks) is shown as it is: it is no markup.
    console = Console(highlight=False, markup=False, emoji=False)
    try:
        bench_options.check_arguments(arguments)
        bench_options.check(options)
        bench = _prepared(options, console, arguments)
    except USER_ERRORS as error:
        return fail(error, _WHERE_MEMORY_IS_SHORT)
    except KeyboardInterrupt:
        return _interrupted(options, program)
    if options.plan:
        return 0
    try:
        return bench.run()
    except (OSError, MemoryError) as error:
        # A full disk, say: what was finished before is whole, and the rest can follow.
        return fail(error, _WHERE_MEMORY_IS_SHORT)
    except KeyboardInterrupt:
        return _interrupted(options, program)


def _prepared(
    options: bench_options.BenchOptions, console: Console, arguments: list[str]
) -> Experiment | DataPath | Probe:
    """What is to be run, imported after the command line has been read, so that --help answers at once.

    Torch takes seconds to load, and only a comparison of networks needs it.
    """
    if options.only == "data":
        from dnafast.bench.data_path.run import DataPath

        return DataPath.prepare(options, console, arguments)
    if options.probe:
        from dnafast.bench.probing import Probe

        return Probe.prepare(options, console, arguments)
    from dnafast.bench.experiment import Experiment

    return Experiment.prepare(options, console, arguments)


def _interrupted(options: bench_options.BenchOptions, program: str) -> int:
    if options.only == "data":
        print("\ndnafast: stopped; nothing was written.", file=sys.stderr)
        return 130
    print(
        f"\ndnafast: stopped; finished runs are kept, and '{program}' with the same options goes on.", file=sys.stderr
    )
    return 130
