"""Which edges a tree keeps, where it hangs from, and how a forest is joined, against networkx."""

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import SHAPES, edges, recursive

from hypgeo.data import Graph
from hypgeo.embed.spanning import centre, hang, spanning_tree


@st.composite
def graphs(draw: st.DrawFn) -> nx.Graph:
    n = draw(st.integers(2, 14))
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] != e[1])
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(draw(st.lists(pairs, max_size=30)))
    return graph


def gain(graph: nx.Graph, u: int, v: int) -> float:
    return 1 / graph.degree(u) + 1 / graph.degree(v)


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_the_tree_keeps_the_most_precision(graph: nx.Graph) -> None:
    """The total of 1/deg(u) + 1/deg(v) over kept edges is the largest of any spanning forest's."""
    made = spanning_tree(Graph.of(graph))
    bridges = {tuple(sorted(e)) for e in made.bridges.tolist()}
    kept = [e for e in map(tuple, made.edges.tolist()) if tuple(sorted(e)) not in bridges]
    assert all(graph.has_edge(*e) for e in kept) and not any(graph.has_edge(*e) for e in bridges)
    assert {frozenset(e) for e in kept} | {frozenset(e) for e in made.set_aside.tolist()} == set(
        map(frozenset, graph.edges)
    )
    assert len(kept) + len(made.set_aside) == graph.number_of_edges()
    assert len(bridges) == nx.number_connected_components(graph) - 1
    joined = nx.Graph(made.edges.tolist())
    joined.add_nodes_from(graph)
    assert nx.is_tree(joined)
    for u, v in graph.edges:
        graph.edges[u, v]["gain"] = gain(graph, u, v)
    best = sum(w for *_, w in nx.maximum_spanning_tree(graph, weight="gain").edges(data="gain"))
    assert sum(gain(graph, u, v) for u, v in kept) == pytest.approx(best, rel=1e-9)


def test_lengths_stay_with_their_edges_and_bridges_are_twice_the_longest() -> None:
    graph = Graph.of([("a", "b", 3.0), ("b", "c", 1.0), ("c", "a", 2.0), ("x", "y", 0.5)])
    made = spanning_tree(graph)
    true = {frozenset("ab"): 3.0, frozenset("bc"): 1.0, frozenset("ca"): 2.0, frozenset("xy"): 0.5}
    found = {
        frozenset(graph.labels[k] for k in edge): length
        for edge, length in zip(made.edges.tolist(), made.lengths.tolist(), strict=True)
    }
    kept = {names: length for names, length in found.items() if names in true}
    assert len(kept) == 3 and kept == {names: true[names] for names in kept}
    assert [length for names, length in found.items() if names not in true] == [2 * max(kept.values())]
    assert len(made.bridges) == 1


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_the_centre_is_the_node_whose_farthest_node_is_nearest(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 15))
    parent = [-1, *(data.draw(st.integers(0, i - 1)) for i in range(1, n))]
    lengths = data.draw(st.lists(st.one_of(st.just(0.0), st.floats(0.01, 10)), min_size=n - 1, max_size=n - 1))
    found = centre(n, np.array([e[:2] for e in edges(parent, None)]).reshape(-1, 2), np.array(lengths), n // 2)
    tree = nx.Graph()
    tree.add_nodes_from(range(n))
    tree.add_weighted_edges_from((p, i, lengths[i - 1]) for i, p in enumerate(parent) if i)
    far = [max(nx.single_source_dijkstra_path_length(tree, i).values()) for i in range(n)]
    assert far[found] == pytest.approx(min(far), rel=1e-9)


@pytest.mark.parametrize("shape", [*SHAPES, "any"])
def test_hanging_keeps_edges_lengths_and_puts_parents_first(shape: str) -> None:
    parent = recursive(40, 3) if shape == "any" else SHAPES[shape](40)
    renamed = np.random.default_rng(0).permutation(40)
    pairs = renamed[np.array(edges(parent, None))]
    lengths = np.random.default_rng(1).uniform(0, 2, 39)
    root = int(renamed[7])
    order, above, length = hang(40, pairs, lengths, root)
    assert order[0] == root and sorted(order) == list(range(40))
    assert above[0] == -1 and (above[1:] < np.arange(1, 40)).all() and length[0] == 0
    got = {(frozenset((order[i], order[above[i]])), length[i]) for i in range(1, 40)}
    assert got == {(frozenset(e), w) for e, w in zip(pairs.tolist(), lengths, strict=True)}
    depth = np.zeros(40)
    for i in range(1, 40):
        depth[i] = depth[above[i]] + 1
    assert (np.diff(depth) >= 0).all()  # breadth first


def test_one_node() -> None:
    graph = nx.Graph()
    graph.add_node("x")
    made = spanning_tree(Graph.of(graph))
    assert made.edges.shape == (0, 2) and len(made.set_aside) == len(made.bridges) == 0
    assert centre(1, made.edges, made.lengths, 0) == 0
    order, above, length = hang(1, made.edges, made.lengths, 0)
    assert (order.tolist(), above.tolist(), length.tolist()) == ([0], [-1], [0.0])


def test_isolated_nodes_and_lengths_of_zero() -> None:
    graph = nx.Graph()
    graph.add_nodes_from(range(5))
    made = spanning_tree(Graph.of(graph))
    assert len(made.edges) == len(made.bridges) == 4 and (made.lengths == 2).all()
    graph.add_edge(0, 1, weight=0.0)
    made = spanning_tree(Graph.of(graph))
    assert len(made.edges) == 4 and sorted(made.lengths.tolist()) == [0, 2, 2, 2] and math.isfinite(made.lengths.sum())
