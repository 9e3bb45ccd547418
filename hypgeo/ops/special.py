"""Scalar pieces that every model shares: functions with removable singularities, and error-free differences.

Coordinates lie in the last axis and reductions keep it, so that every result broadcasts against its arguments.
The compensated values enter as ``plain + (accurate - plain).detach()``: the number is the accurate one, the
derivative is that of the plain expression, which is well conditioned once the number is right.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "along",
    "arsinhc",
    "arsinhc_norm",
    "asinh",
    "corrected",
    "dot",
    "fold",
    "gap",
    "norm",
    "sinhc",
    "tanhc",
    "two_diff",
    "two_prod",
    "two_sum",
]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product over the last axis, kept: ``(..., d), (..., d) -> (..., 1)``."""
    return (a * b).sum(-1, keepdim=True)


def norm(x: Tensor) -> Tensor:
    """Euclidean norm over the last axis, kept; scaled against under- and overflow, with gradient 0 at 0."""
    size = x.detach().abs().amax(-1, keepdim=True)
    # a power of two, so that scaling is exact; frexp of 0, inf and nan leaves those cases to sqrt below
    scale = torch.where((size > 0) & (size < math.inf), torch.exp2(torch.floor(torch.log2(size))), 1.0)
    scale = scale.clamp_min(torch.finfo(x.dtype).tiny)
    y = x / scale
    square = dot(y, y)
    root = torch.where(square > 0, square, 1.0).sqrt()
    return torch.where(square > 0, root, square) * scale


# ------------------------------------------------------------------------------- error-free transformations
def two_sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a + b = s + e exactly (Knuth, The Art of Computer Programming 2, 4.2.2, theorem B)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_diff(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a - b = s + e exactly."""
    return two_sum(a, -b)


def two_prod(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a * b = p + e exactly, without a fused multiply-add (Dekker 1971); needs |a|, |b| < 2^995 in float64."""
    p = a * b
    factor = 134217729.0 if a.dtype == torch.float64 else 4097.0
    t = factor * a
    a1 = t - (t - a)
    a2 = a - a1
    t = factor * b
    b1 = t - (t - b)
    b2 = b - b1
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def fold(hi: Tensor, lo: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of two-component numbers over the last axis, kept, by halving."""
    while (n := hi.shape[-1]) > 1:
        half = n // 2
        s, e = two_sum(hi[..., :half], hi[..., half : 2 * half])
        e = e + lo[..., :half] + lo[..., half : 2 * half]
        hi = torch.cat((s, hi[..., 2 * half :]), -1)
        lo = torch.cat((e, lo[..., 2 * half :]), -1)
    return hi, lo


def corrected(plain: Tensor, accurate: Tensor) -> Tensor:
    """The accurate number with the derivative of the plain one; where the accurate one overflowed, the plain one."""
    shift = (accurate - plain).detach()
    return plain + torch.where(shift.isfinite(), shift, 0.0)


def gap(x: Tensor, c: Tensor) -> Tensor:
    """1 - c |x|^2 over the last axis, kept, with small *relative* error up to the last float inside the ball."""
    xd, cd = x.detach(), c.detach()
    hi, lo = fold(*two_prod(xd, xd))
    p, e = two_prod(hi, cd.expand_as(hi))
    return corrected(1 - c * dot(x, x), (1 - p) - (e + cd * lo))


def along(x: Tensor, v: Tensor, rest: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    """Split v (+ rest, a rounding residue) as k x + w with w orthogonal to x: returns ``k (..., 1), w (..., d)``.

    The error of w is relative to |w| and not to |v|: the first residue v - k x is taken without rounding and then
    orthogonalised once more.  k = 0 where x = 0.
    """
    square = dot(x, x)
    square = torch.where(square > 0, square, math.inf)
    k = dot(v, x) / square
    plain = v - k * x
    xd, kd = x.detach(), k.detach()
    p, e = two_prod(kd.expand_as(plain), xd.expand_as(plain))
    r, f = two_diff(v.detach().expand_as(plain), p)
    w = r + ((f - e) + rest)
    again = dot(w, xd) / square.detach()
    return corrected(k, kd + again), corrected(plain, w - again * xd)


# ------------------------------------------------------------------- functions with removable singularities
# Each takes q = t^2, in which it is analytic, so that no derivative meets the square root's singularity at 0.
def _series(q: Tensor, coefficients: list[float]) -> Tensor:
    out = torch.full_like(q, coefficients[-1])
    for a in reversed(coefficients[:-1]):
        out = out * q + a
    return out


_SINHC = [1 / math.factorial(2 * k + 1) for k in range(11)]
_COSH = [1 / math.factorial(2 * k) for k in range(11)]
# asinh(t)/t = sum_k (-1)^k (2k)! / (4^k (k!)^2 (2k+1)) t^(2k)
_ARSINHC = [(-1) ** k * math.comb(2 * k, k) / 4**k / (2 * k + 1) for k in range(13)]


def sinhc(q: Tensor) -> Tensor:
    """sinh(t)/t as a function of q = t^2 >= 0; inf from t = 710 on (float64)."""
    small = q < 1
    t = torch.where(small, 1.0, q).sqrt()
    return torch.where(small, _series(torch.where(small, q, 0.0), _SINHC), torch.sinh(t) / t)


def tanhc(q: Tensor) -> Tensor:
    """tanh(t)/t as a function of q = t^2 >= 0."""
    small = q < 1
    t = torch.where(small, 1.0, q).sqrt()
    near = torch.where(small, q, 0.0)
    return torch.where(small, _series(near, _SINHC) / _series(near, _COSH), torch.tanh(t) / t)


def arsinhc(q: Tensor) -> Tensor:
    """asinh(t)/t as a function of q = t^2 >= 0.

    Below 1 by asinh t = 2 asinh(t / sqrt(2 (1 + sqrt(1 + t^2)))) twice, and a series on what is left (q < 0.05).
    """
    small = q < 1
    t = torch.where(small, 1.0, q).sqrt()
    p = torch.where(small, q, 0.0)
    factor = torch.ones_like(p)
    for _ in range(2):
        half = 2 / (1 + (1 + p).sqrt())
        factor = factor * half.sqrt()
        p = p * half / 4
    return torch.where(small, factor * _series(p, _ARSINHC), asinh(t) / t)


def arsinhc_norm(a: Tensor, c: Tensor) -> Tensor:
    """asinh(t)/t at t = sqrt(c) |a|, also where t^2 overflows."""
    q = c * dot(a, a)
    far = q > 1e100
    t = c.sqrt() * norm(torch.where(far, a, 1.0))
    return torch.where(far, asinh(t) / t, arsinhc(torch.where(far, 1.0, q)))


def asinh(t: Tensor) -> Tensor:
    """asinh for any sign; its derivative does not vanish where t^2 overflows, as that of ``torch.asinh`` does."""
    huge = t.abs() > 1e9 if t.dtype == torch.float64 else t.abs() > 1e4
    far = torch.where(huge, t, 1.0)
    return torch.where(huge, far.sign() * (far.abs().log() + math.log(2.0)), torch.asinh(torch.where(huge, 0.0, t)))
