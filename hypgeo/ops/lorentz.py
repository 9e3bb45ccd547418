"""Functions of points on the hyperboloid −x₀² + |x|² = −1/c: time first, and derived from the spatial coordinates.

Rows are (*#batch, 1 + d), d ≥ 0, broadcast against each other; c > 0, minus the curvature, is a number or a tensor that
broadcasts against the batch.  The spatial floats x are the point and those of a tangent vector v the vector: the times
x₀ = √(1/c + |x|²) and v₀ = ⟨x, v⟩/x₀ are not read, and come back rounded.  Radii and distances below are times √c.

Unless an op says otherwise, values are within 4 ulp of the exact ones for the floats given (of the vector's norm, time
included; measured, within 1), first derivatives within 8 ulp (normwise), float32 and float64 alike, at any radius and
any c.  The gradient of a point is an ambient one: in the spatial coordinates that of the function of those, and in time
what rounding took from them, so that ``egrad2rgrad`` finds the Riemannian gradient; that of a vector is 0 in time.  An
exact point beyond the floats (radius 88 in float32, 709 in float64) comes back as one of that direction far out.  That
holds where the compiled library is.  The plain bodies end at radius 66 and 320 and lose a few ulps more far out: they
split vectors along x, and with y = (1 + k) x + w, w orthogonal to x, all sums are of small terms.
Source, where none is named: J. G. Ratcliffe, Foundations of Hyperbolic Manifolds, 3rd ed., Springer 2019, ch. 3 and 4.
"""

import math

import torch
from torch import Tensor

from hypgeo.ops._kernel import kernel
from hypgeo.ops._matvec import matvec
from hypgeo.ops.special import along, arsinhc_norm, asinh, corrected, dot, fold, norm, sinhc, two_diff, two_prod


# ------------------------------------------------------------------------------------------ spatial rows
def time(x: Tensor, c: Tensor) -> Tensor:
    """x₀ of spatial rows."""
    return torch.hypot(norm(x), c.rsqrt())


def lift(x: Tensor, c: Tensor) -> Tensor:
    """The point with spatial coordinates x."""
    return torch.cat((time(x, c), x), -1)


