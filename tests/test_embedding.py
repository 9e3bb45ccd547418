import json
import math
import os
import pickle
import stat
import struct
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
import torch
from safetensors.torch import save as safetensors_bytes

import hypgeo.embedding as module
from hypgeo import metrics
from hypgeo.embedding import Embedding
from hypgeo.manifolds import Euclidean, HalfSpace, HalfSpaceTree, Lorentz, LTiling, MCHalfSpace, PoincareBall, convert

BALL = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, -0.25], [-0.7, 0.1], [0.3, 0.3]], dtype=torch.float64)
LABELS = ["root", "Äffchen", "c", 4, "c d"]
EDGES = np.array([[0, 1], [0, 2], [3, 1], [1, 4]])
WEIGHTS = np.array([1.0, 0.5, 0.0, 2.0])


def in_space(name: str, curvature: float = -1.0) -> Embedding:
    """The points of BALL, seen in the space of that name."""
    ball = PoincareBall(curvature=curvature)
    points = BALL / math.sqrt(-curvature)
    if name == "Euclidean":
        return Embedding(LABELS, points, Euclidean(), {"method": "test"}, EDGES)
    space = {"PoincareBall": PoincareBall, "Lorentz": Lorentz, "HalfSpace": HalfSpace}[name](curvature=curvature)
    points = points if name == "PoincareBall" else convert(points, ball, space)
    return Embedding(LABELS, points, space, {"method": "test"}, EDGES, weights=WEIGHTS)


def tree(rows, parent, labels=None) -> Embedding:
    points = torch.tensor(rows, dtype=torch.float64)
    labels = [f"n{i}" for i in range(len(rows))] if labels is None else labels
    return Embedding(labels, points, HalfSpaceTree(torch.tensor(parent)), {"radius": 1.0})


def small_tree() -> Embedding:
    rows = [[0, 0], [1.5, -2.0], [-1.5, -2.5], [0.25, -3.0], [-2.0, -1.0]]
    return tree(rows, [-1, 0, 0, 1, 1], LABELS)


SPACES = ["PoincareBall", "Lorentz", "HalfSpace", "Euclidean", "HalfSpaceTree"]


def sample(name: str) -> Embedding:
    return small_tree() if name == "HalfSpaceTree" else in_space(name, -0.5)


# ---- what it is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPACES)
def test_shape_of_things(name):
    it = sample(name)
    assert (it.n, len(it), it.dim) == (5, 5, 2)
    assert "c d" in it and "d" not in it
    assert [it.index(x) for x in LABELS] == [0, 1, 2, 3, 4]
    assert it.root == (0 if name == "HalfSpaceTree" else None)
    assert it.radius == max(it.dist("root", x) for x in LABELS)
    assert repr(it).startswith("Embedding(5 nodes, dim 2, " + name) and f"{it.radius:.4g}" in repr(it)


def test_bytes_per_node_count_the_parents_that_the_exact_tree_needs():
    assert in_space("PoincareBall").bytes_per_node == 16
    assert in_space("Lorentz").bytes_per_node == 24
    assert small_tree().bytes_per_node == 24


def test_misspelt_label():
    with pytest.raises(ValueError, match="no node is labelled 'rot'; did you mean 'root'"):
        in_space("PoincareBall").dist("rot", "c")
    with pytest.raises(ValueError, match="4 is there, but as int"):
        in_space("PoincareBall").nearest("4")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": ["a"]}, "1 labels and points of shape"),
        ({"labels": ["a", "a"]}, "distinct"),
        ({"labels": [], "points": torch.zeros(0, 2)}, "n > 0"),
        ({"edges": np.array([[0, 2]])}, "indices of 2 nodes"),
        ({"edges": np.array([0, 1])}, "indices of 2 nodes"),
        ({"weights": np.ones(1)}, "one length for each edge"),
        ({"parent": torch.tensor([-1, 5])}, "parent must hold 2 indices"),
        ({"parent": torch.tensor([1, 0])}, "-1 at the root"),
    ],
)
def test_constructor_checks(changed, message):
    arguments = {"labels": ["a", "b"], "points": torch.zeros(2, 2), "manifold": PoincareBall()} | changed
    with pytest.raises(ValueError, match=message):
        Embedding(**arguments)


