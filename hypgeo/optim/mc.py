"""Optimisers of multi-component parameters (:class:`hypgeo.MCTensor`), with their state in as many components.

D. P. Kingma, J. Ba. Adam: A Method for Stochastic Optimization. ICLR 2015.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from hypgeo.mctensor import MCRows, MCTensor
from hypgeo.optim._step import closed

__all__ = ["MCSGD", "MCAdam"]


class _MCOptimizer(torch.optim.Optimizer, ABC):
    """Steps of dense gradients, and of row-sparse ones on their rows alone."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if not isinstance(p, MCTensor):
                raise TypeError(
                    f"{type(self).__name__} moves MCTensor parameters, got a {type(p).__name__}; "
                    "give plain ones to an optimiser of torch.optim"
                )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; returns the closure's loss."""
        loss = closed(closure)
        for group in self.param_groups:
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                tables = self._tables(self.state[p], p, group)
                if isinstance(grad, MCRows):
                    rows, grad = grad.coalesce()
                    few = [None if t is None else t[rows] for t in tables]
                    self._move(group, self.state[p], few, grad)
                    for whole, part in zip(tables, few, strict=True):
                        if whole is not None:
                            whole[rows] = part
                else:
                    self._move(group, self.state[p], tables, grad)
        return loss

    @abstractmethod
    def _tables(self, state: dict[str, Any], p: MCTensor, group: dict[str, Any]) -> list[Any]: ...

    @abstractmethod
    def _move(self, group: dict[str, Any], state: dict[str, Any], tables: list[Any], grad: Tensor) -> None:
        """Moves the parameter, the first table, and the state in place."""


def _prepared(group: dict[str, Any], p: MCTensor, grad: Tensor) -> Tensor:
    if group["maximize"]:
        grad = -grad
    return grad + group["weight_decay"] * p if group["weight_decay"] else grad


def _refuse_negative(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value >= 0:
            raise ValueError(f"{name} must not be negative, got {value}")


class MCSGD(_MCOptimizer):
    """``torch.optim.SGD`` for MCTensors: momentum, dampening, weight decay, Nesterov.

    Numbers such as ``lr`` are the floats given, exactly: 0.1 is the float nearest to a tenth.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        _refuse_negative(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _tables(self, state: dict[str, Any], p: MCTensor, group: dict[str, Any]) -> list[Any]:
        if not group["momentum"]:
            return [p, None]
        state["fresh"] = "momentum_buffer" not in state
        if state["fresh"]:
            state["momentum_buffer"] = torch.zeros_like(p)
        return [p, state["momentum_buffer"]]

    def _move(self, group: dict[str, Any], state: dict[str, Any], tables: list[Any], grad: Tensor) -> None:
        p, mean = tables
        grad = _prepared(group, p, grad)
        if mean is not None:
            if state["fresh"]:  # the buffer starts from this gradient
                mean.copy_(grad)
            else:
                mean.mul_(group["momentum"]).add_(grad, alpha=1 - group["dampening"])
            grad = grad + group["momentum"] * mean if group["nesterov"] else mean
        p.sub_(group["lr"] * grad)


class MCAdam(_MCOptimizer):
    """``torch.optim.Adam`` for MCTensors, its bias corrections in N components too; row-sparse gradients as
    ``torch.optim.SparseAdam`` takes them."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        _refuse_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        if not all(0 <= b < 1 for b in betas):
            raise ValueError(f"betas must lie from 0 to below 1, got {betas}")
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def _tables(self, state: dict[str, Any], p: MCTensor, group: dict[str, Any]) -> list[Any]:
        names = ["exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * group["amsgrad"]]
        if not state:
            state["step"] = 0
            for name in names:
                state[name] = torch.zeros_like(p)
        state["step"] += 1
        return [p, *(state[n] for n in names), *[None] * (3 - len(names))]

    def _move(self, group: dict[str, Any], state: dict[str, Any], tables: list[Any], grad: Tensor) -> None:
        p, mean, square, greatest = tables
        grad = _prepared(group, p, grad)
        n, dtype = p.n_components, p.dtype
        first, second = (MCTensor(b, n, dtype, device=p.device) for b in group["betas"])
        mean.mul_(first).add_((1 - first) * grad)
        square.mul_(second).add_((1 - second) * grad.square())
        if greatest is not None:
            greatest.copy_(torch.maximum(greatest, square))
            square = greatest
        step = state["step"]
        root = (square / (1 - second**step)).sqrt().add_(group["eps"])
        p.sub_(group["lr"] * (mean / (1 - first**step)) / root)
