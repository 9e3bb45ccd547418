"""The layout against coordinates of the whole tree in many digits, and its laws."""

import math
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import torch

from hypgeo.embedding import Embedding
from hypgeo.manifolds import HalfSpaceTree, Lorentz, PoincareBall, convert
from hypgeo.plot.layout import PolarTree, branches, depths, disk_points, polar_tree, step, subtree_sizes


def random_tree(n: int, low: float, high: float, seed: int = 0) -> Embedding:
    """A recursive tree with directions spread evenly round each node and random edge lengths."""
    rng = np.random.default_rng(seed)
    parent = np.array([-1, *(int(rng.integers(max(0, i - 12), i)) for i in range(1, n))])
    tau = rng.uniform(low, high, n)
    rows = np.zeros((n, 2))
    for p in range(n):
        kids = np.flatnonzero(parent == p)
        theta = 2 * np.pi * np.arange(1, len(kids) + 1) / (len(kids) + 1)
        q = np.sin(theta / 2) ** 2 + np.exp(-2 * tau[kids]) * np.cos(theta / 2) ** 2
        rows[kids, 0] = -np.expm1(-2 * tau[kids]) * np.sin(theta / 2) * np.cos(theta / 2) / q
        rows[kids, 1] = -tau[kids] - np.log(q)
    return Embedding([f"n{i}" for i in range(n)], torch.from_numpy(rows), HalfSpaceTree(torch.from_numpy(parent)))


def seen_from(embedding: Embedding, focus: int) -> tuple[np.ndarray, np.ndarray]:
    """Disk points and distances of all nodes, from their coordinates in the half-plane at 900 digits."""
    with mpmath.workdps(900):
        parent, rows = embedding.manifold.parent.tolist(), embedding.points.tolist()
        x, y = [mpmath.mpf(0)], [mpmath.mpf(1)]
        for p, (offset, log_height) in zip(parent[1:], rows[1:], strict=True):
            x.append(x[p] + y[p] * mpmath.mpf(offset))
            y.append(y[p] * mpmath.exp(mpmath.mpf(log_height)))
        i, points, radii = mpmath.mpc(0, 1), [], []
        for a, b in zip(x, y, strict=True):
            z = mpmath.mpc((a - x[focus]) / y[focus], b / y[focus])
            w = i * (z - i) / (z + i)
            points.append((float(w.real), float(w.imag)))
            radii.append(float(2 * mpmath.asinh(abs(z - i) / (2 * mpmath.sqrt(z.imag)))))
        return np.array(points), np.array(radii)


@pytest.mark.parametrize(("low", "high"), [(0.05, 1.5), (1.0, 4.0), (20.0, 60.0)])
@pytest.mark.parametrize("focus", [0, 1, 60, 119])
def test_view_agrees_with_many_digits_at_any_depth(low: float, high: float, focus: int) -> None:
    embedding = random_tree(120, low, high)
    view = polar_tree(embedding).view(focus)
    points, radii = seen_from(embedding, focus)
    assert np.abs(view.xy - points).max() < 5e-14
    assert np.allclose(view.radius, radii, rtol=1e-12, atol=1e-13)
    assert view.radius[focus] == 0


def test_deep_nodes_arrive_on_the_rim_and_neighbours_stay_apart() -> None:
    tree = polar_tree(random_tree(120, 20.0, 60.0))
    view = tree.view(119)
    assert view.radius.max() > 200
    norms = np.hypot(*view.xy.T)
    assert norms.max() <= 1 + 1e-15 and np.isfinite(view.xy).all()
    assert view.radius[tree.parent[119]] == pytest.approx(tree.length[119], rel=1e-14)


def test_ball_and_hyperboloid_give_the_view_of_the_tree() -> None:
    exact = random_tree(40, 0.3, 1.0)
    ball = exact.to_tensor()
    parent = exact.manifold.parent
    for curvature in (-1.0, -0.25):
        points = ball / math.sqrt(-curvature)
        target = PoincareBall(curvature=curvature)
        lifted = convert(points, target, Lorentz(curvature=curvature))
        for manifold, where in ((target, points), (Lorentz(curvature=curvature), lifted)):
            with_tree = polar_tree(Embedding(exact.labels, where, manifold, parent=parent))
            without = polar_tree(Embedding(exact.labels, where, manifold))
            assert not with_tree.hidden and without.hidden
            for focus in (0, 17):
                want = polar_tree(exact).view(focus)
                for got in (with_tree.view(focus), without.view(focus)):
                    assert np.abs(got.radius - want.radius).max() < 1e-11
                    # A translation of the ball turns directions by an angle that is the same for all nodes.
                    turned = got.xy @ (1, 1j) * np.conj(want.xy @ (1, 1j))
                    far = want.radius > 0.1
                    assert np.ptp(np.angle(turned[far] / turned[far][0])) < 1e-11


def test_points_without_a_tree_are_translated_not_turned() -> None:
    z = np.array([0.5 + 0.2j, -0.3 + 0.1j, 0.1 - 0.7j])
    points = torch.from_numpy(np.stack([z.real, z.imag], axis=1))
    tree = polar_tree(Embedding(["a", "b", "c"], points, PoincareBall()))
    assert np.abs(tree.view().xy @ (1, 1j) - z).max() < 1e-15
    moved = (z - z[0]) / (1 - np.conj(z[0]) * z)
    assert np.abs(tree.view(0).xy @ (1, 1j) - moved).max() < 1e-15


