"""hypgeo info: this installation, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hypgeo.cli.report import report
from hypgeo.cli.source import AsJson


def info(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="An embedding; without it, the installation is described.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Versions, devices and what is compiled; or what an embedding file holds and how it was made."""
    if file is None:
        from importlib.metadata import version

        from hypgeo import _C

        report({"hypgeo": version("hypgeo-torch")} | _C.describe(), as_json)
        return
    from hypgeo.embedding import FORMAT, VERSION, Embedding

    embedding = Embedding.load(file)
    rows: dict[str, Any] = {
        "format": f"{FORMAT} {VERSION}",
        "nodes": embedding.n,
        "edges": None if embedding.edges is None else len(embedding.edges),
        "dimension": embedding.dim,
        "manifold": type(embedding.manifold).__name__,
        "curvature": float(embedding.manifold.curvature),
        "dtype": str(embedding.points.dtype).removeprefix("torch."),
        "radius": embedding.radius,
        "root": None if embedding.root is None else embedding.labels[embedding.root],
        "bytes per node": embedding.bytes_per_node,
        "file bytes": file.stat().st_size,
    }
    report(rows | ({"provenance": embedding.provenance} if as_json else embedding.provenance), as_json)
