"""An exported network gives the probabilities of `dnafast predict`, in Python and in C++, and tells what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dnafast
from dnafast import cli, export, models
from dnafast.encoding import BaseCodes, encode
from dnafast.predicting import probabilities
from dnafast.saved import SavedModel

ROOT = Path(__file__).resolve().parent.parent
LENGTH = 40
SMALL = {
    "deepbind": "[filters=8,kernel_size=7,hidden=4]",
    "danq": "[filters=8,hidden=4,fc_hidden=4]",
    "basset": "[filters=8x8x8,hidden=8x8]",
    "deepsea": "[filters=8x8x8,hidden=8]",
    "promoter_lstm": "[hidden_dim=8,fc_hidden_dims=none]",
}


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., Path]:
    """A function that leaves a folder as training does."""

    def leave(text: str, name: str = "run", **changes: Any) -> Path:
        torch.manual_seed(0)
        specification = models.parse(text)
        values: dict[str, Any] = {
            "specification": specification,
            "length": LENGTH,
            "tasks": ("a", "b"),
            "stranded": False,
            "thresholds": (0.4, 0.6),
            "prevalence": (0.5, 0.25),
            "train": {"max_epochs": 3},
            "data_checksum": "ab",
            "seed": 5,
        }
        SavedModel(**(values | changes)).save(tmp_path / name, specification.build(LENGTH, 2))
        return tmp_path / name

    return leave


def random_letters(n: int, letters: bytes = b"ACGTNacgtnRYSWKMBDHV", length: int = LENGTH) -> np.ndarray:
    return np.frombuffer(letters, np.uint8)[np.random.default_rng(n).integers(0, len(letters), (n, length))]


def expected_of(folder: Path, letters: np.ndarray, prior: float | None = None) -> np.ndarray:
    """What `dnafast predict` says: logits of one strand or the mean of both, corrected, as probabilities."""
    saved = SavedModel.load(folder)
    network = saved.network(folder)
    codes = encode(letters, BaseCodes())
    views = [codes] if saved.stranded else [codes, np.array([3, 2, 1, 0, 4], np.uint8)[codes[:, ::-1]]]
    with torch.inference_mode():
        logits = np.mean([network(torch.from_numpy(np.ascontiguousarray(v))).double().numpy() for v in views], axis=0)
    return probabilities(logits, saved.prevalence, prior)


@pytest.mark.parametrize(("name", "stranded"), [*((name, False) for name in models.names()), ("gru", True)])
def test_it_gives_the_probabilities_of_the_network(
    name: str, stranded: bool, trained: Callable[..., Path], tmp_path: Path
) -> None:
    folder = trained(name + SMALL.get(name, ""), stranded=stranded)
    export.save(folder, tmp_path / "model.pt")
    model = export.load(tmp_path / "model.pt")
    letters = random_letters(9)
    found = model(letters)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, expected_of(folder, letters), rtol=0, atol=1e-5)
    texts = [row.tobytes().decode() for row in letters]
    for same in (
        texts,
        [text.encode() for text in texts],
        torch.from_numpy(letters.copy()),
        encode(letters, BaseCodes()),
    ):
        assert torch.equal(model(same), found)
    np.testing.assert_allclose(model(texts[:1]), found[:1], rtol=0, atol=1e-5)
    assert model([]).shape == (0, 2)


def test_it_says_what_it_is_and_where_it_comes_from(trained: Callable[..., Path], tmp_path: Path) -> None:
    folder = trained("deepbind")
    model = export.save(folder, tmp_path / "model.pt", prior=0.01)
    for one in (model, export.load(tmp_path / "model.pt")):
        assert (one.length, one.tasks, one.stranded, one.prior) == (LENGTH, ("a", "b"), False, 0.01)
        assert one.provenance["network"] == "deepbind"
        assert one.provenance["specification"]["implementation"] == "native"
        assert one.provenance["train"] == {"max_epochs": 3}
        assert (one.provenance["data_checksum"], one.provenance["seed"]) == ("ab", 5)
        assert one.provenance["dnafast"] == dnafast.__version__
        assert list(one.module.prevalence) == [0.5, 0.25]


def test_a_prior_moves_probabilities_and_thresholds_together(trained: Callable[..., Path], tmp_path: Path) -> None:
    folder, letters = trained("deepbind"), random_letters(300)
    plain, moved = export.save(folder, tmp_path / "a.pt"), export.save(folder, tmp_path / "b.pt", prior=0.01)
    assert plain.thresholds == (0.4, 0.6)
    assert plain.prior is None
    np.testing.assert_allclose(moved(letters), expected_of(folder, letters, 0.01), rtol=0, atol=1e-6)
    assert torch.equal(
        plain(letters) >= torch.tensor(plain.thresholds), moved(letters) >= torch.tensor(moved.thresholds)
    )


def test_torchs_implementation_calls_no_operator_of_ours(trained: Callable[..., Path], tmp_path: Path) -> None:
    folder, letters = trained("deepbind"), random_letters(3)
    native = export.save(folder, tmp_path / "native.pt")
    export.save(folder, tmp_path / "torch.pt", implementation="torch")
    script = (
        "import sys, torch\n"
        "model = torch.jit.load(sys.argv[1])\n"
        "letters = torch.tensor([list(text.encode()) for text in sys.argv[2:]], dtype=torch.uint8)\n"
        "print(model(letters).tolist())\n"
    )
    texts = [row.tobytes().decode() for row in letters]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "torch.pt"), *texts],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    np.testing.assert_allclose(json.loads(run.stdout), native(letters), rtol=0, atol=1e-6)


def test_many_sequences_and_the_number_of_a_bad_one(trained: Callable[..., Path], tmp_path: Path) -> None:
    model = export.save(trained("deepbind[filters=8]"), tmp_path / "model.pt")
    letters = random_letters(600, b"ACGT").copy()
    np.testing.assert_allclose(model(letters)[400:], model(letters[400:]), rtol=0, atol=1e-6)
    letters[517, 3] = ord("!")
    with pytest.raises(ValueError, match=r"^sequence 517 has byte 33 at position 3: expected letters A C G T N or"):
        model(letters)


@pytest.mark.parametrize(
    ("encoding", "rule"),
    [
        ('dnafast.OneHot("NCL", "float32", unknown=0.25)', "x.flatten(1)[:, :160]"),
        ('dnafast.OneHot("NLC", "float32")', "x.flatten(1)[:, :160]"),
        ("dnafast.BaseCodes()", "x.float().repeat(1, 4)"),
        ('dnafast.Kmers(3, dtype="int32")', "x.float().repeat(1, 5)[:, :160] / 64"),
        ("dnafast.Kmers(3, stride=2)", "x.float().repeat(1, 10)[:, :160] / 64"),
    ],
)
def test_a_network_of_ones_own_with_its_encoding(
    encoding: str, rule: str, trained: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "my.py").write_text(
        "import dnafast, torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, length, n_tasks):\n"
        "        super().__init__()\n"
        "        self.head = torch.nn.Linear(160, n_tasks)\n"
        "    def forward(self, x):\n"
        f"        return self.head({rule})\n"
        f"Net.encoding = {encoding}\n"
    )
    folder = trained(f"{tmp_path}/my.py:Net", stranded=True)
    letters = random_letters(5)
    network = SavedModel.load(folder).network(folder)
    with torch.inference_mode():
        expected = torch.sigmoid(network(torch.as_tensor(encode(letters, network.config.encoding))))
    torch.testing.assert_close(export.save(folder, tmp_path / "model.pt")(letters), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [
        ("dnafast.KmerCounts(2)", "x", "a network that eats KmerCounts.* cannot be exported: base codes, one-hot of"),
        ("dnafast.Kmers(2, canonical=True)", "x", r"a network that eats Kmers\(.*canonical=True.* cannot be exported"),
        ('dnafast.OneHot("NCL", "float32", order=2)', "x", r"a network that eats OneHot\(.* cannot be exported"),
        (
            "dnafast.BaseCodes()",
            "eval('x')",
            r"my\.py:Net cannot be exported, for TorchScript does not take its code: ",
        ),
    ],
)
def test_what_cannot_be_exported(
    encoding: str, body: str, message: str, trained: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "my.py").write_text(
        "import dnafast, torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, length, n_tasks):\n"
        "        super().__init__()\n"
        "        self.head = torch.nn.Linear(1, n_tasks)\n"
        "    def forward(self, x):\n"
        f"        return self.head({body}.float().flatten(1)[:, :1])\n"
        f"Net.encoding = {encoding}\n"
    )
    with pytest.raises(ValueError, match=message) as caught:
        export.save(trained(f"{tmp_path}/my.py:Net"), tmp_path / "model.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model.pt").exists()


BAD = [
    (["ACGT"], "sequence 0 has 4 bases and must have 40"),
    (["A" * 40, "A" * 41], "sequence 1 has 41 bases and must have 40"),
    (["A" * 39 + "U"], "sequence 0 has byte 85 at position 39: expected letters A C G T N or IUPAC's"),
    (["A" * 39 + "é"], "sequence 0 has byte 233 at position 39"),
    (["A" * 39 + "\0"], "sequence 0 has byte 0 at position 39"),
    ("A" * 40, "sequences must be a list of them, not a single one"),
    (np.full((2, 40), 5, np.uint8), "sequence 0 has byte 5 at position 0"),
    (np.zeros((2, 41), np.uint8), "sequences of 41 bases must have 40, as those of the training had"),
    (np.zeros((2, 40), np.int64), "sequences of type int64 must be letters or base codes uint8"),
    (np.zeros(40, np.uint8), "sequences of shape [40] must be letters or base codes uint8 (N, 40)"),
    (torch.zeros(2, 4, 40), "must be letters or base codes uint8 (N, 40)"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> export.ExportedModel:
    folder = tmp_path_factory.mktemp("run")
    specification = models.parse("deepbind[filters=8]")
    saved = SavedModel(specification, LENGTH, ("a",), False, (0.5,), (0.5,))
    saved.save(folder, specification.build(LENGTH, 1))
    return export.save(folder, folder / "model.pt")


@pytest.mark.parametrize(("sequences", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_sequences_are_told_in_one_sentence(sequences: Any, message: str, model: export.ExportedModel) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        model(sequences)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.pt does not exist: 'dnafast export' writes such a file"):
        export.load(tmp_path / "model.pt")
    (tmp_path / "model.pt").write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"model\.pt is damaged, or no network that dnafast exported"):
        export.load(tmp_path / "model.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "model.pt")
    with pytest.raises(ValueError, match="is damaged, or no network that dnafast exported"):
        export.load(tmp_path / "model.pt")


def test_the_command(trained: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained("deepbind[filters=8]")
    assert cli.main(["export", "--run", str(folder), "--out", str(tmp_path / "model.pt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("model.pt: deepbind[filters=8], sequences of 40 bases, both strands averaged")
    assert lines[1] == "  a (threshold 0.4), b (threshold 0.6)"
    assert lines[2].startswith("  it needs torch and /")
    export.load(tmp_path / "model.pt")
    assert cli.main(["export", "--run", str(folder), "--out", str(tmp_path / "t.pt"), "--implementation", "torch"]) == 0
    assert capsys.readouterr().out.endswith("  it needs torch alone\n")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--run", "nowhere"], "nowhere holds no model.json: name the folder of 'dnafast train'"),
        (["--prior", "1.5"], "--prior 1.5 must lie between 0 and 1: the true share of positives"),
        (["--implementation", "native"], "implementation='native': kmer_cnn has no implementation 'native'"),
    ],
)
def test_unusable_input_of_the_command(
    changed: list[str],
    message: str,
    trained: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {"--run": str(trained("kmer_cnn")), "--out": str(tmp_path / "model.pt"), changed[0]: changed[1]}
    assert cli.main(["export", *(part for pair in given.items() for part in pair)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"dnafast: {message}")
    assert output.err.count("\n") == 1
    assert not (tmp_path / "model.pt").exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_the_exported_network_is_not_overwritten(
    name: str, trained: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = trained("deepbind[filters=8]")
    before = (folder / name).read_bytes()
    assert cli.main(["export", "--run", str(folder), "--out", str(folder / name)]) == 2
    assert f"{name} is a file of the run that --run names: choose another" in capsys.readouterr().err
    assert (folder / name).read_bytes() == before
    assert cli.main(["export", "--run", str(folder), "--out", str(folder)]) == 2
    assert "is a folder: name a file" in capsys.readouterr().err


def test_nothing_but_the_end_of_torchscript_is_hushed(trained: Callable[..., Path], tmp_path: Path) -> None:
    folder = trained("deepbind[filters=8]")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export.save(folder, tmp_path / "model.pt")
        export.load(tmp_path / "model.pt")
    with export._no_word_of_its_end(), pytest.warns(DeprecationWarning, match="another"):
        warnings.warn("another", DeprecationWarning, stacklevel=1)


@pytest.mark.slow
def test_the_example_in_cpp_prints_the_same_numbers(trained: Callable[..., Path], tmp_path: Path) -> None:
    cmake = shutil.which("cmake")
    if cmake is None or shutil.which("c++") is None:
        pytest.skip("the example needs cmake and a C++ compiler")
    build = tmp_path / "build"
    python = f"-DPython_EXECUTABLE={sys.executable}"
    subprocess.run([cmake, "-S", ROOT / "csrc/examples", "-B", build, python], check=True, capture_output=True)
    made = subprocess.run([cmake, "--build", build], check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    # Without Python's paths: torch's libraries are found by the example itself.
    environment = {"PATH": os.environ["PATH"]}

    def run(model: Path, fasta: Path) -> subprocess.CompletedProcess[str]:
        command = [str(build / "score_fasta"), str(dnafast.ops.library_path()), str(model), str(fasta)]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)

    letters = random_letters(300)
    texts = [row.tobytes().decode() for row in letters]
    fasta = tmp_path / "sequences.fa"
    fasta.write_text("".join(f">s{i} more\n{text[:25]}\n{text[25:]}\n" for i, text in enumerate(texts)))
    for name in ("deepbind", "danq", "lstm"):
        model = export.save(trained(name + SMALL.get(name, ""), name), tmp_path / f"{name}.pt")
        scored = run(tmp_path / f"{name}.pt", fasta)
        assert scored.returncode == 0, scored.stderr
        lines = [line.split("\t") for line in scored.stdout.splitlines()]
        assert [line[0] for line in lines] == [f"s{i}" for i in range(300)]
        np.testing.assert_allclose(np.array([line[1:] for line in lines], dtype=float), model(texts), rtol=0, atol=1e-6)
    bad = tmp_path / "bad.fa"
    for content, message in (
        (">s0\nACGT\n", "score_fasta: sequence s0 has 4 bases and must have 40, as those of the training had"),
        (
            ">s0\n" + "!" * 40,
            "score_fasta: sequence 0 has byte 33 at position 0: expected letters A C G T N or IUPAC's",
        ),
        ("ACGT\n", f"score_fasta: {bad} does not begin with '>': it is no FASTA file"),
    ):
        bad.write_text(content)
        refused = run(tmp_path / "lstm.pt", bad)
        assert refused.returncode == 2
        assert refused.stderr.startswith(message)
        assert refused.stderr.count("\n") == 1
