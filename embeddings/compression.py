"""Exact points in few bytes: WordNet's nouns in the plane, as big floats, as a tiling, and compressed.

    python embeddings/compression.py           the tables
    python embeddings/compression.py --write   also embeddings/compression.md

Needs WordNet in $HYPGEO_DATA.  Yu & De Sa (NeurIPS 2019) store their integer parts exactly and few bits of each offset.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import machine

from hypgeo import Embedding, Graph, TreeEmbedder, data, metrics
from hypgeo.ops import tree as ops

FOLDER = Path(__file__).parent
BITS = (16, 12, 8, 6, 4)
PAIRS = 5_000_000  # of a distortion
CHECKED = 20  # nodes whose ranks are also taken from the tiling's own distances
COLUMNS = {  # figure: (heading, format)
    "file": ("file, MB", ".3f"),
    "points": ("points, MB", ".3f"),
    "bits": ("bits/node", ",.1f"),
    "integers": ("integers", ",.1f"),
    "offsets": ("offsets", ",.1f"),
    "share": ("% of big floats", ".2f"),
    "largest": ("largest shift", ".1e"),
    "mean": ("mean shift", ".1e"),
    "map": ("MAP", ".6f"),
    "worst": ("worst", ".6f"),
    "average": ("average", ".6f"),
    "seconds": ("save, load s", "s"),
}


@dataclass(frozen=True)
class Measured:
    """One graph: what its points take in every form, and how well each keeps the graph."""

    title: str
    graph: Graph
    radius: float
    big: Mapping[str, float]
    rows: Mapping[str, Mapping[str, Any]]
    checked: float


def big_floats(embedding: Embedding) -> dict[str, float]:
    """Bytes of plain coordinates as floats with long significands, exponents not counted.

    A number of the Poincaré ball at distance r from the centre needs log2 cosh^2(r / 2) bits before its first useful
    one and 53 after it; one of the half-space, an x at height y, -log2 y, and a height no more than float64 has.
    """
    radius = embedding.manifold.radius(embedding.points)
    log_y = embedding.manifold.positions(embedding.points)[:, -1]
    ball = 53 + 2 * (radius / 2 + torch.log1p(torch.exp(-radius)) - math.log(2)) / math.log(2)
    half = 53 + (-log_y / math.log(2)).clamp(min=0)
    d = embedding.dim
    return {
        "ball": float(ball.sum()) * d / 8,
        "ball, one precision for all": float(ball.max()) * embedding.n * d / 8,
        "half-space": (float(half.sum()) * (d - 1) + 64 * embedding.n) / 8,
    }


def quality(graph: Graph, tree: Embedding) -> dict[str, float]:
    """MAP, worst and average distortion against the graph, of a HalfSpaceTree."""
    found = metrics.distortion(graph, tree, PAIRS)
    return {
        "map": metrics.mean_average_precision(graph, tree),
        "worst": found.worst,
        "average": found.average,
    }


def measure(title: str, graph: Graph) -> Measured:
    """Embeds, saves in every form, loads again and measures what was loaded."""
    tree = TreeEmbedder(dim=2, distortion=0.1).fit(graph).embedding_
    start = time.perf_counter()
    tiling = tree.to_tiling()
    placed = time.perf_counter() - start
    big = big_floats(tree)
    plain = tiling.bytes_per_node * tiling.n
    rows: dict[str, dict[str, Any]] = {
        "tiling, uncompressed": {
            "points": plain / 1e6,
            "bits": 8 * tiling.bytes_per_node,
            "share": 100 * plain / big["ball"],
            "seconds": f"{placed:.1f} to place",
            **quality(graph, tiling.to_tree()),
        }
    }
    checked = 0.0
    for name, embedding, how in [
        ("tiling, lossless", tiling, {"lossless": True}),
        *((f"tiling, {bits} bits", tiling, {"bits": bits}) for bits in BITS),
        ("tree, lossless", tree, {"lossless": True}),
        ("tree, 8 bits", tree, {"bits": 8}),
    ]:
        back, rows[name] = stored(embedding, how, big["ball"])
        if embedding is tiling:
            measured = back.to_tree()
            checked = max(checked, own_ranks(graph, back, measured))
            back = measured
        rows[name] |= quality(graph, back)
        print(f"{title}: {name}", file=sys.stderr, flush=True)
    return Measured(title, graph, tree.radius, big, rows, checked)


def stored(embedding: Embedding, how: Mapping[str, Any], big: float) -> tuple[Embedding, dict[str, Any]]:
    """What comes back from a file, and what is said of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        times = [time.perf_counter()]
        embedding.save(path, **how)
        times.append(time.perf_counter())
        back = Embedding.load(path)
        times.append(time.perf_counter())
        size = path.stat().st_size
    facts = back.stored
    assert facts is not None
    sizes = facts["sizes"]
    points = sizes["integers"] + sizes["offsets"] + sizes["parents"]
    return back, {
        "file": size / 1e6,
        "points": points / 1e6,
        "bits": 8 * points / back.n,
        "integers": 8 * sizes["integers"] / back.n,
        "offsets": 8 * sizes["offsets"] / back.n,
        "share": 100 * points / big,
        "largest": facts["largest_shift"],
        "mean": facts["mean_shift"],
        "seconds": f"{times[1] - times[0]:.1f}, {times[2] - times[1]:.1f}",
    }


