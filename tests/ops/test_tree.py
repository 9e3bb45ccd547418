"""The tree kernels against their plain Python bodies, which share no line with them."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from trees import parents, recursive, rows, weighted

from hypgeo.ops import tree as ops


def body(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the plain body says."""
    native = ops._native
    try:
        ops._native = lambda name: None
        return function(*arguments)
    finally:
        ops._native = native


def compressed(graph: nx.Graph) -> tuple[Tensor, Tensor]:
    matrix = nx.to_scipy_sparse_array(graph, nodelist=range(len(graph)), format="csr")
    return torch.from_numpy(matrix.indptr.astype(np.int64)), torch.from_numpy(matrix.indices.astype(np.int64))


@st.composite
def placed(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """A tree, unit directions (the axes among them), edge lengths over all scales."""
    parent = draw(parents(12))
    dim = draw(st.integers(2, 4))
    direction = torch.tensor(draw(st.lists(st.integers(-3, 3), min_size=len(parent) * dim, max_size=len(parent) * dim)))
    direction = direction.reshape(-1, dim).double()
    direction[~direction.any(dim=1), 0] = 1.0
    direction = direction / direction.norm(dim=1, keepdim=True)
    up = direction[:, -1] > 0.999  # the parent's own place
    direction[up] *= -1
    tau = [draw(st.one_of(st.just(0.0), st.floats(-8, 3).map(lambda e: 10**e))) for _ in parent]
    return torch.tensor(parent), direction, torch.tensor(tau, dtype=torch.float64)


@given(placed())
@settings(max_examples=150, deadline=None)
def test_place(tree: tuple[Tensor, Tensor, Tensor]) -> None:
    got, plain = ops.place(*tree), body(ops.place, *tree)
    torch.testing.assert_close(got, plain, rtol=1e-12, atol=1e-14)  # both are plain float64, summed along paths
    parent, _, tau = tree
    far = ops.dist(parent, got, torch.arange(1, len(parent)), parent[1:])
    torch.testing.assert_close(far, tau[1:], rtol=1e-12, atol=1e-15)


def test_place_keeps_the_angles_between_neighbours() -> None:
    """Seen from any node, its parent and its children lie in the directions asked for: the law of cosines."""
    draw = np.random.default_rng(0)
    parent = torch.tensor(recursive(40, 0))
    for dim in (2, 3, 5):
        direction = draw.normal(size=(40, dim))
        direction = torch.from_numpy(direction / np.linalg.norm(direction, axis=1, keepdims=True))
        tau = torch.from_numpy(draw.uniform(0.2, 2, 40))
        made = ops.place(parent, direction, tau)
        up = torch.eye(dim, dtype=torch.float64)[-1]
        for p in range(40):
            around = [(int(c), direction[c]) for c in torch.nonzero(parent == p)[:, 0]]
            around += [(int(parent[p]), up)] if p else []
            for i, u in around:
                for j, v in around:
                    a, b, c = (
                        float(ops.dist(parent, made, *map(torch.tensor, ([x], [y]))))
                        for x, y in [(p, i), (p, j), (i, j)]
                    )
                    cosine = math.cosh(a) * math.cosh(b) - math.cosh(c)
                    assert cosine / (math.sinh(a) * math.sinh(b)) == pytest.approx(float(u @ v), abs=1e-11)


@given(weighted(16), st.sampled_from([0.01, 0.1, 1.0, 20.0]), st.data())
@settings(max_examples=100, deadline=None)
def test_allowance_and_sectors(tree: tuple[list[int], list[float] | None], excess: float, data: st.DataObject) -> None:
    parent = torch.tensor(tree[0])
    length = torch.tensor([w or 1.0 for w in tree[1] or [1.0] * len(parent)], dtype=torch.float64)
    length[0] = 0.0
    fixed = torch.zeros(len(parent), 2, dtype=torch.float64)
    for i in range(1, len(parent)):  # some nodes divide their circle evenly
        children = torch.nonzero(parent == i)[:, 0]
        if length[i] > 2 and data.draw(st.booleans()) and not fixed[i, 1]:
            fixed[i, 0] = fixed[children, 1] = 2 * math.pi / (len(children) + 1)
    share = torch.rand(len(parent), generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    for scale in (0.0, 3.0):
        most = ops.allowance(parent, length, excess, scale, fixed)
        assert most == pytest.approx(body(ops.allowance, parent, length, excess, scale, fixed), rel=3e-4)
        if math.isinf(most):
            continue
        asked = parent, length, share, most, scale or most / excess, fixed
        (direction, extra), (plain, plain_extra) = ops.sectors(*asked), body(ops.sectors, *asked)
        torch.testing.assert_close(direction, plain, rtol=0, atol=1e-11)
        torch.testing.assert_close(extra, plain_extra, rtol=1e-6, atol=1e-9)
        assert (extra[1:] <= most * length[1:] * (1 + 1e-9)).all()
        torch.testing.assert_close(direction.norm(dim=1), torch.ones(len(parent), dtype=torch.float64))


def test_an_allowance_that_is_too_small_is_refused() -> None:
    star, one = torch.tensor([-1, 0, 0, 0, 0]), torch.ones(5, dtype=torch.float64)
    for run in (lambda f, *a: f(*a), body):
        with pytest.raises(ValueError, match=r"an allowance of 0\.001 leaves some node without room"):
            run(ops.sectors, star, one, one, 1e-3, 1.0)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_distances_in_double_doubles_and_in_decimals(data: st.DataObject) -> None:
    parent = torch.tensor(data.draw(parents(6)))
    points = data.draw(rows(len(parent), data.draw(st.integers(1, 3))))
    everyone = torch.arange(len(parent))
    exact = body(ops.dist_from, parent, points, everyone)
    got = ops.dist_from(parent, points, everyone)
    torch.testing.assert_close(got, exact, rtol=3 * 2.0**-52, atol=0)
    i, j = everyone.repeat_interleave(len(parent)), everyone.repeat(len(parent))
    torch.testing.assert_close(ops.dist(parent, points, i, j).reshape(got.shape), exact, rtol=3 * 2.0**-52, atol=0)


def ordinary(n: int, axes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows without an embedder's regularity, and without displacements that cancel."""
    draw = np.random.default_rng(seed)
    points = draw.normal(size=(n, axes + 1))
    points[:, -1] = -draw.uniform(0.5, [2.0, 60.0, 900.0][seed % 3], n)
    points[0] = 0
    return torch.tensor(recursive(n, seed)), torch.from_numpy(points)


@pytest.mark.parametrize("axes", [1, 2, 4])
@pytest.mark.parametrize("seed", range(6))
def test_sweep_and_positions(axes: int, seed: int) -> None:
    parent, points = ordinary(60, axes, seed)
    everyone = torch.arange(60)
    exact = ops.dist_from(parent, points, everyone)
    torch.testing.assert_close(ops.sweep(parent, points, everyone), exact, rtol=1e-11, atol=0)
    torch.testing.assert_close(body(ops.sweep, parent, points, everyone), exact, rtol=1e-11, atol=0)
    torch.testing.assert_close(ops.positions(parent, points), body(ops.positions, parent, points), rtol=1e-11, atol=0)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("seed", range(12))
def test_ranks(axes: int, seed: int) -> None:
    parent, points = ordinary(70, axes, seed)
    graph = nx.gnp_random_graph(70, 0.05, seed=seed)  # some isolated nodes, far neighbours
    links = compressed(graph)
    sources = torch.from_numpy(np.random.default_rng(seed).permutation(70)[:50])
    linked = torch.tensor([graph.degree(k) > 0 for k in range(70)])
    for counted in (None, linked):
        own = sources if counted is None else sources[linked[sources]]
        got, plain = (run(ops.ranks, parent, points, *links, own, counted) for run in (lambda f, *a: f(*a), body))
        torch.testing.assert_close(got, plain, rtol=1e-14, atol=0, equal_nan=True)
        assert torch.equal(~got.isnan().any(dim=1), linked[own]) and (got[linked[own], 0] <= 1).all()


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_ranks_of_rows(seed: int) -> None:
    """Small integers for distances, so that ties abound; some of them infinite or no number."""
    draw = np.random.default_rng(seed)
    n = int(draw.integers(2, 30))
    distances = torch.from_numpy(draw.integers(0, 6, size=(n, n)).astype(np.float64))
    distances[torch.from_numpy(draw.random((n, n)) < 0.05)] = math.nan if seed % 2 else math.inf
    links = compressed(nx.gnp_random_graph(n, 0.3, seed=seed))
    everyone = torch.arange(n)
    got, plain = ops.rank_rows(distances, *links, everyone), body(ops.rank_rows, distances, *links, everyone)
    torch.testing.assert_close(got, plain, rtol=1e-14, atol=0, equal_nan=True)


@pytest.mark.parametrize("seed", range(20))
def test_delta(seed: int) -> None:
    graph = nx.connected_watts_strogatz_graph(24, 4, 0.2, seed=seed)
    if seed % 2:
        draw = np.random.default_rng(seed)
        for u, v in graph.edges:
            graph.edges[u, v]["weight"] = float(draw.choice([1e-14, 0.5, 1.0, draw.uniform(0, 2)]))
    distances = torch.from_numpy(nx.floyd_warshall_numpy(graph))
    links = compressed(graph)
    assert ops.graph_delta(distances, *links) == pytest.approx(body(ops.graph_delta, distances, *links), abs=1e-12)


def test_an_embedding_without_the_compiled_core() -> None:
    """The whole road in a process of its own: fit, measure, and the same figures as here."""
    code = """
from hypgeo import _C
from hypgeo.embed import TreeEmbedder
from hypgeo.metrics import delta_hyperbolicity, distortion, mean_average_precision, mean_rank
tree = [(i // 3, i) for i in range(1, 40)]
graph = [*tree, (7, 20), (3, 39)]
for dim in (2, 3):
    made = TreeEmbedder(dim=dim).fit(tree).embedding_
    found = distortion(tree, made)
    print(mean_average_precision(graph, made), mean_rank(graph, made), round(found.worst, 9), round(found.average, 9))
    print(round(made.dist(5, 38), 9), round(made.radius, 9), delta_hyperbolicity(graph), _C.available())
"""
    said = []
    for off in ("0", "1"):
        environment = {**os.environ, "HYPGEO_DISABLE_NATIVE": off}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        said.append(run.stdout)
    assert said[0].count("True") == 2 and said[1] == said[0].replace("True", "False")
