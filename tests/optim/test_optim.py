"""The optimisers: compiled steps against the manifolds' verbs and geoopt's own, states, groups, and wild steps."""

import copy
import io
from types import SimpleNamespace

import geoopt
import pytest
import torch
from torch import Tensor

from hypgeo.manifolds import Euclidean, HalfSpace, Lorentz, PoincareBall
from hypgeo.optim import RiemannianAdam, RiemannianSGD, SparseRiemannianAdam, SparseRiemannianSGD, _step

MODELS = (PoincareBall, Lorentz, HalfSpace)
RECIPES = {
    "adam": (RiemannianAdam, {"lr": 0.05, "betas": (0.8, 0.9)}),
    "amsgrad, decay": (RiemannianAdam, {"lr": 0.05, "amsgrad": True, "weight_decay": 0.01, "eps": 1e-5}),
    "sgd": (RiemannianSGD, {"lr": 0.02}),
    "momentum": (RiemannianSGD, {"lr": 0.01, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.01}),
    "nesterov": (RiemannianSGD, {"lr": 0.01, "momentum": 0.8, "nesterov": True}),
}


def compiled() -> bool:
    return hasattr(torch.ops.hypgeo, "optim_step")


def points(cls, n: int, k: int, dtype=torch.float64, seed: int = 0, curvature: float = -1.0) -> Tensor:
    m = cls(curvature=curvature) if cls is not Euclidean else cls()
    g = torch.Generator().manual_seed(seed)
    return m.random_normal(n, k, std=0.5, dtype=torch.float64, generator=g).to(dtype)


def descend(optimiser, manifold, start: Tensor, steps: int, **options) -> SimpleNamespace:
    """The way to the starts in another order."""
    p = geoopt.ManifoldParameter(start.clone(), manifold=manifold)
    opt = optimiser([p], **options)
    target = start.flip(0)
    for _ in range(steps):
        opt.zero_grad()
        manifold.dist(p, target).square().sum().backward()
        opt.step()
    return SimpleNamespace(point=p.detach(), state=opt.state[p], opt=opt)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("cls", MODELS)
def test_the_compiled_step_is_the_verbs(cls, recipe, dtype, monkeypatch):
    """21 rows, so that the last register is not full; the tolerance is a few roundings a step."""
    optimiser, options = RECIPES[recipe]
    m, start = cls(curvature=-0.7), points(cls, 21, 4, dtype, curvature=-0.7)
    fast = descend(optimiser, m, start, 10, **options)
    monkeypatch.setattr(_step, "_MODELS", [])
    slow = descend(optimiser, m, start, 10, **options)
    eps = torch.finfo(dtype).eps
    assert float((fast.point - start).norm()) > 0.1
    torch.testing.assert_close(fast.point, slow.point, rtol=100 * eps, atol=100 * eps)
    assert fast.state.keys() == slow.state.keys()
    for name, value in slow.state.items():
        if isinstance(value, Tensor):
            scale = float(value.abs().max())
            torch.testing.assert_close(fast.state[name], value, rtol=1e3 * eps, atol=1e3 * eps * scale)


