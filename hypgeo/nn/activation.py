"""What acts on each coordinate: activations and dropout."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hypgeo.manifolds import Manifold
from hypgeo.nn.layer import Layer

__all__ = ["Activation", "Dropout"]


class Activation(Layer):
    """``exp_0(f(log_0 x))`` for a function f of features, ReLU when left out: ``(..., width) -> (..., width)``.

    With an ``in_manifold`` of another curvature it carries points over, as between the layers of HGCN (Chami et al.,
    "Hyperbolic Graph Convolutional Neural Networks", 2019, equation 10).
    """

    def __init__(
        self, manifold: Manifold, f: Callable[[Tensor], Tensor] = torch.relu, *, in_manifold: Manifold | None = None
    ) -> None:
        super().__init__(manifold, in_manifold)
        self.f = f

    def forward(self, x: Tensor) -> Tensor:
        self.expect_points(x)
        return self.manifold.from_normal_coordinates(self.at_origin(self.in_manifold.normal_coordinates(x)))

    def at_origin(self, h: Tensor) -> Tensor:
        return self.f(h)

    def extra_repr(self) -> str:
        return "" if isinstance(self.f, nn.Module) else getattr(self.f, "__name__", repr(self.f))


class Dropout(Layer):
    """Dropout of normal coordinates at the origin, in training; ``(..., width) -> (..., width)``."""

    def __init__(self, manifold: Manifold, p: float = 0.5) -> None:
        super().__init__(manifold)
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p is a probability below 1, got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        self.expect_points(x)
        if not self.training or self.p == 0:
            return x
        return self.manifold.from_normal_coordinates(self.at_origin(self.manifold.normal_coordinates(x)))

    def at_origin(self, h: Tensor) -> Tensor:
        return nn.functional.dropout(h, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
