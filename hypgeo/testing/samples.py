"""Points, vectors and pairs where formulas break, drawn from a seed: by radius, by nearness, by bits.

    draw = Draw(Lorentz(), dim=3, dtype=torch.float32, seed=0)
    x = draw.point(5.0)                        # floats near normalised radius 5
    y = draw.neighbour(x, 1e-6)                # floats at about that distance from x
    rows = bit_patterns(Lorentz(), 1000, 3, torch.float32, torch.Generator().manual_seed(0))

Radii, lengths and distances are normalised: sqrt(c) times the length.  ``Draw`` works on lists of floats of the dtype
(spatial ones on the hyperboloid); ``Draw.tensors`` adds the rounded time entries.  None stands for what the dtype
cannot hold.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hypgeo.manifolds import HalfSpace, Lorentz, Manifold, PoincareBall
from hypgeo.ops.special import gap
from hypgeo.testing.reference import OPS, Reference, exact, precision

__all__ = ["FAMILY", "Draw", "Regime", "bit_patterns", "pair_patterns", "pattern", "regimes", "vector_patterns"]

Row = list[float]


class Draw:
    """Random points and vectors of one manifold (its curvature one number), dimension and dtype."""

    def __init__(self, manifold: Manifold, dim: int, dtype: torch.dtype, seed: object = 0) -> None:
        self.manifold, self.dim, self.dtype = manifold, dim, dtype
        self.reference = Reference(manifold)
        self.root = math.sqrt(self.reference.c)
        self.random = random.Random(repr(seed))
        self.lorentz = isinstance(manifold, Lorentz)

    def rounded(self, v: Sequence[Any]) -> Row | None:
        """To the nearest floats of the dtype, or None where they overflow."""
        row = torch.tensor([float(u) for u in v], dtype=torch.float64).to(self.dtype).tolist()
        return row if all(map(math.isfinite, row)) else None

    def between(self, low: float, high: float) -> float:
        """A number from the interval, uniform."""
        return self.random.uniform(low, high)

    def unit(self) -> list[Any]:
        """A direction, uniform on the sphere, as exact numbers."""
        u = exact([self.random.gauss(0, 1) for _ in range(self.dim)])
        with precision(400):
            size = sum(t * t for t in u) ** 0.5 if self.dim else 1
            return [t / size for t in u]

    def radius(self, x: Row) -> float:
        """Normalised distance from the origin."""
        return float(self.reference("dist0", x)) * self.root

    def point(self, radius: float, direction: Sequence[Any] | None = None) -> Row | None:
        """Floats near this radius (within a fifth)."""
        for _ in range(12):
            p = self.rounded(self.reference.at(radius, self.unit() if direction is None else direction))
            if p and self.reference.valid(p) and abs(self.radius(p) - radius) <= 0.2 * radius:
                return p
            if direction is not None:
                return None
        return None

    def neighbour(self, x: Row | None, distance: float) -> Row | None:
        """Floats at this distance from x (within a factor of 2)."""
        if x is None:
            return None
        for _ in range(12):
            with precision(400):
                step = [u * distance / self.root for u in self.unit()]
            y = self.reference.expmap(x, self.reference.vector(x, step))
            row = self.rounded(y[1:] if self.lorentz else y)
            if row and self.reference.valid(row):
                apart = float(self.reference.dist(x, row)) * self.root
                if distance / 2 <= apart <= 2 * distance:
                    return row
        return None

    def floats_apart(self, x: Row | None, most: int = 3) -> Row | None:
        """x with each coordinate moved by up to ``most`` floats, another point than x."""
        if x is None:
            return None
        for _ in range(20):
            y = torch.tensor(x, dtype=self.dtype)
            for i in range(len(x)):
                for _ in range(self.random.randint(0, most)):
                    y[i] = torch.nextafter(y[i], torch.tensor(self.random.choice((-math.inf, math.inf)), dtype=y.dtype))
            row = y.double().tolist()
            if row != x and self.reference.valid(row):
                return row
        return None

    def vector(self, x: Row | None, length: float) -> Row | None:
        """A tangent vector at x of this Riemannian length."""
        if x is None:
            return None
        with precision(400):
            v = [u * length / self.root for u in self.unit()]
        return self.rounded(self.reference.vector(x, v))

    def opposite(self, x: Row) -> Row | None:
        """x reflected in the origin, exactly where the model's floats can (not in the half-space)."""
        if not isinstance(self.manifold, HalfSpace):
            return [-t for t in x]
        row = self.rounded(self.reference("mobius_scalar_mul", [-1.0], x))
        return row if row and self.reference.valid(row) else None

    def origin(self) -> Row:
        """The origin."""
        return [0.0] * (self.dim - 1) + [1.0 if isinstance(self.manifold, HalfSpace) else 0.0]

    def tensors(self, kinds: str, samples: Sequence[Sequence[Any]]) -> list[Tensor]:
        """One tensor for each argument of an op (see ``reference.Op``), from one tuple of rows a sample."""
        return [torch.stack([self._entry(kinds, s, i) for s in samples]).to(self.dtype) for i in range(len(kinds))]

    def _entry(self, kinds: str, sample: Sequence[Any], i: int) -> Tensor:
        kind, row = kinds[i], sample[i]
        if kind == "P":
            return torch.stack([self._entry("p", [r], 0) for r in row])
        if self.lorentz and kind in "pova":
            if kind == "o":
                time = 0.0
            elif kind == "p":
                time = float(self.reference.chart.lift(row)[0])
            else:
                base = [r for k, r in zip(kinds, sample, strict=True) if k == "p"][-1 if kind == "a" else 0]
                time = float(self.reference.pushed(base, row)[0])
            row = [time, *row]
        return torch.tensor(row, dtype=torch.float64)

    def many(self, n: int, f: Callable[[Draw], tuple[Any, ...] | None]) -> list[tuple[Any, ...]]:
        """Up to n samples, those left out that the dtype cannot hold."""
        out: list[tuple[Any, ...]] = []
        for tried in range(3 * n):
            s = f(self)
            if s is not None and all(e is not None for e in s):
                out.append(s)
            if len(out) == n or (not out and tried >= n):
                break
        return out


