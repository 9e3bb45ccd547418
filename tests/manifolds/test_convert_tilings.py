"""Tilings and the other models: floats correctly rounded, tilings exact to their offsets' rounding, at any radius."""

import random

import mpmath
import pytest
import torch
from mpmath import mpf
from tilings import bits, half_dist, half_pairs, half_point, half_row, plane_matrix, plane_pairs, plane_point, whole
from torch import Tensor

from hypgeo import HalfSpace, HTiling, Klein, Lorentz, LTiling, MCHalfSpace, PoincareBall, convert

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
@pytest.mark.parametrize("radius", [0.5, 30.0, 1000.0, 10_000.0, 100_000.0])
def test_the_tilings_are_one_plane(radius: float, dtype: torch.dtype) -> None:
    h, l = HTiling(2), LTiling()
    for source, target in ((h, l), (l, h)):
        x = source.renormalize(points(source, radius, 6 if radius < 50_000 else 1).to(dtype))
        y = convert(x, source, target)
        assert y.dtype == dtype and target.why_not(y) is None
        eps = 2.0**-51 if dtype is torch.float64 else 2.0**-22
        with mpmath.workprec(4 * bits(radius)):
            for a, b in zip(x.tolist(), y.tolist(), strict=True):
                assert half_dist(tuple(exact_half(a, source)), tuple(exact_half(b, target))) <= eps
        assert float(source.dist(convert(y, target, source), x).max()) <= 2 * eps
        torch.testing.assert_close(source.dist(x, x.flip(0)), target.dist(y, y.flip(0)), rtol=4 * eps, atol=4 * eps)


def tile_of_half(p: list[mpf], dtype: torch.dtype) -> list[float | int]:
    """Offset, height, j and k of a point of the half-plane."""
    m, e = mpmath.frexp(p[1])
    h = rounded(2 * m, dtype)
    h, j = (1.0, int(e)) if h == 2.0 else (h, int(e) - 1)
    t = mpmath.ldexp(p[0], -j)
    k = int(mpmath.floor(t))
    x = rounded(t - k, dtype)
    return [0.0, h, j, k + 1] if x == 1.0 else [x, h, j, k]


