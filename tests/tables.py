"""Tables that tests write and read back."""

from __future__ import annotations

import csv
from pathlib import Path


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header line."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def scores_of(table: Path, out: Path, change=lambda line: line) -> Path:
    """What another tool may say of the validation and test rows of a table of sequences, each line changed."""
    lines = ["sequence\tscore"]
    for number, line in enumerate(table.read_text().splitlines()[1:]):
        sequence, label, part = line.split(",")
        if part in ("valid", "test"):
            lines.append(change(f"{sequence}\t{0.5 * int(label) + number % 7 / 14:.4f}"))
    path = out / "scores.tsv"
    path.write_text("\n".join(filter(None, lines)) + "\n")
    return path
