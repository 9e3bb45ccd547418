"""The hyperboloid: points (x_0, x) with -x_0^2 + |x|^2 = -1/c and x_0 > 0, in Minkowski space, time first.

The spatial floats x define a point, and the spatial part of a tangent vector defines the vector: every op derives the
time coordinates, x_0 = sqrt(1/c + |x|^2) and v_0 = <x, v> / x_0, and returns them rounded.  Cancellation at large
radius comes from splitting vectors along x: with y = (1 + k) x + w, w orthogonal to x, everything is a sum of small
terms (k and w are taken without rounding errors of the size of y; see ``ops.special.along``).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hypgeo.manifolds.base import Manifold
from hypgeo.ops import lorentz
from hypgeo.ops.special import along, arsinhc_norm, corrected, dot, fold, norm, sinhc, two_diff, two_prod

__all__ = ["Lorentz"]


def _time(x: Tensor, c: Tensor) -> Tensor:
    return torch.hypot(norm(x), c.rsqrt())


def _split(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """k and w of y - x = k x + w (spatial parts)."""
    return along(x, y - x, two_diff(y.detach(), x.detach())[1])


def _lag(x: Tensor, y: Tensor, k: Tensor, w: Tensor, c: Tensor) -> Tensor:
    """(1 + k) x_0 - y_0, times sqrt(c); positive where y is nearer the origin's side than x carried outward."""
    x0, y0 = (1 + c * dot(x, x)).sqrt(), (1 + c * dot(y, y)).sqrt()
    m = 1 + k
    ahead = m > 0
    total = torch.where(ahead, m * x0 + y0, 1.0)
    return torch.where(ahead, k * ((2 + k) / total) - c * dot(w, w) / total, m * x0 - y0)


