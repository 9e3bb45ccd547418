"""convert is an isometry between every two models, right to a few ulps, and refuses what is none."""

import mpmath as mp
import pytest
import torch

from hypgeo.manifolds import Euclidean, HalfSpace, Lorentz, PoincareBall, convert
from hypgeo.testing.reference import Reference, exact, ulps

MODELS = (PoincareBall, Lorentz, HalfSpace)


@pytest.mark.parametrize("source", MODELS)
@pytest.mark.parametrize("target", MODELS)
@pytest.mark.parametrize("k", (-1e-6, -0.3, -1.0, -1e3))
def test_isometry_there_and_back(source, target, k):
    a, b = source(curvature=k), target(curvature=k)
    g = torch.Generator().manual_seed(7)
    x = a.random_normal(12, 4, std=float(a.radius), dtype=torch.float64, generator=g)
    y = convert(x, a, b)
    assert b.check_point_on_manifold(y)
    torch.testing.assert_close(b.pairwise_dist(y, y), a.pairwise_dist(x, x), rtol=1e-11, atol=1e-11 * float(a.radius))
    torch.testing.assert_close(convert(y, b, a), x, rtol=1e-11, atol=1e-11 * float(x.abs().max()))
    torch.testing.assert_close(b.dist0(y), a.dist0(x), rtol=1e-11, atol=0)


@pytest.mark.parametrize("source", MODELS)
@pytest.mark.parametrize("target", MODELS)
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("radius", (1e-9, 0.1, 3.0, 12.0))
def test_four_ulps(source, target, dtype, radius):
    """Against mpmath for the very floats given, from next to the origin out to where float32 still has points."""
    a, b = source(curvature=-0.7), target(curvature=-0.7)
    ra, rb = Reference(a), Reference(b)
    g = torch.Generator().manual_seed(8)
    v = torch.randn(6, 3, dtype=torch.float64, generator=g)
    v = radius / v.norm(dim=-1, keepdim=True) * v
    origin = a.origin(3 + a._extra, dtype=torch.float64)
    x = a.expmap(origin, a._unframe(origin, v, a.c)).to(dtype)
    for row, got in zip(x, convert(x, a, b), strict=True):
        with mp.workdps(160):
            want = rb.chart.drop(ra.chart.lift(exact(row[a._extra :])))
        assert ulps(got, want, dtype) <= 4


@pytest.mark.parametrize("source", MODELS)
@pytest.mark.parametrize("target", MODELS)
def test_derivative(source, target):
    a, b = source(curvature=-0.5), target(curvature=-0.5)
    x = a.random_normal(3, 3, std=0.5, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    assert torch.autograd.gradcheck(lambda t: convert(t, a, b), (x.requires_grad_(),))


def test_origin_and_directions_correspond():
    ball, half, hyp = PoincareBall(curvature=-4.0), HalfSpace(curvature=-4.0), Lorentz(curvature=-4.0)
    zero = torch.zeros(3, dtype=torch.float64)
    assert convert(zero, ball, half).tolist() == [0.0, 0.0, 1.0]
    assert convert(zero, ball, hyp).tolist() == [0.5, 0.0, 0.0, 0.0]
    up = torch.tensor([0.0, 0.0, 0.25], dtype=torch.float64)  # up is towards the ball's last axis
    assert float(convert(up, ball, half)[-1]) == pytest.approx(3.0)
    assert float(half.busemann(convert(up, ball, half), torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))) < 0
    d = torch.tensor([0.48, -0.6, 0.64], dtype=torch.float64)
    x = ball.random_normal(6, 3, std=0.5, dtype=torch.float64)
    want = ball.busemann(x, d)
    torch.testing.assert_close(half.busemann(convert(x, ball, half), d), want)
    torch.testing.assert_close(hyp.busemann(convert(x, ball, hyp), d), want)


def test_refusals():
    x = torch.zeros(3)
    with pytest.raises(ValueError, match="equal curvatures"):
        convert(x, PoincareBall(curvature=-1.0), Lorentz(curvature=-2.0))
    with pytest.raises(TypeError, match="convert knows"):
        convert(x, PoincareBall(), Euclidean())
