"""hypgeo evaluate: how much of a graph an embedding keeps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from hypgeo.cli.report import progress, report
from hypgeo.cli.source import AsJson, Format, graph_of


def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An embedding made by hypgeo embed.")],
    edges: Annotated[
        str | None, typer.Argument(metavar="EDGES", help="The graph, as for embed; without it, the one embedded.")
    ] = None,
    format: Format = "auto",
    delta: Annotated[bool, typer.Option("--delta", help="Also the graph's delta-hyperbolicity.")] = False,
    as_json: AsJson = False,
) -> None:
    """Mean average precision, mean rank, average and worst distortion against the graph's own distances."""
    from hypgeo import metrics
    from hypgeo.embedding import Embedding

    embedding = Embedding.load(file)
    graph = embedding.graph() if edges is None else graph_of(edges, format)
    start = time.perf_counter()
    rows: dict[str, Any] = {
        "nodes": graph.n,
        "edges": graph.m,
        "MAP": metrics.mean_average_precision(graph, embedding, progress=progress()),
        "mean rank": metrics.mean_rank(graph, embedding, progress=progress()),
    }
    found = metrics.distortion(graph, embedding, progress=progress())
    rows |= {"average distortion": found.average, "worst distortion": found.worst, "pairs": found.pairs}
    if delta:
        rows["delta"] = metrics.delta_hyperbolicity(graph)
    rows["seconds"] = time.perf_counter() - start
    report(rows, as_json)
