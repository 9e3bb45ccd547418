"""Cora and CiteSeer through PyTorch Geometric."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from torch_geometric.datasets import Planetoid

from hypgeo.data.local import folders

__all__ = ["planetoid"]


def planetoid(name: str, root: str | Path | None = None, **kwargs: Any) -> Planetoid:
    """PyG's ``Planetoid``: where planetoid/<name>/raw is in one of our data folders it is used, else PyG downloads it.

    ``root`` is where PyG keeps what it made of it, the user's cache folder when left out; ``kwargs`` are Planetoid's.
    """
    kept = Path(root or folders()[-1] / "planetoid")
    raw = kept / name / "raw"
    for folder in folders():
        source = folder / "planetoid" / name / "raw"
        if source.is_dir() and not raw.is_dir():
            raw.parent.mkdir(parents=True, exist_ok=True)
            part = raw.with_name("raw.part")
            shutil.copytree(source, part, dirs_exist_ok=True)
            part.rename(raw)
    return Planetoid(str(kept), name, **kwargs)