def test_graph_comes_back():
    graph = in_space("PoincareBall").graph()
    assert graph.labels == LABELS
    assert graph.edges.tolist() == [[0, 1], [0, 2], [1, 3], [1, 4]]
    assert graph.weights is not None and graph.weights.tolist() == [1.0, 0.5, 0.0, 2.0]
    with pytest.raises(ValueError, match="does not hold the edges"):
        small_tree().graph()


# ---- distances --------------------------------------------------------------------------------------------------


def test_known_distances():
    ball = in_space("PoincareBall")
    assert ball.dist("root", "Äffchen") == pytest.approx(2 * math.atanh(0.5), rel=1e-15)
    assert isinstance(ball.dist("root", "root"), float) and ball.dist("root", "root") == 0
    flat = in_space("Euclidean")
    assert flat.dist("Äffchen", "c") == pytest.approx(math.hypot(0.5, 0.25), rel=1e-15)
    # straight up: the height alone counts
    assert tree([[0.0, 0.0], [0.0, -700.0], [0.0, -700.0]], [-1, 0, 1]).dist("n0", "n2") == 1400.0


@pytest.mark.parametrize("name", ["PoincareBall", "Lorentz", "HalfSpace"])
def test_models_of_one_space_agree_and_scale_with_curvature(name):
    wanted = in_space("PoincareBall").pairwise()
    torch.testing.assert_close(in_space(name).pairwise(), wanted, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(in_space(name, -0.25).pairwise(), 2 * wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_dist_pairwise_and_nearest_agree(name, block, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    it = sample(name)
    whole = it.pairwise()
    assert whole.shape == (5, 5) and whole.dtype == torch.float64
    for i, u in enumerate(LABELS):
        assert [it.dist(u, v) for v in LABELS] == pytest.approx(whole[i].tolist(), rel=1e-13, abs=1e-13)
        near = it.nearest(u, k=4)
        assert [d for _, d in near] == pytest.approx(sorted(whole[i].tolist())[1:], rel=1e-13)
        assert {x for x, _ in near} == set(LABELS) - {u}
        assert all(d == pytest.approx(it.dist(u, x), rel=1e-13) for x, d in near)
    part = it.pairwise(["c", 4], ["root"])
    assert part.shape == (2, 1)
    torch.testing.assert_close(part[:, 0], whole[[2, 3], 0])
    torch.testing.assert_close(it.dist(["c", 4], ["root", "c d"]), whole[[2, 3], [0, 4]])
    torch.testing.assert_close(it.dist("c", np.array(["root", "c"])), whole[2, [0, 2]])


def test_nearest_leaves_itself_out_and_stops_at_the_last_node():
    points = torch.tensor([[0.1, 0.0], [0.1, 0.0], [0.2, 0.0]], dtype=torch.float64)
    it = Embedding(["a", "b", "c"], points, PoincareBall())
    assert [x for x, _ in it.nearest("b", k=10)] == ["a", "c"]
    assert it.nearest("b", k=1) == [("a", 0.0)]
    with pytest.raises(ValueError, match="k=0"):
        it.nearest("b", k=0)


def test_nearest_among_so_many_that_no_matrix_of_pairs_would_fit():
    n = 200_000
    points = torch.zeros(n, 2, dtype=torch.float64)
    points[1:, 0] = torch.arange(1, n)
    it = Embedding(list(range(n)), points, HalfSpaceTree(torch.cat([torch.tensor([-1]), torch.zeros(n - 1).long()])))
    assert [x for x, _ in it.nearest(70_000, k=2)] in ([69_999, 70_001], [70_001, 69_999])


# ---- other forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PoincareBall", "Lorentz", "HalfSpace", "HalfSpaceTree"])
def test_ball_points_have_the_same_distances(name):
    it = sample(name)
    points = it.to_tensor()
    assert points.dtype == torch.float64 and points.shape == (5, 2)
    ball = PoincareBall(curvature=float(it.manifold.curvature))
    torch.testing.assert_close(ball.pairwise_dist(points, points), it.pairwise(), rtol=1e-9, atol=1e-9)
    assert it.to_tensor(torch.float32).dtype == torch.float32
    assert it.to_numpy(np.float32).dtype == np.float32
    np.testing.assert_array_equal(it.to_numpy(), points.numpy())


def test_native_points_and_unknown_models():
    it = in_space("Lorentz")
    assert it.to_tensor(model="native") is it.points
    with pytest.raises(ValueError, match="'klein' is unknown"):
        it.to_tensor(model="klein")
    with pytest.raises(ValueError, match="in no ball"):
        in_space("Euclidean").to_tensor()
    with pytest.raises(ValueError, match="dtype int64"):
        it.to_numpy(np.int64)


def test_points_that_float64_loses_are_counted():
    # a chain straight out to radius 100: nodes 4 to 10 lie beyond radius 37, on the rim
    rows = [[0.0, 0.0]] + [[0.0, -10.0]] * 10
    it = tree(rows, [-1, *range(10)])
    with pytest.warns(UserWarning, match="7 of 11 points coincide with another or lie on the rim"):
        it.to_tensor()
    assert len(set(it.pairwise(["n0"])[0].tolist())) == 11  # the embedding itself keeps them apart


def test_float32_loses_more_than_float64(recwarn):
    it = tree([[0.0, 0.0], [0.0, -12.0], [0.0, -1.0], [0.0, -15.0]], [-1, 0, 1, 2])
    it.to_tensor()
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"1 of 4 points .* torch.float32"):
        it.to_tensor(torch.float32)


def test_single_points_to_many_digits():
    it = tree([[0.0, 0.0], [3.0, -1000.0], [0.5, -1000.0]], [-1, 0, 1])
    x, height = it.point("n2", digits=900)
    assert abs(height.ln() + 2000) < Decimal("1e-20")
    assert abs((x - 3).ln() - (Decimal("0.5").ln() - 1000)) < Decimal("1e-20")
    assert in_space("PoincareBall").point("Äffchen") == (Decimal("0.5"), Decimal(0))


def test_keyed_vectors():
    it = in_space("PoincareBall", -0.5)
    keyed = it.to_keyed_vectors()
    assert keyed.index_to_key == ["root", "Äffchen", "c", "4", "c d"]
    assert keyed["4"].dtype == np.float64
    np.testing.assert_allclose(keyed["4"], BALL[3], rtol=1e-15)
    scale = math.sqrt(0.5)
    assert keyed.distance("c", "4") == pytest.approx(scale * it.dist("c", 4), rel=1e-6)
    assert keyed.most_similar("c", topn=1)[0][0] == str(it.nearest("c", 1)[0][0])
    assert it.to_keyed_vectors(np.float32)["c"].dtype == np.float32
    with pytest.raises(ValueError, match="same when written as strings"):
        Embedding([4, "4"], BALL[:2], PoincareBall()).to_keyed_vectors()


def test_keyed_vectors_without_gensim(monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim.models.poincare", None)
    with pytest.raises(ImportError, match="pip install gensim"):
        in_space("PoincareBall").to_keyed_vectors()


def test_tsv(tmp_path):
    it = in_space("HalfSpace")
    it.to_tsv(tmp_path / "x.tsv")
    rows = [line.split("\t") for line in (tmp_path / "x.tsv").read_text(encoding="utf-8").splitlines()]
    assert [row[0] for row in rows] == ["root", "Äffchen", "c", "4", "c d"]
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], dtype=float), it.to_numpy())
    with pytest.raises(ValueError, match="tab or line break"):
        Embedding(["a\tb"], BALL[:1], PoincareBall()).to_tsv(tmp_path / "y.tsv")
    assert os.listdir(tmp_path) == ["x.tsv"]


