"""Means of many sets of points at once, compiled: the weighted Fréchet mean and the weighted midpoint.

Rows lie set by set, or an index says which set each row belongs to.  The plain algorithm is
:meth:`hypgeo.manifolds.Manifold.frechet_mean`'s own, on a manifold's primitives; it comes in as ``body`` for second
derivatives.  See ``csrc/mean/unit.h`` for the mathematics.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hypgeo import _C
from hypgeo.ops._kernel import apart

__all__ = ["MODELS", "ConvergenceWarning", "devices", "mean"]

MODELS = ("PoincareBall", "Lorentz", "HalfSpace")  # as csrc/mean/job.h numbers them
_KINDS = ("midpoint", "frechet")

devices = frozenset(key.lower() for key in ("CPU", "CUDA") if "mean" in _C.compiled_ops(key))

Body = Callable[[Tensor, Tensor | None, Tensor, Tensor], Tensor]


class ConvergenceWarning(UserWarning):
    """An iterative solver stopped before it reached the precision of the dtype."""


def mean(
    x: Tensor, w: Tensor | None, index: Tensor | None, sets: int, c: Tensor, model: str, kind: str, body: Body
) -> Tensor:
    """The means of ``sets`` sets of points ``(rows, width) -> (sets, width)``, float32 or float64.

    w: weights ``(rows)`` float64, all 1 when left out.  index: the set of each row, ``(rows)`` int64; left out, each
    set has equally many rows, one after the other.  c: -K, float64, one number or ``(sets)``.
    model, kind: of ``MODELS``; "midpoint" or "frechet".  A set without rows gives the origin.
    body: ``(x, w, c, means)`` -> the same means, twice differentiable; only second derivatives call it.
    """
    which, how = MODELS.index(model), _KINDS.index(kind)
    x = x.contiguous()
    if torch._C._are_functorch_transforms_active():
        return _Transformed.apply(x, w, c, index, sets, which, how)[0]
    if torch.compiler.is_compiling():
        return _checked(x, w, index, sets, c, which, how)[0]
    if torch.is_grad_enabled() and (x.requires_grad or c.requires_grad or (w is not None and w.requires_grad)):
        out, status = _Mean.apply(x, w, c, index, sets, which, how, body)
    else:
        out, _, status = torch.ops.hypgeo.mean.default(x, w, index, sets, c, which, how)
    if status.item():
        _report(status.item(), sets, model, kind)
    return out


def _report(status: int | float, sets: int, model: str, kind: str) -> None:
    """Say what went wrong; status: how many sets did not converge, or -1 where weights are no weights."""
    if status < 0:
        raise ValueError("weights must be non-negative with a positive sum in every set")
    warnings.warn(
        f"{kind}: {status} of {sets} sets of {model} points did not converge; the last iterates are returned",
        ConvergenceWarning,
        stacklevel=4,
    )


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        w: Tensor | None,
        c: Tensor,
        index: Tensor | None,
        sets: int,
        model: int,
        kind: int,
        body: Body,
    ) -> tuple[Tensor, Tensor]:
        out, center, status = torch.ops.hypgeo.mean.default(x, w, index, sets, c, model, kind)
        ctx.save_for_backward(x, w, c, index, center, out)
        ctx.rest = model, kind, body
        ctx.mark_non_differentiable(status)
        return out, status

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        x, w, c, index, center, out = ctx.saved_tensors
        model, kind, body = ctx.rest
        gx, gw, gc = torch.ops.hypgeo.mean_backward.default(
            grad.contiguous(), x, w, index, center, c.detach(), model, kind, *ctx.needs_input_grad[1:3]
        )
        first: list[Tensor | None] = [gx, gw if ctx.needs_input_grad[1] else None, gc.sum() if c.dim() == 0 else gc]
        if torch.is_grad_enabled():
            # Somebody differentiates this: the compiled numbers, with the body's derivatives behind them.
            asked = [i for i in range(3) if ctx.needs_input_grad[i]]
            x, w, c = apart((x, w, c))
            value = body(x, w, c, out.detach())
            inputs = [(x, w, c)[i] for i in asked]
            plain = torch.autograd.grad(value, inputs, grad.to(value.dtype), create_graph=True)
            for i, p in zip(asked, plain, strict=True):
                given = first[i]
                assert given is not None
                first[i] = p + (given - p).detach()
        return (*first, None, None, None, None, None)


if devices:

    @torch.library.register_fake("hypgeo::mean")
    def _(
        x: Tensor, w: Tensor | None, index: Tensor | None, sets: int, c: Tensor, model: int, kind: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        width = x.shape[1]
        center = x.new_empty(sets, 2, width - (model == 1), dtype=torch.float64)
        return x.new_empty(sets, width), center, x.new_empty((), dtype=torch.int64)

    @torch.library.register_fake("hypgeo::mean_backward")
    def _(
        grad: Tensor,
        x: Tensor,
        w: Tensor | None,
        index: Tensor | None,
        center: Tensor,
        c: Tensor,
        model: int,
        kind: int,
        in_w: bool = True,
        in_c: bool = True,
    ) -> tuple[Tensor, Tensor, Tensor]:
        wide = torch.float64
        return torch.empty_like(x), x.new_empty(x.shape[0], dtype=wide), x.new_empty(grad.shape[0], dtype=wide)


# What torch.compile and torch.export see: one opaque op that reports for itself.
@torch.library.custom_op("hypgeo::mean_checked", mutates_args=())
def _checked(
    x: Tensor, w: Tensor | None, index: Tensor | None, sets: int, c: Tensor, model: int, kind: int
) -> tuple[Tensor, Tensor]:
    if index is not None and len(index) and not bool(((index >= 0) & (index < sets)).all()):
        raise ValueError(
            f"index must lie in 0 ... {sets - 1} (dim_size - 1), got {int(index.min())} ... {int(index.max())}"
        )
    out, center, status = torch.ops.hypgeo.mean.default(x, w, index, sets, c, model, kind)
    if status.item():
        _report(status.item(), sets, MODELS[model], _KINDS[kind])
    return out, center


@_checked.register_fake
def _(
    x: Tensor, w: Tensor | None, index: Tensor | None, sets: int, c: Tensor, model: int, kind: int
) -> tuple[Tensor, Tensor]:
    return x.new_empty(sets, x.shape[1]), x.new_empty(sets, 2, x.shape[1] - (model == 1), dtype=torch.float64)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, w, index, _, c, model, kind = inputs
    ctx.save_for_backward(x, w, index, c, output[1])
    ctx.rest = model, kind


def _pull(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    x, w, index, c, center = ctx.saved_tensors
    asked = ctx.needs_input_grad[1], ctx.needs_input_grad[4]
    gx, gw, gc = torch.ops.hypgeo.mean_backward(grad.contiguous(), x, w, index, center, c, *ctx.rest, *asked)
    return gx, None if w is None else gw, None, None, gc.sum() if c.dim() == 0 else gc, None, None


_checked.register_autograd(_pull, setup_context=_save)


# What torch.func sees.
class _Transformed(torch.autograd.Function):
    @staticmethod
    def forward(
        x: Tensor, w: Tensor | None, c: Tensor, index: Tensor | None, sets: int, model: int, kind: int
    ) -> tuple[Tensor, Tensor]:
        return _checked(x.contiguous(), w, index, sets, c, model, kind)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, w, c, index, _, model, kind = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, w, c, index, output[1])
        ctx.rest = model, kind

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        x, w, c, index, center = ctx.saved_tensors
        gx, gw, gc = _TransformedPull.apply(grad, x, w, c, index, center, *ctx.rest)
        return gx, None if w is None else gw, gc.sum() if c.dim() == 0 else gc, None, None, None, None

    @staticmethod
    def vmap(
        info: Any,
        dims: tuple[int | None, ...],
        x: Tensor,
        w: Tensor | None,
        c: Tensor,
        index: Tensor | None,
        sets: int,
        model: int,
        kind: int,
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        k = info.batch_size
        rows = _one_after_the_other(k, sets, (x, w, index, c), (dims[0], dims[1], dims[3], dims[2]))
        out = _Transformed.apply(rows[0], rows[1], rows[3], rows[2], k * sets, model, kind)
        return (out[0].unflatten(0, (k, sets)), out[1].unflatten(0, (k, sets))), (0, 0)


class _TransformedPull(torch.autograd.Function):
    @staticmethod
    def forward(
        grad: Tensor,
        x: Tensor,
        w: Tensor | None,
        c: Tensor,
        index: Tensor | None,
        center: Tensor,
        model: int,
        kind: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        found: tuple[Tensor, Tensor, Tensor] = torch.ops.hypgeo.mean_backward.default(
            grad.contiguous(), x, w, index, center.contiguous(), c, model, kind
        )
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        raise NotImplementedError(
            "torch.func differentiates a mean once; for second derivatives use torch.autograd.grad(create_graph=True)"
        )

    @staticmethod
    def vmap(
        info: Any,
        dims: tuple[int | None, ...],
        grad: Tensor,
        x: Tensor,
        w: Tensor | None,
        c: Tensor,
        index: Tensor | None,
        center: Tensor,
        model: int,
        kind: int,
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        k = info.batch_size
        grad, center = (
            t.expand(k, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in ((grad, dims[0]), (center, dims[5]))
        )
        sets = grad.shape[1]
        rows = _one_after_the_other(k, sets, (x, w, index, c), (dims[1], dims[2], dims[4], dims[3]))
        flat = _TransformedPull.apply(
            grad.flatten(0, 1), rows[0], rows[1], rows[3], rows[2], center.flatten(0, 1), model, kind
        )
        return tuple(t.unflatten(0, (k, -1)) for t in flat), (0, 0, 0)


def _one_after_the_other(
    k: int, sets: int, given: tuple[Tensor | None, ...], dims: tuple[int | None, ...]
) -> list[Tensor | None]:
    """x, w, index and c of k examples under vmap as those of k times as many sets."""

    def all_of(t: Tensor | None, dim: int | None) -> Tensor | None:
        return None if t is None else t.expand(k, *t.shape) if dim is None else t.movedim(dim, 0)

    x, w, index, c = (all_of(t, dim) for t, dim in zip(given, dims, strict=True))
    assert x is not None and c is not None
    if index is not None:
        index = (index + sets * torch.arange(k, device=index.device).unsqueeze(-1)).reshape(-1)
    c = c.unsqueeze(-1).expand(k, sets) if c.dim() == 1 else c
    w = None if w is None else w.reshape(-1).contiguous()
    return [x.reshape(-1, x.shape[-1]), w, index, c.reshape(-1).contiguous()]
