"""The Fréchet mean and the midpoint, compiled, against exact arithmetic on the values of the floats."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import gmpy2
import pytest
import torch
from gmpy2 import mpfr
from mpmath import mp
from torch import Tensor

from hypgeo.manifolds import ConvergenceWarning, Euclidean, HalfSpace, Lorentz, Manifold, PoincareBall, convert
from hypgeo.ops import mean

MODELS = (PoincareBall, Lorentz, HalfSpace)
DTYPES = (torch.float64, torch.float32)
KINDS = ("frechet_mean", "midpoint")
Vector = list[Any]


@pytest.fixture(autouse=True)
def digits():
    with gmpy2.context(gmpy2.get_context(), precision=300):
        yield


# ------------------------------------------------------------------------------------------ the exact answer
# On the hyperboloid of curvature -1, by spatial coordinates, with Newton's method and textbook formulas (Ratcliffe,
# "Foundations of Hyperbolic Manifolds", chapters 3 and 4); 300 bits swallow their cancellation.
def dot(a: Vector, b: Vector) -> Any:
    total = mpfr(0)
    for u, v in zip(a, b, strict=True):
        total += u * v
    return total


def lift(m: Manifold, x: Vector, c: Any) -> Vector:
    if isinstance(m, PoincareBall):
        return [2 * gmpy2.sqrt(c) * u / (1 - c * dot(x, x)) for u in x]
    if isinstance(m, Lorentz):
        return [gmpy2.sqrt(c) * u for u in x[1:]]
    return [*(u / x[-1] for u in x[:-1]), (dot(x, x) - 1) / (2 * x[-1])]


def lower(m: Manifold, y: Vector, c: Any) -> Vector:
    time = gmpy2.sqrt(1 + dot(y, y))
    if isinstance(m, PoincareBall):
        return [u / (1 + time) / gmpy2.sqrt(c) for u in y]
    if isinstance(m, Lorentz):
        return [u / gmpy2.sqrt(c) for u in (time, *y)]
    return [*(u / (time - y[-1]) for u in y[:-1]), 1 / (time - y[-1])]


def boost(m: Vector, x: Vector, sign: int) -> Vector:
    """x seen from m (sign -1), or the point that is seen as x from m (sign 1)."""
    f = sign * gmpy2.sqrt(1 + dot(x, x)) + dot(m, x) / (1 + gmpy2.sqrt(1 + dot(m, m)))
    return [u + f * v for u, v in zip(x, m, strict=True)]


def solve(h: list[Vector], b: Vector) -> Vector:
    rows = [[*row, v] for row, v in zip(h, b, strict=True)]
    n = len(b)
    for i in range(n):
        for j in range(n):
            if j != i:
                f = rows[j][i] / rows[i][i]
                rows[j] = [u - f * v for u, v in zip(rows[j], rows[i], strict=True)]
    return [rows[i][n] / rows[i][i] for i in range(n)]


def seen(kind: str, m: Vector, x: Vector) -> tuple[Vector, Any, Any, Vector]:
    """The log map of x (for the midpoint its plain view), the two numbers of its Hessian, and the view itself."""
    y = boost(m, x, -1)
    q = dot(y, y)
    time = gmpy2.sqrt(1 + q)
    if kind == "midpoint":
        return y, time, mpfr(0), y
    a = gmpy2.asinh(gmpy2.sqrt(q)) / gmpy2.sqrt(q) if q else mpfr(1)
    return [a * u for u in y], a * time, (1 - a * time) / q if q else mpfr(0), y


def newton(kind: str, m: Vector, points: list[Vector], w: Vector) -> tuple[Vector, list[Vector]]:
    """The gradient and the Hessian at m."""
    d = len(m)
    g, h = [mpfr(0)] * d, [[mpfr(0)] * d for _ in range(d)]
    for x, weight in zip(points, w, strict=True):
        log, across, lean, y = seen(kind, m, x)
        for i in range(d):
            g[i] += weight * log[i]
            h[i][i] += weight * across
            for j in range(d):
                h[i][j] += weight * lean * y[i] * y[j]
    return g, h


def exact_mean(kind: str, points: list[Vector], w: Vector) -> Vector:
    total = [dot(w, [x[j] for x in points]) for j in range(len(points[0]))]
    time = dot(w, [gmpy2.sqrt(1 + dot(x, x)) for x in points])
    m = [u / gmpy2.sqrt(time * time - dot(total, total)) for u in total]
    while kind != "midpoint":
        g, h = newton(kind, m, points, w)
        step = solve(h, g)
        size = gmpy2.sqrt(dot(step, step))
        m = boost(m, [u / max(1, size) for u in step], 1)
        if size < mpfr(2) ** -140:
            break
    return m


def exact_gradients(
    man: Manifold, kind: str, x: list[Vector], w: Vector, c: Any, up: Vector, in_points: bool = True
) -> tuple[Vector, Vector, Any]:
    """In the points (flat), the weights and c, of the mean's inner product with up: by differences of 2^-130."""
    points = [lift(man, r, c) for r in x]
    m = exact_mean(kind, points, w)
    h = newton(kind, m, points, w)[1]
    base, eps = lower(man, m, c), mpfr(2) ** -130

    def change(g: Vector, c: Any) -> Any:
        return dot(up, [(a - b) / eps for a, b in zip(lower(man, boost(m, solve(h, g), 1), c), base, strict=True)])

    in_x = []
    for row, point, weight in zip(x, points, w, strict=True) if in_points else ():
        log = seen(kind, m, point)[0]
        for j in range(len(row)):
            moved = lift(man, [u + eps * (i == j) for i, u in enumerate(row)], c)
            in_x.append(change([weight * (a - b) for a, b in zip(seen(kind, m, moved)[0], log, strict=True)], c))
    in_w = [change([eps * u for u in seen(kind, m, point)[0]], c) for point in points]
    return in_x, in_w, change(newton(kind, m, [lift(man, r, c + eps) for r in x], w)[0], c + eps)


