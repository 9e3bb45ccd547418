from pathlib import Path

import pytest
import torch

from hypgeo.data import Disease
from hypgeo.data.disease import simulate


def test_link_prediction_as_published(shared: Path | None, tmp_path: Path) -> None:
    if shared is None:
        with pytest.raises(ValueError, match=r"there is no hgcn/disease_lp/edges.tsv in"):
            Disease(tmp_path)
        return
    (data,) = Disease(tmp_path)
    assert data.x.shape == (2665, 11) and data.edge_index.shape == (2, 2 * 2664) and data.is_undirected()
    assert data.y.bincount().tolist() == [1605, 1060]


def test_node_classification_is_simulated_and_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPGEO_DATA", raising=False)
    (data,) = Disease(tmp_path, task="node_classification", seed=3)
    x, _, y = simulate(3)
    assert torch.equal(data.x, x) and torch.equal(data.y, y) and data.edge_index.shape == (2, 2 * 1043)
    masks = torch.stack((data.train_mask, data.val_mask, data.test_mask))
    assert torch.equal(masks.sum(0), torch.ones(1044, dtype=torch.int64))
    (other,) = Disease(tmp_path, task="node_classification", seed=4)
    assert not torch.equal(other.x, x)


@pytest.mark.parametrize("seed", range(5))
def test_the_infection_spreads_along_the_tree(seed: int) -> None:
    x, edges, y = simulate(seed)
    assert all(torch.equal(a, b) for a, b in zip((x, edges, y), simulate(seed), strict=True))
    parent, child = edges
    assert torch.equal(child, torch.arange(1, 1044)) and bool((parent < child).all())
    assert y[0] == 1 and bool((y[parent] >= y[child]).all()) and y.double().mean() >= 0.1
    met = parent.bincount()
    assert bool(((met[:-1] >= 3) & (met[:-1] <= 6)).all()) and 1 <= int(met[-1]) <= 6
    # of the contacts of the infected, the infected are the more susceptible
    at_risk = child[y[parent] == 1]
    assert x[at_risk][y[at_risk] == 1].mean() > x[at_risk][y[at_risk] == 0].mean()


def test_refuses_an_unknown_task(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^Disease: task must be 'link_prediction' or 'node_classification', got 'nc'$"
    ):
        Disease(tmp_path, task="nc")
