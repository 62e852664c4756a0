"""Fixtures for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import hypothesis
import pytest

# Both must be set before what reads them: torch its spin policy, the native half whether to split small work.
os.environ.setdefault("DNAFAST_FORCE_PARALLEL", "1")

from dnafast import threads

threads.set_spin_policy()

# A busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Helpers such as oracle.py are imported by their plain names.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own; never the user's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("DNAFAST_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real data, where there is some."""
    folder = os.environ.get("DNAFAST_TEST_DATA")
    if not folder:
        pytest.skip("DNAFAST_TEST_DATA does not name a folder of real data")
    return Path(folder)


@pytest.fixture
def write_fasta(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes sequences as FASTA and returns the path."""

    def write(
        sequences: Mapping[str, str], name: str = "genome.fa", width: int = 60, end: str = "\n", last_end: bool = True
    ) -> Path:
        lines = []
        for contig, letters in sequences.items():
            lines.append(f">{contig}")
            lines.extend(letters[i : i + width] for i in range(0, len(letters), width))
        path = tmp_path / name
        path.write_bytes((end.join(lines) + (end if last_end else "")).encode())
        return path

    return write
