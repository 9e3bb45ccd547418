"""The Poincaré ball: points with c |x|^2 < 1, metric 4 |dx|^2 / (1 - c |x|^2)^2.

The verbs are the ops of :mod:`hypgeo.ops.poincare`, whose docstrings state formulas, domains and error bounds.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from hypgeo.manifolds.base import Manifold, _number, _per_row
from hypgeo.ops import convert
from hypgeo.ops import poincare as ops
from hypgeo.ops.special import dot, gap

__all__ = ["PoincareBall"]


class PoincareBall(Manifold):
    """Poincaré ball of curvature K = -c < 0: ``c |x|^2 < 1``, radius 1 / sqrt(c), metric ``4 |dx|^2 / (1 - c|x|^2)^2``.

    The origin is 0, and a tangent vector there has Riemannian norm 2 |u|.  float32 holds points up to a normalised
    distance of about 17 from the origin and float64 up to 37; where an exact result lies farther, ``expmap`` and the
    other maps that return points give a point of that direction about two ulps inside the rim (for points
    beyond, use :class:`Lorentz` or an exact tree).  ``projx`` does the same to rows that are not inside.
    """

    name = "PoincareBall"

    @classmethod
    def from_geoopt(cls, manifold: Any) -> PoincareBall:
        """The same space as a ``geoopt.PoincareBall``, whose ``c`` means K = -c."""
        c = getattr(manifold, "c", None)
        if not isinstance(c, Tensor) or not bool((c > 0).all()):
            raise ValueError(f"from_geoopt wants a geoopt.PoincareBall with c > 0, got {manifold!r}")
        return cls(curvature=-c.detach(), learnable=any(p.requires_grad for p in manifold.parameters()))

    # ------------------------------------------------------------------------------------------ verbs
    def dist(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(ops.dist(x, y, self.c), keepdim)

    def dist2(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(ops.dist2(x, y, self.c), keepdim)

    def dist0(self, x: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(ops.dist0(x, self.c), keepdim)

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        return ops.expmap(x, u, self.c)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        return ops.logmap(x, y, self.c)

    def expmap0(self, u: Tensor) -> Tensor:
        return ops.expmap0(u, self.c)

    def logmap0(self, y: Tensor) -> Tensor:
        return ops.logmap0(y, self.c)

    def normal_coordinates(self, x: Tensor) -> Tensor:
        return 2 * ops.logmap0(x, self.c)

    def from_normal_coordinates(self, a: Tensor) -> Tensor:
        return ops.expmap0(0.5 * a, self.c)

    def spatial_coordinates(self, x: Tensor) -> Tensor:
        return convert.ball_to_lorentz(x, self.c)[..., 1:]

    def from_spatial_coordinates(self, s: Tensor) -> Tensor:
        return convert.lorentz_to_ball(pad(s, (1, 0)), self.c)

    def geodesic(self, t: Tensor | float, x: Tensor, y: Tensor) -> Tensor:
        return ops.geodesic(x, y, _per_row(t), self.c)

    def transp(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        return ops.transp(x, y, v, self.c)

    def transp0(self, y: Tensor, v: Tensor) -> Tensor:
        return ops.transp0(y, v, self.c)

    def inner(self, x: Tensor, u: Tensor, v: Tensor | None = None, *, keepdim: bool = False) -> Tensor:
        return _number(ops.inner(x, u, u if v is None else v, self.c), keepdim)

    def norm(self, x: Tensor, u: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(ops.length(x, u, self.c), keepdim)

    def egrad2rgrad(self, x: Tensor, u: Tensor) -> Tensor:
        return ops.egrad2rgrad(x, u, self.c)

    def projx(self, x: Tensor) -> Tensor:
        """x where it lies inside the ball; other rows are moved along their direction to two ulps inside the rim."""
        return ops.projx(x, self.c)

    def hyperplane_dist(self, x: Tensor, p: Tensor, a: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(ops.hyperplane_dist(x, p, a, self.c), keepdim)

    def busemann(self, x: Tensor, direction: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(ops.busemann(x, direction, self.c), keepdim)

    def certainly_holds(self, x: Tensor) -> bool:
        c = self.c.detach().to(x.device)
        size = torch.linalg.vector_norm(x, dim=-1) * c.sqrt()
        doubt = ~(size < 1 - 64 * torch.finfo(x.dtype).eps)  # the norm's own rounding
        if c.dim() or not bool(doubt.any()):
            return not bool(doubt.any())
        return self._check_point_on_manifold(x[doubt])[0]

    # ------------------------------------------------------------------------------------------ gyrovector space
    def mobius_add(self, x: Tensor, y: Tensor) -> Tensor:
        """Möbius addition of two points ``(..., d), (..., d) -> (..., d)``; also exp_x of log_0 y carried to x."""
        return ops.mobius_add(x, y, self.c)

    def mobius_scalar_mul(self, r: Tensor | float, x: Tensor) -> Tensor:
        """r times x along the geodesic through the origin; r is a number, or one a row ``(..., 1)``."""
        return ops.mobius_scalar_mul(x, _per_row(r), self.c)

    def mobius_matvec(self, m: Tensor, x: Tensor) -> Tensor:
        """exp_0(m log_0(x)) for a matrix m ``(..., k, d)`` and points ``(..., d) -> (..., k)``."""
        return ops.mobius_matvec(m, x, self.c)

    def gyration(self, a: Tensor, b: Tensor, v: Tensor) -> Tensor:
        """gyr[a, b] v: the rotation by which Möbius addition fails to be associative."""
        return ops.gyration(a, b, v, self.c)

    # ------------------------------------------------------------------------------------------ what base.py asks for
    def _land(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        c = self.c.to(x)
        return ops.land(x, c if c.dim() == 0 else c.unsqueeze(-1), dtype)

    def _origin(self, like: Tensor, c: Tensor) -> Tensor:
        return torch.zeros_like(like[..., :1, :] if like.dim() > 1 else like)

    def _seen(self, m: Tensor, x: Tensor, c: Tensor) -> Tensor:
        w, g = x - m, gap(m, c)
        return (w - c * dot(w, w) / g * m) * (2 / gap(x, c))

    def _frame(self, m: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return u * (2 / gap(m, c))

    def _unframe(self, m: Tensor, a: Tensor, c: Tensor) -> Tensor:
        return a * (gap(m, c) / 2)

    def _dist(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return ops.dist.reference(x, y, c)

    def _dist2(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return ops.dist2.reference(x, y, c)

    def _expmap(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return ops.expmap.reference(x, u, c)

    def _logmap(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return ops.logmap.reference(x, y, c)

    def _geodesic(self, t: Tensor, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return ops.geodesic.reference(x, y, t, c)

    def _transp(self, x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return ops.transp.reference(x, y, v, c)

    def _egrad2rgrad(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return ops.egrad2rgrad.reference(x, u, c)

    def _busemann(self, x: Tensor, direction: Tensor, c: Tensor) -> Tensor:
        return ops.busemann.reference(x, direction, c)

    def _why_not_point(self, x: Tensor, c: Tensor, atol: float, rtol: float) -> str | None:
        bad = ~(gap(x, c) > 0)
        return f"{int(bad.sum())} rows are not inside the ball c |x|^2 < 1" if bool(bad.any()) else None
