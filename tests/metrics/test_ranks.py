"""Average precision and ranks against their definitions, on every representation."""

import math

import brute
import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import SHAPES, edges, parents, recursive

from hypgeo import Embedding
from hypgeo.embed import TreeEmbedder
from hypgeo.manifolds import Euclidean, HalfSpaceTree, Lorentz, PoincareBall, convert
from hypgeo.metrics import mean_average_precision, mean_rank, node_ranks


def agree(graph: nx.Graph, embedding: Embedding) -> None:
    """All figures of a graph, against brute force on the embedding's own distances."""
    labels = list(graph.nodes)
    if isinstance(embedding.manifold, HalfSpaceTree):  # in one call
        ids = torch.tensor([embedding.index(label) for label in labels])
        distances = embedding.manifold.dist_from(embedding.points, ids)[:, ids].tolist()
    else:
        distances = embedding.pairwise(labels, labels).tolist()
    at = {label: i for i, label in enumerate(labels)}
    neighbours = [{at[v] for v in graph[u] if v != u} for u in labels]
    precision = [brute.average_precision(distances[i], neighbours[i], i) for i in range(len(labels))]
    ranks = [brute.rank_sum(distances[i], neighbours[i], i) for i in range(len(labels))]
    found = node_ranks(graph, embedding).numpy()
    np.testing.assert_allclose(found[:, 0], precision, rtol=1e-13)
    linked = [bool(n) for n in neighbours]
    np.testing.assert_array_equal(found[linked, 1], np.array(ranks)[linked])
    if any(linked):
        assert mean_average_precision(graph, embedding) == pytest.approx(np.nanmean(precision), rel=1e-13)
        assert mean_rank(graph, embedding) == pytest.approx(sum(ranks) / sum(map(len, neighbours)), rel=1e-13)


@st.composite
def graphs(draw: st.DrawFn, n: int) -> nx.Graph:
    """Sparse to dense, with isolated nodes and several parts, its nodes in any order."""
    graph = nx.Graph()
    graph.add_nodes_from(draw(st.permutations(range(n))))
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] != e[1])
    graph.add_edges_from(draw(st.lists(pair, max_size=3 * n)) if n > 1 else [])
    return graph


ROWS = {
    "gaussian": lambda draw, n, axes: draw.normal(size=(n, axes + 1)) * [*[1.0] * axes, 3.0],
    "near": lambda draw, n, axes: draw.normal(size=(n, axes + 1)) * 1e-5,
    "wide": lambda draw, n, axes: draw.normal(size=(n, axes + 1)) * [*[1e3] * axes, 2.0],
    "deep": lambda draw, n, axes: np.c_[draw.normal(size=(n, axes)), -draw.uniform(0, 60, n)],
    "beyond exponents": lambda draw, n, axes: np.c_[draw.normal(size=(n, axes)), draw.choice([-0.5, -900, -1600], n)],
}


@given(st.sampled_from(sorted(ROWS)), st.integers(1, 3), st.integers(0, 10**6), st.data())
@settings(max_examples=150, deadline=None)
def test_the_search_finds_what_brute_force_finds(kind: str, axes: int, seed: int, data: st.DataObject) -> None:
    """On rows that no embedder made, where subtrees overlap, and for neighbours that are far in the tree."""
    parent = data.draw(parents(40))
    points = ROWS[kind](np.random.default_rng(seed), len(parent), axes)
    points[0] = 0
    manifold = HalfSpaceTree(torch.tensor(parent))
    made = Embedding(list(range(len(parent))), torch.from_numpy(points), manifold)
    agree(data.draw(graphs(len(parent))), made)


@pytest.mark.parametrize("axes", [1, 2])
def test_the_search_in_families_of_hundreds(axes: int) -> None:
    """Where runs of children share a box: hubs, neighbours across the tree."""
    draw = np.random.default_rng(axes)
    parent = np.array([-1, *np.minimum(draw.integers(0, 4, 249), np.arange(249))])
    points = np.c_[draw.normal(size=(250, axes)) * 5, -draw.uniform(0, 5, 250)]
    points[0] = 0
    made = Embedding(list(range(250)), torch.from_numpy(points), HalfSpaceTree(torch.from_numpy(parent)))
    graph = nx.gnp_random_graph(250, 0.02, seed=1)
    agree(graph, made)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("excess", [0.1, 20.0])
@pytest.mark.parametrize("shape", [*SHAPES, "any"])
def test_embedded_trees(shape: str, excess: float, dim: int) -> None:
    """Equal edges of regular trees: whole levels of nodes are tied, or nearly."""
    parent = recursive(60, 1) if shape == "any" else SHAPES[shape](60)
    made = TreeEmbedder(dim=dim, distortion=excess, representation="tree").fit(edges(parent, None)).embedding_
    agree(nx.Graph(edges(parent, None)), made)
    agree(nx.gnp_random_graph(60, 0.08, seed=3), made)


