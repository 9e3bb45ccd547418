"""Compressed points come back bit for bit, or as near as was asked for; and nothing that is damaged is believed."""

import bz2
import random

import numpy as np
import pytest

from hypgeo import compress
from hypgeo.ops.integers import from_limbs, limbs_of, to_limbs

LABELS = np.frombuffer(b"," * 3000, dtype=np.uint8)  # enough for any number of points here


def integers(n: int, seed: int, longest: int = 5000) -> list[int]:
    draw = random.Random(seed)
    return [
        draw.choice((0, 1, -1, draw.getrandbits(draw.randrange(1, longest)) * draw.choice((-1, 1)))) for _ in range(n)
    ]


def parents(n: int, seed: int) -> np.ndarray:
    """Of a tree whose nodes come in any order."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(n)
    out = np.full(n, -1)
    for i in range(1, n):
        out[order[i]] = order[draw.integers(i)]
    return out


def half_points(n: int, d: int, dtype: type, seed: int, near: bool = False) -> np.ndarray:
    """Tiling points with any integers; near: those of a tree, which share most digits with their parents."""
    draw = np.random.default_rng(seed)
    if near:
        j, k = np.zeros(n, dtype=int), [[0] * n for _ in range(d - 1)]
        parent = parents(n, seed).tolist()
        for i in compress.outwards(parent)[1:]:
            p, fall = parent[i], int(draw.integers(5, 90))
            j[i] = j[p] - fall
            for column in k:
                column[i] = (column[p] << fall) + int(draw.integers(-(2**60), 2**60))
    else:
        j, k = draw.integers(-(2**22), 2**22, n), [integers(n, seed + axis) for axis in range(d - 1)]
    limbs = max(1, *(limbs_of(v) for column in k for v in column))
    out = np.zeros((n, d + 1 + (d - 1) * limbs), dtype=dtype)
    out[:, :d] = draw.random((n, d)).astype(dtype)
    out[:, :d][out[:, :d] == 1] = 0  # rounded to float32
    out[: n // 5, : d - 1] = 0
    out[:, d - 1] = 1 + np.where(draw.random(n) < 0.2, 0, out[:, d - 1] / 2)
    out[:, d] = j
    for axis, column in enumerate(k):
        to_limbs(column, out[:, d + 1 + axis :: d - 1])
    return out


def word(draw: random.Random, letters: int) -> compress.Matrix:
    return compress._spelt([draw.randrange(4) for _ in range(letters)])


def plane_points(n: int, dtype: type, seed: int, parent: np.ndarray | None = None, wild: float = 0.1) -> np.ndarray:
    """Points of the plane's tiling: a tree of group elements where there is a parent; some integers are of no group."""
    draw, numbers = random.Random(seed), np.random.default_rng(seed)
    g: list[compress.Matrix] = [compress._ONE] * n
    for i in compress.outwards([-1] * n if parent is None else parent.tolist()):
        p = -1 if parent is None else parent[i]
        g[i] = compress._times(compress._ONE if p < 0 else g[p], word(draw, draw.randrange(60)))
        if draw.random() < wild:
            g[i] = tuple(integers(9, seed + i, 300))
    limbs = max(1, *(limbs_of(v) for m in g for v in m))
    out = np.zeros((n, 2 + 9 * limbs), dtype=dtype)
    out[:, :2] = compress._inside(numbers.uniform(-1, 1, (n, 2)), dtype)
    for entry in range(9):
        to_limbs([m[entry] for m in g], out[:, 2 + entry :: 9])
    return out


