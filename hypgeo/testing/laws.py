"""Laws that every manifold obeys, as checks to run on ours or on one of your own.

    from hypgeo.testing import check_laws
    check_laws(MyManifold(), dim=3)

Only public verbs are used (geoopt's vocabulary plus ``random_normal``), so any manifold that has them can be tested.
Each law takes a :class:`Sample` and raises ``AssertionError`` with the law's name and its worst violation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from hypgeo.manifolds import Manifold

__all__ = ["LAWS", "Sample", "check_laws"]


@dataclass(frozen=True)
class Sample:
    """Points x, y, z and tangent vectors u, v at x, all ``(n, coordinates)``."""

    x: Tensor
    y: Tensor
    z: Tensor
    u: Tensor
    v: Tensor

    @classmethod
    def draw(
        cls,
        manifold: Manifold,
        coordinates: int,
        n: int = 16,
        spread: float = 1.0,
        dtype: torch.dtype = torch.float64,
        seed: int = 0,
    ) -> Sample:
        """Wrapped-normal points of standard deviation ``spread`` radii, and logarithms of others as tangent vectors."""
        radius = float(manifold.radius)
        std = spread * (radius if math.isfinite(radius) else 1.0)
        g = torch.Generator().manual_seed(seed)
        x, y, z, p, q = (manifold.random_normal(n, coordinates, std=std, dtype=dtype, generator=g) for _ in range(5))
        return cls(x, y, z, manifold.logmap(x, p), manifold.logmap(x, q))


def _close(law: str, a: Tensor, b: Tensor, tol: float) -> None:
    if not (bool(a.isfinite().all()) and bool(b.isfinite().all())):
        raise AssertionError(f"{law}: a value is not finite")
    scale = torch.maximum(a.detach().abs(), b.detach().abs()).amax().clamp_min(1.0)
    worst = float((a - b).detach().abs().max() / scale)
    if not worst <= tol:
        raise AssertionError(f"{law}: off by {worst:.2e}, more than {tol:.0e}")


def exp_inverts_log(m: Manifold, s: Sample, tol: float) -> None:
    """exp_x log_x y = y, log_x exp_x u = u, and |log_x y| = dist(x, y)."""
    _close("exp log = id", m.expmap(s.x, m.logmap(s.x, s.y)), s.y, tol)
    _close("log exp = id", m.logmap(s.x, m.expmap(s.x, s.u)), s.u, tol)
    _close("|log| = dist", m.norm(s.x, m.logmap(s.x, s.y)), m.dist(s.x, s.y), tol)


def zero_stays(m: Manifold, s: Sample, tol: float) -> None:
    """exp_x 0 = x, log_x x = 0 and dist(x, x) = 0, exactly; the gradient of dist(x, x) is 0."""
    if not torch.equal(m.expmap(s.x, torch.zeros_like(s.u)), s.x):
        raise AssertionError("exp_x 0 = x: not exact")
    if bool(m.logmap(s.x, s.x).count_nonzero()) or bool(m.dist(s.x, s.x).count_nonzero()):
        raise AssertionError("log_x x = 0, dist(x, x) = 0: not exact")
    x = s.x.clone().requires_grad_()
    (g,) = torch.autograd.grad(m.dist(x, s.x).sum(), x)
    if not torch.equal(g, torch.zeros_like(g)):
        raise AssertionError("gradient of dist(x, x): not 0")


def dist_is_a_metric(m: Manifold, s: Sample, tol: float) -> None:
    """Symmetry and the triangle inequality; dist2 = dist^2; pairwise_dist holds the distances."""
    d = m.dist(s.x, s.y)
    _close("dist(x, y) = dist(y, x)", d, m.dist(s.y, s.x), tol)
    slack = d - (m.dist(s.x, s.z) + m.dist(s.z, s.y))
    if bool((slack > tol * d.abs().amax().clamp_min(1.0)).any()):
        raise AssertionError(f"triangle inequality: violated by {float(slack.max()):.2e}")
    _close("dist2 = dist^2", m.dist2(s.x, s.y), d.square(), tol)
    _close("pairwise_dist", m.pairwise_dist(s.x, s.y).diagonal(), d, tol)


def transport_is_isometric(m: Manifold, s: Sample, tol: float) -> None:
    """Transport keeps inner products, is undone by the way back, and carries log_x y to -log_y x."""
    tu, tv = m.transp(s.x, s.y, s.u), m.transp(s.x, s.y, s.v)
    _close("transport keeps inner", m.inner(s.y, tu, tv), m.inner(s.x, s.u, s.v), tol)
    _close("transport there and back", m.transp(s.y, s.x, tu), s.u, tol)
    _close("transport of the velocity", m.transp(s.x, s.y, m.logmap(s.x, s.y)), -m.logmap(s.y, s.x), tol)


def isometries_keep_dist(m: Manifold, s: Sample, tol: float) -> None:
    """p -> exp_y (log_x p carried from x to y) is an isometry of a symmetric space: it keeps distances."""

    def move(p: Tensor) -> Tensor:
        x, y = s.x[:1], s.y[:1]
        return m.expmap(y, m.transp(x, y, m.logmap(x, p)))

    _close("dist is invariant", m.dist(move(s.y), move(s.z)), m.dist(s.y, s.z), tol)


def geodesics_are_straight(m: Manifold, s: Sample, tol: float) -> None:
    """dist(x, gamma(t)) = t dist(x, y), the ends are the points, and two equal weights meet in the middle."""
    d = m.dist(s.x, s.y)
    for t in (0.25, 0.5, 0.875):
        p = m.geodesic(t, s.x, s.y)
        _close("dist(x, gamma(t)) = t dist", m.dist(s.x, p), t * d, tol)
        _close("dist(gamma(t), y) = (1 - t) dist", m.dist(p, s.y), (1 - t) * d, tol)
    pair = torch.stack((s.x, s.y), -2)
    for mean in (m.midpoint(pair), m.frechet_mean(pair)):
        _close("the mean of two points is their middle", m.dist(mean, m.geodesic(0.5, s.x, s.y)), 0 * d, tol)


def gradients_point_away(m: Manifold, s: Sample, tol: float) -> None:
    """The Riemannian gradient of dist(., y) at x is -log_x(y) / dist(x, y)."""
    x = s.x.clone().requires_grad_()
    d = m.dist(x, s.y)
    (g,) = torch.autograd.grad(d.sum(), x)
    away = -m.logmap(s.x, s.y) / d.detach().unsqueeze(-1)
    _close("gradient of dist", m.egrad2rgrad(s.x, g), away, tol)


def derivatives_match(m: Manifold, s: Sample, tol: float) -> None:
    """First derivatives of expmap, logmap, transp and dist2 agree with differences (float64 only)."""
    if s.x.dtype != torch.float64:
        return
    x, y, u = (t[:3].clone().requires_grad_() for t in (s.x, s.y, s.u))
    checks: list[tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = [
        (m.expmap, (x, u)),
        (m.logmap, (x, y)),
        (m.transp, (x, y, u)),
        (m.dist2, (x, y)),
    ]
    for f, args in checks:
        if not torch.autograd.gradcheck(f, args, atol=1e-6, rtol=1e-4, raise_exception=False):
            raise AssertionError(f"derivatives: {f.__name__} disagrees with finite differences")


def stays_on_the_manifold(m: Manifold, s: Sample, tol: float) -> None:
    """Maps that return points or tangent vectors return valid ones."""
    y, tv = m.retr_transp(s.x, s.u, s.v)
    for p in (s.x, y, m.geodesic(0.3, s.x, s.y), m.projx(s.x)):
        ok, reason = m.check_point_on_manifold(p, explain=True)
        if not ok:
            raise AssertionError(f"off the manifold: {reason}")
    for p, v in ((s.x, s.u), (y, tv), (s.x, m.proju(s.x, s.u)), (s.x, m.egrad2rgrad(s.x, s.u))):
        ok, reason = m.check_vector_on_tangent(p, v, explain=True)
        if not ok:
            raise AssertionError(f"not tangent: {reason}")


LAWS: tuple[Callable[[Manifold, Sample, float], None], ...] = (
    exp_inverts_log,
    zero_stays,
    dist_is_a_metric,
    transport_is_isometric,
    isometries_keep_dist,
    geodesics_are_straight,
    gradients_point_away,
    derivatives_match,
    stays_on_the_manifold,
)


def check_laws(
    manifold: Manifold,
    coordinates: int,
    *,
    dtype: torch.dtype = torch.float64,
    spread: float = 1.0,
    tol: float | None = None,
    laws: Iterable[Callable[[Manifold, Sample, float], None]] = LAWS,
    seed: int = 0,
) -> None:
    """Run the laws on random points with ``coordinates`` numbers each; the first violated one raises AssertionError.

    ``tol`` is relative to the largest number compared (at least 1); its default, 1e5 units of rounding, suits points
    within a few radii of the origin.
    """
    tol = 1e5 * torch.finfo(dtype).eps if tol is None else tol
    sample = Sample.draw(manifold, coordinates, spread=spread, dtype=dtype, seed=seed)
    for law in laws:
        law(manifold, sample, tol)
