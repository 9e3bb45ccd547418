from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hypgeo.cli import main


@dataclass
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Runs the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*args: object) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def refused(run: Callable[..., Ended], tmp_path: Path) -> Callable[..., str]:
    """Runs a command that must fail: one sentence, nothing on standard output, no new file. Gives the sentence."""

    def call(*args: object, code: int = 1) -> str:
        before = sorted(tmp_path.rglob("*"))
        ended = run(*args)
        assert (ended.code, ended.out) == (code, "")
        assert ended.err.startswith("hypgeo: ") and ended.err.count("\n") == 1, ended.err
        assert "Traceback" not in ended.err
        assert sorted(tmp_path.rglob("*")) == before
        return ended.err

    return call


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with lengths, one of them zero."""
    path = tmp_path / "tree.nwk"
    path.write_text("((tiger:1,lion:2)cats:1,(wolf:1,dog:0)dogs:2)root;")
    return path
