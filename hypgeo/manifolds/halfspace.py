"""The upper half-space: points (x, h) with height h > 0 last, metric (|dx|^2 + dh^2) / (c h^2).

The verbs are the ops of :mod:`hypgeo.ops.halfspace`, whose docstrings state domains and error bounds.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from hypgeo.manifolds.base import Manifold, _number, _per_row
from hypgeo.ops import convert
from hypgeo.ops import halfspace as ops
from hypgeo.ops.special import dot

__all__ = ["HalfSpace"]


class HalfSpace(Manifold):
    """Upper half-space of curvature K = -c < 0, the height in the last coordinate, origin (0, ..., 0, 1).

    Heights reach over the whole exponent range of the dtype (normalised distance about 700 straight up or down in
    float64).  A height that would round to 0 becomes the smallest normal float and one that overflows the largest, so
    that no map leaves the space.
    """

    name = "HalfSpace"

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
        v = ops.logmap0(x, self.c)
        return v * self._unit(v, -0.5)

    def from_normal_coordinates(self, a: Tensor) -> Tensor:
        # a height near the smallest float has derivatives near the largest
        return ops.expmap0(self._within_reach(a, 8.0) * self._unit(a, 0.5), self.c)

    def _unit(self, v: Tensor, power: float) -> Tensor:
        """c^power for each row of v: at the origin, of height 1, lengths are those of coordinates over sqrt(c)."""
        c = self.c.to(v.device).pow(power).to(v.dtype)
        return c if c.dim() == 0 else c.unsqueeze(-1)

    def spatial_coordinates(self, x: Tensor) -> Tensor:
        return convert.half_to_lorentz(x, self.c)[..., 1:]

    def from_spatial_coordinates(self, s: Tensor) -> Tensor:
        return convert.lorentz_to_half(pad(s, (1, 0)), self.c)

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
        """x where its height is positive; other heights become the smallest normal float."""
        return ops.projx(x, self.c)

    def hyperplane_dist(self, x: Tensor, p: Tensor, a: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(ops.hyperplane_dist(x, p, a, self.c), keepdim)

    def busemann(self, x: Tensor, direction: Tensor, *, keepdim: bool = False) -> Tensor:
        return _number(ops.busemann(x, direction, self.c), keepdim)

    def certainly_holds(self, x: Tensor) -> bool:
        return bool((x[..., -1] > 0).all())

    # ------------------------------------------------------------------------------------------ gyrovector space
    def mobius_add(self, x: Tensor, y: Tensor) -> Tensor:
        """exp_x of log_0(y) carried from the origin to x: Möbius addition of the ball, seen in the half-space."""
        return ops.mobius_add(x, y, self.c)

    def mobius_scalar_mul(self, r: Tensor | float, x: Tensor) -> Tensor:
        """r times x along the geodesic through the origin; r is a number, or one a row ``(..., 1)``."""
        return ops.mobius_scalar_mul(x, _per_row(r), self.c)

    def mobius_matvec(self, m: Tensor, x: Tensor) -> Tensor:
        """exp_0(m log_0(x)) for a matrix m ``(..., k, d)`` and points ``(..., d) -> (..., k)``."""
        return ops.mobius_matvec(m, x, self.c)

    def gyration(self, a: Tensor, b: Tensor, v: Tensor) -> Tensor:
        """gyr[a, b] of a tangent vector v at the origin: the rotation by which Möbius addition is not associative."""
        return ops.gyration(a, b, v, self.c)

    # ------------------------------------------------------------------------------------------ what base.py asks for
    def _land(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return ops.land(x, self.c, dtype)

    def _origin(self, like: Tensor, c: Tensor) -> Tensor:
        one = torch.zeros(like.shape[-1], dtype=like.dtype, device=like.device)
        return torch.cat((one[:-1], one[-1:] + 1))

    def _seen(self, m: Tensor, x: Tensor, c: Tensor) -> Tensor:
        w, a, b = x - m, m[..., -1:], x[..., -1:]
        h = w[..., :-1]
        up = (dot(h, h / a) + w[..., -1:] * ((a + b) / a)) / 2
        return torch.cat((h, up), -1) / (b * c.sqrt())

    def _frame(self, m: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return u / (m[..., -1:] * c.sqrt())

    def _unframe(self, m: Tensor, a: Tensor, c: Tensor) -> Tensor:
        return a * (m[..., -1:] * c.sqrt())

    def _dist(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return ops.dist.reference(x, y, c)

    def _dist2(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return ops.dist2.reference(x, y, c)

    def _logmap(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return ops.logmap.reference(x, y, c)

    def _geodesic(self, t: Tensor, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return ops.geodesic.reference(x, y, t, c)

    def _expmap(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return ops.expmap.reference(x, u, c)

    def _transp(self, x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return ops.transp.reference(x, y, v, c)

    def _egrad2rgrad(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return ops.egrad2rgrad.reference(x, u, c)

    def _busemann(self, x: Tensor, direction: Tensor, c: Tensor) -> Tensor:
        return ops.busemann.reference(x, direction, c)

    def _why_not_point(self, x: Tensor, c: Tensor, atol: float, rtol: float) -> str | None:
        bad = ~((x[..., -1:] > 0) & x.isfinite().all(-1, keepdim=True))
        return f"{int(bad.sum())} rows have no positive finite height" if bool(bad.any()) else None
