"""The hyperbolic graph convolution."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.nn.dense.linear import Linear
from torch_geometric.typing import Adj, OptTensor, Size
from torch_geometric.utils import (
    add_remaining_self_loops,
    is_torch_sparse_tensor,
    scatter,
    to_edge_index,
    to_torch_csr_tensor,
)

from hypgeo.manifolds import Manifold
from hypgeo.nn.graph.aggregate import ManifoldConv
from hypgeo.nn.graph.spread import Spread

__all__ = ["HGCNConv"]


class HGCNConv(ManifoldConv):
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
    normalize : str or None
        "row": weights sum to 1 at each node, as in HGCN.  "sym": those of GCN.  None: as given.
    add_self_loops, improved, cached, bias : bool
        As in PyG's ``GCNConv``.  ``cached`` keeps the normalised edges of the first call for all later ones, for the
        sum at the origin as a sparse matrix and its transpose: many times quicker on a graph that does not change.

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
        if normalize not in ("row", "sym", None):
            raise ValueError(f"HGCNConv: normalize must be 'row', 'sym' or None, got {normalize!r}")
        super().__init__(manifold, in_manifold, aggr, **kwargs)
        self.in_channels, self.out_channels, self.normalize = in_channels, out_channels, normalize
        self.add_self_loops, self.improved, self.cached = add_self_loops, improved, cached
        self.lin = Linear(in_channels, out_channels, bias=False, weight_initializer="glorot")
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.lin.reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self._kept: tuple[Adj, OptTensor] | None = None
        self._spread: Spread | None = None

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Adj,
        edge_weight: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        sources, targets = (x, x) if isinstance(x, Tensor) else x
        n, m = len(sources), len(targets) if targets is not None else len(sources) if size is None else size[1]
        self.expect(sources, self.lin.in_channels, edge_index, (n, m), edge_weight)
        if targets is not None and targets is not sources:
            self.expect(targets, self.lin.in_channels, edge_index, (n, m))
        one = isinstance(x, Tensor)
        if self._kept is not None:
            edge_index, edge_weight = self._kept
        else:
            edge_index, edge_weight = self.weights(edge_index, edge_weight, m, one, sources.dtype)
            self._kept = (edge_index, edge_weight) if self.cached else None
        y = self.linear(sources)
        if self._kept is not None and self.fuse and one and not self.explain and not torch.compiler.is_compiling():
            if self._spread is None:
                self._spread = Spread.of(edge_index, edge_weight, n, self.flow)
            h = self.manifold.normal_coordinates(y)
            if self._spread is not None and self._spread.takes(h):
                return self.manifold.from_normal_coordinates(self._spread(h))
        at = y if one else None if targets is None else self.linear(targets)
        if at is None and self.kind == "local":
            raise ValueError("HGCNConv: aggr='local' needs the targets' points: give x as (sources, targets)")
        return self.aggregated(edge_index, y, at, edge_weight, size if size is not None else (n, m))

    def linear(self, x: Tensor) -> Tensor:
        y = self.manifold.from_normal_coordinates(self.features(x))
        if self.bias is None:
            return y
        return self.manifold.mobius_add(y, self.manifold.from_normal_coordinates(self.bias.to(y.dtype)))

    def weights(
        self, edge_index: Adj, weight: OptTensor, targets: int, one: bool, dtype: torch.dtype
    ) -> tuple[Adj, OptTensor]:
        """The edges with self loops where there is one set of nodes, and their normalised weights."""
        weight = None if weight is None else weight.to(torch.promote_types(weight.dtype, dtype))
        if is_torch_sparse_tensor(edge_index):
            ends, value = to_edge_index(edge_index)
            edges, value = self.weights(ends.flip(0), value, targets, one, dtype)
            return to_torch_csr_tensor(edges.flip(0), value, (targets, edge_index.shape[1])), None
        loops, fill = self.add_self_loops and one, 2.0 if self.improved else 1.0
        if self.normalize == "sym":
            if not one:
                raise ValueError(
                    "HGCNConv: normalize='sym' wants one set of nodes; use normalize='row' for (sources, targets)"
                )
            return gcn_norm(edge_index, weight, targets, self.improved, loops, dtype=dtype)
        if loops:
            edge_index, weight = add_remaining_self_loops(edge_index, weight, fill, targets)
        if self.normalize is None:
            return edge_index, weight
        if weight is None:
            weight = torch.ones(edge_index.shape[1], dtype=dtype, device=edge_index.device)
        return edge_index, _shares(weight, edge_index[1], targets)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, {self.manifold!r}, aggr={self.kind!r})"


def _shares(weight: Tensor, index: Tensor, size: int) -> Tensor:
    """Weights divided by their sum at each node; where that is 0 they stay."""
    total = scatter(weight, index, 0, dim_size=size, reduce="sum")
    return weight / torch.where(total == 0, 1.0, total)[index]
