import mpmath as mp
import pytest
import torch
from layers import MODELS, Euclidean, features, stirred
from torch import nn

from hypgeo.manifolds import Lorentz, Manifold, PoincareBall
from hypgeo.nn import Activation, Hyperplanes, Linear, Sequential


@pytest.mark.parametrize("bias", (True, False))
def test_mobius_in_flat_space_is_nn_linear(bias: bool) -> None:
    ours, theirs = stirred(Linear(3, 5, Euclidean(), bias=bias)), nn.Linear(3, 5, bias=bias)
    theirs.load_state_dict({n: p for n, p in ours.state_dict().items() if n in ("weight", "bias")})
    x = features(dtype=torch.float32)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-6, atol=1e-6)


def test_the_other_kinds_in_flat_space_are_affine() -> None:
    x, flat = features(), Euclidean()
    plane = stirred(Linear(3, 5, flat, kind="poincare")).double()
    size = plane.weight.norm(dim=-1)
    torch.testing.assert_close(plane(x), x @ plane.weight.mT - size * plane.bias)
    affine = stirred(Linear(3, 5, flat, kind="lorentz")).double()
    torch.testing.assert_close(affine(x), x @ affine.weight.mT + affine.time + affine.bias)


@pytest.mark.parametrize("kind", MODELS)
def test_mobius_is_the_formula_of_the_paper(kind: type[Manifold]) -> None:
    space = kind(curvature=-0.6)
    module = stirred(Linear(3, 3, space)).double()
    x = space.from_normal_coordinates(features())
    y = space.mobius_matvec(module.weight, x)
    torch.testing.assert_close(module(x), space.mobius_add(y, space.from_normal_coordinates(module.bias)))


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("kind", MODELS)
def test_poincare_gives_the_point_with_those_plane_distances(kind: type[Manifold], dtype: torch.dtype) -> None:
    """The signed distance of the result to coordinate hyperplane k is |z_k| times that of x to plane k."""
    space = kind(curvature=-0.6)
    module = stirred(Linear(3, 3, space, kind="poincare")).to(dtype)
    planes = Hyperplanes(3, 3, space).to(dtype)
    planes.weight.data, planes.offset.data = module.weight.data, module.bias.data
    x = space.from_normal_coordinates(3 * features(dtype=dtype))
    axes = Hyperplanes(3, 3, space, bias=False).to(dtype)
    axes.weight.data = torch.eye(3, dtype=dtype)
    torch.testing.assert_close(
        axes(module(x)), planes(x), rtol=100 * torch.finfo(dtype).eps, atol=1e-5 if dtype is torch.float32 else 1e-12
    )


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
def test_poincare_on_the_rim_against_exact_values(dtype: torch.dtype) -> None:
    """One dimension: a point at distance r goes to w (r - b), or as far as the ball has floats."""
    space = PoincareBall()
    module = Linear(1, 1, space, kind="poincare").to(dtype)
    module.weight.data.fill_(0.75)
    module.bias.data.fill_(0.25)
    one = torch.ones(1, 1, dtype=dtype)
    for x in (torch.nextafter(one, 0 * one), 0.99 * one, -0.5 * one, 0.125 * one):
        with mp.workdps(50):
            want = mp.tanh(mp.mpf(0.75) * (2 * mp.atanh(mp.mpf(float(x))) - mp.mpf(0.25)) / 2)
            assert abs(mp.mpf(float(module(x))) - want) <= 4 * torch.finfo(dtype).eps * abs(want)


@pytest.mark.parametrize("kind", ("mobius", "poincare", "lorentz"))
def test_between_curvatures_and_from_features(kind: str) -> None:
    near, far = PoincareBall(curvature=-2.0), Lorentz(curvature=-0.1)
    x = near.from_normal_coordinates(features())
    out = Linear(3, 4, far, in_manifold=near, kind=kind).double()(x)
    assert out.shape == (7, 5) and far.check_point_on_manifold(out)
    assert far.check_point_on_manifold(Linear(3, 4, far, in_manifold=Euclidean(), kind=kind).double()(features()))


@pytest.mark.parametrize("kind", ("mobius", "poincare"))
def test_a_stack_compiles_and_exports(kind: str) -> None:
    space = Lorentz(curvature=-0.5, learnable=True)
    stack = stirred(Sequential(Linear(3, 8, space, kind=kind), Activation(space), Linear(8, 3, space, kind=kind)))
    x = space.from_normal_coordinates(features(dtype=torch.float32)).detach()
    want = stack(x)
    torch.testing.assert_close(torch.export.export(stack, (x,)).module()(x), want, rtol=1e-5, atol=1e-6)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(stack, fullgraph=True, backend="aot_eager")(x), want, rtol=1e-5, atol=1e-6)


def test_depth_keeps_the_radius() -> None:
    torch.manual_seed(0)
    space = PoincareBall()
    x = space.from_normal_coordinates(features(50, 64, torch.float32))
    deep = Sequential(*(Linear(64, 64, space) for _ in range(8)))
    ratio = space.dist0(deep(x)) / space.dist0(x)
    assert 0.5 < float(ratio.min()) and float(ratio.max()) < 2.0


def test_refuses_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match=r"^Linear: kind must be one of mobius, poincare, lorentz, got 'ball'$"):
        Linear(3, 3, PoincareBall(), kind="ball")
