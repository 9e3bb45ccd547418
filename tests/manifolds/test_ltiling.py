"""LTiling under the manifold interface: bounds at any radius, steps, optimisers, and what it refuses."""

import math
import random

import geoopt
import mpmath
import pytest
import torch
from mpmath import mpf
from steps import approach, approach_in_rows, flee
from tilings import (
    ONE,
    A,
    B,
    plane_dist,
    plane_matrix,
    plane_near,
    plane_pairs,
    plane_point,
    plane_row,
    plane_seen,
    times,
    ulps,
)
from torch import Tensor

from hypgeo import HTiling, Lorentz, LTiling
from hypgeo.optim import RiemannianAdam, RiemannianSGD, SparseRiemannianAdam, SparseRiemannianSGD

EPS = {torch.float32: 2.0**-23, torch.float64: 2.0**-52}


def start(m: LTiling, n: int = 6, std: float = 1.5, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return m.random(n, m.width(), std=std, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "radius, curvature", [(r, k) for r in (1.0, 30.0, 1000.0, 10_000.0) for k in (-1.0, -0.3)] + [(100_000.0, -0.3)]
)
def test_gradients(radius: float, curvature: float) -> None:
    """Against the derivative of the distance in big floats."""
    m = LTiling(curvature)
    x, y = (t.requires_grad_() for t in plane_pairs(radius, random.Random(3), 12 if radius < 5000 else 6))
    d = m.dist(x, y)
    slopes = torch.autograd.grad(d.sum(), (x, y))
    pulled = torch.autograd.grad(m.pairwise_dist(x, y).diagonal().sum(), (x, y))
    for t, slope in zip((x, y), slopes, strict=True):  # the gradient of a distance has length 1
        steep = m.norm(t, m.egrad2rgrad(t, slope)).detach()
        assert bool(((steep - (d > 0).double()).abs() <= 16 * EPS[torch.float64]).all())
    a, b = x.tolist(), y.tolist()
    with mpmath.workprec(2500):
        unit = 1 / mpmath.sqrt(-mpf(curvature))
        for i in range(len(x)):
            if d[i] == 0:
                assert all(not g[i].any() for g in (*slopes, *pulled)) and i % 6 in (1, 5)
                continue
            seen, back = plane_seen(a[i], b[i]), plane_seen(b[i], a[i])
            assert ulps(d[i].item(), plane_near(*seen) * unit) <= 3
            for (s, z), slope, pull in ((seen, slopes[0], pulled[0]), (back, slopes[1], pulled[1])):
                # cosh d = s_0 z_0 - s_1 z_1 - s_2 z_2, s_0 = sqrt(1 + s_1^2 + s_2^2)
                sinh = mpmath.sqrt((s[0] * z[0] - s[1] * z[1] - s[2] * z[2]) ** 2 - 1)
                want = [(z[0] * s[k] / s[0] - z[k]) / sinh * unit for k in (1, 2)]
                for got in (slope[i], pull[i]):
                    off = mpmath.norm([float(g) - w for g, w in zip(got[:2], want, strict=True)])
                    assert off <= 8 * EPS[torch.float64] * mpmath.norm(want) and not got[2:].any()


@pytest.mark.parametrize(
    "radius, size",
    [(r, s) for r in (0.0, 700.0, 20_000.0) for s in (1e-8, 0.3, 20.0, 400.0)]
    + [(10.0, 30_000.0), (10.0, 100_000.0), (100_000.0, 1.0)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_there_and_back(radius: float, size: float, dtype: torch.dtype) -> None:
    """logmap(x, expmap(x, u)) = u within 8 ulp; where u is short against an offset's last bit, within that bit."""
    m = LTiling()
    g = torch.Generator().manual_seed(1)
    n = 12 if max(size, radius) < 5000 else 2 if max(size, radius) < 50_000 else 1
    a = torch.randn(n, 2, dtype=torch.float64, generator=g)
    x = m.renormalize(m.from_normal_coordinates(radius * a / a.norm(dim=-1, keepdim=True)).to(dtype))
    v = torch.randn(n, 2, dtype=torch.float64, generator=g)
    u = m._wide(m._vector(x.double(), size * v / v.norm(dim=-1, keepdim=True)), x, dtype)
    y = m.expmap(x, u)
    assert m.check_point_on_manifold(y)
    back = m.logmap(x, y)
    room = 8 * EPS[dtype] * m.norm(x, u) + 4 * EPS[dtype]
    assert bool((m.norm(x, back[:, : x.shape[1]] - u) <= 2 * room).all()) and not back[:, x.shape[1] :].any()
    assert bool(((m.dist(x, y) - m.norm(x, u)).abs() <= room).all())
    if size <= 20 and dtype is torch.float64:
        z = m.expmap(x, back)
        assert float(m.dist(z, y).max()) <= 16 * EPS[dtype] * max(1, size) * math.exp(size)
    if 1e-8 < size < 1000 and radius < 100:
        for t in (0.0, 0.25, 0.5, 0.75, 1.0):
            z, d = m.geodesic(t, x, y), m.dist(x, y)
            assert bool(((m.dist(x, z) - t * d).abs() <= 16 * EPS[dtype] * (1 + d)).all())
            assert bool(((m.dist(z, y) - (1 - t) * d).abs() <= 16 * EPS[dtype] * (1 + d)).all())
            assert 0 < t < 1 or torch.equal(*m_alike(m, z, (x, y)[int(t)]))


def test_geodesics_and_optimisers_far_out() -> None:
    """At radius 100,000: where a geodesic leads, and steps that keep elements of the group and go downhill."""
    m = LTiling()
    x = plane_pairs(100_000.0, random.Random(6), 2)[0]
    u = m._wide(m._vector(x, torch.tensor([[3.0, 4.0], [-0.3, 0.4]], dtype=torch.float64)), x, x.dtype)
    y = m.retr(x, u)
    assert torch.equal(y, m.expmap(x, u)) and m.why_not(y) is None
    a, b, way = x.tolist(), y.tolist(), m.geodesic(0.3, x, y)
    assert m.why_not(way) is None
    with mpmath.workprec(2500):
        for i, z in enumerate(way.tolist()):
            (p, q), (_, r) = plane_seen(a[i], b[i]), plane_seen(a[i], z)
            d = plane_dist(p, q)
            near, far = mpmath.sinh((1 - mpf(0.3)) * d) / mpmath.sinh(d), mpmath.sinh(mpf(0.3) * d) / mpmath.sinh(d)
            want = [near * s + far * t for s, t in zip(p, q, strict=True)]
            assert plane_dist(tuple(want), r) <= 2.0**-46
    for make, options in ((RiemannianSGD, {"lr": 0.1, "momentum": 0.5}), (RiemannianAdam, {"lr": 0.1})):
        point = geoopt.ManifoldParameter(x.clone(), manifold=m)
        opt = make([point], **options)
        for _ in range(3):
            opt.zero_grad()
            m.dist(point, y).sum().backward()
            opt.step()
            assert m.why_not(point.data) is None
        assert bool((m.dist(point.detach(), y) < m.dist(x, y) - 0.2).all())


def m_alike(m: LTiling, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    width = max(a.shape[1], b.shape[1])
    return tuple(torch.nn.functional.pad(t, (0, width - t.shape[1])) for t in (a, b))  # type: ignore[return-value]


def test_a_step_of_nothing_is_none() -> None:
    for dtype in EPS:
        m = LTiling()
        x = start(m, 50, 9.0, dtype=dtype)
        assert torch.equal(m.expmap(x, torch.zeros_like(x)), x)
        assert torch.equal(m.renormalize(x), x) and torch.equal(m.projx(x), x)


def coordinates(x: Tensor, time: bool = True) -> Tensor:
    with mpmath.workprec(800):
        return torch.tensor([[float(v) for v in plane_point(r)] for r in x.tolist()], dtype=torch.float64)


def test_the_verbs_are_those_of_the_hyperboloid() -> None:
    """In tiles near the origin, by the Lorentz matrices of their elements."""
    m, flat = LTiling(), Lorentz()
    x, y = start(m, 40, 0.8), start(m, 40, 0.8, seed=1)
    a, b = coordinates(x), coordinates(y)

    def out(p: Tensor, u: Tensor) -> Tensor:
        s, v = p[:, :2], u[:, :2]
        v = torch.cat(((s * v).sum(-1, keepdim=True) / (1 + s.square().sum(-1, keepdim=True)).sqrt() / 3**0.5, v), -1)
        g = torch.tensor([plane_matrix(r) for r in p.tolist()], dtype=torch.float64).reshape(-1, 3, 3)
        return (g @ v.unsqueeze(-1)).squeeze(-1) * torch.tensor([3**0.5, 1, 1], dtype=torch.float64)

    u, v = (m.proju(x, torch.randn(x.shape, dtype=torch.float64)) for _ in range(2))
    close = {"rtol": 1e-11, "atol": 1e-11}
    torch.testing.assert_close(coordinates(m.expmap(x, u)), flat.expmap(a, out(x, u)), **close)
    torch.testing.assert_close(out(x, m.logmap(x, y)), flat.logmap(a, b), **close)
    torch.testing.assert_close(m.dist(x, y), flat.dist(a, b), rtol=1e-12, atol=0)
    torch.testing.assert_close(m.inner(x, u, v), flat.inner(a, out(x, u), out(x, v)), **close)
    torch.testing.assert_close(out(y, m.transp(x, y, u)), flat.transp(a, b, out(x, u)), **close)
    torch.testing.assert_close(m.normal_coordinates(x), flat.normal_coordinates(a), **close)
    torch.testing.assert_close(m.dist0(x), flat.dist0(a), rtol=1e-12, atol=0)
    again = m.from_normal_coordinates(m.normal_coordinates(x))
    assert float(m.dist(again, x).max()) < 1e-12
    p = x.clone().requires_grad_()  # the gradient of the distance is the unit vector away
    (g,) = torch.autograd.grad(m.dist(p, y).sum(), p)
    away = -m.logmap(x, y) / m.dist(x, y).unsqueeze(-1)
    torch.testing.assert_close(m.egrad2rgrad(x, g), away, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("radius", [3.0, 1000.0, 100_000.0])
def test_transport(radius: float) -> None:
    m = LTiling(-0.5)
    x, y = (t[[0, 2, 4]] for t in plane_pairs(radius, random.Random(2), 6))
    u, v = (m.proju(x, torch.randn(x.shape, dtype=torch.float64)) for _ in range(2))
    a, b = m.transp(x, y, u), m.transp(x, y, v)
    size = m.norm(x, u) * m.norm(x, v)
    assert bool(((m.inner(y, a, b) - m.inner(x, u, v)).abs() <= 16 * 2.0**-52 * size).all())
    assert bool((m.norm(x, m.transp(y, x, a) - u) <= 32 * 2.0**-52 * m.norm(x, u)).all())
    there, away = m.transp(x, y, m.logmap(x, y)), -m.logmap(y, x)
    assert bool((m.norm(y, there - away) <= 16 * 2.0**-52 * m.norm(y, away)).all())


@pytest.mark.parametrize("recipe", ["sgd", "nesterov", "amsgrad"])
def test_optimisers_arrive_and_make_room(recipe: str) -> None:
    m = LTiling()
    x, target = start(m), start(m, std=20.0, seed=1)
    assert float(m.dist(x, target).max()) > 20
    assert float(m.dist(approach(m, x, target, recipe), target).max()) < 0.5


@pytest.mark.parametrize("make", [SparseRiemannianSGD, SparseRiemannianAdam])
def test_sparse_rows_alone_move(make: type) -> None:
    m, rows = LTiling(), torch.tensor([1, 4, 7])
    x, target = start(m, 10), start(m, 10, std=30.0, seed=1)
    w = approach_in_rows(m, x, target, rows, make)
    assert bool((m.dist(w[rows], target[rows]) < m.dist(x[rows], target[rows]) - 4).all())


def test_ten_thousand_steps_keep_what_must_hold() -> None:
    """Elements of the group, offsets in the square."""
    m = LTiling()
    assert float(m.dist0(flee(m, start(m, 3, 0.1), 0.02, 1000)).min()) > 150


def test_shapes_and_widths() -> None:
    m = LTiling()
    x, y = start(m, 6).reshape(2, 3, -1), start(m, 3, 40.0, seed=2)
    assert y.shape[-1] > x.shape[-1]
    d = m.dist(x, y)
    assert d.shape == (2, 3) and m.dist(x, y, keepdim=True).shape == (2, 3, 1)
    torch.testing.assert_close(m.pairwise_dist(x, y)[:, torch.arange(3), torch.arange(3)], d, rtol=0, atol=0)
    assert m.dist(x[:0], y).shape == (0, 3) and m.pairwise_dist(x[0, :0], y).shape == (0, 3)
    assert m.logmap(x, y).shape == (2, 3, y.shape[-1])
    assert m.dist(x.float(), y.float()).dtype == torch.float32
    assert m.origin(2, 11).tolist() == [[0.0, 0.0, *map(float, ONE)]] * 2
    assert repr(m) == "LTiling(curvature=-1)" and m.width(3) == 29 and m.limbs(y) >= 2


def test_equal_points_are_nowhere_steep() -> None:
    m = LTiling()
    x = start(m).requires_grad_()
    for d in (m.dist(x, x.detach()), m.dist2(x, x.detach()), m.pairwise_dist(x, x.detach()).diagonal()):
        (g,) = torch.autograd.grad(d.sum(), x)
        assert not d.any() and not g.any()


@pytest.mark.parametrize("radius", [200.0, 100_000.0])
def test_decimals(radius: float) -> None:
    m = LTiling()
    x, _ = plane_pairs(radius, random.Random(0), 4 if radius < 5000 else 2)
    with mpmath.workprec(3000 + int(3 * radius / math.log(2))):
        for row in x:
            for got, true in zip(m.point(row, 30), plane_point(row.tolist()), strict=True):
                assert abs(mpf(str(got)) - true) <= mpf("0.51e-29") * abs(true)


def bad(g: tuple[int, ...] = ONE, x: tuple[float, float] = (0.1, 0.2)) -> Tensor:
    rows = start(LTiling(), 5)
    return torch.cat((rows, torch.tensor([plane_row(list(x), g, 1)], dtype=torch.float64)))


@pytest.mark.parametrize(
    "rows, said",
    [
        (bad(x=(math.nan, 0.0)), "row 5 is not finite"),
        (bad(tuple(2 * v for v in ONE)), r"row 5: its integers are none of the group's: g' M g is not M"),
        (bad((1, 0, 0, 0, 1, 0, 0, 0, -1)), "none of the group's: a reflection, of determinant -1"),
        (bad((-1, 0, 0, 0, -1, 0, 0, 0, 1)), "none of the group's: it swaps future and past"),
        (bad((1, 0, 0, 0, 0, -1, 0, 1, 0)), "none of the group's: a symmetry of M"),
        (bad(times(times(A, B), (1, 0, 0, 0, -1, 0, 0, 0, -1))), "none of the group's: a symmetry of M"),
    ],
)
def test_what_is_no_point_is_refused(rows: Tensor, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    m = LTiling()
    for _ in range(2):
        with pytest.raises(ValueError, match=said):
            m.renormalize(rows)
        assert not m.check_point_on_manifold(rows)
        monkeypatch.setattr("hypgeo.ops.tiling._native", lambda name: None)


def test_what_is_outside_its_tile_is_said() -> None:
    m = LTiling()
    rows = bad(times(A, B), (0.8, 0.1))
    assert m.why_not(rows) == "row 5: its offset lies outside the tile; call renormalize"
    out = m.renormalize(rows)
    assert m.check_point_on_manifold(out) and float(m.dist(out[5], rows[5])) < 4e-16
    limb = bad()
    limb[2, 4] = 0.5
    assert m.why_not(limb) == "row 2: a limb is no integer from -2^23 to 2^23 - 1"


def test_what_it_refuses() -> None:
    m = LTiling()
    x = start(m)
    with pytest.raises(ValueError, match=r"2 \+ 9 x limbs columns, got 12; the least is 11"):
        m.dist(x, torch.zeros(12, dtype=torch.float64))
    with pytest.raises(ValueError, match="columns, got 6"):
        m.dist(x, HTiling(3).origin(6, dtype=torch.float64))
    with pytest.raises(NotImplementedError, match="convert the points"):
        m.busemann(x, x)
    with pytest.raises(NotImplementedError, match=r"LTiling\.logmap has no derivative"):
        m.logmap(x.requires_grad_(), x.detach()).sum().backward()
