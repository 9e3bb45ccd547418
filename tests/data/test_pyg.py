import torch

import hypgeo


def test_geometric_has_both_directions_and_serves_again():
    graph = hypgeo.data.Graph.of([("a", "b"), ("b", "c")])
    for _ in range(2):  # its module, once imported, must not stand in its place
        data = hypgeo.data.geometric(graph)
    assert data.num_nodes == 3 and data.labels == graph.labels
    assert torch.equal(data.edge_index, torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
    assert data.edge_weight is None


def test_geometric_keeps_lengths():
    graph = hypgeo.data.Graph.of([("a", "b", 2.0), ("b", "c", 3.0)])
    assert hypgeo.data.geometric(graph).edge_weight.tolist() == [2.0, 2.0, 3.0, 3.0]
