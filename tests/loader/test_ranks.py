"""Ranks that are real: processes of torch.distributed, and of a Lightning Trainer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnafast import BaseCodes, Genome, Loader
from streams import make_windows, rows

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


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("n", [24, 25, 31, 47, 48, 49, 160])
@pytest.mark.parametrize("batch_size", [2, 3, 16])
@pytest.mark.parametrize("drop_last", [False, True])
def test_ranks_share_one_stream(genome: Genome, world_size: int, n: int, batch_size: int, drop_last: bool) -> None:
    windows = make_windows(genome, n, length=10)
    options: dict[str, Any] = {
        "encoding": BaseCodes(),
        "threads": 1,
        "seed": 3,
        "reverse_complement": "random",
        "jitter": 3,
    }
    if drop_last and n < batch_size * world_size:
        with pytest.raises(ValueError, match="drop_last=True leaves no batch"):
            Loader(genome, windows, batch_size=batch_size, world_size=world_size, rank=0, drop_last=True, **options)
        return
    (whole,) = Loader(genome, windows, batch_size=10**6, **options)
    ranks = [
        list(
            Loader(
                genome, windows, batch_size=batch_size, rank=rank, world_size=world_size, drop_last=drop_last, **options
            )
        )
        for rank in range(world_size)
    ]
    steps = {len(batches) for batches in ranks}
    assert len(steps) == 1
    together = [batch for step in zip(*ranks, strict=True) for batch in step]
    kept = n // (batch_size * world_size) * batch_size * world_size if drop_last else n
    assert all(1 <= len(batch.index) <= batch_size for batch in together)
    assert rows(together) == rows([whole])[:kept]
    assert np.array_equal(np.concatenate([batch.x for batch in together]), whole.x[:kept])
    if drop_last:
        assert {len(batch.index) for batch in together} == {batch_size}


def test_ranks_of_torch_distributed_are_found(genome: Genome, tmp_path: Any) -> None:
    distributed = pytest.importorskip("torch.distributed")
    windows = make_windows(genome, 10)
    assert (Loader(genome, windows).rank, Loader(genome, windows).world_size) == (0, 1)
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        assert (Loader(genome, windows).rank, Loader(genome, windows).world_size) == (0, 1)
        assert Loader(genome, windows, rank=1, world_size=2).rank == 1
    finally:
        distributed.destroy_process_group()
