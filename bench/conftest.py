"""Data for the benchmarks. Run: pytest bench/bench_<word>.py --benchmark-only

Each group holds one job: ours at 1 and 2 threads and the rivals; all assert the same answer as they are timed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dnafast import Genome, threads

threads.set_spin_policy()  # before torch is loaded

# Rivals and simulated data are imported by their plain names.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the run's own; never the user's."""
    folder = tmp_path_factory.mktemp("cache")
    patch = pytest.MonkeyPatch()
    patch.setenv("DNAFAST_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated genome."""
    import simulated

    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    simulated.write_fasta(path)
    return path


@pytest.fixture(scope="session")
def genome(fasta: Path) -> Genome:
    """The same, open."""
    return Genome(fasta)
