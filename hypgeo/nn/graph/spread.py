"""The weighted sum over neighbours as a product with a sparse matrix that is kept, as is its transpose."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor

__all__ = ["Spread"]


@dataclass
class Spread:
    """``x -> A x`` (nodes, d) for a fixed A; PyTorch alone would transpose A again in every backward pass."""

    matrix: Tensor
    transpose: Tensor

    @classmethod
    def of(cls, edge_index: Adj, weight: OptTensor, nodes: int, flow: str) -> Spread | None:
        """A of weighted edges; None where they are no plain edges, or their weights learn."""
        if not isinstance(edge_index, Tensor) or edge_index.layout is not torch.strided:
            return None
        if weight is None or weight.requires_grad or not edge_index.numel():
            return None
        ends = edge_index.flip(0) if flow == "source_to_target" else edge_index
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "Sparse CSR tensor support is in beta state"
            a = torch.sparse_coo_tensor(ends, weight, (nodes, nodes), check_invariants=True).coalesce()
            return cls(a.to_sparse_csr(), a.t().coalesce().to_sparse_csr())

    def __deepcopy__(self, memo: dict[int, Any]) -> Spread:  # never written to, so a copy may share it
        return self

    def takes(self, x: Tensor) -> bool:
        return x.dim() == 2 and x.dtype is self.matrix.dtype and x.device == self.matrix.device

    def __call__(self, x: Tensor) -> Tensor:
        return _Product.apply(x, self.matrix, self.transpose)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, at: Tensor) -> Tensor:
        ctx.pair = a, at
        return a @ x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        a, at = ctx.pair
        return _Product.apply(grad, at, a), None, None
