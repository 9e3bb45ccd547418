"""The half-space tiled by powers of two: exact at any radius, in any dimension."""

from __future__ import annotations

import decimal
from decimal import Decimal

import torch
from torch import Tensor

from hypgeo.manifolds.tiling import Tiling
from hypgeo.ops import exact

__all__ = ["HTiling"]


class HTiling(Tiling):
    """Half-space of dimension ``dim`` whose points are 2^j (x + k, h): an exact tile (j, k), an offset (x, h) in it.

    A row has dim + 1 + (dim - 1) L columns: the offsets x in [0, 1), the height h in [1, 2), the integer j, then the
    dim - 1 integers k in L limbs (signed digits to the base 2^24), limb by limb, the lowest first.  float64 rows hold
    a point to about 2^-53 of its own scale at any radius up to 5.8 million, float32 rows to 2^-24.  The origin is
    (0, ..., 0, 1); metric and chart are those of :class:`HalfSpace` in units of 2^j.

    dim: of the space, at least 2.  curvature: K < 0, one number.  T. Yu, C. De Sa, "Numerically Accurate Hyperbolic
    Embeddings Using Tiling-Based Models", NeurIPS 2019, section 4.
    """

    name = "HTiling"

    def __init__(self, dim: int = 2, curvature: float | Tensor = -1.0) -> None:
        if not isinstance(dim, int) or isinstance(dim, bool) or dim < 2:
            raise ValueError(f"HTiling has an integer dimension of at least 2, got {dim!r}; call HTiling(dim=2)")
        super().__init__(curvature)
        self.dim = self.code = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}, {super().extra_repr()}"

    def _height(self, x: Tensor) -> Tensor:
        return x[..., self.dim - 1 : self.dim]

    def _components(self, x: Tensor, u: Tensor) -> Tensor:
        return u[..., : self.dim] / self._height(x)

    def _vector(self, x: Tensor, a: Tensor) -> Tensor:
        return a * self._height(x)

    def _slope(self, x: Tensor, n: Tensor) -> Tensor:
        return -n / self._height(x)

    def _raised(self, x: Tensor, g: Tensor) -> Tensor:
        return g * self._height(x).square()

    def _origin_row(self, width: int) -> Tensor:
        row = torch.zeros(width, dtype=torch.float64)
        row[self.dim - 1] = 1.0
        return row

    def point(self, row: Tensor, digits: int = 17) -> tuple[Decimal, ...]:
        """One point (w,) as half-space coordinates, height last, each correctly rounded to so many digits."""
        self._rows(row)
        reason = self.why_not(row, inside=False)
        if row.dim() != 1 or reason is not None:
            raise ValueError(f"point takes one row of {self.name}: {reason or f'its shape is {tuple(row.shape)}'}")
        position, h, j = exact.half_split(row.tolist(), self.dim)
        with decimal.localcontext(exact.context(digits)):
            return tuple(exact.decimal_of((m, e + j)) for m, e in [*position, exact.dyadic(h)])
