"""Isometries between the models of hyperbolic space of curvature −c.

Rows are (*batch, d), those of the hyperboloid (*batch, 1 + d), time first.  c is a number or a tensor that broadcasts
against the batch.

The origins correspond, (0, …, 0, 1) being the half-space's, and so do the directions there: the hyperboloid's space is
that of the Poincaré and Klein balls, and their last axis points up in the half-space, to infinity.
Compiled: values within 4 ulp of the exact ones for the floats given (of the row's norm; a height within 4 ulp of
itself), first derivatives within 8 ulp (normwise).  A point with no float in the target is returned as the next best
there: a few ulps inside the rim, at the smallest normal height, at the largest time.
Source: J. W. Cannon, W. J. Floyd, R. Kenyon, W. R. Parry, Hyperbolic Geometry, MSRI Publications 31, 1997, §7.
"""

import torch
from torch import Tensor

from hypgeo.ops import halfspace
from hypgeo.ops._kernel import kernel
from hypgeo.ops.special import arsinhc, dot, gap, norm, sinhc


def _into_ball(x: Tensor, c: Tensor, dtype: torch.dtype) -> Tensor:
    """The rows in a dtype, those that round to the rim or beyond moved inside."""
    y, c = x.to(dtype), c.detach()
    size = norm(x.detach()) * c.sqrt()
    size = torch.where(size > 0, size, 1.0)
    for ulps in (1.5, 6.0):  # the second step where rounding has eaten the first
        pull = (1 - ulps * torch.finfo(dtype).eps) / size
        y = torch.where(gap(y.detach().to(x.dtype), c) > 0, y, (x * pull).to(dtype))
    return y


@kernel("ball_to_lorentz")
def ball_to_lorentz(x: Tensor, c: Tensor) -> Tensor:
    """(1 + c|x|², 2√c x) / (√c (1 − c|x|²))."""
    g = gap(x, c)
    return torch.cat(((2 - g) / (c.sqrt() * g), 2 * x / g), -1)


@kernel("lorentz_to_ball", land=_into_ball)
def lorentz_to_ball(x: Tensor, c: Tensor) -> Tensor:
    """y / (1 + √(1 + c|y|²)) of the spatial coordinates y; time is not read."""
    y = x[..., 1:]
    return y / (1 + (1 + c * dot(y, y)).sqrt())


@kernel("klein_to_lorentz")
def klein_to_lorentz(x: Tensor, c: Tensor) -> Tensor:
    """(1, √c x) / √(c (1 − c|x|²))."""
    root = gap(x, c).sqrt()
    return torch.cat((1 / (c.sqrt() * root), x / root), -1)


@kernel("lorentz_to_klein", land=_into_ball)
def lorentz_to_klein(x: Tensor, c: Tensor) -> Tensor:
    """y / √(1 + c|y|²) of the spatial coordinates y; time is not read."""
    y = x[..., 1:]
    return y / (1 + c * dot(y, y)).sqrt()


@kernel("ball_to_klein", land=_into_ball)
def ball_to_klein(x: Tensor, c: Tensor) -> Tensor:
    """2x / (1 + c|x|²)."""
    return 2 * x / (1 + c * dot(x, x))


@kernel("klein_to_ball", land=_into_ball)
def klein_to_ball(x: Tensor, c: Tensor) -> Tensor:
    """x / (1 + √(1 − c|x|²))."""
    return x / (1 + gap(x, c).sqrt())


@kernel("ball_to_half", land=halfspace.land)
def ball_to_half(x: Tensor, c: Tensor) -> Tensor:
    """(2 b_h, 1 − |b|²) / |b − e|², b = √c x, e the last axis."""
    b = c.sqrt() * x
    h, down = b[..., :-1], 1 - b[..., -1:]
    return torch.cat((2 * h, gap(x, c)), -1) / (dot(h, h) + down.square())


@kernel("half_to_ball", land=_into_ball)
def half_to_ball(x: Tensor, c: Tensor) -> Tensor:
    """(2h, |h|² + z² − 1) / (√c (|h|² + (1 + z)²))."""
    h, z = x[..., :-1], x[..., -1:]
    q = dot(h, h)
    return torch.cat((2 * h, q + (z - 1) * (z + 1)), -1) / ((q + (1 + z).square()) * c.sqrt())


@kernel("klein_to_half", land=halfspace.land)
def klein_to_half(x: Tensor, c: Tensor) -> Tensor:
    """(b_h, √(1 − |b|²)) / (1 − b_d), b = √c x."""
    b = c.sqrt() * x
    return torch.cat((b[..., :-1], gap(x, c).sqrt()), -1) / (1 - b[..., -1:])