def numbers(t: Tensor) -> Vector:
    return [mpfr(u) for u in t.double().flatten().tolist()]


def ulps(got: Tensor, want: Vector, dtype: torch.dtype) -> float:
    error = [a - b for a, b in zip(numbers(got), want, strict=True)]
    size = gmpy2.sqrt(dot(want, want))
    spacing = (
        mpfr(2) ** gmpy2.floor(gmpy2.log2(size)) * torch.finfo(dtype).eps if size else mpfr(torch.finfo(dtype).tiny)
    )
    return float(gmpy2.sqrt(dot(error, error)) / spacing)


def draw(man: Manifold, dtype: torch.dtype, centre: float, spread: float, n: int, d: int) -> tuple[Tensor, Tensor]:
    """Three weighted sets of n points, with normalised distances about `spread` from a point at distance `centre`."""
    g = torch.Generator().manual_seed(n + d)
    a = torch.zeros(d, dtype=torch.float64)
    a[0], a[-1] = 0.6, -0.8
    o = man.origin(d + man._extra, dtype=torch.float64)
    middle = man.expmap(o, man._unframe(o, centre * a / man.c.sqrt(), man.c))
    x = man.random_normal(3, n, d + man._extra, mean=middle, std=spread / float(man.c.sqrt()) / d**0.5, generator=g)
    return man.projx(x.to(dtype)), torch.rand(3, n, dtype=torch.float64, generator=g)


CASES = (
    (0.0, 2.0, 12, 3, -1.0),
    (4.0, 1.0, 12, 5, -1.0),
    (0.0, 6.0, 12, 3, -0.3),
    (9.0, 1.0, 9, 2, -2.0),
    (14.0, 2.0, 9, 2, -1.0),
    (0.0, 12.0, 9, 2, -1.0),
    (0.0, 1.0, 5, 3, -1e-4),
    (0.0, 1e-9, 5, 3, -1.0),
    (0.0, 1e-20, 5, 4, -1.0),
    (0.0, 3.0, 7, 1, -1.0),
    (0.0, 3.0, 3, 30, -1.0),
)


