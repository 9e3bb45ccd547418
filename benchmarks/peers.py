"""The implementations that benchmarks compare: ours, geoopt, HypLL, and the formulas as papers print them.

    python benchmarks/peers.py     which of them are installed here

A peer is a class with ``name``, ``model`` (our class for the same space), ``__init__(c, dtype)`` and whatever it has of
our verbs, by our names and in our layouts.  Peers run with their public interface and default settings.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import hypgeo


class Ours:
    """hypgeo, in any model."""

    name = "hypgeo"

    def __init__(self, model: str, c: float, dtype: torch.dtype) -> None:
        self.model = model
        self.manifold = getattr(hypgeo, model)(curvature=-float(torch.tensor(c, dtype=dtype)))

    def __getattr__(self, verb: str) -> Any:
        return getattr(self.manifold, verb)


class _Geoopt:
    """Its own manifold does most by our names; a manifold of its own kind is what its optimisers step on."""

    name = "geoopt"
    verbs: tuple[str, ...] = ()

    def __getattr__(self, verb: str) -> Any:
        if verb.startswith("_") or verb not in self.verbs:
            raise AttributeError(verb)
        return getattr(self.manifold, verb)

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        """No pairwise op: broadcasting is what its users write."""
        return self.manifold.dist(x.unsqueeze(-2), y.unsqueeze(-3))


class GeooptBall(_Geoopt):
    model = "PoincareBall"
    verbs = ("dist", "dist2", "dist0", "expmap", "logmap", "expmap0", "logmap0", "transp", "transp0", "mobius_add")
    verbs += ("mobius_scalar_mul", "mobius_matvec", "gyration", "geodesic", "norm", "egrad2rgrad")

    def __init__(self, c: float, dtype: torch.dtype) -> None:
        import geoopt

        self.manifold = geoopt.PoincareBall(c=torch.tensor(c, dtype=dtype))

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Without keepdim its result has one axis too many."""
        return self.manifold.inner(x, u, v, keepdim=True).squeeze(-1)

    def midpoint(self, x: Tensor, w: Tensor) -> Tensor:
        return self.manifold.weighted_midpoint(x, w, reducedim=[x.dim() - 2])


class GeooptLorentz(_Geoopt):
    model = "Lorentz"
    verbs = ("dist", "dist0", "expmap", "logmap", "expmap0", "logmap0", "transp", "transp0", "geodesic", "inner")
    verbs += ("egrad2rgrad",)

    def __init__(self, c: float, dtype: torch.dtype) -> None:
        import geoopt

        self.manifold = geoopt.Lorentz(k=torch.tensor(1 / c, dtype=dtype))

    def norm(self, x: Tensor, u: Tensor) -> Tensor:
        return self.manifold.norm(u)


