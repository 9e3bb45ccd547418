import gzip
import io
import json

import networkx as nx
import pytest

from hypgeo.data import Graph
from hypgeo.data.edges import edges


def read(tmp_path, name, content, **options) -> Graph:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return edges(path, **options)


def links(graph: Graph) -> set[tuple[object, object]]:
    return {tuple(sorted((graph.labels[u], graph.labels[v]), key=str)) for u, v in graph.edges.tolist()}


SAME = {("a", "b"), ("b", "c d"), ("b", "e")}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.tsv", "# child, parent\na\tb\n\nc d\tb\r\ne\tb\n"),
        ("x.csv", 'a,b\n"c d",b\ne,b\n'),
        ("x.csv", "source,target\na,b\nc d,b\ne,b\n"),
        ("x.csv", "a;b\nc d;b\ne;b\n"),
        ("x.nwk", "(a,'c d',e)b;"),
        ("x.json", '{"edges": [["a", "b"], ["b", "c d"], ["b", "e"]]}'),
        ("x.json", '{"name": "a", "children": [{"name": "b", "children": [{"name": "c d"}, {"name": "e"}]}]}'),
        ("x.json", '{"links": [{"source": "a", "target": "b"}, {"source": "c d", "target": "b"}, ["e", "b"]]}'),
        ("unknown", "a\tb\nc d\tb\ne\tb\n"),
        ("unknown", "a,b\nc d,b\ne,b\n"),
        ("unknown", "[&R] (a,c d,e)b;"),
        ("unknown", '[["a", "b"], ["b", "c d"], ["b", "e"]]'),
    ],
)
def test_formats_agree(tmp_path, name, content):
    assert links(read(tmp_path, name, content)) == SAME
    assert links(read(tmp_path, name + ".gz", gzip.compress(content.encode()))) == SAME
    assert links(read(tmp_path, name, b"\xef\xbb\xbf" + content.encode())) == SAME


def test_utf16_as_spreadsheets_write_it(tmp_path):
    assert links(read(tmp_path, "x.txt", "a\tb\nb\tc d\nb\te\n".encode("utf-16"))) == SAME


def test_standard_input(monkeypatch):
    fake = io.TextIOWrapper(io.BytesIO(gzip.compress(b"(a,c d,e)b;")))
    monkeypatch.setattr("sys.stdin", fake)
    assert links(edges("-")) == SAME


def test_spaces_integers_and_lengths(tmp_path):
    graph = read(tmp_path, "x.edges", "10 2 0.5\n2 3 0\n")
    assert (graph.labels, graph.edges.tolist()) == ([2, 3, 10], [[0, 1], [0, 2]])
    assert graph.weights is not None and graph.weights.tolist() == [0.0, 0.5]
    assert read(tmp_path, "x.edges", "01 2\n2 3\n").labels == ["01", "2", "3"]  # 01 is a name


@pytest.mark.parametrize(
    "text", ["u,v,length\n1,2,3\n2,3,1\n", "1,2,3\n2,3,1\n", "parent\tchild\tw\n1\t2\t3\n2\t3\t1\n", "x,y\n1,2\n2,3\n"]
)
def test_headers(tmp_path, text):
    graph = read(tmp_path, "x.csv" if "," in text else "x.tsv", text)
    assert (graph.labels, graph.edges.tolist()) == ([1, 2, 3], [[0, 1], [1, 2]])


def test_a_word_that_is_a_label_further_down_is_no_header(tmp_path):
    assert read(tmp_path, "x.csv", "source,target\ntarget,goal\n").m == 2


def test_newick(tmp_path):
    graph = read(tmp_path, "x.nwk", "((a:1,'it''s':2)97:0.5,(b:0,c_d:1e-3)node_1:4,[why](e:1):2)root:9;")
    assert graph.labels == ["root", "node_2", "a", "it's", "node_1", "b", "c_d", "node_3", "e"]
    assert graph.is_tree
    assert graph.weights is not None
    found = dict(zip(map(tuple, graph.edges.tolist()), graph.weights.tolist(), strict=True))
    assert found[0, 1] == 0.5 and found[1, 3] == 2 and found[4, 6] == 1e-3 and found[0, 7] == 2


def test_newick_numbers_name_nodes_where_all_names_are_numbers(tmp_path):
    assert read(tmp_path, "x.nwk", "((1,2)5,3)6;").labels == ["6", "5", "1", "2", "3"]


def test_newick_of_one_node(tmp_path):
    assert read(tmp_path, "x.nwk", "alone;").labels == ["alone"]


def test_newick_100_000_levels_deep(tmp_path):
    graph = read(tmp_path, "x.nwk", "(" * 100_000 + "x" + ")" * 100_000 + ";")
    assert (graph.n, graph.m, graph.degrees.max(), graph.is_tree) == (100_001, 100_000, 2, True)


def test_node_link_keeps_nodes_without_edges(tmp_path):
    source = nx.Graph([(5, 7)])
    source.add_node(9)
    for key in ("edges", "links"):
        graph = read(tmp_path, "x.json", json.dumps(nx.node_link_data(source, edges=key)))
        assert (graph.labels, graph.edges.tolist()) == ([5, 7, 9], [[0, 1]])


