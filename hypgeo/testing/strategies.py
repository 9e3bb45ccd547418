"""Hypothesis strategies for curvatures, points and tangent vectors.

@given(points(Lorentz(), dim=3), points(Lorentz(), dim=3))
def test_symmetric(x, y): ...
"""

from __future__ import annotations

import math

import torch
from hypothesis import strategies as st
from torch import Tensor

from hypgeo.manifolds import Manifold
from hypgeo.testing.samples import Draw, bit_patterns

__all__ = ["bit_points", "curvatures", "directions", "neighbours", "points", "tangents"]


def curvatures(low: float = 1e-6, high: float = 1e3) -> st.SearchStrategy[float]:
    """Negative curvatures -c, log-uniform with c in [low, high], -1 first."""
    return st.one_of(st.just(-1.0), st.floats(math.log(low), math.log(high)).map(lambda t: -math.exp(t)))


@st.composite
def directions(draw: st.DrawFn, dim: int) -> Tensor:
    """Unit vectors (dim,) in float64, the axes included."""
    v = torch.tensor(draw(st.lists(st.integers(-1000, 1000), min_size=dim, max_size=dim)), dtype=torch.float64)
    if not bool(v.any()):
        v[draw(st.integers(0, dim - 1))] = 1.0
    return v / v.norm()


def _length(low: float, high: float) -> st.SearchStrategy[float]:
    """0, lengths over all scales from ``low``, and lengths up to ``high``."""
    return st.one_of(st.just(0.0), st.floats(math.log(low), math.log(high)).map(math.exp), st.floats(0.0, high))


def _unit(manifold: Manifold) -> float:
    c = float(manifold.c.detach())
    return math.sqrt(c) if c > 0 else 1.0


@st.composite
def tangents(
    draw: st.DrawFn, manifold: Manifold, x: Tensor, dtype: torch.dtype = torch.float64, longest: float = 10.0
) -> Tensor:
    """Tangent vectors at the point x ``(coordinates,)`` of normalised Riemannian length up to ``longest``."""
    a = draw(directions(x.shape[-1] - manifold._extra)) * (draw(_length(1e-12, longest)) / _unit(manifold))
    return manifold._unframe(x.double(), a, manifold.c.detach().double()).to(dtype)


@st.composite
def points(
    draw: st.DrawFn, manifold: Manifold, dim: int, dtype: torch.dtype = torch.float64, farthest: float = 10.0
) -> Tensor:
    """Points ``(dim,)`` (the hyperboloid: ``(dim + 1,)``) at normalised distance up to ``farthest`` from the origin."""
    origin = manifold.origin(dim + manifold._extra, dtype=torch.float64)
    return manifold.expmap(origin, draw(tangents(manifold, origin, longest=farthest))).to(dtype)


@st.composite
def neighbours(
    draw: st.DrawFn, manifold: Manifold, dim: int, dtype: torch.dtype = torch.float64, nearest: float = 1e-12
) -> tuple[Tensor, Tensor]:
    """Two points at normalised distance ``nearest`` to 1, or a few floats apart, at any radius that the dtype has."""
    g = Draw(manifold, dim, dtype, draw(st.integers(0, 2**32)))
    far = draw(st.sampled_from((0.1, 1.0, 5.0, 10.0, 15.0)))
    apart = math.exp(draw(st.floats(math.log(nearest), 0.0)))
    for radius in (far, 1.0, 0.1):
        x = g.point(radius)
        y = g.neighbour(x, apart) or g.floats_apart(x)
        if x is not None and y is not None:
            break
    a, b = g.tensors("pp", [(x, y)])
    return a[0], b[0]


@st.composite
def bit_points(draw: st.DrawFn, manifold: Manifold, dim: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Points ``(coordinates,)`` whose floats have random bits: subnormal, tiny, ordinary, at the rim, huge."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    return bit_patterns(manifold, 35, dim, dtype, generator)[draw(st.integers(0, 34))]