# ---- the file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPACES)
def test_round_trip(name, tmp_path):
    it = sample(name)
    it.provenance.update(figures={"MAP": 1.0, "worst": float("inf")}, array=np.arange(2), one=np.float64(0.1))
    it.save(tmp_path / "x.safetensors")
    back = Embedding.load(tmp_path / "x.safetensors")
    assert back.labels == it.labels and [type(x) for x in back.labels] == [type(x) for x in it.labels]
    assert torch.equal(back.points, it.points) and back.points.dtype == it.points.dtype
    assert type(back.manifold) is type(it.manifold)
    assert float(back.manifold.curvature) == float(it.manifold.curvature)
    assert torch.equal(back.pairwise(), it.pairwise())
    for mine, theirs in ((it.edges, back.edges), (it.weights, back.weights), (it.parent, back.parent)):
        assert (mine is None) == (theirs is None)
        assert mine is None or np.array_equal(mine, theirs)
    assert back.provenance == it.provenance | {"array": [0, 1], "one": 0.1}


def test_float32_points_stay_float32(tmp_path):
    Embedding([1, 2], BALL[:2].float(), PoincareBall(curvature=-0.1)).save(tmp_path / "x")
    back = Embedding.load(tmp_path / "x")
    assert back.points.dtype == torch.float32 and float(back.manifold.curvature) == pytest.approx(-0.1, abs=1e-9)


