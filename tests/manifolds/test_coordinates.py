"""Normal and spatial coordinates at the origin, and distances to the coordinate planes: exact values, far ends."""

import math

import mpmath as mp
import pytest
import torch
from registry import MANIFOLDS

from hypgeo.manifolds import Euclidean, HalfSpace, Lorentz, Manifold, PoincareBall, convert
from hypgeo.testing.reference import ulps

MODELS = (PoincareBall, Lorentz, HalfSpace)
DTYPES = (torch.float32, torch.float64)


def coordinates(dtype: torch.dtype, lengths: tuple[float, ...]) -> torch.Tensor:
    d = torch.randn(6, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    d = d / d.norm(dim=-1, keepdim=True)
    return torch.cat([length * d for length in lengths]).to(dtype)


def spatial(space: Manifold, x: torch.Tensor) -> list[mp.mpf]:
    """The exact spatial coordinates of one point's floats."""
    c, p = mp.mpf(float(space.c)), [mp.mpf(float(v)) for v in x]
    if isinstance(space, Lorentz):
        return p[1:]
    if isinstance(space, PoincareBall):
        return [2 * v / (1 - c * sum(u * u for u in p)) for v in p]
    *h, b = p
    return [v / (b * mp.sqrt(c)) for v in h] + [(sum(v * v for v in h) + b * b - 1) / (2 * b * mp.sqrt(c))]


def chart(space: Manifold, s: list[mp.mpf]) -> list[mp.mpf]:
    """The exact point with these spatial coordinates."""
    c = mp.mpf(float(space.c))
    time = mp.sqrt(1 / c + sum(v * v for v in s))
    if isinstance(space, Lorentz):
        return [time, *s]
    if isinstance(space, PoincareBall):
        return [v / (1 + mp.sqrt(c) * time) for v in s]
    height = 1 / (mp.sqrt(c) * (time - s[-1]))
    return [v * height * mp.sqrt(c) for v in s[:-1]] + [height]


def length(v: list[mp.mpf]) -> mp.mpf:
    return mp.sqrt(sum(t * t for t in v))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("curvature", (-1.0, -0.3, -25.0))
@pytest.mark.parametrize("kind", MODELS)
def test_coordinates_are_within_a_few_ulp_of_exact_ones(
    kind: type[Manifold], curvature: float, dtype: torch.dtype
) -> None:
    space = kind(curvature=curvature)
    far = 13.0 if dtype is torch.float32 else 30.0
    a = coordinates(dtype, tuple(r / math.sqrt(-curvature) for r in (1e-12, 1e-3, 1.0, 4.0, far)))
    points, v = space.from_normal_coordinates(a), a.clone()
    normal, flat, planes = (
        space.normal_coordinates(points),
        space.spatial_coordinates(points),
        space.from_plane_distances(v),
    )
    again = space.from_spatial_coordinates(flat)
    with mp.workdps(80):
        c = mp.mpf(float(space.c))
        for i in range(len(a)):
            w = [mp.mpf(float(t)) for t in a[i]]
            r = mp.sqrt(c) * length(w)
            assert ulps(points[i], chart(space, [t * mp.sinh(r) / r for t in w]), dtype) <= 4
            s = spatial(space, points[i])
            t = mp.sqrt(c) * length(s)
            assert ulps(normal[i], [u * mp.asinh(t) / t for u in s], dtype) <= 4
            assert ulps(flat[i], s, dtype) <= 4
            assert ulps(again[i], chart(space, [mp.mpf(float(u)) for u in flat[i]]), dtype) <= 4
            exact = chart(space, [mp.sinh(mp.sqrt(c) * u) / mp.sqrt(c) for u in w])
            most = max(abs(v) for v in w) * mp.sqrt(c)
            assert ulps(planes[i], exact, dtype) <= 4 + (most if dtype is torch.float64 else 0)


@pytest.mark.parametrize("name", MANIFOLDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_there_and_back(name: str, dtype: torch.dtype) -> None:
    make, width = MANIFOLDS[name]
    space, a = make(), coordinates(dtype, (0.0, 1e-20, 0.5, 2.0))
    x = space.from_normal_coordinates(a)
    assert x.shape == (24, width) == (24, space.ambient_dim(3)) and x.dtype is dtype
    assert space.check_point_on_manifold(x)
    close = {"rtol": 100 * torch.finfo(dtype).eps, "atol": 100 * torch.finfo(dtype).eps}
    torch.testing.assert_close(space.normal_coordinates(x), a, **close)
    torch.testing.assert_close(space.dist0(x), a.norm(dim=-1), **close)
    torch.testing.assert_close(space.from_spatial_coordinates(space.spatial_coordinates(x)), x, **close)
    assert torch.equal(space.normal_coordinates(x[:6]), torch.zeros(6, 3, dtype=dtype))
    assert torch.equal(space.from_plane_distances(a[:6]), space.origin(6, width, dtype=dtype))


@pytest.mark.parametrize("kind", MODELS)
def test_isometries_between_the_models_keep_the_coordinates(kind: type[Manifold]) -> None:
    ball, other = PoincareBall(curvature=-0.7), kind(curvature=-0.7)
    a = coordinates(torch.float64, (0.1, 1.0, 3.0))
    for verb in ("from_normal_coordinates", "from_spatial_coordinates", "from_plane_distances"):
        x, y = getattr(ball, verb)(a), getattr(other, verb)(a)
        torch.testing.assert_close(y, x if kind is PoincareBall else convert(x, ball, other), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", MODELS)
def test_a_closed_form_agrees_with_the_derivation(kind: type[Manifold]) -> None:
    space = kind(curvature=-0.7)
    a = coordinates(torch.float64, (1e-3, 1.0, 3.0))
    x = space.from_normal_coordinates(a)
    for verb, given in (
        ("from_normal_coordinates", a),
        ("from_spatial_coordinates", a),
        ("normal_coordinates", x),
        ("spatial_coordinates", x),
    ):
        want = getattr(Manifold, verb)(space, given)
        torch.testing.assert_close(getattr(space, verb)(given), want, rtol=1e-12, atol=1e-12)
    y = space.from_normal_coordinates(a.flip(0))
    torch.testing.assert_close(space.mobius_add(x, y), Manifold.mobius_add(space, x, y), rtol=1e-10, atol=1e-10)
    m = torch.randn(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(space.mobius_matvec(m, x), Manifold.mobius_matvec(space, m, x), rtol=1e-11, atol=1e-11)
    rows = torch.randn(18, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(
        Manifold.mobius_matvec(space, rows, x)[4], Manifold.mobius_matvec(space, rows[4], x[4]), rtol=1e-13, atol=0
    )


@pytest.mark.parametrize("kind", MODELS)
def test_plane_distances_are_distances_to_planes(kind: type[Manifold]) -> None:
    space, v = kind(curvature=-0.7), coordinates(torch.float64, (0.1, 1.0, 3.0))
    o = space.origin(space.ambient_dim(3), dtype=torch.float64)
    for k in range(3):
        normal = space.logmap0(space.from_normal_coordinates(torch.eye(3, dtype=torch.float64)[k]))
        torch.testing.assert_close(space.hyperplane_dist(space.from_plane_distances(v), o, normal), v[:, k])


@pytest.mark.parametrize("verb", ("from_normal_coordinates", "from_spatial_coordinates", "from_plane_distances"))
@pytest.mark.parametrize("kind", MODELS)
def test_derivatives(kind: type[Manifold], verb: str) -> None:
    a = coordinates(torch.float64, (0.3, 2.0)).requires_grad_()
    c = torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)

    def out(a: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        space = kind(curvature=-0.7, learnable=True)
        del space.log_scale
        space.log_scale = scale
        x = getattr(space, verb)(a)
        return torch.cat((x.flatten(), space.normal_coordinates(x).flatten(), space.spatial_coordinates(x).flatten()))

    assert torch.autograd.gradcheck(out, (a, c), fast_mode=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", MODELS)
def test_beyond_the_reach_of_the_dtype_points_and_derivatives_are_finite(
    kind: type[Manifold], dtype: torch.dtype
) -> None:
    space = kind(curvature=-0.7, learnable=True)
    for verb in ("from_normal_coordinates", "from_plane_distances"):
        a = coordinates(dtype, (100.0, 800.0, 1e6, 1e30)).requires_grad_()
        x = getattr(space, verb)(a)
        assert space.check_point_on_manifold(x) and float(space.dist0(x).min()) > 10
        back = space.normal_coordinates(x)
        assert back.isfinite().all()
        back.sum().backward()
        assert a.grad.isfinite().all() and space.log_scale.grad.isfinite()
    if kind is not PoincareBall:
        a = coordinates(dtype, (1e6,))
        toward = torch.nn.functional.normalize(space.normal_coordinates(space.from_normal_coordinates(a)), dim=-1)
        torch.testing.assert_close(toward, a / 1e6, rtol=0, atol=1e-4)


def test_flat_space_has_one_kind_of_coordinates() -> None:
    space, a = Euclidean(), coordinates(torch.float32, (1.0, 1e30))
    for verb in ("normal", "from_normal", "spatial", "from_spatial"):
        assert getattr(space, f"{verb}_coordinates")(a) is a
    assert space.from_plane_distances(a) is a and space.ambient_dim(3) == 3
    assert torch.equal(space.mobius_add(a, a), a + a) and torch.equal(space.mobius_matvec(torch.eye(3), a), a)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_is_certainly_held_is_held(dtype: torch.dtype) -> None:
    for name in MANIFOLDS:
        space = MANIFOLDS[name][0]()
        x = space.from_normal_coordinates(coordinates(dtype, (0.1, 3.0)))
        if space.certainly_holds(x):
            assert space.check_point_on_manifold(x)
    ball = PoincareBall(curvature=-4.0)
    assert ball.certainly_holds(torch.tensor([[0.3, 0.3]])) and not ball.certainly_holds(torch.tensor([[0.3, 0.5]]))
    assert not ball.certainly_holds(torch.tensor([[0.3, math.nan]]))
