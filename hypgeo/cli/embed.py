"""hypgeo embed: a hierarchy from a file of edges into hyperbolic space."""

from __future__ import annotations

import time
from collections.abc import Hashable
from pathlib import Path
from typing import Annotated

import typer

from hypgeo.cli.report import progress, report, say
from hypgeo.cli.source import AsJson, Format, graph_of
from hypgeo.data import Graph


def embed(
    edges: Annotated[
        str,
        typer.Argument(metavar="EDGES", help="A file of edges, - for standard input, or a data set such as mammals."),
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the embedding to this file.")] = None,
    dim: Annotated[int, typer.Option(help="Dimension of the space, 2 or more.")] = 2,
    distortion: Annotated[float, typer.Option(help="Largest relative error of a tree distance.")] = 0.1,
    tau: Annotated[float | None, typer.Option(help="Length of an edge, instead of --distortion.")] = None,
    root: Annotated[str | None, typer.Option(help="Label of the node at the centre.")] = None,
    format: Format = "auto",
    representation: Annotated[str, typer.Option(help="tree, ball, lorentz, halfspace; auto: ball or tree.")] = "auto",
    refine: Annotated[int, typer.Option(help="Rounds of local improvement after the construction.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Embed a tree, or a graph through a spanning tree, with a guaranteed distortion."""
    from hypgeo.embed import TreeEmbedder
    from hypgeo.embedding import check_writable

    if output is not None:
        check_writable(output)
    graph = graph_of(edges, format)
    embedder = TreeEmbedder(
        dim=dim,
        distortion=distortion,
        tau=tau,
        root=None if root is None else _label(root, graph),
        representation=representation,
        refine=refine,
        progress=progress(),
    )
    start = time.perf_counter()
    embedding = embedder.fit(graph).embedding_
    seconds = time.perf_counter() - start
    made = embedding.provenance
    made["source"] = edges
    aside, bridges = len(made["edges_set_aside"]), len(made["bridges"])
    if aside:
        say(f"note: not a tree; embedded through a spanning tree, with {aside:,} of {graph.m:,} edges set aside.")
    if bridges:
        say(f"note: not connected; {bridges + 1:,} parts were joined by {bridges:,} bridges that are no edges.")
    if output is not None:
        embedding.save(output)
    report(
        {
            "nodes": graph.n,
            "edges": graph.m,
            "edges set aside": aside,
            **({"hidden nodes": len(made["hidden"])} if "hidden" in made else {}),
            "dimension": embedding.dim,
            "manifold": type(embedding.manifold).__name__,
            "radius": embedding.radius,
            "bits per node": 8 * embedding.bytes_per_node,
            "guaranteed distortion": made["guaranteed_distortion"],
            "seconds": seconds,
            "file": None if output is None else str(output),
        },
        as_json,
    )


def _label(text: str, graph: Graph) -> Hashable:
    """The label that a word of the command line means: itself, or the integer it spells."""
    known = set(graph.labels)
    if text not in known and text.lstrip("-").isdecimal() and int(text) in known:
        return int(text)
    return graph.labels[graph.index(text)]
