"""The hyperbolic plane tiled by squares of an integer group: exact at any radius."""

from __future__ import annotations

import decimal
import math
from decimal import Decimal

import torch
from torch import Tensor

from hypgeo.manifolds.tiling import Tiling
from hypgeo.ops import exact
from hypgeo.ops.special import dot

__all__ = ["LTiling"]


class LTiling(Tiling):
    """Hyperbolic plane whose points are L g L^-1 x: an exact tile g of an integer group, and an offset x in one square.

    A row has 2 + 9 L columns: two spatial coordinates x of the hyperboloid (time is derived) in the square
    F = {2 x_1^2 - x_2^2 <= 1, 2 x_2^2 - x_1^2 <= 1}, then the 3 x 3 integers g, row by row, in L limbs (signed digits
    to the base 2^24), limb by limb, the lowest first.  L = diag(sqrt 3, 1, 1).  Points are those of :class:`Lorentz`;
    the origin is the centre of the tile g = 1.  float64 rows hold a point to 2^-52 of the unit of length at any radius,
    float32 rows to 2^-23.  Where rounding puts a point on the other side of a boundary, it has that tile.

    The distance of points on both sides of a boundary and nearer than 1e-11 is found in decimals, slowly.

    curvature: K < 0, one number.  T. Yu, C. De Sa, "Numerically Accurate Hyperbolic Embeddings Using Tiling-Based
    Models", NeurIPS 2019, section 3.
    """

    name = "LTiling"
    dim = 2
    code = 0

    def _time(self, x: Tensor) -> Tensor:
        return (1 + x[..., :2].square().sum(-1, keepdim=True)).sqrt()

    def _components(self, x: Tensor, u: Tensor) -> Tensor:
        s, v, t = x[..., :2], u[..., :2], self._time(x)
        return v - s * (dot(s, v) / (t * (1 + t)))

    def _vector(self, x: Tensor, a: Tensor) -> Tensor:
        s = x[..., :2]
        return a + s * (dot(s, a) / (1 + self._time(x)))

    def _slope(self, x: Tensor, n: Tensor) -> Tensor:
        return -self._components(x, n)  # the frame is symmetric

    def _raised(self, x: Tensor, g: Tensor) -> Tensor:
        s = x[..., :2]
        return g + s * dot(s, g)

    def _origin_row(self, width: int) -> Tensor:
        row = torch.zeros(width, dtype=torch.float64)
        row[2:11:4] = 1.0
        return row

    def point(self, row: Tensor, digits: int = 17) -> tuple[Decimal, ...]:
        """One point (w,) on the hyperboloid, time first, each coordinate to so many digits."""
        self._rows(row)
        reason = self.why_not(row[None], inside=False)
        if row.dim() != 1 or reason is not None:
            raise ValueError(f"point takes one row of {self.name}: {reason or f'its shape is {tuple(row.shape)}'}")
        p = exact.plane_coordinates(*exact.plane_split(row.tolist()), math.ceil(digits * math.log2(10)) + 100)
        with decimal.localcontext(exact.context(digits)):
            return tuple(exact.decimal_of(v) for v in p[:3])
