"""HalfSpaceTree against absolute positions in mpmath, from the exact values of the floats."""

import math
from collections.abc import Callable, Iterator

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from trees import SHAPES, Exact, edges, moss, parents, recursive, rows, ulps

from hypgeo.data import Graph, mammals
from hypgeo.embed import TreeEmbedder
from hypgeo.manifolds import HalfSpaceTree, PoincareBall
from hypgeo.ops import tree as ops

ULP = 2  # as documented; the house's contract is 4
GRAPHS: dict[str, Callable[[], Graph]] = {
    "mammals": mammals,
    "moss": moss,
    "recursive": lambda: Graph.of(edges(recursive(2000, 1), None)),
}
SIZES = [{"tau": 0.02}, {"distortion": 1.0}, {"distortion": 0.1}, {"radius": 6500.0}]


@pytest.fixture(params=["compiled", "decimal"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "decimal":
        monkeypatch.setattr(ops, "_native", lambda name: None)
    return str(request.param)


def worst(manifold: HalfSpaceTree, points: Tensor, i: list[int], j: list[int]) -> float:
    """The largest error, in ulp, of dist, dist_from and pairwise_dist on pairs of nodes."""
    exact = Exact(manifold.parent.tolist(), points.tolist(), manifold.curvature)
    a, b = torch.tensor(i), torch.tensor(j)
    found = [
        manifold.dist(points, a, b).tolist(),
        manifold.dist_from(points, a)[torch.arange(len(i)), b].tolist(),
        manifold.pairwise_dist(points, a, b).diagonal().tolist(),
    ]
    true = [exact.dist(u, v) for u, v in zip(i, j, strict=True)]
    return max(ulps(d, t) for row in found for d, t in zip(row, true, strict=True))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dim", [2, 3, 5])
@pytest.mark.parametrize("name", GRAPHS)
def test_distances_of_embedded_hierarchies(name: str, dim: int, size: dict[str, float]) -> None:
    graph = GRAPHS[name]()
    if "radius" in size:  # the tree's height follows from any long edges
        height = TreeEmbedder(dim=dim, tau=1e4).fit(graph).embedding_.radius / 1e4
        size = {"tau": size["radius"] / height}
    made = TreeEmbedder(dim=dim, representation="tree", **size).fit(graph).embedding_
    draw = np.random.default_rng(dim)
    i, j = draw.integers(made.n, size=(2, 8)).tolist()
    child = int(draw.integers(1, made.n))  # and an edge, a node with itself, a leaf with the root
    i, j = [*i, child, child, made.n - 1], [*j, int(made.manifold.parent[child]), child, 0]
    assert worst(made.manifold, made.points, i, j) <= ULP
    assert float(made.manifold.radius(made.points).max()) == made.provenance["radius"]
    if size.get("tau", 0) > 1:
        assert made.provenance["radius"] > 6000


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_distances_of_any_rows(data: st.DataObject) -> None:
    """All pairs of trees that no embedder made; the mirror image of a pair has the same distance, bit for bit."""
    parent = data.draw(parents(7))
    points = data.draw(rows(len(parent), data.draw(st.integers(1, 3))))
    manifold = HalfSpaceTree(torch.tensor(parent))
    assert manifold.why_not(points) is None
    i, j = (k.reshape(-1).tolist() for k in torch.meshgrid(*[torch.arange(len(parent))] * 2, indexing="ij"))
    assert worst(manifold, points, i, j) <= ULP
    square = manifold.pairwise_dist(points, torch.arange(len(parent)), torch.arange(len(parent)))
    assert torch.equal(square, square.T) and not square.diagonal().any()


def meeting(levels: int, step: float, axes: int, draw: np.random.Generator) -> tuple[list[int], np.ndarray]:
    """Two branches to one place: a leaf, and a chain each node of which corrects what rounding left of the way."""
    parent = [-1, 0, 0, *range(2, levels + 1)]
    out = np.zeros((levels + 2, axes + 1))
    out[1, :-1], out[1, -1], out[2:, -1] = draw.normal(size=axes), -step * levels, -step
    with mpmath.workprec(4000):
        for axis in range(axes):
            rest, y = mpmath.mpf(out[1, axis]), mpmath.mpf(1)
            for k in range(2, levels + 2):
                out[k, axis] = float(rest / y * (mpmath.mpf("0.7") if k == 2 else 1))
                rest, y = rest - y * mpmath.mpf(out[k, axis]), y * mpmath.exp(mpmath.mpf(-step))
    out[-1, -1] += 1e-3
    return parent, out


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("step", [5.0, 30.5, 100.0])
@pytest.mark.parametrize("levels", [2, 4, 6])
def test_branches_that_meet_again(levels: int, step: float, axes: int, arithmetic: str) -> None:
    """Here displacements cancel to hundreds of digits, more than any fixed number of floats holds."""
    parent, out = meeting(levels, step, axes, np.random.default_rng(levels))
    manifold, points = HalfSpaceTree(torch.tensor(parent)), torch.from_numpy(out)
    n = len(parent)
    exact = Exact(parent, out.tolist())
    assert float(exact.dist(1, n - 1)) < 1.9 * step * levels  # less than the way through the root
    assert worst(manifold, points, [1] * n + list(range(n)), list(range(n)) + [1] * n) <= ULP


def test_two_ways_to_one_point(arithmetic: str) -> None:
    """Sums that cancel exactly, which no number of digits would show: 1 + e^-2 and e^-2 + 1, and half and half."""
    parent = torch.tensor([-1, 0, 1, 0, 3, 4, 0])
    a, b, h = math.exp(-2), -2.0, 0.25
    points = torch.tensor([[0, 0], [1.0, b], [1.0, -1], [0.5, 0], [0.5, b], [1.0, -1], [h, -a]], dtype=torch.float64)
    d = HalfSpaceTree(parent).pairwise_dist(points, torch.arange(7), torch.arange(7))
    assert d[2, 5] == 0 and d[1, 4] == 0 and d[2, 4] == d[5, 1] > 0
    rows = [Exact(parent.tolist(), points.tolist()).dist(6, k) for k in range(7)]
    assert all(ulps(float(got), true) <= ULP for got, true in zip(d[6], rows, strict=True))


@pytest.mark.parametrize("size", [1e-5, 1e-60, 1e-130, 1e-170, 1e-300])
def test_distances_that_have_no_square(size: float, arithmetic: str) -> None:
    parent = torch.tensor([-1, 0, 1, 0])
    points = torch.tensor([[0, 0, 0], [size, 0, 0], [0, -size, size / 3], [0, 0, -size]], dtype=torch.float64)
    manifold = HalfSpaceTree(parent)
    assert worst(manifold, points, [0, 0, 0, 1, 1, 2], [1, 2, 3, 2, 3, 3]) <= ULP


@pytest.mark.parametrize("curvature", [-1e-6, -0.3, -2.0, -1e3])
def test_distances_at_any_curvature(curvature: float) -> None:
    made = TreeEmbedder(representation="tree").fit(edges(recursive(60, 3), None)).embedding_
    manifold = HalfSpaceTree(made.manifold.parent, curvature=curvature)
    i, j = np.random.default_rng(0).integers(60, size=(2, 40)).tolist()
    assert worst(manifold, made.points, i, j) <= 3
    ball = PoincareBall(curvature=curvature)
    small = TreeEmbedder(tau=1.0, representation="tree").fit(edges(recursive(60, 3), None)).embedding_
    manifold = HalfSpaceTree(small.manifold.parent, curvature=curvature)
    everyone = torch.arange(60)
    torch.testing.assert_close(
        ball.pairwise_dist(*[manifold.to_ball(small.points)] * 2),
        manifold.pairwise_dist(small.points, everyone, everyone),
        rtol=1e-9,
        atol=1e-12 / math.sqrt(-curvature),
    )


def test_nodes_at_one_place_are_at_distance_zero_and_nothing_else_is() -> None:
    """Zero-length edges, chains without a fork, ancestors."""
    parent = [-1, 0, 1, 2, 3, 3, 4, 5, 0]
    length = [0, 1.0, 0, 2.0, 0, 0, 1.0, 0, 0]
    made = TreeEmbedder(representation="tree").fit(edges(parent, length)).embedding_
    d = made.pairwise(list(range(9)), list(range(9))).numpy()
    groups = [{0, 8}, {1, 2}, {3, 4, 5, 7}, {6}]
    for i in range(9):
        for j in range(9):
            assert (d[i, j] == 0) == any(i in g and j in g for g in groups)
    i, j = zip(*[(i, j) for i in range(9) for j in range(9)], strict=True)
    assert worst(made.manifold, made.points, list(i), list(j)) <= ULP


def test_a_chain_straight_up_and_down_is_a_line() -> None:
    points = torch.zeros(400, 2, dtype=torch.float64)
    points[1:, 1] = torch.linspace(-30, 7, 399)
    manifold = HalfSpaceTree(torch.arange(400) - 1)
    true = torch.cumsum(points[:, 1], 0).abs()
    torch.testing.assert_close(manifold.radius(points), true, rtol=1e-15, atol=0)
    assert worst(manifold, points, [399, 399, 0, 120], [0, 200, 250, 121]) <= ULP


def described() -> Iterator[tuple[HalfSpaceTree, Tensor]]:
    for dim, size in ((2, {"distortion": 0.1}), (3, {"tau": 50.0}), (2, {"tau": 0.01}), (5, {"distortion": 1.0})):
        made = TreeEmbedder(dim=dim, representation="tree", **size).fit(edges(recursive(40, dim), None)).embedding_
        yield made.manifold, made.points
    wide = torch.tensor([[0, 0], [3e40, 2.0], [-3e40 * math.exp(-2), -1.5], [1e-30, -20.0]], dtype=torch.float64)
    yield HalfSpaceTree(torch.tensor([-1, 0, 1, 2])), wide


def test_points_in_decimals() -> None:
    """By default to 17 digits at the scale of the node's own height, else to as many digits as asked for."""
    for manifold, points in described():
        exact = Exact(manifold.parent.tolist(), points.tolist())
        for i in range(0, len(points), 3):
            x, y = exact.point(i)
            *got, height = manifold.point(points, i)
            with mpmath.workprec(exact.bits):
                error = [abs(mpmath.mpf(str(a)) - b) for a, b in zip([*got, height], [*x, y], strict=True)]
                assert max(error) <= mpmath.mpf("1e-16") * y
            *got, height = manifold.point(points, i, digits=30)
            with mpmath.workprec(exact.bits):
                for a, b in zip([*got, height], [*x, y], strict=True):
                    assert abs(mpmath.mpf(str(a)) - b) <= mpmath.mpf("1e-29") * max(abs(b), mpmath.mpf("1e-9") * y)
            assert len(height.as_tuple().digits) <= 30


def test_balls_are_right_to_their_stated_error() -> None:
    """Against Cayley's map in mpmath; the error is measured as a hyperbolic distance."""
    seen = 0
    for dim, size in ((2, {"tau": 0.5}), (2, {"distortion": 0.3}), (4, {"distortion": 2.0}), (3, {"tau": 1.3})):
        made = TreeEmbedder(dim=dim, representation="tree", **size).fit(edges(recursive(80, 5), None)).embedding_
        exact = Exact(made.manifold.parent.tolist(), made.points.tolist())
        ball = made.manifold.to_ball(made.points)
        assert torch.equal(ball[0], torch.zeros(dim, dtype=torch.float64))
        for i, bound in enumerate(made.manifold.ball_error(made.points).tolist()):
            if not 0 < bound < 1e-3:
                continue
            x, y = exact.point(i)
            with mpmath.workprec(exact.bits):
                s = mpmath.fsum(v * v for v in x)
                true = [2 * v / (s + (1 + y) ** 2) for v in x] + [(s + y * y - 1) / (s + (1 + y) ** 2)]
                row = [mpmath.mpf(v) for v in ball[i].tolist()]
                gap = mpmath.fsum((a - b) ** 2 for a, b in zip(row, true, strict=True))
                room = (1 - mpmath.fsum(v * v for v in row)) * (1 - mpmath.fsum(v * v for v in true))
                assert 2 * mpmath.asinh(mpmath.sqrt(gap / room)) <= bound
            seen += 1
    assert seen > 200


def test_local_polar_is_where_place_put_a_node() -> None:
    for size in ({"tau": 1e-3}, {"distortion": 1.0}, {"distortion": 0.1}, {"tau": 900.0}):
        made = TreeEmbedder(representation="tree", **size).fit(edges(recursive(200, 2), None)).embedding_
        theta, tau = made.manifold.local_polar(made.points)
        parent = made.manifold.parent.clamp(min=0)
        true = made.manifold.dist(made.points, torch.arange(200), parent)
        torch.testing.assert_close(tau, true, rtol=1e-14, atol=0)
        with mpmath.workprec(6000):
            for (x, log_y), angle, far in zip(made.points.tolist(), theta.tolist(), true.tolist(), strict=True):
                if far == 0:
                    continue
                t, a = mpmath.mpf(far), mpmath.mpf(angle)
                y = 1 / (mpmath.cosh(t) - mpmath.sinh(t) * mpmath.cos(a))
                assert abs(mpmath.log(y) - log_y) <= 1e-13 * max(1, far)
                assert abs(y * mpmath.sinh(t) * mpmath.sin(a) - x) <= 1e-13 * max(1, abs(x)) ** 2
    u, far = torch.tensor([[0.0, 1.0], [0.6, -0.8]], dtype=torch.float64), torch.tensor([0, 2.5], dtype=torch.float64)
    theta, tau = HalfSpaceTree(torch.tensor([-1, 0])).local_polar(ops.place(torch.tensor([-1, 0]), u, far))
    assert float(theta[1]) == pytest.approx(math.atan2(0.6, -0.8), rel=1e-15)
    assert float(tau[1]) == pytest.approx(2.5, rel=1e-15)


@pytest.mark.parametrize("shape", SHAPES)
def test_positions_are_what_the_root_sees(shape: str) -> None:
    made = TreeEmbedder(dim=3, representation="tree").fit(edges(SHAPES[shape](30), None)).embedding_
    exact = Exact(made.manifold.parent.tolist(), made.points.tolist())
    for i, row in enumerate(made.manifold.positions(made.points).tolist()):
        x, y = exact.point(i)
        with mpmath.workprec(exact.bits):
            size = mpmath.sqrt(mpmath.fsum(v * v for v in x)) + mpmath.mpf(2) ** -900
            assert all(abs(got - true) <= 2.0**-52 * size for got, true in zip(row[:-1], x, strict=True))
            assert ulps(row[-1], mpmath.log(y)) <= 1


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: HalfSpaceTree(torch.tensor([])), r"at least one node, not of shape \(0,\)"),
        (lambda: HalfSpaceTree(torch.tensor([[-1, 0]])), r"not of shape \(1, 2\)"),
        (lambda: HalfSpaceTree(torch.tensor([0, 0])), r"parent\[0\] is 0, but it must be -1"),
        (lambda: HalfSpaceTree(torch.tensor([-1, 0, 2])), r"parent\[2\] is 2, but it must be 0 to 1"),
        (lambda: HalfSpaceTree(torch.tensor([-1, 0, -1])), r"parent\[2\] is -1"),
        (lambda: HalfSpaceTree(torch.tensor([-1, 0]), curvature=1.0), "curvature is 1; .*negative"),
        (lambda: HalfSpaceTree(torch.tensor([-1, 0]), curvature=math.nan), "curvature is nan"),
        (lambda: HalfSpaceTree(torch.tensor([-1, 0]), curvature=-math.inf), "curvature is -inf"),
    ],
)
def test_what_is_no_tree_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_what_is_no_node_and_no_point_is_refused() -> None:
    manifold, points = HalfSpaceTree(torch.tensor([-1, 0])), torch.zeros(2, 3, dtype=torch.float64)
    for node in (2, -1):
        with pytest.raises(ValueError, match=f"node {node} does not exist; nodes are 0 to 1"):
            manifold.dist(points, 0, node)
    with pytest.raises(TypeError, match=r"integers from 0 to 1, not torch\.float32"):
        manifold.dist(points, 0.5, 1)
    for wrong in (points.float(), points[:1], points[:, :1], points[0]):
        with pytest.raises(ValueError, match=r"points must be \(2, d >= 2\) float64"):
            manifold.dist(wrong, 0, 1)
    with pytest.raises(ValueError, match="these points have dimension 3"):
        manifold.local_polar(points)
    assert manifold.why_not(points) is None
    assert manifold.why_not(points + 1) == "the root's row must be zeros"
    points[1, 2] = math.nan
    assert manifold.why_not(points) == "row 1 is not finite"
    assert manifold.dist(points, 0, 1).isnan()
    assert manifold.dist(points, torch.tensor([], dtype=torch.int64), 1).shape == (0,)
