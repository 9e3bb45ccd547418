"""A graph as PyTorch Geometric takes it."""

from __future__ import annotations

import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from hypgeo.data.graph import Graph

__all__ = ["geometric"]


def geometric(graph: Graph) -> Data:
    """PyG's ``Data`` of a graph: ``edge_index`` both ways, ``edge_weight`` where there are lengths, ``labels``.

    ``geometric(hypgeo.data.mammals())`` is WordNet's mammals.  Lengths are distances: a convolution wants the nearer
    neighbour to weigh more.
    """
    edges = torch.from_numpy(graph.edges).T.contiguous()
    data = Data(num_nodes=graph.n, labels=list(graph.labels))
    if graph.weights is None:
        data.edge_index = to_undirected(edges, num_nodes=graph.n)
    else:
        data.edge_index, data.edge_weight = to_undirected(edges, torch.from_numpy(graph.weights), num_nodes=graph.n)
    return data
