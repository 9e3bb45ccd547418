import pytest

from hypgeo.data import taxonomy

KNOWN = {
    "google_product": (5596, 5595, 1, "Animals & Pet Supplies"),
    "mammal_phylogeny": (6618, 6617, 1, "Tachyglossus_aculeatus"),
    "moss_phylogeny_T92308": (344, 343, 1, "Schistidium_sp_DE_ETICS_6624"),
    "go_slim": (149, 149, 3, "GO:0008150"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_taxonomies(shared, name):
    if shared is None:
        with pytest.raises(ValueError, match=f"there is no taxonomy/{name}/"):
            taxonomy(name)
        return
    graph = taxonomy(name)
    n, m, parts, label = KNOWN[name]
    assert (graph.n, graph.m, graph.components()[0]) == (n, m, parts)
    assert graph.is_tree == (parts == 1)
    assert (graph.weights is not None) == ("phylogeny" in name)
    assert graph.index(label) < n


def test_nameless_nodes_are_called_by_their_id(tmp_path, monkeypatch):
    monkeypatch.setenv("HYPGEO_DATA", str(tmp_path))
    (tmp_path / "taxonomy" / "moss_phylogeny_T92308").mkdir(parents=True)
    (tmp_path / "taxonomy" / "moss_phylogeny_T92308" / "edges.tsv").write_text("0\t1\t0.5\n0\t2\t0\n")
    (tmp_path / "taxonomy" / "moss_phylogeny_T92308" / "names.tsv").write_text("2\tthe moss\n")
    assert taxonomy("moss_phylogeny_T92308").labels == ["node_0", "node_1", "the moss"]


def test_unknown_name():
    with pytest.raises(ValueError, match="no taxonomy is called 'birds'; there are google_product,"):
        taxonomy("birds")