@kernel("half_to_klein", land=_into_ball)
def half_to_klein(x: Tensor, c: Tensor) -> Tensor:
    """(2h, |h|² + z² − 1) / (√c (|h|² + z² + 1))."""
    h, z = x[..., :-1], x[..., -1:]
    q = dot(h, h)
    return torch.cat((2 * h, q + (z - 1) * (z + 1)), -1) / ((q + z.square() + 1) * c.sqrt())


@kernel("lorentz_to_half", land=halfspace.land)
def lorentz_to_half(x: Tensor, c: Tensor) -> Tensor:
    """Height 1 / (√c (time − last)), horizontally the spatial coordinates times √c height; time is not read."""
    y = c.sqrt() * x[..., 1:]
    h, up = y[..., :-1], y[..., -1:]
    time, q = (1 + dot(y, y)).sqrt(), 1 + dot(h, h)
    rising = up > 0
    height = torch.where(rising, (time + up) / q, 1 / (time - torch.where(rising, 0.0, up)))
    return torch.cat((h * height, height), -1)


@kernel("half_to_lorentz")
def half_to_lorentz(x: Tensor, c: Tensor) -> Tensor:
    """(|h|² + z² + 1, 2h, |h|² + z² − 1) / (2 √c z)."""
    h, z = x[..., :-1], x[..., -1:]
    q = dot(h, h)
    time = q + z.square() + 1
    return torch.cat((time, 2 * h, q + (z - 1) * (z + 1)), -1) / (2 * z * c.sqrt())


@kernel("normal_translate")
def normal_translate(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """log₀(exp₀(a) ⊕ exp₀(b)) in normal coordinates, whose Riemannian length is |a|: the same map in every model.

    (..., d), (..., d) -> (..., d), any length up to 2000/√c; beyond, as exact but for all but opposite vectors.
    At exactly opposite ones derivatives grow with sinh(√c|a|), past all floats in the end.
    Compiled: values within 4 ulp, derivatives within 8 ulp (normwise); a derivative in c below 2^-52 of the result
    times the upstream gradient, over c, may be given as 0 (it vanishes for parallel vectors).
    Source: A. A. Ungar, A Gyrovector Space Approach to Hyperbolic Geometry, 2009, chapter 3.
    """
    q, p, k = c * dot(a, a), c * dot(b, b), c * dot(a, b)

    def length(square: Tensor) -> tuple[Tensor, ...]:
        small = square < 1
        inner, t = torch.where(small, square, 0.0), torch.where(small, 1.0, square).sqrt()
        e, ratio = (-t).exp(), sinhc(inner)
        cosh = (1 + inner * ratio.square()).sqrt()
        above = inner * ratio.square() / (1 + cosh)
        far = (t, e, (1 + e.square()) / 2, (1 - e.square()) / (2 * t))
        near = (t, torch.ones_like(e), cosh, ratio)
        return small, *(torch.where(small, n, f) for n, f in zip(near, far, strict=True)), above

    small_r, r, er, cosh_r, sinhc_r, above_r = length(q)
    small_s, s, es, cosh_s, sinhc_s, above_s = length(p)
    near, mixed, both, decay = small_r & small_s, small_r | small_s, sinhc_r * sinhc_s, er * es
    product, turn = torch.where(mixed, 1.0, r * s), torch.where(mixed, 0.0, k)
    opposite = turn < 0
    wide = torch.where(
        opposite,
        (product.square() - turn.square()) / (product - torch.where(opposite, turn, 0.0)),
        turn + product,
    )
    plain = cosh_r * cosh_s + both * k
    excess = torch.where(
        near,
        above_r * cosh_s + above_s + both * k,
        torch.where(mixed, plain - decay, (er - es).square() / 2 + both * wide),
    )
    whole = torch.where(mixed, plain, excess + decay)
    tilt = torch.where(small_r, sinhc_r / (1 + cosh_r), (1 - er) / ((1 + er) * r))
    far_g = es.square() + er / (1 + er) * (1 - es.square()) + tilt * sinhc_s * wide
    g = torch.where(mixed, cosh_s + tilt * sinhc_s * k, far_g)
    close = near | (excess < 2 * decay)
    per = 1 / torch.where(close, decay, 1.0)
    half = torch.where(close, excess / 2 * per, 0.0)
    sinh = torch.where(close, 1.0, excess * (excess + 2 * decay)).sqrt()
    size = torch.where(small_r, 0.0, r) + torch.where(small_s, 0.0, s)
    far = (size + (torch.where(close, 1.0, whole) + sinh).log()) / sinh
    f = torch.where(close, arsinhc(half.clamp_min(0)) / (1 + half).sqrt() * per, far)
    return f * (sinhc_r * g * a + sinhc_s * er * b)