def offset_in_tile(p: list[mpf], row: list[float], dtype: torch.dtype) -> list[float]:
    """Of a point of the half-plane, in the tile g of a row of the L-tiling: the spatial part of g^-1 p, rounded."""
    g, root = plane_matrix(row), mpmath.sqrt(3)
    h, q = p[1], p[0] ** 2 + p[1] ** 2
    v = [3 * (q + 1) / (2 * h) / root, -p[0] / h, -(q - 1) / (2 * h)]
    return [rounded(-mpmath.fsum(g[3 * k + i] * v[k] for k in range(3)), dtype) for i in (1, 2)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("radius", [1.0, 1000.0, 10_000.0, 100_000.0])
def test_integers_are_exact_and_offsets_correctly_rounded(radius: float, dtype: torch.dtype) -> None:
    """Up and down too, where x_0 - x_2 of the hyperboloid cancels or does not, and the half-plane has no integers."""
    h, l = HTiling(2), LTiling()
    ways = [[0.0, 1.0], [0.0, -1.0], [1e-9, 1.0], [1.0, 0.1]]
    if radius > 50_000:
        ways = [[0.0, 1.0], [-1.0, -0.1]] if dtype is torch.float64 else [[1e-9, 1.0]]
    a = torch.tensor(ways, dtype=torch.float64)
    x = h.renormalize(h.from_normal_coordinates(radius * a / a.norm(dim=-1, keepdim=True)).to(dtype))
    y = convert(x, h, l)
    back = convert(y, l, h)
    assert l.why_not(y) is None and h.why_not(back) is None
    assert float(h.dist(x, back).max()) <= (2.0**-50 if dtype is torch.float64 else 2.0**-21)
    with mpmath.workprec(int(3 * radius / 0.69) + 1500):
        for start, tile, end in zip(x.tolist(), y.tolist(), back.tolist(), strict=True):
            assert offset_in_tile(exact_half(start, h), tile, dtype) == tile[:2]
            assert [*end[:3], whole(end[3:])] == tile_of_half(exact_half(tile, l), dtype)


def test_what_floats_of_one_half_cannot_decide() -> None:
    """Ties that bits far behind break, the ends of floats, and offsets near 0."""
    h, l, flat = HTiling(2), LTiling(), HalfSpace()

    def row(x: float, height: float, j: int, k: int) -> Tensor:
        return torch.tensor([half_row([x, height], j, [k], 16)], dtype=torch.float64)

    tie = 2**300 + 2**247  # between two floats, the lower of which is even
    for x, k, want in ((0.0, tie, 2.0**300), (2.0**-60, tie, 2.0**300 + 2.0**248), (0.5, tie - 1, 2.0**300)):
        assert convert(row(x, 1.0, 0, k), h, flat)[0, 0] == want
        assert convert(row(x, 1.0, 0, -k), h, flat)[0, 0] == (-want if x != 2.0**-60 else -(2.0**300))
    got = convert(row(2.0**-60, 1.0, 0, tie), h, MCHalfSpace(components=3))[0]
    assert got[::2].tolist() == [2.0**300 + 2.0**248, -(2.0**247), 2.0**-60]
    k = 112_000_000  # k^2 + 1 lies between two floats, and x_0 = (k^2 + 1 + 2^-800) 2^399
    assert convert(row(0.0, 1.0, 400, k), h, Lorentz())[0, 0] == (k * k + 2) * 2.0**399
    for j, height in ((1023, 2 - 2.0**-52), (1024, 1.0), (5000, 1.5)):
        assert convert(row(0.0, height, j, 0), h, flat)[0, 1] == torch.finfo(torch.float64).max
    tiny = row(1e-300, 1.0, 0, 0)
    tile = convert(tiny, h, l)
    assert tile[0, 0] == 1e-300 and torch.equal(convert(tile, l, h), tiny[:, :4])
    centres = points(l, 40.0, 12)
    centres[:, :2] = 0
    times = convert(centres, l, Lorentz())[:, 0]  # x_0 = g_00, an integer of 58 bits
    assert times.tolist() == [float(plane_matrix(g)[0]) for g in centres.tolist()]
    for bad in (0.0, -1.0):
        with pytest.raises(ValueError, match=r"has the height .* not a positive one; call projx"):
            convert(torch.tensor([[0.0, bad]], dtype=torch.float64), flat, h)


def test_offsets_may_lie_outside_their_tile() -> None:
    h, l, draw = HTiling(2), LTiling(), random.Random(0)
    flat, plane = points(h, 40.0), points(l, 40.0)
    for i, size in enumerate((3.0, 1e2, 1e5, 1e8, 1e15, 1e30) * 2):
        flat[i, 0], flat[i, 1] = size * draw.uniform(-1, 1), draw.choice((size, 1 / size))
        plane[i, 0], plane[i, 1] = size * draw.uniform(-1, 1), size * draw.uniform(-1, 1)
    with mpmath.workprec(3000):
        for start, tile in zip(flat.tolist(), convert(flat, h, l).tolist(), strict=True):
            assert offset_in_tile(exact_half(start, h), tile, torch.float64) == tile[:2]
        for start, tile in zip(plane.tolist(), convert(plane, l, h).tolist(), strict=True):
            assert [*tile[:3], whole(tile[3:])] == tile_of_half(exact_half(start, l), torch.float64)


@pytest.mark.parametrize("radius", [1.0, 10.0, 36.0, 100.0, 700.0])
@pytest.mark.parametrize("space", [HTiling(2), HTiling(3), LTiling()], ids=str)
def test_components_become_points_and_come_back(space: HTiling | LTiling, radius: float) -> None:
    """Rows of components are exact points: a tiling rounds the offset, and the way back the components."""
    source = MCHalfSpace(components=3)
    a = torch.randn(8, space.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    a[0], a[1] = torch.eye(space.dim, dtype=torch.float64)[-1], -torch.eye(space.dim, dtype=torch.float64)[-1]
    x = source.from_normal_coordinates(radius * a / a.norm(dim=-1, keepdim=True))
    y = convert(x, source, space)
    back = convert(y, space, source)
    assert space.why_not(y) is None
    with mpmath.workprec(5000):
        for p, tile, q in zip(x.tolist(), y.tolist(), back.tolist(), strict=True):
            start, end = (tuple(mpmath.fsum(r[i :: space.dim]) for i in range(space.dim)) for r in (p, q))
            place = exact_half(tile, space)
            assert half_dist(start, tuple(place)) <= 2.0**-51
            for got, want in zip(end, place, strict=True):  # below 2^-1074 there are no floats
                assert abs(got - want) <= abs(want) * mpf(2) ** -158 + mpf(2) ** -1074


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


@pytest.mark.parametrize("space", [HTiling(2), HTiling(3), LTiling()], ids=str)
def test_components_and_back(space: HTiling | LTiling) -> None:
    """A tile and an offset are about 53 + 1.5 radius bits: four components hold them."""
    target = MCHalfSpace(components=4)
    x = points(space, 40.0)
    got = convert(x, space, target)
    assert got.shape == (*x.shape[:-1], 4 * space.dim)
    with mpmath.workprec(2000):
        for row, found in zip(x.tolist(), got.tolist(), strict=True):
            for i, want in enumerate(exact_half(row, space)):
                off = abs(mpmath.fsum(found[i :: space.dim]) - want)
                assert off <= abs(want) * mpf(2) ** -208
                assert off == 0 or isinstance(space, LTiling)
    back = convert(got, target, space)
    if isinstance(space, LTiling):  # whose points have roots of 3 in the half-space
        assert space.dist(x, back).max() < 1e-15
    else:
        assert torch.equal(back, x[..., : back.shape[-1]]) and not x[..., back.shape[-1] :].any()
    far = convert(points(space, 2000.0, 2), space, target)  # heights end
    assert far.isfinite().all() and (far[..., space.dim - 1] > 0).all()
