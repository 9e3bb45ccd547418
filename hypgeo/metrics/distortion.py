"""How far embedded distances are from the graph's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse.csgraph import dijkstra
from tqdm import tqdm

from hypgeo.embedding import Embedding
from hypgeo.manifolds import HalfSpaceTree
from hypgeo.metrics.ranks import matched
from hypgeo.ops import tree as ops

_ALL_PAIRS = 25_000_000  # up to here every pair is measured by default (7,071 nodes)
_BLOCK = 1 << 23


@dataclass(frozen=True)
class Distortion:
    """Distances d of an embedding against path lengths D of a graph, over `pairs` pairs of distinct nodes.

    Pairs at distance 0 in both have no ratio and are left out.

    worst: max(d / D) / min(d / D), at least 1, whatever the scale.
    average: mean of |d / (scale D) - 1|, at the scale that makes the median of d / (scale D) one.
    exact: all pairs were measured; else `sources` nodes drawn with `seed`, each against all others.
    coincident: pairs at distance 0 in the graph and not in the embedding, or the reverse (worst is then infinite).
    """

    average: float
    worst: float
    scale: float
    pairs: int
    sources: int
    exact: bool
    seed: int
    coincident: int = 0


def distortion(
    graph: Any, embedding: Embedding, pairs: int | None = None, seed: int = 0, progress: bool = False
) -> Distortion:
    """Average and worst distortion against shortest paths; pairs in different components are left out.

    Distances in a HalfSpaceTree are taken in plain float64 sweeps: relative error about 1e-13, up to 1e-8 where
    branches of very unlike lengths nearly meet.  Points of HTiling that have parents are made one (`Embedding.quick`).

    pairs: about how many pairs to measure (default: all where that is at most 25 million, else that many), as rows from
    source nodes drawn with `seed`.
    """
    graph, at = matched(graph, embedding)
    embedding = embedding.quick()
    if pairs is not None and pairs < 1:
        raise ValueError(f"pairs is {pairs!r}; at least one pair must be measured.")
    n, wanted = graph.n, pairs or _ALL_PAIRS
    exact = n * (n - 1) // 2 <= wanted
    draw = np.random.default_rng(seed)
    sources = np.arange(n) if exact else np.sort(draw.choice(n, size=max(1, min(n, wanted // n)), replace=False))
    adjacency = graph.adjacency()
    zero = adjacency.data == 0
    tiny = max(1e-18 * float(adjacency.data[~zero].min(initial=1.0)) / n, 5e-324)
    adjacency.data[zero] = tiny  # csgraph takes a stored zero for no edge; undone below
    ratios: list[npt.NDArray[np.float64]] = []
    coincident = 0
    size = max(1, _BLOCK // n)
    with tqdm(total=len(sources), desc="distortion", unit="node", disable=not progress, leave=False) as bar:
        for start in range(0, len(sources), size):
            block = sources[start : start + size]
            paths = dijkstra(adjacency, directed=False, indices=block, unweighted=graph.weights is None)
            own = _distances(embedding, at[block])[:, at]
            if np.isnan(own).any():
                i, j = np.argwhere(np.isnan(own))[0]
                names = f"{graph.labels[block[i]]!r} and {graph.labels[j]!r}"
                raise ValueError(f"the points of {names} have no distance; a distortion needs one between all.")
            keep = np.isfinite(paths)
            keep[np.arange(len(block)), block] = False
            if exact:  # each pair once
                keep &= np.arange(n)[None, :] > block[:, None]
            d, path = own[keep], paths[keep]
            if zero.any():
                path[path < tiny * n] = 0
            same = path == 0
            coincident += int((same != (d == 0)).sum())
            sound = ~same & (d > 0)
            ratios.append(d[sound] / path[sound])
            bar.update(len(block))
    ratio = np.concatenate(ratios)
    if not len(ratio):
        return Distortion(
            0.0, float("inf") if coincident else 1.0, 1.0, coincident, len(sources), exact, seed, coincident
        )
    scale = float(np.median(ratio))
    worst = float("inf") if coincident else float(ratio.max() / ratio.min())
    average = float(np.abs(ratio / scale - 1).mean())
    return Distortion(average, worst, scale, len(ratio) + coincident, len(sources), exact, seed, coincident)


def _distances(embedding: Embedding, sources: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    i = torch.from_numpy(sources)
    if isinstance(embedding.manifold, HalfSpaceTree):
        out = ops.sweep(embedding.manifold.parent, embedding.points, i) / embedding.manifold.c**0.5
    else:
        out = embedding.manifold.pairwise_dist(embedding.points[i], embedding.points).double()
    found: npt.NDArray[np.float64] = out.numpy()
    return found
