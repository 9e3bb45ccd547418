"""Graph layers on manifolds, for PyTorch Geometric (``pip install hypgeo-torch[graph]``)."""

from hypgeo.nn.graph.aggregate import ManifoldConv as ManifoldConv
from hypgeo.nn.graph.happnp import HAPPNP as HAPPNP
from hypgeo.nn.graph.hgat_conv import HGATConv as HGATConv
from hypgeo.nn.graph.hgcn_conv import HGCNConv as HGCNConv
from hypgeo.nn.graph.sampler import PlainNeighborSampler as PlainNeighborSampler
from hypgeo.nn.graph.transforms import DegreeFeatures as DegreeFeatures
from hypgeo.nn.graph.transforms import Hyperbolicity as Hyperbolicity
