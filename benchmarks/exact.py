"""How exact distances of several components are and what they cost, and how many nearest neighbours a second are found.

    python benchmarks/exact.py           the tables
    python benchmarks/exact.py --write   also benchmarks/exact.md

Points lie in random directions of the plane, at distance 10 from the origin; a time is the best of rounds that take all
spaces in turn.  Errors are the largest of 200 pairs, in ulp of the exact distance of the exact points, found in
decimals: far pairs in random directions, near ones at a distance of about 1 and 1e-6.  What tilings cost, at any
radius, is in benchmarks/tiling.py.  `nearest` is Embedding.nearest on WordNet's nouns, below $HYPGEO_DATA, as
TreeEmbedder places them.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, localcontext
from pathlib import Path

import torch
from torch import Tensor

sys.path.append(str(Path(__file__).resolve().parents[1] / "embeddings"))
from measure import machine

from hypgeo import Embedding, HalfSpace, MCHalfSpace, TreeEmbedder, data
from hypgeo.manifolds import Manifold

FOLDER = Path(__file__).parent
ROUNDS = 5


def directions(n: int, radius: float) -> Tensor:
    """(n, 2) vectors of this length, in even directions."""
    angle = 2 * math.pi * torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return radius * torch.stack((angle.cos(), angle.sin()), 1)


def at(space: Manifold, radius: float, n: int) -> Tensor:
    """n points of a space that far from its origin."""
    return space.from_normal_coordinates(directions(n, radius)).contiguous()


def least(work: Sequence[Callable[[], object]]) -> list[float]:
    """The least seconds of each, over rounds that take them in turn."""
    best = [math.inf] * len(work)
    for _ in range(ROUNDS):
        for i, do in enumerate(work):
            start = time.perf_counter()
            do()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def costs() -> str:
    """Nanoseconds a distance, and in units of float64's in the half-space."""
    cases: list[tuple[str, Manifold]] = [("HalfSpace, float64", HalfSpace())]
    cases += [(f"MCHalfSpace, N = {n}", MCHalfSpace(n)) for n in (1, 2, 3, 4, 8)]
    points = [(space, x := at(space, 10, 1 << 13), x.roll(1, 0).contiguous()) for _, space in cases]
    ns = [1e9 * t / len(points[0][1]) for t in least([lambda s=s, x=x, y=y: s.dist(x, y) for s, x, y in points])]
    lines = ["| space | bytes a point | ns a distance | × float64 |", "|---|--:|--:|--:|"]
    for (name, _), (_, x, _), t in zip(cases, points, ns, strict=True):
        lines.append(f"| {name} | {8 * x.shape[-1]} | {t:,.0f} | {t / ns[0]:,.1f} |")
    return "\n".join(lines)


def distance(space: MCHalfSpace, x: Sequence[float], y: Sequence[float]) -> Decimal:
    """Of rows of components, to 700 digits."""
    d = len(x) // space.components
    with localcontext(Context(prec=700, Emin=-(10**6), Emax=10**6)):
        p, q = ([sum(map(Decimal, row[i::d]), Decimal(0)) for i in range(d)] for row in (x, y))
        t = sum(((b - a) ** 2 for a, b in zip(p, q, strict=True)), Decimal(0)) / (4 * p[-1] * q[-1])
        return 2 * (t.sqrt() + (1 + t).sqrt()).ln()


def errors() -> str:
    """The largest errors of distances, in ulp."""
    lines = ["| radius | components | far, ulp | near, 1 | near, 1e-6 |", "|--:|--:|--:|--:|--:|"]
    for radius in (1, 10, 36, 100, 700):
        for n in (2, 8):
            space = MCHalfSpace(n)
            x = at(space, radius, 200)
            way = directions(200, 1.0).roll(1, 0) * x[:, 1:2]  # of length 1 at x, and as wide as x
            way = torch.nn.functional.pad(way, (0, x.shape[1] - 2))
            cells = []
            for y in (x.roll(1, 0), space.expmap(x, way), space.expmap(x, 1e-6 * way)):
                got, pairs = space.dist(x, y).tolist(), zip(x.tolist(), y.tolist(), strict=True)
                true = [distance(space, a, b) for a, b in pairs]
                worst = max(abs(Decimal(g) - t) / Decimal(math.ulp(float(t))) for g, t in zip(got, true, strict=True))
                cells.append(f"{worst:.2f}")
            lines.append(f"| {radius} | {n} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def queries() -> str:
    """Nearest neighbours a second among WordNet's nouns."""
    graph = data.wordnet_nouns()
    tree = TreeEmbedder(dim=2, distortion=0.1).fit(graph).embedding_
    start = at(HalfSpace(), 10, tree.n)
    forms = [
        ("HalfSpaceTree", tree),
        ("HTiling", tree.to_tiling()),
        ("HalfSpace, float64, other points", Embedding(tree.labels, start, HalfSpace())),
    ]
    some = [tree.labels[i] for i in range(0, tree.n, tree.n // 8)]
    work = [lambda e=e: [e.nearest(u, 10) for u in some] for _, e in forms]
    lines = ["| space | nodes | MiB | `nearest(u, 10)` a second |", "|---|--:|--:|--:|"]
    for (name, e), t in zip(forms, least(work), strict=True):
        lines.append(f"| {name} | {e.n:,} | {e.bytes_per_node * e.n / 2**20:,.0f} | {len(some) / t:,.1f} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write benchmarks/exact.md")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    text = (
        "# Distances of several components, and nearest neighbours\n\n"
        "Written by `python benchmarks/exact.py --write`, whose head says what is measured, "
        f"one thread.\nMeasured on {machine()}.\n\n## A distance\n\n{costs()}\n\n"
        f"## Errors of MCHalfSpace's distances\n\n{errors()}\n\n"
        f"## Nearest neighbours among WordNet's nouns\n\n{queries()}\n"
    )
    print(text)
    if args.write:
        (FOLDER / "exact.md").write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