def test_any_safetensors_reader_sees_the_points(tmp_path):
    from safetensors.torch import load_file

    in_space("Lorentz").save(tmp_path / "x.safetensors")
    assert load_file(tmp_path / "x.safetensors")["points"].shape == (5, 3)


@pytest.mark.parametrize("label", [("a", "b"), 1.5, True, None])
def test_labels_that_cannot_be_saved(label, tmp_path):
    with pytest.raises(ValueError, match="neither str nor int"):
        Embedding([label, "x"], BALL[:2], PoincareBall()).save(tmp_path / "x")
    assert os.listdir(tmp_path) == []


def saved(tmp_path) -> bytes:
    in_space("PoincareBall").save(tmp_path / "good")
    return (tmp_path / "good").read_bytes()


def load_bytes(tmp_path, data: bytes) -> Embedding:
    (tmp_path / "bad").write_bytes(data)
    return Embedding.load(tmp_path / "bad")


def test_every_truncation_is_refused(tmp_path):
    data = saved(tmp_path)
    for size in range(0, len(data), 13):
        with pytest.raises(ValueError, match=r"is empty|is truncated|no safetensors file"):
            load_bytes(tmp_path, data[:size])
    with pytest.raises(ValueError, match="truncated or damaged"):
        load_bytes(tmp_path, data[:-1])


def test_every_flipped_byte_is_refused(tmp_path):
    data = saved(tmp_path)
    for at in range(0, len(data), 3):
        with pytest.raises(ValueError) as caught:
            load_bytes(tmp_path, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert "bad" in str(caught.value) and "\n" not in str(caught.value)


def resigned(tmp_path, **changed) -> bytes:
    """A file in which parts are changed and the checksum is made to fit."""
    data = saved(tmp_path)
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])["__metadata__"]
    tensors = module._tensors_of(data)
    for name, value in changed.items():
        place = header if isinstance(value, str) else tensors
        place[name] = value
    header.pop("checksum")
    header["checksum"] = module._checksum(header, tensors)
    return safetensors_bytes(tensors, metadata=header)


