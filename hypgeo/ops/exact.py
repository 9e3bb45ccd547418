"""Points of tilings in Python's integers and decimals: the bodies of :mod:`hypgeo.ops.tiling`, slow and always right.

And what they are in other models, in integers alone where a tiling is the source: decimals would be as exact, but
changing the base of a hundred thousand digits takes seconds.

A row is a list of floats as :mod:`hypgeo.ops.tiling` lays it out.  A dyadic number m 2^e is a pair of integers (m, e).
"""

from __future__ import annotations

import decimal
import functools
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


def product(a: Dyadic, b: Dyadic) -> Dyadic:
    return a[0] * b[0], a[1] + b[1]


def top(x: Dyadic) -> int:
    """2^(top - 1) <= |x| < 2^top where x is not 0."""
    return x[0].bit_length() + x[1]


def cut(value: Dyadic, bits: int) -> Dyadic:
    """The nearest number with so many bits, ties to even."""
    m, e = value
    spare = m.bit_length() - bits
    if spare > 0:
        half = 1 << (spare - 1)
        low = m & ((1 << spare) - 1)
        m >>= spare
        m += low > half or (low == half and m & 1)
        e += spare
    return m, e


def nearest(value: Dyadic, bits: int = 53) -> float:
    """:func:`cut` as a float; far from the ends of its exponents."""
    m, e = cut(value, bits)
    return math.ldexp(m, max(min(e, 5000), -5000))


def floor(x: Dyadic) -> int:
    return x[0] << x[1] if x[1] >= 0 else x[0] >> -x[1]


def divide(a: Dyadic, b: Dyadic, bits: int) -> Dyadic:
    """a / b, b > 0, to more than so many bits, which round as those of the quotient do: the last one, if set, says that
    something follows."""
    (m, e), (n, f) = a, b
    shift = bits + 1 + n.bit_length() - m.bit_length()
    size = abs(m)
    lost = 0 if shift >= 0 else size & ((1 << -shift) - 1)
    q, r = divmod(size << shift if shift >= 0 else size >> -shift, n)
    q = q << 1 | bool(r or lost)
    return (-q if m < 0 else q), e - f - shift - 1


def root_of(x: Dyadic, bits: int) -> Dyadic:
    """The square root of x > 0, from below, to more than so many bits; exact where it has no more."""
    m, e = x
    shift = max(0, 2 * bits + 2 - m.bit_length())
    shift += (e - shift) % 2
    return math.isqrt(m << shift), (e - shift) // 2


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


