"""Gradients that touch few rows of a table: what an embedding hands to the optimiser."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hypgeo.mctensor.aten import accumulate
from hypgeo.mctensor.tensor import MCTensor, wrap

__all__ = ["MCRows", "embedding_rows"]

aten = torch.ops.aten


class MCRows(MCTensor):
    """An MCTensor that is zero but in some rows: the sum of ``values`` placed at the rows ``index (k,)``.

    Rows may come more than once.  Adding two keeps their rows; any other operation works on the dense tensor.
    """

    _at: Tensor
    _sums: Tensor  # (k, ..., N)

    @staticmethod
    def __new__(cls, index: Tensor, values: Tensor, size: torch.Size) -> MCRows:
        strides = torch.empty(size, device="meta").stride()
        out = Tensor._make_wrapper_subclass(cls, size, strides=strides, dtype=values.dtype, device=values.device)
        out._at, out._sums = index, values
        return out

    @property
    def _c(self) -> Tensor:  # type: ignore[override]
        zeros = self._sums.new_zeros(*torch.Tensor.size(self), self._sums.shape[-1])
        return accumulate(zeros, self._at, self._sums)

    def coalesce(self) -> tuple[Tensor, MCTensor]:  # type: ignore[override]
        """The rows that occur, each once, and their sums: ``(k,)`` and ``(k, ...)``."""
        index, place = self._at.unique(return_inverse=True)
        zeros = self._sums.new_zeros(len(index), *self._sums.shape[1:])
        return index, wrap(accumulate(zeros, place, self._sums))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        x = args[0]
        if func in (aten.detach.default, aten.alias.default):
            return MCRows(x._at, x._sums, x.shape)
        if func is aten.clone.default:
            return MCRows(x._at.clone(), x._sums.clone(), x.shape)
        if func is aten.new_empty_strided.default:
            return MCRows(x._at[:0], x._sums[:0], torch.Size(args[1]))
        if func is aten.copy_.default and isinstance(x, MCRows) and isinstance(args[1], MCRows):
            x._at, x._sums = args[1]._at, args[1]._sums
            return x
        if func in (aten.add.Tensor, aten.add_.Tensor) and len(args) == 2 and not kwargs:
            y = args[1]
            if isinstance(x, MCRows) and isinstance(y, MCRows):
                both = MCRows(torch.cat((x._at, y._at)), torch.cat((x._sums, y._sums)), x.shape)
                if func is aten.add.Tensor:
                    return both
                x._at, x._sums = both._at, both._sums
                return x
        if isinstance(x, MCRows) and func._schema.is_mutable:
            raise TypeError(f"{func._schema.name} does not change row-sparse gradients; leave sparse=True out")
        return super().__torch_dispatch__(func, types, args, kwargs)


class _Look(torch.autograd.Function):
    """Rows of a table, with a row-sparse gradient."""

    @staticmethod
    def forward(ctx: Any, weight: MCTensor, index: Tensor, padding: int) -> MCTensor:
        ctx.save_for_backward(index)
        ctx.size, ctx.padding = weight.shape, padding
        return wrap(weight._c[index])

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (index,) = ctx.saved_tensors
        flat, rows = index.reshape(-1), g._c.reshape(-1, *g._c.shape[index.dim() :])
        if ctx.padding >= 0:
            keep = flat != ctx.padding
            flat, rows = flat[keep], rows[keep]
        return MCRows(flat, rows, ctx.size), None, None


def embedding_rows(weight: MCTensor, index: Tensor, padding: int = -1) -> MCTensor:
    """``weight[index]`` whose gradient is an :class:`MCRows`."""
    return _Look.apply(weight, index, padding)
