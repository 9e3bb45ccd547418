"""LearnedEmbedder: both engines take the same steps, exact components too; killed runs come back; what is refused."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath as mp
import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from safetensors.torch import load_file, save_file

from hypgeo import _C, Graph, HalfSpace, HTiling, LearnedEmbedder, Lorentz, LTiling, MCHalfSpace, PoincareBall, metrics
from hypgeo.data import Pairs
from hypgeo.embed import draws
from hypgeo.embed.learned import _Verbs
from hypgeo.metrics import reconstruction
from hypgeo.ops import learn

MODELS = [HalfSpace, PoincareBall, Lorentz]
native = pytest.mark.skipif(not _C.available(), reason="compares the compiled epoch with the verbs")


def closure(depth: int = 4, ways: int = 3) -> list[tuple[str, str]]:
    """Every node of a complete tree with each of its ancestors."""
    names = [""]
    for _ in range(depth):
        names += [name + chr(97 + i) for name in names if len(name) == max(map(len, names)) for i in range(ways)]
    return [(name or "root", name[:k] or "root") for name in names for k in range(len(name))]


def others_of(pairs: Pairs, exclude: bool = True) -> draws.Others:
    return LearnedEmbedder(exclude_neighbours=exclude)._others(pairs)


def task_of(pairs: Pairs, model: str, components: int = 1, **settings: Any) -> learn.Task:
    others = others_of(pairs)
    made = {"c": 1.0, "negatives": 50, "batch_size": 32, "scale": 1.0, **settings}
    return learn.Task(
        torch.from_numpy(pairs.pairs), torch.from_numpy(others.indptr), torch.from_numpy(others.kept), model,
        components, **made,
    )  # fmt: skip


# ---- pairs, draws ----------------------------------------------------------------------------------------------------


def test_pairs_come_from_whatever_holds_them() -> None:
    given = Pairs.of([("b", "a"), ("c", "a"), ("b", "a"), ("c", "c"), ("c", "b")])
    assert given.labels == ["b", "a", "c"] and given.pairs.tolist() == [[0, 1], [2, 1], [2, 0]]
    assert (given.self_loops, given.duplicates) == (1, 1)
    assert [part.tolist() for part in given.neighbours] == [[0, 1, 1, 3], [1, 0, 1]]
    assert Pairs.of(np.array([[7, 3], [5, 7]])).labels == [3, 5, 7]
    assert Pairs.of([(7, 3), (5, 7)]).pairs.tolist() == Pairs.of(torch.tensor([[7, 3], [5, 7]])).pairs.tolist()
    both = {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert set(map(tuple, Pairs.of(nx.path_graph(3)).pairs.tolist())) == both
    assert set(map(tuple, Pairs.of(Graph.of([(0, 1), (1, 2)])).pairs.tolist())) == both
    assert Pairs.of(nx.DiGraph([(0, 1), (1, 2)])).pairs.tolist() == [[0, 1], [1, 2]]
    assert Pairs.of(sp.csr_array(np.array([[0, 1, 0], [0, 0, 0], [1, 0, 0]]))).pairs.tolist() == [[0, 1], [2, 0]]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([("a", "b"), ("a",)], "item 1 of the list is"),
        ([("a", "a")], "no pairs of two different nodes"),
        ([], "no pairs"),
        (np.zeros((3, 3), dtype=np.int64), "an array of pairs is"),
        (sp.csr_array(np.ones((2, 3))), "is square"),
    ],
)
def test_what_are_no_pairs_is_refused_in_a_sentence(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LearnedEmbedder(progress=False).fit(given)
    with pytest.raises(TypeError, match="pairs are a list"):
        Pairs.of("mammals.tsv")


def test_words_are_splitmix64s() -> None:
    # the first outputs of the generator seeded with 1234567, from the algorithm's reference implementation
    found = draws.words(1234567, 0, 3).tolist()
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert draws.words(1234567, 2, 1).tolist() == found[2:]


def test_draws_are_even_and_leave_out_what_is_excluded() -> None:
    pairs = Pairs.of(nx.star_graph(6).to_directed())  # node 0 beside everybody
    pairs = Pairs(list(range(9)), pairs.pairs)
    others = others_of(pairs)
    u = np.repeat(np.arange(9), 2000)
    drawn = others.draw(draws.key(5, draws.NEGATIVES, 3), 0, u, 4)
    for node in range(9):
        allowed = set(range(9)) - {node} - set(pairs.pairs[pairs.pairs[:, 0] == node, 1].tolist())
        values, counts = np.unique(drawn[u == node], return_counts=True)
        assert set(values.tolist()) == allowed
        expected = counts.sum() / len(allowed)
        assert ((counts - expected) ** 2 / expected).sum() < 40  # chi squared with at most 7 degrees of freedom
    again = others.draw(draws.key(5, draws.NEGATIVES, 3), 17, u[17:30], 4)
    assert (again == drawn[17:30]).all(), "a draw depends on its place alone"
    orders = [draws.order(draws.key(s, draws.ORDER, e), 50).tolist() for s in range(3) for e in range(3)]
    assert len(set(map(tuple, orders))) == 9 and all(sorted(o) == list(range(50)) for o in orders)


# ---- both engines take the same steps --------------------------------------------------------------------------------


@native
@pytest.mark.parametrize("spread", [1e-3, 1.0, 4.0])
@pytest.mark.parametrize("curvature", [-1.0, -0.3])
@pytest.mark.parametrize("dim", [2, 3, 5])
@pytest.mark.parametrize("model", MODELS)
def test_a_compiled_step_is_the_verbs_step(model: Any, dim: int, curvature: float, spread: float) -> None:
    pairs = Pairs.of(closure(3))
    manifold = model(curvature=curvature)
    start = torch.from_numpy(draws.uniform(3, (pairs.n, dim))) * spread
    points = manifold.from_normal_coordinates(start)
    settings = {"negatives": 13, "batch_size": 40, "scale": 0.7}
    some = draws.order(1, pairs.m)
    verbs = _Verbs(manifold, pairs, others_of(pairs), **settings)
    one = Pairs(pairs.labels, pairs.pairs[some[:40]])  # a single batch
    task = learn.Task(torch.from_numpy(one.pairs), *map(torch.from_numpy, (verbs.others.indptr, verbs.others.kept)),
                      model.__name__, 1, -curvature, **settings)  # fmt: skip
    compiled = points.clone()
    loss, stuck = learn.epoch(compiled, task, torch.arange(40), 99, 0.5)
    verbs.pairs = one.pairs
    moved, expected, _ = verbs.epoch(points.clone(), np.arange(40), 99, 0.5)
    assert stuck == -1 and loss == pytest.approx(expected, rel=1e-12)
    step, wanted = manifold.logmap(points, compiled), manifold.logmap(points, moved)
    assert wanted.norm(dim=-1).max() > 0
    error = (step - wanted).norm(dim=-1) / wanted.norm(dim=-1).clamp_min(1e-300)
    assert error.max() < 1e-9


@native
@pytest.mark.parametrize("exclude", [True, False])
@pytest.mark.parametrize("model", MODELS)
def test_short_runs_of_both_engines_agree(model: Any, exclude: bool) -> None:
    settings: dict[str, Any] = {
        "epochs": 3, "burn_in": 1, "init": 0.5, "negatives": 9, "lr": 0.3, "exclude_neighbours": exclude,
        "progress": False,
    }  # fmt: skip
    made = [LearnedEmbedder(model(), engine=name, **settings).fit(closure(3)) for name in ("compiled", "verbs")]
    a, b = (m.embedding_.points for m in made)
    assert torch.allclose(a, b, rtol=1e-9, atol=1e-10)
    assert np.allclose(made[0].losses_, made[1].losses_, rtol=1e-10)
    assert made[0].embedding_.provenance["engine"] == "compiled"


@native
def test_many_neighbours_and_negatives_are_drawn_alike() -> None:
    hub = Pairs.of([*((0, i) for i in range(1, 100)), *((i, 0) for i in range(1, 300))])
    settings: dict[str, Any] = {"epochs": 1, "init": 0.5, "negatives": 131, "batch_size": 400, "progress": False}
    a, b = (LearnedEmbedder(engine=name, **settings).fit(hub).embedding_.points for name in ("compiled", "verbs"))
    assert torch.allclose(a, b, rtol=1e-12, atol=1e-13)


# ---- several components ----------------------------------------------------------------------------------------------


def pack(exact: list[list[Any]], components: int) -> torch.Tensor:
    """Rows of mpmath numbers as canonical expansions, component after component."""
    out = torch.zeros(len(exact), components * len(exact[0]), dtype=torch.float64)
    for r, row in enumerate(exact):
        for i, value in enumerate(row):
            for k in range(components):
                out[r, k * len(row) + i] = float(value)
                value -= mp.mpf(float(out[r, k * len(row) + i]))
    return out


def unpack(points: torch.Tensor, components: int) -> list[list[Any]]:
    parts = points.reshape(len(points), components, -1)
    return [[mp.fsum(map(mp.mpf, parts[r, :, i].tolist())) for i in range(parts.shape[2])] for r in range(len(points))]


def exact_step(rows: list[list[Any]], pairs: Pairs, task: learn.Task, key: int, rate: float) -> list[list[Any]]:
    """One batch of all pairs by the textbook: gradients of arcosh distances, the geodesic as a circle's arc."""
    drawn = others_of(pairs).draw(key, 0, pairs.pairs[:, 0], task.negatives)
    d = len(rows[0])
    grad = [[mp.mpf(0)] * d for _ in rows]
    for (u, v), negatives in zip(pairs.pairs, drawn, strict=True):
        targets, found = [v, *negatives], []
        for w in targets:
            x, y = rows[u], rows[w]
            apart = [p - q for p, q in zip(x, y, strict=True)]
            square = mp.fsum(t * t for t in apart)
            z = square / (2 * x[-1] * y[-1])
            slope = 1 / mp.sqrt(z * (z + 2)) if z else mp.mpf(0)
            at_x = [slope * t / (x[-1] * y[-1]) for t in apart]
            at_y = [-t for t in at_x]
            at_x[-1] -= slope * z / x[-1]
            at_y[-1] -= slope * z / y[-1]
            found.append((mp.log1p(z + mp.sqrt(z * (z + 2))), at_x, at_y))
        weights = [mp.exp(-task.scale * f[0]) for f in found]
        total = mp.fsum(weights)
        for k, (w, (_, at_x, at_y)) in enumerate(zip(targets, found, strict=True)):
            share = task.scale * ((k == 0) - weights[k] / total) / pairs.m
            for i in range(d):
                grad[u][i] += share * at_x[i]
                grad[w][i] += share * at_y[i]
    moved = []
    for x, g in zip(rows, grad, strict=True):
        v = [-rate * x[-1] * t for t in g]
        s = mp.sqrt(mp.fsum(t * t for t in v))
        if not s:
            moved.append(x)
            continue
        bottom = mp.cosh(s) - v[-1] * mp.sinh(s) / s
        moved.append(
            [*(p + x[-1] * t * mp.sinh(s) / s / bottom for p, t in zip(x[:-1], v, strict=False)), x[-1] / bottom]
        )
    return moved


