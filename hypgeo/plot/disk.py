"""A still picture of an embedding in the Poincaré disk."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layout import Floats, Ints, PolarTree, branches, depths, polar_tree, subtree_sizes

# Paul Tol's "bright" and "muted" schemes, which stay apart for colour-blind eyes, in an order that sets neighbours
# apart.
PALETTE = ("#4477AA", "#CC6677", "#228833", "#DDAA33", "#AA3377", "#44AA99", "#EE7733", "#332288", "#999933", "#66BBEE")
TRUNK = "#8a8f98"
INK = "#1c2430"
SET_ASIDE = "#d62f2f"
FAINT = "#6b7280"


@dataclass(frozen=True)
class Scene:
    """What the still and the moving picture share: geometry, colours, names."""

    true: PolarTree
    drawn: PolarTree
    names: list[str]
    size: Ints  # nodes at and below each node
    links: Ints  # (m, 2) edges that follow no parent
    aside: Ints  # (k, 2) edges of the graph that the tree left out
    bridge: NDArray[np.bool_]  # nodes whose edge to the parent joins two components and is none of the graph's
    lengths: str  # how long edges are drawn, in words
    short: str  # the same in two words
    fitted: bool  # whether turns and lengths were chosen to be read


def scene(embedding: Any, scale: float | str = "auto") -> Scene:
    true = polar_tree(embedding)
    if isinstance(scale, str) and scale != "auto":
        raise ValueError(f"scale is {scale!r}: give a positive number (1 draws true lengths) or 'auto'.")
    fitted = scale == "auto" and not true.legible
    if fitted:
        drawn, short = true.fitted(), "drawn to fit"
        lengths = f"angles and edge lengths drawn to fit (true median length {true.typical_length:.3g})"
    elif scale in ("auto", 1):
        drawn, short, lengths = true, "true lengths", "true lengths"
    else:
        drawn, short = true.scaled(float(scale)), f"{_ratio(float(scale))} of true"
        lengths = f"edges drawn at {_ratio(float(scale))} of their length"
    made = embedding.provenance or {}
    where = {label: i for i, label in enumerate(embedding.labels)}
    unseen = set(made.get("hidden", ()))
    bridges = _pairs(made.get("bridges"), where)
    bridge = np.zeros(len(true.parent), dtype=bool)
    for u, v in bridges.tolist():
        bridge[u if true.parent[u] == v else v] = True
    links = np.empty((0, 2), dtype=np.int64)
    if true.hidden and getattr(embedding, "edges", None) is not None:
        links = np.asarray(embedding.edges, dtype=np.int64).reshape(-1, 2)
    return Scene(
        true=true,
        drawn=drawn,
        names=["" if label in unseen else display_name(label) for label in embedding.labels],
        size=subtree_sizes(true)[: true.nodes],
        links=links,
        aside=_pairs(made.get("edges_set_aside"), where),
        bridge=bridge[: true.nodes],
        lengths=lengths,
        short=short,
        fitted=fitted,
    )


def _pairs(pairs: Any, where: dict[Hashable, int]) -> Ints:
    """Pairs of labels as pairs of indices, (k, 2)."""
    return np.array([(where[u], where[v]) for u, v, *_ in pairs or ()], dtype=np.int64).reshape(-1, 2)


def display_name(label: Hashable) -> str:
    """A label as people read it: WordNet's `polar_bear.n.01` becomes "polar bear"."""
    text = re.sub(r"\.[nvasr]\.\d+$", "", str(label))
    return " ".join(text.replace("_", " ").split())


