"""Points of tilings in Python's integers and decimals: the bodies of :mod:`hypgeo.ops.tiling`, slow and always right.

A row is a list of floats as :mod:`hypgeo.ops.tiling` lays it out.  A dyadic number m 2^e is a pair of integers (m, e).
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Sequence
from decimal import Decimal

__all__ = ["LIMB", "Row", "context", "dyadic", "integer", "limbs", "nearest", "to_decimal"]

Row = Sequence[float]
Dyadic = tuple[int, int]
LIMB = 24  # bits
_HALF = 1 << (LIMB - 1)
DIGITS = 60


def context(digits: int) -> decimal.Context:
    """Decimal arithmetic with the widest exponents there are."""
    return decimal.Context(prec=digits, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


# ---------------------------------------------------------------------------------------------------- integers


def integer(row: Sequence[float]) -> int:
    """The integer of signed limbs to the base 2^24, the lowest first."""
    raw = b"".join((int(v) + _HALF).to_bytes(3, "little") for v in row)
    return int.from_bytes(raw, "little") - _HALF * (((1 << LIMB * len(row)) - 1) // ((1 << LIMB) - 1))


def limbs(value: int, count: int = 1) -> list[float]:
    """The limbs of an integer, each in [-2^23, 2^23): as many as it needs, and at least `count`."""
    while True:
        raised = value + _HALF * (((1 << LIMB * count) - 1) // ((1 << LIMB) - 1))
        if 0 <= raised < 1 << LIMB * count:
            raw = raised.to_bytes(3 * count, "little")
            return [float(int.from_bytes(raw[i : i + 3], "little") - _HALF) for i in range(0, 3 * count, 3)]
        count = max(count + 1, value.bit_length() // LIMB)


def dyadic(x: float) -> Dyadic:
    """A finite float as m 2^e."""
    m, n = x.as_integer_ratio()
    return m, 1 - n.bit_length()


def add(*terms: Dyadic) -> Dyadic:
    e = min((t[1] for t in terms if t[0]), default=0)
    return sum(m << (f - e) for m, f in terms if m), e


def nearest(value: Dyadic, bits: int = 53) -> float:
    """The nearest number with so many bits, ties to even, as a float; far from the ends of its exponents."""
    m, e = value
    spare = m.bit_length() - bits
    if spare > 0:
        half = 1 << (spare - 1)
        low = m & ((1 << spare) - 1)
        m >>= spare
        m += low > half or (low == half and m & 1)
        e += spare
    return math.ldexp(m, max(min(e, 5000), -5000))


def to_decimal(value: Dyadic) -> Decimal:
    """In the context's precision (below 300 bits)."""
    m, e = value
    spare = m.bit_length() - 300
    if spare > 0:
        m, e = m >> spare, e + spare
    return Decimal(m) * Decimal(2) ** e


def decimal_of(value: Dyadic) -> Decimal:
    """Correctly rounded to the context's precision."""
    m, e = value
    digits = decimal.getcontext().prec
    spare = m.bit_length() - 64 - 4 * digits
    if spare > 0:  # the last bit says that something follows
        m, e = m >> spare | bool(m & ((1 << spare) - 1)), e + spare
    context_ = context(digits + 40 + m.bit_length())
    return +context_.multiply(Decimal(m), context_.power(Decimal(2), e))


def from_decimal(x: Decimal, bits: int = 200) -> Dyadic:
    """x to so many bits."""
    if x == 0:
        return 0, 0
    e = math.floor(x.adjusted() * math.log2(10)) - bits
    return int((x / Decimal(2) ** e).to_integral_value()), e


# ---------------------------------------------------------------------------------------------------- functions


def expm1(x: Decimal) -> Decimal:
    if abs(x) > Decimal("1e-8"):
        return x.exp() - 1
    term = total = x
    for i in range(2, 9):
        term = term * x / i
        total += term
    return total


def asinh(h: Decimal) -> Decimal:
    if h > Decimal("1e-8"):
        return (h + (h * h + 1).sqrt()).ln()
    return h * (1 - h * h / 6 * (1 - 9 * h * h / 20 * (1 - 25 * h * h / 42)))


