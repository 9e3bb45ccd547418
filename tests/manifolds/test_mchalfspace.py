"""The multi-component half-space against mpmath, at the exact coordinates that its rows are."""

import math
from collections.abc import Iterator
from typing import Any

import geoopt
import mpmath
import pytest
import torch
from mpmath import mpf
from torch import Tensor
from torch.nn.functional import pad

from hypgeo import HalfSpace, Klein, Lorentz, MCHalfSpace, MCTensor, PoincareBall, convert
from hypgeo.optim import RiemannianAdam, RiemannianSGD, SparseRiemannianAdam, SparseRiemannianSGD
from hypgeo.testing import LAWS, check_laws

F32, F64 = torch.float32, torch.float64
Row = list[Any]


@pytest.fixture(autouse=True)
def precisely() -> Iterator[None]:
    with mpmath.workprec(5000):
        yield


def exact(m: MCHalfSpace, x: Tensor) -> list[Row]:
    """The coordinates of rows."""
    c = m.unpack(x.detach()).components.double()
    return [[mpmath.fsum(map(mpf, parts)) for parts in row] for row in c.reshape(-1, *c.shape[-2:]).tolist()]


def point(m: MCHalfSpace, rows: list[Row], dtype: torch.dtype = F64) -> Tensor:
    return m.pack(MCTensor(rows, m.components, dtype))


# ------------------------------------------------------------------------------------------ textbook formulas, K = -1
def dist(x: Row, y: Row) -> Any:
    return 2 * mpmath.asinh(size(minus(y, x)) / (2 * mpmath.sqrt(x[-1] * y[-1])))


def minus(x: Row, y: Row) -> Row:
    return [a - b for a, b in zip(x, y, strict=True)]


def size(v: Row) -> Any:
    return mpmath.sqrt(mpmath.fdot(v, v))


def log(x: Row, y: Row) -> Row:
    *h, rise = minus(y, x)
    a, b = x[-1], y[-1]
    e = [v * a for v in h] + [(rise * (a + b) + mpmath.fdot(h, h)) / 2]
    return [v * a * dist(x, y) / size(e) for v in e] if any(e) else e


def exp(x: Row, u: Row) -> Row:
    a = x[-1]
    s = size(u) / a
    if not s:
        return x
    d = mpmath.cosh(s) - u[-1] / a * mpmath.sinh(s) / s
    return [p + q * mpmath.sinh(s) / s / d for p, q in zip(x[:-1], u[:-1], strict=True)] + [a / d]


def transp(x: Row, y: Row, v: Row) -> Row:
    """By the hyperboloid: v + <y, v> / (1 - <x, y>) (x + y)."""

    def up(p: Row, w: Row) -> tuple[Row, Row]:
        *h, a = p
        square = mpmath.fdot(p, p)
        flow = 2 * mpmath.fdot(p, w)
        big = [(square + 1) / (2 * a), *[t / a for t in h], (square - 1) / (2 * a)]
        fall = w[-1] / a
        tangent = [
            flow / (2 * a) - big[0] * fall,
            *[(q - t * fall) / a for q, t in zip(w[:-1], h, strict=True)],
            flow / (2 * a) - big[-1] * fall,
        ]
        return big, tangent

    def form(p: Row, q: Row) -> Any:
        return mpmath.fdot(p[1:], q[1:]) - p[0] * q[0]

    (X, V), (Y, _) = up(x, v), up(y, [mpf(0)] * len(y))
    k = form(Y, V) / (1 - form(X, Y))
    W = [p + k * (q + r) for p, q, r in zip(V, X, Y, strict=True)]
    b = y[-1]  # back: 1/height = time - last
    fall = -b * (W[0] - W[-1])  # relative change of the height
    return [b * (w + t * fall / b) for w, t in zip(W[1:-1], y[:-1], strict=True)] + [b * fall]


