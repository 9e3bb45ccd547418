"""Integers in limbs, and trees in the half-space tiling, against plain sums and mpmath."""

import math
import random
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from hypgeo.ops import integers as ops
from tests.trees import Exact, recursive

EDGES = [0, 1, -1, 2**23 - 1, 2**23, -(2**23), -(2**23) - 1, 2**47 - 1, 2**48 - 1, 2**48, -(2**48), 2**71, -(2**71)]


def some_integers(n: int) -> list[int]:
    draw = random.Random(n)
    return [draw.choice((-1, 1)) * draw.getrandbits(draw.randrange(1, 5000)) for _ in range(n)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limbs_are_the_digits_they_are_said_to_be(dtype):
    values = EDGES + some_integers(30)
    width = max(map(ops.limbs_of, values))
    out = np.empty((len(values), width), dtype=dtype)
    ops.to_limbs(values, out)
    assert out.min() >= -(2**23) and out.max() < 2**23
    assert [sum(int(v) << 24 * i for i, v in enumerate(row)) for row in out.tolist()] == values
    assert ops.from_limbs(out) == values
    assert ops.from_limbs(np.pad(out, ((0, 0), (0, 3)))) == values  # columns of zeros mean nothing


@pytest.mark.parametrize("value", EDGES)
def test_no_limb_too_few_and_none_too_many(value):
    width = ops.limbs_of(value)
    out = np.empty((1, width), dtype=np.float64)
    ops.to_limbs([value], out)
    assert width == (value != 0) or out[0, -1] != 0
    if width > 1:
        with pytest.raises(OverflowError):
            ops.to_limbs([value], np.empty((1, width - 1)))


@pytest.mark.parametrize("bad", [2.0**23, -(2.0**23) - 1, 0.5, math.nan, math.inf])
def test_what_is_no_limb(bad):
    with pytest.raises(ValueError, match="a limb is an integer"):
        ops.from_limbs(np.array([[0.0, bad]]))


def nearest(x: mpmath.mpf | Fraction, bits: int) -> Fraction:
    """The nearest number of so many bits to x >= 0, subnormals of the dtype included."""
    with mpmath.workprec(8000):
        least = {53: -1074, 24: -149}[bits]
        exponent = max(int(mpmath.floor(mpmath.log(x, 2))) - bits + 1, least) if x else 0
        return Fraction(int(mpmath.nint(mpmath.ldexp(x, -exponent)))) * Fraction(2) ** exponent


def check(parent: list[int], rows: list[list[float]], dtype: type = np.float64) -> np.ndarray:
    """Holds every coordinate of every node against its place in mpmath."""
    d, bits = len(rows[0]), 53 if dtype is np.float64 else 24
    found = ops.tile_tree(parent, np.array(rows), dtype)
    assert found.dtype == dtype
    exact = Exact(parent, rows)
    exact.bits += 400
    for i, row in enumerate(found.tolist()):
        (x, y), j = exact.point(i), int(row[d])
        with mpmath.workprec(exact.bits):
            assert Fraction(row[d - 1]) * Fraction(2) ** j == nearest(mpmath.ldexp(y, -j), bits) * Fraction(2) ** j
            for axis in range(d - 1):
                k = sum(int(v) << 24 * n for n, v in enumerate(row[d + 1 + axis :: d - 1]))
                at = mpmath.ldexp(x[axis], -j)
                below = int(mpmath.floor(at))
                offset = nearest(at - below, bits)
                assert (k, row[axis]) == ((below, float(offset)) if offset < 1 else (below + 1, 0.0)), (i, axis)
        assert all(0 <= v < 1 for v in row[: d - 1]) and 1 <= row[d - 1] < 2
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [2, 3, 4])
@pytest.mark.parametrize(("depth", "guard"), [(0.3, 128), (30.0, 128), (30.0, 3)])
def test_places_are_correctly_rounded(d, depth, guard, dtype, monkeypatch):
    monkeypatch.setattr(ops, "_GUARD", guard)  # so few spare bits that most roundings stay open at first
    draw = np.random.default_rng(d)
    parent = recursive(60, seed=d)
    rows = np.concatenate([draw.normal(size=(60, d - 1)), -depth * draw.random((60, 1))], axis=1)
    rows[draw.random(60) < 0.2, 0] = 0
    rows[draw.random(60) < 0.1, -1] *= -1
    rows[0] = 0
    check(parent, rows.tolist(), dtype)


