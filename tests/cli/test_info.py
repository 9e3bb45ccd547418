import json

import pytest
import torch

from hypgeo import Embedding


def test_installation(run):
    found = json.loads(run("info", "--json").out)
    assert found["torch"] == torch.__version__
    assert {"hypgeo", "python", "devices", "compiled"} <= set(found)
    rows = [line.split()[0] for line in run("info").out.splitlines()]
    assert rows == list(found)


def test_file(run, tree):
    run("embed", tree, "-o", "x.safetensors")
    found = json.loads(run("info", "x.safetensors", "--json").out)
    assert (found["nodes"], found["edges"], found["dimension"], found["curvature"]) == (7, 6, 2, -1)
    assert found["provenance"]["source"] == str(tree)
    assert found["bytes_per_node"] in (16, 24)
    assert "source " in run("info", "x.safetensors").out


def test_compressed_file(run, tree):
    run("embed", tree, "-o", "x.safetensors", "--distortion", "0.001")
    embedding = Embedding.load("x.safetensors")
    assert json.loads(run("info", "x.safetensors", "--json").out)["format"] == "hypgeo-embedding 1"
    embedding.save("y.safetensors", bits=8)
    found = json.loads(run("info", "y.safetensors", "--json").out)
    assert found["format"] == "hypgeo-embedding 2"
    assert found["compression"] == "offsets to 8 bits a coordinate"
    parts = [found[f"{part}_bits_per_node"] for part in ("integer", "offset", "parent")]
    assert sum(parts) == pytest.approx(found["bits_per_node"]) and min(parts) > 0
    assert found["uncompressed_bits_per_node"] == 8 * 24
    assert 0 < found["mean_displacement"] <= found["largest_displacement"] < 2**-8 * 2**0.5
    assert "largest displacement " in run("info", "y.safetensors").out
    embedding.save("z.safetensors", lossless=True)
    found = json.loads(run("info", "z.safetensors", "--json").out)
    assert (found["compression"], found["largest_displacement"]) == ("lossless", 0)


def test_refused(refused, tree):
    assert "no safetensors file" in refused("info", tree)
    assert "there is no file" in refused("info", "nowhere")