@native
@pytest.mark.parametrize("rate", [0.01, 5.0, 400.0])
@pytest.mark.parametrize("gap", [0.9, 1e-10, 1e-18, 1e-26])
@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("components", [2, 3, 4])
def test_a_step_of_several_components_is_exact_to_a_double_of_its_length(
    components: int, dim: int, gap: float, rate: float
) -> None:
    """Nodes nearer to each other than doubles resolve, on either side of ties between them; steps short and long."""
    if gap == 1e-26 and components == 2:
        gap = 1e-20  # which still leaves twelve digits of a difference
    pairs = Pairs.of(closure(2))
    task = task_of(pairs, "HalfSpace", components, negatives=5, batch_size=pairs.m)
    with mp.workdps(120):
        tie = 1 + mp.mpf(2) ** -53 + (mp.mpf(2) ** -106 if components > 2 else 0)
        jitter = draws.uniform(8, (pairs.n, dim))
        rows = unpack(
            pack([[tie + mp.mpf(gap) * mp.mpf(float(t)) for t in row] for row in jitter], components), components
        )
        points = pack(rows, components)
        found = points.clone()
        _, stuck = learn.epoch(found, task, torch.arange(pairs.m), 4, rate)
        assert stuck == -1
        wanted = exact_step(rows, pairs, task, 4, rate)
        for old, new, got in zip(rows, wanted, unpack(found, components), strict=True):
            step = mp.sqrt(mp.fsum((p - q) ** 2 for p, q in zip(old, new, strict=True)))
            error = mp.sqrt(mp.fsum((p - q) ** 2 for p, q in zip(got, new, strict=True)))
            room = mp.mpf(2) ** (-53 * components + 2) * max(map(abs, new))  # what the components cannot hold
            assert error <= room + 1e-13 * step
        again = pack(unpack(found, components), components)
        assert torch.equal(found, again), "every component is the rounding of the rest"
        assert not torch.equal(found, points)


