"""Every op of the ball: values and all first derivatives against exact ones, and whatever torch may do with it."""

import math
from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor

from hypgeo.manifolds import PoincareBall
from hypgeo.ops import poincare
from hypgeo.testing.reference import OPS as FORMULAS
from hypgeo.testing.reference import Reference, ulps
from hypgeo.testing.samples import Draw

VALUE_ULP, GRAD_ULP = 4, 8
DTYPES = [torch.float32, torch.float64]
F64 = torch.float64

# Public verb: the op.  Its arguments are the verb's, but that a number goes last.
OPS = {verb: getattr(poincare, {"norm": "length"}.get(verb, verb)) for verb in FORMULAS if hasattr(poincare, verb)}
OPS = {**OPS, "norm": poincare.length}
del OPS["mobius_matvec"]  # takes a matrix: test_matvec.py
NUMBERED = [verb for verb in OPS if FORMULAS[verb].kinds.startswith("n")]

# name: normalised radius of the points in float32 and float64, distance of the second from the first (None: it has the
# radius too), length of vectors, c, dimension.
CASES = {
    "generic": ((1.5, 1.5), None, 1.0, 1.0, 5),
    "near": ((1e-3, 0.5), 1e-9, 1e-6, 1.0, 5),
    "near, far out": ((6.0, 12.0), 1e-3, 1e-3, 1.0, 2),
    "far": ((11.0, 15.0), None, 5.0, 1.0, 2),
    "rim": ((16.5, 36.0), None, 3.0, 1.0, 3),
    "tiny": ((1e-20, 1e-20), 1e-20, 1e-20, 1.0, 3),
    "from the origin": ((0.0, 0.0), 1.5, 1.0, 0.3, 3),
    "nearly flat": ((1.0, 1.0), None, 1.0, 1e-6, 64),
    "at distance one of a nearly flat": ((1e-3, 1e-3), None, 1e-3, 1e-6, 2),
    "strongly curved": ((1.0, 1.0), None, 1.0, 1e3, 2),
    "line": ((1.5, 1.5), 1.0, 1.0, 0.3, 1),
}


def ball(c: float, dtype: torch.dtype) -> PoincareBall:
    return PoincareBall(curvature=-float(torch.tensor(c, dtype=dtype)))


def sample(verb: str, case: str, dtype: torch.dtype) -> tuple[Reference, list[Tensor]]:
    """One row of every argument, in the verb's order."""
    radii, apart, length, c, dim = CASES[case]
    draw = Draw(ball(c, dtype), dim, dtype, seed=(verb, case))
    radius = radii[dtype is torch.float64]
    points: list[list[float]] = []
    rows: list[list[float]] = []
    for kind in FORMULAS[verb].kinds:
        if kind == "p":
            alone = apart is None or not points
            points.append((draw.point(radius) if alone else draw.neighbour(points[0], cast(float, apart))) or [])
            rows.append(points[-1])
        elif kind == "n":
            rows.append([0.375])
        elif kind == "u":
            rows.append(draw.rounded(draw.unit()) or [])
        else:
            rows.append(draw.vector(draw.origin() if kind == "o" else points[-1 if kind == "a" else 0], length) or [])
    assert all(rows), "the dtype cannot hold this sample"
    return draw.reference, [torch.tensor(r, dtype=dtype if len(r) > 1 or dim == 1 else F64) for r in rows]


def call(verb: str, args: list[Tensor], c: float | Tensor) -> Tensor:
    if verb in NUMBERED:
        number, *rows = args
        return OPS[verb](*rows, number.squeeze(-1), c)
    return OPS[verb](*args, c)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("verb", OPS)
def test_value_and_derivatives_are_within_their_bounds(verb: str, case: str, dtype: torch.dtype) -> None:
    reference, args = sample(verb, case, dtype)
    args = [a.requires_grad_() for a in args]
    c = torch.tensor(reference.c, dtype=F64, requires_grad=True)
    got, want = call(verb, args, c), reference(verb, *args)
    assert ulps(got, want, dtype) <= VALUE_ULP
    if verb == "dist0" and case == "from the origin":
        return  # a kink
    up = torch.randn(got.shape, dtype=F64, generator=torch.Generator().manual_seed(1)).to(dtype)
    grads = torch.autograd.grad(got, [*args, c], up)
    for k, (grad, want) in enumerate(zip(grads, reference.vjp(verb, args, up), strict=True)):
        error = ulps(grad, want, dtype)
        assert error <= GRAD_ULP, f"derivative {k}: {error:.1f} ulp"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("radius", [0.0, 1e-20, 1.0, 12.0])
