"""Where every node lies in the Poincaré disk, seen from one of them.

A tree drawn in the hyperbolic plane is fixed, up to an isometry, by the length of each edge and by the angle that it
makes with the edge to the parent. `PolarTree` keeps just these. `PolarTree.view` walks outwards from a focus and
carries each node as (direction, distance) from it, so that no number grows with the depth of the tree and a node is
right wherever the focus is; nodes further than a float64 disk point can say (distance about 37) arrive on the rim, at
the right angle.

Directions are counter-clockwise angles in radians. Lengths are in units of the plane's radius of curvature.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LONGEST_LEGIBLE = 2.0  # a tree whose median edge is no longer than this is drawn as it is


@dataclass(frozen=True)
class View:
    """Every node as seen from the focus: arrays of shape (n,)."""

    angle: Floats  # direction from the focus
    radius: Floats  # hyperbolic distance from the focus

    @property
    def xy(self) -> Floats:
        """Points of the unit disk, shape (n, 2)."""
        return disk_points(self.angle, self.radius)


@dataclass(frozen=True)
class PolarTree:
    """A tree in the hyperbolic plane by its edge lengths and the angles between its edges: arrays of shape (n,).

    `hidden` tells that the root is no node of the embedding but the origin of the ball, added last: then the points
    came without a tree, and each is tied to the origin.
    """

    parent: Ints  # -1 for the root
    length: Floats  # distance from the parent
    turn: Floats  # at the parent, from the parent's own edge to its parent, to the edge to this node
    heading: Floats  # direction of the edge to the parent when this node is moved to the centre by a translation
    hidden: bool = False

    @property
    def root(self) -> int:
        return int(np.flatnonzero(self.parent < 0)[0])

    @property
    def nodes(self) -> int:
        """How many nodes of the embedding there are (a hidden root does not count)."""
        return len(self.parent) - self.hidden

    def children(self) -> tuple[Ints, Ints]:
        """`(start, child)`: the children of i are `child[start[i]:start[i + 1]]`, in the order of the plane."""
        n = len(self.parent)
        inner = np.flatnonzero(self.parent >= 0)
        order = np.lexsort((self.turn[inner], self.parent[inner]))
        child = inner[order].astype(np.int64)
        start = np.searchsorted(self.parent[child], np.arange(n + 1)).astype(np.int64)
        return start, child

    def downwards(self) -> list[int]:
        """All nodes, each after its parent."""
        start, child = self.children()
        order = [self.root]
        for node in order:
            order.extend(child[start[node] : start[node + 1]].tolist())
        return order

    @property
    def typical_length(self) -> float:
        """Median length of the edges that have one (edges of rounding's own size have none)."""
        real = self.length[self.length > 1e-9]
        return float(np.median(real)) if len(real) else 0.0

    @property
    def legible(self) -> bool:
        """Whether the tree can be read at its true lengths."""
        return self.hidden or self.typical_length <= LONGEST_LEGIBLE

    def scaled(self, scale: float) -> PolarTree:
        """The same directions, every edge at `scale` times its length."""
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale is {scale}: give a positive number (1 draws true lengths) or 'auto'.")
        if self.hidden and scale != 1:
            raise ValueError(
                f"scale is {scale}, but these points carry no tree whose edges could be shortened: use scale=1."
            )
        return replace(self, length=self.length * scale)

    def fitted(self) -> PolarTree:
        """The same tree, root and order of children round each node, with turns and lengths chosen to be read.

        True lengths grow with the precision of the embedding and put every second node on the rim; equal shortening
        makes the branches cross. Here each node owns a wedge of the plane, shared among its children by the size of
        their subtrees; a child moves out until its share of the wedge, between the limiting parallels through the
        rim, has opened to what its subtree needs: tan(opening / 2) = e^length tan(share / 2), the angle of
        parallelism (Lamping, Rao and Pirolli, "A focus+context technique based on hyperbolic geometry", CHI 1995, lay
        out in wedges too). So branches never cross.
        """
        start, child = self.children()
        size = subtree_sizes(self)
        turn, length, wedge = np.zeros_like(self.turn), np.zeros_like(self.length), np.zeros_like(self.length)
        root = self.root
        wedge[root] = math.pi
        for node in self.downwards():
            kids = child[start[node] : start[node + 1]]
            if not len(kids):
                continue
            weight = size[kids] ** 0.65
            half = weight * (wedge[node] / weight.sum())
            turn[kids] = math.pi - wedge[node] + 2 * np.cumsum(half) - half
            if node == root:  # a full circle may start anywhere: where the first child truly is
                turn[kids] += self.turn[kids[0]] - turn[kids[0]]
            tangent = np.tan(np.minimum(half, 2.6) / 2)
            opened = np.log(np.tan((0.3 + 0.1 * np.log(size[kids])) / 2) / tangent)
            apart = np.arcsinh(0.075 / np.minimum(half, 1.0))  # siblings keep at least this clear of each other
            length[kids] = np.maximum(np.where(size[kids] > 1, np.maximum(opened, apart), apart), 0.35)
            wedge[kids] = np.minimum(2.75, 2 * np.arctan(np.exp(length[kids]) * tangent))
        return replace(self, turn=turn, length=length, heading=np.full_like(turn, math.pi / 2))

    def view(self, focus: int | None = None) -> View:
        """All nodes seen from `focus` (default: the root).

        A node is right to a few ulp of the disk, however deep the focus lies: only turns and lengths on the way from
        the focus enter. One pass, linear in the nodes.
        """
        n = len(self.parent)
        focus = self.root if focus is None else focus
        start, child = (part.tolist() for part in self.children())
        parent, turn, length = self.parent.tolist(), self.turn.tolist(), self.length.tolist()
        angle, radius, back = [0.0] * n, [0.0] * n, [0.0] * n
        back[focus] = float(self.heading[focus])
        # (node, the node we came from): the way leads up as well as down
        stack = [(focus, -1)]
        while stack:
            node, origin = stack.pop()
            a, r, b = angle[node], radius[node], back[node]
            for k in child[start[node] : start[node + 1]]:
                if k != origin:
                    angle[k], radius[k], back[k] = step(a, r, b + turn[k], length[k])
                    stack.append((k, node))
            up = parent[node]
            if up >= 0 and up != origin:
                angle[up], radius[up], home = step(a, r, b, length[node])
                back[up] = home - turn[node]
                stack.append((up, node))
        return View(np.array(angle)[: self.nodes], np.array(radius)[: self.nodes])


def step(angle: float, radius: float, bearing: float, length: float) -> tuple[float, float, float]:
    """Walk `length` from the point (angle, radius) along `bearing`, measured there from the outward direction.

    Returns the new angle and radius, and the bearing of the way back. The law of cosines, in sums of positive terms
    and with e^(radius + length) taken out: nothing cancels and nothing overflows at any distance.
    """
    if length == 0.0:
        return angle, radius, bearing + math.pi
    a, b = math.exp(-2 * length), math.exp(-2 * radius)
    sine, cosine = math.sin(bearing / 2), math.cos(bearing / 2)
    s2, c2, sc = sine * sine, cosine * cosine, 2 * sine * cosine
    # 4 sinh²(r'/2) = e^(r + length) S,   S = e^(-2 min)(1 - e^-|r - length|)² + (1 - a)(1 - b) cos²(bearing / 2)
    gap = -math.expm1(-abs(radius - length))
    total = max(a, b) * gap * gap + (1 - a) * (1 - b) * c2
    reach = radius + length
    if reach < 600:
        new_radius = 2 * math.asinh(0.5 * math.sqrt(total) * math.exp(reach / 2))
    else:
        new_radius = max(0.0, reach + math.log(total)) if total > 0 else 0.0
    shared = (1 - a * b) * c2
    swing = math.atan2(math.exp(-radius) * (1 - a) * sc, shared + (a - b) * s2)
    home = math.atan2(math.exp(-length) * (1 - b) * sc, shared + (b - a) * s2)
    return angle + swing, new_radius, math.pi + home


def disk_points(angle: Floats, radius: Floats) -> Floats:
    """Points of the unit disk (…, 2) in direction `angle` at hyperbolic distance `radius` from the centre."""
    r = np.tanh(np.asarray(radius) / 2)
    return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=-1)


