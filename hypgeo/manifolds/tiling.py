"""What the tilings share: a point is an integer tile, held exactly, and a float offset in it.

:mod:`hypgeo.ops.tiling` lays rows out and has what is compiled: how two points see each other, and steps.  All verbs
follow from these two.
"""

from __future__ import annotations

from abc import abstractmethod
from decimal import Decimal
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.nn.functional import pad

from hypgeo.manifolds.base import Manifold, _number
from hypgeo.ops import tiling as ops

__all__ = ["Tiling"]


class _Opaque(torch.autograd.Function):
    """A result without a derivative: asking for it is an error, not silence."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, why: str, *inputs: Tensor) -> Tensor:
        ctx.why = why
        return out.view_as(out)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> NoReturn:
        raise NotImplementedError(ctx.why)


def _first(space: Tiling, slope: Tensor, like: Tensor, *sources: Tensor) -> Tensor:
    """A first derivative with the columns of its point; it has none itself."""
    why = f"{space.name}.dist has first derivatives only; for second ones convert the points to HalfSpace or Lorentz"
    return _Opaque.apply(pad(slope.to(like.dtype), (0, like.shape[-1] - slope.shape[-1])), why, *sources)


class _Dist(torch.autograd.Function):
    """Distances of rows (n, w) and (n, w), K = -1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, space: Tiling) -> Tensor:
        ctx.space, asked = space, any(ctx.needs_input_grad[:2])
        a, b = (t.double().contiguous() for t in (x, y))
        dist, nx, ny, _ = ops.view(a, b, space.code, asked)
        if asked:
            ctx.save_for_backward(x, y, nx, ny)
        return dist.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, y, nx, ny = ctx.saved_tensors
        out: list[Tensor | None] = []
        for t, n, asked in zip((x, y), (nx, ny), ctx.needs_input_grad[:2], strict=True):
            slope = grads[0].unsqueeze(-1) * ctx.space._slope(t.double(), n) if asked else None
            out.append(None if slope is None else _first(ctx.space, slope, t, grads[0], x, y))
        return (*out, None)


