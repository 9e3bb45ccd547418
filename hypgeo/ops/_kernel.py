"""The decorator that turns a plain PyTorch body into an op: compiled where it can be, the body elsewhere.

The body is the fallback (no library, a device without a kernel, ``torch.func`` transforms), the shapes for
``torch.compile``, the second derivative, and an oracle in tests (``op.reference``).  The compiled op in ``csrc`` gives
the value, and ``<name>_backward`` the first derivatives.  Shapes and dtypes are settled here: C++ sees rows of one
dtype and of equal leading axes, with whatever strides they have.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Sequence
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
    land: rounds the body's result to the manifold, ``(rows, c, dtype) -> rows``; left out, it is rounded to dtype.
    The op takes rows ``(*#batch, d)`` whose leading axes broadcast, the number as a float or ``(*#batch)``, and c > 0
    as a float or a tensor of one number or ``(*#batch)``; it computes in float64 or better and returns the rows' dtype.
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
            dtype, batch, rows = _alike(body.__name__, args[:count])
            x, c = rows[0], args[-1]
            cpu, wide = x.is_cpu, torch.float32 if x.is_mps else torch.float64
            if not (cpu and isinstance(c, Tensor) and c.is_cpu and c.dtype is wide and c.dim() == 0):
                c = _number("c", c, x, wide, batch)
            t = _number(body.__name__, args[count], x, wide, batch) if number else None
            if c.dim() or (t is not None and t.dim()):  # many curvatures or numbers, perhaps over fewer rows
                outer = torch.broadcast_shapes(batch, c.shape, () if t is None else t.shape)
                if outer != batch:
                    batch, rows = outer, tuple(r.expand(*outer, r.shape[-1]) for r in rows)
                c = c.expand(batch) if c.dim() else c
                t = t.expand(batch) if t is not None and t.dim() else t
            # torch.func and vmap see through the body; an autograd.Function that serves them costs every call 20 us.
            if not (cpu or x.device.type in devices) or compiled is None or torch._C._are_functorch_transforms_active():
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
    first = rows[0]
    if isinstance(first, Tensor):  # most calls: all alike
        dtype, shape = first.dtype, first.shape
        for t in rows[1:]:
            if not isinstance(t, Tensor) or t.dtype is not dtype or t.shape != shape:
                break
        else:
            if shape and dtype.is_floating_point:
                return dtype, shape[:-1], rows
    for t in rows:
        if not isinstance(t, Tensor):
            raise TypeError(f"{name} takes rows as a torch.Tensor, got {type(t).__name__}")
        if not t.is_floating_point():
            raise TypeError(f"{name} takes floating-point rows, not {t.dtype}; convert them with .to(torch.float64)")
        if t.dim() == 0:
            raise ValueError(f"{name} takes rows, the last axis holding coordinates; got one number")
    dtype, batch = first.dtype, first.shape[:-1]
    if all(t.dtype is dtype and t.shape[:-1] == batch for t in rows):
        return dtype, batch, rows
    if any(t.dtype is not dtype for t in rows):
        dtype = functools.reduce(torch.promote_types, (t.dtype for t in rows))
    shapes = [t.shape[:-1] for t in rows]
    batch = max(shapes, key=len)
    if any(s and s != batch for s in shapes):  # one row beside many is the common case, and this is slow
        batch = torch.broadcast_shapes(*shapes)
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


def apart(given: Sequence[Any]) -> tuple[Any, ...]:
    """Aliases: a derivative in one of them leaves out what reaches it through another that depends on it."""
    return tuple(None if t is None else t.view_as(t) for t in given)


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

    # Places of the arguments whose gradient is asked for, and the same as bits.
    wanted = {
        needs: (tuple(i for i, asked in enumerate(needs) if asked), sum(asked << i for i, asked in enumerate(needs)))
        for needs in itertools.product((False, True), repeat=count + 2)
    }

    class Row(torch.autograd.Function):  # twice as quick a call as torch.library.register_autograd
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Tensor:  # the rows, the number or None, c
            ctx.save_for_backward(*args)
            return forward_op(args[:count], args[count], args[-1])

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
            saved = ctx.saved_tensors
            asked, bits = wanted[ctx.needs_input_grad]
            again = torch.is_grad_enabled()
            if again:
                with torch.no_grad():
                    first = backward_op(grad, saved[:count], saved[count], saved[-1], bits)
            else:
                first = backward_op(grad, saved[:count], saved[count], saved[-1], bits)
            result: list[Tensor | None] = [None] * (count + 2)
            for i, g in zip(asked, first, strict=True):
                result[i] = g.sum() if i >= count and saved[i].dim() == 0 else g
            if again and not torch.compiler.is_compiling():
                # Somebody differentiates this: the compiled numbers, with the body's derivatives behind them.
                saved = apart(saved)
                value = body(*_for_body(saved[:count], saved[count], saved[-1], torch.float64))
                value = value.squeeze(-1) if scalar else value
                inputs = [saved[i] for i in asked]
                plain = torch.autograd.grad(value, inputs, grad.to(value.dtype), create_graph=True, allow_unused=True)
                for i, p in zip(asked, plain, strict=True):
                    given = cast(Tensor, result[i])
                    result[i] = given if p is None else p + (given - p).detach()
            return tuple(result)

    # Function.apply without its questions about torch.func, which `op` has asked already.
    apply = super(torch.autograd.Function, Row).apply

    def call(rows: tuple[Tensor, ...], t: Tensor | None, c: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            for r in (*rows, c) if t is None else (*rows, t, c):
                if r.requires_grad:
                    return cast(Tensor, (Row.apply if torch.compiler.is_compiling() else apply)(*rows, t, c))
        return cast(Tensor, forward_op(rows, t, c))

    return call
