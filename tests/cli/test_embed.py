import gzip
import io
import json

import pytest

from hypgeo import Embedding
from hypgeo.data import mammals

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256))


def test_file_and_table(run, tree, tmp_path):
    ended = run("embed", tree, "-o", "out.safetensors")
    assert ended.code == 0 and ended.err == ""
    rows = dict(line.split("  ", 1) for line in ended.out.splitlines())
    assert {name: rows[name].strip() for name in ("nodes", "edges", "dimension", "file")} == {
        "nodes": "7",
        "edges": "6",
        "dimension": "2",
        "file": "out.safetensors",
    }
    made = Embedding.load(tmp_path / "out.safetensors")
    assert set(made.labels) == {"root", "cats", "dogs", "tiger", "lion", "wolf", "dog"}
    assert made.provenance["source"] == str(tree)
    assert made.dist("dogs", "dog") == 0  # an edge of length zero
    assert 1 / 1.1 <= made.dist("tiger", "dog") / 4 / made.dist("tiger", "cats") <= 1.1  # path lengths 4 and 1


def test_json(run, tree):
    ended = run("embed", tree, "--json", "--dim", "3", "--distortion", "0.05", "--root", "dogs")
    found = json.loads(ended.out)
    assert (found["nodes"], found["edges"], found["dimension"], found["edges_set_aside"]) == (7, 6, 3, 0)
    assert 1 <= found["guaranteed_distortion"] <= 1.05
    assert found["bits_per_node"] >= 128 and found["seconds"] > 0 and found["file"] is None


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input(run, monkeypatch, packed):
    data = b"a\tb\nb\tc\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(data, mtime=0) if packed else data)))
    assert json.loads(run("embed", "-", "--json").out)["nodes"] == 3


def test_data_set_by_name_unless_a_file_has_it(run, tmp_path):
    ended = run("embed", "mammals", "--json")
    assert json.loads(ended.out)["nodes"] == mammals().n
    assert "1 of 1,182 edges set aside" in ended.err
    (tmp_path / "mammals").write_text("cat dog\n")
    assert json.loads(run("embed", "mammals", "--json").out)["nodes"] == 2


def test_integer_labels_and_options(run, tmp_path):
    (tmp_path / "x.tsv").write_text("1 2\n2 3\n2 1\n3 3\n")
    ended = run("embed", "x.tsv", "--root", "3", "--tau", "4", "--representation", "tree", "-o", "x")
    assert ended.code == 0
    assert ended.err == "hypgeo: note: dropped 1 self-loops and 1 repeated edges.\n"
    made = Embedding.load(tmp_path / "x")
    assert made.root is not None and made.labels[made.root] == 3
    assert made.dist(1, 2) == pytest.approx(4)


def test_a_cycle_goes_through_a_spanning_tree_and_says_so(run, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\nb,c\nc,a\nc,d\n")
    ended = run("embed", "x.csv", "-o", "x", "--json")
    assert ended.code == 0
    assert ended.err.startswith("hypgeo: note: not a tree;") and "1 of 4 edges set aside" in ended.err
    assert json.loads(ended.out)["edges_set_aside"] == 1
    assert len(Embedding.load(tmp_path / "x").provenance["edges_set_aside"]) == 1


def test_parts_that_are_not_joined(run, tmp_path):
    (tmp_path / "x.tsv").write_text("a b\nb c\nx y\n")
    ended = run("embed", "x.tsv", "--json")
    assert ended.code == 0 and json.loads(ended.out)["edges_set_aside"] == 0
    assert ended.err == "hypgeo: note: not connected; 2 parts were joined by 1 bridges that are no edges.\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tsv", b"", "'x.tsv' is empty"),
        ("x.tsv", JPEG, "is a JPEG image"),
        ("x.jpg", JPEG, "is a JPEG image"),
        ("x.tsv", b"a b 1\nb c nan\n", "line 2 has the length nan"),
        ("x.tsv", b"a b 1\nb c -1\n", "line 2 has the length -1"),
        ("x.tsv", b"a b c d\n", "line 1 has 4 columns"),
        ("x.nwk", b"((a,b);", "before its last ')'"),
        ("x.json", b"{", "not JSON"),
        ("x.tsv.gz", gzip.compress(b"a b\n" * 99, mtime=0)[:20], "damaged or truncated gzip"),
    ],
)
def test_bad_files(refused, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    assert message in refused("embed", name, "-o", "out.safetensors")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nowhere.tsv",), "there is no file 'nowhere.tsv'"),
        (("mamals",), "did you mean the data set 'mammals'"),
        (("tree.nwk", "--dim", "1"), "dim is 1"),
        (("tree.nwk", "--distortion", "0"), "distortion is 0"),
        (("tree.nwk", "--distortion", "nan"), "distortion is nan"),
        (("tree.nwk", "--tau", "-1"), "tau is -1"),
        (("tree.nwk", "--root", "tigr"), "did you mean 'tiger'"),
        (("tree.nwk", "--format", "xml"), "the format 'xml' is unknown"),
        (("tree.nwk", "--format", "tsv"), "1 column"),
        (("tree.nwk", "--representation", "float16"), "representation is 'float16'"),
        (("tree.nwk", "--refine", "-1"), "refine is -1"),
        (("tree.nwk", "-o", "no/out"), "there is no folder"),
        (("tree.nwk", "-o", "."), "is a folder"),
    ],
)
def test_bad_requests(refused, tree, args, message):
    assert message in refused("embed", *args, *(() if "-o" in args else ("-o", "out.safetensors")))