# ------------------------------------------------------------------------------------------ regimes
Sampler = Callable[[Draw], tuple[Any, ...] | None]


class Regime:
    """A place where formulas break: a name, c, and what to draw there; ``radius`` where it is one of a sweep."""

    def __init__(
        self,
        group: str,
        name: str,
        c: float,
        sample: Sampler,
        radius: float = math.nan,
    ) -> None:
        self.group, self.name, self.c, self.sample, self.radius = group, name, c, sample, radius


def _at(*radii: float) -> Sampler:
    return lambda g: tuple(g.point(r) for r in radii)


def _within(low: float, high: float, n: int) -> Sampler:
    return lambda g: tuple(g.point(g.between(low, high)) for _ in range(n))


def _origin_to(radius: float) -> Sampler:
    return lambda g: (g.point(g.between(0.1, 1)), g.point(radius))


def _to_origin(radius: float) -> Sampler:
    return lambda g: (g.point(radius), g.origin())


def _velocity(low: float, high: float) -> Sampler:
    return lambda g: (g.vector(g.origin(), g.between(low, high)),)


RADII = (1e-3, 1.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 150.0, 300.0)
CURVATURES = (1e-6, 1e-3, 0.1, 10.0, 1e3)


def _pairs() -> list[Regime]:
    def near(low: float, high: float, distance: float) -> Sampler:
        def f(g: Draw) -> tuple[Any, ...] | None:
            x = g.point(g.between(low, high))
            return x, g.neighbour(x, distance)

        return f

    def step(r: float) -> Sampler:
        def f(g: Draw) -> tuple[Any, ...] | None:
            x = g.point(r)
            return x, g.floats_apart(x)

        return f

    def opposite(r: float) -> Sampler:
        def f(g: Draw) -> tuple[Any, ...] | None:
            u = g.unit()
            return g.point(r, u), g.point(r, [-t for t in u])

        return f

    def collinear(g: Draw) -> tuple[Any, ...] | None:
        u, r = g.unit(), g.between(0.5, 5)
        return g.point(r, u), g.point(r + g.between(0.1, 3), u)

    def same(r: float) -> Sampler:
        def f(g: Draw) -> tuple[Any, ...] | None:
            x = g.point(r)
            return x, x

        return f

    out = [Regime("generic", "generic", 1, _within(0.05, 3, 2))]
    for d in (1e-12, 1e-9, 1e-6, 1e-3):
        out.append(Regime("near", f"{d:g} apart at r<1", 1, near(0.1, 1, d)))
        out += [Regime("near", f"{d:g} apart at r={r}", 1, near(r, r, d)) for r in (5, 10, 15)]
    out += [Regime("floats apart", f"floats apart at r={r:g}", 1, step(r)) for r in (1e-5, 1, 5, 10, 15, 30)]
    out += [Regime("far", f"both at r={r:g}", 1, _at(r, r), r) for r in RADII]
    out += [Regime("origin to far", f"r<1 to r={r:g}", 1, _origin_to(r)) for r in (10.0, 20.0, 30.0)]
    out += [Regime("far to origin", f"r={r:g} to the origin", 1, _to_origin(r)) for r in (1.0, 15.0)]
    out.append(Regime("collinear", "collinear", 1, collinear))
    out += [Regime("opposite", f"opposite at r={r:g}", 1, opposite(r)) for r in (1e-3, 1.0, 5.0, 10.0, 15.0)]
    out += [Regime("tiny", f"both at r={r:g}", 1, _at(r, r)) for r in (1e-20, 1e-10, 1e-5)]
    for c in CURVATURES:
        out.append(Regime("curvature", f"c={c:g}", c, _within(0.05, 3, 2)))
        out.append(Regime("curvature", f"c={c:g}, 1e-4 apart", c, near(0.1, 1, 1e-4)))
    out.append(Regime("curvature", "c=1e-06 at distance 1", 1e-6, _within(1e-4, 3e-3, 2)))
    out += [Regime("equal", f"equal at r={r}", 1, same(r)) for r in (1, 10)]
    return out