def polar_tree(embedding: Any) -> PolarTree:
    """The geometry of a two-dimensional embedding as turns and lengths; no coordinate of the whole tree is ever formed.

    A tree kept relative to its parents (`HalfSpaceTree`), and what `Embedding.quick` makes one, is read as it stands.
    Points of the ball, the hyperboloid or the half-plane are read in the ball, edge by edge where `embedding.parent`
    gives a tree, else each from the origin.
    """
    embedding = embedding.quick() if hasattr(embedding, "quick") else embedding
    manifold, points = embedding.manifold, embedding.points
    dim = getattr(embedding, "dim", None) or points.shape[-1]
    if points.ndim != 2 or dim != 2:
        shape = "x".join(str(k) for k in points.shape[1:])
        raise ValueError(
            f"a disk shows two dimensions and these points have {dim if points.ndim == 2 else shape}: embed with dim=2 "
            "for the picture, or reduce the points to the plane first."
        )
    relative = getattr(manifold, "parent", None)
    if relative is not None:
        coordinates = points.detach().cpu().double().numpy()
        return _from_half_plane(coordinates[:, 0], coordinates[:, 1], _as_parent(relative))
    with torch.no_grad():  # it may be learnt
        curvature = float(manifold.curvature)
    if not curvature < 0:
        raise ValueError(f"{type(manifold).__name__} has no disk: draw an embedding in hyperbolic space.")
    with warnings.catch_warnings():
        # What a float64 ball cannot tell apart is drawn at one place; there is nothing to warn of.
        warnings.simplefilter("ignore", UserWarning)
        points = embedding.to_tensor(model="ball")
    ball = points.detach().cpu().double().numpy() * math.sqrt(-curvature)
    z = ball[:, 0] + 1j * ball[:, 1]
    if not np.all(np.isfinite(z)):
        raise ValueError(
            f"point {int(np.flatnonzero(~np.isfinite(z))[0])} of the embedding is not finite: nothing to draw."
        )
    parent = getattr(embedding, "parent", None)
    return _from_ball(z, None if parent is None else _as_parent(parent))


