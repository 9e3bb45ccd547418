"""Signed distances to planes, against exact values on the very floats: on the rim, beside the plane, far planes."""

import mpmath as mp
import pytest
import torch
from layers import MODELS, features

from hypgeo.manifolds import Euclidean, HalfSpace, Lorentz, Manifold, PoincareBall
from hypgeo.nn import Hyperplanes


def spatial(space: Manifold, x: torch.Tensor) -> list[mp.mpf]:
    """The exact spatial hyperboloid coordinates of one point's floats."""
    c, p = mp.mpf(float(space.c)), [mp.mpf(float(v)) for v in x]
    if isinstance(space, Lorentz):
        return p[1:]
    if isinstance(space, PoincareBall):
        return [2 * v / (1 - c * sum(u * u for u in p)) for v in p]
    *h, b = p
    return [v / (b * mp.sqrt(c)) for v in h] + [(sum(v * v for v in h) + b * b - 1) / (2 * b * mp.sqrt(c))]


def logit(space: Manifold, x: torch.Tensor, z: torch.Tensor, r: torch.Tensor) -> tuple[mp.mpf, mp.mpf]:
    """The exact logit, and what moving the point by a unit roundoff of its coordinates may change in it."""
    c, s, w = mp.mpf(float(space.c)), spatial(space, x), [mp.mpf(float(v)) for v in z]
    unit, size, offset = mp.sqrt(c), mp.sqrt(sum(v * v for v in w)), mp.mpf(float(r))
    time = mp.sqrt(1 + c * sum(v * v for v in s))
    along = unit * sum(a * b for a, b in zip(s, w, strict=True)) / size
    h = along * mp.cosh(unit * offset) - time * mp.sinh(unit * offset)
    slack = time * mp.exp(abs(unit * offset)) / mp.sqrt(1 + h * h)
    return size * mp.asinh(h) / unit, size * slack / unit


def layer(space: Manifold, z: torch.Tensor, r: torch.Tensor) -> Hyperplanes:
    module = Hyperplanes(z.shape[1], len(z), space).to(z.dtype)
    module.weight.data, module.offset.data = z, r
    return module


def near_plane(space: Manifold, z: torch.Tensor, r: torch.Tensor, radius: float, dtype: torch.dtype) -> torch.Tensor:
    """The floats nearest to points of plane 0 at a distance from its foot."""
    wide = type(space)(space.curvature)
    n = z[0].double() / z[0].double().norm()
    side = torch.linalg.svd(n.unsqueeze(0)).Vh[1:]
    foot = wide.from_normal_coordinates(r[0].double() * n)
    turns = torch.linspace(0, 6, 9, dtype=torch.float64).unsqueeze(-1)
    lateral = wide.from_normal_coordinates(radius * (turns.cos() * side[0] + turns.sin() * side[1]))
    return wide.mobius_add(foot, lateral).to(dtype)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("curvature", (-1.0, -0.3))
@pytest.mark.parametrize("kind", MODELS)
def test_logits_against_exact_ones(kind: type[Manifold], curvature: float, dtype: torch.dtype) -> None:
    """4 roundings of the logit, and as if the point had moved by 16 of float64: nothing a float32 point can notice."""
    space, eps = kind(curvature=curvature), torch.finfo(dtype).eps / 2
    z, r = features(4, 3, dtype, seed=1), features(1, 4, dtype, seed=2)[0]
    far = 12.0 if dtype is torch.float32 else 30.0
    rows = [near_plane(space, z, r, radius, dtype) for radius in (0.0, 0.5, 5.0, far)]
    rows += [space.from_normal_coordinates(features(8, 3, dtype, seed=3) * s) for s in (1e-6, 1.0, 6.0)]
    if kind is PoincareBall:
        rows.append(
            torch.eye(3, dtype=dtype) * torch.nextafter(1 / space.c.sqrt().to(dtype), torch.zeros((), dtype=dtype))
        )
    x = torch.cat(rows)
    x = x[torch.tensor([bool(space.check_point_on_manifold(p)) for p in x])]
    out = layer(space, z, r)(x)
    for i in range(len(x)):
        for k in range(4):
            with mp.workdps(60):
                want, slack = logit(space, x[i], z[k], r[k])
                allowed = 4 * eps * abs(want) + 16 * mp.mpf(2) ** -53 * slack
                assert abs(mp.mpf(float(out[i, k])) - want) <= allowed, (i, k, float(out[i, k]), float(want))


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
def test_points_on_a_plane_through_the_origin_are_at_zero_exactly(dtype: torch.dtype) -> None:
    x = torch.tensor([[0.0, 1.0 - 2**-24, 0.0], [0.0, 0.0, -0.3]], dtype=dtype)
    z = torch.tensor([[2.0, 0.0, 0.0]], dtype=dtype)
    assert layer(PoincareBall(), z, torch.zeros(1, dtype=dtype))(x).abs().max() == 0


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("kind", MODELS)
def test_far_planes_and_zero_weights_are_finite(kind: type[Manifold], dtype: torch.dtype) -> None:
    space = kind(learnable=True)
    z = torch.tensor([[1.0, -2.0, 0.5]] * 4 + [[0.0, 0.0, 0.0]], dtype=dtype)
    module = layer(space, z, torch.tensor([1e3, -1e3, 30.0, -1e10, 2.0], dtype=dtype))
    x = space.from_normal_coordinates(features(5, dtype=dtype)).detach().requires_grad_()
    out = module(x)
    assert (out.sign() == torch.tensor([-1.0, 1, -1, 1, 0], dtype=dtype)).all() and (out[:, 4] == 0).all()
    out.sum().backward()
    for g in (x.grad, *(p.grad for p in module.parameters())):
        assert g.isfinite().all()


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
def test_flat_space_has_the_linear_classifier(dtype: torch.dtype) -> None:
    x, z, r = features(6, dtype=dtype), features(4, seed=1, dtype=dtype), features(1, 4, seed=2, dtype=dtype)[0]
    out = layer(Euclidean(), z, r)(x)
    torch.testing.assert_close(out, x @ z.mT - z.norm(dim=-1) * r, rtol=1e-6, atol=1e-6)
    bare = Hyperplanes(3, 4, Euclidean(), bias=False).to(dtype)
    torch.testing.assert_close(bare(x), x @ bare.weight.mT, rtol=1e-5, atol=1e-6)


def test_a_logit_is_the_distance_to_the_nearest_point_of_the_plane() -> None:
    """Shimizu et al.'s parameters, checked without their formula: r is where the plane meets the axis z."""
    space = HalfSpace(curvature=-0.5)
    z, r = torch.tensor([[0.0, 3.0, 4.0]], dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64)
    on_axis = space.from_normal_coordinates(
        torch.tensor([[0.0, 0.6, 0.8]], dtype=torch.float64) * torch.tensor([[0.7], [2.0], [-1.0]], dtype=torch.float64)
    )
    torch.testing.assert_close(
        layer(space, z, r)(on_axis)[:, 0] / 5,
        torch.tensor([0.0, 1.3, -1.7], dtype=torch.float64),
        rtol=1e-12,
        atol=1e-12,
    )