def test_it_is_compiled():
    assert "cpu" in mean.devices


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("cls", MODELS)
def test_the_exact_mean_rounded(cls, dtype, case):
    *shape, k = case
    man = cls(curvature=k)
    x, w = draw(man, dtype, *shape)
    c = mpfr(-k)
    points = [lift(man, numbers(r), c) for r in x[1]]
    for kind in KINDS:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = getattr(man, kind)(x, w)
        assert ulps(got[1], lower(man, exact_mean(kind, points, numbers(w[1])), c), dtype) < 1.1, kind


@pytest.mark.parametrize("case", (*CASES[:7], (0.0, 1e-5, 5, 3, -1.0), (8.0, 1.0, 8, 1, -1.0)), ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("cls", MODELS)
def test_gradients(cls, dtype, case):
    *shape, k = case
    man = cls(curvature=k)
    x, w = draw(man, dtype, *shape[:2], min(shape[2], 8), min(shape[3], 3))
    up = torch.randn(x.shape[-1], generator=torch.Generator().manual_seed(3)).to(dtype)
    for kind in KINDS:
        x.requires_grad_(), w.requires_grad_()
        man.K0 = torch.tensor(k, dtype=torch.float64, requires_grad=True)
        got = torch.autograd.grad((getattr(man, kind)(x, w)[1] * up).sum(), (x, w, man.K0))
        want = exact_gradients(
            man, kind, [numbers(r) for r in x[1].detach()], numbers(w[1].detach()), mpfr(-k), numbers(up)
        )
        assert ulps(got[0][1], want[0], dtype) < 16
        assert float(got[0][0].abs().max()) == float(got[0][2].abs().max()) == 0
        # a float32's mean is found to a part of its own ulp, and so are derivatives at it
        assert ulps(got[1][1], want[1], dtype) < 16
        if cls is HalfSpace:
            assert float(got[2]) == 0  # a change of curvature is a change of unit there
        else:
            assert ulps(-got[2], [want[2]], dtype) < 16


@pytest.mark.parametrize("n", (2, 50))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("cls", (PoincareBall, Lorentz))
def test_curvature_of_points_close_together(cls, dtype, n):
    """The derivative is of the second order in how far they are apart, each point's share of it of the first."""
    cases = itertools.product((1e-2, 1.0, 50.0), (0.0, 0.5, 4.0), (1e-2, 1e-5, 1e-9))
    for i, (c, centre, spread) in enumerate(cases):
        man = cls(curvature=-c)
        x, w = draw(man, dtype, centre, spread, n, 3)
        x, w = x[1], w[1] if i % 2 else None
        up = torch.randn(x.shape[-1], generator=torch.Generator().manual_seed(i)).to(dtype)
        man.K0 = torch.tensor(-c, dtype=torch.float64, requires_grad=True)
        weights = [mpfr(1)] * n if w is None else numbers(w)
        for kind in KINDS:
            (got,) = torch.autograd.grad((getattr(man, kind)(x, w) * up).sum(), man.K0)
            if cls is PoincareBall and bool((x == x[0]).all()):  # the mean is the point, whatever the curvature
                assert abs(float(got)) * c < 1e-30
                continue
            want = exact_gradients(man, kind, [numbers(r) for r in x], weights, mpfr(c), numbers(up), False)[2]
            assert ulps(-got, [want], dtype) < 16, (kind, c, centre, spread)


@pytest.mark.parametrize("d", (2, 5, 30))
@pytest.mark.parametrize("n", (2, 12))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("cls", MODELS)
def test_gradients_across_the_incoming_one(cls, dtype, n, d):
    """Incoming gradients that a weight's or the curvature's effect on the mean is almost orthogonal to."""
    man = cls(curvature=-0.7)
    x, w = draw(man, dtype, 1.0, 1.0, n, d)
    x, w = x[1], w[1].requires_grad_()
    ups = torch.randn(2, x.shape[-1], generator=torch.Generator().manual_seed(d), dtype=torch.float64)
    man.K0 = torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)
    for kind in KINDS:

        def exactly(up: Tensor, kind: str = kind) -> tuple[Vector, Vector, Any]:
            rows = [numbers(r) for r in x]
            return exact_gradients(man, kind, rows, numbers(w.detach()), mpfr(0.7), numbers(up), False)

        of_each = [exactly(up) for up in ups]
        for i in (1, 2) if cls is not HalfSpace else (1,):
            a, b = (float(g[i] if i == 2 else g[i][0]) for g in of_each)
            up = (ups[0] * (b / abs(b) + 1e-4) - ups[1] * (a / abs(b))).to(dtype)
            got = torch.autograd.grad((getattr(man, kind)(x, w) * up).sum(), (w, man.K0))
            want = exactly(up)
            assert ulps(got[0], want[1], dtype) < 16
            if cls is not HalfSpace:
                assert ulps(-got[1], [want[2]], dtype) < 16