class _Pairs(torch.autograd.Function):
    """Distances of all pairs of rows (n, w) and (m, w), K = -1; nothing larger is formed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, space: Tiling) -> Tensor:
        ctx.space = space
        dist, open_ = ops.pairs(x.double().contiguous(), y.double().contiguous(), space.code)
        ctx.save_for_backward(x, y, *open_)
        return dist.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, y, *open_ = ctx.saved_tensors
        a, b = x.double().contiguous(), y.double().contiguous()
        sums = ops.pull(
            a, b, ctx.space.code, grads[0].double().contiguous(), (open_[0], open_[1]), ctx.needs_input_grad[:2]
        )
        out: list[Tensor | None] = []
        for t, total in zip((x, y), sums, strict=True):
            slope = None if total is None else ctx.space._slope(t.double(), total)
            out.append(None if slope is None else _first(ctx.space, slope, t, grads[0], x, y))
        return (*out, None)


class Tiling(Manifold):
    """A hyperbolic space whose points are an exact integer tile and a float offset in it.

    Points are float32 or float64 rows on the CPU (integers are exact in both); rows of one tensor have equally many
    limbs, and columns of zeros at the end change nothing.  A map that needs larger integers returns wider rows; none
    is ever made narrower.  Tangent vectors have the width of their point: the offset's chart first, zeros behind.

    ``dist``, ``dist0``, ``dist2`` and ``pairwise_dist`` are differentiable once; no other verb is.
    """

    exact = True  # rows hold integers: an optimiser may have to widen them, and decay of coordinates means nothing
    dim: int
    code: int  # dim as hypgeo.ops.tiling takes it

    def __init__(self, curvature: float | Tensor = -1.0) -> None:
        super().__init__(curvature)
        if self.K0.numel() != 1:
            raise ValueError(f"{self.name} takes one curvature, got a tensor of shape {tuple(self.K0.shape)}")

    # ------------------------------------------------------------------------------------------ what a leaf writes
    # on float64 tensors (..., w) and (..., d): components in a frame at x that is orthonormal for K = -1
    @abstractmethod
    def _components(self, x: Tensor, u: Tensor) -> Tensor:
        """The components of the tangent vector u."""

    @abstractmethod
    def _vector(self, x: Tensor, a: Tensor) -> Tensor:
        """The tangent vector with components a, d columns of the chart; inverse of :meth:`_components`."""

    @abstractmethod
    def _slope(self, x: Tensor, n: Tensor) -> Tensor:
        """The derivative by the chart's coordinates of the distance to a point in the direction n: -J' n."""

    @abstractmethod
    def _raised(self, x: Tensor, g: Tensor) -> Tensor:
        """The vector that the metric makes of a covector g, K = -1."""

    # ------------------------------------------------------------------------------------------ rows
    def width(self, limbs: int = 1) -> int:
        """Columns of a point with so many limbs."""
        return ops.width_of(self.code, limbs)

    def limbs(self, x: Tensor) -> int:
        """Limbs of the points of a tensor; refuses a width that no point has."""
        return ops.limbs_of(x.shape[-1], self.code)

    def _rows(self, *tensors: Tensor) -> tuple[torch.dtype, torch.Size, list[Tensor]]:
        """The result's dtype, leading axes, and the rows (n, w) of one dtype and width."""
        for t in tensors:
            if not isinstance(t, Tensor) or t.dim() == 0:
                raise TypeError(f"{self.name}: points are tensors with columns in the last axis, got {t!r}")
            if t.dtype not in (torch.float32, torch.float64):
                raise TypeError(f"{self.name}: integers are exact in float32 and float64 only, got {t.dtype}")
            if t.device.type != "cpu":
                raise ValueError(f"{self.name} computes on the CPU, got a tensor on {t.device}; call .cpu()")
        dtype = torch.float64 if any(t.dtype is torch.float64 for t in tensors) else torch.float32
        batch = tensors[0].shape[:-1]
        if any(t.shape[:-1] != batch for t in tensors):
            batch = torch.broadcast_shapes(*(t.shape[:-1] for t in tensors))
        rows = ops.match(self.code, *(t.to(dtype) for t in tensors))
        return dtype, batch, [t.expand(*batch, t.shape[-1]).reshape(-1, t.shape[-1]) for t in rows]

    def _wide(self, a: Tensor, like: Tensor, dtype: torch.dtype) -> Tensor:
        """A tangent vector with the columns of its point."""
        return pad(a, (0, like.shape[-1] - a.shape[-1])).to(dtype)

    def _mark(self, verb: str, out: Tensor, *inputs: Any) -> Tensor:
        given = [t for t in inputs if isinstance(t, Tensor) and t.requires_grad]
        if not given or not torch.is_grad_enabled():
            return out
        why = f"{self.name}.{verb} has no derivative; differentiate dist, dist0, dist2 or pairwise_dist"
        return _Opaque.apply(out, f"{why}, or call it under no_grad", *given)

    def _unit(self) -> float:
        """The distance of curvature K that is 1 in K = -1."""
        return float(self.c) ** -0.5

    # ------------------------------------------------------------------------------------------ distances
    def _scaled(self, d: Tensor) -> Tensor:
        return d if float(self.c) == 1.0 else d * self._unit()

    def dist(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        """Distance ``(..., w), (..., w) -> (...)``, at any radius and however near: within 2 ulp, gradients within 8.

        (3 ulp where the curvature is not -1.)  Equal points are 0 apart with gradient 0.
        """
        _, batch, (a, b) = self._rows(x, y)
        return _number(self._scaled(_Dist.apply(a, b, self)).reshape(batch), keepdim)

    def dist2(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        """Squared distance."""
        return self.dist(x, y, keepdim=keepdim).square()

    def dist0(self, x: Tensor, *, keepdim: bool = False) -> Tensor:
        """Distance from the origin."""
        return self.dist(self.origin(self.width(), dtype=x.dtype), x, keepdim=keepdim)

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        """All distances between two sets ``(..., n, w), (..., m, w) -> (..., n, m)``; bounds as for :meth:`dist`.

        In the backward pass nothing larger is formed either.
        """
        if x.dim() < 2 or y.dim() < 2:
            raise ValueError(f"pairwise_dist takes (..., n, w) and (..., m, w), got {tuple(x.shape)}, {tuple(y.shape)}")
        if x.dim() > 2 or y.dim() > 2:
            batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
            sets = [t.expand(*batch, *t.shape[-2:]).reshape(-1, *t.shape[-2:]) for t in (x, y)]
            out = [self.pairwise_dist(a, b) for a, b in zip(*sets, strict=True)]
            shape = (*batch, x.shape[-2], y.shape[-2])
            return torch.stack(out).reshape(shape) if out else x.new_empty(shape)
        self._rows(x[:1], y[:1])
        a, b = ops.match(self.code, x, y)
        dtype = torch.promote_types(a.dtype, b.dtype)
        return self._scaled(_Pairs.apply(a.to(dtype), b.to(dtype), self))

    # ------------------------------------------------------------------------------------------ exp, log, geodesics
    def _step(self, x: Tensor, u: Tensor | None) -> Tensor:
        dtype, batch, rows = self._rows(*(t.detach() for t in (x, u) if t is not None))
        a = rows[0].double().contiguous()
        v = rows[1].double().contiguous() if u is not None else None
        out = ops.step(a, v, self.code, dtype)
        return out.to(dtype).reshape(*batch, out.shape[-1])

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        """The point reached from x along the geodesic with velocity u in unit time, in its one form.

        ``expmap(x, 0)`` is x bit for bit where x is in its one form.  ``logmap(x, expmap(x, u))`` is u to 8 ulp
        normwise (of the dtype) at any radius, for |u| up to 100,000 and more: as x sees it the point is right in
        direction and distance.  An observer *there* sees it misplaced by what the last bits of u mean there,
        about ``|u| exp(|u|)`` ulp: ``expmap(x, logmap(x, y))`` is within ``16 d exp(d)`` ulp of y, d their distance.
        Vectors that lead beyond the range of the integers (radius 5.8 million), and such as are not finite, give nan.
        """
        return self._mark("expmap", self._step(x, u), x, u)

    def retr(self, x: Tensor, u: Tensor) -> Tensor:
        """The exponential map."""
        return self.expmap(x, u)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        """The tangent vector u at x with ``expmap(x, u) = y``, within 8 ulp normwise; ``logmap(x, x)`` is 0."""
        dtype, batch, (a, b) = self._rows(x.detach(), y.detach())
        p, q = a.double().contiguous(), b.double().contiguous()
        dist, n, *_ = ops.view(p, q, self.code, True)
        assert n is not None
        out = self._wide(self._vector(p, dist.unsqueeze(-1) * n), p, dtype)
        return self._mark("logmap", out.reshape(*batch, -1), x, y)

    def expmap0(self, u: Tensor) -> Tensor:
        return self.expmap(self.origin(*u.shape, dtype=u.dtype), u)

    def logmap0(self, y: Tensor) -> Tensor:
        return self.logmap(self.origin(*y.shape, dtype=y.dtype), y)

    def geodesic(self, t: Tensor | float, x: Tensor, y: Tensor) -> Tensor:
        """The point at fraction t of the way from x to y; t: a number or ``(..., 1)``; x at 0 and y at 1, bit for bit.

        From the nearer end in strides of length 2, each aimed at the other end: no direction held in floats leads
        farther than 36 along a geodesic.  Within 2^-46 of the exact point in float64, 2^-17 in float32, and 4 ulp of d;
        the time grows with d.
        """
        share = torch.as_tensor(t, dtype=torch.float64)
        share = share.squeeze(-1) if share.dim() else share
        dtype, batch, (a, b) = self._rows(x.detach(), y.detach())
        share = share.expand(torch.broadcast_shapes(share.shape, batch))
        ends = [r.reshape(*batch, -1).expand(*share.shape, r.shape[-1]) for r in (a, b)]
        late = (share > 0.5).unsqueeze(-1)
        z, aim = (torch.where(late, p, q).reshape(-1, p.shape[-1]).double() for p, q in (ends[::-1], ends))
        way = torch.where(late, 1 - share.unsqueeze(-1), share.unsqueeze(-1)).reshape(-1)
        open_ = (way != 0).nonzero()[:, 0]
        left = way * ops.view(z, aim.contiguous(), self.code, False)[0]
        while len(open_):
            p = z[open_].contiguous()
            q = ops.match(self.code, aim[open_], p)[0].contiguous()
            n = ops.view(p, q, self.code, True)[1]
            assert n is not None
            stride = left[open_].clamp(-2, 2)
            new = ops.step(p, self._wide(self._vector(p, stride.unsqueeze(-1) * n), p, p.dtype), self.code, p.dtype)
            z = pad(z, (0, new.shape[-1] - z.shape[-1]))
            z[open_] = new
            left[open_] -= stride
            open_ = open_[left[open_].abs() > 0]
        moved = (way != 0).unsqueeze(-1)
        if dtype is not z.dtype:
            rounded, z = ops.match(self.code, ops.step(z, None, self.code, dtype), z)
            z = torch.where(moved, rounded, z)
        return self._mark("geodesic", z.to(dtype).reshape(*share.shape, z.shape[-1]), x, y, t)

    # ------------------------------------------------------------------------------------------ transport
    def transp(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Parallel transport of v from x to y along the geodesic between them, within 16 ulp normwise.

        It turns the direction at x towards y into that at y away from x, in the plane of the two points.
        """
        dtype, batch, (a, b, w) = self._rows(x.detach(), y.detach(), v.detach())
        p, q = a.double().contiguous(), b.double().contiguous()
        dist, n, back, side = ops.view(p, q, self.code, True)
        assert n is not None and back is not None and side is not None
        c = self._components(p, w.double())
        # the plane: `side`, horizontal and of length 1, and the last axis
        at, to, have = (torch.stack(((t[:, :-1] * side).sum(-1), t[:, -1])) for t in (n, -back, c))
        cos, sin = (at * to).sum(0), at[1] * to[0] - at[0] * to[1]
        turned = torch.stack((cos * have[0] + sin * have[1], cos * have[1] - sin * have[0]))
        turned = torch.where(dist > 0, turned, have)
        flat = c[:, :-1] + (turned[0] - have[0]).unsqueeze(-1) * side
        out = self._vector(q, torch.cat((flat, turned[1].unsqueeze(-1)), -1))
        return self._mark("transp", self._wide(out, p, dtype).reshape(*batch, -1), x, y, v)

    def transp0(self, y: Tensor, v: Tensor) -> Tensor:
        return self.transp(self.origin(*y.shape, dtype=y.dtype), y, v)

    # ------------------------------------------------------------------------------------------ metric
    def inner(self, x: Tensor, u: Tensor, v: Tensor | None = None, *, keepdim: bool = False) -> Tensor:
        """Riemannian inner product of tangent vectors u and v (v = u when left out) at x ``-> (...)``."""
        dtype, batch, (a, b, w) = self._rows(x, u, u if v is None else v)
        p = a.double()
        out = (self._components(p, b.double()) * self._components(p, w.double())).sum(-1) / float(self.c)
        return self._mark("inner", _number(out.to(dtype).reshape(batch), keepdim).detach(), x, u, v)

    def norm(self, x: Tensor, u: Tensor, *, keepdim: bool = False) -> Tensor:
        """Riemannian norm of u at x ``-> (...)``."""
        dtype, batch, (a, b) = self._rows(x, u)
        out = torch.linalg.vector_norm(self._components(a.double(), b.double()), dim=-1) * self._unit()
        return self._mark("norm", _number(out.to(dtype).reshape(batch), keepdim).detach(), x, u)

    def egrad2rgrad(self, x: Tensor, u: Tensor) -> Tensor:
        """The Riemannian gradient at x from the gradient u that autograd gives."""
        dtype, batch, (a, b) = self._rows(x.detach(), u.detach())
        out = self._raised(a.double(), b[:, : self.dim].double()) * float(self.c)
        return self._mark("egrad2rgrad", self._wide(out, a, dtype).reshape(*batch, -1), x, u)

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        """u as a tangent vector at x: with zeros in the columns of the integers."""
        dtype, batch, (_, b) = self._rows(x.detach(), u.detach())
        return self._mark("proju", self._wide(b[:, : self.dim], b, dtype).reshape(*batch, -1), x, u)

    # ------------------------------------------------------------------------------------------ points
    def renormalize(self, x: Tensor) -> Tensor:
        """The points in their one form: the tile that holds them, and the offset in it, rounded.

        Offsets may lie outside their tile; the integers must be right, or the error names the row.  Wider rows come
        back where larger integers are needed, never narrower ones.
        """
        reason = self.why_not(x, inside=False)
        if reason is not None:
            raise ValueError(f"{self.name}: {reason}")
        return self._mark("renormalize", self._step(x, None), x)

    def projx(self, x: Tensor) -> Tensor:
        """:meth:`renormalize`."""
        return self.renormalize(x)

    def why_not(self, x: Tensor, inside: bool = True) -> str | None:
        """Why these rows are no points of this space in their one form, in a sentence that names a row, or None.

        inside=False: offsets may lie outside their tile.
        """
        _, _, (rows,) = self._rows(x.detach())
        return ops.why_not(rows.double(), self.code, inside)

    def _check_shape(self, shape: tuple[int, ...], name: str) -> tuple[bool, str | None]:
        try:
            ops.limbs_of(shape[-1] if shape else 0, self.code)
        except ValueError as e:
            return False, f"'{name}': {e}"
        return True, None

    def _check_point_on_manifold(self, x: Tensor, *, atol: float = 1e-5, rtol: float = 1e-5) -> tuple[bool, str | None]:
        reason = self.why_not(x)
        return reason is None, reason

    def _check_vector_on_tangent(
        self, x: Tensor, u: Tensor, *, atol: float = 1e-5, rtol: float = 1e-5
    ) -> tuple[bool, str | None]:
        _, _, (_, b) = self._rows(x, u)
        if not bool(b.isfinite().all()):
            return False, "a tangent vector is not finite"
        ok = not bool(b[:, self.dim :].any())
        return ok, None if ok else f"tangent vectors have zeros behind the {self.dim} columns of the chart; call proju"

    @abstractmethod
    def _origin_row(self, width: int) -> Tensor: ...

    def origin(self, *size: Any, dtype: torch.dtype | None = None, device: Any = None, seed: int | None = 42) -> Tensor:
        """The origin, repeated to ``size`` (last axis: columns).  ``seed`` is geoopt's and has no effect."""
        shape = torch.Size(size[0]) if len(size) == 1 and not isinstance(size[0], int) else torch.Size(size)
        ops.limbs_of(shape[-1], self.code)
        row = self._origin_row(shape[-1]).to(device=device, dtype=dtype or torch.get_default_dtype())
        return row.expand(shape).clone()

    def random_normal(
        self,
        *size: Any,
        mean: Tensor | None = None,
        std: float | Tensor = 1.0,
        dtype: torch.dtype | None = None,
        device: Any = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Wrapped normal: ``expmap(mean, v)``, v isotropic normal of Riemannian standard deviation ``std`` per axis.

        ``size`` ends in a number of columns, the least of the result: far points make it wider.
        """
        m = self.origin(*size, dtype=dtype, device=device) if mean is None else mean
        shape = torch.Size(size[0]) if len(size) == 1 and not isinstance(size[0], int) else torch.Size(size)
        a = torch.randn(*shape[:-1], self.dim, dtype=torch.float64, generator=generator) / self._unit()
        a = a * torch.as_tensor(std, dtype=torch.float64)
        m = m.expand(*shape[:-1], m.shape[-1])
        return self.expmap(m, self._wide(self._vector(m.double(), a), m, m.dtype))

    def normal_coordinates(self, x: Tensor) -> Tensor:
        """Direction at the origin, and distance as length, ``(..., w) -> (..., d)``, as in every other model."""
        o = self.origin(*x.shape, dtype=x.dtype)
        return (self._components(o.double(), self.logmap(o, x).double()) * self._unit()).to(x.dtype)

    def from_normal_coordinates(self, a: Tensor) -> Tensor:
        """The points with normal coordinates a ``(..., d) -> (..., w)``."""
        o = self.origin(*a.shape[:-1], self.width(), dtype=a.dtype)
        return self.expmap(o, self._wide(self._vector(o.double(), a.double() / self._unit()), o, a.dtype))

    @abstractmethod
    def point(self, row: Tensor, digits: int = 17) -> tuple[Decimal, ...]:
        """One point (w,) in decimals, each coordinate to so many significant digits."""

    # ------------------------------------------------------------------------------------------ what it lacks
    def _lacks(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"{self.name} has no such verb: convert the points to HalfSpace, Lorentz or PoincareBall for it"
        )

    _expmap = _transp = _egrad2rgrad = _origin = _seen = _frame = _unframe = _busemann = _why_not_point = _lacks
    frechet_mean = midpoint = hyperplane_dist = busemann = _lacks
    spatial_coordinates = from_spatial_coordinates = from_plane_distances = _lacks
