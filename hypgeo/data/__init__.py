"""Graphs: the container, the file formats it is read from, and the data sets we know by name."""

from hypgeo.data.edges import edges as edges
from hypgeo.data.graph import Graph as Graph
