"""exp_0(m log_0(x)) of every model against exact results: values and derivatives in points, matrix and curvature."""

import pytest
import torch
from torch import Tensor

import hypgeo
from hypgeo.ops import halfspace, lorentz, poincare
from hypgeo.testing.measure import Exact, measure, worst
from hypgeo.testing.reference import Reference
from hypgeo.testing.samples import Draw

OPS = {"PoincareBall": poincare, "Lorentz": lorentz, "HalfSpace": halfspace}
MODELS, DTYPES, F64 = list(OPS), [torch.float32, torch.float64], torch.float64
COMPILED = "cpu" in poincare.mobius_matvec.devices
pytestmark = pytest.mark.skipif(not COMPILED, reason="the body is measured by benchmarks/accuracy.py")


def spread(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def points(model: str, *batch: int, d: int = 3, scale: float = 0.5, seed: int = 1) -> Tensor:
    v = scale * spread(*batch, d, seed=seed)
    v = torch.cat((torch.zeros(*batch, 1, dtype=F64), v), -1) if model == "Lorentz" else v
    return OPS[model].expmap0(v, 1.0)


def check(model: str, m: Tensor, x: Tensor, c: float) -> None:
    cls = getattr(hypgeo, model)
    space = cls(curvature=-c)
    truth = Exact(Reference(space), "mobius_matvec", [m.expand(len(x), *m.shape[-2:]), x])
    for what, found in measure(space, truth, curved=cls).items():
        f, most = worst(found), 4 if what == "value" else 16
        assert not f.flag and f.ulp <= most, (what, f, m.tolist(), x[f.at].tolist())


# What a matrix does to the last coordinates, or to all of them.
MATRICES = {
    "random": spread(4, 4, seed=2),
    "long": 30 * spread(4, 4, seed=3),
    "short": 1e-6 * spread(4, 4, seed=4),
    "identity": torch.eye(4, dtype=F64),
    "turn": torch.linalg.qr(spread(4, 4, seed=5)).Q,
    "rank one": torch.outer(spread(4, seed=6), spread(4, seed=7)),
    "ill-conditioned": torch.diag(torch.tensor([1.0, 1e-5, 1e-10, 1e-15], dtype=F64)) @ spread(4, 4, seed=8),
    "fewer rows": spread(2, 4, seed=9),
    "more rows": spread(7, 4, seed=10),
    "one row": spread(1, 4, seed=11),
    "zero": torch.zeros(3, 4, dtype=F64),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("model", MODELS)
def test_values_and_derivatives_are_right(model: str, name: str, dtype: torch.dtype) -> None:
    """From the origin to the rim: radius 16.5 and 36 in the ball, 40 and 150 elsewhere."""
    last = ((40.0, 150.0), (16.5, 36.0))[model == "PoincareBall"][dtype is F64]
    for c in (0.7, 1e3):
        c = float(torch.tensor(c, dtype=dtype))
        draw = Draw(getattr(hypgeo, model)(curvature=-c), 4, dtype, (model, name))
        rows = [draw.point(r) for r in (1e-20, 1e-6, 0.1, 2.0, 8.0, last) for _ in range(2)]
        (x,) = draw.tensors("p", [(r,) for r in rows if r is not None])
        check(model, MATRICES[name].to(dtype), x, c)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_zeros_subnormals_and_products_that_cancel(model: str, dtype: torch.dtype) -> None:
    least = torch.finfo(dtype).smallest_normal / 16
    origin = torch.zeros(1, 4, dtype=dtype)
    h = torch.tensor([[0.5, -0.25, 0.125, 0.375], [least, 0.0, -3 * least, least]], dtype=dtype)
    if model == "HalfSpace":
        origin[:, -1], h[0, -1], h[1, -1] = 1, 0.75, 1
    x = torch.cat((origin, h))
    x = lorentz.projx(torch.cat((x[:, :1], x), -1), 1.0) if model == "Lorentz" else x
    m = torch.tensor([[1.0, 2.0, 0.0, least], [-3.0, 1.0, 0.5, 2.0], [0.0, least, 0.0, 0.0]], dtype=dtype)
    m[0, 0] += torch.finfo(dtype).eps  # the first row takes the first of these points almost to nothing
    check(model, m, x, 1.0)
    y = OPS[model].mobius_matvec(m, x[:1], 1.0)
    assert torch.equal(y, getattr(hypgeo, model)().origin(*y.shape, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_what_leads_beyond_the_floats_stays_on_the_manifold(model: str, dtype: torch.dtype) -> None:
    space, x = getattr(hypgeo, model)(), points(model, 20).to(dtype)
    for scale in (1e3, torch.finfo(dtype).max / 8):
        y = OPS[model].mobius_matvec((scale * spread(3, 3).clamp(-1, 1)).to(dtype), x, 1.0)
        assert all(Reference(space).valid(row) for row in y)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, *DTYPES])
@pytest.mark.parametrize("model", MODELS)
def test_shapes_strides_and_dtypes_change_nothing(model: str, dtype: torch.dtype) -> None:
    op, x, m = OPS[model].mobius_matvec, points(model, 5, 7).to(dtype), spread(5, 7, 2, 3).to(dtype)
    c = torch.linspace(0.5, 0.9, 7, dtype=F64)
    whole, width = op(m, x, c), 2 + (model == "Lorentz")
    assert whole.dtype is dtype and whole.shape == (5, 7, width)
    for i, j in ((0, 0), (4, 6), (2, 3)):
        assert torch.equal(whole[i, j], op(m[i, j], x[i, j], c[j].item()))
    shared = op(m[0, 0], x, 0.7)
    assert torch.equal(shared, op(m[:1, :1], x, 0.7)) and torch.equal(shared, op(m[0, 0].expand(5, 7, 2, 3), x, 0.7))
    assert torch.equal(op(m[:, :1], x[:1], c), op(m[:, :1].expand(5, 7, 2, 3), x[:1].expand(5, 7, -1), c))
    assert torch.equal(op(m[0, 0], x[0, 0], c), op(m[0, 0], x[0, 0].expand(7, -1), c))
    assert torch.equal(op(m.mT.contiguous().mT, x.transpose(0, 1).contiguous().transpose(0, 1), c), whole)
    assert op(m[0, 0], x[:0], 0.7).shape == (0, 7, width)
    if dtype is torch.float32:
        assert torch.equal(op(m, x.double(), c), op(m.double(), x.double(), c))


@pytest.mark.parametrize("model", MODELS)
def test_gradients_of_what_was_shared_are_summed(model: str) -> None:
    op, x, m = OPS[model].mobius_matvec, points(model, 4, 3), spread(2, 3, seed=3)
    few = [t.clone().requires_grad_() for t in (m, x, torch.tensor(0.7, dtype=F64))]
    shapes = (4, 3, 2, 3), x.shape, (4, 3)
    many = [t.detach().expand(*s).clone().requires_grad_() for t, s in zip(few, shapes, strict=True)]
    asked = {"allow_unused": True, "materialize_grads": True}  # c has no part in the half-space
    a, b = (torch.autograd.grad(op(*t).square().sum(), t, **asked) for t in (few, many))
    torch.testing.assert_close(a[0], b[0].sum((0, 1)))
    assert torch.equal(a[1], b[1])
    torch.testing.assert_close(a[2], b[2].sum())


@pytest.mark.parametrize("model", MODELS)
def test_whatever_torch_may_do_with_it(model: str) -> None:
    op, x, c = OPS[model].mobius_matvec, points(model, 2).requires_grad_(), torch.tensor([0.7, 0.4], dtype=F64)
    for m in (spread(3, 3), spread(2, 2, 3)):
        for k in (torch.tensor(0.7, dtype=F64), c):
            args = [t.clone().requires_grad_() for t in (m, x, k)]
            assert torch.autograd.gradcheck(op, args)
            assert torch.autograd.gradgradcheck(op, args, fast_mode=True)
    (eager,) = torch.autograd.grad(op(m, x, 0.7).sum(), x)
    torch.testing.assert_close(torch.func.grad(lambda t: op(m, t, 0.7).sum())(x.detach()), eager)
    torch.testing.assert_close(torch.vmap(lambda a, b: op(a, b, 0.7))(m, x), op(m, x, 0.7))
    traced = torch.compile(lambda *a: op(*a) * 2, fullgraph=True, backend="aot_eager")
    for m in (spread(3, 3), spread(2, 2, 3)):
        args = [t.clone().requires_grad_() for t in (m, x, c)]
        results = [f(*args) for f in (traced, lambda *a: op(*a) * 2)]
        assert torch.equal(*results)
        slopes = [torch.autograd.grad(r.sum(), args, allow_unused=True, materialize_grads=True) for r in results]
        for a, b in zip(*slopes, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("model", MODELS)
def test_registration_passes_opcheck(model: str) -> None:
    name = {"PoincareBall": "poincare", "Lorentz": "lorentz", "HalfSpace": "half"}[model] + "_matvec"
    op, backward = (getattr(torch.ops.hypgeo, n).default for n in (name, f"{name}_backward"))
    x, c = points(model, 5), torch.tensor(0.7, dtype=F64)
    for m in (spread(2, 3), spread(5, 2, 3)):
        torch.library.opcheck(op, (m, x, c), test_utils=("test_schema", "test_faketensor"))
        up = torch.ones_like(op(m, x, c))
        for needs in (1, 2, 4, 7):
            torch.library.opcheck(backward, (up, m, x, c, needs), test_utils=("test_schema", "test_faketensor"))


def test_threads_change_nothing() -> None:
    m, x = spread(3, 3), points("PoincareBall", 5000)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(poincare.mobius_matvec(m, x, 0.7))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


def test_what_is_no_matrix_is_refused() -> None:
    with pytest.raises(TypeError, match="a matrix"):
        poincare.mobius_matvec(torch.zeros(3), torch.zeros(3), 1.0)
    with pytest.raises(RuntimeError, match="a column for each coordinate"):
        poincare.mobius_matvec(torch.zeros(3, 2), torch.zeros(3), 1.0)