def disk(
    embedding: Any,
    path: str | PathLike[str] | None = None,
    *,
    center: Hashable | None = None,
    scale: float | str = "auto",
    labels: str | bool | Sequence[Hashable] = "auto",
    color: Any = "branch",
    edges: bool = True,
    ax: Any = None,
    size: float = 8.0,
    title: str | None = None,
) -> Any:
    """Draw a two-dimensional embedding in the Poincaré disk and return the matplotlib `Axes`.

    `center` is the label that stands in the middle (default: the root, or the origin of the ball): the disk is moved
    there by an isometry, which is computed along the tree, so that surroundings are right at any depth.
    `scale="auto"` draws trees whose edges are too long to be seen with angles and lengths that fit, in the same order
    of children round every node; a number draws the embedding's own directions and every edge at that part of its
    length, and 1 is the truth. The caption says which. `labels` is "auto" (as many as fit), True (the same, leaves
    too), False, or a list of labels to write. `color` is "branch", "depth", or one number or colour per node. Edges
    of the graph that the tree set aside are dashed. `path` saves the figure (png, pdf, svg) of `size` inches.
    """
    from matplotlib import pyplot as plt
    from matplotlib.patches import Circle

    it = scene(embedding, scale)
    focus = None if center is None else int(embedding.index(center))
    view = it.drawn.view(focus)
    xy = view.xy
    if ax is None:
        figure = plt.figure(figsize=(size, size * 1.06), dpi=150, facecolor="white")
        ax = figure.add_axes((0.01, 0.05, 0.98, 0.98 / 1.06))
    ax.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02), aspect="equal")
    ax.set_axis_off()
    ax.apply_aspect()
    inch = ax.get_window_extent().width / ax.figure.dpi / 2.04  # of one unit of the disk
    ax.add_patch(Circle((0, 0), 1, facecolor="#fbfbfa", edgecolor="#c9ccd2", linewidth=0.8, zorder=0))

    colors = node_colors(it, color)
    near = 1 / np.cosh(view.radius / 2) ** 2  # how much the disk shrinks things there: 1 in the centre, 0 on the rim
    if edges:
        _draw_edges(ax, it, xy, near, colors)
    weight = np.log1p(it.size) / math.log1p(len(xy))
    dots = inch * 72 * np.clip(0.05 * near**0.75 * (0.35 + weight), 0.0045, 0.035)  # diameters in points
    order = np.argsort(dots, kind="stable")
    ax.scatter(
        *xy[order].T, s=dots[order] ** 2, c=colors[order], edgecolors="white", linewidths=dots[order] * 0.07, zorder=3
    )
    if labels is not False:
        _write_labels(ax, embedding, it, focus, xy, near, dots, labels)
    if title:
        ax.set_title(title, loc="left", fontsize=13, color=INK, fontweight="bold", pad=2, parse_math=False)
    ax.text(
        0.5,
        -0.006,
        caption(embedding, it, center),
        transform=ax.transAxes,
        ha="center",
        va="top",
        fontsize=7.5,
        color=FAINT,
        parse_math=False,
        gid="caption",
    )
    if path is not None:
        ax.figure.savefig(path)
    return ax


def caption(embedding: Any, it: Scene, center: Hashable | None = None) -> str:
    """One line: what is drawn, how well it is embedded, how long edges are drawn."""
    edges = getattr(embedding, "edges", None)
    count = len(edges) if edges is not None else len(it.names) - 1 + len(it.aside) - int(it.bridge.sum())
    if it.true.hidden and edges is None:
        parts = [f"{len(it.names):,} nodes"]
    else:
        parts = [f"{len(it.names):,} nodes", f"{count:,} edges"]
    if len(it.aside):
        parts[-1] += f" ({len(it.aside):,} set aside, dashed)"
    measured = (embedding.provenance or {}).get("measured") or {}
    for key in ("map", "MAP", "mean_average_precision"):
        if isinstance(measured.get(key), (int, float)):
            parts.append(f"MAP {measured[key]:.4g}")
            break
    if center is not None:
        parts.append(f"centred on {display_name(center)}")
    return " · ".join([*parts, it.lengths])


def _ratio(scale: float) -> str:
    whole = round(1 / scale)
    return f"1/{whole}" if whole > 1 and abs(whole * scale - 1) < 1e-9 else f"{scale:.3g}"


def node_colors(it: Scene, color: Any) -> NDArray[np.float64]:
    """RGBA per node, shape (n, 4)."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba_array

    n = len(it.names)
    if isinstance(color, str) and color == "branch" and it.true.hidden:
        color = PALETTE[0]
    if isinstance(color, str) and color == "branch":
        top, rank = branch_ranks(it.true)
        palette = to_rgba_array([*PALETTE, TRUNK])
        return palette[[rank[int(b)] % len(PALETTE) if b >= 0 else len(PALETTE) for b in top]]
    if isinstance(color, str) and color == "depth":
        color = depths(it.true)[:n].astype(float)
    if isinstance(color, str):
        return np.repeat(to_rgba_array(color), n, axis=0)
    values = np.asarray(color)
    if len(values) != n:
        raise ValueError(
            f"color has {len(values)} entries and the embedding {n} nodes: give one number or colour per node."
        )
    if values.ndim == 1 and np.issubdtype(values.dtype, np.number):
        low, high = np.nanmin(values), np.nanmax(values)
        return np.asarray(colormaps["viridis"](0.92 * (values - low) / (high - low if high > low else 1)))
    return np.asarray(to_rgba_array(list(color)))


def branch_ranks(tree: PolarTree) -> tuple[Ints, dict[int, int]]:
    """For each node the top of its branch (-1 on the trunk), and the branches' order round the plane."""
    top = branches(tree)[: tree.nodes]
    return top, {i: k for k, i in enumerate(node for node in _around(tree) if top[node] == node)}


