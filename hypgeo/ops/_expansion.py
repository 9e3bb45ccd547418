"""Expansions: numbers as unevaluated sums of float64 tensors, the plain PyTorch side of csrc/multifloat/expansion.h.

An expansion is a list of float64 tensors of one shape, the largest first; its value is their exact sum.  It is settled
where each part is at most half an ulp of the part before, zeros last.  u = 2^-53; "w parts" carries a relative error of
about u^w.  Products want their factors' leading parts within 2^+-400 (`scaled` sees to that); sums have no such limits.

    [D]   T. J. Dekker. A floating-point technique for extending the available precision. Numer. Math. 18 (1971).
    [JMPT] M. Joldes, J.-M. Muller, V. Popescu, W. Tucker. Arithmetic algorithms for extended precision using
          floating-point expansions. IEEE Trans. Comput. 65 (2016), 1197.
    [B]   R. P. Brent. Fast multiple-precision evaluation of elementary functions. J. ACM 23 (1976), 242.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

Parts = list[Tensor]
TINY = 2.0**-250  # below it, an odd function's second term is beyond 8 parts


# ---- error-free transformations


def two_sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_prod(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:  # [D]; |a|, |b| < 2^996
    ca, cb = 134217729.0 * a, 134217729.0 * b
    ah, bh = ca - (ca - a), cb - (cb - b)
    al, bl = a - ah, b - bh
    p = a * b
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)


def settle(parts: Sequence[Tensor], w: int) -> Parts:
    """The exact sum of any numbers, settled, its first w parts: error u^w.

    VecSum ([JMPT], algorithm 4) from the last to the first, repeated until nothing moves: as in distillation, zeros
    sink and no cancellation costs a part.
    """
    t = list(torch.broadcast_tensors(*parts))
    for step in range(2 * len(t)):
        if step:
            t = alone(t)
        moved: Tensor | None = None
        for i in range(len(t) - 2, -1, -1):
            s, e = two_sum(t[i], t[i + 1])
            moved = s != t[i] if moved is None else moved | (s != t[i])
            t[i], t[i + 1] = s, e
        if moved is None or not bool((moved & torch.isfinite(t[0])).any()):
            break
    return t[:w] + [torch.zeros_like(t[0])] * (w - len(t))


def canonical(parts: Parts) -> Parts:
    """Of settled parts of any one dtype: each the rounding of the rest, zeros beside what is not finite.

    Cutting what followed may have left a tie; exact ties go where the next part points.
    """
    t = settle(alone(parts), len(parts))
    t = alone(t)
    for i in range(len(t) - 1):
        s, e = two_sum(t[i], t[i + 1])  # a part flipped above may have left this pair unsettled
        if i + 2 < len(t):
            tie = (e != 0) & ((s + 2.0 * e) - s == 2.0 * e) & (e.sign() == t[i + 2].sign())
            s, e = torch.where(tie, s + 2.0 * e, s), torch.where(tie, -e, e)
        t[i], t[i + 1] = s, e
    return alone(t)


def alone(parts: Sequence[Tensor]) -> Parts:
    """Zeros beside what is not finite."""
    finite = torch.isfinite(parts[0])
    return [parts[0], *(torch.where(finite, p, 0.0) for p in parts[1:])]


# ---- scaling by powers of two


def power_of_two(k: Tensor) -> Tensor:
    """2^k for int64 k in -1022 ... 1023."""
    return ((k + 1023) << 52).view(torch.float64)


def ldexp(parts: Parts, k: Tensor) -> Parts:
    """parts times 2^k for int64 k, each rounded once."""
    k = k.clamp(-4000, 4000)
    q = torch.div(k, 4, rounding_mode="trunc")
    f, last = power_of_two(q), power_of_two(k - 3 * q)
    return [p * f * f * f * last for p in parts]


def scaled(parts: Parts) -> tuple[Parts, Tensor]:
    """(m, k) with parts = m 2^k and 1/2 <= |m| < 1; what the scaling loses lies 2^-1000 below the leading part."""
    k = torch.frexp(parts[0]).exponent.to(torch.int64)
    return ldexp(parts, -k), k


# ---- arithmetic


def where(mask: Tensor, a: Parts, b: Parts) -> Parts:
    n = max(len(a), len(b))
    zero = torch.zeros_like(a[0])
    a, b = a + [zero] * (n - len(a)), b + [zero] * (n - len(b))
    return [torch.where(mask, p, q) for p, q in zip(a, b, strict=True)]


def neg(a: Parts) -> Parts:
    return [-p for p in a]


def times(a: Parts, power: float) -> Parts:
    """a times a power of two, or its negative."""
    return [p * power for p in a]


def constant(value: float, like: Parts) -> Parts:
    return [torch.full_like(like[0], value)]


def add(a: Parts, b: Parts, w: int) -> Parts:
    """a + b settled; exact but for the cut to w parts, whatever cancels."""
    n = max(len(a), len(b))
    return settle([t[i] for i in range(n) for t in (a, b) if i < len(t)], w)


@functools.lru_cache(maxsize=64)
def _diagonals(na: int, nb: int, w: int) -> tuple[tuple[list[int], list[int]], ...]:
    """For each k <= w: the (i, j) with i + j = k."""
    return tuple(
        ([i for i in range(na) if 0 <= k - i < nb], [k - i for i in range(na) if 0 <= k - i < nb]) for k in range(w + 1)
    )


def mul(a: Parts, b: Parts, w: int) -> Parts:
    """a b: the products of order below w exactly, those of order w rounded, the rest left out: (1 + 2^-40) u^w."""
    shape = torch.broadcast_shapes(a[0].shape, b[0].shape)
    x = torch.stack([p.expand(shape) for p in a[: w + 1]])
    y = torch.stack([p.expand(shape) for p in b[: w + 1]])
    out: Parts = []
    rest: list[Tensor] = []  # what the order before hands on
    for k, (i, j) in enumerate(_diagonals(len(x), len(y), w)):
        errors: list[Tensor] = []
        terms = rest
        if i and k < w:
            p, e = two_prod(x[i], y[j])
            terms, errors = [*rest, p], [e]
        elif i:
            terms = [*rest, x[i] * y[j]]
        if not terms:
            break
        t = torch.cat(terms)
        if k == w:
            out.append(t.sum(0))
            break
        while len(t) > 1:
            half = len(t) // 2
            s, e = two_sum(t[:half], t[half : 2 * half])
            errors.append(e)
            t = torch.cat([s, t[2 * half :]])
        out.append(t[0])
        rest = errors
    return settle(out, w)


def div(a: Parts, b: Parts, w: int) -> Parts:
    """a / b by long division, w + 1 digits of 53 bits: (1 + 2^-40) u^w."""
    q: Parts = []
    r = a
    y = b[: w + 2]
    for digits in range(w, -1, -1):
        d = r[0] / y[0]
        q.append(d)
        if digits:
            p, e = zip(*(two_prod(-d, part) for part in y), strict=True)
            r = settle([t for terms in zip([*r, *[torch.zeros_like(d)] * len(y)], p, e, strict=False) for t in terms]
                       + r[len(y) :], w + 2)  # fmt: skip
    return settle(q, w)


def sqrt(a: Parts, w: int) -> Parts:
    """sqrt a digit by digit, 0 for 0: (1 + 2^-40) u^w."""
    s: Parts = [a[0].sqrt()]
    some = a[0] > 0.0
    twice = torch.where(some, 2.0 * s[0], 1.0)
    r = a
    for i in range(w + 1):
        d = s[-1]
        terms = list(r)
        for j in range(i):
            terms += two_prod(-2.0 * s[j], d)
        r = settle([*terms, *two_prod(-d, d)], w + 2)
        if i < w:
            s.append(torch.where(some, r[0], 0.0) / twice)
    return settle(s, w)


# ---- constants


@functools.cache
def _series(q: int, sign: int, bits: int) -> int:
    """2^bits times the sum of sign^k / ((2k + 1) q^(2k + 1)): atanh(1/q), or atan(1/q) for sign -1."""
    term, total, k = (1 << bits) // q, 0, 0
    while term:
        total += (sign**k) * (term // (2 * k + 1))
        term //= q * q
        k += 1
    return total


@functools.cache
def digits(name: str, count: int) -> tuple[float, ...]:
    """A constant, settled: "log 2", "pi / 2" (by Machin's formula), "1 / n!" or "1 / n" for a number n."""
    bits = 53 * count + 200
    if name == "log 2":
        value = Fraction(18 * _series(26, 1, bits) - 2 * _series(4801, 1, bits) + 8 * _series(8749, 1, bits), 1 << bits)
    elif name == "pi / 2":
        value = Fraction(8 * _series(5, -1, bits) - 2 * _series(239, -1, bits), 1 << bits)
    else:
        n = int(name.removeprefix("1 / ").removesuffix("!"))
        value = Fraction(1, math.factorial(n) if name.endswith("!") else n)
    out = []
    for _ in range(count):
        out.append(float(value))
        value -= Fraction(out[-1])
    return tuple(out)


def number(name: str, w: int, like: Parts) -> Parts:
    return [torch.full_like(like[0], d) for d in digits(name, w)]


# ---- elementary functions: each takes settled finite parts of its domain


@functools.cache
def plan(w: int) -> tuple[int, int]:
    """(halvings, terms) of the exponential's series for |r| < 0.6, in the manner of [B]."""
    bits = 53 * w + 8
    halvings = round(0.7 * math.sqrt(bits))
    n = 1
    while n * (halvings + 0.7) + math.lgamma(n + 2) / math.log(2.0) < bits:
        n += 1
    return halvings, n


def expm1_core(r: Parts, w: int) -> Parts:
    """exp(r) - 1, relatively accurate, for TINY < |r| < 0.6 or r = 0: (e + 1)^2 - 1 = 2 e + e^2 after the series."""
    halvings, n = plan(w)
    r = times(r, 2.0**-halvings)
    s = number(f"1 / {n}!", w, r)
    for k in range(n - 1, 0, -1):
        s = add(mul(s, r, w), number(f"1 / {k}!", w, r), w)
    e = mul(s, r, w)
    for _ in range(halvings):
        e = add(times(e, 2.0), mul(e, e, w), w)
    return e


def exp(x: Parts, w: int) -> tuple[Parts, Tensor]:
    """(m, k) with exp(x) = m 2^k and m in 0.7 ... 1.42; |x| > 2000 counts as 2000."""
    x = where(x[0].abs() > 2000.0, [x[0].clamp(-2000.0, 2000.0)], x)
    k = torch.round(x[0] * 1.4426950408889634)
    r = settle([*x, *(t for d in digits("log 2", w + 1) for t in two_prod(-k, torch.full_like(k, d)))], w)
    tiny = r[0].abs() < TINY
    e = where(tiny, r, expm1_core(where(tiny, constant(0.0, r), r), w))
    return add(constant(1.0, r), e, w), k.to(torch.int64)


def expm1(x: Parts, w: int) -> tuple[Parts, Tensor]:
    """(m, k) with expm1(x) = m 2^k, relatively accurate."""
    size = x[0].abs()
    tiny, small = size < TINY, size < 0.5
    near = expm1_core(where(small & ~tiny, x, constant(0.0, x)), w)
    square = mul(where(tiny, x, constant(0.0, x)), where(tiny, x, constant(0.0, x)), w)
    near = where(tiny, add(x, times(square, 0.5), w), near)
    m, k = exp(x, w)
    up = k > 0  # m 2^k - 1 = (m - 2^-k) 2^k
    far = add(where(up, m, ldexp(m, k.clamp(-1000, 0))), [-power_of_two(-k.clamp(0, 1000))], w)
    return where(small, near, far), torch.where(up & ~small, k, 0)


def log1p_core(d: Parts, w: int) -> Parts:
    """log(1 + d) for |d| < 0.45, relatively accurate: a float64 y, then log1p((1 + d) exp(-y) - 1) by its series."""
    tiny = d[0].abs() < TINY
    safe = where(tiny, constant(0.0, d), d)
    y = torch.log1p(safe[0])
    e = expm1_core([-y], w)
    e = settle([*safe, *e, *mul(safe, e, w)], w)
    s = number(f"1 / {w + 1}", w, d)
    for k in range(w, 0, -1):
        s = add(number(f"1 / {k}", w, d), neg(mul(s, e, w)), w)
    near = add([y], mul(s, e, w), w)
    square = mul(where(tiny, d, constant(0.0, d)), where(tiny, d, constant(0.0, d)), w)
    return where(tiny, add(d, times(square, -0.5), w), near)


def log(x: Parts, w: int) -> Parts:
    """log x for x > 0: k log 2 + log1p(m - 1) with m in 0.7 ... 1.42."""
    m, k = scaled(x)
    low = m[0] < 0.7071
    m, k = [torch.where(low, 2.0 * p, p) for p in m], torch.where(low, k - 1, k)
    core = log1p_core(add(m, constant(-1.0, m), max(w, len(x))), w)
    whole = k.to(torch.float64)
    return settle([*core, *(t for d in digits("log 2", w + 1) for t in two_prod(whole, torch.full_like(whole, d)))], w)


def log1p(t: Parts, w: int) -> Parts:
    """log(1 + t) for t > -1."""
    small = t[0].abs() < 0.4
    near = log1p_core(where(small, t, constant(0.0, t)), w)
    far = add(where(small, constant(0.0, t), t), constant(1.0, t), max(w, len(t) + 1))
    return where(small, near, log(far, w))


def sinh(x: Parts, w: int) -> tuple[Parts, Tensor]:
    size = x[0].abs()
    tiny, small = size < TINY, size < 0.5
    e = expm1_core(where(small & ~tiny, x, constant(0.0, x)), w)
    near = times(add(e, div(e, add(e, constant(1.0, e), w), w), w), 0.5)
    m, k = exp(absolute(x), w)
    far = add(m, neg(ldexp(div(constant(1.0, m), m, w), -2 * k)), w)
    far = where(x[0] < 0.0, neg(far), far)
    return where(tiny, x, where(small, near, far)), torch.where(small, 0, k - 1)


def cosh(x: Parts, w: int) -> tuple[Parts, Tensor]:
    m, k = exp(absolute(x), w)
    return add(m, ldexp(div(constant(1.0, m), m, w), -2 * k), w), k - 1


def tanh(x: Parts, w: int) -> Parts:
    tiny = x[0].abs() < TINY
    e, _ = expm1(where(tiny, constant(-1.0, x), times(absolute(x), -2.0)), w)
    t = div(neg(e), add(e, constant(2.0, e), w), w)
    return where(tiny, x, where(x[0] < 0.0, neg(t), t))


def asinh(x: Parts, w: int) -> Parts:
    """log1p(|x| + x^2 / (1 + sqrt(1 + x^2))); log(2 |x|) far out."""
    size = x[0].abs()
    tiny, far = size < TINY, size > 2.0**260
    a = where(tiny | far, constant(1.0, x), absolute(x))
    square = mul(a, a, w)
    root = sqrt(add(square, constant(1.0, a), w), w)
    near = log1p(add(a, div(square, add(root, constant(1.0, a), w), w), w), w)
    out = where(far, add(log(where(far, absolute(x), constant(1.0, x)), w), number("log 2", w, x), w), near)
    return where(tiny, x, where(x[0] < 0.0, neg(out), out))


def acosh(x: Parts, w: int) -> Parts:
    """With d = x - 1 >= 0: log1p(d + sqrt(d) sqrt(d + 2)); log(2 x) far out."""
    far = x[0] > 2.0**260
    d = add(where(far, constant(2.0, x), x), constant(-1.0, x), max(w, len(x) + 1))
    near = log1p(add(d, mul(sqrt_of(d, w), sqrt(add(d, constant(2.0, d), w), w), w), w), w)
    return where(far, add(log(where(far, x, constant(1.0, x)), w), number("log 2", w, x), w), near)


def atanh(x: Parts, w: int) -> Parts:
    """log1p(2 a / (1 - a)) / 2 for a = |x| < 1/2, (log(1 + a) - log(1 - a)) / 2 beyond."""
    size = x[0].abs()
    tiny, small = size < TINY, size < 0.25
    a = absolute(x)
    low = where(small & ~tiny, a, constant(0.125, a))
    near = log1p(div(times(low, 2.0), add(constant(1.0, a), neg(low), w), w), w)
    high = where(small, constant(0.5, a), a)
    more = max(w, len(x) + 1)
    up, down = add(constant(1.0, a), high, more), add(constant(1.0, a), neg(high), more)
    out = times(where(small, near, add(log(up, w), neg(log(down, w)), w)), 0.5)
    return where(tiny, x, where(x[0] < 0.0, neg(out), out))


def sqrt_of(a: Parts, w: int) -> Parts:
    """sqrt for any a >= 0."""
    m, k = scaled(a)
    odd = k % 2
    return ldexp(sqrt([torch.where(odd == 1, 2.0 * p, p) for p in m], w), torch.div(k - odd, 2, rounding_mode="floor"))


def absolute(x: Parts) -> Parts:
    return where(x[0] < 0.0, neg(x), x)


def reduce(x: Parts, w: int) -> tuple[Parts, Tensor]:
    """(r, q): x = r + q pi / 2 with |r| < 0.8, q modulo 4.

    pi / 2 is known to 20 float64, as far as their exponents go.
    """
    most = float(x[0].abs().max()) if x[0].numel() else 0.0
    count = min(20, math.frexp(most)[1] // 53 + 2 * w + 2)
    turn = [torch.full_like(x[0], d * 2.0**60) for d in digits("pi / 2", count)]  # and q 2^-60, lest two_prod overflow
    r, quarters = settle(x, len(x) + 2), torch.zeros_like(x[0])
    for _ in range(30):
        q = torch.where(r[0].abs() > 0.7854, torch.round(r[0] * 0.6366197723675814), 0.0)
        if not bool((q != 0).any()):
            break
        quarters = torch.remainder(quarters + torch.fmod(q, 4.0), 4.0)
        r = settle([*r, *(t for d in turn for t in two_prod(q * -(2.0**-60), d))], count + 2)
    return r[:w], quarters


def sincos(x: Parts, w: int) -> tuple[Parts, Parts]:
    """With c = cos(h) - 1 from its series, c(2 h) = 2 c (c + 2); the sine is sqrt(-c (c + 2))."""
    r, quarters = reduce(x, w)
    tiny = r[0].abs() < TINY
    h = where(tiny, constant(0.0, r), r)
    halvings, n = plan(w)
    n = n // 2 + 1
    h = times(h, 2.0**-halvings)
    square = mul(h, h, w)
    s = number(f"1 / {2 * n}!", w, h)
    for k in range(n - 1, 0, -1):
        s = add(number(f"1 / {2 * k}!", w, h), neg(mul(s, square, w)), w)
    c = neg(mul(s, square, w))
    for _ in range(halvings):
        c = times(mul(c, add(c, constant(2.0, c), w), w), 2.0)
    sine = sqrt_of(neg(mul(c, add(c, constant(2.0, c), w), w)), w)
    sine = where(tiny, r, where(r[0] < 0.0, neg(sine), sine))
    cosine = add(c, constant(1.0, c), w)
    swap = (quarters == 1.0) | (quarters == 3.0)
    sin_x, cos_x = where(swap, cosine, sine), where(swap, sine, cosine)
    sin_x = where(quarters >= 2.0, neg(sin_x), sin_x)
    cos_x = where((quarters == 1.0) | (quarters == 2.0), neg(cos_x), cos_x)
    return sin_x, cos_x
