"""Average and worst distortion against networkx's path lengths."""

import math
import statistics

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import edges, path_lengths, recursive, weighted

from hypgeo import Embedding
from hypgeo.embed import TreeEmbedder
from hypgeo.manifolds import Euclidean, HalfSpaceTree, PoincareBall
from hypgeo.metrics import distortion


def agree(graph: nx.Graph, embedding: Embedding) -> None:
    paths = dict(nx.all_pairs_dijkstra_path_length(graph))
    nodes = list(graph)
    pairs = [(u, v) for i, u in enumerate(nodes) for v in nodes[:i] if v in paths[u]]
    found = distortion(graph, embedding)
    coincident = sum((paths[u][v] == 0) != (embedding.dist(u, v) == 0) for u, v in pairs)
    ratio = [embedding.dist(u, v) / paths[u][v] for u, v in pairs if paths[u][v] > 0 and embedding.dist(u, v) > 0]
    assert found.exact and (found.coincident, found.pairs) == (coincident, coincident + len(ratio))
    if not ratio:
        return
    scale = statistics.median(ratio)
    assert found.scale == pytest.approx(scale, rel=1e-11)
    assert found.average == pytest.approx(statistics.fmean(abs(r / scale - 1) for r in ratio), rel=1e-10, abs=1e-13)
    worst = math.inf if coincident else max(ratio) / min(ratio)
    assert found.worst == pytest.approx(worst, rel=1e-11) and found.worst >= 1


@given(weighted(16), st.sampled_from([2, 3]))
@settings(max_examples=60, deadline=None)
def test_embedded_trees(tree: tuple[list[int], list[float] | None], dim: int) -> None:
    """Zero lengths too: pairs at distance 0 in tree and embedding have no ratio."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(tree[0])))
    graph.add_weighted_edges_from([(*e, 1.0)[:3] for e in edges(*tree)])
    agree(graph, TreeEmbedder(dim=dim, representation="tree").fit(edges(*tree)).embedding_)


@pytest.mark.parametrize("manifold", [PoincareBall(), PoincareBall(curvature=-3.0), Euclidean()], ids=repr)
@pytest.mark.parametrize("seed", range(4))
def test_graphs_in_floats(manifold: PoincareBall | Euclidean, seed: int) -> None:
    """Several components, in another order than the embedding's; weights on every second graph."""
    graph = nx.gnp_random_graph(25, 0.09, seed=seed)
    for u, v in graph.edges:
        graph.edges[u, v]["weight"] = 1 + (u * v % 3) * (seed % 2)
    points = 0.5 * torch.rand(25, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.25
    agree(graph, Embedding(list(range(24, -1, -1)), points, manifold))


def test_nodes_that_fell_together_are_counted() -> None:
    points = torch.tensor([[0.0], [1], [1], [3]], dtype=torch.float64)
    graph = nx.Graph([(0, 1, {"weight": 1.0}), (1, 2, {"weight": 0.5}), (2, 3, {"weight": 0.0})])
    made = Embedding([0, 1, 2, 3], points, Euclidean())
    found = distortion(graph, made)
    assert found.coincident == 2 and found.worst == math.inf and found.pairs == 6
    agree(graph, made)


def test_lengths_of_zero_add_nothing() -> None:
    """A chain of zeros on the way must not lengthen a path, nor count as no edge."""
    chain = nx.path_graph(40)
    for u, v in chain.edges:
        chain.edges[u, v]["weight"] = float(u % 13 == 0)
    points = torch.tensor([[float(math.ceil(i / 13))] for i in range(40)], dtype=torch.float64)
    found = distortion(chain, Embedding(list(range(40)), points, Euclidean()))
    assert (found.worst, found.average, found.scale, found.coincident) == (1.0, 0.0, 1.0, 0)


def test_scale_and_curvature_change_nothing() -> None:
    tree = edges(recursive(60, 2), None)
    made = TreeEmbedder(representation="tree").fit(tree).embedding_
    found = distortion(tree, made)
    bent = distortion(tree, Embedding(made.labels, made.points, HalfSpaceTree(made.manifold.parent, curvature=-4.0)))
    assert bent.scale == pytest.approx(found.scale / 2, rel=1e-14)
    assert (bent.worst, bent.average) == pytest.approx((found.worst, found.average), rel=1e-12)
    longer = [(u, v, 1e-6) for u, v in tree]
    assert distortion(longer, made).worst == pytest.approx(found.worst, rel=1e-12)


def test_samples_are_drawn_with_their_seed() -> None:
    parent = recursive(300, 0)
    tree = edges(parent, None)
    made = TreeEmbedder().fit(tree).embedding_
    whole, some = distortion(tree, made), distortion(tree, made, pairs=3000)
    assert whole.exact and whole.pairs == 300 * 299 // 2
    assert not some.exact and some.sources == 10 and some.pairs == 10 * 299
    assert some == distortion(tree, made, pairs=3000, seed=0) != distortion(tree, made, pairs=3000, seed=1)
    assert some.worst <= whole.worst and some.average == pytest.approx(whole.average, rel=0.3)
    wanted, sources = path_lengths(parent, None), np.sort(np.random.default_rng(0).choice(300, size=10, replace=False))
    got = made.pairwise(sources.tolist(), list(range(300))).numpy()
    ratio = got[wanted[sources] > 0] / wanted[sources][wanted[sources] > 0]
    assert some.worst == pytest.approx(ratio.max() / ratio.min(), rel=1e-11)


def test_what_has_no_distortion() -> None:
    alone = nx.Graph()
    alone.add_node("a")
    found = distortion(alone, TreeEmbedder().fit(alone).embedding_)
    assert (found.pairs, found.worst, found.average) == (0, 1.0, 0.0)
    pair = TreeEmbedder().fit([("a", "b")]).embedding_
    for pairs in (0, -3):
        with pytest.raises(ValueError, match=f"pairs is {pairs}; at least one"):
            distortion([("a", "b")], pair, pairs=pairs)
    with pytest.raises(ValueError, match="no node is labelled 'c'"):
        distortion([("a", "c")], pair)
    outside = Embedding(["a", "b"], torch.tensor([[0.0, 0], [math.nan, 0]]), PoincareBall())
    with pytest.raises(ValueError, match="the points of 'a' and 'b' have no distance"):
        distortion([("a", "b")], outside)
