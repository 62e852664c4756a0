"""The ``dnafast`` command."""

from __future__ import annotations

import sys

from dnafast.threads import set_spin_policy

_USAGE = """usage: dnafast COMMAND ...

commands:
  bench      compare recurrent and convolutional networks on DNA (dnafast bench --help)
  check      try on a network, your own or one of dnafast's, what every network promises
  --version  print the version
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        return _main(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        # Pressed while modules were loading; later ones are told by the command.
        print("\ndnafast: stopped.", file=sys.stderr)
        return 130


def _main(arguments: list[str]) -> int:
    # Before anything loads torch.
    set_spin_policy()
    match arguments:
        case ["--version"]:
            import dnafast

            print(f"dnafast {dnafast.__version__}")
            return 0
        case ["bench", *rest]:
            from dnafast.bench.main import main as bench

            return bench(rest, program="dnafast bench")
        case ["check", *rest]:
            from dnafast.commands.check import main as check

            return check(rest, program="dnafast check")
        case ["-h" | "--help"]:
            print(_USAGE, end="")
            return 0
        case []:
            print(_USAGE, end="", file=sys.stderr)
            return 2
        case [unknown, *_]:
            print(
                f"dnafast: unknown command {unknown!r}: there are bench and check (and --version, --help)",
                file=sys.stderr,
            )
            return 2
    return 2
