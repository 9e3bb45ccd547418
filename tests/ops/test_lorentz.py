"""The hyperboloid's ops against exact results on the very floats given, and in every use of tensors and autograd."""

import inspect

import pytest
import torch
from torch import Tensor

from hypgeo.manifolds import Lorentz
from hypgeo.ops import lorentz
from hypgeo.testing.measure import Exact, measure, worst
from hypgeo.testing.reference import OPS, exact, ulps
from hypgeo.testing.samples import Draw, regimes

DTYPES = (torch.float32, torch.float64)
COMPILED = "cpu" in lorentz.expmap.devices
# op -> how it is called from the arguments of the verb, which come in another order in places
ROWS = {
    **dict.fromkeys(("dist0", "logmap0", "projx"), "p"),
    **dict.fromkeys(("dist", "dist2", "logmap", "mobius_add"), "pp"),
    **dict.fromkeys(("expmap", "length", "proju", "transp0"), "pv"),
    "expmap0": "o",
    "geodesic": "ppn",
    "mobius_scalar_mul": "pn",
    "inner": "pvv",
    "egrad2rgrad": "pv",
    "busemann": "pu",
    **dict.fromkeys(("transp", "gyration", "hyperplane_dist"), "ppv"),
}
VERBS = [name for name in OPS if name in ROWS or name in ("norm", "mobius_matvec")]
NUMBERS = {"dist", "dist2", "dist0", "inner", "length", "busemann", "hyperplane_dist"}

# Regimes of hypgeo.testing.samples: where a plain formula in float64 holds, and the rest.
EASY = {"generic", "r=1", "from r<1: length 1", "length 1", "c=0.1", "c=10"}
HARD = {
    *("1e-06 apart at r<1", "1e-06 apart at r=5", "1e-12 apart at r=10", "floats apart at r=1", "floats apart at r=5"),
    *("both at r=0.001", "both at r=5", "both at r=10", "both at r=15", "both at r=30", "both at r=50"),
    *("both at r=1e-20", "r<1 to r=20", "r=15 to the origin", "collinear", "opposite at r=5", "opposite at r=15"),
    *(
        "equal at r=1",
        "equal at r=10",
        "c=1e-06",
        "c=0.001",
        "c=1000",
        "c=1e-06 at distance 1",
        "c=1e-06, 0.0001 apart",
    ),
    *("r=1e-20", "r=1e-06", "r=5", "r=10", "r=15", "r=30", "r=50", "length 1e-20", "length 0.001", "length 40"),
    *("length 1e-20 from r<1", "length 1 from r=5", "length 10 from r=10", "length 1e-06 from r=10"),
    *("back through the origin",),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("op", VERBS)
def test_values_and_derivatives_are_right(op: str, dtype: torch.dtype) -> None:
    """Values to 1 ulp and a rounding of each coordinate, derivatives in all arguments and in c to 4 ulp, in 1 to 64
    dimensions; far less is asked of the plain bodies."""
    most = {"value": 1.5, "grad": 4.0, "c": 4.0} if COMPILED else {"value": 40.0}
    seen = 0
    for i, regime in enumerate(regimes(op)):
        if regime.name not in EASY and not (COMPILED and regime.name in HARD):
            continue
        manifold = Lorentz(curvature=-float(torch.tensor(regime.c, dtype=dtype)))
        draw = Draw(manifold, (5, 2, 64, 1)[i % 4 if i % 8 else 0], dtype, (op, i))
        samples = draw.many(1 if draw.dim == 64 else 2, regime.sample)
        if not samples:
            continue
        truth = Exact(draw.reference, op, draw.tensors(OPS[op].kinds, samples))
        for what, found in measure(manifold, truth, tuple(most), curved=Lorentz).items():
            f = worst(found)
            assert not f.flag and f.ulp <= most[what], f"{regime.name}, d={draw.dim}: {what} {f.flag} {f.ulp:.1f} ulp"
            seen += len(found)
    assert seen >= 4


def spread(*shape: int, seed: int = 0, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Tensor:
    return (scale * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))).to(dtype)


