"""Every operation and its derivative against mpmath, on the exact numbers that the components are."""

import itertools
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
from exactly import mp, numbers, off
from mpmath import mpf
from torch import Tensor

from hypgeo import MCTensor

F16, F32, F64 = torch.float16, torch.float32, torch.float64
KINDS = [(2, F64), (3, F64), (2, F32), (3, F16)]

# name: (function, the same of mpmath, its derivative, range, hard points)
Unary = tuple[Callable[[Tensor], Tensor], Callable[[Any], Any], Callable[[Any], Any], tuple[float, float], list[str]]
UNARY: dict[str, Unary] = {
    "neg": (torch.neg, lambda x: -x, lambda x: mpf(-1), (-2, 2), []),
    "abs": (torch.abs, abs, mpmath.sign, (-2, 2), ["-1e-5"]),
    "sqrt": (torch.sqrt, mpmath.sqrt, lambda x: 1 / (2 * mpmath.sqrt(x)), (0.1, 9), ["1e-3"]),
    "rsqrt": (torch.rsqrt, lambda x: 1 / mpmath.sqrt(x), lambda x: -1 / (2 * x * mpmath.sqrt(x)), (0.1, 9), []),
    "reciprocal": (torch.reciprocal, lambda x: 1 / x, lambda x: -1 / x**2, (0.1, 9), ["-3"]),
    "exp": (torch.exp, mpmath.exp, mpmath.exp, (-3, 3), ["1e-3"]),
    "log": (torch.log, mpmath.log, lambda x: 1 / x, (0.1, 9), ["0.999", "1.0001"]),
    "log2": (torch.log2, lambda x: mpmath.log(x) / mpmath.log(2), lambda x: 1 / (x * mpmath.log(2)), (0.1, 0.9), []),
    "log1p": (torch.log1p, mpmath.log1p, lambda x: 1 / (1 + x), (-0.9, 9), ["-0.999", "1e-4"]),
    "expm1": (torch.expm1, mpmath.expm1, mpmath.exp, (-3, 3), ["-9", "1e-4"]),
    "sinh": (torch.sinh, mpmath.sinh, mpmath.cosh, (-3, 3), ["1e-3"]),
    "cosh": (torch.cosh, mpmath.cosh, mpmath.sinh, (-3, 3), ["1e-3"]),
    "tanh": (torch.tanh, mpmath.tanh, lambda x: mpmath.sech(x) ** 2, (-3, 3), ["6", "-6"]),
    "asinh": (torch.asinh, mpmath.asinh, lambda x: 1 / mpmath.sqrt(1 + x * x), (-9, 9), ["100", "1e-3"]),
    "acosh": (torch.acosh, mpmath.acosh, lambda x: 1 / mpmath.sqrt(x * x - 1), (1.1, 9), ["1.001"]),
    "atanh": (torch.atanh, mpmath.atanh, lambda x: 1 / (1 - x * x), (-0.9, 0.9), ["0.999", "-0.999"]),
    "sin": (torch.sin, mpmath.sin, mpmath.cos, (-3, 3), ["31"]),
    "cos": (torch.cos, mpmath.cos, lambda x: -mpmath.sin(x), (-3, 3), ["31"]),
    "tan": (torch.tan, mpmath.tan, lambda x: mpmath.sec(x) ** 2, (-1, 1), []),
    "square": (torch.square, lambda x: x * x, lambda x: 2 * x, (-2, 2), []),
    "cube": (lambda x: x**3, lambda x: x**3, lambda x: 3 * x * x, (-2, 2), []),
    "pow -2": (lambda x: x**-2, lambda x: x**-2, lambda x: -2 * x**-3, (0.3, 2), ["-0.7"]),
    "pow 1.25": (lambda x: x**1.25, lambda x: x ** mpf(1.25), lambda x: mpf(1.25) * x ** mpf(0.25), (0.1, 2), []),
    "sigmoid": (
        torch.sigmoid,
        lambda x: 1 / (1 + mpmath.exp(-x)),
        lambda x: (mpmath.sech(x / 2) / 2) ** 2,
        (-5, 5),
        ["9"],
    ),
    "softplus": (
        torch.nn.functional.softplus,
        lambda x: mpmath.log1p(mpmath.exp(x)),
        lambda x: 1 / (1 + mpmath.exp(-x)),
        (-5, 5),
        ["8"],
    ),
    "logsigmoid": (
        torch.nn.functional.logsigmoid,
        lambda x: -mpmath.log1p(mpmath.exp(-x)),
        lambda x: 1 / (1 + mpmath.exp(x)),
        (-5, 5),
        ["8"],
    ),
    "silu": (
        torch.nn.functional.silu,
        lambda x: x / (1 + mpmath.exp(-x)),
        lambda x: mpmath.diff(lambda y: y / (1 + mpmath.exp(-y)), x),
        (0.1, 5),
        [],
    ),
    "relu": (torch.relu, lambda x: max(x, mpf(0)), lambda x: mpf(x > 0), (-2, 2), []),
    "1 - x": (lambda x: 1 - x, lambda x: 1 - x, lambda x: mpf(-1), (-2, 2), ["0.999"]),
    "x / 3": (lambda x: x / 3, lambda x: x / 3, lambda x: mpf(1) / 3, (-2, 2), []),
    "7 / x": (lambda x: 7 / x, lambda x: 7 / x, lambda x: -7 / x**2, (0.3, 2), []),
    "clamp": (
        lambda x: x.clamp(-1, 1),
        lambda x: min(max(x, mpf(-1)), mpf(1)),
        lambda x: mpf(abs(x) <= 1),
        (-2, 2),
        [],
    ),
}


