"""The hyperboloid: points (x_0, x) with -x_0^2 + |x|^2 = -1/c and x_0 > 0, in Minkowski space, time first.

The spatial floats x define a point, and the spatial part of a tangent vector defines the vector: every op derives the
time coordinates, x_0 = sqrt(1/c + |x|^2) and v_0 = <x, v> / x_0, and returns them rounded.  Cancellation at large
radius comes from splitting vectors along x: with y = (1 + k) x + w, w orthogonal to x, everything is a sum of small
terms (k and w are taken without rounding errors of the size of y; see ``ops.special.along``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hypgeo.manifolds.base import Manifold
from hypgeo.ops.special import along, arsinhc, dot, norm, sinhc, two_diff

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
    return torch.where(ahead, (k * (2 + k) - c * dot(w, w)) / total, m * x0 - y0)


class Lorentz(Manifold):
    """Hyperboloid of curvature K = -c < 0 in R^(d+1): time is coordinate 0, ``x_0 = sqrt(1/c + |x|^2)``.

    The spatial floats define the point; time is derived, so a time entry that was rounded, or is wrong, changes no
    result (``check_point_on_manifold`` tells).  Normalised distances from the origin reach about 88 in float32 and
    350 in float64; a point beyond has coordinates inf.  ``projx`` and ``proju`` keep the spatial part and set the time.
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

    # ------------------------------------------------------------------------------------------ points and vectors
    @staticmethod
    def _lift(x: Tensor, c: Tensor) -> Tensor:
        return torch.cat((_time(x, c), x), -1)

    @staticmethod
    def _lift_tangent(x: Tensor, v: Tensor, c: Tensor) -> Tensor:
        """Time of the tangent vector v at x (both spatial) put before it."""
        v = v.expand(torch.broadcast_shapes(x.shape, v.shape))
        return torch.cat((dot(x / _time(x, c), v), v), -1)

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
        return self._lift(x + (q / 2 * sinhc(q / 4).square() * x + sinhc(q) * u), c)

    def _logmap(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        x, y = x[..., 1:], y[..., 1:]
        k, w = _split(x, y)
        lag = _lag(x, y, k, w, c)
        a = w + x * lag
        v = (w + x * (lag * (1 + c * dot(x, x)).sqrt())) * arsinhc(c * dot(a, a))
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
        q = c * dot(a, a)  # sinh^2 of the normalised distance, and 1 - c <x, y> = 1 + cosh
        yv = dot(w, wv) + kv * dot(x, x) * lag / x0
        return self._lift_tangent(y, v + c * yv / (1 + (1 + q).sqrt()) * (x + y), c)

    def _egrad2rgrad(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        # the total derivative in the spatial coordinates, raised by the inverse metric I + c x x^T
        x = x[..., 1:]
        d = u[..., 1:] + u[..., :1] * (x / _time(x, c))
        return self._lift_tangent(x, d + c * dot(x, d) * x, c)

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
        return self._lift(x[..., 1:], c).to(dtype)

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
        return self._lift(self._seen(-x, y, c), c).to(dtype)

    def mobius_scalar_mul(self, r: Tensor | float, x: Tensor) -> Tensor:
        """r times x along the geodesic through the origin; r is a number, or one a row ``(..., 1)``."""
        dtype, c, (x,) = self._enter(x)
        v = torch.as_tensor(r, dtype=x.dtype, device=x.device) * self._log0(x, c)
        return self._lift(self._exp0(v, c), c).to(dtype)

    def mobius_matvec(self, m: Tensor, x: Tensor) -> Tensor:
        """exp_0(m log_0(x)) for a matrix m ``(..., k, d)`` on the d spatial coordinates of points ``(..., d + 1)``."""
        dtype, c, (m, x) = self._enter(m, x)
        v = (m @ self._log0(x, c).unsqueeze(-1)).squeeze(-1) if m.dim() > 2 else self._log0(x, c) @ m.mT
        return self._lift(self._exp0(v, c), c).to(dtype)

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
        return y * arsinhc(c * dot(y, y))

    @staticmethod
    def _exp0(v: Tensor, c: Tensor) -> Tensor:
        return v * sinhc(c * dot(v, v))