@pytest.mark.parametrize("cls", (Lorentz, HalfSpace))
def test_sets_that_full_newton_steps_do_not_solve(cls):
    man = cls()
    for n, spread in ((3, 30.0), (5, 20.0)):
        g = torch.Generator().manual_seed(1)
        x = man.random_normal(200, n, 2 + man._extra, std=spread / 2**0.5, dtype=torch.float64, generator=g)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = man.frechet_mean(x)
        for k in range(4):
            points = [lift(man, numbers(r), mpfr(1)) for r in x[k]]
            assert ulps(got[k], lower(man, exact_mean("frechet", points, [mpfr(1)] * n), mpfr(1)), x.dtype) < 1.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", MODELS)
def test_points_so_close_that_squares_underflow(cls, kind):
    """There space is flat: the weighted average to every digit, and finite derivatives."""
    man, shape = cls(), torch.tensor([[0.0, -3.97, 1.4], [0.0, 2.56, 0.0], [0.0, 0.0, 0.0], [-4.5, 0.0, 0.0]]).double()
    w = torch.tensor([1.0, 2.0, 0.5, 1.5], dtype=torch.float64, requires_grad=True)
    for exponent in range(-1074, -300, 5):
        v = shape * 2.0**exponent
        beside = {Lorentz: [torch.ones(4, 1), v], PoincareBall: [v], HalfSpace: [v, torch.ones(4, 1)]}[cls]
        x = torch.cat(beside, -1).double().requires_grad_()
        out = getattr(man, kind)(x, w)
        got, want = out[1:] if cls is Lorentz else out[:3], (w[:, None] * v).sum(0) / w.sum()
        torch.testing.assert_close(got, want, rtol=1e-15, atol=5e-324)
        assert all(bool(g.isfinite().all()) for g in torch.autograd.grad(got.sum(), (x, w)))


def test_known_means():
    for dtype in DTYPES:
        ball, hyp = PoincareBall(curvature=-0.5), Lorentz(curvature=-0.5)
        x = ball.random_normal(40, 1, 4, dtype=dtype)
        assert torch.equal(ball.frechet_mean(x), x[:, 0])
        assert torch.equal(ball.frechet_mean(x.expand(40, 9, 4), torch.rand(40, 9)), x[:, 0])
        assert float(ball.frechet_mean(torch.cat((x, -x), 1)).abs().max()) < torch.finfo(dtype).eps ** 1.3
        y = hyp.random_normal(40, 7, 4, dtype=dtype)
        assert torch.equal(hyp.frechet_mean(y[:, :1])[:, 1:], y[:, 0, 1:])
        for kind in KINDS:
            middle = getattr(hyp, kind)(y[:, :2])
            torch.testing.assert_close(middle, hyp.geodesic(0.5, y[:, 0], y[:, 1]))
            one = torch.zeros(40, 7)
            one[:, 3] = 1e-30
            assert torch.equal(getattr(hyp, kind)(y, one)[:, 1:], y[:, 3, 1:])
            w = torch.rand(40, 7)
            w[:, ::2] = 0
            torn = y.clone()
            torn[:, ::2] = torch.nan
            assert torch.equal(getattr(hyp, kind)(torn, w), getattr(hyp, kind)(y[:, 1::2], w[:, 1::2]))
            assert torch.equal(getattr(hyp, kind)(y, w * 2.0**60), getattr(hyp, kind)(y, w))


