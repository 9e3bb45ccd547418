"""How tree-like a graph is."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import torch
from scipy.sparse.csgraph import dijkstra

from hypgeo.data.graph import Graph
from hypgeo.ops import tree as ops


def delta_hyperbolicity(graph: Any, largest_block: int = 4000) -> float:
    """Gromov's four-point delta: 0 for a tree, 1 for a cycle of 4; exact, in units of edge lengths.

    For nodes u, v, x, y the largest of d(u,v)+d(x,y), d(u,x)+d(v,y), d(u,y)+d(v,x) exceeds the second by at most
    2 delta.  It is the largest over the graph's biconnected blocks, each searched over its far-apart pairs
    (csrc/tree/delta.h).  A block of more than `largest_block` nodes is refused, for the memory of its n x n distances.
    """
    graph = Graph.of(graph)
    adjacency = graph.adjacency()
    adjacency.data[adjacency.data == 0] = 1e-300  # csgraph takes a stored zero for no edge
    best = 0.0
    whole: nx.Graph[int] = nx.Graph()
    whole.add_edges_from(graph.edges.tolist())
    for block in sorted(nx.biconnected_components(whole), key=len):
        if len(block) < 4:
            continue
        if len(block) > largest_block:
            raise ValueError(
                f"a block of the graph has {len(block):,} nodes, more than largest_block={largest_block:,}; raise that "
                f"limit if {len(block) ** 2 * 8 / 2**30:.1f} GiB of distances are welcome."
            )
        nodes = np.array(sorted(block), dtype=np.int64)
        part = adjacency[nodes][:, nodes].tocsr()
        distances = torch.from_numpy(dijkstra(part, directed=False))
        indptr, indices = (
            torch.from_numpy(part.indptr.astype(np.int64)),
            torch.from_numpy(part.indices.astype(np.int64)),
        )
        best = max(best, ops.graph_delta(distances, indptr, indices))
    return best
