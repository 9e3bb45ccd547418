"""Linear layers on a manifold, of the three kinds in use."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hypgeo.manifolds import Manifold
from hypgeo.nn.layer import FLAT, Layer, expect_points, shifted
from hypgeo.nn.planes import scores
from hypgeo.ops.special import norm

__all__ = ["Linear"]

Kind = Literal["mobius", "poincare", "lorentz"]


class Linear(Layer):
    """A linear layer, ``(..., in_channels) -> (..., out_channels)`` dimensions.

    Parameters
    ----------
    in_channels, out_channels : int
        Dimensions of the points (a point on the hyperboloid has one coordinate more).
    manifold, in_manifold : Manifold
        Where points end, and where they come from when that differs.
    kind : str
        "mobius": ``exp_0(W log_0 x) ⊕ exp_0(b)`` (Ganea et al., "Hyperbolic Neural Networks", 2018, section 3.2).
        "poincare": the point whose signed distances to the coordinate hyperplanes are |z_k| times those of x to learnt
        hyperplanes (Shimizu et al., "Hyperbolic Neural Networks++", 2021, section 3.2).
        "lorentz": an affine map of all hyperboloid coordinates to the spatial ones (Chen et al., "Fully Hyperbolic
        Neural Networks", 2022, section 3.1, without its normalisation).
    bias : bool
        Whether there is a b, an offset of the planes, an affine part.
    gain : float
        Weights are drawn with variance ``gain² / out_channels``, which keeps the *length* of what they act on: the
        radius of points, and so their place in hyperbolic space, stays as it is through many layers.  Give √2 before
        a ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        manifold: Manifold,
        *,
        in_manifold: Manifold | None = None,
        kind: Kind = "mobius",
        bias: bool = True,
        gain: float = 1.0,
    ) -> None:
        if kind not in get_args(Kind):
            raise ValueError(f"Linear: kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
        super().__init__(manifold, in_manifold)
        self.in_channels, self.out_channels, self.kind, self.gain = in_channels, out_channels, kind, gain
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels))
        self.time = nn.Parameter(torch.empty(out_channels)) if kind == "lorentz" else None
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.gain / math.sqrt(self.out_channels))
        for p in (self.time, self.bias):
            if p is not None:
                nn.init.zeros_(p)

    def forward(self, x: Tensor) -> Tensor:
        self.expect_points(x, self.in_channels)
        return getattr(self, f"_{self.kind}")(x)

    @property
    def acts_at_origin(self) -> bool:
        return self.kind == "mobius"

    def at_origin(self, h: Tensor) -> Tensor:
        expect_points(type(self).__name__, FLAT, h, self.in_channels)
        return shifted(self.manifold, (h @ self.weight.to(h.dtype).mT).to(h.dtype), self.bias)

    def _mobius(self, x: Tensor) -> Tensor:
        return self.manifold.from_normal_coordinates(self.at_origin(self.in_manifold.normal_coordinates(x)))

    def _poincare(self, x: Tensor) -> Tensor:
        offset = self.bias if self.bias is not None else self.weight.new_zeros(self.out_channels)
        v = scores(self.in_manifold, x, self.weight, offset)
        return self.manifold.from_plane_distances(v)

    def _lorentz(self, x: Tensor) -> Tensor:
        s = self.in_manifold.spatial_coordinates(x)
        y = (s @ self.weight.to(s.dtype).mT).to(s.dtype)
        assert self.time is not None
        c = self.in_manifold.c.to(s.device)
        unit = norm(s)
        time = torch.hypot(torch.ones_like(unit), c.sqrt().to(s.dtype) * unit)  # √c x₀
        y = y + time * self.time.to(s.dtype)
        return self.manifold.from_spatial_coordinates(y if self.bias is None else y + self.bias.to(s.dtype))

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, kind={self.kind!r}, bias={self.bias is not None}"
