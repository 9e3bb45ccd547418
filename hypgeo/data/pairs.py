"""Directed pairs of labels, whatever they came as: who is to be near whom."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from hypgeo.data.graph import Graph

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distinct directed pairs (u, v) of nodes: v is a neighbour of u.

    `Pairs.of` builds them from whatever holds some.

    labels: n distinct labels; a node's index is its place here.
    pairs: (m, 2) int64, in the order they were given.
    self_loops, duplicates: how many were dropped as loops and as repetitions.
    """

    labels: list[Hashable]
    pairs: Ints
    self_loops: int = 0
    duplicates: int = 0

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.labels)

    @property
    def m(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    @classmethod
    def of(cls, given: Any) -> Pairs:
        """Pairs from a list, an array or a graph.

        given: Pairs; an iterable of label pairs (u, v) or an (m, 2) integer array, directed as they stand; a networkx
        digraph or a scipy sparse (n, n) matrix, whose arcs and entries are the pairs; an undirected graph (networkx or
        hypgeo), each edge of which is two pairs. Integer labels are put in increasing order, others as they appear.
        """
        if isinstance(given, Pairs):
            return given
        if isinstance(given, Graph):
            return _distinct(given.labels, np.concatenate([given.edges, given.edges[:, ::-1]]))
        if isinstance(given, nx.Graph):
            ids = {label: i for i, label in enumerate(given.nodes)}
            ends = [(ids[u], ids[v]) for u, v in given.edges()]
            if not given.is_directed():
                ends += [(v, u) for u, v in ends if u != v]
            return _distinct(list(ids), np.array(ends, dtype=np.int64).reshape(-1, 2))
        if sp.issparse(given):
            matrix: Any = given
            if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
                raise ValueError(f"an adjacency matrix is square, not of shape {matrix.shape}.")
            u, v = matrix.nonzero()
            return _distinct(list(range(matrix.shape[0])), np.stack([u, v], axis=1).astype(np.int64))
        array = given.detach().cpu().numpy() if hasattr(given, "detach") else given
        if isinstance(array, np.ndarray) and array.dtype.kind in "iu":
            if array.ndim != 2 or array.shape[1] != 2:
                raise ValueError(f"an array of pairs is (m, 2), not of shape {array.shape}.")
            values, ids_of = np.unique(array.astype(np.int64), return_inverse=True)
            return _distinct(values.tolist(), ids_of.reshape(-1, 2))
        if isinstance(given, str | bytes) or not isinstance(given, Iterable):
            raise TypeError(f"pairs are a list of (u, v), an (m, 2) array or a graph, not {type(given).__name__}.")
        return _of_list(list(given))

    @cached_property
    def neighbours(self) -> tuple[Ints, Ints]:
        """Each node's neighbours in compressed rows: (n + 1,) places and (m,) indices, increasing in each row."""
        order = np.lexsort((self.pairs[:, 1], self.pairs[:, 0]))
        indptr = np.zeros(self.n + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.pairs[:, 0], minlength=self.n), out=indptr[1:])
        return indptr, np.ascontiguousarray(self.pairs[order, 1])


def _of_list(rows: list[Any]) -> Pairs:
    for i, row in enumerate(rows):
        if isinstance(row, str | bytes) or not hasattr(row, "__len__") or len(row) != 2:
            raise ValueError(f"item {i} of the list is {row!r}, not a pair (u, v).")
    plain = [tuple(x.item() if isinstance(x, np.generic) else x for x in row) for row in rows]
    seen: dict[Hashable, int] = {}
    ends = np.array([[seen.setdefault(x, len(seen)) for x in row] for row in plain], dtype=np.int64).reshape(-1, 2)
    labels = list(seen)
    if all(isinstance(x, int) and not isinstance(x, bool) for x in labels):
        order = sorted(range(len(labels)), key=labels.__getitem__)  # type: ignore[arg-type]
        place = np.empty(len(labels), dtype=np.int64)
        place[order] = np.arange(len(labels))
        labels, ends = [labels[i] for i in order], place[ends] if len(ends) else ends
    return _distinct(labels, ends)


def _distinct(labels: list[Hashable], ends: Ints) -> Pairs:
    loops = ends[:, 0] == ends[:, 1]
    ends = ends[~loops]
    if not len(ends):
        raise ValueError("there are no pairs of two different nodes: at least one is needed.")
    first = np.sort(np.unique(ends[:, 0] * len(labels) + ends[:, 1], return_index=True)[1])
    return Pairs(labels, np.ascontiguousarray(ends[first]), int(loops.sum()), len(ends) - len(first))