def test_exact_zeros(radius: float, dtype: torch.dtype) -> None:
    """At y = x and u = 0 results and derivatives are what they should be, bit for bit."""
    draw = Draw(ball(0.7, dtype), 3, dtype, seed=radius)
    row = torch.tensor(draw.point(radius), dtype=dtype)
    c = torch.tensor(0.7, dtype=F64, requires_grad=True)
    x, y, zero = (t.clone().requires_grad_() for t in (row, row, torch.zeros_like(row)))
    for out, leaves in (
        (poincare.dist(x, y, c), (x, y, c)),
        (poincare.dist2(x, y, c), (x, y, c)),
        (poincare.length(x, zero, c), (x, zero, c)),
        (poincare.hyperplane_dist(x, y, zero, c), (x, y, c)),
    ):
        assert out.item() == 0
        assert not any(g.any() for g in torch.autograd.grad(out, leaves))
    assert not poincare.logmap(x, y, c).any() and not poincare.mobius_add(-x, y, c).any()
    assert not poincare.hyperplane_dist(x, y, x.new_ones(3), c).any()
    assert torch.equal(poincare.expmap(x, zero, c), x) and torch.equal(poincare.transp(x, y, 1 - x, c), 1 - x)
    for t in (0.0, 0.3, 1.0):
        assert torch.equal(poincare.geodesic(x, y, t, c), x)
    assert torch.equal(poincare.mobius_scalar_mul(x, 1.0, c), x) and torch.equal(poincare.projx(x, c), x)
    other = torch.tensor(draw.point(2.0), dtype=dtype)
    assert torch.equal(poincare.geodesic(x, other, 0.0, c), x)
    assert torch.equal(poincare.geodesic(x, other, 1.0, c), other)
    origin = torch.zeros(3, dtype=dtype, requires_grad=True)
    (slope,) = torch.autograd.grad(poincare.dist0(origin, c), origin)
    assert not slope.any()
    (slope,) = torch.autograd.grad(poincare.expmap(x, zero, c) @ x.new_tensor([1, 2, -3]), zero)
    assert torch.equal(slope, x.new_tensor([1, 2, -3]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rim_outside_and_nan(dtype: torch.dtype) -> None:
    rim, outside, centre = (torch.tensor(v, dtype=dtype) for v in ([0.0, 1.0], [0.9, 0.9], [0.1, 0.0]))
    for f in (poincare.dist, poincare.dist2):
        assert f(rim, centre, 1.0).item() == math.inf == f(centre, rim, 1.0).item()
        assert math.isnan(f(outside, centre, 1.0).item()) and math.isnan(f(centre, outside, 1.0).item())
        assert math.isnan(f(outside, -outside, 1.0).item())
    assert poincare.dist0(rim, 1.0).item() == math.inf and math.isnan(poincare.dist0(outside, 1.0).item())
    lost = torch.full_like(centre, math.nan)
    for verb, formula in FORMULAS.items():
        if verb in OPS:
            rows = [lost if k != "n" else torch.tensor([0.3]) for k in formula.kinds]
            assert call(verb, rows, 1.0).isnan().all(), verb


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("c", [1.0, 0.3, 1e3])
def test_results_beyond_the_last_float_stay_inside(c: float, dtype: torch.dtype) -> None:
    """Two ulps inside the rim, in the exact direction."""
    manifold = ball(c, dtype)
    x = poincare.expmap0(torch.tensor([3.0, -1.0, 2.0], dtype=dtype), manifold.c)
    n = x / x.norm()
    eps = torch.finfo(dtype).eps
    for y in (
        poincare.expmap0(1e6 * x, manifold.c),
        poincare.expmap(x, 1e9 * x, manifold.c),
        poincare.mobius_scalar_mul(x, 1e4, manifold.c),
        poincare.geodesic(x, -x, -1e3, manifold.c),
        poincare.projx(1e5 * x, manifold.c),
        poincare.projx(x.new_tensor([1, 1, 1]) * n.abs() * 1e30, manifold.c) * n.sign(),
    ):
        r = y.double().norm() * math.sqrt(manifold.c)
        assert 1 - 3 * eps < r < 1 and Reference(manifold).valid(y)
        torch.testing.assert_close(y / y.norm(), n, rtol=4 * eps, atol=4 * eps)
    last = torch.nextafter(torch.ones(1, dtype=dtype), torch.zeros(1, dtype=dtype))
    assert torch.equal(poincare.projx(last, 1.0), last) and torch.isfinite(poincare.dist0(last, 1.0))


def arguments(verb: str, batch: tuple[int, ...], dtype: torch.dtype = F64, seed: int = 0) -> list[Tensor]:
    """Well-conditioned ones, in the op's order."""
    g = torch.Generator().manual_seed(seed)
    kinds = FORMULAS[verb].kinds
    rows = [(0.2 * torch.randn((*batch, 4), dtype=F64, generator=g)).clamp(-0.4, 0.4) for k in kinds if k != "n"]
    numbers = [torch.rand(batch, dtype=F64, generator=g)] if verb in NUMBERED else []
    return [r.to(dtype) for r in rows] + numbers


@pytest.mark.parametrize("verb", OPS)
def test_first_and_second_derivatives(verb: str) -> None:
    args = [a.requires_grad_() for a in arguments(verb, (2,))]
    for shape in ((), (2,)):
        c = torch.full(shape, 0.7, dtype=F64, requires_grad=True)
        assert torch.autograd.gradcheck(OPS[verb], (*args, c))
    assert torch.autograd.gradgradcheck(OPS[verb], (*args, c))


def test_second_derivatives_where_arguments_depend_on_each_other() -> None:
    (x,), c = arguments("dist0", (2,)), torch.tensor(0.7, dtype=F64, requires_grad=True)
    x.requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, c: poincare.expmap0(2 * poincare.logmap0(x, c), c), (x, c))
    assert torch.autograd.gradgradcheck(lambda x, c: poincare.mobius_add(x, x.square(), c), (x, c))


@pytest.mark.parametrize("verb", OPS)
def test_the_body_agrees_where_it_is_well_conditioned(verb: str) -> None:
    """The fallback, which is also what second derivatives and torch.func go through."""
    args = [a.requires_grad_() for a in arguments(verb, (50,))]
    c = torch.tensor(0.7, dtype=F64, requires_grad=True)
    numbers = [a.unsqueeze(-1) if a.dim() == 1 else a for a in args]
    results = OPS[verb](*args, c), OPS[verb].reference(*numbers, c)
    results = results[0], results[1].reshape(results[0].shape)
    torch.testing.assert_close(*results, rtol=1e-14, atol=1e-15)
    slopes = zip(*(torch.autograd.grad(r.sum(), (*args, c)) for r in results), strict=True)
    for k, (a, b) in enumerate(slopes):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13, msg=f"derivative {k}")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, *DTYPES])
