import pytest

from hypgeo.data.local import find


def test_own_folder_then_cache(tmp_path, monkeypatch):
    own, cache = tmp_path / "own", tmp_path / "cache"
    monkeypatch.setenv("HYPGEO_DATA", str(own))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    with pytest.raises(ValueError) as caught:
        find("a/b.tsv", "the edges")
    for part in ("a/b.tsv", "the edges", str(own), str(cache / "hypgeo"), "HYPGEO_DATA"):
        assert part in str(caught.value)
    (cache / "hypgeo" / "a").mkdir(parents=True)
    (cache / "hypgeo" / "a" / "b.tsv").touch()
    assert find("a/b.tsv", "the edges") == cache / "hypgeo" / "a" / "b.tsv"
    (own / "a").mkdir(parents=True)
    (own / "a" / "b.tsv").touch()
    assert find("a/b.tsv", "the edges") == own / "a" / "b.tsv"


def test_home_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("HYPGEO_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".cache" / "hypgeo").mkdir(parents=True)
    (tmp_path / ".cache" / "hypgeo" / "x").touch()
    assert find("x", "") == tmp_path / ".cache" / "hypgeo" / "x"
