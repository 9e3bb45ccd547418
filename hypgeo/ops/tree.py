"""Kernels on trees of relative half-space points and on graphs: the compiled ones, and their plain Python bodies.

A tree is `parent` (n,) int64 with parent[0] = -1 and parent[i] < i, and `rows` (n, d) float64: d - 1 offsets and the
logarithm of the height ratio, each in the parent's frame (csrc/tree/space.h has the geometry).  The Python bodies serve
where nothing is compiled and are the oracles of the tests: decimal arithmetic for single distances, numpy for sweeps.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hypgeo import _C

Floats = npt.NDArray[np.float64]
TIE = 1e-12  # distances within this ratio of each other count as tied (csrc/tree/search.h: kSlack)


def _native(name: str) -> Callable[..., Any] | None:
    return getattr(torch.ops.hypgeo, name) if _C.available() else None


def context(digits: int) -> decimal.Context:
    """Decimal arithmetic with the widest exponents there are."""
    return decimal.Context(prec=digits, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


def climb(
    parent: Any, rows: Any, node: int, stop: int, ctx: decimal.Context
) -> tuple[list[decimal.Decimal], decimal.Decimal]:
    """Horizontal position and log height of `node` as its ancestor `stop` sees it, in the context's precision."""
    x, log_y = [decimal.Decimal(0)] * (len(rows[0]) - 1), decimal.Decimal(0)
    while node != stop:
        *offset, log_height = (decimal.Decimal(float(v)) for v in rows[node])
        scale = ctx.exp(log_height)
        x = [ctx.fma(scale, v, b) for v, b in zip(x, offset, strict=True)]
        log_y = ctx.add(log_y, log_height)
        node = int(parent[node])
    return x, log_y


def _branch(parent: Any, node: int, stop: int) -> list[int]:
    """The nodes from below `stop` down to `node`."""
    nodes = []
    while node != stop:
        nodes.append(node)
        node = int(parent[node])
    return nodes[::-1]


def _dist_exact(parent: Any, rows: Any, i: int, j: int) -> float:
    """Distance of two nodes, correctly rounded but for double rounding, whatever cancels on the way."""
    a, b = i, j
    while a != b:
        a, b = (int(parent[a]), b) if a > b else (a, int(parent[b]))
    branches = [_branch(parent, node, a) for node in (i, j)]
    if not all(math.isfinite(v) for branch in branches for k in branch for v in rows[k]):
        return math.nan
    # dx = sum of b exp(s) over the distinct s.  Exponentials of distinct rationals are linearly independent over the
    # rationals (Lindemann, Weierstrass): dx is 0 only where nothing is left, and else it shows once digits are enough.
    terms: dict[Fraction, list[Fraction]] = {}
    logs = []
    for sign, branch in zip((1, -1), branches, strict=True):
        log_y = Fraction(0)
        for k in branch:
            *offset, log_height = map(Fraction, rows[k])
            if any(offset):
                so_far = terms.get(log_y, [Fraction(0)] * len(offset))
                terms[log_y] = [s + sign * t for s, t in zip(so_far, offset, strict=True)]
            log_y += log_height
        logs.append(log_y)
    terms = {s: offset for s, offset in terms.items() if any(offset)}
    digits = 50
    while True:
        ctx = context(digits)

        def number(q: Fraction, ctx: decimal.Context = ctx) -> decimal.Decimal:
            return ctx.divide(decimal.Decimal(q.numerator), decimal.Decimal(q.denominator))

        with decimal.localcontext(ctx):
            size, x = decimal.Decimal(0), [decimal.Decimal(0)] * (len(rows[0]) - 1)
            for s, offset in terms.items():
                parts = [number(s).exp() * number(t) for t in offset]
                x = [u + v for u, v in zip(x, parts, strict=True)]
                size += (1 + abs(number(s))) * sum(map(abs, parts))
            if not terms or max(map(abs, x)).scaleb(digits - 25) > size * len(terms):
                z, total = number(abs(logs[0] - logs[1])) / 2, number(logs[0] + logs[1])
                # cosh d = 1 + (|dx|^2 + dy^2) / (2 y_u y_v)
                h = (sum(v * v for v in x) * (-total).exp() / 4 + _sinh(z) ** 2).sqrt()
                return float(2 * _asinh(h))
        digits *= 2


