"""How far every op is from the exact result of its floats, in ulps: ours and the peers', regime by regime.

    python benchmarks/accuracy.py --quick              our ops, two samples a regime
    python benchmarks/accuracy.py --peers --write      all of it; writes accuracy.md, .json and .png beside this file
    python benchmarks/accuracy.py --only logmap transp --dim 200 --seed 7
    python benchmarks/accuracy.py --patterns 1000000   random bit patterns instead: no NaN, no infinity, symmetries

The inputs are the rationals that the floats are, the references are computed from them at whatever precision it takes
(hypgeo.testing.reference).  Errors are normwise; a cell is one op, model, dtype and regime, and counts with its worst
sample.  ``--write`` also records, in accuracy.json, the bound that each op keeps; tests/test_bounds.py holds it there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peers import PEERS, Ours, make, versions
from tqdm import tqdm

import hypgeo
from hypgeo.testing.measure import Exact, Found, measure, verb, worst
from hypgeo.testing.patterns import look
from hypgeo.testing.reference import OPS
from hypgeo.testing.samples import Draw, regimes

sys.path.append(str(Path(__file__).resolve().parents[1] / "embeddings"))
from measure import machine

FOLDER = Path(__file__).parent
MODELS = ("PoincareBall", "Lorentz", "HalfSpace")
DTYPES = {"float32": torch.float32, "float64": torch.float64}
WHAT = ("value", "grad", "c")
STEPS = (1.0, 2.0, 4.0, 8.0, 16.0)


def contract(op: str, what: str) -> float:
    """Ulps that an op may be off."""
    return 4.0 if what == "value" else 8.0 if op == "dist" and what == "grad" else 16.0


@dataclass(frozen=True)
class Cell:
    """One implementation in one regime."""

    who: str
    model: str
    op: str
    dtype: str
    what: str
    regime: str
    found: Found
    n: int
    args: str = ""

    @property
    def kept(self) -> bool:
        """Within the contract."""
        return not self.found.flag and self.found.ulp <= contract(self.op, self.what)


def has(model: str, op: str) -> bool:
    """Whether our class has the verb."""
    return op != f"to_{model}" and verb(getattr(hypgeo, model)(), op) is not None


def cells(
    ops: Iterable[str],
    models: Sequence[str],
    dtypes: Sequence[str],
    dim: int,
    n: int,
    seed: int,
    peers: bool,
    what: Sequence[str] = WHAT,
) -> list[Cell]:
    """All of them, with a bar on the way."""
    out: list[Cell] = []
    jobs = [(op, model, dtype) for op in ops for model in models for dtype in dtypes if has(model, op)]
    bar = tqdm(jobs, disable=None)
    for op, model, dtype in bar:
        bar.set_description(f"{model}.{op} {dtype}")
        for regime in regimes(op):
            ours = Ours(model, regime.c, DTYPES[dtype])
            draw = Draw(ours.manifold, dim, DTYPES[dtype], (seed, dim, model, dtype, op, regime.name))
            samples = draw.many(n, regime.sample)
            if not samples:
                continue
            truth = Exact(draw.reference, op, draw.tensors(OPS[op].kinds, samples), seed)
            for who in [ours, *(_peers(model, regime.c, DTYPES[dtype]) if peers else [])]:
                if verb(who, op) is None or op in getattr(who, "timed_only", ()):
                    continue
                for w in what:
                    if w == "c" and who is not ours:
                        continue
                    cell = (who.name, model, op, dtype, w, regime.name)
                    try:
                        found = measure(who, truth, (w,), type(ours.manifold))[w]
                    except (RuntimeError, ValueError, TypeError) as e:
                        out.append(Cell(*cell, Found(math.inf, f"raise {str(e).splitlines()[0][:80]}"), len(samples)))
                        continue
                    if found:
                        bad = worst(found)
                        args = ", ".join(str(a[bad.at].tolist()) for a in truth.args) if who is ours else ""
                        out.append(Cell(*cell, bad, len(found), args))
    return out


def _peers(model: str, c: float, dtype: torch.dtype) -> list[Any]:
    made = (make(kind, c, dtype) for kind in PEERS if kind.model == model)
    return [m for m in made if m is not None]


# ------------------------------------------------------------------------------------------ report
def number(ulp: float) -> str:
    """Short: 0.8, 12, 3e7."""
    if not math.isfinite(ulp):
        return "∞"
    return (
        f"{ulp:.2g}"
        if ulp < 10
        else f"{ulp:.0f}"
        if ulp < 1000
        else f"{ulp:.0e}".replace("e+0", "e").replace("e+", "e")
    )


def mark(group: Sequence[Cell]) -> str:
    """The worst ulp of a group, its cells beyond the contract and its flags."""
    if not group:
        return ""
    flags = sorted({c.found.flag.split()[0] for c in group if c.found.flag})
    size = max((c.found.ulp for c in group if not c.found.flag), default=math.inf)
    lost = sum(not c.kept for c in group)
    text = number(size)
    return text if not lost else f"**{text}** ({lost} of {len(group)}{': ' + ', '.join(flags) if flags else ''})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(r) + " |" for r in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def report(found: Sequence[Cell], asked: argparse.Namespace, seconds: float) -> str:
    """The tables."""
    by: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for c in found:
        by[c.who, c.model, c.op, c.dtype, c.what].append(c)
    ours = [c for c in found if c.who == "hypgeo"]
    text = [
        f"Dimension {asked.dim}, up to {asked.samples} samples a regime, seed {asked.seed}; {len(found)} cells in "
        f"{seconds:.0f} s on {machine()}; {versions()}.",
        "",
        "## hypgeo",
        "",
        "Worst error in ulp over the regimes; bold where cells are beyond the contract (values 4, gradient of dist 8, "
        "other derivatives 16), with how many and their flags. grad: worst over the tensor arguments; c: the "
        "derivative in the curvature.",
        "",
    ]
    head = ["op", "model", *(f"{d} {w}" for d in DTYPES for w in WHAT)]
    rows = []
    for op in OPS:
        for model in MODELS:
            row = [mark(by["hypgeo", model, op, d, w]) for d in DTYPES for w in WHAT]
            if any(row):
                rows.append([op, model, *row])
    text += [table(head, rows), ""]
    lost = [c for c in ours if not c.kept]
    text += [f"{len(ours) - len(lost)} of {len(ours)} cells are within the contract.", ""]
    if any(c.who != "hypgeo" for c in found):
        text += ["## Beside the peers", "", "Values and gradients, over the cells that the implementation has.", ""]
        head = ["implementation", "model", "dtype", "cells", "values ≤ 4 ulp", "gradients ≤ 16 ulp"]
        head += ["nan or inf", "zero, sign or out"]
        rows = []
        for who, model in sorted(
            {(c.who, c.model) for c in found}, key=lambda k: (MODELS.index(k[1]), k[0] != "hypgeo", k)
        ):
            for d in DTYPES:
                mine = [c for c in found if (c.who, c.model, c.dtype) == (who, model, d) and c.what != "c"]
                shares = []
                for w, most in (("value", 4), ("grad", 16)):
                    part = [c for c in mine if c.what == w]
                    good = sum(not c.found.flag and c.found.ulp <= most for c in part)
                    shares.append(f"{good / len(part):.0%}" if part else "")
                flags = [
                    sum(c.found.flag in names for c in mine) for names in (("nan", "inf"), ("zero", "sign", "out"))
                ]
                rows.append([who, model, d, str(len(mine)), *shares, *map(str, flags)])
        text += [table(head, rows), "", "Worst error of values, op by op, float64:", ""]
        names = sorted({c.who for c in found}, key=lambda k: (k != "hypgeo", k))
        rows = []
        for op in OPS:
            for model in MODELS:
                row = [mark(by[who, model, op, "float64", "value"]) for who in names]
                if sum(map(bool, row)) > 1:
                    rows.append([op, model, *row])
        text += [table(["op", "model", *names], rows), ""]
    return "\n".join(text)


def beyond(found: Sequence[Cell]) -> str:
    """Every cell of ours that does not keep the contract, worst first within an op."""
    lost = sorted(
        (c for c in found if c.who == "hypgeo" and not c.kept), key=lambda c: (c.model, c.op, c.what, c.dtype)
    )
    rows = [[c.model, c.op, c.what, c.dtype, c.regime, number(c.found.ulp), c.found.flag, c.args] for c in lost]
    return table(["model", "op", "what", "dtype", "regime", "ulp", "flag", "arguments"], rows)


# ------------------------------------------------------------------------------------------ bounds
def record(found: Sequence[Cell], path: Path, loosen: bool) -> None:
    """The bounds that hold, powers of two never above what stood there before; the regimes beyond them by name."""
    old = json.loads(path.read_text()) if path.exists() else {"bounds": {}}
    groups: dict[tuple[str, str, str, str], list[Cell]] = defaultdict(list)
    for c in found:
        if c.who == "hypgeo":
            groups[c.model, c.op, c.what, c.dtype].append(c)
    bounds: dict[str, Any] = {}
    for (model, op, what, dtype), group in sorted(groups.items()):
        most = contract(op, what)
        kept = [c.found.ulp for c in group if c.kept]
        seen = max(kept, default=math.inf)
        bound = min((s for s in STEPS if s >= 1.25 * seen), default=most)
        before = old["bounds"].get(model, {}).get(op, {}).get(what, {}).get(dtype, {}).get("bound", most)
        bound = min(bound, most) if loosen else min(bound, most, before)
        lost = sorted(c.regime for c in group if (not c.found.flag and c.found.ulp > bound) or c.found.flag)
        entry = {"bound": bound, "worst": float(f"{seen:.3g}") if kept else None}
        if lost:
            entry["beyond"] = lost
        bounds.setdefault(model, {}).setdefault(op, {}).setdefault(what, {})[dtype] = entry
    path.write_text(json.dumps({"torch": torch.__version__, "bounds": bounds}, indent=1) + "\n")


# ------------------------------------------------------------------------------------------ picture
PANELS = ("dist", "dist grad", "expmap", "logmap", "mobius_add", "transp")
COLORS = {"hypgeo": "#000000", "geoopt": "#E69F00", "HypLL": "#0072B2", "textbook": "#CC79A7"}  # Okabe and Ito 2008
SHAPES = {"hypgeo": "o", "geoopt": "s", "HypLL": "^", "textbook": "D"}


def sweep(op: str, what: str, model: str, dim: int, n: int, seed: int) -> dict[str, list[tuple[float, float, bool]]]:
    """For each implementation: radius, worst ulp and whether a sample was flagged, points all at the radius."""
    out: dict[str, list[tuple[float, float, bool]]] = defaultdict(list)
    far = {"PoincareBall": 35.0, "Lorentz": 300.0, "HalfSpace": 300.0}[model]
    for k in range(25):
        r = 1e-3 * (far / 1e-3) ** (k / 24)
        ours = Ours(model, 1.0, torch.float64)
        draw = Draw(ours.manifold, dim, torch.float64, (seed, op, model, k))

        def sample(g: Draw, r: float = r) -> tuple[Any, ...] | None:
            x = g.point(r)
            y = g.point(r)
            if x is None or y is None:
                return None
            given = {"pp": (x, y), "pv": (x, g.vector(x, 1.0)), "ppv": (x, y, g.vector(x, 1.0))}[OPS[op].kinds]
            return ([-t for t in x], y) if op == "mobius_add" else given

        samples = draw.many(n, sample)
        if not samples:
            continue
        truth = Exact(draw.reference, op, draw.tensors(OPS[op].kinds, samples), seed)
        for who in [ours, *_peers(model, 1.0, torch.float64)]:
            if getattr(who, op, None) is None:
                continue
            f = measure(who, truth, (what,))[what]
            if not f:  # the exact result has no float
                continue
            ulp = max((q.ulp for q in f if not q.flag), default=math.inf)
            out[who.name].append((r, ulp, any(q.flag for q in f)))
    return out


def draw_picture(target: Path, dim: int, n: int, seed: int) -> None:
    """Error against radius, one panel an op and model; crosses at the top are flags."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    ink, faint = "#1c2430", "#8a8f98"
    models = {"PoincareBall": "Poincaré ball", "Lorentz": "hyperboloid"}
    figure, axes = plt.subplots(2, len(PANELS), figsize=(16, 6), sharey=True, sharex="row", layout="constrained")
    top = 1e17
    for row, (model, title) in zip(axes, models.items(), strict=True):
        for axis, panel in zip(row, PANELS, strict=True):
            op, _, grad = panel.partition(" ")
            lines = sweep(op, "grad" if grad else "value", model, dim, n, seed)
            axis.axhspan(0.05, 8 if grad else 4, color="#009E73", alpha=0.16, linewidth=0)
            for name in sorted(lines, key=lambda k: k == "hypgeo"):
                points = lines[name]
                x = [p[0] for p in points]
                y = [min(max(p[1], 0.06), top) for p in points]
                style = dict(color=COLORS[name], marker=SHAPES[name], markersize=4 if name == "hypgeo" else 3)
                axis.plot(x, y, linewidth=2.4 if name == "hypgeo" else 1.4, label=name, **style)
                lost = [p[0] for p in points if p[2]]
                axis.plot(lost, [top] * len(lost), "x", color=COLORS[name], markersize=6)
            axis.set(xscale="log", yscale="log", ylim=(0.05, 3 * top))
            axis.set_title(f"{op}, gradient" if grad else op, fontsize=11, color=ink)
            axis.grid(color="#e3e5e8", linewidth=0.7)
            axis.spines[["top", "right"]].set_visible(False)
            axis.spines[["left", "bottom"]].set_color(faint)
            axis.tick_params(which="both", colors=faint, labelcolor=ink, labelsize=8)
        row[0].set_ylabel(f"{title}\nworst error in ulp", color=ink)
        for axis in row:
            axis.set_xlabel("distance of the points from the origin", fontsize=8, color=ink)
    handles = {h.get_label(): h for axis in axes.flat for h in axis.get_legend_handles_labels()[0]}
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False, fontsize=10
    )
    figure.suptitle(
        f"Error of float64 results, worst of {n} random inputs in dimension {dim} (green: the contract; × at the top: "
        "NaN, infinity, zero or wrong sign)",
        x=0.01, ha="left", fontweight="bold", color=ink, fontsize=11,
    )  # fmt: skip
    figure.savefig(target, dpi=110, facecolor="white")
    plt.close(figure)


