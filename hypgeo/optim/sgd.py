"""Riemannian gradient descent with momentum, dense and for sparse rows.

S. Bonnabel. Stochastic gradient descent on Riemannian manifolds. IEEE Trans. Automat. Control 58 (2013).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import geoopt.optim
import torch
from torch import Tensor

from hypgeo.optim._step import Hyper, Tables, advance, advance_rows, closed, manifold_of, stabilizes

__all__ = ["RiemannianSGD", "SparseRiemannianSGD"]


class RiemannianSGD(geoopt.optim.RiemannianSGD):
    """``geoopt.optim.RiemannianSGD``, its arguments and state, with the compiled step of :class:`RiemannianAdam`.

    Nesterov steps go by the manifold's own verbs.  Unlike geoopt's, the momentum starts from the Riemannian gradient,
    which is a tangent vector, and not from the Euclidean one; weight decay leaves ``.grad`` as it was.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; returns the closure's loss."""
        loss = closed(closure)
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
            for point in group["params"]:
                if point.grad is None:
                    continue
                if point.grad.is_sparse:
                    raise RuntimeError("RiemannianSGD takes dense gradients; for sparse ones use SparseRiemannianSGD")
                hyper, tables = _hyper_tables(group, self.state[point], point)
                advance(manifold_of(point), tables, point.grad, hyper)
            if stabilizes(group, group["step"]):
                self.stabilize_group(group)
        return loss


class SparseRiemannianSGD(geoopt.optim.SparseRiemannianSGD):
    """``geoopt.optim.SparseRiemannianSGD``, its arguments and state: moves only the rows that got a gradient."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; returns the closure's loss."""
        loss = closed(closure)
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
            for point in group["params"]:
                if point.grad is None:
                    continue
                if not point.grad.is_sparse:
                    raise RuntimeError("SparseRiemannianSGD takes sparse gradients; for dense ones use RiemannianSGD")
                hyper, tables = _hyper_tables(group, self.state[point], point)
                grad = point.grad.coalesce()
                advance_rows(manifold_of(point), tables, grad.indices()[0], grad.values(), hyper)
            if stabilizes(group, group["step"]):
                self.stabilize_group(group)
        return loss


def _hyper_tables(group: dict[str, Any], state: dict[str, Any], point: Tensor) -> tuple[Hyper, Tables]:
    rate, momentum, decay = float(group["lr"]), group["momentum"], float(group.get("weight_decay", 0.0))
    if momentum <= 0:
        return Hyper(rate, decay), [point, None, None, None]
    first = "momentum_buffer" not in state
    if first:
        state["momentum_buffer"] = torch.zeros_like(point.detach())
    hyper = Hyper(
        rate,
        decay,
        keep=momentum,
        gain=1 - group["dampening"] + momentum * first,  # the buffer starts from this gradient
        nesterov=momentum * bool(group["nesterov"]),
    )
    return hyper, [point, state["momentum_buffer"], None, None]
