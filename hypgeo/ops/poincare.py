"""Functions of points in the Poincaré ball of curvature −c: c|x|² < 1."""

import torch
from torch import Tensor

from hypgeo.ops._kernel import pair


@pair("poincare_dist")
def dist(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Distance between points of the Poincaré ball: (2/√c) asinh(√c |x − y| / √((1 − c|x|²)(1 − c|y|²))).

    x, y: (*#batch, d), broadcast against each other; c: one number > 0, minus the curvature.  Returns (*batch,).
    Compiled: within 4 ulp of the exact distance of the floats given, its gradients within 8 ulp (normwise), float32 and
    float64 alike, between neighbouring floats and up to the rim; dist(x, x) = 0 exactly, with gradient 0.
    A point on the rim is infinitely far, one outside has distance NaN.
    Source: A. F. Beardon, The Geometry of Discrete Groups, Springer 1983, §7.2.
    """
    root = torch.sqrt(c)
    chord = torch.linalg.vector_norm(y - x, dim=-1)  # its derivative at 0 is 0
    gap_x, gap_y = _gap(x, root), _gap(y, root)
    return 2 / root * torch.asinh(root * chord / torch.sqrt(gap_x * gap_y))


def _gap(x: Tensor, root: Tensor) -> Tensor:
    """1 − c|x|² as a product, which cancels less on the rim than the difference of squares."""
    size = root * torch.linalg.vector_norm(x, dim=-1)
    return (1 - size) * (1 + size)
