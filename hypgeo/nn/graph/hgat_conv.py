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
from hypgeo.nn.layer import shifted

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
        one = targets is sources
        self.expect_points(sources, self.lin.in_channels)
        if targets is not None and not one:
            self.expect_points(targets, self.lin.in_channels)
        self.expect_edges(edge_index, (n, m), edge_attr)
        h = self.heads_of(self.in_manifold.normal_coordinates(sources))
        g = h if one else None if targets is None else self.heads_of(self.in_manifold.normal_coordinates(targets))
        edge_index, alpha = self.attention(h, g, edge_index, edge_attr, (n, m), isinstance(x, Tensor))
        if self.acts_at_origin:
            out = self.joined(self.gathered_at_origin(edge_index, h, g, alpha, (n, m)))
            out = self.manifold.from_normal_coordinates(out)
        else:
            out = self.aggregated(edge_index, self.manifold.from_normal_coordinates(h), None, alpha, (n, m))
            if self.heads > 1:
                out = self.manifold.from_normal_coordinates(self.joined(self.manifold.normal_coordinates(out)))
            else:
                out = out.squeeze(1)
        if return_attention_weights is None:
            return out
        if is_torch_sparse_tensor(edge_index):
            return out, (set_sparse_value(edge_index, alpha), alpha)
        return out, (edge_index, alpha)

    def at_origin(self, h: Tensor, edge_index: Adj, edge_attr: OptTensor = None) -> Tensor:
        """Normal coordinates to normal coordinates."""
        size = len(h), len(h)
        self.expect_points(h, self.lin.in_channels, flat=True)
        self.expect_edges(edge_index, size, edge_attr)
        h = self.heads_of(h)
        edge_index, alpha = self.attention(h, h, edge_index, edge_attr, size, True)
        return self.joined(self.gathered_at_origin(edge_index, h, h, alpha, size))

    def heads_of(self, h: Tensor) -> Tensor:
        """The points of every head, by their normal coordinates (nodes, heads, out_channels)."""
        h = self.features(h).view(-1, self.heads, self.out_channels)
        return shifted(self.manifold, h, self.bias)

    def joined(self, h: Tensor) -> Tensor:
        return h.flatten(1) if self.concat else h.mean(1)

    def attention(
        self, h: Tensor, g: Tensor | None, edge_index: Adj, edge_attr: OptTensor, size: tuple[int, int], one: bool
    ) -> tuple[Adj, Tensor]:
        """The edges, self loops among them where there is one set of nodes, and their attention (edges, heads)."""
        if self.add_self_loops and one:
            edge_index, edge_attr = remove_self_loops(edge_index, edge_attr)
            edge_index, edge_attr = add_self_loops(edge_index, edge_attr, fill_value="mean", num_nodes=len(h))
        score = ((h * self.att_src).sum(-1), None if g is None else (g * self.att_dst).sum(-1))
        # edge_updater_type: (score: OptPairTensor, edge_attr: OptTensor)
        return edge_index, self.edge_updater(edge_index, score=score, edge_attr=edge_attr, size=size)

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
