"""Better trees for graphs that are none: annealing of edges, lengths and hidden nodes by the true score."""

from __future__ import annotations

import numpy as np
import torch
from tqdm import tqdm

from hypgeo.data.graph import Graph
from hypgeo.embed.spanning import Spanning
from hypgeo.ops import tree as ops

MARGIN = 0.01  # tree distances closer than this (in units of an edge) count as tied: what the embedding may deviate by
_LOOKS = 400  # nodes looked at around each node before its remaining neighbours are given up
_TRIES = 60  # moves at each lost edge in a round
_HOT = 0.006  # in units of one node's average precision
_LONGEST = 16  # cycles of more edges are left alone


def refine(
    graph: Graph, start: Spanning, rounds: int, *, seed: int = 0, progress: bool = False
) -> tuple[Spanning, list[float]]:
    """A tree whose path lengths rank neighbours better; and its score at the start and after each round.

    The score is the mean average precision with ties (closer than `MARGIN`) counted against us.  Nodes from graph.n on
    are hidden: inner points of the tree that stand for no node of the graph.  csrc/tree/refine.h says how it works.
    """
    rows = graph.adjacency()
    indptr, indices = torch.from_numpy(rows.indptr.astype(np.int64)), torch.from_numpy(rows.indices.astype(np.int64))
    tree, length = torch.from_numpy(start.edges), torch.from_numpy(start.lengths / start.lengths.max())
    counted = max(int((graph.degrees > 0).sum()), 1)
    scores: list[float] = []
    best = (-1.0, tree, length)
    with tqdm(range(rounds), desc="refine", unit="round", disable=not progress, leave=False) as bar:
        for k in bar:
            pairs = torch.from_numpy(_outside(graph, tree.numpy()))
            hot, cold = _HOT * (1 - k / rounds), _HOT * (1 - (k + 1) / rounds)
            tree, length, before, after = ops.refine(
                tree, length, indptr, indices, pairs, MARGIN, _LOOKS, _TRIES, (hot, cold), _LONGEST, seed + k
            )
            scores += [before / counted] if k == 0 else []
            scores.append(after / counted)
            if after > best[0]:
                best = (after, tree, length)
            bar.set_postfix(MAP=f"{scores[-1]:.5f}")
    _, tree, length = best
    edges = tree.numpy()
    inner = edges[(edges < graph.n).all(axis=1)]
    part = graph.components()[1]
    bridges = inner[part[inner[:, 0]] != part[inner[:, 1]]]
    return Spanning(edges, length.numpy(), _outside(graph, edges), bridges), scores


def _key(edges: np.ndarray, n: int) -> np.ndarray:
    keys: np.ndarray = edges.min(axis=1) * n + edges.max(axis=1)
    return keys


def _outside(graph: Graph, tree: np.ndarray) -> np.ndarray:
    """(k, 2) edges of the graph that are no edges of the tree."""
    inner = tree[(tree < graph.n).all(axis=1)]
    edges: np.ndarray = graph.edges[~np.isin(_key(graph.edges, graph.n), _key(inner, graph.n))]
    return edges