def test_resigned_without_change_is_accepted(tmp_path):
    assert load_bytes(tmp_path, resigned(tmp_path)).labels == LABELS


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"version": "3"}, r"format version 3 and this hypgeo reads up to 2"),
        ({"version": "x"}, "format version x"),
        ({"format": "other"}, "something else than"),
        ({"manifold": '{"name": "os.system", "curvature": -1}'}, "'os.system' is unknown"),
        ({"manifold": '{"name": "HalfSpaceTree", "curvature": -1}'}, "no parents"),
        ({"manifold": '{"name": "PoincareBall", "curvature": 1}'}, "not hold a valid embedding"),
        ({"manifold": '{"name": "PoincareBall"}'}, "lacks a part"),
        ({"manifold": "[]"}, "lacks a part"),
        ({"provenance": "{"}, "lacks a part|valid embedding"),
        ({"labels": torch.tensor([91, 93], dtype=torch.uint8)}, "0 labels and points"),
        ({"labels": torch.tensor([255], dtype=torch.uint8)}, "lacks a part|valid embedding"),
        ({"points": torch.full((5, 2), float("nan"))}, "not finite"),
        ({"edges": torch.tensor([[0, 9]])}, "indices of 5 nodes"),
    ],
)
def test_wrong_content_is_refused_even_where_the_checksum_fits(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        load_bytes(tmp_path, resigned(tmp_path, **changed))


class _Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" * 9, "no safetensors file"),
        (pickle.dumps(_Bomb()) + bytes(20), "no safetensors file"),
        (safetensors_bytes({"weight": torch.zeros(3)}), "something else than"),
        (safetensors_bytes({"weight": torch.zeros(3)}, metadata={"format": "pt"}), "something else than"),
        (struct.pack("<Q", 19) + b'{"__metadata__": 1}', "something else than"),
        (struct.pack("<Q", 2) + b"{]", "damaged"),
    ],
)
def test_foreign_files(tmp_path, data, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_bytes(tmp_path, data)
    assert not (tmp_path / "exploded").exists()


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        Embedding.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="cannot be read"):
        Embedding.load(tmp_path)
    with pytest.raises(ValueError, match="there is no folder"):
        in_space("PoincareBall").save(tmp_path / "no" / "x")
    with pytest.raises(ValueError, match="is a folder"):
        in_space("PoincareBall").save(tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "x.safetensors"
    in_space("PoincareBall").save(target)
    before = target.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        in_space("Lorentz").save(target)
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path):
    target = tmp_path / "x.safetensors"
    in_space("PoincareBall").save(target)
    before = target.read_bytes()
    code = (
        "import os, sys, torch; from hypgeo.embedding import Embedding; from hypgeo.manifolds import Lorentz;"
        "os.fsync = lambda file: os.kill(os.getpid(), 9);"
        "Embedding(['a'], torch.ones(1, 3), Lorentz()).save(sys.argv[1])"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert ended.returncode == -9
    assert target.read_bytes() == before


def test_the_file_obeys_the_umask_and_follows_links(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    old = os.umask(0o027)
    try:
        in_space("PoincareBall").save(tmp_path / "link")
    finally:
        os.umask(old)
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640


# ---- compressed -------------------------------------------------------------------------------------------------


def compressed(name: str, tmp_path, **how) -> tuple[Embedding, Embedding, bytes]:
    it = sample(name)
    it.save(tmp_path / "x", **how)
    return it, Embedding.load(tmp_path / "x"), (tmp_path / "x").read_bytes()


@pytest.mark.parametrize("name", SPACES)
def test_compressed_without_loss(name, tmp_path):
    it, back, _ = compressed(name, tmp_path, lossless=True)
    assert torch.equal(back.points, it.points) and back.points.dtype == it.points.dtype
    assert (back.labels, back.provenance, repr(back.manifold)) == (it.labels, it.provenance, repr(it.manifold))
    assert it.stored is None and back.stored is not None and back.stored["largest_shift"] == 0
    if it.edges is not None:
        assert back.graph().edges.tolist() == it.graph().edges.tolist()
        assert sorted(map(tuple, back.edges.tolist())) == sorted(map(tuple, it.edges.tolist()))
    if it.weights is not None:
        assert back.graph().weights.tolist() == it.graph().weights.tolist()
    if it.parent is not None:
        assert torch.equal(back.parent, it.parent)
    back.save(tmp_path / "y")  # in full again
    assert Embedding.load(tmp_path / "y").stored is None


def test_a_tree_to_a_few_bits(tmp_path):
    it, back, _ = compressed("HalfSpaceTree", tmp_path, bits=6)
    assert isinstance(back.manifold, HalfSpaceTree)
    assert 0 < back.stored["mean_shift"] < back.stored["largest_shift"] < 2**-6 * math.sqrt(2)
    assert not torch.equal(back.points, it.points)
    torch.testing.assert_close(back.pairwise(), it.pairwise(), rtol=0, atol=4 * 2**-6)


def test_a_file_without_compression_is_as_it_was(tmp_path):
    _, back, data = compressed("PoincareBall", tmp_path)
    size = struct.unpack("<Q", data[:8])[0]
    assert json.loads(data[8 : 8 + size])["__metadata__"]["version"] == "1" and back.stored is None


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("PoincareBall", {"bits": 8}, "no integer part .*HTiling, LTiling, HalfSpaceTree"),
        ("HalfSpaceTree", {"bits": 0}, "bits=0 cannot be kept .* give 1 to 52"),
        ("HalfSpaceTree", {"bits": 53}, "give 1 to 52"),
        ("HalfSpaceTree", {"bits": 8.0}, "bits=8.0"),
        ("HalfSpaceTree", {"bits": True}, "bits=True"),
        ("HalfSpaceTree", {"bits": 8, "lossless": True}, "give one of the two"),
        ("HalfSpaceTree", {"lossless": False}, "needs bits"),
    ],
)
def test_ways_to_save_that_make_no_sense(name, how, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        sample(name).save(tmp_path / "x", **how)
    assert os.listdir(tmp_path) == []


def test_damaged_compressed_files(tmp_path):
    _, _, data = compressed("HalfSpaceTree", tmp_path, bits=6)
    for at in range(0, len(data), 11):
        for bad in (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], data[:at]):
            with pytest.raises(ValueError) as caught:
                load_bytes(tmp_path, bad)
            assert "bad" in str(caught.value) and "\n" not in str(caught.value)


