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

from hypgeo.ops import convert, mean, pairwise, special
from hypgeo.ops.mean import ConvergenceWarning

__all__ = ["ConvergenceWarning", "Manifold"]

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _number(value: Tensor, keepdim: bool) -> Tensor:
    """What an op gives for each row, with an axis of 1 for the coordinates where that is asked for."""
    return value.unsqueeze(-1) if keepdim else value


def _per_row(t: Tensor | float) -> Tensor | float:
    """A number, or one a row ``(..., 1)``, as the ops take it: ``(...)``."""
    if not isinstance(t, Tensor) or t.dim() == 0:
        return t
    if t.shape[-1] != 1:
        raise ValueError(f"one number a row needs a last axis of 1, got {tuple(t.shape)}; add it by .unsqueeze(-1)")
    return t.squeeze(-1)


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
    bounds : (float, float), optional
        The least and the greatest K that learning may reach, with K0 strictly between them: near a bound a step of
        ``log_scale`` moves K less, by arctan, so that K does not arrive and its gradient does not vanish.
    """

    ndim = 1
    reversible = True
    _flat = False  # Euclidean: K = 0
    _extra = 0  # coordinates beyond the dimension: the hyperboloid's time
    K0: Tensor
    log_scale: nn.Parameter | None

    def __init__(
        self,
        curvature: float | Tensor = -1.0,
        learnable: bool = False,
        bounds: tuple[float, float] | None = None,
    ) -> None:
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
        self.bounds = bounds
        if bounds is None:
            return
        if not learnable:
            raise ValueError(f"{self.name}: bounds = {bounds} limit a curvature that is learnt; add learnable=True")
        low, high = bounds
        if not (low < high < 0 and bool((low < k).all()) and bool((k < high).all())):
            raise ValueError(
                f"{self.name}: bounds must be (least, greatest) curvature, both negative, with {curvature!r} strictly "
                f"between them, got {bounds}"
            )

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
    def flat(self) -> bool:
        """Whether this is Euclidean space."""
        return self._flat

    @property
    def curvature(self) -> Tensor:
        """Sectional curvature K, signed (a tensor; differentiable when learnable)."""
        if self.log_scale is None:
            return self.K0
        t: Tensor = self.log_scale
        if self.bounds is not None:
            room = torch.where(t > 0, (self.bounds[0] / self.K0).log(), (self.K0 / self.bounds[1]).log())
            room = 2 / math.pi * room
            t = room * torch.atan(t / room)
        return self.K0 * t.exp()

    @property
    def c(self) -> Tensor:
        """-K."""
        if torch.compiler.is_compiling():
            return -self.curvature
        inside = self.__dict__  # every call of every verb asks, and nn.Module looks its attributes up slowly
        k = inside["_buffers"].get("K0")
        if k is None or k.requires_grad or inside.get("log_scale", k) is not None:
            return -self.curvature
        kept = inside.get("_kept_c")
        if kept is None or kept[0] is not k or kept[1] != k._version:
            kept = inside["_kept_c"] = (k, k._version, -k)
        return kept[2]

    @property
    def radius(self) -> Tensor:
        """1 / sqrt|K|, the unit of length (inf for flat space)."""
        return self.curvature.abs().rsqrt()

    def extra_repr(self) -> str:
        k = self.curvature.detach()
        text = f"{k.item():g}" if k.numel() == 1 else f"tensor of shape {tuple(k.shape)}"
        return (
            f"curvature={text}"
            + (", learnable" if self.log_scale is not None else "")
            + (f" within {self.bounds}" if self.bounds is not None else "")
        )

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
        """All distances between two sets ``(..., n, d), (..., m, d) -> (..., n, m)``, one curvature a pair of sets.

        Nothing larger than the distances is formed, in the backward pass neither; equal points are 0 apart, with
        gradient 0.
        """
        if self.name in pairwise.MODELS:
            return pairwise.dist(self.name, x, y, self.c)
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

    def ambient_dim(self, dim: int) -> int:
        """How many coordinates a point of dimension ``dim`` has: one more on the hyperboloid, elsewhere as many."""
        return dim + self._extra

    def normal_coordinates(self, x: Tensor) -> Tensor:
        """Normal coordinates of points at the origin ``(..., width) -> (..., d)``: direction, and distance as length.

        The components of ``logmap0(x)`` in an orthonormal frame, alike in every model: isometries between the models
        keep them.  Euclidean space: x itself.  Compiled, normal and spatial coordinates and the points made from them
        are within 4 ulp normwise (heights of the half-space: of themselves).
        """
        dtype, c, (x,) = self._enter(x)
        o = self._origin(x, c)
        return self._frame(o, self._logmap(o, x, c), c).to(dtype)

    def from_normal_coordinates(self, a: Tensor) -> Tensor:
        """The points with normal coordinates a at the origin ``(..., d) -> (..., width)``.

        Where a is longer than the dtype has points for, the point of that direction far out, with a finite gradient.
        """
        dtype, c, (a,) = self._enter(a)
        o = self._origin(a.new_zeros(*a.shape[:-1], self.ambient_dim(a.shape[-1])), c)
        return self._land(self._expmap(o, self._unframe(o, a, c), c), dtype)

    def _within_reach(self, a: Tensor, spare: float) -> Tensor:
        """Normal coordinates shortened to what the dtype has points for, so that no derivative overflows beyond."""
        c = self.c.to(a.device, a.dtype)
        c = c if c.dim() == 0 else c.unsqueeze(-1)
        reach = -math.log(torch.finfo(a.dtype).tiny) - spare + 0.5 * c.log().clamp_max(0)
        length = c.sqrt() * special.norm(a)
        return torch.where(length > reach, a * (reach / torch.where(length > reach, length, 1.0)), a)

    def spatial_coordinates(self, x: Tensor) -> Tensor:
        """The spatial coordinates that points have on the hyperboloid ``(..., width) -> (..., d)``: sinh(sqrt(c) r)
        / sqrt(c) in their direction, r the distance from the origin.  Euclidean space: x itself."""
        dtype, c, (x,) = self._enter(x)
        return self._seen(self._origin(x, c), x, c).to(dtype)

    def from_plane_distances(self, v: Tensor) -> Tensor:
        """The points with signed distances v ``(..., d)`` to the coordinate hyperplanes through the origin.

        ``-> (..., width)``: spatial coordinates ``sinh(sqrt(c) v) / sqrt(c)`` (Shimizu et al., "Hyperbolic Neural
        Networks++", 2021, equation 7); in Euclidean space v itself.  Where a coordinate has no float, the point is far
        out.  Compiled, within 4 ulp normwise in float32, in float64 one more for each unit of the normalised distance.
        """
        dtype, c, (v,) = self._enter(v)
        top = math.log(torch.finfo(v.dtype).max) - 1
        s = torch.sinh((c.sqrt() * v).clamp(-top, top)) / c.sqrt()
        return self._land(self.from_spatial_coordinates(s), dtype)

    def from_spatial_coordinates(self, s: Tensor) -> Tensor:
        """The points with spatial coordinates s on the hyperboloid ``(..., d) -> (..., width)``."""
        dtype, c, (s,) = self._enter(s)
        o = self._origin(s.new_zeros(*s.shape[:-1], self.ambient_dim(s.shape[-1])), c)
        return self._land(self._expmap(o, self._unframe(o, s * special.arsinhc_norm(s, c), c), c), dtype)

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

    # ------------------------------------------------------------------------------------------ gyrovector space
    def mobius_add(self, x: Tensor, y: Tensor) -> Tensor:
        """exp_x of log_0(y) carried from the origin to x; in Euclidean space x + y."""
        return self.expmap(x, self.transp0(x, self.logmap0(y)))

    def normal_translate(self, a: Tensor, b: Tensor) -> Tensor:
        """Möbius addition in normal coordinates, ``log_0(exp_0(a) ⊕ exp_0(b))``; in flat space a + b."""
        return a + b if self.flat else convert.normal_translate(a, b, self.c)

    def mobius_matvec(self, m: Tensor, x: Tensor) -> Tensor:
        """exp_0(m log_0(x)) for a matrix m ``(..., k, d)`` on normal coordinates; in Euclidean space m x."""
        a = self.normal_coordinates(x)
        return self.from_normal_coordinates(a @ m.mT if m.dim() == 2 else (m @ a.unsqueeze(-1)).squeeze(-1))

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

    def certainly_holds(self, x: Tensor) -> bool:
        """Whether finite rows are points for sure, by one quick pass; false says nothing."""
        return False

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
    def midpoint(
        self,
        x: Tensor,
        weights: Tensor | None = None,
        dim: int = -2,
        *,
        index: Tensor | None = None,
        dim_size: int | None = None,
    ) -> Tensor:
        """Weighted midpoint of sets of points: closed form, equivariant under isometries, not the Fréchet mean.

        The normalised weighted sum of the points on the hyperboloid (Ungar's gyromidpoint in the ball; Law et al.,
        "Lorentzian Distance Learning", 2019).  Two points of equal weight give the middle of the geodesic.
        Arguments, accuracy and derivatives are those of :meth:`frechet_mean`.
        """
        return self._mean("midpoint", x, weights, dim, index, dim_size)

    def frechet_mean(
        self,
        x: Tensor,
        weights: Tensor | None = None,
        dim: int = -2,
        *,
        index: Tensor | None = None,
        dim_size: int | None = None,
    ) -> Tensor:
        """Weighted Fréchet mean of sets of points: the minimiser of ``sum_i w_i dist(m, x_i)^2``.

        The sets lie along the axis ``dim``; or, for sets of different sizes, ``x (N, d)`` holds all points and
        ``index (N,)``, in any order, the set of each, ``-> (dim_size, d)``; dim_size is 1 + the largest index when left
        out.  A set without points gives the origin.  ``weights`` has the shape of x without its last axis (or
        broadcasts against it), non-negative with a positive sum in every set that has points; equal when left out.

        Newton's method with the exact Hessian, halving steps that do not reduce the gradient: it starts at the
        midpoint, converges from anywhere and has no tuning parameters.  Warns with :class:`ConvergenceWarning` when a
        set has not converged.  Compiled, the result is within 1.1 ulp normwise of the exact mean of the given floats
        (found in twofold sums): anywhere in the ball; on the hyperboloid where the mean, not the points, lies within
        normalised radius 50 of the origin in float32 and 30 in float64; in the half-space within 60.  Twofold sums do
        not place a mean farther out: it is warned of, and a point of the set may stand in.

        Twice differentiable in points, weights and curvature, by the implicit function theorem (Lou et al.,
        "Differentiating through the Fréchet Mean", 2020, theorem 3.1); first derivatives are within 16 ulp normwise.
        Under ``torch.func`` differentiable once.
        """
        return self._mean("frechet", x, weights, dim, index, dim_size)

    def _mean(
        self, kind: str, x: Tensor, weights: Tensor | None, dim: int, index: Tensor | None, dim_size: int | None
    ) -> Tensor:
        if not isinstance(x, Tensor) or x.dtype not in _FLOATS or x.dim() == 0:
            self._enter(x)  # refuses it
        dtype, shape, device = x.dtype, x.shape, x.device
        wide = torch.float64 if device.type != "mps" else torch.float32
        w = None if weights is None else weights.to(device, wide)
        if index is not None:
            index, sets = _index(index, dim_size, x)
            w = None if w is None else w.expand(shape[:-1]).contiguous()
            batch = torch.Size((sets,))
        else:
            if dim_size is not None:
                raise ValueError(f"dim_size = {dim_size} says how many sets an index tells apart; give the index too")
            if not -x.dim() <= dim < x.dim() or dim % x.dim() == x.dim() - 1:
                raise ValueError(
                    f"dim must be an axis of the points other than the last one, got {dim} for {x.dim()} axes"
                )
            back = dim % x.dim() - x.dim()
            if shape[back] == 0:
                raise ValueError("a mean needs at least one point, got none")
            if w is not None and w.shape != shape[:-1]:
                w = w.expand(torch.broadcast_shapes(w.shape, shape[:-1]))
                x = x.expand(*w.shape, shape[-1])
            if back != -2:
                x = x.movedim(back, -2)
                w = w if w is None else w.movedim(back + 1, -1)
            w = w if w is None else w.reshape(-1)
            batch = x.shape[:-2]
            sets = batch.numel()
            x = x if len(batch) == 0 else x.reshape(-1, shape[-1])
        c = self.c
        if c.dtype is not wide or c.device != device:
            c = c.to(device, wide)
        if c.dim():
            c = c.reshape(()) if c.numel() == 1 else c.expand(batch).reshape(-1)

        def body(x: Tensor, w: Tensor | None, c: Tensor, m: Tensor | None = None) -> Tensor:
            return self._mean_body(kind, _Sets(x.to(wide), w, c, index, sets), m if m is None else m.to(wide))

        if device.type in mean.devices and self.name in mean.MODELS:
            out = mean.mean(
                x if dtype in (torch.float32, torch.float64) else x.float(), w, index, sets, c, self.name, kind, body
            )
            out = out if out.dtype is dtype else self._land(out, dtype)
        else:
            out = self._land(body(x, w, c), dtype)
        return out if len(batch) == 1 else out.reshape(*batch, shape[-1])

    # the plain algorithm: where there is no compiled one, for flat space, and for second derivatives
    def _mean_body(self, kind: str, s: _Sets, m: Tensor | None) -> Tensor:
        """The mean of each set; given it as m, the same as a twice differentiable function of what s holds."""
        if kind == "midpoint":
            return self._midpoint(s)
        with torch.no_grad():
            m = self._newton(s) if m is None else m
            hessian = self._hessian(s, self._seen(s.spread(m), s.x, s.cx))
        # chord steps from the mean, whose value they do not change: each gives one more derivative
        for _ in range(2):
            y = self._seen(s.spread(m), s.x, s.cx)
            gradient = s.total(s.w * y * special.arsinhc_norm(y, s.cx))
            step = torch.linalg.solve(hessian, gradient.unsqueeze(-1)).squeeze(-1)
            m = self._expmap(m, self._unframe(m, step, s.c), s.c)
        return m

    def _midpoint(self, s: _Sets) -> Tensor:
        """The normalised sum, seen from a point m near the answer: exact for any m, accurate for a near one."""
        m = s.heaviest(self._origin(s.x, s.c)).detach()
        for last in (False, False, False, True):
            with torch.set_grad_enabled(last and torch.is_grad_enabled()):
                y = self._seen(s.spread(m), s.x, s.cx)
                time = (1 + s.cx * special.dot(y, y)).sqrt()
                p = s.total(s.w * y) / (s.total(s.w * time) + s.empty)  # a tanh(sqrt(c) r) / sqrt(c)
                # far from the answer the gap may round to nothing: a bounded step, the next pass sees the rest
                g = special.gap(p, s.c).clamp_min(torch.finfo(p.dtype).eps)
                step = p * special.arsinhc(s.c * special.dot(p, p) / g) / g.sqrt()
                m = self._expmap(m, self._unframe(m, step, s.c), s.c)
        return m

    @staticmethod
    def _hessian(s: _Sets, y: Tensor) -> Tensor:
        """Of half the weighted sum of squared distances: eigenvalue 1 along each point, t coth t across it."""
        q = special.dot(y, y)
        across = special.arsinhc(s.cx * q) * (1 + s.cx * q).sqrt()
        lean = (s.w * (1 - across) / torch.where(q > 0, q, 1.0)) * y
        eye = torch.eye(y.shape[-1], dtype=y.dtype, device=y.device)
        return (s.total(s.w * across) + s.empty).unsqueeze(-1) * eye + s.outer(lean, y)

    def _newton(self, s: _Sets) -> Tensor:
        unit = s.c.sqrt() if not self._flat else torch.ones_like(s.c)
        m = start = self._midpoint(s)
        step = torch.zeros_like(self._seen(m, m, s.c))
        size = best = torch.full_like(step[..., :1], math.inf)
        damp = torch.ones_like(size)
        done = torch.zeros_like(size, dtype=torch.bool)
        for _ in range(100):
            y = self._seen(s.spread(m), s.x, s.cx)
            gradient = s.total(s.w * y * special.arsinhc_norm(y, s.cx))
            now = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
            # the noise of a mean far from the origin is not small, but Newton's steps then no longer shrink
            done = done | (unit * now <= 4 * torch.finfo(y.dtype).eps) | ((now > best / 2) & (unit * now < 1e-4))
            if bool(done.all()):
                return m
            better = now < best
            newton = torch.linalg.solve(self._hessian(s, y), gradient.unsqueeze(-1)).squeeze(-1)
            start, step = torch.where(better, m, start), torch.where(better, newton, step)
            damp = torch.where(better, (2 * damp).clamp_max(1.0), damp / 2)
            best, size = torch.where(better, now, best), now
            m = torch.where(done, m, self._expmap(start, self._unframe(start, damp * step, s.c), s.c))
        warnings.warn(
            f"frechet_mean: {int((~done).sum())} of {done.numel()} sets of {self.name} points did not converge in 100 "
            f"Newton steps (largest gradient {float((size * ~done).max()):.1e}); the last iterates are returned",
            ConvergenceWarning,
            stacklevel=5,
        )
        return m


def _index(index: Tensor, dim_size: int | None, x: Tensor) -> tuple[Tensor, int]:
    """The set of each row, checked, and the number of sets."""
    if index.is_floating_point() or index.dtype is torch.bool:
        raise TypeError(f"index holds the number of each point's set and must be an integer tensor, got {index.dtype}")
    if x.dim() != 2 or index.shape != x.shape[:1]:
        raise ValueError(
            f"with an index the points are (N, d) and the index (N,), got {tuple(x.shape)} and {tuple(index.shape)}"
        )
    index = index.to(x.device, torch.int64).contiguous()
    if dim_size is not None and torch.compiler.is_compiling():  # which cannot look at values
        return index, dim_size
    most = int(index.max()) + 1 if len(index) else 0
    size = most if dim_size is None else dim_size
    if most > size or (len(index) and int(index.min()) < 0):
        raise ValueError(f"index must lie in 0 ... {size - 1} (dim_size - 1), got {int(index.min())} ... {most - 1}")
    return index, size


class _Sets:
    """Points (rows, width) in sets: equally many one after the other, or told apart by an index."""

    def __init__(self, x: Tensor, w: Tensor | None, c: Tensor, index: Tensor | None, size: int) -> None:
        self.index, self.size = index, size
        self.x = x if index is not None else x.reshape(size, -1, x.shape[-1])
        w = torch.ones_like(x[:, :1]) if w is None else w.to(x.dtype).unsqueeze(-1)
        w = w if index is not None else w.reshape(size, -1, 1)
        total = self.total(w)
        filled = self.total(torch.ones_like(w)) > 0
        if bool((w < 0).any()) or not bool((total > 0)[filled].all()):
            raise ValueError("weights must be non-negative with a positive sum in every set")
        self.w = w / self.spread(torch.where(filled, total, 1.0))
        self.empty = (~filled).to(x.dtype)  # 1 where there is no point
        self.c = c if c.dim() == 0 else c.unsqueeze(-1)
        self.cx = c if c.dim() == 0 else self.spread(self.c)

    def spread(self, t: Tensor) -> Tensor:
        """What a set has, for each of its points."""
        return t.unsqueeze(-2) if self.index is None else t[self.index]

    def total(self, t: Tensor) -> Tensor:
        """The sum of what a set's points have."""
        return t.sum(-2) if self.index is None else t.new_zeros(self.size, *t.shape[1:]).index_add(0, self.index, t)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        """The sum of a b' over a set's points."""
        return a.mT @ b if self.index is None else self.total(a.unsqueeze(-1) * b.unsqueeze(-2))

    def heaviest(self, origin: Tensor) -> Tensor:
        """A point of the largest weight in each set; the origin where there is none."""
        if self.index is None:
            return self.x.gather(-2, self.w.argmax(-2, keepdim=True).expand(-1, 1, self.x.shape[-1])).squeeze(-2)
        w, index = self.w.detach(), self.index.unsqueeze(-1)
        most = w.new_zeros(self.size, 1).scatter_reduce(0, index, w, "amax", include_self=False)
        chosen = (w == self.spread(most)).squeeze(-1)
        return origin.expand(self.size, -1).clone().index_copy(0, self.index[chosen], self.x[chosen])
