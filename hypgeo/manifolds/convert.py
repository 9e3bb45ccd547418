"""Isometries between the models of hyperbolic space.

The origins correspond, (0, ..., 0, 1) being the half-space's, and so do the directions there: the hyperboloid's space
is the ball's, and the last axis of both points up in the half-space (the Cayley map sends the ball's +e_d to infinity).
"""

from __future__ import annotations

import torch
from torch import Tensor

from hypgeo.manifolds.base import Manifold
from hypgeo.manifolds.halfspace import HalfSpace
from hypgeo.manifolds.lorentz import Lorentz
from hypgeo.manifolds.poincare_ball import PoincareBall
from hypgeo.ops.special import dot, gap

__all__ = ["convert"]


def _ball_to_lorentz(x: Tensor, c: Tensor) -> Tensor:
    g = gap(x, c)
    return torch.cat(((2 - g) / (c.sqrt() * g), 2 * x / g), -1)


def _lorentz_to_ball(x: Tensor, c: Tensor) -> Tensor:
    y = x[..., 1:]
    return y / (1 + (1 + c * dot(y, y)).sqrt())


def _ball_to_half(x: Tensor, c: Tensor) -> Tensor:
    # with b = sqrt(c) x: (2 b_h, 1 - |b|^2) / |b - e|^2
    b = c.sqrt() * x
    h, down = b[..., :-1], 1 - b[..., -1:]
    return torch.cat((2 * h, gap(x, c)), -1) / (dot(h, h) + down.square())


def _half_to_ball(x: Tensor, c: Tensor) -> Tensor:
    h, z = x[..., :-1], x[..., -1:]
    q = dot(h, h)
    return torch.cat((2 * h, q + (z - 1) * (z + 1)), -1) / ((q + (1 + z).square()) * c.sqrt())


def _half_to_lorentz(x: Tensor, c: Tensor) -> Tensor:
    h, z = x[..., :-1], x[..., -1:]
    q = dot(h, h)
    time = q + z.square() + 1
    return torch.cat((time, 2 * h, q + (z - 1) * (z + 1)), -1) / (2 * z * c.sqrt())


def _lorentz_to_half(x: Tensor, c: Tensor) -> Tensor:
    y = c.sqrt() * x[..., 1:]
    h, up = y[..., :-1], y[..., -1:]
    time, q = (1 + dot(y, y)).sqrt(), 1 + dot(h, h)
    rising = up > 0  # height 1 / (time - up), without the difference
    height = torch.where(rising, (time + up) / q, 1 / (time - torch.where(rising, 0.0, up)))
    return torch.cat((h * height, height), -1)


_MAPS = {
    (PoincareBall, Lorentz): _ball_to_lorentz,
    (Lorentz, PoincareBall): _lorentz_to_ball,
    (PoincareBall, HalfSpace): _ball_to_half,
    (HalfSpace, PoincareBall): _half_to_ball,
    (HalfSpace, Lorentz): _half_to_lorentz,
    (Lorentz, HalfSpace): _lorentz_to_half,
}


def convert(x: Tensor, source: Manifold, target: Manifold) -> Tensor:
    """The point of ``target`` that the isometry between the models assigns to x, a point of ``source``.

    Shapes ``(..., d) -> (..., d)``, the hyperboloid with one coordinate more (time first).  Both manifolds must have
    the same curvature: a change of curvature is a scaling of distances, not an isometry.  Where ``target`` has no float
    for the point, its class says what is returned.
    """
    for m in (source, target):
        if not isinstance(m, PoincareBall | Lorentz | HalfSpace):
            raise TypeError(f"convert knows PoincareBall, Lorentz and HalfSpace, got {m!r}")
    if not torch.equal(source.c.detach().cpu().double(), target.c.detach().cpu().double()):
        raise ValueError(
            f"convert needs equal curvatures, got {source!r} and {target!r}; "
            "to change the curvature, scale tangent vectors: target.expmap0(k * source.logmap0(x))"
        )
    dtype, c, (y,) = source._enter(x)
    if type(source) is type(target):
        return x.clone()
    return target._land(_MAPS[type(source), type(target)](y, c), dtype)