def inverse(g: Matrix) -> Matrix:
    """M^-1 g' M of an element of the group."""
    return (g[0], -g[3] // 3, -g[6] // 3, -3 * g[1], g[4], g[7], -3 * g[2], g[5], g[8])


def turn(g: Matrix, p: Sequence[int]) -> list[int]:
    return [sum(g[3 * i + k] * p[k] for k in range(3)) for i in range(3)]


def approach(p: Sequence[int], stop: int) -> Matrix:
    """Turns that carry p = (x_0 / sqrt 3, x_1, x_2), times some power of two, to where x_1 and x_2 have `stop` bits.

    The first half of them follows from the leading half of the digits, as in a fast gcd; digits below those that turns
    by 2^excess can bring to light, and 64 more, do not matter.
    """
    size = max(p[1].bit_length(), p[2].bit_length())
    excess = size - stop
    drop = max(0, size - 2 * excess - 64)
    p, stop = [v >> drop for v in p], stop - drop
    if excess > 100:
        first = approach(p, stop + excess // 2)
        return times(approach(turn(first, p), stop), first)
    moved = [tuple(p), (1, 0, 0), (0, 1, 0), (0, 0, 1)]  # the columns of ONE become those of the product
    while True:
        _, b, c = moved[0]
        if max(b.bit_length(), c.bit_length()) <= stop:
            return tuple(moved[k][i] for i in range(3) for k in (1, 2, 3))
        if abs(b) >= abs(c):
            if b < 0:
                moved = [(2 * t + x, -y, 3 * t + 2 * x) for t, x, y in moved]  # A
            else:
                moved = [(2 * t - x, -y, 2 * x - 3 * t) for t, x, y in moved]  # B
        elif c > 0:
            moved = [(2 * t - y, 2 * y - 3 * t, -x) for t, x, y in moved]  # UNDO_A
        else:
            moved = [(2 * t + y, 3 * t + 2 * y, -x) for t, x, y in moved]  # UNDO_B


def reduce(p: list[int], bits: int) -> tuple[list[int], int, Matrix]:
    """A point (x_0 / sqrt 3, x_1, x_2), times 2^bits, carried into F, up to 2^-90, its bits, and the word g that leads
    back.

    Point = L g L^-1 (what is returned); what p was rounded by grows by as much as p has to shrink, and as many bits
    are dropped.
    """
    word = ONE
    far = max(p[1].bit_length(), p[2].bit_length()) - bits - 40
    if far > 0:
        turns = approach(p, bits + 40)
        p, bits, word = [v >> far for v in turn(turns, p)], bits - far, inverse(turns)
    shift = max(0, bits - 200)
    one = 1 << 2 * (bits - shift)
    last = ONE
    while True:
        across = abs(p[1]) >= abs(p[2])
        a, b = sorted((abs(p[1]) >> shift, abs(p[2]) >> shift), reverse=True)
        if 2 * a * a - b * b <= one + (one >> 90):
            return p, bits, times(word, last)
        if across:
            move, undo = (A, UNDO_A) if p[1] < 0 else (B, UNDO_B)
        else:
            move, undo = (UNDO_A, A) if p[2] > 0 else (UNDO_B, B)
        p, last = turn(move, p), times(last, undo)


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
    p, scale, word = reduce(p, scale)
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


# ---------------------------------------------------------------------------------------------------- other models
# Origins and directions correspond as hypgeo.ops.convert says.

_GUARD = 300  # bits of offsets behind the point: those of one near 0 are among them


@functools.lru_cache(maxsize=8)
def _root3(bits: int) -> int:
    return math.isqrt(3 << 2 * bits)


def root3(bits: int) -> int:
    """sqrt 3 times 2^bits, from below; one root serves precisions that are nearly alike."""
    step = 1 << max(6, bits.bit_length() - 3)
    most = -(-bits // step) * step
    return _root3(most) >> (most - bits)


def plane_values(x: Sequence[float], g: Matrix, fine: int) -> list[Dyadic]:
    """x_0, x_1, x_2 and x_0 - x_2 of the point L g L^-1 x on the hyperboloid, off by less than 2^(5 - fine) each."""
    (a, e), (b, f) = dyadic(x[0]), dyadic(x[1])
    reach, low = max(0, top((a, e)), top((b, f))), min(e, f, 0)
    a, b = a << (e - low), b << (f - low)
    drop = max(0, -fine - reach)  # digits of g
    g = tuple(v >> drop for v in g)
    bits = fine + drop + reach + max(map(int.bit_length, g))
    time = math.isqrt(floor(((1 << -2 * low) + a * a + b * b, 2 * (bits + low))))
    root = root3(bits)
    part = (time * root >> bits) // 3  # x_0 / sqrt 3
    out = [g[0] * time + floor((root * (g[1] * a + g[2] * b), low))]
    out += [g[i] * part + floor((g[i + 1] * a + g[i + 2] * b, bits + low)) for i in (3, 6)]
    return [(v, drop - bits) for v in (*out, out[0] - out[2])]


def plane_coordinates(x: Sequence[float], g: Matrix, bits: int) -> list[Dyadic]:
    """x_0, x_1, x_2 and x_0 - x_2 of the point L g L^-1 x, each to so many bits of its own.

    x_0 >= 1, x_0 - x_2 > 1 / (2 x_0), and x_1 and x_2 are p sqrt((1 + a^2 + b^2) / 3) + q, p an integer: where that is
    not 0, it is the difference of two squares over the other sum.  With 2^-k the last bit of the offset (a, b) the
    squares have 3 2^(2k) for denominator, so 2 k and the bits of what the sum is made of say where to stop.
    """
    size = max(map(int.bit_length, g)) + 2
    (a, e), (b, f) = dyadic(x[0]), dyadic(x[1])
    most = bits + size + max(0, top((a, e)), top((b, f))) + 2 * max(0, -e, -f) + 16
    fine = bits + 8 - size
    while True:
        found = plane_values(x, g, fine)
        lacking = max(bits + 8 - fine - top(v) for v in found)
        if lacking <= 0 or fine == most:
            return [cut(v, bits) if top(v) > 8 - fine else (0, 0) for v in found]
        fine = min(most, max(fine + lacking, 2 * fine + size))


def half_exactly(row: Row, d: int) -> list[Dyadic]:
    """Half-space coordinates, height last, of a row of the H-tiling."""
    position, h, j = half_split(row, d)
    return [(m, e + j) for m, e in [*position, dyadic(h)]]


def sums(row: Row, d: int) -> list[Dyadic]:
    """Half-space coordinates, height last, that a row of floats or of components is."""
    out = [add(*map(dyadic, row[i::d])) for i in range(d)]
    if out[-1][0] <= 0:
        raise ValueError(f"a row of the half-space has the height {nearest(out[-1])}, not a positive one; call projx")
    return out


def lifted(p: Sequence[Dyadic]) -> tuple[list[Dyadic], Dyadic]:
    """Hyperboloid coordinates, time first, of a point of the half-space: numerators and their denominator."""
    square = add(*(product(v, v) for v in p))
    double = [(m, e + 1) for m, e in p]
    return [add(square, (1, 0)), *double[:-1], add(square, (-1, 0))], double[-1]


def fractions(row: Row, d: int, name: str, bits: int) -> tuple[list[Dyadic], Dyadic]:
    """Coordinates in a model of K = -1 of a row of a tiling: numerators and their denominator.

    Of the H-tiling exactly, of the L-tiling to so many bits.
    """
    if d and name == "HalfSpace":
        return half_exactly(row, d), (1, 0)
    if d:
        p, under = lifted(half_exactly(row, d))
    else:
        *p, gap = plane_coordinates(*plane_split(row), bits)
        if name == "HalfSpace":
            return [p[1], (1, 0)], gap
        under = (1, 0)
    if name == "Lorentz":
        return p, under
    return p[1:], p[0] if name == "Klein" else add(p[0], under)


def to_model(row: Row, d: int, name: str, c: float, bits: int, most: float) -> list[Dyadic]:
    """Coordinates in a model of curvature -c of a row of a tiling, from which floats of so many bits in all follow.

    Where time on the hyperboloid exceeds `most`: the point of that direction which has this time.
    """
    fine = bits + 150
    p, under = fractions(row, d, name, fine)
    if name != "HalfSpace":  # whose points do not depend on the curvature
        under = product(under, root_of(dyadic(c), fine))
    if name == "Lorentz" and add(p[0], product(dyadic(-most), under))[0] > 0:
        p, under = [product(v, dyadic(most)) for v in p], p[0]
    return p if under == (1, 0) else [divide(v, under, fine) for v in p]


def as_float(x: Dyadic, bits: int) -> float:
    """x correctly rounded to float64 (53 bits) or float32 (24), infinite beyond them."""
    least, most = (-1074, 1024) if bits == 53 else (-149, 128)
    m, size = x[0], top(x)
    if m == 0 or size < least:
        return math.copysign(0.0, m)
    part = nearest((m, -m.bit_length()), min(bits, size - least))  # its size is from 1/2 to 1
    return math.copysign(math.inf, m) if size + (abs(part) == 1) > most else math.ldexp(part, size)


def components_of(p: Sequence[Dyadic], n: int, bits: int) -> list[float]:
    """n floats a number, each the rounding of the rest: first those of all numbers, then the second ones, ..."""
    out: list[float] = []
    rest = list(p)
    for _ in range(n):
        out += (some := [as_float(v, bits) for v in rest])
        rest = [add(v, dyadic(-f)) if math.isfinite(f) else (0, 0) for v, f in zip(rest, some, strict=True)]
    return out


def plane_of_half(p: Sequence[Dyadic], bits: int, least: int) -> list[float]:
    """The row of the L-tiling of a point of the half-plane."""
    q, under = lifted(p)
    sizes = [top(v) - top(under) + 1 for v in q if v[0]]
    fine = _GUARD + max(sizes) - min(0, *sizes)
    wide = fine + max(sizes)
    time, *s = (floor((m, e + fine)) for m, e in (divide(v, under, wide) for v in q))
    return plane_place([(time * root3(wide) >> wide) // 3, *s], fine, ONE, bits, least)


def half_of_plane(row: Row, bits: int, least: int) -> list[float] | None:
    """The row of the H-tiling of a row of the L-tiling."""
    x, g = plane_split(row)
    _, across, _, gap = plane_coordinates(x, g, 64)
    # the fraction of x_1 = (x_1 / (x_0 - x_2)) / (1 / (x_0 - x_2)), times a power of two, is wanted
    reach = max(0, top(across))
    fine = _GUARD - min(0, top(across)) + max(0, reach - top(gap)) + 8
    _, p, _, gap = plane_values(x, g, fine)
    height = divide((1, 0), gap, reach + _GUARD)
    return half_place([product(p, height) if across[0] else (0, 0)], height, 0, 2, bits, least)


def from_hyperboloid(p: Sequence[Decimal], d: int, bits: int, least: int) -> list[float] | None:
    """The row of a tiling, from coordinates to twice as many digits as they hold of their distance."""
    fine = math.ceil(decimal.getcontext().prec * math.log2(10))
    if d:
        h = 1 / (p[0] - p[-1])
        return half_place([from_decimal(v * h, fine) for v in p[1:-1]], from_decimal(h), 0, d, bits, least)
    scale = math.ceil(fine / 2) + 100
    unit = Decimal(2) ** scale
    time = (1 + p[1] * p[1] + p[2] * p[2]).sqrt() / Decimal(3).sqrt()
    return plane_place([int((v * unit).to_integral_value()) for v in (time, p[1], p[2])], scale, ONE, bits, least)


def from_model(row: Row, name: str, c: float, d: int, bits: int) -> list[float] | None:
    """The row of a tiling of floats in the hyperboloid or a ball of curvature -c, in decimals."""
    # that hold the point in any model, and what cancels on the way
    digits = math.ceil(0.302 * 3 * (110 + 4 * max((abs(math.frexp(v)[1]) for v in row), default=0))) + 120
    with decimal.localcontext(context(digits)):
        root = Decimal(c).sqrt()
        b = [Decimal(v) * root for v in row[name == "Lorentz" :]]
        square = sum((v * v for v in b), Decimal(0))
        gap = 1 - square
        if name == "Lorentz":
            p = [(1 + square).sqrt(), *b]
        elif gap <= 0:
            raise ValueError(f"a row of {name} lies on the rim or outside; call projx")
        elif name == "Klein":
            p = [1 / gap.sqrt(), *(v / gap.sqrt() for v in b)]
        else:
            p = [(2 - gap) / gap, *(2 * v / gap for v in b)]
        return from_hyperboloid(p, d, bits, 1)
