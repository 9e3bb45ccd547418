"""Taxonomies and phylogenies."""

from __future__ import annotations

import gzip
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

from hypgeo.data.edges import edges
from hypgeo.data.graph import Graph
from hypgeo.data.local import find

# name: (edges, names), as they lie under taxonomy/<name>/
TAXONOMIES = {
    "google_product": ("edges.tsv", "names.tsv"),
    "mammal_phylogeny": ("edges.tsv", "names.tsv.gz"),
    "moss_phylogeny_T92308": ("edges.tsv", "names.tsv"),
    "go_slim": ("is_a.tsv", None),
}


def taxonomy(name: str) -> Graph:
    """A taxonomy by name, read from taxonomy/<name>/, found as `hypgeo.data.local.find` says.

    google_product: Google's product taxonomy of 2025, 5,596 nodes under an added "<root>".
    mammal_phylogeny: the mammal supertree of Bininda-Emonds et al. (Nature 446:507, 2007), 6,618 nodes, lengths in
      million years; the nameless are called node_<id>.
    moss_phylogeny_T92308: TreeBASE's tree of mosses, 344 nodes, lengths in substitutions, many of them 0.
    go_slim: Gene Ontology's generic slim, 149 terms in three parts that are not joined.
    """
    if name not in TAXONOMIES:
        raise ValueError(f"no taxonomy is called {name!r}; there are {', '.join(TAXONOMIES)}.")
    file, named = TAXONOMIES[name]
    graph = edges(find(f"taxonomy/{name}/{file}", "an edge list as lines of label TAB label"))
    if named is None:
        return graph
    known = names(find(f"taxonomy/{name}/{named}", "lines of id TAB name"))
    return replace(graph, labels=[known.get(label, f"node_{label}") for label in graph.labels])


def names(path: Path) -> dict[Hashable, str]:
    """The names in a file of lines id TAB name, by integer id."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return {int(id): name for id, _, name in (line.partition("\t") for line in text.splitlines() if line)}
