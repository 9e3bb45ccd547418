"""Functions of points (h, z) of the upper half-space of curvature −c: height z > 0 last, metric (|dh|² + dz²)/(c z²).

Rows are (*#batch, d), d ≥ 1, broadcast against each other; c is a number or a tensor that broadcasts against the batch.
Unless an op says otherwise, values are within 4 ulp of the exact ones for the floats given (of the vector's norm; a
height within 4 ulp of itself), first derivatives within 8 ulp (normwise), float32 and float64 alike, at any distance
that heights reach (700 in float64).  That holds where the compiled library is; the plain bodies lose precision next to
the ends of the range of float64.  An exact height below the smallest normal float is returned as that float, and what
overflows as the largest.
Source, where none is named: J. G. Ratcliffe, Foundations of Hyperbolic Manifolds, 3rd ed., Springer 2019, §4.6.
"""

import torch
from torch import Tensor

from hypgeo.ops._kernel import kernel
from hypgeo.ops._matvec import matvec
from hypgeo.ops.special import arsinhc, asinh, dot, norm, sinhc


def land(x: Tensor, c: Tensor, dtype: torch.dtype) -> Tensor:
    """The rows in a dtype, heights positive and everything finite."""
    limit = torch.finfo(dtype)
    x = x.to(dtype).clamp(-limit.max, limit.max)
    return torch.cat((x[..., :-1], x[..., -1:].clamp_min(limit.tiny)), -1)