def _around(tree: PolarTree) -> list[int]:
    """Nodes in the order of a walk round the tree."""
    start, child = tree.children()
    order, stack = [], [tree.root]
    while stack:
        node = stack.pop()
        if node < tree.nodes:
            order.append(node)
        stack.extend(child[start[node] : start[node + 1]][::-1].tolist())
    return order


def geodesics(a: Floats, b: Floats, points: int = 33) -> Floats:
    """Points on the geodesics from a to b, arrays (m, 2) in the unit disk: shape (m, points, 2).

    In Klein's model a geodesic is a straight line, so there is no special case for diameters or for ends on the rim:
    k = 2p / (1 + |p|²), p = k / (1 + sqrt(1 - |k|²)).
    """
    t = (
        1 - np.cos(np.linspace(0, math.pi, points))
    ) / 2  # dense at the ends, where the arc bends when they lie near the rim
    ka, kb = (2 * p / (1 + np.sum(p * p, axis=-1, keepdims=True)) for p in (a, b))
    k = ka[:, None] + t[:, None] * (kb - ka)[:, None]
    line = k / (1 + np.sqrt(np.maximum(0.0, 1 - np.sum(k * k, axis=-1, keepdims=True))))
    line[:, 0], line[:, -1] = a, b
    return line


def _draw_edges(ax: Any, it: Scene, xy: Floats, near: Floats, colors: NDArray[np.float64]) -> None:
    from matplotlib.collections import LineCollection

    if it.true.hidden:
        pairs = it.links
    else:
        child = np.flatnonzero((it.true.parent >= 0) & ~it.bridge)
        pairs = np.stack([it.true.parent[child], child], axis=1)
    span = np.hypot(*(xy[pairs[:, 0]] - xy[pairs[:, 1]]).T)
    for chosen, points in ((span < 0.03, 2), (span >= 0.03, 33)):
        some = pairs[chosen]
        if len(some):
            nearer = np.maximum(near[some[:, 0]], near[some[:, 1]])
            widths = 0.25 + 1.1 * nearer * np.log1p(it.size[some[:, 1]]) / math.log1p(len(xy))
            tint = colors[some[:, 1]] * (1, 1, 1, 0.75)
            ax.add_collection(
                LineCollection(
                    list(geodesics(xy[some[:, 0]], xy[some[:, 1]], points)),
                    colors=tint,
                    linewidths=widths,
                    zorder=1,
                    capstyle="round",
                )
            )
    bridge = np.flatnonzero(it.bridge)
    for a, b, tint, dashes in (
        (it.true.parent[bridge], bridge, TRUNK, (0, (1, 2.5))),
        (it.aside[:, 0], it.aside[:, 1], SET_ASIDE, (0, (4, 3))),
    ):
        if len(a):
            alpha = 0.8 if len(a) <= 300 else 0.25
            lines = list(geodesics(xy[a], xy[b]))
            ax.add_collection(
                LineCollection(lines, colors=tint, linewidths=0.7, linestyles=dashes, alpha=alpha, zorder=2)
            )


