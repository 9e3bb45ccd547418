"""Errors in ulps against mpmath on the very floats given: near, far, on the rim, at zero, forward and gradient."""

import math

import mpmath as mp
import pytest
import torch

from hypgeo.manifolds import HalfSpace, Lorentz, PoincareBall
from hypgeo.testing.reference import Reference, exact, ulps

MODELS = (PoincareBall, Lorentz, HalfSpace)
DTYPES = (torch.float32, torch.float64)
# (normalised radius of x, normalised distance of y from it, curvature); rows a dtype cannot hold are left out
REGIMES = {
    "generic": (1.5, 2.0, -1.0),
    "coincident": (0.5, 1e-9, -1.0),
    "coincident, far": (5.0, 1e-3, -1.0),
    "far": (6.0, 12.0, -1.0),
    "rim": (14.0, 9.0, -1.0),
    "tiny": (1e-20, 1e-20, -1.0),
    "small curvature": (1.0, 2.0, -1e-6),
    "large curvature": (1.0, 2.0, -1e3),
}
# Ulps allowed, worst of the regimes: plain PyTorch bodies, but for the compiled dist of ball and hyperboloid.
BOUNDS = {
    "dist": {PoincareBall: 4, Lorentz: 4, HalfSpace: 4},
    "expmap": {PoincareBall: 8, Lorentz: 24, HalfSpace: 8},
    "logmap": {PoincareBall: 8, Lorentz: 12, HalfSpace: 8},
    "transp": {PoincareBall: 12, Lorentz: 24, HalfSpace: 12},
    "geodesic": {PoincareBall: 8, Lorentz: 16, HalfSpace: 24},
    "dist_rgrad": {PoincareBall: 8, Lorentz: 8, HalfSpace: 8},
}


