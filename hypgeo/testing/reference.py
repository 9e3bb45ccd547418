"""Exact hyperbolic geometry: the answer, and its derivatives, for the very rationals that a tensor's floats are.

    ref = Reference(PoincareBall(curvature=-0.3))
    want = ref("expmap", x, v)                          # rows as tensors, or lists of exact numbers
    gx, gv, gc = ref.vjp("expmap", (x, v), out_grad)    # what backward should give, the last for c = -K
    ulps(manifold.expmap(x, v), want, x.dtype)

Everything is computed on the hyperboloid with textbook formulas (J. G. Ratcliffe, Foundations of Hyperbolic Manifolds,
3rd ed., Springer 2019, chapters 3 and 4); a model contributes its chart.  Each evaluation is done twice, at some number
of bits and at twice as many, and again at twice those until both agree to 70 bits: cancellation takes what it likes.
Derivatives come from a reverse-mode tape over the same formulas.  Numbers are gmpy2's where it is installed, mpmath's
elsewhere (slower).  A point or tangent vector of the hyperboloid is its spatial floats on the way in (the time entry of
a tensor is not read), with time first coming out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import mpmath
import torch
from torch import Tensor

from hypgeo.manifolds import HalfSpace, Lorentz, Manifold, PoincareBall

try:
    import gmpy2 as _big
except ModuleNotFoundError:
    _big = None

__all__ = ["OPS", "Op", "Reference", "error", "exact", "precision", "settle", "ulps"]

Vector = list[Any]
_AGREE = 70  # bits in which two precisions must agree
_START, _MOST = 320, 82_000


# ------------------------------------------------------------------------------------------ numbers
def precision(bits: int) -> AbstractContextManager[Any]:
    """A context in which references compute with this many bits."""
    if _big is not None:
        wide: AbstractContextManager[Any] = _big.context(precision=bits, emax=1 << 40, emin=-(1 << 40))
        return wide
    return mpmath.workprec(bits)


def exact(t: Tensor | Sequence[Any]) -> Vector:
    """The floats of a vector as numbers of the reference, without rounding."""
    values = t.detach().double().reshape(-1).tolist() if isinstance(t, Tensor) else t
    return [_number(v) for v in values]


def _number(v: Any) -> Any:
    if isinstance(v, int | float):
        return mpmath.mpf(v) if _big is None else _big.mpfr(v, 53)
    if _big is not None and isinstance(v, mpmath.mpf):
        sign, digits, exponent, bits = v._mpf_
        if not bits and exponent:  # inf or nan
            return _big.mpfr(float(v))
        with precision(bits + 2):
            return _big.mul_2exp(_big.mpfr(-digits if sign else digits), exponent)
    return v


def _fn(name: str) -> Callable[[Any], Any]:
    return getattr(mpmath.mp if _big is None else _big, name)


_SQRT, _EXP, _LOG, _SINH, _COSH, _ASINH, _TANH = map(_fn, ("sqrt", "exp", "log", "sinh", "cosh", "asinh", "tanh"))


def _exponent(v: Any) -> float:
    """log2 |v|, roughly; -inf for 0, inf for what is not finite."""
    if v == 0:
        return -math.inf
    if _big is not None:
        return float(_big.get_exp(v)) if _big.is_finite(v) else math.inf
    return float(mpmath.mag(v)) if mpmath.isfinite(v) else math.inf


# ------------------------------------------------------------------------------------------ derivatives
class Var:
    """A number that remembers what it was made of."""

    __slots__ = ("bar", "parents", "tape", "v", "weights")

    def __init__(self, v: Any, tape: list[Var], parents: tuple[Var, ...] = (), weights: tuple[Any, ...] = ()) -> None:
        self.v, self.tape, self.parents, self.weights, self.bar = v, tape, parents, weights, 0
        tape.append(self)

    def __neg__(self) -> Var:
        return Var(-self.v, self.tape, (self,), (-1,))

    def __add__(self, o: Any) -> Var:
        if isinstance(o, Var):
            return Var(self.v + o.v, self.tape, (self, o), (1, 1))
        return Var(self.v + o, self.tape, (self,), (1,))

    __radd__ = __add__

    def __sub__(self, o: Any) -> Var:
        if isinstance(o, Var):
            return Var(self.v - o.v, self.tape, (self, o), (1, -1))
        return Var(self.v - o, self.tape, (self,), (1,))

    def __rsub__(self, o: Any) -> Var:
        return Var(o - self.v, self.tape, (self,), (-1,))

    def __mul__(self, o: Any) -> Var:
        if isinstance(o, Var):
            return Var(self.v * o.v, self.tape, (self, o), (o.v, self.v))
        return Var(self.v * o, self.tape, (self,), (o,))

    __rmul__ = __mul__

    def __truediv__(self, o: Any) -> Var:
        if isinstance(o, Var):
            q = self.v / o.v
            return Var(q, self.tape, (self, o), (1 / o.v, -q / o.v))
        return Var(self.v / o, self.tape, (self,), (1 / o if not isinstance(o, int) else _number(1) / o,))

    def __rtruediv__(self, o: Any) -> Var:
        q = o / self.v
        return Var(q, self.tape, (self,), (-q / self.v,))


def _plain(v: Any) -> Any:
    return v.v if isinstance(v, Var) else v


def _apply(value: Callable[[Any], Any], slope: Callable[[Any, Any], Any], a: Any) -> Any:
    if isinstance(a, Var):
        r = value(a.v)
        return Var(r, a.tape, (a,), (slope(a.v, r),))
    return value(a)


def _over(a: Any, b: Any) -> Any:
    """a / b, where b = 0 gives inf: the slope of a square root at 0 is its business, not an error."""
    return a / b if b != 0 else _number(math.inf)


def _sqrt(a: Any) -> Any:
    return _apply(_SQRT, lambda q, r: _over(_number(1), 2 * r), a)


def _log(a: Any) -> Any:
    return _apply(_LOG, lambda q, r: 1 / q, a)


def _asinh(a: Any) -> Any:
    return _apply(_ASINH, lambda q, r: 1 / _SQRT(1 + q * q), a)


def _series(q: Any, term: Callable[[int], tuple[int, int]]) -> Any:
    """1 + t1 q + t2 q^2 + ... where term(k) is the ratio of the k-th coefficient to the one before it."""
    total = power = _number(1)
    k = 0
    while power != 0 and _exponent(power) > _exponent(total) - 1.2 * _bits():
        k += 1
        up, down = term(k)
        power = power * q * up / down
        total = total + power
    return total


def _bits() -> int:
    return int(mpmath.mp.prec if _big is None else _big.get_context().precision)


def _small(q: Any) -> bool:
    return bool(abs(q) < 1e-3)


# Functions of q = t^2, analytic at 0, with their derivatives in q.
def _coshq(a: Any) -> Any:
    return _apply(lambda q: _COSH(_SQRT(q)), lambda q, r: _sinhc(q) / 2, a)


def _sinhc(q: Any) -> Any:
    return _SINH(_SQRT(q)) / _SQRT(q) if q != 0 else _number(1)


def _dsinhc(q: Any) -> Any:
    if _small(q):  # sum of q^k / ((2k + 3)!) (k + 1)
        return _series(q, lambda k: (k + 1, k * (2 * k + 2) * (2 * k + 3))) / 6
    return (_COSH(_SQRT(q)) - _sinhc(q)) / (2 * q)


def _sinhcq(a: Any) -> Any:
    return _apply(_sinhc, lambda q, r: _dsinhc(q), a)


def _asinhc(q: Any) -> Any:
    return _ASINH(_SQRT(q)) / _SQRT(q) if q != 0 else _number(1)


def _dasinhc(q: Any) -> Any:
    if _small(q):
        # asinhc = sum a_k q^k, a_k / a_{k-1} = -(2k - 1)^2 / (2k (2k + 1)); term by term
        return _series(q, lambda k: (-(k + 1) * (2 * k + 1) ** 2, k * (2 * k + 2) * (2 * k + 3))) / -6
    return (1 / _SQRT(1 + q) - _asinhc(q)) / (2 * q)


def _asinhcq(a: Any) -> Any:
    return _apply(_asinhc, lambda q, r: _dasinhc(q), a)


def _dot(a: Vector, b: Vector) -> Any:
    """Inner product, one node of the tape however long."""
    u, v = [_plain(s) for s in a], [_plain(s) for s in b]
    total: Any = _number(0)
    for s, t in zip(u, v, strict=True):
        total = total + s * t
    parents, weights = [], []
    for s, t, p, q in zip(a, b, u, v, strict=True):
        if isinstance(s, Var):
            parents.append(s)
            weights.append(q)
        if isinstance(t, Var):
            parents.append(t)
            weights.append(p)
    return Var(total, parents[0].tape, tuple(parents), tuple(weights)) if parents else total


def _mink(a: Vector, b: Vector) -> Any:
    return _dot(a, [-b[0], *b[1:]])


def _lin(a: Any, x: Vector, b: Any, y: Vector) -> Vector:
    return [a * u + b * v for u, v in zip(x, y, strict=True)]


def _mul(a: Any, x: Vector) -> Vector:
    return [a * u for u in x]


def _sub(x: Vector, y: Vector) -> Vector:
    return [u - v for u, v in zip(x, y, strict=True)]


def _solve(m: list[Vector], rhs: Vector) -> Vector:
    """The solution of a small linear system of plain numbers; the right-hand side may carry derivatives."""
    n = len(m)
    rows = [[*row, *(_number(int(i == j)) for j in range(n))] for i, row in enumerate(m)]
    for i in range(n):
        best = max(range(i, n), key=lambda j: abs(rows[j][i]))
        rows[i], rows[best] = rows[best], rows[i]
        rows[i] = [t / rows[i][i] for t in rows[i]]
        for j in range(n):
            if j != i and rows[j][i] != 0:
                rows[j] = _lin(1, rows[j], -rows[j][i], rows[i])
    return [_dot(row[n:], rhs) for row in rows]


# ------------------------------------------------------------------------------------------ charts
class _Hyperboloid:
    """A point is its spatial part; the charts below say how their points and vectors lie on it."""

    def __init__(self, c: Any) -> None:
        self.c, self.s = c, _sqrt(c)

    def lift(self, x: Vector) -> Vector:
        return [_sqrt(1 / self.c + _dot(x, x)), *x]

    def drop(self, X: Vector) -> Vector:
        return X

    def push(self, x: Vector, v: Vector) -> Vector:
        return [_dot(x, v) / self.lift(x)[0], *v]

    def pull(self, X: Vector, V: Vector) -> Vector:
        return V

    def origin(self, d: int) -> Vector:
        return [_number(0)] * d

    def raise_index(self, x: Vector, h: Vector) -> Vector:
        """The Riemannian gradient from the differential (the hyperboloid's in ambient coordinates)."""
        X, g = self.lift(x), [-h[0], *h[1:]]
        return _lin(1, g, self.c * _dot(X, h), X)

    def valid(self, x: Vector) -> bool:
        return True


class _Ball(_Hyperboloid):
    def gap(self, x: Vector) -> Any:
        return 1 - self.c * _dot(x, x)

    def lift(self, x: Vector) -> Vector:
        g = self.gap(x)
        return [(2 - g) / (self.s * g), *(2 * u / g for u in x)]

    def drop(self, X: Vector) -> Vector:
        return [u / (1 + self.s * X[0]) for u in X[1:]]

    def push(self, x: Vector, v: Vector) -> Vector:
        g, xv = self.gap(x), _dot(x, v)
        V = [2 * b / g + 4 * self.c * xv * a / (g * g) for a, b in zip(x, v, strict=True)]
        return [4 * self.s * xv / (g * g), *V]

    def pull(self, X: Vector, V: Vector) -> Vector:
        t = 1 + self.s * X[0]
        return [b / t - a * self.s * V[0] / (t * t) for a, b in zip(X[1:], V[1:], strict=True)]

    def raise_index(self, x: Vector, h: Vector) -> Vector:
        g = self.gap(x) / 2
        return _mul(g * g, h)

    def valid(self, x: Vector) -> bool:
        return bool(self.gap(x) > 0)


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
        dz = -self.s * z * z * (V[0] - V[-1])
        return [*(self.s * (b * z + a * dz) for a, b in zip(X[1:-1], V[1:-1], strict=True)), dz]

    def origin(self, d: int) -> Vector:
        return [*super().origin(d - 1), _number(1)]

    def raise_index(self, x: Vector, h: Vector) -> Vector:
        return _mul(self.c * x[-1] * x[-1], h)

    def valid(self, x: Vector) -> bool:
        return bool(x[-1] > 0)


class _Klein(_Hyperboloid):
    def lift(self, x: Vector) -> Vector:
        g = _sqrt(1 - self.c * _dot(x, x))
        return [1 / (self.s * g), *(u / g for u in x)]

    def drop(self, X: Vector) -> Vector:
        return [u / (self.s * X[0]) for u in X[1:]]

    def valid(self, x: Vector) -> bool:
        return bool(1 - self.c * _dot(x, x) > 0)


_CHARTS: dict[str, type[_Hyperboloid]] = {
    "PoincareBall": _Ball,
    "Lorentz": _Hyperboloid,
    "HalfSpace": _Half,
    "Klein": _Klein,
}


# ------------------------------------------------------------------------------------------ formulas
def _q(c: Any, X: Vector, Y: Vector) -> Any:
    """Squared Lorentzian length of the chord, (4/c) sinh^2 of half the normalised distance."""
    w = _sub(Y, X)
    q = _mink(w, w)
    return q if _plain(q) > 0 else 0 * q


def _distance(c: Any, X: Vector, Y: Vector) -> Any:
    q = _q(c, X, Y)
    return _sqrt(q) * _asinhcq(c * q / 4)


def _logarithm(c: Any, X: Vector, Y: Vector) -> Vector:
    q = _q(c, X, Y)
    p = c * q / 4
    f = _asinhcq(p) / _sqrt(1 + p)
    return _lin(f, _sub(Y, X), -f * 2 * p, X)


def _exponential(c: Any, X: Vector, V: Vector) -> Vector:
    t = c * _mink(V, V)
    if _plain(t) <= 0:
        t = 0 * t
    elif _plain(t) > 6000**2:  # beyond the range of every float, and every float is reached sooner
        V = _mul(6000 / _sqrt(t), V)
        t = t * 0 + 6000**2
    return _lin(_coshq(t), X, _sinhcq(t), V)


def _transport(c: Any, X: Vector, Y: Vector, V: Vector) -> Vector:
    k = c * _mink(_sub(Y, X), V) / (2 + c * _q(c, X, Y) / 2)
    return _lin(1, V, k, _lin(1, X, 1, Y))


def _boost(ch: _Hyperboloid, X: Vector, Y: Vector) -> Vector:
    """Y moved by the translation that takes the origin to X: spatial part, and the time that belongs to it."""
    k = ch.c * _dot(X[1:], Y[1:]) / (1 + ch.s * X[0]) + ch.s * Y[0]
    t = ch.s * (X[0] * Y[0] + _dot(X[1:], Y[1:]))
    return [t, *_lin(1, Y[1:], k, X[1:])]


def _back(X: Vector) -> Vector:
    return [X[0], *(-u for u in X[1:])]


def _frechet(ch: _Hyperboloid, points: list[Vector], w: Vector) -> Vector:
    """The mean, by Newton's method in plain numbers; then one more step that carries the derivatives (the implicit
    function theorem: the step is 0 there, and its derivative is the mean's)."""
    c = ch.c
    bare = _Hyperboloid(_plain(c))
    plain = [[_plain(u) for u in X] for X in points]
    weights = [_plain(u) for u in w]

    def pull(frame: _Hyperboloid, M: Vector, to: list[Vector], by: Vector) -> tuple[Vector, list[Vector]]:
        seen = [_boost(frame, _back(M), X)[1:] for X in to]
        n = len(seen[0])
        g: Vector = [_number(0)] * n
        H = [[_number(0)] * n for _ in range(n)]
        for y, b in zip(seen, by, strict=True):
            q = _dot(y, y)
            f = _asinhcq(frame.c * q)
            g = _lin(1, g, b * f, y)
            p, k = _plain(q), _plain(b)
            across = _plain(f) * _SQRT(1 + _plain(frame.c) * p)
            lean = (1 - across) / p if p > 0 else _number(0)
            z = [_plain(u) for u in y]
            for i in range(n):
                for j in range(n):
                    H[i][j] = H[i][j] + k * (lean * z[i] * z[j] + (across if i == j else 0))
        return g, H

    total = [sum((b * X[i] for b, X in zip(weights, plain, strict=True)), _number(0)) for i in range(len(plain[0]))]
    M = _mul(1 / (bare.s * _SQRT(-_mink(total, total))), total)
    damp, size = _number(1), None
    for _ in range(300):
        g, H = pull(bare, M, plain, weights)
        now = _dot(g, g)
        if now == 0 or (size is not None and _exponent(now) < -1.6 * _bits() + _exponent(sum(weights)) * 2):
            break
        if size is not None and not now < size:
            damp = damp / 2
        else:
            best, step, damp, size = M, _solve(H, g), min(damp * 2, _number(1)), now
        M = _boost(bare, best, _exponential(bare.c, bare.lift([0 * u for u in step]), [0, *_mul(damp, step)])[:])
    if not isinstance(c, Var):
        return M
    base = _Hyperboloid(c).lift([_number(u) for u in M[1:]])
    g, H = pull(_Hyperboloid(c), base, points, w)
    step = _solve(H, g)
    origin = _Hyperboloid(c).lift([_number(0)] * len(step))
    return _boost(_Hyperboloid(c), base, _exponential(c, origin, [0, *step]))


# ------------------------------------------------------------------------------------------ ops
@dataclass(frozen=True)
class Op:
    """One public verb: what its arguments are, what comes out, and the formula on the hyperboloid.

    ``to_PoincareBall`` and the like stand for ``hypgeo.convert`` to that model.

    Kinds of arguments, in their order: p point, v tangent vector at the first point, a at the second, o at the origin,
    n number, u direction, h differential at the first point, m matrix, P set of points, w weights.
    Results: p, v (at the last point), o, n.
    """

    kinds: str
    out: str
    formula: Callable[..., Any]
    target: str = ""  # the model of the result, where it is another one


def _origin(ch: _Hyperboloid, like: Vector) -> Vector:
    d = len(like)
    return ch.lift(ch.origin(d))


def _o_push(ch: _Hyperboloid, v: Vector) -> Vector:
    return ch.push(ch.origin(len(v)), v)


def _gyration(ch: _Hyperboloid, a: Vector, b: Vector, v: Vector) -> Vector:
    O, A, B = _origin(ch, a), ch.lift(a), _back(ch.lift(b))
    V = _transport(ch.c, O, B, _o_push(ch, v))
    return ch.pull(O, _transport(ch.c, A, O, _transport(ch.c, B, A, V)))


def _hyperplane(ch: _Hyperboloid, x: Vector, p: Vector, a: Vector) -> Any:
    A = ch.push(p, a)
    size = _sqrt(_mink(A, A))
    return _asinh(ch.s * _mink(_sub(ch.lift(x), ch.lift(p)), A) / size) / ch.s


def _horosphere(ch: _Hyperboloid, x: Vector, u: Vector) -> Any:
    X = ch.lift(x)
    return _log(ch.s * (X[0] - _dot(X[1:], u) / _sqrt(_dot(u, u)))) / ch.s


def _matvec(ch: _Hyperboloid, m: list[Vector], x: Vector) -> Vector:
    O = _origin(ch, x)
    v = [_dot(row, _logarithm(ch.c, O, ch.lift(x))[1:]) for row in m]
    return ch.drop(_exponential(ch.c, _origin(ch, v), [0, *v]))


def _centre(ch: _Hyperboloid, points: list[Vector], w: Vector) -> Vector:
    lifted = [ch.lift(x) for x in points]
    total = [_dot(w, [X[i] for X in lifted]) for i in range(len(lifted[0]))]
    return ch.drop(_mul(1 / (ch.s * _sqrt(-_mink(total, total))), total))


def _ray(ch: _Hyperboloid, r: Any, x: Vector) -> Vector:
    O = _origin(ch, x)
    return ch.drop(_exponential(ch.c, O, _mul(r, _logarithm(ch.c, O, ch.lift(x)))))


def _line(ch: _Hyperboloid, t: Any, x: Vector, y: Vector) -> Vector:
    X = ch.lift(x)
    return ch.drop(_exponential(ch.c, X, _mul(t, _logarithm(ch.c, X, ch.lift(y)))))


def _squared(ch: _Hyperboloid, X: Vector, Y: Vector) -> Any:
    q = _q(ch.c, X, Y)
    f = _asinhcq(ch.c * q / 4)
    return q * f * f


def _norm(ch: _Hyperboloid, x: Vector, u: Vector) -> Any:
    U = ch.push(x, u)
    return _sqrt(_mink(U, U))


def _to(target: str) -> Op:
    return Op("p", "p", lambda ch, x: _CHARTS[target](ch.c).drop(ch.lift(x)), target)


OPS: dict[str, Op] = {
    "dist": Op("pp", "n", lambda ch, x, y: _distance(ch.c, ch.lift(x), ch.lift(y))),
    "dist2": Op("pp", "n", lambda ch, x, y: _squared(ch, ch.lift(x), ch.lift(y))),
    "dist0": Op("p", "n", lambda ch, x: _distance(ch.c, _origin(ch, x), ch.lift(x))),
    "expmap": Op("pv", "p", lambda ch, x, v: ch.drop(_exponential(ch.c, ch.lift(x), ch.push(x, v)))),
    "logmap": Op("pp", "v", lambda ch, x, y: ch.pull(ch.lift(x), _logarithm(ch.c, ch.lift(x), ch.lift(y)))),
    "expmap0": Op("o", "p", lambda ch, v: ch.drop(_exponential(ch.c, _origin(ch, v), _o_push(ch, v)))),
    "logmap0": Op("p", "o", lambda ch, y: ch.pull(_origin(ch, y), _logarithm(ch.c, _origin(ch, y), ch.lift(y)))),
    "transp": Op(
        "ppv", "v", lambda ch, x, y, v: ch.pull(ch.lift(y), _transport(ch.c, ch.lift(x), ch.lift(y), ch.push(x, v)))
    ),
    "transp0": Op(
        "po", "v", lambda ch, y, v: ch.pull(ch.lift(y), _transport(ch.c, _origin(ch, y), ch.lift(y), _o_push(ch, v)))
    ),
    "mobius_add": Op("pp", "p", lambda ch, x, y: ch.drop(_boost(ch, ch.lift(x), ch.lift(y)))),
    "mobius_scalar_mul": Op("np", "p", _ray),
    "mobius_matvec": Op("mp", "p", _matvec),
    "gyration": Op("ppo", "o", _gyration),
    "geodesic": Op("npp", "p", _line),
    "midpoint": Op("Pw", "p", _centre),
    "frechet_mean": Op("Pw", "p", lambda ch, x, w: ch.drop(_frechet(ch, [ch.lift(p) for p in x], w))),
    "inner": Op("pvv", "n", lambda ch, x, u, v: _mink(ch.push(x, u), ch.push(x, v))),
    "norm": Op("pv", "n", _norm),
    "egrad2rgrad": Op("ph", "v", lambda ch, x, h: ch.raise_index(x, h)),
    "hyperplane_dist": Op("ppa", "n", _hyperplane),
    "busemann": Op("pu", "n", _horosphere),
    **{f"to_{name}": _to(name) for name in _CHARTS},
}


class _Wide:
    """A chart whose maps run at a generous fixed precision."""

    def __init__(self, kind: type[_Hyperboloid], c: float) -> None:
        self._kind, self._c = kind, c

    def _at(self, name: str, *rows: Vector) -> Vector:
        with precision(6000):
            return getattr(self._kind(_number(self._c)), name)(*rows)

    def lift(self, x: Vector) -> Vector:
        return self._at("lift", exact(x))

    def drop(self, X: Vector) -> Vector:
        return self._at("drop", X)


class Reference:
    """Every verb of a model, exactly; see the head of this module.

    Parameters
    ----------
    manifold : PoincareBall, Lorentz, HalfSpace or Klein
        Its curvature must be one number; the float that it holds is the exact curvature.
    """

    def __init__(self, manifold: Manifold | Any) -> None:
        name = type(manifold).__name__
        known = isinstance(manifold, PoincareBall | Lorentz | HalfSpace) or name == "Klein"
        if not known:
            raise TypeError(f"there are references for {', '.join(_CHARTS)}, got {manifold!r}")
        name = next(n for n in _CHARTS if any(t.__name__ == n for t in type(manifold).__mro__))
        self.c = float(manifold.c.detach())
        self.model = name
        self._kind = _CHARTS[name]
        self.chart = _Wide(self._kind, self.c)

    # ---- arguments
    def _row(self, t: Any, kind: str) -> Any:
        """An argument as exact numbers: the hyperboloid's points and vectors lose their time entry."""
        if kind == "n":
            return exact(t if isinstance(t, Tensor | list | tuple) else [t])[0]
        if kind in "Pm":
            return [self._row(row, "p" if kind == "P" else "u") for row in t]
        time = isinstance(t, Tensor) and self.model == "Lorentz" and kind in "pvoa"
        return exact(t[..., 1:] if time else t)

    def __call__(self, op: str, *args: Any) -> Any:
        """The exact result: a vector, or a number for ops that return one.  NaN where an argument is no point."""
        verb = OPS[op]
        rows = [self._row(t, k) for t, k in zip(args, verb.kinds, strict=True)]
        for row, k in zip(rows, verb.kinds, strict=True):
            if k == "p" and not self.valid(row):
                return _number(math.nan) if verb.out == "n" else [_number(math.nan)] * len(row)

        def f() -> list[Vector]:
            out = verb.formula(self._kind(_number(self.c)), *rows)
            return [out if isinstance(out, list) else [out]]

        (out,) = settle(f, _span([self.c, rows]))
        return out[0] if verb.out == "n" else out

    def vjp(self, op: str, args: Sequence[Any], grad: Any) -> list[Vector]:
        """Derivatives of sum(grad * op(*args)), one vector for each argument and last the one in c = -K.

        Those in points and tangent vectors of the hyperboloid are in their d spatial coordinates (time follows them).
        A matrix or a set of points comes back as one flat vector.
        """
        verb = OPS[op]
        rows = [self._row(t, k) for t, k in zip(args, verb.kinds, strict=True)]
        seed = exact(grad)

        def f() -> list[Vector]:
            tape: list[Var] = []
            c = Var(_number(self.c), tape)
            leaves = [_leaves(r, tape) for r in rows]
            out = verb.formula(self._kind(c), *leaves)
            _sweep(tape, out if isinstance(out, list) else [out], seed)
            return [*([v.bar for v in _flat(r)] for r in leaves), [c.bar]]

        return settle(f, _span([self.c, rows, seed]))

    def pullback(self, op: str, args: Sequence[Tensor], grads: Sequence[Tensor]) -> list[Vector]:
        """Gradients that autograd gave for the arguments, in the coordinates of :meth:`vjp`.

        On the hyperboloid time entries are functions of the spatial ones, so what was given for them is carried over.
        """
        if self.model != "Lorentz":
            return [exact(g) for g in grads]
        verb = OPS[op]
        rows = [self._row(t, k) for t, k in zip(args, verb.kinds, strict=True)]

        def f() -> list[Vector]:
            tape: list[Var] = []
            ch = self._kind(_number(self.c))
            leaves = [_leaves(r, tape) for r in rows]
            out: list[Any] = []
            seed: list[Any] = []
            base = [r for r, k in zip(leaves, verb.kinds, strict=True) if k == "p"]
            for r, k, g in zip(leaves, verb.kinds, grads, strict=True):
                if k == "P":
                    out += [u for p in r for u in ch.lift(p)]
                elif k == "p":
                    out += ch.lift(r)
                elif k in "va":
                    out += ch.push(base[-1] if k == "a" else base[0], r)
                elif k == "o":
                    out += [_number(0), *r]
                else:
                    out += _flat(r)
                seed += exact(g)
            _sweep(tape, out, seed)
            return [[v.bar for v in _flat(r)] for r in leaves]

        return settle(f, _span([self.c, rows, *map(exact, grads)]))

    # ---- the common verbs by name, on exact vectors
    def dist(self, x: Any, y: Any) -> Any:
        """Geodesic distance."""
        return self("dist", x, y)

    def expmap(self, x: Any, v: Any) -> Vector:
        """The end of the geodesic with velocity v."""
        return self("expmap", x, v)

    def logmap(self, x: Any, y: Any) -> Vector:
        """The velocity at x of the geodesic to y."""
        return self("logmap", x, y)

    def transp(self, x: Any, y: Any, v: Any) -> Vector:
        """v carried from x to y."""
        return self("transp", x, y, v)

    def geodesic(self, t: float, x: Any, y: Any) -> Vector:
        """The point at fraction t of the way from x to y."""
        return self("geodesic", t, x, y)

    def dist_rgrad(self, x: Any, y: Any) -> Vector:
        """Riemannian gradient of dist(., y) at x: -log_x(y) / dist(x, y)."""
        d, v = self.dist(x, y), self.logmap(x, y)
        with precision(_START):
            return [-u / d for u in v]

    def convert(self, x: Any, target: Reference) -> Vector:
        """The point of another model at the same place."""
        row = self._row(x, "p")
        (out,) = settle(
            lambda: [target._kind(_number(self.c)).drop(self._kind(_number(self.c)).lift(row))], _span([self.c, row])
        )
        return out

    def rgrad(self, x: Any, h: Any) -> Vector:
        """The Riemannian gradient from what autograd gives (ambient on the hyperboloid), exactly."""
        return self("egrad2rgrad", x, h)

    def at(self, radius: float, direction: Sequence[Any]) -> Vector:
        """The point at a normalised distance (sqrt(c) times the distance) from the origin; spatial on the hyperboloid.

        ``direction`` is a unit vector with the d coordinates of the ball.
        """
        with precision(2000):
            ch = self._kind(_number(self.c))
            t = _number(radius)
            X = [_COSH(t) / ch.s, *_mul(_SINH(t) / ch.s, exact(direction))]
            out = ch.drop(X)
        return out[1:] if self.model == "Lorentz" else out

    def vector(self, x: Any, direction: Sequence[Any]) -> Vector:
        """The tangent vector at x with these components in the frame carried from the origin (spatial part)."""
        with precision(2000):
            ch = self._kind(_number(self.c))
            row = self._row(x, "p")
            X = ch.lift(row)
            V = ch.pull(X, _transport(ch.c, _origin(ch, row), X, [_number(0), *exact(direction)]))
        return V[1:] if self.model == "Lorentz" else V

    def pushed(self, x: Any, v: Any) -> Vector:
        """The vector v at x as a vector of Minkowski space, time first."""
        with precision(6000):
            return self._kind(_number(self.c)).push(self._row(x, "p"), self._row(v, "v"))

    def valid(self, x: Any, target: str = "") -> bool:
        """Whether the floats are a point of the model, or of another one (the hyperboloid's without time)."""
        with precision(5000):
            return _CHARTS[target or self.model](_number(self.c)).valid(exact(x) if target else self._row(x, "p"))


def _leaves(row: Any, tape: list[Var]) -> Any:
    return [_leaves(r, tape) for r in row] if isinstance(row, list) else Var(row, tape)


def _flat(row: Any) -> list[Var]:
    return [v for r in row for v in _flat(r)] if isinstance(row, list) else [row]


def _sweep(tape: list[Var], out: Sequence[Any], seed: Vector) -> None:
    for v, g in zip(out, seed, strict=True):
        if isinstance(v, Var):
            v.bar = v.bar + g
    for v in reversed(tape):
        if v.bar != 0:
            for p, w in zip(v.parents, v.weights, strict=True):
                p.bar = p.bar + v.bar * w


def _span(rows: Any) -> int:
    """The largest binary exponent of the numbers, up or down."""
    if isinstance(rows, list):
        return max(map(_span, rows), default=0)
    e = _exponent(_number(rows))
    return int(abs(e)) if math.isfinite(e) else 0


def settle(f: Callable[[], list[Vector]], span: int = 0) -> list[Vector]:
    """The vectors that f computes, at a precision at which their first 70 bits no longer change.

    ``span`` is the largest exponent among what f starts from.  A vector that is 0, or only shrinks as the precision
    grows, is taken for 0 when products of the numbers could no longer hide in one another; one that never settles comes
    out as NaN.
    """
    bits = _START + 2 * span
    with precision(bits):
        old = f()
    while True:
        bits *= 2
        with precision(bits):
            new = f()
            state = [_settled(a, b, bits, 2 * _START + 8 * span) for a, b in zip(old, new, strict=True)]
        if all(s is not None for s in state) or 2 * bits > _MOST:
            return [
                new[i] if s else [_number(0 if s is not None else math.nan)] * len(new[i]) for i, s in enumerate(state)
            ]
        old = new


def _settled(a: Vector, b: Vector, bits: int, enough: int) -> bool | None:
    """True: equal in their first bits; False: both are noise around 0; None: not known yet."""
    size = max((_exponent(u) for u in b), default=-math.inf)
    if size == math.inf or not b:
        return True
    if size == -math.inf:
        return True if bits >= enough else None
    off = max(_exponent(u - v) for u, v in zip(a, b, strict=True))
    if off <= size - _AGREE:
        return True
    before = max(_exponent(u) for u in a)
    return False if bits >= 2 * enough and size < before - bits / 4 else None


def ulps(got: Tensor, want: Any, dtype: torch.dtype) -> float:
    """Normwise error |got - want| in units of the dtype's spacing of floats at |want|; inf for what is not finite.

    ``want`` is an exact number or a vector of them.
    """
    if not bool(got.isfinite().all()):
        return math.inf
    return error(exact(got), want, dtype)


def error(got: Vector, want: Any, dtype: torch.dtype) -> float:
    """:func:`ulps` of exact numbers."""
    goal = [_number(u) for u in (want if isinstance(want, list | tuple) else [want])]
    with precision(3000):
        size = _SQRT(_dot(goal, goal))
        w = _sub(got, goal)
        off = _SQRT(_dot(w, w))
        info = torch.finfo(dtype)
        least = math.frexp(info.tiny)[1] - 1
        e = max(_exponent(size) - 1, least) if size > 0 else least
        return float(off / (_number(info.eps) * _number(2) ** int(e)))
