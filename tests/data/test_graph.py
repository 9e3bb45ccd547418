import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from hypgeo.data import Graph

PAIRS = [("a", "b"), ("c", "b"), ("c", "d"), ("b", "a"), ("d", "d")]


def test_pairs_are_sorted_and_counted():
    graph = Graph.of(PAIRS)
    assert graph.labels == ["a", "b", "c", "d"]
    assert graph.edges.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert (graph.n, graph.m, graph.duplicates, graph.self_loops, graph.weights) == (4, 3, 1, 1, None)
    assert graph.degrees.tolist() == [1, 2, 2, 1]
    assert graph.is_tree
    assert repr(graph) == "Graph(tree, 4 nodes, 3 edges)"


def test_weights_follow_their_edges():
    graph = Graph.of([("c", "b", 3), ("a", "b", 0.0), ("b", "c", 3.0)])
    assert graph.labels == ["c", "b", "a"]
    assert graph.edges.tolist() == [[0, 1], [1, 2]]
    assert graph.weights is not None and graph.weights.tolist() == [3.0, 0.0]
    adjacency = graph.adjacency()
    assert adjacency.nnz == 4  # the edge of length 0 stays an edge
    assert adjacency.toarray().tolist() == [[0, 3, 0], [3, 0, 0], [0, 0, 0]]
    assert graph.components()[0] == 1


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=30))
def test_every_source_gives_the_same_graph(pairs):
    reference = nx.Graph(pairs)
    matrix = nx.to_scipy_sparse_array(reference, nodelist=sorted(reference), weight=None)
    array = np.array(pairs)
    for source in (pairs, reference, nx.DiGraph(pairs), matrix, array, torch.tensor(array).T, Graph.of(pairs)):
        graph = Graph.of(source)
        names = sorted(reference) if source is matrix else graph.labels
        found = {frozenset((names[u], names[v])) for u, v in graph.edges.tolist()}
        assert found == {frozenset(e) for e in reference.edges if e[0] != e[1]}
        assert graph.components()[0] == nx.number_connected_components(reference)
        reference.remove_edges_from(list(nx.selfloop_edges(reference)))
        assert graph.is_tree == nx.is_tree(reference)


def test_edge_index_of_either_orientation():
    rows = [[0, 1], [1, 2], [2, 3], [3, 4]]
    for source in (np.array(rows), np.array(rows).T, torch.tensor(rows), torch.tensor(rows).T):
        assert Graph.of(source).edges.tolist() == rows
    assert Graph.of(np.array(rows[:2])).edges.tolist() == rows[:2]  # 2 x 2: rows for an array ...
    assert Graph.of(torch.tensor(rows[:2]).T).edges.tolist() == rows[:2]  # ... columns for a tensor
    weighted = Graph.of(np.array([[7, 5, 0.5], [5, 6, 2.0]]))
    assert (weighted.labels, weighted.edges.tolist()) == ([5, 6, 7], [[0, 1], [0, 2]])
    assert weighted.weights is not None and weighted.weights.tolist() == [2.0, 0.5]


def test_nodes_without_edges_stay():
    lonely = nx.Graph()
    lonely.add_nodes_from(["x", "y"])
    assert (Graph.of(lonely).n, Graph.of(lonely).m, Graph.of(lonely).is_tree) == (2, 0, False)
    assert Graph.of(sp.csr_array((1, 1))).is_tree
    assert Graph.of([("x", "x")]).is_tree


def test_networkx_weights():
    source = nx.Graph()
    source.add_edge("a", "b", weight=2)
    assert Graph.of(source).weights.tolist() == [2.0]
    source.add_edge("b", "c")
    with pytest.raises(ValueError, match=r"'b' - 'c' has no weight"):
        Graph.of(source)


def test_sparse_entries_other_than_one_are_lengths():
    matrix = sp.coo_array(([2.0, 2.0, 1.0, 1.0], ([0, 1, 1, 2], [1, 0, 2, 1])))
    graph = Graph.of(matrix)
    assert graph.weights is not None and graph.weights.tolist() == [2.0, 1.0]
    assert graph.duplicates == 0
    with pytest.raises(ValueError, match="comes twice, with lengths 2 and 3"):
        Graph.of(sp.coo_array(([2.0, 3.0], ([0, 1], [1, 0])), shape=(2, 2)))


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ([], ValueError, "empty"),
        (nx.Graph(), ValueError, "empty"),
        (sp.csr_array((0, 0)), ValueError, "empty"),
        (np.empty((0, 2), dtype=int), ValueError, "empty"),
        (sp.csr_array((2, 3)), ValueError, "square"),
        ("edges.tsv", TypeError, "hypgeo.data.edges reads files"),
        (7, TypeError, "not int"),
        (["ab"], ValueError, "item 0 of the edge list is 'ab'"),
        ([("a", "b"), ("c",)], ValueError, r"item 1 of the edge list is \('c',\)"),
        ([("a", "b"), 3], ValueError, "item 1 of the edge list is 3"),
        ([("a", "b"), ("b", "c", 1.0)], ValueError, "some have none"),
        ([("a", "b", 1.0), ("b", "c", float("nan"))], ValueError, "'b' - 'c' has length nan"),
        ([("a", "b", -2.0)], ValueError, "'a' - 'b' has length -2"),
        ([("a", "b", float("inf"))], ValueError, "'a' - 'b' has length inf"),
        ([("a", "b", "far")], ValueError, "'a' - 'b' has length 'far', which is not a number"),
        ([("a", "b", 1.0), ("b", "a", 2.0)], ValueError, "'a' - 'b' comes twice, with lengths 1 and 2"),
        (np.zeros((3, 4)), ValueError, r"shape \(3, 4\)"),
        (np.array([[0.5, 1.0]]), ValueError, "not integers"),
    ],
)
def test_what_is_refused(source, error, message):
    with pytest.raises(error, match=message) as caught:
        Graph.of(source)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("labels", "edges", "weights", "message"),
    [
        ([], [], None, "empty"),
        (["a", "a"], [[0, 1]], None, "distinct"),
        (["a", "b"], [[1, 0]], None, "smaller index first"),
        (["a", "b"], [[0, 1], [0, 1]], None, "distinct"),
        (["a", "b"], [[0, 2]], None, "nodes 0 to 1"),
        (["a", "b"], [[0, 1]], [1.0, 2.0], "weights must be float64"),
        (["a", "b"], [[0, 1]], [-1.0], "'a' - 'b' has length -1"),
    ],
)
def test_constructor_checks(labels, edges, weights, message):
    weights = None if weights is None else np.array(weights)
    with pytest.raises(ValueError, match=message):
        Graph(labels, np.array(edges, dtype=np.int64).reshape(-1, 2), weights)


def test_misspelt_labels():
    graph = Graph.of([("tiger", "lion"), ("lion", "lynx")])
    assert graph.index("lynx") == 2
    with pytest.raises(ValueError, match=r"no node is labelled 'tigr'; did you mean 'tiger'\?"):
        graph.index("tigr")
    with pytest.raises(ValueError, match="nor anything close"):
        graph.index("zzzzzz")
    with pytest.raises(ValueError, match="3 is there, but as int"):
        Graph.of([(3, 4)]).index("3")


def test_misspelt_labels_among_very_many():
    graph = Graph.of([(f"node{i}", f"node{i + 1}") for i in range(100_001)])
    with pytest.raises(ValueError, match=r"did you mean 'node100' or"):
        graph.index("node100x")


def test_integers_too_large_for_an_index_are_labels_all_the_same():
    assert Graph.of([(2**70, 3)]).labels == [2**70, 3]