def sample(m, dtype, radius, apart, n=5):
    """x near ``radius`` from the origin, y near ``apart`` from x (normalised), v of normalised length 1 at x."""
    g = torch.Generator().manual_seed(11)
    unit = float(m.c.sqrt())
    origin = m.origin(3 + m._extra, dtype=torch.float64)
    a, b, d = torch.randn(3, n, 3, dtype=torch.float64, generator=g)
    a, b, d = (t / t.norm(dim=-1, keepdim=True) / unit for t in (a, b, d))
    x = m.expmap(origin, m._unframe(origin, radius * a, m.c)).to(dtype)
    wide = m.projx(x.double())
    y = m.expmap(wide, m._unframe(wide, apart * b, m.c)).to(dtype)
    return m.projx(x), m.projx(y), m.proju(m.projx(x), m._unframe(wide, d, m.c).to(dtype))


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("regime", REGIMES)
def test_verbs(cls, dtype, regime):
    radius, apart, k = REGIMES[regime]
    if dtype == torch.float32 and cls is PoincareBall and radius > 10:
        radius, apart = 8.0, 9.0
    m = cls(curvature=float(torch.tensor(k, dtype=dtype)))
    ref, skip = Reference(m), m._extra
    x, y, v = sample(m, dtype, radius, apart)
    if cls is HalfSpace and regime == "tiny":
        y = torch.cat((x[:, :-1], torch.nextafter(x[:, -1:], 2 * x[:, -1:])), -1)
    grad_x = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(m.dist(grad_x, y).sum(), grad_x)
    got = {
        "dist": m.dist(x, y),
        "expmap": m.expmap(x, v),
        "logmap": m.logmap(x, y),
        "transp": m.transp(x, y, v),
        "geodesic": m.geodesic(0.375, x, y),
        "dist_rgrad": m.egrad2rgrad(x, g),
    }
    for i in range(len(x)):
        X, Y, V = (exact(t[i, skip:]) for t in (x, y, v))
        if X == Y:
            continue
        want = {
            "dist": ref.dist(X, Y),
            "expmap": ref.expmap(X, V),
            "logmap": ref.logmap(X, Y),
            "transp": ref.transp(X, Y, V),
            "geodesic": ref.geodesic(0.375, X, Y),
            "dist_rgrad": ref.dist_rgrad(X, Y),
        }
        for verb, exact_value in want.items():
            error = ulps(got[verb][i], exact_value, dtype)
            assert error <= BOUNDS[verb][cls], f"{verb}: {error:.1f} ulp"


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_exact_zeros(cls, dtype):
    """dist(x, x) = 0 with gradient 0, log_x x = 0, exp_x 0 = x: bit for bit, wherever x is."""
    m = cls(curvature=-0.7)
    for radius in (0.0, 1e-20, 1.0, 12.0):
        x, _, _ = sample(m, dtype, radius, 1.0)
        p = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(m.dist(p, x).sum(), p)
        assert not g.any() and not m.dist(x, x).any() and not m.dist2(x, x).any()
        assert not m.logmap(x, x).any()
        assert torch.equal(m.expmap(x, torch.zeros_like(x)), x)
        u = torch.zeros_like(x).requires_grad_()
        (j,) = torch.autograd.grad(m.expmap(x, u)[..., m._extra :].sum(), u)
        torch.testing.assert_close(j[..., m._extra :], torch.ones_like(j[..., m._extra :]), rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_last_points_of_the_ball(dtype):
    """The float next to the rim is a point, at a finite and right distance; steps beyond end on such a point."""
    m = PoincareBall()
    one = torch.tensor(1.0, dtype=dtype)
    x = torch.nextafter(one, 0 * one).reshape(1, 1)
    with mp.workdps(60):
        want = 2 * mp.atanh(mp.mpf(float(x)))
    assert ulps(m.dist0(x)[0], want, dtype) <= 4
    for length in (20.0, 50.0, 1e3, 1e6):
        y = m.expmap0(torch.full((1, 3), length, dtype=dtype))
        assert m.check_point_on_manifold(y) and torch.isfinite(m.dist0(y)).all()
        assert m.check_point_on_manifold(m.expmap(y, y)) and m.check_point_on_manifold(m.mobius_add(y, y))
    assert m.check_point_on_manifold(m.projx(torch.full((2, 3), 1e5, dtype=dtype)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_last_points_of_the_hyperboloid_and_half_space(dtype):
    hyp, half = Lorentz(), HalfSpace()
    for length in (60.0, 400.0, 1e6):
        y = hyp.expmap0(torch.tensor([[0.0, length, -length]], dtype=dtype))
        assert torch.isfinite(y).all() and float(hyp.dist0(y)) > 59
        z = hyp.expmap(y, hyp.logmap0(y) * 0 + hyp.proju(y, y))
        assert torch.isfinite(z).all()
        for up in (length, -length):
            h = half.expmap0(torch.tensor([[0.0, up]], dtype=dtype))
            assert float(h[0, 1]) > 0 and not torch.isnan(h).any()


@pytest.mark.parametrize("cls", MODELS)
def test_planes_and_horospheres(cls):
    """hyperplane_dist is the distance to the nearest point of the plane; busemann the limit of dist - t."""
    m = cls(curvature=-0.7)
    g = torch.Generator().manual_seed(12)
    k = 3 + m._extra
    p, x, q = (m.random_normal(8, k, dtype=torch.float64, generator=g) for _ in range(3))
    a = m.logmap(p, q)
    assert float(m.hyperplane_dist(p, p, a).abs().max()) < 1e-12
    foot = m.expmap(p, 0.4 * a / m.norm(p, a, keepdim=True))
    torch.testing.assert_close(m.hyperplane_dist(foot, p, a), torch.full((8,), 0.4, dtype=torch.float64))
    torch.testing.assert_close(m.hyperplane_dist(x, p, -a), -m.hyperplane_dist(x, p, a))
    # no point of the plane is nearer than |hyperplane_dist|, and one is as near: minimise over tangents normal to a
    n = a / m.norm(p, a, keepdim=True)
    t = torch.zeros(8, k, dtype=torch.float64, requires_grad=True)

    def flat():
        u = m.proju(p, t)
        return u - m.inner(p, u, n, keepdim=True) * n

    opt = torch.optim.LBFGS([t], lr=0.5, max_iter=200, tolerance_grad=1e-12, tolerance_change=0)

    def loss():
        opt.zero_grad()
        value = m.dist2(m.expmap(p, flat()), x).sum()
        value.backward()
        return value

    opt.step(loss)
    nearest = m.dist(m.expmap(p, flat()), x).detach()
    torch.testing.assert_close(m.hyperplane_dist(x, p, a).abs(), nearest, rtol=1e-5, atol=1e-5)
    d = torch.randn(3, dtype=torch.float64, generator=g)
    d = d / d.norm()
    o = m.origin(k, dtype=torch.float64)
    ray = m._unframe(o, d, m.c)
    far = m.expmap(o, 15 * ray)
    torch.testing.assert_close(m.busemann(x, d), m.dist(x, far) - 15, rtol=0, atol=1e-7)
    torch.testing.assert_close(m.busemann(m.expmap(o, 3 * ray), d), torch.tensor(-3.0, dtype=torch.float64))


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("centre", "spread"), ((0.0, 0.5), (4.0, 1.0), (0.0, 6.0)))
def test_frechet_mean(cls, dtype, centre, spread):
    """The gradient vanishes there, weights count, it moves with isometries; no warning is raised."""
    m = cls(curvature=-0.5)
    g = torch.Generator().manual_seed(13)
    o = m.origin(3 + m._extra, dtype=torch.float64)
    a = torch.tensor([0.6, 0.0, -0.8], dtype=torch.float64)
    middle = m.expmap(o, m._unframe(o, centre * a, m.c))
    x = m.random_normal(4, 30, 3 + m._extra, mean=middle, std=spread / 3**0.5, generator=g).to(dtype)
    w = torch.rand(4, 30, dtype=dtype, generator=g)
    mean = m.frechet_mean(x, w)
    pull = (w.unsqueeze(-1) * m.logmap(mean.unsqueeze(-2), x)).sum(-2) / w.sum(-1, keepdim=True)
    # one float of a point at distance r is e^r floats of the metric
    away = float(m.dist0(mean).max() * m.c.sqrt())
    assert float(m.norm(mean, pull).max()) < 64 * torch.finfo(dtype).eps * max(1.0, math.exp(away)) * max(1.0, spread)
    torch.testing.assert_close(m.frechet_mean(x.movedim(1, 0), w.mT, dim=0), mean)
    ends = torch.zeros(4, 30, dtype=dtype)
    ends[:, 7] = 3.0
    torch.testing.assert_close(m.frechet_mean(x, ends), x[:, 7], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cls", (PoincareBall, HalfSpace))
def test_mean_derivatives(cls):
    m = cls(curvature=-0.5)
    g = torch.Generator().manual_seed(14)
    x = m.random_normal(2, 5, 3, dtype=torch.float64, generator=g).requires_grad_()
    w = torch.rand(2, 5, dtype=torch.float64, generator=g).requires_grad_()
    assert torch.autograd.gradcheck(m.frechet_mean, (x, w), atol=1e-6)
    assert torch.autograd.gradcheck(m.midpoint, (x, w), atol=1e-6)


def test_gyrovector_space():
    """Möbius operations: their laws on the ball, and the same on the hyperboloid through convert."""
    from hypgeo.manifolds import convert

    ball, hyp = PoincareBall(curvature=-0.7), Lorentz(curvature=-0.7)
    g = torch.Generator().manual_seed(15)
    a, b, v = (ball.random_normal(6, 3, dtype=torch.float64, generator=g) for _ in range(3))
    add = ball.mobius_add
    torch.testing.assert_close(add(-a, add(a, b)), b)  # left cancellation
    torch.testing.assert_close(add(a, b), ball.gyration(a, b, add(b, a)))  # gyrocommutative
    torch.testing.assert_close(add(a, add(b, v)), add(add(a, b), ball.gyration(a, b, v)))  # left gyroassociative
    torch.testing.assert_close(ball.mobius_scalar_mul(3, a), add(a, add(a, a)))
    torch.testing.assert_close(ball.dist0(ball.mobius_scalar_mul(-2.5, a)), 2.5 * ball.dist0(a))
    q, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=g))
    torch.testing.assert_close(ball.mobius_matvec(q, a), a @ q.mT)
    matrix = torch.randn(2, 3, dtype=torch.float64, generator=g)
    torch.testing.assert_close(ball.mobius_matvec(matrix, a), ball.expmap0(ball.logmap0(a) @ matrix.mT))
    ha, hb = (convert(t, ball, hyp) for t in (a, b))
    torch.testing.assert_close(hyp.mobius_add(ha, hb), convert(add(a, b), ball, hyp))
    torch.testing.assert_close(hyp.mobius_scalar_mul(0.3, ha), convert(ball.mobius_scalar_mul(0.3, a), ball, hyp))
    torch.testing.assert_close(hyp.mobius_matvec(matrix, ha), convert(ball.mobius_matvec(matrix, a), ball, hyp))
    flat = torch.cat((torch.zeros(6, 1, dtype=torch.float64), v), -1)
    torch.testing.assert_close(hyp.gyration(ha, hb, flat)[:, 1:], ball.gyration(a, b, v))
