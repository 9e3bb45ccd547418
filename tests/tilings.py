"""Points of tilings as exact numbers, made and measured in mpmath: nothing here is the library's."""

import functools
import math
import random

import mpmath
import torch
from mpmath import mpf
from torch import Tensor

Point = tuple[mpf, ...]


def whole(columns: list[float]) -> int:
    """The integer of limbs: of their digits from 0 on, in hexadecimal."""
    text = "".join(f"{int(v) + 2**23:06x}" for v in reversed(columns))
    return int(text, 16) - 2**23 * ((1 << 24 * len(columns)) // (2**24 - 1))


def limbs(value: int, count: int) -> list[float]:
    """So many limbs of an integer."""
    out = []
    raised = value + 2**23 * ((1 << 24 * count) // (2**24 - 1))  # digits from 0 on
    text = f"{raised:0{6 * count}x}"
    assert raised >= 0 and len(text) == 6 * count, "more limbs are needed"
    for i in range(6 * count, 0, -6):
        out.append(float(int(text[i - 6 : i], 16) - 2**23))
    return out


def ulps(got: float, true: mpf) -> float:
    if true == 0 or not math.isfinite(got):
        return 0.0 if got == true else math.inf
    return float(abs(mpf(got) - true) / mpf(math.ulp(float(true))))


# ------------------------------------------------------------------------------------------------- H-tiling


def half_point(row: list[float], d: int) -> Point:
    """Exact half-space coordinates, height last, in the precision at work."""
    unit = mpmath.ldexp(mpf(1), int(row[d]))
    k = [whole(row[d + 1 + i :: d - 1]) for i in range(d - 1)]
    return (*((mpf(n) + mpf(row[i])) * unit for i, n in enumerate(k)), mpf(row[d - 1]) * unit)


def half_dist(p: Point, q: Point) -> mpf:
    gap = [a - b for a, b in zip(p, q, strict=True)]  # all that cancels
    with mpmath.workprec(300):
        return 2 * mpmath.asinh(mpmath.sqrt(mpmath.fsum((+a) ** 2 for a in gap) / (4 * (+p[-1]) * q[-1])))


def half_seen(p: Point, q: Point) -> Point:
    """q where p is the origin, (0, ..., 0, 1), to 600 bits."""
    gap = [b - a for a, b in zip(p[:-1], q[:-1], strict=True)]
    with mpmath.workprec(600):
        return (*(+v / p[-1] for v in gap), q[-1] / p[-1])


def half_between(t: float, q: Point) -> Point:
    """The point at fraction t of the way from the origin to q: by way of the hyperboloid, where it is a sum of both."""
    h = q[-1]
    d = half_dist((*(mpf(0) for _ in q[1:]), mpf(1)), q)
    far, near = mpmath.sinh(t * d) / mpmath.sinh(d) / h, mpmath.sinh((1 - t) * d) / mpmath.sinh(d)
    up = near + far  # x_0 - x_d: 1 of the origin, 1 / h of q
    return (*(far * v / up for v in q[:-1]), 1 / up)


def half_row(x: list[float], j: int, k: list[int], count: int) -> list[float]:
    columns = [limbs(n, count) for n in k]
    return [*x, float(j), *(c[i] for i in range(count) for c in columns)]


def half_pairs(radius: float, d: int, draw: random.Random, n: int) -> tuple[Tensor, Tensor]:
    """Pairs of points that far from the origin: far, near (in one tile, across boundaries), and all between."""
    depth = round(radius / math.log(2))
    count = max(1, (depth + 3) // 24 + 1)

    def offset() -> list[float]:
        return [draw.choice((draw.random(), 0.0, 1 - 2.0**-53, 2.0**-60)) for _ in range(d - 1)] + [
            draw.choice((1 + draw.random(), 1.0, 2 - 2.0**-52))
        ]

    rows: list[tuple[list[float], list[float]]] = []
    for i in range(n):
        k = [draw.randrange(2**depth) for _ in range(d - 1)]
        x, y, j, other, l = offset(), offset(), -depth, list(k), -depth
        match i % 6:
            case 0:  # in different directions
                other = [draw.randrange(2**depth) for _ in range(d - 1)]
            case 1:  # neighbouring floats
                y = [math.nextafter(v, 1.5) for v in x]
            case 2:  # beside each other
                other = [v + draw.choice((-1, 0, 1)) for v in k]
            case 3:  # above each other
                l = -depth + 1
                other = [v >> 1 for v in k]
            case 4:  # parted on the way
                cut = draw.randrange(depth + 1)
                other = [v >> cut << cut | draw.randrange(2**cut) for v in k]
            case _:
                l = -draw.randrange(depth + 1)
                other = [v >> (l + depth) for v in k]
        rows.append((half_row(x, j, k, count), half_row(y, l, other, count)))
    a, b = zip(*rows, strict=True)
    return torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)


def bits(radius: float) -> int:
    """A precision in which distances of points so far out, however near, come out right."""
    return int(4 * radius / math.log(2)) + 1400


# ------------------------------------------------------------------------------------------------- L-tiling

A = (2, 1, 0, 0, 0, -1, 3, 2, 0)
B = (2, -1, 0, 0, 0, -1, -3, 2, 0)
UNDO_A = (2, 0, -1, -3, 0, 2, 0, -1, 0)
UNDO_B = (2, 0, 1, 3, 0, 2, 0, -1, 0)
ONE = (1, 0, 0, 0, 1, 0, 0, 0, 1)
Matrix = tuple[int, ...]


def times(a: Matrix, b: Matrix) -> Matrix:
    return tuple(sum(a[3 * i + k] * b[3 * k + j] for k in range(3)) for i in range(3) for j in range(3))


@functools.lru_cache(maxsize=64)
def _integers(row: tuple[float, ...]) -> Matrix:
    return tuple(whole(list(row[2 + c :: 9])) for c in range(9))


def plane_matrix(row: list[float]) -> Matrix:
    return _integers(tuple(row))


def plane_point(row: list[float]) -> Point:
    """Exact hyperboloid coordinates, time first, but for square roots in the precision at work."""
    x, root = [mpf(v) for v in row[:2]], mpmath.sqrt(3)
    v = [mpmath.sqrt(1 + x[0] ** 2 + x[1] ** 2) / root, *x]
    g = plane_matrix(row)
    out = [mpmath.fsum(g[3 * i + k] * v[k] for k in range(3)) for i in range(3)]
    return (out[0] * root, out[1], out[2])


def plane_dist(p: Point, q: Point) -> mpf:
    w = [b - a for a, b in zip(p, q, strict=True)]
    s = w[1] ** 2 + w[2] ** 2 - w[0] ** 2
    with mpmath.workprec(300):
        return 2 * mpmath.asinh(mpmath.sqrt(abs(+s)) / 2)


def plane_seen(x: list[float], y: list[float]) -> tuple[Point, Point]:
    """Both points in the frame of x's tile, time first: by exact integers, then in the precision at work."""
    g, h, form = plane_matrix(x), plane_matrix(y), (3, -1, -1)
    q = [
        sum(g[3 * k + i] * form[k] * h[3 * k + j] for k in range(3)) // form[i] for i in range(3) for j in range(3)
    ]  # g^-1 h = M^-1 g' M h
    root = mpmath.sqrt(3)
    a, b = ([mpmath.sqrt(1 + mpf(t[0]) ** 2 + mpf(t[1]) ** 2), mpf(t[0]), mpf(t[1])] for t in (x, y))
    v = [b[0] / root, b[1], b[2]]
    z = [mpmath.fsum(q[3 * i + k] * v[k] for k in range(3)) for i in range(3)]
    return tuple(a), (z[0] * root, z[1], z[2])


def plane_near(a: Point, z: Point) -> mpf:
    """As plane_dist, in a precision that has the bits of the larger one twice."""
    if z[0] < mpf(2) ** 300:
        return plane_dist(a, z)
    return mpmath.log(2 * (a[0] * z[0] - a[1] * z[1] - a[2] * z[2]))


def plane_direction(a: Point, z: Point) -> list[mpf]:
    """Of the geodesic from a to z, in the frame that the boost from the origin makes at a."""
    w = [v - u for u, v in zip(a, z, strict=True)]
    inner = a[1] * w[1] + a[2] * w[2] - a[0] * w[0]  # the part of w across a is w + <w, a> a
    t, *v = (c + inner * u for c, u in zip(w, a, strict=True))
    s = [c - u * t / (1 + a[0]) for c, u in zip(v, a[1:], strict=True)]
    return [c / mpmath.norm(s) for c in s]


def plane_row(x: list[float], g: Matrix, count: int) -> list[float]:
    columns = [limbs(v, count) for v in g]
    return [*x, *(c[i] for i in range(count) for c in columns)]


def plane_pairs(radius: float, draw: random.Random, n: int) -> tuple[Tensor, Tensor]:
    """Pairs of points about that far from the origin, in tiles of random words: far, near, across boundaries."""

    def walk(reach: float) -> Matrix:
        """Alternating turns by a half and more, which do not come back."""
        g = ONE
        while math.log(max(map(abs, g))) < reach:
            g = times(g, times(*draw.choice([(A, B), (UNDO_B, A), (A, UNDO_B), (UNDO_A, UNDO_B)])))
        return g

    stride = 300.0
    pool = [walk(stride) for _ in range(12)] if radius >= stride else []

    def word(start: Matrix, reach: float) -> Matrix:
        """A word that leads on from a tile."""
        parts = [draw.choice(pool) for _ in range(int(reach / stride))] + [walk(reach % stride)]
        while len(parts) > 1:  # in pairs, so that products are of numbers of one size
            parts = [times(*parts[i : i + 2]) if i + 1 < len(parts) else parts[i] for i in range(0, len(parts), 2)]
        return times(start, parts[0])

    def offset() -> list[float]:
        return [draw.choice((draw.uniform(-0.7, 0.7), 0.0, 2.0**-60)) for _ in range(2)]

    rows = []
    for i in range(n):
        g, x, y = word(ONE, radius), offset(), offset()
        h = g
        match i % 6:
            case 0:
                h = word(ONE, radius)
            case 1:
                y = [math.nextafter(v, 1.0) for v in x]
            case 2:
                h = times(g, draw.choice((A, B, UNDO_A, UNDO_B, times(A, B))))
            case 3:  # on both sides of a boundary: one point seen from two tiles, nearly
                t = draw.uniform(-0.6, 0.6)
                x = [-math.sqrt((1 + t * t) / 2), t]
                y = [t, math.sqrt((1 + t * t) / 2)]  # g_a takes the side x_1 < 0 to the side x_2 > 0
                h = times(g, UNDO_A)
                if i % 12 == 3:
                    y[0] += draw.choice((1e-3, 1e-8, 1e-12))
            case 4:
                h = word(g, draw.uniform(0, radius))
            case _:  # a corner is in many tiles
                x, y, h = [-1.0, 1.0], [-1.0, 1.0], times(g, draw.choice((A, UNDO_A, times(A, A))))
        rows.append((x, g, y, h))
    count = max(max(abs(v) for v in (*g, *h)).bit_length() for _, g, _, h in rows) // 24 + 2
    a = torch.tensor([plane_row(x, g, count) for x, g, _, _ in rows], dtype=torch.float64)
    return a, torch.tensor([plane_row(y, h, count) for _, _, y, h in rows], dtype=torch.float64)
