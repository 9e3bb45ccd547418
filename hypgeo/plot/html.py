"""A page to explore an embedding in the Poincaré disk: one file, no network."""

from __future__ import annotations

import base64
import json
import math
import os
import re
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .disk import PALETTE, TRUNK, Scene, branch_ranks, caption, scene
from .layout import PolarTree


def html(
    embedding: Any, path: str | os.PathLike[str], *, title: str | None = None, scale: float | str = "auto"
) -> Path:
    """Write a two-dimensional embedding as one HTML file that opens without a network, and return its path.

    In the page: drag moves the plane by an isometry, the wheel zooms, a click centres a node, the search box finds
    labels, hovering shows the path to the root, and a slider leads from edges drawn to be read (`scale`, as in
    `disk`) to their true lengths. The page keeps turns and lengths of edges, not coordinates, and lays nodes out from
    the one nearest to the centre, so that surroundings are right at any depth of the tree. The file appears whole or
    not at all.
    """
    it = scene(embedding, scale)
    target = Path(path)
    name = title if title is not None else target.stem
    parts = {"title": escape(name), "data": _script_json(_payload(embedding, it, name))}
    template = resources.files(__package__).joinpath("viewer.html").read_text(encoding="utf-8")
    page = re.sub("@@(title|data)@@", lambda match: parts[match[1]], template)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _payload(embedding: Any, it: Scene, title: str) -> dict[str, Any]:
    tree = it.drawn
    labels = [str(label) for label in embedding.labels]
    top, rank = branch_ranks(it.true)
    hue = np.full(len(tree.parent), len(PALETTE), dtype=np.uint8)
    hue[: len(top)] = [rank[b] % len(PALETTE) if b >= 0 else len(PALETTE) for b in top.tolist()]
    if tree.hidden:
        hue[:] = 0
    largest = sorted(rank, key=lambda i: -int(it.size[i]))[:24]
    payload: dict[str, Any] = {
        "title": title,
        "caption": caption(embedding, it).removesuffix(it.lengths),
        "lengths": it.lengths,
        "short": it.short,
        "labels": labels,
        "palette": [*PALETTE, TRUNK],
        "legend": sorted(largest, key=lambda i: rank[i]),
        "hidden": tree.hidden,
        "outward": _leads_outward(it.true) and (tree is it.true or it.fitted),
        "start": tree.root,
        "heading": float(tree.heading[tree.root]),
        "parent": _pack(tree.parent, "<i4"),
        "turn": _pack(tree.turn, "<f8"),
        "length": _pack(tree.length, "<f8"),
        "hue": _pack(hue, "u1"),
        "links": _pack(it.links, "<i4"),
        "bridges": _pack(np.stack([it.true.parent[: len(labels)], np.arange(len(labels))], axis=1)[it.bridge], "<i4"),
        "aside": _pack(it.aside, "<i4"),
    }
    if it.names != labels:
        payload["names"] = it.names
    if tree is not it.true:
        payload |= {"trueTurn": _pack(it.true.turn, "<f8"), "trueLength": _pack(it.true.length, "<f8")}
    return payload


def _leads_outward(tree: PolarTree) -> bool:
    """Whether every walk along the tree moves away from its start for good, so that a viewer need not follow it past
    the rim.

    Turning by an angle g after an edge costs -2 log sin(g / 2) of the way to come; edges longer than that win.
    """
    if tree.hidden:
        return False
    narrowest = np.full(len(tree.parent), math.pi)
    start, child = tree.children()
    for node in np.flatnonzero(np.diff(start) > 0):
        around = np.sort(np.mod(tree.turn[child[start[node] : start[node + 1]]], 2 * math.pi))
        if tree.parent[node] >= 0:
            around = np.append(0.0, around)
        narrowest[node] = np.diff(around, append=around[0] + 2 * math.pi).min()
    edge = np.flatnonzero(tree.parent >= 0)
    gap = np.minimum(narrowest[edge], narrowest[tree.parent[edge]])
    with np.errstate(divide="ignore"):
        return bool(np.all(tree.length[edge] + 2 * np.log(np.sin(gap / 2)) > 2.0))


def _pack(array: Any, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode("ascii")


def _script_json(payload: dict[str, Any]) -> str:
    """JSON that stands inside a script element: no label can close the element or open a comment."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
