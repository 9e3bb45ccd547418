"""How well near nodes of a graph are near in an embedding: mean average precision and mean rank."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from hypgeo.data.graph import Graph
from hypgeo.embedding import Embedding
from hypgeo.manifolds import HalfSpaceTree
from hypgeo.ops import tree as ops

_BLOCK = 1 << 23  # distances held at a time where an embedding has no tree to search


def matched(graph: Any, embedding: Embedding) -> tuple[Graph, np.ndarray]:
    """The graph, and the embedding's index of each of its nodes."""
    graph = Graph.of(graph)
    return graph, np.array([embedding.index(label) for label in graph.labels], dtype=np.int64)


def node_ranks(graph: Any, embedding: Embedding, progress: bool = False) -> Tensor:
    """(n, 2) per node of the graph: its average precision and the sum of its neighbours' ranks; nan without any.

    Exact: every node that could matter is looked at; nodes of the embedding that are not in the graph do not count.
    Distances within 1e-12 of each other count as tied, and ties count against the neighbours.  On a
    HalfSpaceTree, whole subtrees that are provably too far are passed over; points of HTiling that have parents are
    made one (`Embedding.quick`).
    """
    graph, at = matched(graph, embedding)
    embedding = embedding.quick()
    exact = isinstance(embedding.manifold, HalfSpaceTree)
    where = torch.from_numpy(at)
    if exact:  # in the tree's numbering, which may hold more nodes than the graph
        edges, n = at[graph.edges], embedding.n
        rows = Graph.from_indices(list(range(n)), edges[:, 0], edges[:, 1]).adjacency()
        counted = torch.zeros(n, dtype=torch.bool)
        counted[where] = True
    else:
        rows, points = graph.adjacency(), embedding.points[where]
    indptr, indices = torch.from_numpy(rows.indptr.astype(np.int64)), torch.from_numpy(rows.indices.astype(np.int64))
    size = max(4096, -(-graph.n // 20)) if exact else max(1, _BLOCK // graph.n)  # each call indexes the tree anew
    out = torch.empty(graph.n, 2, dtype=torch.float64)
    with tqdm(total=graph.n, desc="ranks", unit="node", disable=not progress, leave=False) as bar:
        for sources in torch.arange(graph.n).split(size):
            if exact:
                out[sources] = ops.ranks(
                    embedding.manifold.parent, embedding.points, indptr, indices, where[sources], counted
                )
            else:
                distances = embedding.manifold.pairwise_dist(points[sources], points).double()
                out[sources] = ops.rank_rows(distances, indptr, indices, sources)
            bar.update(len(sources))
    return out


def mean_average_precision(graph: Any, embedding: Embedding, progress: bool = False) -> float:
    """MAP over all nodes with neighbours: 1 when every neighbour is nearer than every other node (Sala et al. 2018).

    For a node with neighbours b_1, ..., b_k it is the mean over i of |N ∩ R_i| / |R_i|, R_i the smallest set of nearest
    nodes that holds b_i; ties count against us.
    """
    return float(node_ranks(graph, embedding, progress)[:, 0].nanmean())


def mean_rank(graph: Any, embedding: Embedding, progress: bool = False) -> float:
    """Mean over edges of a neighbour's rank among non-neighbours, from 1, ties against us (Nickel & Kiela 2017, §4)."""
    graph = Graph.of(graph)
    if not graph.m:
        return float("nan")
    return float(node_ranks(graph, embedding, progress)[:, 1].nansum() / (2 * graph.m))
