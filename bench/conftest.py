"""Data for the benchmarks. Run: pytest bench/bench_<word>.py --benchmark-only

Each group holds one job: ours, the rivals and a limit, whose answers are compared before they are timed.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnafast import Genome, threads

threads.set_spin_policy()  # before torch is loaded

# Rivals and simulated data are imported by their plain names.
sys.path.insert(0, str(Path(__file__).parent))

import simulated  # noqa: E402
from peers import numpy_lookup_peer  # noqa: E402

PACKAGES = (
    "dnafast",
    "numpy",
    "torch",
    "pyfaidx",
    "pysam",
    "py2bit",
    "seqpro",
    "genvarloader",
    "tangermeme",
    "bionumpy",
    "onnxruntime",
)


def pytest_configure(config: pytest.Config) -> None:
    simulated.quick = bool(config.getoption("benchmark_disable", False))
    config.addinivalue_line("filterwarnings", "ignore:unclosed file:ResourceWarning")  # bionumpy leaves them open


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Keeps what the numbers depend on beside them."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    machine_info["usable_cpus"] = threads.usable_cpus()
    machine_info["load_average"] = os.getloadavg()[2]  # of the last fifteen minutes, this run included
    machine_info["versions"] = versions
    machine_info["environment"] = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("DNAFAST_BENCH", "DNAFAST_ISA", "DNAFAST_THREADS", "GOMP_", "OMP_", "NUMBA_", "RAYON_"))
    }


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the run's own; never the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAFAST_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated genome."""
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    simulated.write_fasta(path)
    return path


@pytest.fixture(scope="session")
def genome(fasta: Path) -> Genome:
    """The same, open."""
    return Genome(fasta)


@pytest.fixture(scope="session")
def twobit(genome: Genome, cache_folder: Path) -> Path:
    """The same as .2bit, as it was converted."""
    return next(cache_folder.glob("genome.fa.*.2bit"))


@pytest.fixture(scope="session")
def plain(fasta: Path) -> numpy_lookup_peer.Genome:
    """The same as letters in memory, to compare answers with."""
    return numpy_lookup_peer.Genome(fasta)