def _pairing(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """x_0 u_0 + <x, u> for the covector u in ambient coordinates, in two-component arithmetic: on a point at distance r
    the terms cancel to e^(-2r) of their size."""
    time, (xd, ud, cd) = _time(x, c), (t.detach() for t in (x, u, c))
    # the time to twice the precision: one Newton step from its float t, (1/c + |x|^2 - t^2) / (2 t)
    t = time.detach()
    one = 1 / cd.expand_as(t)
    hi, lo = fold(*two_prod(torch.cat((xd, t), -1), torch.cat((xd, -t), -1)))
    p, e = two_prod(one, cd.expand_as(one))
    rest = ((hi + one) + (lo + ((1 - p) - e) * one)) / (2 * t)
    both = torch.broadcast_shapes(x.shape, u[..., 1:].shape)
    xd = torch.cat((t.expand(*both[:-1], 1), xd.expand(both)), -1)
    hi, lo = fold(*two_prod(xd, ud.expand_as(xd)))
    return corrected(time * u[..., :1] + dot(x, u[..., 1:]), hi + (lo + rest * ud[..., :1]))


def _capped(x: Tensor, t: Tensor, c: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """x e^t, shortened to the largest radius that leaves room for tangent vectors and squares in the dtype."""
    top = math.log(torch.finfo(dtype).max) * (0.45 if dtype == torch.float64 else 0.75)
    size = norm(x.detach())
    size = torch.where(size > 0, size, 1.0)
    excess = (t + (size * c.detach().sqrt()).log() - top).clamp_min(0).detach()
    return x * torch.exp((t - excess) / 2) * torch.exp((t - excess) / 2)


class Lorentz(Manifold):
    """Hyperboloid of curvature K = -c < 0 in R^(d+1): time is coordinate 0, ``x_0 = sqrt(1/c + |x|^2)``.

    The spatial floats define the point; time is derived, so a time entry that was rounded, or is wrong, changes no
    result (``check_point_on_manifold`` tells).  Points reach a normalised distance of about 66 from the origin in
    float32 and 320 in float64; where an exact result lies farther, maps that return points give the point of that
    direction at this distance.  A tangent vector far out holds its Riemannian norm only to e^r roundings, since its
    coordinates grow with those of the point: optimise in float64 beyond radius 15.  ``projx`` and ``proju`` keep the
    spatial part and set the time.
    """

    name = "Lorentz"
    _kernel = staticmethod(lorentz.dist)
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

    # ------------------------------------------------------------------------------------------ points and vectors
    @staticmethod
    def _lift(x: Tensor, c: Tensor) -> Tensor:
        return torch.cat((_time(x, c), x), -1)

    @staticmethod
    def _lift_tangent(x: Tensor, v: Tensor, c: Tensor) -> Tensor:
        """Time of the tangent vector v at x (both spatial) put before it."""
        v = v.expand(torch.broadcast_shapes(x.shape, v.shape))
        return torch.cat((dot(x / _time(x, c), v), v), -1)

    def _land(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        # the time of the rounded spatial floats, so that every op sees the point it was given
        if x.dtype == dtype:
            return x
        c = self.c.to(x)
        c = c if c.dim() == 0 else c.unsqueeze(-1)
        y = _capped(x[..., 1:], torch.zeros_like(x[..., :1]), c, dtype).to(dtype)
        return torch.cat((_time(y.to(x.dtype), c).to(dtype), y), -1)

    def _origin(self, like: Tensor, c: Tensor) -> Tensor:
        return self._lift(torch.zeros_like(like[..., :1, 1:] if like.dim() > 1 else like[..., 1:]), c)

    def _seen(self, m: Tensor, x: Tensor, c: Tensor) -> Tensor:
        m, x = m[..., 1:], x[..., 1:]
        k, w = _split(m, x)
        return w + m * _lag(m, x, k, w, c)

    def _frame(self, m: Tensor, u: Tensor, c: Tensor) -> Tensor:
        m = m[..., 1:]
        k, w = along(m, u[..., 1:])
        return w + k * m / (1 + c * dot(m, m)).sqrt()

    def _unframe(self, m: Tensor, a: Tensor, c: Tensor) -> Tensor:
        m = m[..., 1:]
        k, w = along(m, a)
        return self._lift_tangent(m, w + k * m * (1 + c * dot(m, m)).sqrt(), c)

    # ------------------------------------------------------------------------------------------ verbs
    def _inner(self, x: Tensor, u: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return dot(self._frame(x, u, c), self._frame(x, v, c))

    def _expmap(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        a = self._frame(x, u, c)
        q = c * dot(a, a)
        x, u = x[..., 1:], u[..., 1:]
        # past cosh's range the e^T is kept apart until the cap on the radius is applied
        far = q > 300.0**2
        p = torch.where(far, 0.0, q)
        near = x + (p / 2 * sinhc(p / 4).square() * x + sinhc(p) * u)
        t = torch.where(far, q, 1.0).sqrt()
        beyond = _capped(x / 2 + u / (2 * t), t, c)
        return self._lift(torch.where(far, beyond, _capped(near, 0 * t, c)), c)

    def _logmap(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        x, y = x[..., 1:], y[..., 1:]
        k, w = _split(x, y)
        lag = _lag(x, y, k, w, c)
        a = w + x * lag
        v = (w + x * (lag * (1 + c * dot(x, x)).sqrt())) * arsinhc_norm(a, c)
        return self._lift_tangent(x, v, c)

    def _geodesic(self, t: Tensor, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        a, b = self._chord_weights(t, x, y, c)
        return self._lift(a * x[..., 1:] + b * y[..., 1:], c)

    def _transp(self, x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
        # v + c <y, v> / (1 - c <x, y>) (x + y)
        x, y, v = x[..., 1:], y[..., 1:], v[..., 1:]
        k, w = _split(x, y)
        lag = _lag(x, y, k, w, c)
        kv, wv = along(x, v)
        x0 = (1 + c * dot(x, x)).sqrt()
        a = w + x * lag
        cosh = torch.hypot(c.sqrt() * norm(a), torch.ones_like(x0))  # 1 - c <x, y> = 1 + cosh of the distance
        yv = dot(w, wv) + kv * dot(x, x) * lag / x0
        return self._lift_tangent(y, v + c * yv / (1 + cosh) * (x + y), c)

    def _egrad2rgrad(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        # the differential of u is that of the function of the point, whatever the extension off the manifold
        x = x[..., 1:]
        return self._lift_tangent(x, u[..., 1:] + c * _pairing(x, u, c) * x, c)

    def _busemann(self, x: Tensor, direction: Tensor, c: Tensor) -> Tensor:
        y = x[..., 1:] * c.sqrt()
        k, w = along(direction, y)
        y0 = (1 + dot(y, y)).sqrt()
        b = k * norm(direction)
        towards = b > 0
        near = (1 + dot(w, w)) / (y0 + torch.where(towards, b, 0.0))
        return torch.where(towards, near, y0 - b).log() / c.sqrt()

    def _why_not_point(self, x: Tensor, c: Tensor, atol: float, rtol: float) -> str | None:
        time = _time(x[..., 1:], c)
        bad = ~((x[..., :1] - time).abs() <= atol + rtol * time)
        if not bool(bad.any()):
            return None
        return f"the time coordinate of {int(bad.sum())} rows is not sqrt(1/c + |x|^2) (projx sets it)"

    def _why_not_tangent(self, x: Tensor, u: Tensor, c: Tensor, atol: float, rtol: float) -> str | None:
        time = dot(x[..., 1:] / _time(x[..., 1:], c), u[..., 1:])
        bad = ~((u[..., :1] - time).abs() <= atol + rtol * norm(u))
        if not bool(bad.any()):
            return None
        return f"the time component of {int(bad.sum())} vectors is not <x, u> / x_0 (proju sets it)"

    def projx(self, x: Tensor) -> Tensor:
        """The point with the spatial coordinates of x: its time set to sqrt(1/c + |x|^2)."""
        dtype, c, (x,) = self._enter(x)
        return self._land(self._lift(x[..., 1:], c), dtype)

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        """The tangent vector at x with the spatial part of u: its time set to <x, u> / x_0.

        Not the Minkowski-orthogonal projection, which multiplies the rounding of a time component by x_0^2.
        """
        dtype, c, (x, u) = self._enter(x, u)
        return self._lift_tangent(x[..., 1:], u[..., 1:], c).to(dtype)

    # ------------------------------------------------------------------------------------------ gyrovector space
    def mobius_add(self, x: Tensor, y: Tensor) -> Tensor:
        """exp_x of log_0(y) carried from the origin to x: Möbius addition of the ball, seen on the hyperboloid."""
        dtype, c, (x, y) = self._enter(x, y)
        z = self._seen(-x, y, c)
        return self._land(self._lift(_capped(z, torch.zeros_like(z[..., :1]), c), c), dtype)

    def mobius_scalar_mul(self, r: Tensor | float, x: Tensor) -> Tensor:
        """r times x along the geodesic through the origin; r is a number, or one a row ``(..., 1)``."""
        dtype, c, (x,) = self._enter(x)
        v = torch.as_tensor(r, dtype=x.dtype, device=x.device) * self._log0(x, c)
        return self._land(self._exp0(v, c), dtype)

    def mobius_matvec(self, m: Tensor, x: Tensor) -> Tensor:
        """exp_0(m log_0(x)) for a matrix m ``(..., k, d)`` on the d spatial coordinates of points ``(..., d + 1)``."""
        dtype, c, (m, x) = self._enter(m, x)
        v = (m @ self._log0(x, c).unsqueeze(-1)).squeeze(-1) if m.dim() > 2 else self._log0(x, c) @ m.mT
        return self._land(self._exp0(v, c), dtype)

    def gyration(self, a: Tensor, b: Tensor, v: Tensor) -> Tensor:
        """gyr[a, b] of a tangent vector v at the origin: -(a + b) + (a + (b + .)), a rotation (Thomas precession)."""
        dtype, c, (a, b, v) = self._enter(a, b, v)
        zero = torch.zeros_like(v[..., 1:])
        back = torch.cat((b[..., :1], -b[..., 1:]), -1)
        # parallel transport from -b to a, read in the frames at both ends
        carried = self._transp(back, a, self._unframe(back, v[..., 1:], c), c)
        return self._lift_tangent(zero, self._frame(a, carried, c), c).to(dtype)

    @staticmethod
    def _log0(x: Tensor, c: Tensor) -> Tensor:
        y = x[..., 1:]
        return y * arsinhc_norm(y, c)

    def _exp0(self, v: Tensor, c: Tensor) -> Tensor:
        zero = torch.zeros_like(v)
        return self._expmap(self._lift(zero, c), torch.cat((zero[..., :1], v), -1), c)