def _sinh(z: decimal.Decimal) -> decimal.Decimal:
    if z > decimal.Decimal("1e-8"):
        return (z.exp() - (-z).exp()) / 2
    return z * (1 + z * z / 6 * (1 + z * z / 20 * (1 + z * z / 42)))


def _asinh(h: decimal.Decimal) -> decimal.Decimal:
    if h > decimal.Decimal("1e-8"):
        return (h + (h * h + 1).sqrt()).ln()
    return h * (1 - h * h / 6 * (1 - 9 * h * h / 20 * (1 - 25 * h * h / 42)))


def dist(parent: Tensor, rows: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Distance (K = -1) of nodes i and j, (b,) int64 each; at most 2 ulp (decimal body: 1 ulp)."""
    out = torch.full(i.shape, math.nan, dtype=torch.float64)
    if op := _native("tree_dist"):
        op(parent, rows, i.contiguous(), j.contiguous(), out)
    return _settle(parent, rows, i, j, out)


def _settle(parent: Tensor, rows: Tensor, i: Tensor, j: Tensor, out: Tensor) -> Tensor:
    """Distances in decimals where the compiled ones are uncertain, which they say with nan."""
    open_ = out.isnan().nonzero()[:, 0]
    if len(open_):
        p, r = parent.tolist(), rows.tolist()
        found = [_dist_exact(p, r, a, b) for a, b in zip(i[open_].tolist(), j[open_].tolist(), strict=True)]
        out[open_] = torch.tensor(found, dtype=torch.float64)
    return out


def dist_from(parent: Tensor, rows: Tensor, sources: Tensor) -> Tensor:
    """Distances (b, n) from nodes `sources` (b,) to every node; at most 2 ulp."""
    out = rows.new_full((len(sources), len(rows)), math.nan)
    if op := _native("tree_dist_from"):
        op(parent, rows, sources.contiguous(), out)
    i, j = sources.repeat_interleave(len(rows)), torch.arange(len(rows)).repeat(len(sources))
    return _settle(parent, rows, i, j, out.reshape(-1)).reshape(out.shape)


def _levels(parent: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    depth = np.zeros(len(parent), dtype=np.int64)
    for i in range(1, len(parent)):
        depth[i] = depth[parent[i]] + 1
    order = np.argsort(depth, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)


def _plain_distance(g: Floats, lu: Floats, lv: Floats) -> Floats:
    delta = np.abs(lu - lv)
    with np.errstate(divide="ignore", over="ignore"):
        r = 2 * np.log(g) - (lu + lv)
        far = np.logaddexp(r, delta)
        near = 2 * np.arcsinh(np.sqrt(0.25 * np.exp(np.minimum(r, 40)) + np.sinh(0.5 * np.minimum(delta, 40)) ** 2))
    return np.where(g == 0, delta, np.where((r > 36) | (delta > 36), far, near))


def sweep(parent: Tensor, rows: Tensor, sources: Tensor) -> Tensor:
    """`dist_from` in plain float64, an order of magnitude faster.

    Right to some parts in 10^15 where displacements do not cancel, to 10^-8 where sectors are as narrow as 10^-9, which
    edges much longer than others can lead to.
    """
    out = rows.new_empty(len(sources), len(rows))
    if op := _native("tree_sweep"):
        op(parent, rows, sources.contiguous(), out)
        return out
    p, r = parent.numpy(), rows.numpy()
    levels = _levels(p)
    for k, s in enumerate(sources.tolist()):
        dx, ly, ls = np.zeros((len(p), r.shape[1] - 1)), np.zeros(len(p)), np.zeros(len(p))
        path = np.zeros(len(p), dtype=bool)
        x, log_s, a = np.zeros(r.shape[1] - 1), 0.0, s
        while True:
            path[a], dx[a], ls[a] = True, x, log_s
            if p[a] < 0:
                break
            x, log_s, a = r[a, :-1] + math.exp(r[a, -1]) * x, log_s + r[a, -1], int(p[a])
        for level in levels[1:]:
            i = level[~path[level]]
            above = p[i]
            ls[i], ly[i] = ls[above], ly[above] + r[i, -1]
            dx[i] = dx[above] - np.exp(ly[above])[:, None] * r[i, :-1]
        out[k] = torch.from_numpy(_plain_distance(np.linalg.norm(dx, axis=1), ls, ly))
    return out


def positions(parent: Tensor, rows: Tensor) -> Tensor:
    """(n, d): horizontal position and log height of every node as the root sees it."""
    out = torch.empty_like(rows)
    if op := _native("tree_positions"):
        op(parent, rows, out)
        return out
    at = np.zeros(rows.shape)
    r = rows.numpy()
    for i, p in enumerate(parent.tolist()):
        if p >= 0:
            at[i] = at[p] + np.append(math.exp(at[p, -1]) * r[i, :-1], r[i, -1])
    return torch.from_numpy(at)


def rank_rows(distances: Tensor, indptr: Tensor, indices: Tensor, sources: Tensor) -> Tensor:
    """(b, 2) average precision and rank sum of each source's neighbours, from rows (b, n) of distances.

    The graph is in compressed rows, loop-free.  Ties count against the neighbours; nan without any.  A
    distance that is nan is taken as infinite.
    """
    out = torch.empty(len(sources), 2, dtype=torch.float64)
    if op := _native("rank_rows"):
        op(distances.contiguous(), indptr, indices, sources.contiguous(), out)
        return out
    distances = distances.nan_to_num(nan=math.inf, posinf=math.inf)
    for k, u in enumerate(sources.tolist()):
        neighbours = indices[indptr[u] : indptr[u + 1]]
        if not len(neighbours):
            out[k] = math.nan
            continue
        own, _ = distances[k, neighbours].sort()
        others = torch.ones(distances.shape[1], dtype=torch.bool)
        others[neighbours] = others[u] = False
        ahead = torch.searchsorted(distances[k, others].sort().values, own * (1 + TIE), right=True)
        place = torch.arange(1, len(own) + 1, dtype=torch.float64)
        out[k, 0] = (place / (place + ahead)).mean()
        out[k, 1] = (1 + ahead).sum()
    return out


def ranks(
    parent: Tensor, rows: Tensor, indptr: Tensor, indices: Tensor, sources: Tensor, counted: Tensor | None = None
) -> Tensor:
    """`rank_rows` on a tree of points, looking only at nodes near enough to matter (csrc/tree/search.h).

    counted: (n,) bool, the nodes that take part; others are only there to hold the tree together.
    """
    counted = torch.ones(len(rows), dtype=torch.bool) if counted is None else counted
    if op := _native("tree_ranks"):
        out = torch.empty(len(sources), 2, dtype=torch.float64)
        op(parent, rows, indptr, indices, counted, sources.contiguous(), out)
        return out
    distances = sweep(parent, rows, sources)
    distances[:, ~counted] = math.inf
    return rank_rows(distances, indptr, indices, sources)


# ------------------------------------------------------------------------------------------------ building


def _sector(phi: float, e: float) -> float:
    return 2 * phi + 4 * math.atan(2 * e * math.sin(phi))


def _half_width(omega: float, e: float) -> float:
    if omega >= _sector(math.pi / 2, e):
        return math.pi / 2
    lo, hi = 0.0, min(math.pi / 2, omega / 2)
    for _ in range(60):
        mid = 0.5 * (lo + hi)
        lo, hi = (lo, mid) if _sector(mid, e) > omega else (mid, hi)
    return lo


_NARROWEST, _BLUR = 1e-9, 1e-14  # of sectors: csrc/tree/build.h


def _fit(
    parent: list[int], w: list[float], fixed: list[list[float]], allowance: float, scale: float
) -> tuple[list[float], list[float], list[float]] | None:
    n = len(parent)
    used, up, from_parent = [0.0] * n, [0.0] * n, [0.0] * n
    for i in range(n - 1, 0, -1):
        left, e = 2 * math.pi - used[i], math.exp(-scale * w[i])
        if left < _NARROWEST:
            return None
        up[i] = fixed[i][0] or min(left, _sector(math.pi / 2, e) + _BLUR)
        if up[i] > left * (1 + 1e-12):
            return None
        width = _half_width(up[i] - _BLUR, e)
        rest = allowance * w[i] + math.log(math.sin(width)) if width > 0 else -1.0
        if rest < 0:
            return None
        from_parent[i] = max(_NARROWEST, _sector(math.asin(math.exp(-rest)), e) + _BLUR)
        if given := fixed[i][1]:
            if from_parent[i] > given:
                return None
            from_parent[i] = given
        used[parent[i]] += from_parent[i]
    return (used, up, from_parent) if used[0] <= 2 * math.pi * (1 + 1e-12) else None


def _given(parent: Tensor, fixed: Tensor | None) -> Tensor:
    return torch.zeros(len(parent), 2, dtype=torch.float64) if fixed is None else fixed.contiguous()


def allowance(parent: Tensor, length: Tensor, excess: float, scale: float = 0.0, fixed: Tensor | None = None) -> float:
    """Least allowance per length that lets every node give its edges disjoint sectors (csrc/tree/build.h).

    The scale is allowance / excess, or `scale` where that is positive.  Infinite when none fits.  fixed (n, 2):
    sectors that are given, of the parent edge here and at the parent; 0 where they are free.
    """
    given = _given(parent, fixed)
    if op := _native("tree_allowance"):
        return float(op(parent, length, given, excess, scale))
    p, w, held = parent.tolist(), length.tolist(), given.tolist()

    def fits(m: float) -> bool:
        return _fit(p, w, held, m, scale if scale > 0 else m / excess) is not None

    hi, tries = 1 / max(w[1:]), 0
    while not fits(hi):
        hi, tries = 2 * hi, tries + 1
        if tries == 2000:
            return math.inf
    lo, tries = hi / 2, 0
    while tries < 1100 and fits(lo):
        hi, lo, tries = lo, lo / 2, tries + 1
    while hi - lo > 1e-4 * hi:
        mid = 0.5 * (lo + hi)
        lo, hi = (lo, mid) if fits(mid) else (mid, hi)
    return hi


def sectors(
    parent: Tensor, length: Tensor, share: Tensor, allowance: float, scale: float, fixed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Directions (n, 2) from the parent's direction and the (n,) extra length that each parent edge carries."""
    n, given = len(parent), _given(parent, fixed)
    direction, extra = torch.zeros(n, 2, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    if op := _native("tree_sectors"):
        if not op(parent, length, given, share, allowance, scale, direction, extra):
            raise ValueError(f"an allowance of {allowance:g} leaves some node without room.")
        return direction, extra
    p, w, part = parent.tolist(), length.tolist(), share.tolist()
    found = _fit(p, w, given.tolist(), allowance, scale)
    if found is None:
        raise ValueError(f"an allowance of {allowance:g} leaves some node without room.")
    used, up, from_parent = found
    up[0] = 0.0
    total = [0.0] * n
    for i in range(1, n):
        total[p[i]] += part[i]
    held = {p[i] if down else i for i, (here, down) in enumerate(given.tolist()) if here or down}
    at = [u / 2 for u in up]
    direction[0, 1] = 1
    for i in range(1, n):
        spare = 0.0 if p[i] in held else max(0.0, 2 * math.pi - up[p[i]] - used[p[i]])
        omega, e = from_parent[i] + spare * part[i] / total[p[i]], math.exp(-scale * w[i])
        theta = at[p[i]] + omega / 2
        at[p[i]] += omega
        down = abs(theta - math.pi) < 0.2 * _BLUR
        direction[i, 0], direction[i, 1] = (0.0, -1.0) if down else (math.sin(theta), math.cos(theta))
        extra[i] = -sum(math.log(math.sin(_half_width(width - _BLUR, e))) for width in (omega, up[i]))
    return direction, extra


def place(parent: Tensor, direction: Tensor, tau: Tensor) -> Tensor:
    """Rows (n, d) from unit directions (n, d), the parent lying along the last axis, and edge lengths tau (n,)."""
    n, d = direction.shape
    if op := _native("tree_place"):
        out = direction.new_empty(n, d)
        op(parent, direction.contiguous(), tau.contiguous(), out)
        return out
    p, u, t = parent.tolist(), direction.numpy(), tau.tolist()
    rows, mirror = np.zeros((n, d)), np.zeros((n, d))
    for i in range(1, n):
        g = u[i] - 2 * (u[i] @ mirror[p[i]]) * mirror[p[i]]
        h2, z, e = float(g[:-1] @ g[:-1]), float(g[-1]), math.exp(-t[i])
        below, over = (h2 / (1 + z) if z > 0 else 1 - z), (h2 / (1 - z) if z < 0 else 1 + z)
        den = 0.5 * (below + e * e * over)
        rows[i, :-1] = -0.5 * math.expm1(-2 * t[i]) * g[:-1] / den
        rows[i, -1] = -t[i] - math.log(den)
        if h2 > 0 and t[i] > 0:
            half = math.atan2(e * math.sqrt(h2), below)
            mirror[i, :-1], mirror[i, -1] = math.cos(half) * g[:-1] / math.sqrt(h2), math.sin(half)
    return torch.from_numpy(rows)


def graph_delta(distances: Tensor, indptr: Tensor, indices: Tensor) -> float:
    """Four-point delta of a connected graph's (n, n) distances, exactly (csrc/tree/delta.h)."""
    if op := _native("graph_delta"):
        return float(op(distances.contiguous(), indptr, indices))
    d = distances.numpy()
    a, b = np.triu_indices(len(d), 1)
    order = np.argsort(-d[a, b], kind="stable")
    a, b = a[order], b[order]
    best = 0.0
    for k in range(1, len(a)):
        if d[a[k], b[k]] <= 2 * best:
            break
        other = np.maximum(d[a[k], a[:k]] + d[b[k], b[:k]], d[a[k], b[:k]] + d[b[k], a[:k]])
        best = max(best, float((d[a[k], b[k]] + d[a[:k], b[:k]] - other).max()) / 2)
    return best


def refine(
    edges: Tensor,
    length: Tensor,
    indptr: Tensor,
    indices: Tensor,
    pairs: Tensor,
    margin: float,
    looks: int,
    tries: int,
    heat: tuple[float, float],
    longest: int,
    seed: int,
    spokes: Tensor,
) -> tuple[Tensor, Tensor, float, float]:
    """One annealing round over `pairs` (csrc/tree/refine.h): the new tree, and summed precision before and after."""
    op = _native("tree_refine")
    if op is None:
        raise RuntimeError(
            "refining a tree needs the compiled core, which is missing; `hypgeo info` says how to get it."
        )
    room = 2 * len(length) + 1024
    while True:
        tree, lengths = edges.new_zeros(room, 2), length.new_zeros(room)
        tree[: len(edges)], lengths[: len(length)] = edges, length
        score = torch.zeros(3, dtype=torch.float64)
        count = op(
            tree,
            lengths,
            len(length),
            indptr,
            indices,
            pairs,
            margin,
            looks,
            tries,
            *heat,
            longest,
            seed,
            spokes,
            score,
        )
        if count >= 0:
            return tree[:count].clone(), lengths[:count].clone(), float(score[0]), float(score[1])
        room = -count  # more hidden nodes than foreseen
