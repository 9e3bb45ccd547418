"""The hyperboloid: points (x_0, x) with -x_0^2 + |x|^2 = -1/c and x_0 > 0, in Minkowski space, time first.

The spatial floats x define a point, and the spatial part of a tangent vector defines the vector: every op derives the
time coordinates, x_0 = sqrt(1/c + |x|^2) and v_0 = <x, v> / x_0, and returns them rounded.  The mathematics is in
``hypgeo.ops.lorentz``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from hypgeo.manifolds.base import Manifold, _number, _per_row
from hypgeo.ops import lorentz
from hypgeo.ops.special import dot, norm

__all__ = ["Lorentz"]


class Lorentz(Manifold):
    """Hyperboloid of curvature K = -c < 0 in R^(d+1): time is coordinate 0, ``x_0 = sqrt(1/c + |x|^2)``.

    The spatial floats define the point; time is derived, so a time entry that was rounded, or is wrong, changes no
    result (``check_point_on_manifold`` tells).  Points reach a normalised distance of 88 from the origin in float32 and
    709 in float64 (66 and 320 without the compiled ops); where an exact result lies farther, maps that return points
    give one of that direction far out.  A tangent vector there holds its Riemannian norm only to e^r roundings, since
    its coordinates grow with those of the point: optimise in float64 beyond radius 15.  ``projx`` and ``proju`` keep
    the spatial part and set the time.
    """

    name = "Lorentz"
    _extra = 1

    @classmethod
    def from_geoopt(cls, manifold: Any) -> Lorentz:
        """The same space as a ``geoopt.Lorentz``, whose ``k`` means K = -1/k."""
        k = getattr(manifold, "k", None)
        if not isinstance(k, Tensor) or not bool((k > 0).all()):
            raise ValueError(f"from_geoopt wants a geoopt.Lorentz with k > 0, got {manifold!r}")
        return cls(curvature=-1 / k.detach(), learnable=any(p.requires_grad for p in manifold.parameters()))

    def _check_shape(self, shape: tuple[int, ...], name: str) -> tuple[bool, str | None]:
        if len(shape) >= 1 and shape[-1] >= 2:
            return True, None
        return False, f"'{name}' needs a last axis of at least 2 coordinates (time first), got shape {tuple(shape)}"

    # ------------------------------------------------------------------------------------------ for the base class
    def _land(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        c = self.c.to(x)
        y = lorentz.land(x, c if c.dim() == 0 else c.unsqueeze(-1), dtype)
        return lorentz.projx(y, self.c)  # the time of the rounded coordinates, rounded as the ops round it

    def _origin(self, like: Tensor, c: Tensor) -> Tensor:
        return lorentz.origin(like[..., :1, :] if like.dim() > 1 else like, c)

    def _seen(self, m: Tensor, x: Tensor, c: Tensor) -> Tensor:
        return lorentz.seen(m, x, c)

    def _frame(self, m: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return lorentz.frame(m, u, c)

    def _unframe(self, m: Tensor, a: Tensor, c: Tensor) -> Tensor:
        return lorentz.unframe(m, a, c)

    def _expmap(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return lorentz.expmap.reference(x, u, c)

    def _transp(self, x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return lorentz.transp.reference(x, y, v, c)

    def _egrad2rgrad(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return lorentz.egrad2rgrad.reference(x, u, c)

    def _busemann(self, x: Tensor, direction: Tensor, c: Tensor) -> Tensor:
        return lorentz.busemann.reference(x, direction, c)

    def _why_not_point(self, x: Tensor, c: Tensor, atol: float, rtol: float) -> str | None:
        time = lorentz.time(x[..., 1:], c)
        bad = ~((x[..., :1] - time).abs() <= atol + rtol * time)
        if not bool(bad.any()):
            return None
        return f"the time coordinate of {int(bad.sum())} rows is not sqrt(1/c + |x|^2) (projx sets it)"

    def _why_not_tangent(self, x: Tensor, u: Tensor, c: Tensor, atol: float, rtol: float) -> str | None:
        time = dot(x[..., 1:] / lorentz.time(x[..., 1:], c), u[..., 1:])
        bad = ~((u[..., :1] - time).abs() <= atol + rtol * norm(u))
        if not bool(bad.any()):
            return None
        return f"the time component of {int(bad.sum())} vectors is not <x, u> / x_0 (proju sets it)"

    # ------------------------------------------------------------------------------------------ distances
    def dist(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(lorentz.dist(x, y, self.c), keepdim)

    def dist2(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(lorentz.dist2(x, y, self.c), keepdim)

    def dist0(self, x: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(lorentz.dist0(x, self.c), keepdim)

    # ------------------------------------------------------------------------------------------ exp, log, geodesics
    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        return lorentz.expmap(x, u, self.c)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        return lorentz.logmap(x, y, self.c)

    def expmap0(self, u: Tensor) -> Tensor:
        return lorentz.expmap0(u, self.c)

    def logmap0(self, y: Tensor) -> Tensor:
        return lorentz.logmap0(y, self.c)

    def normal_coordinates(self, x: Tensor) -> Tensor:
        return lorentz.logmap0(x, self.c)[..., 1:]

    def from_normal_coordinates(self, a: Tensor) -> Tensor:
        return lorentz.expmap0(pad(self._within_reach(a, 1.0), (1, 0)), self.c)

    def spatial_coordinates(self, x: Tensor) -> Tensor:
        return x[..., 1:]

    def from_spatial_coordinates(self, s: Tensor) -> Tensor:
        return lorentz.projx(pad(s, (1, 0)), self.c)

    def geodesic(self, t: Tensor | float, x: Tensor, y: Tensor) -> Tensor:
        return lorentz.geodesic(x, y, _per_row(t), self.c)

    # ------------------------------------------------------------------------------------------ vectors
    def transp(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        return lorentz.transp(x, y, v, self.c)

    def transp0(self, y: Tensor, v: Tensor) -> Tensor:
        return lorentz.transp0(y, v, self.c)

    def inner(self, x: Tensor, u: Tensor, v: Tensor | None = None, *, keepdim: bool = False) -> Tensor:
        return _number(lorentz.inner(x, u, u if v is None else v, self.c), keepdim)

    def norm(self, x: Tensor, u: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(lorentz.length(x, u, self.c), keepdim)

    def egrad2rgrad(self, x: Tensor, u: Tensor) -> Tensor:
        return lorentz.egrad2rgrad(x, u, self.c)

    def projx(self, x: Tensor) -> Tensor:
        """The point with the spatial coordinates of x: its time set to sqrt(1/c + |x|^2)."""
        return lorentz.projx(x, self.c)

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        """The tangent vector at x with the spatial part of u: its time set to <x, u> / x_0.

        Not the Minkowski-orthogonal projection, which multiplies the rounding of a time component by x_0^2.
        """
        return lorentz.proju(x, u, self.c)

    # ------------------------------------------------------------------------------------------ planes, horospheres
    def hyperplane_dist(self, x: Tensor, p: Tensor, a: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(lorentz.hyperplane_dist(x, p, a, self.c), keepdim)

    def busemann(self, x: Tensor, direction: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(lorentz.busemann(x, direction, self.c), keepdim)

    def certainly_holds(self, x: Tensor) -> bool:
        time, space = x[..., 0], torch.linalg.vector_norm(x[..., 1:], dim=-1)
        right = torch.hypot(space, self.c.detach().rsqrt().to(space))
        return bool(((time - right).abs() <= 1e-6 * right).all())

    # ------------------------------------------------------------------------------------------ gyrovector space
    def mobius_add(self, x: Tensor, y: Tensor) -> Tensor:
        """exp_x of log_0(y) carried from the origin to x: Möbius addition of the ball, seen on the hyperboloid."""
        return lorentz.mobius_add(x, y, self.c)

    def mobius_scalar_mul(self, r: Tensor | float, x: Tensor) -> Tensor:
        """r times x along the geodesic through the origin; r is a number, or one a row ``(..., 1)``."""
        return lorentz.mobius_scalar_mul(x, _per_row(r), self.c)

    def mobius_matvec(self, m: Tensor, x: Tensor) -> Tensor:
        """exp_0(m log_0(x)) for a matrix m ``(..., k, d)`` on the d spatial coordinates of points ``(..., d + 1)``."""
        return lorentz.mobius_matvec(m, x, self.c)

    def gyration(self, a: Tensor, b: Tensor, v: Tensor) -> Tensor:
        """gyr[a, b] of a tangent vector v at the origin: -(a + b) + (a + (b + .)), a rotation (Thomas precession)."""
        return lorentz.gyration(a, b, v, self.c)
