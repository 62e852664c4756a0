"""``dnafast export``: a trained network as one file that runs in Python or C++."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from dnafast.bench.failure import carry_out
from dnafast.bench.options import check_arguments
from dnafast.records import check_writable_file


@dataclass(frozen=True)
class ExportOptions:
    """Write a network that 'dnafast train' or a bench has left as one TorchScript file.

    It takes letters or base codes and gives probabilities: 'dnafast.export.load' in Python, or C++ with torch and the
    operator library alone. A network that was trained on both strands averages them inside.
    """

    run: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Folder of 'dnafast train', or of a network's run in a bench (runs/...)."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """Where the file goes, such as model.pt."""
    prior: Annotated[float | None, tyro.conf.arg(help_behavior_hint="(default: as in training)", metavar="SHARE")] = (
        None
    )
    """True share of positives where the network is used: probabilities and thresholds are corrected for it (Saerens et
    al. 2002)."""
    implementation: Literal["auto", "torch", "native"] = "auto"
    """auto: native where the network has it. That of torch needs no operator library."""


def main(arguments: list[str], program: str = "dnafast export") -> int:
    """Export a network.

    Returns:
        0 where the file was written; 2 for unusable input, with one sentence on standard error and nothing written; 130
        after Ctrl-C.
    """
    options = tyro.cli(ExportOptions, args=arguments, prog=program)

    def work() -> list[str]:
        check_arguments(arguments)
        return export(options)

    return carry_out(work)


def export(options: ExportOptions) -> list[str]:
    """Write the file; returns what it is, in lines.

    Raises:
        ValueError, OSError: a user's mistake, in one sentence.
    """
    if options.prior is not None and not 0 < options.prior < 1:
        raise ValueError(f"--prior {options.prior} must lie between 0 and 1: the true share of positives")
    check_writable_file(options.out)
    if options.out.exists() and options.out.resolve().parent == options.run.resolve():
        raise ValueError(f"--out {options.out} is a file of the run that --run names: choose another")
    # After the options have been read, so that --help answers at once.
    from dnafast.export import save
    from dnafast.ops import library_path

    implementation = None if options.implementation == "auto" else options.implementation
    model = save(options.run, options.out, prior=options.prior, implementation=implementation)
    tasks = ", ".join(
        f"{task} (threshold {threshold:.4g})" for task, threshold in zip(model.tasks, model.thresholds, strict=True)
    )
    native = model.provenance["specification"]["implementation"] == "native"
    return [
        f"{options.out}: {model.provenance['network']}, sequences of {model.length} bases, "
        f"{'the strand given' if model.stranded else 'both strands averaged'}",
        f"  {tasks}",
        f"  it needs torch {f'and {library_path()}' if native else 'alone'}",
    ]
