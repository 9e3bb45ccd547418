"""Exact references for multi-component floats, and numbers on which their arithmetic breaks.

    name, dtype, n = "log1p", torch.float64, 2
    inputs = samples(name, dtype, n, 100, seed=0)
    worst(name, inputs, multifloat.log1p(*inputs))                 # the largest error in units of the bound

Values are fractions, or mpmath numbers of `BITS` bits where a function is transcendental.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import mpmath
import torch
from torch import Tensor

from hypgeo.ops.multifloat import PRECISION
from hypgeo.ops.multifloat import bound as bound_of

BITS = 4000  # components may lie 2^2100 apart, and a logarithm or a sine loses as many
LEAST = {torch.float16: -24, torch.float32: -149, torch.float64: -1074}  # 2^least is the smallest subnormal
MOST = {torch.float16: 15, torch.float32: 127, torch.float64: 1023}  # exponent of the largest float

_mp = mpmath.mp.clone()
_mp.prec = BITS
_QUARTER = Fraction(int(_mp.pi * 2**3000), 2**3001)  # pi / 2

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "reciprocal": lambda x: 1 / x,
    "sqrt": _mp.sqrt,
    "rsqrt": lambda x: 1 / _mp.sqrt(x),
    "exp": _mp.exp,
    "expm1": lambda x: _mp.exp(x) - 1,  # BITS make up for what cancels
    "log": _mp.log,
    "log1p": lambda x: _mp.log(1 + x),
    "sinh": _mp.sinh,
    "cosh": _mp.cosh,
    "tanh": _mp.tanh,
    "asinh": lambda x: _mp.sign(x) * _mp.log(abs(x) + _mp.sqrt(1 + x * x)),
    "acosh": lambda x: _mp.log(x + _mp.sqrt(x * x - 1)),
    "atanh": lambda x: _mp.log((1 + x) / (1 - x)) / 2,
    "sin": _mp.sin,
    "cos": _mp.cos,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "pow": lambda x, y: _mp.exp(y * _mp.log(x)),
}
ONE = tuple(list(FUNCTIONS)[:15])
TWO = tuple(list(FUNCTIONS)[15:])


def fraction(components: Sequence[float]) -> Fraction:
    return sum((Fraction(c) for c in components), Fraction(0))


def rounded(value: Fraction, dtype: torch.dtype) -> float:
    """The nearest float of dtype, ties to even, as a Python float; inf past the largest."""
    if value == 0:
        return 0.0
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    exponent = exponent - 1 if abs(value) < Fraction(2) ** exponent else exponent
    ulp = Fraction(2) ** max(exponent - PRECISION[dtype] + 1, LEAST[dtype])
    result = round(value / ulp) * ulp
    if abs(result) >= Fraction(2) ** (MOST[dtype] + 1):
        return math.inf if value > 0 else -math.inf
    return float(result)


def components(value: Fraction, dtype: torch.dtype, n: int) -> list[float]:
    """The canonical components: each the rounding of what is left, once more where cutting the rest off left a tie."""
    out: list[float] = []
    for _ in range(n):
        out.append(rounded(value, dtype))
        if math.isinf(out[-1]):
            return [out[-1]] + [0.0] * (n - 1)
        value -= Fraction(out[-1])
    return out if value == 0 else components(fraction(out), dtype, n)


def exactly(value: Any) -> Fraction:
    """An mpmath number as a fraction."""
    sign, mantissa, exponent, _ = value._mpf_
    return (-1) ** sign * Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def tensor(values: Sequence[Fraction], dtype: torch.dtype, n: int) -> Tensor:
    """Numbers rounded to canonical components, (len(values), n)."""
    rows = [components(v, dtype, n) for v in values]
    return torch.tensor(rows, dtype=torch.float64).reshape(len(rows), n).to(dtype)


def values(x: Tensor) -> list[Fraction]:
    """What component rows (..., N) hold, flattened; they must be finite."""
    return [fraction(row) for row in x.to(torch.float64).reshape(-1, x.shape[-1]).tolist()]


# ---- numbers


def _draw(rng: random.Random, dtype: torch.dtype, n: int, low: int, high: int) -> Fraction:
    """A number of n components with a leading exponent in low ... high: gaps, zeros and ties among the components."""
    p, value, exponent = PRECISION[dtype], Fraction(0), rng.randint(low, high)
    for _ in range(n):
        kind = rng.random()
        bits = 1 << (p - 1) if kind < 0.15 else (1 << p) - 1 if kind < 0.25 else rng.randrange(1 << (p - 1), 1 << p)
        value += rng.choice((-1, 1)) * Fraction(bits) * Fraction(2) ** (exponent - p + 1)
        exponent -= p + (0 if rng.random() < 0.5 else rng.choice((1, 1, 2, p, 3 * p, rng.randrange(1, 60))))
        if rng.random() < 0.1 or exponent < LEAST[dtype]:
            break
    return value


def _near(rng: random.Random, dtype: torch.dtype, n: int, center: Fraction) -> Fraction:
    """A number close to center, at most as close as the components reach."""
    p, least = PRECISION[dtype], LEAST[dtype]
    gap = rng.choice((1, 2, 5, p - 1, p, p + 1, n * p // 2, n * p - 1, n * p))
    return center + _draw(rng, dtype, n, max(-gap - 3, least), max(-gap, least))


def samples(name: str, dtype: torch.dtype, n: int, count: int, seed: int) -> tuple[Tensor, ...]:
    """Arguments of an elementwise function inside its domain, most where a naive formula fails: (count, n) each."""
    rng = random.Random(f"{name} {dtype} {n} {seed}")
    p, least, most = PRECISION[dtype], LEAST[dtype], MOST[dtype]
    log_most = int(math.log(2.0) * (most + 1))

    def anywhere(low: int = least, high: int = most) -> Fraction:
        return _draw(rng, dtype, n, low, high)

    def usual() -> Fraction:
        return anywhere(-3, 3)

    def capped(draw: Callable[[], Fraction], limit: float) -> Fraction:
        while abs(v := draw()) >= limit:
            pass
        return v

    def one() -> Fraction:
        kind = rng.random()
        if name in ("exp", "expm1", "sinh", "cosh", "tanh"):
            if kind < 0.3:
                return capped(lambda: anywhere(least, 3), log_most)
            return capped(usual if kind < 0.6 else lambda: anywhere(0, min(log_most.bit_length(), most)), log_most)
        if name in ("log", "sqrt", "rsqrt"):
            return abs(anywhere() if kind < 0.4 else usual() if kind < 0.7 else _near(rng, dtype, n, Fraction(1)))
        if name == "log1p":
            v = anywhere() if kind < 0.4 else usual() if kind < 0.7 else _near(rng, dtype, n, Fraction(-1))
            return v if v > -1 else -1 - v if v < -1 else Fraction(1)
        if name == "acosh":
            v = anywhere(0) if kind < 0.4 else usual() if kind < 0.6 else _near(rng, dtype, n, Fraction(1))
            return 1 + abs(v - 1)
        if name == "atanh":
            v = anywhere(least, -1) if kind < 0.5 else _near(rng, dtype, n, Fraction(rng.choice((-1, 1))))
            return v if abs(v) < 1 else (2 - abs(v)) * (1 if v > 0 else -1) if 1 < abs(v) < 2 else Fraction(0)
        if name in ("sin", "cos"):
            far = min(most, 1000 - 106 * n) if dtype is torch.float64 else most
            if kind < 0.3:
                return anywhere(least, far)
            if kind < 0.6:
                return usual()
            turns = rng.randint(-9, 9) if kind < 0.9 else 0
            return _near(rng, dtype, 1, Fraction(0)) * Fraction(2) ** (-n * p) + turns * _QUARTER
        return anywhere() if kind < 0.5 else usual()

    def clean(v: Fraction) -> list[float]:
        row = components(v, dtype, n)
        return row if math.isfinite(row[0]) else components(v / 4, dtype, n)

    rows: list[list[list[float]]] = []
    while len(rows) < count:
        x = clean(one())
        if name in ONE:
            value = fraction(x)
            inside = {
                "reciprocal": value != 0, "sqrt": value > 0, "rsqrt": value > 0, "log": value > 0,
                "log1p": value > -1, "acosh": value >= 1, "atanh": abs(value) < 1,
            }.get(name, True)  # fmt: skip
            if inside:
                rows.append([x])
            continue
        kind = rng.random()
        v = fraction(x)
        if name in ("add", "sub"):  # cancelling to the last component, and beyond
            y = clean(anywhere() if kind < 0.3 else v * (1 if name == "sub" else -1) + _near(rng, dtype, n, Fraction(0))
                      * (abs(v) if kind < 0.6 else 1))  # fmt: skip
        elif name == "pow":
            x = clean(abs(v) or Fraction(1))
            size = abs(float(_mp.log(_mpf(fraction(x)))))
            limit = min(most, int(math.log2(log_most / size))) if size else 3
            y = clean(anywhere(max(least, limit - 12), max(limit - 1, least)))
        else:
            y = clean(anywhere() if kind < 0.4 else usual())
            if kind > 0.7:  # results at both ends of the exponents
                end, e = least if kind < 0.85 else most - 2, math.frexp(x[0])[1]
                at = max(least, min(most - 3, end - e if name == "mul" else e - end))
                y = clean(anywhere(at, at + 3))
        if name != "div" or fraction(y):
            rows.append([x, y])
    given = torch.tensor(rows, dtype=torch.float64).to(dtype)
    return tuple(given[:, i].contiguous() for i in range(given.shape[1]))


# ---- errors


def _mpf(v: Fraction) -> Any:
    return _mp.mpf(v.numerator) / v.denominator


def reference(name: str, *rows: Fraction) -> Any:
    """The exact value: a fraction for arithmetic, else an mpmath number."""
    if name in ("add", "sub", "mul", "div", "reciprocal"):
        return FUNCTIONS[name](*rows)
    if rows[0] == 0 and name not in ("exp", "cosh", "cos", "pow"):
        return Fraction(0)
    if name in ("expm1", "sinh", "tanh", "asinh", "atanh", "log1p", "sin") and abs(rows[0]) < Fraction(1, 2**1000):
        x = _mpf(rows[0])  # two terms of the series are exact to 2^-2000
        return x + {"expm1": x * x / 2, "log1p": -x * x / 2}.get(name, 0)
    return FUNCTIONS[name](*map(_mpf, rows))


def error(
    want: Any, got: Sequence[float], dtype: torch.dtype, n: int, bound: float, size: Any = None, floors: int = 1
) -> float:
    """|got - want| in units of the bound: bound 2^(-N p) size + floors tiny; size is |want| when left out.

    A result past the largest float must be infinite, and may be so from the largest float on.
    """
    limit = (2 - Fraction(1, 2 ** PRECISION[dtype])) * Fraction(2) ** MOST[dtype]  # rounds to infinity from here on
    if not math.isfinite(got[0]):
        value = want if isinstance(want, Fraction) else exactly(want)
        return 0.0 if abs(value) >= limit * (1 - Fraction(1, 2**40)) and (got[0] > 0) == (value > 0) else math.inf
    if not isinstance(want, Fraction):
        difference = abs(want - _mpf(fraction(got)))
        return float(difference / (_mp.mpf(bound) * _mp.mpf(2) ** (-n * PRECISION[dtype]) * abs(want)
                                   + _mp.mpf(2) ** LEAST[dtype]))  # fmt: skip
    most = abs(want) if size is None else size
    return float(abs(want - fraction(got)) / (Fraction(bound) / 2 ** (n * PRECISION[dtype]) * most
                                              + floors * Fraction(2) ** LEAST[dtype]))  # fmt: skip


def is_canonical(row: Sequence[float], dtype: torch.dtype) -> bool:
    """Whether each component is the rounding of what it and the others after it sum to."""
    if not math.isfinite(row[0]):
        return all(c == 0.0 for c in row[1:])
    return components(fraction(row), dtype, len(row)) == list(row)


def worst(name: str, inputs: Sequence[Tensor], out: Tensor) -> float:
    """The largest error of an elementwise function in units of its bound; inf where a result is not canonical."""
    dtype, n = out.dtype, out.shape[-1]
    most = 0.0
    given = zip(*(values(x) for x in inputs), strict=True)
    for rows, got in zip(given, out.to(torch.float64).reshape(-1, n).tolist(), strict=True):
        if not is_canonical(got, dtype):
            return math.inf
        most = max(most, error(reference(name, *rows), got, dtype, n, bound_of(name, dtype, n)))
    return most
