"""Precision against dimension: how many bits plain coordinates need for a tree, and what ours take instead.

    python embeddings/precision.py           the table
    python embeddings/precision.py --write   also embeddings/precision.md and embeddings/precision.png

A point at distance R from the centre of the Poincaré ball has 1 - |x|^2 = 1 / cosh^2(R/2), so a coordinate needs
log2 cosh^2(R/2) bits, about R / ln 2, before its first useful one.  Sala, De Sa, Gu & Ré (2018, section 3) show
that distortion 1 + eps takes of the order of (l / eps) log(d_max) bits in the plane, l the longest path and d_max
the largest degree of the tree, and that r dimensions divide it by about r, up to r of about log(d_max).
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import kept_tree
from scipy.sparse.csgraph import dijkstra

from hypgeo import Graph, data
from hypgeo.data.local import find
from hypgeo.embed import TreeEmbedder

FOLDER = Path(__file__).parent
DIMS = (2, 3, 4, 5, 6, 8, 10)
EPSILONS = (1.0, 0.3, 0.1, 0.03, 0.01)


@dataclass(frozen=True)
class Measured:
    """One tree: its radius (K = -1) and bits per plain coordinate, (dims, epsilons) each."""

    title: str
    nodes: int
    longest: int
    degree: int
    radius: np.ndarray
    bits: np.ndarray

    @property
    def law(self) -> np.ndarray:
        """(dims, epsilons) the paper's order of growth, with constant 1 in the plane."""
        reach = max(2.0, math.log2(self.degree))
        share = np.array([2 / min(r, reach) for r in DIMS])
        return np.asarray(share[:, None] * self.longest / np.array(EPSILONS) * math.log2(self.degree))

    @property
    def constant(self) -> float:
        """What the law is to be multiplied with to meet the plane at the smallest epsilon."""
        return float(self.bits[0, -1] / self.law[0, -1])


def trees() -> dict[str, Graph]:
    """The trees that there are data for, unweighted; says which are missing."""
    mammals = data.mammals()
    out = {"WordNet's mammals": kept_tree(mammals, TreeEmbedder().fit(mammals).embedding_)}
    for title, load in (
        ("Moss phylogeny", lambda: data.edges(find("hyperbolics/trees/phylo_tree.edges", "an edge list"))),
        ("Google's taxonomy", lambda: data.named("google_product")),
    ):
        try:
            out[title] = load()
        except ValueError as error:
            print(f"{title} was left out: {error}", file=sys.stderr)
    return out


def measure(title: str, tree: Graph) -> Measured:
    """Radius and bits of a tree at every dimension and distortion."""
    radius = np.array(
        [[TreeEmbedder(dim=r, distortion=eps).fit(tree).embedding_.radius for eps in EPSILONS] for r in DIMS]
    )
    bits = 2 * (radius / 2 + np.log1p(np.exp(-radius)) - math.log(2)) / math.log(2)
    far = int(np.argmax(dijkstra(tree.adjacency(), indices=[0])))  # one end of a longest path
    longest = int(dijkstra(tree.adjacency(), indices=[far]).max())
    return Measured(title, tree.n, longest, int(tree.degrees.max()), radius, bits)


