"""What every manifold shares: curvature, working precision, the verbs that derive from a few primitives.

The classes are geoopt manifolds (Kochurov, Karimov, Kozlukov, "Geoopt: Riemannian Optimization in PyTorch", 2020):
``geoopt.ManifoldParameter`` and geoopt's optimisers take them.  Base point first; the last axis holds coordinates;
leading axes are a batch and broadcast; nothing is changed in place.

A leaf writes ``_*`` primitives on tensors of the working dtype: float64 whatever the input is (float32, bfloat16 and
float16 rows come back in their own dtype, rounded once), or the input's own dtype on devices without float64.
"""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from typing import Any

import torch
from geoopt.manifolds.base import Manifold as GeooptManifold
from torch import Tensor, nn

from hypgeo.ops import special

__all__ = ["ConvergenceWarning", "Manifold"]

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class ConvergenceWarning(UserWarning):
    """An iterative solver stopped before it reached the precision of the dtype."""


class Manifold(GeooptManifold):
    """A space of constant sectional curvature K.

    Parameters
    ----------
    curvature : float or Tensor
        K, signed.  A number is kept as a float64 and so exactly as given; a tensor keeps its dtype, and must
        broadcast against the batch axes (not the coordinates) of the points.
    learnable : bool
        If true, K = K0 exp(log_scale) with the parameter ``log_scale`` starting at 0: K starts exactly at K0, is
        learnt on a relative scale, and no step can change its sign.  Points stay where they are when K moves.
    """

    ndim = 1
    reversible = True
    _flat = False  # Euclidean: K = 0
    _kernel: Any = None  # the compiled distance (x, y, c) of ops, where there is one
    _extra = 0  # coordinates beyond the dimension: the hyperboloid's time
    K0: Tensor
    log_scale: nn.Parameter | None

    def __init__(self, curvature: float | Tensor = -1.0, learnable: bool = False) -> None:
        super().__init__()
        try:
            k = torch.as_tensor(curvature, dtype=None if isinstance(curvature, Tensor) else torch.float64)
        except (TypeError, ValueError) as e:
            raise TypeError(f"{self.name}: curvature must be a number or a tensor, got {curvature!r}") from e
        if not k.is_floating_point() or not bool(k.isfinite().all()):
            raise ValueError(f"{self.name}: curvature must be a finite real number, got {curvature!r}")
        self._refuse_wrong_sign(k, curvature)
        if learnable and self._flat:
            raise ValueError(
                "Euclidean space has nothing to learn, its curvature is 0; use PoincareBall(learnable=True)"
            )
        self.register_buffer("K0", k.detach().clone())
        self.log_scale = nn.Parameter(torch.zeros_like(self.K0)) if learnable else None

    def _refuse_wrong_sign(self, k: Tensor, given: object) -> None:
        if bool((k < 0).all()):
            return
        if bool((k == 0).all()):
            raise ValueError(f"{self.name} has negative curvature, got {given!r}; for flat space use Euclidean()")
        raise ValueError(
            f"{self.name} has negative sectional curvature, got {given!r}; "
            f"if that was c = -K, call {type(self).__name__}(curvature=-{given!r})"
        )

    # ------------------------------------------------------------------------------------------ curvature
    @property
    def curvature(self) -> Tensor:
        """Sectional curvature K, signed (a tensor; differentiable when learnable)."""
        return self.K0 if self.log_scale is None else self.K0 * self.log_scale.exp()

    @property
    def c(self) -> Tensor:
        """-K."""
        return -self.curvature

    @property
    def radius(self) -> Tensor:
        """1 / sqrt|K|, the unit of length (inf for flat space)."""
        return self.curvature.abs().rsqrt()

    def extra_repr(self) -> str:
        k = self.curvature.detach()
        text = f"{k.item():g}" if k.numel() == 1 else f"tensor of shape {tuple(k.shape)}"
        return f"curvature={text}" + (", learnable" if self.log_scale is not None else "")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    # ------------------------------------------------------------------------------------------ working precision
    def _enter(self, *tensors: Tensor) -> tuple[torch.dtype, Tensor, tuple[Tensor, ...]]:
        """The result's dtype, c and the tensors in the working dtype (c with an axis for the coordinates)."""
        for t in tensors:
            if not isinstance(t, Tensor):
                raise TypeError(f"{self.name}: coordinates must be a torch.Tensor, got {type(t).__name__}")
            if t.dtype not in _FLOATS:
                raise TypeError(f"{self.name}: coordinates must be floating point, got {t.dtype}; call .double()")
            if t.dim() == 0:
                raise ValueError(f"{self.name}: coordinates lie in the last axis, got a tensor without axes")
        dtype = tensors[0].dtype
        for t in tensors[1:]:
            dtype = torch.promote_types(dtype, t.dtype)
        work = torch.float64 if tensors[0].device.type != "mps" else torch.promote_types(dtype, torch.float32)
        c = self.c.to(device=tensors[0].device, dtype=work)
        return dtype, c if c.dim() == 0 else c.unsqueeze(-1), tuple(t.to(work) for t in tensors)

    @staticmethod
    def _leave(out: Tensor, dtype: torch.dtype, keepdim: bool) -> Tensor:
        return (out if keepdim else out.squeeze(-1)).to(dtype)

    def _land(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Round a point to the dtype; a leaf with a boundary keeps it inside."""
        return x.to(dtype)

    # ------------------------------------------------------------------------------------------ primitives
    # Tangent and point coordinates of the working dtype in, the same out; scalars keep the last axis as length 1.
    # must:
    @abstractmethod
    def _expmap(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor: ...

    @abstractmethod
    def _transp(self, x: Tensor, y: Tensor, v: Tensor, c: Tensor) -> Tensor: ...

    @abstractmethod
    def _egrad2rgrad(self, x: Tensor, u: Tensor, c: Tensor) -> Tensor: ...

    @abstractmethod
    def _origin(self, like: Tensor, c: Tensor) -> Tensor:
        """The origin, with one row that broadcasts against ``like``."""

    @abstractmethod
    def _seen(self, m: Tensor, x: Tensor, c: Tensor) -> Tensor:
        """x seen from m: the d spatial hyperboloid coordinates of x in an orthonormal frame at m.

        With unit direction a and distance r these are a sinh(sqrt(c) r) / sqrt(c).
        """

    @abstractmethod
    def _frame(self, m: Tensor, u: Tensor, c: Tensor) -> Tensor:
        """Components of a tangent vector u at m in that frame: ``(..., d)``, Euclidean norm = Riemannian norm."""

    @abstractmethod
    def _unframe(self, m: Tensor, a: Tensor, c: Tensor) -> Tensor:
        """The tangent vector at m with components a in that frame; inverse of :meth:`_frame`."""

    @abstractmethod
    def _busemann(self, x: Tensor, direction: Tensor, c: Tensor) -> Tensor: ...

    @abstractmethod
    def _why_not_point(self, x: Tensor, c: Tensor, atol: float, rtol: float) -> str | None: ...

    def _why_not_tangent(self, x: Tensor, u: Tensor, c: Tensor, atol: float, rtol: float) -> str | None:
        return None

    # derived; a leaf overrides them with a better closed form:
    def _inner(self, x: Tensor, u: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return special.dot(self._frame(x, u, c), self._frame(x, v, c))

    def _dist(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return special.asinh(c.sqrt() * special.norm(self._seen(x, y, c))) / c.sqrt()

    def _dist2(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        a = self._seen(x, y, c)
        a = a * special.arsinhc_norm(a, c)
        return special.dot(a, a)

    def _logmap(self, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        a = self._seen(x, y, c)
        return self._unframe(x, a * special.arsinhc_norm(a, c), c)

    def _geodesic(self, t: Tensor, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
        return self._expmap(x, t * self._logmap(x, y, c), c)

    def _chord_weights(self, t: Tensor, x: Tensor, y: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """sinh((1 - t) D) / sinh D and sinh(t D) / sinh D, D the normalised distance: on the hyperboloid the
        geodesic is this combination of its ends."""
        q = c * self._dist2(x, y, c)
        whole = special.sinhc(q)
        return (1 - t) * special.sinhc((1 - t).square() * q) / whole, t * special.sinhc(t.square() * q) / whole

    # ------------------------------------------------------------------------------------------ distances
    def dist(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        """Geodesic distance ``(..., d), (..., d) -> (...)``; 0 with gradient 0 where the points are equal."""
        if self._kernel is not None and self.K0.numel() == 1:
            d = self._kernel(x, y, self.c)
            return d.unsqueeze(-1) if keepdim else d
        dtype, c, (x, y) = self._enter(x, y)
        return self._leave(self._dist(x, y, c), dtype, keepdim)

    def dist2(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        """Squared distance, smooth everywhere (its Hessian at y = x is that of the metric, not nan)."""
        dtype, c, (x, y) = self._enter(x, y)
        return self._leave(self._dist2(x, y, c), dtype, keepdim)

    def dist0(self, x: Tensor, *, keepdim: bool = False) -> Tensor:
        """Distance from the origin ``(..., d) -> (...)``."""
        dtype, c, (x,) = self._enter(x)
        return self._leave(self._dist(self._origin(x, c), x, c), dtype, keepdim)

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        """All distances between two sets ``(..., n, d), (..., m, d) -> (..., n, m)``."""
        return self.dist(x.unsqueeze(-2), y.unsqueeze(-3))

    # ------------------------------------------------------------------------------------------ exp, log, geodesics
    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        """The point reached from x along the geodesic with velocity u in unit time; ``expmap(x, 0)`` is x exactly."""
        dtype, c, (x, u) = self._enter(x, u)
        return self._land(self._expmap(x, u, c), dtype)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        """The tangent vector u at x with ``expmap(x, u) = y``; ``logmap(x, x)`` is 0 exactly."""
        dtype, c, (x, y) = self._enter(x, y)
        return self._logmap(x, y, c).to(dtype)

    def expmap0(self, u: Tensor) -> Tensor:
        """``expmap`` from the origin; u is a tangent vector there."""
        dtype, c, (u,) = self._enter(u)
        return self._land(self._expmap(self._origin(u, c), u, c), dtype)

    def logmap0(self, y: Tensor) -> Tensor:
        """``logmap`` at the origin."""
        dtype, c, (y,) = self._enter(y)
        return self._logmap(self._origin(y, c), y, c).to(dtype)

    def geodesic(self, t: Tensor | float, x: Tensor, y: Tensor) -> Tensor:
        """The point at fraction t of the way from x to y; t broadcasts against the rows (give it a last axis of 1)."""
        dtype, c, (x, y) = self._enter(x, y)
        return self._land(self._geodesic(torch.as_tensor(t, dtype=x.dtype, device=x.device), x, y, c), dtype)

    def retr(self, x: Tensor, u: Tensor) -> Tensor:
        """The retraction of the optimisers: the exponential map itself."""
        return self.expmap(x, u)

    # ------------------------------------------------------------------------------------------ transport
    def transp(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Parallel transport of v from x to y along the geodesic between them."""
        dtype, c, (x, y, v) = self._enter(x, y, v)
        return self._transp(x, y, v, c).to(dtype)

    def transp0(self, y: Tensor, v: Tensor) -> Tensor:
        """Parallel transport of v from the origin to y."""
        dtype, c, (y, v) = self._enter(y, v)
        return self._transp(self._origin(y, c), y, v, c).to(dtype)

    def expmap_transp(self, x: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """``y = expmap(x, u)`` and v transported from x to y."""
        y = self.expmap(x, u)
        return y, self.transp(x, y, v)

    def retr_transp(self, x: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """``y = retr(x, u)`` and v transported from x to y."""
        return self.expmap_transp(x, u, v)

    def transp_follow_retr(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """v transported from x to ``retr(x, u)``."""
        return self.expmap_transp(x, u, v)[1]

    def transp_follow_expmap(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """v transported from x to ``expmap(x, u)``."""
        return self.expmap_transp(x, u, v)[1]

    # ------------------------------------------------------------------------------------------ metric
    def inner(self, x: Tensor, u: Tensor, v: Tensor | None = None, *, keepdim: bool = False) -> Tensor:
        """Riemannian inner product of tangent vectors u and v (v = u when left out) at x ``-> (...)``."""
        dtype, c, (x, u, w) = self._enter(x, u, u if v is None else v)
        return self._leave(self._inner(x, u, w, c), dtype, keepdim)

    def norm(self, x: Tensor, u: Tensor, *, keepdim: bool = False) -> Tensor:
        """Riemannian norm of u at x ``-> (...)``, with gradient 0 at u = 0."""
        dtype, c, (x, u) = self._enter(x, u)
        return self._leave(special.norm(self._frame(x, u, c)), dtype, keepdim)

    def egrad2rgrad(self, x: Tensor, u: Tensor) -> Tensor:
        """The Riemannian gradient at x from the gradient u that autograd gives."""
        dtype, c, (x, u) = self._enter(x, u)
        return self._egrad2rgrad(x, u, c).to(dtype)

    @abstractmethod
    def projx(self, x: Tensor) -> Tensor:
        """The point itself where it is valid, else one on the manifold (each class says which)."""

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        """u as a tangent vector at x: every vector is one, so u (broadcast against x)."""
        return u.expand(torch.broadcast_shapes(x.shape, u.shape))

    # ------------------------------------------------------------------------------------------ checks
    # geoopt's public check_point_on_manifold and check_vector_on_tangent (explain=True for the reason) call these
    def _check_point_on_manifold(self, x: Tensor, *, atol: float = 1e-5, rtol: float = 1e-5) -> tuple[bool, str | None]:
        _, c, (x,) = self._enter(x)
        reason = self._why_not_point(x, c, atol, rtol)
        return reason is None, reason

    def _check_vector_on_tangent(
        self, x: Tensor, u: Tensor, *, atol: float = 1e-5, rtol: float = 1e-5
    ) -> tuple[bool, str | None]:
        _, c, (x, u) = self._enter(x, u)
        reason = self._why_not_tangent(x, u, c, atol, rtol)
        return reason is None, reason

    # ------------------------------------------------------------------------------------------ points
    def origin(self, *size: Any, dtype: torch.dtype | None = None, device: Any = None, seed: int | None = 42) -> Tensor:
        """The origin, repeated to ``size`` (last axis: coordinates).  ``seed`` is geoopt's and has no effect."""
        like = torch.empty(*size, dtype=dtype, device=device)
        out, c, (work,) = self._enter(like)
        return self._origin(work, c).detach().expand(work.shape).to(out, copy=True)

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

        ``mean`` defaults to the origin; differentiable in mean, std and curvature by reparametrisation (Nagano et al.,
        "A Wrapped Normal Distribution on Hyperbolic Space", 2019).
        """
        like = torch.empty(*size, dtype=dtype if mean is None else dtype or mean.dtype, device=device)
        out, c, (work,) = self._enter(like)
        m = self._origin(work, c) if mean is None else mean.to(work)
        shape = (*work.shape[:-1], work.shape[-1] - self._extra)
        a = torch.randn(shape, dtype=work.dtype, device=work.device, generator=generator)
        a = a * torch.as_tensor(std, dtype=work.dtype, device=work.device)
        return self._land(self._expmap(m, self._unframe(m, a, c), c), out)

    def random(
        self,
        *size: Any,
        dtype: torch.dtype | None = None,
        device: Any = None,
        generator: torch.Generator | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Random points: :meth:`random_normal`, without gradients."""
        with torch.no_grad():
            return self.random_normal(*size, dtype=dtype, device=device, generator=generator, **kwargs)

    # ------------------------------------------------------------------------------------------ planes, horospheres
    def hyperplane_dist(self, x: Tensor, p: Tensor, a: Tensor, *, keepdim: bool = False) -> Tensor:
        """Signed distance from x to the geodesic hyperplane through p with normal a, a tangent vector at p.

        Positive on the side a points to; only the direction of a matters, and a = 0 gives 0.
        ``sinh(sqrt(c) dist) = sqrt(c) <x seen from p, a/|a|>`` (Ganea et al., "Hyperbolic Neural Networks", 2018,
        theorem 5, in hyperboloid coordinates).
        """
        dtype, c, (x, p, a) = self._enter(x, p, a)
        n = self._frame(p, a, c)
        size = special.norm(n)
        h = special.dot(self._seen(p, x, c), n / torch.where(size > 0, size, 1.0))
        return self._leave(h if self._flat else special.asinh(c.sqrt() * h) / c.sqrt(), dtype, keepdim)

    def busemann(self, x: Tensor, direction: Tensor, *, keepdim: bool = False) -> Tensor:
        """Busemann function of the ideal point that the unit vector ``direction (..., d)`` at the origin points to.

        lim_t dist(x, gamma(t)) - t along the unit-speed geodesic gamma from the origin: 0 at the origin, decreasing
        towards the ideal point (Bridson and Haefliger, II.8.17).  ``direction`` is a Euclidean unit vector in every
        model (no time coordinate on the hyperboloid); the caller normalises it.
        """
        dtype, c, (x, direction) = self._enter(x, direction)
        return self._leave(self._busemann(x, direction, c), dtype, keepdim)

    # ------------------------------------------------------------------------------------------ means
    def midpoint(self, x: Tensor, weights: Tensor | None = None, dim: int = -2) -> Tensor:
        """Weighted midpoint over the axis ``dim``: closed form, equivariant under isometries, not the Fréchet mean.

        The normalised weighted sum of the points on the hyperboloid (Ungar's gyromidpoint in the ball; Law et al.,
        "Lorentzian Distance Learning", 2019).  Two points of equal weight give the middle of the geodesic.
        ``weights`` has the shape of x without its last axis (or broadcasts against it), non-negative with a positive
        sum; equal when left out.
        """
        dtype, c, x, w = self._set(x, weights, dim)
        return self._land(self._midpoint(x, w, c), dtype)

    def frechet_mean(self, x: Tensor, weights: Tensor | None = None, dim: int = -2) -> Tensor:
        """Weighted Fréchet mean over the axis ``dim``: the minimiser of ``sum_i w_i dist(m, x_i)^2``.

        Newton's method on the tangent space with the exact Hessian, halving steps that do not reduce the gradient;
        it starts at :meth:`midpoint` and has no tuning parameters.  Differentiable once, in points, weights and
        curvature, through the implicit function theorem: the last Newton step is taken with gradients, its Hessian
        held constant, at the converged point (Lou et al., "Differentiating through the Fréchet Mean", 2020,
        theorem 3.1).  Warns with :class:`ConvergenceWarning` when a set has not converged; ``weights`` as in
        :meth:`midpoint`.
        """
        dtype, c, x, w = self._set(x, weights, dim)
        cx = c if c.dim() == 0 else c.unsqueeze(-2)
        with torch.no_grad():
            m = self._newton(x, w, c, cx, dtype)
            hessian = self._hessian(self._seen(m.unsqueeze(-2), x, cx), w, cx)
        y = self._seen(m.unsqueeze(-2), x, cx)
        gradient = (w.unsqueeze(-1) * y * special.arsinhc_norm(y, cx)).sum(-2)
        step = torch.linalg.solve(hessian, gradient.unsqueeze(-1)).squeeze(-1)
        return self._land(self._expmap(m, self._unframe(m, step, c), c), dtype)

    def _set(self, x: Tensor, weights: Tensor | None, dim: int) -> tuple[torch.dtype, Tensor, Tensor, Tensor]:
        """Result dtype, c, points (..., n, d) and weights (..., n) that sum to 1, the axis of the set moved."""
        if not -x.dim() <= dim < x.dim() or dim % x.dim() == x.dim() - 1:
            raise ValueError(f"dim must be an axis of the points other than the last one, got {dim} for {x.dim()} axes")
        dtype, c, (x,) = self._enter(x)
        axis = dim % x.dim()
        if x.shape[axis] == 0:
            raise ValueError("a mean needs at least one point, got none")
        w = torch.ones((), dtype=x.dtype, device=x.device) if weights is None else weights.to(x.dtype)
        w = w.expand(torch.broadcast_shapes(w.shape, x.shape[:-1]))
        x = x.expand(*w.shape, x.shape[-1]).movedim(axis - x.dim(), -2)
        w = w.movedim(axis - x.dim() + 1, -1)
        total = w.sum(-1, keepdim=True)
        if bool((w < 0).any()) or not bool((total > 0).all()):
            raise ValueError("weights must be non-negative with a positive sum in every set")
        return dtype, c, x, w / total

    def _midpoint(self, x: Tensor, w: Tensor, c: Tensor) -> Tensor:
        """The normalised sum, seen from a point m near the answer: exact for any m, accurate for a near one."""
        cx = c if c.dim() == 0 else c.unsqueeze(-2)
        heavy = w.argmax(-1)[..., None, None].expand(*w.shape[:-1], 1, x.shape[-1])
        m = x.gather(-2, heavy).squeeze(-2).detach()
        for last in (False, False, False, True):
            with torch.set_grad_enabled(last and torch.is_grad_enabled()):
                y = self._seen(m.unsqueeze(-2), x, cx)
                time = (1 + cx * special.dot(y, y)).sqrt()
                w1 = w.unsqueeze(-1)
                p = (w1 * y).sum(-2) / (w1 * time).sum(-2)  # a tanh(sqrt(c) r) / sqrt(c)
                # far from the answer the gap may round to nothing: a bounded step, the next pass sees the rest
                g = special.gap(p, c).clamp_min(torch.finfo(p.dtype).eps)
                step = p * special.arsinhc(c * special.dot(p, p) / g) / g.sqrt()
                m = self._expmap(m, self._unframe(m, step, c), c)
        return m

    @staticmethod
    def _hessian(y: Tensor, w: Tensor, c: Tensor) -> Tensor:
        """Of half the weighted sum of squared distances: eigenvalue 1 along each point, t coth t across it."""
        q = special.dot(y, y)
        across = special.arsinhc(c * q) * (1 + c * q).sqrt()
        w1 = w.unsqueeze(-1)
        lean = (w1 * (1 - across) / torch.where(q > 0, q, 1.0)) * y
        eye = torch.eye(y.shape[-1], dtype=y.dtype, device=y.device)
        return (w1 * across).sum(-2, keepdim=True) * eye + lean.mT @ y

    def _newton(self, x: Tensor, w: Tensor, c: Tensor, cx: Tensor, dtype: torch.dtype) -> Tensor:
        unit = c.sqrt() if not self._flat else torch.ones_like(c)
        m = start = self._midpoint(x, w, c)
        step = torch.zeros_like(self._seen(m, m, c))
        size = best = torch.full_like(step[..., :1], math.inf)
        damp = torch.ones_like(size)
        done = torch.zeros_like(size, dtype=torch.bool)
        for _ in range(100):
            y = self._seen(m.unsqueeze(-2), x, cx)
            gradient = (w.unsqueeze(-1) * y * special.arsinhc_norm(y, cx)).sum(-2)
            now = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
            # the noise of a mean far from the origin is not small, but Newton's steps then no longer shrink
            done = done | (unit * now <= 4 * torch.finfo(x.dtype).eps) | ((now > best / 2) & (unit * now < 1e-4))
            if bool(done.all()):
                return m
            better = now < best
            newton = torch.linalg.solve(self._hessian(y, w, cx), gradient.unsqueeze(-1)).squeeze(-1)
            start, step = torch.where(better, m, start), torch.where(better, newton, step)
            damp = torch.where(better, (2 * damp).clamp_max(1.0), damp / 2)
            best, size = torch.where(better, now, best), now
            m = torch.where(done, m, self._expmap(start, self._unframe(start, damp * step, c), c))
        warnings.warn(
            f"frechet_mean: {int((~done).sum())} of {done.numel()} sets of {self.name} points did not converge in 100 "
            f"Newton steps (largest gradient {float((size * ~done).max()):.1e}); the last iterates are returned",
            ConvergenceWarning,
            stacklevel=3,
        )
        return m
