"""Combinatorial embedding of trees, and of graphs through a spanning tree."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hypgeo.data.graph import Graph
from hypgeo.embed.base import Embedder, hypgeo_version, plain
from hypgeo.embed.codes import spherical_code
from hypgeo.embed.refine import MARGIN, refine
from hypgeo.embed.spanning import Spanning, centre, cycles, hang, spanning_tree, turn, wheel_sectors
from hypgeo.embedding import Embedding
from hypgeo.manifolds import HalfSpace, HalfSpaceTree, Lorentz, PoincareBall, convert
from hypgeo.ops import tree as ops

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

REPRESENTATIONS = ("auto", "tree", "ball", "lorentz", "halfspace")
_TOLERANCE = (
    MARGIN / 3
)  # worst distortion of a refined tree: over the few edges that decide a rank it stays below the margin
LOSSLESS = 1e-9  # float64 is kept where rounding changes no distance by more than this part of the shortest edge


class TreeEmbedder(Embedder):
    """Embeds a tree in hyperbolic space with a guaranteed worst distortion; a graph through a spanning tree.

    Every node's edges leave in well separated directions, so that hyperbolic distances come near path lengths once the
    edges are long enough (Sarkar 2011; Sala, De Sa, Gu, Ré 2018, section 3).  Here each edge is as long as its two ends
    need: scale * length + an allowance for the turns at either end, sectors and allowances chosen so that the largest
    allowance is least (csrc/tree/build.h proves the bound).  Linear in the number of nodes.

    dim: dimension of the space, 2 or more.
    distortion: the worst distortion may be 1 + distortion (ratio of largest expansion to largest contraction over all
        pairs, against path lengths in the tree).  Below 1, an unweighted tree also has MAP = 1.
    tau: instead of `distortion`, the hyperbolic length of an edge of length 1; nothing is guaranteed then.
    root: label of the root; default the centre of the tree, which keeps the radius small.
    representation: "tree" (exact at any radius), "ball", "lorentz" or "halfspace" (float64), or "auto": the ball while
        float64 loses nothing (no distance off by more than 1e-9 of the shortest edge), else the exact tree.
    refine: for graphs that are no trees, rounds of annealing (hypgeo.embed.refine) that raise the mean average
        precision by changing edges and their lengths; path lengths are then no longer the graph's own, and hidden
        nodes, listed in provenance["hidden"], may join the tree.
    progress: show a progress bar for long work.

    After `fit(graph)`: `embedding_` (with `provenance`: what was asked, guaranteed, set aside), `graph_`.
    """

    embedding_: Embedding
    graph_: Graph

    def __init__(
        self,
        dim: int = 2,
        distortion: float = 0.1,
        tau: float | None = None,
        root: Hashable | None = None,
        representation: str = "auto",
        refine: int = 0,
        progress: bool = False,
        random_state: int = 0,
    ) -> None:
        self.dim = dim
        self.distortion = distortion
        self.tau = tau
        self.root = root
        self.representation = representation
        self.refine = refine
        self.progress = progress
        self.random_state = random_state

    def _check(self) -> None:
        if not isinstance(self.dim, int | np.integer) or self.dim < 2:
            raise ValueError(f"dim is {self.dim!r}; a tree needs a hyperbolic space of dimension 2 or more.")
        given: dict[str, Any] = {"distortion": self.distortion, "tau": self.tau}
        if self.tau is None and given["distortion"] is None:
            raise ValueError("distortion and tau are both None; one of them must say how long edges are to be.")
        for name, value in given.items():
            number = isinstance(value, int | float | np.floating | np.integer)
            if value is not None and not (number and 0 < value < math.inf):
                meaning = "0.1 allows 10 %" if name == "distortion" else "the hyperbolic length of an edge"
                raise ValueError(f"{name} is {value!r}; it must be a positive number ({meaning}).")
        if self.representation not in REPRESENTATIONS:
            raise ValueError(
                f"representation is {self.representation!r}; it must be one of {', '.join(REPRESENTATIONS)}."
            )
        if not isinstance(self.refine, int | np.integer) or self.refine < 0:
            raise ValueError(f"refine is {self.refine!r}; it must be a number of rounds, 0 or more.")

    def fit(self, graph: Any, y: None = None) -> TreeEmbedder:
        """Embed a graph: networkx, scipy sparse, label pairs (u, v[, length]), or a hypgeo Graph."""
        self._check()
        graph = Graph.of(graph)
        spanning = spanning_tree(graph)
        scores: list[float] = []
        if self.refine and len(spanning.set_aside):
            spanning, scores = refine(
                graph, spanning, self.refine, stars=self.dim == 2, seed=self.random_state, progress=self.progress
            )
        nodes = len(spanning.edges) + 1  # the graph's, then hidden ones
        root = self._root(graph, spanning)
        order, parent, length = hang(nodes, spanning.edges, spanning.lengths, root)
        wheels = cycles(spanning, graph.n)
        if wheels:
            order, parent, length = turn(order, parent, length, wheels)
        fixed = wheel_sectors(order, parent, wheels)
        rows, made = self._place(parent, length, fixed, _TOLERANCE if scores else math.inf)
        rows, manifold = self._represent(rows, HalfSpaceTree(torch.from_numpy(parent)), made)
        hidden = _names(graph, nodes - graph.n)
        labels = [graph.labels[i] if i < graph.n else hidden[i - graph.n] for i in order]
        place = np.empty(nodes, dtype=np.int64)
        place[order] = np.arange(nodes)
        provenance = {
            "method": "combinatorial tree",
            "hypgeo": hypgeo_version(),
            "nodes": graph.n,
            "edges": graph.m,
            "dim": int(self.dim),
            "root": plain(graph.labels[root]),
            "distortion": None if self.tau is not None else float(self.distortion),
            **made,
            "edges_set_aside": [[plain(graph.labels[a]), plain(graph.labels[b])] for a, b in spanning.set_aside],
            "bridges": [[plain(graph.labels[a]), plain(graph.labels[b])] for a, b in spanning.bridges],
            **({"hidden": hidden, "refined_scores": scores} if scores else {}),
        }
        self.graph_ = graph
        self.embedding_ = Embedding(
            labels, rows, manifold, provenance, place[graph.edges], torch.from_numpy(parent), graph.weights
        )
        return self

    def _root(self, graph: Graph, spanning: Spanning) -> int:
        if self.root is not None:
            return graph.index(self.root)
        nodes = len(spanning.edges) + 1
        middle = centre(nodes, spanning.edges, spanning.lengths, 0)
        if middle < graph.n:
            return middle
        outwards = hang(nodes, spanning.edges, spanning.lengths, middle)[0]
        return int(outwards[outwards < graph.n][0])  # the nearest that is not hidden

    def fit_transform(self, graph: Any, y: None = None) -> npt.NDArray[np.float64]:
        """(n, dim) float64 points of the Poincaré ball, rows in the order of the graph's nodes."""
        embedding = self.fit(graph).embedding_
        at = {label: i for i, label in enumerate(embedding.labels)}
        points: npt.NDArray[np.float64] = embedding.to_numpy()
        return points[[at[label] for label in self.graph_.labels]]

    def _place(self, parent: Ints, length: Floats, fixed: Floats, most: float) -> tuple[Tensor, dict[str, Any]]:
        """Rows (n, dim) of a tree with wanted lengths, distortion at most `most`; and what is known of them."""
        n = len(parent)
        # nodes at zero distance are one point: directions are shared out among all edges that leave it
        head = np.arange(n)
        for i in np.flatnonzero(length[1:] == 0) + 1:
            head[i] = head[parent[i]]  # parents come first, so theirs is settled
        keep = np.flatnonzero(head == np.arange(n))
        rows = torch.zeros(n, self.dim, dtype=torch.float64)
        if len(keep) == 1:
            return rows, {"scale": float(self.tau or 1.0), "guaranteed_distortion": 1.0}
        small = np.cumsum(head == np.arange(n)) - 1
        up = torch.from_numpy(np.concatenate([[-1], small[head[parent[keep[1:]]]]]))
        w = torch.from_numpy(length[keep])
        if self.tau is not None:
            made: dict[str, Any] = {"scale": float(self.tau), "guaranteed_distortion": None}
            direction, tau = _even(up, self.dim), float(self.tau) * w
        else:
            direction, extra, scale = _allotted(
                up, w, self.dim, min(float(self.distortion), most), torch.from_numpy(fixed[keep])
            )
            tau = scale * w + extra
            made = {"scale": scale, "guaranteed_distortion": float(1 + (extra[1:] / (scale * w[1:])).max())}
        if not tau.isfinite().all():
            raise ValueError(
                f"edge lengths from {w[1:].min():g} to {w.max():g} span too many decades for float64 edge lengths."
            )
        rows[torch.from_numpy(keep)] = ops.place(up, direction, tau)
        return rows, {**made, "edge_min": float(tau[1:].min()), "edge_max": float(tau.max())}

    def _represent(self, rows: Tensor, tree: HalfSpaceTree, made: dict[str, Any]) -> tuple[Tensor, Any]:
        radius = tree.radius(rows)
        made["radius"] = float(radius.max())
        if self.representation == "tree":
            return rows, tree
        error = float(tree.ball_error(rows).max())
        lossless = 2 * error <= LOSSLESS * made.get("edge_min", 1.0)
        if self.representation == "auto":
            return (tree.to_ball(rows), PoincareBall()) if lossless else (rows, tree)
        if not lossless:
            raise ValueError(
                f"the tree needs radius {made['radius']:.4g}, where float64 {self.representation} coordinates move "
                f'points by up to {error:.2g}; use representation="tree", a larger distortion, or a smaller tau.'
            )
        ball = PoincareBall()
        target = {"ball": ball, "lorentz": Lorentz(), "halfspace": HalfSpace()}[self.representation]
        points = tree.to_ball(rows)
        return (points if target is ball else convert(points, ball, target)), target


