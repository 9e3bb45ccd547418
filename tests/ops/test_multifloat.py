"""Multi-component floats against exact fractions and mpmath, where naive arithmetic fails: compiled for the CPU, plain,
and as a GPU's threads compute them, on the host."""

import itertools
import math
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import gpu
import pytest
import torch
from torch import Tensor

from hypgeo.ops import multifloat as mf
from hypgeo.testing import multifloat as exact

DTYPES = (torch.float16, torch.float32, torch.float64)
SIZES = range(1, mf.MOST + 1)
CHEAP = ("add", "sub", "mul", "div", "reciprocal", "sqrt", "rsqrt")


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> gpu.Kernels:
    return gpu.Kernels(gpu.shared_folder(tmp_path_factory))


@pytest.fixture(params=["compiled", "plain", "gpu"])
def plain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the plain bodies are meant; else the compiled ops answer, or in their place the GPU's kernels."""
    if request.param == "gpu":
        request.getfixturevalue("kernels").install(monkeypatch)
    return bool(request.param == "plain")


def served(f: mf.Function, plain: bool) -> Callable[..., Any]:
    return f.reference if plain else f


def numbers(shape: tuple[int, ...], dtype: torch.dtype, n: int, seed: int, low: int = -3, high: int = 3) -> Tensor:
    rng = random.Random(seed)
    drawn = [exact._draw(rng, dtype, n, low, high) for _ in range(math.prod(shape))]
    return exact.tensor(drawn, dtype, n).reshape(*shape, n)


def check(
    want: Fraction, got: Tensor, name: str, size: Fraction | None = None, floors: int = 1, terms: int = 1
) -> None:
    """Canonical, and within the bound."""
    row, n = got.to(torch.float64).tolist(), got.shape[-1]
    assert exact.is_canonical(row, got.dtype), row
    most = mf.bound(name, got.dtype, n) * terms
    error = exact.error(want, row, got.dtype, n, most, size, floors)
    assert error <= 1, (name, got.dtype, n, error, row)


# ---- elementwise


@pytest.mark.parametrize("name", exact.ONE + exact.TWO)
def test_functions_keep_their_bounds_on_hard_numbers(name: str, plain: bool) -> None:
    for dtype, n in itertools.product(DTYPES, SIZES if not plain else (1, 2, 3, 8) if name in CHEAP else (1, 2)):
        inputs = exact.samples(name, dtype, n, 10 if plain else 16, seed=2 if plain else 1)
        assert exact.worst(name, inputs, served(getattr(mf, name), plain)(*inputs)) <= 1, (name, dtype, n)


def test_pairs_far_from_one_keep_their_bounds(plain: bool) -> None:
    """Long tensors take the vector path; here every lane leaves or stays for another reason."""
    for name in CHEAP:
        inputs = exact.samples(name, torch.float64, 2, 203, seed=3)
        assert exact.worst(name, inputs, served(getattr(mf, name), plain)(*inputs)) <= 1, name


@pytest.mark.parametrize("name", exact.ONE)
def test_special_values_are_those_of_floats(name: str, plain: bool) -> None:
    leads = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, math.inf, -math.inf, math.nan, 60000.0, -60000.0]
    for dtype, n in ((torch.float64, 2), (torch.float64, 3), (torch.float32, 2), (torch.float16, 3)):
        lead = torch.tensor(leads, dtype=dtype)
        got = served(getattr(mf, name), plain)(mf.from_float(lead, n))
        want = getattr(torch, name)(lead.double()).to(dtype)
        assert torch.allclose(got[:, 0], want, rtol=1e-2, equal_nan=True), (name, dtype, n, got, want)
        assert torch.equal(got[~torch.isfinite(got[:, 0]), 1:].abs().sum(), torch.zeros((), dtype=dtype))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
def test_special_values_of_two_are_those_of_floats(name: str, plain: bool) -> None:
    leads = torch.tensor([0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, math.inf, -math.inf, math.nan, 1e300, -1e300])
    for dtype, n in ((torch.float64, 2), (torch.float64, 3), (torch.float32, 2), (torch.float16, 3)):
        x, y = (t.to(dtype).reshape(-1) for t in torch.meshgrid(leads.double(), leads.double(), indexing="ij"))
        got = served(getattr(mf, name), plain)(mf.from_float(x, n), mf.from_float(y, n))
        want = getattr(torch, name)(x.double(), y.double()).to(dtype)
        wrong = ~torch.isclose(got[:, 0], want, rtol=1e-2, equal_nan=True)
        assert not wrong.any(), (dtype, n, x[wrong], y[wrong], got[wrong], want[wrong])


