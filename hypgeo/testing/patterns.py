"""What an op makes of floats with random bits: no NaN, no infinity of its own, points on the manifold, symmetries.

    assert not look(PoincareBall(), "logmap", n=10_000, dim=3, dtype=torch.float32, seed=0)

``look`` returns a sentence for each kind of failure, with an input that shows it.  Symmetries are those that floats
have exactly: coordinates permuted and negated (horizontal ones in the half-space), everything halved while c is
multiplied by 4, the half-space doubled.  A result and its mirror image may differ by the error bound of both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hypgeo.manifolds import HalfSpace, Lorentz, Manifold, PoincareBall
from hypgeo.testing.measure import Exact, at_the_end, measure, verb
from hypgeo.testing.reference import OPS, Reference, exact, precision
from hypgeo.testing.samples import bit_patterns, pair_patterns, pattern, vector_patterns

__all__ = ["arguments", "look"]

_CHUNK = 50_000
# powers of the unit of length in the results that are numbers
_LENGTHS = {"dist": 1, "dist2": 2, "dist0": 1, "norm": 1, "inner": 2, "busemann": 1, "hyperplane_dist": 1}
# ops that know the origin
_ROOTED = "dist0 expmap0 logmap0 transp0 busemann mobius_add mobius_scalar_mul mobius_matvec gyration"


def arguments(
    manifold: Manifold, op: str, n: int, dim: int, dtype: torch.dtype, generator: torch.Generator
) -> list[Tensor]:
    """Arguments of an op with random bits, n rows."""
    kinds = OPS[op].kinds
    skip = int(isinstance(manifold, Lorentz))
    points = list(pair_patterns(manifold, n, dim, dtype, generator))
    if "P" in kinds:
        # as far as means are promised: a sum of points farther apart than floats have digits is one of them
        sets = [bit_patterns(manifold, n, dim, dtype, generator, reach=25.0) for _ in range(4)]
        points = [torch.stack(sets, 1)]
    origin = manifold.origin(n, dim + skip, dtype=dtype)
    rest = iter(points)
    out: list[Tensor] = []
    for k in kinds:
        if k in "pP":
            out.append(next(rest))
        elif k in "va":
            out.append(vector_patterns(manifold, out[0] if k == "v" else out[-1], dtype, generator))
        elif k == "o":
            out.append(vector_patterns(manifold, origin, dtype, generator))
        elif k == "n":
            out.append(pattern((n, 1), dtype, generator, 8.0))
        elif k == "u":
            u = torch.randn(n, dim, dtype=torch.float64, generator=generator)
            out.append((u / u.norm(dim=-1, keepdim=True)).to(dtype))
        elif k == "h":
            out.append(pattern((n, dim + skip), dtype, generator, 1024.0))
        elif k == "m":
            out.append(torch.randn(n, dim, dim, dtype=torch.float64, generator=generator).to(dtype))
        else:
            out.append(torch.rand(n, 4, dtype=torch.float64, generator=generator).to(dtype) + 2.0**-20)
    return out


def look(
    manifold: Manifold,
    op: str,
    n: int,
    dim: int,
    dtype: torch.dtype,
    seed: int = 0,
    exactly: int = 50,
    gradients: bool = True,
) -> list[str]:
    """Failures of ``getattr(manifold, op)`` on n random bit patterns, ``exactly`` of them against the reference."""
    g = torch.Generator().manual_seed(seed)
    reference = Reference(manifold)
    said: dict[str, str] = {}
    call = verb(manifold, op)
    assert call is not None
    with torch.no_grad():
        for start in range(0, n, _CHUNK):
            args = arguments(manifold, op, min(_CHUNK, n - start), dim, dtype, g)
            got = call(*args)
            _finite(reference, op, args, got, said)
            if OPS[op].out == "p":
                _inside(reference, op, args, got, said)
            for name, image, result in _mirrors(manifold, op, args, g):
                moved = result(got)
                if OPS[op].out == "p":
                    ends = at_the_end(reference.model, got, dtype) | at_the_end(reference.model, image, dtype)
                    if reference.model == "Lorentz":  # what lies past the floats is moved to this radius
                        last = math.log(torch.finfo(dtype).max) * (0.45 if dtype == torch.float64 else 0.75)
                        far = (2 * math.sqrt(reference.c) * got[:, :1].double()).abs().log()[:, 0]
                        ends |= (far - last).abs() < 1
                    moved = torch.where(ends[:, None], math.nan, moved)
                _same(name, op, dtype, args, image, moved, said)
    if gradients:
        _differentiable(call, reference, op, args, said)
    few = [a[:exactly] for a in args]
    for i, f in enumerate(_each(manifold, Exact(reference, op, few))):
        if f and (f.flag or f.ulp > 4):
            said.setdefault("wrong", f"off by {f.ulp:.3g} ulp {f.flag} at {_show(few, i)}")
    return list(said.values())


def _differentiable(
    call: Callable[..., Tensor], reference: Reference, op: str, args: Sequence[Tensor], said: dict[str, str]
) -> None:
    """NaN in a gradient whose exact value is finite."""
    leaves = [a.clone().requires_grad_() for a in args]
    out = call(*leaves)
    seed = torch.ones_like(out)
    grads = torch.autograd.grad(out, leaves, seed, allow_unused=True, materialize_grads=True)
    for k, g in enumerate(grads):
        bad = g.reshape(len(g), -1).isnan().any(-1)
        for i in bad.nonzero().flatten().tolist()[:10]:
            want = reference.vjp(op, [a[i] for a in args], seed[i])[k]
            if all(math.isfinite(float(u)) for u in want):
                said.setdefault(
                    "gradient", f"NaN in {int(bad.sum())} gradients {k} of {len(g)}, as at {_show(args, i)}"
                )
                break


def _each(manifold: Manifold, truth: Exact) -> list[Any]:
    out: list[Any] = []
    for i in range(len(truth)):
        one = Exact(truth.reference, truth.op, [a[i : i + 1] for a in truth.args])
        out.append(next(iter(measure(manifold, one, ("value",))["value"]), None))
    return out


def _show(args: Sequence[Tensor], i: int) -> str:
    return ", ".join(str(a[i].tolist()) for a in args)


def _finite(reference: Reference, op: str, args: Sequence[Tensor], got: Tensor, said: dict[str, str]) -> None:
    flat = got.reshape(len(got), -1)
    largest = exact([torch.finfo(got.dtype).max])[0]
    for name, bad in (("NaN", flat.isnan().any(-1)), ("infinity", flat.isinf().any(-1))):
        for i in bad.nonzero().flatten().tolist()[:20]:
            want = reference(op, *(a[i] for a in args))
            with precision(3000):
                held = all(u - u == 0 and abs(u) <= largest for u in (want if isinstance(want, list) else [want]))
            if held or name == "NaN":
                said.setdefault(name, f"{name} in {int(bad.sum())} results of {len(got)}, as at {_show(args, i)}")
                break


def _inside(reference: Reference, op: str, args: Sequence[Tensor], got: Tensor, said: dict[str, str]) -> None:
    model = OPS[op].target or reference.model
    skip = int(model == "Lorentz")
    if model == "HalfSpace":
        doubtful = ~(got[:, -1] > 0)
    else:
        near = got.double().norm(dim=-1) * math.sqrt(reference.c) > 1 - 1e-12
        doubtful = near if model in ("PoincareBall", "Klein") else torch.zeros_like(near)
    for i in doubtful.nonzero().flatten().tolist()[:200]:
        if bool(got[i].isfinite().all()) and not reference.valid(exact(got[i, skip:]), model):
            said.setdefault("out", f"a result that is no point of {model}, at {_show(args, i)}")


def _mirrors(
    manifold: Manifold, op: str, args: Sequence[Tensor], g: torch.Generator
) -> list[tuple[str, Tensor, Callable[[Tensor], Tensor]]]:
    """Name, result for the moved arguments, and how the first result moves."""
    kinds, out = OPS[op].kinds, OPS[op].out
    skip, flat = int(isinstance(manifold, Lorentz)), isinstance(manifold, HalfSpace)
    images: list[tuple[str, Tensor, Callable[[Tensor], Tensor]]] = []
    if OPS[op].target:
        return images
    if "m" not in kinds:
        width = next(a for a, k in zip(args, kinds, strict=True) if k in "pPo").shape[-1]
        free = width - skip - flat
        order = torch.cat(
            (torch.arange(skip), skip + torch.randperm(free, generator=g), torch.arange(width - flat, width))
        )
        sign = torch.where(torch.rand(width, generator=g) < 0.5, -1.0, 1.0)
        if skip:
            sign[0] = 1
        if flat:
            sign[-1] = 1

        def turn(t: Tensor, lead: int = skip) -> Tensor:
            axes = order if lead == skip else order[skip:] - skip
            return t[..., axes] * sign[axes + (skip if lead != skip else 0)].to(t.dtype)

        moved = [turn(a, 0 if k == "u" else skip) if k in "pPvaohu" else a for a, k in zip(args, kinds, strict=True)]
        images.append(("turned", getattr(manifold, op)(*moved), turn if out != "n" else lambda t: t))
    if isinstance(manifold, PoincareBall | Lorentz) and op != "egrad2rgrad":
        other = type(manifold)(curvature=4 * float(manifold.curvature.detach()))
        moved = [a / 2 if k in "pPvao" else a for a, k in zip(args, kinds, strict=True)]
        held = torch.ones(len(args[0]), dtype=torch.bool)
        for a, b, k in zip(args, moved, kinds, strict=True):
            if k in "pPvao":
                held &= (2 * b == a).reshape(len(a), -1).all(-1)
        scale = 0.5 ** _LENGTHS.get(op, 1)

        def half(t: Tensor) -> Tensor:
            shape = [-1] + [1] * (t.dim() - 1)
            return torch.where(held.reshape(shape), t * scale, math.nan)

        images.append(("halved", getattr(other, op)(*moved), half))
    if flat and op not in _ROOTED.split():
        moved = [a * 2 if k in "pPva" else a / 2 if k == "h" else a for a, k in zip(args, kinds, strict=True)]
        held = torch.ones(len(args[0]), dtype=torch.bool)
        for a, b in zip(args, moved, strict=True):
            least = torch.finfo(a.dtype).tiny * 4
            held &= (b.isfinite() & ((b.abs() > least) | (a == 0))).reshape(len(a), -1).all(-1)

        def double(t: Tensor) -> Tensor:
            shape = [-1] + [1] * (t.dim() - 1)
            return torch.where(held.reshape(shape), t if out == "n" else t * 2, math.nan)

        images.append(("doubled", getattr(manifold, op)(*moved), double))
    return images


def _same(
    name: str, op: str, dtype: torch.dtype, args: Sequence[Tensor], a: Tensor, b: Tensor, said: dict[str, str]
) -> None:
    """Rows of a and b within the sum of two error bounds; rows that are not finite, or tiny, are passed over."""
    info = torch.finfo(dtype)
    a, b = (t.reshape(len(t), -1).double() for t in (a, b))
    peak = b.abs().amax(-1, keepdim=True)
    held = (a.isfinite() & b.isfinite()).all(-1) & (peak[:, 0] > 1e3 * info.tiny) & (peak[:, 0] < info.max / 4)
    peak = torch.where(held[:, None], peak, 1.0)
    off = ((a - b) / peak).norm(dim=-1) / (b / peak).norm(dim=-1) / info.eps
    off = torch.where(held, off, 0.0)
    i = int(off.argmax())
    if float(off[i]) > 8:
        said.setdefault(name, f"{op} changes by {float(off[i]):.3g} eps when everything is {name}, at {_show(args, i)}")
