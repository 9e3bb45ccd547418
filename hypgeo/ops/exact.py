"""Points of tilings in Python's integers and decimals: the bodies of :mod:`hypgeo.ops.tiling`, slow and always right.

A row is a list of floats as :mod:`hypgeo.ops.tiling` lays it out.  A dyadic number m 2^e is a pair of integers (m, e).
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np

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


# ---------------------------------------------------------------------------------------------------- L-tiling
# csrc/tiling/plane.h has the geometry; a matrix is nine integers, row by row

Matrix = tuple[int, ...]
ONE: Matrix = (1, 0, 0, 0, 1, 0, 0, 0, 1)
A: Matrix = (2, 1, 0, 0, 0, -1, 3, 2, 0)
B: Matrix = (2, -1, 0, 0, 0, -1, -3, 2, 0)
UNDO_A: Matrix = (2, 0, -1, -3, 0, 2, 0, -1, 0)
UNDO_B: Matrix = (2, 0, 1, 3, 0, 2, 0, -1, 0)


def times(a: Matrix, b: Matrix) -> Matrix:
    return tuple(sum(a[3 * i + k] * b[3 * k + j] for k in range(3)) for i in range(3) for j in range(3))


def between(g: Matrix, h: Matrix) -> Matrix:
    """g^-1 h of two elements of the group: M^-1 g' M h."""
    form, out = (3, -1, -1), []
    for i in range(3):
        for j in range(3):
            v = sum(g[3 * k + i] * form[k] * h[3 * k + j] for k in range(3))
            out.append(v // 3 if i == 0 else -v)
    return tuple(out)


def plane_split(row: Row) -> tuple[list[float], Matrix]:
    return list(row[:2]), tuple(integer(row[2 + c :: 9]) for c in range(9))


def on_hyperboloid(x: Sequence[Decimal]) -> list[Decimal]:
    return [(1 + x[0] * x[0] + x[1] * x[1]).sqrt(), *x]


def _from_frame(x: list[Decimal], z: list[Decimal]) -> list[Decimal]:
    """The spatial coordinates of z in the frame that the boost from the origin makes orthonormal at x."""
    if z[0] < 16 * x[0]:
        w = [z[i] - x[i] for i in (1, 2)]
        rise = sum(w[i] * (z[i + 1] + x[i + 1]) for i in (0, 1)) / (z[0] + x[0])
        bend = (rise + (w[0] * w[0] + w[1] * w[1] - rise * rise) / 2) / (1 + x[0])
        return [w[i] - x[i + 1] * bend for i in (0, 1)]
    bend = (z[0] + x[0] * z[0] - x[1] * z[1] - x[2] * z[2]) / (1 + x[0])
    return [z[i] - x[i] * bend for i in (1, 2)]


def _coincide(q: Matrix, x: list[float], y: list[float]) -> bool:
    """Whether x is L q L^-1 y, exactly."""
    a, b = ([Fraction(v) for v in t] for t in (x, y))
    time = 1 + b[0] ** 2 + b[1] ** 2
    for i in (0, 1):
        rest, lead = a[i] - q[4 + 3 * i] * b[0] - q[5 + 3 * i] * b[1], q[3 + 3 * i]
        if 3 * rest * rest != lead * lead * time or rest * lead < 0:
            return False
    return True


def plane_view(x: Row, y: Row) -> View:
    """As :func:`half_view`, in the frames that boosts from the tiles' centres make."""
    (p, gx), (q, gy) = plane_split(x), plane_split(y)
    rel = between(gx, gy)
    spare = max(0, max(map(int.bit_length, rel)) - 600)
    digits = 200
    while True:
        with decimal.localcontext(context(digits)):
            root = Decimal(3).sqrt()
            m = [Decimal(v >> spare) * Decimal(2) ** spare for v in rel]
            m[0:3], m[3], m[6] = [m[0], m[1] * root, m[2] * root], m[3] / root, m[6] / root
            back = [m[3 * j + i] * (1 if (i == 0) == (j == 0) else -1) for i in range(3) for j in range(3)]
            a, b = (on_hyperboloid([Decimal(v) for v in t]) for t in (p, q))
            found, certain = [], True
            for near, far, move in ((a, b, m), (b, a, back)):
                z = (
                    far
                    if rel == ONE
                    else [sum((move[3 * i + k] * far[k] for k in range(3)), Decimal(0)) for i in range(3)]
                )
                s = _from_frame(near, z)
                length = (s[0] * s[0] + s[1] * s[1]).sqrt()
                if rel == ONE:
                    error = abs(z[1] - near[1]) + abs(z[2] - near[2])
                else:
                    error = max(map(abs, move)) * far[0]
                error *= (near[0] * near[0]).scaleb(36 - digits)
                certain = certain and length > error
                found.append((length, [float(v / length) if length else 0.0 for v in s]))
            if certain:
                return float(asinh(found[0][0])), found[0][1], found[1][1], [1.0]
        if _coincide(rel, p, q):
            return 0.0, [0.0, 0.0], [0.0, 0.0], [1.0]
        digits *= 2


def reduce(p: list[int], bits: int) -> tuple[list[int], Matrix]:
    """A point (x_0 / sqrt 3, x_1, x_2), times 2^bits, carried into F, up to 2^-90, and the word g that leads back.

    Point = L g L^-1 (what is returned); what p was rounded by grows by as much as p has to shrink.
    """
    whole, word = ONE, ONE
    shift = max(0, bits - 200)
    one = 1 << 2 * (bits - shift)
    while True:
        across = abs(p[1]) >= abs(p[2])
        if max(abs(p[1]), abs(p[2])) >> bits < 1 << 40:
            a, b = sorted((abs(p[1]) >> shift, abs(p[2]) >> shift), reverse=True)
            if 2 * a * a - b * b <= one + (one >> 90):
                return p, times(whole, word)
        if across:
            turn, undo = (A, UNDO_A) if p[1] < 0 else (B, UNDO_B)
        else:
            turn, undo = (UNDO_A, A) if p[2] > 0 else (UNDO_B, B)
        p = [sum(turn[3 * i + k] * p[k] for k in range(3) if turn[3 * i + k]) for i in range(3)]
        word = times(word, undo)
        if max(map(abs, word)) >> 200:
            whole, word = times(whole, word), ONE


def inside(x: Sequence[float]) -> bool:
    a, b = sorted((abs(Fraction(v)) for v in x), reverse=True)
    return 2 * a * a - b * b <= 1


def plane_land(x: list[float], g: Matrix, bits: int, least: int) -> list[float]:
    """The one row of a rounded offset within rounding of F: nudged into it, and at a corner in the first tile."""
    kind = np.float32 if bits == 24 else np.float64
    while not inside(x):
        i = int(abs(x[1]) > abs(x[0]))
        x[i] = float(np.nextafter(kind(x[i]), kind(0)))
    if abs(x[0]) == abs(x[1]) == 1:
        if x == [-1.0, -1.0]:
            g, x = times(g, UNDO_A), [1.0, 1.0]
        turn = times(A, B) if x[0] == x[1] else A if x[0] < 0 else B
        tiles = [g]
        for _ in range(2 if x[0] == x[1] else 5):
            tiles.append(times(tiles[-1], turn))
        g = min(tiles)
    columns = [limbs(v, least) for v in g]
    count = max(map(len, columns))
    columns = [limbs(v, count) for v in g]
    return [*x, *(c[i] for i in range(count) for c in columns)]


def plane_place(p: list[int], scale: int, g: Matrix, bits: int, least: int) -> list[float]:
    """The row of L g L^-1 p, p = (x_0 / sqrt 3, x_1, x_2) times 2^scale, anywhere."""
    p, word = reduce(p, scale)
    return plane_land([nearest((v, -scale), bits) for v in p[1:]], times(g, word), bits, least)


def plane_step(row: Row, u: Row | None, bits: int, least: int) -> list[float] | None:
    """The row in its one form, or exp_x(u)."""
    x, g = plane_split(row)
    moves = u is not None and any(u[:2])
    if not moves and inside(x) and all(nearest(dyadic(v), bits) == v for v in x):
        return plane_land(x, g, bits, least)
    reach = math.log(1 + math.hypot(*x))
    with decimal.localcontext(context(80)):
        s = Decimal(0)
        if moves and u is not None:
            a, v = on_hyperboloid([Decimal(t) for t in x]), [Decimal(t) for t in u[:2]]
            s = (v[0] * v[0] + v[1] * v[1] - ((a[1] * v[0] + a[2] * v[1]) / a[0]) ** 2).sqrt()
        if s > _HALF:
            return None
    scale = math.ceil(2 * (float(s) + 2 * reach) / math.log(2)) + 300
    with decimal.localcontext(context(math.ceil(0.31 * scale) + 40)):
        a = on_hyperboloid([Decimal(t) for t in x])
        if moves and u is not None:
            v = [Decimal(t) for t in u[:2]]
            v = [(a[1] * v[0] + a[2] * v[1]) / a[0], *v]
            s = (v[1] * v[1] + v[2] * v[2] - v[0] * v[0]).sqrt()
            sinh, cosh = (expm1(s) - expm1(-s)) / 2, (s.exp() + (-s).exp()) / 2
            a = [cosh * t + sinh * w / s for t, w in zip(a, v, strict=True)]
        a[0] /= Decimal(3).sqrt()
        p = [int((t * Decimal(2) ** scale).to_integral_value()) for t in a]
    return plane_place(p, scale, g, bits, least)


def plane_fault(row: Row) -> int:
    """What is wrong with the integers of a row, in the numbers of csrc/tiling/plane.h (`fault`); 0: nothing."""
    _, g = plane_split(row)
    form = (3, 0, 0, 0, -1, 0, 0, 0, -1)
    held = [sum(g[3 * k + i] * form[4 * k] * g[3 * k + j] for k in range(3)) for i in range(3) for j in range(3)]
    if tuple(held) != form:
        return 1
    if (
        g[0] * (g[4] * g[8] - g[5] * g[7]) - g[1] * (g[3] * g[8] - g[5] * g[6]) + g[2] * (g[3] * g[7] - g[4] * g[6])
    ) != 1:
        return 2
    if g[0] < 0:
        return 3
    return 0 if [g[i] % 3 for i in (4, 5, 7, 8)] in ([1, 0, 0, 1], [0, 2, 2, 0]) else 4


def plane_point(x: Sequence[float], g: Matrix) -> list[Decimal]:
    """The point on the hyperboloid, time first, in the context's precision."""
    root = Decimal(3).sqrt()
    v = on_hyperboloid([Decimal(t) for t in x])
    v[0] /= root
    out = [sum((g[3 * i + k] * v[k] for k in range(3)), Decimal(0)) for i in range(3)]
    return [out[0] * root, *out[1:]]


# ---------------------------------------------------------------------------------------------------- other models
# Points of all models as decimals of K = -1, in the precision at work: half-space coordinates, height last, or those of
# the hyperboloid, time first.  Origins and directions correspond as hypgeo.ops.convert says.


def half_of(p: Sequence[Decimal]) -> list[Decimal]:
    """From the hyperboloid."""
    h = 1 / (p[0] - p[-1])
    return [*(v * h for v in p[1:-1]), h]


def hyperboloid_of(p: Sequence[Decimal]) -> list[Decimal]:
    """From the half-space."""
    h, q = p[-1], sum((v * v for v in p[:-1]), Decimal(0))
    return [(q + h * h + 1) / (2 * h), *(v / h for v in p[:-1]), (q + h * h - 1) / (2 * h)]


def as_float(x: Decimal, dtype_bits: int) -> float:
    """x correctly rounded to float64 (53 bits) or float32 (24), infinite beyond them."""
    m, e = from_decimal(x)
    least, most = (-1074, 1024) if dtype_bits == 53 else (-149, 128)
    top = m.bit_length() + e  # |x| < 2^top
    if m == 0 or top < least:
        return math.copysign(0.0, m)
    if top > most + 1:
        return math.copysign(math.inf, m)
    value = nearest((m, e), min(dtype_bits, top - least)) if top > least else math.copysign(math.ldexp(1, least), m)
    return value if abs(value) < 2.0 ** (most - 1) * 2 else math.copysign(math.inf, m)


def components_of(p: Sequence[Decimal], n: int, bits: int) -> list[float]:
    """n floats a number, each the rounding of the rest: first those of all numbers, then the second ones, ..."""
    out: list[float] = []
    rest = list(p)
    for _ in range(n):
        out += (some := [as_float(v, bits) for v in rest])
        rest = [v - Decimal(f) if math.isfinite(f) else Decimal(0) for v, f in zip(rest, some, strict=True)]
    return out


def digits_of(row: Row, d: int) -> int:
    """Digits that hold the row's point in any model, and what cancels on the way: three times its radius (in e-folds).

    d: as in :mod:`hypgeo.ops.tiling`, -1 for a row of floats in another model.
    """
    if d < 0:
        bits = 110 + 4 * max((abs(math.frexp(v)[1]) for v in row), default=0)
    elif d == 0:
        x, g = plane_split(row)
        bits = max(map(int.bit_length, g)) + 2 * max(1, math.frexp(math.hypot(*x))[1])
    else:
        position, h, j = half_split(row, d)
        bits = abs(j + math.frexp(h)[1]) + 2 * max(0, *(m.bit_length() + e + j for m, e in position if m), 0)
    return math.ceil(0.302 * 3 * bits) + 120


def as_half(row: Row, d: int) -> list[Decimal]:
    """Half-space coordinates of a row of a tiling."""
    if d == 0:
        return half_of(plane_point(*plane_split(row)))
    position, h, j = half_split(row, d)
    return [Decimal(m) * Decimal(2) ** (e + j) for m, e in [*position, dyadic(h)]]


def as_hyperboloid(row: Row, d: int) -> list[Decimal]:
    return plane_point(*plane_split(row)) if d == 0 else hyperboloid_of(as_half(row, d))


def from_half(p: Sequence[Decimal], d: int, bits: int, least: int) -> list[float] | None:
    """The row of a tiling, from half-space coordinates to twice as many digits as they hold of their distance."""
    if d == 0:
        return from_hyperboloid(hyperboloid_of(p), d, bits, least)
    fine = math.ceil(decimal.getcontext().prec * math.log2(10))
    return half_place([from_decimal(v, fine) for v in p[:-1]], from_decimal(p[-1]), 0, d, bits, least)


def from_hyperboloid(p: Sequence[Decimal], d: int, bits: int, least: int) -> list[float] | None:
    if d:
        return from_half(half_of(p), d, bits, least)
    scale = math.ceil(decimal.getcontext().prec * math.log2(10) / 2) + 100
    unit = Decimal(2) ** scale
    time = (1 + p[1] * p[1] + p[2] * p[2]).sqrt() / Decimal(3).sqrt()
    return plane_place([int((v * unit).to_integral_value()) for v in (time, p[1], p[2])], scale, ONE, bits, least)


def from_model(row: Row, name: str, root: Decimal) -> list[Decimal]:
    """Hyperboloid coordinates of floats in a model of curvature -root^2."""
    b = [Decimal(v) * root for v in row]
    if name == "HalfSpace":  # whose points do not depend on the curvature
        return hyperboloid_of([Decimal(v) for v in row])
    if name == "Lorentz":
        b = b[1:]
        return [(1 + sum((v * v for v in b), Decimal(0))).sqrt(), *b]
    gap = 1 - sum((v * v for v in b), Decimal(0))
    if gap <= 0:
        raise ValueError(f"a row of {name} lies on the rim or outside; call projx")
    if name == "Klein":
        return [1 / gap.sqrt(), *(v / gap.sqrt() for v in b)]
    return [(2 - gap) / gap, *(2 * v / gap for v in b)]


def to_model(row: Row, d: int, name: str, root: Decimal) -> list[Decimal]:
    """Coordinates in a model of curvature -root^2 of a row of a tiling."""
    if name == "HalfSpace":
        return as_half(row, d)
    p = as_hyperboloid(row, d)
    if name == "Lorentz":
        return [v / root for v in p]
    under = p[0] if name == "Klein" else 1 + p[0]
    return [v / under / root for v in p[1:]]