@pytest.mark.parametrize("verb", OPS)
def test_shapes_strides_and_dtypes_change_nothing(verb: str, dtype: torch.dtype) -> None:
    op: Callable[..., Tensor] = OPS[verb]
    args = arguments(verb, (2, 3), dtype)
    c = torch.tensor([0.5, 0.7, 0.9], dtype=F64)
    whole = op(*args, c)
    assert whole.dtype is dtype and whole.shape[:2] == (2, 3)
    for i in range(2):
        for j in range(3):
            assert torch.equal(whole[i, j], op(*(a[i, j] for a in args), c[j].item()))
    strided = [a.transpose(0, 1).contiguous().transpose(0, 1) for a in args]
    strided[0] = torch.stack((strided[0], strided[0]), -1)[..., 0]
    assert not any(a.is_contiguous() for a in strided) and torch.equal(op(*strided, c), whole)
    if len(args) > 1:  # the last argument broadcast, and expanded by hand
        last = args[-1][0]
        assert torch.equal(op(*args[:-1], last, c), op(*args[:-1], last.expand(args[-1].shape), c))
    assert op(*(a[:0] for a in args), 0.7).shape == (0, *whole.shape[1:])
    if dtype is torch.float32 and len(args) > 1 and args[1].dtype is dtype:
        mixed = op(args[0].double(), *args[1:], c)
        assert mixed.dtype is F64 and torch.equal(mixed, op(*(a.double() for a in args), c))