def lattice() -> Embedding:
    """A grid: nearly all distances are tied."""
    points = torch.tensor([[i, j] for i in range(5) for j in range(5)], dtype=torch.float64)
    return Embedding(list(range(25)), points, Euclidean())


@given(graphs(25))
@settings(max_examples=40, deadline=None)
def test_ties_count_against_the_neighbours(graph: nx.Graph) -> None:
    agree(graph, lattice())


def test_ties_by_hand() -> None:
    made = Embedding(list("abcde"), torch.tensor([[0.0], [1], [-1], [1], [2]], dtype=torch.float64), Euclidean())
    found = node_ranks([("a", "b"), ("a", "e"), ("c", "d")], made)
    # a's neighbour b shares its place with d and its distance with c; e is behind both
    assert found[0].tolist() == [(1 / 3 + 2 / 4) / 2, 3 + 3]
    # c's neighbour d shares its place with b, and a is nearer
    assert found[3].tolist() == [1 / 3, 3]
    within = made.points.clone()
    within[2], within[3] = -1 - 1e-13, 1 + 1e-11  # tied still, and tied no more
    made = Embedding(list("abcde"), within, Euclidean())
    assert node_ranks([("a", "b"), ("c", "d"), ("d", "e")], made)[0, 0] == 1 / 2
    tree = torch.tensor([[0.0, 0], [0, 1.0], [0, -1.0], [0, 1.0], [0, 2.0]], dtype=torch.float64)
    line = Embedding(list("abcde"), tree, HalfSpaceTree(torch.tensor([-1, 0, 0, 0, 0])))
    assert node_ranks([("a", "b"), ("a", "e"), ("c", "d")], line)[0].tolist() == [(1 / 3 + 2 / 4) / 2, 6]


@pytest.mark.parametrize("name", ["ball", "hyperboloid", "flat", "ball, float32"])
def test_points_in_floats(name: str) -> None:
    draw = torch.Generator().manual_seed(0)
    points = 0.7 * torch.rand(70, 3, generator=draw, dtype=torch.float64) - 0.35
    manifold = Euclidean() if name == "flat" else PoincareBall()
    if name == "hyperboloid":
        manifold, points = Lorentz(), convert(points, PoincareBall(), Lorentz())
    points = points.float() if "float32" in name else points
    graph = nx.gnp_random_graph(70, 0.07, seed=2)
    made = Embedding(torch.randperm(70, generator=draw).tolist(), points, manifold)
    agree(graph, made)


def test_curvature_and_order_change_nothing() -> None:
    parent = recursive(50, 4)
    made = TreeEmbedder(representation="tree").fit(edges(parent, None)).embedding_
    graph = nx.gnp_random_graph(50, 0.1, seed=0)
    bent = Embedding(made.labels, made.points, HalfSpaceTree(made.manifold.parent, curvature=-7.0))
    assert torch.equal(node_ranks(graph, bent).nan_to_num(), node_ranks(graph, made).nan_to_num())
    shuffled = nx.Graph()
    shuffled.add_nodes_from(reversed(list(graph)))
    shuffled.add_edges_from((v, u) for u, v in graph.edges)
    assert torch.equal(node_ranks(shuffled, made).nan_to_num(), node_ranks(graph, made).nan_to_num().flip(0))


def test_nodes_that_are_not_in_the_graph_hold_the_tree_together_only() -> None:
    parent = recursive(60, 5)
    made = TreeEmbedder(representation="tree").fit(edges(parent, None)).embedding_
    part = nx.gnp_random_graph(60, 0.1, seed=1).subgraph(range(0, 60, 2))
    agree(part, made)


def test_points_past_the_rim_come_last() -> None:
    """A ball point of norm above 1 has no distances: its neighbours are ranked behind all others, and it counts."""
    points = torch.tensor([[0.0, 0], [0.5, 0], [0, 0.6], [math.nan, 0]], dtype=torch.float64)
    made = Embedding(list("abcd"), points, PoincareBall())
    found = node_ranks([("a", "d"), ("b", "c")], made)
    assert found[0].tolist() == [1 / 3, 3]


def test_what_has_no_rank() -> None:
    lonely = nx.Graph()
    lonely.add_nodes_from("ab")
    made = TreeEmbedder().fit([("a", "b"), ("b", "c")]).embedding_
    assert math.isnan(mean_average_precision(lonely, made)) and math.isnan(mean_rank(lonely, made))
    with pytest.raises(ValueError, match="no node is labelled 'd'"):
        mean_average_precision([("a", "d")], made)
