"""One training loop for every model: the same batches, the same budget, the same rules for stopping.

    result = dnafast.train.train(model, train_loader, [valid_loader], TrainConfig(), seed=0)

Shape letters, here and in every module: n rows of the validation part, T tasks, B rows of a batch.
"""

from dnafast.train.config import TrainConfig
from dnafast.train.errors import DivergedError, OutOfMemoryError
from dnafast.train.loop import Batches, Meter, TrainingState, TrainResult, train
from dnafast.train.loss import masked_loss
from dnafast.train.optimizer import make_optimizer
from dnafast.train.precision import resolve_precision
from dnafast.train.progress import Progress

__all__ = [
    "Batches",
    "DivergedError",
    "Meter",
    "OutOfMemoryError",
    "Progress",
    "TrainConfig",
    "TrainResult",
    "TrainingState",
    "make_optimizer",
    "masked_loss",
    "resolve_precision",
    "train",
]