def arguments(op: str, batch: tuple[int, ...] = (3,), d: int = 3, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Random arguments but for c; times of points and vectors are what they should be."""
    points = [lorentz.projx(spread(*batch, 1 + d, seed=s, dtype=dtype), 0.7) for s in (1, 2)]
    out: list[Tensor] = []
    for i, kind in enumerate(ROWS[op]):
        if kind == "p":
            out.append(points[i])
        elif kind == "u":
            out.append(spread(*batch, d, seed=5, dtype=dtype))
        elif kind == "n":
            out.append(spread(*batch, seed=6))
        else:
            v = spread(*batch, 1 + d, seed=7 + i, dtype=dtype)
            out.append(v if op == "egrad2rgrad" else lorentz.proju(points[0], v, 0.7))
    return out


@pytest.mark.parametrize("op", ROWS)
def test_first_and_second_derivatives(op: str) -> None:
    f = getattr(lorentz, op)
    args = [a.requires_grad_() for a in arguments(op, (2,), 2)]
    c = torch.tensor([0.7, 0.4], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(f, (*args, c))
    assert torch.autograd.gradgradcheck(f, (*args, c), fast_mode=True)


@pytest.mark.parametrize("op", ROWS)
def test_the_body_agrees_and_its_derivatives(op: str) -> None:
    f = getattr(lorentz, op)
    args = [a.requires_grad_() for a in arguments(op, (20,), 4)]
    c = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    body = f.reference(*(a.unsqueeze(-1) if a.dim() == 1 else a for a in args), c)
    results = [f(*args, c), body.squeeze(-1) if op in NUMBERS else body]
    torch.testing.assert_close(*results, rtol=1e-13, atol=1e-14)
    both = [torch.autograd.grad(r.cos().sum(), (*args, c), allow_unused=True) for r in results]
    for a, b in zip(*both, strict=True):
        torch.testing.assert_close(0 * c if a is None else a, 0 * c if b is None else b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("op", ROWS)
def test_shapes_strides_and_dtypes_change_nothing(op: str) -> None:
    f = getattr(lorentz, op)
    args = arguments(op, (4, 3))
    c = 0.5 + spread(4, 3, seed=3).abs()
    whole = f(*args, c)
    assert whole.shape[:2] == (4, 3) and whole.dim() == 3 - (op in NUMBERS) and whole.dtype is torch.float64
    one_by_one = [f(*(a[i, j] for a in args), c[i, j]) for i in range(4) for j in range(3)]
    assert torch.equal(whole, torch.stack(one_by_one).reshape(whole.shape))
    turned = [a.transpose(0, -1).contiguous().transpose(0, -1) for a in args]
    assert torch.equal(f(*turned, c.T.contiguous().T), whole)
    last = [a if i == 0 else a[0] for i, a in enumerate(args)]  # broadcast against the first
    wide = [a if i == 0 else a[:1].expand(a.shape) for i, a in enumerate(args)]
    assert torch.equal(f(*last, 0.7), f(*wide, torch.full((4, 1), 0.7, dtype=torch.float64)))
    assert f(*(a[:, :0] for a in args), 0.7).shape[:2] == (4, 0)
    for dtype in (torch.float16, torch.bfloat16):
        half = [a.to(dtype) if a.dim() > 2 else a for a in args]
        out = f(*half, 0.7)
        assert out.dtype is dtype
        torch.testing.assert_close(out, f(*(a.to(torch.float32) for a in half), 0.7).to(dtype))


@pytest.mark.parametrize("op", ROWS)
def test_no_coordinates_but_time(op: str) -> None:
    """The hyperboloid of dimension 0 is a point."""
    args = arguments(op, (2,), 0)
    out = getattr(lorentz, op)(*args, 0.7)
    if op != "busemann":  # no direction either: NaN
        assert torch.equal(out[..., 1:] if op not in NUMBERS else out, torch.zeros_like(out[..., op not in NUMBERS :]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("radius", (0.0, 1e-20, 1.0, 12.0))
def test_exact_zeros(dtype: torch.dtype, radius: float) -> None:
    x = lorentz.expmap0(radius * torch.nn.functional.normalize(spread(5, 4, dtype=dtype), dim=-1), 0.7)
    x = lorentz.projx(x, 0.7)  # the time of these very floats
    p = x.clone().requires_grad_()
    for op in (lorentz.dist, lorentz.dist2):
        (g,) = torch.autograd.grad(op(p, x, 0.7).sum(), p)
        assert not op(x, x, 0.7).any() and not g.any()
    assert not lorentz.logmap(x, x, 0.7).any()
    assert torch.equal(lorentz.expmap(x, torch.zeros_like(x), 0.7), x)
    assert not lorentz.mobius_add(-x, x, 0.7)[:, 1:].any()
    assert torch.equal(lorentz.mobius_scalar_mul(x, 1.0, 0.7), x)
    u = spread(5, 4, dtype=dtype)
    assert torch.equal(lorentz.transp(x, x, u, 0.7)[:, 1:], u[:, 1:])
    assert not lorentz.hyperplane_dist(u, x, torch.zeros_like(x), 0.7).any()
    v = torch.zeros_like(x).requires_grad_()
    (g,) = torch.autograd.grad(lorentz.length(x, v, 0.7).sum(), v)
    assert not lorentz.length(x, v, 0.7).any() and not g.any()
    origin = lorentz.projx(torch.zeros_like(x), 0.7).requires_grad_()
    (g,) = torch.autograd.grad(lorentz.dist0(origin, 0.7).sum(), origin)
    assert not lorentz.dist0(origin, 0.7).any() and not g.any()
    assert not lorentz.busemann(origin, u[:, 1:], 0.7).any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_points_beyond_the_floats_land_in_their_direction(dtype: torch.dtype) -> None:
    least = 60.0 if dtype == torch.float32 else 300.0
    v = torch.tensor([[0.0, 0.6, -0.8]], dtype=dtype)
    for length in (100.0, 800.0, 1e6):
        y = lorentz.expmap0(length * v, 1.0)
        r = float(lorentz.dist0(y, 1.0))
        assert y.isfinite().all() and min(length, least) * (1 - 1e-6) < r <= length * (1 + 1e-6)
        torch.testing.assert_close(y[:, 1:] / y[:, :1], v[:, 1:])
        assert lorentz.expmap(y, y, 1.0).isfinite().all() and lorentz.mobius_add(y, y, 1.0).isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_wrong_time_changes_nothing(dtype: torch.dtype) -> None:
    for op in ROWS:
        args = arguments(op, dtype=dtype)
        wrong = list(args)
        for i, kind in enumerate(ROWS[op]):
            if kind in "pvo" and (op, i) != ("egrad2rgrad", 1):
                wrong[i] = torch.cat((args[i][:, :1] + 9, args[i][:, 1:]), -1)
        assert torch.equal(getattr(lorentz, op)(*args, 0.7), getattr(lorentz, op)(*wrong, 0.7))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_riemannian_gradient_of_a_rounded_gradient(dtype: torch.dtype) -> None:
    """egrad2rgrad and projx and proju against exact numbers; an optimiser's gradient is right where it lives."""
    manifold = Lorentz(curvature=-float(torch.tensor(0.7, dtype=dtype)))
    radii = (1.0, 5.0) if dtype == torch.float32 else (1.0, 5.0, 10.0)
    for radius in radii:
        draw = Draw(manifold, 4, dtype, radius)
        x, y = draw.tensors("pp", draw.many(6, lambda g, r=radius: ((p := g.point(r)), g.neighbour(p, 0.1))))
        p = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(manifold.dist(p, y).sum(), p)
        rgrad = manifold.egrad2rgrad(x, g)
        for i in range(len(x)):
            assert ulps(manifold.projx(x)[i], draw.reference.chart.lift(x[i, 1:]), dtype) <= 1
            assert ulps(manifold.proju(x, y)[i], draw.reference.pushed(x[i], exact(y[i, 1:])), dtype) <= 1
            assert ulps(rgrad[i], draw.reference.dist_rgrad(x[i], y[i]), dtype) <= (8 if COMPILED else 1e6)


def test_planes_and_horospheres() -> None:
    p, x, u = arguments("transp", (8,))
    foot = lorentz.expmap(p, 0.4 * u / lorentz.length(p, u, 0.7).unsqueeze(-1), 0.7)
    assert lorentz.hyperplane_dist(p, p, u, 0.7).abs().max() < 1e-14
    torch.testing.assert_close(lorentz.hyperplane_dist(foot, p, u, 0.7), torch.full((8,), 0.4, dtype=torch.float64))
    torch.testing.assert_close(lorentz.hyperplane_dist(x, p, -2 * u, 0.7), -lorentz.hyperplane_dist(x, p, u, 0.7))
    e = torch.nn.functional.normalize(u[:, 1:], dim=-1)
    ray = torch.cat((0 * u[:, :1], e), -1)
    far = lorentz.expmap0(16 * ray, 0.7)
    torch.testing.assert_close(lorentz.busemann(x, 3 * e, 0.7), lorentz.dist(x, far, 0.7) - 16, rtol=0, atol=1e-7)
    exactly = torch.full((8,), -16.0, dtype=torch.float64)
    torch.testing.assert_close(lorentz.busemann(far, e, 0.7), exactly, rtol=1e-13, atol=0)


@pytest.mark.parametrize("op", ["expmap", "geodesic", "inner"])
def test_registration_passes_opcheck(op: str) -> None:
    assert COMPILED == hasattr(torch.ops.hypgeo, f"lorentz_{op}")
    if COMPILED:
        args, c = arguments(op), torch.tensor(0.7, dtype=torch.float64)
        number = args.pop() if "n" in ROWS[op] else None
        needs = (1 << (len(args) + 2)) - 1 - (0 if "n" in ROWS[op] else 1 << len(args))
        forward, backward = (getattr(torch.ops.hypgeo, f"lorentz_{op}{end}").default for end in ("", "_backward"))
        torch.library.opcheck(forward, (args, number, c))
        torch.library.opcheck(backward, (torch.ones_like(forward(args, number, c)), args, number, c, needs))


@pytest.mark.parametrize("op", ["dist", "expmap", "geodesic"])
def test_torch_func_vmap_and_compile(op: str) -> None:
    f = getattr(lorentz, op)
    args = arguments(op, (5,))
    z = args[0].clone().requires_grad_()
    (eager,) = torch.autograd.grad(f(z, *args[1:], 0.7).sum(), z)
    torch.testing.assert_close(torch.func.grad(lambda t: f(t, *args[1:], 0.7).sum())(args[0]), eager)
    torch.testing.assert_close(torch.vmap(lambda *a: f(*a, 0.7))(*args), f(*args, 0.7))
    traced = torch.compile(lambda *a: f(*a) * 2, fullgraph=True, backend="aot_eager")
    c = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    results = [g(z, *args[1:], c) for g in (traced, lambda *a: f(*a) * 2)]
    torch.testing.assert_close(*results, rtol=0, atol=0)
    for a, b in zip(*(torch.autograd.grad(r.sum(), (z, c)) for r in results), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)


def test_matrices_act_through_the_origin() -> None:
    x = arguments("dist0", (5,), 3)[0]
    m, many = spread(2, 3, seed=1), spread(5, 2, 3, seed=2)
    v = lorentz.logmap0(x, 0.7)[:, 1:]
    for matrix, w in ((m, v @ m.mT), (many, (many @ v.unsqueeze(-1)).squeeze(-1))):
        want = lorentz.expmap0(torch.cat((0 * w[:, :1], w), -1), 0.7)
        torch.testing.assert_close(lorentz.mobius_matvec(matrix, x, 0.7), want)
        single = lorentz.mobius_matvec(matrix.float(), x.float(), torch.tensor(0.7))
        torch.testing.assert_close(single.double(), want, rtol=1e-5, atol=1e-6)


def test_every_op_says_what_it_does() -> None:
    for op in ROWS:
        assert inspect.getdoc(getattr(lorentz, op))
