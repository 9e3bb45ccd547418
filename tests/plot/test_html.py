"""The page: whole, offline, safe against its labels, and holding the geometry to the last bit."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from hypgeo.embed import TreeEmbedder
from hypgeo.embedding import Embedding
from hypgeo.manifolds import PoincareBall
from hypgeo.plot import html
from hypgeo.plot.html import _leads_outward
from hypgeo.plot.layout import polar_tree

NASTY = ["</script><script>alert(1)</script>", "<!--", "@@data@@", 'a"b\\c', "&amp;<b>", "line\u2028end", "π"]


def star(labels: list[str]) -> Embedding:
    return TreeEmbedder().fit([("root", label) for label in labels]).embedding_


def payload(page: str) -> dict:  # type: ignore[type-arg]
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def unpack(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_labels_cannot_leave_their_place(tmp_path: Path) -> None:
    page = html(star(NASTY), tmp_path / "a.html", title="<img onerror=x> @@data@@").read_text(encoding="utf-8")
    data = payload(page)
    assert set(data["labels"]) == {"root", *NASTY}
    assert data["title"] == "<img onerror=x> @@data@@"
    assert "<title>&lt;img onerror=x&gt; @@data@@</title>" in page
    assert page.count("</script>") == 2 and page.count("<script") == 2
    assert "alert(1)</" not in page and "\u2028" not in page
    script = page.rsplit("<script>", 1)[1]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", script)


def test_nothing_is_fetched(tmp_path: Path) -> None:
    page = html(star(["a", "b"]), tmp_path / "a.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]+\.|\bsrc=|\bhref=|@import|url\(|fetch\(|XMLHttpRequest|import\(", page)
    assert "default-src 'none'" in page


def test_geometry_is_kept_to_the_last_bit(tmp_path: Path) -> None:
    embedding = star([f"n{i}" for i in range(9)])
    data = payload(html(embedding, tmp_path / "a.html").read_text(encoding="utf-8"))
    true = polar_tree(embedding)
    assert np.array_equal(unpack(data["trueTurn"], "<f8"), true.turn)
    assert np.array_equal(unpack(data["trueLength"], "<f8"), true.length)
    assert np.array_equal(unpack(data["length"], "<f8"), true.fitted().length)
    assert np.array_equal(unpack(data["parent"], "<i4"), true.parent)
    assert data["short"] == "drawn to fit" and data["start"] == true.root
    shown = payload(html(embedding, tmp_path / "b.html", scale=1).read_text(encoding="utf-8"))
    assert "trueTurn" not in shown and np.array_equal(unpack(shown["length"], "<f8"), true.length)


def test_points_without_a_tree(tmp_path: Path) -> None:
    points = torch.tensor([[0.1, 0.2], [0.5, -0.3], [-0.6, 0.1]], dtype=torch.float64)
    embedding = Embedding(["a", "b", "c"], points, PoincareBall(), edges=np.array([[0, 1], [1, 2]]))
    data = payload(html(embedding, tmp_path / "a.html").read_text(encoding="utf-8"))
    assert data["hidden"] and not data["outward"] and data["start"] == 3
    assert unpack(data["links"], "<i4").tolist() == [0, 1, 1, 2]
    assert len(unpack(data["parent"], "<i4")) == 4


def test_edges_set_aside_and_bridges_are_told_apart(tmp_path: Path) -> None:
    embedding = TreeEmbedder().fit([("a", "b"), ("b", "c"), ("a", "c"), ("x", "y")]).embedding_
    data = payload(html(embedding, tmp_path / "a.html").read_text(encoding="utf-8"))
    parent = unpack(data["parent"], "<i4")
    assert len(unpack(data["aside"], "<i4")) == 2
    up, down = unpack(data["bridges"], "<i4")
    assert parent[down] == up
    assert {embedding.labels[up], embedding.labels[down]} & {"x", "y"}
    assert "5 nodes · 4 edges (1 set aside, dashed)" in data["caption"]


def test_far_parts_are_left_out_only_where_no_way_leads_back() -> None:
    embedding = TreeEmbedder().fit([(f"n{(i - 1) // 3}", f"n{i}") for i in range(1, 60)]).embedding_
    tree = polar_tree(embedding)
    assert _leads_outward(tree)
    assert not _leads_outward(tree.scaled(0.02))


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        html(star(["a"]), tmp_path / "taken")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]