class HypllBall:
    name, model = "HypLL", "PoincareBall"
    timed_only = ("frechet_mean",)

    def __init__(self, c: float, dtype: torch.dtype) -> None:
        from hypll.manifolds.poincare_ball import Curvature, PoincareBall
        from hypll.tensors import ManifoldTensor, TangentTensor

        # it stores c in float32 whatever the data is; a careful user puts the exact value in
        curvature = Curvature(value=c, constraining_strategy=lambda t: t)
        curvature.value.data = torch.tensor(c, dtype=dtype)
        self.m, self._point, self._tangent = PoincareBall(c=curvature), ManifoldTensor, TangentTensor

    def _p(self, x: Tensor) -> Any:
        return self._point(data=x, manifold=self.m)

    def _v(self, v: Tensor, x: Tensor | None) -> Any:
        return self._tangent(data=v, manifold_points=None if x is None else self._p(x), manifold=self.m)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        return self.m.dist(self._p(x), self._p(y))

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        return self.m.cdist(self._p(x.unsqueeze(0)), self._p(y.unsqueeze(0)))[0]

    def expmap(self, x: Tensor, v: Tensor) -> Tensor:
        return self.m.expmap(self._v(v, x)).tensor

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        return self.m.logmap(self._p(x), self._p(y)).tensor

    def mobius_add(self, x: Tensor, y: Tensor) -> Tensor:
        return self.m.mobius_add(self._p(x), self._p(y)).tensor

    def transp(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        return self.m.transp(self._v(v, x), self._p(y)).tensor

    def expmap0(self, v: Tensor) -> Tensor:
        return self.m.expmap(self._v(v, None)).tensor

    def logmap0(self, y: Tensor) -> Tensor:
        return self.m.logmap(None, self._p(y)).tensor

    def frechet_mean(self, x: Tensor, w: Tensor) -> Tensor:
        """Its mean takes no weights."""
        return self.m.frechet_mean(self._p(x), batch_dim=x.dim() - 2).tensor


class TextbookBall:
    """The formulas as papers print them, without clamps."""

    name, model = "textbook", "PoincareBall"

    def __init__(self, c: float, dtype: torch.dtype) -> None:
        self.c, self.s = c, math.sqrt(c)

    def _gap(self, x: Tensor) -> Tensor:
        return 1 - self.c * (x * x).sum(-1, keepdim=True)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        q = ((x - y) ** 2).sum(-1, keepdim=True)
        return torch.acosh(1 + 2 * self.c * q / (self._gap(x) * self._gap(y))).squeeze(-1) / self.s

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Squared distances through one matrix product, the usual quick way."""
        q = ((x * x).sum(-1)[:, None] + (y * y).sum(-1)[None] - 2 * (x @ y.T)).clamp_min(0)
        return torch.acosh(1 + 2 * self.c * q / (self._gap(x) * self._gap(y).T)) / self.s

    def mobius_add(self, x: Tensor, y: Tensor) -> Tensor:
        xx, yy, xy = ((a * b).sum(-1, keepdim=True) for a, b in ((x, x), (y, y), (x, y)))
        c = self.c
        return ((1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y) / (1 + 2 * c * xy + c * c * xx * yy)

    def expmap(self, x: Tensor, v: Tensor) -> Tensor:
        n = self.s * v.norm(dim=-1, keepdim=True)
        return self.mobius_add(x, torch.tanh(n / self._gap(x)) * v / n)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        z = self.mobius_add(-x, y)
        n = self.s * z.norm(dim=-1, keepdim=True)
        return self._gap(x) * torch.atanh(n) * z / n

    def transp(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """(gap y / gap x) gyr[y, -x] v, the gyration written out (Ungar 2008)."""
        c, a, b = self.c, y, -x
        aa, bb, ab, av, bv = ((p * q).sum(-1, keepdim=True) for p, q in ((a, a), (b, b), (a, b), (a, v), (b, v)))
        on_a = -c * c * av * bb + c * bv + 2 * c * c * ab * bv
        on_b = -c * c * bv * aa - c * av
        return (v + 2 * (on_a * a + on_b * b) / (1 + 2 * c * ab + c * c * aa * bb)) * self._gap(y) / self._gap(x)


class TextbookLorentz:
    """The same on the hyperboloid."""

    name, model = "textbook", "Lorentz"

    def __init__(self, c: float, dtype: torch.dtype) -> None:
        self.c, self.s = c, math.sqrt(c)

    @staticmethod
    def _inner(x: Tensor, y: Tensor) -> Tensor:
        z = x * y
        return z[..., 1:].sum(-1, keepdim=True) - z[..., :1]

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.acosh((-self.c * self._inner(x, y)).clamp_min(1)).squeeze(-1) / self.s

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        flipped = torch.cat((-y[:, :1], y[:, 1:]), -1)
        return torch.acosh((-self.c * (x @ flipped.T)).clamp_min(1)) / self.s

    def expmap(self, x: Tensor, v: Tensor) -> Tensor:
        n = self.s * self._inner(v, v).clamp_min(0).sqrt()
        return torch.cosh(n) * x + torch.sinh(n) / n * v

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        a = (-self.c * self._inner(x, y)).clamp_min(1)
        return torch.acosh(a) / (a * a - 1).sqrt() * (y - a * x)

    def transp(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        return v + self.c * self._inner(y, v) / (1 - self.c * self._inner(x, y)) * (x + y)


class TextbookHalf:
    """The same in the half-space; its exponential and logarithm are rarely printed."""

    name, model = "textbook", "HalfSpace"

    def __init__(self, c: float, dtype: torch.dtype) -> None:
        self.c, self.s = c, math.sqrt(c)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        q = ((x - y) ** 2).sum(-1)
        return torch.acosh(1 + q / (2 * x[..., -1] * y[..., -1])) / self.s

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        return self.dist(x.unsqueeze(-2), y.unsqueeze(-3))


_MADE: dict[tuple[Any, ...], Callable[..., Tensor]] = {}


class Compiled:
    """torch.compile of a textbook model: what a user gets for nothing.  Timed only; compiling is not counted."""

    name = "compiled textbook"

    def __init__(self, plain: Any) -> None:
        self.plain, self.model = plain, plain.model
        # every op goes through one lambda, of which dynamo would otherwise keep eight versions
        torch._dynamo.config.recompile_limit = 1000

    def __getattr__(self, verb: str) -> Any:
        if verb.startswith("_"):
            raise AttributeError(verb)
        # inductor builds for one number of threads, dtype and use of gradients; the number of rows stays open
        f: Callable[..., Tensor] = getattr(self.plain, verb)

        def call(*args: Tensor) -> Tensor:
            rows = [(a.dtype, a.shape[1:]) for a in args]
            key = (self.model, verb, torch.get_num_threads(), torch.is_grad_enabled(), args[0].requires_grad, *rows)
            if key not in _MADE:
                _MADE[key] = torch.compile(lambda *a: f(*a))
            for a in args:
                torch._dynamo.maybe_mark_dynamic(a, 0)
            return _MADE[key](*args)

        return call


PEERS: list[Any] = [GeooptBall, GeooptLorentz, HypllBall, TextbookBall, TextbookLorentz, TextbookHalf]


def versions() -> str:
    """What is installed of the peers, and what is missing."""
    said = []
    for package in ("geoopt", "hypll"):
        try:
            importlib.import_module(package)
            said.append(f"{package} {importlib.metadata.version(package)}")
        except ImportError:
            said.append(f"{package} is not installed and left out (pip install {package})")
    return "; ".join(said)


def make(kind: Any, c: float, dtype: torch.dtype) -> Any | None:
    """A peer, or None where its package is missing."""
    try:
        return kind(float(torch.tensor(c, dtype=dtype)), dtype)
    except ImportError:
        return None


if __name__ == "__main__":
    print(versions())
