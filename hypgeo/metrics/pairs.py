"""How well directed pairs are reconstructed: mean rank and mean average precision as Nickel and Kiela measure them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from hypgeo.data.pairs import Pairs
from hypgeo.embedding import Embedding
from hypgeo.ops import tree as ops

_BLOCK = 1 << 23  # distances held at a time


class Reconstruction(NamedTuple):
    """Mean over pairs of a neighbour's rank, mean over nodes with neighbours of the average precision."""

    mean_rank: float
    mean_average_precision: float


def reconstruction(pairs: Any, embedding: Embedding) -> Reconstruction:
    """Ranks of each pair's v among all nodes that are no neighbours of u, by their distance from u.

    M. Nickel, D. Kiela. Poincaré embeddings for learning hierarchical representations. NeurIPS 2017, section 4.1.  A
    closure of pairs (node, ancestor) has them in one direction alone, where `mean_rank` and `mean_average_precision`
    take a graph's edges both ways; on undirected graphs the figures agree.  Ties count against the pairs.

    pairs: what `Pairs.of` takes, labels among the embedding's; nodes of the embedding in no pair count too.
    """
    given = Pairs.of(pairs)
    at = np.array([embedding.index(label) for label in given.labels], dtype=np.int64)
    indptr, indices = Pairs(embedding.labels, at[given.pairs]).neighbours
    sources = torch.from_numpy(np.flatnonzero(np.diff(indptr)))
    found = torch.empty(len(sources), 2, dtype=torch.float64)
    step = max(1, _BLOCK // embedding.n)
    for start in range(0, len(sources), step):
        some = sources[start : start + step]
        distances = embedding.pairwise([embedding.labels[i] for i in some.tolist()])
        found[start : start + step] = ops.rank_rows(
            distances, torch.from_numpy(indptr), torch.from_numpy(indices), some
        )
    return Reconstruction(float(found[:, 1].sum()) / given.m, float(found[:, 0].mean()))
