"""A network comes back from disk as it was, and nothing else is taken for it."""

import json

import numpy as np
import pytest
import torch

from dnafast import models
from dnafast.evaluate import save_weights
from dnafast.saved import SavedModel
from dnafast.train import TrainConfig

SPECIFICATION = models.parse("promoter_lstm[hidden_dim=8,fc_hidden_dims=none,pooling_strategy=mean]")


def a_model(**changes):
    values = {
        "specification": SPECIFICATION,
        "length": 30,
        "tasks": ("a", "b"),
        "stranded": False,
        "thresholds": (0.4, 0.6),
        "prevalence": (0.5, 0.25),
        "train": TrainConfig(max_epochs=3),
        "data_checksum": "ab",
        "seed": 5,
        "encoding": "OneHot",
    }
    return SavedModel(**(values | changes))


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    a_model().save(tmp_path / "run", SPECIFICATION.build(length=30, n_tasks=2))
    return tmp_path / "run"


def test_a_saved_network_gives_the_same_answers(folder):
    torch.manual_seed(0)
    before = SPECIFICATION.build(length=30, n_tasks=2).eval()
    saved = SavedModel.load(folder)
    after = saved.network(folder)
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (7, 30)).astype(np.uint8))
    assert torch.equal(before(codes), after(codes))
    assert not after.training
    assert saved.specification == SPECIFICATION
    assert (saved.tasks, saved.thresholds, saved.prevalence) == (("a", "b"), (0.4, 0.6), (0.5, 0.25))
    assert saved.train["max_epochs"] == 3
    assert (saved.length, saved.stranded, saved.data_checksum, saved.seed) == (30, False, "ab", 5)
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "weights.safetensors"]


def test_a_network_of_a_users_file(tmp_path):
    path = tmp_path / "my.py"
    path.write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, length, n_tasks, width=3):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Conv1d(4, width, 3)\n"
        "        self.head = torch.nn.Linear(width, n_tasks)\n"
        "    def forward(self, x):\n"
        "        return self.head(self.layer(x).amax(dim=2))\n"
    )
    specification = models.parse(f"{path}:Net[width=5]")
    model = specification.build(length=30, n_tasks=2)
    a_model(specification=specification).save(tmp_path / "run", model)
    after = SavedModel.load(tmp_path / "run").network(tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), after.parameters(), strict=True))
    edit(tmp_path / "run", specification=specification.as_json() | {"source_checksum": "of another file"})
    with pytest.raises(ValueError, match=r"model\.json: .*my\.py has changed since this model was saved"):
        SavedModel.load(tmp_path / "run")


def edit(folder, **changes):
    path = folder / "model.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def test_another_version_is_refused(folder):
    edit(folder, version="99.0")
    with pytest.raises(ValueError, match=r"was written by dnafast 99\.0, and this is .*: install that version"):
        SavedModel.load(folder)


def test_weights_of_another_model_are_refused(folder):
    saved = SavedModel.load(folder)
    save_weights(SPECIFICATION.build(length=30, n_tasks=2), folder / "weights.safetensors")
    with pytest.raises(ValueError, match=r"weights\.safetensors is not the file that model\.json was saved with"):
        saved.network(folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError):
        saved.network(folder)


def test_a_network_for_which_there_is_no_room_is_told(folder, monkeypatch):
    def full(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 96000000000 bytes")

    saved = SavedModel.load(folder)
    monkeypatch.setattr(models.Specification, "build", lambda self, **_: full())
    with pytest.raises(MemoryError, match=r"promoter_lstm\[.*\] of .*run"):
        saved.network(folder)


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no model\.json: name the folder of 'dnafast train'"):
        SavedModel.load(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"length": None},
        {"length": "30"},
        {"tasks": []},
        {"tasks": "a"},
        {"thresholds": [0.5]},
        {"thresholds": [0.5, 2.0]},
        {"prevalence": [0.5, "x"]},
        {"stranded": 1},
        {"specification": []},
        {"specification": {"name": "danq"}},
        {"specification": SPECIFICATION.as_json() | {"name": 3}},
        {"specification": SPECIFICATION.as_json() | {"options": [["hidden_dim", 8]]}},
        {"specification": {"name": "nothing", "options": {}, "implementation": None, "source_checksum": None}},
        {"weights_checksum": None},
    ],
)
def test_a_damaged_file_is_told_with_its_name(changes, folder):
    edit(folder, **changes)
    with pytest.raises(ValueError, match=r"model\.json"):
        SavedModel.load(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", "5", "[" * 100_000])
def test_a_file_that_is_no_json_of_ours(content, folder):
    (folder / "model.json").write_text(content)
    with pytest.raises(ValueError, match=r"model\.json is damaged"):
        SavedModel.load(folder)