def deep_tree(n: int = 60, d: int = 3) -> Embedding:
    draw = np.random.default_rng(1)
    rows = np.concatenate([draw.normal(size=(n, d - 1)), -40 * draw.random((n, 1))], axis=1)
    rows[0] = 0
    parent = np.array([-1, *(draw.integers(max(0, i - 3), i) for i in range(1, n))])
    edges = np.stack([np.arange(1, n), parent[1:]], axis=1)
    return Embedding(list(range(n)), torch.from_numpy(rows), HalfSpaceTree(torch.from_numpy(parent), -0.5), edges=edges)


def test_a_tree_in_the_tiling_and_back():
    it = deep_tree()
    tiling = it.to_tiling()
    assert repr(tiling).startswith("Embedding(60 nodes, dim 3, HTiling(curvature=-0.5), radius")
    assert tiling.labels == it.labels and torch.equal(tiling.parent, it.parent)
    assert it.radius > 500 and tiling.radius == pytest.approx(it.radius, rel=1e-14)
    torch.testing.assert_close(tiling.pairwise(), it.pairwise(), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(tiling.to_tree().pairwise(), it.pairwise(), rtol=1e-13, atol=1e-13)
    assert tiling.nearest(30, 5) == [(x, pytest.approx(d, rel=1e-13)) for x, d in it.nearest(30, 5)]
    for i in (0, 7, 59):
        assert [str(v) for v in tiling.point(i, 12)] == [str(v) for v in it.point(i, 12)]
    assert it.to_tiling(torch.float32).points.dtype == torch.float32
    assert tiling.manifold.why_not(tiling.points) is None


def test_metrics_and_pictures_of_a_tiling_go_through_the_tree(tmp_path):
    it = deep_tree(d=2)
    tiling = it.to_tiling()
    assert isinstance(tiling.quick().manifold, HalfSpaceTree) and it.quick() is it
    alone = Embedding(tiling.labels, tiling.points, tiling.manifold, edges=it.edges)
    assert alone.quick() is alone
    wrong = Embedding(tiling.labels, tiling.points, tiling.manifold, parent=it.parent.flip(0))
    assert wrong.quick() is wrong
    graph = it.graph()
    for metric in (metrics.mean_average_precision, metrics.mean_rank):
        assert metric(graph, tiling) == metric(graph, it) == metric(graph, alone)
    mine, quick, slow = (metrics.distortion(graph, e) for e in (it, tiling, alone))
    assert quick.worst == pytest.approx(mine.worst, rel=1e-9) and slow.worst == pytest.approx(mine.worst, rel=1e-9)
    tiling.plot(tmp_path / "x.png", labels=False)
    with pytest.warns(UserWarning, match="of 60 points coincide"):
        assert torch.equal(tiling.to_tensor(), it.to_tensor())


def test_only_trees_go_into_the_tiling_and_only_tilings_with_parents_back():
    with pytest.raises(ValueError, match="to_tiling places the nodes of a HalfSpaceTree"):
        in_space("PoincareBall").to_tiling()
    tiling = small_tree().to_tiling()
    with pytest.raises(ValueError, match="that have parents"):
        Embedding(tiling.labels, tiling.points, tiling.manifold).to_tree()
    with pytest.raises(ValueError, match="that have parents"):
        small_tree().to_tree()
    with pytest.raises(ValueError, match="parents come first"):
        Embedding(LABELS, tiling.points, tiling.manifold, parent=torch.tensor([1, -1, 0, 1, 1])).to_tree()
    with pytest.raises(TypeError, match="float32 or float64"):
        small_tree().to_tiling(torch.float16)
    with pytest.raises(ValueError, match="root's row must be zeros"):
        tree([[1.0, 0.0], [0.0, 0.0]], [-1, 0]).to_tiling()


@pytest.mark.parametrize("how", [{}, {"lossless": True}])
def test_components_are_saved(tmp_path, how):
    space = MCHalfSpace(components=3, curvature=-0.5)
    points = convert(in_space("PoincareBall", -0.5).points, PoincareBall(curvature=-0.5), space)
    it = Embedding(LABELS, points, space)
    assert (it.dim, points.shape) == (2, (5, 6))
    it.save(tmp_path / "x", **how)
    back = Embedding.load(tmp_path / "x")
    assert repr(back.manifold) == repr(space) and repr(space) in repr(back) and torch.equal(back.points, points)
    torch.testing.assert_close(back.pairwise(), in_space("PoincareBall", -0.5).pairwise(), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("parents", [True, False])
def test_tilings_are_saved_compressed(tmp_path, dtype, parents):
    tiling = deep_tree().to_tiling(dtype)
    if not parents:
        tiling = Embedding(tiling.labels, tiling.points, tiling.manifold)
    tiling.save(tmp_path / "x")
    back = Embedding.load(tmp_path / "x")
    assert torch.equal(back.points, tiling.points) and back.points.dtype == dtype
    assert repr(back.manifold) == repr(tiling.manifold) and back.stored["bits"] is None
    for bits in (4, 12):
        tiling.save(tmp_path / "x", bits=np.int64(bits))
        back = Embedding.load(tmp_path / "x")
        assert back.manifold.why_not(back.points) is None
        moved = back.manifold.dist(back.points, tiling.points).double()
        assert float(moved.max()) == pytest.approx(back.stored["largest_shift"], rel=1e-5)
        assert float(moved.mean()) == pytest.approx(back.stored["mean_shift"], rel=1e-5)
        assert back.stored["largest_shift"] <= 2.0**-bits * math.sqrt(3) * math.sqrt(2)  # at curvature -1/2
    torch.testing.assert_close(back.pairwise(), tiling.pairwise(), rtol=0, atol=2 * back.stored["largest_shift"])


def in_squares(dtype: torch.dtype, n: int = 40) -> Embedding:
    """Points of the plane's tiling, each some 40 from its parent."""
    space, draw = LTiling(), torch.Generator().manual_seed(0)
    parent = [-1, *(i // 2 for i in range(n - 1))]
    points = [space.origin(space.width(12), dtype=dtype)]
    for i in range(1, n):
        step = space.proju(points[parent[i]], 40 * torch.randn(points[0].shape, dtype=dtype, generator=draw))
        points.append(space.expmap(points[parent[i]], step))
    width = max(len(p) for p in points)
    rows = torch.stack([torch.nn.functional.pad(p, (0, width - len(p))) for p in points])
    return Embedding(list(range(n)), rows, space, parent=torch.tensor(parent))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_planes_tiling_is_saved_compressed(tmp_path, dtype):
    it = in_squares(dtype)
    assert it.dim == 2 and it.radius > 150 and it.manifold.why_not(it.points) is None
    it.save(tmp_path / "x")
    back = Embedding.load(tmp_path / "x")
    assert torch.equal(back.points, it.points) and repr(back.manifold) == repr(it.manifold)
    # words of some 40 letters, not nine integers of 60 to 500 bits
    assert 8 * back.stored["sizes"]["integers"] < 150 * it.n
    for bits in (1, 6, 20):
        it.save(tmp_path / "x", bits=bits)
        back = Embedding.load(tmp_path / "x")
        assert back.manifold.why_not(back.points) is None
        moved = back.manifold.dist(back.points, it.points).double()
        assert float(moved.max()) == pytest.approx(back.stored["largest_shift"], rel=1e-4)
        assert back.stored["largest_shift"] < 3 * 2.0**-bits
    atol, rtol = 2 * back.stored["largest_shift"], 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(back.pairwise(), it.pairwise(), rtol=rtol, atol=atol)


def rewritten(data: bytes, facts: dict | None = None, **streams: bytes | None) -> bytes:
    """A compressed file in which parts are changed and the checksum is made to fit."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])["__metadata__"]
    tensors = module._tensors_of(data)
    for name, value in streams.items():
        del tensors[f"{name}.z"]
        if value is not None:
            tensors[f"{name}.z"] = torch.frombuffer(bytearray(value), dtype=torch.uint8)
    header["compression"] = json.dumps(json.loads(header["compression"]) | (facts or {}))
    header.pop("checksum")
    header["checksum"] = module._checksum(header, tensors)
    return safetensors_bytes(tensors, metadata=header)


@pytest.mark.parametrize(
    ("facts", "streams"),
    [
        ({"bits": 60}, {}),
        ({"bits": 3}, {}),
        ({"bits": None}, {}),
        ({"shape": [6, 2]}, {}),
        ({"shape": [5, 3]}, {}),
        ({"shape": [-5, 2]}, {}),
        ({"shape": [1 << 50, 2]}, {}),
        ({"shape": 5}, {}),
        ({"labels": 3}, {}),
        ({"dtype": "int32"}, {}),
        ({"largest_shift": None}, {}),
        ({"mean_shift": -1.0}, {}),
        ({}, {"labels": None}),
        ({}, {"offset": None}),
        ({}, {"offset": b"\x02\x01"}),
        ({}, {"offset": b"\x01\x00\xff\xff\xff\xff"}),
        ({}, {"parent": b"\x01\x00\x00\x00\x00\x00\x00"}),
        ({}, {"labels": b"\x04BZh9nothing"}),
    ],
)
def test_compressed_content_that_is_wrong_is_refused_even_where_the_checksum_fits(tmp_path, facts, streams):
    _, _, data = compressed("HalfSpaceTree", tmp_path, bits=6)
    assert load_bytes(tmp_path, rewritten(data)).n == 5
    with pytest.raises(ValueError, match=r"lacks a part|valid embedding") as caught:
        load_bytes(tmp_path, rewritten(data, facts, **streams))
    assert "\n" not in str(caught.value)


def test_plot(tmp_path):
    in_space("PoincareBall").plot(tmp_path / "x.png", labels=False)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("error")  # torch warns where a number is taken out of a graph of gradients
@pytest.mark.parametrize("space", [PoincareBall, Lorentz])
def test_takes_what_a_model_learnt(space, tmp_path):
    manifold = space(curvature=-2.0, learnable=True)
    points = manifold.from_normal_coordinates(torch.nn.Parameter(BALL.clone()))
    made = Embedding(LABELS, points, manifold, edges=EDGES, parent=torch.tensor([-1, 0, 0, 1, 1]))
    same = Embedding(LABELS, points.detach(), space(curvature=-2.0))
    assert "curvature=-2" in repr(made)
    assert made.nearest("c", 2) == same.nearest("c", 2)
    assert not made.pairwise().requires_grad and torch.equal(made.pairwise(), same.pairwise())
    assert torch.equal(torch.from_numpy(made.to_numpy()), same.to_tensor())
    made.plot(tmp_path / "x.png", scale=1, labels=False)
    made.save(tmp_path / "x.safetensors")
    assert torch.equal(Embedding.load(tmp_path / "x.safetensors").points, same.points)
