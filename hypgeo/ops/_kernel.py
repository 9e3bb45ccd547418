"""The decorator that turns a plain PyTorch body into an op: compiled where it can be, the body elsewhere.

The body is the fallback (no library, a device without a kernel), the second derivative, and the oracle in tests
(``op.reference``).  The compiled op in ``csrc/ops.def`` gives the value, and ``<name>_backward`` the first derivatives.
Shapes, dtypes and broadcasting are settled here: C++ sees two contiguous tables of rows of one dtype.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from hypgeo import _C

_KERNEL_DTYPES = (torch.float32, torch.float64)

PairBody = Callable[[Tensor, Tensor, Tensor], Tensor]


class PairOp(Protocol):
    """A function of two tensors of rows and c, with its plain body beside it."""

    reference: PairBody
    devices: frozenset[str]  # the device types with a compiled kernel

    def __call__(self, x: Tensor, y: Tensor, c: float | Tensor) -> Tensor: ...


def pair(name: str) -> Callable[[Callable[..., Tensor]], PairOp]:
    """Decorate a body that maps rows x, y (*batch, d) and c () to numbers (*batch,).

    name: the op's name in ``csrc/ops.def``.  The op takes x, y of any two shapes that broadcast, and c as a float or a
    one-element tensor; it computes in float64 (on MPS, which has none, in float32) and returns the rows' dtype.
    """

    def decorate(body: Callable[..., Tensor]) -> PairOp:
        devices = frozenset(key.lower() for key in ("CPU", "CUDA") if name in _C.compiled_ops(key))
        compiled = _compile(name, body) if devices else body

        @functools.wraps(body)
        def op(x: Tensor, y: Tensor, c: float | Tensor) -> Tensor:
            number = _number(c, x)
            # torch.func and vmap see through the body; an autograd.Function that serves them costs every call 20 us.
            native = x.device.type in devices and not torch._C._are_functorch_transforms_active()
            if native and x.dtype in _KERNEL_DTYPES and x.dtype is y.dtype and x.dim() == 2 and x.shape == y.shape:
                return compiled(x.contiguous(), y.contiguous(), number)
            dtype = _row_dtype(body.__qualname__, x, y)
            x, y = torch.broadcast_tensors(x, y)
            if not native:
                wide = torch.float32 if x.device.type == "mps" else torch.float64
                return body(x.to(wide), y.to(wide), number.to(wide)).to(dtype)
            kernel_dtype = torch.float64 if dtype is torch.float64 else torch.float32
            batch, d = x.shape[:-1], x.shape[-1]
            x, y = (t.to(kernel_dtype).reshape(batch.numel(), d).contiguous() for t in (x, y))
            return compiled(x, y, number).reshape(batch).to(dtype)

        wrapped = cast(Any, op)
        wrapped.reference, wrapped.devices = body, devices
        return cast(PairOp, wrapped)

    return decorate


def _row_dtype(name: str, x: Tensor, y: Tensor) -> torch.dtype:
    """The dtype of the result; refuses what has no rows."""
    if x.dim() == 0 or y.dim() == 0:
        raise ValueError(f"{name} takes rows, the last axis holding a point's coordinates; got a single number")
    dtype = x.dtype if x.dtype is y.dtype else torch.promote_types(x.dtype, y.dtype)
    if not dtype.is_floating_point:
        raise TypeError(f"{name} takes floating-point rows, not {dtype}; convert them with .to(torch.float64)")
    return dtype


def _number(c: float | Tensor, x: Tensor) -> Tensor:
    """c as a float64 tensor of shape () on x's device (float32 on MPS)."""
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    if isinstance(c, Tensor):
        if c.numel() != 1:
            raise ValueError(f"c must be one number, not a tensor of shape {tuple(c.shape)}")
        if c.dtype is wide and c.dim() == 0 and c.device == x.device:
            return c
        return c.to(x.device, wide).reshape(())
    if not (c > 0.0 and math.isfinite(c)):
        raise ValueError(f"c must be positive and finite (it is minus the curvature), not {c}")
    return torch.full((), c, dtype=wide, device=x.device)


def _compile(name: str, body: Callable[..., Tensor]) -> PairBody:
    """The compiled op as a differentiable function of tables x, y (n, d) of one dtype and c () float64."""
    forward_op = getattr(torch.ops.hypgeo, name).default
    backward_op = getattr(torch.ops.hypgeo, f"{name}_backward").default

    @torch.library.register_fake(f"hypgeo::{name}")
    def _(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return x.new_empty(x.shape[0])

    @torch.library.register_fake(f"hypgeo::{name}_backward")
    def _(grad: Tensor, x: Tensor, y: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return torch.empty_like(x), torch.empty_like(y), x.new_empty(x.shape[0], dtype=torch.float64)

    class Pair(torch.autograd.Function):  # twice as quick a call as torch.library.register_autograd
        @staticmethod
        def forward(ctx: Any, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
            ctx.save_for_backward(x, y, c)
            return forward_op(x, y, c)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
            inputs = ctx.saved_tensors
            *rows, dc = backward_op(grad.contiguous(), *inputs)
            first = (*rows, dc.sum() if ctx.needs_input_grad[2] else None)
            if not torch.is_grad_enabled() or torch.compiler.is_compiling():
                return first
            # Somebody differentiates this: the compiled numbers, with the body's derivatives behind them.
            asked = [i for i in range(3) if ctx.needs_input_grad[i]]
            value = body(*(t.to(torch.float64) for t in inputs))
            plain = torch.autograd.grad(value, [inputs[i] for i in asked], grad.to(torch.float64), create_graph=True)
            second: list[Tensor | None] = [None, None, None]
            for i, p in zip(asked, plain, strict=True):
                second[i] = p + (first[i] - p).detach()
            return tuple(second)

    def call(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        if torch.is_grad_enabled() and (x.requires_grad or y.requires_grad or c.requires_grad):
            return Pair.apply(x, y, c)
        return forward_op(x, y, c)

    return call