LENGTHS = (1e-20, 1e-15, 1e-10, 1e-6, 1e-3, 1.0, 5.0, 10.0, 20.0, 40.0)


def _tangents() -> list[Regime]:
    def vector(low: float, high: float, length: float) -> Sampler:
        def f(g: Draw) -> tuple[Any, ...] | None:
            x = g.point(g.between(low, high))
            return x, g.vector(x, length)

        return f

    def generic(g: Draw) -> tuple[Any, ...] | None:
        x = g.point(g.between(0.1, 3))
        return x, g.vector(x, g.between(0.1, 3))

    def back(g: Draw) -> tuple[Any, ...] | None:
        """Straight back through the origin, where sums cancel."""
        u, r = g.unit(), g.between(2, 12)
        x = g.point(r, u)
        if x is None:
            return None
        with precision(400):
            v = [-t * r * g.between(0.9, 1.1) / g.root for t in u]
        return x, g.rounded(g.reference.vector(x, v))

    out = []
    for name, low, high in (("r<1", 0.1, 1.0), ("r=5", 5.0, 5.0), ("r=10", 10.0, 10.0)):
        out += [Regime(f"from {name}", f"length {v:g} from {name}", 1, vector(low, high, v), v) for v in LENGTHS]
    out.append(Regime("back", "back through the origin", 1, back))
    out += [Regime("curvature", f"c={c:g}", c, generic) for c in CURVATURES]
    out.append(Regime("curvature", "c=1e-06 at distance 1", 1e-6, vector(1e-4, 3e-3, 2e-3)))
    return out