def test_step_keeps_its_bearings_where_lengths_vanish_or_overflow() -> None:
    assert step(1.0, 2.0, 0.5, 0.0) == (1.0, 2.0, 0.5 + math.pi)
    angle, radius, back = step(0.3, 0.0, 0.7, 5.0)
    assert (angle, radius, back) == (pytest.approx(1.0), pytest.approx(5.0), math.pi)
    angle, radius, _ = step(0.3, 3000.0, 1.0, 2000.0)
    assert angle == 0.3 and radius == pytest.approx(5000 + 2 * math.log(math.cos(0.5)), abs=1e-9)
    for far in (1.0, 30.0):  # straight back home, as near as a float64 angle aims
        assert step(0.3, far, math.pi, far)[1] < 1e-16 * math.exp(far)
    assert math.isfinite(step(0.3, 2000.0, math.pi, 2000.0)[1])


def test_nodes_on_top_of_each_other_share_a_frame() -> None:
    """Chains of zero-length edges change nothing for what hangs below them."""
    rows = torch.zeros(5, 2, dtype=torch.float64)
    rows[1], rows[4] = torch.tensor([0.7, -1.1]), torch.tensor([-0.4, -0.9])
    chain = Embedding(list("abcde"), rows, HalfSpaceTree(torch.tensor([-1, 0, 1, 2, 3])))
    direct = Embedding(list("abe"), rows[[0, 1, 4]], HalfSpaceTree(torch.tensor([-1, 0, 1])))
    for focus, same in ((0, 0), (1, 1), (4, 2)):
        got, want = polar_tree(chain).view(focus).xy, polar_tree(direct).view(same).xy
        assert np.abs(got[[0, 1, 4]] - want).max() < 1e-15
        assert np.abs(got[1:4] - want[1]).max() < 1e-15


def crossings(xy: np.ndarray, parent: np.ndarray) -> int:
    """Pairs of edges without a common end that cross. In Klein's model edges are straight."""
    k = 2 * xy / (1 + (xy**2).sum(axis=1, keepdims=True))
    child = np.flatnonzero(parent >= 0)
    a, b = k[parent[child]], k[child]

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        return np.sign((q - p)[..., 0] * (r - p)[..., 1] - (q - p)[..., 1] * (r - p)[..., 0])

    a1, b1, a2, b2 = a[:, None], b[:, None], a[None], b[None]
    cross = (side(a1, b1, a2) * side(a1, b1, b2) < 0) & (side(a2, b2, a1) * side(a2, b2, b1) < 0)
    u, v = parent[child], child
    apart = (u[:, None] != u) & (u[:, None] != v) & (v[:, None] != u)
    return int((cross & apart).sum()) // 2


def test_fitted_branches_never_cross_and_keep_their_order() -> None:
    tree = polar_tree(random_tree(300, 20.0, 60.0, seed=3))
    fitted = tree.fitted()
    xy = fitted.view().xy
    assert crossings(xy, tree.parent) == 0
    assert crossings(tree.scaled(1 / 30).view().xy, tree.parent) > 0  # the count can tell
    start, child = tree.children()
    for node in range(len(tree.parent)):
        kids = child[start[node] : start[node + 1]]
        assert (np.diff(fitted.turn[kids]) > 0).all()
    assert 0.2 < np.median(fitted.length) < 3


def test_sizes_depths_and_branches() -> None:
    parent = np.array([-1, 0, 0, 0, 1, 1, 2, 4, 4])
    zeros = np.zeros(9)
    tree = PolarTree(parent, zeros + 1.0, np.arange(9.0) / 2, zeros)
    assert subtree_sizes(tree).tolist() == [9, 5, 2, 1, 3, 1, 1, 1, 1]
    assert depths(tree).tolist() == [0, 1, 1, 1, 2, 2, 2, 3, 3]
    assert branches(tree, most=0.6).tolist() == [-1, 1, 2, -1, 1, 1, 2, 1, 1]
    assert branches(tree, most=0.4).tolist() == [-1, -1, 2, -1, 4, -1, 2, 4, 4]


def test_wide_and_deep_trees() -> None:
    for parent in (np.arange(-1, 29_999), np.concatenate([[-1], np.zeros(29_999, dtype=np.int64)])):
        n = len(parent)
        tree = PolarTree(parent, np.full(n, 3.0), np.linspace(0.1, 6.0, n), np.zeros(n))
        for shape in (tree, tree.fitted()):
            assert np.isfinite(shape.view(n - 1).radius).all()


@pytest.mark.parametrize(
    ("points", "manifold", "message"),
    [
        (torch.zeros(4, 3), PoincareBall(), "shows two dimensions and these points have 3"),
        (torch.zeros(4, 2), SimpleNamespace(curvature=0.0), "has no disk"),
        (torch.tensor([[0.1, 0.2], [math.nan, 0.0]]), PoincareBall(), "point 1 of the embedding is not finite"),
    ],
)
def test_what_no_disk_can_show_is_refused(points: torch.Tensor, manifold: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        polar_tree(Embedding(list(range(len(points))), points, manifold))


def test_scale_must_be_positive_and_needs_a_tree() -> None:
    with pytest.raises(ValueError, match="scale is -1"):
        polar_tree(random_tree(5, 1.0, 2.0)).scaled(-1)
    with pytest.raises(ValueError, match="carry no tree"):
        polar_tree(Embedding(["a"], torch.zeros(1, 2), PoincareBall())).scaled(0.5)


def test_disk_points_lie_in_the_disk() -> None:
    xy = disk_points(np.array([0.0, math.pi / 2]), np.array([2 * math.atanh(0.5), 5000.0]))
    assert np.allclose(xy, [[0.5, 0.0], [0.0, 1.0]], atol=1e-16)