@native
@pytest.mark.parametrize(("components", "curvature"), [(1, -1.0), (2, -0.3), (3, -1.0)])
def test_components_are_learnt_alike_by_both_engines(components: int, curvature: float) -> None:
    settings: dict[str, Any] = {"epochs": 2, "burn_in": 1, "init": 0.5, "lr": 0.3, "batch_size": 64, "progress": False}
    manifold = MCHalfSpace(components, curvature=curvature)
    made = [LearnedEmbedder(manifold, engine=name, **settings).fit(closure(2)) for name in ("compiled", "verbs")]
    a, b = (m.embedding_.points for m in made)
    assert a.shape == (13, 2 * components) and torch.allclose(a, b, rtol=0, atol=1e-14)
    assert made[0].losses_ == pytest.approx(made[1].losses_, rel=1e-13)
    assert torch.equal(manifold.projx(a), a)


@native
def test_one_component_is_the_half_space() -> None:
    pairs = Pairs.of(closure(3))
    start = HalfSpace().from_normal_coordinates(torch.from_numpy(draws.uniform(3, (pairs.n, 2))))
    plain, double = start.clone(), torch.cat([start, torch.zeros_like(start)], 1)
    key = draws.key(0, draws.NEGATIVES)
    order = torch.from_numpy(draws.order(7, pairs.m))
    for _ in range(3):
        a, _ = learn.epoch(plain, task_of(pairs, "HalfSpace"), order, key, 0.3)
        b, _ = learn.epoch(double, task_of(pairs, "HalfSpace", 2), order, key, 0.3)
        assert a == pytest.approx(b, rel=1e-12)
    assert torch.allclose(plain, double[:, :2], rtol=1e-11, atol=0) and double[:, 2:].any()


