"""The way in and out: features to points and back."""

from __future__ import annotations

from torch import Tensor

from hypgeo.manifolds import Euclidean, Manifold
from hypgeo.nn.layer import Layer

__all__ = ["FromManifold", "ToManifold"]


class ToManifold(Layer):
    """Features to points: the exponential map at the origin, ``(..., d) -> (..., width)``.

    A feature vector becomes the point in its direction at a distance of its length (normal coordinates: the same point
    in every model).  Chami et al., "Hyperbolic Graph Convolutional Neural Networks", 2019, equation 5.
    """

    def __init__(self, manifold: Manifold) -> None:
        super().__init__(manifold, Euclidean())

    def forward(self, x: Tensor) -> Tensor:
        self.expect_points(x)
        return self.manifold.from_normal_coordinates(x)

    def at_origin(self, h: Tensor) -> Tensor:
        return h


class FromManifold(Layer):
    """Points to features: the logarithm at the origin, ``(..., width) -> (..., d)``; the inverse of ToManifold."""

    def forward(self, x: Tensor) -> Tensor:
        self.expect_points(x)
        return self.manifold.normal_coordinates(x)

    def at_origin(self, h: Tensor) -> Tensor:
        return h