def _points() -> list[Regime]:
    sweep = (1e-20, 1e-15, 1e-10, 1e-6, *RADII)
    out = [Regime("radius", f"r={r:g}", 1, _at(r), r) for r in sweep]
    out += [Regime("curvature", f"c={c:g}", c, _within(0.05, 3, 1)) for c in CURVATURES]
    out.append(Regime("curvature", "c=1e-06 at distance 1", 1e-6, _within(1e-4, 3e-3, 1)))
    return out


def _vectors() -> list[Regime]:
    out = [Regime("length", f"length {v:g}", 1, _velocity(v, v), v) for v in LENGTHS]
    out += [Regime("curvature", f"c={c:g}", c, _velocity(0.05, 3)) for c in CURVATURES]
    return out


def _sets() -> list[Regime]:
    def around(radius: float, spread: float, n: int = 12) -> Sampler:
        def f(g: Draw) -> tuple[Any, ...] | None:
            x = g.point(radius) if radius else g.origin()
            points = [g.neighbour(x, spread * g.between(0.2, 1)) for _ in range(n)]
            return None if None in points else (points,)

        return f

    out = []
    for r, s in ((0.0, 0.5), (0.0, 2.0), (0.0, 6.0), (1.0, 1e-3), (1.0, 1e-6), (4.0, 1.0), (8.0, 1.0), (4.0, 6.0)):
        out.append(Regime("spread", f"spread {s:g} around r={r:g}", 1, around(r, s), s))
    out.append(Regime("pair", "two points", 1, around(1.0, 2.0, 2)))
    out += [Regime("curvature", f"c={c:g}", c, around(0.5, 1.0)) for c in CURVATURES]
    return out


# op -> which regimes it is measured in
FAMILY: dict[str, Callable[[], list[Regime]]] = {
    **dict.fromkeys(
        ("dist", "dist2", "logmap", "transp", "mobius_add", "gyration", "geodesic", "hyperplane_dist"), _pairs
    ),
    **dict.fromkeys(("expmap", "inner", "norm", "egrad2rgrad"), _tangents),
    **dict.fromkeys(("dist0", "logmap0", "mobius_scalar_mul", "mobius_matvec", "busemann", "transp0"), _points),
    **{op: _points for op in OPS if op.startswith("to_")},
    "expmap0": _vectors,
    **dict.fromkeys(("midpoint", "frechet_mean"), _sets),
}


def regimes(op: str) -> list[Regime]:
    """The regimes of an op, each completed to all arguments that the op takes."""
    kinds = OPS[op].kinds
    return [Regime(r.group, r.name, r.c, _completed(op, kinds, r.sample), r.radius) for r in FAMILY[op]()]


def _completed(op: str, kinds: str, sample: Sampler) -> Sampler:
    def f(g: Draw) -> tuple[Any, ...] | None:
        s = sample(g)
        if s is None or any(e is None for e in s):
            return None
        points = [e for e in s]
        if op == "mobius_add" and g.random.random() < 0.75:  # the difference that distances and logarithms rest on
            points[0] = g.opposite(points[0])
            if points[0] is None:
                return None
        base = points[0]
        rest = iter(points)
        args: list[Any] = []
        for k in kinds:
            if k in "pP" or (k == "o" and op == "expmap0"):
                args.append(next(rest))
            elif k == "v":
                given = next(rest, None)
                args.append(g.vector(base, 1.0) if given is None else given)
            elif k == "a":
                args.append(g.vector(args[-1], 1.0))
            elif k == "o":
                args.append(g.vector(g.origin(), 1.0))
            elif k == "n":
                args.append([g.random.choice((0.125, 0.25, 0.375, 0.625, 0.75, 0.875))])
            elif k == "u":
                args.append(g.rounded(g.unit()))
            elif k == "h":
                args.append(g.rounded([g.random.gauss(0, 1) for _ in range(g.dim + g.lorentz)]))
            elif k == "m":
                args.append([g.rounded([g.random.gauss(0, 1) for _ in range(g.dim)]) for _ in range(g.dim)])
            else:
                args.append(g.rounded([g.between(0.5, 1.5) for _ in args[0]]))
        return tuple(args)

    return f


