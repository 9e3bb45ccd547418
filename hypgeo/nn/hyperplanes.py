"""Multinomial logistic regression on a manifold."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hypgeo.manifolds import Manifold
from hypgeo.nn.layer import Layer
from hypgeo.nn.planes import scores

__all__ = ["Hyperplanes"]


class Hyperplanes(Layer):
    """Logits of classes, ``(..., width) -> (..., num_classes)``: signed distances to a learnt hyperplane a class.

    Logit k is |z_k| times the signed distance to the hyperplane orthogonal to z_k at the distance ``offset_k`` from the
    origin (Ganea et al., "Hyperbolic Neural Networks", 2018, section 3.1, in the parameters of Shimizu et al.,
    "Hyperbolic Neural Networks++", 2021, equation 6).  In flat space ``<z_k, x> - |z_k| offset_k``.  Finite, with the
    right sign and a finite gradient, on every point a float can hold: within 4 roundings of its dtype, and of what 16
    roundings of float64 in the point's own place would change.  Planes count as no farther from the origin than the
    points of the space reach (in float32, 600 units).
    """

    verbs = ("spatial_coordinates", "hyperplane_dist", "from_normal_coordinates", "transp0")

    def __init__(self, in_channels: int, num_classes: int, manifold: Manifold, *, bias: bool = True) -> None:
        super().__init__(manifold)
        self.in_channels, self.num_classes = in_channels, num_classes
        self.weight = nn.Parameter(torch.empty(num_classes, in_channels))
        self.offset = nn.Parameter(torch.empty(num_classes)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=1 / math.sqrt(self.in_channels))
        if self.offset is not None:
            nn.init.zeros_(self.offset)

    def forward(self, x: Tensor) -> Tensor:
        self.expect_points(x, self.in_channels)
        offset = self.offset if self.offset is not None else self.weight.new_zeros(self.num_classes)
        return scores(self.manifold, x, self.weight, offset)

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.num_classes}, bias={self.offset is not None}"
