"""One undirected graph with labels, whatever it came as."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# difflib compares one label in about 5 microseconds; past this many, only labels of the same first letter are looked at
_COMPARE_ALL = 100_000


def unknown_label(label: object, labels: Sequence[Hashable]) -> ValueError:
    """The error for a label that is not among `labels`: names it and up to three close ones."""
    wanted = str(label)
    names: Iterable[str] = (str(x) for x in labels)
    if len(labels) > _COMPARE_ALL:
        names = (x for x in names if x[:1] == wanted[:1] and abs(len(x) - len(wanted)) <= 3)
    by_name = dict.fromkeys(names)
    close = difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.6)
    if wanted in by_name:  # 3 asked for where "3" is there, or the other way round
        kind = type(next(x for x in labels if str(x) == wanted)).__name__
        return ValueError(f"no node is labelled {label!r}; {wanted} is there, but as {kind}.")
    if not close:
        return ValueError(f"no node is labelled {label!r}, nor anything close to it.")
    return ValueError(f"no node is labelled {label!r}; did you mean {' or '.join(map(repr, close))}?")


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph: labels, each edge once, lengths where there are any.

    `Graph.of` builds one from whatever holds a graph; the constructor takes edges in the form below and checks it.

    labels: n distinct labels; a node's index is its place here.
    edges: (m, 2) int64, `edges[:, 0] < edges[:, 1]`, distinct, in lexicographic order.
    weights: (m,) float64 lengths, finite and >= 0; None for an unweighted graph.
    self_loops, duplicates: how many lines of the source were dropped as loops and as repeated pairs.
    """

    labels: list[Hashable]
    edges: Ints
    weights: Floats | None = None
    self_loops: int = 0
    duplicates: int = 0

    def __post_init__(self) -> None:
        n, edges, weights = len(self.labels), self.edges, self.weights
        if n == 0:
            raise ValueError("the graph is empty: at least one node is needed.")
        if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype != np.int64:
            raise ValueError(f"edges must be an (m, 2) int64 array, not {edges.dtype} of shape {edges.shape}.")
        if len(edges) and (edges.min() < 0 or edges.max() >= n):
            raise ValueError(f"edges must name nodes 0 to {n - 1}, not {edges.min()} to {edges.max()}.")
        if (edges[:, 0] >= edges[:, 1]).any() or (np.diff(edges[:, 0] * n + edges[:, 1]) <= 0).any():
            raise ValueError("edges must be distinct, smaller index first, in lexicographic order; use Graph.of.")
        if len(self._index) != n:
            raise ValueError("labels must be distinct.")
        if weights is not None:
            if weights.shape != (len(edges),) or weights.dtype != np.float64:
                found = f"{weights.dtype} of shape {weights.shape}"
                raise ValueError(f"weights must be float64 of shape ({len(edges)},), not {found}.")
            _check_weights(self.labels, edges[:, 0], edges[:, 1], weights)

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.labels)

    @property
    def m(self) -> int:
        """Number of edges."""
        return len(self.edges)

    @cached_property
    def _index(self) -> dict[Hashable, int]:
        return {label: i for i, label in enumerate(self.labels)}

    def index(self, label: Hashable) -> int:
        """The index of the node so labelled; ValueError names close labels when there is none."""
        found = self._index.get(label)
        if found is None:
            raise unknown_label(label, self.labels)
        return found

    def adjacency(self) -> sp.csr_array:
        """(n, n) symmetric float64; entries are lengths (zero lengths are explicit entries), or 1 when unweighted."""
        return self._csr(np.ones(self.m) if self.weights is None else self.weights)

    def _csr(self, data: npt.NDArray[Any]) -> sp.csr_array:
        u, v = self.edges.T
        ends = (np.concatenate([u, v]), np.concatenate([v, u]))
        return sp.csr_array((np.concatenate([data, data]), ends), shape=(self.n, self.n))

    def components(self) -> tuple[int, Ints]:
        """How many connected components, and the (n,) component of each node."""
        count, which = connected_components(self._csr(np.ones(self.m)), directed=False)
        return int(count), which.astype(np.int64)

    @cached_property
    def is_tree(self) -> bool:
        """Connected and without a cycle; one node alone is a tree."""
        return self.m == self.n - 1 and self.components()[0] == 1

    @cached_property
    def degrees(self) -> Ints:
        """(n,) number of neighbours of each node."""
        return np.bincount(self.edges.ravel(), minlength=self.n).astype(np.int64)

    def __repr__(self) -> str:
        kind = "tree" if self.is_tree else "graph"
        weighted = "" if self.weights is None else ", weighted"
        return f"Graph({kind}, {self.n:,} nodes, {self.m:,} edges{weighted})"

    @classmethod
    def of(cls, graph: Any) -> Graph:
        """A Graph from whatever holds one; directions are forgotten, loops and repeated pairs dropped and counted.

        graph: a Graph; a networkx graph (edge attribute "weight" is the length); a scipy sparse (n, n) matrix (labels
        are 0 to n-1, entries other than 1 are lengths); an iterable of label pairs (u, v) or triples (u, v, length);
        an array or tensor of integer labels, (m, 2), (m, 3) with lengths, or (2, m) as PyTorch Geometric has it (where
        both readings fit, an array is read as rows and a tensor as columns). Integer labels are put in increasing
        order, others in order of appearance.
        """
        if isinstance(graph, Graph):
            return graph
        if isinstance(graph, nx.Graph):
            return _of_networkx(graph)
        if sp.issparse(graph):
            return _of_sparse(graph)
        if hasattr(graph, "detach"):  # a tensor, without importing torch
            array = graph.detach().cpu().numpy()
            return _of_array(array.T if array.ndim == 2 and len(array) == 2 else array)
        if isinstance(graph, np.ndarray) and graph.dtype.kind in "iuf":
            return _of_array(graph.T if graph.ndim == 2 and len(graph) == 2 and graph.shape[1] not in (2, 3) else graph)
        if isinstance(graph, str | bytes) or not isinstance(graph, Iterable):
            raise TypeError(
                f"a graph is a networkx graph, an edge list or a scipy sparse matrix, not {type(graph).__name__}"
                + (" (hypgeo.data.edges reads files)." if isinstance(graph, str | bytes) else ".")
            )
        return _of_pairs(graph)

    @classmethod
    def from_indices(cls, labels: list[Hashable], u: Ints, v: Ints, weights: Floats | None = None) -> Graph:
        """A Graph from labels and the (m,) indices of the edges' ends, in any order; loops and repeats are dropped."""
        if weights is not None:
            _check_weights(labels, u, v, weights)
        loops = u == v
        dropped = int(loops.sum())
        if dropped:
            u, v = u[~loops], v[~loops]
            weights = None if weights is None else weights[~loops]
        key = np.minimum(u, v) * len(labels) + np.maximum(u, v)
        order = np.argsort(key, kind="stable")
        key = key[order]
        again = np.zeros(len(key), dtype=bool)
        again[1:] = key[1:] == key[:-1]
        if weights is not None:
            weights = weights[order]
            unequal = np.flatnonzero(again[1:] & (weights[1:] != weights[:-1]))
            if len(unequal):
                i, j = divmod(int(key[unequal[0]]), len(labels))
                a, b = weights[unequal[0]], weights[unequal[0] + 1]
                raise ValueError(f"the edge {labels[i]!r} - {labels[j]!r} comes twice, with lengths {a:g} and {b:g}.")
            weights = weights[~again]
        key = key[~again]
        edges = np.stack(np.divmod(key, len(labels)), axis=1) if len(key) else np.empty((0, 2), dtype=np.int64)
        return cls(labels, edges, weights, dropped, int(again.sum()))


