"""WordNet 3.0's noun hypernymy."""

from __future__ import annotations

from dataclasses import replace

from hypgeo.data.edges import edges
from hypgeo.data.graph import Graph
from hypgeo.data.local import find
from hypgeo.data.taxonomy import names


def wordnet_nouns() -> Graph:
    """All nouns of WordNet 3.0: 82,115 synsets, 84,427 links to hypernyms and instance hypernyms, named lemma.n.NN.

    Read from wordnet/noun_hypernyms.tsv, found as `hypgeo.data.local.find` says.
    """
    return edges(find("wordnet/noun_hypernyms.tsv", "WordNet's hypernyms as lines of child TAB parent"))


def wordnet_sala() -> Graph:
    """The WordNet graph of Sala, De Sa, Gu & Re (ICML 2018), Table 2: 74,374 synsets, 75,834 links.

    It is the largest connected part of the nouns under hypernyms alone. Read from wordnet/hyperbolics_wordnet.edges.gz
    and wordnet/hyperbolics_wordnet_names.tsv.gz.
    """
    graph = edges(find("wordnet/hyperbolics_wordnet.edges.gz", "the edge list of the paper's repository"))
    known = names(find("wordnet/hyperbolics_wordnet_names.tsv.gz", "lines of id TAB synset name"))
    return replace(graph, labels=[known[label] for label in graph.labels])
