"""TreeEmbedder: its guarantee, measured with exact distances over all pairs; its choices; what it refuses."""

import itertools
import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trees import SHAPES, edges, path_lengths, recursive, weighted

from hypgeo import Embedding
from hypgeo.data import Graph, mammals
from hypgeo.embed import TreeEmbedder
from hypgeo.manifolds import HalfSpace, HalfSpaceTree, Lorentz, PoincareBall
from hypgeo.metrics import distortion, mean_average_precision, node_ranks

EXCESS = [0.01, 0.1, 0.5, 1.0, 5.0, 100.0]
Tree = tuple[list[int], list[float] | None]


def exact_distances(embedding: Embedding, n: int) -> np.ndarray:
    """(n, n) in the order of the labels 0, ..., n - 1."""
    at = torch.tensor([embedding.index(i) for i in range(n)])
    if isinstance(embedding.manifold, HalfSpaceTree):
        found: np.ndarray = embedding.manifold.dist_from(embedding.points, at)[:, at].numpy()
        return found
    return embedding.pairwise(list(range(n)), list(range(n))).numpy()


def keeps_its_promise(tree: Tree, dim: int, excess: float) -> Embedding:
    parent, length = tree
    made = TreeEmbedder(dim=dim, distortion=excess, representation="tree").fit(edges(parent, length)).embedding_
    guaranteed, scale = made.provenance["guaranteed_distortion"], made.provenance["scale"]
    assert 1 <= guaranteed <= 1 + excess + 1e-9
    wanted, got = path_lengths(parent, length), exact_distances(made, len(parent))
    together = wanted == 0
    assert not got[together].any()
    if not together.all():
        ratio = got[~together] / wanted[~together] / scale
        assert ratio.min() >= 1 - 1e-9, "an edge or path is shorter than scale * length"
        assert ratio.max() <= guaranteed + 1e-9, "an edge or path is longer than promised"
    return made


@given(weighted(), st.sampled_from([2, 2, 3, 4, 6]), st.sampled_from(EXCESS))
@example(([-1, 0, 1, 1, 1, 1, 1, 1], [0, 1.0, 1, 1, 1, 1, 1e3, 1e3]), 2, 0.1)  # long edges ask for hardly any angle
@example(([-1, 0, 1, 1, 1, 1, 1, 1], [0, 1.0, 1, 1, 1, 1, 30.0, 30.0]), 2, 0.5)
@settings(max_examples=300, deadline=None)
def test_the_guarantee(tree: Tree, dim: int, excess: float) -> None:
    made = keeps_its_promise(tree, dim, excess)
    if tree[1] is None and excess < 1:
        assert mean_average_precision(edges(*tree), made) == 1.0


