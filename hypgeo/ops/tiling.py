"""Points of tilings of hyperbolic space, K = -1: an integer tile, held exactly, and a float offset in it.

Rows, in float32 or float64, all columns but the offsets integers held exactly:
H-tiling of dimension d >= 2: d - 1 offsets in [0, 1), a height in [1, 2), j, and d - 1 integers k in limbs; the point
2^j (offsets + k, height) of the half-space.
L-tiling of the plane (dim = 0): two spatial coordinates x on the hyperboloid, in the square F = {2 x_1^2 - x_2^2 <= 1,
2 x_2^2 - x_1^2 <= 1}, and the nine integers g of an element of the tiling's group in limbs; the point L g L^-1 x,
L = diag(sqrt 3, 1, 1).
Limbs are signed digits to the base 2^24, in [-2^23, 2^23), the lowest first and all integers' lowest before the next:
columns of zeros at the end change nothing and make room for larger integers.

Functions take `dim`, d of the H-tiling or 0.  Source: T. Yu, C. De Sa. Numerically Accurate Hyperbolic Embeddings Using
Tiling-Based Models. NeurIPS 2019.  csrc/tiling has the geometry; :mod:`hypgeo.ops.exact` is the plain body.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from hypgeo import _C
from hypgeo.ops import exact

__all__ = ["head", "integers", "limbs_of", "match", "pairs", "pull", "step", "view", "why_not", "width_of"]

_BITS = {torch.float32: 24, torch.float64: 53}


def _native(name: str) -> Callable[..., Any] | None:
    return getattr(torch.ops.hypgeo, name) if _C.available() else None


# ---------------------------------------------------------------------------------------------------- layout


def head(dim: int) -> int:
    """Columns before the limbs."""
    return dim + 1 if dim else 2


def integers(dim: int) -> int:
    """How many integers a row holds in limbs."""
    return dim - 1 if dim else 9


def width_of(dim: int, limbs: int) -> int:
    """Columns of a row with so many limbs."""
    return head(dim) + integers(dim) * limbs


def limbs_of(width: int, dim: int) -> int:
    """Limbs of a row with so many columns; refuses a width that none has."""
    limbs, over = divmod(width - head(dim), integers(dim))
    if limbs < 1 or over:
        raise ValueError(
            f"a row of this tiling has {head(dim)} + {integers(dim)} x limbs columns, got {width}; "
            f"the least is {width_of(dim, 1)}"
        )
    return limbs


def _dim(dim: int) -> int:
    return dim or 2


def match(dim: int, *rows: Tensor) -> tuple[Tensor, ...]:
    """The rows with equally many limbs."""
    for t in rows:
        limbs_of(t.shape[-1], dim)
    width = max(t.shape[-1] for t in rows)
    return tuple(t if t.shape[-1] == width else pad(t, (0, width - t.shape[-1])) for t in rows)


# ---------------------------------------------------------------------------------------------------- bodies


def _finite(row: Sequence[float]) -> bool:
    return all(map(math.isfinite, row))


def _sound(row: Sequence[float], dim: int) -> bool:
    """Finite, and j of the half-space an integer."""
    return _finite(row) and (not dim or row[dim].is_integer())


def _view_row(x: list[float], y: list[float], dim: int) -> exact.View:
    d = _dim(dim)
    if not (_sound(x, dim) and _sound(y, dim)):
        return math.nan, [math.nan] * d, [math.nan] * d, [math.nan] * (d - 1)
    return exact.half_view(x, y, dim) if dim else exact.plane_view(x, y)


def _step_row(x: list[float], u: list[float] | None, dim: int, bits: int, least: int) -> list[float] | None:
    if not (_sound(x, dim) and (u is None or _finite(u))):
        return None
    return exact.half_step(x, u, dim, bits, least) if dim else exact.plane_step(x, u, bits, least)


# ---------------------------------------------------------------------------------------------------- ops
# on contiguous float64 rows (n, w)


def view(
    x: Tensor, y: Tensor, dim: int, directions: bool
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Distances (n,) of x[i] and y[i] within 2 ulp, and, where asked for, how they see each other.

    That is the unit vectors (n, d) from x to y and from y to x, in the frames of the chart that are orthonormal at x
    and at y, within 3 ulp normwise, 0 between equal points; and a unit vector (n, d - 1) that spans with the last axis
    the plane of these two, 0 where they lie on that axis.
    """
    n, d = len(x), _dim(dim)
    dist = x.new_empty(n)
    seen = [x.new_empty(n, k) if directions else None for k in (d, d, d - 1)]
    op = _native("tiling_view")
    if op is not None:
        op(x, y, dim, dist, *seen)
        open_ = torch.signbit(dist).nonzero()[:, 0]
    else:
        open_ = torch.arange(n)
    for i, a, b in zip(open_.tolist(), x[open_].tolist(), y[open_].tolist(), strict=True):
        dist[i], *found = _view_row(a, b, dim)
        for whole, part in zip(seen, found, strict=True):
            if whole is not None:
                whole[i] = torch.tensor(part, dtype=x.dtype)
    return dist, seen[0], seen[1], seen[2]


