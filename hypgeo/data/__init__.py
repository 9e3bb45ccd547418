"""Graphs: the container, the file formats it is read from, and the data sets we know by name."""

from importlib import import_module
from typing import Any

from hypgeo.data.edges import edges as edges
from hypgeo.data.graph import Graph as Graph
from hypgeo.data.mammals import mammals as mammals
from hypgeo.data.named import named as named
from hypgeo.data.pairs import Pairs as Pairs
from hypgeo.data.taxonomy import taxonomy as taxonomy
from hypgeo.data.wordnet import wordnet_nouns as wordnet_nouns
from hypgeo.data.wordnet import wordnet_sala as wordnet_sala

# What needs torch_geometric is imported when it is asked for.
_GEOMETRIC = {"Airport": "airport", "Disease": "disease", "geometric": "pyg", "planetoid": "cora"}


def __getattr__(name: str) -> Any:
    if name not in _GEOMETRIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_GEOMETRIC[name]}"), name)
    except ModuleNotFoundError as e:
        if e.name != "torch_geometric":
            raise
        raise ModuleNotFoundError(
            f"hypgeo.data.{name} needs torch_geometric: pip install 'hypgeo-torch[graph]'", name=e.name
        ) from e
