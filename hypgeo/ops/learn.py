"""One epoch of the softmax-over-negatives objective in one compiled call, where csrc/learn has the geometry.

Its body in plain PyTorch is what `hypgeo.embed.learned` does with a manifold's own verbs, on the same draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hypgeo import _C

MODELS = ("PoincareBall", "Lorentz", "HalfSpace", "HTiling", "LTiling")  # in the order of csrc/learn/ops.cpp
COMPONENTS = 4  # of half-space coordinates, at most
LIMBS = {"HTiling": 4, "LTiling": 3}  # that rows of tilings have here: radius 60 and 40


@dataclass(frozen=True)
class Task:
    """What stays the same from epoch to epoch.

    pairs: (m, 2) int64.  indptr, kept: for each node the nodes that are not drawn against it (`embed.draws.Others`).
    model: a name of MODELS; components: floats per half-space coordinate; c: minus the curvature.
    """

    pairs: Tensor
    indptr: Tensor
    kept: Tensor
    model: str
    components: int
    c: float
    negatives: int
    batch_size: int
    scale: float


def available(model: str, components: int = 1) -> bool:
    """Whether `epoch` serves points of this model."""
    return (
        _C.available()
        and hasattr(torch.ops.hypgeo, "learn_epoch")
        and model in MODELS
        and (components == 1 or (model == "HalfSpace" and components <= COMPONENTS))
    )


def epoch(points: Tensor, task: Task, order: Tensor, key: int, rate: float) -> tuple[float, int]:
    """Take the steps of one epoch in place, on one thread.

    points: (n, width) float64; for several components packed component after component, for tilings with LIMBS limbs.
    order: (m,) the pairs in their turn; key: of the negatives' draws.

    Returns the sum of the pairs' losses, and -1 or a node that no step could be taken at, where it stopped.  The same
    input gives the same bits on the same instruction set.
    """
    found = torch.zeros(2, dtype=torch.float64)
    torch.ops.hypgeo.learn_epoch(
        points,
        task.pairs,
        order,
        task.indptr,
        task.kept,
        MODELS.index(task.model),
        task.components,
        task.negatives,
        task.batch_size,
        task.scale,
        rate,
        task.c,
        key - (key >> 63 << 64),  # the same 64 bits, signed
        found,
    )
    return float(found[0]), int(found[1])
