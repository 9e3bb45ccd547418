"""Error bounds of multi-component floats, derived: the steps of csrc/multifloat/expansion.h with a bound carried along.

A `Num` is what a step should give, as an interval for each piece of the domain, and how far what it gives may be from
that, in units of u^W for W parts, u = 2^-53.  An operation adds its own error to those of its operands.  Intervals and
bounds are float64, made 2^-44 and 2^-40 of themselves too large, where an operation rounds by 2^-53 and numpy's exp and
log by 2^-50; products of two errors are as small.

Pairs (W = 2): operations have the errors that csrc/scalar/multifloat.h cites, the weak sum what its two roundings cost.
All pairs are the outcome of an exact two_sum or fast_two_sum, so |lo| <= ulp(hi) / 2, as those bounds want.  More
parts: the operations of [HLB] run on bounds of their operands' parts, sums of sizes for sums, for each two_sum an error
of u times that.

Nothing overflows or underflows on the way, or not so that it matters: below 2^-250 (kTiny) and beyond 2^260 other
formulas serve, logarithms, roots and reciprocals see arguments scaled to 1 ... 4; between, an underflow costs 2^-1074
where results and all that is added to them exceed 2^-540.  Scaling results by 2^k is exact, or costs the `tiny` that
stands beside every bound.
"""

from __future__ import annotations

import ctypes
import functools
import math
import random
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hypgeo.ops import multifloat as mf
from hypgeo.testing import multifloat as exact

HERE = Path(__file__).resolve().parent
Array = NDArray[np.float64]
MORE = 1 + 2.0**-40
LOG_TWO = math.log(2.0)
ETA = 2.0**-46  # of the float64 log1p inside log1p_core; see test_the_float64_logarithm_inside
TAIL = 2.0**-38  # more than plus_log_two loses in its third order, 2^13 u^3 for |k| < 2^11, in units of u^2


# ---- constants, from the header itself


@dataclass
class Tables:
    inverse: Array
    factorial: Array
    step: Array
    halvings: NDArray[np.int32]
    terms: NDArray[np.int32]


@functools.cache
def library() -> ctypes.CDLL:
    include = f"-I{HERE.parents[1] / 'hypgeo' / 'csrc'}"
    flags = ["-O1", "-std=c++20", "-ffp-contract=off", "-fPIC", "-shared", include]
    with tempfile.TemporaryDirectory() as folder:
        built = f"{folder}/bounds.so"
        subprocess.run(["c++", *flags, str(HERE / "multifloat_bounds.cpp"), "-o", built], check=True)
        found = ctypes.CDLL(built)
    found.inner_log1p.restype, found.inner_log1p.argtypes = ctypes.c_double, [ctypes.c_double]
    return found


