"""Riemannian optimisers: geoopt's classes with a fused step for this library's manifolds."""

from hypgeo.optim.adam import RiemannianAdam as RiemannianAdam
from hypgeo.optim.adam import SparseRiemannianAdam as SparseRiemannianAdam
from hypgeo.optim.mc import MCSGD as MCSGD
from hypgeo.optim.mc import MCAdam as MCAdam
from hypgeo.optim.sgd import RiemannianSGD as RiemannianSGD
from hypgeo.optim.sgd import SparseRiemannianSGD as SparseRiemannianSGD
