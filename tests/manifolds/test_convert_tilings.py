"""Tilings and the other models: floats correctly rounded, tilings exact but for their offsets, at any radius."""

import random

import mpmath
import pytest
import torch
from mpmath import mpf
from tilings import bits, half_dist, half_pairs, half_point, plane_pairs, plane_point
from torch import Tensor

from hypgeo import HalfSpace, HTiling, Klein, Lorentz, LTiling, PoincareBall, convert

MODELS = {"ball": PoincareBall, "hyperboloid": Lorentz, "half-space": HalfSpace, "klein": Klein}


def exact_half(row: list[float], m: HTiling | LTiling) -> list[mpf]:
    if isinstance(m, HTiling):
        return list(half_point(row, m.dim))
    t, *s = plane_point(row)
    return [*(v / (t - s[-1]) for v in s[:-1]), 1 / (t - s[-1])]


def in_model(p: list[mpf], name: str, root: mpf) -> list[mpf]:
    """Coordinates of a half-space point of K = -1 in a model of curvature -root^2."""
    h, q = p[-1], mpmath.fsum(v * v for v in p[:-1])
    s = [*(v / h for v in p[:-1]), (q + h * h - 1) / (2 * h)]
    t = (q + h * h + 1) / (2 * h)
    return {
        "ball": [v / (1 + t) / root for v in s],
        "hyperboloid": [v / root for v in (t, *s)],
        "half-space": p,
        "klein": [v / t / root for v in s],
    }[name]


def rounded(x: mpf, dtype: torch.dtype) -> float:
    with mpmath.workprec(53 if dtype is torch.float64 else 24):
        return float(+x)


def points(m: HTiling | LTiling, radius: float, n: int = 12) -> Tensor:
    draw = random.Random(radius)
    return half_pairs(radius, m.dim, draw, n)[0] if isinstance(m, HTiling) else plane_pairs(radius, draw, n)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("space", [HTiling(2), HTiling(3, -0.7), LTiling(-0.7)], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_floats_are_correctly_rounded(name: str, space: HTiling | LTiling, dtype: torch.dtype) -> None:
    target = MODELS[name](float(space.curvature))
    for radius in (0.5, 3.0, 12.0):
        x = points(space, radius)
        x = space.renormalize(x.to(dtype))
        got = convert(x, space, target)
        assert got.dtype == dtype
        with mpmath.workprec(2000):
            root = mpmath.sqrt(-mpf(float(space.curvature)))
            for row, found in zip(x.tolist(), got.tolist(), strict=True):
                want = in_model(exact_half(row, space), name, root)
                if name in ("ball", "klein") and sum(rounded(v * root, dtype) ** 2 for v in want) > 1 - 1e-5:
                    continue
                assert found == [rounded(v, dtype) for v in want]


@pytest.mark.parametrize("space", [HTiling(2, -0.7), LTiling(-0.7)], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_floats_become_points(name: str, space: HTiling | LTiling) -> None:
    source = MODELS[name](-0.7)
    ball = PoincareBall(-0.7)
    a = ball.random(20, 2, std=2.0, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = convert(a, ball, source)
    y = convert(x, source, space)
    assert space.why_not(y) is None
    with mpmath.workprec(2000):
        root = mpmath.sqrt(mpf(0.7))
        for row, to in zip(x.tolist(), y.tolist(), strict=True):
            p = [mpf(v) for v in row]
            if name != "half-space":
                b = [v * root for v in p]
                if name == "hyperboloid":
                    b = b[1:]
                    t = mpmath.sqrt(1 + b[0] ** 2 + b[1] ** 2)
                else:
                    gap = 1 - b[0] ** 2 - b[1] ** 2
                    t = 1 / mpmath.sqrt(gap) if name == "klein" else (2 - gap) / gap
                    b = [v * (t if name == "klein" else 2 / gap) for v in b]
                p = [b[0] / (t - b[1]), 1 / (t - b[1])]
            assert half_dist(tuple(p), tuple(exact_half(to, space))) <= 2.0**-51
    for bad in (torch.nan, 2.0 if name in ("ball", "klein") else torch.inf):
        x[3, 1] = bad
        with pytest.raises(ValueError, match="finite rows" if bad != 2.0 else "on the rim or outside"):
            convert(x, source, space)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("radius", [0.5, 30.0, 1000.0])
def test_the_tilings_are_one_plane(radius: float, dtype: torch.dtype) -> None:
    h, l = HTiling(2), LTiling()
    for source, target in ((h, l), (l, h)):
        x = source.renormalize(points(source, radius, 6).to(dtype))
        y = convert(x, source, target)
        assert y.dtype == dtype and target.why_not(y) is None
        eps = 2.0**-51 if dtype is torch.float64 else 2.0**-22
        with mpmath.workprec(4 * bits(radius)):
            for a, b in zip(x.tolist(), y.tolist(), strict=True):
                assert half_dist(tuple(exact_half(a, source)), tuple(exact_half(b, target))) <= eps
        assert float(source.dist(convert(y, target, source), x).max()) <= 2 * eps
        torch.testing.assert_close(source.dist(x, x.flip(0)), target.dist(y, y.flip(0)), rtol=4 * eps, atol=4 * eps)


def test_points_too_far_for_floats_are_what_their_class_documents() -> None:
    h = HTiling(2)
    x = h.from_normal_coordinates(torch.tensor([[1200.0, 1600.0], [0.0, -2000.0], [0.0, 2000.0]], dtype=torch.float64))
    for name, make in MODELS.items():
        m = make()
        y = convert(x, h, m)
        assert bool(y.isfinite().all())
        if name != "klein":
            assert m.check_point_on_manifold(y)
        if name in ("ball", "klein"):
            want = torch.tensor([[0.6, 0.8], [0, -1], [0, 1]], dtype=torch.float64)
            torch.testing.assert_close(y, want, rtol=1e-14, atol=1e-14)


def test_what_it_refuses() -> None:
    h = HTiling(3)
    x = h.origin(2, 6, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"LTiling.* has dimension 2, these points of HTiling.* have 3"):
        convert(x, h, LTiling())
    with pytest.raises(ValueError, match="equal curvatures"):
        convert(x, h, HalfSpace(-2.0))
    with pytest.raises(NotImplementedError, match="no derivative"):
        convert(x.clone().requires_grad_(), h, HalfSpace())
    bad = x.clone()
    bad[1, 5] = 0.5
    with pytest.raises(ValueError, match="row 1: a limb is no integer"):
        convert(bad, h, HalfSpace())
    assert convert(x[:0], h, HalfSpace()).shape == (0, 3) and convert(x[:0, :3], HalfSpace(), h).shape == (0, 6)
    assert convert(x[0], h, Lorentz()).shape == (4,)
