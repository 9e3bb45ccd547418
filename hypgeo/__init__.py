"""Hyperbolic geometry on PyTorch: manifolds right to the last bits, and embeddings that never lose the tree."""

from hypgeo.data import Graph as Graph
from hypgeo.embed import TreeEmbedder as TreeEmbedder
from hypgeo.embedding import Embedding as Embedding
from hypgeo.manifolds import Euclidean as Euclidean
from hypgeo.manifolds import HalfSpace as HalfSpace
from hypgeo.manifolds import HalfSpaceTree as HalfSpaceTree
from hypgeo.manifolds import HTiling as HTiling
from hypgeo.manifolds import Klein as Klein
from hypgeo.manifolds import Lorentz as Lorentz
from hypgeo.manifolds import LTiling as LTiling
from hypgeo.manifolds import MCHalfSpace as MCHalfSpace
from hypgeo.manifolds import PoincareBall as PoincareBall
from hypgeo.manifolds import convert as convert
from hypgeo.mctensor import MCTensor as MCTensor