def _even(parent: Tensor, dim: int) -> Tensor:
    """Directions (n, dim) that divide each node's sphere evenly, the parent's place left free."""
    p = parent.numpy()
    children = np.bincount(p[1:], minlength=len(p))
    order = np.argsort(p[1:], kind="stable") + 1
    first = np.cumsum(children) - children
    rank = np.empty(len(p), dtype=np.int64)
    rank[order] = np.arange(len(order)) - first[p[order]] + 1  # 1, 2, ... among the parent's children
    direction = np.zeros((len(p), dim))
    direction[:, -1] = 1
    if dim == 2:
        k, c = rank[1:], children[p[1:]] + 1
        angle = 2 * math.pi * k / c
        direction[1:, 0] = np.where(2 * k == c, 0.0, np.sin(angle))
        direction[1:, 1] = np.where(2 * k == c, -1.0, np.cos(angle))
        return torch.from_numpy(direction)
    for c in np.unique(children[children > 0]):
        code = spherical_code(int(c) + 1, dim)[0]
        mine = np.flatnonzero(children[p] == c)
        mine = mine[mine > 0]
        direction[mine] = code[rank[mine]]
    return torch.from_numpy(direction)


def _allotted(parent: Tensor, w: Tensor, dim: int, excess: float, fixed: Tensor) -> tuple[Tensor, Tensor, float]:
    """Directions (n, dim), extra lengths (n,) and scale for a worst distortion of 1 + excess.

    In more than two dimensions the better of two: directions of a spherical code at every node, or those of a plane
    within the space, whose sectors follow each edge's own need.
    """
    excess *= 1 - 1e-9  # so that a measured distortion, rounded, keeps the promise too
    in_plane = _in_plane(parent, w, excess, fixed)
    if dim == 2:
        return in_plane
    in_space = _in_space(parent, w, dim, excess)
    if in_space[2] <= in_plane[2]:
        return in_space
    flat, extra, scale = in_plane
    direction = torch.zeros(len(parent), dim, dtype=torch.float64)
    direction[:, 0], direction[:, -1] = flat.T
    return direction, extra, scale