def _check_weights(labels: Sequence[Hashable], u: Ints, v: Ints, weights: Floats) -> None:
    bad = np.flatnonzero(~((weights >= 0) & (weights < np.inf)))
    if len(bad):
        i = bad[0]
        edge = f"{labels[u[i]]!r} - {labels[v[i]]!r}"
        raise ValueError(f"the edge {edge} has length {weights[i]:g}; lengths must be finite and not negative.")


def _of_networkx(graph: Any) -> Graph:
    labels = list(graph.nodes)
    if not labels:
        raise ValueError("the graph is empty: at least one node is needed.")
    ids = {label: i for i, label in enumerate(labels)}
    rows = list(graph.edges(data="weight"))
    ends = np.fromiter((ids[x] for row in rows for x in row[:2]), dtype=np.int64, count=2 * len(rows)).reshape(-1, 2)
    given = sum(row[2] is not None for row in rows)
    if given not in (0, len(rows)):
        u, v, _ = next(row for row in rows if row[2] is None)
        raise ValueError(f"the edge {u!r} - {v!r} has no weight while {given} other edges have one; give all or none.")
    weights = _lengths([row[2] for row in rows], [row[:2] for row in rows]) if given else None
    return Graph.from_indices(labels, ends[:, 0], ends[:, 1], weights)


