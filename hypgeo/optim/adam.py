"""Riemannian Adam, dense and for sparse rows.

G. Bécigneul, O. Ganea. Riemannian Adaptive Optimization Methods. ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import geoopt.optim
import torch
from torch import Tensor

from hypgeo.optim._step import Hyper, Tables, advance, advance_rows, closed, manifold_of, stabilizes

__all__ = ["RiemannianAdam", "SparseRiemannianAdam"]


class RiemannianAdam(geoopt.optim.RiemannianAdam):
    """``geoopt.optim.RiemannianAdam``, its arguments and state, with a compiled step for this library's manifolds.

    That serves points of ``PoincareBall``, ``Lorentz`` and ``HalfSpace`` (one curvature; contiguous; float32 or
    float64; on the CPU) and never leaves the manifold; all other points move by their manifold's own verbs.
    Unlike geoopt's, weight decay leaves ``.grad`` as it was.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; returns the closure's loss."""
        loss = closed(closure)
        for group in self.param_groups:
            stabilize = False
            for point in group["params"]:
                if point.grad is None:
                    continue
                if point.grad.is_sparse:
                    raise RuntimeError("RiemannianAdam takes dense gradients; for sparse ones use SparseRiemannianAdam")
                step, tables = _tables(self.state[point], point, group["amsgrad"])
                grad = -point.grad if group.get("maximize") else point.grad
                advance(manifold_of(point), tables, grad, _hyper(group, step))
                stabilize |= stabilizes(group, step)
            if stabilize:
                self.stabilize_group(group)
        return loss


class SparseRiemannianAdam(geoopt.optim.SparseRiemannianAdam):
    """``geoopt.optim.SparseRiemannianAdam``, its arguments and state: moves only the rows that got a gradient."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; returns the closure's loss."""
        loss = closed(closure)
        for group in self.param_groups:
            stabilize = False
            for point in group["params"]:
                if point.grad is None:
                    continue
                if not point.grad.is_sparse:
                    raise RuntimeError("SparseRiemannianAdam takes sparse gradients; for dense ones use RiemannianAdam")
                step, tables = _tables(self.state[point], point, group["amsgrad"])
                grad = point.grad.coalesce()
                advance_rows(manifold_of(point), tables, grad.indices()[0], grad.values(), _hyper(group, step))
                stabilize |= stabilizes(group, step)
            if stabilize:
                self.stabilize_group(group)
        return loss


def _tables(state: dict[str, Any], point: Tensor, amsgrad: bool) -> tuple[float, Tables]:
    """The number of this step, and point and state, which is laid out as geoopt does."""
    names = ["exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * amsgrad]
    if not state:
        state["step"] = 0
        for name in names:
            state[name] = torch.zeros_like(point.detach())
    state["step"] += 1
    return float(state["step"]), [point, *(state[n] for n in names), *[None] * (3 - len(names))]


def _hyper(group: dict[str, Any], step: float) -> Hyper:
    first, second = group["betas"]
    return Hyper(
        rate=float(group["lr"]),
        decay=float(group.get("weight_decay", 0.0)),
        keep=first,
        gain=1 - first,
        keep_square=second,
        gain_square=1 - second,
        correction=1 - first**step,
        correction_square=1 - second**step,
        eps=group["eps"],
    )