# ---- tilings ---------------------------------------------------------------------------------------------------------

WORD = ((2, 1, 0, 0, 0, -1, 3, 2, 0), (2, -1, 0, 0, 0, -1, -3, 2, 0))  # g_a and g_b by rows


def digits(value: int, limbs: int) -> list[float]:
    """A whole number in signed digits to the base 2^24."""
    out = []
    for _ in range(limbs):
        digit = (value + 2**23) % 2**24 - 2**23
        out.append(float(digit))
        value = (value - digit) >> 24
    assert value == 0
    return out


def whole(limbs: list[float]) -> int:
    return sum(int(limb) << 24 * i for i, limb in enumerate(limbs))


def half_tiles(points: torch.Tensor) -> torch.Tensor:
    """Half-space rows as rows of the H-tiling, exactly but for the rounding of the offset."""
    out = []
    for *x, h in points.tolist():
        j = math.frexp(h)[1] - 1
        apart = [Fraction(t) / Fraction(2) ** j for t in x]
        limbs = [digits(math.floor(t), 4) for t in apart]
        offsets = [float(t - math.floor(t)) for t in apart]
        out.append([*offsets, math.ldexp(h, -j), j, *(k[i] for i in range(4) for k in limbs)])
    return torch.tensor(out, dtype=torch.float64)


def from_half_tiles(points: torch.Tensor) -> torch.Tensor:
    d = (points.shape[1] + 3) // 5
    out = []
    for row in points.tolist():
        size = Fraction(2) ** int(row[d])
        k = [whole(row[d + 1 + i :: d - 1]) for i in range(d - 1)]
        out.append(
            [*(float((Fraction(row[i]) + k[i]) * size) for i in range(d - 1)), float(Fraction(row[d - 1]) * size)]
        )
    return torch.tensor(out, dtype=torch.float64)


