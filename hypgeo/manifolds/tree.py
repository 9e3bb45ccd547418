"""Hyperbolic space as a tree sees it: every point relative to its parent's, exact at any distance from the root."""

from __future__ import annotations

import decimal
import math

import numpy as np
import torch
from torch import Tensor

from hypgeo.manifolds.htiling import HTiling
from hypgeo.ops import integers
from hypgeo.ops import tree as ops


class HalfSpaceTree:
    """Finitely many points of the upper half-space (height last), each stored in the frame of its parent.

    The affine maps (x, y) -> (a x + b, a y) act simply transitively on the half-space by isometries; node i is its
    parent's map followed by (b_i, a_i).  Its coordinates, row i of `points` (n, d) float64, are the d - 1 offsets b_i
    and log a_i; the root is (0, ..., 0, 1), a row of zeros.  These floats *are* the point: no radius is too large for
    them and two nodes never fall together, where a float64 ball ends at radius 37.

    parent: (n,) int64, parent[0] = -1 and parent[i] < i (parents first).  curvature: sectional curvature K < 0.

    Unlike the other manifolds its verbs take node indices, since a row means nothing without its ancestors.
    Distances are within 2 ulp of the exact distance of the exact points, at any radius (csrc/tree/space.h).
    """

    name = "HalfSpaceTree"

    def __init__(self, parent: Tensor, curvature: float = -1.0) -> None:
        parent = torch.as_tensor(parent, dtype=torch.int64).contiguous()
        if parent.ndim != 1 or not len(parent):
            raise ValueError(f"parent must be a vector of at least one node, not of shape {tuple(parent.shape)}.")
        above = torch.arange(len(parent))
        wrong = torch.nonzero((parent >= above) | (parent < 0))
        if parent[0] != -1 or len(wrong) != 1:
            i = 0 if parent[0] != -1 else int(wrong[1])
            wanted = "-1" if i == 0 else f"0 to {i - 1}"
            raise ValueError(f"parent[{i}] is {int(parent[i])}, but it must be {wanted}: parents come first.")
        if not (curvature < 0 and math.isfinite(curvature)):
            raise ValueError(f"curvature is {curvature:g}; hyperbolic space needs a finite negative one.")
        self.parent = parent
        self.curvature = float(curvature)

    @property
    def c(self) -> float:
        return -self.curvature

    def __repr__(self) -> str:
        return f"HalfSpaceTree({len(self.parent):,} nodes, curvature={self.curvature:g})"

    def _check(self, points: Tensor) -> Tensor:
        if points.dtype != torch.float64 or points.ndim != 2 or len(points) != len(self.parent) or points.shape[1] < 2:
            raise ValueError(
                f"points must be ({len(self.parent)}, d >= 2) float64, not {tuple(points.shape)} {points.dtype}."
            )
        return points.contiguous()

    def _nodes(self, i: Tensor | int) -> Tensor:
        i = torch.as_tensor(i)
        if i.numel() and (i.is_floating_point() or i.dtype is torch.bool):
            raise TypeError(f"nodes are integers from 0 to {len(self.parent) - 1}, not {i.dtype}.")
        i = i.to(torch.int64)
        if i.numel() and not (0 <= int(i.min()) and int(i.max()) < len(self.parent)):
            bad = int(i.min()) if i.min() < 0 else int(i.max())
            raise ValueError(f"node {bad} does not exist; nodes are 0 to {len(self.parent) - 1}.")
        return i

    def why_not(self, points: Tensor) -> str | None:
        """Why these rows are no points of this space, in a sentence, or None."""
        self._check(points)
        if points[0].any():
            return "the root's row must be zeros"
        bad = torch.nonzero(~points.isfinite().all(dim=1))
        return f"row {int(bad[0])} is not finite" if len(bad) else None

    def dist(self, points: Tensor, i: Tensor | int, j: Tensor | int) -> Tensor:
        """Distance of nodes i and j, int64 of any shapes that broadcast; within 2 ulp (3 where curvature is not -1)."""
        a, b = torch.broadcast_tensors(self._nodes(i), self._nodes(j))
        out = ops.dist(self.parent, self._check(points), a.reshape(-1), b.reshape(-1)).reshape(a.shape)
        return out if self.curvature == -1 else out / math.sqrt(self.c)

    def dist_from(self, points: Tensor, i: Tensor | int) -> Tensor:
        """Distances from nodes i (...) to all nodes: (..., n), one sweep over the tree each; within 2 ulp."""
        nodes = self._nodes(i)
        out = ops.dist_from(self.parent, self._check(points), nodes.reshape(-1))
        out = out.reshape(*nodes.shape, len(self.parent))
        return out if self.curvature == -1 else out / math.sqrt(self.c)

    def pairwise_dist(self, points: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """(len(i), len(j)) distances of nodes i (a,) and j (b,)."""
        return self.dist(points, self._nodes(i)[:, None], self._nodes(j)[None, :])

    def radius(self, points: Tensor) -> Tensor:
        """(n,) distances from the root."""
        return self.dist_from(points, 0)

    def point(self, points: Tensor, i: int, digits: int | None = None) -> tuple[decimal.Decimal, ...]:
        """Node i as one half-space point (x_1, ..., x_{d-1}, y), to `digits` significant digits.

        Default: 18 digits beyond the decades between the node's height and the largest number on the way, so that the
        position is known to 17 digits at the scale of its own height.
        """
        rows = self._check(points).tolist()
        parent = self.parent.tolist()
        i = int(self._nodes(i))
        log_y, deepest, k = 0.0, 0.0, i
        while k > 0:
            log_y += rows[k][-1]
            reach = max(map(abs, rows[k][:-1]))
            deepest, k = max(deepest, abs(log_y), (math.log(reach) if reach else 0.0) - log_y), parent[k]
        room = 1 + int(deepest / math.log(10))
        digits = 17 + room if digits is None else digits
        x, log_height = ops.climb(parent, rows, i, 0, ops.context(digits + room + 10))
        rounded = ops.context(digits)
        return (*(rounded.plus(v) for v in x), rounded.exp(log_height))

    def positions(self, points: Tensor) -> Tensor:
        """(n, d) float64: horizontal position and log height of every node as the root sees it, rounded."""
        return ops.positions(self.parent, self._check(points))

    def to_ball(self, points: Tensor) -> Tensor:
        """(n, d) float64 points of the Poincaré ball of this curvature, the root at its centre, "up" on the last axis.

        Cayley map; beyond radius 37 every point rounds to the rim.
        """
        at = self.positions(points)
        x, log_y = at[:, :-1], at[:, -1:]
        y = log_y.exp()
        s = x.square().sum(dim=1, keepdim=True)
        return torch.cat([2 * x, s + torch.expm1(2 * log_y)], dim=1) / (s + (1 + y).square()) / math.sqrt(self.c)

    def to_tiling(self, points: Tensor, dtype: torch.dtype = torch.float64) -> tuple[HTiling, Tensor]:
        """The half-space tiling of this curvature, and in it every node's whole place as the root sees it.

        (n, d) -> (n, d + 1 + (d - 1) L), L limbs for integers as large as the radius asks for: 1.44 bits for each
        unit of it.  Offsets and heights are correctly rounded to `dtype`.  ValueError where memory does not hold them.
        """
        reason = self.why_not(points)
        if reason is not None:
            raise ValueError(f"{self.name}: {reason}.")
        if dtype not in (torch.float32, torch.float64):
            raise TypeError(f"a tiling's points are float32 or float64, not {dtype}.")
        kind = np.float32 if dtype is torch.float32 else np.float64
        found = integers.tile_tree(self.parent.tolist(), self._check(points).numpy(), kind)
        return HTiling(points.shape[1], curvature=self.curvature), torch.from_numpy(found)

    def ball_error(self, points: Tensor) -> Tensor:
        """(n,) hyperbolic distance (K = -1) by which rounding to a float64 ball may move each node, to first order.

        Rounding moves coordinates by at most 10 * 2^-53, where y > 1 by another 2 log y * 2^-53, and lengths grow by
        2 / (1 - |x|^2) = (|x|^2 + (1 + y)^2) / 2y.
        """
        at = self.positions(points)
        x, log_y = at[:, :-1], at[:, -1]
        moved = 2.0**-53 * (10 + 2 * log_y.clamp(min=0))
        return moved * (x.square().sum(dim=1) + (1 + log_y.exp()).square()) * torch.exp(-log_y) / 2

    def local_polar(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) each, d = 2: direction theta from "up" (signed, radians) and distance tau, as the parent sees a node."""
        points = self._check(points)
        if points.shape[1] != 2:
            raise ValueError(f"local_polar describes the plane; these points have dimension {points.shape[1]}.")
        x, log_y = points.T
        # y sinh(tau) sin(theta) = x and y sinh(tau) cos(theta) = (x^2 + y^2 - 1) / 2
        s = x.square() + torch.expm1(2 * log_y)
        theta = torch.atan2(2 * x, s)
        q = x.square() * torch.exp(-log_y)
        tau = 2 * torch.asinh(torch.sqrt(0.25 * q + torch.sinh(0.5 * log_y).square()))
        far = log_y < -600  # where exp overflows, cosh tau = (1 + x^2 + y^2) / 2y is e^tau / 2 and y^2 is nothing
        tau = torch.where(far, -log_y + torch.log1p(x.square()), tau)
        theta[0] = 0
        return theta, tau
