"""Isometries between the models of hyperbolic space.

The origins correspond, (0, ..., 0, 1) being the half-space's, and so do the directions there: the hyperboloid's space
is that of the Poincaré and Klein balls, and their last axis points up in the half-space, to infinity.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import torch
from torch import Tensor

from hypgeo.manifolds.base import Manifold
from hypgeo.manifolds.halfspace import HalfSpace
from hypgeo.manifolds.lorentz import Lorentz
from hypgeo.manifolds.mchalfspace import MCHalfSpace
from hypgeo.manifolds.poincare_ball import PoincareBall
from hypgeo.manifolds.tiling import Tiling
from hypgeo.ops import convert as ops
from hypgeo.ops import exact
from hypgeo.ops._kernel import Op

__all__ = ["Klein", "convert"]


class Klein:
    """The Klein ball c |x|^2 < 1 of curvature K = -c < 0, where geodesics are straight lines: a chart for ``convert``.

    curvature: K, a number or a tensor (``PoincareBall(...).curvature``, say, with its gradient) that broadcasts against
    the batch axes of the points.  It has no metric of its own: convert the points to another model for that.
    """

    name = "Klein"

    def __init__(self, curvature: float | Tensor = -1.0) -> None:
        self.curvature = torch.as_tensor(curvature, dtype=None if isinstance(curvature, Tensor) else torch.float64)
        if not bool((self.curvature < 0).all()) or not bool(self.curvature.isfinite().all()):
            raise ValueError(f"Klein needs a finite curvature K < 0, got {curvature!r}; for c = -K call Klein(-c)")

    @property
    def c(self) -> Tensor:
        """-K."""
        return -self.curvature

    def __repr__(self) -> str:
        k = self.curvature.detach()
        return f"Klein(curvature={f'{k.item():g}' if k.numel() == 1 else f'tensor of shape {tuple(k.shape)}'})"

    def __getattr__(self, verb: str) -> NoReturn:
        if hasattr(Manifold, verb):
            raise AttributeError(
                f"Klein is a chart without {verb}: call it on points converted to PoincareBall, Lorentz or HalfSpace"
            )
        raise AttributeError(f"'Klein' object has no attribute {verb!r}")


_MAPS: dict[tuple[Any, Any], Op] = {
    (PoincareBall, Lorentz): ops.ball_to_lorentz,
    (PoincareBall, HalfSpace): ops.ball_to_half,
    (PoincareBall, Klein): ops.ball_to_klein,
    (Lorentz, PoincareBall): ops.lorentz_to_ball,
    (Lorentz, HalfSpace): ops.lorentz_to_half,
    (Lorentz, Klein): ops.lorentz_to_klein,
    (HalfSpace, PoincareBall): ops.half_to_ball,
    (HalfSpace, Lorentz): ops.half_to_lorentz,
    (HalfSpace, Klein): ops.half_to_klein,
    (Klein, PoincareBall): ops.klein_to_ball,
    (Klein, Lorentz): ops.klein_to_lorentz,
    (Klein, HalfSpace): ops.klein_to_half,
}


def _exactly(x: Tensor, source: Any, target: Any) -> Tensor:
    """Where a tiling is one of the two."""
    columns = x.shape[-1]
    if isinstance(source, Tiling):
        source.renormalize(x[..., :0, :] if x.dim() > 1 else x[None][:0])  # refuses what has no rows
        dim = source.dim
    elif isinstance(source, MCHalfSpace):
        dim = source.unpack(x).shape[-1]
    else:
        dim = columns - isinstance(source, Lorentz)
    if isinstance(target, Tiling) and dim != target.dim:
        raise ValueError(f"{target!r} has dimension {target.dim}, these points of {source!r} have {dim}")
    if type(source) is type(target):
        return x.clone()
    if isinstance(source, Tiling) and (reason := source.why_not(x, inside=False)) is not None:
        raise ValueError(f"{source.name}: {reason}")
    if x.requires_grad and torch.is_grad_enabled():
        raise NotImplementedError(
            f"convert from {source.name} to {target.name} has no derivative; call it on x.detach()"
        )
    bits = 24 if x.dtype is torch.float32 else 53
    code = source.code if isinstance(source, Tiling) else -1
    most = torch.finfo(x.dtype).max / 2  # of time: that at radius 709 in float64
    rows: list[list[float]] = []
    for row in x.detach().reshape(-1, columns).double().tolist():
        if not all(map(math.isfinite, row)):
            raise ValueError(f"convert takes finite rows, got {row}")
        if not isinstance(target, Tiling):
            n = target.components if isinstance(target, MCHalfSpace) else 1
            name = "HalfSpace" if isinstance(target, MCHalfSpace) else target.name
            p = exact.to_model(row, code, name, float(source.c), n * bits, most)
            rows.append(exact.components_of(p, n, bits))
            continue
        if code == 0:
            made = exact.half_of_plane(row, bits, 1)
        elif isinstance(source, Tiling | MCHalfSpace | HalfSpace):
            p = exact.half_exactly(row, code) if isinstance(source, Tiling) else exact.sums(row, dim)
            made = exact.half_place(p[:-1], p[-1], 0, dim, bits, 1) if target.code else exact.plane_of_half(p, bits, 1)
        else:
            made = exact.from_model(row, source.name, float(source.c), target.code, bits)
        if made is None:
            raise ValueError(f"{target.name} ends at radius 5.8 million, and a row of {source.name} lies beyond")
        rows.append(made)
    chart = isinstance(target, Klein)
    least = target.width() if isinstance(target, Tiling) else dim if chart else target.ambient_dim(dim)
    width = max((len(r) for r in rows), default=least)
    rows = [r + [0.0] * (width - len(r)) for r in rows]
    out = torch.tensor(rows, dtype=torch.float64).reshape(*x.shape[:-1], width)
    if isinstance(target, MCHalfSpace):
        return target.projx(out.to(x.dtype))
    if isinstance(target, Tiling | Lorentz):
        return out.to(x.dtype)
    # where the target has no such float, what its class documents; a Klein ball is as large as Poincaré's
    return (PoincareBall(target.curvature) if chart else target)._land(out, x.dtype)


def convert(x: Tensor, source: Manifold | Klein, target: Manifold | Klein) -> Tensor:
    """The point of ``target`` that the isometry between the models assigns to x, a point of ``source``.

    Shapes ``(..., d) -> (..., d)``, the hyperboloid with one coordinate more (time first).  Both spaces must have the
    same curvature: a change of curvature is a scaling of distances, not an isometry.  Where ``target`` has no float
    for the point, its class says what is returned.  Differentiable twice in x and in the source's curvature;
    :mod:`hypgeo.ops.convert` states the error bounds.

    From and to the tilings, :class:`HTiling` and :class:`LTiling`, in integers of as many bits as the points need:
    floats and components are correctly rounded, integers exact and offsets correctly rounded, at any radius; without
    derivatives, and row by row (a millisecond near the origin, at radius 100,000 about a second).
    """
    for m in (source, target):
        if not isinstance(m, PoincareBall | Lorentz | HalfSpace | Klein | MCHalfSpace | Tiling):
            raise TypeError(
                f"convert knows PoincareBall, Lorentz, HalfSpace, Klein, MCHalfSpace, HTiling and LTiling, got {m!r}"
            )
    if not torch.equal(source.c.detach().cpu().double(), target.c.detach().cpu().double()):
        raise ValueError(
            f"convert needs equal curvatures, got {source!r} and {target!r}; "
            "to change the curvature, scale tangent vectors: target.expmap0(k * source.logmap0(x))"
        )
    if isinstance(source, Tiling) or isinstance(target, Tiling):
        return _exactly(x, source, target)
    if isinstance(target, MCHalfSpace):
        return target.from_model(x, source)
    if isinstance(source, MCHalfSpace):
        return source.to_model(x, target)
    if type(source) is type(target):
        return x.clone()
    return _MAPS[type(source), type(target)](x, source.c)