def matrices(points: torch.Tensor) -> list[list[list[int]]]:
    return [[[whole(row[2 + 3 * i + j :: 9]) for j in range(3)] for i in range(3)] for row in points.tolist()]


def product(a: list[list[int]], b: list[list[int]]) -> list[list[int]]:
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def from_tiles(points: torch.Tensor) -> torch.Tensor:
    """Rows of the L-tiling on the hyperboloid."""
    out = []
    with mp.workdps(60):
        for (p, q, *_), g in zip(points.tolist(), matrices(points), strict=True):
            x = [mp.sqrt(1 + mp.mpf(p) ** 2 + mp.mpf(q) ** 2) / mp.sqrt(3), p, q]
            y = [mp.fsum(g[i][j] * x[j] for j in range(3)) for i in range(3)]
            out.append([float(y[0] * mp.sqrt(3)), float(y[1]), float(y[2])])
    return torch.tensor(out, dtype=torch.float64)


def identity_tiles(points: torch.Tensor) -> torch.Tensor:
    """Spatial hyperboloid coordinates, in the tile of the origin or not, as rows of the L-tiling."""
    out = torch.zeros(len(points), 29, dtype=torch.float64)
    out[:, :2], out[:, [2, 6, 10]] = points, 1.0
    return out


@native
@pytest.mark.parametrize(("model", "dim"), [("HTiling", 2), ("HTiling", 3), ("HTiling", 5), ("LTiling", 2)])
@pytest.mark.parametrize("curvature", [-1.0, -0.3])
@pytest.mark.parametrize("rate", [0.05, 3.0])
def test_tilings_take_the_steps_of_plain_points(model: str, dim: int, curvature: float, rate: float) -> None:
    pairs = Pairs.of(closure(3))
    other: Any = HalfSpace(curvature=curvature) if model == "HTiling" else Lorentz(curvature=curvature)
    unit = curvature if model == "LTiling" else -1.0  # tiles are those of curvature -1; other hyperboloids are larger
    plain = other.from_normal_coordinates(torch.from_numpy(draws.uniform(3, (pairs.n, dim))) * 0.5)
    tiled = half_tiles(plain) if model == "HTiling" else identity_tiles(plain[:, 1:] * math.sqrt(-unit))
    order = torch.from_numpy(draws.order(7, pairs.m))
    for epoch in range(4):
        settings = {"c": -curvature, "scale": 0.7, "batch_size": 50}
        a, stuck = learn.epoch(plain, task_of(pairs, type(other).__name__, **settings), order, epoch, rate)
        b, held = learn.epoch(tiled, task_of(pairs, model, **settings), order, epoch, rate)
        assert (stuck, held) == (-1, -1) and a == pytest.approx(b, rel=1e-9)
    back = from_half_tiles(tiled) if model == "HTiling" else from_tiles(tiled) / math.sqrt(-unit)
    assert other.dist(plain, back).max() < 1e-8
    if model == "HTiling":
        assert ((tiled[:, : dim - 1] >= 0) & (tiled[:, : dim - 1] < 1)).all()
        assert ((tiled[:, dim - 1] >= 1) & (tiled[:, dim - 1] < 2)).all()
        tiles = {str(row) for row in tiled[:, dim:].tolist()}
    else:
        x = tiled[:, :2]
        assert (2 * x**2 - x.flip(1) ** 2 <= 1).all()
        tiles = {str(g) for g in matrices(tiled)}
    assert rate < 1 or len(tiles) > 2
    assert (tiled[:, -1:].abs() <= 2**23).all()


@native
@pytest.mark.parametrize("curvature", [-1.0, -0.3])
@pytest.mark.parametrize("model", [lambda c: HTiling(2, c), lambda c: HTiling(3, c), LTiling])
def test_tilings_learn_alike_by_both_engines(model: Any, curvature: float) -> None:
    manifold = model(curvature)
    settings: dict[str, Any] = {"epochs": 4, "burn_in": 1, "init": 0.5, "lr": 3.0, "progress": False}
    settings["dim"] = manifold.dim
    made = [LearnedEmbedder(manifold, engine=name, **settings).fit(closure(3)) for name in ("compiled", "verbs")]
    a, b = (m.embedding_.points for m in made)
    assert a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=1e-11)
    assert made[0].losses_ == pytest.approx(made[1].losses_, rel=1e-11)
    assert manifold.why_not(a) is None