def plain(call: Callable[[], Tensor], monkeypatch: pytest.MonkeyPatch) -> Tensor:
    with monkeypatch.context() as patch:
        patch.setattr(mean, "devices", frozenset())
        return call()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", MODELS)
def test_ragged_padded_and_one_by_one(cls, kind, monkeypatch):
    """Sets of 0 to 70 points in any order, which fill lanes with points and lanes with sets."""
    man = cls(curvature=-0.7)
    f = getattr(man, kind)
    g = torch.Generator().manual_seed(5)
    index = torch.cat((torch.randint(1, 30, (90,), generator=g), torch.full((70,), 4), torch.tensor([31, 33])))
    x = man.random_normal(len(index), 3 + man._extra, dtype=torch.float64, generator=g)
    w = torch.rand(len(index), dtype=torch.float64, generator=g)
    got = f(x, w, index=index, dim_size=36)
    assert got.shape == (36, x.shape[-1]) and torch.equal(f(x, w, index=index.int()), got[:34])
    shuffled = torch.randperm(len(index), generator=g)
    torch.testing.assert_close(f(x[shuffled], w[shuffled], index=index[shuffled], dim_size=36), got, rtol=1e-15, atol=0)
    origin = man.origin(x.shape[-1], dtype=torch.float64)
    for k in range(36):
        mine = index == k
        alone = f(x[mine], w[mine]) if mine.any() else origin
        torch.testing.assert_close(got[k], alone, rtol=1e-15, atol=1e-17)
    padded, weights = origin.repeat(36, 80, 1), torch.zeros(36, 80, dtype=torch.float64)
    for k in range(1, 34):
        mine = index == k
        padded[k, : mine.sum()], weights[k, : mine.sum()] = x[mine], w[mine]
    some = weights.sum(-1) > 0
    torch.testing.assert_close(f(padded[some], weights[some]), got[some], rtol=1e-15, atol=1e-17)
    torch.testing.assert_close(plain(lambda: f(x, w, index=index, dim_size=36), monkeypatch), got)
    torch.testing.assert_close(plain(lambda: f(padded[some], weights[some]), monkeypatch), got[some])


def test_axes_and_broadcasting():
    man = PoincareBall()
    x, w = draw(man, torch.float32, 0.0, 2.0, 6, 4)
    want = man.frechet_mean(x, w)
    assert torch.equal(man.frechet_mean(x.movedim(1, 0), w.mT, dim=0), want)
    assert torch.equal(man.frechet_mean(x.movedim(1, 0).unsqueeze(1), w.mT.unsqueeze(1), dim=-4), want.unsqueeze(0))
    assert torch.equal(man.frechet_mean(x[0], w), torch.stack([man.frechet_mean(x[0], v) for v in w]))
    assert torch.equal(man.frechet_mean(x, w[0]), torch.stack([man.frechet_mean(y, w[0]) for y in x]))
    many = PoincareBall(curvature=torch.tensor([-1.0, -0.5, -0.25]))
    for k in range(3):
        assert torch.equal(many.frechet_mean(x, w)[k], PoincareBall(float(many.K0[k])).frechet_mean(x[k], w[k]))
    assert man.frechet_mean(x.half()).dtype == torch.float16
    assert torch.equal(Euclidean().frechet_mean(x), Euclidean().midpoint(x))


