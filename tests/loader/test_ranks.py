"""Ranks that are real: processes of torch.distributed, and of a Lightning Trainer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

# Checks that the batches of both ranks, one after the other, are those of one process with twice the batch size.
CHECK = """
import sys
import numpy as np
import torch
import torch.distributed as distributed
from streams import as_numpy, content, make_loader
from dnafast.loader import Batch

def together(batches):
    everyone = [None] * distributed.get_world_size()
    distributed.all_gather_object(everyone, [tuple(as_numpy(part) for part in batch) for batch in batches])
    return [Batch(*map(np.concatenate, zip(*step, strict=True))) for step in zip(*everyone, strict=True)]

def whole(epochs):
    loader = make_loader(batch_size=16, rank=0, world_size=1)
    return [batch for _ in range(epochs) for batch in content(loader)]
"""

GLOO = """
early = make_loader(threads=2)
assert (early.rank, early.world_size, len(early)) == (0, 1, 10)
distributed.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", rank=int(sys.argv[2]), world_size=2)
rank = distributed.get_rank()
loader = make_loader(threads=1)
assert (loader.rank, loader.world_size, len(loader)) == (rank, 2, 5)
assert content(together([*loader, *loader])) == whole(2)

# Made before there were ranks.
assert len(early) == 5 and (early.rank, early.world_size) == (rank, 2)
assert content(together(early)) == whole(1)

# In worker processes, forked and fresh, which ask their parent's loader for their place.
for context in ("fork", "spawn"):
    assert content(together(in_workers(make_loader(threads=1), 2, context))) == whole(1)

# Stopped in mid-epoch; rank 0 saves for all.
loader = make_loader(threads=1)
running = iter(loader)
seen = [next(running), next(running)]
state = [loader.state_dict() if rank == 0 else None]
distributed.broadcast_object_list(state)
resumed = make_loader(threads=2)
resumed.load_state_dict(state[0])
assert content(together([*seen, *resumed, *resumed])) == whole(2)

# With other ranks the steps are others.
try:
    make_loader(rank=0, world_size=1).load_state_dict(state[0])
except ValueError as error:
    assert "world_size is 2 there, 1 here" in str(error)
else:
    raise AssertionError
distributed.destroy_process_group()
"""


def environment() -> dict[str, str]:
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


def test_two_processes_of_torch_distributed(tmp_path: Path) -> None:
    distributed = pytest.importorskip("torch.distributed")
    if not distributed.is_available() or not distributed.is_gloo_available():
        pytest.skip("torch was built without gloo")
    script = tmp_path / "ranks.py"
    body = "from torch_streams import in_workers\n" + GLOO
    script.write_text(CHECK + "if __name__ == '__main__':\n" + "".join(f"    {line}\n" for line in body.splitlines()))
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", str(script), str(tmp_path / "meeting"), str(rank)],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        told = [process.communicate(timeout=240)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(told)


LIGHTNING = """
import pytorch_lightning as lightning
from pytorch_lightning.callbacks import ModelCheckpoint

class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(240, 3)
        self.seen = []

    def training_step(self, batch, number):
        self.seen.append(batch)
        return torch.nn.functional.mse_loss(self.linear(batch.x.flatten(1)), batch.y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)

def fit(model, loader, path=None, **options):
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=sys.argv[1], **options,
    )
    trainer.fit(model, loader, ckpt_path=path, weights_only=False)

# The loader is made before the Trainer starts the other process, as people do.
loader = make_loader(threads=1)
model = Model()
checkpoints = ModelCheckpoint(sys.argv[1], filename="{step}", every_n_train_steps=3, save_top_k=-1)
fit(model, loader, callbacks=[checkpoints])
assert loader.world_size == 2 and loader.rank == distributed.get_rank()
assert content(together(model.seen)) == whole(2)

# From checkpoints in the middle of the first epoch and of the second, which hold the loader's state.
for step in (3, 9):
    model = Model()
    fit(model, make_loader(threads=1), f"{sys.argv[1]}/step={step}.ckpt", enable_checkpointing=False)
    assert content(together(model.seen)) == whole(2)[step:]
"""


def test_two_processes_of_a_lightning_trainer(tmp_path: Path) -> None:
    pytest.importorskip("pytorch_lightning", reason="pytorch-lightning is not installed", exc_type=ImportError)
    script = tmp_path / "train.py"
    script.write_text(CHECK + LIGHTNING)
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
