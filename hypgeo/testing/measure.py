"""How far an op is from the truth: ulps and flags of its values and derivatives, on samples of your choice.

    draw = Draw(PoincareBall(), dim=5, dtype=torch.float32)
    args = draw.tensors("pp", [(draw.point(3.0), draw.point(14.0)) for _ in range(10)])
    found = measure(draw.manifold, Exact(draw.reference, "logmap", args), ("value", "grad"))
    max(f.ulp for f in found["value"])

Errors are normwise: |got - exact| / ulp(|exact|).  Flags: nan; inf; zero (0 for a nonzero result); sign (more than 90
degrees off); out (no point of the model, though the exact result, rounded, is one).  On the hyperboloid the gradient of
``dist`` is compared as a Riemannian gradient in ambient coordinates, all others in the d spatial ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from hypgeo import manifolds
from hypgeo.manifolds import Manifold
from hypgeo.testing.reference import OPS, Reference, Vector, error, exact, precision

__all__ = ["Exact", "Found", "at_the_end", "measure", "verb", "worst"]


@dataclass(frozen=True)
class Found:
    """The error of one result, or why it has none."""

    ulp: float
    flag: str = ""
    at: int = -1  # which sample


def worst(found: Sequence[Found]) -> Found:
    """The largest error, or the first flag."""
    return next((f for f in found if f.flag), max(found, key=lambda f: f.ulp, default=Found(0.0)))


@dataclass
class Exact:
    """An op's arguments with its exact results, computed when first asked for."""

    reference: Reference
    op: str
    args: Sequence[Tensor]
    seed: int = 0
    _values: list[Vector] | None = None
    _slopes: list[list[Vector]] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.args[0])

    def row(self, i: int) -> list[Tensor]:
        """The arguments of one sample."""
        return [a[i] for a in self.args]

    @property
    def values(self) -> list[Vector]:
        """One exact result a sample."""
        if self._values is None:
            out = [self.reference(self.op, *self.row(i)) for i in range(len(self))]
            self._values = [v if isinstance(v, list) else [v] for v in out]
        return self._values

    def seeds(self, like: Tensor) -> Tensor:
        """What flows back into the result: ones for numbers, else normal floats."""
        if OPS[self.op].out == "n":
            return torch.ones_like(like)
        g = torch.Generator().manual_seed(self.seed)
        return torch.randn(like.shape, dtype=torch.float64, generator=g).to(like.dtype)

    def slopes(self, seeds: Tensor) -> list[list[Vector]]:
        """Exact derivatives, one list a sample: by argument, then by c."""
        if self._slopes is None:
            self._slopes = [self.reference.vjp(self.op, self.row(i), seeds[i]) for i in range(len(self))]
            if self._riemannian:
                for i in range(len(self)):
                    x, y = self.row(i)
                    for k, (here, there) in enumerate(((x, y), (y, x))):
                        v = self._slopes[i][k]
                        self._slopes[i][k] = self.reference.dist_rgrad(here, there) if _finite(v) else [*v, *v[:1]]
        return self._slopes

    @property
    def _riemannian(self) -> bool:
        return self.op == "dist" and self.reference.model == "Lorentz"

    def seen(self, i: int, grads: Sequence[Tensor]) -> list[Vector]:
        """What autograd gave for one sample, in the coordinates of :meth:`slopes`."""
        if self._riemannian:
            return [self.reference.rgrad(x, g) for x, g in zip(self.row(i), grads, strict=True)]
        return self.reference.pullback(self.op, self.row(i), grads)


def _finite(v: Vector) -> bool:
    return all(u - u == 0 for u in v)


def _judge(got: Tensor, want: Vector, seen: Vector, dtype: torch.dtype) -> Found | None:
    """None where there is nothing to compare with: no exact result, or none that the dtype can hold."""
    info = torch.finfo(dtype)
    with precision(3000):
        squares = sum(u * u for u in want)
        largest, least = exact([info.max, info.tiny])
        if not squares - squares == 0 or squares > largest * largest:  # not finite, or beyond every float
            return Found(math.inf, "nan") if bool(got.isnan().any()) else None
        if bool(got.isnan().any()):
            return Found(math.inf, "nan")
        if bool(got.isinf().any()):
            return Found(math.inf, "inf")
        if squares == 0:
            return Found(float(sum(u * u for u in seen)) ** 0.5 / info.eps)
        ulp = error(seen, want, dtype)
        if squares >= least * least and not any(seen):
            return Found(ulp, "zero")
        if ulp > 1 and sum(u * v for u, v in zip(seen, want, strict=True)) < 0:
            return Found(ulp, "sign")
    return Found(ulp)


