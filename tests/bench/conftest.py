"""Data that several tests of the bench compare on."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def table(tmp_path_factory) -> Path:
    """Sequences of which half hold two words, too short to link them all, with parts."""
    folder = tmp_path_factory.mktemp("table")
    generator = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[generator.integers(0, 4, (240, 40))]
    letters[::2, 10:14] = np.frombuffer(b"TTGA", dtype=np.uint8)
    letters[::2, 24:28] = np.frombuffer(b"CATA", dtype=np.uint8)
    parts = ("train", "train", "valid", "test")
    text = [f"{row.tobytes().decode()},{1 - i % 2},{parts[i // 2 % 4]}" for i, row in enumerate(letters)]
    path = folder / "t.csv"
    path.write_text("\n".join(["sequence,label,split", *text]) + "\n")
    return path


@pytest.fixture(scope="session")
def unsplit(table) -> Path:
    """The same without parts."""
    path = table.parent / "unsplit.csv"
    path.write_text("".join(line.rpartition(",")[0] + "\n" for line in table.read_text().splitlines()))
    return path
