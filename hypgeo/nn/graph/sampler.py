"""Neighbourhoods for PyG's loaders without pyg-lib, which not every platform has."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.sampler import NeighborSampler, SamplerOutput

__all__ = ["PlainNeighborSampler"]


class PlainNeighborSampler(NeighborSampler):
    """PyG's ``NeighborSampler`` of one kind of nodes and edges, in PyTorch alone.

    ``NeighborLoader(data, [10, 10], neighbor_sampler=PlainNeighborSampler(data, [10, 10]), ...)``, likewise
    ``LinkNeighborLoader``.  A step costs in proportion to the degrees of the nodes it spreads from, not to the graph
    (but for one table of its nodes).  Draws come from PyTorch's generator, so ``torch.manual_seed`` repeats them.

    Parameters
    ----------
    data : Data
        The graph.
    num_neighbors : list of int
        How many neighbours of a node to draw at each step, without replacement; -1 takes all.
    """

    def __init__(self, data: Data, num_neighbors: list[int], **kwargs: Any) -> None:
        if not isinstance(data, Data):
            raise TypeError(
                f"PlainNeighborSampler takes one kind of nodes in a Data, got {type(data).__name__}; "
                "for others install pyg-lib and leave neighbor_sampler out"
            )
        refused = sorted(k for k, v in kwargs.items() if v and k not in ("is_sorted", "share_memory"))
        if refused:
            raise ValueError(f"PlainNeighborSampler has no {', '.join(refused)}; install pyg-lib for PyG's own")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*pyg-lib")
            super().__init__(data, num_neighbors, **kwargs)

    def _sample(self, seed: Any, seed_time: Any = None, **kwargs: Any) -> SamplerOutput:
        local = torch.full((self.num_nodes,), -1)  # where a node stands in the sample
        local[seed] = torch.arange(len(seed))
        nodes, rows, columns, edges = [seed], [], [], []
        for most in self.num_neighbors.get_mapped_values():
            found, owner = self._edges_into(nodes[-1], most)
            columns.append(owner + sum(map(len, nodes[:-1])))  # each on its own, also a seed that comes twice
            sources = self.row[found]
            fresh = sources[local[sources] < 0].unique()
            local[fresh] = torch.arange(len(fresh)) + sum(map(len, nodes))
            nodes.append(fresh)
            rows.append(local[sources])
            edges.append(found)
        return SamplerOutput(
            node=torch.cat(nodes),
            row=torch.cat(rows),
            col=torch.cat(columns),
            edge=torch.cat(edges),
            num_sampled_nodes=[len(n) for n in nodes],
            num_sampled_edges=[len(e) for e in edges],
        )

    def _edges_into(self, nodes: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """Edges that end in the nodes, at most so many each, by their places; and which of the nodes each ends in."""
        first, degree = self.colptr[nodes], self.colptr[nodes + 1] - self.colptr[nodes]
        owner = torch.repeat_interleave(torch.arange(len(nodes)), degree)
        rank = torch.arange(len(owner)) - (degree.cumsum(0) - degree)[owner]  # of an edge among those of its node
        place = first[owner] + rank
        if most < 0:
            return place, owner
        # the first of a random order: rank again, now by node and then by a random number
        order = torch.rand(len(owner), dtype=torch.float64).add_(owner).argsort()
        kept = order[rank < most]
        return place[kept], owner[kept]
