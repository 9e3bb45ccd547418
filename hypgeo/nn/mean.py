"""Pooling by the Fréchet mean."""

from __future__ import annotations

from torch import Tensor

from hypgeo.manifolds import Manifold
from hypgeo.nn.layer import Layer

__all__ = ["FrechetMean"]


class FrechetMean(Layer):
    """The Fréchet mean of sets of points: along ``dim``, or of the sets that ``index`` tells apart.

    ``(..., n, width) -> (..., width)``, or ``(N, width) -> (dim_size, width)`` as in
    :meth:`hypgeo.manifolds.Manifold.frechet_mean`; differentiable in points, weights and curvature (Lou et al.,
    "Differentiating through the Fréchet Mean", 2020).  ``FrechetMean(manifold)(x, index=batch)`` pools graphs.
    """

    verbs = ("frechet_mean",)

    def __init__(self, manifold: Manifold, dim: int = -2) -> None:
        super().__init__(manifold)
        self.dim = dim

    def forward(
        self, x: Tensor, weights: Tensor | None = None, *, index: Tensor | None = None, dim_size: int | None = None
    ) -> Tensor:
        self.expect_points(x)
        return self.manifold.frechet_mean(x, weights, self.dim, index=index, dim_size=dim_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
