"""The Poincaré ball: points with c |x|^2 < 1, metric 4 |dx|^2 / (1 - c |x|^2)^2.

Every formula is written in the difference w = y - x and the gap g = 1 - c |x|^2, which is taken without
cancellation (Ungar, "A Gyrovector Space Approach to Hyperbolic Geometry", 2009, gives the textbook forms;
Ganea et al., "Hyperbolic Neural Networks", 2018, the conventions).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hypgeo.manifolds.base import Manifold
from hypgeo.ops import poincare
from hypgeo.ops.special import arsinhc, dot, gap, norm, tanhc

__all__ = ["PoincareBall"]


def _add(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Möbius addition: with w = x + y, (c|w|^2 x + g_x w) / (c|w|^2 + g_x g_y); no term cancels another."""
    w = x + y
    q, g = c * dot(w, w), gap(x, c)
    return (q * x + g * w) / (q + g * gap(y, c))


def _gyrate(x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """gyr[y, -x] v, the rotation in the plane of x and y, with w = y - x."""
    w = y - x
    q, gx, gy = c * dot(w, w), gap(x, c), gap(y, c)
    wv, yv = dot(w, v), dot(y, v)
    along_y = (gx + q) * wv - q * yv
    along_w = c * dot(y, y) * wv + gy * yv
    return v + 2 * c / (q + gx * gy) * (along_y * y - along_w * w)


def _scale(x: Tensor, r: Tensor, c: Tensor) -> Tensor:
    """r times x: tanh(r artanh(sqrt(c)|x|)) in the direction of x, analytic at 0."""
    g = gap(x, c)
    q = c * dot(x, x) / g
    a = arsinhc(q)
    return r * tanhc(r.square() * q * a.square()) * (a / g.sqrt()) * x


class PoincareBall(Manifold):
    """Poincaré ball of curvature K = -c < 0: ``c |x|^2 < 1``, radius 1 / sqrt(c), metric ``4 |dx|^2 / (1 - c|x|^2)^2``.

    The origin is 0, and a tangent vector there has Riemannian norm 2 |u|.  float32 holds points up to a normalised
    distance of about 17 from the origin and float64 up to 37; where an exact result lies farther, ``expmap`` and the
    other maps that return points give a point of that direction about three ulps inside the rim (for points
    beyond, use :class:`Lorentz` or an exact tree).  ``projx`` does the same to rows that are not inside.
    """

    name = "PoincareBall"
    _kernel = staticmethod(poincare.dist)

    @classmethod
    def from_geoopt(cls, manifold: Any) -> PoincareBall:
        """The same space as a ``geoopt.PoincareBall``, whose ``c`` means K = -c."""
        c = getattr(manifold, "c", None)
        if not isinstance(c, Tensor) or not bool((c > 0).all()):
            raise ValueError(f"from_geoopt wants a geoopt.PoincareBall with c > 0, got {manifold!r}")
        return cls(curvature=-c.detach(), learnable=any(p.requires_grad for p in manifold.parameters()))

    def _land(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        y = x.to(dtype)
        rounded = y.detach().to(x.dtype)
        c = self.c.detach().to(x)
        c = c if c.dim() == 0 else c.unsqueeze(-1)
        r = norm(rounded) * c.sqrt()
        pull = (1 - 3 * torch.finfo(dtype).eps) / torch.where(r > 0, r, 1.0)
        return torch.where(gap(rounded, c) > 0, y, (x * pull).to(dtype))

    def _seen(self, m: Tensor, x: Tensor, c: Tensor) -> Tensor:
        w, g = x - m, gap(m, c)
        return (w - c * dot(w, w) / g * m) * (2 / gap(x, c))

    def _frame(self, m: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return u * (2 / gap(m, c))

    def _unframe(self, m: Tensor, a: Tensor, c: Tensor) -> Tensor:
        return a * (gap(m, c) / 2)

    def _origin(self, like: Tensor, c: Tensor) -> Tensor:
        return torch.zeros_like(like[..., :1, :] if like.dim() > 1 else like)

    def _expmap(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        s, g = c.sqrt(), gap(x, c)
        length = 2 * s * norm(u) / g  # normalised Riemannian length T
        far = length > 1
        # near: x + g (a + c|a|^2 x) / (1 + 2c<x,a> + c^2|x|^2|a|^2), where a = tanh(T/2)/sqrt(c) in u's direction
        v = torch.where(far, 0.0, u)
        a = v * tanhc(c * dot(v, v) / g.square()) / g
        aa, xx = c * dot(a, a), c * dot(x, x)
        near = g * (a + aa * x) / (1 + 2 * c * dot(x, a) + xx * aa)
        # far: the same times e^-T, as sums of positive terms: with e = exp(-T) and n the direction,
        # g ((1 + e) n / sqrt(c) + (1 - e) x) (1 - e) / (4 e^2 + |n + sqrt(c) x|^2 (1 - e^2) + 2 g e (1 - e))
        t = torch.where(far, length, 1.0)
        n = torch.where(far, u, 1.0)
        n = n / norm(n)
        e, m = torch.exp(-t), -torch.expm1(-t)
        b = n + s * x
        den = 4 * e.square() + dot(b, b) * m * (1 + e) + 2 * g * e * m
        return x + torch.where(far, g * m * ((1 + e) * n / s + m * x) / den, near)

    def _geodesic(self, t: Tensor, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        # through the hyperboloid, spatial part 2 x / g and time (2 - g) / g: again a sum of positive weights
        a, b = self._chord_weights(t, x, y, c)
        gx, gy = gap(x, c), gap(y, c)
        a, b = a / gx, b / gy
        return 2 * (a * x + b * y) / (1 + a * (2 - gx) + b * (2 - gy))

    def _transp(self, x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return _gyrate(x, y, v, c) * (gap(y, c) / gap(x, c))

    def _egrad2rgrad(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return u * (gap(x, c) / 2).square()

    def _busemann(self, x: Tensor, direction: Tensor, c: Tensor) -> Tensor:
        b = direction - c.sqrt() * x
        return (dot(b, b) / gap(x, c)).log() / c.sqrt()

    def _why_not_point(self, x: Tensor, c: Tensor, atol: float, rtol: float) -> str | None:
        bad = ~(gap(x, c) > 0)
        return f"{int(bad.sum())} rows are not inside the ball c |x|^2 < 1" if bool(bad.any()) else None

    def projx(self, x: Tensor) -> Tensor:
        """x where it lies inside the ball; other rows are moved along their direction to three ulps inside the rim."""
        dtype, _, (x,) = self._enter(x)
        return self._land(x, dtype)

    # ------------------------------------------------------------------------------------------ gyrovector space
    def mobius_add(self, x: Tensor, y: Tensor) -> Tensor:
        """Möbius addition of two points ``(..., d), (..., d) -> (..., d)``; also exp_x of log_0 y carried to x."""
        dtype, c, (x, y) = self._enter(x, y)
        return self._land(_add(x, y, c), dtype)

    def mobius_scalar_mul(self, r: Tensor | float, x: Tensor) -> Tensor:
        """r times x along the geodesic through the origin; r is a number, or one a row ``(..., 1)``."""
        dtype, c, (x,) = self._enter(x)
        return self._land(_scale(x, torch.as_tensor(r, dtype=x.dtype, device=x.device), c), dtype)

    def mobius_matvec(self, m: Tensor, x: Tensor) -> Tensor:
        """exp_0(m log_0(x)) for a matrix m ``(..., k, d)`` and points ``(..., d) -> (..., k)``."""
        dtype, c, (m, x) = self._enter(m, x)
        zero = self._origin(x, c)
        v = (m @ self._logmap(zero, x, c).unsqueeze(-1)).squeeze(-1) if m.dim() > 2 else self._logmap(zero, x, c) @ m.mT
        return self._land(self._expmap(torch.zeros_like(v), v, c), dtype)

    def gyration(self, a: Tensor, b: Tensor, v: Tensor) -> Tensor:
        """gyr[a, b] v: the rotation by which Möbius addition fails to be associative."""
        dtype, c, (a, b, v) = self._enter(a, b, v)
        return _gyrate(-b, a, v, c).to(dtype)
