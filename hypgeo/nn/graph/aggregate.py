"""How the points of a neighbourhood become one point: what every convolution here shares."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, OptTensor, Size
from torch_geometric.utils import is_torch_sparse_tensor, spmm, to_edge_index

from hypgeo.manifolds import Manifold
from hypgeo.nn.layer import FLAT, Layer, expect_edges, expect_points

__all__ = ["ManifoldConv"]

_MEANS = ("midpoint", "frechet")


class ManifoldConv(MessagePassing):
    """Message passing between points of a manifold.

    Parameters
    ----------
    manifold, in_manifold : Manifold
        Where points end, and where they come from when that differs.
    aggr : str or Aggregation
        "tangent": the weighted sum at the origin, ``exp_0(Σ w_ij log_0 x_j)`` (Chami et al., "Hyperbolic Graph
        Convolutional Neural Networks", 2019, in the form of their code).
        "local": the same at the node, ``exp_i(Σ w_ij log_i x_j)`` (their equation 9).
        "midpoint": the weighted Einstein or Lorentz midpoint (Law et al., "Lorentzian Distance Learning", 2019).
        "frechet": the weighted Fréchet mean (Lou et al., "Differentiating through the Fréchet Mean", 2020).
        Anything else that PyG knows as an aggregation acts at the origin.  Means take weights for shares of a whole; a
        node without neighbours ends in the origin, or stays where it is with "local".
    """

    verbs: ClassVar[tuple[str, ...]] = (*Layer.verbs, "normal_translate")
    lin: Any

    def __init__(self, manifold: Manifold, in_manifold: Manifold | None, aggr: Any, **kwargs: Any) -> None:
        self.kind = aggr if aggr in ("tangent", "local", *_MEANS) else "tangent"
        super().__init__(aggr="sum" if aggr is self.kind else aggr, **kwargs)
        needs = {"midpoint": ("midpoint",), "frechet": ("frechet_mean",)}
        if self.flow != "source_to_target":
            raise ValueError(
                f"{type(self).__name__}: edges go from sources to targets; for flow={self.flow!r} flip edge_index"
            )
        Layer.require(self, manifold, in_manifold, (*self.verbs, *needs.get(self.kind, ())))
        self.manifold = manifold
        self.in_manifold = manifold if in_manifold is None else in_manifold
        self.fuse: bool = self.fuse and self.kind == "tangent" and aggr in ("tangent", "sum", "add")

    @property
    def acts_at_origin(self) -> bool:
        """Whether all happens at the origin: see :meth:`hypgeo.nn.layer.Layer.at_origin`."""
        return self.kind not in _MEANS

    def expect_points(self, x: Tensor, channels: int, flat: bool = False) -> None:
        """Refuse what are no points of ``in_manifold``, or no normal coordinates."""
        expect_points(type(self).__name__, FLAT if flat else self.in_manifold, x, channels if channels > 0 else None)

    def expect_edges(self, edge_index: Adj, size: tuple[int, int], given: OptTensor = None) -> None:
        """Refuse edges to nodes that are not there."""
        name = type(self).__name__
        if not isinstance(edge_index, Tensor):
            raise TypeError(
                f"{name} takes edge_index (2, edges) or a torch.sparse matrix, got {type(edge_index).__name__}"
            )
        if is_torch_sparse_tensor(edge_index):
            if tuple(edge_index.shape) != size[::-1] or given is not None:
                has = tuple(edge_index.shape) if given is None else "weights or features of edges beside it"
                raise ValueError(
                    f"{name} takes a sparse matrix of shape {size[::-1]} (targets, sources) with its weights in it, "
                    f"got {has}; transpose it, or give edge_index"
                )
            return
        expect_edges(name, edge_index, size)
        if given is not None and len(given) != edge_index.shape[1]:
            raise ValueError(
                f"{name} takes one weight or row of features for each of the {edge_index.shape[1]} edges, got "
                f"{tuple(given.shape)}; drop those of edges that are gone"
            )

    def features(self, h: Tensor) -> Tensor:
        """W h, in the dtype of the normal coordinates h."""
        same = self.lin.weight.dtype is h.dtype
        return (self.lin(h) if same else h @ self.lin.weight.to(h.dtype).mT).to(h.dtype)

    def aggregated(self, edge_index: Adj, x: Tensor, at: Tensor | None, weight: OptTensor, size: Size) -> Tensor:
        """The points that nodes gather from x, points (nodes, [heads,] width); ``at`` are the targets' own points.

        weight: one number an edge (edges, [heads]), all 1 when left out.
        """
        if self.kind in _MEANS:
            return self.gather(edge_index, x, None, weight, size)
        h = self.manifold.normal_coordinates(x)
        at = None if at is None else h if at is x else self.manifold.normal_coordinates(at)
        return self.manifold.from_normal_coordinates(self.gathered_at_origin(edge_index, h, at, weight, size))

    def gathered_at_origin(self, edge_index: Adj, h: Tensor, at: OptTensor, weight: OptTensor, size: Size) -> Tensor:
        """The same from and in normal coordinates, but for means."""
        if self.kind != "local":
            return self.gather(edge_index, h, None, weight, size)
        # seen from the node as the origin: exp_i and log_i are exp_0 and log_0 after x_i ⊕, an isometry
        if at is None:
            raise ValueError(
                f"{type(self).__name__}: aggr='local' needs the targets' points: give x as (sources, targets)"
            )
        loop = None
        if at is h:  # what a node sees of itself is 0, and so are its derivatives, which far out only cancel to that
            ends = to_edge_index(edge_index)[0] if is_torch_sparse_tensor(edge_index) else edge_index
            loop = (ends[0] == ends[1]).view(-1, *[1] * (h.dim() - 1))
        return self.manifold.normal_translate(at, self.gather(edge_index, h, -at, weight, size, loop))

    def gather(
        self,
        edge_index: Adj,
        x: Tensor,
        at: Tensor | None,
        weight: OptTensor,
        size: Size,
        loop: OptTensor = None,
    ) -> Tensor:
        # propagate_type: (x: OptPairTensor, at: OptPairTensor, edge_weight: OptTensor, loop: OptTensor)
        pair = None if at is None else (x, at)
        return self.propagate(edge_index, x=(x, None), at=pair, edge_weight=weight, size=size, loop=loop)

    def message(self, x_j: Tensor, at_i: OptTensor, edge_weight: OptTensor, loop: OptTensor) -> Tensor:
        if self.kind in _MEANS:
            return x_j
        if loop is not None and at_i is not None:
            x_j, at_i = x_j.masked_fill(loop, 0.0), at_i.masked_fill(loop, 0.0)
        out = x_j if at_i is None else self.manifold.normal_translate(at_i, x_j)
        return out if edge_weight is None else edge_weight.unsqueeze(-1).to(out.dtype) * out

    def message_and_aggregate(self, edge_index: Adj, x: Any) -> Tensor:
        return spmm(edge_index, x[0], reduce="sum")

    def aggregate(
        self,
        inputs: Tensor,
        index: Tensor,
        ptr: OptTensor = None,
        dim_size: int | None = None,
        edge_weight: OptTensor = None,
    ) -> Tensor:
        assert dim_size is not None
        if self.kind not in _MEANS:
            return super().aggregate(inputs, index, ptr=ptr, dim_size=dim_size)
        if self.explain:  # an edge's mask takes from its weight: from the point there is nothing to take
            share = super().explain_message(torch.ones_like(inputs[..., :1]), dim_size).squeeze(-1)
            edge_weight = share if edge_weight is None else share * edge_weight
        size, heads = dim_size, inputs.shape[1:-1]
        if heads:
            inputs, edge_weight = inputs.flatten(0, 1), None if edge_weight is None else edge_weight.reshape(-1)
            index = (index.unsqueeze(-1) * heads[0] + torch.arange(heads[0], device=index.device)).reshape(-1)
            size = size * heads[0]
        if edge_weight is not None:  # a node whose weights are all 0 has no neighbours
            weighs = inputs.new_zeros(size).index_add(0, index, (edge_weight != 0).to(inputs.dtype))[index] > 0
            if torch.compiler.is_compiling() or not bool(weighs.all()):
                origin = self.manifold.origin(inputs.shape[-1:]).to(inputs)
                edge_weight = torch.where(weighs, edge_weight, 1.0)
                inputs = torch.where(weighs.unsqueeze(-1), inputs, origin)
        mean = self.manifold.midpoint if self.kind == "midpoint" else self.manifold.frechet_mean
        out = mean(inputs, edge_weight, index=index, dim_size=size)
        return out.unflatten(0, (-1, *heads)) if heads else out

    def explain_message(self, inputs: Tensor, dim_size: int | None) -> Tensor:
        return inputs if self.kind in _MEANS else super().explain_message(inputs, dim_size)