def address(a: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(a.ctypes.data)


@functools.cache
def tables() -> Tables:
    t = Tables(np.zeros((16, 9)), np.zeros((64, 9)), np.zeros((321, 2)), *np.zeros((2, 10), np.int32))
    library().tables(*map(address, (t.inverse, t.factorial, t.step, t.halvings, t.terms)))
    return t


@dataclass(frozen=True)
class Coefficients:
    """c_k = exactly(k) for k = 1 ..., as the header has them."""

    rows: Any
    exactly: Callable[[int], Fraction]

    @functools.cache  # noqa: B019
    def error(self, k: int, parts: int) -> float:
        """Of the first parts, relative, in units of u^parts."""
        held = exact.fraction(self.rows()[k][:parts])
        return float(abs(held / self.exactly(k) - 1) * 2 ** (53 * parts))

    @functools.cache  # noqa: B019
    def sizes(self, k: int, parts: int) -> list[float]:
        row = self.rows()[k]
        return [1.0] + [abs(row[i] / row[0]) * 2.0 ** (53 * i) for i in range(1, parts)]


INVERSE = Coefficients(lambda: tables().inverse, lambda k: Fraction(1, k))
FACTORIAL = Coefficients(lambda: tables().factorial, lambda k: Fraction(1, math.factorial(k)))
HALF_FACTORIAL = Coefficients(lambda: tables().factorial[::2], lambda k: Fraction(1, math.factorial(2 * k)))


# ---- numbers with bounds


@dataclass
class Num:
    lo: Array
    hi: Array
    err: Array
    single: bool = False  # a plain double
    scale: Any = None  # parts: |p[k]| <= sizes[k] u^k scale
    sizes: tuple[float, ...] = ()

    @property
    def most(self) -> Array:
        return np.maximum(abs(self.lo), abs(self.hi))

    @property
    def least(self) -> Array:
        return np.where((self.lo <= 0) & (self.hi >= 0), 0.0, np.minimum(abs(self.lo), abs(self.hi)))

    @property
    def relative(self) -> Array:
        return self.err / self.least * MORE

    def __getitem__(self, at: Any) -> Num:
        scale = None if self.scale is None else self.scale[at]
        return replace(self, lo=self.lo[at], hi=self.hi[at], err=self.err[at], scale=scale)

    def within(self, lo: Array, hi: Array) -> Num:
        """The same where the true value is known to lie between."""
        lo, hi = wider(lo, hi)
        r = replace(self, lo=lo, hi=hi)
        return r if self.scale is None else r.rescaled()

    def rescaled(self) -> Num:
        """Sizes against the value itself, unless it is what is left of a cancellation."""
        with np.errstate(divide="ignore", invalid="ignore"):
            g = float(np.max(self.scale / self.most))
        if not g < 64.0:
            return self
        return replace(self, scale=self.most, sizes=self.sizes[:2] + tuple(s * max(g, 1.0) for s in self.sizes[2:]))


def wider(lo: Array, hi: Array) -> tuple[Array, Array]:
    d = np.maximum(abs(lo), abs(hi)) * 2.0**-44
    return lo - d, hi + d


def hull(*ends: Array) -> tuple[Array, Array]:
    return wider(np.minimum.reduce(ends), np.maximum.reduce(ends))


def ufp(a: Array) -> Array:
    """The largest power of two that is not above a, or may not be."""
    return np.where(a > 0, np.ldexp(1.0, np.frexp(a * MORE)[1] - 1), 0.0)


def rounding(most: Any) -> Array:
    """In units of u, the error of rounding what is at most this: half an ulp; a power of two itself is exact."""
    m, e = np.frexp(most)
    return np.where(np.asarray(most) > 0, np.ldexp(1.0, np.where(m == 0.5, e - 2, e - 1)), 0.0)


@functools.cache
def step_errors() -> Array:
    """Of the table of exp(j / 256) - 1, in units of u^2; 0 is exact."""
    rows = tables().step
    assert np.array_equal(rows[:, 0] + rows[:, 1], rows[:, 0]) and not rows[160].any()
    with mpmath.workprec(300):
        true = [mpmath.expm1(mpmath.mpf(j) / 256) for j in range(-160, 161)]
        off = [abs(t - hi - lo) for t, (hi, lo) in zip(true, rows.tolist(), strict=True)]
        return np.array([float(e * 2**106) for e in off]) * MORE


# ---- two parts


class Pairs:
    parts = 2

    def number(self, lo: Any, hi: Any = None, err: Any = 0.0, single: bool = False) -> Num:
        lo = np.asarray(lo, np.float64)
        return Num(lo, lo if hi is None else hi, np.zeros_like(lo) + err, single)

    def mul(self, a: Num, b: Num) -> Num:  # [JMP] Alg. 10
        lo, hi = hull(a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi)
        return Num(lo, hi, MORE * (a.err * b.most + b.err * a.most + 5 * a.most * b.most))

    def div(self, a: Num, b: Num) -> Num:  # [JMP] Alg. 17
        lo, hi = hull(a.lo / b.lo, a.lo / b.hi, a.hi / b.lo, a.hi / b.hi)
        q = np.maximum(abs(lo), abs(hi))
        return Num(lo, hi, MORE * ((a.err + q * b.err) / b.least + 15 * q))

    def weak(self, a: Num, b: Num) -> Num:
        """v = a1 + b1, then s.lo + v: each rounded once; |a1| <= ufp(a) u, |s.lo| <= ufp(a + b) u, |a|, |b|."""
        lo, hi = wider(a.lo + b.lo, a.hi + b.hi)
        a1, b1 = (0.0 * x.most if x.single else ufp(x.most) for x in (a, b))
        rest = np.minimum(ufp(np.maximum(abs(lo), abs(hi))), 2.0**53 * MORE * np.minimum(a.most, b.most))
        first = 0.0 if a.single or b.single else rounding(a1 + b1)
        return Num(lo, hi, MORE * (a.err + b.err + first + rounding(rest + a1 + b1)))

    def plus(self, a: Num, b: Num) -> Num:  # [JMP] Alg. 6, or 4 beside a double
        lo, hi = wider(a.lo + b.lo, a.hi + b.hi)
        c = 2.0 if a.single or b.single else 3.0
        return Num(lo, hi, MORE * (a.err + b.err + c * np.maximum(abs(lo), abs(hi))))

    def root(self, a: Num) -> Num:  # [LLM]
        lo, hi = wider(np.sqrt(a.lo), np.sqrt(a.hi))
        return Num(lo, hi, MORE * (a.err / (2 * lo) + 25 / 8 * hi))

    @functools.cached_property
    def reciprocal_error(self) -> float:
        """x + x (1 - a x) for 1 <= a < 2 and x = 1 / a0 rounded, so |1 - a x| <= d u, d = a / 2 + 1 / a.

        Left out (1 - a x)^2; in a x rounded a1 x, and c.lo + a1 x; the sum's last step, half an ulp of half an ulp of
        1 / a.  The rest is exact.  (a0 = 1 has x = 1 and d <= 1/2.)
        """
        g = np.linspace(1.0, 2.0, 257)
        lo, hi = g[:-1], g[1:]
        d, a1x = hi / 2 + 1 / lo, MORE / lo
        product = rounding(a1x) + rounding(np.minimum(1.0, hi / 2) + a1x)
        return float(np.max(MORE * (d * d + product) + rounding(0.5 + TAIL) * hi))

    def reciprocal(self, a: Num) -> Num:
        lo, hi = hull(1 / a.lo, 1 / a.hi)
        q = np.maximum(abs(lo), abs(hi))
        return Num(lo, hi, MORE * q * (a.err / a.least + self.reciprocal_error))

    @functools.cached_property
    def inverse_root_error(self) -> float:
        """x + x (1 - a x^2) / 2 for 1 <= a < 4 and x = 1 / sqrt(a0), twice rounded; d = |1 - a x^2|.

        Left out 3/8 d^2; the product of a and the exact x x 5 u^2, halved; the sum's last step.
        """
        g = np.linspace(1.0, 4.0, 769)
        lo, hi = g[:-1], g[1:]
        d = 2 * (1 / np.sqrt(lo) + np.sqrt(hi) / 2) + ufp(hi * (1 - 2.0**-30)) / lo
        return float(np.max(MORE * (0.375 * d * d + 2.5 + TAIL) + rounding(0.5 + TAIL) * np.sqrt(hi)))

    def cells(self, most: float) -> tuple[Array, Array, NDArray[np.int64]]:
        """Intervals (lo, hi, j) that cover 2^-250 <= |r| < most, within one step j of exp's table each."""
        octaves = np.arange(-250, -9)
        lo = np.concatenate([np.ldexp(1 + i / 32, octaves) for i in range(32)])
        hi = np.concatenate([np.ldexp(1 + (i + 1) / 32, octaves) for i in range(32)])
        ends = np.concatenate([np.arange(0.5, 8.5, 2.0**-7), np.arange(8.5, 256 * most + 1.5, 2.0**-3)]) / 256
        lo, hi = np.concatenate([lo, ends[:-1]]), np.concatenate([hi, ends[1:]])
        j = np.rint(128 * (lo + hi)).astype(np.int64)
        lo, hi, j = (t[lo < most] for t in (lo * (1 - 2.0**-36), hi * (1 + 2.0**-36), j))
        return np.concatenate([-hi, lo]), np.concatenate([-lo, hi]), np.concatenate([-j, j])

    def series(self, x: Num, c: Coefficients, bits: float, n: int) -> Num:
        """The sum of c_k x^(k - 1), its late terms in doubles."""
        v = float(c.exactly(n))
        s = self.number(np.zeros_like(x.lo) + v, err=v * 2.0**53, single=True)
        least = 1.0 + (53.0 + 8.0) / bits
        for k in range(n - 1, 0, -1):
            v = float(c.exactly(k))
            if k + 1 > least:  # x, the product, c_k and the sum are rounded
                lo, hi = hull(s.lo * x.lo, s.lo * x.hi, s.hi * x.lo, s.hi * x.hi)
                err = s.err * x.most + 2.0**53 * (3 * s.most * x.most + 2 * v)
                s = Num(lo + v, hi + v, MORE * err, True)
            else:
                constant = self.number(np.zeros_like(x.lo) + v, err=c.error(k, 2) * v, single=k == 1)
                s = self.weak(self.mul(s, x), constant)
        return s

    def expm1_core(self, lo: Array, hi: Array, j: NDArray[np.int64]) -> Num:
        """t + (p + t p), t = exp(j / 256) - 1 and p = exp(s) - 1 for s = r - j / 256, which is exact."""
        ends = wider(lo - j / 256, hi - j / 256)
        s = self.number(np.where(j == 0, lo, ends[0]), np.where(j == 0, hi, ends[1]))
        f = self.series(s, FACTORIAL, 9.0, 10)
        f.err = f.err + 1.1 * s.most**10 * float(FACTORIAL.exactly(11)) * 2.0**106
        p = self.mul(s, f).within(np.expm1(s.lo), np.expm1(s.hi))
        t = self.number(*wider(np.expm1(j / 256), np.expm1(j / 256)), err=step_errors()[j + 160])
        e = self.plus(t, self.weak(p, self.mul(t, p)))
        err = np.where(j == 0, p.err, e.err)  # t = 0: the sums are exact
        return replace(e, err=err).within(np.expm1(lo), np.expm1(hi))

    def plus_log_two(self, x: Num, k: float) -> Num:
        """All but one rounding is of order u^3: top.lo + ..., where |top.lo| <= ufp(top.hi) u."""
        lo, hi = wider(x.lo + k * LOG_TWO, x.hi + k * LOG_TWO)
        return Num(lo, hi, x.err + ufp(np.maximum(abs(lo), abs(hi))) + TAIL)

    def log1p_core(self, lo: Array, hi: Array, j: NDArray[np.int64]) -> tuple[Num, Num]:
        """(d, log1p(d)) where the double y lies in lo ... hi: y + log1p(z), z = d + e + d e with e = exp(-y) - 1."""
        y = np.maximum(abs(lo), abs(hi))
        d_lo, d_hi = np.expm1(lo * (1 - np.sign(lo) * 2 * ETA)), np.expm1(hi * (1 + np.sign(hi) * 2 * ETA))
        e = self.expm1_core(-hi, -lo, -j)
        z = 2 * ETA * y
        product = np.maximum(abs(d_lo), abs(d_hi)) * e.most
        z_err = (1 + d_hi) * e.err + 5 * product + 3 * (product + z) + 3 * z
        times = 7 * z + 2.0**55 * z * z  # z (1 - z / 2 + z^2 / 3), the last two terms in doubles
        err = z_err + times + rounding(ufp(y) * (1 + 2.0**-40))
        held = self.number(lo, hi, MORE * err).within(lo, hi)
        return self.number(d_lo, d_hi), held


# ---- more parts


def sum_of(a: Sequence[float], b: Sequence[float]) -> tuple[list[float], float]:
    """Sizes of the parts before vec_sum, part k in units of u^k, and the error in units of u^W."""
    parts, carry = [], []
    for k in range(len(a) - 1):
        s = a[k] + b[k]
        errors = [s]
        for c in carry:
            s += c
            errors.append(s)
        parts.append(s)
        carry = errors
    s = a[-1] + b[-1]
    error = s
    for c in carry:
        s += c
        error += s
    return [*parts, s], error


def product_of(a: Sequence[float], b: Sequence[float]) -> tuple[list[float], float]:
    n = len(a)
    parts, carry = [], []
    for k in range(n - 1):
        s = a[0] * b[k]
        errors = [s]
        for i in range(1, k + 1):
            p = a[i] * b[k - i]
            s += p
            errors += [p, s]
        for c in carry:
            s += c
            errors.append(s)
        parts.append(s)
        carry = errors
    s = a[0] * b[n - 1]
    error = s
    for i in range(1, n):
        p = a[i] * b[n - 1 - i]
        s += p
        error += p + s
    for c in carry:
        s += c
        error += s
    left_out = sum(a[i] * b[j] * 2.0 ** (53 * (n - i - j)) for i in range(n) for j in range(n) if i + j >= n)
    return [*parts, s], error + left_out


def summed(parts: Sequence[float]) -> tuple[float, ...]:
    """Sizes after vec_sum, against a sum of size 1: part k + 1 is the error of the two_sum that gives part k."""
    return (1.0, 1.0, *parts[1:-1])[: len(parts)]


class More:
    """W > 2 parts.  The steps with two and one of them have smaller errors than these give for W = 2 and 1."""

    def __init__(self, parts: int, argument: Sequence[float] = ()) -> None:
        """argument: sizes of the parts of what exp and log1p are given, settled if left out."""
        self.parts = parts
        self.argument = tuple(argument) or (1.0,) * parts

    def number(self, lo: Any, hi: Any = None, err: Any = 0.0, single: bool = False) -> Num:
        lo = np.asarray(lo, np.float64)
        sizes = (1.0,) + (0.0 if single else 1.0,) * (self.parts - 1)
        r = Num(lo, lo if hi is None else hi, np.zeros_like(lo) + err, single, None, sizes)
        r.scale = r.most
        return r

    def settled(self, lo: Array, hi: Array, err: Array) -> Num:
        """What settle leaves of an exact sum, cut; that its 2 m passes are enough is taken for granted."""
        r = self.number(lo, hi)
        r.err = MORE * (err + r.most)
        return r

    def mul(self, a: Num, b: Num, parts: int = 0) -> Num:
        w = parts or self.parts
        sizes, error = product_of(a.sizes[:w], b.sizes[:w])
        lo, hi = hull(a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi)
        scale = a.scale * b.scale
        err = MORE * (a.err * b.most + b.err * a.most + error * scale * 2.0 ** (53 * (self.parts - w)))
        return Num(lo, hi, err, False, scale, summed(sizes)).rescaled()

    def weak(self, a: Num, b: Num, parts: int = 0) -> Num:
        w = parts or self.parts
        half = [max(x, y) / 2 for x, y in zip(a.sizes[:w], b.sizes[:w], strict=True)]
        sizes, error = sum_of(half, half)
        scale = a.scale + b.scale
        err = MORE * (a.err + b.err + error * scale * 2.0 ** (53 * (self.parts - w)))
        return Num(*wider(a.lo + b.lo, a.hi + b.hi), err, False, scale, summed(sizes)).rescaled()

    def plus(self, a: Num, b: Num) -> Num:
        return self.settled(*wider(a.lo + b.lo, a.hi + b.hi), a.err + b.err)

    @staticmethod
    def newton(sizes: tuple[float, ...], root: bool) -> tuple[float, tuple[float, ...]]:
        """Error and sizes of 1 / a or 1 / sqrt(a), relative, for any a with parts of these sizes."""
        w = len(sizes)
        if w == 1:
            return (2.0, (1.0,)) if root else (1.0, (1.0,))
        pairs = Pairs()
        if w == 2:
            return (pairs.inverse_root_error if root else pairs.reciprocal_error), (1.0, 1.0)
        h, more = (w + 1) // 2, More(w)
        first, held = More.newton(sizes[:h], root)
        off = (first + sizes[h] * (0.5 if root else 1.0)) * MORE  # of x, in units of u^h
        one = np.ones(1)
        x = Num(one, one, 0 * one, False, one, held + (0.0,) * (w - h))
        a = Num(one, one, 0 * one, False, one, sizes)
        ax = more.mul(a, more.mul(x, x) if root else x)
        d = more.weak(ax, more.number(-one, single=True))
        size = off * (2.0 if root else 1.0) * 2.0 ** (-53 * h)
        d.lo, d.hi = -size * one, size * one
        step = more.mul(x, d)
        if root:
            step = times(step, 0.5)
        r = more.weak(x, step)
        r.lo, r.hi = one * (1 - size), one * (1 + size)
        left = (1.5 if root else 1.0) * off * off * 2.0 ** (53 * (w - 2 * h))
        r = r.rescaled()
        return float(r.err[0]) + left * MORE, r.sizes

    def reciprocal(self, a: Num) -> Num:
        error, sizes = self.newton(a.sizes, False)
        lo, hi = hull(1 / a.lo, 1 / a.hi)
        r = Num(lo, hi, a.err, False, None, sizes)
        r.scale = r.most
        r.err = MORE * r.most * (a.err / a.least + error)
        return r

    def div(self, a: Num, b: Num) -> Num:
        return self.mul(a, self.reciprocal(b))

    def root(self, a: Num) -> Num:
        """A product with 1 / sqrt(a), which has the error of a as well."""
        error, sizes = self.newton(a.sizes, True)
        lo, hi = wider(np.sqrt(a.lo), np.sqrt(a.hi))
        parts, own = product_of(a.sizes, sizes)
        return Num(lo, hi, MORE * (a.err / (2 * lo) + (error + own) * hi), False, hi, summed(parts))

    @property
    def reciprocal_error(self) -> float:
        return self.newton((1.0,) * self.parts, False)[0]

    @property
    def inverse_root_error(self) -> float:
        return self.newton((1.0,) * self.parts, True)[0]

    def cells(self, most: float) -> tuple[Array, Array, NDArray[np.int64]]:
        octaves = np.arange(-250, 0)
        lo = np.concatenate([np.ldexp(1 + i / 4, octaves) for i in range(4)])
        hi = np.concatenate([np.ldexp(1 + (i + 1) / 4, octaves) for i in range(4)])
        lo, hi = np.sort(lo[lo < most]), np.sort(hi[lo < most])
        return np.concatenate([-hi, lo]), np.concatenate([-lo, hi]), np.zeros(2 * len(lo), np.int64)

    def series(self, x: Num, c: Coefficients, bits: float, n: int) -> Num:
        like, zeros = np.zeros_like(x.lo), (0.0,) * self.parts
        k = n
        s = x
        for w in range(1, self.parts + 1):
            unit = 2.0 ** (53 * (self.parts - w))

            def constant(k: int, w: int = w, unit: float = unit) -> Num:
                v = float(c.exactly(k)) + like
                return Num(v, v, v * c.error(k, w) * unit, False, v, tuple(c.sizes(k, w)))

            cut = x.scale * x.sizes[w] * MORE * unit if w < self.parts else 0.0
            least = 1.0 + (53.0 * (self.parts - w) + 8.0) / bits if w < self.parts else 1.0
            s = constant(k) if w == 1 else replace(s, sizes=(*s.sizes, *zeros)[:w])
            while k > least:
                k -= 1
                s = self.weak(self.mul(s, replace(x, err=x.err + cut), w), constant(k), w)
        return s

    def expm1_core(self, lo: Array, hi: Array, j: NDArray[np.int64], single: bool = False) -> Num:
        halvings, n = int(tables().halvings[self.parts]), int(tables().terms[self.parts])
        r = self.number(lo / 2.0**halvings, hi / 2.0**halvings, single=single)
        r = r if single else replace(r, sizes=self.argument)
        f = self.series(r, FACTORIAL, halvings + 0.7, n)
        f.err = f.err + 1.1 * r.most**n * float(FACTORIAL.exactly(n + 1)) * 2.0 ** (53 * self.parts)
        e = self.mul(r, f).within(np.expm1(r.lo), np.expm1(r.hi))
        for i in range(halvings - 1, -1, -1):
            e = self.weak(times(e, 2.0), self.mul(e, e)).within(np.expm1(lo / 2.0**i), np.expm1(hi / 2.0**i))
        return e

    def plus_log_two(self, x: Num, k: float) -> Num:
        return self.settled(*wider(x.lo + k * LOG_TWO, x.hi + k * LOG_TWO), x.err + TAIL)

    def log1p_core(self, lo: Array, hi: Array, j: NDArray[np.int64]) -> tuple[Num, Num]:
        y = np.maximum(abs(lo), abs(hi))
        d_lo, d_hi = np.expm1(lo * (1 - np.sign(lo) * 2 * ETA)), np.expm1(hi * (1 + np.sign(hi) * 2 * ETA))
        d = replace(self.settled(d_lo, d_hi, 0.0 * lo), sizes=self.argument)  # m - 1 is settled and cut
        e = self.expm1_core(-hi, -lo, j, True)
        product = self.mul(d, e)
        z = self.settled(-2 * ETA * y, 2 * ETA * y, d.err + e.err + product.err)
        f = self.series(z, INVERSE, 47.0, self.parts + 1)
        f.err = f.err + z.most ** (self.parts + 1) * 2.0 ** (53 * self.parts)
        return d, self.weak(self.number(lo, hi, single=True), self.mul(z, f)).within(lo, hi)


def times(a: Num, c: float) -> Num:
    lo, hi = (a.lo * c, a.hi * c) if c > 0 else (a.hi * c, a.lo * c)
    scale = None if a.scale is None else a.scale * abs(c)
    return replace(a, lo=lo, hi=hi, err=a.err * abs(c), scale=scale)


# ---- the functions, for both


def joined(*numbers: Num) -> Num:
    lo, hi, err = (np.concatenate([getattr(x, name) for x in numbers]) for name in ("lo", "hi", "err"))
    scale = None if numbers[0].scale is None else np.concatenate([x.scale for x in numbers])
    sizes = tuple(map(max, zip(*(x.sizes for x in numbers), strict=True)))
    return Num(lo, hi, err, False, scale, sizes)


def largest(values: Array, lo: Array, hi: Array, a: Array, b: Array) -> Array:
    """For each interval a ... b the largest value among the cells (lo, hi), sorted, that it meets; 0 for none."""
    first, last = np.searchsorted(hi, a), np.searchsorted(lo, b, side="right")
    found, some = np.zeros_like(a), first < last
    pairs = np.stack([first[some], last[some]], 1).ravel()
    found[some] = np.maximum.reduceat(np.append(values, 0.0), pairs)[::2] if some.any() else 0.0
    return found


def octaves(low: int, high: int, n: int) -> tuple[Array, Array]:
    e = np.arange(low, high)[:, None]
    i = np.arange(n)
    return np.ldexp(1 + i / n, e).ravel(), np.ldexp(1 + (i + 1) / n, e).ravel()


class Functions:
    """The functions of expansion.h: the largest relative error of each, in units of u^W."""

    FARTHEST = 12  # logarithms of 2^k m beyond this k are less wrong, as k log 2 is larger

    def __init__(self, arithmetic: Pairs | More) -> None:
        self.on = arithmetic
        self.fine = 64 if arithmetic.parts == 2 else 4

    def one(self, like: Num, value: float = 1.0) -> Num:
        return self.on.number(np.zeros_like(like.lo) + value, single=True)

    @functools.cached_property
    def core(self) -> tuple[Array, Array, Num]:
        """r and exp(r) - 1, |r| < 0.6."""
        lo, hi, j = self.on.cells(0.6)
        return lo, hi, self.on.expm1_core(lo, hi, j)

    @functools.cached_property
    def reduced(self) -> tuple[Array, Array, Num]:
        """r and exp(r) for |r| <= log(2) / 2, where r comes from plus_log_two; all |r| < 2^-12 as one."""
        lo, hi, e = self.core
        at = np.minimum(abs(lo), abs(hi)) <= LOG_TWO / 2 + 1e-9
        lo, hi, e = lo[at], hi[at], e[at]
        r = self.on.plus_log_two(self.on.number(lo, hi), 0.0)
        m = self.on.weak(replace(e, err=e.err + r.err * np.exp(hi)), self.one(e)).within(np.exp(lo), np.exp(hi))
        near = np.maximum(abs(lo), abs(hi)) < 2.0**-12
        ends = np.array([-(2.0**-12)]), np.array([2.0**-12])
        middle = replace(m[near][:1], err=m.err[near].max(keepdims=True)).within(*map(np.exp, ends))
        return np.append(lo[~near], ends[0]), np.append(hi[~near], ends[1]), joined(m[~near], middle)

    def exponentials(self, ks: range, least: float) -> Iterator[tuple[int, Array, Array, Num]]:
        """(k, x, m): exp(x) = m 2^k where |x| >= least."""
        lo, hi, m = self.reduced
        for k in ks:
            x_lo, x_hi = lo + k * LOG_TWO, hi + k * LOG_TWO
            at = np.maximum(abs(x_lo), abs(x_hi)) >= least
            at &= x_hi > 0 if k >= 0 else x_lo < 0
            if k > 0:
                yield k, np.maximum(x_lo[at], least), x_hi[at], m[at]
            else:
                yield k, x_lo[at], np.minimum(x_hi[at], -least) if k < 0 else x_hi[at], m[at]

    def near(self, most: float) -> tuple[Array, Array, Num]:
        lo, hi, e = self.core
        at = np.minimum(abs(lo), abs(hi)) <= most
        return lo[at], hi[at], e[at]

    def exp(self) -> float:
        return float(self.reduced[2].relative.max())

    @functools.cached_property
    def expm1_far(self) -> list[tuple[int, Array, Array, Num]]:
        """exp(x) - 1 2^-max(k, 0) beyond 1/2; past 2^+-40 no larger."""
        found = []
        for k, lo, hi, m in [*self.exponentials(range(-40, 0), 0.5), *self.exponentials(range(1, 41), 0.5)]:
            up, down = 2.0 ** -max(k, 0), 2.0 ** min(k, 0)
            r = self.on.plus(times(m, down), self.one(m, -up))
            found.append((k, lo, hi, r.within(np.expm1(lo) * up, np.expm1(hi) * up)))
        return found

    TINY = 3.0 + TAIL  # x + x^2 / 2, which cannot cancel, or x

    def expm1(self) -> float:
        return float(max(self.TINY, *(r.relative.max() for *_, r in [self.near(0.5), *self.expm1_far])))

    def sinh(self) -> float:
        lo, hi, e = self.near(0.5)
        other = self.on.div(e, self.on.weak(e, self.one(e))).within(-np.expm1(-lo), -np.expm1(-hi))
        found = [self.on.weak(e, other).within(2 * np.sinh(lo), 2 * np.sinh(hi)).relative.max()]
        for k, lo, hi, m in self.exponentials(range(1, 41), 0.5):
            r = self.on.weak(m, times(self.on.reciprocal(m), -(4.0**-k)))
            found.append(r.within(2.0 ** (1 - k) * np.sinh(lo), 2.0 ** (1 - k) * np.sinh(hi)).relative.max())
        return float(max(found))

    def cosh(self) -> float:
        found = []
        for k, lo, hi, m in self.exponentials(range(0, 41), 0.0):
            lo = np.maximum(lo, 0.0)
            r = self.on.weak(m, times(self.on.reciprocal(m), 4.0**-k))
            found.append(r.within(2.0 ** (1 - k) * np.cosh(lo), 2.0 ** (1 - k) * np.cosh(hi)).relative.max())
        return float(max(found))

    def tanh(self) -> float:
        lo, hi, e = self.near(0.5)
        pieces = [(lo[hi < 0], hi[hi < 0], e[hi < 0]), *((lo, hi, e) for k, lo, hi, e in self.expm1_far if k < 0)]
        found = []
        for lo, hi, e in pieces:
            r = self.on.div(times(e, -1.0), self.on.weak(e, self.one(e, 2.0)))
            found.append(r.within(np.tanh(-hi / 2), np.tanh(-lo / 2)).relative.max())
        return float(max(found))

    # ---- logarithms

    @functools.cached_property
    def log1p_near(self) -> tuple[Num, Num]:
        """d and log1p(d), |d| < 0.45."""
        d, r = self.on.log1p_core(*self.on.cells(0.6))
        at = np.where(r.lo > 0, d.lo, d.hi)
        at = abs(at) < 0.45
        return d[at], r[at]

    @functools.cached_property
    def logs(self) -> tuple[list[tuple[Array, Array, Array]], float]:
        """Cells of m 2^k and the relative errors of their logarithms; that of all with a larger |k|."""
        d, r = self.log1p_near
        at = (d.hi >= -0.293) & (d.lo <= 0.41422)
        d, r = d[at], r[at]
        near = np.maximum(abs(r.lo), abs(r.hi)) < 2.0**-12
        ends = np.array([-(2.0**-12)]), np.array([2.0**-12])
        middle = replace(r[near][:1], lo=ends[0], hi=ends[1], err=r.err[near].max(keepdims=True))
        whole = joined(r[~near], middle)
        cells = [(1 + d.lo, 1 + d.hi, r.relative)]
        for k in range(1, self.FARTHEST + 1):
            for sign in (-k, k):
                total = self.on.plus_log_two(whole, sign)
                cells.append((np.exp(whole.lo) * 2.0**sign, np.exp(whole.hi) * 2.0**sign, total.relative))
        far = float(r.err.max()) / (self.FARTHEST * LOG_TWO) + 1 + TAIL
        order = [np.argsort(lo) for lo, _, _ in cells]
        return [(lo[o], hi[o], e[o]) for (lo, hi, e), o in zip(cells, order, strict=True)], far

    def log_of(self, lo: Array, hi: Array) -> Array:
        """The largest relative error of the logarithm on each interval."""
        cells, far = self.logs
        edge = 2.0 ** (self.FARTHEST - 0.6)
        found = np.where((hi > edge) | (lo < 1 / edge), far, 0.0)
        for a, b, error in cells:
            found = np.maximum(found, largest(error, a, b, lo, hi))
        return found

    def log1p_of(self, lo: Array, hi: Array) -> Array:
        """The same for log(1 + y), on intervals of one sign; beyond 0.4, 1 + y is 2 u^W wrong or less."""
        small, big = np.minimum(abs(lo), abs(hi)), np.maximum(abs(lo), abs(hi))
        found = np.where(small < 2.0**-249, self.TINY, 0.0)
        d, r = self.log1p_near
        order = np.argsort(d.lo)
        near = largest(r.relative[order], d.lo[order], d.hi[order], lo, hi)
        found = np.where(small < 0.4, np.maximum(found, near), found)
        at = big >= 0.4
        a, b = np.where(lo > 0, np.maximum(lo, 0.4), lo)[at], np.where(lo > 0, hi, np.minimum(hi, -0.4))[at]
        size = np.minimum(abs(np.log1p(a)), abs(np.log1p(b)))
        beyond = self.log_of(*hull(1 + a, 1 + b)) + 2.0 * MORE / size
        found[at] = np.maximum(found[at], beyond)
        return found

    def log(self) -> float:
        cells, far = self.logs
        return float(max(far, *(e.max() for *_, e in cells)))

    def log1p(self) -> float:
        """Up to 2^12 and, below 0, from 2^-40 - 1 on; towards either end only the logarithm grows."""
        lo, hi = octaves(-250, 12, self.fine)
        over, under = octaves(-40, -1, self.fine)
        at = hi <= 0.5
        below = np.concatenate([over - 1, -hi[at]]), np.concatenate([under - 1, -lo[at]])
        return float(max(self.log1p_of(lo, hi).max(), self.log1p_of(*below).max()))

    def after_log1p(self, y: Num) -> float:
        """Of log1p(y), y >= 0 with its error: y / ((1 + y) log1p(y)) <= 1."""
        then = Functions(More(self.on.parts, y.sizes)) if isinstance(self.on, More) else self
        passed = y.err / ((1 + y.lo) * np.log1p(y.lo)) * MORE
        return float((passed + then.log1p_of(y.lo, y.hi)).max())

    def log_far(self) -> float:
        """log x + log 2 beyond 2^260, log 2 cut to W parts."""
        ends = np.linspace(180.0, 710.0, 1000)
        x = self.on.number(ends[:-1], ends[1:], self.logs[1] * ends[1:])
        return float(self.on.weak(x, self.on.number(LOG_TWO + 0.0 * x.lo, err=1.0)).relative.max())

    def asinh(self) -> float:
        lo, hi = octaves(-250, 261, self.fine)
        a = self.on.number(lo, hi)
        square = self.on.mul(a, a)
        root = self.on.root(self.on.weak(square, self.one(a)))
        y = self.on.weak(a, self.on.div(square, self.on.weak(root, self.one(a))))
        ends = (t + t * (t / (1 + np.sqrt(1 + t * t))) for t in (lo, hi))
        return max(self.after_log1p(y.within(*ends)), self.log_far())

    def acosh(self) -> float:
        """Below d = 2^-500 all is a smaller copy of what is above; y = sqrt(2 d) is tiny there."""
        lo, hi = octaves(-520, 261, self.fine)
        d = self.on.number(lo, hi, 2 * hi)
        y = self.on.weak(d, self.on.mul(self.on.root(d), self.on.root(self.on.weak(d, self.one(d, 2.0)))))
        ends = (t + np.sqrt(t) * np.sqrt(t + 2) for t in (lo, hi))
        return max(self.after_log1p(y.within(*ends)), self.log_far())

    def atanh(self) -> float:
        lo, hi = octaves(-251, -2, self.fine)
        a = self.on.number(lo, hi)
        y = self.on.div(times(a, 2.0), self.on.weak(times(a, -1.0), self.one(a)))
        near = self.after_log1p(y.within(2 * lo / (1 - lo), 2 * hi / (1 - hi)))
        lo, hi = octaves(-1022, -1, 4 * self.fine)  # 1 - |x|
        lo, hi = np.append(lo, np.linspace(0.5, 0.75, 512)[:-1]), np.append(hi, np.linspace(0.5, 0.75, 512)[1:])
        up = self.on.number(*wider(np.log(2 - hi), np.log(2 - lo)))
        down = self.on.number(*wider(-np.log(hi), -np.log(lo)))
        up.err = self.log_of(*hull(2 - hi, 2 - lo)) * up.most + 2.0 * MORE
        down.err = self.log_of(*hull(lo, hi)) * down.most + 2.0 * MORE
        return float(max(near, self.on.weak(up, down).relative.max()))

    def reciprocal(self) -> float:
        return self.on.reciprocal_error

    def sqrt(self) -> float:
        one = np.ones(1)
        return float(self.on.root(self.on.number(one)).err[0])

    def div(self) -> float:
        one = np.ones(1)
        return float(self.on.div(self.on.number(one), self.on.number(one)).err[0])

    def rsqrt(self) -> float:
        return self.on.inverse_root_error

    # ---- what two float64 components have three parts for

    def sine_and_cosine(self) -> float:
        """Of r = x - q pi / 2, settled and cut: r cot r < 1 and r tan r < 1."""
        on = self.on
        if isinstance(on, Pairs):  # whose operations err by less
            return Functions(More(2)).sine_and_cosine()
        lo, hi, _ = on.cells(0.8)
        lo, hi = lo[lo > 0], hi[lo > 0]
        halvings, n = int(tables().halvings[on.parts]), int(tables().terms[on.parts]) // 2 + 1
        h = on.number(lo / 2.0**halvings, hi / 2.0**halvings)
        square = times(on.mul(h, h), -1.0)
        f = on.series(square, HALF_FACTORIAL, 2.0 * halvings, n)
        f.err = f.err + 1.1 * square.most**n * float(HALF_FACTORIAL.exactly(n + 1)) * 2.0 ** (53 * on.parts)
        c = on.mul(square, f)
        for i in range(halvings, -1, -1):
            c = c.within(*(-2 * np.sin(t / 2.0 ** (i + 1)) ** 2 for t in (hi, lo)))
            twice = on.mul(c, on.weak(c, self.one(c, 2.0)))
            if i:
                c = times(twice, 2.0)
        sine = on.root(times(twice, -1.0).within(np.sin(lo) ** 2, np.sin(hi) ** 2))
        cosine = on.weak(c, self.one(c)).within(np.cos(hi), np.cos(lo))
        return float(max(sine.relative.max(), cosine.relative.max())) + 2.0 * MORE

    def pow(self) -> float:
        """exp(p) for p = y log x, |p| < 746 where the result is finite and not 0."""
        if isinstance(self.on, Pairs):
            return 746.0 * MORE * (self.log() + 5.0) + self.exp()
        parts, product = product_of(self.log1p_near[1].sizes, (1.0,) * self.on.parts)
        return 746.0 * MORE * (self.log() + product) + Functions(More(self.on.parts, summed(parts))).exp()


ONE = "reciprocal rsqrt exp expm1 log log1p sinh cosh tanh asinh acosh atanh".split()


@functools.cache
def functions(parts: int) -> Functions:
    return Functions(Pairs() if parts == 2 else More(parts))


# ---- the bounds


@pytest.mark.parametrize("name", ONE)
def test_pairs_of_float64_have_the_bounds_stated(name: str) -> None:
    proven = getattr(functions(2), name)()
    assert proven <= mf.PAIR_BOUNDS[name] <= 1.06 * proven


def test_products_of_matrices_of_pairs_have_the_bound_stated() -> None:
    """s += a b (csrc/multifloat/product.h) in units of u^2, of k terms the first beside s = 0.

    Without FMA a1 b0 and a0 b1 are rounded (1 |a b| each), p.lo + a0 b1 (2), the sum of the three (3), a1 b1 left out
    (1); then t.lo + that, at most |s + a b| + 3 |a b|, and s.lo + that, at most |s| more: 16 |a b| + 3 |s|, beside
    s = 0 only the first 8.  fast_two_sum is exact: t.hi is 0 or a multiple of the last place of what is added to it.
    """
    for k in range(1, 1000):
        own = [8.0] + [16.0] * (k - 1)
        later = [3.0 * (k - 1 - i) for i in range(k)]  # |s| of each later step has the term
        assert max(map(sum, zip(own, later, strict=True))) * MORE <= mf.PAIR_BOUNDS["matmul"] * k


@pytest.mark.parametrize("parts", range(2, 10))
def test_a_guarding_part_leaves_nothing_but_the_rounding(parts: int) -> None:
    """c u^W with W = N + 1 adds c u to the 1 of rounding to N float64; BOUNDS has 1.01.  float32 has more to spare: 2
    parts for 48 bits, 6 for 192."""
    for name in [*ONE, "sqrt", "div", "sine_and_cosine", "pow"]:
        proven = getattr(functions(parts), name)()
        assert 0 < proven < (2.0**38 if name == "pow" else 2.0**33), (name, math.log2(proven))
    assert min(mf.BOUNDS.values()) >= 1.01 > 1 + (2.0**38 + 2) * 2.0**-53


def chain(step: Callable[[tuple[float, ...]], tuple[list[float], float]], parts: int) -> float:
    """The error of one more step, once the sizes of the parts grow no more: part k's follow from those before it."""
    sizes = (1.0,) * parts
    for _ in range(parts):
        sizes = summed(step(sizes)[0])
    assert summed(step(sizes)[0]) == sizes
    return step(sizes)[1]


@pytest.mark.parametrize("n", range(1, 9))
def test_sums_products_and_powers_hold_as_far_as_is_said(n: int) -> None:
    """The errors of n terms add up, in units of the sum of |x_i|, and so do those of n factors; x^k has at most 2 |k|
    times that of a product, as E(1) = 0, E(2 k) = 2 E(k) + c and E(k + 1) = E(k) + c show."""
    terms, factors, power = (2.0**38, 2.0**34, 2.0**32) if n <= 4 else (2.0**29, 2.0**19, 2.0**15)
    ones = (1.0,) * (n + 1)
    a_sum = chain(lambda s: sum_of([0.5 * x for x in s], [0.5 * x for x in s]), n + 1)
    one_factor = chain(lambda s: product_of(s, ones), n + 1)
    a_product = chain(lambda s: product_of(s, s), n + 1)
    assert terms * a_sum < 0.009 * 2.0**53 > factors * one_factor
    assert 2 * power * a_product + functions(n + 1).reciprocal() < 0.009 * 2.0**53
    assert product_of(ones, ones)[1] + a_sum < 2.0**53  # matmul, a term; BOUNDS has 1 of it beside the rounding


# ---- the steps are those of the code


def test_the_float64_logarithm_inside() -> None:
    """log1p_of in csrc/scalar/special.h: in float64 within ETA, at x[0] in place of x.

    f = n / (n + 2): the sum, a reciprocal (9/8 u) and a product, 4.2 u with margin; f^2 = z twice that and a rounding;
    1 + z (1 / 3 + ...) at most 9 u + 16 roundings of z / 3 / (1 - z), and its own; 2 f times that.  With k = +-1, 1 + x
    is rounded (u), k log 2 (3/2 u) and the sum; |log(1 + x)| > 0.3465 there.  x[1] changes log1p(x) by 3/2 u at most.
    """
    source = (HERE.parents[1] / "hypgeo" / "csrc" / "scalar" / "special.h").read_text()
    found = re.search(r"atanh_series\(.*?c\[\] = \{(.*?)\}", source, re.DOTALL)
    assert found
    c = [float(x) for x in found[1].split(",")]
    z = ((math.sqrt(2.0) - 1) / (math.sqrt(2.0) + 1)) ** 2 * 1.001
    defect = sum(abs(a - 1 / (2 * i + 5)) * z ** (i + 2) for i, a in enumerate(c)) + z ** (len(c) + 2) / (1 - z)
    near = 4.2 + 1.0 + 25 * z / 3 / (1 - z) + 1.0
    far = (1.0 + 1.5 + 0.7 + 0.35 * near) / 0.3465
    assert (far + 1.5) * 2.0**-53 + defect * 1.001 < ETA / 2
    rng = random.Random(3)
    for x in [math.ldexp(rng.uniform(-0.45, 0.45), -rng.choice((0, 0, 1, 5, 40, 200))) for _ in range(2000)]:
        assert abs(library().inner_log1p(x) / mpmath.log1p(x) - 1) < ETA / 2


@pytest.mark.parametrize("parts", range(2, 10))
def test_weak_sums_and_products_stay_within_what_is_derived(parts: int) -> None:
    rng = random.Random(parts)

    def drawn(size: float, sign: float) -> list[float]:
        """Parts of up to `size` u^k, some of one sign, so that errors add up."""
        row = [rng.choice((1.0, 1 + 2.0**-52, 2 - 2.0**-52, rng.uniform(1, 2)))]
        for k in range(1, parts):
            way = sign or rng.choice((-1.0, 1.0))
            row.append(way * (size if k > 1 else 1.0) * row[0] * 2.0 ** (-53 * k) * rng.choice((1.0, rng.random())))
        return row

    most = 0.0
    for _ in range(800):
        size, sign, product = rng.choice((1.0, 1.0, 20.0)), rng.choice((0.0, 1.0, -1.0)), rng.random() < 0.5
        a, b = drawn(size, sign), drawn(size, sign)
        x, y, r = np.array(a), np.array(b), np.zeros(parts)
        library().weak(parts, product, *map(address, (x, y, r)))
        sizes = [1.0, 1.0, *[size * (1 + 2.0**-50)] * (parts - 2)][:parts]
        half = [s / 2 for s in sizes]
        held, error = product_of(sizes, sizes) if product else sum_of(half, half)
        v, w = exact.fraction(a), exact.fraction(b)
        true = v * w if product else v + w
        scale = Fraction(a[0] * b[0] if product else a[0] + b[0]) * Fraction(MORE)
        off = float(abs(exact.fraction(r.tolist()) - true) / scale * 2 ** (53 * parts))
        assert off <= error, (product, a, b)
        assert all(abs(Fraction(p)) <= scale * Fraction(s) / 2 ** (53 * k)
                   for k, (p, s) in enumerate(zip(r.tolist(), summed(held), strict=True)))  # fmt: skip
        most = max(most, off / error)
    assert most > 2.0**-parts  # and not far within


def hard(name: str) -> list[float]:
    """Where a function's pieces meet, and exp's steps: both sides of 1/4, 0.4, 1/2 and (j + 1/2) / 256."""
    steps = [(j + 0.5) / 256 * (1 + e) for j in (0, 1, 2, 40, 127) for e in (-1e-6, 1e-6, 0.03)]
    ends = [x * (1 + e) for x in (0.25, 0.4, 0.5, 2.0**-250) for e in (-1e-9, 1e-9)]
    arguments = [sign * x for x in steps + ends for sign in (-1, 1)]
    inverse: dict[str, Callable[[float], float]] = {
        "log": math.exp, "log1p": math.expm1, "acosh": math.cosh, "asinh": math.sinh,
        "atanh": lambda x: math.tanh(x / 2), "tanh": lambda x: x / 2, "reciprocal": math.exp, "rsqrt": math.exp,
    }  # fmt: skip
    found = [*map(inverse.get(name, float), arguments), *ends, 1.5]
    low = {"log": 0.0, "rsqrt": 0.0, "acosh": 1.0, "log1p": -1.0, "atanh": -1.0}.get(name, -math.inf)
    return [x for x in found if low < x < (1.0 if name == "atanh" else math.inf)]


@pytest.mark.parametrize("name", ONE)
def test_compiled_pairs_err_by_less_than_is_derived(name: str) -> None:
    rng = random.Random(name)
    leads = torch.tensor(hard(name) * 4, dtype=torch.float64)
    tails = torch.tensor([rng.choice((-0.4999, 0.4999, rng.uniform(-0.5, 0.5))) for _ in leads], dtype=torch.float64)
    ulps = torch.nextafter(leads.abs(), torch.full_like(leads, math.inf)) - leads.abs()
    beside = torch.stack([leads, tails * ulps * 0.5], -1)
    given = torch.cat([exact.samples(name, torch.float64, 2, 400, seed=9)[0], beside])
    proven = getattr(functions(2), name)()
    assert exact.worst(name, (given,), getattr(mf, name)(given)) * mf.PAIR_BOUNDS[name] <= proven
