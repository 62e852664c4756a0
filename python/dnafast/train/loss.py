"""The loss: binary cross-entropy over what is labelled."""

from __future__ import annotations

from torch import Tensor, nn


def masked_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross-entropy over the labelled cells, 0 where there is none.

    Args:
        logits: (B, T).
        labels: (B, T) of 1, 0 and -1, floating point.

    Raises:
        ValueError: the shapes differ.
    """
    if logits.shape != labels.shape:
        raise ValueError(
            f"the model gives logits of shape {tuple(logits.shape)} for labels of shape {tuple(labels.shape)}"
        )
    known = (labels >= 0).to(logits.dtype)
    total = nn.functional.binary_cross_entropy_with_logits(logits, labels.clamp(min=0), weight=known, reduction="sum")
    return total / known.sum().clamp(min=1)
