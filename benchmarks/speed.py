"""What every op costs: against a copy of as many bytes, peers, and torch.compile of the textbook formula.

    python benchmarks/speed.py --quick             a minute: rows at 1e5 x 10
    python benchmarks/speed.py --write             everything, and speed.md and speed.png beside this file
    python benchmarks/speed.py --only dist expmap --threads 1

Within a case the implementations run in turns, in an order that rotates each round, so that a noisy neighbour hits all
of them; reported are medians over rounds of the ratio within a round.  The floor is one copy that moves what the op
must move: inputs read and outputs written once, and for forward and backward together also inputs and the output's
gradient read and the inputs' gradients written.  Small cases sit in cache, and so does their floor.  Compiling is not
counted.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peers import PEERS, Compiled, Ours, TextbookBall, TextbookLorentz, make, versions
from torch import Tensor
from tqdm import tqdm

import hypgeo
import hypgeo.optim
from hypgeo.testing.reference import Reference

sys.path.append(str(Path(__file__).resolve().parents[1] / "embeddings"))
from measure import machine

FOLDER = Path(__file__).parent
ROWS = ("dist", "expmap", "logmap", "mobius_add", "transp")
MODELS = ("PoincareBall", "Lorentz", "HalfSpace")
BOTH = ("forward", "forward + backward")
RECORDED = "forward, recorded"  # the call alone, on rows that want gradients


@dataclass(frozen=True)
class Case:
    """One thing to time."""

    op: str
    model: str
    n: int
    d: int = 10
    dtype: str = "float32"
    mode: str = "forward"
    threads: int = 1
    extra: int = 0  # points in a set

    def __str__(self) -> str:
        sets = f"{self.n:,} sets" if self.n > 1 else "1 set"
        size = f"{sets} of {self.extra}" if self.extra else f"{self.n:,}"
        return f"{self.op} {self.model} {size} × {self.d} {self.dtype} {self.mode}, {self.threads} thread" + (
            "s" if self.threads > 1 else ""
        )


def plan(quick: bool) -> list[Case]:
    """The cases, the most telling first."""
    main = [
        Case(op, model, 100_000, dtype=dtype, mode=mode, threads=threads)
        for threads in (1, 2)
        for dtype in ("float32", "float64")
        for mode in BOTH
        for op in ROWS
        for model in MODELS
    ]
    if quick:
        return [c for c in main if c.threads == 1 and c.dtype == "float32" and c.model != "HalfSpace"]
    modes = (BOTH[0], RECORDED, BOTH[1])
    few = [Case(op, "PoincareBall", 8, mode=mode) for op in ROWS for mode in modes]
    few += [Case("dist", "Lorentz", 8, mode=mode) for mode in modes]
    steps = [Case("adam step", model, 100_000, dtype=t) for model in MODELS[:2] for t in ("float32", "float64")]
    wide = [
        Case("pairwise_dist", model, 4096, dtype=dtype, threads=t)
        for t in (1, 2)
        for dtype in ("float32", "float64")
        for model in MODELS
        if (dtype, t) != ("float64", 2)
    ]
    wide += [Case("pairwise_dist", model, 1024, mode=BOTH[1]) for model in MODELS]
    means = [
        Case("frechet_mean", model, n, d, dtype, extra=k)
        for model in MODELS[:2]
        for n, k, d in ((1000, 50, 5), (1, 1000, 10), (1, 1000, 2))
        for dtype in ("float64", "float32")
    ]
    large = [
        Case(op, model, 1_000_000, mode=mode, threads=2)
        for mode in BOTH
        for op in ("dist", "expmap", "logmap")
        for model in MODELS[:2]
    ]
    small = [Case(op, model, 1000, mode=mode) for op in ROWS for model in MODELS[:2] for mode in BOTH]
    first, rest = main[:30], main[30:]
    return [*first, *few, *steps, *means, *wide, *large, *rest, *small]


# ------------------------------------------------------------------------------------------ inputs
def points(model: str, *shape: int, radius: float = 2.0, seed: int = 0) -> Tensor:
    """Points within a radius of the origin, c = 1, in float64."""
    g = torch.Generator().manual_seed(seed)
    u = torch.randn(*shape, dtype=torch.float64, generator=g)
    u = u / u.norm(dim=-1, keepdim=True)
    x = torch.tanh(torch.rand(*shape[:-1], 1, dtype=torch.float64, generator=g) * radius / 2) * u
    ball = hypgeo.PoincareBall()
    return x if model == "PoincareBall" else hypgeo.convert(x, ball, getattr(hypgeo, model)())


def inputs(case: Case) -> list[Tensor]:
    """What the op is called with."""
    dtype = getattr(torch, case.dtype)
    if case.extra:
        weights = torch.rand(case.n, case.extra, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        return [points(case.model, case.n, case.extra, case.d).to(dtype), (weights + 0.5).to(dtype)]
    x, y = (points(case.model, case.n, case.d, seed=s) for s in (0, 1))
    v = 0.1 * torch.randn(case.n, case.d, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    if case.model == "Lorentz":
        v = torch.cat(((x[:, 1:] * v).sum(-1, keepdim=True) / x[:, :1], v), -1)
    rows = {"expmap": [x, v], "transp": [x, y, v], "adam step": [x, 0.01 * v]}.get(case.op, [x, y])
    return [t.to(dtype) for t in rows]


def adam(who: Any, case: Case, args: Sequence[Tensor]) -> Callable[[], Any] | None:
    """One step of Riemannian Adam: ours on our manifold, geoopt's own on its own."""
    import geoopt

    module = hypgeo.optim if who.name == "hypgeo" else geoopt.optim if who.name == "geoopt" else None
    if module is None:
        return None
    p = geoopt.ManifoldParameter(args[0].clone(), manifold=who.manifold)
    step, grad = module.RiemannianAdam([p], lr=1e-5).step, args[1].clone()

    def run() -> None:
        p.grad = grad
        step()

    return run


