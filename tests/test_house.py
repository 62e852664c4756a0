"""Facts about the house itself: names, versions, layers, what importing costs."""

import gzip
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dnafast

ROOT = Path(__file__).resolve().parent.parent


def test_version_is_the_same_in_python_and_cpp():
    from dnafast import _core

    assert dnafast.__version__ == _core.__version__ == importlib.metadata.version("dnafast")


def test_every_public_name_loads_twice_and_is_the_same():
    for name in dnafast.__all__:
        assert getattr(dnafast, name) is getattr(dnafast, name), name


def test_public_functions_are_not_shadowed_by_their_modules():
    for name in ("windows", "tiles", "split", "label", "shuffle", "encode", "sample_negatives", "read_bed"):
        assert callable(getattr(dnafast, name)), name
        assert callable(getattr(dnafast, name)), name


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'genom'"):
        dnafast.genom  # noqa: B018


def test_importing_dnafast_imports_neither_torch_nor_pandas():
    code = "import sys, dnafast; sys.exit(any(name in sys.modules for name in ('torch', 'pandas', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_data_path_works_without_torch():
    code = """
import sys
sys.modules["torch"] = None
import numpy as np, dnafast
genome = dnafast.Genome.from_sequences(["ACGTNACGTA", "TTTTTTTTTTGG"], names=["one", "two"])
regions = dnafast.Regions.from_arrays(["one", "two"], [0, 1], [2, 3], [6, 9])
windows = dnafast.windows(regions, length=4, genome=genome, at="centre", max_n=1.0)
x = genome.encode(windows, dnafast.OneHot("NCL", "float32"))
assert x.shape == (2, 4, 4) and x.dtype == np.float32
batch = next(iter(dnafast.Loader(genome, windows, batch_size=2, shuffle=False)))
assert isinstance(batch.x, np.ndarray) and (batch.x == x).all()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_layers_hold():
    result = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_the_readme_shows_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert "pip install -c constraints.txt . && python -m dnafast.bench" in text
    assert "pip install -c constraints.txt '.[test]' && pytest" in text


def test_the_readme_names_every_network_and_floor():
    from dnafast import models
    from dnafast.models.floors import FLOORS

    text = (ROOT / "README.md").read_text()
    for name in (*models.names(), *FLOORS):
        assert f"`{name}`" in text, name


def code_of_the_readme(word: str) -> str:
    """The block of Python that holds this word."""
    blocks = (block.split("```")[0] for block in (ROOT / "README.md").read_text().split("```python\n")[1:])
    return next(block for block in blocks if word in block)


def test_the_network_of_the_readme_keeps_every_promise(tmp_path):
    from dnafast import contract, models

    (tmp_path / "my.py").write_text("import dnafast\nimport torch\n\n" + code_of_the_readme("class Net"))
    findings = contract.check(models.parse(f"{tmp_path}/my.py:Net[width=48]").build, length=60, n_tasks=2)
    assert {finding.state for finding in findings} == {"kept"}, findings


def test_the_loop_of_the_readme_runs(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    records, peaks = [], []
    for contig in ("chr1", "chr2", "chr8", "chr9", "chrM"):
        letters = np.frombuffer(b"ACGT", np.uint8)[generator.integers(0, 4, 60_000)].tobytes().decode()
        records.append(f">{contig}\n{letters}\n")
        peaks += [
            f"{contig}\t{start}\t{start + 200}\tp\t0\t.\t5\t-1\t-1\t100\n" for start in range(2_000, 56_000, 2_000)
        ]
    (tmp_path / "hg38.fa").write_text("".join(records))
    (tmp_path / "K562.narrowPeak.gz").write_bytes(gzip.compress("".join(peaks).encode()))
    monkeypatch.chdir(tmp_path)
    code = code_of_the_readme("sample_negatives")
    seen = {}
    exec(code, seen)
    assert len(seen["valid"]) == 1
    assert seen["batch"].x.shape[1:] == (4, 600)
    assert {seen["positives"].contigs[contig] for contig in set(seen["positives"].contig)} == {
        "chr1",
        "chr2",
        "chr8",
        "chr9",
    }


def test_the_package_runs_as_its_command_does():
    run = subprocess.run([sys.executable, "-m", "dnafast", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"dnafast {dnafast.__version__}\n"


def test_the_changelog_names_this_version_or_what_is_to_come():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## Unreleased" in text or f"## {dnafast.__version__}" in text


def test_files_hold_one_noun():
    sources = [*ROOT.glob("python/dnafast/**/*.py"), *ROOT.glob("csrc/**/*.cpp"), *ROOT.glob("csrc/**/*.hpp")]
    assert sources
    for path in sources:
        assert path.stem not in {"utils", "util", "misc", "helpers"}, path
        assert len(path.read_text().splitlines()) <= 500, f"{path} is longer than 500 lines: split it by noun"