@pytest.mark.skipif(not compiled(), reason="counts calls of the compiled step")
def test_the_compiled_step_is_taken(monkeypatch):
    monkeypatch.setattr(_step, "_by_verbs", lambda *_: pytest.fail("the verbs were used"))
    for cls in MODELS:
        for dtype in (torch.float32, torch.float64):
            for recipe, (optimiser, options) in RECIPES.items():
                if recipe != "nesterov":
                    descend(optimiser, cls(), points(cls, 3, 3, dtype), 2, **options)


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (RiemannianAdam, geoopt.optim.RiemannianAdam, {"lr": 0.03, "weight_decay": 0.01}),
        (RiemannianAdam, geoopt.optim.RiemannianAdam, {"lr": 0.03, "amsgrad": True, "stabilize": 4}),
        (RiemannianSGD, geoopt.optim.RiemannianSGD, {"lr": 0.02}),
    ],
)
def test_geoopts_way_in_the_ball(ours, theirs, options):
    start = points(PoincareBall, 6, 3)
    a = descend(ours, PoincareBall(), start, 30, **options)
    b = descend(theirs, geoopt.PoincareBallExact(c=1.0), start, 30, **options)
    c = descend(ours, geoopt.PoincareBallExact(c=1.0), start, 30, **options)  # geoopt's manifold by its own verbs
    torch.testing.assert_close(a.point, b.point, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(c.point, b.point, rtol=1e-12, atol=1e-12)
    assert a.state.keys() == b.state.keys()
    for name in a.state:
        if isinstance(a.state[name], Tensor):
            torch.testing.assert_close(a.state[name], b.state[name], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("recipe", RECIPES)
def test_flat_parameters_go_geoopts_way(recipe):
    optimiser, options = RECIPES[recipe]
    options = {**options, "weight_decay": 0.0}  # which geoopt leaves out of the first momentum
    theirs = getattr(geoopt.optim, optimiser.__name__)
    found = []
    for make in (optimiser, theirs):
        p = torch.nn.Parameter(torch.linspace(-1, 1, 12, dtype=torch.float64).view(4, 3))
        opt = make([p], **options)
        for i in range(8):
            p.grad = torch.sin(p.detach() * (i + 1))
            opt.step()
        found.append(p.detach())
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-14)


def test_momentum_starts_from_the_riemannian_gradient():
    m, x = PoincareBall(), torch.tensor([[0.6, 0.0]], dtype=torch.float64)
    p = geoopt.ManifoldParameter(x.clone(), m)
    opt = RiemannianSGD([p], lr=0.0, momentum=0.9)
    p.grad = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    opt.step()
    torch.testing.assert_close(opt.state[p]["momentum_buffer"], 1.9 * m.egrad2rgrad(x, p.grad))


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("cls", MODELS)
def test_thousands_of_wild_steps_never_leave(cls, dtype):
    """Steps of length 3 or so, out to the rim and back again and again."""
    steps = 10000 if cls is PoincareBall else 1000
    m = cls(curvature=-2.0)
    p = geoopt.ManifoldParameter(points(cls, 8, 3, dtype, curvature=-2.0), m)
    opt = RiemannianAdam([p], lr=3.0, betas=(0.5, 0.6))
    g = torch.Generator().manual_seed(1)
    noise = 0.3 * torch.randn(steps, 8, 3, dtype=dtype, generator=g)
    farthest = 0.0
    for i in range(steps):
        out = p.detach() / p.detach().norm(dim=-1, keepdim=True)
        p.grad = noise[i] + (out if i // 15 % 2 else -out)
        opt.step()
        if i % 100 == 14:
            assert m.check_point_on_manifold(p.detach()) and opt.state[p]["exp_avg"].isfinite().all()
            farthest = max(farthest, float(m.dist0(p.detach()).max()))
    assert farthest > 10


@pytest.mark.parametrize("cls", MODELS)
def test_a_finite_gradient_never_spoils_a_point(cls):
    """Where the step cannot be told in floats, the point stays."""
    m, start = cls(), points(cls, 4, 3, torch.float32)
    p = geoopt.ManifoldParameter(start.clone(), m)
    opt = RiemannianAdam([p], lr=0.1)
    p.grad = torch.full((4, 3), 3e38)
    opt.step()
    assert m.check_point_on_manifold(p.detach()) and opt.state[p]["exp_avg"].isfinite().all()


@pytest.mark.parametrize("cls", MODELS)
def test_rows_that_the_kernel_leaves(cls):
    """Steps beyond every exponent, NaN gradients: what the verbs make of them, and the other rows are not touched."""
    m, start = cls(), points(cls, 9, 3)
    grad = torch.full_like(start, 1e-3)
    grad[2], grad[5] = 1e6, float("nan")
    p = geoopt.ManifoldParameter(start.clone(), m)
    opt = RiemannianSGD([p], lr=1.0)
    p.grad = grad.clone()
    opt.step()
    want = m.retr(start, -m.egrad2rgrad(start, grad))
    torch.testing.assert_close(p.detach(), want, rtol=1e-12, atol=1e-12, equal_nan=True)
    assert m.check_point_on_manifold(p.detach()[[i for i in range(9) if i != 5]])


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("cls", MODELS)
def test_state_goes_both_ways(cls, recipe):
    """Saved after 3 steps and loaded: the same 3 steps more; a state of geoopt's loads, and ours loads in geoopt's."""
    optimiser, options = RECIPES[recipe]
    theirs = getattr(geoopt.optim, optimiser.__name__)
    start = points(cls, 5, 3)

    def go(p, opt, seed):
        g = torch.Generator().manual_seed(seed)
        for _ in range(3):
            p.grad = 0.1 * torch.randn(p.shape, dtype=p.dtype, generator=g)
            opt.step()

    def make(kind, at):
        p = geoopt.ManifoldParameter(at.clone(), cls())
        return p, kind([p], **options)

    for first, second in ((optimiser, optimiser), (theirs, optimiser), (optimiser, theirs)):
        p, opt = make(first, start)
        go(p, opt, 1)
        file = io.BytesIO()
        torch.save(opt.state_dict(), file)
        file.seek(0)
        q, other = make(second, p.detach())
        other.load_state_dict(torch.load(file, weights_only=True))
        go(p, opt, 2)
        go(q, other, 2)
        tolerance = 1e-5 if second is theirs else 1e-9  # a loaded step makes geoopt's Adam correct its bias in float32
        torch.testing.assert_close(q.detach(), p.detach(), rtol=tolerance, atol=tolerance)


def test_closures_groups_and_missing_gradients():
    ball, lorentz = PoincareBall(), Lorentz(learnable=True)
    a, b, idle = (
        geoopt.ManifoldParameter(points(c, 4, 3), m)
        for c, m in ((PoincareBall, ball), (Lorentz, lorentz), (PoincareBall, ball))
    )
    flat = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    opt = RiemannianAdam(
        [{"params": [a, idle]}, {"params": [b, flat], "lr": 0.2}, {"params": [lorentz.log_scale], "lr": 0.01}],
        lr=0.1,
        stabilize=5,
    )
    before = idle.detach().clone()
    target, far = points(PoincareBall, 4, 3, seed=3), points(Lorentz, 4, 3, seed=3)

    def closure():
        opt.zero_grad()
        loss = ball.dist2(a, target).sum() + lorentz.dist2(b, far).sum() + flat.square().sum()
        loss.backward()
        return loss

    first = float(opt.step(closure))
    for _ in range(100):
        last = opt.step(closure)
    assert float(last) < 1e-3 * first and torch.equal(idle.detach(), before) and not opt.state.get(idle)
    assert opt.step() is None and float(lorentz.log_scale) != 0.0
    twin = copy.deepcopy(opt)
    assert twin.state_dict()["state"].keys() == opt.state_dict()["state"].keys()
    for group in twin.param_groups:
        for p in group["params"]:
            p.grad = torch.ones_like(p)
    twin.step()
    assert not torch.equal(twin.param_groups[0]["params"][0].detach(), a.detach())


def test_the_gradient_is_left_alone():
    p = geoopt.ManifoldParameter(points(PoincareBall, 4, 3), PoincareBall())
    for opt in (RiemannianAdam([p], weight_decay=0.5), RiemannianSGD([p], lr=0.1, momentum=0.9, weight_decay=0.5)):
        p.grad = torch.ones_like(p)
        opt.step()
        assert torch.equal(p.grad, torch.ones_like(p))


@pytest.mark.parametrize("shape", ((3,), (2, 3, 3), (0, 3)))
def test_any_leading_shape(shape):
    m = PoincareBall()
    start = 0.3 * torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for layout in (
        start.clone(),
        start.clone().unsqueeze(-1).expand(*shape, 2).clone()[..., 0],
    ):  # the second with strides
        p = geoopt.ManifoldParameter(layout, m)
        p.grad = torch.ones(shape, dtype=torch.float64)
        RiemannianSGD([p], lr=0.1).step()
        torch.testing.assert_close(p.detach(), m.retr(start, -0.1 * m.egrad2rgrad(start, torch.ones_like(start))))


@pytest.mark.parametrize("make", ("adam", "amsgrad", "sgd", "momentum"))
@pytest.mark.parametrize("cls", (*MODELS, Euclidean))
def test_sparse_rows_move_as_dense_ones_and_alone(cls, make):
    m, start = cls(), points(cls, 8, 3)
    sparse, dense, options = {
        "adam": (SparseRiemannianAdam, RiemannianAdam, {"lr": 0.1}),
        "amsgrad": (SparseRiemannianAdam, RiemannianAdam, {"lr": 0.1, "amsgrad": True}),
        "sgd": (SparseRiemannianSGD, RiemannianSGD, {"lr": 0.1}),
        "momentum": (SparseRiemannianSGD, RiemannianSGD, {"lr": 0.1, "momentum": 0.5}),
    }[make]
    rows = torch.tensor([1, 4, 6])
    table = geoopt.ManifoldParameter(start.clone(), m)
    few = geoopt.ManifoldParameter(start[rows].clone(), m)
    one, other = sparse([table], **options), dense([few], **options)
    g = torch.Generator().manual_seed(1)
    for _ in range(5):
        grad = 0.2 * torch.randn(3, 3, dtype=torch.float64, generator=g)
        few.grad = grad.clone()
        index = torch.cat((rows, rows[:1]))  # not coalesced
        table.grad = torch.sparse_coo_tensor(
            index[None], torch.cat((grad - torch.eye(3)[0], torch.zeros(1, 3))), (8, 3)
        )
        table.grad = table.grad + torch.sparse_coo_tensor(
            rows[None], torch.eye(3, dtype=torch.float64)[0].repeat(3, 1), (8, 3)
        )
        one.step()
        other.step()
    torch.testing.assert_close(table.detach()[rows], few.detach(), rtol=1e-10, atol=1e-10)
    rest = [0, 2, 3, 5, 7]
    assert torch.equal(table.detach()[rest], start[rest])


def test_the_wrong_gradient_is_named():
    p = geoopt.ManifoldParameter(points(PoincareBall, 4, 3), PoincareBall())
    p.grad = torch.ones(4, 3, dtype=torch.float64).to_sparse(1)
    for make, remedy in ((RiemannianAdam, "SparseRiemannianAdam"), (RiemannianSGD, "SparseRiemannianSGD")):
        with pytest.raises(RuntimeError, match=f"use {remedy}"):
            make([p], lr=0.1).step()
    p.grad = torch.ones(4, 3, dtype=torch.float64)
    for make, remedy in ((SparseRiemannianAdam, "RiemannianAdam"), (SparseRiemannianSGD, "RiemannianSGD")):
        with pytest.raises(RuntimeError, match=f"use {remedy}"):
            make([p], lr=0.1).step()