# ------------------------------------------------------------------------------------------ command
def patterns(asked: argparse.Namespace) -> int:
    """Random bits; returns how many ops failed."""
    bad = 0
    for model in asked.models:
        for op in asked.only:
            if not has(model, op):
                continue
            for dtype in asked.dtypes:
                start = time.perf_counter()
                manifold = getattr(hypgeo, model)(curvature=-float(torch.tensor(asked.c, dtype=DTYPES[dtype])))
                said = look(manifold, op, asked.patterns, asked.dim, DTYPES[dtype], asked.seed, exactly=asked.exactly)
                bad += bool(said)
                seconds = time.perf_counter() - start
                print(
                    f"{model}.{op} {dtype}: {said or 'clean'} ({asked.patterns:,} inputs, {seconds:.1f} s)", flush=True
                )
    return bad


def main() -> int:
    """The command; see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two samples a regime, no peers")
    parser.add_argument("--samples", type=int, default=8, help="samples a regime (8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dim", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(OPS), choices=list(OPS), metavar="OP", help="these ops")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS, metavar="MODEL")
    parser.add_argument("--dtypes", nargs="+", default=list(DTYPES), choices=list(DTYPES))
    parser.add_argument("--peers", action="store_true", help="measure geoopt, HypLL and the textbook formulas too")
    parser.add_argument("--cells", type=Path, help="write every cell of ours beyond the contract to this file")
    parser.add_argument("--write", action="store_true", help="write accuracy.md, .json and .png beside this file")
    parser.add_argument("--loosen", action="store_true", help="with --write: let recorded bounds grow")
    parser.add_argument(
        "--patterns", type=int, default=0, metavar="N", help="random bit patterns: N inputs an op and dtype"
    )
    parser.add_argument("--exactly", type=int, default=200, help="of these, how many are compared with the reference")
    parser.add_argument("--c", type=float, default=1.0, help="minus the curvature, for --patterns")
    asked = parser.parse_args()
    if asked.patterns:
        return int(patterns(asked) > 0)
    if asked.quick:
        asked.samples = 2
    torch.set_num_threads(1)
    start = time.perf_counter()
    found = cells(
        asked.only, asked.models, asked.dtypes, asked.dim, asked.samples, asked.seed, asked.peers and not asked.quick
    )
    text = report(found, asked, time.perf_counter() - start)
    print(text)
    if asked.cells:
        asked.cells.write_text(beyond(found) + "\n")
    if asked.write:
        (FOLDER / "accuracy.md").write_text(HEAD + text)
        record(found, FOLDER / "accuracy.json", asked.loosen)
        draw_picture(FOLDER / "accuracy.png", asked.dim, 12, asked.seed)
    return 0


HEAD = """# How right the ops are

Written by `python benchmarks/accuracy.py --peers --write`: errors in ulp against exact results of the very floats
given, over regimes from 1e-20 to the rim and beyond, between neighbouring floats, opposite, collinear, at curvatures
from -1e-6 to -1e3.

![error against radius](accuracy.png)

"""

if __name__ == "__main__":
    sys.exit(main())