def test_json_lengths(tmp_path):
    text = '{"name": "r", "children": [{"name": "a", "length": 2}, {"name": 4, "length": 0.5}]}'
    graph = read(tmp_path, "x.json", text)
    assert graph.labels == ["r", "a", 4]
    assert graph.weights is not None and graph.weights.tolist() == [2, 0.5]
    graph = read(tmp_path, "x.json", '{"nodes": ["a", "b"], "edges": [{"source": "a", "target": "b", "weight": 3}]}')
    assert graph.weights is not None and graph.weights.tolist() == [3]


JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tsv", "", "is empty"),
        ("x.tsv", " \n\n", "is empty"),
        ("x.tsv", "# nothing\n", "no edges"),
        ("x.jpg", JPEG, "is a JPEG image"),
        ("x.tsv", JPEG, "is a JPEG image"),
        ("x.tsv", b"a\tb\x00c\n", "binary"),
        ("x.tsv", b"a\tb\nc\t\xe9\n", "not UTF-8 text: line 2 holds the byte 0xe9"),
        ("x.tsv.gz", b"\x1f\x8b\x08\x00", "damaged or truncated gzip"),
        ("x.tsv.gz", gzip.compress(b"a\tb\n" * 1000, mtime=0)[:-12], "damaged or truncated gzip"),
        ("x.tsv", "a\tb\n#\nc\n", "line 3 has 1 column;"),
        ("x.tsv", "a b c d\n", "line 1 has 4 columns"),
        ("x.tsv", "a\tb\nc\td\t1\n", "line 2 has 3 columns where line 1 has 2"),
        ("x.csv", "a,b\n,c\n", "line 2 has an empty label"),
        ("x.tsv", "a\tb\t1\n\nb\tc\tnan\n", "line 3 has the length nan"),
        ("x.tsv", "a\tb\t1\nb\tc\t-1\n", "line 2 has the length -1"),
        ("x.tsv", "a\tb\t1\nb\tc\tis_a\n", "line 2 has 'is_a' in its third column"),
        ("x.csv", "a,b,1\nb,c,inf\n", "line 2 has the length inf"),
        ("x.tsv", "a\tb\t1\nb\ta\t2\n", "comes twice, with lengths 1 and 2"),
        ("x.txt", "#NEXUS\nbegin trees;\n", "NEXUS"),
        ("x.nwk", "((a,b);", r"before its last '\)'"),
        ("x.nwk", "(a,b));", r"line 1, column 6 has '\)' without"),
        ("x.nwk", "a,b;", "line 1, column 2 has ',' outside"),
        ("x.nwk", "(a,\nb)(c,d);", r"line 2, column 3 has '\('"),
        ("x.nwk", "(a:1,b:x);", "column 8 has 'x' where a branch length"),
        ("x.nwk", "(a:1,b:);", r"has '\)' where a branch length"),
        ("x.nwk", "(a:1,b:nan);", "branch length nan"),
        ("x.nwk", "(a:1,b:-2);", "branch length -2"),
        ("x.nwk", "(a:1,b);", "branch to 'b' has no length"),
        ("x.nwk", "(a:1:2,b:1);", "second branch length"),
        ("x.nwk", "(a,a);", "'a' occurs twice"),
        ("x.nwk", "(a,b);(c,d);", "second tree"),
        ("x.nwk", "(a,'b);", "never closed"),
        ("x.nwk", "(a,b)c'd';", r"has the name \"?'?d"),
        ("x.json", "[[1, 2]", "line 1, column 8 is not JSON"),
        ("x.json", '{"a": 1}', "holds no edges"),
        ("x.json", "[]", "empty"),
        ("x.json", "[[1, 2], [1, 2, 3, 4]]", "edge 1 is"),
        ("x.json", "[[1, 2, 1.0], [1, 3]]", "edge 1 has no length"),
        ("x.json", "[[1, 2, NaN]]", "edge 0 has the length nan"),
        ("x.json", "[[1, 2, 1e999]]", "edge 0 has the length inf"),
        ("x.json", '[[1, 2, "far"]]', "edge 0 has the length 'far'"),
        ("x.json", "[[1, true]]", "edge 0 has the label True"),
        ("x.json", '{"nodes": [1, 1], "edges": [[1, 1]]}', "same id"),
        ("x.json", '{"nodes": [1], "edges": [[1, 2]]}', "edge 0 ends at 2"),
        ("x.json", '{"name": "a", "children": [{"name": "a"}]}', "'a' occurs twice"),
        ("x.json", '{"name": "a", "children": ["b"]}', "a child of 'a' is 'b'"),
        ("x.json", '{"name": "a", "children": {"b": 1}}', "children of 'a' are not a list"),
        ("x.json", "[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_refused(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, name, content)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_that_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file '.*nowhere.tsv'\."):
        edges(tmp_path / "nowhere.tsv")
    with pytest.raises(ValueError, match="is a folder"):
        edges(tmp_path)
    with pytest.raises(ValueError, match="format 'xml' is unknown"):
        read(tmp_path, "x.tsv", "a\tb\n", format="xml")
