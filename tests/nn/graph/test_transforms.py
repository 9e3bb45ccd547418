import networkx as nx
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import from_networkx

from hypgeo.nn.graph import DegreeFeatures, Hyperbolicity


@pytest.mark.parametrize(
    ("graph", "delta"),
    ((nx.cycle_graph(8), 2.0), (nx.cycle_graph(5), 0.5), (nx.balanced_tree(2, 3), 0.0), (nx.complete_graph(5), 0.0)),
)
def test_hyperbolicity(graph: nx.Graph, delta: float) -> None:
    assert Hyperbolicity()(from_networkx(graph)).hyperbolicity == delta


def test_degrees_of_the_edges_that_are_there() -> None:
    data = Data(edge_index=torch.tensor([[0, 1, 2, 3, 0, 1], [1, 1, 1, 1, 2, 0]]), num_nodes=5)
    out = DegreeFeatures(most=3)(data).x
    want = torch.eye(4)[torch.tensor([1, 3, 1, 0, 0])]
    assert torch.equal(out, torch.cat((want, torch.ones(5, 1)), 1))
    again = DegreeFeatures(most=3)(Data(x=torch.rand(5, 2).double(), edge_index=data.edge_index)).x
    assert again.shape == (5, 7) and again.dtype is torch.float64


def test_degrees_stay_on_the_device() -> None:
    data = Data(x=torch.empty(5, 2), edge_index=torch.zeros(2, 6, dtype=torch.int64)).to("meta")
    assert DegreeFeatures()(data).x.shape == (5, 9)