# ---------------------------------------------------------------------------------------------------- H-tiling
# csrc/tiling/half.h has the formulas


def half_split(row: Row, d: int) -> tuple[list[Dyadic], float, int]:
    """The d - 1 positions in units of 2^j, the height in these units, and j."""
    k = [integer(row[d + 1 + i :: d - 1]) for i in range(d - 1)]
    return [add((v, 0), dyadic(row[i])) for i, v in enumerate(k)], row[d - 1], int(row[d])


View = tuple[float, list[float], list[float], list[float]]


def half_view(x: Row, y: Row, d: int) -> View:
    """Distance, the unit vectors from x to y and from y to x in the orthonormal frames there, and that of Y - X."""
    px, hx, jx = half_split(x, d)
    py, hy, jy = half_split(y, d)
    low = min(jx, jy)
    with decimal.localcontext(context(DIGITS)):
        exact = [add((q[0], q[1] + jy - low), (-p[0], p[1] + jx - low)) for p, q in zip(px, py, strict=True)]
        gap = [to_decimal(v) for v in exact]
        a, b = (to_decimal((m, e + j - low)) for (m, e), j in ((dyadic(hx), jx), (dyadic(hy), jy)))
        square = sum((u * u for u in gap), Decimal(0))
        rise, reach = b - a, a + b
        near, far = square + rise * rise, square + reach * reach
        if near == 0:
            return 0.0, [0.0] * d, [0.0] * d, [0.0] * (d - 1)
        root = near.sqrt() * far.sqrt()
        lean, bend = rise * reach / root, square / root
        nx = [float(2 * a * u / root) for u in gap] + [float(bend + lean)]
        ny = [float(-2 * b * u / root) for u in gap] + [float(bend - lean)]
        side = [float(u / square.sqrt()) if square else 0.0 for u in gap]
        return float(2 * asinh((near / (a * b)).sqrt() / 2)), nx, ny, side


def half_place(position: list[Dyadic], height: Dyadic, j: int, d: int, bits: int, least: int) -> list[float] | None:
    """The row of a point given in units of 2^j, offsets rounded to so many bits; None where |j| is out of range."""
    m, e = height
    h = nearest((m, -m.bit_length() + 1), bits)
    j, by = j + m.bit_length() - 1 + e, m.bit_length() - 1 + e
    if h == 2.0:
        h, j, by = 1.0, j + 1, by + 1
    if abs(j) >= _HALF:
        return None
    offsets, tiles = [], []
    for n, f in position:
        f -= by
        k = n << f if f >= 0 else n >> -f
        x = 0.0 if f >= 0 else nearest((n - (k << -f), f), bits)
        offsets.append(0.0 if x == 1.0 else x)
        tiles.append(k + (x == 1.0))
    columns = [limbs(k, least) for k in tiles]
    count = max(map(len, columns))
    columns = [limbs(k, count) for k in tiles]
    return [*offsets, h, float(j), *(c[i] for i in range(count) for c in columns)]


def half_step(x: Row, u: Row | None, d: int, bits: int, least: int) -> list[float] | None:
    """x in its one form, or exp_x(u)."""
    position, h, j = half_split(x, d)
    if u is None or not any(u[:d]):
        return half_place(position, dyadic(h), j, d, bits, least)
    with decimal.localcontext(context(DIGITS)):
        v = [Decimal(w) for w in u[:d]]
        flat = sum((w * w for w in v[:-1]), Decimal(0))
        length = (flat + v[-1] * v[-1]).sqrt()
        s, up = length / Decimal(h), v[-1] / length
        if s > _HALF:
            return None
        fade, rest = (-s).exp(), -expm1(-2 * s)
        away = flat / (length * length) / (1 + up) if up > 0 else 1 - up
        under = fade * fade + away * rest / 2
        moved = [from_decimal(Decimal(h) * w / length * rest / (2 * under)) for w in v[:-1]]
        new = from_decimal(Decimal(h) * fade / under)
    return half_place([add(p, t) for p, t in zip(position, moved, strict=True)], new, j, d, bits, least)