def _ends(reference: Reference, op: str, want: Vector, dtype: torch.dtype) -> bool:
    row = torch.tensor([[float(u) for u in want]], dtype=torch.float64)
    return bool(at_the_end(OPS[op].target or reference.model, row, dtype))


def _out(reference: Reference, op: str, got: Tensor, want: Vector, dtype: torch.dtype) -> bool:
    rounded = torch.tensor([float(u) for u in want], dtype=torch.float64).to(dtype)
    model = OPS[op].target or reference.model
    skip = int(model == "Lorentz")
    inside = bool(rounded.isfinite().all()) and reference.valid(exact(rounded[skip:]), model)
    return inside and not reference.valid(exact(got[skip:]), model)


def at_the_end(model: str, points: Tensor, dtype: torch.dtype) -> Tensor:
    """``(n,)`` whether points of a model are where its floats end and results are moved back onto them: an exponent or
    two from overflow, or heights below the normal numbers."""
    info = torch.finfo(dtype)
    flat = points.reshape(len(points), -1).abs()
    ends = ~(flat.amax(-1) < info.max / 4096)
    if model == "HalfSpace":
        ends |= ~(points[..., -1].reshape(len(points), -1).amin(-1) > 8 * info.tiny)
    return ends


def verb(manifold: Any, op: str) -> Callable[..., Tensor] | None:
    """The op as a function; None where the manifold has none by that name."""
    if not op.startswith("to_"):
        return getattr(manifold, op, None)
    target = getattr(manifolds, op[3:], None)
    source = getattr(manifold, "manifold", manifold)
    if target is None or not isinstance(source, Manifold):
        return None
    return lambda x: manifolds.convert(x, source, target(curvature=source.curvature.detach()))


def measure(
    manifold: Any, truth: Exact, what: Sequence[str] = ("value", "grad", "c"), curved: type[Manifold] | None = None
) -> dict[str, list[Found]]:
    """Errors of ``getattr(manifold, op)(*args)``.

    ``manifold`` is anything with the op's name as a method.  ``what``: "value"; "grad", the derivatives in all tensor
    arguments (the worst of them, a sample); "c", the derivative in the curvature, one a sample, for which ``curved`` is
    the class that is built with a learnable curvature for each row.
    """
    op, dtype, n = truth.op, truth.args[0].dtype, len(truth)
    out: dict[str, list[Found]] = {}
    args = [a.clone() for a in truth.args]
    call = verb(manifold, op)
    assert call is not None
    if "value" in what:
        with torch.no_grad():
            got = call(*args)
        found = []
        for i in range(n):
            f = _judge(got[i], truth.values[i], exact(got[i]), dtype)
            point = OPS[op].out == "p"
            if f and f.flag not in ("nan", "inf") and point and _ends(truth.reference, op, truth.values[i], dtype):
                continue
            if f and not f.flag and point and _out(truth.reference, op, got[i], truth.values[i], dtype):
                f = Found(f.ulp, "out")
            if f:
                found.append(replace(f, at=i))
        out["value"] = found
    if "grad" in what:
        leaves = [a.clone().requires_grad_() for a in args]
        got = call(*leaves)
        seeds = truth.seeds(got)
        grads = torch.autograd.grad(got, leaves, seeds, allow_unused=True, materialize_grads=True)
        out["grad"] = []
        for i in range(n):
            seen = truth.seen(i, [g[i] for g in grads])
            each = [
                f
                for k in range(len(args))
                if (f := _judge(grads[k][i], truth.slopes(seeds)[i][k], seen[k], dtype)) is not None
            ]
            if each:
                out["grad"].append(replace(worst(each), at=i))
    if "c" in what and curved is not None:
        rows = curved(curvature=torch.full((n,), -truth.reference.c, dtype=torch.float64), learnable=True)
        assert rows.log_scale is not None
        bent = verb(rows, op)
        assert bent is not None
        got = bent(*args)
        seeds = truth.seeds(got)
        got = got + 0 * rows.log_scale.sum()
        (slope,) = torch.autograd.grad(  # d/dK times K, which is d/dc times c; transport in the half-space has none
            got, rows.log_scale, seeds, allow_unused=True, materialize_grads=True
        )
        out["c"] = []
        for i in range(n):
            with precision(3000):
                want = [u * exact([truth.reference.c])[0] for u in truth.slopes(seeds)[i][-1]]
            f = _judge(slope[i : i + 1], want, exact(slope[i : i + 1]), dtype)
            if f:
                out["c"].append(replace(f, at=i))
    return out
