"""Functions of points in the Poincaré ball of curvature −c: c|x|² < 1, metric 4|dx|²/(1 − c|x|²)².

Rows are (*#batch, d), d ≥ 1, broadcast against each other; c is a number or a tensor that broadcasts against the batch.
Unless an op says otherwise, values are within 4 ulp of the exact ones for the floats given (of the vector's norm) and
first derivatives, in c too, within 8 ulp (normwise), float32 and float64 alike, between neighbouring floats, near the
origin and up to the last float inside the rim.  That holds where the compiled library is; the plain bodies lose digits
next to the rim and where a result is the small difference of large terms.  An exact point beyond the last float inside
is returned about two ulps inside, in its direction.  A row outside the ball has no distance (NaN).
Sources, where none is named: A. A. Ungar, A Gyrovector Space Approach to Hyperbolic Geometry, Morgan & Claypool 2009,
and O. Ganea, G. Bécigneul, T. Hofmann, Hyperbolic Neural Networks, NeurIPS 2018, §2, whose conventions hold here;
written in w = y − x and the gap g = 1 − c|x|², so that nothing cancels but the gap itself.
"""

import torch
from torch import Tensor

from hypgeo.ops._kernel import kernel
from hypgeo.ops._matvec import matvec
from hypgeo.ops.special import arsinhc, asinh, dot, gap, norm, sinhc, tanhc


def land(x: Tensor, c: Tensor, dtype: torch.dtype) -> Tensor:
    """The rows in a dtype; those that then lie outside are moved towards the origin, to a few ulps inside the rim."""
    y = x.to(dtype)
    rounded, c = y.detach().to(x.dtype), c.detach()
    r = norm(rounded) * c.sqrt()
    pull = (1 - 3 * torch.finfo(dtype).eps) / torch.where(r > 0, r, 1.0)
    return torch.where(gap(rounded, c) > 0, y, (x * pull).to(dtype))


def _artanhc(x: Tensor, c: Tensor) -> Tensor:
    """artanh(√c|x|)/(√c|x|), by the inverse sine of √c|x|/√g: the gap is formed without cancellation."""
    g = gap(x, c)
    return arsinhc(c * dot(x, x) / g) / g.sqrt()


def _tanhc(u: Tensor, c: Tensor) -> Tensor:
    """tanh(√c|u|)/(√c|u|), also where the square overflows."""
    q = c * dot(u, u)
    far = ~(q < 1e100)
    t = c.sqrt() * norm(torch.where(far, u, 1.0))
    return torch.where(far, torch.tanh(t) / t, tanhc(torch.where(far, 1.0, q)))