@pytest.mark.parametrize("excess", [0.02, 1.0, 5.0, 1000.0])
@pytest.mark.parametrize("dim", [2, 3, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_guarantee_where_edges_are_short_or_degrees_large(shape: str, dim: int, excess: float) -> None:
    """Long paths of turns to one side, hubs, single-child chains: at high distortion an edge is shorter than 0.01."""
    keeps_its_promise((SHAPES[shape](90), None), dim, excess)


@pytest.mark.parametrize("dim", [2, 3])
def test_the_guarantee_on_hubs_between_chains(dim: int) -> None:
    parent = [-1, *itertools.chain.from_iterable((h, *range(h + 1, h + 6)) for h in range(0, 6 * 40, 6))]
    hubs = [i if i % 6 else max(0, i - 1) for i in range(len(parent))]
    parent = [-1, *(min(hubs[p], i) for i, p in enumerate(parent[1:]))]
    length = np.where(np.arange(len(parent)) % 6 == 0, 40.0, 0.7).tolist()
    for excess in (0.1, 5.0):
        keeps_its_promise((parent, length), dim, excess)


def test_a_smaller_distortion_costs_longer_edges_and_more_dimensions_shorter_ones() -> None:
    tree = edges(recursive(300, 4), None)
    scales = [TreeEmbedder(distortion=x).fit(tree).embedding_.provenance["scale"] for x in (0.01, 0.1, 1.0)]
    assert scales[0] > 5 * scales[1] > 25 * scales[2]
    star = edges(SHAPES["star"](500), None)
    scales = [TreeEmbedder(dim=d).fit(star).embedding_.provenance["scale"] for d in (2, 3, 5)]
    assert scales[0] > scales[1] > scales[2]


@pytest.mark.parametrize("dim", [2, 3])
def test_fixed_edge_lengths(dim: int) -> None:
    parent = recursive(120, 1)
    length = [0.0, *np.random.default_rng(0).uniform(0.5, 2, 119).tolist()]
    made = TreeEmbedder(dim=dim, tau=30.0).fit(edges(parent, length)).embedding_
    got = exact_distances(made, 120)
    for i in range(1, 120):
        assert got[i, parent[i]] == pytest.approx(30 * length[i], rel=1e-14)
    assert made.provenance["scale"] == 30.0 and made.provenance["guaranteed_distortion"] is None
    assert 1 <= distortion(edges(parent, length), made).worst < 1.5


def test_mammals_lose_nothing() -> None:
    graph = mammals()
    made = TreeEmbedder().fit(graph).embedding_
    tree = nx.Graph([(a, b) for a, b in graph.edges.tolist()])
    aside = made.provenance["edges_set_aside"]
    assert len(aside) == graph.m - graph.n + 1 == 1  # one synset has two parents
    tree.remove_edges_from([tuple(graph.index(x) for x in aside[0])])
    named = nx.relabel_nodes(tree, dict(enumerate(graph.labels)))
    assert mean_average_precision(named, made) == 1.0
    assert 1 < distortion(named, made).worst <= made.provenance["guaranteed_distortion"] + 1e-9 <= 1.1 + 1e-8


# ---- representations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 4])
def test_float64_is_kept_only_while_it_loses_nothing(dim: int) -> None:
    """Over edge lengths on both sides of the limit, and trees of all depths: no distance is off by 1e-9 of an edge."""
    kinds = set()
    for n, tau in itertools.product((2, 12, 60), (1e-5, 0.01, 0.3, 1.0, 1.6, 2.2, 3.0, 4.0, 8.0, 12.0, 16.0)):
        tree = edges(recursive(n, 3), None)
        made = TreeEmbedder(dim=dim, tau=tau).fit(tree).embedding_
        exact = TreeEmbedder(dim=dim, tau=tau, representation="tree").fit(tree).embedding_
        kinds.add(type(made.manifold))
        if isinstance(made.manifold, HalfSpaceTree):
            with pytest.raises(ValueError, match=r'radius .* move points by up to .*representation="tree"'):
                TreeEmbedder(dim=dim, tau=tau, representation="ball").fit(tree)
            assert exact.provenance["radius"] > 8
        else:
            error = exact_distances(made, n) - exact_distances(exact, n)
            assert np.abs(error).max() <= 1e-9 * tau
        assert made.labels == exact.labels and torch.equal(made.parent, exact.parent)
    assert kinds == {PoincareBall, HalfSpaceTree}


@pytest.mark.parametrize("kind", [PoincareBall, Lorentz, HalfSpace])
def test_representations_by_name(kind: type) -> None:
    tree = edges(recursive(30, 2), None)
    name = {PoincareBall: "ball", Lorentz: "lorentz", HalfSpace: "halfspace"}[kind]
    made = TreeEmbedder(tau=1.0, representation=name).fit(tree).embedding_
    assert isinstance(made.manifold, kind) and made.dim == 2
    exact = TreeEmbedder(tau=1.0, representation="tree").fit(tree).embedding_
    assert np.abs(exact_distances(made, 30) - exact_distances(exact, 30)).max() < 1e-9
    with pytest.raises(ValueError, match=f"float64 {name} coordinates"):
        TreeEmbedder(tau=20.0, representation=name).fit(tree)


def test_fit_transform_keeps_the_order_of_the_graph() -> None:
    graph = Graph.of([("c", "a"), ("b", "a"), ("d", "a"), ("d", "e")])
    embedder = TreeEmbedder(distortion=1.0, root="e")
    points = embedder.fit_transform(graph)
    ball, found = PoincareBall(), embedder.embedding_
    for i, u in enumerate(graph.labels):
        for j, v in enumerate(graph.labels):
            far = ball.dist(*torch.from_numpy(points[[i, j]]))
            assert float(far) == pytest.approx(found.dist(u, v), rel=1e-8)
    assert found.labels[0] == "e" and not points[graph.index("e")].any()


# ---- whatever comes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("size", [{"distortion": 0.1}, {"tau": 3.0}])
def test_one_node_and_two(dim: int, size: dict[str, float]) -> None:
    alone = nx.Graph()
    alone.add_node("x")
    made = TreeEmbedder(dim=dim, **size).fit(alone).embedding_
    assert made.n == 1 and made.radius == 0 and made.dist("x", "x") == 0
    assert math.isnan(mean_average_precision(alone, made))
    pair = TreeEmbedder(dim=dim, **size).fit([("x", "y")]).embedding_
    assert pair.dist("x", "y") >= pair.provenance["scale"] > 0
    assert mean_average_precision([("x", "y")], pair) == 1.0
    same = TreeEmbedder(dim=dim, **size).fit([("x", "y", 0.0)]).embedding_
    assert same.dist("x", "y") == 0


@pytest.mark.parametrize(
    "shape, dim, size", [("star", 2, {}), ("path", 2, {}), ("star", 3, {}), ("path", 3, {"tau": 3.0})]
)
def test_a_hundred_thousand_nodes(shape: str, dim: int, size: dict[str, float]) -> None:
    """At a depth or a degree where anything quadratic would take minutes."""
    n = 100_000
    tree = Graph.of(np.array(edges(SHAPES[shape](n), None)))
    made = TreeEmbedder(dim=dim, **size).fit(tree).embedding_
    assert mean_average_precision(tree, made) == 1.0
    assert distortion(tree, made, pairs=n).worst <= 1.1 + 1e-9


def test_edges_and_nodes_that_come_twice_or_join_a_node_to_itself() -> None:
    clean = [("a", "b"), ("b", "c"), ("b", "d")]
    made = TreeEmbedder().fit(clean).embedding_
    again = TreeEmbedder().fit([*clean, ("b", "a"), ("c", "c"), ("b", "d")]).embedding_
    assert made.labels == again.labels and torch.equal(made.points, again.points)


def test_forests_are_joined_by_bridges() -> None:
    forest = nx.Graph([(0, 1), (1, 2), (3, 4), (4, 5), (5, 6)])
    forest.add_node(7)
    made = TreeEmbedder().fit(forest).embedding_
    bridges = made.provenance["bridges"]
    assert len(bridges) == 2 and not made.provenance["edges_set_aside"]
    joined = forest.copy()
    joined.add_edges_from(bridges)
    assert nx.is_tree(joined)
    assert mean_average_precision(forest, made) == 1.0
    inside = min(made.dist(*bridge) for bridge in bridges)
    assert inside > 1.8 * max(made.dist(u, v) for u, v in forest.edges)
    assert distortion(forest, made).worst <= 1.1 + 1e-9


def test_a_graph_with_cycles_says_which_edges_it_set_aside() -> None:
    graph = nx.relabel_nodes(nx.karate_club_graph(), str)
    for *_, attributes in graph.edges(data=True):
        attributes.clear()
    made = TreeEmbedder().fit(graph).embedding_
    tree = graph.copy()
    tree.remove_edges_from(made.provenance["edges_set_aside"])
    assert nx.is_tree(tree) and len(made.provenance["edges_set_aside"]) == 78 - 33
    assert distortion(tree, made).worst <= 1.1 + 1e-9
    assert 0.5 < mean_average_precision(graph, made) < 1
    kept = node_ranks(tree, made)
    assert float(kept[:, 0].min()) == 1.0


def test_the_root_and_labels_of_any_kind() -> None:
    tree = [("root", 1), (1, (2, 3)), (1, "leaf")]
    made = TreeEmbedder(root="leaf").fit(tree).embedding_
    assert made.labels[0] == "leaf" and made.root == 0 and set(made.labels) == {"root", 1, (2, 3), "leaf"}
    path = edges(SHAPES["path"](101), None)
    assert TreeEmbedder().fit(path).embedding_.provenance["root"] == 50  # the middle, which keeps the radius least


def test_what_is_no_parameter_is_refused() -> None:
    tree = edges(recursive(10, 0), None)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"dim": 1}, "dim is 1; .* dimension 2 or more"),
        ({"dim": 2.5}, "dim is 2.5"),
        ({"distortion": 0}, "distortion is 0; it must be a positive number"),
        ({"distortion": -0.1}, "distortion is -0.1"),
        ({"distortion": math.nan}, "distortion is nan"),
        ({"distortion": math.inf}, "distortion is inf"),
        ({"distortion": "small"}, "distortion is 'small'"),
        ({"distortion": None}, "distortion and tau are both None"),
        ({"tau": -1.0}, "tau is -1.0; it must be a positive number"),
        ({"tau": math.nan}, "tau is nan"),
        ({"representation": "disk"}, "representation is 'disk'; it must be one of auto, tree, ball"),
        ({"root": "10"}, "no node is labelled '10'"),
        ({"root": 10}, "no node is labelled 10"),
        ({"refine": -1}, "refine is -1"),
    ]
    for parameters, said in wrong:
        with pytest.raises(ValueError, match=said) as caught:
            TreeEmbedder(**parameters).fit(tree)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 200
    misspelt = [("elephant", "mammal"), ("cat", "mammal")]
    with pytest.raises(ValueError, match="did you mean 'elephant'"):
        TreeEmbedder(root="elefant").fit(misspelt)


@pytest.mark.parametrize("bad, said", [(math.nan, "length nan"), (-1.0, "length -1"), (math.inf, "length inf")])
def test_what_is_no_length_is_refused(bad: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TreeEmbedder().fit([("a", "b", 1.0), ("b", "c", bad)])


def test_numbers_of_numpy_are_numbers() -> None:
    tree = edges(recursive(12, 0), None)
    plain = TreeEmbedder(dim=3, distortion=0.5).fit(tree).embedding_
    made = TreeEmbedder(dim=np.int64(3), distortion=np.float32(0.5)).fit(tree).embedding_  # type: ignore[arg-type]
    assert torch.equal(plain.points, made.points) and plain.provenance == made.provenance
