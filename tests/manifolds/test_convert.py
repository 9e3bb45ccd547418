"""convert is an isometry between every two models and refuses what is none; the Klein chart."""

import pytest
import torch

from hypgeo.manifolds import Euclidean, HalfSpace, Klein, Lorentz, PoincareBall, convert

METRIC = (PoincareBall, Lorentz, HalfSpace)
MODELS = (*METRIC, Klein)


@pytest.mark.parametrize("source", METRIC)
@pytest.mark.parametrize("target", MODELS)
@pytest.mark.parametrize("k", (-1e-6, -0.3, -1.0, -1e3))
def test_isometry_there_and_back(source, target, k):
    a, b = source(curvature=k), target(curvature=k)
    g = torch.Generator().manual_seed(7)
    x = a.random_normal(12, 4, std=float(a.radius), dtype=torch.float64, generator=g)
    y = convert(x, a, b)
    torch.testing.assert_close(convert(y, b, a), x, rtol=1e-11, atol=1e-11 * float(x.abs().max()))
    if target is Klein:
        b = Lorentz(curvature=k)
        y = convert(y, Klein(k), b)
    assert b.check_point_on_manifold(y)
    torch.testing.assert_close(b.pairwise_dist(y, y), a.pairwise_dist(x, x), rtol=1e-11, atol=1e-11 * float(a.radius))
    torch.testing.assert_close(b.dist0(y), a.dist0(x), rtol=1e-11, atol=0)


@pytest.mark.parametrize("source", MODELS)
@pytest.mark.parametrize("target", MODELS)
def test_derivative(source, target):
    ball = PoincareBall(curvature=-0.5)
    x = ball.random_normal(3, 3, std=0.5, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    a, b = source(curvature=-0.5), target(curvature=-0.5)
    x = convert(x, ball, a)
    assert torch.autograd.gradcheck(lambda t: convert(t, a, b), (x.requires_grad_(),))


def test_curvature_learns_through_conversions():
    ball = PoincareBall(curvature=-0.5, learnable=True)
    x = torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    klein = convert(x, ball, Klein(ball.curvature.detach()))
    (by_ball,) = torch.autograd.grad(klein.sum(), ball.log_scale)
    assert by_ball != 0
    k = torch.tensor(-0.5, dtype=torch.float64, requires_grad=True)
    back = convert(klein.detach(), Klein(k), ball)
    (by_klein,) = torch.autograd.grad(back.sum(), k)
    assert by_klein != 0


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


def test_gyrovectors_correspond():
    """Möbius operations of the half-space are the ball's, seen through the isometry."""
    ball, half = PoincareBall(curvature=-0.7), HalfSpace(curvature=-0.7)
    g = torch.Generator().manual_seed(15)
    a, b, v = (ball.random_normal(6, 3, dtype=torch.float64, generator=g) for _ in range(3))
    m = torch.randn(2, 3, dtype=torch.float64, generator=g)
    ha, hb = convert(a, ball, half), convert(b, ball, half)
    torch.testing.assert_close(half.mobius_add(ha, hb), convert(ball.mobius_add(a, b), ball, half))
    torch.testing.assert_close(half.mobius_scalar_mul(-0.3, ha), convert(ball.mobius_scalar_mul(-0.3, a), ball, half))
    torch.testing.assert_close(half.mobius_matvec(m, ha), convert(ball.mobius_matvec(m, a), ball, half))
    torch.testing.assert_close(half.gyration(ha, hb, v), ball.gyration(a, b, v))


def test_geodesics_of_the_klein_ball_are_straight():
    klein, hyp = Klein(curvature=-0.4), Lorentz(curvature=-0.4)
    g = torch.Generator().manual_seed(3)
    x, y = (hyp.random_normal(5, 4, std=2.0, dtype=torch.float64, generator=g) for _ in range(2))
    p, q, m = (convert(t, hyp, klein) for t in (x, y, hyp.geodesic(0.3, x, y)))
    share = (m - p).norm(dim=-1) / (q - p).norm(dim=-1)
    assert bool(((share > 0) & (share < 1)).all())
    torch.testing.assert_close(m, p + share.unsqueeze(-1) * (q - p))


def test_klein_says_what_it_is():
    klein = Klein(curvature=-2.0)
    assert repr(klein) == "Klein(curvature=-2)" and float(klein.c) == 2.0
    with pytest.raises(AttributeError, match="chart without dist: call it on points converted"):
        klein.dist(torch.zeros(2), torch.zeros(2))
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        klein.colour  # noqa: B018
    for wrong in (0.0, 1.0, float("-inf")):
        with pytest.raises(ValueError, match="curvature K < 0"):
            Klein(curvature=wrong)


def test_refusals():
    x = torch.zeros(3)
    with pytest.raises(ValueError, match="equal curvatures"):
        convert(x, PoincareBall(curvature=-1.0), Lorentz(curvature=-2.0))
    with pytest.raises(TypeError, match="convert knows"):
        convert(x, PoincareBall(), Euclidean())