def _split(x: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal part (*batch, d − 1) and height (*batch, 1)."""
    return x[..., :-1], x[..., -1:]


def _origin(x: Tensor) -> Tensor:
    h, z = _split(x)
    return torch.cat((torch.zeros_like(h), torch.ones_like(z)), -1)


def _half_dist(x: Tensor, y: Tensor) -> Tensor:
    """asinh(|y − x| / (2 √(a b))), a and b the heights; by logarithms where the quotient may overflow."""
    w, a, b = norm(y - x), x[..., -1:], y[..., -1:]
    t = w / a.sqrt() / b.sqrt() / 2  # the norm's derivative at 0 is 0, and so is that of the distance
    far = t > 1e100
    v = torch.where(far, w, 1.0)
    return torch.where(far, v.log() - (a.log() + b.log()) / 2, asinh(torch.where(far, 0.0, t)))


def _half_chord(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """q = |y − x|² / (4 a b), the squared sinh of half the normalised distance, 0 where it is too large: a mask."""
    w = y - x
    q = dot(w, w / x[..., -1:]) / (4 * y[..., -1:])
    far = ~(q < 1e100)
    return torch.where(far, 0.0, q), far


@kernel("half_dist", scalar=True)
def dist(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Distance (2/√c) asinh(|y − x| / (2 √(x_z y_z))): (*batch,); 0 with gradient 0 at y = x."""
    return 2 / c.sqrt() * _half_dist(x, y)


@kernel("half_dist2", scalar=True)
def dist2(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Squared distance (*batch,), smooth at y = x too."""
    q, far = _half_chord(x, y)
    return 4 / c * torch.where(far, _half_dist(x, y).square(), q * arsinhc(q).square())


@kernel("half_dist0", scalar=True)
def dist0(x: Tensor, c: Tensor) -> Tensor:
    """Distance from the origin (0, …, 0, 1): (*batch,)."""
    return 2 / c.sqrt() * _half_dist(_origin(x), x)


def _expmap(x: Tensor, u: Tensor) -> Tensor:
    a = x[..., -1:]
    length = norm(u) / a  # normalised Riemannian length T
    far = length > 1
    # near: height a / D and shift u_h sinh(T)/T / D with D = cosh T - (u_z / a) sinh(T)/T
    v = torch.where(far, 0.0, u / a)
    q = dot(v, v)
    f = sinhc(q)
    d = 1 + q / 2 * sinhc(q / 4).square() - v[..., -1:] * f
    # far: the same times e^-T, D as a sum of positive terms: e^2 + (1 - cos) (1 - e^2) / 2
    t = torch.where(far, length, 1.0)
    n = torch.where(far, u, 1.0)
    h, rise = _split(n / norm(n))
    e = torch.exp(-t)
    m = -torch.expm1(-2 * t) / 2
    lean = torch.where(rise > 0, dot(h, h) / (1 + rise.clamp_min(0)), 1 - rise)
    leaning = lean > 0  # else straight up, where D is e^2 alone and may underflow
    dd = torch.where(leaning, e.square() + lean * m, 1.0)
    shift = torch.where(far, torch.where(leaning, a * (h / dd) * m, 0.0), u[..., :-1] * (f / d))
    return torch.cat((x[..., :-1] + shift, a * torch.where(far, torch.where(leaning, e / dd, 1 / e), 1 / d)), -1)


@kernel("half_expmap", land=land)
def expmap(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """The end (*batch, d) of the geodesic from x with velocity u in unit time; x exactly for u = 0.

    With T² = |u|²/x_z² and s = sinh(T)/T: x + u_h s/D, height x_z/D, D = cosh T − (u_z/x_z) s.
    """
    return _expmap(x, u)


@kernel("half_expmap0", land=land)
def expmap0(u: Tensor, c: Tensor) -> Tensor:
    """expmap at the origin (0, …, 0, 1)."""
    return _expmap(_origin(u), u)


def _logmap(x: Tensor, y: Tensor) -> Tensor:
    w, a, b = y - x, x[..., -1:], y[..., -1:]
    h, rise = _split(w)
    q, far = _half_chord(x, y)
    v = torch.cat((h * (a / b), (rise * ((a + b) / b) + dot(h, h / b)) / 2), -1)
    near = torch.where(far, 0.0, v) * (arsinhc(q) / (1 + q).sqrt())
    # the same direction at the length of the distance, where the squares overflow
    n = torch.where(far, w, 1.0)
    n_h, n_z = _split(n / norm(n))
    e = torch.cat((n_h * a, (n_z * (a + b) + dot(n_h, h)) / 2), -1)
    return torch.where(far, 2 * a * _half_dist(x, y) * (e / norm(e)), near)


@kernel("half_logmap")
def logmap(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """The velocity u (*batch, d) at x with expmap(x, u) = y; 0 exactly for y = x."""
    return _logmap(x, y)


@kernel("half_logmap0")
def logmap0(y: Tensor, c: Tensor) -> Tensor:
    """logmap at the origin (0, …, 0, 1)."""
    return _logmap(_origin(y), y)


def _between(t: Tensor, x: Tensor, y: Tensor) -> Tensor:
    # On the hyperboloid (sinh((1 - t) T) X + sinh(t T) Y) / sinh T; the reciprocal height is linear in it.
    w, a, b = y - x, x[..., -1:], y[..., -1:]
    square = 4 * _half_dist(x, y).square()
    square = torch.where(square > 0, square, 0.0)
    first, last = (k * sinhc(k.square() * square) / sinhc(square) for k in (1 - t, t))
    share = a / b * last
    return torch.cat((x[..., :-1] + w[..., :-1] * (share / (first + share)), a / (first + share)), -1)


@kernel("half_geodesic", number=True, land=land)
def geodesic(x: Tensor, y: Tensor, t: Tensor, c: Tensor) -> Tensor:
    """The point (*batch, d) at fraction t (*#batch) of the way from x to y; any real t."""
    return _between(t, x, y)


def _transp(x: Tensor, y: Tensor, v: Tensor) -> Tensor:
    # Homogeneous in w, a and b, which are scaled so that no product overflows.
    w, a, b = y - x, x[..., -1:], y[..., -1:]
    size = (norm(w) + a.sqrt() * b.sqrt()).detach()
    ratio = b / a
    w, a, b = w / size, a / size, b / size
    q, wv, up = dot(w, w), dot(w, v), v[..., -1:]
    h, rise = _split(v + w * ((4 * b * up - 2 * wv) / (4 * a * b + q)))
    return ratio * torch.cat((h, rise - (4 * a * wv + 2 * q * up) / (4 * a * b + q)), -1)


@kernel("half_transp")
def transp(x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Parallel transport (*batch, d) of the vector v at x along the geodesic to y.

    Two reflections, in the bisector of x and y and along the geodesic at y, multiplied out.
    """
    return _transp(x, y, v)


@kernel("half_transp0")
def transp0(y: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Parallel transport of the vector v at the origin (0, …, 0, 1) to y."""
    return _transp(_origin(y), y, v)


@kernel("half_inner", scalar=True)
def inner(x: Tensor, u: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Riemannian inner product ⟨u, v⟩ / (c x_z²) of vectors at x: (*batch,)."""
    z = x[..., -1:]
    return dot(u / z, v / z) / c


@kernel("half_norm", scalar=True)
def length(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """Riemannian norm |u| / (√c x_z) of a vector at x: (*batch,); gradient 0 at u = 0."""
    return norm(u) / (x[..., -1:] * c.sqrt())


@kernel("half_egrad2rgrad")
def egrad2rgrad(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """The Riemannian gradient c x_z² u (*batch, d) of a function whose partial derivatives at x are u."""
    z = x[..., -1:]
    return u * z * (c * z)


@kernel("half_projx", land=land)
def projx(x: Tensor, c: Tensor) -> Tensor:
    """x where it is a point; a height that is not positive becomes the smallest normal float."""
    return x


@kernel("half_busemann", scalar=True)
def busemann(x: Tensor, direction: Tensor, c: Tensor) -> Tensor:
    """Busemann function (*batch,) of the ideal point in the direction (*#batch, d) from the origin (0, …, 0, 1).

    log(k (|x_h − e/k|² + x_z²) / (2 x_z |u|)) / √c with u = (e, rise), k = |u| − rise and the ideal point e/k; only the
    direction of u matters.
    Source: M. R. Bridson, A. Haefliger, Metric Spaces of Non-positive Curvature, Springer 1999, II.8.24.
    """
    (h, z), (e, rise) = _split(x), _split(direction / norm(direction))
    up = rise > 0
    large = 1 + rise.abs()
    small = dot(e, e) / large
    k, level = torch.where(up, small, large), torch.where(up, large, small)
    return ((k * (dot(h, h) + z.square()) - 2 * dot(h, e) + level) / (2 * z)).log() / c.sqrt()


@kernel("half_hyperplane_dist", scalar=True)
def hyperplane_dist(x: Tensor, p: Tensor, a: Tensor, c: Tensor) -> Tensor:
    """Signed distance (*batch,) of x from the hyperplane through p with normal a, a vector at p; 0 for a = 0.

    Source: O. Ganea, G. Bécigneul, T. Hofmann, Hyperbolic Neural Networks, NeurIPS 2018, theorem 5.
    """
    w, b, m = x - p, x[..., -1:], p[..., -1:]
    size = norm(a)
    n_h, n_z = _split(a / torch.where(size > 0, size, 1.0))
    h, rise = _split(w)
    return asinh((dot(h, n_h) + n_z * (rise * (b + m) + dot(h, h)) / (2 * m)) / b) / c.sqrt()


@kernel("half_mobius_add", land=land)
def mobius_add(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Möbius addition (*batch, d), the origin (0, …, 0, 1) being zero: exp_x of log_0 y carried to x."""
    (g, a), (h, b) = _split(x), _split(y)
    xx, xy, yy, up = dot(g, g), dot(g, h), dot(y, y), 1 + a
    n, m = xx + up.square(), xx * yy + up * (2 * xy + up)
    return torch.cat((g * (yy * (xx + a * up) + 2 * xy + up) + h * (a * n), a * b * n), -1) / m


@kernel("half_mobius_scalar_mul", number=True, land=land)
def mobius_scalar_mul(x: Tensor, r: Tensor, c: Tensor) -> Tensor:
    """r (*#batch) times x along the geodesic through the origin (0, …, 0, 1): (*batch, d)."""
    return _between(r, _origin(x), x)


@matvec("half_matvec")
def mobius_matvec(m: Tensor, x: Tensor, c: float | Tensor) -> Tensor:
    """exp_0(m log_0(x)) for matrices m (*#batch, k, d) and points x (*#batch, d): (*batch, k).

    Derivatives within 16 ulp; in a matrix that many rows share it is their sum in float64.  The body, which serves
    other devices, rounds the vectors between to float64.
    """
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    v, w = logmap0(x.to(wide), c), m.to(wide)
    v = (w @ v.unsqueeze(-1)).squeeze(-1) if w.dim() > 2 else v @ w.mT
    return projx(expmap0(v, c).to(torch.promote_types(m.dtype, x.dtype)), c)


@kernel("half_gyration")
def gyration(a: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """gyr[a, b] v (*batch, d): the vector v at the origin carried to −b, on to a and back, a rotation.

    −b is b reflected in the origin, (−b_h, b_z)/|b|².
    """
    back = torch.cat((-b[..., :-1], b[..., -1:]), -1) / dot(b, b)
    zero = _origin(a)
    return _transp(a, zero, _transp(back, a, _transp(zero, back, v)))
