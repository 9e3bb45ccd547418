import json

import torch


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


def test_refused(refused, tree):
    assert "no safetensors file" in refused("info", tree)
    assert "there is no file" in refused("info", "nowhere")
