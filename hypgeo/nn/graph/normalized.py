"""Normalised weights of edges, with self loops and kept where the graph does not change."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.typing import Adj, OptTensor
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

__all__ = ["NormalizedConv"]


class NormalizedConv(ManifoldConv):
    """A convolution whose edges weigh by the degrees of their ends.

    Parameters
    ----------
    normalize : str or None
        "row": weights sum to 1 at each node, as in HGCN.  "sym": those of GCN.  None: as given.
    add_self_loops, improved, cached : bool
        As in PyG's ``GCNConv``.  ``cached`` keeps the normalised edges of the first call for all later ones, for the
        sum at the origin as a sparse matrix and its transpose: many times quicker on a graph that does not change.
    """

    def __init__(
        self,
        manifold: Manifold,
        in_manifold: Manifold | None,
        aggr: Any,
        normalize: Literal["row", "sym"] | None = "row",
        add_self_loops: bool = True,
        improved: bool = False,
        cached: bool = False,
        **kwargs: Any,
    ) -> None:
        if normalize not in ("row", "sym", None):
            raise ValueError(f"{type(self).__name__}: normalize must be 'row', 'sym' or None, got {normalize!r}")
        super().__init__(manifold, in_manifold, aggr, **kwargs)
        self.normalize, self.add_self_loops = normalize, add_self_loops
        self.improved, self.cached = improved, cached
        self.forget()

    def forget(self) -> None:
        """Drop the graph that ``cached`` has kept."""
        self._kept: tuple[Adj, OptTensor] | None = None
        self._spread: Spread | None = None

    def normalized(
        self, edge_index: Adj, weight: OptTensor, targets: int, one: bool, dtype: torch.dtype
    ) -> tuple[Adj, OptTensor]:
        """The edges and their weights, those that are kept where there are any."""
        if self._kept is not None:
            return self._kept
        found = self.weights(edge_index, weight, targets, one, dtype)
        self._kept = found if self.cached else None
        return found

    def spread(self, h: Tensor, edge_index: Adj, weight: OptTensor, one: bool) -> Tensor | None:
        """The weighted sum of normal coordinates over neighbours by the kept matrix, where that can serve."""
        if self._kept is None or not self.fuse or not one or self.explain or torch.compiler.is_compiling():
            return None
        if self._spread is None:
            self._spread = Spread.of(edge_index, weight, len(h), self.flow)
        return self._spread(h) if self._spread is not None and self._spread.takes(h) else None

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
                    f"{type(self).__name__}: normalize='sym' wants one set of nodes; use normalize='row' for "
                    "(sources, targets)"
                )
            return gcn_norm(edge_index, weight, targets, self.improved, loops, dtype=dtype)
        if loops:
            edge_index, weight = add_remaining_self_loops(edge_index, weight, fill, targets)
        if self.normalize is None:
            return edge_index, weight
        if weight is None:
            weight = torch.ones(edge_index.shape[1], dtype=dtype, device=edge_index.device)
        return edge_index, _shares(weight, edge_index[1], targets)


def _shares(weight: Tensor, index: Tensor, size: int) -> Tensor:
    """Weights divided by their sum at each node; where that is 0 they stay."""
    total = scatter(weight, index, 0, dim_size=size, reduce="sum")
    return weight / torch.where(total == 0, 1.0, total)[index]