def karcher(who: Any, x: Tensor, w: Tensor) -> Tensor:
    """The mean that users of a library without one write: gradient steps until they are short."""
    w = (w / w.sum(-1, keepdim=True)).unsqueeze(-1)
    m = x[..., 0, :]
    for _ in range(200):
        step = (w * who.logmap(m.unsqueeze(-2), x)).sum(-2)
        m = who.expmap(m, step)
        if float(step.norm(dim=-1).max()) < (1e-12 if x.dtype == torch.float64 else 1e-6):
            break
    return m


def work(who: Any, case: Case, args: Sequence[Tensor]) -> tuple[Callable[[], Any], Tensor | None] | None:
    """What to time, and its result once."""
    if case.op == "adam step":
        run = adam(who, case, args)
        return None if run is None else (run, None)
    verb = getattr(who, case.op, None)
    if verb is None and case.op == "frechet_mean" and who.name == "geoopt":
        verb = lambda x, w: karcher(who, x, w)  # noqa: E731
    if verb is None:
        return None
    if case.mode == "forward":

        def forward() -> Tensor:
            with torch.no_grad():
                return verb(*args)

        return forward, forward()
    leaves = [a.clone().requires_grad_() for a in args]
    out = verb(*leaves)
    if case.mode == RECORDED:
        return (lambda: verb(*leaves)), out.detach()
    seed = torch.randn_like(out)

    def both() -> Any:
        return torch.autograd.grad(verb(*leaves), leaves, seed)

    both()
    return both, out.detach()


def moved(case: Case, args: Sequence[Tensor], out: Tensor | None) -> int:
    """Bytes that the job must read and write."""
    size = sum(a.numel() * a.element_size() for a in args)
    if out is None:  # point, gradient and two moments read; point and moments written
        return 7 * args[0].numel() * args[0].element_size()
    result = out.numel() * out.element_size()
    return 3 * size + 2 * result if case.mode == BOTH[1] else size + result


