"""WordNet's mammals, the hierarchy that comes with the package."""

from importlib.resources import as_file, files

from hypgeo.data.edges import edges
from hypgeo.data.graph import Graph


def mammals() -> Graph:
    """WordNet 3.0's nouns under mammal.n.01: 1,182 synsets, 1,182 hypernym links (elephant.n.01 has two parents).

    WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. Licence: LICENSE-WordNet beside this file.
    """
    with as_file(files("hypgeo.data") / "mammals.tsv") as path:
        return edges(path)
