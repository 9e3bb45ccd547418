"""What EDGES means on the command line."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from hypgeo.cli.report import say
from hypgeo.data import Graph, edges
from hypgeo.data.named import DATASETS, named

Format = Annotated[str, typer.Option(help="tsv, csv, newick, json, or auto: by extension, then by content.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def graph_of(source: str, format: str) -> Graph:
    """The graph in a file, on standard input ("-"), or of that name among the data sets where no such file exists."""
    if source in DATASETS and not Path(source).exists():
        graph = named(source)
    elif source != "-" and not Path(source).exists() and (close := difflib.get_close_matches(source, DATASETS, n=1)):
        raise ValueError(f"there is no file {source!r}; did you mean the data set {close[0]!r}?")
    else:
        graph = edges(source, format)
    if graph.self_loops or graph.duplicates:
        say(f"note: dropped {graph.self_loops:,} self-loops and {graph.duplicates:,} repeated edges.")
    return graph
