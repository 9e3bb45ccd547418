"""Every data set by its name."""

from collections.abc import Callable
from functools import partial

from hypgeo.data.graph import Graph
from hypgeo.data.mammals import mammals
from hypgeo.data.taxonomy import TAXONOMIES, taxonomy
from hypgeo.data.wordnet import wordnet_nouns, wordnet_sala

DATASETS: dict[str, Callable[[], Graph]] = {
    "mammals": mammals,
    "wordnet_nouns": wordnet_nouns,
    "wordnet_sala": wordnet_sala,
    **{name: partial(taxonomy, name) for name in TAXONOMIES},
}


def named(name: str) -> Graph:
    """The data set called `name`: mammals, wordnet_nouns, wordnet_sala, or one of `taxonomy`'s."""
    if name not in DATASETS:
        raise ValueError(f"no data set is called {name!r}; there are {', '.join(DATASETS)}.")
    return DATASETS[name]()
