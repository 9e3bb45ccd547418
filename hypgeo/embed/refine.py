"""Better trees for graphs that are none: annealing of edges, lengths and hidden nodes by the true score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from tqdm import tqdm

from hypgeo.data.graph import Graph
from hypgeo.embed.spanning import Spanning, hang
from hypgeo.ops import tree as ops

MARGIN = 0.01  # tree distances closer than this (in units of an edge) count as tied: what the embedding may deviate by
_LOOKS = 400  # nodes looked at around each node before its remaining neighbours are given up
_TRIES = 60  # moves at each lost edge in a round
_HOT = 0.006  # in units of one node's average precision
SPOKE = 0.55  # length of a star's edges: neighbours along a cycle come after those at an edge of length 1
SHORTEST_STAR, LONGEST_STAR = 4, 60  # nodes of a cycle that is drawn as a star
_LONGEST = 16  # cycles of more edges are left alone


def refine(
    graph: Graph, start: Spanning, rounds: int, *, stars: bool = True, seed: int = 0, progress: bool = False
) -> tuple[Spanning, list[float]]:
    """A tree whose path lengths rank neighbours better; and its score at the start and after each round.

    The score is the mean average precision with ties (closer than `MARGIN`) counted against us.  Nodes from graph.n on
    are hidden: inner points of the tree that stand for no node of the graph.  csrc/tree/refine.h says how it works.
    stars: cycles may be drawn as stars, which takes the plane.
    """
    rows = graph.adjacency()
    indptr, indices = torch.from_numpy(rows.indptr.astype(np.int64)), torch.from_numpy(rows.indices.astype(np.int64))
    counted = max(int((graph.degrees > 0).sum()), 1)

    def once(tree: Spanning, k: int) -> tuple[Spanning, float, float]:
        edges, lengths, before, after = ops.refine(
            torch.from_numpy(tree.edges),
            torch.from_numpy(tree.lengths),
            indptr,
            indices,
            torch.from_numpy(tree.set_aside),
            MARGIN,
            _LOOKS,
            _TRIES,
            (_HOT * (1 - k / rounds), _HOT * (1 - (k + 1) / rounds)),
            _LONGEST,
            seed + k,
            torch.tensor(tree.spokes, dtype=torch.int64),
        )
        aside = _outside(graph, edges.numpy())
        tree = Spanning(edges.numpy(), lengths.numpy(), aside, _bridges(graph, edges.numpy()), tree.spokes)
        return tree, before / counted, after / counted

    part = graph.components()[1]
    longest = start.lengths[part[start.edges[:, 0]] == part[start.edges[:, 1]]].max()  # bridges are longer
    plain = replace(start, lengths=start.lengths / longest)
    starred = with_stars(graph, plain) if stars else plain
    with tqdm(total=rounds, desc="refine", unit="round", disable=not progress, leave=False) as bar:
        # stars save long cycles but stand in the way of other moves; one round tells which start is the better
        tree, before, after = max((once(s, 0) for s in ([plain, starred] if starred.spokes else [plain])), key=_score)
        best, scores = (tree, after), [before, after]
        for k in range(1, rounds + 1):
            bar.update()
            bar.set_postfix(MAP=f"{after:.5f}")
            if k < rounds:
                tree, _, after = once(tree, k)
                scores.append(after)
                best = max(best, (tree, after), key=lambda found: found[1])
    return best[0], scores


def _score(found: tuple[Spanning, float, float]) -> float:
    return found[2]


def _bridges(graph: Graph, edges: np.ndarray) -> np.ndarray:
    """Edges between different components of the graph."""
    inner = edges[(edges < graph.n).all(axis=1)]
    part = graph.components()[1]
    out: np.ndarray = inner[part[inner[:, 0]] != part[inner[:, 1]]]
    return out


def with_stars(graph: Graph, tree: Spanning) -> Spanning:
    """The tree (longest edge 1) with cycles drawn as stars: a hidden centre, and an edge to each of its nodes in turn.

    A regular polygon has every side shorter than any diagonal, whatever its size, so a cycle whose nodes stand evenly
    round a hidden centre loses nothing.  An edge that the tree lacks closes a cycle with the path between its ends; the
    cycles that win most for their length are taken, as long as they share no edge.
    """
    order, parent, _ = hang(graph.n, tree.edges, tree.lengths, 0)
    place = np.empty(graph.n, dtype=np.int64)
    place[order] = np.arange(graph.n)
    up = parent.tolist()
    found = []
    for k, (a, b) in enumerate(tree.set_aside.tolist()):
        left, right = [int(place[a])], [int(place[b])]
        while left[-1] != right[-1]:
            side = left if left[-1] > right[-1] else right
            side.append(up[side[-1]])
        path = left + right[-2::-1]
        gain = 1 / graph.degrees[a] + 1 / graph.degrees[b]
        if SHORTEST_STAR <= len(path) <= LONGEST_STAR:
            found.append((-gain / len(path), k, path, left[:-1] + right[:-1]))
    taken: set[int] = set()  # tree edges, by their lower end
    wheels = []
    for _, _, path, lower in sorted(found):
        if taken.isdisjoint(lower):
            taken.update(lower)
            wheels.append(order[path])
    if not wheels:
        return tree
    spokes = [np.stack([np.full(len(w), graph.n + k), w], axis=1) for k, w in enumerate(wheels)]
    a, b = place[tree.edges[:, 0]], place[tree.edges[:, 1]]
    stays = ~np.isin(np.maximum(a, b), np.array(sorted(taken)))
    edges = np.concatenate([*spokes, tree.edges[stays]])
    lengths = np.concatenate([np.full(sum(map(len, wheels)), SPOKE), tree.lengths[stays]])
    return Spanning(edges, lengths, _outside(graph, edges), tree.bridges, tuple(map(len, wheels)))


def _key(edges: np.ndarray, n: int) -> np.ndarray:
    keys: np.ndarray = edges.min(axis=1) * n + edges.max(axis=1)
    return keys


def _outside(graph: Graph, tree: np.ndarray) -> np.ndarray:
    """(k, 2) edges of the graph that are no edges of the tree."""
    inner = tree[(tree < graph.n).all(axis=1)]
    edges: np.ndarray = graph.edges[~np.isin(_key(graph.edges, graph.n), _key(inner, graph.n))]
    return edges
