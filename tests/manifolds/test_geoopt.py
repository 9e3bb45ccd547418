"""geoopt's parameters and optimisers take the manifolds; modules copy, save, load and move."""

import copy
import io

import geoopt
import pytest
import torch
from registry import MANIFOLDS

from hypgeo.manifolds import Euclidean, HalfSpace, Lorentz, PoincareBall, convert
from hypgeo.optim import RiemannianAdam, RiemannianSGD, SparseRiemannianAdam, SparseRiemannianSGD

OPTIMISERS = {
    "adam": (lambda p: RiemannianAdam(p, lr=0.2, betas=(0.8, 0.95)), torch.float32),
    "amsgrad": (lambda p: RiemannianAdam(p, lr=0.3, betas=(0.8, 0.95), amsgrad=True), torch.float64),
    "sgd": (lambda p: RiemannianSGD(p, lr=0.2), torch.float64),
    "momentum": (lambda p: RiemannianSGD(p, lr=0.06, momentum=0.8), torch.float32),
}


@pytest.mark.parametrize("name", MANIFOLDS)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_optimiser_finds_the_point(name, optimiser):
    make, coordinates = MANIFOLDS[name]
    start_optimiser, dtype = OPTIMISERS[optimiser]
    m = make().requires_grad_(False)
    g = torch.Generator().manual_seed(1)
    std = 0.6 * min(1.0, float(m.radius))
    target, start = (m.random_normal(6, coordinates, std=std, dtype=dtype, generator=g) for _ in range(2))
    p = geoopt.ManifoldParameter(start.clone(), manifold=m)
    opt = start_optimiser([p])
    slower = torch.optim.lr_scheduler.ExponentialLR(opt, 0.96)
    for _ in range(130):
        opt.zero_grad()
        m.dist2(p, target).sum().backward()
        opt.step()
        slower.step()
        assert m.check_point_on_manifold(p.data), "a step left the manifold"
    assert float(m.dist(start, target).min()) > 0.1
    assert float(m.dist(p.detach(), target).max()) < 1e-2
    assert isinstance(p, geoopt.ManifoldParameter) and p.dtype == dtype


@pytest.mark.parametrize("cls", (PoincareBall, Lorentz, HalfSpace))
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
def test_wild_steps_stay_on_the_manifold(cls, dtype):
    """Steps far beyond the rim, where a naive update leaves the ball and turns nan."""
    m = cls()
    coordinates = 4 if cls is Lorentz else 3
    p = geoopt.ManifoldParameter(m.random(50, coordinates, dtype=dtype, generator=torch.Generator().manual_seed(2)), m)
    opt = RiemannianAdam([p], lr=3.0)
    for _ in range(8):
        opt.zero_grad()
        (-m.dist0(p)).sum().backward()
        opt.step()
        assert torch.isfinite(p).all() and m.check_point_on_manifold(p.data)
    assert float(m.dist0(p.detach()).min()) > 10