def _write_labels(
    ax: Any, embedding: Any, it: Scene, focus: int | None, xy: Floats, near: Floats, dots: Floats, labels: Any
) -> None:
    """Greedy: the most important first, each at the first of eight places that is free, else not at all."""
    from matplotlib import patheffects
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    if isinstance(labels, str) and labels != "auto":
        raise ValueError(f"labels is {labels!r}: give 'auto', True, False, or a list of labels.")
    wanted: Any
    weight = 0.15 + np.log1p(it.size) / math.log1p(len(xy))
    importance = near * weight
    if not it.true.hidden:
        # Neighbours of the focus are named even on the rim: at true lengths nothing else is in sight.
        middle = it.true.root if focus is None else focus
        around = [
            *np.flatnonzero(it.true.parent == middle),
            middle if focus is None else max(it.true.parent[middle], 0),
        ]
        importance[around] = np.maximum(importance[around], 0.1 * weight[around])
    if isinstance(labels, (str, bool)):
        wanted = np.argsort(-importance, kind="stable")[:1500]
        floor = 0.0 if labels is True else 0.012
        wanted = [i for i in wanted if importance[i] > floor]
    else:
        wanted = [int(embedding.index(label)) for label in labels]
    # Bare numbers beside real names are an inner node's lack of one.
    nameless = labels == "auto" and not all(name.isdigit() for name in it.names)
    point = 72 / ax.figure.dpi
    ruler = RendererAgg(8, 8, ax.figure.dpi)  # hinting makes small text wider than its outline
    screen = ax.transData.transform(xy) * point  # in points
    frame = ax.get_window_extent()
    left, right, bottom, top = frame.x0 * point, frame.x1 * point, frame.y0 * point, frame.y1 * point
    taken = _Boxes()
    # Large dots are obstacles too.
    for i in np.argsort(-dots, kind="stable")[:250]:
        r = dots[i] / 2
        taken.add(screen[i, 0] - r, screen[i, 1] - r, screen[i, 0] + r, screen[i, 1] + r, int(i))
    halo = [patheffects.withStroke(linewidth=2.2, foreground="#fbfbfa", alpha=0.9)]
    for i in wanted:
        name = it.names[i]
        if not name or (nameless and name.isdigit()):
            continue
        name = name if len(name) <= 32 else name[:31] + "…"
        points = float(np.clip(4.5 + 7.5 * importance[i] ** 0.6, 5.0, 7.0 if it.size[i] == 1 else 12.0))
        font = FontProperties(size=points, weight="bold" if importance[i] > 0.45 else "normal")
        width, height, descent = (v * point for v in ruler.get_text_width_height_descent(name, font, ismath=False))
        # matplotlib gives every line room for an l and a p.
        _, tall, deep = (v * point for v in ruler.get_text_width_height_descent("lp", font, ismath=False))
        width, height, descent = width + 2.0, max(height, tall) + 1.0, max(descent, deep)
        gap = dots[i] / 2 + 1.0
        x, y = screen[i]
        places = _EIGHT
        if not it.true.hidden and (it.size[i] == 1 or near[i] < 1e-3):
            # The name of a leaf lies beyond the leaf, off the fan of its siblings; that of a node on the rim likewise.
            out = screen[i] - (screen[max(it.true.parent[i], 0)] if it.size[i] == 1 else screen.mean(axis=0))
            ahead = {d: (d[0] * out[0] + d[1] * out[1]) / (math.hypot(*d) * math.hypot(*out) + 1e-9) for d in _EIGHT}
            places = sorted((d for d in _EIGHT if ahead[d] > -0.2), key=lambda d: -ahead[d])
        for dx, dy in places:
            diagonal = 0.7 if dx and dy else 1.0
            x0 = x + dx * (gap * diagonal + width / 2) - width / 2
            y0 = y + dy * (gap * diagonal + height / 2) - height / 2
            if x0 < left or x0 + width > right or y0 < bottom or y0 + height > top:
                continue
            if taken.free(x0, y0, x0 + width, y0 + height, int(i)):
                taken.add(x0, y0, x0 + width, y0 + height, -1)
                at = ax.transData.inverted().transform(((x0 + 1.0) / point, (y0 + 0.5 + descent) / point))
                ax.text(
                    *at,
                    name,
                    fontproperties=font,
                    color=INK,
                    va="baseline",
                    ha="left",
                    parse_math=False,
                    path_effects=halo,
                    zorder=4,
                    gid="node-label",
                )
                break


# Where a name may stand beside its dot: straight places before diagonal ones.
_EIGHT = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]


class _Boxes:
    """Rectangles in a grid of cells: is a place free?"""

    def __init__(self, cell: float = 24.0) -> None:
        self.cell = cell
        self.cells: dict[tuple[int, int], list[tuple[float, float, float, float, int]]] = {}

    def _keys(self, x0: float, y0: float, x1: float, y1: float) -> list[tuple[int, int]]:
        c = self.cell
        return [(i, j) for i in range(int(x0 // c), int(x1 // c) + 1) for j in range(int(y0 // c), int(y1 // c) + 1)]

    def add(self, x0: float, y0: float, x1: float, y1: float, owner: int) -> None:
        for key in self._keys(x0, y0, x1, y1):
            self.cells.setdefault(key, []).append((x0, y0, x1, y1, owner))

    def free(self, x0: float, y0: float, x1: float, y1: float, owner: int) -> bool:
        for key in self._keys(x0, y0, x1, y1):
            for a0, b0, a1, b1, whose in self.cells.get(key, ()):
                if whose != owner and x0 < a1 and a0 < x1 and y0 < b1 and b0 < y1:
                    return False
        return True