@pytest.mark.parametrize("verb", OPS)
def test_gradients_of_what_was_broadcast_are_summed(verb: str) -> None:
    args = arguments(verb, (4, 3))
    small = [a[:, :1].clone().requires_grad_() for a in args]
    c = torch.full((3,), 0.7, dtype=F64, requires_grad=True)
    large = [a.detach().expand(4, 3, *a.shape[2:]).clone().requires_grad_() for a in small]
    many = torch.full((4, 3), 0.7, dtype=F64, requires_grad=True)
    few = torch.autograd.grad(OPS[verb](*small, c).square().sum(), (*small, c))
    each = torch.autograd.grad(OPS[verb](*large, many).square().sum(), (*large, many))
    for a, b in zip(few[:-1], each[:-1], strict=True):
        torch.testing.assert_close(a, b.sum(1, keepdim=True))
    torch.testing.assert_close(few[-1], each[-1].sum(0))


@pytest.mark.parametrize("verb", OPS)
def test_torch_func_and_vmap(verb: str) -> None:
    op, args = OPS[verb], arguments(verb, (3,))
    x = args[0].clone().requires_grad_()
    (eager,) = torch.autograd.grad(op(x, *args[1:], 0.7).sum(), x)
    slope = torch.func.grad(lambda t: op(t, *args[1:], 0.7).sum())(args[0])
    torch.testing.assert_close(slope, eager, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(torch.vmap(lambda *a: op(*a, 0.7))(*args), op(*args, 0.7))


@pytest.mark.parametrize("verb", ["dist", "geodesic"])
def test_compile_traces_one_graph(verb: str) -> None:
    op = OPS[verb]
    traced = torch.compile(lambda k, *a: op(*a, k) * 2, fullgraph=True, backend="aot_eager")
    args = [a.requires_grad_() for a in arguments(verb, (3,))]
    c = torch.tensor(0.7, dtype=F64, requires_grad=True)
    out, eager = traced(c, *args), op(*args, c) * 2
    assert torch.equal(out, eager)
    for a, b in zip(*(torch.autograd.grad(r.sum(), (*args, c)) for r in (out, eager)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("verb", OPS)
def test_registration_passes_opcheck(verb: str) -> None:
    """Schema and fake kernel; autograd is not registered but wrapped around, and the tests above go through it."""
    args, c = arguments(verb, (5,)), torch.tensor(0.7, dtype=F64)
    rows, number = (args[:-1], args[-1]) if verb in NUMBERED else (args, None)
    op = getattr(torch.ops.hypgeo, f"poincare_{verb}").default
    up = torch.ones_like(op(rows, number, c))
    backward = getattr(torch.ops.hypgeo, f"poincare_{verb}_backward").default
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(op, (rows, number, c), test_utils=checks)
    for needs in (1, (1 << len(rows) + 2) - 1):
        torch.library.opcheck(backward, (up, rows, number, c, needs), test_utils=checks)


def test_threads_change_nothing() -> None:
    x, v = arguments("expmap", (5000,))
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(poincare.expmap(x, v, 0.7))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


def test_what_is_no_row_or_no_curvature_is_refused() -> None:
    x = torch.zeros(2, 3)
    for c, said in ((0.0, "not 0.0"), (-1.0, "not -1.0"), (math.nan, "not nan")):
        with pytest.raises(ValueError, match=said):
            poincare.expmap(x, x, c)
    with pytest.raises(TypeError, match=r"torch\.int64"):
        poincare.expmap(x.long(), x.long(), 1.0)
    with pytest.raises(ValueError, match="one number"):
        poincare.logmap(torch.tensor(1.0), x, 1.0)
    with pytest.raises(RuntimeError, match=r"broadcast|match|agree"):
        poincare.mobius_add(x, torch.zeros(2, 4), 1.0)
