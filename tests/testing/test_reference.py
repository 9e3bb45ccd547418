"""The references against formulas that share nothing with them: each model's own, differences, both numbers."""

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch

from hypgeo.manifolds import Euclidean, HalfSpace, Lorentz, PoincareBall
from hypgeo.testing.reference import OPS, Reference, error, exact, precision, ulps
from hypgeo.testing.samples import Draw, regimes

mpmath.mp.dps = 120
MODELS = (PoincareBall, Lorentz, HalfSpace)


def mp(row: list[Any]) -> list[mpmath.mpf]:
    return [mpmath.mpf(u if isinstance(u, float) else str(u)) for u in row]


def dot(a: list[Any], b: list[Any]) -> Any:
    return mpmath.fsum(u * v for u, v in zip(a, b, strict=True))


def ball_dist(x: list[Any], y: list[Any], c: Any) -> Any:
    w = [a - b for a, b in zip(x, y, strict=True)]
    return mpmath.acosh(1 + 2 * c * dot(w, w) / ((1 - c * dot(x, x)) * (1 - c * dot(y, y)))) / mpmath.sqrt(c)


def half_dist(x: list[Any], y: list[Any], c: Any) -> Any:
    w = [a - b for a, b in zip(x, y, strict=True)]
    return mpmath.acosh(1 + dot(w, w) / (2 * x[-1] * y[-1])) / mpmath.sqrt(c)


def lorentz_dist(x: list[Any], y: list[Any], c: Any) -> Any:
    times = mpmath.sqrt(1 / c + dot(x, x)) * mpmath.sqrt(1 / c + dot(y, y))
    return mpmath.acosh(c * (times - dot(x, y))) / mpmath.sqrt(c)


DIST: dict[type, Callable[..., Any]] = {PoincareBall: ball_dist, Lorentz: lorentz_dist, HalfSpace: half_dist}


def mobius(x: list[Any], y: list[Any], c: Any) -> list[Any]:
    """As printed: A. A. Ungar, Analytic Hyperbolic Geometry, 2005, (3.123)."""
    xx, yy, xy = dot(x, x), dot(y, y), dot(x, y)
    below = 1 + 2 * c * xy + c * c * xx * yy
    return [((1 + 2 * c * xy + c * yy) * a + (1 - c * xx) * b) / below for a, b in zip(x, y, strict=True)]


def close(a: Any, b: Any, digits: int = 60) -> bool:
    a, b = (mp(t) if isinstance(t, list) else mp([t]) for t in (a, b))
    size = mpmath.sqrt(dot(b, b))
    off = [u - v for u, v in zip(a, b, strict=True)]
    return bool(mpmath.sqrt(dot(off, off)) <= size * mpmath.mpf(10) ** -digits)


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("c", (1.0, 0.3, 1e-6, 1e3))
@pytest.mark.parametrize("radius", (1e-3, 1.0, 12.0))
def test_distances_are_those_of_the_models_own_formulas(cls: type, c: float, radius: float) -> None:
    draw = Draw(cls(curvature=-c), 4, torch.float64, radius)
    for _ in range(5):
        x, y = draw.point(radius), draw.point(radius)
        assert x is not None and y is not None
        with precision(600):
            want = draw.reference("dist", x, y)
        assert close(want, DIST[cls](mp(x), mp(y), mpmath.mpf(c)))
        assert math.isclose(float(draw.reference("dist0", x)) * math.sqrt(c), radius, rel_tol=0.2)


@pytest.mark.parametrize("c", (1.0, 0.3, 1e-6))
def test_gyrovectors_of_the_ball_are_the_printed_ones(c: float) -> None:
    draw = Draw(PoincareBall(curvature=-c), 4, torch.float64, 1)
    ref, k = draw.reference, mpmath.mpf(c)
    for r in (0.5, 3.0, 9.0):
        a, b, w = draw.point(r), draw.point(2.0), draw.point(1.0)
        assert a and b and w
        A, B, W = mp(a), mp(b), mp(w)
        assert close(ref("mobius_add", a, b), mobius(A, B, k))
        minus = [-u for u in mobius(A, B, k)]
        assert close(ref("gyration", a, b, w), mobius(minus, mobius(A, mobius(B, W, k), k), k))
        twice = mobius(A, A, k)
        assert close(ref("mobius_scalar_mul", [2.0], a), twice)
        n = mpmath.sqrt(dot(W, W))
        lam = 2 / (1 - k * dot(A, A))
        step = [u / (mpmath.sqrt(k) * n) * mpmath.tanh(mpmath.sqrt(k) * lam * n / 2) for u in W]
        assert close(ref("expmap", a, w), mobius(A, step, k))


