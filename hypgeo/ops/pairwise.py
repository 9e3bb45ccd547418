"""Distances of every point of one set to every point of another, without an intermediate that is larger than they are.

The compiled kernels (csrc/pairwise) leave to the row op what they cannot vouch for: points next to each other far out,
points outside the range of their arithmetic, NaN.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from hypgeo import _C
from hypgeo.ops import halfspace, lorentz, poincare
from hypgeo.ops.special import fold, two_prod

__all__ = ["MODELS", "dist"]

MODELS: dict[str, Any] = {"PoincareBall": poincare.dist, "Lorentz": lorentz.dist, "HalfSpace": halfspace.dist}
_NAMES = list(MODELS)  # in the order of csrc/pairwise/lift.h
_ROW_OPS: list[Any] = list(MODELS.values())
_HYPERBOLOID = _NAMES.index("Lorentz")
_AT_ONCE = 1 << 16  # pairs handed to the row op at a time


def dist(model: str, x: Tensor, y: Tensor, c: float | Tensor) -> Tensor:
    """Distances (*batch, n, m) in a model (a key of MODELS), its points in the layout of the model's row op.

    x: (*#batch, n, k), y: (*#batch, m, k); c > 0, minus the curvature: a number, or one a set, (*#batch, 1).
    float32 and float64 are computed as they are, half precision in float32.  Compiled: within 4 ulp of the exact
    distances of the floats given (measured; were all roundings of one sign, 7), and equal points are 0 apart with
    gradient 0; the sums of gradients that x, y and c get are within 8 ulp (normwise) of sums of exact gradients, where
    those do not cancel.  On the hyperboloid gradients
    are ambient ones whose time coordinate carries what rounding took from the others (``ops.lorentz.dist``).
    Working memory: O((n + m) k) a thread.  Second derivatives go through the row op, with n m k numbers between.
    """
    number = MODELS[model]
    for t in (x, y):
        if not isinstance(t, Tensor):
            raise TypeError(f"pairwise_dist takes tensors of points, got {type(t).__name__}")
        if t.dim() < 2:
            raise ValueError(f"pairwise_dist takes sets of points (..., n, k), got shape {tuple(t.shape)}")
        if not t.is_floating_point():
            raise TypeError(f"pairwise_dist takes floating-point coordinates, not {t.dtype}; call .double()")
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"pairwise_dist takes points of one dimension, got {x.shape[-1]} and {y.shape[-1]} coordinates"
        )
    if not isinstance(c, Tensor):
        if not (c > 0.0 and math.isfinite(c)):
            raise ValueError(f"c must be positive and finite (it is minus the curvature), not {c}")
        c = torch.full((), c, dtype=torch.float64)
    elif c.dim() and c.shape[-1] != 1:
        raise ValueError(f"all points of a set need one curvature, a tensor of shape (*batch, 1), not {tuple(c.shape)}")
    dtype = torch.promote_types(x.dtype, y.dtype)
    if not _compiled or x.device.type != "cpu" or y.device.type != "cpu" or torch._C._are_functorch_transforms_active():
        return cast(Tensor, number(x.unsqueeze(-2), y.unsqueeze(-3), c.unsqueeze(-1) if c.dim() else c)).to(dtype)
    own = c.squeeze(-1) if c.dim() else c
    batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2], own.shape)
    work = torch.float64 if dtype is torch.float64 else torch.float32
    rows = [t.to(work).expand(*batch, *t.shape[-2:]).reshape(batch.numel(), *t.shape[-2:]).contiguous() for t in (x, y)]
    own = own.to(x.device, torch.float64).expand(batch).reshape(-1).contiguous()
    which = _NAMES.index(model)
    if torch.is_grad_enabled() and (x.requires_grad or y.requires_grad or c.requires_grad):
        out = cast(Tensor, _Pairwise.apply(*rows, own, which))
    else:
        out = torch.ops.hypgeo.pairwise_dist(*rows, own, which)
    return out.reshape(*batch, x.shape[-2], y.shape[-2]).to(dtype)


class _Pairwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, c: Tensor, model: int) -> Tensor:
        out = torch.ops.hypgeo.pairwise_dist(x, y, c, model)
        ctx.save_for_backward(x, y, c, out)
        ctx.model = model
        return cast(Tensor, out)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, out = ctx.saved_tensors
        asked = [i for i in range(3) if ctx.needs_input_grad[i]]
        first = torch.ops.hypgeo.pairwise_dist_backward(grad.contiguous(), *inputs, out, ctx.model, 2 in asked)
        result: list[Tensor | None] = [first[i] if i in asked else None for i in range(3)]
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            # Somebody differentiates this: the compiled numbers, with the row op's derivatives behind them.
            x, y, c = inputs
            value = _ROW_OPS[ctx.model](x.unsqueeze(-2), y.unsqueeze(-3), c[:, None, None])
            plain = torch.autograd.grad(value, [inputs[i] for i in asked], grad, create_graph=True)
            for i, p in zip(asked, plain, strict=True):
                result[i] = p + (first[i] - p).detach()
        return (*result, None)


def _indices(pairs: Tensor, n: int, m: int) -> tuple[Tensor, Tensor]:
    """Rows of x and of y, all batches in one table each, from places in the matrices."""
    row = pairs // m
    return row, row // n * m + pairs % m


def _forward(x: Tensor, y: Tensor, c: Tensor, model: int) -> Tensor:
    out, left = torch.ops.hypgeo.pairwise_quick(x, y, c, model)
    n, m = out.shape[1:]
    for pairs in left.split(_AT_ONCE) if len(left) else ():
        i, j = _indices(pairs, n, m)
        out.view(-1)[pairs] = _ROW_OPS[model](x.flatten(0, 1)[i], y.flatten(0, 1)[j], c[i // n])
    return cast(Tensor, out)


def _backward(
    grad: Tensor, x: Tensor, y: Tensor, c: Tensor, out: Tensor, model: int, wants_c: bool
) -> tuple[Tensor, Tensor, Tensor]:
    gx, gy, gc, left = torch.ops.hypgeo.pairwise_pull(grad, x, y, c, out, model, wants_c)
    n, m = out.shape[1:]
    left = left[grad.view(-1)[left] != 0]  # an invalid point that nobody asks about spoils nothing
    for pairs in left.split(_AT_ONCE) if len(left) else ():
        i, j = _indices(pairs, n, m)
        with torch.enable_grad():
            rows = [t.flatten(0, 1)[k].double().requires_grad_() for t, k in ((x, i), (y, j))]
            number = c[i // n].requires_grad_()
            d = _ROW_OPS[model](*rows, number)
        *parts, slope = torch.autograd.grad(d, (*rows, number), grad.view(-1)[pairs].double())
        for to, row, part, k in zip((gx, gy), rows, parts, (i, j), strict=True):
            if model == _HYPERBOLOID:
                known = _pairing(row.detach(), part, number.detach().unsqueeze(-1))
                part = torch.cat((known, part[..., 1:]), -1)
            to.flatten(0, 1).index_add_(0, k, part)
        gc.index_add_(0, i // n, slope)
    if model == _HYPERBOLOID:
        gx, gy = (_with_time(g, t, c[:, None, None]) for g, t in ((gx, x), (gy, y)))
    return gx.to(x.dtype), gy.to(y.dtype), gc


def _sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The inner product over the last axis, kept, in two components."""
    return fold(*two_prod(a, b))


def _time(x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """sqrt(1/c + |x|^2) in two components, by one Newton step from its float."""
    hi, lo = _sum(x, x)
    one = 1 / c
    time = (one + hi).sqrt()
    p, e = two_prod(time, time)
    q, f = two_prod(one, c)
    return time, ((hi - (p - one)) + (lo - e + ((1 - q) - f) * one)) / (2 * time)


def _pairing(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """x_0 u_0 + <x, u> of a covector on the hyperboloid, where the terms cancel: ``(..., 1)``."""
    time, rest = _time(x[..., 1:], c)
    hi, lo = _sum(torch.cat((time, x[..., 1:]), -1), u)
    return hi + (lo + rest * u[..., :1])


def _with_time(g: Tensor, x: Tensor, c: Tensor) -> Tensor:
    """The gradient in x's dtype: its time, which comes as x_0 u_0 + <x, u>, makes up for rounding the rest."""
    x, u = x.double()[..., 1:], g[..., 1:].to(x.dtype)
    hi, lo = _sum(x, u.double())
    time = ((g[..., :1] - hi) - lo) / _time(x, c)[0]
    return torch.cat((time.where(time.isfinite(), 0.0).to(u.dtype), u), -1)


_compiled = _C.available() and hasattr(torch.ops.hypgeo, "pairwise_quick")
if _compiled:
    _library = torch.library.Library("hypgeo", "FRAGMENT")
    _library.define("pairwise_dist(Tensor x, Tensor y, Tensor c, int model) -> Tensor")
    _library.define(
        "pairwise_dist_backward(Tensor grad, Tensor x, Tensor y, Tensor c, Tensor out, int model, bool wants_c) -> "
        "(Tensor, Tensor, Tensor)"
    )
    _library.impl("pairwise_dist", _forward, "CPU")
    _library.impl("pairwise_dist_backward", _backward, "CPU")

    @torch.library.register_fake("hypgeo::pairwise_dist")
    def _(x: Tensor, y: Tensor, c: Tensor, model: int) -> Tensor:
        return x.new_empty(x.shape[0], x.shape[1], y.shape[1])

    @torch.library.register_fake("hypgeo::pairwise_dist_backward")
    def _(
        grad: Tensor, x: Tensor, y: Tensor, c: Tensor, out: Tensor, model: int, wants_c: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        return torch.empty_like(x), torch.empty_like(y), torch.empty_like(c)
