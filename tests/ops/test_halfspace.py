"""The half-space's ops against exact results: values and every gradient, from tiny to the ends of the floats' range."""

import math

import mpmath as mp
import pytest
import torch

from hypgeo.manifolds import HalfSpace
from hypgeo.ops import halfspace as ops
from hypgeo.testing.measure import Exact, measure
from hypgeo.testing.reference import OPS, Reference, exact, ulps
from hypgeo.testing.samples import Draw, regimes

COMPILED = "cpu" in ops.dist.devices
VALUE, GRADIENT = (4, 8) if COMPILED else (1e3, 1e7)
DTYPES = (torch.float32, torch.float64)
VERBS = [
    *("dist dist2 dist0 expmap logmap expmap0 logmap0 geodesic transp transp0 inner norm egrad2rgrad").split(),
    *("busemann hyperplane_dist mobius_scalar_mul gyration").split(),
]


def random_points(n, d, dtype=torch.float64, seed=0):
    g = torch.Generator().manual_seed(seed)
    h = torch.randn(n, d - 1, dtype=torch.float64, generator=g)
    return torch.cat((h, torch.randn(n, 1, dtype=torch.float64, generator=g).exp()), -1).to(dtype)


def vectors(n, d, dtype=torch.float64, seed=1):
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def arguments(verb, n, d, seed=0):
    """Ordinary arguments of an op of this module, in its own order (the number, if any, before c)."""
    kinds = OPS[verb].kinds
    rows = [
        random_points(n, d, seed=seed + i) if k == "p" else vectors(n, d, seed=seed + i)
        for i, k in enumerate(kinds)
        if k != "n"
    ]
    return [*rows, *(0.1 + torch.rand(n, dtype=torch.float64) for k in kinds if k == "n")]


def op_of(verb):
    return ops.length if verb == "norm" else getattr(ops, verb)


def compare(verb, space, args):
    found = measure(space, Exact(Reference(space), verb, args), ("value", "grad", "c"), HalfSpace)
    for what, bound in (("value", VALUE), ("grad", GRADIENT), ("c", GRADIENT)):
        for f in found[what]:
            assert not f.flag and f.ulp <= bound, (what, f, [a[f.at].tolist() for a in args])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("verb", VERBS)
def test_regimes(verb, dtype):
    """Generic, near, far, tiny, opposite, back through the origin; c from 1e-6 to 1e3; one dimension to five."""
    for i, regime in enumerate(regimes(verb)):
        if not COMPILED and not regime.radius < 100:
            continue
        space = HalfSpace(curvature=-float(torch.tensor(regime.c, dtype=dtype)))
        draw = Draw(space, (1, 2, 3, 5)[i % 4], dtype, (verb, regime.name))
        if samples := draw.many(1, regime.sample):
            compare(verb, space, draw.tensors(OPS[verb].kinds, samples))


@pytest.mark.parametrize("verb", VERBS)
def test_sixty_four_dimensions(verb):
    *rows, last = arguments(verb, 2, 64)
    args = [last.unsqueeze(-1), *rows] if "n" in OPS[verb].kinds else [*rows, last]
    compare(verb, HalfSpace(curvature=-0.37), args)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("d", (1, 3))
def test_mobius_add(d, dtype):
    space = HalfSpace(curvature=-0.5)
    x, y = random_points(6, d, dtype), random_points(6, d, dtype, seed=5)
    compare("mobius_add", space, [x, y])
    far = torch.tensor([[0.0] * (d - 1) + [1e12], [3e4] * (d - 1) + [2e-7]], dtype=dtype)
    compare("mobius_add", space, [far, far.flip(0)])


# Heights at the ends of the range, where squares over- and underflow; expected values in closed form.
EXTREMES = (1e-300, 1e-200, 1e-120, 1e120, 1e200, 1e300)