@pytest.mark.parametrize("cls", MODELS)
def test_the_verbs_agree_with_each_other(cls: type) -> None:
    draw = Draw(cls(curvature=-0.7), 3, torch.float64, 2)
    ref, skip = draw.reference, int(cls is Lorentz)
    x, y, z = (draw.point(r) for r in (1.0, 6.0, 0.5))
    assert x and y and z
    v = ref("logmap", x, y)[skip:]
    assert close(ref("expmap", x, v)[skip:], y)
    assert close(ref("norm", x, v), ref("dist", x, y))
    assert close(ref("transp", x, y, v), [-u for u in mp(ref("logmap", y, x))])
    assert close(ref("geodesic", [1.0], x, y)[skip:], y)
    middle = ref("geodesic", [0.5], x, y)
    assert close(ref("midpoint", [x, y], [1.0, 1.0]), middle)
    assert close(ref("frechet_mean", [x, y], [2.0, 2.0]), middle)
    three = ref("frechet_mean", [x, y, z], [1.0, 2.0, 0.5])[skip:]
    pull = [ref("logmap", three, p) for p in (x, y, z)]
    with precision(600):
        total = [1.0 * a + 2.0 * b + 0.5 * d for a, b, d in zip(*pull, strict=True)]
    assert max(abs(float(u)) for u in total) < 1e-25
    away = float(ref("hyperplane_dist", ref("expmap", x, v)[skip:], x, v))
    assert math.isclose(away, float(ref("dist", x, y)), rel_tol=1e-14)


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("op", [op for op in OPS if op != "to_Klein"])
def test_derivatives_are_limits_of_differences(cls: type, op: str) -> None:
    """Each argument moved along a random line, and the curvature."""
    if op == f"to_{cls.__name__}":
        return
    ref, draw = Reference(cls(curvature=-0.7)), Draw(cls(curvature=-0.7), 2, torch.float64, op)
    plain = ("generic", "length 1 from r<1", "r=1", "length 1", "spread 2 around r=0")
    (sample,) = draw.many(1, next(r for r in regimes(op) if r.name in plain).sample)
    out = ref(op, *sample)
    seed = [draw.between(-1, 1) for _ in (out if isinstance(out, list) else [out])]
    slopes = ref.vjp(op, sample, seed)
    number = exact([0.7])[0]
    with precision(1000):
        h = exact([2.0**-60])[0]

    def value(rows: list[Any], c: Any = number) -> Any:
        ref.c = c
        got = ref(op, *rows)
        with precision(1000):
            return sum(a * b for a, b in zip(got if isinstance(got, list) else [got], exact(seed), strict=True))

    def moved(i: int, way: list[float], side: int) -> list[Any]:
        nested = OPS[op].kinds[i] in "Pm"
        flat = [u for row in sample[i] for u in row] if nested else list(sample[i])
        with precision(1000):
            flat = [a + side * h * b for a, b in zip(exact(flat), exact(way), strict=True)]
        width = len(sample[i][0]) if nested else 0
        row = [flat[k : k + width] for k in range(0, len(flat), width)] if nested else flat
        return [*sample[:i], row, *sample[i + 1 :]]

    for i in range(len(sample) + 1):
        if i < len(sample):
            way = [draw.between(-1, 1) for _ in slopes[i]]
            ends = [value(moved(i, way, side)) for side in (1, -1)]
        else:
            way = [1.0]
            with precision(1000):
                there, back = number + h, number - h
            ends = [value(list(sample), c) for c in (there, back)]
        with precision(1000):
            difference = (ends[0] - ends[1]) / (2 * h)
            slope = sum(a * b for a, b in zip(slopes[i], exact(way), strict=True))
            assert abs(difference - slope) <= 1e-30 * (1 + abs(slope)), i


