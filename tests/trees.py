"""Trees to test on, and distances that share nothing with the code: absolute positions in mpmath."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import mpmath
import numpy as np
import torch
from hypothesis import strategies as st

from hypgeo import data
from hypgeo.data import Graph

Edges = list[tuple[int, int, float]]


class Exact:
    """The points that rows of floats stand for, as the root sees them: x and y, each with as many bits as it takes."""

    def __init__(self, parent: Sequence[int], rows: Sequence[Sequence[float]], curvature: float = -1.0) -> None:
        self.parent, self.rows, self.curvature = parent, rows, curvature
        depth = [0.0] * len(parent)
        for i, p in enumerate(parent):
            if p >= 0:
                depth[i] = depth[p] + abs(rows[i][-1])
        least = min((abs(v) for row in rows for v in row if v), default=1.0)
        self.bits = 500 + math.ceil((1.5 * max(depth) - 2 * math.log(least)) / math.log(2))
        self.known = {0: ([mpmath.mpf(0)] * (len(rows[0]) - 1), mpmath.mpf(1))}

    def point(self, i: int) -> tuple[list[mpmath.mpf], mpmath.mpf]:
        with mpmath.workprec(self.bits):
            path = []
            while i not in self.known:
                path.append(i)
                i = self.parent[i]
            for k in reversed(path):
                x, y = self.known[self.parent[k]]
                *offset, log_height = map(mpmath.mpf, self.rows[k])
                self.known[k] = [a + y * b for a, b in zip(x, offset, strict=True)], y * mpmath.exp(log_height)
            return self.known[path[0] if path else i]

    def dist(self, i: int, j: int) -> mpmath.mpf:
        (x, y), (u, v) = self.point(i), self.point(j)
        with mpmath.workprec(self.bits):
            gap = mpmath.fsum((a - b) ** 2 for a, b in zip(x, u, strict=True)) + (y - v) ** 2
            return mpmath.acosh(1 + gap / (2 * y * v)) / mpmath.sqrt(-self.curvature)


def ulps(got: float, true: mpmath.mpf) -> float:
    """The error of a float in units of its exact value's last place."""
    if true == 0:
        return 0.0 if got == 0 else math.inf
    return float(abs(mpmath.mpf(got) - true) / mpmath.mpf(2) ** max(mpmath.frexp(true)[1] - 53, -1074))


def recursive(n: int, seed: int) -> list[int]:
    """Parents of a random recursive tree: each node hangs from any earlier one."""
    draw = np.random.default_rng(seed)
    return [-1, *(int(draw.integers(i)) for i in range(1, n))]


def moss() -> Graph:
    """TreeBASE's mosses where the data are, else a tree of the same size with lengths and zeros like theirs."""
    folder = Path(os.environ.get("HYPGEO_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if (folder / "taxonomy" / "moss_phylogeny_T92308").is_dir():
        before = os.environ.get("HYPGEO_DATA")
        os.environ["HYPGEO_DATA"] = str(folder)
        try:
            return data.taxonomy("moss_phylogeny_T92308")
        finally:
            if before is None:
                del os.environ["HYPGEO_DATA"]
    draw = np.random.default_rng(0)
    lengths = np.where(draw.random(344) < 0.2, 0.0, 10 ** draw.uniform(-1, 1.3, 344))
    return Graph.of([(p, i, float(lengths[i])) for i, p in enumerate(recursive(344, 0)) if i])


SHAPES = {
    "path": lambda n: [-1, *range(n - 1)],
    "star": lambda n: [-1] + [0] * (n - 1),
    "binary": lambda n: [-1, *((i - 1) // 2 for i in range(1, n))],
    "caterpillar": lambda n: [-1, *(max(0, i - 1 - (i + 1) % 2) for i in range(1, n))],
    "broom": lambda n: [-1, *(min(i, n // 2) for i in range(n - 1))],
    "legs": lambda n: [-1, *(max(0, i - 4) for i in range(1, n))],
}


@st.composite
def parents(draw: st.DrawFn, most: int = 24) -> list[int]:
    n = draw(st.integers(2, most))
    shape = draw(st.sampled_from([*SHAPES, "any"]))
    if shape != "any":
        return SHAPES[shape](n)
    return [-1, *(draw(st.integers(0, i - 1)) for i in range(1, n))]


@st.composite
def weighted(draw: st.DrawFn, most: int = 24) -> tuple[list[int], list[float] | None]:
    """Parents, and lengths of the edges to them: none, alike, over decades, of two kinds, some of them zero."""
    parent = draw(parents(most))
    kind = draw(st.sampled_from(["none", "alike", "decades", "two", "zeros"]))
    if kind == "none":
        return parent, None
    exponent = st.floats(-4, 4)
    far = 10.0 ** draw(st.integers(1, 6))
    one = {
        "alike": st.floats(0.5, 2),
        "decades": exponent.map(lambda e: 10.0**e),
        "two": st.sampled_from([1.0, far]),
        "zeros": st.one_of(st.just(0.0), st.floats(0.1, 2)),
    }[kind]
    return parent, [0.0, *draw(st.lists(one, min_size=len(parent) - 1, max_size=len(parent) - 1))]


def edges(parent: Sequence[int], length: Sequence[float] | None) -> list[tuple[int, int]] | Edges:
    if length is None:
        return [(p, i) for i, p in enumerate(parent) if i]
    return [(p, i, length[i]) for i, p in enumerate(parent) if i]


def path_lengths(parent: Sequence[int], length: Sequence[float] | None) -> np.ndarray:
    """(n, n) path lengths of a tree."""
    out = np.zeros((len(parent), len(parent)))
    for i in range(1, len(parent)):
        out[i, :i] = out[:i, i] = out[parent[i], :i] + (1.0 if length is None else length[i])
    return out


@st.composite
def rows(draw: st.DrawFn, n: int, axes: int) -> torch.Tensor:
    """(n, axes + 1) coordinates that no embedder made: all scales, exact multiples, edges beyond floats' exponents."""
    offset = st.one_of(
        st.sampled_from([0.0, 1.0, -1.0, 0.5]),
        st.floats(-3, 3),
        st.tuples(st.sampled_from([-1.0, 1.0]), st.floats(-150, 100)).map(lambda t: t[0] * 10 ** t[1]),
    )
    height = st.one_of(
        st.sampled_from([0.0, -math.log(2), math.log(2), -900.0, -30.0]),
        st.floats(-5, 5),
        st.floats(-2000, 800),
        st.floats(-150, 0).map(lambda e: -(10**e)),
    )
    out = [[0.0] * (axes + 1)]
    out += [[*(draw(offset) for _ in range(axes)), draw(height)] for _ in range(n - 1)]
    return torch.tensor(out, dtype=torch.float64)
