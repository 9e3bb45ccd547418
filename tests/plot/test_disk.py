"""The still picture: geodesics, colours, names, and what the caption says."""

import math
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from hypgeo.embed import TreeEmbedder
from hypgeo.embedding import Embedding
from hypgeo.manifolds import PoincareBall
from hypgeo.plot import disk
from hypgeo.plot.disk import PALETTE, display_name, geodesics, node_colors, scene

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex


@pytest.fixture(autouse=True)
def close_figures():  # type: ignore[no-untyped-def]
    yield
    plt.close("all")


def edges_of_animals() -> list[tuple[str, str]]:
    """Three levels, 1 + 6 + 60 + 120 nodes."""
    edges = [("animal", f"order_{i}.n.01") for i in range(6)]
    edges += [(f"order_{i}.n.01", f"family {i}.{j}") for i in range(6) for j in range(10)]
    edges += [(f"family {i}.{j}", f"species {i}.{j}.{k}") for i in range(6) for j in range(10) for k in range(2)]
    return edges


@pytest.fixture(scope="module")
def animals() -> Embedding:
    """The tree, and one edge between branches that it must set aside."""
    return TreeEmbedder(root="animal").fit([*edges_of_animals(), ("family 1.1", "family 4.2")]).embedding_


@pytest.fixture(scope="module")
def family() -> Embedding:
    return TreeEmbedder(root="animal").fit(edges_of_animals()).embedding_


def names(ax: object) -> list:  # type: ignore[type-arg]
    return [text for text in ax.texts if text.get_gid() == "node-label"]  # type: ignore[attr-defined]


def caption(ax: object) -> str:
    return next(text.get_text() for text in ax.texts if text.get_gid() == "caption")  # type: ignore[attr-defined]


def test_geodesics_are_circles_that_meet_the_rim_at_right_angles() -> None:
    rng = np.random.default_rng(0)
    radius, angle = np.sqrt(rng.random(200)), rng.random(200) * 2 * math.pi
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    a, b = points[:100], points[100:]
    lines = geodesics(a, b)
    assert np.array_equal(lines[:, 0], a) and np.array_equal(lines[:, -1], b)
    for line in lines:
        # |p|² - 2 c·p + 1 = 0 is the circle about c of radius² |c|² - 1: orthogonal to the rim. Two points fix c.
        c = np.linalg.solve(2 * line[[0, -1]], 1 + (line[[0, -1]] ** 2).sum(axis=1))
        size = np.hypot(*c)
        assert np.abs((line**2).sum(axis=1) - 2 * line @ c + 1).max() < 1e-12 * max(1.0, size)


def test_geodesics_through_the_centre_and_between_ends_on_the_rim() -> None:
    a = np.array([[0.5, 0.0], [1.0, 0.0], [0.0, 0.0], [0.3, 0.3]])
    b = np.array([[-0.7, 0.0], [0.0, 1.0], [0.0, 0.0], [0.3, 0.3]])
    lines = geodesics(a, b, points=5)
    assert np.abs(lines[0, :, 1]).max() == 0
    middle = math.sqrt(2) - 1  # the quarter circle about (1, 1)
    assert np.allclose(lines[1, 2], [middle * math.sqrt(0.5)] * 2)
    assert np.abs(lines[2]).max() == 0 and np.allclose(lines[3], 0.3)


@pytest.mark.parametrize("center", [None, "order_2.n.01"])
@pytest.mark.parametrize("scale", ["auto", 0.05, 1])
def test_names_do_not_overlap(animals: Embedding, center: str | None, scale: float) -> None:
    ax = disk(animals, center=center, scale=scale, labels=True)
    boxes = [text.get_window_extent() for text in names(ax)]
    assert len(boxes) >= 3
    clear = 0.5  # antialiasing
    for i, p in enumerate(boxes):
        for q in boxes[:i]:
            assert p.x0 >= q.x1 - clear or q.x0 >= p.x1 - clear or p.y0 >= q.y1 - clear or q.y0 >= p.y1 - clear, (p, q)


def test_important_names_come_first_and_chosen_ones_alone(animals: Embedding) -> None:
    assert {"animal", "order 0", "order 5"} <= {text.get_text() for text in names(disk(animals))}
    chosen = disk(animals, labels=["order_3.n.01", "species 1.1.1"])
    assert {text.get_text() for text in names(chosen)} <= {"order 3", "species 1.1.1"} and len(names(chosen)) >= 1
    assert names(disk(animals, labels=False)) == []