def test_singular_points_are_told_apart_from_zeros() -> None:
    ref = Reference(PoincareBall())
    x = [0.3, -0.2]
    assert ref("dist", x, x) == 0 and [float(u) for u in ref("logmap", x, x)] == [0, 0]
    assert all(math.isnan(float(u)) for u in ref.vjp("dist", (x, x), [1.0])[0])
    assert [float(u) for u in ref.vjp("dist2", (x, x), [1.0])[0]] == [0, 0]
    assert float(ref("inner", x, [1.0, 2.0], [2.0, -1.0])) == 0
    assert math.isnan(float(ref("dist", x, [1.0, 1.0])))


def test_far_points_of_the_half_space_are_not_lost() -> None:
    """Heights e^-300 need more bits than two evaluations need to agree by chance on nothing."""
    ref = Reference(HalfSpace())
    assert math.isclose(float(ref("logmap0", [5.148200222412013e-131])[0]), -300.0, rel_tol=1e-15)
    between = float(ref("geodesic", [0.375], [1.39e65], [7.17e-66])[0])
    assert math.isclose(between, 1.39e65**0.625 * 7.17e-66**0.375, rel_tol=1e-13)
    assert math.isclose(float(ref("dist", [0.0, 5e-324], [1e308, 1e-300])), 2853.6, rel_tol=1e-4)


def test_time_entries_follow_the_spatial_ones() -> None:
    """A gradient given for time is carried to the floats that define it; the differential says the same either way."""
    ref = Reference(Lorentz(curvature=-0.4))
    x = torch.tensor([7.0, 0.5, -0.25])  # a wrong time is not read
    v = torch.tensor([9.0, 1.0, 3.0])
    gx, gv = ref.pullback("expmap", (x, v), (torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 4.0])))
    time = math.sqrt(1 / 0.4 + 0.3125)
    assert [float(u) for u in gx] == pytest.approx([2 * 0.5 / time, -2 * 0.25 / time])
    assert [float(u) for u in gv] == [1.0, 4.0]
    assert [float(u) for u in ref("expmap", x, 0 * v)[1:]] == [0.5, -0.25]


def test_ulps_are_normwise_and_know_the_dtype() -> None:
    one = torch.tensor([1.0, 0.0])
    assert ulps(one, exact([1.0, 0.0]), torch.float32) == 0
    assert ulps(torch.tensor([1.0, 2.0**-23]), exact([1.0, 0.0]), torch.float32) == 1
    assert ulps(torch.nextafter(one.double(), one.double() + 1), exact([1.0, 0.0]), torch.float64) == pytest.approx(
        1.0, rel=1
    )
    assert ulps(torch.tensor([3.0]), mpmath.mpf(2), torch.float32) == 2.0**22
    assert ulps(torch.tensor([math.nan]), exact([1.0]), torch.float32) == math.inf
    assert error(exact([2.0**-1073]), exact([2.0**-1074]), torch.float64) == 1
    assert error(exact([1e300]), exact([2e300]), torch.float64) > 1e15


def test_what_has_no_reference_is_refused() -> None:
    with pytest.raises(TypeError, match="references for PoincareBall, Lorentz, HalfSpace, Klein, got Euclidean"):
        Reference(Euclidean())


def test_without_gmpy2_the_numbers_are_the_same() -> None:
    code = (
        "import sys; sys.modules['gmpy2'] = None\n"
        "from hypgeo.testing.reference import Reference, exact\nfrom hypgeo import PoincareBall\n"
        "r = Reference(PoincareBall(curvature=-0.3))\n"
        "x, v = [0.5, 0.25], [3.0, -1.0]\n"
        "print(type(r('dist', x, v[1:] * 2)).__module__, *map(float, r('expmap', x, v)))\n"
        "print(*(float(u) for g in r.vjp('expmap', (x, v), [1.0, 2.0]) for u in g))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kind, *point = done.stdout.split("\n")[0].split()
    ref = Reference(PoincareBall(curvature=-0.3))
    assert kind.startswith("mpmath")
    assert [float(u) for u in point] == [float(u) for u in ref("expmap", [0.5, 0.25], [3.0, -1.0])]
    slopes = [float(u) for g in ref.vjp("expmap", ([0.5, 0.25], [3.0, -1.0]), [1.0, 2.0]) for u in g]
    assert [float(u) for u in done.stdout.split("\n")[1].split()] == slopes
