"""Pairwise distances and their gradients against exact results and the row op, and in every use of autograd."""

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from hypgeo.manifolds import HalfSpace, Lorentz, PoincareBall
from hypgeo.ops import pairwise
from hypgeo.testing.reference import error, exact
from hypgeo.testing.samples import Draw

VALUE_ULP, GRAD_ULP = 4, 8
MODELS = {"PoincareBall": PoincareBall, "Lorentz": Lorentz, "HalfSpace": HalfSpace}
DTYPES = [torch.float32, torch.float64]
compiled = pytest.mark.skipif(not pairwise._compiled, reason="the bound is the compiled kernels'")


def sets(
    model: str, n: int, m: int, dim: int, dtype: torch.dtype, *radii: float, c: float = 1.0
) -> tuple[Tensor, Tensor]:
    draw = Draw(MODELS[model](curvature=-c), dim, dtype, (model, dim, radii))
    rows = [(draw.point(draw.between(*radii)),) for _ in range(n + m)]
    (points,) = draw.tensors("p", rows)
    return points[:n], points[n:]


def cheap(model: str, n: int, d: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """Many points within radius 3."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, dtype=torch.float64, generator=g)
    x = x / x.norm(dim=-1, keepdim=True) * torch.rand(n, 1, dtype=torch.float64, generator=g) * 0.9
    if model == "Lorentz":
        gap = 1 - x.square().sum(-1, keepdim=True)
        x = torch.cat(((2 - gap) / gap, 2 * x / gap), -1)
    elif model == "HalfSpace":
        x = torch.cat((x[:, :-1], x[:, -1:].exp()), -1)
    return x.to(dtype)


@compiled
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("dim", "low", "high", "c"),
    [(1, 0.1, 2, 1.0), (3, 0.5, 4, 0.3), (5, 5, 11, 1.0), (40, 0.5, 3, 2.0), (2, 1e-4, 1, 1.0)],
)
def test_values_and_gradients_are_exact(model, dtype, dim, low, high, c):
    x, y = sets(model, 4, 5, dim, dtype, low, high, c=c)
    manifold = MODELS[model](curvature=-c)
    reference = Draw(manifold, dim, dtype).reference
    x.requires_grad_(), y.requires_grad_()
    k = manifold.c.detach().clone().requires_grad_()
    grad = torch.randn(4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64).abs().to(dtype)
    out = pairwise.dist(model, x, y, k)
    gx, gy, gc = torch.autograd.grad(out, (x, y, k), grad)
    first = 1 if model == "Lorentz" else 0
    want_x, want_y, want_c = ([[0] * (x.shape[1] - first) for _ in t] for t in (x, y, [0]))
    for i in range(4):
        for j in range(5):
            assert error([*exact(out[i, j].detach().reshape(1))], reference("dist", x[i], y[j]), dtype) <= VALUE_ULP
            a, b, s = reference.vjp("dist", (x[i], y[j]), grad[i, j])
            want_x[i] = [u + v for u, v in zip(want_x[i], a, strict=True)]
            want_y[j] = [u + v for u, v in zip(want_y[j], b, strict=True)]
            want_c[0] = [want_c[0][0] + s[0]]
    for got, want in ((gx, want_x), (gy, want_y)):
        for row, wanted in zip(got, want, strict=True):
            assert error(exact(row[first:]), wanted, dtype) <= GRAD_ULP
    assert error(exact(gc.reshape(1)), want_c[0], dtype) <= 2 * GRAD_ULP


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_every_tile_agrees_with_the_row_op(model, dtype):
    """Sizes beyond tiles, panels and registers; many coordinates; the derivative in c."""
    eps = torch.finfo(dtype).eps
    for n, m, d in ((1, 1, 1), (3, 1030, 2), (133, 70, 17), (5, 3, 200)):
        x, y = cheap(model, n, d, dtype, 1).requires_grad_(), cheap(model, m, d, dtype, 2).requires_grad_()
        c = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
        got = pairwise.dist(model, x, y, c)
        wide = [t.detach().double().requires_grad_() for t in (x, y, c)]
        want = pairwise.MODELS[model](wide[0].unsqueeze(-2), wide[1].unsqueeze(-3), wide[2])
        torch.testing.assert_close(got.double(), want, rtol=5 * eps, atol=0.0)
        grad = torch.rand(got.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).to(dtype)
        first, second = torch.autograd.grad(got, (x, y, c), grad), torch.autograd.grad(want, wide, grad.double())
        for a, b in zip(first, second, strict=True):
            a, b = (t[..., 1:] if model == "Lorentz" and t.dim() else t for t in (a.double(), b))
            assert float((a - b).norm()) <= 20 * eps * float(b.norm()) * math.sqrt(max(n, m) / 100 + 1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_equal_points(model, dtype):
    x = torch.cat([cheap(model, 4, 3, dtype), *[cheap(model, 1, 3, dtype, 8)] * 2]).requires_grad_()
    out = pairwise.dist(model, x, x, 1.0)
    same = torch.tensor([[i == j or {i, j} == {4, 5} for j in range(6)] for i in range(6)])
    assert (out == 0).equal(same)
    (grad,) = torch.autograd.grad(out[same].sum(), x)
    assert not grad.any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_what_the_kernels_leave_is_the_row_op(model, dtype):
    """Neighbours far out and near, points outside and on the rim, huge coordinates, NaN: values and gradients."""
    x = cheap(model, 6, 3, dtype)
    y = x * (1 + torch.finfo(dtype).eps)
    y[1] *= 1 + 1e-5
    x[2, -1], x[3, 1] = float("nan"), float("inf")
    x[4] = torch.tensor([0.0, 1.0, 0.0]) if x.shape[1] == 3 else torch.tensor([1.0, 0.0, 1e30, 0.0])
    y[5, -1] = -1.5 if model == "HalfSpace" else 1.5
    far = torch.tensor([[0.3, 0.5, 1e18], [0.3, -0.5, 1e-18]])
    x = torch.cat((x, far.to(dtype) if x.shape[1] == 3 else torch.cat((far[:, :1], far * 1e3), 1).to(dtype)))
    x.requires_grad_(), y.requires_grad_()
    op = pairwise.MODELS[model]
    got, want = pairwise.dist(model, x, y, 0.5), op(x.unsqueeze(-2), y.unsqueeze(-3), 0.5)
    tolerance = {"rtol": 8 * torch.finfo(dtype).eps, "atol": 0.0, "equal_nan": True}
    torch.testing.assert_close(got, want, **tolerance)
    good = want.isfinite() & (want > 0)
    i, j = good.nonzero().T
    assert len(set(i.tolist())) >= 4 and not good.all()
    first = torch.autograd.grad(got, (x, y), good.to(dtype))
    second = torch.autograd.grad(op(x[i], y[j], 0.5).sum(), (x, y))
    for a, b in zip(first, second, strict=True):
        a, b = (t.double()[:, 1:] if model == "Lorentz" else t.double() for t in (a, b))
        assert ((a - b).norm(dim=-1) <= 1e3 * torch.finfo(dtype).eps * b.norm(dim=-1)).all()


def test_batches_broadcast_with_a_curvature_each():
    x, y = torch.stack([cheap("PoincareBall", 4, 3, torch.float64, s) for s in range(6)]).view(2, 3, 4, 3), None
    y = cheap("PoincareBall", 5, 3, torch.float64, 9).requires_grad_()
    c = torch.tensor([[0.3], [0.6], [0.9]], dtype=torch.float64, requires_grad=True)  # one for each of the 3 sets
    x.requires_grad_()
    got = pairwise.dist("PoincareBall", x, y, c)
    want = torch.stack([pairwise.dist("PoincareBall", x[:, i], y, c[i, 0]) for i in range(3)], 1)
    assert got.shape == (2, 3, 4, 5)
    torch.testing.assert_close(got, want, rtol=1e-15, atol=0.0)
    for a, b in zip(
        torch.autograd.grad(got.square().sum(), (x, y, c)),
        torch.autograd.grad(want.square().sum(), (x, y, c)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)
    assert pairwise.dist("Lorentz", x.new_zeros(0, 4), x.new_zeros(7, 4), 1.0).shape == (0, 7)
    assert (
        pairwise.dist("HalfSpace", x.half().detach().abs() + 0.1, y.half().detach().abs() + 0.1, 1.0).dtype
        == torch.float16
    )


@pytest.mark.parametrize("model", MODELS)
def test_every_use_of_autograd(model):
    x, y = cheap(model, 3, 2, torch.float64, 1).requires_grad_(), cheap(model, 4, 2, torch.float64, 2).requires_grad_()
    c = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)

    def f(x, y, c):
        return pairwise.dist(model, x, y, c)

    if model != "Lorentz":  # time is not read: gradients in it are the rounding of the others
        assert torch.autograd.gradcheck(f, (x, y, c))
    assert torch.autograd.gradgradcheck(f, (x, y, c), atol=1e-6) if model != "Lorentz" else True
    want = f(x, y, c)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(f, fullgraph=True, backend="aot_eager")(x, y, c), want)
    pieces = torch.func.vmap(lambda t: f(t.unsqueeze(0), y.detach(), c.detach()))(x.detach())
    torch.testing.assert_close(pieces.squeeze(1), want)
    if pairwise._compiled:
        op = torch.ops.hypgeo.pairwise_dist
        which = list(MODELS).index(model)
        rows = [t.detach().unsqueeze(0) for t in (x, y, c)]
        torch.library.opcheck(op, (*rows, which))
        back = torch.ops.hypgeo.pairwise_dist_backward
        torch.library.opcheck(back, (torch.rand(1, 3, 4, dtype=torch.float64), *rows, op(*rows, which), which, True))


def test_projected_gradients_far_out():
    """The hyperboloid's time coordinate makes the Riemannian gradient exact, also of a sum."""
    x, y = sets("Lorentz", 3, 6, 3, torch.float64, 6, 9)
    x.requires_grad_()
    (grad,) = torch.autograd.grad(pairwise.dist("Lorentz", x, y, 1.0).sum(), x)
    manifold = Lorentz()
    got = manifold.egrad2rgrad(x.detach(), grad)
    want = sum(-manifold.logmap(x.detach(), t) / manifold.dist(x.detach(), t, keepdim=True) for t in y)
    assert (manifold.norm(x.detach(), got - want) <= 1e-12 * manifold.norm(x.detach(), want)).all()


def test_without_the_library(monkeypatch):
    x, y = cheap("PoincareBall", 3, 4, torch.float32, 1), cheap("PoincareBall", 5, 4, torch.float32, 2)
    want = pairwise.dist("PoincareBall", x, y, 1.0)
    monkeypatch.setattr(pairwise, "_compiled", False)
    torch.testing.assert_close(pairwise.dist("PoincareBall", x, y, 1.0), want)


@compiled
def test_threads_change_nothing():
    x = cheap("PoincareBall", 301, 5, torch.float32).requires_grad_()
    threads, found = torch.get_num_threads(), []
    for n in (1, 2):
        torch.set_num_threads(n)
        out = pairwise.dist("PoincareBall", x, x, 1.0)
        found.append((out, *torch.autograd.grad(out.sum(), x)))
    torch.set_num_threads(threads)
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-6, atol=1e-4)  # of 300


