"""Transforms of PyG data that hyperbolic models ask for."""

from __future__ import annotations

import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import degree

__all__ = ["DegreeFeatures", "Hyperbolicity"]


class Hyperbolicity(BaseTransform):
    """Adds ``data.hyperbolicity``, Gromov's four-point delta of the graph: 0 for a tree, exact.

    See :func:`hypgeo.metrics.delta_hyperbolicity`, which says what ``largest_block`` is.
    """

    def __init__(self, largest_block: int = 4000) -> None:
        self.largest_block = largest_block

    def forward(self, data: Data) -> Data:
        from hypgeo.data import Graph
        from hypgeo.metrics import delta_hyperbolicity

        assert data.edge_index is not None and data.num_nodes is not None
        u, v = data.edge_index.cpu().numpy()
        pairs = {(int(min(a, b)), int(max(a, b))) for a, b in zip(u, v, strict=True) if a != b}
        graph = Graph.of(list(pairs))
        data.hyperbolicity = delta_hyperbolicity(graph, self.largest_block)
        return data


class DegreeFeatures(BaseTransform):
    """Appends to ``data.x`` a one-hot of each node's degree, up to ``most``, and a constant 1.

    As Chami et al., "Hyperbolic Graph Convolutional Neural Networks", 2019, do for Airport: of the edges that are there
    for message passing, so that after ``RandomLinkSplit`` no held-out edge shows.
    """

    def __init__(self, most: int = 5) -> None:
        self.most = most

    def forward(self, data: Data) -> Data:
        assert data.edge_index is not None and data.num_nodes is not None
        d = degree(data.edge_index[1], data.num_nodes, dtype=torch.int64).clamp_max(self.most)
        new = torch.cat((torch.nn.functional.one_hot(d, self.most + 1).float(), d.new_ones(len(d), 1).float()), 1)
        data.x = new if data.x is None else torch.cat((data.x, new.to(data.x)), 1)
        return data
