"""What trees cost: seconds and memory to build and to measure, from 10^4 to 10^6 nodes.

    python benchmarks/tree.py           the tables
    python benchmarks/tree.py --write   also benchmarks/tree.md and benchmarks/tree.png

Every row is a process of its own: seconds are the best of three runs, memory is the most that it ever held (ru_maxrss).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "embeddings"))
from measure import machine

from hypgeo import Graph, data, metrics
from hypgeo.embed import TreeEmbedder

FOLDER = Path(__file__).parent
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
SAMPLE = 200_000  # pairs for distances per second


def memory() -> float:
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def recursive(n: int) -> np.ndarray:
    """(n - 1, 2) a random recursive tree: every node's parent is drawn from those before it."""
    child = np.arange(1, n)
    return np.stack([(np.random.default_rng(0).random(n - 1) * child).astype(np.int64), child], axis=1)


def star(n: int) -> np.ndarray:
    """(n, 2) one centre and n leaves."""
    return np.stack([np.zeros(n, dtype=np.int64), np.arange(1, n + 1)], axis=1)


def path(n: int) -> np.ndarray:
    """(n - 1, 2) one path."""
    return np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)


SOURCES: dict[str, Callable[..., Any]] = {"recursive": recursive, "star": star, "path": path}


def best(work: Callable[[], Any]) -> tuple[float, Any]:
    """The least seconds of three runs, and what the last one gave."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), found


def one(kind: str, n: int) -> dict[str, Any]:
    """One row, measured in this process."""
    before = memory()
    if kind == "wordnet":
        graph = data.wordnet_sala()
    else:
        graph = Graph.of(SOURCES[kind](n))
    build, embedding = best(lambda: TreeEmbedder().fit(graph).embedding_)
    built = memory()
    ranks, precision = best(lambda: metrics.mean_average_precision(graph, embedding))
    i, j = (torch.from_numpy(ends) for ends in np.random.default_rng(1).integers(graph.n, size=(2, SAMPLE)))
    few = 1 if kind == "path" else 20
    deep = SAMPLE // 200 if kind == "path" else SAMPLE  # a walk through a path is half its length
    dist, _ = best(lambda: embedding.manifold.dist(embedding.points, i[:deep], j[:deep]))
    sweep, _ = best(lambda: embedding.manifold.dist_from(embedding.points, i[:few]))
    return {
        "tree": kind,
        "nodes": graph.n,
        "build": build,
        "build_mib": built - before,
        "ranks": ranks,
        "map": precision,
        "peak_mib": memory() - before,
        "process_mib": memory(),
        "radius": embedding.radius,
        "dist": deep / dist,
        "dist_from": few * graph.n / sweep,
    }


COLUMNS = {
    "tree": ("tree", "s"),
    "nodes": ("nodes", ",d"),
    "build": ("build s", ".2f"),
    "build_mib": ("MiB", ",.0f"),
    "ranks": ("MAP s", ".2f"),
    "peak_mib": ("MiB with MAP", ",.0f"),
    "map": ("MAP", ".5f"),
    "process_mib": ("process peak MiB", ",.0f"),
    "radius": ("radius", ",.0f"),
    "dist": ("dist /s", ",.0f"),
    "dist_from": ("dist_from /s", ",.0f"),
}


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, aligned."""
    cells = [[head for head, _ in COLUMNS.values()]]
    cells += [[format(row[key], how) for key, (_, how) in COLUMNS.items()] for row in rows]
    width = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(map(str.rjust, row, width)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 1) + ":" for w in width) + "|", *lines[1:]])


def draw(rows: list[dict[str, Any]], target: Path) -> None:
    """Seconds and memory against nodes, both logarithmic, with a line of slope one through the largest."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    ink, faint = "#1c2430", "#8a8f98"
    rows = [row for row in rows if row["tree"] == "recursive"]
    n = np.array([row["nodes"] for row in rows], dtype=float)
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.2), layout="constrained")
    panels: list[tuple[str, list[tuple[str, str, str]]]] = [
        ("seconds", [("build", "build", "#4477AA"), ("ranks", "exact MAP", "#CC6677")]),
        ("MiB beyond the imported library", [("build_mib", "build", "#4477AA"), ("peak_mib", "with MAP", "#CC6677")]),
    ]
    for axis, (unit, lines) in zip(axes, panels, strict=True):
        for key, label, color in lines:
            y = np.array([row[key] for row in rows])
            axis.plot(n, y[-1] * n / n[-1], color=color, linewidth=1, linestyle=(0, (1, 2)))
            axis.plot(n, y, color=color, linewidth=2, marker="o", markersize=5, label=label)
        axis.plot([], [], color=faint, linewidth=1, linestyle=(0, (1, 2)), label="linear in the nodes")
        axis.set(xscale="log", yscale="log", xlabel="nodes of a random recursive tree", ylabel=unit)
        axis.grid(color="#e3e5e8", linewidth=0.7)
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(faint)
        axis.tick_params(which="both", colors=faint, labelcolor=ink)
        axis.legend(frameon=False)
    figure.suptitle("Embedding a tree in the plane, distortion 0.1", x=0.01, ha="left", fontweight="bold", color=ink)
    figure.savefig(target, dpi=130, facecolor="white")
    plt.close(figure)


def slope(rows: list[dict[str, Any]], key: str) -> float:
    """Growth over the random trees: the exponent p of nodes^p, by least squares in logarithms."""
    chosen = [row for row in rows if row["tree"] == "recursive"]
    x, y = (np.log([row[k] for row in chosen]) for k in ("nodes", key))
    return float(np.polyfit(x, y, 1)[0])


def main() -> int:
    """The command; see the head of this file."""
    parser = argparse.ArgumentParser(description="Seconds and memory of tree embeddings.")
    parser.add_argument("--write", action="store_true", help="write tree.md and tree.png beside this file")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "N"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(asked.one[0], int(asked.one[1]))))
        return 0
    jobs = [("wordnet", 0), *(("recursive", n) for n in SIZES), ("star", 100_000), ("path", 100_000)]
    rows = []
    for kind, n in jobs:
        done = subprocess.run([sys.executable, __file__, "--one", kind, str(n)], capture_output=True, text=True)
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1].removeprefix("ValueError: ")
            print(f"{kind} was left out: {reason}", file=sys.stderr)
            continue
        rows.append(json.loads(done.stdout))
    build, ranks = slope(rows, "build"), slope(rows, "ranks")
    growth = f"Growth from 10^4 to 10^6 nodes: build nodes^{build:.2f}, MAP nodes^{ranks:.2f}."
    text = f"Measured on {machine()}.\n\n{table(rows)}\n\n{growth}"
    print(text)
    if asked.write:
        (FOLDER / "tree.md").write_text(HEAD + text + "\n")
        draw(rows, FOLDER / "tree.png")
    return 0


HEAD = f"""# What trees cost

Written by `python benchmarks/tree.py --write`: TreeEmbedder in the plane, distortion 0.1; the exact MAP over all
nodes; {SAMPLE:,} single distances between random nodes (`dist`; a two-hundredth of that on the path, where each is
a walk of some 10^4 steps) and whole rows (`dist_from`), per second. Seconds are the best of three. MiB is the most
memory held up to there, graph included, less that of the imported library; the process peak has everything.
"recursive" are random recursive trees.

![seconds and memory against nodes](tree.png)

"""


if __name__ == "__main__":
    sys.exit(main())
