"""Translations in normal coordinates against exact results: values and gradients, near, far, opposite, zero."""

import random

import gmpy2
import pytest
import torch

from hypgeo.manifolds import HalfSpace, Lorentz, PoincareBall
from hypgeo.ops.convert import normal_translate
from hypgeo.testing.reference import exact, precision, ulps

COMPILED = "cpu" in normal_translate.devices
VALUE, GRADIENT = (4, 8) if COMPILED else (1e4, 1e7)
DTYPES = (torch.float32, torch.float64)
LENGTHS = (0.0, 1e-12, 1e-3, 0.4, 0.999, 1.001, 3.0, 20.0, 90.0)


def translated(a, b, c):
    """The definition on the hyperboloid, in whatever numbers come."""

    def length(v):
        return gmpy2.sqrt(c * sum(x * x for x in v))

    def ratio(t):
        return gmpy2.sinh(t) / t if t else gmpy2.mpfr(1)

    r, s, k = length(a), length(b), c * sum(x * y for x, y in zip(a, b, strict=True))
    x0, y0 = gmpy2.cosh(r), gmpy2.cosh(s)
    push = ratio(r) * (k * ratio(r) * ratio(s) / (1 + x0) + y0)
    space = [push * x + ratio(s) * y for x, y in zip(a, b, strict=True)]
    t = length(space)
    return [gmpy2.asinh(t) / t * z if t else z for z in space]


def slopes(a, b, c, u):
    """The derivatives of <u, translated> in a, b and c, by differences of thousands of digits."""
    rows = [list(a), list(b), [c]]
    found = []
    for row in rows:
        size = max(abs(x) for x in row) or gmpy2.mpfr(1)
        line = []
        for i in range(len(row)):
            step, ends = size * gmpy2.mpfr(2) ** -1200, []
            for h in (step, -step):
                row[i] += h
                ends.append(sum(g * z for g, z in zip(u, translated(rows[0], rows[1], rows[2][0]), strict=True)))
                row[i] -= h
            line.append((ends[0] - ends[1]) / (2 * step))
        found.append(line)
    return found


def vectors(r, s, lean, dim, c, dtype, draw):
    """Two vectors of normalised lengths r and s; ``lean``: parallel, opposite, all but opposite, or any."""
    u, v = ([draw.gauss(0, 1) for _ in range(dim)] for _ in range(2))
    u, v = (torch.tensor(w, dtype=torch.float64) for w in (u, v))
    if lean != "any":
        v = {"parallel": u, "opposite": -u, "nearly": -u + 1e-5 * v}[lean]
    return tuple((t / c**0.5 * w / w.norm()).to(dtype) for t, w in ((r, u), (s, v)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("lean", ["any", "parallel", "opposite", "nearly"])
def test_values_and_gradients(lean, dtype):
    draw, number = random.Random(lean), 0
    for r in LENGTHS:
        for s in LENGTHS:
            number += 1
            if number % 2 == (dtype is torch.float32):  # every pair is seen in one dtype or the other
                continue
            c = float(torch.tensor((1.0, 0.3, 1e-6, 1e3)[number % 4], dtype=dtype))
            if not COMPILED and (lean != "any" or max(r, s) > 50):
                continue
            a, b = vectors(r, s, lean, (2, 1, 3, 6)[number // 4 % 4], c, dtype, draw)
            leaves = a.requires_grad_(), b.requires_grad_(), torch.tensor(c, dtype=torch.float64, requires_grad=True)
            out = normal_translate(*leaves)
            u = torch.tensor([draw.gauss(0, 1) for _ in a], dtype=torch.float64).to(dtype)
            got = torch.autograd.grad(out, leaves, u)
            with precision(3200 + int(8 * (r + s))):
                ea, eb, (ec,), eu = exact(a), exact(b), exact([c]), exact(u)
                want = translated(ea, eb, ec)
                assert ulps(out, want, dtype) <= VALUE, (r, s, a, b)
                by_a, by_b, (by_c,) = slopes(ea, eb, ec, eu)
                assert ulps(got[0], by_a, dtype) <= GRADIENT, (r, s, a, b)
                assert ulps(got[1], by_b, dtype) <= GRADIENT, (r, s, a, b)
                most = gmpy2.sqrt(sum(x * x for x in want) * sum(x * x for x in eu)) / ec
                faint = abs(by_c) <= 2.0**-50 * most and abs(got[2].item()) <= 2.0**-50 * most
                assert faint or ulps(got[2], [by_c], dtype) <= GRADIENT, (r, s, a, b)


@pytest.mark.parametrize("make", [PoincareBall, Lorentz, HalfSpace])
def test_is_moebius_addition_of_every_model(make):
    space = make(-0.6)
    a, b = torch.randn(2, 50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    want = space.mobius_add(space.from_normal_coordinates(a), space.from_normal_coordinates(b))
    torch.testing.assert_close(normal_translate(a, b, space.c), space.normal_coordinates(want), rtol=1e-12, atol=1e-13)


def test_is_flat_at_small_scale_and_undone_by_its_inverse():
    a, b = torch.randn(2, 50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(normal_translate(a, b, 1e-16), a + b)
    for scale in (0.01, 0.3, 1.0):
        there = normal_translate(scale * a, scale * b, 1.0)
        torch.testing.assert_close(normal_translate(-scale * a, there, 1.0), scale * b, rtol=1e-9, atol=1e-9)
        assert torch.equal(normal_translate(a, -a, 1.0), torch.zeros_like(a))


def test_derivatives_and_the_library():
    a, b = (torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(k)) for k in (2, 3))
    c = torch.tensor(0.8, dtype=torch.float64)
    leaves = tuple(t.requires_grad_() for t in (a, b, c))
    assert torch.autograd.gradcheck(normal_translate, leaves)
    assert torch.autograd.gradgradcheck(normal_translate, leaves)
    compiled = torch.compile(normal_translate, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(a, b, c), normal_translate(a, b, c))
    mapped = torch.func.vmap(normal_translate, (0, None, None))(a, b[0], c)
    torch.testing.assert_close(mapped, normal_translate(a, b[0], c))
    assert normal_translate(a[:0], b[:0], c).shape == (0, 2)
