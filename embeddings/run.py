"""Runs recipes: a hierarchy and a method, measured, and held against the figures that the recipe expects.

    python embeddings/run.py                  every recipe whose data are there
    python embeddings/run.py mammals --check  one, its distances recomputed by mpmath
    python embeddings/run.py --check --write  also write embeddings/results.md

A recipe is a TOML file: `dataset` (a name of hypgeo.data.named) or `file` (below $HYPGEO_DATA), `spanning_tree = true`
to embed the kept tree alone, `[method]` (arguments of TreeEmbedder) and `[expected]` (a figure, or at_least / at_most).
Exit code 1 when a figure is missed, 2 when a recipe is unknown or its data are not there.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measure import kept_tree, machine, worst_ulps

from hypgeo import Graph, data, metrics
from hypgeo.data.local import find
from hypgeo.embed import TreeEmbedder
from hypgeo.embed.spanning import spanning_tree

FOLDER = Path(__file__).parent
PAIRS = 25_000_000  # measured at most for a distortion: all pairs up to 7,071 nodes, rows of drawn sources beyond
CHECKED = 20_000  # radius up to which distances are recomputed: 17,000 digits a number
ROUNDING = 1e-9  # figures come from float64 sums; a bound counts as kept up to this part of it
COLUMNS = {  # figure: (heading, format)
    "nodes": ("nodes", ",d"),
    "edges": ("edges", ",d"),
    "set_aside": ("set aside", ",d"),
    "hidden": ("hidden", ",d"),
    "dim": ("dim", "d"),
    "representation": ("stored as", "s"),
    "radius": ("radius", ",.1f"),
    "bytes_per_node": ("bytes/node", ".0f"),
    "build_seconds": ("build s", ".2f"),
    "map": ("MAP", ".5f"),
    "map_seconds": ("MAP s", ".2f"),
    "worst_tree": ("worst, tree", ".4f"),
    "average_tree": ("average, tree", ".5f"),
    "worst_graph": ("worst, graph", ".2f"),
    "average_graph": ("average, graph", ".4f"),
    "pairs": ("pairs", "s"),
    "ulps": ("ulps", ".2f"),
}


def recipes() -> dict[str, dict[str, Any]]:
    """Every recipe by its name."""
    return {path.stem: tomllib.loads(path.read_text()) for path in sorted(FOLDER.glob("*.toml"))}


def graph_of(recipe: Mapping[str, Any]) -> Graph:
    """The graph that a recipe embeds; ValueError, in one sentence, where its data are missing."""
    if "file" in recipe:
        graph = data.edges(find(recipe["file"], "an edge list"))
    else:
        graph = data.named(recipe["dataset"])
    if recipe.get("spanning_tree"):
        kept = spanning_tree(graph)
        lengths = None if graph.weights is None else kept.lengths
        graph = Graph.from_indices(graph.labels, kept.edges[:, 0], kept.edges[:, 1], lengths)
    return graph


def measure(recipe: Mapping[str, Any], check: bool = False, pairs: int = PAIRS) -> dict[str, Any]:
    """Embeds and measures: the figures of COLUMNS."""
    graph = graph_of(recipe)
    start = time.perf_counter()
    embedding = TreeEmbedder(**recipe["method"]).fit(graph).embedding_
    built = time.perf_counter()
    precision = metrics.mean_average_precision(graph, embedding)
    ranked = time.perf_counter()
    aside = embedding.provenance["edges_set_aside"]
    to_graph = to_tree = metrics.distortion(graph, embedding, pairs)
    refined = "refined_scores" in embedding.provenance  # its lengths are its own, and only ranks are meant to be kept
    if aside and not refined:
        to_tree = metrics.distortion(kept_tree(graph, embedding), embedding, pairs)
    return {
        "nodes": graph.n,
        "edges": graph.m,
        "set_aside": len(aside),
        **({"hidden": embedding.n - graph.n} if refined else {}),
        "dim": embedding.dim,
        "representation": type(embedding.manifold).__name__,
        "radius": embedding.radius,
        "bytes_per_node": embedding.bytes_per_node * embedding.n / graph.n,
        "build_seconds": built - start,
        "map": precision,
        "map_seconds": ranked - built,
        **({} if refined else {"worst_tree": to_tree.worst, "average_tree": to_tree.average}),
        "worst_graph": to_graph.worst,
        "average_graph": to_graph.average,
        "pairs": "all" if to_graph.exact else f"{to_graph.pairs / 1e6:.1f} M",
        **({"ulps": worst_ulps(embedding)} if check and embedding.radius <= CHECKED else {}),
    }


def misses(figures: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What differs from the expectations, a sentence each."""
    out = []
    for name, wanted in expected.items():
        value, bounds = figures[name], wanted if isinstance(wanted, dict) else {"at_least": wanted, "at_most": wanted}
        if value < bounds.get("at_least", value) * (1 - ROUNDING):
            out.append(f"{name} is {value:.10g}, expected at least {bounds['at_least']:.10g}")
        if value > bounds.get("at_most", value) * (1 + ROUNDING):
            out.append(f"{name} is {value:.10g}, expected at most {bounds['at_most']:.10g}")
    if figures.get("ulps", 0.0) > 4:
        out.append(f"a distance is {figures['ulps']:.1f} ulps from mpmath's, expected at most 4")
    return out


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown, aligned so that it reads well in a terminal too."""
    shown = [key for key in COLUMNS if any(key in row for row in rows.values())]
    cells = [["recipe", *(COLUMNS[key][0] for key in shown)]]
    for name, row in rows.items():
        cells.append([name, *(format(row[key], COLUMNS[key][1]) if key in row else "" for key in shown)])
    width = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join([row[0].ljust(width[0]), *map(str.rjust, row[1:], width[1:])]) + " |" for row in cells]
    rule = "|" + "|".join(["-" * (width[0] + 2), *("-" * (w + 1) + ":" for w in width[1:])]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the head of this file."""
    parser = argparse.ArgumentParser(description="Embed and measure the recipes of this folder.")
    parser.add_argument("names", nargs="*", help="recipes to run (default: all)")
    parser.add_argument("--check", action="store_true", help="recompute 50 distances of each with mpmath")
    parser.add_argument("--write", action="store_true", help="write results.md beside this file")
    asked = parser.parse_args(argv)
    known = recipes()
    rows: dict[str, dict[str, Any]] = {}
    missed, missing = [], []
    for name in asked.names or known:
        if name not in known:
            missing.append(f"no recipe is called {name!r}; there are {', '.join(known)}.")
            continue
        if sys.stderr.isatty():
            print(f"\r\033[K{name} ...", end="", file=sys.stderr, flush=True)
        try:
            rows[name] = measure(known[name], asked.check)
        except ValueError as error:
            missing.append(f"{name} was left out: {error}")
            continue
        missed += [f"{name}: {miss}." for miss in misses(rows[name], known[name]["expected"])]
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if rows:
        print(table(rows))
    for line in missed + missing:
        print(line, file=sys.stderr)
    if asked.write and rows:
        (FOLDER / "results.md").write_text(results(rows, known))
    return 1 if missed else 2 if missing else 0