@pytest.mark.parametrize("d", (30, 70))
def test_many_dimensions(d, monkeypatch):
    """Above 24 the Newton equation is solved by conjugate gradients."""
    man = Lorentz()
    x = man.random_normal(3, 50, d + 1, std=3 / d**0.5, dtype=torch.float64).requires_grad_()
    got = man.frechet_mean(x)
    torch.testing.assert_close(got, plain(lambda: man.frechet_mean(x), monkeypatch))
    up = torch.randn_like(got)
    mine = torch.autograd.grad(got, x, up)[0]
    torch.testing.assert_close(
        mine[..., 1:], torch.autograd.grad(plain(lambda: man.frechet_mean(x), monkeypatch), x, up)[0][..., 1:]
    )


def test_one_large_set_is_shared_among_threads():
    man = HalfSpace()
    x = man.random_normal(30_000, 3, dtype=torch.float64)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = man.frechet_mean(x)
        torch.set_num_threads(2)
        assert torch.equal(man.frechet_mean(x), alone)  # the same bits, whatever the number of threads
    finally:
        torch.set_num_threads(threads)
    assert float(man.norm(alone, man.logmap(alone, x).mean(0))) < 1e-15


@pytest.mark.parametrize("kind", KINDS)
def test_models_agree(kind):
    ball = PoincareBall(curvature=-0.6)
    x, w = draw(ball, torch.float64, 2.0, 2.0, 12, 3)
    for other in (Lorentz(curvature=-0.6), HalfSpace(curvature=-0.6)):
        y = getattr(other, kind)(convert(x, ball, other), w)
        torch.testing.assert_close(convert(y, other, ball), getattr(ball, kind)(x, w), rtol=0, atol=1e-14)


def test_it_says_when_it_fails():
    man = PoincareBall()
    x = man.random_normal(4, 5, 3)
    x[1, 2] = torch.nan
    with pytest.warns(ConvergenceWarning, match="1 of 4 sets of PoincareBall"):
        out = man.frechet_mean(x)
    assert out[1].isnan().all() and out[[0, 2, 3]].isfinite().all()
    with pytest.warns(ConvergenceWarning):
        torch.compile(man.frechet_mean, fullgraph=True, backend="eager")(x)
    for bad in (-1.0, torch.nan, torch.inf):
        w = torch.ones(4, 5)
        w[2, 2] = bad
        with pytest.raises(ValueError, match="weights must be non-negative"):
            man.frechet_mean(x, w)
    with pytest.raises(ValueError, match="weights must be non-negative"):
        man.midpoint(x[0], torch.zeros(5))
    with pytest.raises(ValueError, match="at least one point"):
        man.frechet_mean(x[:, :0])
    with pytest.raises(ValueError, match=r"index must lie in 0 \.\.\. 2"):
        man.frechet_mean(x[0], index=torch.tensor([0, 1, 2, 3, 1]), dim_size=3)
    with pytest.raises(ValueError, match=r"got -1"):
        man.frechet_mean(x[0], index=torch.tensor([0, 1, 2, -1, 1]))
    with pytest.raises(TypeError, match="integer"):
        man.frechet_mean(x[0], index=torch.ones(5))
    with pytest.raises(ValueError, match=r"\(N, d\)"):
        man.frechet_mean(x, index=torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="give the index"):
        man.frechet_mean(x, dim_size=4)


