"""Layers on manifolds; ``hypgeo.nn.graph`` has those on graphs and needs torch_geometric."""

from hypgeo.nn import mc as mc
from hypgeo.nn.activation import Activation as Activation
from hypgeo.nn.activation import Dropout as Dropout
from hypgeo.nn.curvature import curvatures as curvatures
from hypgeo.nn.curvature import parameter_groups as parameter_groups
from hypgeo.nn.decoders import DistanceDecoder as DistanceDecoder
from hypgeo.nn.decoders import FermiDiracDecoder as FermiDiracDecoder
from hypgeo.nn.hyperplanes import Hyperplanes as Hyperplanes
from hypgeo.nn.layer import Layer as Layer
from hypgeo.nn.linear import Linear as Linear
from hypgeo.nn.maps import FromManifold as FromManifold
from hypgeo.nn.maps import ToManifold as ToManifold
from hypgeo.nn.mean import FrechetMean as FrechetMean
from hypgeo.nn.norm import BatchNorm as BatchNorm
from hypgeo.nn.sequential import Sequential as Sequential
