"""The kernels of tilings against big floats, and against their plain bodies."""

import random

import mpmath
import pytest
import torch
from tilings import bits, half_dist, half_pairs, half_point, ulps, whole
from torch import Tensor

from hypgeo.ops import _exact, tiling

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
    square = tiling.pairs(x[:6], y[:6], d)
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


def test_limbs_there_and_back() -> None:
    draw = random.Random(1)
    values = [0, 1, -1, 2**23 - 1, 2**23, -(2**23), -(2**23) - 1, 2**47, -(2**47) - 1]
    values += [draw.randrange(-(2**n), 2**n) for n in (20, 24, 48, 100, 1000, 20000)]
    for value in values:
        row = _exact.limbs(value)
        assert _exact.integer(row) == value == whole(row)
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
    bad[1, 0], bad[2, 1], bad[3, 2] = torch.nan, torch.inf, torch.nan
    dist, nx, _, _ = tiling.view(x, bad, 2, True)
    assert dist.isnan().tolist() == [False, True, True, True, False]
    assert nx is not None and nx.isnan().any(-1).tolist() == dist.isnan().tolist()
    out = tiling.step(bad, None, 2, torch.float64)
    assert out.isnan().any(-1).tolist() == dist.isnan().tolist()
    far = torch.tensor([[0.0, 1e9, 0, 0, 0]] * 5, dtype=torch.float64)  # beyond the range of j
    assert tiling.step(x, torch.nn.functional.pad(far, (0, x.shape[1] - 5)), 2, torch.float64).isnan().all()
