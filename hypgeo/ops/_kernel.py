"""The decorator that turns a plain PyTorch body into an op: compiled where it can be, the body elsewhere.

The body is the fallback (no library, a device without a kernel, ``torch.func`` transforms), the shapes for
``torch.compile``, the second derivative, and an oracle in tests (``op.reference``).  The compiled op in ``csrc`` gives
the value, and ``<name>_backward`` the first derivatives.  Shapes and dtypes are settled here: C++ sees rows of one
dtype and of equal leading axes, with whatever strides they have.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from hypgeo import _C

__all__ = ["Op", "kernel"]

Body = Callable[..., Tensor]
Land = Callable[[Tensor, Tensor, torch.dtype], Tensor]


class Op(Protocol):
    """A function of tensors of rows, perhaps a number a row, and c, with its plain body beside it."""

    reference: Body
    devices: frozenset[str]  # the device types with a compiled kernel
    __name__: str

    def __call__(self, *args: Any) -> Tensor: ...


def kernel(name: str, *, scalar: bool = False, number: bool = False, land: Land | None = None) -> Callable[[Body], Op]:
    """Decorate a body ``(row, ..., row[, t], c)`` to an op of the same signature.

    name: the op's name in ``csrc``.  scalar: whether the result is a number, not a row.
    number: whether the argument before c is one number a row.
    land: rounds the body's result to the manifold, ``(rows, c, dtype) -> rows``; left out, it is rounded to the dtype.
    The op takes rows ``(*#batch, d)`` whose leading axes broadcast, the number as a float or ``(*#batch)``, and c > 0 as
    a float or a tensor of one number or ``(*#batch)``; it computes in float64 or better and returns the rows' dtype.
    The body gets rows that are broadcast already, in float64 (on MPS, which has none, in float32), the number and c
    with an axis for the coordinates (c as () where it is one number); it returns rows, or ``(*batch, 1)`` for numbers.
    """

    def decorate(body: Body) -> Op:
        count = len(inspect.signature(body).parameters) - 1 - number
        devices = frozenset(key.lower() for key in ("CPU", "CUDA") if name in _C.compiled_ops(key))
        compiled = _compile(name, body, count, number, scalar) if devices else None

        @functools.wraps(body)
        def op(*args: Any) -> Tensor:
            if len(args) != count + number + 1:
                raise TypeError(f"{body.__qualname__} takes {count + number + 1} arguments, got {len(args)}")
            rows = args[:count]
            x = rows[0]
            dtype, batch = x.dtype, x.shape[:-1]
            if any(t.dtype is not dtype or t.shape[:-1] != batch for t in rows) or not dtype.is_floating_point:
                dtype, batch, rows = _alike(body.__qualname__, rows)
            elif x.dim() == 0:
                raise ValueError(f"{body.__qualname__} takes rows, the last axis holding coordinates; got one number")
            wide = torch.float32 if x.device.type == "mps" else torch.float64
            c = _number("c", args[-1], x, wide, batch)
            t = _number(body.__name__, args[count], x, wide, batch) if number else None
            outer = c.shape if t is None else torch.broadcast_shapes(c.shape, t.shape)
            if len(outer) and outer != batch:  # many curvatures or numbers over fewer rows
                batch = torch.broadcast_shapes(batch, outer)
                rows = tuple(r.expand(*batch, r.shape[-1]) for r in rows)
            if c.dim() and c.shape != batch:
                c = c.expand(batch)
            if t is not None and t.dim() and t.shape != batch:
                t = t.expand(batch)
            # torch.func and vmap see through the body; an autograd.Function that serves them costs every call 20 us.
            if compiled is None or x.device.type not in devices or torch._C._are_functorch_transforms_active():
                out = body(*_for_body(rows, t, c, wide))
                if scalar:
                    out = out.squeeze(-1)
                return out.to(dtype) if land is None else land(out, c if c.dim() == 0 else c.unsqueeze(-1), dtype)
            if dtype is torch.float32 or dtype is torch.float64:
                return compiled(rows, t, c)
            return compiled(tuple(r.to(torch.float32) for r in rows), t, c).to(dtype)

        wrapped = cast(Any, op)
        wrapped.reference, wrapped.devices = body, devices
        return cast(Op, wrapped)

    return decorate


def _alike(name: str, rows: tuple[Tensor, ...]) -> tuple[torch.dtype, torch.Size, tuple[Tensor, ...]]:
    """The rows' common dtype and leading axes, and the rows brought to them; refuses what has no rows."""
    dtype = rows[0].dtype
    for t in rows:
        if not isinstance(t, Tensor):
            raise TypeError(f"{name} takes tensors of rows, got {type(t).__name__}")
        if t.dim() == 0:
            raise ValueError(f"{name} takes rows, the last axis holding coordinates; got one number")
        dtype = torch.promote_types(dtype, t.dtype)
    if not dtype.is_floating_point:
        raise TypeError(f"{name} takes floating-point rows, not {dtype}; convert them with .to(torch.float64)")
    batch = torch.broadcast_shapes(*(t.shape[:-1] for t in rows))
    return dtype, batch, tuple(t.to(dtype).expand(*batch, t.shape[-1]) for t in rows)


@functools.lru_cache(maxsize=256)
def _constant(value: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.full((), value, dtype=dtype, device=device)


def _number(name: str, value: float | Tensor, x: Tensor, wide: torch.dtype, batch: torch.Size) -> Tensor:
    """c, or the number of a row, as a tensor of the wide dtype: shape (), or one that broadcasts with the batch."""
    if isinstance(value, Tensor):
        if value.dtype is not wide or value.device != x.device:
            value = value.to(x.device, wide)
        if value.dim() and value.numel() == 1 and len(batch) < value.dim():
            value = value.reshape(())
        return value
    number = float(value)
    if name == "c" and not (number > 0.0 and math.isfinite(number)):
        raise ValueError(f"c must be positive and finite (it is minus the curvature), not {value}")
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return torch.full((), number, dtype=wide, device=x.device)
    return _constant(number, x.device, wide)


def _for_body(rows: tuple[Tensor, ...], t: Tensor | None, c: Tensor, wide: torch.dtype) -> tuple[Tensor, ...]:
    numbers = [n if n.dim() == 0 else n.unsqueeze(-1) for n in (t, c) if n is not None]
    return (*(r.to(wide) for r in rows), *numbers)


def _compile(name: str, body: Body, count: int, number: bool, scalar: bool) -> Callable[..., Tensor]:
    """The compiled op as a differentiable function of (rows, number or None, c)."""
    forward_op = getattr(torch.ops.hypgeo, name).default
    backward_op = getattr(torch.ops.hypgeo, f"{name}_backward").default

    @torch.library.register_fake(f"hypgeo::{name}")
    def _(rows: list[Tensor], t: Tensor | None, c: Tensor) -> Tensor:
        out = body(*_for_body(tuple(rows), t, c, torch.float64))
        return rows[0].new_empty(out.shape[:-1] if scalar else out.shape)

    @torch.library.register_fake(f"hypgeo::{name}_backward")
    def _(grad: Tensor, rows: list[Tensor], t: Tensor | None, c: Tensor, needs: int) -> list[Tensor]:
        out = [r.new_empty(r.shape) for i, r in enumerate(rows) if needs >> i & 1]
        asked = (needs >> count & 1) * number + (needs >> (count + 1) & 1)
        return out + [c.new_empty(rows[0].shape[:-1], dtype=torch.float64) for _ in range(asked)]

    class Row(torch.autograd.Function):  # twice as quick a call as torch.library.register_autograd
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Tensor:  # the rows, the number or None, c
            ctx.save_for_backward(*args)
            return forward_op(args[:count], args[count], args[-1])

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
            saved = ctx.saved_tensors
            asked = [i for i in range(count + 2) if ctx.needs_input_grad[i]]
            first = backward_op(grad, saved[:count], saved[count], saved[-1], sum(1 << i for i in asked))
            result: list[Tensor | None] = [None] * (count + 2)
            for i, g in zip(asked, first, strict=True):
                result[i] = g.sum() if i >= count and saved[i].dim() == 0 else g
            if torch.is_grad_enabled() and not torch.compiler.is_compiling():
                # Somebody differentiates this: the compiled numbers, with the body's derivatives behind them.
                value = body(*_for_body(saved[:count], saved[count], saved[-1], torch.float64))
                value = value.squeeze(-1) if scalar else value
                inputs = [saved[i] for i in asked]
                plain = torch.autograd.grad(value, inputs, grad.to(value.dtype), create_graph=True, allow_unused=True)
                for i, p in zip(asked, plain, strict=True):
                    given = cast(Tensor, result[i])
                    result[i] = given if p is None else p + (given - p).detach()
            return tuple(result)

    def call(rows: tuple[Tensor, ...], t: Tensor | None, c: Tensor) -> Tensor:
        if torch.is_grad_enabled() and (
            c.requires_grad or any(r.requires_grad for r in rows) or (t is not None and t.requires_grad)
        ):
            return cast(Tensor, Row.apply(*rows, t, c))
        return cast(Tensor, forward_op(rows, t, c))

    return call


# ---- pairs of rows
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
        compiled = _compile_pair(name, body) if devices else body

        @functools.wraps(body)
        def op(x: Tensor, y: Tensor, c: float | Tensor) -> Tensor:
            number = _pair_number(c, x)
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


def _pair_number(c: float | Tensor, x: Tensor) -> Tensor:
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


def _compile_pair(name: str, body: Callable[..., Tensor]) -> PairBody:
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
