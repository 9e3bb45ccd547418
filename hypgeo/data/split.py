"""Which nodes to learn from, to choose by, and to judge by."""

from __future__ import annotations

import torch
from torch import Tensor


def stratified(y: Tensor, val: float, test: float, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Masks for training, validation and test that share no node, with the given fractions of every class."""
    g = torch.Generator().manual_seed(seed)
    part = torch.zeros(len(y), dtype=torch.int64)
    for label in y.unique():
        nodes = (y == label).nonzero().squeeze(1)
        nodes = nodes[torch.randperm(len(nodes), generator=g)]
        n, m = round(val * len(nodes)), round(test * len(nodes))
        part[nodes[:n]], part[nodes[n : n + m]] = 1, 2
    return part == 0, part == 1, part == 2
