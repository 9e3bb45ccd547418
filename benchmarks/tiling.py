"""What exactness costs: distances and steps in tilings against float64's, over the radius and so the limbs.

    python benchmarks/tiling.py           the tables, three minutes
    python benchmarks/tiling.py --write   also benchmarks/tiling.md

far: pairs in random directions; near: pairs at a distance of about 1.  Nanoseconds of one thread, the best of rounds;
errors are the largest over the pairs, in ulp of the exact distance of the exact points, found in decimals.  Conversions
go row by row: milliseconds a row, of at most 20.
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from hypgeo import HalfSpace, HTiling, Lorentz, LTiling, convert
from hypgeo.manifolds.tiling import Tiling
from hypgeo.ops import exact, tiling

sys.path.append(str(Path(__file__).resolve().parents[1] / "embeddings"))
from measure import machine

FOLDER = Path(__file__).parent
# How many points at each radius, enough for a call's own time not to count, and of how many the errors are found.
RADII = {10: 20_000, 100: 10_000, 1_000: 2_000, 10_000: 1_000, 100_000: 200}
CHECKED = {10: 1_000, 100: 1_000, 1_000: 1_000, 10_000: 100, 100_000: 6}


def nanoseconds(run: Callable[[], object], n: int, rounds: int = 7) -> float:
    """For one of n rows, by the time that the process was at work."""
    best = math.inf
    for _ in range(rounds):
        start = time.process_time_ns()
        run()
        best = min(best, time.process_time_ns() - start)
    return best / n


def worst(space: Tiling, x: Tensor, y: Tensor, most: int) -> float:
    """The largest error in ulp of so many distances."""
    got = space.dist(x[:most], y[:most]).tolist()
    pairs = zip(*(t[:most].tolist() for t in (x, y)), strict=True)
    true = [(exact.half_view(a, b, space.dim) if space.code else exact.plane_view(a, b))[0] for a, b in pairs]
    return max(abs(a - b) / math.ulp(b) for a, b in zip(got, true, strict=True))


def slope(space: Tiling, x: Tensor, y: Tensor) -> None:
    space.dist(x, y).sum().backward()


def rows(space: Tiling, base: float) -> list[str]:
    lines = []
    for radius, n in tqdm(RADII.items(), desc=space.name, disable=None):
        g = torch.Generator().manual_seed(0)
        a = torch.randn(n, 2, dtype=torch.float64, generator=g)
        x = space.from_normal_coordinates(radius * a / a.norm(dim=-1, keepdim=True))
        u = space.from_normal_coordinates(torch.randn(n, 2, dtype=torch.float64, generator=g))
        u = space.proju(x, tiling.match(space.code, space.logmap0(u), x)[0])
        near, x, u = tiling.match(space.code, space.expmap(x, u), x, u)
        far = x.roll(1, 0)
        cost = [nanoseconds(functools.partial(space.dist, x, y), n) for y in (far, near)]
        cost.append(nanoseconds(functools.partial(slope, space, x.clone().requires_grad_(), far), n))
        cost.append(nanoseconds(functools.partial(space.expmap, x, u), n))
        error = [worst(space, x, y, CHECKED[radius]) for y in (far, near)]
        cells = [f"{radius:,}", str(space.limbs(x)), *(f"{v:,.0f} | {v / base:,.1f}" for v in cost[:2])]
        cells += [*(f"{v:,.0f}" for v in cost[2:]), *(f"{v:.2f}" for v in error)]
        lines.append(f"| {space.name} | " + " | ".join(cells) + " |")
    return lines


def conversions() -> list[str]:
    tiled, turned = HTiling(2), LTiling()
    ways = [(tiled, turned), (turned, tiled), *((a, b) for a in (tiled, turned) for b in (HalfSpace(), Lorentz()))]
    heads = (f"{a.name} to {b.name}" for a, b in ways)
    lines = ["| radius | " + " | ".join(heads) + " |", "|--:" * (len(ways) + 1) + "|"]
    for radius, most in tqdm(CHECKED.items(), desc="convert", disable=None):
        n = min(most, 20)
        a = torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        a = radius * a / a.norm(dim=-1, keepdim=True)
        cost = []
        for source, target in ways:
            x = source.from_normal_coordinates(a)
            cost.append(nanoseconds(functools.partial(convert, x, source, target), n, 3) / 1e6)
        lines.append(f"| {radius:,} | " + " | ".join(f"{v:.3g}" for v in cost) + " |")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write benchmarks/tiling.md")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    flat = HalfSpace()
    x = flat.random(20_000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = x.roll(1, 0)
    base = nanoseconds(lambda: flat.dist(x, y), len(x))
    lines = [
        f"float64, HalfSpace: {base:.0f} ns a distance, up to radius 36.",
        "",
        "| | radius | limbs | far, ns | × float64 | near, ns | × float64 | far with gradient, ns | step, ns | far, ulp "
        "| near, ulp |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        *rows(HTiling(2), base),
        *rows(LTiling(), base),
        "",
        "## Conversions, milliseconds a row",
        "",
        *conversions(),
    ]
    print("\n".join(lines))
    if args.write:
        head = (
            "# What exactness costs\n\nWritten by `python benchmarks/tiling.py --write`, in the plane, one thread.\n"
            "Near: at a distance of about 1; a step is `expmap` by about 1, renormalised.\n"
            f"Measured on {machine()}.\n\n"
        )
        (FOLDER / "tiling.md").write_text(head + "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