# ------------------------------------------------------------------------------------------ bit patterns
def _bits(shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator, low: int, high: int) -> Tensor:
    """Floats with random sign, significand and biased exponent in [low, high]; exponent 0 is the subnormals."""
    width, kind = (23, torch.int32) if dtype == torch.float32 else (52, torch.int64)
    exponent = torch.randint(low, high + 1, shape, generator=generator)
    digits = torch.randint(0, 1 << width, shape, generator=generator)
    sign = torch.randint(0, 2, shape, generator=generator)
    top = 8 if dtype == torch.float32 else 11
    bits = (exponent << width) | digits
    bits = torch.where(sign.bool(), bits - (1 << (width + top)) if top == 8 else bits | (-(1 << 63)), bits)
    return bits.to(kind).view(dtype)


def pattern(shape: tuple[int, int], dtype: torch.dtype, g: torch.Generator, top: float, bottom: float = 0) -> Tensor:
    """Rows up to about ``top`` in size: in six equal parts, each coordinate with its own exponent, one exponent for
    the row, near ``top``, subnormal, with many zeros, and near 1; powers of two in every sixteenth row."""
    info = torch.finfo(dtype)
    bias = 127 if dtype == torch.float32 else 1023
    most = min(math.frexp(top)[1] - 1 + bias, 2 * bias)
    least = max(math.frexp(bottom)[1] - 1 + bias, 0) if bottom else 0
    n = shape[0]
    own = _bits(shape, dtype, g, least, most)
    row = _bits(shape, dtype, g, most, most) * torch.exp2(torch.randint(least - most, 1, (n, 1), generator=g).double())
    near = _bits(shape, dtype, g, max(most - 3, least), most)
    under = _bits(shape, dtype, g, least, least + 3)
    holes = torch.where(torch.rand(shape, generator=g) < 0.6, torch.zeros((), dtype=dtype), own)
    plain = _bits(shape, dtype, g, max(min(bias, most) - 12, least), min(bias + 5, most))
    part = torch.arange(n)[:, None] % 6
    out = torch.stack([own, row.to(dtype), near, under, holes, plain])[
        part.expand(shape), torch.arange(n)[:, None], torch.arange(shape[1])
    ]
    even = torch.sign(out) * torch.exp2(out.abs().clamp_min(info.tiny).log2().floor())
    return torch.where(torch.arange(n)[:, None] % 16 == 7, even, out)


def bit_patterns(
    manifold: Manifold, n: int, dim: int, dtype: torch.dtype, generator: torch.Generator, reach: float = math.inf
) -> Tensor:
    """``(n, coordinates)`` points whose floats have random bits: subnormal, tiny, ordinary, at the rim, huge.

    All are inside the domain, and on the hyperboloid their time is finite.  There and in the half-space ``reach`` keeps
    them within about this normalised distance from the origin.
    """
    c = float(manifold.c.detach())
    unit = 1 / math.sqrt(c)
    info = torch.finfo(dtype)
    if isinstance(manifold, PoincareBall):
        x = pattern((n, dim), dtype, generator, unit)
        size = x.double().norm(dim=-1, keepdim=True) * math.sqrt(c)
        # onto the rim and a few floats inside, in every seventh row and where a row is outside
        gaps = info.eps * torch.randint(1, 64, (n, 1), generator=generator).double()
        rim = (x.double() * ((1 - gaps) / size)).to(dtype)
        out = (size >= 1 - 2 * info.eps) | (torch.arange(n)[:, None] % 7 == 3) & (size > 1e-150)
        x = torch.where(out, rim, x)
        inside = gap(x.double(), torch.tensor(c, dtype=torch.float64)) > 0
        return torch.where(inside, x, x / 2)
    if isinstance(manifold, Lorentz):
        far = math.exp(reach) * unit if reach < 80 else info.max
        x = pattern((n, dim), dtype, generator, min(far, info.max) / (4 * dim))
        return timed(manifold, x)
    far, low = (math.exp(reach), math.exp(-reach)) if reach < 80 else (info.max, 0.0)
    h = pattern((n, dim), dtype, generator, far / 2)
    z = pattern((n, 1), dtype, generator, far / 2, low).abs()
    z = torch.where(z > low / 2, z, torch.full_like(z, max(low, info.tiny * info.eps)))
    return torch.cat((h[:, :-1], z), -1)