def test_domains_end_at_the_last_component(plain: bool) -> None:
    t = 2.0**-70
    for name, row, want in (
        ("log1p", [-1.0, t], math.log(t)), ("log1p", [-1.0, -t], math.nan), ("acosh", [1.0, -t], math.nan),
        ("acosh", [1.0, t], math.sqrt(2 * t)), ("atanh", [1.0, -t], (math.log(2) - math.log(t)) / 2),
        ("atanh", [1.0, t], math.nan), ("atanh", [-1.0, t], -(math.log(2) - math.log(t)) / 2), ("log", [1.0, t], t),
    ):  # fmt: skip
        for dtype in (torch.float32, torch.float64):
            got = served(getattr(mf, name), plain)(torch.tensor([row], dtype=dtype))[0, 0].item()
            assert got == pytest.approx(want, rel=1e-6, nan_ok=True), (name, row, dtype)


def test_powers(plain: bool) -> None:
    for dtype, n in (
        (torch.float64, 1),
        (torch.float64, 2),
        (torch.float64, 3),
        (torch.float32, 2),
        (torch.float16, 3),
    ):
        x = numbers((9,), dtype, n, 5, -1, 1)
        for k in (0, 1, 2, 3, -1, -2, 7, 30, -31):
            got = served(mf.powi, plain)(x, k)
            for v, row in zip(exact.values(x), got, strict=True):
                check(v**k, row, "powi")
    x = mf.from_float(torch.tensor([0.0, math.inf, -math.inf, math.nan, -2.0], dtype=torch.float64), 2)
    cubes = served(mf.powi, plain)(x, 3)[:, 0]
    assert torch.equal(cubes.nan_to_num(9.0, 99.0, -99.0), torch.tensor([0.0, 99.0, -99.0, 9.0, -8.0]).double())
    odd = torch.tensor([2.0**53, 1.0], dtype=torch.float64)  # an integer that no float64 holds
    minus_one = mf.from_float(torch.tensor(-1.0, dtype=torch.float64), 2)
    assert served(mf.pow, plain)(minus_one, odd)[0] == -1.0
    near = torch.tensor([1.0, 2.0**-1000], dtype=torch.float64)
    big = mf.from_float(torch.tensor(2.0**1000, dtype=torch.float64), 2)
    assert served(mf.pow, plain)(near, big)[0] == math.e


def test_large_powers_of_numbers_near_one() -> None:
    x = torch.tensor([[1.0, 2.0**-60, 0.0]], dtype=torch.float64)
    want = exact.reference("pow", 1 + Fraction(1, 2**60), Fraction(2**39))
    assert exact.error(want, mf.powi(x, 2**39)[0].tolist(), torch.float64, 3, mf.bound("powi", torch.float64, 3)) <= 1


# ---- canonical form


