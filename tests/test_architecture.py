"""The house rule, read from the source: imports point one way, and a third party has its own rooms.

Only what runs when a module is imported counts: an upward import inside a function (``Embedding.plot``) is allowed.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "hypgeo"

# What each room may import of ours, directly or through what it imports.
BELOW: dict[str, set[str]] = {
    "data": set(),
    "_C": set(),
    "ops": {"_C", "data"},
    "mctensor": {"_C", "data", "ops"},
    "manifolds": {"_C", "data", "ops", "mctensor"},
    "optim": {"_C", "data", "ops", "mctensor", "manifolds"},
    "testing": {"_C", "data", "ops", "mctensor", "manifolds"},
    "embedding": {"_C", "data", "ops", "mctensor", "manifolds"},
}
BELOW["embed"] = {*BELOW["embedding"], "embedding", "optim"}
BELOW["metrics"] = BELOW["nn"] = {*BELOW["embedding"], "embedding"}
BELOW["plot"] = {*BELOW["embed"], "embed", "metrics", "nn"}
BELOW["cli"] = {*BELOW["plot"], "plot"}
BELOW["__main__"] = {*BELOW["cli"], "cli"}

# Where a third party may be imported at all, functions included: a folder or a file.
ROOMS = {
    "geoopt": ("manifolds/base.py", "optim"),
    "torch_geometric": ("nn/graph", "data"),
    "matplotlib": ("plot",),
    "plotly": ("plot",),
    "mpmath": ("testing",),
    "gmpy2": ("testing",),
    "typer": ("cli",),
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "csrc")


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def at_import(tree: ast.AST) -> Iterator[ast.stmt]:
    """The import statements that run when the module is imported, conditional ones included, typing-only ones too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_import(node)


def modules(statement: ast.stmt, path: Path) -> list[str]:
    """Full names of what a statement imports; ``from hypgeo import ops`` names hypgeo.ops."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    assert isinstance(statement, ast.ImportFrom)
    base = statement.module or ""
    if statement.level:
        package = ("hypgeo", *path.relative_to(PACKAGE).parts[:-1])
        base = ".".join([*package[: len(package) - statement.level + 1], *([base] if base else [])])
    return [f"{base}.{alias.name}" for alias in statement.names]


def ours(path: Path, source: str) -> set[str]:
    """Rooms of ours that the source imports when it is imported."""
    names = [n.split(".") for s in at_import(ast.parse(source)) for n in modules(s, path)]
    return {n[1] for n in names if n[0] == "hypgeo" and len(n) > 1} - {room(path)}


def strangers(path: Path, source: str) -> set[str]:
    """Third parties that the source imports anywhere outside the rooms they have."""
    where = path.relative_to(PACKAGE).as_posix()
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in (n.split(".")[0] for n in modules(node, path)):
                rooms = ROOMS.get(name)
                if rooms and not any(where == r or where.startswith(f"{r}/") for r in rooms):
                    found.add(name)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    if path == PACKAGE / "__init__.py":  # the index re-exports every room
        return
    assert room(path) in BELOW, f"{room(path)} is a new room: say in BELOW what it may import"
    upward = ours(path, path.read_text()) - BELOW[room(path)]
    assert not upward, f"{path.name} imports {sorted(upward)}, which stand above {room(path)}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_third_parties_keep_to_their_rooms(path: Path) -> None:
    astray = strangers(path, path.read_text())
    assert not astray, f"{path.name} imports {sorted(astray)}, allowed only in {[ROOMS[name] for name in astray]}"


def test_the_rules_see_what_they_forbid() -> None:
    path = PACKAGE / "ops" / "poincare.py"
    assert ours(path, "from hypgeo.manifolds import base\nfrom .. import plot\nfrom . import _kernel") == {
        "manifolds",
        "plot",
    }
    assert ours(path, "if True:\n    import hypgeo.cli\ndef f():\n    import hypgeo.nn") == {"cli"}
    assert strangers(path, "def f():\n    import matplotlib.pyplot as plt\nfrom torch import Tensor") == {"matplotlib"}
    assert strangers(PACKAGE / "plot" / "disk.py", "import matplotlib") == set()


def test_the_native_core_includes_downward_only() -> None:
    """scalar <- gram <- launchers: scalar includes no torch and nothing of ours outside scalar; gram only scalar."""
    for folder, allowed in (("scalar", {"scalar"}), ("gram", {"gram", "scalar"})):
        headers = sorted((PACKAGE / "csrc" / folder).glob("*.h"))
        assert headers
        for header in headers:
            for line in header.read_text().splitlines():
                if line.startswith('#include "'):
                    target = (header.parent / line.split('"')[1]).resolve()
                    assert target.is_file() and target.parent.name in allowed, f"{header.name}: {line}"
                elif line.startswith("#include"):
                    assert "torch" not in line and "cuda" not in line, f"{header.name}: {line}"