def own_ranks(graph: Graph, tiling: Embedding, tree: Embedding) -> float:
    """The largest difference of a node's average precision between the two, over CHECKED nodes."""
    at = torch.tensor([tiling.index(label) for label in graph.labels])
    rows = graph.adjacency()
    indptr, indices = (torch.from_numpy(part.astype(np.int64)) for part in (rows.indptr, rows.indices))
    nodes = torch.from_numpy(np.random.default_rng(0).choice(graph.n, CHECKED, replace=False))
    worst = 0.0
    for node in nodes.tolist():
        source = tiling.points[at[node : node + 1]]
        both = [
            tiling.manifold.pairwise_dist(source, tiling.points)[:, at],
            tree.manifold.dist_from(tree.points, at[node])[None, at],
        ]
        one, other = (ops.rank_rows(d, indptr, indices, torch.tensor([node]))[0, 0] for d in both)
        worst = max(worst, abs(float(one - other)))
    return worst


def table(found: Measured) -> str:
    """Markdown, aligned so that it reads well in a terminal too."""
    cells = [["", *(heading for heading, _ in COLUMNS.values())]]
    for name, size in found.big.items():
        row = {"points": size / 1e6, "bits": 8 * size / found.graph.n, "share": 100 * size / found.big["ball"]}
        cells.append([f"big floats, {name}", *shown(row)])
    for name, row in found.rows.items():
        cells.append([name, *shown(row)])
    width = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join([row[0].ljust(width[0]), *map(str.rjust, row[1:], width[1:])]) + " |" for row in cells]
    rule = "|" + "|".join(["-" * (width[0] + 2), *("-" * (w + 1) + ":" for w in width[1:])]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def shown(row: Mapping[str, Any]) -> list[str]:
    """One row's cells."""
    return [format(row[key], form) if key in row else "" for key, (_, form) in COLUMNS.items()]


def graphs() -> Iterator[tuple[str, Graph]]:
    """WordNet's nouns, all of them and those of Sala et al."""
    yield "All nouns", data.wordnet_nouns()
    yield "The nouns of Sala, De Sa, Gu & Ré", data.wordnet_sala()


def section(found: Measured) -> str:
    """One graph's part of the page."""
    return f"""## {found.title}
{found.graph.n:,} nodes, {found.graph.m:,} edges, radius {found.radius:,.0f}.

{table(found)}

Over {CHECKED} nodes drawn with seed 0 the average precision by the tiling's own distances differs by at most
{found.checked:.1e} from that by the rows of the tree."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the head of this file."""
    parser = argparse.ArgumentParser(description="What WordNet takes as exact points.")
    parser.add_argument("--write", action="store_true", help="write compression.md beside this file")
    asked = parser.parse_args(argv)
    text = "\n\n".join(section(measure(title, graph)) for title, graph in graphs())
    print(text)
    if asked.write:
        (FOLDER / "compression.md").write_text(HEAD.format(machine=machine(), pairs=PAIRS / 1e6) + text + "\n")
    return 0


HEAD = """# Exact points in few bytes

Written by `python embeddings/compression.py --write`. Measured on {machine}.

WordNet's nouns in the hyperbolic plane with 10 % distortion (`TreeEmbedder(dim=2, distortion=0.1)`), every node at its
whole place: as big floats, as points of the half-space tiling (`HTiling`), and as `Embedding.save(path, bits=...)`
writes these. The tree's own rows, each node seen from its parent, stand below: they are exact too, and shorter.

- *Big floats* hold each number with as many bits as its place needs: in the Poincaré ball log2 cosh²(r/2), which is
  where the metric has room again at distance r, and 53 beyond. Libraries give all numbers of an array one precision,
  the largest. In the half-space only x is long.
- *Points*: integers, offsets and parents, without which the integers cannot be read; *file* also holds labels, edges
  and how the embedding was made. *Bits/node* are those of the points, of them *integers* and *offsets*.
- *Shift*: how far a node moved from where it was, in the hyperbolic metric; rows of a tree, as the parent sees it.
- *MAP*, *worst* and *average* distortion against the graph's own shortest paths (from {pairs:g} million pairs), after
  loading. A tiling's points are measured through `Embedding.to_tree()`: each point as its parent sees it, rounded to
  float64 once, which is quick; a sample is held against the tiling's own distances.
- The reference reports 372 MB to 7.13 MB (Yu & De Sa, NeurIPS 2019; not re-checked, its code was not released).

"""


if __name__ == "__main__":
    sys.exit(main())
