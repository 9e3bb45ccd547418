"""The hyperbolic graph convolution."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch_geometric.nn.dense.linear import Linear
from torch_geometric.typing import Adj, OptTensor, Size

from hypgeo.manifolds import Manifold
from hypgeo.nn.graph.normalized import NormalizedConv
from hypgeo.nn.layer import shifted

__all__ = ["HGCNConv"]


class HGCNConv(NormalizedConv):
    """Hyperbolic graph convolution: ``AGG_j (exp_0(W log_0 x_j) ⊕ exp_0(b))``.

    Chami et al., "Hyperbolic Graph Convolutional Neural Networks", 2019, section 4; follow it by
    :class:`hypgeo.nn.Activation`.  On ``Euclidean()`` it is PyG's ``GCNConv`` (with the bias before the sum).

    Parameters
    ----------
    in_channels, out_channels : int
        Dimensions of the points; -1 takes the first from the first call.
    manifold, in_manifold : Manifold
        Where points end, and where they come from when that differs: ``in_manifold=Euclidean()`` takes features as
        they are (also sparse), another curvature carries points over by their normal coordinates.
    aggr : str or Aggregation
        "tangent", "local", "midpoint", "frechet", or a PyG aggregation: see :class:`ManifoldConv`.
    normalize, add_self_loops, improved, cached :
        See :class:`NormalizedConv`.
    bias : bool
        Whether there is a b.

    Shapes
    ------
    x: (nodes, width) or a pair (sources, targets), edge_index: (2, edges) or a sparse transposed adjacency matrix,
    edge_weight: (edges) -> (nodes, width).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        manifold: Manifold,
        *,
        in_manifold: Manifold | None = None,
        aggr: Any = "tangent",
        normalize: Literal["row", "sym"] | None = "row",
        add_self_loops: bool = True,
        improved: bool = False,
        cached: bool = False,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(manifold, in_manifold, aggr, normalize, add_self_loops, improved, cached, **kwargs)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.lin = Linear(in_channels, out_channels, bias=False, weight_initializer="glorot")
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.lin.reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.forget()

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Adj,
        edge_weight: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        sources, targets = (x, x) if isinstance(x, Tensor) else x
        n, m = len(sources), len(targets) if targets is not None else len(sources) if size is None else size[1]
        self.expect_points(sources, self.lin.in_channels)
        h = at = self.in_manifold.normal_coordinates(sources)
        if targets is not None and targets is not sources:
            self.expect_points(targets, self.lin.in_channels)
            at = self.in_manifold.normal_coordinates(targets)
        size = None if isinstance(x, Tensor) else (n, m)
        h = self.at_origin(h, edge_index, edge_weight, size, None if targets is None else at)
        return self.manifold.from_normal_coordinates(h) if self.acts_at_origin else h

    def at_origin(
        self, h: Tensor, edge_index: Adj, edge_weight: OptTensor = None, size: Size = None, at: OptTensor = None
    ) -> Tensor:
        """Normal coordinates to normal coordinates (means: to points).

        size, at: how many sources and targets there are, and the targets' own, where these are two sets of nodes.
        """
        one, (n, m), own = size is None, size or (len(h), len(h)), size is None or at is h
        self.expect_points(h, self.lin.in_channels, flat=True)
        if self._kept is None:  # else the edges are not looked at
            self.expect_edges(edge_index, (n, m), edge_weight)
        edge_index, edge_weight = self.normalized(edge_index, edge_weight, m, one, h.dtype)
        h = shifted(self.manifold, self.features(h), self.bias)
        if not self.acts_at_origin:
            return self.aggregated(edge_index, self.manifold.from_normal_coordinates(h), None, edge_weight, (n, m))
        near = self.spread(h, edge_index, edge_weight, one)
        if near is not None:
            return near
        if self.kind == "local":
            at = h if own else None if at is None else shifted(self.manifold, self.features(at), self.bias)
        return self.gathered_at_origin(edge_index, h, at, edge_weight, (n, m))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, {self.manifold!r}, aggr={self.kind!r})"