def _of_sparse(matrix: Any) -> Graph:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"an adjacency matrix is square, not of shape {matrix.shape}.")
    n = matrix.shape[0]
    if n == 0:
        raise ValueError("the graph is empty: at least one node is needed.")
    coo = sp.coo_array(sp.csr_array(matrix))
    u, v, data = coo.row.astype(np.int64), coo.col.astype(np.int64), coo.data
    weights = None if data.dtype == bool or (data == 1).all() else data.astype(np.float64)
    graph = Graph.from_indices(list(range(n)), u, v, weights)
    # an entry and its mirror image are how a matrix writes one edge, not a repetition
    return Graph(graph.labels, graph.edges, graph.weights, graph.self_loops)


def _of_array(array: npt.NDArray[Any]) -> Graph:
    if array.ndim != 2 or array.shape[1] not in (2, 3):
        raise ValueError(f"an edge array is (m, 2), (2, m), or (m, 3) with lengths, not of shape {array.shape}.")
    if not len(array):
        raise ValueError("the graph is empty: no edges were given.")
    ends = array[:, :2].astype(np.int64)
    if array.dtype.kind == "f" and (ends != array[:, :2]).any():
        row = int(np.flatnonzero((ends != array[:, :2]).any(axis=1))[0])
        raise ValueError(f"row {row} of the edge array names nodes {array[row, :2].tolist()}, which are not integers.")
    weights = array[:, 2].astype(np.float64) if array.shape[1] == 3 else None
    values, inverse = np.unique(ends, return_inverse=True)
    inverse = inverse.reshape(ends.shape)
    return Graph.from_indices(values.tolist(), inverse[:, 0], inverse[:, 1], weights)


def _of_pairs(pairs: Iterable[Any]) -> Graph:
    rows = list(pairs)
    if not rows:
        raise ValueError("the graph is empty: no edges were given.")
    try:
        sizes = {len(row) for row in rows}
    except TypeError:
        sizes = set()
    if sizes not in ({2}, {3}) or any(isinstance(row, str) for row in rows):
        i, bad = next(((i, r) for i, r in enumerate(rows) if not _is_row(r)), (0, rows[0]))
        if _is_row(bad):
            raise ValueError("some edges have a length and some have none; give all or none.")
        raise ValueError(f"item {i} of the edge list is {bad!r}, not a pair (u, v) or a triple (u, v, length).")
    columns = list(zip(*rows, strict=True))
    return of_columns(columns[0], columns[1], _lengths(columns[2], rows) if len(columns) == 3 else None)


def of_columns(us: Sequence[Hashable], vs: Sequence[Hashable], weights: Floats | None = None) -> Graph:
    """A Graph from the labels at either end of its edges; integer labels in increasing order, others as they appear."""
    labels: list[Hashable]
    kinds = set(map(type, us)).union(map(type, vs))
    ends = (
        np.array([us, vs]).T if all(issubclass(kind, int | np.integer) and kind is not bool for kind in kinds) else None
    )
    if ends is not None and ends.dtype == np.int64:  # integers past 64 bits stay objects, or become floats
        values, ids = np.unique(ends, return_inverse=True)
        labels, ids = values.tolist(), ids.reshape(-1, 2)
    else:
        seen: dict[Hashable, int] = {}
        pairs = chain.from_iterable(zip(us, vs, strict=True))
        ids = np.fromiter((seen.setdefault(x, len(seen)) for x in pairs), dtype=np.int64, count=2 * len(us)).reshape(
            -1, 2
        )
        labels = list(seen)
    return Graph.from_indices(labels, ids[:, 0], ids[:, 1], weights)


def _is_row(row: object) -> bool:
    return not isinstance(row, str) and hasattr(row, "__len__") and len(row) in (2, 3)


def _lengths(values: Sequence[Any], rows: Sequence[Any]) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        for value, row in zip(values, rows, strict=True):
            try:
                float(value)
            except (TypeError, ValueError):
                message = f"the edge {row[0]!r} - {row[1]!r} has length {value!r}, which is not a number."
                raise ValueError(message) from None
        raise