def lift_tangent(x: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """The tangent vector with spatial coordinates v at the point with spatial coordinates x."""
    v = v.expand(torch.broadcast_shapes(x.shape, v.shape))
    return torch.cat((dot(x / time(x, c), v), v), -1)


def capped(x: Tensor, t: Tensor, c: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """x eᵗ, shortened to the largest radius that leaves room for tangent vectors and squares in the dtype."""
    top = math.log(torch.finfo(dtype).max) * (0.45 if dtype == torch.float64 else 0.75)
    size = norm(x.detach())
    size = torch.where(size > 0, size, 1.0)
    excess = (t + (size * c.detach().sqrt()).log() - top).clamp_min(0).detach()
    return x * torch.exp((t - excess) / 2) * torch.exp((t - excess) / 2)


def land(x: Tensor, c: Tensor, dtype: torch.dtype) -> Tensor:
    """Points rounded to a dtype, with the time of the rounded coordinates."""
    if x.dtype == dtype:
        return x
    y = capped(x[..., 1:], torch.zeros_like(x[..., :1]), c, dtype).to(dtype)
    return torch.cat((time(y.to(x.dtype), c).to(dtype), y), -1)


def origin(like: Tensor, c: Tensor) -> Tensor:
    """The origin, in rows as broad as ``like`` and c."""
    return lift(torch.zeros_like(like[..., 1:]) * c, c)


# ------------------------------------------------------------------------------------------ in a frame at a point
def _split(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """k and w of y − x = k x + w (spatial parts)."""
    return along(x, y - x, two_diff(y.detach(), x.detach())[1])


def _lag(x: Tensor, y: Tensor, k: Tensor, w: Tensor, c: Tensor) -> Tensor:
    """√c times (1 + k) x₀ − y₀; positive where y is nearer the origin's side than x carried outward."""
    x0, y0 = (1 + c * dot(x, x)).sqrt(), (1 + c * dot(y, y)).sqrt()
    m = 1 + k
    ahead = m > 0
    total = torch.where(ahead, m * x0 + y0, 1.0)
    return torch.where(ahead, k * ((2 + k) / total) - c * dot(w, w) / total, m * x0 - y0)


def seen(m: Tensor, x: Tensor, c: Tensor) -> Tensor:
    """x seen from m: the spatial coordinates (*batch, d) of x in the frame at m, carried there from the origin."""
    m, x = m[..., 1:], x[..., 1:]
    k, w = _split(m, x)
    return w + m * _lag(m, x, k, w, c)


def frame(m: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """Components (*batch, d) of the tangent vector u in that frame."""
    m = m[..., 1:]
    k, w = along(m, u[..., 1:])
    return w + k * m / (1 + c * dot(m, m)).sqrt()


def unframe(m: Tensor, a: Tensor, c: Tensor) -> Tensor:
    """The tangent vector at m with components a in that frame."""
    m = m[..., 1:]
    k, w = along(m, a)
    return lift_tangent(m, w + k * m * (1 + c * dot(m, m)).sqrt(), c)


# ------------------------------------------------------------------------------------------ distances
@kernel("lorentz_dist", scalar=True)
def dist(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Distance: (2/√c) asinh(√(c q)/2), q = ⟨y − x, y − x⟩ the squared chord; (*#batch) -> (*batch).

    dist(x, x) = 0 exactly, with gradient 0.  Far out no floats say the gradient of near points that lie across the ray
    from the origin: what is rounded of it is right after ``egrad2rgrad`` to radius 7 in float32 and 15 in float64.
    """
    a = seen(x, y, c)
    return norm(a) * arsinhc_norm(a, c)


@kernel("lorentz_dist2", scalar=True)
def dist2(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Squared distance, smooth where the points meet; (*#batch) -> (*batch)."""
    a = seen(x, y, c)
    a = a * arsinhc_norm(a, c)
    return dot(a, a)


@kernel("lorentz_dist0", scalar=True)
def dist0(x: Tensor, c: Tensor) -> Tensor:
    """Distance from the origin: asinh(√c |x|)/√c; 0 with gradient 0 at the origin."""
    y = x[..., 1:]
    return norm(y) * arsinhc_norm(y, c)


# ------------------------------------------------------------------------------------------ exp, log, geodesics
@kernel("lorentz_expmap", land=land)
def expmap(x: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """The point cosh(t) x + sinh(t)/t v, t = √(c ⟨v, v⟩), for v tangent at x; expmap(x, 0) = x exactly."""
    a = frame(x, v, c)
    q = c * dot(a, a)
    x, v = x[..., 1:], v[..., 1:]
    # past cosh's range the e^t is kept apart until the cap on the radius is applied
    far = q > 300.0**2
    p = torch.where(far, 0.0, q)
    near = x + (p / 2 * sinhc(p / 4).square() * x + sinhc(p) * v)
    t = torch.where(far, q, 1.0).sqrt()
    beyond = capped(x / 2 + v / (2 * t), t, c)
    return lift(torch.where(far, beyond, capped(near, 0 * t, c)), c)


@kernel("lorentz_logmap")
def logmap(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """The tangent vector at x with expmap(x, ·) = y: t/sinh(t) (y − cosh(t) x), t = √c dist; exactly 0 for y = x."""
    x, y = x[..., 1:], y[..., 1:]
    k, w = _split(x, y)
    lag = _lag(x, y, k, w, c)
    a = w + x * lag
    v = (w + x * (lag * (1 + c * dot(x, x)).sqrt())) * arsinhc_norm(a, c)
    return lift_tangent(x, v, c)


@kernel("lorentz_expmap0", land=land)
def expmap0(v: Tensor, c: Tensor) -> Tensor:
    """expmap at the origin: spatial coordinates sinh(t)/t v, t = √c |v|."""
    return expmap.reference(origin(v, c), v, c)


@kernel("lorentz_logmap0")
def logmap0(y: Tensor, c: Tensor) -> Tensor:
    """logmap at the origin: spatial coordinates asinh(s)/s y, s = √c |y|; time 0."""
    a = y[..., 1:]
    return torch.cat((torch.zeros_like(y[..., :1]), a * arsinhc_norm(a, c)), -1)


@kernel("lorentz_geodesic", number=True, land=land)
def geodesic(x: Tensor, y: Tensor, t: Tensor, c: Tensor) -> Tensor:
    """The point at fraction t (*#batch) of the way: (sinh((1 − t) D) x + sinh(t D) y)/sinh(D), D = √c dist."""
    q = c * dist2.reference(x, y, c)
    whole = sinhc(q)
    a, b = (1 - t) * sinhc((1 - t).square() * q) / whole, t * sinhc(t.square() * q) / whole
    return lift(a * x[..., 1:] + b * y[..., 1:], c)


# ------------------------------------------------------------------------------------------ transport
@kernel("lorentz_transp")
def transp(x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Parallel transport of v from x to y along the geodesic: v + c⟨y, v⟩/(1 − c⟨x, y⟩) (x + y), Minkowski products."""
    x, y, v = x[..., 1:], y[..., 1:], v[..., 1:]
    k, w = _split(x, y)
    lag = _lag(x, y, k, w, c)
    kv, wv = along(x, v)
    x0 = (1 + c * dot(x, x)).sqrt()
    a = w + x * lag
    cosh = torch.hypot(c.sqrt() * norm(a), torch.ones_like(x0))  # of √c times the distance
    yv = dot(w, wv) + kv * dot(x, x) * lag / x0
    return lift_tangent(y, v + c * yv / (1 + cosh) * (x + y), c)


@kernel("lorentz_transp0")
def transp0(y: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Parallel transport of v from the origin to y."""
    return transp.reference(origin(y, c), y, v, c)


# ------------------------------------------------------------------------------------------ gyrovector space
@kernel("lorentz_mobius_add", land=land)
def mobius_add(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """exp_x of log_0(y) carried from the origin to x, the boost of y that takes the origin to x: (−x) ⊕ x = 0 exactly.

    It is Möbius addition of the ball, seen on the hyperboloid.  Source: A. A. Ungar, A Gyrovector Space Approach to
    Hyperbolic Geometry, Morgan & Claypool 2009, chapter 3.
    """
    z = seen(-x, y, c)
    return lift(capped(z, torch.zeros_like(z[..., :1]), c), c)


@kernel("lorentz_mobius_scalar_mul", number=True, land=land)
def mobius_scalar_mul(x: Tensor, r: Tensor, c: Tensor) -> Tensor:
    """exp_0(r log_0(x)) for numbers r (*#batch)."""
    return expmap0.reference(r * logmap0.reference(x, c), c)


@matvec("lorentz_matvec")
def mobius_matvec(m: Tensor, x: Tensor, c: float | Tensor) -> Tensor:
    """exp_0(m log_0(x)) for matrices m (*#batch, k, d) on the d spatial coordinates of points x (*#batch, 1 + d).

    Returns (*batch, 1 + k).  Derivatives within 16 ulp; in a matrix that many rows share it is their sum in float64.
    The body, which serves other devices, rounds the vectors between to float64.
    """
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    dtype = torch.promote_types(m.dtype, x.dtype)
    v, m = logmap0(x.to(wide), c)[..., 1:], m.to(wide)
    v = (m @ v.unsqueeze(-1)).squeeze(-1) if m.dim() > 2 else v @ m.mT
    y = expmap0(torch.cat((torch.zeros_like(v[..., :1]), v), -1), c)
    k = torch.as_tensor(c, dtype=wide, device=x.device)
    return land(y, k if k.dim() == 0 else k.unsqueeze(-1), dtype)


@kernel("lorentz_gyration")
def gyration(a: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """gyr[a, b] v = ⊖(a ⊕ b) ⊕ (a ⊕ (b ⊕ v)) for v tangent at the origin: a rotation about it (Thomas precession).

    Source: A. A. Ungar, A Gyrovector Space Approach to Hyperbolic Geometry, Morgan & Claypool 2009, §3.6.
    """
    back = torch.cat((b[..., :1], -b[..., 1:]), -1)
    carried = transp.reference(back, a, unframe(back, v[..., 1:], c), c)  # read in the frames at both ends
    return torch.cat((torch.zeros_like(carried[..., :1]), frame(a, carried, c)), -1)


# ------------------------------------------------------------------------------------------ metric
@kernel("lorentz_inner", scalar=True)
def inner(x: Tensor, u: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Riemannian inner product ⟨u, v⟩ − u₀v₀ of tangent vectors at x; (*#batch) -> (*batch)."""
    return dot(frame(x, u, c), frame(x, v, c))


@kernel("lorentz_norm", scalar=True)
def length(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """Riemannian norm of a tangent vector at x, with gradient 0 at u = 0; (*#batch) -> (*batch)."""
    return norm(frame(x, u, c))


@kernel("lorentz_egrad2rgrad")
def egrad2rgrad(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """The Riemannian gradient at x of a function with ambient gradient u (whose time entry is read).

    (−u₀, u) + c (x₀u₀ + ⟨x, u⟩) (x₀, x): that of the function of the point, whatever the extension off the manifold.
    """
    y, du = x[..., 1:], u[..., 1:]
    return lift_tangent(y, du + c * _pairing(y, u, c) * y, c)


def _pairing(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """x₀u₀ + ⟨x, u⟩ for the covector u in ambient coordinates, in two-component arithmetic: on a point at radius r
    the terms cancel to e^(−2r) of their size."""
    x0, (xd, ud, cd) = time(x, c), (t.detach() for t in (x, u, c))
    # the time to twice the precision: one Newton step from its float t, (1/c + |x|² − t²) / (2 t)
    t = x0.detach()
    one = 1 / cd.expand_as(t)
    hi, lo = fold(*two_prod(torch.cat((xd, t), -1), torch.cat((xd, -t), -1)))
    p, e = two_prod(one, cd.expand_as(one))
    rest = ((hi + one) + (lo + ((1 - p) - e) * one)) / (2 * t)
    both = torch.broadcast_shapes(x.shape, u[..., 1:].shape)
    xd = torch.cat((t.expand(*both[:-1], 1), xd.expand(both)), -1)
    hi, lo = fold(*two_prod(xd, ud.expand_as(xd)))
    return corrected(x0 * u[..., :1] + dot(x, u[..., 1:]), hi + (lo + rest * ud[..., :1]))


@kernel("lorentz_projx", land=land)
def projx(x: Tensor, c: Tensor) -> Tensor:
    """The point with the spatial coordinates of x: its time set to √(1/c + |x|²)."""
    return lift(x[..., 1:], c)


@kernel("lorentz_proju")
def proju(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """The tangent vector at x with the spatial coordinates of u: its time set to ⟨x, u⟩/x₀."""
    return lift_tangent(x[..., 1:], u[..., 1:], c)


# ------------------------------------------------------------------------------------------ planes, horospheres
@kernel("lorentz_hyperplane_dist", scalar=True)
def hyperplane_dist(x: Tensor, p: Tensor, a: Tensor, c: Tensor) -> Tensor:
    """Signed distance from x to the geodesic hyperplane through p with normal a: asinh(√c ⟨x, a⟩/|a|)/√c, 0 for a = 0.

    Minkowski products; positive on the side a points to.  (*#batch) -> (*batch).  Source: O. Ganea, G. Bécigneul,
    T. Hofmann, Hyperbolic Neural Networks, NeurIPS 2018, theorem 5, in hyperboloid coordinates.
    """
    n = frame(p, a, c)
    size = norm(n)
    h = dot(seen(p, x, c), n / torch.where(size > 0, size, 1.0))
    return asinh(c.sqrt() * h) / c.sqrt()


@kernel("lorentz_busemann", scalar=True)
def busemann(x: Tensor, direction: Tensor, c: Tensor) -> Tensor:
    """Busemann function log(√c (x₀ − ⟨x, e⟩))/√c, e = direction/|direction| (*#batch, d) without a time coordinate.

    0 at the origin, decreasing towards the ideal point in direction e.  (*#batch) -> (*batch).  Source: M. R. Bridson,
    A. Haefliger, Metric Spaces of Non-Positive Curvature, Springer 1999, II.8.17 and II.8.24.
    """
    y = x[..., 1:] * c.sqrt()
    k, w = along(direction, y)
    y0 = (1 + dot(y, y)).sqrt()
    b = k * norm(direction)
    towards = b > 0
    near = (1 + dot(w, w)) / (y0 + torch.where(towards, b, 0.0))
    return torch.where(towards, near, y0 - b).log() / c.sqrt()
