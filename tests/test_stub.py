"""The stub of the extension that ships is the one that its bindings give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dnafast

pytest.importorskip("pybind11_stubgen")


def test_stub_is_fresh(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pybind11_stubgen", "dnafast._core", "-o", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    shipped = Path(dnafast.__file__).with_name("_core.pyi")
    assert shipped.read_text() == (tmp_path / "dnafast" / "_core.pyi").read_text(), (
        "the bindings changed: run 'python -m pybind11_stubgen dnafast._core -o python'"
    )