def _gyrate(x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """gyr[y, −x] v, a rotation in the plane of x and y."""
    w = y - x
    q, gx, gy = c * dot(w, w), gap(x, c), gap(y, c)
    xv, wv = dot(x, v), dot(w, v)
    along_x, along_w = gx * wv - q * xv, c * dot(x, x) * wv + (q + gy) * xv
    return v + 2 * c / (q + gx * gy) * (along_x * x - along_w * w)


# ---- distances
@kernel("poincare_dist", scalar=True)
def dist(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Distance (2/√c) asinh(√c |x − y| / √(g_x g_y)): (*batch,); 0 with gradient 0 at y = x, inf from the rim.

    Source: A. F. Beardon, The Geometry of Discrete Groups, Springer 1983, §7.2.
    """
    root = c.sqrt()
    return 2 / root * asinh(root * norm(y - x) / (gap(x, c) * gap(y, c)).sqrt())


@kernel("poincare_dist2", scalar=True)
def dist2(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Squared distance (*batch,), smooth at y = x too."""
    w = y - x
    p = dot(w, w) / (gap(x, c) * gap(y, c))
    return 4 * p * arsinhc(c * p).square()


@kernel("poincare_dist0", scalar=True)
def dist0(x: Tensor, c: Tensor) -> Tensor:
    """Distance (2/√c) artanh(√c|x|) from the origin: (*batch,)."""
    return 2 * norm(x) * _artanhc(x, c)


# ---- exponential, logarithm, geodesics
@kernel("poincare_expmap", land=land)
def expmap(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """The end (*batch, d) of the geodesic from x with velocity u in unit time; x exactly for u = 0.

    x ⊕ tanh(T/2) n/√c, with T = 2√c|u|/g the normalised length of u and n its direction.
    """
    s, g = c.sqrt(), gap(x, c)
    length = 2 * s * norm(u) / g
    far = length > 1
    # near: x + g (a + c|a|^2 x) / (1 + 2c<x,a> + c^2|x|^2|a|^2), where a = tanh(T/2)/sqrt(c) in u's direction
    v = torch.where(far, 0.0, u)
    a = v * tanhc(c * dot(v, v) / g.square()) / g
    aa, xx = c * dot(a, a), c * dot(x, x)
    near = g * (a + aa * x) / (1 + 2 * c * dot(x, a) + xx * aa)
    # far: the same times e^-T, as sums of positive terms: with e = exp(-T),
    # g ((1 + e) n / sqrt(c) + (1 - e) x) (1 - e) / (4 e^2 + |n + sqrt(c) x|^2 (1 - e^2) + 2 g e (1 - e))
    t = torch.where(far, length, 1.0)
    n = torch.where(far, u, 1.0)
    n = n / norm(n)
    e, m = torch.exp(-t), -torch.expm1(-t)
    b = n + s * x
    den = 4 * e.square() + dot(b, b) * m * (1 + e) + 2 * g * e * m
    return x + torch.where(far, g * m * ((1 + e) * n / s + m * x) / den, near)


@kernel("poincare_logmap")
def logmap(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """The velocity u (*batch, d) at x with expmap(x, u) = y; 0 exactly for y = x.

    (2/λ) artanh(√c|z|) z/(√c|z|), z = (−x) ⊕ y; with p = c|w|²/(g_x g_y) that is asinh(√p)/√(p(1 + p)) times
    (g_x w − c|w|² x)/g_y.
    """
    w, gx, gy = y - x, gap(x, c), gap(y, c)
    q = c * dot(w, w)
    p = q / (gx * gy)
    return arsinhc(p) / (gy * (1 + p).sqrt()) * (gx * w - q * x)


@kernel("poincare_expmap0", land=land)
def expmap0(u: Tensor, c: Tensor) -> Tensor:
    """expmap at the origin: tanh(√c|u|)/(√c|u|) u."""
    return _tanhc(u, c) * u


@kernel("poincare_logmap0")
def logmap0(y: Tensor, c: Tensor) -> Tensor:
    """logmap at the origin: artanh(√c|y|)/(√c|y|) y."""
    return _artanhc(y, c) * y


@kernel("poincare_geodesic", number=True, land=land)
def geodesic(x: Tensor, y: Tensor, t: Tensor, c: Tensor) -> Tensor:
    """The point (*batch, d) at fraction t (*#batch) of the way from x to y; any real t, x at 0 and y at 1 exactly.

    On the hyperboloid it is (sinh((1 − t)D) X + sinh(tD) Y)/sinh D, D the normalised distance; in the ball that becomes
    (a x + b y)/(a + b + o) with the weights below, all positive for 0 < t < 1.
    """
    w, gx, gy = y - x, gap(x, c), gap(y, c)
    q = c * dot(w, w)
    p = q / (gx * gy)
    per = arsinhc(p)
    square = p * per.square()  # (D/2)^2
    first, last = (k * sinhc(k.square() * square) for k in (1 - t, t))
    a, b = (g * s * (1 + square * s.square()).sqrt() for g, s in ((gy, first), (gx, last)))
    total = a + b + q * per * first * last
    return a / total * x + b / total * y


# ---- transport and metric
@kernel("poincare_transp")
def transp(x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Parallel transport (*batch, d) of the vector v at x along the geodesic to y: (g_y/g_x) gyr[y, −x] v."""
    return _gyrate(x, y, v, c) * (gap(y, c) / gap(x, c))


@kernel("poincare_transp0")
def transp0(y: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Parallel transport of the vector v at the origin to y: (1 − c|y|²) v."""
    return gap(y, c) * v


@kernel("poincare_inner", scalar=True)
def inner(x: Tensor, u: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Riemannian inner product 4⟨u, v⟩/g² of vectors at x: (*batch,)."""
    scale = 2 / gap(x, c)
    return dot(scale * u, scale * v)


@kernel("poincare_norm", scalar=True)
def length(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """Riemannian norm 2|u|/g of a vector at x: (*batch,); gradient 0 at u = 0."""
    return 2 * norm(u) / gap(x, c)


@kernel("poincare_egrad2rgrad")
def egrad2rgrad(x: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """The Riemannian gradient (g/2)² u (*batch, d) of a function whose partial derivatives at x are u."""
    return u * (gap(x, c) / 2).square()


@kernel("poincare_projx", land=land)
def projx(x: Tensor, c: Tensor) -> Tensor:
    """x where it lies inside the ball; other rows are moved along their direction to two ulps inside the rim."""
    return x


# ---- horospheres, hyperplanes
@kernel("poincare_busemann", scalar=True)
def busemann(x: Tensor, direction: Tensor, c: Tensor) -> Tensor:
    """Busemann function (*batch,) of the ideal point in the direction (*#batch, d) from the origin.

    log(|n − √c x|²/g)/√c, n the direction as a unit vector: only the direction matters, not its length.
    Source: M. R. Bridson, A. Haefliger, Metric Spaces of Non-positive Curvature, Springer 1999, II.8.17 and II.8.24.
    """
    root, n, g = c.sqrt(), direction / norm(direction), gap(x, c)
    excess = 2 * root * (root * dot(x, x) - dot(x, n)) / g
    near = excess > -0.5
    b = n - root * x
    return torch.where(near, torch.log1p(torch.where(near, excess, 0.0)), (dot(b, b) / g).log()) / root


@kernel("poincare_hyperplane_dist", scalar=True)
def hyperplane_dist(x: Tensor, p: Tensor, a: Tensor, c: Tensor) -> Tensor:
    """Signed distance (*batch,) of x from the hyperplane through p with normal a, a vector at p; 0 for a = 0.

    asinh(√c h)/√c, h = 2⟨z, a⟩/((1 − c|z|²)|a|), z = (−p) ⊕ x.
    Source: O. Ganea, G. Bécigneul, T. Hofmann, Hyperbolic Neural Networks, NeurIPS 2018, theorem 5.
    """
    w, gp, size = x - p, gap(p, c), norm(a)
    n = a / torch.where(size > 0, size, 1.0)
    h = 2 * (dot(w, n) - c * dot(w, w) / gp * dot(p, n)) / gap(x, c)
    return asinh(c.sqrt() * h) / c.sqrt()


# ---- gyrovector space
@kernel("poincare_mobius_add", land=land)
def mobius_add(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Möbius addition x ⊕ y (*batch, d): with s = x + y, (g_x s + c|s|² x)/(g_x g_y + c|s|²); −x ⊕ x is 0 exactly."""
    s = x + y
    q, g = c * dot(s, s), gap(x, c)
    return (q * x + g * s) / (q + g * gap(y, c))


@kernel("poincare_mobius_scalar_mul", number=True, land=land)
def mobius_scalar_mul(x: Tensor, r: Tensor, c: Tensor) -> Tensor:
    """r (*#batch) times x along the geodesic through the origin: (*batch, d), tanh(r artanh(√c|x|))/√c towards x."""
    k = r * _artanhc(x, c)
    return k * tanhc(k.square() * c * dot(x, x)) * x


@matvec("poincare_matvec")
def mobius_matvec(m: Tensor, x: Tensor, c: float | Tensor) -> Tensor:
    """exp_0(m log_0(x)) for a matrix m (*#batch, k, d) and points x (*#batch, d): (*batch, k), a point of the k-ball.

    Derivatives within 16 ulp; in a matrix that many rows share it is their sum in float64.  The body, which serves
    other devices, rounds the vectors between to float64.
    """
    dtype = torch.promote_types(m.dtype, x.dtype)
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    v = logmap0(x.to(wide), c)
    v = (m.to(wide) @ v.unsqueeze(-1)).squeeze(-1) if m.dim() > 2 else v @ m.to(wide).mT
    return projx(expmap0(v, c).to(dtype), c)


@kernel("poincare_gyration")
def gyration(a: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """gyr[a, b] v (*batch, d): the rotation by which Möbius addition fails to be associative."""
    return _gyrate(-b, a, v, c)
