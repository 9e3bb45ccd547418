import json

import pytest


@pytest.fixture
def embedded(run, tree, tmp_path):
    assert run("embed", tree, "-o", "x.safetensors").code == 0
    return tmp_path / "x.safetensors"


def test_figures(run, tree, embedded):
    ended = run("evaluate", embedded, tree, "--json", "--delta")
    assert ended.code == 0 and ended.err == ""
    found = json.loads(ended.out)
    assert (found["nodes"], found["edges"], found["delta"]) == (7, 6, 0)
    assert 1 <= found["worst_distortion"] <= 1.1 and 0 <= found["average_distortion"] < 0.1


def test_without_edges_the_graph_in_the_file_is_taken(run, embedded, tree):
    ended = run("evaluate", embedded)
    assert ended.code == 0
    named = run("evaluate", embedded, tree)
    assert ended.out.split("seconds")[0] == named.out.split("seconds")[0]


def test_table_of_an_unweighted_tree(run, tmp_path):
    (tmp_path / "x.tsv").write_text("a b\na c\na d\nb e\nb f\n")
    run("embed", "x.tsv", "-o", "x")
    rows = dict(line.split("  ", 1) for line in run("evaluate", "x").out.splitlines())
    assert float(rows["MAP"]) == 1 and float(rows["mean rank"]) == 1


def test_refused(refused, embedded, tmp_path):
    (tmp_path / "other.tsv").write_text("tiger lion\nlion lynx\n")
    assert "no node is labelled 'lynx'" in refused("evaluate", embedded, "other.tsv")
    assert "there is no file" in refused("evaluate", "nowhere")
    assert "no safetensors file" in refused("evaluate", tmp_path / "tree.nwk")
    embedded.write_bytes(embedded.read_bytes()[:-9])
    assert "truncated or damaged" in refused("evaluate", embedded)
