"""Personalised propagation of points."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor
from torch_geometric.typing import Adj, OptTensor

from hypgeo.manifolds import Manifold
from hypgeo.nn.graph.normalized import NormalizedConv

__all__ = ["HAPPNP"]


class HAPPNP(NormalizedConv):
    """K steps of ``x <- (1 - alpha) AGG_j x_j + alpha x_0`` along geodesics, without weights to learn.

    Gasteiger et al., "Predict then Propagate", 2019, equation 4, with points for features: each step gathers the
    neighbours' points as ``aggr`` says (see :class:`ManifoldConv`), and goes back the fraction alpha of the way to
    where the node began.  With "tangent" that is APPNP of the normal coordinates at the origin; on ``Euclidean()`` it
    is PyG's own.

    Shapes
    ------
    x: (nodes, width), edge_index: (2, edges) or a sparse transposed adjacency matrix, edge_weight: (edges)
    -> (nodes, width).
    """

    def __init__(
        self,
        K: int,
        alpha: float,
        manifold: Manifold,
        *,
        aggr: Any = "tangent",
        normalize: Literal["row", "sym"] | None = "sym",
        add_self_loops: bool = True,
        cached: bool = False,
        **kwargs: Any,
    ) -> None:
        if K < 1 or not 0 <= alpha <= 1:
            raise ValueError(f"HAPPNP takes K >= 1 steps and a fraction alpha in 0 ... 1, got K={K}, alpha={alpha}")
        super().__init__(manifold, None, aggr, normalize, add_self_loops, False, cached, **kwargs)
        self.K, self.alpha = K, alpha

    @property
    def acts_at_origin(self) -> bool:
        return self.kind == "tangent"

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.forget()

    def forward(self, x: Tensor, edge_index: Adj, edge_weight: OptTensor = None) -> Tensor:
        n = len(x)
        self.expect_points(x, -1)
        if self.acts_at_origin:
            h = self.at_origin(self.manifold.normal_coordinates(x), edge_index, edge_weight)
            return self.manifold.from_normal_coordinates(h)
        self.expect_edges(edge_index, (n, n), edge_weight)
        edge_index, edge_weight = self.normalized(edge_index, edge_weight, n, True, x.dtype)
        y = x
        for _ in range(self.K):
            y = self.manifold.geodesic(self.alpha, self.aggregated(edge_index, y, y, edge_weight, (n, n)), x)
        return y

    def at_origin(self, h: Tensor, edge_index: Adj, edge_weight: OptTensor = None) -> Tensor:
        n, start = len(h), h
        self.expect_points(h, -1, flat=True)
        self.expect_edges(edge_index, (n, n), edge_weight)
        edge_index, edge_weight = self.normalized(edge_index, edge_weight, n, True, h.dtype)
        for _ in range(self.K):
            near = self.spread(h, edge_index, edge_weight, True)
            near = self.gather(edge_index, h, None, edge_weight, (n, n)) if near is None else near
            h = near.lerp(start, self.alpha)
        return h

    def __repr__(self) -> str:
        return f"{type(self).__name__}(K={self.K}, alpha={self.alpha}, {self.manifold!r}, aggr={self.kind!r})"
