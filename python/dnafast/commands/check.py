"""``dnafast check``: does a network keep what every network promises?"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from dnafast.contract import Finding

_LONGEST = 1_000_000
_MOST_TASKS = 100_000


@dataclass(frozen=True)
class CheckOptions:
    """Try on a network what every network promises, and say in a sentence what is wrong.

    A line for each promise: kept, broken, or noted where it could not be tried and nothing is wrong for that. The exit
    code is 0 where none is broken, 1 where one is, 2 where there is no such network or it cannot be built.
    """

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE.py:CLASS|NAME")]
    """A class of your own file, or a network of dnafast, with options: my.py:Net[width=3]. The class is called as
    CLASS(length=..., n_tasks=..., **options) and gives logits (N, n_tasks) for one-hot float32 (N, 4, length), or for
    what its attribute `encoding` makes."""
    length: Annotated[int, tyro.conf.arg(metavar="BASES")] = 200
    """Bases per sequence."""
    n_tasks: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """Logits per sequence; one is tried as well."""


def main(arguments: list[str], program: str = "dnafast check") -> int:
    """Run the command; returns the exit code."""
    options = tyro.cli(CheckOptions, args=arguments, prog=program)
    try:
        return _check(options)
    except (ValueError, MemoryError) as error:
        print(f"dnafast: {error}", file=sys.stderr)
        return 2


def _check(options: CheckOptions) -> int:
    for flag, value, most in (("--length", options.length, _LONGEST), ("--n-tasks", options.n_tasks, _MOST_TASKS)):
        if not 1 <= value <= most:
            raise ValueError(f"{flag} {value} must be at least 1 and at most {most:,}")
    # Torch takes seconds to load: --help answers without it.
    from dnafast.contract import check
    from dnafast.models import parse

    specification = parse(options.model)
    findings = check(specification.build, length=options.length, n_tasks=options.n_tasks, told_of=_print)
    broken = [finding.promise for finding in findings if finding.state == "broken"]
    if broken:
        print(f"{specification.label} breaks {len(broken)} of {len(findings)} promises tried: {', '.join(broken)}")
        return 1
    print(f"{specification.label} breaks none of {len(findings)} promises")
    return 0


def _print(finding: Finding) -> None:
    print(f"{finding.state:<7} {finding.promise}: {finding.sentence}", flush=True)
