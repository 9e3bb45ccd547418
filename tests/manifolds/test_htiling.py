"""HTiling under the manifold interface: bounds at any radius, steps, optimisers, and what it refuses."""

import math
import random

import geoopt
import mpmath
import pytest
import torch
from mpmath import mpf
from steps import RECIPES, approach, approach_in_rows, flee
from tilings import bits, half_between, half_dist, half_pairs, half_point, half_seen, ulps
from torch import Tensor

from hypgeo import HalfSpace, HTiling
from hypgeo.optim import RiemannianAdam, RiemannianSGD, SparseRiemannianAdam, SparseRiemannianSGD

EPS = {torch.float32: 2.0**-23, torch.float64: 2.0**-52}


def start(m: HTiling, n: int = 6, std: float = 2.0, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return m.random(n, m.width(), std=std, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("radius", [1.0, 30.0, 1000.0, 10_000.0, 100_000.0])
@pytest.mark.parametrize("curvature", [-1.0, -0.3])
def test_gradients(radius: float, curvature: float) -> None:
    """Against difference quotients of the exact distance, in half of the digits."""
    m = HTiling(3, curvature)
    x, y = half_pairs(radius, 3, random.Random(3), 12 if radius < 5000 else 6)
    x.requires_grad_()
    y.requires_grad_()
    d = m.dist(x, y)
    slopes = torch.autograd.grad(d.sum(), (x, y))
    both = m.pairwise_dist(x, y)
    pulled = torch.autograd.grad(both.diagonal().sum(), (x, y))
    for t, slope in zip((x, y), slopes, strict=True):  # the gradient of a distance has length 1
        steep = m.norm(t, m.egrad2rgrad(t, slope)).detach()
        assert bool(((steep - (d > 0).double()).abs() <= 16 * EPS[torch.float64]).all())
    with mpmath.workprec(bits(radius)):
        unit = 1 / mpmath.sqrt(-mpf(curvature))
        p, q = ([half_point(r, 3) for r in t.tolist()] for t in (x, y))
        for i in range(len(x)):
            true = half_dist(p[i], q[i])
            assert ulps(d[i].item(), true * unit) <= 3
            for (row, a, b), slope, pull in zip(((x, p, q), (y, q, p)), slopes, pulled, strict=True):
                if true == 0:
                    assert not slope[i].any() and not pull[i].any()
                    continue
                tile = mpmath.ldexp(mpf(1), int(row[i, 3]))
                step = mpf(2) ** -160
                want = []
                for axis in range(3):
                    ends = []
                    for sign in (1, -1):
                        moved = list(a[i])
                        moved[axis] += sign * step * tile
                        ends.append(half_dist(tuple(moved), b[i]))
                    with mpmath.workprec(300):
                        want.append((ends[0] - ends[1]) / (2 * step) * unit)
                size = mpmath.norm(want)
                for got in (slope[i], pull[i]):
                    off = mpmath.norm([float(v) - w for v, w in zip(got[:3], want, strict=True)])
                    assert off <= 8 * EPS[torch.float64] * size
                    assert not got[3:].any()


def test_equal_points_are_nowhere_steep() -> None:
    m = HTiling(2)
    x = start(m).requires_grad_()
    for d in (m.dist(x, x.detach()), m.dist2(x, x.detach()), m.pairwise_dist(x, x.detach()).diagonal()):
        assert not d.any()
        (g,) = torch.autograd.grad(d.sum(), x)
        assert not g.any()


@pytest.mark.parametrize("radius", [0.0, 700.0, 100_000.0])
@pytest.mark.parametrize("size", [1e-8, 0.3, 20.0, 400.0, 100_000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_there_and_back(radius: float, size: float, dtype: torch.dtype) -> None:
    """logmap(x, expmap(x, u)) = u within 8 ulp; where u is short against an offset's last bit, within that bit."""
    m = HTiling(3)
    g = torch.Generator().manual_seed(1)
    n = 20 if radius < 5000 else 3
    far = m._wide(
        m._vector(o := m.origin(n, m.width(), dtype=torch.float64), torch.randn(n, 3, generator=g).double()), o, o.dtype
    )
    x = m.expmap(o, far / m.norm(o, far, keepdim=True) * radius).to(dtype)
    x = m.renormalize(x)
    v = torch.randn(n, 3, dtype=torch.float64, generator=g)
    v = v / v.norm(dim=-1, keepdim=True)
    v[0], v[1] = torch.tensor([0, 0, 1.0]), torch.tensor([0, 0, -1.0])
    u = m._wide(m._vector(x.double(), size * v), x, dtype)
    y = m.expmap(x, u)
    assert m.check_point_on_manifold(y)
    back = m.logmap(x, y)[:, :3]
    room = 8 * EPS[dtype] * m.norm(x, u) + 4 * EPS[dtype]
    assert bool(((back - u[:, :3]).norm(dim=-1) <= 2 * room).all())
    assert bool(((m.dist(x, y) - m.norm(x, u)).abs() <= room).all())
    if size <= 20 and dtype is torch.float64:
        z = m.expmap(x, m.logmap(x, y))
        assert float(m.dist(z, y).max()) <= 16 * EPS[dtype] * max(1, size) * math.exp(size)
    if 1e-8 < size < 1000 and radius < 100:  # one half of the way, from either end
        for t in (0.0, 0.25, 0.5, 0.75, 1.0):
            z = m.geodesic(t, x, y)
            d = m.dist(x, y)
            assert bool(((m.dist(x, z) - t * d).abs() <= 16 * EPS[dtype] * (1 + d)).all())
            if t == 1.0:
                assert torch.equal(z, y)
            assert bool(((m.dist(z, y) - (1 - t) * d).abs() <= 16 * EPS[dtype] * (1 + d)).all())
    assert size > 1000 or torch.equal(m.geodesic(0.0, x, y)[:, : x.shape[1]], x)


@pytest.mark.parametrize("radius", [1000.0, 100_000.0])
def test_geodesics_far_out(radius: float) -> None:
    """Against the exact points of the way, between ends 1e-3 to 60 apart."""
    m = HTiling(3)
    x = half_pairs(radius, 3, random.Random(4), 3)[0]
    v = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    length = torch.tensor([[1e-3], [2.0], [60.0]], dtype=torch.float64)
    u = m._wide(m._vector(x, length * v / v.norm(dim=-1, keepdim=True)), x, x.dtype)
    y = m.retr(x, u)
    assert torch.equal(y, m.expmap(x, u)) and m.check_point_on_manifold(y)
    for t in (0.0, 0.1, 0.5, 0.7, 1.0):
        z = m.geodesic(t, x, y)
        assert m.check_point_on_manifold(z)
        for i in range(3):
            with mpmath.workprec(bits(radius)):
                p, q, r = (half_point(rows[i].tolist(), 3) for rows in (x, y, z))
                q, r = half_seen(p, q), half_seen(p, r)
            with mpmath.workprec(600):
                off = half_dist(r, half_between(t, q))
            assert off <= 2.0**-46 + 4 * math.ulp(float(length[i]))


def test_optimisers_far_out() -> None:
    """Some steps at radius 100,000: integers exact, offsets in their tiles, and downhill."""
    m = HTiling(2)
    x, _ = half_pairs(100_000.0, 2, random.Random(6), 4)
    target = m.expmap(x, m.proju(x, torch.full_like(x, 2.0)))
    for make, options in ((RiemannianSGD, {"lr": 0.3, "momentum": 0.5}), (RiemannianAdam, {"lr": 0.3})):
        p = geoopt.ManifoldParameter(x.clone(), manifold=m)
        opt = make([p], **options)
        first = m.dist(x, target)
        for _ in range(5):
            opt.zero_grad()
            before = p.detach().clone()
            m.dist(p, target).sum().backward()
            opt.step()
            assert m.why_not(p.data) is None
            with mpmath.workprec(bits(100_000.0)):  # the row is where the distance says that it is
                for a, b, moved in zip(before.tolist(), p.tolist(), m.dist(before, p.detach()), strict=True):
                    assert ulps(moved.item(), half_dist(half_point(a, 2), half_point(b, 2))) <= 2
        assert bool((m.dist(p.detach(), target) < first - 0.5).all())


def test_a_step_of_nothing_is_none() -> None:
    for dtype in EPS:
        m = HTiling(4)
        x = start(m, 50, 9.0, dtype=dtype)
        assert torch.equal(m.expmap(x, torch.zeros_like(x)), x)
        assert torch.equal(m.renormalize(x), x) and torch.equal(m.projx(x), x)


def test_exponentials_are_those_of_the_half_space() -> None:
    m, flat = HTiling(3, -0.7), HalfSpace(-0.7)
    x, y = start(m, 40, 1.0), start(m, 40, 1.0, seed=1)

    def coordinates(t: Tensor) -> Tensor:
        return torch.tensor([[float(v) for v in m.point(row)] for row in t], dtype=torch.float64)

    a, b = coordinates(x), coordinates(y)
    tile = torch.exp2(x[:, 3:4])
    u = m.proju(x, torch.randn_like(x))
    torch.testing.assert_close(coordinates(m.expmap(x, u)), flat.expmap(a, u[:, :3] * tile), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(m.logmap(x, y)[:, :3] * tile, flat.logmap(a, b), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(m.dist(x, y), flat.dist(a, b), rtol=1e-13, atol=0)
    torch.testing.assert_close(m.norm(x, u), flat.norm(a, u[:, :3] * tile), rtol=1e-13, atol=0)
    moved = m.transp(x, y, u)[:, :3] * torch.exp2(y[:, 3:4])
    torch.testing.assert_close(moved, flat.transp(a, b, u[:, :3] * tile), rtol=1e-12, atol=1e-13)
    rise = m.egrad2rgrad(x, u)[:, :3] * tile
    torch.testing.assert_close(rise, flat.egrad2rgrad(a, u[:, :3] / tile), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(m.normal_coordinates(x), flat.normal_coordinates(a), rtol=1e-12, atol=1e-13)
    again = m.from_normal_coordinates(m.normal_coordinates(x))
    assert float(m.dist(again, x).max()) < 1e-12


@pytest.mark.parametrize("radius", [3.0, 1000.0, 100_000.0])
def test_transport(radius: float) -> None:
    """It keeps inner products, comes back, and turns the direction there into that away."""
    m = HTiling(4)
    x, y = half_pairs(radius, 4, random.Random(2), 12)
    g = torch.Generator().manual_seed(0)
    u, v = (m.proju(x, torch.randn(x.shape, dtype=torch.float64, generator=g)) for _ in range(2))
    a, b = m.transp(x, y, u), m.transp(x, y, v)
    size = m.norm(x, u) * m.norm(x, v)
    assert bool(((m.inner(y, a, b) - m.inner(x, u, v)).abs() <= 16 * 2.0**-52 * size).all())
    assert bool((m.norm(x, m.transp(y, x, a) - u) <= 32 * 2.0**-52 * m.norm(x, u)).all())
    there, away = m.transp(x, y, m.logmap(x, y)), -m.logmap(y, x)
    assert bool((m.norm(y, there - away) <= 16 * 2.0**-52 * m.norm(y, away)).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_one_point_has_one_form(dtype: torch.dtype) -> None:
    m = HTiling(3)
    x = start(m, 200, 5.0, dtype=dtype)
    moved = x.clone()  # the same points, written in other tiles
    shift = torch.randint(-3, 4, (200, 2)).to(dtype)
    moved[:, :2] = (x[:, :2] * 2**10).round() / 2**10  # so that no bit is lost
    x = m.renormalize(moved)
    moved = x.clone()
    moved[:, :2] += shift
    moved[:, 4:6] -= shift
    assert torch.equal(m.renormalize(moved), x)
    up = x.clone()  # in the tiles of twice the size
    up[:, :3] /= 2
    up[:, 3] += 1
    odd = up[:, 4:6] % 2
    up[:, :2] += odd / 2
    up[:, 4:6] = (up[:, 4:6] - odd) / 2
    if x.shape[1] == 6:
        assert torch.equal(m.renormalize(up), x)
        assert not m.dist(x, up).any()
    for value in (1e6, 1e30):  # offsets far outside
        out = x.clone()
        out[:, 0] = value
        y = m.renormalize(out)
        assert m.check_point_on_manifold(y)
        if dtype is torch.float64:
            assert not m.dist(y, out).any()


@pytest.mark.parametrize("recipe", RECIPES)
def test_optimisers_arrive_and_make_room(recipe: str) -> None:
    m = HTiling(3)
    x, target = start(m), start(m, std=12.0, seed=1)
    assert float(m.dist(x, target).min()) > 5
    assert float(m.dist(approach(m, x, target, recipe), target).max()) < 0.5


@pytest.mark.parametrize("make", [SparseRiemannianSGD, SparseRiemannianAdam])
def test_sparse_rows_alone_move(make: type) -> None:
    m, rows = HTiling(2), torch.tensor([1, 4, 7])
    x, target = start(m, 10), start(m, 10, std=30.0, seed=1)
    w = approach_in_rows(m, x, target, rows, make)
    assert bool((m.dist(w[rows], target[rows]) < m.dist(x[rows], target[rows]) - 5).all())


def test_ten_thousand_steps_keep_what_must_hold() -> None:
    """Exact integers, offsets in their tiles."""
    m = HTiling(2)
    assert float(m.dist0(flee(m, start(m, 4, 0.1), 0.05, 100)).min()) > 400


def test_shapes_and_widths() -> None:
    m = HTiling(3)
    x, y = start(m, 6).reshape(2, 3, -1), start(m, 3, 40.0, seed=2)
    assert y.shape[-1] > x.shape[-1]
    d = m.dist(x, y)
    assert d.shape == (2, 3) and m.dist(x, y, keepdim=True).shape == (2, 3, 1)
    torch.testing.assert_close(m.pairwise_dist(x, y)[:, torch.arange(3), torch.arange(3)], d, rtol=0, atol=0)
    assert torch.equal(m.dist(x.transpose(0, 1), y[:, None]), d.T)
    assert m.dist(x[:0], y).shape == (0, 3) and m.pairwise_dist(x[0, :0], y).shape == (0, 3)
    assert m.expmap(x[:0], torch.zeros_like(x[:0])).shape[:2] == (0, 3)
    assert m.logmap(x, y).shape == (2, 3, y.shape[-1])
    assert m.expmap(x, torch.zeros_like(m.logmap(x, y))).shape == (2, 3, y.shape[-1])
    assert torch.equal(m.dist0(x), m.dist(m.origin(x.shape[-1], dtype=x.dtype), x))
    assert m.dist(x.float(), y.float()).dtype == torch.float32
    assert m.origin(2, 3, 8).dtype == torch.get_default_dtype()
    assert repr(m) == "HTiling(dim=3, curvature=-1)"


@pytest.mark.parametrize("radius", [200.0, 100_000.0])
def test_decimals(radius: float) -> None:
    m = HTiling(2)
    x, _ = half_pairs(radius, 2, random.Random(0), 6 if radius < 5000 else 2)
    with mpmath.workprec(3000 + bits(radius)):
        for row in x:
            for got, true in zip(m.point(row, 30), half_point(row.tolist(), 2), strict=True):
                assert abs(mpf(str(got)) - true) <= mpf("0.51e-29") * abs(true)


def bad(column: int, value: float) -> Tensor:
    x = start(HTiling(2))
    x[3, column] = value
    return x


@pytest.mark.parametrize(
    "rows, said",
    [
        (bad(0, math.nan), "row 3 is not finite"),
        (bad(4 - 1, math.inf), "row 3 is not finite"),
        (bad(1, 0.0), "row 3: its height is not positive"),
        (bad(2, 0.5), r"row 3: j is no integer below 2\^23"),
        (bad(2, 2.0**23), r"row 3: j is no integer below 2\^23"),
        (bad(3, 0.25), r"row 3: a limb is no integer from -2\^23 to 2\^23 - 1"),
        (bad(3, 2.0**23), r"row 3: a limb is no integer"),
    ],
)
def test_what_is_no_point_is_refused(rows: Tensor, said: str) -> None:
    m = HTiling(2)
    with pytest.raises(ValueError, match=f"HTiling: {said}"):
        m.renormalize(rows)
    assert not m.check_point_on_manifold(rows)


def test_what_is_outside_its_tile_is_said() -> None:
    m = HTiling(2)
    for column, value in ((0, 1.0), (0, -1e-300), (1, 2.0), (1, 0.99)):
        assert m.why_not(bad(column, value)) == "row 3: its offset lies outside the tile; call renormalize"
        assert m.check_point_on_manifold(m.renormalize(bad(column, value)))


def test_what_it_refuses() -> None:
    m = HTiling(3)
    x = start(m)
    with pytest.raises(ValueError, match=r"2 x limbs columns, got 7; the least is 6"):
        m.dist(x, torch.zeros(7, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"float32 and float64 only, got torch\.float16"):
        m.dist(x.half(), x)
    with pytest.raises(ValueError, match="at least 2, got 1"):
        HTiling(1)
    with pytest.raises(ValueError, match="columns, got 7"):
        geoopt.ManifoldParameter(torch.zeros(2, 7), manifold=m)
    with pytest.raises(ValueError, match="negative"):
        HTiling(2, 1.0)
    with pytest.raises(ValueError, match=r"one curvature, got a tensor of shape \(2,\)"):
        HTiling(2, torch.tensor([-1.0, -2.0]))
    with pytest.raises(NotImplementedError, match="convert the points"):
        m.frechet_mean(x)
    u = x.clone().requires_grad_()
    with pytest.raises(NotImplementedError, match=r"HTiling\.expmap has no derivative"):
        m.expmap(x, m.proju(x, x).requires_grad_()).sum().backward()
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        torch.autograd.grad(m.dist(u, x.flip(0)).sum(), u, create_graph=True)[0].sum().backward()
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        torch.autograd.grad(m.pairwise_dist(u, x).sum(), u, create_graph=True)[0].sum().backward()
    assert not m.check_vector_on_tangent(x, x)
    assert m.check_vector_on_tangent(x, m.proju(x, x))
    p = geoopt.ManifoldParameter(x, manifold=m)
    m.dist0(p).sum().backward()
    with pytest.raises(ValueError, match="weight_decay shrinks coordinates"):
        RiemannianSGD([p], lr=0.1, weight_decay=0.1).step()
