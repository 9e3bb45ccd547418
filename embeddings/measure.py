"""What the recipes and the demo share: the kept tree, an independent check of distances, the machine."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path
from typing import Any

import mpmath as mp  # torch brings it, through sympy
import numpy as np
import torch

from hypgeo import Embedding, Graph
from hypgeo.manifolds import HalfSpaceTree
from hypgeo.ops import tree as ops


def kept_tree(graph: Graph, embedding: Embedding) -> Graph:
    """The tree that an embedding of `graph` hangs on, with the graph's lengths; bridges are twice the longest edge.

    A refined tree has lengths and hidden nodes of its own, so that the graph says nothing of it.
    """
    assert embedding.parent is not None and embedding.n == graph.n
    parent = embedding.parent.numpy()
    child = np.flatnonzero(parent >= 0)
    node = np.array([graph.index(label) for label in embedding.labels], dtype=np.int64)
    u, v = node[child], node[parent[child]]
    edge = graph.edges[:, 0] * graph.n + graph.edges[:, 1]  # in order, as Graph keeps its edges
    mine = np.minimum(u, v) * graph.n + np.maximum(u, v)
    at = np.minimum(np.searchsorted(edge, mine), graph.m - 1)
    own = edge[at] == mine
    if graph.weights is None and own.all():
        return Graph.from_indices(graph.labels, u, v)
    lengths = np.ones(graph.m) if graph.weights is None else graph.weights
    return Graph.from_indices(graph.labels, u, v, np.where(own, lengths[at], 2 * (lengths.max() or 1.0)))


def worst_ulps(embedding: Embedding, pairs: int = 50, seed: int = 0) -> float:
    """The worst error, in units in the last place, of every way to ask for the distances of some pairs of nodes.

    The reference shares nothing with the library: each node's own place (x, y) in the upper half-space is multiplied
    out from the root by mpmath, with twice the digits that the radius swallows, and the distance is taken of the two
    places, cosh d = 1 + |p - q|^2 / (2 y_p y_q).  A fifth of the pairs are parent and child, the others any two nodes.
    """
    manifold, points = embedding.manifold, embedding.points
    if not isinstance(manifold, HalfSpaceTree):
        raise ValueError(f"this check is for trees of exact points, not {type(manifold).__name__}.")
    draw = np.random.default_rng(seed)
    i, j = draw.integers(embedding.n, size=(2, pairs))
    i[: pairs // 5] = draw.integers(1, embedding.n, size=pairs // 5)
    j[: pairs // 5] = manifold.parent[i[: pairs // 5]]
    a, b = torch.from_numpy(i), torch.from_numpy(j)
    found = torch.stack(
        [
            manifold.dist(points, a, b),
            torch.stack([manifold.dist_from(points, s)[t] for s, t in zip(i.tolist(), j.tolist(), strict=True)]),
            ops.sweep(manifold.parent, points, a).gather(1, b[:, None])[:, 0],  # what the metrics use
        ]
    )
    worst = 0.0
    with mp.workdps(40 + int(2 * embedding.radius / math.log(10))):
        places = {0: [*[mp.mpf(0)] * (embedding.dim - 1), mp.mpf(1)]}
        for k in range(pairs):
            true = _distance(_place(embedding, int(i[k]), places), _place(embedding, int(j[k]), places))
            for value in found[:, k].tolist():
                error = abs(mp.mpf(value) - true)
                worst = max(worst, float(error / math.ulp(float(true))) if true else math.inf if error else 0.0)
    return worst


def _place(embedding: Embedding, node: int, places: dict[int, list[Any]]) -> list[Any]:
    path = []
    while node not in places:
        path.append(node)
        node = int(embedding.manifold.parent[node])
    for k in reversed(path):
        *x, y = places[node]
        *offset, log_height = (mp.mpf(v) for v in embedding.points[k].tolist())
        places[k] = [*(s + y * t for s, t in zip(x, offset, strict=True)), y * mp.exp(log_height)]
        node = k
    return places[node]


def _distance(p: list[Any], q: list[Any]) -> Any:
    apart = mp.fsum((s - t) ** 2 for s, t in zip(p, q, strict=True))
    return mp.acosh(1 + apart / (2 * p[-1] * q[-1]))


def machine() -> str:
    """The processor and the versions that figures were measured with, in one line."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, {torch.get_num_threads()} threads; "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )
