"""The hyperbolic graph attention layer."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn.dense.linear import Linear
from torch_geometric.nn.inits import glorot
from torch_geometric.typing import Adj, OptTensor, Size
from torch_geometric.utils import (
    add_self_loops,
    is_torch_sparse_tensor,
    remove_self_loops,
    softmax,
)
from torch_geometric.utils.sparse import set_sparse_value

from hypgeo.manifolds import Manifold
from hypgeo.nn.graph.aggregate import ManifoldConv

__all__ = ["HGATConv"]


class HGATConv(ManifoldConv):
    """Hyperbolic graph attention: neighbours weigh by ``softmax_j(LeakyReLU(a · [log_0 y_i ∥ log_0 y_j]))``.

    y = exp_0(W log_0 x) ⊕ exp_0(b) (Chami et al., "Hyperbolic Graph Convolutional Neural Networks", 2019, equations 8
    and 9; the form of the score from Veličković et al., "Graph Attention Networks", 2018).  Every head has points of
    its own, which are aggregated as ``aggr`` says and then joined by their normal coordinates: one after the other, or
    averaged with ``concat=False``.

    Parameters are those of :class:`HGCNConv` and of PyG's ``GATConv``: ``heads``, ``concat``, ``negative_slope``,
    ``dropout`` of the attention, ``edge_dim`` for features of edges.

    Shapes
    ------
    x: (nodes, width) or a pair (sources, targets), edge_index: (2, edges) or a sparse transposed adjacency matrix,
    edge_attr: (edges, edge_dim) -> (nodes, width) of heads * out_channels dimensions, or out_channels when averaged.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        manifold: Manifold,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        add_self_loops: bool = True,
        edge_dim: int | None = None,
        bias: bool = True,
        *,
        in_manifold: Manifold | None = None,
        aggr: Any = "tangent",
        **kwargs: Any,
    ) -> None:
        super().__init__(manifold, in_manifold, aggr, node_dim=0, **kwargs)
        self.fuse = False  # a sparse matrix holds no attention
        self.in_channels, self.out_channels, self.heads, self.concat = in_channels, out_channels, heads, concat
        self.negative_slope, self.dropout, self.add_self_loops = negative_slope, dropout, add_self_loops
        self.lin = Linear(in_channels, heads * out_channels, bias=False, weight_initializer="glorot")
        self.att_src = nn.Parameter(torch.empty(1, heads, out_channels))
        self.att_dst = nn.Parameter(torch.empty(1, heads, out_channels))
        self.att_edge = None if edge_dim is None else nn.Parameter(torch.empty(heads, edge_dim))
        self.bias = nn.Parameter(torch.empty(heads, out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.lin.reset_parameters()
        for p in (self.att_src, self.att_dst, self.att_edge):
            glorot(p)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Adj,
        edge_attr: OptTensor = None,
        size: Size = None,
        return_attention_weights: bool | None = None,
    ) -> Any:
        sources, targets = (x, x) if isinstance(x, Tensor) else x
        n, m = len(sources), len(targets) if targets is not None else len(sources) if size is None else size[1]
        self.expect(sources, self.lin.in_channels, edge_index, (n, m), edge_attr)
        if targets is not None and targets is not sources:
            self.expect(targets, self.lin.in_channels, edge_index, (n, m))
        y, h = self.linear(sources)
        at, g = (y, h) if targets is sources else (None, None) if targets is None else self.linear(targets)
        if at is None and self.kind == "local":
            raise ValueError("HGATConv: aggr='local' needs the targets' points: give x as (sources, targets)")
        if self.add_self_loops and isinstance(x, Tensor):
            edge_index, edge_attr = remove_self_loops(edge_index, edge_attr)
            edge_index, edge_attr = add_self_loops(edge_index, edge_attr, fill_value="mean", num_nodes=n)
        size = size if size is not None else (n, m)
        score = ((h * self.att_src).sum(-1), None if g is None else (g * self.att_dst).sum(-1))
        # edge_updater_type: (score: OptPairTensor, edge_attr: OptTensor)
        alpha = self.edge_updater(edge_index, score=score, edge_attr=edge_attr, size=size)
        out = self.aggregated(edge_index, y, at, alpha, size)
        if self.heads > 1:
            a = self.manifold.normal_coordinates(out)
            out = self.manifold.from_normal_coordinates(a.flatten(1) if self.concat else a.mean(1))
        else:
            out = out.squeeze(1)
        if return_attention_weights is None:
            return out
        if is_torch_sparse_tensor(edge_index):
            return out, (set_sparse_value(edge_index, alpha), alpha)
        return out, (edge_index, alpha)

    def linear(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The points of every head (nodes, heads, width), and their normal coordinates."""
        h = self.features(x).view(-1, self.heads, self.out_channels)
        y = self.manifold.from_normal_coordinates(h)
        if self.bias is None:
            return y, h
        y = self.manifold.mobius_add(y, self.manifold.from_normal_coordinates(self.bias.to(y.dtype)))
        return y, self.manifold.normal_coordinates(y)

    def edge_update(
        self,
        score_j: Tensor,
        score_i: OptTensor,
        edge_attr: OptTensor,
        index: Tensor,
        ptr: OptTensor,
        dim_size: int | None,
    ) -> Tensor:
        score = score_j if score_i is None else score_j + score_i
        if edge_attr is not None and self.att_edge is not None:
            attr = edge_attr.view(-1, 1) if edge_attr.dim() == 1 else edge_attr
            score = score + attr @ self.att_edge.mT
        alpha = softmax(F.leaky_relu(score, self.negative_slope), index, ptr, dim_size)
        return F.dropout(alpha, self.dropout, self.training)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, {self.manifold!r}, heads={self.heads}, "
            f"aggr={self.kind!r})"
        )
