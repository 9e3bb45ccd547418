"""Multi-component floats: how far from exact, and what they cost.

    python benchmarks/multifloat.py            errors on hard numbers, and times
    python benchmarks/multifloat.py --write    and multifloat.md beside this file

Errors are the worst over numbers that break naive formulas (hypgeo.testing.multifloat: cancelling sums, both ends of
the exponents, gaps and ties among components), in units of the bound that hypgeo.ops.multifloat states.
Times are of the processor, the least of several rounds in which the two sides take turns, one thread.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from hypgeo.ops import multifloat as mf
from hypgeo.testing import multifloat as exact

sys.path.append(str(Path(__file__).resolve().parents[1] / "embeddings"))
from measure import machine

FOLDER = Path(__file__).parent
DTYPES = (torch.float16, torch.float32, torch.float64)
SIZES = range(1, mf.MOST + 1)
SUMS = ("sum", "cumsum", "prod", "matmul", "powi")


def lines_worst(name: str, dtype: torch.dtype, n: int, count: int) -> float:
    """Of a sum or product along lines of 12, a power, or a matrix product, the first two with cancelling pairs."""
    x = exact.samples("mul" if dtype is not torch.float16 else "exp", dtype, n, 12 * count, seed=4)[0]
    if name in ("prod", "powi", "matmul"):  # within the exponents
        x = exact.samples("acosh", torch.float16, 1, 12 * count, seed=4)[0].to(dtype)
        x = mf.div(mf.from_float(x[:, 0], n), mf.from_float(torch.full((12 * count,), 1000.0, dtype=dtype), n))
    x = x.reshape(count, 12, n)
    if name != "prod":
        x = torch.where(x[..., :1].abs() < torch.finfo(dtype).max / 16, x, 0.0)
        x[:, 7] = mf.neg(x[:, 2])
    v = [exact.values(row) for row in x]
    most = mf.bound(name, dtype, n)
    want: list[tuple[Fraction, Fraction | None, int, Tensor]] = []
    if name == "sum":
        want = [(sum(r), sum(map(abs, r)), 1, out) for r, out in zip(v, mf.sum(x, 1), strict=True)]
    elif name == "cumsum":
        out = mf.cumsum(x, 1)
        want = [(sum(r[: j + 1]), sum(map(abs, r[: j + 1])), 1, out[i, j]) for i, r in enumerate(v) for j in range(12)]
    elif name == "prod":
        for r, out in zip(v, mf.prod(x, 1), strict=True):
            product = Fraction(1)
            for f in r:
                product *= f
            want.append((product, None, 1, out))
    elif name == "powi":
        want = [(f**k, None, 1, mf.powi(x[i, 0], k)) for k in (2, 3, -2, 7) for i, (f, *_) in enumerate(v) if f]
    else:
        out = mf.matmul(x, x.transpose(0, 1))
        for i, j in itertools.product(range(count), range(count)):
            terms = [a * b for a, b in zip(v[i], v[j], strict=True)]
            want.append((sum(terms), 12 * sum(map(abs, terms)), 12, out[i, j]))
    worst = 0.0
    for value, size, floors, got in want:
        row = got.to(torch.float64).tolist()
        error = exact.error(Fraction(value), row, dtype, n, most, size, floors)
        worst = max(worst, error if exact.is_canonical(row, dtype) else float("inf"))
    return worst


def errors(count: int) -> list[str]:
    head = [f"{str(dtype).removeprefix('torch.')} {n}" for dtype in DTYPES for n in SIZES]
    lines = ["| | bound, N = 2 float64 | bound | " + " | ".join(head) + " |", "|---|--:|--:" + "|--:" * len(head) + "|"]
    for name in tqdm((*exact.TWO, *exact.ONE, *SUMS), desc="errors", disable=None):
        cells = []
        for dtype, n in itertools.product(DTYPES, SIZES):
            if name in SUMS:
                worst = lines_worst(name, dtype, n, max(count // 12, 2))
            else:
                inputs = exact.samples(name, dtype, n, count, seed=5)
                worst = exact.worst(name, inputs, getattr(mf, name)(*inputs))
            cells.append(f"{worst:.2f}")
        general = mf.BOUNDS[name]
        lines.append(f"| {name} | {mf.PAIR_BOUNDS.get(name, general):g} | {general:g} | " + " | ".join(cells) + " |")
    return lines


# ---- times


def least(*runs: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds of this process (others may share the machine) for each, taking turns."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for i, run in enumerate(runs):
            start = time.process_time()
            run()
            best[i] = min(best[i], 1e3 * (time.process_time() - start))
    return best


def numbers(*shape: int, dtype: torch.dtype = torch.float64, n: int = 2) -> Tensor:
    raw = torch.randn(*shape, n, dtype=torch.float64)
    return mf.renorm((raw * 2.0 ** (-mf.PRECISION[dtype] * torch.arange(n))).to(dtype))


def times(rounds: int) -> list[str]:
    torch.manual_seed(0)
    a, b = numbers(512, 512), numbers(512, 512)
    plain_a, plain_b = mf.round_to_float(a), mf.round_to_float(b)
    plain, ours = least(lambda: plain_a @ plain_b, lambda: mf.matmul(a, b), rounds=rounds)
    lines = ["| float64, N = 2 | ms | beside | ms | ratio |", "|---|--:|---|--:|--:|"]
    lines.append(f"| matmul 512 × 512 | {ours:.1f} | float64 mm | {plain:.2f} | {ours / plain:.1f} |")
    x, y = numbers(1 << 21), numbers(1 << 21)
    source, target = torch.randn(3 << 21, dtype=torch.float64), torch.zeros(3 << 21, dtype=torch.float64)
    for name in ("add", "sub", "mul", "div"):
        # as many bytes read and written, into memory that is there already
        floor, ours = least(lambda: target.copy_(source), partial(getattr(mf, name), x, y), rounds=rounds)
        lines.append(f"| {name}, 2^21 numbers | {ours:.1f} | copy of its bytes | {floor:.1f} | {ours / floor:.2f} |")
    lines += ["", "Nanoseconds a number, 2^14 of them:", ""]
    kinds = [(torch.float64, 1), (torch.float64, 2), (torch.float64, 3), (torch.float64, 4), (torch.float64, 8),
             (torch.float32, 2), (torch.float32, 4), (torch.float16, 2)]  # fmt: skip
    lines.append("| | " + " | ".join(f"{str(d).removeprefix('torch.')} {n}" for d, n in kinds) + " | torch float64 |")
    lines.append("|---" + "|--:" * (len(kinds) + 1) + "|")
    count = 1 << 14
    for name in tqdm((*exact.TWO, *exact.ONE), desc="times", disable=None):
        runs: list[Callable[[], object]] = []
        for dtype, n in kinds:
            given = [mf.abs(numbers(count, dtype=dtype, n=n)) for _ in range(1 + (name in exact.TWO))]
            if name == "acosh":
                given = [mf.add(given[0], mf.from_float(torch.ones(count, dtype=dtype), n))]
            if name == "atanh":
                given = [mf.mul(given[0], mf.from_float(torch.full((count,), 0.125, dtype=dtype), n))]
            runs.append(partial(getattr(mf, name), *given))
        floats = [torch.rand(count, dtype=torch.float64) + (name == "acosh") for _ in range(1 + (name in exact.TWO))]
        runs.append(partial(getattr(torch, name), *floats))
        cells = [f"{ms * 1e6 / count:.3g}" for ms in least(*runs, rounds=max(rounds // 2, 2))]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write benchmarks/multifloat.md")
    parser.add_argument("--count", type=int, default=60, help="numbers for each cell of the table of errors")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    lines = ["## Worst errors in units of the bound", "", *errors(args.count), "", "## Times", "", *times(args.rounds)]
    print("\n".join(lines))
    if args.write:
        head = (
            "# Multi-component floats\n\n"
            "Written by `python benchmarks/multifloat.py --write`, whose head says what is measured, one thread.\n"
            f"Measured on {machine()}.\n\n"
        )
        (FOLDER / "multifloat.md").write_text(head + "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