@native
def test_half_space_tiles_know_nothing_of_where_they_are() -> None:
    """Moved by an isometry of the integers alone, far out, a run gives the same offsets to the last bit."""
    pairs = Pairs.of(closure(3))
    start = HalfSpace().from_normal_coordinates(torch.from_numpy(draws.uniform(3, (pairs.n, 3))))
    near, shift = half_tiles(start), 5 * 2**50
    far = near.clone()
    for row in far:
        j = int(row[3])
        for i in range(2):
            row[4 + i :: 2] = torch.tensor(digits(whole(row[4 + i :: 2].tolist()) + (shift << 20 >> (j + 20)), 4))
        row[3] = j - 40
    task, order = task_of(pairs, "HTiling"), torch.from_numpy(draws.order(7, pairs.m))
    for epoch in range(5):
        a, b = learn.epoch(near, task, order, epoch, 2.0), learn.epoch(far, task, order, epoch, 2.0)
        assert a == b and a[1] == -1
    assert torch.equal(near[:, :3], far[:, :3]) and torch.equal(near[:, 3] - 40, far[:, 3])
    for p, q in zip(near.tolist(), far.tolist(), strict=True):
        for i in range(2):
            assert whole(q[4 + i :: 2]) - whole(p[4 + i :: 2]) == shift << 20 >> (int(p[3]) + 20)


@native
def test_hyperbolic_tiles_know_nothing_of_where_they_are() -> None:
    pairs = Pairs.of(closure(3))
    near = identity_tiles(torch.from_numpy(draws.uniform(3, (pairs.n, 2))) * 0.4)
    word = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    a, b = ([list(g[3 * i : 3 * i + 3]) for i in range(3)] for g in WORD)
    while max(abs(t) for row in word for t in row) < 2**45:  # a radius of about 32
        word = product(product(word, a), b if word[0][0] % 2 else product(b, b))
    far = near.clone()
    for row in far:
        for i in range(3):
            for j in range(3):
                row[2 + 3 * i + j :: 9] = torch.tensor(digits(word[i][j], 3))
    task, order = task_of(pairs, "LTiling"), torch.from_numpy(draws.order(7, pairs.m))
    for epoch in range(5):
        got, wanted = learn.epoch(far, task, order, epoch, 2.0), learn.epoch(near, task, order, epoch, 2.0)
        assert got == wanted and got[1] == -1
    assert torch.equal(near[:, :2], far[:, :2]) and len({str(g) for g in matrices(near)}) > 4
    for p, q in zip(matrices(near), matrices(far), strict=True):
        assert q == product(word, p)


@native
@pytest.mark.parametrize("model", ["HTiling", "LTiling"])
def test_tiles_beyond_what_integers_hold_stop_the_epoch(model: str) -> None:
    pairs = Pairs.of(closure(2))
    tiled = (half_tiles if model == "HTiling" else lambda x: identity_tiles(x * 0.3))(
        HalfSpace().from_normal_coordinates(torch.from_numpy(draws.uniform(3, (pairs.n, 2))))
    )
    _, stuck = learn.epoch(tiled, task_of(pairs, model), torch.arange(pairs.m), 0, 1e4)
    assert stuck >= 0


# ---- what is learnt --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_a_small_hierarchy_is_learnt(model: Any) -> None:
    pairs = closure(3, 3)
    settings: dict[str, Any] = {"epochs": 400, "lr": 3.0, "burn_in": 10, "negatives": 20, "progress": False}
    if not _C.available():
        settings["epochs"] = 60
    made = LearnedEmbedder(model(), **settings).fit(pairs)
    found = reconstruction(pairs, made.embedding_)
    assert made.losses_[-1] < made.losses_[0] and len(made.losses_) == settings["epochs"]
    assert found.mean_average_precision > (0.9 if _C.available() else 0.3)
    assert made.embedding_.labels == Pairs.of(pairs).labels and made.embedding_.provenance["loss"] == made.losses_[-1]
    assert json.dumps(made.embedding_.provenance)


