"""Refined trees: what they are, that their score is what they say, and that cycles survive as polygons."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from scipy.sparse.csgraph import dijkstra

from hypgeo import Graph, HalfSpaceTree, TreeEmbedder
from hypgeo.embed.refine import MARGIN, refine, with_stars
from hypgeo.embed.spanning import Spanning, cycles, spanning_tree
from hypgeo.metrics import distortion, mean_average_precision
from hypgeo.ops import tree as ops


def tree_map(graph: Graph, tree: Spanning) -> float:
    """Mean average precision of a tree's path lengths, ties within MARGIN against us, by the definition; no stars."""
    assert not tree.spokes
    n = len(tree.edges) + 1
    paths = np.zeros((n, n))
    rows = nx.Graph()
    rows.add_weighted_edges_from((int(u), int(v), float(w)) for (u, v), w in zip(tree.edges, tree.lengths, strict=True))
    paths = dijkstra(nx.to_scipy_sparse_array(rows, nodelist=range(n)), directed=False)[: graph.n, : graph.n]
    neighbours = graph.adjacency().toarray() > 0
    total = []
    for u in range(graph.n):
        own = np.sort(paths[u, neighbours[u]])
        others = np.delete(paths[u], np.append(np.flatnonzero(neighbours[u]), u))
        ahead = (others[None, :] <= own[:, None] + MARGIN).sum(axis=1)
        place = np.arange(1, len(own) + 1)
        total.append((place / (place + ahead)).mean())
    return float(np.mean(total))


def connected(n: int, extra: int, seed: int) -> Graph:
    draw = np.random.default_rng(seed)
    tree = nx.from_prufer_sequence(draw.integers(n, size=n - 2).tolist())
    tree.add_edges_from(tuple(draw.choice(n, 2, replace=False).tolist()) for _ in range(extra))
    return Graph.of(tree)


@pytest.mark.parametrize("seed", range(4))
def test_the_score_is_the_trees_own_and_does_not_fall(seed: int) -> None:
    graph = connected(60, 15, seed)
    start = spanning_tree(graph)
    tree, scores = refine(graph, start, 3, stars=False, seed=seed)
    assert tree_map(graph, start) == pytest.approx(scores[0], abs=1e-12)
    assert tree_map(graph, tree) == pytest.approx(max(scores[1:]), abs=1e-12)
    assert tree_map(graph, tree) > tree_map(graph, start)