@pytest.mark.parametrize("ragged", (False, True), ids=("padded", "ragged"))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", MODELS)
def test_derivatives_of_both_orders(cls, kind, ragged):
    man = cls(curvature=-0.5)
    x, w = draw(man, torch.float64, 0.5, 1.0, 3, 2)
    x, w = x[:2, :, man._extra :].reshape(6, 2), w[:2].reshape(6)
    index = torch.tensor([0, 1, 1, 0, 1, 3])

    def f(x: Tensor, w: Tensor, k: Tensor) -> Tensor:
        man.K0 = k
        if man._extra:
            x = torch.cat(((x.square().sum(-1, keepdim=True) - 1 / k).sqrt(), x), -1)
        mean, w = getattr(man, kind), w * (1 + x.square().sum(-1))  # arguments that depend on each other
        return mean(x, w, index=index) if ragged else mean(x.reshape(2, 3, -1), w.reshape(2, 3))

    inputs = (x.requires_grad_(), w.requires_grad_(), torch.tensor(-0.5, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.gradcheck(f, inputs)
    assert torch.autograd.gradgradcheck(f, inputs, fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", MODELS)
def test_transforms_and_compilers(cls, kind):
    man = cls()
    x, w = draw(man, torch.float64, 0.5, 1.0, 5, 2)
    f = getattr(man, kind)
    index = torch.tensor([0, 1, 1, 0, 3])
    want, ragged = f(x, w), torch.stack([f(y, v, index=index, dim_size=5) for y, v in zip(x, w, strict=True)])
    assert torch.equal(torch.func.vmap(f)(x, w), want)
    assert torch.equal(torch.func.vmap(f, in_dims=(0, None))(x, w[0]), f(x, w[0]))
    assert torch.equal(torch.func.vmap(lambda y, v: f(y, v, index=index, dim_size=5))(x, w), ragged)

    def loss(y: Tensor, v: Tensor) -> Tensor:
        return f(y, v).square().sum()

    y, v = x.clone().requires_grad_(), w.clone().requires_grad_()
    gradients = torch.autograd.grad(loss(y, v), (y, v))
    for got, expected in zip(torch.func.grad(loss, (0, 1))(x, w), gradients, strict=True):
        torch.testing.assert_close(got, expected)
    mapped = torch.func.vmap(torch.func.grad(loss, (0, 1)))(x, w)
    for got, expected in zip(mapped, gradients, strict=True):
        torch.testing.assert_close(got, expected)
    with pytest.raises(NotImplementedError, match="differentiates a mean once"):
        torch.func.grad(lambda y: torch.func.grad(loss)(y, w).sum())(x)
    compiled = torch.compile(f, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x, w), want)
    torch.testing.assert_close(torch.autograd.grad(compiled(y, v).square().sum(), (y, v)), gradients)


@pytest.mark.parametrize("model", range(3))
def test_the_ops_keep_torchs_rules(model):
    man = MODELS[model]()
    x, w = draw(man, torch.float64, 0.5, 1.0, 5, 2)
    c = torch.ones((), dtype=torch.float64)
    args = (x.reshape(15, -1), w.reshape(-1), torch.arange(15) % 4, 4, c, model, 1)
    torch.library.opcheck(torch.ops.hypgeo.mean.default, args, test_utils=("test_schema", "test_faketensor"))
    out, center, _ = torch.ops.hypgeo.mean(*args)
    back = (torch.randn_like(out), *args[:3], center, *args[4:])
    torch.library.opcheck(torch.ops.hypgeo.mean_backward.default, back, test_utils=("test_schema", "test_faketensor"))
    tracked = (args[0].requires_grad_(), args[1].requires_grad_(), *args[2:4], c.requires_grad_(), *args[5:])
    torch.library.opcheck(torch.ops.hypgeo.mean_checked.default, tracked)


@pytest.mark.parametrize("cls", [PoincareBall, Lorentz, HalfSpace])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_mean_is_nan_however_far_the_points(cls, dtype):
    m, g = cls(curvature=-0.7, learnable=True), torch.Generator().manual_seed(0)
    for n, radius in itertools.product((1, 2, 5), (20, 86) if dtype is torch.float32 else (30, 100, 345, 500, 700)):
        a = torch.randn(40, n, 3, dtype=torch.float64, generator=g)
        a = a / a.norm(dim=-1, keepdim=True) * radius * float(m.radius.detach())
        x = m.from_normal_coordinates(a.to(dtype)).detach().requires_grad_()
        for verb in (m.frechet_mean, m.midpoint):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                y = verb(x)
            ok = y.isfinite().all()
            assert ok and m.check_point_on_manifold(y.detach())
            if n == 1:
                assert not said
                torch.testing.assert_close(y, x.squeeze(1), rtol=2 * torch.finfo(dtype).eps, atol=0)
            if not said:
                slope = torch.autograd.grad(y, (x, m.log_scale), torch.ones_like(y), retain_graph=True)
                assert all(s.isfinite().all() for s in slope), (n, radius)


def _exactly(m, x):
    """A point's coordinates on the hyperboloid, time first, in mpmath."""
    x = [mp.mpf(float(v)) for v in x]
    if isinstance(m, HalfSpace):
        h, n = x[-1], sum(v * v for v in x[:-1])
        return [(1 + n + h * h) / (2 * h), *(v / h for v in x[:-1]), (n + h * h - 1) / (2 * h)]
    return [mp.sqrt(1 + sum(v * v for v in x[1:])), *x[1:]]


@pytest.mark.parametrize(
    ("cls", "dtype", "radius", "reach"),
    [
        (Lorentz, torch.float32, 80, 50),
        (Lorentz, torch.float64, 200, 30),
        (HalfSpace, torch.float32, 80, 60),
        (HalfSpace, torch.float64, 500, 60),
    ],
)
def test_means_of_far_points_are_right_where_they_are_near(cls, dtype, radius, reach):
    m, g, seen = cls(), torch.Generator().manual_seed(1), 0
    a = torch.randn(60, 2, 3, dtype=torch.float64, generator=g)
    x = m.from_normal_coordinates((a / a.norm(dim=-1, keepdim=True) * radius).to(dtype))
    w = 0.1 + torch.rand(60, 2, dtype=torch.float64, generator=g)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those that lie farther
        y = m.frechet_mean(x, w)
    with mp.workdps(900):
        for (p, q), (u, v), found in zip(x, w, y, strict=True):
            p, q, t = _exactly(m, p), _exactly(m, q), mp.mpf(float(v)) / (mp.mpf(float(u)) + mp.mpf(float(v)))
            d = mp.acosh(p[0] * q[0] - sum(i * j for i, j in zip(p[1:], q[1:], strict=True)))
            mean = [(mp.sinh((1 - t) * d) * i + mp.sinh(t * d) * j) / mp.sinh(d) for i, j in zip(p, q, strict=True)]
            if mp.acosh(mean[0]) > reach:
                continue
            seen += 1
            if cls is HalfSpace:
                height = 1 / (mean[0] - mean[-1])
                mean = [*(i * height for i in mean[1:-1]), height]
            error = mp.sqrt(sum((mp.mpf(float(i)) - j) ** 2 for i, j in zip(found, mean, strict=True)))
            assert error <= 1.1 * torch.finfo(dtype).eps * mp.sqrt(sum(j * j for j in mean))
    assert seen >= 5


@pytest.mark.parametrize("kind", ["frechet_mean", "midpoint"])
@pytest.mark.parametrize("make", [PoincareBall, Lorentz, HalfSpace])
@pytest.mark.parametrize("tiny", [5e-38, 1e-44])
def test_tiny_gradients_of_points_that_coincide(make, kind, tiny):
    """Products of such a gradient with such distances leave the range of double."""
    space = make(-0.379, learnable=True)
    a = torch.randn(1, 8, generator=torch.Generator().manual_seed(0)) * 0.4
    x = space.from_normal_coordinates(a.expand(2, 8)).detach().contiguous().requires_grad_()
    w = torch.tensor([0.5, 0.5], dtype=torch.float64, requires_grad=True)
    y = getattr(space, kind)(x, w)
    by_x, by_w, by_k = torch.autograd.grad(y, (x, w, space.log_scale), torch.full_like(y, tiny))
    assert all(bool(g.isfinite().all()) for g in (by_x, by_w, by_k))
    again = torch.autograd.grad(getattr(space, kind)(x, w), x, torch.ones_like(y))[0]
    torch.testing.assert_close(by_x.double() / tiny, again.double(), rtol=1e-5, atol=1.5e-45 / tiny)
