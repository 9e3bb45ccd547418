"""The recipes: small ones give the figures they promise, all of them can be read, and the runner sees a miss."""

import importlib.util
import inspect
import json
import math
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from hypgeo import Embedding, Graph, data
from hypgeo.data import Pairs
from hypgeo.data.named import DATASETS
from hypgeo.embed import TreeEmbedder
from hypgeo.manifolds import HalfSpaceTree

FOLDER = Path(__file__).resolve().parents[1] / "embeddings"
SMALL = ("bio-diseasome", "ca-csphd", "ca-csphd-refined", "mammals", "moss-phylogeny")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads a script of embeddings/ as Python runs it, beside its neighbours."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"embeddings_{name}", FOLDER / f"{name}.py")
        assert spec and spec.loader
        found = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, found)  # dataclasses look their module up
        spec.loader.exec_module(found)
        return found

    return load


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bool:
    """Whether this machine has the larger data sets; they are then found."""
    folder = Path(os.environ.get("HYPGEO_DATA") or Path(__file__).parents[2] / "shared" / "data")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if folder.is_dir():
        monkeypatch.setenv("HYPGEO_DATA", str(folder))
    else:
        monkeypatch.delenv("HYPGEO_DATA", raising=False)
    return folder.is_dir()


def test_every_recipe_is_complete(script: Any) -> None:
    run = script("run")
    arguments = set(inspect.signature(TreeEmbedder).parameters)
    figures = set(run.COLUMNS)
    recipes = run.recipes()
    assert {*SMALL, "wordnet", "wordnet-tree", "google", "mammal-phylogeny", "grqc"} <= set(recipes)
    for name, recipe in recipes.items():
        assert set(recipe) <= {"title", "note", "dataset", "file", "spanning_tree", "method", "expected"}, name
        assert recipe["title"] and ("dataset" in recipe) != ("file" in recipe), name
        assert recipe.get("dataset", "mammals") in DATASETS, name
        assert set(recipe["method"]) <= arguments, name
        assert {"nodes", "edges"} <= set(recipe["expected"]) <= figures, name
        for wanted in recipe["expected"].values():
            assert isinstance(wanted, int) or (wanted and set(wanted) <= {"at_least", "at_most"}), name


