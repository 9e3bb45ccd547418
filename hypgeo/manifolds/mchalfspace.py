"""The upper half-space with coordinates of N components each: float64's range at N times its precision.

T. Yu, C. De Sa. Representing Hyperbolic Space Accurately using Multi-Component Floats. NeurIPS 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn, cast

import torch
from torch import Tensor
from torch.nn.functional import pad

from hypgeo import _C
from hypgeo.manifolds.base import Manifold, _number
from hypgeo.mctensor import MCTensor
from hypgeo.mctensor.tensor import join
from hypgeo.ops import halfspace as ops
from hypgeo.ops import multifloat as mf
from hypgeo.ops.special import asinh

__all__ = ["MCHalfSpace"]

_FAR = {torch.float32: 100, torch.float64: 332}  # beyond 2 to this asinh t = log 2t to 8 components
_COMPILED = "multifloat_distance" in _C.compiled_ops("CPU")
_PAIRS = 1 << 18  # formed at a time


def _plain(x: Tensor) -> Tensor:
    """Rounded to plain floats."""
    return x.value() if isinstance(x, MCTensor) else x


def _value(x: Tensor) -> Tensor:
    """The same, without a gradient."""
    return x._c[..., 0] if isinstance(x, MCTensor) else x.detach()


def _rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal part and height."""
    return x[..., :-1], x[..., -1:]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


def _length(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True)


def _exponent(*sizes: Tensor) -> Tensor:
    """The binary exponent of the largest of these plain numbers (..., k), over the last axis; 0 where that is none."""
    top = torch.cat(torch.broadcast_tensors(*(s.detach().abs().amax(-1, keepdim=True) for s in sizes)), -1)
    top = top.amax(-1, keepdim=True)
    return torch.where(top.isfinite(), torch.frexp(top.double()).exponent, 0).clamp(-1020, 1020)


