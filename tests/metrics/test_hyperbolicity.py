"""delta_hyperbolicity against all quadruples, and against graphs whose delta is known."""

import brute
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import SHAPES, edges

from hypgeo.metrics import delta_hyperbolicity

LENGTHS = {
    "none": st.just(1.0),
    "integers": st.integers(1, 4).map(float),
    "reals": st.floats(0.1, 2),
    "decades": st.floats(-14, 2).map(lambda e: 10.0**e),
    "zeros": st.sampled_from([0.0, 1.0, 2.0]),
}


@given(st.data(), st.sampled_from(sorted(LENGTHS)))
@settings(max_examples=250, deadline=None)
def test_any_graph(data: st.DataObject, kind: str) -> None:
    """Random edges round a cycle or on their own; lengths that rounding swallows beside others, and of zero."""
    n = data.draw(st.integers(4, 10))
    graph = nx.cycle_graph(n) if data.draw(st.booleans()) else nx.empty_graph(n)
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] != e[1])
    graph.add_edges_from(data.draw(st.lists(pair, max_size=2 * n)))
    for u, v in graph.edges:
        graph.edges[u, v]["weight"] = data.draw(LENGTHS[kind])
    true = brute.delta(graph)
    assert delta_hyperbolicity(graph) == pytest.approx(true, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("n", range(3, 30))
def test_cycles(n: int) -> None:
    """Koolen and Moulton 2001: floor(n / 4), less a half where n = 1 modulo 4."""
    assert delta_hyperbolicity(nx.cycle_graph(n)) == n // 4 - (0.5 if n % 4 == 1 else 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_trees_have_none(shape: str) -> None:
    assert delta_hyperbolicity(edges(SHAPES[shape](2000), None)) == 0


def test_grids_and_complete_graphs() -> None:
    assert delta_hyperbolicity(nx.grid_2d_graph(6, 9)) == 5
    assert delta_hyperbolicity(nx.complete_graph(12)) == 0
    assert delta_hyperbolicity(nx.complete_bipartite_graph(3, 4)) == 1


def test_blocks_are_searched_one_by_one() -> None:
    """Cycles hung on a long tree: the largest decides, and no matrix of the whole is made."""
    graph = nx.path_graph(20_000)
    for start, size in ((5, 9), (500, 23), (19_000, 16)):
        nx.add_cycle(graph, [start, *range(10**6 + start, 10**6 + start + size - 1)])
    assert delta_hyperbolicity(graph) == 5
    with pytest.raises(ValueError, match="a block of the graph has 23 nodes, more than largest_block=20"):
        delta_hyperbolicity(graph, largest_block=20)


def test_units_are_those_of_lengths() -> None:
    graph = nx.connected_watts_strogatz_graph(40, 4, 0.3, seed=0)
    draw = np.random.default_rng(0)
    for u, v in graph.edges:
        graph.edges[u, v]["weight"] = float(draw.uniform(1, 2))
    one = delta_hyperbolicity(graph)
    for u, v in graph.edges:
        graph.edges[u, v]["weight"] *= 1000
    assert delta_hyperbolicity(graph) == pytest.approx(1000 * one, rel=1e-12) and one > 0


def test_few_nodes() -> None:
    alone = nx.Graph()
    alone.add_node(0)
    assert delta_hyperbolicity(alone) == delta_hyperbolicity([(0, 1)]) == delta_hyperbolicity(nx.cycle_graph(3)) == 0