def _as_parent(parent: Any) -> Ints:
    array = np.asarray(parent.cpu() if hasattr(parent, "cpu") else parent, dtype=np.int64)
    roots = int(np.count_nonzero(array < 0))
    if roots != 1:
        raise ValueError(f"a tree has one root and this one has {roots}: draw one component at a time.")
    return array


def _from_half_plane(x: Floats, log_y: Floats, parent: Ints) -> PolarTree:
    """Node i at (x, e^log_y) in the frame where its parent is (0, 1); "up" is drawn upwards, x to the right."""
    root = int(np.flatnonzero(parent < 0)[0])
    # Units of e^big keep squares in range for nodes far above the parent.
    big = np.maximum(log_y, 0.0)
    big = np.maximum(big, np.log(np.maximum(np.abs(x), 1.0)))
    unit, xs, ys = np.exp(-big), x * np.exp(-big), np.exp(log_y - big)
    rise = np.where(log_y < 1.0, np.expm1(np.minimum(log_y, 1.0)) * unit, ys - unit)
    with np.errstate(divide="ignore"):
        # sinh(length / 2) = |(x, y - 1)| / (2 sqrt(y))
        half = np.log(np.hypot(xs, rise)) + big - log_y / 2 - math.log(2)
    length = np.where(half < 300, 2 * np.arcsinh(np.exp(np.minimum(half, 300))), 2 * (half + math.log(2)))
    down = np.arctan2(2 * xs * unit, (xs - unit) * (xs + unit) + ys * ys)
    # Seen from the node, the parent is at (-x / y, 1 / y); multiplied through by y².
    shrink = np.exp(log_y - big)
    home = np.arctan2(-2 * xs * shrink, xs * xs + (unit - shrink) * (unit + shrink))
    coincident = length == 0
    down[coincident], home[coincident] = math.pi, 0.0  # then the frame of the parent is the node's own
    home[root] = 0.0
    heading = math.pi / 2 - home
    turn = np.mod(math.pi / 2 - down - heading[np.maximum(parent, 0)], 2 * math.pi)
    length[root] = turn[root] = 0.0
    return PolarTree(parent, length, turn, heading)


def _from_ball(z: NDArray[np.complex128], parent: Ints | None) -> PolarTree:
    """Points of the unit disk as complex numbers."""
    hidden = parent is None
    if parent is None:
        z = np.append(z, 0.0)
        parent = np.full(len(z), len(z) - 1, dtype=np.int64)
        parent[-1] = -1
    size = np.abs(z)
    top = 1 - 2.0**-53
    z = np.where(size > top, z / np.maximum(size, top) * top, z)
    root = int(np.flatnonzero(parent < 0)[0])
    p = z[np.maximum(parent, 0)]
    gap = (1 - np.abs(z)) * (1 + np.abs(z))
    length = 2 * np.arcsinh(np.abs(z - p) / np.sqrt(gap * gap[np.maximum(parent, 0)]))
    down = np.angle((z - p) * np.conj(1 - np.conj(p) * z))
    heading = np.angle((p - z) * np.conj(1 - np.conj(z) * p))
    coincident = length == 0
    heading[root] = 0.0
    # A node on top of its parent shares the parent's frame. Parents come first, so that chains of such nodes resolve.
    for i in np.flatnonzero(coincident & (parent >= 0)):
        heading[i] = heading[parent[i]]
        down[i] = heading[i] + math.pi
    turn = np.mod(down - heading[np.maximum(parent, 0)], 2 * math.pi)
    length[root] = turn[root] = 0.0
    return PolarTree(parent, length, turn, heading, hidden)


def subtree_sizes(tree: PolarTree) -> Ints:
    """Nodes at and below each node, shape (n,)."""
    size = np.ones(len(tree.parent), dtype=np.int64)
    parent = tree.parent
    for i in reversed(tree.downwards()):
        if parent[i] >= 0:
            size[parent[i]] += size[i]
    return size


def depths(tree: PolarTree) -> Ints:
    """Edges between each node and the root, shape (n,)."""
    depth = np.zeros(len(tree.parent), dtype=np.int64)
    for i in tree.downwards():
        if tree.parent[i] >= 0:
            depth[i] = depth[tree.parent[i]] + 1
    return depth


def branches(tree: PolarTree, most: float = 0.4) -> Ints:
    """For each node the top of the branch that it belongs to, or -1 on the trunk.

    Branches begin at the root's children; one that holds more than the part `most` of all nodes is split into its
    children's branches, and its top joins the trunk. A single node is no branch.
    """
    size = subtree_sizes(tree)
    branch = np.full(len(tree.parent), -1, dtype=np.int64)
    for i in tree.downwards()[1:]:
        above = branch[tree.parent[i]]
        starts_here = above < 0 and 1 < size[i] <= most * len(size)
        branch[i] = i if starts_here else above
    return branch