def table(found: Measured) -> str:
    """Markdown: radius and bits per coordinate by dimension and epsilon, and what is stored instead."""
    head = ["dim", *(f"ε = {eps:g}" for eps in EPSILONS), "stored, bits/node"]
    rows = [
        [str(r), *(f"{R:,.0f} / {b:,.0f}" for R, b in zip(*row, strict=True)), str(64 * (r + 1))]
        for r, *row in zip(DIMS, found.radius, found.bits, strict=True)
    ]
    width = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["| " + " | ".join(map(str.rjust, row, width)) + " |" for row in [head, *rows]]
    rule = "|" + "|".join("-" * (w + 1) + ":" for w in width) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def draw(all_found: list[Measured], path: Path) -> None:
    """One panel for each tree: bits per coordinate against dimension, a line for each epsilon, the law dotted."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    ink, faint, red = "#1c2430", "#8a8f98", "#cc4455"
    colors = plt.get_cmap("viridis")(np.linspace(0.82, 0.08, len(EPSILONS)))
    figure, axes = plt.subplots(
        1, len(all_found), figsize=(4.1 * len(all_found) + 0.5, 4.9), sharey=True, layout="constrained", squeeze=False
    )
    for axis, found in zip(axes[0], all_found, strict=True):
        axis.axhspan(1, 53, color="#edf2ee", zorder=0)
        axis.hlines(64, 1, DIMS[-1], color=red, linewidth=1.6, zorder=1)
        axis.set_axisbelow(True)
        for k, (eps, color) in enumerate(zip(EPSILONS, colors, strict=True)):
            axis.plot(DIMS, found.constant * found.law[:, k], color=color, linewidth=1, linestyle=(0, (1, 2)))
            axis.plot(DIMS, found.bits[:, k], color=color, linewidth=2, marker="o", markersize=4.5)
            axis.annotate(
                f"ε = {eps:g}", (DIMS[-1], found.bits[-1, k]), (7, 0), textcoords="offset points",
                va="center", color=color, fontsize=9,
            )  # fmt: skip
        axis.text(
            0, 1.02,
            f"{found.nodes:,} nodes, longest path ℓ = {found.longest}, largest degree d = {found.degree}\n"
            f"dotted: {found.constant:.2f} · (ℓ / ε) log₂ d · 2 / min(r, log₂ d)",
            transform=axis.transAxes, fontsize=8, color=faint, va="bottom",
        )  # fmt: skip
        axis.set_title(found.title, loc="left", fontsize=12, fontweight="bold", color=ink, pad=30)
        axis.set(yscale="log", ylim=(10, 9e3), xlim=(1.7, 11.9), xticks=DIMS)
        axis.set_yticks([16, 64, 256, 1024, 4096], ["16", "64", "256", "1,024", "4,096"])
        axis.minorticks_off()
        axis.set_xlabel("dimension r", color=ink)
        axis.grid(axis="y", color="#e3e5e8", linewidth=0.7)
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(faint)
        axis.tick_params(colors=faint, labelcolor=ink)
    axes[0][0].set_ylabel("bits per plain coordinate, log₂ 1/(1 − |x|²)", color=ink)
    axes[0][0].text(11.8, 11, "shaded: within float64's 53", color="#5c8a66", fontsize=8.5, va="bottom", ha="right")
    figure.supxlabel("red: what is stored instead, relative to the parent: 64, at any ε", fontsize=9.5, color=red)
    figure.savefig(path, dpi=130, facecolor="white")
    plt.close(figure)


def main() -> int:
    """The command; see the head of this file."""
    parser = argparse.ArgumentParser(description="Bits per coordinate against dimension and distortion.")
    parser.add_argument("--write", action="store_true", help="write precision.md and precision.png beside this file")
    asked = parser.parse_args()
    all_found, parts = [], []
    for title, tree in trees().items():
        found = measure(title, tree)
        all_found.append(found)
        parts.append(
            f"## {title}\n{found.nodes:,} nodes, longest path {found.longest}, largest degree {found.degree}; "
            f"dotted line: {found.constant:.2f} times the law.\n\n{table(found)}"
        )
    text = "\n\n".join(parts)
    print(text)
    if asked.write:
        (FOLDER / "precision.md").write_text(HEAD + text + "\n")
        draw(all_found, FOLDER / "precision.png")
    return 0


HEAD = """# Bits against dimension and distortion

Written by `python embeddings/precision.py --write`. Each cell: radius of the tree (K = -1) / bits that one plain
coordinate of the Poincaré ball needs, log2 cosh²(radius/2); float64 has 53. The last column is what hypgeo stores
instead, at any ε and radius: each node in its parent's frame, 64 bits for each coordinate and 64 for the parent.

The law is Sala et al.'s order of growth (2018, section 3): (ℓ/ε) log2 d in the plane, ℓ the longest path and d the
largest degree, divided by r/2 in dimension r up to log2 d. It has no constant of its own; the dotted lines are
scaled to meet the plane at ε = 0.01. The bits fall with the dimension more slowly than 1/r: a spherical code of few
points gains little from another dimension, and all of a point's coordinates together, r times the bits, take more
in every dimension than in the plane.

![bits per coordinate against dimension](precision.png)

"""


if __name__ == "__main__":
    sys.exit(main())
