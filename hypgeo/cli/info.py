"""hypgeo info: this installation, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypgeo.cli.report import report
from hypgeo.cli.source import AsJson

if TYPE_CHECKING:
    from hypgeo.embedding import Embedding


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
    from hypgeo.embedding import FORMAT, Embedding

    embedding = Embedding.load(file)
    rows: dict[str, Any] = {
        "format": f"{FORMAT} {1 if embedding.stored is None else 2}",
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
        **({} if embedding.stored is None else _compression(embedding)),
    }
    report(rows | ({"provenance": embedding.provenance} if as_json else embedding.provenance), as_json)


def _compression(embedding: Embedding) -> dict[str, Any]:
    """What a compressed file spends on a node, and what it has lost."""
    stored, n = embedding.stored, embedding.n
    assert stored is not None
    bits = {name: 8 * size / n for name, size in stored["sizes"].items()}
    points = bits["integers"] + bits["offsets"]
    needed = bits["parents"] if embedding.parent is not None else 0.0
    return {
        "compression": "lossless" if stored["bits"] is None else f"offsets to {stored['bits']} bits a coordinate",
        "bits per node": points + needed,
        "integer bits per node": bits["integers"],
        "offset bits per node": bits["offsets"],
        "parent bits per node": needed,
        "label and edge bits per node": bits["other"],
        "uncompressed bits per node": 8 * embedding.bytes_per_node,
        "largest displacement": stored["largest_shift"],
        "mean displacement": stored["mean_shift"],
    }
