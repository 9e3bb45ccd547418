from pathlib import Path

from hypgeo.data import planetoid


def test_kept_files_are_used_without_a_download(shared: Path | None, tmp_path: Path) -> None:
    if shared is None or not (shared / "planetoid" / "Cora" / "raw").is_dir():
        return
    (data,) = planetoid("Cora", tmp_path)
    assert data.x.shape == (2708, 1433) and data.edge_index.shape == (2, 10556)
    assert [int(m.sum()) for m in (data.train_mask, data.val_mask, data.test_mask)] == [140, 500, 1000]
    (data,) = planetoid("CiteSeer", tmp_path)
    assert data.x.shape == (3327, 3703)