def test_caption_says_what_is_drawn(animals: Embedding) -> None:
    text = caption(disk(animals))
    assert "187 nodes · 187 edges (1 set aside, dashed)" in text
    assert "drawn to fit (true median length" in text
    assert caption(disk(animals, scale=0.04)).endswith("edges drawn at 1/25 of their length")
    assert caption(disk(animals, scale=1, center="animal")).endswith("centred on animal · true lengths")
    measured = Embedding(
        animals.labels, animals.points, animals.manifold, {**animals.provenance, "measured": {"map": 0.98765}}
    )
    assert "MAP 0.9877" in caption(disk(measured))


def test_short_trees_are_drawn_as_they_are() -> None:
    embedding = TreeEmbedder(tau=1.5).fit([("a", "b"), ("a", "c")]).embedding_
    it = scene(embedding)
    assert it.drawn is it.true and it.lengths == "true lengths"


def test_branches_have_the_palette_s_colours_and_the_trunk_none(family: Embedding) -> None:
    it = scene(family)
    colors = [to_hex(c).upper() for c in node_colors(it, "branch")]
    at = family.index
    orders = [colors[at(f"order_{i}.n.01")] for i in range(6)]
    assert len(set(orders)) == 6 and set(orders) <= set(PALETTE)
    assert colors[at("species 2.3.0")] == orders[2]
    assert colors[at("animal")] not in PALETTE


def test_other_colours(family: Embedding) -> None:
    it = scene(family)
    depth = node_colors(it, "depth")
    assert len(np.unique(depth, axis=0)) == 4
    values = node_colors(it, np.arange(family.n))
    assert len(np.unique(values, axis=0)) > 100
    assert to_hex(node_colors(it, "#123456")[5]) == "#123456"
    assert to_hex(node_colors(it, ["red"] * family.n)[0]) == "#ff0000"
    with pytest.raises(ValueError, match="color has 3 entries and the embedding 187 nodes"):
        disk(family, color=[1, 2, 3])


def test_names_as_people_read_them() -> None:
    assert display_name("polar_bear.n.01") == "polar bear"
    assert display_name("a.b") == "a.b"
    assert display_name(17) == "17"
    assert display_name(" two\nlines ") == "two lines"


def test_labels_are_text_never_mathematics(tmp_path: Path) -> None:
    embedding = TreeEmbedder().fit([("$x^", "b$_{"), ("b$_{", "")]).embedding_
    ax = disk(embedding, tmp_path / "a.png", title="$_{")
    assert "$x^" in {text.get_text() for text in names(ax)}
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_trees(n: int) -> None:
    points = torch.zeros(n, 2, dtype=torch.float64)
    points[1:, 0] = 0.5
    embedding = Embedding(list(range(n)), points, PoincareBall(), parent=torch.arange(-1, n - 1))
    assert len(disk(embedding).collections[-1].get_offsets()) == n


def test_points_without_a_tree_show_the_graph_s_edges() -> None:
    points = torch.tensor([[0.1, 0.2], [0.5, -0.3], [-0.6, 0.1]], dtype=torch.float64)
    edges = np.array([[0, 1], [1, 2]])
    ax = disk(Embedding(["a", "b", "c"], points, PoincareBall(), edges=edges), size=4)
    segments = [s for c in ax.collections if hasattr(c, "get_segments") for s in c.get_segments()]
    assert len(segments) == 2
    assert np.allclose(segments[1][[0, -1]], points[[1, 2]].numpy())
    assert caption(ax) == "3 nodes · 2 edges · true lengths"


def test_draws_into_given_axes_and_refuses_other_words(animals: Embedding, tmp_path: Path) -> None:
    _, axes = plt.subplots(1, 2)
    assert disk(animals, tmp_path / "b.svg", ax=axes[1]) is axes[1]
    assert "<svg" in (tmp_path / "b.svg").read_text()
    with pytest.raises(ValueError, match="scale is 'big'"):
        disk(animals, scale="big")
    with pytest.raises(ValueError, match="labels is 'many'"):
        disk(animals, labels="many")
    with pytest.raises(ValueError, match="anmial"):
        disk(animals, center="anmial")
