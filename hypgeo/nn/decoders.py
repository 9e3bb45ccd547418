"""From pairs of points to the odds of an edge between them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hypgeo.manifolds import Manifold
from hypgeo.nn.layer import Layer, expect_edges

__all__ = ["DistanceDecoder", "FermiDiracDecoder"]


class _Decoder(Layer):
    verbs = ("dist", "dist2")

    def ends(self, z: Tensor | tuple[Tensor, Tensor], edge_index: Tensor) -> tuple[Tensor, Tensor]:
        sources, targets = z if isinstance(z, tuple) else (z, z)
        self.expect_points(sources)
        if targets is not sources:
            self.expect_points(targets)
        expect_edges(type(self).__name__, edge_index, (len(sources), len(targets)))
        return sources.index_select(0, edge_index[0]), targets.index_select(0, edge_index[1])

    def probability(self, z: Tensor | tuple[Tensor, Tensor], edge_index: Tensor) -> Tensor:
        """The probability of each edge ``(E)``: the sigmoid of the logit that calling the decoder gives."""
        return torch.sigmoid(self(z, edge_index))


class FermiDiracDecoder(_Decoder):
    """Logits ``(r - dist²)/t`` of pairs ``(2, E) -> (E)``, so that the probability is ``1/(exp((dist² - r)/t) + 1)``.

    Krioukov et al., "Hyperbolic Geometry of Complex Networks", 2010; Chami et al., "Hyperbolic Graph Convolutional
    Neural Networks", 2019, equation 12.  With ``learnable`` both r and t > 0 are parameters.  z are points, or a pair
    of sources and targets.
    """

    def __init__(self, manifold: Manifold, r: float = 2.0, t: float = 1.0, *, learnable: bool = False) -> None:
        super().__init__(manifold)
        if not t > 0:
            raise ValueError(f"FermiDiracDecoder: the temperature t must be positive, got {t}")
        self.r = nn.Parameter(torch.tensor(float(r)), requires_grad=learnable)
        self.log_t = nn.Parameter(torch.tensor(math.log(t)), requires_grad=learnable)

    def forward(self, z: Tensor | tuple[Tensor, Tensor], edge_index: Tensor) -> Tensor:
        u, v = self.ends(z, edge_index)
        d = self.manifold.dist2(u, v)
        return (self.r.to(d.dtype) - d) / self.log_t.to(d.dtype).exp()

    def extra_repr(self) -> str:
        return f"r={self.r.item():g}, t={self.log_t.exp().item():g}"


class DistanceDecoder(_Decoder):
    """Logits ``b - s dist`` of pairs ``(2, E) -> (E)``, with a learnt b and s > 0."""

    def __init__(self, manifold: Manifold, b: float = 2.0, s: float = 1.0) -> None:
        super().__init__(manifold)
        if not s > 0:
            raise ValueError(f"DistanceDecoder: the scale s must be positive, got {s}")
        self.b = nn.Parameter(torch.tensor(float(b)))
        self.log_s = nn.Parameter(torch.tensor(math.log(s)))

    def forward(self, z: Tensor | tuple[Tensor, Tensor], edge_index: Tensor) -> Tensor:
        u, v = self.ends(z, edge_index)
        d = self.manifold.dist(u, v)
        return self.b.to(d.dtype) - self.log_s.to(d.dtype).exp() * d

    def extra_repr(self) -> str:
        return f"b={self.b.item():g}, s={self.log_s.exp().item():g}"