# ------------------------------------------------------------------------------------------ timing
def once(f: Callable[[], Any], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        f()
    return (time.perf_counter() - start) / times


def run(case: Case, patience: float) -> dict[str, Any] | None:
    """Seconds and ratios of everyone who has the op."""
    torch.set_num_threads(case.threads)
    dtype = getattr(torch, case.dtype)
    args = inputs(case)
    everyone = [Ours(case.model, 1.0, dtype)]
    everyone += [m for k in PEERS if k.model == case.model and (m := make(k, 1.0, dtype)) is not None]
    plain = {"PoincareBall": TextbookBall, "Lorentz": TextbookLorentz}.get(case.model)
    if (
        plain
        and case.dtype == "float32"
        and (case.n >= 100_000 or case.op == "pairwise_dist")
        and hasattr(plain, case.op)
    ):
        everyone.append(Compiled(plain(1.0, dtype)))
    if case.op == "pairwise_dist" and case.n > 2048:  # the peers broadcast: n x n x d intermediates
        everyone = [m for m in everyone if m.name not in ("geoopt", "HypLL") and (plain or m.name == "hypgeo")]
    jobs: dict[str, Callable[[], Any]] = {}
    notes, out = [], None
    for who in everyone:
        try:
            made = work(who, case, args)
        except Exception as e:
            notes.append(f"{who.name} raises {type(e).__name__}")
            continue
        if made:
            jobs[who.name] = made[0]
            out = made[1] if out is None else out
    if "hypgeo" not in jobs:
        print(f"{case}: not timed; {'; '.join(notes) or 'hypgeo does not have it'}", file=sys.stderr)
        return None
    source = torch.rand(max(moved(case, args, out) // 8, 1))
    target = torch.empty_like(source)
    jobs["floor"] = lambda: target.copy_(source)
    first = {k: min(once(f, 1) for _ in range(3 if once(f, 1) < 0.2 else 1)) for k, f in jobs.items()}
    repeat = {k: max(1, min(2000, int(2e-3 / max(t, 1e-7)))) for k, t in first.items()}
    names, times = list(jobs), {k: [] for k in jobs}
    start, rounds = time.perf_counter(), 0
    while rounds < 3 or (rounds < 25 and time.perf_counter() - start < patience):
        for k in names[rounds % len(names) :] + names[: rounds % len(names)]:
            times[k].append(once(jobs[k], repeat[k]))
        rounds += 1
        if time.perf_counter() - start > 8 * patience:
            break

    def ratio(a: str, b: str) -> float:
        return statistics.median(s / t for s, t in zip(times[a], times[b], strict=True))

    return {
        "case": case,
        "ms": {k: 1e3 * statistics.median(t) for k, t in times.items()},
        "floor": {k: ratio(k, "floor") for k in names},
        "ours": {k: ratio(k, "hypgeo") for k in names},
        "notes": notes,
    }


def error_of_means(case: Case) -> dict[str, float]:
    """Distance of each mean from the exact one, the worst of two sets."""
    dtype = getattr(torch, case.dtype)
    x, w = (t[:2] for t in inputs(case))
    out = {}
    for who in [Ours(case.model, 1.0, dtype), *(make(k, 1.0, dtype) for k in PEERS if k.model == case.model)]:
        if who is None or who.name not in ("hypgeo", "geoopt"):
            continue
        made = work(who, case, [x, w])
        if made is None or made[1] is None:
            continue
        ref = Reference(getattr(hypgeo, case.model)())
        skip = case.model == "Lorentz"
        worst = 0.0
        for i in range(len(x)):
            mean = ref("frechet_mean", x[i], w[i])
            worst = max(worst, float(ref.dist(made[1][i], mean[1:] if skip else mean)))
        out[who.name] = worst
    return out


def memory(model: str, n: int) -> dict[str, float]:
    """Peak of pairwise forward and backward in a process of its own, in units of the n x n result (Linux).

    Not by ``ru_maxrss``, which a process inherits from its parent.
    """
    code = (
        "import re, resource, torch, speed, hypgeo\n"
        "resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))\n"  # rather a failure than a machine that swaps
        f"x, y = (speed.points({model!r}, {n}, 10, seed=s).float().requires_grad_() for s in (0, 1))\n"
        f"m = hypgeo.{model}()\n"
        "m.pairwise_dist(x[:64], y[:64]).sum().backward()\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])\n"
        "before = peak()\n"
        "m.pairwise_dist(x, y).sum().backward()\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=FOLDER)
    if done.returncode:
        return {}
    return {"peak": float(done.stdout.split()[-1]) * 1024 / (4 * n * n)}


# ------------------------------------------------------------------------------------------ report
def figure(v: float) -> str:
    return f"{v:.2g}" if v < 10 else f"{v:,.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(r) + " |" for r in (head, *rows)]
    return "\n".join([lines[0], "|---" + "|--:" * (len(head) - 1) + "|", *lines[1:]])


def report(results: Sequence[dict[str, Any]], errors: dict[Case, dict[str, float]], peaks: dict[str, Any]) -> str:
    """One row a case: ours, the floor, the best peer, the compiled formula."""
    rows = []
    for r in results:
        ms, ours = r["ms"], r["ours"]
        peers = [k for k in ms if k in ("geoopt", "HypLL")]
        best = min(peers, key=lambda k: ms[k], default=None)
        row = [str(r["case"]), figure(ms["hypgeo"]), figure(r["floor"]["hypgeo"])]
        row += [f"{best} {figure(ours[best])} ×" if best else ""]
        row += [f"{figure(ours[k])} ×" if k in ours else "" for k in ("textbook", "compiled textbook")]
        rows.append(row)
    head = ["case", "ms", "× floor", "best peer takes", "textbook takes", "compiled textbook takes"]
    text = [table(head, rows), ""]
    notes = sorted({f"{r['case'].op} {r['case'].model}: {n}" for r in results for n in r["notes"]})
    text += [f"- {n}" for n in notes] + [""] * bool(notes)
    if errors:
        rows = [[str(c), *(f"{e[k]:.1e}" if k in e else "" for k in ("hypgeo", "geoopt"))] for c, e in errors.items()]
        text += ["Distance of the Fréchet mean from the exact one (beside a Karcher flow on geoopt):", ""]
        text += [table(["case", "hypgeo", "geoopt"], rows), ""]
    if peaks:
        said = ", ".join(f"{k} {v['peak']:.1f} ×" if v else f"{k} more than 8 GiB" for k, v in peaks.items())
        text += [f"Peak memory of pairwise_dist forward and backward, 4096 × 4096, in units of its result: {said}.", ""]
    return "\n".join(text)


COLORS = {"hypgeo": "#000000", "geoopt": "#E69F00", "HypLL": "#0072B2"}  # Okabe and Ito 2008
COLORS |= {"textbook": "#CC79A7", "compiled textbook": "#009E73"}
SHAPES = {"hypgeo": "o", "geoopt": "s", "HypLL": "^", "textbook": "D", "compiled textbook": "v"}


def draw(results: Sequence[dict[str, Any]], target: Path) -> None:
    """Times over the floor at 1e5 rows, one thread, float32; every implementation a dot, every op a line."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    ink, faint = "#1c2430", "#8a8f98"
    kept = [r for r in results if r["case"].n == 100_000 and r["case"].op in ROWS]
    kept = [r for r in kept if r["case"].threads == 1 and r["case"].dtype == "float32"]
    names = {"PoincareBall": "ball", "Lorentz": "hyperboloid", "HalfSpace": "half-space"}
    figure_, axes = plt.subplots(1, 2, figsize=(12, 5.2), sharey=True, sharex=True, layout="constrained")
    for axis, mode in zip(axes, BOTH, strict=True):
        rows = [r for m in MODELS for r in kept if (r["case"].mode, r["case"].model) == (mode, m)]
        for y, r in enumerate(reversed(rows)):
            lots = {k: v for k, v in r["floor"].items() if k != "floor"}
            axis.plot([min(lots.values()), max(lots.values())], [y, y], color="#d5d8dc", linewidth=1.5, zorder=1)
            for k, v in lots.items():
                axis.plot(v, y, SHAPES[k], color=COLORS[k], markersize=9 if k == "hypgeo" else 6, zorder=2)
        axis.set_yticks(range(len(rows)), [f"{r['case'].op}, {names[r['case'].model]}" for r in reversed(rows)])
        axis.axvline(1, color=faint, linewidth=1, linestyle=(0, (2, 2)))
        axis.set(xscale="log", title=mode, xlabel="time ÷ time of copying the same bytes")
        axis.grid(axis="x", which="both", color="#eceef0", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(faint)
        axis.tick_params(which="both", colors=faint, labelcolor=ink)
    handles = [plt.Line2D([], [], color=COLORS[k], marker=SHAPES[k], linestyle="", label=k) for k in COLORS]
    figure_.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    title = "100,000 rows of 10 coordinates, float32, one thread: further left is better, 1 is a copy"
    figure_.suptitle(title, x=0.01, ha="left", fontweight="bold", color=ink, fontsize=11)
    figure_.savefig(target, dpi=110, facecolor="white")
    plt.close(figure_)


def main() -> int:
    """The command; see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="rows at 1e5 x 10, float32, one thread")
    parser.add_argument("--only", nargs="+", metavar="OP", help="these ops")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS, metavar="MODEL")
    parser.add_argument("--threads", type=int, choices=(1, 2), help="only cases with so many")
    parser.add_argument("--budget", type=float, help="seconds, after which the remaining cases are left out")
    parser.add_argument("--write", action="store_true", help="write speed.md and speed.png beside this file")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    budget = asked.budget or (50.0 if asked.quick else 440.0)
    cases = [c for c in plan(asked.quick) if c.model in asked.models and (not asked.only or c.op in asked.only)]
    cases = [c for c in cases if asked.threads in (None, c.threads)]
    start, results, left = time.perf_counter(), [], []
    errors: dict[Case, dict[str, float]] = {}
    for case in tqdm(cases, disable=None):
        if time.perf_counter() - start > budget:
            left.append(str(case))
            continue
        found = run(case, 0.15 if asked.quick else 0.25)
        if found:
            results.append(found)
        if case.op == "frechet_mean":
            errors[case] = error_of_means(case)
    wide = any(c.op == "pairwise_dist" for c in cases)
    peaks = {model: memory(model, 4096) for model in asked.models} if wide else {}
    text = f"Measured on {machine()}; {versions()}; {time.perf_counter() - start:.0f} s.\n\n"
    text += report(results, errors, peaks)
    if left:
        text += f"\nLeft out after {budget:.0f} s: {'; '.join(left)}.\n"
    print(text)
    if asked.write:
        (FOLDER / "speed.md").write_text(HEAD + text)
        draw(results, FOLDER / "speed.png")
    return 0


HEAD = """# What the ops cost

Written by `python benchmarks/speed.py --write`. "× floor" is the time over that of one copy of the bytes that the op
must move; the other columns are the time of somebody else over ours, medians of ratios within interleaved rounds.

![time against the copy floor](speed.png)

"""

if __name__ == "__main__":
    sys.exit(main())
