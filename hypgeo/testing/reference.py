"""Exact geometry by mpmath: the answer for the very rationals that a tensor's floats are.

Everything is computed on the hyperboloid with textbook formulas (Ratcliffe, "Foundations of Hyperbolic Manifolds",
chapters 3 and 4) at a precision that swallows their cancellation; a model contributes its chart.  Points and tangent
vectors are lists of ``mpf``; on the hyperboloid they are spatial (d numbers) on the way in, with time first coming out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import torch
from torch import Tensor

from hypgeo.manifolds import HalfSpace, Lorentz, Manifold, PoincareBall

__all__ = ["Reference", "exact", "ulps"]

Vector = list[Any]


def exact(t: Tensor | Sequence[float]) -> Vector:
    """The floats of a vector as mpmath numbers, without rounding."""
    return [mp.mpf(v) for v in (t.detach().double().tolist() if isinstance(t, Tensor) else t)]


def _dot(a: Vector, b: Vector) -> Any:
    return mp.fsum(u * v for u, v in zip(a, b, strict=True))


def _mink(a: Vector, b: Vector) -> Any:
    return _dot(a[1:], b[1:]) - a[0] * b[0]


def _lin(a: Any, x: Vector, b: Any, y: Vector) -> Vector:
    return [a * u + b * v for u, v in zip(x, y, strict=True)]


class _Hyperboloid:
    def __init__(self, c: Any) -> None:
        self.c, self.s = c, mp.sqrt(c)

    def lift(self, x: Vector) -> Vector:
        return [mp.sqrt(1 / self.c + _dot(x, x)), *x]

    def drop(self, X: Vector) -> Vector:
        return X

    def push(self, x: Vector, v: Vector) -> Vector:
        return [_dot(x, v) / self.lift(x)[0], *v]

    def pull(self, X: Vector, V: Vector) -> Vector:
        return V


class _Ball(_Hyperboloid):
    def lift(self, x: Vector) -> Vector:
        g = 1 - self.c * _dot(x, x)
        return [(2 - g) / (self.s * g), *(2 * u / g for u in x)]

    def drop(self, X: Vector) -> Vector:
        return [u / (1 + self.s * X[0]) for u in X[1:]]

    def push(self, x: Vector, v: Vector) -> Vector:
        g, xv = 1 - self.c * _dot(x, x), _dot(x, v)
        V = [2 * b / g + 4 * self.c * xv * a / g**2 for a, b in zip(x, v, strict=True)]
        return [4 * self.s * xv / g**2, *V]

    def pull(self, X: Vector, V: Vector) -> Vector:
        t = 1 + self.s * X[0]
        return [b / t - a * self.s * V[0] / t**2 for a, b in zip(X[1:], V[1:], strict=True)]


class _Half(_Hyperboloid):
    def lift(self, x: Vector) -> Vector:
        h, z = x[:-1], x[-1]
        q, k = _dot(x, x), 2 * z * self.s
        return [(q + 1) / k, *(2 * u / k for u in h), (q - 1) / k]

    def drop(self, X: Vector) -> Vector:
        z = 1 / (self.s * (X[0] - X[-1]))
        return [*(self.s * u * z for u in X[1:-1]), z]

    def push(self, x: Vector, v: Vector) -> Vector:
        z, dz = x[-1], v[-1]
        X, xv = self.lift(x), _dot(x, v) / (x[-1] * self.s)
        flat = [(b - a * dz / z) / (z * self.s) for a, b in zip(x[:-1], v[:-1], strict=True)]
        return [xv - X[0] * dz / z, *flat, xv - X[-1] * dz / z]

    def pull(self, X: Vector, V: Vector) -> Vector:
        z = self.drop(X)[-1]
        dz = -self.s * z**2 * (V[0] - V[-1])
        return [*(self.s * (b * z + a * dz) for a, b in zip(X[1:-1], V[1:-1], strict=True)), dz]


_CHARTS: dict[type[Manifold], type[_Hyperboloid]] = {PoincareBall: _Ball, Lorentz: _Hyperboloid, HalfSpace: _Half}


class Reference:
    """dist, expmap, logmap, transp, geodesic and the Riemannian gradient of dist on one manifold, exactly.

    ``digits`` decimal digits are carried; about 1.3 per unit of normalised radius are lost, so the default serves to
    radius 50 and beyond.
    """

    def __init__(self, manifold: Manifold, digits: int = 160) -> None:
        if type(manifold) not in _CHARTS:
            raise TypeError(f"there are references for PoincareBall, Lorentz and HalfSpace, got {manifold!r}")
        self.digits = digits
        with mp.workdps(digits):
            self.chart = _CHARTS[type(manifold)](mp.mpf(float(manifold.c.detach())))

    def _run(self, f: Callable[[], Any]) -> Any:
        with mp.workdps(self.digits):
            return f()

    def _dist(self, X: Vector, Y: Vector) -> Any:
        w = _lin(1, X, -1, Y)
        s = self.chart.s
        return 2 / s * mp.asinh(s / 2 * mp.sqrt(max(_mink(w, w), mp.mpf(0))))

    def _log(self, X: Vector, Y: Vector) -> Vector:
        w = _lin(1, Y, self.chart.c * _mink(X, Y), X)
        n = mp.sqrt(max(_mink(w, w), mp.mpf(0)))
        return [mp.mpf(0)] * len(X) if n == 0 else [self._dist(X, Y) / n * t for t in w]

    def _exp(self, X: Vector, V: Vector) -> Vector:
        t = self.chart.s * mp.sqrt(max(_mink(V, V), mp.mpf(0)))
        return _lin(mp.cosh(t), X, mp.sinh(t) / t if t else mp.mpf(1), V)

    def dist(self, x: Vector, y: Vector) -> Any:
        """Geodesic distance."""
        return self._run(lambda: self._dist(self.chart.lift(x), self.chart.lift(y)))

    def expmap(self, x: Vector, v: Vector) -> Vector:
        """The end of the geodesic with velocity v."""
        return self._run(lambda: self.chart.drop(self._exp(self.chart.lift(x), self.chart.push(x, v))))

    def logmap(self, x: Vector, y: Vector) -> Vector:
        """The velocity at x of the geodesic to y."""

        def f() -> Vector:
            X = self.chart.lift(x)
            return self.chart.pull(X, self._log(X, self.chart.lift(y)))

        return self._run(f)

    def transp(self, x: Vector, y: Vector, v: Vector) -> Vector:
        """v carried from x to y."""

        def f() -> Vector:
            X, Y, V = self.chart.lift(x), self.chart.lift(y), self.chart.push(x, v)
            k = self.chart.c * _mink(Y, V) / (1 - self.chart.c * _mink(X, Y))
            return self.chart.pull(Y, _lin(1, V, k, _lin(1, X, 1, Y)))

        return self._run(f)

    def geodesic(self, t: float, x: Vector, y: Vector) -> Vector:
        """The point at fraction t of the way from x to y."""

        def f() -> Vector:
            X = self.chart.lift(x)
            V = self._log(X, self.chart.lift(y))
            return self.chart.drop(self._exp(X, [mp.mpf(t) * u for u in V]))

        return self._run(f)

    def dist_rgrad(self, x: Vector, y: Vector) -> Vector:
        """Riemannian gradient of dist(., y) at x: -log_x(y) / dist(x, y)."""
        d = self.dist(x, y)
        return self._run(lambda: [-u / d for u in self.logmap(x, y)])


def ulps(got: Tensor, want: Sequence[Any] | Any, dtype: torch.dtype) -> float:
    """Normwise error |got - want| in units of the dtype's spacing of floats at |want|."""
    y = exact(got.reshape(-1))
    r = list(want) if isinstance(want, list | tuple) else [want]
    with mp.workdps(80):
        size = mp.sqrt(_dot(r, r))
        error = mp.sqrt(mp.fsum((a - b) ** 2 for a, b in zip(y, r, strict=True)))
        if any(not math.isfinite(v) for v in got.reshape(-1).double().tolist()):
            return math.inf
        info = torch.finfo(dtype)
        spacing = mp.mpf(info.tiny) * info.eps
        if size > 0:
            spacing = max(spacing, mp.mpf(2) ** (mp.frexp(size)[1] - 1) * info.eps)
        return float(error / spacing)
