import pytest
import torch
from layers import MODELS, Euclidean, features

from hypgeo.manifolds import Lorentz, Manifold, PoincareBall
from hypgeo.nn import BatchNorm


def learnt(space: Manifold, **kwargs: object) -> BatchNorm:
    norm = BatchNorm(3, space, eps=0.0, **kwargs).double()
    norm.bias.data = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    norm.weight.data.fill_(0.8)
    return norm


def batch(space: Manifold, n: int = 20, seed: int = 0) -> torch.Tensor:
    return space.from_normal_coordinates(features(n, seed=seed) + torch.tensor([0.5, 1.0, -0.3]).double())


@pytest.mark.parametrize("kind", (*MODELS, Euclidean))
def test_a_batch_ends_with_the_learnt_mean_and_spread(kind: type[Manifold]) -> None:
    space = kind()
    norm = learnt(space)
    y = norm(batch(space))
    m = space.frechet_mean(y)
    torch.testing.assert_close(space.normal_coordinates(m), norm.bias.data, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(space.dist2(m, y).mean(), norm.weight.data**2, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", (*MODELS, Euclidean))
def test_weights_count_as_repetitions(kind: type[Manifold]) -> None:
    space = kind()
    x = batch(space, 6)
    times = torch.tensor([1, 3, 2, 1, 0, 2])
    one, other = learnt(space), learnt(space)
    repeated = other(x.repeat_interleave(times, 0))
    torch.testing.assert_close(one(x, times.double()).repeat_interleave(times, 0), repeated, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(one.running_var, other.running_var)
    torch.testing.assert_close(one.running_mean, other.running_mean)


def test_flat_space_is_centring_and_one_scale() -> None:
    x, norm = batch(Euclidean()), learnt(Euclidean())
    centred = x - x.mean(0)
    want = norm.bias + norm.weight * centred / centred.square().sum(-1).mean().sqrt()
    torch.testing.assert_close(norm(x), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", MODELS)
def test_running_statistics_converge_and_evaluation_leaves_them(kind: type[Manifold]) -> None:
    space = kind(curvature=-0.5)
    norm, x = learnt(space), batch(space)
    for _ in range(200):
        trained = norm(x)
    torch.testing.assert_close(norm.running_mean, space.normal_coordinates(space.frechet_mean(x)), rtol=1e-8, atol=1e-8)
    kept = norm.running_mean.clone(), norm.running_var.clone()
    norm.eval()
    torch.testing.assert_close(norm(x), trained, rtol=1e-7, atol=1e-7)
    assert norm(x[:1]).shape == (1, x.shape[1])
    assert torch.equal(norm.running_mean, kept[0]) and torch.equal(norm.running_var, kept[1])


def test_leading_axes_are_one_batch() -> None:
    space = Lorentz()
    x = batch(space, 20)
    assert torch.equal(learnt(space)(x.reshape(4, 5, 4)).reshape(20, 4), learnt(space)(x))


def test_one_step_moves_the_running_mean_by_the_momentum_along_the_geodesic() -> None:
    space = PoincareBall()
    norm, x = learnt(space, momentum=0.25), batch(space)
    norm(x)
    m = space.frechet_mean(x)
    torch.testing.assert_close(norm.running_mean, 0.25 * space.normal_coordinates(m))
    torch.testing.assert_close(norm.running_var, 0.75 + 0.25 * space.dist2(m, x).mean())


def test_without_affine_the_mean_is_the_origin_and_the_spread_one() -> None:
    space = PoincareBall()
    norm = BatchNorm(3, space, eps=0.0, affine=False).double()
    y = norm(batch(space))
    assert not list(norm.parameters()) and float(space.dist0(space.frechet_mean(y))) < 1e-12
    torch.testing.assert_close(space.dist0(y).square().mean(), torch.ones((), dtype=torch.float64))


def test_equal_points_stay_finite() -> None:
    space = PoincareBall(learnable=True)
    norm = BatchNorm(3, space)
    x = batch(space, 1).detach().float().repeat(4, 1).requires_grad_()
    norm(x).sum().backward()
    assert x.grad.isfinite().all() and space.log_scale.grad.isfinite()


def test_refuses_one_point_in_training() -> None:
    space = PoincareBall()
    with pytest.raises(ValueError, match=r"^BatchNorm needs at least two points to train on, got 1; call .eval\(\)"):
        BatchNorm(3, space)(batch(space, 1))


def test_refuses_weights_of_another_shape() -> None:
    space = PoincareBall()
    with pytest.raises(ValueError, match=r"^BatchNorm takes one weight a point, \(4,\), got \(5,\)$"):
        BatchNorm(3, space)(batch(space, 4), torch.ones(5))
