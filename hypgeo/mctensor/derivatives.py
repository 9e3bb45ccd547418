"""Functions whose derivatives in PyTorch are not good to N components, with ones that are.

PyTorch takes tanh' = 1 - y², sigmoid' = y (1 - y), expm1' = y + 1, asinh' = (1 + x²)^-½, acosh' = (x² - 1)^-½ and
atanh' = 1 / (1 - x²), which lose every digit that y or x² shares with 1, or overflow.  And it rounds to one float64 the
log 2 and log 10 of log2, log10 and exp2, p - 1 of a power, 1 - w of lerp and 2 / (n - 1) of a variance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hypgeo.mctensor.tensor import DERIVED, MCTensor, lifted

__all__: list[str] = []

Slope = Callable[[Tensor], Tensor]


def _with_slope(name: str, slope: Slope, *more: Any) -> None:
    """Gives torch.<name>, the method and ``more`` the derivative ``slope(x)``, itself differentiable."""
    op = getattr(torch.ops.aten, name).default

    class Better(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: MCTensor) -> Any:
            ctx.save_for_backward(x)
            return op(x)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0] * slope(ctx.saved_tensors[0])

    Better.__name__ = Better.__qualname__ = name.capitalize()

    def call(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or not x.requires_grad or not torch.is_grad_enabled():
            return getattr(torch, name)(x, *args, **kwargs)
        return Better.apply(x)

    for f in (getattr(torch, name), getattr(Tensor, name), *more):
        DERIVED[f] = call


def _tanh_slope(x: Tensor) -> Tensor:
    return x.cosh().reciprocal().square()


def _sigmoid_slope(x: Tensor) -> Tensor:
    e = (-x.abs()).exp()
    return e / (1 + e).square()


def _asinh_slope(x: Tensor) -> Tensor:
    # 1 / |x| / sqrt(1 + x^-2) where x² would overflow
    far = x.abs() > 2.0**6
    near = torch.where(far, 1.0, x)
    size = torch.where(far, x.abs(), 1.0)
    q = size.reciprocal()
    return torch.where(far, q * (1 + q.square()).rsqrt(), (1 + near.square()).rsqrt())


def _acosh_slope(x: Tensor) -> Tensor:
    return (x - 1).rsqrt() * (x + 1).rsqrt()


def _atanh_slope(x: Tensor) -> Tensor:
    return ((1 - x) * (1 + x)).reciprocal()


_with_slope("tanh", _tanh_slope, torch.nn.functional.tanh)
_with_slope("sigmoid", _sigmoid_slope, torch.special.expit, torch.nn.functional.sigmoid)
_with_slope("expm1", lambda x: x.exp(), torch.special.expm1)
_with_slope("asinh", _asinh_slope, torch.arcsinh, Tensor.arcsinh)
_with_slope("acosh", _acosh_slope, torch.arccosh, Tensor.arccosh)
_with_slope("atanh", _atanh_slope, torch.arctanh, Tensor.arctanh)


# ------------------------------------------------------------------------------------------ composed of others
def _instead(name: str, f: Callable[..., Any], *more: Any) -> None:
    """Gives torch.<name> and the method this body where derivatives are wanted: theirs are those of its parts."""
    original = getattr(torch, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        tracked = any(isinstance(t, Tensor) and t.requires_grad for t in (*args, *kwargs.values()))
        if tracked and torch.is_grad_enabled():
            return f(*lifted(args), **kwargs)
        return original(*args, **kwargs)

    for g in (original, getattr(Tensor, name), *more):
        DERIVED[g] = call


def _log_base(base: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x.log() / torch.full_like(x.detach(), base).log()


def _pow(x: Any, p: Any) -> Tensor:
    if isinstance(p, float) and not (4 * p).is_integer():
        p = torch.full_like(x.detach(), p)
    return torch.pow(x, p)


def _lerp(x: Tensor, y: Tensor, weight: Any) -> Tensor:
    return x + weight * (y - x)


def _var(x: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None) -> Tensor:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    axes = list(range(x.dim())) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    count = 1
    for d in axes:
        count *= x.shape[d]
    less = correction if correction is not None else int(unbiased)
    return (x - x.mean(axes, keepdim=True)).square().sum(axes, keepdim=keepdim) / max(count - less, 0)


_instead("log2", _log_base(2))
_instead("log10", _log_base(10))
_instead("exp2", lambda x: (x * torch.full_like(x.detach(), 2).log()).exp())
_instead("pow", _pow, Tensor.__pow__)
_instead("lerp", _lerp)
_instead("var", _var)
_instead("std", lambda *args, **kwargs: _var(*args, **kwargs).sqrt())


def _over(x: MCTensor, number: Any) -> Any:
    return torch.true_divide(x.new_full((), number), x)  # PyTorch multiplies the number by a rounded reciprocal


DERIVED[Tensor.__rtruediv__] = _over
