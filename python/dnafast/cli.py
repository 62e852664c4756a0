"""The ``dnafast`` command."""

from __future__ import annotations

import sys

from dnafast.threads import set_spin_policy

_USAGE = """usage: dnafast COMMAND ...

commands:
  bench      compare recurrent and convolutional networks on DNA (dnafast bench --help)
  train      one network, left ready to predict (dnafast train --help)
  predict    a trained network over a genome, its regions, or sequences (dnafast predict --help)
  check      what every network promises, tried on one of yours or of dnafast's (dnafast check --help)
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
        case ["train", *rest]:
            from dnafast.commands.train import main as train

            return train(rest, program="dnafast train")
        case ["predict", *rest]:
            from dnafast.commands.predict import main as predict

            return predict(rest, program="dnafast predict")
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
            there = "there are bench, train, predict and check (and --version, --help)"
            print(f"dnafast: unknown command {unknown!r}: {there}", file=sys.stderr)
            return 2
    return 2
