"""Well separated directions: spherical codes, in any dimension and for any number of points."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_MEASURED = 1500  # below this many points the least angle is measured rather than taken from the construction


@lru_cache(maxsize=4096)
def spherical_code(count: int, dim: int) -> tuple[Floats, float]:
    """`count` unit vectors (count, dim), the first along the last axis, and a lower bound of the least angle between.

    dim = 2: regular polygon (optimal).  At most dim + 1 points: regular simplex (optimal); at most 2 dim:
    cross-polytope (optimal from dim + 2 on; Rankin 1955).  More: parallels of latitude a fixed angle apart, each with a
    code of one dimension less, the angle bisected until enough points fit; linear in `count`, separation of order
    count^(-1 / (dim - 1)).
    """
    if count == 1:
        return np.eye(dim)[-1:], math.pi
    if dim == 2:
        angle = 2 * math.pi * np.arange(count) / count
        return np.stack([np.sin(angle), np.cos(angle)], axis=1), 2 * math.pi / count
    if count <= dim + 1:
        return _pole_first(_simplex(count, dim)), math.acos(-1 / (count - 1))
    if count <= 2 * dim:
        axes = np.eye(dim)[::-1]
        return np.concatenate([axes, -axes])[:count], math.pi / 2
    lo, hi = 0.0, math.pi / 2
    for _ in range(48):
        mid = 0.5 * (lo + hi)
        lo, hi = (mid, hi) if _fits(mid, dim) >= count else (lo, mid)
    code = np.array(_bands(lo, dim)[:count])
    if count <= _MEASURED:
        cosine = code @ code.T
        np.fill_diagonal(cosine, -1.0)
        lo = max(lo, math.acos(min(1.0, float(cosine.max()))))
    return code, lo * (1 - 1e-9)  # the counts above allow for rounding, and so must the bound


def _simplex(count: int, dim: int) -> Floats:
    centred = np.eye(count) - 1 / count
    basis = np.linalg.svd(centred)[0][:, : count - 1]
    points = np.zeros((count, dim))
    points[:, : count - 1] = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    return points


def _pole_first(points: Floats) -> Floats:
    """The reflection that carries the first point to the last axis, applied to all."""
    normal = points[0] - np.eye(points.shape[1])[-1]
    length = np.linalg.norm(normal)
    if length < 1e-12:
        return points
    normal /= length
    out = points - 2 * np.outer(points @ normal, normal)
    out[0] = np.eye(points.shape[1])[-1]
    return out


def _parallels(angle: float, dim: int) -> list[tuple[float, float]]:
    """Latitudes at least `angle` apart, each with the angle that its own code has to keep (nan: one point)."""
    steps = int(math.pi / angle * (1 + 1e-12))
    out = []
    for k in range(steps + 1):
        latitude = math.pi * k / steps
        ratio = math.sin(angle / 2) / max(math.sin(latitude), 1e-300)
        out.append((latitude, 2 * math.asin(ratio) if ratio <= 1 and 0 < k < steps else math.nan))
    return out


def _fits(angle: float, dim: int) -> int:
    if dim == 2:
        return max(1, int(2 * math.pi / angle * (1 + 1e-12)))
    return sum(1 if math.isnan(inner) else _fits(inner, dim - 1) for _, inner in _parallels(angle, dim))


def _bands(angle: float, dim: int) -> list[list[float]]:
    if dim == 2:
        count = _fits(angle, 2)
        return [[math.sin(2 * math.pi * k / count), math.cos(2 * math.pi * k / count)] for k in range(count)]
    out = []
    for latitude, inner in _parallels(angle, dim):
        ring = [[0.0] * (dim - 2) + [1.0]] if math.isnan(inner) else _bands(inner, dim - 1)
        sine, cosine = math.sin(latitude), math.cos(latitude)
        out += [[*(sine * v for v in point), cosine] for point in ring]
    return out