def tree_rows(n: int, d: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    out = np.concatenate([draw.normal(size=(n, d - 1)), -60 * draw.random((n, 1))], axis=1)
    out[::7, :-1] = 0
    out[::5, -1] *= -20
    out[0] = 0
    return out


def there_and_back(points: np.ndarray, name: str, d: int, bits: int | None = None, parent: np.ndarray | None = None):
    parts = {"points": points, "labels": LABELS} | ({} if parent is None else {"parent": parent})
    streams, facts = compress.pack(parts, name, d, bits)
    back = compress.unpack(streams, name, facts)
    assert back["points"].dtype == points.dtype and back["points"].shape == points.shape
    assert back["labels"].tobytes() == LABELS.tobytes()
    assert parent is None or np.array_equal(back["parent"], parent)
    assert sum(compress.sizes(streams).values()) == sum(map(len, streams.values()))
    return back["points"], streams, facts


# ---- streams --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 5, 9000])
def test_streams_hold_whatever_is_put_into_them(n):
    draw = np.random.default_rng(n)
    for values in (
        draw.integers(-5, 5, n),
        draw.integers(0, 256, n),
        draw.integers(-(2**63), 2**63 - 1, n),
        np.full(n, -(2**63)),
        np.full(n, 2**63 - 1),
        np.zeros(n, dtype=np.int64),
    ):
        assert np.array_equal(compress.unpress_ints(compress.press_ints(values), n), values)
    for dtype in (np.float32, np.float64):  # any bits, nan and its payload among them
        values = draw.integers(0, 256, (n, np.dtype(dtype).itemsize)).astype(np.uint8).view(dtype).reshape(n)
        assert compress.unpress_floats(compress.press_floats(values), n, dtype).tobytes() == values.tobytes()
    big = integers(n, n, 3000)
    assert compress.unpress_big(*compress.press_big(big), n) == big


def test_few_bits_for_what_says_little():
    n = 10_000
    draw = np.random.default_rng(0)
    assert len(compress.press_ints(draw.integers(0, 16, n))) * 8 < 4.1 * n
    assert len(compress.press_ints(np.zeros(n, dtype=np.int64))) < 100
    lengths, bits = compress.press_big([random.Random(i).getrandbits(61) | 1 << 60 for i in range(n)])
    assert len(lengths) < 100 and len(bits) * 8 < 61.1 * n
    values = draw.random(n)
    assert len(compress.press_floats(values)) * 8 < 55 * n
    assert len(compress.press_floats(np.repeat(values[: n // 10], 10))) * 8 < 8 * n


@pytest.mark.parametrize("tag", range(len(compress._WAYS)))
def test_streams_that_are_not_what_they_should_be(tag):
    data = np.arange(600, dtype=np.uint8).reshape(200, 3)
    turned, pack, _ = compress._WAYS[tag]
    good = bytes([tag]) + pack(np.ascontiguousarray(data.T).tobytes() if turned else data.tobytes())
    assert np.array_equal(compress.unpress(good, 200, 3), data)
    for n in (199, 201):
        with pytest.raises(ValueError, match="a compressed part"):
            compress.unpress(good, n, 3)
    for size in range(0, len(good) - 8, 7):
        with pytest.raises(ValueError, match="a compressed part"):
            compress.unpress(good[:size], 200, 3)


def test_a_stream_never_grows_beyond_what_is_wanted():
    bomb = bytes([4]) + bz2.compress(bytes(1 << 26))
    with pytest.raises(ValueError, match="not 10 bytes but 11 or more"):
        compress.unpress(bomb, 10, 1)


@pytest.mark.parametrize("data", [b"", b"\x09abc", b"\x00", b"\x21\x00a"])
def test_marks_that_mean_nothing(data):
    with pytest.raises(ValueError, match="a compressed part"):
        compress.unpress_ints(data, 1)


# ---- points ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [2, 3, 4])
@pytest.mark.parametrize("n", [1, 2, 60])
def test_half_space_tiling_without_loss(n, d, dtype):
    for seed, parent in enumerate([None, parents(n, n), np.full(n, -1), np.arange(n)[::-1] - 1]):
        for near in (False, True):
            points = half_points(n, d, dtype, seed, near)
            back, _, facts = there_and_back(points, "HTiling", d, None, parent)
            assert back.tobytes() == points.tobytes()
            assert facts["largest_shift"] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 60])
def test_plane_tiling_without_loss(n, dtype):
    for seed, parent in enumerate([None, parents(n, n)]):
        points = plane_points(n, dtype, seed, parent)
        back, _, _ = there_and_back(points, "LTiling", 2, None, parent)
        assert back.tobytes() == points.tobytes()


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("n", [1, 2, 60])
def test_trees_without_loss(n, d):
    rows = tree_rows(n, d, n)
    assert there_and_back(rows, "HalfSpaceTree", d, None, np.arange(n) - 1)[0].tobytes() == rows.tobytes()


@pytest.mark.parametrize("name", ["PoincareBall", "Lorentz", "Euclidean"])
def test_other_points_without_loss(name):
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    assert there_and_back(points, name, 3)[0].tobytes() == points.tobytes()


CASES = [(np.float64, bits) for bits in (*range(1, 53, 3), 51, 52)] + [
    (np.float32, bits) for bits in (1, 2, 12, 22, 23)
]


@pytest.mark.parametrize(("dtype", "bits"), CASES)
def test_half_space_tiling_keeps_integers_and_so_many_bits(dtype, bits):
    n, d = 40, 3
    parent = parents(n, 5)
    points = half_points(n, d, dtype, bits, near=True)
    back, streams, facts = there_and_back(points, "HTiling", d, bits, parent)
    assert np.array_equal(back[:, d:], points[:, d:])
    wide, moved = points.astype(np.float64), np.abs(back.astype(np.float64) - points)
    assert moved[:, : d - 1].max() <= 2.0 ** -(bits + 1)
    assert moved[:, d - 1].max() <= 2.0 ** -(bits + (bits < compress.most_bits(dtype)))
    assert (back[:, : d - 1] < 1).all() and (back[:, : d - 1] >= 0).all()
    assert (back[:, d - 1] < 2).all() and (back[:, d - 1] >= 1).all()
    gap = np.sqrt(((wide - back)[:, :d] ** 2).sum(axis=1))
    shift = 2 * np.arcsinh(gap / (2 * np.sqrt(wide[:, d - 1] * back[:, d - 1].astype(np.float64))))
    assert facts["largest_shift"] == shift.max() <= 2.0**-bits * np.sqrt(d)
    assert facts["mean_shift"] == shift.mean()
    again, *_ = there_and_back(back, "HTiling", d, bits, parent)
    assert again.tobytes() == back.tobytes()  # what was shortened once stays as it is
    assert compress.sizes(streams)["offsets"] * 8 < n * (d * bits + 60)


@pytest.mark.parametrize(("dtype", "bits"), CASES)
def test_plane_tiling_keeps_integers_and_so_many_bits(dtype, bits):
    points = plane_points(40, dtype, bits)
    back, _, facts = there_and_back(points, "LTiling", 2, bits)
    assert np.array_equal(back[:, 2:], points[:, 2:])
    x, y = back[:, 0].astype(np.float64), back[:, 1].astype(np.float64)
    assert max((2 * x * x - y * y).max(), (2 * y * y - x * x).max()) <= 1
    moved = np.linalg.norm(back[:, :2].astype(np.float64) - points[:, :2], axis=1).max()
    assert moved <= 3 * 2.0**-bits + 8 * np.finfo(dtype).eps
    assert 0 < facts["mean_shift"] <= facts["largest_shift"] <= 1.01 * moved


@pytest.mark.parametrize("bits", [1, 4, 8, 20, 40, 52])
def test_trees_keep_tiles_and_so_many_bits(bits):
    n, d = 60, 3
    rows = tree_rows(n, d, bits)
    back, _, facts = there_and_back(rows, "HalfSpaceTree", d, bits, np.arange(n) - 1)
    assert not back[0].any()
    height, tile = rows[:, -1] / np.log(2), np.floor(rows[:, -1] / np.log(2)).clip(max=1000)
    rounding = 2.0**-52 * (1 + np.abs(rows[:, -1]))
    assert (np.abs(back[:, -1] / np.log(2) - height) <= 2.0 ** -(bits + 1) + rounding).all()
    assert (np.abs(back[:, :-1] - rows[:, :-1]) <= 2.0 ** (tile - bits - 1)[:, None]).all()
    assert facts["largest_shift"] <= 2.0**-bits * np.sqrt(d) + rounding.max()


def test_bits_are_counted_where_they_are_saved():
    n = 2000
    parent = parents(n, 0)
    points = half_points(n, 2, np.float64, 0, near=True)
    sizes = [compress.sizes(there_and_back(points, "HTiling", 2, bits, parent)[1]) for bits in (None, 8)]
    assert sizes[1]["offsets"] * 8 < 17 * n < sizes[0]["offsets"] * 8
    assert sizes[1]["integers"] * 8 < 75 * n  # 61 bits of each are new
    alone, _ = compress.pack_htiling(points, 2, [-1] * n, 8)
    assert len(alone["k.0.bits"]) > 2 * sizes[1]["integers"]


@pytest.mark.parametrize("name", ["HTiling", "LTiling"])
@pytest.mark.parametrize("linked", [False, True])
def test_near_points_are_found_where_no_parents_are_given(name, linked):
    n, d = 2000, 3 if name == "HTiling" else 2
    parent = parents(n, 2)
    points = (
        half_points(n, d, np.float64, 2, near=True) if name == "HTiling" else plane_points(n, np.float64, 2, parent)
    )
    parts = {"points": points, "labels": LABELS}
    if linked:
        child = np.flatnonzero(parent >= 0)
        parts["edges"] = np.concatenate([np.stack([child, parent[child]], axis=1), [[5, 5], [0, 7]]])
    streams, facts = compress.pack(parts, name, d, None)
    assert np.array_equal(compress.unpack(streams, name, facts)["points"], points)
    near = compress.sizes(streams)["integers"]
    if name == "HTiling":
        alone, _ = compress.pack_htiling(points, d, [-1] * n, None)
    else:
        alone = dict(enumerate(compress.press_big([v for e in range(9) for v in from_limbs(points[:, 2 + e :: 9])])))
    total = sum(len(data) for name, data in alone.items() if not str(name).startswith("offset"))
    assert near < (0.7 if linked else 0.95) * total


def test_points_too_far_apart_for_one_grid():
    points = half_points(50, 2, np.float64, 0)
    points[::2, 2] = 2.0**50
    assert np.array_equal(there_and_back(points, "HTiling", 2)[0], points)


def test_what_is_no_point():
    points = half_points(5, 2, np.float64, 0)
    for column, value, message in (
        (0, 1.0, "outside their tile"),
        (1, 2.0, "outside their tile"),
        (2, 0.5, "exponent j"),
    ):
        bad = points.copy()
        bad[3, column] = value
        with pytest.raises(ValueError, match=message):
            compress.pack({"points": bad, "labels": LABELS}, "HTiling", 2, 8)
    points[3, -1] = 2**23
    with pytest.raises(ValueError, match="a limb is an integer"):
        compress.pack({"points": points, "labels": LABELS}, "HTiling", 2, None)


# ---- edges and what else there is -----------------------------------------------------------------------------------


@pytest.mark.parametrize("parent", [None, parents(30, 1)])
def test_edges_and_weights_come_back_sorted(parent):
    draw = np.random.default_rng(4)
    edges, weights = draw.integers(0, 30, (100, 2)), draw.random(100)
    parts = {"points": half_points(30, 2, np.float64, 1), "labels": LABELS, "edges": edges, "weights": weights}
    if parent is not None:
        parts["parent"] = parent
    back = compress.unpack(*(lambda s, f: (s, "HTiling", f))(*compress.pack(parts, "HTiling", 2, None)))
    mine, theirs = (
        {(*e, w) for e, w in zip(p["edges"].tolist(), p["weights"].tolist(), strict=True)} for p in (parts, back)
    )
    assert mine == theirs and len(mine) == 100
    high = back["edges"].max(axis=1)
    assert (np.diff(high) >= 0).all()


def test_facts_and_streams_that_do_not_fit():
    parent = parents(30, 1)
    parts = {"points": half_points(30, 2, np.float64, 1), "labels": LABELS, "parent": parent}
    streams, facts = compress.pack(parts, "HTiling", 2, 8)
    for changed in ({"bits": 0}, {"bits": 99}, {"bits": "8"}, {"bits": 7}, {"dtype": "int64"}, {"shape": [29, 300]}):
        with pytest.raises(ValueError):
            compress.unpack(streams, "HTiling", facts | changed)
    with pytest.raises(ValueError, match="none of its 30 nodes"):
        compress.unpack(streams | {"parent.z": compress.press_ints(np.full(30, 9))}, "HTiling", facts)
    edges = {"edges.high.z": compress.press_ints(np.array([99]))}
    with pytest.raises(ValueError, match="none of its 30 nodes"):
        compress.unpack(streams | edges, "HTiling", facts | {"edges": 1})
    with pytest.raises((KeyError, ValueError)):
        compress.unpack({k: v for k, v in streams.items() if k != "j.z"}, "HTiling", facts)