def draw(m: MCHalfSpace, radius: float, count: int, dtype: torch.dtype = F64, d: int = 3, seed: int = 0) -> Tensor:
    """Points at this distance from the origin, all directions, straight up and down among them."""
    g = torch.Generator().manual_seed(seed)
    v = torch.randn(count, d, dtype=F64, generator=g)
    v[0], v[1] = torch.eye(d, dtype=F64)[-1], -torch.eye(d, dtype=F64)[-1]
    v[2, :-1] *= 1e-3  # nearly straight
    rows = [[radius * t / size(u) for t in u] for u in [[mpf(t) for t in row] for row in v.tolist()]]
    o = [mpf(0)] * (d - 1) + [mpf(1)]
    return point(m, [exp(o, u) for u in rows], dtype)


def near(m: MCHalfSpace, x: Tensor, distance: float, seed: int = 1) -> Tensor:
    """Points this far from x, as nearly as the components can say."""
    g = torch.Generator().manual_seed(seed)
    rows = exact(m, x)
    out = []
    for p in rows:
        v = [mpf(t) for t in torch.randn(len(p), dtype=F64, generator=g).tolist()]
        out.append(exp(p, [t * p[-1] * distance / size(v) for t in v]))
    return point(m, out, x.dtype)


def ulps(got: Tensor, want: list[Any]) -> float:
    """Errors in units of the last place of the exact value."""
    bits = 53 if got.dtype == F64 else 24
    worst = 0.0
    for a, b in zip(got.double().flatten().tolist(), want, strict=True):
        last = mpf(2) ** (mpmath.floor(mpmath.log(abs(b), 2)) + 1 - bits) if b else mpf(2) ** -1074
        worst = max(worst, float(abs(mpf(a) - b) / last))
    return worst


RADII = [(F64, r) for r in (1, 10, 36, 100, 700)] + [(F32, r) for r in (1, 10, 36, 80)]


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize(("dtype", "radius"), RADII, ids=str)
def test_distances(dtype: torch.dtype, radius: float, n: int) -> None:
    m = MCHalfSpace(n)
    x, y = draw(m, radius, 12, dtype), draw(m, radius, 12, dtype, seed=5)
    o = m.origin(1, x.shape[-1], dtype=dtype)
    pairs = [(x, y), (x, y.roll(1, 0)), (o.expand_as(x), x), (x, near(m, x, 1.0)), (x, near(m, x, 1e-6))]
    if dtype == F64 and radius <= 100:
        pairs.append((x, near(m, x, 1e-12)))
    for a, b in pairs:
        a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
        got = m.dist(a, b)
        rows = list(zip(exact(m, a), exact(m, b), strict=True))
        assert ulps(got, [dist(p, q) for p, q in rows]) <= 4
        got.sum().backward()
        for t, sign in ((a, 0), (b, 1)):
            gradients = exact(m, t.grad)
            for k, (p, q) in enumerate(rows):
                if sign:
                    p, q = q, p
                l = log(p, q)
                want = [-v / size(l) / p[-1] for v in l] if any(l) else l
                error = size(minus(gradients[k], want))
                floor = mpf(2) ** (-1070 if dtype == F64 else -146)
                assert error <= 8 * size(want) * mpf(2) ** (-53 if dtype == F64 else -24) + floor