def pairs(x: Tensor, y: Tensor, dim: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Distances (n, m) of all x[i] and y[j], and which pairs were found in decimals: :func:`pull` asks for them."""
    dist = x.new_empty(len(x), len(y))
    op = _native("tiling_pairs")
    if op is not None:
        op(x, y, dim, dist)
        i, j = torch.signbit(dist).nonzero(as_tuple=True)
    else:
        i, j = (v.reshape(-1) for v in torch.meshgrid(torch.arange(len(x)), torch.arange(len(y)), indexing="ij"))
    if len(i):
        dist[i, j] = view(x[i].contiguous(), y[j].contiguous(), dim, False)[0]
    return dist, (i, j)


def pull(
    x: Tensor, y: Tensor, dim: int, grad: Tensor, open_: tuple[Tensor, Tensor], wants: tuple[bool, bool]
) -> list[Tensor | None]:
    """Sums over j of grad[i, j] times the unit vector from x[i] to y[j], (n, d), and likewise for y, (m, d)."""
    sums = [t.new_zeros(len(t), _dim(dim)) if asked else None for t, asked in zip((x, y), wants, strict=True)]
    op = _native("tiling_pull")
    if op is not None:
        op(x, y, dim, grad, *sums)  # without the pairs that are open
    i, j = open_
    if len(i):
        units = view(x[i].contiguous(), y[j].contiguous(), dim, True)[1:3]
        for at, total, unit in zip((i, j), sums, units, strict=True):
            if total is not None and unit is not None:
                total.index_add_(0, at, grad[i, j].unsqueeze(-1) * unit)
    return sums


def step(x: Tensor, u: Tensor | None, dim: int, dtype: torch.dtype) -> Tensor:
    """x (n, w) in the one form that each point has, or exp_x(u), with offsets rounded to dtype; wider where need be.

    A row that is not finite, or that would leave the range of j and of the limbs, becomes nan.
    """
    bits = _BITS[dtype]
    needed = torch.empty(len(x), dtype=torch.int64)
    op = _native("tiling_step")
    if op is not None:
        out = op(x, u, dim, bits == 24, needed)
        open_ = (needed < 0).nonzero()[:, 0]
    else:
        out, open_ = torch.empty_like(x), torch.arange(len(x))
    if not len(open_):
        return out
    least = limbs_of(out.shape[1], dim)
    tangents = [None] * len(open_) if u is None else u[open_].tolist()
    rows = [_step_row(a, b, dim, bits, least) for a, b in zip(x[open_].tolist(), tangents, strict=True)]
    width = max(out.shape[1], *(len(r) for r in rows if r is not None), 0)
    out = pad(out, (0, width - out.shape[1]))
    for i, r in zip(open_.tolist(), rows, strict=True):
        out[i] = math.nan if r is None else torch.tensor(r + [0.0] * (width - len(r)), dtype=x.dtype)
    return out


# ---------------------------------------------------------------------------------------------------- checks

_OUTSIDE = "its offset lies outside the tile; call renormalize"
_FAULTS = (
    "g' M g is not M = diag(3, -1, -1)",
    "a reflection, of determinant -1",
    "it swaps future and past",
    "a symmetry of M that does not keep the tiles' corners apart",
)


def why_not(x: Tensor, dim: int, inside: bool) -> str | None:
    """Why rows (n, w) are no points, the first named, or None; inside: whether offsets must lie in their tile."""
    d = _dim(dim)
    offset, whole = x[:, :d], x[:, d:]
    if not bool(x.isfinite().all()):
        row = int((~x.isfinite()).any(-1).nonzero()[0])
        return f"row {row} is not finite"
    edge = 2.0**23
    checks = [
        ("a limb is no integer from -2^23 to 2^23 - 1", (whole == whole.round()) & (whole >= -edge) & (whole < edge)),
    ]
    if dim:
        j = whole[:, :1]
        checks.insert(0, ("its height is not positive", offset[:, -1:] > 0))
        checks.insert(1, ("j is no integer below 2^23 in size", (j == j.round()) & (j.abs() < edge)))
    if dim and inside:
        low = offset.new_tensor([0.0] * (d - 1) + [1.0])
        checks.append((_OUTSIDE, (offset >= low) & (offset < low + 1)))
    for reason, holds in checks:
        if not bool(holds.all()):
            return f"row {int((~holds).any(-1).nonzero()[0])}: {reason}"
    if dim:
        return None
    op = _native("tiling_fault")
    codes = torch.tensor([exact.plane_fault(r) for r in x.tolist()]) if op is None else op(x.contiguous())
    wrong = codes.nonzero()
    if len(wrong):
        return f"row {int(wrong[0])}: its integers are none of the group's: {_FAULTS[int(codes[wrong[0]]) - 1]}"
    if inside:
        for i, r in enumerate(offset.tolist()):
            if not exact.inside(r):
                return f"row {i}: {_OUTSIDE}"
    return None
