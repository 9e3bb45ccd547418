"""The decorator of ``mobius_matvec``: exp_0(m log_0(x)) in one compiled op.

A matrix and an exponential magnify what a rounded logarithm has lost, and their derivatives more so; the compiled op
rounds once.  Its ``<name>_backward`` gives the gradient in m as two factors, those in m log_0(x) and log_0(x) itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from hypgeo import _C
from hypgeo.ops._kernel import Body, Op, _alike, _number, apart

__all__ = ["matvec"]


def matvec(name: str) -> Callable[[Body], Op]:
    """Decorate a body ``(m, x, c)`` to an op of the same signature.

    name: the op's name in ``csrc``.  The op takes matrices ``(*#batch, k, d)``, rows with d coordinates beside the
    hyperboloid's time, and c > 0 as a float or a tensor of one number or ``(*#batch)``.  The body takes and returns the
    same; it serves where nothing is compiled, torch.func, and second derivatives.
    """

    def decorate(body: Body) -> Op:
        devices = frozenset(key.lower() for key in ("CPU", "CUDA") if name in _C.compiled_ops(key))
        compiled = _compile(name, body) if devices else None

        @functools.wraps(body)
        def op(m: Tensor, x: Tensor, c: float | Tensor) -> Tensor:
            if not isinstance(m, Tensor) or m.dim() < 2:
                given = f"{m.dim()} axes" if isinstance(m, Tensor) else type(m).__name__
                raise TypeError(f"{body.__name__} takes a matrix as a torch.Tensor (*batch, k, d), got {given}")
            _, rows, (x,) = _alike(body.__name__, (x,))
            if compiled is None or x.device.type not in devices or torch._C._are_functorch_transforms_active():
                return body(m, x, c)
            dtype, batch = torch.promote_types(m.dtype, x.dtype), torch.broadcast_shapes(m.shape[:-2], rows)
            k = _number("c", c, x, torch.float64, batch)
            if k.dim() and k.shape != batch:
                batch = torch.broadcast_shapes(batch, k.shape)
                k = k.expand(batch)
            if m.dim() > 2:
                m = m.reshape(m.shape[-2:]) if m.shape[:-2].numel() == 1 else m.expand(*batch, *m.shape[-2:])
            wide = dtype if dtype is torch.float64 else torch.float32
            return compiled(m.to(wide), x.to(wide).expand(*batch, x.shape[-1]), k).to(dtype)

        wrapped = cast(Any, op)
        wrapped.reference, wrapped.devices = body, devices
        return cast(Op, wrapped)

    return decorate


def _compile(name: str, body: Body) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The compiled op as a differentiable function."""
    forward_op = getattr(torch.ops.hypgeo, name).default
    backward_op = getattr(torch.ops.hypgeo, f"{name}_backward").default

    @torch.library.register_fake(f"hypgeo::{name}")
    def _(m: Tensor, x: Tensor, c: Tensor) -> Tensor:
        return x.new_empty(*x.shape[:-1], m.shape[-2] + x.shape[-1] - m.shape[-1])

    @torch.library.register_fake(f"hypgeo::{name}_backward")
    def _(grad: Tensor, m: Tensor, x: Tensor, c: Tensor, needs: int) -> list[Tensor]:
        batch = x.shape[:-1]
        out = [x.new_empty(*batch, n, dtype=torch.float64) for n in m.shape[-2:] if needs & 1]
        out += [x.new_empty(x.shape)] if needs & 2 else []
        return out + ([x.new_empty(batch, dtype=torch.float64)] if needs & 4 else [])

    class Matvec(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, m: Tensor, x: Tensor, c: Tensor) -> Tensor:
            ctx.save_for_backward(m, x, c)
            return cast(Tensor, forward_op(m, x, c))

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
            m, x, c = saved = ctx.saved_tensors
            asked = [i for i in range(3) if ctx.needs_input_grad[i]]
            with torch.no_grad():
                first = list(backward_op(grad, m, x, c, sum(1 << i for i in asked)))
                if 0 in asked:
                    y, v = first[:2]
                    outer = y.reshape(-1, m.shape[-2]).mT @ v.reshape(-1, m.shape[-1]) if m.dim() == 2 else None
                    outer = y.unsqueeze(-1) * v.unsqueeze(-2) if outer is None else outer
                    first[:2] = [outer.to(m.dtype)]
                if 2 in asked and c.dim() == 0:
                    first[-1] = first[-1].sum()
            result: list[Tensor | None] = [None] * 3
            for i, g in zip(asked, first, strict=True):
                result[i] = g
            if torch.is_grad_enabled() and not torch.compiler.is_compiling():
                # Somebody differentiates this: the compiled numbers, with the body's derivatives behind them.
                saved = apart(saved)
                value = body(saved[0].double(), saved[1].double(), saved[2])
                inputs = [saved[i] for i in asked]
                plain = torch.autograd.grad(value, inputs, grad.double(), create_graph=True, allow_unused=True)
                for i, p in zip(asked, plain, strict=True):
                    given = cast(Tensor, result[i])
                    result[i] = given if p is None else p + (given - p).detach()
            return tuple(result)

    def call(m: Tensor, x: Tensor, c: Tensor) -> Tensor:
        if torch.is_grad_enabled() and (m.requires_grad or x.requires_grad or c.requires_grad):
            return cast(Tensor, Matvec.apply(m, x, c))
        return cast(Tensor, forward_op(m, x, c))

    return call
