"""Signed distances to learnt hyperplanes, which the HNN++ layer and the classifier share."""

from __future__ import annotations

import torch
from torch import Tensor

from hypgeo.manifolds import Manifold
from hypgeo.ops.special import norm

__all__ = ["scores"]


def scores(manifold: Manifold, x: Tensor, weight: Tensor, offset: Tensor) -> Tensor:
    """|z_k| times the signed distance from x to plane k, ``(..., width), (k, d), (k) -> (..., k)``.

    Plane k is orthogonal to the geodesic from the origin in direction z_k, and meets it at the signed distance
    offset_k.  In flat space this is <z_k, x> - |z_k| offset_k.  Equation 6 of Shimizu et al., "Hyperbolic Neural
    Networks++", 2021, whose z_k is half of ours: theirs are coordinates of the ball, ours normal coordinates.

    Float64 points go through ``hyperplane_dist``, which is right on the rim; others through one product in float64,
    whose rounding is far below that of their own coordinates.
    """
    work = torch.float64 if x.device.type != "mps" else torch.float32
    z, r = weight.to(work), offset.to(work)
    size = norm(z)
    z = z / torch.where(size > 0, size, 1.0)
    c = manifold.c.to(x.device, work)
    if x.dtype is torch.float64:
        foot = manifold.from_normal_coordinates(r.unsqueeze(-1) * z)
        normal = manifold.transp0(foot, manifold.logmap0(manifold.from_normal_coordinates(z)))
        distance = manifold.hyperplane_dist(x.unsqueeze(-2), foot, normal)
    else:
        s = manifold.spatial_coordinates(x.to(work))
        if bool(manifold.flat):
            distance = s @ z.mT - r
        else:
            # sinh(√c d) = √c <s, z> cosh(√c r) - √(1 + c |s|²) sinh(√c r), with √c in the weights
            unit = c.sqrt()
            r = (unit * r).clamp(-600, 600) / unit  # beyond it the products overflow
            time = torch.hypot(torch.ones((), dtype=work), c.sqrt() * norm(s))
            distance = torch.asinh(s @ (unit * torch.cosh(unit * r).unsqueeze(-1) * z).mT - time * torch.sinh(unit * r))
            distance = distance / unit
    return (size.squeeze(-1) * distance).to(x.dtype)
