"""Points of tilings as exact numbers, made and measured in mpmath: nothing here is the library's."""

import math
import random

import mpmath
import torch
from mpmath import mpf
from torch import Tensor

Point = tuple[mpf, ...]


def whole(columns: list[float]) -> int:
    """The integer of limbs, half by half."""
    n = len(columns) // 2
    return whole(columns[:n]) + (whole(columns[n:]) << 24 * n) if n else int(columns[0])


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
