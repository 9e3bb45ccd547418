"""The upper half-space: points (x, h) with height h > 0 last, metric (|dx|^2 + dh^2) / (c h^2).

With w = y - x and heights a, b the half-distance is asinh(|w| / (2 sqrt(a b))) / sqrt(c): no formula here cancels.
(Ratcliffe, "Foundations of Hyperbolic Manifolds", section 4.6.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from hypgeo.manifolds.base import Manifold
from hypgeo.ops.special import arsinhc, asinh, dot, norm, sinhc

__all__ = ["HalfSpace"]


def _half_dist(x: Tensor, y: Tensor) -> Tensor:
    """Half the normalised distance: asinh(|y - x| / (2 sqrt(a b))), by logarithms where the quotient may overflow."""
    w, a, b = norm(y - x), x[..., -1:], y[..., -1:]
    t = w / a.sqrt() / b.sqrt() / 2  # the norm's derivative at 0 is 0, and so is that of the distance
    far = t > 1e100
    v = torch.where(far, w, 1.0)
    return torch.where(far, v.log() - (a.log() + b.log()) / 2, asinh(torch.where(far, 0.0, t)))


class HalfSpace(Manifold):
    """Upper half-space of curvature K = -c < 0, the height in the last coordinate, origin (0, ..., 0, 1).

    Heights reach over the whole exponent range of the dtype (normalised distance about 700 straight up or down in
    float64).  A height that would round to 0 becomes the smallest normal float and one that overflows the largest, so
    that no map leaves the space.
    """

    name = "HalfSpace"

    def _land(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        x = x.to(dtype)
        tiny = torch.finfo(dtype).tiny
        x = x.clamp(-torch.finfo(dtype).max, torch.finfo(dtype).max)
        return torch.cat((x[..., :-1], x[..., -1:].clamp_min(tiny)), -1)

    def _seen(self, m: Tensor, x: Tensor, c: Tensor) -> Tensor:
        w, a, b = x - m, m[..., -1:], x[..., -1:]
        h = w[..., :-1]
        up = (dot(h, h / a) + w[..., -1:] * ((a + b) / a)) / 2
        return torch.cat((h, up), -1) / (b * c.sqrt())

    def _frame(self, m: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return u / (m[..., -1:] * c.sqrt())

    def _unframe(self, m: Tensor, a: Tensor, c: Tensor) -> Tensor:
        return a * (m[..., -1:] * c.sqrt())

    def _origin(self, like: Tensor, c: Tensor) -> Tensor:
        one = torch.zeros(like.shape[-1], dtype=like.dtype, device=like.device)
        return torch.cat((one[:-1], one[-1:] + 1))

    def _dist(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return 2 / c.sqrt() * _half_dist(x, y)

    def _dist2(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        w = y - x
        q = dot(w, w / x[..., -1:]) / (4 * y[..., -1:])
        far = ~(q < 1e100)
        p = torch.where(far, 0.0, q)
        return 4 / c * torch.where(far, _half_dist(x, y).square(), p * arsinhc(p).square())

    def _logmap(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        w, a, b = y - x, x[..., -1:], y[..., -1:]
        h = w[..., :-1]
        q = dot(w, w / a) / (4 * b)
        far = ~(q < 1e100)
        p = torch.where(far, 0.0, q)
        v = torch.cat((h * (a / b), (w[..., -1:] * ((a + b) / b) + dot(h, h / b)) / 2), -1)
        near = torch.where(far, 0.0, v) * (arsinhc(p) / (1 + p).sqrt())
        # the same direction at the length of the distance, where the squares overflow
        n = torch.where(far, w, 1.0)
        n = n / norm(n)
        e = torch.cat((n[..., :-1] * a, (n[..., -1:] * (a + b) + dot(n[..., :-1], h)) / 2), -1)
        return torch.where(far, 2 * a * _half_dist(x, y) * (e / norm(e)), near)

    def _expmap(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        a = x[..., -1:]
        length = norm(u) / a  # normalised Riemannian length T
        far = length > 1
        # near: height a / D and shift u_h sinh(T)/T / D with D = cosh T - (u_up / a) sinh(T)/T
        v = torch.where(far, 0.0, u / a)
        q = dot(v, v)
        f = sinhc(q)
        d = 1 + q / 2 * sinhc(q / 4).square() - v[..., -1:] * f
        # far: the same times e^-T, D as a sum of positive terms: e^2 + (1 - cos) (1 - e^2) / 2
        t = torch.where(far, length, 1.0)
        n = torch.where(far, u, 1.0)
        n = n / norm(n)
        e = torch.exp(-t)
        m = -torch.expm1(-2 * t) / 2
        h, rise = n[..., :-1], n[..., -1:]
        lean = torch.where(rise > 0, dot(h, h) / (1 + rise.clamp_min(0)), 1 - rise)
        dd = e.square() + lean * m
        leaning = lean > 0  # else straight up, where D is e^2 alone and may underflow
        dd = torch.where(leaning, dd, 1.0)
        shift = torch.where(far, torch.where(leaning, a * (h / dd) * m, 0.0), u[..., :-1] * (f / d))
        return torch.cat((x[..., :-1] + shift, a * torch.where(far, torch.where(leaning, e / dd, 1 / e), 1 / d)), -1)

    def _transp(self, x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
        # two reflections: in the bisector of x and y, then along the geodesic at y; multiplied out with w = y - x.
        # Homogeneous in w, a and b, which are scaled so that no product overflows.
        w, a, b = y - x, x[..., -1:], y[..., -1:]
        size = (norm(w) + a.sqrt() * b.sqrt()).detach()
        ratio = b / a
        w, a, b = w / size, a / size, b / size
        q, wv, up = dot(w, w), dot(w, v), v[..., -1:]
        r = v + w * ((4 * b * up - 2 * wv) / (4 * a * b + q))
        r = torch.cat((r[..., :-1], r[..., -1:] - (4 * a * wv + 2 * q * up) / (4 * a * b + q)), -1)
        return r * ratio

    def _egrad2rgrad(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor:
        return u * (c * x[..., -1:].square())

    def _busemann(self, x: Tensor, direction: Tensor, c: Tensor) -> Tensor:
        h, z = x[..., :-1], x[..., -1:]
        dh, rise = direction[..., :-1], direction[..., -1:]
        low = rise < 0.5  # there the ideal point is dh / (1 - rise), at a moderate distance
        k = torch.where(low, 1 - rise, 1.0)
        w = h - dh / k
        below = k * (dot(w, w) + z.square())
        fall = dot(dh, dh) / (1 + torch.where(low, 1.0, rise))  # 1 - rise
        above = (dot(h, h) + z.square()) * fall - 2 * dot(h, dh) + (1 + rise)
        return (torch.where(low, below, above) / (2 * z)).log() / c.sqrt()

    def _why_not_point(self, x: Tensor, c: Tensor, atol: float, rtol: float) -> str | None:
        bad = ~((x[..., -1:] > 0) & x.isfinite().all(-1, keepdim=True))
        return f"{int(bad.sum())} rows have no positive finite height" if bool(bad.any()) else None

    def projx(self, x: Tensor) -> Tensor:
        """x where its height is positive; other heights become the smallest normal float."""
        dtype, _, (x,) = self._enter(x)
        return self._land(x, dtype)