def timed(manifold: Manifold, x: Tensor) -> Tensor:
    """Spatial floats with their time in front, rounded."""
    peak = x.double().abs().amax(-1, keepdim=True).clamp_min(1 / math.sqrt(float(manifold.c.detach())))
    size = ((x.double() / peak).square().sum(-1, keepdim=True) + (1 / float(manifold.c.detach())) / peak / peak).sqrt()
    return torch.cat(((size * peak).to(x.dtype), x), -1)


def pair_patterns(
    manifold: Manifold, n: int, dim: int, dtype: torch.dtype, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Pairs of points with random bits: unrelated, floats apart, equal but for a sign, one twice the other, equal."""
    x, y = (bit_patterns(manifold, n, dim, dtype, generator) for _ in range(2))
    skip = int(isinstance(manifold, Lorentz))
    a = x[:, skip:]
    side = torch.where(torch.rand(a.shape, generator=generator) < 0.5, -math.inf, math.inf).to(dtype)
    kinds = [a, torch.nextafter(a, side * a.sign()), torch.where(side > 0, a, -a), a / 2, a]
    kinds[1] = torch.nextafter(a, torch.zeros_like(a))
    if isinstance(manifold, HalfSpace):
        kinds[2] = torch.cat((-a[:, :-1], a[:, -1:]), -1)
        kinds[1], kinds[3] = (torch.where(k[:, -1:] > 0, k, a) for k in (kinds[1], kinds[3]))
    for i, k in enumerate(kinds):
        row = timed(manifold, k) if skip else k
        chosen = torch.arange(n)[:, None] % 11 == i
        y = torch.where(chosen, row, y)
    return x, y


def vector_patterns(
    manifold: Manifold, x: Tensor, dtype: torch.dtype, generator: torch.Generator, longest: float = 1e3
) -> Tensor:
    """Tangent vectors at x with random bits, of normalised length up to ``longest``, in each 13th row of any length."""
    skip = int(isinstance(manifold, Lorentz))
    a = x[:, skip:]
    c = float(manifold.c.detach())
    v = pattern((a.shape[0], a.shape[1]), dtype, generator, 1.0).double()
    if isinstance(manifold, PoincareBall):
        g = (1 - math.sqrt(c) * a.double().norm(dim=-1, keepdim=True)).clamp_min(torch.finfo(dtype).eps)
        scale = g / math.sqrt(c)
    elif skip:
        scale = torch.full_like(v[:, :1], 1 / math.sqrt(c))
    else:
        scale = a[:, -1:].double()
    top = torch.exp2(torch.randint(-8, int(math.log2(longest)), (len(v), 1), generator=generator).double())
    v = v * scale * torch.where(torch.arange(len(v))[:, None] % 3 == 0, top, 1.0)
    last = 1000 if dtype == torch.float64 else 120
    long = torch.exp2(torch.randint(4, last, (len(v), 1), generator=generator).double())
    v = torch.where(torch.arange(len(v))[:, None] % 13 == 5, v * long, v)
    v = v.clamp(-torch.finfo(dtype).max / 4, torch.finfo(dtype).max / 4).to(dtype)
    if not skip:
        return v
    time = (a.double() / x[:, :1].double() * v.double()).sum(-1, keepdim=True).to(dtype)
    return torch.cat((time, v), -1)