def _shape(x: Tensor, n: int) -> Tensor:
    """Rows (..., d N) as components (..., d, N), without a copy."""
    return x.unflatten(-1, (n, x.shape[-1] // n)).transpose(-1, -2)


def _minus(y: Tensor, x: Tensor, n: int) -> Tensor:
    """The nearest floats to the coordinates of y - x, (..., d), of any rows of components."""
    a, b = _shape(y, n), _shape(x, n)
    if 2 * n <= 8:
        return mf.renorm(torch.cat((a, -b), -1))[..., 0]
    return mf.sub(mf.renorm(a), mf.renorm(b))[..., 0]


def _power(exponent: Tensor) -> Tensor:
    return torch.ldexp(torch.ones_like(exponent, dtype=torch.float64), exponent)


class _Dist(torch.autograd.Function):
    """Distances of rows (..., d N) and (..., d N), K = -1: differences of coordinates in all their components, and
    the rest, which loses no digit, in float64.  Second derivatives are those of :meth:`MCHalfSpace._dist`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, space: MCHalfSpace) -> Tensor:
        n, d = space.components, x.shape[-1] // space.components
        ctx.space = space
        if x.is_cpu and _COMPILED:
            ctx.save_for_backward(x, y)
            return cast(Tensor, torch.ops.hypgeo.multifloat_distance.default(x, y, n))
        w = _minus(y, x, n).double()
        a, b = (t[..., d - 1 :: d].double().sum(-1, keepdim=True) for t in (x, y))
        ctx.save_for_backward(x, y, w, a, b)
        # t = |w| / 2 sqrt(a b) = r 2^k
        size = w.abs().amax(-1, keepdim=True)
        k = torch.where(size.isfinite(), torch.frexp(size).exponent, 0).clamp(min=-1020)
        v = w * _power(-k)
        (p, i), (q, j) = torch.frexp(a), torch.frexp(b)
        odd = (i + j) % 2
        r = (_dot(v, v) / (p * q * (1 + odd))).sqrt()
        k = torch.where(size > 0, k - (i + j - odd).div(2, rounding_mode="floor") - 1, 0)
        far = k > 300
        t = 2 * asinh(r * _power(torch.where(far, 0, k)))
        if bool(far.any()):
            t = torch.where(far, 2 * (torch.where(far, r, 1.0).log() + (k + 1).double() * math.log(2.0)), t)
        return t.squeeze(-1).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, y, *views = ctx.saved_tensors
        asked = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():
            dist = _plain(ctx.space._dist(ctx.space.unpack(x), ctx.space.unpack(y))).squeeze(-1)
            rows = [t for t, wanted in zip((x, y), asked, strict=True) if wanted]
            slopes = iter(torch.autograd.grad(dist, rows, grads[0], create_graph=True))
            return (*(next(slopes) if wanted else None for wanted in asked), None)
        if not views:
            op, n = torch.ops.hypgeo.multifloat_distance_backward.default, ctx.space.components
            found = iter(op(grads[0].contiguous(), x, y, n, *asked))
            return (*(next(found) if wanted else None for wanted in asked), None)
        w, a, b = views
        # With L = |w| sqrt(a b + |w|²/4) = a b sinh D, all scaled to the largest of w, a, b by s:
        # by x -(h, (rise (a + b) + |h|²) / 2a) / L, and by y (h, (rise (a + b) - |h|²) / 2b) / L
        g = grads[0].double().unsqueeze(-1)
        s = _power(-_exponent(w, a, b))
        w, p, q = w * s, a * s, b * s
        h, rise = _rows(w)
        size = w.abs().amax(-1, keepdim=True)
        unit = torch.where(size > 0, size, 1.0)
        v = w / unit
        length = _dot(v, v).sqrt() * unit
        L = length * (p * q + (length / 2).square()).sqrt()
        g = torch.where(size == 0, 0.0, g / torch.where(size == 0, 1.0, L))
        lift, square, level = rise * (p + q), _dot(h, h), g * h * s
        out: list[Tensor | None] = []
        for wanted, near, sign in zip(asked, (a, b), (-1, 1), strict=True):
            if wanted:
                slope = torch.cat((sign * level, sign * g * (lift - sign * square) / (2 * near)), -1)
                out.append(pad(slope.to(x.dtype), (0, x.shape[-1] - slope.shape[-1])))
            else:
                out.append(None)
        return (*out, None)


class MCHalfSpace(Manifold):
    """Upper half-space of curvature K = -c < 0 whose d coordinates, the height last, have N components each.

    A point is an ordinary float32 or float64 row of d N columns: the leading components of all coordinates first, which
    are the rounded point of :class:`HalfSpace`, then all second components, and so on (:meth:`pack`, :meth:`unpack`).
    Tangent vectors and gradients are laid out alike.  Rows whose components are out of order are taken for what they
    sum to, so that optimisers may add and scale them.

    Distances are plain floats within 4 ulp of those of the exact points given, 5 where K is not -1, and first
    derivatives normwise within 8, at any distance that heights reach (normalised radius about 700 in float64, 85 in
    float32), near and far.  With ε = 2^(10 - N p), p = 53 or 24 bits, ``logmap`` is within ε normwise, and ``expmap``
    within ε of its height plus ε of its horizontal part.  A direction of N p bits places the end of a geodesic of
    length D no better than e^D ε: ``expmap(x, logmap(x, y))`` is within ε (e^D + |y| / height) of y.  No component is
    smaller than the smallest float, however: a coordinate of size s has N p bits only where s is above 2^(N p - 1074)
    (2^(N p - 149) in float32), and below that an absolute error of that float.

    components : N, from 1 to 8.  curvature : one number K < 0; it is not learnt.

    All verbs are differentiable twice.  A height that would round to 0 becomes the smallest normal float and one that
    overflows the largest.
    """

    name = "MCHalfSpace"

    def __init__(self, components: int = 2, curvature: float | Tensor = -1.0) -> None:
        super().__init__(curvature)
        if self.K0.numel() != 1:
            raise ValueError(f"MCHalfSpace takes one curvature, got a tensor of shape {tuple(self.K0.shape)}")
        if not isinstance(components, int) or isinstance(components, bool) or not 1 <= components <= 8:
            raise ValueError(f"MCHalfSpace takes 1 to 8 components, got {components!r}")
        self.components = components

    def extra_repr(self) -> str:
        return f"components={self.components}, {super().extra_repr()}"

    # ------------------------------------------------------------------------------------------ rows
    def ambient_dim(self, dim: int) -> int:
        """Columns of a point of dimension ``dim``."""
        return dim * self.components

    def unpack(self, x: Tensor) -> MCTensor:
        """Rows ``(..., d N)`` as coordinates ``(..., d)``, differentiable."""
        self._expect(x)
        return join(_shape(x, self.components), renormalize=True)

    def _expect(self, x: Tensor) -> None:
        n = self.components
        if not isinstance(x, Tensor) or x.dtype not in _FAR:
            what = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"MCHalfSpace: points are float32 or float64 tensors, got {what}; call .double()")
        if isinstance(x, MCTensor):
            raise TypeError("MCHalfSpace: points are plain rows of components, got an MCTensor; call pack(x)")
        if x.dim() == 0 or not x.shape[-1] or x.shape[-1] % n:
            raise ValueError(
                f"MCHalfSpace: a point with {n} components has d * {n} columns, got the shape {tuple(x.shape)}; "
                "convert(x, HalfSpace(), manifold) makes points of plain ones"
            )

    def pack(self, x: Tensor) -> Tensor:
        """Coordinates ``(..., d)`` as rows ``(..., d N)``, differentiable; inverse of :meth:`unpack`."""
        if not isinstance(x, MCTensor) or x.n_components != self.components:
            what = f"{x.n_components} components" if isinstance(x, MCTensor) else type(x).__name__
            raise TypeError(f"MCHalfSpace: pack takes an MCTensor of {self.components} components, got {what}")
        return x.components.transpose(-1, -2).flatten(-2)

    def _read(self, *tensors: Tensor) -> list[Tensor]:
        """Rows of one dtype, the widest."""
        out: list[Tensor] = [self.unpack(t) for t in tensors]
        dtype = torch.float64 if any(t.dtype == torch.float64 for t in out) else torch.float32
        return [t if t.dtype == dtype else t.to(dtype) for t in out]

    def _write(self, x: Tensor) -> Tensor:
        """A point as a row, heights positive and everything finite."""
        limit = torch.finfo(x.dtype)
        lead = _value(x)
        x = torch.where(lead > limit.max, limit.max, torch.where(lead < -limit.max, -limit.max, x))
        h, z = _rows(x)
        return self.pack(torch.cat((h, torch.where(_value(z) < limit.tiny, limit.tiny, z)), -1))

    def _scaled(self, x: Tensor, power: float) -> Tensor:
        """x c^power."""
        c = float(self.c)
        if c == 1.0:
            return x
        unit = x.new_full((), c)
        return x * (unit if power == 1 else 1 / unit if power == -1 else unit.sqrt() if power == 0.5 else unit.rsqrt())

    # ------------------------------------------------------------------------------------------ the formulas
    # on MCTensors (..., d), K = -1; numbers keep the last axis as length 1
    def _dist(self, x: Tensor, y: Tensor, c: Tensor | None = None) -> Tensor:
        # To N components: 2 asinh(t), t = |y - x| / 2 sqrt(a b), a and b the heights, all three divided by powers of
        # two, so that t = ldexp(r, k); where that may overflow 2 log(2 t).
        w, a, b = y - x, x[..., -1:], y[..., -1:]
        with torch.no_grad():
            i, j = _exponent(_value(a)), _exponent(_value(b))
            i = i + (i + j) % 2
            k = _exponent(_value(w))
            apart = (_value(w) != 0).any(-1, keepdim=True)
        r = _length(w.ldexp(-k)) / a.ldexp(-i).sqrt() / b.ldexp(-j).sqrt()
        k = torch.where(apart, k - (i + j).div(2, rounding_mode="floor") - 1, 0)
        far = k > _FAR[w.dtype]
        near = 2 * r.ldexp(torch.where(far, 0, k)).asinh()
        if not bool(far.any()):
            return near
        doubled = torch.where(far, r, 1.0).log() + (k + 1) * torch.full_like(a.detach(), 2).log()
        return torch.where(far, 2 * doubled, near)

    def _expmap(self, x: Tensor, u: Tensor, c: Tensor | None = None) -> Tensor:
        # With s = |u| / a, u / |u| = (p, k) and E = e^-s the new height is 2 a E / L and the shift a p (1 - E²) / L,
        # L = 2 E (cosh s - k sinh s) = |p|²/(1 + k) + E² (1 + k), where 1 - k stands for the first term if k ≤ 0: a sum
        # of positive terms.  F² = E and the power of two m ≈ √(L/E) keep all factors in range.
        h, a = _rows(x)
        v = u / a
        s = _length(v)
        still = _value(s) == 0
        s, v = torch.where(still, 1.0, s), torch.where(still, 1.0, v)
        p, k = _rows(v / s)
        rising = _value(k) > 0
        f = (-s / 2).exp()
        up, down = torch.where(rising, k, 0.0), torch.where(rising, 0.0, k)
        with torch.no_grad():
            lead_k, lead_f = _value(k), _value(f)
            q = torch.where(rising, _value(p / f).norm(dim=-1, keepdim=True), (1 - lead_k).sqrt() / lead_f)
            m = _exponent(q, lead_f * (1 + lead_k).clamp_min(0).sqrt())
        g = (p / f).ldexp(-m)
        lean = torch.where(rising, _dot(g, g) / (1 + up), (1 - down) * f.reciprocal().ldexp(-m).square())
        total = lean + (1 + k) * f.ldexp(-m).square()
        height = 2 * a.ldexp(-m).ldexp(-m) / total
        shift = (a * g / f).ldexp(-m) * (-(-2 * s).expm1()) / total
        return torch.where(still, x + u, torch.cat((h + shift, height), -1))

    def _logmap(self, x: Tensor, y: Tensor, c: Tensor | None = None) -> Tensor:
        # The direction of e = (h a, ((b - a)(a + b) + |h|²)/2) at the length a D; |e| = a b sinh D.  All is scaled to
        # the size of the largest of |y - x|, a and b, so that no square overflows.
        w, a, b = y - x, x[..., -1:], y[..., -1:]
        size = _exponent(_value(w), _value(a), _value(b))
        w, a_, b_ = w.ldexp(-size), a.ldexp(-size), b.ldexp(-size)
        h, rise = _rows(w)
        e = torch.cat((h * a_, (rise * (a_ + b_) + _dot(h, h)) / 2), -1)
        length = _length(e)
        same = _value(length) == 0
        ratio = torch.where(same, b_.reciprocal().ldexp(size), self._dist(x, y) / torch.where(same, 1.0, length) * a)
        return e * ratio

    def _transp(self, x: Tensor, y: Tensor, v: Tensor, c: Tensor | None = None) -> Tensor:
        # two reflections, in the bisector of x and y and along the geodesic at y; homogeneous in y - x, a and b
        w, a, b = y - x, x[..., -1:], y[..., -1:]
        size = _exponent(_value(w), _value(a).sqrt() * _value(b).sqrt())
        w, a_, b_ = w.ldexp(-size), a.ldexp(-size), b.ldexp(-size)
        v = v / a  # b v / a may have no float where a v does
        q, wv, up = _dot(w, w), _dot(w, v), v[..., -1:]
        whole = 4 * a_ * b_ + q
        h, rise = _rows(v + w * ((4 * b_ * up - 2 * wv) / whole))
        return torch.cat((h, rise - (4 * a_ * wv + 2 * q * up) / whole), -1) * b

    def _egrad2rgrad(self, x: Tensor, u: Tensor, c: Tensor | None = None) -> Tensor:
        a = x[..., -1:]
        return u * a * a

    def _origin(self, like: Tensor, c: Tensor | None = None) -> Tensor:
        """(0, ..., 0, 1) with the coordinates of ``like``."""
        o = torch.zeros_like(like.detach()[..., :1, :] if like.dim() > 1 else like.detach())
        o[..., -1] = 1
        return o

    def _frame(self, m: Tensor, u: Tensor, c: Tensor | None = None) -> Tensor:
        return self._scaled(u / m[..., -1:], -0.5)

    def _unframe(self, m: Tensor, a: Tensor, c: Tensor | None = None) -> Tensor:
        return self._scaled(a * m[..., -1:], 0.5)

    def _geodesic(self, t: Tensor, x: Tensor, y: Tensor, c: Tensor | None = None) -> Tensor:
        return self._expmap(x, t * self._logmap(x, y))

    # ------------------------------------------------------------------------------------------ verbs
    def dist(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        """Distance ``(..., d N), (..., d N) -> (...)``; 0 with gradient 0 where the points are equal."""
        x, y = self._pair(x, y)
        out = _Dist.apply(x, y, self)
        c = float(self.c)
        return _number(out if c == 1 else out / c**0.5, keepdim)

    def dist2(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        """Squared distance, within 9 ulp."""
        return self.dist(x, y, keepdim=keepdim).square()

    def dist0(self, x: Tensor, *, keepdim: bool = False) -> Tensor:
        """Distance from the origin."""
        return self.dist(self.origin(x.shape[-1], dtype=x.dtype, device=x.device), x, keepdim=keepdim)

    def _pair(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of one dtype and shape."""
        for t in (x, y):
            self._expect(t)
        dtype = torch.promote_types(x.dtype, y.dtype)
        x, y = torch.broadcast_tensors(x.to(dtype), y.to(dtype))
        return x, y

    @staticmethod
    def _leave(out: Tensor, keepdim: bool) -> Tensor:  # type: ignore[override]
        return _number(_plain(out).squeeze(-1), keepdim)

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        """All distances between two sets ``(..., n, d N), (..., m, d N) -> (..., n, m)``, some rows at a time."""
        if x.dim() < 2 or y.dim() < 2:
            raise ValueError(f"pairwise_dist takes sets of rows, got the shapes {tuple(x.shape)} and {tuple(y.shape)}")
        some = max(1, _PAIRS // max(1, y.shape[-2]))
        parts = [self.dist(rows.unsqueeze(-2), y.unsqueeze(-3)) for rows in x.split(some, -2)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -2)

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        """The point reached from x along the geodesic with velocity u in unit time; ``expmap(x, 0)`` is x exactly."""
        return self._write(self._expmap(*self._read(x, u)))

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        """The tangent vector u at x with ``expmap(x, u) = y``; ``logmap(x, x)`` is 0 exactly."""
        return self.pack(self._logmap(*self._read(x, y)))

    def expmap0(self, u: Tensor) -> Tensor:
        (v,) = self._read(u)
        return self._write(self._expmap(self._origin(v), v))

    def logmap0(self, y: Tensor) -> Tensor:
        (b,) = self._read(y)
        return self.pack(self._logmap(self._origin(b), b))

    def geodesic(self, t: Tensor | float, x: Tensor, y: Tensor) -> Tensor:
        a, b = self._read(x, y)
        t = t if isinstance(t, Tensor) else torch.as_tensor(t, dtype=torch.float64, device=x.device)
        return self._write(self._geodesic(t, a, b))

    def transp(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Parallel transport of v from x to y along the geodesic between them."""
        return self.pack(self._transp(*self._read(x, y, v)))

    def transp0(self, y: Tensor, v: Tensor) -> Tensor:
        b, u = self._read(y, v)
        return self.pack(self._transp(self._origin(b), b, u))

    def inner(self, x: Tensor, u: Tensor, v: Tensor | None = None, *, keepdim: bool = False) -> Tensor:
        """Riemannian inner product, a plain float a row, of vectors u and v (v = u when left out) at x."""
        a, p, q = self._read(x, u, u if v is None else v)
        z = a[..., -1:]
        return self._leave(self._scaled(_dot(p / z, q / z), -1), keepdim)

    def norm(self, x: Tensor, u: Tensor, *, keepdim: bool = False) -> Tensor:
        """Riemannian norm, a plain float a row, with gradient 0 at u = 0."""
        return self._leave(_length(self._frame(*self._read(x, u))), keepdim)

    def egrad2rgrad(self, x: Tensor, u: Tensor) -> Tensor:
        """The Riemannian gradient c a² u at height a from the gradient u that autograd gives."""
        return self.pack(self._scaled(self._egrad2rgrad(*self._read(x, u)), 1))

    def projx(self, x: Tensor) -> Tensor:
        """The point with its components in order; a height that is not positive becomes the smallest normal float."""
        return self._write(self._read(x)[0])

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        """u, broadcast against x, with its components in order."""
        v = self.pack(self._read(u)[0])
        return v.expand(torch.broadcast_shapes(x.shape, v.shape))

    # ------------------------------------------------------------------------------------------ steps of optimisers
    # The way from x is found in plain floats, as seen from x, and added in all components: off by 8 ulp of the way.
    def _step(self, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The new row, and old and new point moved so that the old one is over 0."""
        n, d = self.components, x.shape[-1] // self.components
        a = x[..., d - 1 : d]
        start = torch.cat((torch.zeros_like(u[..., : d - 1]), a.expand(*u.shape[:-1], 1)), -1)
        end = ops.expmap(start, u[..., :d] if n == 1 else u.unflatten(-1, (n, d)).sum(-2), 1.0)
        c = mf.renorm(_shape(x.expand_as(u), n))
        way = mf.from_float(end[..., :-1], n)
        height = mf.mul(c[..., -1:, :], mf.from_float(end[..., -1:] / a, n))
        new = torch.cat((mf.add(c[..., :-1, :], way), height), -2).transpose(-1, -2).flatten(-2)
        limit = torch.finfo(x.dtype)
        low, high = (
            ~(new[..., d - 1 : d] >= limit.tiny) & end.isfinite().all(-1, keepdim=True),
            new[..., d - 1 : d] > limit.max,
        )
        if bool((low | high).any()):
            column = torch.arange(new.shape[-1], device=x.device)
            edge = torch.where(low, new.new_tensor(limit.tiny), new.new_tensor(limit.max))
            new = torch.where((low | high) & (column % d == d - 1), torch.where(column == d - 1, edge, 0.0), new)
        return new, start, end

    def _quick(self, *rows: Tensor) -> bool:
        """Whether these are rows of one dtype that need no derivative."""
        for t in rows:
            self._expect(t)
        return len({t.dtype for t in rows}) == 1 and not (
            torch.is_grad_enabled() and any(t.requires_grad for t in rows)
        )

    def retr(self, x: Tensor, u: Tensor) -> Tensor:
        """The retraction of the optimisers: the exponential map, the way from x to 8 ulp of the dtype; x for u = 0."""
        if not self._quick(x, u):
            return self.expmap(x, u)
        return self._step(*torch.broadcast_tensors(x, u))[0]

    def retr_transp(self, x: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """``y = retr(x, u)`` and v transported from x to y, to 8 ulp of the dtype where no derivative is asked for."""
        if not self._quick(x, u, v):
            return self.expmap_transp(x, u, v)
        x, u, v = torch.broadcast_tensors(x, u, v)
        new, start, end = self._step(x, u)
        n, d = self.components, x.shape[-1] // self.components
        return new, pad(ops.transp(start, end, v.unflatten(-1, (n, d)).sum(-2), 1.0), (0, (n - 1) * d))

    def component_inner(self, x: Tensor, u: Tensor, v: Tensor | None = None) -> Tensor:
        """``inner`` of plain floats, (..., 1)."""
        n, d = self.components, x.shape[-1] // self.components
        p, q = (t.unflatten(-1, (n, d)).sum(-2) / x[..., d - 1 : d] for t in (u, u if v is None else v))
        return _dot(p, q) / self.c.to(x)

    def normal_coordinates(self, x: Tensor) -> Tensor:
        """Normal coordinates at the origin, plain floats ``(..., d N) -> (..., d)``, as the other models have them."""
        (a,) = self._read(x)
        o = self._origin(a)
        return _plain(self._frame(o, self._logmap(o, a)))

    def from_normal_coordinates(self, a: Tensor) -> Tensor:
        """The points with plain normal coordinates a at the origin ``(..., d) -> (..., d N)``."""
        v = MCTensor(a, self.components)
        o = self._origin(v)
        return self._write(self._expmap(o, self._unframe(o, v)))

    # ------------------------------------------------------------------------------------------ points
    def origin(self, *size: Any, dtype: torch.dtype | None = None, device: Any = None, seed: int | None = 42) -> Tensor:
        """The origin (0, ..., 0, 1), repeated to ``size`` (last axis: columns)."""
        (like,) = self._read(torch.zeros(*size, dtype=dtype, device=device))
        return self.pack(self._origin(like)).expand(*like.shape[:-1], self.ambient_dim(like.shape[-1])).clone()

    def random_normal(
        self,
        *size: Any,
        mean: Tensor | None = None,
        std: float | Tensor = 1.0,
        dtype: torch.dtype | None = None,
        device: Any = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Wrapped normal around ``mean`` (default: the origin), as in the other models; ``size`` counts columns."""
        dtype = dtype if mean is None else dtype or mean.dtype
        (like,) = self._read(torch.zeros(*size, dtype=dtype, device=device))
        draw = torch.randn(like.shape, dtype=torch.float64, device=like.device, generator=generator)
        a = MCTensor(draw * torch.as_tensor(std, dtype=draw.dtype, device=draw.device), self.components, like.dtype)
        m = self._origin(like) if mean is None else self._read(mean)[0].to(like.dtype)
        return self._write(self._expmap(m, self._unframe(m, a)))

    def _why_not_point(self, x: Tensor, c: Tensor | None = None, atol: float = 0.0, rtol: float = 0.0) -> str | None:
        n = self.components
        rows = x.detach().unflatten(-1, (n, x.shape[-1] // n))
        bad = ~rows.isfinite().flatten(-2).all(-1)
        if bool(bad.any()):
            return f"{int(bad.sum())} rows have components that are not finite"
        bad = ~(rows[..., 0, -1] > 0)
        if bool(bad.any()):
            return f"{int(bad.sum())} rows have no positive height"
        bad = (self.pack(self.unpack(x.detach())) != x).any(-1)
        if bool(bad.any()):
            return f"{int(bad.sum())} rows have components out of order; projx puts them in order"
        return None

    def _check_point_on_manifold(self, x: Tensor, *, atol: float = 1e-5, rtol: float = 1e-5) -> tuple[bool, str | None]:
        self.unpack(x)  # refuses what has no rows
        reason = self._why_not_point(x)
        return reason is None, reason

    def _check_vector_on_tangent(
        self, x: Tensor, u: Tensor, *, atol: float = 1e-5, rtol: float = 1e-5
    ) -> tuple[bool, str | None]:
        self.unpack(u)
        return True, None

    # ------------------------------------------------------------------------------------------ other models
    def from_model(self, x: Tensor, source: Any) -> Tensor:
        """Points of HalfSpace (exactly), PoincareBall, Lorentz, Klein or MCHalfSpace as points; see ``convert``."""
        n = self.components
        if isinstance(source, MCHalfSpace):
            return self._write(source.unpack(x).with_components(n))
        p: Tensor = MCTensor(x if x.dtype in _FAR else x.float(), n)
        if source.name == "HalfSpace":
            return self._write(p)
        if source.name == "PoincareBall":
            p = self._scaled(p, 0.5)
            h, z = _rows(p)
            under = _dot(h, h) + (1 - z).square()
            return self._write(torch.cat((2 * h, 1 - _dot(p, p)), -1) / under)
        if source.name == "Klein":
            p = self._scaled(p, 0.5)
            h, z = _rows(p)
            return self._write(torch.cat((h, (1 - _dot(p, p)).sqrt()), -1) / (1 - z))
        if source.name == "Lorentz":
            h, z = _rows(self._scaled(p[..., 1:], 0.5))  # the time is what these say
            side = _length(torch.cat((torch.ones_like(z), h), -1))
            time = _length(torch.cat((side, z), -1))
            # 1 / (time - z), a difference of like numbers when z > 0
            up = _value(z) > 0
            height = torch.where(up, (time + z) / side / side, 1 / torch.where(up, 1.0, time - z))
            return self._write(torch.cat((h * height, height), -1))
        return _unknown(source)

    def to_model(self, x: Tensor, target: Any) -> Tensor:
        """Points here as points of HalfSpace, PoincareBall, Lorentz or Klein, rounded once; see ``convert``."""
        (p,) = self._read(x)
        if target.name == "HalfSpace":
            return _plain(p)
        h, a = _rows(p)
        if target.name == "Lorentz":
            # (h, (|p|² - 1)/2, (|p|² + 1)/2) / a
            size, low = _length(p), a.reciprocal()
            high = size / a * size
            return _plain(self._scaled(torch.cat((high + low, 2 * h / a, high - low), -1) / 2, -0.5))
        # both sides scaled to the size of the largest coordinate, so that no square overflows
        size = _exponent(_value(p), torch.ones_like(_value(a)))
        one, q = torch.ones_like(a).ldexp(-size), p.ldexp(-size)
        h, a = _rows(q)
        square = _dot(h, h)
        ends = torch.cat((2 * h * one, square + (a - one) * (a + one)), -1)
        if target.name == "PoincareBall":
            out = _plain(self._scaled(ends / (square + (a + one).square()), -0.5))
            return target._land(out, out.dtype)
        if target.name == "Klein":
            return _plain(self._scaled(ends / (square + a.square() + one.square()), -0.5))
        return _unknown(target)

    # ------------------------------------------------------------------------------------------ what is not here
    def _seen(self, m: Tensor, x: Tensor, c: Tensor) -> NoReturn:
        raise NotImplementedError("MCHalfSpace has no hyperboloid coordinates; convert the points to Lorentz")

    def _busemann(self, x: Tensor, direction: Tensor, c: Tensor) -> NoReturn:
        raise NotImplementedError("MCHalfSpace has no busemann; convert the points to HalfSpace")


def _unknown(model: Any) -> NoReturn:
    raise TypeError(f"MCHalfSpace converts to and from HalfSpace, PoincareBall, Lorentz, Klein, not {model!r}")


def _absent(verb: str) -> Callable[..., NoReturn]:
    def refuse(self: MCHalfSpace, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"MCHalfSpace has no {verb}; convert the points to HalfSpace, which has")

    refuse.__name__ = verb
    return refuse


for _verb in (
    "spatial_coordinates",
    "from_spatial_coordinates",
    "from_plane_distances",
    "mobius_add",
    "mobius_matvec",
    "normal_translate",
    "hyperplane_dist",
    "busemann",
    "midpoint",
    "frechet_mean",
):
    setattr(MCHalfSpace, _verb, _absent(_verb))
