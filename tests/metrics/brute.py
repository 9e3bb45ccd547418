"""The metrics by their definitions, over all nodes, pairs and quadruples, in plain Python."""

import itertools
import math
from collections.abc import Sequence

import networkx as nx

TIE = 1e-12


def average_precision(distances: Sequence[float], neighbours: set[int], node: int) -> float:
    """Sala et al. 2018, section 2: mean over neighbours of |N & R| / |R|, R the smallest ball of nodes that holds one.

    Non-neighbours as far as a neighbour come before it; neighbours as far as each other come one by one.
    """
    others = set(range(len(distances))) - neighbours - {node}
    precision = []
    for k, b in enumerate(sorted(neighbours, key=lambda v: distances[v]), start=1):
        ahead = sum(distances[w] <= distances[b] * (1 + TIE) for w in others)
        precision.append(k / (k + ahead))
    return math.fsum(precision) / len(precision) if precision else math.nan


def rank_sum(distances: Sequence[float], neighbours: set[int], node: int) -> float:
    """Nickel and Kiela 2017, section 4: the rank of each neighbour among the nodes that are none, summed."""
    others = set(range(len(distances))) - neighbours - {node}
    return sum(1 + sum(distances[w] <= distances[b] * (1 + TIE) for w in others) for b in neighbours)


def delta(graph: nx.Graph) -> float:
    """Half of how far the largest of a quadruple's three sums of distances exceeds the second, at most."""
    most = 0.0
    for part in nx.connected_components(graph):
        d = dict(nx.all_pairs_dijkstra_path_length(graph.subgraph(part)))
        for a, b, c, e in itertools.combinations(part, 4):
            _, second, first = sorted([d[a][b] + d[c][e], d[a][c] + d[b][e], d[a][e] + d[b][c]])
            most = max(most, (first - second) / 2)
    return most
