"""A problem small enough to train on in milliseconds, and its loaders."""

from typing import NamedTuple

import torch
from torch import nn


class Batch(NamedTuple):
    x: torch.Tensor
    y: torch.Tensor
    index: torch.Tensor
    strand: torch.Tensor


class Batches:
    """A loader as small as can be: order drawn from the epoch alone."""

    def __init__(self, x, y, batch_size=32, shuffle=False):
        self.x, self.y, self.batch_size, self.shuffle = x, y, batch_size, shuffle
        self.epoch = 0
        self.epochs_asked = []
        self.wait_seconds = 0.0

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def set_epoch(self, epoch):
        self.epoch = epoch
        self.epochs_asked.append(epoch)

    def __iter__(self):
        order = torch.arange(len(self.x))
        if self.shuffle:
            order = torch.randperm(len(self.x), generator=torch.Generator().manual_seed(self.epoch))
        for rows in order.split(self.batch_size):
            yield Batch(self.x[rows], self.y[rows], rows, torch.ones(len(rows), dtype=torch.int8))


def draw(n, seed=0, noise=0.5, tasks=1):
    """Points whose first features decide the labels, up to noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=generator)
    y = (x[:, :tasks] + noise * torch.randn(n, tasks, generator=generator) > 0).to(torch.int8)
    return x, y.squeeze(1) if tasks == 1 else y


def loaders(noise=0.5, tasks=1):
    return Batches(*draw(320, 0, noise, tasks), shuffle=True), [Batches(*draw(200, 1, noise, tasks), batch_size=64)]


def net(tasks=1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, tasks))