def test_the_seed_decides() -> None:
    def points(**settings: Any) -> torch.Tensor:
        return LearnedEmbedder(epochs=3, progress=False, **settings).fit(closure(2)).embedding_.points

    assert torch.equal(points(seed=1), points(seed=1))
    assert not torch.equal(points(seed=1), points(seed=2))


def test_reconstruction_is_nickel_and_kielas() -> None:
    pairs = closure(3)
    embedding = LearnedEmbedder(epochs=5, init=0.5, progress=False).fit(pairs).embedding_
    distances = embedding.pairwise().numpy()
    neighbours: dict[int, set[int]] = {}
    for u, v in pairs:
        neighbours.setdefault(embedding.index(u), set()).add(embedding.index(v))
    ranks, precision = [], []
    for u, mine in neighbours.items():
        order = [w for w in np.argsort(distances[u], kind="stable").tolist() if w != u]
        places = [k + 1 for k, w in enumerate(order) if w in mine]
        ranks += [place - k for k, place in enumerate(places)]
        precision.append(np.mean([(k + 1) / place for k, place in enumerate(places)]))
    found = reconstruction(pairs, embedding)
    assert found == pytest.approx((np.mean(ranks), np.mean(precision)))
    graph = Graph.of(pairs)
    both = reconstruction(graph, embedding)
    assert both.mean_rank == pytest.approx(metrics.mean_rank(graph, embedding))
    assert both.mean_average_precision == pytest.approx(metrics.mean_average_precision(graph, embedding))
    with pytest.raises(ValueError, match="no node is labelled 'rot'; did you mean 'root'"):
        reconstruction([("a", "rot")], embedding)


def test_parameters_follow_scikit_learn() -> None:
    embedder = LearnedEmbedder(lr=0.5, progress=False)
    assert type(embedder)(**embedder.get_params()).get_params() == embedder.get_params()
    assert repr(embedder) == "LearnedEmbedder(lr=0.5, progress=False)"
    points = embedder.set_params(epochs=1).fit_transform([("a", "b"), ("c", "b")])
    assert points.shape == (3, 2) and points.dtype == np.float64


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": -1}, "epochs is -1; it must be a whole number, 0 or more"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"negatives": 0}, "negatives is 0"),
        ({"lr": float("nan")}, "lr is nan; it must be a positive number"),
        ({"scale": 0}, "scale is 0"),
        ({"engine": "fast"}, "engine is 'fast'; it must be one of"),
        ({"dim": True}, "dim is True"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LearnedEmbedder(progress=False, **settings).fit(closure(2))


def test_a_node_beside_all_others_has_no_negatives() -> None:
    with pytest.raises(ValueError, match=r"every node is 0 or its neighbour, .* set exclude_neighbours=False"):
        LearnedEmbedder(progress=False).fit(nx.star_graph(4))
    LearnedEmbedder(progress=False, epochs=1, exclude_neighbours=False).fit(nx.star_graph(4))


@pytest.mark.parametrize("engine", ["auto", "verbs"])
@pytest.mark.parametrize("model", MODELS)
def test_a_rate_that_is_too_large_names_the_epoch_or_stays_finite(model: Any, engine: str) -> None:
    try:
        made = LearnedEmbedder(
            model(), lr=1e9, burn_in=2, burn_in_factor=1e-9, epochs=4, engine=engine, progress=False
        ).fit(closure(2))
    except FloatingPointError as error:
        assert "in epoch 2" in str(error) or "in epoch 3" in str(error)
        assert "smaller lr" in str(error)
    else:
        assert made.embedding_.points.isfinite().all()


def test_a_loss_that_is_nan_names_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _Verbs.gradient

    def broken(self: Any, points: Any, some: Any, first: int, key: int) -> Any:
        touched, grad, loss = plain(self, points, some, first, key)
        return touched, grad, float("nan") if key == draws.key(0, draws.NEGATIVES, 2) else loss

    monkeypatch.setattr(_Verbs, "gradient", broken)
    with pytest.raises(FloatingPointError, match=r"the loss is nan .* in epoch 2 with lr=1"):
        LearnedEmbedder(engine="verbs", epochs=5, progress=False).fit(closure(2))


def test_the_bar_shows_the_loss(capfd: pytest.CaptureFixture[str]) -> None:
    LearnedEmbedder(epochs=3).fit(closure(2))
    assert "learn:" in capfd.readouterr().err


# ---- checkpoints -----------------------------------------------------------------------------------------------------

SETTINGS: dict[str, Any] = {"epochs": 40, "checkpoint_every": 1, "init": 0.1, "progress": False}
CHILD = """
    import json, sys
    import hypgeo
    model, engine, path, pairs, settings = json.loads(sys.argv[1])
    hypgeo.LearnedEmbedder(getattr(hypgeo, model)(), engine=engine, checkpoint=path, **settings).fit(pairs)
"""


@pytest.mark.parametrize(("model", "engine"), [("HalfSpace", "auto"), ("PoincareBall", "verbs")])
def test_a_killed_run_comes_back_to_the_same_bits(model: str, engine: str, tmp_path: Path) -> None:
    path, pairs = tmp_path / "run.safetensors", closure(3)
    settings = {**SETTINGS, "epochs": 3000 if engine == "auto" else 100}
    endless = {**settings, "epochs": 10**6}
    told = json.dumps((model, engine, str(path), pairs, endless))
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(CHILD), told], env={**os.environ})
    try:
        for _ in range(6000):
            if path.exists() and len(load_file(path)["losses"]) >= 5:
                break
            assert child.poll() is None, "the child ended by itself"
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    done = len(load_file(path)["losses"])
    settings["epochs"] = done + 20
    manifold = {"HalfSpace": HalfSpace, "Lorentz": Lorentz, "PoincareBall": PoincareBall}[model]
    resumed = LearnedEmbedder(manifold(), engine=engine, checkpoint=path, **settings).fit(pairs)
    straight = LearnedEmbedder(manifold(), engine=engine, **settings).fit(pairs)
    assert torch.equal(resumed.embedding_.points, straight.embedding_.points)
    assert np.array_equal(resumed.losses_, straight.losses_) and len(resumed.losses_) == done + 20