def results(rows: Mapping[str, Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]) -> str:
    """results.md: the table, how to read it, and what each recipe is."""
    about = [f"- **{name}**: {known[name]['title']}. {known[name].get('note', '')}".rstrip() for name in rows]
    return f"""# What the recipes give

Written by `python embeddings/run.py{" --check" if any("ulps" in row for row in rows.values()) else ""} --write`.
Measured on {machine()}.

{table(rows)}

- A graph that is no tree is embedded through a spanning tree; *set aside* are the edges left out. *Tree* columns
  compare with path lengths in the kept tree, *graph* columns with shortest paths in the whole graph.
- *Worst* distortion is the largest ratio d/D of embedded distance to path length over the smallest, *average* the mean
  of |d/(sD) - 1| at the scale s that makes the median one; over *pairs*: all, or rows from nodes drawn with seed 0.
- *MAP* is over all nodes with all edges of the graph, those set aside included, ties counted against us.
- *bytes/node* is what the geometry takes, parents and hidden nodes included; a float64 pair takes 16 and ends at
  radius 37.
- *hidden*: refinement moves edges, gives them lengths of their own and adds nodes that stand for none of the graph's,
  for the sake of ranks alone; there is then no tree of the graph's lengths to compare with.
- *ulps*: the largest error among 50 distances, each asked for in three ways, against mpmath with twice the radius's
  digits; left out beyond radius {CHECKED:,}.

{chr(10).join(about)}
"""


if __name__ == "__main__":
    sys.exit(main())
