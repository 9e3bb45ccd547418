"""A tree out of a graph: which edges to keep so that ranks suffer least, and from where to hang it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, dijkstra, minimum_spanning_tree

from hypgeo.data.graph import Graph

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spanning:
    """Edges of a tree over all nodes of a graph."""

    edges: Ints  # (n - 1, 2) node indices
    lengths: Floats  # (n - 1,) wanted lengths
    set_aside: Ints  # (k, 2) edges of the graph that are not in the tree
    bridges: Ints  # (components - 1, 2) tree edges that are not in the graph: they only hold a forest together
    spokes: tuple[
        int, ...
    ] = ()  # hidden node n + k is the centre of a cycle of spokes[k] nodes, its first edges in turn


def spanning_tree(graph: Graph) -> Spanning:
    """The spanning tree that keeps precision high, components joined by bridges twice as long as the longest edge.

    A node of degree k that loses a neighbour loses about 1/k of its average precision, so the tree of largest total
    1/deg(u) + 1/deg(v) is taken.
    """
    lengths = np.ones(graph.m) if graph.weights is None else graph.weights
    if graph.m == graph.n - 1 and graph.is_tree:
        none = np.empty((0, 2), dtype=np.int64)
        return Spanning(graph.edges, lengths, none, none)
    u, v = graph.edges.T
    gain = 1 / graph.degrees[u] + 1 / graph.degrees[v]
    cost = sp.csr_array((3 - gain, (u, v)), shape=(graph.n, graph.n))  # positive: csgraph drops zeros
    tree = minimum_spanning_tree(cost).tocoo()
    kept = np.isin(u * graph.n + v, np.asarray(tree.row, dtype=np.int64) * graph.n + tree.col)
    edges, kept_lengths, bridges = graph.edges[kept], lengths[kept], np.empty((0, 2), dtype=np.int64)
    count, which = graph.components()
    if count > 1:
        sizes = np.bincount(which)
        heads = np.array(
            [centre(graph.n, edges, kept_lengths, int(i)) if sizes[which[i]] > 2 else i for i in _first_of(which)]
        )
        main = int(heads[np.argmax(sizes)])
        bridges = np.array([(main, h) for h in heads if h != main], dtype=np.int64)
        edges = np.concatenate([edges, bridges])
        longest = kept_lengths.max(initial=0.0) or 1.0
        kept_lengths = np.concatenate([kept_lengths, np.full(len(bridges), 2 * longest)])
    return Spanning(edges, kept_lengths, graph.edges[~kept], bridges)


def _first_of(which: Ints) -> Ints:
    return np.unique(which, return_index=True)[1].astype(np.int64)


def _rows(n: int, edges: Ints, lengths: Floats) -> sp.csr_array:
    u, v = edges.T
    ends = (np.concatenate([u, v]), np.concatenate([v, u]))
    return sp.csr_array((np.concatenate([lengths, lengths]), ends), shape=(n, n))


def centre(n: int, edges: Ints, lengths: Floats, start: int) -> int:
    """The node of the tree through `start` from which the farthest node is nearest."""
    if not len(edges):
        return start
    rows = _rows(n, edges, np.maximum(lengths, 1e-12 * lengths.max(initial=1.0)))  # csgraph takes zero for no edge

    def far(i: int) -> tuple[int, Floats, Ints]:
        d, before = dijkstra(rows, directed=False, indices=i, return_predecessors=True)  # type: ignore[call-overload]
        return int(np.argmax(np.where(np.isfinite(d), d, -1))), d, before

    a, _, _ = far(start)
    b, d, before = far(a)
    half, node = d[b] / 2, b
    while d[node] > half:  # walk back to the middle of a longest path
        last, node = node, int(before[node])
    return last if b != a and d[last] - half < half - d[node] else node


def cycles(spanning: Spanning, n: int) -> dict[int, list[int]]:
    """The graph nodes round each star, in cyclic order; n is the number of graph nodes."""
    out: dict[int, list[int]] = {n + k: [] for k in range(len(spanning.spokes))}
    for u, v in spanning.edges[((spanning.edges >= n) & (spanning.edges < n + len(out))).any(axis=1)].tolist():
        for star, node in ((u, v), (v, u)):
            if star in out and len(out[star]) < spanning.spokes[star - n]:
                out[star].append(node)
    return out


def turn(order: Ints, parent: Ints, length: Floats, wheels: dict[int, list[int]]) -> tuple[Ints, Ints, Floats]:
    """The tree of `hang` with the children of every star in cyclic order, from the parent on, the others last."""
    n = len(order)
    children: list[list[int]] = [[] for _ in range(n)]
    for i, p in enumerate(parent[1:].tolist(), start=1):
        children[p].append(i)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    for star, wheel in wheels.items():
        i = int(place[star])
        above = int(order[parent[i]])
        at = wheel.index(above) if above in wheel else len(wheel)
        first = [int(place[v]) for v in wheel[at + 1 :] + wheel[:at]]
        children[i] = first + sorted(set(children[i]) - set(first))
    new = [0]
    for i in new:
        new += children[i]
    fresh = np.array(new, dtype=np.int64)
    moved = np.empty(n, dtype=np.int64)
    moved[fresh] = np.arange(n)
    hung: Ints = np.full(n, -1, dtype=np.int64)
    hung[1:] = moved[parent[fresh[1:]]]
    return order[fresh], hung, length[fresh]


def wheel_sectors(order: Ints, parent: Ints, wheels: dict[int, list[int]]) -> Floats:
    """(n, 2): the sector of a spoke, at the node itself (a star) and at its parent (a star); 0 for all other edges.

    The spokes of a star divide its circle evenly, but for two fifths of such a sector where it has other edges too.
    """
    n = len(order)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    edges = np.bincount(parent[1:], minlength=n) + (np.arange(n) > 0)
    fixed: Floats = np.zeros((n, 2))
    for star, wheel in wheels.items():
        i = int(place[star])
        omega = 2 * np.pi / (len(wheel) + (0.4 if edges[i] > len(wheel) else 0.0))
        for v in wheel:
            j = int(place[v])
            fixed[(j, 1) if parent[j] == i else (i, 0)] = omega
    return fixed


def hang(n: int, edges: Ints, lengths: Floats, root: int) -> tuple[Ints, Ints, Floats]:
    """The tree from `root`: nodes in breadth-first order, each one's parent as a position in it, its edge's length."""
    rows = _rows(n, edges, np.arange(1, len(edges) + 1, dtype=np.float64))
    visited, before = breadth_first_order(rows, root, directed=False)
    order: Ints = visited.astype(np.int64)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    parent: Ints = np.full(n, -1, dtype=np.int64)
    parent[1:] = place[before[order[1:]]]
    length: Floats = np.zeros(n)
    a, b = place[edges[:, 0]], place[edges[:, 1]]
    length[np.maximum(a, b)] = lengths  # the child comes later in breadth-first order
    return order, parent, length