@pytest.mark.parametrize("make", (SparseRiemannianAdam, SparseRiemannianSGD))
@pytest.mark.parametrize("cls", (PoincareBall, Lorentz, HalfSpace, Euclidean))
def test_sparse_gradients_move_only_their_rows(make, cls):
    m = cls()
    start = m.random(10, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    table = torch.nn.Embedding(10, 4, sparse=True, dtype=torch.float64)
    table.weight = geoopt.ManifoldParameter(start.clone(), manifold=m)
    opt = make(table.parameters(), lr=0.1)
    rows = torch.tensor([1, 4, 7])
    before = m.dist(start[rows], start[[0, 2, 3]])
    for _ in range(30):
        opt.zero_grad()
        m.dist2(table(rows), start[[0, 2, 3]]).sum().backward()
        opt.step()
    others = [i for i in range(10) if i not in (1, 4, 7)]
    assert torch.equal(table.weight.data[others], start[others])
    assert (m.dist(table.weight.data[rows], start[[0, 2, 3]]) < before).all()


@pytest.mark.parametrize("cls", (PoincareBall, Lorentz, HalfSpace))
def test_curvature_is_kept_exactly_and_learns(cls):
    assert float(cls(curvature=-0.1).curvature) == -0.1
    assert float(cls(curvature=-0.1).c) == 0.1
    assert cls(curvature=-4.0).radius == 0.5
    assert cls(curvature=torch.tensor(-0.1)).curvature.dtype == torch.float32
    m = cls(curvature=-0.3, learnable=True)
    assert float(m.curvature) == -0.3 and sum(p.numel() for p in m.parameters()) == 1
    x, y = (m.random(20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(i)) for i in (4, 5))
    if cls is Lorentz:  # the spatial floats stay, and the time follows the curvature
        assert float(m.dist(m.projx(x), m.projx(y)).min()) > 0
    want = cls(curvature=-0.7).dist(x, y) if cls is not PoincareBall else cls(curvature=-0.5).dist(x, y)
    goal = -0.7 if cls is not PoincareBall else -0.5
    opt = torch.optim.Adam(m.parameters(), lr=0.1)
    for _ in range(300):
        opt.zero_grad()
        (m.dist(x, y) - want).square().mean().backward()
        opt.step()
    assert float(m.curvature) == pytest.approx(goal, rel=1e-3)


@pytest.mark.parametrize(
    "verb", ("dist", "dist2", "expmap", "logmap", "transp", "frechet_mean", "geodesic", "busemann")
)
@pytest.mark.parametrize("cls", (PoincareBall, Lorentz, HalfSpace))
def test_derivative_in_the_curvature(cls, verb):
    x, y, v = (HalfSpace().random(5, 4, dtype=torch.float64) for _ in range(3))
    x, y = (0.4 * t / (1 + t.norm(dim=-1, keepdim=True)) for t in (x, y))
    x, y = x.abs() + 0.01, y.abs() + 0.01  # valid in every model for every curvature tried
    v = 0.1 * v

    def value(k):
        m = cls(curvature=float(k))
        m.K0 = k
        d = (
            torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
            if cls is Lorentz
            else torch.eye(4, dtype=torch.float64)[1]
        )
        calls = {
            "expmap": lambda: m.expmap(x, v),
            "transp": lambda: m.transp(x, y, v),
            "frechet_mean": lambda: m.frechet_mean(x),
            "geodesic": lambda: m.geodesic(0.3, x, y),
            "busemann": lambda: m.busemann(x, d),
        }
        return calls.get(verb, lambda: getattr(m, verb)(x, y))()

    k = torch.tensor(-0.8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(value, (k,), atol=1e-7)


@pytest.mark.parametrize("cls", (PoincareBall, Lorentz, HalfSpace))
def test_module_round_trips(cls):
    class Model(torch.nn.Module):
        def __init__(self, k):
            super().__init__()
            self.manifold = cls(curvature=k, learnable=True)
            self.points = geoopt.ManifoldParameter(self.manifold.origin(3, 4, dtype=torch.float64), self.manifold)

        def forward(self, x):
            return self.manifold.dist(self.points, x)

    model = Model(-0.7)
    x = model.manifold.random(3, 4, dtype=torch.float64)
    twin = copy.deepcopy(model)
    assert twin.points.manifold is twin.manifold and twin.manifold is not model.manifold
    assert torch.equal(twin(x), model(x))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = Model(-2.0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(x), model(x)) and float(other.manifold.curvature) == -0.7
    assert model.float().manifold.curvature.dtype == torch.float32
    assert model(x.float()).dtype == torch.float32
    assert model.to("meta").manifold.curvature.device.type == "meta"


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16, torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("name", MANIFOLDS)
def test_dtype_and_shape_follow_the_input(name, dtype):
    make, k = MANIFOLDS[name]
    m = make()
    x, y = m.random(2, 1, 5, k, dtype=dtype), m.random(3, 1, k, dtype=dtype)
    assert m.dist(x, y).shape == (2, 3, 5) and m.dist(x, y, keepdim=True).shape == (2, 3, 5, 1)
    for out in (m.logmap(x, y), m.expmap(x, m.logmap(x, y)), m.transp(x, y, m.logmap(x, y)), m.geodesic(0.5, x, y)):
        assert out.shape == (2, 3, 5, k) and out.dtype == dtype and torch.isfinite(out).all()
    assert m.pairwise_dist(x, y.squeeze(1)).shape == (2, 1, 5, 3)
    assert m.dist0(x).shape == m.inner(x, m.logmap(x, y[0])).shape == (2, 1, 5)
    assert m.frechet_mean(x).shape == m.midpoint(x).shape == (2, 1, k)
    assert m.frechet_mean(x, dim=0).shape == (1, 5, k)
    assert m.origin(4, k, dtype=dtype).dtype == dtype and float(m.dist0(m.origin(4, k, dtype=dtype)).abs().max()) == 0
    assert m.dist(x, y).dtype == m.dist0(x).dtype == m.norm(x, m.logmap(x, x)).dtype == dtype


def test_from_geoopt():
    x, y = (0.5 * torch.rand(5, 3, dtype=torch.float64) for _ in range(2))
    theirs = geoopt.PoincareBall(c=torch.tensor(0.4, dtype=torch.float64))
    ours = PoincareBall.from_geoopt(theirs)
    assert float(ours.curvature) == pytest.approx(-0.4, rel=1e-12)
    torch.testing.assert_close(ours.dist(x, y), theirs.dist(x, y), rtol=1e-9, atol=1e-12)
    theirs = geoopt.Lorentz(k=torch.tensor(4.0, dtype=torch.float64))
    ours = Lorentz.from_geoopt(theirs)
    assert float(ours.curvature) == -0.25
    x, y = (convert(t, PoincareBall(curvature=-0.25), ours) for t in (x, y))
    torch.testing.assert_close(ours.dist(x, y), theirs.dist(x, y), rtol=1e-9, atol=1e-12)
    assert PoincareBall.from_geoopt(geoopt.PoincareBall(c=1.0, learnable=True)).log_scale is not None
    for cls in (PoincareBall, Lorentz):
        with pytest.raises(ValueError, match="from_geoopt wants a geoopt"):
            cls.from_geoopt(geoopt.Euclidean())


@pytest.mark.parametrize("cls", (PoincareBall, Lorentz, HalfSpace))
def test_wrong_curvature_names_the_right_call(cls):
    with pytest.raises(ValueError, match=rf"call {cls.__name__}\(curvature=-1\.5\)"):
        cls(curvature=1.5)
    with pytest.raises(ValueError, match=r"use Euclidean\(\)"):
        cls(curvature=0.0)
    with pytest.raises(ValueError, match="finite"):
        cls(curvature=float("nan"))
    with pytest.raises(TypeError, match="number or a tensor"):
        cls(curvature="steep")
    with pytest.raises(ValueError, match="PoincareBall"):
        Euclidean(curvature=-1.0)
    with pytest.raises(AttributeError):
        cls().c = 2.0


@pytest.mark.parametrize("name", MANIFOLDS)
def test_bad_tensors_are_refused(name):
    m = MANIFOLDS[name][0]()
    with pytest.raises(TypeError, match="floating"):
        m.dist0(torch.ones(3, 4, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"torch\.Tensor"):
        m.expmap0([0.1, 0.2, 0.3])
    x = m.random(5, 4)
    with pytest.raises(ValueError, match="axis of the points"):
        m.frechet_mean(x, dim=-1)
    with pytest.raises(ValueError, match="non-negative"):
        m.midpoint(x, weights=torch.tensor([1.0, -1.0, 1.0, 1.0, 1.0]))


def test_checks_explain():
    ok, reason = PoincareBall().check_point_on_manifold(torch.tensor([[0.1, 0.2], [0.8, 0.6001]]), explain=True)
    assert not ok and reason.startswith("1 rows are not inside")
    ok, reason = Lorentz().check_point_on_manifold(torch.tensor([[2.0, 0.2, 0.3]]), explain=True)
    assert not ok and "projx" in reason
    ok, reason = Lorentz().check_vector_on_tangent(Lorentz().origin(3), torch.tensor([1.0, 0.2, 0.3]), explain=True)
    assert not ok and "proju" in reason
    assert not HalfSpace().check_point_on_manifold(torch.tensor([0.1, 0.0]))
    assert not Euclidean().check_point_on_manifold(torch.tensor([0.1, float("inf")]))
    with pytest.raises(ValueError, match="time first"):
        geoopt.ManifoldParameter(torch.ones(3, 1), manifold=Lorentz())


@pytest.mark.parametrize("name", ("ball, K=-0.3", "hyperboloid", "half-space", "flat"))
@pytest.mark.parametrize("verb", ("dist", "dist2", "expmap", "logmap", "transp", "geodesic"))
def test_torch_transforms(name, verb):
    """vmap, jvp, a Hessian and a full-graph trace give what the plain call and autograd give."""
    make, k = MANIFOLDS[name]
    m = make()
    g = torch.Generator().manual_seed(6)
    x, y = (m.random_normal(5, k, std=0.5, dtype=torch.float64, generator=g) for _ in range(2))
    calls = {"transp": lambda a, b: m.transp(a, b, m.logmap(a, b)), "geodesic": lambda a, b: m.geodesic(0.3, a, b)}
    f = calls.get(verb, getattr(m, verb))
    want = f(x, y)
    torch.testing.assert_close(torch.func.vmap(f)(x, y), want)
    torch.testing.assert_close(torch.func.vmap(f, (None, 0))(x[0], y), f(x[0], y))
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(f, fullgraph=True, backend="eager")(x, y), want)
    forward = torch.func.jvp(f, (x, y), (y, x))[1]
    step = 1e-6
    torch.testing.assert_close(forward, (f(x + step * y, y + step * x) - f(x - step * y, y - step * x)) / 2 / step)
    assert torch.func.hessian(lambda a: f(a, y[0]).sum())(x[0]).isfinite().all()
