"""The training script of benchmarks/graphs.py: every layer letter trains, seeds repeat, a killed run goes on."""

import importlib.util
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import distributed, multiprocessing
from torch_geometric.data import Data

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("graphs", FOLDER / "graphs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["graphs"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def graphs() -> ModuleType:
    return script()


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def tree() -> Data:
    """A binary tree with features, classes and masks."""
    child = torch.arange(1, 63)
    edge = torch.stack(((child - 1) // 2, child))
    x = torch.randn(63, 5, generator=torch.Generator().manual_seed(0))
    part = torch.arange(63) % 3
    return Data(
        x=x,
        y=torch.arange(63) % 2,
        edge_index=torch.cat((edge, edge.flip(0)), 1),
        train_mask=part == 0,
        val_mask=part == 1,
        test_mask=part == 2,
    )


@pytest.mark.parametrize("space", ["flat", "ball", "hyperboloid", "half-space"])
@pytest.mark.parametrize("task", ["links", "classes"])
def test_every_kind_of_layer_trains_and_a_seed_repeats(
    graphs: ModuleType, monkeypatch: pytest.MonkeyPatch, space: str, task: str
) -> None:
    monkeypatch.setattr(graphs, "graph", lambda name, seed: tree())
    s = graphs.Settings(space=space, layers="lgap", heads=2, embedding=3, dropout=0.2, epochs=4, batch_norm=True)
    first, second = (graphs.train("tree", task, s, 0) for _ in range(2))
    for r in (first, second):
        del r["epochs_per_s"]
    assert first == second
    assert 0 <= first["test"] <= 1 and 1 <= first["epoch"] <= 4
    dropped = graphs.train("tree", task, replace(s, drop_edge=0.3, layers="g"), 0)
    assert 0 <= dropped["val"] <= 1


def test_held_out_edges_carry_no_message(graphs: ModuleType) -> None:
    links = graphs.split_links(tree(), 0)
    held = {tuple(sorted(p)) for pairs, edge in (links.val, links.test) for p in pairs[:, edge].T.tolist()}
    seen = {tuple(sorted(p)) for p in links.train.T.tolist()}
    assert held and not held & seen and len(seen) + len(held) == 62


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(graphs: ModuleType) -> None:
    rng = np.random.default_rng(0)
    score, edge = rng.integers(0, 9, 50).astype(float), rng.random(50) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in score[edge] for b in score[~edge]]
    assert graphs.auc(score, edge) == pytest.approx(np.mean(pairs))


def test_scores_are_kept_seed_by_seed(graphs: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(graphs, "graph", lambda name, seed: tree())
    task = {"dataset": "tree", "predict": "classes", "models": {}}
    s = graphs.Settings(epochs=2)
    graphs.run("tree", task, "hgcn", s, 1, tmp_path, True)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    asked: list[int] = []
    monkeypatch.setattr(graphs, "graph", lambda name, seed: asked.append(seed) or tree())
    rows = graphs.run("tree", task, "hgcn", s, 2, tmp_path, False)
    assert asked == [1] and len(rows["test"]) == 2
    assert set(json.loads(next(tmp_path.glob("*.json")).read_text())) == {"0", "1"}


def test_every_task_says_what_it_needs(graphs: ModuleType) -> None:
    for task in graphs.tasks().values():
        assert task["predict"] in ("links", "classes") and task["title"]
        assert {s.space for s in graphs.models(task).values()} <= set(graphs.SPACES)


def test_negatives_are_every_other_pair(graphs: ModuleType) -> None:
    links = graphs.split_links(tree(), 0)
    taken = {tuple(p) for p in links.train.T.tolist()} | {tuple(p) for p in links.train.flip(0).T.tolist()}
    drawn = {tuple(p) for p in graphs.negatives(links.taken, 63, 60_000).T.tolist()}
    assert drawn == {(u, v) for u in range(63) for v in range(63) if u != v} - taken


BATCHED = {"layers": "lga", "embedding": 3, "batch": 64, "neighbours": -1, "epochs": 3}


def shared_training(rank: int, world: int, folder: str, predict: str) -> None:
    """Three epochs of the tree, one of ``world`` processes; the first keeps scores and weights."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world)}
    torch.set_num_threads(1)
    module = script()
    shared = tree()
    shared.train_mask[0] = False  # 20 are left, a half for each
    module.graph = lambda name, seed: shared
    if world > 1:
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    found = module.train("tree", predict, module.Settings(**BATCHED), 0, Path(folder) / f"{world}.safetensors")
    if rank == 0:
        Path(folder, f"{world}.json").write_text(json.dumps(found))
    if world > 1:
        distributed.destroy_process_group()


def test_two_processes_with_their_own_neighbourhoods_learn_what_one_does(tmp_path: Path) -> None:
    """All neighbours of each one's half of the training nodes: gradients are the joint ones, curvature's too."""
    for world in (1, 2):
        multiprocessing.spawn(shared_training, (world, str(tmp_path), "classes"), nprocs=world)
    one, two = (load_file(tmp_path / f"{world}.safetensors") for world in (1, 2))
    assert any("log_scale" in k for k in one)
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-4, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")
    scores = [json.loads((tmp_path / f"{world}.json").read_text()) for world in (1, 2)]
    assert scores[0]["val"] == scores[1]["val"] and scores[0]["epoch"] == scores[1]["epoch"]


def test_edges_are_learnt_in_batches(graphs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "graph", lambda name, seed: tree())
    s = graphs.Settings(**{**BATCHED, "batch_norm": True, "batch": 16, "neighbours": 2, "epochs": 30, "every": 10})
    assert graphs.train("tree", "links", s, 0)["val"] > 0


def test_several_processes_want_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    module = script()
    module.graph = lambda name, seed: tree()
    with pytest.raises(ValueError, match="in batches: give --batch"):
        module.train("tree", "classes", module.Settings(), 0)


def test_rows_that_did_not_run_stay_in_the_table(graphs: ModuleType) -> None:
    scores = {"test": [0.5, 0.6], "val": [0.7, 0.7], "epochs_per_s": [9.0, 9.0], "seconds": [1.0, 1.0]}
    rows = {("cora-links", m): graphs.row("cora-links", m, scores) for m in ("gcn", "hgcn")}
    earlier = graphs.table(rows, "")
    new = graphs.row("cora-links", "mlp", scores | {"test": [0.1, 0.1]})
    merged = graphs.table({("cora-links", "mlp"): new}, "# A heading\n\n" + earlier).splitlines()
    assert merged[:2] == earlier.splitlines()[:2]
    assert merged[2:] == [rows["cora-links", "hgcn"], rows["cora-links", "gcn"], new]  # in the order of the task
    assert "| 55.00 ± 7.07 |" in merged[2] and "| 10.00 ± 0.00 |" in new