@pytest.mark.parametrize(("n", "dtype"), KINDS, ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name: str, n: int, dtype: torch.dtype) -> None:
    f, want, slope, (low, high), hard = UNARY[name]
    x = numbers(12, n, dtype, low, high)
    if hard and dtype != F16:
        x = torch.cat([x, MCTensor(hard, n, dtype)])
    y = f(x.requires_grad_())
    exact = mp(x)
    assert off(y, [want(v) for v in exact]) <= (8 if dtype != F16 or name != "tan" else 256)
    y.sum().backward()
    assert isinstance(x.grad, MCTensor)
    slopes = [slope(v) for v in exact]
    # float16 has no bit beyond 2^-24, and an intermediate result that is short of them counts for more in the end
    assert off(x.grad, slopes, [2**8 * (1 + v**2) for v in slopes] if dtype == F16 else None) <= 64


FAR = {
    "tanh": "300",
    "sigmoid": "-700",
    "expm1": "-600",
    "asinh": "1e200",
    "acosh": "1.00000000000000000001",
    "atanh": "0.99999999999999999999",
    "log1p": "-0.99999999999999999999",
    "softplus": "-600",
}


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("name", FAR)
def test_derivatives_where_textbook_formulas_cancel(name: str, n: int) -> None:
    """Where 1 - tanh², 1 - x², y + 1 keep no digit, or x² overflows."""
    f, want, slope, _, _ = UNARY[name]
    x = MCTensor(FAR[name], n).requires_grad_()
    y = f(x)
    y.backward()
    assert off(y, [want(v) for v in mp(x)]) <= 8
    assert off(x.grad, [slope(v) for v in mp(x)]) <= 64