@pytest.mark.parametrize(
    "rows",
    [
        [[0.0, 0.0], [0.0, -700.0], [0.0, -700.0], [0.0, 1400.0]],  # straight down, and up again
        [[0.0, 0.0], [1.0, 0.0], [0.5, 0.0], [-1.5, 0.0]],  # rational places
        [[0.0, 0.0], [0.1, -5.0], [0.3, 5.0], [-0.1, -40.0]],  # 0.1 - 0.1 + 0.3 exp(-5)
        [[0.0, 0.0], [0.0, -3.0], [0.7, 0.0], [-0.7, -90.0]],  # irrational terms that cancel exactly
        [[0.0, 0.0], [1e-300, -5.0], [5e-324, -1e-300], [1e300, 1e-17]],
        [[0.0, 0.0], [-1e-300, 3.0], [-5e-324, 2.0], [1.0, 600.0]],  # to the left of 0 by less than any offset shows
        [[0.0, 0.0], [1 - 2**-53, 0.0], [2**-54, 0.0], [2**-60, 0.0]],  # ends of a tile
        [[0.0, 0.0], [1 - 2**-53, 1e-20], [2**-54, -1e-20], [-(2**-54) - 2**-80, 0.0]],  # the same, not quite
        [[0.0, 0.0], [0.5, math.log(2)], [0.5, -math.log(2)], [0.5, 2 * math.log(2)]],  # heights next to powers of two
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("guard", [3, 128])
def test_places_that_cancel_or_end_in_a_corner(rows, dtype, guard, monkeypatch):
    monkeypatch.setattr(ops, "_GUARD", guard)
    check([-1, 0, 1, 2], rows, dtype)


def test_one_node():
    assert ops.tile_tree([-1], np.zeros((1, 3))).tolist() == [[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]]


def test_trees_that_no_tiling_holds(monkeypatch):
    deep = np.array([[0.0, 0.0]] + [[0.5, -1e6]] * 6)
    with pytest.raises(ValueError, match=r"height is 2\^-8656171, and tiles end at"):
        ops.tile_tree([-1, *range(6)], deep)
    monkeypatch.setattr(ops.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16}.__getitem__)
    with pytest.raises(ValueError, match="keep the tree"):
        ops.tile_tree([-1, 0], deep[:2])


@pytest.mark.parametrize("d", [2, 3])
def test_rows_seen_from_the_parent_are_correctly_rounded(d):
    draw = random.Random(d)
    n = 40
    parent = recursive(n, seed=7)
    points = np.zeros((n, d + 1 + (d - 1) * 20))
    for row in points:
        row[: d - 1] = [draw.choice((draw.random(), 0.0, draw.random() * 2.0**-40)) for _ in range(d - 1)]
        row[d - 1], row[d] = 1 + draw.choice((draw.random(), 2.0**-52, 0.0)), draw.randrange(-400, 3)
    k = [[draw.choice((-1, 1)) * draw.getrandbits(draw.randrange(1, 420)) for _ in range(n)] for _ in range(d - 1)]
    points[2, d - 1 : d + 1] = points[1, d - 1 : d + 1] + [2.0**-52, 0]
    parent[2] = 1
    for axis in range(d - 1):
        ops.to_limbs(k[axis], points[:, d + 1 + axis :: d - 1])
    found = ops.hang_tiles(parent, points, d)
    assert not found[0].any()

    def place(i: int, axis: int) -> Fraction:
        return (k[axis][i] + Fraction(points[i, axis])) * Fraction(2) ** int(points[i, d])

    for i in range(1, n):
        p = parent[i]
        height = Fraction(points[p, d - 1]) * Fraction(2) ** int(points[p, d])
        for axis in range(d - 1):
            assert found[i, axis] == float((place(i, axis) - place(p, axis)) / height)
        with mpmath.workprec(500):
            rise = mpmath.log(mpmath.mpf(points[i, d - 1]) / mpmath.mpf(points[p, d - 1]))
            assert found[i, -1] == float(rise + int(points[i, d] - points[p, d]) * mpmath.log(2))


def test_there_and_back_moves_no_node_by_more_than_its_offsets_do():
    draw = np.random.default_rng(3)
    parent = recursive(200, seed=3)
    rows = np.concatenate([draw.normal(size=(200, 2)), -40 * draw.random((200, 1))], axis=1)
    rows[0] = 0
    back = ops.hang_tiles(parent, ops.tile_tree(parent, rows), 3)
    np.testing.assert_allclose(back[:, -1], rows[:, -1], rtol=0, atol=3 * 2.0**-52)
    np.testing.assert_allclose(back[:, :-1], rows[:, :-1], rtol=2.0**-51, atol=2.0**-51)


def test_neighbours_that_a_row_cannot_tell():
    points = np.array([[0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0]])
    points[1, 2] = 1 << 25
    with pytest.raises(ValueError, match="beyond a tree's rows"):
        ops.hang_tiles([-1, 0], points, 2)
    points[1, 2:4] = 2000, 1
    with pytest.raises(ValueError, match="too far to the side"):
        ops.hang_tiles([-1, 0], points, 2)
