"""Graphs: the container, the file formats it is read from, and the data sets we know by name."""

from hypgeo.data.edges import edges as edges
from hypgeo.data.graph import Graph as Graph
from hypgeo.data.mammals import mammals as mammals
from hypgeo.data.named import named as named
from hypgeo.data.taxonomy import taxonomy as taxonomy
from hypgeo.data.wordnet import wordnet_nouns as wordnet_nouns
from hypgeo.data.wordnet import wordnet_sala as wordnet_sala
