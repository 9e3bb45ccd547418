from pathlib import Path

import pytest
import torch

from hypgeo.data import Airport


def test_airport(shared: Path | None, tmp_path: Path) -> None:
    if shared is None:
        with pytest.raises(ValueError, match=r"there is no hgcn/airport/edges.tsv in"):
            Airport(tmp_path)
        return
    (data,) = Airport(tmp_path)
    assert data.x.shape == (3188, 4) and data.edge_index.shape == (2, 2 * 18_630)
    assert data.is_undirected() and not data.has_self_loops()
    assert data.edge_index.unique().numel() == 3184
    assert data.y.bincount().tolist() == [521, 1443, 999, 225]
    masks = torch.stack((data.train_mask, data.val_mask, data.test_mask))
    assert torch.equal(masks.sum(0), torch.ones(3188, dtype=torch.int64))
    for mask in masks[1:]:
        assert data.y[mask].bincount().tolist() == [round(0.15 * n) for n in (521, 1443, 999, 225)]
    (again,), (other,) = Airport(tmp_path), Airport(tmp_path, seed=1)
    assert torch.equal(again.test_mask, data.test_mask) and not torch.equal(other.test_mask, data.test_mask)


def test_the_published_split_repeats_nodes(shared: Path | None, tmp_path: Path) -> None:
    if shared is None:
        return
    (data,) = Airport(tmp_path, split="published", population=True)
    assert data.x.shape == (3188, 5)
    assert (int(data.test_mask.sum()), int(data.val_mask.sum())) == (506, 505)
    assert int((data.test_mask & data.train_mask).sum()) == 225
    assert int((data.val_mask & data.train_mask).sum()) == 246
    # the classes are made of the population, which is why it is left out
    steps = (data.x[:, 4] * 7).floor().long() - 6
    assert float((steps.clamp(0, 3) == data.y).float().mean()) > 0.9


def test_refuses_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPGEO_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "hgcn" / "airport").mkdir(parents=True)
    (tmp_path / "data" / "hgcn" / "airport" / "edges.tsv").write_text("0\t1\n")
    with pytest.raises(
        ValueError, match=r"edges.tsv' is not the file that is expected: its SHA-256 is .*; replace it\.$"
    ):
        Airport(tmp_path / "root")
    assert not list((tmp_path / "root").rglob("edges.tsv*"))


def test_absence_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPGEO_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        ValueError, match=r"no hgcn/airport/edges.tsv in '.*hypgeo'; put the Airport files of HGCN there"
    ):
        Airport()


def test_refuses_an_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^Airport: split must be 'stratified' or 'published', got 'random'$"):
        Airport(tmp_path, split="random")
