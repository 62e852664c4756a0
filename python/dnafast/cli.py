"""The ``dnafast`` command."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from importlib import import_module

from dnafast.threads import set_spin_policy

# Each is a module with ``main(arguments, program)``, loaded when it is asked for: --help answers at once.
_COMMANDS = {
    "bench": ("dnafast.bench.main", "compare recurrent and convolutional networks on DNA"),
    "train": ("dnafast.commands.train", "one network, left ready to predict"),
    "predict": ("dnafast.commands.predict", "a trained network over a genome, its regions, or sequences"),
    "export": ("dnafast.commands.export", "a trained network as one file, for Python or C++"),
    "pretrain": ("dnafast.commands.pretrain", "vectors of k-mers from sequence without labels"),
    "check": ("dnafast.commands.check", "what every network promises, tried on one of yours or of dnafast's"),
}


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
        case ["-h" | "--help"]:
            print(_usage(), end="")
            return 0
        case []:
            print(_usage(), end="", file=sys.stderr)
            return 2
        case [name, *rest] if name in _COMMANDS:
            command: Callable[..., int] = import_module(_COMMANDS[name][0]).main
            return command(rest, program=f"dnafast {name}")
        case [unknown, *_]:
            close = difflib.get_close_matches(unknown, _COMMANDS, n=1)
            meant = f", did you mean {close[0]!r}?" if close else ""
            print(
                f"dnafast: unknown command {unknown!r}{meant} (commands: {', '.join(_COMMANDS)}; --version, --help)",
                file=sys.stderr,
            )
    return 2


def _usage() -> str:
    lines = [f"  {name:<10} {what} (dnafast {name} --help)" for name, (_, what) in _COMMANDS.items()]
    return "\n".join(["usage: dnafast COMMAND ...", "", "commands:", *lines, "  --version  print the version", ""])
