import os
from pathlib import Path

import pytest


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path | None:
    """The folder of the larger data sets, made the place to look in; None where this machine has none."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("HYPGEO_DATA") or beside)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if not folder.is_dir():
        monkeypatch.delenv("HYPGEO_DATA", raising=False)
        return None
    monkeypatch.setenv("HYPGEO_DATA", str(folder))
    return folder
