"""Isometries between the models of hyperbolic space.

The origins correspond, (0, ..., 0, 1) being the half-space's, and so do the directions there: the hyperboloid's space
is that of the Poincaré and Klein balls, and their last axis points up in the half-space, to infinity.
"""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor

from hypgeo.manifolds.base import Manifold
from hypgeo.manifolds.halfspace import HalfSpace
from hypgeo.manifolds.lorentz import Lorentz
from hypgeo.manifolds.mchalfspace import MCHalfSpace
from hypgeo.manifolds.poincare_ball import PoincareBall
from hypgeo.ops import convert as ops
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


def convert(x: Tensor, source: Manifold | Klein, target: Manifold | Klein) -> Tensor:
    """The point of ``target`` that the isometry between the models assigns to x, a point of ``source``.

    Shapes ``(..., d) -> (..., d)``, the hyperboloid with one coordinate more (time first).  Both spaces must have the
    same curvature: a change of curvature is a scaling of distances, not an isometry.  Where ``target`` has no float
    for the point, its class says what is returned.  Differentiable twice in x and in the source's curvature;
    :mod:`hypgeo.ops.convert` states the error bounds.
    """
    for m in (source, target):
        if not isinstance(m, PoincareBall | Lorentz | HalfSpace | Klein | MCHalfSpace):
            raise TypeError(f"convert knows PoincareBall, Lorentz, HalfSpace, Klein and MCHalfSpace, got {m!r}")
    if not torch.equal(source.c.detach().cpu().double(), target.c.detach().cpu().double()):
        raise ValueError(
            f"convert needs equal curvatures, got {source!r} and {target!r}; "
            "to change the curvature, scale tangent vectors: target.expmap0(k * source.logmap0(x))"
        )
    if isinstance(target, MCHalfSpace):
        return target.from_model(x, source)
    if isinstance(source, MCHalfSpace):
        return source.to_model(x, target)
    if type(source) is type(target):
        return x.clone()
    return _MAPS[type(source), type(target)](x, source.c)