@pytest.mark.parametrize("stars", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_refined_tree_is_a_tree_over_all_nodes(seed: int, stars: bool) -> None:
    graph = connected(80, 25, seed)
    tree, _ = refine(graph, spanning_tree(graph), 2, stars=stars, seed=seed)
    whole = nx.Graph(tree.edges.tolist())
    assert nx.is_tree(whole) and set(whole) == set(range(len(tree.edges) + 1)) and len(whole) >= graph.n
    assert all(whole.degree(v) > 2 for v in range(graph.n, len(whole)))  # hidden nodes serve a purpose
    assert (tree.lengths > 0).all()
    kept = {frozenset(e) for e in tree.edges.tolist()}
    assert {frozenset(e) for e in tree.set_aside.tolist()} == {frozenset(e) for e in graph.edges.tolist()} - kept


def test_the_same_seed_gives_the_same_tree() -> None:
    graph = connected(60, 20, 1)
    one, two = (refine(graph, spanning_tree(graph), 2, seed=7)[0] for _ in range(2))
    assert np.array_equal(one.edges, two.edges) and np.array_equal(one.lengths, two.lengths)


@pytest.mark.parametrize("n", [4, 5, 8, 23, 60])
def test_a_cycle_loses_nothing(n: int) -> None:
    graph = nx.cycle_graph(n)
    assert mean_average_precision(graph, TreeEmbedder().fit(graph).embedding_) < 1
    assert mean_average_precision(graph, TreeEmbedder(refine=1).fit(graph).embedding_) == 1


def test_cycles_that_share_nodes_lose_nothing() -> None:
    graph = nx.Graph()
    for k, n in enumerate([6, 9, 4, 12]):  # a chain of cycles, each hung on a node of the last, with leaves on all
        nodes = [(k - 1, 2) if k else (k, 0), *((k, i) for i in range(1, n))]
        nx.add_cycle(graph, nodes)
    for node in list(graph):
        graph.add_edges_from((node, (node, leaf)) for leaf in range(3))
    embedding = TreeEmbedder(refine=1).fit(graph).embedding_
    assert mean_average_precision(graph, embedding) == 1
    assert len(embedding.provenance["hidden"]) == 4


def test_stars_take_cycles_that_share_no_edge_in_their_order() -> None:
    graph = connected(200, 40, 3)
    starred = with_stars(graph, spanning_tree(graph))
    edges = {frozenset(e) for e in graph.edges.tolist()}
    wheels = cycles(starred, graph.n)
    sides = [frozenset((w[k - 1], w[k])) for w in wheels.values() for k in range(len(w))]
    assert len(wheels) > 2 and len(set(sides)) == len(sides) and set(sides) <= edges
    assert nx.is_tree(nx.Graph(starred.edges.tolist()))


def test_hidden_nodes_are_neither_neighbours_nor_exported(tmp_path: Path) -> None:
    graph = nx.cycle_graph(12)
    embedding = TreeEmbedder(refine=1).fit(graph).embedding_
    assert isinstance(embedding.manifold, HalfSpaceTree) and embedding.n == 13 and embedding.hidden.sum() == 1
    assert {label for label, _ in embedding.nearest(0, k=2)} == {1, 11}
    assert len(embedding.nearest(0, k=20)) == 11
    assert embedding.graph().n == 12
    embedding.to_tsv(tmp_path / "x.tsv")
    assert [line.split("\t")[0] for line in (tmp_path / "x.tsv").read_text().splitlines()] == [
        str(label) for label in embedding.labels if isinstance(label, int)
    ]
    assert set(embedding.to_keyed_vectors().key_to_index) == {str(i) for i in range(12)}
    assert np.isfinite(distortion(graph, embedding).worst)


def test_the_root_is_a_node_of_the_graph() -> None:
    graph = Graph.of(nx.complete_graph(6))
    edges = [
        (6, 7),
        (6, 8),
        (6, 9),
        (7, 0),
        (7, 1),
        (8, 2),
        (8, 3),
        (9, 4),
        (9, 5),
    ]  # the middle, 6, sees hidden nodes only
    none = np.empty((0, 2), dtype=np.int64)
    assert TreeEmbedder()._root(graph, Spanning(np.array(edges), np.ones(9), none, none)) < 6


def test_labels_that_look_hidden_are_told_apart() -> None:
    graph = [(f"hidden {i}", f"hidden {(i + 1) % 9}") for i in range(9)]
    embedding = TreeEmbedder(refine=1).fit(graph).embedding_
    assert embedding.provenance["hidden"] == ["_hidden 1"] and mean_average_precision(graph, embedding) == 1


def test_forests_trees_and_other_dimensions() -> None:
    forest = nx.disjoint_union(nx.cycle_graph(9), nx.cycle_graph(5))
    embedding = TreeEmbedder(refine=2).fit(forest).embedding_
    assert mean_average_precision(forest, embedding) == 1 and len(embedding.provenance["bridges"]) == 1
    tree = nx.balanced_tree(3, 3)
    assert "hidden" not in TreeEmbedder(refine=3).fit(tree).embedding_.provenance
    graph = connected(60, 15, 0)
    plain = mean_average_precision(graph, TreeEmbedder(dim=3).fit(graph).embedding_)
    assert mean_average_precision(graph, TreeEmbedder(dim=3, refine=2).fit(graph).embedding_) > plain


def test_the_embedding_reaches_the_trees_score() -> None:
    graph = connected(120, 40, 5)
    embedding = TreeEmbedder(refine=3).fit(graph).embedding_
    assert mean_average_precision(graph, embedding) >= max(embedding.provenance["refined_scores"]) - 1e-3


def test_without_the_core_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "_native", lambda name: None)
    with pytest.raises(RuntimeError, match="needs the compiled core"):
        TreeEmbedder(refine=1).fit(nx.cycle_graph(6))
