"""What every layer keeps: one network in every model, derivatives, and what may be expected of a module."""

import copy
import io

import geoopt
import pytest
import torch
from layers import EDGES, LAYERS, MODELS, applied, built, features, given, seen, stirred

import hypgeo
from hypgeo.manifolds import Euclidean, Lorentz, Manifold, PoincareBall
from hypgeo.nn import Linear, ToManifold
from hypgeo.nn.graph import HGCNConv

DTYPES = (torch.float32, torch.float64)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_one_set_of_weights_is_one_network_in_every_model(name: str, dtype: torch.dtype) -> None:
    case, a = LAYERS[name], features(dtype=dtype)
    ball, *others = (applied(case, m, built(case, m, dtype), a) for m in (k(curvature=-0.6) for k in MODELS))
    assert ball.dtype is dtype and ball.isfinite().all() and float(ball.detach().abs().max()) > 0.1
    for other in others:
        torch.testing.assert_close(other, ball, rtol=0, atol=200 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("name", LAYERS)
def test_weak_curvature_is_flat_space(name: str) -> None:
    case, a = LAYERS[name], features()
    flat = Euclidean()
    want = applied(case, flat, built(case, flat), a)
    for kind in MODELS:
        space = kind(curvature=-1e-9)
        torch.testing.assert_close(applied(case, space, built(case, space), a), want, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_in_input_weights_and_curvature(name: str, kind: type[Manifold]) -> None:
    case = LAYERS[name]
    space = kind(curvature=-0.6, learnable=True)
    module = built(case, space)
    a = features(n=7).requires_grad_()
    names, values = zip(*module.named_parameters(), strict=True)
    assert any(n.endswith("log_scale") for n in names)

    def out(a: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        x = given(case, kind(curvature=-0.6), a)
        return torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (x, *case.company))

    assert torch.autograd.gradcheck(out, (a, *values), fast_mode=True, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_are_finite_at_the_origin_and_on_equal_points(
    name: str, kind: type[Manifold], dtype: torch.dtype
) -> None:
    case = LAYERS[name]
    for a in (torch.zeros(7, 3, dtype=dtype), features(1, dtype=dtype).repeat(7, 1)):
        space = kind(curvature=-0.6, learnable=True)
        module = case.make(space).to(dtype)
        x = given(case, space, a).detach().requires_grad_()
        out = module(x, *case.company)
        seen(case, space, out).sum().backward()
        assert x.grad is not None and x.grad.isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


# Means and sums seen from a node hold no points at 700, and attention as steep as 1e-40 no mean of points at 80.
REACH = {n: 100.0 for n in LAYERS if any(word in n for word in ("midpoint", "rechet", "BatchNorm", "Sequ", "local"))}
REACH |= {"HGATConv frechet": 20.0, "HGATConv heads": 20.0}


def far_points(kind: type[Manifold], space: Manifold, dtype: torch.dtype, reach: float | None = None) -> torch.Tensor:
    """Points on the last floats: a unit in the last place inside the rim; at radius 80, or 700."""
    d = torch.nn.functional.normalize(features(7, seed=3), dim=-1)
    if kind is PoincareBall:
        x = torch.eye(3, dtype=dtype)[torch.arange(7) % 3]
        return x * torch.nextafter(torch.ones((), dtype=dtype), torch.zeros((), dtype=dtype))
    far = min(reach or 700.0, 80.0 if dtype is torch.float32 else 700.0)
    return space.from_normal_coordinates(far * d).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", [n for n, case in LAYERS.items() if case.takes == "points"])
def test_values_and_derivatives_are_finite_on_the_last_floats(
    name: str, kind: type[Manifold], dtype: torch.dtype
) -> None:
    case = LAYERS[name]
    space = kind(learnable=True)
    module = case.make(space).to(dtype)
    x = far_points(kind, space, dtype, REACH.get(name)).detach().requires_grad_()
    out = module(x, *case.company)
    assert out.isfinite().all()
    if case.gives == "points":
        assert space.check_point_on_manifold(out)
    seen(case, space, out).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("kind", (*MODELS, Euclidean))
@pytest.mark.parametrize("name", LAYERS)
def test_saving_copies_and_casts(name: str, kind: type[Manifold]) -> None:
    case = LAYERS[name]
    space = kind() if kind is Euclidean else kind(curvature=-0.5, learnable=True)
    module = stirred(case.make(space)).eval()
    if kind is not Euclidean:
        space.log_scale.data.fill_(0.25)
    x = given(case, space, features(dtype=torch.float32)).detach()
    want = module(x, *case.company)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = case.make(kind() if kind is Euclidean else kind(curvature=-0.1, learnable=True)).eval()
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(x, *case.company), want)
    twin = copy.deepcopy(module)
    assert torch.equal(twin(x, *case.company), want)
    for p in twin.parameters():
        p.data.add_(1.0)
    assert torch.equal(module(x, *case.company), want)
    wide = module.double()(x.double(), *case.company)
    assert wide.dtype is torch.float64
    torch.testing.assert_close(wide.float(), want, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(module.float()(x, *case.company), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", LAYERS)
def test_double_points_through_single_weights_stay_double(name: str, kind: type[Manifold]) -> None:
    case, space = LAYERS[name], kind()
    module = stirred(case.make(space)).eval()
    x = given(case, space, features())
    out = module(x, *case.company)
    assert out.dtype is torch.float64
    torch.testing.assert_close(out, module.double()(x, *case.company), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ("Linear mobius", "Linear lorentz", "HGCNConv tangent", "HGATConv tangent"))
def test_autocast_keeps_the_dtype_of_points(name: str) -> None:
    case, space = LAYERS[name], Lorentz()
    module, x = stirred(case.make(space)), space.from_normal_coordinates(features(dtype=torch.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = module(x, *case.company)
    assert out.dtype is torch.float32 and space.check_point_on_manifold(out)
    torch.testing.assert_close(out, module(x, *case.company), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("dtype", (torch.bfloat16, torch.float16), ids=str)
@pytest.mark.parametrize("kind", MODELS)
def test_half_precision_points_are_taken(kind: type[Manifold], dtype: torch.dtype) -> None:
    space = kind()
    x = space.from_normal_coordinates(features(dtype=torch.float32)).to(dtype)
    out = Linear(3, 3, space)(x)
    assert out.dtype is dtype and out.isfinite().all()


@pytest.mark.parametrize("make", (lambda m: Linear(3, 2, m), ToManifold, lambda m: HGCNConv(3, 2, m)))
@pytest.mark.parametrize("manifold", (hypgeo.Klein(), geoopt.Euclidean(), geoopt.PoincareBall(), None), ids=repr)
def test_refuses_a_manifold_without_the_verbs(make: type, manifold: object) -> None:
    with pytest.raises(TypeError, match=r"^(Linear|ToManifold|HGCNConv) needs a manifold with the verbs .*; use Poinc"):
        make(manifold)


def test_refuses_what_are_no_points() -> None:
    ball, hyperboloid = PoincareBall(), Lorentz()
    x = features(dtype=torch.float32)
    with pytest.raises(ValueError, match=r"^Linear takes points on PoincareBall.*2 rows are not inside.*ToManifold"):
        Linear(3, 2, ball)(torch.tensor([[1.5, 0, 0], [0, 0.1, 0], [0, -1, 0]]))
    with pytest.raises(ValueError, match=r"^Linear takes points on Lorentz.*time coordinate of 7 rows.*ToManifold"):
        Linear(2, 2, hyperboloid)(x)
    with pytest.raises(ValueError, match=r"^Linear was made for 4 channels.*last axis of 5 \(time first\).*\(7, 3\)"):
        Linear(4, 2, hyperboloid)(x)
    with pytest.raises(ValueError, match=r"^HGCNConv was made for 4 channels.*got shape \(7, 3\)"):
        HGCNConv(4, 2, ball)(0.1 * x, EDGES)
    x[2, 1] = torch.nan
    with pytest.raises(ValueError, match=r"^ToManifold takes finite points, but x\[2, 1\] is nan; mend"):
        ToManifold(ball)(x)
    with pytest.raises(TypeError, match=r"^Linear takes points as a floating-point tensor .* got torch.int64"):
        Linear(3, 2, ball)(EDGES)
    with pytest.raises(TypeError, match=r"^Linear takes points .* got list"):
        Linear(3, 2, ball)([1.0])
