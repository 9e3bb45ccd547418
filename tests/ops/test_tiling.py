"""The kernels of tilings against big floats, and against their plain bodies."""

import random

import mpmath
import pytest
import torch
from tilings import (
    bits,
    half_dist,
    half_pairs,
    half_point,
    plane_direction,
    plane_dist,
    plane_matrix,
    plane_near,
    plane_pairs,
    plane_point,
    plane_row,
    plane_seen,
    times,
    ulps,
    whole,
)
from torch import Tensor

from hypgeo.ops import exact, tiling

RADII = [1.0, 10.0, 100.0, 700.0, 1000.0, 10_000.0, 100_000.0]


@pytest.fixture(params=["compiled", "plain"])
def body(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "plain":
        monkeypatch.setattr(tiling, "_native", lambda name: None)
    return str(request.param)


@pytest.mark.parametrize("d", [2, 4])
@pytest.mark.parametrize("radius", RADII)
def test_half_distances(radius: float, d: int, body: str) -> None:
    n = 60 if radius < 800 else 12 if radius < 20_000 else 6
    x, y = half_pairs(radius, d, random.Random(radius), n)
    got, nx, ny, _ = tiling.view(x, y, d, True)
    back = tiling.view(y, x, d, False)[0]
    square = tiling.pairs(x[:6], y[:6], d)[0]
    with mpmath.workprec(bits(radius)):
        p, q = ([half_point(r, d) for r in t.tolist()] for t in (x, y))
        for i in range(n):
            assert ulps(float(got[i]), half_dist(p[i], q[i])) <= 2
            assert got[i] == back[i]
            assert all(ulps(float(square[i % 6, k]), half_dist(p[i % 6], q[k])) <= 2 for k in range(6) if i < 6)
            assert nx is not None and ny is not None
            for a, b, n_ in ((p[i], q[i], nx[i]), (q[i], p[i], ny[i])):  # the direction, at a, of the geodesic to b
                u = [s - t for s, t in zip(b, a, strict=True)]
                with mpmath.workprec(2000):
                    flat = mpmath.fsum((+v) ** 2 for v in u[:-1])
                    true = [2 * a[-1] * v for v in u[:-1]] + [flat + u[-1] * (b[-1] + a[-1])]
                    size = mpmath.sqrt(mpmath.fsum(v * v for v in true))
                    if size:
                        off = [v / size - float(w) for v, w in zip(true, n_, strict=True)]
                        assert mpmath.norm(off) <= 3 * 2.0**-52


@pytest.mark.parametrize("radius", [1.0, 10.0, 100.0, 1000.0, 10_000.0])
def test_plane_distances(radius: float, body: str) -> None:
    plane_distances(radius)


def test_plane_distances_at_100_000() -> None:
    plane_distances(100_000.0)


def plane_distances(radius: float) -> None:
    n = 60 if radius < 800 else 12 if radius < 20_000 else 6
    x, y = plane_pairs(radius, random.Random(radius), n)
    got, nx, ny, _ = tiling.view(x, y, 0, True)
    back = tiling.view(y, x, 0, False)[0]
    square = tiling.pairs(x[:3], y[:3], 0)[0]
    assert nx is not None and ny is not None
    a, b = x.tolist(), y.tolist()
    with mpmath.workprec(2500):
        for i in range(n):
            for p, q, d, unit in ((a[i], b[i], got[i], nx[i]), (b[i], a[i], back[i], ny[i])):
                seen = plane_seen(p, q)
                if i % 6 == 5:  # algebra, not digits, says that this is 0
                    assert d == 0 and not unit.any()
                    continue
                assert ulps(float(d), plane_near(*seen)) <= 2
                if d > 0:
                    off = [float(v) - w for v, w in zip(unit, plane_direction(*seen), strict=True)]
                    assert mpmath.norm(off) <= 3 * 2.0**-52
            for k in range(3 if i < 3 and radius < 5000 else 0):
                assert ulps(float(square[i, k]), plane_near(*plane_seen(a[i], b[k]))) <= 2
    if radius <= 100:  # and by coordinates as the origin sees them
        with mpmath.workprec(bits(radius)):
            for i in range(0, n, 7):
                assert i % 6 == 5 or ulps(float(got[i]), plane_dist(plane_point(a[i]), plane_point(b[i]))) <= 2


def test_plane_words_lead_back(body: str) -> None:
    """However a point is written, it has one row: its own tile, and an offset to rounding."""
    draw = random.Random(3)
    n = 30
    x, _ = plane_pairs(40.0, draw, n)
    x[:, :2] = 1.4 * torch.rand(n, 2, dtype=torch.float64) - 0.7
    far = x.clone()
    count = tiling.limbs_of(x.shape[1], 0)
    for i in range(n):  # the same point, written in a tile some steps away, in big floats, rounded
        word = draw.choices([(2, 1, 0, 0, 0, -1, 3, 2, 0), (2, -1, 0, 0, 0, -1, -3, 2, 0)], k=draw.randrange(1, 4))
        h = (1, 0, 0, 0, 1, 0, 0, 0, 1)
        for w in word:
            h = times(h, w)
        with mpmath.workprec(400):
            root = mpmath.sqrt(3)
            form = (3, -1, -1)
            a, b = (mpmath.mpf(float(v)) for v in x[i, :2])
            v = [mpmath.sqrt(1 + a * a + b * b) / root, a, b]
            back = [mpmath.fsum(h[3 * k + r] * form[k] * v[k] for k in range(3)) / form[r] for r in (1, 2)]
            far[i] = torch.tensor(
                plane_row([float(t) for t in back], times(plane_matrix(x[i].tolist()), h), count), dtype=torch.float64
            )
    one = tiling.step(x, None, 0, torch.float64)
    assert torch.equal(one[:, : x.shape[1]], x)
    again = tiling.step(far, None, 0, torch.float64)
    assert torch.equal(again[:, 2:], one[:, 2:])
    reach = far[:, :2].square().sum(-1, keepdim=True)
    assert bool(((again - one)[:, :2].abs() <= 8 * 2.0**-53 * (1 + reach)).all())


def test_plane_corners_have_one_tile(body: str) -> None:
    base, _ = plane_pairs(30.0, random.Random(5), 1)
    g, count = plane_matrix(base[0].tolist()), tiling.limbs_of(base.shape[1], 0) + 1
    a, b = (2, 1, 0, 0, 0, -1, 3, 2, 0), (2, -1, 0, 0, 0, -1, -3, 2, 0)
    for corner, turn, order in (([-1.0, 1.0], a, 6), ([1.0, -1.0], b, 6), ([1.0, 1.0], times(a, b), 3)):
        tiles = [g]
        for _ in range(order - 1):
            tiles.append(times(tiles[-1], turn))
        assert times(tiles[-1], turn) == g
        rows = torch.tensor([plane_row(corner, h, count) for h in tiles], dtype=torch.float64)
        out = tiling.step(rows, None, 0, torch.float64)
        assert bool((out == out[0]).all()) and out[0, :2].tolist() == corner
        assert plane_matrix(out[0].tolist()) == min(tiles)
    low = torch.tensor([plane_row([-1.0, -1.0], times(g, a), count)], dtype=torch.float64)  # g_a leads to (1, 1)
    assert torch.equal(tiling.step(low, None, 0, torch.float64)[0], out[0])


@pytest.mark.parametrize("size", [1e-12, 0.4, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_plane_steps_are_the_plain_ones(size: float, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = plane_pairs(60.0, random.Random(1), 30)
    x[:, :2] = x[:, :2].to(dtype)
    x = tiling.step(x, None, 0, dtype)
    u = torch.zeros_like(x)
    u[:, :2] = size * torch.randn(len(x), 2, generator=torch.Generator().manual_seed(0)).double()
    out = x.clone()
    out[:, :2] += 5 * u[:, :2]
    fast = [tiling.step(x, u, 0, dtype), tiling.step(out, None, 0, dtype)]
    monkeypatch.setattr(tiling, "_native", lambda name: None)
    for a, b in zip(fast, [tiling.step(x, u, 0, dtype), tiling.step(out, None, 0, dtype)], strict=True):
        assert torch.equal(*tiling.match(0, a, b))
        assert tiling.why_not(a, 0, True) is None
        assert torch.equal(tiling.step(a, None, 0, dtype), a)


def test_plane_offsets_anywhere(body: str) -> None:
    """Far outside their tile twofold doubles do not suffice."""
    draw = random.Random(2)
    x, _ = plane_pairs(20.0, draw, 12)
    out = x.clone()
    for i, size in enumerate((1e1, 1e2, 1e4, 1e8, 1e15, 1e30) * 2):
        out[i, 0], out[i, 1] = size * draw.uniform(-1, 1), size * draw.uniform(-1, 1)
    one = tiling.step(out, None, 0, torch.float64)
    assert tiling.why_not(one, 0, True) is None
    near = tiling.view(*(t.contiguous() for t in tiling.match(0, one, out)), 0, False)[0]
    assert float(near.max()) < 4e-16


def preserving(most: int) -> list[tuple[int, ...]]:
    """All integer matrices g with g' M g = M and |g_00| <= most, by search."""
    size = range(-2 * most, 2 * most + 1)
    time = [(a, b, c) for a in range(-most, most + 1) for b in size for c in size if 3 * a * a - b * b - c * c == 3]
    space = [(a, b, c) for a in range(-most, most + 1) for b in size for c in size if 3 * a * a - b * b - c * c == -1]

    def across(u: tuple[int, ...], v: tuple[int, ...]) -> bool:
        return 3 * u[0] * v[0] - u[1] * v[1] - u[2] * v[2] == 0

    found = []
    for t in time:
        s = [u for u in space if across(t, u)]
        found += [tuple(v for row in zip(t, u, w, strict=True) for v in row) for u in s for w in s if across(u, w)]
    return found


def test_the_group_is_known_by_residues(body: str) -> None:
    one = (1, 0, 0, 0, 1, 0, 0, 0, 1)
    words, edge = {one}, [one]
    turns = [(2, 1, 0, 0, 0, -1, 3, 2, 0), (2, -1, 0, 0, 0, -1, -3, 2, 0)]
    turns += [(2, 0, -1, -3, 0, 2, 0, -1, 0), (2, 0, 1, 3, 0, 2, 0, -1, 0)]
    while edge:
        edge = [m for m in {times(g, t) for g in edge for t in turns} - words if abs(m[0]) <= 60]
        words |= set(edge)
    every = preserving(7)
    assert len(every) == 16 * sum(m[0] <= 7 for m in words) > 300  # two sheets, reflections, rotations of the square
    rows = torch.tensor([plane_row([0.0, 0.0], g, 1) for g in every], dtype=torch.float64)
    for g, row in zip(every, rows, strict=True):
        assert (tiling.why_not(row[None], 0, True) is None) == (g in words)
    rows[:, 2:] += torch.eye(9, dtype=torch.float64)[torch.arange(len(rows)) % 9]
    assert all(tiling.why_not(row[None], 0, True) is not None for row in rows)


def test_limbs_there_and_back() -> None:
    draw = random.Random(1)
    values = [0, 1, -1, 2**23 - 1, 2**23, -(2**23), -(2**23) - 1, 2**47, -(2**47) - 1]
    values += [draw.randrange(-(2**n), 2**n) for n in (20, 24, 48, 100, 1000, 20000)]
    for value in values:
        row = exact.limbs(value)
        assert exact.integer(row) == value == whole(row)
        assert all(-(2**23) <= v < 2**23 for v in row) and (len(row) == 1 or row[-1] != 0)


def rows_of(d: int, n: int, draw: torch.Generator, limbs: int = 2) -> Tensor:
    x = torch.rand(n, tiling.width_of(d, limbs), dtype=torch.float64, generator=draw)
    x[:, d - 1] += 1
    x[:, d] = torch.randint(-60, 61, (n,), generator=draw)
    x[:, d + 1 :] = torch.randint(-(2**23), 2**23, (n, x.shape[1] - d - 1), generator=draw)
    return x


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-9, 0.5, 3.0])
def test_half_steps_are_the_plain_ones(size: float, d: int, dtype: torch.dtype) -> None:
    """Bit for bit while what is lost of a step is far below the last bit."""
    g = torch.Generator().manual_seed(d)
    x = tiling.step(rows_of(d, 60, g).to(dtype).double(), None, d, dtype)
    u = size * torch.randn(x.shape, dtype=torch.float64, generator=g)
    u[:3, : d - 1], u[3:6, d - 1] = 0, 0  # straight up and down, sideways
    for tangent in (u, None):
        start = x if tangent is not None else x + size * u  # offsets outside their tile
        start[:, d:] = x[:, d:]
        start[:, d - 1] = start[:, d - 1].abs()
        fast = tiling.step(start, tangent, d, dtype)
        tiling_native, tiling._native = tiling._native, lambda name: None
        try:
            slow = tiling.step(start, tangent, d, dtype)
        finally:
            tiling._native = tiling_native
        both = tiling.match(d, fast, slow)
        assert torch.equal(*both)
        assert tiling.why_not(fast, d, True) is None
        assert torch.equal(fast.to(dtype).double(), fast)
        assert torch.equal(tiling.step(fast, None, d, dtype), fast)


def test_not_a_number_stays_one(body: str) -> None:
    x = rows_of(2, 5, torch.Generator().manual_seed(0))
    bad = x.clone()
    bad[1, 0], bad[2, 1], bad[3, 2], bad[4, 2] = torch.nan, torch.inf, torch.nan, 0.5  # j is an integer
    dist, nx, _, _ = tiling.view(x, bad, 2, True)
    assert dist.isnan().tolist() == [False, True, True, True, True]
    assert nx is not None and nx.isnan().any(-1).tolist() == dist.isnan().tolist()
    out = tiling.step(bad, None, 2, torch.float64)
    assert out.isnan().any(-1).tolist() == dist.isnan().tolist()
    far = torch.tensor([[0.0, 1e9, 0, 0, 0]] * 5, dtype=torch.float64)  # beyond the range of j
    assert tiling.step(x, torch.nn.functional.pad(far, (0, x.shape[1] - 5)), 2, torch.float64).isnan().all()