@pytest.mark.parametrize("k", [-1e-6, -1e3])
@pytest.mark.parametrize("d", [1, 2, 40])
def test_distances_in_any_dimension_and_curvature(d: int, k: float) -> None:
    m = MCHalfSpace(2, curvature=k)
    x = draw(MCHalfSpace(2), 30, 8, d=d)
    unit = 1 / mpmath.sqrt(mpf(-float(m.K0)))
    for y in (x.roll(1, 0), near(MCHalfSpace(2), x, 1e-9), x):
        a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
        got = m.dist(a, b)
        pairs = list(zip(exact(m, a), exact(m, b), strict=True))
        assert ulps(got, [unit * dist(p, q) for p, q in pairs]) <= 5
        got.sum().backward()
        for t, sign in ((a, 0), (b, 1)):
            for slope, pair in zip(exact(m, t.grad), pairs, strict=True):
                p, q = reversed(pair) if sign else pair
                l = log(p, q) if p != q else [mpf(0)] * d
                want = [-unit * v / size(l) / p[-1] for v in l] if any(l) else l
                assert size(minus(slope, want)) <= 9 * size(want) * mpf(2) ** -53


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
def test_compiled_and_plain_distances_agree(dtype: torch.dtype, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where points coincide, broadcast, are no numbers, or lie at the ends of the exponents."""
    m = MCHalfSpace(n)
    x, y = draw(m, 20, 9, dtype).unsqueeze(1), draw(m, 3, 7, dtype, seed=4)
    least, most = (1e-300, 1e300) if dtype == F64 else (1e-36, 1e36)
    odd = torch.zeros(8, x.shape[-1], dtype=dtype)
    d = x.shape[-1] // n
    odd[:, d - 1] = torch.tensor([1.0, least, most, math.inf, math.nan, -1.0, 1.0, 1.0])
    odd[6, 0], odd[7, 0] = math.inf, least
    cases = [(x, y), (x.transpose(0, 1), x), (y[::2], y[0]), (odd.unsqueeze(1), odd), (x[:0], y)]

    def both(a: Tensor, b: Tensor) -> list[Tensor]:
        a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
        found = m.dist(a, b)
        weight = torch.linspace(1, 2, found.numel(), dtype=dtype).reshape(found.shape)
        (only,) = torch.autograd.grad(found, b, weight, retain_graph=True)
        return [found, only, *torch.autograd.grad(found, (a, b), weight)]

    for a, b in cases:
        compiled = both(a, b)
        with monkeypatch.context() as patch:
            patch.setattr("hypgeo.manifolds.mchalfspace._COMPILED", False)
            plain = both(a, b)
        for got, want in zip(compiled, plain, strict=True):
            torch.testing.assert_close(got, want, rtol=2e-5 if dtype == F32 else 1e-13, atol=0.0, equal_nan=True)


def test_compiled_distances_are_good_citizens() -> None:
    m = MCHalfSpace(2)
    x, y = torch.broadcast_tensors(draw(m, 5, 3).unsqueeze(1), draw(m, 2, 4, seed=3))
    ops = torch.ops.hypgeo
    torch.library.opcheck(ops.multifloat_distance.default, (x, y, 2))
    torch.library.opcheck(ops.multifloat_distance_backward.default, (x.new_ones(3, 4), x, y, 2, False, True))
    a = x.clone().requires_grad_()
    compiled = torch.compile(m.dist, backend="aot_eager")
    got, want = (torch.autograd.grad(f(a, y).sum(), a)[0] for f in (compiled, m.dist))
    assert torch.equal(got, want)
    with pytest.raises(RuntimeError, match="as many columns"):
        ops.multifloat_distance.default(x, y[..., :2], 2)


def test_distances_of_all_pairs() -> None:
    m = MCHalfSpace(2, curvature=-0.3)
    x, y = draw(m, 36, 5).requires_grad_(), draw(m, 20, 7, seed=3)
    got = m.pairwise_dist(x, y)
    want = [dist(p, q) / mpmath.sqrt(mpf(0.3)) for p in exact(m, x) for q in exact(m, y)]
    assert got.shape == (5, 7) and ulps(got, want) <= 5
    weight = torch.arange(35, dtype=F64).reshape(5, 7)
    (got * weight).sum().backward()
    first = x.grad.clone()
    x.grad = None
    (m.dist(x[:, None], y[None]) * weight).sum().backward()
    assert torch.equal(first, x.grad)
    assert ulps(m.dist0(x), [dist([mpf(0)] * 2 + [mpf(1)], p) / mpmath.sqrt(mpf(0.3)) for p in exact(m, x)]) <= 5
    assert (
        ulps(m.dist2(x, y[:5]), [dist(p, q) ** 2 / mpf(0.3) for p, q in zip(exact(m, x), exact(m, y[:5]), strict=True)])
        <= 9
    )
    assert m.dist(x, y[:5], keepdim=True).shape == (5, 1)
    assert m.pairwise_dist(x[:0], y).shape == (0, 7)
    assert m.pairwise_dist(x.detach().float(), y.float()).dtype == F32


def height_error(got: Row, want: Row) -> Any:
    return size(minus(got, want)) / want[-1]


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize(("dtype", "radius"), RADII, ids=str)
def test_exp_and_log(dtype: torch.dtype, radius: float, n: int) -> None:
    m = MCHalfSpace(n)
    p = 53 if dtype == F64 else 24
    unit, last = mpf(2) ** (-n * p), mpf(2) ** (-1074 if dtype == F64 else -149)
    x = draw(m, radius, 10, dtype)
    for y in (
        draw(m, radius, 10, dtype, seed=5),
        near(m, x, 1.0),
        near(m, x, 1e-3),
        x,
        draw(m, radius, 10, dtype, seed=6),
    ):
        u = m.logmap(x, y)
        back = m.expmap(x, u)
        rows = zip(exact(m, x), exact(m, y), exact(m, u), exact(m, back), strict=True)
        for a, b, v, c in rows:
            want = log(a, b)
            far = dist(a, b)
            # components end at the last float: of the vector, of the height and of e^-s/2
            floor = last * (2 / a[-1] + mpmath.exp(far / 2) * 8) * (1 + far)
            assert size(minus(v, want)) <= 2**10 * (unit + floor) * size(want) + 2 * last
            assert (
                height_error(c, exp(a, v))
                <= 2**10 * (unit * (1 + size(exp(a, v)) / exp(a, v)[-1]) + floor) + 2 * last / c[-1]
            )
            assert dist(b, c) <= 2**10 * (unit * (mpmath.exp(far) + size(b) / b[-1]) + floor) + 2 * last / b[-1]
    assert torch.equal(m.expmap(x, torch.zeros_like(x)), x) and not m.logmap(x, x).any()


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("radius", [1, 10, 36, 100])
def test_the_other_verbs(radius: float, n: int) -> None:
    m = MCHalfSpace(n, curvature=-0.3)
    c = mpf(0.3)
    unit = mpf(2) ** (10 - 53 * n) + mpf(2) ** -1040 * mpmath.exp(2 * radius)
    x, y = draw(m, radius, 8), draw(m, radius, 8, seed=2)
    u = m.logmap(x, draw(m, radius, 8, seed=3))
    v = m.logmap(x, near(m, x, 2.0))
    X, Y, U, V = (exact(m, t) for t in (x, y, u, v))
    ends = zip(exact(m, m.transp(x, y, u)), X, Y, U, strict=True)
    assert all(size(minus(got, transp(a, b, w))) <= unit * size(w) / a[-1] * b[-1] for got, a, b, w in ends)
    assert ulps(m.inner(x, v), [mpmath.fdot(w, w) / a[-1] ** 2 / c for a, w in zip(X, V, strict=True)]) <= 1
    assert ulps(m.norm(x, u), [size(w) / a[-1] / mpmath.sqrt(c) for a, w in zip(X, U, strict=True)]) <= 1
    grads = zip(exact(m, m.egrad2rgrad(x, u)), X, U, strict=True)
    assert all(size(minus(got, [c * a[-1] ** 2 * t for t in w])) <= unit * size(w) * a[-1] ** 2 for got, a, w in grads)
    for t in (0.0, 0.25, 1.0):
        for got, a, b in zip(exact(m, m.geodesic(t, x, y)), X, Y, strict=True):
            want = exp(a, [t * w for w in log(a, b)])
            assert dist(got, want) <= unit * (mpmath.exp(t * dist(a, b)) + size(want) / want[-1])
    o = m.origin(8, 3 * n, dtype=F64)
    assert torch.equal(m.transp0(y, m.logmap0(x)), m.transp(o, y, m.logmap(o, x)))
    assert torch.equal(m.expmap0(m.logmap0(x)), m.expmap(o, m.logmap(o, x)))


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("k", [-1.0, -0.3])
def test_steps_of_optimisers(n: int, k: float) -> None:
    """In plain floats as seen from the point; where a derivative is wanted by the maps themselves."""
    m = MCHalfSpace(n, curvature=k)
    for radius in (1, 36, 300):
        x = draw(m, radius, 20)
        u = pad(
            torch.randn(20, 3, dtype=F64, generator=torch.Generator().manual_seed(1)) * 2 * x[:, 2:3], (0, 3 * n - 3)
        )
        v = 0.5 * u.flip(0) * x[:, 2:3] / x.flip(0)[:, 2:3]
        y, carried = m.retr_transp(x, u, v)
        assert torch.equal(y, m.retr(x, u)) and m.check_point_on_manifold(y)
        for a, w, t, got, moved in zip(*(exact(m, t) for t in (x, u, v, y, carried)), strict=True):
            want = exp(a, w)
            eps = mpf(2) ** -53
            lost = mpf(2) ** (-53 * n) * (1 + size(want) / want[-1])
            assert dist(got, want) <= 16 * (eps * mpmath.exp(size(w) / a[-1]) + lost)
            assert size(minus(moved, transp(a, want, t))) <= 32 * eps * size(t) / a[-1] * want[-1] * mpmath.exp(
                size(w) / a[-1]
            )
        inner = m.component_inner(x, u, v)
        assert torch.allclose(inner, m.inner(x, u, v, keepdim=True), rtol=1e-13, atol=1e-14)
    assert torch.equal(m.retr(x, 0 * u), x) and torch.equal(m.retr_transp(x, 0 * u, v)[1], v)
    far = torch.zeros_like(u)
    far[:, 2] = 2000 * x[:, 2] * torch.tensor([1.0, -1.0], dtype=F64).repeat(10)
    assert m.check_point_on_manifold(m.retr(x, far)) and m.retr(x, far)[0, 2] == torch.finfo(F64).max
    wild = far.clone().requires_grad_()
    m.retr(x, 0 * wild)[:, :3].sum().backward()
    assert wild.grad.isfinite().all()


def test_laws_hold() -> None:
    # there are no means, and a gradient's second components are no derivatives by second components
    others = [law for law in LAWS if law.__name__ not in ("geodesics_are_straight", "derivatives_match")]
    assert len(others) >= 7
    check_laws(MCHalfSpace(2), 6, laws=others)
    check_laws(MCHalfSpace(3, curvature=-0.3), 9, laws=others)


def test_the_rounded_point_is_a_view() -> None:
    m = MCHalfSpace(3)
    x = draw(m, 5, 4)
    assert torch.equal(x[:, :3], convert(x, m, HalfSpace()))
    assert torch.equal(m.pack(m.unpack(x)), x)
    plain = HalfSpace().random(4, 3, dtype=F64)
    up = convert(plain, HalfSpace(), m)
    assert torch.equal(up[:, :3], plain) and not up[:, 3:].any()
    assert torch.equal(convert(convert(up, m, MCHalfSpace(5)), MCHalfSpace(5), m), up)


MODELS = {"ball": PoincareBall, "klein": Klein, "hyperboloid": Lorentz}


def into(name: str, x: Row) -> Row:
    *h, a = x
    square = mpmath.fdot(x, x)
    ends = [2 * t for t in h] + [square - 1]
    if name == "ball":
        return [t / (square + 2 * a + 1) for t in ends]
    if name == "klein":
        return [t / (square + 1) for t in ends]
    return [(square + 1) / (2 * a)] + [t / (2 * a) for t in ends]


def out_of(name: str, p: Row) -> Row:
    if name == "hyperboloid":
        time = mpmath.sqrt(1 + mpmath.fdot(p[1:], p[1:]))
        return [t / (time - p[-1]) for t in p[1:-1]] + [1 / (time - p[-1])]
    *h, z = p
    left = 1 - mpmath.fdot(p, p)
    if name == "ball":
        under = mpmath.fdot(h, h) + (1 - z) ** 2
        return [2 * t / under for t in h] + [left / under]
    return [t / (1 - z) for t in h] + [mpmath.sqrt(left) / (1 - z)]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("k", [-1.0, -0.3])
def test_conversions(name: str, k: float) -> None:
    m, model = MCHalfSpace(2, curvature=k), MODELS[name](curvature=k)
    unit = 1 / mpmath.sqrt(-mpf(k))
    for radius in (1, 10, 17) if name != "hyperboloid" else (1, 10, 36, 100, 300, 700):
        x = draw(m, radius, 10)
        there = convert(x, m, model)
        for got, row in zip(there.tolist(), exact(m, x), strict=True):
            want = [t * unit for t in into(name, row)]
            assert size(minus(list(map(mpf, got)), want)) <= size(want) * mpf(2) ** -53 * mpmath.sqrt(3)
        back = convert(there, model, m)
        for got, row in zip(exact(m, back), there.tolist(), strict=True):
            want = out_of(name, [mpf(t) / unit for t in row])
            # the gap to the rim, 1 - |p|², is found to N components of 1
            assert dist(got, want) <= mpf(2) ** -96 * mpmath.exp(2 * radius if name == "klein" else radius)
    far = convert(draw(m, 700, 6), m, model)
    if name == "ball":
        assert model.check_point_on_manifold(far)
    if name != "hyperboloid":
        assert far.isfinite().all() and float(far.norm(dim=-1).max()) <= float(unit) * (1 + 1e-15)
    x = draw(m, 2, 5).requires_grad_()
    MODELS[name](curvature=k)
    convert(x, m, model).sum().backward()
    assert x.grad.isfinite().all() and x.grad.abs().sum() > 0


def test_up_conversion_keeps_distances() -> None:
    ball, m = PoincareBall(), MCHalfSpace(2)
    x, y = (ball.random(20, 3, std=6.0, dtype=F64, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
    there = m.dist(convert(x, ball, m), convert(y, ball, m))
    assert torch.allclose(there, ball.dist(x, y), rtol=1e-14)


def test_derivatives_of_maps() -> None:
    m = MCHalfSpace(2)

    def both(plain: HalfSpace | MCHalfSpace, verb: str, *rows: Tensor) -> list[Tensor]:
        given = [r.clone().requires_grad_() for r in rows]
        args = [g if plain is not m else pad(g, (0, 3)) for g in given]
        out = getattr(plain, verb)(*args)[..., :3]
        weight = torch.tensor([1.0, -2.0, 0.5], dtype=F64)
        return list(torch.autograd.grad((out * weight).sum(), given))

    g = torch.Generator().manual_seed(0)
    x, y = (HalfSpace().random(6, 3, dtype=F64, generator=g) for _ in range(2))
    v = torch.randn(6, 3, dtype=F64, generator=g)
    for verb, rows in (
        ("expmap", (x, v)),
        ("logmap", (x, y)),
        ("transp", (x, y, v)),
        ("logmap", (x, x.clone())),
        ("expmap", (x, 0 * v)),
        ("egrad2rgrad", (x, v)),
        ("expmap0", (v,)),
        ("logmap0", (x,)),
    ):
        for ours, plain in zip(both(m, verb, *rows), both(HalfSpace(), verb, *rows), strict=True):
            assert torch.allclose(ours, plain, rtol=1e-12, atol=1e-13), verb
    a = convert(x, HalfSpace(), m).requires_grad_()
    d = m.dist(a, convert(y, HalfSpace(), m)).sum()
    (slope,) = torch.autograd.grad(d, a, create_graph=True)
    (second,) = torch.autograd.grad(slope[..., 0].sum(), a)
    b = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(HalfSpace().dist(b, y).sum(), b, create_graph=True)
    (want,) = torch.autograd.grad(slope[..., 0].sum(), b)
    assert torch.allclose(second[:, :3], want, rtol=1e-12, atol=1e-13)


OPTIMISERS = {
    "adam": lambda p: RiemannianAdam(p, lr=0.2, betas=(0.8, 0.95)),
    "amsgrad": lambda p: RiemannianAdam(p, lr=0.3, betas=(0.8, 0.95), amsgrad=True),
    "sgd": lambda p: RiemannianSGD(p, lr=0.2),
    "momentum": lambda p: RiemannianSGD(p, lr=0.06, momentum=0.8, stabilize=5),
}


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_optimisers_find_the_point(optimiser: str) -> None:
    m = MCHalfSpace(2)
    target, start = draw(m, 30, 4), near(m, draw(m, 30, 4), 1.0)
    p = geoopt.ManifoldParameter(start.clone(), manifold=m)
    opt = OPTIMISERS[optimiser]([p])
    slower = torch.optim.lr_scheduler.ExponentialLR(opt, 0.92)
    for _ in range(60):
        opt.zero_grad()
        m.dist2(p, target).sum().backward()
        opt.step()
        slower.step()
    assert m.check_point_on_manifold(p.data)
    assert float(m.dist(p.detach(), target).max()) < 0.02
    assert isinstance(p, geoopt.ManifoldParameter)


def test_steps_resolve_what_one_float_does_not() -> None:
    """At radius 60, where neighbouring float64 coordinates lie 10^10 apart in hyperbolic distance."""
    m = MCHalfSpace(2)
    target = point(m, [[mpf("1.1"), mpf("1e-26")]])
    p = geoopt.ManifoldParameter(near(m, target, 2.0), manifold=m)
    opt = RiemannianSGD([p], lr=0.25)
    for _ in range(60):
        opt.zero_grad()
        m.dist2(p, target).sum().backward()
        opt.step()
    assert float(m.dist(p.detach(), target)) < 1e-5


@pytest.mark.parametrize("make", (SparseRiemannianAdam, SparseRiemannianSGD))
def test_sparse_gradients_move_only_their_rows(make: Any) -> None:
    m = MCHalfSpace(2)
    start = draw(m, 5, 10)
    table = torch.nn.Embedding(10, 6, sparse=True, dtype=F64)
    table.weight = geoopt.ManifoldParameter(start.clone(), manifold=m)
    opt = make(table.parameters(), lr=0.1)
    rows = torch.tensor([1, 4, 7])
    before = m.dist(start[rows], start[[0, 2, 3]])
    for _ in range(10):
        opt.zero_grad()
        m.dist2(table(rows), start[[0, 2, 3]]).sum().backward()
        opt.step()
    others = [i for i in range(10) if i not in (1, 4, 7)]
    assert torch.equal(table.weight.data[others], start[others])
    assert (m.dist(table.weight.data[rows], start[[0, 2, 3]]) < before).all()
    assert m.check_point_on_manifold(table.weight.data)


def test_points() -> None:
    m = MCHalfSpace(2)
    assert m.origin(2, 4, dtype=F64).tolist() == [[0, 1, 0, 0]] * 2 and m.ambient_dim(3) == 6
    x = m.random(50, 6, dtype=F64, generator=torch.Generator().manual_seed(0))
    assert m.check_point_on_manifold(x) and 1 < float(m.dist0(x).mean()) < 3
    y = m.random_normal(20, 6, mean=x[:1], std=0.01, generator=torch.Generator().manual_seed(0))
    assert float(m.dist(x[:1], y).max()) < 0.1
    a = torch.randn(5, 3, dtype=F64)
    assert torch.allclose(m.normal_coordinates(m.from_normal_coordinates(a)), a, rtol=1e-15)
    assert torch.allclose(HalfSpace().from_normal_coordinates(a), m.from_normal_coordinates(a)[:, :3], rtol=1e-14)
    up = m.expmap(m.origin(1, 4, dtype=F64), torch.tensor([[0.0, 800.0, 0, 0]], dtype=F64))
    down = m.expmap(m.origin(1, 4, dtype=F64), torch.tensor([[0.0, -800.0, 0, 0]], dtype=F64))
    assert up[0, 1] == torch.finfo(F64).max and down[0, 1] == torch.finfo(F64).tiny
    bad = torch.tensor([[0.0, -1.0, 0, 0], [1.0, 1.0, 0, 1e-3]], dtype=F64)
    fixed = m.projx(bad)
    assert m.check_point_on_manifold(fixed) and fixed[0, 1] == torch.finfo(F64).tiny
    assert m.unpack(fixed[1]).to_fractions() == m.unpack(bad[1]).to_fractions()
    for row, word in (
        (bad[:1], "no positive height"),
        (bad[1:], "out of order; projx"),
        (bad[:1] * math.nan, "not finite"),
    ):
        assert word in m.check_point_on_manifold(row, explain=True)[1]


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda m: m.dist(torch.zeros(3), torch.zeros(3)), ValueError, r"d \* 2 columns, got the shape \(3,\)"),
        (
            lambda m: m.dist(torch.zeros(4).half(), torch.zeros(4)),
            TypeError,
            "float32 or float64 tensors, got torch.float16",
        ),
        (lambda m: m.dist(MCTensor([0.0, 1.0]), torch.zeros(4)), TypeError, r"call pack\(x\)"),
        (lambda m: m.pack(torch.zeros(2)), TypeError, "pack takes an MCTensor of 2 components, got Tensor"),
        (lambda m: m.pack(MCTensor(0.0, 3)), TypeError, "got an? ?3 components|got 3 components"),
        (lambda m: MCHalfSpace(9), ValueError, "1 to 8 components, got 9"),
        (lambda m: MCHalfSpace(2, curvature=1.0), ValueError, "curvature=-1.0"),
        (lambda m: MCHalfSpace(2, curvature=torch.tensor([-1.0, -2.0])), ValueError, "one curvature"),
        (lambda m: m.frechet_mean(torch.zeros(3, 4)), NotImplementedError, "convert the points to HalfSpace"),
        (lambda m: convert(torch.zeros(3, 4), m, PoincareBall(-2.0)), ValueError, "equal curvatures"),
    ],
)
def test_errors_say_what_to_do(call: Any, error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=word):
        call(MCHalfSpace(2))


def test_it_prints() -> None:
    assert repr(MCHalfSpace(3, curvature=-0.5)) == "MCHalfSpace(components=3, curvature=-0.5)"


def test_ten_thousand_steps_keep_the_invariants() -> None:
    """Components stay each the rounding of the rest, heights positive, whatever the gradients are."""
    space, g = MCHalfSpace(3), torch.Generator().manual_seed(4)
    p = geoopt.ManifoldParameter(space.random(4, 6, dtype=F64, generator=g), manifold=space)
    sgd = RiemannianSGD([p], lr=0.3)
    for i in range(10_000):
        p.grad = torch.zeros_like(p)
        p.grad[:, :2] = torch.randn(4, 2, dtype=F64, generator=g) / p.detach()[:, 1:2]  # lengths of about 1
        sgd.step()
        if i % 1000 == 999:
            MCTensor.from_components(p.detach().unflatten(-1, (3, 2)).mT)  # refuses what is out of order
            assert p.isfinite().all() and (p[:, 1] > 0).all()
    assert (p[:, 2:] != 0).any(1).all()