def test_renorm_of_anything(plain: bool) -> None:
    rng = random.Random(7)
    renorm = served(mf.renorm, plain)
    for dtype, n in itertools.product(DTYPES, SIZES):
        p, low = mf.PRECISION[dtype], exact.LEAST[dtype]
        rows = []
        for _ in range(12):
            row = [math.ldexp(rng.choice((-1, 1)) * rng.getrandbits(p), rng.randint(low, 12 - p)) for _ in range(n)]
            if n > 2 and rng.random() < 0.5:
                row[n // 2] = -row[0]
            rows.append(row)
        x = torch.tensor(rows, dtype=torch.float64).to(dtype)
        for m in {n, 1, min(n + 1, 8)}:
            for v, got in zip(exact.values(x), renorm(x, m), strict=True):
                assert got.tolist() == exact.components(v, dtype, m), (dtype, n, m)


def test_doubles_split_to_the_last_bit(plain: bool) -> None:
    if plain:
        return
    ends = [0.0, 2.0**-25, 3 * 2.0**-26, 65519.9, 65520.0, 1e6, 1 + 2.0**-11, 1 + 3 * 2.0**-11, 2.0**-14 - 2.0**-25]
    drawn = [math.ldexp(random.Random(i).uniform(-1, 1), i % 44 - 27) for i in range(300)]
    x = torch.tensor([s * t for t in ends for s in (1, -1)] + drawn, dtype=torch.float64)
    for code, dtype in enumerate(DTYPES):
        for n in (1, 2, 3, 8):
            got = torch.ops.hypgeo.multifloat_split.default(x, code, n)
            assert got.tolist() == [exact.components(Fraction(v), dtype, n) for v in x.tolist()]
    special = torch.tensor([math.inf, -math.inf, math.nan], dtype=torch.float64)
    got = torch.ops.hypgeo.multifloat_split.default(special, 0, 2)
    assert got[:, 0].nan_to_num(7.0, 8.0, 9.0).tolist() == [8.0, 9.0, 7.0] and not got[:, 1].any()


def test_renorm_breaks_ties_by_what_follows(plain: bool) -> None:
    renorm = served(mf.renorm, plain)
    for dtype, p in ((torch.float64, 53), (torch.float32, 24)):
        half, small = 2.0**-p, 2.0 ** (-2 * p - 3)
        x = torch.tensor([[1.0, half, small], [1.0, half, -small], [1.0, half, 0.0]], dtype=dtype)
        want = [[1.0 + 2 * half, -half, small], [1.0, half, -small], [1.0, half, 0.0]]
        assert renorm(x).tolist() == want
        assert renorm(torch.tensor([[1.0 + 2 * half, half, 0.0]], dtype=dtype))[0].tolist() == [
            1.0 + 4 * half,
            -half,
            0,
        ]
    top = torch.finfo(torch.float64).max
    rows = [[-top, top, top], [math.inf, 1.0, -math.inf], [1.0, math.inf, 2.0], [top, top, 1.0]]
    got = renorm(torch.tensor(rows, dtype=torch.float64)).nan_to_num(7.0, 8.0)
    assert got.tolist() == [[top, 0.0, 0.0], [7.0, 0.0, 0.0], [8.0, 0.0, 0.0], [8.0, 0.0, 0.0]]
    rows = [[math.inf, -0.0], [0.0, math.inf], [1.0, -math.inf], [math.inf, -math.inf], [math.nan, 1.0]]
    for dtype, n in itertools.product(DTYPES, (2, 3, 8)):
        got = renorm(torch.nn.functional.pad(torch.tensor(rows, dtype=dtype), (n - 2, 0)))
        assert got[:, 0].nan_to_num(7.0, 8.0, 9.0).tolist() == [8.0, 8.0, 9.0, 7.0, 7.0] and not got[:, 1:].any()


def test_rounding_is_to_nearest() -> None:
    for dtype, n in itertools.product(DTYPES, (2, 3, 5)):
        x = numbers((50,), dtype, n, 3)
        assert mf.round_to_float(x).tolist() == [exact.rounded(v, dtype) for v in exact.values(x)]


# ---- reductions


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_products_keep_their_bounds(dtype: torch.dtype, plain: bool) -> None:
    for n in (1, 2, 3, 4, 6, 8) if not plain else (1, 2, 5):
        x = numbers((3, 7, 11), dtype, n, 11, -6, 3)
        x[1, :, 5] = mf.neg(x[1, :, 4])  # what cancels
        x[2, 3] = 0.0
        held = {at: v for at, v in zip(itertools.product(range(3), range(7), range(11)), exact.values(x), strict=True)}
        total, running = served(mf.sum, plain)(x, 2), served(mf.cumsum, plain)(x, 1)
        product, both = served(mf.prod, plain)(x, 0), served(mf.sum, plain)(x, (0, 2), True)
        assert both.shape == (1, 7, 1, n)
        for i, j in itertools.product(range(3), range(7)):
            line = [held[i, j, k] for k in range(11)]
            check(sum(line), total[i, j], "sum", sum(map(abs, line)))
        for j in range(7):
            line = [held[i, j, k] for i in range(3) for k in range(11)]
            check(sum(line), both[0, j, 0], "sum", sum(map(abs, line)))
            line = [held[0, i, 3] for i in range(j + 1)]
            check(sum(line), running[0, j, 3], "cumsum", sum(map(abs, line)))
            check(held[0, j, 2] * held[1, j, 2] * held[2, j, 2], product[j, 2], "prod")


def test_long_sums_and_their_ends(plain: bool) -> None:
    total, running, product = (served(f, plain) for f in (mf.sum, mf.cumsum, mf.prod))
    x = numbers((1000,), torch.float64, 2, 13, -40, 40)
    x = torch.cat([x, mf.neg(x.flip(0)), x[:1]])
    check(exact.values(x)[0], total(x), "sum", sum(map(abs, exact.values(x))))
    assert total(x[:0]).tolist() == [0.0, 0.0] and product(x[:0]).tolist() == [1.0, 0.0]
    assert total(x.reshape(3, 667, 2)[:, :0], 1).tolist() == [[0.0, 0.0]] * 3
    big = torch.finfo(torch.float64).max
    ends = mf.from_float(torch.tensor([big, big, -big, -big, 3.0]), 2).double()
    ends[:4, 0] = torch.tensor([big, big, -big, -big], dtype=torch.float64)
    assert total(ends).tolist() == [3.0, 0.0] and total(ends[:2])[0] == math.inf
    for bad in (math.inf, math.nan):
        y = mf.from_float(torch.tensor([1.0, bad, 2.0], dtype=torch.float64), 3)
        for got in (total(y), running(y, 0)[2], product(y)):
            assert torch.equal(got.isfinite(), torch.tensor([False, True, True]))
        assert running(y, 0)[0].tolist() == [1.0, 0.0, 0.0]
    scales = mf.from_float(torch.tensor([1e300, 1e300, 1e-300, 1e-300, 7.0], dtype=torch.float64), 2)
    check(math.prod(exact.values(scales)), product(scales), "prod")  # no overflow on the way
    x = numbers((1,), torch.float64, 2, 1)[0]  # a single number has no axes
    assert torch.equal(total(x), x) and torch.equal(running(x, 0), x) and torch.equal(product(x), x)


def test_lines_of_every_shape(plain: bool) -> None:
    """Few long lines are cut into pieces by a GPU's threads, many short ones are not."""
    total, running, product = (served(f, plain) for f in (mf.sum, mf.cumsum, mf.prod))
    for dtype, n, inner in ((torch.float64, 2, 1), (torch.float64, 3, 2), (torch.float32, 2, 2), (torch.float16, 2, 1)):
        x = numbers((5000 // inner, inner), dtype, n, 37, -9, -2)
        for column in range(inner):
            held = exact.values(x[:, column])
            sizes = list(itertools.accumulate(map(abs, held)))
            sums = list(itertools.accumulate(held))
            check(sums[-1], total(x, 0)[column], "sum", sizes[-1])
            for at in (0, 63, 64, 127, 128, 129, len(held) - 1):
                check(sums[at], running(x, 0)[at, column], "cumsum", sizes[at])
        near_one = mf.add(mf.from_float(torch.ones(5000 // inner, inner, dtype=dtype), n), mf.scale(x, x[..., 0]))
        held = exact.values(near_one[:, 0])
        want = math.prod((Fraction(v) for v in held), start=Fraction(1))
        check(want, product(near_one, 0)[0], "prod")
    bad = numbers((1, 700), torch.float64, 2, 41)
    bad[0, 300] = bad.new_tensor([math.inf, 0.0])
    assert total(bad, 1)[0, 0] == math.inf and running(bad, 1)[0, 299:301, 0].isinf().tolist() == [False, True]
    assert product(bad, 1)[0, 0].isinf() and total(torch.cat([bad, mf.neg(bad)], 1), 1)[0, 0].isnan()
    many = numbers((64, 3), torch.float64, 2, 43).repeat(600, 1, 1)
    for f in (total, product):
        got = f(many, 1)
        assert torch.equal(got[:64], f(many[:64], 1)) and torch.equal(got, got[:64].repeat(600, 1))
    assert torch.equal(running(many, 1)[-64:], running(many[:64], 1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul_keeps_its_bound(dtype: torch.dtype, plain: bool) -> None:
    for n, (m, k, width) in itertools.product((1, 2, 3, 5, 8), ((3, 5, 2), (2, 9, 19), (17, 35, 3), (5, 3, 33))):
        if plain and width != 19:
            continue
        a, b = numbers((m, k), dtype, n, 17, -4, 1), numbers((k, width), dtype, n, 19, -4, 1)
        a[:, 1], b[1] = mf.neg(a[:, 0]), b[0]  # cancels
        va, vb = exact.values(a), exact.values(b)
        got = served(mf.matmul, plain)(a, b)
        for i, j in itertools.product(range(m), range(width)):
            terms = [va[i * k + t] * vb[t * width + j] for t in range(k)]
            check(sum(terms), got[i, j], "matmul", sum(map(abs, terms)), k, k)


def test_matmul_at_the_ends_of_the_exponents(plain: bool) -> None:
    for n in (2, 3):
        a, b = numbers((4, 9), torch.float64, n, 23, -700, 300), numbers((9, 17), torch.float64, n, 29, -600, 300)
        got, va, vb = served(mf.matmul, plain)(a, b), exact.values(a), exact.values(b)
        for i, j in itertools.product(range(4), range(17)):
            terms = [va[i * 9 + t] * vb[t * 17 + j] for t in range(9)]
            check(sum(terms), got[i, j], "matmul", sum(map(abs, terms)), 9, 9)
        a[0, 0, 0], a[1, 0, 0], a[2, 0] = math.inf, math.nan, a.new_tensor([1e300] + [0.0] * (n - 1))
        b[0, 0], b[0, 1] = b.new_tensor([1e300] + [0.0] * (n - 1)), 0.0
        a[:2, 0, 1:] = 0.0
        got = served(mf.matmul, plain)(a, b)
        assert got[0, 0, 0] == math.inf and got[0, 1, 0].isnan() and got[1, :, 0].isnan().all()
        assert got[2, 0].tolist() == [math.inf] + [0.0] * (n - 1) and got[2, 1].isfinite().all()


def test_matmul_of_calm_and_wild_numbers_beside_each_other(plain: bool) -> None:
    a, b = numbers((2, 18, 40), torch.float64, 2, 47), numbers((2, 40, 17), torch.float64, 2, 53)
    a[1, 3, 20] = mf.scale(a[1, 3, 20], a.new_tensor(2.0**-600))
    b[1, 20, 5] = mf.scale(b[1, 20, 5], a.new_tensor(2.0**620))
    got = served(mf.matmul, plain)(a, b)
    for at, i, j in ((0, 0, 0), (0, 17, 16), (1, 3, 5), (1, 3, 4), (1, 2, 5), (1, 17, 16)):
        terms = [p * q for p, q in zip(exact.values(a[at, i]), exact.values(b[at, :, j]), strict=True)]
        check(sum(terms), got[at, i, j], "matmul", sum(map(abs, terms)), 40, 40)


def test_matmul_batches_and_refuses() -> None:
    a, b = numbers((2, 1, 3, 4), torch.float64, 2, 1), numbers((5, 4, 6), torch.float64, 2, 2)
    got = mf.matmul(a, b)
    assert got.shape == (2, 5, 3, 6, 2) and torch.equal(got[1, 3], mf.matmul(a[1, 0], b[3]))
    assert torch.equal(mf.matmul(a, b[0])[1, 0], mf.matmul(a[1, 0], b[0]))
    assert torch.equal(
        mf.matmul(a[0, 0].transpose(0, 1), b[0, :3]), mf.matmul(a[0, 0].transpose(0, 1).contiguous(), b[0, :3])
    )
    assert mf.matmul(a[0, 0][:, :0], b[0, :0]).tolist() == torch.zeros(3, 6, 2).tolist()
    with pytest.raises(ValueError, match="add an axis of one to a vector"):
        mf.matmul(a[0, 0, 0], b[0])


# ---- order


@pytest.mark.parametrize("dtype", DTYPES)
def test_order_is_that_of_the_values(dtype: torch.dtype) -> None:
    for n in (1, 2, 3, 8):
        x = numbers((30,), dtype, n, 31, -1, 0)
        x = torch.cat([x, x[:6], mf.add(x[:6], mf.from_float(torch.full((6,), 2.0**-24, dtype=dtype), n))])
        v = exact.values(x)
        c = mf.compare(x.unsqueeze(1), x.unsqueeze(0))
        assert c.dtype == torch.int8 and c.tolist() == [[(a > b) - (a < b) for b in v] for a in v]
        for f, op in ((mf.lt, "__lt__"), (mf.le, "__le__"), (mf.gt, "__gt__"), (mf.ge, "__ge__"), (mf.eq, "__eq__")):
            assert f(x[:10], x[30:31]).tolist() == [getattr(a, op)(v[30]) for a in v[:10]]
        values, order = mf.sort(x, stable=True)
        assert order.tolist() == sorted(range(len(v)), key=lambda i: v[i]) and torch.equal(values, x[order])
        _, order = mf.sort(x, descending=True)
        assert order.tolist() == sorted(range(len(v)), key=lambda i: -v[i])
        assert exact.values(mf.maximum(x, x.flip(0))) == [max(a, b) for a, b in zip(v, v[::-1], strict=True)]
        assert exact.values(mf.minimum(x, x.flip(0))) == [min(a, b) for a, b in zip(v, v[::-1], strict=True)]
        for f, best in ((mf.amax, max), (mf.amin, min)):
            most, at = f(x.reshape(6, 7, n), 1)
            rows = [v[7 * i : 7 * i + 7] for i in range(6)]
            assert exact.values(most) == [best(r) for r in rows] and at.tolist() == [r.index(best(r)) for r in rows]


def test_order_with_nan_and_infinity() -> None:
    x = mf.from_float(torch.tensor([1.0, math.nan, math.inf, -math.inf]), 2)
    assert mf.compare(x, x).tolist() == [0, 2, 0, 0] and mf.ne(x, x).tolist() == [False, True, False, False]
    assert mf.sort(x)[1].tolist() == [3, 0, 2, 1]
    for f in (mf.amax, mf.amin):
        value, at = f(x, 0)
        assert value[0].isnan() and at == 1
    assert mf.maximum(x, x[:1])[1, 0].isnan() and mf.minimum(x[:1], x)[1, 0].isnan()
    assert mf.amax(x[2:], 0)[1] == 0 and mf.amin(x[2:], 0, True)[1].tolist() == [1]
    with pytest.raises(IndexError, match="at least one number"):
        mf.amax(x[:0], 0)


# ---- shapes, errors


def test_shapes_and_strides(plain: bool) -> None:
    exp, total, product = (served(f, plain) for f in (mf.exp, mf.sum, mf.prod))
    for dtype, n in ((torch.float64, 2), (torch.float64, 3), (torch.float32, 4), (torch.float16, 2)):
        x, y = numbers((5, 1, 9), dtype, n, 37), numbers((4, 1), dtype, n, 41)
        for f in (served(g, plain) for g in (mf.add, mf.mul, mf.div)):
            want = f(x.expand(5, 4, 9, n).contiguous(), y.expand(5, 4, 9, n).contiguous())
            assert torch.equal(f(x, y), want)
            assert torch.equal(f(x.transpose(0, 2), y), f(x.transpose(0, 2).contiguous(), y))
            assert torch.equal(f(x, y[0, 0]), f(x, y[:1]))
            assert f(x[:0], y).shape == (0, 4, 9, n) and f(x[0, 0, 0], y[0, 0]).shape == (n,)
        apart = torch.stack([x, x.flip(-2)], -1)[..., 0]  # components that do not lie side by side
        assert torch.equal(exp(apart), exp(x)) and torch.equal(total(apart, 2), total(x, 2))
        assert torch.equal(exp(x[:, 0].transpose(0, 1)), exp(x[:, 0]).transpose(0, 1))
        assert torch.equal(total(x, -1), total(x, 2)) and torch.equal(product(x), product(x.reshape(45, n), 0))
        assert torch.equal(mf.scale(x, x[..., 0]), mf.mul(x, mf.from_float(x[..., 0], n)))
        assert torch.equal(mf.abs(mf.neg(x)), mf.abs(x)) and mf.from_float(x[..., 0], n).shape == x.shape


def test_what_is_no_number_is_refused_in_a_sentence() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(TypeError, match=r"not torch\.int64; convert them first"):
        mf.exp(torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"one dtype and number of components, got 2 of torch\.float32 and 3"):
        mf.add(x, torch.zeros(3, 3))
    with pytest.raises(ValueError, match="one dtype and number"):
        mf.mul(x, x.double())
    with pytest.raises(ValueError, match="1 to 8 components"):
        mf.sqrt(torch.zeros(3, 9))
    with pytest.raises(TypeError, match="see from_float"):
        mf.add(x, 1.0)
    with pytest.raises(ValueError, match=r"below 2\^40"):
        mf.powi(x, 2**40)
    with pytest.raises(IndexError, match="dimension 1 for a number tensor of 1"):
        mf.sum(x, 1)
    with pytest.raises(ValueError, match="n from 1 to 8"):
        mf.renorm(x, 9)
    with pytest.raises(RuntimeError):
        mf.add(torch.zeros(3, 2), torch.zeros(4, 2))


def test_compiled_ops_are_good_citizens() -> None:
    if not mf._COMPILED:
        return
    x, y = numbers((4, 3), torch.float64, 2, 1), numbers((3,), torch.float64, 2, 2)
    torch.library.opcheck(torch.ops.hypgeo.multifloat.default, (x, y, 0, 0))
    torch.library.opcheck(torch.ops.hypgeo.multifloat.default, (x, None, mf._CODES["exp"], 0))
    torch.library.opcheck(torch.ops.hypgeo.multifloat_lines.default, (x.unsqueeze(0), 0))
    torch.library.opcheck(torch.ops.hypgeo.multifloat_split.default, (x[..., 0], 0, 2))