@pytest.mark.parametrize("name", SMALL)
def test_a_small_recipe_gives_its_figures(
    name: str, script: Any, there: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    run = script("run")
    code = run.main([name])
    said = capsys.readouterr()
    if there or run.recipes()[name].get("dataset") == "mammals":
        assert (code, said.err) == (0, "") and name in said.out
    else:
        assert code == 2 and "HYPGEO_DATA" in said.err and said.err.count("\n") == 1


def test_a_miss_is_said_and_fails(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = script("run")
    recipe = run.recipes()["mammals"]
    recipe["expected"] |= {"nodes": 1181, "map": {"at_least": 1.0}, "radius": {"at_most": 100}}
    monkeypatch.setattr(run, "recipes", lambda: {"mammals": recipe})
    assert run.main([]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == "mammals: nodes is 1182, expected at most 1181."
    assert lines[1].startswith("mammals: radius is 2") and lines[2].startswith("mammals: map is 0.9997")
    assert run.misses({"ulps": 4.1}, {}) and not run.misses({"ulps": 4.0}, {})


def test_unknown_recipes_and_missing_data_take_a_sentence(
    script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = script("run")
    monkeypatch.setenv("HYPGEO_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run.main(["nothing", "ca-csphd"]) == 2
    said = capsys.readouterr()
    first, second = said.err.splitlines()
    assert said.out == "" and first.startswith("no recipe is called 'nothing'; there are ")
    assert second.startswith("ca-csphd was left out: there is no hyperbolics/graphs/ca-CSphd.edges in ")


def test_results_are_written(
    script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = script("run")
    recipes = {"mammals": run.recipes()["mammals"]}
    monkeypatch.setattr(run, "recipes", lambda: recipes)
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    assert run.main(["--check", "--write"]) == 0
    text = (tmp_path / "results.md").read_text()
    assert capsys.readouterr().out.strip() in text and "1,182" in text and script("measure").machine() in text


def test_the_kept_tree_has_the_graphs_lengths_and_long_bridges(script: Any) -> None:
    graph = Graph.of([("a", "b", 1.0), ("b", "c", 3.0), ("a", "c", 1.0), ("d", "e", 0.5)])
    embedding = TreeEmbedder().fit(graph).embedding_
    tree = script("measure").kept_tree(graph, embedding)
    assert tree.labels == graph.labels and tree.is_tree
    ends = [frozenset((tree.labels[i], tree.labels[j])) for i, j in tree.edges]
    lengths = dict(zip(ends, tree.weights, strict=True))
    own = {frozenset(pair): w for *pair, w in [("a", "b", 1.0), ("b", "c", 3.0), ("a", "c", 1.0), ("d", "e", 0.5)]}
    (bridge,) = set(lengths) - set(own)
    assert lengths.pop(bridge) == 6.0 and lengths.items() <= own.items() and len(lengths) == 3


def test_the_kept_tree_of_a_tree_is_the_tree(script: Any) -> None:
    graph = Graph.of([(2, 1), (2, 3), (3, 0)])
    tree = script("measure").kept_tree(graph, TreeEmbedder(root=1).fit(graph).embedding_)
    assert (tree.edges == graph.edges).all() and tree.weights is None


def test_the_check_confirms_distances_and_sees_a_wrong_one(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = script("measure")
    embedding = TreeEmbedder(dim=3).fit(data.mammals()).embedding_
    assert 0 < measure.worst_ulps(embedding) <= 4
    right = HalfSpaceTree.dist
    monkeypatch.setattr(HalfSpaceTree, "dist", lambda *given: right(*given) * (1 + 3e-15))
    assert measure.worst_ulps(embedding) > 6


def test_the_check_has_the_textbook_distance(script: Any) -> None:
    measure = script("measure")
    chain = HalfSpaceTree(torch.tensor([-1, 0, 1]))
    points = torch.tensor([[0.0, 0.0], [0.0, math.log(2)], [1.0, 0.0]], dtype=torch.float64)
    places: dict[int, list[Any]] = {0: [measure.mp.mpf(0), measure.mp.mpf(1)]}
    place = measure._place(Embedding([0, 1, 2], points, chain), 2, places)
    assert [float(v) for v in place] == pytest.approx([2.0, 2.0])  # up to height 2, then 1 aside at that scale
    assert float(measure._distance(places[0], place)) == pytest.approx(math.acosh(1 + 5 / 4))


def test_bits_follow_the_radius(script: Any) -> None:
    precision = script("precision")
    precision.DIMS, precision.EPSILONS = (2, 4), (1.0, 0.1)
    tree = Graph.of([(0, 1), (0, 2), (0, 3), (3, 4), (4, 5)])
    found = precision.measure("small", tree)
    assert (found.nodes, found.longest, found.degree) == (6, 4, 3)
    assert found.bits == pytest.approx(np.log2(np.cosh(found.radius / 2) ** 2))
    assert (found.bits[:, 1] > found.bits[:, 0]).all()
    assert found.law[0] == pytest.approx([4 * math.log2(3), 40 * math.log2(3)])
    assert found.constant * found.law[0, 1] == pytest.approx(found.bits[0, 1])
    assert precision.table(found).count("\n") == 3


def test_the_demo_reports_and_writes(
    script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    script("demo").main()
    said = capsys.readouterr().out
    for word in ("nodes", "edges", "dimension", "representation", "bits per node", "radius", "seconds", "MAP"):
        assert f"\n  {word} " in said
    assert "1.000000 on the tree, 0.999" in said and "1.1000 on the tree" in said
    assert (tmp_path / "demo/mammals.png").read_bytes()[:4] == b"\x89PNG"
    assert "<html" in (tmp_path / "demo/mammals.html").read_text()
    embedding = Embedding.load(tmp_path / "demo/mammals.safetensors")
    assert embedding.n == 1182 and json.dumps(embedding.provenance["measured"])


def test_the_benchmark_measures_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    path = FOLDER.parent / "benchmarks" / "tree.py"
    spec = importlib.util.spec_from_file_location("benchmarks_tree", path)
    assert spec and spec.loader
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    monkeypatch.setattr(bench, "SAMPLE", 1000)
    rows = [bench.one(kind, 300) for kind in bench.SOURCES]
    assert [row["nodes"] for row in rows] == [300, 301, 300]
    assert all(row["map"] == 1.0 and row["build"] > 0 and row["dist"] > 0 for row in rows)
    assert bench.table(rows).count("\n") == 4
    made = [{"tree": "recursive", "nodes": n, "build": 3.0 * n**2} for n in (10, 100)] + [{"tree": "star"}]
    assert bench.slope(made, "build") == pytest.approx(2)


def test_learnt_embeddings_are_measured_and_written(
    script: Any, there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learned = script("learned")
    monkeypatch.setattr(learned, "FOLDER", tmp_path)
    some = Graph.of([(i, (i - 1) // 2) for i in range(1, 20)])
    monkeypatch.setattr(learned, "mammals", lambda: Pairs.of(some))
    monkeypatch.setattr(learned, "DATA", {"mammals": learned.mammals})
    assert learned.main(["--epochs", "3", "--seeds", "2", "--write"]) == 0
    text = (tmp_path / "learned.md").read_text()
    assert capsys.readouterr().out.strip() in text and script("measure").machine() in text
    assert all(model in text for model in learned.MODELS)
    rows = json.loads((tmp_path / "learned.json").read_text())
    assert learned.main(["--epochs", "4", "--only", "models", "Lorentz", "--write"]) == 0
    again = json.loads((tmp_path / "learned.json").read_text())
    assert [row for row in again if row["epochs"] == 3] == [
        r for r in rows if (r["table"], r["model"]) != ("models", "Lorentz")
    ]
    assert len(again) == len(rows) and sum(row["epochs"] == 4 for row in again) == 1
    with pytest.raises(SystemExit):
        learned.main(["Klein"])
    if there:
        assert (script("learned").grqc().n, script("learned").grqc().m) == (4158, 26844)


def test_what_points_take_is_counted_and_measured(script: Any) -> None:
    compression = script("compression")
    compression.CHECKED, compression.BITS = 3, (8, 2)
    found = compression.measure("mammals", data.mammals())
    rows = found.rows
    assert list(rows) == [
        "tiling, uncompressed", "tiling, lossless", "tiling, 8 bits", "tiling, 2 bits", "tree, lossless", "tree, 8 bits"
    ]  # fmt: skip
    bits = [
        rows[name]["bits"] for name in ("tiling, uncompressed", "tiling, lossless", "tiling, 8 bits", "tiling, 2 bits")
    ]
    assert bits == sorted(bits, reverse=True) and bits[2] < 65
    assert rows["tiling, 8 bits"]["map"] == rows["tiling, lossless"]["map"] == rows["tree, lossless"]["map"]
    assert rows["tiling, lossless"]["largest"] == 0 < rows["tiling, 8 bits"]["largest"] < 2**-7
    assert rows["tiling, 8 bits"]["share"] < 15 and found.checked == 0
    assert len(compression.table(found).splitlines()) == 2 + 3 + len(rows)


def test_big_floats_hold_what_they_are_said_to(script: Any) -> None:
    """Two nodes, at the origin and at radius 100: log2 cosh^2(50) + 53 bits there, and 53 at the origin."""
    tree = HalfSpaceTree(torch.tensor([-1, 0]))
    rows = torch.tensor([[0.0, 0.0], [0.0, -100.0]], dtype=torch.float64)
    found = script("compression").big_floats(Embedding(["a", "b"], rows, tree))
    deep = 53 + 2 * math.log2(math.cosh(50))
    assert found["ball"] == pytest.approx((53 + deep) * 2 / 8, rel=1e-12)
    assert found["ball, one precision for all"] == pytest.approx(2 * deep * 2 / 8, rel=1e-12)
    assert found["half-space"] == pytest.approx((53 + 53 + 100 / math.log(2) + 2 * 64) / 8, rel=1e-12)