@pytest.mark.parametrize("a", EXTREMES)
@pytest.mark.parametrize("b", EXTREMES)
def test_straight_up_and_down(a, b):
    x, y = (torch.tensor([[0.25, t]], dtype=torch.float64) for t in (a, b))
    with mp.workdps(60):
        rise = mp.log(mp.mpf(b)) - mp.log(mp.mpf(a))
        assert ulps(ops.dist(x, y, 1.0), [abs(rise)], torch.float64) <= 4
        velocity = mp.mpf(a) * rise
        assert ulps(ops.logmap(x, y, 1.0), [0, velocity], torch.float64) <= 4
        middle = mp.sqrt(mp.mpf(a)) * mp.sqrt(mp.mpf(b))
        assert ulps(ops.geodesic(x, y, 0.5, 1.0)[:, 1], [middle], torch.float64) <= 4
        v = torch.tensor([[0.5, -2.0]], dtype=torch.float64) * a
        assert ulps(ops.transp(x, y, v, 1.0), [mp.mpf(float(t)) * b / a for t in v[0]], torch.float64) <= 4
    u = torch.tensor([[0.0, float(velocity)]], dtype=torch.float64)
    end = ops.expmap(x, u, 1.0)
    assert end[0, 0] == 0.25 and abs(math.log(float(end[0, 1])) - math.log(b)) < 1e-12


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_results_beyond_the_floats_stay_on_the_manifold(dtype):
    info = torch.finfo(dtype)
    up = torch.tensor([[0.0, 1e4], [0.0, -1e4]], dtype=dtype)
    ends = ops.expmap0(up, 1.0)
    assert ends[0].tolist() == [0.0, info.max] and ends[1].tolist() == [0.0, info.tiny]
    wrong = torch.tensor([[1.0, -2.0], [math.inf, 0.0]], dtype=dtype)
    assert ops.projx(wrong, 1.0).tolist() == [[1.0, info.tiny], [info.max, info.tiny]]
    assert torch.equal(ops.projx(random_points(5, 3, dtype), 1.0), random_points(5, 3, dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("d", (1, 2, 7))
def test_zeros_are_exact(d, dtype):
    x = random_points(9, d, dtype) * torch.logspace(-30, 30, 9, dtype=torch.float64).unsqueeze(-1).to(dtype)
    assert not ops.dist(x, x, 0.7).any() and not ops.dist2(x, x, 0.7).any() and not ops.logmap(x, x, 0.7).any()
    assert torch.equal(ops.expmap(x, torch.zeros_like(x), 0.7), x)
    for t in (0.0, 0.3, 1.0, 7.0):
        assert torch.equal(ops.geodesic(x, x, t, 0.7), x)
    y = random_points(9, d, dtype, seed=3)
    assert torch.equal(ops.geodesic(x, y, 0.0, 0.7), x) and torch.equal(ops.transp(x, x, y, 0.7), y)
    assert not ops.length(x, torch.zeros_like(x), 0.7).any()
    assert not ops.hyperplane_dist(x, y, torch.zeros_like(x), 0.7).any()
    origin = HalfSpace().origin(9, d, dtype=dtype)
    assert not ops.dist0(origin, 0.7).any() and torch.equal(ops.mobius_add(x, origin, 0.7), x)
    for f, args in ((ops.dist, (x, x.clone())), (ops.length, (x, torch.zeros_like(x)))):
        leaves = [a.clone().requires_grad_() for a in args]
        assert not any(g.any() for g in torch.autograd.grad(f(*leaves, 0.7).sum(), leaves))


@pytest.mark.parametrize("verb", [*VERBS, "mobius_add"])
@pytest.mark.parametrize("d", (1, 3))
def test_derivatives_of_both_orders(verb, d):
    """By differences: the compiled gradients, and the body's second derivatives behind them, c included."""
    args = [*arguments(verb, 2, d), torch.tensor([0.6, 1.7], dtype=torch.float64)]
    if verb == "busemann" and d == 1:
        args[1] = args[1].sign()  # in one dimension there are two directions, and nothing to differentiate
        args = [args[0], args[1], args[2]]
    leaves = [a.requires_grad_() for a in args]
    assert torch.autograd.gradcheck(op_of(verb), leaves, atol=1e-6)
    assert torch.autograd.gradgradcheck(op_of(verb), leaves, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("verb", [*VERBS, "mobius_add"])
def test_body_and_kernel_agree(verb):
    args = arguments(verb, 20, 4)
    c = torch.full((20, 1), 0.8, dtype=torch.float64)
    body = op_of(verb).reference(*(a if a.dim() == 2 else a.unsqueeze(-1) for a in args), c)
    got = op_of(verb)(*args, c.squeeze(-1))
    torch.testing.assert_close(got, body.reshape(got.shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("verb", [*VERBS, "mobius_add"])
@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16, *DTYPES), ids=str)
def test_shapes(verb, dtype):
    """Broadcasting, strides, empty batches and a c for each row give what one row at a time gives."""
    args = arguments(verb, 6, 3)
    rows = [a.to(dtype) for a in args if a.dim() == 2]
    number = [a for a in args if a.dim() == 1]
    op, c = op_of(verb), torch.linspace(0.5, 2.0, 6, dtype=torch.float64)
    want = torch.stack([op(*(r[i] for r in rows), *(t[i] for t in number), float(c[i])) for i in range(6)])
    assert want.dtype == dtype
    assert torch.equal(op(*rows, *number, c), want)
    strided = [torch.stack((r, r), -1).permute(2, 1, 0).contiguous()[1].mT for r in rows]
    assert not strided[0].is_contiguous() and torch.equal(op(*strided, *number, c), want)
    first = [rows[0].reshape(2, 3, 3), *(r[:1] for r in rows[1:])]
    number = [t[0] for t in number]
    wide = op(*first, *number, c.reshape(2, 3)[:, :1])
    assert torch.equal(wide[1, 2], op(*(r[5] if i == 0 else r[0] for i, r in enumerate(rows)), *number, float(c[3])))
    empty = op(*(r[:0] for r in rows), *number, 1.0)
    assert empty.shape == want[:0].shape


@pytest.mark.parametrize("verb", VERBS)
def test_torch_sees_a_lawful_operator(verb):
    if not COMPILED:
        assert op_of(verb).reference is not None
        return
    args = arguments(verb, 3, 4)
    rows, number = [a for a in args if a.dim() == 2], next((a for a in args if a.dim() == 1), None)
    c = torch.tensor(0.5, dtype=torch.float64)
    torch.library.opcheck(getattr(torch.ops.hypgeo, f"half_{verb}").default, (rows, number, c))


def test_busemann_is_the_limit_of_distances():
    x = random_points(4, 3)
    for d in ([0.6, 0.0, 0.8], [0.0, 0.0, 1.0], [0.36, 0.48, -0.8], [0.0, 0.0, -1.0]):
        u = torch.tensor(d, dtype=torch.float64)
        far = ops.expmap0(25.0 * u, 1.0)
        torch.testing.assert_close(ops.busemann(x, u, 1.0), ops.dist(x, far, 1.0) - 25.0, rtol=0, atol=1e-10)
        assert torch.equal(ops.busemann(x, 4.0 * u, 1.0), ops.busemann(x, u, 1.0))


def test_points_that_are_none():
    """On the boundary a point is infinitely far, below it no number."""
    x = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    assert ops.dist(x, torch.tensor([[0.5, 0.0]], dtype=torch.float64), 1.0) == math.inf
    assert ops.dist(x, torch.tensor([[0.5, -1.0]], dtype=torch.float64), 1.0).isnan()
    assert exact(ops.dist(x, x, 1.0))[0] == 0


def test_a_normal_whose_square_underflows_still_has_a_side():
    rows = (
        [4.19083357761835e-261, 1.934360931301113e166, 2.9834920787492363e-235, 384373445106.6974],
        [4.190833577618349e-261, 1.9343609313011128e166, 2.983492078749236e-235, 384373445106.6973],
        [0.0, 0.0, -1.6179823006383344e-183, 0.0],
    )
    x, p, a = torch.tensor(rows, dtype=torch.float64)
    want = float(Reference(HalfSpace())("hyperplane_dist", x, p, a))
    assert want != 0.0
    torch.testing.assert_close(float(ops.hyperplane_dist(x, p, a, 1.0)), want, rtol=1e-15, atol=0)
    want = float(Reference(HalfSpace())("norm", x, 4 * a))
    torch.testing.assert_close(float(ops.length(x, 4 * a, 1.0)), want, rtol=1e-15, atol=0)
