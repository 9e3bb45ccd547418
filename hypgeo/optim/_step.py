"""One step along a geodesic against the mean gradient: compiled where it can be, else through the manifold's verbs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import torch
from geoopt.manifolds import Euclidean
from geoopt.tensor import ManifoldParameter, ManifoldTensor
from torch import Tensor
from torch.nn.functional import pad

from hypgeo import _C
from hypgeo.manifolds import HalfSpace, Lorentz, Manifold, PoincareBall

__all__ = ["Hyper", "Tables", "advance", "advance_rows", "closed", "manifold_of", "stabilizes"]

# point (..., k) and state of that shape, None where not kept: mean gradient, mean of its square, greatest of those
Tables = Sequence[Tensor | None]

_FLAT = Euclidean()
_MODELS: list[type] = [PoincareBall, Lorentz, HalfSpace]  # in the order of csrc/optim/step_kernel.cpp


@dataclass(frozen=True)
class Hyper:
    """The numbers of one step, in the order of csrc/optim/ops.cpp.

    mean = keep mean + gain gradient, and likewise its square; the point moves by the rate, over the root of the mean
    square where that is kept, against the mean.  nesterov: how much of the mean is added to the gradient instead.
    """

    rate: float
    decay: float = 0.0
    keep: float = 0.0
    gain: float = 1.0
    keep_square: float = 0.0
    gain_square: float = 0.0
    correction: float = 1.0
    correction_square: float = 1.0
    eps: float = 0.0
    nesterov: float = 0.0


def manifold_of(point: Tensor) -> Any:
    """The manifold of a geoopt parameter; flat space for any other tensor."""
    return point.manifold if isinstance(point, ManifoldParameter | ManifoldTensor) else _FLAT


def closed(closure: Callable[[], Any] | None) -> Any:
    """The loss, where there is a closure to compute it."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def stabilizes(group: dict[str, Any], step: float) -> bool:
    """Whether this step is one after which the group's points are put back on their manifolds."""
    return group["stabilize"] is not None and step % group["stabilize"] == 0


def advance(manifold: Any, tables: Tables, grad: Tensor, hyper: Hyper) -> None:
    """Take the step in place, from the gradient (..., k) that autograd gave."""
    given = [t for t in tables if t is not None]
    point = given[0]
    compiled = (
        type(manifold) in _MODELS
        and manifold.K0.numel() == 1
        and _C.available()
        and hasattr(torch.ops.hypgeo, "optim_step")
        and point.device.type == "cpu"
        and point.dtype in (torch.float32, torch.float64)
        and all(t.dtype == point.dtype and t.shape == point.shape and t.is_contiguous() for t in given)
        and grad.dtype == point.dtype
        and point.numel() > 0
        and not hyper.nesterov
    )
    if not compiled:
        _carefully(manifold, tables, grad, hyper)
        return
    k = point.shape[-1]
    flat = [None if t is None else t.detach().view(-1, k) for t in tables]
    slopes = grad.detach().reshape(-1, k).contiguous()
    c = float(manifold.c.detach())
    left = torch.ops.hypgeo.optim_step(
        flat[0], slopes, *flat[1:], _MODELS.index(type(manifold)), c, *astuple(hyper)[:-1]
    )
    if len(left):  # too far, too long, or not finite
        advance_rows(manifold, flat, left, slopes[left], hyper, _carefully)


def advance_rows(
    manifold: Any,
    tables: Tables,
    rows: Tensor,
    grad: Tensor,
    hyper: Hyper,
    move: Callable[[Any, Tables, Tensor, Hyper], None] = advance,
) -> None:
    """The same for some rows of tables (n, k): on copies, which then replace them."""
    few = [None if t is None else t.detach()[rows] for t in tables]
    move(manifold, few, grad, hyper)
    for whole, part in zip(tables, few, strict=True):
        if whole is not None and part is not None:
            _widen(whole, part)
            whole.detach()[rows] = part


def _widen(t: Tensor, like: Tensor) -> None:
    """Room for integers that grew: columns of zeros at the end of a table, and of its gradient, in place."""
    more = like.shape[-1] - t.shape[-1] if t.shape != like.shape else 0
    if not more:
        return
    grad, wider = t.grad if t.is_leaf else None, pad(t.detach(), (0, more))
    # a graph that is still alive keeps the old shape for this leaf; torch forgets it at a change of dtype
    t.data = wider.new_empty(0, dtype=torch.bfloat16)
    t.data = wider
    if grad is not None:  # it was of the old width, and the next one will not be
        t.grad = None if grad.is_sparse else pad(grad, (0, more))


def _put(t: Tensor, new: Tensor) -> None:
    _widen(t, new)
    t.copy_(new)


def _carefully(manifold: Any, tables: Tables, grad: Tensor, hyper: Hyper) -> None:
    """By the verbs; in our spaces, points that a finite gradient would move to no finite point stay as they are."""
    if not isinstance(manifold, Manifold):
        _by_verbs(manifold, tables, grad, hyper)
        return
    given = [t for t in tables if t is not None]
    if hyper.decay and getattr(manifold, "exact", False):
        raise ValueError(f"weight_decay shrinks coordinates, and {manifold.name} has integers for them; set it to 0")
    before = [t.detach().clone() for t in given]
    _by_verbs(manifold, tables, grad, hyper)
    stay = grad.isfinite().all(-1, keepdim=True)
    stay &= ~torch.stack([t.detach().isfinite().all(-1, keepdim=True) for t in given]).all(0)
    if bool(stay.any()):
        for t, old in zip(given, before, strict=True):
            _widen(old, t)
            t.copy_(torch.where(stay, old, t))


def _by_verbs(manifold: Any, tables: Tables, grad: Tensor, hyper: Hyper) -> None:
    point, mean, square, greatest = tables
    assert point is not None
    if hyper.decay:
        grad = grad.add(point, alpha=hyper.decay)
    grad = manifold.egrad2rgrad(point, grad)
    if mean is None:
        _put(point, manifold.retr(point, -hyper.rate * grad))
        return
    mean.mul_(hyper.keep).add_(grad, alpha=hyper.gain)
    direction = grad + hyper.nesterov * mean if hyper.nesterov else mean
    if square is not None:
        square.mul_(hyper.keep_square).add_(manifold.component_inner(point, grad), alpha=hyper.gain_square)
        if greatest is not None:
            square = torch.maximum(greatest, square, out=greatest)
        direction = direction.div(hyper.correction) / square.div(hyper.correction_square).sqrt_().add_(hyper.eps)
    new, carried = manifold.retr_transp(point, -hyper.rate * direction, mean)
    _put(point, new)
    _put(mean, carried)
    for t in tables[2:]:
        if t is not None:
            _widen(t, new)
