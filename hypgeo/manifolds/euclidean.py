"""Flat space under the same verbs, so that a model can be run on it as the baseline."""

from __future__ import annotations

import torch
from torch import Tensor

from hypgeo.manifolds.base import Manifold
from hypgeo.ops.special import dot, norm

__all__ = ["Euclidean"]


class Euclidean(Manifold):
    """R^d with the metric |dx|^2: curvature 0, origin 0."""

    name = "Euclidean"
    _flat = True

    def __init__(self, curvature: float | Tensor = 0.0, learnable: bool = False) -> None:
        super().__init__(curvature, learnable)

    def normal_coordinates(self, x: Tensor) -> Tensor:
        return x

    def from_normal_coordinates(self, a: Tensor) -> Tensor:
        return a

    def spatial_coordinates(self, x: Tensor) -> Tensor:
        return x

    def from_spatial_coordinates(self, s: Tensor) -> Tensor:
        return s

    def mobius_add(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    def _refuse_wrong_sign(self, k: Tensor, given: object) -> None:
        if bool((k != 0).any()):
            raise ValueError(f"Euclidean space has curvature 0, got {given!r}; use PoincareBall(curvature=...) below 0")

    def _seen(self, m: Tensor, x: Tensor, c: Tensor) -> Tensor:
        return x - m

    def _frame(self, m: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return u.expand(torch.broadcast_shapes(m.shape, u.shape))

    def _unframe(self, m: Tensor, a: Tensor, c: Tensor) -> Tensor:
        return a

    def _origin(self, like: Tensor, c: Tensor) -> Tensor:
        return torch.zeros_like(like[..., :1, :] if like.dim() > 1 else like)

    def _expmap(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return x + u

    def _transp(self, x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return v.expand(torch.broadcast_shapes(x.shape, y.shape, v.shape)).clone()

    def _egrad2rgrad(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return u.clone()

    def _dist(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return norm(x - y)

    def _dist2(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return dot(x - y, x - y)

    def _logmap(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return y - x

    def _busemann(self, x: Tensor, direction: Tensor, c: Tensor) -> Tensor:
        return -dot(x, direction)

    def _why_not_point(self, x: Tensor, c: Tensor, atol: float, rtol: float) -> str | None:
        bad = ~x.isfinite().all(-1)
        return f"{int(bad.sum())} rows are not finite" if bool(bad.any()) else None

    def certainly_holds(self, x: Tensor) -> bool:
        return True

    def from_plane_distances(self, v: Tensor) -> Tensor:
        return v

    def projx(self, x: Tensor) -> Tensor:
        """x itself."""
        return x
