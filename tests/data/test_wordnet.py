import gzip

import pytest

from hypgeo.data import mammals, wordnet_nouns, wordnet_sala


def test_wordnet_nouns(shared):
    if shared is None:
        with pytest.raises(ValueError, match=r"there is no wordnet/noun_hypernyms.tsv in"):
            wordnet_nouns()
        return
    graph = wordnet_nouns()
    assert (graph.n, graph.m, graph.components()[0]) == (82_115, 84_427, 1)
    known = {frozenset((graph.labels[u], graph.labels[v])) for u, v in graph.edges.tolist()}
    small = mammals()
    assert {frozenset((small.labels[u], small.labels[v])) for u, v in small.edges.tolist()} <= known


def test_wordnet_sala(shared):
    if shared is None:
        with pytest.raises(ValueError, match=r"there is no wordnet/hyperbolics_wordnet.edges.gz in"):
            wordnet_sala()
        return
    graph = wordnet_sala()
    assert (graph.n, graph.m, graph.components()[0]) == (74_374, 75_834, 1)
    u, v = sorted((graph.index("entity.n.01"), graph.index("physical_entity.n.01")))
    assert [u, v] in graph.edges.tolist()


def test_names_are_put_on_the_nodes(tmp_path, monkeypatch):
    monkeypatch.setenv("HYPGEO_DATA", str(tmp_path))
    (tmp_path / "wordnet").mkdir()
    (tmp_path / "wordnet" / "hyperbolics_wordnet.edges.gz").write_text("0 1\n2 1\n")
    (tmp_path / "wordnet" / "hyperbolics_wordnet_names.tsv.gz").write_bytes(gzip.compress(b"2\ttwo\n0\tzero\n1\tone\n"))
    graph = wordnet_sala()
    assert graph.labels == ["zero", "one", "two"]
    assert graph.edges.tolist() == [[0, 1], [1, 2]]