@compiled
def test_memory_stays_below_three_times_the_output():
    code = """
import resource, torch
from hypgeo.ops import pairwise
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
def go(n):
    x, y = (torch.rand(n, 32, requires_grad=True) for _ in range(2))
    pairwise.dist("PoincareBall", x * 0.1, y * 0.1, 1.0).sum().backward()
go(16)
before = peak()
go(2048)
print((peak() - before) / (4 * 2048**2))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 3.0


def test_bad_arguments():
    x = torch.rand(3, 4) * 0.1
    with pytest.raises(ValueError, match="sets of points"):
        pairwise.dist("PoincareBall", x[0], x, 1.0)
    with pytest.raises(ValueError, match="4 and 2 coordinates"):
        pairwise.dist("PoincareBall", x, x[:, :2], 1.0)
    with pytest.raises(TypeError, match="floating"):
        pairwise.dist("PoincareBall", x.long(), x, 1.0)
    with pytest.raises(TypeError, match="tensors of points"):
        pairwise.dist("PoincareBall", [[0.1]], x, 1.0)
    with pytest.raises(ValueError, match="positive and finite"):
        pairwise.dist("PoincareBall", x, x, -1.0)
    with pytest.raises(ValueError, match="one curvature"):
        pairwise.dist("PoincareBall", x, x, torch.ones(3))