def test_a_finished_run_is_read_and_a_longer_one_goes_on(tmp_path: Path) -> None:
    path, pairs = tmp_path / "run.safetensors", closure(2)
    whole = LearnedEmbedder(checkpoint=path, **SETTINGS).fit(pairs)
    before = path.read_bytes()
    again = LearnedEmbedder(checkpoint=path, **SETTINGS).fit(pairs)
    assert torch.equal(whole.embedding_.points, again.embedding_.points) and path.read_bytes() == before
    longer = LearnedEmbedder(checkpoint=path, **{**SETTINGS, "epochs": 50}).fit(pairs)
    assert torch.equal(
        longer.embedding_.points, LearnedEmbedder(**{**SETTINGS, "epochs": 50}).fit(pairs).embedding_.points
    )
    with pytest.raises(ValueError, match="has 50 epochs done, and 40 are asked for"):
        LearnedEmbedder(checkpoint=path, **SETTINGS).fit(pairs)
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]


def test_a_checkpoint_of_something_else_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path, pairs = tmp_path / "run.safetensors", closure(2)
    LearnedEmbedder(checkpoint=path, **SETTINGS).fit(pairs)
    with pytest.raises(ValueError, match=r"was made with lr=1.0, not 0.5; give the same settings"):
        LearnedEmbedder(checkpoint=path, lr=0.5, **SETTINGS).fit(pairs)
    with pytest.raises(ValueError, match="was made with manifold='HalfSpace', not 'Lorentz'"):
        LearnedEmbedder(Lorentz(), checkpoint=path, **SETTINGS).fit(pairs)
    with pytest.raises(ValueError, match="was made from other pairs"):
        LearnedEmbedder(checkpoint=path, **SETTINGS).fit(pairs[:-1])
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(ValueError, match="is damaged: its checksum"):
        LearnedEmbedder(checkpoint=path, **SETTINGS).fit(pairs)
    path.write_bytes(whole[:-9])
    with pytest.raises(ValueError, match="is damaged or is none"):
        LearnedEmbedder(checkpoint=path, **SETTINGS).fit(pairs)
    save_file({"points": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="of something else than a training"):
        LearnedEmbedder(checkpoint=path, **SETTINGS).fit(pairs)
