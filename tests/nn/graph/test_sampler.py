"""Sampled neighbourhoods, and convolutions in PyG's loaders."""

import pytest
import torch
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import LinkNeighborLoader, NeighborLoader
from torch_geometric.utils import erdos_renyi_graph, k_hop_subgraph

from hypgeo import Euclidean, PoincareBall
from hypgeo.nn import Activation, Sequential
from hypgeo.nn.graph import HGATConv, HGCNConv, PlainNeighborSampler

NODES = 60


def graph() -> Data:
    torch.manual_seed(0)
    edges = erdos_renyi_graph(NODES, 0.08, directed=True)
    return Data(x=torch.randn(NODES, 4), edge_index=edges, edge_attr=torch.arange(edges.shape[1]))


def loader(data: Data, steps: list[int], **kwargs: object) -> NeighborLoader:
    return NeighborLoader(data, steps, neighbor_sampler=PlainNeighborSampler(data, steps), **kwargs)


def pairs(edges: torch.Tensor) -> set[tuple[int, int]]:
    return {tuple(p) for p in edges.T.tolist()}


def test_all_neighbours_are_the_neighbourhood() -> None:
    data = graph()
    for batch in loader(data, [-1, -1], batch_size=7):
        seeds = batch.n_id[: batch.batch_size]
        assert torch.equal(seeds, batch.input_id)
        nodes, edges, _, _ = k_hop_subgraph(seeds, 2, data.edge_index)
        assert set(batch.n_id.tolist()) == set(nodes.tolist()) and len(batch.n_id) == len(nodes)
        inner, _, _, _ = k_hop_subgraph(seeds, 1, data.edge_index)
        into = torch.isin(data.edge_index[1], inner)
        assert pairs(batch.n_id[batch.edge_index]) == pairs(data.edge_index[:, into]) <= pairs(edges)
        assert torch.equal(data.edge_index[:, batch.edge_attr], batch.n_id[batch.edge_index])
        assert torch.equal(batch.x, data.x[batch.n_id])


def test_a_few_neighbours_are_drawn_evenly_without_replacement() -> None:
    data = graph()
    node = int(data.edge_index[1].bincount().argmax())
    degree = int((data.edge_index[1] == node).sum())
    one = loader(data, [3], input_nodes=torch.tensor([node]), batch_size=1)
    count = torch.zeros(NODES)
    for _ in range(400):
        batch = next(iter(one))
        sources = batch.n_id[batch.edge_index[0]]
        assert len(sources) == 3 == len(sources.unique()) and (batch.edge_index[1] == 0).all()
        count[sources] += 1
    drawn = count[data.edge_index[0, data.edge_index[1] == node]]
    assert drawn.sum() == 1200 and (drawn - 1200 / degree).abs().max() < 5 * (1200 / degree) ** 0.5
    torch.manual_seed(5)
    first = next(iter(one)).n_id
    torch.manual_seed(5)
    assert torch.equal(first, next(iter(one)).n_id)


def test_a_seed_that_comes_twice_has_its_neighbours_twice() -> None:
    data = graph()
    batch = next(iter(loader(data, [-1], input_nodes=torch.tensor([5, 9, 5]), batch_size=3)))
    want = set(data.edge_index[0, data.edge_index[1] == 5].tolist())
    for place in (0, 2):
        sources = batch.n_id[batch.edge_index[0, batch.edge_index[1] == place]].tolist()
        assert want == set(sources) and len(sources) == len(want)


@pytest.mark.parametrize("conv", [HGCNConv, HGATConv])
@pytest.mark.parametrize("aggr", ["tangent", "local", "midpoint", "frechet"])
def test_a_batch_gives_what_the_graph_gives(conv: type, aggr: str) -> None:
    data, ball = graph(), PoincareBall()
    net = Sequential(
        conv(4, 5, ball, in_manifold=Euclidean(), aggr=aggr), Activation(ball), conv(5, 3, ball, aggr=aggr)
    )
    want = net(data.x, data.edge_index)
    for batch in loader(data, [-1, -1], batch_size=16):
        got = net(batch.x, batch.edge_index)[: batch.batch_size]
        torch.testing.assert_close(got, want[batch.n_id[: batch.batch_size]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("conv", [HGCNConv, HGATConv])
@pytest.mark.parametrize("aggr", ["tangent", "local", "frechet"])
def test_a_pair_of_the_same_nodes_is_a_pair(conv: type, aggr: str) -> None:
    """As between a kind of nodes and itself in a heterogeneous graph: no self loops are added."""
    data, ball = graph(), PoincareBall()
    net = conv(4, 3, ball, aggr=aggr)
    x = ball.from_normal_coordinates(data.x)
    torch.testing.assert_close(net((x, x), data.edge_index), net((x, x.clone()), data.edge_index))


def test_edges_with_negatives() -> None:
    data = graph()
    sampler = PlainNeighborSampler(data, [4, 4])
    link = LinkNeighborLoader(data, [4, 4], neighbor_sampler=sampler, neg_sampling="binary", batch_size=10)
    seen = set()
    for batch in link:
        ends = batch.n_id[batch.edge_label_index]
        seen |= pairs(ends[:, batch.edge_label > 0])
        assert len(batch.edge_label) == 2 * int((batch.edge_label > 0).sum())
    assert seen == pairs(data.edge_index)


def test_refuses_what_it_cannot_do() -> None:
    with pytest.raises(TypeError, match=r"^PlainNeighborSampler takes one kind of nodes.*HeteroData.*install pyg-lib"):
        PlainNeighborSampler(HeteroData(), [3])
    with pytest.raises(ValueError, match=r"^PlainNeighborSampler has no disjoint, replace; install pyg-lib"):
        PlainNeighborSampler(graph(), [3], replace=True, disjoint=True)