BINARY: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "add": (torch.add, lambda x, y: x + y),
    "sub": (torch.sub, lambda x, y: x - y),
    "mul": (torch.mul, lambda x, y: x * y),
    "div": (torch.div, lambda x, y: x / y),
    "pow": (torch.pow, mpmath.power),
    "maximum": (torch.maximum, max),
    "minimum": (torch.minimum, min),
    "hypot": (torch.hypot, mpmath.hypot),
    "logaddexp": (torch.logaddexp, lambda x, y: mpmath.log(mpmath.exp(x) + mpmath.exp(y))),
    "alpha": (lambda x, y: torch.add(x, y, alpha=0.1), lambda x, y: x + mpf(0.1) * y),
    "lerp": (lambda x, y: torch.lerp(x, y, 0.1), lambda x, y: x + mpf(0.1) * (y - x)),
}


@pytest.mark.parametrize(("n", "dtype"), KINDS[:3], ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers(name: str, n: int, dtype: torch.dtype) -> None:
    f, want = BINARY[name]
    x = numbers(6, n, dtype, 0.5, 2, seed=1).reshape(3, 2).requires_grad_()
    y = numbers(2, n, dtype, 0.5, 2, seed=2).requires_grad_()
    out = f(x, y)
    pairs = [(a, b) for a, b in zip(mp(x), itertools.cycle(mp(y)), strict=False)]
    assert off(out, [want(a, b) for a, b in pairs]) <= 16
    out.sum().backward()
    with mpmath.workprec(3000):
        by_x = [mpmath.diff(want, p, (1, 0)) for p in pairs]
        by_y = [mpmath.diff(want, p, (0, 1)) for p in pairs]
    assert off(x.grad, by_x, [mpf(1)] * 6) <= 64
    assert off(y.grad, [sum(by_y[0::2]), sum(by_y[1::2])], [mpf(1)] * 2) <= 128


def test_what_cancels_keeps_every_digit() -> None:
    x = MCTensor("1") + MCTensor("1e-30")
    assert off(x - 1, [mpf(x.components[1].item())]) == 0
    big = MCTensor(["1e300", "1", "-1e300"], 3)
    assert big.sum().item() == 1
    assert (MCTensor(10**40 + 1, 3) - 10**40).item() == 1


@pytest.mark.parametrize(("n", "dtype"), KINDS[:3], ids=str)
def test_reductions(n: int, dtype: torch.dtype) -> None:
    x = numbers(24, n, dtype, -1, 1).reshape(2, 3, 4).requires_grad_()
    a = torch.tensor(range(24)).reshape(2, 3, 4)
    exact = mp(x)

    def sets(dims: tuple[int, ...]) -> list[list[Any]]:
        kept = [d for d in range(3) if d not in dims]
        return [[exact[i] for i in row] for row in a.permute(*kept, *dims).reshape(-1, _size(a, dims)).tolist()]

    for dims in [(0,), (1,), (2,), (0, 2), (0, 1, 2)]:
        rows = sets(dims)
        size = [mpmath.fsum(map(abs, r)) for r in rows]
        for keep in (False, True):
            assert off(x.sum(dims, keepdim=keep), [mpmath.fsum(r) for r in rows], size) <= 8
            assert x.sum(dims, keepdim=keep).shape == a.sum(dims, keepdim=keep).shape
            assert x.amax(dims, keepdim=keep).shape == a.amax(dims, keepdim=keep).shape
        assert off(x.mean(dims), [mpmath.fsum(r) / len(r) for r in rows], size) <= 8
        assert (
            off(torch.linalg.vector_norm(x, dim=dims), [mpmath.sqrt(mpmath.fsum(v * v for v in r)) for r in rows]) <= 16
        )
        assert off(torch.linalg.vector_norm(x, 1, dims), size) <= 8
        cubes = [mpmath.fsum(abs(v) ** 3 for v in r) ** (mpf(1) / 3) for r in rows]
        assert off(torch.linalg.vector_norm(x, 3, dims), cubes) <= 16
        assert off(x.amax(dims), [max(r) for r in rows]) == off(x.amin(dims), [min(r) for r in rows]) == 0
        assert off(torch.logsumexp(x, dims), [mpmath.log(mpmath.fsum(map(mpmath.exp, r))) for r in rows], size) <= 16
        mean = [mpmath.fsum(r) / len(r) for r in rows]
        var = [mpmath.fsum((v - m) ** 2 for v in r) / (len(r) - 1) for r, m in zip(rows, mean, strict=True)]
        assert off(x.var(dims), var) <= 32
    for d in range(3):
        rows = sets((d,))
        assert off(x.prod(d), [mpmath.fprod(r) for r in rows]) <= 16
        top, at = x.max(d)
        assert off(top, [max(r) for r in rows]) == 0 and at.flatten().tolist() == [r.index(max(r)) for r in rows]
        assert x.argmin(d).flatten().tolist() == [r.index(min(r)) for r in rows]
        got, order = x.sort(d)
        assert off(got.movedim(d, -1), [v for r in rows for v in sorted(r)]) == 0
        assert torch.equal(x.gather(d, order), got)
        assert torch.equal(x.sort(d, descending=True).values, got.flip(d))
        running = [v for r in rows for v in itertools.accumulate(r)]
        assert off(x.cumsum(d).movedim(d, -1), running, [mpf(4)] * 24) <= 8
    assert off(x.prod(), [mpmath.fprod(exact)]) <= 64
    assert x.argmax().item() == exact.index(max(exact))
    assert off(x.topk(2).values, [v for r in sets((2,)) for v in sorted(r)[:1:-1]]) == 0


def _size(a: Tensor, dims: tuple[int, ...]) -> int:
    return int(torch.tensor([a.shape[d] for d in dims]).prod())


def test_order_looks_at_all_components() -> None:
    x = MCTensor("1") + MCTensor(["2e-30", "-1e-30", "0", "1e-30"])
    assert x.value().tolist() == [1.0] * 4
    assert x.argsort().tolist() == [1, 2, 3, 0] and x.argmax().item() == 0 and x.argmin().item() == 1
    assert (x > 1).tolist() == [True, False, False, True] and (x == 1).tolist() == [False, False, True, False]
    assert (x <= x[3]).tolist() == [False, True, True, True]
    assert x.unique_consecutive is not None and torch.equal(x.clamp_max(1) < x, x > 1)
    nan = MCTensor(["1", "nan"])
    assert nan.max().isnan() and not (nan == nan)[1] and nan.isnan().tolist() == [False, True]


@pytest.mark.parametrize(("n", "dtype"), KINDS[:3], ids=str)
def test_products_of_matrices(n: int, dtype: torch.dtype) -> None:
    a = numbers(6, n, dtype, -1, 1, seed=1).reshape(2, 3).requires_grad_()
    b = numbers(12, n, dtype, -1, 1, seed=2).reshape(3, 4).requires_grad_()
    A, B = mpmath.matrix(2, 3), mpmath.matrix(3, 4)
    for i, v in enumerate(mp(a)):
        A[i // 3, i % 3] = v
    for i, v in enumerate(mp(b)):
        B[i // 4, i % 4] = v
    want = [v for v in A * B]
    for got in (a @ b, torch.einsum("ij,jk->ik", a, b), torch.bmm(a[None], b[None])[0], (b.mT @ a.mT).mT):
        assert off(got, want, [mpf(3)] * 8) <= 8
    w = numbers(8, n, dtype, -1, 1, seed=3).reshape(2, 4)
    ((a @ b) * w).sum().backward()
    W = mpmath.matrix(2, 4)
    for i, v in enumerate(mp(w)):
        W[i // 4, i % 4] = v
    assert off(a.grad, [v for v in W * B.T], [mpf(4)] * 6) <= 8
    assert off(b.grad, [v for v in A.T * W], [mpf(2)] * 12) <= 8
    v = numbers(3, n, dtype, -1, 1, seed=4)
    assert off(a @ v, [mpmath.fdot(mp(a[i]), mp(v)) for i in range(2)], [mpf(3)] * 2) <= 8
    assert off(v @ v, [mpmath.fdot(mp(v), mp(v))]) <= 8
    bias = numbers(2, n, dtype, -1, 1, seed=5)
    out = torch.nn.functional.linear(v, a, bias)
    assert off(out, [mpmath.fdot(mp(a[i]), mp(v)) + mp(bias)[i] for i in range(2)], [mpf(3)] * 2) <= 8
    assert (numbers(0, n, dtype, 0, 1).reshape(2, 0) @ torch.ones(0, 3, dtype=dtype)).tolist() == [[0.0] * 3] * 2


def test_norms_where_squares_leave_the_range() -> None:
    for size in ("1e200", "1e-200"):
        x = MCTensor([size, size]).requires_grad_()
        y = x.norm()
        assert off(y, [mpmath.sqrt(2) * mp(x)[0]]) <= 8
        y.backward()
        assert off(x.grad, [1 / mpmath.sqrt(2)] * 2) <= 16
    zero = MCTensor([0.0, 0.0]).requires_grad_()
    zero.norm().backward()
    assert zero.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize(
    "name", ["tanh", "exp", "log", "sigmoid", "asinh", "acosh", "atanh", "cube", "sqrt", "softplus"]
)
def test_second_derivatives(name: str, n: int) -> None:
    f, _, slope, (low, high), _ = UNARY[name]
    x = numbers(5, n, F64, low, high).requires_grad_()
    (g,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    with mpmath.workprec(3000):
        want = [mpmath.diff(slope, v) for v in mp(x)]
    assert off(h, want, [1 + abs(v) for v in want]) <= 256


def test_softmax_and_its_kin() -> None:
    x = numbers(12, 2, F64, -3, 3).reshape(3, 4).requires_grad_()
    rows = [mp(r) for r in x]
    p = [[mpmath.exp(v) / mpmath.fsum(map(mpmath.exp, r)) for v in r] for r in rows]
    assert off(x.softmax(1), [v for r in p for v in r]) <= 16
    assert off(x.log_softmax(-1), [mpmath.log(v) for r in p for v in r], [mpf(1)] * 12) <= 16
    assert off(x.T.log_softmax(0).T, [mpmath.log(v) for r in p for v in r], [mpf(1)] * 12) <= 16
    loss = torch.nn.functional.cross_entropy(x, torch.tensor([0, 3, 1]))
    assert off(loss, [-mpmath.fsum([mpmath.log(p[0][0]), mpmath.log(p[1][3]), mpmath.log(p[2][1])]) / 3]) <= 32
    loss.backward()
    hot = [[0], [3], [1]]
    assert off(x.grad, [(v - (j in hot[i])) / 3 for i, r in enumerate(p) for j, v in enumerate(r)], [mpf(1)] * 12) <= 32


def test_whole_parts() -> None:
    x = MCTensor(["2.5", "-2.5", "3.5", "-0.5", "7", "1e-40"], 2) + MCTensor(["0", "0", "0", "0", "-1e-25", "0"])
    assert x.floor().tolist() == [2, -3, 3, -1, 6, 0] and x.ceil().tolist() == [3, -2, 4, 0, 7, 1]
    assert x.trunc().tolist() == [2, -2, 3, 0, 6, 0] and x.round().tolist() == [2, -2, 4, 0, 7, 0]
    assert x.long().tolist() == [2, -2, 3, 0, 6, 0]
    assert MCTensor(2**62 + 1, 2).long().item() == 2**62 + 1
    seven, three = MCTensor(["7", "-7", "7", "-7"]), MCTensor(["3", "3", "-3", "-3"])
    assert (seven // three).tolist() == [2, -3, -3, 2] and (seven % three).tolist() == [1, 2, -2, -1]
    assert torch.fmod(seven, three).tolist() == [1, -1, 1, -1]
    assert torch.div(seven, three, rounding_mode="trunc").tolist() == [2, -2, -2, 2]