def _in_plane(parent: Tensor, w: Tensor, excess: float, fixed: Tensor) -> tuple[Tensor, Tensor, float]:
    """Sectors as wide as each edge needs.

    fixed: (n, 2), the given sectors of spokes (`wheel_sectors`).  Spokes carry alike, so that of a cycle's nodes, at
    one path length from each other, those next to each other are the nearest.
    """
    most = ops.allowance(parent, w, excess, fixed=fixed)
    if not math.isfinite(most):
        raise ValueError("the tree's edge lengths leave no room for any guarantee; give tau instead of distortion.")
    scale = most / excess
    direction, carried = ops.sectors(parent, w, _leaves(parent).sqrt(), most, scale, fixed)
    inner = fixed.amax(dim=1)
    spoke = inner > 0
    if spoke.any():
        own = -torch.log(torch.sin(inner[spoke] / 2))  # what a spoke carries at its star
        carried[spoke] = (carried[spoke] - own).max() + own  # and at the other end, the most that any does
        scale = max(scale, float((carried[1:] / w[1:]).max()) / excess)
    return direction, carried, scale


def _in_space(parent: Tensor, w: Tensor, dim: int, excess: float) -> tuple[Tensor, Tensor, float]:
    """A spherical code at every node, all its edges alike."""
    p = parent.numpy()
    edges = np.bincount(p[1:], minlength=len(p)) + 1
    angle = np.zeros(edges.max() + 1)
    for k in np.unique(edges):
        angle[k] = spherical_code(int(k), dim)[1]
    least = np.full(len(p), math.inf)  # shortest edge at each node
    least[1:] = w[1:]
    np.minimum.at(least, p[1:], w[1:].numpy())
    half = angle[edges] / 2

    def asked(scale: float) -> tuple[Floats, float]:
        """The extra lengths at a scale, and the least scale that is enough for them."""
        # half = phi + 2 atan(e sin phi), by Newton's method: concave in phi, so that every step stays below the root
        e = np.exp(-scale * least)
        phi = half / (1 + 2 * e)
        for _ in range(8):
            turn = e * np.sin(phi)
            phi -= (phi + 2 * np.arctan(turn) - half) / (1 + 2 * e * np.cos(phi) / (1 + turn**2))
        cost = np.where(edges > 1, -np.log(np.sin(phi)), 0.0)
        extra = cost + cost[p]
        extra[0] = 0.0
        return extra, float((extra[1:] / w[1:].numpy()).max()) / excess

    # build.h's guarantee, all sectors of a node being equal: what is seen through an edge turns by at most
    # 2 atan(exp(-tau) cot psi), and psi >= phi
    low = asked(math.inf)[1]
    high = asked(low)[1]  # what is asked for falls as the scale grows
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if asked(middle)[1] <= middle else (middle, high)
    scale = max(high, 1e-6 / float(w[1:].min()))  # a single edge needs nothing; keep points apart
    return _even(parent, dim), torch.from_numpy(asked(scale)[0]), scale


def _leaves(parent: Tensor) -> Tensor:
    """(n,) number of leaves below each node, itself where it has no children."""
    p = parent.tolist()
    count = [0] * len(p)
    for i in range(len(p) - 1, 0, -1):
        count[i] = count[i] or 1
        count[p[i]] += count[i]
    return torch.tensor(count, dtype=torch.float64)


def _names(graph: Graph, count: int) -> list[str]:
    """Labels of hidden nodes, unlike any of the graph's."""
    mark = "hidden "
    while any(isinstance(label, str) and label.startswith(mark) for label in graph.labels):
        mark = "_" + mark
    return [f"{mark}{k}" for k in range(1, count + 1)]
